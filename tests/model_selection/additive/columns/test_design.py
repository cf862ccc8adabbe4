"""Columns of additive models: straight lines are lines, chunks do not matter."""

import numpy as np
from scipy.interpolate import BSpline

from edgewise.model_selection.additive import AdditivePolicy, Design, normal_matrix
from edgewise.model_selection.additive.columns.splines import greville


def test_chunks_do_not_change_the_result():
    x = np.random.default_rng(0).random((100, 5))
    y = np.column_stack([np.sin(x.sum(1)), x[:, 0]])
    weight = np.linspace(0, 1, 100)
    sums = []
    for rows in (7, 1000):
        design = Design.from_rows(x, weight, AdditivePolicy(rows_per_chunk=rows)).with_pairs([(0, 1)], x, weight)
        sums.append(normal_matrix(design, x, weight, y))
        columns = design.columns(x)
        np.testing.assert_allclose(sums[-1].gram, columns.T @ (weight[:, None] * columns), atol=1e-9)
    for name in ("gram", "moment", "square"):
        np.testing.assert_allclose(getattr(sums[0], name), getattr(sums[1], name), rtol=1e-9, atol=1e-6)


def test_knot_averages_are_where_straight_lines_are():
    knots = np.sort(np.random.default_rng(0).random(15))
    points = np.linspace(knots[3], knots[-4], 20)
    np.testing.assert_allclose(BSpline(knots, greville(knots), 3)(points), points, atol=1e-12)
