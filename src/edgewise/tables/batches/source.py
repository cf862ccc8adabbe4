"""One form for tables in pieces: Parquet files, data sets, loaders and lists of batches (`Batches`)."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgewise.checks import check_count, is_path, is_sequence, numbered
from edgewise.errors import FileError, InputError
from edgewise.files.journal import Journal
from edgewise.search.validation import in_share
from edgewise.tables.batches.groups import group_numbers, row_keys
from edgewise.tables.batches.partitions import Partitions
from edgewise.tables.cells import missing, quoted
from edgewise.tables.frames import frame_table, is_frame
from edgewise.tables.parquet import BATCH_ROWS, names_and_rows, parquet_batches, parquet_files
from edgewise.tables.table import InBatches, Table


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive rows of a table.

    Parameters
    ----------
    table : Table
        The inputs of n rows.
    y : ndarray of shape (n,) or (n, out)
        Their targets: numbers, or labels of classes.
    weight : ndarray of shape (n,), optional
        Their weights.
    name : str
        What messages call the batch.
    ids : ndarray of uint64, shape (n,)
        Numbers of the rows in the whole table, from 0.
    is_named : bool
        Whether the columns have names of their own, as in a frame.
    groups : ndarray of uint64, shape (n,), optional
        Numbers of the groups of rows that depend on each other.

    Examples
    --------
    >>> (batch,) = Batches([(np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 4.0, 9.0]))])
    >>> batch.name, len(batch), batch.take(batch.y > 2).ids.tolist()
    ('batch 1', 3, [1, 2])
    """

    table: Table
    y: np.ndarray
    weight: np.ndarray | None
    name: str
    ids: np.ndarray
    is_named: bool = True
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Batch:
        """Return the batch with some of its rows, given as a mask (n,) or as positions."""
        shorter = replace(self, table=self.table.take(rows), y=self.y[rows], ids=self.ids[rows])
        if self.weight is not None:
            shorter = replace(shorter, weight=self.weight[rows])
        if self.groups is not None:
            shorter = replace(shorter, groups=self.groups[rows])
        return shorter

    @property
    def units(self) -> np.ndarray:
        """Numbers of the groups, which are never divided; of the rows in a table without groups."""
        return self.ids if self.groups is None else self.groups


class _Unit(NamedTuple):
    """A part of the source that can be read by itself."""

    name: str
    rows: int | None  # None where nobody knows before reading
    read: Callable[[], Iterable[Any]]


