"""`edgewise info`: the contents of a model file, of a solution of an equation, or of a file of formulas."""

from __future__ import annotations

import os
from pathlib import Path

from edgewise import checkpoint
from edgewise.cli.pde.solution import show_solution
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.terminal.console import Screen, input_table
from edgewise.metrics import METRICS
from edgewise.nn.model import KAN
from edgewise.presentation import counted, number_text


def show_info(written: Written, screen: Screen) -> None:
    """Show the network, its training, target and inputs; or what is known about a solution or formulas."""
    file = written.file
    if written.kind is Kind.solution:
        show_solution(file, screen)
        return
    if written.kind is Kind.formulas:
        _show_formulas(FormulaFile.read(file), file, screen)
        return
    # The network, which every model file has.
    stored = checkpoint.read(file)
    network = stored.model
    facts: dict[str, object] = {
        "file": f"{file} ({counted(os.path.getsize(file), 'byte')})",
        "network": f"{type(network).__name__}, nodes {'-'.join(map(str, network.config.width))}",
    }
    if isinstance(network, KAN):
        grids = "/".join(map(str, sorted(set(network.config.grid_size))))
        facts["splines"] = f"degree {network.config.degree}, {grids} knot intervals"
    stored_numbers = f"{sum(p.numel() for p in network.parameters()):,}"
    # A network without an estimator has no columns and no target.
    if "estimator" not in stored.extra:
        facts["parameters"] = stored_numbers
        screen.facts(facts)
        screen.result({"kind": "model", **facts, "file": str(file)})
        return
    model = open_model(file)
    if model.estimator._coefficients is not None:
        facts["coefficients"] = f"{model.estimator._coefficients:,}"
    facts["numbers stored"] = stored_numbers
    facts = {"file": facts.pop("file"), "model": model.estimator._shape_text()} | facts | _training_facts(model)
    screen.facts(facts)
    # A file may have facts of any form: what is no name and number is passed over.
    ranked = []
    match model.fit_facts.get("inputs"):
        case [*inputs]:
            for one in inputs:
                match one:
                    case {"name": str(name), "score": int() | float() as size}:
                        ranked.append((name, float(size)))
    if ranked:
        screen.say()
        screen.say("Strongest inputs", style="bold")
        screen.table(input_table(ranked, most=20))
    # The columns that rows to predict must have, with the values that each may take.
    columns: list[str] = []
    if model.encoder is not None:
        columns = list(model.encoder.columns)
        screen.say()
        screen.say("Columns that a table for `edgewise predict` must have", style="bold")
        screen.notes([one.sentence for one in model.encoder.inputs], most=40)
    screen.result({"kind": "model", **facts, "file": str(file), "columns": columns, "fit": model.fit_facts})


def _show_formulas(formulas: FormulaFile, file: Path, screen: Screen) -> None:
    """Show the chosen formula, its accuracy and its inputs."""
    facts: dict[str, object] = {
        "file": f"{file} ({counted(os.path.getsize(file), 'byte')})",
        "formulas": len(formulas.front),
        "chosen": f"{formulas.target} = {formulas.formula.text(6)}",
    }
    screen.facts(facts)
    fidelity = formulas.content.get("fidelity")
    domain = formulas.content.get("domain")
    screen.notes([str(one) for part in (fidelity, domain) if isinstance(part, list) for one in part])
    screen.result({"kind": "formulas", **facts, "file": str(file), "fidelity": fidelity, "domain": domain})


def _training_facts(model: Model) -> dict[str, object]:
    """Return what is known about the training; stored facts of another form than `fit` writes are left out."""
    report = model.estimator.report_
    stored = model.fit_facts
    facts: dict[str, object] = {}
    if model.encoder is not None:
        facts["target"] = f"{model.target!r}, a number"
        if model.labels:
            labels = [str(label) for label in model.labels]
            facts["target"] = f"{model.target!r}, {len(labels)} classes"
            facts["classes"] = ", ".join(labels[:20])
            if len(labels) > 20:
                facts["classes"] = f"{facts['classes']} and {len(labels) - 20} more"
    facts["training"] = report.message
    if " step" not in report.message:
        facts["training"] = f"{report.steps} steps. {report.message}"
    # A file may have facts of any form: scores and formulas of another one are passed over.
    match stored:
        case {"score": {"value": float(value), **score}, "rows": {**rows}}:
            name = str(score.get("name"))
            if name in METRICS:
                name = METRICS[name].name
            facts["test score"] = (
                f"{name} {number_text(value)} on {rows.get('test')} test rows, trained on {rows.get('training')} rows"
            )
    match stored:
        case {"formulas": {"rounded": str(text)}}:
            facts["formula"] = f"{model.target} = {text:.300}"
    if "command" in stored:
        facts["command"] = stored["command"]
    if "edgewise" in stored:
        facts["written by"] = f"edgewise {stored['edgewise']}"
    return facts
