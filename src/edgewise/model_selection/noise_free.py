"""Samples without noise: a spline of one input, a polynomial of few inside a link, or a network, whichever is best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from edgewise import model_selection
from edgewise.errors import InputError
from edgewise.model_selection import polynomials
from edgewise.model_selection.one_input import spline_ladder
from edgewise.model_selection.results import AutoResult, data_of, loss_of, network_error_bars
from edgewise.model_selection.search.candidates import Samples
from edgewise.model_selection.search.clock import Clock
from edgewise.model_selection.search.hidden_nodes import smooth_residual
from edgewise.model_selection.search.policy import SearchSettings
from edgewise.model_selection.search.records import SearchReport, Trial
from edgewise.model_selection.search.validation import clipped_squares, mean_and_error, paired_gain
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import OutOfTime, StopReason
from edgewise.settings import ABOVE_ZERO
from edgewise.train.loop.reports import FitReport, StepRecord
from edgewise.train.problems.regression import Regression
from edgewise.train.uncertainty import ErrorBars, additive_error_bars

SPLINE_ERROR_SHARE = 0.1  # of a polynomial's error, by which its network may differ


def without_noise(samples: Samples, settings: SearchSettings, clock: Clock) -> AutoResult | None:
    """Return an approximation of samples that are free of noise; None where there is noise or they are too few."""
    return (_spline if samples.x.shape[1] == 1 else _polynomial)(samples, settings, clock)


def _spline(samples: Samples, settings: SearchSettings, clock: Clock) -> AutoResult | None:
    """Approximate noise-free samples of one input; None where there is noise or they are too few."""
    policy = settings.policy
    if len(samples) < policy.noise_free_rows:
        return None
    clock.report("splines without noise", 0.05)
    found = spline_ladder(samples.x[:, 0], samples.y, samples.weight, seed=settings.seed)
    if found is None or not found.loss < policy.noise_free:
        return None
    model = found.model
    name = f"least-squares spline, grid {model.config.grid_size[0]}, degree {model.config.degree}"
    held = samples.select(np.flatnonzero(found.held_out))
    bars, message = network_error_bars(model, samples, None, data_of(held, found.residuals))
    clock.report("done", 1.0, found.loss)
    return _without_noise(model, name, found.loss, found.sentence, samples, clock, (bars, message))


def _polynomial(samples: Samples, settings: SearchSettings, clock: Clock) -> AutoResult | None:
    """Approximate noise-free samples of few inputs; None where there is noise or they are too few."""
    policy, (rows, inputs) = settings.policy, samples.x.shape
    if rows < policy.noise_free_rows or inputs > policy.polynomial_inputs or samples.y.shape[1] != 1:
        return None

    def goes_on(loss: float, which: np.ndarray, residual: np.ndarray) -> bool:
        if loss > policy.noise_free:
            seen = samples.x[which], residual[:, None], samples.weight[which]
            return loss < policy.nearly_noise_free and smooth_residual(*seen, policy.smooth_errors)
        return True

    clock.report("polynomials without noise", 0.02)
    watch = (lambda: None) if clock.limit is None else clock.check
    try:
        clock.allow(policy.first_share)
        found = polynomials.fit_exact(
            samples.x,
            samples.y[:, 0],
            samples.weight,
            shift=samples.offset,
            unit=samples.unit,
            seed=settings.seed,
            goes_on=goes_on,
            watch=watch,
        )
    except OutOfTime:
        return None
    if found is None or not found.loss < policy.noise_free:
        return None
    polynomial = found.polynomial
    error = math.sqrt(max(found.loss, ABOVE_ZERO))
    model = polynomial.to_kan(SPLINE_ERROR_SHARE * error)
    if polynomial.link.name == "identity":
        link = ""
    else:
        link = f" inside the {polynomial.link.name} function"
    name = f"polynomial of {len(polynomial.coef)} terms{link}, without noise"
    sentence = f"The {name} has the smallest error on samples that were left out, one at a time: {error:.1g}."
    held = samples.select(found.rows)
    outputs = predict_in_batches(model, torch.from_numpy(np.ascontiguousarray(held.x))).numpy()[:, 0]
    residual = found.residual + polynomial(held.x) - outputs  # with the error of the network's splines
    parameters = sum(parameter.numel() for parameter in model.parameters())
    try:
        noise = torch.tensor([error], dtype=torch.float64)
        # The residuals show what is wrong with the polynomial; its coefficients are as good as known.
        factor = torch.zeros(parameters, 1, dtype=torch.float64)
        bars: ErrorBars | None = additive_error_bars(model, factor, noise, data_of(held, residual[:, None]))
        message = "" if bars is None else bars.message
    except InputError as reason:
        bars = None
        message = f"There are no error bars: {reason}."
    result = _without_noise(model, name, found.loss, sentence, samples, clock, (bars, message))
    if settings.effort == "low" or error < policy.resolved:
        clock.report("done", 1.0, found.loss)
        return result
    losses = np.full(rows, np.nan)
    losses[found.rows] = residual**2

    def is_smooth() -> bool:
        return smooth_residual(held.x, residual[:, None], held.weight, policy.smooth_errors)

    try:
        if is_smooth():
            other = approximated(samples, losses, result.search, is_smooth, settings, clock)
        else:
            other = None
    except KeyboardInterrupt:
        if not settings.keep_interrupted:
            raise KeyboardInterrupt from None
        message = "Interrupted; the model is the best so far."
        return replace(result, report=replace(result.report, stopped=StopReason.INTERRUPTED, message=message))
    if isinstance(other, AutoResult):
        return other
    clock.report("done", 1.0, found.loss)
    sentences = result.search.sentences + (() if other is None else (other,))
    return replace(result, search=replace(result.search, sentences=sentences, seconds=clock.seconds, work=clock.work))


def _without_noise(
    model: KAN,
    name: str,
    loss: float,
    sentence: str,
    samples: Samples,
    clock: Clock,
    bars: tuple[ErrorBars | None, str],
) -> AutoResult:
    """The result of a least-squares fit to samples without noise."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    clock.best_loss = loss
    trial = Trial(name, loss, 0.0, parameters, 1, clock.seconds, 0.0, True, sentence)
    sentences = ("Samples that seem free of noise.", sentence)
    report = SearchReport(name, (trial,), sentences, 1, clock.work, StopReason.CONVERGED, clock.seconds)
    message = "Least squares is exact."
    record = StepRecord(1, loss, None, 0.0, clock.seconds)
    plan = {"method": {"name": "least squares"}}
    metric = ("rmse", math.sqrt(loss))
    done = FitReport(StopReason.CONVERGED, message, 1, 1, loss, None, metric, clock.seconds, (record,), plan)
    low = samples.x.min(0)
    high = samples.x.max(0)
    limits = np.stack([low - (high - low), high + (high - low)], 1)  # straight lines end a range beyond the samples
    return AutoResult(model, done, report, limits, error_bars=bars[0], message=bars[1], has_noise=False)


