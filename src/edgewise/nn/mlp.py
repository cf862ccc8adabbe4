"""A multilayer perceptron (`MLP`) with the interface of a KAN, as a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.checks import typed
from edgewise.nn.config import MLPConfig, check_input
from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.initial import checked_device, float_dtype, seeded_generator
from edgewise.nn.layers.segments import Segments, contracted, one_run
from edgewise.nn.trace import Trace, trace_layers
from edgewise.ops.activation import activation_derivatives
from edgewise.ops.jet import check_jet, compose


class DenseLayer(Layer):
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
        super().__init__()
        dtype = float_dtype(dtype)
        # Glorot and Bengio, AISTATS 2010, eq. (16); drawn in float64 so that a seed means the same in every dtype.
        bound = math.sqrt(6 / (in_features + out_features))
        weight = torch.rand(in_features, out_features, generator=generator, dtype=torch.float64)
        self.weight = nn.Parameter((bound * (2 * weight - 1)).to(dtype=dtype, device=device))
        self.bias = nn.Parameter(torch.zeros(out_features, dtype=dtype, device=device))
        self.activation = activation

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.weight.shape[0]

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.weight.shape[1]

    @property
    def is_linear(self) -> bool:
        """True: the activation comes before the weights."""
        return True

    @property
    def mask(self) -> Tensor:
        """Ones, (in, out): every edge exists."""
        return torch.ones_like(self.weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        check_input(x, self.in_features, self.weight.dtype)
        return self._values(x) @ self.weight + self.bias

    def edges(self, x: Tensor) -> Tensor:
        """Compute weight_io a(x_i) of every edge, (batch, in, out), from points (batch, in)."""
        return self._values(x)[..., None] * self.weight

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        check_jet(x, self.in_features, self.weight.dtype, order)
        y = compose(x, activation_derivatives(x[0], self.activation, order), order) @ self.weight
        return torch.cat([y[:1] + self.bias, y[1:]])

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`: "weight" and "bias", one full run each."""
        jet = compose(x, activation_derivatives(x[0], self.activation, order), order)
        weight = contracted(jet[..., None], sensitivity[:, :, None, :])
        return one_run("weight", weight.flatten(1)), one_run("bias", sensitivity[0])

    def _values(self, x: Tensor) -> Tensor:
        return activation_derivatives(x, self.activation, 0)[0]

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, activation={self.activation}"


@typed
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
        device = checked_device(device)
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
