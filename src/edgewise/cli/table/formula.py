"""What the formulas of a model with classes or several outputs stand for: one function of the inputs for each.

`edgewise formula`: the front of formulas of a fitted model, or of a table, in the user's units and column names.

The formulas that `edgewise fit` finds for a numeric target: within its time, judged on the test rows too."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.guard import printable
from edgewise.cli.shared.job import FitJob, Prepared, Trained, noted, prepare
from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.source import open_source
from edgewise.compare.baselines import measures
from edgewise.errors import InputError
from edgewise.estimator.equations import FEWEST, table_front
from edgewise.files import write_bytes
from edgewise.formulas.domains import EXTRAPOLATED_SHARE, domain_report
from edgewise.formulas.front import Front, with_fidelity
from edgewise.formulas.printing import latex_name
from edgewise.plot import formula_front, save
from edgewise.plot.style import FORMATS

TINY = 1e-300  # probabilities below it are counted as this


@dataclass(frozen=True)
class Output:
    """name: what stands before the formula. function: (N, d) -> (N,). label: for a file's name."""

    name: str
    label: str
    function: Callable[[np.ndarray], np.ndarray]


def outputs_of(opened: Model) -> list[Output]:
    """The log-odds of the second of two classes, the score of each of several, or each number that is predicted.

    A score is the logarithm of a probability less the mean of these over the classes, as softmax takes it.
    """
    labels = [str(label) for label in opened.labels]
    if len(labels) == 2:
        return [Output(f"log-odds of {labels[1]}", labels[1], lambda X: 2 * _scores(opened, X)[:, 1])]
    if labels:
        return [
            Output(f"score of {label}", label, lambda X, k=k: _scores(opened, X)[:, k])
            for k, label in enumerate(labels)
        ]
    count = opened.estimator.model_.config.width[-1]
    return [
        Output(
            f"{opened.target} {k + 1}",
            str(k + 1),
            lambda X, k=k: opened.estimator.predict(X).reshape(len(X), -1)[:, k],
        )
        for k in range(count)
    ]


def agreement(opened: Model, X: np.ndarray, values: Sequence[np.ndarray]) -> str:
    """How often the formulas give the model's class; values: (N,) of each output, as `outputs_of` orders them."""
    own = _scores(opened, X).argmax(1)
    found = (values[0] > 0).astype(int) if len(values) == 1 else np.argmax(values, 0)
    rule = "where it is positive" if len(values) == 1 else "the class with the largest score"
    return f"The formula's class, {rule}, is the model's in {np.mean(found == own):.1%} of these {len(X):,} rows."


def _scores(opened: Model, X: np.ndarray) -> np.ndarray:
    logarithms = np.log(np.maximum(opened.estimator.predict_proba(X), TINY))
    return logarithms - logarithms.mean(1, keepdims=True)


ENDINGS = (".csv", ".json", ".tex", ".py", ".c", *FORMATS)


@dataclass(frozen=True, eq=False)
class Found:
    """Formulas and what they were found for. chosen: the place of the one that counts. X, y: all rows.
    notes: sentences."""

    front: Front
    chosen: int
    target: str
    X: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]

    @property
    def best(self):
        """The chosen entry."""
        return self.front[self.chosen]

    @property
    def domain(self) -> tuple[str, ...]:
        """Where the chosen formula is defined."""
        return domain_report(self.best.formula, self.X)