class Batches(InBatches):
    """A table in batches, of which one is in memory at a time; it can be read as often as a fit needs.

    `KANRegressor.fit` and `KANClassifier.fit` take it in place of X and y. A first pass counts the rows and keeps a
    sample, from which columns, knots and the kind of model are chosen; further passes sum normal equations over all
    rows. A level of a category that no row of the sample has counts as unknown. A time limit does not end the first
    pass, which counts for half of it at most; half of the rest is for the search on the sample, and the passes over
    all rows end with it. Several processes share the rows, see `edgewise.processes`.

    Parameters
    ----------
    source : str, path-like, sequence of them, pyarrow or Dask object, torch DataLoader or other iterable
        A Parquet file, a folder of them or a pattern such as "sales/*.parquet"; a pyarrow.dataset.Dataset; a DataFrame
        of Dask, whose partitions add their sums on its workers; or an object that yields its batches anew whenever it
        is iterated over. A batch is a frame of pandas, polars or pyarrow, or a tuple (X, y) or
        (X, y, weight) of arrays or tensors, X with two dimensions. Batches and files without
        rows are passed over. A folder is read with the folders in it; what names such as "year=2024" say is no column.
        A DataLoader is drawn from seed 0 in every pass and every process, so that a shuffled one repeats itself, and
        leaves all generators of torch as they were; of several processes each takes its own batches, so its sampler
        must not be a DistributedSampler.
    target : str or sequence of str, optional
        Column to predict, or columns; needed where batches are frames.
    weight : str, optional
        Column of frames that holds nonnegative weights of the rows; to be left out, as target and columns, where
        batches are arrays.
    columns : str or sequence of str, optional
        Input columns of frames; all others than target, weight and group by default.
    group : str, optional
        Column of frames with labels of groups of rows that depend on each other; no group is divided where candidates
        are compared or parts are chosen. A row without a label is a group of its own.
    batch_rows : int
        Most rows of a batch that is read from Parquet or a data set; others come as they are.
    sample_rows : int
        Rows of the sample. A table of no more rows is fitted exactly as one in memory.
    checkpoint : str, path-like or edgewise.files.journal.Journal, optional
        Folder in which a fit keeps what each pass has found, until it has ended well. The same fit, begun again after
        it was stopped or has lost a process, takes from there what is known and goes on after the last whole pass; the
        number of processes may differ. The first process writes and reads it. The table must not change meanwhile.

    Raises
    ------
    InputError
        The source is of another kind, or can be read only once; or, while it is read, a batch lacks columns
        of the first one or has others, or has no target in a row; the message names the batch. Or nothing has rows.
    FileError
        There is no such file, it is damaged, or no file has rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> parts = [(rng.random((100, 2)), rng.random(100)) for _ in range(3)]
    >>> [batch.name for batch in Batches(parts)]
    ['batch 1', 'batch 2', 'batch 3']
    """

    def __init__(
        self,
        source: Any,
        target: str | Sequence[str] | None = None,
        *,
        weight: str | None = None,
        columns: str | Sequence[str] | None = None,
        group: str | None = None,
        batch_rows: int = BATCH_ROWS,
        # Structure that 100,000 rows do not show is not worth a search, and 100 columns of them take 80 MB.
        sample_rows: int = 100_000,
        checkpoint: str | os.PathLike[str] | Journal | None = None,
    ) -> None:
        # The columns and the sizes of batches.
        self.source = source
        self.targets = _names_of(target) or ()
        self.target = target
        self.weight = weight
        self.group = group
        self.columns = _names_of(columns)
        self.batch_rows = check_count(batch_rows, "batch_rows")
        self.sample_rows = check_count(sample_rows, "sample_rows", 2)
        # What an interrupted pass keeps.
        if not (checkpoint is None or is_path(checkpoint) or isinstance(checkpoint, Journal)):
            raise InputError(f"checkpoint must be a folder, got {type(checkpoint).__name__}")
        self.checkpoint = checkpoint
        self._part: tuple[float, int, bool] | None = None
        self._drops_unknown = self._drops_groups = False
        # The kind of source.
        paths = _paths(source)
        self.paths: tuple[Path, ...] = ()
        if paths is None and _is_dataset(source):
            self._needs_target("a data set")
        elif hasattr(source, "to_delayed") and hasattr(source, "columns"):
            self._needs_target("a Dask DataFrame")
            self.source = Partitions.of(source)
        elif hasattr(source, "to_delayed"):
            raise InputError(
                f"source must be a DataFrame where it is of Dask, got {type(source).__name__}; "
                "dask.dataframe.from_dask_array makes one of an array"
            )
        elif paths is not None:
            self._needs_target("a Parquet file")
            self.paths = paths
        elif (
            is_frame(source)
            or isinstance(source, np.ndarray | dict)
            or _is_tensor(source)
            or not hasattr(source, "__iter__")
        ):
            raise InputError(
                "source must be Parquet files, a data set or an iterable of batches, got "
                f"{type(source).__name__}; a table that is in memory goes to fit(X, y)"
            )
        elif not _is_loader(source) and iter(source) is source:  # iter() of a loader draws random numbers
            raise InputError(
                "source must give its batches again each time it is iterated over, as a list or a DataLoader does, got "
                f"{type(source).__name__}, which ends after one pass"
            )

    def _needs_target(self, kind: str) -> None:
        if not self.targets:
            raise InputError(f"target must name the column of {kind} to predict, got None")

    def __repr__(self) -> str:
        return f"Batches({self.source!r}, target={self.target!r})"

    def held(self, batch: Batch, share: float, seed: int) -> np.ndarray:
        """Return which rows of a batch belong to the second table of `divided`, (n,)."""
        return in_share(row_keys(batch.units, seed), share)

    def divided(self, share: float, seed: int) -> tuple[Batches, Batches]:
        """Return two tables in batches: the rows without a share of them chosen at random, and that share.

        Which rows are chosen depends on the seed and on their place in the table alone, not on batches or processes; of
        groups, on their labels.

        Examples
        --------
        >>> whole = Batches([(np.zeros((1000, 1)), np.zeros(1000))])
        >>> [sum(len(batch) for batch in part) for part in whole.divided(0.2, seed=0)]
        [804, 196]
        """
        kept = copy(self)
        kept._part = (share, seed, False)
        held = copy(self)
        held._part = (share, seed, True)
        return kept, held

    def with_columns(self, columns: Sequence[str]) -> Batches:
        """Return the same rows with these input columns alone."""
        narrow = copy(self)
        narrow.columns = tuple(columns)
        return narrow

    def without_groups(self) -> Batches:
        """Return the same rows, each of which is a group of its own where candidates are compared."""
        single = copy(self)
        single._drops_groups = True
        return single

    def with_known_targets(self) -> Batches:
        """Return the rows whose target is known, in place of an error for the others; rows keep their numbers.

        Examples
        --------
        >>> whole = Batches([(np.zeros((3, 1)), np.array([1.0, np.nan, 2.0]))])
        >>> [batch.ids.tolist() for batch in whole.with_known_targets()]
        [[0, 2]]
        """
        known = copy(self)
        known._drops_unknown = True
        return known

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches that this process is to read, see `edgewise.processes`: all, where there is one process."""
        from edgewise.processes.team import process_and_count

        return self.part(*process_and_count())

    def part(self, process: int, count: int) -> Iterator[Batch]:
        """Yield the batches of one of `count` processes, each of which reads a part of the table.

        Files are divided by their row groups, data sets by their fragments, and everything else by batches.
        """
        if hasattr(self.source, "part"):  # it yields batches in this form
            yield from self.source.part(process, count)
            return
        if count > 1 and _is_loader(self.source):
            _check_sampler(self.source)
        first = 0
        kinds: dict[str, str] = {}
        units = self._units()
        # A unit of known length that another process reads only moves the numbers of the rows on.
        for number, unit in enumerate(units):
            if unit.rows is not None and number % count != process:
                first += unit.rows
                continue
            for place, raw in enumerate(unit.read(), start=1):
                if is_frame(raw) and not (raw.num_rows if hasattr(raw, "num_rows") else len(raw)):
                    continue  # as an empty file, which has no batch
                name = f"batch {place}{unit.name and f' of {unit.name}'}"
                batch = self._checked(raw, name, first, kinds)
                first += len(batch)
                if unit.rows is None and (place - 1) % count != process:
                    continue
                # The rows of this part of the table, with known targets where that is asked.
                chosen = np.ones(len(batch), dtype=bool)
                if self._drops_unknown:
                    chosen = ~_unknown(batch.y)
                if self._part is not None:
                    share, seed, held = self._part
                    chosen &= self.held(batch, share, seed) == held
                if not chosen.all():
                    batch = batch.take(chosen)
                if self._drops_groups:
                    batch = replace(batch, groups=None)
                if len(batch):
                    yield batch

    @property
    def rows(self) -> int | None:
        """Number of rows, where files say it without being read; else None."""
        if self._part is not None:
            return None
        counts = [unit.rows for unit in self._units()]
        if None in counts:
            return None
        return sum(count or 0 for count in counts)

    def _units(self) -> list[_Unit]:
        """Return the parts that can be read by themselves, in order."""
        if self.paths:
            units = [unit for path in self.paths for unit in _parquet_units(path, self._wanted, self.batch_rows)]
            if not units:
                place = self.source if is_path(self.source) else self.paths[0]
                raise FileError(f"{place}: at least one row of data was expected, got column names only")
            return units
        if isinstance(self.source, Partitions):
            return [
                _Unit(f"partition {number + 1}", rows, partial(self.source.read, number, self.batch_rows))
                for number, rows in enumerate(self.source.lengths)
            ]
        if _is_dataset(self.source):
            units = []
            for number, fragment in enumerate(self.source.get_fragments(), start=1):
                read = partial(fragment.to_batches, columns=self._wanted, batch_size=self.batch_rows)
                units.append(_Unit(f"fragment {number}", fragment.count_rows(), read))
            return units
        if _is_loader(self.source):
            from edgewise.train.loop.batches import repeated  # imported late: it needs torch, a table does not

            return [_Unit("", None, partial(repeated, self.source))]
        return [_Unit("", None, lambda: self.source)]

    @property
    def _wanted(self) -> list[str] | None:
        """Columns to read; None for all."""
        if self.columns is None:
            return None
        return [*self.columns, *self._special]

    @property
    def _special(self) -> list[str]:
        """Columns that are no inputs."""
        return [*self.targets, *(name for name in (self.weight, self.group) if name)]

    def _checked(self, raw: Any, name: str, first: int, kinds: dict[str, str]) -> Batch:
        """Return a batch in the one form; `kinds` has those of the columns of the batches before, and is extended."""
        try:
            if is_frame(raw):
                table, y, weight, labels = self._of_frame(raw, kinds)
            else:
                table, y, weight = _of_arrays(raw)
                labels = None
                _check_kinds(table, kinds)
                for argument in ("target", "weight", "columns", "group"):
                    if (value := getattr(self, argument)) is not None:
                        raise InputError(f"{argument} must be left out where batches are arrays, got {value!r}")
            judged = y
            if self._drops_unknown:
                judged = y[~_unknown(y)]
            _check_numbers(judged, weight, len(table))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        # Numbers of the rows in the whole table, from which random choices follow.
        ids = np.arange(first, first + len(table), dtype=np.uint64)
        groups = None
        if labels is not None:
            groups = group_numbers(labels, ids)
        return Batch(replace(table, source=name), y, weight, name, ids, is_frame(raw), groups)

    def _of_frame(
        self, raw: Any, kinds: dict[str, str]
    ) -> tuple[Table, np.ndarray, np.ndarray | None, np.ndarray | None]:
        self._needs_target("frames")
        # The columns that are read must be there, those that are no inputs with usable values.
        whole = frame_table(raw, "a batch")
        if self._wanted is not None:
            _check_names(whole.names, self._wanted, "the columns")
            whole = whole.select(self._wanted)
        for column in self._special:
            _check_names(whole.names, [column], "the column")
            if column in whole.refused:
                raise InputError(f"column {quoted(column)} must hold numbers or text, got {whole.refused[column]}")
        _check_kinds(whole, kinds)
        # Inputs, targets, weights and labels of groups apart.
        y = [whole.columns[column] for column in self.targets]
        target = y[0] if isinstance(self.target, str) else np.stack(y, 1)
        weight, labels = (None if name is None else whole.columns[name] for name in (self.weight, self.group))
        return whole.drop(self._special), target, weight, labels


def _names_of(columns: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of one column or several as a tuple; None stays None, all columns."""
    if columns is None:
        return None
    if isinstance(columns, str):
        return (columns,)
    return tuple(columns)


