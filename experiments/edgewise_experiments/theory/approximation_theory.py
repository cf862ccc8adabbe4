"""The KAN paper's error bound, measured: error in C^m against the grid size, by the best spline and by training.

Theorem 2.1 of Liu et al. (arXiv 2404.19756): the error in C^m falls as G^-(k + 1 - m), m = 0..k. The paper states it
and never measures it. The best spline is the L2 projection of exp(sin(pi x)), with integrals by Gauss's rule. Training
fits a KAN [2, 1, 1] to samples of exp(sin(pi x) + y^2) by Levenberg-Marquardt, with grids that are halved exactly:
once to values, and once to values and derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from edgewise import KAN, Regression, fit
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import breakpoints_of, uniform
from edgewise.ops.splines.lstsq import quadrature
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import BlockProblem, Data, LevenbergMarquardt, Problem, ResidualBlock, move_hidden_domains_, refine
from edgewise.train.grids import enclose
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.runner import (
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    require_complete,
    run_jobs,
)
from edgewise_experiments.theory.exponents import derivative_exponent, fitted_exponent, spline_bound

DEGREES = (1, 2, 3, 4, 5)
TARGET, WIDTH = TOY_FUNCTIONS["toy 2"], (2, 1, 1)
WITHIN = 0.2  # largest difference from the theory's exponent that counts as agreement
TRAINED = {"training": "values", "sobolev": "values and derivatives"}
FIRST = {"projection": 32, "training": 16, "sobolev": 16}  # coarser grids do not resolve the function
ROUNDING = 3e-14  # of values of order 1; a derivative multiplies it by (grid size)^order
NODES, POINTS = 10, 40  # nodes of Gauss's rule and evaluation points of the error on each interval
STAGES = ((15, 0.3), (15, 0.2), (30, 0.1), (30, 0.05))  # steps, and the margin of the hidden grids after them
STEPS, SETTLED = 100, 1e-4  # steps on each grid, and the relative tolerance that ends them
NOTES = (
    "The error in C^m is the largest error of any derivative of order 0 to m, along both axes. Its exponent against "
    "the grid size is fitted by least squares to the grids that resolve the function, above rounding; training: "
    "median of the seeds. The figure shows the errors.",
    "Values: least squares on samples of the function. Values and derivatives: least squares on a part of these "
    "samples with their derivatives up to the degree of the splines, in a Sobolev norm in which the errors of the "
    "best spline have similar weights. Values leave derivatives between the samples "
    "undetermined, so that their errors begin larger and fall faster, or do not fall.",
    "Error over the best splines': the largest ratio, over the grids of the fit, of the error of training to that of "
    "the KAN whose three edges are the L2 projections of sin(pi x), y^2 and exp; median of the seeds.",
    "The explicit bound on the L2 error of the best spline is `(h/pi)^(k+1) |f^(k+1)|` (Sande, Manni and Speleers, "
    "M3AS 29, 2019), with spacing h and degree k; a ratio above 1 would mean that the bound or the projection is "
    "wrong.",
)
PASSING, NEAR_DAMPING = 1e-2, 1e-6  # tolerance and first damping with derivatives, near the minimum
CORNERS = 4  # of the box, at the end of the samples
BEYOND = 1.05  # samples are drawn from a box so many times larger and clipped to the box


@dataclass(frozen=True)
class Plan:
    """Grid sizes of the projection and of the training, samples without and with derivatives, and starts."""

    projected: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    trained: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    samples: int = 4000
    starts: int = 4
    differentiated: int = 2000


FULL, QUICK = Plan(), Plan(projected=(8, 16, 32), trained=(4, 8), samples=300, starts=1, differentiated=100)
QUICK_DEGREES = (1, 3)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Train with three seeds (of samples and starts) by default; the projection is deterministic."""
    plan, degrees = (QUICK, QUICK_DEGREES) if quick else (FULL, DEGREES)
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = [
        Job(
            f"best spline of degree {degree}",
            {"kind": "projection", "degree": degree, "seed": 0, "grids": list(plan.projected)},
            partial(project, degree, plan.projected),
        )
        for degree in degrees
    ]
    jobs += [
        Job(
            f"training on {TRAINED[kind]}, degree {degree}, seed {seed}",
            {"kind": kind, "degree": degree, "seed": seed, "grids": list(plan.trained), "samples": plan.samples},
            partial(train, kind, degree, seed, plan),
        )
        for seed in seeds
        for degree in degrees
        for kind in TRAINED
    ]
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of exponents for every degree and order, the key figures, and the figure of the errors."""
    rows = latest(rows, "kind", "degree", "seed")
    projected = [row for row in rows if row["kind"] == "projection"]
    trained = [row for row in rows if row["kind"] in TRAINED]
    lines, within, ratios = [], 0, []
    close, least = dict.fromkeys(TRAINED, 0), dict.fromkeys(TRAINED, 0)
    for row in projected:
        for order in range(row["degree"] + 1):
            theory = derivative_exponent(row["degree"], order)
            best, measured = exponent(row, order), []
            within += best is not None and abs(best - theory) <= WITHIN
            for kind in TRAINED:
                repeats = [other for other in trained if (other["kind"], other["degree"]) == (kind, row["degree"])]
                learned = median(exponent(other, order) for other in repeats)
                close[kind] += learned is not None and abs(learned - theory) <= WITHIN
                least[kind] += learned is not None and learned >= theory - WITHIN
                measured.append(learned)
            ratio = median(over_best(other, order) for other in repeats)
            ratios += [] if ratio is None else [ratio]
            cells = ["-" if value is None else f"{value:.2f}" for value in (best, *measured, ratio)]
            lines.append((str(row["degree"]), str(order), str(theory), *cells))
    columns = ("degree k", "order m", "theory k+1-m", "best spline", *TRAINED.values(), "error over the best splines'")
    figures = {f"exponents of the best spline within {WITHIN:g} of the theory": f"{within} of {len(lines)}"}
    for kind, name in TRAINED.items():
        figures[f"training on {name}: exponents within {WITHIN:g} of the theory"] = f"{close[kind]} of {len(lines)}"
        figures[f"training on {name}: exponents at least the theory's less {WITHIN:g}"] = (
            f"{least[kind]} of {len(lines)}"
        )
    if ratios:
        figures[f"training on {TRAINED['sobolev']}: largest error over the best splines'"] = f"{max(ratios):.2g}"
    figures |= {
        **{
            f"seeds of training on {name}": str(len({row["seed"] for row in trained if row["kind"] == kind}))
            for kind, name in TRAINED.items()
        },
        "smallest grid size in the fits, best spline": str(FIRST["projection"]),
        "smallest grid size in the fits, training": str(FIRST["training"]),
    }
    if projected:
        shares = [error / bound for row in projected for error, bound in zip(row["l2"], row["bound"], strict=True)]
        figures["L2 error of the best spline over its bound, smallest"] = f"{min(shares):.2g}"
        figures["L2 error of the best spline over its bound, largest"] = f"{max(shares):.2g}"
    tables = (ResultTable(columns, tuple(lines)), key_figures(figures))
    return Outcome(tables, NOTES, {"slopes": partial(draw_slopes, rows)})


def exponent(row: dict, order: int) -> float | None:
    """Return the exponent of the error in C^order over the grids from `FIRST` on, or the last two, above rounding."""
    first = min(FIRST[row["kind"]], row["grids"][-2])
    points = [
        (grid, errors[order])
        for grid, errors in zip(row["grids"], row["errors"], strict=True)
        if grid >= first and errors[order] is not None and errors[order] > ROUNDING * grid**order
    ]
    fitted = fitted_exponent(*zip(*points, strict=True)) if points else None
    return None if fitted is None else fitted.alpha


def over_best(row: dict, order: int) -> float | None:
    """Return the largest error in C^order over that of the best splines, on the grids of the fit above rounding."""
    ratios = [
        errors[order] / best[order]
        for grid, errors, best in zip(row["grids"], row["errors"], row.get("best", ()), strict=False)
        if grid >= min(FIRST[row["kind"]], row["grids"][-2]) and best[order] > ROUNDING * grid**order
    ]
    return max(ratios, default=None)


def _wave(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(math.pi * x))


def _toy(x: Tensor) -> Tensor:
    """Evaluate the target at x (N, 2) in torch, with values (N, 1) that autograd can differentiate."""
    return torch.exp(torch.sin(math.pi * x[:, :1]) + x[:, 1:] ** 2)


def derivatives(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, order: int) -> list[Tensor]:
    """Return values and derivatives 1..order of a function along one direction, each by forward mode of the last."""
    functions = [function]
    for _ in range(order):
        functions.append(lambda x, last=functions[-1]: torch.func.jvp(last, (x,), (direction.expand_as(x),))[1])
    return [each(x) for each in functions]


def project(degree: int, grids: Sequence[int], report_progress: ProgressCallback) -> dict:
    """Project on each grid; return the errors in C^0 .. C^degree, the L2 error, and its bound."""
    errors, l2, bounds = [], [], []
    one = torch.ones(1, dtype=torch.float64)
    for done, grid in enumerate(grids):
        report_progress(Progress(f"grid {grid}", done / len(grids)))
        knots = uniform(torch.tensor([[-1.0, 1.0]], dtype=torch.float64), grid, degree)
        coef, residual, x, root = _projected(_wave, knots, degree)
        points = torch.linspace(-1, 1, grid * POINTS + 1, dtype=torch.float64)
        exact = derivatives(_wave, points, one, degree)
        spline = [(basis(points[:, None], knots, degree, order)[:, 0] @ coef)[:, 0] for order in range(degree + 1)]
        errors.append(_largest([float((a - b).abs().max()) for a, b in zip(exact, spline, strict=True)]))
        l2.append(float(residual.norm()))
        top = root[:, 0] * derivatives(_wave, x[0], one, degree + 1)[-1]
        bounds.append(spline_bound(grid, degree, 2.0, float(top.norm())))
    return {"errors": errors, "l2": l2, "bound": bounds}


def _projected(
    function: Callable[[Tensor], Tensor], knots: Tensor, degree: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return coefficients (n, 1) of the L2 projection, its weighted residual, and nodes and roots of their weights."""
    x, weight = quadrature(breakpoints_of(knots, degree), NODES)
    root = weight[0].sqrt()[:, None]
    rows, values = root * basis(x.mT, knots, degree)[:, 0], root * function(x[0])[:, None]
    q, r = torch.linalg.qr(rows)
    coef = torch.linalg.solve_triangular(r, q.mT @ values, upper=True)
    return coef, rows @ coef - values, x, root


