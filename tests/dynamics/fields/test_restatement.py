"""Found equations are solved again and give the data back."""

import numpy as np
import pytest

from edgewise.dynamics.fields import find_field_equations


@pytest.mark.nightly
def test_heat_from_data_on_walls():
    t, x = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 6, 80), indexing="ij")
    u = sum(np.exp(-0.2 * k**2 * t) * np.sin(k * x + k) for k in (1, 2, 3))
    found = find_field_equations(t[:, 0], x[0], u)
    comparison = found.solve(tolerance=1e-4)
    assert comparison.relative_errors["u"] < 1e-3
    assert comparison.values["u"].shape == u.shape and comparison.until == 1


@pytest.mark.slow
def test_a_ring_is_recognised():
    x = np.arange(64) * 2 * np.pi / 64
    t = np.linspace(0, 1, 50)
    u = sum(np.exp(-0.1 * k**2 * t[:, None]) * np.cos(k * (x - t[:, None]) + k) for k in (1, 2, 4))
    found = find_field_equations(t, x, u)
    problem = found.problem()
    assert problem.form.periodic == ("x",)
    assert found.problem(periodic=()).form.periodic == ()
    assert found.solve().relative_errors["u"] < 1e-3


@pytest.mark.nightly
def test_waves_of_second_order_start_with_a_rate():
    t, x = np.meshgrid(np.linspace(0, 2, 80), np.linspace(0, 4, 100), indexing="ij")
    u = np.exp(-2 * (x - 1.3 * t - 1.5) ** 2) + 0.6 * np.exp(-3 * (x + 1.3 * t - 2.5) ** 2)
    found = find_field_equations(t[:, 0], x[0], u, order=2)
    assert found.solve().relative_errors["u"] < 1e-2
