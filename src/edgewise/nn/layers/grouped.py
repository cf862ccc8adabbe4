"""A layer whose edges share their functions (`GroupLayer`): a weight for each edge, a function for each group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.checks import check_options
from edgewise.errors import InputError
from edgewise.nn.config import KANConfig
from edgewise.nn.layers.base import WeightedLayer
from edgewise.nn.layers.initial import float_dtype
from edgewise.nn.layers.segments import Segments, contracted, one_run
from edgewise.nn.layers.spline import starting_knots
from edgewise.ops.activation import activation_derivatives
from edgewise.ops.contract import to_input
from edgewise.ops.jet import compose
from edgewise.ops.splines.active import active_basis


class GroupOptions(TypedDict, total=False):
    """Further keyword arguments of `GroupLayer`."""

    generator: torch.Generator | None  # source of the initial weights; torch's global generator by default
    dtype: torch.dtype | None  # of the weights; torch's default dtype and the CPU by default
    device: torch.device | str | None


class GroupLayer(WeightedLayer):
    """Layer y_o = bias_o + sum_i weight_io f_g(i)(x_i), with one learned function f_g for each group of inputs.

    An edge has one number of its own, as in an MLP, so that the layer is as wide as a dense one with as many
    parameters. f_g is the base function plus a spline, which starts at zero: the layer starts as a dense layer after
    that function. Input i belongs to group i modulo `groups`. The weights start so that the outputs vary as much as
    inputs from a standard normal distribution do.

    Parameters
    ----------
    in_features, out_features : int
        Number of inputs and of outputs.
    groups : int
        Number of functions, a divisor of `in_features`: 1 for one function that all edges share, `in_features` for one
        for each input.
    grid_size, degree : int
        Of the splines, as for `KANLayer`.
    domain : (float, float)
        Interval that the knots cover: by default three standard deviations of normalised inputs.
    base : str or callable
        Base function, see `KANConfig`, but for "zero".
    **options : GroupOptions
        generator, dtype and device of the weights.

    Attributes
    ----------
    coef : Parameter
        Spline coefficients, (groups, grid_size + degree).
    weight : Parameter
        (in, out).
    bias : Parameter
        (out,).
    knots : Tensor
        Buffer, (groups, grid_size + 2 degree + 1).

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    X. Yang and X. Wang, "Kolmogorov-Arnold Transformer", arXiv 2409.10594, with rational functions instead of splines.

    Examples
    --------
    >>> layer = GroupLayer(64, 200, groups=8)
    >>> layer(torch.rand(10, 64)).shape, sum(p.numel() for p in layer.parameters()) - 64 * 200 - 200
    (torch.Size([10, 200]), 88)
    """

    knots: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        groups: int = 1,
        grid_size: int = 8,
        degree: int = 3,
        domain: Sequence[float] = (-3.0, 3.0),
        base: str | Callable[[Tensor], Tensor] = "silu",
        **options: Unpack[GroupOptions],
    ) -> None:
        check_options(GroupLayer, options, GroupOptions)
        KANConfig((in_features, out_features), 1)  # for its checks
        config = KANConfig((groups, 1), grid_size, degree, base)
        if in_features % groups:
            raise InputError(f"groups must divide in_features, {in_features}, got {groups}")
        if config.base == "zero":
            raise InputError("base must be a function other than zero, with which all outputs would start at zero")
        dtype, device = float_dtype(options.get("dtype")), options.get("device")
        points, shares = np.polynomial.hermite_e.hermegauss(64)
        (values,) = activation_derivatives(torch.from_numpy(points), config.base, 0)
        mean_square = float(torch.from_numpy(shares) @ values.square()) / math.sqrt(2 * math.pi)
        weight = torch.randn(in_features, out_features, generator=options.get("generator"), dtype=torch.float64)
        weight /= math.sqrt(in_features * mean_square)
        super().__init__(weight, dtype, device)
        self.degree, self.base_function = config.degree, config.base
        (size,) = config.grid_size
        self.coef = nn.Parameter(torch.zeros(groups, size + config.degree, dtype=dtype, device=device))
        knots = starting_knots(domain, groups, size, config.degree, dtype)
        self.register_buffer("knots", knots.to(device=self.coef.device))

    @property
    def groups(self) -> int:
        """Number of functions."""
        return self.coef.shape[0]

    @property
    def grid_size(self) -> int:
        """Number of knot intervals in the domain of every spline."""
        return self.coef.shape[1] - self.degree

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`: "weight", "bias" and "coef", one full run each."""
        groups = torch.arange(self.in_features, device=x.device) % self.groups
        interval, derivatives = active_basis(x[0], self.knots[groups], self.degree, order)
        jets = compose(x[..., None], list(derivatives), order)  # of the active functions, (C, batch, in, degree + 1)
        values = contracted(jets, (sensitivity @ self.weight.mT)[..., None])
        starts = (interval + groups * self.coef.shape[1])[..., None]
        places = starts + torch.arange(self.degree + 1, device=x.device)
        coef = values.new_zeros(len(values), self.coef.numel())
        coef = coef.scatter_add(1, places.flatten(1), values.flatten(1))
        return *super().jacobian_segments(x, sensitivity, order), one_run("coef", coef)

    def extra_repr(self) -> str:
        return (
            f"{self.in_features} -> {self.out_features}, groups={self.groups}, grid_size={self.grid_size}, "
            f"degree={self.degree}, base={self.base_function}"
        )

    def _derivatives(self, x: Tensor, order: int) -> list[Tensor]:
        rows = x.reshape(-1, self.groups)  # input i stands in column i modulo `groups`
        ones, coef = rows.new_ones(len(rows), 1), self.coef[..., None]
        # The derivative of the sum of splines by the weights of its inputs: one spline for each number.
        return [
            base + to_input(ones, rows, coef, self.knots, self.degree, number).reshape(x.shape)
            for number, base in enumerate(activation_derivatives(x, self.base_function, order))
        ]
