"""One column of a table as inputs of a model: learned from the training rows, repeated for every later table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, get_args

import numpy as np

from edgewise.checks import Within
from edgewise.errors import InputError
from edgewise.escaping import c_comment, c_string
from edgewise.presentation import counted, number_text, typed_text
from edgewise.scaling import weighted_quantile
from edgewise.tables.cells import (
    Mark,
    are_codes,
    convention,
    days_come_first,
    decimal_mark,
    is_date,
    marked_number,
    number,
    parse_dates,
    quoted,
)
from edgewise.tables.table import Table


@dataclass(frozen=True)
class ColumnRules:
    """Numbers by which a column is judged."""

    # Levels of a category, one input each: with more of them it is closer to a name than to a measurement.
    most_levels: int = 50
    fewest_level_rows: int = 5  # rows of a level of its own where there are too many levels: fewer say nothing
    least_covered: float = 0.5  # share of the rows that these levels must have for the column to be used
    shown_levels: int = 8  # levels of a category in a sentence
    # A number is outside if it lies beyond the training range by this share of it: new rows of the same distribution
    # lie a little beyond the extremes of the training rows, as often as not, and splines bear that; a quarter of the
    # range beyond is extrapolation (one of 3,000 values of a normal column with 80 training rows).
    range_slack: float = 0.25
    farthest: float = 1e6  # distance of a number from all others, in their range: beyond it they look alike
    # Rows, or distinct values, from which on a pattern is no chance: whole numbers that follow each other, a repeated
    # number far from the others (counts are shorter).
    fewest_in_pattern: int = 10
    most_numbers_per_row: float = 2.0  # a training part of at least half of the table still has its row numbers
    fewest_beside_code: int = 3  # distinct values beside a code of a missing value, so that they have a range


RULES = ColumnRules()
UNSEEN = -1.0
"""The code of a level that training did not have."""
FAR = f"is more than {number_text(RULES.farthest, 7)} times as far from"


@dataclass(frozen=True)
class NumberInput:
    """A numeric column, or one of dates, which count as days."""

    name: str  # the column
    median: Annotated[float, Within()]  # median of the known training values, which replaces missing ones
    low: Annotated[float, Within()]  # least and largest training value
    high: Annotated[float, Within()]
    flag: bool  # whether there is one more input, 1 where the value is missing and 0 elsewhere
    value: bool = True  # whether the number itself is an input; it is not where all known values are equal
    # for dates: the first day of the training column as "2024-05-31", from which the days are counted; "" for numbers
    first_day: str = ""
    # decimal mark of numbers that the training table has as text; "" for others
    mark: Mark = ""
    # for dates such as 3/4/2024 in the training table: whether the day comes first; None for others
    day_first: bool | None = None
    kind: ClassVar[str] = "number"
    state_names: ClassVar[tuple[str, ...]] = ()

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a column from a file."""
        if not (self.flag or self.value):
            return "a column without an input"
        if self.low > self.high:
            return "limits out of order"
        if not self.first_day:
            return ""
        try:
            is_day = len(self.first_day) <= len("2024-05-31") and not np.isnat(np.datetime64(self.first_day, "D"))
        except ValueError:
            is_day = False
        if is_day:
            return ""
        return "a first day that is none"

    @property
    def has_value(self) -> bool:
        """Whether a number of the column is an input."""
        return self.value

    @property
    def is_plain(self) -> bool:
        """Whether the codes of the column are its inputs."""
        return not self.flag and not self.first_day

    @property
    def range_text(self) -> str:
        """The training range in words."""
        return f"{self.text(self.low)} to {self.text(self.high)}"

    @property
    def sentence(self) -> str:
        """What the column holds."""
        kind = "a date" if self.first_day else "a number"
        return f"{self.name}: {kind}" + ", or missing" * self.flag

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs that this column gives."""
        return (self.name,) * self.value + (f"{self.name} is missing",) * self.flag

    @property
    def level_names(self) -> tuple[str, ...]:
        """No levels: the values are numbers."""
        return ()

    def codes(self, table: Table) -> np.ndarray:
        """Return the numbers or days, (n_rows,), NaN where missing."""
        if self.first_day:
            return known_days(table, self.name, self.first_day, self.day_first)
        return known_numbers(table, self.name, self.mark)

    def unknown(self, codes: np.ndarray) -> np.ndarray:
        """Return where a value is missing though none was in training, (n_rows,)."""
        return np.isnan(codes) & (not self.flag)

    def outside(self, codes: np.ndarray) -> np.ndarray:
        """Return where a number lies notably outside the training range, (n_rows,)."""
        if not self.value:
            return np.zeros(len(codes), dtype=bool)
        slack = RULES.range_slack * self.high - RULES.range_slack * self.low
        return (codes < self.low - slack) | (codes > self.high + slack)

    def far_value(self, codes: np.ndarray, rows: np.ndarray) -> str:
        """Return a sentence about the first number of numbered rows that no curve over the training range is for."""
        with np.errstate(over="ignore"):  # of numbers near the largest float64
            distance = np.maximum(self.low - codes, codes - self.high)
            is_far = distance > RULES.farthest * (self.high - self.low)
        if not (self.value and self.high > self.low and is_far.any()):
            return ""
        place = int(is_far.argmax())
        return (
            f"Column {quoted(self.name)}: {self.text(codes[place])} in row {rows[place]} {FAR} the training range as "
            "its ends are from each other; if it is a mistake, empty the cell."
        )

    def inputs_of(self, codes: np.ndarray) -> np.ndarray:
        """Return the inputs of the model, (n_rows, number of inputs), for the numbers that `codes` returns."""
        missing = np.isnan(codes)
        parts = [np.where(missing, self.median, codes)] * self.value + [missing.astype(np.float64)] * self.flag
        return np.stack(parts, axis=1)

    def text(self, code: float) -> str:
        """Return one value as people write it."""
        if np.isnan(code):
            return "missing"
        if self.first_day:
            # A file may have any number; numpy writes years of at most ten digits.
            days = int(np.floor(np.clip(code, -1e12, 1e12)))
            return str(np.datetime64(self.first_day, "D") + np.timedelta64(days, "D"))
        return number_text(code)

    def python_rule(self) -> tuple[object, ...]:
        """Return what a program in Python knows of the column, see `estimator.exporting`."""
        return self.median, self.value, self.flag, self.first_day

    def c_source(self, number: int, place: int) -> tuple[str, str]:
        """Return a line on the column of some number for a program in C, and statements that fill x from a place on."""
        if self.first_day:
            kind = f"days since {self.first_day}"
        else:
            kind = "a number"
        body = ""
        if self.value:
            body = f"    x[{place}] = isnan(number[{number}]) ? {self.median!r} : number[{number}];\n"
        if self.flag:
            body += f"    x[{place + self.value}] = isnan(number[{number}]) ? 1.0 : 0.0;\n"
        return f"   number[{number}]: {c_comment(self.name)}, {kind}, NAN if missing", body

    @classmethod
    def learn(
        cls, table: Table, name: str, *, keep_constant: bool, weight: np.ndarray | None
    ) -> tuple[NumberInput | None, str] | None:
        """Return the rules for a column, or None to leave it out, with a sentence; None for a column of words."""
        column = present(table, name)
        if column.dtype.kind == "M":
            return _learn_dates(table, name, column, weight)
        if column.dtype != object:
            return _learn_number(table, name, known_numbers(table, name), weight, keep_constant=keep_constant)
        # Texts that are mostly dates must all be dates that need no guess, and count as days.
        if holds_dates(table, name):
            dates = parse_dates(column)
            if dates is None and all(is_date(cell) for cell in column if cell is not None):
                first = next(cell for cell in column if cell is not None)
                return None, (
                    f"Column {quoted(name)} was left out: its dates ({quoted(first)}) cannot be read without a guess; "
                    "2024-05-31 can."
                )
            if dates is None:
                known_days(table, name, "1970-01-01")
            assert dates is not None
            rules, note = _learn_dates(table, name, dates, weight)
            if rules is not None:
                rules = replace(rules, day_first=days_come_first(column))
            return rules, note
        # Texts that are numbers under one convention are numbers; all others are left to the next kind of column.
        mark = decimal_mark(column)
        if not mark:
            return None
        numbers = known_numbers(table, name, mark)
        rules, note = _learn_number(table, name, numbers, weight, keep_constant=keep_constant)
        note = f"Column {quoted(name)} is read as numbers with {convention(mark, column)}. {note}".strip()
        if rules is not None:
            rules = replace(rules, mark=mark)
        return rules, note


@dataclass(frozen=True)
class CategoryInput:
    """A text column: one input of 0 and 1 for each level, and a single input for two levels."""

    name: str  # the column
    levels: tuple[str, ...]  # the texts of the training rows
    missing: bool  # whether a missing value counts as one more level
    usual: str | None  # the most frequent level (None: missing), which replaces levels that did not occur in training
    other: bool = False  # whether `levels` are the frequent ones only, and all further texts count as one more level
    kind: ClassVar[str] = "category"
    has_value: ClassVar[bool] = False
    is_plain: ClassVar[bool] = False
    range_text: ClassVar[str] = ""

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a column from a file."""
        are_levels = len(set(self.levels)) == len(self.levels) and len(self.state_names) >= 2
        if are_levels and self.usual in self.states:
            return ""
        return "levels that are none"

    @property
    def sentence(self) -> str:
        """What the column holds."""
        levels = ", ".join(self.levels[: RULES.shown_levels])
        if len(self.levels) > RULES.shown_levels:
            levels += f" and {len(self.levels) - RULES.shown_levels} more"
        return f"{self.name}: one of {levels}" + ", or missing" * self.missing

    @property
    def state_names(self) -> tuple[str, ...]:
        """All levels in the order of the inputs, with "other" and "missing" where they count as levels."""
        return self.levels + ("other",) * self.other + ("missing",) * self.missing

    @property
    def level_names(self) -> tuple[str, ...]:
        """Names of the codes 0, 1, ..."""
        return self.levels + ("other",) * self.other

    @property
    def states(self) -> tuple[str | None, ...]:
        """The levels that have a text, and None for missing."""
        return self.levels + (None,) * self.missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs that this column gives."""
        # Of two levels the second has an input, and the first is its zero.
        first = int(len(self.state_names) == 2)
        return tuple(f"{self.name} is {state}" for state in self.state_names[first:])

    def codes(self, table: Table) -> np.ndarray:
        """Return the position of each level, (n_rows,), NaN where missing and -1 for a level without a code."""
        # The cells as texts: in a later table all levels may happen to be dates or numbers.
        column = present(table, self.name)
        if column.dtype.kind == "M":
            texts = column.astype(str).astype(object)
            texts[np.isnat(column)] = None
            column = texts
        if column.dtype != object:
            texts = np.array([repr(float(value)).removesuffix(".0") for value in column], dtype=object)
            texts[np.isnan(column)] = None
            column = texts
        # Codes such as 01003 lose the zeros in front where they are read as numbers.
        if are_codes(self.levels):
            length = len(self.levels[0])
            column = column.copy()
            for row, cell in enumerate(column):
                if cell is not None and cell.isdigit():
                    column[row] = cell.zfill(length)
        # The place of each text among the levels.
        position: dict[str | None, float] = {level: float(i) for i, level in enumerate(self.levels)}
        position[None] = np.nan
        if self.other:
            rest = float(len(self.levels))
        else:
            rest = UNSEEN
        return np.array([position.get(cell, rest) for cell in column], dtype=np.float64)

    def unknown(self, codes: np.ndarray) -> np.ndarray:
        """Return where a value is missing or a level unseen though none was in training, (n_rows,)."""
        return (codes == UNSEEN) | (np.isnan(codes) & (not self.missing))

    def outside(self, codes: np.ndarray) -> np.ndarray:
        """Return where a level did not occur in training, (n_rows,)."""
        return codes == UNSEEN

    def far_value(self, codes: np.ndarray, rows: np.ndarray) -> str:
        """Return no sentence: levels have no distance."""
        return ""

    def inputs_of(self, codes: np.ndarray) -> np.ndarray:
        """Return the inputs of the model, (n_rows, number of inputs), for the codes that `codes` returns."""
        count = len(self.state_names)
        missing = np.isnan(codes)
        place = np.where(self.unknown(codes), self._usual_place, np.where(missing, count - 1, codes)).astype(np.int64)
        table_of_states = np.eye(count)
        if count == 2:
            return table_of_states[:, 1:][place]
        return table_of_states[place]

    def text(self, code: float) -> str:
        """Return one level as people write it."""
        if np.isnan(code):
            return "missing"
        if 0 <= code < len(self.level_names):
            return self.level_names[int(code)]
        return "an unseen level"

    @property
    def _usual_place(self) -> int:
        """The place of the usual level among the states."""
        return self.states.index(self.usual) + (self.other and self.usual is None)

    def python_rule(self) -> tuple[object, ...]:
        """Return what a program in Python knows of the column, see `estimator.exporting`."""
        levels = {level: i for i, level in enumerate(self.levels)}
        places = {name: place for place, name in enumerate(self.state_names) if place >= len(levels)}
        return levels, len(self.state_names), self._usual_place, places.get("other"), places.get("missing")

    def c_source(self, number: int, place: int) -> tuple[str, str]:
        """Return a line on the column of some number for a program in C, and statements that fill x from a place on."""
        count = len(self.state_names)
        places = {name: place for place, name in enumerate(self.state_names) if place >= len(self.levels)}
        rest = places.get("other", self._usual_place)
        missing = places.get("missing", self._usual_place)
        tests = "".join(f" !strcmp(text[{number}], {c_string(level)}) ? {k} :" for k, level in enumerate(self.levels))
        body = f"    level = !text[{number}] ? {missing} :{tests} {rest};\n"
        for state, k in enumerate(range(count == 2, count)):
            body += f"    x[{place + state}] = level == {k} ? 1.0 : 0.0;\n"
        return f"   text[{number}]: {c_comment(self.name)}, in UTF-8, NULL if missing", body

    @classmethod
    def learn(
        cls, table: Table, name: str, *, keep_constant: bool, weight: np.ndarray | None
    ) -> tuple[CategoryInput | None, str] | None:
        """Return the rules for a column of words, or None to leave it out, with a sentence."""
        return _learn_category(table, name)


Input = NumberInput | CategoryInput  # the kinds of columns, in the order in which each is asked to learn a column
KINDS: tuple[type[Input], ...] = get_args(Input)
"""The registry of the kinds of columns: one class each, which learns a column, reads it and writes it into programs."""


def present(table: Table, name: str) -> np.ndarray:
    """Return a column; InputError where it holds something that cannot be used."""
    if name in table.refused:
        raise InputError(
            f"column {quoted(name)} holds {table.refused[name]}, expected numbers or text: leave it out or convert it "
            "to a number"
        )
    return table.columns[name]


def known_numbers(table: Table, name: str, mark: str = "", *, advice: str = "") -> np.ndarray:
    """Return a column that has to be numeric, NaN for missing; InputError for text or an infinity, with its row.

    Text is read with the decimal mark, if there is one; `advice` ends the message.
    """
    column = present(table, name)
    if column.dtype.kind == "M":
        raise InputError(f"column {quoted(name)} must hold numbers, got dates")
    if column.dtype == object:

        def read(cell: str) -> float | None:
            if mark:
                return marked_number(cell, mark)
            return number(cell, table.decimal)

        # The first cell that is no number is an error; the others are read.
        for row, cell in zip(table.rows, column, strict=True):
            if cell is not None and read(cell) is None:
                raise InputError(
                    f"column {quoted(name)} must hold numbers{_convention(column, mark)}, got {quoted(cell)} in row "
                    f"{row}; correct it or empty the cell{advice}"
                )
        values = np.full(len(column), np.nan)
        for row, cell in enumerate(column):
            if cell is not None:
                values[row] = read(cell)
        return values
    # A column of numbers.
    infinite = np.isinf(column)
    if infinite.any():
        first = int(infinite.argmax())
        raise InputError(
            f"column {quoted(name)} must hold finite numbers, got {column[first]} in row {table.rows[first]}"
        )
    return column


def _convention(column: np.ndarray, mark: str) -> str:
    """Return how the numbers of a text column must be written, or how they seem to be written."""
    if mark:
        if mark == ",":
            return " with decimal commas as in training"
        return " with decimal dots as in training"
    seeming = decimal_mark(column)
    if seeming:
        return f" as in training, but looks like numbers with {convention(seeming, column)}"
    return ""


def numbers_rows(table: Table, name: str) -> bool:
    """Return whether a column has the name of an identifier, and whole numbers that number the rows of a table.

    Each number occurs once; a part of the rows of a table, as a training part, has gaps.
    """
    column = table.columns.get(name)
    if column is None or column.dtype.kind != "f" or len(column) < RULES.fewest_in_pattern:
        return False
    # Names of columns that often number the rows, without spaces, dots and underscores.
    known = ("id", "ids", "index", "idx", "row", "rowid", "rownumber", "nr", "no", "number", "key", "unnamed:0")
    plain = re.sub(r"[\s._]", "", name.lower())
    if plain not in known and not re.fullmatch(r".+[ ._-]id", name.lower()):
        return False
    # Distinct whole numbers of about the size of the number of rows.
    if not np.isfinite(column).all() or not (column == np.floor(column)).all() or column.min() < 0:
        return False
    return len(np.unique(column)) == len(column) and bool(column.max() <= RULES.most_numbers_per_row * len(column))


def known_days(table: Table, name: str, first_day: str, day_first: bool | None = None) -> np.ndarray:
    """Return a column of dates as days since the first one, NaN for missing; InputError for what is no date."""
    column = present(table, name)
    if column.dtype == object:
        dates = parse_dates(column, day_first=day_first)
        if dates is None and day_first is not None:
            for row, cell in zip(table.rows, column, strict=True):
                if cell is not None and parse_dates(np.array([cell], dtype=object), day_first=day_first) is None:
                    order = "day/month/year" if day_first else "month/day/year"
                    raise InputError(
                        f"column {quoted(name)} must hold dates as in training ({order}), got {quoted(cell)} in row "
                        f"{row}; correct it or empty the cell"
                    )
        if dates is None:
            # The first cell that is no date, or one of a date that needs a guess.
            cells = [(row, cell) for row, cell in zip(table.rows, column, strict=True) if cell is not None]
            row, cell = next(((row, cell) for row, cell in cells if not is_date(cell)), cells[0])
            raise InputError(
                f"column {quoted(name)} must hold dates as in training, got {quoted(cell)} in row {row}; "
                "write them as 2024-05-31"
            )
        column = dates
    elif column.dtype.kind != "M":
        if np.isnan(column).all():
            return column
        raise InputError(f"column {quoted(name)} must hold dates as in training, got numbers")
    # Microseconds to days.
    days = (column - np.datetime64(first_day, "us")) / np.timedelta64(86_400_000_000, "us")
    return np.asarray(days, dtype=np.float64)


def holds_dates(table: Table, name: str) -> bool:
    """Return whether most of the texts of a column are dates or times."""
    known = [cell for cell in table.columns[name] if cell is not None]
    date = {cell: is_date(cell) for cell in set(known)}
    return sum(date[cell] for cell in known) > len(known) / 2


def check_text(table: Table, name: str, *, advice: str) -> None:
    """Raise InputError where a text column is a column of dates, or of numbers with some text in between."""
    _check_numbers_in_text(table, name)
    if holds_dates(table, name):
        cells = zip(table.rows, table.columns[name], strict=True)
        row, cell = next((row, cell) for row, cell in cells if cell is not None and is_date(cell))
        raise InputError(
            f"column {quoted(name)} holds dates or times ({quoted(cell)} in row {row}), "
            f"expected numbers or categories: {advice}"
        )


def _check_numbers_in_text(table: Table, name: str) -> None:
    cells = [cell for cell in table.columns[name] if cell is not None]
    numeric = {cell: number(cell, table.decimal) is not None for cell in set(cells)}
    # Counted by distinct texts too: a category may have one frequent level that reads as a number ("0", "Z/2", "D3").
    if sum(numeric.values()) > len(numeric) / 2 and sum(numeric[cell] for cell in cells) > len(cells) / 2:
        known_numbers(table, name, advice=", or leave the column out")
    if decimal_mark(table.columns[name]):
        return
    for mark in ",.":
        marked = {cell: marked_number(cell, mark) is not None for cell in numeric}
        needed = any(marked[cell] and not numeric[cell] for cell in numeric)
        if needed and sum(marked.values()) > len(marked) / 2 and sum(marked[cell] for cell in cells) > len(cells) / 2:
            bad = next(i for i, cell in enumerate(table.columns[name]) if cell is not None and not marked[cell])
            words = convention(mark, [cell for cell in numeric if marked[cell]])
            raise InputError(
                f"column {quoted(name)} looks like numbers with {words}, got {quoted(table.columns[name][bad])} in row "
                f"{table.rows[bad]}; correct it, empty the cell, or leave the column out"
            )


def learn_input(table: Table, name: str, *, keep_constant: bool, weight: np.ndarray | None) -> tuple[Input | None, str]:
    """Decide how a column becomes inputs, by the first of `KINDS` that can read it.

    Returns the inputs, or None to leave the column out, and a sentence for the report, "" where nothing was decided.
    With `keep_constant` a number that is the same in every row stays an input; `weight` (n_rows,) is for the median.
    """
    if name in table.refused:
        return None, f"Column {quoted(name)} was left out: it holds {table.refused[name]}."
    learned = (kind.learn(table, name, keep_constant=keep_constant, weight=weight) for kind in KINDS)
    return next(one for one in learned if one is not None)


def _learn_dates(
    table: Table, name: str, dates: np.ndarray, weight: np.ndarray | None
) -> tuple[NumberInput | None, str]:
    """Return the rules for a column of dates (n,), or None to leave it out, with a sentence."""
    if np.isnat(dates).all():
        return None, f"Column {quoted(name)} was left out: it has no value in any row."
    first = np.nanmin(dates).astype("datetime64[D]")
    last = np.nanmax(dates).astype("datetime64[D]")
    days = np.asarray((dates - first.astype("datetime64[us]")) / np.timedelta64(86_400_000_000, "us"))
    spec, _ = _learn_number(table, name, days, weight)
    if spec is None:
        return None, f"Column {quoted(name)} was left out: it is {first} in every row."
    sentence = f"Column {quoted(name)} holds dates from {first} to {last}; it counts as days since the first."
    missing = int(np.isnan(days).sum())
    if missing:
        sentence += f" {missing} of {len(days)} training rows have none, and {quoted(name + ' is missing')} marks them."
    return replace(spec, first_day=str(first)), sentence


def _learn_number(
    table: Table, name: str, column: np.ndarray, weight: np.ndarray | None, *, keep_constant: bool = False
) -> tuple[NumberInput | None, str]:
    """Return the rules for a column of numbers (n,), or None to leave it out, with a sentence."""
    known = column[~np.isnan(column)]
    missing = len(column) - len(known)
    code = _code_of_missing(name, known) or _far_value(name, known, table.rows[~np.isnan(column)])
    if len(known) == 0:
        return None, f"Column {quoted(name)} was left out: it has no value in any row."
    constant = bool((known == known[0]).all())
    if constant and not missing and not keep_constant:
        return None, f"Column {quoted(name)} was left out: it is {typed_text(known[0])} in every row."
    # The weighted median replaces missing values; the range says what is extrapolation.
    if weight is None:
        mass = np.ones(len(known))
    else:
        mass = weight[~np.isnan(column)]
    order = np.lexsort((mass, known))
    median = weighted_quantile(known[order], mass[order], 0.5)
    low = float(known.min())
    high = float(known.max())
    spec = NumberInput(name, median, low, high, flag=missing > 0, value=not constant or not missing)
    # What the report says of the column: missing values first, then row numbers, then codes and far values.
    if constant and missing:
        return spec, (
            f"Column {quoted(name)} is {typed_text(known[0])} wherever it is known; only whether it is missing "
            f"({missing} of {len(column)} rows) is an input."
        )
    if missing:
        return spec, (
            f"Column {quoted(name)}: {missing} of {len(column)} training rows have no value; the median replaces it, "
            f"{typed_text(median)}, and the input {quoted(name + ' is missing')} marks the rows. {code}".rstrip()
        )
    # By the rows' numbers in the file: some of its rows may have gone to a test.
    with np.errstate(over="ignore"):  # differences of numbers near the largest float64 are infinite, not 1
        counts_rows = len(column) >= 10 and (np.diff(column) == np.diff(table.rows)).all()
    if counts_rows:
        return spec, (
            f"Column {quoted(name)} counts the rows; if it only numbers them, leave it out (--drop), since the order "
            "of a file can give the answer away."
        )
    return spec, code


def _code_of_missing(name: str, known: np.ndarray) -> str:
    """Return a sentence if the least or the largest number of a column looks like a code for a missing value."""
    # An end that is farther from its neighbour than the whole range of the others, and either written like a code or
    # repeated.
    values, counts = np.unique(known, return_counts=True)
    if len(values) <= RULES.fewest_beside_code:
        return ""
    codes = {sign * (10**digits - 1) for digits in range(1, 6) for sign in (-1, 1)}  # -9, 99, -999, ...
    for end, rest in ((0, values[1:]), (-1, values[:-1])):
        value = float(values[end])
        count = int(counts[end])
        is_likely = value in codes or (count > 1 and len(rest) >= RULES.fewest_in_pattern)
        if is_likely and np.abs(rest - value).min() > np.ptp(rest):
            return (
                f"Column {quoted(name)}: {typed_text(value)} in {counted(count, 'row')} lies far "
                "from all other values and looks like a code for a missing value; if it is one, empty these cells."
            )
    return ""


def _far_value(name: str, known: np.ndarray, rows: np.ndarray) -> str:
    """Return a sentence if one number alone lies so far off that a curve cannot tell the others from each other."""
    order = np.argsort(known, kind="stable")
    if len(known) <= RULES.fewest_in_pattern:
        return ""
    for end, rest in ((order[0], known[order[1:]]), (order[-1], known[order[:-1]])):
        with np.errstate(over="ignore"):  # of numbers near the largest float64
            distance = np.abs(rest - known[end]).min()
            spread = np.ptp(rest)
            is_far = spread > 0 and distance > RULES.farthest * spread
        if is_far:
            return (
                f"Column {quoted(name)}: {typed_text(known[end])} in row {rows[end]} {FAR} all "
                "other values as these are from each other; if it is a mistake, empty the cell."
            )
    return ""


def _learn_category(table: Table, name: str) -> tuple[CategoryInput | None, str]:
    """Return the rules for a column of words, or None to leave it out, with a sentence."""
    # Counts of the levels; columns that tell nothing are left out.
    cells = [cell for cell in table.columns[name] if cell is not None]
    missing = table.n_rows - len(cells)
    counts = Counter(table.columns[name])
    levels = tuple(sorted(level for level in counts if level is not None))
    if len(counts) == 1:
        value = quoted(levels[0]) if levels else "missing"
        return None, f"Column {quoted(name)} was left out: it is {value} in every row."
    if len(levels) > 1:
        _check_numbers_in_text(table, name)
    if len(levels) == len(cells) > 1:
        return (
            None,
            f"Column {quoted(name)} was left out: its text is different in every row, like a name or identifier.",
        )
    # Many levels: the frequent ones stay, the others become one.
    rare = 0
    if len(levels) > RULES.most_levels or len(levels) > max(2, len(cells) / 2):
        frequent = sorted(levels, key=lambda level: (-counts[level], level))[: RULES.most_levels - 1]
        frequent = [level for level in frequent if counts[level] >= RULES.fewest_level_rows]
        covered = sum(counts[level] for level in frequent)
        if covered < RULES.least_covered * len(cells):
            return None, (
                f"Column {quoted(name)} was left out: it has {len(levels):,} different texts in "
                f"{counted(len(cells), 'row')}, "
                f"more than a category may have (at most {RULES.most_levels}, and two rows for each on average)."
            )
        rare = len(levels) - len(frequent)
        levels = tuple(sorted(frequent))
    # Of equally frequent levels the first in the alphabet counts, so that the order of the rows does not matter.
    states = levels + (None,) * (missing > 0)
    usual = max(states, key=lambda level: counts[level])
    # The category and the note on it.
    spec = CategoryInput(name, levels, missing=missing > 0, usual=usual, other=rare > 0)
    note = f"Column {quoted(name)} is a category with {len(levels)} levels"
    if rare:
        note += f", the frequent ones; its {rare:,} rarer texts count as one more"
    if missing:
        note += f" and {missing} missing values, which count as a level of their own"
    if are_codes(levels):
        note += ", codes with zeros in front"
    return spec, f"{note}; the network sees it as {counted(len(spec.feature_names), 'column')} of 0 and 1."
