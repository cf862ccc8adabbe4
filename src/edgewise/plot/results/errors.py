"""Errors of several models as curves against a size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from edgewise.errors import InputError
from edgewise.plot.style import (
    COLORS,
    MARKERS,
    WIDTH,
    Figure,
    decade_ticks,
    display_text,
    fitted_title,
    fix_layout,
    panels,
    shared_legend,
    styled,
)

_GUIDE = 2.0  # guides start at this multiple of the first error, so that they do not cover the curve
_TICK_LABELS = 7  # labels that a size axis has space for


@dataclass(frozen=True)
class Curve:
    """An error against a size, for `error_curves`; all numbers are positive.

    Parameters
    ----------
    label : str
        Name in the legend; curves with the same label have the same colour in every panel.
    x, y : sequence of float
        (n,), sizes and errors.
    slope : float, optional
        Exponent of a dashed guide y ~ x**slope through (x[0], 2 y[0]); no guide by default.
    loose : sequence of (float, float)
        Further points (x, y), drawn as small open markers.

    Examples
    --------
    >>> Curve("KAN", x=[5, 10, 20], y=[1e-2, 6e-4, 4e-5], slope=-4).label
    'KAN'
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    slope: float | None = None
    loose: Sequence[tuple[float, float]] = ()


def error_curves(groups: Mapping[str, Sequence[Curve]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw errors against sizes on logarithmic axes, one panel for each group of curves.

    Parameters
    ----------
    groups : mapping of str to sequence of Curve
        Title and curves of each panel; a label has the same colour and marker in all panels.
    xlabel, ylabel : str
        Quantities on the axes, with their units.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no curve, or a number of a curve is not positive.

    Examples
    --------
    >>> curve = Curve("KAN", x=[5, 10, 20], y=[1e-2, 6e-4, 4e-5], slope=-4)
    >>> figure = error_curves({"f(x) = sin x": [curve]}, xlabel="grid size", ylabel="RMSE")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['KAN', 'slope −4']
    """
    names = list(dict.fromkeys(curve.label for curves in groups.values() for curve in curves))
    for curve in (curve for curves in groups.values() for curve in curves):
        check_positive([*curve.x, *curve.y, *chain(*curve.loose)], f"the curve {curve.label!r}")
    if not names:
        raise InputError("groups must hold at least one curve, got none")
    with styled():
        figure, axes = panels(len(groups), 2, 2.7)
        for panel, (title, curves) in zip(axes, groups.items(), strict=True):
            panel.set(xscale="log", yscale="log")
            for curve in curves:
                kind = names.index(curve.label)
                _draw_curve(panel, curve, COLORS[kind % len(COLORS)], MARKERS[kind % len(MARKERS)])
            fitted_title(panel, display_text(title, 80), 0.42 * WIDTH if len(axes) > 1 else 0.5 * WIDTH)
            size_ticks(panel, [x for curve in curves for x in (*curve.x, *(x for x, _ in curve.loose))])
            _error_ticks(panel)
            panel.grid(axis="y")
        for panel in axes[-2:]:
            panel.set_xlabel(xlabel)
        for panel in axes[::2]:
            panel.set_ylabel(ylabel)
        shared_legend(figure, axes)
        return fix_layout(figure)


def _draw_curve(panel: Axes, curve: Curve, color: str, marker: str) -> None:
    """Draw a curve, its loose points, and the line that its error would follow with the slope of the theory."""
    panel.plot(
        curve.x, curve.y, label=display_text(curve.label), markersize=4, linewidth=1.2, color=color, marker=marker
    )
    if curve.loose:
        panel.plot(
            *zip(*curve.loose, strict=True),
            color=color,
            marker=marker,
            linestyle="none",
            markersize=3,
            markerfacecolor="none",
            alpha=0.5,
            zorder=1,
        )
    if curve.slope is None or len(curve.x) < 2 or min(curve.y) > curve.y[0] / 2:
        return  # a curve that does not fall has no rate to compare with
    start, first = curve.x[0], _GUIDE * curve.y[0]
    last = min(curve.x[-1], start * (min(curve.y) / first) ** (1 / curve.slope))  # the guide ends as low as the curve
    label = f"slope {curve.slope:g}".replace("-", "\N{MINUS SIGN}")
    ends = [first, first * (last / start) ** curve.slope]
    panel.plot([start, last], ends, color=color, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label=label)


def size_ticks(panel: Axes, sizes: Sequence[float]) -> None:
    """Label a logarithmic x axis with the sizes themselves, as many as do not overlap."""
    apart = max(1.5, (max(sizes) / min(sizes)) ** (1 / _TICK_LABELS))
    ticks, last = [], 0.0
    for size in sorted(set(sizes)):
        if size >= apart * last:
            ticks.append(size)
            last = size
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter("{x:,.0f}")


def _error_ticks(panel: Axes) -> None:
    """Label a logarithmic y axis with powers of ten, and with 2 and 5 times these where there would be too few."""
    low, high = panel.get_ylim()
    if math.floor(math.log10(high)) - math.ceil(math.log10(low)) >= 1:
        decade_ticks(panel.yaxis)
        return
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    few = sum(low <= tick <= high for tick in ticks) < 2
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(MaxNLocator(4) if few else FixedLocator(ticks))
    panel.set_ylim(low, high)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def check_positive(values: Sequence[float], name: str) -> None:
    """Raise an InputError unless all numbers, of which `name` says what they are, are positive and finite."""
    wrong = [value for value in values if not (value > 0 and math.isfinite(value))]
    if wrong:
        raise InputError(f"{name} must have positive numbers, got {wrong[0]}")
