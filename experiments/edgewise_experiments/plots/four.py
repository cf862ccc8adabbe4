"""The four network drawings of the KAN paper, from trained models: MLP and KAN, shallow and deep, with formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import nn

from edgewise.errors import InputError
from edgewise.nn import KAN, MLP, Trace
from edgewise.plot.network.diagram import edge_functions
from edgewise.plot.style import BLUE, GREY, INK, ORANGE, SIZES, display_text, fix_layout, styled

_POINTS = 41  # of each curve
_NODE = (0.09, 0.085)  # width and height of the frame of an activation, in shares of the panel
_EDGE, _ROW = 0.13, 0.84  # largest width of the frame of an edge, and of all frames of a row together
_INSIDE = (0.84, 0.78)  # shares of a frame's width and height that its curve takes
_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "silu": nn.functional.silu,
    "relu": torch.relu,
}
_FORMULAS = {
    ("MLP", 2): r"$f(x)=\sum_i a_i\,\sigma(w_i\cdot x+b_i)+c$",
    ("KAN", 2): r"$f(x)=\sum_q \Phi_q\left(\sum_p \phi_{qp}(x_p)\right)$",
    ("MLP", 3): r"$\mathrm{MLP}(x)=(W_3\circ\sigma\circ W_2\circ\sigma\circ W_1)(x)$",
    ("KAN", 3): r"$\mathrm{KAN}(x)=(\Phi_3\circ\Phi_2\circ\Phi_1)(x)$",
}


@dataclass(frozen=True)
class Network:
    """A network to draw."""

    title: str
    model: KAN | MLP
    trace: Trace
    error: float


def four_networks(networks: Sequence[Network], *, names: Sequence[str]) -> Figure:
    """Draw networks in panels (a), (b), ... in two columns.

    An MLP has a line for each weight, its width the absolute value, blue for positive and dashed orange for negative
    weights, and in each hidden node the fixed activation over the range of its inputs. A KAN has the learned function
    on each edge, and nodes that only add.
    """
    if not networks:
        raise InputError("networks must hold at least one network, got none")
    rows = -(-len(networks) // 2)
    with styled():
        figure = Figure(figsize=(SIZES.page, 0.3 + 3.1 * rows), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        # Shallow networks in the first row, MLPs on the left, as in the table of the paper.
        order = sorted(networks, key=lambda each: (len(each.model.layers), not each.title.startswith("MLP")))
        for letter, axis, network in zip("abcdefgh", axes, order, strict=False):
            kind, depth = network.title[:3], len(network.model.layers)
            axis.set(xlim=(-0.04, 1.04), ylim=(-0.14, 1.16))
            formula = _FORMULAS.get((kind, depth), "")
            axis.set_title(f"({letter}) {display_text(network.title)}: {formula}", fontsize=SIZES.small)
            width = [values.shape[1] for values in (*network.trace.inputs, network.trace.output)]
            heights = np.linspace(0, 1, len(width))
            nodes = [
                np.stack([(np.arange(n) + 0.5) / n, np.full(n, y)], 1) for n, y in zip(width, heights, strict=True)
            ]
            (_draw_mlp if kind == "MLP" else _draw_kan)(axis, network, nodes)
            for x, name in zip(nodes[0][:, 0], names, strict=True):
                axis.text(x, nodes[0][0, 1] - 0.05, f"${name}$", ha="center", va="top")
            top = nodes[-1][0]
            count = sum(p.numel() for p in network.model.parameters() if p.requires_grad)
            note = f"$f$   relative error {network.error:.1e}, {count} parameters"
            axis.text(top[0] - 0.012, top[1] + 0.05, note, ha="left", va="bottom", fontsize=SIZES.small)
        return fix_layout(figure)


def _draw_mlp(axis: Axes, network: Network, nodes: list[np.ndarray]) -> None:
    for number, layer in enumerate(network.model.layers):
        weight = layer.get_parameter("weight").detach().numpy()
        size = np.abs(weight) / np.abs(weight).max()
        for (i, o), share in np.ndenumerate(size):
            positive = weight[i, o] >= 0
            axis.plot(
                *np.stack([nodes[number][i], nodes[number + 1][o]]).T,
                color=BLUE if positive else ORANGE,
                linestyle="-" if positive else (0, (3, 1.5)),
                linewidth=0.3 + 2.2 * share,
                alpha=0.25 + 0.75 * share,
                zorder=1,
            )
        if number > 0:
            inputs = network.trace.inputs[number].detach()
            share = torch.linspace(0, 1, _POINTS, dtype=inputs.dtype)[:, None]
            x = inputs.amin(0) + share * (inputs.amax(0) - inputs.amin(0))
            _draw_curves(
                axis, nodes[number], _unit_curves(_ACTIVATIONS[str(layer.activation)](x).numpy().T), *_NODE, INK
            )
    for places in (nodes[0], nodes[-1]):
        axis.scatter(places[:, 0], places[:, 1], s=16, color=INK, zorder=4)


def _draw_kan(axis: Axes, network: Network, nodes: list[np.ndarray]) -> None:
    for number, (layer, inputs) in enumerate(zip(network.model.layers, network.trace.inputs, strict=True)):
        low, high = (end.detach().numpy() for end in (inputs.amin(0), inputs.amax(0)))
        values = edge_functions(layer, low + np.linspace(0, 1, _POINTS)[:, None] * (high - low))  # (points, in, out)
        height = (nodes[number][0, 1] + nodes[number + 1][0, 1]) / 2
        count = values[0].size
        width = min(_EDGE, _ROW / count)
        places = np.stack([(np.arange(count) + 0.5) / count, np.full(count, height)], 1)
        wires: list[np.ndarray] = []
        for (x, y), (i, o) in zip(places, np.ndindex(values.shape[1:]), strict=True):
            wires.append(np.array([nodes[number][i], (x, y - width / 2)]))
            wires.append(np.array([(x, y + width / 2), nodes[number + 1][o]]))
        axis.add_collection(LineCollection(wires, colors=GREY, linewidths=0.6, zorder=1))
        _draw_curves(axis, places, _unit_curves(values.reshape(_POINTS, -1).T), width, width, BLUE)
    for places in nodes:
        axis.scatter(places[:, 0], places[:, 1], s=16, color=INK, zorder=4)


def _draw_curves(axis: Axes, places: np.ndarray, curves: np.ndarray, width: float, height: float, color: str) -> None:
    """Draw a framed curve at each place (n, 2), from points (n, p, 2) of the unit square."""
    box = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2 * (width, height)
    frames = PolyCollection(list(places[:, None] + box), facecolors="white", edgecolors=GREY, linewidths=0.5, zorder=2)
    axis.add_collection(frames)
    lines = places[:, None] + (curves - 0.5) * (_INSIDE[0] * width, _INSIDE[1] * height)
    axis.add_collection(LineCollection(list(lines), colors=color, linewidths=1.1, zorder=3))


def _unit_curves(values: np.ndarray) -> np.ndarray:
    """Scale curves (n, points) to points (n, points, 2) of the unit square; flat ones lie in its middle."""
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    flat = high - low <= 1e-9 * np.maximum(np.abs(low), np.abs(high))
    heights = np.where(flat, 0.5, (values - low) / np.where(flat, 1.0, high - low))
    return np.stack([np.broadcast_to(np.linspace(0, 1, values.shape[1]), values.shape), heights], 2)
