"""The fixed functions of one variable inside layers, with their derivatives of any order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu, softplus

Function = Callable[[Tensor], Tensor]


def _identity(x: Tensor) -> Tensor:
    return x


_WRITTEN: dict[str, Function] = {
    "identity": _identity,
    "silu": silu,
    "tanh": torch.tanh,
    "relu": relu,
    "gelu": gelu,
    "softplus": softplus,
    "sin": torch.sin,
}
# Those above, and functions of one variable of torch and torch.nn.functional with their standard settings.
ACTIVATIONS: dict[str, Function] = dict(_WRITTEN)
for _name in ("arcsinh", "arctan", "asinh", "atan", "cos", "cosh", "erf", "exp", "expm1", "sigmoid", "sinh", "square"):
    ACTIVATIONS[_name] = getattr(torch, _name)
for _name in ("celu", "elu", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish", "relu6", "selu"):
    ACTIVATIONS[_name] = getattr(nn.functional, _name)


def named_activation(function: Function) -> str | Function:
    """Return the name in `ACTIVATIONS` of a function of one variable, or the function itself where it has none."""
    # The name counts only where the values are those of torch's function of that name: nn.ELU(alpha=2) is not "elu".
    if isinstance(function, nn.Module):
        if any(True for _ in function.parameters()):
            raise ValueError(f"{type(function).__name__} has weights of its own")
        if any(getattr(part, "inplace", False) for part in function.modules()):
            function = deepcopy(function)
            for part in function.modules():
                if hasattr(part, "inplace"):
                    part.__dict__["inplace"] = False
        # a module would become a part of the layer
        own = type(function).__name__
        function = function.forward
    else:
        own = getattr(function, "__name__", "")
    hash(function)
    # The function is tried at 26 points in both dtypes: it must work element by element, and have a gradient.
    with torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(devices=[]):
        for dtype in (torch.float32, torch.float64):
            probe = torch.linspace(-6, 6, 26, dtype=dtype).reshape(2, 13)
            given = probe.clone()
            values = function(given)
            if not torch.equal(given, probe):
                raise ValueError("it changes the tensor that it is given")
            if not isinstance(values, Tensor) or values.shape != probe.shape or values.dtype != dtype:
                raise ValueError("it does not give a tensor of the shape and dtype of its input")
            parts = torch.cat([function(probe[1:, k : k + 1])[0] for k in range(0, 13, 4)])
            if not torch.allclose(values[1, ::4], parts, rtol=1e-5, atol=1e-6, equal_nan=True):
                raise ValueError("a value depends on the other points, or on chance")
            with torch.enable_grad():
                variable = probe.clone().requires_grad_()
                total = function(variable).sum()
            if not total.requires_grad:
                raise ValueError("torch finds no gradient of it")
            torch.autograd.grad(total, variable)  # raises where a part has none
    # A function of torch whose values are the same is known by its name, which files can hold.
    name = known_name(own)
    same = name is not None and torch.allclose(ACTIVATIONS[name](probe), values, rtol=0, atol=0, equal_nan=True)
    return name if name is not None and same else function


def known_name(name: str) -> str | None:
    """Return the name in `ACTIVATIONS` that is this name but for capitals and underscores, as "leaky_relu"."""
    plain = name.lower().removeprefix("special_").replace("_", "")  # "special_" stands in the names of torch.special
    return next((known for known in ACTIVATIONS if known.replace("_", "") == plain), None)


def activation_of(base: str | Function) -> Function:
    """Return the function that a name in `ACTIVATIONS` stands for, or the function that was given."""
    return ACTIVATIONS[base] if isinstance(base, str) else base


def activation_derivatives(x: Tensor, base: str | Function, order: int) -> list[Tensor]:
    """Compute f, f', ..., f^(order) at x, each in the shape of x and differentiable. ReLU has the slope 0 at 0.

    tanh and the logistic function s solve t' = 1 - t^2 and s' = s - s^2, so each further derivative is a polynomial
    in the function itself; silu(x) = x s(x) has the derivatives x s^(k) + k s^(k-1), and so has gelu(x) = x P(x) with
    the normal distribution function P. Functions that have no formula here are differentiated by torch.
    """
    # Repeated automatic differentiation.
    if order == 0 or base not in _WRITTEN:
        functions = [activation_of(base)]
        for _ in range(order):
            functions.append(_slope_of(functions[-1]))
        return [function(x) for function in functions]
    # Closed forms.
    if base == "tanh":
        return _of_polynomial_slope(torch.tanh(x), (1.0, 0.0, -1.0), order)
    if base == "sin":
        return [torch.sin(x + k * math.pi / 2) if k else torch.sin(x) for k in range(order + 1)]
    if base == "softplus":  # its derivative is the logistic function
        return [softplus(x), *_of_polynomial_slope(torch.sigmoid(x), (0.0, 1.0, -1.0), order - 1)][: order + 1]
    if base == "gelu":
        return [gelu(x), *(x * part + k * before for k, part, before in _normal_derivatives(x, order))]
    if base == "silu":
        gates = _of_polynomial_slope(torch.sigmoid(x), (0.0, 1.0, -1.0), order)
        return [silu(x), *(x * gates[k] + k * gates[k - 1] for k in range(1, order + 1))]
    slope = torch.ones_like(x) if base == "identity" else (x > 0).to(x.dtype)
    return [activation_of(base)(x), slope, *[torch.zeros_like(x)] * max(order - 1, 0)][: order + 1]


def _slope_of(function: Function) -> Function:
    return torch.func.grad(lambda x: function(x).sum())


def _normal_derivatives(x: Tensor, order: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield k and the derivatives of order k and k - 1 of the normal distribution function, by Hermite polynomials.

    Its density p has p' = -x p, so p^(k) = -x p^(k-1) - (k - 1) p^(k-2).
    """
    before = torch.special.ndtr(x)
    now = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    for k in range(1, order + 1):
        yield k, now, before
        before, now = now, -x * now - (k - 1) * (before if k > 1 else torch.zeros_like(x))


def _of_polynomial_slope(value: Tensor, slope: tuple[float, ...], order: int) -> list[Tensor]:
    """Compute s, s', ... of a function whose slope is a polynomial in itself, s' = slope[0] + slope[1] s + ..."""
    derivatives = [value]
    polynomial = [0.0, 1.0]
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
