"""Quasiperiodic chains: known spectra, dimensions at their extremes, edges that get sharper with size."""

import numpy as np
import pytest

from edgewise_experiments.data.anderson import CHAINS, GOLDEN, fractal_dimension


def test_dimensions_of_a_site_and_of_a_plane_wave():
    assert fractal_dimension(np.eye(50)[:, :3]) == pytest.approx([0, 0, 0])
    assert fractal_dimension(np.full((50, 1), 3.0)) == pytest.approx([1])


def test_without_a_potential_the_spectrum_is_that_of_a_free_chain():
    energies, dimensions = CHAINS["GAAM"].states(100, (0.0, 0.3), 0.0)
    free = 2 * np.cos(np.pi * np.arange(1, 101) / 101)
    np.testing.assert_allclose(energies, np.sort(free), atol=1e-12)
    assert dimensions.min() > 0.9


@pytest.mark.parametrize(("name", "parameters"), [("Mosaic", (1.3,)), ("GAAM", (0.8, 0.4)), ("MAAM", (1.5, 1.2))])
def test_the_hamiltonian_is_that_of_the_definition(name, parameters):
    """Built entry by entry from the definition; its spectrum is the same."""
    size, phase = 30, 0.7
    matrix = np.zeros((size, size))
    for n in range(1, size + 1):
        cosine = np.cos(2 * np.pi * n * GOLDEN + phase)
        for m in range(1, size + 1):
            apart = abs(n - m)
            if name == "MAAM":
                matrix[n - 1, m - 1] = np.exp(parameters[1]) * np.exp(-parameters[1] * apart) if apart else 0.0
            else:
                matrix[n - 1, m - 1] = float(apart == 1)
        matrix[n - 1, n - 1] = {
            "Mosaic": parameters[0] * cosine * (n % 2 == 0),
            "GAAM": 2 * parameters[0] * cosine / (1 - parameters[-1] * cosine),
            "MAAM": parameters[0] * cosine,
        }[name]
    energies, _ = CHAINS[name].states(size, parameters, phase)
    np.testing.assert_allclose(energies, np.linalg.eigvalsh(matrix), atol=1e-11)


def test_the_aubry_andre_model_localises_at_once():
    """GAAM with alpha = 0: all states extended below lambda = 1, all localised above (self-duality)."""
    for strength, extended in ((0.6, True), (1.6, False)):
        _, dimensions = CHAINS["GAAM"].states(233, (strength, 0.0), 0.3)
        assert ((dimensions > 0.5) == extended).mean() > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_exact_edges_get_sharper_with_size(name):
    chain, shares = CHAINS[name], []
    for size in (55, 377):
        x, dimension = chain.samples(size, 12, size, 0)
        shares.append(((dimension < 0.5) == (chain.edge(*x.T) > 0)).mean())
    assert shares[1] > max(shares[0], 0.97)


def test_samples_are_seeded():
    first, again, other = (CHAINS["GAAM"].samples(34, 3, 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].shape == (15, 3) and first[1].shape == (15,)
