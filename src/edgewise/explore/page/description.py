"""The content of the page as plain values for JSON: the network with its coefficients, rows, scores and edits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.explore.editing.edits import Applied
from edgewise.explore.session import Session
from edgewise.explore.subject import Subject
from edgewise.interpret.symbolic.extraction import edge_formula, formula
from edgewise.nn.config import BASE_NAMES
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN, spline_part
from edgewise.tables.columns import CategoryInput
from edgewise.train.problems.classification import Classification

ROWS_ON_THE_PAGE = 1000  # rows of the page, evenly picked; a choice: more points overlap, and all count in the scores
WORST_ROWS = 12  # rows with the largest losses that are listed; a choice
LONGEST_FORMULA = 4000  # characters of the formula of a whole network that are shown; a choice


def network_fields(network: KAN) -> list[dict[str, Any]]:
    """Describe the layers of a network with all numbers that its outputs need."""
    fields: list[dict[str, Any]] = []
    for place, layer in enumerate(network.layers):
        if isinstance(layer, ProductLayer):
            fields.append({"kind": "products", "groups": [list(group) for group in layer.groups]})
            continue
        one: dict[str, Any] = {"kind": "edges", "inputs": layer.in_features, "outputs": layer.out_features}
        spline = spline_part(layer)
        if spline is not None:
            if spline.base_function not in BASE_NAMES:
                known = ", ".join(BASE_NAMES)
                raise InputError(f"model must have a base function of {known}, got {spline.base_function!r:.80}")
            one["spline"] = {
                "degree": spline.degree,
                "baseFunction": spline.base_function,
                "knots": spline.knots.double().tolist(),
                "coef": spline.coef.detach().double().permute(0, 2, 1).tolist(),  # by input, output and number
                "base": None if spline.base is None else spline.base.detach().double().tolist(),
                "mask": spline.mask.double().tolist(),
            }
        symbolic = layer.symbolic if isinstance(layer, MixedLayer) else layer
        if isinstance(symbolic, SymbolicLayer):
            one["symbolic"] = {
                "functions": [list(row) for row in symbolic.functions],
                "constants": symbolic.affine.detach().double().permute(1, 2, 0).tolist(),
                "latex": _edge_latex(network, place, symbolic) if not isinstance(layer, MixedLayer) else None,
            }
        fields.append(one)
    return fields


def _edge_latex(network: KAN, place: int, layer: SymbolicLayer) -> list[list[str]]:
    return [
        [edge_formula(network, place, i, o, name="u").latex() for o in range(layer.out_features)]
        for i in range(layer.in_features)
    ]


def subject_fields(subject: Subject) -> dict[str, Any]:
    """Describe what stays the same through all edits: names, units, columns and rows."""
    problem, estimator = subject.problem, subject.estimator
    count = len(problem.train) + len(subject.held_out)
    held = np.zeros(count, dtype=bool)
    held[list(subject.held_out)] = True
    x, y = torch.empty(count, problem.train.x.shape[1], dtype=torch.float64), None
    targets = torch.empty(count, *problem.train.y.shape[1:], dtype=torch.float64)
    assert problem.validation is not None, "a subject holds rows out"
    for rows, data in ((~held, problem.train), (held, problem.validation)):
        x[torch.from_numpy(rows)], targets[torch.from_numpy(rows)] = data.x.double(), data.y.double()
    worst = [one["row"] - 1 for one in _worst(subject, subject.network)]
    shown = np.unique(np.r_[np.linspace(0, count - 1, min(count, ROWS_ON_THE_PAGE)).astype(int), worst])
    y = targets[torch.from_numpy(shown)]
    limits = None if estimator is None else estimator.input_limits_.tolist()
    target: dict[str, Any] = {"shift": [0.0], "scale": [1.0], "log": False}
    if isinstance(estimator, KANRegressor):
        scaling = estimator.target_scaling_
        target = {"shift": scaling.shift.tolist(), "scale": scaling.scale.tolist(), "log": estimator.link_ == "log"}
    return {
        "inputs": list(subject.names),
        "outputs": list(subject.outputs),
        "task": "classes" if isinstance(problem, Classification) else "numbers",
        "target": target,
        "shift": np.asarray(subject.shift, dtype=np.float64).tolist(),
        "scale": np.asarray(subject.scale, dtype=np.float64).tolist(),
        "limits": limits,
        "columns": _columns(subject),
        "rows": {
            "numbers": (shown + 1).tolist(),
            "x": x[torch.from_numpy(shown)].tolist(),
            "y": y.tolist(),
            "held": held[shown].tolist(),
            "all": count,
            "heldOut": len(subject.held_out),
        },
        "functions": [name for name in ELEMENTARY if name != "0"],
        "front": front_fields(subject),
        "note": subject.note,
    }


def front_fields(subject: Subject) -> list[dict[str, Any]]:
    """Describe the formulas that `fit_equations` found, shortest first."""
    front = getattr(subject.estimator, "equations_", None)
    if front is None:
        return []
    return [
        {"latex": one.formula.latex(), "size": one.complexity, "error": one.loss**0.5, "chosen": one is front.best}
        for one in front
    ]


def _columns(subject: Subject) -> list[dict[str, Any]]:
    """Describe the columns of the table, each with its inputs of the network; the inputs are columns of a bare one."""
    if subject.estimator is None:
        return [{"name": name, "inputs": [i], "levels": []} for i, name in enumerate(subject.names)]
    encoder = subject.estimator.encoder_
    return [
        {
            "name": one.name,
            "inputs": list(inputs),
            "levels": list(one.state_names) if isinstance(one, CategoryInput) else [],
        }
        for one, inputs in zip(encoder.inputs, encoder.groups, strict=True)
    ]


def session_fields(session: Session) -> dict[str, Any]:
    """Describe the model as it is now: its network, its scores and the history of its edits."""
    network = session.network
    return {
        "version": session.version,
        "network": network_fields(network),
        "scores": scores(session.subject, network),
        "worst": _worst(session.subject, network),
        "formula": _whole_formula(network, session.subject),
        "edits": [{"text": text, "holds": holds} for text, holds in session.texts],
    }


def applied_fields(done: Applied, subject: Subject) -> dict[str, Any]:
    """Describe an edit that may be kept: its cost, and the network that it makes."""
    return {
        "text": done.text,
        "edit": done.edit,
        "network": network_fields(done.model),
        "scores": scores(subject, done.model),
        "costs": {
            name: {"before": cost.before, "after": cost.after, "error": cost.standard_error, "rows": cost.rows}
            for name, cost in done.costs.items()
        },
    }


@torch.no_grad()
def scores(subject: Subject, network: KAN) -> dict[str, dict[str, float | None]]:
    """Return R² and the root mean square error in the target's unit, or accuracy and cross-entropy, on both parts."""
    results: dict[str, dict[str, float | None]] = {}
    problem = subject.problem
    for name, data in (("training", problem.train), ("held-out", problem.validation)):
        if data is None:
            continue
        output = network(data.x).double()
        loss = float(problem.sample_losses(network, data).mean())
        if isinstance(problem, Classification):
            found = {"accuracy": float((output.argmax(1) == data.y).double().mean()), "cross-entropy": loss}
        else:
            y = data.y.double()
            spread = float((y - y.mean(0)).square().mean())
            unit = 1.0
            if isinstance(subject.estimator, KANRegressor) and len(subject.outputs) == 1:
                unit = float(subject.estimator.target_scaling_.scale[0])
            found = {"R²": 1 - loss / spread if spread > 0 else math.nan, "RMSE": math.sqrt(loss) * unit}
        results[name] = {key: value if math.isfinite(value) else None for key, value in found.items()}
    return results


