"""One column of a table as inputs of a model: learned from the training rows, repeated for every later table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.tables.cells import is_date, number, quoted
from edgewise.tables.table import Table

# One input per level: beyond this a category is closer to a name than to a measurement.
MAX_LEVELS = 50  # a choice
_ADVICE = "leave it out (--drop) or convert it to a number"


@dataclass(frozen=True)
class NumberInput:
    """A numeric column.

    Parameters
    ----------
    name : str
        The column.
    median : float
        Median of the known training values, which replaces missing ones.
    flag : bool
        Whether there is one more input, 1 where the value is missing and 0 elsewhere.
    value : bool
        Whether the number itself is an input; it is not where all known values are equal.
    """

    name: str
    median: float
    flag: bool
    value: bool = True

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs that this column gives."""
        return (self.name,) * self.value + (f"{self.name} is missing",) * self.flag

    def encode(self, table: Table) -> np.ndarray:
        """Return the inputs, float64 of shape (n_rows, number of inputs)."""
        column = known_numbers(table, self.name)
        missing = np.isnan(column)
        if missing.any() and not self.flag:
            _warn(
                f"column {quoted(self.name)} had no missing value in training and has {missing.sum()} here; "
                f"its median {self.median:.6g} is used"
            )
        parts = [np.where(missing, self.median, column)] * self.value + [missing.astype(np.float64)] * self.flag
        return np.stack(parts, axis=1)


