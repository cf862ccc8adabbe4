"""A KAN for right-hand sides that have no short law: trained on slopes, and then through the trajectories.

The first fit is a regression of the smoothed slopes, which needs no integration. The second one integrates the network
by Runge and Kutta's method from each sample over a stretch of the trajectory and compares with the sample at its end
(multiple shooting with fixed starts; Chen et al., Neural ordinary differential equations, 2018). An additive network
comes first, and one with a hidden layer replaces it only where it foresees held-out stretches better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.dynamics.result import Forecast, Motion
from edgewise.dynamics.trajectories import runge_kutta
from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.loop import fit
from edgewise.train.methods import LBFGS
from edgewise.train.penalties import Roughness
from edgewise.train.problems import Regression


@dataclass(frozen=True)
class NetworkSettings:
    """Shape and training of the network."""

    grid_size: int = 6
    slope_steps: int = 60  # of the regression of slopes
    flow_steps: int = 40  # through the trajectories
    roughness: float = 1e-5  # penalty of second derivatives, relative to the mean squared slope
    stretch: float = 0.05  # of a trajectory that one integration takes
    substeps: int = 8  # Runge-Kutta steps along a stretch
    held_out: float = 0.2  # share of the stretches by which shapes are compared
    gain: float = 0.9  # held-out error of a hidden layer, relative to that without, below which it stays


NETWORK = NetworkSettings()


class Flow(nn.Module):
    """States (N, states) at the end of a stretch, of rows (N, states + 1) of its start and its duration."""

    def __init__(self, network: nn.Module, scale: Tensor, order: int, is_map: bool, substeps: int):
        super().__init__()
        self.network = network
        self.register_buffer("scale", scale)  # (measured,) of the slopes: the network's outputs are divided by it
        self.order = order
        self.is_map = is_map
        self.substeps = substeps

    def slopes(self, x: Tensor) -> Tensor:
        """Derivatives (N, states) at states (N, states); of a map the next states."""
        out = self.network(x) * self.scale
        return out if self.order == 1 else torch.cat([x[:, out.shape[1] :], out], 1)

    def forward(self, rows: Tensor) -> Tensor:
        x = rows[:, :-1]
        if self.is_map:
            return self.slopes(x)
        h = rows[:, -1:] / self.substeps
        for _ in range(self.substeps):
            x = runge_kutta(lambda state, _: self.slopes(state), x, h, None, None, None)
        return x


@dataclass(frozen=True)
class MotionNetwork:
    """A network for the right-hand sides of a motion."""

    # From the states to the derivative of each coordinate, of second order its second one, divided by `scale`; it is
    # drawn and read as any other KAN
    model: KAN
    scale: np.ndarray  # (measured,)
    error: float  # root mean square on held-out stretches, relative to the spread of the coordinates
    names: tuple[str, ...]  # of the states
    inputs: np.ndarray  # (N, states) it was fitted to, for drawings
    flow: Flow

    def forecast(self, x0: np.ndarray, t: np.ndarray) -> Forecast:
        """Continue from a state (states,) at t[0] to increasing times t (n,); without a band, whose edges are NaN."""
        times = torch.as_tensor(np.asarray(t, dtype=np.float64))
        x = torch.as_tensor(np.asarray(x0, dtype=np.float64).reshape(1, -1))
        m = len(self.scale)
        if x.shape[1] == m and self.flow.order == 2:
            x = torch.cat([x, torch.zeros_like(x)], 1)
        if x.shape[1] != len(self.names):
            raise InputError(f"x0 must hold {len(self.names)} numbers, got {x0!r:.80}")
        path = [x]
        with torch.no_grad():
            for step in torch.diff(times):
                path.append(self.flow(torch.cat([path[-1], step.reshape(1, 1)], 1)))
        states = torch.cat(path).numpy()[:, :m]
        nothing = np.full_like(states, np.nan)
        return Forecast(times.numpy(), states, nothing, nothing, 0.0)


def network_of(motion: Motion, hidden: int | None, seed: int) -> MotionNetwork:
    """Train an additive network and, unless `hidden` is 0, one with a hidden layer; the better one on held-out rows."""
    kind = motion.choice.kind
    if kind.known:
        raise InputError("a network needs a motion of the present state alone; this one has inputs or delays")
    width = 2 * kind.states + 1 if hidden is None else hidden
    best = _trained(motion, [kind.states, kind.measured], seed)
    if width:
        deep = _trained(motion, [kind.states, width, kind.measured], seed)
        if deep.error < NETWORK.gain * best.error:
            best = deep
    return best


def _trained(motion: Motion, width: list[int], seed: int) -> MotionNetwork:
    """One network of a shape, fitted to slopes and then through the trajectories."""
    kind = motion.choice.kind
    runs = motion.evidence.runs
    m = kind.measured
    states = [torch.as_tensor(run.curve) for run in runs]
    # Slopes by central differences of the smoothed states; of a map the next states
    if kind.is_map:
        inputs = torch.cat([one[:-1] for one in states])
        targets = torch.cat([one[1:, :m] for one in states])
    else:
        inputs = torch.cat(states)
        slopes = [np.gradient(run.curve[:, -m:], run.t, axis=0) for run in runs]
        targets = torch.as_tensor(np.concatenate(slopes))
    scale = targets.std(0).clamp(min=1e-12)
    model = KAN(width, NETWORK.grid_size, seed=seed, dtype=torch.float64)
    fit(model, Regression(inputs, targets / scale), steps=NETWORK.slope_steps, penalty=Roughness(NETWORK.roughness))

    # Stretches from each sample to one some samples later, in units of the spread of the coordinates
    flow = Flow(model, scale, kind.order, kind.is_map, NETWORK.substeps)
    rows = []
    ends = []
    for x, t in zip(states, (run.t for run in runs), strict=True):
        ahead = 1 if kind.is_map else max(1, round(NETWORK.stretch * len(t)))
        duration = torch.as_tensor(t[ahead:] - t[:-ahead])[:, None]
        rows.append(torch.cat([x[:-ahead], duration], 1))
        ends.append(x[ahead:])
    spread = torch.cat(states).std(0)
    unit = _Scaled(flow, spread)
    problem = Regression(torch.cat(rows), torch.cat(ends) / spread, validation=NETWORK.held_out, seed=seed)
    fit(unit, problem, LBFGS(), steps=NETWORK.flow_steps)
    with torch.no_grad():
        held = problem.validation
        assert held is not None, "rows were held out"
        error = float((unit(held.x) - held.y)[:, :m].square().mean().sqrt())
    names = motion.choice.variables[: kind.states]
    return MotionNetwork(model, scale.numpy(), error, names, inputs.numpy(), flow)


class _Scaled(nn.Module):
    """A flow whose states are divided by their spread (states,), so that no coordinate outweighs another."""

    def __init__(self, flow: Flow, spread: Tensor):
        super().__init__()
        self.flow = flow
        self.register_buffer("spread", spread)

    def forward(self, rows: Tensor) -> Tensor:
        return self.flow(rows) / self.spread
