"""The ablation: every stage has a variant, none sees the unopened half, and the summary adds up."""

import numpy as np
import pytest

from edgewise.search.policy import SearchPolicy
from edgewise.search.stages import STAGES
from edgewise_experiments.tables import ablation, collection
from edgewise_experiments.tables.real_tables import Table


def test_every_variant_changes_the_policy():
    policies = {name: variant.policy() for name, variant in ablation.VARIANTS.items()}
    assert all(policy != SearchPolicy() for policy in policies.values())
    assert len({repr(policy) for policy in policies.values()}) == len(policies)


def test_every_stage_but_lines_and_curves_has_a_variant():
    names = {"law"} | {stage.name for stage in STAGES["normal"]} - {"linear", "additive"}
    left_out = [variant.search.get("left_out", ()) for variant in ablation.VARIANTS.values()]
    assert names == {name for each in left_out for name in each}


def test_only_tables_of_the_open_half_take_part():
    names = set(ablation.chosen_tables(quick=False))
    assert names and not names & {entry.name for entry in collection.entries("unopened")}


@pytest.mark.slow
def test_a_variant_is_fitted_where_its_stage_was_taken():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (120, 2))
    table = Table(x, x[:, 0] * x[:, 1] + 0.1 * rng.standard_normal(120), "regression")
    row = ablation.measure(lambda: table, 2, 0, lambda at: None)
    assert row["score"] > 0.8
    found = row["variants"]
    assert "no logarithm" not in found and "no parabola" in found
    assert found["no pairs"]["gain"] > 2 * found["no pairs"]["error"] > 0
