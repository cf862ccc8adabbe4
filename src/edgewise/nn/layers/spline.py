"""The layer of a KAN (`KANLayer`): an edge with a learnable spline from every input to every output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn

from edgewise.checks import check_options
from edgewise.errors import InputError
from edgewise.nn.config import KANConfig, check_input
from edgewise.nn.layers.base import EdgeLayer
from edgewise.nn.layers.initial import float_dtype, initial_weights, sparse_mask
from edgewise.nn.layers.segments import Segments, active_spline_segments, contracted, one_run
from edgewise.ops.activation import activation_derivatives
from edgewise.ops.contract import spline_sum
from edgewise.ops.jet import check_jet, compose, spline_jet
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis, spline_domain
from edgewise.ops.whole_layer import base_values, layer_sum


class LayerOptions(TypedDict, total=False):
    """Further keyword arguments of `KANLayer`.

    Examples
    --------
    >>> options: LayerOptions = {"dtype": torch.float64}
    >>> KANLayer(2, 3, **options).coef.dtype
    torch.float64
    """

    init: str
    generator: torch.Generator | None
    dtype: torch.dtype | None
    device: torch.device | str | None


class KANLayer(EdgeLayer):
    """Layer of learnable edges, y_o = sum_i mask_io (base_io b(x_i) + spline_io(x_i)).

    b is the base function (SiLU in the paper). Outside its domain a spline continues as the straight line through its
    end point.

    Parameters
    ----------
    in_features, out_features : int
        Number of inputs and of outputs.
    grid_size : int
        Number of knot intervals in the domain.
    degree : int
        Polynomial degree of the splines, 0 to 10, with the fast kernel to 5.
    domain : (float, float) or Tensor, optional
        Interval (low, high) that the knots of every input cover, or one such row per input, (in, 2). Without it the
        knots start on [-1, 1] and the first `fit` moves them to the range of the data.
    base : str or callable
        Base function, see `KANConfig`; with "zero" there is none, and the attribute `base` is None.
    **options : LayerOptions
        init : {"power", "paper", "sparse"}
            Distribution of the initial weights, see `initial_weights`; "power" by default. "sparse" also masks all
            edges but those between nodes that are nearest to each other.
        generator : torch.Generator
            Source of the initial weights; torch's global generator by default, as in `torch.nn.Linear`.
        dtype, device
            Of the weights; torch's default dtype and the CPU by default.

    Attributes
    ----------
    coef : Parameter
        Spline coefficients, (in, grid_size + degree, out).
    base : Parameter or None
        Weights of the base function, (in, out).
    knots : Tensor
        Buffer, (in, grid_size + 2 degree + 1).
    mask : Tensor
        Buffer, (in, out), 1 for the edges that exist and 0 for the others.
    domain_is_set : Tensor
        Buffer, a bool: whether the domain was given or set by a fit.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks", arXiv 2404.19756, section 2.2.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KANLayer
    >>> layer = KANLayer(2, 3, grid_size=8, domain=(0.0, 1.0))
    >>> layer(torch.rand(10, 2)).shape
    torch.Size([10, 3])
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
        base: str | Callable[[Tensor], Tensor] = "silu",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__()
        check_options(KANLayer, options, LayerOptions)
        config = KANConfig((in_features, out_features), grid_size, degree, base)  # for its checks
        (in_features, out_features), (grid_size,), degree = config.width, config.grid_size, config.degree
        dtype = float_dtype(options.get("dtype"))
        device = options.get("device")
        knots = starting_knots(domain, in_features, grid_size, degree, dtype)
        self.degree = degree
        self.base_function = config.base
        init = options.get("init", "power")
        generator = options.get("generator")
        coef, weight = initial_weights(in_features, grid_size + degree, out_features, init=init, generator=generator)
        self.coef = nn.Parameter(coef.to(dtype=dtype, device=device))
        if config.base == "zero":
            self.base = None
        else:
            self.base = nn.Parameter(weight.to(dtype=dtype, device=device))
        self.register_buffer("knots", knots.to(device=self.coef.device))
        if init == "sparse":
            mask = sparse_mask(in_features, out_features)
        else:
            mask = torch.ones(in_features, out_features)
        self.register_buffer("mask", mask.to(dtype=dtype, device=device))
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
        """Ends of the interval that the knots of every input cover, (in, 2)."""
        return torch.stack(spline_domain(self.knots, self.degree), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        # each look-up takes half a microsecond
        coef = self.coef
        base = self.base
        mask = self.mask
        knots = self.knots
        check_input(x, coef.shape[0], coef.dtype)
        if x.ndim == 2:
            flat = x
        else:
            flat = x.reshape(-1, x.shape[-1])
        y = layer_sum(flat, coef, base, mask, knots, self.degree, self.base_function)
        if y is None:  # no kernel computes the whole layer here
            y = spline_sum(flat, coef * mask[:, None, :], knots, self.degree)
            if base is not None:
                y = y + base_values(flat, self.base_function) @ (base * mask)
        if x.ndim == 2:
            return y
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def edges(self, x: Tensor) -> Tensor:
        """Compute the value of every edge, (batch, in, out), from points (batch, in)."""
        values = (basis(x, self.knots, self.degree).transpose(0, 1) @ self.coef).transpose(0, 1)
        if self.base is not None:
            values = values + base_values(x, self.base_function)[..., None] * self.base
        return values * self.mask

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        check_jet(x, self.in_features, self.coef.dtype, order)
        y = spline_jet(x, self.coef * self.mask[:, None, :], self.knots, self.degree, order)
        if self.base is None:
            return y
        return y + compose(x, activation_derivatives(x[0], self.base_function, order), order) @ (self.base * self.mask)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`.

        "coef" has for each input a run of the (degree + 1) * out coefficients whose functions can differ from zero;
        "base" has one run of all its numbers, and is absent without a base function.
        """
        pulled = sensitivity[:, :, None, :] * self.mask  # (C, batch, in, out): a masked edge has rows of zeros
        coef = active_spline_segments(x, pulled, self.knots, self.degree, order)
        if self.base is None:
            return (coef,)
        jet = compose(x, activation_derivatives(x[0], self.base_function, order), order)
        return coef, one_run("base", contracted(jet[..., None], pulled).flatten(1))

    def extra_repr(self) -> str:
        return (
            f"{self.in_features} -> {self.out_features}, grid_size={self.grid_size}, degree={self.degree}, "
            f"base={self.base_function}"
        )


def starting_knots(
    domain: Sequence[float] | Tensor | None, in_features: int, grid_size: int, degree: int, dtype: torch.dtype
) -> Tensor:
    """Return uniform knots over the domain, computed in float64, so that they mean the same in every dtype."""
    try:
        ends = torch.as_tensor((-1.0, 1.0) if domain is None else domain, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"domain must be (low, high), or one such row per input, got {domain!r}") from error
    came = ends.tolist()
    if ends.shape in ((2,), (in_features, 2)):
        ends = ends.expand(in_features, 2)
    if ends.shape != (in_features, 2) or not bool((ends[:, 0] < ends[:, 1]).all() & ends.isfinite().all()):
        raise InputError(f"domain must be (low, high) with low < high, or one such row per input, got {came}")
    knots = knot_vectors.uniform(ends, grid_size, degree).to(dtype)
    # Far from zero neighbouring numbers of `dtype` are far apart, and knots that coincide would divide by zero.
    if not bool((knots.diff() > 0).all() & knots.isfinite().all()):
        raise InputError(f"domain must leave room for {grid_size} distinct intervals in {dtype}, got {came}")
    return knots
