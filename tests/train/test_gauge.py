"""Hidden grids that follow the activations: what stays the same, and the sentences for other models."""

import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import uniform
from edgewise.train.grids import adapt_domain_, enclose, move_hidden_domains_


def points(count=300, features=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, features, generator=generator, dtype=torch.float64) - 1


def make_model(width=(2, 3, 2, 1), grid_size=6, scale=1.0, **settings):
    """A KAN whose hidden activations are spread by `scale` against their grids."""
    model = KAN(width, grid_size, base="zero", init="paper", dtype=torch.float64, **settings)
    adapt_domain_(model, points())
    with torch.no_grad():
        for layer in list(model.layers)[:-1]:
            layer.coef.mul_(scale)
    return model


def hidden_ranges(model, x):
    trace = model.trace(x)
    return [(h.amin(0), h.amax(0)) for h in trace.inputs[1:]]


def test_a_move_brings_every_hidden_activation_into_its_grid_and_tells_what_it_cost():
    model, x = make_model(scale=3.0), points(seed=2)
    before, first = model(x).detach(), model.layers[0].knots.clone()
    report = move_hidden_domains_(model, x, margin=0.1)
    assert report.outside > 0.2
    after = model(x).detach()
    assert report.change == pytest.approx(float((after - before).square().mean().sqrt()), rel=1e-12)
    assert torch.equal(model.layers[0].knots, first)
    for layer, (low, high) in zip(list(model.layers)[1:2], hidden_ranges(model, x), strict=False):
        assert bool((layer.domain[:, 0] < low).all() & (layer.domain[:, 1] > high).all())


def filled(layer, h):
    """Whether each sample's activations lie in intervals of the grid that the samples fill from end to end."""
    low, high = layer.domain.unbind(1)
    step = (high - low) / layer.grid_size
    first = low + step * torch.ceil((h.amin(0) - low) / step).clamp(min=0)
    last = low + step * torch.floor((h.amax(0) - low) / step).clamp(max=layer.grid_size)
    return ((h >= first) & (h <= last)).all(1)


@pytest.mark.parametrize("scale", [0.4, 1.6])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_enclosing_adds_or_drops_whole_intervals_and_changes_nothing_in_those_that_are_filled(scale, degree):
    model = make_model((2, 3, 1), grid_size=24, degree=degree, scale=scale)
    x = points(seed=2)
    enclosed, report = enclose(model, x)
    low, high = hidden_ranges(model, x)[0]
    domain = enclosed.layers[1].domain
    assert bool((domain[:, 0] <= low).all() & (domain[:, 1] >= high).all())
    old, new = model.layers[1], enclosed.layers[1]
    assert (new.grid_size > old.grid_size) == (scale > 1)
    step = (old.domain[:, 1] - old.domain[:, 0]) / old.grid_size
    assert torch.allclose((new.domain[:, 1] - new.domain[:, 0]) / new.grid_size, step)
    same = filled(old, model.layers[0](x))
    assert 0.3 < same.double().mean() < 1
    assert torch.allclose(enclosed(x)[same], model(x)[same], rtol=0, atol=1e-12)
    assert (report.outside > 0) == (scale > 1)
    assert report.change > 0


def test_beyond_the_samples_the_polynomial_goes_on_where_the_model_will_be_asked():
    """A cubic stays that cubic beyond the old grid, where it had been a straight line."""
    model = KAN([1, 1, 1], 12, base="zero", domain=(-1, 1), dtype=torch.float64)
    x = torch.linspace(-0.8, 0.8, 400, dtype=torch.float64)[:, None]
    cubic = lambda h: h**3 - h  # noqa: E731
    with torch.no_grad():
        for layer, function in zip(model.layers, (lambda h: h, cubic), strict=True):
            layer.knots.copy_(uniform(torch.tensor([[-1.0, 1.0]], dtype=torch.float64), 12, 3))
            layer.domain_is_set.fill_(True)
            nodes = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
            values = basis(nodes, layer.knots, 3)[:, 0]
            layer.coef.copy_(torch.linalg.lstsq(values, function(nodes)).solution[None])
        model.layers[1].coef[0, -2:] += 5  # left over from a coarser grid: no sample reaches these functions' ends
    beyond = torch.tensor([[0.95], [1.0]], dtype=torch.float64)
    assert (model(beyond) - cubic(beyond)).abs().max() > 1
    enclosed, _ = enclose(model, x, cover=beyond)
    assert torch.allclose(enclosed(beyond), cubic(beyond), atol=1e-11)
