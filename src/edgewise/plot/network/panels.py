"""Parts that the figures of curves share: panels, curves with bands, and histograms of the data under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis

from edgewise.interpret.attribution.effects import InputKind
from edgewise.plot.style import (
    BAND_OPACITY,
    COLORS,
    GREY,
    INK,
    SIZES,
    display_text,
    draw_density,
    fitted_title,
    text_width,
)

MOST_LEVELS = 12  # levels of a category with a bar of their own, those with the largest effects
NAME = 16  # most characters of the name of an output in a legend


def level_ticks(panel: Axes, names: Sequence[str], count: int) -> None:
    """Name the bars of a category at 0, 1, ..., and note how many of its `count` levels have none."""
    # Short names, turned where they would not fit beside each other.
    texts = [display_text(name, 14) for name in names]
    crowded = sum(text_width(text, SIZES.tiny) + 0.08 for text in texts) > panel.get_position().width * SIZES.page
    turned, side = (40, "right") if crowded else (0, "center")
    panel.set_xticks(range(len(texts)), texts, size=SIZES.tiny, rotation=turned, ha=side)
    panel.tick_params(axis="x", length=0)
    panel.set_xlim(-0.6, len(texts) - 0.4)
    if len(texts) < count:
        panel.set_title(f"{count - len(texts)} levels not shown", loc="right", fontsize=SIZES.tiny, color=GREY)


def level_bars(
    panel: Axes,
    heights: np.ndarray,
    base: float,
    place: tuple[int, int],
    look: tuple[str, str],
    band: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    """Draw the bars of one output, one for each level of a category, from `base` to the heights (levels,).

    `place` is the number of the output among those beside each other, and how many they are; `look` colour and label.
    The band has the ends of lines of uncertainty; the last levels may have none.
    """
    number, count = place
    color, label = look
    # The bars of one level together leave a gap to the next.
    width = 0.72 / max(count, 1)
    x = np.arange(len(heights)) + (number - (count - 1) / 2) * width
    panel.bar(x, heights - base, width, bottom=base, color=color, label=label, zorder=2)
    # A line at the end of each bar, so that a level without an effect is seen too.
    panel.hlines(heights, x - width / 2, x + width / 2, color=color, linewidth=1.4, zorder=4)
    if band is not None:
        panel.vlines(x[: len(band[0])], *band, color=INK, linewidth=0.9, zorder=5)


def date_ticks(axis: Axis, kind: InputKind | None, points: np.ndarray) -> None:
    """Write the ticks of a column of dates as dates; other columns stay as they are."""
    if kind is not None and not kind.level_names and kind.text(0.0) not in ("0", "0.0"):  # days of a calendar
        axis.set_ticks(*_date_places(kind.text, float(points.min()), float(points.max())))


def _date_places(text: Callable[[float], str], low: float, high: float) -> tuple[np.ndarray, list[str]]:
    """Return the places and labels of two or three firsts of months or years, or of two days of a short time."""
    start, end = (np.datetime64(text(day), "D") for day in (low, high))
    months = np.arange(start.astype("datetime64[M]") + 1, end.astype("datetime64[M]") + 1)
    numbers = months.astype(int) + 12 * 1970  # since the year 0, so that steps of years give round years
    for step in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000):
        chosen = months[numbers % step == 0]
        # No more ticks, since the labels of dates are wide.
        if 2 <= len(chosen) <= 3:
            places = (chosen.astype("datetime64[D]") - start).astype(int) + np.floor(low)
            return places, [str(month)[: -3 if step % 12 == 0 else None] for month in chosen]
    # A few days have no round dates between them.
    ends = np.unique(np.round(np.quantile([low, high], (0.1, 0.9))))
    return ends, [text(day) for day in ends]


def curve_style(number: int) -> tuple[str, object]:
    """Return the colour and the dashes of the output with this number; those of the first 36 outputs differ."""
    dashes = ("-", (0, (5, 1.5)), (0, (1.2, 1.5)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)), (0, (2.5, 1.2)))
    color = number % len(COLORS)
    turn = number // len(COLORS)
    return COLORS[color], dashes[(color + turn) % len(dashes)]


def draw_function(
    panel: Axes,
    curve: tuple[np.ndarray, np.ndarray],
    band: tuple[np.ndarray, np.ndarray] | None,
    discrete: bool,
    number: int,
    label: str,
) -> None:
    """Draw the curve of the output `number` as a line, with markers for an input with few values, and its band."""
    color, dashes = curve_style(number)
    if band is not None:
        panel.fill_between(curve[0], *band, color=color, alpha=BAND_OPACITY, linewidth=0)
    (line,) = panel.plot(*curve, color=color, linestyle=dashes, label=label, zorder=3)
    if discrete:
        line.set(marker="o", markersize=3.5, linewidth=0.7)


def panel_titles(axes: Sequence[Axes], titles: Sequence[str]) -> None:
    """Set the titles of adjacent panels."""
    width = 5.9 / min(SIZES.columns, len(axes))  # inches of all titles of a row
    if len(axes) == 1:
        width = 0.5 * SIZES.page
    for panel, title in zip(axes, titles, strict=True):
        fitted_title(panel, title, width)


def draw_densities(axes: Sequence[Axes], data: Sequence[np.ndarray | None]) -> None:
    """Make space below the curves, set the ticks, and draw a histogram of the data; None leaves a panel as it is."""
    free = 0.19  # share of a panel at the bottom for the histogram
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low - free * (high - low) / (1 - free), high)
    for panel, values in zip(axes, data, strict=True):
        if values is None:
            continue
        levels = np.unique(values[np.isfinite(values)])
        # A few different values are the ticks themselves: no 0.25 between 0 and 1 of a flag.
        if len(levels) in (2, 3, 4):
            panel.set_xticks(levels)
        else:
            panel.locator_params(axis="x", nbins=5)
        draw_density(panel, values)
