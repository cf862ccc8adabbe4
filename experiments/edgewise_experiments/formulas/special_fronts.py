"""Four special functions as in the paper's Figure 2: RMSE against parameters, KANs and MLPs, and where each ends.

KANs with cubic splines, whose grids are halved: of the paper's best shape and of one shape for all; theory's alpha is 4
then. Beside them the KANs whose shape and degree were chosen, and the MLPs of the experiment mlp-comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.theory import fitted_exponent, liu
from edgewise_experiments.accuracy.accuracy import Effort, accuracy_job, shape
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.runner.jobs import Job
from edgewise_experiments.runner.outcome import ResultTable, scientific

FUNCTIONS = ("jv", "ellipkinc", "yv", "kv")
DEGREE, SHAPE = 3, (2, 3, 2, 1)
EFFORT = Effort(degree=DEGREE, budget=0.15)
LEVEL = (
    2.0  # times the lowest error: from there on a model has stopped falling; a larger gap to training is overfitting
)
SAME_SIZE = 1.5  # ratio of parameters within which two models count as of one size: halving a grid gives more
ALPHA = liu(DEGREE)


@dataclass(frozen=True)
class Point:
    """A trained model: its parameters and its errors on held-out and on training samples."""

    parameters: int
    error: float
    train: float | None


def front_jobs(name: str, seed: int, *, quick: bool) -> list[Job]:
    """Cubic KANs of the paper's best shape and of `SHAPE`; none for other functions than those of the figure."""
    if name not in FUNCTIONS:
        return []
    target = SPECIAL_FUNCTIONS[name]
    effort = replace(EFFORT, samples=300, held_out=100, budget=0.001) if quick else EFFORT
    shapes = (target.shape,) if quick else (target.shape, SHAPE)
    return [accuracy_job(target, seed, replace(effort, width=width)) for width in dict.fromkeys(shapes)]


def is_front(row: Mapping) -> bool:
    """Whether a row is one of `front_jobs`."""
    return row.get("degree") == DEGREE


# From rows of a function to the models of one kind; the first two are those that theory speaks of.
SERIES: Mapping[str, Callable[[str, Mapping], bool]] = {
    "KAN, cubic, the paper's shape": lambda name, row: (
        is_front(row) and tuple(row["width"]) == SPECIAL_FUNCTIONS[name].shape
    ),
    f"KAN, cubic, {shape(SHAPE)}": lambda name, row: is_front(row) and tuple(row["width"]) == SHAPE,
    "KAN, shape and degree chosen": lambda name, row: "phases" in row and row.get("degree") is None,
    "MLP, the best of its size": lambda name, row: row.get("model") == "MLP",
}


def points(name: str, series: str, rows: Sequence[dict]) -> list[Point]:
    """Of all seeds, by size; KANs give one for each grid, MLPs one for each size: that with the lowest error."""
    mine = [row for row in rows if row.get("problem") == name and SERIES[series](name, row)]
    if series.startswith("MLP"):
        lowest: dict[int, Point] = {}
        for row in mine:
            size, error = row["parameters"], row.get("validation_rmse")
            if error and (size not in lowest or error < lowest[size].error):
                lowest[size] = Point(size, error, row.get("train_rmse"))
        found = list(lowest.values())
    else:
        phases = [phase for row in mine for phase in row["phases"]]
        found = [
            Point(phase["parameters"], phase["validation_rmse"], phase.get("train_rmse"))
            for phase in phases
            if phase["validation_rmse"] and "parameters" in phase
        ]
    return sorted(found, key=lambda point: (point.parameters, point.error))


def pareto(found: Sequence[Point]) -> list[Point]:
    """Those that no model of as many or fewer parameters beats. found: by size, then error."""
    front: list[Point] = []
    for point in found:
        if not front or point.error < front[-1].error:
            front.append(point)
    return front


def ending(found: Sequence[Point]) -> tuple[Point, str]:
    """The first model of the front whose error is within `LEVEL` of the lowest, and why no larger one is better."""
    front = pareto(found)
    first = next(point for point in front if point.error <= LEVEL * front[-1].error)
    largest = max(point.parameters for point in found)
    if largest <= SAME_SIZE * first.parameters:
        falling = front[-1].parameters == largest
        return first, "still falling at the largest that was trained" if falling else "no larger one was trained"
    last = min((point for point in found if point.parameters == largest), key=lambda point: point.error)
    if last.train is None:
        return first, "larger ones are no better"
    gap = last.error / max(last.train, 1e-300)
    if gap > LEVEL:
        return first, f"too few samples: at {largest:,} parameters the held-out error is {gap:.1f} times the training's"
    return first, (
        f"training or shape, not samples: at {largest:,} parameters the error is {scientific(last.error)} and on the "
        f"training samples {scientific(last.train)}"
    )


def front_table(rows: Sequence[dict]) -> ResultTable | None:
    """For each function and kind: exponent on the way down, where it stops and why; None without any cubic row."""
    names = [name for name in FUNCTIONS if any(row.get("problem") == name and is_front(row) for row in rows)]
    lines = []
    for name in names:
        for series in SERIES:
            found = points(name, series, rows)
            if not found:
                continue
            first, why = ending(found)
            down = [point for point in pareto(found) if point.parameters <= first.parameters]
            fitted = fitted_exponent([p.parameters for p in down], [p.error for p in down])
            alpha = "-" if fitted is None else f"{fitted.alpha:.1f}"
            size, error = f"{first.parameters:,}", scientific(first.error)
            lines.append((SPECIAL_FUNCTIONS[name].formula, series, alpha, size, error, why))
    columns = ("function", "model", "alpha in N", "parameters", "RMSE there", "why no lower")
    title = (
        f"Fronts of RMSE against parameters N; theory's alpha for cubic splines is {ALPHA:g}; parameters: the first "
        f"model within {LEVEL:g} times the lowest error; RMSE: on held-out samples, the lowest of all seeds at a size"
    )
    return ResultTable(columns, tuple(lines), title) if lines else None


def draw_fronts(rows: Sequence[dict]):
    """A panel for each function: all models as marks, the fronts as lines, theory's slope."""
    from edgewise.plot import Curve, error_curves

    groups = {}
    for name in FUNCTIONS:
        curves = []
        for series in SERIES:
            found = points(name, series, rows)
            front = pareto(found)
            if front:
                slope = -ALPHA if series == f"KAN, cubic, {shape(SHAPE)}" else None
                loose = [(point.parameters, point.error) for point in found if point not in front]
                x, y = zip(*((point.parameters, point.error) for point in front), strict=True)
                curves.append(Curve(series, x, y, slope, tuple(loose)))
        if curves:
            groups[SPECIAL_FUNCTIONS[name].formula] = curves
    return error_curves(groups, xlabel="parameters $N$", ylabel="RMSE on held-out samples")