def _paths(source: Any) -> tuple[Path, ...] | None:
    """Return the Parquet files that a path, a pattern or several of them name; None for anything else."""
    if is_sequence(source) and source and all(map(is_path, source)):
        return tuple(path for one in source for path in _paths(one) or ())
    if not is_path(source):
        return None
    # One file, or those of a folder or a pattern.
    text = os.fspath(source)
    is_pattern = glob.has_magic(text) and not os.path.exists(text)  # a file may have brackets in its name
    if not os.path.isdir(text) and not is_pattern:
        return (Path(text),)
    paths = parquet_files(source)
    if not paths:
        raise FileError(f"{text}: at least one Parquet file was expected, got none")
    return paths


def _is_dataset(source: object) -> bool:
    return type(source).__module__.partition(".")[0] == "pyarrow" and hasattr(source, "get_fragments")


def _parquet_units(path: Path, columns: list[str] | None, batch_rows: int) -> list[_Unit]:
    """Return the row groups of a Parquet file that have rows. Raises FileError, MissingExtraError."""
    names, groups = names_and_rows(path)
    known = set(names)
    wanted = names
    if columns is not None:
        wanted = [name for name in columns if name in known]
    units = []
    for number, rows in enumerate(groups):
        title = path.name
        if len(groups) > 1:
            title += f", row group {number + 1}"
        if rows:
            units.append(_Unit(title, rows, partial(parquet_batches, path, wanted, batch_rows, [number])))
    return units


