"""Fits to tables in batches: the first pass, the fit to its sample, and the sums over all rows (`fit_in_batches`)."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader

from edgewise.errors import FileError, InputError
from edgewise.estimator.base import CLIP
from edgewise.estimator.columns.reading import ArrayFunction
from edgewise.estimator.explaining import FARTHEST_INPUT
from edgewise.estimator.task import numeric_targets
from edgewise.files.journal import FOLDER, Journal, Part
from edgewise.gam.families.base import Family
from edgewise.outcomes import Budget, StopReason
from edgewise.processes.dask_team import DaskTeam
from edgewise.processes.team import Team
from edgewise.search.all_rows import AllRows
from edgewise.search.policy import SearchSettings
from edgewise.search.validation import RowPart
from edgewise.tables import AffineScaling, InputEncoder
from edgewise.tables.batches import Batch, Batches, Survey
from edgewise.tables.batches.groups import row_keys
from edgewise.tables.batches.partitions import Partitions
from edgewise.tables.batches.survey import Sampler
from edgewise.tables.table import InBatches

if TYPE_CHECKING:
    from edgewise.estimator.base import KANEstimator

Sums = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class SurveyedTable:
    """A table in batches after its first pass; the team sums over its batches, and the journal keeps the sums."""

    team: Team
    survey: Survey
    batches: Batches
    journal: Journal | None = None

    def all_rows(self, estimator: KANEstimator, settings: SearchSettings, total: float) -> AllRows | None:
        """Return the sums over all rows, as an estimator reads them; None where the sample has them all."""
        # All rows count as those of the sample do, whose weights have the sum `total`: as many as are independent.
        given = self.survey.sample.weight
        factor = total / (len(self.survey.sample) if given is None else given.sum())

        def rows(function: Callable[..., Sums]) -> NetworkRows:
            return NetworkRows(
                function,
                estimator.encoder_,
                estimator.input_scaling_,
                estimator._network_targets(),
                CLIP if settings.is_fixed else FARTHEST_INPUT,
                settings.family,
                factor,
            )

        return all_rows(self, rows, factor, settings.seed)


def began_after(settings: SearchSettings, now: float) -> float | None:
    """Return when the time of a fit whose first pass ends now is to count from, see `SearchSettings.began`."""
    if settings.time_limit is None or settings.began is None:
        return settings.began
    # The first pass counts for half of the time limit at most, so that as much is left for the search and for the sums.
    return max(settings.began, now - 0.5 * settings.time_limit)


@dataclass(frozen=True)
class FirstPass:
    """The first pass over the batches of a process, see `Sampler`; the family decides which targets are allowed."""

    size: int
    seed: int
    has_labels: bool
    family: Family

    def __call__(self, batches: Iterable[Batch]) -> Sampler:
        sampler = Sampler(self.size, self.seed, has_labels=self.has_labels)
        for batch in batches:
            if not self.has_labels:
                _numbers(batch, self.family)
            sampler.add(batch)
        sampler.shorten()  # before it travels
        return sampler


@dataclass(frozen=True)
class SumPass:
    """Sum of a function over the batches of a process; None where the process has no batch.

    After `seconds` it raises OutOfTime. They count from the beginning of the pass, or from `began` by the clock
    `time.time`, which is for workers that answer one after another.
    """

    of_batch: Callable[[Batch], Sums]
    seconds: float = math.inf
    began: float | None = None

    def __call__(self, batches: Iterable[Batch]) -> Sums | None:
        if self.began is None:
            gone = 0.0
        else:
            gone = time.time() - self.began
        sums = None
        budget = Budget(self.seconds - gone)
        for batch in batches:
            budget.check()
            found = self.of_batch(batch)
            if sums is None:
                sums = found
            else:
                sums = tuple(a + b for a, b in zip(sums, found, strict=True))
        return sums


@dataclass(frozen=True)
class NetworkRows:
    """A function of a batch: its rows become scaled inputs and targets, of which another function gives sums."""

    function: Callable[..., Sums]  # function of inputs, targets and weights, see `RowSum`
    encoder: InputEncoder
    inputs: AffineScaling
    target: ArrayFunction  # from targets to those of the network
    farthest: float  # scaled inputs are clipped here
    family: Family  # for the check of the targets
    factor: float  # weights are multiplied by it
    part: RowPart | None = None  # the rows; all by default

    def __call__(self, batch: Batch) -> Sums:
        """Return the sums of a batch. Raises InputError, which names it."""
        try:
            x = self.encoder.inputs_of(self.encoder.codes(batch.table))
        except InputError as error:
            raise InputError(f"{batch.name}: {error}") from error
        # Inputs and targets of the network, and weights that count a row as one of the sample does.
        y = self.target(batch.y if self.family.is_classes else _numbers(batch, self.family))
        with np.errstate(over="ignore"):  # values that overflow are clipped
            x = np.clip(self.inputs.transform(x), -self.farthest, self.farthest)
        if batch.weight is None:
            weight = np.ones(len(batch))
        else:
            weight = batch.weight * self.factor
        # Of a part of the rows, chosen by hashes that do not depend on how batches divide the table.
        if self.part is not None:
            chosen = self.part.chosen(row_keys(batch.units, self.part.seed))
            x = x[chosen]
            y = y[chosen]
            weight = weight[chosen]
        return self.function(x, y, weight)


def fit_in_batches(
    estimator: KANEstimator, X: InBatches | DataLoader[Any], settings: SearchSettings, given: dict[str, Any]
) -> None:
    """Fit an estimator to a table in batches; `given` are the arguments of fit that it must not have beside X."""
    if not settings.family.is_sum_of_rows:
        raise InputError(f"X must be rows in memory for {type(estimator).__name__}, got a table in batches")
    # Processes other than the first only answer requests for sums, and take over the fitted model at the end.
    batches = X if isinstance(X, Batches) else Batches(X)
    team = team_of(batches)
    if team.number > 0:
        for name, value in team.serve().items():
            setattr(estimator, name, value)
        return
    with team.leading(lambda: vars(estimator)):
        # The first pass draws a sample, to which the usual search is fitted; the chosen model is refitted to sums over
        # all rows.
        others = {**given, "class_weight": estimator.get_params().get("class_weight")}
        # What decides the results of passes over the table: not the time, the threads or what is shown of them.
        run = {**estimator.get_params(), "kind": type(estimator).__name__, "random_state": settings.seed}
        for name in ("time_limit", "n_jobs", "verbose"):
            run.pop(name, None)
        with unfinished_fit(batches, run) as journal:
            table = survey_of(batches, team, settings, others, journal, has_labels=settings.family.is_classes)
            sample = table.survey.sample
            names = sample.table.names
            columns = [sample.table.columns[name] for name in names]
            rows = sample.table if sample.is_named else np.stack(columns, 1)
            settings = replace(settings, survey=table, began=began_after(settings, time.monotonic()))
            estimator._fit(settings, rows, sample.y, sample.weight, sample.groups)
            is_whole = estimator.search_.stopped is not StopReason.INTERRUPTED
            if journal is not None and journal is not batches.checkpoint and is_whole:
                journal.remove()
        estimator._training_rows = table.survey.rows
        if sample.is_named and batches.targets:
            estimator.target_names_ = batches.targets


def team_of(batches: Batches) -> Team:
    """Return the processes that sum over a table: Dask's workers for a table of Dask, else those of this machine."""
    source = batches.source
    if isinstance(source, Partitions):
        return DaskTeam(source.answer(batches), source.frames)
    return Team(lambda request: request(batches))


