"""Tables that are too large for memory: a sample of them is prepared, and the model is fitted batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgewise.cli.shared.source import Source
from edgewise.errors import InputError
from edgewise.files import Journal
from edgewise.processes.memory import machine_memory
from edgewise.tables import Table, TableEncoder
from edgewise.tables.batches import Batch, Batches
from edgewise.tables.batches.survey import Sampler, joined
from edgewise.tables.cells import decimal_mark, quoted
from edgewise.tables.input_encoder import nearest_names
from edgewise.tables.reading import PARQUET, parquet_files

# A table is held in memory up to this share of it: a choice; reading, encoding and searching copy it once or twice.
SHARE_OF_MEMORY = 0.25
TEST_ROWS = 20_000  # that are scored; a choice: the standard error of R² is then below a hundredth


@dataclass(frozen=True, eq=False)
class LargeTable:
    """A table larger than memory.

    Parameters
    ----------
    source : Source
        A sample of it: training rows, then test rows.
    batches : Batches
        All of its training rows.
    training : int
        Training rows in the sample.
    rows, training_rows, test_rows : int
        Rows of the whole table, and of its parts for training and test; other rows have no target.
    """

    source: Source
    batches: Batches
    training: int
    rows: int
    training_rows: int
    test_rows: int

    @property
    def notes(self) -> list[str]:
        """A sentence about the rows without a target, if there are any."""
        lost = self.rows - self.training_rows - self.test_rows
        name = quoted(str(self.batches.target))
        return [f"{lost:,} of {self.rows:,} rows were left out: their target {name} is missing."] if lost else []

    def encoded(self, encoder: TableEncoder, journal: Journal | None = None) -> Batches:
        """Return the training rows with the columns and the target that the encoder of the sample uses.

        The journal, if there is one, keeps what passes over them find.
        """
        rows = EncodedRows(self.batches.with_columns(encoder.columns), encoder)
        return Batches(rows, encoder.target.name, sample_rows=self.batches.sample_rows, checkpoint=journal)


@dataclass(frozen=True)
class EncodedRows:
    """Training rows in batches, with the target as the estimator is to see it: numbers, or labels of classes."""

    batches: Batches
    encoder: TableEncoder

    def __iter__(self) -> Iterator[Batch]:
        return self.part(0, 1)

    def part(self, process: int, count: int) -> Iterator[Batch]:
        """Yield the batches of one of so many processes."""
        target = self.encoder.target
        for batch in self.batches.part(process, count):
            try:
                y = target.encode(with_target(batch.table, target.name, batch.y))
            except InputError as error:
                raise InputError(f"{batch.name}: {error}") from error
            if target.task == "classification":
                labels = np.array([str(c) if isinstance(c, float) else c for c in target.classes])
                y = (labels.astype(object) if labels.dtype.kind == "U" else labels)[y]
            yield replace(batch, y=y)


def with_target(table: Table, name: str, y: np.ndarray) -> Table:
    """Return a table with one more column."""
    return replace(table, names=(*table.names, name), columns={**table.columns, name: y})


def large_table(
    data: str, target: str | None, task: str | None, share: float, seed: int, others: dict[str, object]
) -> LargeTable | None:
    """Return DATA as a table that is too large for memory; None if it fits, or is no Parquet.

    Parameters
    ----------
    data : str
        File, folder or pattern.
    target : str, optional
        Column to predict.
    task : str, optional
        Its kind, "regression" or "classification".
    share : float
        Share of test rows.
    seed : int
        Seed of the split and of the sample.
    others : dict
        Options that need all rows in memory, by name.

    Raises
    ------
    InputError, FileError
        As `Batches`; also for an option that needs all rows, and a target that is no column or has no values.
    """
    is_one = Path(data).suffix.lower() in PARQUET and os.path.isfile(data)
    paths = (Path(data),) if is_one else parquet_files(data)
    if not paths or not target:
        return None
    batches = Batches(paths, target).with_known_targets()
    rows, names = batches.rows or 0, batches.names  # from the ends of the files; no row is read
    size = rows * len(names) * np.dtype(np.float64).itemsize
    if size <= SHARE_OF_MEMORY * machine_memory():
        return None
    if target not in names:
        raise InputError(f"--target must name a column of {data}, got {quoted(target)}{nearest_names(target, names)}")
    for option, value in others.items():
        if value is not None:
            raise InputError(
                f"{option} needs a table in memory; {data} has {rows:,} rows, {size / 1e9:.1f} GB of numbers, and is "
                "read in batches"
            )
    samplers: tuple[Sampler, ...] = ()
    for batch in batches.part(0, 1):  # every process prepares the whole sample
        if not samplers:  # the first values say whether the target is a class; whole numbers may be one
            is_text = batch.y.dtype.kind == "O" and not decimal_mark(batch.y)
            has_labels = {"classification": True, "regression": False}.get(task or "", is_text or None)
            sizes = batches.sample_rows, TEST_ROWS
            samplers = tuple(Sampler(size, seed, has_labels=has_labels) for size in sizes)
        held = batches.held(batch.ids, share, seed)
        for sampler, chosen in zip(samplers, (~held, held), strict=True):
            if chosen.any():
                sampler.add(batch.take(chosen))
    if not all(sampler.rows for sampler in samplers) or not samplers:
        raise InputError(
            f"--target must name a column with values, got {quoted(target)} with too few among {rows:,} rows"
        )
    training, test = (sampler.survey() for sampler in samplers)
    whole = joined([training.sample, test.sample])
    table = replace(with_target(whole.table, target, whole.y), source=f"a sample of {data}")
    source = Source(data, table)
    return LargeTable(source, batches.divided(share, seed)[0], len(training.sample), rows, training.rows, test.rows)
