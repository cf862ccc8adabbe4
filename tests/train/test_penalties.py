"""Penalties against numpy and quadrature, and their curvature against autograd."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.penalties import Ridge, Roughness, Sparsity, edge_magnitudes


def samples(n=40, dtype=torch.float64):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


def by_hand(trace, l1, entropy):
    """The KAN paper's regularisation, section 2.5.1, written out in numpy."""
    total = 0.0
    for edges in trace.edges:
        size = np.abs(edges.detach().numpy()).mean(0).ravel()
        norm = size.sum()
        share = size[size > 0] / norm
        total += l1 * norm - entropy * (share * np.log(share)).sum()
    return total


@pytest.mark.parametrize(("l1", "entropy"), [(1.0, 1.0), (2.0, 0.0), (0.0, 3.0)])
def test_sparsity_is_the_papers(l1, entropy):
    model = KAN([2, 3, 1], dtype=torch.float64)
    trace = model.trace(samples())
    value = float(Sparsity(0.5, l1=l1, entropy=entropy).value(model, trace).detach())
    assert value == pytest.approx(0.5 * by_hand(trace, l1, entropy), rel=1e-12)


@pytest.mark.parametrize("keep", ["some", "none"])
def test_sparsity_of_zero_edges_is_finite_with_finite_gradient(keep):
    model = KAN([2, 3, 1], dtype=torch.float64)
    for layer in model.layers:
        layer.mask.zero_()
        if keep == "some":
            layer.mask[0] = 1
    trace = model.trace(samples())
    value = Sparsity(1.0).value(model, trace)
    value.backward()
    assert float(value.detach()) == pytest.approx(by_hand(trace, 1, 1) if keep == "some" else 0.0, rel=1e-12)
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())


def test_magnitudes_with_weights_count_rows():
    model = KAN([2, 3, 1], dtype=torch.float64)
    x = samples(3)
    weighted = edge_magnitudes(model.trace(x), torch.tensor([1.5, 0.75, 0.75], dtype=torch.float64))
    repeated = edge_magnitudes(model.trace(x[[0, 0, 1, 2]]))
    for a, b in zip(weighted, repeated, strict=True):
        assert torch.allclose(a, b, rtol=1e-13)


def test_roughness_is_the_integral_over_a_unit_domain():
    model = KAN([1, 2], grid_size=4, domain=(-1, 3), dtype=torch.float64)
    model.layers[0].mask[0, 1] = 0
    value = float(Roughness(0.1).value(model).detach())
    layer = model.layers[0]
    spline = BSpline(layer.knots[0].numpy(), layer.coef[0, :, 0].detach().numpy(), 3)
    t = (np.arange(200_000) + 0.5) / 200_000
    second = spline(-1 + 4 * t, 2) * 4**2
    assert value == pytest.approx(0.1 * (second**2).mean(), rel=1e-6)


def test_ridge_leaves_out_biases_masked_edges_and_frozen_parameters():
    model = KAN([2, 3, 1], dtype=torch.float64)
    model.layers[0].mask[0, 0] = 0
    expected = sum(
        (layer.coef.square() * layer.mask[:, None]).sum() + (layer.base.square() * layer.mask).sum()
        for layer in model.layers
    )
    assert torch.allclose(Ridge(2.0).value(model), 2 * expected, rtol=1e-13)
    model.layers[1].coef.requires_grad_(False)
    without = expected - model.layers[1].coef.square().sum()
    assert torch.allclose(Ridge(2.0).value(model), 2 * without, rtol=1e-13)
    bases = sum((layer.base.square() * layer.mask).sum() for layer in model.layers)
    assert torch.allclose(Ridge(1.0, base=False).value(model), without - bases, rtol=1e-13)
    mlp = MLP([2, 3, 1], dtype=torch.float64)
    with torch.no_grad():
        mlp.layers[0].bias.fill_(5)
    assert torch.allclose(Ridge(1.0).value(mlp), sum(layer.weight.square().sum() for layer in mlp.layers))


def test_curvature_of_sparsity_is_that_of_reweighted_least_squares():
    model = KAN([2, 2], 3, dtype=torch.float64)
    x = samples()
    layer, trace = model.layers[0], model.trace(x)
    values = basis(x, layer.knots, layer.degree)
    gram = (torch.einsum("big,bih->igh", values, values) / 40)[:, None].expand(-1, 2, -1, -1)
    size = edge_magnitudes(trace)[0].detach()
    share = size / size.sum()
    entropy = -(share * share.log()).sum()
    slope = 0.5 * (2 - 3 * (share.log() + entropy) / size.sum())  # of weight * (l1 |Phi| + entropy S) by hand
    entries = Sparsity(0.5, l1=2.0, entropy=3.0).bind(model).curvature([size], [{"coef": gram}])
    assert [entry.name for entry in entries] == ["layers.0.coef"]
    expected = (slope.clamp(min=0) / size)[..., None, None] * gram
    assert bool((slope > 0).any())
    assert torch.allclose(entries[0].values, expected, rtol=1e-10)


def test_sums():
    model = KAN([2, 3, 1], dtype=torch.float64)
    trace = model.trace(samples())
    both = Sparsity(0.1) + Roughness(0.2) + Ridge(0.3)
    parts = [Sparsity(0.1).value(model, trace), Roughness(0.2).value(model), Ridge(0.3).value(model)]
    assert both.needs_trace
    assert not (Roughness(0.2) + Ridge(0.3)).needs_trace
    assert torch.allclose(both.value(model, trace), sum(parts), rtol=1e-13)
    assert both.settings()["parts"][1] == {"name": "Ridge", "weight": 0.3, "base": True}
    with pytest.raises(TypeError):
        Sparsity(0.1) + 1.0
