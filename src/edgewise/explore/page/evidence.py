"""Evidence that the fit of a model left: the bands of its curves, and the formulas that a search found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edgewise.escaping import printable_line
from edgewise.estimator import KANRegressor
from edgewise.estimator.display import BAND_WIDTH
from edgewise.explore.subject import Subject
from edgewise.interpret.edits import layer_inputs
from edgewise.nn.model import edge_layers
from edgewise.presentation import typed_text


def band_fields(subject: Subject) -> dict[str, Any] | None:
    """Return the half widths of the bands of all curves of the unedited network; None without error bars.

    None too for pairs, whose margins the page gives to the curves: the error bars are those of other curves.

    "edges" maps "layer,i,o" to the first and last of even points of the domain, the values of the curve there and the
    half widths of its band.
    """
    estimator = subject.estimator
    network = subject.network
    bars = None
    if estimator is not None:
        bars = estimator._task.bars
    layers = edge_layers(network)
    pairs = any(layer.groups is not None for layer in network.layers)
    # The bands of an edge take 1 ms.
    if bars is None or pairs or sum(layer.in_features * layer.out_features for layer in layers) > 300:
        return None
    edges: dict[str, Any] = {}
    for number, layer in enumerate(layers):
        if layer.has_functions:
            continue
        inputs = layer_inputs(network, number, subject.problem)
        place = next(n for n, one in enumerate(network.layers) if one is layer)
        low = inputs.min(0).values
        high = inputs.max(0).values
        # Points of the bands of the curves: two for each of 20 knot intervals.
        share = torch.linspace(0, 1, 41, dtype=inputs.dtype)[:, None]
        points = low + (high - low) * share
        half = BAND_WIDTH * bars.edges(network, place, inputs).std(points)
        values = layer.edges(points).detach()
        for i in range(layer.in_features):
            for o in range(layer.out_features):
                curve = values[:, i, o].tolist(), half[:, i, o].tolist()
                edges[f"{number},{i},{o}"] = [float(low[i]), float(high[i]), *curve]
    return {"edges": edges, "width": BAND_WIDTH}


def front_fields(subject: Subject, x: np.ndarray) -> list[dict[str, Any]]:
    """Describe the formulas that `fit_equations` found, shortest first, with their values on rows and beyond them.

    Rows x (N, inputs) are in the units of the network. "output" is the name of the target or class, empty for a single
    front. "rows" holds the values on the rows; "along" maps the number of an input to its first and last value in the
    table's unit and the values of the formula between them, the other inputs at their medians. Both are in the unit of
    the target, or log-odds; None where a formula is undefined.
    """
    found = getattr(subject.estimator, "equations_", None)
    if found is None:
        return []
    fronts = found if isinstance(found, Mapping) else {"": found}
    if isinstance(found, Mapping) and isinstance(subject.estimator, KANRegressor):
        fronts = {subject.outputs[place]: front for place, front in found.items()}
    rows = subject.shift + subject.scale * x
    middle = np.median(rows, axis=0)
    low = rows.min(axis=0)
    high = rows.max(axis=0)
    # Formulas are followed by half the range of an input beyond it on either side.
    more = 0.5 * (high - low)
    count = 61  # points at which a formula is drawn along an input
    fields = []
    for output, front in fronts.items():
        for one in front:
            along = {}
            for i in range(x.shape[1]):
                if len(np.unique(rows[:, i])) < 3:  # levels of a category have no values between them
                    continue
                points = np.repeat(middle[None], count, 0)
                points[:, i] = np.linspace(low[i] - more[i], high[i] + more[i], count)
                along[str(i)] = [float(points[0, i]), float(points[-1, i]), short_numbers(one.formula(points))]
            fields.append(
                {
                    "output": printable_line(output),
                    "latex": one.formula.latex(),
                    "size": one.complexity,
                    "error": one.loss**0.5,
                    "chosen": one is front.best,
                    "rows": short_numbers(one.formula(rows)),
                    "along": along,
                }
            )
    return fields


def short_numbers(values: np.ndarray) -> list[float | None]:
    """Return values with seven digits, for a page; None where they are not finite."""
    return [float(typed_text(value, 7)) if np.isfinite(value) else None for value in values.tolist()]
