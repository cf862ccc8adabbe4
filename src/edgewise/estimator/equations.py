"""Search for formulas of a table, and of the regressor that was fitted to it, in the user's units and names."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.checks import check_names
from edgewise.discovery.assembly import pruned
from edgewise.discovery.evidence import decided, origins
from edgewise.discovery.features import has_two_values
from edgewise.discovery.finder import ROUNDING_FLOOR, find_formula
from edgewise.discovery.simple_forms import stepwise_sums
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import fit_constants, recognise
from edgewise.formulas.expression import Add, Expression, Multiply, Number, Variable, children, complexity, rebuilt
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import EXACT_SHARE, Front, FrontEntry, choose_by_significance, pareto_front, with_fidelity
from edgewise.interpret.pruning.pruning import prune
from edgewise.interpret.symbolic.snapping import symbolify
from edgewise.interpret.transform.subnetworks import live_edges
from edgewise.outcomes import StopReason
from edgewise.tables.scaling import AffineScaling
from edgewise.train.problems.regression import Regression

if TYPE_CHECKING:
    from edgewise.estimator.regressor import KANRegressor

EQUATION_HELD_OUT = 0.2  # share of the rows that is held out; a choice
FEWEST = 20  # rows that a search needs, and that are held out at least; a choice
MOST = 2000  # rows that formulas are searched on, and that are held out at most: the time grows with them
EXTREME = 1e60  # largest number, and inverse of the smallest, in a table: squares of products must stay finite
MOST_SYMBOLS = 120  # symbols of a formula on the front; a choice: longer ones are not readable
SHORT = 20  # symbols, at most, of a sum that is pruned; a choice
SUMS_SHARE, STRUCTURE_SHARE = 0.2, 0.5  # shares of the time for pruning sums, and for the search by structure; a choice
NETWORK_SHARE = 0.25  # share of the time that must be left for the network; a choice
MOST_EDGES = 16  # edges of a network that is turned into a formula edge by edge; a choice


def table_front(
    X: np.ndarray, y: np.ndarray, names: Sequence[str] | None, time_limit: float, estimator: KANRegressor | None = None
) -> Front:
    """Search for formulas of a table in three ways, and rank them by their errors on held-out rows.

    Parameters
    ----------
    X : ndarray of shape (N, d)
    y : ndarray of shape (N,)
    names : sequence of str, optional
        Names of the inputs.
    time_limit : float
        Seconds, about.
    estimator : KANRegressor, optional
        Fitted regressor whose network is turned into a formula edge by edge, as one of the ways.

    Returns
    -------
    Front
        Formulas of increasing length and decreasing error, with the errors on the held-out rows.

    Raises
    ------
    InputError
        If there are fewer than 20 rows, the names do not fit, or a column is in too extreme a unit.
    """
    if len(X) < FEWEST:
        raise InputError(f"X must have at least {FEWEST} rows to look for formulas, got {len(X)}")
    names = _with_brackets(check_names(names, X.shape[1]), X)
    for column, size in (("y", np.abs(y).max()), *((names[k], size) for k, size in enumerate(np.abs(X).max(0)))):
        if size > 0 and not 1 / EXTREME < size < EXTREME:
            raise InputError(
                f"{column} must be in a unit in which its squares are numbers, its largest value is {size:.3g}"
            )
    # Formulas are also evaluated where they are undefined; those with values that are not finite are dropped.
    with np.errstate(all="ignore"):
        started = time.monotonic()
        order = np.random.default_rng(0).permutation(len(X))
        count = round(EQUATION_HELD_OUT * len(X)) if EQUATION_HELD_OUT * len(X) >= FEWEST else 0
        held, kept = order[: min(count, MOST)], order[count:][:MOST]
        entries, messages, stopped = _candidates(X[kept], y[kept], names, started, time_limit, estimator)
        entries = [
            entry
            for entry in _decided(entries, X[kept], y[kept], started + 2 * time_limit)
            if not entry.formula.domain_violations(X) and entry.complexity <= MOST_SYMBOLS
        ]
        if len(held):
            entries = _not_worse_than_shorter(entries, X[held], y[held])
            messages.append(f"Searched on {len(kept):,} rows, judged on {len(held):,} others.")
        front = replace(
            pareto_front(entries, y[kept], dict.fromkeys(messages)),
            held_out=len(held),
            held_out_variance=float(np.var(y[held])) if len(held) else None,
            stopped=stopped,
        )
        rows = np.concatenate([kept, held])
        best = choose_by_significance(front, X[rows], y[rows]).best
        floor = EXACT_SHARE * front.variance
        # Longer formulas that are no better on the held-out rows would only be fitted to chance.
        useful: Iterable[FrontEntry] = [
            entry
            for entry in front
            if entry.complexity <= best.complexity or not max(entry.validation, floor) >= best.validation
        ]
        if estimator is not None:
            useful = with_fidelity(useful, lambda rows: estimator._outputs(rows)[:, 0], X)
        return choose_by_significance(replace(front, entries=tuple(useful)), X[rows], y[rows])


def _with_brackets(names: Sequence[str], X: np.ndarray) -> tuple[str, ...]:
    """Names with Iverson's brackets around those of indicators: [city is Bonn] is 1 or 0."""
    return tuple(
        f"[{name}]" if " is " in name and not set(name) & set("[]`") and has_two_values(X[:, column]) else name
        for column, name in enumerate(names)
    )


