"""Functions that the data see only near 0 are the polynomials they look like there: no constants that nothing fixes.

From curves to formulas: the shapes of a structure's curves put together in the ways that fit, likeliest first."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product, takewhile

import numpy as np

from edgewise.discovery.curve_models import CurveModel
from edgewise.discovery.features import Feature
from edgewise.formulas.algebra import simplify, split_number
from edgewise.formulas.constants import CHI_SQUARE_99, FittedExpression, fit_constants, free_places
from edgewise.formulas.curve_fits import SYMBOL_PRICE_PER_LOG_ERROR, CurveShape, curve_shapes
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    children,
    complexity,
    constants,
    evaluate,
    exact_number,
    rebuilt,
    replaced,
    sum_of,
    walk,
    with_constants,
)
from edgewise.nn.elementary import Elementary

SMALL = 0.5  # of the argument: there what an expansion to second order leaves out is a few per cent of its last term


def with_taylor_polynomials(
    fitted: FittedExpression, x: np.ndarray, y: np.ndarray, *, floor: float, deadline: float = math.inf
) -> FittedExpression:
    """The formula with expansions to second order in the place of functions whose argument stays below `SMALL`.

    Where a function is seen only near 0 its scale and the factors around it are known together, not each: noise then
    picks -584.8 cosh(0.041 u) + 583.8 as soon as -u^2 / 2. The expansion has a constant less; it is taken if the sum
    of squares rises by no more than that constant explains, even where it has more symbols.

    floor: share of the variance of y below which a fit is exact. deadline: of `time.monotonic`.
    """
    limit_free = floor * float(np.var(y))
    for node in _expanded(fitted.expression, x):
        if time.monotonic() > deadline:
            break
        node = with_one_factor(node)
        if len(free_places(node)) >= len(free_places(fitted.expression)):
            continue
        trial = fit_constants(node, x, y, steps=30, deadline=deadline)
        if trial is not None and trial.loss <= max(fitted.loss * (1 + CHI_SQUARE_99 / len(y)), limit_free):
            return with_taylor_polynomials(trial, x, y, floor=floor, deadline=deadline)
    return fitted


def _expanded(node: Expression, x: np.ndarray) -> Iterator[Expression]:
    """The formula with one function, or one power of an even function, expanded, for each that can be."""
    call, exponent = (node.base, node.exponent) if isinstance(node, Power) else (node, 1.0)
    if isinstance(call, Call) and call.name in TAYLOR:
        constant, slope, curvature = TAYLOR[call.name]
        if exponent == 1.0 or (constant == 1.0 and slope == 0.0):
            values = evaluate(call.argument, x)
            if 0 < np.abs(values).max() < SMALL:
                terms = [Number(constant)] if constant else []
                terms += [Multiply((Number(slope), call.argument))] if slope else []
                factor = Number(exponent * curvature / 2)
                terms += [Multiply((factor, Power(call.argument, 2.0)))] if curvature else []
                yield sum_of(terms)
    parts = children(node)
    for place, part in enumerate(parts):
        for other in _expanded(part, x):
            yield rebuilt(node, (*parts[:place], other, *parts[place + 1 :]))


KEPT = 7  # shapes of each curve
COMBINED = 36  # combinations of them that are fitted


@dataclass(frozen=True)
class _Part:
    """A curve as an expression of the inputs, and how unlikely that is; outside: a factor and not in the exponent."""

    expression: Expression
    rank: float
    outside: bool = False


def candidate_formulas(structure: CurveModel, y: np.ndarray, table: Mapping[str, Elementary]) -> Iterator[Expression]:
    """Formulas for a structure, constants roughly right; the best `COMBINED` combinations of shapes, each form once."""
    seen: set[Expression] = set()
    for node in _assembled(structure, y, table):
        if structure.factor is not None:
            node = with_one_factor(Multiply((structure.factor.expression, node)))
        form = with_constants(node, [float(f"{value:.1e}") for value in constants(node)])
        if form not in seen:
            seen.add(form)
            yield node


def _assembled(structure: CurveModel, y: np.ndarray, table: Mapping[str, Elementary]) -> Iterator[Expression]:
    if structure.product is not None:
        yield from islice(_of_product(structure, y, table), COMBINED)
        return
    tops = len(structure.numerator)
    curves = list(structure.curves)
    if tops == 1:
        curves[0] = curves[0] + structure.offset
    if len(structure.denominator) == 1:
        curves[tops] = curves[tops] + 1.0
    if structure.alike:
        yield from (
            with_one_factor(structure.link.build(_with_offset(parts, structure.offset)))
            for parts in _alike(structure, table)
        )
        return
    used = (*structure.numerator, *structure.denominator)
    options = [
        _parts(feature, curve, structure, table, alone=_is_alone(structure, place))
        for place, (feature, curve) in enumerate(zip(used, curves, strict=True))
    ]
    for chosen in islice(_combinations(options), COMBINED):
        top, bottom = chosen[:tops], chosen[tops:]
        inside = [part.expression for part in top if not part.outside]
        if not structure.denominator:
            node = structure.link.build(_with_offset(inside, structure.offset if tops > 1 else 0.0))
            if any(part.outside for part in top):
                factors = [part.expression for part in top if part.outside]
                node = Multiply((exact_number(1), *factors, *([node] if inside else [])))
        else:
            below = _with_offset([part.expression for part in bottom], 1.0 if len(bottom) > 1 else 0.0)
            above = _with_offset(inside, structure.offset if tops > 1 else 0.0) if inside else Number(structure.offset)
            node = Multiply((above, Power(below, -1.0)))
        yield with_one_factor(node)


def _alike(structure: CurveModel, table) -> Iterator[list[Expression]]:
    """The terms of a sum of one curve at many features: each shape of it for all of them together."""
    first = int(np.argmax(np.abs(structure.alike)))
    shape = _parts(structure.numerator[first], structure.curves[first], structure, table, alone=False)
    for part in shape:
        inner = structure.numerator[first].expression
        yield [
            Multiply((Number(size / structure.alike[first]), replaced(part.expression, inner, feature.expression)))
            for size, feature in zip(structure.alike, structure.numerator, strict=True)
        ]


def _is_alone(structure: CurveModel, place: int) -> bool:
    tops = len(structure.numerator)
    return (tops if place < tops else len(structure.denominator)) == 1


def _with_offset(parts: Sequence[Expression], offset: float) -> Expression:
    return Add((sum_of(parts), Number(offset))) if offset else sum_of(parts)


def _parts(feature: Feature, curve: np.ndarray, structure: CurveModel, table, *, alone: bool) -> list[_Part]:
    """Shapes of a curve; under the link exp also of its exponential, as a factor before exp."""
    spread = max(float(np.std(curve)), 1e-300)
    tolerance = min(0.3, max(1e-7, structure.blur * _deviation(structure) / spread))
    found = _ranked(feature, curve, structure.weight, table, tolerance, wrapped=alone, outside=False)
    if structure.link.name == "exp" and float(np.ptp(curve)) < 50 and not structure.alike:
        factor = np.exp(curve - np.median(curve))
        weight = structure.weight / factor**2
        found += _ranked(feature, factor, weight, table, tolerance, wrapped=True, outside=True)
    return sorted(found, key=lambda part: part.rank)[: KEPT + 1]


def _deviation(structure: CurveModel) -> float:
    """Of the sum of curves, weighted: what the relative error is a share of."""
    total = np.sum(structure.curves, 0) if structure.product is None else structure.curves[-1] * structure.curves[-2]
    share = structure.weight / structure.weight.sum()
    return math.sqrt(float(share @ (total - share @ total) ** 2))


def _ranked(feature, curve, weight, table, tolerance, *, wrapped: bool, outside: bool) -> list[_Part]:
    found: list[CurveShape] = curve_shapes(
        feature.values, curve, weight=weight, table=table, wrapped=wrapped, tolerance=tolerance
    )[:KEPT]
    return [
        _Part(
            replaced(shape.expression, Variable(0), feature.expression),
            math.log(max(shape.error, tolerance)) + SYMBOL_PRICE_PER_LOG_ERROR * shape.complexity,
            outside,
        )
        for shape in found
    ]


def _combinations(options: list[list[_Part]]) -> Iterator[tuple[_Part, ...]]:
    """One part of each list, by the sum of their ranks."""
    if len(options) > 6:  # too many to list: the first of each, then one changed at a time
        first = tuple(parts[0] for parts in options)
        yield first
        for place, parts in enumerate(options):
            for part in parts[1:]:
                yield (*first[:place], part, *first[place + 1 :])
        return
    yield from heapq.nsmallest(COMBINED, product(*options), key=lambda parts: sum(part.rank for part in parts))


def _of_product(structure: CurveModel, y: np.ndarray, table) -> Iterator[Expression]:
    """u = s + t + others + p q, with p and q shifted so that they take over s and t where they can."""
    first, second = structure.product
    s, t, *others, p, q = structure.curves
    beta, rest_s = _explained(s, p, structure.weight)
    alpha, rest_t = _explained(t, q, structure.weight)
    total = max(_deviation(structure), 1e-300)
    limit = max(3 * structure.blur, 1e-3) * total
    ways = []
    for take_s, take_t in product((True, False), repeat=2):
        shifted_p, shifted_q = p + (alpha if take_t else 0.0), q + (beta if take_s else 0.0)
        extra = []
        for take, feature, curve, rest in ((take_s, first, s, rest_s), (take_t, second, t, rest_t)):
            left = rest if take else curve
            if float(np.std(left)) > limit:
                extra.append((feature, left))
        extra += [(f, c) for f, c in zip(structure.numerator[2:], others, strict=True) if float(np.std(c)) > limit]
        ways.append((len(extra), shifted_p, shifted_q, extra))
    for _, left, right, extra in sorted(ways, key=lambda way: way[0])[:3]:
        options = [
            _product_parts(first, left, structure, table, limit / max(float(np.std(right)), 1e-300)),
            _product_parts(second, right, structure, table, limit / max(float(np.std(left)), 1e-300)),
            *(_product_parts(feature, curve, structure, table, limit) for feature, curve in extra),
        ]
        for chosen in islice(_combinations(options), COMBINED // 2):
            factors = Multiply((chosen[0].expression, chosen[1].expression))
            terms = [factors, *(part.expression for part in chosen[2:])]
            yield with_one_factor(structure.link.build(_with_offset(terms, structure.offset)))


def _product_parts(feature: Feature, curve: np.ndarray, structure: CurveModel, table, limit: float) -> list[_Part]:
    tolerance = min(0.3, max(1e-6, limit / max(float(np.std(curve)), 1e-300)))
    return _ranked(feature, curve, structure.weight, table, tolerance, wrapped=True, outside=False)


def _explained(curve: np.ndarray, by: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """The factor with which `by` explains a curve best, and what it leaves, both centred."""
    share = weight / weight.sum()
    curve, by = curve - share @ curve, by - share @ by
    factor = float((share * by) @ curve / max(float(share @ by**2), 1e-300))
    return factor, curve - factor * by


def with_one_factor(node: Expression) -> Expression:
    """Simplified, with one free factor for each product of sums: each sum in it begins with a term without number."""
    node = simplify(node)
    for _ in range(3):
        changed = simplify(_monic(node))
        if changed == node:
            break
        node = changed
    return node


def _monic(node: Expression) -> Expression:
    node = rebuilt(node, [_monic(part) for part in children(node)])
    if isinstance(node, Power) and isinstance(node.base, Add) and node.exponent % 1 == 0:
        return _without_scale(Multiply((exact_number(1), node)))
    return _without_scale(node) if isinstance(node, Multiply) else node


def _without_scale(node: Multiply) -> Expression:
    """c1 (a f + b) (d g + e) -> (c1 a d) (f + b/a) (g + e/d); powers of sums alike."""
    scale, parts = 1.0, []
    for part in node.factors:
        base, exponent = (part.base, part.exponent) if isinstance(part, Power) else (part, 1.0)
        if isinstance(base, Number) and exponent == 1.0:
            scale *= base.value
        elif isinstance(base, Add) and exponent % 1 == 0:
            factor, _ = split_number(base.terms[0])
            if factor.value in (0.0, 1.0) or (factor.exact and all(_is_exact(t) for t in base.terms)):
                parts.append(part)
                continue
            terms = tuple(simplify(Multiply((Number(1 / factor.value), term))) for term in base.terms[1:])
            first = split_number(base.terms[0])[1] or exact_number(1)
            sum_ = Add((first, *terms))
            parts.append(sum_ if exponent == 1.0 else Power(sum_, exponent))
            scale *= factor.value**exponent
        else:
            parts.append(part)
    if not parts:
        return Number(scale)
    whole = exact_number(scale) if scale in (1.0, -1.0) else Number(scale)
    return Multiply((whole, *parts)) if scale != 1.0 else (parts[0] if len(parts) == 1 else Multiply(tuple(parts)))


def _is_exact(node: Expression) -> bool:
    return all(part.exact is not None for part in walk(node) if isinstance(part, Number))


def pruned(
    fitted: FittedExpression, x: np.ndarray, y: np.ndarray, *, floor: float, deadline: float = math.inf
) -> FittedExpression:
    """Without the terms, factors and functions that the data don't ask for: each goes if the loss stays.

    deadline: of `time.monotonic`, after which nothing more is tried. See also `recognise`.
    """
    limit_free = floor * float(np.var(y))
    changed = True
    while changed:
        changed = False
        for smaller in sorted(_smaller(fitted.expression, deadline), key=complexity):
            if time.monotonic() > deadline:
                return fitted
            allowance = PRUNING * (complexity(fitted.expression) - complexity(smaller)) / len(y)
            allowed = fitted.loss * (1 + allowance) if fitted.loss > limit_free else limit_free
            trial = fit_constants(smaller, x, y, steps=3, deadline=deadline)
            if trial is None or trial.loss > HOPELESS * max(allowed, floor**0.5 * limit_free / floor):
                continue
            trial = fit_constants(trial.expression, x, y, steps=20, deadline=deadline)
            if trial.loss <= allowed:
                fitted, changed = trial, True
                break
    return fitted


# f(0), f'(0), f''(0): what a function looks like where its argument stays small.
TAYLOR = {
    **dict.fromkeys(("sin", "tan", "tanh", "sinh", "asin", "atan", "atanh"), (0.0, 1.0, 0.0)),
    "acos": (math.pi / 2, -1.0, 0.0),
    "exp": (1.0, 1.0, 1.0),
    "cos": (1.0, 0.0, -1.0),
    "cosh": (1.0, 0.0, 1.0),
    "besselj0": (1.0, 0.0, -0.5),
}
HOPELESS = 1e3  # times the allowed loss: three steps are to come below it
PRUNING = 4.0  # as `Front.best`: the rise of N log loss that one symbol less is worth


def _smaller(node: Expression, deadline: float) -> list[Expression]:
    """The formulas with one term of a sum, one free number of a product, or one function left out."""
    found: list[Expression] = []

    def visit(part: Expression, rebuild) -> None:
        if isinstance(part, Add | Multiply):
            whole = children(part)
            for place, below in enumerate(whole):
                if isinstance(part, Add) or (isinstance(below, Number) and below.exact is None):
                    rest = (*whole[:place], *whole[place + 1 :])
                    found.append(rebuild(rest[0] if len(rest) == 1 else rebuilt(part, rest)))
                    if isinstance(part, Multiply) and below.value < 0:
                        found.append(rebuild(Multiply((exact_number(-1), *rest))))
        if isinstance(part, Call) and part.name in TAYLOR:
            constant, slope, curvature = TAYLOR[part.name]
            u = part.argument
            found.append(rebuild(sum_of([Number(constant), Multiply((Number(slope), u))])))
            if curvature:
                found.append(rebuild(sum_of([Number(constant), Multiply((Number(curvature / 2), Power(u, 2.0)))])))
        for place, below in enumerate(children(part)):
            whole = children(part)

            def inner(new: Expression, part=part, whole=whole, place=place) -> Expression:
                return rebuild(rebuilt(part, (*whole[:place], new, *whole[place + 1 :])))

            visit(below, inner)

    visit(node, lambda new: new)
    size = complexity(node)
    simple = dict.fromkeys(with_one_factor(each) for each in takewhile(lambda _: time.monotonic() <= deadline, found))
    return [each for each in simple if complexity(each) < size and any(isinstance(p, Variable) for p in walk(each))]
