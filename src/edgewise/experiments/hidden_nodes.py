"""What limits second-order training of a deep KAN, and what each remedy brings: base, moving grids, normal form.

Starts of two toy functions in the paper's shapes, cubic, four intervals, the same steps of Levenberg-Marquardt for
all: how many reach the good minimum, and how low. It is why `approximate` works as it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch

from edgewise.datasets.functions import TOY_FUNCTIONS
from edgewise.experiments.jobs import Job, Progress, Tell, latest, run_jobs
from edgewise.experiments.outcome import Outcome, ResultTable, median, scientific
from edgewise.experiments.store import Store
from edgewise.nn.model import KAN
from edgewise.train.fit import fit
from edgewise.train.gauge import move_hidden_domains_, normal_form
from edgewise.train.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problem import Regression

PROBLEMS = ("toy 3", "toy 5")
SAMPLES, GRID, DEGREE = 2000, 4, 3
STARTS = 16
MOVES = ((15, 0.3), (15, 0.2), (30, 0.1), (40, 0.05))  # steps, and the margin of the grids after them
LAST = 100
GOOD = 3.0  # times the lowest error of all: what counts as the good minimum


@dataclass(frozen=True)
class Variant:
    """What a start is given."""

    base: str
    moves: bool
    normal: bool = False


VARIANTS: Mapping[str, Variant] = {
    "SiLU base, grids stay": Variant("silu", False),
    "SiLU base, grids move": Variant("silu", True),
    "no base, grids stay": Variant("zero", False),
    "no base, grids move": Variant("zero", True),
    "no base, grids move, normal form": Variant("zero", True, True),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """A start for each seed, 16 unless told otherwise."""
    seeds = seeds or tuple(range(2 if quick else STARTS))
    jobs = [
        Job(
            f"{problem}, {name}, start {seed}",
            {"problem": problem, "variant": name, "seed": seed, "quick": quick, **asdict(variant)},
            partial(_measure, problem, variant, seed, quick),
        )
        for problem in (PROBLEMS[:1] if quick else PROBLEMS)
        for name, variant in VARIANTS.items()
        for seed in seeds
    ]
    return summary(run_jobs(jobs, store, progress, _line))


def summary(rows: list[dict]) -> Outcome:
    """For each function and variant: how many starts came within `GOOD` times the lowest error, and their errors."""
    rows = latest(rows, "problem", "variant", "seed")
    lines = []
    for problem in dict.fromkeys(row["problem"] for row in rows):
        mine = [row for row in rows if row["problem"] == problem]
        # Errors below 1e-9 all mean that the function itself was found.
        bar = GOOD * max(min(row["relative"] for row in mine), 1e-9)
        for variant in dict.fromkeys(row["variant"] for row in mine):
            errors = [row["relative"] for row in mine if row["variant"] == variant]
            good = sum(error <= bar for error in errors)
            seconds = median(row["seconds"] for row in mine if row["variant"] == variant)
            lines.append(
                (
                    TOY_FUNCTIONS[problem].formula,
                    variant,
                    f"{good} of {len(errors)}",
                    scientific(min(errors)),
                    scientific(median(errors)),
                    f"{seconds:.1f}",
                )
            )
    steps = sum(steps for steps, _ in MOVES) + LAST
    sentences = (
        f"Held-out RMSE over the target's standard deviation, {GRID} cubic intervals, {steps} steps of "
        f"Levenberg-Marquardt at most from each start; good: within {GOOD:g} times the lowest error of all variants.",
    )
    columns = ("function", "variant", "good starts", "lowest", "median", "seconds")
    return Outcome((ResultTable(columns, tuple(lines)),), sentences, {"starts": partial(_draw, rows)})


def _measure(problem: str, variant: Variant, seed: int, quick: bool, tell: Tell) -> dict:
    target = TOY_FUNCTIONS[problem]
    x, y = (torch.from_numpy(part) for part in target.sample(300 if quick else SAMPLES, seed=0))
    data = Regression(x, (y - y.mean()) / y.std(), validation=0.2)
    model = KAN(target.shape, GRID, DEGREE, base=variant.base, domain=(-1, 1), seed=seed, dtype=torch.float64)
    for number, (steps, margin) in enumerate(MOVES):
        report = fit(model, data, LevenbergMarquardt(), steps=steps // 5 if quick else steps)
        tell("", number / (len(MOVES) + 1), report.loss)
        if report.stopped == "interrupted":
            raise KeyboardInterrupt
        if variant.moves:
            move_hidden_domains_(model, data.train.x, margin=margin)
        if variant.normal:
            model = normal_form(model)
    report = fit(model, data, LevenbergMarquardt(), steps=5 if quick else LAST)
    if report.stopped == "interrupted":
        raise KeyboardInterrupt
    return {"relative": math.sqrt(report.validation_loss), "width": list(target.shape), "steps": report.steps}


def _line(row: dict) -> str:
    return f"{row['problem']}, {row['variant']}, start {row['seed']}: {row['relative']:.1e}, {row['seconds']:.1f} s"


def _draw(rows: Sequence[dict]):
    from edgewise.plot.errors import Span, error_dots

    variants = list(dict.fromkeys(row["variant"] for row in rows))
    series = {}
    for problem in dict.fromkeys(row["problem"] for row in rows):
        errors = [
            [row["relative"] for row in rows if (row["problem"], row["variant"]) == (problem, variant)]
            for variant in variants
        ]
        label = f"{problem} in {list(TOY_FUNCTIONS[problem].shape)}"
        series[label] = [Span.of([max(error, 1e-16) for error in each]) for each in errors]
    return error_dots(variants, series, xlabel="held-out RMSE / standard deviation, median and range of starts")
