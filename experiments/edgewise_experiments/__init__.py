"""Experiments whose numbers the documentation shows: one file each, written with the public interface.

A module of a room here that has a function `run` is an experiment; `python -m edgewise_experiments NAME` runs it, where
NAME is the name of the module with hyphens. It has

- a docstring whose first sentence `python -m edgewise_experiments --list` shows;
- `run(*, quick, store, seeds, progress) -> Outcome`: measures the rows that the store lacks and summarises all rows.
  quick: a few problems and a small budget, seconds in all; store: a `Store`; seeds: a tuple of seeds, or None for the
  number that the experiment uses by default; progress: receives `RowProgress` objects. Ctrl-C ends a run by
  KeyboardInterrupt; a row that was cut short is never stored;
- `summary(rows) -> Outcome`: tables, notes and figures from stored rows alone;
- `NOTES`: paragraphs that explain the tables, written by hand. They hold no measured number: a number is a cell of a
  table, and the main numbers stand in the table that `key_figures` makes, from which the table of claims quotes;
- where it compares with other files of results, `ALSO`, their names: `summary` gets these rows too
  (`store.beside(*ALSO)`), after its own.

Most experiments are a list of `Job`s for `run_jobs`, which stores rows, resumes an earlier run and reports progress:

    NOTES = ("RMSE is measured on fresh points; the table shows the median of the seeds.",)

    def run(*, quick, store, seeds, progress):
        jobs = [
            Job(f"{name}, seed {seed}", {"problem": name, "seed": seed, "quick": quick}, partial(_measure, name, seed))
            for name in NAMES for seed in seeds or (0, 1, 2)
        ]
        return summary(run_jobs(jobs, store, progress, line=lambda row: f"{row['problem']}: {row['rmse']:.1e}"))

where `_measure(name, seed, report_progress)` returns the measured numbers as a dict of plain JSON values and may call
`report_progress(Progress(stage, share, loss))` meanwhile. Figures are drawn by functions of the room `plots`; an
Outcome holds functions that draw them, because only `--out` needs them.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

from edgewise.errors import InputError


def _modules() -> dict[str, str]:
    """Return the dotted path of every module of the rooms, by its last name; the names of experiments are unique."""
    rooms = [room.name for room in pkgutil.iter_modules(__path__) if room.ispkg]
    return {
        module.name: f"{__name__}.{room}.{module.name}"
        for room in rooms
        for module in pkgutil.iter_modules([str(Path(__path__[0]) / room)])
        if room not in ("plots", "data", "runner", "pages")
    }


@cache
def experiments() -> Mapping[str, str]:
    """Return the first sentence of each experiment by its name, without importing any of them."""
    sentences = {}
    for name, dotted in sorted(_modules().items()):
        path = Path(__path__[0], *dotted.split(".")[1:]).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(part, ast.FunctionDef) and part.name == "run" for part in tree.body):
            sentences[name.replace("_", "-")] = (ast.get_docstring(tree) or "").split("\n")[0]
    return MappingProxyType(sentences)


def load_experiment(name: str) -> ModuleType:
    """Import and return the module of an experiment. Raises InputError for an unknown name."""
    known = experiments()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(known)}"
        raise InputError(f"NAME must be an experiment, got {name!r:.60}; {hint}")
    return import_module(_modules()[name.replace("-", "_")])
