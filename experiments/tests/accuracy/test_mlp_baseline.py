"""The MLPs that KANs are set beside: plans within their work, honest choices, and errors in the target's units."""

from itertools import product

import numpy as np
import pytest

from edgewise.nn.mlp import MLP
from edgewise_experiments.accuracy.known_functions import TEST, TEST_SEED, Effort
from edgewise_experiments.accuracy.mlp_baseline import (
    FEW,
    FINAL,
    FIRST,
    LARGE,
    LONGER,
    LOOK,
    SHAPES,
    WHOLE_MATRIX,
    MLPPlan,
    best_mlp,
    final_plans,
    first_plans,
    measure_mlp,
    parameter_count,
    step_work,
)
from edgewise_experiments.data.target import TargetFunction

RIDGE = TargetFunction(
    "ridge", "100 + 50 tanh(x + y)", lambda x: 100 + 50 * np.tanh(x.sum(1)), ("x", "y"), (2, 2), (4, 5)
)
EFFORT = Effort(samples=300, held_out=100)


def nothing(*_):
    """Ignore the progress."""


def test_parameter_count_is_that_of_the_network():
    for hidden in SHAPES:
        model = MLP([3, *hidden, 1])
        assert parameter_count(3, hidden) == sum(p.numel() for p in model.parameters())


def test_plans_stay_within_their_work_and_their_sizes():
    plans = first_plans(2, 2000)
    assert {plan.hidden for plan in plans} == set(SHAPES)
    assert {plan.method for plan in plans} == {"L-BFGS", "LM", "SSBroyden"}
    for plan in plans:
        size = parameter_count(2, plan.hidden)
        assert plan.method != "SSBroyden" or size <= WHOLE_MATRIX
        if plan.method == "LM" and size > LARGE:
            assert (plan.activation, plan.steps) == ("tanh", LOOK)
            continue
        assert plan.steps >= FEW
        assert plan.steps * step_work(plan.method, 2, plan.hidden, 2000) <= FIRST
    assert {(plan.hidden, plan.activation) for plan in plans} == set(product(SHAPES, ("tanh", "silu")))
    assert ((256, 256), "LM") in {(plan.hidden, plan.method) for plan in plans}
    assert first_plans(2, 2000, work=1e3) == []
    assert not [plan for plan in first_plans(4, 6000) if plan.steps == LOOK]


def test_the_best_by_held_out_error_is_trained_longer():
    def row(hidden, activation, method, held_out, steps=20):
        plan = {"hidden": list(hidden), "activation": activation, "method": method, "steps": steps, "stage": "first"}
        return {**plan, "validation_rmse": held_out}

    rows = [
        row((10, 10), "tanh", "LM", 0.2),
        row((10, 10), "silu", "SSBroyden", 0.1),
        row((10, 10), "silu", "L-BFGS", None),  # not finite
        row((256, 256), "tanh", "LM", 0.001, LOOK),  # can't be trained much longer
        row((256, 256), "tanh", "L-BFGS", 0.01),
        row((64, 64), "tanh", "L-BFGS", None),
    ]
    first, second = final_plans(2, 500, rows)
    assert (first.hidden, first.activation, first.method, first.stage) == ((10, 10), "silu", "SSBroyden", "final")
    assert first.steps == int(FINAL / step_work("SSBroyden", 2, (10, 10), 500)) > 1000
    assert (second.hidden, second.method) == ((256, 256), "L-BFGS")
    assert second.steps >= LONGER * 20
    assert best_mlp(rows)["method"] == "LM"
    assert best_mlp([]) is best_mlp(rows[2:3]) is None


@pytest.mark.parametrize(("method", "steps"), [("SSBroyden", 150), ("LM", 40)])
def test_errors_are_in_the_units_of_the_target(method, steps):
    row = measure_mlp(RIDGE, 0, EFFORT, MLPPlan((4,), "tanh", method, steps), nothing)
    spread = np.std(RIDGE.sample(TEST, TEST_SEED)[1])
    assert row["rmse"] < 0.02 * spread
    assert row["relative"] == pytest.approx(row["rmse"] / spread)
    assert 0.1 < row["rmse"] / row["validation_rmse"] < 10
    assert 0.1 < row["rmse"] / row["train_rmse"] < 10
    assert row["parameters"] == 17
    assert 0 < row["steps_made"] <= steps
