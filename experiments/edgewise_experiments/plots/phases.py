"""Continual learning: curves and errors of models while groups of samples are learned one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from edgewise.errors import InputError
from edgewise.plot.style import (
    BLUE,
    COLORS,
    FAINT,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    SIZES,
    decade_ticks,
    display_text,
    fix_layout,
    panels,
    shared_legend,
    styled,
)


def phase_curves(
    x: np.ndarray, target: np.ndarray, models: Mapping[str, Sequence[Sequence[float]]], *, centres: Sequence[float]
) -> Figure:
    """Draw a row for each model and a column for each phase: target, curve of the model, and its latest samples.

    The target is grey, the first model blue, the others orange; the part with the samples of the phase is shaded.
    """
    wrong = [name for name, curves in models.items() if len(curves) != len(centres)]
    if not models or wrong:
        raise InputError(f"models must have {len(centres)} curves each, got {wrong or 'none'}")
    ends = [x[0], *((a + b) / 2 for a, b in pairwise(centres)), x[-1]]
    with styled():
        figure = Figure(figsize=(SIZES.page, 0.6 + 1.05 * len(models)), layout="constrained")
        axes = figure.subplots(len(models), len(centres), sharex=True, sharey=True, squeeze=False)
        for row, (name, curves) in zip(axes, models.items(), strict=True):
            color = BLUE if name == next(iter(models)) else ORANGE
            kind, _, choice = name.partition(", ")
            for phase, (axis, curve) in enumerate(zip(row, curves, strict=True)):
                axis.axvspan(ends[phase], ends[phase + 1], color=FAINT, alpha=0.5, linewidth=0)
                axis.plot(x, target, color=GREY, linewidth=0.8, label="target")
                axis.plot(x, curve, color=color, linewidth=1.3, label=display_text(name))
                axis.set(ylim=(-0.6, 1.6), xticks=(-1, 0, 1), yticks=(0, 1))
            row[0].set_ylabel("\n".join(filter(None, (display_text(kind), display_text(choice), "$f(x)$"))))
        for phase, axis in enumerate(axes[0]):
            axis.set_title(f"after peak {phase + 1}")
        for axis in axes[-1]:
            axis.set_xlabel("$x$")
        return fix_layout(figure)


def phase_errors(groups: Mapping[str, Mapping[str, Sequence[float]]], *, ylabel: str) -> Figure:
    """Draw the error after each phase: a panel for each case, a curve for each model."""
    if not groups:
        raise InputError("groups must hold at least one panel, got none")
    names = list(dict.fromkeys(name for models in groups.values() for name in models))
    with styled():
        figure, axes = panels(len(groups), 3, 2.4, sharey=True)
        for axis, (title, models) in zip(axes, groups.items(), strict=True):
            for name, errors in models.items():
                kind = names.index(name)
                axis.plot(
                    range(1, len(errors) + 1),
                    errors,
                    label=display_text(name),
                    marker=MARKERS[kind % len(MARKERS)],
                    color=COLORS[kind % len(COLORS)],
                    markersize=4,
                )
            axis.set_yscale("log")
            decade_ticks(axis.yaxis)
            axis.grid(axis="y")
            axis.set_title(display_text(title))
            axis.set_xticks(range(1, 1 + max(map(len, models.values()))))
            axis.set_xlabel("groups learned", color=INK)
        axes[0].set_ylabel(ylabel)
        shared_legend(figure, axes)
        return fix_layout(figure)
