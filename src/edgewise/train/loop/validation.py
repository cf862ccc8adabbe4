"""What `fit` checks and sets up before the first step."""

import warnings

import torch
from torch import Tensor, nn

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.nn.model import KAN, spline_part
from edgewise.train.grids import adapt_domain_, data_domain
from edgewise.train.loop.batches import peek
from edgewise.train.methods.base import Method
from edgewise.train.penalties import Penalty
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.objective import unwrapped


def check_kinds(model, problem, method, penalty, batch_size) -> None:
    """Raises InputError where an argument of `fit` is of the wrong kind or two don't go together."""
    for value, kind, name in (
        (model, nn.Module, "model"),
        (problem, Problem, "problem"),
        (method, Method, "method"),
        (penalty, Penalty | None, "penalty"),
    ):
        if not isinstance(value, kind):
            raise InputError(
                f"{name} must be a {getattr(kind, '__name__', 'Penalty or None')}, got {type(value).__name__}"
            )
    if not method.full_batch:
        return
    name = type(method).__name__
    if problem.train is None:
        raise InputError(f"{name} needs all samples at once: give tensors instead of a DataLoader, or use Adam()")
    if batch_size is not None:
        raise InputError(f"batch_size must be None for {name}, which needs all samples at once, got {batch_size!r}")
    if unwrapped(model) is not model:
        raise InputError(f"{name} can't train a DistributedDataParallel model: use Adam()")


def prepare(model: nn.Module, problem: Problem, adapt_domain: bool) -> None:
    """Checks that model and data fit together, and sets the domains that were never set (`adapt_domain_`).

    Warns (EdgewiseWarning) where training samples lie outside a domain that was given.
    """
    network = unwrapped(model)
    _check_inference(network, problem)
    sample = peek(problem)
    _check_match(network, sample.x, "x")
    if problem.validation is not None:
        _check_match(network, problem.validation.x, "validation x")
    if isinstance(network, KAN):
        first, *others = (spline_part(layer) for layer in network.layers)
        if first is not None and bool(first.domain_is_set):
            _warn_outside(sample.x, first.domain)
        if adapt_domain and not all(bool(part.domain_is_set) for part in (first, *others) if part is not None):
            adapt_domain_(network, sample.x, unset_only=True)
    problem.check_model(network)
    _check_output(network, problem, sample)


def _check_inference(network: nn.Module, problem: Problem) -> None:
    """torch records no gradients through tensors made under inference_mode, whatever holds later."""
    parts = [data for data in (problem.train, problem.validation) if data is not None]
    for name, tensors in (
        ("model", network.parameters()),
        ("problem", [x for data in parts for x in (data.x, data.y)]),
    ):
        if any(tensor.is_inference() for tensor in tensors):
            raise InputError(f"{name} must be made outside of torch.inference_mode(), got tensors without gradients")


def _check_match(network: nn.Module, x: Tensor, name: str) -> None:
    config = getattr(network, "config", None)
    width = getattr(config, "width", None)
    if width is not None and x.shape[1] != width[0]:
        raise InputError(f"{name} must have shape (N, {width[0]}) to fit the model, got {tuple(x.shape)}")
    parameter = next(network.parameters(), None)
    if parameter is None:
        raise InputError("model must have a trainable parameter, got none")
    if x.dtype != parameter.dtype:
        raise InputError(f"{name} must have the model's dtype {parameter.dtype}, got {x.dtype}")
    if x.device != parameter.device:
        raise InputError(f"{name} must be on the model's device {parameter.device}, got {x.device}")


def _check_output(network: nn.Module, problem: Problem, sample: Data) -> None:
    few = sample.select(slice(0, 2))
    training = network.training
    network.eval()
    with torch.no_grad():
        prediction = network(few.x)
    network.train(training)
    if not isinstance(prediction, Tensor) or prediction.ndim != 2:
        came = tuple(prediction.shape) if isinstance(prediction, Tensor) else type(prediction).__name__
        raise InputError(f"model must map (N, in) to a tensor (N, out), got {came}")
    problem.check_prediction(prediction, few)


def _warn_outside(x: Tensor, domain: Tensor) -> None:
    if torch.equal(domain, data_domain(x)):  # set from these data, far-out values left out on purpose
        return
    outside = ((x < domain[:, 0]) | (x > domain[:, 1])).sum(0)
    if not bool(outside.any()):
        return
    worst = int(outside.argmax())
    low, high = domain[worst].tolist()
    warnings.warn(
        f"{int(outside[worst])} of {len(x)} training samples lie outside the first layer's domain in input {worst}, "
        f"[{low:g}, {high:g}]: there its splines are straight lines; widen the domain or call adapt_domain_",
        EdgewiseWarning,
        stacklevel=4,
    )
