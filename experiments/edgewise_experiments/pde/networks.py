"""KANs and MLPs with hidden layers on four equations: same points, same method, the best of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from edgewise import fit
from edgewise.nn import MLP
from edgewise.outcomes import ProgressCallback
from edgewise.pde import Collocation
from edgewise.pde.solver.network import network_for
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.spaces.networks import fields_of
from edgewise.train import LevenbergMarquardt, StepEvent
from edgewise_experiments.problems.named_equations import named_equation
from edgewise_experiments.runner import Job, ResultTable, scientific, working_seconds

PROBLEMS = ("poisson", "helmholtz", "heat", "burgers")
MLPS = ((10, 10), (20, 20), (20, 20, 20))
KANS = ((5,),)
GRIDS = (6, 12, 24)
POINTS, STEPS = 2500, 80  # STEPS of an MLP and of the last grid of a KAN
ADAPTATIONS = 4  # of the domains of a KAN on its first grid, at equal distances of steps
KINDS = ("KAN", "MLP")
StepCallback = Callable[[StepEvent], Any]


def listed_networks(quick: bool) -> list[tuple[str, str, tuple[int, ...]]]:
    """List problem, kind and hidden layers of each network."""
    if quick:
        return [("heat", "KAN", (2,)), ("heat", "MLP", (4,))]
    shapes = [("KAN", hidden) for hidden in KANS] + [("MLP", hidden) for hidden in MLPS]
    return [(name, *shape) for name in PROBLEMS for shape in shapes]


def network_job(name: str, kind: str, hidden: tuple[int, ...], quick: bool) -> Job:
    """Make the job of one network."""
    key = {"problem": name, "model": kind, "shape": list(hidden), "seed": 0, "quick": quick}
    return Job(f"{name}, {kind} {list(hidden)}", key, partial(measure_network, name, kind, hidden, quick))


def measure_network(name: str, kind: str, hidden: tuple[int, ...], quick: bool, report: ProgressCallback) -> dict:
    """Train one network and measure its errors."""
    problem = named_equation(name).make().resampled(200 if quick else POINTS)
    steps = 10 if quick else STEPS
    if kind == "KAN":
        network: nn.Module = train_kan(problem, hidden, GRIDS[:1] if quick else GRIDS, steps, [report])
    else:
        network = train_mlp(problem, hidden, steps, [report])
    errors = errors_of(network, problem)
    size = sum(p.numel() for p in network.parameters())
    return {"error": errors.relative_l2, "relative_h1": errors.relative_h1, "parameters": size}


def train_mlp(
    problem: Collocation, hidden: Sequence[int], steps: int, callbacks: Sequence[StepCallback] = (), seed: int = 0
) -> MLP:
    """Train an MLP with tanh; its first layer, trained like all others, starts by scaling coordinates to [-1, 1]."""
    width = [problem.domain.dimension, *hidden, len(problem.fields)]
    network = MLP(width, activation="tanh", dtype=torch.float64, seed=seed)
    scale, middle = 2 / problem.domain.size, problem.domain.bounds.mean(1)
    with torch.no_grad():
        first = network.layers[0]
        first.weight.mul_(scale[:, None])
        first.bias.sub_(middle @ first.weight)
    fit(network, problem, LevenbergMarquardt(), steps=steps, callbacks=callbacks)
    return network


def train_kan(
    problem: Collocation,
    hidden: Sequence[int],
    grids: Sequence[int],
    steps: int,
    callbacks: Sequence[StepCallback] = (),
    seed: int = 0,
) -> nn.Module:
    """Train a KAN on a coarse grid, whose domains follow the activations, and then on grids each twice as fine.

    The last grid gets `steps` steps, every other grid a third of them.
    """
    network = network_for(problem, tuple(hidden), grids[0], 5, seed)
    for number in range(len(grids)):
        if number:
            (network,) = fields_of(network).larger(seed)
        share = steps if number == len(grids) - 1 else max(steps // 3, 1)
        rounds = ADAPTATIONS if number == 0 else 1
        for _ in range(rounds):
            if number == 0:
                fields_of(network).fit_hidden_grids_(problem.train.x)
            fit(network, problem, LevenbergMarquardt(), steps=max(share // rounds, 1), callbacks=callbacks)
    return network


def best_networks(rows: Sequence[dict], name: str) -> dict[str, dict]:
    """Return the row with the lowest error for each kind of network on a problem."""
    best: dict[str, dict] = {}
    for row in rows:
        if row["problem"] == name and row["model"] in KINDS and row["error"] is not None:
            best[row["model"]] = min(best.get(row["model"], row), row, key=lambda each: each["error"])
    return best


def network_numbers(rows: Sequence[dict]) -> dict[str, str]:
    """Count the problems on which the KAN has a lower error than the best MLP; empty if no problem has both."""
    pairs = [best for best in (best_networks(rows, name) for name in PROBLEMS) if len(best) == len(KINDS)]
    ahead = sum(best["KAN"]["error"] < best["MLP"]["error"] for best in pairs)
    return {"problems with the KAN below the best MLP": f"{ahead} of {len(pairs)}"} if pairs else {}


def network_tables(rows: Sequence[dict]) -> tuple[ResultTable, ...]:
    """Show the best KAN and the best MLP on each problem; no table without such rows."""
    lines = []
    for name in dict.fromkeys(row["problem"] for row in rows if row["model"] in KINDS):
        solved = next((row for row in rows if row["problem"] == name and row["model"] == "solve"), None)
        best = best_networks(rows, name)
        cells = [name, "-" if solved is None else scientific(solved["error"])]
        for kind in KINDS:
            if kind not in best:
                cells += ["-"] * 4
                continue
            row = best[kind]
            shape = f"[{','.join(map(str, row['shape']))}]"
            cells += [shape, scientific(row["error"]), f"{row['parameters']:,}", f"{working_seconds(row):.0f}"]
        lines.append(tuple(cells))
    if not lines:
        return ()
    parts = [f"{kind} {part}" for kind in KINDS for part in ("hidden", "error", "parameters", "seconds")]
    title = (
        f"Networks with hidden layers, Levenberg-Marquardt, {POINTS:,} points; of MLPs the best of {len(MLPS)} sizes"
    )
    return (ResultTable(("problem", "solve", *parts), tuple(lines), title),)
