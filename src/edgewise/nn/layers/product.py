"""A layer without parameters that multiplies nodes: with the sums before it, the nodes of a MultKAN."""

from collections.abc import Sequence
from itertools import groupby
from math import comb
from numbers import Integral

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.segments import Segments
from edgewise.ops.jet import along, check_jet

Groups = tuple[tuple[int, ...], ...]


class ProductLayer(Layer):
    """y_o = product of x_i over the inputs i of group o; a group of one passes its node through.

    Sums and products of any arity, as in "KAN 2.0" (Liu et al., arXiv 2408.10205, section 2), between two layers of
    edges. It has neither parameters nor edges of its own, so it computes in the dtype that it is given.

    Args:
        in_features: number of inputs.
        groups: for each output the inputs that are multiplied; one may come in several groups, or twice in one.

    Raises:
        InputError: a group is empty or names an input that is not there.
    """

    in_features: int

    def __init__(self, in_features: int, groups: Sequence[Sequence[int]]):
        super().__init__()
        if not _is_count(in_features):
            raise InputError(f"in_features must be a positive integer, got {in_features!r}")
        if not isinstance(groups, list | tuple) or not groups or not all(isinstance(g, list | tuple) for g in groups):
            raise InputError(f"groups must list the inputs of each output, got {groups!r}")
        for group in groups:
            if not group or not all(_is_index(i, in_features) for i in group):
                raise InputError(f"groups must hold inputs from 0 to {in_features - 1}, got {tuple(group)!r}")
        self.in_features = int(in_features)
        self.groups: Groups = tuple(tuple(int(i) for i in group) for group in groups)

    @classmethod
    def after_sums(cls, nodes: int, arities: Sequence[int]) -> "ProductLayer":
        """`nodes` outputs of which the last are products, of so many inputs each; the others pass through."""
        sums = nodes - len(arities)
        groups, start = [(i,) for i in range(sums)], sums
        for arity in arities:
            groups.append(tuple(range(start, start + arity)))
            start += arity
        return cls(start, groups)

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return len(self.groups)

    @property
    def arities(self) -> tuple[int, ...] | None:
        """The arities of `after_sums`, or None for groups of another order."""
        arities = tuple(len(group) for group in self.groups if len(group) > 1)
        return arities if ProductLayer.after_sums(len(self.groups), arities).groups == self.groups else None

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, out)."""
        check_input(x, self.in_features, x.dtype if isinstance(x, Tensor) else torch.float64)
        return torch.cat([_product(_factors(x, run)) for run in _runs(self.groups)], -1)

    def jet(self, x: Tensor, order: int) -> Tensor:
        """The jet of the output from that of the input, (C, batch, in) -> (C, batch, out), by Leibniz' rule."""
        check_jet(x, self.in_features, x.dtype if isinstance(x, Tensor) else torch.float64, order)
        columns = []
        for first, *others in self.groups:
            column = x[..., first : first + 1]
            for i in others:
                column = _multiplied(column, x[..., i : i + 1], order)
            columns.append(column)
        return torch.cat(columns, 2)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """None: there are no parameters."""
        return ()

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, groups={[list(group) for group in self.groups]}"


def _runs(groups: Groups) -> list[Groups]:
    """Neighbouring groups of one arity together: column by column, steps of [2, (0, 20), 1] take twice as long."""
    return [tuple(run) for _, run in groupby(groups, key=len)]


def _factors(x: Tensor, run: Groups) -> Sequence[Tensor]:
    """The first, second, .. factors of all groups of a run, (*batch, groups) each."""
    index = [i for group in run for i in group]
    first, last = index[0], index[-1]
    # A slice is a view. What is taken twice is stacked, for the gradient of a gather adds up in any order.
    if index == list(range(first, last + 1)):
        taken = x[..., first : last + 1]
    else:
        taken = x[..., index] if len(set(index)) == len(index) else torch.stack([x[..., i] for i in index], -1)
    return taken.unflatten(-1, (len(run), len(run[0]))).unbind(-1)


def _product(factors: Sequence[Tensor]) -> Tensor:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def _multiplied(left: Tensor, right: Tensor, order: int) -> Tensor:
    """The jet of a product, (fg)^(k) = sum_j C(k, j) f^(j) g^(k-j) along each direction."""
    value = (left[0] * right[0])[None]
    if len(left) == 1:
        return value
    f = [left[0][None], *along(left, order).unbind(1)]
    g = [right[0][None], *along(right, order).unbind(1)]
    lines = [sum(comb(k, j) * f[j] * g[k - j] for j in range(k + 1)) for k in range(1, order + 1)]
    return torch.cat([value, torch.stack(lines, 1).flatten(0, 1)])


def _is_count(number) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and number >= 1


def _is_index(number, size: int) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and 0 <= number < size
