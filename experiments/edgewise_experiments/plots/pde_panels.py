"""Four panels on networks that solve a differential equation: errors during training and against size, L2 and H1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from edgewise.plot.style import COLORS, MARKERS, SIZES, decade_ticks, display_text, fix_layout, shared_legend, styled
from edgewise_experiments.plots.errors import size_ticks


@dataclass(frozen=True)
class Course:
    """Squared errors against steps or numbers of parameters."""

    label: str
    x: Sequence[float]
    l2: Sequence[float]
    h1: Sequence[float]


def poisson_panels(training: Sequence[Course], scaling: Sequence[Course]) -> Figure:
    """Draw errors during training above, and errors against size below; L2 on the left, H1 on the right."""
    everything = [*training, *scaling]
    assert everything
    for course in everything:
        assert all(value > 0 for value in (*course.x, *course.l2, *course.h1)), course.label
    labels = list(dict.fromkeys(course.label for course in everything))
    with styled():
        figure = Figure(figsize=(SIZES.page, 5.2), layout="constrained")
        axes = figure.subplots(2, 2, sharey="col")
        for line, (courses, xlabel) in enumerate(((training, "steps"), (scaling, "parameters"))):
            for column, (name, key) in enumerate((("$L^2$", "l2"), ("$H^1$", "h1"))):
                panel = axes[line, column]
                panel.set_yscale("log")
                if line:
                    panel.set_xscale("log")
                    if courses:
                        size_ticks(panel, [x for course in courses for x in course.x])
                for course in courses:
                    kind = labels.index(course.label)
                    mark = MARKERS[kind % len(MARKERS)] if line else None
                    panel.plot(
                        course.x,
                        getattr(course, key),
                        color=COLORS[kind % len(COLORS)],
                        marker=mark,
                        markersize=4,
                        linewidth=1.1,
                        label=display_text(course.label),
                    )
                letter = "abcd"[2 * line + column]
                panel.set_title(f"({letter}) squared {name} error, {'scaling' if line else 'training'}")
                panel.set_xlabel(xlabel)
                decade_ticks(panel.yaxis)
                panel.grid(axis="y")
        shared_legend(figure, axes.flat, most=4)
        return fix_layout(figure)
