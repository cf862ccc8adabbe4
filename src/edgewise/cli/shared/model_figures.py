"""Figures of a fitted model: its network, the functions of its first layer, and the effects of its inputs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from edgewise.cli.shared.model import Model
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.nn.layers.spline import KANLayer
from edgewise.plot import edge_curves, effect_curves, network_diagram
from edgewise.tables import InputEncoder, TableEncoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD_POINTS = 1_000  # points without a table; a choice


def model_figure(model: Model, X: np.ndarray, kind: str) -> Figure:
    """Draw the figure "network", "edges" or "effects" of a model at the rows X (N, d), inputs of the network."""
    shown = model.estimator if model.encoder is None else with_columns(model.estimator, model.encoder, X)
    rows = X if model.encoder is None else None
    if kind == "effects":
        return effect_curves(shown, rows)
    return network_diagram(shown, rows) if kind == "network" else edge_curves(shown, rows)


def with_columns(
    estimator: KANRegressor | KANClassifier, encoder: TableEncoder, X: np.ndarray
) -> KANRegressor | KANClassifier:
    """Return the estimator as one of the columns of a table, where a category is one input, with rows X as background.

    Parameters
    ----------
    estimator : KANRegressor or KANClassifier
        Fitted to the inputs that the encoder made.
    encoder : TableEncoder
        The rules of the table.
    X : ndarray
        (N, d), inputs that the encoder made.
    """
    shown = copy.copy(estimator)
    shown.encoder_ = InputEncoder(encoder.inputs, names=encoder.columns)
    shown.n_features_in_ = len(encoder.columns)
    shown.feature_names_in_ = np.array(encoder.columns, dtype=object)
    shown.target_names_ = (encoder.target.name,)
    groups = shown.encoder_.groups
    columns = [one.codes_of(X[:, group]) for one, group in zip(encoder.inputs, groups, strict=True)]
    shown.background_ = np.stack(columns, axis=1)
    return shown


def spread_points(estimator: KANRegressor | KANClassifier) -> np.ndarray:
    """Return points (N, d) spread evenly over the domain of the model, in the units of the inputs."""
    layer = estimator.model_.layers[0]
    assert isinstance(layer, KANLayer)  # an estimator trains splines
    low, high = layer.domain.detach().double().numpy().T
    z = low + (high - low) * np.random.default_rng(0).random((SPREAD_POINTS, len(low)))
    return np.asarray(estimator.input_scaling_.inverse(z))