def columns_and_rows(paths: Sequence[Path]) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns of the first of some Parquet files, and the rows of all; only ends are read."""
    ends = [names_and_rows(path) for path in paths]
    return tuple(ends[0][0]), sum(sum(groups) for _, groups in ends)


def table_parts(paths: Sequence[Path]) -> Iterator[Table]:
    """Yield the rows of Parquet files in order, as tables that number them from 1, one of them in memory at a time."""
    first = 0
    kinds = dict[str, str]()
    for unit in [unit for path in paths for unit in _parquet_units(path, None, BATCH_ROWS)]:
        for place, raw in enumerate(unit.read(), start=1):
            name = f"batch {place} of {unit.name}"
            try:
                table = frame_table(raw, "a batch")
                _check_kinds(table, kinds)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            yield replace(table, rows=np.arange(first + 1, first + 1 + len(table)), source=name)
            first += len(table)


def _is_tensor(part: Any) -> bool:
    """Return whether a value is a tensor of torch, which is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(part, torch.Tensor)


def _is_loader(source: Any) -> bool:
    """Return whether a source is a DataLoader of torch, which is not imported for it."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(source, data.DataLoader)


def _check_sampler(loader: Any) -> None:
    """Raise InputError where the loader gives each process a part already."""
    from edgewise.train.loop.batches import samplers_of  # imported late: it needs torch, a table does not

    distributed = sys.modules.get("torch.utils.data.distributed")
    if distributed and any(isinstance(one, distributed.DistributedSampler) for one in samplers_of(loader)):
        raise InputError(
            "a DataLoader must be without a DistributedSampler, as each process takes its own batches of all, got one "
            "with it"
        )


def _array(part: Any) -> np.ndarray:
    """Return an array or a tensor as an array; tensors of any precision become float64."""
    if not _is_tensor(part):
        return np.asarray(part)
    tensor = part.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.double()
    return np.asarray(tensor.numpy())


def _of_arrays(raw: Any) -> tuple[Table, np.ndarray, np.ndarray | None]:
    """Return inputs, targets and weights of a batch (X, y) or (X, y, weight)."""
    if not is_sequence(raw) or len(raw) not in (2, 3):
        raise InputError(f"a batch must be a frame, (X, y) or (X, y, weight), got {type(raw).__name__}")
    # The shapes must agree, and the inputs be finite but for NaN.
    parts = [_array(part) for part in raw]
    x = parts[0]
    y = parts[1]
    if x.ndim != 2 or x.dtype.kind not in "fiub":
        raise InputError(f"X must be numbers of shape (rows, inputs), got {x.dtype} of shape {x.shape}")
    if not x.shape[1]:
        raise InputError("X must have at least one column, got none")
    if y.ndim not in (1, 2) or len(y) != len(x) or (len(parts) == 3 and parts[2].shape != (len(x),)):
        shapes = " and ".join(str(part.shape) for part in parts[1:])
        raise InputError(f"y and weight must have a value for each of the {len(x)} rows, got shapes {shapes}")
    x = x.astype(np.float64)
    if not np.isfinite(x).all() and np.isinf(x).any():
        row, column = np.argwhere(np.isinf(x))[0]
        raise InputError(f"X must hold finite numbers, got {x[row, column]} in row {row + 1} of column {column + 1}")
    # Columns x1, x2, ... in double precision.
    names = numbered("x", x.shape[1])
    weight = None
    if len(parts) == 3:
        weight = parts[2].astype(np.float64)
    if y.dtype.kind == "f":
        y = y.astype(np.float64)
    return Table(names, {name: x[:, number] for number, name in enumerate(names)}), y, weight


def _check_names(names: Iterable[str], wanted: Sequence[str], words: str) -> None:
    lacking = [name for name in wanted if name not in set(names)]
    if lacking:
        raise InputError(
            f"a batch must have {words} {', '.join(map(quoted, wanted[:6]))}, got none called {quoted(lacking[0])}"
        )


def _check_kinds(table: Table, kinds: dict[str, str]) -> None:
    """Compare columns with those of the batches before; the kind of a column without any value is not known yet, ""."""
    if kinds and set(kinds) != set(table.names):
        other = sorted(set(kinds) ^ set(table.names))[0]
        there = "those have" if other in kinds else "those don't have"
        raise InputError(f"a batch must have the columns of the batches before; {there} {quoted(other)}")
    # A column whose cells were all missing so far takes the kind of the first batch with a value.
    for name in table.names:
        kind = _kind(table.columns.get(name))
        known = kinds.setdefault(name, kind)
        if kind and known and kind != known:
            words = {"f": "numbers", "O": "text", "M": "dates"}
            expected = words.get(known, "values of another type")
            got = words.get(kind, "values of another type")
            raise InputError(f"column {quoted(name)} must hold {expected} as in the batches before, got {got}")
        kinds[name] = known or kind


def _kind(column: np.ndarray | None) -> str:
    """Return the kind of a column's cells, "" where all are missing."""
    if column is None:
        return "refused"
    if missing(column[:1]).all() and missing(column).all():
        return ""
    return column.dtype.kind


def _unknown(y: np.ndarray) -> np.ndarray:
    """Return which rows lack a target, (n,)."""
    return np.asarray(missing(y).reshape(len(y), -1).any(axis=1))


def _check_numbers(y: np.ndarray, weight: np.ndarray | None, rows: int) -> None:
    """Raise InputError where a target is not known, or a weight is no number of at least 0."""
    is_known = ~missing(y)
    if y.dtype.kind == "f":
        is_known = np.isfinite(y)
    lost = int((~is_known).sum())
    if lost:
        if y.dtype.kind == "f":
            expected = "finite numbers"
        else:
            expected = "a label in every row"
        raise InputError(f"the target must hold {expected}, got {lost} of {rows} that are missing or infinite")
    if weight is not None and not (weight.dtype.kind == "f" and np.isfinite(weight).all() and weight.min() >= 0):
        raise InputError("weights must be finite numbers of at least 0, got others")
