"""Estimators in model files: the network with its scaling, classes, names and reports, never pickled."""

import os
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from edgewise import checkpoint
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator.base import KANEstimator
from edgewise.estimator.kan import KANClassifier, KANRegressor
from edgewise.tables.scaling import AffineScaling
from edgewise.train.candidate import Candidate
from edgewise.train.fit_report import FitReport
from edgewise.train.search import SearchReport, Trial

KINDS = {"KANRegressor": KANRegressor, "KANClassifier": KANClassifier}
PARAMETERS = ("hidden", "grid_size", "degree", "regularization", "budget", "time_limit", "random_state", "warm_start")


def save_estimator(path: str | os.PathLike[str], estimator: KANEstimator, *, extra: Mapping | None = None) -> None:
    """Writes a fitted estimator to one file that `load_estimator` reads back with the same predictions, bit for bit.

    `extra` is stored with it: numbers, text, lists and dictionaries. The progress callback is not stored, and a
    random_state that is a generator becomes None.

    Raises:
        InputError: the estimator is not fitted, or extra holds something else.
        FileError: the file can't be written; an older one is then intact.
    """
    if not isinstance(estimator, KANEstimator) or not hasattr(estimator, "model_"):
        raise InputError(f"estimator must be a fitted KANRegressor or KANClassifier, got {estimator!r}")
    parameters = {name: getattr(estimator, name) for name in PARAMETERS}
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    fields = {
        "kind": type(estimator).__name__,
        "parameters": parameters,
        "input_scaling": estimator.input_scaling_.to_json(),
        "feature_names": list(getattr(estimator, "feature_names_in_", [])) or None,
        "report": estimator.report_.to_json(),
        "search": asdict(estimator.search_),
    }
    if isinstance(estimator, KANClassifier):
        fields["classes"] = {"dtype": estimator.classes_.dtype.str, "values": estimator.classes_.tolist()}
    else:
        fields["target_scaling"] = estimator.target_scaling_.to_json()
        fields["single"] = estimator._single
    checkpoint.save(path, estimator.model_, extra={"estimator": fields, "extra": dict(extra or {})})


def load_estimator(path: str | os.PathLike[str]) -> tuple[KANEstimator, dict]:
    """The estimator and the extra of `save_estimator`. Safe on files from anyone.

    Raises:
        FileError: the file is missing or can't be read.
        CheckpointError: it is damaged, or holds a network without an estimator.
    """
    file = checkpoint.load(path)
    if "estimator" not in file.extra:
        raise CheckpointError(
            f"model file {os.fspath(path)} must hold an estimator, as `edgewise fit` writes it, got a bare network"
        )
    try:
        estimator = _rebuilt(file)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"model file {os.fspath(path)} must describe a complete estimator, got {type(error).__name__}: {error}"
        ) from error
    return estimator, file.extra["extra"]


def _rebuilt(file: checkpoint.Checkpoint) -> KANEstimator:
    fields = file.extra["estimator"]
    estimator = KINDS[fields["kind"]](**{name: fields["parameters"][name] for name in PARAMETERS})
    width = file.model.config.width
    estimator.model_ = file.model
    estimator.n_features_in_ = width[0]
    estimator.input_scaling_ = AffineScaling.from_json(fields["input_scaling"])
    _expect(len(estimator.input_scaling_.shift), width[0], "input scaling")
    if fields["feature_names"] is not None:
        estimator.feature_names_in_ = np.array([str(name) for name in fields["feature_names"]], dtype=object)
        _expect(len(estimator.feature_names_in_), width[0], "feature names")
    if isinstance(estimator, KANClassifier):
        estimator.classes_ = _classes(fields["classes"])
        _expect(len(estimator.classes_), width[-1], "classes")
    else:
        estimator.target_scaling_ = AffineScaling.from_json(fields["target_scaling"])
        _expect(len(estimator.target_scaling_.shift), width[-1], "target scaling")
        estimator._single = bool(fields["single"])
    estimator.report_ = FitReport.from_json(fields["report"])
    estimator.n_iter_ = max(estimator.report_.steps, 1)
    estimator.search_ = _search(fields["search"])
    return estimator


def _classes(stored: Mapping) -> np.ndarray:
    dtype = np.dtype(stored["dtype"])
    if dtype.kind not in "biufUO":
        raise ValueError(f"classes of dtype {dtype}")
    return np.array(stored["values"], dtype=dtype)


def _search(stored: Mapping) -> SearchReport:
    trials = tuple(Trial(**{**trial, "candidate": _candidate(trial["candidate"])}) for trial in stored["trials"])
    rest = {name: stored[name] for name in ("folds", "work", "stopped")}
    return SearchReport(_candidate(stored["chosen"]), trials, tuple(stored["sentences"]), **rest)


def _candidate(stored: Mapping) -> Candidate:
    return Candidate(**{**stored, "hidden": tuple(stored["hidden"])})


def _expect(came: int, expected: int, what: str) -> None:
    if came != expected:
        raise ValueError(f"{what} for {came} columns instead of {expected}")
