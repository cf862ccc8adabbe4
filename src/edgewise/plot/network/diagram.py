"""The network diagram: every learned function drawn on its edge."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import nn

from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import central_range
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.trace import Trace
from edgewise.plot.network.edge_texts import written_edges
from edgewise.plot.network.layout import GRAPH_EDGES, LABEL_SIZE, Layout, Shown, crossed, graph
from edgewise.plot.style import BLUE, GREY, INK, labels, styled, text_width

_POINTS = 41
_TINY = np.finfo(float).tiny
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
    nodes, the strongest first. In a graph the formula of an elementary edge stands below its frame, in terms of the
    input or of u, what enters the edge. What is too much for a page is left out, weakest first, and the figure says so.

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
    given = names
    width = [values.shape[1] for values in (*trace.inputs, trace.output)]
    if not beta > 0 or max_nodes < 1 or max_curves < 1:
        raise InputError(f"beta, max_nodes, max_curves must be positive, got {beta}, {max_nodes}, {max_curves}")
    names = labels(names, width[0], "x", "names")
    outputs = labels(outputs, width[-1], "y", "outputs")
    small = max(int(mask_of(layer).sum()) for layer in model.layers) <= GRAPH_EDGES and max(width) <= max_nodes
    chosen, notes = _choose(model, trace, beta, max_nodes, max_curves, by_score=not small)
    shown = Shown(**chosen, names=names, outputs=outputs, products=_products(model))
    with styled():
        layout = (graph if small else crossed)(shown)
        texts = written_edges(model, layout, given) if small else {}
        return _draw(layout, shown, _curves(model, trace, shown), notes, texts)


def check_trace(model: nn.Module, trace: Trace) -> None:
    """Raises InputError unless `trace` can have come from `model`."""
    expected = [(layer.in_features, layer.out_features) for layer in model.layers]
    came = [tuple(edges.shape[1:]) for edges in trace.edges]
    if expected != came:
        raise InputError(f"trace must come from this model, with layers {expected}, got {came}")


def mask_of(layer: nn.Module) -> np.ndarray:
    """Which edges of a layer are there, (in, out) of bool; layers without a mask have all. Of a layer of products,
    which nodes each product multiplies.
    """
    if isinstance(layer, ProductLayer):
        return np.array([[i in group for group in layer.groups] for i in range(layer.in_features)])
    mask = getattr(layer, "mask", None)
    if mask is None:
        return np.ones((layer.in_features, layer.out_features), dtype=bool)
    return mask.detach().cpu().numpy() != 0


@torch.no_grad()
def edge_functions(layer: nn.Module, points: np.ndarray) -> np.ndarray:
    """Every edge of a layer at `points` (p, in): (p, in, out). Factors of a product pass as they are."""
    if isinstance(layer, ProductLayer):
        return points[:, :, None] * mask_of(layer)
    weight = next(layer.parameters())
    return layer.edges(torch.as_tensor(points, dtype=weight.dtype, device=weight.device)).double().cpu().numpy()


def _products(model: nn.Module) -> dict[int, tuple[int, ...]]:
    """The layers of products, with the nodes in them that multiply several."""
    return {
        number: tuple(o for o, group in enumerate(layer.groups) if len(group) > 1)
        for number, layer in enumerate(model.layers)
        if isinstance(layer, ProductLayer)
    }


def _nodes(ranks: list[np.ndarray], most: int, *, by_score: bool) -> tuple[list[tuple[int, ...]], list[str]]:
    """The nodes to show of each layer, and a sentence for each layer where some are left out."""
    nodes, notes = [], []
    last = len(ranks) - 1
    for layer, rank in enumerate(ranks):
        kept = np.argsort(-rank, kind="stable")[:most]
        # Outputs keep their order: it may mean something, and each scores 1.
        nodes.append(tuple((kept if by_score and layer < last else np.sort(kept)).tolist()))
        if len(kept) < len(rank):
            kind = "inputs" if layer == 0 else f"nodes of hidden layer {layer}"
            share = 1 - rank[kept].sum() / max(rank.sum(), _TINY)
            strongest = f"the {most} strongest of {len(rank)} {kind} (the others hold {share:.1%} of the score)"
            notes.append(f"the first {most} of {len(rank)} outputs" if layer == last else strongest)
    return nodes, notes


def _choose(model, trace, beta, max_nodes, max_curves, *, by_score: bool) -> tuple[dict, list[str]]:
    """What of the network to show, as arguments of `Shown`, and a sentence for each kind of thing left out."""
    scores = [score.cpu().double().numpy() for score in edge_scores(trace)]
    ranks = [score.cpu().double().numpy() for score in node_scores(trace)]
    nodes, notes = _nodes(ranks, max_nodes, by_score=by_score)
    masks = [mask_of(layer) for layer in model.layers]
    for number in _products(model):  # a factor counts as much as its product
        scores[number] = masks[number] * ranks[number + 1]
    strength = tuple(np.tanh(beta * score / max(score.max(), _TINY)) for score in scores)
    found = [
        (layer, i, o) for layer, mask in enumerate(masks) for i in nodes[layer] for o in nodes[layer + 1] if mask[i, o]
    ]
    kept = set(sorted(found, key=lambda edge: -strength[edge[0]][edge[1:]])[:max_curves])
    if len(kept) < len(found):
        notes.append(f"the {len(kept)} strongest of {len(found)} functions between them")
    edges = tuple(tuple(edge[1:] for edge in found if edge[0] == layer and edge in kept) for layer in range(len(masks)))
    node_strength = tuple(np.tanh(beta * rank / max(rank.max(), _TINY)) for rank in ranks)
    return {"nodes": tuple(nodes), "edges": edges, "node_strength": node_strength, "edge_strength": strength}, notes


def _curves(model, trace, shown: Shown) -> dict[tuple[int, int, int], np.ndarray]:
    """The points (p, 2) of every shown function, in the unit square."""
    curves = {}
    across = np.linspace(0, 1, _POINTS)
    for number, (layer, inputs) in enumerate(zip(model.layers, trace.inputs, strict=True)):
        ends = np.array([central_range(column) for column in inputs.detach().double().cpu().numpy().T])
        values = edge_functions(layer, ends[:, 0] + np.outer(across, ends[:, 1] - ends[:, 0]))
        for i, o in shown.edges[number]:
            curve = values[:, i, o]
            low, high = curve.min(), curve.max()
            flat = high - low <= 1e-6 * max(abs(low), abs(high))
            curves[number, i, o] = np.stack(
                [across, np.full(_POINTS, 0.5) if flat else (curve - low) / (high - low)], 1
            )
    return curves


def _draw(layout: Layout, shown: Shown, curves: dict, notes: list[str], formulas: dict) -> Figure:
    foot = 0.2 * len(notes) + (0.08 if notes else 0.0)
    notes = [
        ("Shown: " if n == 0 else "") + note + (";" if n < len(notes) - 1 else ".") for n, note in enumerate(notes)
    ]
    width = max([layout.width, *(text_width(note, 8.5) + 0.2 for note in notes)])
    figure = Figure(figsize=(width, layout.height + foot))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(-foot, layout.height))
    axes.set_axis_off()
    ink = _ink([strength for _, strength in layout.wires])
    wires = [points for points, _ in layout.wires]
    axes.add_collection(LineCollection(wires, colors=_colors(GREY, ink), linewidths=0.4 + 0.7 * ink, zorder=1))
    _draw_functions(axes, layout, shown, curves)
    x, y = np.array([point for point, _ in layout.dots]).T
    ink = _ink([strength for _, strength in layout.dots])
    axes.scatter(x, y, s=6 + 14 * ink, color="white", linewidths=0, zorder=5)
    axes.scatter(x, y, s=6 + 14 * ink, color=_colors(INK, ink), linewidths=0, zorder=6)
    for point, text, horizontal, vertical, angle in layout.texts:
        # Wires pass behind a label, not through it.
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
        mode = "anchor" if angle % 90 else "default"
        place = {"ha": horizontal, "va": vertical, "rotation": angle, "rotation_mode": mode}
        axes.text(*point, text, size=LABEL_SIZE, zorder=7, bbox=behind, **place)
    for edge, (text, size) in formulas.items():
        (x, y), height = layout.cells[edge], layout.cell[edge[0]][1]
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(x, y - height / 2 - 0.04, text, ha="center", va="top", size=size, color=INK, zorder=7, bbox=behind)
    for line, note in enumerate(notes):
        axes.text(0.1, -0.1 - 0.2 * line, note, ha="left", va="center", size=8.5, color=GREY, zorder=7)
    return figure


def _draw_functions(axes: Axes, layout: Layout, shown: Shown, curves: dict) -> None:
    frames, lines = [], []
    for (layer, i, o), (x, y) in layout.cells.items():
        w, h = layout.cell[layer]
        frames.append([(x + a * w / 2, y + b * h / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        lines.append((curves[layer, i, o] - 0.5) * (w * 0.84, h * 0.74) + (x, y))
    ink = _ink([shown.edge_strength[layer][i, o] for layer, i, o in layout.cells])
    thin, strong = 0.5, 0.7 + 0.6 * ink
    axes.add_collection(PolyCollection(frames, facecolors="white", edgecolors="none", zorder=2))
    axes.add_collection(
        PolyCollection(frames, facecolors="none", edgecolors=_colors(GREY, ink), linewidths=thin, zorder=3)
    )
    functions = LineCollection(lines, colors=_colors(BLUE, ink), linewidths=strong, zorder=4)
    functions.set_gid("functions")
    axes.add_collection(functions)


def _ink(strengths: list[float]) -> np.ndarray:
    return np.maximum(np.array(strengths, dtype=float), _FAINTEST)


def _colors(color: str, ink: np.ndarray) -> np.ndarray:
    """The color (n, 4) at each of the opacities (n,)."""
    return np.column_stack([np.broadcast_to(to_rgb(color), (len(ink), 3)), ink])
