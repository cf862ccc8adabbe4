"""A network for right-hand sides without a short law, trained through the trajectories and drawn as any other."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from edgewise import find_dynamics
from edgewise.errors import InputError
from edgewise.plot import network_diagram

T = np.linspace(0, 12, 150)


def motor(t, x):
    return [x[1], -np.tanh(3 * x[0]) - 0.2 * x[1] * np.sqrt(np.abs(x[1]))]


@pytest.mark.nightly
def test_a_motion_without_a_short_law_has_a_network():
    first, other = (solve_ivp(motor, (0, 12), s, t_eval=T, rtol=1e-9).y.T for s in ([2, 0], [1.5, 0.5]))
    network = find_dynamics(T, first, time_limit=4).network()
    assert network.model.layers[0].coef.dtype.is_floating_point
    np.testing.assert_allclose(network.forecast(first[0], T).x, first, atol=0.02)
    np.testing.assert_allclose(network.forecast(other[0], T).x, other, atol=0.15)
    assert network_diagram(network.model, network.inputs, names=list(network.names)).axes


@pytest.mark.slow
def test_an_additive_network_of_one_coordinate():
    t = np.linspace(0, 6, 60)
    motion = find_dynamics(t, 1 / (1 + 9 * np.exp(-t)))
    network = motion.network(hidden=0)
    np.testing.assert_allclose(network.forecast([0.3], t).x[:, 0], 0.3 / (0.3 + 0.7 * np.exp(-t)), atol=0.01)
    again = motion.network(hidden=0)
    assert all(a.equal(b) for a, b in zip(network.model.parameters(), again.model.parameters(), strict=True))


def test_a_network_has_no_inputs():
    t = np.linspace(0, 6, 60)
    motion = find_dynamics(t, np.exp(-t), inputs={"F": np.sin(t)})
    with pytest.raises(InputError, match="a network needs a motion of the present state alone"):
        motion.network()
