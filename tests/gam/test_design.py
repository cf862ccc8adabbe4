"""Columns of additive models: straight lines are lines, chunks do not matter."""

import numpy as np
import pytest

from edgewise.gam import AdditivePolicy, basis, fit_additive
from edgewise.gam import design as design_module
from edgewise.gam.basis import column_of
from edgewise.gam.building import design_of, with_pairs
from edgewise.gam.normal import normal_matrix
from edgewise.settings import chunks


def test_chunks_do_not_change_the_result(monkeypatch):
    x = np.random.default_rng(0).random((100, 5))
    y = np.column_stack([np.sin(x.sum(1)), x[:, 0]])
    weight = np.linspace(0, 1, 100)
    sums = []
    for rows in (7, 1000):
        monkeypatch.setattr(basis, "chunks", lambda count, rows=rows: chunks(count, 1, rows))
        monkeypatch.setattr(design_module, "chunks", lambda count, _, rows=rows: chunks(count, 1, rows))
        design = with_pairs(design_of(x, weight, AdditivePolicy()), [(0, 1)], x, weight)
        sums.append(normal_matrix(design, x, weight, y, float(len(x))))
        columns = design.columns(x)
        np.testing.assert_allclose(sums[-1].gram, columns.T @ (weight[:, None] * columns), atol=1e-9)
    for name in ("gram", "moment", "square"):
        np.testing.assert_allclose(getattr(sums[0], name), getattr(sums[1], name), rtol=1e-9, atol=1e-6)


def test_a_parabola_takes_few_degrees_of_freedom_and_a_sine_none_of_it():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 1))
    truth = 3 * x[:, 0] ** 2
    noise = 0.3 * rng.standard_normal(300)
    fits = []
    for evidence in (np.inf, AdditivePolicy().bent_evidence):
        model = fit_additive(x, truth + noise, policy=AdditivePolicy(bent_evidence=evidence))
        fits.append((model.fits[0].total_edf, np.mean((model.predict_link(x)[:, 0] - truth) ** 2)))
    assert fits[1][0] < 5 < 7 < fits[0][0] and fits[1][1] < fits[0][1]
    design = design_of(x, np.ones(300))
    assert not design.sizes  # without pairs there are no margins
    own = design.columns(x)[:, design.groups == design.labels.index(("bent", (0,)))][:, 0]
    parabola = np.polynomial.Polynomial.fit(x[:, 0], own, 2)
    np.testing.assert_allclose(parabola(x[:, 0]), own, atol=1e-9)
    assert abs(own @ x[:, 0]) < 1e-8 and own.std() == pytest.approx(1)
    wave = fit_additive(x, np.sin(4 * x[:, 0]) + noise).fits[0]
    assert np.isinf(wave.strength[design.labels.index(("bent", (0,)))])


def test_wiggly_columns_are_counted_by_input_in_falling_order_of_variance():
    x = np.random.default_rng(0).random((200, 3))
    design = design_of(x, np.ones(200))
    variances = design.columns(x).var(0)
    others = np.ones(len(design.groups), bool)
    for own in range(3):
        wiggly = np.flatnonzero(design.groups == design.labels.index(("wiggly", (own,))))
        assert len(wiggly) > 3 and design.ranks[wiggly].tolist() == list(range(len(wiggly)))
        assert variances[wiggly[0]] > 3 * variances[wiggly[-1]]
        others[wiggly] = False
    assert others.any() and not design.ranks[others].any()


def test_rows_far_out_do_not_take_the_knots():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(400)
    plain = column_of(x, np.ones(400), 22, AdditivePolicy()).knots[3:-3]
    far = column_of(np.r_[x, 1e6 * np.arange(1, 6)], np.ones(405), 22, AdditivePolicy()).knots[3:-3]
    assert (far < 5).sum() > 0.85 * (plain < 5).sum()
    uniform = rng.random(400)  # its fences lie beyond its range
    assert np.diff(column_of(uniform, np.ones(400), 22, AdditivePolicy()).knots[3:-3]).max() < 0.1
