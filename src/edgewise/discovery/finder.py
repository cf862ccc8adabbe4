"""`find_formula`: from a table of inputs and a target to a front of formulas, from short to accurate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import check_count, check_names, check_number
from edgewise.discovery.arguments import (
    checked_data,
    checked_options,
    column_names,
    rows_with_weight,
    target_name,
)
from edgewise.discovery.curves.stage import curve_laws, simple_sums
from edgewise.discovery.decide import decided_front
from edgewise.discovery.engine.archive import Archive
from edgewise.discovery.engine.recording import Recording, data_name
from edgewise.discovery.engine.running import Engine, Stages
from edgewise.discovery.enumeration.stage import enumerated, short_laws
from edgewise.discovery.knowledge.boundaries import ClassLoss, ClassSearch
from edgewise.discovery.knowledge.families import FamilySearch, GroupLoss, Groups, checked_groups
from edgewise.discovery.knowledge.powers_of_ten import (
    check_sizes,
    divided,
    in_divided_units,
    in_original_units,
    power_of_ten,
    target_power,
)
from edgewise.discovery.knowledge.structured import StructureSearch
from edgewise.discovery.knowledge.templates import read_template
from edgewise.discovery.least_squares.laws import least_squares_laws
from edgewise.discovery.least_squares.separable import separable_laws
from edgewise.discovery.losses import Judgement
from edgewise.discovery.operon import evolved_by_operon
from edgewise.discovery.problem import FormulaOptions, LawProblem, Stage
from edgewise.discovery.reduction.chain import reductions
from edgewise.errors import InputError
from edgewise.files.journal import Journal
from edgewise.formulas.expression import Expression, Number
from edgewise.formulas.front import Front
from edgewise.formulas.printing import as_text
from edgewise.listeners import check_progress, reported
from edgewise.outcomes import Budget, Progress, ProgressCallback, StopReason
from edgewise.search.jobs import one_blas_thread


@dataclass(frozen=True)
class FinderSettings:
    """Rows of a search and of a decision, and shares of its work."""

    # Rows in which laws are looked for, and those by which they are decided, with the held-out ones: the time of all
    # stages is proportional to the first, and constants are known well enough from the second.
    most_searched_rows: int = 2000
    most_deciding_rows: int = 8000
    held_out: float = 0.3  # Share of the rows that no stage sees.
    search_share: float = 0.85  # Share of the work for the stages; the rest is for constants and shorter forms.
    more_share: float = 0.3  # Share of the work that is left for expressions from elsewhere.


SETTINGS = FinderSettings()
USUAL_SECONDS = 60.0  # for which a core works where no limit is set
ALL_STAGES = Stages(
    first=(simple_sums,),
    quick=(short_laws, separable_laws, least_squares_laws),
    reduce=reductions,
    enumerate=enumerated,
    smooth=curve_laws,
)


More = Callable[[LawProblem, Budget], Iterable[Expression]]
"""Expressions from elsewhere, such as a network; they are judged like those of the stages."""


def find_formula(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    time_limit: float | None = None,
    options: FormulaOptions | None = None,
    seed: int = 0,
    progress: ProgressCallback | bool = False,
) -> Front:
    """Find formulas for y in terms of the columns of x.

    Least squares comes first, then reductions to laws of fewer inputs, the enumeration of short expressions, and models
    of curves. Every formula is judged on rows held out from the search. The search ends soon after an exact formula, or
    a short one whose residuals are noise.

    Parameters
    ----------
    x : array_like or frame, shape (N, inputs)
        The inputs, finite, at least 20 rows; the columns of a frame keep their names.
    y : array_like, shape (N,)
        The target, finite. Of booleans the formulas are those of the log-odds of True, whose zero is the boundary.
    names : sequence of str, optional
        Names of the inputs; by default those of a frame's columns, else x1, x2, ...
    time_limit : float, optional
        Seconds, at most; as much work is planned as a core does in them. A search that reaches the limit returns what
        it has, with a message. Without a limit, work of about a minute is planned, and equal calls give equal
        results however busy the machine is.
    options : FormulaOptions, optional
        What a law may be made of: operators, size, nesting, units, formulas to start from, weights of rows.
    seed : int
        Seed of the split into rows to fit and rows held out.
    progress : bool or callable
        True shows a line with the stage and the time on terminals and in notebooks. A function receives a `Progress` at
        every stage with the best formula so far; its share is that of the planned work.

    Returns
    -------
    Front
        Formulas by complexity and error. `front.best` is the recommended one; `front.stopped` and `front.messages`
        give the reason why the search ended.

    Raises
    ------
    InputError
        An argument is not as described.
    KeyboardInterrupt
        Ctrl-C, unless ``options.on_interrupt`` is "keep".

    See Also
    --------
    edgewise.symbolify : formulas of a trained network, edge by edge.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import find_formula
    >>> x = np.random.default_rng(0).uniform(1, 2, (300, 2))
    >>> front = find_formula(x, 3 * np.sin(x[:, 0]) / x[:, 1], names=["angle", "length"])
    >>> print(front.best.formula)
    3*sin(angle)/length
    >>> front.stopped.value
    'converged'
    """
    # Arguments are checked once, here.
    columns = column_names(x)
    if names is None:
        names = columns
    x, targets = checked_data(x, y)
    if time_limit is not None:
        check_number(time_limit, "time_limit", of=" of seconds")
    check_count(seed, "seed", 0)
    names = check_names(names, x.shape[1])
    options = checked_options(options, names, len(targets))
    check_progress(progress, has_line=True)
    with reported(progress, "find_formula") as report:
        budget = planned_budget(time_limit, USUAL_SECONDS)
        search = Search(x, targets, names, options, budget, seed, report, target=target_name(y))
        if np.asarray(y).dtype == bool:
            return class_law(search)
        return _front(search)


def planned_budget(time_limit: float | None, usual: float, outputs: int = 1) -> Budget:
    """The work for one of some outputs that share a limit in seconds or, without one, the work of `usual` seconds."""
    if time_limit is not None:
        time_limit /= outputs
    return Budget.planned(time_limit, usual / outputs)


def _front(search: Search) -> Front:
    """The front of a search, of rows with a weight above 0 and of columns that are divided where they are extreme."""
    x, y, options = rows_with_weight(search.x, search.y, search.options)
    # Powers of ten of columns whose squares would overflow or underflow.
    powers = [power_of_ten(column, name) for column, name in zip(x.T, search.names, strict=True)]
    target = target_power(y)
    search = replace(search, x=x, y=y, options=options)
    if options.structure or options.groups is not None:
        check_sizes(x, y, search.names)
    if options.groups is not None:
        return _family(search)
    if not any((*powers, target)):
        return search.front()
    # The search in divided units; its front is written in those of the caller.
    guesses = tuple(in_divided_units(guess, powers, target) for guess in options.guesses)
    columns = np.column_stack([divided(column, power) for column, power in zip(x.T, powers, strict=True)])
    search = replace(search, x=columns, y=divided(y, target), options=replace(options, guesses=guesses))
    return in_original_units(search.front(), powers, target, x, y)


def class_law(search: Search, log_odds: np.ndarray | None = None) -> Front:
    """The front of formulas of the log-odds of y = 1, see `ClassSearch`; `log_odds` (N,) of a model are the start."""
    options = search.options
    y = search.y
    if options.structure or options.groups is not None:
        raise InputError("options must have no structure and no groups where y has classes")
    if len(np.unique(y)) < 2:
        raise InputError("y must have rows of both classes, got one class")
    check_sizes(search.x, y, search.names)
    # A random subset of rows of a weight above 0, of which a share is held out.
    order = np.random.default_rng(search.seed).permutation(len(y))[: SETTINGS.most_deciding_rows]
    if options.weights is not None:
        order = order[options.weights[order] > 0]
    kept, held = _split(order)
    parts = _Parts(search)

    def of_response(target: np.ndarray, weights: np.ndarray, budget: Budget) -> list[Expression]:
        if parts.is_interrupted:  # the laws so far are kept
            return []
        part, front = parts.searched(search.x[kept], target, weights, budget)
        assert part.archive is not None, "a search that has a front has an archive"
        return [*(entry.formula.expression for entry in front), *part.archive.candidates]

    if log_odds is None:
        log_odds = np.zeros(len(y))
    judgement = Judgement(ClassLoss(search.problem(kept, held), search.budget))
    return parts.front(judgement, ClassSearch(judgement, of_response, log_odds[kept]))


@dataclass
class _Parts:
    """Searches of other targets or of some rows, of which a front of another loss is made."""

    search: Search  # that of the whole
    is_interrupted: bool = False  # whether Ctrl-C has ended one of them

    def searched(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray, budget: Budget) -> tuple[Search, Front]:
        """A search of rows x (N, inputs) with a target and weights (N,), and its front."""
        options = replace(self.search.options, weights=weights)
        part = replace(self.search, x=x, y=y, options=options, budget=budget)
        front = part.front()
        self.is_interrupted = self.is_interrupted or front.stopped == StopReason.INTERRUPTED
        return part, front

    def front(self, judgement: Judgement, proposals: Stage) -> Front:
        """The front of what a stage proposes under a loss, with the reason why the search ended."""
        budget = self.search.budget
        engine = Engine(judgement, budget, Stages(quick=(), search=proposals))
        with budget.holds():
            # One free constant: a front has a formula, whatever a stage proposes
            judgement.judge(Number(1.5), "constant")
            engine.run()
            front = judgement.decided(engine.messages)
        if self.is_interrupted:
            messages = (*front.messages, StopReason.INTERRUPTED.sentence)
            return replace(front, stopped=StopReason.INTERRUPTED, messages=messages)
        if judgement.solved is not None:
            return with_limit(front, Budget())
        return with_limit(front, budget)


def _split(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit and held-out ones, ascending, of rows in a random order."""
    count = max(1, round(SETTINGS.held_out * len(order)))
    return np.sort(order[count:]), np.sort(order[:count])


