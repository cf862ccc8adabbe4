"""Functions of known structure: separable parts, interacting inputs, and symmetries."""

import math

import numpy as np
import pytest
import torch

from edgewise.interpret.dependence.separability import interactions, structure


def points(columns, rows=300, seed=0):
    return 0.5 + 1.5 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm(x):
    return ((x[:, 0] - x[:, 1]) ** 2 + (x[:, 2] - x[:, 3]) ** 2 + 0.01).sqrt()


def gravity(x):
    return x[:, 0] * x[:, 1] / ((x[:, 2] - x[:, 3]) ** 2 + 1)


@pytest.mark.parametrize(
    ("function", "columns", "additive", "multiplicative", "general"),
    [
        (lambda x: x[:, 0] * x[:, 1] + x[:, 2], 3, ((0, 1), (2,)), ((0, 1, 2),), ((0, 1), (2,))),
        (lambda x: (x[:, 0].sin() + x[:, 1] ** 2).exp(), 2, ((0, 1),), ((0,), (1,)), ((0,), (1,))),
        (norm, 4, ((0, 1, 2, 3),), ((0, 1, 2, 3),), ((0, 1), (2, 3))),
        (lambda x: (x[:, 0] / x[:, 1] + x[:, 2]).tanh(), 3, ((0, 1, 2),), ((0, 1, 2),), ((0, 1), (2,))),
        (gravity, 4, ((0, 1, 2, 3),), ((0,), (1,), (2, 3)), ((0,), (1,), (2, 3))),
        (lambda x: x[:, 0].sin() + x[:, 2] ** 2, 3, ((0,), (1,), (2,)), ((0, 2), (1,)), ((0,), (2,))),
    ],
    ids=["product and sum", "exp of sum", "distance", "tanh of sum", "gravity", "sum"],
)
def test_separability(function, columns, additive, multiplicative, general):
    result = structure(function, points(columns))
    assert result.additive == additive
    assert result.multiplicative == multiplicative
    assert result.general == general


@pytest.mark.parametrize(
    ("function", "sentences"),
    [
        (gravity, ("y depends on x1 and x2 and x3 - x4", "y/(x1*x2) depends on x3 and x4")),
        (lambda x: (x[:, 0] - x[:, 1] + x[:, 2]).tanh() * x[:, 3], ("y depends on x1 - x2 + x3 and x4",)),
        (lambda x: x[:, 0] * (-x[:, 1] / x[:, 0]).exp() + x[:, 2], ("y/x1 depends on x2/x1 and x3/x1",)),
        (lambda x: x[:, 0] * x[:, 1] ** 2 / x[:, 3].sqrt(), ("y*sqrt(x4)/(x1*x2**2) is constant",)),
        (lambda x: x[:, 0] + (x[:, 1] * x[:, 2]).sin() + x[:, 2] ** 2 + x[:, 3].exp(), ()),
        (lambda x: x[:, 0].exp() * x[:, 1].sin() + x[:, 2] * x[:, 3] ** 2 * x[:, 0] + x[:, 2], ()),
    ],
    ids=["gravity", "three in a sum", "homogeneous", "monomial", "none in a sum", "none"],
)
@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_fewer_inputs_by_translations_and_scalings(function, sentences, noise):
    def noisy(x):
        return function(x) + noise * (3 * x[:, 0] - 5 * x[:, 1] + 4 * x[:, 2] + 7 * x[:, 3]).sin()

    found = structure(noisy, points(4), noise=noise).fewer_inputs
    for sentence in sentences:
        assert sentence in found
    assert found if sentences else not found


def test_an_offset_is_taken_off_a_product():
    result = structure(lambda x: x[:, 0].exp() * x[:, 1].sin() * x[:, 2] + 5, points(3))
    assert result.multiplicative == ((0,), (1,), (2,))
    assert result.offset == pytest.approx(5, rel=1e-8)
    assert "after subtracting 5." in " ".join(result.sentences)


def offset_product(x):
    return 2 + (x[:, 0] + x[:, 1] ** 2 + 0.3).sin() * (x[:, 2] * x[:, 3] + x[:, 2]).exp()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: offset_product(x) + x[:, 0] * x[:, 2] ** 2 / 1000,  # nearly
        lambda x: offset_product(x) + x[:, 2] * x[:, 3],  # what is added depends on two of the inputs
        lambda x: 2 + x.sum(1) ** 2 - x.square().sum(1),
        lambda x: 2 + x[:, 0] * x[:, 1] * x[:, 2] + x[:, 0] * x[:, 1] * x[:, 3] ** 2 + x[:, 2] * x[:, 3],
    ],
    ids=["nearly", "another term", "all pairs", "two triples"],
)
def test_no_product_is_claimed_where_there_is_none(function):
    result = structure(function, points(4) - 1)
    assert result.multiplicative == ((0, 1, 2, 3),)


def test_a_function_without_structure_has_none():
    result = structure(lambda x: (x[:, 0] * x[:, 1]).sin() + (x[:, 0] + x[:, 1] ** 2).cos(), points(2))
    assert result.additive == result.multiplicative == result.general == ((0, 1),)
    assert result.symmetries == ()


def test_interactions_are_shares_of_variation():
    x = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], (4000, 3)))
    scores = interactions(lambda x: 100 * x[:, 0] * x[:, 1] + 7, x, rows=4000)
    assert float(scores[0, 1]) == pytest.approx(1, abs=0.05)
    assert float(scores[0, 2]) == float(scores[1, 2]) == 0
    mixed = interactions(lambda x: x[:, 0] * x[:, 1] + x[:, 2], x, rows=4000)
    assert float(mixed[0, 1]) == pytest.approx(math.sqrt(0.5), abs=0.05)


def test_noise_neither_hides_nor_adds_structure():
    generator = torch.Generator().manual_seed(3)
    w = 4 * torch.randn(4, 20, generator=generator, dtype=torch.float64)

    def fitted(x):
        return gravity(x) + 1e-3 * (x @ w).sin().sum(1) / math.sqrt(10)

    result = structure(fitted, points(4), noise=1e-3)
    assert result.multiplicative == ((0,), (1,), (2, 3))
    combinations = {(s.kind, s.inputs): s.coefficient for s in result.symmetries}
    assert combinations["product", (0, 1)] == pytest.approx(1, abs=0.02)
    assert combinations["sum", (2, 3)] == pytest.approx(-1, abs=0.02)
    assert set(combinations) <= {("product", (0, 1)), ("sum", (2, 3)), ("general", (0, 2, 3)), ("general", (1, 2, 3))}
    assert structure(fitted, points(4)).symmetries == ()  # without noise stated, errors count as structure
