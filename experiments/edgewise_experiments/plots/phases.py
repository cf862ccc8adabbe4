"""Continual learning: errors of models while groups of samples are learned one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from edgewise.plot.style import (
    COLORS,
    INK,
    MARKERS,
    decade_ticks,
    display_text,
    fix_layout,
    panels,
    shared_legend,
    styled,
)


def phase_errors(groups: Mapping[str, Mapping[str, Sequence[float]]], *, ylabel: str) -> Figure:
    """Draw the error after each phase: a panel for each case, a curve for each model."""
    assert groups
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
