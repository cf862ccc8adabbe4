"""Order of the nodes of a network diagram, and positions of everything in inches: a graph or grids of functions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from edgewise.plot.style import SIZES, text_width

GRAPH_EDGES = 24  # more functions than this beside each other are too small to read on a page
FRAME_SHARE = 0.86  # share of the width between two edges of a graph that a frame takes

Point = tuple[float, float]
Edge = tuple[int, int, int]
"""Layer, input and output of an edge."""


@dataclass(frozen=True)
class Shown:
    """The shown part of a network."""

    nodes: tuple[tuple[int, ...], ...]  # shown nodes of each layer in the order of drawing, inputs first
    edges: tuple[tuple[tuple[int, int], ...], ...]  # shown edges (in, out) of each layer of edges
    # opacity from 0 to 1 of every node, (n,) for each layer of nodes, and of every edge, (in, out) for each layer
    node_strength: tuple[np.ndarray, ...]
    edge_strength: tuple[np.ndarray, ...]
    names: list[str] = field(default_factory=list)  # labels of the inputs and outputs
    outputs: list[str] = field(default_factory=list)
    # layers that multiply, with the numbers of those outputs that have several factors
    products: dict[int, tuple[int, ...]] = field(default_factory=dict)


class Label(NamedTuple):
    """A text with its anchor, alignment and rotation in degrees."""

    point: Point
    text: str
    horizontal: Literal["left", "center", "right"]
    vertical: Literal["bottom", "center", "top"]
    angle: float = 0.0


@dataclass
class Layout:
    """Positions in inches from the lower left corner."""

    width: float = 0.0  # size of the diagram
    height: float = 0.0
    cell: dict[int, Point] = field(default_factory=dict)  # width and height of the frames of each layer
    cells: dict[Edge, Point] = field(default_factory=dict)  # centre of the frame of each edge (layer, in, out)
    # (list of points, float), lines with their opacity
    wires: list[tuple[list[Point], float]] = field(default_factory=list)
    dots: list[tuple[Point, float]] = field(default_factory=list)  # (point, float), nodes with their opacity
    texts: list[Label] = field(default_factory=list)
    # (point, float), nodes that multiply, with their opacity
    crosses: list[tuple[Point, float]] = field(default_factory=list)


def hidden_label(shown: Shown, layer: int, node: int) -> str:
    """Return h_2, with several hidden layers their number as a superscript, and a cross on a node that multiplies."""
    cross = r"\ \times" if node in shown.products.get(layer - 1, ()) else ""
    if len(shown.nodes) == 3:
        return f"$h_{{{node + 1}}}{cross}$"
    return f"$h^{{{layer}}}_{{{node + 1}}}{cross}$"


def graph_layout(shown: Shown) -> Layout:
    """Lay out a graph as in the KAN paper: rows of nodes with the inputs at the bottom, functions between the rows."""
    most = max(max(len(edges) for edges in shown.edges), 1)
    # Width of an edge, and of all the edges or labels of a row, in inches.
    margin = 0.1  # at the left and right
    slot = min(0.68, (SIZES.page - 2 * margin) / most)
    inner = min(max(slot * most, 2.2, _row_width(shown.names), _row_width(shown.outputs)), SIZES.page - 2 * margin)
    tilted = _row_width(shown.names) > inner
    longest = max(text_width(name, SIZES.text) for name in shown.names)
    # A tilted name of this length reaches 0.85 of it (the cosine of its angle) to the left and 0.5 downwards.
    left = margin
    row_label = 0.36  # height for a row of labels below and above
    bottom = row_label
    if tilted:
        left += max(0.0, 0.85 * longest - inner / len(shown.names) / 2)
        bottom += 0.5 * longest
    box = slot * FRAME_SHARE
    # A wire below each frame and one above it.
    gap = 2 * 0.42 + box
    layout = Layout(left + inner + margin, bottom + len(shown.edges) * gap + row_label)
    # Rows of nodes, then the frames between them with their wires; a product has wires alone.
    rows: list[dict[int, Point]] = []
    for layer, nodes in enumerate(shown.nodes):
        spots = _spread(len(nodes), left, inner)
        rows.append({node: (x, bottom + layer * gap) for node, x in zip(nodes, spots, strict=True)})
        layout.dots += [(point, shown.node_strength[layer][node]) for node, point in rows[layer].items()]
    for layer, edges in enumerate(shown.edges):
        if layer in shown.products:
            layout.wires += [([rows[layer][i], rows[layer + 1][o]], shown.edge_strength[layer][i, o]) for i, o in edges]
            continue
        layout.cell[layer] = (box, box)
        y = bottom + (layer + 0.5) * gap
        for (i, o), x in zip(edges, _spread(len(edges), left, inner), strict=True):
            layout.cells[layer, i, o] = (x, y)
            strength = shown.edge_strength[layer][i, o]
            layout.wires.append(([rows[layer][i], (x, y - box / 2)], strength))
            layout.wires.append(([(x, y + box / 2), rows[layer + 1][o]], strength))
    # Labels of inputs below, of hidden nodes beside, and of outputs above.
    for node, (x, y) in rows[0].items():
        if tilted:
            layout.texts.append(Label((x + 0.04, y - 0.1), shown.names[node], "right", "top", 35.0))
        else:
            layout.texts.append(Label((x, y - 0.12), shown.names[node], "center", "top"))
    for layer in range(1, len(rows) - 1):
        for node, (x, y) in rows[layer].items():
            layout.texts.append(Label((x + 0.09, y + 0.04), hidden_label(shown, layer, node), "left", "bottom"))
            if node in shown.products.get(layer - 1, ()):
                layout.crosses.append(((x, y), shown.node_strength[layer][node]))
    for node, (x, y) in rows[-1].items():
        layout.texts.append(Label((x, y + 0.12), shown.outputs[node], "center", "bottom"))
    return layout


def grid_layout(shown: Shown) -> Layout:
    """Lay out each layer as a grid of functions, where a wire for each input crosses a wire for each output.

    The wires of the outputs turn the corner into the next grid. All functions have the same size, however many they
    are.
    """
    layout = Layout()
    names = max(text_width(name, SIZES.text) for name in shown.names) + 0.45
    outputs = max(text_width(name, SIZES.text) for name in shown.outputs)
    rightward = len(shown.edges) % 2 == 0  # the outputs leave to the right, otherwise at the bottom
    columns = sum(len(nodes) for nodes in shown.nodes[1::2])
    width = SIZES.page - names - 0.5 * len(shown.edges)
    right = 0.2  # of the last wire, for labels
    if rightward:
        width = width - outputs
        right = outputs
    # Width of a function, between a largest and a least one, and its height.
    pitch = (min(0.85, max(0.34, width / columns)), 0.3)
    # The wires of a layer's inputs run along `axis` (0 to the right, 1 downwards) from `start`, across it at `over`.
    axis = 0
    start = 0.0
    over = _steps(shown.nodes[0], 0.0, pitch[1])
    for node, depth in over.items():
        _add_node(layout, (0.0, depth), shown.node_strength[0][node], shown.names[node], "left")
    for layer, edges in enumerate(shown.edges):
        # Some space from the end of a wire to the first crossing, and from the last crossing to the node.
        ends = _steps(shown.nodes[layer + 1], start + 0.2, pitch[axis])
        stop = max(over.values()) + pitch[1 - axis] / 2 + 0.22
        # A frame takes these shares of the distances between frames.
        layout.cell[layer] = (pitch[0] * 0.88, pitch[1] * 0.86)
        for i in over:
            reach = max((ends[o] for j, o in edges if j == i), default=start)
            wire = [_point(axis, start, over[i]), _point(axis, reach, over[i])]
            layout.wires.append((wire, shown.node_strength[layer][i]))
        for o in ends:
            reach = min((over[i] for i, p in edges if p == o), default=stop)
            wire = [_point(axis, ends[o], reach), _point(axis, ends[o], stop)]
            layout.wires.append((wire, shown.node_strength[layer + 1][o]))
        for i, o in edges:
            layout.cells[layer, i, o] = _point(axis, ends[o], over[i])
        # Labels of the nodes at the ends of the wires; those of outputs below are upright where columns are narrow.
        side = ("column", "row")[axis]
        texts = {o: hidden_label(shown, layer + 1, o) for o in ends}
        narrow = False
        if layer == len(shown.edges) - 1:
            texts = {o: shown.outputs[o] for o in ends}
            narrow = max(text_width(text, SIZES.text) for text in texts.values()) > pitch[0]
            side = "right"
            if not rightward:
                side = "tilted" if narrow else "below"
        for o, text in texts.items():
            _add_node(layout, _point(axis, ends[o], stop), shown.node_strength[layer + 1][o], text, side)
        axis = 1 - axis
        start = stop
        over = ends
    # Depths become heights, and the texts at the edges of the page get their space.
    below = 0.2 if rightward else 0.3 + outputs * narrow
    points = [point for wire, _ in layout.wires for point in wire]
    deepest = max(y for _, y in points) + below
    farthest = max(x for x, _ in points)

    def move(point: Point) -> Point:
        return point[0] + names, deepest - point[1]

    return Layout(
        names + farthest + right + 0.25,
        deepest + 0.1,
        layout.cell,
        {edge: move(point) for edge, point in layout.cells.items()},
        [([move(point) for point in wire], strength) for wire, strength in layout.wires],
        [(move(point), strength) for point, strength in layout.dots],
        [label._replace(point=move(label.point)) for label in layout.texts],
    )


def _point(axis: int, along: float, over: float) -> Point:
    if axis == 0:
        return along, over
    return over, along


def _add_node(layout: Layout, point: Point, strength: float, text: str, side: str) -> None:
    places: dict[str, Label] = {  # offset and alignment of a node's label, by the side on which it stands
        "left": Label((-0.11, 0.0), "", "right", "center"),
        "right": Label((0.11, 0.0), "", "left", "center"),
        "below": Label((0.0, 0.1), "", "center", "top"),
        "tilted": Label((0.0, 0.1), "", "center", "top", 90.0),
        "column": Label((0.08, 0.0), "", "left", "center"),
        "row": Label((0.0, -0.06), "", "center", "bottom"),
    }
    label = places[side]
    layout.dots.append((point, strength))
    place = (point[0] + label.point[0], point[1] + label.point[1])
    layout.texts.append(label._replace(point=place, text=text))


def _steps(nodes: tuple[int, ...], start: float, pitch: float) -> dict[int, float]:
    return {node: start + (k + 0.5) * pitch for k, node in enumerate(nodes)}


def _spread(count: int, left: float, width: float) -> list[float]:
    return [left + width * (k + 0.5) / count for k in range(count)]


def _row_width(texts: list[str]) -> float:
    # Some space between two labels.
    return len(texts) * (max(text_width(text, SIZES.text) for text in texts) + 0.15)


def in_modules(shown: Shown) -> Shown:
    """Order hidden nodes so that strong wires are short: the barycentre method for drawing layered graphs."""
    # Each node moves to the weighted mean of its neighbours' places, layer by layer, forwards and backwards; the order
    # with the smallest sum of strength times length is kept. Inputs and outputs stay.
    # K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
    # Transactions on Systems, Man, and Cybernetics 11 (1981) 109. pykan's `auto_swap` has the same aim.
    layers = len(shown.edges)
    # Strengths of the edges as matrices.
    weights = []
    for n in range(layers):
        weight = np.zeros((len(shown.nodes[n]), len(shown.nodes[n + 1])))
        rows = {node: k for k, node in enumerate(shown.nodes[n])}
        columns = {node: k for k, node in enumerate(shown.nodes[n + 1])}
        for i, o in shown.edges[n]:
            weight[rows[i], columns[o]] = shown.edge_strength[n][i, o]
        weights.append(weight)
    orders = [np.arange(len(nodes)) for nodes in shown.nodes]

    def places() -> list[np.ndarray]:
        found = []
        for order in orders:
            place = np.empty(len(order))
            place[order] = (np.arange(len(order)) + 0.5) / len(order)
            found.append(place)
        return found

    def cost() -> float:
        at = places()
        return sum(float((w * np.abs(a[:, None] - b)).sum()) for w, a, b in zip(weights, at, at[1:], strict=False))

    best = [order.copy() for order in orders]
    least = cost()
    # Eight sweeps: the order of a small network settles in two or three.
    for sweep in range(8):
        is_forward = sweep % 2 == 0
        for n in list(range(1, layers))[:: 1 if is_forward else -1]:
            at = places()
            weight = weights[n].T
            neighbours = at[n + 1]
            if is_forward:
                weight = weights[n - 1]
                neighbours = at[n - 1]
            total = weight.sum(0)
            mean = np.divide(neighbours @ weight, total, out=at[n].copy(), where=total > 0)
            orders[n] = orders[n][np.argsort(mean[orders[n]], kind="stable")]
        if cost() < least - 1e-12:
            best = [order.copy() for order in orders]
            least = cost()
    nodes = tuple(tuple(layer[k] for k in order) for layer, order in zip(shown.nodes, best, strict=True))
    rank = [{node: k for k, node in enumerate(layer)} for layer in nodes]
    edges = tuple(
        tuple(sorted(layer, key=lambda edge, n=n: (rank[n][edge[0]], rank[n + 1][edge[1]])))  # type: ignore[misc]
        for n, layer in enumerate(shown.edges)
    )
    return replace(shown, nodes=nodes, edges=edges)