def best_splines(degree: int, grid: int) -> KAN:
    """Return the KAN whose edges are the L2 projections of sin(pi x), y^2 and, on their sums, exp."""
    model = KAN(WIDTH, grid, degree, base="zero", domain=(-1, 1), dtype=torch.float64)
    first, second = model.layers
    with torch.no_grad():
        for place, function in enumerate((lambda x: torch.sin(math.pi * x), lambda x: x**2)):
            first.coef[place] = _projected(function, first.knots[place : place + 1], degree)[0]
        sums = first(torch.cartesian_prod(*[torch.linspace(-1, 1, 1001, dtype=torch.float64)] * 2))
        second.knots.copy_(uniform(torch.stack([sums.amin(0), sums.amax(0)], 1), grid, degree))
        second.coef[0] = _projected(torch.exp, second.knots, degree)[0]
    return model


def _largest(errors: Sequence[float]) -> list[float]:
    """Return the norm of C^m for each m: the largest error of all orders up to m."""
    return [max(errors[: order + 1]) for order in range(len(errors))]


def training_samples(count: int, seed: int) -> Tensor:
    """Draw uniform samples that are denser towards the faces, with some on the faces and all corners.

    The error in C^m is measured on the faces too. With a square grid of 71 x 71 samples the error rose beyond 32
    intervals, as in the paper's appendix E, because the splines between the samples are undetermined once there are as
    many intervals as samples along an axis.
    """
    x, _ = TARGET.sample(count, seed, edges=0.5)
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    return torch.from_numpy(np.concatenate([np.clip(BEYOND * x, -1, 1), corners]))


