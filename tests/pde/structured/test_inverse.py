"""Unknown fields: exact ones are found from noisy values, with the noise and with error bars that cover."""

import numpy as np
import pytest
import torch

from edgewise.checkpoint import load_solution, save_solution
from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde import PDE, Dirichlet, Disk, Initial, Interval, Observations, Time, UnknownField, solve

LINE = Interval(0, 1)
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


@pytest.mark.slow
def test_error_bars_cover():
    """95 % of the domain in the mean over sets of measured values; the standard error of the mean is about 2 %."""
    shares = []
    for seed in range(30):
        solution = solve(rod(seed))
        gap = np.abs(solution(X) - np.stack(exact(X), 1))
        bars = np.stack([solution.standard_error(X, name) for name in ("u", "a")], 1)
        shares.append((gap <= 1.96 * bars).mean(0))
    assert np.abs(np.mean(shares, 0) - 0.95).max() < 0.05


@pytest.mark.slow
def test_less_noise_gives_less_error_and_none_gives_next_to_none():
    errors = []
    for noise in (0.05, 0.005, 0.0):
        a = solve(rod(1, noise))(X)[:, 1]
        errors.append(np.linalg.norm(a - exact(X)[1]) / np.linalg.norm(a))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


@pytest.mark.slow
def test_a_file_keeps_the_error_bars(tmp_path):
    problem = rod(2)
    solution = solve(problem)
    save_solution(solution, tmp_path / "rod.safetensors")
    again = load_solution(tmp_path / "rod.safetensors", problem)
    np.testing.assert_array_equal(again.standard_error(X, "a"), solution.standard_error(X, "a"))


@pytest.mark.slow
def test_a_field_of_space_from_values_over_time():
    """A reaction rate k(x) that does not depend on time, and an unknown start, u_t = -k u."""
    generator = np.random.default_rng(3)
    x = generator.random((400, 2))
    rate = lambda x: 1 + 0.5 * np.cos(3 * x)  # noqa: E731
    measured = np.exp(-rate(x[:, 0]) * x[:, 1]) + 0.01 * generator.standard_normal(400)
    problem = PDE(
        lambda u, k: (u.t + k * u, k.t),
        LINE * Time(0, 1),
        [Observations(x, measured, field="u"), UnknownField("k")],
    )
    assert problem.form.smoothed_fields == ("k", "u")
    solution = solve(problem)
    points = np.stack([np.linspace(0.05, 0.95, 50), np.full(50, 0.5)], 1)
    gap = np.abs(solution(points)[:, 1] - rate(points[:, 0]))
    assert gap.max() < 0.15
    assert (gap < 3 * solution.standard_error(points, "k")).mean() > 0.9


@pytest.mark.slow
def test_a_source_on_a_disk():
    generator = np.random.default_rng(4)
    x = Disk().interior(400, "uniform", 1).numpy()
    measured = (1 - (x**2).sum(1)) / 4 + 0.002 * generator.standard_normal(400)
    problem = PDE(
        lambda u, f: u.xx + u.yy + f, Disk(), [Dirichlet({"u": 0.0}), Observations(x, measured, "u"), UnknownField("f")]
    )
    values = solve(problem)(x[:50])[:, 1]
    assert np.abs(values - 1).mean() < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PDE(equation, LINE, [Dirichlet({"u": 0.0}), UnknownField("a")]), "^UnknownField needs Observations"),
        (
            lambda: PDE(lambda u, x: u.x - x, LINE, [Observations(X[:, None], X), UnknownField("b")]),
            "^UnknownField must name a field of u, got 'b'$",
        ),
        (
            lambda: PDE(
                equation,
                LINE,
                [Dirichlet({"u": 0.0}, hard=True), Observations(X[:, None], X, "u"), UnknownField("a")],
            ),
            "^UnknownField needs conditions that are not hard",
        ),
        (
            lambda: solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-3).standard_error([[0.5]]),
            "^standard errors of",
        ),
    ],
)
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()
