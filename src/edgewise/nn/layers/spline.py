"""A layer of learnable edges: every input meets every output through a function of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import KANConfig, check_input
from edgewise.nn.layers.base import EdgeLayer
from edgewise.nn.layers.initial import float_dtype, initial_weights
from edgewise.nn.layers.segments import Segments, spline_segments
from edgewise.ops.activation import activation_derivatives
from edgewise.ops.contract import spline_sum
from edgewise.ops.jet import check_jet, compose, spline_jet
from edgewise.ops.layer_sum import base_values, layer_sum
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis, spline_domain


class KANLayer(EdgeLayer):
    """y_o = sum_i mask_io (base_io b(x_i) + spline_io(x_i)), with b the base function (SiLU in the paper).

    Outside its domain a spline continues as the straight line of its end point.

    Args:
        in_features, out_features: number of inputs and outputs.
        grid_size: knot intervals over the domain.
        degree: polynomial degree, 0 .. 5.
        domain: (low, high) of every input's grid, or a tensor (in, 2). Left out, the grid starts on [-1, 1] and
            the first `fit` moves it to where the data are.
        base: "silu", "identity" or "zero" (no base function; `base` is then None).
        init: "power" or "paper", see `initial_weights`.
        generator: source of the initial weights; torch's global one by default, as in `nn.Linear`.

    Parameters: `coef` (in, grid_size + degree, out), `base` (in, out).
    Buffers: `knots` (in, grid_size + 2 degree + 1), `mask` (in, out) of 0 and 1, `domain_is_set` (a bool).
    """

    knots: Tensor
    mask: Tensor
    domain_is_set: Tensor
    base: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        grid_size: int = 5,
        degree: int = 3,
        domain: Sequence[float] | Tensor | None = None,
        base: str = "silu",
        init: str = "power",
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        config = KANConfig((in_features, out_features), grid_size, degree, base)  # for its checks
        (in_features, out_features), (grid_size,), degree = config.width, config.grid_size, config.degree
        dtype = float_dtype(dtype)
        knots = _starting_knots(domain, in_features, grid_size, degree, dtype)
        self.degree = degree
        self.base_function = base
        coef, weight = initial_weights(in_features, grid_size + degree, out_features, init=init, generator=generator)
        self.coef = nn.Parameter(coef.to(dtype=dtype, device=device))
        self.base = None if base == "zero" else nn.Parameter(weight.to(dtype=dtype, device=device))
        self.register_buffer("knots", knots.to(device=self.coef.device))
        self.register_buffer("mask", torch.ones(in_features, out_features, dtype=dtype, device=device))
        self.register_buffer("domain_is_set", torch.tensor(domain is not None, device=device))

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
    def domain(self) -> Tensor:
        """Ends of every input's grid, (in, 2)."""
        return torch.stack(spline_domain(self.knots, self.degree), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, out)."""
        coef, base, mask, knots = self.coef, self.base, self.mask, self.knots  # each costs half a microsecond
        check_input(x, coef.shape[0], coef.dtype)
        flat = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        y = layer_sum(flat, coef, base, mask, knots, self.degree, self.base_function)
        if y is None:  # no kernel for the whole layer
            y = spline_sum(flat, coef * mask[:, None, :], knots, self.degree)
            if base is not None:
                y = y + base_values(flat, self.base_function) @ (base * mask)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], y.shape[-1])

    def edges(self, x: Tensor) -> Tensor:
        """The value of every edge, x (batch, in) -> (batch, in, out). Costs `in` times the memory of `forward`."""
        values = (basis(x, self.knots, self.degree).transpose(0, 1) @ self.coef).transpose(0, 1)
        if self.base is not None:
            values = values + base_values(x, self.base_function)[..., None] * self.base
        return values * self.mask

    def jet(self, x: Tensor, order: int) -> Tensor:
        """The jet of the output from that of the input, (C, batch, in) -> (C, batch, out); see `ops.jet`."""
        check_jet(x, self.in_features, self.coef.dtype, order)
        y = spline_jet(x, self.coef * self.mask[:, None, :], self.knots, self.degree, order)
        if self.base is None:
            return y
        return y + compose(x, activation_derivatives(x[0], self.base_function, order), order) @ (self.base * self.mask)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Rows d(sum_co sensitivity[c,b,o] y[c,b,o]) / d(parameter) of each sample, with y the jet of the output.

        Args:
            x: the jet of the layer's input, (C, batch, in); for a plain value C = 1 and order = 0.
            sensitivity: what is differentiated, by the jet of the layer's output, (C, batch, out).
            order: of the jets.

        Returns:
            "coef": for each input a run of the (degree + 1) * out coefficients that the sample meets; "base": one run
            of all, absent where there is no base function.
        """
        return spline_segments(x, sensitivity, self.mask, self.knots, self.degree, self.base_function, order)

    def extra_repr(self) -> str:
        return (
            f"{self.in_features} -> {self.out_features}, grid_size={self.grid_size}, degree={self.degree}, "
            f"base={self.base_function}"
        )


def _starting_knots(
    domain: Sequence[float] | Tensor | None, in_features: int, grid_size: int, degree: int, dtype: torch.dtype
) -> Tensor:
    """Uniform knots over the domain, computed in float64, so that they mean the same in every dtype."""
    try:
        ends = torch.as_tensor((-1.0, 1.0) if domain is None else domain, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"domain must be (low, high), or one such row per input, got {domain!r}") from error
    came = ends.tolist()
    ends = ends.expand(in_features, 2) if ends.shape in ((2,), (in_features, 2)) else ends
    if ends.shape != (in_features, 2) or not bool((ends[:, 0] < ends[:, 1]).all() & ends.isfinite().all()):
        raise InputError(f"domain must be (low, high) with low < high, or one such row per input, got {came}")
    knots = knot_vectors.uniform(ends, grid_size, degree).to(dtype)
    # Far from zero neighbours in `dtype` are far apart, and knots that coincide would divide by zero.
    if not bool((knots.diff() > 0).all() & knots.isfinite().all()):
        raise InputError(f"domain must leave room for {grid_size} distinct intervals in {dtype}, got {came}")
    return knots
