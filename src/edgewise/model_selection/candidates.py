"""One candidate of a search (shape, grid, strength of regularisation) and the training of a model of it."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch

from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.outcomes import Progress, ProgressCallback, StopReason
from edgewise.settings import MOST_FACTORISED_IN_SEARCH, TABLE_BUDGET_WORK
from edgewise.train.cost import TABLE_COST
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.base import Method
from edgewise.train.methods.choice import SEARCH_LIMITS, method_for
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import Penalty, Ridge, Roughness
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import (
    ADDITIVE_PLAN,
    FINAL_PLAN,
    TRIAL_PLAN,
    SmoothPlan,
    gcv_of,
    penalty_of,
    short_fit,
    smooth_fit,
)

FIRST_GRID = 4  # knot intervals of the first grid of every edge; a choice: finer ones are reached by halving
# Share of the strength that weighs the roughness; the ridge holds the parts of a function without curvature. Measured
# on the five tables of `edgewise reproduce tables`: shares from 0.01 to 1 gave the same scores within their errors.
ROUGHNESS_SHARE = 0.1
# Short starts of a smooth candidate with hidden layers, and the steps of each; a choice: the local minima of such
# candidates differ most in their first steps.
SHORT_STARTS, SHORT_STEPS = 5, 12
# Values around which the factors of a product start. The factors of (1 - a) / sqrt(1 - b^2) were found from functions
# near 1, those of 1 + a sin(t) from functions near 0.
PRODUCT_LEVELS = (1.0, 0.0)
# Relative decrease of the loss over ten steps below which a phase ends: before the hidden domains move, in a trial, and
# in the final fit. A choice: later phases need more digits.
FIRST_TOLERANCE, TRIAL_TOLERANCE, FINAL_TOLERANCE = 1e-4, 1e-5, 1e-6
# Work of a budget of 1 for small tables: a constant part, and a part for each number of the table, where a table counts
# as having at least so many columns, because a few columns interact as well as many do. A choice: 100 rows of 8 columns
# get about 1.4 seconds of one core, and from 7,000 rows of 8 columns on a table gets the whole `TABLE_BUDGET_WORK`.
LEAST_WORK, WORK_PER_NUMBER, FEWEST_COLUMNS = 5e8, 4e6, 8
# Steps of Levenberg-Marquardt that are expected of an additive model, which is linear in its parameters. A choice: one
# step solves a linear problem, the others confirm it.
ADDITIVE_STEPS = 4


@dataclass(frozen=True)
class Candidate:
    """Shape, grid and regularisation of a KAN that a search may choose.

    Parameters
    ----------
    hidden : tuple of int
        Nodes of the hidden layers; () for an additive model.
    grid_size : int
        Knot intervals of every edge.
    strength : float
        Strength of the regularisation, relative to a loss of order 1.
    degree : int
        Polynomial degree of the splines.
    smooth : bool
        Fit one smoothing strength for each edge (`smooth_fit`) instead of using `strength`; for least squares only.
    product : bool
        The one hidden node multiplies a function of each input instead of adding them.

    Examples
    --------
    >>> candidate = Candidate((5,), grid_size=8)
    >>> candidate.describe()
    '1 hidden layer of 5 nodes, grid 8, regularisation 1e-04'
    >>> candidate.width(inputs=3, outputs=1), candidate.parameters(inputs=3, outputs=1), candidate.grids()
    ((3, 5, 1), 240, (4, 8))
    """

    hidden: tuple[int, ...] = ()
    grid_size: int = FIRST_GRID
    strength: float = 1e-4
    degree: int = 3
    smooth: bool = False
    product: bool = False

    def width(self, inputs: int, outputs: int) -> tuple[int, ...]:
        """Nodes of every layer, inputs first."""
        return (inputs, *self.hidden, outputs)

    def parameters(self, inputs: int, outputs: int) -> int:
        """Number of trainable parameters of the model."""
        width = self.width(inputs, outputs)
        edges = inputs**2 + outputs if self.product else sum(a * b for a, b in pairwise(width))
        return edges * (self.grid_size + self.degree + 1)

    def penalty(self) -> Penalty:
        """Regularisation term of the candidate: ridge and roughness."""
        # Finer grids have more coefficients for the same function, so the ridge of each coefficient is scaled down.
        per_coefficient = (FIRST_GRID + self.degree) / (self.grid_size + self.degree)
        return Ridge(self.strength * per_coefficient) + Roughness(self.strength * ROUGHNESS_SHARE)

    def grids(self) -> tuple[int, ...]:
        """Grid sizes to train on one after another, each twice the one before, up to `grid_size`.

        A product has few functions, which converge on the last grid alone.
        """
        sizes = [self.grid_size]
        while not self.product and sizes[0] % 2 == 0 and sizes[0] > FIRST_GRID:
            sizes.insert(0, sizes[0] // 2)
        return tuple(sizes)

    def describe(self) -> str:
        """Description of the candidate in words."""
        shape = "additive"
        if self.product:
            shape = "a product of one function of each input"
        elif self.hidden:
            layers = "1 hidden layer" if len(self.hidden) == 1 else f"{len(self.hidden)} hidden layers"
            nodes = "1 node" if self.hidden == (1,) else f"{', '.join(map(str, self.hidden))} nodes"
            shape = f"{layers} of {nodes}"
        strength = f"regularisation {self.strength:.0e}" if self.strength else "no penalty"
        return f"{shape}, grid {self.grid_size}, {'smoothness by edge' if self.smooth else strength}"

    def says(self) -> str:
        """Deprecated name of `describe`."""
        warnings.warn("Candidate.says is now Candidate.describe", DeprecationWarning, stacklevel=2)
        return self.describe()


class TrainedModel(NamedTuple):
    """A trained model, the report of its fit, and the problem whose unknowns were trained with it."""

    model: KAN
    report: FitReport
    problem: Problem


@dataclass(frozen=True)
class Schedule:
    """Largest numbers of steps of one training.

    Parameters
    ----------
    first : int
        Steps before the hidden domains move to the range of the activations.
    then : int
        Steps after that.
    """

    first: int
    then: int


def can_smooth(problem: Problem, parameters: int, degree: int) -> bool:
    """Return whether smoothing strengths can be fitted edge by edge for a model of that size."""
    return isinstance(problem, Regression) and parameters <= MOST_FACTORISED_IN_SEARCH and degree > 0


def schedule_for(method: Method, *, final: bool) -> Schedule:
    """Return the numbers of steps for a trial or for the final model.

    The numbers are a choice: a trial only has to rank candidates, and a step of L-BFGS costs far less.
    """
    if isinstance(method, LevenbergMarquardt):
        return Schedule(20, 60) if final else Schedule(12, 20)
    return Schedule(80, 300) if final else Schedule(50, 80)


def smooth_plan(candidate: Candidate, *, final: bool) -> SmoothPlan:
    """Return the numbers of steps of a smooth candidate, for a trial or for the final model."""
    return (FINAL_PLAN if final else TRIAL_PLAN) if candidate.hidden else ADDITIVE_PLAN


def work_of(problem: Problem, candidate: Candidate, outputs: int, *, final: bool = False) -> float:
    """Estimate the multiply-adds of training a candidate on the training data of `problem`.

    The work is counted, never timed, so the same table and budget lead to the same search on every machine. The model
    has `outputs` outputs: one for each class of a classification, but a single one for ordered classes.
    """
    rows, inputs = problem.train.x.shape
    total = 0.0
    for grid_size in candidate.grids():
        parameters = replace(candidate, grid_size=grid_size).parameters(inputs, outputs)
        method, _ = method_for(problem, parameters, is_linear=not candidate.hidden, limits=SEARCH_LIMITS)
        schedule = schedule_for(method, final=final)
        steps = schedule.then + (schedule.first if candidate.hidden else 0)
        if isinstance(method, LevenbergMarquardt):
            steps = steps if candidate.hidden else ADDITIVE_STEPS
            if candidate.smooth:
                steps = smooth_plan(candidate, final=final).steps + bool(candidate.hidden) * SHORT_STARTS * SHORT_STEPS
            each = TABLE_COST.levenberg_marquardt(rows * outputs, parameters)
        else:
            each = TABLE_COST.gradient(rows, parameters, sum(candidate.width(inputs, outputs)[:-1]))
        total += steps * each
    return total * (len(PRODUCT_LEVELS) if candidate.product else 1)


def reasonable_work(data: Data, outputs: int) -> float:
    """Return the multiply-adds of a budget of 1: fewer for small tables, whose scores no search can make certain."""
    rows, inputs = data.x.shape
    # More columns than a quarter of the rows cannot be distinguished.
    columns = max(min(inputs, rows // 4) + outputs, FEWEST_COLUMNS)
    return min(TABLE_BUDGET_WORK, LEAST_WORK + WORK_PER_NUMBER * rows * columns)


def train_candidate(
    problem: Problem,
    candidate: Candidate,
    *,
    outputs: int,
    seed: int,
    warm: KAN | None = None,
    final: bool = False,
    progress: ProgressCallback | None = None,
) -> tuple[KAN, FitReport]:
    """Train a model of `candidate` on `problem.train`.

    Parameters
    ----------
    problem : Problem
        Problem with tensors as training data.
    candidate : Candidate
        Shape, grid and regularisation.
    outputs : int
        Outputs of the model.
    seed : int
        Seed of the initial weights.
    warm : KAN, optional
        Trained model of the same shape whose grid size divides that of the candidate; training continues from a copy.
    final : bool
        Make more steps, as for the model that is kept.
    progress : callable, optional
        Receives a `Progress` after every step.

    Returns
    -------
    model : KAN
    report : FitReport
        Report of the last phase of the training.
    """
    training = _CandidateTraining(problem, candidate, outputs, seed, final, progress)
    if not candidate.product or warm is not None:
        return training.run(warm)
    results = []
    for number, level in enumerate(PRODUCT_LEVELS):
        model, report = training.run(level=level, begin=number / len(PRODUCT_LEVELS), span=1 / len(PRODUCT_LEVELS))
        results.append((score_of(model, problem, report), model, report))
        if report.stopped == StopReason.INTERRUPTED:
            break
    _, model, report = min(results, key=lambda result: result[0])
    return model, report


def score_of(model: KAN, problem: Problem, report: FitReport) -> float:
    """Return the criterion by which the best of several starts is chosen; lower is better.

    This is the objective, or GCV where each start has smoothing strengths of its own.
    """
    if not report.history or report.stopped == StopReason.NONFINITE:
        return math.inf
    if penalty_of(report) is not None:
        return gcv_of(model, problem, report)
    return report.history[-1].loss + report.history[-1].penalty


class _CandidateTraining:
    """Training of one candidate; the methods stand in the order in which they run."""

    def __init__(
        self,
        problem: Problem,
        candidate: Candidate,
        outputs: int,
        seed: int,
        final: bool,
        progress: ProgressCallback | None,
    ):
        self.problem, self.candidate, self.outputs, self.seed = problem, candidate, outputs, seed
        self.final, self.progress, self.began = final, progress, time.perf_counter()
        self.begin, self.span = 0.0, 1.0  # the part of the progress that the current phase covers

    def run(
        self, warm: KAN | None = None, *, level: float | None = None, begin: float = 0.0, span: float = 1.0
    ) -> tuple[KAN, FitReport]:
        """Train on each grid in turn, from `warm` or from fresh weights."""
        if warm is None:
            sizes = self.candidate.grids()
            model, short = self._initial_model(replace(self.candidate, grid_size=sizes[0]), level)
            if short is not None and short.stopped == StopReason.INTERRUPTED:
                return model, short
        else:
            sizes = (self.candidate.grid_size,)
            # `approximate` gives hidden layers grids of other sizes; the candidate has that of the first layer.
            same = warm.config.grid_size[0] == self.candidate.grid_size
            model = refine(warm, warm.config.grid_size if same else self.candidate.grid_size)
        for number, size in enumerate(sizes):
            if size != model.config.grid_size[0]:
                model = refine(model, size)
            self.begin, self.span = begin + span * number / len(sizes), span / len(sizes)
            # A final model that is trained further has its hidden domains in place; moving them costs accuracy.
            report = self._train_on_grid(model, size, move_domains=not (warm is not None and self.final))
            if report.stopped in (StopReason.INTERRUPTED, StopReason.NONFINITE):
                break
        return model, report

    def _initial_model(self, candidate: Candidate, level: float | None) -> tuple[KAN, FitReport | None]:
        """Return a fresh model; for a smooth candidate with hidden layers, the best of several short starts.

        The report is that of the last short start, which Ctrl-C may have ended; None without short starts.

        `level` is the value around which the factors of a product start.
        """
        x = self.problem.train.x
        inputs = x.shape[1]

        def fresh(number: int) -> KAN:
            own = self.seed + (number << 48)  # the starts of a final fit are 2^32 apart
            products = ((inputs,), ()) if candidate.product else ()
            width = candidate.width(inputs, self.outputs)
            model = KAN(width, candidate.grid_size, candidate.degree, products=products, seed=own, dtype=x.dtype)
            if level is not None:
                layer = model.layers[0]
                assert isinstance(layer, KANLayer)
                with torch.no_grad():  # each factor becomes a function of its own input, around `level`
                    layer.mask.copy_(torch.eye(inputs))
                    layer.coef.add_(level * layer.mask[:, None, :])
            return model

        best, report = fresh(0), None
        if not (candidate.smooth and candidate.hidden):
            return best, report
        lowest = math.inf
        for number in range(SHORT_STARTS):
            model = fresh(number) if number else best
            report = short_fit(model, self.problem, SHORT_STEPS, on_interrupt="keep")
            if report.loss < lowest:
                best, lowest = model, report.loss
            if report.stopped == StopReason.INTERRUPTED:
                break
        return best, report

    def _train_on_grid(self, model: KAN, size: int, *, move_domains: bool) -> FitReport:
        """Train at one grid size; hidden domains follow the activations after the first steps."""
        stage = replace(self.candidate, grid_size=size)
        move_domains = move_domains and bool(stage.hidden)
        tolerance = FINAL_TOLERANCE if self.final else TRIAL_TOLERANCE
        if stage.smooth:
            return smooth_fit(
                model,
                self.problem,
                smooth_plan(stage, final=self.final),
                adapt=_adapt_hidden_ if move_domains else None,
                tolerance=tolerance,
                progress=lambda at: self._report_progress(at.loss, at.share),
                on_interrupt="keep",
            )
        parameters = sum(p.numel() for p in model.parameters())
        method, _ = method_for(self.problem, parameters, is_linear=not stage.hidden, limits=SEARCH_LIMITS)
        schedule, penalty = schedule_for(method, final=self.final), stage.penalty()
        first = schedule.first if move_domains else 0
        planned = first + schedule.then
        if first:
            report = fit(
                model,
                self.problem,
                method,
                steps=first,
                tolerance=FIRST_TOLERANCE,
                penalty=penalty,
                callbacks=[lambda event: self._report_progress(event.loss, event.step / planned)],
                on_interrupt="keep",
            )
            if report.stopped in (StopReason.INTERRUPTED, StopReason.NONFINITE):
                return report
            _adapt_hidden_(model, self.problem)
        return fit(
            model,
            self.problem,
            method,
            steps=schedule.then,
            tolerance=tolerance,
            penalty=penalty,
            callbacks=[lambda event: self._report_progress(event.loss, (first + event.step) / planned)],
            on_interrupt="keep",
        )

    def _report_progress(self, loss: float | None, share: float) -> None:
        """Report the share of the current phase as a share of the whole training."""
        if self.progress is not None:
            done = min(self.begin + self.span * share, 1.0)
            seconds = time.perf_counter() - self.began
            self.progress(Progress(self.candidate.describe(), done, loss, seconds=seconds))


def _adapt_hidden_(model: KAN, problem: Problem) -> None:
    """Move the domains of the hidden layers to the activations.

    The grid of the first layer lies on the data already; moving it again could only lose accuracy.
    """
    adapt_domain_(model, problem.train.x, hidden_only=True)
