"""How close a KAN comes to a known function: one measured row, and the table of ours beside the paper's."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch

from edgewise import Regression, approximate
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner.jobs import Job, Tell, working_seconds
from edgewise_experiments.runner.outcome import (
    NO_ROWS,
    Outcome,
    ResultTable,
    median,
    scientific,
    seeds_said,
    times,
    worst,
)

TEST = 10_000  # fresh points, uniform
TEST_SEED, HELD_OUT_SEED = 1_000_000, 2_000_000  # added to the seed of the training samples


@dataclass(frozen=True)
class Effort:
    """What a row is given. samples: to train on, noise-free, a share `edges` of them denser towards the faces of the
    box; held_out: uniform, not trained on, to decide when to stop.

    width, degree, starts: None where `approximate` chooses; budget and time_limit: its own. No limit in seconds unless
    told: a row would depend on what else the machine does.
    """

    samples: int = 3000
    held_out: int = 1000
    edges: float = 0.5
    width: tuple[int, ...] | None = None
    degree: int | None = None
    budget: float = 1.0
    time_limit: float | None = None
    starts: int | None = None


def accuracy_job(target: TargetFunction, seed: int, effort: Effort) -> Job:
    """The row of `measure`, with the function's name, the seed and the effort as its key."""
    key = {"problem": target.name, "seed": seed, **asdict(effort)}
    if effort.starts is None:  # stored rows are older than this choice
        del key["starts"]
    return Job(f"{target.name}, seed {seed}", key, partial(measure, target, seed, effort))