def with_limit(front: Front, budget: Budget) -> Front:
    """The front with the limit that has ended its search, if one has, and a sentence on it."""
    match budget.is_over, budget.is_late:
        case False, False:
            return replace(front, stopped=StopReason.CONVERGED)
        case False, True:
            stopped = StopReason.CONVERGED
            sentence = "The time limit ended a part of the search."
        case True, True:
            stopped = StopReason.TIME_LIMIT
            sentence = "The time limit ended the search."
        case _:
            stopped = StopReason.BUDGET
            sentence = "The planned work is done; a longer time limit plans more."
    return replace(front, stopped=stopped, messages=(*front.messages, sentence))


def _family(search: Search) -> Front:
    """The front of laws that groups of rows share up to constants, see `FamilySearch`."""
    labels, codes = checked_groups(search.options.groups, len(search.y))
    order = np.random.default_rng(search.seed).permutation(len(codes))[: SETTINGS.most_deciding_rows]
    # Rows are held out in each group (stratified sampling).
    by_group = [_split(order[codes[order] == group]) for group in range(len(labels))]
    kept, held = (np.sort(np.concatenate(rows)) for rows in zip(*by_group, strict=True))
    search = replace(search, options=replace(search.options, groups=None))
    parts = _Parts(search)

    def of_rows(rows: Groups, budget: Budget) -> Front:
        return parts.searched(rows.x, rows.y, rows.weights, budget)[1]

    loss = GroupLoss(search.problem(kept, held), labels, codes[kept], codes[held], search.budget)
    judgement = Judgement(loss)
    return parts.front(judgement, FamilySearch(judgement, loss, of_rows))


