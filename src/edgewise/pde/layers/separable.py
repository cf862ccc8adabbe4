"""A layer whose outputs are products of one spline of each input (`SeparableLayer`): terms of a low-rank function."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.initial import float_dtype
from edgewise.nn.layers.segments import Segments, active_spline_segments
from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.jet import check_jet, compose, multiply
from edgewise.ops.splines.active import active_basis


class SeparableLayer(Layer):
    """Layer of products of splines, y_o = prod_i spline_io(x_i): it multiplies its edges instead of adding them."""

    # A sum of a few of its outputs is a low-rank function: many solutions on boxes need few terms for many digits.

    knots: Tensor
    domain_is_set: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        grid_size: int = 5,
        degree: int = 3,
        domain: Sequence[float] | Tensor | None = None,
        generator: torch.Generator | None = None,
        around: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        # Knots and dtype of an ordinary layer of splines.
        like = KANLayer(
            in_features,
            out_features,
            grid_size=grid_size,
            degree=degree,
            domain=domain,
            base="zero",
            generator=generator,
            dtype=float_dtype(dtype),
        )
        self.degree = degree
        # Random smooth coefficients: a line and a sine of at most two periods.
        place = torch.linspace(-1, 1, like.coef.shape[1], dtype=torch.float64)[None, :, None]
        shape = (like.in_features, 1, like.out_features)
        slope, phase, speed = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(3))
        smooth = 0.5 * (2 * slope - 1) * place + 0.7 * torch.sin(torch.pi * (2 * speed * place + 2 * phase))
        self.coef = nn.Parameter((around + smooth).to(like.coef.dtype))
        self.register_buffer("knots", like.knots)
        self.register_buffer("domain_is_set", like.domain_is_set)

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.coef.shape[0]

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.coef.shape[2]

    @property
    def grid_size(self) -> int:
        """Number of knot intervals in the domain of every spline."""
        return self.coef.shape[1] - self.degree

    @property
    def spline_degrees(self) -> tuple[int, ...]:
        """The degree of the splines."""
        return (self.degree,)

    @property
    def active_coefficients(self) -> int:
        """Number of spline coefficients that the outputs depend on at one point."""
        return self.in_features * self.out_features * (self.degree + 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        check_input(x, self.in_features, self.coef.dtype)
        edges = self.edges(x.reshape(-1, x.shape[-1]))
        return edges.prod(1).reshape(*x.shape[:-1], self.out_features)

    def edges(self, x: Tensor) -> Tensor:
        """Compute every spline, (batch, in, out), from points (batch, in); an output is their product."""
        return self._edge_jet(x[None], 0)[0]

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        check_jet(x, self.in_features, self.coef.dtype, order)
        # Leibniz' rule, factor by factor.
        first, *others = self._edge_jet(x, order).unbind(2)
        for factor in others:
            first = multiply(first, factor, order)
        return first

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`: "coef", a run of (degree + 1) * out per input."""
        # Derivatives of the product by each of its splines, by reverse mode, then of splines by coefficients.
        edges = self._edge_jet(x, order).detach().requires_grad_()
        with torch.enable_grad():
            first, *others = edges.unbind(2)
            for factor in others:
                first = multiply(first, factor, order)
            (pulled,) = torch.autograd.grad(first, edges, sensitivity)
        return (active_spline_segments(x, pulled, self.knots, self.degree, order),)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, grid_size={self.grid_size}, degree={self.degree}"

    def _edge_jet(self, x: Tensor, order: int) -> Tensor:
        """Compute the jet of every spline, (C, batch, in, out)."""
        # The degree + 1 B-splines that are not zero at each point, with their coefficients.
        interval, derivatives = active_basis(x[0], self.knots, self.degree, order)
        position = interval[..., None] + torch.arange(self.degree + 1, device=x.device)
        coef = self.coef[torch.arange(self.in_features, device=x.device)[:, None], position]  # (b, in, degree + 1, out)
        values = [(each[..., None, :] @ coef)[..., 0, :] for each in derivatives]
        return compose(x[..., None].expand(*x.shape, self.out_features), values, order)
