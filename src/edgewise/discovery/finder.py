"""A formula for data by its structure: links, derived inputs, sums, ratios and products of elementary functions."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from edgewise.checks import check_count, check_names, is_number
from edgewise.discovery.assembly import candidate_formulas, pruned, with_taylor_polynomials
from edgewise.discovery.curve_models import BEAM, CurveModel, CurveModelFitter, product_models
from edgewise.discovery.features import (
    Feature,
    candidate_features,
    possible_links,
    relevant_inputs,
    residual_f_statistic,
)
from edgewise.discovery.simple_forms import simple_products
from edgewise.errors import InputError
from edgewise.formulas.algebra import shortest_form
from edgewise.formulas.constants import FittedExpression, fit_constants, recognise
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import Number, Power, complexity, evaluate
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import EXACT_SHARE, SYMBOL_PRICE, Front, FrontEntry, choose_by_significance, pareto_front
from edgewise.nn.elementary import ELEMENTARY, Elementary

ROWS = 2000  # in which structures are looked for
GRID = 8  # knot intervals of the curves a structure is judged by
MIDDLE = 20  # of a second look at ratios and products of two inputs
FINE = 40  # of the second look at sums of inputs, where curves may oscillate
ROUGH = 1e-3  # error of all coarse sums from which on there is that second look
GOOD = 0.03  # error of a sum that is worth a look before richer structures are tried
FEW = 7  # inputs that these are tried for
SEVERAL = 20  # columns of which products of simple functions are tried, used or not
SIMPLE = 6  # products of simple functions that are tried under each link
STRUCTURES, CLOSEST = 14, 4  # that are turned into formulas, by error and size; of these by error alone
SEARCHING = 0.75  # share of the time for structures; the rest is for constants and shorter forms
NOISE = 0.05  # share of the variance of y that noise may have for the search to end once nothing else is left
PATTERN = 1.25  # F of what a formula leaves, from which on there is more than noise in it
ROUNDING_FLOOR = 1e-16  # share of the variance of y below which a fit is exact to rounding


def find_formula(
    x: np.ndarray,
    y: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    time_limit: float = 120.0,
    table: Mapping[str, Elementary] = ELEMENTARY,
    seed: int = 0,
) -> Front:
    """Formulas for y in terms of the columns of x, by complexity and error.

    Additive, rational and product structures over the inputs and their simple combinations are fitted with splines
    under every link that y allows; the curves of the best are recognised as elementary functions, all constants are
    fitted together to y by Levenberg-Marquardt, terms that the data don't ask for go, and constants that are numbers
    people write become these. The search ends with the first exact formula, or with the list of structures.

    Args:
        x: (N, inputs), N at least 20. y: (N,). Both finite.
        names: of the inputs.
        time_limit: seconds; a search that runs out of them returns what it has and says so.
        table: the elementary functions.
        seed: of the split on which structures are judged.

    Raises:
        InputError: an argument is not as above.
    """
    x, y = _checked(x, y)
    if not (is_number(time_limit) and time_limit >= 0):
        raise InputError(f"time_limit must be a number of seconds of at least 0, got {time_limit!r}")
    check_count(seed, "seed", 0)
    names = check_names(names, x.shape[1])
    clock = time.monotonic()
    few = np.sort(np.random.default_rng(seed).permutation(len(y))[:ROWS])
    found, said = _searched(x[few], y[few], table, seed, clock + SEARCHING * time_limit)
    if len(y) > ROWS:
        said.append(f"Structures were looked for in {ROWS:,} of {len(y):,} rows, constants fitted to all.")
        whole = (fit_constants(each.expression, x, y, steps=10) for each in _worth_finishing(found, y[few]))
        found = [found[0], *(each for each in whole if each is not None)]
    end = clock + time_limit
    found = [with_taylor_polynomials(each, x, y, floor=ROUNDING_FLOOR, deadline=end) for each in found]
    finished = [_finished(each, x, y, end) for each in _worth_finishing(found, y)]
    nodes = [each.expression for each in (*found, *finished) if not domain_violations(each.expression, x)]
    entries = [FrontEntry.from_data(Formula(node, names), x, y) for node in nodes]
    front = pareto_front(entries, y)
    if time.monotonic() > end:
        said.append("The time limit ended the search.")
    exact = front.best.loss <= ROUNDING_FLOOR * front.variance
    said.append("The best formula is exact to rounding." if exact else "No exact formula was found; these are nearest.")
    return choose_by_significance(replace(front, messages=tuple(dict.fromkeys(said))), x, y)


def _searched(x, y, table, seed: int, deadline: float) -> tuple[list[FittedExpression], list[str]]:
    """The mean, and the formulas of one structure after another; and what ended the search, if not their number."""
    found = [FittedExpression(Number(float(y.mean())), float(np.var(y)), (0.0,))]
    if float(np.ptp(y)) == 0:
        return found, []
    inputs = relevant_inputs(x, y)
    if len(inputs) <= FEW:
        for link in possible_links(y):
            nodes = simple_products(candidate_features(x, inputs), link, y, SYMBOL_PRICE, SIMPLE)
            found += [fitted for node in nodes if (fitted := fit_constants(node, x, y, steps=8)) is not None]
    if (
        len(inputs) < x.shape[1] <= SEVERAL
    ):  # of columns that stand in for each other the simpler may have been left out
        listed = candidate_features(x, range(x.shape[1]), few=SEVERAL)
        nodes = simple_products(listed, next(possible_links(y)), y, SYMBOL_PRICE, SIMPLE)
        found += [fitted for node in nodes if (fitted := fit_constants(node, x, y, steps=8)) is not None]
    if any(_is_exact(each, y) for each in found):
        return found, []
    for structure in _structures(x, y, inputs, seed, deadline):
        fitted = _best_fit(structure, x, y, table, deadline)
        found += fitted
        if any(_is_exact(each, y) for each in fitted):
            break
        if fitted and _leaves_noise(min(fitted, key=lambda each: each.loss), x[:, inputs], x, y):
            return found, ["What the best formula leaves looks like noise."]
        if time.monotonic() > deadline:
            return found, ["The time limit ended the search."]
    return found, []


def _checked(x, y) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("x and y must be arrays of numbers, they are not") from error
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"x must have shape (N, inputs), got {x.shape}")
    if y.shape != x.shape[:1] or len(y) < 20:
        raise InputError(f"y must have shape (N,) with a value for each of at least 20 rows of x, got {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("x and y must be finite, they are not")
    return x, y


def _structures(x, y, inputs: Sequence[int], seed: int, deadline: float) -> Iterator[CurveModel]:
    """Structures in the order in which they are worth a look: each batch by error and size, cheap batches first."""
    few = 1 < len(inputs) <= FEW
    coarse = CurveModelFitter(x, y, inputs, min(GRID, max(1, int(0.4 * len(y) / len(inputs)) - 2)), seed)
    found: list[CurveModel] = []
    for link in possible_links(y):
        if found and time.monotonic() > deadline:
            break
        found += [coarse.polished(each) for each in coarse.sums(link, min(len(inputs), 6))]
    if len(inputs) <= 3 and min((each.error for each in found), default=1.0) > ROUGH:
        found += _fine_sums(x, y, inputs, seed)
    best = _in_order(found)[: 2 * STRUCTURES]
    yield from [each for each in _in_order(best) if each.error < GOOD][: STRUCTURES // 2]
    if few and time.monotonic() < deadline:
        yield from _richer(coarse, x, y, inputs, seed, best, deadline)
    else:
        yield from _in_order(best)[:3]


def _fine_sums(x, y, inputs: Sequence[int], seed: int) -> list[CurveModel]:
    """Sums of curves of single inputs, which may oscillate."""
    fine = CurveModelFitter(x, y, inputs, min(FINE, len(y) // (6 * len(inputs))), seed)
    fine.features, fine.columns = fine.features[: len(inputs)], fine.columns[: len(inputs)]
    return [fine.polished(each) for link in possible_links(y) for each in fine.sums(link, len(inputs))]


def _richer(
    coarse: CurveModelFitter, x, y, inputs, seed: int, found: list[CurveModel], deadline: float
) -> Iterator[CurveModel]:
    """Products of curves, ratios, and sums after a factor has been taken out; what there is time for."""
    found = list(found)

    def in_time(steps: Iterable) -> Iterable:
        return takewhile(lambda _: time.monotonic() <= deadline, steps)

    if len(inputs) <= 4:
        for link in in_time(possible_links(y)):
            found += product_models(coarse, link)
    for each in in_time(coarse.ratios(5)):
        found.append(coarse.polished(each))
    for factor in in_time(_factors(coarse.features[: len(inputs)], y)):
        others = [i for i in inputs if i not in factor.inputs]
        part = CurveModelFitter(x, y, others, GRID, seed, factor)
        for link in in_time(possible_links(part.y)):
            found += [part.polished(each) for each in _in_order(part.sums(link, len(others)))[:BEAM]]
            found += product_models(part, link) if len(others) == 2 else []
    if len(inputs) == 2 and min(each.error for each in found) > ROUGH and time.monotonic() <= deadline:
        finer = CurveModelFitter(x, y, inputs, MIDDLE, seed)
        found += [finer.polished(each) for each in finer.ratios(3)]
        for link in possible_links(y):
            found += product_models(finer, link, MIDDLE // 2)
    closest = sorted(found, key=lambda each: each.error)[:CLOSEST]
    chosen = _in_order(found)[: STRUCTURES - CLOSEST]
    yield from (*chosen, *(each for each in closest if each not in chosen))


def _factors(singles: Sequence[Feature], y: np.ndarray) -> Iterator[Feature]:
    """Inputs, and their reciprocals, that y may be a multiple of: all if y has one sign, else those it changes with."""
    one_sign = y.min() > 0 or y.max() < 0
    for single in singles:
        turning = single.values.min() < 0 < single.values.max()
        if np.abs(single.values).min() == 0 or turning == one_sign:
            continue
        if not turning or abs(np.mean(np.sign(single.values) * np.sign(y))) > 0.98:
            yield single
        if not turning:
            yield Feature(Power(single.expression, -1.0), single.inputs, 1 / single.values)


def _in_order(found: list[CurveModel]) -> list[CurveModel]:
    return sorted(found, key=lambda each: each.rank)


def _best_fit(structure: CurveModel, x, y, table, deadline: float) -> list[FittedExpression]:
    """The best formulas of a structure: all combinations a few steps, the three best until they are done."""
    quick = []
    for node in candidate_formulas(structure, y, table):
        fitted = fit_constants(node, x, y, steps=8, deadline=deadline)
        if fitted is not None and math.isfinite(fitted.loss):
            quick.append(fitted)
            if fitted.loss <= ROUNDING_FLOOR * float(np.var(y)):
                return [fitted]
        if time.monotonic() > deadline:
            break
    quick.sort(key=lambda each: _price(each, y))
    done = []
    for fitted in quick[:3]:
        longer = fit_constants(fitted.expression, x, y, steps=60, deadline=deadline)
        if longer is not None:
            done.append(longer)
            if _is_exact(longer, y):
                break
    return done


def _is_exact(fitted: FittedExpression, y: np.ndarray) -> bool:
    return fitted.loss <= ROUNDING_FLOOR * float(np.var(y))


def _leaves_noise(fitted: FittedExpression, inputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    rest = y - evaluate(fitted.expression, x)
    return fitted.loss < NOISE * float(np.var(y)) and residual_f_statistic(inputs, rest) < PATTERN


def _price(fitted: FittedExpression, y: np.ndarray) -> float:
    """As `Front.best` has it: a shorter formula may be a little worse."""
    floor = EXACT_SHARE * float(np.var(y))
    return len(y) * math.log(max(fitted.loss, floor, 1e-300)) + SYMBOL_PRICE * complexity(fitted.expression)


def _worth_finishing(found: list[FittedExpression], y: np.ndarray) -> list[FittedExpression]:
    """The candidates whose terms are to be pruned and constants recognised: the best by price, at most four."""
    ranked = sorted(found, key=lambda each: _price(each, y))
    return ranked[:1] if ranked and _is_exact(ranked[0], y) else ranked[:4]


def _finished(fitted: FittedExpression, x: np.ndarray, y: np.ndarray, deadline: float) -> FittedExpression:
    """Terms that do nothing go, constants become numbers people write, and algebra makes it short, twice."""
    fitted = pruned(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
    for _ in range(2):
        short = fit_constants(shortest_form(fitted.expression, x, deadline), x, y, steps=30, deadline=deadline)
        fitted = recognise(short or fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
    node = shortest_form(fitted.expression, x, deadline)
    return fit_constants(node, x, y, steps=30, deadline=deadline) or fitted
