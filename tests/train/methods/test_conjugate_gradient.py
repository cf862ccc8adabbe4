"""Conjugate gradients against a direct solution."""

import pytest
import torch

from edgewise.train.jacobian.matrix_free import conjugate_gradient

G = torch.Generator().manual_seed(0)
ROOT = torch.randn(30, 30, generator=G, dtype=torch.float64)
MATRIX = ROOT.mT @ ROOT + torch.eye(30, dtype=torch.float64)
RIGHT = torch.randn(30, generator=G, dtype=torch.float64)


@pytest.mark.parametrize("preconditioned", [False, True])
def test_solves(preconditioned):
    calls = []

    def product(v):
        calls.append(1)
        return MATRIX @ v

    inverse = (
        torch.linalg.inv(MATRIX + torch.eye(30, dtype=torch.float64)) if preconditioned else torch.eye(30).double()
    )
    x, residual = conjugate_gradient(product, RIGHT, lambda r: inverse @ r, tolerance=1e-10, limit=100)
    assert torch.allclose(x, torch.linalg.solve(MATRIX, RIGHT), rtol=1e-7, atol=1e-9)
    assert torch.allclose(residual, RIGHT - MATRIX @ x, atol=1e-9)
    assert len(calls) < (15 if preconditioned else 60)


def test_stops_early_on_the_way_down():
    values = []
    for limit in (0, 1, 3, 10):
        x, _ = conjugate_gradient(lambda v: MATRIX @ v, RIGHT, lambda r: r, tolerance=0.0, limit=limit)
        values.append(float(0.5 * x @ MATRIX @ x - RIGHT @ x))
    assert values == sorted(values, reverse=True)
    assert values[0] == 0
