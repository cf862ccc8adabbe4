"""Order of the hidden nodes of a diagram in which modules show (`in_modules`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewise.plot.network.layout import Shown

_SWEEPS = 8  # a choice: the order of a small network settles in two or three


def in_modules(shown: Shown) -> Shown:
    """Order hidden nodes so that strong wires are short: the barycentre method for drawing layered graphs.

    Each node moves to the weighted mean of its neighbours' places, layer by layer, forwards and backwards; the order
    with the smallest sum of strength times length is kept. Inputs and outputs stay.

    Parameters
    ----------
    shown : Shown
        What is drawn.

    Returns
    -------
    Shown
        The same nodes and edges in another order.

    References
    ----------
    K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
    Transactions on Systems, Man, and Cybernetics 11 (1981) 109. pykan's `auto_swap` has the same aim.
    """
    layers = len(shown.edges)
    weights = []
    for n in range(layers):
        weight = np.zeros((len(shown.nodes[n]), len(shown.nodes[n + 1])))
        rows = {node: k for k, node in enumerate(shown.nodes[n])}
        columns = {node: k for k, node in enumerate(shown.nodes[n + 1])}
        for i, o in shown.edges[n]:
            weight[rows[i], columns[o]] = shown.edge_strength[n][i, o]
        weights.append(weight)
    orders = [np.arange(len(nodes)) for nodes in shown.nodes]

    def places() -> list[np.ndarray]:
        found = []
        for order in orders:
            place = np.empty(len(order))
            place[order] = (np.arange(len(order)) + 0.5) / len(order)
            found.append(place)
        return found

    def cost() -> float:
        at = places()
        return sum(float((w * np.abs(a[:, None] - b)).sum()) for w, a, b in zip(weights, at, at[1:], strict=False))

    best, least = [order.copy() for order in orders], cost()
    for sweep in range(_SWEEPS):
        hidden = range(1, layers)
        for n in hidden if sweep % 2 == 0 else reversed(hidden):
            at = places()
            weight, neighbours = (weights[n - 1], at[n - 1]) if sweep % 2 == 0 else (weights[n].T, at[n + 1])
            total = weight.sum(0)
            mean = np.divide(neighbours @ weight, total, out=at[n].copy(), where=total > 0)
            orders[n] = orders[n][np.argsort(mean[orders[n]], kind="stable")]
        if cost() < least - 1e-12:
            best, least = [order.copy() for order in orders], cost()
    nodes = tuple(tuple(layer[k] for k in order) for layer, order in zip(shown.nodes, best, strict=True))
    rank = [{node: k for k, node in enumerate(layer)} for layer in nodes]
    edges = tuple(
        tuple(sorted(layer, key=lambda edge, n=n: (rank[n][edge[0]], rank[n + 1][edge[1]])))  # type: ignore[misc]
        for n, layer in enumerate(shown.edges)
    )
    return replace(shown, nodes=nodes, edges=edges)
