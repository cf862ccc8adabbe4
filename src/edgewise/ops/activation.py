"""The fixed functions of one variable inside layers, with their derivatives of any order."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import relu, silu


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "silu": silu,
    "tanh": torch.tanh,
    "relu": relu,
}


def activation_derivatives(x: Tensor, name: str, order: int) -> list[Tensor]:
    """Compute f, f', ..., f^(order) at x, each in the shape of x and differentiable. ReLU has the slope 0 at 0.

    tanh and the logistic function s solve t' = 1 - t^2 and s' = s - s^2, so each further derivative is a polynomial
    in the function itself; silu(x) = x s(x) has the derivatives x s^(k) + k s^(k-1).
    """
    if name == "tanh":
        return _of_polynomial_slope(torch.tanh(x), (1.0, 0.0, -1.0), order)
    if name == "silu":
        gates = _of_polynomial_slope(torch.sigmoid(x), (0.0, 1.0, -1.0), order)
        return [silu(x), *(x * gates[k] + k * gates[k - 1] for k in range(1, order + 1))]
    slope = torch.ones_like(x) if name == "identity" else (x > 0).to(x.dtype)
    return [ACTIVATIONS[name](x), slope, *[torch.zeros_like(x)] * max(order - 1, 0)][: order + 1]


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
