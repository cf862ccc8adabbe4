"""Figure of the effect of two inputs together on the prediction (`pair_map`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from edgewise.checks import is_integer, is_sequence, typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import evenly_picked
from edgewise.interpret.attribution.pairs import PairEffect, pair_dependence
from edgewise.interpret.black_box import BlackBox
from edgewise.plot.network.effects import input_number
from edgewise.plot.network.panels import date_ticks
from edgewise.plot.network.views import PredictionView, Viewable, as_prediction_view
from edgewise.plot.style import (
    INK,
    SEQUENTIAL,
    SIGNED,
    SIZES,
    Figure,
    display_text,
    fitted_title,
    fix_layout,
    labels,
    styled,
)
from edgewise.presentation import number_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@typed
def pair_map(
    model: BlackBox | Viewable | PredictionView,
    X: ArrayLike | None = None,
    *,
    inputs: tuple[str | int, str | int],
    names: Sequence[str] | None = None,
    target: str | None = None,
    output: int | None = None,
) -> Figure:
    """Draw the mean prediction against two inputs, and what of it is beyond the sum of two curves.

    Parameters
    ----------
    model : fitted estimator, torch.nn.Module, object with `predict`, or callable
        As in `effect_curves`.
    X : array-like or data frame, optional
        (n, d), the data. An estimator that was fitted in this session has rows of its own.
    inputs : pair of str or int
        Names or numbers of the two inputs; the first is drawn to the right.
    names : sequence of str, optional
        Names of the columns.
    target : str, optional
        Predicted quantity with its unit.
    output : int, optional
        Number of the output that is drawn; that with the largest interaction if left out.

    Returns
    -------
    matplotlib.figure.Figure
        To the left the partial dependence on both inputs, to the right its part that no sum of one curve of each input
        has, in the same unit. Dots are rows of the data; places far from all rows stay empty.

    Raises
    ------
    InputError
        If an argument does not fit `X`.

    References
    ----------
    J. Friedman and B. Popescu, "Predictive learning via rule ensembles", Annals of Applied Statistics 2, 2008, p. 916.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    >>> figure = pair_map(lambda X: X[:, 0] * X[:, 1], X, inputs=("speed", "mass"), names=["speed", "mass"])
    >>> [axes.get_title(loc="left") for axes in figure.axes[:2]]
    ['prediction', 'beyond both curves']
    """
    view = as_prediction_view(model, X, names, None, target)
    if not is_sequence(inputs) or len(inputs) != 2:
        raise InputError(f"inputs must be a pair of inputs, got {inputs!r}")
    pair = (input_number(view, inputs[0]), input_number(view, inputs[1]))
    if pair[0] == pair[1]:
        raise InputError(f"inputs must be two different inputs, got {inputs[0]!r} twice")
    # Partial dependence on both inputs, and the output with the largest interaction.
    effect = pair_dependence(view.function, view.X, pair, kinds=[view.kind(column) for column in pair])
    count = effect.mean.shape[-1]
    if output is None:
        output = int(np.argmax(np.abs(effect.interaction).mean((0, 1))))
    elif not is_integer(output) or output not in range(count):
        raise InputError(f"output must be a number from 0 to {count - 1}, got {output!r}")
    titles = labels(view.names, view.X.shape[1], "x", "names")
    what = display_text(view.target)
    if count > 1:  # such as the probability of one class
        what += f" of {labels(view.outputs, count, 'y', 'outputs')[output]}"
    near = _near_rows(effect, view)
    with styled():
        # The prediction on the left, what is beyond both single curves on the right, with zero in the middle.
        figure = Figure(figsize=(SIZES.page, SIZES.pair), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        beyond = np.where(near, effect.interaction[..., output], np.nan)
        end = float(np.nanmax(np.abs(beyond), initial=0.0)) or 1.0
        _draw(left, effect, np.where(near, effect.mean[..., output], np.nan), view, {"cmap": SEQUENTIAL})
        _draw(right, effect, beyond, view, {"cmap": SIGNED, "vmin": -end, "vmax": end})
        fitted_title(left, what, SIZES.page / 2.6)
        fitted_title(right, "beyond both curves", SIZES.page / 3.6)
        left.set_ylabel(titles[pair[1]])
        for panel in (left, right):
            panel.set_xlabel(titles[pair[0]])
        return fix_layout(figure)


def _near_rows(effect: PairEffect, view: PredictionView) -> np.ndarray:
    """Return which points of the grid are near a row, (p, q); all of them along categories with such a row."""
    if view.counts:  # the rows have the distribution of each input, not of both together
        return np.ones(effect.mean.shape[:2], bool)
    rows = view.X[:, effect.inputs]
    rows = rows[np.isfinite(rows).all(1)]
    far = []
    for i in (0, 1):
        points = effect.points[i]
        gap = np.abs(points[:, None] - rows[None, :, i])
        if effect.discrete[i]:
            far.append(np.where(gap == 0, 0.0, np.inf))
        else:
            far.append(gap / (np.ptp(points) or 1.0))
    # Points of the grid farther from all rows, as a share of both ranges, stay empty: the value of `too.far` in the
    # examples of R's mgcv::vis.gam (S. Wood, "Generalized Additive Models", 2nd ed., 2017, section 7.7).
    return np.array([[np.min(np.hypot(a, b)) <= 0.1 for b in far[1]] for a in far[0]])


def _draw(panel: Axes, effect: PairEffect, values: np.ndarray, view: PredictionView, colors: dict[str, Any]) -> None:
    """Draw one surface (p, q) in cells, with its colour bar and the rows as dots."""
    places = [np.arange(len(p)) if one else p for p, one in zip(effect.points, effect.discrete, strict=True)]
    image = panel.pcolormesh(*places, values.T, shading="nearest", rasterized=True, **colors)
    bar = panel.figure.colorbar(image, ax=panel, pad=0.02, aspect=28)
    bar.ax.tick_params(labelsize=SIZES.tiny, length=2)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    for i, axis in enumerate((panel.xaxis, panel.yaxis)):
        if effect.discrete[i]:
            kind = view.kind(effect.inputs[i])
            texts = effect.levels[i] or [number_text(v, 6) if kind is None else kind.text(v) for v in effect.points[i]]
            # Short names of levels.
            axis.set_ticks(range(len(texts)), [display_text(text, 12) for text in texts], size=SIZES.tiny)
        else:
            axis.set_major_locator(MaxNLocator(5))
            date_ticks(axis, view.kind(effect.inputs[i]), effect.points[i])
    # Dots of many rows would lie on each other in the middle of the cell of a level.
    if not any(effect.discrete) and not view.counts:
        # At most 400 rows have a dot, picked evenly.
        rows = evenly_picked(view.X, 400)
        panel.plot(*rows[:, effect.inputs].T, "o", color=INK, markersize=1.2, alpha=0.45, markeredgewidth=0)
    halves = [0.5 if one else (place[1] - place[0]) / 2 for place, one in zip(places, effect.discrete, strict=True)]
    panel.set_xlim(places[0][0] - halves[0], places[0][-1] + halves[0])
    panel.set_ylim(places[1][0] - halves[1], places[1][-1] + halves[1])
