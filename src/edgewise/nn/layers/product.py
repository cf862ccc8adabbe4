"""A layer without parameters that multiplies nodes (`ProductLayer`): the product nodes of a MultKAN."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from edgewise.checks import is_integer, is_sequence
from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Groups, Layer
from edgewise.nn.layers.segments import Segments
from edgewise.ops.jet import check_jet, multiply


class ProductLayer(Layer):
    """Layer of products, y_o = product of x_i over the inputs i of group o; a group of one input passes it on.

    It stands between two layers of edges. It has neither parameters nor edges, and computes in the dtype of its inputs.

    Parameters
    ----------
    in_features : int
        Number of inputs.
    groups : sequence of sequences of int
        For each output the inputs that are multiplied. An input may occur in several groups, and twice in one.

    Raises
    ------
    InputError
        If a group is empty or contains a number that is not an input.

    References
    ----------
    Liu et al., "KAN 2.0: Kolmogorov-Arnold Networks Meet Science", arXiv 2408.10205, section 2.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn import ProductLayer
    >>> ProductLayer(3, [[0], [1, 2]])(torch.tensor([[2.0, 3.0, 4.0]])).tolist()
    [[2.0, 12.0]]
    """

    in_features: int
    groups: Groups

    def __init__(self, in_features: int, groups: Sequence[Sequence[int]]) -> None:
        super().__init__()
        if not is_integer(in_features) or in_features < 1:
            raise InputError(f"in_features must be a positive integer, got {in_features!r}")
        if not is_sequence(groups) or not groups or not all(is_sequence(g) for g in groups):
            raise InputError(f"groups must list the inputs of each output, got {groups!r}")
        for group in groups:
            if not group or not all(is_integer(i) and 0 <= i < in_features for i in group):
                raise InputError(f"groups must hold inputs from 0 to {in_features - 1}, got {tuple(group)!r}")
        self.in_features = int(in_features)
        self.groups = tuple(tuple(int(i) for i in group) for group in groups)

    @classmethod
    def after_sums(cls, nodes: int, arities: Sequence[int]) -> ProductLayer:
        """Build a layer of `nodes` outputs, the last of them products of `arities` inputs; the others pass on one."""
        sums = nodes - len(arities)
        groups: list[tuple[int, ...]] = [(i,) for i in range(sums)]
        start = sums
        for arity in arities:
            groups.append(tuple(range(start, start + arity)))
            start += arity
        return cls(start, groups)

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return len(self.groups)

    @property
    def mask(self) -> Tensor:
        """1 where an output multiplies an input and 0 elsewhere, (in, out)."""
        return torch.tensor([[float(i in group) for group in self.groups] for i in range(self.in_features)])

    def edges(self, x: Tensor) -> Tensor:
        """Return zeros (batch, in, out): a product is no sum of edges."""
        return x.new_zeros(len(x), self.in_features, self.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        check_input(x, self.in_features, None)
        columns = []
        # Neighbouring groups of one arity together: column by column, steps of [2, (0, 20), 1] take twice as long.
        for _, run in groupby(self.groups, key=len):
            first, *others = _factors(x, tuple(run))
            for factor in others:
                first = first * factor
            columns.append(first)
        return torch.cat(columns, -1)

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer by Leibniz' rule, see `Layer.jet`."""
        check_jet(x, self.in_features, None, order)
        columns = []
        for first, *others in self.groups:
            column = x[..., first : first + 1]
            for i in others:
                column = multiply(column, x[..., i : i + 1], order)
            columns.append(column)
        return torch.cat(columns, 2)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Return no segments: there are no parameters."""
        return ()

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, groups={[list(group) for group in self.groups]}"


def arities_of(groups: Groups) -> tuple[int, ...] | None:
    """Return the arities with which `ProductLayer.after_sums` makes these groups, None for groups in another order."""
    arities = tuple(len(group) for group in groups if len(group) > 1)
    if ProductLayer.after_sums(len(groups), arities).groups == groups:
        return arities
    return None


def _factors(x: Tensor, run: Groups) -> Sequence[Tensor]:
    """Return the first, second, ... factors of all groups of a run, (*batch, groups) each."""
    index = [i for group in run for i in group]
    first = index[0]
    last = index[-1]
    # A slice is a view. Inputs taken twice are stacked, for the gradient of a gather is summed in an arbitrary order.
    if index == list(range(first, last + 1)):
        taken = x[..., first : last + 1]
    else:
        if len(set(index)) == len(index):
            taken = x[..., index]
        else:
            taken = torch.stack([x[..., i] for i in index], -1)
    return taken.unflatten(-1, (len(run), len(run[0]))).unbind(-1)
