"""Edgewise and other models on the collection of tables, the same folds for all: make bench-tables

python benchmarks/tables.py [--half open|unopened|both] [--models KAN,EBM] [--tables wages,houses] [--folds 1] [--quick]
python benchmarks/tables.py --summary [--half open] [--figure tables.svg]
python benchmarks/tables.py --friedman [--rows 300,3000] [--models KAN]

Three folds, of tables with more than 5,000 rows only the first: it holds over 1,600 test rows. Each fit has a process
and a thread of its own; its seconds are CPU seconds of the fit with all its choices, without imports. A row of
results/collection-HALF.json is one fit; rows that are there are not measured again. While the unopened half is
measured, no score of it is printed; they appear with --summary --half unopened.
"""

import argparse
import os
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import tables_friedman
import tables_models
import tables_summary
from tables_process import cpu_seconds, import_like, isolated
from tables_summary import read

from edgewise.metrics import measures
from edgewise_experiments.runner.store import RESULTS, Store
from edgewise_experiments.tables.collection import entries

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
FOLDS, LARGE = 3, 5_000
LIMIT = 300  # CPU seconds after which a fit is given up
QUICK_ROWS = 800  # most rows of a table of the quick round


def fitted(model: str, table, train, test, seed: int) -> dict:
    """Fit and measure a model; runs in a process of its own."""
    warnings.simplefilter("ignore")
    before = cpu_seconds()
    known = {"groups": table.group[train]} if model == "KAN" and table.group is not None else {}
    predict = tables_models.MODELS[model](table.task, table.X[train], table.y[train], seed, **known)
    seconds = cpu_seconds() - before
    before = cpu_seconds()
    prediction, probabilities, classes = predict(table.X[test])
    found = measures(table.task, table.y[test], prediction, probabilities, classes)
    found = {name: float(f"{value:.7g}") for name, value in found.items()}
    return {
        "score": next(iter(found.values())),
        "metrics": found,
        "seconds": round(seconds, 3),
        "predict_seconds": round(cpu_seconds() - before, 3),
    }


def warm(model: str) -> None:
    """Import all that a model needs, found by fits to sixty rows."""

    def tiny():
        x = np.random.default_rng(0).normal(size=(60, 2))
        for task, y in (("regression", x[:, 0]), ("classification", (x[:, 0] > 0).astype(int))):
            tables_models.MODELS[model](task, x, y, 0)(x[:5])

    import_like(tiny)


def run(half: str, models: list[str], names: list[str], seed: int, folds: int, quick: bool, limit: float) -> None:
    store = Store.open(RESULTS, f"collection-{half}")
    done = {(row["table"], row["fold"], row["model"], row["seed"]) for row in store.rows}
    tables = loaded(half, names, quick)
    for model in models:
        warmed = False
        # All tables with their first fold, then with the second: an early end leaves every table with something.
        for fold, (name, table) in product(range(1 if quick else folds), tables.items()):
            if (name, fold, model, seed) in done or (fold > 0 and len(table.X) > LARGE):
                continue
            if not warmed:
                warm(model)
                warmed = True
            train, test = list(table.folds(FOLDS, seed))[fold]
            result, error, peak = isolated(partial(fitted, model, table, train, test, seed), limit)
            if error and error.startswith("TooLargeError"):
                continue
            row = {"table": name, "fold": fold, "model": model, "seed": seed, "task": table.task}
            row |= {"rows": [len(train), len(test)], "columns": table.X.shape[1]}
            row |= result or {"score": None, "error": error}
            row |= {"peak_mib": peak, "versions": tables_models.versions(model)}
            store.add(row)
            found = error or f"{result['seconds']:.2f} s"
            if half == "open" and not error:
                found = f"{100 * result['score']:.2f}, {found}"
            print(f"{name}, fold {fold}: {model} {found}", flush=True)


def loaded(half: str, names: list[str], quick: bool) -> dict:
    """Load the tables; one whose package is not installed is left out, with a line that says so."""
    tables = {}
    for entry in entries(half):
        if not names or entry.name in names:
            try:
                table = entry.table()
            except ModuleNotFoundError as error:
                print(f"{entry.name} is left out: {error}")
                continue
            if not quick or len(table.X) <= QUICK_ROWS:
                tables[entry.name] = table
    return dict(sorted(tables.items(), key=lambda item: item[1].X.size))  # small ones first


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--half", choices=("open", "unopened", "both"), default="open")
    options.add_argument("--models", default=",".join(tables_models.MODELS), help="separated by commas")
    options.add_argument("--tables", default="", help="names, separated by commas; default all")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folds", type=int, default=FOLDS, help="only the first so many of the three")
    options.add_argument("--limit", type=float, default=LIMIT, help="most CPU seconds of a fit")
    options.add_argument("--quick", action="store_true", help="one fold of the small tables")
    options.add_argument("--summary", action="store_true", help="print the stored rows of the half and measure nothing")
    options.add_argument("--figure", type=Path, help="with --summary: write this figure")
    options.add_argument("--friedman", action="store_true", help="time fits of Friedman's function and others instead")
    options.add_argument("--rows", default="300,3000,100000,1000000", help="with --friedman")
    chosen = options.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):
        options.error(f"set {' and '.join(THREADS)} to 1, as make bench-tables does: one thread for each fit")
    models = chosen.models.split(",")
    unknown = sorted(set(models) - set(tables_models.MODELS))
    if unknown:
        options.error(f"--models knows {', '.join(tables_models.MODELS)}, not {', '.join(unknown)}")
    halves = ("open", "unopened") if chosen.half == "both" else (chosen.half,)
    if chosen.friedman:
        sizes = [int(size) for size in chosen.rows.split(",")]
        store = Store.open(RESULTS, "friedman")
        tables_friedman.run(models, sizes, chosen.seed, store)
        if "KAN" in models:
            tables_friedman.run_others(chosen.seed, store)
    elif chosen.summary:
        rows = [row for half in halves for row in read(half) if row["model"] in models and row["seed"] == chosen.seed]
        print(tables_summary.text(rows))
        if chosen.figure:
            tables_summary.draw(rows, chosen.figure)
    else:
        names = [name for name in chosen.tables.split(",") if name]
        for half in halves:
            run(half, models, names, chosen.seed, chosen.folds, chosen.quick, chosen.limit)
            if half == "open":
                print(tables_summary.text([row for row in read(half) if row["seed"] == chosen.seed]))


if __name__ == "__main__":
    main()
