"""From curve models to formulas: combinations of elementary functions of the curves, and simplification by the data.

`candidate_formulas` combines the best functions of each curve, the most likely combinations first. `pruned` removes
terms, factors and functions that the data do not require.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product, takewhile

import numpy as np

from edgewise.discovery.curves.curve_models import CurveModel
from edgewise.discovery.curves.features import Feature
from edgewise.formulas.constants import EXACT, FittedExpression, fit_constants
from edgewise.formulas.curve_fits import curve_shapes, ranking_criterion
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    complexity,
    constant_values,
    product_of,
    replaced,
    sum_of,
    used_variables,
    with_constants,
)
from edgewise.formulas.front import SYMBOL_PRICE
from edgewise.formulas.rewriting import MINUS_ONE, ONE, with_one_factor
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.outcomes import Budget
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class AssemblySettings:
    """How many functions and combinations are tried, and when a form is given up."""

    kept_shapes: int = 7  # Functions of each curve.
    most_combinations: int = 36  # Combinations of functions that are fitted, for each model: each takes about 20 ms.
    most_curves_combined: int = 6  # With more curves, one function is varied at a time: 7^6 combinations are ranked.
    # Relative errors of curves count as equal below the first number, and are never taken larger than the second.
    smallest_tolerance: float = 1e-7
    largest_tolerance: float = 0.3
    # A form is given up if its loss after three steps is this many times the allowed loss: three steps come that close
    # to the optimum where the form is right.
    hopeless_loss_factor: float = 1e3


SETTINGS = AssemblySettings()


# Value, slope and second derivative of functions at 0.
TAYLOR = {
    **dict.fromkeys(("sin", "tan", "tanh", "sinh", "asin", "atan", "atanh"), (0.0, 1.0, 0.0)),
    "acos": (math.pi / 2, -1.0, 0.0),
    "exp": (1.0, 1.0, 1.0),
    "cos": (1.0, 0.0, -1.0),
    "cosh": (1.0, 0.0, 1.0),
    "besselj0": (1.0, 0.0, -0.5),
}


@dataclass(frozen=True)
class _CurveFormula:
    """A curve as an expression of the inputs.

    `criterion` ranks it. `outside` marks a factor of exp(...), where the model has the link exp and the curve is the
    logarithm of the factor.
    """

    expression: Expression
    criterion: float
    outside: bool


def candidate_formulas(model: CurveModel) -> Iterator[Expression]:
    """Formulas of a curve model with roughly right constants, the most likely first."""
    seen: set[Expression] = set()
    for node in _Assembly(model).formulas():
        form = with_constants(node, [float(f"{value:.1e}") for value in constant_values(node)])
        if form not in seen:
            seen.add(form)
            yield node


class _Assembly:
    """The combinations of functions for the curves of one model."""

    def __init__(self, model: CurveModel):
        self.model = model
        self.share = model.weight / model.weight.sum()
        total = np.sum(model.curves, 0)
        # Standard deviation of the inner function, of which the error of the model is a share.
        self.deviation = math.sqrt(float(self.share @ (total - self.share @ total) ** 2))

    def formulas(self) -> Iterator[Expression]:
        yield from self.with_shared_curve() if self.model.shared_factors else self.of_sums()

    def of_sums(self) -> Iterator[Expression]:
        model = self.model
        curves = list(self.model.curves)
        is_alone = len(curves) == 1
        if is_alone:  # A single curve takes the constant, so that its function can be recognised.
            curves[0] = curves[0] + model.offset
        pairs = zip(model.features, curves, strict=True)
        options = [self.curve_formulas(feature, curve, wrapped=is_alone) for feature, curve in pairs]
        # The link of the sum of the functions; functions of exponentials are factors in front of it.
        for chosen in islice(_combinations(options), SETTINGS.most_combinations):
            inside = [part.expression for part in chosen if not part.outside]
            outside = [part.expression for part in chosen if part.outside]
            node = model.link.build(_with_offset(inside, 0.0 if is_alone else model.offset))
            if outside:
                node = Multiply((ONE, *outside, *([node] if inside else [])))
            yield with_one_factor(node)

    def with_shared_curve(self) -> Iterator[Expression]:
        """Sums of one function at many features: each function of the curve for all features together."""
        model = self.model
        # The curve is recognised at the feature of the largest factor, and its function then stands at every feature.
        first = int(np.argmax(np.abs(model.shared_factors)))
        inner = model.features[first].expression
        for part in self.curve_formulas(model.features[first], model.curves[first], wrapped=False):
            terms = [
                Multiply((Number(factor / model.shared_factors[first]), replaced(part.expression, inner, f.expression)))
                for factor, f in zip(model.shared_factors, model.features, strict=True)
            ]
            yield with_one_factor(model.link.build(_with_offset(terms, model.offset)))

    def curve_formulas(self, feature: Feature, curve: np.ndarray, *, wrapped: bool) -> list[_CurveFormula]:
        """Functions of a curve; with the link exp also functions of its exponential, as a factor of exp(...)."""
        model = self.model
        spread = max(float(np.std(curve)), ABOVE_ZERO)
        tolerance = min(
            SETTINGS.largest_tolerance, max(SETTINGS.smallest_tolerance, model.curve_error * self.deviation / spread)
        )
        formulas = self.ranked(feature, curve, model.weight, tolerance, wrapped=wrapped)
        if model.link.name == "exp" and float(np.ptp(curve)) < 50 and not model.shared_factors:
            factor = np.exp(curve - np.median(curve))
            formulas += self.ranked(feature, factor, model.weight / factor**2, tolerance, outside=True)
        return sorted(formulas, key=lambda part: part.criterion)[: SETTINGS.kept_shapes + 1]

    def ranked(
        self,
        feature: Feature,
        curve: np.ndarray,
        weight: np.ndarray,
        tolerance: float,
        *,
        wrapped: bool = True,
        outside: bool = False,
    ) -> list[_CurveFormula]:
        table: Mapping[str, Elementary] = ELEMENTARY
        if feature.has_two_values:
            table = {"x": ELEMENTARY["x"]}
        shapes = curve_shapes(feature.values, curve, weight=weight, table=table, wrapped=wrapped, tolerance=tolerance)
        return [
            _CurveFormula(
                replaced(shape.expression, Variable(0), feature.expression),
                ranking_criterion(shape.error, shape.complexity, tolerance),
                outside,
            )
            for shape in shapes[: SETTINGS.kept_shapes]
        ]


def _with_offset(parts: Sequence[Expression], offset: float) -> Expression:
    if offset:
        return Add((sum_of(parts), Number(offset)))
    return sum_of(parts)


def _combinations(options: list[list[_CurveFormula]]) -> Iterator[tuple[_CurveFormula, ...]]:
    """One function of each curve, in the order of the sum of their criteria."""
    if len(options) > SETTINGS.most_curves_combined:
        # One function varied at a time, beside the best functions of the other curves.
        first = tuple(parts[0] for parts in options)
        yield first
        for place, parts in enumerate(options):
            for part in parts[1:]:
                yield (*first[:place], part, *first[place + 1 :])
        return
    yield from heapq.nsmallest(
        SETTINGS.most_combinations, product(*options), key=lambda parts: sum(part.criterion for part in parts)
    )


def pruned(
    fitted: FittedExpression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    budget: Budget | None = None,
) -> FittedExpression:
    """Remove terms, factors and functions that the data do not require."""
    variance = float(np.var(y))
    exact_loss = EXACT.loss(variance)
    # Backward elimination: the smallest form that is accepted replaces the formula, until none is.
    changed = True
    while changed:
        changed = False
        for smaller in sorted(_smaller_forms(fitted.expression, budget), key=complexity):
            if budget is not None and budget.is_over:
                return fitted
            # A longer formula has to lower the log loss by the price of its symbols; an exact formula has to stay
            # exact.
            allowance = SYMBOL_PRICE * (complexity(fitted.expression) - complexity(smaller)) / len(y)
            if fitted.loss > exact_loss:
                allowed = fitted.loss * (1 + allowance)
            else:
                allowed = exact_loss
            # A few Levenberg-Marquardt steps show hopeless forms; the others are fitted in full.
            trial = fit_constants(smaller, x, y, steps=3, weight=weight, budget=budget)
            if trial is None or trial.loss > SETTINGS.hopeless_loss_factor * max(allowed, EXACT.error * variance):
                continue
            trial = fit_constants(trial.expression, x, y, steps=20, weight=weight, budget=budget)
            if trial is not None and trial.loss <= allowed:
                fitted = trial
                changed = True
                break
    return fitted


def _smaller_forms(node: Expression, budget: Budget | None) -> list[Expression]:
    """The formulas without one term of a sum, one free factor of a product, or one function, each simplified."""
    forms: list[Expression] = []

    def visit(part: Expression, rebuild: Callable[[Expression], Expression]) -> None:
        """Adds the forms that change one part; `rebuild` puts a new part into the whole formula."""
        whole = part.parts
        # Without one term of a sum, or one free factor of a product, of which the sign may stay.
        for place, below in enumerate(whole):
            rest = (*whole[:place], *whole[place + 1 :])
            match part, below:
                case Add(), _:
                    forms.append(rebuild(sum_of(rest)))
                case Multiply(), Number(value, None):
                    forms.append(rebuild(product_of(rest)))
                    if value < 0:
                        forms.append(rebuild(Multiply((MINUS_ONE, *rest))))
        # A function replaced by its Taylor polynomial at 0, of degree 1 or 2.
        match part:
            case Call(name, u) if name in TAYLOR:
                value, slope, curvature = TAYLOR[name]
                forms.append(rebuild(Add((Number(value), Multiply((Number(slope), u))))))
                if curvature:
                    forms.append(rebuild(Add((Number(value), Multiply((Number(curvature / 2), Power(u, 2.0)))))))
        # The same inside each part.
        for place, below in enumerate(whole):

            def rebuild_below(new: Expression, place: int = place) -> Expression:
                return rebuild(part.with_parts((*whole[:place], new, *whole[place + 1 :])))

            visit(below, rebuild_below)

    visit(node, lambda new: new)
    size = complexity(node)
    # Only forms that are shorter and still depend on an input.
    simple = dict.fromkeys(
        with_one_factor(each) for each in takewhile(lambda _: budget is None or not budget.is_over, forms)
    )
    return [each for each in simple if complexity(each) < size and used_variables(each)]
