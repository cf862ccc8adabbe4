"""Limits of second-order training of a deep KAN and four remedies: base, moving grids, normal form, several starts.

Starts of two toy functions in the paper's shapes, cubic, four intervals, the same steps of Levenberg-Marquardt for
all: the table counts those that reach the good minimum. Of several short starts only the best continues, and whether
the two best met in one minimum is compared with their final errors. The results are the reason for the choices in
`approximate`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from edgewise import KAN, Regression, fit
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import FitReport, LevenbergMarquardt, move_hidden_domains_
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, require_complete, run_jobs
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, key_figures, median, scientific
from edgewise_experiments.runner.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTES = (
    "Lowest and median: RMSE on held-out samples divided by the standard deviation of the function, after at most the "
    "same number of Levenberg-Marquardt steps from each start. A start is good if its error is within a small factor "
    "of the lowest error with that base. Of several short starts the best two continue; they met in one minimum if "
    "their errors agree within a factor that is far smaller than the distance of the minima.",
)
PROBLEMS = ("toy 3", "toy 5")
SAMPLES, GRID, DEGREE = 2000, 4, 3
STARTS = 16
MOVES = ((15, 0.3), (15, 0.2), (30, 0.1), (40, 0.05))  # steps, and the margin of the grids after them
LAST = 100
RACE = 2  # moves after which of several starts the one with the lowest error goes on
SAME = 1.3  # ratio of the two lowest errors up to which they count as one minimum
GOOD = 3.0  # times the lowest error of all: what counts as the good minimum


SETTINGS = {"samples": SAMPLES, "grid_size": GRID, "degree": DEGREE, "schedule": MOVES, "last": LAST, "race": RACE}


@dataclass(frozen=True)
class Variant:
    """Settings of a start; of several `starts` only the best continues after `RACE` moves."""

    base: str
    moves: bool
    normal: bool = False
    starts: int = 1


VARIANTS: Mapping[str, Variant] = {
    "SiLU base, grids stay": Variant("silu", False),
    "SiLU base, grids move": Variant("silu", True),
    "no base, grids stay": Variant("zero", False),
    "no base, grids move": Variant("zero", True),
    "no base, grids move, normal form": Variant("zero", True, True),
    "no base, grids move, best of 4 short starts": Variant("zero", True, starts=4),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Train one start for each seed, 16 by default."""
    seeds = seeds or tuple(range(2 if quick else STARTS))
    jobs = [
        Job(
            f"{problem}, {name}, start {seed}",
            {"problem": problem, "variant": name, "seed": seed, "quick": quick, **asdict(variant), **SETTINGS},
            partial(measure, problem, variant, seed, quick),
        )
        for problem in (PROBLEMS[:1] if quick else PROBLEMS)
        for name, variant in VARIANTS.items()
        for seed in seeds
    ]
    return summary(run_jobs(jobs, store, progress, line))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of good starts and errors for each function and variant, the key figures, and the figure."""
    rows = latest(rows, "problem", "variant", "seed")
    if not rows:
        return NO_ROWS
    lines, checks = [], []
    for problem in dict.fromkeys(row["problem"] for row in rows):
        mine = [row for row in rows if row["problem"] == problem]
        for variant in dict.fromkeys(row["variant"] for row in mine):
            errors = [row["relative"] for row in mine if row["variant"] == variant]
            base = next(row.get("base") for row in mine if row["variant"] == variant)
            # Errors below 1e-9 all mean that the function itself was found.
            bar = GOOD * max(min(row["relative"] for row in mine if row.get("base") == base), 1e-9)
            checks += [
                (r["met"], r["relative"] <= bar) for r in mine if r["variant"] == variant and r.get("met") is not None
            ]
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
    met = [good for together, good in checks if together]
    apart = [good for together, good in checks if not together]
    figures = {
        "runs whose two best starts met in one minimum": f"{len(met)} of {len(checks)}" if checks else "-",
        "good runs among these": f"{sum(met)} of {len(met)}" if met else "-",
        "good runs among the others": f"{sum(apart)} of {len(apart)}" if apart else "-",
        "largest ratio of errors that count as one minimum": f"{SAME:g}",
        "largest ratio to the lowest error of a good start": f"{GOOD:g}",
        "steps of Levenberg-Marquardt, at most": str(sum(steps for steps, _ in MOVES) + LAST),
        "steps after which the two best starts continue": str(sum(steps for steps, _ in MOVES[:RACE])),
        "cubic intervals of each edge": str(GRID),
    }
    columns = ("function", "variant", "good starts", "lowest", "median", "seconds")
    return Outcome(
        (ResultTable(columns, tuple(lines)), key_figures(figures)), NOTES, {"starts": partial(draw_starts, rows)}
    )


def measure(problem: str, variant: Variant, seed: int, quick: bool, report_progress: ProgressCallback) -> dict:
    """Train the starts of a variant and return the lowest held-out error."""
    target = TOY_FUNCTIONS[problem]
    x, y = (torch.from_numpy(part) for part in target.sample(300 if quick else SAMPLES, seed=0))
    data = Regression(x, (y - y.mean()) / y.std(), validation=0.2)
    settings = {"base": variant.base, "domain": (-1, 1), "dtype": torch.float64}
    # The first start of several is the one that the other variants have for this seed.
    models = [KAN(target.shape, GRID, DEGREE, seed=seed + (k << 32), **settings) for k in range(variant.starts)]
    for number, (steps, margin) in enumerate(MOVES):
        fits = [_fitted(model, data, steps // 5 if quick else steps) for model in models]
        report_progress(Progress("", number / (len(MOVES) + 1), fits[0].loss))
        if number + 1 == RACE:
            order = sorted(range(len(models)), key=lambda k: fits[k].validation_loss)
            models = [models[k] for k in order[:2]]
        for k, model in enumerate(models):
            if variant.moves:
                move_hidden_domains_(model, data.train.x, margin=margin)
            if variant.normal:
                models[k] = normal_form(model)
    fits = [_fitted(model, data, 5 if quick else LAST) for model in models]
    errors = sorted(math.sqrt(report.validation_loss) for report in fits)
    met = None if len(errors) < 2 else errors[1] <= SAME * errors[0]
    return {"relative": errors[0], "met": met, "width": list(target.shape), "steps": sum(r.steps for r in fits)}


def normal_form(model: KAN) -> KAN:
    """Make a model with the same function, to rounding, whose hidden grids all lie on [-1, 1]."""
    # Each hidden node h becomes (h - middle) / half of its grid: the splines before it are scaled, the shift goes into
    # them (B-splines add up to one), and the knots behind it move along.
    assert model.config.base == "zero", "a base function does not scale"
    normal = copy.deepcopy(model)
    with torch.no_grad():
        for before, behind in pairwise(normal.layers):
            low, high = behind.domain.unbind(1)
            middle = (low + high) / 2
            half = (high - low) / 2
            live = before.mask.bool()
            shift = torch.zeros_like(before.coef)
            shift += torch.where(live, middle / live.sum(0).clamp(min=1), 0.0)[:, None, :]
            before.coef.sub_(shift).div_(half)
            # An unreached node is 0 whatever is taken off its edges: its grid keeps its place and is only scaled.
            centre = torch.where(live.any(0), middle, torch.zeros_like(middle))
            behind.knots.sub_(centre[:, None]).div_(half[:, None])
    return normal


def _fitted(model: KAN, data: Regression, steps: int) -> FitReport:
    report = fit(model, data, LevenbergMarquardt(), steps=steps)
    require_complete(report)
    return report


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    return f"{row['problem']}, {row['variant']}, start {row['seed']}: {row['relative']:.1e}, {row['seconds']:.1f} s"


def draw_starts(rows: Sequence[dict]) -> Figure:
    """Draw the errors of all starts for each variant."""
    from edgewise_experiments.plots.errors import Span, error_dots

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
