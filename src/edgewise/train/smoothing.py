"""Least-squares fits of KANs with smoothing strengths that the data determine, edge by edge.

`smooth_fit` alternates between fits with an `EdgePenalty` and updates of its strengths (`fellner_schall`). The marginal
likelihood, which the updates raise, assumes that the network is right but for noise; for the error on new samples a few
times its strengths are often better. At the end all strengths are therefore multiplied by the factor with the lowest
generalised cross-validation (`gcv_of`).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.nn.model import KAN
from edgewise.outcomes import OnInterrupt, Progress, ProgressCallback, StopReason, check_on_interrupt
from edgewise.settings import ABOVE_ZERO
from edgewise.train.jacobian.linearised import Linearised, linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport, StepEvent
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import EdgePenalty, Penalty, edge_measures, spline_layers
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data

# Limits of the strengths. A choice: far beyond every strength that matters for a loss of order 1.
WEAKEST, STRONGEST = 1e-13, 1e2
# Largest factor of a strength in one update. A choice: the linearised model is not valid far away.
LARGEST_CHANGE = 20.0
# Successive factors of all strengths after the last update, taken while GCV falls. A choice.
FACTORS = (4.0, 4.0)
# Count of each degree of freedom in GCV, see `Linearised.gcv`: Y.-J. Kim and C. Gu, J. R. Statist. Soc. B 66 (2004)
# 337.
INFLATION = 1.4
# First dampings of Levenberg-Marquardt: far from a minimum, near one, and for models that are linear in their
# parameters. Choices: a linear model needs hardly any damping, one near its minimum little.
FAR_DAMPING, SETTLED_DAMPING, LINEAR_DAMPING = 1e-2, 1e-5, 1e-9
# Updates of the strengths after which hidden domains move once more. A choice.
ADAPT_AFTER = (2, 5)
# Tolerance of `short_fit`. A choice: it compares starts, which need few digits.
SHORT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class SmoothPlan:
    """Largest numbers of steps in the stages of `smooth_fit`.

    Parameters
    ----------
    first : int
        Steps at the first strengths, before hidden domains move.
    settle : int
        Steps at the first strengths after that.
    between : int
        Steps between two updates of the strengths.
    updates : int
        Number of updates.
    last : int
        Steps at the last strengths, and again for each of the `FACTORS`.
    """

    first: int
    settle: int
    between: int
    updates: int
    last: int

    @property
    def steps(self) -> int:
        """Largest number of steps in all stages."""
        return self.first + self.settle + self.updates * self.between + (1 + len(FACTORS)) * self.last


# Plans for a trial in a search, and for the final fit. Choices.
TRIAL_PLAN = SmoothPlan(first=5, settle=5, between=3, updates=7, last=8)
FINAL_PLAN = SmoothPlan(first=10, settle=10, between=4, updates=10, last=20)


def smooth_fit(
    model: KAN,
    problem: Problem,
    plan: SmoothPlan = FINAL_PLAN,
    *,
    adapt: Callable[[KAN, Problem], None] | None = None,
    tolerance: float = 1e-6,
    progress: ProgressCallback | None = None,
    on_interrupt: OnInterrupt = "raise",
) -> FitReport:
    """Train a KAN by least squares with smoothing strengths that the data determine.

    Parameters
    ----------
    model : KAN
        Float64 model with splines in all layers but those of products.
    problem : Problem
        Least-squares problem with tensors.
    plan : SmoothPlan
        Numbers of steps.
    adapt : callable, optional
        Function of (model, problem) that moves the hidden domains to where the activations are; without it they stay.
    tolerance : float
        Relative decrease of the loss over ten steps below which each fit ends.
    progress : callable, optional
        Called with a `Progress` after every step.
    on_interrupt : {"raise", "keep"}
        What Ctrl-C does, as for `fit`; the model has the best parameters so far in both cases.

    Returns
    -------
    FitReport
        Report of the last fit; `penalty_of` gives the penalty with its strengths.
    """
    fits = _SuccessiveFits(model, problem, plan, tolerance, progress)
    keep = check_on_interrupt(on_interrupt) == "keep"
    try:
        report = _smooth(fits, adapt)
    except KeyboardInterrupt:  # between two fits, perhaps while a domain was being moved
        last = fits.restore_last_()
        if not keep or last is None:
            raise
        return replace(last, stopped=StopReason.INTERRUPTED, message="Interrupted; the model is the best so far.")
    if report.stopped == StopReason.INTERRUPTED and not keep:
        raise KeyboardInterrupt
    return report


def _smooth(fits: _SuccessiveFits, adapt: Callable[[KAN, Problem], None] | None) -> FitReport:
    """Carry out the plan; an interrupted fit ends it, with the best parameters so far."""
    model, problem, plan = fits.model, fits.problem, fits.plan
    penalty = EdgePenalty.uniform(model)
    report = fits.run(penalty, plan.first)
    if adapt is not None and not _has_failed(report):
        adapt(model, problem)
    if plan.settle and not _has_failed(report):
        report = fits.run(penalty, plan.settle)
    for number in range(plan.updates):
        if _has_failed(report):
            return report
        penalty, _ = fellner_schall(model, problem.train, penalty)
        if adapt is not None and number in ADAPT_AFTER:
            adapt(model, problem)
        report = fits.run(penalty, plan.between)
    if _has_failed(report):
        return report
    report = fits.run(penalty, plan.last)
    lowest = gcv_of(model, problem, report)
    for factor in FACTORS:
        if _has_failed(report):
            break
        penalty, kept = penalty.scaled(factor), copy.deepcopy(model.state_dict())
        stronger = fits.run(penalty, plan.last)
        gcv = gcv_of(model, problem, stronger)
        if not gcv < lowest:
            model.load_state_dict(kept)
            if stronger.stopped == StopReason.INTERRUPTED:
                report = replace(report, stopped=stronger.stopped, message=stronger.message)
            break
        lowest, report = gcv, stronger
    return report


class _SuccessiveFits:
    """Fits of one model one after another, with their progress as that of the whole plan."""

    def __init__(
        self, model: KAN, problem: Problem, plan: SmoothPlan, tolerance: float, progress: ProgressCallback | None
    ) -> None:
        self.model, self.problem, self.plan = model, problem, plan
        self.tolerance, self.progress = tolerance, progress
        self.steps_before, self.start_time = 0, time.perf_counter()
        self._last: tuple[FitReport, dict[str, Any]] | None = None  # the last report, and the model after it

    def run(self, penalty: EdgePenalty, steps: int) -> FitReport:
        """Fit with a penalty for at most that many steps."""
        is_settled = self.steps_before >= self.plan.first + self.plan.settle
        damping = SETTLED_DAMPING if is_settled else FAR_DAMPING
        report = fit(
            self.model,
            self.problem,
            LevenbergMarquardt(damping=damping if len(self.model.layers) > 1 else LINEAR_DAMPING),
            steps=steps,
            penalty=penalty,
            tolerance=self.tolerance,
            callbacks=[self.report_progress],
            on_interrupt="keep",
        )
        self.steps_before += steps
        self._last = report, copy.deepcopy(self.model.state_dict())
        return report

    def restore_last_(self) -> FitReport | None:
        """Give the model the parameters that it had after the last fit, and return the report of that fit."""
        if self._last is None:
            return None
        report, state = self._last
        self.model.load_state_dict(state)
        return report

    def report_progress(self, event: StepEvent) -> None:
        """Pass an event of the present fit on, with the share of all planned steps."""
        if self.progress is not None:
            share = min((self.steps_before + event.step) / self.plan.steps, 1.0)
            seconds = time.perf_counter() - self.start_time
            self.progress(Progress("smoothing", share, event.loss, event.best_loss, seconds))


def _has_failed(report: FitReport) -> bool:
    return report.stopped in (StopReason.INTERRUPTED, StopReason.NONFINITE)


def short_fit(model: KAN, problem: Problem, steps: int) -> FitReport:
    """Make the first steps of `smooth_fit`, to compare starts."""
    return fit(
        model,
        problem,
        LevenbergMarquardt(),
        steps=steps,
        tolerance=SHORT_TOLERANCE,
        penalty=EdgePenalty.uniform(model),
    )


def penalty_of(report: FitReport) -> Penalty | None:
    """Penalty with the strengths that `smooth_fit` found; None for other fits."""
    settings = report.plan.get("penalty") or {}
    return EdgePenalty.from_settings(settings) if settings.get("name") == "EdgePenalty" else None


def gcv_of(model: KAN, problem: Problem, report: FitReport) -> float:
    """Generalised cross-validation of a model that `smooth_fit` has trained, with inflated degrees of freedom."""
    return linearise(model, problem.train, penalty_of(report)).gcv(INFLATION)


@torch.no_grad()
def fellner_schall(model: nn.Module, data: Data, penalty: EdgePenalty) -> tuple[EdgePenalty, Linearised]:
    """Update smoothing strengths once, by the method of Fellner and Schall.

    Parameters
    ----------
    model : Module
        KAN of float64 spline layers, all trainable, and products, fitted to `data` with `penalty`.
    data : Data
        Samples with y (N, out).
    penalty : EdgePenalty
        Strengths before the update.

    Returns
    -------
    EdgePenalty
        Strengths after the update.
    Linearised
        Linearised model before the update.

    Notes
    -----
    Each update raises the restricted marginal likelihood of the linearised model, in which strengths are inverse
    variances of normal priors [1]_, eq. 9. With the loss a mean over N numbers, H = G + S its penalised normal matrix
    and s^2 the noise variance, the strength l of a penalty l t'Pt becomes::

        l * (s^2 / N) * (l tr(S^-1 P) - 2 l tr(H^-1 P)) / (l t'Pt),

    with S the penalties of the edge. An edge without influence on the data is straightened and shrunk to nothing.

    References
    ----------
    .. [1] S. Wood and M. Fasiolo, Biometrics 73 (2017) 1071.
    """
    linearised = linearise(model, data, penalty)
    inverse = linearised.factor @ linearised.factor.mT
    numbers = linearised.samples * len(linearised.losses)
    noise = float(linearised.losses.mean()) / max(1 - linearised.effective / numbers, 0.1) + ABOVE_ZERO
    updated: tuple[list[Tensor], list[Tensor]] = ([], [])
    start = 0
    strengths = penalty.roughness, penalty.ridge
    for layer, gram, *old in zip(spline_layers(model).values(), penalty.bind(model).grams, *strengths, strict=True):
        roughness, ridge = old
        inputs, count, outputs = layer.coef.shape
        place = torch.arange(start, start + layer.coef.numel(), device=gram.device)
        place = place.view(inputs, count, outputs).transpose(1, 2)
        start += layer.coef.numel()
        block = inverse[place[..., :, None], place[..., None, :]]
        eye = torch.eye(count, dtype=torch.float64, device=gram.device) / count
        prior = torch.linalg.inv(roughness[..., None, None] * gram[:, None] + ridge[..., None, None] * eye)
        difference = prior - 2 * block
        degrees = [roughness * (difference * gram[:, None]).sum((-1, -2)), ridge * (difference * eye).sum((-1, -2))]
        if layer.base is not None:
            own = torch.arange(start, start + layer.base.numel(), device=gram.device).view(inputs, outputs)
            start += layer.base.numel()
            degrees[1] = degrees[1] + 1 - 2 * ridge * inverse[own, own]
        for new, strength, degree, measure in zip(updated, old, degrees, edge_measures(layer, gram), strict=True):
            change = noise / numbers * degree.clamp(min=1e-12) / (strength * measure + ABOVE_ZERO)
            new.append((strength * change.clamp(1 / LARGEST_CHANGE, LARGEST_CHANGE)).clamp(WEAKEST, STRONGEST))
    return EdgePenalty(tuple(updated[0]), tuple(updated[1])), linearised
