"""Laws by least squares: exact forms under links, few terms under noise, and a series that is no law."""

import numpy as np
import pytest

from edgewise.discovery.engine.archive import Archive
from edgewise.discovery.least_squares.laws import least_squares_laws, products_of_powers
from edgewise.discovery.least_squares.sparse import eliminated
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.printing import as_text
from edgewise.outcomes import Budget


def problem_of(function, inputs, low=1.0, high=2.0, noise=0.0):
    random = np.random.default_rng(3)
    x = random.uniform(low, high, (200, inputs))
    y = function(*x.T)
    y = y + noise * y.std() * random.normal(size=len(y))
    return LawProblem(x[:140], y[:140], x[140:], y[140:], tuple("abcd"[:inputs]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda a, b, c: 3 * a**2 * np.sqrt(b) / c, 3),
        (lambda a: 1 + a + a**5, 1),
        (lambda a, b: a / (a + b), 2),
        (lambda a, b: np.sqrt(a**2 + 2 * b**2), 2),
        (lambda a, b: np.exp(-a * b), 2),
        (lambda a, b: np.log(1 + a * b), 2),
        (lambda a, b: np.sin(a) + np.sqrt(b), 2),
    ],
)
def test_exact_laws(function, inputs):
    problem = problem_of(function, inputs)
    archive = Archive(problem)
    for law in least_squares_laws(problem, Budget()):
        archive.judge(law, "least squares")
        if archive.solved:
            break
    assert archive.solved is not None


def test_a_monomial_takes_one_fit():
    problem = problem_of(lambda a, b, c: 3 * a**2 * np.sqrt(b) / c, 3)
    archive = Archive(problem)
    archive.judge(next(least_squares_laws(problem, Budget())), "least squares")
    assert archive.solved is not None


def test_elimination_agrees_with_dense_least_squares():
    random = np.random.default_rng(0)
    matrix, weight = random.normal(size=(80, 6)), random.uniform(0.5, 2, 80)
    target = matrix @ [1.0, 0, -2, 0, 0, 3] + 0.1 * random.normal(size=80)
    fits = eliminated(matrix, target, weight)
    for fit in fits:
        root = np.sqrt(weight)[:, None]
        dense = np.linalg.lstsq(matrix[:, fit.places] * root, target * root[:, 0], rcond=None)[0]
        np.testing.assert_allclose(fit.coefficients, dense, rtol=1e-9)
    assert sorted(min(fits, key=lambda fit: fit.criterion).places) == [0, 2, 5]


@pytest.mark.parametrize(
    ("exponent", "noise", "printed"),
    [(1.852, 0.0, "1.852"), (1.852, 0.005, "1.85"), (2.0, 0.02, "2"), (1 / 3, 0.0, "(1/3)"), (11 / 6, 0.0, "(11/6)")],
)
def test_an_exponent_is_a_fraction_only_where_rows_exclude_its_neighbours(exponent, noise, printed):
    random = np.random.default_rng(0)
    x = random.uniform(1, 5, (300, 1))
    y = 3.1 * x[:, 0] ** exponent
    y = y + noise * np.std(y) * random.normal(size=300)
    (law,) = products_of_powers(LawProblem(x[:200], y[:200], x[200:], y[200:], ("a",)))
    assert f"a**{printed}" in as_text(law, "a")
    assert (exponent == 11 / 6) == ("(11/6)" in as_text(law, "a"))
