"""Accuracy of a KAN on a known function: one measured row, and the table of our errors beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch

from edgewise import Regression
from edgewise.outcomes import ProgressCallback
from edgewise.search import approximate
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    Stopwatch,
    count_range,
    key_figures,
    median,
    require_complete,
    scientific,
    times,
    working_seconds,
    worst,
)

TEST = 10_000  # fresh points, uniform
TEST_SEED, HELD_OUT_SEED = 1_000_000, 2_000_000  # added to the seed of the training samples


@dataclass(frozen=True)
class Effort:
    """Samples and settings of one training by `approximate`."""

    samples: int = 3000
    held_out: int = 1000
    edges: float = 0.5
    width: tuple[int, ...] | None = None
    degree: int | None = None
    budget: float = 1.0
    time_limit: float | None = None
    starts: int | None = None


def accuracy_job(target: TargetFunction, seed: int, effort: Effort) -> Job:
    """Make the job that runs `measure`; its key is the name of the function, the seed and the effort."""
    key = {"problem": target.name, "seed": seed, **asdict(effort)}
    if effort.starts is None:  # stored rows are older than this choice
        del key["starts"]
    return Job(f"{target.name}, seed {seed}", key, partial(measure, target, seed, effort))


def measure(target: TargetFunction, seed: int, effort: Effort, report_progress: ProgressCallback) -> dict:
    """Train on samples of this seed and measure the RMSE, in the target's units, on `TEST` fresh points.

    For the training the inputs are scaled from the box to [-1, 1] and the target to mean 0 and variance 1.
    """
    x, y = target.sample(effort.samples, seed, edges=effort.edges)
    held_x, held_y = target.sample(effort.held_out, HELD_OUT_SEED + seed)
    scale = Scale(target, y)
    held_out = scale.inputs(held_x), scale.target(held_y)
    problem = Regression(scale.inputs(x), scale.target(y), validation=held_out)
    watch = Stopwatch()
    result = approximate(
        problem,
        width=effort.width,
        degree=effort.degree,
        starts=effort.starts,
        domain=(-1.0, 1.0),
        budget=effort.budget,
        time_limit=effort.time_limit,
        seed=seed,
        progress=lambda at: report_progress(replace(at, loss=math.sqrt(at.loss))),
    )
    spent = watch.seconds()
    require_complete(result)
    x_test, y_test = target.sample(TEST, TEST_SEED + seed)
    with torch.no_grad():
        prediction = scale.back(result.model(scale.inputs(x_test)))
    error = float(np.sqrt(np.mean((prediction - y_test) ** 2)))
    config = result.model.config
    return {
        "rmse": error,
        "relative": error / float(np.std(y_test)),
        **spent,
        "parameters": sum(parameter.numel() for parameter in result.model.parameters() if parameter.requires_grad),
        "shape": list(config.width),
        "spline_degree": config.degree,
        "grid_size": list(config.grid_size),
        "stopped": result.stopped,
        "phases": [
            {
                "grid_size": list(phase.grid_size),
                "parameters": phase.parameters,
                "train_rmse": scale.rmse(phase.loss),
                "validation_rmse": scale.rmse(phase.validation_loss),
                "seconds": round(phase.seconds, 3),
            }
            for phase in result.phases
        ],
        "sentences": list(result.sentences),
    }


class Scale:
    """Conversion between the units of the target and those of the training: inputs in [-1, 1], y standardised."""

    def __init__(self, target: TargetFunction, y: np.ndarray):
        self._low, self._high = np.array(target.low), np.array(target.high)
        self._mean, self._spread = float(np.mean(y)), float(np.std(y))

    def inputs(self, x: np.ndarray) -> torch.Tensor:
        """Scale inputs x (N, inputs) from the target's box to [-1, 1]."""
        return torch.from_numpy((2 * x - self._low - self._high) / (self._high - self._low))

    def target(self, y: np.ndarray) -> torch.Tensor:
        """Standardise values y (N,)."""
        return torch.from_numpy((y - self._mean) / self._spread)

    def back(self, prediction: torch.Tensor) -> np.ndarray:
        """Convert a prediction (N, 1) to values (N,) in the target's units."""
        return prediction[:, 0].numpy() * self._spread + self._mean

    def rmse(self, loss: float) -> float:
        """Convert a mean squared error of the training to an RMSE in the target's units."""
        return math.sqrt(loss) * self._spread if loss >= 0 else math.nan


