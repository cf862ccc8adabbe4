"""Shifted systems of Radau's method against the whole system of a time element."""

import numpy as np
import pytest
from scipy import sparse

from edgewise.pde.algebra import radau as radau_module
from edgewise.pde.algebra.radau import ShiftedSystems
from edgewise.pde.spaces.axis import TimeAxis


@pytest.mark.parametrize("most_direct", [800, 10], ids=["factors of each eigenvalue", "GMRES"])
def test_shifted_systems_solve_a_time_element(most_direct, monkeypatch):
    monkeypatch.setattr(radau_module, "SETTINGS", radau_module.ShiftSettings(most_direct=most_direct))
    generator, size = np.random.default_rng(0), 20
    stiff, mass = (each @ each.T + size * np.eye(size) for each in generator.normal(size=(2, size, size)))
    systems = ShiftedSystems([sparse.csr_array(stiff), sparse.csr_array(mass)], lambda work: None, is_cut=True)
    rates = TimeAxis(0.0, 0.5, 6).rates(1)
    assert not systems.serves(rates)
    systems.factorise(rates)
    assert systems.serves(rates) and not systems.serves(2 * rates)
    rows = generator.normal(size=(len(rates), size))
    whole = np.kron(np.eye(len(rates)), stiff) + np.kron(rates, mass)
    expected = np.linalg.solve(whole, rows.ravel()).reshape(rows.shape)
    np.testing.assert_allclose(systems.solved(rows), expected, rtol=1e-8)
