"""Networks whose shape, grid or regularisation the user has fixed: the shape and its training on rows of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from edgewise.nn.layers.initial import seed_of_start
from edgewise.nn.model import KAN
from edgewise.outcomes import Progress, StopReason
from edgewise.settings import TABLE_BUDGET_WORK
from edgewise.train.cost import TABLE_COST
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.base import Method
from edgewise.train.methods.choice import SEARCH_LIMITS, method_for
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import Penalty, Ridge, Roughness
from edgewise.train.problems import Problem

Listener = Callable[[Progress], bool]
"""A callback of a training, which ends it by returning True: the time is over."""


@dataclass(frozen=True)
class ShapeSettings:
    """Sizes and thresholds of networks of a given shape."""

    first_grid: int = 4  # knot intervals of the first grid of every edge: finer ones are reached by halving
    first_strength: float = 1e-4  # the strength that is tried first: the middle of those that tables need
    # Share of the strength that weighs the roughness; the ridge holds the parts of a function without curvature.
    # Measured on five real tables: shares from 0.01 to 1 gave the same scores within their errors.
    roughness_share: float = 0.1
    # Relative decrease of the loss over ten steps below which a phase ends: before the hidden domains move, in a
    # trial, and in the final fit; later phases need more digits.
    first_tolerance: float = 1e-4
    trial_tolerance: float = 1e-5
    final_tolerance: float = 1e-6
    # most of the last phase, by Levenberg-Marquardt or not: half are usual
    final_phase: Mapping[bool, int] = field(default_factory=lambda: {True: 60, False: 300})
    # of one layer, where a grid or a strength was given but no shape: a doubling
    hidden_sizes: tuple[int, ...] = (5, 10)
    # multiply-adds of a start, about, beyond which a network is trained from no further one
    start_work: float = TABLE_BUDGET_WORK / 16


SETTINGS = ShapeSettings()


@dataclass(frozen=True)
class FixedShape:
    """Shape, grid and regularisation of a KAN."""

    hidden: tuple[int, ...] = ()  # nodes of the hidden layers; () for an additive model
    grid_size: int = SETTINGS.first_grid  # knot intervals of every edge
    strength: float = SETTINGS.first_strength  # strength of the regularisation, relative to a loss of order 1
    degree: int = 3  # polynomial degree of the splines
    has_given_strength: bool = False  # whether the user gave the strength, and no rows chose it

    def width(self, inputs: int, outputs: int) -> tuple[int, ...]:
        """Nodes of every layer, inputs first."""
        return (inputs, *self.hidden, outputs)

    def parameters(self, inputs: int, outputs: int) -> int:
        """Number of trainable parameters of the model."""
        edges = sum(a * b for a, b in pairwise(self.width(inputs, outputs)))
        return edges * (self.grid_size + self.degree + 1)

    def penalty(self) -> Penalty:
        """Regularisation term: ridge and roughness."""
        # Finer grids have more coefficients for the same function, so the ridge of each coefficient is scaled down.
        per_coefficient = (SETTINGS.first_grid + self.degree) / (self.grid_size + self.degree)
        return Ridge(self.strength * per_coefficient) + Roughness(self.strength * SETTINGS.roughness_share)

    def grids(self) -> tuple[int, ...]:
        """Grid sizes to train on one after another, each twice the one before, up to `grid_size`."""
        sizes = [self.grid_size]
        while sizes[0] % 2 == 0 and sizes[0] > SETTINGS.first_grid:
            sizes.insert(0, sizes[0] // 2)
        return tuple(sizes)

    def describe(self) -> str:
        """Return the shape in words."""
        # Hidden layers, if there are any.
        shape = "additive"
        if self.hidden:
            if len(self.hidden) == 1:
                layers = "1 hidden layer"
            else:
                layers = f"{len(self.hidden)} hidden layers"
            if self.hidden == (1,):
                nodes = "1 node"
            else:
                nodes = f"{', '.join(map(str, self.hidden))} nodes"
            shape = f"{layers} of {nodes}"
        # Strength of the penalty.
        if self.strength:
            strength = f"regularisation {self.strength:.0e}"
        else:
            strength = "no penalty"
        return f"{shape}, grid {self.grid_size}, {strength}"


class TrainedShape(NamedTuple):
    """A trained network, the report of its last fit, and its shape."""

    model: KAN
    report: FitReport
    shape: FixedShape


def train_shape(
    problem: Problem,
    shape: FixedShape,
    *,
    outputs: int,
    seed: int,
    warm: KAN | None = None,
    final: bool = False,
    listener: Listener | None,
) -> Iterator[TrainedShape]:
    """Train a network of a given shape and number of outputs, on one grid after another; yield it after each phase."""
    # The training data of the problem are tensors. Training continues from a copy of `warm`, a model of the same shape
    # whose grid size divides that of `shape`, and makes more steps for a `final` model. When the listener has ended a
    # training no further step is made: finer grids then keep the function. The network is there before the first step
    # too, and after Ctrl-C has the best parameters so far.
    x = problem.train.x
    if warm is None:
        sizes = shape.grids()
        width = shape.width(x.shape[1], outputs)
        model = KAN(width, sizes[0], shape.degree, seed=seed, dtype=x.dtype)
    else:  # a network with hidden grids of other sizes keeps them
        sizes = (shape.grid_size,)
        grids: int | tuple[int, ...] = shape.grid_size
        if warm.config.grid_size[0] == shape.grid_size:
            grids = warm.config.grid_size
        model = refine(warm, grids)
    trained: TrainedShape | None = None
    for size in sizes:
        if size != model.config.grid_size[0]:
            model = refine(model, size)
        stage = replace(shape, grid_size=size)
        parameters = sum(p.numel() for p in model.parameters())
        method, _ = method_for(problem, parameters, is_linear=not shape.hidden, limits=SEARCH_LIMITS)
        # Steps before and after hidden domains move: a trial only has to rank shapes.
        newton = isinstance(method, LevenbergMarquardt)
        if final:
            first = 20 if newton else 80
            then = SETTINGS.final_phase[newton]
            tolerance = SETTINGS.final_tolerance
        else:
            first = 12 if newton else 50
            then = 20 if newton else 80
            tolerance = SETTINGS.trial_tolerance
        phases = [(first, SETTINGS.first_tolerance)] * bool(shape.hidden) + [(then, tolerance)]
        if trained is None:
            yield _trained(model, problem, stage, method, 0, tolerance, None)
        for number, (steps, end) in enumerate(phases):
            if trained is not None and trained.report.stopped == StopReason.TIME_LIMIT:
                trained = trained._replace(model=model, shape=stage)
                yield trained
                break
            trained = _trained(model, problem, stage, method, steps, end, listener)
            yield trained
            if trained.report.stopped == StopReason.NONFINITE:
                return
            if number < len(phases) - 1:
                adapt_domain_(model, x, hidden_only=True)


def best_of_starts(
    problem: Problem, shape: FixedShape, *, outputs: int, seed: int, starts: int, listener: Listener | None
) -> Iterator[TrainedShape]:
    """Train a network from at most `starts` initial weights; yield that of the lowest penalised loss so far.

    A network without hidden layers is linear in its coefficients and has one start, a large one too.
    """
    best: TrainedShape | None = None
    lowest = math.inf
    if not shape.hidden:
        starts = 1
    # One training from each start; the first start shows its progress.
    for start in range(starts):
        other = seed_of_start(seed, start)
        for trained in train_shape(problem, shape, outputs=outputs, seed=other, final=True, listener=listener):
            if best is None:
                yield trained
        # The penalised loss decides, without held-out rows.
        score = math.inf
        if trained.report.history:
            record = trained.report.history[-1]
            score = record.loss + record.penalty
        if best is None or score < lowest:
            best = trained
            lowest = score
        # The end: time is over, or further starts would cost too much.
        if trained.report.stopped == StopReason.TIME_LIMIT:
            best = best._replace(report=replace(best.report, stopped=trained.report.stopped))
        yield best
        if trained.report.stopped == StopReason.TIME_LIMIT or work_of(problem, trained) > SETTINGS.start_work:
            break


def trained_further(
    problem: Problem, sample: Problem, best: TrainedShape, share: float, listener: Listener
) -> TrainedShape:
    """Train the network of a sample, in place, on all samples, which a DataLoader brings in every step.

    A strength that was chosen weighs a prior against the samples: its share of the mean loss falls with their number.
    `share` is the factor of the strength: samples of the sample for each one of all; 1 where the strength was given.
    """
    shape = replace(best.shape, strength=best.shape.strength * share)
    model = best.model
    parameters = sum(p.numel() for p in model.parameters())
    method, _ = method_for(sample, parameters, is_linear=not shape.hidden, limits=SEARCH_LIMITS)
    steps = SETTINGS.final_phase[isinstance(method, LevenbergMarquardt)]
    return _trained(model, problem, shape, method, steps, SETTINGS.final_tolerance, listener)


def _trained(
    model: KAN,
    problem: Problem,
    shape: FixedShape,
    method: Method,
    steps: int,
    tolerance: float,
    listener: Listener | None,
) -> TrainedShape:
    """Train a network of a shape; the only callback that ends a fit is that of the time."""
    report = fit(
        model,
        problem,
        method,
        steps=steps,
        tolerance=tolerance,
        penalty=shape.penalty(),
        callbacks=() if listener is None else (listener,),
    )
    if report.stopped == StopReason.CALLBACK:
        report = replace(report, stopped=StopReason.TIME_LIMIT, message=StopReason.TIME_LIMIT.sentence)
    return TrainedShape(model, report, shape)


def work_of(problem: Problem, trained: TrainedShape) -> float:
    """Return the multiply-adds of the last phase of a training, about."""
    rows = len(problem.train)
    parameters = sum(p.numel() for p in trained.model.parameters())
    outputs = trained.model.config.width[-1]
    if trained.report.plan["method"]["name"] == LevenbergMarquardt.__name__:
        each = TABLE_COST.levenberg_marquardt(rows * outputs, parameters)
    else:
        each = TABLE_COST.gradient(rows, parameters, sum(trained.model.config.width[:-1]))
    return trained.report.steps * each
