"""Unknown fields: exact ones are found from noisy values, with the noise and with error bars that cover."""

import numpy as np
import pytest
import torch
from tests.night import at_night

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde import (
    PDE,
    Dirichlet,
    Interval,
    Observations,
    UnknownField,
    solve,
)
from edgewise.pde.tiers import unknown_fields
from edgewise.pde.tiers.strengths import EVERY, LOG_FACTORS, averaged_over_strengths

LINE = Interval(0, 1)
NOT_FINITE = torch.full((2, 2), torch.nan, dtype=torch.float64)
X = np.linspace(0, 1, 150)


def exact(x):
    """u and a with (a u')' = -f and f of `source`: u = sin(pi x), a = 1 + x^2 / 2."""
    return np.sin(np.pi * x), 1 + x**2 / 2


def equation(u, a, x):
    source = torch.pi**2 * torch.sin(torch.pi * x) * (1 + x**2 / 2) - torch.pi * x * torch.cos(torch.pi * x)
    return a.x * u.x + a * u.xx + source


def rod(seed, noise=0.01):
    measured = exact(X)[0] + noise * np.random.default_rng(seed).standard_normal(len(X))
    return PDE(
        equation, LINE, [Dirichlet({"u": 0.0}), Observations(X[:, None], measured, field="u"), UnknownField("a")]
    )


def source(level, values, noise=0.005, seed=0):
    """u'' + 2 - level + a = 0 with u = x (1 - x), so that a is the level everywhere, and the places of its values."""
    x = np.linspace(0, 1, values + 2)[1:-1]
    measured = x * (1 - x) + noise * np.random.default_rng(seed).standard_normal(values)
    conditions = [Dirichlet({"u": 0.0}), Observations(x[:, None], measured, field="u"), UnknownField("a")]
    return PDE(lambda u, a: u.xx + 2 - level + a, LINE, conditions), x


