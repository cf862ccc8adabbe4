"""Search for formulas of a table, and of the regressor that was fitted to it, in the user's units and names."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from edgewise.checkpoint import codec, container
from edgewise.checks import check_names
from edgewise.discovery.arguments import checked_options, rows_with_weight
from edgewise.discovery.curves.features import has_two_values
from edgewise.discovery.engine.recording import data_name
from edgewise.discovery.finder import Search, class_law, planned_budget
from edgewise.discovery.knowledge.powers_of_ten import check_sizes
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator.task import numeric_targets
from edgewise.files.journal import Journal, Part
from edgewise.formulas.expression import Add, Expression, Multiply, Number, Variable, substituted
from edgewise.formulas.front import Front, with_fidelity
from edgewise.formulas.rewriting import simplify
from edgewise.interpret.pruning.pruning import prune
from edgewise.interpret.symbolic.snapping import symbolified
from edgewise.interpret.transform.subnetworks import live_edges, with_output
from edgewise.outcomes import Budget, ProgressCallback, StopReason
from edgewise.presentation import counted
from edgewise.scaling import AffineScaling
from edgewise.train.problems import Regression

if TYPE_CHECKING:
    from edgewise.estimator.regressor import KANRegressor

FEWEST = 20  # rows that a search needs
TABLE_SECONDS = 60.0  # for which a core works where no limit is set


def table_budget(time_limit: float | None, outputs: int = 1) -> Budget:
    """The work for one of some outputs of a table that share a limit in seconds, if there is one."""
    return planned_budget(time_limit, TABLE_SECONDS, outputs)


def table_search(
    X: np.ndarray,
    y: np.ndarray,
    names: Sequence[str] | None,
    options: FormulaOptions | None,
    budget: Budget,
    *,
    target: str = "y",
    report: ProgressCallback | None = None,
    journal: Journal | None = None,
) -> Search:
    """A search for formulas of a table, X (N, d) and y (N,), whose indicators have names in brackets.

    InputError for fewer than 20 rows, and names and options that do not fit.
    """
    if len(X) < FEWEST:
        raise InputError(f"X must have at least {FEWEST} rows to look for formulas, got {len(X)}")
    shown = _with_brackets(check_names(names, X.shape[1]), X)
    options = checked_options(options, shown, len(y))
    return Search(X, y, shown, options, budget, report=report, journal=journal, target=target)


def table_front(search: Search, estimator: KANRegressor | None = None) -> Front:
    """Search for formulas of a table, and in its network, and decide by their errors on held-out rows.

    The search is one of `table_search`. The network of a fitted `estimator`, edge by edge, is one of the ways to
    formulas. The journal keeps the front when it is complete, and before that the formulas so far, so that a later run
    goes on from them. InputError for a column in too extreme a unit.
    """
    check_sizes(search.x, search.y, search.names)
    if search.options.groups is not None:
        raise InputError("options must have no groups here: find_formula looks for laws of groups")
    # The front of an earlier run of the same data, if the journal has it.
    X, y, options = rows_with_weight(search.x, search.y, search.options)
    search = replace(search, x=X, y=y, options=options)
    name = f"front {data_name(X, y)}"
    journal = search.journal
    if journal is not None and (known := journal.recall(name)) is not None:
        with container.errors_of_file("resume", journal.place):
            return codec.read(Front, known.facts, "formulas", {"inputs": X.shape[1]})
    messages: list[str] = []

    def of_network(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
        assert estimator is not None
        if budget.is_over:
            messages.append("No time or work was left to turn the network itself into a formula.")
            return
        with warnings.catch_warnings():  # rows beyond the network's domain are as they were when it was trained
            warnings.simplefilter("ignore", EdgewiseWarning)
            nodes, message = _network_formulas(estimator, problem.x, problem.y, budget)
        messages.append(message)
        yield from nodes

    # Formulas are also evaluated where they are undefined; those with values that are not finite are dropped.
    with np.errstate(all="ignore"):
        front = search.front(more=None if estimator is None else of_network)
        if estimator is not None:
            front = replace(front, entries=tuple(with_fidelity(front, lambda rows: estimator._outputs(rows)[:, 0], X)))
        judged = f"Judged on {counted(front.held_out, 'row')} that were held out."
        front = replace(front, messages=(*front.messages, *messages, judged))
    # A front that Ctrl-C cut short is searched for again.
    if journal is not None and front.stopped != StopReason.INTERRUPTED:
        journal.keep(name, Part(codec.plain(front)))
    return front


def fronts_of_outputs(
    estimator: KANRegressor,
    X: np.ndarray,
    y: ArrayLike,
    names: Sequence[str] | None,
    time_limit: float | None,
    options: FormulaOptions | None,
) -> list[Front]:
    """Search for formulas of all outputs of a fitted regressor, a front for each.

    X is (N, d), y (N,) or (N, outputs), and the outputs share the time limit. InputError as in `table_front`, or where
    the targets are not finite numbers, one for each row and output.
    """
    # The targets, one column for each output of the model.
    outputs = estimator.model_.config.width[-1]
    read = numeric_targets(y, estimator._task.family)
    try:
        values = np.asarray(read, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"y must be numbers, one for each row of X, got others ({error})") from error
    shape = values.shape
    values = values[:, None] if values.ndim == 1 and outputs == 1 else values
    if values.shape != (len(X), outputs):
        if outputs == 1:
            each = "a number"
        else:
            each = f"{outputs} numbers"
        raise InputError(f"y must hold {each} for each of the {len(X)} rows of X, got shape {shape}")
    if outputs == 1:
        target = estimator._task.target
        search = table_search(X, values[:, 0], names, options, table_budget(time_limit), target=target)
        return [table_front(search, estimator)]
    # Each output alone, as a model of one target with its own scaling, so that its network can be read as a formula.
    fronts = []
    scaling = estimator.target_scaling_
    limits = estimator._output_limits
    for k, target in enumerate(estimator._names_of_outputs(outputs)):
        alone = copy.copy(estimator)
        alone.model_ = with_output(estimator.model_, k)
        alone.target_scaling_ = AffineScaling(scaling.shift[[k]], scaling.scale[[k]])
        alone._output_limits = None if limits is None else limits[[k]]
        search = table_search(X, values[:, k], names, options, table_budget(time_limit, outputs), target=target)
        fronts.append(table_front(search, alone))
    return fronts


def class_front_of_table(search: Search, log_odds: np.ndarray) -> Front:
    """Search for formulas of the log-odds of y = 1, with constants of the likelihood of the classes.

    The search is one of `table_search`; `log_odds` (N,) are those of the model, from which it starts. Losses of the
    front are logarithmic. InputError for one class alone.
    """
    with np.errstate(all="ignore"):
        return class_law(search, log_odds)


def _with_brackets(names: Sequence[str], X: np.ndarray) -> tuple[str, ...]:
    """Names with Iverson's brackets around those of indicators: [city is Bonn] is 1 or 0."""
    return tuple(
        f"[{name}]" if " is " in name and not set(name) & set("[]`") and has_two_values(X[:, column]) else name
        for column, name in enumerate(names)
    )


