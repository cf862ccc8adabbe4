"""Record of one pass of data through a network (`Trace`): the basis of scores, penalties and plots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from edgewise.nn.layers.base import Groups, Layer


@dataclass(frozen=True)
class Trace:
    """Inputs, edge values and output of a network at given points. Leading batch dimensions are flattened to one.

    Parameters
    ----------
    inputs : tuple of Tensor
        Inputs of each layer, (batch, in) each; inputs[0] are the points.
    edges : tuple of Tensor
        Value of every edge of each layer, (batch, in, out) each. The sum over `in` is the layer's output (in an `MLP`
        without the bias). A layer of products has no edges and gives zeros.
    output : Tensor
        Output of the last layer, (batch, out).
    groups : tuple
        For each layer None, or for a layer of products the inputs that each output multiplies; () without products.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn.model import KAN
    >>> trace = KAN([2, 3, 1]).trace(torch.rand(10, 2))
    >>> [tuple(edges.shape) for edges in trace.edges]
    [(10, 2, 3), (10, 3, 1)]
    """

    inputs: tuple[Tensor, ...]
    edges: tuple[Tensor, ...]
    output: Tensor
    groups: tuple[Groups | None, ...] = ()

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Outputs of each layer, (batch, out) each."""
        return (*self.inputs[1:], self.output)


def trace_layers(layers: Iterable[Layer], x: Tensor) -> Trace:
    """Return the trace of points (*batch, in) through a chain of layers."""
    x = x.reshape(-1, x.shape[-1])
    inputs: list[Tensor] = []
    edges: list[Tensor] = []
    groups: list[Groups | None] = []
    for layer in layers:
        inputs.append(x)
        edges.append(layer.edges(x))
        groups.append(layer.groups)
        x = layer(x)
    return Trace(tuple(inputs), tuple(edges), x, tuple(groups) if any(groups) else ())
