"""Curve models by least squares: known sums and ratios come first, and refinement removes the bias of noise."""

import numpy as np
import pytest

from edgewise.discovery.curves.curve_models import CurveModelFitter
from edgewise.discovery.curves.features import Feature
from edgewise.discovery.least_squares.links import possible_links
from edgewise.formulas.expression import Variable


def points(count, low=0.5, high=1.5, rows=600):
    return np.random.default_rng(0).uniform(low, high, (rows, count))


def used(model):
    return sorted(sorted(f.inputs) for f in (*model.numerator, *model.denominator))


def test_sums_under_a_link():
    x = points(2)
    y = np.exp(np.sin(3 * x[:, 0]) + x[:, 1] ** 2)
    found = {link.name: CurveModelFitter(x, y, [0, 1], 8).sums(link, 2) for link in possible_links(y)}
    best = min((s for each in found.values() for s in each), key=lambda s: s.error)
    assert best.link.name == "exp"
    assert used(best) == [[0], [1]]
    assert best.error < 1e-3


def test_ratios():
    x = points(2)
    y = (1 + x[:, 0] * x[:, 1]) / (1 + x[:, 0] ** 3)
    best = min(CurveModelFitter(x, y, [0, 1], 8).ratios(3), key=lambda s: s.error)
    assert best.error < 1e-3
    assert best.denominator


def test_refinement_improves_ratios_with_noise():
    x = points(2, rows=4000)
    clean = (1 + x[:, 0] ** 2) / (1 + x[:, 1] ** 3)
    y = clean + 0.5 * clean.std() * np.random.default_rng(3).normal(size=4000)
    fitter = CurveModelFitter(x, y, [0, 1], 4)
    best = min(fitter.ratios(3), key=lambda each: each.criterion)
    refined = fitter.refined(best)

    def wrong(model):
        value = (model.offset + model.curves[0]) / (1 + sum(model.curves[1:]))
        return float(np.sqrt(np.mean((value - clean) ** 2)) / clean.std())

    assert used(best) == [[0], [1]]
    assert wrong(refined) < 0.7 * wrong(best)


def test_values_beyond_the_range_of_a_link_are_noise():
    x = points(2, -1, 1, rows=1000)
    clean = np.tanh(3 * (x[:, 0] ** 2 + x[:, 1] - 0.5))
    y = clean + 0.01 * np.random.default_rng(1).normal(size=1000)
    link = next(link for link in possible_links(y) if link.name == "tanh")
    fitter = CurveModelFitter(x, y, [0, 1], 8)
    best = min((fitter.refined(each) for each in fitter.sums(link, 2)), key=lambda each: each.criterion)
    assert used(best) == [[0], [1]]
    assert best.error < 0.03


def test_a_factor_is_taken_out():
    x = points(3, -1, 1)
    y = x[:, 0] / (2 + x[:, 1] + np.sin(3 * x[:, 2]))
    factor = Feature(Variable(0), frozenset((0,)), x[:, 0])
    fitter = CurveModelFitter(x, y, [1, 2], 8, factor=factor)
    link = next(link for link in possible_links(fitter.y) if link.name == "1/")
    best = min(fitter.sums(link, 2), key=lambda each: each.criterion)
    assert used(best) == [[1], [2]]
    assert best.error < 0.01
    assert best.factor is factor


def test_many_alike_inputs_share_a_curve():
    x = points(60, -1, 1, rows=600)
    y = (np.arange(1, 61) / 30 * np.cos(3 * x)).sum(1)
    alone, alike = CurveModelFitter(x, y, range(60), 1).sums(next(possible_links(y)), 60)
    assert alike.error < 1e-3 < 0.05 * alone.error


@pytest.mark.parametrize("rows", [100, 101])
def test_size_and_criterion_of_a_sum(rows):
    x = points(2, rows=rows)
    (first, *_) = CurveModelFitter(x, x[:, 0] + x[:, 1], [0, 1], 4).sums(next(possible_links(x[:, 0])), 1)
    assert first.size == 4  # the sum of both inputs
    assert first.criterion < -8


def test_features_that_are_right_only_together():
    x = points(5, -1, 1, rows=800)
    x[:, [1, 3]] = 0.5 + 0.25 * x[:, [1, 3]]
    x[:, [2, 4]] = -0.75 + 0.25 * x[:, [2, 4]]
    y = (x[:, 0] - 1) ** 2 + (x[:, 1] - x[:, 2]) ** 2 + (x[:, 3] - x[:, 4]) ** 2
    best = min(CurveModelFitter(x, y, range(5), 8).sums(next(possible_links(y)), 5), key=lambda each: each.criterion)
    assert used(best) == [[0], [1, 2], [3, 4]]
    assert best.error < 1e-4
