"""Encodes a Table with its target as arrays for a model; stored with the model and repeated for every prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError
from edgewise.tables.cells import quoted
from edgewise.tables.columns import CategoryInput, NumberInput
from edgewise.tables.input_encoder import InputEncoder, fault_of_inputs, nearest_names
from edgewise.tables.table import Table
from edgewise.tables.target import TASKS, Target, learn_target, rows_with_target


@dataclass(frozen=True)
class TableEncoder:
    """Rules that turn a table into inputs and a target; made by `fit`, the same for every later table.

    Parameters
    ----------
    target : Target
        Name, task and classes.
    inputs : tuple of NumberInput or CategoryInput
        One entry for each column that is used.
    notes : tuple of str
        Sentences for the report on the decisions about columns, missing values, categories and rows.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise.tables import Table
    >>> colour = np.array(["red", "blue", "red", "blue"], dtype=object)
    >>> table = Table(("a", "colour", "y"), {"a": np.arange(4.0), "colour": colour, "y": np.arange(4.0) ** 2 / 2})
    >>> encoder = TableEncoder.fit(table, "y")
    >>> encoder.task, encoder.feature_names
    ('regression', ('a', 'colour is red'))
    """

    target: Target
    inputs: tuple[NumberInput | CategoryInput, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls, table: Table, target: str, *, drop: Iterable[str] = (), task: str | None = None, keep: Iterable[str] = ()
    ) -> TableEncoder:
        """Decide how to read each column of a table in order to predict one of them.

        Numbers stay numbers; text becomes one input of 0 and 1 per level; a column without information (constant,
        empty, different text in every row) is left out. Rows without a target are not used.

        Parameters
        ----------
        table : Table
            The training rows.
        target : str
            The column to predict.
        drop : iterable of str
            Columns not to use.
        task : str, optional
            "regression" or "classification"; decided from the target if None.
        keep : iterable of str
            Columns to use even if they number the rows.

        Raises
        ------
        InputError
            A column holds dates, infinities or text among numbers (the message names column and row), or the target
            does not exist, is constant, or is known in fewer than two rows.
        """
        if task is not None and task not in TASKS:
            raise InputError(f"task must be 'regression' or 'classification', got {quoted(task)}")
        _check_column(table, target, "target")
        drop = (drop,) if isinstance(drop, str) else tuple(drop)
        for name in drop:
            _check_column(table, name, "drop")
        if target in drop:
            raise InputError(f"drop must not name the target, got {quoted(target)}")
        table = table.drop(drop)
        known = rows_with_target(table, target)
        notes = []
        if not known.any():
            raise InputError(f"target {quoted(target)} must have values, got missing values in all {len(known)} rows")
        if not known.all():
            lost = int((~known).sum())
            notes.append(f"{lost} of {len(known)} rows were left out: their target {quoted(target)} is missing.")
        table = table.take(known)
        learned, target_notes = learn_target(table, target, task)
        notes = target_notes + notes
        columns = InputEncoder.fit(table.drop([target]), beside=f" beside the target {quoted(target)}", keep=keep)
        return cls(learned, columns.inputs, (*notes, *columns.notes))

    @property
    def columns_only(self) -> InputEncoder:
        """The rules for the columns without the target."""
        return InputEncoder(self.inputs)

    @property
    def task(self) -> str:
        """Kind of the target, "regression" or "classification"."""
        return self.target.task

    @property
    def classes(self) -> tuple[int | float | str, ...]:
        """Class labels in the order of their codes; empty for regression."""
        return self.target.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a table must have for `transform`."""
        return self.columns_only.columns

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of X, all different."""
        return self.columns_only.feature_names

    @property
    def formula_names(self) -> tuple[str, ...]:
        """Names of the columns of X in formulas, see `InputEncoder.formula_names`."""
        return self.columns_only.formula_names

    def transform(self, table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
        """Encode the inputs of a table; further columns are ignored.

        Returns
        -------
        X : ndarray of float64, shape (n_rows, d)
            The inputs of the model.
        names : tuple of str
            Names of the columns of X.

        Raises
        ------
        InputError
            A column of the training table does not exist, or has text or an infinity among its numbers.

        Warns
        -----
        EdgewiseWarning
            There are missing values or levels that did not occur in training.
        """
        self.columns_only.check_columns(table)
        return np.concatenate([one.encode(table) for one in self.inputs], axis=1), self.feature_names

    def rows_with_target(self, table: Table) -> np.ndarray:
        """Return a mask of shape (n_rows,), True where the target is known; `encode_target` needs these rows only."""
        _check_column(table, self.target.name, "target")
        return rows_with_target(table, self.target.name)

    def encode_target(self, table: Table) -> np.ndarray:
        """Encode the target, shape (n_rows,): float64 for regression, int64 positions in `classes` otherwise.

        Raises
        ------
        InputError
            A row has no target, or a class that did not occur in training; the message names the row.
        """
        _check_column(table, self.target.name, "target")
        return self.target.encode(table)

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an encoder from a file."""
        return fault_of_inputs(self.inputs)


def _check_column(table: Table, name: str, argument: str) -> None:
    if name not in table.names:
        raise InputError(
            f"{argument} must name a column of {table.source}, got {quoted(name)}{nearest_names(name, table.names)}"
        )
