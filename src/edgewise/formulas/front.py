"""How true formulas are to a function where there are no data: at fresh inputs, and beyond the range of the rows.

Formulas by complexity and error: the front, the rule that picks one, and how true each is to which data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas.constants import ALLOWANCE, mean_squared_error, relative_error
from edgewise.formulas.domains import EXTRAPOLATED_SHARE
from edgewise.formulas.expression import Number, walk
from edgewise.formulas.formula import Formula
from edgewise.nn.model import KAN

POINTS = 2000  # drawn of each kind


def fresh_inputs(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(POINTS, inputs): each at random on the line between two random rows of x (N, inputs)."""
    random = np.random.default_rng([seed, 0])
    a, b = x[random.integers(0, len(x), (2, POINTS))]
    return a + random.uniform(0, 1, (POINTS, 1)) * (b - a)


def outside_inputs(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(POINTS, inputs): rows of x (N, inputs), one input of each moved up to 20 % of its range beyond that range."""
    random = np.random.default_rng([seed, 1])
    points = x[random.integers(0, len(x), POINTS)]
    low, high = x.min(0), x.max(0)
    moved, upwards = random.integers(0, x.shape[1], POINTS), random.integers(0, 2, POINTS) > 0
    step = EXTRAPOLATED_SHARE * random.uniform(0, 1, POINTS) * (high - low)[moved]
    points[np.arange(POINTS), moved] = np.where(upwards, high[moved] + step, low[moved] - step)
    return points


def with_fidelity(
    entries: Iterable[FrontEntry], function: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> Iterator[FrontEntry]:
    """Entries with their mean squared difference from a function, (N, inputs) -> (N,), at fresh and outside inputs.

    x: (N, inputs), the rows that say what is between and what is beyond. Infinite where a formula is undefined.
    """
    places = [fresh_inputs(x), outside_inputs(x)]
    values = [function(points) for points in places]
    for entry in entries:
        fresh, outside = (
            _mean_squared(entry.formula(points) - known) for points, known in zip(places, values, strict=True)
        )
        yield replace(entry, fresh=fresh, outside=outside)


def _mean_squared(rest: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        loss = float(np.mean(rest**2))
    return loss if np.isfinite(loss) else np.inf


# Below this share of the variance of y a formula is exact as far as float64 tells.
EXACT_SHARE = 1e-18
# Twice the price of a symbol in units of log likelihood: what `Front.best` asks of each symbol, and a prior besides.
SYMBOL_PRICE = 4.0
# Standard errors by which a longer formula must be ahead of a shorter one: 5 % of chance, as tests have it.
SIGNIFICANT_Z = 1.96


@dataclass(frozen=True)
class FrontEntry:
    """One formula of a front.

    loss: mean squared error on the data of the search. validation: on data held out, nan without any.
    fresh, outside: mean squared difference from the network at inputs between the rows, and up to 20 % beyond their
    range; nan without a network.
    score: by how much log loss falls for each symbol more than the entry before (as in PySR).
    model: the symbolic KAN that it is the formula of, or None.
    """

    formula: Formula
    loss: float
    validation: float = math.nan
    fresh: float = math.nan
    outside: float = math.nan
    score: float = 0.0
    model: KAN | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_data(cls, formula: Formula, x: np.ndarray, y: np.ndarray, model: KAN | None = None) -> FrontEntry:
        """Entry whose loss is the mean squared error on x (N, inputs), y (N,)."""
        return cls(formula, mean_squared_error(formula.expression, x, y), model=model)

    @property
    def complexity(self) -> int:
        """Number of symbols."""
        return self.formula.complexity

    def fidelity(self, **data: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """Root mean squared error over the deviation of y, for each named (x, y): train, fresh, outside ..."""
        return {name: relative_error(self.formula.expression, *pair) for name, pair in data.items()}


@dataclass(frozen=True)
class Front:
    """Formulas of which none is both longer and worse than another, the shortest first.

    samples, variance: of the y that the losses are about. messages: sentences on the outcome of the search.
    held_out: rows behind the entries' validation, if `best` is to count them together with those of the search.
    chosen: the place of the best entry where rows were looked at one by one (`settled`), else None.
    """

    entries: tuple[FrontEntry, ...]
    samples: int
    variance: float
    messages: tuple[str, ...] = ()
    held_out: int = 0
    chosen: int | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[FrontEntry]:
        return iter(self.entries)

    def __getitem__(self, place: int) -> FrontEntry:
        return self.entries[place]

    @property
    def best(self) -> FrontEntry:
        """The entry that a price on symbols picks: least N log loss + 4 complexity, the shortest of the exact ones.

        Two is what Akaike's criterion asks for a parameter; a symbol that may be chosen among dozens costs more.
        `settled` may have gone back from there to a shorter one.
        """
        if self.chosen is not None:
            return self.entries[self.chosen]
        floor = EXACT_SHARE * self.variance

        def price(entry: FrontEntry) -> float:
            if not math.isfinite(entry.validation):
                rows, loss = self.samples, entry.loss
            elif self.held_out:  # few rows held out are a noisy judge by themselves
                rows = self.samples + self.held_out
                loss = (self.samples * entry.loss + self.held_out * entry.validation) / rows
            else:
                rows, loss = self.samples, entry.validation
            return rows * math.log(max(loss, floor, 1e-300)) + SYMBOL_PRICE * entry.complexity

        return min(self.entries, key=price)

    @property
    def said(self) -> tuple[str, ...]:
        """Former name of `messages`, kept for one release."""
        warnings.warn("Front.said is now called Front.messages", DeprecationWarning, stacklevel=2)
        return self.messages

    @property
    def equations(self) -> list[dict[str, object]]:
        """A row for each entry: complexity, loss, validation, fresh, outside, score, equation, sympy, callable.

        The equation is text, sympy is made when called.
        """
        return [
            {
                "complexity": entry.complexity,
                "loss": entry.loss,
                "validation": entry.validation,
                "fresh": entry.fresh,
                "outside": entry.outside,
                "score": entry.score,
                "equation": str(entry.formula),
                "sympy": entry.formula.sympy,
                "callable": entry.formula,
            }
            for entry in self.entries
        ]

    def __str__(self) -> str:
        rows = [f"{e.complexity:>10}  {e.loss:>10.3g}  {e.score:>6.2f}  {e.formula}" for e in self.entries]
        return "\n".join(["complexity        loss   score  equation", *rows, *self.messages])


def pareto_front(candidates: Iterable[FrontEntry], y: np.ndarray, messages: Iterable[str] = ()) -> Front:
    """The candidates that no other beats in both complexity and loss, with their scores.

    Of equally long ones whose losses are as near as chance has it, the one with more numbers that people write.

    Raises:
        InputError: there is none with a finite loss.
    """
    floor = EXACT_SHARE * float(np.var(y))
    kept: list[FrontEntry] = []
    for entry in _one_of_each_length(candidates, floor, len(y)):
        if math.isfinite(entry.loss) and (not kept or max(entry.loss, floor) < 0.999 * max(kept[-1].loss, floor)):
            score = 0.0
            if kept:
                fall = math.log(max(kept[-1].loss, floor, 1e-300)) - math.log(max(entry.loss, floor, 1e-300))
                score = fall / max(entry.complexity - kept[-1].complexity, 1)
            kept.append(replace(entry, score=score))
    if not kept:
        raise InputError("y must be such that some formula is finite on all rows, none was")
    return Front(tuple(kept), len(y), float(np.var(y)), tuple(messages))


def choose_by_significance(front: Front, x: np.ndarray, y: np.ndarray) -> Front:
    """The front with its choice made row by row: the shortest entry that the one of least price isn't clearly ahead of.

    Clearly: by more than `CLEARLY` standard errors of the mean difference of their squared errors at rows x (N,
    inputs), y (N,), held-out ones included. For normal errors the price asks for as much; where few rows make most of
    the loss it is too easily paid (Q. Vuong, "Likelihood ratio tests for model selection and non-nested hypotheses",
    Econometrica 57, 1989).
    """
    best = replace(front, chosen=None).best
    squares = (best.formula(x) - y) ** 2
    for place, entry in enumerate(front.entries):
        gap = (entry.formula(x) - y) ** 2 - squares
        if entry is best or gap.mean() <= SIGNIFICANT_Z * gap.std() / math.sqrt(len(y)):
            return replace(front, chosen=place)
    raise AssertionError("the best entry is on the front")


def _one_of_each_length(candidates: Iterable[FrontEntry], floor: float, rows: int) -> Iterator[FrontEntry]:
    """The best candidate of each complexity, the shortest first."""

    def known(entry: FrontEntry) -> int:
        numbers = [part for part in walk(entry.formula.expression) if isinstance(part, Number)]
        return sum(part.exact is not None or float(f"{part.value:.3g}") == part.value for part in numbers)

    ordered = sorted(candidates, key=lambda entry: (entry.complexity, entry.loss))
    for _, group in groupby(ordered, key=lambda entry: entry.complexity):
        first, *others = group
        chosen = first
        for other in others:
            near = max(first.loss, floor) * (1 + ALLOWANCE * max(known(other), 1) / rows)
            if other.loss <= near and known(other) > known(chosen):
                chosen = other
        yield chosen
