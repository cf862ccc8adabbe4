"""Rows and targets as the tensors of a network, and the names of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.nn.model import KAN, edge_layers


def made_up_rows(network: KAN) -> Tensor:
    """Draw points over the domains of the first layer, or over [-1, 1] where it has no splines."""
    first = edge_layers(network)[0]
    count = network.config.width[0]
    generator = np.random.default_rng(0)
    # Rows that stand for the data of a network without any: curves are drawn on fewer points.
    points = generator.random((500, count))
    low = np.full(count, -1.0)
    high = np.ones(count)
    if first.has_splines:
        low, high = first.domain.double().numpy().T
    return torch.from_numpy(low + (high - low) * points).to(network.dtype)


def tensor_of(values: Any, network: KAN, name: str, width: int) -> Tensor:
    """Return rows or targets of a bare network, (N, width); raise InputError."""
    if isinstance(values, Tensor):
        tensor = values
    else:
        tensor = torch.as_tensor(np.asarray(values, dtype=np.float64))
    tensor = tensor.detach().to(network.dtype)
    if tensor.ndim == 1 and name == "y":
        tensor = tensor[:, None]
    if tensor.ndim != 2 or tensor.shape[1] != width or not bool(tensor.isfinite().all()):
        raise InputError(f"{name} must hold finite numbers of shape (N, {width}), got shape {tuple(tensor.shape)}")
    return tensor


def target_of(estimator: KANRegressor | KANClassifier, y: Any, exposure: np.ndarray) -> Tensor | None:
    """Return the targets per unit of exposure (N, 1) or (1, 1) on the scale of the network's outputs.

    None where the logarithm of one does not exist.
    """
    task = estimator._task
    if len(task.classes):
        labels = np.asarray(y)
        known = labels[:, None] == task.classes
        if labels.ndim != 1 or not known.any(axis=1).all():
            raise InputError(f"y must hold the classes {', '.join(map(str, task.classes[:5]))}, got others")
        return torch.from_numpy(known.argmax(axis=1))
    values = np.asarray(y, dtype=np.float64).reshape(len(y), -1) / exposure
    if values.shape[1] != estimator.model_.config.width[-1] or not np.isfinite(values).all():
        raise InputError(f"y must hold finite numbers, one for each target, got shape {np.shape(y)}")
    if task.exponent is not None:
        if (values <= 0).any():
            return None
        values = np.log(values)
    assert task.scaling is not None, "numbers have units"
    return torch.from_numpy(task.scaling.transform(values))


def output_names(estimator: KANRegressor | KANClassifier | None, count: int) -> tuple[str, ...]:
    """Return the names of the outputs: the classes, the targets, or y1, y2."""
    names: Sequence[str] = ()
    if estimator is not None:
        task = estimator._task
        names = list(map(str, task.classes)) or [task.effect_on(name) for name in task.names]
    if len(names) == count:
        return tuple(names)
    if count > 1:
        return tuple(f"y{o + 1}" for o in range(count))
    return ("y",)
