"""The four drawings of the KAN paper from real models: MLP and KAN, shallow and deep, each with its formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import nn

from edgewise import Trace
from edgewise.errors import InputError
from edgewise.plot.network.diagram import edge_functions
from edgewise.plot.style import BLUE, GREY, INK, ORANGE, WIDTH, display_text, fix_layout, styled

_POINTS = 41
_FORMULAS = {
    ("MLP", 2): r"$f(x)=\sum_i a_i\,\sigma(w_i\cdot x+b_i)+c$",
    ("KAN", 2): r"$f(x)=\sum_q \Phi_q\left(\sum_p \phi_{qp}(x_p)\right)$",
    ("MLP", 3): r"$\mathrm{MLP}(x)=(W_3\circ\sigma\circ W_2\circ\sigma\circ W_1)(x)$",
    ("KAN", 3): r"$\mathrm{KAN}(x)=(\Phi_3\circ\Phi_2\circ\Phi_1)(x)$",
}


@dataclass(frozen=True)
class Network:
    """title: begins with "MLP" or "KAN". model, trace: what is drawn, over the range of what flowed through it.
    error: relative RMSE."""

    title: str
    model: nn.Module
    trace: Trace
    error: float


def four_networks(networks: Sequence[Network], *, names: Sequence[str]) -> Figure:
    """Panels (a), (b), .. in two columns. MLP: a line for each weight, its width the size, blue above zero and orange
    and dashed below; in each hidden node the fixed activation over the range that it sees. KAN: each edge's learned
    function, nodes that only add.

    Raises:
        InputError: there is no network.
    """
    if not networks:
        raise InputError("networks must hold at least one network, got none")
    rows = -(-len(networks) // 2)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.3 + 3.1 * rows), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        # Shallow ones in the first row, MLPs on the left, as the poster has them.
        order = sorted(networks, key=lambda each: (len(each.model.layers), not each.title.startswith("MLP")))
        for letter, axis, network in zip("abcdefgh", axes, order, strict=False):
            kind, depth = network.title[:3], len(network.model.layers)
            axis.set(xlim=(-0.04, 1.04), ylim=(-0.14, 1.16))
            formula = _FORMULAS.get((kind, depth), "")
            axis.set_title(f"({letter}) {display_text(network.title)}: {formula}", loc="left", fontsize=8.5)
            nodes = _nodes([values.shape[1] for values in (*network.trace.inputs, network.trace.output)])
            (_weights if kind == "MLP" else _edges)(axis, network, nodes)
            for x, name in zip(nodes[0][:, 0], names, strict=True):
                axis.text(x, nodes[0][0, 1] - 0.05, f"${name}$", ha="center", va="top")
            top = nodes[-1][0]
            count = sum(p.numel() for p in network.model.parameters() if p.requires_grad)
            told = f"$f$   relative error {network.error:.1e}, {count} parameters"
            axis.text(top[0] - 0.012, top[1] + 0.05, told, ha="left", va="bottom", fontsize=8.5)
        return fix_layout(figure)


def _nodes(width: Sequence[int]) -> list[np.ndarray]:
    """Places (nodes, 2) of each layer, inputs at the bottom."""
    heights = np.linspace(0, 1, len(width))
    return [
        np.stack([(np.arange(n) + 0.5) / n, np.full(n, height)], 1) for n, height in zip(width, heights, strict=True)
    ]


def _weights(axis: Axes, network: Network, nodes: list[np.ndarray]) -> None:
    for number, layer in enumerate(network.model.layers):
        weight = layer.weight.detach().numpy()
        size = np.abs(weight) / np.abs(weight).max()
        for (i, o), share in np.ndenumerate(size):
            positive = weight[i, o] >= 0
            style = {"color": BLUE if positive else ORANGE, "linestyle": "-" if positive else (0, (3, 1.5))}
            ends = np.stack([nodes[number][i], nodes[number + 1][o]])
            axis.plot(*ends.T, linewidth=0.3 + 2.2 * share, alpha=0.25 + 0.75 * share, zorder=1, **style)
    for number, places in enumerate(nodes):
        hidden = 0 < number < len(nodes) - 1
        if not hidden:
            axis.scatter(*places.T, s=16, color=INK, zorder=4)
            continue
        seen = network.trace.inputs[number].detach()
        values = _activated(network.model.layers[number].activation, seen)
        _pictures(axis, places, values, 0.09, 0.085, INK)


def _activated(activation: str, seen: torch.Tensor) -> np.ndarray:
    """(nodes, points, 2): the activation over the range of each node, in the unit square."""
    function = {"tanh": torch.tanh, "silu": nn.functional.silu, "relu": torch.relu}[activation]
    share = torch.linspace(0, 1, _POINTS, dtype=seen.dtype)[:, None]
    x = seen.amin(0) + share * (seen.amax(0) - seen.amin(0))
    return _scaled(function(x).numpy().T)


def _edges(axis: Axes, network: Network, nodes: list[np.ndarray]) -> None:
    for number, (layer, seen) in enumerate(zip(network.model.layers, network.trace.inputs, strict=True)):
        low, high = (end.detach().numpy() for end in (seen.amin(0), seen.amax(0)))
        values = edge_functions(layer, low + np.linspace(0, 1, _POINTS)[:, None] * (high - low))  # (points, in, out)
        ins, outs = values.shape[1:]
        height = (nodes[number][0, 1] + nodes[number + 1][0, 1]) / 2
        count = ins * outs
        width = min(0.13, 0.84 / count)
        places = np.stack([(np.arange(count) + 0.5) / count, np.full(count, height)], 1)
        wires = []
        for (x, y), (i, o) in zip(places, np.ndindex(ins, outs), strict=True):
            wires += [[nodes[number][i], (x, y - width / 2)], [(x, y + width / 2), nodes[number + 1][o]]]
        axis.add_collection(LineCollection(wires, colors=GREY, linewidths=0.6, zorder=1))
        curves = _scaled(values.reshape(_POINTS, -1).T)
        _pictures(axis, places, curves, width, width, BLUE)
    for places in nodes:
        axis.scatter(*places.T, s=16, color=INK, zorder=4)


def _pictures(axis: Axes, places: np.ndarray, curves: np.ndarray, width: float, height: float, color: str) -> None:
    """A framed curve at each place."""
    box = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2 * (width, height)
    frames = PolyCollection(places[:, None] + box, facecolors="white", edgecolors=GREY, linewidths=0.5, zorder=2)
    axis.add_collection(frames)
    lines = places[:, None] + (curves - 0.5) * (0.84 * width, 0.78 * height)
    axis.add_collection(LineCollection(lines, colors=color, linewidths=1.1, zorder=3))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Curves (n, points) as points (n, points, 2) of the unit square; flat ones in its middle."""
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    flat = high - low <= 1e-9 * np.maximum(np.abs(low), np.abs(high))
    heights = np.where(flat, 0.5, (values - low) / np.where(flat, 1.0, high - low))
    return np.stack([np.broadcast_to(np.linspace(0, 1, values.shape[1]), values.shape), heights], 2)
