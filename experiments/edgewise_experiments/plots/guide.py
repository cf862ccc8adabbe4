"""A guide as a tree: needs, questions under each need, and for each question the advice with its evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.errors import InputError
from edgewise.plot.style import BLUE, COLORS, GREY, INK, ORANGE, SIZES, display_text, fix_layout, styled

_ROW, _NEEDS, _LEAVES = 0.62, 1.35, 2.75  # inches: height of a leaf, left ends of the columns of needs and of leaves
_MARK_COLORS = (BLUE, COLORS[5], ORANGE, GREY)  # in the order of the marks, which also have a sign each
_LINE = 78  # characters of a measurement on one line
_CROSSED = 2  # place of the mark whose advice is drawn in grey, as contradicted


@dataclass(frozen=True)
class GuideLeaf:
    """A leaf of the tree."""

    need: str
    question: str
    advice: str
    verdict: str
    measured: str


def guide_tree(title: str, leaves: Sequence[GuideLeaf], marks: Mapping[str, str]) -> Figure:
    """Draw the tree with its root at the left."""
    unknown = [leaf.verdict for leaf in leaves if leaf.verdict not in marks]
    if not leaves or unknown:
        raise InputError(f"leaves must be some, with verdicts of {', '.join(marks)}, got {unknown or 'none'}")
    height = _ROW * len(leaves) + 0.35
    with styled():
        figure = Figure(figsize=(SIZES.page, height))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZES.page), ylim=(0, height))
        axes.set_axis_off()
        centres = [height - _ROW * (number + 0.5) for number in range(len(leaves))]
        needs = list(dict.fromkeys(leaf.need for leaf in leaves))
        middle = height - _ROW * len(leaves) / 2
        axes.text(0.08, middle, "\n".join(textwrap.wrap(title, 12)), ha="left", va="center", weight="bold")
        for need in needs:
            own = [y for leaf, y in zip(leaves, centres, strict=True) if leaf.need == need]
            place = sum(own) / len(own)
            _branch(axes, (1.05, middle), (_NEEDS - 0.05, place))
            axes.text(_NEEDS, place, display_text(need), ha="left", va="center")
            for y in own:
                _branch(axes, (_NEEDS + 0.95, place), (_LEAVES - 0.18, y))
        for leaf, y in zip(leaves, centres, strict=True):
            color = _MARK_COLORS[list(marks).index(leaf.verdict) % len(_MARK_COLORS)]
            circle = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": color, "linewidth": 1.3}
            axes.text(
                _LEAVES, y, marks[leaf.verdict], ha="center", va="center", size=SIZES.small, color=color, bbox=circle
            )
            head = f"{display_text(leaf.question)}  {display_text(leaf.advice, 60)}"
            crossed = leaf.verdict == list(marks)[_CROSSED]
            axes.text(_LEAVES + 0.2, y + 0.14, head, ha="left", va="center", color=GREY if crossed else INK)
            lines = textwrap.wrap(f"{leaf.verdict}: {display_text(leaf.measured, 200)}", _LINE)[:2]
            axes.text(_LEAVES + 0.2, y + 0.02, "\n".join(lines), ha="left", va="top", size=SIZES.tiny, color=GREY)
        legend = "   ".join(f"({sign}) {verdict}" for verdict, sign in marks.items())
        axes.text(_LEAVES, 0.16, f"Marks: {legend}", ha="left", va="center", size=SIZES.small, color=GREY)
        return fix_layout(figure)


def _branch(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    middle = (start[0] + end[0]) / 2
    axes.plot([start[0], middle, middle, end[0]], [start[1], start[1], end[1], end[1]], color=GREY, linewidth=0.7)
