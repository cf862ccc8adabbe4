"""`edgewise export`: a model as one file that needs no Edgewise."""

from __future__ import annotations

from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.opening import Written
from edgewise.cli.terminal.console import Screen


def write_program(written: Written, out: str, screen: Screen) -> None:
    """Write the model in the language that the ending of `out` names; list its inputs and outputs."""
    opened = open_model(written.model_file)
    estimator = opened.estimator
    names = opened.names
    estimator.export(out, outputs=[opened.target] if opened.output_count == 1 else None)
    screen.say(f"Wrote {out}.")
    # How to call the program: on columns of the table, or on encoded inputs.
    plain = estimator.encoder_.is_plain
    if not plain and out.lower().endswith((".py", ".c")):
        if out.lower().endswith(".py"):
            call = "predict_rows([{column: value, ...}])"
        else:
            call = "inputs(number, text, x), then predict(x, y)"
        screen.say(f"For rows of the table call {call}; its columns are {', '.join(estimator._columns_of_rows)}.")
    elif not plain:
        screen.say(
            "It takes encoded inputs: 1 where [column is level] or [column is missing] holds and 0 elsewhere, the "
            "median in place of a missing number, and days since the first for a date. The function inputs(row) in the "
            "file of `edgewise export MODEL --out FILE.py` makes them from a row of the table, without Edgewise."
        )
    # The order of inputs and outputs, which the caller must keep.
    if names is not None:
        names = (*names, *filter(None, [estimator._exposure_name]))
        screen.say("Inputs, in this order:" if plain else "Inputs of the network, in this order:", style="bold")
        screen.notes([f"x[{number}]: {name}" for number, name in enumerate(names)], most=len(names))
    outputs = [f"y[{number}]: probability of {label}" for number, label in enumerate(estimator._task.classes)]
    if outputs:
        screen.say("Outputs, in this order:", style="bold")
        screen.notes(outputs, most=len(outputs))
