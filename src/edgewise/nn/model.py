"""A Kolmogorov-Arnold network (`KAN`): layers of learnable edges in a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from edgewise.checks import check_kind, check_options
from edgewise.errors import InputError
from edgewise.nn.config import KANConfig, Names, check_input
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.initial import checked_device, seeded_generator
from edgewise.nn.layers.product import ProductLayer, arities_of
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.trace import Trace, trace_layers
from edgewise.presentation import html_table


class ModelOptions(TypedDict, total=False):
    """Further keyword arguments of `KAN`.

    Parameters
    ----------
    products, functions
        Product nodes of any arity and elementary functions on edges, see `KANConfig`.
    table : mapping of str to Elementary
        The elementary functions that `functions` may name; `ELEMENTARY` by default.
    init : {"power", "paper", "sparse"}
        Distribution of the initial weights, see `initial_weights`; "power" by default. "sparse" links each node of a
        layer only to the nearest ones of the next.
    dtype, device
        Of the weights; torch's default dtype and the CPU by default.

    Examples
    --------
    >>> options: ModelOptions = {"init": "paper", "dtype": torch.float64}
    >>> KAN([2, 1], **options).dtype
    torch.float64
    """

    products: Sequence[Sequence[int]]
    functions: Sequence[Sequence[Sequence[str]] | None]
    table: Mapping[str, Elementary]
    init: str
    dtype: torch.dtype | None
    device: torch.device | str | None


class KAN(Chain):
    """Kolmogorov-Arnold network, f = Phi_L o ... o Phi_1, each Phi a layer of edges.

    Every edge is a learnable function of one input: a spline, an elementary function, or their sum (`KANLayer`). A
    layer with product nodes is followed by a `ProductLayer`. The initial weights depend on `seed` alone; torch's global
    generator is neither used nor changed.

    Parameters
    ----------
    width : sequence of int
        Number of nodes of each layer, inputs first, as [2, 5, 1]. A pair (sums, products) instead of a number gives a
        layer with product nodes of two factors.
    grid_size : int or sequence of int
        Number of knot intervals of each edge, for all layers or for each.
    degree : int or sequence of int
        Polynomial degree of the splines, for all layers or for each: 0 to 10, with the fast kernel to 5.
    base : {"silu", "identity", "zero", "tanh", "relu", "gelu", "softplus", "sin"} or callable
        Fixed function, added to each spline with a weight; "zero", no function. Any elementwise function, as torch.erf.
    domain : (float, float) or Tensor, optional
        Interval (low, high) that the knots of the first layer cover, or one such row per input, (in, 2). Without it the
        first `fit` sets it from the data; it always sets the domains of the later layers.
    seed : int
        Seed of the initial weights.
    **options : ModelOptions
        Product nodes, elementary functions on edges, distribution, dtype and device of the weights.

    Attributes
    ----------
    layers : LayerList
        The chain of layers.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Liu et al., "KAN", arXiv 2404.19756; for product nodes "KAN 2.0", arXiv 2408.10205.

    Examples
    --------
    >>> import edgewise, torch
    >>> edgewise.KAN([2, 5, 1], grid_size=8, seed=1)(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    """

    layers: LayerList[KANLayer | ProductLayer]
    regularizer = None  # DeepXDE reads this attribute of its networks

    def __init__(
        self,
        width: Sequence[int | Sequence[int]],
        grid_size: int | Sequence[int] = 5,
        degree: int | Sequence[int] = 3,
        *,
        base: str | Callable[[Tensor], Tensor] = "silu",
        domain: Sequence[float] | Tensor | None = None,
        seed: int = 0,
        **options: Unpack[ModelOptions],
    ) -> None:
        super().__init__()
        # Configuration and the generator of the first coefficients.
        check_options(KAN, options, ModelOptions)
        config = KANConfig(width, grid_size, degree, base, options.get("products", ()), options.get("functions", ()))
        table = options.get("table", ELEMENTARY)
        init = options.get("init", "power")
        dtype = options.get("dtype")
        device = checked_device(options.get("device"))
        generator = seeded_generator(seed)
        # For each layer the edges with their sums, then the products of groups of sums.
        layers: list[KANLayer | ProductLayer] = []
        for number, (inputs, size) in enumerate(zip(config.width, config.grid_size, strict=False)):
            layers.append(
                KANLayer(
                    inputs,
                    config.sums(number),
                    grid_size=size or 1,  # of no meaning without splines
                    degree=config.degree_of(number),
                    domain=None if number else domain,
                    base=config.base,
                    functions=config.functions_of(number),
                    table=table,
                    init=init,
                    generator=generator,
                    dtype=dtype,
                    device=device,
                )
            )
            if arities := config.arities_of(number):
                layers.append(ProductLayer.after_sums(config.width[number + 1], arities))
        self.layers = LayerList(layers)
        self._settings = config.degree, config.base  # the layers of a network without splines do not hold them

    @classmethod
    def from_config(
        cls,
        config: KANConfig,
        *,
        domain: Sequence[float] | Tensor | None = None,
        seed: int = 0,
        **options: Unpack[ModelOptions],
    ) -> KAN:
        """Build a new KAN of a given shape; the other arguments are those of `KAN`.

        Examples
        --------
        >>> from edgewise import KAN
        >>> from edgewise.nn import KANConfig
        >>> KAN.from_config(KANConfig([2, 1]), seed=3).config
        KANConfig(width=(2, 1), grid_size=(5,), degree=3, base='silu', products=(), functions=(), degrees=())
        """
        options = {**options, "products": config.products, "functions": config.functions}
        degree = config.degrees or config.degree
        return cls(config.width, config.grid_size, degree, base=config.base, domain=domain, seed=seed, **options)

    @property
    def config(self) -> KANConfig:
        """The shape of the network, read from its layers.

        Raises
        ------
        InputError
            If the layers are not a chain of edges and products that a config can describe.
        """
        return config_of(self.layers, *self._settings)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of all weights."""
        return next(self.parameters()).dtype

    def _repr_html_(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        facts = [
            ("nodes per layer", str(list(self.config.width))),
            ("degree", ", ".join(map(str, self.config.degrees or (self.config.degree,)))),
            ("knot intervals per edge", ", ".join(map(str, sorted(set(self.config.grid_size))))),
            ("parameters", f"{count:,}"),
        ]
        return html_table(["KAN", ""], facts, text_columns=(0, 1))

    def trace(self, x: Tensor) -> Trace:
        """Compute the outputs together with the inputs and outputs of every edge; nothing is stored on the model.

        Parameters
        ----------
        x : Tensor
            Points, (*batch, in).
        """
        check_input(x, self.layers[0].in_features, self.dtype)
        return trace_layers(self.layers, x)


def edge_layers(model: KAN) -> list[KANLayer]:
    """Return the layers of edges of a network in order, without its products."""
    check_kind(model, KAN, "model must be a KAN")
    return [layer for layer in model.layers if layer.groups is None]


def edge_places(model: KAN) -> list[int]:
    """Return the places of the layers of edges in the chain of layers."""
    return [place for place, layer in enumerate(model.layers) if layer.groups is None]


def config_of(layers: Iterable[Layer], degree: int, base: str | Callable[[Tensor], Tensor]) -> KANConfig:
    """Return the config of a chain of layers; `degree` and `base` count only where no layer has splines."""
    width: list[int] = []
    sizes: list[int] = []
    products: list[tuple[int, ...]] = []
    functions: list[Names | None] = []
    degrees: list[int | None] = []
    for layer in layers:
        # Products follow a layer of edges, whose sums are their factors.
        if layer.groups is not None:
            arities = arities_of(layer.groups)
            if not products or products[-1] or arities is None:
                raise InputError(f"layers must have products after edges, with groups as `after_sums`, got {layer}")
            width[-1] = layer.out_features
            products[-1] = arities
            continue
        # A layer of edges.
        layer = check_kind(layer, KANLayer, "layers must be those of a KAN")
        if not width:
            width.append(layer.in_features)
        width.append(layer.out_features)
        sizes.append(layer.grid_size)
        products.append(())
        functions.append(layer.functions)
        if layer.has_splines:
            degrees.append(layer.degree)
            degree = layer.degree
            base = layer.base_function
        else:
            degrees.append(None)
    each = [degree if one is None else one for one in degrees]
    return KANConfig(width, sizes, each or degree, base, products, functions)
