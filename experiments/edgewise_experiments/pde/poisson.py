"""The Poisson problem of the KAN paper's poster: training dynamics and scaling in L2 and H1, KANs and MLPs.

u_xx + u_yy = f on [-1, 1]^2 with u = sin(pi x) sin(pi y^2), which belongs to the f of the paper (it prints sin(pi x)
sin(pi y), which has another Laplacian). The loss is that of the paper: 0.01 times the mean squared residual at 10,000
uniform points plus the mean squared error at 800 points of the boundary. The table also has `solve` with its defaults,
and pykan (benchmarks/pykan_poisson.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from edgewise.outcomes import ProgressCallback
from edgewise.pde import Collocation, solve
from edgewise.pde.domains.sampling import gauss_legendre
from edgewise.pde.problem.fields import function_jet
from edgewise.train import StepEvent
from edgewise_experiments.pde.networks import train_kan, train_mlp
from edgewise_experiments.problems.named_equations import named_equation
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    run_jobs,
    scientific,
    working_seconds,
    worst,
)

ALPHA, INTERIOR, BOUNDARY = 0.01, 10_000, 800  # weight of the residual and numbers of points, as in the paper
PANELS = 12  # of the quadrature, with 8 Gauss-Legendre points each, for every axis
EVERY = 10  # steps between two measurements of the errors
STARTS = 3  # of a KAN on its coarsest grid; the one with the lowest loss counts
KANS: dict[tuple[int, ...], tuple[int, ...]] = {(5,): (5, 10, 20), (10,): (5, 10)}  # hidden layers, and grids in turn
MLPS: tuple[tuple[int, ...], ...] = ((10,), (10, 10), (15, 15), (20, 20))
STEPS = 120  # of the last grid and of an MLP, a third for each grid before
OURS, PYKAN = "solve", "pykan"
ALSO = ("poisson-pykan",)
SEVERAL_SEEDS = ((OURS, ()), ("KAN", (5,)), ("MLP", (10, 10)))  # models with three seeds, the others have one
NOTES = (
    "Networks are trained with Levenberg-Marquardt in float64 on the loss of the paper, with alpha = 0.01 and 10,000 "
    "and 800 uniform points. `solve` runs with its defaults and chooses its points; pykan has the points and the "
    "schedule of its tutorial. Of three starts of a KAN the one with the lowest loss on the coarsest grid counts. "
    "Errors are measured by Gauss-Legendre quadrature; the table has the median and the largest of the seeds. The "
    "paper plots squared L2 errors of about 1e-7 for a KAN and 1e-5 for an MLP of 10^4 parameters. Seconds are wall "
    "seconds, or CPU seconds where these are fewer because the machine was shared.",
    "The slopes are those of the logarithm of the squared L2 error against the logarithm of the number of parameters, "
    "for the KAN [2,5,1] over its grids and for the MLPs of all sizes.",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure all models with one seed of points and weights, and by default quick ones with three."""
    models = [("KAN", (2,)), ("MLP", (4,))] if quick else [("KAN", shape) for shape in KANS]
    models += [] if quick else [("MLP", shape) for shape in MLPS]
    first, *others = seeds or ((0,) if quick else (0, 1, 2))
    jobs = [_job(*model, first, quick) for model in [*models, (OURS, ())]]
    jobs += [_job(*model, seed, quick) for seed in others for model in SEVERAL_SEEDS]
    return summary([*run_jobs(jobs, store, progress), *store.beside(*ALSO)])


def _job(model: str, hidden: tuple[int, ...], seed: int, quick: bool) -> Job:
    key = {"model": model, "hidden": list(hidden), "seed": seed, "quick": quick}
    return Job(f"{model} {list(hidden)}, seed {seed}", key, partial(measure, model, hidden, seed, quick))


def paper_problem(seed: int, *, interior: int = INTERIOR, boundary: int = BOUNDARY) -> Collocation:
    """Return the problem with the loss of the paper and uniform points."""
    equation = named_equation("poisson").make()
    # Residuals are divided by their typical size; the weight reverts that.
    weighted = equation.with_weight(ALPHA * float(equation.sizes.square()))
    return weighted.resampled(interior, boundary, how="uniform", seed=seed)


class Meter:
    """Measures the squared L2 error and the squared H1 error of a network, by quadrature.

    They are the means over the domain of the squared error, and of that plus the squared error of the gradient.
    """

    def __init__(self, problem: Collocation) -> None:
        rules = [gauss_legendre(8, low, high, PANELS) for low, high in problem.domain.bounds.tolist()]
        self.x = torch.cartesian_prod(*[nodes for nodes, _ in rules])
        weights = torch.cartesian_prod(*[weights for _, weights in rules]).prod(1)
        self.weights, self.axes = weights / weights.sum(), torch.eye(2, dtype=torch.float64)
        self.exact = function_jet(problem.exact, self.x, self.axes, 1)

    @torch.no_grad()
    def __call__(self, network: Any) -> tuple[float, float]:
        """Return the two errors of a network with a method `jet`."""
        squares = (network.jet(self.x, self.axes, 1) - self.exact)[..., 0].square() @ self.weights
        return float(squares[0]), float(squares.sum())


class Dynamics:
    """A callback of `fit` that measures the errors every few steps, over several fits."""

    def __init__(self, meter: Meter, every: int) -> None:
        self.meter, self.every, self.steps = meter, every, 0
        self.rows: list[list[float]] = []

    def __call__(self, event: StepEvent) -> None:
        """Count a step and measure the errors if it is time to."""
        self.steps += 1
        if self.steps % self.every == 0:
            size = sum(p.numel() for p in event.model.parameters())
            self.rows.append([self.steps, size, *self.meter(event.model)])


