"""Residual blocks: a loss as a sum of squares over samples, each block with its own points and its own derivatives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.train.problems.data import Data

Unknowns = Mapping[str, nn.Parameter]


class LocalModel(NamedTuple):
    """Part of a loss as a function of what a network gives: the second derivatives are 2 sum_r row_r row_r'.

    rows: (R, C, b, out), by the jet of the network's output, sample by sample.
    unknowns: the same rows by each unknown number, (R, b), or numbers, (R, b, n); where there is a slope, it by them
        follows as row R + 1.
    residuals: (R, b), where the first derivative is 2 sum_r residual_r row_r; None where `slope` gives it.
    slope: (C, b, out), the first derivative by the jet.
    """

    rows: Tensor
    unknowns: dict[str, Tensor]
    residuals: Tensor | None
    slope: Tensor | None = None


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
    places: of points x (b, in) to others (b, q, in) at which the residuals of the same samples need values too, as
        those with integrals do; they follow in the jet, (C + q, b, out).
    """

    name: str
    data: Data
    residuals: Callable[..., Tensor]
    weight: float = 1.0
    directions: Tensor | None = None
    order: int = 0
    places: Callable[[Tensor], Tensor] | None = None

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

    def local(self, jet: Tensor, part: Data, unknowns: Unknowns) -> "LocalModel":
        """The sum of squares on a part, as a function of the jet (C, b, out) and the unknowns, to second order."""
        with torch.enable_grad():
            leaf = jet.detach().requires_grad_()
            each = {name: value.detach().repeat(len(part)).requires_grad_() for name, value in unknowns.items()}
            values = self.scaled(leaf, part, each)
        columns = values.unbind(1)
        rows = [_slopes(column, [leaf, *each.values()], last=column is columns[-1]) for column in columns]
        stacked = [torch.stack(slopes) for slopes in zip(*rows, strict=True)]
        return LocalModel(stacked[0], dict(zip(each, stacked[1:], strict=True)), values.detach().mT)

    def loss(self, network: nn.Module, part: Data, unknowns: Unknowns) -> Tensor:
        """The block's loss on some of its samples, a differentiable scalar."""
        each = {name: value.expand(len(part)) for name, value in unknowns.items()}
        return self.scaled(self.jet(network, part.x), part, each).square().sum() / max(len(part), 1)

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """What the residuals are computed from, (C, b, out), or (C + q, b, out) with values at other places."""
        if self.places is not None:
            others = self.places(x)
            values = network(others.flatten(0, 1)).unflatten(0, others.shape[:2])
            return torch.cat([replace(self, places=None).jet(network, x), values.transpose(0, 1)])
        if self.is_plain:
            return network(x)[None]
        if not callable(getattr(network, "jet", None)):
            raise InputError(
                f"model must have a jet, as KAN and MLP have, for derivatives in block {self.name!r}, "
                f"got {type(network).__name__}"
            )
        return network.jet(x, self.directions, self.order)

    @property
    def is_plain(self) -> bool:
        """Whether the residuals need no derivatives of the model."""
        return self.order == 0 or self.directions is None


def _slopes(column: Tensor, leaves: list[Tensor], *, last: bool) -> list[Tensor]:
    """Derivatives of each sample's residual by what it was computed from; zeros where it doesn't depend on it."""
    if not column.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(column.sum(), leaves, retain_graph=not last, allow_unused=True)
    return [torch.zeros_like(leaf) if slope is None else slope for slope, leaf in zip(found, leaves, strict=True)]
