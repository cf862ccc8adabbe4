"""Pareto fronts of formulas by complexity and error, the choice of one formula, and its error away from the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeVar

import numpy as np

from edgewise.checks import Within
from edgewise.formulas.constants import EXACT, mean_squared_error, relative_error
from edgewise.formulas.domains import EXTRAPOLATED_SHARE
from edgewise.formulas.expression import Number, Power, constant_values, exponents_of, walk
from edgewise.formulas.family import Family
from edgewise.formulas.formula import Formula
from edgewise.metrics import r_squared
from edgewise.nn.model import KAN
from edgewise.outcomes import StopReason
from edgewise.presentation import enumeration, html_table, number_text, percent_text, r2_text, text_with_error
from edgewise.settings import ABOVE_ZERO

# Random points of each kind: mean squares then have a standard error of a few per cent.
FIDELITY_POINTS = 2000
# Price of a symbol in units of twice the log likelihood. Akaike's criterion asks 2 for each parameter; a symbol that is
# chosen among dozens of candidates costs more.
SYMBOL_PRICE = 4.0
SIGNIFICANT_Z = 1.96  # Standard errors of a significant difference: the two-sided 5 % quantile of the normal law.


T = TypeVar("T")


def pareto(
    items: Iterable[T], size: Callable[[T], float], loss: Callable[[T], float], least_decrease: float = 1.0
) -> list[T]:
    """The items whose loss is below `least_decrease` times that of all shorter ones, the shortest first."""
    front: list[T] = []
    for item in sorted(items, key=lambda each: (size(each), loss(each))):
        if not front or loss(item) < least_decrease * loss(front[-1]):
            front.append(item)
    return front


def price(rows: int, loss: float, floor: float, symbols: int) -> float:
    """Twice the description length of rows by a formula, up to a constant: its misfit and a price for its symbols."""
    return rows * math.log(max(loss, floor, ABOVE_ZERO)) + SYMBOL_PRICE * symbols


@dataclass(frozen=True)
class FrontEntry:
    """One formula of a front with its errors.

    Parameters
    ----------
    formula : Formula
        The formula.
    loss : float
        Mean squared error on the data of the search.
    validation : float
        Mean squared error on held-out data; NaN without any.
    fresh, outside : float
        Mean squared difference from the network at inputs between the rows, and up to 20 % beyond their range; NaN
        without a network.
    score : float
        Decrease of the log loss for each symbol more than the entry before, as in PySR [1]_.
    model : KAN, optional
        The symbolic network whose formula this is.
    constant_errors : tuple of float
        Standard error of each constant in the order of `constant_values`, 0 for those with a closed form; empty where
        none were computed.
    family : Family, optional
        The constants by group, if the search was for one law of several groups. The inputs of `formula` are then
        followed by these constants.

    References
    ----------
    .. [1] M. Cranmer, "Interpretable machine learning for science with PySR and SymbolicRegression.jl",
       arXiv 2305.01582 (2023).

    Examples
    --------
    >>> from edgewise.formulas import Formula, FrontEntry, parse_expression
    >>> x = np.array([[1.0], [2.0]])
    >>> entry = FrontEntry.from_data(Formula(parse_expression("2*x"), ("x",)), x, np.array([2.0, 5.0]))
    >>> entry.loss, entry.complexity
    (0.5, 3)
    """

    formula: Formula
    loss: float
    validation: float = math.nan
    fresh: float = math.nan
    outside: float = math.nan
    score: float = 0.0
    model: KAN | None = field(default=None, repr=False, compare=False, metadata={"stored": False})
    constant_errors: tuple[float, ...] = field(default=(), compare=False)
    exponent_errors: tuple[float, ...] = field(default=(), compare=False)
    family: Family | None = field(default=None, compare=False, metadata={"stored": False})

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with an entry from a file."""
        names = self.formula.names
        if len(names) != sizes.get("inputs", len(names)):
            return "formulas of other inputs"
        if len(self.constant_errors) not in (0, len(constant_values(self.formula.expression))):
            return "errors of constants that are not there"
        if len(self.exponent_errors) not in (0, len(exponents_of(self.formula.expression))):
            return "errors of exponents that are not there"
        if any(error < 0 for error in (self.loss, self.validation, *self.constant_errors, *self.exponent_errors)):
            return "a negative squared error"
        return ""

    @classmethod
    def from_data(cls, formula: Formula, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> FrontEntry:
        """Entry whose loss is the mean squared error on x (N, inputs), y (N,), weighted if there are weights (N,)."""
        return cls(formula, mean_squared_error(formula.expression, x, y, weights))

    def __repr__(self) -> str:
        return f"<FrontEntry of {self.complexity} symbols, loss {number_text(self.loss)}: {self.formula}>"

    def _repr_latex_(self) -> str:
        return self.formula._repr_latex_()

    @property
    def complexity(self) -> int:
        """Number of symbols."""
        return self.formula.complexity

    @property
    def constants(self) -> list[tuple[float, float]]:
        """Free constants and fitted exponents with their standard errors, in the order in which they are printed."""
        node = self.formula.expression
        errors = iter(self.constant_errors or [math.nan] * len(constant_values(node)))
        exponent_errors = iter(self.exponent_errors or [0.0] * len(exponents_of(node)))
        pairs = []
        for part in walk(node):
            match part:
                case Number(value, form):
                    error = next(errors)
                    if form is None:
                        pairs.append((value, error))
                case Power(exponent=exponent):
                    error = next(exponent_errors)
                    if error > 0:
                        pairs.append((exponent, error))
        return pairs

    def fidelity(self, **data: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        """Relative errors on named data sets.

        Parameters
        ----------
        **data : tuple of ndarray
            Pairs x (N, inputs), y (N,) by name: train, fresh, outside, ...

        Returns
        -------
        dict of str to float
            Root mean squared error over the standard deviation of y, by name.
        """
        return {name: relative_error(self.formula.expression, *pair) for name, pair in data.items()}


@dataclass(frozen=True)
class Front:
    """Pareto front: formulas, the shortest first, none of which is both longer and less accurate than another.

    Parameters
    ----------
    entries : tuple of FrontEntry
        The formulas.
    samples : int
        Number of rows behind the losses.
    variance : float
        Variance of the target on these rows.
    messages : tuple of str
        Sentences on the outcome of the search.
    held_out : int
        Number of rows behind the validation errors if `best` weighs them together with the rows of the search; else 0.
    chosen : int, optional
        Place of the best entry if the search determined it, as `find_formula` does.
    stopped : StopReason, optional
        Reason why the search ended; None for formulas that were only compared.
    held_out_variance : float, optional
        Variance of the target on the held-out rows, if there are any; that of the rows of the search otherwise.
    loss_name : str
        "squared error", or "log loss" for formulas of the log-odds of a class; then `variance` is the loss of a
        constant, so that R² is McFadden's.
    as_good : tuple of int
        Places of the entries that are as accurate as the most accurate one within a standard error, if that was
        determined, the chosen one among them.
    target : str
        Name of the target.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 30)[:, None]
    >>> from edgewise import find_formula
    >>> front = find_formula(x, 2 * x[:, 0] + 1)
    >>> print(front)  # doctest: +ELLIPSIS
      symbols         R²     error        loss  formula
    ...
    >       5          1       0 %           0  y = 2*x + 1
    > y = 2*x + 1 is the choice, the shortest formula that is exact to rounding.
    R² and error (root mean square, in standard deviations of the target) are those of the 9 held-out rows.
    The best formula is exact to rounding.
    >>> str(front.best.formula)
    '2*x + 1'
    """

    entries: tuple[FrontEntry, ...]
    samples: Annotated[int, Within(1)]
    variance: float
    messages: tuple[str, ...] = ()
    held_out: Annotated[int, Within(0)] = 0
    chosen: int | None = None
    stopped: StopReason | None = None
    held_out_variance: float | None = None
    as_good: tuple[int, ...] = ()
    loss_name: str = "squared error"
    target: str = "y"

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a front from a file."""
        places = [*self.as_good, *([] if self.chosen is None else [self.chosen])]
        if len({entry.formula.names for entry in self}) != 1 or not all(0 <= place < len(self) for place in places):
            return "formulas that do not fit each other, or none"
        return ""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[FrontEntry]:
        return iter(self.entries)

    def __getitem__(self, place: int) -> FrontEntry:
        return self.entries[place]

    @property
    def best(self) -> FrontEntry:
        """The entry with the smallest N log(loss) + `SYMBOL_PRICE` * complexity, or the chosen one if there is one.

        N is the number of rows and the loss the validation error if there is one. Losses count as equal once they are
        exact in float64, so the shortest exact formula is the best.
        """
        if self.chosen is not None:
            return self.entries[self.chosen]

        def price_of(entry: FrontEntry) -> float:
            rows = self.samples
            loss = entry.loss
            if math.isfinite(entry.validation):
                loss = entry.validation
                if self.held_out:  # Few held-out rows alone give a noisy estimate.
                    rows += self.held_out
                    loss = (self.samples * entry.loss + self.held_out * entry.validation) / rows
            return price(rows, loss, EXACT.loss(self.variance), entry.complexity)

        return min(self.entries, key=price_of)

    @property
    def alternatives(self) -> tuple[FrontEntry, ...]:
        """Entries as accurate as the best one within a standard error, but longer."""
        best = self.best
        return tuple(self.entries[place] for place in self.as_good if self.entries[place] is not best)

    @property
    def best_place(self) -> int:
        """The place of `best` among the entries, counted from 0."""
        best = self.best
        return next(place for place, entry in enumerate(self.entries) if entry is best)

    @property
    def reason(self) -> str:
        """Why `best` was chosen, as a sentence without its subject: "the shortest formula that ..."."""
        if len(self) == 1:
            return "the only formula"
        if _error(self.best) <= EXACT.fitted_loss(self.variance):
            return "the shortest formula that is exact to rounding"
        if self.as_good:
            return "the shortest formula that is as accurate on held-out rows as the best one, within a standard error"
        return (
            "the formula with the best balance of length and error: the smallest N log(loss) + "
            f"{number_text(SYMBOL_PRICE)} times the number of symbols"
        )

    def r_squared(self, place: int) -> float:
        """Share of the variance of the target that an entry explains, on held-out rows if there are any."""
        entry = self.entries[place]
        return float(r_squared(_error(entry), self._judged_variance(entry)))

    def relative_error(self, place: int) -> float:
        """Root mean squared error of an entry over the standard deviation of the target, on held-out rows if any."""
        entry = self.entries[place]
        return math.sqrt(_error(entry) / max(self._judged_variance(entry), ABOVE_ZERO))

    def _judged_variance(self, entry: FrontEntry) -> float:
        """Variance of the target on the rows behind `_error`."""
        if self.held_out_variance is None or not math.isfinite(entry.validation):
            return self.variance
        return self.held_out_variance

    @property
    def equations(self) -> list[dict[str, object]]:
        """A row for each entry, ready for a data frame.

        The columns are complexity, r2 and relative_error (on held-out rows if there are any), loss, validation, fresh,
        outside, score, chosen, equation (text), sympy (a function that makes the sympy expression) and callable (the
        formula).
        """
        return [
            {
                "complexity": entry.complexity,
                "r2": self.r_squared(place),
                "relative_error": self.relative_error(place),
                "loss": entry.loss,
                "validation": entry.validation,
                "fresh": entry.fresh,
                "outside": entry.outside,
                "score": entry.score,
                "chosen": place == self.best_place,
                "equation": str(entry.formula),
                "sympy": entry.formula.sympy,
                "callable": entry.formula,
            }
            for place, entry in enumerate(self.entries)
        ]

    def __str__(self) -> str:
        best = self.best_place
        rows = []
        for k, e in enumerate(self.entries):
            error = number_text(_error(e), 3)
            if self._of_squares:
                error = f"{number_text(100 * self.relative_error(k), 3)} %"
            numbers = f"{e.complexity:>7}  {r2_text(self.r_squared(k)):>9}  {error:>8}  {e.loss:>10.3g}"
            rows.append(f"{' >'[k == best]} {numbers}  {self._equation(e)}")
        lines = [
            f"  symbols         R²  {self._error_name:>8}        loss  formula",
            *rows,
            f"> {self._equation(self.best)} is the choice, {self.reason}.",
            self._measures(),
            *self._certainty(),
            *self.messages,
        ]
        family = self.best.family
        if family is not None and family.parameters:
            lines.append(str(family))
        return "\n".join(lines)

    def _equation(self, entry: FrontEntry) -> str:
        """An entry with the name of the quantity that its formula predicts."""
        if self._of_squares:
            return f"{self.target} = {entry.formula}"
        return f"log-odds of {self.target} = {entry.formula}"

    @property
    def _of_squares(self) -> bool:
        return self.loss_name == "squared error"

    @property
    def _error_name(self) -> str:
        """Heading of the column of errors."""
        if self._of_squares:
            return "error"
        return self.loss_name

    def _measures(self) -> str:
        """A sentence on the measures of the table and the rows behind them."""
        if self.held_out:
            judged = f"{self.held_out:,} held-out rows"
        else:
            judged = f"{self.samples:,} rows of the search"
        if self._of_squares:
            return f"R² and error (root mean square, in standard deviations of the target) are those of the {judged}."
        return f"R² (McFadden's, 1 less the log loss over that of a constant) and log loss are those of the {judged}."

    def _certainty(self) -> Iterator[str]:
        """Sentences on the constants of the best formula and on its alternatives."""
        if _error(self.best) > EXACT.fitted_loss(self.variance):
            errors = [text_with_error(value, error) for value, error in self.best.constants]
            if errors and "–" not in "".join(errors):
                yield f"Constants of the choice with their standard errors: {', '.join(errors)}."
        if self.alternatives:
            lengths = [f"{e.complexity}" for e in self.alternatives]
            yield f"As accurate within a standard error: those of {enumeration(lengths)} symbols."

    __repr__ = __str__

    def _repr_html_(self) -> str:
        best = self.best_place
        rows = []
        for place, entry in enumerate(self.entries):
            error = number_text(_error(entry), 3)
            if self._of_squares:
                error = percent_text(self.relative_error(place))
            mark = "→" * (place == best)
            rows.append([mark, entry.complexity, r2_text(self.r_squared(place)), error, self._equation(entry)])
        notes = [
            f"{self._equation(self.best)} is the choice, {self.reason}. {self._measures()}",
            *self._certainty(),
            *self.messages,
        ]
        head = ["", "symbols", "R²", self._error_name, "formula"]
        table = html_table(head, rows, marked=best, notes=notes, text_columns=(0, 4))
        family = self.best.family
        if family is not None and family.parameters:
            return table + family._repr_html_()
        return table


def _error(entry: FrontEntry) -> float:
    """Mean squared error on held-out data if there are any, else on the data of the search."""
    if math.isfinite(entry.validation):
        return entry.validation
    return entry.loss


def with_scores(entries: Iterable[FrontEntry], y: np.ndarray) -> tuple[FrontEntry, ...]:
    """Entries, the shortest first, with the decrease of the log loss for each symbol; the first one has 0."""
    floor = max(EXACT.loss(float(np.var(y))), ABOVE_ZERO)
    scored: list[FrontEntry] = []
    for entry in entries:
        score = 0.0
        if scored:
            decrease = math.log(max(scored[-1].loss, floor)) - math.log(max(entry.loss, floor))
            score = decrease / max(entry.complexity - scored[-1].complexity, 1)
        scored.append(replace(entry, score=score))
    return tuple(scored)


def with_fidelity(
    entries: Iterable[FrontEntry], function: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> Iterator[FrontEntry]:
    """Add the mean squared difference from a function at fresh and outside inputs to each entry."""
    places = [fresh_inputs(x), outside_inputs(x)]
    values = [function(points) for points in places]
    for entry in entries:
        differences = []
        for points, known in zip(places, values, strict=True):
            with np.errstate(all="ignore"):
                difference = float(np.mean((entry.formula(points) - known) ** 2))
            if not math.isfinite(difference):
                difference = math.inf
            differences.append(difference)
        yield replace(entry, fresh=differences[0], outside=differences[1])


def fresh_inputs(x: np.ndarray) -> np.ndarray:
    """Points (FIDELITY_POINTS, inputs), each at random on the line between two random rows of x (N, inputs)."""
    random = np.random.default_rng([0, 0])
    a, b = x[random.integers(0, len(x), (2, FIDELITY_POINTS))]
    return a + random.uniform(0, 1, (FIDELITY_POINTS, 1)) * (b - a)


def outside_inputs(x: np.ndarray) -> np.ndarray:
    """Rows (FIDELITY_POINTS, inputs) of x, one input of each moved beyond its range by `EXTRAPOLATED_SHARE` at most."""
    random = np.random.default_rng([0, 1])
    points = x[random.integers(0, len(x), FIDELITY_POINTS)]
    low = x.min(0)
    high = x.max(0)
    moved = random.integers(0, x.shape[1], FIDELITY_POINTS)
    upwards = random.integers(0, 2, FIDELITY_POINTS) > 0
    step = EXTRAPOLATED_SHARE * random.uniform(0, 1, FIDELITY_POINTS) * (high - low)[moved]
    points[np.arange(FIDELITY_POINTS), moved] = np.where(upwards, high[moved] + step, low[moved] - step)
    return points
