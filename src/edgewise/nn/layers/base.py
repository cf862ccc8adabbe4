"""The contract of a layer (`Layer`), and networks of layers (`Chain`, `LayerList`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.segments import Segments
from edgewise.ops.jet import seed_jet

Groups = tuple[tuple[int, ...], ...]
"""For each output of a layer of products the inputs that are multiplied."""

LayerType = TypeVar("LayerType", bound="Layer", covariant=True)


class Layer(nn.Module):
    """Base class of all layers: a function of (batch, in) that also gives its derivatives and its Jacobian rows.

    Every optimiser, penalty and solver works with any layer that has `forward`, `jet` and `jacobian_segments`; scores,
    sparsity and plots with one that has `edges` too.

    Attributes
    ----------
    in_features, out_features : int
        Number of inputs and of outputs.
    groups : tuple of tuples of int or None
        For a layer of products the inputs that each output multiplies, None for a layer of edges.
    mask : Tensor
        (in, out), 1 for the edges that exist and 0 for the others.

    Examples
    --------
    >>> from edgewise.nn.layers import KANLayer
    >>> layer = KANLayer(2, 3)
    >>> isinstance(layer, Layer), layer.in_features, layer.out_features
    (True, 2, 3)
    """

    if TYPE_CHECKING:  # attributes in some layers, properties in others

        @property
        def in_features(self) -> int: ...

        @property
        def out_features(self) -> int: ...

    groups: Groups | None = None

    @property
    def mask(self) -> Tensor:
        """1 for the edges that exist and 0 for the others, (in, out); without edges of its own every output has all."""
        return torch.ones(self.in_features, self.out_features)

    @property
    def spline_degrees(self) -> tuple[int, ...]:
        """Degrees of the layer's splines, () for a layer without splines."""
        return ()

    @property
    def active_coefficients(self) -> int:
        """Number of spline coefficients that the outputs depend on at one point."""
        return 0

    @property
    def has_splines(self) -> bool:
        """Whether edges of the layer may be splines, as in a `KANLayer`."""
        return False

    @property
    def has_functions(self) -> bool:
        """Whether edges of the layer may be elementary functions, as in a `KANLayer`."""
        return False

    @property
    def is_linear(self) -> bool:
        """Whether the outputs are linear in the layer's parameters."""
        return False

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs, (*batch, out), at points x (*batch, in)."""
        raise NotImplementedError

    def edges(self, x: Tensor) -> Tensor:
        """Compute the value of every edge, (batch, in, out), at points x (batch, in); zeros for a layer of products.

        Their sum over the inputs is the layer's output (without a bias); this needs `in` times the memory of `forward`.
        InputError where the outputs are not sums of functions of one input each.
        """
        raise InputError(f"model must consist of layers with edges, got {type(self).__name__}")

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, to (C, batch, out), with C = 1 + directions * order.

        A jet is a value with its derivatives along directions up to an order, see `edgewise.ops.jet`.
        """
        raise NotImplementedError

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Compute the Jacobian rows d(sum_co sensitivity[c,b,o] y[c,b,o]) / d(parameter) of every sample b.

        x is the jet of the inputs, (C, batch, in), of an order (C = 1 for plain values, of order 0), and `sensitivity`
        has a weight for each component of the jet y of the outputs, (C, batch, out). Returns the nonzero runs of the
        rows, one `Segments` per parameter; () for a layer without parameters.
        """
        raise NotImplementedError


class LayerList(nn.ModuleList, Generic[LayerType]):
    """`torch.nn.ModuleList` that declares the type of its layers to type checkers.

    Examples
    --------
    >>> from edgewise.nn import KAN
    >>> isinstance(KAN([2, 3, 1]).layers, LayerList)
    True
    """

    if TYPE_CHECKING:

        def __getitem__(self, index: int) -> LayerType: ...  # type: ignore[override]  # slices are not used

        def __iter__(self) -> Iterator[LayerType]: ...


class Chain(nn.Module):
    """Base class of networks: `layers`, set by the derived class, are applied one after another.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn.layers import KANLayer
    >>> class TwoLayers(Chain):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = LayerList([KANLayer(2, 3), KANLayer(3, 1)])
    >>> TwoLayers()(torch.rand(5, 2)).shape
    torch.Size([5, 1])
    """

    layers: LayerList[Layer]

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, out) from points (*batch, in)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Compute the outputs with their derivatives along directions, in one differentiable forward pass.

        Parameters
        ----------
        x : Tensor
            Points, (batch, in).
        directions : Tensor, optional
            (D, in); the network is differentiated 1 to `order` times along each.
        order : int
            Highest derivative order, 0 or more.

        Returns
        -------
        Tensor
            (1 + D * order, batch, out): the values, then for each direction the derivatives of order 1 to `order`.
        """
        jet = seed_jet(x, directions, order)
        for layer in self.layers:
            jet = layer.jet(jet, order)
        return jet
