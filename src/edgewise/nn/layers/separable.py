"""A layer whose outputs are products of one spline of each input: a separable function, a term of a low-rank sum."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.initial import float_dtype
from edgewise.nn.layers.segments import Segments, active_spline_segments
from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.jet import check_jet, compose, multiply
from edgewise.ops.splines.active_basis import active_basis


class SeparableLayer(Layer):
    """y_o = prod_i spline_io(x_i): a KAN layer that multiplies its edges instead of adding them.

    A sum of a few of its outputs is a low-rank function, as in the separated representations of G. Beylkin and
    M. Mohlenkamp (SIAM J. Sci. Comput. 26, 2005, 2133): many solutions on boxes need few terms for many digits.

    Args:
        in_features, out_features: number of inputs and outputs.
        grid_size, degree, domain: of the splines, as for `KANLayer`.
        generator: source of the initial weights: splines near 1 / in in size, smooth and different.
        around: what they scatter around; of 0 products of many inputs are next to nothing.

    Parameter: `coef` (in, grid_size + degree, out). Buffers: `knots`, `domain_is_set` as in `KANLayer`.
    """

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
    ):
        super().__init__()
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
        self.coef = nn.Parameter((around + _smooth(like, generator)).to(like.coef.dtype))
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

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, out)."""
        check_input(x, self.in_features, self.coef.dtype)
        edges = self.edges(x.reshape(-1, x.shape[-1]))
        return edges.prod(1).reshape(*x.shape[:-1], self.out_features)

    def edges(self, x: Tensor) -> Tensor:
        """The value of every spline, x (batch, in) -> (batch, in, out); the output is their product over inputs."""
        return self._edge_jet(x[None], 0)[0]

    def jet(self, x: Tensor, order: int) -> Tensor:
        """The jet of the output from that of the input, (C, batch, in) -> (C, batch, out); see `ops.jet`."""
        check_jet(x, self.in_features, self.coef.dtype, order)
        first, *others = self._edge_jet(x, order).unbind(2)
        for factor in others:
            first = multiply(first, factor, order)
        return first

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """As `KANLayer.jacobian_segments`: "coef", for each input a run of (degree + 1) * out."""
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
        """The jet of every spline, (C, batch, in, out)."""
        interval, derivatives = active_basis(x[0], self.knots, self.degree, order)
        position = interval[..., None] + torch.arange(self.degree + 1, device=x.device)
        coef = self.coef[torch.arange(self.in_features, device=x.device)[:, None], position]  # (b, in, degree + 1, out)
        values = [(each[..., None, :] @ coef)[..., 0, :] for each in derivatives]
        return compose(x[..., None].expand(*x.shape, self.out_features), values, order)


def _smooth(like: KANLayer, generator: torch.Generator | None) -> Tensor:
    """Coefficients of a random straight line and a random wave for each spline, (in, n, out)."""
    n = like.coef.shape[1]
    place = torch.linspace(-1, 1, n, dtype=torch.float64)[None, :, None]
    shape = (like.in_features, 1, like.out_features)
    slope, phase, speed = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    return 0.5 * (2 * slope - 1) * place + 0.7 * torch.sin(torch.pi * (2 * speed * place + 2 * phase))
