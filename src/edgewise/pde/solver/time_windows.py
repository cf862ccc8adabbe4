"""Nonlinear equations in time, window after window: each starts where the last one ends, on a grid of its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.pde.domains.domain import TIME, Box, Domain, OverTime, Time
from edgewise.pde.domains.mesh import Mesh, halved, joined, left_out
from edgewise.pde.problem.conditions import Initial, Observations, by_field
from edgewise.pde.problem.equation import PDE
from edgewise.pde.problem.evaluation import value_at
from edgewise.pde.solver.history import Account
from edgewise.pde.solver.network import TensorNetwork, WindowNetwork
from edgewise.pde.solver.solution import field_jet_at
from edgewise.pde.solver.training import linear_method, trained

INTERVALS = {1: 8, 2: 4}  # of a window in time, by the dimension of the domain
ROUNDS = 8  # of new grids in a window
SAFETY, SHRINK, GROW = 0.8, 0.2, 2.0  # of the next window's length, as step-size control of ODE solvers has them
SHARE = 0.1  # of the tolerance that an interval may miss: the errors of many add up
FIRST_WINDOWS = 10
FAR = 1e3  # times what a window may miss: it is too long, whatever its grid in space
LEAST_WINDOW = 1e-9  # of the whole time


@dataclass(frozen=True)
class Window:
    """One window's outcome. missed: the most that an interval misses, in space and in time, see `mesh.left_out`."""

    network: TensorNetwork
    problem: PDE
    loss: float
    missed: float


def can_march(problem: PDE) -> bool:
    """Whether it is a nonlinear initial value problem in at most one dimension of space, with nothing to be found."""
    domain = problem.domain
    if TIME not in domain.coordinates or domain.dimension > 2 or problem.unknowns or problem.has_integrals:
        return False
    if problem.is_linear:
        return False
    moments = {piece.name for piece in domain.pieces} - set(domain.boundary_names)
    for condition in problem.conditions:
        if isinstance(condition, Observations):
            return False
        is_held = hasattr(condition, "pieces") and not isinstance(condition, Initial)
        if is_held and moments & set(condition.pieces(domain)):
            return False
    return any(isinstance(condition, Initial) for condition in problem.conditions)


