"""Pruning: edges, hidden nodes and inputs are removed as long as the loss on the validation data allows it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.checks import check_count, check_number, typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.removal import judging_data, removal_costs
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.interpret.transform.subnetworks import (
    Kept,
    connected_edges,
    has_path,
    live_edges,
    product_groups,
    with_inputs,
    without_dead_nodes,
    without_edges,
)
from edgewise.nn.model import KAN, edge_layers, edge_places
from edgewise.nn.trace import Trace
from edgewise.presentation import number_text
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.choice import SEARCH_LIMITS, method_for
from edgewise.train.penalties import Penalty
from edgewise.train.problems import Problem, Regression

Edge = tuple[int, int, int]  # layer, in, out
Name = tuple[int, ...]  # (layer, in, out) of an edge, (layer, node) of a node or an input


@dataclass(frozen=True)
class Removal:
    """One step of a pruning."""

    kind: str  # "inputs", "nodes" or "edges"
    # (layer, in, out) of edges, (layer, node) of hidden nodes and of inputs (layer 0), as numbered in the model that
    # was given. Layers of products are not counted; the `out` of an edge into one is a factor
    where: tuple[Name, ...]
    why: str  # reason, as a sentence
    score: float  # attribution score of the strongest part that was removed
    loss: float  # loss on the judging data after the removal


@dataclass(frozen=True)
class PruneReport:
    """Removed parts, reasons and losses of a pruning, from `prune`."""

    removals: tuple[Removal, ...]  # the steps, in order
    kept_inputs: tuple[int, ...]  # columns of x that the pruned model depends on
    loss_given: float  # loss of the given model on the judging data
    loss: float  # of the pruned one
    allowed: float  # loss that was not to be exceeded
    judged_on: str  # "validation" or "training", the data of these losses
    edges: tuple[int, int]  # numbers before and after
    nodes: tuple[int, int]  # hidden ones
    parameters: tuple[int, int]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report in words."""
        counts = (("edges", self.edges), ("hidden nodes", self.nodes), ("parameters", self.parameters))
        shrunk = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in counts)
        kept = ", ".join(map(str, self.kept_inputs))
        return (
            f"Pruned: {shrunk}; inputs in use: {kept}.",
            f"Loss on the {self.judged_on} data: {number_text(self.loss_given, 3)} -> "
            f"{number_text(self.loss, 3)}, allowed {number_text(self.allowed, 3)}.",
            *(removal.why for removal in self.removals),
        )


