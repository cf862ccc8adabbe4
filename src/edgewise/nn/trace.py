"""The record of one pass of data through a network: what scores, penalties and plots are made from."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from edgewise.nn.layers.base import EdgeLayer
from edgewise.nn.layers.product import Groups, ProductLayer


@dataclass(frozen=True)
class Trace:
    """What flowed through a network for one given x. Leading batch dimensions are flattened to one.

    inputs: what entered each layer, (batch, in) each; inputs[0] is x.
    edges: the value of every edge of each layer, (batch, in, out) each; the sum over `in` is the layer's output
        (for the layers of an `MLP`: but for the bias). A layer of products has no edges: all zeros.
    output: (batch, out) of the last layer.
    groups: for each layer None, or of a layer of products the inputs that each output multiplies; () if there is none.
    """

    inputs: tuple[Tensor, ...]
    edges: tuple[Tensor, ...]
    output: Tensor
    groups: tuple[Groups | None, ...] = ()

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What left each layer, (batch, out) each."""
        return (*self.inputs[1:], self.output)


def trace_layers(layers: Iterable[EdgeLayer | ProductLayer], x: Tensor) -> Trace:
    """Run x (*batch, in) through layers, keeping the inputs and the edges of each."""
    x = x.reshape(-1, x.shape[-1])
    inputs: list[Tensor] = []
    edges: list[Tensor] = []
    groups: list[Groups | None] = []
    for layer in layers:
        inputs.append(x)
        if isinstance(layer, ProductLayer):
            edges.append(x.new_zeros(len(x), layer.in_features, layer.out_features))
            groups.append(layer.groups)
        else:
            edges.append(layer.edges(x))
            groups.append(None)
        x = layer(x)
    return Trace(tuple(inputs), tuple(edges), x, tuple(groups) if any(groups) else ())
