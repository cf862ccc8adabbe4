"""The fixed functions of one variable inside layers, with their derivatives of any order."""

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
    """f, f', ... f^(order) at x, each in the shape of x, differentiable. The steps in ReLU's slope count as 0 at 0.

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
    """s, s', ... of a function whose slope is a polynomial in itself, s' = p(s) with p = slope[0] + slope[1] s + ..."""
    found, polynomial = [value], (0.0, 1.0)
    for _ in range(order):
        polynomial = _product([power * c for power, c in enumerate(polynomial)][1:], slope)
        found.append(_horner(value, polynomial))
    return found


def _product(left: list[float], right: tuple[float, ...]) -> tuple[float, ...]:
    product = [0.0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return tuple(product)


def _horner(value: Tensor, polynomial: tuple[float, ...]) -> Tensor:
    result = torch.full_like(value, polynomial[-1])
    for coefficient in reversed(polynomial[:-1]):
        result = result * value + coefficient
    return result
