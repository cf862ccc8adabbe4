"""The trace holds what flowed: inputs and edges of every layer, which sum to the layer's output."""

import pytest
import torch

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


@pytest.fixture(params=[KAN, MLP])
def model(request):
    return request.param([3, 4, 2], seed=1, dtype=torch.float64)


def points(*shape):
    return 4 * torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 2


@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3), (0,)])
def test_shapes_with_the_batch_flattened(model, batch):
    count = torch.Size(batch).numel()
    trace = model.trace(points(*batch, 3))
    assert [tuple(value.shape) for value in trace.inputs] == [(count, 3), (count, 4)]
    assert [tuple(value.shape) for value in trace.edges] == [(count, 3, 4), (count, 4, 2)]
    assert trace.output.shape == (count, 2)


def test_output_and_layer_outputs_are_those_of_forward(model):
    x = points(7, 3)
    trace = model.trace(x)
    assert torch.equal(trace.output, model(x))
    assert torch.equal(trace.inputs[0], x)
    assert torch.equal(trace.inputs[1], model.layers[0](x))
    assert len(trace.outputs) == 2
    assert trace.outputs[0] is trace.inputs[1]
    assert trace.outputs[1] is trace.output
