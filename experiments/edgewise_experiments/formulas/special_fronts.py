"""Four special functions as in the paper's Figure 2: RMSE against the number of parameters, for KANs and MLPs.

The KANs have cubic splines whose grids are halved, in the paper's best shape and in one shape for all functions; the
theory's exponent is 4 then. The figure also has the KANs whose shape and degree were chosen, and the MLPs of the
experiment mlp-comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgewise_experiments.accuracy.known_functions import Effort, accuracy_job, shape
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.runner.jobs import Job
from edgewise_experiments.runner.outcome import ResultTable, scientific
from edgewise_experiments.theory.exponents import fitted_exponent, liu

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FUNCTIONS = ("jv", "ellipkinc", "yv", "kv")
DEGREE, SHAPE = 3, (2, 3, 2, 1)
EFFORT = Effort(degree=DEGREE, budget=0.15)
# Within this factor of the lowest error a model counts as one of the best; a larger ratio of held-out to training error
# counts as overfitting.
LEVEL = 2.0
SAME_SIZE = 1.5  # models whose parameters differ by less count as of one size; halving a grid gives more
ALPHA = liu(DEGREE)
FRONT_NOTES = (
    "Errors by size: the front consists of the models that no smaller model beats, over all seeds, by RMSE on "
    "held-out samples. Alpha in N is the exponent with which the error falls along the front; the theory's value for "
    "cubic splines is degree + 1. Parameters and RMSE are those of the first model within twice the lowest error. The "
    "limit is the reason why larger models are not more accurate: too few samples if the held-out error of the "
    "largest model is more than twice its training error, else training or shape."
)
# Reasons for the end of a front.
FALLING, LARGEST = "still falling at the largest model", "no larger model was trained"
NO_BETTER, FEW_SAMPLES, TRAINING = "larger models are no better", "too few samples", "training or shape"


@dataclass(frozen=True)
class Point:
    """A trained model: number of parameters, held-out error and training error."""

    parameters: int
    error: float
    train: float | None


def front_jobs(name: str, seed: int, *, quick: bool) -> list[Job]:
    """Make the jobs of cubic KANs of the paper's best shape and of `SHAPE`, for the functions of the figure only."""
    if name not in FUNCTIONS:
        return []
    target = SPECIAL_FUNCTIONS[name]
    effort = replace(EFFORT, samples=300, held_out=100, budget=0.001) if quick else EFFORT
    shapes = (target.shape,) if quick else (target.shape, SHAPE)
    return [accuracy_job(target, seed, replace(effort, width=width)) for width in dict.fromkeys(shapes)]


def is_front(row: Mapping) -> bool:
    """Return whether a row comes from `front_jobs`."""
    return row.get("degree") == DEGREE


# For each kind of model a test of a row; the theory is about the first two.
SERIES: Mapping[str, Callable[[str, Mapping], bool]] = {
    "KAN, cubic, the paper's shape": lambda name, row: (
        is_front(row) and tuple(row["width"]) == SPECIAL_FUNCTIONS[name].shape
    ),
    f"KAN, cubic, {shape(SHAPE)}": lambda name, row: is_front(row) and tuple(row["width"]) == SHAPE,
    "KAN, shape and degree chosen": lambda name, row: "phases" in row and row.get("degree") is None,
    "MLP, the best of its size": lambda name, row: row.get("model") == "MLP",
}


def points(name: str, series: str, rows: Sequence[dict]) -> list[Point]:
    """Collect the models of all seeds by size: one for each grid of a KAN, the best MLP of each size."""
    mine = [row for row in rows if row.get("problem") == name and SERIES[series](name, row)]
    if series.startswith("MLP"):
        lowest: dict[int, Point] = {}
        for row in mine:
            size, error = row["parameters"], row.get("validation_rmse")
            if error and (size not in lowest or error < lowest[size].error):
                lowest[size] = Point(size, error, row.get("train_rmse"))
        models = list(lowest.values())
    else:
        phases = [phase for row in mine for phase in row["phases"]]
        models = [
            Point(phase["parameters"], phase["validation_rmse"], phase.get("train_rmse"))
            for phase in phases
            if phase["validation_rmse"] and "parameters" in phase
        ]
    return sorted(models, key=lambda point: (point.parameters, point.error))


def pareto(models: Sequence[Point]) -> list[Point]:
    """Return the models that none with as many or fewer parameters beats; `models` is sorted by size, then error."""
    front: list[Point] = []
    for point in models:
        if not front or point.error < front[-1].error:
            front.append(point)
    return front


def ending(models: Sequence[Point]) -> tuple[Point, str, Point | None]:
    """Find the end of a front."""
    front = pareto(models)
    first = next(point for point in front if point.error <= LEVEL * front[-1].error)
    size = max(point.parameters for point in models)
    if size <= SAME_SIZE * first.parameters:
        return first, FALLING if front[-1].parameters == size else LARGEST, None
    largest = min((point for point in models if point.parameters == size), key=lambda point: point.error)
    if largest.train is None:
        return first, NO_BETTER, largest
    overfits = largest.error / max(largest.train, 1e-300) > LEVEL
    return first, FEW_SAMPLES if overfits else TRAINING, largest


def front_table(rows: Sequence[dict]) -> ResultTable | None:
    """Make the table of fronts: exponent, end, and its reason; None without any cubic row."""
    names = [name for name in FUNCTIONS if any(row.get("problem") == name and is_front(row) for row in rows)]
    lines = []
    for name in names:
        for series in SERIES:
            models = points(name, series, rows)
            if not models:
                continue
            first, limit, largest = ending(models)
            down = [point for point in pareto(models) if point.parameters <= first.parameters]
            fitted = fitted_exponent([p.parameters for p in down], [p.error for p in down])
            alpha = "-" if fitted is None else f"{fitted.alpha:.1f}"
            size, error = f"{first.parameters:,}", scientific(first.error)
            evidence = ("-",) * 3
            if largest is not None:
                evidence = f"{largest.parameters:,}", scientific(largest.error), scientific(largest.train)
            lines.append((SPECIAL_FUNCTIONS[name].formula, series, alpha, size, error, limit, *evidence))
    columns = (
        *("function", "model", "alpha in N", "parameters", "RMSE", "limit"),
        *("largest model", "its RMSE", "its training RMSE"),
    )
    return ResultTable(columns, tuple(lines), "Errors by size") if lines else None


def draw_fronts(rows: Sequence[dict]) -> Figure:
    """Draw a panel for each function: all models as marks, the fronts as lines, and the theory's slope."""
    from edgewise_experiments.plots.errors import Curve, error_curves

    groups = {}
    for name in FUNCTIONS:
        curves = []
        for series in SERIES:
            models = points(name, series, rows)
            front = pareto(models)
            if front:
                slope = -ALPHA if series == f"KAN, cubic, {shape(SHAPE)}" else None
                loose = [(point.parameters, point.error) for point in models if point not in front]
                x, y = zip(*((point.parameters, point.error) for point in front), strict=True)
                curves.append(Curve(series, x, y, slope, tuple(loose)))
        if curves:
            groups[SPECIAL_FUNCTIONS[name].formula] = curves
    return error_curves(groups, xlabel="parameters $N$", ylabel="RMSE on held-out samples")
