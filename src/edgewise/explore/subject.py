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

from edgewise.checks import is_number
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.interpret.transform.edges import edge_layers
from edgewise.nn.model import KAN, spline_part
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.regression import Regression

MADE_UP_ROWS = 500  # rows that stand for the data of a network without any; a choice: curves are drawn on fewer points
FEWEST_DIVIDED = 4  # rows that can be divided; a choice: two on each side
EDITED = "There are no error bars: the model was edited by hand."
IMITATION = "the rows have no usable target, so that costs are measured against the outputs before all edits"


@dataclass(frozen=True, eq=False)
class Subject:
    """A network that is explored, with its rows in the units of the network.

    Attributes
    ----------
    network : KAN
        Before all edits.
    estimator : KANRegressor, KANClassifier or None
        Its estimator, if it has one.
    problem : Regression or Classification
        The training rows, and the held-out rows as validation data.
    names, outputs : tuple of str
        Names of the inputs and of the outputs of the network.
    shift, scale : ndarray of shape (inputs,)
        An input in the table's unit is shift + scale times that of the network.
    held_out : tuple of int
        Positions of the held-out rows among the rows.
    note : str
        A sentence on the target, "" where the rows have one.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> subject = subject_of(KAN([1, 1], dtype=torch.float64), x, x[:, 0])
    >>> len(subject.problem.train), len(subject.held_out), subject.names
    (40, 10, ('x1',))
    """

    network: KAN
    estimator: KANRegressor | KANClassifier | None
    problem: Regression | Classification
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    shift: np.ndarray
    scale: np.ndarray
    held_out: tuple[int, ...]
    note: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the network and of all rows, by which edits recognise what they were made for."""
        digest = hashlib.sha256()
        tensors = dict(self.network.state_dict())
        for part in (self.problem.train, self.problem.validation):
            tensors |= {} if part is None else {f"{len(tensors)}.x": part.x, f"{len(tensors)}.y": part.y}
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
        if isinstance(estimator, KANRegressor):
            estimator.error_bars_, estimator.error_bars_message_ = None, EDITED
        if hasattr(estimator, "equations_"):
            del estimator.equations_
        return estimator


def subject_of(
    model: Any, X: Any = None, y: Any = None, *, held_out: float | Sequence[int] = 0.2, seed: int = 0
) -> Subject:
    """Divide the rows of a model and bring them to the units of its network.

    Parameters
    ----------
    model : KAN, KANRegressor or KANClassifier
        The model.
    X : array-like, frame or Table, optional
        Rows as the model reads them; without them made-up rows stand for the data.
    y : array-like of shape (N,) or (N, outputs), optional
        Their targets; without them costs are measured against the outputs of the model as it is.
    held_out : float or sequence of int
        Share of the rows that are held out at random, or their positions.
    seed : int
        Seed of that choice.

    Returns
    -------
    Subject
        The model with its rows.

    Raises
    ------
    InputError
        The model is of another kind, or the rows do not fit it.
    """
    if isinstance(model, KAN):
        network, estimator = model, None
        x = _points(network) if X is None else _tensor(X, network, "X", network.config.width[0])
        target = None if y is None or X is None else _tensor(y, network, "y", network.config.width[-1])
        names, shift, scale = tuple(f"x{i + 1}" for i in range(x.shape[1])), np.zeros(x.shape[1]), np.ones(x.shape[1])
    elif isinstance(model, KANRegressor | KANClassifier) and hasattr(model, "model_"):
        network, estimator = model.model_, model
        rows = model.encoder_.inputs_of(model.background_) if X is None else model._inputs(X)
        x, target = model._to_network(rows), None if y is None or X is None else _target(model, y, len(rows))
        names = tuple(model.encoder_.feature_names)
        shift, scale = model.input_scaling_.shift, model.input_scaling_.scale
    else:
        raise InputError(
            f"model must be a KAN or a fitted KANRegressor or KANClassifier, got {type(model).__name__}"
            + (" that is not fitted" if isinstance(model, KANRegressor | KANClassifier) else "")
        )
    if len(x) < FEWEST_DIVIDED:
        raise InputError(f"X must have at least {FEWEST_DIVIDED} rows, got {len(x)}")
    network = copy.deepcopy(network)
    with torch.no_grad():
        own = network(x)
    if target is not None and len(target) != len(x):
        raise InputError(f"y must have a target for each of the {len(x)} rows, got {len(target)}")
    out = _held_out(held_out, len(x), seed)
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
    outputs, note = _output_names(model, own.shape[1]), IMITATION if target is None else ""
    return Subject(network, estimator, problem, names, outputs, shift, scale, out, note)


def _points(network: KAN) -> Tensor:
    """Draw points over the domains of the first layer, or over [-1, 1] where it has no splines."""
    first, count = edge_layers(network)[0], network.config.width[0]
    spline = spline_part(first)
    generator = np.random.default_rng(0)
    points = generator.random((MADE_UP_ROWS, count))
    low, high = np.full(count, -1.0), np.ones(count)
    if spline is not None:
        knots = spline.knots.double().numpy()
        low, high = knots[:, spline.degree], knots[:, -spline.degree - 1]
    return torch.from_numpy(low + (high - low) * points).to(network.dtype)


def _tensor(values: Any, network: KAN, name: str, width: int) -> Tensor:
    tensor = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values, dtype=np.float64))
    tensor = tensor.detach().to(network.dtype)
    tensor = tensor[:, None] if tensor.ndim == 1 and name == "y" else tensor
    if tensor.ndim != 2 or tensor.shape[1] != width or not bool(tensor.isfinite().all()):
        raise InputError(f"{name} must hold finite numbers of shape (N, {width}), got shape {tuple(tensor.shape)}")
    return tensor


def _target(estimator: KANRegressor | KANClassifier, y: Any, rows: int) -> Tensor | None:
    """Return the targets on the scale of the network's outputs; None where the logarithm of one does not exist."""
    if isinstance(estimator, KANClassifier):
        labels = np.asarray(y)
        known = labels[:, None] == np.asarray(estimator.classes_)
        if labels.ndim != 1 or not known.any(axis=1).all():
            raise InputError(f"y must hold the classes {', '.join(map(str, estimator.classes_[:5]))}, got others")
        return torch.from_numpy(known.argmax(axis=1))
    values = np.asarray(y, dtype=np.float64).reshape(rows if np.ndim(y) == 1 else len(y), -1)
    if values.shape[1] != estimator.model_.config.width[-1] or not np.isfinite(values).all():
        raise InputError(f"y must hold finite numbers, one for each target, got shape {np.shape(y)}")
    if estimator.link_ == "log":
        if (values <= 0).any():
            return None
        values = np.log(values)
    return torch.from_numpy(estimator.target_scaling_.transform(values))


def _output_names(model: Any, count: int) -> tuple[str, ...]:
    names: Sequence[Any] = ()
    if isinstance(model, KANClassifier):
        names = model.classes_.tolist()
    elif isinstance(model, KANRegressor):
        names = getattr(model, "target_names_", ()) or ()
    if len(names) == count:
        return tuple(map(str, names))
    return tuple(f"y{o + 1}" for o in range(count)) if count > 1 else ("y",)


def _held_out(held_out: float | Sequence[int], rows: int, seed: int) -> tuple[int, ...]:
    if is_number(held_out):
        if not 0 < held_out < 1:
            raise InputError(f"held_out must be a share in (0, 1) or positions of rows, got {held_out!r}")
        count = int(np.clip(round(held_out * rows), 1, rows - 2))
        return tuple(sorted(np.random.default_rng(seed).permutation(rows)[:count].tolist()))
    positions = sorted({int(one) for one in np.asarray(held_out).ravel()})
    if not positions or positions[0] < 0 or positions[-1] >= rows or len(positions) > rows - 2:
        raise InputError(f"held_out must hold positions of some of the {rows} rows, got {len(positions)} positions")
    return tuple(positions)
