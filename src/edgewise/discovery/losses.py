"""What a search asks of a loss, and the choice among formulas that all losses share.

A loss decides how constants are fitted and what errors cost: squared errors (`decide`), the likelihood of two classes
(`knowledge.boundaries`), squared errors with constants by group (`knowledge.families`). Formulas are fitted to the rows
to fit and judged on held-out rows; those on the front of length and held-out loss are fitted to all rows, and the
shortest of the laws that are as good as the best is the choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np

from edgewise.discovery.curves.features import has_two_values
from edgewise.discovery.problem import LawProblem
from edgewise.errors import InputError
from edgewise.formulas.domains import domain_violations, share_outside
from edgewise.formulas.expression import Expression, complexity, numbers_of
from edgewise.formulas.front import (
    FIDELITY_POINTS,
    SIGNIFICANT_Z,
    Front,
    FrontEntry,
    fresh_inputs,
    pareto,
    with_scores,
)

F = TypeVar("F")  # what the fit of a loss returns


@dataclass(frozen=True)
class Candidate(Generic[F]):
    """A formula with the constants of the rows to fit, and its losses on the held-out rows."""

    expression: Expression
    fit: F  # the fit of these constants
    losses: np.ndarray  # (M,), of each held-out row

    @classmethod
    def of(cls, expression: Expression, fit: F, losses: np.ndarray, box: Box, exact: float) -> Candidate[F] | None:
        """The candidate; None if it is not finite or, where it is not exact, undefined or infinite in the box."""
        # An exact formula with a pole is a law: it holds on both sides.
        if np.isfinite(losses).all() and (losses.mean() <= exact or box.allows(expression)):
            return cls(expression, fit, losses)
        return None

    @property
    def symbols(self) -> int:
        return complexity(self.expression)

    @property
    def held(self) -> float:
        """Mean loss on the held-out rows."""
        return float(np.mean(self.losses))

    @property
    def closed_forms(self) -> int:
        return sum(number.exact is not None for number in numbers_of(self.expression))


@dataclass(frozen=True)
class Box:
    """Points of the box of some rows, at which a formula has to be defined unless the rows avoid a part of the box."""

    NEAR: ClassVar[int] = 0  # rows, and points on lines between them
    AROUND: ClassVar[int] = 1  # corners and random points of the box
    SHUFFLED: ClassVar[int] = 2  # rows with each column in a random order, as if the inputs were independent

    points: np.ndarray  # (M, inputs)
    kinds: np.ndarray  # (M,), which of the three
    rows: int

    @classmethod
    def of(cls, x: np.ndarray) -> Box:
        """The box of rows x (N, inputs); columns of two values have no others."""
        random = np.random.default_rng([0, 2])
        low = x.min(0)
        high = x.max(0)
        inside = random.uniform(low, high, (FIDELITY_POINTS, len(low)))
        # Corners, where a monotonic argument is smallest and largest: all of them for up to eight inputs
        corners = np.where(random.integers(0, 2, (FIDELITY_POINTS // 2, len(low))) > 0, high, low)
        for column in np.flatnonzero([has_two_values(values) for values in x.T]):
            inside[:, column] = random.choice(x[:, column], FIDELITY_POINTS)
        near = np.concatenate([x, fresh_inputs(x)])
        around = np.concatenate([np.unique(corners, axis=0), inside])
        shuffled = np.stack([random.choice(values, FIDELITY_POINTS) for values in x.T], 1)
        kinds = np.repeat([cls.NEAR, cls.AROUND, cls.SHUFFLED], [len(near), len(around), len(shuffled)])
        return cls(np.concatenate([near, around, shuffled]), kinds, len(x))

    def allows(self, node: Expression) -> bool:
        """Whether a formula is defined and finite in the box."""
        # An argument that changes its sign has both signs at some of the points, so a pole between two of them counts
        # as well. Where it is defined at the rows and between them alone, it is allowed if they avoid the rest: if
        # inputs that were independent would have put a row there with a chance above 99 %, as where a < b for each row.
        near = self.points[self.kinds == self.NEAR]
        if domain_violations(node, near):
            return False
        if not domain_violations(node, self.points[self.kinds != self.SHUFFLED]):
            return True
        share = share_outside(node, near, self.points[self.kinds == self.SHUFFLED])
        # A part of the box without rows is one that they avoid where chance leaves it empty in one of 100 tables.
        return bool((1 - share) ** self.rows < 0.01)


class Loss(Protocol[F]):
    """How formulas of a problem are fitted and judged."""

    name: str  # as `Front.loss_name`
    problem: LawProblem
    exact: float  # mean loss on held-out rows up to which a formula is exact; 0 where none is

    def judged(self, node: Expression) -> Candidate[F] | None:
        """A formula with fitted constants; None if it cannot be used, see `Candidate.of`."""

    def entry(self, candidate: Candidate[F]) -> FrontEntry:
        """The formula with constants fitted to all rows, to the digits and closed forms that these decide."""

    def as_good(self, front: Sequence[Candidate[F]], entries: Sequence[FrontEntry]) -> tuple[int, ...]:
        """Places of the formulas that the data cannot tell from the best, the shortest first."""

    def of_constant(self) -> tuple[float, float]:
        """The loss of a constant on all rows and on the held-out rows."""

    def sentences(self, entries: Sequence[FrontEntry], choice: FrontEntry) -> Iterable[str]:
        """Sentences on the choice among the entries of a front."""


def front_of(candidates: Iterable[Candidate[F]], exact: float) -> list[Candidate[F]]:
    """Candidates on the front of length and held-out loss; exact ones are alike."""
    return pareto(
        sorted(candidates, key=lambda each: each.held),
        size=lambda each: each.symbols,
        loss=lambda each: max(each.held, exact),
        least_decrease=0.999,  # smaller decreases are those of rounded constants
    )


def decided(candidates: Sequence[Candidate[F]], loss: Loss[F], messages: Iterable[str] = ()) -> Front:
    """The front of some candidates, with the choice among them."""
    problem = loss.problem
    whole = problem.with_all_rows
    pairs = [(candidate, loss.entry(candidate)) for candidate in front_of(candidates, loss.exact)]
    # Digits and closed forms may have made formulas shorter or longer: formulas that others now dominate go.
    pairs = pareto(pairs, size=lambda pair: pair[1].complexity, loss=lambda pair: max(pair[0].held, loss.exact))
    front = [candidate for candidate, _ in pairs]
    entries = [entry for _, entry in pairs]
    as_good = loss.as_good(front, entries)
    variance, held_variance = loss.of_constant()
    return Front(
        with_scores(entries, whole.y),
        len(whole.y),
        variance,
        (*messages, *loss.sentences(entries, entries[as_good[0]])),
        held_out=len(problem.held_y),
        chosen=as_good[0],
        held_out_variance=held_variance,
        as_good=as_good,
        loss_name=loss.name,
        target=problem.target,
    )


class Judgement(Generic[F]):
    """The formulas that were judged under a loss, each once: what an `Engine` judges where it has no `Archive`."""

    def __init__(self, loss: Loss[F]):
        self.loss = loss
        self.problem = loss.problem
        self.candidates: list[Candidate[F]] = []
        self._tried: set[Expression] = set()

    def judge(self, expression: Expression, source: str) -> Candidate[F] | None:
        """Fit and judge a formula; None for one that was judged before or cannot be used."""
        if expression in self._tried:
            return None
        self._tried.add(expression)
        candidate = self.loss.judged(expression)
        if candidate is not None:
            self.candidates.append(candidate)
        return candidate

    @property
    def solved(self) -> Candidate[F] | None:
        """The first exact formula, or None."""
        return next((each for each in self.candidates if each.held <= self.loss.exact), None)

    @property
    def leaves_noise(self) -> bool:
        """False: no loss but that of `Archive` has residuals that could look like noise."""
        return False

    @property
    def best(self) -> Candidate[F]:
        """The candidate with the smallest held-out loss."""
        return min(some(self.candidates), key=lambda each: each.held)

    @property
    def front(self) -> list[Candidate[F]]:
        """The candidates on the front."""
        return front_of(self.candidates, self.loss.exact)

    def decided(self, messages: Iterable[str] = ()) -> Front:
        """The front with its choice."""
        return decided(some(self.candidates), self.loss, messages)


def some(candidates: list[Candidate[F]]) -> list[Candidate[F]]:
    """Candidates, at least one; InputError without any."""
    if not candidates:
        raise InputError("y must be such that some formula is finite on all rows, none was")
    return candidates


def is_as_good(losses: np.ndarray, best: np.ndarray, floor: float = 0.0) -> bool:
    """Compare a formula with the best one by the rule of one standard error, by losses (M,) on held-out rows."""
    # True if the formula is exact, its mean loss being at most `floor`, or the mean of the paired differences is at
    # most its standard error and a sign test does not show that more rows have a larger loss: where a few rows make
    # most of the errors, means see these alone.
    if losses.mean() <= floor:
        return True
    if best.mean() <= floor:
        return False
    difference = losses - best
    larger = int((difference > 0).sum())
    smaller = int((difference < 0).sum())
    if larger - smaller > SIGNIFICANT_Z * math.sqrt(larger + smaller):
        return False
    if len(difference) > 1:
        spread = float(difference.std(ddof=1))
    else:
        spread = 0.0
    return bool(difference.mean() <= spread / math.sqrt(len(difference)))
