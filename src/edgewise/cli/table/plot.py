"""The figures of a fit's report.

`edgewise plot`: a figure of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.job import Prepared, Trained
from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.source import open_source
from edgewise.cli.table.formula import Equations
from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import GlobalExplanation
from edgewise.interpret.attribution.scores import input_scores
from edgewise.plot import (
    confusion,
    edge_curves,
    effect_curves,
    formula_front,
    network_diagram,
    parity,
    save,
    share_dots,
    training_history,
)
from edgewise.plot.style import FORMATS
from edgewise.report import ReportFigure

SEEN = 2_000  # training rows that figures and scores look at: more would not change what is seen
MOST_CLASSES = 40  # a table of more could not be read


def seen_rows(ready: Prepared) -> np.ndarray:
    """Training rows for figures and scores, evenly picked if there are many."""
    rows = ready.train
    return ready.X[rows[np.linspace(0, len(rows) - 1, min(SEEN, len(rows))).astype(int)]]


def explanation(ready: Prepared, trained: Trained) -> GlobalExplanation | None:
    """What the KAN's predictions of the training rows depend on; None where these are all the same, or so large that
    nothing can be said."""
    X = seen_rows(ready)
    if not np.ptp(X, axis=0).any():
        return None
    estimator = trained.estimator
    outputs = [str(label) for label in estimator.classes_] if ready.labels else [ready.encoder.target.name]
    with np.errstate(invalid="ignore", over="ignore"):
        explained = estimator.explain_global(X, names=ready.encoder.feature_names, outputs=outputs)
    return explained if np.isfinite(explained.local.shares).all() else None


def draw(
    ready: Prepared, trained: Trained, explained: GlobalExplanation | None, equations: Equations | None
) -> list[ReportFigure]:
    """All figures of the report."""
    estimator, names = trained.estimator, ready.encoder.feature_names
    X, target = seen_rows(ready), ready.encoder.target.name
    trace = estimator.trace(X)
    outputs = [str(label) for label in ready.labels] or [target]
    truth, scaling = ready.y[ready.test], estimator.input_scaling_
    figures = []
    if not ready.labels:
        figures.append(ReportFigure("parity", parity(truth, trained.prediction)))
    elif len(ready.labels) <= MOST_CLASSES:
        shown = confusion(truth, trained.prediction, classes=np.array(ready.labels, dtype=ready.y.dtype))
        figures.append(ReportFigure("confusion", shown))
    figures.append(ReportFigure("effects", effects(estimator, X, names, ready.labels, target)))
    if explained is not None:
        figures.append(ReportFigure("shares", share_dots(explained.local)))
    if equations is not None:
        front, place = equations.found.front, equations.found.chosen
        figures.append(ReportFigure("formulas", formula_front(front, chosen=place, target=target)))
    figures.append(ReportFigure("network", network_diagram(estimator.model_, trace, names=names, outputs=outputs)))
    ends = outputs if len(estimator.model_.layers) == 1 else None
    figures.append(
        ReportFigure(
            "edges",
            edge_curves(
                estimator.model_,
                trace,
                names=names,
                outputs=ends,
                scaling=(scaling.shift, scaling.scale),
                std=estimator.edge_std(X) if getattr(estimator, "error_bars_", None) is not None else None,
            ),
        )
    )
    history = estimator.report_.history
    if any(math.isfinite(record.loss) for record in history):
        loss = "cross-entropy" if ready.labels else "mean squared error (scaled)"
        figures.append(ReportFigure("history", training_history(estimator.report_, loss_name=loss)))
    return figures


def effects(estimator, X: np.ndarray, names: Sequence[str], labels: Sequence, target: str):
    """The figure of partial dependence: of the prediction, of the expected value of numeric classes, or of the
    probabilities of named ones."""
    scores = input_scores(estimator.trace(X)).tolist()
    if not labels:
        return effect_curves(estimator.predict, X, names=names, target=target, scores=scores)
    if not isinstance(labels[0], str) and len(labels) > 2:
        values = np.asarray(estimator.classes_, dtype=np.float64)

        def expected(rows: np.ndarray) -> np.ndarray:
            return estimator.predict_proba(rows) @ values

        return effect_curves(expected, X, names=names, target=f"expected {target}", scores=scores)
    kept = [str(label) for label in estimator.classes_]
    if len(kept) == 2:
        return effect_curves(
            lambda rows: estimator.predict_proba(rows)[:, 1],
            X,
            names=names,
            target=f"probability of {kept[1]}",
            scores=scores,
        )
    return effect_curves(estimator.predict_proba, X, names=names, outputs=kept, target="probability", scores=scores)


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
