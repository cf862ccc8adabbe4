"""Training with smoothness that the data choose: strengths edge by edge, and how strong on the whole by GCV."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgewise.nn.model import KAN
from edgewise.train.fit import fit
from edgewise.train.fit_report import FitReport
from edgewise.train.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.linearised import linearise
from edgewise.train.penalty import Penalty
from edgewise.train.problem import Problem
from edgewise.train.progress import StepEvent
from edgewise.train.smoothing import EdgePenalty, fellner_schall

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


def _scaled(run: "_Run", penalty: EdgePenalty) -> FitReport:
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
