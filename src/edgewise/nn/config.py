"""All it takes to build a network of the right shapes; saved with every checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.splines.bspline import MAX_DEGREE

BASES = ("silu", "identity", "zero")
ACTIVATIONS = ("silu", "tanh", "relu")


@dataclass(frozen=True)
class KANConfig:
    """The shape of a `KAN`.

    width: nodes per layer, inputs first. After the inputs an entry may be a pair (sums, products of two).
    grid_size: knot intervals in the domain, one number per layer; a single int stands for all layers. 0 for a layer
        without any spline.
    degree: polynomial degree of the splines, 0 .. 5.
    base: the fixed function beside each spline: "silu", "identity" or "zero" (none).
    products: for each layer the arities (2 or more) of its product nodes, which are the last of its nodes; () for
        none. Each multiplies as many sums as its arity, see `ProductLayer.after_sums`.
    functions: for each layer None, or the names of the elementary functions on its edges, a row for each input: "" for
        a spline, "0" for no edge; () for splines everywhere.
    """

    width: tuple[int, ...]
    grid_size: int | tuple[int, ...] = 5
    degree: int = 3
    base: str = "silu"
    products: tuple[tuple[int, ...], ...] = ()
    functions: tuple[tuple[tuple[str, ...], ...] | None, ...] = ()

    def __post_init__(self):
        width, products = _without_pairs(self.width, self.products)
        width = check_width(width)
        layers = len(width) - 1
        products = _check_products(products, width)
        functions = _check_functions(self.functions, width, products)
        sizes = self.grid_size
        sizes = tuple(sizes) if isinstance(sizes, list | tuple) else (sizes,) * layers
        splines = [rows is None or any("" in row for row in rows) for rows in functions or (None,) * layers]
        if len(sizes) != layers or not all(
            _is_count(size) or (_is_integer(size) and size == 0 and not spline)
            for size, spline in zip(sizes, splines, strict=True)
        ):
            raise InputError(
                f"grid_size must be a positive integer, or one for each of the {layers} layers, got {self.grid_size!r}"
            )
        if not _is_integer(self.degree) or self.degree not in range(MAX_DEGREE + 1):
            raise InputError(f"degree must be an integer from 0 to {MAX_DEGREE}, got {self.degree!r}")
        if self.base not in BASES:
            raise InputError(f"base must be one of {', '.join(BASES)}, got {self.base!r}")
        object.__setattr__(self, "width", width)
        sizes = tuple(int(size) if spline else 0 for size, spline in zip(sizes, splines, strict=True))
        object.__setattr__(self, "grid_size", sizes)
        object.__setattr__(self, "degree", int(self.degree))
        object.__setattr__(self, "products", products)
        object.__setattr__(self, "functions", functions)

    def sums(self, layer: int) -> int:
        """Outputs of the edges of a layer, before its products are formed."""
        arities = self.products[layer] if self.products else ()
        return self.width[layer + 1] - len(arities) + sum(arities)


@dataclass(frozen=True)
class MLPConfig:
    """The shape of an `MLP`: nodes per layer, inputs first, and the activation between layers."""

    width: tuple[int, ...]
    activation: str = "silu"

    def __post_init__(self):
        object.__setattr__(self, "width", check_width(self.width))
        if self.activation not in ACTIVATIONS:
            raise InputError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}")


def check_width(width: Sequence[int]) -> tuple[int, ...]:
    """The nodes per layer as a tuple of at least two positive ints.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(width, list | tuple) or len(width) < 2 or not all(_is_count(n) for n in width):
        raise InputError(f"width must list at least two positive integers, inputs first, got {width!r}")
    return tuple(int(n) for n in width)


def _without_pairs(width, products):
    """Pairs (sums, products of two) in `width` as numbers of nodes, and the arities that they mean."""
    if not isinstance(width, list | tuple) or not any(isinstance(n, list | tuple) for n in width[1:]):
        return width, products
    pairs = [n for n in width if isinstance(n, list | tuple)]
    valid = all(len(pair) == 2 and all(_is_integer(n) and n >= 0 for n in pair) and sum(pair) for pair in pairs)
    if products or not valid or isinstance(width[0], list | tuple):
        raise InputError(
            f"width must give pairs (sums, products) only after the inputs, without products, got {width!r}"
        )
    arities = [(2,) * n[1] if isinstance(n, list | tuple) else () for n in width[1:]]
    return [sum(n) if isinstance(n, list | tuple) else n for n in width], arities


def _check_products(products, width: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    if not isinstance(products, list | tuple) or not all(isinstance(arities, list | tuple) for arities in products):
        raise InputError(f"products must give the arities of each layer's product nodes, got {products!r}")
    if not any(products):
        return ()
    arities = [n for layer in products for n in layer]
    fits = len(products) == len(width) - 1 and all(
        len(layer) <= nodes for layer, nodes in zip(products, width[1:], strict=False)
    )
    if not fits or not all(_is_integer(n) and 2 <= n < 1 << 16 for n in arities):
        raise InputError(
            f"products must give arities of at least 2 for each of the {len(width) - 1} layers, as many as the layer "
            f"has nodes at most, got {products!r}"
        )
    return tuple(tuple(int(n) for n in layer) for layer in products)


def _check_functions(functions, width: tuple[int, ...], products: tuple[tuple[int, ...], ...]):
    if not isinstance(functions, list | tuple) or len(functions) not in (0, len(width) - 1):
        raise InputError(f"functions must be given for each of the {len(width) - 1} layers, got {functions!r}")
    if all(rows is None for rows in functions):
        return ()
    for number, rows in enumerate(functions):
        arities = products[number] if products else ()
        shape = width[number], width[number + 1] - len(arities) + sum(arities)
        if rows is not None and not _is_table(rows, *shape):
            raise InputError(f"functions must be {shape[0]} rows of {shape[1]} names in layer {number}, got {rows!r}")
    return tuple(None if rows is None else tuple(tuple(row) for row in rows) for rows in functions)


def _is_table(rows, height: int, width: int) -> bool:
    return (
        isinstance(rows, list | tuple)
        and len(rows) == height
        and all(isinstance(row, list | tuple) and len(row) == width for row in rows)
        and all(isinstance(name, str) for row in rows for name in row)
    )


def check_input(x: Tensor, features: int, dtype: torch.dtype) -> None:
    """The one check at a layer's door: a tensor (*batch, features) of the layer's dtype."""
    if not isinstance(x, Tensor):
        raise InputError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.ndim == 0 or x.shape[-1] != features:
        raise InputError(f"x must have shape (*batch, {features}), got {tuple(x.shape)}")
    if x.dtype != dtype:
        raise InputError(f"x must have the model's dtype {dtype}, got {x.dtype}")


def _is_count(number) -> bool:
    return _is_integer(number) and number >= 1


def _is_integer(number) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)  # numpy's integers too
