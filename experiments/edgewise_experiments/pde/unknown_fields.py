"""Unknown coefficients that vary over the domain, from measured values with noise: errors, and coverage of error bars.

A conductivity along a rod and the conductivity of PINNacle's inverse Poisson problem, by simulation: many sets of
measured values of known solutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import Progress, ProgressCallback
from edgewise.pde import PDE, Box, Dirichlet, Interval, Observations, UnknownField, solve
from edgewise_experiments.runner import (
    NO_ROWS,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    run_jobs,
    scientific,
)

PI = math.pi
# Sets of measured values: coverage to one or two points. On the square a set takes seconds, and its errors vary on
# their own at many places, so that fewer sets do.
DRAWS, DRAWS_ON_SQUARE, QUICK_DRAWS = 60, 20, 3
PLACES = 2000  # at which fields and error bars are compared
WIDTH = 1.96  # standard errors on both sides that hold 95 %
NOTES = (
    "Measured values are exact ones plus normal noise. Errors are relative root mean squares over the domain, the "
    "median over the sets of measured values; coverage is the share of the domain at which the exact field "
    "lies within 1.96 standard errors, the mean over the sets with its own standard error. Seconds are those of one "
    "set: wall seconds, the median, or CPU seconds, the mean, where these are fewer because the machine was shared.",
    "The square is PINNacle's inverse Poisson problem (2,500 values, the unknown field known on the boundary) with the "
    "source that its stated solution needs: in PINNacle's program the source has 2x + 1 and 2y + 1 for 2x - 1 and "
    "2y - 1, so that the stated fields do not solve the stated equation.",
)


def conductivity_of_rod(x: Tensor) -> Tensor:
    """1 + sin(2 pi x) / 2."""
    return 1 + torch.sin(2 * PI * x) / 2


@cache
def rod_temperatures() -> tuple[np.ndarray, np.ndarray]:
    """Places and temperatures of -(a u')' = 10 with u = 0 at both ends, by quadrature of u' = (c - 10 x) / a."""
    x = np.linspace(0, 1, 20_001)
    inverse = 1 / conductivity_of_rod(torch.from_numpy(x)).numpy()

    def summed(values: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(x))])

    resistance, moment = summed(inverse), summed(x * inverse)
    return x, 10 * (moment[-1] / resistance[-1] * resistance - moment)


def rod(seed: int, noise: float) -> PDE:
    """200 temperatures along a rod with an unknown conductivity."""
    generator = np.random.default_rng(seed)
    x = np.sort(generator.random(200))
    measured = np.interp(x, *rod_temperatures()) + noise * generator.standard_normal(len(x))
    conditions = [Dirichlet({"u": 0.0}), Observations(x[:, None], measured, field="u"), UnknownField("a")]
    return PDE(lambda u, a: a.x * u.x + a * u.xx + 10, Interval(0, 1), conditions)


def exact_rod(x: Tensor) -> Tensor:
    """Temperature and conductivity, (b, 2)."""
    u = np.interp(x[:, 0].numpy(), *rod_temperatures())
    return torch.stack([torch.from_numpy(u), conductivity_of_rod(x[:, 0])], 1)


def conductivity_of_square(x: Tensor, y: Tensor) -> Tensor:
    """The field a of PINNacle's problem."""
    return 1 / (1 + x**2 + y**2 + (x - 1) ** 2 + (y - 1) ** 2)


def source_of_square(x: Tensor, y: Tensor) -> Tensor:
    """Minus the divergence of a grad u for u = sin(pi x) sin(pi y)."""
    a, (sx, cx), (sy, cy) = conductivity_of_square(x, y), *[((PI * z).sin(), (PI * z).cos()) for z in (x, y)]
    return 2 * PI**2 * sx * sy * a + 2 * PI * ((2 * x - 1) * cx * sy + (2 * y - 1) * sx * cy) * a**2


