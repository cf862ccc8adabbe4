"""One adapter for everything that predicts: torch modules, objects with a `predict` method, and plain functions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from edgewise.checks import is_function
from edgewise.errors import InputError


class HasPredict(Protocol):
    """An object with a `predict` method for arrays, such as an estimator of scikit-learn."""

    def predict(self, X: Any, /) -> Any:
        """Predict one row for each row of X (N, d)."""


TensorFunction = Callable[[Tensor], Tensor]  # (N, d) float64 -> (N, outputs) float64
ArrayFunction = Callable[[np.ndarray], np.ndarray]  # (N, d) float64 -> (N, outputs) float64
BlackBox = nn.Module | HasPredict | Callable[[Any], Any]


def tensor_function(model: BlackBox) -> TensorFunction:
    """Adapt a model to a function of float64 tensors; the result is differentiable where the model is.

    Shapes: model (N, d); returns (N, d).
    """
    call: Callable[[Tensor], Any]
    # A network in its dtype, an estimator by its method, or a function.
    if isinstance(model, nn.Module):
        parameter = next(model.parameters(), None)
        dtype = torch.float64 if parameter is None else parameter.dtype
        is_training = any(module.training for module in model.modules())
        network = model
        if is_training:  # a copy without dropout, whose running means stay
            network = copy.deepcopy(model).eval()
        call = lambda x: network(x.to(dtype))  # noqa: E731
    elif (predict := _predict_method(model)) is not None:
        call = lambda x: predict(x.detach().numpy())  # noqa: E731
    else:
        call = _checked_callable(model)

    # Whatever the model returns becomes a tensor (N, outputs).
    def checked(x: Tensor) -> Tensor:
        values = call(x)
        try:
            y = torch.as_tensor(values).double()
        except (TypeError, ValueError) as error:
            raise InputError(f"model must return numbers, got {type(values).__name__}") from error
        _check_shape(tuple(y.shape), len(x))
        return y.reshape(len(x), -1)

    return checked


def array_function(model: BlackBox) -> ArrayFunction:
    """Adapt a model to a function of float64 arrays, (N, d) -> (N, outputs)."""
    # Models are those of `tensor_function`, except that a callable receives an array (N, d). The function raises
    # `InputError` when the model returns no numbers or another number of rows.
    call: Callable[[np.ndarray], Any]
    if isinstance(model, nn.Module):
        network = tensor_function(model)
        call = lambda X: network(torch.tensor(X))  # noqa: E731
    else:
        call = _predict_method(model) or _checked_callable(model)

    def checked(X: np.ndarray) -> np.ndarray:
        values = call(X)
        if isinstance(values, Tensor):
            values = values.detach().cpu()
        try:
            y = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"model must return numbers, got {type(values).__name__}") from error
        _check_shape(y.shape, len(X))
        return y.reshape(len(X), -1)

    return checked


def _predict_method(model: object) -> Callable[[np.ndarray], Any] | None:
    """Return the method that predicts probabilities or numbers, or None for an object that has neither."""
    if isinstance(model, type):  # its methods need a model
        return None
    methods = (getattr(model, name, None) for name in ("predict_proba", "predict"))
    return next((method for method in methods if callable(method)), None)


def _checked_callable(model: object) -> Callable[[Any], Any]:
    if not is_function(model):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise InputError(f"model must be callable or have a predict method, got {got}")
    return model


def _check_shape(shape: tuple[int, ...], rows: int) -> None:
    if len(shape) not in (1, 2) or shape[0] != rows:
        raise InputError(f"model must return one row for each of {rows} rows, got shape {shape}")


def input_gradient(function: TensorFunction, x: Tensor) -> Tensor:
    """Compute the derivatives (N, d) of the first output by the inputs at points x (N, d).

    Autograd is used where the function, from `tensor_function`, is differentiable, otherwise central differences of
    fourth order.
    """
    # Exact derivatives by reverse mode, where the function is differentiable; an input that it does not use has none.
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        y = function(leaf)[:, 0]
        if y.requires_grad:
            (slopes,) = torch.autograd.grad(y.sum(), leaf, allow_unused=True)
            return torch.zeros_like(x) if slopes is None else slopes
    # Steps of 1e-3 standard deviations: at fourth order, the rounding and the truncation error of a smooth float64
    # function are then both near 1e-12.
    scale = x.std(0, correction=0)
    columns = []
    for i, width in enumerate((1e-3 * torch.where(scale > 0, scale, 1.0)).tolist()):
        move = torch.zeros_like(x[0])
        move[i] = width
        near = function(x + move)[:, 0] - function(x - move)[:, 0]
        far = function(x + 2 * move)[:, 0] - function(x - 2 * move)[:, 0]
        columns.append((8 * near - far) / (12 * width))
    return torch.stack(columns, 1)


def check_points(x: ArrayLike | Tensor, least: int = 2) -> Tensor:
    """Convert x to a float64 tensor (N, d), detached.

    InputError where it is no matrix of finite numbers with at least `least` rows.
    """
    try:
        points = torch.as_tensor(x).detach().double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"x must be a matrix of numbers, got {type(x).__name__}") from error
    if points.ndim != 2 or points.shape[1] == 0 or len(points) < least or not bool(points.isfinite().all()):
        raise InputError(f"x must be finite, of shape (N, d) with N at least {least}, got {tuple(points.shape)}")
    return points
