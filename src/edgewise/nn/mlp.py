"""A multilayer perceptron (`MLP`) with the interface of a KAN, as a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.nn.config import MLPConfig, check_input
from edgewise.nn.layers.base import Chain, LayerList, WeightedLayer
from edgewise.nn.layers.initial import float_dtype, seeded_generator
from edgewise.nn.trace import Trace, trace_layers
from edgewise.ops.activation import activation_derivatives


class DenseLayer(WeightedLayer):
    """Layer y_o = bias_o + sum_i weight_io a(x_i): its edges are multiples of one fixed function a.

    Shapes: weight (in, out), bias (out,).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str = "identity",
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        dtype = float_dtype(dtype)
        # Glorot and Bengio, AISTATS 2010, eq. (16); drawn in float64 so that a seed means the same in every dtype.
        bound = math.sqrt(6 / (in_features + out_features))
        weight = torch.rand(in_features, out_features, generator=generator, dtype=torch.float64)
        super().__init__(bound * (2 * weight - 1), dtype, device)
        self.activation = activation

    def _derivatives(self, x: Tensor, order: int) -> list[Tensor]:
        return activation_derivatives(x, self.activation, order)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, activation={self.activation}"


class MLP(Chain):
    """Multilayer perceptron whose initial weights depend on `seed` alone.

    Parameters
    ----------
    width : sequence of int
        Number of nodes of each layer, inputs first, as [2, 100, 100, 1].
    activation : {"silu", "tanh", "relu"}
        Activation function between the layers.
    seed : int
        Seed of the initial weights.
    dtype, device
        Of the weights; torch's default dtype and the CPU by default.

    Attributes
    ----------
    layers : LayerList of DenseLayer
        The chain of layers.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn import MLP
    >>> MLP([2, 100, 1])(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    """

    layers: LayerList[DenseLayer]

    def __init__(
        self,
        width: Sequence[int],
        *,
        activation: str = "silu",
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        config = MLPConfig(width, activation)
        generator = seeded_generator(seed)
        self.layers = LayerList(
            DenseLayer(
                *ends, activation=activation if number else "identity", generator=generator, dtype=dtype, device=device
            )
            for number, ends in enumerate(pairwise(config.width))
        )
        self._activation = activation

    @classmethod
    def from_config(
        cls,
        config: MLPConfig,
        *,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> MLP:
        """Build a new MLP of a given shape; the other arguments are those of `MLP`."""
        return cls(config.width, activation=config.activation, seed=seed, dtype=dtype, device=device)

    @property
    def config(self) -> MLPConfig:
        """The shape of the network, read from its layers."""
        layers = list(self.layers)
        return MLPConfig((layers[0].in_features, *(layer.out_features for layer in layers)), self._activation)

    def trace(self, x: Tensor) -> Trace:
        """Compute the outputs (*batch, in) together with the inputs and outputs of every edge.

        Nothing is stored on the model.
        """
        check_input(x, self.layers[0].in_features, self.layers[0].weight.dtype)
        return trace_layers(self.layers, x)
