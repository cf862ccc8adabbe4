"""Methods that need all samples sum over the batches of a DataLoader, as precisely as over tensors."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.blocks import BatchedData, Data
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems import Classification, Regression


def samples(rows=200):
    x = torch.rand(rows, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, (torch.sin(3 * x[:, 0]) + x[:, 1] ** 2)[:, None]


def fitted(problem, method, penalty=None, width=(2, 2, 1), steps=3):
    model = KAN(list(width), grid_size=3, domain=(0, 1), dtype=torch.float64)
    report = fit(model, problem, method, steps=steps, penalty=penalty)
    return report, torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [None, Ridge(1e-5) + Roughness(1e-6), Sparsity(1e-4)])
@pytest.mark.parametrize(
    "method",
    [
        LevenbergMarquardt(acceleration=False),
        LevenbergMarquardt(acceleration=False, factorised=20),  # conjugate gradients
        LBFGS(),
        SSBroyden(),
    ],
)
def test_a_loader_gives_the_parameters_of_tensors(method, penalty):
    x, y = samples()
    random = torch.get_rng_state()
    loader = DataLoader(TensorDataset(x, y), batch_size=60, shuffle=True)
    report, loaded = fitted(Regression(loader), method, penalty)
    assert torch.equal(torch.get_rng_state(), random)
    plain, whole = fitted(Regression(x, y), method, penalty)
    assert report.steps == plain.steps == 3
    assert report.loss == pytest.approx(plain.loss, rel=1e-9)
    assert torch.allclose(loaded, whole, rtol=1e-9, atol=1e-9)


def test_classes_and_weights_of_a_loader():
    x, y = samples()
    weight = torch.linspace(0.5, 1.5, len(x), dtype=torch.float64)  # of mean 1, as tensors are scaled to
    labels = (y[:, 0] > 1).long()
    tensors = Classification(x, labels, weight=weight)
    loader = DataLoader(TensorDataset(x, labels, weight), batch_size=99)
    reports = []
    for problem in (tensors, Classification(loader, classes=2)):
        reports.append(fitted(problem, LevenbergMarquardt(), width=(2, 2))[1])
    assert torch.allclose(*reports, rtol=1e-9, atol=1e-9)


def test_samples_that_change_between_passes_are_refused():
    x, y = samples(20)
    sizes = iter([20, 20, 15, 15])

    def epoch():
        count = next(sizes)
        yield Data(x[:count], y[:count])

    data = BatchedData.of(Data(x, y), epoch)
    assert sum(share for _, share in data.chunks(1, 6)) == pytest.approx(1.0)
    with pytest.raises(InputError, match="must give the same samples in every pass, got 15 after 20 before"):
        list(data.chunks(1, 7))
    assert data.to(torch.float32).x.dtype == torch.float32