def _network_formulas(
    estimator: KANRegressor, x: np.ndarray, y: np.ndarray, budget: Budget
) -> tuple[list[Expression], str]:
    """Formulas made from the network edge by edge within a budget, with a message."""
    if estimator.link_ == "log":
        message = "The network gives the logarithm of the target, so it was not turned into a formula edge by edge."
        return [], message
    # Only a small network is worth reading: magnitude-based pruning first takes the edges that the loss does not need.
    scaling = estimator.input_scaling_
    target = estimator.target_scaling_
    problem = Regression(estimator._to_network(x), torch.from_numpy(target.transform(y[:, None])))
    most = 16  # edges of a network that is turned into a formula edge by edge
    edges = sum(int(mask.sum()) for mask in live_edges(estimator.model_))
    if edges > 8 * most:
        return [], f"The network has {edges} edges, too many to be read one by one as a formula."
    smaller, _ = prune(estimator.model_, problem)
    edges = sum(int(mask.sum()) for mask in live_edges(smaller))
    if edges > most:
        message = f"The network, pruned to {edges} edges, has too many to be read one by one as a formula."
        return [], message
    if budget.is_over:
        message = f"The network was pruned to {counted(edges, 'edge')}; no time was left to turn it into a formula."
        return [], message
    # Each edge becomes an elementary function, then the scaled formula is put into the user's units.
    front = symbolified(smaller, problem, budget.share(0.25))
    nodes = [simplify(_in_units(snapped.formula.expression, scaling, target)) for snapped in front]
    message = f"The network, pruned to {counted(edges, 'edge')}, was turned into {counted(len(front), 'formula')}."
    return nodes, message


def _in_units(node: Expression, inputs: AffineScaling, target: AffineScaling) -> Expression:
    """A formula of scaled inputs for a scaled target, rewritten for the user's units."""
    scaled = [
        Multiply((Number(1 / float(inputs.scale[j])), Add((Variable(j), Number(-float(inputs.shift[j]))))))
        for j in range(len(inputs.shift))
    ]
    whole = substituted(node, scaled)
    return Add((Multiply((Number(float(target.scale[0])), whole)), Number(float(target.shift[0]))))
