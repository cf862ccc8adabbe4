"""Errors of several models as dots by name, and as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError
from edgewise.plot.results.errors import check_positive
from edgewise.plot.style import (
    COLORS,
    GREY,
    INK,
    MARKERS,
    WIDTH,
    Figure,
    display_text,
    fix_layout,
    shared_legend,
    styled,
)

_LINE = 0.24  # inches for one name of a dot plot
_CUT = 3.0  # bars are cut at this multiple of the median (a choice: one failed model must not flatten all others)
_BARS = 0.8  # share of the width that the bars of one name fill; the rest is the gap to the next name

Spans = Mapping[str, Sequence["Span | None"]]


@dataclass(frozen=True)
class Span:
    """A value with the lowest and the highest of its repeats, for `error_dots` and `error_bar_chart`.

    Parameters
    ----------
    value, low, high : float
        The value that is marked, and the ends of the line through it, in one unit.

    Examples
    --------
    >>> Span.of([0.2, 0.1, 0.4])
    Span(value=0.2, low=0.1, high=0.4)
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Span:
        """Return the median of repeats with their extremes."""
        return cls(float(np.median(values)), float(min(values)), float(max(values)))


def error_dots(names: Sequence[str], series: Spans, *, xlabel: str) -> Figure:
    """Draw errors as dots on one logarithmic axis: a line for each name, a marker for each series.

    Parameters
    ----------
    names : sequence of str
        (n,), from top to bottom.
    series : mapping of str to sequence of Span or None
        For each series n values, None where there is none. The first series has filled markers, the others open
        ones; a bar spans the repeats.
    xlabel : str
        Quantity on the axis, with its unit.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If a series has another length than `names`, or a number is not positive.

    Examples
    --------
    >>> series = {"KAN": [Span.of([1e-6, 3e-6]), None], "MLP": [Span.of([1e-3]), Span.of([2e-3])]}
    >>> figure = error_dots(["sin", "exp"], series, xlabel="RMSE")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['sin', 'exp']
    """
    _check_series(names, series)
    for label, spans in series.items():
        check_positive([n for span in spans if span for n in (span.value, span.low)], f"the series {label!r}")
    with styled():
        figure = Figure(figsize=(WIDTH, 0.9 + _LINE * len(names)), layout="constrained")
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
    """Draw errors as bars from zero: a group for each name, a bar for each series, a whisker over the repeats.

    Parameters
    ----------
    names : sequence of str
        (n,), from left to right.
    series : mapping of str to sequence of Span or None
        For each series n values, None where there is none.
    ylabel : str
        Quantity on the axis, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Bars above three times the median of the upper ends are cut there, with their value written on top.

    Raises
    ------
    InputError
        If a series has another length than `names`.

    Examples
    --------
    >>> series = {"KAN": [Span.of([1.0, 1.2])], "MLP": [Span.of([1.9, 2.1])]}
    >>> figure = error_bar_chart(["10 % noise"], series, ylabel="error (%)")
    >>> [f"{bar.get_height():.1f}" for bar in figure.axes[0].patches]
    ['1.1', '2.0']
    """
    _check_series(names, series)
    values = [span.high for spans in series.values() for span in spans if span is not None]
    top = min(max(values), _CUT * float(np.median(values))) * 1.08
    width = _BARS / len(series)
    with styled():
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
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


def _check_series(names: Sequence[str], series: Spans) -> None:
    if not names or not any(span is not None for spans in series.values() for span in spans):
        raise InputError("series must hold at least one value, got none")
    for label, spans in series.items():
        if len(spans) != len(names):
            raise InputError(f"the series {label!r} must have {len(names)} entries like names, got {len(spans)}")
