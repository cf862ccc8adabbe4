"""Tensor trains against full tables, and cross approximation of functions of known rank."""

import numpy as np
import pytest

from edgewise.pde.tiers.tensor_train.system import Operator
from edgewise.pde.tiers.tensor_train.trains import added, along, crossed, ranks, rounded, size_of

SHAPE = (4, 5, 3, 6)


def full(train):
    table = train[0]
    for core in train[1:]:
        table = np.tensordot(table, core, 1)
    return table[0, ..., 0]


def random_train(rank, seed=0):
    generator, bonds = np.random.default_rng(seed), [1, rank, rank, rank, 1]
    return [generator.standard_normal((bonds[k], n, bonds[k + 1])) for k, n in enumerate(SHAPE)]


def everywhere(shape):
    return np.stack([each.ravel() for each in np.meshgrid(*map(np.arange, shape), indexing="ij")], 1)


def test_sums_products_with_matrices_and_norms_are_those_of_full_tables():
    a, b = random_train(2), random_train(3, 1)
    assert np.allclose(full(added(a, b)), full(a) + full(b))
    tables = [np.random.default_rng(k).standard_normal((2, n)) for k, n in enumerate(SHAPE)]
    assert np.allclose(full(along(a, tables)), np.einsum("ijkl,ai,bj,ck,dl->abcd", full(a), *tables))
    assert size_of(a) == pytest.approx(np.linalg.norm(full(a)))


def test_rounding_finds_the_ranks_and_keeps_to_its_tolerance():
    a = random_train(2)
    twice = rounded(added(a, a), 1e-12)
    assert ranks(twice) == [2, 2, 2]
    assert np.allclose(full(twice), 2 * full(a))
    one = random_train(1)
    assert ranks(rounded(added(one, one), 1e-12)) == [1, 1, 1]
    assert ranks(rounded([0 * core for core in a], 1e-12)) == [1, 1, 1]
    coarse = rounded(random_train(5), 0.3)
    assert np.linalg.norm(full(coarse) - full(random_train(5))) <= 0.3 * size_of(random_train(5))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_rank_of_a_rounded_matrix_is_the_smallest_for_a_relative_tolerance(size):
    """Two cores are a matrix: truncated singular values tell the smallest rank (Eckart and Young)."""
    generator = np.random.default_rng(0)
    u, v = (np.linalg.qr(generator.standard_normal((8, 8)))[0] for _ in range(2))
    values = size * 0.3 ** np.arange(8)
    train = rounded([u[None], (values[:, None] * v)[..., None]], 1e-2)
    smallest = next(r for r in range(8) if np.linalg.norm(values[r:]) <= 1e-2 * np.linalg.norm(values))
    assert ranks(train) == [smallest]


def test_an_operator_is_the_sum_of_its_kronecker_products():
    generator = np.random.default_rng(0)
    shapes = [(4, 4), (5, 5), (3, 3)]
    ones, single = ([generator.standard_normal(shape) for shape in shapes] for _ in range(2))
    bonds = [(1, 2), (2, 3), (3, 1)]
    products = [
        [generator.standard_normal((r, *shape, s)) for (r, s), shape in zip(bonds, shapes, strict=True)]
        for _ in range(2)
    ]
    x = [generator.standard_normal((r, n, s)) for r, (n, _), s in zip((1, 2, 2), shapes, (2, 2, 1), strict=True)]
    matrix = sum(
        np.einsum("ai,bj,ck->abcijk", *(single[k] if k == axis else ones[k] for k in range(3))) for axis in range(3)
    )
    for first, second, third in products:
        matrix = matrix + np.einsum("aip,pbjq,qck->abcijk", first[0], second, third[..., 0])
    image = np.einsum("abcijk,ijk->abc", matrix, full(x))
    np.testing.assert_allclose(full(Operator(ones, single, products)(x)), image, rtol=1e-12, atol=1e-12)


def test_cross_approximation_finds_a_function_of_known_rank():
    lines = [np.linspace(0, 1, n) for n in (9, 8, 7, 10, 6)]

    def table(numbers):
        x = np.stack([line[numbers[:, k]] for k, line in enumerate(lines)], 1)
        return np.sin(x.sum(1)) + 2 * x[:, 0] * x[:, 3]  # ranks 2 + 2 or fewer

    train, error = crossed(table, [len(line) for line in lines], 1e-11, 20)
    assert error < 1e-11
    assert max(ranks(train)) <= 4
    numbers = everywhere([len(line) for line in lines])
    assert np.allclose(full(train).ravel(), table(numbers), atol=1e-10)


def test_cross_approximation_with_too_small_a_rank_says_how_wrong_it_is():
    def table(numbers):
        return 1 / (1 + numbers.sum(1) / 4)

    train, error = crossed(table, (8, 8, 8, 8), 1e-12, 2)
    wanted = table(everywhere((8, 8, 8, 8)))
    true = np.linalg.norm(full(train).ravel() - wanted) / np.linalg.norm(wanted)
    assert true > 1e-6
    assert error == pytest.approx(true, rel=0.5)
