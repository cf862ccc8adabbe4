"""Errors of models beside each other: against a size, function by function, and as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from edgewise.errors import InputError
from edgewise.plot import style
from edgewise.plot.style import COLORS, FAINT, GREY, INK, MARKERS, WIDTH, panels, plain, settled, styled

_LINE = 0.24  # inches for one function of a dot plot


@dataclass(frozen=True)
class Curve:
    """An error y against a size x, both positive. slope: of a dashed line through its first point, None for none.
    loose: points (x, y) beside the curve, drawn open and smaller."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    slope: float | None = None
    loose: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Span:
    """A value with the lowest and the highest of its repeats."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Span:
        """Median and extremes."""
        return cls(float(np.median(values)), float(min(values)), float(max(values)))


def error_curves(groups: Mapping[str, Sequence[Curve]], *, xlabel: str, ylabel: str) -> Figure:
    """A panel for each group of curves, both axes logarithmic, colours and markers by label, the same in all panels.

    Raises:
        InputError: no group, or a curve has a number that is not positive.
    """
    labels = list(dict.fromkeys(curve.label for curves in groups.values() for curve in curves))
    for curve in (curve for curves in groups.values() for curve in curves):
        _check_positive([*curve.x, *curve.y, *chain(*curve.loose)], f"the curve {curve.label!r}")
    if not labels:
        raise InputError("groups must hold at least one curve, got none")
    with styled():
        figure, axes = panels(len(groups), 2, 2.7)
        for panel, (title, curves) in zip(axes, groups.items(), strict=True):
            panel.set(xscale="log", yscale="log")
            for curve in curves:
                kind = labels.index(curve.label)
                look = {"color": COLORS[kind % len(COLORS)], "marker": MARKERS[kind % len(MARKERS)]}
                panel.plot(curve.x, curve.y, label=plain(curve.label), markersize=4, linewidth=1.2, **look)
                if curve.loose:
                    open_marks = {"linestyle": "none", "markersize": 3, "markerfacecolor": "none", "alpha": 0.5}
                    panel.plot(*zip(*curve.loose, strict=True), **look, **open_marks, zorder=1)
                _guide(panel, curve, look["color"])
            style.title(panel, plain(title, 80), 0.42 * WIDTH if len(axes) > 1 else 0.5 * WIDTH)
            size_ticks(panel, [x for curve in curves for x in (*curve.x, *(x for x, _ in curve.loose))])
            _powers(panel)
            panel.grid(axis="y", color=FAINT, linewidth=0.4)
        for panel in axes[-2:]:
            panel.set_xlabel(xlabel)
        for panel in axes[::2]:
            panel.set_ylabel(ylabel)
        style.legend(figure, axes)
        return settled(figure)


def error_dots(names: Sequence[str], series: Mapping[str, Sequence[Span | None]], *, xlabel: str) -> Figure:
    """A line for each name with a mark for each series on one logarithmic axis; the spread of repeats as a bar.

    The first series is drawn filled, the others open. None: no mark.

    Raises:
        InputError: a series has another length than names, or a number is not positive.
    """
    _check_series(names, series)
    for label, spans in series.items():
        _check_positive([n for span in spans if span for n in (span.value, span.low)], f"the series {label!r}")
    with styled():
        figure = Figure(figsize=(WIDTH, 0.9 + _LINE * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for number, (label, spans) in enumerate(series.items()):
            color = COLORS[number % len(COLORS)]
            places = [(k, span) for k, span in enumerate(spans) if span is not None]
            axes.hlines(
                [k for k, _ in places], [s.low for _, s in places], [s.high for _, s in places], color=color, lw=1
            )
            axes.plot(
                [span.value for _, span in places],
                [k for k, _ in places],
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                markersize=5.5,
                color=color,
                markerfacecolor=color if number == 0 else "white",
                markeredgewidth=1.1,
                label=plain(label),
            )
        axes.set_yticks(range(len(names)), [plain(name, 60) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(xlabel)
        axes.grid(axis="both", color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
        style.legend(figure, [axes])
        return settled(figure)


def error_bars(names: Sequence[str], series: Mapping[str, Sequence[Span | None]], *, ylabel: str) -> Figure:
    """A group of bars for each name, one for each series, from zero; whiskers are the spread of repeats.

    Bars much higher than the others are cut at the top and say their value.

    Raises:
        InputError: a series has another length than names.
    """
    _check_series(names, series)
    values = [span.high for spans in series.values() for span in spans if span is not None]
    top = min(max(values), 3 * float(np.median(values))) * 1.08
    width = 0.8 / len(series)
    with styled():
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axes = figure.subplots()
        for number, (label, spans) in enumerate(series.items()):
            for k, span in enumerate(spans):
                if span is None:
                    continue
                x = k - 0.4 + (number + 0.5) * width
                color, label_once = COLORS[number % len(COLORS)], plain(label) if k == 0 else None
                axes.bar(x, min(span.value, top), 0.92 * width, color=color, label=label_once)
                if span.value > top:
                    axes.text(x, top, f"{span.value:.0f}", ha="center", va="bottom", size=6.5, color=GREY)
                else:
                    axes.vlines(x, span.low, min(span.high, top), color=INK, linewidth=0.7)
        axes.set_xticks(range(len(names)), [plain(name) for name in names])
        axes.tick_params(axis="x", length=0)
        axes.set(ylabel=ylabel, ylim=(0, top), xlim=(-0.6, len(names) - 0.4))
        axes.grid(axis="y", color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
        style.legend(figure, [axes])
        return settled(figure)


def _guide(panel: Axes, curve: Curve, color: str) -> None:
    """The line that the error would follow, a little above the curve, as far down as the curve."""
    if curve.slope is None or len(curve.x) < 2 or min(curve.y) > curve.y[0] / 2:
        return  # nothing falls that a line could be set beside
    start, first = curve.x[0], 2 * curve.y[0]
    last = min(curve.x[-1], start * (min(curve.y) / first) ** (1 / curve.slope))
    label = f"slope {curve.slope:g}".replace("-", "\N{MINUS SIGN}")
    ends = [first, first * (last / start) ** curve.slope]
    panel.plot([start, last], ends, color=color, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label=label)


def size_ticks(panel: Axes, sizes: Sequence[float]) -> None:
    """The sizes themselves as ticks of a logarithmic x axis, as many as have room."""
    apart = max(1.5, (max(sizes) / min(sizes)) ** (1 / 7))  # a label takes up to a seventh of the axis
    ticks, last = [], 0.0
    for size in sorted(set(sizes)):
        if size >= apart * last:
            ticks.append(size)
            last = size
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _powers(panel: Axes) -> None:
    """Ticks of a logarithmic y axis: powers of ten, and 2 and 5 times these where there would be too few."""
    low, high = panel.get_ylim()
    panel.yaxis.set_minor_locator(NullLocator())
    if math.floor(math.log10(high)) - math.ceil(math.log10(low)) >= 1:
        panel.yaxis.set_major_locator(LogLocator(numticks=8))
        return
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    few = sum(low <= tick <= high for tick in ticks) < 2
    panel.yaxis.set_major_locator(MaxNLocator(4) if few else FixedLocator(ticks))
    panel.set_ylim(low, high)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _check_series(names: Sequence[str], series: Mapping[str, Sequence[Span | None]]) -> None:
    if not names or not any(span is not None for spans in series.values() for span in spans):
        raise InputError("series must hold at least one value, got none")
    for label, spans in series.items():
        if len(spans) != len(names):
            raise InputError(f"the series {label!r} must have {len(names)} entries like names, got {len(spans)}")


def _check_positive(values: Sequence[float], what: str) -> None:
    wrong = [value for value in values if not (value > 0 and math.isfinite(value))]
    if wrong:
        raise InputError(f"{what} must have positive numbers, got {wrong[0]}")
