"""Points in the unit cube and Gauss-Legendre rules."""

import pytest
import torch

from edgewise.pde.domains.sampling import HOW, unit_points


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_unit_points_fill_the_cube_evenly(how, dimension):
    x = unit_points(1000, dimension, how, seed=4)
    assert len(x) >= 1000
    assert x.dtype == torch.float64
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    assert torch.allclose(x.mean(0), torch.full((dimension,), 0.5, dtype=x.dtype), atol=0.05)
    assert torch.equal(x, unit_points(1000, dimension, how, seed=4))
    if how != "grid":
        assert len(x) == 1000
        assert not torch.equal(x, unit_points(1000, dimension, how, seed=5))


def test_global_randomness_is_left_alone():
    before = torch.random.get_rng_state()
    for how in HOW:
        unit_points(10, 2, how)
    assert torch.equal(torch.random.get_rng_state(), before)
