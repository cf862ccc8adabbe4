"""All it takes to build a network of the right shapes; saved with every checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.bspline import MAX_DEGREE

BASES = ("silu", "identity", "zero")
ACTIVATIONS = ("silu", "tanh", "relu")


@dataclass(frozen=True)
class KANConfig:
    """The shape of a `KAN`.

    width: nodes per layer, inputs first.
    grid_size: knot intervals in the domain, one number per layer; a single int stands for all layers.
    degree: polynomial degree of the splines, 0 .. 5.
    base: the fixed function beside each spline: "silu", "identity" or "zero" (none).
    """

    width: tuple[int, ...]
    grid_size: int | tuple[int, ...] = 5
    degree: int = 3
    base: str = "silu"

    def __post_init__(self):
        width = check_width(self.width)
        layers = len(width) - 1
        sizes = self.grid_size
        sizes = tuple(sizes) if isinstance(sizes, list | tuple) else (sizes,) * layers
        if len(sizes) != layers or not all(_is_count(size) for size in sizes):
            raise InputError(
                f"grid_size must be a positive integer, or one for each of the {layers} layers, got {self.grid_size!r}"
            )
        if not _is_integer(self.degree) or self.degree not in range(MAX_DEGREE + 1):
            raise InputError(f"degree must be an integer from 0 to {MAX_DEGREE}, got {self.degree!r}")
        if self.base not in BASES:
            raise InputError(f"base must be one of {', '.join(BASES)}, got {self.base!r}")
        object.__setattr__(self, "width", width)
        object.__setattr__(self, "grid_size", tuple(int(size) for size in sizes))
        object.__setattr__(self, "degree", int(self.degree))


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
