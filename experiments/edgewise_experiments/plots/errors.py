"""Figures that compare the errors of several models: curves against a size, dots by name, and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from edgewise.plot.style import (
    COLORS,
    GREY,
    INK,
    MARKERS,
    SIZES,
    Figure,
    decade_ticks,
    display_text,
    fitted_title,
    fix_layout,
    panels,
    shared_legend,
    styled,
)

_LINE = 0.24  # inches for one name of a dot plot
_CUT = 3.0  # bars are cut at this multiple of the median: one failed model must not flatten all others
_BARS = 0.8  # share of the width that the bars of one name fill; the rest is the gap to the next name
_GUIDE = 2.0  # guides start at this multiple of the first error, so that they do not cover the curve
_TICK_LABELS = 7  # labels that a size axis has space for

Spans = Mapping[str, Sequence["Span | None"]]


@dataclass(frozen=True)
class Curve:
    """An error against a size, for `error_curves`; all numbers are positive."""

    label: str  # curves with the same label have the same colour in every panel
    x: Sequence[float]
    y: Sequence[float]
    slope: float | None = None  # exponent of a dashed guide y ~ x**slope through (x[0], 2 y[0])
    loose: Sequence[tuple[float, float]] = ()  # further points (x, y), drawn as small open markers


@dataclass(frozen=True)
class Span:
    """A value with the lowest and the highest of its repeats, for `error_dots` and `error_bar_chart`."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Span:
        """Return the median of repeats with their extremes."""
        return cls(float(np.median(values)), float(min(values)), float(max(values)))


def error_curves(groups: Mapping[str, Sequence[Curve]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw errors against sizes on logarithmic axes, one panel for each group of curves."""
    names = list(dict.fromkeys(curve.label for curves in groups.values() for curve in curves))
    assert names
    for curve in (curve for curves in groups.values() for curve in curves):
        assert _are_positive([*curve.x, *curve.y, *chain(*curve.loose)]), curve.label
    with styled():
        figure, axes = panels(len(groups), 2, 2.7)
        for panel, (title, curves) in zip(axes, groups.items(), strict=True):
            panel.set(xscale="log", yscale="log")
            for curve in curves:
                kind = names.index(curve.label)
                _draw_curve(panel, curve, COLORS[kind % len(COLORS)], MARKERS[kind % len(MARKERS)])
            fitted_title(panel, display_text(title, 80), 0.42 * SIZES.page if len(axes) > 1 else 0.5 * SIZES.page)
            size_ticks(panel, [x for curve in curves for x in (*curve.x, *(x for x, _ in curve.loose))])
            _error_ticks(panel)
            panel.grid(axis="y")
        for panel in axes[-2:]:
            panel.set_xlabel(xlabel)
        for panel in axes[::2]:
            panel.set_ylabel(ylabel)
        shared_legend(figure, axes)
        return fix_layout(figure)


def error_dots(names: Sequence[str], series: Spans, *, xlabel: str) -> Figure:
    """Draw errors as dots on one logarithmic axis: a line for each name, a marker for each series."""
    for label, spans in series.items():
        assert len(spans) == len(names)
        assert _are_positive([n for span in spans if span for n in (span.value, span.low)]), label
    with styled():
        figure = Figure(figsize=(SIZES.page, 0.9 + _LINE * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for number, (label, spans) in enumerate(series.items()):
            color = COLORS[number % len(COLORS)]
            rows = [(k, span) for k, span in enumerate(spans) if span is not None]
            places = [k for k, _ in rows]
            axes.hlines(places, [s.low for _, s in rows], [s.high for _, s in rows], color=color, lw=1)
            axes.plot(
                [span.value for _, span in rows],
                places,
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                markersize=5.5,
                color=color,
                markerfacecolor=color if number == 0 else "white",
                markeredgewidth=1.1,
                label=display_text(label),
            )
        axes.set_yticks(range(len(names)), [display_text(name, 60) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(xlabel)
        axes.grid(axis="both")
        axes.set_axisbelow(True)
        shared_legend(figure, [axes])
        return fix_layout(figure)


def error_bar_chart(names: Sequence[str], series: Spans, *, ylabel: str) -> Figure:
    """Draw errors as bars from zero: a group for each name, a bar for each series, a whisker over the repeats."""
    values = [span.high for spans in series.values() for span in spans if span is not None]
    top = min(max(values), _CUT * float(np.median(values))) * 1.08
    width = _BARS / len(series)
    with styled():
        figure = Figure(figsize=(SIZES.page, 3.0), layout="constrained")
        axes = figure.subplots()
        for number, (label, spans) in enumerate(series.items()):
            color = COLORS[number % len(COLORS)]
            for k, span in enumerate(spans):
                if span is None:
                    continue
                x = k - _BARS / 2 + (number + 0.5) * width
                once = display_text(label) if k == 0 else None
                axes.bar(x, min(span.value, top), 0.92 * width, color=color, label=once)
                if span.value > top:
                    axes.text(x, top, f"{span.value:.0f}", ha="center", va="bottom", size=6.5, color=GREY)
                else:
                    axes.vlines(x, span.low, min(span.high, top), color=INK, linewidth=0.7)
        axes.set_xticks(range(len(names)), [display_text(name) for name in names])
        axes.tick_params(axis="x", length=0)
        axes.set(ylabel=ylabel, ylim=(0, top), xlim=(-0.6, len(names) - 0.4))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        shared_legend(figure, [axes])
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
    start = curve.x[0]
    first = _GUIDE * curve.y[0]
    last = min(curve.x[-1], start * (min(curve.y) / first) ** (1 / curve.slope))  # the guide ends as low as the curve
    label = f"slope {curve.slope:g}".replace("-", "\N{MINUS SIGN}")
    ends = [first, first * (last / start) ** curve.slope]
    panel.plot([start, last], ends, color=color, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label=label)


def size_ticks(panel: Axes, sizes: Sequence[float]) -> None:
    """Label a logarithmic x axis with the sizes themselves, as many as do not overlap."""
    apart = max(1.5, (max(sizes) / min(sizes)) ** (1 / _TICK_LABELS))
    ticks = []
    last = 0.0
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


def _are_positive(values: Sequence[float]) -> bool:
    return all(value > 0 and math.isfinite(value) for value in values)
