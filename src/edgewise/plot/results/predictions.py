"""Figures of predictions against observations: numbers as points (`parity`), classes as a table (`confusion`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.plot.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    POINTS_PER_INCH,
    SHADES,
    SIZES,
    Figure,
    as_numpy,
    display_text,
    fix_layout,
    labels,
    panels,
    styled,
    text_width,
)
from edgewise.presentation import number_text, percent_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor


@typed
def parity(
    y: ArrayLike | Tensor, prediction: ArrayLike | Tensor, *, names: Sequence[str] | None = None, unit: str = ""
) -> Figure:
    """Draw predicted against observed values, a panel for each output, with the line where both are equal.

    Parameters
    ----------
    y, prediction : array-like
        (n,) or (n, outputs), observed and predicted values in one unit.
    names : sequence of str, optional
        Titles of the panels, one for each output; y1, y2, ... by default.
    unit : str
        Unit of `y`, for the axes.

    Returns
    -------
    matplotlib.figure.Figure
        Up to 2,000 rows are points, more are hexagons shaded by the logarithm of their count. R², RMSE (in the unit
        of `y`) and the number of rows stand in the corner.

    Raises
    ------
    InputError
        If the shapes differ, there are no rows, or a number is not finite.

    Examples
    --------
    >>> figure = parity([1.0, 2.0, 3.0, 4.0], [1.1, 1.9, 3.2, 3.9], unit="km")
    >>> figure.axes[0].get_ylabel()
    'predicted (km)'
    """
    observed = as_numpy(y, "y")
    predicted = as_numpy(prediction, "prediction")
    if observed.shape != predicted.shape or observed.ndim not in (1, 2) or 0 in observed.shape:
        raise InputError(
            f"y and prediction must have one shape (n,) or (n, outputs), got {observed.shape}, {predicted.shape}"
        )
    if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
        raise InputError("y and prediction must be finite, got infinite or undefined values")
    observed = observed.reshape(len(observed), -1)
    predicted = predicted.reshape(len(observed), -1)
    # A title for each output, and the unit beside the axes.
    count = observed.shape[1]
    if names is not None or count > 1:
        titles = labels(names, count, "y", "names")
    else:
        titles = [""]
    if unit:
        suffix = f" ({display_text(unit)})"
    else:
        suffix = ""
    with styled():
        columns = 3
        height = 2.5
        if count < 5:
            columns = 2
            height = 3.4
        figure, axes = panels(count, columns, height)
        for panel, title, column, estimate in zip(axes, titles, observed.T, predicted.T, strict=True):
            _draw_parity(panel, column, estimate)
            panel.set_title(title)
            panel.set_xlabel("observed" + suffix)
            panel.set_ylabel("predicted" + suffix)
        return fix_layout(figure)


def _draw_parity(panel: Axes, observed: np.ndarray, predicted: np.ndarray) -> None:
    low = min(observed.min(), predicted.min())
    high = max(observed.max(), predicted.max())
    pad = 0.04 * (high - low) or 0.5
    ends = (low - pad, high + pad)
    rows = len(observed)
    # Hexagons replace many points, which would cover each other and make large files.
    if rows <= 2000:
        opacity = min(0.75, 0.2 + 60 / rows)  # fainter where there are many, so that a crowd is darker than a point
        panel.scatter(observed, predicted, s=9, color=BLUE, alpha=opacity, linewidths=0)
    else:
        # Each hexagon is as wide as a large point.
        panel.hexbin(
            observed,
            predicted,
            gridsize=45,
            extent=(*ends, *ends),
            bins="log",
            mincnt=1,
            cmap=SHADES,
            vmin=0.3,
            linewidths=0.1,
        )
    panel.axline((low, low), slope=1, color=INK, linewidth=0.7, zorder=3)
    panel.set(xlim=ends, ylim=ends, aspect="equal")
    panel.locator_params(nbins=5)
    error = ((observed - predicted) ** 2).sum()
    spread = ((observed - observed.mean()) ** 2).sum()
    if spread > 0:
        score = f"$R^2$ = {1 - error / spread:.4f}\n"
    else:
        score = ""
    text = f"{score}RMSE = {number_text(np.sqrt(error / rows), 3)}\n{rows:,} rows"
    panel.text(0.04, 0.97, text, transform=panel.transAxes, ha="left", va="top", size=SIZES.small, linespacing=1.35)


@typed
def confusion(y: ArrayLike, prediction: ArrayLike, *, classes: Sequence[Any] | None = None) -> Figure:
    """Draw the confusion matrix: how often each observed class was predicted as each class.

    Parameters
    ----------
    y, prediction : array-like
        (n,), observed and predicted labels.
    classes : sequence, optional
        All labels in the order of the table; by default the sorted labels that occur.

    Returns
    -------
    matplotlib.figure.Figure
        Counts in the cells, shaded by the share of their row. At the right of each row the recall of the class,
        above each column the precision. The headline has the share of right predictions, and for evenly spaced
        numeric classes also the share of predictions that are off by at most one class.

    Raises
    ------
    InputError
        If the shapes differ, there are no rows, or a label is not among the classes.

    Examples
    --------
    >>> figure = confusion(["cat", "cat", "dog"], ["cat", "dog", "dog"])
    >>> figure.get_suptitle()
    '66.7 % of 3 right'
    """
    observed = np.asarray(y)
    predicted = np.asarray(prediction)
    if observed.shape != predicted.shape or observed.ndim != 1 or len(observed) == 0:
        raise InputError(f"y and prediction must have one shape (n,), got {observed.shape} and {predicted.shape}")
    if classes is None:
        shown = np.unique(np.concatenate([observed, predicted]))
    else:
        shown = np.asarray(classes)
        if shown.ndim != 1 or len(set(shown.tolist())) < len(shown):
            raise InputError(f"classes must be a sequence of different labels, got {classes!r:.80}")
    # The table of counts: observed classes in rows, predicted ones in columns.
    place = {label: k for k, label in enumerate(shown.tolist())}
    counts = np.zeros((len(place), len(place)), dtype=int)
    for pair in zip(observed.tolist(), predicted.tolist(), strict=True):
        try:
            counts[place[pair[0]], place[pair[1]]] += 1
        except KeyError as error:
            raise InputError(f"classes must hold every label, got {error.args[0]!r} besides") from None
    total = len(observed)
    headline = f"{percent_text(np.trace(counts) / total, 3)} of {total:,} right"
    # Classes at equal steps are ordered: being one off is worth saying.
    if shown.dtype.kind in "if" and len(shown) > 2:
        steps = np.diff(shown.astype(float))
    else:
        steps = np.array([])
    if len(steps) and np.allclose(steps, steps[0]):
        near = sum(np.trace(counts, offset) for offset in (-1, 0, 1))
        headline += f", {percent_text(near / total, 3)} at most one class off"
    with styled():
        return fix_layout(_draw_table(counts, [display_text(name, 18) for name in shown.tolist()], headline))


def _draw_table(counts: np.ndarray, names: list[str], headline: str) -> Figure:
    # Size of a cell and of its number; tables of at most six classes have a rate in each cell.
    n = len(names)
    has_rates = n <= 6
    frame = 2.2  # inches beside the table for its labels
    rows = counts.sum(1, keepdims=True)
    columns = counts.sum(0)
    share = counts / np.maximum(rows, 1)
    side = min(0.6 if has_rates else 0.4, (SIZES.page - frame) / n)  # inches of a cell
    size = max(5.0, min(SIZES.small, side * 24))  # points: a third of the cell's height, within what can be read
    name_size = max(size, 7)
    figure = Figure(figsize=(max(3.6, n * side + frame), n * side + 1.2), layout="constrained")
    axes = figure.subplots()
    # Cells, shaded by the share of their row.
    edges = np.arange(n + 1) - 0.5
    axes.pcolormesh(edges, edges, share, cmap=SHADES, vmin=0, vmax=1, ec=FAINT, lw=0.4)
    crowded = max(text_width(name, name_size) for name in names) > 0.95 * side
    axes.set_xticks(range(n), names, rotation=90 if crowded else 0, size=name_size)
    axes.set_yticks(range(n), names, size=name_size)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="observed", aspect="equal")
    axes.invert_yaxis()
    figure.suptitle(headline, fontsize=SIZES.text)
    axes.spines[:].set_visible(False)
    # In cells smaller than 9 points no number can be read.
    if side * POINTS_PER_INCH < 9:
        return figure
    # Counts, and at the margins recall and precision.
    for o, p in zip(*np.nonzero(counts), strict=True):
        color = "white" if share[o, p] > 0.5 else INK
        if has_rates:
            rate = f"\n{share[o, p]:.0%}"
        else:
            rate = ""
        axes.text(p, o, f"{counts[o, p]:,}{rate}", ha="center", va="center", color=color, size=size)

    def margin(x: float, y: float, text: str, ha: str, va: str, style: str = "normal") -> None:
        axes.text(x, y, text, ha=ha, va=va, size=size, color=GREY, style=style, clip_on=False)

    for k in range(n):
        recall = f"{share[k, k]:.0%}" if rows[k, 0] else "–"
        if columns[k]:
            precision = f"{counts[k, k] / columns[k]:.0%}"
        else:
            precision = "–"
        margin(n - 0.35, k, f"{recall} of {rows[k, 0]:,}", "left", "center")
        margin(k, -0.62, precision, "center", "bottom")
    margin(n - 0.35, -0.62, "recall", "left", "bottom", "italic")
    margin(-0.62, -0.62, "precision", "right", "bottom", "italic")
    return figure
