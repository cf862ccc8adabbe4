"""The toy functions of the KAN paper in the paper's shapes: accuracy, slope against the grid size, and pykan's time.

The paper plots its errors and prints none; pykan was run on the same machine (`benchmarks/pykan_reference.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgewise_experiments.accuracy.halvings import halvings_job, seconds_to
from edgewise_experiments.accuracy.known_functions import CELLS, TEST, Effort, accuracy_job, by_function
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    count_range,
    key_figures,
    latest,
    median,
    run_jobs,
    scientific,
    times,
)

ALSO = ("pykan-reference",)
QUICK = ("toy 2", "toy 3")
SAMPLES = {"toy 1": 2000, "toy 2": 3000, "toy 3": 3000, "toy 4": 9000, "toy 5": 6000}
SLOW = ("toy 4",)  # one seed, minutes
STARTS = (0, 1, 2)  # seeds of the runs whose time is compared with pykan's
SLOPES, DEGREES = ("toy 1", "toy 2", "toy 5"), {3: "cubic", 5: "quintic"}
SLOPE_GRIDS, SLOPE_FLOOR = (10, 100), 1e-11  # below this error, rounding is part of it
NOTES = (
    "RMSE: median and worst of the seeds on fresh points, from noise-free samples, in the paper's shapes. Seconds are "
    "those of the whole of `approximate`: wall seconds, or CPU seconds where these are fewer because the machine was "
    "shared. pykan has the same shape, number of samples and machine, and the paper's grids.",
    "Times faster there compares one start with quintic splines, whose grid is halved repeatedly, with pykan: pykan's "
    "seconds to its lowest error, divided by the median over three starts of our seconds to the same error.",
    "Slope: least squares of log RMSE on held-out samples against the log of the grid size, from grid 10 to 100, "
    "above the error at which rounding counts. Theory: minus (degree + 1).",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure with three seeds (of samples and training) by default, with one for toy 4 and for the slopes."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(TOY_FUNCTIONS), seeds or (0, 1, 2))
    jobs = [_job(name, seeds[0], None, quick) for name in names]
    jobs += [_job(name, seeds[0], degree, quick) for name in names if name in SLOPES for degree in DEGREES]
    if not quick:
        jobs += [halvings_job(TOY_FUNCTIONS[name], seed) for seed in STARTS for name in names if name not in SLOW]
    jobs += [_job(name, seed, None, quick) for seed in seeds[1:] for name in names if name not in SLOW]
    rows = run_jobs(jobs, store, progress)
    return summary([*rows, *store.beside(*ALSO)])


def effort_of(name: str) -> Effort:
    """Return the samples and settings for the KAN of a function."""
    effort = Effort(SAMPLES[name], width=TOY_FUNCTIONS[name].shape)
    if name in SLOW:
        # With 100 inputs, samples near the faces lie far from all uniform ones. Two starts reached the same minimum, so
        # the work goes to finer grids.
        effort = replace(effort, edges=0.0, starts=1, budget=2.5)
    return effort


def _job(name: str, seed: int, degree: int | None, quick: bool) -> Job:
    effort = replace(effort_of(name), degree=degree)
    if quick:
        effort = replace(effort, samples=300, held_out=100, budget=0.001)
    job = accuracy_job(TOY_FUNCTIONS[name], seed, effort)
    return job if degree is None else replace(job, label=f"{name}, {DEGREES[degree]}")


def summary(rows: list[dict]) -> Outcome:
    """Make the tables of errors and of slopes against the grid size, the key figures, and the figure."""
    timed = latest([row for row in rows if row.get("kind") == "halvings"], "problem", "seed")
    ours = latest([row for row in rows if "problem" in row and "kind" not in row], "problem", "seed", "degree")
    pykan = [row for row in rows if row.get("function") in TOY_FUNCTIONS]
    functions = by_function([row for row in ours if row["degree"] is None])
    if not functions:
        return NO_ROWS
    lines, ratios = [], []
    for each in functions:
        best = _pykan(each.name, pykan)
        ratio = None
        if best is not None:
            runs = (row for row in timed if row["problem"] == each.name)
            seconds = median(seconds_to(row, best["best_test_rmse"]) for row in runs)
            ratio = None if seconds is None else _pykan_seconds(best) / max(seconds, 1e-3)
        ratios += [] if ratio is None else [ratio]
        theirs = ("-", "-") if best is None else (scientific(best["best_test_rmse"]), f"{_pykan_seconds(best):.0f}")
        lines.append((TOY_FUNCTIONS[each.name].formula, *each.cells(), *theirs, times(ratio)))
    columns = ("function", *CELLS, "pykan RMSE", "pykan seconds", "times faster there")
    fixed = [row for row in ours if row["degree"] in DEGREES]
    cubic = [slope(row) for row in fixed if row["degree"] == 3]
    reached = [row["rmse"] for each in functions for row in each.rows if row["rmse"] is not None]
    figures = {
        "slopes of cubic splines in the grid size": ", ".join(f"{each:.1f}" for each in cubic if each is not None)
        or "-",
        "lowest RMSE, degree and grids chosen": scientific(min(reached, default=None)),
        "largest RMSE, degree and grids chosen": scientific(max(reached, default=None)),
        "median of times faster there": times(median(ratios)),
        "smallest of times faster there": times(min(ratios, default=None)),
        "grid sizes in the slopes": f"{SLOPE_GRIDS[0]} to {SLOPE_GRIDS[1]}",
        "smallest error in the slopes": f"{SLOPE_FLOOR:g}",
        "seeds": count_range(len(each.rows) for each in functions),
        "test points": f"{TEST:,}",
    }
    slopes = (_slope_table(fixed),) if fixed else ()
    tables = (ResultTable(columns, tuple(lines)), *slopes, key_figures(figures))
    return Outcome(tables, NOTES, {"slopes": partial(draw_slopes, fixed, pykan)} if fixed else {})


def _pykan(name: str, pykan: Sequence[dict]) -> dict | None:
    """Return pykan's most accurate run in the paper's shape."""
    runs = [row for row in pykan if row["function"] == name and tuple(row["width"]) == TOY_FUNCTIONS[name].shape]
    return min(runs, key=lambda row: row["best_test_rmse"], default=None)


def _pykan_seconds(row: dict) -> float:
    """Return the smaller of wall and CPU seconds, so that no pause by another program counts against pykan."""
    return min(row["seconds_to_best"], row["cpu_seconds_to_best"])


def slope(row: dict) -> float | None:
    """Return the slope of log RMSE (held-out samples) against log grid size over `SLOPE_GRIDS`, above `SLOPE_FLOOR`."""
    points = [(g, e) for g, e in zip(*_curve(row), strict=True) if SLOPE_GRIDS[0] <= g <= SLOPE_GRIDS[1]]
    points = [(math.log(g), math.log(e)) for g, e in points if e > SLOPE_FLOOR]
    return float(np.polyfit(*zip(*points, strict=True), 1)[0]) if len(points) > 1 else None


def _curve(row: dict) -> tuple[list[float], list[float]]:
    """Return the grid sizes and the held-out error at the end of each."""
    points = {max(p["grid_size"]): p["validation_rmse"] for p in row["phases"] if p["validation_rmse"]}
    return list(points), list(points.values())


def _slope_table(rows: Sequence[dict]) -> ResultTable:
    lines = []
    for row in rows:
        grids, errors = _curve(row)
        measured = slope(row)
        lines.append(
            (
                TOY_FUNCTIONS[row["problem"]].formula,
                DEGREES[row["degree"]],
                f"{grids[0]}-{grids[-1]}" if grids else "-",
                scientific(min(errors, default=None)),
                "-" if measured is None else f"{measured:.2f}",
                f"{-row['degree'] - 1}",
            )
        )
    title = "Slope of log RMSE against log grid size"
    return ResultTable(("function", "splines", "grids", "lowest RMSE", "slope", "theory"), tuple(lines), title)


def draw_slopes(slopes: Sequence[dict], pykan: Sequence[dict]) -> Figure:
    """Draw the error against the grid size for cubic and quintic splines, and for pykan."""
    from edgewise_experiments.plots.errors import Curve, error_curves

    groups: dict[str, list[Curve]] = {}
    for row in slopes:
        curves = groups.setdefault(TOY_FUNCTIONS[row["problem"]].formula, [])
        curves.append(Curve(DEGREES[row["degree"]], *_curve(row), slope=-row["degree"] - 1))
    for name in dict.fromkeys(row["problem"] for row in slopes):
        best = _pykan(name, pykan)
        if best is not None:
            curve = [point["grid"] for point in best["curve"]], [point["test_rmse"] for point in best["curve"]]
            groups[TOY_FUNCTIONS[name].formula].append(Curve("pykan, cubic", *curve))
    return error_curves(groups, xlabel="grid size", ylabel="RMSE on fresh points")
