"""From a table to training and test rows: read, choose the columns, learn the target, split the rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.large import LargeTable, labels_array, large_table, open_sampled
from edgewise.cli.shared.opening import FORMULA_ENDINGS, Written, check_ending, find_written
from edgewise.cli.shared.source import Source, column_at, open_source, select_columns
from edgewise.cli.terminal.console import Screen
from edgewise.cli.terminal.options import command_line
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.files.journal import Journal
from edgewise.presentation import counted, number_text
from edgewise.search.validation import split_rows
from edgewise.tables import Table
from edgewise.tables.batches import Batches
from edgewise.tables.cells import quoted
from edgewise.tables.target import Target, learn_target


@dataclass(frozen=True)
class TableJob:
    """A table, its target and its columns; the options are described in `edgewise fit --help`."""

    data: str
    target: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    test: float = 0.2
    delimiter: str | None = None
    seed: int = 0
    id: str | None = None

    def __post_init__(self) -> None:
        most = 0.9  # a model of fewer than a tenth of the rows does not represent the table
        if not 0 < self.test <= most:
            given = number_text(self.test, 6)
            raise InputError(f"--test must be a share above 0 and at most {number_text(most)}, got {given}")


@dataclass(frozen=True)
class FitJob(TableJob):
    """All options of `edgewise fit`."""

    effort: str = "normal"
    loss: str = "squared"
    exposure: str | None = None
    time_limit: float | None = None
    compare: str = "quick"
    formulas: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "squared" and self.task is None:  # whole numbers of few values are counts and no classes
            object.__setattr__(self, "task", "regression")
        if self.loss != "squared" and self.task != "regression":
            raise InputError(f"--loss needs a numeric target, got --loss {self.loss} with --task {self.task}")
        if self.time_limit is not None and not 0 < self.time_limit < math.inf:
            raise InputError(f"--time-limit must be a positive number, got {number_text(self.time_limit, 6)}")
        if self.formulas is not None and not 0 <= self.formulas < math.inf:
            raise InputError(
                f"--formulas must be a number of seconds, or 0 for no search, got {number_text(self.formulas, 6)}"
            )

    @property
    def command(self) -> str:
        """The command line that repeats this job."""
        return command_line("fit", self)


@dataclass(frozen=True)
class FormulaJob:
    """The options of `edgewise formula`; see its --help for the meaning of each.

    `model` is a model, whose table is `data`; or a table with a target, and `data` is None.
    """

    model: str
    data: str | None
    table: TableJob
    number: int | None
    time_limit: float | None
    out: str | None
    structure: str

    def __post_init__(self) -> None:
        check_ending(self.out, FORMULA_ENDINGS)
        if self.time_limit is not None and not 0 < self.time_limit < math.inf:
            raise InputError(f"--time-limit must be a positive number, got {number_text(self.time_limit, 6)}")
        if self.data is None and self.table.target is None:
            raise InputError("--data must name the table of a model, or --target the column of a table to predict")


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """A table that is ready to train on."""

    source: Source  # the table as it was read
    response: Target  # the column to predict
    labels: tuple[int | str, ...]  # classes as the estimator receives them; empty for regression
    frame: Table  # the columns of inputs, of all rows with a known target; the estimator learns how to read them
    y: np.ndarray  # (N,), numbers or labels
    rows: np.ndarray  # (N,), number of each row in the file
    train: np.ndarray  # positions of the training and test rows in the frame
    test: np.ndarray
    group: str | None  # column of group labels
    groups: np.ndarray | None  # (N,), number of each row's group
    ids: np.ndarray | None  # (N,), the column that names the rows, as text, numbers or None where it is empty
    notes: list[str]  # sentences about the table and the target
    large: LargeTable | None  # the table, if it is too large for memory and all else here is a sample of it

    @property
    def table_rows(self) -> int:
        """Number of rows of the whole table."""
        if self.large is None:
            return self.source.table.n_rows
        return self.large.rows

    @property
    def training_rows(self) -> int:
        """Number of rows that the model is fitted to."""
        if self.large is None:
            return len(self.train)
        return self.large.training_rows

    def batches(self, journal: Journal | None = None) -> Batches | None:
        """Return the training rows, if they are too many for memory; the journal keeps what passes over them find."""
        if self.large is None:
            return None
        return self.large.encoded(self.response, self.frame.names, journal)

    @property
    def task(self) -> str:
        """The kind of target, "regression" or "classification"."""
        return self.response.task

    @property
    def target(self) -> str:
        """Name of the column to predict."""
        return self.response.name


def prepare_table(job: TableJob) -> PreparedTable:
    """Read and split the table."""
    # The rules for the columns of inputs, such as medians and levels, are left to the estimator, which sees the
    # training rows alone.
    large = large_table(job.data, job.target, job.task, job.test, job.seed, job.group)
    if large is None:
        source = open_source(job.data, job.delimiter)
    else:
        source = large.source
    # The target: the given column, or that of a packaged table.
    target = job.target or source.target
    if target is None:
        names = source.table.names
        # As many names as are read at a glance.
        shown = ", ".join(map(quoted, names[:20]))
        if len(names) > 20:
            shown += f" and {len(names) - 20} more"
        raise InputError(f"--target must name the column to predict; {source.table.source} has {shown}")
    if large is None:
        table, group = _choose_columns(job, source, target)
    else:  # the rows of groups are read already, without their column
        table, _ = _choose_columns(replace(job, group=None), source, target)
        group = job.group
    # The kind of target from its values; rows without one cannot be used.
    response, notes = learn_target(table, target, job.task)
    table = table.take(response.known(table))
    y = response.encode(table)
    labels = y if response.task == "classification" else None
    # The random split, which divides no group and keeps the shares of classes; a large table is split as it is read.
    groups = None
    if large is None:
        if group is not None:
            groups = _group_codes(source.table, group, table.rows)
        train, test = split_rows(len(y), job.test, job.seed, labels=labels, groups=groups)
    else:
        groups = large.groups
        train = np.arange(large.training)
        test = np.arange(large.training, len(y))
    if labels is not None:
        y = labels_array(response.labels)[labels]
    # What goes beside the rows: labels for classes, names of rows, and notes.
    ids = None
    if job.id is not None:
        ids = column_at(source.table, job.id, table.rows, "--id")
    if table.decimal == ",":
        notes = ["Semicolons divide the columns, so numbers have decimal commas: 1,5 is one and a half.", *notes]
    if large is not None:
        notes = [*notes, *large.notes]
    return PreparedTable(
        source=source,
        response=response,
        labels=response.labels,
        frame=table.drop([target]),
        y=y,
        rows=table.rows,
        train=train,
        test=test,
        group=group,
        groups=groups,
        ids=ids,
        notes=notes,
        large=large,
    )


def prepare_for_fit(job: FitJob, folder: ResultFolder | None, screen: Screen) -> PreparedTable:
    """Read the table of `edgewise fit`, check whose results the folder has, and say what was read."""
    prepared = prepare_table(job)
    if folder is not None:
        folder.check_owner(data=job.data, target=prepared.target)
    table = prepared.source.table
    words = f"{counted(prepared.table_rows, 'row')}, {counted(len(table.names), 'column')}"
    screen.say(f"Read {job.data}: {words}.", style="bold")
    if prepared.large is not None:
        screen.say(
            "The table is larger than a quarter of memory, so it is read in batches: all training rows decide the "
            f"coefficients, and a sample of {len(prepared.train):,} the kind of model, formulas and comparisons."
        )
    screen.notes(prepared.notes)
    screen.say(f"Split: {split_sentence(job, prepared)}.", style="bold")
    return prepared


def assist_fit(job: FitJob) -> None:
    """Sum a part of a large table for the first of several processes, which trains the model and writes it.

    A table that fits into memory needs no help.
    """
    batches = prepare_table(job).batches()
    if batches is not None:
        from edgewise.estimator import KANRegressor  # imported late: it needs torch, which checks of arguments don't

        KANRegressor().fit(batches)  # any estimator answers what the first process asks, of classes too


def read_for_formulas(job: FormulaJob) -> PreparedTable | tuple[Written, Table]:
    """Return the table of `edgewise formula`, prepared; or the model and its table, if there is one."""
    if job.data is not None:
        return find_written(job.model), open_sampled(job.data).table
    prepared = prepare_table(job.table)
    if prepared.labels:
        raise InputError(f"--target must be a column of numbers, got {prepared.target!r} with classes")
    return prepared


def split_sentence(job: TableJob, prepared: PreparedTable) -> str:
    """Return the numbers of training and test rows and how they were chosen."""
    # How rows were divided, then how many are in each part.
    how = "chosen at random"
    if prepared.group:
        how = f"chosen by {prepared.group!r}, so that no group is divided"
    elif prepared.labels and prepared.large is None:
        how = "chosen at random within each class"
    train = counted(prepared.training_rows, "training row")
    test = counted(len(prepared.test), "test row")
    if prepared.large is not None:
        test += f" of {counted(prepared.large.test_rows, 'held-out row')}"
    return f"{train} and {test}, {how} (seed {job.seed})"


def _choose_columns(job: TableJob, source: Source, target: str) -> tuple[Table, str | None]:
    """Return the table with the inputs and the target, and the name of the group column."""
    table = source.table
    # Every name that an option gives must be a column.
    group = job.group or source.group
    for option, name in (("--group", group), ("--target", target), ("--id", job.id)):
        if name is not None:
            select_columns(table, [name], option)
    if job.drop:
        select_columns(table, job.drop, "--drop")
    if target in job.drop:
        raise InputError(f"--drop must not name the target, got {quoted(target)}")
    # The inputs: those of a packaged table, or all columns without another role.
    if source.features:
        table = select_columns(table, [*(name for name in source.features if name != target), target], "--target")
    for option, name in (("--group", group), ("--id", job.id)):
        if name == target:
            raise InputError(f"{option} must name another column than the target, got {quoted(name)}")
    return table.drop({*job.drop, *(name for name in (group, job.id) if name)}), group


def _group_codes(table: Table, group: str, rows: np.ndarray) -> np.ndarray:
    """Return a number per row that is equal within a group; a row without a group label is a group of its own."""
    cells = column_at(table, group, rows, "--group").tolist()
    codes: dict[object, int] = {}
    numbers = []
    for row, cell in enumerate(cells):
        is_missing = cell is None or cell != cell
        label = ("row", row) if is_missing else cell
        numbers.append(codes.setdefault(label, len(codes)))
    return np.array(numbers)


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the warnings of the body as sentences, each once; the list is filled when the body ends."""
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield sentences
    for one in caught:
        text = " ".join(str(one.message).split())
        if not issubclass(one.category, EdgewiseWarning):
            text = f"{one.category.__name__}: {text}"
        text = text[:1].upper() + text[1:]
        if text not in sentences:
            sentences.append(text)
