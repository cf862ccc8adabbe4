"""Relations that were put into a table are found, with the columns they relate; none where there is none."""

import math

import pytest
import torch

from edgewise.interpret.dependence.additive_relations import _Candidate, bound_together, relations, subsets_of


def toy(rows=1000):
    """Liu et al., section 4.2: x3 = exp(sin(pi x1) + x2^2), x5 = x4^3, x6 free."""
    x = 2 * torch.rand(rows, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    x[:, 2] = (torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2).exp()
    x[:, 4] = x[:, 3] ** 3
    return x


@pytest.mark.slow
def test_both_relations_of_the_toy_and_nothing_else():
    x = toy()
    result = relations(x, seeds=12, steps=200)
    assert [one.inputs for one in result.relations] == [(3, 4), (0, 1, 2)]
    for one in result.relations:
        assert one.looseness < 1e-3 and one.p_value < 1e-10
        assert 0 < one.seeds <= one.networks <= 12 and one.p_seeds < 0.2
        with torch.no_grad():
            parts = one.model.trace(x[:, list(one.inputs)]).edges[0][:, :, 0]
        assert float(parts.sum(1).var()) < 2e-3 * float(parts.var(0).sum())
        assert abs(float(parts.sum(1).mean())) < 0.02 * float(parts.std(0).sum())
    assert result.sentences[0].startswith("x4, x5: looseness ")


def test_networks_that_saw_the_columns_of_a_relation_are_counted():
    x = toy(200)[:, 3:]  # a number, its cube, and a free one
    result = relations(x, seeds=6, steps=40)
    (one,) = result.relations
    assert one.inputs == (0, 1) and one.looseness < 1e-3 and 0 < one.seeds <= one.networks <= 6
    chance = [math.comb(one.networks, k) * 2 ** (one.networks - k) for k in range(one.seeds, one.networks + 1)]
    assert one.p_seeds == pytest.approx(sum(chance) / 3**one.networks)  # one pair of three is drawn
    assert f"{one.seeds} of {one.networks} networks that saw these columns found it" in result.sentences[0]
    assert relations(x[:, [0, 2]], seeds=0).sentences[0].startswith("No relation stands out from chance among")


def test_given_columns_are_tested_together():
    x = toy()
    whole = bound_together(x, (2, 0, 1))
    assert whole.inputs == (0, 1, 2) and whole.looseness < 1e-3 and whole.p_value < 1e-10
    free = bound_together(x, (0, 5))
    assert free is None or free.p_value > 0.01


def test_constant_columns_and_outliers_are_harmless():
    x = toy(300)
    x[0, 3], x[0, 4] = 1e6, 1e6
    x = torch.cat([x, torch.full((300, 1), 3.0, dtype=torch.float64)], 1)
    result = relations(x, seeds=0)
    assert {one.inputs for one in result.relations} == {(3, 4), (0, 1, 2)}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_sum_of_two_relations_is_taken_apart():
    a, b, c = normal(500, 3).unbind(1)
    parts = torch.stack([a, -a + 0.01 * c, 2 * b, -b, -b, 1e-3 * c], 1)
    assert list(subsets_of(parts)) == [(0, 1), (2, 3, 4)]


@pytest.mark.parametrize(
    "looseness, alike, contained",
    [(0.5, True, False), (0.9, True, True), (0.9, False, False), (9.0, True, True), (9.0, False, True)],
)
def test_a_relation_with_a_column_more_counts_where_it_is_tighter_or_another_one(looseness, alike, contained):
    """Another one: its functions of the common columns are not those of the smaller relation."""
    column = torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own = column - column.mean()
    other = own.square() - own.square().mean() - own * (own**3).mean() / own.square().mean()  # not correlated with it
    small = _Candidate((1,), own, 1.0, own)
    common = own if alike else other
    assert _Candidate((1, 4), own, looseness, torch.cat([common, own], 1)).contains(small) == contained