@torch.no_grad()
def _worst(subject: Subject, network: KAN) -> list[dict[str, Any]]:
    """List the rows with the largest losses, by their numbers from 1."""
    problem = subject.problem
    count = len(problem.train) + len(subject.held_out)
    held = np.zeros(count, dtype=bool)
    held[list(subject.held_out)] = True
    losses, x = np.empty(count), np.empty((count, len(subject.names)))
    assert problem.validation is not None, "a subject holds rows out"
    for rows, data in ((~held, problem.train), (held, problem.validation)):
        losses[rows], x[rows] = problem.sample_losses(network, data).double().numpy(), data.x.double().numpy()
    order = np.argsort(-losses, kind="stable")[:WORST_ROWS]
    return [{"row": int(n) + 1, "loss": float(losses[n]), "held": bool(held[n]), "x": x[n].tolist()} for n in order]


def _whole_formula(network: KAN, subject: Subject) -> list[str] | None:
    """Return the formula of each output in LaTeX, once every edge is an elementary function."""
    if any(spline_part(layer) is not None for layer in network.layers if not isinstance(layer, ProductLayer)):
        return None
    names = list(subject.names)
    if isinstance(subject.estimator, KANRegressor | KANClassifier):
        names = list(subject.estimator.encoder_.formula_names)
    rows = subject.problem.train.x
    written = [formula(network, names=names, output=o, x=rows).latex() for o in range(len(subject.outputs))]
    return [one if len(one) <= LONGEST_FORMULA else "" for one in written]
