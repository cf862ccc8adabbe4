"""Products of two curves: found among all pairs, exact after alternating fits, also where both share an input."""

import numpy as np
import pytest

from edgewise.discovery.curves.curve_models import CurveModelFitter, product_models
from edgewise.discovery.least_squares.links import possible_links


def points(count, low=0.5, high=1.5, rows=600):
    return np.random.default_rng(0).uniform(low, high, (rows, count))


@pytest.mark.slow
def test_a_product_beside_a_sum():
    x = points(3)
    y = x[:, 0] + np.sqrt(x[:, 1]) * np.cos(2 * x[:, 2])
    best = product_models(CurveModelFitter(x, y, [0, 1, 2], 8), next(possible_links(y)))[0]
    assert best.error < 1e-3
    assert {tuple(f.inputs) for f in best.product} == {(1,), (2,)}


def test_curves_that_the_coarse_tensor_does_not_resolve():
    x = points(2, -1, 1, rows=1000)
    y = x[:, 0] ** 3 * np.sin(9 * x[:, 1])
    best = product_models(CurveModelFitter(x, y, [0, 1], 8), next(possible_links(y)))[0]
    assert best.error < 5e-3
    p, q = best.curves[-2:]
    sizes = {round(abs(float(np.corrcoef(c, t)[0, 1])), 3) for c, t in ((p, x[:, 0] ** 3), (q, np.sin(9 * x[:, 1])))}
    assert sizes == {1.0}


@pytest.mark.slow
def test_factors_may_share_an_input():
    x = points(2, 0.5, 2.0, rows=1000)
    y = np.sin(x[:, 0] * x[:, 1]) ** 2 / np.sin(x[:, 1]) ** 2
    found = product_models(CurveModelFitter(x, y, [0, 1], 8), next(possible_links(y)))
    assert any(each.error < 0.02 and {len(f.inputs) for f in each.product} == {1, 2} for each in found)


@pytest.mark.slow
def test_under_a_link_with_noise():
    x = points(2, -1, 1, rows=1500)
    clean = np.sqrt(2 + x[:, 0] * np.cos(3 * x[:, 1]))
    y = clean + 0.01 * clean.std() * np.random.default_rng(5).normal(size=1500)
    link = next(link for link in possible_links(y) if link.name == "sqrt")
    best = product_models(CurveModelFitter(x, y, [0, 1], 8), link)[0]
    assert best.error < 0.013
