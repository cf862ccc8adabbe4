"""Tables that are too large for memory: a sample of them is prepared, and the model is fitted batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from edgewise.cli.shared.source import Source, open_source
from edgewise.errors import InputError
from edgewise.files.journal import Journal
from edgewise.presentation import counted
from edgewise.processes.memory import machine_memory
from edgewise.tables import Table
from edgewise.tables.batches import Batch, Batches
from edgewise.tables.batches.groups import row_keys
from edgewise.tables.batches.source import columns_and_rows, table_parts
from edgewise.tables.batches.survey import Sampler, joined
from edgewise.tables.cells import decimal_mark, quoted, stack_cells
from edgewise.tables.input_encoder import nearest_names
from edgewise.tables.parquet import PARQUET, parquet_files
from edgewise.tables.target import Target

TEST_ROWS = 20_000  # that are scored: the standard error of R² is then below a hundredth


@dataclass(frozen=True)
class LargeFile:
    """Parquet files that are too large for memory."""

    data: str  # what they are on the command line
    paths: tuple[Path, ...]  # the files
    rows: int  # number of rows
    names: tuple[str, ...]  # names of the columns

    def parts(self) -> Iterator[Table]:
        """Yield the rows in order, see `table_parts`."""
        return table_parts(self.paths)

    def sample(self, keep: ArrayLike) -> Source:
        """Return the rows of some numbers, and others chosen at random, with a note."""
        # A row is kept if the hash of its number is small: the same sample in whichever parts the table comes.
        wanted = np.asarray(keep, dtype=np.int64)
        share = TEST_ROWS / self.rows
        kept = []
        for part in self.parts():
            chosen = (row_keys(part.rows.astype(np.uint64), 0) / 2.0**64 < share) | np.isin(part.rows, wanted)
            if chosen.any():
                kept.append(part.take(chosen))
        # The kept rows of all parts as one table.
        columns = {name: stack_cells([part.columns[name] for part in kept], name) for name in kept[0].columns}
        rows = np.concatenate([part.rows for part in kept])
        table = replace(kept[0], columns=columns, rows=rows, source=f"a sample of {self.data}")
        note = (
            f"{self.data} is larger than a quarter of memory: {len(rows):,} of its "
            f"{counted(self.rows, 'row')} stand for all."
        )
        return Source(self.data, table, whole_rows=self.rows, notes=(note,))


def large_file(data: str) -> LargeFile | None:
    """Return the Parquet files of DATA if they are too large for memory; only their ends are read."""
    is_one = Path(data).suffix.lower() in PARQUET and os.path.isfile(data)
    paths = (Path(data),) if is_one else parquet_files(data)
    if not paths:
        return None
    names, rows = columns_and_rows(paths)
    # Up to a quarter of memory: reading, encoding and searching copy a table once or twice.
    if rows * len(names) * np.dtype(np.float64).itemsize <= machine_memory() / 4:
        return None
    return LargeFile(data, paths, rows, names)


def open_sampled(data: str, keep: ArrayLike = ()) -> Source:
    """Return the table DATA, or a sample of one that is too large for memory, with the rows of some numbers."""
    large = large_file(data)
    if large is None:
        return open_source(data)
    return large.sample(keep)


@dataclass(frozen=True, eq=False)
class LargeTable:
    """A table larger than memory."""

    source: Source  # a sample of it: training rows, then test rows
    batches: Batches  # all of its training rows
    training: int  # training rows in the sample
    rows: int  # rows of the whole table, and of its parts for training and test; other rows have no target
    training_rows: int
    test_rows: int
    groups: np.ndarray | None  # (rows of the sample,), numbers of the groups of its rows

    @property
    def notes(self) -> list[str]:
        """A sentence about the rows without a target, if there are any."""
        lost = self.rows - self.training_rows - self.test_rows
        name = quoted(str(self.batches.target))
        if lost:
            return [f"{lost:,} of {counted(self.rows, 'row')} were left out: their target {name} is missing."]
        return []

    def encoded(self, target: Target, columns: Sequence[str], journal: Journal | None = None) -> Batches:
        """Return the training rows with some columns, and the target as it was learned from the sample.

        The journal, if there is one, keeps what passes over them find.
        """
        rows = EncodedRows(self.batches.with_columns(columns), target)
        return Batches(rows, target.name, sample_rows=self.batches.sample_rows, checkpoint=journal)


@dataclass(frozen=True)
class EncodedRows:
    """Training rows in batches, with the target as the estimator is to see it: numbers, or labels of classes."""

    batches: Batches
    target: Target

    def __iter__(self) -> Iterator[Batch]:
        return self.part(0, 1)

    def part(self, process: int, count: int) -> Iterator[Batch]:
        """Yield the batches of one of `count` processes."""
        target = self.target
        for batch in self.batches.part(process, count):
            try:
                y = target.encode(with_target(batch.table, target.name, batch.y))
            except InputError as error:
                raise InputError(f"{batch.name}: {error}") from error
            if target.task == "classification":
                y = labels_array(target.labels)[y]
            yield replace(batch, y=y)


def labels_array(labels: Sequence[int | str]) -> np.ndarray:
    """Return labels of classes as an array: whole numbers, or an object array of texts."""
    array = np.array(labels)
    if array.dtype.kind == "U":
        return array.astype(object)
    return array


def with_target(table: Table, name: str, y: np.ndarray) -> Table:
    """Return a table with one more column."""
    return replace(table, names=(*table.names, name), columns={**table.columns, name: y})


def large_table(
    data: str, target: str | None, task: str | None, share: float, seed: int, group: str | None
) -> LargeTable | None:
    """Return DATA as a table that is too large for memory; None if it fits, or is no Parquet.

    `share` is that of the test rows, `group` a column of labels: no group is divided. Raises InputError or FileError as
    `Batches`; also for a target or group that is no column, a target that has no values, and a single group.
    """
    if target is None:
        return None
    whole = large_file(data)
    if whole is None:
        return None
    # The columns that the options name must be there.
    batches = Batches(whole.paths, target, group=group).with_known_targets()
    rows = whole.rows
    names = whole.names
    for option, name in (("--target", target), ("--group", group)):
        if name is not None and name not in names:
            raise InputError(f"{option} must name a column of {data}, got {quoted(name)}{nearest_names(name, names)}")
    if group == target:
        raise InputError(f"--group must name another column than the target, got {quoted(target)}")
    # Where groups must not be divided, the share of test rows becomes one of groups.
    if group is not None:
        share = _share_of_groups(batches, share, seed)
    # One pass over the table draws a sample of the training rows and one of the test rows (bottom-k sketches).
    samplers: tuple[Sampler, ...] = ()
    for batch in batches.part(0, 1):  # every process prepares the whole sample
        if not samplers:  # the first values say whether the target is a class; whole numbers may be one
            is_text = batch.y.dtype.kind == "O" and not decimal_mark(batch.y)
            has_labels = {"classification": True, "regression": False}.get(task or "", is_text or None)
            sizes = batches.sample_rows, TEST_ROWS
            samplers = tuple(Sampler(size, seed, has_labels=has_labels) for size in sizes)
        held = batches.held(batch, share, seed)
        for sampler, chosen in zip(samplers, (~held, held), strict=True):
            if chosen.any():
                sampler.add(batch.take(chosen))
    if not all(sampler.rows for sampler in samplers) or not samplers:
        raise InputError(
            f"--target must name a column with values, got {quoted(target)} with too few among {counted(rows, 'row')}"
        )
    # Both samples as one table, the training rows first, and all training rows as batches.
    training, test = (sampler.survey() for sampler in samplers)
    both = joined([training.sample, test.sample])
    table = replace(with_target(both.table, target, both.y), source=f"a sample of {data}")
    source = Source(data, table)
    known = batches.divided(share, seed)[0]
    if both.groups is None:
        groups = None
    else:
        groups = np.unique(both.groups, return_inverse=True)[1]
    if groups is not None and (groups[: len(training.sample)] == groups[0]).all():
        known = known.without_groups()  # the other one is for the test
    return LargeTable(source, known, len(training.sample), rows, training.rows, test.rows, groups)


def _share_of_groups(batches: Batches, share: float, seed: int) -> float:
    """Return the share of random numbers below which about this share of the groups is, at least one and not all."""
    found: set[int] = set()
    for batch in batches.with_columns(()).part(0, 1):
        found.update(np.unique(batch.units).tolist())
        if len(found) > 10_000:  # of so many, random numbers give the right share
            return share
    if len(found) < 2:
        raise InputError(f"--group must name a column with at least two different values, got {len(found)}")
    # The threshold between two hashes of groups, so that the number of test groups is exact.
    keys = np.sort(row_keys(np.array(sorted(found), dtype=np.uint64), seed)) / 2.0**64
    count = int(np.clip(round(share * len(keys)), 1, len(keys) - 1))
    return float((keys[count - 1] + keys[count]) / 2)
