"""Domains from data, and finer grids: the same function to rounding, or with the error that the report names."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.func import hessian, vmap

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.grids import adapt_domain_, data_domain, refine


def points(count, features=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, features, generator=generator, dtype=torch.float64) - 1


def make_model(grid_size=3, dtype=torch.float64, **settings):
    return KAN([2, 3, 1], grid_size, init="paper", dtype=dtype, **settings)


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_multiple_of_the_grid_size_keeps_the_function_to_rounding(degree, parts):
    model = make_model(degree=degree)
    adapt_domain_(model, points(100))
    finer = refine(model, 3 * parts)
    assert finer.config.grid_size == (3 * parts, 3 * parts)
    x = 1.5 * points(200, seed=2)  # beyond the domain too
    assert torch.allclose(finer(x), model(x), rtol=0, atol=1e-13)
    if degree >= 3:
        second = [vmap(hessian(lambda p, m=m: m(p)[0]))(x) for m in (model, finer)]
        assert torch.allclose(*second, rtol=0, atol=1e-10 * second[0].abs().max().item())


def test_refine_returns_a_new_model_with_the_same_settings():
    model = make_model(domain=(-2, 3), base="identity")
    model.layers[0].mask[1, 1] = 0
    model.layers[1].coef.requires_grad_(False)
    state = copy.deepcopy(model.state_dict())
    finer = refine(model, [6, 9])
    assert finer.config == type(model.config)((2, 3, 1), (6, 9), 3, "identity")
    assert torch.equal(finer.layers[0].mask, model.layers[0].mask)
    assert torch.equal(finer.layers[0].domain, model.layers[0].domain)
    assert finer.layers[0].domain_is_set and not finer.layers[1].domain_is_set
    assert finer.layers[0].coef.requires_grad and not finer.layers[1].coef.requires_grad
    with torch.no_grad():
        for parameter in finer.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-9, 1e12])
def test_a_constant_column_gets_an_interval_around_its_value(value):
    low, high = data_domain(torch.full((10, 1), value, dtype=torch.float64))[0].tolist()
    assert low < value < high


@pytest.mark.parametrize("count", [2, 3, 4, 50, 51])
def test_the_fences_are_tukeys(count):
    x = points(count, 3).numpy() ** 9  # heavy tails
    first, third = np.percentile(x, [25, 75], axis=0)
    reach = 3 * (third - first)
    expected = np.stack([np.maximum(x.min(0), first - reach), np.minimum(x.max(0), third + reach)], 1)
    assert np.abs(data_domain(torch.from_numpy(x)).numpy() - expected).max() < 1e-14


@pytest.mark.parametrize("grid_size", [5, 100, 200])
@pytest.mark.parametrize("spread", [0.0, 0.5, 8.0, 20.0, 1e3])
def test_domains_have_room_for_their_intervals_in_float32(spread, grid_size):
    """Numbers near 1e6 are 1/16 apart in float32; knots that coincide would divide by zero."""
    model = KAN([1, 1], grid_size)
    x = 1e6 + spread * torch.linspace(0, 1, 50)[:, None]
    adapt_domain_(model, x)
    assert (model.layers[0].knots.diff() > 0).all()
    assert model(x).isfinite().all()


def test_hidden_domains_hold_the_activations_with_a_margin():
    model = make_model()
    x = points(300)
    adapt_domain_(model, x, margin=0.3)
    hidden = model.trace(x).inputs[1]
    width = hidden.amax(0) - hidden.amin(0)
    expected = torch.stack([hidden.amin(0) - 0.3 * width, hidden.amax(0) + 0.3 * width], 1)
    assert torch.allclose(model.layers[1].domain, expected, rtol=1e-12)
    assert all(layer.domain_is_set for layer in model.layers)


def test_unset_layers_keep_coefficients_and_set_layers_their_function():
    x = points(300)
    fresh = make_model(8)
    before = fresh.layers[0].coef.detach().clone()
    adapt_domain_(fresh, x)
    assert torch.equal(fresh.layers[0].coef, before)

    y = fresh(x)
    adapt_domain_(fresh, x)  # the same data again: the same grids, the same function
    assert torch.allclose(fresh(x), y, rtol=0, atol=1e-12)
    smaller = 0.5 * x  # half the domain and as many knots: a finer grid than before
    y = fresh(smaller)
    adapt_domain_(fresh, smaller)
    assert fresh.layers[0].domain.abs().max() <= 0.5
    assert torch.allclose(fresh(smaller), y, rtol=0, atol=0.1 * y.std().item())


def test_unset_only_leaves_given_domains_alone():
    model = make_model(domain=(-5, 5))
    adapt_domain_(model, points(50), unset_only=True)
    assert model.layers[0].domain.tolist() == [[-5.0, 5.0]] * 2
    assert model.layers[1].domain_is_set


@pytest.mark.parametrize("x", [torch.zeros(0, 2), torch.tensor([[0.0, torch.nan]]), torch.tensor([[0.0, torch.inf]])])
def test_no_domain_from_nothing_or_from_numbers_that_are_none(x):
    message = "^x must hold at least one sample and only finite values to set a domain from$"
    with pytest.raises(InputError, match=message):
        adapt_domain_(make_model(), x.double())


def test_hidden_only_leaves_the_first_layer_alone():
    model = KAN([2, 3, 1], grid_size=6, domain=(-5, 5), seed=2, dtype=torch.float64)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = model.layers[0].knots.clone(), model.layers[0](x)
    adapt_domain_(model, x, hidden_only=True)
    assert torch.equal(model.layers[0].knots, before[0])
    assert torch.equal(model.layers[0](x), before[1])
    hidden, (low, high) = before[1], model.layers[1].domain.unbind(1)
    assert torch.allclose((hidden.amax(0) - hidden.amin(0)) * 1.6, high - low)


def test_knots_at_quantiles_follow_the_values():
    x = points(500).exp().square()
    model = make_model(grid_size=8)
    adapt_domain_(model, x, knots="quantile")
    for layer, values in zip(model.layers, model.trace(x).inputs, strict=True):
        inner = layer.knots[:, 3:-3]
        assert bool((layer.knots.diff(dim=1) > 0).all())
        even = torch.linspace(0, 1, 9, dtype=x.dtype) * (inner[:, -1:] - inner[:, :1]) + inner[:, :1]
        quantiles = torch.quantile(values, torch.arange(1, 8, dtype=x.dtype) / 8, dim=0).T
        assert torch.allclose(inner[:, 1:-1], 0.98 * quantiles + 0.02 * even[:, 1:-1])
        assert bool((inner[:, 0] <= values.amin(0)).all() & (inner[:, -1] >= values.amax(0)).all())
    inside = torch.stack([((x >= low) & (x < high)).sum(0) for low, high in pairwise(model.layers[0].knots[:, 3:-3].T)])
    assert int(inside.min()) > 0.6 * 500 / 8  # even knots leave some intervals nearly empty
    with pytest.raises(InputError, match="knots must be"):
        adapt_domain_(model, x, knots="uneven")


def test_knots_of_equal_error_divide_the_error_of_a_steep_function():
    x = torch.linspace(0, 1, 800, dtype=torch.float64)[:, None]
    y = (x + 1e-3).sqrt()
    fine = torch.linspace(0, 1, 5000, dtype=torch.float64)[:, None]
    model, errors = KAN([1, 1], 16, base="zero", domain=(0, 1), dtype=torch.float64), []
    for knots in ("even", *4 * ["error"]):
        if knots == "error":
            adapt_domain_(model, x, knots=knots)
        # The best spline on these knots by numpy's least squares, not by a method of the library.
        part = model.layers[0]
        rows = basis(x, part.knots, 3).squeeze(1).numpy()
        with torch.no_grad():
            part.coef[0, :, 0] = torch.from_numpy(np.linalg.lstsq(rows, y[:, 0].numpy(), rcond=None)[0])
            errors.append(float((model(fine) - (fine + 1e-3).sqrt()).square().mean().sqrt()))
    assert errors[4] < errors[1] < errors[0] and errors[4] < errors[0] / 10
    assert model.layers[0].domain.tolist() == [[0.0, 1.0]]
    width = model.layers[0].knots[0, 3:-3].diff()
    assert width[0] < width[-1] / 10 and bool((width > 0).all())


def test_hidden_knots_of_equal_error_reach_the_points_that_are_to_be_covered():
    model = make_model(grid_size=8)
    x, cover = points(100), 1.5 * points(50, seed=2)
    adapt_domain_(model, x)
    adapt_domain_(model, x, knots="error", margin=0.0, cover=cover)
    hidden = model.layers[0](torch.cat([x, cover]))
    low, high = model.layers[1].domain.unbind(1)
    assert torch.allclose(hidden.amin(0), low) and torch.allclose(hidden.amax(0), high)