def measure(target: TargetFunction, seed: int, effort: Effort, tell: Tell) -> dict:
    """Trains on samples of this seed; the RMSE, in the target's units, is on `TEST` points that nothing else has seen.

    Inputs are scaled from the box to [-1, 1] and the target to mean 0 and variance 1 around the training.
    """
    x, y = target.sample(effort.samples, seed, edges=effort.edges)
    held_x, held_y = target.sample(effort.held_out, HELD_OUT_SEED + seed)
    scale = Scale(target, y)
    held_out = scale.inputs(held_x), scale.target(held_y)
    problem = Regression(scale.inputs(x), scale.target(y), validation=held_out)
    start, start_cpu = time.perf_counter(), time.process_time()
    result = approximate(
        problem,
        width=effort.width,
        degree=effort.degree,
        starts=effort.starts,
        domain=(-1.0, 1.0),
        budget=effort.budget,
        time_limit=effort.time_limit,
        seed=seed,
        progress=lambda at: tell(at.stage, at.share, math.sqrt(at.loss)),
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    if result.stopped == "interrupted":
        raise KeyboardInterrupt  # a fit that was cut short is no result
    x_test, y_test = target.sample(TEST, TEST_SEED + seed)
    with torch.no_grad():
        prediction = scale.back(result.model(scale.inputs(x_test)))
    error = float(np.sqrt(np.mean((prediction - y_test) ** 2)))
    config = result.model.config
    return {
        "rmse": error,
        "relative": error / float(np.std(y_test)),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
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
    """Between the target's units and those of the training: the box is [-1, 1], y has mean 0 and variance 1."""

    def __init__(self, target: TargetFunction, y: np.ndarray):
        self._low, self._high = np.array(target.low), np.array(target.high)
        self._mean, self._spread = float(np.mean(y)), float(np.std(y))

    def inputs(self, x: np.ndarray) -> torch.Tensor:
        """x (N, inputs), in the target's units -> (N, inputs)."""
        return torch.from_numpy((2 * x - self._low - self._high) / (self._high - self._low))

    def target(self, y: np.ndarray) -> torch.Tensor:
        """y (N,), in the target's units -> (N,)."""
        return torch.from_numpy((y - self._mean) / self._spread)

    def back(self, prediction: torch.Tensor) -> np.ndarray:
        """A prediction (N, 1) -> (N,) in the target's units."""
        return prediction[:, 0].numpy() * self._spread + self._mean

    def rmse(self, loss: float) -> float:
        """Of a mean squared error, in the target's units."""
        return math.sqrt(loss) * self._spread if loss >= 0 else math.nan


@dataclass(frozen=True)
class Repeats:
    """The rows of one function: one for each seed."""

    name: str
    rows: tuple[dict, ...]

    @property
    def rmse(self) -> float | None:
        """The median of the seeds."""
        return median(row["rmse"] for row in self.rows)

    @property
    def middle(self) -> dict:
        """The row with the median error: its shape and parameters stand for all."""
        return next((row for row in self.rows if row["rmse"] == self.rmse), self.rows[0])

    def cells(self) -> tuple[str, ...]:
        """For the columns `CELLS`."""
        return (
            shape(self.middle["shape"]),
            f"{self.middle['parameters']:,}",
            scientific(self.rmse),
            scientific(worst(row["rmse"] for row in self.rows)),
            f"{median(map(working_seconds, self.rows)):.1f}",
        )


CELLS = ("shape", "parameters", "RMSE", "worst", "seconds")


def repeats(rows: Sequence[dict]) -> list[Repeats]:
    """Rows by function."""
    names = dict.fromkeys(row["problem"] for row in rows)
    return [Repeats(name, tuple(row for row in rows if row["problem"] == name)) for name in names]


def shape(width: Sequence[int]) -> str:
    """[2,5,1] as the paper writes it."""
    return f"[{','.join(map(str, width))}]"


def beside_the_paper(
    rows: Sequence[dict], targets: Mapping[str, TargetFunction], *, to_beat: Mapping[str, float], which: str
) -> Outcome:
    """Ours, the paper's best KAN and MLP, and how many times lower ours is than the figure to beat.

    to_beat: for each function; which: what that figure is, for a sentence.
    """
    if not rows:
        return NO_ROWS
    found = repeats(rows)
    kans = {name: min(v for k, v in target.paper.items() if k != "mlp") for name, target in targets.items()}
    lines, ratios = [], []
    for each in found:
        ratio = None if each.rmse is None else to_beat[each.name] / max(each.rmse, 1e-300)
        ratios.append(ratio or 0.0)
        paper = f"{kans[each.name]:.2e}", f"{targets[each.name].paper['mlp']:.2e}"
        lines.append((each.name, *each.cells(), *paper, times(ratio)))
    columns = ("function", *CELLS, "paper KAN", "paper MLP", "times lower")
    below = sum(ratio > 1 for ratio in ratios)
    slowest = max(map(working_seconds, rows))
    sentences = [
        f"Test RMSE on {TEST:,} fresh points, {_samples_said(rows)} noise-free samples, half of them denser towards "
        f"the faces of the box, "
        f"{seeds_said(len(each.rows) for each in found)}; shape chosen automatically; seconds: the whole of "
        f"`approximate`, {slowest:.0f} at most (wall, or CPU where that is less: the machine was shared then).",
        f"Our median is below {which} in {below} of {len(found)} rows; the median ratio is {times(median(ratios))}, "
        f"the smallest {times(min(ratios))}.",
        "The paper's ranges of the variables are unknown, ours are in the code: not comparable point by point.",
    ]
    missed = [each.name for each, ratio in zip(found, ratios, strict=True) if ratio <= 1]
    if missed:
        sentences.append(f"Not below: {', '.join(missed)}.")
    draw = partial(_draw, found, kans, {name: target.paper["mlp"] for name, target in targets.items()})
    return Outcome((ResultTable(columns, tuple(lines)),), tuple(sentences), {"errors": draw})


def _samples_said(rows: Sequence[dict]) -> str:
    """3,000, or 3,000 to 7,000."""
    low, high = (end(row["samples"] for row in rows) for end in (min, max))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _draw(found: Sequence[Repeats], kans: Mapping[str, float], mlps: Mapping[str, float]):
    from edgewise.plot import Span, error_dots

    names = [each.name for each in found]
    errors = [[max(row["rmse"], 1e-16) for row in each.rows if row["rmse"] is not None] for each in found]
    series = {
        "Edgewise (median, range of seeds)": [Span.of(each) if each else None for each in errors],
        "KAN, the paper's best (other ranges)": [Span.of([kans[name]]) for name in names],
        "MLP, the paper's best (other ranges)": [Span.of([mlps[name]]) for name in names],
    }
    return error_dots(names, series, xlabel="test RMSE")
