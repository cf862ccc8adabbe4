"""The ablation: every variant changes the policies, none sees the unopened half, and the summary adds up."""

import numpy as np
import pytest

from edgewise.model_selection.search.policy import SearchPolicy
from edgewise_experiments.tables import ablation, collection
from edgewise_experiments.tables.real_tables import Table


def test_every_variant_but_the_default_changes_the_policy():
    policies = {name: variant.policy() for name, variant in ablation.VARIANTS.items()}
    assert policies.pop(ablation.DEFAULTS) == SearchPolicy()
    assert all(policy != SearchPolicy() for policy in policies.values())
    assert len({repr(policy) for policy in policies.values()}) == len(policies)


def test_only_tables_of_the_open_half_take_part():
    names = set(ablation.chosen_tables(quick=False))
    assert names and not names & {entry.name for entry in collection.entries("unopened")}


@pytest.mark.slow
def test_a_variant_is_fitted_with_its_policy():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (120, 2))
    table = Table(x, x[:, 0] * x[:, 1], "regression")
    scores = [
        ablation.measure(lambda: table, ablation.VARIANTS[name], 2, 0, lambda at: None)["score"]
        for name in ("no hidden nodes", "no pairs")
    ]
    assert scores[0] > 0.9  # with its pair
    plain = ablation.Variant({"fewest_rows": 10**9}, {"most_pairs": 0})
    assert ablation.measure(lambda: table, plain, 2, 0, lambda at: None)["score"] < 0.3


def test_the_summary_compares_with_the_default():
    def row(table, variant, score, loss, seconds):
        key = {"table": table, "variant": variant, "folds": 3, "seed": 0}
        return {**key, "score": score, "log_loss": loss, "cpu_seconds": seconds}

    rows = [row("a", ablation.DEFAULTS, 0.9, None, 2.0), row("b", ablation.DEFAULTS, 0.8, 0.30, 2.0)]
    rows += [row("a", "no pairs", 0.88, None, 1.0), row("b", "no pairs", 0.81, 0.32, 2.0)]
    (line,) = ablation.summary(rows).tables[0].rows
    assert line[0] == "no pairs" and line[1:3] == ("2", "+0.50") and line[4:] == ("1", "1", "+2.00", "0.75")
    assert float(line[3]) == pytest.approx(1.5)
