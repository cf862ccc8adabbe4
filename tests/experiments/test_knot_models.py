"""The networks for the knot table: shapes as planned, training that goes on where it stopped being coarse."""

import pytest

from edgewise.datasets.knots import load_knots
from edgewise.experiments.knot_models import INPUTS, QUICK, Plan, our_plans, stated_plans, train
from edgewise.experiments.knot_table import KnotSplit

SPLIT = KnotSplit.of(load_knots())


@pytest.mark.parametrize("plan", [*our_plans(), *stated_plans()], ids=str)
def test_every_plan_makes_a_network(plan):
    width = plan.model(12, 0).config.width
    assert width[0] == len(INPUTS[plan.inputs]) and width[-1] == (1 if plan.head == "ordinal" else 12)


def test_sizes_are_as_many_for_both_kinds():
    for inputs in ("9 of 17", "17", "3"):
        kinds = [plan.kind for plan in our_plans() if plan.inputs == inputs]
        assert kinds.count("KAN") == kinds.count("MLP") > 0


@pytest.mark.parametrize(
    "plan",
    [
        Plan("KAN", "ordinal", "3", (2,), (1, 4), 2),
        Plan("MLP", "ordinal", "3", (3,)),
        Plan("MLP", "softmax", "3", (4,), recipe="DeepMind"),
    ],
    ids=str,
)
def test_training_is_seeded_and_told(plan):
    told = []
    rows = [train(plan, SPLIT, 3, QUICK, lambda *event: told.append(event)) for _ in range(2)]
    assert rows[0]["accuracy"] == rows[1]["accuracy"]
    assert {stage for stage, _, _ in told} >= {"Adam"}
    thresholds = SPLIT.classes - 1 if plan.head == "ordinal" else 0
    count = sum(p.numel() for p in plan.model(SPLIT.classes, 3).parameters())
    assert rows[0]["parameters"] == count + thresholds
    assert ("scores" in rows[0]) == (plan.kind == "KAN")
