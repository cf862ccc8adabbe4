"""Matrices that cells sum up, against sums in full, and their factors against numpy's."""

import numpy as np
import pytest

from edgewise.pde.algebra import CellSums, Projection, solved_nearby


@pytest.mark.parametrize("count", [12, 60], ids=["dense", "in bands"])
@pytest.mark.parametrize("fields", [1, 2])
def test_sums_of_blocks_are_those_of_full_matrices(count, fields):
    generator, width = np.random.default_rng(count + fields), 4
    sums, full = CellSums(count, width, fields), np.zeros((count * fields,) * 2)
    single, jumps = CellSums(count, width), np.zeros((count, count))
    for first in range(count - width):
        places, block = first + generator.permutation(width + 1), generator.normal(size=(width + 1,) * 2)
        field, other = generator.integers(fields, size=2)
        sums.add(places, places, block, field, other)
        full[np.ix_(places * fields + field, places * fields + other)] += block
        single.add(places, places, block)
        jumps[np.ix_(places, places)] += block
    sums.add_each(single, 0.5, fields - 1, 0)
    full[fields - 1 :: fields, ::fields] += 0.5 * jumps
    full += 20 * np.eye(len(full))
    sums.values[sums.width if sums.is_banded else np.diag_indices(len(full))] += 20
    x = generator.normal(size=(len(full), 3))
    assert sums.is_banded == (count == 60)
    assert np.allclose(sums @ x, full @ x) and np.allclose(sums.dense(), full)
    both = sums.plus([sums], [1 + 0j, 1j])
    assert np.allclose(both.diagonal(), (1 + 1j) * full.diagonal())
    solver = Projection(both, np.sqrt(np.abs(both.diagonal())), lambda vectors: (1 + 1j) * (full @ vectors))
    assert np.allclose(solver(x.astype(complex)), np.linalg.solve((1 + 1j) * full, x), rtol=1e-10)


@pytest.mark.parametrize(("factor", "is_found"), [(1.0 + 2.0j, True), (-1.0, False)], ids=["near", "singular"])
def test_systems_beside_one_with_factors(factor, is_found):
    """A complex system by iterations with factors of a real one; none converge where it is singular."""
    generator, size = np.random.default_rng(3), 50
    stiff = generator.normal(size=(size, size))
    stiff, rhs = stiff @ stiff.T + np.eye(size), generator.normal(size=size) + 1j * generator.normal(size=size)
    if not is_found:
        stiff[0] = stiff[:, 0] = 0
        stiff[0, 0] = 1
    sums = CellSums(size, size - 1, values=np.eye(size) + stiff)
    near = Projection(sums, np.sqrt(sums.diagonal()), sums.__matmul__)
    full = factor * np.eye(size) + stiff
    solution, work = solved_nearby(near, lambda vectors: full @ vectors, rhs)
    assert work > 0 and (solution is not None) == is_found
    assert not is_found or np.allclose(solution, np.linalg.solve(full, rhs), rtol=1e-8)
