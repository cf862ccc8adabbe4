"""Stages that fit curves: sums of simple terms, and models of splines whose curves become elementary functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from edgewise.discovery.curves.assembly import candidate_formulas
from edgewise.discovery.curves.curve_models import CurveModel, CurveModelFitter
from edgewise.discovery.curves.features import candidate_features, relevant_inputs
from edgewise.discovery.curves.residuals import NoiseTest
from edgewise.discovery.curves.simple_forms import simple_products, stepwise_sums
from edgewise.discovery.least_squares.links import possible_links
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import EXACT, FittedExpression, fit_constants
from edgewise.formulas.expression import Expression, complexity, evaluate
from edgewise.formulas.front import SYMBOL_PRICE, price
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.outcomes import Budget


@dataclass(frozen=True)
class CurveStageSettings:
    """Sizes of the models of curves and how many of them become formulas."""

    # The numbers of this search were compared on the functions of the experiment `formulas`, unless a comment gives a
    # source.
    coarse_intervals: int = 8  # Knot intervals of the curves by which models are compared.
    fine_intervals: int = 40  # Knot intervals of a second look at sums of single inputs, whose curves may oscillate.
    second_look_error: float = 1e-3  # Smallest error of all coarse models from which on there is a second look.
    few_inputs: int = 7  # Relevant inputs, at most, for which products of simple functions are tried.
    few_columns: int = 20  # Columns, at most, of which products of simple functions are tried, relevant or not.
    simple_products: int = 6  # Products of simple functions that are tried under each link.
    # Models that are turned into formulas: in total, and of these by error alone instead of error and size.
    most_models: int = 14
    most_by_error: int = 4
    # A formula ends the search if it leaves at most this share of the variance of y, with residuals that look like
    # noise.
    noise_share: float = 0.05


SETTINGS = CurveStageSettings()


def simple_sums(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield sums of simple terms of single inputs and pairs, chosen one after another; a `Stage` for tables."""
    for law in stepwise_sums(problem.x, problem.y):
        yield law
        if budget.is_over:
            return


def curve_laws(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield formulas of curve models with fitted constants; a `Stage`.

    Additive models of the inputs and their simple combinations are fitted with splines under every link that y allows,
    and the curves of the best models are recognised as elementary functions. The stage ends with the first exact
    formula or with one whose residuals are noise.
    """
    if np.ptp(problem.y) == 0 or not problem.x.shape[1]:
        return
    search = _CurveSearch(problem.x, problem.y, ELEMENTARY, problem.seed, budget)
    yield from search.laws()


class _CurveSearch:
    """The search for curve models and their formulas, in the order in which they are tried."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        table: Mapping[str, Elementary],
        seed: int,
        budget: Budget,
    ):
        self.x = x
        self.y = y
        self.table = table
        self.seed = seed
        self.budget = budget
        self.inputs: list[int] = []  # The relevant ones; set by `run`.

    def in_budget(self, steps: Iterable) -> Iterator:
        """The steps until the budget is over."""
        return takewhile(lambda _: not self.budget.is_over, steps)

    def laws(self) -> Iterator[Expression]:
        """Formulas of products of simple functions, and then of curve models, until one is exact or leaves noise."""
        x = self.x
        y = self.y
        self.budget.report("products of simple functions")
        self.inputs = relevant_inputs(x, y)
        if len(self.inputs) <= SETTINGS.few_inputs:
            features = candidate_features(x, self.inputs)
            for link in self.in_budget(possible_links(y)):
                yield from simple_products(features, link, y, SYMBOL_PRICE, SETTINGS.simple_products)
        # Of columns that replace each other the simpler one may have been called irrelevant.
        if len(self.inputs) < x.shape[1] <= SETTINGS.few_columns and not self.budget.is_over:
            features = candidate_features(x, range(x.shape[1]), most_paired=SETTINGS.few_columns)
            yield from simple_products(features, next(possible_links(y)), y, SYMBOL_PRICE, SETTINGS.simple_products)
        self.budget.report("sums of curves")
        best = float(np.var(y))
        noise = NoiseTest(x[:, self.inputs])
        for number, model in enumerate(self.in_budget(self.models()), 1):
            self.budget.report(f"formulas of model {number}, at most {SETTINGS.most_models}")
            for fitted in self.best_formulas(model):
                yield fitted.expression
                if _is_exact(fitted, y):
                    return
                if fitted.loss < min(best, SETTINGS.noise_share * float(np.var(y))):
                    best = fitted.loss
                    residuals = y - evaluate(fitted.expression, x)
                    if noise.passes(residuals):
                        return

    def models(self) -> Iterator[CurveModel]:
        """Sums of curves to turn into formulas: those of the best criterion, then the most accurate of the others."""
        x = self.x
        y = self.y
        inputs = self.inputs
        size = min(SETTINGS.coarse_intervals, max(1, int(0.4 * len(y) / len(inputs)) - 2))
        coarse = CurveModelFitter(x, y, inputs, size, self.seed)
        models: list[CurveModel] = []
        for link in possible_links(y):
            if models and self.budget.is_over:
                break
            models += [coarse.refined(each) for each in coarse.sums(link, min(len(inputs), 6))]
        if len(inputs) <= 3 and min((each.error for each in models), default=1.0) > SETTINGS.second_look_error:
            size = min(SETTINGS.fine_intervals, len(y) // (6 * len(inputs)))
            fine = CurveModelFitter(x, y, inputs, size, self.seed, single_inputs=True)
            models += [fine.refined(each) for link in possible_links(y) for each in fine.sums(link, len(inputs))]
        best = sorted(models, key=lambda each: each.criterion)
        yield from best[: SETTINGS.most_models - SETTINGS.most_by_error]
        most_accurate = sorted(models, key=lambda each: each.error)[: SETTINGS.most_by_error]
        yield from (each for each in most_accurate if each not in best[: SETTINGS.most_models - SETTINGS.most_by_error])

    def best_formulas(self, model: CurveModel) -> list[FittedExpression]:
        """The best formulas of a model: all candidates after a few steps, the three best after a full fit."""
        quick = []
        for node in candidate_formulas(model, self.table):
            fitted = fit_constants(node, self.x, self.y, steps=8, budget=self.budget)
            if fitted is not None and math.isfinite(fitted.loss):
                quick.append(fitted)
                if _is_exact(fitted, self.y):
                    return [fitted]
            if self.budget.is_over:
                break
        best, rows, floor = [], len(self.y), EXACT.loss(float(np.var(self.y)))
        quick.sort(key=lambda each: price(rows, each.loss, floor, complexity(each.expression)))
        for fitted in quick[:3]:
            longer = fit_constants(fitted.expression, self.x, self.y, steps=60, budget=self.budget)
            if longer is not None:
                best.append(longer)
                if _is_exact(longer, self.y):
                    break
        return best


def _is_exact(fitted: FittedExpression, y: np.ndarray) -> bool:
    return fitted.loss <= EXACT.fitted_loss(float(np.var(y)))
