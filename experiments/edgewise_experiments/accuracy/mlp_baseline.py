"""Carefully trained MLPs for the comparison: several shapes and activations, second-order methods, float64.

Every shape is first trained for a while with every method that suits its size; then, for each shape, the activation and
method with the lowest held-out error are trained again for much longer. Inputs are scaled to [-1, 1], the target to
mean 0 and variance 1. Each shape gets the same number of multiply-adds, so that the number of steps does not depend on
the load of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from edgewise import Regression, fit
from edgewise.nn import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import LBFGS, LevenbergMarquardt, SSBroyden
from edgewise.train.cost import StepCost
from edgewise_experiments.accuracy.known_functions import HELD_OUT_SEED, TEST, TEST_SEED, Effort, Scale
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner import Job, Stopwatch, require_complete

SHAPES = ((10, 10), (20, 20, 20), (64, 64), (100, 100), (256, 256))
ACTIVATIONS = ("tanh", "silu")
METHODS = {"L-BFGS": LBFGS, "LM": LevenbergMarquardt, "SSBroyden": SSBroyden}
WHOLE_MATRIX = 5000  # parameters up to which SSBroyden is tried: it keeps a matrix of them
# Multiply-adds, about 2e9 a second on one core: a second for a first look, a quarter of a minute for the final run.
FIRST, FINAL = 2e9, 3e10
FEW = 8  # a plan with fewer steps is left out
# Levenberg-Marquardt of large shapes exceeds the first look: five steps of tanh show whether it is worth its price.
# With four inputs or more there are so many samples that even that is too long.
LARGE, LOOK, LOOK_INPUTS = 3000, 5, 2
LONGER = 3  # the final training has at least so many times the steps of the first look
TRAINING = {1: 2000, 2: 2000}  # samples, by inputs: enough that the training error is near the test error
CONJUGATE_STEPS = 60  # products with the Jacobian in a matrix-free step, about
EVERY, PATIENCE = 10, 60  # steps between evaluations of the held-out error; evaluations without a better one


@dataclass(frozen=True)
class MLPPlan:
    """One training of an MLP: nodes of its hidden layers, activation, method, steps, and stage ("first" or "final")."""

    hidden: tuple[int, ...]
    activation: str
    method: str
    steps: int
    stage: str = "first"


def parameter_count(inputs: int, hidden: Sequence[int]) -> int:
    """Count the weights and biases of an MLP with one output."""
    nodes = (inputs, *hidden, 1)
    return sum((a + 1) * b for a, b in pairwise(nodes))


def first_plans(inputs: int, samples: int, *, work: float = FIRST) -> list[MLPPlan]:
    """Plan every shape with both activations and each method that makes enough steps with that work."""
    plans = []
    for hidden in SHAPES:
        size = parameter_count(inputs, hidden)
        for method in METHODS:
            if method == "SSBroyden" and size > WHOLE_MATRIX:
                continue
            steps = int(work / step_work(method, inputs, hidden, samples))
            if steps >= FEW:
                plans += [MLPPlan(hidden, activation, method, steps) for activation in ACTIVATIONS]
            elif method == "LM" and size > LARGE and inputs <= LOOK_INPUTS and work >= FIRST:
                plans.append(MLPPlan(hidden, "tanh", method, LOOK))
    return plans


def final_plans(inputs: int, samples: int, rows: Sequence[dict], *, work: float = FINAL) -> list[MLPPlan]:
    """Plan a longer training of each shape with the activation and method that were best in the first look."""
    plans = []
    for hidden in SHAPES:
        longer = {method: int(work / step_work(method, inputs, hidden, samples)) for method in METHODS}
        best = best_mlp(
            [
                row
                for row in rows
                if row["stage"] == "first"
                and tuple(row["hidden"]) == hidden
                and longer[row["method"]] >= LONGER * row["steps"]
            ]
        )
        if best is not None:
            plans.append(MLPPlan(hidden, best["activation"], best["method"], longer[best["method"]], "final"))
    return plans


def best_mlp(rows: Sequence[dict]) -> dict | None:
    """Return the row with the lowest error on held-out samples, or None where there is none."""
    known = [row for row in rows if row["validation_rmse"] is not None]
    return min(known, key=lambda row: row["validation_rmse"], default=None)


def step_work(method: str, inputs: int, hidden: Sequence[int], samples: int) -> float:
    """Estimate the multiply-adds of a step; those of matrix products, which are faster, count a quarter.

    Seconds on one core are within a factor of 1.5 of 5e-10 times that (measured for 150 to 10,000 parameters).
    """
    size = parameter_count(inputs, hidden)
    gradient = 1e6 + samples * (0.8 * size + 40 * sum(hidden))  # calls; products; activations, an exponential each
    if method == "L-BFGS":
        return 1.2 * gradient + 80 * size
    if method == "SSBroyden":
        return 1.2 * gradient + 6 * size**2  # a matrix that is read three times and written once
    if samples * size > LevenbergMarquardt.most_full and size > LevenbergMarquardt.factorised:
        return CONJUGATE_STEPS * gradient
    small, large = sorted((samples, size))  # solved in the space of samples where these are fewer
    return 5 * gradient + StepCost(product_speed=4.0).levenberg_marquardt(large, small)


def mlp_job(target: TargetFunction, seed: int, effort: Effort, plan: MLPPlan) -> Job:
    """Make the job that runs `measure_mlp`; its key holds every setting that decides the result."""
    samples = {"samples": training_samples(target, effort), "held_out": effort.held_out, "edges": effort.edges}
    looks = {"every": EVERY, "patience": PATIENCE}
    key = {"problem": target.name, "seed": seed, "model": "MLP", **samples, **asdict(plan), **looks}
    label = f"{target.name}, MLP {'-'.join(map(str, plan.hidden))} {plan.activation}, {plan.method}"
    return Job(label, key, partial(measure_mlp, target, seed, effort, plan))


def training_samples(target: TargetFunction, effort: Effort) -> int:
    """Return how many of the KAN's samples the MLPs train on."""
    return min(effort.samples, TRAINING.get(target.inputs, effort.samples))


