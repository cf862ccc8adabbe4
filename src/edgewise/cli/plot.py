"""`edgewise plot`: a figure of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewise.cli.console import Screen
from edgewise.cli.figures import effects
from edgewise.cli.model import Model, open_model
from edgewise.cli.source import open_source
from edgewise.errors import InputError
from edgewise.plot import edge_curves, network_diagram, save
from edgewise.plot.style import FORMATS

KINDS = ("network", "edges", "effects")
_ROWS = 2_000


def plot(model: str, data: str | None, out: str, kind: str, delimiter: str | None, screen: Screen) -> None:
    """Draws `kind` into the file `out`, on the rows of `data` or, without any, on points spread over the domain."""
    if Path(out).suffix.lower() not in FORMATS:
        raise InputError(f"--out must end in .svg, .pdf or .png, got {out!r}")
    opened = open_model(model)
    if data is None:
        X, on = _spread(opened), "points spread evenly over the model's domain; --data uses the rows of a table"
    else:
        table = open_source(data, delimiter).table
        X, notes = opened.inputs(table)
        screen.notes(notes)
        on = f"{len(X):,} rows of {data}"
    save(_figure(opened, X, kind), out)
    screen.say(f"Wrote {out}: the functions of the model on {on}.")


def _spread(model: Model) -> np.ndarray:
    """Points that fill the range the model was trained on, in the units of the table."""
    generator = np.random.default_rng(0)
    low, high = model.estimator.model_.layers[0].domain.detach().double().numpy().T
    z = low + (high - low) * generator.random((_ROWS // 2, len(low)))
    return model.estimator.input_scaling_.inverse(z)


def _figure(model: Model, X: np.ndarray, kind: str):
    estimator, names = model.estimator, model.names
    X = X[np.linspace(0, len(X) - 1, min(_ROWS, len(X))).astype(int)]
    width = estimator.model_.config.width[-1]
    outputs = [str(label) for label in model.labels] or ([model.target] if width == 1 else None)
    if kind == "effects":
        shown = names or [f"x{i + 1}" for i in range(X.shape[1])]
        return effects(estimator, X, shown, model.labels, model.target)
    trace = estimator.trace(X)
    if kind == "network":
        return network_diagram(estimator.model_, trace, names=names, outputs=outputs)
    scaling = (estimator.input_scaling_.shift, estimator.input_scaling_.scale)
    ends = outputs if len(estimator.model_.layers) == 1 else None
    return edge_curves(estimator.model_, trace, names=names, outputs=ends, scaling=scaling)
