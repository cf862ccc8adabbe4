"""Where everything in a network diagram goes, in inches: a graph for small networks, crossed wires for large ones."""

from dataclasses import dataclass, field

import numpy as np

from edgewise.plot.style import WIDTH, text_width

GRAPH_EDGES = 24  # more functions than this beside each other are too small to read on a page
LABEL_SIZE = 9.5

Point = tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """What a diagram shows. nodes: the shown nodes of each layer, in the order of drawing, inputs first;
    edges: for each layer of edges the shown (in, out); strength: of every node and edge, 0 .. 1; products: the layers
    whose "edges" only lead factors to products, each with the nodes that multiply.
    """

    nodes: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]
    node_strength: tuple[np.ndarray, ...]
    edge_strength: tuple[np.ndarray, ...]
    names: list[str]
    outputs: list[str]
    products: dict[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass
class Layout:
    """Positions in inches from the lower left. cells: centre of each edge's little picture, by (layer, in, out);
    wires: (points, strength); dots: (centre, strength); texts: (point, text, horizontal, vertical, rotation).
    """

    width: float = 0.0
    height: float = 0.0
    cell: dict[int, Point] = field(default_factory=dict)
    cells: dict[tuple[int, int, int], Point] = field(default_factory=dict)
    wires: list[tuple[list[Point], float]] = field(default_factory=list)
    dots: list[tuple[Point, float]] = field(default_factory=list)
    texts: list[tuple[Point, str, str, str, float]] = field(default_factory=list)


def hidden_label(shown: Shown, layer: int, node: int) -> str:
    """h_2, or with several hidden layers h_2 with the layer as a superscript; with a cross where it multiplies."""
    cross = r"\ \times" if node in shown.products.get(layer - 1, ()) else ""
    only = len(shown.nodes) == 3
    return f"$h_{{{node + 1}}}{cross}$" if only else f"$h^{{{layer}}}_{{{node + 1}}}{cross}$"


def graph(shown: Shown) -> Layout:
    """The picture of the KAN paper: rows of nodes, inputs at the bottom, functions between the rows."""
    most = max(max(len(edges) for edges in shown.edges), 1)
    slot = min(0.68, (WIDTH - 0.2) / most)
    texts = max(_row_width(shown.names), _row_width(shown.outputs))
    inner = min(max(slot * most, 2.2, texts), WIDTH - 0.2)
    tilted = _row_width(shown.names) > inner
    longest = max(text_width(name, LABEL_SIZE) for name in shown.names)
    left = 0.1 + (max(0.0, 0.85 * longest - inner / len(shown.names) / 2) if tilted else 0.0)
    bottom = 0.36 + (0.5 * longest if tilted else 0.0)
    box = slot * 0.86
    gap = 2 * 0.42 + box
    layout = Layout(left + inner + 0.1, bottom + len(shown.edges) * gap + 0.36)
    rows = []
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
    for node, (x, y) in rows[0].items():
        if tilted:
            layout.texts.append(((x + 0.04, y - 0.1), shown.names[node], "right", "top", 35.0))
        else:
            layout.texts.append(((x, y - 0.12), shown.names[node], "center", "top", 0.0))
    for layer in range(1, len(rows) - 1):
        for node, (x, y) in rows[layer].items():
            layout.texts.append(((x + 0.09, y + 0.01), hidden_label(shown, layer, node), "left", "center", 0.0))
    for node, (x, y) in rows[-1].items():
        layout.texts.append(((x, y + 0.12), shown.outputs[node], "center", "bottom", 0.0))
    return layout


def crossed(shown: Shown) -> Layout:
    """Each layer a table of functions, where a wire for each input crosses a wire for each output; these turn the
    corner into the next table. Room for in x out little pictures of one size, however many there are.
    """
    layout = Layout()
    names = max(text_width(name, LABEL_SIZE) for name in shown.names) + 0.45
    outputs = max(text_width(name, LABEL_SIZE) for name in shown.outputs)
    rightward = len(shown.edges) % 2 == 0  # the outputs leave to the right, else at the bottom
    columns = sum(len(nodes) for nodes in shown.nodes[1::2])
    room = WIDTH - names - 0.5 * len(shown.edges) - (outputs if rightward else 0.0)
    pitch = (min(0.85, max(0.34, room / columns)), 0.3)
    # Along `axis` (0 rightwards, 1 downwards) run the wires of a layer's inputs; `over` is where, `start` from where.
    axis, start, over = 0, 0.0, _steps(shown.nodes[0], 0.0, pitch[1])
    for node, depth in over.items():
        _node(layout, (0.0, depth), shown.node_strength[0][node], shown.names[node], "left")
    for layer, edges in enumerate(shown.edges):
        ends = _steps(shown.nodes[layer + 1], start + 0.2, pitch[axis])
        stop = max(over.values()) + pitch[1 - axis] / 2 + 0.22
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
        last = layer == len(shown.edges) - 1
        side = ("right" if rightward else "below") if last else ("column", "row")[axis]
        narrow = max(text_width(shown.outputs[o], LABEL_SIZE) for o in ends) > pitch[0] if last else False
        for o in ends:
            text = shown.outputs[o] if last else hidden_label(shown, layer + 1, o)
            where = "tilted" if side == "below" and narrow else side
            _node(layout, _point(axis, ends[o], stop), shown.node_strength[layer + 1][o], text, where)
        axis, start, over = 1 - axis, stop, ends
    return _placed(layout, names, outputs if rightward else 0.2, 0.2 if rightward else 0.3 + outputs * narrow)


def _point(axis: int, along: float, over: float) -> Point:
    return (along, over) if axis == 0 else (over, along)


def _node(layout: Layout, point: Point, strength: float, text: str, side: str) -> None:
    (dx, dy), horizontal, vertical, angle = {
        "left": ((-0.11, 0.0), "right", "center", 0.0),
        "right": ((0.11, 0.0), "left", "center", 0.0),
        "below": ((0.0, 0.1), "center", "top", 0.0),
        "tilted": ((0.0, 0.1), "center", "top", 90.0),
        "column": ((0.08, 0.0), "left", "center", 0.0),
        "row": ((0.0, -0.06), "center", "bottom", 0.0),
    }[side]
    layout.dots.append((point, strength))
    layout.texts.append(((point[0] + dx, point[1] + dy), text, horizontal, vertical, angle))


def _placed(layout: Layout, left: float, right: float, below: float) -> Layout:
    """Depths turned into heights, and room made for the texts at the edges of the page."""
    points = [point for wire, _ in layout.wires for point in wire]
    deepest, farthest = max(y for _, y in points) + below, max(x for x, _ in points)

    def move(point: Point) -> Point:
        return point[0] + left, deepest - point[1]

    return Layout(
        left + farthest + right + 0.25,
        deepest + 0.1,
        layout.cell,
        {edge: move(point) for edge, point in layout.cells.items()},
        [([move(point) for point in wire], strength) for wire, strength in layout.wires],
        [(move(point), strength) for point, strength in layout.dots],
        [(move(point), *rest) for point, *rest in layout.texts],
    )


def _steps(nodes: tuple[int, ...], start: float, pitch: float) -> dict[int, float]:
    return {node: start + (k + 0.5) * pitch for k, node in enumerate(nodes)}


def _spread(count: int, left: float, width: float) -> list[float]:
    return [left + width * (k + 0.5) / count for k in range(count)]


def _row_width(texts: list[str]) -> float:
    return len(texts) * (max(text_width(text, LABEL_SIZE) for text in texts) + 0.15)
