"""`edgewise info`: what a model file, or a folder of `edgewise solve`, holds."""

from __future__ import annotations

import os

from rich.table import Table as Grid
from rich.text import Text

from edgewise import checkpoint
from edgewise.cli.pde.solution import solution_folder, solution_info
from edgewise.cli.shared.console import Screen, strongest
from edgewise.cli.shared.guard import printable
from edgewise.cli.shared.model import Model, model_path, open_model
from edgewise.tables.columns import NumberInput


def info(path: str, screen: Screen) -> None:
    """Shows network, training, target and inputs; of a folder of `edgewise solve` what its solution is."""
    folder = solution_folder(path)
    if folder is not None:
        solution_info(folder, screen)
        return
    file = model_path(path)
    stored = checkpoint.read(file)
    facts = {"file": f"{file} ({os.path.getsize(file):,} bytes)", **_network(stored.model)}
    model = open_model(path) if "estimator" in stored.extra else None
    if model is not None:
        facts |= _training(model)
    grid = Grid.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, style="bold"), Text(printable(value)))
    screen.table(grid)
    ranked = _ranked(model)
    if ranked:
        screen.say()
        screen.say("Strongest inputs", style="bold")
        screen.table(strongest(ranked, most=20))
    if model is not None and model.encoder is not None:
        screen.say()
        screen.say("Columns a table must have for `edgewise predict`", style="bold")
        screen.notes([_column(one) for one in model.encoder.inputs], most=40)


def _network(network) -> dict[str, object]:
    config = network.config
    facts: dict[str, object] = {"network": f"{type(network).__name__} {list(config.width)}"}
    if hasattr(config, "grid_size"):
        facts["splines"] = f"degree {config.degree}, {'/'.join(map(str, sorted(set(config.grid_size))))} knot intervals"
    facts["parameters"] = f"{sum(p.numel() for p in network.parameters()):,}"
    return facts


def _training(model: Model) -> dict[str, object]:
    report, about = model.estimator.report_, model.about
    facts: dict[str, object] = {}
    if model.encoder is not None:
        what = f"{len(model.labels)} classes" if model.labels else "a number"
        facts["predicts"] = f"{model.target!r}, {what}"
        if model.labels:
            labels = [str(label) for label in model.labels]
            facts["classes"] = ", ".join(labels[:20]) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
    facts["trained"] = f"{report.steps} steps. {report.message}"
    score, rows = about.get("score"), about.get("rows")
    if isinstance(score, dict) and isinstance(score.get("value"), float) and isinstance(rows, dict):
        name = "R²" if score.get("name") == "r2" else score.get("name")
        facts["test score"] = (
            f"{name} {score['value']:.4g} on {rows.get('test')} rows, after {rows.get('training')} to train"
        )
    found = about.get("formulas")
    if isinstance(found, dict) and isinstance(found.get("rounded"), str):
        facts["as a formula"] = f"{model.target} = {found['rounded']:.300}"
    if "command" in about:
        facts["command"] = about["command"]
    if "edgewise" in about:
        facts["made by"] = f"edgewise {about['edgewise']}"
    return facts


def _ranked(model: Model | None) -> list[tuple[str, float]]:
    """The inputs and scores that `fit` stored; nothing where they are not as it writes them."""
    found = model.about.get("inputs") if model is not None else None
    ranked = []
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and isinstance(one.get("score"), int | float) and isinstance(one.get("name"), str):
            ranked.append((one["name"], float(one["score"])))
    return ranked


def _column(one) -> str:
    if isinstance(one, NumberInput):
        gaps = ", or missing" if one.flag else ""
        return f"{one.name}: a number{gaps}"
    shown = ", ".join(one.levels[:8]) + (f" and {len(one.levels) - 8} more" if len(one.levels) > 8 else "")
    return f"{one.name}: one of {shown}{', or missing' if one.missing else ''}"
