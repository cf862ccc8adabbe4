"""Formulas of a fitted regressor, or of the data behind it, in the user's units and names: `equations_`."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data

from edgewise.checks import check_names
from edgewise.discovery.assembly import pruned
from edgewise.discovery.finder import ROUNDING_FLOOR, find_formula
from edgewise.discovery.simple_forms import stepwise_sums
from edgewise.errors import InputError
from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import fit_constants, recognise
from edgewise.formulas.expression import Add, Expression, Multiply, Number, Variable, children, complexity, rebuilt
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import EXACT_SHARE, Front, FrontEntry, choose_by_significance, pareto_front, with_fidelity
from edgewise.interpret.pruning.pruning import prune
from edgewise.interpret.symbolic.snapping import symbolify
from edgewise.interpret.transform.subnetworks import live_edges
from edgewise.nn.prediction import predict_in_batches
from edgewise.train.problems.regression import Regression

HELD_OUT = 0.2
FEWEST = 20  # rows that a search needs, and that are held out at least
MOST = 2000  # rows that formulas are searched on, and that are held out at most: the time grows with them
EXTREME = 1e60  # largest number, and its reciprocal, of a table whose formulas are looked for
LONGEST = 120  # symbols of a formula on the front: nobody reads more
SHORT = 20  # symbols of a sum that is looked at closely
FIRST, SEARCH = 0.2, 0.5  # shares of the time for a close look at sums, and for the search by structure
ENOUGH = 0.25  # share that must be left for the network
MOST_EDGES = 16  # of a network that is turned into a formula edge by edge


class Equations:
    """`fit_equations`, `sympy` and `latex` for regressors; `equations_` holds the front of formulas."""

    equations_: Front

    def fit_equations(self, X, y=None, *, names: Sequence[str] | None = None, time_limit: float = 60.0):
        """Looks for formulas and keeps them as `equations_`, a `Front`. Returns self.

        Three ways lead to candidates: sums of simple terms, the search by structure (`find_formula`), and the network
        itself, pruned and turned into a formula edge by edge (`symbolify`). All are judged on a fifth of the rows, held
        out from the search. The network and its predictions stay what they are; `fit` forgets the formulas.

        Args:
            X: (N, d), at least 20 rows. y: (N,), what the formulas are for; left out, they are for the predictions of
                this model, as a reduction of it.
            names: of the inputs; left out, those the estimator was fitted with, else x_1, x_2, ...
            time_limit: seconds, about; at most 2,000 rows are searched on, at most 2,000 held out.

        Raises:
            InputError: an argument is not as above, or the model predicts several numbers.
        """
        check_is_fitted(self)
        if self.model_.config.width[-1] != 1:
            raise InputError("fit_equations needs a model that predicts one number, this one predicts several")
        if isinstance(time_limit, bool) or not isinstance(time_limit, int | float) or not 0 < time_limit < np.inf:
            raise InputError(f"time_limit must be a positive number of seconds, got {time_limit!r}")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        try:
            y = self.predict(X).reshape(-1) if y is None else np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("y must be numbers, one for each row of X, they are not") from error
        if y.shape != (len(X),) or not np.isfinite(y).all():
            raise InputError(f"y must hold a finite number for each of the {len(X)} rows of X, got shape {y.shape}")
        if names is None and hasattr(self, "feature_names_in_"):
            names = list(map(str, self.feature_names_in_))
        self.equations_ = table_front(X, y, names, float(time_limit), self)
        return self

    def sympy(self, place: int | None = None):
        """The best formula, or the one at a place of `equations_`, as a sympy expression.

        Raises:
            NotFittedError: there are no equations yet. InputError: there is no such place.
            MissingExtraError: sympy is not installed.
        """
        return self._equation(place).formula.sympy()

    def latex(self, place: int | None = None, digits: int | None = 4) -> str:
        """The best formula, or the one at a place of `equations_`, as LaTeX with so many significant digits.

        Raises:
            NotFittedError: there are no equations yet. InputError: there is no such place.
        """
        return self._equation(place).formula.latex(digits)

    def _equation(self, place: int | None) -> FrontEntry:
        check_is_fitted(self, "equations_", msg="there are no equations yet: call fit_equations(X, y) first")
        if place is None:
            return self.equations_.best
        if isinstance(place, bool) or not isinstance(place, int) or place not in range(len(self.equations_)):
            raise InputError(f"place must be from 0 to {len(self.equations_) - 1}, got {place!r}")
        return self.equations_[place]


def table_front(X: np.ndarray, y: np.ndarray, names: Sequence[str] | None, time_limit: float, estimator=None) -> Front:
    """Candidates of all ways on one front, with the errors on rows held out; those of a network if one is given.

    X: (N, d). y: (N,). Raises InputError where there are too few rows, or names don't fit.
    """
    if len(X) < FEWEST:
        raise InputError(f"X must have at least {FEWEST} rows to look for formulas, got {len(X)}")
    names = check_names(names, X.shape[1])
    for what, size in (("y", np.abs(y).max()), *((names[k], size) for k, size in enumerate(np.abs(X).max(0)))):
        if size > 0 and not 1 / EXTREME < size < EXTREME:
            raise InputError(
                f"{what} must be in a unit in which its squares are numbers, its largest value is {size:.3g}"
            )
    # Formulas are tried beyond where they are numbers; what is not finite there is not kept.
    with np.errstate(all="ignore"):
        return _searched(X, y, names, time_limit, estimator)


def _searched(X: np.ndarray, y: np.ndarray, names: tuple[str, ...], time_limit: float, estimator) -> Front:
    started = time.monotonic()
    order = np.random.default_rng(0).permutation(len(X))
    held = round(HELD_OUT * len(X)) if HELD_OUT * len(X) >= FEWEST else 0
    held, kept = order[: min(held, MOST)], order[held:][:MOST]
    x, z = X[kept], y[kept]
    sums = [FrontEntry.from_data(Formula(node, names), x, z) for node in _sums(x, z, started + FIRST * time_limit)]
    found = find_formula(x, z, names=names, time_limit=SEARCH * time_limit)
    entries, said = [*sums, *found], list(found.messages)
    if found.best.loss > ROUNDING_FLOOR * found.variance:
        left = time_limit - (time.monotonic() - started)
        if estimator is not None and left > ENOUGH * time_limit:
            more, sentence = _of_network(estimator, x, z, names, left)
            entries += more
            said.append(sentence)
        elif estimator is not None:
            said.append("No time was left to turn the network itself into a formula.")
    fine = [entry for entry in entries if not entry.formula.domain_violations(X) and entry.complexity <= LONGEST]
    if len(held):
        fine = _better(fine, X[held], y[held])
        said.append(f"Searched on {len(kept):,} rows, judged on {len(held):,} others.")
    front = replace(pareto_front(fine, z, dict.fromkeys(said)), held_out=len(held))
    rows = np.concatenate([kept, held])
    best = choose_by_significance(front, X[rows], y[rows]).best
    floor = EXACT_SHARE * front.variance
    # Longer ones that are no better on the rows held out would only be fitted to chance.
    useful = (
        one for one in front if one.complexity <= best.complexity or not max(one.validation, floor) >= best.validation
    )
    judged = useful if estimator is None else with_fidelity(useful, lambda rows: _predicted(estimator, rows), X)
    return choose_by_significance(replace(front, entries=tuple(judged)), X[rows], y[rows])


def _predicted(estimator, rows: np.ndarray) -> np.ndarray:
    """The predictions (N,) of a regressor for rows (N, d) that need no check."""
    scaled = torch.from_numpy(estimator._to_network(rows))
    return estimator.target_scaling_.inverse(predict_in_batches(estimator.model_, scaled).numpy())[:, 0]


def _sums(x: np.ndarray, y: np.ndarray, deadline: float) -> Iterator[Expression]:
    """Sums of simple terms as they are; the short ones also without what the data don't ask for, in round numbers."""
    for node in stepwise_sums(x, y):
        yield node
        if complexity(node) <= SHORT and time.monotonic() < deadline:
            fitted = pruned(fit_constants(node, x, y, steps=2), x, y, floor=ROUNDING_FLOOR, deadline=deadline)
            yield fitted.expression
            yield recognise(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline).expression


