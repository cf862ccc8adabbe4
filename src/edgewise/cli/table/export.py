"""`edgewise export`: a model as one file that needs no Edgewise."""

from __future__ import annotations

from pathlib import Path

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.model import open_model
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier
from edgewise.estimator.base import WRITERS


def write_program(model: str, out: str, screen: Screen) -> None:
    """Write the model in the language that the ending of `out` names; list its inputs and outputs."""
    if Path(out).suffix.lower() not in WRITERS:
        raise InputError(f"--out must end in {', '.join(WRITERS)}, got {out!r}")
    opened = open_model(model)
    estimator, names = opened.estimator, opened.names
    estimator.export(out, names=names, outputs=[opened.target] if opened.output_count == 1 else None)
    screen.say(f"Wrote {out}.")
    if names is not None:
        screen.say("Inputs, in this order:", style="bold")
        screen.notes([f"x[{number}]: {name}" for number, name in enumerate(names)], most=len(names))
    if isinstance(estimator, KANClassifier):
        outputs = [f"y[{number}]: probability of {label}" for number, label in enumerate(estimator.classes_)]
        screen.say("Outputs, in this order:", style="bold")
        screen.notes(outputs, most=len(outputs))
