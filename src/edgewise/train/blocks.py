"""Residual blocks: a loss as a sum of squares over samples, each block with its own points and its own derivatives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.train.data import Data

Unknowns = Mapping[str, nn.Parameter]


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """Residuals on points of their own. The loss of a problem is the sum over its blocks of

        weight * mean over samples of (data.weight *) sum over r of residual^2.

    name: unique within its problem.
    data: the points x (N, in) and what else the residuals need per sample: y (N, anything), weight (N,) or None.
    residuals: (jet (C, b, out), part of data) -> (b, r), differentiable; a sample's residuals depend on that sample
        alone. `jet` holds the model's value and derivatives, see `ops.jet`: jet[0] is the value. Where the problem has
        unknowns, a third argument {name: (b,)} brings them, one copy per sample.
    directions, order: of the jet: the model is differentiated 1 .. order times along each row of directions (D, in);
        None and 0 for the value alone, (1, b, out).
    """

    name: str
    data: Data
    residuals: Callable[..., Tensor]
    weight: float = 1.0
    directions: Tensor | None = None
    order: int = 0

    def to(self, dtype: torch.dtype) -> "ResidualBlock":
        """The same block with its tensors in another floating-point dtype."""
        directions = None if self.directions is None else self.directions.to(dtype)
        return replace(self, data=self.data.to(dtype), directions=directions)

    def scaled(self, jet: Tensor, part: Data, unknowns: dict[str, Tensor]) -> Tensor:
        """Residuals (b, r) times the root of the weights: the sum of their squares, divided by b, is a part's loss."""
        values = self.residuals(jet, part, unknowns) if unknowns else self.residuals(jet, part)
        if part.weight is not None:
            values = values * part.weight.sqrt()[:, None]
        return values if self.weight == 1.0 else values * self.weight**0.5

    def loss(self, network: nn.Module, part: Data, unknowns: Unknowns) -> Tensor:
        """The block's loss on some of its samples, a differentiable scalar."""
        each = {name: value.expand(len(part)) for name, value in unknowns.items()}
        return self.scaled(self.jet(network, part.x), part, each).square().sum() / max(len(part), 1)

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """What the residuals are computed from, (C, b, out)."""
        if self.order == 0 or self.directions is None:
            return network(x)[None]
        if not callable(getattr(network, "jet", None)):
            raise InputError(
                f"model must have a jet, as KAN and MLP have, for derivatives in block {self.name!r}, "
                f"got {type(network).__name__}"
            )
        return network.jet(x, self.directions, self.order)
