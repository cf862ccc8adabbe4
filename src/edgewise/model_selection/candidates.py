"""One candidate of a search: a shape, a grid and a strength of regularisation, and how a model of it is trained."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport, StepEvent
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Penalty, Ridge, Roughness
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import FINAL, LINEAR, TRIAL, SmoothPlan, gcv_of, penalty_of, short_fit, smooth_fit

FIRST_GRID = 4
# Share of the strength that weighs the roughness; the ridge holds what has no curvature. Measured on the five
# tables of `edgewise reproduce tables`: 0.01 to 1 gave the same scores within their errors.
ROUGHNESS_SHARE = 0.1
# The normal equations cost the square of the parameters: up to here Levenberg-Marquardt beats L-BFGS on tables.
LEVENBERG_MARQUARDT_LIMIT = 1200
WORK = 2.5e11  # multiply-adds of a budget of 1: about half a minute on two cores with the compiled kernel
# Work of one step beyond its arithmetic: the time of some hundred small torch calls, in multiply-adds.
OVERHEAD = 3e6
SHORT_STARTS, SHORT_STEPS = 5, 12
# The factors of (1 - a) / sqrt(1 - b^2) were found from functions near 1, those of 1 + a sin(t) from functions near 0.
LEVELS = (1.0, 0.0)
BASIS = 300  # of the basis functions and their derivatives at one value, about


@dataclass(frozen=True)
class Candidate:
    """hidden: nodes of the hidden layers, () for an additive model. grid_size, degree: of all edges.
    strength: of the regularisation, relative to a loss of order 1. smooth: least squares only; strengths edge by edge
    that training finds, see `smooth_fit`, instead of the one. product: the one hidden node multiplies a function of
    each input instead of adding them."""

    hidden: tuple[int, ...] = ()
    grid_size: int = FIRST_GRID
    strength: float = 1e-4
    degree: int = 3
    smooth: bool = False
    product: bool = False

    def width(self, inputs: int, outputs: int) -> tuple[int, ...]:
        return (inputs, *self.hidden, outputs)

    def parameters(self, inputs: int, outputs: int) -> int:
        """Trainable numbers of the model."""
        width = self.width(inputs, outputs)
        edges = inputs**2 + outputs if self.product else sum(a * b for a, b in pairwise(width))
        return edges * (self.grid_size + self.degree + 1)

    def penalty(self) -> Penalty:
        # Finer grids have more coefficients for the same function: their ridge is scaled to weigh it alike.
        per_coefficient = (FIRST_GRID + self.degree) / (self.grid_size + self.degree)
        return Ridge(self.strength * per_coefficient) + Roughness(self.strength * ROUGHNESS_SHARE)

    def grids(self) -> tuple[int, ...]:
        """The grid sizes to train on one after another, each the double of the one before, up to `grid_size`. The few
        functions of a product find their way on the last one alone."""
        sizes = [self.grid_size]
        while not self.product and sizes[0] % 2 == 0 and sizes[0] > FIRST_GRID:
            sizes.insert(0, sizes[0] // 2)
        return tuple(sizes)

    def says(self) -> str:
        """The candidate in words, as "1 hidden layer of 5 nodes, grid 4, strength 1e-04"."""
        shape = "additive"
        if self.product:
            shape = "a product of one function of each input"
        elif self.hidden:
            layers = "1 hidden layer" if len(self.hidden) == 1 else f"{len(self.hidden)} hidden layers"
            nodes = "1 node" if self.hidden == (1,) else f"{', '.join(map(str, self.hidden))} nodes"
            shape = f"{layers} of {nodes}"
        how = (
            "smoothness by edge" if self.smooth else f"strength {self.strength:.0e}" if self.strength else "no penalty"
        )
        return f"{shape}, grid {self.grid_size}, {how}"


@dataclass(frozen=True)
class Schedule:
    """Most steps of one training: before hidden domains are moved to where the activations went, and after."""

    first: int
    then: int


def can_smooth(problem: Problem, parameters: int, degree: int) -> bool:
    """Whether a candidate of that size may be `smooth`."""
    return isinstance(problem, Regression) and parameters <= LEVENBERG_MARQUARDT_LIMIT and degree > 0


def method_for(problem: Problem, parameters: int, *, linear: bool) -> Method:
    """Levenberg-Marquardt for small least-squares problems, L-BFGS for the others.

    An additive model is linear in its parameters: with hardly any damping the first step solves it.
    """
    if not problem.blocks() or parameters > LEVENBERG_MARQUARDT_LIMIT:
        return LBFGS()
    return LevenbergMarquardt(damping=1e-9 if linear else 1e-2)


def schedule_for(method: Method, *, final: bool) -> Schedule:
    """Steps for a trial, or for the final model."""
    if isinstance(method, LevenbergMarquardt):
        return Schedule(20, 60) if final else Schedule(12, 20)
    return Schedule(80, 300) if final else Schedule(50, 80)


def smooth_plan(candidate: Candidate, *, final: bool) -> SmoothPlan:
    """The steps of a smooth candidate's trial, or of the final model."""
    return (FINAL if final else TRIAL) if candidate.hidden else LINEAR


