"""The engine of the formula search: stages on ever smaller problems, every yield judged on the data of the whole.

The order is that of rising cost. Least squares comes first (`least_squares`), then reductions to problems of fewer
inputs, each of which starts with least squares again; then expressions are enumerated on the smallest problems, and
curves of the whole are recognised. What a stage yields for a smaller problem
is rebuilt for the whole one and judged there with all constants fitted together, so nothing is trusted that the data do
not confirm. A stage that fails by its arithmetic or its data loses its own results alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Protocol, TypeVar

import numpy as np

from edgewise.discovery.engine.archive import Archive
from edgewise.discovery.engine.recording import Recording
from edgewise.discovery.least_squares.laws import least_squares_laws
from edgewise.discovery.problem import LawProblem, Reduction, Separation, Stage
from edgewise.errors import memory_errors
from edgewise.formulas.expression import Expression, Number
from edgewise.listeners import LOGGER
from edgewise.outcomes import Budget
from edgewise.settings import WORK_A_SECOND

T = TypeVar("T")

# Errors of arithmetic and of data end a stage and not the search; programming errors are raised.
FAILURES = (ArithmeticError, MemoryError, ValueError, np.linalg.LinAlgError)

# A number is the noise of the target: the root mean square of what a smooth model does not explain, over the standard
# deviation of the target.
Reducer = Callable[[LawProblem, Budget], Iterable[float | Reduction | Separation]]


@dataclass(frozen=True)
class EngineSettings:
    """Shares of the work for the stages, numbers of problems, and what ends a search."""

    simple_sums_share: float = 0.2  # of the work, for the stages that run once
    reducing_share: float = 0.5  # of the work, for least squares and reductions
    separating_share: float = 0.3  # of the work that is left after reductions
    enumerating_share: float = 0.6  # of what is then left, if other stages follow
    smooth_share: float = 0.5  # of the work that is left after enumeration, for curves, if a search follows
    most_branches: int = 40  # smaller problems, so that false reductions cost little
    most_depth: int = 8  # reductions one after another: more than any law has inputs
    part_laws: int = 4  # laws of each part of a separation whose combinations are judged: 16 for two parts
    part_accuracy: float = 3.0  # error of such a law, at most, over that of the parts' targets
    # After a convincing law the search goes on for this share of the work that it took, to find a shorter one.
    law_patience: float = 0.3
    most_patience: float = 2 * WORK_A_SECOND
    # After a short formula that leaves nothing but noise: for a shorter one with the same values.
    complete_patience: float = 0.5


SETTINGS = EngineSettings()


@dataclass(frozen=True)
class Stages:
    """The stages of a search; a stage that is left out is skipped."""

    first: Sequence[Stage] = ()  # run once, on the whole problem
    quick: Sequence[Stage] = (least_squares_laws,)  # run on the problem and on every smaller problem
    reduce: Reducer | None = None  # yields reductions of a problem
    enumerate: Stage | None = None  # run on the smallest problems
    smooth: Stage | None = None  # run on the whole problem where the stages before find no exact law
    search: Stage | None = None  # run with all the work that is left, on the smallest problem and on the whole one


@dataclass(frozen=True)
class Branch:
    """A problem that the search works on."""

    problem: LawProblem  # the whole problem or a smaller one
    rebuild: Callable[[Expression], Expression] = lambda expression: expression  # into expressions of the whole problem
    sentences: tuple[str, ...] = ()  # the reductions that lead to it
    error: float = 0.0  # held-out error of a smooth model of it, relative; 0 for the whole problem
    is_final: bool = False  # whether its own reductions are known already

    def reduced(self, reduction: Reduction) -> Branch:
        """The branch of a reduction of this problem."""
        return Branch(
            reduction.problem,
            lambda expression: self.rebuild(reduction.rebuild(expression)),
            (*self.sentences, reduction.sentence),
            reduction.error,
            reduction.is_final,
        )

    def with_noise(self, relative: float) -> Branch:
        """The branch whose problem has this relative noise."""
        return replace(self, problem=replace(self.problem, noise=relative))

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.problem.x.shape[1]


class Judge(Protocol):
    """What an engine asks of the formulas that it has judged: an `Archive`, or a `Judgement` under another loss."""

    @property
    def problem(self) -> LawProblem: ...

    @property
    def solved(self) -> object:
        """A formula that ends the search, or None."""

    @property
    def leaves_noise(self) -> bool:
        """True if a short formula that is not exact leaves nothing but noise."""

    def judge(self, expression: Expression, source: str) -> object:
        """Fit the constants of a formula and judge it; None unless it is kept."""


@dataclass
class Engine:
    """One run of the search."""

    archive: Judge  # of the whole problem; receives everything that is yielded
    budget: Budget
    stages: Stages = field(default_factory=Stages)
    recording: Recording | None = None  # stages that an earlier part of the run has completed are not run again

    def __post_init__(self) -> None:
        self.branches: list[Branch] = []  # that were worked on, the whole problem first
        self.failures: list[str] = []  # sentences on stages that failed
        self.separations: list[tuple[Branch, Separation]] = []  # problems that are several smaller ones together
        self._path: tuple[str, ...] = ()  # the reductions of the branch with the shortest law
        self._started = self.budget.work
        self._ends: float | None = None  # the work at which a convincing law ends the search

    @property
    def is_done(self) -> bool:
        """True if the budget is over, or the work after a convincing law or a complete formula."""
        if self.budget.is_over:
            return True
        if self._ends is None and self.archive.solved is not None:
            used = self.budget.work - self._started
            self._ends = self.budget.work + min(SETTINGS.law_patience * used, SETTINGS.most_patience)
        return self._ends is not None and self.budget.work > self._ends

    def run(self) -> None:
        """Run all stages until the budget is over, a law is found or there is nothing more to try."""
        whole = Branch(self.archive.problem)
        # Guesses of the user, then cheap sums.
        for guess in self.archive.problem.options.guesses:
            self.archive.judge(guess, "guess")
        for stage in self.stages.first:
            self.budget.report("sums of simple terms")
            self._run(stage, whole, self.budget.share(SETTINGS.simple_sums_share))
        # Best-first search through smaller problems, then problems that fall into parts, then enumeration.
        self._reduce(whole, self.budget.share(SETTINGS.reducing_share))
        self._end_soon_if_complete()
        self._separate(self.budget.share(SETTINGS.separating_share))
        self._enumerate()
        # Curves on the whole problem, then a last search with the work that is left.
        if self.stages.smooth is not None and not self.is_done:
            share = 1.0 if self.stages.search is None else SETTINGS.smooth_share
            self._run(self.stages.smooth, whole, self.budget.share(share))
            self._end_soon_if_complete()
        self._search()

    def _end_soon_if_complete(self) -> None:
        """Let the search go on for half as long as it took if a short formula leaves nothing but noise."""
        if self._ends is None and self.archive.leaves_noise:
            used = self.budget.work - self._started
            self._ends = self.budget.work + SETTINGS.complete_patience * used

    @property
    def messages(self) -> list[str]:
        """Sentences on the reductions that led to the law, and on stages that failed."""
        sentences = [f"{sentence}." for sentence in self._path if sentence]
        return list(dict.fromkeys([*sentences, *self.failures]))

    def judge_all(self, expressions: Iterable[Expression]) -> None:
        """Judge expressions of the whole problem that no stage yielded, but a network."""
        for expression in self._fenced("network", lambda: expressions):
            self._judge(expression, Branch(self.archive.problem), "network")

    def _reduce(self, whole: Branch, budget: Budget) -> None:
        """Least squares on the problem and on its reductions, those of fewest inputs and smallest error first."""
        waiting = [whole]
        known = {_key(whole.problem)}
        while waiting and not self.is_done and len(self.branches) < SETTINGS.most_branches:
            waiting.sort(key=lambda branch: (branch.inputs, branch.error))
            branch = waiting.pop(0)
            self.branches.append(branch)
            # Quick stages on the problem of fewest inputs.
            for stage in self.stages.quick:
                self._run(stage, branch, budget)
                if self.is_done or budget.is_over:
                    return
            if (
                self.stages.reduce is None
                or branch.is_final
                or not branch.inputs
                or len(branch.sentences) >= SETTINGS.most_depth
            ):
                continue
            # Its reductions wait for their turn; equal problems, known by a few rows, are worked on once.
            self.budget.report(f"smaller problems of {branch.inputs} inputs")
            for reduction in self._fenced("reduction", self.stages.reduce, branch.problem, budget):
                match reduction:
                    case float(relative):
                        branch = self.branches[-1] = branch.with_noise(relative)
                    case Separation():
                        self.separations.append((branch, reduction))
                    case Reduction(problem=smaller) if (key := _key(smaller)) not in known:
                        known.add(key)
                        waiting.append(branch.reduced(reduction).with_noise(branch.problem.noise))
                if self.is_done or budget.is_over:
                    break

    def _separate(self, budget: Budget) -> None:
        """Solve the parts of separations by least squares and enumeration, and judge all combinations of their laws."""
        self.separations.sort(key=lambda pair: (max(p.x.shape[1] for p in pair[1].problems), pair[1].error))
        for place, (branch, separation) in enumerate(self.separations):
            if self.is_done or budget.is_over:
                return
            self.budget.report(separation.sentence)
            whole = budget.share(1 / (len(self.separations) - place))
            # A search of its own for each part, of which the likely laws are kept.
            laws: list[list[Expression]] = []
            for number, problem in enumerate(separation.problems):
                part = whole.share(1 / (len(separation.problems) - number))
                stages = Stages(quick=self.stages.quick, reduce=self.stages.reduce, enumerate=self.stages.enumerate)
                archive = Archive(problem, part)
                engine = Engine(archive, part, stages)
                engine.run()
                self.failures += engine.failures
                laws.append(likely_laws(archive, separation.error))
            # The archive fits the constants of each combination to the rows of the whole problem.
            for parts in product(*laws):
                self._judge(separation.rebuild(parts), branch, "separation")
                if self.is_done:
                    return

    def _enumerate(self) -> None:
        """Enumerate expressions, on the problems of fewest inputs first."""
        # Where a smooth model sees noise, the expressions nearest to the target come first. Exact ones are looked for
        # if the residuals of the best one are not noise: then the model was wrong.
        if self.stages.enumerate is None or self.is_done:
            return
        is_last = self.stages.search is None and self.stages.smooth is None
        if is_last:
            budget = self.budget
        else:
            budget = self.budget.share(SETTINGS.enumerating_share)
        order = sorted(self.branches, key=lambda branch: (branch.inputs, branch.error))
        noisy = [branch for branch in order if branch.problem.noise]
        for place, branch in enumerate(noisy):
            if self.is_done or budget.is_over:
                return
            self.budget.report(f"expressions of {branch.inputs} inputs, with noise")
            self._run(self.stages.enumerate, branch, budget.share(1 / (len(noisy) - place)))
            self._end_soon_if_complete()
            if self._ends is not None:
                return
        for place, branch in enumerate(order):
            if self.is_done or budget.is_over:
                return
            self.budget.report(f"expressions of {branch.inputs} inputs")
            share = budget.share(max(1 / 3, 1 / (len(order) - place)))
            self._run(self.stages.enumerate, branch.with_noise(self.archive.problem.noise), share)

    def _search(self) -> None:
        """Search with all the work that is left, half of it on the smallest problem."""
        if self.stages.search is None or self.is_done:
            return
        self.budget.report("search for other formulas")
        whole = self.branches[0]
        reduced = [branch for branch in self.branches[1:] if branch.inputs]
        if reduced:
            smallest = min(reduced, key=lambda branch: (branch.inputs, branch.error))
            self._run(self.stages.search, smallest, self.budget.share(0.5))
        if not self.is_done:
            self._run(self.stages.search, whole, self.budget)

    def _run(self, stage: Stage, branch: Branch, budget: Budget) -> None:
        """Judge what a stage yields for a branch; of a branch without inputs that can only be a constant."""
        if not branch.inputs:
            self._judge(Number(float(np.average(branch.problem.y, weights=branch.problem.weights))), branch, "constant")
            return
        # A stage that an earlier part of the run has completed is not run again.
        name = getattr(stage, "__name__", type(stage).__name__).replace("_", " ")
        if self.recording is not None and self.recording.is_complete(name, branch.sentences):
            return
        if self._ends is not None:  # a stage that yields nothing for long would not see that a law was found
            budget = budget.at_most(self._ends - self.budget.work)
        for expression in self._fenced(name, stage, branch.problem, budget):
            self._judge(expression, branch, name)
            if self.is_done or budget.is_over:
                break
        if self.recording is not None:
            self.recording.add(name, branch.sentences)

    def _judge(self, expression: Expression, branch: Branch, source: str) -> None:
        """Judge an expression of a branch on the whole problem; one that cannot be judged is dropped."""
        try:
            with np.errstate(all="ignore"):
                judged = self.archive.judge(branch.rebuild(expression), source)
            if judged is not None and judged is self.archive.solved:
                self._path = branch.sentences
            if self.recording is not None:
                self.recording.add()
        except FAILURES as error:
            LOGGER.info("an expression could not be judged: %s", error)

    def _fenced(self, name: str, stage: Callable[..., Iterable[T]], *arguments: object) -> Iterator[T]:
        """The items that a stage yields; an error of the stage ends it and is noted in `failures`."""
        try:
            with np.errstate(all="ignore"), memory_errors():
                iterator = iter(stage(*arguments))
            while True:
                with np.errstate(all="ignore"), memory_errors():
                    item = next(iterator, None)
                if item is None:
                    return
                yield item
        # Numerical failures and a lack of memory end the stage alone.
        except FAILURES as error:
            LOGGER.warning("the stage %r failed", name, exc_info=True)
            self.failures.append(f"The stage {name!r} failed ({type(error).__name__}: {str(error)[:80]}).")


def likely_laws(archive: Archive, error: float) -> list[Expression]:
    """The shortest laws that are as accurate as targets with this relative error allow, and the most accurate ones."""
    front = archive.front
    good = max(SETTINGS.part_accuracy * error, min((judged.error for judged in front), default=0.0))
    short = [judged.expression for judged in front if judged.error <= good][: SETTINGS.part_laws // 2]
    ranked = sorted(front, key=lambda judged: judged.held)
    return list(dict.fromkeys([*short, *(judged.expression for judged in ranked)]))[: SETTINGS.part_laws]


def _key(problem: LawProblem) -> tuple[float, ...]:
    """Some rows to six digits, by which equal problems are recognised."""
    rows = np.column_stack([problem.x[:4], problem.y[:4]]).ravel()
    return tuple(float(f"{value:.6g}") for value in rows)
