"""A low-rank function of many coordinates as a network: a chain of product nodes and splines of one input each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from math import comb
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from edgewise.ops.jet import seed_jet
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.spaces.networks import JetNetwork


class LowRankNetwork(JetNetwork):
    """Sum of products of splines of one input each, with partial sums in between: a tensor train of splines.

    The nodes behind input k are v_s = sum_r v_r f_rs(x_k), products of the nodes before with splines of x_k; there is
    one at the beginning, the number 1, and one at the end, the field. The class contains sums of functions of one input
    (rank 2), and sums of products of one spline of each input with as many nodes everywhere as there are terms.

    A. Gorodetsky, S. Karaman, Y. Marzouk, "A continuous analogue of the tensor-train decomposition", Comput. Methods
    Appl. Mech. Engrg. 347, 2019, 59.
    """

    batch_numbers: ClassVar[int] = 2**22  # of the largest tensor of a batch: 32 MB

    def __init__(self, splines: Sequence[TensorLayer], ranks: Sequence[int]):
        super().__init__()
        self.splines = nn.ModuleList(splines)
        self.ranks = tuple(ranks)
        assert [layer.coef.shape[-1] for layer in splines] == [a * b for a, b in pairwise(ranks)]

    @property
    def layers(self) -> list[TensorLayer]:
        """The splines of each input."""
        return cast("list[TensorLayer]", list(self.splines))

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Numbers of intervals of each input."""
        return tuple(layer.grid_sizes[0] for layer in self.layers)

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return f"ranks {', '.join(map(str, self.ranks[1:-1]))}, grid {' x '.join(map(str, self.grid_sizes))}"

    @torch.no_grad()
    def scaled(self, units: Tensor) -> Self:
        """A copy whose output is multiplied by a unit, (1,)."""
        network = copy.deepcopy(self)
        network.layers[-1].coef.mul_(units)
        return network

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, 1) at points (b, in), see `Chain.jet`."""
        components = 1
        if directions is not None:
            components += len(directions) * order
        # As many points at once as the largest tensor allows.
        wide = max(a * b for a, b in pairwise(self.ranks)) * max(order + 1, 12)
        wide = max(wide, components * max(self.ranks))
        each = max(self.batch_numbers // wide, 1)
        return torch.cat([self._jet(part, directions, order) for part in x.split(each)], 1)

    def _jet(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """The jet of a batch: Leibniz' rule, input after input."""
        lines = x.new_zeros(0, x.shape[1]) if directions is None else directions
        order = order * bool(len(lines))
        # The empty product.
        one = x.new_ones(1, 1)
        value = x.new_ones(len(x), 1, 1)  # (b, 1, r)
        slopes = x.new_zeros(len(x), len(lines), order, 1)  # of order 1, 2, ... along each direction
        for k, (layer, before, after) in enumerate(zip(self.layers, self.ranks, self.ranks[1:], strict=False)):
            table = layer.jet(seed_jet(x[:, k : k + 1], one, order), order).unflatten(2, (before, after))
            # Directions along which this input changes: Leibniz' rule for the product with its splines.
            along = [direction for direction in range(len(lines)) if float(lines[direction, k]) != 0]
            factors = lines[along, k][:, None, None] ** torch.arange(1, order + 1, dtype=x.dtype)[:, None]
            lower = torch.cat([value.expand(-1, len(along), -1)[:, :, None], slopes[:, along]], 2)
            raised = [
                sum(comb(n, m) * (lower[:, :, n - m] @ table[m]) * factors[:, m - 1] for m in range(1, n + 1))
                for n in range(1, order + 1)
            ]
            value = value @ table[0]
            slopes = (slopes.flatten(1, 2) @ table[0]).unflatten(1, (len(lines), order))
            if along and order:
                slopes = slopes.index_add(1, torch.tensor(along), torch.stack(raised, 2))
        return torch.cat([value, slopes.flatten(1, 2)], 1)[..., 0].T[..., None]
