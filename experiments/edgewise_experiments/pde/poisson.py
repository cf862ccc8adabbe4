"""The Poisson problem of the KAN paper's poster: training dynamics and scaling in L2 and H1, KANs and MLPs.

u_xx + u_yy = f on [-1, 1]^2 with u = sin(pi x) sin(pi y^2), which belongs to the paper's f (it prints sin(pi x)
sin(pi y), whose Laplacian is another). The paper's loss, 0.01 times the mean squared residual at 10,000 uniform points
plus the mean squared error at 800 points of the boundary; beside it `solve` with nothing chosen, and pykan
(benchmarks/pykan_poisson.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from edgewise.pde import PDE, named_equation, solve
from edgewise.pde.domains.sampling import gauss_legendre
from edgewise.pde.problem.fields import function_jet
from edgewise_experiments.pde.networks import kan, mlp
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, median, scientific, worst
from edgewise_experiments.runner.store import Store

ALPHA, INTERIOR, BOUNDARY = 0.01, 10_000, 800
PANELS = 12  # of the quadrature, with 8 Gauss-Legendre points each, for every axis
EVERY = 10  # steps between looks at the error
STARTS = 3  # of a KAN on its coarsest grid; that with the lowest loss is the one that counts
KANS = {(5,): (5, 10, 20), (10,): (5, 10)}  # hidden layers, and grids in turn
MLPS = ((10,), (10, 10), (15, 15), (20, 20))
STEPS = 120  # of the last grid, and of an MLP; a third for each grid before
OURS, PYKAN = "solve", "pykan"
ALSO = ("poisson_pykan",)
SHORT = ((OURS, ()), ("KAN", (5,)), ("MLP", (10, 10)))  # three seeds, the others have one


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of points and weights, for what takes a minute or so, one for the rest, unless told otherwise."""
    keys = [("KAN", (2,)), ("MLP", (4,))] if quick else [("KAN", shape) for shape in KANS]
    keys += [] if quick else [("MLP", shape) for shape in MLPS]
    first, *others = seeds or ((0,) if quick else (0, 1, 2))
    jobs = [_job(*key, first, quick) for key in [*keys, (OURS, ())]]
    jobs += [_job(*key, seed, quick) for seed in others for key in SHORT]
    return summary([*run_jobs(jobs, store, progress, line), *store.beside(*ALSO)])


def _job(model: str, hidden: tuple[int, ...], seed: int, quick: bool) -> Job:
    key = {"model": model, "hidden": list(hidden), "seed": seed, "quick": quick}
    return Job(f"{model} {list(hidden)}, seed {seed}", key, partial(measure, model, hidden, seed, quick))


def paper_problem(seed: int, *, interior: int = INTERIOR, boundary: int = BOUNDARY) -> PDE:
    """With the paper's loss and uniform points."""
    problem = named_equation("poisson").make()
    # Residuals are divided by their size; the weight takes that back.
    problem = problem.with_weight(ALPHA * float(problem.sizes.square()))
    return problem.resampled(interior, boundary, how="uniform", seed=seed)


class Meter:
    """Squared L2 and H1 errors: means over the domain of the squared error, and of that plus its squared gradient."""

    def __init__(self, problem: PDE):
        rules = [gauss_legendre(8, low, high, PANELS) for low, high in problem.domain.bounds.tolist()]
        self.x = torch.cartesian_prod(*[nodes for nodes, _ in rules])
        weights = torch.cartesian_prod(*[weights for _, weights in rules]).prod(1)
        self.weights, self.axes = weights / weights.sum(), torch.eye(2, dtype=torch.float64)
        self.exact = function_jet(problem.exact, self.x, self.axes, 1)

    @torch.no_grad()
    def __call__(self, network) -> tuple[float, float]:
        squares = (network.jet(self.x, self.axes, 1) - self.exact)[..., 0].square() @ self.weights
        return float(squares[0]), float(squares.sum())


class Dynamics:
    """A callback of `fit` that notes errors every so many steps, over several fits."""

    def __init__(self, meter: Meter, every: int):
        self.meter, self.every, self.steps, self.rows = meter, every, 0, []

    def __call__(self, event) -> None:
        self.steps += 1
        if self.steps % self.every == 0:
            size = sum(p.numel() for p in event.model.parameters())
            self.rows.append([self.steps, size, *self.meter(event.model)])


def measure(model: str, hidden: tuple[int, ...], seed: int, quick: bool, tell: Tell) -> dict:
    """One network trained on the paper's loss, or `solve`: errors at the end, along the way, and of each grid."""
    steps, every = (8, 2) if quick else (STEPS, EVERY)
    problem = paper_problem(seed, **({"interior": 200, "boundary": 40} if quick else {}))
    meter = Meter(problem)
    dynamics = Dynamics(meter, every)
    if model == OURS:
        settings = {"budget": 1e-3} if quick else {}
        solution = solve(
            named_equation("poisson").make(), seed=seed, progress=lambda p: tell(p.stage, p.share, p.loss), **settings
        )
        if solution.stopped == "interrupted":
            raise KeyboardInterrupt
        network = solution.model
    elif model == "KAN":
        grids = (4,) if quick else KANS[hidden]
        best = min(
            (seed + 1000 * number for number in range(STARTS)), key=partial(_tried, problem, hidden, grids[0], steps)
        )
        network = kan(problem, hidden, grids, steps, tell, [dynamics], best)
    else:
        network = mlp(problem, hidden, steps, tell, [dynamics], seed)
    l2, h1 = meter(network)
    size = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return {"l2_squared": l2, "h1_squared": h1, "parameters": size, "dynamics": dynamics.rows}


