"""Anything that predicts, as a function of a tensor: modules, functions, objects with `predict`; and its gradient."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgewise.errors import InputError

STEP = 1e-3  # of finite differences, in standard deviations: at fourth order rounding and truncation are near 1e-12


def tensor_function(function) -> Callable[[Tensor], Tensor]:
    """`function` as one of a float64 tensor (N, d) that gives a float64 tensor (N, out), detached unless torch's.

    Args:
        function: a torch module (called in its own dtype; a copy in evaluation mode where it is in training mode);
            an object with `predict`, as of scikit-learn (called with arrays, its classes' probabilities if it has
            `predict_proba`); or a function of a tensor (N, d) that gives a tensor or an array, (N,) or (N, out).

    Raises:
        InputError: it is nothing of these; or, when called, its result has another number of rows.
    """
    if isinstance(function, nn.Module):
        parameter = next(function.parameters(), None)
        dtype = torch.float64 if parameter is None else parameter.dtype
        training = any(module.training for module in function.modules())
        network = copy.deepcopy(function).eval() if training else function  # dropout and running means stay out of it
        call = lambda x: network(x.to(dtype))  # noqa: E731
    elif callable(getattr(function, "predict_proba", None)):
        call = lambda x: function.predict_proba(x.detach().numpy())  # noqa: E731
    elif callable(getattr(function, "predict", None)):
        call = lambda x: function.predict(x.detach().numpy())  # noqa: E731
    elif callable(function):
        call = function
    else:
        raise InputError(f"function must be callable or have a predict method, got {type(function).__name__}")

    def checked(x: Tensor) -> Tensor:
        y = torch.as_tensor(call(x)).double()
        if y.ndim not in (1, 2) or len(y) != len(x):
            raise InputError(f"function must give one row for each of {len(x)} rows, got shape {tuple(y.shape)}")
        return y.reshape(len(x), -1)

    return checked


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Derivatives (N, d) of the first output of a `tensor_function` by its inputs at x (N, d).

    By autograd where the function is differentiable, else by central differences of fourth order.
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        y = function(leaf)[:, 0]
        if y.requires_grad:
            (slopes,) = torch.autograd.grad(y.sum(), leaf, allow_unused=True)
            return torch.zeros_like(x) if slopes is None else slopes
    scale = x.std(0, correction=0)
    columns = []
    for i, width in enumerate((STEP * torch.where(scale > 0, scale, 1.0)).tolist()):
        move = torch.zeros_like(x[0])
        move[i] = width
        near = function(x + move)[:, 0] - function(x - move)[:, 0]
        far = function(x + 2 * move)[:, 0] - function(x - 2 * move)[:, 0]
        columns.append((8 * near - far) / (12 * width))
    return torch.stack(columns, 1)


def check_points(x, name: str = "x", least: int = 2) -> Tensor:
    """x as a float64 tensor (N, d).

    Raises:
        InputError: it is no matrix of finite numbers with at least `least` rows.
    """
    try:
        x = torch.as_tensor(x).detach().double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be a matrix of numbers, got {type(x).__name__}") from error
    if x.ndim != 2 or x.shape[1] == 0 or len(x) < least or not bool(x.isfinite().all()):
        raise InputError(f"{name} must be finite, of shape (N, d) with N at least {least}, got {tuple(x.shape)}")
    return x
