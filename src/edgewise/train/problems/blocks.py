"""Blocks of a loss, each with its own samples, and their second-order models as functions of a network's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.train.problems.data import Data

Unknowns = Mapping[str, nn.Parameter]
"""Unknown numbers of a problem by name, trained with the model."""


def copied_unknowns(unknowns: Unknowns, dtype: torch.dtype | None = None) -> dict[str, nn.Parameter]:
    """Parameters of their own with the values of given unknowns, in another dtype if one is given."""
    return {
        name: nn.Parameter(value.detach().to(dtype or value.dtype, copy=True), requires_grad=value.requires_grad)
        for name, value in unknowns.items()
    }


class BlockRole(StrEnum):
    """Part that a residual block plays in its problem.

    `EQUATION`: an equation at points inside a domain. `CONDITION`: a boundary or initial condition. `OBSERVATION`:
    measured or given target values.
    """

    EQUATION = "equation"
    CONDITION = "condition"
    OBSERVATION = "observation"


class LocalModel(NamedTuple):
    """Loss of a block on some samples, to second order in the jet of the network's output and in the unknowns.

    The jet (C, b, out) holds value and derivatives of the network at b samples, see `ops.jet`. The matrix of second
    derivatives (of Gauss-Newton) is 2 sum_r row_r row_r'.
    """

    rows: Tensor  # rows by the jet, (R, C, b, out), sample by sample
    # rows by each unknown number, (R, b), or by n of them, (R, b, n). If `slope` is given, the first derivative by the
    # unknowns follows as row R + 1
    unknowns: dict[str, Tensor]
    # residuals, (R, b), with which the first derivative is 2 sum_r residual_r row_r. None if `slope` gives it
    residuals: Tensor | None
    slope: Tensor | None = None  # first derivative by the jet, (C, b, out)


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """Residuals on points of their own, as one part of a least-squares loss.

    The loss of a problem is the sum over its blocks of::

        weight * mean over samples of (data.weight *) sum over r of residual_r^2

    Parameters
    ----------
    name : str
        Unique name within the problem.
    data : Data
        The points x, (N, in), and what else the residuals need for each sample: y, (N, anything), `auxiliary` values
        by name, and weights.
    residuals : callable
        Differentiable function of (jet (C, b, out), Data of the b samples) that returns (b, R). The residuals of a
        sample depend on that sample alone. `jet` holds value and derivatives of the model, see `ops.jet`; jet[0] is the
        value. If the problem has unknowns, they are a third argument {name: (b,)}, one copy per sample.
    weight : float
        Factor of the block in the loss.
    directions : Tensor, optional
        Directions of the derivatives in the jet, (D, in).
    order : int
        The model is differentiated 1 .. order times along each direction. With 0, or without directions, the jet is
        the value alone, (1, b, out).
    places : callable, optional
        Function from points (b, in) to the other points (b, q, in) at which the residuals of the same samples need the
        model's value too, for example the nodes of an integral. These values follow in the jet, (C + q, b, out).
    role : BlockRole
        Part that the block plays in its problem; it has no influence on the loss.

    Examples
    --------
    Residuals of u' = u at two points, for a KAN of one input:

    >>> from edgewise import KAN
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> block = ResidualBlock("growth", Data(x, x), lambda jet, part: jet[1] - jet[0], 1.0, torch.ones(1, 1), 1)
    >>> block.jet(KAN([1, 1]), x).shape
    torch.Size([2, 2, 1])
    """

    name: str
    data: Data
    residuals: Callable[..., Tensor]
    weight: float = 1.0
    directions: Tensor | None = None
    order: int = 0
    places: Callable[[Tensor], Tensor] | None = None
    role: BlockRole = BlockRole.EQUATION

    @property
    def is_plain(self) -> bool:
        """True if the residuals need no derivatives of the model."""
        return self.order == 0 or self.directions is None

    def to(self, dtype: torch.dtype) -> ResidualBlock:
        """Same block with its tensors in another floating-point dtype."""
        if self.directions is None:
            directions = None
        else:
            directions = self.directions.to(dtype)
        return replace(self, data=self.data.to(dtype), directions=directions)

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """Jet of the network at x (b, in) from which the residuals are computed, (C, b, out) or (C + q, b, out).

        Raises
        ------
        InputError
            The residuals need derivatives, and the network has no method `jet`.
        """
        if self.places is not None:
            others = self.places(x)
            shared, own = split_places(others)
            count = len(x) * len(own)
            found = network(torch.cat([others[:, own].flatten(0, 1), others[:1, shared].flatten(0, 1)]))
            of_own = found[:count].unflatten(0, (len(x), len(own)))
            of_shared = found[count:].unflatten(0, (min(len(x), 1), len(shared))).expand(len(x), -1, -1)
            values = torch.cat([of_own, of_shared], 1)[:, torch.cat([own, shared]).argsort()]
            return torch.cat([replace(self, places=None).jet(network, x), values.transpose(0, 1)])
        if self.is_plain:
            return network(x)[None]
        jet = getattr(network, "jet", None)
        if not callable(jet):
            raise InputError(
                f"model must have a jet, as KAN and MLP have, for derivatives in block {self.name!r}, "
                f"got {type(network).__name__}"
            )
        return jet(x, self.directions, self.order)

    def weighted_residuals(self, jet: Tensor, part: Data, unknowns: Mapping[str, Tensor]) -> Tensor:
        """Residuals of a part of the samples times the roots of all weights, (b, R).

        The sum of their squares divided by b is the block's loss on that part.

        Parameters
        ----------
        jet : Tensor
            Jet of the network at the part, (C, b, out).
        part : Data
            Some of the block's samples.
        unknowns : mapping of str to Tensor
            The unknowns by name, one copy per sample, (b,) each.
        """
        if unknowns:
            values = self.residuals(jet, part, unknowns)
        else:
            values = self.residuals(jet, part)
        if part.weight is not None:
            values = values * part.weight.sqrt()[:, None]
        if self.weight == 1.0:
            return values
        return values * self.weight**0.5

    def loss(self, network: nn.Module, part: Data, unknowns: Unknowns) -> Tensor:
        """Loss of the block on a part of its samples, a differentiable scalar."""
        copies = {name: value.expand(len(part)) for name, value in unknowns.items()}
        return self.weighted_residuals(self.jet(network, part.x), part, copies).square().sum() / max(len(part), 1)

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Sum of squares on a part of the samples to second order in the jet (C, b, out) and the unknowns."""
        with torch.enable_grad():
            leaf = jet.detach().requires_grad_()
            copies = {name: value.detach().repeat(len(part)).requires_grad_() for name, value in unknowns.items()}
            values = self.weighted_residuals(leaf, part, copies)
        leaves = [leaf, *copies.values()]
        columns = values.unbind(1)
        rows: list[tuple[Tensor, ...]] = []
        for column in columns:
            if not column.requires_grad:
                rows.append(tuple(torch.zeros_like(each) for each in leaves))
                continue
            keep = column is not columns[-1]
            # A sample's residuals depend on that sample alone, so the derivative of their sum holds all of them.
            rows.append(torch.autograd.grad(column.sum(), leaves, retain_graph=keep, materialize_grads=True))
        by_jet, *by_unknowns = (torch.stack(derivatives) for derivatives in zip(*rows, strict=True))
        return LocalModel(by_jet, dict(zip(copies, by_unknowns, strict=True)), values.detach().mT)


def split_places(places: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of those of the places (b, q, in) that all samples share, and of the others.

    The nodes of an integral over a fixed domain are shared: the model's values there need be computed only once.
    """
    if places.stride(0) == 0:  # one row stands for all samples
        places = places[:1]
    is_shared = (places == places[:1]).all(2).all(0)
    return is_shared.nonzero()[:, 0], (~is_shared).nonzero()[:, 0]


@dataclass(frozen=True, eq=False)
class LikelihoodBlock:
    """Weighted mean over samples of a negative log likelihood of labels, with its second-order model.

    It is for -log p(label) what `ResidualBlock` is for a sum of squares. Subclasses give the `local_model`.
    """

    name: str  # unique name within the problem
    data: Data  # inputs, labels (N,) and weights
    is_plain = True
    directions = None
    order = 0
    places = None

    def to(self, dtype: torch.dtype) -> Self:
        """Same block with its tensors in another floating-point dtype."""
        return replace(self, data=self.data.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """Outputs of the network, (1, b, out)."""
        return network(x)[None]

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Loss on a part, summed over its samples, to second order in the jet (1, b, out) and the unknowns."""
        raise NotImplementedError


Block = ResidualBlock | LikelihoodBlock
"""Part of a loss that second-order methods can work on."""
