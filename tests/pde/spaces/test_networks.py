"""Networks of fields: what each says of its grid, and copies with scaled outputs."""

import pytest
import torch
from tests.pde.networks import enriched, shaken, time_elements, train, uncertain
from tests.plot.solutions import heat

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Periodic, Time
from edgewise.pde.solver.network import network_for, separable_network, tensor_network
from edgewise.pde.spaces.networks import fields_of

WALLS = Dirichlet(dict.fromkeys("uv", 0.0))


def pair(walls=WALLS):
    start = Initial(dict.fromkeys("uv", 0.0))
    return PDE(lambda u, v: (u.t - u.xx, v.t - v.xx), Interval(0, 2) * Time(0, 3), [start, walls], points=50)


def ring():
    return pair(Periodic("x"))


KINDS = {
    "a KAN": (pair, lambda problem: network_for(problem, (3,), 4, 5, 0), (4, 4), "[2, 3, 2], grid 4"),
    "a KAN with products": (
        pair,
        lambda problem: network_for(problem, ((1, 2),), 4, 5, 0),
        (4, 4),
        "[2, 3, 2], products [[2, 2], []], grid 4",
    ),
    "periodic": (ring, lambda problem: network_for(problem, (3,), 4, 5, 0), (4, 4), "[3, 3, 2], grid 4"),
    "separable": (pair, lambda problem: separable_network(problem, 3, 4, 5, 0), (4,), "rank 3, grid 4"),
    "tensor": (pair, lambda problem: tensor_network(problem, 4, 5), (4, 4), "grid 4 x 4"),
    "enriched": (heat, enriched, (4, 4), "grid 4 x 4"),
    "time elements": (pair, time_elements, (6, 6), "2 time elements"),
    "low rank": (heat, train, (4, 4), "ranks 2, grid 4 x 4"),
    "uncertain": (pair, uncertain, (4, 4), "grid 4 x 4"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_knows_its_grid_and_scales_a_copy(kind):
    problem, make, sizes, words = KINDS[kind]
    problem = problem()
    network = shaken(make(problem))
    assert fields_of(network).grid_sizes == sizes
    assert fields_of(network).describe().startswith(words)
    x = problem.domain.interior(20)
    before = network(x).detach()
    units = torch.tensor([4.0, 0.5], dtype=torch.float64)[: before.shape[1]]
    copied = fields_of(network).scaled(units)
    assert type(copied) is type(network)
    assert torch.allclose(copied(x), before * units, rtol=1e-12)
    assert torch.equal(network(x), before)


def test_standard_errors_have_the_units_of_their_fields():
    problem = pair()
    network = uncertain(problem)
    x = problem.domain.interior(20)
    units = torch.tensor([4.0, 0.5], dtype=torch.float64)
    assert torch.allclose(network.scaled(units).standard_errors(x), network.standard_errors(x) * units, rtol=1e-12)


@pytest.mark.parametrize("kind", ["a KAN", "separable"])
def test_larger_networks_hold_the_same_function(kind):
    problem, make, _, _ = KINDS[kind]
    problem = problem()
    network = shaken(make(problem))
    x, directions = problem.domain.interior(50), torch.eye(2, dtype=torch.float64)
    jet = network.jet(x, directions, 3)
    candidates = fields_of(network).larger(0)
    assert candidates
    for larger in candidates:
        assert fields_of(larger).describe() != fields_of(network).describe()
        assert torch.allclose(larger.jet(x, directions, 3), jet, rtol=1e-9, atol=1e-9)
