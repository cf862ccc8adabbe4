"""A KAN: layers of learnable edges in a chain."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.nn.config import KANConfig, check_input
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.base import Chain, EdgeLayer, Layer, LayerList
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import ZERO, MixedLayer, SymbolicLayer
from edgewise.nn.trace import Trace, trace_layers


class KAN(Chain):
    """A Kolmogorov-Arnold network (Liu et al., arXiv 2404.19756): f = Phi_L o ... o Phi_1, each a layer of edges.

    The edges are splines (`KANLayer`), elementary functions (`SymbolicLayer`) or both (`MixedLayer`); where a layer has
    product nodes, a `ProductLayer` follows. `layers` is that chain. Initialised from `seed` alone: torch's global
    generator is neither read nor moved.

    Args:
        width: nodes per layer, inputs first, as [2, 5, 1]; a pair (sums, products) is a layer with products of two.
        grid_size: knot intervals of each edge, one number or one per layer.
        degree: polynomial degree of the splines, 0 .. 5.
        base: function beside the splines: "silu", "identity" or "zero".
        products, functions: see `KANConfig`.
        table: the elementary functions that `functions` may name.
        init: "power" (Rigas et al.) or "paper".
        domain: (low, high) or (in, 2) of the first layer's grid, if known; the first `fit` sets it otherwise, and
            always those of the hidden layers.
        seed: of the initial weights.

    Raises:
        InputError: an argument is not as above.
    """

    layers: LayerList[EdgeLayer | ProductLayer]
    regularizer = None  # what DeepXDE asks of its nets besides torch's own

    def __init__(
        self,
        width: Sequence[int | Sequence[int]],
        grid_size: int | Sequence[int] = 5,
        degree: int = 3,
        *,
        base: str = "silu",
        products: Sequence[Sequence[int]] = (),
        functions: Sequence[Sequence[Sequence[str]] | None] = (),
        table: Mapping[str, Elementary] = ELEMENTARY,
        init: str = "power",
        domain: Sequence[float] | Tensor | None = None,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        config = KANConfig(width, grid_size, degree, base, products, functions)
        generator = seeded_generator(seed)
        where = {"dtype": dtype, "device": device}
        weights = {"degree": degree, "base": base, "init": init, "generator": generator, **where}
        layers: list[EdgeLayer | ProductLayer] = []
        for number, inputs in enumerate(config.width[:-1]):
            shape, rows = (inputs, config.sums(number)), config.functions[number] if config.functions else None
            own = None if number else domain
            size = config.grid_size[number]
            spline = KANLayer(*shape, grid_size=size, domain=own, **weights) if size else None
            layers.append(_edge_layer(spline, rows, table, where))
            if config.products and config.products[number]:
                layers.append(ProductLayer.after_sums(config.width[number + 1], config.products[number]))
        self.layers = LayerList(layers)
        self._settings = config.degree, config.base  # what a network without any spline would forget

    @classmethod
    def from_config(cls, config: KANConfig, **settings) -> "KAN":
        """A fresh KAN of a given shape; `settings` are the other arguments of `KAN`."""
        shape = {"base": config.base, "products": config.products, "functions": config.functions}
        return cls(config.width, config.grid_size, config.degree, **shape, **settings)

    @property
    def config(self) -> KANConfig:
        """The shape, read off the layers.

        Raises:
            InputError: the layers are no chain of edges and products that a config can describe.
        """
        return config_of(self.layers, *self._settings)

    @property
    def dtype(self) -> torch.dtype:
        """Of all its weights."""
        return next(self.parameters()).dtype

    def trace(self, x: Tensor) -> Trace:
        """`forward` with the inputs and outputs of every edge. Nothing is stored on the model."""
        check_input(x, self.layers[0].in_features, self.dtype)
        return trace_layers(self.layers, x)


def spline_part(layer: Layer) -> KANLayer | None:
    """The splines of a layer of a KAN: itself, its part, or None where it has none."""
    if isinstance(layer, MixedLayer):
        return layer.spline
    return layer if isinstance(layer, KANLayer) else None


def config_of(layers: Iterable[Layer], degree: int, base: str) -> KANConfig:
    """The config of a chain of layers; `degree` and `base` count where no layer has splines. Raises InputError."""
    width: list[int] = []
    sizes, products, functions = [], [], []
    for layer in layers:
        if isinstance(layer, ProductLayer):
            if not products or products[-1] or layer.arities is None:
                raise InputError(f"layers must have products after edges, with groups as `after_sums`, got {layer}")
            width[-1], products[-1] = layer.out_features, layer.arities
            continue
        if not isinstance(layer, KANLayer | SymbolicLayer | MixedLayer):
            raise InputError(f"layers must be those of a KAN, got {type(layer).__name__}")
        spline = spline_part(layer)
        width += [layer.out_features] if width else [layer.in_features, layer.out_features]
        sizes.append(0 if spline is None else spline.grid_size)
        products.append(())
        functions.append(_functions(layer))
        degree, base = (degree, base) if spline is None else (spline.degree, spline.base_function)
    return KANConfig(tuple(width), tuple(sizes), degree, base, tuple(products), tuple(functions))


def _functions(layer: KANLayer | SymbolicLayer | MixedLayer) -> tuple[tuple[str, ...], ...] | None:
    """The rows of names in a config: a mixed layer's edges without a function are splines, masked or not."""
    if isinstance(layer, KANLayer):
        return None
    if isinstance(layer, SymbolicLayer):
        return layer.functions
    return tuple(tuple("" if name == ZERO else name for name in row) for row in layer.functions)


def _edge_layer(spline: KANLayer | None, rows, table: Mapping[str, Elementary], where: dict) -> EdgeLayer:
    if rows is None:
        return spline
    symbolic = SymbolicLayer(rows, table=table, **where)
    if spline is None:
        return symbolic
    spline.mask.copy_(spline.mask.new_tensor([[float(name == "") for name in row] for row in rows]))
    return MixedLayer(spline, symbolic)
