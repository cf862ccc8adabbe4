"""`edgewise plot`: a figure of a fitted model, drawn on the rows of a table or on points spread over its domain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.source import open_source
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.interpret.attribution.scores import input_scores
from edgewise.nn.layers.spline import KANLayer
from edgewise.plot import edge_curves, effect_curves, network_diagram, save
from edgewise.plot.style import FORMATS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 2_000  # rows of the table that are used; a choice: more would not change the figure visibly
SPREAD_POINTS = 1_000  # points without a table; a choice


def draw_model(model: str, data: str | None, out: str, kind: str, delimiter: str | None, screen: Screen) -> None:
    """Draw the figure `kind` into the file `out`, on the rows of `data` or on points spread over the domain."""
    if Path(out).suffix.lower() not in FORMATS:
        raise InputError(f"--out must end in .svg, .pdf or .png, got {out!r}")
    opened = open_model(model)
    estimator, outputs = opened.estimator, opened.output_names
    if data is None:
        place = "points spread evenly over the model's domain; --data uses the rows of a table"
        layer = estimator.model_.layers[0]
        assert isinstance(layer, KANLayer)  # an estimator trains splines
        low, high = layer.domain.detach().double().numpy().T
        z = low + (high - low) * np.random.default_rng(0).random((SPREAD_POINTS, len(low)))
        X = estimator.input_scaling_.inverse(z)
    else:
        X, notes = opened.inputs(open_source(data, delimiter).table)
        screen.notes(notes)
        place = f"{len(X):,} rows of {data}"
        X = X[np.linspace(0, len(X) - 1, min(MOST_ROWS, len(X))).astype(int)]
    if kind == "effects":
        names = opened.names or [f"x{i + 1}" for i in range(X.shape[1])]
        figure = effects_figure(estimator, X, names, opened.target)
    elif kind == "network":
        figure = network_diagram(estimator.model_, estimator.trace(X), names=opened.names, outputs=outputs)
    else:
        figure = first_layer_figure(estimator, X, opened.names, outputs)
    save(figure, out)
    screen.say(f"Wrote {out}: the functions of the model on {place}.")


def effects_figure(estimator: KANRegressor | KANClassifier, X: np.ndarray, names: Sequence[str], target: str) -> Figure:
    """Draw the partial dependence on each input.

    Shown is the prediction; for more than two numeric classes the expected value, and for other classes the
    probabilities.
    """
    scores = input_scores(estimator.trace(X)).tolist()
    if not isinstance(estimator, KANClassifier):
        predict = estimator.predict
        return effect_curves(lambda rows: np.asarray(predict(rows)), X, names=names, target=target, scores=scores)
    classes = [str(label) for label in estimator.classes_]
    if len(classes) == 2:
        function, target = (lambda rows: estimator.predict_proba(rows)[:, 1]), f"probability of {classes[1]}"
        return effect_curves(function, X, names=names, target=target, scores=scores)
    if not isinstance(estimator.classes_.tolist()[0], str):
        values = np.asarray(estimator.classes_, dtype=np.float64)
        function, target = (lambda rows: estimator.predict_proba(rows) @ values), f"expected {target}"
        return effect_curves(function, X, names=names, target=target, scores=scores)
    return effect_curves(estimator.predict_proba, X, names=names, outputs=classes, target="probability", scores=scores)


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
