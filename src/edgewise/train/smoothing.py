"""A smoothness penalty with strengths of its own for every edge, and how the data choose them.

Training with smoothness that the data choose: strengths edge by edge, and how strong on the whole by GCV."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.nn.model import KAN
from edgewise.train.jacobian.linearised import Linearised, linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport, StepEvent
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import EdgePenalty, Penalty, edge_measures, spline_layers
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data

WEAKEST, STRONGEST = 1e-13, 1e2
LARGEST_CHANGE = 20.0  # of a strength in one update: the linearised model knows nothing of what lies further away


@torch.no_grad()
def fellner_schall(model: nn.Module, data: Data, penalty: EdgePenalty) -> tuple[EdgePenalty, Linearised]:
    """Strengths that the data call for, one update, and the linearised model before it.

    S. Wood and M. Fasiolo, Biometrics 73 (2017) 1071, eq. 9: each update raises the restricted marginal likelihood
    of the linearised model, in which strengths are inverse variances of normal priors. With the loss a mean over N
    numbers, H = G + S its penalised normal matrix and s^2 the noise, a strength l of a penalty l t'Pt becomes

        l * (s^2 / N) * (l tr(S^-1 P) - 2 l tr(H^-1 P)) / (l t'Pt),

    S the penalties of the edge. An edge that the data don't call for is straightened and shrunk to nothing.

    model: a KAN of float64 spline layers, all trainable, and product nodes, fitted to `data`, y (N, out), with
        `penalty`.
    """
    found, parts = linearise(model, data, penalty), ([], [])
    inverse = found.factor @ found.factor.mT
    numbers = found.samples * len(found.losses)
    noise = float(found.losses.mean()) / max(1 - found.effective / numbers, 0.1) + 1e-300
    start = 0
    layers = spline_layers(model).values()
    for layer, bend, stiff, size in zip(
        layers, penalty.bind(model).grams, penalty.roughness, penalty.ridge, strict=True
    ):
        inputs, count, outputs = layer.coef.shape
        place = start + torch.arange(inputs * count * outputs).view(inputs, count, outputs).transpose(1, 2)
        start += layer.coef.numel()
        block = inverse[place[..., :, None], place[..., None, :]]
        eye = torch.eye(count, dtype=torch.float64) / count
        prior = torch.linalg.inv(stiff[..., None, None] * bend[:, None] + size[..., None, None] * eye)
        free = [stiff * _trace(prior - 2 * block, bend[:, None]), size * _trace(prior - 2 * block, eye)]
        if layer.base is not None:
            own = start + torch.arange(inputs * outputs).view(inputs, outputs)
            start += layer.base.numel()
            free[1] = free[1] + 1 - 2 * size * inverse[own, own]
        for kept, strength, degrees, measure in zip(
            parts, (stiff, size), free, edge_measures(layer, bend), strict=True
        ):
            change = noise / numbers * degrees.clamp(min=1e-12) / (strength * measure + 1e-300)
            kept.append((strength * change.clamp(1 / LARGEST_CHANGE, LARGEST_CHANGE)).clamp(WEAKEST, STRONGEST))
    return EdgePenalty(*map(tuple, parts)), found


def _trace(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((-1, -2))


# The marginal likelihood takes the network for right but for noise; for the error on new samples a few times its
# strengths are often better. All of them times one factor, chosen by GCV that counts each degree of freedom 1.4 times
# (Kim and Gu 2004, see `Linearised.gcv`).
FACTORS = (4.0, 4.0)
FAR, NEAR, LINEAR_DAMPING = 1e-2, 1e-5, 1e-9  # first dampings
INFLATION = 1.4


@dataclass(frozen=True)
class SmoothPlan:
    """Most steps: at the first strengths before hidden domains move (first), after that (settle), between two updates
    of the strengths (between) of which there are `updates`, and at the last ones (last)."""

    first: int
    settle: int
    between: int
    updates: int
    last: int

    @property
    def steps(self) -> int:
        """All of them."""
        return self.first + self.settle + self.updates * self.between + (1 + len(FACTORS)) * self.last


TRIAL = SmoothPlan(first=5, settle=5, between=3, updates=7, last=8)
FINAL = SmoothPlan(first=10, settle=10, between=4, updates=10, last=20)
# Of an additive model, which is linear in its parameters: each fit is a step or two.
LINEAR = SmoothPlan(first=2, settle=0, between=2, updates=10, last=3)


def smooth_fit(
    model: KAN,
    problem: Problem,
    plan: SmoothPlan = FINAL,
    *,
    adapt: Callable[[KAN, Problem], None] | None = None,
    tolerance: float = 1e-6,
    progress: Callable[[float, float], None] | None = None,
) -> FitReport:
    """Trains a float64 KAN by least squares with an `EdgePenalty` whose strengths follow the data (`fellner_schall`),
    times the factor with the lowest GCV. The report's plan has the penalty, see `penalty_of`.

    Args:
        adapt: moves the hidden domains to where the activations went; None leaves them.
        progress: told the loss and the share of the planned steps (0 .. 1) after every step.
    """
    run = _Run(model, problem, plan, tolerance, progress)
    penalty = EdgePenalty.uniform(model)
    report = run.fit(penalty, plan.first)
    if adapt is not None and not _ended(report):
        adapt(model, problem)
    if plan.settle and not _ended(report):
        report = run.fit(penalty, plan.settle)
    for number in range(plan.updates):
        if _ended(report):
            return report
        penalty, _ = fellner_schall(model, problem.train, penalty)
        if adapt is not None and number in (2, 5):
            adapt(model, problem)
        report = run.fit(penalty, plan.between)
    if _ended(report):
        return report
    return _scaled(run, penalty)


def short_fit(model: KAN, problem: Problem, steps: int) -> FitReport:
    """The first steps of `smooth_fit`, to see where a start leads."""
    penalty = EdgePenalty.uniform(model)
    return fit(model, problem, LevenbergMarquardt(), steps=steps, tolerance=1e-4, penalty=penalty)


def _scaled(run: _Run, penalty: EdgePenalty) -> FitReport:
    """The last fits, with all strengths times growing factors while GCV falls."""
    report = run.fit(penalty, run.plan.last)
    best = gcv_of(run.model, run.problem, report)
    for factor in FACTORS:
        if _ended(report):
            break
        penalty, kept = penalty.scaled(factor), copy.deepcopy(run.model.state_dict())
        other = run.fit(penalty, run.plan.last)
        found = gcv_of(run.model, run.problem, other)
        if not found < best:
            run.model.load_state_dict(kept)
            if other.stopped == "interrupted":
                report = replace(report, stopped=other.stopped, message=other.message)
            break
        best, report = found, other
    return report


def penalty_of(report: FitReport) -> Penalty | None:
    """The penalty of a fit by `smooth_fit`; None for other fits."""
    settings = report.plan.get("penalty") or {}
    return EdgePenalty.from_settings(settings) if settings.get("name") == "EdgePenalty" else None


def gcv_of(model: KAN, problem: Problem, report: FitReport) -> float:
    """The inflated GCV of a model that `smooth_fit` has trained."""
    return linearise(model, problem.train, penalty_of(report)).gcv(INFLATION)


def _ended(report: FitReport) -> bool:
    return report.stopped in ("interrupted", "nonfinite")


class _Run:
    """The fits of one training, each told as a part of the whole."""

    def __init__(self, model, problem, plan, tolerance, progress):
        self.model, self.problem, self.plan = model, problem, plan
        self._tolerance, self._progress, self._done = tolerance, progress, 0
        # A model that is linear in its parameters needs hardly any damping, one near its minimum little.
        self._deep = len(model.layers) > 1

    def fit(self, penalty: EdgePenalty, steps: int) -> FitReport:
        settled = self._done >= self.plan.first + self.plan.settle
        damping = (NEAR if settled else FAR) if self._deep else LINEAR_DAMPING
        report = fit(
            self.model,
            self.problem,
            LevenbergMarquardt(damping=damping),
            steps=steps,
            penalty=penalty,
            tolerance=self._tolerance,
            callbacks=[self._tell],
        )
        self._done += steps
        return report

    def _tell(self, event: StepEvent) -> None:
        if self._progress is not None:
            self._progress(event.loss, min((self._done + event.step) / self.plan.steps, 1.0))
