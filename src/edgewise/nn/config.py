"""Shapes of networks (`KANConfig`, `MLPConfig`): all that it takes to build one; saved with every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from edgewise.checks import are_texts, check_kind, is_integer, is_list, is_one_of, is_sequence
from edgewise.errors import InputError
from edgewise.ops.activation import ACTIVATIONS, named_activation
from edgewise.ops.splines.bspline import MAX_EDGE_DEGREE

# The base functions that every export writes; `ACTIVATIONS` has more.
BASE_NAMES = ("silu", "identity", "zero", "tanh", "relu", "gelu", "softplus", "sin")

BESIDE_SPLINE = "+"  # before the name of a function that is added to the spline of the same edge
NO_FUNCTION = "0"  # name of the function of an edge that has none
MOST_WEIGHTS = 1 << 60  # of a layer: eight bytes of each are what numpy and torch can count

Names = tuple[tuple[str, ...], ...]  # of the elementary functions of a layer's edges, one row for each input


@dataclass(frozen=True, init=False)
class KANConfig:
    """Shape of a `KAN`.

    Parameters
    ----------
    width : sequence of int
        Number of nodes of each layer, inputs first. After the inputs an entry may be a pair (sums, products): the
        number of plain nodes, and of nodes that multiply two sums.
    grid_size : int or sequence of int
        Number of knot intervals in the domain, for all layers or for each. 0 for a layer without splines.
    degree : int or sequence of int
        Polynomial degree of the splines, 0 to 10, for all layers or for each. Above 5 layers are computed in plain
        torch, without the compiled kernel.
    base : str or callable
        Fixed function that is added to each spline with a weight: "silu", "identity", "tanh", "relu", "gelu",
        "softplus", "sin", or "zero", no function; or any function that torch applies to each number of a tensor, as
        torch.erf, nn.Mish() or ``lambda x: x * torch.exp(-x * x)``. Functions of torch become their names, as "mish";
        a network with another function can't be saved, and exports write the eight names above alone. Only "silu" and
        "identity" are in the compiled kernel.
    products : sequence of sequences of int
        For each layer the arities (2 or more) of its product nodes, which are the last of its nodes; () for no
        products. Each multiplies as many sums as its arity, see `ProductLayer.after_sums`.
    functions : sequence
        For each layer None, or the names of the elementary functions of its edges, one row for each input: "" for a
        spline, "+sin" for the sum of a spline and a function, "0" for no edge; () for splines everywhere.
    degrees : sequence of int
        Degrees of the layers; () where they are all `degree`, which otherwise is the largest of them.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> config = KANConfig([2, (3, 1), 1], grid_size=8)
    >>> config.width, config.grid_size, config.products
    ((2, 4, 1), (8, 8), ((2,), ()))
    """

    width: tuple[int, ...]
    grid_size: tuple[int, ...]
    degree: int
    base: str | Callable[[Tensor], Tensor]
    # Files have the fields below only where they say something.
    products: tuple[tuple[int, ...], ...] = field(metadata={"optional": True})
    functions: tuple[Names | None, ...] = field(metadata={"optional": True})
    degrees: tuple[int, ...] = field(metadata={"optional": True})

    def __init__(
        self,
        width: Sequence[int | Sequence[int]],
        grid_size: int | Sequence[int] = 5,
        degree: int | Sequence[int] = 3,
        base: str | Callable[[Tensor], Tensor] = "silu",
        products: Sequence[Sequence[int]] = (),
        functions: Sequence[Sequence[Sequence[str]] | None] = (),
        degrees: Sequence[int] = (),
    ) -> None:
        # Nodes, products and the functions of edges.
        nodes, products = _without_pairs(width, products)
        layers = len(nodes) - 1
        arities = _check_products(products, nodes)
        names = _check_functions(functions, nodes, arities)
        # Intervals of each layer; a layer of functions alone has none.
        sizes: tuple[Any, ...] = (grid_size,) * layers
        if is_list(grid_size):
            sizes = tuple(grid_size)
        has_splines = [
            rows is None or any(holds_spline(name) for row in rows for name in row)
            for rows in names or (None,) * layers
        ]
        if len(sizes) != layers or not all(
            is_integer(size) and (size >= 1 or (size == 0 and not splines))
            for size, splines in zip(sizes, has_splines, strict=True)
        ):
            raise InputError(
                f"grid_size must be a positive integer, or one for each of the {layers} layers, got {grid_size!r}"
            )
        # Degrees of each layer.
        given: Any = degrees or degree
        each: tuple[Any, ...] = (given,) * layers
        wanted = f"an integer from 0 to {MAX_EDGE_DEGREE}"
        if is_sequence(given):
            each = tuple(given)
            wanted += f", or one for each of the {layers} layers"
        if len(each) != layers or not all(is_integer(one) and one in range(MAX_EDGE_DEGREE + 1) for one in each):
            raise InputError(f"degree must be {wanted}, got {given!r}")
        if max(one + size for one, size in zip(each, sizes, strict=True)) * _most_edges(nodes) > MOST_WEIGHTS:
            raise InputError(f"grid_size must be small enough for 2**60 weights, got {grid_size!r}")
        # A frozen record, whose fields are set once.
        base = _checked_base(base)
        counts = tuple(int(size) if splines else 0 for size, splines in zip(sizes, has_splines, strict=True))
        fields = {"width": nodes, "grid_size": counts, "degree": int(max(each)), "base": base, "products": arities}
        unlike: tuple[int, ...] = ()
        if len(set(each)) > 1:
            unlike = tuple(int(one) for one in each)
        for name, value in {**fields, "functions": names, "degrees": unlike}.items():
            object.__setattr__(self, name, value)

    def degree_of(self, layer: int) -> int:
        """Return the degree of a layer's splines."""
        return self.degrees[layer] if self.degrees else self.degree

    def arities_of(self, layer: int) -> tuple[int, ...]:
        """Return the numbers of factors of a layer's product nodes."""
        return self.products[layer] if self.products else ()

    def functions_of(self, layer: int) -> Names | None:
        """Return the names of the functions of a layer's edges; None for a layer of splines alone."""
        return self.functions[layer] if self.functions else None

    def sums(self, layer: int) -> int:
        """Return the number of outputs of a layer's edges, before its products are formed."""
        arities = self.arities_of(layer)
        return self.width[layer + 1] - len(arities) + sum(arities)