def formula(
    model: str,
    data: str | None,
    job: FitJob,
    screen: Screen,
    *,
    imitate: bool = False,
    place: int | None = None,
    time_limit: float = 60.0,
    digits: int = 6,
    out: str | None = None,
) -> tuple[Found, ...]:
    """Looks for formulas, shows them with their errors, and writes the chosen one or all of them.

    A model with classes, or of several numbers, has a front for each; their files get the name of each at the end.

    model: a model, with its table in `data`; or a table itself, whose target is job.target.
    """
    if out is not None and Path(out).suffix.lower() not in ENDINGS:
        raise InputError(f"--out must end in {', '.join(ENDINGS)}, got {out!r}")
    if not 0 < time_limit < float("inf"):
        raise InputError(f"--time-limit must be a positive number, got {time_limit:g}")
    if data is None and job.target is None:
        raise InputError(
            "--data must name the table of a model, or --target the column of a table to find formulas for"
        )
    with screen.waiting(f"Looking for formulas, up to {time_limit:g} seconds"):
        fronts = (
            {"": _of_table(job, time_limit, screen)}
            if data is None
            else _of_model(model, data, job, time_limit, imitate, screen)
        )
    for label, found in fronts.items():
        if place is not None:
            if not 1 <= place <= len(found.front):
                raise InputError(f"--number must be from 1 to {len(found.front)}, got {place}")
            found = fronts[label] = replace(found, chosen=place - 1)
        show(found, screen, digits)
        if out is not None:
            path = out if not label else str(Path(out).with_stem(f"{Path(out).stem}-{plain_name(label)}"))
            write(found, path, digits)
            screen.say(f"Wrote {path}.")
    return tuple(fronts.values())


def plain_name(label: str) -> str:
    """A class's label as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", label)[:60] or "_"


def _of_table(job: FitJob, time_limit: float, screen: Screen) -> Found:
    ready = prepare(job)
    if ready.labels:
        raise InputError(f"--target must be a column of numbers, got {ready.encoder.target.name!r} with classes")
    screen.notes(ready.notes)
    names = ready.encoder.feature_names
    front = table_front(ready.X, ready.y, names, time_limit)
    return found_of(front, ready.encoder.target.name, ready.X, ready.y)


def _of_model(model: str, data: str, job: FitJob, time_limit: float, imitate: bool, screen: Screen) -> dict[str, Found]:
    """The front, or one for each output by its label."""
    opened = open_model(model)
    table = open_source(data, job.delimiter).table
    X, notes = opened.inputs(table)
    screen.notes(notes)
    if opened.labels or opened.estimator.model_.config.width[-1] != 1:
        return _of_outputs(opened, X, time_limit)
    return {"": _of_number(opened, table, X, data, time_limit, imitate)}


def _of_outputs(opened: Model, X: np.ndarray, time_limit: float) -> dict[str, Found]:
    """A front for each class or number, all of the model's own outputs."""
    outputs, found = outputs_of(opened), {}
    for output in outputs:
        y = output.function(X)
        front = table_front(X, y, opened.names, time_limit / len(outputs))
        front = replace(front, entries=tuple(with_fidelity(front, output.function, X)))
        told = f"The formulas stand for the model's {output.name}; the table's own target is not looked at."
        found[output.label if len(outputs) > 1 else ""] = found_of(front, output.name, X, y, told)
    if opened.labels:
        last = list(found)[-1]
        said = agreement(opened, X, [one.best.formula(X) for one in found.values()])
        found[last] = replace(found[last], notes=(*found[last].notes, said))
    return found


def _of_number(opened: Model, table, X: np.ndarray, data: str, time_limit: float, imitate: bool) -> Found:
    prediction = opened.estimator.predict(X)
    known = _known(opened, table)
    if imitate or known is None or not known[0].any():
        y, told = prediction, f"The formulas stand for the model's predictions of {opened.target!r}."
    else:
        rows, y = known
        X, prediction = X[rows], prediction[rows]
        told = f"The formulas are for {opened.target!r} as it is in {data}."
    names = opened.names
    with noted():
        front = table_front(X, y, names, time_limit, opened.estimator)
    found = found_of(front, opened.target, X, y)
    gap = _rms(found.best.formula(X) - prediction)
    own = (
        ""
        if y is prediction
        else f" The network's own root mean square error on these rows is {_rms(y - prediction):.4g};"
    )
    own += f" {'the' if own else 'The'} chosen formula differs from the network by {gap:.4g} (root mean square)."
    return replace(found, notes=(told + own, *found.notes))


