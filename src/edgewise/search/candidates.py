"""The candidates of a search: a constant, linear and additive models, pairs, means of models, and hidden nodes.

A network of a shape that the user has fixed is a candidate too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from edgewise.gam.building import design_of, straight_lines, with_curves, with_cuts, with_pairs
from edgewise.gam.constraints import Constraints
from edgewise.gam.design import Design, Pair
from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.irls import fit_irls, separate_fits, solve, with_logits
from edgewise.gam.model import AdditiveModel
from edgewise.gam.pairs import choose_pairs, with_finer_margins
from edgewise.gam.policy import AdditivePolicy, IrlsPolicy
from edgewise.gam.screening import screened
from edgewise.gam.solving import Solver
from edgewise.gam.steps import Cuts, find_cuts
from edgewise.nn.model import KAN, edge_layers
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import Progress, check_time
from edgewise.presentation import number_text
from edgewise.search.fixed_shape import FixedShape, Listener, TrainedShape, best_of_starts, train_shape
from edgewise.search.hidden_nodes import HiddenNodes, find_nodes, with_nodes
from edgewise.search.policy import SearchPolicy
from edgewise.search.polynomials.smooth import SmoothFit, fit_smooth
from edgewise.search.validation import Fold, folds
from edgewise.train.loop.threads import one_thread
from edgewise.train.problems import Classification, Problem, Regression


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of a table in numbers."""

    x: np.ndarray  # inputs
    y: np.ndarray  # numbers of order 1, or integers from 0
    # positive weights, which say how much a row counts; it is independent of the others whatever its weight, and where
    # noise is measured their sum is the number of rows
    weight: np.ndarray
    # what makes y proportional to the target in its own units, for a logarithm: (y + offset) is the target over its
    # scale
    offset: float = 0.0
    unit: float = 1.0  # this scale: (y + offset) * unit is the target
    # inputs that are the indicators of one category each, whose levels share one ridge
    groups: tuple[tuple[int, ...], ...] = ()
    blocks: np.ndarray | None = None  # rows of one number may depend on each other, so that they are held out together
    exposure: np.ndarray | None = None  # (N,), to which targets of a logarithmic link are proportional; None without

    def __len__(self) -> int:
        return len(self.x)

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())

    def select(self, rows: np.ndarray) -> Samples:
        """Return the samples at some positions."""
        blocks = self.blocks
        if blocks is not None:
            blocks = blocks[rows]
        exposure = self.exposure
        if exposure is not None:
            exposure = exposure[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], weight=self.weight[rows], blocks=blocks, exposure=exposure)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return inputs, targets and weights as tensors; the weights are None where they are equal."""
        x, y, weight = (torch.from_numpy(np.ascontiguousarray(part)) for part in (self.x, self.y, self.weight))
        if (weight == weight[0]).all():
            return x, y, None
        return x, y, weight

    def problem(self, family: Family) -> Problem:
        """Return the samples as a problem of training."""
        x, y, weight = self.tensors()
        if family.is_classes:
            return Classification(x, y, classes=max(family.predictors, 2), weight=weight)
        return Regression(x, y, weight=weight)

    def folds(self, family: Family, seed: int, parts: int, repeats: int) -> list[Fold]:
        """Return divisions of the rows; every class of a family of classes is spread over the folds."""
        labels = None
        if family.is_classes:
            labels = self.y
        return folds(len(self), seed, labels=labels, blocks=self.blocks, parts=parts, repeats=repeats)

    @property
    def targets(self) -> np.ndarray:
        """The targets, beside the logarithm of their exposure where there is one."""
        if self.exposure is None:
            return self.y
        return np.column_stack([self.y[:, 0], np.log(self.exposure)])

    def response(self, family: Family) -> np.ndarray:
        """Return the targets in the form that a family takes."""
        return family.response(self.targets, self.offset)


@dataclass(frozen=True)
class Candidate:
    """One kind of model."""

    family: Family  # loss and link
    additive: bool = True  # whether inputs are used at all; otherwise it is the best constant
    linear: bool = False  # whether each input has a straight line only; their slopes share one ridge
    factor: float = 1.0  # all strengths are those of restricted likelihood times this
    pairs: bool = False  # whether pairs of inputs may act together
    steps: bool = False  # whether curves and pairs may have steps, where `FitCache.cuts` says
    models: int = 1  # models whose mean is taken, each fitted to a part of the rows; 1 for a single one fitted to all
    nodes: int = 0  # hidden nodes
    smooth: bool = False  # whether a polynomial of all inputs, inside a link, takes the place of the additive model
    shape: FixedShape | None = None  # of a network that takes the place of the additive model; None without
    # the candidate from whose network the training of this one continues; None where it begins with initial weights
    before: Candidate | None = field(default=None, compare=False, repr=False)

    @property
    def base(self) -> Candidate:
        """The single additive model behind a mean, hidden nodes, a polynomial or a network."""
        return replace(self, models=1, nodes=0, smooth=False, shape=None)

    @property
    def has_sums(self) -> bool:
        """Whether sums over rows determine the model: it has columns, and no logits that are lines in one predictor."""
        return self.additive and self.shape is None and not self.smooth and self.family.logit_lines is None

    def describe(self) -> str:
        """Return the candidate in a few words."""
        # What the candidate is built of.
        if self.shape is not None:
            return self.shape.describe()
        if self.smooth:
            return "smooth function of all inputs"
        if not self.additive:
            return "constant"
        # Parts of an additive model.
        if self.linear:
            words = "linear"
        elif self.pairs:
            words = "additive with pairs"
        else:
            words = "additive"
        if self.steps and words == "additive":
            words += " with steps"
        elif self.steps:
            words += " and steps"
        # Link, hidden nodes, strength of the penalty, and the mean of several models.
        words += self.family.scale_words
        if self.nodes and self.pairs:
            words += f" and {self.nodes} hidden nodes"
        elif self.nodes:
            words += f" with {self.nodes} hidden nodes"
        if self.factor != 1:
            words += f", {number_text(self.factor)} times the penalty"
        if self.models > 1:
            words += f", mean of {self.models} models"
        return words


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted candidate."""

    candidate: Candidate
    # model of the inputs, followed by the values of the hidden nodes; the tensors of its pairs have a low rank
    model: AdditiveModel
    nodes: HiddenNodes | None
    smooth: SmoothFit | None = None  # a polynomial in place of the additive model
    network: TrainedShape | None = None  # a network in place of the additive model, which is then a constant

    @property
    def family(self) -> Family:
        """The family as adapted to the data."""
        return self.model.family

    @property
    def range(self) -> tuple[float, float]:
        """Range of the linear predictor at the fitted rows; an exponential stays within it."""
        return self.model.range

    def link(self, x: np.ndarray) -> np.ndarray:
        """Return the linear predictors (N, K) at rows (N, n)."""
        if self.network is not None:
            outputs = predict_in_batches(self.network.model, torch.from_numpy(np.ascontiguousarray(x))).numpy()
            if self.family.is_classes and self.family.predictors == 1:  # log odds of the second of two classes
                return outputs[:, 1:] - outputs[:, :1]
            return outputs
        if self.smooth is not None:
            return self.smooth.polynomial(np.clip(x, *self.limits.T))[:, None]
        if not self.candidate.additive:
            return np.tile(self.model.coef[:1], (len(x), 1))
        if self.nodes is None:
            return self.model.predict_link(x)
        x = np.clip(x, *self.limits.T)  # the nodes' values go on as straight lines, as in the network
        return self.model.design.link(self.model.coef, self.nodes.beside(x, self.limits))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the mean of the targets, (N, m), in the form of `Samples.response`."""
        eta = self.link(x)
        if self.family.is_least_squares:
            return eta
        mean = self.family.predicted(squeezed(eta), self.range)
        if mean.ndim == 1:
            return mean[:, None]
        return mean

    def to_kan(self) -> KAN:
        """Return the network that computes `link` for inputs within `limits`; logits of two classes as two outputs."""
        if self.network is not None:
            return self.network.model
        if self.smooth is not None:
            return self.smooth.to_kan()
        kan = self.model.to_kan()
        if self.nodes is None:
            return kan
        return with_nodes(kan, self.nodes)

    @property
    def limits(self) -> np.ndarray:
        """Interval to which each input is clipped, (n, 2); that of the constant beside a network, which clips none."""
        if self.smooth is not None:
            return self.smooth.polynomial.basis.limits
        limits = self.model.limits
        if self.nodes is None:
            return limits
        return limits[: self.nodes.coef.shape[0]]

    @property
    def coefficients(self) -> int:
        """Number of free coefficients: those that were estimated, are not zero, and do not follow from others."""
        # Predictors of which none follows from the others.
        free = len(self.model.fits)
        if self.family.is_classes:
            free = self.family.free_constants
        if self.network is not None:
            return free_coefficients(self.network.model, free)
        if self.smooth is not None:
            return len(self.smooth.polynomial.coef)
        coef = self.model.coef
        followers = self.model.design.followers
        if not self.candidate.additive:
            count = free  # the constants
        elif self.candidate.family.logit_lines is not None:  # the columns of one predictor, and constants
            used = np.any(coef, axis=1)
            used[0] = False
            count = int(used.sum()) - followers(used) + free
        elif self.family.is_classes:
            used = np.any(coef, axis=1)
            count = (int(used.sum()) - followers(used)) * free
        else:
            count = sum(int(used.sum()) - followers(used) for used in (coef != 0).T)
        if self.nodes is not None:
            count += self.nodes.coef.numel()
        return count


def free_coefficients(model: KAN, outputs: int) -> int:
    """Count the coefficients of a network that its values determine, of this many free outputs.

    B-splines add up to 1, so the curves that end in a node are known up to constants whose sum is zero.
    """
    layers = edge_layers(model)
    count = 0
    for layer in layers:
        starts, _, ends = layer.coef.shape
        each = sum(parameter.numel() for parameter in layer.parameters()) // ends - (starts - 1)
        if layer is layers[-1]:
            ends = outputs
        count += each * ends
    return count


class FitCache:
    """Fits of several candidates to the same rows; each starts from a simpler one that has been fitted before."""

    def __init__(
        self,
        samples: Samples,
        *,
        policy: SearchPolicy,
        design: Design | None = None,
        seed: int = 0,
        inputs: Sequence[int] | None = None,
        constraints: Constraints | None = None,
        whole: FitCache | None = None,
        spanning: Samples | None = None,
    ) -> None:
        # The design: given, or of these rows, with knots that are those of `spanning` where it is given.
        self.samples = samples
        self.policy = policy
        self.seed = seed
        self.inputs = inputs
        if design is None:
            rows = spanning or samples
            design = design_of(rows.x, rows.weight, policy.additive, samples.groups, constraints, is_bare=True)
            chosen = inputs if inputs is not None else range(samples.x.shape[1])
            design = with_curves(replace(design, rows=samples.total), chosen, samples.x, samples.weight)
        self.design = replace(design, rows=samples.total)
        # Straight lines are decided on all rows, also for caches of folds.
        self.whole = whole
        if whole is None:
            straight = straight_lines(design, samples.x, samples.weight)
        else:
            straight = whole.straight
        self.straight: Design = replace(straight, rows=samples.total)
        self.cuts: Cuts = {}  # values of inputs at which candidates with steps may have one
        self.listener: Listener | None = None  # hears the training of a network on all rows, and may end it
        self.sample: FitCache | None = None  # of a sample of these rows, whose choice of pairs holds for them
        self._solved: dict[Candidate, AdditiveModel] = {}
        self._networks: dict[Candidate, TrainedShape] = {}
        self._latest: tuple[Candidate, TrainedShape] | None = None  # in training, or trained last

    def fit(self, candidate: Candidate) -> Fitted:
        """Fit a candidate; a mean of models is fitted to the parts of a division of the rows."""
        if candidate.models > 1:
            return self.mean(candidate, self.parts(candidate.models, candidate.family))
        if candidate.shape is not None:
            return self._of_network(candidate, self.network(candidate))
        if not candidate.additive:
            return _fitted(candidate, self._constant(candidate))
        if candidate.smooth:
            return replace(_fitted(candidate, self.estimate(candidate.base)), smooth=self.smooth)
        samples = self.samples
        x = samples.x
        estimate = self.estimate(replace(candidate, nodes=0))
        nodes = None
        if candidate.nodes:
            nodes = self._nodes(estimate, candidate.nodes)
            if nodes is not None:
                x = nodes.beside(x, self.design.limits)
                estimate = self._with_nodes(estimate, candidate.family, x, candidate.steps)
        fitted = _fitted(candidate, estimate, nodes)
        return replace(fitted, model=with_logits(fitted.model, x, samples.y, samples.weight))

    def network(self, candidate: Candidate) -> TrainedShape:
        """Train the network of a candidate: briefly on a part of the rows, from several starts on all.

        OutOfTime where a part took too long; all rows have the network that the time allowed.
        """
        if candidate in self._networks:
            return self._networks[candidate]
        shape = candidate.shape
        assert shape is not None
        problem = self.samples.problem(candidate.family)
        if candidate.family.is_classes:
            outputs = max(candidate.family.predictors, 2)
        else:
            outputs = self.samples.y.shape[1]
        # All rows: several starts of many steps. A fold: a few steps, from the network of the grid before.
        if self.whole is None:
            starts = self.policy.final_starts
            threads: AbstractContextManager[object] = nullcontext()
            trainings = best_of_starts(
                problem, shape, outputs=outputs, seed=self.seed, starts=starts, listener=self.listener
            )
        else:
            warm = None
            if candidate.before is not None:
                warm = self.network(candidate.before).model
            threads = one_thread()  # as in threads of a search, so that the bits are those of any number of them
            trainings = train_shape(problem, shape, outputs=outputs, seed=self.seed, warm=warm, listener=_ends)
        with threads:
            for trained in trainings:
                self._latest = candidate, trained
        self._networks[candidate] = trained
        return trained

    def latest_network(self) -> Fitted | None:
        """Return the network that was trained last, as far as its training came; None before there is any."""
        if self._latest is None:
            return None
        return self._of_network(*self._latest)

    def _of_network(self, candidate: Candidate, trained: TrainedShape) -> Fitted:
        return replace(_fitted(candidate, self._constant(candidate.base)), network=trained)

    @cached_property
    def stepped(self) -> Design:
        """The design with steps at the cuts; parts of the rows have that of all, a sample decides for all rows."""
        if self.whole is not None:
            return replace(self.whole.stepped, rows=self.samples.total)
        cuts = self.cuts
        if self.sample is not None:
            cuts = self.sample.cuts
        return replace(with_cuts(self.design, cuts, self.samples.x, self.samples.weight), rows=self.samples.total)

    def find_cuts(self, candidate: Candidate) -> Cuts:
        """Set the values of inputs at which a step explains more than chance beside an additive candidate."""
        samples = self.samples
        solve = _solver(samples, candidate.family)
        self.cuts = find_cuts(self.estimate(candidate), samples.x, samples.weight, solve)
        return self.cuts

    @cached_property
    def smooth(self) -> SmoothFit | None:
        """A polynomial of all inputs; one of a part of the rows has the link and the products of that of all."""
        rows = self.samples
        like = None
        if self.whole is not None:
            like = self.whole.smooth
        return fit_smooth(rows.x, rows.y[:, 0], rows.weight, shift=rows.offset, unit=rows.unit, like=like)

    def estimate(self, candidate: Candidate) -> AdditiveModel:
        """Return what the solver gave for an additive candidate without hidden nodes."""
        if not candidate.additive:
            return self._constant(candidate)
        if candidate not in self._solved:
            self._solved[candidate] = self._estimated(candidate)
        return self._solved[candidate]

    def parts(self, count: int, family: Family) -> list[FitCache]:
        """Return the caches of `count` parts of the rows, each without a fold of a division."""
        size = round(1 / (1 - self.policy.bag_share))
        repeats = -(-count // size)
        divided = self.samples.folds(family, self.seed, size, repeats)
        return [self.part(fold.train) for fold in divided[:count]] or [self]

    def part(self, rows: np.ndarray) -> FitCache:
        """Return the cache of a part of the rows."""
        part = self.samples.select(rows)
        return FitCache(part, policy=self.policy, design=self.design, seed=self.seed, inputs=self.inputs, whole=self)

    def _estimated(self, candidate: Candidate) -> AdditiveModel:
        """Fit the linear or additive model, or the one with pairs; or fit it again with stronger penalties."""
        family = candidate.family
        samples = self.samples
        # Strengths times a factor: those of the fit with the nearest factor are held.
        if candidate.factor != 1:
            plain = replace(candidate, factor=1.0)
            self.estimate(plain)
            solved = [known for known in self._solved if replace(known, factor=1.0) == plain]
            near = min(solved, key=lambda known: abs(math.log(known.factor / candidate.factor)))
            is_part = self.whole is not None and family.predictors > 1
            return held(self._solved[near], samples, candidate.factor / near.factor, is_part=is_part)
        if self.whole is not None and family.predictors > 1 and len(samples) >= self.policy.held_rows:
            whole = self.whole.estimate(candidate)  # its strengths, with the coefficients of a constant for these rows
            start = np.atleast_1d(family.start(samples.response(family), samples.weight))
            before = replace(_of_constants(whole, start), design=replace(whole.design, rows=samples.total))
            return held(before, samples, 1.0, is_part=True)
        # Iterations for a part start from the estimate of all rows, which has nearly its strengths.
        of_all: AdditiveModel | None = None
        if self.whole is not None and family.predictors == 1 and not family.is_least_squares and not candidate.pairs:
            of_all = self.whole.estimate(candidate)
        if candidate.linear:
            return estimated(self.straight, samples, family, of_all)
        # Curves, with steps or without; then pairs, which a sample of the rows may have chosen.
        design = self.design
        if candidate.steps:
            design = self.stepped
        if not candidate.pairs:
            return estimated(design, samples, family, of_all)
        simple = self.estimate(replace(candidate, pairs=False))
        if self.sample is not None:
            known = self.sample.estimate(candidate)
            if not known.pairs:
                return simple
            design = with_pairs(design, known.pairs, samples.x, samples.weight, known.design.sizes)
            return finer(estimated(design, samples, family, simple), samples)
        # Parts take the margins of all rows, as they take its knots.
        sizes = None
        if self.whole is not None:
            sizes = self.whole.estimate(candidate).design.sizes
        return choose_pairs(simple, samples.x, samples.weight, _solver(samples, family), sizes)

    def _constant(self, candidate: Candidate) -> AdditiveModel:
        """The best constant: the design without any column but the first."""
        samples = self.samples
        family = candidate.family
        if family.is_least_squares:
            eta = (samples.weight @ samples.y / samples.total)[None]
        else:
            eta = np.atleast_2d(family.start(samples.response(family), samples.weight))
        if self.design.constraints is not None:
            eta = self.design.constraints.bounded(eta)
        has_curves = len(self.design.groups) > 1
        estimate = self.estimate(Candidate(family, linear=has_curves))
        return replace(_of_constants(estimate, eta[0]), range=(float(eta.min()), float(eta.max())))

    def mean(self, candidate: Candidate, parts: Sequence[FitCache]) -> Fitted:
        """Take the mean of models that are fitted to parts of the rows, in one space of columns: one model again."""
        # The design of the pairs of all parts.
        family = candidate.family
        single = replace(candidate, models=1)
        whole = self.estimate(single)
        chosen = [[p.inputs for p in part.estimate(single).design.pairs] for part in parts]
        union: list[Pair] = sorted({pair for pairs in chosen for pair in pairs})
        x = self.samples.x
        weight = self.samples.weight
        design = whole.design
        if union != [pair.inputs for pair in design.pairs]:
            design = with_pairs(design, union, x, weight, design.sizes)
            whole = estimated(design, self.samples, family, whole)
        # Sums of the coefficients and of the degrees of freedom of the parts.
        total = np.zeros_like(whole.coef)
        freedom = [np.zeros_like(fit.edf) for fit in whole.fits]
        for part, pairs in zip(parts, chosen, strict=True):
            before = part.estimate(single)
            own = before.design
            if pairs:  # once more, with columns that the union has
                own = with_pairs(design, pairs, x, weight, design.sizes)
                of_part = part.estimate(replace(single, factor=1.0))
                before = estimated(replace(own, rows=part.samples.total), part.samples, family, of_part)
                if single.factor != 1:
                    before = held(before, part.samples, single.factor)
            numbers = [[one.inputs for one in design.pairs].index(one.inputs) for one in own.pairs]
            total[np.r_[slice(own.mains), *map(design.columns_of_pair, numbers)]] += before.coef
            groups = [design.labels.index(label) for label in own.labels]
            for sum_of_parts, fit in zip(freedom, before.fits, strict=True):
                sum_of_parts[groups] += fit.edf
        # The mean of linear smoothers has the mean of their traces.
        mean = (total / len(parts)).T
        fits = tuple(
            replace(fit, coef=coef, edf=edf / len(parts))
            for fit, coef, edf in zip(whole.fits, mean, freedom, strict=True)
        )
        return _fitted(replace(candidate, models=len(parts)), replace(whole, fits=fits))

    def _nodes(self, estimate: AdditiveModel, count: int) -> HiddenNodes | None:
        """Nodes that follow the working residuals of a model, see `find_nodes`."""
        samples = self.samples
        knots = self.design.knots
        residual, weight = structure_residual(estimate, samples)
        x = np.clip(samples.x, *self.design.limits.T)
        return find_nodes(x, residual, weight, knots[:, 3:-3], count, policy=self.policy, seed=self.seed)

    def _with_nodes(self, estimate: AdditiveModel, family: Family, x: np.ndarray, steps: bool) -> AdditiveModel:
        """Fit curves of the nodes' values, the last columns of x, together with the curves and pairs of the inputs."""
        samples = self.samples
        design = design_of(x, samples.weight, self.design.policy, samples.groups, is_bare=self.inputs is not None)
        if self.inputs is not None:
            nodes_at = range(samples.x.shape[1], x.shape[1])
            design = with_curves(design, [*self.inputs, *nodes_at], x, samples.weight)
        if steps:
            cuts = {j: column.cuts for j, column in enumerate(self.stepped.inputs) if column.cuts}
            design = with_cuts(design, cuts, x, samples.weight)
        pairs = [part.inputs for part in estimate.design.pairs]
        if pairs:
            design = with_pairs(design, pairs, x, samples.weight, estimate.design.sizes)
        return estimated(design, replace(samples, x=x), family, estimate)