@dataclass(frozen=True, init=False)
class MLPConfig:
    """Shape of an `MLP`.

    Parameters
    ----------
    width : sequence of int
        Number of nodes of each layer, inputs first.
    activation : {"silu", "tanh", "relu"}
        Activation function between the layers.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> MLPConfig([2, 100, 1])
    MLPConfig(width=(2, 100, 1), activation='silu')
    """

    width: tuple[int, ...]
    activation: str

    def __init__(self, width: Sequence[int], activation: str = "silu") -> None:
        if activation not in ("silu", "tanh", "relu"):
            raise InputError(f"activation must be one of silu, tanh, relu, got {activation!r}")
        object.__setattr__(self, "width", check_width(width))
        object.__setattr__(self, "activation", activation)


def _checked_base(base: object) -> str | Callable[[Tensor], Tensor]:
    """Return a base function by its name, or as it is where it has none. Raises InputError."""
    if not callable(base):
        if not is_one_of(base, (*BASE_NAMES, *ACTIVATIONS)):
            known = ", ".join(BASE_NAMES)
            raise InputError(f"base must be one of {known}, or a function of torch such as torch.erf, got {base!r:.80}")
        return base
    try:
        return named_activation(base)
    except Exception as error:  # a function of the caller may raise anything
        reason = str(error).split("\n")[0][:120]
        raise InputError(f"base must apply to each number of a tensor, got {base!r:.80}: {reason}") from error


def holds_spline(name: str) -> bool:
    """Return whether an edge whose function has this name in a config has a spline: alone, or beside a function."""
    return name == "" or name.startswith(BESIDE_SPLINE)


def check_width(width: object) -> tuple[int, ...]:
    """Return the numbers of nodes per layer as a tuple."""
    if not is_sequence(width) or len(width) < 2 or not all(is_integer(n) and n >= 1 for n in width):
        raise InputError(f"width must list at least two positive integers, inputs first, got {width!r}")
    if _most_edges(width) > MOST_WEIGHTS:
        raise InputError(f"width must have fewer than 2**60 edges between two layers, got {width!r}")
    return tuple(int(n) for n in width)


