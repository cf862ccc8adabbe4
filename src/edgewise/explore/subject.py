"""The subject of an exploration: a network with its rows, their division into training and held-out rows, and units."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import numbered
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.explore.canonical import canonical_form
from edgewise.explore.division import made_up_rows, output_names, target_of, tensor_of
from edgewise.nn.model import KAN
from edgewise.search.validation import held_out_rows
from edgewise.train.problems import Classification, Regression


@dataclass(frozen=True, eq=False)
class Subject:
    """A network that is explored, with its rows in the units of the network."""

    network: KAN  # before all edits, in its canonical form
    estimator: KANRegressor | KANClassifier | None  # its estimator, if it has one
    problem: Regression | Classification  # the training rows, and the held-out rows as validation data
    names: tuple[str, ...]  # names of the inputs and of the outputs of the network
    outputs: tuple[str, ...]
    shift: np.ndarray  # (inputs,), an input in the table's unit is shift + scale times that of the network
    scale: np.ndarray
    held_out: tuple[int, ...]  # positions of the held-out rows among the rows
    note: str  # a sentence on the target, "" where the rows have one

    def in_order(self, training: Tensor, held_out: Tensor) -> Tensor:
        """Join values of the training rows and of the held-out rows, (n, ...) each, in the order of the table."""
        held = torch.zeros(len(training) + len(held_out), dtype=torch.bool)
        held[list(self.held_out)] = True
        whole = training.new_empty(len(held), *training.shape[1:])
        whole[~held] = training
        whole[held] = held_out
        return whole

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the network and of all rows, by which edits recognise what they were made for."""
        digest = hashlib.sha256()
        tensors = dict(self.network.state_dict())
        for part in (self.problem.train, self.problem.validation):
            if part is not None:
                tensors |= {f"{len(tensors)}.x": part.x, f"{len(tensors)}.y": part.y}
        for name, tensor in tensors.items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def edited(self, network: KAN) -> Any:
        """Return an object of the kind that was given, with this network instead; error bars and tests are gone."""
        if self.estimator is None:
            return network
        estimator = copy.copy(self.estimator)
        estimator.model_ = network
        estimator.inference_ = None
        estimator.search_ = replace(estimator.search_, sentences=(*estimator.search_.sentences, "Edited by hand."))
        match estimator:
            case KANRegressor():  # has intervals of the unedited model
                estimator.error_bars_ = None
                estimator.residual_intervals_ = None
                estimator.error_bars_message_ = "There are no error bars: the model was edited by hand."
        vars(estimator).pop("equations_", None)
        return estimator


def subject_of(model: Any, X: Any, y: Any, *, held_out: float | Sequence[int] = 0.2, seed: int = 0) -> Subject:
    """Divide the rows of a model and bring them to the units of its network.

    Without rows X made-up ones stand for the data; without targets y costs are measured against the outputs of the
    model as it is. `held_out` is the share of the rows that are held out at random, or their positions. InputError
    where the model is of another kind, or the rows do not fit it.
    """
    if X is not None and y is not None and len(y) != len(X):
        raise InputError(f"y must have a target for each of the {len(X)} rows, got {len(y)}")
    # Rows in the units of the network, with their targets if there are any.
    target = None
    estimator: KANRegressor | KANClassifier | None = None
    match model:
        case KAN() as network:
            # A network alone: its own units are those of the rows.
            if X is None:
                x = made_up_rows(network)
            else:
                x = tensor_of(X, network, "X", network.config.width[0])
            if y is not None and X is not None:
                target = tensor_of(y, network, "y", network.config.width[-1])
            names = numbered("x", x.shape[1])
            shift = np.zeros(x.shape[1])
            scale = np.ones(x.shape[1])
        case (KANRegressor(model_=network) | KANClassifier(model_=network)) as estimator:
            # An estimator: rows of its table, encoded and scaled as in its fit.
            if X is None:
                rows = estimator.encoder_.inputs_of(estimator.background_)
            else:
                rows = estimator._inputs(X)
            x = estimator._to_network(rows)
            if y is not None and X is not None:
                target = target_of(estimator, y, estimator._exposures(X))
            names = tuple(estimator.encoder_.feature_names)
            shift = estimator.input_scaling_.shift
            scale = estimator.input_scaling_.scale
        case _:
            given = type(model).__name__
            match model:
                case KANRegressor() | KANClassifier():
                    given += " that is not fitted"
            raise InputError(f"model must be a KAN or a fitted KANRegressor or KANClassifier, got {given}")
    # The network in its canonical form, whose outputs stand for targets that are not known.
    if len(x) < 4:  # two on each side of a division
        raise InputError(f"X must have at least 4 rows, got {len(x)}")
    network = canonical_form(network, x, two_classes=estimator is not None and len(estimator._task.classes) == 2)
    with torch.no_grad():
        own = network(x)
    # The problem: rows to train on, and held-out rows that judge.
    out = held_out_rows(held_out, len(x), seed)
    kept = torch.ones(len(x), dtype=torch.bool)
    kept[list(out)] = False
    values = own if target is None else target
    parts = x[kept], values[kept], (x[~kept], values[~kept])
    classes = target is not None and not target.dtype.is_floating_point
    problem: Regression | Classification
    if classes:
        problem = Classification(parts[0], parts[1], classes=own.shape[1], validation=parts[2])
    else:
        problem = Regression(parts[0], parts[1], validation=parts[2])
    outputs = output_names(estimator, own.shape[1])
    note = ""
    if target is None:
        note = "the rows have no usable target, so that costs are measured against the outputs before all edits"
    return Subject(network, estimator, problem, names, outputs, shift, scale, out, note)
