"""`edgewise export`: a model as one file that needs no Edgewise."""

from __future__ import annotations

from pathlib import Path

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.model import open_model
from edgewise.errors import InputError
from edgewise.estimator.base import WRITERS


def export(model: str, out: str, screen: Screen) -> None:
    """Writes the model in the notation that the ending of `out` names, and says what its columns are."""
    if Path(out).suffix.lower() not in WRITERS:
        raise InputError(f"--out must end in {', '.join(WRITERS)}, got {out!r}")
    opened = open_model(model)
    one = opened.estimator.model_.config.width[-1] == 1
    opened.estimator.export(out, names=opened.names, outputs=[opened.target] if one else None)
    screen.say(f"Wrote {out}.")
    if opened.names is not None:
        screen.say("Its inputs, in this order:", style="bold")
        screen.notes([f"x[{number}]: {name}" for number, name in enumerate(opened.names)], most=len(opened.names))
    if opened.labels:
        classes = list(opened.estimator.classes_)
        screen.say("Its outputs, in this order:", style="bold")
        screen.notes(
            [f"y[{number}]: probability of {label}" for number, label in enumerate(classes)], most=len(classes)
        )
