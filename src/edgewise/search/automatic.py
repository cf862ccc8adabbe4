"""From rows to a trained KAN without a setting to choose: search, or approximation without noise."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.nn.model import KAN, edge_layers
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import Budget, ProgressCallback, StopReason
from edgewise.presentation import counted, number_text
from edgewise.search.calibration import HeldOutRows, error_bars
from edgewise.search.candidates import Fitted, Samples
from edgewise.search.comparisons import sample_losses
from edgewise.search.jobs import one_blas_thread
from edgewise.search.nested import Search
from edgewise.search.noise_free import (
    Leader,
    approximated,
    finished,
    may_be_noise_free,
    polynomial_without_noise,
)
from edgewise.search.policy import SearchSettings
from edgewise.search.results import AutoResult, loss_of
from edgewise.train.loop.reports import FitReport, StepRecord

if TYPE_CHECKING:
    from edgewise.search.all_rows import AllRows


def auto_fit(
    samples: Samples,
    settings: SearchSettings,
    progress: ProgressCallback | None = None,
    everything: AllRows | None = None,
) -> AutoResult:
    """Choose what `settings` leaves open by held-out loss, then train on all samples."""
    # Samples of few inputs that seem free of noise are approximated to many digits instead: by a polynomial inside a
    # link, or by `approximate`.
    budget = Budget(seconds=settings.time_limit, report=progress, began=settings.began)
    budget.stage = "search"
    result = _chosen(samples, settings, budget, everything)
    if settings.family.is_classes or result.exponent is not None:
        return result
    if result.has_noise:
        share = settings.policy.beyond
    else:
        share = settings.policy.noise_free_beyond
    if settings.constraints is not None and not settings.constraints.survive_transformations:
        return result  # a curve that is cut has no longer the form that is known, and inputs act together there
    return replace(result, output_limits=output_limits(result.model, samples.x, result.limits, share))


def output_limits(model: KAN, x: np.ndarray, limits: np.ndarray | None, beyond: float) -> np.ndarray:
    """Return the range of each output at rows x (N, n), widened on either side by a share of it, (m, 2).

    Curves continue beyond the rows as straight lines; their sum would go on where every input is beyond them, and
    nothing in the data warrants that. `limits` (n, 2) are the intervals to which inputs are clipped.
    """
    if limits is None:
        rows = x
    else:
        rows = np.clip(x, *limits.T)
    outputs = predict_in_batches(model, torch.from_numpy(np.ascontiguousarray(rows))).numpy()
    low = outputs.min(0)
    high = outputs.max(0)
    reach = beyond * (high - low)
    return np.stack([low - reach, high + reach], 1)


def _chosen(samples: Samples, settings: SearchSettings, budget: Budget, everything: AllRows | None) -> AutoResult:
    """Choose a model: a polynomial or halved grids without noise, or the best of nested candidates, of all rows."""
    family = settings.family
    if settings.is_fixed and not (family.is_classes or family.is_least_squares):
        raise InputError(
            f"loss must be 'squared' where hidden, grid_size or regularization is given, got {family.spelling!r}"
        )
    with one_blas_thread():
        ends = partial(budget.ends, keep_interrupted=settings.keep_interrupted)
        limit = budget.time_limit
        # A polynomial of samples without noise, which spares the search.
        may_be_free = may_be_noise_free(samples, settings)
        leader: Leader | None = None
        if may_be_free:
            with ends():
                leader = polynomial_without_noise(samples, settings, budget)
            if leader is None and not budget.is_interrupted:  # else the search ends with its first model
                budget.ended_by = None  # the search begins with what needs least memory and time
        # Nested candidates on held-out rows, half of the time after the first pass if passes over a table follow.
        search = Search(samples, family, settings, budget)
        if leader is None:
            if everything is not None and limit is not None:
                budget.time_limit = budget.share(0.5).time_limit
            report = search.run()
            leader = Leader(report, partial(search.held_out_losses, len(samples)), search.has_smooth_residual)
        # Halved grids, where residuals are structure and no noise.
        network: AutoResult | None = None
        sentence = ""
        if may_be_free and not budget.is_interrupted:
            with ends():
                network, sentence = approximated(samples, leader, settings, budget)
        if network is not None:
            return network
        if leader.result is not None:
            return finished(leader.result, sentence, budget)
        if sentence:
            search.sentences.append(sentence)
        return _final(samples, search, everything, limit)


def _final(samples: Samples, search: Search, everything: AllRows | None, time_limit: float | None) -> AutoResult:
    """Fit the chosen candidate to all rows; `time_limit` is that of the whole fit."""
    family = search.settings.family
    budget = search.budget
    ends = partial(budget.ends, keep_interrupted=search.settings.keep_interrupted)
    # The chosen candidate, of all samples or of all rows of a table.
    fitted = search.final()
    rows = search.fitted_rows
    everything = everything or search.sums
    if everything is not None and not budget.is_interrupted:
        budget.time_limit = time_limit
        with ends():
            fitted, sentence, is_ended = everything.fitted(fitted, rows, budget, search.policy)
            search.sentences.append(sentence)
            if is_ended:
                budget.ended_by = StopReason.TIME_LIMIT
        # Each row stands for as many for the tests.
        rows = replace(rows, weight=rows.weight * (everything.rows / rows.total))
    if budget.is_interrupted:
        search.sentences.append(f"Interrupted at: {budget.stage}.")
    # The network of the linear predictor, its error bars, and the report of the fit.
    model = fitted.to_kan()
    exponent = None
    if fitted.family.log_link:
        exponent = fitted.range
    if family.is_classes and family.predictors == 1 and fitted.network is None:
        model = _of_two_classes(model)
    bars = None
    intervals = None
    held_out = None
    message = "Interrupted: there are no error bars."
    with ends():
        held_out = HeldOutRows.of(samples, search, fitted)
        bars, message = error_bars(samples, search.budget, fitted, model, held_out)
        if bars is None and held_out is not None:
            intervals = held_out.intervals()
            message = f"{message} {intervals.message}"
    stopped = budget.ended_by or StopReason.CONVERGED
    report = search.report(stopped).with_coefficients(fitted.coefficients)
    if fitted.network is None:
        done = _fit_report(fitted, samples, stopped, budget)
        losses = search.held_out_losses(len(samples))
        result = AutoResult(model, done, report, fitted.limits, exponent, bars, message, intervals, fitted)
        result = replace(result, held_out_losses=losses, held_out=held_out, fitted_rows=rows)
    else:
        done = fitted.network.report
        if stopped == StopReason.INTERRUPTED:
            done = replace(done, stopped=stopped, message="Interrupted; the model is the best so far.")
        result = AutoResult(model, done, report, error_bars=bars, message=message, intervals=intervals)
    loss = loss_of(report)
    if math.isnan(loss):
        loss = done.loss
    budget.report("done", 1.0, loss)
    return result


def _fit_report(fitted: Fitted, samples: Samples, stopped: StopReason, budget: Budget) -> FitReport:
    """The final fit in the form of the reports of all trainings."""
    estimate = fitted.model
    family = fitted.family
    fits = estimate.fits
    steps = estimate.steps
    what = "Penalised likelihood"
    method = "reweighted least squares"
    if family.is_least_squares:
        what = "Restricted likelihood"
        method = "Newton's method"
    # Mean loss of the samples.
    if fitted.smooth is None and family.is_least_squares:
        loss = float(np.average((estimate.residual**2).mean(1), weights=estimate.weights.mean(1)))
    else:
        losses = sample_losses(fitted, fitted.link(samples.x), samples)
        loss = float(np.average(losses, weights=samples.weight))
    metric = None
    if family.is_classes:
        metric = ("log loss", loss)
    elif family.is_normal:
        metric = ("rmse", math.sqrt(loss))
    # How the maximisation ended, in a sentence.
    made = counted(steps, "step")
    message = f"{what} is at its maximum after {made} of {method}."
    if fitted.candidate.factor != 1:
        chosen = (
            f"{number_text(fitted.candidate.factor)} times those of the highest restricted likelihood, as folds chose"
        )
        message = f"Penalised likelihood is at its maximum after {made} of {method}; penalties are {chosen}."
    if stopped == StopReason.INTERRUPTED:
        message = "Interrupted; the model is the best so far."
    elif not estimate.converged:
        if stopped == StopReason.TIME_LIMIT:
            end = "when the time was over"
        else:
            end = "the most that are made"
        message = f"{what} still rose after {made} of {method}, {end}."
        if stopped == StopReason.CONVERGED:
            stopped = StopReason.MAX_STEPS
    plan = {
        "method": {"name": "REML"},
        "family": fitted.family.name,
        "strengths": [[float(value) if np.isfinite(value) else None for value in fit.strength] for fit in fits],
    }
    record = StepRecord(steps, loss, None, 0.0, budget.seconds)
    return FitReport(stopped, message, steps, steps, loss, None, metric, budget.seconds, (record,), plan)


def _of_two_classes(model: KAN) -> KAN:
    """The network with the logits (-eta / 2, eta / 2) for one with the log odds eta."""
    # A network with one output more; layers before the last are copied.
    config = model.config
    both = KAN(
        (*config.width[:-1], 2),
        config.grid_size,
        config.degree,
        base=config.base,
        products=config.products,
        dtype=torch.float64,
    )
    sign = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    with torch.no_grad():
        for number in range(len(model.layers) - 1):
            both.layers[number].load_state_dict(model.layers[number].state_dict())
        # The log odds eta are the difference of the logits, half of it each.
        new = edge_layers(both)[-1]
        old = edge_layers(model)[-1]
        new.knots.copy_(old.knots)
        new.coef.copy_(old.coef * sign)
        if new.base is not None and old.base is not None:
            new.base.copy_(old.base * sign)
        new.mask.copy_(old.mask.expand(-1, 2))
        new.domain_is_set.copy_(old.domain_is_set)
    return both
