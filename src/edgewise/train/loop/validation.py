"""Checks of the arguments of `fit`, and the domains that it sets before the first step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.checks import check_count, check_kind, check_number
from edgewise.errors import InputError, warn_caller
from edgewise.nn.layers.spline import spline_layers
from edgewise.nn.model import KAN
from edgewise.nn.prediction import evaluation_mode
from edgewise.ops.jet import shape_or_type
from edgewise.presentation import number_text
from edgewise.train.grids import adapt_domain_, data_domain
from edgewise.train.loop.batches import peek
from edgewise.train.loop.reports import Callback
from edgewise.train.methods.base import Adam, Method
from edgewise.train.objective import unwrapped
from edgewise.train.penalties import Penalty
from edgewise.train.problems import Problem


def check_kinds(
    model: nn.Module, problem: Problem, method: Method, penalty: Penalty | None, batch_size: int | None
) -> None:
    """Check that each argument of `fit` is of the right kind and that they go together."""
    # Kinds of the arguments; a class in place of an object is the usual slip.
    for value, kind, form in (
        (model, nn.Module, "model must be a network, as KAN([2, 5, 1])"),
        (problem, Problem, "problem must be a Problem, as Regression(x, y)"),
        (method, Method, "method must be a Method, as Adam()"),
        (penalty, Penalty | None, "penalty must be a Penalty, as Sparsity(0.1), or None"),
    ):
        if isinstance(value, type):
            raise InputError(f"{form}, got the class {value.__name__}; write {value.__name__}(...)")
        check_kind(value, kind, form)
    # Methods of second order need all samples at once.
    if not method.full_batch:
        return
    name = type(method).__name__
    if batch_size is not None:
        raise InputError(f"batch_size must be None for {name}, which needs all samples at once, got {batch_size!r}")


def check_callbacks(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """Return the callbacks as a tuple; raise InputError unless they are several functions."""
    functions = tuple(callbacks) if isinstance(callbacks, Iterable) else (None,)
    if not all(callable(function) for function in functions):
        if inspect.isroutine(callbacks):
            received = callbacks.__name__
        else:
            received = type(callbacks).__name__
        raise InputError(f"callbacks must be a list of functions of a StepEvent, as [print], got {received}")
    return functions


def check_metrics(metrics: Mapping[str, Callable[..., Any]] | None) -> dict[str, Callable[..., Any]]:
    """Return the metrics as a dict; raise InputError unless they are functions by name."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping) or not all(isinstance(n, str) and callable(f) for n, f in metrics.items()):
        raise InputError(f'metrics must be functions by name, as {{"max": function}}, got {metrics!r:.80}')
    return dict(metrics)


def check_move_grids(every: int | None, model: nn.Module, method: Method) -> int | None:
    """Return the number of steps between moves of grids; raise InputError where grids can't be moved."""
    if every is None:
        return None
    if not isinstance(method, Adam) or not isinstance(model, KAN):
        raise InputError(
            f"move_grids needs a KAN and Adam(), got {type(model).__name__} and {type(method).__name__}: "
            "methods of second order go on from what they know of the old grids"
        )
    return check_count(every, "move_grids")


def check_settings(
    steps: int, seed: int, patience: int | None, evaluate_every: int | None, tolerance: float
) -> dict[str, int | float | None]:
    """Check the numbers that `fit` takes, and return them by name; integers of numpy become those of Python."""
    check_number(tolerance, "tolerance")
    return {
        "steps": check_count(steps, "steps", 0),
        "seed": check_count(seed, "seed", 0),
        "patience": None if patience is None else check_count(patience, "patience"),
        "evaluate_every": None if evaluate_every is None else check_count(evaluate_every, "evaluate_every"),
        "tolerance": tolerance,
    }


def prepare(model: nn.Module, problem: Problem, adapt_domain: bool) -> None:
    """Check that model and data of `fit` fit together, and set the domains that were never set, if these adapt.

    Warns with an `EdgewiseWarning` where training samples lie outside a domain that was given. InputError where width,
    dtype or device of model and data differ, or the model has no fitting output.
    """
    network = unwrapped(model)
    # torch records no gradients through tensors that were made under inference_mode, whatever holds later.
    parts = [data for data in (problem.train_tensors, problem.validation) if data is not None]
    for name, tensors in (
        ("model", list(network.parameters())),
        ("problem", [tensor for data in parts for tensor in (data.x, data.y)]),
    ):
        if any(tensor.is_inference() for tensor in tensors):
            raise InputError(f"{name} must be made outside of torch.inference_mode(), got tensors without gradients")
    sample = peek(problem)
    _check_match(network, sample.x, "x")
    if problem.validation is not None:
        _check_match(network, problem.validation.x, "validation x")
    if isinstance(network, KAN):
        splines = spline_layers(network)
        if 0 in splines and bool(splines[0].domain_is_set):
            _warn_outside(sample.x, splines[0].domain)
        if adapt_domain and not all(bool(layer.domain_is_set) for layer in splines.values()):
            adapt_domain_(network, sample.x, unset_only=True)
    problem.check_model(network)
    # Check the shape of the network's output by two rows of the sample.
    few = sample.select(slice(0, 2))
    with evaluation_mode(network), torch.no_grad():
        prediction = network(few.x)
    if not isinstance(prediction, Tensor) or prediction.ndim != 2:
        raise InputError(f"model must map (N, in) to a tensor (N, out), got {shape_or_type(prediction)}")
    problem.check_prediction(prediction, few)


def _check_match(network: nn.Module, x: Tensor, name: str) -> None:
    """Check the width, dtype and device of x (N, in) against those of the network."""
    width = getattr(getattr(network, "config", None), "width", None)
    if width is not None and x.shape[1] != width[0]:
        raise InputError(f"{name} must have shape (N, {width[0]}) to fit the model, got {tuple(x.shape)}")
    parameter = next(network.parameters(), None)
    if parameter is None:
        raise InputError("model must have a trainable parameter, got none")
    if x.dtype != parameter.dtype:
        raise InputError(f"{name} must have the model's dtype {parameter.dtype}, got {x.dtype}")
    if x.device != parameter.device:
        raise InputError(f"{name} must be on the model's device {parameter.device}, got {x.device}")


def _warn_outside(x: Tensor, domain: Tensor) -> None:
    """Warn where samples x (N, in) lie outside the domain (in, 2) of the first layer."""
    if torch.equal(domain, data_domain(x)):  # set from these data, far-out values left out on purpose
        return
    outside = ((x < domain[:, 0]) | (x > domain[:, 1])).sum(0)
    if not bool(outside.any()):
        return
    worst = int(outside.argmax())
    low, high = domain[worst].tolist()
    warn_caller(
        f"{int(outside[worst])} of {len(x)} training samples lie outside the first layer's domain in input {worst}, "
        f"[{number_text(low)}, {number_text(high)}]: there its splines are straight lines; widen the "
        f"domain or call adapt_domain_"
    )
