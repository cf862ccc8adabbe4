"""Edits that give an edge another curve, as copies of the network: `shapes` computes the coefficients."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from edgewise.checks import is_integer, is_number
from edgewise.errors import InputError
from edgewise.explore.editing import shapes
from edgewise.interpret.symbolic import steering
from edgewise.interpret.transform.edges import edge_layers
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.train.problems.base import Problem


@torch.no_grad()
def reshaped(model: KAN, problem: Problem, edge: steering.Edge, edit: dict[str, Any]) -> tuple[KAN, str]:
    """Copy a network with another curve of an edge, and describe the change in a sentence; raises InputError."""
    number, i, o = edge
    rows = steering.layer_inputs(model, number, problem)[:, i].double().numpy()
    is_drag = edit["kind"] == "drag"
    model, spline = _with_spline_alone(model, problem, edge, keep_base=is_drag)
    if is_drag:
        points = np.array(edit["points"], dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise InputError(f"points must be pairs (input, new value of the edge), got {edit['points']!r:.80}")
        now = _edge_values(spline, i, o, points[:, 0])
        new = shapes.dragged(spline, i, o, points[:, 1] - now, points[:, 0])
        text = f"The curve of edge {edge} was moved at {len(points)} point{'s' if len(points) > 1 else ''}."
    elif edit["kind"] == "shape":
        if edit["shape"] not in shapes.CURVE_SHAPES:
            raise InputError(f"shape must be one of {', '.join(shapes.CURVE_SHAPES)}, got {edit['shape']!r}")
        new = shapes.shaped(spline, i, o, edit["shape"], rows)
        text = f"Edge {edge} is {edit['shape']}."
    else:
        limits = edit.get("range", list(shapes.domain_of(spline, i)))
        if len(limits) != 2 or not all(map(is_number, limits)) or limits[0] >= limits[1]:
            raise InputError(f"range must be two numbers, the smaller first, got {limits!r}")
        flat = edit["kind"] == "flatten"
        new = shapes.levelled(spline, i, o, limits, rows, flat=flat)
        text = f"Edge {edge} is {'constant' if flat else 'straight'} from {limits[0]:.4g} to {limits[1]:.4g}."
    spline.coef[i, :, o] = torch.from_numpy(new).to(spline.coef)
    return model, text


@torch.no_grad()
def _with_spline_alone(model: KAN, problem: Problem, edge: steering.Edge, *, keep_base: bool) -> tuple[KAN, KANLayer]:
    """Copy a network in which an edge is a spline without function, and without base function unless it is kept."""
    number, i, o = edge
    layer = edge_layers(model)[number]
    if not bool(layer.mask[i, o]):
        raise InputError(f"edge must be one that is there, got {edge}, which was removed")
    if layer.elementary(i, o) is not None:
        model = steering.free_edge(model, edge, problem, refit=0).model
    else:
        model = copy.deepcopy(model)
    spline = edge_layers(model)[number]
    assert spline.has_splines, "the edge is a spline now"
    if not keep_base and spline.base is not None and float(spline.base[i, o]):
        points = shapes.spread_points(spline, i)
        values = _edge_values(spline, i, o, points)
        new = np.linalg.lstsq(shapes.columns_of(spline, i, points), values, rcond=None)[0]
        spline.coef[i, :, o] = torch.from_numpy(new).to(spline.coef)
        spline.base[i, o] = 0
    return model, spline


def _edge_values(spline: KANLayer, i: int, o: int, points: np.ndarray) -> np.ndarray:
    inputs = torch.zeros(len(points), spline.in_features, dtype=spline.coef.dtype)
    inputs[:, i] = torch.from_numpy(points)
    return spline.edges(inputs)[:, i, o].double().numpy()


@torch.no_grad()
def merged(model: KAN, problem: Problem, inputs: Any) -> KAN:
    """Give the inputs of several levels of a category one effect: the mean of theirs over the rows that have them."""
    first = edge_layers(model)[0]
    if isinstance(inputs, list) and all(map(is_integer, inputs)):
        chosen = sorted(set(inputs))
    else:
        chosen = []
    if len(chosen) < 2 or not set(chosen) <= set(range(first.in_features)):
        raise InputError(f"inputs must be two or more numbers below {first.in_features}, got {inputs!r:.80}")
    ends = []
    counts = []
    for i in chosen:
        values, count = np.unique(steering.layer_inputs(model, 0, problem)[:, i].double().numpy(), return_counts=True)
        if len(values) != 2:
            raise InputError(f"inputs must have two values each, as levels of a category, got {len(values)} in {i}")
        ends.append(values)
        counts.append(count[1])
    points = torch.zeros(2, first.in_features, dtype=next(first.parameters()).dtype)
    for i, pair in zip(chosen, ends, strict=True):
        points[:, i] = torch.from_numpy(pair)
    values = first.edges(points)[:, chosen].double().numpy()  # (2, levels, out)
    means = np.average(values[1] - values[0], axis=0, weights=counts)
    for o in range(first.out_features):
        for place, i in enumerate(chosen):
            off = float(values[0, place, o])
            wanted = [[float(ends[place][0]), off], [float(ends[place][1]), off + float(means[o])]]
            if bool(edge_layers(model)[0].mask[i, o]):
                model, _ = reshaped(model, problem, (0, i, o), {"kind": "drag", "points": wanted})
            elif means[o]:
                raise InputError(f"inputs must have edges, got {i} without an edge to {o}")
    return model
