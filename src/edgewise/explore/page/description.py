"""The content of the page as plain values for JSON: the network with its coefficients, rows, scores and edits."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.errors import InputError
from edgewise.escaping import printable_line
from edgewise.explore.editing import Applied
from edgewise.explore.page.evidence import band_fields, front_fields
from edgewise.explore.page.scoring import interval, scores, worst_rows
from edgewise.explore.session import Session
from edgewise.explore.subject import Subject
from edgewise.interpret.symbolic.extraction import edge_formula, formula
from edgewise.nn.config import BASE_NAMES
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.tables.columns import NumberInput


def network_fields(network: KAN) -> list[dict[str, Any]]:
    """Describe the layers of a network with all numbers that its outputs need."""
    fields: list[dict[str, Any]] = []
    for place, layer in enumerate(network.layers):
        if layer.groups is not None:
            fields.append({"kind": "products", "groups": [list(group) for group in layer.groups]})
            continue
        one: dict[str, Any] = {"kind": "edges", "inputs": layer.in_features, "outputs": layer.out_features}
        # Splines by input, output and number, with their base functions.
        if layer.has_splines:
            if layer.base_function not in BASE_NAMES:
                known = ", ".join(BASE_NAMES)
                raise InputError(f"model must have a base function of {known}, got {layer.base_function!r:.80}")
            one["spline"] = {
                "degree": layer.degree,
                "baseFunction": layer.base_function,
                "knots": layer.knots.double().tolist(),
                "coef": layer.coef.detach().double().permute(0, 2, 1).tolist(),  # by input, output and number
                "base": None if layer.base is None else layer.base.detach().double().tolist(),
                "mask": layer.spline_mask.double().tolist(),
            }
        # Functions of edges, with constants and formulas.
        if layer.function_names is not None:
            one["symbolic"] = {
                "functions": [list(row) for row in layer.function_names],
                "constants": layer.affine.detach().double().permute(1, 2, 0).tolist(),
                "latex": _edge_latex(network, place, layer),
            }
        fields.append(one)
    return fields


def _edge_latex(network: KAN, place: int, layer: KANLayer) -> list[list[str]]:
    """Return the formula of each edge that is a function alone, "" for the others."""

    def latex(i: int, o: int) -> str:
        if layer.function_alone(i, o) is not None:
            return edge_formula(network, place, i, o, name="u").latex()
        return ""

    return [[latex(i, o) for o in range(layer.out_features)] for i in range(layer.in_features)]


def subject_fields(subject: Subject) -> dict[str, Any]:
    """Describe what stays the same through all edits: names, units, columns and rows."""
    # All rows in the order of the table, of which at most a thousand and the worst ones stand on the page.
    problem = subject.problem
    estimator = subject.estimator
    assert problem.validation is not None, "a subject holds rows out"
    parts = (problem.train, problem.validation)
    count = sum(map(len, parts))
    worst = [one["row"] - 1 for one in worst_rows(subject, subject.network)]
    # At most 1,000 rows of the page, evenly picked: more points overlap, and all count in the scores.
    shown = np.unique(np.r_[np.linspace(0, count - 1, min(count, 1000)).astype(int), worst])
    x = subject.in_order(*(data.x.double() for data in parts))[shown]
    y = subject.in_order(*(data.y.double() for data in parts))[shown]
    # Scaling and limits of the estimator, with which the page computes in units.
    names: tuple[str, ...] = ()
    limits = None
    target: dict[str, Any] = {"shift": [0.0], "scale": [1.0], "log": False}
    if estimator is not None:
        names = estimator.target_names_
        limits = estimator.input_limits_.tolist()
        task = estimator._task
        if (scaling := task.scaling) is not None:
            is_log = task.exponent is not None
            target = {"shift": scaling.shift.tolist(), "scale": scaling.scale.tolist(), "log": is_log}
    return {
        "name": printable_line(names[0]) if len(names) == 1 else "",
        "inputs": [printable_line(name) for name in subject.names],
        "outputs": [printable_line(name) for name in subject.outputs],
        "task": "classes" if problem.classes else "numbers",
        "target": target,
        "shift": np.asarray(subject.shift, dtype=np.float64).tolist(),
        "scale": np.asarray(subject.scale, dtype=np.float64).tolist(),
        "limits": limits,
        "columns": _columns(subject),
        "rows": {
            "numbers": (shown + 1).tolist(),
            "x": x.tolist(),
            "y": y.tolist(),
            "held": np.isin(shown, subject.held_out).tolist(),
            "all": count,
            "heldOut": len(subject.held_out),
        },
        "functions": [name for name in ELEMENTARY if name != "0"],
        "front": front_fields(subject, x.numpy()),
        "errorBars": estimator is not None and estimator._task.bars is not None,
        "bands": band_fields(subject),
        "note": subject.note,
    }


def _columns(subject: Subject) -> list[dict[str, Any]]:
    """Describe the columns of the table, each with its inputs of the network; the inputs are columns of a bare one.

    "missing" is what the first input has where the value of a number is missing, which the second input marks.
    """
    if subject.estimator is None:
        return [
            {"name": printable_line(name), "inputs": [i], "levels": [], "missing": None}
            for i, name in enumerate(subject.names)
        ]
    encoder = subject.estimator.encoder_
    fields = []
    for one, inputs in zip(encoder.inputs, encoder.groups, strict=True):
        levels: tuple[str, ...] = one.state_names
        missing = None
        if isinstance(one, NumberInput) and one.flag:
            missing = one.median if one.value else None
            levels = () if one.value else ("known", "missing")
        name = printable_line(one.name)
        fields.append(
            {
                "name": name,
                "inputs": list(inputs),
                "levels": [printable_line(level) for level in levels],
                "missing": missing,
            }
        )
    return fields


def session_fields(session: Session) -> dict[str, Any]:
    """Describe the model as it is now: its network, its scores and the history of its edits."""
    network = session.network
    return {
        "version": session.version,
        "network": network_fields(network),
        "scores": scores(session.subject, network),
        "interval": interval(session.subject, network),
        "worst": worst_rows(session.subject, network),
        "formula": _whole_formula(network, session.subject),
        "edits": [{"text": step.text, "holds": holds, "costs": _cost_fields(step)} for step, holds in session.steps],
    }


def applied_fields(done: Applied, subject: Subject) -> dict[str, Any]:
    """Describe an edit that may be kept: its cost, and the network that it makes."""
    return {
        "text": done.text,
        "edit": done.edit,
        "network": network_fields(done.model),
        "scores": scores(subject, done.model),
        "costs": _cost_fields(done),
    }


def _cost_fields(done: Applied) -> dict[str, dict[str, float]]:
    return {
        name: {"before": cost.before, "after": cost.after, "error": cost.standard_error, "rows": cost.rows}
        for name, cost in done.costs.items()
    }


def _whole_formula(network: KAN, subject: Subject) -> list[str] | None:
    """Return the formula of each output in LaTeX, once every edge is an elementary function."""
    if any(layer.has_splines for layer in network.layers):
        return None
    names = list(subject.names)
    if subject.estimator is not None:
        names = list(subject.estimator.encoder_.formula_names)
    rows = subject.problem.train.x
    written = [formula(network, names=names, output=o, x=rows).latex() for o in range(len(subject.outputs))]
    # A formula of more than 4,000 characters is not shown.
    return [one if len(one) <= 4000 else "" for one in written]
