"""Images side by side with the errors of each model, and curves of quality against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edgewise.plot.pde.maps import SIGNED
from edgewise.plot.style import (
    COLORS,
    FAINT,
    GREY,
    MARKERS,
    SIZES,
    display_text,
    fix_layout,
    panels,
    shared_legend,
    styled,
)

_CELL = 1.7  # inches, largest height of a picture
_BULK = 0.99  # quantile of the errors at which the colours end: the largest errors are few
_PIXELS: Literal["none"] = "none"  # no interpolation: vector files then contain the pixels of the picture itself


def side_by_side(truth: np.ndarray, pictures: Mapping[str, np.ndarray], *, notes: Mapping[str, str]) -> Figure:
    """Draw the original and each picture in a row, and below each picture its error; all errors share a scale."""
    assert pictures and all(picture.shape == truth.shape for picture in pictures.values())
    errors = {name: picture - truth for name, picture in pictures.items()}
    limit = max(float(np.quantile(np.abs(error), _BULK)) for error in errors.values()) or 1.0
    with styled():
        count = 1 + len(pictures)
        figure = Figure(figsize=(SIZES.page, 2 * min(_CELL, SIZES.page / count) + 0.6), layout="constrained")
        axes = figure.subplots(2, count, squeeze=False)
        for panel, (name, picture) in zip(axes[0], {"original": truth, **pictures}.items(), strict=True):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation=_PIXELS)
            panel.set_title(display_text(name), fontsize=SIZES.small)
        for panel, (name, error) in zip(axes[1][1:], errors.items(), strict=True):
            image = panel.imshow(error, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation=_PIXELS)
            panel.set_xlabel(display_text(notes.get(name, "")), fontsize=SIZES.small)
        for panel in axes.ravel():
            panel.set(xticks=(), yticks=())
            panel.spines[:].set(color=FAINT, linewidth=0.5)
        axes[1, 0].set_axis_off()
        bar = Colorbar(axes[1, 0].inset_axes((0.62, 0.05, 0.1, 0.9)), image, extend="both")
        bar.ax.yaxis.set_ticks_position("left")
        bar.ax.set_title("error", fontsize=SIZES.small, loc="right")
        bar.ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        bar.outline.set(color=GREY, linewidth=0.5)
        return fix_layout(figure)


def quality_curves(
    groups: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], *, ylabel: str, xlabels: Sequence[str]
) -> Figure:
    """Draw the quality against what was spent: a panel for each title, a curve for each model."""
    assert groups
    names = list(dict.fromkeys(name for models in groups.values() for name in models))
    with styled():
        figure, axes = panels(len(groups), 2, 2.5)
        for panel, (title, models), xlabel in zip(axes, groups.items(), xlabels, strict=True):
            for name, points in models.items():
                kind = names.index(name)
                panel.plot(
                    *zip(*points, strict=True),
                    label=display_text(name),
                    marker=MARKERS[kind % len(MARKERS)],
                    markersize=3.5,
                    color=COLORS[kind % len(COLORS)],
                )
            panel.grid(axis="y")
            panel.set_title(display_text(title))
            panel.set(xlabel=xlabel, xlim=(0, None))
        axes[0].set_ylabel(ylabel)
        shared_legend(figure, axes)
        return fix_layout(figure)
