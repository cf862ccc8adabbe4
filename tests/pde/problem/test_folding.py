"""Parts between planes, folded onto one box: points, and exact solutions beside thin layers and jumps."""

import math

import pytest
import torch

from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Neumann,
    Time,
    diffusion,
    laplacian,
    solve,
)
from edgewise.pde.problem.folding import folded_form, folding_of
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.spaces.networks import FoldedNetwork

LINE = Interval(0, 1)
where = torch.where


def layered(*planes, domain=LINE, conditions=()):
    """u = 0 at both ends of x, with interfaces at planes."""
    return PDE(lambda u, x: u.xx + x, domain, [Dirichlet(0.0, on=["x=0", "x=1"]), *map(Interface, planes), *conditions])


def test_points_of_a_part_go_and_come_back():
    folding = folding_of(layered("x=0.7", "x=0.3").form)
    assert folding.cuts == (0.0, 0.3, 0.7, 1.0)
    for place, (low, high) in enumerate([(0.0, 0.3), (0.3, 0.7), (0.7, 1.0)]):
        x = torch.linspace(low, high, 11, dtype=torch.float64)[:, None]
        folded = folding.folded(x, place)
        assert folded.min() == pytest.approx(0) and folded.max() == pytest.approx(1)
        assert torch.allclose(folding.unfolded(folded, place), x)
    # Both sides of a plane are the same face.
    plane = torch.tensor([[0.3]], dtype=torch.float64)
    assert folding.folded(plane, 0) == pytest.approx(folding.folded(plane, 1).numpy())


def test_a_thin_part_of_a_square_is_one():
    conditions = [Dirichlet(0.0), Interface("x=0.4"), Interface("x=0.40001")]
    form = PDE(lambda u: laplacian(u), Box(x=(0, 1), y=(0, 1)), conditions).form
    assert form.parts.count == 3 and folding_of(form).cuts == (0.0, 0.4, 0.40001, 1.0)


@pytest.mark.parametrize("other", ["y=0.5", Disk(0.1, (0.8, 0.5))], ids=["across", "circle"])
def test_other_interfaces_are_not_folded(other):
    conditions = [Dirichlet(0.0), Interface("x=0.5"), Interface(other)]
    form = PDE(lambda u: laplacian(u), Box(x=(0, 1), y=(0, 1)), conditions).form
    assert folding_of(form) is None


def test_conditions_hold_on_the_faces_of_the_parts():
    square = layered("x=0.3", "x=0.7", domain=Box(x=(0, 1), y=(0, 1)), conditions=[Neumann(0.0, on=["y=0", "y=1"])])
    form = folded_form(square.form, folding_of(square.form))
    counts = {(term.label, *term.pieces): len(term.requirements.sizes) for term in form.condition_terms}
    assert counts == {
        ("Dirichlet", "x=0"): 1,
        ("Dirichlet", "x=1"): 1,
        ("Interface", "x=1"): 2,
        ("Interface", "x=0"): 2,
        ("Neumann", "y=0", "y=1"): 3,
    }


def test_derivatives_of_a_folded_network_are_those_of_its_values():
    problem = layered("x=0.3")
    network = FoldedNetwork(tensor_network(problem, 4, 5), folding_of(problem.form))
    for parameter in network.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.tensor([[0.1], [0.29], [0.31], [0.8]], dtype=torch.float64, requires_grad=True)
    jet = network.jet(x.detach(), torch.eye(1, dtype=torch.float64), 1)
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    assert torch.allclose(jet[1].sum(1), slope[:, 0])
    right, left = range(2)  # the part inside of an interface comes last
    assert jet[0, 0, right] == 0 == jet[0, 3, left]  # an output is nothing outside of its part


@pytest.mark.slow
def test_a_thin_load_between_planes():
    """A load of mass 1 on a width of 1e-4: least squares on a grid of both ends saw nothing of it."""
    at, width = 0.6123, 1e-4
    planes = (f"x={at - width / 2}", f"x={at + width / 2}")

    def load(x):
        return where((x - at).abs() < width / 2, 1 / width, 0.0)

    solution = solve(PDE(lambda u, x: u.xx + load(x), LINE, [Dirichlet(0.0), *map(Interface, planes)]))
    assert solution([[0.3]])[0, 0] == pytest.approx((1 - at) * 0.3, rel=1e-9)
    assert solution([[at]])[0, 0] == pytest.approx(at * (1 - at) - width / 8, rel=1e-9)
    assert solution.error_estimate < 1e-9


@pytest.mark.slow
def test_heat_through_two_layers():
    """The lowest mode of k = 1 | 4, of which cos(w/2) sin(w/4) + 2 sin(w/2) cos(w/4) = 0."""
    w = 3.8212663866
    for _ in range(5):  # Newton's method
        slope = -math.sin(w / 2) * math.sin(w / 4) * 1.0 + 1.25 * math.cos(w / 2) * math.cos(w / 4)
        w -= (math.cos(w / 2) * math.sin(w / 4) + 2 * math.sin(w / 2) * math.cos(w / 4)) / slope
    factor = math.sin(w / 2) / math.sin(w / 4)

    def mode(x):
        return where(x < 0.5, torch.sin(w * x), factor * torch.sin(w * (1 - x) / 2))

    def k(x):
        return where(x < 0.5, 1.0, 4.0)

    conditions = [Dirichlet(0.0), Interface("x=0.5"), Initial(mode)]
    solution = solve(PDE(lambda u: u.t - diffusion(u, k), LINE * Time(0, 0.1), conditions))
    for place in (0.2, 0.8):
        exact = math.exp(-0.1 * w**2) * float(mode(torch.tensor(place, dtype=torch.float64)))
        assert solution([[place, 0.1]])[0, 0] == pytest.approx(exact, rel=1e-9)