def _decided(entries: Iterable[FrontEntry], x: np.ndarray, y: np.ndarray, deadline: float) -> Iterator[FrontEntry]:
    """The entries without what the data do not decide, see `decided`."""
    origin = origins(x)
    for entry in entries:
        node = decided(entry.formula.expression, x, y, floor=ROUNDING_FLOOR, origin=origin, deadline=deadline)
        if node is not None:
            yield FrontEntry.from_data(replace(entry.formula, expression=node), x, y)


def _candidates(
    x: np.ndarray,
    y: np.ndarray,
    names: tuple[str, ...],
    started: float,
    time_limit: float,
    estimator: KANRegressor | None,
) -> tuple[list[FrontEntry], list[str], StopReason]:
    """Formulas from sums of simple terms, from the search by structure, and from the network.

    Returns them with messages and the reason why the search ended.
    """
    entries = []
    for node in stepwise_sums(x, y):
        entries.append(FrontEntry.from_data(Formula(node, names), x, y))
        # The short sums are also pruned to the terms that the data require, exact ones with constants in closed form.
        deadline = started + SUMS_SHARE * time_limit
        if complexity(node) <= SHORT and time.monotonic() < deadline:
            fitted = fit_constants(node, x, y, steps=2)
            assert fitted is not None  # a sum of terms that were fitted already has finite values
            fitted = pruned(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
            entries.append(FrontEntry.from_data(Formula(fitted.expression, names), x, y))
            if fitted.loss <= ROUNDING_FLOOR * float(np.var(y)):
                fitted = recognise(fitted, x, y, floor=ROUNDING_FLOOR, deadline=deadline)
                entries.append(FrontEntry.from_data(Formula(fitted.expression, names), x, y))
    structured = find_formula(x, y, names=names, time_limit=STRUCTURE_SHARE * time_limit)
    entries += structured
    messages, stopped = list(structured.messages), structured.stopped or StopReason.CONVERGED
    if structured.best.loss > ROUNDING_FLOOR * structured.variance and estimator is not None:
        left = time_limit - (time.monotonic() - started)
        if left > NETWORK_SHARE * time_limit:
            with warnings.catch_warnings():  # rows beyond the network's domain are as they were when it was trained
                warnings.simplefilter("ignore", EdgewiseWarning)
                of_network, message, of_network_stopped = _network_formulas(estimator, x, y, names, left)
            entries += of_network
            messages.append(message)
            if stopped == StopReason.CONVERGED:
                stopped = of_network_stopped
        else:
            messages.append("No time was left to turn the network itself into a formula.")
            stopped = StopReason.TIME_LIMIT
    return entries, messages, stopped


def _network_formulas(
    estimator: KANRegressor, x: np.ndarray, y: np.ndarray, names: tuple[str, ...], left: float
) -> tuple[list[FrontEntry], str, StopReason]:
    """Formulas made from the network edge by edge within `left` seconds, with a message and the reason of the end."""
    deadline = time.monotonic() + left
    if estimator.link_ == "log":
        message = "The network gives the logarithm of the target, so it was not turned into a formula edge by edge."
        return [], message, StopReason.CONVERGED
    scaling, target = estimator.input_scaling_, estimator.target_scaling_
    problem = Regression(estimator._to_network(x), torch.from_numpy(target.transform(y[:, None])))
    edges = sum(int(mask.sum()) for mask in live_edges(estimator.model_))
    if edges > 8 * MOST_EDGES:
        return [], f"The network has {edges} edges, too many to be read one by one as a formula.", StopReason.CONVERGED
    smaller = prune(estimator.model_, problem)
    edges = sum(int(mask.sum()) for mask in live_edges(smaller))
    if edges > MOST_EDGES:
        message = f"The network, pruned to {edges} edges, has too many to be read one by one as a formula."
        return [], message, StopReason.CONVERGED
    if deadline - time.monotonic() < left / 2:
        message = f"The network was pruned to {_counted(edges, 'edge')}; no time was left to turn it into a formula."
        return [], message, StopReason.TIME_LIMIT
    front = symbolify(smaller, problem, time_limit=left / 4)
    entries = []
    for snapped in front:
        node = simplify(_in_units(snapped.formula.expression, scaling, target))
        entries.append(FrontEntry.from_data(Formula(node, names), x, y))
        if complexity(node) <= MOST_SYMBOLS and time.monotonic() < deadline:
            fitted = fit_constants(node, x, y, steps=20)
            if fitted is not None:
                entries.append(FrontEntry.from_data(Formula(simplify(fitted.expression), names), x, y))
    counted = _counted(len(front), "formula")
    message = f"The network, pruned to {_counted(edges, 'edge')}, was turned into {counted}."
    return entries, message, front.stopped or StopReason.CONVERGED


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _in_units(node: Expression, inputs: AffineScaling, target: AffineScaling) -> Expression:
    """A formula of scaled inputs for a scaled target, rewritten for the user's units."""

    def replaced(part: Expression) -> Expression:
        if isinstance(part, Variable):
            shift, scale = float(inputs.shift[part.index]), float(inputs.scale[part.index])
            return Multiply((Number(1 / scale), Add((part, Number(-shift)))))
        return rebuilt(part, [replaced(below) for below in children(part)])

    return Add((Multiply((Number(float(target.scale[0])), replaced(node))), Number(float(target.shift[0]))))


def _not_worse_than_shorter(entries: list[FrontEntry], x: np.ndarray, y: np.ndarray) -> list[FrontEntry]:
    """Add the error on held-out rows to each entry; drop entries that are longer than another and worse there.

    Worse means by more than a standard error: a mean of m squared normal errors has the relative standard error
    sqrt(2 / m).
    """
    kept, least, floor = [], np.inf, EXACT_SHARE * float(np.var(y))
    for entry in sorted(entries, key=lambda entry: (entry.complexity, entry.loss)):
        validation = float(np.mean((entry.formula(x) - y) ** 2))
        loss = max(validation, floor)
        if np.isfinite(loss) and loss < least * (1 + np.sqrt(2 / len(y))):
            kept.append(replace(entry, validation=validation))
            least = min(least, loss)
    return kept
