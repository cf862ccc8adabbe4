"""Edges and nodes without effect are removed without a change of the function."""

import pytest
import torch

from edgewise.interpret.transform.subnetworks import (
    connected_edges,
    live_edges,
    with_inputs,
    without_dead_nodes,
    without_edges,
)
from edgewise.nn.model import KAN


def sample(rows, columns, seed=0):
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def kan(width=(3, 4, 2), **settings):
    return KAN(list(width), grid_size=4, dtype=torch.float64, seed=3, **settings)


def constant_(layer, i, o, value):
    with torch.no_grad():
        layer.coef[i, :, o] = value
        if layer.base is not None:
            layer.base[i, o] = 0


def test_connected_edges_lie_on_paths_from_inputs_to_outputs():
    masks = [torch.ones(2, 3, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool)]
    masks[0][:, 0] = False  # node 0 is fed by nothing
    masks[1][1] = False  # node 1 leads nowhere
    first, second = connected_edges(masks, [((0,), (1,), (2,)), ((0,), (1,))])
    assert first.tolist() == [[False, False, True]] * 2
    assert second.tolist() == [[False, False], [False, False], [True, True]]


@pytest.mark.parametrize("base", ["silu", "zero"])
def test_constant_edges_go_without_a_change(base):
    model, x = kan(base=base), sample(50, 3)
    constant_(model.layers[0], 1, 2, 0.7)
    constant_(model.layers[1], 3, 0, -0.4)
    keep = [torch.ones(3, 4, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool)]
    keep[0][1, 2] = keep[1][3, 0] = False
    pruned = without_edges(model, keep, x)
    far = 3 * sample(200, 3, seed=1)  # outside the domain too
    torch.testing.assert_close(pruned(far), model(far), rtol=1e-12, atol=1e-12)
    assert pruned.layers[0].mask[1, 2] == 0 and model.layers[0].mask[1, 2] == 1


def test_a_node_that_becomes_constant_passes_its_value_on():
    model, x = kan(), sample(50, 3)
    for i, value in enumerate((0.3, -0.2, 0.5)):
        constant_(model.layers[0], i, 1, value)
    keep = [layer.mask.bool() for layer in model.layers]
    keep[0][:, 1] = False
    pruned, kept = without_dead_nodes(without_edges(model, keep, x))
    assert pruned.config.width == (3, 3, 2)
    assert kept.nodes[1].tolist() == kept.sums[0].tolist() == [0, 2, 3]
    torch.testing.assert_close(pruned(x), model(x), rtol=1e-12, atol=1e-12)


def test_an_output_that_becomes_constant_stays_as_a_constant():
    model, x = kan(), sample(50, 3)
    for i in range(4):
        constant_(model.layers[1], i, 1, 0.5)
    keep = [layer.mask.bool() for layer in model.layers]
    keep[1][:, 1] = False
    pruned = without_edges(model, keep, x)
    torch.testing.assert_close(pruned(x), model(x), rtol=1e-12, atol=1e-12)
    assert int(pruned.layers[1].mask[:, 1].sum()) == 1


def test_an_edge_that_varies_leaves_its_mean():
    model, x = kan((2, 1)), sample(400, 2)
    keep = [torch.tensor([[True], [False]])]
    pruned = without_edges(model, keep, x)
    edges = model.trace(x).edges[0]
    torch.testing.assert_close(pruned(x), edges[:, 0] + edges[:, 1].mean(0))


def test_slicing_keeps_settings_and_the_function_and_touches_nothing():
    model, x = kan(base="identity"), sample(30, 3)
    with torch.no_grad():
        model.layers[0].mask[1] = 0
        model.layers[1].mask[2] = 0
        model.layers[0].domain_is_set.fill_(True)
    model.layers[1].coef.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    smaller, kept = without_dead_nodes(model)
    assert [index.tolist() for index in kept.nodes] == [[0, 2], [0, 1, 3], [0, 1]]
    torch.testing.assert_close(smaller(x[:, [0, 2]]), model(x), rtol=1e-14, atol=1e-14)
    assert smaller.config.base == "identity" and smaller.config.grid_size == (4, 4)
    assert bool(smaller.layers[0].domain_is_set) and not smaller.layers[1].coef.requires_grad
    whole = with_inputs(smaller, kept.nodes[0], model.layers[0])
    torch.testing.assert_close(whole(x), model(x), rtol=1e-14, atol=1e-14)
    assert live_edges(whole)[0][1].sum() == 0 and torch.equal(whole.layers[0].knots, model.layers[0].knots)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def product_kan():
    """Three sums and a product of two and one of three: sums 3, 4 and 5, 6, 7."""
    return KAN([3, 5, 1], grid_size=4, dtype=torch.float64, seed=2, products=[(2, 3), ()])


def test_a_constant_factor_scales_the_others():
    model, x = product_kan(), sample(50, 3)
    for i in range(3):
        constant_(model.layers[0], i, 6, 0.5)
        constant_(model.layers[0], i, 3, -0.4)
    keep = [layer.mask.bool() for layer in model.layers if layer.groups is None]
    keep[0][:, 6] = keep[0][:, 3] = False
    pruned, kept = without_dead_nodes(without_edges(model, keep, x))
    assert pruned.config.products == ((2,), ()) and pruned.config.width == (3, 5, 1)
    assert kept.nodes[1].tolist() == [0, 1, 2, 3, 4] and kept.sums[0].tolist() == [0, 1, 2, 4, 5, 7]
    torch.testing.assert_close(pruned(x), model(x), rtol=1e-11, atol=1e-12)


def test_a_product_that_loses_all_but_one_factor_is_a_plain_node():
    model, x = KAN([2, [1, 1], 1], grid_size=3, dtype=torch.float64, seed=2), sample(50, 2)
    for i in range(2):
        constant_(model.layers[0], i, 1, 0.5)
    keep = [model.layers[0].mask.bool(), model.layers[2].mask.bool()]
    keep[0][:, 1] = False
    pruned, kept = without_dead_nodes(without_edges(model, keep, x))
    assert pruned.config.width == (2, 2, 1) and pruned.config.products == ()
    assert kept.sums[0].tolist() == [0, 2]
    torch.testing.assert_close(pruned(x), model(x), rtol=1e-11, atol=1e-12)


def test_products_without_a_path_to_an_output_are_removed_and_the_others_come_last():
    model, x = product_kan(), sample(50, 3)
    with torch.no_grad():
        model.layers[2].mask[[0, 4]] = 0
        model.layers[0].mask[:, 3] = 0  # a factor that is zero: so is its product
    pruned, kept = without_dead_nodes(without_edges(model, live_edges(model), x))
    assert pruned.config.width == (3, 2, 1) and pruned.config.products == ()
    assert kept.nodes[1].tolist() == [1, 2]
    torch.testing.assert_close(pruned(x), model(x), rtol=1e-12, atol=1e-12)
