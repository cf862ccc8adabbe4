"""Figures of learned functions in the user's units: of single edges, and of the model one input at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
from matplotlib.axes import Axes

from edgewise.checks import check_options
from edgewise.deprecations import renamed_argument
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import evaluation_points, partial_dependence
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.interpret.black_box import BlackBox
from edgewise.nn.layers.base import Chain
from edgewise.nn.trace import Trace
from edgewise.plot.network.diagram import check_trace, edge_functions, mask_of
from edgewise.plot.style import (
    BAND_OPACITY,
    COLORS,
    FAINT,
    GREY,
    REMARK,
    TEXT,
    Figure,
    as_numpy,
    display_text,
    draw_density,
    fitted_title,
    fix_layout,
    labels,
    panels,
    styled,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_COLUMNS = 3  # panels beside each other
_HEIGHT = 1.75  # inches of a panel
_TITLES, _SCORE = (5.9, 6.6), 0.75  # inches of all titles of a row, without and with legends; inches of a score
_DENSITY = 0.19  # share of a panel kept free at the bottom for the histogram of the data
_LEGEND_SHARE = 0.16  # share of a panel kept free at the top for a legend
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.5)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)), (0, (2.5, 1.2)))
_FEW_LEVELS = (2, 3, 4)  # numbers of different values that are the ticks themselves: no 0.25 between 0 and 1 of a flag
_NAME = 16  # most characters of the name of an output in a legend


class EdgeCurveLimits(TypedDict, total=False):
    """Limits of what `edge_curves` shows, as keyword arguments.

    Parameters
    ----------
    max_inputs : int, default 9
        Largest number of panels; the inputs with the highest scores are shown.
    max_curves : int, default 3
        Largest number of functions in a panel, those with the highest scores.
    """

    max_inputs: int
    max_curves: int


class EffectCurveLimits(TypedDict, total=False):
    """Limits of what `effect_curves` computes and shows, as keyword arguments.

    Parameters
    ----------
    max_inputs : int, default 9
        Largest number of panels; the inputs with the largest effects are shown.
    max_outputs : int, default 6
        Largest number of curves in a panel; the outputs with the largest effects are shown.
    rows : int, default 300
        Largest number of rows, picked evenly, over which the predictions are averaged.
    """

    max_inputs: int
    max_outputs: int
    rows: int


def edge_curves(
    model: Chain,
    trace: Trace,
    *,
    layer: int = 0,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    scaling: tuple[Sequence[float], Sequence[float]] | None = None,
    std: Callable[[np.ndarray], ArrayLike] | None = None,
    **limits: Unpack[EdgeCurveLimits],
) -> Figure:
    """Draw the functions on the strongest edges of a layer, one panel for each of the strongest inputs.

    Parameters
    ----------
    model : KAN or MLP
    trace : Trace
        `model.trace(x)` of the data that decide the order and the ranges.
    layer : int
        Number of the layer; the edges of layer 0 start in the inputs of the model.
    names, outputs : sequence of str, optional
        Names of the layer's inputs and of its outputs; x_1, x_2, ..., y and for hidden nodes h_1, h_2, ... by default.
    scaling : pair of sequences of float, optional
        (shift, scale), one number for each input of the layer: x_user = shift + scale * x_model.
    std : callable, optional
        From points (p, in) of the layer's inputs to the standard deviation (p, in, out) of each function, as from
        `KANRegressor.edge_std`; bands of two standard deviations are drawn.
    **limits
        `max_inputs` and `max_curves`, see `EdgeCurveLimits`.

    Returns
    -------
    matplotlib.figure.Figure
        Each function is drawn minus its mean over the data, since a constant belongs to no input in particular. The
        unit is that of the model's output in the last layer, otherwise the standard deviation of the node in which
        the edge ends, so that the panels, which share a scale, can be compared. A histogram of the data stands at
        the bottom, the score of the input (see `node_scores`) above the panel.

    Raises
    ------
    InputError
        If an argument does not fit the model, or the trace comes from another one.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> model = KAN([2, 1], seed=0)
    >>> x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    >>> figure = edge_curves(model, model.trace(x), names=["width", "height"], max_inputs=1)
    >>> len(figure.axes), figure.get_supylabel()
    (1, 'contribution ($y$)')
    """
    check_options(edge_curves, limits, EdgeCurveLimits)
    max_curves = limits.get("max_curves", 3)
    check_trace(model, trace)
    depth = len(trace.edges)
    if layer not in range(depth):
        raise InputError(f"layer must be from 0 to {depth - 1}, got {layer!r}")
    last = layer == depth - 1
    inputs = as_numpy(trace.inputs[layer], "trace")
    ends = labels(outputs, trace.edges[layer].shape[2], "y" if last else "h", "outputs", _NAME)
    titles = labels(names, inputs.shape[1], "h" if layer else "x", "names")
    count = inputs.shape[1]
    shift, scale = (as_numpy(part, "scaling") for part in scaling or (np.zeros(count), np.ones(count)))
    if shift.shape != (count,) or scale.shape != (count,):
        raise InputError(f"scaling must be (shift, scale) of {count} numbers each, got {shift.shape} and {scale.shape}")
    score = as_numpy(edge_scores(trace)[layer], "scores")
    rank = as_numpy(node_scores(trace)[layer], "scores")
    mask = mask_of(model.layers[layer])
    order = [i for i in np.argsort(-rank, kind="stable") if mask[i].any()][: limits.get("max_inputs", 9)]
    if not order:
        raise InputError(f"layer must have an edge that is not masked, got layer {layer} with none")
    sums = as_numpy(trace.outputs[layer], "trace")
    unit = np.ones(sums.shape[1]) if last else sums.std(0)
    unit[unit == 0] = 1
    mean = as_numpy(trace.edges[layer], "trace").mean(0)
    with styled():
        figure, axes = panels(len(order), _COLUMNS, _HEIGHT, sharey=True)
        for panel, i in zip(axes, order, strict=True):
            points, discrete = evaluation_points(inputs[:, i])
            grid = np.zeros((len(points), inputs.shape[1]))
            grid[:, i] = points
            x, values = shift[i] + scale[i] * points, (edge_functions(model.layers[layer], grid)[:, i] - mean[i]) / unit
            width = None if std is None else 2 * as_numpy(std(grid), "the result of std")[:, i] / unit
            for place, o in enumerate(np.argsort(-score[i], kind="stable")[:max_curves]):
                if mask[i, o]:
                    band = None if width is None else (values[:, o] - width[:, o], values[:, o] + width[:, o])
                    _draw_function(panel, (x, values[:, o]), band, discrete, place, ends[o])
            if sums.shape[1] > 1:
                panel.legend(
                    loc="upper right",
                    ncols=max_curves,
                    handlelength=1.6,
                    borderpad=0.0,
                    borderaxespad=0.0,
                    columnspacing=0.9,
                    handletextpad=0.4,
                )
            fitted_title(panel, titles[i], _TITLES[1] / min(_COLUMNS, len(order)) - _SCORE)
            panel.set_title(f"score {rank[i]:.2g}", loc="right", fontsize=REMARK, color=GREY)
        node = ends[0] if last and len(ends) == 1 else "output" if last else "s.d. of node"
        data = [shift[i] + scale[i] * inputs[:, i] for i in order]
        _draw_densities(axes, data, top=_LEGEND_SHARE * (len(ends) > 1))
        for panel in axes:
            panel.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
        figure.supylabel(f"contribution ({node})", fontsize=TEXT)
        return fix_layout(figure)


@renamed_argument("predict", "model")
def effect_curves(
    model: BlackBox,
    X: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    target: str = "prediction",
    scores: Sequence[float] | None = None,
    **limits: Unpack[EffectCurveLimits],
) -> Figure:
    """Draw the partial dependence of the prediction on each input: its mean over the data while one input moves.

    In each panel one input takes its values over the data while the other inputs stay as they are in each row.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d) in the units of `X`, giving (n,) or (n, outputs).
    X : array-like
        (n, d), the data.
    names, outputs : sequence of str, optional
        Names of the columns and of the outputs; x_1, x_2, ... and y_1, y_2, ... by default.
    target : str
        Predicted quantity with its unit, the label of the vertical axis.
    scores : sequence of float, optional
        (d,), importance of the inputs: only the `max_inputs` best are evaluated.
    **limits
        `max_inputs`, `max_outputs` and `rows`, see `EffectCurveLimits`.

    Returns
    -------
    matplotlib.figure.Figure
        Inputs in the order of their effect, the standard deviation of the curve over the data. With one output a band
        holds the middle 80 % of the curves of single rows, each shifted to the same mean: where it is narrow the
        input acts alone, where it is wide its effect depends on the other inputs. A histogram of the data stands at
        the bottom.

    Raises
    ------
    InputError
        If an argument does not fit `X`.

    References
    ----------
    J. Friedman, "Greedy function approximation", Annals of Statistics 29, 2001, p. 1189, section 8.2.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    >>> figure = effect_curves(lambda X: X[:, 0] ** 2 + 0.1 * X[:, 1], X, names=["speed", "mass"], target="energy / J")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['speed', 'mass']
    """
    check_options(effect_curves, limits, EffectCurveLimits)
    X, max_inputs = as_numpy(X, "X"), limits.get("max_inputs", 9)
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(f"X must have shape (rows, inputs) with at least one of each, got {X.shape}")
    titles = labels(names, X.shape[1], "x", "names")
    if scores is not None and np.shape(scores) != X.shape[1:]:
        raise InputError(f"scores must hold {X.shape[1]} numbers, got shape {np.shape(scores)}")
    columns = np.arange(X.shape[1])
    if scores is not None:
        columns = np.argsort(-as_numpy(scores, "scores"), kind="stable")[:max_inputs]
    effects = [partial_dependence(model, X, int(i), rows=limits.get("rows", 300)) for i in columns]
    effects = sorted(effects, key=lambda effect: (-effect.strength.max(), effect.input))[:max_inputs]
    count = effects[0].mean.shape[1]
    ends = labels(outputs, count, "y", "outputs", _NAME)
    strength = np.max([effect.strength for effect in effects], 0)
    strongest = np.argsort(-strength, kind="stable")[: limits.get("max_outputs", 6)]
    with styled():
        figure, axes = panels(len(effects), _COLUMNS, _HEIGHT, sharey=True)
        for panel, effect in zip(axes, effects, strict=True):
            band = (effect.low[:, 0], effect.high[:, 0]) if count == 1 else None
            for place, o in enumerate(sorted(strongest)):
                _draw_function(panel, (effect.points, effect.mean[:, o]), band, effect.discrete, place, ends[o])
            fitted_title(panel, titles[effect.input], _TITLES[0] / min(_COLUMNS, len(effects)))
        if count > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(strongest))
        _draw_densities(axes, [X[:, effect.input] for effect in effects])
        figure.supylabel(display_text(target), fontsize=TEXT)
        return fix_layout(figure)


def _draw_function(
    panel: Axes,
    curve: tuple[np.ndarray, np.ndarray],
    band: tuple[np.ndarray, np.ndarray] | None,
    discrete: bool,
    place: int,
    label: str,
) -> None:
    """Draw the curve number `place` of a panel as a line, with markers for an input with few values, and its band."""
    color, dashes = COLORS[place % len(COLORS)], _DASHES[place % len(_DASHES)]
    if band is not None:
        panel.fill_between(curve[0], *band, color=color, alpha=BAND_OPACITY, linewidth=0)
    if discrete:
        panel.plot(
            *curve, color=color, linestyle=dashes, label=label, zorder=3, marker="o", markersize=3.5, linewidth=0.7
        )
    else:
        panel.plot(*curve, color=color, linestyle=dashes, label=label, zorder=3)


def _draw_densities(axes: list[Axes], data: list[np.ndarray], top: float = 0.0) -> None:
    """Make space for histograms (and at the share `top` for legends), set the ticks, and draw the histograms."""
    low, high = axes[0].get_ylim()
    unit = (high - low) / (1 - _DENSITY - top)
    axes[0].set_ylim(low - _DENSITY * unit, high + top * unit)
    for panel, values in zip(axes, data, strict=True):
        levels = np.unique(values)
        if len(levels) in _FEW_LEVELS:
            panel.set_xticks(levels)
        else:
            panel.locator_params(axis="x", nbins=5)
        draw_density(panel, values)
