"""Estimators in model files: the network with its scaling, classes, names and reports, never pickled."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from edgewise import checkpoint
from edgewise.checkpoint import codec, container, kinds
from edgewise.checkpoint.model import from_container
from edgewise.checks import Shape, Within, json_object
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator.base import KANEstimator, fronts_of
from edgewise.estimator.classifier import KANClassifier
from edgewise.estimator.columns.constraints import checked_bounds
from edgewise.estimator.regressor import KANRegressor
from edgewise.estimator.survival import KANSurvival
from edgewise.formulas.front import Front
from edgewise.gam import AdditiveSummary
from edgewise.gam.families.named import family_of
from edgewise.nn.elementary import Elementary
from edgewise.nn.model import KAN
from edgewise.search.records import SearchReport
from edgewise.tables import AffineScaling, InputEncoder
from edgewise.train.conformal import ResidualIntervals
from edgewise.train.loop.reports import FitReport
from edgewise.train.uncertainty import ErrorBars

Column = str | int
Label = str | bool | int | float


# Parameters, by their names.


@dataclass(frozen=True)
class Parameters:
    """Those of all estimators."""

    random_state: int | None
    monotone: dict[Column, int | float] | None
    shape: dict[Column, Literal["convex", "concave"]] | None
    linear: list[Column] | None
    interactions: list[tuple[Column, Column]] | None


@dataclass(frozen=True)
class SurvivalParameters(Parameters):
    """Those of a `KANSurvival`."""

    pairs: str
    ties: str


@dataclass(frozen=True)
class NetworkParameters(Parameters):
    """Those of a `KANRegressor` and a `KANClassifier`."""

    hidden: str | int | list[int] | tuple[int, ...]
    grid_size: str | int
    regularization: str | int | float
    effort: str
    time_limit: int | float | None
    n_jobs: int | None
    bounds: tuple[float | None, float | None] | None


@dataclass(frozen=True)
class RegressorParameters(NetworkParameters):
    """Those of a `KANRegressor`."""

    loss: str
    exposure: Column | None


@dataclass(frozen=True)
class ClassifierParameters(NetworkParameters):
    """Those of a `KANClassifier`."""

    class_weight: dict[Label, float] | Literal["balanced"] | None


# What a fit has learned, by the names of the attributes; the network and its error bars are tensors of the file.


@dataclass(frozen=True)
class StoredEstimator:
    """What all estimators have learned."""

    parameters: Parameters
    input_scaling_: AffineScaling
    input_limits_: Annotated[np.ndarray, Shape("inputs", 2), Within()]
    encoder_: InputEncoder
    n_features_in_: int
    feature_names_in_: tuple[str, ...] | None
    target_names_: tuple[str, ...]
    background_: Annotated[np.ndarray, Shape("rows", "columns")]
    _training_rows: int
    _level_counts: tuple[tuple[int, ...], ...]
    inference_: AdditiveSummary | None

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an estimator from a file."""
        columns = self.encoder_.inputs
        names = self.encoder_.names if self.feature_names_in_ is None else self.feature_names_in_
        if len(self.input_scaling_.shift) != sizes["inputs"] or len(self.encoder_.feature_names) != sizes["inputs"]:
            return "a scaling or an encoder of another width"
        if not len(self.encoder_.names) == self.n_features_in_ == len(names):
            return "another number of columns"
        if sizes["columns"] != len(columns) or sizes["rows"] == 0 or np.isinf(self.background_).any():
            return "a background without finite rows"
        # Levels are positions in the encoder, and what is unknown is averaged over known values only.
        levels = [np.arange(len(one.level_names)) for one in columns]
        are_levels = all(
            np.isin(codes[~np.isnan(codes)], places).all()
            for places, codes in zip(levels, self.background_.T, strict=True)
            if len(places)
        )
        if not are_levels or self.encoder_.unknown(self.background_).any():
            return "unknown levels in the background"
        counts = [len(one.level_names) + 1 if one.level_names else 0 for one in columns]
        if [len(column) for column in self._level_counts] != counts:
            return "another number of counts of levels"
        return "" if (self.input_limits_[:, 0] <= self.input_limits_[:, 1]).all() else "limits out of order"

    def complete(self, estimator: Any, state: Mapping[str, Any] | None, sizes: Mapping[str, int]) -> None:
        """Give a new estimator what this one has learned, from the record and from the tensors of its file."""
        for name, value in vars(self).items():
            if name != "parameters":
                setattr(estimator, name, value)
        if self.feature_names_in_ is None:
            del estimator.feature_names_in_
        else:
            estimator.feature_names_in_ = np.array(self.feature_names_in_, dtype=object)


