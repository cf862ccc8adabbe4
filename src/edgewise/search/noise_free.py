"""Samples without noise: a polynomial inside a link, or a network on halved grids where a model leaves structure.

Both are for few inputs (`may_be_noise_free`). The polynomial comes before the search, which it spares. One rule decides
on the network (`approximated`): it is tried where residuals of the best model, the polynomial or that of the search,
are smooth functions of the inputs, and taken where it lowers the error of samples that it did not see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from edgewise import search
from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import Budget, StopReason
from edgewise.presentation import counted, number_text
from edgewise.search.candidates import Samples, free_coefficients
from edgewise.search.hidden_nodes import smooth_residual
from edgewise.search.policy import SearchSettings
from edgewise.search.polynomials.exact import ExactFit, fit_exact
from edgewise.search.records import SearchReport, Trial
from edgewise.search.results import AutoResult, data_of, loss_of, network_error_bars
from edgewise.search.validation import clipped_squares, held_out_rows, mean_and_error, paired_gain
from edgewise.settings import ABOVE_ZERO, APPROXIMATION_BUDGET_WORK
from edgewise.train.conformal import residual_intervals
from edgewise.train.loop.reports import FitReport, StepRecord
from edgewise.train.problems import Regression
from edgewise.train.uncertainty import FEWEST_ROWS, ErrorBars, additive_error_bars


@dataclass(frozen=True, eq=False)
class Leader:
    """The best model so far of samples that may be free of noise."""

    report: SearchReport
    held_out: Callable[[], np.ndarray]  # losses of the samples, (N,), by models that did not see them; NaN where none
    is_smooth: Callable[[], bool]  # whether its residuals are structure and no noise
    result: AutoResult | None = None  # of a polynomial, which needs no final fit


def may_be_noise_free(samples: Samples, settings: SearchSettings) -> bool:
    """Return whether the caller has fixed nothing, and samples are enough for a conclusion and have few inputs."""
    is_open = settings.hidden is None and not settings.is_fixed and settings.constraints is None
    # Groups that differ are noise.
    if not is_open or not settings.family.is_least_squares or samples.blocks is not None:
        return False
    rows, inputs = samples.x.shape
    return rows >= settings.policy.fewest_rows and inputs <= settings.policy.noise_free_inputs


def polynomial_without_noise(samples: Samples, settings: SearchSettings, budget: Budget) -> Leader | None:
    """Fit a polynomial inside a link; None where that does not predict samples that were left out.

    OutOfTime where it takes more than its share of the time.
    """
    policy = settings.policy
    if samples.y.shape[1] != 1:
        return None

    def goes_on(loss: float, which: np.ndarray, residual: np.ndarray) -> bool:
        seen = samples.x[which], residual[:, None], samples.weight[which]
        is_structure = loss < policy.nearly_noise_free and smooth_residual(*seen, policy.smooth_errors)
        return loss <= policy.noise_free or is_structure

    budget.report("polynomials without noise", 0.02)
    with budget.share(policy.first_share).holds():
        data = (samples.x, samples.y[:, 0], samples.weight)
        found = fit_exact(*data, samples.offset, samples.unit, seed=settings.seed, goes_on=goes_on)
    if found is None or not found.loss < policy.noise_free:
        return None
    # The polynomial as a network, whose splines may have errors of a tenth of its own.
    polynomial = found.polynomial
    model = polynomial.to_kan(0.1 * math.sqrt(max(found.loss, ABOVE_ZERO)))
    fitted = samples.select(found.rows)
    outputs = predict_in_batches(model, torch.from_numpy(np.ascontiguousarray(fitted.x))).numpy()[:, 0]
    residual = found.residual + polynomial(fitted.x) - outputs
    losses = np.full(len(samples), np.nan)
    losses[found.rows] = residual**2
    result = _polynomial_result(found, model, samples, residual, budget)
    is_smooth = partial(smooth_residual, fitted.x, residual[:, None], fitted.weight, policy.smooth_errors)
    return Leader(result.search, lambda: losses, is_smooth, result)


def _polynomial_result(
    found: ExactFit, model: KAN, samples: Samples, residual: np.ndarray, budget: Budget
) -> AutoResult:
    """The result of a polynomial whose network leaves these residuals at the rows of the fit, (k,)."""
    # Names and sentences.
    link = found.polynomial.link.name
    inside = ""
    if link != "identity":
        inside = f" inside the {link} function"
    name = f"polynomial of {len(found.polynomial.coef)} terms{inside}, without noise"
    error = math.sqrt(max(found.loss, ABOVE_ZERO))
    sentence = (
        f"The {name} has the smallest error on samples that were left out, one at a time: {number_text(error, 1)}."
    )
    # Error bars. The residuals show what is wrong with the polynomial; its coefficients are as good as known.
    parameters = sum(parameter.numel() for parameter in model.parameters())
    factor = torch.zeros(parameters, 1, dtype=torch.float64)
    noise = torch.tensor([error], dtype=torch.float64)
    bars: ErrorBars | None = None
    try:
        bars = additive_error_bars(model, factor, noise, data_of(samples.select(found.rows), residual[:, None]))
        message = "" if bars is None else bars.message
    except InputError as reason:
        message = f"There are no error bars: {reason}."
    # Reports.
    budget.best_loss = found.loss
    trial = Trial(name, found.loss, 0.0, len(found.polynomial.coef), 1, budget.seconds, 0.0, True, sentence)
    sentences = ("Samples that seem free of noise.", sentence)
    report = SearchReport(name, (trial,), sentences, 1, budget.work, StopReason.CONVERGED, budget.seconds)
    record = StepRecord(1, found.loss, None, 0.0, budget.seconds)
    done = FitReport(
        StopReason.CONVERGED,
        "Least squares is exact.",
        1,
        1,
        found.loss,
        None,
        ("rmse", math.sqrt(found.loss)),
        budget.seconds,
        (record,),
        {"method": {"name": "least squares"}},
    )
    limits = _limits(samples)
    return AutoResult(model, done, report, limits, error_bars=bars, message=message, has_noise=False)


def _limits(samples: Samples) -> np.ndarray:
    """Interval to which each input is clipped, (n, 2): straight lines end a range beyond the samples."""
    low = samples.x.min(0)
    high = samples.x.max(0)
    return np.stack([low - (high - low), high + (high - low)], 1)


def approximated(
    samples: Samples, leader: Leader, settings: SearchSettings, budget: Budget
) -> tuple[AutoResult | None, str]:
    """Return an approximation by a network on halved grids, None where the leader stays, and a sentence on it.

    The result is taken if it lowers the loss on rows that it did not see by `SearchPolicy.margin` standard errors of
    the difference. The sentence is empty where nothing was tried.
    """
    policy = settings.policy.for_effort(settings.effort)
    report = leader.report
    loss = loss_of(report)
    rows, inputs = samples.x.shape
    if settings.effort == "low" and inputs > 1:  # a spline of one input costs nothing
        return None, ""
    if budget.is_over or not policy.resolved**2 < loss < policy.nearly_noise_free:
        return None, ""
    if (inputs > 1 or loss > policy.noise_free) and not leader.is_smooth():
        return None, ""
    # A network that is fitted to nine tenths of the samples.
    unseen_rows = np.array(held_out_rows(policy.unseen, rows, settings.seed))
    unseen = samples.select(unseen_rows)
    seen = samples.select(np.setdiff1d(np.arange(rows), unseen_rows))
    budget.report("without noise", 0.8)
    problem = Regression(
        *(torch.from_numpy(np.ascontiguousarray(part)) for part in (seen.x, seen.y)),
        weight=torch.from_numpy(seen.weight),
        validation=search.approximation.SETTINGS.held_out_share,
        seed=settings.seed,
    )
    time_limit = None
    if budget.time_limit is not None:
        time_limit = max(budget.seconds_left, 1e-3)
    work = Budget(
        time_limit,
        policy.approximation_budget * APPROXIMATION_BUDGET_WORK,
        lambda at: budget.report(f"without noise: {at.stage}", 0.8 + 0.2 * at.share, at.loss),
    )
    width = None
    if inputs == 1:
        width = [1, samples.y.shape[1]]
    plan = search.approximation.StartPlan(seed=settings.seed)
    result = search.approximation.approximate_by_plan(problem, width, plan, work)
    budget.work += result.work
    # Its losses beside those of the other model, on samples that neither of them saw.
    model = result.model
    with torch.no_grad():
        outputs = model(torch.from_numpy(np.ascontiguousarray(unseen.x))).numpy()
    residuals = data_of(unseen, unseen.y - outputs)
    losses = clipped_squares(outputs, unseen.y)
    mean, error = mean_and_error(losses, unseen.weight)
    # The decision, by the paired difference, of the rows that a model of the leader left out too.
    without = leader.held_out()[unseen_rows]
    gain, spread = paired_gain(without, losses, unseen.weight)
    compared = mean
    if (both := np.isfinite(without)).any():
        compared = float(np.average(losses[both], weights=unseen.weight[both]))
    figures = (
        f"loss {number_text(compared, 2)} on rows that it did not see, {number_text(compared + gain, 2)} "
        f"without (standard error of the difference "
        f"{number_text(spread, 1)})"
    )
    if not gain > policy.margin * spread:
        return None, f"An approximation without noise was tried: {figures}: not taken."
    # The record of the network that was taken, and its error bars.
    coefficients = free_coefficients(model, samples.y.shape[1])
    name = f"network {list(model.config.width)}, grid {model.config.grid_size[0]}, without noise"
    reason = f"The approximation without noise: {figures}: taken."
    trial = Trial(name, mean, error, coefficients, 1, 0.0, result.work, True, reason)
    end = (
        f"Chosen without noise: {name}, loss {number_text(mean, 1)} on "
        f"{counted(len(unseen), 'sample')} that made no choice."
    )
    report = replace(
        report,
        chosen=name,
        trials=(*report.trials, trial),
        sentences=(*report.sentences, *result.sentences, end),
        work=budget.work,
        seconds=budget.seconds,
    )
    budget.report("done", 1.0, mean)
    bars, message = network_error_bars(model, samples, None, residuals)
    intervals = None
    if bars is None and len(unseen) >= FEWEST_ROWS:
        intervals = residual_intervals(residuals.y, torch.from_numpy(unseen.weight))
        message = f"{message} {intervals.message}"
    limits = _limits(samples)
    done = AutoResult(
        model,
        result.report,
        report,
        limits,
        error_bars=bars,
        message=message,
        intervals=intervals,
        has_noise=False,
    )
    return done, reason


def finished(result: AutoResult, sentence: str, budget: Budget) -> AutoResult:
    """Return the result of a polynomial that stays, with the sentence on the network that was tried, if any."""
    if budget.is_interrupted:
        message = "Interrupted; the model is the best so far."
        return replace(result, report=replace(result.report, stopped=StopReason.INTERRUPTED, message=message))
    budget.report("done", 1.0, loss_of(result.search))
    sentences = result.search.sentences
    if sentence:
        sentences = (*sentences, sentence)
    return replace(result, search=replace(result.search, sentences=sentences, seconds=budget.seconds, work=budget.work))
