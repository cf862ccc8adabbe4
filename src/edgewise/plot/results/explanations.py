"""Explanations as figures: how much each input adds to each prediction, and to the prediction of one row."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import LocalExplanation
from edgewise.plot.style import BLUE, FAINT, GREY, INK, ORANGE, SHADES, WIDTH, plain, settled, styled, text_width

_ROW = 0.27  # inches of an input
_DOTS = 300  # rows that are drawn
_LANE = 0.36  # half the height that the dots of an input may take


def share_dots(explanation: LocalExplanation, *, output: int | None = None, max_inputs: int = 12) -> Figure:
    """What each input adds to each prediction: a dot for each row, darker where the value of the input is higher.

    The inputs with the largest mean absolute share come first.

    Args:
        explanation: as from `explain_local`; at most 300 rows, evenly picked, are drawn.
        output: which, if there are several; the one that varies most if left out.

    Raises:
        InputError: output is none of the explanation's.
    """
    output = _output(explanation, output)
    rows = np.linspace(0, len(explanation.shares) - 1, min(_DOTS, len(explanation.shares))).astype(int)
    shares, values = explanation.shares[rows][:, :, output], explanation.values[rows]
    order = np.argsort(-np.abs(shares).mean(0), kind="stable")[:max_inputs]
    with styled():
        axes = _axes(0.75 + _ROW * len(order))
        figure = axes.figure
        axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
        width = np.ptp(shares) or 1.0
        for place, i in enumerate(order):
            levels = _ranks(values[:, i])
            across = place + _LANE * _swarm(shares[:, i] / width)
            axes.scatter(
                shares[:, i],
                across,
                c=levels,
                cmap=SHADES,
                norm=Normalize(-0.45, 1),
                s=7,
                linewidths=0.25,
                edgecolors=GREY,
            )
        axes.set_yticks(range(len(order)), [plain(explanation.names[i], 28) for i in order])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlabel(f"added to {_what(explanation, output)}")
        axes.set_title("one dot per row; darker: the input is higher", loc="right", fontsize=8, color=GREY)
        return settled(figure)


def share_bars(
    explanation: LocalExplanation, row: int = 0, *, output: int | None = None, max_inputs: int = 10
) -> Figure:
    """The prediction of one row as a sum: from the mean over the background, input by input, to the prediction.

    Raises:
        InputError: there is no such row or output.
    """
    if row not in range(len(explanation.shares)):
        raise InputError(f"row must be from 0 to {len(explanation.shares) - 1}, got {row!r}")
    output = int(explanation.prediction[row].argmax()) if output is None else _output(explanation, output)
    own, base = explanation.shares[row, :, output], float(explanation.base[output])
    order = np.argsort(-np.abs(own), kind="stable")[:max_inputs]
    names = [f"{plain(explanation.names[i], 24)} = {_signed(f'{explanation.values[row, i]:.4g}')}" for i in order]
    steps = own[order]
    if len(own) > max_inputs:
        names, steps = [*names, f"{len(own) - max_inputs} others"], np.append(steps, own.sum() - steps.sum())
    ends = base + np.concatenate([[0.0], np.cumsum(steps)])
    with styled():
        axes = _axes(0.95 + _ROW * len(steps))
        figure = axes.figure
        room = np.ptp(ends) or 1.0
        for place, (start, end, step) in enumerate(zip(ends, ends[1:], steps, strict=False)):
            axes.barh(place, step, left=start, height=0.62, color=BLUE if step >= 0 else ORANGE, linewidth=0)
            if place < len(steps) - 1:
                axes.plot([end, end], [place - 0.31, place + 1.31], color=GREY, linewidth=0.5, zorder=0)
            right = max(start, end) + 0.012 * room
            axes.text(right, place, _signed(f"{step:+.3g}"), va="center", fontsize=8, color=INK)
        axes.axvline(base, color=FAINT, linewidth=0.6, zorder=0)
        axes.set_yticks(range(len(steps)), names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(steps) - 0.4, -0.6)
        label = text_width("+0.000", 8) / (WIDTH - 2) * room
        axes.set_xlim(ends.min() - 0.03 * room, ends.max() + label)
        axes.set_xlabel(_what(explanation, output))
        told = _signed(f"mean {base:.4g}, this row {ends[-1]:.4g}")
        axes.set_title(told, loc="right", fontsize=8, color=GREY)
        return settled(figure)


def _axes(height: float) -> Axes:
    """A panel with some room at the sides: names may be wider in a reader's font."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.16)
    return figure.subplots()


def _output(explanation: LocalExplanation, output: int | None) -> int:
    if output is None:
        return int(explanation.prediction.std(0).argmax())
    if output not in range(len(explanation.outputs)):
        raise InputError(f"output must be from 0 to {len(explanation.outputs) - 1}, got {output!r}")
    return output


def _what(explanation: LocalExplanation, output: int) -> str:
    name = plain(explanation.outputs[output])
    return name if len(explanation.outputs) == 1 else f"the probability of {name}"


def _signed(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 0 for the lowest to 1 for the highest; equal values alike."""
    levels, place = np.unique(values, return_inverse=True)
    return place / max(len(levels) - 1, 1)


def _swarm(x: np.ndarray, bins: int = 90) -> np.ndarray:
    """Offsets from -1 to 1 that lay equal numbers side by side, so that a crowd is seen to be one."""
    cells = np.floor((x - x.min()) * bins).astype(int)
    offsets, fullest = np.zeros(len(x)), max(np.bincount(cells).max(), 8)
    for cell in np.unique(cells):
        inside = np.flatnonzero(cells == cell)
        offsets[inside] = (np.arange(len(inside)) - (len(inside) - 1) / 2) * 2 / fullest
    return offsets
