"""Errors of derivatives of every order against the grid size for each degree, with the exponents of the theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from edgewise.plot.style import GREY, SIZES, decade_ticks, display_text, fix_layout, styled

# From dark to light, so that the order also shows in a print without colours.
_ORDERS = LinearSegmentedColormap.from_list("orders", ["#003a5d", "#0072B2", "#009E73", "#E69F00"])
_MARKERS = ("o", "s", "^", "D", "v", "P")
_MOST_TICKS = 4  # grid sizes; of more every second one is labelled


@dataclass(frozen=True)
class OrderCurve:
    """The error in the norm of C^order against the grid size."""

    order: int
    grids: Sequence[float]
    errors: Sequence[float]
    exponent: float


def order_panels(panels: Mapping[tuple[str, int], Sequence[OrderCurve]]) -> Figure:
    """Draw a panel for each title (a row) and degree (a column); dashed lines have the exponent of the theory."""
    assert panels
    titles = list(dict.fromkeys(title for title, _ in panels))
    degrees = sorted({degree for _, degree in panels})
    most = max(curve.order for curves in panels.values() for curve in curves)
    with styled():
        figure = Figure(figsize=(SIZES.page, 0.6 + 2.3 * len(titles)), layout="constrained")
        axes = figure.subplots(len(titles), len(degrees), sharex="row", sharey="row", squeeze=False)
        for (title, degree), curves in panels.items():
            row, column = titles.index(title), degrees.index(degree)
            _draw_panel(axes[row, column], curves, most)
            if row == 0:
                axes[row, column].set_title(f"$k={degree}$")
        for row, title in enumerate(titles):
            axes[row, 0].set_ylabel(f"{display_text(title)}\nerror in $C^m$")
        for axis in axes[-1]:
            axis.set_xlabel("grid size $G$")
        marks: dict[str, Artist] = {}
        for axis in axes.ravel():
            handles, names = axis.get_legend_handles_labels()
            marks |= dict(zip(names, handles, strict=True))
        labels = sorted(marks)  # that of the dashed lines is the last
        figure.legend([marks[label] for label in labels], labels, loc="outside upper center", ncols=len(labels))
        return fix_layout(figure)


def _draw_panel(axis: Axes, curves: Sequence[OrderCurve], most: int) -> None:
    axis.set(xscale="log", yscale="log")
    for curve in curves:
        color = _ORDERS(curve.order / max(most, 1))
        marker, label = _MARKERS[curve.order % len(_MARKERS)], f"$m={curve.order}$"
        axis.plot(curve.grids, curve.errors, color=color, label=label, marker=marker, markersize=3.2, linestyle="none")
        # The guide passes through the middle measurement: above rounding, and where the grid resolves the function.
        middle = len(curve.grids) // 2
        sizes = np.array([min(curve.grids), max(curve.grids)], dtype=float)
        guide = curve.errors[middle] * (sizes / curve.grids[middle]) ** -curve.exponent
        label = "slope $-(k+1-m)$" if curve.order == 0 else ""
        axis.plot(sizes, guide, label=label, color=color, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    grids = sorted({grid for curve in curves for grid in curve.grids})
    axis.xaxis.set_major_locator(FixedLocator(grids[:: 1 if len(grids) <= _MOST_TICKS else 2]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    decade_ticks(axis.yaxis, 7)
    axis.grid(axis="y")
    axis.tick_params(labelcolor=GREY)