@dataclass(frozen=True)
class StoredSurvival(StoredEstimator):
    """What a `KANSurvival` has learned."""

    kind: ClassVar[str] = "KANSurvival"
    parameters: SurvivalParameters
    pairs_: tuple[tuple[int, int], ...]
    unique_times_: Annotated[np.ndarray, Shape("times"), Within()]
    baseline_hazard_: Annotated[np.ndarray, Shape("times"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an estimator from a file."""
        if sizes["outputs"] != 1 or sizes["times"] == 0:
            return "another number of outputs or times"
        if (np.diff(self.unique_times_) <= 0).any() or (np.diff(self.baseline_hazard_) < 0).any():
            return "times or hazards that do not ascend"
        return super().fault(sizes)


@dataclass(frozen=True)
class StoredNetwork(StoredEstimator):
    """What a `KANRegressor` and a `KANClassifier` have learned."""

    parameters: NetworkParameters
    report_: FitReport
    search_: SearchReport

    def complete(self, estimator: Any, state: Mapping[str, Any] | None, sizes: Mapping[str, int]) -> None:
        """Give a new estimator what this one has learned, from the record and from the tensors of its file."""
        super().complete(estimator, state, sizes)
        estimator.n_iter_ = max(self.report_.steps, 1)

    @staticmethod
    def give_formulas(estimator: Any, fronts: Sequence[Front], keys: Iterable[object]) -> None:
        """Give an estimator its formulas, if there are any; the keys are those of several outputs."""
        del estimator.equations_
        if fronts:
            estimator._set_equations(fronts, keys)


@dataclass(frozen=True)
class StoredRegressor(StoredNetwork):
    """What a `KANRegressor` has learned."""

    kind: ClassVar[str] = "KANRegressor"
    parameters: RegressorParameters
    target_scaling_: AffineScaling
    _single: bool
    loss_: str
    link_: str
    _exponent: tuple[float, float] | None
    _output_limits: Annotated[np.ndarray, Shape("outputs", 2), Within()] | None
    error_bars_message_: str
    equations_: tuple[Front, ...]  # of each output, if there are any

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an estimator from a file."""
        outputs = sizes["outputs"]
        if len(self.target_scaling_.shift) != outputs or (self._single and outputs > 1):
            return "targets that do not fit"
        if (self.link_ == "log") != (self._exponent is not None):
            return "a link without its range"
        if self.parameters.loss not in ("auto", self.loss_):
            return "a loss that is not its parameter"
        if self._exponent is not None and not self._exponent[0] <= self._exponent[1]:
            return "an empty range"
        if self._output_limits is not None and (self._output_limits[:, 0] > self._output_limits[:, 1]).any():
            return "limits out of order"
        return super().fault(sizes) if len(self.equations_) in (0, outputs) else "formulas of other outputs"

    def complete(self, estimator: Any, state: Mapping[str, Any] | None, sizes: Mapping[str, int]) -> None:
        """Give a new estimator what this one has learned, with its error bars or its intervals."""
        super().complete(estimator, state, sizes)
        self.give_formulas(estimator, self.equations_, range(sizes["outputs"]))
        estimator.error_bars_ = None
        estimator.residual_intervals_ = None
        if state is not None and "residual_intervals" in state:
            estimator.residual_intervals_ = codec.read(
                ResidualIntervals, state["residual_intervals"], "residual intervals", sizes
            )
        elif state is not None:
            estimator.error_bars_ = _unpacked(state.get("error_bars"), sizes)


@dataclass(frozen=True)
class Classes:
    """The labels of a classifier."""

    dtype: str  # of numpy
    values: tuple[Label, ...]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with labels from a file."""
        kinds: dict[str, tuple[type, ...]] = {"U": (str,), "O": (str, bool, int, float), "b": (bool,), "f": (float,)}
        form = re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248]|U[1-9][0-9]{0,6}|O)", self.dtype)
        if form is None or not all(type(value) in kinds.get(form[1][0], (int,)) for value in self.values):
            return f"classes of dtype {self.dtype[:20]!a}"
        dtype = np.dtype(self.dtype)
        # The dtype determines how many bytes numpy takes for each text: a damaged file cannot reserve a lot of memory.
        longest = max([4096, *(len(str(value)) for value in self.values)])
        if dtype.kind == "U" and dtype.itemsize > 4 * longest:
            return "text of unreasonable length"
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        if limits is not None and not all(limits.min <= int(value) <= limits.max for value in self.values):
            return f"classes that are not {self.dtype}"
        with np.errstate(over="ignore"):
            labels = self.array().tolist()
        if labels != list(self.values):  # longer texts than those of the dtype, or more digits
            return f"classes that are not {self.dtype}"
        is_sound = len(labels) == sizes["outputs"] == len(set(labels))
        return "" if is_sound else "classes that are not distinct, or another number of them"

    def array(self) -> np.ndarray:
        """Return the labels, (C,)."""
        return np.array(self.values, dtype=np.dtype(self.dtype))


@dataclass(frozen=True)
class StoredClassifier(StoredNetwork):
    """What a `KANClassifier` has learned."""

    kind: ClassVar[str] = "KANClassifier"
    parameters: ClassifierParameters
    classes_: Classes
    equations_: tuple[Front, ...]  # of the second of two classes, else of each class, if there are any

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an estimator from a file."""
        classes = sizes["outputs"]
        count = 1 if classes == 2 else classes
        return super().fault(sizes) if len(self.equations_) in (0, count) else "formulas of other classes"

    def complete(self, estimator: Any, state: Mapping[str, Any] | None, sizes: Mapping[str, int]) -> None:
        """Give a new estimator what this one has learned, with its classes."""
        super().complete(estimator, state, sizes)
        estimator.classes_ = self.classes_.array()
        self.give_formulas(estimator, self.equations_, estimator.classes_.tolist())


KINDS: dict[type[KANEstimator], Any] = {
    KANRegressor: StoredRegressor,
    KANClassifier: StoredClassifier,
    KANSurvival: StoredSurvival,
}


def save_estimator(
    estimator: KANEstimator,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted estimator with facts to keep beside it, see `edgewise.save`."""
    if state is not None:
        raise InputError("state must be left out for an estimator, which has its own, got some")
    if not isinstance(estimator, KANEstimator) or not estimator.__sklearn_is_fitted__():
        raise InputError(f"estimator must be a fitted KANRegressor, KANClassifier or KANSurvival, got {estimator!r}")
    bars = estimator._task.bars
    intervals = estimator._task.intervals
    state = None
    if bars is not None:
        state = {"error_bars": _packed(bars)}
    elif intervals is not None:
        state = {"residual_intervals": codec.plain(intervals)}
    checkpoint.write(
        estimator.model_,
        path,
        extra={"estimator": _fields(estimator), "extra": dict(extra or {})},
        state=state,
    )


def _fields(estimator: KANEstimator) -> dict[str, Any]:
    """Everything of a fitted estimator except its tensors, as plain values."""
    # The attributes that the record of the kind names, sequences and mappings in one form.
    record = next(record for kind, record in KINDS.items() if isinstance(estimator, kind))
    values: dict[str, Any] = {field.name: getattr(estimator, field.name, None) for field in fields(record)}
    values["parameters"] = _parameters(estimator, codec.hints(record)["parameters"])
    names = values["feature_names_in_"]
    values["feature_names_in_"] = None if names is None else names.tolist()
    if "equations_" in values:
        values["equations_"] = fronts_of(values["equations_"])
    if "classes_" in values:
        classes = values["classes_"]
        labels = classes.tolist()
        # Classes are numbers, text, or objects that are these.
        if classes.dtype.kind not in "biufUO" or not all(isinstance(label, Label) for label in labels):
            raise InputError(f"classes must be text or numbers to be stored, got {classes.dtype}")
        values["classes_"] = Classes(classes.dtype.str, tuple(labels))
    return {"kind": record.kind} | {name: codec.plain(value) for name, value in values.items()}


def _parameters(estimator: KANEstimator, record: type) -> dict[str, Any]:
    """The parameters of an estimator, with sequences and mappings of any kind as lists, tuples and dictionaries."""
    values = {field.name: getattr(estimator, field.name) for field in fields(record)}
    # Parameters are kept as given, but any sequence is a list and any mapping a dictionary.
    forms: dict[str, Callable[[Any], Any]] = {"linear": list, "bounds": tuple}
    forms["interactions"] = lambda pairs: [tuple(pair) for pair in pairs]
    for name, value in values.items():
        if value is not None and name in forms:
            values[name] = forms[name](value)
        elif isinstance(value, Mapping):
            values[name] = dict(value)
    if not isinstance(values["random_state"], int | np.integer):
        values["random_state"] = None
    return values


def _packed(bars: ErrorBars) -> dict[str, Any]:
    """Error bars as plain values and tensors, without the zeros of a triangular factor, and its first rows of zeros."""
    values: dict[str, Any] = codec.plain(bars)
    used = bars.factor.ne(0).any(1)
    values["factor"] = bars.factor[int(used.to(torch.uint8).argmax()) :]
    if bars.is_triangular:
        upper = torch.triu_indices(*bars.factor.shape)
        values["factor"] = bars.factor[upper[0], upper[1]]
    return values


def _unpacked(values: Any, sizes: Mapping[str, int]) -> ErrorBars:
    """Error bars from what `_packed` returned."""
    # The upper triangle of a Cholesky factor, or its rows below the first that are zero.
    count = sizes["parameters"]
    packed = json_object(values).get("factor")
    is_packed = isinstance(packed, Tensor) and packed.shape == (count * (count + 1) // 2,)
    if is_packed:
        assert isinstance(packed, Tensor)
        upper = torch.triu_indices(count, count)
        factor = packed.new_zeros(count, count)
        factor[upper[0], upper[1]] = packed
        values = values | {"factor": factor}
    elif isinstance(packed, Tensor) and packed.ndim == 2 and len(packed) < count:
        first = packed.new_zeros(count - len(packed), packed.shape[1])
        values = values | {"factor": torch.cat([first, packed])}
    bars = codec.read(ErrorBars, values, "error bars", sizes)
    if is_packed and not bars.is_triangular:
        raise CheckpointError("must have error bars with a positive diagonal, got others")
    return bars


def load_estimator(path: str | os.PathLike[str]) -> tuple[KANEstimator, dict[str, Any]]:
    """Read an estimator and the facts that were saved with it."""
    file = checkpoint.read(path)
    return estimator_of(file, path), file.extra["extra"]


def estimator_of(file: checkpoint.Checkpoint, path: str | os.PathLike[str]) -> KANEstimator:
    """Return the estimator in a checkpoint; `path` is for the message of a CheckpointError."""
    if "estimator" not in file.extra or not isinstance(file.extra.get("extra"), dict):
        raise CheckpointError(
            f"model file {os.fspath(path)} must hold an estimator, as `edgewise fit` writes it, got a bare network"
        )
    with container.errors_of_file("model", path):
        return _rebuilt(file)


def _rebuilt(file: checkpoint.Checkpoint) -> KANEstimator:
    """Build the estimator in a checkpoint; CheckpointError where its fields do not fit each other or its network."""
    model = file.model
    if not isinstance(model, KAN):
        raise CheckpointError("must have a KAN as the network of an estimator, got another")
    # The record of its kind, whose arrays fit the network, and possible parameters.
    sizes = {"inputs": model.config.width[0], "outputs": model.config.width[-1]}
    sizes["parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    stored = StoredRegressor | StoredClassifier | StoredSurvival
    record: StoredEstimator = codec.read(stored, file.extra["estimator"], "estimator", sizes)
    [kind] = [kind for kind, stored in KINDS.items() if type(record) is stored]
    parameters = dict(vars(record.parameters))
    try:
        if parameters.get("bounds") is not None:
            parameters["bounds"] = checked_bounds(parameters["bounds"])
        family_of(parameters.get("loss", "squared"))
        family_of(vars(record).get("loss_", "squared"))
    except InputError as error:
        raise CheckpointError(f"must have possible parameters: {ascii(str(error)[:200])[1:-1]}") from error
    # A new estimator with its parameters, network and attributes.
    estimator: Any = kind(**parameters)
    estimator.model_ = model
    record.complete(estimator, file.state, sizes)
    rebuilt: KANEstimator = estimator
    return rebuilt


def _read(
    file: container.Container, path: str | os.PathLike[str], *, table: Mapping[str, Elementary], **_: Any
) -> KANEstimator:
    """Return the estimator in an unpacked file, for `edgewise.load`."""
    with container.errors_of_file("model", path):
        contents = from_container(file, table=table)
    return estimator_of(contents, path)


kinds.register("estimator", kinds.FileKind((KANEstimator,), save_estimator, _read))
