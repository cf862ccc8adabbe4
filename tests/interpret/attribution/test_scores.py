"""Tests of the attribution scores against hand-made traces and networks with known structure."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.attribution.scores import edge_scores, input_scores, node_scores
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.trace import Trace


def trace_of(*layers):
    """A trace with the given edges (b, in, out); inputs are made up except that they match the sums."""
    sums = [edges.sum(1) for edges in layers]
    return Trace((torch.zeros(layers[0].shape[:2], dtype=layers[0].dtype), *sums[:-1]), layers, sums[-1])


def sample(rows, *shape, seed=0):
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_recursion_written_out():
    first, second = sample(50, 3, 2), sample(50, 2, 2, seed=1)
    trace = trace_of(first, second)
    edges, nodes = edge_scores(trace), node_scores(trace)
    for i in range(2):
        for o in range(2):
            ratio = second[:, i, o].std() / trace.output[:, o].std()
            assert edges[1][i, o] == pytest.approx(float(ratio), rel=1e-12)
    for i in range(3):
        expected = sum(float(nodes[1][o] * first[:, i, o].std() / trace.inputs[1][:, o].std()) for o in range(2))
        assert nodes[0][i] == pytest.approx(expected, rel=1e-12)
    assert [tuple(n.shape) for n in nodes] == [(3,), (2,), (2,)]
    assert torch.equal(nodes[2], torch.ones(2, dtype=torch.float64))
    assert torch.equal(input_scores(trace), nodes[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_edges_score_zero(dtype):
    constant = torch.full((1000, 2, 1), 1234.567, dtype=dtype)
    assert torch.equal(edge_scores(trace_of(constant))[0], torch.zeros(2, 1, dtype=dtype))
    cancelling = torch.randn(1000, 1, 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    cancelling = torch.cat([cancelling, -cancelling], 1)
    assert torch.equal(edge_scores(trace_of(cancelling))[0], torch.zeros(2, 1, dtype=dtype))
    assert torch.equal(edge_scores(trace_of(cancelling[:1]))[0], torch.zeros(2, 1, dtype=dtype))


def test_a_masked_edge_and_an_unused_input_score_zero():
    model = KAN([3, 4, 2], seed=1, dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].mask[2] = 0
        model.layers[1].mask[0, 1] = 0
    trace = model.trace(sample(200, 3))
    assert input_scores(trace)[2] == 0
    assert edge_scores(trace)[1][0, 1] == 0
    assert (input_scores(trace)[:2] > 0).all()
    assert not any(scores.requires_grad for scores in edge_scores(trace))


def test_an_mlp_has_scores_too_and_its_bias_does_not_count():
    model = MLP([3, 4, 1], seed=0, dtype=torch.float64)
    x = sample(100, 3)
    before = edge_scores(model.trace(x))
    with torch.no_grad():
        model.layers[1].bias += 7
    for old, new in zip(before, edge_scores(model.trace(x)), strict=True):
        torch.testing.assert_close(old, new)


def test_inputs_of_a_hidden_node():
    model = KAN([2, (1, 1), 1], 3, seed=0, dtype=torch.float64)
    model.layers[0].mask[0, 0] = model.layers[0].mask[1, 1:] = 0  # input 1 makes node 0, input 0 the product
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    trace = model.trace(x)
    assert input_scores(trace, node=(1, 0)).tolist() == pytest.approx([0, 1])
    product = input_scores(trace, node=(1, 1))
    assert product[0] > 0 and product[1] == 0
    for node in ((0, 0), (1, 2), (2, 0), 1):
        with pytest.raises(InputError, match="node must be"):
            input_scores(trace, node=node)