def _tried(problem: PDE, hidden: tuple[int, ...], grid: int, steps: int, seed: int) -> float:
    """The loss of a start at the end of the coarsest grid."""
    network = kan(problem, hidden, (grid,), max(steps // 3, 1), lambda *told: None, (), seed)
    with torch.no_grad():
        return sum(float(block.loss(network, block.data, {})) for block in problem.blocks())


def summary(rows: list[dict]) -> Outcome:
    """Errors at the end, slopes in the number of parameters, four panels."""
    rows = latest(rows, "model", "hidden", "seed")
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(_label(row), []).append(row)
    if not found:
        return NO_ROWS
    columns = ("model", "parameters", "squared L2 error", "worst", "squared H1 error", "worst", "seeds", "seconds")
    lines = [
        (
            label,
            f"{each[0]['parameters']:,}",
            *(
                scientific(of(row[key] for row in each))
                for key in ("l2_squared", "h1_squared")
                for of in (median, worst)
            ),
            str(len(each)),
            f"{median(map(working_seconds, each)):.0f}",
        )
        for label, each in found.items()
    ]
    sentences = [
        f"alpha = {ALPHA}, {INTERIOR:,} and {BOUNDARY} uniform points, Levenberg-Marquardt, float64; {OURS}: nothing "
        f"chosen, points of its own; {PYKAN}: the points and schedule of its tutorial. KANs: "
        f"of {STARTS} starts the one with the lowest loss on the coarsest grid. Errors by Gauss-Legendre "
        "quadrature. The paper: about 1e-7 in the squared L2 error with a KAN, 1e-5 with an MLP of 10^4 parameters. "
        "Seconds: wall, or CPU where that is less, for the machine was shared.",
        _best_said(rows),
    ]
    slopes = [_slope([row for row in rows if row["hidden"] == [5]], "KAN"), _slope(rows, "MLP")]
    if None not in slopes:
        sentences.append(
            "Slope of the squared L2 error against the number of parameters, logarithms of both: "
            f"{slopes[0]:.1f} for the KAN [2,5,1] on its grids, {slopes[1]:.1f} for the MLPs."
        )
    figures = {"panels": partial(_draw, rows)}
    return Outcome((ResultTable(columns, tuple(lines)),), tuple(sentences), figures)


def _best_said(rows: Sequence[dict]) -> str:
    """The lowest errors of a KAN and of an MLP."""
    parts = []
    for model in ("KAN", "MLP"):
        known = [row for row in rows if row["model"] == model and row["l2_squared"] is not None]
        best = min(known, key=lambda row: row["l2_squared"], default=None)
        if best is not None:
            l2, h1 = (scientific(best[key]) for key in ("l2_squared", "h1_squared"))
            parts.append(f"{_label(best)} with {best['parameters']:,} parameters, squared L2 {l2}, squared H1 {h1}")
    return f"Lowest errors: {'; '.join(parts) or 'none yet'}."


def _label(row: dict) -> str:
    nodes = [2, *row["hidden"], 1]
    return OURS if row["model"] == OURS else f"{row['model']} [{','.join(map(str, nodes))}]"


def sizes_and_errors(rows: Sequence[dict], model: str) -> list[tuple[int, float, float]]:
    """The last errors of each size that a model went through, medians of seeds: parameters, squared L2 and H1."""
    found: dict[tuple, dict[int, tuple[float, float]]] = {}
    for row in rows:
        if row["model"] == model:
            for _, size, l2, h1 in [*row["dynamics"], (0, row["parameters"], row["l2_squared"], row["h1_squared"])]:
                found.setdefault((tuple(row["hidden"]), size), {})[row["seed"]] = (l2, h1)
    return sorted(
        (size, *(median(errors) for errors in zip(*each.values(), strict=True))) for (_, size), each in found.items()
    )


def _slope(rows: Sequence[dict], model: str) -> float | None:
    points = sizes_and_errors(rows, model)
    if len({size for size, _, _ in points}) < 2:
        return None
    return float(np.polyfit(np.log([p[0] for p in points]), np.log([p[1] for p in points]), 1)[0])


def _draw(rows: Sequence[dict]):
    from edgewise_experiments.plots.pde_panels import Course, poisson_panels

    largest = max((row["parameters"] for row in rows if row["model"] == "MLP"), default=0)
    drawn = [row for row in rows if row["dynamics"] and (row["model"] != "MLP" or row["parameters"] == largest)]
    first = {_label(row): row for row in reversed(drawn)}  # of several seeds the first
    courses = [
        Course(label, *zip(*[(step, l2, h1) for step, _, l2, h1 in row["dynamics"]], strict=True))
        for label, row in reversed(first.items())
    ]
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault("MLPs of all sizes" if row["model"] == "MLP" else _label(row), []).append(row)
    scaling = [
        Course(label, *zip(*sizes_and_errors(each, each[0]["model"]), strict=True)) for label, each in groups.items()
    ]
    return poisson_panels(courses, scaling)


def line(row: dict) -> str:
    """A stored row for people."""
    return (
        f"{_label(row)}, seed {row['seed']}: squared L2 {scientific(row['l2_squared'])}, H1 "
        f"{scientific(row['h1_squared'])}, {row['parameters']:,} parameters, {row['seconds']:.1f} s"
    )