@pytest.mark.slow
def test_a_straight_field_has_the_error_of_a_straight_line():
    """Least squares for a = p + q x, whose u is p x (1 - x) / 2 + q x (1 - x^2) / 6, is the witness."""
    for seed in (0, 1):
        problem, x = source(0.0, 60, seed=seed)
        solution, points = solve(problem), np.linspace(0.1, 0.9, 9)
        rows = np.stack([x * (1 - x) / 2, x * (1 - x**2) / 6], 1)
        ahead = np.stack([np.ones(9), points], 1)
        least = 0.005 * np.sqrt(np.einsum("ij,jk,ik->i", ahead, np.linalg.inv(rows.T @ rows), ahead))
        errors = solution.standard_error(points, "a")
        assert (errors > 0.7 * least).all()
        assert (np.abs(solution(points)[:, 1]) < 4 * errors).all()
    np.testing.assert_allclose(errors, solve(source(2.0, 60, seed=1)[0]).standard_error(points, "a"), rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seed", "is_doubted"), [*at_night((0.6, 0, False)), (1.2, 1, True)])
def test_error_bars_of_a_nonlinear_problem_follow_the_likelihood(noise, seed, is_doubted):
    """u = a^3 x (1 - x): least squares for the amplitude, a normal number, gives the likelihood of a exactly."""
    x = np.linspace(0, 1, 62)[1:-1]
    rows = x * (1 - x)
    measured = rows + noise * np.random.default_rng(seed).standard_normal(60)
    conditions = [Dirichlet({"u": 0.0}), Observations(x[:, None], measured, field="u"), UnknownField("a")]
    solution = solve(PDE(lambda u, a: (u.xx + 2 * a**3, a.x), LINE, conditions))
    amplitude = rows @ measured / (rows @ rows)
    spread = np.sqrt(((measured - amplitude * rows) ** 2).sum() / 59 / (rows @ rows))
    a = np.cbrt(amplitude)
    linear = spread / (3 * a**2)
    falls = [abs((a + side * linear) ** 3 - amplitude) / spread for side in (-2, 2)]
    assert f"the likelihood falls as at {falls[0]:.2g} and {falls[1]:.2g} of them" in solution.trust
    assert solution.trust.startswith("Not to be trusted") == is_doubted == (min(falls) < 1)
    np.testing.assert_allclose(solution.standard_error([[0.5]], "a"), linear * 2 / min(falls), rtol=0.01)


def test_a_matrix_that_is_not_finite_is_a_sentence(monkeypatch):
    monkeypatch.setattr(unknown_fields._Smoothing, "_likeliest", lambda self, *_: unknown_fields._factor_of(NOT_FINITE))
    with pytest.raises(InputError, match=r"^the equation and its derivatives by the fields must be finite"):
        solve(rod(0), budget=1e-3)


def test_the_time_limit_ends_the_first_grid(counted_seconds):
    """With one step of each kind, which the progress counts."""
    reports = []
    solution = solve(source(0.0, 60)[0], time_limit=1e-6, progress=reports.append)
    assert solution.stopped is StopReason.TIME_LIMIT
    assert len(reports) <= 6
    assert "had settled" in solution.trust
    assert np.isfinite(solution([[0.3]])).all()


def test_control_c_on_the_first_grid_keeps_its_last_step():
    def interrupt(event):
        count.append(event)
        if len(count) == 8:
            raise KeyboardInterrupt

    count = []
    solution = solve(source(0.0, 60)[0], progress=interrupt, on_interrupt="keep")
    assert solution.stopped is StopReason.INTERRUPTED
    assert solution.trust.startswith("Not to be trusted")
    count.clear()
    with pytest.raises(KeyboardInterrupt):
        solve(source(0.0, 60)[0], progress=interrupt)


@pytest.mark.slow
def test_a_conductivity_is_found_with_its_error():
    solution = solve(rod(0))
    u, a = solution(X).T
    assert solution.stopped is StopReason.CONVERGED
    assert np.abs(u - exact(X)[0]).max() < 0.01
    assert np.linalg.norm(a - exact(X)[1]) < 0.03 * np.linalg.norm(a)
    errors = solution.standard_error(X, "a")
    assert (errors > 0).all() and errors.shape == X.shape
    assert "a noise of 0.0" in solution.trust
    size = np.sqrt((u**2).sum() + (a**2).sum())
    bars = np.sqrt((errors**2).sum() + (solution.standard_error(X, "u") ** 2).sum())
    assert solution.error_estimate == pytest.approx(bars / size, rel=0.3)


@pytest.mark.nightly
def test_error_bars_cover():
    """95 % of the domain in the mean over sets of measured values; the standard error of the mean is about 3 %."""
    shares = []
    for seed in range(12):
        solution = solve(rod(seed))
        gap = np.abs(solution(X) - np.stack(exact(X), 1))
        bars = np.stack([solution.standard_error(X, name) for name in ("u", "a")], 1)
        shares.append((gap <= 1.96 * bars).mean(0))
    assert np.abs(np.mean(shares, 0) - 0.95).max() < 0.07


def test_the_mean_over_strengths_is_that_of_all_smoothings():
    """Each strength by itself is the witness: its solution, its covariance and its restricted likelihood."""
    generator = np.random.default_rng(7)
    rows, data = generator.standard_normal((30, 9)), 2 * generator.standard_normal(30)
    differences = np.diff(np.eye(9), 2, axis=0)
    smooth = 5.0 * differences.T @ differences
    whole = rows.T @ rows + smooth
    best = np.linalg.solve(whole, rows.T @ data)
    held = torch.full((len(LOG_FACTORS[::EVERY]),), 7.0, dtype=torch.float64)
    half = np.linalg.cholesky(whole)
    mean, root = averaged_over_strengths(*map(torch.from_numpy, (best, half, smooth)), held)
    solutions, covariances, logs = [], [], []
    for factor in LOG_FACTORS.exp().tolist():
        covariance = np.linalg.inv(rows.T @ rows + factor * smooth)
        solution = covariance @ rows.T @ data
        deviations = ((data - rows @ solution) ** 2).sum() + factor * solution @ smooth @ solution
        likelihood = (7 * np.log(factor) + np.linalg.slogdet(covariance)[1] - deviations) / 2
        logs.append(likelihood - np.log(factor) / 2)
        solutions.append(solution)
        covariances.append(covariance)
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    wanted = weights @ np.array(solutions)
    apart = np.array(solutions) - wanted
    spread = np.einsum("k,kij->ij", weights, covariances) + apart.T @ np.diag(weights) @ apart
    np.testing.assert_allclose(mean, wanted, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(root @ root.mT, spread, rtol=1e-7, atol=1e-10)
    assert (weights > 0.05).sum() > 2
