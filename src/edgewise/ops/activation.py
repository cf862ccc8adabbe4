"""The fixed functions of one variable inside layers, with their derivatives of any order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import gelu, relu, silu, softplus


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "silu": silu,
    "tanh": torch.tanh,
    "relu": relu,
    "gelu": gelu,
    "softplus": softplus,
    "sin": torch.sin,
}


def activation_derivatives(x: Tensor, name: str, order: int) -> list[Tensor]:
    """Compute f, f', ..., f^(order) at x, each in the shape of x and differentiable. ReLU has the slope 0 at 0.

    tanh and the logistic function s solve t' = 1 - t^2 and s' = s - s^2, so each further derivative is a polynomial
    in the function itself; silu(x) = x s(x) has the derivatives x s^(k) + k s^(k-1), and so has gelu(x) = x P(x) with
    the normal distribution function P.
    """
    if name == "tanh":
        return _of_polynomial_slope(torch.tanh(x), (1.0, 0.0, -1.0), order)
    if name == "sin":
        return [torch.sin(x + k * math.pi / 2) if k else torch.sin(x) for k in range(order + 1)]
    if name == "softplus":  # its derivative is the logistic function
        return [softplus(x), *_of_polynomial_slope(torch.sigmoid(x), (0.0, 1.0, -1.0), order - 1)][: order + 1]
    if name == "gelu":
        return [gelu(x), *(x * part + k * before for k, part, before in _normal_derivatives(x, order))]
    if name == "silu":
        gates = _of_polynomial_slope(torch.sigmoid(x), (0.0, 1.0, -1.0), order)
        return [silu(x), *(x * gates[k] + k * gates[k - 1] for k in range(1, order + 1))]
    slope = torch.ones_like(x) if name == "identity" else (x > 0).to(x.dtype)
    return [ACTIVATIONS[name](x), slope, *[torch.zeros_like(x)] * max(order - 1, 0)][: order + 1]


def _normal_derivatives(x: Tensor, order: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield k and the derivatives of order k and k - 1 of the normal distribution function, by Hermite polynomials.

    Its density p has p' = -x p, so p^(k) = -x p^(k-1) - (k - 1) p^(k-2).
    """
    before, now = torch.special.ndtr(x), torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    for k in range(1, order + 1):
        yield k, now, before
        before, now = now, -x * now - (k - 1) * (before if k > 1 else torch.zeros_like(x))


def _of_polynomial_slope(value: Tensor, slope: tuple[float, ...], order: int) -> list[Tensor]:
    """Compute s, s', ... of a function whose slope is a polynomial in itself, s' = slope[0] + slope[1] s + ..."""
    derivatives, polynomial = [value], [0.0, 1.0]
    for _ in range(order):
        inner = [power * c for power, c in enumerate(polynomial)][1:]
        polynomial = [0.0] * (len(inner) + len(slope) - 1)
        for i, a in enumerate(inner):
            for j, b in enumerate(slope):
                polynomial[i + j] += a * b
        result = torch.full_like(value, polynomial[-1])
        for coefficient in reversed(polynomial[:-1]):  # Horner's scheme
            result = result * value + coefficient
        derivatives.append(result)
    return derivatives
