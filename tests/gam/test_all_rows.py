"""Sums over batches give the estimate that all rows in memory give, with the design of a sample."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from edgewise.gam import Constraints, fit_additive
from edgewise.gam.all_rows import NormalSums, SlopeSums, refined
from edgewise.gam.families.categorical import Multinomial
from edgewise.gam.families.exponential import Bernoulli, Gamma, LogNormal, Poisson
from edgewise.gam.irls import fit_irls, solve
from edgewise.gam.normal import normal_matrix
from edgewise.gam.rows import shared_normal
from edgewise.gam.solving import estimate, solve_gaussian

N, SAMPLE = 3000, 800


def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 4))
    x[:, 3] = rng.integers(0, 2, N)  # an input of two values
    eta = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    weight = rng.integers(0, 4, N).astype(float)  # weights of zero too
    return rng, x, eta, weight


def total_of(x, y, weight, parts=5):
    """Sums over parts of uneven length; functions are pickled on the way, as for other processes."""

    def total(function):
        function = pickle.loads(pickle.dumps(function))
        pieces = np.split(np.arange(len(x)), np.sort(np.random.default_rng(1).integers(0, len(x), parts - 1)))
        found = [function(x[piece], y[piece], weight[piece]) for piece in pieces]
        return tuple(sum(arrays) for arrays in zip(*found, strict=True))

    return total


@pytest.mark.parametrize("constraints", [None, Constraints(monotone={0: 1}, bounds=(-3.0, 3.0))])
def test_squared_errors_of_two_targets_in_one_pass(constraints):
    rng, x, eta, weight = table()
    y = np.stack([eta, -eta], 1) + rng.normal(size=(N, 2))
    y = y[:, :1] if constraints is not None else y
    few = slice(0, SAMPLE)
    pairs = [(1, 2)]
    design = fit_additive(x[few], y[few], weight[few], pairs=pairs, constraints=constraints).design
    before = solve_gaussian(design, x[few], y[few], weight[few], None)
    solution, passes, _ = refined(before, total_of(x, y, weight))
    design = replace(design, rows=float(weight.sum()))
    normal = normal_matrix(design, x, weight, y, design.rows)  # the slow twin: dense columns
    assert passes == 1
    for one, other in zip(vars(solution.normal).values(), vars(normal).values(), strict=True):
        assert np.allclose(one, other, rtol=1e-10, atol=1e-9 * np.abs(normal.gram).max())
    for k, fit in enumerate(solution.fits):
        whole = estimate(normal.output(k), design, before.fits[k].strength)
        assert np.allclose(fit.coef, whole.coef, rtol=1e-7, atol=1e-8)
        assert np.allclose(fit.covariance, whole.covariance, rtol=1e-6, atol=1e-10)
    assert np.abs(solution.coef - before.coef).max() > 1e-3  # the other rows have been seen


@pytest.mark.parametrize("kind", [Bernoulli, Poisson, LogNormal, Gamma])
def test_other_losses_come_to_the_optimum_of_all_rows(kind):
    rng, x, eta, weight = table()
    draws = {
        Bernoulli: (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(float),
        Poisson: rng.poisson(np.exp(eta / 2)).astype(float),
        LogNormal: np.exp(eta + rng.normal(size=N)),
        Gamma: rng.gamma(2.0, np.exp(eta / 2)),
    }
    y, few = draws[kind], slice(0, SAMPLE)
    design = fit_additive(x[few], y[few], weight[few], pairs=[(1, 2)]).design
    before = solve(design, x[few], y[few], weight[few], kind())
    solution, passes, converged = refined(before, total_of(x, y, weight))
    assert converged and passes < 10
    whole = fit_irls(solution.design, x, y, weight, before.family, solution, factor=1.0)  # with these strengths
    eta = solution.design.link(solution.coef, x)[:, 0]
    shift = whole.family.shift - before.family.shift if kind is LogNormal else 0.0
    assert np.abs(whole.design.link(whole.coef, x)[:, 0] - shift - eta).max() < 1e-4 * np.ptp(eta)
    assert np.abs(before.design.link(before.coef, x)[:, 0] - eta).max() > 0.02 * np.ptp(eta)


def test_strengths_are_multiplied():
    rng, x, eta, weight = table()
    y = eta + rng.normal(size=N)
    design = fit_additive(x[:SAMPLE], y[:SAMPLE], pairs=()).design
    before = solve_gaussian(design, x[:SAMPLE], y[:SAMPLE, None], weight[:SAMPLE], None)
    plain, strong = (refined(before, total_of(x, y[:, None], weight), factor=f)[0].fits[0] for f in (1.0, 16.0))
    finite = np.isfinite(plain.strength)
    assert np.allclose(strong.strength[finite], 16 * plain.strength[finite])
    assert strong.total_edf < plain.total_edf


def three_classes(rng, x):
    eta = np.stack([np.sin(2 * x[:, 0]), x[:, 1] * x[:, 2], 0 * x[:, 0]], 1)
    return eta, (eta + rng.gumbel(size=(len(x), 3))).argmax(1)


def test_sums_of_several_classes_are_those_of_dense_columns():
    rng, x, _, weight = table()
    _, y = three_classes(rng, x)
    family, few = Multinomial(3), slice(0, SAMPLE)
    design = fit_additive(x[few], y[few].astype(float), weight[few], pairs=[(1, 2)]).design
    coef = rng.normal(size=(len(design.groups), 3)) / 10
    eta = design.columns(x) @ coef
    slow = shared_normal(design, x, y, weight, family, eta)
    total = total_of(x, y, weight)
    sums = NormalSums(design, family, coef)
    matrix, (deviance, *_) = total(sums)
    for one, other in zip(vars(sums.normal(matrix, slow.rows)).values(), vars(slow).values(), strict=True):
        assert np.allclose(one, other, rtol=1e-10, atol=1e-9 * np.abs(slow.gram).max())
    *found, (again,) = total(SlopeSums(design, family, coef))
    slope = SlopeSums(design, family, coef).slope(*found)
    score = family.derivatives(y, eta)[0]
    assert np.allclose(slope, design.columns(x).T @ (weight[:, None] * score), rtol=1e-10, atol=1e-9)
    assert deviance == pytest.approx(weight @ family.deviance(y, eta), rel=1e-12) == again