@contextmanager
def unfinished_fit(batches: Batches, run: dict[str, Any]) -> Iterator[Journal | None]:
    """Yield the journal of a fit to a table in batches, with the results of an interrupted fit; None without a journal.

    `run` has what determines the result of the fit beside the table, by name. The body removes the journal where the
    fit has ended well; one that was given in place of a folder is left to its owner. FileError where the folder has the
    journal of another fit, or cannot be written.
    """
    if batches.checkpoint is None or isinstance(batches.checkpoint, Journal):
        yield batches.checkpoint
        return
    # A journal goes on only with a fit of the same table and parameters by the same version.
    package = sys.modules[__name__.partition(".")[0]]
    facts = {
        "targets": batches.targets,
        "weight": batches.weight,
        "columns": batches.columns,
        "sample_rows": batches.sample_rows,
        "number of rows": batches.rows,
        "version of Edgewise": package.__version__,
    }
    journal = Journal(
        Path(batches.checkpoint) / FOLDER, {**{name: repr(value) for name, value in run.items()}, **facts}
    )
    if journal.exists:
        journal.resume()
    try:
        yield journal
    except BaseException:
        with suppress(FileError):  # what ended the fit, such as a full disk, is the message
            journal.write()
        raise
    if journal.exists:  # interrupted, but with a result
        journal.write()
    else:
        with suppress(OSError):  # it is there no longer, or has other files
            Path(batches.checkpoint).rmdir()