@dataclass
class Search:
    """A search with checked arguments, for one target."""

    x: np.ndarray  # as of `find_formula`, checked; y has shape (N,)
    y: np.ndarray
    names: tuple[str, ...]
    options: FormulaOptions
    budget: Budget
    seed: int = 0
    report: ProgressCallback | None = None  # receives the progress
    # keeps the formulas so far; one of an earlier run is gone on with, for the rest of the budget
    journal: Journal | None = None
    target: str = "y"  # name of the target

    def __post_init__(self) -> None:
        self.archive: Archive | None = None  # all that the last search kept, for those who judge by other errors

    def front(self, more: More | None = None, stages: Stages = ALL_STAGES) -> Front:
        """Run all stages and decide."""
        # Rows to search on, to decide on, and held out
        messages: list[str] = []
        rows = len(self.y)
        decides = min(len(self.y), SETTINGS.most_deciding_rows)
        if rows > SETTINGS.most_searched_rows:
            messages.append(
                f"Searched on {SETTINGS.most_searched_rows:,} of {rows:,} rows, constants fitted to {decides:,}."
            )
        problem = self._problem(SETTINGS.most_searched_rows)
        deciding = self.deciding_problem()
        self.archive = Archive(problem)
        if float(np.ptp(self.y)) == 0:
            return replace(decided_front([Number(float(self.y[0]))], problem), stopped=StopReason.CONVERGED)
        # The budget, less what an earlier part of the same run has used, and the formulas of that part
        recording = None
        budget = self.budget
        if self.journal is not None:
            recording = Recording(self.journal, data_name(self.x, self.y), budget)
            budget = budget.after(recording.work, recording.seconds)
        searching = budget.share(SETTINGS.search_share)
        self.archive = archive = Archive(problem, searching)
        if recording is not None:
            recording.restore(archive)
        heard = self._announcer(budget, archive)
        share = SETTINGS.search_share
        if more is not None:
            share -= SETTINGS.more_share
        first = budget.share(share).reporting(heard)
        # The stages that the options ask for
        if self.options.engine == "operon":
            stages = replace(stages, search=evolved_by_operon)
        structure = None
        if self.options.structure:
            structure = StructureSearch(archive, stages, read_template(self.options.structure, self.names))
            stages = Stages(quick=(), search=structure)
        engine = Engine(archive, first, stages, recording)

        def sentences() -> list[str]:
            if structure is not None:
                return [*messages, *structure.messages, *engine.messages]
            return [*messages, *engine.messages, *archive.messages]

        # Search, then the choice among all that was kept; a search that was ended decides, too
        stopped = StopReason.CONVERGED
        front = None
        with one_blas_thread(), np.errstate(all="ignore"), budget.holds():
            with budget.ends(keep_interrupted=self.options.on_interrupt == "keep"):
                engine.run()
                if more is not None and archive.solved is None and structure is None:
                    engine.judge_all(more(problem, searching.reporting(heard)))
                budget.reporting(heard).report("shorter formulas and constants")
                front = decided_front(archive.candidates, deciding, budget, sentences())
            if front is None:
                assert budget.ended_by is not None
                stopped = budget.ended_by
                said = [*sentences(), stopped.sentence]
                front = decided_front(archive.candidates, deciding, budget.at_most(0.0), said)
        if stopped == StopReason.CONVERGED and archive.solved is None:
            return with_limit(front, first)
        return replace(front, stopped=stopped)

    def _announcer(self, budget: Budget, archive: Archive) -> ProgressCallback | None:
        """What adds the share of the work and the best formula so far to progress; None where nobody hears it."""
        report = self.report
        if report is None:
            return None
        planned = max(budget.work_left, 1.0)

        def announce(at: Progress) -> None:
            # A limit in seconds ends the search, too: the share that is nearer to its end counts.
            # The clock is read once, as a busy machine may stand still between two readings.
            share = min(max(1 - budget.work_left / planned, 0.0), 1.0)
            seconds = budget.seconds
            seconds_left = budget.seconds_left
            if seconds_left < math.inf:
                share = max(share, seconds / max(seconds + seconds_left, seconds))
            best = archive.best
            if best is None:
                report(Progress(at.stage, share, best_loss=None, seconds=seconds))
            else:
                stage = f"{at.stage}; best so far {as_text(best.expression, self.names, 3)}"
                report(Progress(stage, share, best_loss=best.held, seconds=seconds))

        return announce

    def deciding_problem(self) -> LawProblem:
        """The problem by which formulas are decided, of `most_deciding_rows` rows, at most; a share is held out."""
        return self._problem(SETTINGS.most_deciding_rows)

    def _problem(self, most: int) -> LawProblem:
        return self.problem(*_split(np.random.default_rng(self.seed).permutation(len(self.y))[:most]))

    def problem(self, kept: np.ndarray, held: np.ndarray) -> LawProblem:
        """The problem of some rows to fit and others to judge by."""
        weights = self.options.weights
        if weights is None:
            weights = np.ones(len(self.y))
        return LawProblem(
            self.x[kept],
            self.y[kept],
            self.x[held],
            self.y[held],
            self.names,
            replace(self.options, weights=None),
            weights[kept],
            weights[held],
            seed=self.seed,
            target=self.target,
        )
