"""Figures of a fitted model: its network, the functions of its first layer, and the effects of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from edgewise.cli.shared.model import Model
from edgewise.plot import edge_curves, effect_curves, network_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgewise.tables import Table


def model_figure(model: Model, rows: Table | None, kind: str, inputs: Sequence[str] = ()) -> Figure:
    """Draw the figure "network", "edges" or "effects" of a model at some rows, by default those of its background.

    Effects are those of `inputs`, by default of the strongest ones.
    """
    estimator = model.estimator
    if kind == "effects":
        return effect_curves(estimator, cast(Any, rows), inputs=inputs)
    draw = network_diagram if kind == "network" else edge_curves
    return draw(estimator, cast(Any, rows))
