"""Pictures side by side with what each model misses, and how their quality grows with time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edgewise.errors import InputError
from edgewise.plot.pde.maps import SIGNED
from edgewise.plot.style import (
    COLORS,
    FAINT,
    GREY,
    MARKERS,
    WIDTH,
    display_text,
    fix_layout,
    panels,
    shared_legend,
    styled,
)

_CELL = 1.7  # inches, the most that a picture is high
_AS_IT_IS = {"interpolation": "none"}  # vector formats then hold a picture's own pixels, not those of the screen


def side_by_side(
    truth: np.ndarray, pictures: Mapping[str, np.ndarray], *, notes: Mapping[str, str], about: str = "original"
) -> Figure:
    """The original and each picture in a row; below each picture its error, all on one scale.

    Args:
        truth: (n, m) in [0, 1], row 0 at the top. pictures: by name, of the same shape.
        notes: for some of the names what stands below the error, as "29.8 dB".
        about: the original's title.

    Raises:
        InputError: there is no picture, or one of another shape.
    """
    wrong = [name for name, picture in pictures.items() if picture.shape != truth.shape]
    if not pictures or wrong:
        raise InputError(f"pictures must have the shape {truth.shape} of truth, got {wrong or 'none'}")
    errors = {name: picture - truth for name, picture in pictures.items()}
    # The largest errors are few; most of the colours belong to the others.
    limit = max(float(np.quantile(np.abs(error), 0.99)) for error in errors.values()) or 1.0
    with styled():
        count = 1 + len(pictures)
        figure = Figure(figsize=(WIDTH, 2 * min(_CELL, WIDTH / count) + 0.6), layout="constrained")
        axes = figure.subplots(2, count, squeeze=False)
        for panel, (name, picture) in zip(axes[0], {about: truth, **pictures}.items(), strict=True):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=1, **_AS_IT_IS)
            panel.set_title(display_text(name), loc="left", fontsize=8.5)
        for panel, (name, error) in zip(axes[1][1:], errors.items(), strict=True):
            image = panel.imshow(error, cmap=SIGNED, vmin=-limit, vmax=limit, **_AS_IT_IS)
            panel.set_xlabel(display_text(notes.get(name, "")), fontsize=8.5)
        for panel in axes.ravel():
            panel.set(xticks=(), yticks=())
            panel.spines[:].set(color=FAINT, linewidth=0.5)
        axes[1, 0].set_axis_off()
        bar = Colorbar(axes[1, 0].inset_axes((0.62, 0.05, 0.1, 0.9)), image, extend="both")
        bar.ax.yaxis.set_ticks_position("left")
        bar.ax.set_title("error", fontsize=8.5, loc="right")
        bar.ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        bar.outline.set(color=GREY, linewidth=0.5)
        return fix_layout(figure)


def quality_curves(
    groups: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], *, ylabel: str, xlabels: Sequence[str] = ()
) -> Figure:
    """A panel for each picture: quality against CPU seconds, a curve (seconds, quality) for each model.

    xlabels: of each panel, where it is something else than CPU seconds.

    Raises:
        InputError: there are no panels.
    """
    if not groups:
        raise InputError("groups must hold at least one panel, got none")
    names = list(dict.fromkeys(name for models in groups.values() for name in models))
    with styled():
        figure, axes = panels(len(groups), 2, 2.5)
        xlabels = xlabels or ("CPU seconds of training",) * len(axes)
        for panel, (title, models), xlabel in zip(axes, groups.items(), xlabels, strict=True):
            for name, points in models.items():
                kind = names.index(name)
                style = {"marker": MARKERS[kind % len(MARKERS)], "color": COLORS[kind % len(COLORS)]}
                panel.plot(*zip(*points, strict=True), label=display_text(name), markersize=3.5, **style)
            panel.grid(axis="y", color=FAINT, linewidth=0.4)
            panel.set_title(display_text(title), loc="left")
            panel.set(xlabel=xlabel, xlim=(0, None))
        axes[0].set_ylabel(ylabel)
        shared_legend(figure, axes)
        return fix_layout(figure)
