"""Conversion of a user's frames and arrays to inputs of the network, and predictions for rows with unknown values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from edgewise.checks import are_texts, check_finite, is_path, numbered
from edgewise.errors import InputError, warn_caller
from edgewise.estimator.columns.constraints import place_of_column
from edgewise.estimator.scikit import BaseEstimator
from edgewise.estimator.task import (
    numeric_targets,
    warn_of_constant,
    warn_of_other_order,
    warn_of_target_among_inputs,
)
from edgewise.gam.families.base import Family
from edgewise.interpret.attribution.effects import PATHS
from edgewise.presentation import counted, number_text
from edgewise.settings import chunks
from edgewise.tables import AffineScaling, InputEncoder, Table, frame_table, is_frame
from edgewise.tables.columns import FAR, known_numbers
from edgewise.tables.frames import array_table
from edgewise.tables.input_encoder import NAMED_COLUMNS, RowCheck, nearest_names
from edgewise.tables.table import InBatches

# Reasons for which each estimator has warned: a kind of fault and a column. `predict` changes none of its attributes.
_WARNED: WeakKeyDictionary[Any, set[tuple[str, str]]] = WeakKeyDictionary()
NO_Y = "no_validation"  # scikit-learn's word for a y that it does not check

ArrayFunction = Callable[[np.ndarray], np.ndarray]
Rows = ArrayLike | Table  # frames of pandas, polars and pyarrow are array-like


class RowReader(BaseEstimator):
    """Part of the estimators that reads rows: frames with text, dates and missing values, or arrays of numbers.

    `encoder_` has the rules, learned in `fit`. Between a frame and the network are the codes of `InputEncoder`, one
    number for each column that is used; explanations change codes, so that a category is one input for them.
    """

    encoder_: InputEncoder
    background_: np.ndarray
    _training_rows: int  # rows with positive weight
    _level_counts: tuple[tuple[int, ...], ...]
    input_scaling_: AffineScaling
    feature_names_in_: np.ndarray
    target_names_: tuple[str, ...]
    n_features_in_: int
    exposure: str | int | None = None  # column to which the target is proportional; None for all other estimators

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's description of the estimator: missing values and categories are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a model."""
        return "model_" in vars(self)

    @property
    def _is_named(self) -> bool:
        """Whether the columns of the training rows had names."""
        return "feature_names_in_" in vars(self)

    # Reading the training rows

    def _read_training(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, *, family: Family | None = None, **settings: Any
    ) -> tuple[np.ndarray, Any, np.ndarray | None]:
        """Learn `encoder_` and `background_`; return the inputs of the network (N, p), and y and the weights checked.

        Rows of weight 0 have no influence. A y that is NO_Y is left to the caller. With a `family` y holds numbers.
        """
        _WARNED.pop(self, None)  # another table
        # Targets, with warnings of what looks like a mistake.
        if isinstance(y, str) and y is not NO_Y:
            raise InputError(f"y must be the values of the target, got the text {y!r}; frame[{y!r}] is such a column")
        self.target_names_ = () if y is NO_Y else _target_names(y)
        if y is not NO_Y:
            named = y
            if family is not None:
                y = numeric_targets(y, family)
            else:
                check_finite(np.asarray(y), "y")
            warn_of_other_order(X, named)
            rows_of_x = _row_count(X)
            rows_of_y = _row_count(y)
            if rows_of_x is not None and rows_of_y is not None and rows_of_x != rows_of_y:
                raise InputError(
                    f"X and y must have the same rows, got {counted(rows_of_x, 'row')} of X and {rows_of_y:,} of y"
                )
        # The table: an array checked by scikit-learn, or a frame with its names.
        frame = _as_frame(X)
        if frame is None:
            checks = {"dtype": np.float64, "ensure_all_finite": "allow-nan", **settings}
            checked = _with_sentences(lambda: validate_data(self, X, y, **checks), X)
            rows, y = (checked, y) if y is NO_Y else checked
            names = getattr(self, "feature_names_in_", numbered("x", rows.shape[1]))
            table = _number_table(rows, list(map(str, names)))
        else:
            if y is not NO_Y:
                _, y = check_X_y(np.zeros((frame.n_rows, 1)), y, dtype=np.float64, estimator=self, **settings)
            table = frame
            warn_of_target_among_inputs(table, self.target_names_, y)
            self.n_features_in_ = len(frame.names)
            if _has_names(X):
                self.feature_names_in_ = np.array(frame.names, dtype=object)
            elif self._is_named:
                del self.feature_names_in_
        # Weights, and the rows of positive weight.
        weight = row_weights(sample_weight, table.n_rows)
        if family is not None:
            warn_of_constant(y)
        used = table
        used_weight = weight
        if weight is not None and not (weight > 0).all():
            used = table.take(weight > 0)
            used_weight = weight[weight > 0]
        # Rules from columns to inputs, and what is kept of the rows.
        exposure = ""
        if self.exposure is not None:
            exposure = table.names[place_of_column(table.names, "exposure", self.exposure)]
        self.encoder_ = InputEncoder.fit(used, keep_constant=frame is None, weight=used_weight, exposure=exposure)
        known = self.encoder_.codes(used)
        self._training_rows = len(known)
        self._level_counts = tuple(
            level_counts(column, len(one.level_names))
            for column, one in zip(known.T, self.encoder_.inputs, strict=True)
        )
        self._keep_background(known, used_weight)
        left_out = [note for note in self.encoder_.notes if "was left out" in note]
        if left_out:
            left = len(left_out) - NAMED_COLUMNS
            if left > 0:
                more = f" {left} more columns were left out."
            else:
                more = ""
            warn_caller(" ".join(left_out[:NAMED_COLUMNS]) + more)
        far = [note for note in self.encoder_.notes if FAR in note]
        if far:
            warn_caller(" ".join(far[:NAMED_COLUMNS]))
        return self.encoder_.inputs_of(self.encoder_.codes(table)), y, weight

    # Reading other rows

    def _codes(self, X: Any) -> np.ndarray:
        """Return the codes (N, used columns) of rows that have the columns of the training data."""
        check_is_fitted(self)
        return self.encoder_.codes(self._table(X))

    def _exposures(self, X: Any) -> np.ndarray:
        """Return the exposure of each row, (N, 1); 1 for an estimator that has none. Raises InputError."""
        if self.exposure is None:
            return np.ones((1, 1))
        table = self._table(X)
        name = self._exposure_name
        if name not in table.names:
            raise InputError(f"X must have the column {name!r}, the exposure{nearest_names(name, table.names)}")
        # Each exposure is a positive number.
        values = known_numbers(table, name)
        if not (values > 0).all():
            row = int((~(values > 0)).argmax())
            raise InputError(f"exposure must be positive, got {values[row]} in row {table.rows[row]} of {name!r}")
        return values[:, None]

    @property
    def _columns_of_rows(self) -> tuple[str, ...]:
        """Columns of a table that predictions are made from: those of the inputs and of the exposure."""
        return (*self.encoder_.columns, *filter(None, [self._exposure_name]))

    @property
    def _exposure_name(self) -> str:
        """Name of the column of the exposure; "" without."""
        if self.exposure is None:
            return ""
        return self.encoder_.names[place_of_column(self.encoder_.names, "exposure", self.exposure)]

    def _table(self, X: Any) -> Table:
        """Return rows as a table with the names of the training data."""
        frame = _as_frame(X)
        if frame is not None:
            if not self._is_named or not _has_names(X):  # there is no name to go by
                self._check_width(len(frame.names))
                new = dict(zip(frame.names, self.encoder_.names, strict=True))
                frame = Table(
                    tuple(self.encoder_.names),
                    {new[name]: column for name, column in frame.columns.items()},
                    {new[name]: what for name, what in frame.refused.items()},
                    rows=frame.rows,
                    source=frame.source,
                    decimal=frame.decimal,
                )
            return frame
        if np.isscalar(X):
            raise InputError(
                f"X must be rows of shape (N, {self.n_features_in_}), got {X!r}; X[[0]] is one row of a table"
            )
        rows = _with_sentences(
            lambda: check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", estimator=self, input_name="X"), X
        )
        self._check_width(rows.shape[1])
        return _number_table(rows, self.encoder_.names)

    def _check_width(self, count: int) -> None:
        if count != self.n_features_in_:
            expected = f"{type(self).__name__} is expecting {self.n_features_in_} features as input"
            raise InputError(f"X has {count} features, but {expected}")

    def _warned_codes(self, X: Any) -> np.ndarray:
        """Return the codes, and warn of rows that are not like the training rows."""
        codes = self._codes(X)
        check = self.encoder_.check(codes)
        self._warn_once(check.reasons, "; ".join(check.sentences))
        return codes

    def _judged_codes(self, X: Any) -> np.ndarray:
        """Return the codes for a score, and warn of numbers so far off that they decide it."""
        codes = self._codes(X)
        far = self.encoder_.far_values(codes, np.arange(1, len(codes) + 1))
        self._warn_once({("far", name) for name in far}, " ".join(list(far.values())[:NAMED_COLUMNS]))
        return codes

    def _warn_once(self, reasons: set[tuple[str, str]], text: str) -> None:
        """Warn where one of the reasons is new: whoever predicts again, or row by row, has read of the others."""
        given = _WARNED.setdefault(self, set())
        if not reasons <= given:
            given |= reasons
            warn_caller(text)

    def _inputs(self, X: Any) -> np.ndarray:
        """Return the inputs of the network before scaling, (N, p), with usual values for what is unknown."""
        return self.encoder_.inputs_of(self._codes(X))

    def check_rows(self, X: Rows) -> RowCheck:
        """Report for each row what is missing and what lies outside the training data.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)

        Returns
        -------
        RowCheck
            Flags for each cell, and sentences with counts; `check.flagged` marks the rows.
        """
        return self.encoder_.check(self._codes(X))

    def _averaged(self, codes: np.ndarray, function: ArrayFunction) -> np.ndarray:
        """Evaluate a function of the inputs of the network, (N, p) -> (N, m), averaged over what is unknown.

        A cell that has no effect of its own (see `InputEncoder.unknown`) takes the values of all background rows in
        turn, and the result is the mean: the expectation given what is known, with unknown columns independent of the
        known ones. For a row of which nothing is known this is the mean prediction, so that probabilities are near the
        shares of the classes.
        """
        result = function(self.encoder_.inputs_of(codes))
        for rows, several in self._completions(codes):
            values = function(self.encoder_.inputs_of(several))
            result[rows] = values.reshape(len(rows), len(self.background_), -1).mean(axis=1)
        return result

    def _completions(self, codes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return positions of rows with unknown cells, and their codes with each background row filled in."""
        unknown = self.encoder_.unknown(codes)
        rows = np.flatnonzero(unknown.any(axis=1))
        if len(rows) == 0:
            return []
        parts = []
        for part in chunks(len(rows), self.background_.size):
            some = rows[part]
            several = np.where(unknown[some, None, :], self.background_[None], codes[some, None, :])
            parts.append((some, several.reshape(-1, codes.shape[1])))
        return parts

    def _keep_background(self, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Store rows that stand for the training data, none of which is a training row.

        Each column holds its weighted quantiles, in an order of its own. What leaves the computer with the model are
        the distributions of the columns, not the rows.
        """
        # Midpoint quantiles of each column, in random order: stratified samples of the marginal distributions.
        levels = np.concatenate([(np.arange(PATHS) + shift) / PATHS for shift in (0.25, 0.75)])
        rng = np.random.default_rng(0)
        columns = []
        for column in codes.T:
            if weight is None:
                ordered = np.sort(column)
                below = np.arange(1.0, len(column) + 1)
            else:
                order = np.lexsort((weight, column))  # NaN last; by weight too, so that sums round alike in any order
                ordered = column[order]
                below = np.cumsum(weight[order])
            place = np.searchsorted(below, levels * below[-1])
            values = ordered[np.minimum(place, len(ordered) - 1)]
            columns.append(np.concatenate([rng.permutation(values[:PATHS]), rng.permutation(values[PATHS:])]))
        self.background_ = np.stack(columns, axis=1)


def row_weights(sample_weight: ArrayLike | None, rows: int) -> np.ndarray | None:
    """Return the weights of rows as numbers (N,), None without; InputError where there is no positive one."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, np.empty((rows, 1)), dtype=np.float64, ensure_non_negative=True)
    if not (weight > 0).any():
        raise InputError("sample_weight must have a positive entry, got only zeros")
    largest = float(weight.max())
    if math.isinf(largest * rows):
        raise InputError(f"sample_weight must have a finite sum, got entries of {number_text(largest, 6)}")
    return np.where(weight < np.finfo(np.float64).eps * largest, 0.0, weight)  # sums lose such beside the largest


def level_counts(codes: np.ndarray, levels: int) -> tuple[int, ...]:
    """Return the number of rows of each level of a category, then of missing values; () for numbers, with 0 levels."""
    if not levels:
        return ()
    known = codes[~np.isnan(codes)].astype(int)
    return (*np.bincount(known, minlength=levels).tolist(), len(codes) - len(known))


def _as_frame(X: Any) -> Table | None:
    """Return X as a Table if it is a frame, or an array with text; None for numbers, which scikit-learn checks."""
    if is_path(X):
        name = os.fspath(X)
        raise InputError(f"X must be a frame or an array of rows, got {name!r}; pandas.read_csv reads a file of rows")
    if isinstance(X, InBatches):
        raise InputError("X must be rows in memory here, got Batches; `for batch in batches:` gives each `batch.table`")
    if is_frame(X):
        table = frame_table(X)
        if table.refused and not table.columns:
            name, content = next(iter(table.refused.items()))
            raise InputError(f"X must have a column of numbers, text or dates, got {content} in column {name!r}")
        return table
    if isinstance(X, Mapping) and not hasattr(X, "toarray"):  # a sparse matrix by keys is a mapping too
        raise InputError(
            f"X must be a frame or an array of rows, got a {type(X).__name__}; pandas.DataFrame([row]) makes a frame "
            "of one row"
        )
    if type(X).__name__ == "Series":
        raise InputError(
            "X must be a frame or an array of rows, got a Series; frame.iloc[[0]] is a frame of one row, and "
            "series.to_frame() one of one column"
        )
    if getattr(getattr(X, "dtype", None), "kind", "") == "c" and np.size(X):
        raise InputError(f"X must hold real numbers, got {np.ravel(X)[0]} in row 1 (Complex data not supported)")
    if hasattr(X, "dtype") and getattr(X.dtype, "kind", "") not in "OUST":
        return None
    try:
        # An array with text is a table; one of numbers is left to scikit-learn.
        cells = np.asarray(X, dtype=object)
    except ValueError:
        return None
    if cells.ndim != 2 or not cells.size or not any(isinstance(cell, str) for cell in cells.flat):
        return None
    return array_table(cells)


def _row_count(data: Any) -> int | None:
    """Return the number of rows of data; None for what has no length, which another check refuses."""
    shape = getattr(data, "shape", None)
    if shape:
        return int(shape[0])
    return len(data) if isinstance(data, list | tuple | Table) else None


def _has_names(X: Any) -> bool:
    """Return whether a frame has names that say something: those of pandas may be numbers."""
    return is_frame(X) and (isinstance(X, Table) or are_texts(getattr(X, "columns", ())))


def _number_table(rows: np.ndarray, names: Sequence[str]) -> Table:
    return Table(tuple(names), dict(zip(names, rows.T, strict=True)), rows=np.arange(1, len(rows) + 1), source="X")


def _with_sentences(check: Callable[[], Any], X: Any) -> Any:
    """Let scikit-learn check numbers; for infinities say in which column and row."""
    try:
        # scikit-learn adds all numbers before it looks at each; a sum of large ones may overflow, which means nothing.
        with np.errstate(over="ignore", invalid="ignore"):
            return check()
    except OverflowError as error:
        raise InputError(f"X must hold numbers of at most 1.8e308 in size, got others ({error})") from error
    except ValueError as error:
        if "infinity" not in str(error):
            raise
        cells = np.asarray(X)
        if cells.dtype.kind != "f" or cells.ndim != 2 or not np.isinf(cells).any():
            raise
        row, column = np.argwhere(np.isinf(cells))[0]
        raise InputError(
            f"X must hold finite numbers, got {cells[row, column]} in row {row + 1} of column {column + 1}, "
            "counted from 1; NaN stands for a missing value"
        ) from error


def _target_names(y: Any) -> tuple[str, ...]:
    """Return the name of a Series or the names of the columns of a frame; () where there are none."""
    if is_frame(y):
        return frame_table(y, "y").names
    name = getattr(y, "name", None)
    return (name,) if isinstance(name, str) and name else ()
