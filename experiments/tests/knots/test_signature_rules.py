"""Slope rules, the paper's formulas and the bound, on the packaged knots."""

import numpy as np
import pytest

from edgewise.datasets.knots import load_knots
from edgewise_experiments.knots import signature_rules
from edgewise_experiments.knots.signature_rules import PAPER_FORMULAS, bound, half_slope, paper_formula, slope_line
from edgewise_experiments.knots.slope_rule import SlopeRule
from edgewise_experiments.knots.table import KnotSplit

SPLIT = KnotSplit.of(load_knots())


def test_the_rules_agree_with_the_packages():
    found = slope_line(SPLIT)
    translations = np.stack([SPLIT.column(name) for name in signature_rules.SLOPE_COLUMNS], 1)
    rule = SlopeRule.fit(translations[SPLIT.train], SPLIT.knots.y[SPLIT.train])
    right = rule.predict(translations[SPLIT.test]) == SPLIT.knots.y[SPLIT.test]
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["line"] == pytest.approx([rule.factor, rule.offset])
    assert half_slope(SPLIT)["accuracy"] < found["accuracy"]


def test_formula_a_is_the_slope_read_as_it_is():
    found = paper_formula(SPLIT, "A")
    assert found["reading"].startswith("as they are") and "swapped" not in found["reading"]
    assert found["accuracy"] == pytest.approx(slope_line(SPLIT)["accuracy"])


@pytest.mark.parametrize("name", PAPER_FORMULAS)
def test_each_formula_is_read_in_the_way_that_suits_it(name, monkeypatch):
    best = paper_formula(SPLIT, name)
    assert 0 < best["accuracy"] < 1
    for reading in signature_rules.input_interpretations(SPLIT):
        monkeypatch.setattr(signature_rules, "input_interpretations", lambda split, reading=reading: [reading])
        assert paper_formula(SPLIT, name)["train_accuracy"] <= best["train_accuracy"]


def test_the_bound_holds_and_is_met():
    found = bound(SPLIT)
    slope = signature_rules.slope(SPLIT)
    ratio = np.abs(2 * SPLIT.knots.y - slope) / (SPLIT.column("volume") / SPLIT.column("injectivity_radius") ** 3)
    assert found["constant"] == pytest.approx(ratio.max())
    assert found["knots"] == 8000
    assert 0.1 < found["constant"] < 0.2
