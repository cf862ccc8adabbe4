"""Layers with elementary functions as edges (`SymbolicLayer`), or with both those and splines (`MixedLayer`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import BESIDE_SPLINE, Names, check_input
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.base import EdgeLayer
from edgewise.nn.layers.initial import float_dtype
from edgewise.nn.layers.segments import Segments, one_run
from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.jet import check_jet, compose

NO_FUNCTION = "0"  # name of the function of an absent edge


class SymbolicLayer(EdgeLayer):
    """Layer of elementary functions, y_o = sum_i c_io f_io(a_io x_i + b_io) + d_io.

    Edges with the function "0" are absent. Outside the domain of a function the output is nan or infinite.

    Parameters
    ----------
    functions : sequence of sequences of str
        Names of the functions f, one row of `out` names for each of the `in` inputs; "" means "0".
    affine : Tensor, optional
        The numbers a, b, c, d of each edge, (4, in, out); 1, 0, 1, 0 by default.
    table : mapping of str to Elementary
        Table in which the names are looked up.
    dtype, device
        Of the weights; torch's default dtype and the CPU by default.

    Attributes
    ----------
    functions : tuple of tuples of str
        Names of the functions, "0" for absent edges.
    affine : Parameter
        (4, in, out).

    Raises
    ------
    InputError
        If `functions` does not consist of rows of known names, or `affine` has another shape.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn import SymbolicLayer
    >>> layer = SymbolicLayer([["sin", "0"], ["x^2", "exp"]])
    >>> layer(torch.tensor([[0.0, 2.0]])).tolist()
    [[4.0, 7.389056205749512]]
    """

    def __init__(
        self,
        functions: Sequence[Sequence[str]],
        affine: Tensor | None = None,
        *,
        table: Mapping[str, Elementary] = ELEMENTARY,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(functions, list | tuple) or not all(isinstance(row, list | tuple) for row in functions):
            raise InputError(f"functions must be rows of names, one row for each input, got {functions!r}")
        self.functions: Names = tuple(tuple(NO_FUNCTION if name == "" else name for name in row) for row in functions)
        if not self.functions or len({len(row) for row in self.functions}) != 1 or not self.functions[0]:
            raise InputError(f"functions must be rows of one length, at least 1 of at least 1, got {functions!r}")
        unknown = next(
            (name for row in self.functions for name in row if name != NO_FUNCTION and name not in table), None
        )
        if unknown is not None:
            raise InputError(f"functions must be named in the table, got {unknown!r}; it has {', '.join(table)}")
        shape = len(self.functions), len(self.functions[0])
        if affine is None:
            affine = torch.tensor([1.0, 0.0, 1.0, 0.0])[:, None, None].expand(4, *shape)
        elif not isinstance(affine, Tensor) or affine.shape != (4, *shape):
            if isinstance(affine, Tensor):
                came = tuple(affine.shape)
            else:
                came = type(affine).__name__
            raise InputError(f"affine must have shape (4, {shape[0]}, {shape[1]}), got {came}")
        self.affine = nn.Parameter(affine.detach().to(dtype=float_dtype(dtype), device=device).clone())
        flat = [name for row in self.functions for name in row]
        self._rows = tuple(table[name] for name in dict.fromkeys(flat) if name != NO_FUNCTION)
        for number, row in enumerate(self._rows):
            places = torch.tensor([k for k, name in enumerate(flat) if name == row.name], device=device)
            self.register_buffer(f"_places_{number}", places, persistent=False)

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.affine.shape[1]

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.affine.shape[2]

    @property
    def mask(self) -> Tensor:
        """1 for the edges that exist and 0 for the others, (in, out)."""
        return self.affine.new_tensor([[float(name != NO_FUNCTION) for name in row] for row in self.functions])

    def elementary(self, i: int, o: int) -> Elementary | None:
        """Return the function of an edge, or None for an absent edge."""
        return next((row for row in self._rows if row.name == self.functions[i][o]), None)

    def replaced(
        self, functions: Sequence[Sequence[str]], affine: Tensor, *, table: Mapping[str, Elementary] | None = None
    ) -> SymbolicLayer:
        """Make a layer of other functions, trained as this one is.

        Parameters
        ----------
        functions, affine
            Of the new layer, which may have another shape.
        table : mapping of str to Elementary, optional
            Functions that this layer doesn't have.

        Returns
        -------
        SymbolicLayer
            The new layer.

        Examples
        --------
        >>> import torch
        >>> from edgewise.nn import SymbolicLayer
        >>> SymbolicLayer([["sin", "exp"]]).replaced([["exp"]], torch.ones(4, 1, 1)).functions
        (('exp',),)
        """
        known = {row.name: row for row in self._rows} | dict(table or {})
        layer = SymbolicLayer(functions, affine, table=known, dtype=affine.dtype, device=affine.device)
        layer.affine.requires_grad_(self.affine.requires_grad)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        check_input(x, self.in_features, self.affine.dtype)
        flat = x.reshape(-1, x.shape[-1])
        y = flat.new_zeros(flat.shape[0], self.out_features)  # len() would fix the size in an export
        for places, values in self._values(flat):
            y = y.index_add(1, places % self.out_features, values)
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def edges(self, x: Tensor) -> Tensor:
        """Compute the value of every edge, (batch, in, out), from points (batch, in)."""
        edges = x.new_zeros(len(x), self.in_features * self.out_features)
        for places, values in self._values(x):
            edges = edges.index_copy(1, places, values)
        return edges.unflatten(1, (self.in_features, self.out_features))

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        check_jet(x, self.in_features, self.affine.dtype, order)
        return self._jet(x, self.affine.flatten(1), order)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows, see `Layer.jacobian_segments`: one run of all 4 * in * out numbers of "affine"."""
        with torch.enable_grad():  # each sample gets numbers of its own, so that one backward pass keeps them apart
            own = self.affine.detach().flatten(1)[:, None, :].repeat(1, x.shape[1], 1).requires_grad_()
            y = self._jet(x.detach(), own, order)
            if y.requires_grad:
                (rows,) = torch.autograd.grad((y * sensitivity.detach()).sum(), own)
            else:
                rows = torch.zeros_like(own)
        return (one_run("affine", rows.transpose(0, 1).flatten(1)),)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, functions={[list(row) for row in self.functions]}"

    def _groups(self) -> Iterator[tuple[Elementary, Tensor]]:
        """Yield each function that occurs, with the flat indices of its edges."""
        for number, row in enumerate(self._rows):
            yield row, getattr(self, f"_places_{number}")

    def _values(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the flat indices (e,) and the values (batch, e) of the edges of each function."""
        affine = self.affine.flatten(1)
        for row, places in self._groups():
            a, b, c, d = affine[:, places]
            yield places, c * row.function(a * x[:, places // self.out_features] + b) + d

    def _jet(self, x: Tensor, affine: Tensor, order: int) -> Tensor:
        """Compute the jet for `affine` (4, in * out), or (4, batch, in * out) with numbers for each sample."""
        y = x.new_zeros(*x.shape[:2], self.out_features)
        for row, places in self._groups():
            a, b, c, d = affine[..., places]
            inner = a * x[..., places // self.out_features]
            inner = torch.cat([inner[:1] + b, inner[1:]])
            outer = c * compose(inner, row.jet_derivatives(inner[0], order), order)
            outer = torch.cat([outer[:1] + d, outer[1:]])
            y = y.index_add(2, places % self.out_features, outer)
        return y


class MixedLayer(EdgeLayer):
    """Sum of a spline layer and a symbolic layer of the same shape: an edge is a spline, a function, or their sum.

    Parameters
    ----------
    spline : KANLayer
        The splines; the mask is 0 for the edges without one.
    symbolic : SymbolicLayer
        The elementary functions; "0" for the edges without one.

    Raises
    ------
    InputError
        If the shapes or dtypes differ.

    Examples
    --------
    >>> spline, symbolic = KANLayer(1, 2), SymbolicLayer([["sin", "0"]])
    >>> spline.mask[0, 0] = 0.0
    >>> MixedLayer(spline, symbolic).mask
    tensor([[1., 1.]])
    """

    def __init__(self, spline: KANLayer, symbolic: SymbolicLayer) -> None:
        super().__init__()
        if spline.mask.shape != symbolic.mask.shape or spline.coef.dtype != symbolic.affine.dtype:
            raise InputError(
                f"symbolic must be as spline, {tuple(spline.mask.shape)} of {spline.coef.dtype}, "
                f"got {tuple(symbolic.mask.shape)} of {symbolic.affine.dtype}"
            )
        self.spline = spline
        self.symbolic = symbolic

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.spline.in_features

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.spline.out_features

    @property
    def functions(self) -> Names:
        """Names of the elementary functions of the edges, one row for each input; "+sin" is added to a spline."""
        splines = self.spline.mask.tolist()
        return tuple(
            tuple(
                BESIDE_SPLINE + name if name != NO_FUNCTION and has_spline else name
                for name, has_spline in zip(row, present, strict=True)
            )
            for row, present in zip(self.symbolic.functions, splines, strict=True)
        )

    @property
    def mask(self) -> Tensor:
        """1 for the edges that exist, of either kind or of both, and 0 for absent edges, (in, out)."""
        return torch.maximum(self.spline.mask, self.symbolic.mask)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        return self.spline(x) + self.symbolic(x)

    def edges(self, x: Tensor) -> Tensor:
        """Compute the value of every edge, (batch, in, out), from points (batch, in)."""
        return self.spline.edges(x) + self.symbolic.edges(x)

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        return self.spline.jet(x, order) + self.symbolic.jet(x, order)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows of both parts, for "spline.coef", "spline.base" and "symbolic.affine"."""
        parts = {"spline": self.spline, "symbolic": self.symbolic}
        return tuple(
            replace(segments, parameter=f"{name}.{segments.parameter}")
            for name, part in parts.items()
            for segments in part.jacobian_segments(x, sensitivity, order)
        )
