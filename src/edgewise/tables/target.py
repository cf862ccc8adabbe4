"""The column to predict: a regression or a classification, and its values as numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgewise.errors import InputError
from edgewise.presentation import counted
from edgewise.tables.cells import Mark, convention, decimal_mark, missing, quoted
from edgewise.tables.columns import check_text, known_numbers, present
from edgewise.tables.table import Table


@dataclass(frozen=True)
class TargetRules:
    """Numbers that tell classes from quantities and from names."""

    # A numeric target is a set of classes if its values are few, whole numbers, and each occurs often enough.
    most_numeric_classes: int = 20
    rows_per_numeric_class: int = 5  # on average, so that each of five folds has one
    most_classes: int = 1_000  # more are names or identifiers


RULES = TargetRules()


@dataclass(frozen=True)
class Target:
    """The target of a model."""

    name: str  # the column
    task: Literal["regression", "classification"]
    classes: tuple[int | float | str, ...] = ()  # labels in ascending order; empty for regression
    # decimal mark of numbers that the training table has as text, see `edgewise.tables.cells`; "" for others
    mark: Mark = ""

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a target from a file."""
        labels = self.classes
        of_one_type = len({isinstance(label, str) for label in labels}) <= 1 and len(set(labels)) == len(labels)
        is_finite = all(isinstance(label, str) or math.isfinite(label) for label in labels)
        fits = (len(labels) >= 2) == (self.task == "classification") and len(labels) != 1
        if of_one_type and is_finite and fits:
            return ""
        return "classes that do not fit"

    @property
    def labels(self) -> tuple[int | str, ...]:
        """Classes as an estimator receives them: fractions, whose digits a file may change, are text."""
        return tuple(str(label) if isinstance(label, float) else label for label in self.classes)

    def known(self, table: Table) -> np.ndarray:
        """Return a mask of shape (n_rows,), True where the target is known; `encode` takes these rows only."""
        return ~missing(present(table, self.name))

    def encode(self, table: Table) -> np.ndarray:
        """Return the values, shape (n_rows,): float64 for regression, int64 positions in `classes` otherwise."""
        column = present(table, self.name)
        unknown = missing(column)
        if unknown.any():
            row = table.rows[int(unknown.argmax())]
            raise InputError(f"target {quoted(self.name)} must be known in every row, got a missing value in row {row}")
        if self.task == "regression":
            return known_numbers(table, self.name, self.mark)
        # Labels to positions, numbers as whole numbers or texts as the classes have them.
        position = {label: i for i, label in enumerate(self.classes)}
        if self.mark and column.dtype == object:
            column = known_numbers(table, self.name, self.mark)
        labels = _as_labels(column, text=bool(self.classes) and isinstance(self.classes[0], str))
        codes = np.array([position.get(label, -1) for label in labels], dtype=np.int64)
        if (codes < 0).any():
            first = int((codes < 0).argmax())
            raise InputError(
                f"target {quoted(self.name)} must be one of the {len(self.classes)} classes seen in training, "
                f"got {quoted(labels[first])} in row {table.rows[first]}"
            )
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels (int64, float64 or object array of str) of class positions (N,); numbers as they are."""
        if self.task == "regression":
            return codes
        kind = object if isinstance(self.classes[0], str) else None
        return np.array(self.classes, dtype=kind)[np.asarray(codes)]


def learn_target(table: Table, name: str, task: str | None = None) -> tuple[Target, list[str]]:
    """Decide what kind of target a column is, by the rows in which it is known.

    Returns the target and sentences for the report.
    """
    if task is not None and task not in ("regression", "classification"):
        raise InputError(f"task must be 'regression' or 'classification', got {quoted(task)}")
    # Rows without a target are left out, with a note.
    known = ~missing(present(table, name))
    if not known.any():
        raise InputError(f"target {quoted(name)} must have values, got missing values in all {len(known)} rows")
    target, notes = _learn(table.take(known), name, task)
    if not known.all():
        lost = int((~known).sum())
        notes.append(f"{lost} of {len(known)} rows were left out: their target {quoted(name)} is missing.")
    return target, notes


def _learn(table: Table, name: str, task: str | None) -> tuple[Target, list[str]]:
    """Return a target that is known in every row, and sentences, see `learn_target`."""
    column = table.columns[name]
    advice = "choose another target, or convert it to a number such as the days since a date"
    if column.dtype.kind == "M":
        raise InputError(f"target {quoted(name)} must hold numbers or categories, got dates: {advice}")
    if table.n_rows < 2:
        raise InputError(f"at least two rows with a known target {quoted(name)} were expected, got {table.n_rows}")
    # Numbers with decimal commas.
    mark: Mark = ""
    if column.dtype == object and task != "classification":
        mark = decimal_mark(column)
    notes = []
    if mark:
        notes = [f"Target {quoted(name)} is read as numbers with {convention(mark, column)}."]
        column = known_numbers(table, name, mark)
        table = replace(table, columns={**table.columns, name: column})
    if column.dtype == object and task != "classification":
        if task == "regression":
            known_numbers(table, name)
        check_text(table, name, advice=advice)
    values = column
    if column.dtype != object:
        values = known_numbers(table, name)
    # Few repeated values are classes, unless the task is given.
    labels = sorted(set(_as_labels(values, text=column.dtype == object)))
    if len(labels) < 2:
        raise InputError(f"target {quoted(name)} must have different values, got {quoted(labels[0])} in every row")
    is_classes = values.dtype == object or (
        all(isinstance(label, int) for label in labels)
        and len(labels) <= RULES.most_numeric_classes
        and len(values) >= RULES.rows_per_numeric_class * len(labels)
    )
    # Regression.
    if task == "regression" or (task is None and not is_classes):
        why = ""
        if not task and len(labels) <= RULES.most_numeric_classes:
            why = "; --task classification would make each value a class"
        return (
            Target(name, "regression", mark=mark),
            [f"Target {quoted(name)} is a number, so this is regression{why}.", *notes],
        )
    # Classification.
    if len(labels) > RULES.most_classes or (len(labels) == table.n_rows > 2 * RULES.most_numeric_classes):
        alternative = ""
        if values.dtype != object:
            alternative = "a number, for regression, or "
        raise InputError(
            f"target {quoted(name)} must be {alternative}a category with at most "
            f"{counted(RULES.most_classes, 'class', 'classes')} that repeat, "
            f"got {len(labels):,} different values in {counted(table.n_rows, 'row')}"
        )
    return Target(name, "classification", tuple(labels), mark), [*_class_notes(table, name, task, labels), *notes]


def _class_notes(table: Table, name: str, task: str | None, labels: list) -> list[str]:
    column = table.columns[name]
    notes = [f"Target {quoted(name)} has {len(labels)} classes, so this is classification."]
    if column.dtype != object and task is None:
        notes = [
            f"Target {quoted(name)} has {len(labels)} different whole numbers, so this is classification; "
            "--task regression would treat them as quantities."
        ]
    # A class of a single row cannot be both learned and tested.
    counts = Counter(_as_labels(column, text=column.dtype == object))
    single = [quoted(label) for label in labels if counts[label] == 1]
    if single:
        shown = ", ".join(single[:5])
        if len(single) > 5:
            shown += f" and {len(single) - 5} more"
        words = "Classes {} of target {} occur" if len(single) > 1 else "Class {} of target {} occurs"
        notes.append(words.format(shown, quoted(name)) + " in one row only, too few to learn and to test.")
    return notes


def _as_labels(column: np.ndarray, *, text: bool) -> list:
    """Return the values as Python labels: int if all are whole and exact in float64, else float; text as it is."""
    if column.dtype == object:
        return list(column)
    values = column.tolist()
    is_whole = [value.is_integer() and abs(value) < 2**53 for value in values]
    if text:
        return [str(int(value) if whole else value) for value, whole in zip(values, is_whole, strict=True)]
    if all(is_whole):
        return [int(value) for value in values]
    return values
