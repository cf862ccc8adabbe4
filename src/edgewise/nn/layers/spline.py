"""The layer of a KAN (`KANLayer`): from every input to every output an edge with a spline, a function, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn

from edgewise.checks import check_options
from edgewise.errors import InputError
from edgewise.nn.config import BESIDE_SPLINE, NO_FUNCTION, KANConfig, Names, check_input, holds_spline
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.initial import float_dtype, initial_weights, sparse_mask
from edgewise.nn.layers.segments import Segments, active_spline_segments, contracted, one_run
from edgewise.ops.activation import activation_derivatives
from edgewise.ops.contract import spline_sum
from edgewise.ops.jet import check_jet, compose, shape_or_type, spline_jet
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

    functions: Sequence[Sequence[str]] | None
    affine: Tensor | None
    table: Mapping[str, Elementary]
    init: str
    generator: torch.Generator | None
    dtype: torch.dtype | None
    device: torch.device | str | None


class KANLayer(Layer):
    """Layer of learnable edges: an edge is a spline, an elementary function, the sum of both, or absent.

    y_o = sum_i spline_mask_io (base_io b(x_i) + spline_io(x_i)) + function_mask_io (c_io f_io(a_io x_i + b_io) + d_io)

    b is the base function (SiLU in the paper). Outside its domain a spline continues as the straight line through its
    end point; outside the domain of a function the output is nan or infinite. A layer has splines, functions, or both;
    what it doesn't have is None.

    Parameters
    ----------
    in_features, out_features : int
        Number of inputs and of outputs.
    grid_size : int
        Number of knot intervals in the domain; without meaning where all edges are functions.
    degree : int
        Polynomial degree of the splines, 0 to 10, with the fast kernel to 5.
    domain : (float, float) or Tensor, optional
        Interval (low, high) that the knots of every input cover, or one such row per input, (in, 2). Without it the
        knots start on [-1, 1] and the first `fit` moves them to the range of the data.
    base : str or callable
        Base function, see `KANConfig`; with "zero" there is none, and the attribute `base` is None.
    **options : LayerOptions
        functions : sequence of sequences of str
            Names of the functions f of the edges, one row of `out` names for each of the `in` inputs, as in
            `KANConfig`: "" for a spline, "+sin" for the sum of a spline and a function, "0" for no edge. Without it all
            edges are splines.
        affine : Tensor
            The numbers a, b, c, d of each edge's function, (4, in, out); 1, 0, 1, 0 by default.
        table : mapping of str to Elementary
            Table in which the names are looked up; `ELEMENTARY` by default.
        init : {"power", "paper", "sparse"}
            Distribution of the initial weights, see `initial_weights`; "power" by default. "sparse" also masks all
            edges but those between nodes that are nearest to each other.
        generator : torch.Generator
            Source of the initial weights; torch's global generator by default, as in `torch.nn.Linear`.
        dtype, device
            Of the weights; torch's default dtype and the CPU by default.

    Attributes
    ----------
    coef : Parameter or None
        Spline coefficients, (in, grid_size + degree, out).
    base : Parameter or None
        Weights of the base function, (in, out).
    knots : Tensor or None
        Buffer, (in, grid_size + 2 degree + 1).
    spline_mask : Tensor or None
        Buffer, (in, out), 1 for the edges that have a spline and 0 for the others.
    domain_is_set : Tensor or None
        Buffer, a bool: whether the domain was given or set by a fit.
    affine : Parameter or None
        The numbers a, b, c, d of the functions, (4, in, out).
    function_names : tuple of tuples of str or None
        Names of the functions, "0" for the edges without one; `functions` also decides which edges have splines.

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
    >>> layer = KANLayer(2, 2, functions=[["sin", "0"], ["x^2", "exp"]])
    >>> layer(torch.tensor([[0.0, 2.0]])).tolist()
    [[4.0, 7.389056205749512]]
    """

    coef: nn.Parameter  # these are None in a layer without splines (`has_splines`)
    knots: Tensor
    spline_mask: Tensor
    domain_is_set: Tensor
    base: nn.Parameter | None
    affine: nn.Parameter  # None in a layer without functions (`has_functions`)
    _places: Tensor

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
        rows = options.get("functions")
        functions = () if rows is None else (rows,)
        config = KANConfig((in_features, out_features), grid_size, degree, base, functions=functions)  # for its checks
        in_features, out_features = config.width
        (grid_size,) = config.grid_size
        degree = config.degree
        dtype = float_dtype(options.get("dtype"))
        device = options.get("device")
        # The parameters and buffers have one order in every layer, whichever are set later.
        for name in ("coef", "base", "affine"):
            self.register_parameter(name, None)
        for name in ("knots", "spline_mask", "domain_is_set"):
            self.register_buffer(name, None)
        self.register_buffer("_places", None, persistent=False)
        self.degree = degree
        self.base_function = config.base
        self.function_names: Names | None = None
        self._functions: tuple[Elementary, ...] = ()
        self._counts: list[int] = []
        # Splines: knots, first coefficients and the base function, and the edges that have one.
        if grid_size:
            knots = starting_knots(domain, in_features, grid_size, degree, dtype)
            init = options.get("init", "power")
            generator = options.get("generator")
            coef, weight = initial_weights(
                in_features, grid_size + degree, out_features, init=init, generator=generator
            )
            self.coef = nn.Parameter(coef.to(dtype=dtype, device=device))
            if config.base != "zero":
                self.base = nn.Parameter(weight.to(dtype=dtype, device=device))
            self.knots = knots.to(device=self.coef.device)
            if init == "sparse":
                mask = sparse_mask(in_features, out_features)
            else:
                mask = torch.ones(in_features, out_features)
            self.spline_mask = mask.to(dtype=dtype, device=device)
            self.domain_is_set = torch.tensor(domain is not None, device=device)
        # Functions of edges, with an affine map around each.
        if rows is not None:
            affine = options.get("affine")
            shape = 4, in_features, out_features
            if affine is None:
                affine = plain_affine(in_features, out_features)
            elif not isinstance(affine, Tensor) or affine.shape != shape:
                raise InputError(f"affine must have shape {shape}, got {shape_or_type(affine)}")
            names = [[name.removeprefix(BESIDE_SPLINE) or NO_FUNCTION for name in row] for row in rows]
            self.set_functions_(names, affine.to(dtype=dtype, device=device), options.get("table", ELEMENTARY))
            if grid_size:
                present = [[float(holds_spline(name)) for name in row] for row in rows]
                self.spline_mask.mul_(self.spline_mask.new_tensor(present))

    @property
    def has_splines(self) -> bool:
        """Whether the layer has splines, of which each may be masked; else `coef` and its like are None."""
        return self._parameters["coef"] is not None

    @property
    def spline_degrees(self) -> tuple[int, ...]:
        """The degree of the splines, () without splines."""
        return (self.degree,) if self.has_splines else ()

    @property
    def active_coefficients(self) -> int:
        """Number of spline coefficients that the outputs depend on at one point; splines among functions are few."""
        if self.has_functions:
            return 0
        return self.in_features * self.out_features * (self.degree + 1)

    @property
    def has_functions(self) -> bool:
        """Whether the layer has elementary functions; else `affine` and `function_names` are None."""
        return self.function_names is not None

    @property
    def is_linear(self) -> bool:
        """Whether the outputs are linear in the parameters, as those of splines are."""
        return not self.has_functions

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.coef.shape[0] if self.has_splines else self.affine.shape[1]

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.coef.shape[2] if self.has_splines else self.affine.shape[2]

    @property
    def grid_size(self) -> int:
        """Number of knot intervals in the domain of every spline, 0 without splines."""
        return self.coef.shape[1] - self.degree if self.has_splines else 0

    @property
    def domain(self) -> Tensor:
        """Ends of the interval that the knots of every input cover, (in, 2)."""
        return torch.stack(spline_domain(self.knots, self.degree), 1)

    @property
    def function_mask(self) -> Tensor:
        """1 for the edges that have a function and 0 for the others, (in, out)."""
        assert self.function_names is not None, "the layer has functions"
        return self.affine.new_tensor([[float(name != NO_FUNCTION) for name in row] for row in self.function_names])

    @property
    def mask(self) -> Tensor:
        """1 for the edges that exist and 0 for the others, (in, out); without functions this is `spline_mask`."""
        if not self.has_functions:
            return self.spline_mask
        if not self.has_splines:
            return self.function_mask
        return torch.maximum(self.spline_mask, self.function_mask)

    @property
    def functions(self) -> Names | None:
        """Names of the functions as in `KANConfig`: "" for a spline, "+sin" for both, "0" for no edge."""
        if self.function_names is None or not self.has_splines:
            return self.function_names
        # The edges without a function are splines, masked or not.
        return tuple(
            tuple(
                "" if name == NO_FUNCTION else BESIDE_SPLINE * bool(has_spline) + name
                for name, has_spline in zip(row, present, strict=True)
            )
            for row, present in zip(self.function_names, self.spline_mask.tolist(), strict=True)
        )

    def elementary(self, i: int, o: int) -> Elementary | None:
        """Return the function of an edge, None for an edge without one."""
        if self.function_names is None:
            return None
        return next((each for each in self._functions if each.name == self.function_names[i][o]), None)

    def function_alone(self, i: int, o: int) -> Elementary | None:
        """Return the function of an edge that has no spline, None for other edges."""
        if self.has_splines and bool(self.spline_mask[i, o]):
            return None
        return self.elementary(i, o)

    def set_functions_(
        self, names: Sequence[Sequence[str]], affine: Tensor, table: Mapping[str, Elementary] | None = None
    ) -> None:
        """Give the edges other functions, by name ("0", no function) with affine (4, in, out), trained as before.

        The table adds to the functions that the layer has.
        """
        table = {each.name: each for each in self._functions} | dict(table or {})
        flat = [name for row in names for name in row]
        unknown = next((name for name in flat if name != NO_FUNCTION and name not in table), None)
        if unknown is not None:
            raise InputError(f"functions must be named in the table, got {unknown!r}; it has {', '.join(table)}")
        is_trained = not self.has_functions or self.affine.requires_grad
        self.function_names = tuple(map(tuple, names))
        self.affine = nn.Parameter(affine.detach().clone(), requires_grad=is_trained)
        # Edges with the same function are computed together: the flat numbers of the edges, function by function.
        self._functions = tuple(table[name] for name in dict.fromkeys(flat) if name != NO_FUNCTION)
        groups = [[k for k, name in enumerate(flat) if name == each.name] for each in self._functions]
        self._counts = [len(group) for group in groups]
        self._places = torch.tensor([k for group in groups for k in group], dtype=torch.int64, device=affine.device)

    def set_splines_(self, other: KANLayer) -> None:
        """Take the splines of another layer with as many inputs and outputs."""
        self.degree = other.degree
        self.base_function = other.base_function
        self.coef = other.coef
        self.base = other.base
        self.knots = other.knots
        self.spline_mask = other.spline_mask
        self.domain_is_set = other.domain_is_set

    def drop_splines_(self) -> None:
        """Remove all splines; the layer keeps its functions."""
        for name in ("coef", "base"):
            self.register_parameter(name, None)
        for name in ("knots", "spline_mask", "domain_is_set"):
            self.register_buffer(name, None)

    def drop_functions_(self) -> None:
        """Remove all functions; the layer keeps its splines."""
        self.function_names = None
        self._functions = ()
        self._counts = []
        self.register_parameter("affine", None)
        self.register_buffer("_places", None, persistent=False)

    def drop_unused_(self) -> None:
        """Remove the functions where no edge has one, else the splines where no edge has one."""
        if not (self.has_splines and self.has_functions):
            return
        if not self._functions:
            self.drop_functions_()
        elif not bool(self.spline_mask.any()):
            self.drop_splines_()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        if not self.has_splines:
            check_input(x, self.affine.shape[1], self.affine.dtype)
            sums = self._function_sums(x.reshape(-1, x.shape[-1]))
            return sums.reshape(*x.shape[:-1], sums.shape[-1])
        # each look-up takes half a microsecond
        coef = self.coef
        base = self.base
        mask = self.spline_mask
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
        if self.function_names is not None:
            y = y + self._function_sums(flat)
        if x.ndim == 2:
            return y
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def edges(self, x: Tensor) -> Tensor:
        """Compute the value of every edge, (batch, in, out), from points (batch, in)."""
        if not self.has_splines:
            return self._function_edges(x)
        values = (basis(x, self.knots, self.degree).transpose(0, 1) @ self.coef).transpose(0, 1)
        if self.base is not None:
            values = values + base_values(x, self.base_function)[..., None] * self.base
        values = values * self.spline_mask
        if self.has_functions:
            values = values + self._function_edges(x)
        return values

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        if not self.has_splines:
            check_jet(x, self.in_features, self.affine.dtype, order)
            return self._function_jet(x, self.affine.flatten(1), order)
        check_jet(x, self.in_features, self.coef.dtype, order)
        mask = self.spline_mask
        y = spline_jet(x, self.coef * mask[:, None, :], self.knots, self.degree, order)
        if self.base is not None:
            base = activation_derivatives(x[0], self.base_function, order)
            y = y + compose(x, base, order) @ (self.base * mask)
        if self.has_functions:
            y = y + self._function_jet(x, self.affine.flatten(1), order)
        return y

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`, of the parameters that the layer has.

        "coef" has for each input a run of the (degree + 1) * out coefficients whose functions can differ from zero;
        "base" has one run of all its numbers, and so has "affine".
        """
        rows: list[Segments] = []
        # Splines are linear in their coefficients: each input has a run of active B-splines. The factor of the base
        # function multiplies one number for each edge.
        if self.has_splines:
            pulled = sensitivity[:, :, None, :] * self.spline_mask  # (C, batch, in, out), zero for a masked edge
            rows.append(active_spline_segments(x, pulled, self.knots, self.degree, order))
            if self.base is not None:
                jet = compose(x, activation_derivatives(x[0], self.base_function, order), order)
                rows.append(one_run("base", contracted(jet[..., None], pulled).flatten(1)))
        # Affine constants of elementary functions, by automatic differentiation.
        if self.has_functions:
            with torch.enable_grad():  # each sample gets numbers of its own, so that one backward pass keeps them apart
                affine = self.affine.detach().flatten(1)[:, None, :].repeat(1, x.shape[1], 1).requires_grad_()
                y = self._function_jet(x.detach(), affine, order)
                if y.requires_grad:
                    (slopes,) = torch.autograd.grad((y * sensitivity.detach()).sum(), affine)
                else:
                    slopes = torch.zeros_like(affine)
            rows.append(one_run("affine", slopes.transpose(0, 1).flatten(1)))
        return tuple(rows)

    def extra_repr(self) -> str:
        parts = [f"{self.in_features} -> {self.out_features}"]
        if self.has_splines:
            parts.append(f"grid_size={self.grid_size}, degree={self.degree}, base={self.base_function}")
        if self.functions is not None:
            parts.append(f"functions={[list(row) for row in self.functions]}")
        return ", ".join(parts)

    def _groups(self) -> Iterator[tuple[Elementary, Tensor]]:
        """Yield each function that occurs, with the flat indices of its edges."""
        return zip(self._functions, self._places.split(self._counts), strict=False)  # one empty place if none occurs

    def _function_values(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the flat indices (e,) and the values (batch, e) of the edges of each function."""
        affine = self.affine.flatten(1)
        for function, places in self._groups():
            a, b, c, d = affine[:, places]
            yield places, c * function.function(a * x[:, places // self.out_features] + b) + d

    def _function_sums(self, x: Tensor) -> Tensor:
        """Compute the sums of the functions, (batch, out), from points (batch, in)."""
        y = x.new_zeros(x.shape[0], self.out_features)  # len() would fix the size in an export
        for places, values in self._function_values(x):
            y = y.index_add(1, places % self.out_features, values)
        return y

    def _function_edges(self, x: Tensor) -> Tensor:
        """Compute the functions of all edges, (batch, in, out), from points (batch, in)."""
        edges = x.new_zeros(len(x), self.in_features * self.out_features)
        for places, values in self._function_values(x):
            edges = edges.index_copy(1, places, values)
        return edges.unflatten(1, (self.in_features, self.out_features))

    def _function_jet(self, x: Tensor, affine: Tensor, order: int) -> Tensor:
        """Compute the jet for `affine` (4, in * out), or (4, batch, in * out) with numbers for each sample."""
        y = x.new_zeros(*x.shape[:2], self.out_features)
        for function, places in self._groups():
            a, b, c, d = affine[..., places]
            inner = a * x[..., places // self.out_features]
            inner = torch.cat([inner[:1] + b, inner[1:]])
            outer = c * compose(inner, function.jet_derivatives(inner[0], order), order)
            outer = torch.cat([outer[:1] + d, outer[1:]])
            y = y.index_add(2, places % self.out_features, outer)
        return y


def spline_layers(network: nn.Module) -> dict[int, KANLayer]:
    """Return the layers of a network that have splines, by their number."""
    layers = getattr(network, "layers", ())
    return {number: layer for number, layer in enumerate(layers) if isinstance(layer, KANLayer) and layer.has_splines}


def plain_affine(in_features: int, out_features: int) -> Tensor:
    """Return the numbers a, b, c, d of functions that are as in their table, (4, in, out)."""
    return torch.tensor([1.0, 0.0, 1.0, 0.0])[:, None, None].expand(4, in_features, out_features)


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
