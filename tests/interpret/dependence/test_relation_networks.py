"""Networks trained side by side find the columns that are bound, and sums of relations are taken apart."""

import torch

from edgewise.interpret.dependence.additive_relations import subsets_of, train_networks


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_sum_of_two_relations_is_taken_apart():
    a, b, c = normal(500, 3).unbind(1)
    parts = torch.stack([a, -a + 0.01 * c, 2 * b, -b, -b, 1e-3 * c], 1)
    assert list(subsets_of(parts)) == [(0, 1), (2, 3, 4)]


def test_unrelated_and_lone_columns_are_no_relation():
    assert list(subsets_of(normal(500, 3))) == []
    lone = torch.zeros(100, 3, dtype=torch.float64)
    lone[:, 1] = normal(100)
    assert list(subsets_of(lone)) == []
    assert list(subsets_of(torch.zeros(10, 2, dtype=torch.float64))) == []


def test_networks_bind_the_columns_of_a_relation():
    a, b, free = normal(400, 3).unbind(1)
    values = torch.stack([a, -a, b, b, free], 1)[..., None]
    values = (values - values.mean(0)) / values.std(0, correction=0)
    settings = {"seeds": 12, "steps": 200, "sparsity": 0.01, "columns": 0.6}
    coef = train_networks(values, **settings, generator=torch.Generator().manual_seed(0))
    assert coef.shape == (12, 5, 1)
    found = [set(subsets_of((values * own).sum(2))) for own in coef]
    assert all(subsets <= {(0, 1), (2, 3)} for subsets in found)
    assert any((0, 1) in subsets for subsets in found) and any((2, 3) in subsets for subsets in found)
    again = train_networks(values, **settings, generator=torch.Generator().manual_seed(0))
    assert torch.equal(coef, again)
