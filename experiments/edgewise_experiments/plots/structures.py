"""The tree of a function's parts as a figure (`structure_figure`)."""

from __future__ import annotations

from edgewise.errors import InputError
from edgewise.plot.style import GREY, INK, SIZES, Figure, display_text, styled, text_width
from edgewise_experiments.formulas.structure_tree import StructureTree

# Inches: height of a level, least distance of two leaves, margin, and the free space beside a label.
_LEVEL = 0.52
_LEAF = 0.5
_MARGIN = 0.25
_BESIDE = 0.22
_SIGNS = {"sum": "$+$", "product": r"$\times$", "function": "$f$"}

Place = tuple[StructureTree, float, float]  # a node, its place from left to right, and its level


def structure_figure(tree: StructureTree) -> Figure:
    """Draw the tree of a function's parts: the function at the top, its inputs at the bottom."""
    if not isinstance(tree, StructureTree):
        raise InputError(f"tree must be a StructureTree, as structure_tree gives it, got {type(tree).__name__}")
    depth = _depth(tree)
    labels = {name: display_text(name) for name in tree.leaves}
    pitch = max([_LEAF, *(text_width(text, SIZES.text) + _BESIDE for text in labels.values())])
    places: list[Place] = []
    wires: list[tuple[tuple[float, float], tuple[float, float]]] = []
    leaves = 0

    def place(node: StructureTree, level: int) -> tuple[float, float]:
        nonlocal leaves
        here = len(places)
        places.append((node, 0.0, 0.0))
        if node.parts:
            ends = [place(part, level + 1) for part in node.parts]
            across = (ends[0][0] + ends[-1][0]) / 2
            height = (depth - level) * _LEVEL
            wires.extend(((across, height), end) for end in ends)
        else:
            across = (leaves + 0.5) * pitch
            if node.kind == "input":
                height = 0.0
            else:
                height = (depth - level) * _LEVEL
            leaves += 1
        places[here] = (node, across, height)
        return across, height

    place(tree, 0)
    widest = max(text_width(_label(node, labels), SIZES.text) for node, *_ in places)
    width = max(leaves * pitch, widest + _BESIDE)
    height = depth * _LEVEL
    shift = _MARGIN + (width - leaves * pitch) / 2
    with styled():
        figure = Figure(figsize=(width + 2 * _MARGIN, height + 2 * _MARGIN))
        size = figure.get_size_inches()
        axes = figure.add_axes((0, 0, 1, 1), xlim=(-shift, size[0] - shift), ylim=(-_MARGIN, height + _MARGIN))
        axes.set_axis_off()
        for (x, y), (u, v) in wires:
            axes.plot([x, u], [y, v], color=GREY, linewidth=0.8, zorder=1)
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.6}
        for node, x, y in places:
            text = _label(node, labels)
            axes.text(x, y, text, ha="center", va="center", size=SIZES.text + 1, color=INK, zorder=2, bbox=behind)
    return figure


def _label(node: StructureTree, labels: dict[str, str]) -> str:
    if node.kind == "input":
        return labels[node.label]
    return _SIGNS.get(node.kind, display_text(node.label))


def _depth(tree: StructureTree) -> int:
    if tree.parts:
        return 1 + max(map(_depth, tree.parts))
    return 0
