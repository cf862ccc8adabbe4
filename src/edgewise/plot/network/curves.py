"""Figure of the functions on single edges (`edge_curves`), in units of the target where there is no hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
from matplotlib.axes import Axes

from edgewise.checks import check_options, typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import evaluation_points
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.nn.layers.base import Chain
from edgewise.nn.trace import Trace
from edgewise.plot.network.diagram import by_column, edge_functions, mask_of
from edgewise.plot.network.panels import (
    MOST_LEVELS,
    NAME,
    curve_style,
    date_ticks,
    draw_densities,
    draw_function,
    level_bars,
    level_ticks,
    panel_titles,
)
from edgewise.plot.network.views import NetworkColumn, NetworkView, Viewable, as_network_view
from edgewise.plot.style import FAINT, SIZES, Figure, as_numpy, fix_layout, labels, panels, shared_legend, styled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class EdgeCurveLimits(TypedDict, total=False):
    """Limits of what `edge_curves` shows, as keyword arguments."""

    max_inputs: int  # largest number of panels; the inputs that move the prediction most are shown
    max_curves: int  # largest number of functions in a panel, those that vary most


@typed
def edge_curves(
    model: Chain | Viewable | NetworkView,
    trace: Trace | ArrayLike | None = None,
    *,
    layer: int = 0,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    **limits: Unpack[EdgeCurveLimits],
) -> Figure:
    """Draw the functions on the strongest edges of a layer, one panel for each of the strongest inputs.

    Parameters
    ----------
    model : KAN, MLP, or fitted estimator
        An estimator brings names, units and error bars; what it gives to all figures of its network, its view, is
        taken too.
    trace : Trace or array-like, optional
        `model.trace(x)`, or rows of data, which decide the order and the ranges. An estimator that was fitted in this
        session has rows of its own.
    layer : int
        Number of the layer; the edges of layer 0 start in the inputs of the model.
    names, outputs : sequence of str, optional
        Names of the layer's inputs and of its outputs; x1, x2, ..., y and for hidden nodes h1, h2, ... by default.
    **limits
        `max_inputs` and `max_curves`, see `EdgeCurveLimits`.

    Returns
    -------
    matplotlib.figure.Figure
        Each function is drawn minus its mean over the data, since a constant belongs to no input in particular. In
        the last layer the unit is that of the target if the model is an estimator, otherwise that of the model's
        output. In hidden layers it is the standard deviation of the node in which the edge ends, so that the panels,
        which share a scale, can be compared. A node has one colour in all panels. The inputs of the model come in the
        order of their contributions to the prediction, see `edgewise.interpret.shapley_shares`. A
        category of an estimator has one panel, with a bar for each level and a line of two standard deviations to each
        side. A histogram of the data stands at the bottom.

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
    >>> figure = edge_curves(model, x, names=["width", "height"], max_inputs=1)
    >>> len(figure.axes), figure.get_supylabel()
    (1, 'contribution to $y$')
    """
    check_options(edge_curves, limits, EdgeCurveLimits)
    view = as_network_view(model, trace, outputs=outputs)
    depth = len(view.trace.edges)
    if layer not in range(depth):
        raise InputError(f"layer must be from 0 to {depth - 1}, got {layer!r}")
    # What a view has is about the inputs of the network and about its outputs.
    if layer > 0:
        view = replace(view, names=None, scaling=None, std=None, group_std=None)
    if layer < depth - 1:
        view = replace(view, outputs=outputs)
    if names is not None:
        view = replace(view, names=names)
    return _draw(view, layer, limits.get("max_inputs", 9), limits.get("max_curves", 3))


def _draw(view: NetworkView, layer: int, max_inputs: int, max_curves: int) -> Figure:
    """Draw one layer of a checked view, whose names and scaling are those of this layer."""
    trace = view.trace
    network = view.model.layers[layer]
    last = layer == len(trace.edges) - 1
    inputs = as_numpy(trace.inputs[layer], "trace")
    count = inputs.shape[1]
    ends = labels(view.outputs, trace.edges[layer].shape[2], "y" if last else "h", "outputs", NAME)
    titles = labels(view.names, count, "h" if layer else "x", "names")
    shift = np.zeros(count)
    scale = np.ones(count)
    if view.scaling is not None:
        shift, scale = map(np.asarray, view.scaling)
    columns = view.columns if layer == 0 else None
    # Strength of edges and inputs, those of one column together; the strongest inputs get a panel.
    score = as_numpy(edge_scores(trace)[layer], "scores")
    rank = as_numpy(node_scores(trace)[layer], "scores")
    mask = mask_of(network)
    mean = as_numpy(trace.edges[layer], "trace").mean(0)
    if columns is not None:
        score, rank, mask = by_column(view, score, mask)
        titles = labels([column.name for column in columns], len(columns), "x", "names")
        mean = np.array([mean[list(column.inputs)].sum(0) for column in columns])
    elif layer == 0:
        rank = view.ranking()
    order = [i for i in np.argsort(-rank, kind="stable") if mask[i].any()][:max_inputs]
    if not order:
        raise InputError(f"layer must have an edge that is not masked, got layer {layer} with none")
    # Each panel: the function less its mean, in the unit of the axis, with two standard deviations.
    unit, label = _units(view, layer, ends)
    data: list[np.ndarray | None] = []
    with styled():
        figure, axes = panels(len(order), SIZES.columns, SIZES.panel, sharey=True)
        for panel, i in zip(axes, order, strict=True):
            # Points along the input of the network, or along the column of the table behind several of them.
            column = None
            if columns is None:
                used = [i]
                points, discrete = evaluation_points(inputs[:, i])
                grid = np.zeros((len(points), count))
                grid[:, i] = points
                x = shift[i] + scale[i] * points
                data.append(shift[i] + scale[i] * inputs[:, i])
            else:
                column = columns[i]
                used = list(column.inputs)
                points, discrete = column.points()
                grid = column.grid(points, count)
                x = points
                data.append(None if column.levels else column.values)
            # The sum of the functions there, and two standard deviations of it.
            values = (edge_functions(network, grid)[:, used].sum(1) - mean[i]) * unit
            width = None
            if view.group_std is not None:
                width = 2 * view.group_std(grid, used) * unit
            elif view.std is not None and len(used) == 1:
                width = 2 * as_numpy(view.std(grid), "std")[:, used[0]] * unit
            if column is not None and column.levels:
                strongest = [o for o in _strongest(score[i], max_curves) if mask[i, o]]
                _draw_levels(panel, column, (values, width), strongest, ends)
                continue
            for o in _strongest(score[i], max_curves):
                if mask[i, o]:
                    band = None
                    if width is not None:
                        band = (values[:, o] - width[:, o], values[:, o] + width[:, o])
                    draw_function(panel, (x, values[:, o]), band, discrete, int(o), ends[o])
        # Titles, histograms of the data, dates on axes, and one legend.
        panel_titles(axes, [titles[i] for i in order])
        draw_densities(axes, data)
        for panel, i in zip(axes, order, strict=True):
            if columns is not None:
                date_ticks(panel.xaxis, columns[i].kind, columns[i].points()[0])
            panel.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
        if len(ends) > 1:
            shared_legend(figure, axes, order=ends)
        figure.supylabel(label, fontsize=SIZES.text)
        return fix_layout(figure)


def _strongest(score: np.ndarray, most: int) -> list[int]:
    """Return the numbers of the largest scores, in ascending order."""
    return np.sort(np.argsort(-score, kind="stable")[:most]).tolist()


def _draw_levels(
    panel: Axes,
    column: NetworkColumn,
    drawn: tuple[np.ndarray, np.ndarray | None],
    shown: Sequence[int],
    ends: Sequence[str],
) -> None:
    """Draw a bar for each level of a category and each output, from 0; the levels with the largest values."""
    values, half = drawn
    texts = column.level_texts()
    kept = np.sort(np.argsort(-np.abs(values[:, shown]).max(1, initial=0), kind="stable")[:MOST_LEVELS])
    for place, o in enumerate(shown):
        heights = values[kept, o]
        band = None
        if half is not None:
            band = (heights - half[kept, o], heights + half[kept, o])
        level_bars(panel, heights, 0.0, (place, len(shown)), (curve_style(o)[0], ends[o]), band)
    level_ticks(panel, [texts[level] for level in kept], len(texts))


def _units(view: NetworkView, layer: int, ends: Sequence[str]) -> tuple[np.ndarray, str]:
    """Return factors from the layer's outputs to the unit of the vertical axis, (out,), and the label of the axis."""
    sums = as_numpy(view.trace.outputs[layer], "trace")
    if layer == len(view.trace.edges) - 1:
        scale = np.ones(sums.shape[1])
        if view.output_scale is not None:
            scale = as_numpy(view.output_scale, "output_scale")
        kind = view.output_kind or (ends[0] if len(ends) == 1 else "the outputs")
        return scale, f"contribution to {kind}"
    spread = sums.std(0)
    node = ends[0] if len(ends) == 1 else "the hidden node"
    return 1 / np.where(spread > 0, spread, 1.0), f"contribution (standard deviations of {node})"
