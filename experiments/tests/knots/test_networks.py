"""The networks for the knot table: shapes as planned, seeded training with reports of its progress."""

import pytest
import torch

from edgewise import KAN
from edgewise.datasets.knots import load_knots
from edgewise.train import adapt_domain_
from edgewise_experiments.knots.networks import (
    INPUTS,
    QUICK,
    Plan,
    count_parameters,
    our_plans,
    stated_plans,
    train,
    without_base,
)
from edgewise_experiments.knots.table import KnotSplit

SPLIT = KnotSplit.of(load_knots())


@pytest.mark.parametrize("plan", [*our_plans(), *stated_plans()], ids=str)
def test_every_plan_makes_a_network(plan):
    width = plan.model(12, 0).config.width
    assert width[0] == len(INPUTS[plan.inputs]) and width[-1] == (1 if plan.head == "ordinal" else 12)


def test_straight_lines_become_part_of_the_splines():
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = KAN([3, 4, 1], (1, 5), 2, base="identity", seed=1, dtype=torch.float64)
    adapt_domain_(model, x)
    folded = without_base(model)
    far = 5 * x
    assert torch.allclose(folded(far), model(far), rtol=0, atol=1e-12)
    assert folded.config.base == "zero"
    assert sum(p.numel() for p in folded.parameters()) == 3 * 4 * 3 + 4 * 7


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        Plan("KAN", "ordinal", "3", ((2, 1),), (1, 4), 2),
        Plan("MLP", "ordinal", "3", (3,)),
        Plan("MLP", "softmax", "3", (4,), recipe="DeepMind"),
    ],
    ids=str,
)
def test_training_is_seeded_and_reported(plan):
    events = []
    rows = [train(plan, SPLIT, 3, QUICK, events.append) for _ in range(2)]
    assert rows[0]["accuracy"] == rows[1]["accuracy"]
    assert {event.stage for event in events} >= {"Adam"}
    thresholds = SPLIT.classes - 1 if plan.head == "ordinal" else 0
    model = plan.model(SPLIT.classes, 3)
    count = count_parameters(without_base(model) if plan.kind == "KAN" else model)
    assert rows[0]["parameters"] == count + thresholds
    assert ("scores" in rows[0]) == (plan.kind == "KAN")


@pytest.mark.slow
def test_constants_of_edges_into_one_sum_are_counted_once():
    """Parameters are counted as the rank of the outputs of one layer, which are linear in its coefficients."""
    model = KAN([3, 2], (2,), 2, base="zero", seed=1, dtype=torch.float64)
    x = 2 * torch.rand(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    coef = model.layers[0].coef

    def outputs(values):
        return torch.func.functional_call(model, {"layers.0.coef": values.view_as(coef)}, x).flatten()

    jacobian = torch.func.jacfwd(outputs)(coef.detach().flatten())
    assert count_parameters(model) == int(torch.linalg.matrix_rank(jacobian)) < coef.numel()
