"""Curve models by least squares: known sums come first, and refinement removes the bias of noise."""

import numpy as np

from edgewise.discovery.curves.curve_models import CurveModelFitter
from edgewise.discovery.least_squares.links import possible_links


def points(count, low=0.5, high=1.5, rows=600):
    return np.random.default_rng(0).uniform(low, high, (rows, count))


def used(model):
    return sorted(sorted(feature.inputs) for feature in model.features)


def test_sums_under_a_link():
    x = points(2)
    y = np.exp(np.sin(3 * x[:, 0]) + x[:, 1] ** 2)
    found = {link.name: CurveModelFitter(x, y, [0, 1], 8).sums(link, 2) for link in possible_links(y)}
    best = min((s for each in found.values() for s in each), key=lambda s: s.error)
    assert best.link.name == "exp"
    assert used(best) == [[0], [1]]
    assert best.error < 1e-3


def test_refinement_removes_the_bias_of_noise_under_a_link():
    x = points(2, rows=4000)
    clean = np.exp(x[:, 0] ** 2 - x[:, 1] ** 3)
    y = np.maximum(clean + 0.3 * clean.std() * np.random.default_rng(3).normal(size=4000), 0.02)
    link = next(link for link in possible_links(y) if link.name == "exp")
    fitter = CurveModelFitter(x, y, [0, 1], 4)
    best = next(each for each in fitter.sums(link, 2) if used(each) == [[0], [1]])

    def wrong(model):
        return float(np.sqrt(np.mean((model.values() - clean) ** 2)) / clean.std())

    assert wrong(fitter.refined(best)) < 0.7 * wrong(best)


def test_values_beyond_the_range_of_a_link_are_noise():
    x = points(2, -1, 1, rows=1000)
    clean = np.tanh(3 * (x[:, 0] ** 2 + x[:, 1] - 0.5))
    y = clean + 0.01 * np.random.default_rng(1).normal(size=1000)
    link = next(link for link in possible_links(y) if link.name == "tanh")
    fitter = CurveModelFitter(x, y, [0, 1], 8)
    best = min((fitter.refined(each) for each in fitter.sums(link, 2)), key=lambda each: each.criterion)
    assert used(best) == [[0], [1]]
    assert best.error < 0.03


def test_many_alike_inputs_share_a_curve():
    x = points(60, -1, 1, rows=600)
    y = (np.arange(1, 61) / 30 * np.cos(3 * x)).sum(1)
    alone, alike = CurveModelFitter(x, y, range(60), 1).sums(next(possible_links(y)), 60)
    assert alike.error < 1e-3 < 0.05 * alone.error


def test_features_that_are_right_only_together():
    x = points(5, -1, 1, rows=800)
    x[:, [1, 3]] = 0.5 + 0.25 * x[:, [1, 3]]
    x[:, [2, 4]] = -0.75 + 0.25 * x[:, [2, 4]]
    y = (x[:, 0] - 1) ** 2 + (x[:, 1] - x[:, 2]) ** 2 + (x[:, 3] - x[:, 4]) ** 2
    best = min(CurveModelFitter(x, y, range(5), 8).sums(next(possible_links(y)), 5), key=lambda each: each.criterion)
    assert used(best) == [[0], [1, 2], [3, 4]]
    assert best.error < 1e-4
