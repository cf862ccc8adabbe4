"""A Table to arrays that a model can be fitted to, in a way that is stored with the model and repeated at predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches

import numpy as np

from edgewise.errors import CheckpointError, InputError
from edgewise.tables.header import MAX_COLUMNS
from edgewise.tables.inputs import CategoryInput, NumberInput, learn_input
from edgewise.tables.table import Table
from edgewise.tables.target import TASKS, Target, learn_target, rows_with_target
from edgewise.tables.values import quoted


@dataclass(frozen=True)
class TableEncoder:
    """How a table was turned into inputs and a target; made by `fit`, the same for every later table.

    target: name, task, classes. inputs: one entry per column that is used. notes: sentences for the report on what was
    decided about columns, missing values, categories and rows.
    """

    target: Target
    inputs: tuple[NumberInput | CategoryInput, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: Table, target: str, *, drop: Iterable[str] = (), task: str | None = None) -> TableEncoder:
        """Decide how to read each column of `table` in order to predict the column `target`.

        Numbers stay numbers; text becomes one input of 0 and 1 per level; a column that says nothing (constant, empty,
        different text in every row) is left out. drop: columns not to use. task: "regression" or "classification";
        decided from the target if None. Rows without a target are not looked at.

        Raises InputError, naming column and row, for dates, infinities, text among numbers, and for a target that is
        not there, constant, or known in fewer than two rows.
        """
        drop = _check_arguments(table, target, drop, task)
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
        inputs = []
        for name in table.names:
            if name == target:
                continue
            one, note = learn_input(table, name)
            inputs += [] if one is None else [one]
            notes += [note] if note else []
        count = sum(len(one.feature_names) for one in inputs)
        if count == 0:
            raise InputError(
                f"at least one usable column beside the target {quoted(target)} was expected, got none"
                + (f" ({notes[-1].rstrip('.')})" if len(notes) > len(target_notes) else "")
            )
        if count > MAX_COLUMNS:
            raise InputError(
                f"at most {MAX_COLUMNS:,} inputs were expected, got {count:,} with those of the categories"
            )
        return cls(learned, tuple(inputs), tuple(notes))

    @property
    def task(self) -> str:
        """ "regression" or "classification"."""
        return self.target.task

    @property
    def classes(self) -> tuple[int | float | str, ...]:
        """Class labels in the order of their codes; empty for regression."""
        return self.target.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a table must have for `transform`."""
        return tuple(one.name for one in self.inputs)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the columns of X, all different."""
        names: list[str] = []
        taken: set[str] = set()
        for name in (name for one in self.inputs for name in one.feature_names):
            while name in taken:  # a column may be called like a level of another: "colour=red"
                name += "'"
            taken.add(name)
            names.append(name)
        return tuple(names)

    def transform(self, table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
        """X (n_rows, d) float64, and the names of its columns. Further columns of `table` are ignored.

        Raises InputError for columns that are not there, and for text or an infinity among numbers; warns
        (EdgewiseWarning) about missing values and levels that training never saw.
        """
        lacking = [name for name in self.columns if name not in table.names]
        if lacking:
            shown = ", ".join(quoted(name) for name in lacking[:5])
            more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
            raise InputError(
                f"{table.source} must have the {len(self.columns)} columns of the training table, "
                f"got none called {shown}{more}{_nearest(lacking[0], table.names)}"
            )
        parts = []
        for one in self.inputs:
            parts.append(one.encode(table))
        return np.concatenate(parts, axis=1), self.feature_names

    def rows_with_target(self, table: Table) -> np.ndarray:
        """(n_rows,) bool: where the target is known. Use `table.take(...)` before `encode_target`."""
        _check_column(table, self.target.name, "target")
        return rows_with_target(table, self.target.name)

    def encode_target(self, table: Table) -> np.ndarray:
        """y (n_rows,): float64 for regression, int64 positions in `classes` for classification.

        Raises InputError for a missing target or a class that training never saw, with its row.
        """
        _check_column(table, self.target.name, "target")
        return self.target.encode(table)

    def decode_target(self, codes) -> np.ndarray:
        """Class codes (N,) -> labels (N,), of the type they had in the table."""
        return self.target.decode(codes)

    def to_json(self) -> dict:
        """A dict of plain JSON values; `from_json` gives back an equal encoder."""
        kinds = {NumberInput: "number", CategoryInput: "category"}
        return {
            "target": {**asdict(self.target), "classes": list(self.classes)},
            "inputs": [
                {
                    "kind": kinds[type(one)],
                    **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(one).items()},
                }
                for one in self.inputs
            ],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping) -> TableEncoder:
        """The inverse of `to_json`. Raises CheckpointError for anything else."""
        try:
            target = _target_from(data["target"])
            inputs = tuple(_input_from(one) for one in data["inputs"])
            notes = tuple(data["notes"])
            _expect(0 < sum(len(one.feature_names) for one in inputs) <= MAX_COLUMNS)
            _expect(len({one.name for one in inputs}) == len(inputs) and _strings(notes))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise CheckpointError("a table encoder (target, inputs, notes) was expected, got other data") from error
        return cls(target, inputs, notes)


def _check_arguments(table: Table, target: str, drop: Iterable[str], task: str | None) -> tuple[str, ...]:
    if task is not None and task not in TASKS:
        raise InputError(f"task must be 'regression' or 'classification', got {quoted(task)}")
    _check_column(table, target, "target")
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    for name in drop:
        _check_column(table, name, "drop")
    if target in drop:
        raise InputError(f"drop must not name the target, got {quoted(target)}")
    return drop


def _check_column(table: Table, name: str, argument: str) -> None:
    if name not in table.names:
        raise InputError(
            f"{argument} must name a column of {table.source}, got {quoted(name)}{_nearest(name, table.names)}"
        )


def _nearest(name: str, names: tuple[str, ...]) -> str:
    folded = {other.lower(): other for other in reversed(names)}
    close = [folded[other] for other in get_close_matches(str(name).lower(), folded, n=3)]
    if close:
        return f"; the nearest names are {', '.join(quoted(other) for other in close)}"
    shown = ", ".join(quoted(other) for other in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"; its columns are {shown}"


def _expect(condition: bool) -> None:
    if not condition:
        raise ValueError


def _strings(values: tuple) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_number(value: object) -> bool:
    # Booleans are ints to Python; whole numbers beyond int64 would not fit the arrays of labels.
    return (type(value) is int and abs(value) < 2**63) or (type(value) is float and bool(np.isfinite(value)))


def _target_from(data: Mapping) -> Target:
    target = Target(data["name"], data["task"], tuple(data["classes"]))
    labels = target.classes
    _expect(isinstance(target.name, str) and target.task in TASKS)
    _expect((len(labels) >= 2) == (target.task == "classification") and len(labels) != 1)
    _expect(_strings(labels) or all(_is_number(label) for label in labels))
    _expect(len(set(labels)) == len(labels))
    return target


def _input_from(data: Mapping) -> NumberInput | CategoryInput:
    fields = dict(data)
    kind = fields.pop("kind")
    _expect(isinstance(fields["name"], str))
    if kind == "number":
        one = NumberInput(**fields)
        _expect(_is_number(one.median))
        _expect(type(one.flag) is bool and type(one.value) is bool and (one.flag or one.value))
        return one
    _expect(kind == "category")
    one = CategoryInput(**{**fields, "levels": tuple(fields["levels"])})
    _expect(_strings(one.levels) and len(set(one.levels)) == len(one.levels) and type(one.missing) is bool)
    _expect(len(one.states) >= 2 and one.usual in one.states)
    return one
