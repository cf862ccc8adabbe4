"""KAN or MLP: the toy functions and five special ones, compared with carefully trained MLPs.

MLPs of several shapes, tanh and SiLU, by L-BFGS, Levenberg-Marquardt and self-scaled Broyden (see
`mlp_baseline`); the best is chosen by held-out samples, the error measured on fresh points. The
KANs are those of the experiments toy-functions and special-functions, where these have run; the samples are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from edgewise_experiments.accuracy import special_functions, toy_functions
from edgewise_experiments.accuracy.known_functions import TEST, Effort, FunctionRows, accuracy_job, by_function, shape
from edgewise_experiments.accuracy.mlp_baseline import (
    FINAL,
    FIRST,
    TRAINING,
    MLPPlan,
    best_mlp,
    final_plans,
    first_plans,
    mlp_job,
    training_samples,
)
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner import (
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    repeats,
    run_jobs,
    scientific,
    times,
    working_seconds,
)

ALSO = ("toy-functions", "special-functions")
PROBLEMS = (*TOY_FUNCTIONS, "jv", "ellipkinc", "ellipeinc", "yv", "kv")
QUICK = ("toy 2", "kv")
NOTES = (
    "RMSE is measured on fresh points. MLPs of several shapes, with tanh and SiLU, are trained by L-BFGS, "
    "Levenberg-Marquardt and self-scaled Broyden; the one with the lowest held-out error is shown. MLP seconds are "
    "those of its own training and, in brackets, of all trainings for that function. The KAN's seconds are those of "
    "its whole training; the shapes of the toy functions are given, the others chosen.",
    "All MLPs get the same work: about a second for a first look and a quarter of a minute for the final training of "
    "each shape. With one or two inputs they train on a part of the KAN's samples; the same held-out samples stop "
    "them.",
)


@dataclass(frozen=True)
class _Case:
    """A function with one seed, the settings of its KAN, and the share of the usual work."""

    target: TargetFunction
    seed: int
    effort: Effort
    work: float

    @property
    def training(self) -> int:
        return training_samples(self.target, self.effort)

    def jobs(self, plans: Sequence[MLPPlan]) -> list[Job]:
        return [mlp_job(self.target, self.seed, self.effort, plan) for plan in plans]


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Train with one seed (of samples and training) by default."""
    cases = [_case(name, seed, quick) for name in (QUICK if quick else PROBLEMS) for seed in seeds or (0,)]
    beside = [] if quick else store.beside(*ALSO)
    known = {row["problem"] for row in _kans(beside)}
    first = [job for c in cases for job in c.jobs(first_plans(c.target.inputs, c.training, work=c.work * FIRST))]
    rows = run_jobs(first, store, _within(progress, 0.0, 0.4))
    final = []
    for c in cases:
        mine = [row for row in rows if (row["problem"], row["seed"]) == (c.target.name, c.seed)]
        final += c.jobs(final_plans(c.target.inputs, c.training, mine, work=c.work * FINAL))
    rows += run_jobs(final, store, _within(progress, 0.4, 0.5))
    kans = [accuracy_job(c.target, c.seed, c.effort) for c in cases if c.target.name not in known]
    rows += run_jobs(kans, store, _within(progress, 0.9, 0.1))
    return summary([*rows, *beside])


def _case(name: str, seed: int, quick: bool) -> _Case:
    if name in TOY_FUNCTIONS:
        target, effort = TOY_FUNCTIONS[name], toy_functions.effort_of(name)
    else:
        target, effort = SPECIAL_FUNCTIONS[name], special_functions.EFFORT
    if quick:
        effort = replace(effort, samples=300, held_out=100, width=target.shape, budget=0.001)
        return _Case(target, seed, effort, 0.01)
    return _Case(target, seed, effort, 1.0)


