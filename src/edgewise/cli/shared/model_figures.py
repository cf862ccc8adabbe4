"""Figures of a fitted model: its network, the functions of its first layer, and the effects of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from edgewise.cli.shared.model import Model
from edgewise.plot import edge_curves, effect_curves, network_diagram, pair_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgewise.tables import Table


def model_figure(model: Model, rows: Table | None, kind: str, inputs: Sequence[str] = ()) -> Figure:
    """Draw the figure "network", "edges", "effects" or "pair" of a model at some rows, by default its background.

    Effects are those of `inputs`, by default of the strongest ones; a pair is that of the two `inputs`.
    """
    estimator = model.estimator
    if kind == "effects":
        return effect_curves(estimator, cast(Any, rows), inputs=inputs)
    if kind == "pair":
        return pair_map(estimator, cast(Any, rows), inputs=(inputs[0], inputs[1]))
    draw = network_diagram if kind == "network" else edge_curves
    return draw(estimator, cast(Any, rows))
