"""The record of one pass of data through a network: what scores, penalties and plots are made from."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Trace:
    """What flowed through a network for one given x. Leading batch dimensions are flattened to one.

    inputs: what entered each layer, (batch, in) each; inputs[0] is x.
    edges: the value of every edge of each layer, (batch, in, out) each; the sum over `in` is the layer's output
        (for the layers of an `MLP`: but for the bias).
    output: (batch, out) of the last layer.
    """

    inputs: tuple[Tensor, ...]
    edges: tuple[Tensor, ...]
    output: Tensor

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What left each layer, (batch, out) each."""
        return (*self.inputs[1:], self.output)


def trace_layers(layers: Iterable[nn.Module], x: Tensor) -> Trace:
    """Run x (*batch, in) through layers, keeping the inputs and the edges of each."""
    x = x.reshape(-1, x.shape[-1])
    inputs, edges = [], []
    for layer in layers:
        inputs.append(x)
        edges.append(layer.edges(x))
        x = layer(x)
    return Trace(tuple(inputs), tuple(edges), x)
