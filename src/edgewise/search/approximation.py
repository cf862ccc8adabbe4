"""Approximation of noise-free samples to the last digits: choice of a start, then exact halving of the grids."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from edgewise.checks import check_count, check_number, check_options, is_number
from edgewise.errors import InputError
from edgewise.listeners import check_progress
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget, ProgressCallback, StopReason
from edgewise.presentation import number_text
from edgewise.search.starts import (
    Start,
    StartPlan,
    best_start,
    half_grids,
    most_values,
    shapes_for,
    step_work,
    train_start,
)
from edgewise.settings import ABOVE_ZERO, APPROXIMATION_BUDGET_WORK
from edgewise.train.grids import adapt_domain_, enclose
from edgewise.train.loop.reports import FitReport
from edgewise.train.problems import Regression


@dataclass(frozen=True)
class HalvingSettings:
    """Sizes and thresholds of the refinement."""

    held_out_share: float = 0.1  # share of the samples that is held out where there are no validation data
    # The refinement ends when halving the grids divides the held-out error by less than this factor: half the slope 1
    # of a function with a kink.
    least_halving_gain: float = 1.4
    rounding_error: float = 2e-15  # held-out error in float64, relative to the standard deviation of the target
    fine_steps: int = 100  # steps on each grid
    # Ten steps that lower the loss by less than this share end a phase: on the last grid, and on earlier ones, where
    # the next grid gains far more.
    last_tolerance: float = 1e-3
    passing_tolerance: float = 0.1
    # Change of the model by wider hidden grids that is accepted, relative to the target's deviation.
    largest_tail_change: float = 1e-3
    # Relative error above which a grid may be too coarse to resolve anything; halving then goes on in any case.
    unresolved: float = 0.05
    # Moves of the knots to equal errors on each grid, and the share of the range of hidden activations beyond them: a
    # second move divided the error of a kink by five, a third did not.
    gradings: int = 2
    graded_margin: float = 0.005
    # Residuals for each parameter: with fewer a model begins to interpolate its samples. Knots of equal error crowd
    # where few samples may lie: with eight the error of sqrt(0.1 + r^2) fell as it should, with four it rose for some
    # seeds.
    residuals_each: Mapping[str, int] = field(default_factory=lambda: {"even": 2, "error": 8})
    cover: int = 20_000  # random points of a given domain, from which the range of the hidden nodes is determined


SETTINGS = HalvingSettings()


@dataclass(frozen=True)
class Phase:
    """Result of the training on one grid.

    Parameters
    ----------
    grid_size : tuple of int
        Knot intervals of each layer.
    parameters : int
        Number of trainable parameters.
    loss, validation_loss : float
        Mean squared error of the training and of the held-out samples.
    seconds : float
        Wall seconds since the start of the approximation.

    Examples
    --------
    >>> Phase((8, 8), parameters=140, loss=1e-9, validation_loss=2e-9, seconds=1.5).grid_size
    (8, 8)
    """

    grid_size: tuple[int, ...]
    parameters: int
    loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True)
class ApproximateResult:
    """Result of `approximate`.

    Parameters
    ----------
    model : KAN
        The model with the smallest held-out error.
    report : FitReport
        Report of its last fit.
    phases : tuple of Phase
        Results of all grids.
    sentences : tuple of str
        Choices that were made, with their reasons, and the reason for the end.
    stopped : StopReason
        CONVERGED, BUDGET, TIME_LIMIT, INTERRUPTED or NONFINITE.
    work : float
        Multiply-adds that were spent, about.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 100, dtype=torch.float64)[:, None]
    >>> result = approximate(Regression(x, x**3), width=[1, 1], budget=0.01)
    >>> isinstance(result.stopped, StopReason), result.phases[-1].validation_loss < 1e-12
    (True, True)
    """

    model: KAN
    report: FitReport
    phases: tuple[Phase, ...]
    sentences: tuple[str, ...]
    stopped: StopReason
    work: float


class StartOptions(TypedDict, total=False):
    """Options of `approximate` that are rarely needed."""

    starts: int | None  # starts of each shape; if left out, as many as a quarter of the budget allows
    # knots at equal distances, which halving keeps exactly; or, after each halving, where every interval has about the
    # same error: for functions with kinks, or that are steep in places. "even" if left out
    knots: str
    seed: int  # seed of the held-out samples and of the initial weights, 0 if left out


def approximate(
    problem: Regression,
    *,
    width: Sequence[int] | None = None,
    degree: int | None = None,
    domain: Sequence[float] | Tensor | None = None,
    budget: float = 1.0,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
    **options: Unpack[StartOptions],
) -> ApproximateResult:
    """Fit a KAN to noise-free samples of a smooth function, as accurately as samples and budget allow.

    Shape, degree, starts and grids are chosen; `sentences` of the result gives the reasons. For samples with noise use
    `KANRegressor`.

    Parameters
    ----------
    problem : Regression
        N samples held as tensors, best in float64, inputs and targets of order 1. Without validation data a tenth is
        held out.
    width : sequence of int, optional
        Nodes of every layer, inputs first; if left out, chosen from a few shapes.
    degree : int, optional
        Degree of the splines; if left out 5, or 2 where that is exact, as for products.
    domain : (low, high) or Tensor of shape (in, 2), optional
        Domain where the model will be evaluated; the first grids cover it. If left out, they cover the samples.
    budget : float
        Work that may be spent, in units of `edgewise.settings.APPROXIMATION_BUDGET_WORK`: 1 is up to about 35 seconds
        of one core.
    time_limit : float, optional
        Seconds. The limit only decides between stages.
    progress : callable, optional
        Receives a `Progress` with the held-out mean squared error as `loss`.
    **options : StartOptions
        `starts`, `knots` and `seed`.

    Returns
    -------
    ApproximateResult

    Raises
    ------
    InputError
        If an argument is invalid, or `problem` and `width` do not go together.

    Notes
    -----
    Starts of several shapes are trained for a few steps on a coarse grid, and in between the hidden grids move to the
    range of the activations. The worse half is dropped repeatedly. The shape is chosen by its error, extrapolated to
    the finest grid that the budget allows. Then Levenberg-Marquardt and exact halving of the grids alternate until the
    held-out error no longer falls. Where a first layer has fewer nodes than inputs, one start has groups of inputs that
    act together in nodes of their own (`starts.input_groups`).

    Knots of equal error gave sqrt(0.1 + x^2 + y^2 + z^2) in [3, 1, 1] an error 30 times lower with the same grids, and
    abs(x + y/2)^1.5 in [2, 1, 1] one 100 times lower.

    The base function is "zero", because silu(h) does not follow the shift and scale of a hidden node: with a SiLU none
    of eight starts of a [4, 2, 1, 1] KAN found the good minimum, without it five did; x*y ended at an error of 1e-5
    with, and of 1e-12 without it.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression
    >>> from edgewise.search import approximate
    >>> x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    >>> result = approximate(Regression(x, torch.sin(3 * x)), width=[1, 1], budget=0.01)
    >>> bool((result.model(x) - torch.sin(3 * x)).abs().max() < 1e-6)
    True
    """
    check_options(approximate, options, StartOptions)
    starts = options.get("starts")
    seed = options.get("seed", 0)
    knots = options.get("knots", "even")
    if knots not in ("even", "error"):
        raise InputError(f'knots must be "even" or "error", got {knots!r}')
    check_progress(progress)
    problem = _checked(problem, width, budget, time_limit, seed, starts)
    work = Budget(time_limit, budget * APPROXIMATION_BUDGET_WORK, progress)
    plan = StartPlan(degree, domain, starts, seed)
    return approximate_by_plan(problem, width, plan, work, knots, keep_interrupted=True)


def approximate_by_plan(
    problem: Regression,
    width: Sequence[int] | None,
    plan: StartPlan,
    work: Budget,
    knots: str = "even",
    *,
    keep_interrupted: bool = False,
) -> ApproximateResult:
    """Approximate as `approximate` does, of arguments that have been checked; Ctrl-C is raised unless it is kept."""
    with torch.inference_mode(False):  # the caller may want gradients of the model
        data = problem.train
        if width is not None:
            shapes = [tuple(width)]
        else:
            shapes = shapes_for(data.x.shape[1], data.y.shape[1])
        start, sentences = best_start(problem, shapes, plan, work)
        return _Refinement(problem, work, plan, knots).run(start, sentences, keep_interrupted)


def _checked(
    problem: Regression,
    width: Sequence[int] | None,
    budget: float,
    time_limit: float | None,
    seed: int,
    starts: int | None,
) -> Regression:
    """Check the arguments; return the problem with validation data."""
    # The problem and the numbers that limit the work.
    if not isinstance(problem, Regression) or problem.train_loader is not None:
        raise InputError(f"problem must be a Regression with tensors, got {type(problem).__name__}")
    check_count(seed, "seed", 0)
    if starts is not None:
        check_count(starts, "starts")
    check_number(budget, "budget", positive=True)
    if time_limit is not None and not (is_number(time_limit) and time_limit > 0):
        raise InputError(f"time_limit must be a positive number of seconds or None, got {time_limit!r}")
    # The shape must fit the data.
    data = problem.train
    inputs = data.x.shape[1]
    outputs = data.y.shape[1]
    if width is not None:
        width = tuple(width)
        if len(width) < 2 or (width[0], width[-1]) != (inputs, outputs):
            raise InputError(f"width must begin with {inputs} and end with {outputs} like the data, got {width}")
    # Samples that are held out, unless the caller has some.
    if problem.validation is None:
        if len(data) < 20:
            raise InputError(f"problem must have at least 20 samples, got {len(data)}")
        problem = Regression(data.x, data.y, weight=data.weight, validation=SETTINGS.held_out_share, seed=seed)
    return problem


class _Refinement:
    """Halving of the grids of a chosen start while the held-out error falls; the methods stand in order of use."""

    def __init__(self, problem: Regression, work: Budget, plan: StartPlan, knots: str):
        self.problem = problem
        self.work = work
        self.knots = knots
        self.scale = float(problem.train.y.square().mean())
        # Points where the model will be evaluated, to find the range of the hidden nodes: the samples, and points of
        # the given domain, with its corners where they are few.
        self.points: Tensor | None = None
        if plan.domain is not None:
            x = problem.train.x
            inputs = x.shape[1]
            ends = torch.as_tensor(plan.domain, dtype=x.dtype, device=x.device).expand(inputs, 2)
            share = torch.rand(SETTINGS.cover, inputs, generator=seeded_generator(plan.seed), dtype=torch.float64).to(x)
            if inputs <= 10:
                corners = torch.cartesian_prod(*[share.new_tensor([0.0, 1.0])] * inputs).reshape(-1, inputs)
                share = torch.cat([share, corners])
            self.points = ends[:, 0] * (1 - share) + ends[:, 1] * share

    def run(self, start: Start, sentences: list[str], keep_interrupted: bool) -> ApproximateResult:
        """Refine until an end is reached; `sentences` are the reasons so far."""
        best = start
        last = start
        phases = [self._phase(start)]
        end: tuple[StopReason, str] | None = None
        with self.work.ends(keep_interrupted=keep_interrupted):
            while (end := self._end(best, last, phases)) is None:
                last = self._train_on_half_grid(last)
                phases.append(self._phase(last))
                if last.loss < best.loss:
                    best = last
        if end is None:
            reason = self.work.ended_by
            assert reason is not None
            words = f"{reason.sentence[:-1]};"
            if self.work.is_interrupted:
                words = "Interrupted;"
            end = reason, f"{words} the model is the best so far."
            best = replace(best, report=replace(best.last_report, stopped=end[0], message=end[1]))
        stopped, sentence = end
        sentences = [*sentences, sentence]
        return ApproximateResult(best.model, best.last_report, tuple(phases), tuple(sentences), stopped, self.work.work)

    def _phase(self, start: Start) -> Phase:
        grids = start.model.config.grid_size
        parameters = _parameter_count(start.model)
        return Phase(grids, parameters, start.last_report.loss, start.loss, self.work.seconds)

    def _end(self, best: Start, last: Start, phases: list[Phase]) -> tuple[StopReason, str] | None:
        """Return the reason why the last grids should not be halved once more, with a sentence, or None."""
        if last.last_report.stopped == StopReason.NONFINITE:
            return StopReason.NONFINITE, last.last_report.message
        if best.loss <= self.scale * SETTINGS.rounding_error**2:
            return StopReason.CONVERGED, "The held-out error is at rounding."
        if len(phases) > 1:
            gain = math.sqrt(phases[-2].validation_loss / max(phases[-1].validation_loss, ABOVE_ZERO))
            if gain < SETTINGS.least_halving_gain and best.loss < self.scale * SETTINGS.unresolved**2:
                sentence = f"The last halving of the grids divided the held-out error by {number_text(gain, 2)} only."
                return StopReason.CONVERGED, sentence
            if phases[-1].parameters <= phases[-2].parameters:
                return StopReason.CONVERGED, "Halved grids that hold all activations are no finer than before."
        return self._limit_of_size(last.model)

    def _train_on_half_grid(self, start: Start) -> Start:
        finer = replace(start, model=half_grids(start.model))
        tolerance = SETTINGS.passing_tolerance
        if self._limit_of_size(finer.model) is not None:
            tolerance = SETTINGS.last_tolerance
        # Knots of equal error follow the function that they have made better.
        gradings = 1
        if self.knots == "error":
            gradings = SETTINGS.gradings
        trained = []
        for _ in range(gradings):
            model = self._moved(finer)
            self.work.keep_best(start.loss)
            self.work.report(f"grid {model.config.grid_size[0]}", loss=start.loss)
            finer = replace(finer, model=model)
            steps = SETTINGS.fine_steps
            finer = train_start(finer, self.problem, self.work, steps=steps, tolerance=tolerance, is_continued=True)
            trained.append(finer)
        return min(trained, key=lambda each: each.loss)

    def _moved(self, start: Start) -> KAN:
        """The model of a start with hidden grids that hold all activations, or with knots of equal error."""
        model = start.model
        x = self.problem.train.x
        if self.knots == "error":
            moved = copy.deepcopy(model)
            adapt_domain_(moved, x, margin=SETTINGS.graded_margin, knots="error", cover=self.points)
            return moved
        # The model stays as it was if the polynomials that continue it beyond the samples would change its values by
        # more than a tail can be wrong: they belong to a model that fits badly.
        enclosed, _ = enclose(model, x, self.points)
        evaluated = x
        if self.points is not None:
            evaluated = torch.cat([x, self.points])
        with torch.no_grad():
            change = float((enclosed(evaluated) - model(evaluated)).abs().max())
        limit = max(SETTINGS.largest_tail_change * math.sqrt(self.scale), 3 * math.sqrt(start.loss))
        if change <= limit:
            return enclosed
        return model

    def _limit_of_size(self, model: KAN) -> tuple[StopReason, str] | None:
        """Return the reason why samples, budget or time do not allow grids of half the width, or None."""
        finer = half_grids(model)
        parameters = _parameter_count(finer)
        residuals = self.problem.train.y.numel()
        if SETTINGS.residuals_each[self.knots] * parameters > residuals:
            return StopReason.CONVERGED, (
                f"Halving once more would take {parameters} parameters for {residuals} residuals: with fewer than "
                f"{SETTINGS.residuals_each[self.knots]} for each a model begins to interpolate its samples."
            )
        functions = finer.config.grid_size[0] + finer.config.degree
        values = most_values(self.problem)
        if functions > values:
            return StopReason.CONVERGED, (
                f"Halving once more would take {functions} basis functions for inputs of at most {values} different "
                "values."
            )
        if self.work.work + SETTINGS.fine_steps / 2 * step_work(self.problem, finer) > self.work.limit:
            return StopReason.BUDGET, f"The budget of work ends the refinement before {parameters} parameters."
        if self.work.past_deadline:
            limit = f"The {self.work.limit_words}"
            return StopReason.TIME_LIMIT, f"{limit} ends the refinement before {parameters} parameters."
        return None


def _parameter_count(model: KAN) -> int:
    return sum(p.numel() for p in model.parameters())
