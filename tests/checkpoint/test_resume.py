"""A fit resumed from a model file ends with the bits of one that was never interrupted."""

import pytest
import torch

from edgewise.checkpoint import Checkpointer, read
from edgewise.errors import FileError
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import Sparsity
from edgewise.train.problems import Regression


def problem(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    x = 2 * torch.rand(60, 2, generator=generator, dtype=dtype) - 1
    return Regression(x, (torch.sin(3 * x[:, :1]) + x[:, 1:] ** 2), validation=0.25, seed=1)


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "settings"),
    [(Adam(lr=1e-2), {"batch_size": 16}), (LevenbergMarquardt(), {"penalty": Sparsity(1e-4)})],
    ids=["minibatches", "levenberg-marquardt"],
)
def test_resumed_equals_uninterrupted(tmp_path, method, settings):
    def fresh():
        return KAN([2, 3, 1], 4, seed=0, dtype=torch.float64)

    settings = settings | {"method": method, "steps": 20, "tolerance": 0.0}
    whole = fresh()
    report = fit(whole, problem(), **settings)
    assert report.steps == 20

    def crash(event):
        if event.step == 10:
            raise RuntimeError("power cut")

    path = tmp_path / "m.safetensors"
    with pytest.raises(RuntimeError, match="power cut"):
        fit(fresh(), problem(), callbacks=[Checkpointer(path, every=7), crash], **settings)
    checkpoint = read(path)
    assert checkpoint.state["step"] == 7
    resumed = checkpoint.model
    assert not same(resumed, whole)
    second = fit(resumed, problem(), resume=checkpoint.state, **settings)
    assert same(resumed, whole)
    assert second.steps == 20
    assert [record.loss for record in second.history] == [record.loss for record in report.history]


def test_an_unwritable_path_ends_the_fit_with_a_sentence(tmp_path):
    with pytest.raises(FileError, match="there is no folder"):
        fit(
            KAN([2, 1], 3),
            problem(torch.float32),
            steps=2,
            callbacks=[Checkpointer(tmp_path / "absent" / "m", every=1)],
        )
