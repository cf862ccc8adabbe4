"""The toy functions of the KAN paper in the paper's shapes: accuracy, slope against the grid size, pykan's seconds.

The paper plots its errors and prints none; pykan was run on the same machine (benchmarks/pykan_reference.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgewise_experiments.accuracy.accuracy import CELLS, TEST, Effort, accuracy_job, repeats
from edgewise_experiments.accuracy.halvings import halvings_job, seconds_to
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.runner.jobs import Job, Progress, latest, run_jobs
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, median, scientific, seeds_said, times
from edgewise_experiments.runner.store import Store

ALSO = ("pykan_reference",)
QUICK = ("toy 2", "toy 3")
SAMPLES = {"toy 1": 2000, "toy 2": 3000, "toy 3": 3000, "toy 4": 9000, "toy 5": 6000}
SLOW = ("toy 4",)  # one seed, minutes
STARTS = (0, 1, 2)  # of the runs that are timed against pykan's
SLOPES, DEGREES = ("toy 1", "toy 2", "toy 5"), {3: "cubic", 5: "quintic"}
SLOPE_GRIDS, SLOPE_FLOOR = (10, 100), 1e-11  # below, rounding is part of the error


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of samples and training, unless told otherwise; one for number 4 and for the slopes."""
    names, seeds = (QUICK, seeds or (0,)) if quick else (tuple(TOY_FUNCTIONS), seeds or (0, 1, 2))
    jobs = [_job(name, seeds[0], None, quick) for name in names]
    jobs += [_job(name, seeds[0], degree, quick) for name in names if name in SLOPES for degree in DEGREES]
    if not quick:
        jobs += [halvings_job(TOY_FUNCTIONS[name], seed) for seed in STARTS for name in names if name not in SLOW]
    jobs += [_job(name, seed, None, quick) for seed in seeds[1:] for name in names if name not in SLOW]
    rows = run_jobs(jobs, store, progress, line)
    return summary([*rows, *store.beside(*ALSO)])


def effort_of(name: str) -> Effort:
    """What the KAN of a function is given."""
    effort = Effort(SAMPLES[name], width=TOY_FUNCTIONS[name].shape)
    if name in SLOW:
        # Of 100 inputs, samples near the faces lie far from all uniform ones. Two starts met in one minimum: the work
        # goes to finer grids.
        effort = replace(effort, edges=0.0, starts=1, budget=2.5)
    return effort


def _job(name: str, seed: int, degree: int | None, quick: bool) -> Job:
    effort = replace(effort_of(name), degree=degree)
    if quick:
        effort = replace(effort, samples=300, held_out=100, budget=0.001)
    job = accuracy_job(TOY_FUNCTIONS[name], seed, effort)
    return job if degree is None else replace(job, label=f"{name}, {DEGREES[degree]}")


def summary(rows: list[dict]) -> Outcome:
    """Errors and seconds; slopes of the error against the grid size; a figure of both."""
    timed = latest([row for row in rows if row.get("kind") == "halvings"], "problem", "seed")
    ours = latest([row for row in rows if "problem" in row and "kind" not in row], "problem", "seed", "degree")
    pykan = [row for row in rows if row.get("function") in TOY_FUNCTIONS]
    found = repeats([row for row in ours if row["degree"] is None])
    if not found:
        return NO_ROWS
    lines, ratios = [], []
    for each in found:
        best = _pykan(each.name, pykan)
        ratio = None if best is None else _faster([row for row in timed if row["problem"] == each.name], best)
        ratios += [] if ratio is None else [ratio]
        theirs = ("-", "-") if best is None else (scientific(best["best_test_rmse"]), f"{_pykan_seconds(best):.0f}")
        lines.append((TOY_FUNCTIONS[each.name].formula, *each.cells(), *theirs, times(ratio)))
    columns = ("function", *CELLS, "pykan RMSE", "pykan seconds", "times faster there")
    slopes = [row for row in ours if row["degree"] in DEGREES]
    table = ResultTable(columns, tuple(lines))
    tables = (table, _slopes(slopes)) if slopes else (table,)
    sentences = [
        f"Test RMSE on {TEST:,} fresh points, noise-free samples, the paper's shapes; "
        f"{seeds_said(len(each.rows) for each in found)}; seconds: the whole of `approximate` (wall, "
        "or CPU where that is less: the machine was shared then).",
    ]
    if ratios:
        starts = len({row["seed"] for row in timed})
        sentences.append(
            "Times faster there: pykan's seconds to its lowest error (same shape, number of samples and machine, the "
            "paper's grids) over ours to the same error, of one start with quintic splines whose grid is halved after "
            f"every {timed[0]['steps']} steps, the median of {starts} starts: median {times(median(ratios))}, smallest "
            f"{times(min(ratios))}."
        )
    return Outcome(tables, tuple(sentences), {"slopes": partial(_draw, slopes, pykan)} if slopes else {})


def _pykan(name: str, pykan: Sequence[dict]) -> dict | None:
    """pykan's most accurate run in the paper's shape."""
    runs = [row for row in pykan if row["function"] == name and tuple(row["width"]) == TOY_FUNCTIONS[name].shape]
    return min(runs, key=lambda row: row["best_test_rmse"], default=None)


def _pykan_seconds(row: dict) -> float:
    """The smaller of wall and CPU seconds: no pause that another program of the machine caused counts against it."""
    return min(row["seconds_to_best"], row["cpu_seconds_to_best"])


def _faster(timed: Sequence[dict], best: dict) -> float | None:
    """How many times sooner than pykan the median of our starts is where pykan ends; None if it doesn't get there."""
    seconds = median(seconds_to(row, best["best_test_rmse"]) for row in timed)
    return None if seconds is None else _pykan_seconds(best) / max(seconds, 1e-3)


def slope(row: dict) -> float | None:
    """Of log RMSE (held-out samples) against log grid size: least squares over `SLOPE_GRIDS`, above `SLOPE_FLOOR`."""
    points = [(g, e) for g, e in zip(*_curve(row), strict=True) if SLOPE_GRIDS[0] <= g <= SLOPE_GRIDS[1]]
    points = [(math.log(g), math.log(e)) for g, e in points if e > SLOPE_FLOOR]
    return float(np.polyfit(*zip(*points, strict=True), 1)[0]) if len(points) > 1 else None


def _curve(row: dict) -> tuple[list[float], list[float]]:
    """Grid sizes and the errors at the end of each."""
    points = {max(p["grid_size"]): p["validation_rmse"] for p in row["phases"] if p["validation_rmse"]}
    return list(points), list(points.values())


def _slopes(rows: Sequence[dict]) -> ResultTable:
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
    title = "Slope of log RMSE (held-out samples) against log grid size, between grid 10 and 100, above 1e-11"
    return ResultTable(("function", "splines", "grids", "lowest RMSE", "slope", "theory"), tuple(lines), title)


def _draw(slopes: Sequence[dict], pykan: Sequence[dict]):
    from edgewise.plot import Curve, error_curves

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


def line(row: dict) -> str:
    """A stored row for people."""
    kind = "halvings" if "kind" in row else DEGREES.get(row["degree"], "degree chosen")
    return (
        f"{TOY_FUNCTIONS[row['problem']].formula}, {kind}, seed {row['seed']}: {scientific(row['rmse'])}, "
        f"{row['parameters']:,} parameters, {row['seconds']:.2g} s"
    )