def survey_of(
    batches: Batches,
    team: Team,
    settings: SearchSettings,
    others: dict[str, Any],
    journal: Journal | None,
    *,
    has_labels: bool,
) -> SurveyedTable:
    """Make the first pass, or take it from the journal.

    `others` are the arguments of fit beside X, and the parameters, that need all rows in memory: InputError where one
    of them is given, or a batch cannot be read.
    """
    # Arguments of a length that only rows in memory have are refused.
    for name, value in others.items():
        if value is not None:
            if name == "class_weight":
                hint = "; a column of weights does the same, which Batches(..., weight=) names"
            else:
                hint = "; Batches(..., target=, weight=, group=) names such columns"
            raise InputError(f"{name} must be left out where X is in batches, got {type(value).__name__}{hint}")
    # The first pass of an interrupted fit, or a new one.
    if journal is not None and (known := journal.recall("first pass")) is not None:
        try:
            return SurveyedTable(team, Survey.of(known), batches, journal)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise FileError(f"{journal.folder} must hold a first pass over a table, got another; remove it") from error
    survey = team.joined(FirstPass(batches.sample_rows, settings.seed, has_labels, settings.family)).survey()
    if journal is not None:
        journal.keep("first pass", survey.part())
    return SurveyedTable(team, survey, batches, journal)


def _numbers(batch: Batch, family: Family) -> np.ndarray:
    """Return the targets of a batch, (n, m). Raises InputError, which names it, for a target outside the family."""
    try:
        return np.asarray(numeric_targets(batch.y, family), dtype=np.float64).reshape(len(batch), -1)
    except InputError as error:
        raise InputError(f"{batch.name}: {error}") from error


def all_rows(
    table: SurveyedTable, rows: Callable[[Callable[..., Sums]], NetworkRows], factor: float, seed: int
) -> AllRows | None:
    """Return the sums over all rows of a table for `auto_fit`; None where the sample holds them all.

    `rows` turns a function of scaled rows into one of a batch, with weights multiplied by `factor`; the seed divides
    the rows for means of models.
    """
    survey = table.survey
    journal = table.journal
    if survey.is_whole:
        return None
    # A function whose sums are in a journal is known again by those of a few rows of the sample, to a millionth of the
    # largest: the same search on another machine or number of threads differs by rounding.
    few = survey.sample.take(np.arange(min(len(survey.sample), 256)))

    def total(function: Callable[..., Sums], seconds: float, part: RowPart | None) -> Sums:
        of_batch = replace(rows(function), part=part)
        if journal is None:
            of_few = []
        else:
            of_few = _summary(of_batch(few))
        # Sums that the journal has are those of this function if both agree on a few rows of the sample.
        while journal is not None and (known := journal.recall("sums")) is not None:
            arrays = tuple(known.arrays[name] for name in sorted(known.arrays, key=int))
            there = known.facts["of few"]
            if len(there) == len(of_few) and np.abs(np.subtract(there, of_few)).max() <= 1e-6 * np.abs(of_few).max():
                return arrays
        # Else the sums over all batches of all processes.
        began = time.time() if isinstance(table.team, DaskTeam) else None
        sums = table.team.summed(SumPass(of_batch, seconds, began))
        if journal is not None:
            journal.keep("sums", Part({"of few": of_few}, {str(number): one for number, one in enumerate(sums)}))
        return sums

    def read() -> Iterator[Sums]:
        arrays = rows(lambda x, y, weight: (x, y, weight))
        return (arrays(batch) for batch in table.batches.part(0, 1))

    return AllRows(total, survey.total * factor, survey.rows, seed, read)


def _summary(sums: Sums) -> list[float]:
    """Return two numbers for each array, by which a function of rows is known again."""
    return [
        value for one in map(np.ravel, sums) for value in (float(one.sum()), float(one @ np.cos(np.arange(len(one)))))
    ]