def _better(entries: list[FrontEntry], x: np.ndarray, y: np.ndarray) -> list[FrontEntry]:
    """Entries with their error on rows held out, without those that are longer than another and worse there.

    By more than a standard error, that is: a mean of m squared normal errors is off by a share sqrt(2 / m) or so.
    """
    kept, least, floor = [], np.inf, EXACT_SHARE * float(np.var(y))
    for entry in sorted(entries, key=lambda one: (one.complexity, one.loss)):
        measured = float(np.mean((entry.formula(x) - y) ** 2))
        loss = max(measured, floor)
        if np.isfinite(loss) and loss < least * (1 + np.sqrt(2 / len(y))):
            kept.append(replace(entry, validation=measured))
            least = min(least, loss)
    return kept


def _of_network(estimator, x: np.ndarray, y: np.ndarray, names: tuple[str, ...], left: float):
    """Entries made from the network edge by edge, and a sentence on that."""
    deadline = time.monotonic() + left
    target = estimator.target_scaling_
    inputs = torch.from_numpy(estimator._to_network(x))
    problem = Regression(inputs, torch.from_numpy(target.transform(y[:, None])))
    edges = sum(int(mask.sum()) for mask in live_edges(estimator.model_))
    if edges > 8 * MOST_EDGES:
        return [], f"The network has {edges} edges, too many to be read one by one as a formula."
    smaller = prune(estimator.model_, problem)
    edges = sum(int(mask.sum()) for mask in live_edges(smaller))
    if edges > MOST_EDGES or deadline - time.monotonic() < left / 2:
        return [], f"The network, pruned to {edges} edges, has too many to be read one by one in the time given."
    front = symbolify(smaller, problem, time_limit=left / 4)
    scaling = estimator.input_scaling_
    made = []
    for node in (_in_units(entry.formula.expression, scaling, target) for entry in front):
        made += [FrontEntry.from_data(Formula(one, names), x, y) for one in _polished(node, x, y, deadline)]
    return made, f"The network, pruned to {_count(edges, 'edge')}, was turned into {_count(len(front), 'formula')}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _in_units(node: Expression, inputs, target) -> Expression:
    """A formula of scaled inputs for a scaled target, in the user's units."""

    def replaced(part: Expression) -> Expression:
        if isinstance(part, Variable):
            shift, scale = float(inputs.shift[part.index]), float(inputs.scale[part.index])
            return Multiply((Number(1 / scale), Add((part, Number(-shift)))))
        return rebuilt(part, [replaced(below) for below in children(part)])

    return Add((Multiply((Number(float(target.scale[0])), replaced(node))), Number(float(target.shift[0]))))


def _polished(node: Expression, x: np.ndarray, y: np.ndarray, deadline: float) -> Iterator[Expression]:
    """The formula simplified, and with its constants fitted again if there is time."""
    node = simplify(node)
    yield node
    if complexity(node) <= LONGEST and time.monotonic() < deadline:
        fitted = fit_constants(node, x, y, steps=20)
        if fitted is not None:
            yield simplify(fitted.expression)
