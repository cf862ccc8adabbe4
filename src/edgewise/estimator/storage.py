"""Estimators in model files: the network with its scaling, classes, names and reports, never pickled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edgewise import checkpoint
from edgewise.checkpoint import codec, container
from edgewise.checkpoint.model import from_container
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator.base import KANEstimator
from edgewise.estimator.classifier import KANClassifier
from edgewise.estimator.columns.stored import (
    check_stored,
    column_fields,
    knowledge_fields,
    plain_value,
    read_columns,
    read_knowledge,
)
from edgewise.estimator.regressor import KANRegressor
from edgewise.estimator.survival import KANSurvival
from edgewise.formulas.serialisation import front_fields, front_from_fields
from edgewise.gam import AdditiveSummary
from edgewise.gam.families.named import family_of
from edgewise.model_selection.search.records import SearchReport, Trial
from edgewise.nn.elementary import Elementary
from edgewise.nn.model import KAN
from edgewise.outcomes import StopReason
from edgewise.tables import AffineScaling
from edgewise.train.loop.reports import FitReport
from edgewise.train.uncertainty import ErrorBars

KINDS: dict[str, type[KANEstimator]] = {"KANRegressor": KANRegressor, "KANClassifier": KANClassifier}
PARAMETERS = (
    "hidden",
    "grid_size",
    "regularization",
    "effort",
    "time_limit",
    "n_models",
    "n_jobs",
    "random_state",
)
CLASS_KINDS = "biufUO"  # kinds of numpy's dtypes that classes may have: numbers, text, and objects that are these
SHOWN_FACTS = 400  # characters of the facts that are shown in full
LONGEST_CLASS = 4096  # characters, so that a damaged file cannot make numpy reserve a lot of memory


def save_estimator(
    estimator: KANEstimator, path: str | os.PathLike[str], *, extra: Mapping[str, Any] | None = None
) -> None:
    """Save a fitted estimator to a file; after loading, its predictions are equal bit for bit.

    Parameters
    ----------
    estimator : KANRegressor, KANClassifier or KANSurvival
        The fitted estimator. A `random_state` that is a generator becomes
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

    Examples
    --------
    >>> import os, tempfile
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> estimator = KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(x, x[:, 0] ** 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_estimator(estimator, path, extra={"unit": "m"})
    ...     again, extra = load_estimator(path)
    >>> bool((again.predict(x) == estimator.predict(x)).all()), extra
    (True, {'unit': 'm'})
    """
    if not isinstance(estimator, KANEstimator) or not estimator.__sklearn_is_fitted__():
        raise InputError(f"estimator must be a fitted KANRegressor, KANClassifier or KANSurvival, got {estimator!r}")
    bars = estimator._task.bars
    checkpoint.write(
        estimator.model_,
        path,
        extra={"estimator": _fields(estimator), "extra": dict(extra or {})},
        state=None if bars is None else {"error_bars": bars._fields()},
    )


def _fields(estimator: KANEstimator) -> dict[str, Any]:
    """Everything of a fitted estimator except its network, as plain values."""
    if isinstance(estimator, KANSurvival):
        return estimator._fields()
    parameters = {name: plain_value(getattr(estimator, name)) for name in PARAMETERS}
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    fields: dict[str, Any] = {
        "kind": type(estimator).__name__,
        "parameters": parameters,
        "knowledge": knowledge_fields(estimator),
        "input_scaling": estimator.input_scaling_.to_json(),
        "input_limits": estimator.input_limits_.tolist(),
        "report": estimator.report_.to_json(),
        "search": asdict(estimator.search_),
        "inference": None if estimator.inference_ is None else estimator.inference_._fields(),
        **column_fields(estimator),
    }
    if isinstance(estimator, KANClassifier):
        dtype = estimator.classes_.dtype
        values = estimator.classes_.tolist()
        if dtype.kind not in CLASS_KINDS or not all(isinstance(value, str | bool | int | float) for value in values):
            raise InputError(f"classes must be text or numbers to be stored, got {dtype}")
        fields["classes"] = {"dtype": dtype.str, "values": values}
        chosen = estimator.class_weight
        pairs = (
            [[plain_value(label), float(value)] for label, value in chosen.items()]
            if isinstance(chosen, Mapping)
            else chosen
        )
        fields["class_weight"] = pairs
    elif isinstance(estimator, KANRegressor):
        fields["target_scaling"] = estimator.target_scaling_.to_json()
        fields["single"] = estimator._single
        fields["error_bars"] = estimator.error_bars_message_
        fields["loss"] = estimator.loss
        fields["link"] = estimator.link_
        fields["exponent"] = estimator._exponent
        ends = estimator._output_limits
        fields["output_limits"] = None if ends is None else ends.tolist()
        if "equations_" in vars(estimator):
            found = estimator.equations_
            fields["equations"] = (
                [front_fields(one) for one in found.values()] if isinstance(found, dict) else front_fields(found)
            )
    return fields


def load_estimator(path: str | os.PathLike[str]) -> tuple[KANEstimator, dict[str, Any]]:
    """Load an estimator together with the facts that were saved with it.

    Files from untrusted sources are safe to load: nothing in them is executed or unpickled.

    Parameters
    ----------
    path : path-like
        Name of the file.

    Returns
    -------
    estimator : KANRegressor, KANClassifier or KANSurvival
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

    Examples
    --------
    >>> import os, tempfile
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> estimator = KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(x, x[:, 0] ** 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_estimator(estimator, path, extra={"unit": "mm"})
    ...     again, extra = load_estimator(path)
    >>> again.get_params()["grid_size"], extra
    (3, {'unit': 'mm'})
    """
    file = checkpoint.read(path)
    return estimator_of(file, path), _Facts(file.extra["extra"])


class _Facts(dict[str, Any]):
    """Facts of a model file; long ones, such as those that `edgewise fit` stores, are shown by their names."""

    def __repr__(self) -> str:
        full = super().__repr__()
        if len(full) <= SHOWN_FACTS:
            return full
        return f"<{len(self)} facts: {', '.join(map(str, self))}>"


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
    """Build the estimator from checked fields; everything that is wrong raises one of the errors named above."""
    fields = file.extra["estimator"]
    if fields["kind"] == "KANSurvival":
        check_stored(isinstance(file.model, KAN), "a network that is no KAN")
        assert isinstance(file.model, KAN)
        return KANSurvival._from_fields(fields, file.model)
    parameters = {name: fields["parameters"][name] for name in PARAMETERS}
    estimator = KINDS[fields["kind"]](**parameters)
    read_knowledge(estimator, fields)
    model = file.model
    check_stored(isinstance(model, KAN), "a network that is no KAN")
    assert isinstance(model, KAN)
    config = model.config
    inputs = config.width[0]
    outputs = config.width[-1]
    estimator.model_ = model
    estimator.input_scaling_ = AffineScaling.from_json(fields["input_scaling"])
    check_stored(len(estimator.input_scaling_.shift) == inputs, "an input scaling of another width")
    estimator.input_limits_ = _limits(fields["input_limits"], inputs, "inputs")
    read_columns(estimator, fields, inputs)
    if isinstance(estimator, KANClassifier):
        estimator.classes_ = _classes(fields["classes"], outputs)
        stored = fields["class_weight"]
        if isinstance(stored, list):
            estimator.class_weight = {label: _of_kind(value, float, "a class weight") for label, value in stored}
        else:
            check_stored(stored in (None, "balanced"), "an unknown class weight")
            estimator.class_weight = stored
    elif isinstance(estimator, KANRegressor):
        estimator.target_scaling_ = AffineScaling.from_json(fields["target_scaling"])
        check_stored(len(estimator.target_scaling_.shift) == outputs, "a target scaling of another width")
        estimator._single = _of_kind(fields["single"], bool, "single")
        check_stored(outputs == 1 or not estimator._single, "several outputs for a single target")
        estimator.loss = _of_kind(fields["loss"], str, "a loss")
        family_of(estimator.loss)
        estimator.link_ = _of_kind(fields["link"], str, "a link")
        ends = fields["output_limits"]
        if ends is None:
            estimator._output_limits = None
        else:
            estimator._output_limits = _limits(ends, outputs, "outputs")
        exponent = fields["exponent"]
        check_stored((estimator.link_ == "log") == (exponent is not None), "a link without its range")
        estimator._exponent = None
        if exponent is not None:
            low, high = (_of_kind(end, float, "an end of the range") for end in exponent)
            check_stored(low <= high, "an empty range")
            estimator._exponent = low, high
        estimator.error_bars_message_ = _of_kind(fields["error_bars"], str, "a sentence on error bars")
        estimator.error_bars_ = None
        if file.state is not None:
            count = sum(p.numel() for p in model.parameters() if p.requires_grad)
            estimator.error_bars_ = ErrorBars._from_fields(file.state["error_bars"], count, outputs, inputs)
        if "equations" in fields:
            found = fields["equations"]
            if isinstance(found, list) and len(found) == outputs > 1:
                estimator.equations_ = {k: front_from_fields(one, inputs) for k, one in enumerate(found)}
            else:
                estimator.equations_ = front_from_fields(found, inputs)
    estimator.report_ = FitReport.from_json(fields["report"])
    steps = estimator.report_.steps
    check_stored(_of_kind(steps, int, "a number of steps") >= 0, "a negative number of steps")
    estimator.n_iter_ = max(steps, 1)
    estimator.search_ = _search(fields["search"])
    tests = fields["inference"]
    if tests is None:
        estimator.inference_ = None
    else:
        estimator.inference_ = AdditiveSummary._from_fields(tests)
    return estimator


def _classes(stored: Mapping[str, Any], count: int) -> np.ndarray:
    values = _of_kind(stored["values"], list, "the classes")
    dtype = np.dtype(_of_kind(stored["dtype"], str, "a dtype"))
    check_stored(len(values) == count, "another number of classes")
    check_stored(dtype.kind in CLASS_KINDS, f"classes of dtype {dtype}")
    kinds: dict[str, type | tuple[type, ...]] = {"U": str, "O": (str, bool, int, float), "b": bool, "f": float}
    for value in values:
        _of_kind(value, kinds.get(dtype.kind, int), "a class")
    if dtype.kind == "U":  # the dtype determines how many bytes numpy takes for each
        check_stored(dtype.itemsize <= 4 * max(LONGEST_CLASS, *map(len, values)), "text of unreasonable length")
    classes = np.array(values, dtype=dtype)
    check_stored(classes.ndim == 1 and len(np.unique(classes)) == count, "classes that are not distinct")
    return classes


def _search(stored: Mapping[str, Any]) -> SearchReport:
    """The record of a search."""
    trials = [
        Trial(
            name=_of_kind(trial["name"], str, "a candidate"),
            loss=_of_kind(trial["loss"], float, "a loss"),
            error=_of_kind(trial["error"], float, "a standard error"),
            parameters=_of_kind(trial["parameters"], int, "a number of parameters"),
            folds=_of_kind(trial["folds"], int, "the folds"),
            seconds=_of_kind(trial["seconds"], float, "the seconds"),
            work=_of_kind(trial["work"], float, "the work"),
            taken=_of_kind(trial["taken"], bool, "taken"),
            reason=_of_kind(trial["reason"], str, "a reason"),
        )
        for trial in _of_kind(stored["trials"], tuple, "the trials")
    ]
    sentences = [_of_kind(text, str, "a sentence") for text in _of_kind(stored["sentences"], tuple, "the sentences")]
    return SearchReport(
        chosen=_of_kind(stored["chosen"], str, "the choice"),
        trials=tuple(trials),
        sentences=tuple(sentences),
        folds=_of_kind(stored["folds"], int, "the folds"),
        work=float(_of_kind(stored["work"], (float, int), "the work")),
        stopped=StopReason(_of_kind(stored["stopped"], str, "the end of the search")),
        seconds=_of_kind(stored["seconds"], float, "the seconds"),
    )


def _limits(stored: Any, count: int, what: str) -> np.ndarray:
    """Intervals to which scaled inputs or outputs are clipped, (count, 2)."""
    limits = np.array(_of_kind(stored, list, f"the limits of the {what}"), dtype=np.float64)
    check_stored(limits.shape == (count, 2), f"limits of another number of {what}")
    check_stored(bool(np.isfinite(limits).all() and (limits[:, 0] <= limits[:, 1]).all()), "limits out of order")
    return limits


def _of_kind(value: Any, kind: type | tuple[type, ...], name: str) -> Any:
    """Return the value if it is of the kind; a bool is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, float)):
        raise ValueError(f"{type(value).__name__} as {name}")
    return value


def _write(
    estimator: KANEstimator,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write an estimator for `edgewise.save`."""
    if state is not None:
        raise InputError("state must be left out for an estimator, which has its own, got some")
    save_estimator(estimator, path, extra=extra)


def _read(
    file: container.Container, path: str | os.PathLike[str], *, table: Mapping[str, Elementary], **_: Any
) -> KANEstimator:
    """Return the estimator in an unpacked file, for `edgewise.load`."""
    with container.errors_of_file("model", path):
        contents = from_container(file, table=table)
    return estimator_of(contents, path)


codec.register("estimator", codec.Codec((KANEstimator,), _write, _read))