def train(kind: str, degree: int, seed: int, plan: Plan, report_progress: ProgressCallback) -> dict:
    """Train the best of a few starts grid by grid; return the errors in C^0 .. C^degree of each grid.

    With derivatives, those of the best splines are returned too.
    """
    x = training_samples(plan.samples, seed)
    y = _toy(x)[:, 0]
    problem = Regression(x, (y - y.mean()) / y.std())
    starts = []
    for start in range(plan.starts):
        report_progress(Progress("starts", 0.3 * start / plan.starts))
        model = KAN(
            WIDTH,
            plan.trained[0],
            degree,
            base="zero",
            domain=(-1, 1),
            seed=1000 * seed + start,
            dtype=torch.float64,
        )
        for steps, margin in STAGES:
            _fitted(model, problem, steps)
            move_hidden_domains_(model, x, margin=margin)
        starts.append((_fitted(model, problem, STEPS), start, model))
    model, errors, rmse, best = min(starts)[2], [], [], []
    axis = torch.linspace(-1, 1, 101, dtype=torch.float64)
    points, directions = torch.cartesian_prod(axis, axis), torch.eye(2, dtype=torch.float64)
    given = torch.cat([x[: plan.differentiated], x[-CORNERS:]])  # with the corners
    jets = torch.stack([torch.stack(derivatives(_toy, given, way, degree)) for way in directions])  # (2, k + 1, N, 1)
    for done, grid in enumerate(plan.trained):
        report_progress(Progress(f"grid {grid}", 0.3 + 0.7 * done / len(plan.trained)))
        if done:
            model = refine(model, tuple(2 * size for size in model.config.grid_size))
            model, _ = enclose(model, x, points)
        if kind == "sobolev":
            value, others = (jets[0, 0] - y.mean()) / y.std(), jets[:, 1:] / y.std()
            sobolev = sobolev_problem(given, value, others, scale=1 / grid / math.pi)  # half the spacing over pi
            _fitted(model, sobolev, STEPS, PASSING)
            model, _ = enclose(model, x, BEYOND * points)  # a corner beyond a hidden grid has no second derivative
            rmse.append(math.sqrt(_fitted(model, sobolev, STEPS, PASSING)))
            best.append(_errors(best_splines(degree, grid), points, degree))
        else:
            rmse.append(math.sqrt(_fitted(model, problem, STEPS)))
        errors.append(_errors(model, points, degree, float(y.mean()), float(y.std())))
    row = {"errors": errors, "train_rmse": rmse, "parameters": sum(p.numel() for p in model.parameters())}
    return row | ({"best": best} if best else {})


