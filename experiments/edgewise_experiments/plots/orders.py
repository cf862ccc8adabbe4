"""Errors of derivatives of every order against the grid size, degree by degree, with the slopes of the theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from edgewise.errors import InputError
from edgewise.plot.style import FAINT, GREY, WIDTH, display_text, fix_layout, styled

# From dark to light, so that the order can be read in grey too.
_ORDERS = LinearSegmentedColormap.from_list("orders", ["#003a5d", "#0072B2", "#009E73", "#E69F00"])
_MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class OrderCurve:
    """The error in C^order against the grid size. exponent: the theory's."""

    order: int
    grids: Sequence[float]
    errors: Sequence[float]
    exponent: float


def order_panels(panels: Mapping[tuple[str, int], Sequence[OrderCurve]]) -> Figure:
    """A panel for each (row title, degree): rows by title, columns by degree; dashed lines have the theory's slope.

    Raises:
        InputError: there are no panels.
    """
    if not panels:
        raise InputError("panels must hold at least one panel, got none")
    titles = list(dict.fromkeys(title for title, _ in panels))
    degrees = sorted({degree for _, degree in panels})
    most = max(curve.order for curves in panels.values() for curve in curves)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.6 + 2.3 * len(titles)), layout="constrained")
        shared = {"sharex": "row", "sharey": "row", "squeeze": False}
        axes = figure.subplots(len(titles), len(degrees), **shared)
        for (title, degree), curves in panels.items():
            row, column = titles.index(title), degrees.index(degree)
            _panel(axes[row, column], curves, most)
            if row == 0:
                axes[row, column].set_title(f"$k={degree}$", loc="left")
        for row, title in enumerate(titles):
            axes[row, 0].set_ylabel(f"{display_text(title)}\nerror in $C^m$")
        for axis in axes[-1]:
            axis.set_xlabel("grid size $G$")
        found = {}
        for axis in axes.ravel():
            found |= {label: mark for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        labels = sorted(found)  # the dashed line's comes last
        figure.legend([found[label] for label in labels], labels, loc="outside upper center", ncols=len(labels))
        return fix_layout(figure)


def _panel(axis: Axes, curves: Sequence[OrderCurve], most: int) -> None:
    axis.set(xscale="log", yscale="log")
    for curve in curves:
        color = _ORDERS(curve.order / max(most, 1))
        marker = {"marker": _MARKERS[curve.order % len(_MARKERS)], "markersize": 3.2, "linestyle": "none"}
        axis.plot(curve.grids, curve.errors, color=color, label=f"$m={curve.order}$", **marker)
        # Through the middle measurement: above rounding, and where the function is resolved.
        middle = len(curve.grids) // 2
        sizes = np.array([min(curve.grids), max(curve.grids)], dtype=float)
        guide = curve.errors[middle] * (sizes / curve.grids[middle]) ** -curve.exponent
        style = {"color": color, "linewidth": 0.8, "linestyle": (0, (4, 2)), "zorder": 1}
        axis.plot(sizes, guide, label="slope $-(k+1-m)$" if curve.order == 0 else None, **style)
    grids = sorted({grid for curve in curves for grid in curve.grids})
    axis.xaxis.set_major_locator(FixedLocator(grids[:: 1 if len(grids) < 5 else 2]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_major_locator(LogLocator(numticks=7))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.grid(axis="y", color=FAINT, linewidth=0.4)
    axis.tick_params(labelcolor=GREY)
