"""Fits of single edges: exact for what is in the table, free of scale, within domains."""

import numpy as np
import pytest

from edgewise.formulas.curve_fits import edge_fits
from edgewise.nn.elementary import ELEMENTARY


@pytest.mark.parametrize("name", ["sin", "exp", "x^2", "log", "tanh", "sqrt", "J0", "1/x", "arcsin"])
def test_finds_every_kind_and_its_numbers(name):
    import torch

    u = np.random.default_rng(0).uniform(0.1, 0.8, 300)
    value = ELEMENTARY[name].function(torch.from_numpy(1.1 * u)).numpy()
    best = min(edge_fits(u, 0.7 * value - 2), key=lambda found: found.error)
    assert best.error < 1e-8
    inner = torch.from_numpy(best.a * u + best.b)
    again = best.c * ELEMENTARY[best.name].function(inner).numpy() + best.d
    np.testing.assert_allclose(again, 0.7 * value - 2, rtol=1e-7)


def test_scale_and_offset_change_nothing():
    u = np.random.default_rng(0).uniform(-1, 1, 300)
    plain, tiny = edge_fits(u, np.sin(3 * u)), edge_fits(u, 1e-6 * np.sin(3 * u) + 5)
    assert [found.name for found in plain[:1]] == [found.name for found in tiny[:1]] == ["sin"]
    assert tiny[0].c == pytest.approx(1e-6 * plain[0].c, rel=1e-3)


def test_no_function_leaves_its_domain():
    u = np.linspace(-1, 1, 200)
    for found in edge_fits(u, np.abs(u) ** 1.5):
        inner = found.a * u + found.b
        assert ELEMENTARY[found.name].allows(float(inner.min()), float(inner.max()))


def test_a_flat_edge_is_none():
    (found,) = edge_fits(np.linspace(0, 1, 20), np.full(20, 3.0))
    assert (found.name, found.d) == ("0", 3.0)