@dataclass(frozen=True)
class FunctionRows:
    """All rows of one function, one for each seed."""

    name: str
    rows: tuple[dict, ...]

    @property
    def rmse(self) -> float | None:
        """Median of the seeds."""
        return median(row["rmse"] for row in self.rows)

    @property
    def middle(self) -> dict:
        """Row with the median error, whose shape and parameters the table shows."""
        return next((row for row in self.rows if row["rmse"] == self.rmse), self.rows[0])

    def cells(self) -> tuple[str, ...]:
        """Return the texts for the columns `CELLS`."""
        return (
            shape(self.middle["shape"]),
            f"{self.middle['parameters']:,}",
            scientific(self.rmse),
            scientific(worst(row["rmse"] for row in self.rows)),
            f"{median(map(working_seconds, self.rows)):.1f}",
        )


CELLS = ("shape", "parameters", "RMSE", "worst", "seconds")


def by_function(rows: Sequence[dict]) -> list[FunctionRows]:
    """Group rows by function."""
    names = dict.fromkeys(row["problem"] for row in rows)
    return [FunctionRows(name, tuple(row for row in rows if row["problem"] == name)) for name in names]


def shape(width: Sequence[int]) -> str:
    """Format a shape as the paper writes it, for example [2,5,1]."""
    return f"[{','.join(map(str, width))}]"


PAPER_NOTES = (
    "The error is the root mean squared error (RMSE) on fresh points, in the units of the function: the median and "
    "the worst of the seeds. The training samples have no noise, and half of them lie more densely towards the faces "
    "of the box. `approximate` chooses the shape, the degree and the grids. Seconds are those of the whole of "
    "`approximate`: wall seconds, or CPU seconds where these are fewer because the machine was shared.",
    "Paper KAN and paper MLP are the lowest errors that the paper prints; times lower is the error to beat divided by "
    "our median. The paper does not print the ranges of the variables and ours are in the code, so the two are not "
    "comparable point by point.",
)


def beside_the_paper(
    rows: Sequence[dict], targets: Mapping[str, TargetFunction], *, to_beat: Mapping[str, float], reference: str
) -> Outcome:
    """Make the table of our errors, the paper's best KAN and MLP, and the ratio to the error to beat."""
    if not rows:
        return NO_ROWS
    functions = by_function(rows)
    kans = {name: min(v for k, v in target.paper.items() if k != "mlp") for name, target in targets.items()}
    lines, ratios = [], []
    for each in functions:
        ratio = None if each.rmse is None else to_beat[each.name] / max(each.rmse, 1e-300)
        ratios.append(ratio or 0.0)
        paper = f"{kans[each.name]:.2e}", f"{targets[each.name].paper['mlp']:.2e}"
        lines.append((each.name, *each.cells(), *paper, times(ratio)))
    columns = ("function", *CELLS, "paper KAN", "paper MLP", "times lower")
    figures = {
        f"functions whose median is below {reference}": f"{sum(r > 1 for r in ratios)} of {len(functions)}",
        "not below": ", ".join(each.name for each, r in zip(functions, ratios, strict=True) if r <= 1) or "-",
        "median of times lower": times(median(ratios)),
        "smallest of times lower": times(min(ratios)),
        "training samples": count_range(row["samples"] for row in rows),
        "test points": f"{TEST:,}",
        "seeds": count_range(len(each.rows) for each in functions),
        "seconds of the longest run": f"{max(map(working_seconds, rows)):.0f}",
    }
    draw = partial(draw_errors, functions, kans, {name: target.paper["mlp"] for name, target in targets.items()})
    return Outcome((ResultTable(columns, tuple(lines)), key_figures(figures)), PAPER_NOTES, {"errors": draw})


def draw_errors(functions: Sequence[FunctionRows], kans: Mapping[str, float], mlps: Mapping[str, float]) -> Figure:
    """Draw our errors with the range of the seeds, and the paper's."""
    from edgewise_experiments.plots.errors import Span, error_dots

    names = [each.name for each in functions]
    errors = [[max(row["rmse"], 1e-16) for row in each.rows if row["rmse"] is not None] for each in functions]
    series = {
        "Edgewise (median, range of seeds)": [Span.of(each) if each else None for each in errors],
        "KAN, the paper's best (other ranges)": [Span.of([kans[name]]) for name in names],
        "MLP, the paper's best (other ranges)": [Span.of([mlps[name]]) for name in names],
    }
    return error_dots(names, series, xlabel="test RMSE")
