"""Relations that were put into a table are found, with the columns they relate; none where there is none."""

import math

import numpy as np
import pytest
import torch

from edgewise.datasets import load_knots
from edgewise.errors import InputError
from edgewise.interpret.dependence.additive_relations import (
    bound_together,
    relations,
    subsets_of,
    train_networks,
)


def toy(rows=1000):
    """Liu et al., section 4.2: x3 = exp(sin(pi x1) + x2^2), x5 = x4^3, x6 free."""
    x = 2 * torch.rand(rows, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    x[:, 2] = (torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2).exp()
    x[:, 4] = x[:, 3] ** 3
    return x


@pytest.mark.slow
def test_the_default_dtype_of_the_caller_does_not_matter():
    values = torch.randn(50, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    options = {"seeds": 2, "steps": 3, "sparsity": 0.01, "columns": 1.0}
    coef = []
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            coef.append(train_networks(values, **options, generator=torch.Generator().manual_seed(1)))
        finally:
            torch.set_default_dtype(torch.float32)
    assert torch.equal(*coef)


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


def test_given_columns_are_tested_together():
    x = toy()
    whole = bound_together(x, (2, 0, 1))
    assert whole.inputs == (0, 1, 2) and whole.looseness < 1e-3 and whole.p_value < 1e-10
    free = bound_together(x, (0, 5))
    assert free is None or free.p_value > 0.01
    with pytest.raises(InputError, match="inputs must be two or more different columns of 6"):
        bound_together(x, (1, 1))


@pytest.mark.slow
def test_no_relation_in_unrelated_columns():
    x = torch.randn(600, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    result = relations(x, seeds=5, steps=50)
    assert result.relations == ()
    assert result.sentences == (f"No relation stands out from chance among {result.tests:,} tests.",)


@pytest.mark.slow
def test_relations_of_the_knot_table():
    knots = load_knots()
    x, names = np.column_stack([knots.X, knots.y]), [*knots.feature_names, "signature"]
    found = {tuple(names[i] for i in one.inputs): one for one in relations(x[:3000], names=names, seeds=0).relations}
    exact = [
        ("hyperbolic_adjoint_torsion_degree", "hyperbolic_torsion_degree"),
        ("injectivity_radius", "short_geodesic_real_part"),
        ("cusp_volume", "longitudinal_translation", "meridinal_translation_imag"),
    ]
    assert [found[columns].looseness < 1e-3 for columns in exact] == [True] * 3
    assert found["meridinal_translation_real", "signature"].looseness < 0.06
    assert all(one.p_value < 1e-6 for one in found.values())


def test_constant_columns_and_outliers_are_harmless():
    x = toy(300)
    x[0, 3], x[0, 4] = 1e6, 1e6
    x = torch.cat([x, torch.full((300, 1), 3.0, dtype=torch.float64)], 1)
    result = relations(x, seeds=0)
    assert {one.inputs for one in result.relations} == {(3, 4), (0, 1, 2)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"x": torch.zeros(10, 3)}, "N at least 50"),
        ({"names": ["a"]}, "names must hold 6 names"),
        ({"seeds": -1}, "seeds must be"),
    ],
)
def test_bad_arguments_are_refused(settings, message):
    arguments = {"x": toy(100)} | settings
    with pytest.raises(InputError, match=message):
        relations(arguments.pop("x"), **arguments)


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


@pytest.mark.slow
def test_networks_bind_the_columns_of_a_relation():
    a, b, free = normal(400, 3).unbind(1)
    values = torch.stack([a, -a, b, b, free], 1)[..., None]
    values = (values - values.mean(0)) / values.std(0, correction=0)
    settings = {"seeds": 12, "steps": 200, "sparsity": 0.01, "columns": 0.6}
    coef = train_networks(values, **settings, generator=torch.Generator().manual_seed(0))
    assert coef.shape == (12, 5, 1)
    subsets = [set(subsets_of((values * own).sum(2))) for own in coef]
    assert all(one <= {(0, 1), (2, 3)} for one in subsets)
    assert any((0, 1) in one for one in subsets) and any((2, 3) in one for one in subsets)
    again = train_networks(values, **settings, generator=torch.Generator().manual_seed(0))
    assert torch.equal(coef, again)