def _known(opened: Model, table) -> tuple[np.ndarray, np.ndarray] | None:
    """The rows whose target is known, and it; None where the table has none."""
    if opened.encoder is None or opened.target not in table.names or opened.target in table.refused:
        return None
    rows = opened.encoder.rows_with_target(table)
    return rows, opened.encoder.encode_target(table.take(rows)).astype(np.float64)


def found_of(front: Front, target: str, X: np.ndarray, y: np.ndarray, *notes: str) -> Found:
    """With the front's own choice; notes: before what the search says."""
    best = front.best
    chosen = next(place for place, entry in enumerate(front) if entry is best)
    return Found(front, chosen, target, X, y, (*notes, *front.messages))


def show(found: Found, screen: Screen, digits: int) -> None:
    """The front as a table, then the chosen formula with its errors and its domain."""
    screen.say()
    screen.say(f"Formulas for {found.target}, the chosen one marked", style="bold")
    screen.table(front_table(found, digits))
    screen.say()
    screen.always(f"{found.target} = {found.best.formula.text(digits)}", "bold")
    screen.notes([*fidelity(found), *found.domain, *found.notes])


def front_table(found: Found, digits: int) -> Grid:
    """Number, complexity, error and text of every formula."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    held = np.isfinite(found.best.validation)
    for name in ("", "symbols", "error" + (" (held out)" if held else ""), "R²"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("formula", overflow="fold")
    for place, entry in enumerate(found.front):
        style = "bold" if place == found.chosen else ""
        loss = entry.validation if held else entry.loss
        cells = (
            f"{'→ ' if place == found.chosen else ''}{place + 1}",
            f"{entry.complexity}",
            f"{np.sqrt(loss):.3g}",
            _r2(loss, found.front.variance),
            printable(entry.formula.text(min(digits, 4))),
        )
        grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def fidelity(found: Found) -> list[str]:
    """Sentences: how far the chosen formula is off, on which rows."""
    entry, variance = found.best, found.front.variance
    said = (
        f"Root mean square error {np.sqrt(entry.loss):.4g} (R² {_r2(entry.loss, variance)}) on the rows of the search"
    )
    if np.isfinite(entry.validation):
        said += f", {np.sqrt(entry.validation):.4g} (R² {_r2(entry.validation, variance)}) on rows held out from it"
    where = [
        f"{_off(loss)} {place}"
        for loss, place in (
            (entry.fresh, "at fresh inputs between the rows"),
            (entry.outside, f"up to {EXTRAPOLATED_SHARE:.0%} outside the range of one input"),
        )
        if not np.isnan(loss)
    ]
    compared = [f"From the network it differs by {' and '.join(where)} (root mean square)."] if where else []
    return [f"{said}.", *compared]


def _off(loss: float) -> str:
    return f"{np.sqrt(loss):.4g}" if np.isfinite(loss) else "no finite number (it is undefined somewhere)"


def write(found: Found, out: str, digits: int) -> None:
    """All formulas as .csv or .json, the chosen one as .tex, .py or .c, the front as a figure. Raises FileError."""
    ending = Path(out).suffix.lower()
    if ending in FORMATS:
        save(formula_front(found.front, chosen=found.chosen, target=found.target), out)
        return
    text = {".csv": _csv, ".json": _json, ".tex": _tex, ".py": _python, ".c": _c}[ending](found, digits)
    write_bytes(out, text.encode())


def rows(found: Found) -> list[dict]:
    """Every formula as plain values. difference_*: from the network, None without one or where undefined."""
    return [
        {
            "number": place + 1,
            "chosen": place == found.chosen,
            "complexity": entry.complexity,
            "rmse": float(np.sqrt(entry.loss)),
            "rmse_held_out": _rooted(entry.validation),
            "difference_fresh": _rooted(entry.fresh),
            "difference_outside": _rooted(entry.outside),
            "score": entry.score,
            "formula": entry.formula.text(None),
        }
        for place, entry in enumerate(found.front)
    ]


def _rooted(loss: float) -> float | None:
    return float(np.sqrt(loss)) if np.isfinite(loss) else None


def _csv(found: Found, digits: int) -> str:
    text = io.StringIO()
    listed = rows(found)
    writer = csv.DictWriter(text, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue()


def _json(found: Found, digits: int) -> str:
    content = {
        "target": found.target,
        "inputs": list(found.best.formula.names),
        "formula": found.best.formula.text(None),
        "latex": found.best.formula.latex(digits),
        "fidelity": fidelity(found),
        "domain": list(found.domain),
        "notes": list(found.notes),
        "front": rows(found),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _tex(found: Found, digits: int) -> str:
    left = latex_name(found.target)
    lines = [f"% {' '.join(sentence.split())}" for sentence in (*fidelity(found), *found.domain)]
    lines += ["\\begin{equation}", f"  {left} = {found.best.formula.latex(digits)}", "\\end{equation}", ""]
    lines.append("% The other formulas, with their complexity and root mean square error:")
    lines += [
        f"% {entry.complexity}, {np.sqrt(entry.loss):.3g}: {left} = {entry.formula.latex(digits)}"
        for entry in found.front
    ]
    return "\n".join(lines) + "\n"


def _python(found: Found, digits: int) -> str:
    said = "\n".join(f"# {printable(sentence)}" for sentence in (*fidelity(found), *found.domain))
    shown = printable(f"{found.target} = {found.best.formula.text(digits)}")
    return f"# {shown}\n{said}\n{found.best.formula.python('predict')}"


def _c(found: Found, digits: int) -> str:
    said = "\n".join(fidelity(found) + list(found.domain)).replace("*/", "* /").replace("/*", "/ *")
    plain = said.encode("ascii", "replace").decode()
    return f"/* {plain} */\n{found.best.formula.c('predict')}"


def _r2(loss: float, variance: float) -> str:
    return "–" if not variance > 0 else f"{1 - loss / variance:.4g}".replace("-", "−")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@dataclass(frozen=True, eq=False)
class Equations:
    """found: the formulas. score: R² of the chosen one on the test rows. seconds: of the search."""

    found: Found
    score: float
    seconds: float

    def sentences(self) -> tuple[str, ...]:
        """The chosen formula, how good it is on which rows, and where it is defined."""
        found = self.found
        share = "–" if not math.isfinite(self.score) else f"{self.score:.4g}".replace("-", "\N{MINUS SIGN}")
        return (
            f"{found.target} = {found.best.formula.text(4)}",
            f"On the test rows the R² of this formula is {share}. {' '.join(fidelity(found))}",
            *found.domain,
            *found.notes,
            f"The search took {self.seconds:.1f} seconds; `edgewise formula` searches longer and writes LaTeX or code.",
        )


def find_equations(ready: Prepared, trained: Trained) -> Equations | None:
    """Formulas for a numeric target from the training rows; None for classes, few rows, or where none are wanted."""
    if ready.labels or not ready.job.formulas > 0 or len(ready.train) < FEWEST:
        return None
    start = time.perf_counter()
    X, y, names = ready.X[ready.train], ready.y[ready.train], ready.encoder.feature_names
    with noted():
        front = table_front(X, y, names, ready.job.formulas, trained.estimator)
    trained.estimator.equations_ = front  # goes into its file
    seconds = time.perf_counter() - start
    found = found_of(front, ready.encoder.target.name, X, y)
    prediction = found.best.formula(ready.X[ready.test])
    truth = ready.y[ready.test]
    score = (
        next(iter(measures(ready.task, truth, prediction).values())) if math.isfinite(prediction.sum()) else math.nan
    )
    return Equations(found, score, seconds)


def equation_facts(equations: Equations | None) -> dict | None:
    """For metrics.json."""
    if equations is None:
        return None
    found = equations.found
    return {
        "formula": found.best.formula.text(None),
        "rounded": found.best.formula.text(4),
        "test_r2": equations.score if math.isfinite(equations.score) else None,
        "seconds": round(equations.seconds, 3),
        "domain": list(found.domain),
        "front": rows(found),
    }