@dataclass(frozen=True)
class CategoryInput:
    """A text column: one input of 0 and 1 for each level, and a single input for two levels.

    Parameters
    ----------
    name : str
        The column.
    levels : tuple of str
        The texts of the training rows.
    missing : bool
        Whether a missing value counts as one more level.
    usual : str or None
        The most frequent level (None: missing), which replaces levels that did not occur in training.
    """

    name: str
    levels: tuple[str, ...]
    missing: bool
    usual: str | None

    @property
    def states(self) -> tuple[str | None, ...]:
        """All levels, None for missing."""
        return self.levels + (None,) * self.missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs that this column gives."""
        shown = self.states[1:] if len(self.states) == 2 else self.states
        return tuple(f"{self.name} is missing" if s is None else f"{self.name}={s}" for s in shown)

    def encode(self, table: Table) -> np.ndarray:
        """Return the inputs, float64 of 0 and 1 of shape (n_rows, number of inputs)."""
        column = present(table, self.name)
        if column.dtype != object:  # here the levels happen to be numbers only
            column = np.array(
                [None if np.isnan(v) else repr(float(v)).removesuffix(".0") for v in column], dtype=object
            )
        position = {state: i for i, state in enumerate(self.states)}
        usual = position[self.usual]
        codes = np.array([position.get(cell, -1) for cell in column], dtype=np.int64)
        if (codes < 0).any():
            example = column[int((codes < 0).argmax())]
            examples = "missing values" if example is None else f"values such as {quoted(example)}"
            _warn(
                f"column {quoted(self.name)} has {examples} in {(codes < 0).sum()} rows that training did not have; "
                f"they count as {'missing' if self.usual is None else quoted(self.usual)}, the most frequent value"
            )
        codes[codes < 0] = usual
        table_of_states = np.eye(len(self.states))
        return table_of_states[:, 1:][codes] if len(self.states) == 2 else table_of_states[codes]


def present(table: Table, name: str) -> np.ndarray:
    """Return a column; InputError where it holds something that cannot be used."""
    if name in table.refused:
        raise InputError(f"column {quoted(name)} holds {table.refused[name]}, expected numbers or text: {_ADVICE}")
    return table.columns[name]


def known_numbers(table: Table, name: str) -> np.ndarray:
    """Return a column that has to be numeric, NaN for missing; InputError for text or an infinity, with its row."""
    column = present(table, name)
    if column.dtype == object:
        for row, cell in zip(table.rows, column, strict=True):
            if cell is not None and number(cell, table.decimal) is None:
                raise InputError(
                    f"column {quoted(name)} must hold numbers, got {quoted(cell)} in row {row}; "
                    "correct it, empty the cell, or leave the column out (--drop)"
                )
        known = [np.nan if cell is None else number(cell, table.decimal) for cell in column]
        return np.array(known, dtype=np.float64)
    infinite = np.isinf(column)
    if infinite.any():
        first = int(infinite.argmax())
        raise InputError(
            f"column {quoted(name)} must hold finite numbers, got {column[first]} in row {table.rows[first]}"
        )
    return column


def check_text(table: Table, name: str) -> None:
    """Raise InputError where a text column is a column of dates, or of numbers with some text in between."""
    cells = [(row, cell) for row, cell in zip(table.rows, table.columns[name], strict=True) if cell is not None]
    numeric = {cell: number(cell, table.decimal) is not None for _, cell in cells}
    # Counted by distinct texts too: a category may have one frequent level that reads as a number ("0", "Z/2", "D3").
    if sum(numeric.values()) > len(numeric) / 2 and sum(numeric[cell] for _, cell in cells) > len(cells) / 2:
        known_numbers(table, name)
    date = {cell: is_date(cell) for cell in numeric}
    if sum(date[cell] for _, cell in cells) > len(cells) / 2:
        row, cell = next((row, cell) for row, cell in cells if date[cell])
        raise InputError(
            f"column {quoted(name)} holds dates or times ({quoted(cell)} in row {row}), "
            f"expected numbers or categories: {_ADVICE}"
        )


def learn_input(table: Table, name: str) -> tuple[NumberInput | CategoryInput | None, str]:
    """Decide how a column becomes inputs.

    Returns the inputs, or None to leave the column out, and a sentence for the report, "" where nothing was decided.
    """
    column = present(table, name)
    return _learn_category(table, name) if column.dtype == object else _learn_number(table, name)


def _learn_number(table: Table, name: str) -> tuple[NumberInput | None, str]:
    column = known_numbers(table, name)
    known = column[~np.isnan(column)]
    missing = len(column) - len(known)
    if len(known) == 0:
        return None, f"Column {quoted(name)} was left out: it has no value in any row."
    constant = bool((known == known[0]).all())
    if constant and not missing:
        return None, f"Column {quoted(name)} was left out: it is {known[0]:.6g} in every row."
    # Halves are added: the sum of two large numbers could overflow.
    middle = np.sort(known)[[(len(known) - 1) // 2, len(known) // 2]]
    median = float(middle[0] / 2 + middle[1] / 2)
    spec = NumberInput(name, median, flag=missing > 0, value=not constant)
    if constant:
        return spec, (
            f"Column {quoted(name)} is {known[0]:.6g} wherever it is known; only whether it is missing "
            f"({missing} of {len(column)} rows) is an input."
        )
    if missing:
        return spec, (
            f"Column {quoted(name)}: {missing} of {len(column)} training rows have no value; the median replaces it, "
            f"{median:.6g}, and the input {quoted(name + ' is missing')} marks the rows."
        )
    # By the rows' numbers in the file: some of its rows may have gone to a test.
    if len(column) >= 10 and (np.diff(column) == np.diff(table.rows)).all():
        return spec, (
            f"Column {quoted(name)} counts the rows; if it only numbers them, leave it out (--drop), since the order "
            "of a file can give the answer away."
        )
    return spec, ""


def _learn_category(table: Table, name: str) -> tuple[CategoryInput | None, str]:
    cells = [cell for cell in table.columns[name] if cell is not None]
    missing = table.n_rows - len(cells)
    counts: dict[str | None, int] = {}
    for cell in table.columns[name]:
        counts[cell] = counts.get(cell, 0) + 1
    levels = tuple(sorted(level for level in counts if level is not None))
    if len(counts) == 1:
        what = f"{quoted(levels[0])} in every row" if levels else "missing in every row"
        return None, f"Column {quoted(name)} was left out: it is {what}."
    if len(levels) > 1:
        check_text(table, name)
    if len(levels) == len(cells) > 1:
        return (
            None,
            f"Column {quoted(name)} was left out: its text is different in every row, like a name or identifier.",
        )
    if len(levels) > MAX_LEVELS or len(levels) > max(2, len(cells) / 2):
        return None, (
            f"Column {quoted(name)} was left out: it has {len(levels)} different texts in {len(cells)} rows, more than "
            f"a category may have (at most {MAX_LEVELS}, and two rows for each on average)."
        )
    # Of equally frequent levels the first in the alphabet counts, so that the order of the rows does not matter.
    usual = max(sorted(counts, key=lambda level: (level is None, level)), key=lambda level: counts[level])
    spec = CategoryInput(name, levels, missing=missing > 0, usual=usual)
    note = f"Column {quoted(name)} is a category with {len(levels)} levels"
    note += f" and {missing} missing values, which count as a level of their own" if missing else ""
    inputs = len(spec.feature_names)
    return spec, f"{note}; it gives {inputs} input{'s' if inputs > 1 else ''} of 0 and 1."


def _warn(message: str) -> None:
    warnings.warn(message, EdgewiseWarning, stacklevel=4)