@typed
def prune(
    model: KAN,
    problem: Problem,
    *,
    tolerance: float = 0.05,
    precision: float = 1e-3,
    refit: int = 20,
    penalty: Penalty | None = None,
    drop_inputs: bool = False,
) -> tuple[KAN, PruneReport]:
    """Remove edges, hidden nodes and inputs from a network whose loss on validation data stays about the same.

    Parts without any effect are removed first. Then inputs, hidden nodes and edges are tried, the weakest by
    attribution (`edge_scores`) first, many at once as long as that succeeds, and then the edges with the smallest
    `removal_costs`. After each removal the rest is refitted for a few steps; the removal stays if the loss on the
    validation data (on the training data without them) is at most

        max((1 + tolerance) * L + standard error of the difference to L,  precision^2 * variance of the target),

    with L the loss of the full model after the same refit. A removed edge is replaced by its mean, so a constant edge
    is removed without any change. Every layer keeps at least one edge.

    Parameters
    ----------
    model : KAN
        Of splines, elementary functions and products; left unchanged.
    problem : Regression, Classification or OrdinalClassification
        Of tensors; left unchanged, so the thresholds between ordered classes stay and fit the new model too.
    tolerance : float
        Relative rise of the loss that is accepted for fewer edges.
    precision : float
        Errors of that share of the target's standard deviation are negligible (in a classification: a loss of
        precision^2 nats); at most 1.
    refit : int
        Largest number of training steps after each removal; 0 trains nothing.
    penalty : Penalty, optional
        Penalty of the refits.
    drop_inputs : bool
        Whether the new model takes only the columns of x that it uses; otherwise it takes all and masks the others.

    Returns
    -------
    model : KAN
        A smaller new model.
    report : PruneReport
        `sentences`, the `removals` with their reasons, `kept_inputs`, losses (`loss_given`, `loss`, `allowed`), and the
        numbers of `edges`, `nodes` and `parameters` before and after.

    Raises
    ------
    InputError
        An argument is not as above.

    References
    ----------
    Liu et al., "KAN 2.0" (arXiv 2408.10205), section 4.1, for the attribution scores.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression, fit, prune
    >>> x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> problem = Regression(x, x[:, 0] ** 2)
    >>> model = KAN([2, 1], seed=0, dtype=torch.float64)
    >>> _ = fit(model, problem, steps=10)
    >>> smaller, report = prune(model, problem, drop_inputs=True)
    >>> smaller.config.width, report.kept_inputs, report.edges
    ((1, 1), (0,), (2, 1))
    """
    layers = edge_layers(model)
    product_groups(model)
    for name, value in (("tolerance", tolerance), ("precision", precision)):
        check_number(value, name)
    if precision > 1:
        raise InputError(f"precision must be a number of at most 1, got {precision!r}")
    check_count(refit, "refit", 0)
    if not isinstance(problem, Problem) or problem.train_loader is not None:
        kinds = "a Regression, Classification or OrdinalClassification"
        raise InputError(f"problem must be {kinds} of tensors, got {type(problem).__name__}")
    # A trial that fails must not move the unknowns, such as the thresholds between ordered classes.
    pruning = _Pruning(model, problem.with_fixed_unknowns(), tolerance, precision, refit, penalty)
    for _ in range(20):  # passes, a limit that is hardly reached: the first pass that removes nothing is the last
        if not any([pruning.remove_inputs(), pruning.remove_nodes(), pruning.remove_edges()]):
            break
    pruned = pruning.model
    if not drop_inputs:
        pruned = with_inputs(pruned, pruning.kept.nodes[0], layers[0])
    return pruned, pruning.report()


