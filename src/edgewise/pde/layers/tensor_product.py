"""A layer of all products of B-splines of its inputs (`TensorLayer`): a tensor-product spline for each output."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.segments import Segments
from edgewise.ops.jet import along, check_jet, compose, multiply
from edgewise.ops.splines.active import active_basis
from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE
from edgewise.ops.splines.knots import blossom_coef, breakpoints_of, extend, periodic_knots, repeated

MAX_INPUTS = 4  # a sample meets (degree + 1)^inputs coefficients, 256 for cubic splines of four inputs


class TensorLayer(Layer):
    """Tensor-product splines, y_o = sum over (j, k, ...) of coef[j, k, ..., o] B_j(x_1) B_k(x_2) ..."""

    # The layer is linear in its coefficients, so that one linear solve gives the solution of a linear equation.

    def __init__(
        self,
        breakpoints: Sequence[Tensor],
        out_features: int,
        *,
        degree: int | Sequence[int] = 3,
        periodic: Sequence[bool] | None = None,
        clamped: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= len(breakpoints) <= MAX_INPUTS:
            raise InputError(f"breakpoints must be given for 1 to {MAX_INPUTS} inputs, got {len(breakpoints)}")
        if isinstance(degree, Sequence):
            degrees = tuple(degree)
        else:
            degrees = (degree,) * len(breakpoints)
        if len(degrees) != len(breakpoints) or any(each not in range(1, MAX_PRODUCT_DEGREE + 1) for each in degrees):
            raise InputError(f"degree must be 1 to {MAX_PRODUCT_DEGREE}, for all inputs or for each, got {degree!r}")
        self.degrees = degrees
        self.periodic = tuple(map(bool, periodic or (False,) * len(breakpoints)))
        for number, (points, repeats, degree) in enumerate(zip(breakpoints, self.periodic, degrees, strict=True)):
            if points.ndim != 1 or len(points) < 2 or not bool((points.diff() > 0).all()):
                raise InputError(f"breakpoints must be increasing, (grid_size + 1,), got input {number}: {points}")
            if repeats and len(points) < degree + 2:
                raise InputError(f"a periodic input must have {degree + 1} intervals or more, got {len(points) - 1}")
            # Knots beyond the ends: those of the next period, the ends again and again, or with even spacing.
            if repeats:
                knots = periodic_knots(points[None], degree)
            elif clamped:
                knots = repeated(points[None], degree)
            else:
                knots = extend(points[None], degree)
            self.register_buffer(f"knots_{number}", knots)
        self.coef = nn.Parameter(breakpoints[0].new_zeros(*self._sizes(), out_features))

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return len(self.periodic)

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.coef.shape[-1]

    @property
    def spline_degrees(self) -> tuple[int, ...]:
        """Degree of the splines of each input."""
        return self.degrees

    @property
    def active_coefficients(self) -> int:
        """Number of coefficients that the outputs depend on at one point."""
        return self.out_features * prod(degree + 1 for degree in self.degrees)

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Number of knot intervals of each input."""
        return tuple(len(points) - 1 for points in self.breakpoints)

    @property
    def knots(self) -> list[Tensor]:
        """Knots of each input, (1, grid_size + 2 degree + 1) each."""
        return [getattr(self, f"knots_{number}") for number in range(self.in_features)]

    @property
    def breakpoints(self) -> list[Tensor]:
        """Breakpoints of each input, (grid_size + 1,) each."""
        return [breakpoints_of(knots, degree)[0] for knots, degree in zip(self.knots, self.degrees, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        check_input(x, self.in_features, self.coef.dtype)
        return self.jet(x.reshape(1, -1, x.shape[-1]), 0)[0].reshape(*x.shape[:-1], self.out_features)

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        return self.jet_of([self.coef], x.new_zeros(x.shape[1], dtype=torch.int64), x, order)

    def jet_of(self, coefs: Sequence[Tensor], number: Tensor, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through layers on the same knots, of which each sample meets its own."""
        check_jet(x, self.in_features, self.coef.dtype, order)
        numbers, factors = self._active(x, order)
        last = factors[-1].permute(1, 2, 0)  # (b, degree + 1, C)
        # The coefficients of all layers in one list, from which each point takes its own products.
        if len(coefs) > 1:
            whole = torch.cat([coef.reshape(-1, self.out_features) for coef in coefs])
        else:
            whole = coefs[0]
        numbers = numbers + (number * coefs[0][..., 0].numel())[:, None]
        local = whole.reshape(-1, self.out_features)[numbers].transpose(1, 2)  # (b, out, p)
        runs = self.out_features * numbers.shape[1] // last.shape[1]
        # Sum factorisation: the last input by a matrix product, the others by Leibniz' rule, one by one.
        local = local.reshape(len(numbers), runs, last.shape[1]) @ last
        inner = local.permute(2, 0, 1).unflatten(2, (self.out_features, -1))  # (C, b, out, p / (degree + 1))
        for factor in reversed(factors[:-1]):
            inner = inner.unflatten(3, (-1, factor.shape[2]))
            inner = multiply(inner, factor[:, :, None, None], order).sum(-1)
        return inner[..., 0]

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`: "coef", a run of (degree + 1) * out per row met."""
        numbers, factors = self._active(x, order)
        # The transpose of the sum factorisation of `jet_of`.
        weights = sensitivity[:, :, None, :]  # (C, b, p, out)
        for factor in factors[:-1]:
            weights = _pulled(weights, factor, order).flatten(2, 3)
        last = factors[-1].permute(1, 2, 0)  # (b, degree + 1, C)
        values = last[:, None] @ weights.permute(1, 2, 0, 3)  # (b, p, degree + 1, out)
        # Entries of the last input that lie side by side are one run.
        run = 1 if self.periodic[-1] else self.degrees[-1] + 1  # a run may not wrap around
        starts = numbers[:, ::run] * self.out_features
        values = values.reshape(len(starts), starts.shape[1], run * self.out_features)
        if any(self.periodic):  # runs lie in order
            starts, order_of = starts.sort(1)
            values = values.gather(1, order_of[..., None].expand_as(values))
        return (Segments("coef", starts, values),)

    def with_breakpoints(self, breakpoints: Sequence[Tensor]) -> TensorLayer:
        """Return a new layer with the same function on finer breakpoints, which must contain the old ones."""
        is_clamped = any(
            not repeats and bool(knots[0, 0] == knots[0, degree])
            for knots, degree, repeats in zip(self.knots, self.degrees, self.periodic, strict=True)
        )
        finer = TensorLayer(
            breakpoints, self.out_features, degree=self.degrees, periodic=self.periodic, clamped=is_clamped
        )
        coef = self.coef.detach()
        for axis, (old, new, degree) in enumerate(zip(self.knots, finer.knots, self.degrees, strict=True)):
            # Knot insertion along one input after the other, by blossoming.
            moved = coef.movedim(axis, 0)
            count = finer.coef.shape[axis]
            flat = moved.flatten(1)
            if self.periodic[axis]:
                full = torch.cat([flat, flat[:degree]])
            else:
                full = flat
            carried = blossom_coef(full[None], old, new, degree)[0, :count]
            coef = carried.unflatten(1, moved.shape[1:]).movedim(0, axis)
        finer.coef = nn.Parameter(coef.contiguous())
        return finer

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, grid_sizes={self.grid_sizes}, degrees={self.degrees}"

    def _sizes(self) -> list[int]:
        return [
            len(points) - 1 + (0 if repeats else degree)
            for points, repeats, degree in zip(self.breakpoints, self.periodic, self.degrees, strict=True)
        ]

    def _active(self, x: Tensor, order: int) -> tuple[Tensor, list[Tensor]]:
        """Return the products that can differ from zero, and the jets of their factors.

        The numbers of the products have shape (b, p), the jets of the B-splines of each input (C, b, degree + 1).
        """
        numbers = x.new_zeros(x.shape[1], 1, dtype=torch.int64)
        factors = []
        for axis, (knots, size, degree) in enumerate(zip(self.knots, self._sizes(), self.degrees, strict=True)):
            line = x[..., axis : axis + 1]
            # Periodic inputs are moved into the first period.
            place = line[0]
            if self.periodic[axis]:
                low = knots[0, degree]
                high = knots[0, -degree - 1]
                place = low + torch.remainder(place - low, high - low)
            # Cox-de Boor: B-splines that are not zero, and their jets; numbers with the last input running fastest.
            interval, derivatives = active_basis(place, knots, degree, order)
            offsets = torch.arange(degree + 1, device=x.device)
            factors.append(compose(line, list(derivatives[:, :, 0]), order))
            numbers = (numbers[..., None] * size + (interval + offsets)[:, None] % size).flatten(1)
        return numbers, factors


def _pulled(weights: Tensor, factor: Tensor, order: int) -> Tensor:
    """Pull weights (C, b, p, out) of a product's jet back to one factor, (C, b, p, k, out); `factor` is the other one.

    This is the transpose of Leibniz' rule: the l-th derivative of one factor enters the k-th derivative of the product
    with the weight C(k, l) times the derivative of order k - l of the other.
    """
    weights = weights[:, :, :, None]
    factor = factor[:, :, None, :, None]
    # The value of the product, and then each order of its derivatives along all directions.
    value = (weights * factor).sum(0, keepdim=True)
    if len(weights) == 1:
        return value
    lines = along(weights, order)
    slopes = along(factor, order)
    each = [factor[0], *slopes.unbind(1)]
    pulled = []
    for l in range(1, order + 1):
        terms = [comb(k, l) * lines[:, k - 1] * each[k - l] for k in range(l, order + 1)]
        pulled.append(sum(terms[1:], terms[0]))
    return torch.cat([value, torch.stack(pulled, 1).flatten(0, 1)])
