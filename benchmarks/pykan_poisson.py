"""Solves the poster's Poisson problem with pykan by the schedule of its tutorial, kept in results/poisson-pykan.json.

python benchmarks/pykan_poisson.py [--quick] [--out results]

`make bench` makes the environment. As in pykan's "Example 7: Solving Partial Differential Equation": width [2, 2, 1],
cubic, a mesh of 51 x 51 points with its sides for the boundary, alpha 0.01, grids 5, 10, 20 with 50 steps of its L-BFGS
each (up to 20 iterations a step), grids moved to the samples four times in each; float64. The equation is that of the
experiment `poisson`; the tutorial's own has the solution sin(pi x) sin(pi y). Errors are those of
`python -m edgewise_experiments poisson`, which shows the row; seconds are without measuring them. Written for
pykan 0.2.8.
"""

import argparse
import contextlib
import io
import time
from functools import partial
from pathlib import Path

import torch
from kan import KAN, LBFGS

from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.pde.poisson import ALPHA, PYKAN, Meter, line, paper_problem
from edgewise_experiments.problems.named_equations import poisson_solution, poisson_source
from edgewise_experiments.runner.jobs import Job, run_jobs
from edgewise_experiments.runner.store import Store

SIDE, QUICK_SIDE = 51, 11
GRIDS, STEPS, QUICK_STEPS = (5, 10, 20), 50, 2
MOVES, BETWEEN = 20, 5  # grids follow the samples before every fifth of the first twenty steps
HIDDEN, SEED = (2,), 1


def measure(quick: bool, report: ProgressCallback) -> dict:
    """Errors after each grid, and the time so far."""
    steps = QUICK_STEPS if quick else STEPS
    meter, points = Meter(paper_problem(0, interior=200, boundary=40)), Points(QUICK_SIDE if quick else SIDE)
    rows, seconds, cpu, model = [], 0.0, 0.0, None
    for number, grid in enumerate(GRIDS):
        start, start_cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            model = finer(model, grid, points)
            train(model, points, steps)
        seconds, cpu = seconds + time.perf_counter() - start, cpu + time.process_time() - start_cpu
        size = sum(p.numel() for p in model.parameters() if p.requires_grad)
        rows.append([steps * (number + 1), size, *errors(model, meter)])
        report(Progress(f"grid {grid}", (number + 1) / len(GRIDS)))
    l2, h1 = rows[-1][2:]
    numbers = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3), "parameters": size}
    return {**numbers, "l2_squared": l2, "h1_squared": h1, "dynamics": rows}


class Points:
    """The mesh, its four sides, the right side of the equation and the values on the boundary."""

    def __init__(self, side: int):
        lines = torch.linspace(-1, 1, side)
        self.inside = torch.cartesian_prod(lines, lines)
        ends, each = torch.ones_like(lines), (-1.0, 1.0)
        self.boundary = torch.cat(
            [torch.stack([end * ends, lines], 1) for end in each]
            + [torch.stack([lines, end * ends], 1) for end in each]
        )
        self.source = poisson_source(*self.inside.unbind(1))
        self.values = poisson_solution(*self.boundary.unbind(1))


def finer(model: KAN | None, grid: int, points: Points) -> KAN:
    """A fresh model, or the same one on a finer grid."""
    if model is None:
        model = KAN(width=[2, *HIDDEN, 1], grid=grid, k=3, seed=SEED, auto_save=False)
    else:
        model.save_act = True
        model.get_act(points.inside)
        model = model.refine(grid)
        model.auto_save = False
    return model.speed()


def train(model: KAN, points: Points, steps: int) -> None:
    """Make some steps of pykan's L-BFGS; the grids follow the samples during the first ones."""
    settings = {"line_search_fn": "strong_wolfe", "history_size": 10}
    tight = dict.fromkeys(("tolerance_grad", "tolerance_change", "tolerance_ys"), 1e-32)
    optimizer = LBFGS(model.parameters(), lr=1, **settings, **tight)

    def closure():
        optimizer.zero_grad()
        x = points.inside.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        curvatures = [torch.autograd.grad(slope[:, axis].sum(), x, create_graph=True)[0][:, axis] for axis in (0, 1)]
        inside = (sum(curvatures) - points.source).square().mean()
        loss = ALPHA * inside + (model(points.boundary)[:, 0] - points.values).square().mean()
        loss.backward()
        return loss

    for step in range(steps):
        if step % BETWEEN == 0 and step < MOVES:
            model.update_grid_from_samples(points.inside)
        optimizer.step(closure)


def errors(model: KAN, meter: Meter) -> tuple[float, float]:
    """Squared L2 and H1 errors, as `Meter` has them."""
    x = meter.x.clone().requires_grad_()
    value = model(x)[:, 0]
    (slope,) = torch.autograd.grad(value.sum(), x)
    jet = torch.cat([value[None], slope.T]).detach()
    squares = (jet - meter.exact[..., 0]).square() @ meter.weights
    return float(squares[0]), float(squares.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps a grid on fewer points")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "results")
    settings = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    key = {"model": PYKAN, "hidden": list(HIDDEN), "seed": SEED, "quick": settings.quick}
    job = Job(f"pykan {list(HIDDEN)}", key, partial(measure, settings.quick))
    store = Store.open(settings.out, "poisson-pykan")
    run_jobs([job], store, lambda update: print(update.line or f"{100 * update.share:.0f} %", flush=True), line)


if __name__ == "__main__":
    main()