class March:
    """Windows from the first moment to the last.

    Args:
        problem: one for which `can_march`.
        grid_size, degree: of the coarsest grid in space, of the splines.
        tolerance: what an interval may miss, relative to its field.
        most: coefficients of a window; where they don't suffice the window stays as it is.
        account: of work; the march ends where it is spent.
    """

    def __init__(self, problem: PDE, grid_size: int, degree: int, tolerance: float, most: int, account: Account):
        self.problem, self.degree, self.most, self.account = problem, degree, most, account
        self.allowed, self.domain = SHARE * tolerance, problem.domain
        self.axis = self.domain.coordinates.index(TIME)
        self.space = [axis for axis in range(self.domain.dimension) if axis != self.axis]
        self.periodic = [name in problem.periodic for name in self.domain.coordinates]
        self.grid_size = max(grid_size, degree + 1)

    def run(self) -> tuple[WindowNetwork, float, int] | None:
        """The network, its loss (the mean over windows) and all points; None where windows get too short or work is
        spent."""
        begin, end = self.domain.bounds[self.axis].tolist()
        moment, length, ends = begin, (end - begin) / FIRST_WINDOWS, [begin]
        before, windows = None, []
        while end - moment > LEAST_WINDOW * (end - begin):
            length = end - moment if end - moment < 1.2 * length else length
            if length < LEAST_WINDOW * (end - begin) or self.account.work > self.account.limit:
                return None
            window = self._window(moment, moment + length, before)
            factor = SAFETY * (self.allowed / max(window.missed, 1e-300)) ** (1 / (self.degree + 1))
            if factor < SAFETY or not window.loss < (self.allowed / SHARE) ** 2:
                length *= max(SHRINK, min(factor, SAFETY))
                continue
            windows.append(window)
            moment, before = moment + length, window
            ends.append(moment)
            length *= min(GROW, factor)
            done = (moment - begin) / (end - begin)
            self.account.tell(f"window {len(windows)}, {100 * done:.0f} % of the time", window.loss)
        network = WindowNetwork([w.network for w in windows], torch.tensor(ends, dtype=torch.float64), self.axis)
        loss = sum(window.loss for window in windows) / len(windows)
        return network, loss, sum(len(window.problem.train) for window in windows)

    def _window(self, begin: float, end: float, before: Window | None) -> Window:
        """Solved on a grid that is cut in space until no interval misses more than it may."""
        problem = self._problem_between(begin, end, before)
        points = [torch.linspace(begin, end, INTERVALS[self.domain.dimension] + 1, dtype=torch.float64)]
        for axis in self.space:
            points.insert(axis, self._space_points(axis, begin, before))
        layer = self._started(points, begin, before)
        for _ in range(ROUNDS):
            network = TensorNetwork(layer)
            sampled = problem.resampled(1, mesh=Mesh(problem.domain, layer.breakpoints))
            report = trained(network, sampled, linear_method(self.most))
            self.account.spend(network, sampled, report.steps)
            missed = left_out(layer, problem.domain)
            in_time = float(missed[self.axis].max())
            finer = [
                old if axis == self.axis else halved(old, errors, self.allowed)
                for axis, (old, errors) in enumerate(zip(layer.breakpoints, missed, strict=True))
            ]
            size = math.prod(len(line) + self.degree for line in finer) * layer.out_features
            is_fine = list(map(len, finer)) == [g + 1 for g in layer.grid_sizes]
            if is_fine or size > self.most or in_time > FAR * self.allowed:
                break
            layer = layer.with_breakpoints(finer)
        return Window(network, sampled, report.loss, in_time)

    def _problem_between(self, begin: float, end: float, before: Window | None) -> PDE:
        problem, domain = self.problem, _between(self.domain, begin, end)
        conditions = [
            _continued(each, problem.fields, before) if isinstance(each, Initial) and before is not None else each
            for each in problem.conditions
        ]
        return PDE(problem.equation, domain, conditions, points=16, weight=problem.weight)

    def _space_points(self, axis: int, begin: float, before: Window | None) -> Tensor:
        """Breakpoints in space for the state at the beginning."""
        if before is not None:
            layer = before.network.layers[0]
            errors = left_out(layer, before.problem.domain)[axis]
            return joined(layer.breakpoints[axis], errors, self.degree, self.allowed, self.grid_size)
        points = torch.linspace(*self.domain.bounds[axis].tolist(), self.grid_size + 1, dtype=torch.float64)
        for _ in range(ROUNDS):
            layer = self._state([points], begin, None)[0]
            finer = halved(points, left_out(layer, Box(x=(float(points[0]), float(points[-1]))))[0], self.allowed)
            if len(finer) == len(points) or len(finer) * len(self.problem.fields) > self.most / 10:
                break
            points = finer
        return points

    def _state(self, points: list[Tensor], begin: float, before: Window | None) -> list[TensorLayer]:
        """Splines of space that are closest to the state at the beginning, and to its rate of change."""
        line = Mesh(Box(x=(float(points[0][0]), float(points[0][-1]))), points).interior()[0]
        x = torch.full((len(line), 2), begin, dtype=torch.float64)
        x[:, self.space[0]] = line[:, 0]
        layers = []
        for target in self._values(x, before):
            layer = TensorLayer(points, target.shape[1], degree=self.degree, periodic=[self.periodic[self.space[0]]])
            one = TensorLayer(points, 1, degree=self.degree, periodic=layer.periodic)
            ones = torch.ones(1, len(line), 1, dtype=torch.float64)
            rows = dense_rows(one.jacobian_segments(line[None], ones)[0], one.coef.numel())
            layer.coef = nn.Parameter(torch.linalg.lstsq(rows, target).solution)
            layers.append(layer)
        return layers

    def _values(self, x: Tensor, before: Window | None) -> tuple[Tensor, Tensor]:
        """Fields and rates of change at x (b, n) at the beginning of a window, (b, fields) each."""
        return _first_values(self.problem, x) if before is None else _end_of(before, x)

    def _started(self, points: list[Tensor], begin: float, before: Window | None) -> TensorLayer:
        """The layer of a window: the state at its beginning, going on at its rate of change."""
        layer = TensorLayer(points, len(self.problem.fields), degree=self.degree, periodic=self.periodic)
        if self.space:
            value, rate = (state.coef.detach() for state in self._state([points[self.space[0]]], begin, before))
        else:
            x = torch.full((1, 1), begin, dtype=torch.float64)
            value, rate = (each[0] for each in self._values(x, before))
        knots = layer.knots[self.axis][0]
        count = layer.coef.shape[self.axis]
        # A spline with the coefficients of these places is the place itself (Greville; de Boor, ch. XI, eq. (10)).
        places = torch.stack([knots[1 + r : 1 + r + count] for r in range(self.degree)]).mean(0) - begin
        coef = value[..., None, :] + places[:, None] * rate[..., None, :]
        layer.coef = nn.Parameter((coef if self.axis else coef.movedim(-2, 0)).contiguous())
        return layer


def _between(domain: Domain, begin: float, end: float) -> Domain:
    if isinstance(domain, OverTime):
        return OverTime(domain.space, Time(begin, end))
    ends = dict(zip(domain.coordinates, domain.bounds.tolist(), strict=True))
    return Box(**{**ends, TIME: (begin, end)})


def _continued(condition: Initial, fields: tuple[str, ...], before: Window) -> Initial:
    """The same condition with the end of the window before for its values."""

    def at_end(name: str, order: int) -> Callable[..., Tensor]:
        def value(points: Tensor) -> Tensor:
            return _end_of(before, points)[order][:, fields.index(name)]

        return value

    value = {name: at_end(name, 0) for name in by_field(condition.value, fields)}
    rate = None
    if condition.rate is not None:
        rate = {name: at_end(name, 1) for name in by_field(condition.rate, fields)}
    return replace(condition, value=value, rate=rate)


def _end_of(before: Window, x: Tensor) -> tuple[Tensor, Tensor]:
    """Fields and their rates of change at x (b, n), at the end of a window: (b, fields) each."""
    time = torch.zeros(1, x.shape[1], dtype=torch.float64)
    time[0, before.problem.domain.coordinates.index(TIME)] = 1.0
    return tuple(field_jet_at(before.network, before.problem, x, time, 1))


def _first_values(problem: PDE, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the initial conditions say at x (b, n), zeros where they say nothing: (b, fields) each."""
    found = torch.zeros(2, len(x), len(problem.fields), dtype=torch.float64)
    for condition in problem.conditions:
        for order, given in enumerate((condition.value, condition.rate) if isinstance(condition, Initial) else ()):
            for name, value in (by_field(given, problem.fields) if given is not None else {}).items():
                found[order, :, problem.fields.index(name)] = value_at(value, problem.domain.coordinates, x, "value")
    return tuple(found)