def square(seed: int, noise: float) -> PDE:
    """2,500 values on a grid of the unit square."""
    line = np.linspace(0, 1, 50)
    points = np.stack([each.ravel() for each in np.meshgrid(line, line)], 1)
    values = exact_square(torch.from_numpy(points))[:, 0].numpy()
    measured = values + noise * np.random.default_rng(seed).standard_normal(len(points))
    conditions = [
        Dirichlet({"a": conductivity_of_square}),
        Observations(points, measured, field="u"),
        UnknownField("a"),
    ]

    def equation(u, a, x, y):  # type: ignore[no-untyped-def]  # as a user writes it
        return a.x * u.x + a.y * u.y + a * (u.xx + u.yy) + source_of_square(x, y)

    return PDE(equation, Box(x=(0, 1), y=(0, 1)), conditions)


def exact_square(x: Tensor) -> Tensor:
    """Both fields, (b, 2)."""
    return torch.stack([(PI * x).sin().prod(1), conductivity_of_square(*x.unbind(1))], 1)


CASES: dict[str, tuple[Callable[[int, float], PDE], Callable[[Tensor], Tensor], float]] = {
    "rod, noise 0.02": (rod, exact_rod, 0.02),
    "rod, noise 0.1": (rod, exact_rod, 0.1),
    "square, noise 0.01": (square, exact_square, 0.01),
    "square, noise 0.1": (square, exact_square, 0.1),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve the sets of measured values that the store lacks, those of one seed by default."""
    jobs = []
    for name in list(CASES)[:1] if quick else CASES:
        draws = QUICK_DRAWS if quick else DRAWS_ON_SQUARE if CASES[name][0] is square else DRAWS
        for seed in seeds or (0,):
            key = {"problem": name, "draws": draws, "seed": seed}
            jobs.append(Job(f"{name}, seed {seed}", key, partial(measure, name, draws, seed)))
    return summary(run_jobs(jobs, store, progress))


def measure(name: str, draws: int, seed: int, report_progress: ProgressCallback) -> dict[str, object]:
    """Errors and coverage of both fields, and the seconds of a solve, for each set of measured values."""
    make, exact, noise = CASES[name]
    errors, covered, estimates, seconds = [], [], [], []
    for draw in range(draws):
        solution = solve(make(1000 * seed + draw, noise))
        x = solution.problem.domain.interior(PLACES, "sobol", seed=1)
        wanted, found = exact(x), solution(x)
        bars = torch.stack([solution.standard_error(x, field) for field in ("u", "a")], 1)
        gap = found - wanted
        errors.append((gap.norm(dim=0) / wanted.norm(dim=0)).tolist())
        covered.append((gap.abs() <= WIDTH * bars).double().mean(0).tolist())
        estimates.append(solution.error_estimate)
        seconds.append(solution.stages[-1].seconds)
        report_progress(Progress("", (draw + 1) / draws))
    return {"errors": errors, "covered": covered, "estimates": estimates, "seconds": float(np.median(seconds))}


def summary(rows: Sequence[dict]) -> Outcome:
    """Return errors and coverage of each problem."""
    if not rows:
        return NO_ROWS
    lines, means = [], []
    for row in rows:
        errors, covered = np.median(row["errors"], 0), np.array(row["covered"])
        spread = covered.std(0) / math.sqrt(len(covered))
        means += covered.mean(0).tolist()
        shares = [f"{100 * m:.1f} ± {100 * s:.1f}" for m, s in zip(covered.mean(0), spread, strict=True)]
        seconds = min(row["seconds"], row.get("cpu_seconds", math.inf) / len(covered))
        lines.append((row["problem"], str(len(covered)), *map(scientific, errors), *shares, f"{seconds:.1f}"))
    heads = ("problem", "sets", "error of u", "error of a", "coverage of u, %", "coverage of a, %", "seconds")
    figures = {
        "coverage of 95 % error bars, over problems and fields": (
            f"{100 * np.mean(means):.1f} % ({100 * min(means):.1f} to {100 * max(means):.1f})"
        ),
        "fields whose coverage is within 3 points of 95 %": (
            f"{sum(abs(mean - 0.95) <= 0.03 for mean in means)} of {len(means)}"
        ),
    }
    return Outcome((ResultTable(heads, tuple(lines)), key_figures(figures)), NOTES)
