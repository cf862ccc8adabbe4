"""Stages that fit curves: sums of simple terms, and models of splines whose curves become elementary functions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.curves.assembly import candidate_formulas
from edgewise.discovery.curves.curve_models import CurveModel, CurveModelFitter
from edgewise.discovery.curves.features import candidate_features, relevant_inputs
from edgewise.discovery.curves.products import SETTINGS as PRODUCTS
from edgewise.discovery.curves.products import simple_products
from edgewise.discovery.curves.residuals import NoiseTest
from edgewise.discovery.curves.simple_forms import stepwise_sums
from edgewise.discovery.least_squares.links import possible_links
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import EXACT, FittedExpression, fit_constants
from edgewise.formulas.expression import Expression, complexity, evaluate
from edgewise.formulas.front import price
from edgewise.outcomes import Budget


@dataclass(frozen=True)
class CurveStageSettings:
    """Sizes of the models of curves and how many of them become formulas."""

    # The numbers of this search were compared on the functions of the experiment `formulas`, unless a comment gives a
    # source.
    coarse_intervals: int = 8  # Knot intervals of the curves by which models are compared.
    fine_intervals: int = 40  # Knot intervals of a second look at sums of single inputs, whose curves may oscillate.
    second_look_error: float = 1e-3  # Smallest error of all coarse models from which on there is a second look.
    # Models that are turned into formulas: in total, and of these by error alone instead of error and size.
    most_models: int = 14
    most_by_error: int = 4
    quick_steps: int = 8  # Levenberg-Marquardt steps of all formulas of a model, and of the three best of them.
    full_steps: int = 60
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
    """Yield products of simple functions, and formulas of curve models with fitted constants; a `Stage`."""
    # Additive models of the inputs and their simple combinations are fitted with splines under every link that y
    # allows, and the curves of the best models are recognised as elementary functions.
    x = problem.x
    y = problem.y
    variance = float(np.var(y))
    if np.ptp(y) == 0 or not x.shape[1]:
        return
    inputs = relevant_inputs(x, y)
    # Products of two functions without constants under every link: the two numbers of each follow no noise.
    if len(inputs) <= PRODUCTS.most_inputs:
        budget.report("products of simple functions")
        features = candidate_features(x, inputs)
        for link in possible_links(y):
            yield from simple_products(features, link, y)
            if budget.is_over:
                return
    budget.report("sums of curves")
    noise = NoiseTest(x[:, inputs])
    best = SETTINGS.noise_share * variance
    for number, model in enumerate(_models(problem, inputs, budget), 1):
        if budget.is_over:
            return
        budget.report(f"formulas of model {number}, at most {SETTINGS.most_models}")
        for fitted in _best_formulas(model, problem, budget):
            yield fitted.expression
            # The first exact formula, or one whose residuals are noise, ends the search
            if fitted.loss <= EXACT.fitted_loss(variance):
                return
            if fitted.loss < best:
                best = fitted.loss
                if noise.passes(y - evaluate(fitted.expression, x)):
                    return


def _models(problem: LawProblem, inputs: Sequence[int], budget: Budget) -> Iterator[CurveModel]:
    """Sums of curves to turn into formulas: those of the best criterion, then the most accurate of the others."""
    x = problem.x
    y = problem.y
    # Coarse curves under every link
    size = min(SETTINGS.coarse_intervals, max(1, int(0.4 * len(y) / len(inputs)) - 2))
    coarse = CurveModelFitter(x, y, inputs, size, problem.seed)
    models: list[CurveModel] = []
    for link in possible_links(y):
        if models and budget.is_over:
            break
        models += [coarse.refined(each) for each in coarse.sums(link, min(len(inputs), 6))]
    # A second look at curves that may oscillate
    if len(inputs) <= 3 and min((each.error for each in models), default=1.0) > SETTINGS.second_look_error:
        size = min(SETTINGS.fine_intervals, len(y) // (6 * len(inputs)))
        fine = CurveModelFitter(x, y, inputs, size, problem.seed, single_inputs=True)
        models += [fine.refined(each) for link in possible_links(y) for each in fine.sums(link, len(inputs))]
    best = sorted(models, key=lambda each: each.criterion)[: SETTINGS.most_models - SETTINGS.most_by_error]
    yield from best
    most_accurate = sorted(models, key=lambda each: each.error)[: SETTINGS.most_by_error]
    yield from (each for each in most_accurate if each not in best)


def _best_formulas(model: CurveModel, problem: LawProblem, budget: Budget) -> list[FittedExpression]:
    """The best formulas of a model: all candidates after a few steps, the three best after a full fit."""
    x = problem.x
    y = problem.y
    exact = EXACT.fitted_loss(float(np.var(y)))
    # All candidates, each after a few Levenberg-Marquardt steps; an exact one ends the search.
    quick = []
    for node in candidate_formulas(model):
        fitted = fit_constants(node, x, y, steps=SETTINGS.quick_steps, budget=budget)
        if fitted is not None and math.isfinite(fitted.loss):
            quick.append(fitted)
            if fitted.loss <= exact:
                return [fitted]
        if budget.is_over:
            break
    # The three of the lowest price, a criterion of loss and size, are fitted in full.
    floor = EXACT.loss(float(np.var(y)))
    quick.sort(key=lambda each: price(len(y), each.loss, floor, complexity(each.expression)))
    best = []
    for fitted in quick[:3]:
        longer = fit_constants(fitted.expression, x, y, steps=SETTINGS.full_steps, budget=budget)
        if longer is not None:
            best.append(longer)
            if longer.loss <= exact:
                break
    return best
