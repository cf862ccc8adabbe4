"""Search for formulas of data: curve models, elementary functions of their curves, constants, and a Pareto front."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from edgewise.checks import check_count, check_names, is_number
from edgewise.discovery.assembly import candidate_formulas, pruned, with_taylor_polynomials
from edgewise.discovery.curve_models import BEAM, CurveModel, CurveModelFitter, product_models
from edgewise.discovery.evidence import decided
from edgewise.discovery.features import (
    NOISE_F,
    Feature,
    candidate_features,
    relevant_inputs,
    residual_f_statistic,
)
from edgewise.discovery.least_squares.links import possible_links
from edgewise.discovery.simple_forms import simple_products
from edgewise.errors import InputError
from edgewise.formulas.algebra import shortest_form
from edgewise.formulas.constants import FittedExpression, fit_constants, recognise
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import Expression, Number, Power, complexity, evaluate
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import (
    EXACT_SHARE,
    SYMBOL_PRICE,
    Front,
    FrontEntry,
    choose_by_significance,
    pareto_front,
)
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.outcomes import Progress, ProgressCallback, StopReason, progress_callback, reported
from edgewise.settings import ABOVE_ZERO

# The numbers of this search are choices between time and completeness, made on the functions of
# `edgewise reproduce formulas`, unless a comment gives another reason.
LEAST_ROWS = 20  # Rows of data, at least: fewer do not determine a curve.
MOST_SEARCHED_ROWS = 2000  # Rows in which models are looked for; constants are fitted to all rows.
COARSE_INTERVALS = 8  # Knot intervals of the curves by which models are compared.
MIDDLE_INTERVALS = 20  # Knot intervals of a second look at ratios and products of two inputs.
FINE_INTERVALS = 40  # Knot intervals of a second look at sums of single inputs, whose curves may oscillate.
SECOND_LOOK_ERROR = 1e-3  # Smallest error of all coarse models from which on there is a second look.
GOOD_ERROR = 0.03  # Error of a sum that is turned into formulas before richer models are tried.
FEW_INPUTS = 7  # Relevant inputs, at most, for which products, ratios and factors are tried.
FEW_COLUMNS = 20  # Columns, at most, of which products of simple functions are tried, relevant or not.
SIMPLE_PRODUCTS = 6  # Products of simple functions that are tried under each link.
# Models that are turned into formulas: in total, and of these by error alone instead of error and size.
MOST_MODELS, MOST_BY_ERROR = 14, 4
SEARCH_SHARE = 0.75  # Share of the time for models; the rest is for constants and shorter forms.
# A formula ends the search if it leaves at most this share of the variance of y, with residuals that look like noise.
NOISE_SHARE = 0.05
# Share of the variance of y below which a loss is exact to rounding: a relative error of 1e-8, as sums and powers of a
# few terms have after a fit in float64.
ROUNDING_FLOOR = 1e-16
TIME_LIMIT_MESSAGE = "The time limit ended the search."
FINISHED = 4  # Formulas of lowest price that are pruned and whose constants are recognised.


def find_formula(
    x: np.ndarray,
    y: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    time_limit: float = 120.0,
    table: Mapping[str, Elementary] = ELEMENTARY,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    verbose: bool | int = False,
) -> Front:
    """Find formulas for y in terms of the columns of x.

    Additive, rational and product models of the inputs and their simple combinations are fitted with splines under
    every link that y allows. The curves of the best models are recognised as elementary functions, all constants are
    fitted to y together by Levenberg-Marquardt, terms that the data do not require are removed, and constants become
    closed forms where the data allow it. The search ends with the first exact formula, with a formula whose residuals
    are noise, or after all models.

    Parameters
    ----------
    x : array_like, shape (N, inputs)
        The inputs, finite, at least 20 rows; the columns of a frame keep their names.
    y : array_like, shape (N,)
        The target, finite.
    names : sequence of str, optional
        Names of the inputs; by default those of a frame's columns, else x_1, x_2, ...
    time_limit : float
        Seconds, at most. A search that reaches the limit returns what it has, with a message.
    table : mapping of str to Elementary
        The elementary functions.
    seed : int
        Seed of the split by which models are compared.
    progress : callable, optional
        Receives a `Progress` at every stage, whose share is that of the time limit.
    verbose : bool or int
        Whether to show a line with the stage and the time on terminals and in notebooks.

    Returns
    -------
    Front
        Formulas by complexity and error. `front.best` is the recommended one; `front.stopped` and `front.messages`
        give the reason why the search ended.

    Raises
    ------
    InputError
        An argument is not as described.

    See Also
    --------
    edgewise.symbolify : formulas of a trained network, edge by edge.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import find_formula
    >>> x = np.random.default_rng(0).uniform(1, 2, (100, 2))
    >>> front = find_formula(x, 3 * np.sin(x[:, 0]) / x[:, 1], names=["angle", "length"])
    >>> print(front.best.formula)
    3*sin(angle)/length
    >>> front.messages
    ('The best formula is exact to rounding.',)
    >>> front.stopped.value
    'converged'
    """
    own = _column_names(x)
    names = own if names is None else names
    x, y = _checked(x, y)
    if not (is_number(time_limit) and time_limit >= 0):
        raise InputError(f"time_limit must be a number of seconds of at least 0, got {time_limit!r}")
    check_count(seed, "seed", 0)
    names = check_names(names, x.shape[1])
    callback = progress_callback(progress, ("stage", "share"))
    with reported(callback, verbose, "find_formula") as report:
        return _found(x, y, names, time_limit, table, seed, report)


def _found(
    x: np.ndarray,
    y: np.ndarray,
    names: tuple[str, ...],
    time_limit: float,
    table: Mapping[str, Elementary],
    seed: int,
    report: ProgressCallback | None,
) -> Front:
    """Search with checked arguments."""
    start = time.monotonic()

    def tell(stage: str) -> None:
        if report is not None:
            seconds = time.monotonic() - start
            report(Progress(stage, min(seconds / time_limit, 1.0) if time_limit else 1.0, seconds=seconds))

    rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:MOST_SEARCHED_ROWS])
    search = _FormulaSearch(x[rows], y[rows], table, seed, deadline=start + SEARCH_SHARE * time_limit, tell=tell)
    candidates, messages = search.run()
    if len(y) > MOST_SEARCHED_ROWS:
        messages.append(
            f"Models were looked for in {MOST_SEARCHED_ROWS:,} of {len(y):,} rows, constants fitted to all."
        )
        refits = (fit_constants(each.expression, x, y, steps=10) for each in _cheapest(candidates, y[rows]))
        candidates = [candidates[0], *(fitted for fitted in refits if fitted is not None)]
    end = start + time_limit
    tell("shorter formulas and constants")
    candidates = [with_taylor_polynomials(each, x, y, floor=ROUNDING_FLOOR, deadline=end) for each in candidates]
    candidates += [_finished(each, x, y, end) for each in _cheapest(candidates, y)]
    nodes = [each.expression for each in candidates if not domain_violations(each.expression, x)]
    front = pareto_front([FrontEntry.from_data(Formula(node, names), x, y) for node in nodes], y)
    kept = (decided(entry.formula.expression, x, y, floor=ROUNDING_FLOOR, deadline=end) for entry in front)
    front = pareto_front([FrontEntry.from_data(Formula(node, names), x, y) for node in kept if node is not None], y)
    if time.monotonic() > end:
        messages.append(TIME_LIMIT_MESSAGE)
    stopped = StopReason.TIME_LIMIT if TIME_LIMIT_MESSAGE in messages else StopReason.CONVERGED
    if front.best.loss <= ROUNDING_FLOOR * front.variance:
        messages.append("The best formula is exact to rounding.")
    else:
        messages.append("No exact formula was found; these are nearest.")
    front = replace(front, messages=tuple(dict.fromkeys(messages)), stopped=stopped)
    return choose_by_significance(front, x, y)


def _column_names(x: object) -> list[str] | None:
    """Return the names of the columns of a frame of pandas, polars or pyarrow, None for other arrays.

    Raises
    ------
    InputError
        A column holds something else than numbers.
    """
    columns = getattr(x, "column_names", getattr(x, "columns", None))
    if columns is None:
        return None
    names = [str(name) for name in columns]
    for name, key in zip(names, columns, strict=True):
        column = np.asarray(x[key])  # type: ignore[index]
        try:
            if column.dtype.kind in "mM":
                raise TypeError("dates")
            column.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"x must hold numbers in every column, got {column[0]!s:.40} in column {name!r}; leave the column out, "
                "or write a category as columns of 0 and 1"
            ) from error
    return names


def _numbers(values: object, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        received = repr(values) if isinstance(values, str | int | float) else type(values).__name__
        raise InputError(f"{name} must be an array of numbers, got {received}") from error


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = _numbers(x, "x"), _numbers(y, "y")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"x must have shape (N, inputs), got {x.shape}")
    if y.shape != x.shape[:1] or len(y) < LEAST_ROWS:
        raise InputError(
            f"y must have shape (N,) with a value for each of at least {LEAST_ROWS} rows of x, got {y.shape}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("x and y must be finite, they are not")
    return x, y


class _FormulaSearch:
    """The search for curve models and their formulas, in the order in which they are tried."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        table: Mapping[str, Elementary],
        seed: int,
        deadline: float,
        tell: Callable[[str], None],
    ):
        self.x, self.y, self.table, self.seed, self.deadline, self.tell = x, y, table, seed, deadline, tell
        self.inputs: list[int] = []  # The relevant ones; set by `run`.

    def is_past_deadline(self) -> bool:
        return time.monotonic() > self.deadline

    def in_time(self, steps: Iterable) -> Iterator:
        """The steps until the deadline."""
        return takewhile(lambda _: not self.is_past_deadline(), steps)

    def run(self) -> tuple[list[FittedExpression], list[str]]:
        """Fitted formulas, the mean first, and messages on the end of the search."""
        x, y = self.x, self.y
        candidates = [FittedExpression(Number(float(y.mean())), float(np.var(y)), (0.0,))]
        if float(np.ptp(y)) == 0:
            return candidates, []
        self.tell("products of inputs")
        self.inputs = relevant_inputs(x, y)
        nodes: list[Expression] = []
        if len(self.inputs) <= FEW_INPUTS:
            features = candidate_features(x, self.inputs)
            for link in possible_links(y):
                nodes += simple_products(features, link, y, SYMBOL_PRICE, SIMPLE_PRODUCTS)
        # Of columns that replace each other the simpler one may have been called irrelevant.
        if len(self.inputs) < x.shape[1] <= FEW_COLUMNS:
            features = candidate_features(x, range(x.shape[1]), most_paired=FEW_COLUMNS)
            nodes += simple_products(features, next(possible_links(y)), y, SYMBOL_PRICE, SIMPLE_PRODUCTS)
        fits = (fit_constants(node, x, y, steps=8) for node in nodes)
        candidates += [fitted for fitted in fits if fitted is not None]
        if any(_is_exact(each, y) for each in candidates):
            return candidates, []
        self.tell("sums of curves")
        for number, model in enumerate(self.models(), 1):
            self.tell(f"formulas of model {number}, at most {MOST_MODELS}")
            fitted_formulas = self.best_formulas(model)
            candidates += fitted_formulas
            if any(_is_exact(each, y) for each in fitted_formulas):
                break
            best = min(fitted_formulas, key=lambda each: each.loss, default=candidates[0])
            residuals = y - evaluate(best.expression, x)
            is_accurate = best.loss < NOISE_SHARE * float(np.var(y))
            if is_accurate and residual_f_statistic(x[:, self.inputs], residuals) < NOISE_F:
                return candidates, ["The residuals of the best formula look like noise."]
            if self.is_past_deadline():
                return candidates, [TIME_LIMIT_MESSAGE]
        return candidates, []

    def models(self) -> Iterator[CurveModel]:
        """Curve models to turn into formulas: good sums first, then richer models."""
        x, y, inputs = self.x, self.y, self.inputs
        size = min(COARSE_INTERVALS, max(1, int(0.4 * len(y) / len(inputs)) - 2))
        coarse = CurveModelFitter(x, y, inputs, size, self.seed)
        models: list[CurveModel] = []
        for link in possible_links(y):
            if models and self.is_past_deadline():
                break
            models += [coarse.refined(each) for each in coarse.sums(link, min(len(inputs), 6))]
        if len(inputs) <= 3 and min((each.error for each in models), default=1.0) > SECOND_LOOK_ERROR:
            size = min(FINE_INTERVALS, len(y) // (6 * len(inputs)))
            fine = CurveModelFitter(x, y, inputs, size, self.seed, single_inputs=True)
            models += [fine.refined(each) for link in possible_links(y) for each in fine.sums(link, len(inputs))]
        best = _in_order(models)[: 2 * MOST_MODELS]
        yield from [each for each in best if each.error < GOOD_ERROR][: MOST_MODELS // 2]
        if 1 < len(inputs) <= FEW_INPUTS and time.monotonic() < self.deadline:
            yield from self.richer_models(coarse, best)
        else:
            yield from best[:3]

    def richer_models(self, coarse: CurveModelFitter, sums: list[CurveModel]) -> Iterator[CurveModel]:
        """Products of curves, ratios, and sums after division by a factor; as many as there is time for."""
        x, y, inputs, models = self.x, self.y, self.inputs, list(sums)
        if len(inputs) <= 4:
            for link in self.in_time(possible_links(y)):
                models += product_models(coarse, link)
        for each in self.in_time(coarse.ratios(5)):
            models.append(coarse.refined(each))
        for factor in self.in_time(self.possible_factors(coarse.features[: len(inputs)])):
            others = [i for i in inputs if i not in factor.inputs]
            fitter = CurveModelFitter(x, y, others, COARSE_INTERVALS, self.seed, factor)
            for link in self.in_time(possible_links(fitter.y)):
                models += [fitter.refined(each) for each in _in_order(fitter.sums(link, len(others)))[:BEAM]]
                models += product_models(fitter, link) if len(others) == 2 else []
        if len(inputs) == 2 and min(each.error for each in models) > SECOND_LOOK_ERROR and not self.is_past_deadline():
            finer = CurveModelFitter(x, y, inputs, MIDDLE_INTERVALS, self.seed)
            models += [finer.refined(each) for each in finer.ratios(3)]
            for link in possible_links(y):
                models += product_models(finer, link, MIDDLE_INTERVALS // 2)
        most_accurate = sorted(models, key=lambda each: each.error)[:MOST_BY_ERROR]
        chosen = _in_order(models)[: MOST_MODELS - MOST_BY_ERROR]
        yield from (*chosen, *(each for each in most_accurate if each not in chosen))

    def possible_factors(self, singles: Sequence[Feature]) -> Iterator[Feature]:
        """Inputs and reciprocals that y may be a multiple of: all if y has one sign, else those with its changes."""
        y = self.y
        one_sign = y.min() > 0 or y.max() < 0
        for single in singles:
            changes_sign = single.values.min() < 0 < single.values.max()
            if single.has_two_values or np.abs(single.values).min() == 0 or changes_sign == one_sign:
                continue
            if not changes_sign or abs(np.mean(np.sign(single.values) * np.sign(y))) > 0.98:
                yield single
            if not changes_sign:
                yield Feature(Power(single.expression, -1.0), single.inputs, 1 / single.values)

    def best_formulas(self, model: CurveModel) -> list[FittedExpression]:
        """The best formulas of a model: all candidates after a few steps, the three best after a full fit."""
        quick = []
        for node in candidate_formulas(model, self.table):
            fitted = fit_constants(node, self.x, self.y, steps=8, deadline=self.deadline)
            if fitted is not None and math.isfinite(fitted.loss):
                quick.append(fitted)
                if _is_exact(fitted, self.y):
                    return [fitted]
            if self.is_past_deadline():
                break
        best = []
        for fitted in sorted(quick, key=lambda each: _price(each, self.y))[:3]:
            longer = fit_constants(fitted.expression, self.x, self.y, steps=60, deadline=self.deadline)
            if longer is not None:
                best.append(longer)
                if _is_exact(longer, self.y):
                    break
        return best


def _in_order(models: list[CurveModel]) -> list[CurveModel]:
    return sorted(models, key=lambda each: each.criterion)


def _is_exact(fitted: FittedExpression, y: np.ndarray) -> bool:
    return fitted.loss <= ROUNDING_FLOOR * float(np.var(y))


def _price(fitted: FittedExpression, y: np.ndarray) -> float:
    """The criterion of `Front.best`: N log(loss) plus a price for symbols."""
    floor = EXACT_SHARE * float(np.var(y))
    return len(y) * math.log(max(fitted.loss, floor, ABOVE_ZERO)) + SYMBOL_PRICE * complexity(fitted.expression)


def _cheapest(candidates: list[FittedExpression], y: np.ndarray) -> list[FittedExpression]:
    """The candidates of lowest price, at most `FINISHED`; the best alone if it is exact."""
    ranked = sorted(candidates, key=lambda each: _price(each, y))
    return ranked[:1] if ranked and _is_exact(ranked[0], y) else ranked[:FINISHED]


def _finished(fitted: FittedExpression, x: np.ndarray, y: np.ndarray, deadline: float) -> FittedExpression:
    """A candidate after pruning, shortening and the recognition of constants, the last two done twice.

    Constants are recognised only where the formula explains the data up to noise: otherwise they make up for what it
    leaves out, and a closed form would mean nothing.
    """
    fitted = pruned(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
    residuals = y - evaluate(fitted.expression, x)
    is_complete = _is_exact(fitted, y) or residual_f_statistic(x, residuals) < NOISE_F
    for _ in range(2):
        fitted = (
            fit_constants(shortest_form(fitted.expression, x, deadline), x, y, steps=30, deadline=deadline) or fitted
        )
        if is_complete:
            fitted = recognise(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
    node = shortest_form(fitted.expression, x, deadline)
    return fit_constants(node, x, y, steps=30, deadline=deadline) or fitted
