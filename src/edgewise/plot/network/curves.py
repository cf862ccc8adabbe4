"""Learned functions in the user's units: of single edges, and of the whole model one input at a time."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import evaluation_points, partial_dependence
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.nn.trace import Trace
from edgewise.plot.network.diagram import check_trace, edge_functions, mask_of
from edgewise.plot.style import (
    BLUE,
    COLORS,
    FAINT,
    GREY,
    as_numpy,
    density,
    labels,
    panels,
    plain,
    settled,
    styled,
    title,
)

_HEIGHT = 1.75  # inches of a panel
_ROOM = 0.19  # share of a panel kept free at the bottom for the density
_HEAD = 0.16  # and at the top for a legend
_LEGEND = {"handlelength": 1.6, "borderpad": 0.0, "borderaxespad": 0.0, "columnspacing": 0.9, "handletextpad": 0.4}
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.5)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)), (0, (2.5, 1.2)))


def edge_curves(
    model: nn.Module,
    trace: Trace,
    *,
    layer: int = 0,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    scaling: tuple[Sequence[float], Sequence[float]] | None = None,
    std: Callable[[np.ndarray], np.ndarray] | None = None,
    max_inputs: int = 9,
    max_curves: int = 3,
) -> Figure:
    """One panel for each of the strongest inputs of a layer, with the functions on its strongest edges.

    Each function is drawn less its mean over the data, for a constant belongs to no input in particular: in the unit
    of the model's output if the layer is the last, else in standard deviations of the node the edge ends in, so that
    the panels, which share their scale, can be compared. Grey at the bottom is where the data lie.

    Args:
        model, trace: as in `network_diagram`.
        layer: which layer's edges, 0 for those that start in the inputs.
        names: of the layer's inputs. outputs: of the nodes it feeds. Left out: x_1 and y, h_1 for hidden nodes.
        scaling: (shift, scale), one number per input of the layer: x_user = shift + scale * x_model.
        std: the standard deviation (p, in, out) of each drawn function at points (p, in) of the layer's inputs, as
            from `KANRegressor.edge_std`: bands of two of them are drawn.
        max_inputs: panels. max_curves: functions in a panel.

    Raises:
        InputError: layer, names, outputs or scaling do not fit the model, or the trace does not.
    """
    check_trace(model, trace)
    depth = len(trace.edges)
    if layer not in range(depth):
        raise InputError(f"layer must be from 0 to {depth - 1}, got {layer!r}")
    inputs = as_numpy(trace.inputs[layer], "trace")
    ends = labels(outputs, trace.edges[layer].shape[2], "y" if layer == depth - 1 else "h", "outputs", 16)
    names = labels(names, inputs.shape[1], "h" if layer else "x", "names")
    shift, scale = _check_scaling(scaling, inputs.shape[1])
    score = as_numpy(edge_scores(trace)[layer], "scores")
    rank = as_numpy(node_scores(trace)[layer], "scores")
    order = np.argsort(-rank, kind="stable")
    order = [i for i in order if mask_of(model.layers[layer])[i].any()][:max_inputs]
    if not order:
        raise InputError(f"layer must have an edge that is not masked, got layer {layer} with none")
    sums = as_numpy(trace.outputs[layer], "trace")
    unit = np.ones(sums.shape[1]) if layer == depth - 1 else sums.std(0)
    unit[unit == 0] = 1
    mean = as_numpy(trace.edges[layer], "trace").mean(0)
    with styled():
        figure, axes = panels(len(order), 3, _HEIGHT, sharey=True)
        for panel, i in zip(axes, order, strict=True):
            points, discrete = evaluation_points(inputs[:, i])
            grid = np.zeros((len(points), inputs.shape[1]))
            grid[:, i] = points
            values = (edge_functions(model.layers[layer], grid)[:, i] - mean[i]) / unit
            width = None if std is None else 2 * as_numpy(std(grid), "the result of std")[:, i] / unit
            for place, o in enumerate(np.argsort(-score[i], kind="stable")[:max_curves]):
                if mask_of(model.layers[layer])[i, o]:
                    if width is not None:
                        ends_of_band = values[:, o] - width[:, o], values[:, o] + width[:, o]
                        color = COLORS[place % len(COLORS)]
                        panel.fill_between(
                            shift[i] + scale[i] * points, *ends_of_band, color=color, alpha=0.16, linewidth=0
                        )
                    _function(panel, shift[i] + scale[i] * points, values[:, o], discrete, place, ends[o])
            if sums.shape[1] > 1:
                panel.legend(loc="upper right", ncols=max_curves, **_LEGEND)
            title(panel, names[i], 6.6 / min(3, len(order)) - 0.75)
            panel.set_title(f"score {rank[i]:.2g}", loc="right", fontsize=8, color=GREY)
        what = ends[0] if layer == depth - 1 and len(ends) == 1 else "output" if layer == depth - 1 else "s.d. of node"
        return _finish(
            figure,
            axes,
            [shift[i] + scale[i] * inputs[:, i] for i in order],
            f"contribution ({what})",
            top=_HEAD * (len(ends) > 1),
        )


def effect_curves(
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    target: str = "prediction",
    scores: Sequence[float] | None = None,
    max_inputs: int = 9,
    max_outputs: int = 6,
    rows: int = 300,
) -> Figure:
    """How the prediction moves with one input, averaged over the data: Friedman's partial dependence.

    J. Friedman, Annals of Statistics 29 (2001) 1189, section 8.2. In each panel one input takes its values over the
    data while the others stay as they are in each of (at most) `rows` rows, evenly picked. With one output the band
    holds the middle 80 % of the rows' own curves, each moved to the same mean: where it is narrow the input acts
    alone, where it is wide its effect depends on the other inputs. Inputs with the largest effect (standard deviation
    of the curve over the data) come first. Grey at the bottom is where the data lie.

    Args:
        predict: takes (n, d) in the units of X, gives (n,) or (n, outputs).
        X: the data, (n, d). names: of its columns. outputs: of the outputs, if more than one.
        target: what is predicted, with its unit: the label of the vertical axis.
        scores: (d,) of importance, if known: only the best `max_inputs` by these are tried.

    Raises:
        InputError: an argument does not fit X.
    """
    X = as_numpy(X, "X")
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(f"X must have shape (rows, inputs) with at least one of each, got {X.shape}")
    names = labels(names, X.shape[1], "x", "names")
    if scores is not None and np.shape(scores) != X.shape[1:]:
        raise InputError(f"scores must hold {X.shape[1]} numbers, got shape {np.shape(scores)}")
    tried = range(X.shape[1]) if scores is None else np.argsort(-as_numpy(scores, "scores"), kind="stable")[:max_inputs]
    found = [partial_dependence(predict, X, int(i), rows=rows) for i in tried]
    found = sorted(found, key=lambda effect: (-effect.strength.max(), effect.input))[:max_inputs]
    count = found[0].mean.shape[1]
    ends = labels(outputs, count, "y", "outputs", 16)
    strongest = np.argsort(-np.max([effect.strength for effect in found], 0), kind="stable")[:max_outputs]
    with styled():
        figure, axes = panels(len(found), 3, _HEIGHT, sharey=True)
        for panel, effect in zip(axes, found, strict=True):
            for place, o in enumerate(sorted(strongest)):
                if count == 1:
                    panel.fill_between(
                        effect.points, effect.low[:, 0], effect.high[:, 0], color=BLUE, alpha=0.16, linewidth=0
                    )
                _function(panel, effect.points, effect.mean[:, o], effect.discrete, place, ends[o])
            title(panel, names[effect.input], 5.9 / min(3, len(found)))
        if count > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(strongest))
        return _finish(figure, axes, [X[:, effect.input] for effect in found], plain(target), zero=False)


def _function(panel: Axes, x: np.ndarray, y: np.ndarray, discrete: bool, place: int, label: str) -> None:
    """A line, or for an input with few values a point for each; number `place` of those in the panel."""
    style = {"marker": "o", "markersize": 3.5, "linewidth": 0.7} if discrete else {}
    place %= len(COLORS)
    panel.plot(x, y, color=COLORS[place], linestyle=_DASHES[place], label=label, zorder=3, **style)


def _finish(
    figure: Figure, axes: list[Axes], data: list[np.ndarray], what: str, *, zero: bool = True, top: float = 0.0
) -> Figure:
    low, high = axes[0].get_ylim()
    unit = (high - low) / (1 - _ROOM - top)
    axes[0].set_ylim(low - _ROOM * unit, high + top * unit)
    for panel, values in zip(axes, data, strict=True):
        if zero:
            panel.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
        levels = np.unique(values)
        if len(levels) in (2, 3, 4):  # 0 and 1 of a flag: no 0.25 between them
            panel.set_xticks(levels)
        else:
            panel.locator_params(axis="x", nbins=5)
        density(panel, values)
    figure.supylabel(what, fontsize=9.5)
    return settled(figure)


def _check_scaling(scaling, count: int) -> tuple[np.ndarray, np.ndarray]:
    if scaling is None:
        return np.zeros(count), np.ones(count)
    shift, scale = (as_numpy(part, "scaling") for part in scaling)
    if shift.shape != (count,) or scale.shape != (count,):
        raise InputError(f"scaling must be (shift, scale) of {count} numbers each, got {shift.shape} and {scale.shape}")
    return shift, scale
