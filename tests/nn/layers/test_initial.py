"""Initial weights follow their laws, come from the seed alone, and mean the same in every dtype."""

import re

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.layers.initial import initial_weights, seeded_generator, sparse_mask
from edgewise.nn.model import KAN


def draw(inputs, n, outputs, init, seed=0):
    return initial_weights(inputs, n, outputs, init=init, generator=seeded_generator(seed))


@pytest.mark.parametrize(("inputs", "n"), [(3, 8), (40, 8), (5, 53)])
def test_power_law(inputs, n):
    """sigma = (inputs (n + 1))^-alpha: alpha 1 for splines, 1/4 for bases (Rigas et al., function fitting)."""
    coef, base = draw(inputs, n, 4000, "power")
    for weight, exponent in ((coef, 1.0), (base, 0.25)):
        expected = (inputs * (n + 1)) ** -exponent
        # 12,000 draws or more: the standard deviation is within 1/sqrt(2 * 12000) = 0.65 % of it (one sigma).
        assert weight.std().item() == pytest.approx(expected, rel=0.03)
        assert abs(weight.mean().item()) < 0.04 * expected
        fourth = (weight / weight.std()).pow(4).mean().item()
        assert fourth == pytest.approx(3, abs=0.2)  # normal; uniform would give 1.8


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 4000), (200, 100)])
def test_scheme_of_the_paper(inputs, outputs):
    coef, base = draw(inputs, 8, outputs, "paper")
    assert coef.std().item() == pytest.approx(0.1, rel=0.03)
    assert base.std().item() == pytest.approx((2 / (inputs + outputs)) ** 0.5, rel=0.03)
    assert abs(coef.mean().item()) < 0.004


@pytest.mark.parametrize("seed", [None, -1, 2**63, 1.0, True, "0"])
def test_bad_seed(seed):
    message = f"seed must be an integer from 0 to 2**63 - 1, got {seed!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        seeded_generator(seed)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4), (1, 5)])
def test_a_sparse_start_links_every_node_to_its_nearest(shape):
    mask = sparse_mask(*shape)
    assert bool(mask.any(0).all() & mask.any(1).all()) and max(shape) <= mask.sum() < sum(shape)
    model = KAN([*shape, 2], init="sparse", seed=0)
    assert torch.equal(model.layers[0].mask, mask.float())
    assert torch.equal(model.layers[0].coef, KAN([*shape, 2], seed=0).layers[0].coef)
