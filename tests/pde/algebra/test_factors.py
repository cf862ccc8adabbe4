"""Factors with refinement against numpy's solutions, and systems that are solved beside one with factors."""

import numpy as np
import pytest
from scipy import sparse

from edgewise.pde.algebra.factors import Factors, cell_factors, dense_solver, solved_nearby


@pytest.mark.parametrize("width", [2, 80], ids=["sparse", "dense"])
@pytest.mark.parametrize("factor", [1.0, 1.0 + 2.0j], ids=["real", "complex"])
def test_factors_solve_systems_whose_unknowns_have_many_sizes(width, factor):
    generator, size = np.random.default_rng(width), 80
    band = np.triu(np.tril(generator.normal(size=(size, size)), width), -width) + 20 * np.eye(size)
    sizes = np.geomspace(1e-3, 1e3, size)
    full = factor * sizes[:, None] * band * sizes
    factors = cell_factors(sparse.csr_array(full), np.sqrt(np.abs(full.diagonal())))
    rhs = full @ (generator.normal(size=(size, 3)) / sizes[:, None])
    expected = np.linalg.solve(full, rhs)
    assert factors.is_complex == isinstance(factor, complex)
    np.testing.assert_allclose(factors(rhs), expected, rtol=1e-8)
    np.testing.assert_allclose(factors(rhs[:, 0]), expected[:, 0], rtol=1e-8)


def test_refinement_by_an_exact_product_has_more_digits_than_the_factors():
    """The matrix that is factorised has an error, which steps with the product of the true one remove."""
    generator, size = np.random.default_rng(0), 30
    exact = generator.normal(size=(size, size)) + 10 * np.eye(size)
    near = sparse.csr_array(exact * (1 + 1e-5 * generator.normal(size=(size, size))))
    ones = np.ones(size)
    rhs = generator.normal(size=size)
    errors = [
        np.abs(
            Factors(near, ones, ones, rounds=rounds, product=exact.__matmul__)(rhs) - np.linalg.solve(exact, rhs)
        ).max()
        for rounds in range(3)
    ]
    assert errors[1] < 1e-3 * errors[0] and errors[2] < 1e-3 * errors[1]


def test_dense_factors_solve_rows_of_many_sizes_and_no_singular_matrix():
    matrix = np.geomspace(1e-9, 1e9, 30)[:, None] * np.random.default_rng(0).normal(size=(30, 30))
    solution = np.linspace(1, 2, 30)
    assert np.abs(dense_solver(matrix)(matrix @ solution) - solution).max() < 1e-12
    matrix[:, 3] = 0
    assert dense_solver(matrix) is None


def test_a_singular_matrix_has_no_factors():
    with pytest.raises(np.linalg.LinAlgError):
        Factors(sparse.csr_array((5, 5)), np.ones(5), np.ones(5))


@pytest.mark.parametrize(("factor", "is_found"), [(1.0 + 2.0j, True), (-1.0, False)], ids=["near", "singular"])
def test_systems_beside_one_with_factors(factor, is_found):
    """A complex system by iterations with factors of a real one; none converge where it is singular."""
    generator, size = np.random.default_rng(3), 50
    stiff = generator.normal(size=(size, size))
    stiff, rhs = stiff @ stiff.T + np.eye(size), generator.normal(size=size) + 1j * generator.normal(size=size)
    if not is_found:
        stiff[0] = stiff[:, 0] = 0
        stiff[0, 0] = 1
    matrix = sparse.csr_array(np.eye(size) + stiff)
    near = cell_factors(matrix, np.sqrt(matrix.diagonal()))
    full = factor * np.eye(size) + stiff
    solution, work = solved_nearby(near, lambda vectors: full @ vectors, rhs)
    assert work > 0 and (solution is not None) == is_found
    assert not is_found or np.allclose(solution, np.linalg.solve(full, rhs), rtol=1e-8)
