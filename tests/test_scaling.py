"""AffineScaling: typical data in [-1, 1], outliers beyond, weights that stand for repeats, extreme units."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgewise.checkpoint import codec
from edgewise.errors import InputError
from edgewise.tables import AffineScaling

columns = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-1e12, 1e12), st.floats(-1e-9, 1e-9)),
)


def test_uniform_data_fill_the_unit_interval_exactly():
    x = np.linspace(3.0, 7.0, 201)[:, None]
    z = AffineScaling.fit(x).transform(x)
    assert z.min() == pytest.approx(-1, abs=1e-15)
    assert z.max() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("unit, offset", [(1.0, 0.0), (1e-9, 0.0), (1e12, 0.0), (1.0, 1e12), (1e-9, 1.0)])
def test_units_do_not_matter(unit, offset):
    x = np.random.default_rng(0).integers(-1000, 1000, (500, 1)).astype(float)
    # The column itself is rounded when it is moved by `offset`; scaling must lose no more than that.
    rounding = 2.3e-16 * (1 + offset / unit)
    z = AffineScaling.fit(x * unit + offset).transform(x * unit + offset)
    np.testing.assert_allclose(z, AffineScaling.fit(x).transform(x), atol=4 * rounding)


def test_outliers_go_beyond_and_do_not_squeeze():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (1000, 1))
    x[:20] = 1e9
    x[20:50] = -9999
    z = AffineScaling.fit(x).transform(x)
    assert np.ptp(z[50:]) > 1.3  # a one-sided outlier moves that end by a quarter of the width
    assert np.abs(z[50:]).max() < 1.3
    assert z[:20].min() > 1e6


def test_zero_inflated_column_is_as_wide_as_its_other_values():
    x = np.zeros((1000, 1))
    x[:50, 0] = np.linspace(10, 20, 50)
    x[50] = 1e6
    fitted = AffineScaling.fit(x)
    assert 9 < fitted.scale[0] < 15


@pytest.mark.parametrize("value", [0.0, -0.0, 1e12, 1e-9, 0.1, -1e300, 5e-324])
def test_constant_column_becomes_zero(value):
    x = np.full((7, 1), value)
    fitted = AffineScaling.fit(x)
    assert fitted.scale[0] == 1
    assert (fitted.transform(x) == 0).all()
    assert (fitted.inverse(fitted.transform(x)) == x).all()


@pytest.mark.slow
@given(columns, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_weights_are_repeats_in_any_order(x, random):
    weight = np.array([random.randrange(4) for _ in x], dtype=float)
    weight[0] = max(weight[0], 1)
    repeated = np.repeat(x, weight.astype(int), axis=0)
    order = np.array(random.sample(range(len(x)), len(x)))
    shuffled = np.array(random.sample(range(len(repeated)), len(repeated)))
    plain = AffineScaling.fit(x, weight)
    for other in (
        AffineScaling.fit(x[order], weight[order]),
        AffineScaling.fit(repeated),
        AffineScaling.fit(repeated[shuffled]),
    ):
        assert plain.shift.tobytes() == other.shift.tobytes()
        assert plain.scale.tobytes() == other.scale.tobytes()


@pytest.mark.slow
@given(columns)
@settings(max_examples=50, deadline=None)
def test_shapes_inverse_and_json(x):
    fitted = AffineScaling.fit(x)
    z = fitted.transform(x)
    assert z.shape == x.shape
    assert z.dtype == np.float64
    assert np.isfinite(z).all()
    np.testing.assert_allclose(fitted.inverse(z), x, rtol=1e-12, atol=1e-12 * np.abs(x).max())
    again = codec.read(AffineScaling, json.loads(json.dumps(codec.plain(fitted))), "scaling")
    assert again.shift.tobytes() == fitted.shift.tobytes()
    assert again.scale.tobytes() == fitted.scale.tobytes()


@pytest.mark.parametrize(
    "x, weight, words",
    [
        (np.zeros(3), None, "shape (N, d)"),
        (np.zeros((0, 3)), None, "at least one row"),
        (np.array([[1.0, np.nan]]), None, "got nan at [0, 1]"),
        (np.array([[1.0], [np.inf]]), None, "got inf at [1, 0]"),
        (np.array([[1e301]]), None, "at most 1e300"),
        (np.zeros((2, 1)), [1.0], "sample_weight must have shape (2,)"),
        (np.zeros((2, 1)), [1.0, -1.0], "not negative"),
        (np.zeros((2, 1)), [0.0, 0.0], "at least one positive"),
    ],
)
def test_wrong_arguments(x, weight, words):
    with pytest.raises(InputError) as caught:
        AffineScaling.fit(x, weight)
    assert words in str(caught.value)


def test_wrong_width_at_transform():
    fitted = AffineScaling.fit(np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"x must have shape \(N, 3\), got \(2, 2\)"):
        fitted.transform(np.zeros((2, 2)))
