"""The network diagram: every learned function drawn on its edge."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import nn

from edgewise.errors import InputError
from edgewise.interpret.attribute import edge_scores, node_scores
from edgewise.nn.trace import Trace
from edgewise.plot.layout import GRAPH_EDGES, LABEL_SIZE, Layout, Shown, crossed, graph
from edgewise.plot.style import BLUE, GREY, INK, labels, range_of, styled

_POINTS = 41
_FAINTEST = 0.12  # the least ink, so that a weak edge is still seen to be there


def network_diagram(
    model: nn.Module,
    trace: Trace,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    beta: float = 3.0,
    max_nodes: int = 24,
    max_curves: int = 300,
) -> Figure:
    """The network with each edge's function drawn over the range of the data that went through it.

    Each little curve fills its frame: it shows the shape of a function; its ink shows how much the function matters:
    tanh(beta B / B_max), the rule of the KAN paper with `edge_scores` B, relative to the strongest edge of the same
    layer (else wide layers would be blank). Masked edges are absent. Networks with at most 24 edges in each layer
    are drawn as a graph, inputs at the bottom; larger ones as tables of functions, whose rows and columns are the
    nodes, the strongest first. What is too much for a page is left out, weakest first, and the figure says so.

    Args:
        model: a `KAN` or `MLP`.
        trace: `model.trace(x)` of the data to judge the edges by.
        names, outputs: of the inputs and outputs; x_1, x_2, ... and y if left out.
        beta: how fast ink rises with the score.
        max_nodes: nodes shown of each layer.
        max_curves: functions drawn in all.

    Returns:
        A figure sized for its content, in inches; `save` writes it.

    Raises:
        InputError: names or outputs do not fit the network, trace is empty or of another network.
    """
    check_trace(model, trace)
    width = [values.shape[1] for values in (*trace.inputs, trace.output)]
    names = labels(names, width[0], "x", "names")
    outputs = labels(outputs, width[-1], "y", "outputs")
    shown, notes = _choose(model, trace, names, outputs, beta, max_nodes, max_curves)
    small = max(len(edges) for edges in shown.edges) <= GRAPH_EDGES
    with styled():
        layout = (graph if small else crossed)(shown)
        return _draw(layout, shown, _curves(model, trace, shown), notes)


def check_trace(model: nn.Module, trace: Trace) -> None:
    """Raises InputError unless `trace` can have come from `model`."""
    expected = [(layer.in_features, layer.out_features) for layer in model.layers]
    came = [tuple(edges.shape[1:]) for edges in trace.edges]
    if expected != came:
        raise InputError(f"trace must come from this model, with layers {expected}, got {came}")


def mask_of(layer: nn.Module) -> np.ndarray:
    """Which edges of a layer are there, (in, out) of bool; layers without a mask have all."""
    mask = getattr(layer, "mask", None)
    if mask is None:
        return np.ones((layer.in_features, layer.out_features), dtype=bool)
    return mask.detach().cpu().numpy() != 0


@torch.no_grad()
def edge_functions(layer: nn.Module, points: np.ndarray) -> np.ndarray:
    """Every edge of a layer at `points` (p, in): (p, in, out)."""
    weight = next(layer.parameters())
    return layer.edges(torch.as_tensor(points, dtype=weight.dtype, device=weight.device)).double().cpu().numpy()


def _choose(model, trace, names, outputs, beta, max_nodes, max_curves) -> tuple[Shown, list[str]]:
    """The strongest nodes and edges that fit, and a sentence for each kind left out."""
    scores = [score.cpu().double().numpy() for score in edge_scores(trace)]
    ranks = [score.cpu().double().numpy() for score in node_scores(trace)]
    masks = [mask_of(layer) for layer in model.layers]
    small = max(int(mask.sum()) for mask in masks) <= GRAPH_EDGES and max(map(len, ranks)) <= max_nodes
    nodes, notes = [], []
    for layer, rank in enumerate(ranks):
        kept = np.sort(np.argsort(-rank, kind="stable")[:max_nodes])
        if not small and layer < len(ranks) - 1:
            kept = kept[np.argsort(-rank[kept], kind="stable")]
        nodes.append(tuple(int(node) for node in kept))
        if len(kept) < len(rank):
            kind = (
                "inputs" if layer == 0 else "outputs" if layer == len(ranks) - 1 else f"nodes of hidden layer {layer}"
            )
            share = 1 - rank[kept].sum() / max(rank.sum(), np.finfo(float).tiny)
            notes.append(f"the {len(kept)} strongest of {len(rank)} {kind} (the others hold {share:.1%} of the score)")
    strength = [np.tanh(beta * score / max(score.max(), np.finfo(float).tiny)) for score in scores]
    found = [
        (strength[layer][i, o], layer, i, o)
        for layer in range(len(scores))
        for i in nodes[layer]
        for o in nodes[layer + 1]
        if masks[layer][i, o]
    ]
    kept = sorted(found, key=lambda edge: -edge[0])[:max_curves]
    if len(kept) < len(found):
        notes.append(f"the {len(kept)} strongest of {len(found)} functions between them")
    chosen = {edge[1:] for edge in kept}
    edges = tuple(
        tuple((i, o) for _, at, i, o in found if at == layer and (at, i, o) in chosen) for layer in range(len(scores))
    )
    node_strength = tuple(np.tanh(beta * rank / max(rank.max(), np.finfo(float).tiny)) for rank in ranks)
    return Shown(tuple(nodes), edges, node_strength, tuple(strength), names, outputs), notes


def _curves(model, trace, shown: Shown) -> dict[tuple[int, int, int], np.ndarray]:
    """The points (p, 2) of every shown function, in the unit square."""
    curves = {}
    across = np.linspace(0, 1, _POINTS)
    for number, (layer, inputs) in enumerate(zip(model.layers, trace.inputs, strict=True)):
        ends = np.array([range_of(column) for column in inputs.detach().double().cpu().numpy().T])
        values = edge_functions(layer, ends[:, 0] + np.outer(across, ends[:, 1] - ends[:, 0]))
        for i, o in shown.edges[number]:
            curve = values[:, i, o]
            low, high = curve.min(), curve.max()
            flat = high - low <= 1e-6 * max(abs(low), abs(high))
            curves[number, i, o] = np.stack(
                [across, np.full(_POINTS, 0.5) if flat else (curve - low) / (high - low)], 1
            )
    return curves


def _draw(layout: Layout, shown: Shown, curves: dict, notes: list[str]) -> Figure:
    foot = 0.2 * len(notes) + (0.08 if notes else 0.0)
    size = (max(layout.width, 4.6 if notes else 0.0), layout.height + foot)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(-foot, layout.height))
    axes.set_axis_off()
    ink = np.array([max(strength, _FAINTEST) for _, strength in layout.wires])
    axes.add_collection(
        LineCollection(
            [points for points, _ in layout.wires], colors=GREY, alpha=ink, linewidths=0.4 + 0.7 * ink, zorder=1
        )
    )
    frames, lines, strengths = [], [], []
    for (layer, i, o), (x, y) in layout.cells.items():
        w, h = layout.cell[layer]
        frames.append([(x + a * w / 2, y + b * h / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        lines.append((curves[layer, i, o] - 0.5) * (w * 0.84, h * 0.74) + (x, y))
        strengths.append(max(shown.edge_strength[layer][i, o], _FAINTEST))
    strengths = np.array(strengths)
    axes.add_collection(PolyCollection(frames, facecolors="white", edgecolors="none", zorder=2, gid="frames"))
    axes.add_collection(
        PolyCollection(frames, facecolors="none", edgecolors=GREY, alpha=strengths, linewidths=0.5, zorder=3)
    )
    axes.add_collection(
        LineCollection(lines, colors=BLUE, alpha=strengths, linewidths=0.7 + 0.6 * strengths, zorder=4, gid="functions")
    )
    x, y = np.array([point for point, _ in layout.dots]).T
    ink = np.array([max(strength, _FAINTEST) for _, strength in layout.dots])
    axes.scatter(x, y, s=6 + 14 * ink, color="white", linewidths=0, zorder=5)
    axes.scatter(x, y, s=6 + 14 * ink, color=INK, alpha=ink, linewidths=0, zorder=6)
    for point, text, horizontal, vertical, angle in layout.texts:
        axes.text(
            *point,
            text,
            ha=horizontal,
            va=vertical,
            rotation=angle,
            rotation_mode="anchor" if angle not in (0.0, 90.0) else "default",
            size=LABEL_SIZE,
            zorder=7,
            # Wires pass behind a label, not through it.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )
    for line, note in enumerate(notes):
        text = ("Shown: " if line == 0 else "") + note + (";" if line < len(notes) - 1 else ".")
        axes.text(0.1, -0.1 - 0.2 * line, text, ha="left", va="center", size=8.5, color=GREY, zorder=7)
    return figure
