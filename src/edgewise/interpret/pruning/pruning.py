"""A smaller network that does the same: edges and nodes go as long as the loss on validation data allows."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.interpret.attribution.removal import judging_data, removal_costs
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.interpret.transform.subnetworks import (
    Kept,
    connected_edges,
    has_path,
    live_edges,
    product_groups,
    spline_layers,
    with_inputs,
    without_dead_nodes,
    without_edges,
)
from edgewise.model_selection.candidates import method_for
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.model import KAN
from edgewise.nn.trace import Trace
from edgewise.train.loop.fitting import fit
from edgewise.train.penalties import Penalty
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression

ROUNDS = 20  # passes over inputs, nodes and edges; each but the last takes something out
TRIES = 4  # edges that are tried one by one after the weakest could not go: attribution may rank them wrongly


@dataclass(frozen=True)
class Removal:
    """What went in one step.

    kind: "inputs", "nodes" or "edges". where: (layer, in, out) of edges, (layer, node) of hidden nodes and of inputs
    (layer 0), as numbered in the model that was given; layers of products don't count, the `out` of an edge into one is
    a factor. why: a sentence. score: attribution of the strongest. loss_before, loss_after: on the judging data.
    """

    kind: str
    where: tuple[tuple[int, ...], ...]
    why: str
    score: float
    loss_before: float
    loss_after: float


@dataclass(frozen=True)
class PruneReport:
    """What was removed, why, and what it cost.

    removals: in order. kept_inputs: columns of x that the pruned model depends on.
    loss_given, loss: of the model as it came and as it is, on the judging data; allowed: the loss that was not to be
    exceeded. judged_on: "validation" or "training" data.
    edges, nodes, parameters: (before, after); nodes are hidden ones.
    """

    removals: tuple[Removal, ...]
    kept_inputs: tuple[int, ...]
    loss_given: float
    loss: float
    allowed: float
    judged_on: str
    edges: tuple[int, int]
    nodes: tuple[int, int]
    parameters: tuple[int, int]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report in words."""
        counts = (("edges", self.edges), ("hidden nodes", self.nodes), ("parameters", self.parameters))
        shrunk = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in counts)
        kept = ", ".join(map(str, self.kept_inputs))
        return (
            f"Pruned: {shrunk}; inputs in use: {kept}.",
            f"Loss on the {self.judged_on} data: {self.loss_given:.3g} -> {self.loss:.3g}, allowed {self.allowed:.3g}.",
            *(removal.why for removal in self.removals),
        )


def prune(
    model: KAN,
    problem: Problem,
    *,
    tolerance: float = 0.05,
    precision: float = 1e-3,
    refit: int = 20,
    penalty: Penalty | None = None,
    drop_inputs: bool = False,
    report: bool = False,
) -> KAN | tuple[KAN, PruneReport]:
    """A smaller new model whose loss on the validation data is about that of the old one.

    First goes what has no effect. Then inputs, hidden nodes and edges are tried, the weakest by attribution
    (`edge_scores`) first, many at once as long as that works, and after them the edges that cost least
    (`removal_costs`). What is tried is refitted shortly and stays out only if the loss on the validation data (on the
    training data if there are none) is at most

        max((1 + tolerance) * L + standard error of the difference to L,  precision^2 * variance of the target),

    with L the loss of the full model after the same refit. What goes leaves its mean behind, so a constant edge goes
    without any change. Every layer keeps at least one edge.

    Args:
        model: left unchanged.
        problem: `Regression`, `Classification` or `OrdinalClassification` of tensors; left unchanged, so thresholds
            between ordered classes stay, and fit the new model as they fit the old one.
        tolerance: relative rise of the loss that is taken for fewer edges.
        precision: an error of that share of the target's standard deviation counts as none (in a classification: a
            loss of precision^2 nats).
        refit: most training steps after each removal; 0 trains nothing.
        penalty: of the refits.
        drop_inputs: the new model takes only the columns `kept_inputs` of x; else all, and unused ones are masked.
        report: also return a `PruneReport`.

    Raises:
        InputError: an argument is not as above.
    """
    _check(model, tolerance, precision, refit)
    if not isinstance(problem, Problem) or problem.train_loader is not None:
        kinds = "a Regression, Classification or OrdinalClassification"
        raise InputError(f"problem must be {kinds} of tensors, got {type(problem).__name__}")
    if isinstance(problem, OrdinalClassification):
        problem = problem.with_fixed_thresholds()  # a trial that fails must not move them
    run = _Pruning(model, problem, tolerance, precision, refit, penalty)
    run.run()
    pruned = run.model if drop_inputs else with_inputs(run.model, run.kept.nodes[0], model.layers[0])
    return (pruned, run.report()) if report else pruned


