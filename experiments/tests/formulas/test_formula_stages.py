"""The ablation of the search for formulas: variants lack what they say, laws follow the rule, the summary adds up."""

import pytest

from edgewise.discovery.finder import ALL_STAGES
from edgewise_experiments.data.laws import ai_feynman
from edgewise_experiments.formulas import formula_stages


def test_every_variant_lacks_one_stage():
    variants = dict(formula_stages.VARIANTS)
    assert variants.pop(formula_stages.ALL) == ALL_STAGES
    assert all(stages != ALL_STAGES for stages in variants.values()) and len(variants) == 4
    least = variants["without least squares"]
    assert not least.first and [stage.__name__ for stage in least.quick] == ["short_laws"]


def test_the_laws_follow_the_rule():
    listed = formula_stages.laws()
    assert [len(laws) for laws in listed.values()] == [20, 20, 10, 8]
    assert [law.name for law, _ in listed["random expressions"][:3]] == ["R0", "R10", "R20"]
    assert {noise for _, noise in listed["AI Feynman, 10 % noise"]} == {0.1}


@pytest.mark.slow
def test_a_stage_that_is_left_out_yields_nothing():
    law = ai_feynman()["I.14.4"]
    for variant, source in ((formula_stages.ALL, "short laws"), ("without enumeration", "least squares laws")):
        row = formula_stages.measure(law, 0.0, formula_stages.VARIANTS[variant], 0, 5.0, lambda at: None)
        assert row["exact"] and row["source"] == source
        assert ("short laws" in row["yielded"]) == (variant == formula_stages.ALL)
