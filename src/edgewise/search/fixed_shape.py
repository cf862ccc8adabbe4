"""Networks whose shape, grid or regularisation the user has fixed: training, and the choice of what was left open."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from edgewise.nn.layers.initial import seed_of_start
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget, Progress, StopReason
from edgewise.search.policy import SearchSettings
from edgewise.search.records import SearchReport, Trial
from edgewise.search.validation import Fold, clipped_squares, folds, mean_and_error, paired_gain
from edgewise.settings import TABLE_BUDGET_WORK
from edgewise.train.cost import TABLE_COST
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import Callback, FitReport
from edgewise.train.methods.base import Method
from edgewise.train.methods.choice import SEARCH_LIMITS, method_for
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import Penalty, Ridge, Roughness
from edgewise.train.problems import Problem


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
    fewer_parts: int = 3  # parts of cross-validation: networks take longer than additive models


SETTINGS = ShapeSettings()


@dataclass(frozen=True)
class FixedShape:
    """Shape, grid and regularisation of a KAN."""

    hidden: tuple[int, ...] = ()  # nodes of the hidden layers; () for an additive model
    grid_size: int = SETTINGS.first_grid  # knot intervals of every edge
    strength: float = SETTINGS.first_strength  # strength of the regularisation, relative to a loss of order 1
    degree: int = 3  # polynomial degree of the splines

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


Keep = Callable[[TrainedShape], None]
"""Receives the best network so far of a training that Ctrl-C ends."""


def train_shape(
    problem: Problem,
    shape: FixedShape,
    *,
    outputs: int,
    seed: int,
    keep: Keep,
    warm: KAN | None = None,
    final: bool = False,
    budget: Budget | None = None,
) -> TrainedShape:
    """Train a network of a given shape with so many outputs, on one grid after another; see `_trained` for `keep`."""
    # The training data of the problem are tensors. Training continues from a copy of `warm`, a model of the same shape
    # whose grid size divides that of `shape`, and makes more steps for a `final` model. When the time limit is
    # reached no further step is made: finer grids then keep the function.
    x = problem.train.x
    sizes = shape.grids() if warm is None else (shape.grid_size,)
    if warm is None:
        width = shape.width(x.shape[1], outputs)
        model = KAN(width, sizes[0], shape.degree, seed=seed, dtype=x.dtype)
    else:  # a network with hidden grids of other sizes keeps them
        same = warm.config.grid_size[0] == shape.grid_size
        model = refine(warm, warm.config.grid_size if same else shape.grid_size)
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
            first, then = (12, 20) if newton else (50, 80)
            tolerance = SETTINGS.trial_tolerance
        # A final model that is trained further has its hidden domains in place; moving them costs accuracy.
        moves = bool(shape.hidden) and not (warm is not None and final)
        phases = [(first, SETTINGS.first_tolerance)] * moves + [(then, tolerance)]
        for number, (steps, end) in enumerate(phases):
            if trained is not None and budget is not None and budget.is_over:
                trained = trained._replace(model=model, shape=stage)
                break
            callbacks = () if budget is None else [_listener(budget, is_whole=warm is not None and final)]
            trained = _trained(model, problem, stage, method, steps, end, callbacks, keep)
            if trained.report.stopped == StopReason.NONFINITE:
                return trained
            if number < len(phases) - 1:
                adapt_domain_(model, x, hidden_only=True)
    assert trained is not None  # there is at least one grid
    return trained


def trained_further(
    problem: Problem, sample: Problem, best: TrainedShape, share: float, budget: Budget, keep: Keep
) -> TrainedShape:
    """Train the network of a sample on all samples, which a DataLoader brings in every step.

    A strength that was chosen weighs a prior against the samples: its share of the mean loss falls with their number.
    `share` is the factor of the strength: samples of the sample for each one of all; 1 where the strength was given.
    """
    shape = replace(best.shape, strength=best.shape.strength * share)
    model = best.model
    parameters = sum(p.numel() for p in model.parameters())
    method, _ = method_for(sample, parameters, is_linear=not shape.hidden, limits=SEARCH_LIMITS)
    steps = SETTINGS.final_phase[isinstance(method, LevenbergMarquardt)]
    listener = _listener(budget, is_whole=True)
    return _trained(model, problem, shape, method, steps, SETTINGS.final_tolerance, [listener], keep)


def _listener(budget: Budget, *, is_whole: bool) -> Callable[[Progress], bool]:
    """A callback of a fit that reports its loss, and its share where the fit is all the work, and ends it in time."""

    def report(event: Progress) -> bool:
        budget.report(share=event.share if is_whole else None, loss=event.loss)
        return budget.is_over

    return report


def _trained(
    model: KAN,
    problem: Problem,
    shape: FixedShape,
    method: Method,
    steps: int,
    tolerance: float,
    callbacks: Sequence[Callback],
    keep: Keep,
) -> TrainedShape:
    """Train a network of a shape; the only callback that ends a fit is that of the budget.

    After Ctrl-C `keep` receives the best network so far, before KeyboardInterrupt is raised.
    """
    report = fit(
        model,
        problem,
        method,
        steps=steps,
        tolerance=tolerance,
        penalty=shape.penalty(),
        on_interrupt="keep",
        callbacks=callbacks,
    )
    if report.stopped == StopReason.CALLBACK:
        report = replace(report, stopped=StopReason.TIME_LIMIT, message=StopReason.TIME_LIMIT.sentence)
    trained = TrainedShape(model, report, shape)
    if report.stopped == StopReason.INTERRUPTED:
        keep(trained)
        raise KeyboardInterrupt
    return trained


class ShapeSearch:
    """The choice of what a user has left open of a fixed shape: the strength by factors of ten, the grid by doublings.

    Shapes: blocks (N,).
    """

    def __init__(
        self, problem: Problem, settings: SearchSettings, budget: Budget, blocks: np.ndarray | None = None
    ) -> None:
        self.problem = problem
        self.settings = settings
        self.budget = budget
        self.start = FixedShape(
            settings.hidden or (),
            SETTINGS.first_grid if settings.grid_size is None else settings.grid_size,
            SETTINGS.first_strength if settings.strength is None else settings.strength,
        )
        labels = problem.train.y.numpy() if settings.family.is_classes else None
        rows = len(problem.train)
        parts = folds(rows, settings.seed, labels=labels, blocks=blocks, parts=SETTINGS.fewer_parts)
        self.folds: list[Fold] = parts[:1] if rows > settings.policy.search_rows // 4 else parts
        self.trials: dict[FixedShape, Trial] = {}
        self.losses: dict[FixedShape, np.ndarray] = {}
        self.models: dict[FixedShape, list[KAN]] = {}
        self.sentences: list[str] = []
        self.stopped = StopReason.CONVERGED
        self.kept: TrainedShape | None = None  # what remains after Ctrl-C
        data = problem.train
        self.weight = np.ones(rows) if data.weight is None else data.weight.numpy()

    def keep(self, trained: TrainedShape) -> None:
        """Keep a network whose training was cut short, unless there is a whole one."""
        self.kept = self.kept or trained

    def run(self) -> TrainedShape:
        """Search, then train on all rows."""
        settings = self.settings
        best = self.start
        if settings.grid_size is not None and settings.strength is not None and settings.hidden is not None:
            self.sentences.append("Shape, grid and regularisation were given.")
        elif self.folds:
            self._try(best)
            if settings.strength is None:
                best = self._walk_strength(best)
            if settings.hidden is None:
                best = self._widen(best)
            if settings.grid_size is None:
                best = self._refine(best)
            if self.budget.is_over:
                self.stopped = StopReason.TIME_LIMIT
                self.sentences.append(f"The search stopped because of the {self.budget.limit_words}.")
            self.sentences.append(f"Chosen of {len(self.trials)} settings: {best.describe()}.")
        return self._final(best)

    def report(self, chosen: FixedShape, stopped: StopReason) -> SearchReport:
        """Return the record of the search for a shape that it has chosen, or at which it was interrupted."""
        trials = tuple(replace(trial, taken=shape == chosen) for shape, trial in self.trials.items())
        sentences = tuple(self.sentences)
        parts = len(self.folds) if trials else 0
        return SearchReport(chosen.describe(), trials, sentences, parts, self.budget.work, stopped, self.budget.seconds)

    def _walk_strength(self, start: FixedShape) -> FixedShape:
        """Lower the strength, or else raise it, by factors of ten while the held-out loss falls."""
        best = start
        policy = self.settings.policy
        for factor in (0.1, 10.0):
            while not self.budget.is_over:
                strength = float(f"{best.strength * factor:.0e}")
                if not policy.weakest <= strength <= policy.strongest:
                    break
                candidate = replace(best, strength=strength)
                if candidate in self.trials or self._try(candidate, warm=best).loss >= self.trials[best].loss:
                    break
                best = candidate
        return best

    def _widen(self, best: FixedShape) -> FixedShape:
        """Try larger and larger hidden layers while they lower the held-out loss by more than its standard error."""
        for size in SETTINGS.hidden_sizes:
            wider = replace(best, hidden=(size,))
            if self.budget.is_over:
                break
            self._try(wider)
            if not self._is_better(wider, best):
                break
            if self.settings.strength is not None:
                best = wider
            else:
                best = self._walk_strength(wider)
        return best

    def _refine(self, best: FixedShape) -> FixedShape:
        """Double the grid, an exact refinement, while the held-out loss falls by more than its standard error."""
        rows, inputs = self.problem.train.x.shape
        most = rows * self.settings.outputs
        while not self.budget.is_over and 2 * best.parameters(inputs, self.settings.outputs) <= most:
            finer = replace(best, grid_size=2 * best.grid_size)
            self._try(finer, warm=best)
            if not self._is_better(finer, best):
                break
            best = finer
        return best

    def _is_better(self, shape: FixedShape, best: FixedShape) -> bool:
        gain, error = paired_gain(self.losses[best], self.losses[shape], self.weight)
        return gain > self.settings.policy.margin * error

    def _try(self, shape: FixedShape, *, warm: FixedShape | None = None) -> Trial:
        """Train a shape on every fold and score it on the held-out part."""
        self.budget.stage = shape.describe()
        began = self.budget.seconds
        work = self.budget.work
        losses = np.full(len(self.problem.train), np.nan)
        models = []
        for number, fold in enumerate(self.folds):
            part = self.problem.subset(torch.from_numpy(fold.train))
            trained = train_shape(
                part,
                shape,
                outputs=self.settings.outputs,
                seed=self.settings.seed,
                keep=self.keep,
                warm=None if warm is None else self.models[warm][number],
                budget=self.budget,
            )
            self.budget.work += work_of(part, trained)
            losses[fold.held] = self._losses(trained.model, fold.held)
            models.append(trained.model)
        seen = np.isfinite(losses)
        mean, error = mean_and_error(losses[seen], self.weight[seen]) if seen.any() else (math.inf, math.inf)
        parameters = sum(p.numel() for p in models[0].parameters())
        trial = Trial(
            shape.describe(),
            mean,
            error,
            parameters,
            len(self.folds),
            self.budget.seconds - began,
            self.budget.work - work,
        )
        self.trials[shape], self.losses[shape], self.models[shape] = trial, losses, models
        return trial

    def _losses(self, model: KAN, rows: np.ndarray) -> np.ndarray:
        data = self.problem.train.select(torch.from_numpy(rows))
        with torch.no_grad():
            output = model(data.x)
            if self.settings.family.is_classes:
                return self.problem.prediction_losses(output, data).numpy()
            return clipped_squares(output.numpy(), data.y.numpy())

    def _final(self, shape: FixedShape) -> TrainedShape:
        """Train on all rows, from several starts if there are hidden layers and time."""
        best: TrainedShape | None = None
        lowest = math.inf
        self.budget.stage = f"final fit: {shape.describe()}"
        for start in range(self.settings.policy.final_starts if shape.hidden else 1):
            if best is not None and self.budget.is_over:
                break
            seed = seed_of_start(self.settings.seed, start)
            trained = train_shape(
                self.problem,
                shape,
                outputs=self.settings.outputs,
                seed=seed,
                keep=self.keep,
                final=True,
                budget=self.budget,
            )
            self.budget.work += work_of(self.problem, trained)
            if trained.report.history:
                record = trained.report.history[-1]
            else:
                record = None
            if record is None:
                score = math.inf
            else:
                score = record.loss + record.penalty
            if best is None or score < lowest:
                best = self.kept = trained
                lowest = score
            if self.budget.work > TABLE_BUDGET_WORK / 4:  # larger tables get one start
                break
        assert best is not None
        return best

    def held_out(self, shape: FixedShape) -> tuple[np.ndarray, np.ndarray] | None:
        """Return positions of held-out rows, and the outputs (k, outputs) of the folds' networks for them."""
        if shape not in self.models:
            return None
        rows = []
        outputs = []
        with torch.no_grad():
            for model, fold in zip(self.models[shape], self.folds, strict=True):
                rows.append(fold.held)
                outputs.append(model(self.problem.train.x[torch.from_numpy(fold.held)]).numpy())
        return np.concatenate(rows), np.concatenate(outputs)


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