def _ends(event: Progress) -> bool:
    """Raise OutOfTime in the training of a part once its time is over."""
    check_time()
    return False


def promising_inputs(samples: Samples, family: Family, policy: AdditivePolicy) -> list[int] | None:
    """Return the inputs of a wide table that get a curve, see `additive.screening`; None where all do."""
    if samples.x.shape[1] <= policy.most_inputs:
        return None
    bare = design_of(samples.x, samples.weight, policy, samples.groups, is_bare=True)
    design, _ = screened(bare, samples.x, samples.weight, _solver(samples, family))
    return [j for j, curves in enumerate(design.curves) if curves.change.shape[1]]


def estimated(design: Design, samples: Samples, family: Family, before: AdditiveModel | None) -> AdditiveModel:
    """Estimate the coefficients and strengths of a design for a family."""
    y = samples.y
    if not family.is_least_squares:
        y = samples.response(family)
    return solve(design, samples.x, y, samples.weight, family, before)


def finer(estimate: AdditiveModel, samples: Samples) -> AdditiveModel:
    """Return an estimate whose pairs have the margins that these rows ask for."""
    return with_finer_margins(estimate, samples.x, samples.weight, _solver(samples, estimate.family))


def with_doubled_margins(estimate: AdditiveModel, samples: Samples, rows: float) -> AdditiveModel:
    """Return an estimate of a sample of `rows` rows whose pairs have margins of twice as many intervals.

    A sample may not see what finer margins are for; all rows do, and their strengths keep smooth what does not need
    them.
    """
    design = estimate.design
    sizes = {pair: (2 * first, 2 * second) for pair, (first, second) in design.sizes.items()}
    finer_design = with_pairs(design, list(sizes), samples.x, samples.weight, sizes)
    if len(finer_design.groups) - design.mains > design.policy.most_products(rows):
        return estimate
    return estimated(finer_design, samples, estimate.family, estimate)