class _Pruning:
    """State of a pruning."""

    def __init__(
        self, given: KAN, problem: Problem, tolerance: float, precision: float, refit: int, penalty: Penalty | None
    ):
        self.given = given
        self.tolerance = tolerance
        self.refit = refit
        self.penalty = penalty
        self.judged_on = "training" if problem.validation is None else "validation"
        self.problem = problem
        self.model = copy.deepcopy(given)
        self.kept = Kept(
            tuple(torch.arange(width) for width in given.config.width),
            tuple(torch.arange(layer.out_features) for layer in edge_layers(given)),
        )
        self.removals: list[Removal] = []
        # The loss to compare with: of the given network, or of one without idle parts after the same refit, if that is
        # lower.
        before = self._losses(given, problem)
        self.loss_given = self.loss = float(before.mean())
        # Below this loss no part is worth keeping: `precision`, and the rounding of a sum of a few dozen terms.
        self.floor = precision**2
        if isinstance(problem, Regression):
            y = judging_data(problem).y
            rounding = (8 * torch.finfo(y.dtype).eps) ** 2 * float(y.square().mean())
            self.floor = precision**2 * float((y - y.mean(0)).square().mean()) + rounding
        self._remove_parts_without_effect()
        full = self._losses(self._refitted(copy.deepcopy(self.model), self.problem), self.problem)
        self.reference = min(before, full, key=lambda losses: float(losses.mean()))

    def report(self) -> PruneReport:
        """The report of all removals so far."""
        edges, nodes, parameters = (
            (measure(self.given), measure(self.model))
            for measure in (
                lambda model: sum(int(mask.sum()) for mask in live_edges(model)),
                lambda model: sum(model.config.width[1:-1]),
                lambda model: sum(p.numel() for p in model.parameters()),
            )
        )
        return PruneReport(
            removals=tuple(self.removals),
            kept_inputs=tuple(self.kept.nodes[0].tolist()),
            loss_given=self.loss_given,
            loss=self.loss,
            allowed=self._allowed(self._losses(self.model, self.problem)),
            judged_on=self.judged_on,
            edges=edges,
            nodes=nodes,
            parameters=parameters,
        )

    @torch.no_grad()
    def _remove_parts_without_effect(self) -> None:
        """Remove the edges that are constant on the training data, or on no path to an output."""
        # An edge has an effect if its values differ by more than rounding over the training rows.
        x = values_in = self.problem.train.x
        live = live_edges(self.given)
        groups = product_groups(self.given)
        varying: list[Tensor] = []
        for layer in self.given.layers:
            if layer.groups is None:
                values = layer.edges(values_in)
                rounding = 64 * torch.finfo(x.dtype).eps * values.abs().amax(0)
                varying.append(live[len(varying)] & ((values - values[:1]).abs().amax(0) > rounding))
            values_in = layer(values_in)
        keep = connected_edges(varying, groups)
        if not has_path(keep, groups):
            keep = live  # the whole network is a constant, which its edges hold
        # The edges that go, as the given network numbers them.
        masks = [layer.mask != 0 for layer in edge_layers(self.given)]
        removed = self._original_names(_places([mask & ~kept for mask, kept in zip(masks, keep, strict=True)]))
        if not removed:
            return
        self._continue_with(*without_dead_nodes(without_edges(self.given, keep, x)))
        after = float(self._losses(self.model, self.problem).mean())
        count = "An edge"
        if len(removed) > 1:
            count = f"{len(removed)} edges"
        why = f"{count} without effect: constant on the training data, or on no path to an output."
        self.removals.append(Removal("edges", removed, why, 0.0, after))
        self.loss = after

    def remove_inputs(self) -> bool:
        """Try to remove inputs, many at a time, the weakest first; returns whether any was removed."""
        scores = self._node_scores()[0].tolist()
        order = sorted(range(len(scores)), key=lambda i: scores[i])
        return self._remove_by_halves("input", [((0, int(self.kept.nodes[0][i])), scores[i]) for i in order])

    def remove_nodes(self) -> bool:
        """Try to remove hidden nodes one by one, the weakest first; returns whether any was removed."""
        changed = False
        named = [
            (float(score), (number, int(name)))
            for number, scores in enumerate(self._node_scores())
            for score, name in zip(scores, self.kept.nodes[number], strict=True)
            if number
        ]
        for score, name in sorted(named):
            changed |= self._try_to_remove("node", (name,), score)
        return changed

    def remove_edges(self) -> bool:
        """Try to remove edges: the weakest by attribution, many at a time, then single ones of the smallest cost."""
        changed = self._remove_by_halves("edge", self._ranked_edges(edge_scores(self._trace())))
        # Attribution may rank edges wrongly; each try costs a refit.
        scores = dict(self._ranked_edges(edge_scores(self._trace())))
        for name, _ in self._ranked_edges(removal_costs(self.model, self.problem).edges)[:4]:
            changed |= self._try_to_remove("edge", (name,), scores[name])
        return changed

    def _trace(self) -> Trace:
        with torch.no_grad():
            return self.model.trace(self.problem.train.x)

    def _node_scores(self) -> list[Tensor]:
        """Scores of the nodes that enter each layer of edges, inputs first."""
        scores = node_scores(self._trace())
        return [scores[place] for place in edge_places(self.model)]

    def _ranked_edges(self, values: tuple[Tensor, ...]) -> list[tuple[Name, float]]:
        """The live edges, as numbered in the given network, with their values, smallest first."""
        of_edges = [values[place] for place in edge_places(self.model)]
        places = _places(live_edges(self.model))
        names = self._original_names(places)
        named = [(name, float(of_edges[k][i, o])) for name, (k, i, o) in zip(names, places, strict=True)]
        return sorted(named, key=lambda pair: pair[::-1])

    def _original_names(self, places: list[Edge]) -> tuple[Edge, ...]:
        """Edges of `model` as numbered in the given network."""
        return tuple((k, int(self.kept.nodes[k][i]), int(self.kept.sums[k][o])) for k, i, o in places)

    def _remove_by_halves(self, kind: str, order: Sequence[tuple[Name, float]]) -> bool:
        """Try the weaker half of `order`, (name, score) each; a half that can't be removed is halved again."""
        changed = False
        count = max(1, len(order) // 2)
        while order and count:
            names, scores = zip(*order[:count], strict=True)
            if self._try_to_remove(kind, names, max(scores)):
                changed = True
                order = order[count:]
                count = max(1, len(order) // 2)
            else:
                count //= 2
        return changed

    def _try_to_remove(self, kind: str, names: tuple[Name, ...], score: float) -> bool:
        """Remove parts, refit, and keep the result if its loss is allowed."""
        # The network without these parts, and without what they leave on no path from an input to an output.
        live = live_edges(self.model)
        groups = product_groups(self.model)
        keep = [mask.clone() for mask in live]
        for layer, *ends in names:
            rows = self.kept.nodes[layer] == ends[0]
            columns = slice(None) if len(ends) == 1 else self.kept.sums[layer] == ends[1]
            if bool(rows.any()):
                keep[layer][int(rows.nonzero()), columns] = False
        if not has_path(keep, groups) or all(torch.equal(a, b) for a, b in zip(keep, live, strict=True)):
            return False
        candidate = without_edges(self.model, keep, self.problem.train.x)
        if not has_path(live_edges(candidate), product_groups(candidate)):
            return False
        candidate, kept = without_dead_nodes(candidate)
        # The loss after a refit decides.
        problem = self.problem.with_inputs(kept.nodes[0])
        losses = self._losses(self._refitted(candidate, problem), problem)
        after = float(losses.mean())
        if not after <= self._allowed(losses):
            return False
        # The step in words.
        shown = ", ".join(str(name[1] if kind == "input" else name) for name in names[:6])
        if len(names) > 6:
            shown += f" and {len(names) - 6} more"
        parts = f"{kind.capitalize()}{'s' * (len(names) > 1)} {shown}"
        why = (
            f"{parts}: score at most {number_text(score, 2)}, loss {number_text(self.loss, 3)} -> "
            f"{number_text(after, 3)}."
        )
        self.removals.append(Removal(f"{kind}s", names, why, score, after))
        self._continue_with(candidate, kept)
        self.loss = after
        return True

    def _continue_with(self, model: KAN, kept: Kept) -> None:
        """Replace `model`; kept: its parts as numbered in the present one."""
        self.model = model
        self.problem = self.problem.with_inputs(kept.nodes[0])
        nodes = tuple(names[index] for names, index in zip(self.kept.nodes, kept.nodes, strict=True))
        sums = tuple(names[index] for names, index in zip(self.kept.sums, kept.sums, strict=True))
        self.kept = Kept(nodes, sums)

    def _allowed(self, losses: Tensor) -> float:
        """Largest mean loss that is accepted, given the losses of all samples."""
        # The one-standard-error rule on the paired difference, limited by the loss itself, and the floor of negligible
        # errors.
        difference = losses - self.reference
        error = 0.0
        if len(difference) > 1:
            error = float(difference.std() / len(difference) ** 0.5)
        best = float(self.reference.mean())
        return max((1 + self.tolerance) * best + min(error, best), self.floor)

    def _refitted(self, model: KAN, problem: Problem) -> KAN:
        if self.refit:
            parameters = sum(p.numel() for p in model.parameters())
            method, _ = method_for(problem, parameters, is_linear=len(model.layers) == 1, limits=SEARCH_LIMITS)
            fit(
                model,
                problem,
                method,
                steps=self.refit,
                penalty=self.penalty,
                tolerance=1e-3,  # losses are compared to within their standard errors, which are larger
                adapt_domain=False,
            )
        return model

    def _losses(self, model: KAN, problem: Problem) -> Tensor:
        return problem.sample_losses(model, judging_data(problem))


def _places(masks: Sequence[Tensor]) -> list[Edge]:
    """The edges that are marked, as (layer, in, out)."""
    return [(number, i, o) for number, mask in enumerate(masks) for i, o in mask.nonzero().tolist()]