def _within(progress: RowCallback, start: float, share: float) -> RowCallback:
    """Rescale the progress of one part to the progress of the whole."""
    return lambda at: progress(replace(at, share=start + share * at.share))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of the KAN and the best MLP of each function, and the figure of errors by size."""
    mlps = latest(
        [row for row in rows if row.get("model") == "MLP"],
        *("problem", "seed", "hidden", "activation", "method", "stage"),
    )
    kans = {each.name: each for each in by_function(_kans(rows))}
    names = [name for name in PROBLEMS if any(row["problem"] == name for row in mlps)]
    lines, ratios = [], []
    for name in names:
        mine = [row for row in mlps if row["problem"] == name]
        # The best row of the first seed is shown, with the median over the seeds of the best rows' test errors.
        by_seed = [best_mlp(alike) for alike in repeats(mine, "seed")]
        best, error = by_seed[0], median(None if row is None else row["rmse"] for row in by_seed)
        kan = kans.get(name)
        ratio = error / kan.rmse if kan and kan.rmse and error else None
        ratios += [] if ratio is None else [ratio]
        ours = ("-",) * 4 if kan is None else _kan_cells(kan)
        lines.append((_formula(name), *ours, *_mlp_cells(best, error, mine), times(ratio)))
    columns = ("function", *("KAN", "parameters", "seconds", "RMSE"), *MLP_CELLS, "times lower")
    shapes = {tuple(row["hidden"]) for row in mlps}
    values = {
        "functions for which the KAN's error is lower": f"{sum(r > 1 for r in ratios)} of {len(ratios)}"
        if ratios
        else "-",
        "median of times lower": times(median(ratios)),
        "MLP shapes": str(len(shapes)),
        "largest width of an MLP": str(max((max(hidden) for hidden in shapes), default=0)),
        "training samples of the MLPs, one or two inputs": f"{TRAINING[2]:,}",
        "test points": f"{TEST:,}",
    }
    figures = {"errors": partial(draw_errors, names, mlps, kans)} if mlps else {}
    return Outcome((ResultTable(columns, tuple(lines)), key_figures(values)), NOTES, figures)


MLP_CELLS = ("MLP", "MLP parameters", "MLP seconds", "MLP RMSE")


def _kans(rows: Sequence[dict]) -> list[dict]:
    """Return the rows of KANs whose grid and degree were chosen automatically, for the problems here."""
    kans = [row for row in rows if row.get("problem") in PROBLEMS and "phases" in row and row.get("degree") is None]
    return latest(kans, "problem", "seed")


def _kan_cells(kan: FunctionRows) -> tuple[str, ...]:
    middle = kan.middle
    return shape(middle["shape"]), f"{middle['parameters']:,}", f"{working_seconds(middle):.0f}", scientific(kan.rmse)


def _mlp_cells(best: dict | None, error: float | None, mine: Sequence[dict]) -> tuple[str, ...]:
    if best is None:
        return ("-",) * 4
    whole = sum(working_seconds(row) for row in mine if row["seed"] == best["seed"])
    nodes = "-".join(map(str, best["hidden"]))
    return (
        f"{nodes} {best['activation']}, {best['method']}",
        f"{best['parameters']:,}",
        f"{working_seconds(best):.0f} ({whole:.0f})",
        scientific(error),
    )


def _formula(name: str) -> str:
    return TOY_FUNCTIONS[name].formula if name in TOY_FUNCTIONS else SPECIAL_FUNCTIONS[name].formula


def draw_errors(names: Sequence[str], mlps: Sequence[dict], kans: dict[str, FunctionRows]) -> Figure:
    """Draw the error of KANs and MLPs against the number of parameters, function by function."""
    from edgewise_experiments.plots.errors import Curve, error_curves

    groups = {}
    for name in names:
        curves = []
        if name in kans:
            phases = [p for p in kans[name].middle["phases"] if p["validation_rmse"] is not None]
            points = [(p["parameters"], max(p["validation_rmse"], 1e-17)) for p in phases]
            curves += [Curve("KAN, its grids", *zip(*points, strict=True))] if points else []
        for activation in dict.fromkeys(row["activation"] for row in mlps):
            mine = [row for row in mlps if (row["problem"], row["activation"]) == (name, activation)]
            best = [best_mlp(alike) for alike in repeats(mine, "hidden")]
            points = sorted((row["parameters"], row["rmse"]) for row in best if row is not None and row["rmse"])
            curves += [Curve(f"MLP, {activation}", *zip(*points, strict=True))] if points else []
        groups[_formula(name)] = curves
    return error_curves(groups, xlabel="parameters", ylabel="RMSE")
