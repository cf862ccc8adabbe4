"""Diagram of a network (`network_diagram`): every learned function drawn on its edge."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba_array

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import central_range
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.nn.layers.base import Chain, Layer
from edgewise.nn.trace import Trace
from edgewise.plot.network.edge_formulas import formula_texts
from edgewise.plot.network.layout import (
    GRAPH_EDGES,
    Edge,
    Layout,
    Shown,
    graph_layout,
    grid_layout,
    in_modules,
)
from edgewise.plot.network.views import NetworkColumn, NetworkView, Viewable, as_network_view
from edgewise.plot.style import BLUE, GREY, INK, SIZES, Figure, labels, styled, text_width
from edgewise.presentation import percent_text
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class CurveLook:
    """How the small curves are drawn."""

    points: int = 41  # of each curve
    few_levels: int = 4  # inputs with at most so many different values are drawn as steps (flags and categories)


LOOK = CurveLook()


@typed
def network_diagram(
    model: Chain | Viewable | NetworkView,
    trace: Trace | ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    max_nodes: int = 24,
    max_curves: int = 300,
    order: str = "number",
) -> Figure:
    """Draw a network with the function of each edge over the range of its data.

    Parameters
    ----------
    model : KAN, MLP, or fitted estimator
        An estimator brings the names of its inputs and outputs; what it gives to all figures of its network, its view,
        is taken too.
    trace : Trace or array-like, optional
        `model.trace(x)`, or rows of data, by which the edges are scored. An estimator that was fitted in this session
        has rows of its own.
    names, outputs : sequence of str, optional
        Names of the inputs and outputs; x1, x2, ... and y1, y2, ... by default.
    max_nodes : int
        Largest number of nodes shown in each layer.
    max_curves : int
        Largest number of functions shown in all.
    order : {"number", "modules"}
        Order of hidden nodes: by their numbers, or so that nodes that use the same inputs are beside each other
        (fewest crossings, weighted by the scores). The labels keep the numbers.

    Returns
    -------
    matplotlib.figure.Figure
        Sized for its content. The opacity of an edge grows with its score B (see `edge_scores`) as tanh(3 B / B_max),
        where B_max is the largest score of the same layer. In the first layer the scores of the edges of an input are
        scaled so that inputs are ranked by their contributions to the prediction
        (`edgewise.interpret.shapley_shares`). Each curve fills its frame, so that it shows the shape of the function
        and not its size. Masked edges are absent. Networks with at most 24 edges in each layer are drawn as a graph
        with the inputs at the bottom, where the formula of an elementary edge stands below its frame (u is the input of
        the edge). Larger networks are drawn as grids of functions with the strongest nodes first. The weakest nodes and
        functions above the limits are left out, which a note below the diagram states. Of an estimator, a category is
        one node, at most 20 inputs are shown, and functions below 1 % of what a layer does to the prediction are left
        out.

    Raises
    ------
    InputError
        If names or outputs do not fit the network, the trace is empty or comes from another network, or a limit is
        not positive.

    References
    ----------
    The opacity follows Liu et al., "KAN: Kolmogorov-Arnold Networks", 2024, section 2.5.1, but relative to each layer;
    wide layers would be blank otherwise.

    Examples
    --------
    >>> from edgewise import KAN
    >>> model = KAN([2, 3, 1], seed=0)
    >>> x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    >>> figure = network_diagram(model, model.trace(x), names=["width", "height"], outputs=["area"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['width', 'height', '$h_{1}$', '$h_{2}$', '$h_{3}$', 'area']
    """
    view = as_network_view(model, trace, names, outputs)
    width = [values.shape[1] for values in (*view.trace.inputs, view.trace.output)]
    if max_nodes < 1 or max_curves < 1:
        raise InputError(f"max_nodes and max_curves must be positive, got {max_nodes} and {max_curves}")
    if order not in ("number", "modules"):
        raise InputError(f'order must be "number" or "modules", got {order!r}')
    # Labels of inputs and outputs.
    input_labels = labels(view.names, width[0], "x", "names")
    if view.columns is not None:  # a column with several inputs, such as a category, is one node
        input_labels = labels([column.name for column in view.columns], len(view.columns), "x", "names")
    output_labels = labels(view.outputs, width[-1], "y", "outputs")
    # A graph where all fits beside each other, else a grid of the strongest parts.
    shown, notes = _shown_part(view, max_nodes, max_curves, by_score=False)
    fits = max(width[view.columns is not None :]) <= max_nodes and len(input_labels) <= max_nodes
    as_graph = fits and max(len(edges) for edges in shown.edges) <= GRAPH_EDGES
    if not as_graph:
        shown, notes = _shown_part(view, max_nodes, max_curves, by_score=True)
    if order == "modules":
        shown = in_modules(shown)
    shown = replace(shown, names=input_labels, outputs=output_labels)
    with styled():
        layout = graph_layout(shown) if as_graph else grid_layout(shown)
        texts = {}
        if as_graph and view.columns is None:
            texts = formula_texts(view.model, layout, view.names)
        return _draw(layout, shown, _unit_curves(view, shown), notes, texts)


def mask_of(layer: Layer) -> np.ndarray:
    """Return which edges of a layer exist, (in, out) of bool; for products, which inputs each output multiplies."""
    return layer.mask.detach().cpu().numpy() != 0


@torch.no_grad()
def edge_functions(layer: Layer, points: np.ndarray) -> np.ndarray:
    """Evaluate every edge of a layer at `points` (p, in): (p, in, out); factors of a product pass unchanged."""
    if layer.groups is not None:
        return points[:, :, None] * mask_of(layer)
    weight = next(layer.parameters(), torch.zeros(1))
    return layer.edges(torch.as_tensor(points, dtype=weight.dtype, device=weight.device)).double().cpu().numpy()


def _shown_part(view: NetworkView, max_nodes: int, max_curves: int, *, by_score: bool) -> tuple[Shown, list[str]]:
    """Return the strongest nodes and edges with their opacities, and a note for each kind of thing that is left out."""
    model = view.model
    # Scores of edges and nodes; those of inputs are their contributions to the prediction.
    scores = [score.cpu().double().numpy() for score in edge_scores(view.trace)]
    ranks = [score.cpu().double().numpy() for score in node_scores(view.trace)]
    masks = [mask_of(layer) for layer in model.layers]
    if view.columns is not None:
        scores[0], ranks[0], masks[0] = by_column(view, scores[0], masks[0])
    else:
        contributions = view.ranking()
        scores[0] = scores[0] * (contributions / np.maximum(ranks[0], ABOVE_ZERO))[:, None]
        ranks[0] = contributions
    products = {}
    for number, layer in enumerate(model.layers):
        if layer.groups is not None:
            products[number] = tuple(o for o, group in enumerate(layer.groups) if len(group) > 1)
            scores[number] = masks[number] * ranks[number + 1]  # a factor counts as much as its product
    estimator = view.importance is not None
    # Edges of an estimator's network are strong enough to be seen: the weak ones are left out.
    faintest = 0.35 if estimator else 0.0
    opacities = tuple(np.maximum(_strength(score), faintest) for score in scores)
    weak = 0
    if estimator:
        masks, weak = _without_weak(masks, scores, products)
    # The strongest nodes of each layer.
    nodes = []
    notes = []
    last = len(masks)
    most_inputs = 20  # of an estimator's network: more are not readable
    for number, rank in enumerate(ranks):
        most = max_nodes
        if estimator and number == 0:
            most = min(max_nodes, most_inputs)
        kept = np.argsort(-rank, kind="stable")[:most]
        # Outputs keep their order: it may have a meaning, and all outputs have the same score.
        if not by_score or number == last:
            kept = np.sort(kept)
        nodes.append(tuple(kept.tolist()))
        if len(kept) == len(rank):
            continue
        others = percent_text(1 - rank[kept].sum() / max(rank.sum(), ABOVE_ZERO), 3)
        if number == last:
            notes.append(f"the first {max_nodes} of {len(rank)} outputs")
        elif number == 0:
            notes.append(f"the {most} strongest of {len(rank)} inputs (the others hold {others} of the contributions)")
        else:
            kind = f"nodes of hidden layer {number}"
            notes.append(f"the {most} strongest of {len(rank)} {kind} (the others hold {others} of the score)")
    # The edges between them, the strongest of which are drawn.
    edges = [(n, i, o) for n, mask in enumerate(masks) for i in nodes[n] for o in nodes[n + 1] if mask[i, o]]
    linked = {(n, i) for n, i, _ in edges} | {(n + 1, o) for n, _, o in edges}
    if estimator and edges:  # nodes without an edge left say nothing; outputs stay
        nodes = [
            tuple(node for node in layer if number == last or (number, node) in linked)
            for number, layer in enumerate(nodes)
        ]
        if weak:
            edge = "edges are"
            if weak == 1:
                edge = "edge is"
            notes.append(f"{weak} weak {edge} not drawn (below 1 % of what the layer does).")
        left = len(ranks[0]) - len(nodes[0])
        if left and len(ranks[0]) <= most_inputs:
            inputs = "inputs are"
            if left == 1:
                inputs = "input is"
            notes.append(f"{left} {inputs} without an edge and left out.")
    drawn = set(sorted(edges, key=lambda edge: -opacities[edge[0]][edge[1:]])[:max_curves])
    if len(drawn) < len(edges):
        notes.append(f"the {len(drawn)} strongest of {len(edges)} functions between them")
    shown = Shown(
        nodes=tuple(nodes),
        edges=tuple(tuple(edge[1:] for edge in edges if edge[0] == n and edge in drawn) for n in range(last)),
        node_strength=tuple(map(_strength, ranks)),
        edge_strength=opacities,
        products=products,
    )
    return shown, notes


def _strength(score: np.ndarray) -> np.ndarray:
    """Return opacities from 0 to 1 that grow with the scores of one layer; 3 is the factor of the KAN paper."""
    return np.tanh(3.0 * score / max(score.max(initial=0), ABOVE_ZERO))


def by_column(view: NetworkView, score: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scores of the edges of the columns of a table, (columns, out), of the columns, and which edges exist.

    The functions of one column add up, so that its score grows with the spread of their sum.
    """
    assert view.columns is not None
    edges = view.trace.edges[0].detach().double().cpu().numpy()
    alone = score / np.maximum(edges.std(0), ABOVE_ZERO)  # the same for all edges that end in one node
    groups = [list(column.inputs) for column in view.columns]
    merged = np.array([edges[:, group].sum(1).std(0) * alone[group].max(0, initial=0) for group in groups])
    own = merged.sum(1)
    rank = own if view.importance is None else view.importance
    return (
        merged * (rank / np.maximum(own, ABOVE_ZERO))[:, None],
        rank,
        np.array([mask[group].any(0) for group in groups]),
    )


def _without_weak(
    masks: list[np.ndarray], scores: Sequence[np.ndarray], products: Container[int]
) -> tuple[list[np.ndarray], int]:
    """Return the masks without weak edges and without what then leads nowhere, and the number of edges left out."""
    # Edges above a share of their layer's total.
    kept = []
    for mask, score in zip(masks, scores, strict=True):
        total = float((score * mask).sum())
        # An edge is weak below 1 % of its layer's total, of which no more counts than ten times the strongest
        # edge: of hundreds of equal edges none is weak.
        kept.append(mask & (score >= 0.01 * min(total, 10.0 * float((score * mask).max(initial=0)))))
    for number in range(1, len(kept)):
        if number in products:  # a product is not shown without a factor: each keeps its strongest edge
            for node in np.flatnonzero(masks[number - 1].any(0) & ~kept[number - 1].any(0)):
                kept[number - 1][scores[number - 1][:, node].argmax(), node] = True
    # Nodes that no edge enters or none leaves lose their other edges, until nothing changes.
    changed = True
    while changed:
        changed = False
        for number in range(1, len(kept)):
            before = kept[number - 1]
            after = kept[number]
            ends = before.any(0) | ~masks[number - 1].any(0)
            starts = after.any(1) | ~masks[number].any(1)
            dead = ~(ends & starts)
            if before[:, dead].any() or after[dead].any():
                before[:, dead] = False
                after[dead] = False
                changed = True
    return kept, sum(int(mask.sum() - one.sum()) for mask, one in zip(masks, kept, strict=True))


def _unit_curves(view: NetworkView, shown: Shown) -> dict[Edge, np.ndarray]:
    """Return the curve of every shown function as points (p, 2) of the unit square."""
    model = view.model
    trace = view.trace
    curves = {}
    across = np.linspace(0, 1, LOOK.points)
    for number, (layer, inputs) in enumerate(zip(model.layers, trace.inputs, strict=True)):
        data = inputs.detach().double().cpu().numpy()
        ends = np.array([central_range(column) for column in data.T])
        values = edge_functions(layer, ends[:, 0] + np.outer(across, ends[:, 1] - ends[:, 0]))
        steps = {}
        if number == 0 and view.columns is not None:
            steps = {k: _column_curve(layer, column) for k, column in enumerate(view.columns)}
        elif number == 0:  # inputs with few values: between these there is no function
            for i, levels in enumerate(map(np.unique, data.T)):
                if 1 < len(levels) <= LOOK.few_levels:
                    points = np.zeros((LOOK.points, data.shape[1]))
                    points[:, i] = _as_steps(levels)
                    steps[i] = edge_functions(layer, points)[:, i]
        for i, o in shown.edges[number]:
            curve = steps[i][:, o] if i in steps else values[:, i, o]
            low = curve.min()
            high = curve.max()
            # A function that varies by rounding alone is drawn as a flat line.
            flat = high - low <= 1e-6 * max(abs(low), abs(high))
            if flat:
                heights = np.full(LOOK.points, 0.5)
            else:
                heights = (curve - low) / (high - low)
            curves[number, i, o] = np.stack([across, heights], 1)
    return curves


def _as_steps(levels: np.ndarray) -> np.ndarray:
    """Return (points,) from the first to the last level, each level for the same share of them."""
    return levels[np.minimum((np.linspace(0, 1, LOOK.points) * len(levels)).astype(int), len(levels) - 1)]


def _column_curve(layer: Layer, column: NetworkColumn) -> np.ndarray:
    """Return the functions of a column over its values, (points, out): steps for levels and for few values."""
    points, discrete = column.points()
    if column.levels or (discrete and len(points) <= LOOK.few_levels):
        points = _as_steps(points)
    else:
        points = np.linspace(points[0], points[-1], LOOK.points)
    return edge_functions(layer, column.grid(points, layer.in_features))[:, list(column.inputs)].sum(1)


def _draw(
    layout: Layout,
    shown: Shown,
    curves: Mapping[Edge, np.ndarray],
    notes: list[str],
    formulas: Mapping[Edge, tuple[str, float]],
) -> Figure:
    # A page as wide as the network or its longest note, with the notes below.
    foot = SIZES.note * len(notes) + (0.08 if notes else 0.0)
    limits = [note for note in notes if not note.endswith(".")]
    ends = [";"] * (len(limits) - 1) + ["."]
    lines = [("Shown: " if n == 0 else "") + one + end for n, (one, end) in enumerate(zip(limits, ends, strict=False))]
    lines += [note for note in notes if note.endswith(".")]
    width = max([layout.width, *(text_width(line, SIZES.small) + 0.2 for line in lines)])
    figure = Figure(figsize=(width, layout.height + foot))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(-foot, layout.height))
    axes.set_axis_off()
    # Wires, then a frame with its function on each edge.
    opacity = _opacity([strength for _, strength in layout.wires])
    wires = [points for points, _ in layout.wires]
    colors = to_rgba_array(GREY, opacity)
    axes.add_collection(LineCollection(wires, colors=colors, linewidths=0.4 + 0.7 * opacity, zorder=1))
    frames = []
    functions = []
    for (layer, i, o), (x, y) in layout.cells.items():
        w, h = layout.cell[layer]
        frames.append([(x + a * w / 2, y + b * h / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        # A curve takes these shares of the width and height of its frame.
        functions.append((curves[layer, i, o] - 0.5) * (w * 0.84, h * 0.74) + (x, y))
    opacity = _opacity([shown.edge_strength[layer][i, o] for layer, i, o in layout.cells])
    grey = to_rgba_array(GREY, opacity)
    blue = to_rgba_array(BLUE, opacity)
    axes.add_collection(PolyCollection(frames, facecolors="white", edgecolors="none", zorder=2))
    axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=grey, linewidths=0.5, zorder=3))
    axes.add_collection(
        LineCollection(functions, colors=blue, linewidths=0.7 + 0.6 * opacity, zorder=4, gid="functions")
    )
    # Nodes: a dot where values are added, a cross in a ring where they are multiplied.
    x, y = np.array([point for point, _ in layout.dots]).T
    opacity = _opacity([strength for _, strength in layout.dots])
    axes.scatter(x, y, s=6 + 14 * opacity, color="white", linewidths=0, zorder=5)
    axes.scatter(x, y, s=6 + 14 * opacity, color=to_rgba_array(INK, opacity), linewidths=0, zorder=6)
    rings = [(point, strength) for point, strength in layout.crosses]
    if rings:
        x, y = np.array([point for point, _ in rings]).T
        inks = to_rgba_array(INK, _opacity([strength for _, strength in rings]))
        axes.scatter(x, y, s=44, color="white", edgecolors=[*map(tuple, inks)], linewidths=0.8, zorder=6)
        axes.scatter(x, y, s=16, marker="x", color=inks, linewidths=0.8, zorder=7)
    # Labels of nodes, formulas of edges, and the notes.
    behind = {"facecolor": "white", "edgecolor": "none"}  # wires pass behind a text, not through it
    for label in layout.texts:
        axes.text(
            *label.point,
            label.text,
            ha=label.horizontal,
            va=label.vertical,
            rotation=label.angle,
            rotation_mode="anchor" if label.angle % 90 else "default",
            size=SIZES.text,
            zorder=7,
            bbox={**behind, "pad": 0.4},
        )
    for edge, (text, size) in formulas.items():
        x, y = layout.cells[edge]
        height = layout.cell[edge[0]][1]
        below = y - height / 2 - 0.04
        axes.text(x, below, text, ha="center", va="top", size=size, color=INK, zorder=7, bbox={**behind, "pad": 0.6})
    for number, line in enumerate(lines):
        place = (0.1, -0.1 - SIZES.note * number)
        axes.text(*place, line, ha="left", va="center", size=SIZES.small, color=GREY, zorder=7)
    return figure


def _opacity(strengths: Sequence[float]) -> np.ndarray:
    # A weak edge can still be seen.
    return np.maximum(np.array(strengths, dtype=float), 0.12)
