"""The classical rule for the signature of a knot."""

import numpy as np
import pytest

from edgewise_experiments.knots.slope_rule import SlopeRule, natural_slope


def test_slope_is_the_real_part_of_longitude_by_meridian():
    translations = np.random.default_rng(0).normal(size=(20, 3))
    longitude, real, imaginary = translations.T
    assert natural_slope(translations) == pytest.approx((longitude / (real + 1j * imaginary)).real)


def test_it_finds_the_line():
    translations = np.random.default_rng(0).normal(size=(50, 3)) + np.array([5, 0, 2])
    signature = 0.5 * natural_slope(translations) - 0.25
    rule = SlopeRule.fit(translations, signature)
    assert (rule.factor, rule.offset) == pytest.approx((0.5, -0.25))
    predicted = rule.predict(translations)
    assert predicted.dtype == np.int64 and not (predicted % 2).any()
    assert np.abs(predicted - signature).max() <= 1 + 1e-9
