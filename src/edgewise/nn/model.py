"""A KAN: layers of learnable edges in a chain."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.nn.config import KANConfig, check_input
from edgewise.nn.initial import seeded_generator
from edgewise.nn.layer import KANLayer
from edgewise.nn.trace import Trace, trace_layers
from edgewise.ops.jet import seed_jet


class KAN(nn.Module):
    """A Kolmogorov-Arnold network (Liu et al., arXiv 2404.19756): f = Phi_L o ... o Phi_1, each a `KANLayer`.

    Initialised from `seed` alone: torch's global generator is neither read nor moved.

    Args:
        width: nodes per layer, inputs first, as [2, 5, 1].
        grid_size: knot intervals of each edge, one number or one per layer.
        degree: polynomial degree of the splines, 0 .. 5.
        base: function beside the splines: "silu", "identity" or "zero".
        init: "power" (Rigas et al.) or "paper".
        domain: (low, high) or (in, 2) of the first layer's grid, if known; the first `fit` sets it otherwise, and
            always those of the hidden layers.
        seed: of the initial weights.

    Raises:
        InputError: an argument is not as above.
    """

    def __init__(
        self,
        width: Sequence[int],
        grid_size: int | Sequence[int] = 5,
        degree: int = 3,
        *,
        base: str = "silu",
        init: str = "power",
        domain: Sequence[float] | Tensor | None = None,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        config = KANConfig(width, grid_size, degree, base)
        generator = seeded_generator(seed)
        self.layers = nn.ModuleList(
            KANLayer(
                *ends,
                grid_size=size,
                degree=degree,
                domain=None if number else domain,
                base=base,
                init=init,
                generator=generator,
                dtype=dtype,
                device=device,
            )
            for number, (ends, size) in enumerate(zip(pairwise(config.width), config.grid_size, strict=True))
        )

    @classmethod
    def from_config(cls, config: KANConfig, **settings) -> "KAN":
        """A fresh KAN of a given shape; `settings` are the other arguments of `KAN`."""
        return cls(config.width, config.grid_size, config.degree, base=config.base, **settings)

    @property
    def config(self) -> KANConfig:
        """The shape, read off the layers."""
        layers = list(self.layers)
        width = (layers[0].in_features, *(layer.out_features for layer in layers))
        sizes = tuple(layer.grid_size for layer in layers)
        return KANConfig(width, sizes, layers[0].degree, layers[0].base_function)

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, width[0]) -> (*batch, width[-1])."""
        for layer in self.layers:
            x = layer(x)
        return x

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Value and derivatives of the outputs along directions, in one forward pass; differentiable.

        Args:
            x: (batch, width[0]).
            directions: (D, width[0]); along each the network is differentiated 1 .. order times.
            order: 0 or more.

        Returns:
            (1 + D * order, batch, width[-1]): the values, then for each direction the derivatives of order 1 .. order.
        """
        jet = seed_jet(x, directions, order)
        for layer in self.layers:
            jet = layer.jet(jet, order)
        return jet

    def trace(self, x: Tensor) -> Trace:
        """`forward` with the inputs and outputs of every edge. Nothing is stored on the model."""
        check_input(x, self.layers[0].in_features, self.layers[0].coef.dtype)
        return trace_layers(self.layers, x)