class _Pruning:
    """One pruning at work. `model` is what is left, without dead nodes; `kept` its nodes, as numbered in the given
    model; `problem` has only its columns."""

    def __init__(self, given: KAN, problem: Problem, tolerance: float, precision: float, refit: int, penalty):
        self.given, self.tolerance, self.refit, self.penalty = given, tolerance, refit, penalty
        self.judged_on = "training" if problem.validation is None else "validation"
        self.problem, self.model = problem, copy.deepcopy(given)
        self.kept = Kept(
            tuple(torch.arange(width) for width in given.config.width),
            tuple(torch.arange(layer.out_features) for layer in spline_layers(given)),
        )
        self.removals: list[Removal] = []
        before = self._losses(given, problem)
        self.loss_given = self.loss = float(before.mean())
        self.floor = _floor(problem, judging_data(problem), precision)
        self._remove_effectless()
        full = self._losses(self._refitted(copy.deepcopy(self.model), self.problem), self.problem)
        self.reference = min(before, full, key=lambda losses: float(losses.mean()))

    def run(self) -> None:
        for _ in range(ROUNDS):
            if not any([self._fewer_inputs(), self._fewer_nodes(), self._fewer_edges()]):
                break

    def report(self) -> PruneReport:
        old, live = live_edges(self.given), live_edges(self.model)
        edges = (_count(old), _count(live))
        nodes = (sum(self.given.config.width[1:-1]), sum(self.model.config.width[1:-1]))
        parameters = tuple(sum(p.numel() for p in model.parameters()) for model in (self.given, self.model))
        return PruneReport(
            tuple(self.removals),
            tuple(self.kept.nodes[0].tolist()),
            self.loss_given,
            self.loss,
            self._allowed(self._losses(self.model, self.problem)),
            self.judged_on,
            edges,
            nodes,
            parameters,
        )

    def _remove_effectless(self) -> None:
        """Takes out the edges that are constant on the training data, or on no way to an output."""
        x = self.problem.train.x
        live, groups = live_edges(self.given), product_groups(self.given)
        keep = connected_edges(
            [mask & varies for mask, varies in zip(live, _varying(self.given, x), strict=True)], groups
        )
        if not has_path(keep, groups):
            keep = live  # the whole network is a constant: its edges say which
        masks = [layer.mask != 0 for layer in spline_layers(self.given)]
        gone = self._named(_places([mask & ~kept for mask, kept in zip(masks, keep, strict=True)]))
        if not gone:
            return
        self._take(*without_dead_nodes(without_edges(self.given, keep, x)))
        after = float(self._losses(self.model, self.problem).mean())
        count = f"{len(gone)} edges" if len(gone) > 1 else "An edge"
        why = f"{count} without effect: constant on the training data, or on no way to an output."
        self.removals.append(Removal("edges", gone, why, 0.0, self.loss, after))
        self.loss = after

    def _fewer_inputs(self) -> bool:
        """Takes out inputs, many at a time, the weakest first."""
        scores = self._node_scores()[0].tolist()
        order = sorted(range(len(scores)), key=lambda i: scores[i])
        return self._halving("input", [((0, int(self.kept.nodes[0][i])), scores[i]) for i in order])

    def _fewer_nodes(self) -> bool:
        """Takes out hidden nodes one by one, the weakest first."""
        changed = False
        named = [
            (float(score), (number, int(name)))
            for number, scores in enumerate(self._node_scores())
            for score, name in zip(scores, self.kept.nodes[number], strict=True)
            if number
        ]
        for score, name in sorted(named):
            changed |= self._try("node", (name,), score)
        return changed

    def _fewer_edges(self) -> bool:
        """Takes out edges: the weakest by attribution, many at a time, then single ones that cost least."""
        changed = self._halving("edge", self._ranked(edge_scores(self._trace())))
        scores = dict(self._ranked(edge_scores(self._trace())))
        for name, _ in self._ranked(removal_costs(self.model, self.problem).edges)[:TRIES]:
            changed |= self._try("edge", (name,), scores[name])
        return changed

    def _trace(self) -> Trace:
        with torch.no_grad():
            return self.model.trace(self.problem.train.x)

    def _node_scores(self) -> list[Tensor]:
        """Of what enters each layer of edges, inputs first."""
        scores = zip(node_scores(self._trace())[:-1], self.model.layers, strict=True)
        return [score for score, layer in scores if not isinstance(layer, ProductLayer)]

    def _ranked(self, values: tuple[Tensor, ...]) -> list[tuple[tuple[int, int, int], float]]:
        """The live edges, as numbered in the given model, with their values, smallest first."""
        values = [v for v, layer in zip(values, self.model.layers, strict=True) if not isinstance(layer, ProductLayer)]
        places = _places(live_edges(self.model))
        found = [(name, float(values[k][i, o])) for name, (k, i, o) in zip(self._named(places), places, strict=True)]
        return sorted(found, key=lambda pair: pair[::-1])

    def _named(self, places: list[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
        """Edges of `model` as numbered in the given one."""
        return tuple((k, int(self.kept.nodes[k][i]), int(self.kept.sums[k][o])) for k, i, o in places)

    def _halving(self, kind: str, order: list[tuple[tuple, float]]) -> bool:
        """Tries the weaker half of `order`, (name, score) each; what works is out, what doesn't is halved, until a
        single one fails."""
        changed, count = False, max(1, len(order) // 2)
        while order and count:
            group, scores = zip(*order[:count], strict=True)
            if self._try(kind, group, max(scores)):
                changed, order = True, order[count:]
                count = max(1, len(order) // 2)
            else:
                count //= 2
        return changed

    def _try(self, kind: str, names: tuple[tuple[int, ...], ...], score: float) -> bool:
        """Takes things out, refits, and stays with the result if its loss is allowed."""
        keep, live, groups = self._without(names), live_edges(self.model), product_groups(self.model)
        if not has_path(keep, groups) or all(torch.equal(a, b) for a, b in zip(keep, live, strict=True)):
            return False
        candidate = without_edges(self.model, keep, self.problem.train.x)
        if not has_path(live_edges(candidate), product_groups(candidate)):
            return False
        candidate, kept = without_dead_nodes(candidate)
        problem = columns_of(self.problem, kept.nodes[0])
        losses = self._losses(self._refitted(candidate, problem), problem)
        after = float(losses.mean())
        if not after <= self._allowed(losses):
            return False
        shown = ", ".join(str(name[1] if kind == "input" else name) for name in names[:6])
        shown += f" and {len(names) - 6} more" if len(names) > 6 else ""
        what = f"{kind.capitalize()}{'s' * (len(names) > 1)} {shown}"
        why = f"{what}: score at most {score:.2g}, loss {self.loss:.3g} -> {after:.3g}."
        self.removals.append(Removal(f"{kind}s", names, why, score, self.loss, after))
        self._take(candidate, kept)
        self.loss = after
        return True

    def _without(self, names: tuple[tuple[int, ...], ...]) -> list[Tensor]:
        """The live edges of `model` but those that are, or start in, what is named."""
        masks = [mask.clone() for mask in live_edges(self.model)]
        for layer, *ends in names:
            rows = self.kept.nodes[layer] == ends[0]
            columns = slice(None) if len(ends) == 1 else self.kept.sums[layer] == ends[1]
            if bool(rows.any()):
                masks[layer][int(rows.nonzero()), columns] = False
        return masks

    def _take(self, model: KAN, kept: Kept) -> None:
        """Goes on with `model`; kept: its parts as numbered in the present one."""
        self.model, self.problem = model, columns_of(self.problem, kept.nodes[0])
        nodes = tuple(names[index] for names, index in zip(self.kept.nodes, kept.nodes, strict=True))
        sums = tuple(names[index] for names, index in zip(self.kept.sums, kept.sums, strict=True))
        self.kept = Kept(nodes, sums)

    def _allowed(self, losses: Tensor) -> float:
        difference = losses - self.reference
        error = float(difference.std() / len(difference) ** 0.5) if len(difference) > 1 else 0.0
        best = float(self.reference.mean())
        return max((1 + self.tolerance) * best + min(error, best), self.floor)

    def _refitted(self, model: KAN, problem: Problem) -> KAN:
        if self.refit:
            parameters = sum(p.numel() for p in model.parameters())
            method = method_for(problem, parameters, linear=len(model.layers) == 1)
            fit(model, problem, method, steps=self.refit, penalty=self.penalty, tolerance=1e-3, adapt_domain=False)
        return model

    def _losses(self, model: KAN, problem: Problem) -> Tensor:
        return problem.sample_losses(model, judging_data(problem))


def _check(model: KAN, tolerance: float, precision: float, refit: int) -> None:
    spline_layers(model)
    product_groups(model)
    for name, value in (("tolerance", tolerance), ("precision", precision)):
        if not (is_number(value) and value >= 0):
            raise InputError(f"{name} must be a number of at least 0, got {value!r}")
    check_count(refit, "refit", 0)


def _floor(problem: Problem, data: Data, precision: float) -> float:
    """The loss below which nothing is worth keeping: `precision`, and what rounding leaves of any prediction."""
    if not isinstance(problem, Regression):
        return precision**2
    size = float((data.y - data.y.mean(0)).square().mean())
    rounding = (8 * torch.finfo(data.y.dtype).eps) ** 2 * float(data.y.square().mean())
    return precision**2 * size + rounding


def columns_of(problem: Problem, columns: Tensor) -> Problem:
    """The problem with only these columns of x."""
    if len(columns) == problem.train.x.shape[1]:
        return problem
    return problem.with_inputs(columns)


def _places(masks: Sequence[Tensor]) -> list[tuple[int, int, int]]:
    return [(number, *edge) for number, mask in enumerate(masks) for edge in mask.nonzero().tolist()]


def _count(masks: Sequence[Tensor]) -> int:
    return sum(int(mask.sum()) for mask in masks)


@torch.no_grad()
def _varying(model: KAN, x: Tensor) -> list[Tensor]:
    """Which edges take more than one value on x, but for rounding; bool (in, out) per layer of edges."""
    found = []
    for layer in model.layers:
        if not isinstance(layer, ProductLayer):
            values = layer.edges(x)
            size = values.abs().amax(0)
            found.append((values - values[:1]).abs().amax(0) > 64 * torch.finfo(x.dtype).eps * size)
        x = layer(x)
    return found
