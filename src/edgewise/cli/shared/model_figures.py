"""Figures of a fitted model: its network, the functions of its first layer, and the effects of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewise.cli.shared.model import Model
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.nn.layers.spline import KANLayer
from edgewise.plot import edge_curves, effect_curves, network_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD_POINTS = 1_000  # points without a table; a choice


def model_figure(model: Model, X: np.ndarray, kind: str) -> Figure:
    """Draw the figure "network", "edges" or "effects" of a model at the rows X (N, d)."""
    estimator, outputs = model.estimator, model.output_names
    if kind == "effects":
        names = model.names or [f"x{i + 1}" for i in range(X.shape[1])]
        return effects_figure(estimator, X, names, model.target)
    if kind == "network":
        return network_diagram(estimator.model_, estimator.trace(X), names=model.names, outputs=outputs)
    return first_layer_figure(estimator, X, model.names, outputs)


def spread_points(estimator: KANRegressor | KANClassifier) -> np.ndarray:
    """Return points (N, d) spread evenly over the domain of the model, in the units of the inputs."""
    layer = estimator.model_.layers[0]
    assert isinstance(layer, KANLayer)  # an estimator trains splines
    low, high = layer.domain.detach().double().numpy().T
    z = low + (high - low) * np.random.default_rng(0).random((SPREAD_POINTS, len(low)))
    return np.asarray(estimator.input_scaling_.inverse(z))


def effects_figure(estimator: KANRegressor | KANClassifier, X: np.ndarray, names: Sequence[str], target: str) -> Figure:
    """Draw the partial dependence on each input.

    Shown is the prediction; for more than two numeric classes the expected value, and for other classes the
    probabilities.
    """
    if not isinstance(estimator, KANClassifier):
        predict = estimator.predict
        return effect_curves(lambda rows: np.asarray(predict(rows)), X, names=names, target=target)
    classes = [str(label) for label in estimator.classes_]
    if len(classes) == 2:
        function, target = (lambda rows: estimator.predict_proba(rows)[:, 1]), f"probability of {classes[1]}"
        return effect_curves(function, X, names=names, target=target)
    if not isinstance(estimator.classes_.tolist()[0], str):
        values = np.asarray(estimator.classes_, dtype=np.float64)
        function, target = (lambda rows: estimator.predict_proba(rows) @ values), f"expected {target}"
        return effect_curves(function, X, names=names, target=target)
    return effect_curves(estimator.predict_proba, X, names=names, outputs=classes, target="probability")


def first_layer_figure(
    estimator: KANRegressor | KANClassifier,
    X: np.ndarray,
    names: Sequence[str] | None,
    outputs: Sequence[str] | None,
    *,
    bands: bool = False,
) -> Figure:
    """Draw the functions of the first layer; with `bands`, two standard deviations around them where known."""
    scaling = estimator.input_scaling_
    std = None
    if bands and isinstance(estimator, KANRegressor) and estimator.error_bars_ is not None:
        std = estimator.edge_std(X)
    return edge_curves(
        estimator.model_,
        estimator.trace(X),
        names=names,
        outputs=outputs if len(estimator.model_.layers) == 1 else None,
        scaling=(scaling.shift.tolist(), scaling.scale.tolist()),
        std=std,
    )