def sobolev_problem(x: Tensor, y: Tensor, derivatives: Tensor, scale: float) -> BlockProblem:
    """Least squares on values y (N, out) and derivatives (in, order, N, out) along the axes: a Sobolev norm's error."""
    # The loss is the mean over samples and outputs of (f - y)^2 + sum_m scale^(2m) sum_d (d^m f / dd^m - target)^2,
    # with orders m and directions d.
    order = derivatives.shape[1]
    jet = torch.cat([y[None], derivatives.flatten(0, 1)])  # in the order of the jets of networks
    weight = [1.0, *(scale**m for _ in range(x.shape[1]) for m in range(1, order + 1))]

    def residuals(own: Tensor, part: Data) -> Tensor:
        given = part.y.unflatten(1, (len(weight), -1)).transpose(0, 1)
        scaled = (own - given) * own.new_tensor(weight)[:, None, None] / given.shape[2] ** 0.5
        return scaled.transpose(0, 1).flatten(1)

    data = Data(x, jet.transpose(0, 1).flatten(1))
    directions = torch.eye(x.shape[1], dtype=x.dtype)
    return BlockProblem([ResidualBlock("values and derivatives", data, residuals, 1.0, directions, order)])


def _errors(model: KAN, points: Tensor, degree: int, mean: float = 0.0, deviation: float = 1.0) -> list[float]:
    """Return the errors in C^0 .. C^degree of a model of the standardised target."""
    largest = [0.0] * (degree + 1)
    for way in torch.eye(2, dtype=torch.float64):
        with torch.no_grad():
            own = model.jet(points, way[None], degree) * deviation
        own[0] += mean
        for order, exact in enumerate(derivatives(_toy, points, way, degree)):
            largest[order] = max(largest[order], float((own[order] - exact).abs().max()))
    return _largest(largest)


def _fitted(model: KAN, problem: Problem, steps: int, tolerance: float = SETTLED) -> float:
    method = LevenbergMarquardt() if isinstance(problem, Regression) else LevenbergMarquardt(damping=NEAR_DAMPING)
    report = fit(model, problem, method, steps=steps, tolerance=tolerance)
    require_complete(report)
    return report.loss


def draw_slopes(rows: Sequence[dict]) -> Figure:
    """Draw the errors in C^m against the grid size with the theory's slopes."""
    from edgewise_experiments.plots.orders import OrderCurve, order_panels

    panels = {}
    for kind, title in (("projection", "best spline"), ("training", "values"), ("sobolev", "values, derivatives")):
        for degree in dict.fromkeys(row["degree"] for row in rows if row["kind"] == kind):
            repeats = [row for row in rows if (row["kind"], row["degree"]) == (kind, degree)]
            panels[title, degree] = [
                OrderCurve(
                    order,
                    repeats[0]["grids"],
                    [median(row["errors"][k][order] for row in repeats) for k in range(len(repeats[0]["grids"]))],
                    derivative_exponent(degree, order),
                )
                for order in range(degree + 1)
            ]
    return order_panels(panels)
