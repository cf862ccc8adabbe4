"""Share of problems that are solved within so many seconds, one step line for each list of problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from edgewise.plot.style import COLORS, SIZES, display_text, fix_layout, styled

_DASHES = ("-", "--", ":")  # of the first lines, of those after all colours were used, and so on
LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class SolvedCurve:
    """One list of problems."""

    label: str
    seconds: Sequence[float]
    count: int


def solved_against_seconds(curves: Sequence[SolvedCurve]) -> Figure:
    """Draw the share of each list that is solved within t seconds against t."""
    assert curves
    with styled():
        figure = Figure(figsize=(SIZES.page, 3.6), layout="constrained")
        axis = figure.subplots()
        longest = max((max(curve.seconds, default=1.0) for curve in curves), default=1.0)
        end = max(longest * 1.1, 10 * LEAST_SECONDS)
        for place, curve in enumerate(curves):
            times = np.sort(np.maximum(np.asarray(curve.seconds, dtype=float), LEAST_SECONDS))
            shares = 100 * np.arange(1, len(times) + 1) / curve.count
            label = f"{display_text(curve.label)}: {len(times)} of {curve.count}"
            axis.step(
                [LEAST_SECONDS, *times, end],
                [0.0, *shares, shares[-1] if len(shares) else 0.0],
                where="post",
                color=COLORS[place % len(COLORS)],
                linestyle=_DASHES[place // len(COLORS) % len(_DASHES)],
                label=label,
            )
        axis.set(xscale="log", xlim=(LEAST_SECONDS, end), ylim=(0, 102))
        axis.set_xlabel("CPU seconds")
        axis.set_ylabel("exact, per cent of the list")
        figure.legend(loc="outside lower center", ncols=2)
        return fix_layout(figure)
