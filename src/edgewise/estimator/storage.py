"""Estimators in model files: the network with its scaling, classes, names and reports, never pickled."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edgewise import checkpoint, files
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator.base import KANEstimator
from edgewise.estimator.kan import KANClassifier, KANRegressor
from edgewise.formulas.serialisation import front_fields, front_from_fields
from edgewise.model_selection.candidates import Candidate
from edgewise.model_selection.search import SearchReport, Trial
from edgewise.outcomes import StopReason
from edgewise.tables.scaling import AffineScaling
from edgewise.train.loop.reports import FitReport
from edgewise.train.uncertainty import ErrorBars

KINDS = {"KANRegressor": KANRegressor, "KANClassifier": KANClassifier}
PARAMETERS = ("hidden", "grid_size", "degree", "regularization", "budget", "time_limit", "random_state", "warm_start")
CLASS_KINDS = "biufUO"  # of numpy's dtypes
LONGEST_CLASS = 4096
OLDER = "There are no error bars: the model file was written by an Edgewise that made none."


def save_estimator(
    estimator: KANEstimator, path: str | os.PathLike[str], *, extra: Mapping[str, Any] | None = None
) -> None:
    """Save a fitted estimator to a file; after loading, its predictions are equal bit for bit.

    Parameters
    ----------
    estimator : KANRegressor or KANClassifier
        The fitted estimator. Its progress callback is not stored, and a `random_state` that is a generator becomes
        None.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    extra : mapping, optional
        Facts to keep with it: dictionaries, lists, tuples, numbers, text and None.

    Raises
    ------
    InputError
        The estimator is not fitted, or `extra` cannot be stored.
    FileError
        The file cannot be written.

    See Also
    --------
    edgewise.save : Does the same for models, estimators and solutions.
    """
    estimator, path = files.object_then_path(estimator, path, "edgewise.estimator.save_estimator")
    if not isinstance(estimator, KANEstimator) or not hasattr(estimator, "model_"):
        raise InputError(f"estimator must be a fitted KANRegressor or KANClassifier, got {estimator!r}")
    bars = getattr(estimator, "error_bars_", None)
    checkpoint.write(
        estimator.model_,
        path,
        extra={"estimator": _fields(estimator), "extra": dict(extra or {})},
        state=None if bars is None else {"error_bars": bars.fields()},
    )


def _fields(estimator: KANEstimator) -> dict:
    """All of a fitted estimator but its network, as plain values."""
    parameters = {name: _plain(getattr(estimator, name)) for name in PARAMETERS}
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    names = getattr(estimator, "feature_names_in_", None)
    fields = {
        "kind": type(estimator).__name__,
        "parameters": parameters,
        "input_scaling": estimator.input_scaling_.to_json(),
        "feature_names": None if names is None else names.tolist(),
        "report": estimator.report_.to_json(),
        "search": asdict(estimator.search_),
    }
    if isinstance(estimator, KANClassifier):
        dtype, values = estimator.classes_.dtype, estimator.classes_.tolist()
        if dtype.kind not in CLASS_KINDS or not all(isinstance(value, str | bool | int | float) for value in values):
            raise InputError(f"classes must be text or numbers to be stored, got {dtype}")
        fields["classes"] = {"dtype": dtype.str, "values": values}
    else:
        fields["target_scaling"] = estimator.target_scaling_.to_json()
        fields["single"] = estimator._single
        fields["error_bars"] = estimator.error_bars_said_
        if hasattr(estimator, "equations_"):
            fields["equations"] = front_fields(estimator.equations_)
    return fields


def _plain(value):
    """Numbers of numpy as those of Python."""
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def load_estimator(path: str | os.PathLike[str]) -> tuple[KANEstimator, dict[str, Any]]:
    """Load an estimator together with the facts that were saved with it.

    Files from untrusted sources are safe to load: nothing in them is executed or unpickled.

    Parameters
    ----------
    path : path-like
        Name of the file.

    Returns
    -------
    estimator : KANRegressor or KANClassifier
        The fitted estimator.
    extra : dict
        The facts.

    Raises
    ------
    FileError
        The file is missing or not readable.
    CheckpointError
        The file is damaged, or contains a network without an estimator.

    See Also
    --------
    edgewise.load : Loads models, estimators and solutions.
    """
    file = checkpoint.read(path)
    return estimator_of(file, path), file.extra["extra"]


def estimator_of(file: checkpoint.Checkpoint, path: str | os.PathLike[str]) -> KANEstimator:
    """Return the estimator in a checkpoint; `path` is for the message of a CheckpointError."""
    if "estimator" not in file.extra or not isinstance(file.extra.get("extra"), dict):
        raise CheckpointError(
            f"model file {os.fspath(path)} must hold an estimator, as `edgewise fit` writes it, got a bare network"
        )
    try:
        return _rebuilt(file)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, CheckpointError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(
            f"model file {os.fspath(path)} must describe a complete estimator, got {what[:200]}"
        ) from error


def _rebuilt(file: checkpoint.Checkpoint) -> KANEstimator:
    fields = file.extra["estimator"]
    estimator = KINDS[fields["kind"]](**{name: fields["parameters"][name] for name in PARAMETERS})
    config = file.model.config
    inputs, outputs = config.width[0], config.width[-1]
    estimator.model_ = file.model
    estimator.n_features_in_ = inputs
    estimator.input_scaling_ = AffineScaling.from_json(fields["input_scaling"])
    _expect(len(estimator.input_scaling_.shift) == inputs, "an input scaling of another width")
    if fields["feature_names"] is not None:
        names = [_is(name, str, "a feature name") for name in _is(fields["feature_names"], list, "the feature names")]
        _expect(len(names) == inputs, "another number of feature names")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    if isinstance(estimator, KANClassifier):
        estimator.classes_ = _classes(fields["classes"], outputs)
    else:
        estimator.target_scaling_ = AffineScaling.from_json(fields["target_scaling"])
        _expect(len(estimator.target_scaling_.shift) == outputs, "a target scaling of another width")
        estimator._single = _is(fields["single"], bool, "single")
        _expect(outputs == 1 or not estimator._single, "several outputs for a single target")
        estimator.error_bars_, estimator.error_bars_said_ = _bars(file, fields, outputs)
        if "equations" in fields:
            estimator.equations_ = front_from_fields(fields["equations"], inputs)
    estimator.report_ = FitReport.from_json(fields["report"])
    steps = estimator.report_.steps
    _expect(_is(steps, int, "a number of steps") >= 0, "a negative number of steps")
    estimator.n_iter_ = max(steps, 1)
    estimator.search_ = _search(fields["search"])
    chosen = estimator.search_.chosen
    _expect(chosen.hidden == config.width[1:-1] and chosen.degree == config.degree, "a search for another network")
    return estimator


def _bars(file: checkpoint.Checkpoint, fields: Mapping, outputs: int) -> tuple[ErrorBars | None, str]:
    said = _is(fields.get("error_bars", OLDER), str, "a sentence on error bars")
    if file.state is None:
        return None, said
    count = sum(p.numel() for p in file.model.parameters() if p.requires_grad)
    return ErrorBars.from_fields(file.state["error_bars"], count, outputs), said


def _classes(stored: Mapping, count: int) -> np.ndarray:
    values, dtype = _is(stored["values"], list, "the classes"), np.dtype(_is(stored["dtype"], str, "a dtype"))
    _expect(len(values) == count, "another number of classes")
    kinds = {"U": str, "O": str | bool | int | float, "b": bool, "f": float}
    _expect(dtype.kind in CLASS_KINDS, f"classes of dtype {dtype}")
    for value in values:
        _is(value, kinds.get(dtype.kind, int), "a class")
    if dtype.kind == "U":  # the dtype says how many bytes numpy takes for each
        _expect(dtype.itemsize <= 4 * max(LONGEST_CLASS, *map(len, values)), "text of unreasonable length")
    classes = np.array(values, dtype=dtype)
    _expect(classes.ndim == 1 and len(np.unique(classes)) == count, "classes that are not distinct")
    return classes


def _search(stored: Mapping) -> SearchReport:
    sentences = tuple(_is(sentence, str, "a sentence") for sentence in _is(stored["sentences"], tuple, "the sentences"))
    trials = tuple(_trial(trial) for trial in _is(stored["trials"], tuple, "the trials"))
    return SearchReport(
        chosen=_candidate(stored["chosen"]),
        trials=trials,
        sentences=sentences,
        folds=_is(stored["folds"], int, "the folds"),
        work=_is(stored["work"], float, "the work"),
        stopped=StopReason(_is(stored["stopped"], str, "the end of the search")),
    )


def _trial(stored: Mapping) -> Trial:
    return Trial(
        candidate=_candidate(stored["candidate"]),
        loss=_is(stored["loss"], float, "a loss"),
        error=_is(stored["error"], float, "a standard error"),
        parameters=_is(stored["parameters"], int, "a number of parameters"),
        folds=_is(stored["folds"], int, "the folds"),
    )


def _candidate(stored: Mapping) -> Candidate:
    hidden = tuple(_is(nodes, int, "a hidden width") for nodes in _is(stored["hidden"], tuple, "the hidden widths"))
    found = Candidate(
        hidden,
        _is(stored["grid_size"], int, "a grid size"),
        _is(stored["strength"], float, "a strength"),
        _is(stored["degree"], int, "a degree"),
        _is(stored.get("smooth", False), bool, "smooth"),
        _is(stored.get("product", False), bool, "product"),
    )
    _expect(all(0 < number < 2**31 for number in (*hidden, found.grid_size)), "sizes out of range")
    _expect(0 <= found.degree <= 5 and 0 <= found.strength < math.inf, "a degree or strength out of range")
    return found


def _is(value, kind, what: str):
    """The value, if it is of the kind; True is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, float)):
        raise ValueError(f"{type(value).__name__} as {what}")
    return value


def _expect(holds: bool, came: str) -> None:
    if not holds:
        raise ValueError(came)