def _most_edges(width: Sequence[int]) -> int:
    """Return the largest number of edges between two layers."""
    return max(int(inputs) * int(outputs) for inputs, outputs in pairwise(width))


def check_input(x: Tensor, features: int, dtype: torch.dtype | None) -> None:
    """Raise InputError unless `x` is a tensor (*batch, features) of the layer's dtype, of any with None."""
    check_kind(x, Tensor, "x must be a torch tensor")
    if x.ndim == 0 or x.shape[-1] != features:
        raise InputError(f"x must have shape (*batch, {features}), got {tuple(x.shape)}")
    if dtype is not None and x.dtype != dtype:
        raise InputError(f"x must have the model's dtype {dtype}, got {x.dtype}")


def _without_pairs(
    width: Sequence[int | Sequence[int]], products: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], Sequence[Sequence[int]]]:
    """Return the nodes per layer, and `products` completed by the arities that pairs (sums, products) stand for."""
    if not is_sequence(width) or not any(is_sequence(n) for n in width[1:]):
        return check_width(width), products
    pairs = [n for n in width if is_sequence(n)]
    valid = all(len(pair) == 2 and all(is_integer(n) and n >= 0 for n in pair) and sum(pair) for pair in pairs)
    if products or not valid or is_sequence(width[0]):
        raise InputError(
            f"width must give pairs (sums, products) only after the inputs, without products, got {width!r}"
        )
    # A pair is a layer of as many nodes as its sum, of which the second number are products of two.
    nodes: list[Any] = [width[0]]
    arities: list[tuple[int, ...]] = []
    for entry in width[1:]:
        if is_sequence(entry):
            nodes.append(sum(entry))
            arities.append((2,) * entry[1])
        else:
            nodes.append(entry)
            arities.append(())
    return check_width(nodes), arities


def _check_products(products: Sequence[Sequence[int]], width: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return `products` as tuples of int, () without products. Raises InputError."""
    if not is_sequence(products) or not all(is_sequence(arities) for arities in products):
        raise InputError(f"products must give the arities of each layer's product nodes, got {products!r}")
    if not any(products):
        return ()
    fits = len(products) == len(width) - 1 and all(
        len(layer) <= nodes for layer, nodes in zip(products, width[1:], strict=False)
    )
    # The largest arity is far above any use, and it bounds the size of a network built from a hostile file.
    if not fits or not all(is_integer(n) and 2 <= n < 1 << 16 for layer in products for n in layer):
        raise InputError(
            f"products must give arities of at least 2 for each of the {len(width) - 1} layers, as many as the layer "
            f"has nodes at most, got {products!r}"
        )
    return tuple(tuple(int(n) for n in layer) for layer in products)


def _check_functions(
    functions: Sequence[Sequence[Sequence[str]] | None], width: tuple[int, ...], products: Sequence[Sequence[int]]
) -> tuple[Names | None, ...]:
    """Return `functions` as tuples, () if no layer has any. Raises InputError."""
    if not is_sequence(functions) or len(functions) not in (0, len(width) - 1):
        raise InputError(f"functions must be given for each of the {len(width) - 1} layers, got {functions!r}")
    if all(rows is None for rows in functions):
        return ()
    result: list[Names | None] = []
    for number, rows in enumerate(functions):
        # Names of each layer: a row for each input, with one name for each sum or factor of the next layer.
        if rows is None:
            result.append(None)
            continue
        arities = products[number] if products else ()
        inputs = width[number]
        outputs = width[number + 1] - len(arities) + sum(arities)
        fits = (
            is_sequence(rows)
            and len(rows) == inputs
            and all(is_sequence(row) and len(row) == outputs for row in rows)
            and all(map(are_texts, rows))
        )
        if not fits:
            raise InputError(f"functions must be {inputs} rows of {outputs} names in layer {number}, got {rows!r}")
        result.append(tuple(tuple(row) for row in rows))
    return tuple(result)
