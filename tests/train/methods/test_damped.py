"""Damped systems in either space solve what they say."""

import pytest
import torch

from edgewise.train.jacobian.matrix_free import damping_scale
from edgewise.train.methods.levenberg_marquardt import ParameterSystem, SampleSystem

G = torch.Generator().manual_seed(0)
ROWS = torch.randn(6, 20, generator=G, dtype=torch.float64)
RESIDUALS = torch.randn(6, generator=G, dtype=torch.float64)


@pytest.mark.parametrize("mu", [1e-6, 1e-2, 10.0])
def test_both_spaces_agree(mu):
    samples = SampleSystem(ROWS, RESIDUALS)
    undefined = 1e9 * torch.ones(20, 20).tril(-1)
    matrix = (ROWS.mT @ ROWS).triu() + undefined
    parameters = ParameterSystem(ROWS.mT @ RESIDUALS, matrix, samples.scale, RESIDUALS, lambda w: ROWS.mT @ w)
    damped = ROWS.mT @ ROWS + mu * torch.diag(samples.scale)
    expected = torch.linalg.solve(damped, -ROWS.mT @ RESIDUALS)
    other = torch.linspace(-1, 1, 6, dtype=torch.float64)
    for system in (samples, parameters):
        move, predicted, correct = system.solve(mu)
        close = {"rtol": 1e-12 / min(mu, 1e-4), "atol": 1e-9}
        assert torch.allclose(correct(other), torch.linalg.solve(damped, -ROWS.mT @ other), **close)
        model = -float(ROWS.mT @ RESIDUALS @ move) - 0.5 * float((ROWS @ move).square().sum())
        assert predicted == pytest.approx(model, rel=1e-6)
        assert torch.allclose(move, expected, **close)
        assert torch.allclose(system.gradient, ROWS.mT @ RESIDUALS, rtol=1e-13)


def test_an_indefinite_matrix_is_told():
    system = ParameterSystem(torch.ones(2), torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.ones(2))
    assert system.solve(1e-3) is None
    assert system.solve(10.0) is not None


def test_no_parameter_goes_undamped():
    assert bool((damping_scale(torch.tensor([0.0, 1.0]), torch.tensor(0.5)) > 0).all())
    assert bool((damping_scale(torch.zeros(3), torch.tensor(0.0)) > 0).all())