def approximated(
    samples: Samples,
    others: np.ndarray,
    report: SearchReport,
    is_smooth: Callable[[], bool],
    settings: SearchSettings,
    clock: Clock,
) -> AutoResult | str | None:
    """Return an approximation by a network of samples that seem free of noise.

    The result is taken if it lowers the loss on rows that it did not see, `others` being those of the model in
    `report`, by `SearchPolicy.margin` standard errors of the difference; otherwise a sentence is returned. None where
    nothing was tried.
    """
    policy = settings.policy.for_effort(settings.effort)
    loss = loss_of(report)
    rows, inputs = samples.x.shape
    if rows < policy.noise_free_rows or inputs < 2 or not 1e-24 < loss < policy.nearly_noise_free or clock.is_over:
        return None
    if loss > policy.noise_free and (inputs > policy.approximation_inputs or not is_smooth()):
        return None
    order = torch.randperm(rows, generator=seeded_generator(settings.seed)).numpy()
    count = max(1, round(policy.unseen * rows))
    unseen = samples.select(np.sort(order[:count]))
    seen = samples.select(np.sort(order[count:]))
    clock.report("without noise", 0.8)
    problem = Regression(
        *(torch.from_numpy(np.ascontiguousarray(part)) for part in (seen.x, seen.y)),
        weight=torch.from_numpy(seen.weight),
        validation=model_selection.approximation.APPROXIMATION_HELD_OUT,
        seed=settings.seed,
    )
    result = model_selection.approximate(
        problem,
        budget=policy.approximation_budget,
        time_limit=None if clock.limit is None else max(clock.left, 1e-3),
        seed=settings.seed,
        progress=lambda at: clock.report(f"without noise: {at.stage}", 0.8 + 0.2 * at.share, at.loss),
    )
    if result.stopped == StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    clock.work += result.work
    model = result.model
    with torch.no_grad():
        outputs = model(torch.from_numpy(np.ascontiguousarray(unseen.x))).numpy()
    residuals = data_of(unseen, unseen.y - outputs)
    losses = clipped_squares(outputs, unseen.y)
    mean, error = mean_and_error(losses, unseen.weight)
    gain, spread = paired_gain(others[np.sort(order[:count])], losses, unseen.weight)
    figures = (
        f"loss {mean:.2g} on rows that it did not see, {mean + gain:.2g} without (standard error of the difference "
        f"{spread:.1g})"
    )
    if not gain > policy.margin * spread:
        return f"An approximation without noise was tried: {figures}: not taken."
    parameters = sum(p.numel() for p in model.parameters())
    name = f"network {list(model.config.width)}, grid {model.config.grid_size[0]}, without noise"
    reason = f"The approximation without noise: {figures}: taken."
    trial = Trial(name, mean, error, parameters, 1, 0.0, result.work, True, reason)
    end = f"Chosen without noise: {name}, loss {mean:.1g} on {len(unseen):,} samples that made no choice."
    report = replace(
        report,
        chosen=name,
        trials=(*report.trials, trial),
        sentences=(*report.sentences, *result.sentences, end),
        work=clock.work,
        seconds=clock.seconds,
    )
    clock.report("done", 1.0, mean)
    bars, message = network_error_bars(model, samples, None, residuals)
    low = samples.x.min(0)
    high = samples.x.max(0)
    limits = np.stack([low - (high - low), high + (high - low)], 1)
    return AutoResult(model, result.report, report, limits, error_bars=bars, message=message, has_noise=False)
