"""`find_field_equations`: from fields on a grid to the equations of their evolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular

from edgewise.checks import check_count, check_finite
from edgewise.dynamics.fields.choosing import Choice, ChoosingSettings, Regression
from edgewise.dynamics.fields.result import FieldData, FieldEquation, FieldEquations
from edgewise.dynamics.fields.terms import library
from edgewise.dynamics.fields.weak_form import WeakForm, WeakFormSettings
from edgewise.errors import InputError
from edgewise.listeners import check_progress, reported
from edgewise.outcomes import Budget, OutOfTime, ProgressCallback
from edgewise.presentation import number_text


@dataclass(frozen=True)
class FieldSettings:
    """Numbers of `find_field_equations`."""

    degrees: tuple[int, int, int] = (3, 3, 2)  # highest one of monomials of one, two, and more fields
    fewest_points: int = 16  # of an axis: a test function of the narrowest half width and a few shifts of it
    rounds: int = 4  # of choosing terms under the covariance that those of the round before imply, at most
    candidates: int = 10  # sets of terms that are weighed by a covariance of their own in each round
    # Difference of the criterion up to which the data do not exclude an equation: a Bayes factor of 20 (Kass and
    # Raftery, J. Am. Statist. Assoc. 90 (1995) 773).
    rival_gap: float = 6.0
    weak_form: WeakFormSettings = field(default_factory=WeakFormSettings)
    choosing: ChoosingSettings = field(default_factory=ChoosingSettings)


def find_field_equations(
    t: ArrayLike,
    x: ArrayLike | Mapping[str, ArrayLike],
    u: ArrayLike | Mapping[str, ArrayLike],
    *,
    order: int = 1,
    evolving: Sequence[str] | None = None,
    time_limit: float | None = None,
    progress: ProgressCallback | bool | None = None,
    settings: FieldSettings | None = None,
) -> FieldEquations:
    """Find the partial differential equations that fields on a grid obey.

    Parameters
    ----------
    t : array-like
        Moments, (nt,), at even distances.
    x : array-like or mapping
        Places, (nx,), at even distances; in two dimensions one such axis by each name, as {"x": x, "y": y}.
    u : array-like or mapping
        Values (nt, nx) or (nt, nx, ny) of the field u; several fields by their names, as {"u": u, "v": v}.
    order : int
        Order of the derivative in time, 1 or 2 (waves).
    evolving : sequence of str, optional
        Fields whose equations are wanted; all if left out.
    time_limit : float, optional
        Wall seconds; what is best by then is returned.
    progress : bool or callable, optional
        As in `edgewise.pde.solve`.
    settings : FieldSettings, optional
        Numbers of the method.

    Returns
    -------
    FieldEquations
        Its text are the equations; `equations` has for each field terms, coefficients, standard errors, rivals and the
        front; `decided` and `says` tell what the data leave open; `problem()` states the equations as a `PDE` with the
        data's initial and boundary values, and `solve()` solves that and gives `relative_errors` against the data.

    Raises
    ------
    InputError
        An argument is not as above, as for a grid with uneven distances or fewer than 16 points along an axis.

    Notes
    -----
    Terms are derivatives, up to order four, of monomials of the fields, integrated against test functions of compact
    support (Messenger and Bortz, "Weak SINDy for partial differential equations", J. Comput. Phys. 443 (2021)). Sets of
    terms are compared by Schwarz's criterion on residuals that are weighted by the covariance that the noise of the
    data gives them (Bortz, Messenger and Dukic, Bull. Math. Biol. 85 (2023)). Products of derivatives, as u_x^2, are no
    terms. One travelling wave obeys many equations: bring fields in which waves of several heights meet.

    Examples
    --------
    >>> import numpy as np
    >>> t, x = np.linspace(0, 1, 60), np.linspace(0, 6, 80)
    >>> u = sum(np.exp(-0.1 * k**2 * t[:, None]) * np.sin(k * (x - 0.5 * t[:, None]) + k) for k in (1, 2, 3))
    >>> print(find_field_equations(t, x, u))
    u_t = −0.5 u_x + 0.1 u_xx
    """
    # Arguments are checked, once.
    settings = settings or FieldSettings()
    data = _checked(t, x, u, settings.fewest_points)
    if check_count(order, "order") > 2:
        raise InputError(f"order must be 1 or 2, got {order}")
    wanted = list(data.fields) if evolving is None else list(evolving)
    strange = [name for name in wanted if name not in data.fields]
    if strange or not wanted:
        raise InputError(f"evolving must name fields among {', '.join(data.fields)}, got {list(wanted)!r:.60}")
    check_progress(progress, has_line=True)
    # The weak form: one row for each test function, one column for each term.
    degree = settings.degrees[min(len(data.fields), 3) - 1]
    terms = library(len(data.fields), len(data.axes), degree, order=4)
    steps = [data.t[1] - data.t[0], *(axis[1] - axis[0] for axis in data.axes.values())]
    weak = WeakForm(list(data.fields.values()), steps, terms, order, settings.weak_form)
    # One equation after the other.
    equations: dict[str, FieldEquation] = {}
    with reported(progress, "find_field_equations") as report:
        budget = Budget(time_limit, report=report)
        for number, name in enumerate(data.fields):
            if name in wanted:
                budget.report(f"the equation of {name}", len(equations) / len(wanted))
                choices = _choices(weak, number, settings, budget)
                equations[name] = FieldEquation.of(name, order, weak.terms, choices, settings.rival_gap, data)
    noises = dict(zip(data.fields, weak.noises, strict=True))
    return FieldEquations(equations, data, order, noises)


def _choices(weak: WeakForm, number: int, settings: FieldSettings, budget: Budget) -> list[Choice]:
    """The sets of terms for one field, the best first, each judged by the covariance that it implies itself."""
    target = weak.rates(number)
    symbols = [term.symbols for term in weak.terms]
    size = settings.weak_form.resolution * math.sqrt(np.mean(target**2)) or 1.0
    factor = size * np.eye(len(target))
    weighed: dict[tuple[int, ...], Choice] = {}
    best: tuple[int, ...] | None = None
    try:
        for _ in range(settings.rounds):
            # Candidates under the covariance of the best set of the round before.
            whitened = solve_triangular(factor, np.column_stack([weak.features, target]), lower=True)
            regression = Regression(whitened[:, :-1], whitened[:, -1], symbols, settings.choosing)
            front = regression.front()
            candidates = front[: settings.candidates]
            for count in range(settings.choosing.most + 1):
                candidates += [choice for choice in front if len(choice.terms) == count][:2]
            # Each is weighed by its own: the smallest noise that reconciles the data with it (total least squares).
            for choice in candidates:
                _weigh(weak, number, choice, weighed, settings)
                budget.check()
            # Terms that do not pay under this measure are dropped, one at a time.
            leader = min(weighed, key=lambda terms: weighed[terms].criterion)
            while True:
                for place in range(len(leader)):
                    smaller = regression.fitted((*leader[:place], *leader[place + 1 :]))
                    _weigh(weak, number, smaller, weighed, settings)
                    budget.check()
                better = min(weighed, key=lambda terms: weighed[terms].criterion)
                if better == leader:
                    break
                leader = better
            if leader == best:
                break
            best = leader
            factor = np.linalg.cholesky(weak.covariance(number, leader, weighed[leader].coefficients))
    except OutOfTime:
        if not weighed:
            raise InputError("time_limit must be enough for one set of terms, got less") from None
    return sorted(weighed.values(), key=lambda choice: choice.criterion)


def _weigh(
    weak: WeakForm, number: int, choice: Choice, weighed: dict[tuple[int, ...], Choice], settings: FieldSettings
) -> None:
    """Fit a set of terms under its own covariance, twice, and note its criterion."""
    if choice.terms in weighed:
        return
    target = weak.rates(number)
    part = weak.features[:, list(choice.terms)]
    for _ in range(2):
        factor = np.linalg.cholesky(weak.covariance(number, choice.terms, choice.coefficients))
        whitened = solve_triangular(factor, np.column_stack([part, target]), lower=True)
        symbols = [weak.terms[j].symbols for j in choice.terms]
        alone = Regression(whitened[:, :-1], whitened[:, -1], symbols, settings.choosing)
        choice = replace(alone.weighed(range(len(choice.terms))), terms=choice.terms)
    weighed[choice.terms] = choice


def _checked(
    t: ArrayLike, x: ArrayLike | Mapping[str, ArrayLike], u: ArrayLike | Mapping[str, ArrayLike], fewest: int
) -> FieldData:
    """The arguments as arrays. Raises InputError."""
    axes = {"t": t, **(x if isinstance(x, Mapping) else {"x": x})}
    if not 2 <= len(axes) <= 3:
        raise InputError(f"x must be one axis of space or two by other names than t, got {len(axes) - 1}")
    grids = {name: _axis(values, name, fewest) for name, values in axes.items()}
    fields = {}
    shape = tuple(len(grid) for grid in grids.values())
    for name, values in (u if isinstance(u, Mapping) else {"u": u}).items():
        array = np.array(values, dtype=np.float64)
        if array.shape != shape:
            raise InputError(f"{name} must have the shape {shape} of the grid ({', '.join(grids)}), got {array.shape}")
        check_finite(array.reshape(len(array), -1), name)
        if np.ptp(array) == 0:
            raise InputError(f"{name} must vary, got the same number {number_text(array.flat[0])} everywhere")
        fields[name] = array
    clash = sorted(set(fields) & set(grids))
    if not fields or clash:
        raise InputError(f"u must hold fields with other names than the axes {', '.join(grids)}, got {list(fields)}")
    moments = grids.pop("t")
    return FieldData(moments, grids, fields)


def _axis(values: ArrayLike, name: str, fewest: int) -> np.ndarray:
    grid = np.array(values, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < fewest:
        raise InputError(f"{name} must be an axis of at least {fewest} points, got shape {grid.shape}")
    check_finite(grid, name)
    gaps = np.diff(grid)
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    # Even to a thousandth of a step: what printed grids keep.
    if step <= 0 or np.abs(gaps - step).max() > 1e-3 * step:
        raise InputError(
            f"{name} must rise by even steps, got steps from {number_text(gaps.min())} to {number_text(gaps.max())}: "
            "interpolate the data to an even grid"
        )
    return grid
