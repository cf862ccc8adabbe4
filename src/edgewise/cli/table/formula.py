"""`edgewise formula`: formulas for a table or for a fitted model, in the units and column names of the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.shared.formulas import FormulaList
from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.opening import Written
from edgewise.cli.shared.preparation import FormulaJob, PreparedTable, collect_warnings
from edgewise.cli.terminal.console import Screen
from edgewise.discovery import FormulaOptions
from edgewise.errors import InputError
from edgewise.escaping import file_name, terminal_line
from edgewise.estimator import KANRegressor
from edgewise.estimator.base import KANEstimator
from edgewise.estimator.equations import TABLE_SECONDS, table_budget, table_front, table_search
from edgewise.files.journal import Journal
from edgewise.formulas.front import with_fidelity
from edgewise.outcomes import ProgressCallback, StopReason
from edgewise.presentation import counted, number_text, percent_text, r2_text
from edgewise.settings import ABOVE_ZERO
from edgewise.tables import InputEncoder, Table


def search_formulas(
    job: FormulaJob, read: PreparedTable | tuple[Written, Table], screen: Screen, journal: Journal | None
) -> list[FormulaList]:
    """Search for formulas, show them with their errors, and write the file --out.

    A model of classes or of several numbers has a list of formulas for each output; the name of each file then ends
    in the name of the output. The journal, of a run with --out, keeps the formulas so far until the run has ended well.
    """
    # The limit of the search, as a time or as an amount of work.
    if job.time_limit is None:
        screen.say(
            f"Searching for formulas with the work of about {number_text(TABLE_SECONDS)} seconds (--time-limit)."
        )
    else:
        screen.say(f"Searching for formulas for at most {number_text(job.time_limit)} seconds (--time-limit).")
    # The front of length against error: of the target column, or of each output of a model.
    with screen.progress("Formulas") as report:
        if isinstance(read, PreparedTable):
            screen.notes(read.notes)
            budget = table_budget(job.time_limit)
            encoder = InputEncoder.fit(read.frame[read.train])
            screen.notes(encoder.notes)
            X = encoder.inputs_of(encoder.codes(read.frame))
            y = read.y
            names = encoder.formula_names
            options = _options(job)
            search = table_search(X, y, names, options, budget, report=report, journal=journal, target=read.target)
            front = table_front(search)
            by_output = {"": replace(FormulaList.from_front(front, X, ()), encoder=encoder)}
        else:
            by_output = _search_for_model(job, *read, screen, report, journal)
    # The list of each output on the screen and in its file.
    shown = []
    wrote = []
    suffixes = list[str]()
    for label, formulas in by_output.items():
        # The user's choice takes the place of the rule that chooses an entry of the front.
        if job.number is not None:
            if not 1 <= job.number <= len(formulas.front):
                raise InputError(f"--number must be from 1 to {len(formulas.front)}, got {job.number}")
            formulas = replace(formulas, front=replace(formulas.front, chosen=job.number - 1))
        shown.append(formulas)
        screen.say()
        target = formulas.front.target
        screen.say(f"Formulas for {target}; the arrow marks the chosen one.", style="bold")
        screen.table(formula_table(formulas))
        screen.say()
        screen.always(f"{target} = {formulas.best.formula.text()}", "bold")
        # The search and the table of domains may have the same sentence.
        screen.notes(list(dict.fromkeys([*formulas.accuracy, *formulas.domain, *formulas.notes])))
        if job.out is not None:
            path = Path(job.out)
            if label:
                suffix = file_name(label, suffixes)  # another one for each output, also where file systems ignore case
                suffixes.append(suffix)
                path = path.with_stem(f"{path.stem}-{suffix}")
            formulas.write(str(path))
            screen.say(f"Wrote {path}.")
            wrote.append(str(path))
    # The same facts for --json.
    results = [
        {
            "target": one.front.target,
            "formula": one.best.formula.text(),
            "latex": one.best.formula.latex(),
            "fidelity": one.accuracy,
            "domain": one.domain,
            "notes": one.notes,
            "formulas": one.rows(),
        }
        for one in shown
    ]
    # After Ctrl-C the journal stays, from which --resume goes on.
    if journal is not None and not any(one.front.stopped == StopReason.INTERRUPTED for one in shown):
        journal.remove()
    screen.result({"results": results, "wrote": wrote})
    return shown


def _search_for_model(
    job: FormulaJob,
    written: Written,
    table: Table,
    screen: Screen,
    report: ProgressCallback | None,
    journal: Journal | None,
) -> dict[str, FormulaList]:
    """Return the formulas by the label of the output; the label is empty for a single output."""
    model = open_model(written.model_file)
    rows, notes = model.inputs(table)
    X = model.estimator._inputs(rows)
    screen.notes(notes)
    # A regression model knows its target and, in the table, measured values of it.
    match model.estimator:
        case KANRegressor() as estimator if model.output_count == 1:
            return {"": _search_for_number(job, model, estimator, table, X, report, journal)}
    # Else a front for each output as the model computes it, which share the time.
    outputs = model_outputs(model)
    by_output = {}
    for output in outputs:
        y = output.function(X)
        budget = table_budget(job.time_limit, len(outputs))
        options = _options(job)
        search = table_search(X, y, model.names, options, budget, report=report, journal=journal, target=output.name)
        front = table_front(search)
        front = replace(front, entries=tuple(with_fidelity(front, output.function, X)))
        note = f"The formulas fit the model's {output.name}; the target column of the table is not used."
        label = output.label if len(outputs) > 1 else ""
        by_output[label] = replace(FormulaList.from_front(front, X, [note]), encoder=model.encoder)
        if front.stopped == StopReason.INTERRUPTED:
            break
    # How often the formulas together classify as the model does.
    if model.labels and len(by_output) == len(outputs):
        last = list(by_output)[-1]
        sentence = agreement(model.estimator, X, [one.best.formula(X) for one in by_output.values()])
        by_output[last] = replace(by_output[last], notes=(*by_output[last].notes, sentence))
    return by_output


def _search_for_number(
    job: FormulaJob,
    model: Model,
    estimator: KANRegressor,
    table: Table,
    X: np.ndarray,
    report: ProgressCallback | None,
    journal: Journal | None,
) -> FormulaList:
    """Search for formulas of the target column, or of the model's predictions where there is none."""
    task = estimator._task
    prediction = estimator._outputs(X)[:, 0]
    y = prediction
    # Formulas are those of a rate where the target has an exposure.
    name = task.effect_on(model.target)
    note = f"The formulas fit the model's predictions of {name!r}."
    error = ""
    # Measured targets, of the rows that have one, are fitted in place of the predictions.
    if model.response is not None and model.target in table.columns:
        rows = model.response.known(table)
        truth = model.response.encode(table.take(rows)).astype(np.float64)
        if rows.any():
            X = X[rows]
            prediction = prediction[rows]
            y = truth / np.broadcast_to(estimator._exposures(table)[:, 0], len(table))[rows]
            note = f"The formulas fit {task.effect_on(f'the column {model.target!r}')} of {job.data}."
            error = (
                f" The root mean square error of the network on these rows is "
                f"{number_text(_root_mean_square(y - prediction))}."
            )
    # The search, then the distance of the chosen formula from the network.
    with collect_warnings():
        budget = table_budget(job.time_limit)
        options = _options(job)
        search = table_search(X, y, model.names, options, budget, report=report, journal=journal, target=name)
        front = table_front(search, estimator)
    formulas = FormulaList.from_front(front, X, ())
    gap = _root_mean_square(formulas.best.formula(X) - prediction)
    gap_sentence = f" The root mean square difference between the chosen formula and the network is {number_text(gap)}."
    return replace(formulas, encoder=model.encoder, notes=(note + error + gap_sentence, *formulas.notes))


