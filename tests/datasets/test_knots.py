"""The packaged knot table: shapes, conventions, and the accuracy of the simplest rule."""

import numpy as np

from edgewise.datasets import KNOT_FEATURES, knots_path, load_knots
from edgewise.tables import read_table


def test_shapes_and_names():
    knots = load_knots()
    assert knots.X.shape == (8000, 17)
    assert knots.X.dtype == np.float64
    assert np.isfinite(knots.X).all()
    assert knots.y.shape == knots.group.shape == (8000,)
    assert knots.y.dtype == knots.group.dtype == np.int64
    assert knots.feature_names == KNOT_FEATURES
    assert len(set(KNOT_FEATURES)) == 17


def test_conventions():
    knots = load_knots()
    column = dict(zip(knots.feature_names, knots.X.T, strict=True))
    assert (knots.y % 2 == 0).all()
    assert (column["longitudinal_translation"] > 0).all()
    assert (column["meridinal_translation_imag"] > 0).all()
    np.testing.assert_allclose(column["short_geodesic_real_part"], 2 * column["injectivity_radius"], rtol=1e-5)


def test_least_squares_line_on_the_slope_is_right_for_85_percent():
    knots = load_knots()
    column = dict(zip(knots.feature_names, knots.X.T, strict=True))
    real, imag = column["meridinal_translation_real"], column["meridinal_translation_imag"]
    slope = column["longitudinal_translation"] * real / (real**2 + imag**2)
    gradient, offset = np.polyfit(slope, knots.y, 1)
    rounded = 2 * np.round((gradient * slope + offset) / 2)
    assert abs(gradient - 0.432) < 0.003
    assert abs(np.mean(rounded == knots.y) - 0.85) < 0.01


def test_the_two_readers_agree():
    knots = load_knots()
    with knots_path() as path:
        table = read_table(path)
    assert np.array_equal(np.stack([table.columns[name] for name in KNOT_FEATURES], axis=1), knots.X)
    assert np.array_equal(table.columns["signature"], knots.y)
    assert np.array_equal(table.columns["group"], knots.group)


def test_rows_are_different_knots():
    with knots_path() as path:
        names = read_table(path).columns["name"]
    assert len(set(names)) == 8000


def test_provenance_lies_beside_the_table():
    with knots_path() as path:
        text = (path.parent / "PROVENANCE.md").read_text(encoding="utf-8")
        header = read_table(path).names
    for name in header:
        assert f"`{name}`" in text
    assert "licence" in text