def measure_mlp(
    target: TargetFunction, seed: int, effort: Effort, plan: MLPPlan, report_progress: ProgressCallback
) -> dict[str, object]:
    """Train on samples that the KAN gets too, and measure the RMSE on fresh points in the target's units."""
    x, y = target.sample(effort.samples, seed, edges=effort.edges)
    held_x, held_y = target.sample(effort.held_out, HELD_OUT_SEED + seed)
    scale, count = Scale(target, y), training_samples(target, effort)
    problem = Regression(
        scale.inputs(x[:count]),
        scale.target(y[:count]),
        validation=(scale.inputs(held_x), scale.target(held_y)),
    )
    model = MLP([target.inputs, *plan.hidden, 1], activation=plan.activation, seed=seed, dtype=torch.float64)
    watch = Stopwatch()
    report = fit(
        model,
        problem,
        METHODS[plan.method](),
        steps=plan.steps,
        evaluate_every=min(EVERY, plan.steps),
        patience=PATIENCE,
        callbacks=[lambda event: report_progress(Progress("", event.share, event.loss))],
    )
    spent = watch.seconds()
    require_complete(report)
    x_test, y_test = target.sample(TEST, TEST_SEED + seed)
    with torch.no_grad():
        prediction = scale.back(model(scale.inputs(x_test)))
    error = float(np.sqrt(np.mean((prediction - y_test) ** 2)))
    return {
        "rmse": error,
        "relative": error / float(np.std(y_test)),
        "train_rmse": scale.rmse(report.loss),
        "validation_rmse": scale.rmse(math.nan if report.validation_loss is None else report.validation_loss),
        "parameters": parameter_count(target.inputs, plan.hidden),
        "steps_made": report.steps,
        "stopped": report.stopped,
        **spent,
    }
