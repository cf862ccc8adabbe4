"""Dense factors against numpy's solutions, ridges that grow or do not, and GMRES from the right."""

import numpy as np
import pytest
import torch
from torch.linalg import LinAlgError

from edgewise.pde.algebra.dense import CholeskyFactor, LeastSquares
from edgewise.pde.algebra.krylov import solved_from_right


def test_a_factor_solves_systems_whose_unknowns_have_many_sizes():
    generator = np.random.default_rng(0)
    sizes = np.geomspace(1e-4, 1e4, 6)
    root = generator.normal(size=(9, 6)) * sizes
    matrix, rhs = root.T @ root, sizes[:, None] * generator.normal(size=(6, 2))
    factor = CholeskyFactor(torch.from_numpy(matrix), 1e-15)
    expected = np.linalg.solve(matrix, rhs)
    np.testing.assert_allclose(factor.solve(torch.from_numpy(rhs)), expected, rtol=1e-9)
    np.testing.assert_allclose(factor.inverse() @ torch.from_numpy(rhs), expected, rtol=1e-6)
    np.testing.assert_allclose(factor.root() @ factor.root().mT, matrix, rtol=1e-12)


def test_a_ridge_grows_until_a_matrix_is_positive_definite_unless_it_is_fixed():
    indefinite = torch.tensor([[1.0, 1.000001], [1.000001, 1.0]], dtype=torch.float64)
    with pytest.raises(LinAlgError, match="not positive definite"):
        CholeskyFactor(indefinite, 1e-12, is_fixed=True)
    assert bool(CholeskyFactor(indefinite, 1e-12).root().isfinite().all())
    with pytest.raises(LinAlgError, match="not finite"):
        CholeskyFactor(torch.nan * indefinite, 1e-12)


def test_least_squares_are_those_of_numpy_and_small_columns_keep_small_unknowns():
    generator = np.random.default_rng(1)
    rows, values = generator.normal(size=(20, 5)), generator.normal(size=20)
    factors = LeastSquares(torch.from_numpy(rows), [3, 2], 1e-13, 0.1)
    expected = np.linalg.lstsq(rows, values, rcond=None)[0]
    np.testing.assert_allclose(factors.solve(torch.from_numpy(values)), expected, rtol=1e-10)
    rows[:, 4] = 1e-15 * rows[:, 3]
    found = LeastSquares(torch.from_numpy(rows), [3, 2], 1e-13, 0.1).solve(torch.from_numpy(values))
    assert abs(float(found[4])) < 1.0


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_gmres_from_the_right_reaches_the_residual_of_the_system(is_complex):
    generator = np.random.default_rng(2)
    matrix = np.diag(np.geomspace(1, 1e4, 40)) + 0.1 * generator.normal(size=(40, 40))
    matrix = matrix + 1j * np.eye(40) if is_complex else matrix
    rhs = generator.normal(size=40) + (0j if is_complex else 0.0)
    scale = 1 / np.diag(matrix)
    solution, products, has_converged = solved_from_right(
        matrix.__matmul__, lambda vector: scale * vector, rhs, 1e-10, 40, 2
    )
    assert has_converged and 0 < products <= 40
    np.testing.assert_allclose(matrix @ solution, rhs, atol=1e-8)
    assert not solved_from_right(matrix.__matmul__, lambda vector: vector, rhs, 1e-10, 2, 1)[2]