def _options(job: FormulaJob) -> FormulaOptions:
    """Return the options of each search: Ctrl-C keeps the formulas so far."""
    return FormulaOptions(structure=job.structure, on_interrupt="keep")


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def formula_table(formulas: FormulaList) -> Grid:
    """Return a table with the number, length, error and text of every formula."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    is_held_out = math.isfinite(formulas.best.validation)
    chosen = formulas.front.best_place
    for name in ("", "symbols", "RMSE" + (" (held out)" if is_held_out else ""), "R²"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("formula", overflow="fold")
    # A row for each entry, with its held-out error where it was measured; the chosen one is bold behind an arrow.
    for place, entry in enumerate(formulas.front):
        loss = entry.validation if is_held_out else entry.loss
        cells = (
            f"{'→ ' if place == chosen else ''}{place + 1}",
            f"{entry.complexity}",
            number_text(np.sqrt(loss), 3),
            r2_text(formulas.front.r_squared(place)),
            terminal_line(entry.formula.text(4)),
        )
        grid.add_row(*(Text(cell, style="bold" if place == chosen else "") for cell in cells))
    return grid


# A model with classes or several numbers has a formula for each output.


@dataclass(frozen=True)
class ModelOutput:
    """One number that a model gives for each row."""

    name: str  # left side of its formula
    label: str  # part of the name of its file
    function: Callable[[np.ndarray], np.ndarray]  # maps inputs (N, d) to values (N,)


def model_outputs(model: Model) -> list[ModelOutput]:
    """Return the outputs that formulas stand for.

    For two classes this is the log-odds of the second one, for more classes the score of each, else each predicted
    number. A score is the logarithm of a probability less the mean of the logarithms over the classes; the softmax of
    the scores gives the probabilities.
    """
    estimator = model.estimator
    labels = [str(label) for label in model.labels]

    def number_column(k: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda X: estimator._outputs(X)[:, k]

    if not labels:
        return [ModelOutput(f"{model.target} {k + 1}", str(k + 1), number_column(k)) for k in range(model.output_count)]

    def score_column(k: int, factor: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda X: factor * class_scores(estimator, X)[:, k]

    if len(labels) == 2:
        return [ModelOutput(f"log-odds of {labels[1]}", labels[1], score_column(1, 2.0))]
    return [ModelOutput(f"score of {label}", label, score_column(k, 1.0)) for k, label in enumerate(labels)]


def class_scores(estimator: KANEstimator, X: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities less their mean over the classes, (N, C)."""
    logarithms = np.log(np.maximum(estimator._outputs(X), ABOVE_ZERO))  # finite, also of a probability of 0
    return logarithms - logarithms.mean(1, keepdims=True)


def agreement(estimator: KANEstimator, X: np.ndarray, values: Sequence[np.ndarray]) -> str:
    """Return a sentence on how often the formulas give the class of the model.

    `values` are those of the formulas, (N,) for each output in the order of `model_outputs`.
    """
    own = class_scores(estimator, X).argmax(1)
    if len(values) == 1:
        chosen = (values[0] > 0).astype(int)
        rule = "the second class where the formula is positive"
    else:
        chosen = np.argmax(values, 0)
        rule = "the class with the largest score"
    return (
        f"The class by the formulas ({rule}) equals that of the model in {percent_text(np.mean(chosen == own))} of "
        f"{counted(len(X), 'row')}."
    )
