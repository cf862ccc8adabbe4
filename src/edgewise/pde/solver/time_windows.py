"""Nonlinear equations in time, window after window: each starts where the last one ends, on a grid of its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import TIME, Box, Domain, OverTime, Time
from edgewise.pde.domains.mesh import Mesh, left_out, with_halved_intervals, with_joined_intervals
from edgewise.pde.problem.collocation import Collocation, Sampling
from edgewise.pde.problem.conditions import Initial, by_field
from edgewise.pde.problem.evaluation import value_at
from edgewise.pde.problem.strong_form import StrongForm, strong_form_of
from edgewise.pde.solver.history import History
from edgewise.pde.solver.solution import field_jet_at
from edgewise.pde.solver.training import linear_method
from edgewise.pde.structured.networks import TensorNetwork, WindowNetwork
from edgewise.settings import ABOVE_ZERO

# Intervals of a window in time, by the dimension of the domain. A choice: in one dimension of space most coefficients
# are spent on space.
INTERVALS = {1: 8, 2: 4}
# Largest number of new grids in a window. A choice: each round halves the intervals that are too long.
MOST_NEW_GRIDS = 8
# Step-size control as of solvers of ordinary differential equations: safety factor, least and largest change of the
# length of a window (E. Hairer, S. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", section II.4).
SAFETY, SHRINK, GROW = 0.8, 0.2, 2.0
SHARE = 0.1  # of the tolerance, allowed as error of one interval, for the errors of many add up. A choice
FIRST_WINDOWS = 10  # first length of a window, as a part of the whole time. A choice: step-size control corrects it
# A window in time whose error is this many times the allowed one is too long, whatever its grid in space. A choice.
FAR = 1e3
LEAST_WINDOW = 1e-9  # of the whole time: shorter windows mean that the solution blows up or the tolerance is too small
POINTS_OF_ALL = 2000  # of the problem of all windows, which nothing is trained on: as many as a PDE has by default
STRETCH = 1.2  # a last window may be longer by this factor, rather than leave a sliver of time
STATE_SHARE = 10  # the grid of the first state has at most this part of all coefficients


@dataclass(frozen=True)
class Window:
    """Result of one window.

    Parameters
    ----------
    network, problem, loss
        The network, the problem on the window, and the loss.
    time_error : float
        Largest estimated error of an interval in time, see `edgewise.pde.domains.mesh.left_out`.
    """

    network: TensorNetwork
    problem: Collocation
    loss: float
    time_error: float


class WindowResult(NamedTuple):
    """Network of all windows, its loss (the mean over windows), the number of all collocation points, and the problem.

    The problem ends at the last moment that was reached; `ended` says why it was not that of the whole problem.
    """

    network: WindowNetwork
    loss: float
    points: int
    problem: Collocation
    ended: StopReason | None


def suits_time_windows(form: StrongForm) -> bool:
    """True if a problem is a nonlinear initial value problem in at most one dimension of space, without unknowns."""
    domain = form.domain
    if TIME not in domain.coordinates or domain.dimension > 2 or form.coefficients or form.has_integrals:
        return False
    if form.is_linear or form.observations:
        return False
    moments = {piece.name for piece in domain.pieces if piece.is_time_end}
    for condition in form.conditions:
        is_elsewhere = hasattr(condition, "pieces") and not isinstance(condition, Initial)
        if is_elsewhere and moments & set(condition.pieces(domain)):
            return False
    return any(isinstance(condition, Initial) for condition in form.conditions)


class TimeWindows:
    """Windows in time from the first moment to the last, with a length that follows the estimated error.

    Parameters
    ----------
    form : StrongForm
        A problem for which `suits_time_windows` holds.
    grid_size, degree : int
        Intervals of the coarsest grid in space, and degree of the splines.
    tolerance : float
        Allowed error, relative to the field.
    most : int
        Largest number of coefficients of a window; where they do not suffice the window stays as it is.
    history : History
        Record of the work; the windows end where its limit is reached.
    """

    def __init__(self, form: StrongForm, grid_size: int, degree: int, tolerance: float, most: int, history: History):
        self.form, self.degree, self.most, self.history = form, degree, most, history
        self.allowed, self.domain = SHARE * tolerance, form.domain
        self.axis = self.domain.coordinates.index(TIME)
        self.space = [axis for axis in range(self.domain.dimension) if axis != self.axis]
        self.periodic = [name in form.periodic for name in self.domain.coordinates]
        self.grid_size = max(grid_size, degree + 1)

    def run(self) -> WindowResult | None:
        """Solve windows up to the last moment, or as far as budget, time and the user allow; None without any window.

        Raises
        ------
        KeyboardInterrupt
            The user pressed Ctrl-C before the first window was complete.
        """
        begin, end = self.domain.bounds[self.axis].tolist()
        moment, length, ends = begin, (end - begin) / FIRST_WINDOWS, [begin]
        windows: list[Window] = []
        ended: StopReason | None = None
        try:
            while ended is None and end - moment > LEAST_WINDOW * (end - begin):
                length = end - moment if end - moment < STRETCH * length else length
                window = self._window(moment, moment + length, windows[-1] if windows else None)
                factor = SAFETY * (self.allowed / max(window.time_error, ABOVE_ZERO)) ** (1 / (self.degree + 1))
                if factor < SAFETY or not window.loss < (self.allowed / SHARE) ** 2:
                    length *= max(SHRINK, min(factor, SAFETY))
                else:
                    windows.append(window)
                    moment += length
                    ends.append(moment)
                    length *= min(GROW, factor)
                    done = (moment - begin) / (end - begin)
                    self.history.report_progress(f"window {len(windows)}, {100 * done:.0f} % of the time", window.loss)
                if end - moment > LEAST_WINDOW * (end - begin):
                    ended = self._reason_to_end(length / (end - begin))
        except KeyboardInterrupt:
            if not windows:
                raise
            ended = StopReason.INTERRUPTED
        if not windows:
            return None
        network = WindowNetwork([w.network for w in windows], torch.tensor(ends, dtype=torch.float64), self.axis)
        loss = sum(window.loss for window in windows) / len(windows)
        form = (
            self.form
            if ended is None
            else replace(self._form_between(begin, moment, None), solution=self.form.solution)
        )
        points = sum(window.problem.point_count for window in windows)
        return WindowResult(network, loss, points, Collocation(form, Sampling(POINTS_OF_ALL)), ended)

    def _reason_to_end(self, length: float) -> StopReason | None:
        """Why there is no next window, if its length would be this part of the whole time; None if there is one."""
        if length < LEAST_WINDOW:
            return StopReason.NO_PROGRESS
        if self.history.work > self.history.limit:
            return StopReason.BUDGET
        return StopReason.TIME_LIMIT if self.history.past_deadline else None

    def _window(self, begin: float, end: float, before: Window | None) -> Window:
        """One window, solved on a grid that is refined in space until every interval has an allowed error."""
        form = self._form_between(begin, end, before)
        points = [torch.linspace(begin, end, INTERVALS[self.domain.dimension] + 1, dtype=torch.float64)]
        for axis in self.space:
            points.insert(axis, self._space_points(axis, begin, before))
        layer = self._extrapolated(points, begin, before)
        for _ in range(MOST_NEW_GRIDS):
            network = TensorNetwork(layer)
            problem = Collocation(form, Sampling(mesh=Mesh(form.domain, layer.breakpoints)))
            outcome = self.history.train(network, problem, linear_method(self.most))
            errors = left_out(layer, form.domain)
            time_error = float(errors[self.axis].max())
            finer = [
                old if axis == self.axis else with_halved_intervals(old, error, self.allowed)
                for axis, (old, error) in enumerate(zip(layer.breakpoints, errors, strict=True))
            ]
            size = math.prod(len(line) + self.degree for line in finer) * layer.out_features
            is_fine = list(map(len, finer)) == [g + 1 for g in layer.grid_sizes]
            if is_fine or size > self.most or time_error > FAR * self.allowed:
                break
            layer = layer.with_breakpoints(finer)
        return Window(network, problem, outcome.loss, time_error)

    def _form_between(self, begin: float, end: float, before: Window | None) -> StrongForm:
        """The problem on a window, whose initial values are those at the end of the window before."""
        form, domain = self.form, self.domain
        between: Domain
        if isinstance(domain, OverTime):
            between = OverTime(domain.space, Time(begin, end))
        else:
            ends = dict(zip(domain.coordinates, domain.bounds.tolist(), strict=True))
            between = Box(**{**ends, TIME: (begin, end)})
        conditions = [
            _continued(each, form.fields, before) if isinstance(each, Initial) and before is not None else each
            for each in form.conditions
        ]
        return strong_form_of(form.equation, between, conditions, weight=form.weight, is_linear=False)

    def _space_points(self, axis: int, begin: float, before: Window | None) -> Tensor:
        """Breakpoints in space for the state at the beginning of a window."""
        if before is not None:
            layer = before.network.tensor_layer
            errors = left_out(layer, before.problem.domain)[axis]
            return with_joined_intervals(layer.breakpoints[axis], errors, self.degree, self.allowed, self.grid_size)
        low, high = self.domain.bounds[axis].tolist()
        points = torch.linspace(low, high, self.grid_size + 1, dtype=torch.float64)
        for _ in range(MOST_NEW_GRIDS):
            layer = self._state([points], begin, None)[0]
            line = Box(x=(float(points[0]), float(points[-1])))
            finer = with_halved_intervals(points, left_out(layer, line)[0], self.allowed)
            if len(finer) == len(points) or len(finer) * len(self.form.fields) > self.most / STATE_SHARE:
                break
            points = finer
        return points

    def _state(self, points: list[Tensor], begin: float, before: Window | None) -> list[TensorLayer]:
        """Least-squares splines of space for the state at the beginning of a window, and for its rate of change."""
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
        """Fields and their rates of change at x (b, n) at the beginning of a window, (b, fields) each.

        In the first window they are those of the initial conditions, zero where nothing is given.
        """
        if before is not None:
            return _end_of(before, x)
        values = torch.zeros(2, len(x), len(self.form.fields), dtype=torch.float64)
        for condition in self.form.conditions:
            for order, given in enumerate((condition.value, condition.rate) if isinstance(condition, Initial) else ()):
                for name, value in (by_field(given, self.form.fields) if given is not None else {}).items():
                    slot = self.form.fields.index(name)
                    values[order, :, slot] = value_at(value, self.domain.coordinates, x, "value")
        return values[0], values[1]

    def _extrapolated(self, points: list[Tensor], begin: float, before: Window | None) -> TensorLayer:
        """Start of a window: the state at its beginning, continued in a straight line at its rate of change."""
        layer = TensorLayer(points, len(self.form.fields), degree=self.degree, periodic=self.periodic)
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


def _continued(condition: Initial, fields: tuple[str, ...], before: Window) -> Initial:
    """An initial condition with the values at the end of the window before."""

    def at_end(name: str, order: int) -> Callable[..., Tensor]:
        def value(points: Tensor) -> Tensor:
            return _end_of(before, points)[order][:, fields.index(name)]

        return value

    value = {name: at_end(name, 0) for name in by_field(condition.value, fields)}
    rate = condition.rate
    return replace(
        condition,
        value=value,
        rate=None if rate is None else {name: at_end(name, 1) for name in by_field(rate, fields)},
    )


def _end_of(before: Window, x: Tensor) -> tuple[Tensor, Tensor]:
    """Fields and their rates of change at x (b, n), at the end of a window: (b, fields) each."""
    time = torch.zeros(1, x.shape[1], dtype=torch.float64)
    time[0, before.problem.domain.coordinates.index(TIME)] = 1.0
    value, rate = field_jet_at(before.network, before.problem, x, time, 1)
    return value, rate