def _solver(samples: Samples, family: Family) -> Solver:
    """Return `estimated` for these rows in the form that the choice of pairs and of inputs takes."""
    return lambda design, before: estimated(design, samples, family, before)


def held(before: AdditiveModel, samples: Samples, factor: float, *, is_part: bool = False) -> AdditiveModel:
    """Estimate the coefficients of a design whose strengths are those of an estimate times a factor.

    With `is_part` nothing but the coefficients is needed, as in a fold.
    """
    design = before.design
    family = before.family
    y = samples.response(family)
    policy = IrlsPolicy()
    if is_part:
        policy = policy.of_part()
    return fit_irls(design, samples.x, y, samples.weight, family, before, policy, factor)


def with_own_covariances(fitted: Fitted, samples: Samples) -> Fitted:
    """Return a fit to these rows in which each of several predictors has the covariance of its own information."""
    model = fitted.model
    x = samples.x
    if fitted.family.predictors < 2 or len(model.residual) != len(x) or fitted.network is not None:
        return fitted
    if fitted.nodes is not None:
        x = fitted.nodes.beside(x, fitted.limits)
    y = samples.response(fitted.family)
    return replace(fitted, model=separate_fits(model.design, x, y, samples.weight, model))


def _of_constants(estimate: AdditiveModel, constants: np.ndarray) -> AdditiveModel:
    """Return an estimate whose predictors are constants (K,), and all other coefficients zero."""
    fits = []
    for fit, constant in zip(estimate.fits, constants, strict=True):
        coef = np.zeros_like(fit.coef)
        coef[0] = constant
        fits.append(replace(fit, coef=coef))
    return replace(estimate, fits=tuple(fits))


def structure_residual(estimate: AdditiveModel, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals (N, K) in which structure is looked for, and their weights (N,)."""
    # They are the working residuals with the working weights. Several predictors have a weight each, and where a class
    # is certain the working residuals of another are huge; there it is the score, whose mean is zero under the model
    # whatever the direction [1], with the weights of the rows.
    # [1] D. Cox and D. Hinkley, "Theoretical Statistics" (1974), section 9.3, on score tests.
    family = estimate.family
    if not family.is_classes:
        return estimate.residual, estimate.weights.mean(1)
    eta = squeezed(estimate.design.link(estimate.coef, samples.x))
    return family.derivatives(samples.response(family), eta)[0].reshape(len(eta), -1), samples.weight


def _fitted(candidate: Candidate, estimate: AdditiveModel, nodes: HiddenNodes | None = None) -> Fitted:
    return Fitted(candidate, estimate.of_low_rank(), nodes)
