"""What an estimator predicts: the kind of target with its units, names, words and score; the checks of targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from edgewise.checks import check_finite
from edgewise.errors import InputError, warn_caller
from edgewise.gam.families.base import Family
from edgewise.gam.families.exponential import Gaussian
from edgewise.metrics import METRICS, Score
from edgewise.presentation import counted, number_text
from edgewise.tables import AffineScaling, Table
from edgewise.train.conformal import ResidualIntervals
from edgewise.train.uncertainty import ErrorBars

Predicted = Callable[[np.ndarray], np.ndarray]  # from codes of rows (N, columns) to predictions (N, outputs)


class Shown(NamedTuple):
    """What figures of effects show: a function of the codes of rows, with names and limits of its values."""

    function: Predicted
    outputs: Sequence[str] | None  # names of the columns of its values; None for a target without a name
    target: str  # what the values are
    limits: tuple[float, float] | None  # the range that values have; None for all numbers


@dataclass(frozen=True, eq=False)
class Task:
    """The kind of a target: its units, names, words and score."""

    names: tuple[str, ...]  # of the targets; () where they have none
    classes: np.ndarray = field(default_factory=lambda: np.empty(0))  # labels in the order of the outputs, if any
    scaling: AffineScaling | None = None  # from targets to outputs of the network; None if these have no unit
    exponent: tuple[float, float] | None = None  # range of the logarithm where predictions are exponentials; else None
    bars: ErrorBars | None = None  # uncertainty of predictions; None where it is not known
    intervals: ResidualIntervals | None = None  # of new targets, where there are no error bars
    bars_message: str = ""  # a sentence on the error bars, or why there are none
    kind: ClassVar[Literal["regression", "classification", "survival"]]
    metric: ClassVar[str]  # of `METRICS`, by which predictions of new rows are scored
    training_loss: ClassVar[str] = "mean squared error (scaled)"  # the loss in the history of a training
    output_kind: ClassVar[str] = ""  # what the outputs of the network are, if no targets
    predicts_targets: ClassVar[bool] = True  # whether predictions have the form of the targets

    @property
    def target(self) -> str:
        """Name of the target, "y" for several targets and for one without a name."""
        if len(self.names) == 1:
            return self.names[0]
        return "y"

    @property
    def outputs(self) -> Sequence[str] | None:
        """Names of the predictions of a row; None where they have none."""
        return self.names or None

    @property
    def no_intervals(self) -> str:
        """Why predictions of numbers have no intervals, in a sentence; "" where they have them, and for others."""
        has_intervals = self.bars is not None or self.intervals is not None
        return "" if self.scaling is None or has_intervals else self.bars_message

    @property
    def answers(self) -> Sequence[str]:
        """A name for each prediction of a row."""
        return self.outputs or [self.target]

    @property
    def words(self) -> str:
        """What is predicted, in words."""
        return self.target

    @property
    def loss_name(self) -> str:
        """Name of the loss by which a search compares models on held-out rows; of risks there is no such search."""
        raise NotImplementedError

    @property
    def unit(self) -> tuple[float, float]:
        """Shift and scale of the first target: the output of the network is (y - shift) / scale."""
        if self.scaling is None:
            return 0.0, 1.0
        return float(self.scaling.shift[0]), float(self.scaling.scale[0])

    def effect_on(self, shown: str) -> str:
        """Name the quantity that an effect changes, with the name of what is shown."""
        return shown

    def shown(self, predicted: Predicted) -> Shown:
        """Return what figures of effects show of the predictions."""
        outputs = self.outputs
        target = self.target
        if outputs is not None and len(outputs) > 1:
            target = "prediction"
        return Shown(predicted, outputs, target, None)

    def held_out(self, loss: float, error: float) -> Score:
        """Return the score that a held-out loss of the search is, with its standard error."""
        return Score(self.loss_name, loss, error, higher_is_better=False)

    def targets(self, y: Any) -> np.ndarray:
        """Return observed targets of rows as predictions are; numbers may be given as text."""
        return np.asarray(y)

    def as_labels(self, values: np.ndarray) -> np.ndarray:
        """Return values of a target column (N,) with the type of the classes; numbers as they are."""
        return values

    def score(self, observed: Any, predicted: np.ndarray, weight: np.ndarray | None = None) -> Score:
        """Return the score of predictions of rows, with weights (N,) or equal ones, with its standard error."""
        metric = METRICS[self.metric]
        return metric.score(self.targets(observed), predicted, weight)


@dataclass(frozen=True, eq=False)
class Numbers(Task):
    """One or several numbers."""

    family: Family = field(default_factory=Gaussian)  # the loss
    exposure: str = ""  # column to which the target is proportional; "" without
    kind: ClassVar[Literal["regression"]] = "regression"
    metric = "r2"

    @property
    def loss_name(self) -> str:
        """Name that the family gives to its loss."""
        return self.family.loss_name

    @property
    def words(self) -> str:
        """The target, or its rate."""
        return self.effect_on(self.target)

    def effect_on(self, shown: str) -> str:
        """Name the target, or its rate."""
        return f"{shown} per unit of {self.exposure}" if self.exposure else shown

    def shown(self, predicted: Predicted) -> Shown:
        """Return the predictions; an exponential is not negative."""
        limits = None if self.exponent is None else (0.0, math.inf)
        return super().shown(predicted)._replace(limits=limits)

    def targets(self, y: Any) -> np.ndarray:
        """Return observed numbers, those in text read."""
        numbers = np.asarray(numeric_targets(y, self.family))
        if numbers.dtype.kind not in "fiub":
            raise InputError(f"y must hold numbers, got {y!r:.60}")
        return numbers

    def held_out(self, loss: float, error: float) -> Score:
        """Return R² for squared errors, since the loss of scaled targets is a share of their variance."""
        if self.family.is_least_squares:
            return Score(METRICS["r2"].name, 1 - loss, error)
        return super().held_out(loss, error)


@dataclass(frozen=True, eq=False)
class Classes(Task):
    """Classes with probabilities."""

    kind: ClassVar[Literal["classification"]] = "classification"
    metric = "accuracy"
    training_loss = "cross-entropy"
    output_kind = "the logit of each class"

    @property
    def loss_name(self) -> str:
        """Name of the loss of all families of classes."""
        return METRICS["log_loss"].name

    @property
    def outputs(self) -> Sequence[str]:
        """Names of the classes."""
        return list(map(str, self.classes))

    @property
    def words(self) -> str:
        """The number of classes, and their name if they have one."""
        words = f"{len(self.classes)} classes"
        if self.target != "y":
            words += f" of {self.target}"
        return words

    def effect_on(self, shown: str) -> str:
        """Name the probability that an effect changes."""
        return f"the {shown}"

    def shown(self, predicted: Predicted) -> Shown:
        """Return the probability of the second of two classes, that of each, or the mean of many numeric classes."""
        if len(self.classes) == 2:
            second = str(self.classes[1])
            return Shown(lambda codes: predicted(codes)[:, 1:], [second], f"probability of {second}", (0.0, 1.0))
        # Up to six classes have a curve each; more numeric ones are shown by their expected value.
        if len(self.classes) > 6 and self.classes.dtype.kind in "iuf":
            values = self.classes.astype(np.float64)
            target = self.target
            return Shown(lambda codes: (predicted(codes) @ values)[:, None], [target], f"expected {target}", None)
        return Shown(predicted, self.outputs, "probability", (0.0, 1.0))

    def as_labels(self, values: np.ndarray) -> np.ndarray:
        """Return labels of a target column (N,) with the type of the classes."""
        return values.astype(self.classes.dtype)


@dataclass(frozen=True, eq=False)
class Risks(Task):
    """Risk scores of censored times."""

    kind = "survival"
    metric = "concordance"
    output_kind = "the log hazard"
    predicts_targets = False

    def effect_on(self, shown: str) -> str:
        """Name the quantity of a risk score."""
        return "the log hazard"


# Checks


def numeric_targets(y: Any, family: Family) -> Any:
    """Return targets (N,) or (N, out) as numbers, those in text read; other objects are returned as they are.

    InputError for a cell that is no number, is not finite, or lies outside the domain of the family; the message names
    the row.
    """
    cells = np.asarray(y)
    if cells.ndim not in (1, 2) or cells.size == 0:
        return y
    if cells.dtype.kind == "c":
        raise InputError(f"y must hold real numbers, got {cells.flat[0]} in row 1 (Complex data not supported)")
    read = _numbers(cells) if cells.dtype.kind in "UOS" else cells
    if read.dtype.kind not in "fiub":
        return y
    check_finite(read, "y")
    outside = np.zeros(read.shape, dtype=bool)
    if family.positive:
        outside = read <= 0
    elif family.nonnegative:
        outside = read < 0
    if outside.any():
        place = np.argwhere(outside)[0]
        kind = "positive" if family.positive else "at least 0"
        raise InputError(
            f"y must be {kind} for loss={family.name!r}, got {read[tuple(place)]} in row {place[0] + 1}, counted from 1"
        )
    return y if read is cells else read


def warn_of_other_order(X: Any, y: Any) -> None:
    """Warn where the indexes of two pandas objects have the same labels in another order."""
    first: Any = getattr(X, "index", None)
    second: Any = getattr(y, "index", None)
    if not hasattr(first, "equals") or not hasattr(second, "equals") or len(first) != len(second):
        return
    if first.equals(second) or not (first.is_unique and second.is_unique):
        return
    if len(first.union(second, sort=False)) == len(first):
        warn_caller(
            "y has the index of X in another order: rows are matched by their position, not by their label; "
            "y.loc[X.index] has the order of X"
        )


def warn_of_constant(y: Any) -> None:
    """Warn where a target of more than one row is the same in all of them: there is nothing to learn."""
    cells = np.asarray(y)
    if cells.dtype.kind not in "fiub" or cells.ndim != 1 or len(cells) < 2 or (cells != cells[0]).any():
        return
    warn_caller(
        f"y is {number_text(float(cells[0]))} in all {counted(len(cells), 'row')}: there is nothing to "
        f"learn, and a score means "
        "nothing"
    )


def warn_of_target_among_inputs(table: Table, names: Sequence[str], y: Any) -> None:
    """Warn where a column of the inputs is the target itself, with its name and its values."""
    cells = np.asarray(y)
    for name in names if cells.ndim == 1 else ():
        column = table.columns.get(name)
        if column is not None and np.array_equal(column, cells.astype(str) if column.dtype.kind == "O" else cells):
            warn_caller(
                f"X has the target {name!r} among its columns, so the model can read the answer: leave the column out "
                "of X"
            )


def _numbers(cells: np.ndarray) -> np.ndarray:
    """Return cells, of which some are text, as float64. Raises InputError for the first that is no number."""
    has_text = cells.dtype.kind in "US" or any(isinstance(cell, str) for cell in cells.flat)
    values = np.empty(cells.shape)
    for place in np.ndindex(cells.shape):
        cell = cells[place]
        try:
            values[place] = float(cell)
        except (OverflowError, TypeError, ValueError):
            if not has_text and cell is not None and not isinstance(cell, int):  # scikit-learn has words of its own
                return cells
            shown = repr(cell.item() if isinstance(cell, np.generic) else cell)[:80]
            raise InputError(
                f"y must hold numbers, got {shown} in row {place[0] + 1}, counted from 1; "
                "KANClassifier predicts classes"
            ) from None
    return values
