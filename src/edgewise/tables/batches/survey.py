"""The first pass over a table in batches: its size and a sample of its rows (`Survey`, `Sampler`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.errors import InputError
from edgewise.files.journal import Part
from edgewise.presentation import counted
from edgewise.tables.batches.groups import row_keys
from edgewise.tables.batches.source import Batch
from edgewise.tables.cells import quoted, stack_cells
from edgewise.tables.table import Table
from edgewise.tables.target import RULES as TARGETS

SAMPLE = "the sample"  # what messages call it


@dataclass(frozen=True, eq=False)
class Survey:
    """Result of one pass over a table in batches.

    Parameters
    ----------
    sample : Batch
        The rows of the sample, in the order of the table.
    rows : int
        Number of rows of the table with a positive weight.
    total : float
        Sum of the weights, the number of rows where there are none.
    is_whole : bool
        Whether the sample holds every row.

    Examples
    --------
    >>> from edgewise.tables.batches import Batches
    >>> sampler = Sampler(10, seed=0)
    >>> for batch in Batches([(np.zeros((2, 1)), np.zeros(2), np.array([0.5, 1.5])) for _ in range(3)]):
    ...     sampler.add(batch)
    >>> found = sampler.survey()
    >>> found.rows, found.total, found.is_whole
    (6, 6.0, True)
    """

    sample: Batch
    rows: int
    total: float
    is_whole: bool

    def part(self) -> Part:
        """Return everything as a part of a journal."""
        # Texts and their dtypes go into the facts, dates as whole numbers and numbers into the arrays.
        sample = self.sample
        arrays = {"ids": sample.ids}
        cells = {}
        given = {"y": sample.y, "weight": sample.weight, "groups": sample.groups}
        for key, values in [*given.items(), *((f"column {name}", c) for name, c in sample.table.columns.items())]:
            if values is None:
                continue
            if values.dtype.kind in "OU":
                cells[key] = [str(values.dtype), values.tolist()]
            elif values.dtype.kind == "M":
                cells[key] = [str(values.dtype), None]
                arrays[key] = values.view(np.int64)
            else:
                arrays[key] = values
        facts = {"rows": self.rows, "total": self.total, "is_whole": self.is_whole, "cells": cells}
        return Part(
            facts | {"names": sample.table.names, "refused": sample.table.refused, "named": sample.is_named}, arrays
        )

    @classmethod
    def of(cls, part: Part) -> Survey:
        """Return the survey of which `part` is the part of a journal."""
        facts = part.facts

        def values(key: str) -> np.ndarray:
            dtype, cells = facts["cells"].get(key, (None, None))
            if cells is not None:
                return np.array(cells, dtype=dtype)
            if dtype:
                return part.arrays[key].view(dtype)
            return part.arrays[key]

        # The sample as it was, with the columns that could be used.
        ids = part.arrays["ids"]
        names = tuple(facts["names"])
        refused = facts["refused"]
        columns = {name: values(f"column {name}") for name in names if name not in refused}
        table = Table(names, columns, refused, rows=ids.astype(np.int64) + 1, source=SAMPLE)
        weight = part.arrays.get("weight")
        groups = part.arrays.get("groups")
        sample = Batch(table, values("y"), weight, SAMPLE, ids, facts["named"], groups)
        return cls(sample, facts["rows"], facts["total"], facts["is_whole"])


class Sampler:
    """Collects a `Survey`, batch by batch; those of parts of a table can be joined.

    Of random numbers that belong to the rows the smallest decide which are kept, so that neither batches nor processes
    change the sample [1]. Rows that show what a sample may miss are kept as well: for each column the smallest value,
    the largest one and the first missing one, and a row of each class.

    [1] E. Cohen and H. Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """

    def __init__(self, size: int, seed: int, *, has_labels: bool | None = False) -> None:
        self.size = size
        self.seed = seed
        self.has_labels = has_labels
        self.rows = 0
        self.total = 0.0
        self.seen = 0
        self.first: Batch | None = None  # a row of a batch, which others are compared with
        self.kept: list[tuple[np.ndarray, Batch]] = []  # random numbers and rows
        self.limit = np.uint64(2**64 - 1)
        self.labels: set[object] = set()
        self.special: dict[tuple[str, object], tuple[float, Batch]] = {}

    def add(self, batch: Batch) -> None:
        """Take the rows of a batch into account."""
        # The size of the table.
        weight = np.ones(len(batch)) if batch.weight is None else batch.weight
        self._check_first(batch)
        self.seen += len(batch)
        self.rows += int((weight > 0).sum())
        self.total += float(weight.sum())
        # The bottom-k sample: rows whose keys are below the largest that is kept.
        keys = row_keys(batch.ids, self.seed)
        chosen = keys <= self.limit
        if chosen.any():
            self.kept.append((keys[chosen], batch.take(chosen)))
            if sum(len(some) for some, _ in self.kept) > 2 * self.size:
                self.shorten()
        # The rows with the smallest, the largest and the first missing value of each column.
        for name, column in batch.table.columns.items():
            if column.dtype.kind in "OM":
                if column.dtype.kind == "O":
                    lost = [cell is None for cell in column]
                else:
                    lost = np.isnat(column)
            else:
                lost = np.isnan(column)
                if not lost.all():
                    low = int(np.nanargmin(column))
                    high = int(np.nanargmax(column))
                    self._offer(("low", name), float(column[low]), batch, low)
                    self._offer(("high", name), -float(column[high]), batch, high)
            if ("missing", name) not in self.special and np.any(lost):
                self._offer(("missing", name), 0.0, batch, int(np.argmax(lost)))
        if self.has_labels is not False and batch.y.ndim == 1:
            self._add_labels(batch)

    def joined(self, others: Sequence[Sampler]) -> Sampler:
        """Return a new sampler that joins the samples of this one and of others of different rows of the table."""
        whole = Sampler(self.size, self.seed, has_labels=self.has_labels)
        for one in (self, *others):
            if one.first:
                whole._check_first(one.first)
            whole.rows = whole.rows + one.rows
            whole.seen = whole.seen + one.seen
            whole.total += one.total
            whole.kept += one.kept
            whole.shorten()
            for key, (value, row) in one.special.items():
                whole._offer(key, value, row, 0)
        return whole

    def _add_labels(self, batch: Batch) -> None:
        """Keep a row of each class; of numbers that are too many or too fine for classes, none."""
        # Whole numbers of few values may be classes; more of them than classes may be are none, and their rows are let
        # go.
        labels, places = np.unique(batch.y.astype(str) if batch.y.dtype == object else batch.y, return_index=True)
        most = TARGETS.most_classes if self.has_labels else TARGETS.most_numeric_classes
        is_number = labels.dtype.kind in "iuf"
        if self.has_labels or (is_number and len(labels) <= most and (labels % 1 == 0).all()):
            for label, place in zip(labels.tolist(), places.tolist(), strict=True):
                self._offer(("label", label), 0.0, batch, place)
                self.labels.add(label)
                if self.has_labels and len(self.labels) > most:
                    raise InputError(
                        f"{batch.name}: the target must have at most {counted(most, 'class', 'classes')}, got more"
                    )
            if len(self.labels) <= most:
                return
        self.has_labels = False
        self.special = {key: found for key, found in self.special.items() if key[0] != "label"}

    def survey(self) -> Survey:
        """Return the result. Raises InputError where no row has a positive weight."""
        if not self.rows:
            raise InputError("at least one row with a positive weight was expected, got none")
        self.shorten()
        # The sample and the rows that show what it may miss, in the order of the table.
        kept = [batch for _, batch in self.kept]
        taken = set(np.concatenate([batch.ids for batch in kept]).tolist())
        for _, row in self.special.values():
            if int(row.ids[0]) not in taken:
                taken.add(int(row.ids[0]))
                kept.append(row)
        sample = joined(kept)
        order = np.argsort(sample.ids, kind="stable")
        return Survey(sample.take(order), self.rows, self.total, len(order) == self.seen)

    def _check_first(self, other: Batch) -> None:
        """Compare columns, targets and weights of a batch with those of the first one."""
        if self.first is None:
            self.first = other.take(np.array([0]))
        first = self.first
        if different := sorted({*first.table.names} ^ {*other.table.names}):
            raise InputError(
                f"{other.name}: a batch must have the columns of {first.name}; "
                f"{quoted(different[0])} is in one of them alone"
            )
        if first.y.shape[1:] != other.y.shape[1:]:
            shapes = ["(n,)" if one.y.ndim == 1 else f"(n, {one.y.shape[1]})" for one in (first, other)]
            raise InputError(f"{other.name}: y must have the shape {shapes[0]} of {first.name}, got {shapes[1]}")
        if (first.weight is None) != (other.weight is None):
            there, here = ("no weights", "some") if first.weight is None else ("weights", "none")
            raise InputError(
                f"{other.name}: weights must be given in every batch or in none, got {there} in {first.name} and "
                f"{here} in this one"
            )

    def _offer(self, key: tuple[str, object], value: float, batch: Batch, place: int) -> None:
        """Keep a row if its value is the smallest so far; of equal ones the first in the table."""
        known = self.special.get(key)
        if known is None or (value, batch.ids[place]) < (known[0], known[1].ids[0]):
            self.special[key] = value, batch.take(np.array([place]))

    def shorten(self) -> None:
        """Keep no more rows than the sample has, beside the rows that show what it may miss."""
        if self.kept:
            keys = np.concatenate([some for some, _ in self.kept])
        else:
            keys = np.empty(0, dtype=np.uint64)
        if len(keys) <= self.size:
            return
        # The smallest keys, found without sorting all.
        batch = joined([batch for _, batch in self.kept])
        order = np.sort(np.argpartition(keys, self.size - 1)[: self.size])
        self.kept = [(keys[order], batch.take(order))]
        self.limit = keys[order].max()


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the rows of several batches as one."""
    first = batches[0]
    columns = {
        name: stack_cells([batch.table.columns[name] for batch in batches], name) for name in first.table.columns
    }
    ids = np.concatenate([batch.ids for batch in batches])
    weights = [batch.weight for batch in batches if batch.weight is not None]  # of all batches or of none
    table = replace(first.table, columns=columns, rows=ids.astype(np.int64) + 1, source=SAMPLE)
    y = stack_cells([batch.y for batch in batches], "the target")
    if first.groups is None:
        groups = None
    else:
        groups = np.concatenate([batch.groups for batch in batches])
    if weights:
        weight = np.concatenate(weights)
    else:
        weight = None
    return Batch(table, y, weight, SAMPLE, ids, first.is_named, groups)
