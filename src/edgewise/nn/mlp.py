"""The baseline: a multilayer perceptron with the interface of a KAN."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.nn.config import MLPConfig, check_input
from edgewise.nn.layers.base import Chain, EdgeLayer, LayerList
from edgewise.nn.layers.initial import float_dtype, seeded_generator
from edgewise.nn.layers.segments import Segments, dense_segments
from edgewise.nn.trace import Trace, trace_layers
from edgewise.ops.activation import ACTIVATIONS, activation_derivatives
from edgewise.ops.jet import check_jet, compose


class DenseLayer(EdgeLayer):
    """y_o = bias_o + sum_i weight_io a(x_i): a KAN layer whose edges are multiples of one fixed function a.

    The activation acts on the layer's input ("identity" in the first layer of an `MLP`).
    Parameters: `weight` (in, out), `bias` (out,).
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
    ):
        super().__init__()
        self.activation = activation
        dtype = float_dtype(dtype)
        # Glorot and Bengio, AISTATS 2010, eq. (16); drawn in float64 so that a seed means the same in every dtype.
        bound = math.sqrt(6 / (in_features + out_features))
        weight = torch.rand(in_features, out_features, generator=generator, dtype=torch.float64)
        self.weight = nn.Parameter((bound * (2 * weight - 1)).to(dtype=dtype, device=device))
        self.bias = nn.Parameter(torch.zeros(out_features, dtype=dtype, device=device))

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.weight.shape[0]

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.weight.shape[1]

    @property
    def mask(self) -> Tensor:
        """Ones, (in, out): every edge exists."""
        return torch.ones_like(self.weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, out)."""
        check_input(x, self.in_features, self.weight.dtype)
        return ACTIVATIONS[self.activation](x) @ self.weight + self.bias

    def edges(self, x: Tensor) -> Tensor:
        """weight_io a(x_i) of every edge, x (batch, in) -> (batch, in, out)."""
        return ACTIVATIONS[self.activation](x)[..., None] * self.weight

    def jet(self, x: Tensor, order: int) -> Tensor:
        """The jet of the output from that of the input, (C, batch, in) -> (C, batch, out); see `ops.jet`."""
        check_jet(x, self.in_features, self.weight.dtype, order)
        y = compose(x, activation_derivatives(x[0], self.activation, order), order) @ self.weight
        return torch.cat([y[:1] + self.bias, y[1:]])

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """As `KANLayer.jacobian_segments`: "weight" and "bias", one full run each."""
        return dense_segments(x, sensitivity, self.activation, order)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, activation={self.activation}"


class MLP(Chain):
    """A multilayer perceptron, initialised from `seed` alone.

    Args:
        width: nodes per layer, inputs first, as [2, 100, 100, 1].
        activation: "silu", "tanh" or "relu".
        seed: of the initial weights.
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
    ):
        super().__init__()
        config = MLPConfig(width, activation)
        generator = seeded_generator(seed)
        self.layers = LayerList(
            DenseLayer(
                *ends,
                activation=activation if number else "identity",
                generator=generator,
                dtype=dtype,
                device=device,
            )
            for number, ends in enumerate(pairwise(config.width))
        )
        self._activation = activation

    @classmethod
    def from_config(cls, config: MLPConfig, **settings) -> "MLP":
        """A fresh MLP of a given shape; `settings` are the other arguments of `MLP`."""
        return cls(config.width, activation=config.activation, **settings)

    @property
    def config(self) -> MLPConfig:
        """The shape, read off the layers."""
        layers = list(self.layers)
        width = (layers[0].in_features, *(layer.out_features for layer in layers))
        return MLPConfig(width, self._activation)

    def trace(self, x: Tensor) -> Trace:
        """`forward` with the inputs and outputs of every edge. Nothing is stored on the model."""
        check_input(x, self.layers[0].in_features, self.layers[0].weight.dtype)
        return trace_layers(self.layers, x)
