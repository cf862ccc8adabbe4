"""Experiments whose numbers the documentation shows: one file each, guests of the public interface.

A module here that has a function `run` is an experiment; `edgewise reproduce NAME` runs it, NAME being the module's
name with hyphens. It has:

- a docstring whose first sentence is what `edgewise reproduce --list` shows;
- `run(*, quick, store, seeds, progress) -> Outcome`: measures the rows that the store lacks, and summarises all.
  quick: a few problems and a small budget, seconds in all; store: a `Store`; seeds: a tuple of seeds, or None for as
  many as the experiment finds right; progress: called with an `Update`. Ctrl-C ends it by KeyboardInterrupt: a row that
  was cut short is never stored;
- `summary(rows) -> Outcome`: tables, sentences and figures from stored rows alone; the README is written with it;
- where it compares with other files of results, `ALSO`, their names: `summary` gets their rows (`store.beside(*ALSO)`)
  after its own.

Most experiments need nothing but a list of `Job`s for `run_jobs`, which does the storing, resuming and telling:

    def run(*, quick, store, seeds, progress):
        jobs = [
            Job(f"{name}, seed {seed}", {"problem": name, "seed": seed, "quick": quick}, partial(_measure, name, seed))
            for name in NAMES for seed in seeds or (0, 1, 2)
        ]
        return summary(run_jobs(jobs, store, progress, line=lambda row: f"{row['problem']}: {row['rmse']:.1e}"))

where `_measure(name, seed, tell)` gives the measured numbers as a dict of plain JSON values and may call
`tell(stage, share, loss)` as it goes. Figures are drawn by functions in edgewise/plot; an Outcome holds functions that
draw them, since only `--out` needs them.
"""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgewise.errors import InputError


def _modules() -> dict[str, str]:
    """Dotted path of every module of the rooms, by its last name; these are unique."""
    rooms = [room.name for room in pkgutil.iter_modules(__path__) if room.ispkg]
    return {
        module.name: f"{__name__}.{room}.{module.name}"
        for room in rooms
        for module in pkgutil.iter_modules([str(Path(__path__[0]) / room)])
        if room not in ("plots", "data", "runner", "pages")
    }


def experiments() -> dict[str, str]:
    """Name and first sentence of each experiment; none of them is loaded for that."""
    found = {}
    for name, dotted in sorted(_modules().items()):
        path = Path(__path__[0], *dotted.split(".")[1:]).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(part, ast.FunctionDef) and part.name == "run" for part in tree.body):
            found[name.replace("_", "-")] = (ast.get_docstring(tree) or "").split("\n")[0]
    return found


def load_experiment(name: str) -> ModuleType:
    """The module of an experiment. Raises InputError for a name that is none."""
    known = experiments()
    if name not in known:
        raise InputError(f"the experiment must be one of {', '.join(known)}, got {name!r:.60}")
    return import_module(_modules()[name.replace("-", "_")])
