"""Training on a device: nothing is left on the CPU by accident, and few numbers are read, since reading waits."""

import pytest
import torch
from tests.night import at_night
from tests.pretend_device import PretendDevice, send

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.settings import FORWARD_CHUNK_NUMBERS
from edgewise.train import (
    Adam,
    Classification,
    LevenbergMarquardt,
    OrdinalClassification,
    Ridge,
    Roughness,
    Sparsity,
    adapt_domain_,
    prediction_uncertainty,
    refine,
)
from edgewise.train.grids import enclose
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.objective import Objective
from edgewise.train.parameters import trainable_slots
from edgewise.train.penalties import Bending
from edgewise.train.remembering import remember


def points(rows=100):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    return x, torch.sin(3 * x[:, :1]) * x[:, 1:]


def model(width=(2, 3, 1)):
    return KAN(list(width), seed=0, dtype=torch.float64)


def reads(method, steps, rows=100, network=model, **options):
    """How many numbers a fit reads, and its report."""
    x, y = points(rows)
    with PretendDevice() as device:
        report = fit(send(network()), Regression(send(x), send(y)), method, steps=steps, **options)
    assert not device.fetched
    return sum(device.reads.values()), report


# A step of Levenberg-Marquardt that is taken at once reads whether the parameters are those of the step before, the
# size of the gradient, the solution's verdict and gain, whether rounding left a step, the correction's, and the loss.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options", "most"),
    [
        (LevenbergMarquardt(), {}, 6),
        *at_night((LevenbergMarquardt(), {"rows": 20}, 6)),  # fewer samples than parameters
        (LevenbergMarquardt(), {"network": lambda: MLP([2, 4, 1], dtype=torch.float64)}, 6),
        *at_night((LevenbergMarquardt(), {"penalty": Ridge(1e-6)}, 8)),
        (LevenbergMarquardt(), {"penalty": Sparsity(1e-6)}, 8),
        *at_night((LevenbergMarquardt(), {"penalty": Roughness(1e-6)}, 8)),
        *at_night((LevenbergMarquardt(), {"penalty": Bending(1e-6)}, 8)),
        (Adam(), {}, 1),
    ],
)
def test_a_step_reads_few_numbers(method, options, most):
    (few, _), (many, report) = (reads(method, steps, **options) for steps in (1, 4))
    assert report.steps == 4
    rejected = 2 * 3  # of a trial that is rejected the next value of the damping is read, twice at most here
    assert few > 0
    assert many - few <= 3 * most + (rejected if most > 1 else 0)


@pytest.mark.slow
def test_sums_over_chunks_wait_for_nothing():
    x, y = points(200)
    with PretendDevice() as device:
        network, problem = send(model()), Regression(send(x), send(y))
        slots = trainable_slots(network, problem)
        source = RowSource(network, problem, slots, chunk_numbers=4000)
        assert len(list(source.chunks())) > 5
        device.reads.clear()
        normal = source.normal_equations()
        normal.pull(normal.residuals)
        assert not device.reads
        objective = Objective(network, problem, numbers=FORWARD_CHUNK_NUMBERS // 20)
        losses = [objective.evaluate(problem.train).total, objective.backward(problem.train).total]
        assert sum(device.reads.values()) == 2
    assert not device.sent
    assert not device.fetched
    here = Objective(model(), Regression(x, y), numbers=FORWARD_CHUNK_NUMBERS // 20)
    assert losses == [here.evaluate(here.problem.train).total, here.backward(here.problem.train).total]


@pytest.mark.parametrize(
    "action",
    [
        lambda x, y: model()(x),
        lambda x, y: send(model())(x.requires_grad_()).sum().backward(),
        lambda x, y: send(model()).jet(x, torch.eye(2, dtype=torch.float64), order=2),
        lambda x, y: send(model()).trace(x),
        lambda x, y: refine(send(model()), 10),
        lambda x, y: adapt_domain_(send(model()), x, knots="quantile"),
        lambda x, y: enclose(send(model()), x),
        lambda x, y: prediction_uncertainty(send(model()), Regression(x, y).train),
        lambda x, y: remember(send(model()), Regression(x, y)),
        lambda x, y: fit(send(model((2, [2, 1], 1))), Regression(x, y, validation=0.2), Adam(), steps=2, batch_size=32),
        lambda x, y: fit(send(model((2, 2))), Classification(x, (y[:, 0] > 0).long()), LevenbergMarquardt(), steps=1),
        lambda x, y: fit(
            send(model((2, 1))),
            OrdinalClassification(x, (y[:, 0] > 0).long() + (y[:, 0] > 0.3).long()),
            LevenbergMarquardt(),
            steps=1,
        ),
    ],
    ids=[
        "none",
        "backward",
        "jet",
        "trace",
        "refine",
        "domain",
        "enclose",
        "uncertainty",
        "remember",
        "Adam",
        "classes",
        "order",
    ],
)
def test_all_of_it_is_on_the_device(action, request):
    x, y = points()
    with PretendDevice() as device:
        if request.node.callspec.id == "none":  # a model on the CPU: the pretended device notices
            with pytest.raises(AssertionError, match="tensors on the CPU and on the device"):
                action(send(x), send(y))
            return
        action(send(x), send(y))
    assert not device.fetched