def work_of(problem: Problem, candidate: Candidate, *, final: bool = False) -> float:
    """Multiply-adds, about, of training a candidate on the problem's data. Counted, never timed: the same table and
    budget give the same plan on every machine."""
    data = problem.train
    rows, inputs = data.x.shape
    outputs = getattr(problem, "classes", None) or data.y.shape[1]
    total = 0.0
    for grid_size in candidate.grids():
        parameters = replace(candidate, grid_size=grid_size).parameters(inputs, outputs)
        method = method_for(problem, parameters, linear=not candidate.hidden)
        plan = schedule_for(method, final=final)
        steps = plan.then + (plan.first if candidate.hidden else 0)
        if isinstance(method, LevenbergMarquardt):
            steps = steps if candidate.hidden else 4
            if candidate.smooth:
                steps = smooth_plan(candidate, final=final).steps + bool(candidate.hidden) * SHORT_STARTS * SHORT_STEPS
            each = (rows * outputs * parameters**2 / 2 + parameters**3 / 3) / 4  # matrix products run that much faster
        else:
            each = 6 * rows * parameters + BASIS * rows * sum(candidate.width(inputs, outputs)[:-1])
        total += steps * (each + OVERHEAD)
    return total * (len(LEVELS) if candidate.product else 1)


def reasonable_work(data: Data, outputs: int) -> float:
    """The work of a budget of 1: less for small tables, whose scores no search can make certain."""
    rows, inputs = data.x.shape
    # Few columns interact as well as many do; more columns than a quarter of the rows can't be told apart.
    columns = max(min(inputs, rows // 4) + outputs, 8)
    return min(WORK, 5e8 + 4e6 * rows * columns)


def train_candidate(
    problem: Problem,
    candidate: Candidate,
    *,
    outputs: int,
    seed: int,
    warm: KAN | None = None,
    final: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> tuple[KAN, FitReport]:
    """A model of `candidate` trained on problem.train, and the report of its last phase.

    Args:
        outputs: the model's; seed: of its initial weights.
        warm: a trained model of the same shape whose grid divides the candidate's: training goes on from a copy.
        final: more steps.
        progress: told the loss and the share of the planned steps (0 .. 1) after every step.
    """
    if not candidate.product or warm is not None:
        return _trained(problem, candidate, outputs, seed, warm, final, progress)
    best, lowest = None, math.inf
    for number, level in enumerate(LEVELS):
        part = None if progress is None else _part(progress, number, len(LEVELS))
        model, report = _trained(problem, candidate, outputs, seed, None, final, part, level)
        score = score_of(model, problem, report)
        if best is None or score < lowest:
            best, lowest = (model, report), score
        if report.stopped == "interrupted":
            break
    return best


def score_of(model: KAN, problem: Problem, report: FitReport) -> float:
    """What the best of several starts has least of: the objective, or GCV where each start has its own penalty."""
    if not report.history or report.stopped == "nonfinite":
        return math.inf
    if penalty_of(report) is not None:
        return gcv_of(model, problem, report)
    return report.history[-1].loss + report.history[-1].penalty


def _trained(
    problem: Problem,
    candidate: Candidate,
    outputs: int,
    seed: int,
    warm: KAN | None,
    final: bool,
    progress: Callable[[float, float], None] | None,
    level: float | None = None,
) -> tuple[KAN, FitReport]:
    sizes = candidate.grids()
    if warm is not None:
        # The grids of hidden layers may differ, see `approximate`; the first one's size is the candidate's.
        kept = warm.config.grid_size if warm.config.grid_size[0] == candidate.grid_size else candidate.grid_size
        model = refine(warm, kept)
        sizes = (candidate.grid_size,)
    else:
        first = replace(candidate, grid_size=sizes[0])
        model = _start(problem, first, outputs, seed, level)
    report = None
    for number, size in enumerate(sizes):
        model = model if size == model.config.grid_size[0] else refine(model, size)
        stage = replace(candidate, grid_size=size)
        part = None if progress is None else _part(progress, number, len(sizes))
        # A final model that goes on has its hidden domains where they belong, and moving them costs accuracy.
        report = _phases(model, problem, stage, final, part, settled=warm is not None and final)
        if report.stopped in ("interrupted", "nonfinite"):
            break
    return model, report


def _start(problem: Problem, candidate: Candidate, outputs: int, seed: int, level: float | None) -> KAN:
    """A fresh model; of a smooth candidate with hidden layers, whose local minima differ most in its first steps, the
    best of several short starts. level: around which the factors of a product begin."""
    inputs, dtype = problem.train.x.shape[1], problem.train.x.dtype

    def fresh(number: int) -> KAN:
        own = seed + (number << 48)  # the final fit's own starts are 2^32 apart
        products = ((inputs,), ()) if candidate.product else ()
        width = candidate.width(inputs, outputs)
        model = KAN(width, candidate.grid_size, candidate.degree, products=products, seed=own, dtype=dtype)
        if level is not None:
            _single_out_(model.layers[0], level)
        return model

    if not (candidate.smooth and candidate.hidden):
        return fresh(0)
    best, lowest = None, math.inf
    for number in range(SHORT_STARTS):
        model = fresh(number)
        report = short_fit(model, problem, SHORT_STEPS)
        if best is None or report.loss < lowest:
            best, lowest = model, report.loss
        if report.stopped == "interrupted":
            break
    return best


@torch.no_grad()
def _single_out_(layer: KANLayer, level: float) -> None:
    """Each output of a layer becomes a function of its own input, around `level`."""
    layer.mask.copy_(torch.eye(layer.in_features))
    layer.coef += level * layer.mask[:, None, :]


def _part(progress: Callable[[float, float], None], number: int, parts: int) -> Callable[[float, float], None]:
    """Progress of one of several equal parts, told as progress of the whole."""
    return lambda loss, share: progress(loss, (number + share) / parts)


def _phases(model: KAN, problem: Problem, stage: Candidate, final: bool, progress, *, settled: bool) -> FitReport:
    """Trains at one grid size: hidden domains follow the activations after the first steps, unless they are settled."""
    parameters = sum(p.numel() for p in model.parameters())
    method = method_for(problem, parameters, linear=not stage.hidden)
    if stage.smooth:
        adapt = _adapt_hidden_ if stage.hidden and not settled else None
        smoothly = smooth_plan(stage, final=final)
        return smooth_fit(model, problem, smoothly, adapt=adapt, tolerance=1e-6 if final else 1e-5, progress=progress)
    plan = schedule_for(method, final=final)
    before = plan.first if stage.hidden and not settled else 0

    def tell(event: StepEvent, earlier: int) -> None:
        if progress is not None:
            progress(event.loss, (earlier + event.step) / (before + plan.then))

    penalty = stage.penalty()
    if before:
        report = fit(
            model,
            problem,
            method,
            steps=plan.first,
            tolerance=1e-4,
            penalty=penalty,
            callbacks=[lambda event: tell(event, 0)],
        )
        if report.stopped in ("interrupted", "nonfinite"):
            return report
        # The first layer's grid lies on the data already; moving it again could only lose accuracy.
        _adapt_hidden_(model, problem)
    return fit(
        model,
        problem,
        method,
        steps=plan.then,
        tolerance=1e-6 if final else 1e-5,
        penalty=penalty,
        callbacks=[lambda event: tell(event, before)],
    )


def _adapt_hidden_(model: KAN, problem: Problem) -> None:
    adapt_domain_(model, problem.train.x, hidden_only=True)
