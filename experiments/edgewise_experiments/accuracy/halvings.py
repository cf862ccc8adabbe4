"""Error against time of a KAN of a given shape whose grid is halved repeatedly, with a few steps on each grid."""

from __future__ import annotations

import time
from functools import partial

import torch

from edgewise import KAN, Regression, fit
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import LevenbergMarquardt, move_hidden_domains_, refine
from edgewise_experiments.accuracy.known_functions import TEST, TEST_SEED, Scale
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner import Job, require_complete

SAMPLES = 1000  # uniform, as many as pykan gets
GRIDS, DEGREE, STEPS = (4, 8, 16, 32, 64), 5, 10  # each grid halves the one before
MARGIN = 0.1  # of the hidden grids, which are moved once after the first steps


def halvings_job(target: TargetFunction, seed: int) -> Job:
    """Make the job that runs `measure_halvings`, with one start as pykan has."""
    key = {"problem": target.name, "kind": "halvings", "seed": seed, "samples": SAMPLES, "steps": STEPS}
    key |= {"grids": GRIDS, "spline_degree": DEGREE, "margin": MARGIN}
    return Job(f"{target.name}, halvings, seed {seed}", key, partial(measure_halvings, target, seed))


def measure_halvings(target: TargetFunction, seed: int, report_progress: ProgressCallback) -> dict:
    """Train by Levenberg-Marquardt on each grid, twice on the first; seconds are those of the training alone."""
    x, y = target.sample(SAMPLES, seed)
    x_test, y_test = target.sample(TEST, TEST_SEED + seed)
    scale = Scale(target, y)
    problem = Regression(scale.inputs(x), scale.target(y))
    curve, seconds, cpu_seconds = [], 0.0, 0.0
    linear = len(target.shape) == 2  # in the parameters, so that hardly any damping is needed
    method = LevenbergMarquardt(damping=1e-9 if linear else 1e-2)
    model = KAN(target.shape, GRIDS[0], DEGREE, base="zero", domain=(-1.0, 1.0), seed=seed, dtype=torch.float64)
    for number, grid_size in enumerate(GRIDS if linear else (GRIDS[0], *GRIDS)):
        start, start_cpu = time.perf_counter(), time.process_time()
        if number == 1 and not linear:
            move_hidden_domains_(model, problem.train.x, margin=MARGIN)
        model = refine(model, grid_size)
        report = fit(model, problem, method, steps=STEPS)
        seconds, cpu_seconds = seconds + time.perf_counter() - start, cpu_seconds + time.process_time() - start_cpu
        require_complete(report)
        report_progress(Progress("", (number + 1) / (1 + len(GRIDS)), report.loss))
        with torch.no_grad():
            residual = scale.back(model(scale.inputs(x_test))) - y_test
        error = float((residual**2).mean() ** 0.5)
        spent = {"seconds": round(seconds, 4), "cpu_seconds": round(cpu_seconds, 4)}
        curve.append({"grid": grid_size, **spent, "test_rmse": error})
    return {
        "rmse": min(point["test_rmse"] for point in curve),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "shape": list(target.shape),
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu_seconds, 4),
        "curve": curve,
    }


def seconds_to(row: dict, rmse: float) -> float | None:
    """Return the seconds (the smaller of wall and CPU) until the test error was that low, or None if it never was."""
    reached = (min(p["seconds"], p["cpu_seconds"]) for p in row["curve"] if p["test_rmse"] <= rmse)
    return next(reached, None)
