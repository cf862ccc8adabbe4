"""Sums over batches give the estimate that all rows in memory give, with the design of a sample."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from edgewise.model_selection.additive import Constraints, FamilySolver, fit_additive, irls, refined, solve_gaussian
from edgewise.model_selection.additive.families import Bernoulli, Gamma, LogNormal, Poisson
from edgewise.model_selection.additive.normal import normal_matrix
from edgewise.model_selection.additive.solving import estimate

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
    solution, passes, _ = refined(before, total_of(x, y, weight), weight.sum())
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
    before = FamilySolver(kind()).solve(design, x[few], y[few, None], weight[few], None)
    solution, passes, converged = refined(before, total_of(x, y, weight), weight.sum())
    assert converged and passes < 10
    whole = irls(solution.design, x, y, weight, before.family, solution, factor=1.0)  # with these strengths
    eta = solution.design.link(solution.coef, x)[:, 0]
    shift = whole.family.shift - before.family.shift if kind is LogNormal else 0.0
    assert np.abs(whole.eta - shift - eta).max() < 1e-4 * np.ptp(eta)
    assert np.abs(before.design.link(before.coef, x)[:, 0] - eta).max() > 0.02 * np.ptp(eta)


def test_strengths_are_multiplied():
    rng, x, eta, weight = table()
    y = eta + rng.normal(size=N)
    design = fit_additive(x[:SAMPLE], y[:SAMPLE], pairs=()).design
    before = solve_gaussian(design, x[:SAMPLE], y[:SAMPLE, None], weight[:SAMPLE], None)
    plain, strong = (
        refined(before, total_of(x, y[:, None], weight), weight.sum(), factor=f)[0].fits[0] for f in (1.0, 16.0)
    )
    finite = np.isfinite(plain.strength)
    assert np.allclose(strong.strength[finite], 16 * plain.strength[finite])
    assert strong.total_edf < plain.total_edf
