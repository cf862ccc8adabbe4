"""`edgewise plot`: a figure of a fitted model, of a solution of an equation, or of formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgewise.cli.pde.solution import open_solution
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.opening import Kind, PlannedFigure, Written
from edgewise.cli.shared.source import Source
from edgewise.cli.terminal.console import Screen
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import evenly_picked
from edgewise.plot import (
    edge_curves,
    effect_curves,
    formula_front,
    network_diagram,
    pair_map,
    save,
    solution_figure,
    solution_history,
)
from edgewise.presentation import counted
from edgewise.tables.input_encoder import nearest_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(written: Written, source: Source | None, planned: PlannedFigure, screen: Screen) -> None:
    """Draw the planned figure, on the rows of a table or on points spread over the domain."""
    figure: Figure
    # A solution, a file of formulas, or a model, each with the words about its figure.
    if written.kind is Kind.solution:
        if source is not None:
            raise InputError("--data must be left out for a solution of an equation, which is drawn over its domain")
        solution, _ = open_solution(written.file)
        if planned.kind == "solution":
            figure = solution_figure(solution)
            about = "the solution"
        else:
            figure = solution_history(solution)
            about = "errors and parameters of the stages of the solve"
    elif written.kind is Kind.formulas:
        formulas = FormulaFile.read(written.file)
        if planned.kind == "formulas":
            figure = formula_front(formulas.front, target=formulas.target)
            about = "length and error of the formulas"
        elif source is None:
            raise InputError("--data must name a table for the effects of a formula")
        else:
            _check_inputs(planned.inputs, formulas.formula.names)
            X, notes = formulas.inputs(source.table)
            screen.notes(notes)
            # More than 2,000 rows would not change a figure.
            drawn = evenly_picked(X, 2000)
            names = formulas.formula.names
            if planned.kind == "pair":
                pair = planned.inputs[0], planned.inputs[1]
                figure = pair_map(formulas.formula, drawn, inputs=pair, names=names, target=formulas.target)
            else:
                figure = effect_curves(
                    formulas.formula, drawn, names=names, target=formulas.target, inputs=planned.inputs
                )
            about = f"effects of the chosen formula on {counted(len(X), 'row')} of {source.name}"
    else:
        model = open_model(written.file)
        _check_inputs(planned.inputs, model.estimator.encoder_.columns)
        # A model is drawn at rows of the table, or at a background with the distribution of each training column.
        rows: Any = None  # the background of the model
        place = "points with the distribution of each column in training; --data uses the rows of a table"
        if source is not None:
            rows, notes = model.inputs(source.table)
            screen.notes(notes)
            place = f"{counted(len(rows), 'row')} of {source.name}"
            rows = evenly_picked(rows, 2000)
        # The sentence that says what is drawn, and on which rows.
        what = "the functions of the model"
        if planned.inputs:
            what = f"the effect{'s' if len(planned.inputs) > 1 else ''} of {', '.join(planned.inputs)}"
        # Partial dependence of one or two inputs, the diagram of the network, or the splines on its edges.
        if planned.kind == "effects":
            figure = effect_curves(model.estimator, rows, inputs=planned.inputs)
        elif planned.kind == "pair":
            figure = pair_map(model.estimator, rows, inputs=(planned.inputs[0], planned.inputs[1]))
        elif planned.kind == "network":
            figure = network_diagram(model.estimator, rows)
        else:
            figure = edge_curves(model.estimator, rows)
        about = f"{what} on {place}"
    # The file, then a sentence on what the figure shows.
    save(figure, planned.file)
    screen.say(f"Wrote {planned.file}: {about}.")


def _check_inputs(inputs: Sequence[str], known: Sequence[str]) -> None:
    for name in inputs:
        if name not in known:
            raise InputError(f"--input must name an input, got {name!r}{nearest_names(name, tuple(known))}")