def measure(model: str, hidden: tuple[int, ...], seed: int, quick: bool, report: ProgressCallback) -> dict:
    """Train one network on the loss of the paper, or `solve`: errors at the end, and those during the training."""
    steps, every = (8, 2) if quick else (STEPS, EVERY)
    problem = paper_problem(seed, **({"interior": 200, "boundary": 40} if quick else {}))
    meter = Meter(problem)
    dynamics = Dynamics(meter, every)
    if model == OURS:
        settings: dict[str, Any] = {"budget": 1e-3} if quick else {}
        solution = solve(named_equation("poisson").make(), seed=seed, progress=report, **settings)
        network = solution.model
    elif model == "KAN":
        grids = (4,) if quick else KANS[hidden]
        starts = [seed + 1000 * number for number in range(STARTS)]
        best = min(starts, key=partial(loss_of_start, problem, hidden, grids[0], steps))
        network = train_kan(problem, hidden, grids, steps, [report, dynamics], best)
    else:
        network = train_mlp(problem, hidden, steps, [report, dynamics], seed)
    l2, h1 = meter(network)
    size = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return {"l2_squared": l2, "h1_squared": h1, "parameters": size, "dynamics": dynamics.rows}


def loss_of_start(problem: Collocation, hidden: tuple[int, ...], grid: int, steps: int, seed: int) -> float:
    """Return the loss of a start of a KAN after its training on the coarsest grid."""
    network = train_kan(problem, hidden, (grid,), max(steps // 3, 1), (), seed)
    with torch.no_grad():
        return sum(float(block.loss(network, block.data, {})) for block in problem.blocks())


def summary(rows: list[dict]) -> Outcome:
    """Show the errors at the end, the lowest of them, and slopes in the number of parameters; four panels."""
    rows = latest(rows, "model", "hidden", "seed")
    by_label: dict[str, list[dict]] = {}
    for row in rows:
        by_label.setdefault(_label(row), []).append(row)
    if not by_label:
        return NO_ROWS
    columns = ("model", "parameters", "squared L2 error", "worst", "squared H1 error", "worst", "seeds", "seconds")
    lines = [
        (
            label,
            f"{seeds[0]['parameters']:,}",
            *(
                scientific(of(row[key] for row in seeds))
                for key in ("l2_squared", "h1_squared")
                for of in (median, worst)
            ),
            str(len(seeds)),
            f"{median(map(working_seconds, seeds)):.0f}",
        )
        for label, seeds in by_label.items()
    ]
    numbers = {}
    for kind in ("KAN", "MLP"):
        known = [row for row in rows if row["model"] == kind and row["l2_squared"] is not None]
        best = min(known, key=lambda row: row["l2_squared"], default=None)
        if best is not None:
            l2, h1 = (scientific(best[key]) for key in ("l2_squared", "h1_squared"))
            errors = f"squared L2 {l2}, squared H1 {h1}"
            numbers[f"lowest errors, {kind}"] = f"{_label(best)} with {best['parameters']:,} parameters, {errors}"
    slopes = {
        "slope of the KAN [2,5,1]": error_slope([row for row in rows if row["hidden"] == [5]], "KAN"),
        "slope of the MLPs": error_slope(rows, "MLP"),
    }
    numbers |= {quantity: f"{slope:.1f}" for quantity, slope in slopes.items() if slope is not None}
    tables = (key_figures(numbers), ResultTable(columns, tuple(lines)))
    return Outcome(tables, NOTES, {"panels": partial(draw_panels, rows)})


def _label(row: dict) -> str:
    nodes = [2, *row["hidden"], 1]
    return OURS if row["model"] == OURS else f"{row['model']} [{','.join(map(str, nodes))}]"


def sizes_and_errors(rows: Sequence[dict], model: str) -> list[tuple[int, float, float]]:
    """List parameters and last squared L2 and H1 errors of each size of a model during its training.

    The errors are medians of the seeds.
    """
    by_size: dict[tuple, dict[int, tuple[float, float]]] = {}
    for row in rows:
        if row["model"] == model:
            for _, size, l2, h1 in [*row["dynamics"], (0, row["parameters"], row["l2_squared"], row["h1_squared"])]:
                by_size.setdefault((tuple(row["hidden"]), size), {})[row["seed"]] = (l2, h1)
    return sorted(
        (size, *(median(errors) for errors in zip(*seeds.values(), strict=True)))
        for (_, size), seeds in by_size.items()
    )


def error_slope(rows: Sequence[dict], model: str) -> float | None:
    """Return the slope of log(squared L2 error) against log(parameters), None with fewer than two sizes."""
    points = sizes_and_errors(rows, model)
    if len({size for size, _, _ in points}) < 2:
        return None
    return float(np.polyfit(np.log([p[0] for p in points]), np.log([p[1] for p in points]), 1)[0])


def draw_panels(rows: Sequence[dict]) -> Figure:
    """Draw the errors during training and against the number of parameters, in L2 and in H1."""
    from edgewise_experiments.plots.pde_panels import Course, poisson_panels

    largest = max((row["parameters"] for row in rows if row["model"] == "MLP"), default=0)
    drawn = [row for row in rows if row["dynamics"] and (row["model"] != "MLP" or row["parameters"] == largest)]
    first_seed = {_label(row): row for row in reversed(drawn)}
    courses = [
        Course(label, *zip(*[(step, l2, h1) for step, _, l2, h1 in row["dynamics"]], strict=True))
        for label, row in reversed(first_seed.items())
    ]
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault("MLPs of all sizes" if row["model"] == "MLP" else _label(row), []).append(row)
    scaling = [
        Course(label, *zip(*sizes_and_errors(own, own[0]["model"]), strict=True)) for label, own in groups.items()
    ]
    return poisson_panels(courses, scaling)
