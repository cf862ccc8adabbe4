"""Networks of fields: what each says of its grid, and copies with scaled outputs."""

import pytest
import torch

from edgewise import KAN
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.singular import SingularFunctions
from edgewise.pde.spaces.low_rank import LowRankNetwork
from edgewise.pde.spaces.networks import (
    EnrichedNetwork,
    PeriodicNetwork,
    SeparableNetwork,
    TensorNetwork,
    TimeElementNetwork,
    UncertainNetwork,
    fields_of,
)


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5


def splines(sizes, outputs, begin=0.0, end=1.0):
    lines = [torch.linspace(0.0, 1.0, size + 1, dtype=torch.float64) for size in sizes]
    layer = TensorLayer([begin + (end - begin) * lines[0], *lines[1:]], outputs, degree=3)
    with torch.no_grad():
        layer.coef.copy_(random(*layer.coef.shape))
    return layer


def elements():
    parts = [TensorNetwork(splines((size, 3), 2, size - 2, size - 1)) for size in (2, 3)]
    return TimeElementNetwork(parts, torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 0)


def separable():
    return SeparableNetwork(SeparableLayer(2, 6, grid_size=4, degree=3, domain=(0.0, 1.0), dtype=torch.float64), 2)


def periodic():
    inner = KAN([3, 2], 4, 3, domain=(-1, 1), dtype=torch.float64)
    return PeriodicNetwork(PeriodicLayer(2, {0: (0.0, 1.0)}), inner)


def enriched():
    corner = SingularFunctions(torch.zeros(2, dtype=torch.float64), 0.0, -1.0, 1.0, "1", ((0.5, 0, True),))
    return EnrichedNetwork(splines((2, 3), 1), [corner], torch.tensor([0.7], dtype=torch.float64))


KINDS = {
    "a KAN": (lambda: KAN([2, 3, 2], 4, 3, domain=(0, 1), dtype=torch.float64), (4, 4), "[2, 3, 2], grid 4"),
    "a KAN with products": (
        lambda: KAN([2, (0, 2), 2], 4, 3, domain=(0, 1), dtype=torch.float64),
        (4, 4),
        "[2, 2, 2], products [[2, 2], []], grid 4",
    ),
    "periodic": (periodic, (4,), "[3, 2], grid 4"),
    "separable": (separable, (4,), "rank 3, grid 4"),
    "tensor": (lambda: TensorNetwork(splines((2, 3), 2)), (2, 3), "grid 2 x 3"),
    "enriched": (enriched, (2, 3), "grid 2 x 3"),
    "time elements": (elements, (3, 3), "2 time elements"),
    "low rank": (
        lambda: LowRankNetwork([splines((4,), 2), splines((5,), 2)], (1, 2, 1)),
        (4, 5),
        "ranks 2, grid 4 x 5",
    ),
    "uncertain": (lambda: UncertainNetwork(splines((2, 3), 2), random(60, 4)), (2, 3), "grid 2 x 3"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_knows_its_grid_and_scales_a_copy(kind):
    make, sizes, words = KINDS[kind]
    network = make()
    assert fields_of(network).grid_sizes == sizes
    assert fields_of(network).describe().startswith(words)
    x = random(20, 2) + 0.5
    before = network(x).detach()
    units = torch.tensor([4.0, 0.5], dtype=torch.float64)[: before.shape[1]]
    copied = fields_of(network).scaled(units)
    assert type(copied) is type(network)
    assert torch.allclose(copied(x), before * units, rtol=1e-12)
    assert torch.equal(network(x), before)


def test_standard_errors_have_the_units_of_their_fields():
    network = UncertainNetwork(splines((2, 3), 2), random(60, 4))
    x = random(20, 2) + 0.5
    units = torch.tensor([4.0, 0.5], dtype=torch.float64)
    assert torch.allclose(network.scaled(units).standard_errors(x), network.standard_errors(x) * units, rtol=1e-12)
