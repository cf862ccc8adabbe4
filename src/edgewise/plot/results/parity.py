"""Predicted against observed: numbers as points about the diagonal, classes as a table of counts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.errors import InputError
from edgewise.plot.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    SHADES,
    WIDTH,
    as_numpy,
    labels,
    panels,
    plain,
    settled,
    styled,
    text_width,
)

_POINTS = 2000  # above, hexagons: so many points would be one blot, and a large file


def parity(y, prediction, *, names: Sequence[str] | None = None, unit: str = "") -> Figure:
    """Predicted against observed values, a panel for each output, with the line where both are equal.

    Up to 2,000 rows are points, more are hexagons shaded by the logarithm of their count. R² and RMSE (in the unit
    of y) are of the rows shown.

    Args:
        y, prediction: (n,) or (n, outputs), the same shape.
        names: of the outputs. unit: of y, for the axes.

    Raises:
        InputError: the shapes differ, there are no rows, or a number is not finite.
    """
    y, prediction = as_numpy(y, "y"), as_numpy(prediction, "prediction")
    if y.shape != prediction.shape or y.ndim not in (1, 2) or 0 in y.shape:
        raise InputError(
            f"y and prediction must have one shape (n,) or (n, outputs), got {y.shape}, {prediction.shape}"
        )
    if not (np.isfinite(y).all() and np.isfinite(prediction).all()):
        raise InputError("y and prediction must be finite, got infinite or undefined values")
    y, prediction = y.reshape(len(y), -1), prediction.reshape(len(y), -1)
    titles = labels(names, y.shape[1], "y", "names") if names is not None or y.shape[1] > 1 else [""]
    suffix = f" ({plain(unit)})" if unit else ""
    with styled():
        figure, axes = panels(y.shape[1], 2 if y.shape[1] < 5 else 3, 3.4 if y.shape[1] < 5 else 2.5)
        for panel, title, seen, said in zip(axes, titles, y.T, prediction.T, strict=True):
            _parity_panel(panel, seen, said)
            panel.set_title(title, loc="left")
            panel.set_xlabel("observed" + suffix)
            panel.set_ylabel("predicted" + suffix)
        return settled(figure)


def _parity_panel(panel: Axes, seen: np.ndarray, said: np.ndarray) -> None:
    low, high = min(seen.min(), said.min()), max(seen.max(), said.max())
    pad = 0.04 * (high - low) or 0.5
    ends = (low - pad, high + pad)
    if len(seen) <= _POINTS:
        panel.scatter(seen, said, s=9, color=BLUE, alpha=min(0.75, 0.2 + 60 / len(seen)), linewidths=0)
    else:
        panel.hexbin(
            seen, said, gridsize=45, extent=(*ends, *ends), bins="log", mincnt=1, cmap=SHADES, vmin=0.3, linewidths=0.1
        )
    panel.axline((low, low), slope=1, color=INK, linewidth=0.7, zorder=3)
    panel.set(xlim=ends, ylim=ends, aspect="equal")
    panel.locator_params(nbins=5)
    error, spread = ((seen - said) ** 2).sum(), ((seen - seen.mean()) ** 2).sum()
    score = f"$R^2$ = {1 - error / spread:.4f}\n" if spread > 0 else ""
    text = f"{score}RMSE = {np.sqrt(error / len(seen)):.4g}\n{len(seen):,} rows"
    panel.text(0.04, 0.97, text, transform=panel.transAxes, ha="left", va="top", size=8.5, linespacing=1.35)


def confusion(y, prediction, *, classes: Sequence | None = None) -> Figure:
    """How often each class was predicted as each: counts in the cells, shaded by the share of their row.

    At the right of a row: how many rows of the table are of that class, and the share of them that was found (recall).
    Above a column: the share of its predictions that was right (precision). With numeric, evenly spaced classes, the
    headline also tells the share of predictions at most one class off.

    Args:
        y, prediction: (n,) labels. classes: all labels in the order to show; those that occur, sorted, if left out.

    Raises:
        InputError: the shapes differ, there are no rows, or a label is not among the classes.
    """
    y, prediction = np.asarray(y), np.asarray(prediction)
    if y.shape != prediction.shape or y.ndim != 1 or len(y) == 0:
        raise InputError(f"y and prediction must have one shape (n,), got {y.shape} and {prediction.shape}")
    classes = np.unique(np.concatenate([y, prediction])) if classes is None else np.asarray(classes)
    counts = _count(y, prediction, classes)
    with styled():
        names = [plain(name, 18) for name in classes.tolist()]
        return settled(_table(counts, names, _headline(counts, classes)))


def _count(y: np.ndarray, prediction: np.ndarray, classes: np.ndarray) -> np.ndarray:
    place = {label: k for k, label in enumerate(classes.tolist())}
    try:
        pairs = [(place[seen], place[said]) for seen, said in zip(y.tolist(), prediction.tolist(), strict=True)]
    except KeyError as error:
        raise InputError(f"classes must hold every label, got {error.args[0]!r} besides") from None
    counts = np.zeros((len(place), len(place)), dtype=int)
    np.add.at(counts, tuple(np.array(pairs).T), 1)
    return counts


def _headline(counts: np.ndarray, classes: np.ndarray) -> str:
    total = counts.sum()
    text = f"{_percent(np.trace(counts), total)} of {total:,} right"
    steps = np.diff(classes.astype(float)) if classes.dtype.kind in "if" and len(classes) > 2 else np.array([])
    if len(steps) and np.allclose(steps, steps[0]):
        near = sum(np.trace(counts, offset) for offset in (-1, 0, 1))
        text += f", {_percent(near, total)} at most one class off"
    return text


def _percent(part: int, total: int) -> str:
    """One decimal, and 100 % only where nothing is missing."""
    return f"{100 * part / total:.1f} %" if part == total else f"{min(99.9, 100 * part / total):.1f} %"


def _table(counts: np.ndarray, names: list[str], headline: str) -> Figure:
    n = len(names)
    rows, columns = counts.sum(1, keepdims=True), counts.sum(0)
    share = counts / np.maximum(rows, 1)
    side = min(0.4 if n > 6 else 0.6, (WIDTH - 2.2) / n)
    size = max(5.0, min(8.5, side * 24))
    figure = Figure(figsize=(max(3.6, n * side + 2.2), n * side + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(
        np.arange(n + 1) - 0.5, np.arange(n + 1) - 0.5, share, cmap=SHADES, vmin=0, vmax=1, ec=FAINT, lw=0.4
    )
    crowded = max(text_width(name, max(size, 7)) for name in names) > 0.95 * side
    axes.set_xticks(range(n), names, rotation=90 if crowded else 0, size=max(size, 7))
    axes.set_yticks(range(n), names, size=max(size, 7))
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="observed", aspect="equal")
    axes.invert_yaxis()
    figure.suptitle(headline, fontsize=9.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if side * 72 < 9:
        return figure  # no cell can hold a number
    for o, p in zip(*np.nonzero(counts), strict=True):
        color = "white" if share[o, p] > 0.5 else INK
        rate = f"\n{share[o, p]:.0%}" if n <= 6 else ""
        axes.text(p, o, f"{counts[o, p]:,}{rate}", ha="center", va="center", color=color, size=size)
    for k in range(n):
        recall = f"{share[k, k]:.0%}" if rows[k, 0] else "–"
        precision = f"{counts[k, k] / columns[k]:.0%}" if columns[k] else "–"
        axes.text(
            n - 0.35, k, f"{recall} of {rows[k, 0]:,}", ha="left", va="center", size=size, color=GREY, clip_on=False
        )
        axes.text(k, -0.62, precision, ha="center", va="bottom", size=size, color=GREY, clip_on=False)
    axes.text(n - 0.35, -0.62, "recall", ha="left", va="bottom", size=size, color=GREY, style="italic")
    axes.text(-0.62, -0.62, "precision", ha="right", va="bottom", size=size, color=GREY, style="italic")
    return figure
