"""Figures of explanations: the share of each input in every prediction, and in the prediction of one row."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.layout_engine import ConstrainedLayoutEngine

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import LocalExplanation, are_probabilities, most_varying
from edgewise.plot.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    SHADES,
    SIZES,
    Figure,
    display_text,
    fix_layout,
    styled,
    text_width,
)
from edgewise.presentation import number_text, signed_text


@typed
def share_dots(explanation: LocalExplanation, *, output: int | None = None, max_inputs: int = 12) -> Figure:
    """Draw the share of each input in each prediction: a dot for each row, darker where the input is higher.

    Parameters
    ----------
    explanation : LocalExplanation
        From `edgewise.explain_local`; at most 300 rows, evenly picked, are drawn.
    output : int, optional
        Number of the output; by default the one whose predictions vary most.
    max_inputs : int
        Number of inputs shown, those with the largest mean absolute share.

    Returns
    -------
    matplotlib.figure.Figure
        Shares in the unit of the output; the dots of equal shares lie above each other.

    Raises
    ------
    InputError
        If there is no such output.

    Examples
    --------
    >>> from edgewise.interpret import explain_local
    >>> X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    >>> explanation = explain_local(lambda X: 2 * X[:, 0] - X[:, 1], X, names=["force", "friction"])
    >>> axes = share_dots(explanation).axes[0]
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['force', 'friction']
    """
    if output is None:
        output = most_varying(explanation.prediction)
    # At most 300 rows, since more dots cover each other.
    rows = np.linspace(0, len(explanation.shares) - 1, min(300, len(explanation.shares))).astype(int)
    label = _output_label(explanation, output)
    shares = explanation.shares[rows][:, :, output]
    values = explanation.values[rows]
    order = np.argsort(-np.abs(shares).mean(0), kind="stable")[:max_inputs]
    categories = [bool(explanation.kinds and explanation.kinds[i].level_names) for i in range(shares.shape[1])]
    remarks = ["one dot per row"]
    if not all(categories[i] for i in order):
        remarks.append("the stronger its colour, the higher the input")
    if any(categories[i] for i in order):
        remarks.append("categories are grey")
    with styled():
        figure, axes = _row_axes(0.75 + SIZES.row * len(order), [display_text(explanation.names[i], 28) for i in order])
        axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
        width = np.ptp(shares) or 1.0
        for place, i in enumerate(order):
            levels, rank = np.unique(values[:, i], return_inverse=True)
            # Levels have no order: their dots are grey. Numbers go from 0 for the lowest to 1 for the highest value.
            look: dict[str, Any] = {"color": GREY}
            if not categories[i]:
                strength = rank / max(len(levels) - 1, 1)
                # The shades start below the lowest value 0, whose dots would otherwise be white on white.
                look = {"c": strength, "cmap": SHADES, "norm": Normalize(-0.45, 1), "edgecolors": GREY}
            # The dots of an input take at most 0.72 of the height of its row.
            offsets = place + 0.36 * _stacked_offsets(shares[:, i] / width)
            axes.scatter(shares[:, i], offsets, s=7, linewidths=0.25, **look)
        axes.set_xlabel(f"added to {label}")
        axes.set_title("; ".join(remarks), loc="right", fontsize=SIZES.remark, color=GREY)
        return fix_layout(figure)


@typed
def share_bars(
    explanation: LocalExplanation, row: int = 0, *, output: int | None = None, max_inputs: int = 10
) -> Figure:
    """Draw the prediction of one row as a sum: the mean over the background plus the share of each input.

    Parameters
    ----------
    explanation : LocalExplanation
        From `edgewise.explain_local`.
    row : int
        Number of the row among those explained.
    output : int, optional
        Number of the output; by default the one with the largest prediction.
    max_inputs : int
        Number of inputs with a bar of their own, those with the largest absolute share; the others share one.

    Returns
    -------
    matplotlib.figure.Figure
        Bars in the unit of the output, from the mean on top to the prediction at the bottom.

    Raises
    ------
    InputError
        If there is no such row or output.

    Examples
    --------
    >>> from edgewise.interpret import explain_local
    >>> X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    >>> explanation = explain_local(lambda X: 2 * X[:, 0] - X[:, 1], X, names=["force", "friction"])
    >>> len(share_bars(explanation, row=3).axes[0].patches)
    2
    """
    if row not in range(len(explanation.shares)):
        raise InputError(f"row must be from 0 to {len(explanation.shares) - 1}, got {row!r}")
    if output is None:
        output = int(explanation.prediction[row].argmax())
    label = _output_label(explanation, output)
    # The largest shares in their order, and one bar for the sum of the others.
    shares = explanation.shares[row, :, output]
    base = float(explanation.base[output])
    order = np.argsort(-np.abs(shares), kind="stable")[:max_inputs]
    names = [f"{display_text(explanation.names[i], 24)} = {explanation.value_text(row, i)}" for i in order]
    steps = shares[order]
    if len(shares) > max_inputs:
        names = [*names, f"{len(shares) - max_inputs} others"]
        steps = np.append(steps, shares.sum() - steps.sum())
    ends = base + np.concatenate([[0.0], np.cumsum(steps)])
    with styled():
        figure, axes = _row_axes(0.95 + SIZES.row * len(steps), names)
        extent = np.ptp(ends) or 1.0
        bar = 0.62  # height, in rows
        for place, (start, end, step) in enumerate(zip(ends, ends[1:], steps, strict=False)):
            axes.barh(place, step, left=start, height=bar, color=BLUE if step >= 0 else ORANGE, linewidth=0)
            if place < len(steps) - 1:  # a line from this bar to the next
                axes.plot([end, end], [place - bar / 2, place + 1 + bar / 2], color=GREY, linewidth=0.5, zorder=0)
            right = max(start, end) + 0.012 * extent
            axes.text(right, place, signed_text(step), va="center", fontsize=SIZES.remark, color=INK)
        axes.axvline(base, color=FAINT, linewidth=0.6, zorder=0)
        # Room for the number beside the longest bar.
        number = (
            max(text_width(signed_text(step), SIZES.remark) + 0.05 for step in steps) / (SIZES.page - 2) * extent
        )  # a number beside the longest bar
        axes.set_xlim(ends.min() - 0.03 * extent, ends.max() + number)
        axes.set_xlabel(label)
        remark = f"mean {number_text(base)}, this row {number_text(ends[-1])}"
        axes.set_title(remark, loc="right", fontsize=SIZES.remark, color=GREY)
        return fix_layout(figure)


def _row_axes(height: float, names: list[str]) -> tuple[Figure, Axes]:
    """Make a figure with one panel, whose named rows run from the top to the bottom."""
    # Space at the left and right: names may be wider in a reader's font.
    figure = Figure(figsize=(SIZES.page, height), layout=ConstrainedLayoutEngine(w_pad=0.16))
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    return figure, axes


def _output_label(explanation: LocalExplanation, output: int) -> str:
    """Return the name of an output, which may be the probability of a class, or raise InputError."""
    if output not in range(len(explanation.outputs)):
        raise InputError(f"output must be from 0 to {len(explanation.outputs) - 1}, got {output!r}")
    name = display_text(explanation.outputs[output])
    if are_probabilities(explanation.prediction):
        return f"the probability of {name}"
    return name


def _stacked_offsets(x: np.ndarray) -> np.ndarray:
    """Return offsets from -1 to 1 (n,) that stack dots with nearly equal x, so that their number shows as height."""
    # 90 cells across the dots of an input; eight dots or more fill the height.
    cells = np.floor((x - x.min()) * 90).astype(int)
    offsets = np.zeros(len(x))
    fullest = max(np.bincount(cells).max(), 8)
    for cell in np.unique(cells):
        inside = np.flatnonzero(cells == cell)
        offsets[inside] = (np.arange(len(inside)) - (len(inside) - 1) / 2) * 2 / fullest
    return offsets
