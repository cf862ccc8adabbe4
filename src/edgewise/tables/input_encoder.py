"""Encodes the columns of a Table as inputs of a model; the encoder is stored with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import numpy as np

from edgewise.checks import Within
from edgewise.errors import InputError
from edgewise.presentation import as_sentence, counted
from edgewise.tables.cells import quoted
from edgewise.tables.columns import (
    Input,
    learn_input,
    numbers_rows,
)
from edgewise.tables.table import MAX_COLUMNS, Table

NAMED_COLUMNS = 3  # columns that a warning names


def _rows_that(count: int, rows: int, one: str, several: str) -> str:
    """Return the beginning of a sentence on some of the rows, with the verb for one and for several."""
    subject = "the only row" if rows == 1 else f"{count:,} of {rows:,} rows"
    verb = one if count == 1 else several
    return f"{subject} {verb}"


@dataclass(frozen=True, eq=False)
class RowCheck:
    """Rows with missing values, unseen levels, or values outside the training range; the result of `check_rows`."""

    names: tuple[str, ...]  # the columns of the table that the model uses
    # (N, columns), numbers beyond the training range by more than a quarter of it, and levels that did not occur in
    # training
    outside: np.ndarray
    missing: np.ndarray  # (N, columns), missing values
    # (N, columns), values that no training row is like, so that predictions average over the training values of the
    # column
    averaged: np.ndarray
    # (N,), rows that lack more than half of their values, and more than ten of the training rows did
    mostly_missing: np.ndarray
    ranges: tuple[str, ...]  # the training range of each column in words; "" for a category

    @property
    def flagged(self) -> np.ndarray:
        """Rows with a value outside or with most values missing, shape (N,)."""
        return self.outside.any(axis=1) | self.mostly_missing

    @property
    def sentences(self) -> tuple[str, ...]:
        """Sentences about the rows; none where all values are as in training."""
        rows = len(self.outside)
        order = np.argsort(-self.outside.sum(axis=0), kind="stable")
        strange = [int(i) for i in order if self.outside[:, i].any()]
        sentences = []
        # Values beyond the training range, and levels that training did not have.
        for one, several, what, columns in (
            ("lies", "lie", "outside the training range of", [i for i in strange if self.ranges[i]]),
            ("has", "have", "a level that training did not have in", [i for i in strange if not self.ranges[i]]),
        ):
            if columns:
                count = int(self.outside[:, columns].any(axis=1).sum())
                sentences.append(f"{_rows_that(count, rows, one, several)} {what} {self._listed(columns)}")
        # Missing values where training had none, and rows with hardly any values.
        new = self.missing & self.averaged & ~self.mostly_missing[:, None]
        if new.any():
            names = self._listed(np.flatnonzero(new.any(axis=0)), ranges=False)
            count = int(new.any(axis=1).sum())
            sentences.append(
                f"{_rows_that(count, rows, 'lacks', 'lack')} {names}, where training had no missing value: the "
                "predictions average over the training values"
            )
        count = int(self.mostly_missing.sum())
        if count:
            sentences.append(_rows_that(count, rows, "lacks most of its values", "lack most of their values"))
        return tuple(sentences)

    @property
    def reasons(self) -> set[tuple[str, str]]:
        """What the sentences are about, whatever the numbers of rows: the kind of fault and the column."""
        new = self.missing & self.averaged & ~self.mostly_missing[:, None]
        found = {("mostly missing", "") for _ in range(int(self.mostly_missing.any()))}
        for kind, cells in (("outside", self.outside), ("missing", new)):
            found |= {(kind, self.names[i]) for i in np.flatnonzero(cells.any(axis=0))}
        return found

    @property
    def notes(self) -> list[str]:
        """The same sentences, for lists of notes."""
        return [as_sentence(clause) for clause in self.sentences]

    def _listed(self, columns: Sequence[int] | np.ndarray, *, ranges: bool = True) -> str:
        """Return the names of the first of some columns, with their ranges where these are at issue."""
        names = []
        for i in columns[:NAMED_COLUMNS]:
            name = self.names[i]
            if ranges and self.ranges[i] and self.outside[:, i].any():
                name += f" ({self.ranges[i]})"
            names.append(name)
        text = ", ".join(names)
        further = len(columns) - NAMED_COLUMNS
        if further > 0:
            text += f" and {further} more column" + "s" * (further > 1)
        return text

    def remark(self, row: int) -> str:
        """Return the columns of one row that lie outside, and "mostly missing"; "" where all is as in training."""
        words = [self.names[i] for i in np.flatnonzero(self.outside[row])]
        if self.mostly_missing[row]:
            words.append("mostly missing")
        return "; ".join(words)

    def __repr__(self) -> str:
        return ". ".join(self.sentences or ("All rows lie within the training range",)) + "."


@dataclass(frozen=True)
class InputEncoder:
    """Rules that turn the columns of a table into inputs of a network; made by `fit`, the same for every later table.

    There are two forms in between. The **codes** of a table are one number a column: a number itself, the days since
    the first date, the position of a level; NaN is missing and -1 a level that did not occur in training. The
    **inputs** of the network are made of the codes: one column for a number, one of 0 and 1 for each level of a
    category, and one that marks missing numbers.

    Parameters
    ----------
    inputs : tuple of Input
        One entry for each column that is used.
    notes : tuple of str
        Sentences on the decisions about columns, missing values and categories.
    names : tuple of str
        All columns of the training table, in its order; those without an entry in `inputs` were left out.
    most_missing : int
        A number of missing columns that at least ten training rows reach.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise.tables import Table
    >>> colour = np.array(["red", "blue", None, "blue"], dtype=object)
    >>> encoder = InputEncoder.fit(Table(("a", "colour"), {"a": np.arange(4.0), "colour": colour}))
    >>> encoder.feature_names
    ('a', 'colour is blue', 'colour is red', 'colour is missing')
    >>> encoder.groups
    ((0,), (1, 2, 3))
    """

    inputs: tuple[Input, ...]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    most_missing: Annotated[int, Within(0)] = 0

    @classmethod
    def fit(
        cls,
        table: Table,
        *,
        keep_constant: bool = False,
        weight: np.ndarray | None = None,
        exposure: str = "",
    ) -> InputEncoder:
        """Decide how each column becomes inputs.

        Numbers stay numbers, dates count as days since the first one, text becomes a level of a category; a column
        without information (constant, empty, different text in every row) is left out, with a sentence in `notes`.

        Parameters
        ----------
        table : Table
            The training rows, without the target.
        keep_constant : bool
            Keep numbers that are the same in every row.
        weight : ndarray of shape (n_rows,), optional
            Weights of the rows, for the medians.
        exposure : str
            Column that is the exposure of the targets, and no input.

        Raises
        ------
        InputError
            A column has infinities or text among numbers, or no column can be used.
        """
        inputs = []
        notes = []
        # One input or a few for each column.
        for name in table.names:
            if name == exposure:
                notes.append(f"Column {quoted(name)} is the exposure of the target, and no input.")
                continue
            if not keep_constant and numbers_rows(table, name):
                notes.append(
                    f"Column {quoted(name)} was left out: by its name and values it only numbers the rows; it is used "
                    "under another name."
                )
                continue
            one, note = learn_input(table, name, keep_constant=keep_constant, weight=weight)
            if one is not None:
                inputs.append(one)
            if note:
                notes.append(note)
        # There must be an input, and no more than a model can use.
        count = sum(len(one.feature_names) for one in inputs)
        if count == 0:
            reason = "".join(f" ({note.rstrip('.')})" for note in notes[-1:])
            raise InputError(f"at least one usable column was expected, got none{reason}")
        if count > MAX_COLUMNS:
            raise InputError(
                f"at most {counted(MAX_COLUMNS, 'input')} were expected, got {count:,} with those of the categories"
            )
        # A number of unknown cells is familiar where ten training rows have it.
        encoder = cls(tuple(inputs), tuple(notes), table.names)
        missing = np.sort(np.isnan(encoder.codes(table)).sum(axis=1))
        # A row is mostly missing if more than half of its columns lack a value, and fewer than ten training rows lack
        # as many: the effect of a missing value is learned from rows that know the rest, and is uncertain where nothing
        # is known.
        familiar = 0
        if len(missing) >= 10:
            familiar = int(missing[-10])
        return cls(encoder.inputs, encoder.notes, encoder.names, familiar)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are used, which a table must have for `codes`."""
        return tuple(one.name for one in self.inputs)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs of the network, all different."""
        names: list[str] = []
        taken: set[str] = set()
        for name in (name for one in self.inputs for name in one.feature_names):
            while name in taken:  # a column may be called like a level of another: "colour is red"
                name += "'"
            taken.add(name)
            names.append(name)
        return tuple(names)

    @property
    def formula_names(self) -> tuple[str, ...]:
        """Names of the inputs in formulas: [colour is red] is 1 where that holds, else 0."""
        numbers = {one.name for one in self.inputs if one.has_value}
        return tuple(name if name in numbers else f"[{name}]" for name in self.feature_names)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the inputs of the network that belong to each used column."""
        groups = []
        start = 0
        for one in self.inputs:
            count = len(one.feature_names)
            groups.append(tuple(range(start, start + count)))
            start += count
        return tuple(groups)

    @property
    def indicator_groups(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the inputs of each category with one input per level, whose effects share one ridge."""
        pairs = zip(self.inputs, self.groups, strict=True)
        return tuple(group for one, group in pairs if one.level_names and len(group) > 1)

    @property
    def is_plain(self) -> bool:
        """True if every used column is one number, so that codes and inputs are the same."""
        return all(one.is_plain for one in self.inputs)

    def check_columns(self, table: Table) -> None:
        """Raise InputError if the table lacks a column, with the nearest names."""
        lacking = [name for name in self.columns if name not in table.names]
        if lacking:
            shown = ", ".join(quoted(name) for name in lacking[:5])
            if len(lacking) > 5:
                shown += f" and {len(lacking) - 5} more"
            raise InputError(
                f"{table.source} must have the {counted(len(self.columns), 'column')} of the training table, "
                f"got none called {shown}{nearest_names(lacking[0], table.names)}"
            )

    def codes(self, table: Table) -> np.ndarray:
        """Return one number for each cell, (n_rows, number of used columns); further columns are ignored."""
        self.check_columns(table)
        return np.stack([one.codes(table) for one in self.inputs], axis=1)

    def inputs_of(self, codes: np.ndarray) -> np.ndarray:
        """Return the inputs of the network, (n_rows, d), for codes; what is unknown gets a usual value."""
        return np.concatenate([one.inputs_of(codes[:, i]) for i, one in enumerate(self.inputs)], axis=1)

    def unknown(self, codes: np.ndarray) -> np.ndarray:
        """Return the cells that have no effect of their own, (n_rows, number of used columns).

        These are missing values of a column that had none in training, levels that did not occur there, and all
        missing values of a row that is mostly missing.
        """
        unknown = np.stack([one.unknown(codes[:, i]) for i, one in enumerate(self.inputs)], axis=1)
        # np.isnan(codes) | A missing value that training had is a value of its own, but not in a row that is mostly
        # missing.
        lacking = unknown | np.isnan(codes)
        mostly = self._is_mostly_missing(lacking)
        unknown[mostly] = lacking[mostly]
        return unknown

    def outside(self, codes: np.ndarray) -> np.ndarray:
        """Return the cells with a number outside the training range or an unseen level, like `unknown`."""
        return np.stack([one.outside(codes[:, i]) for i, one in enumerate(self.inputs)], axis=1)

    def far_values(self, codes: np.ndarray, rows: np.ndarray) -> dict[str, str]:
        """Return a sentence for each column with a number far beyond the training range, of rows with numbers (N,)."""
        texts = {one.name: one.far_value(codes[:, i], rows) for i, one in enumerate(self.inputs)}
        return {name: text for name, text in texts.items() if text}

    def mostly_missing(self, codes: np.ndarray) -> np.ndarray:
        """Return the rows that lack most of their values, more than the training rows did, (n_rows,)."""
        unknown = np.stack([one.unknown(codes[:, i]) for i, one in enumerate(self.inputs)], axis=1)
        return self._is_mostly_missing(unknown | np.isnan(codes))

    def check(self, codes: np.ndarray) -> RowCheck:
        """Return for each row what is missing and what lies outside the training data."""
        return RowCheck(
            self.columns,
            self.outside(codes),
            np.isnan(codes),
            self.unknown(codes),
            self.mostly_missing(codes),
            tuple(one.range_text for one in self.inputs),
        )

    def _is_mostly_missing(self, lacking: np.ndarray) -> np.ndarray:
        count = lacking.sum(axis=1)
        return (count > len(self.inputs) / 2) & (count > self.most_missing)

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an encoder from a file."""
        is_sound = len(set(self.names)) == len(self.names) and set(self.columns) <= set(self.names)
        if not is_sound:
            return "names that do not fit"
        fits = 0 < sum(len(one.feature_names) for one in self.inputs) <= MAX_COLUMNS
        if fits and len(set(self.columns)) == len(self.inputs):
            return ""
        return "columns that do not fit"


def nearest_names(name: str, names: tuple[str, ...]) -> str:
    """Return the end of a message about a name that does not exist: the nearest names, or the first ones."""
    length = len(str(name))
    # A name also stands for its beginning: 'yeild' is near 'yield t/ha'.
    folded = {form: other for other in reversed(names) for form in (other.lower()[:length], other.lower())}
    close = dict.fromkeys(folded[form] for form in get_close_matches(str(name).lower(), folded, n=3))
    if close:
        verb = "name is" if len(close) == 1 else "names are"
        return f"; the nearest {verb} {', '.join(quoted(other) for other in close)}"
    most = 5 if len(names) > 6 else 6  # one name alone is never left out
    shown = [quoted(other) for other in names[:most]]
    if len(names) > most:
        shown.append("...")
    return f"; its columns are {', '.join(shown)}"
