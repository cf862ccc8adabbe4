"""Symbolification: the splines of a trained network are replaced by elementary functions, one edge after another."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_kind, check_names, check_number, is_integer, typed
from edgewise.discovery.arguments import LEAST_ROWS
from edgewise.discovery.decide import decided_front
from edgewise.discovery.finder import USUAL_SECONDS, Search, planned_budget
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.errors import InputError
from edgewise.formulas.constants import CHI_SQUARE_99, EXACT, free_places
from edgewise.formulas.curve_fits import EdgeFit, edge_fits, expression_of
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.front import Front, FrontEntry, with_fidelity
from edgewise.interpret.attribution.scores import edge_scores
from edgewise.interpret.symbolic.extraction import formula
from edgewise.interpret.transform import edges
from edgewise.interpret.transform.subnetworks import with_output
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.model import KAN
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import Budget, Progress, StopReason, spend
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import Data
from edgewise.train.cost import APPROXIMATION_COST, active_parameters
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems import Classification, Regression

Place = tuple[int, int, int]  # layer, in, out


@dataclass(frozen=True)
class SnappingSettings:
    """Effort of a symbolification."""

    beam: int = 2  # networks that are kept side by side
    tried: int = 3  # functions that are tried on each edge: the time of the search is proportional to it
    few: int = 4  # functions that are fitted to an edge when time has run out: each fit takes about a millisecond
    slow: frozenset[str] = frozenset({"J0"})  # left out then: it takes as long as all others of the table together
    refit_steps: int = 4  # of Levenberg-Marquardt after each snap: enough to rank the functions of an edge
    final_steps: int = 60  # of Levenberg-Marquardt, at most, of each final network
    # Shares of the work after which edges are no longer snapped, and no longer freed: the rest is for the constants,
    # without which a network is of no use.
    snapping: float = 0.6
    freeing: float = 0.75
    weak: float = 1e-3  # edges whose score is below this share of the strongest of their layer may be removed
    smallest_loss: float = 1e-22  # share of the variance of y below which losses count as equal
    symbol_price: float = 0.05  # rise of the logarithm of the loss that is accepted for one symbol less


SETTINGS = SnappingSettings()


@typed
def symbolify(
    model: KAN,
    problem: Regression,
    *,
    names: Sequence[str] | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    time_limit: float | None = None,
    output: int | None = None,
) -> Front | tuple[Front, ...]:
    """Turn a network into formulas: each edge becomes c f(a x + b) + d with an elementary f, or zero.

    Edges are replaced ("snapped") one after another, the weakest last, when the others hold the function. For each
    edge the best three functions by the shape of its curve are put into the network in turn, all parameters are
    refitted for a few Levenberg-Marquardt steps, and the two best networks by loss and length are kept. Then each
    edge of the best network is made a spline again, fitted with all the rest, and snapped anew if that lowers the loss
    of the whole. The formulas of the last networks are decided upon like those of `find_formula`: parts that the data
    do not need are removed, constants become closed forms such as pi / 2 where the data decide it, and held-out rows
    choose among all of them.

    Parameters
    ----------
    model : KAN
        Left unchanged. Prune it first: each edge costs time and symbols.
    problem : Regression
        With tensors, at least 20 rows. Its validation data judge the entries of the front; without any, 30 % of the
        rows do, and determine no constants until the choice is made.
    names : sequence of str, optional
        Names of the inputs; x1, x2, ... if left out.
    table : mapping of str to Elementary
        The elementary functions.
    time_limit : float, optional
        Seconds, which several outputs share equally; as much work is planned as a core does in them, without a limit
        that of a minute. After 60 % of either the remaining edges get their best function by shape at once, and a
        message of the front states this.
    output : int, optional
        Number of the output of a network that has several; all of them if left out.

    Returns
    -------
    Front or tuple of Front
        Formulas by complexity and error, with constants fitted to all rows. An entry holds the symbolic network that
        computes the same, if there is one. For a network of several outputs and no `output`, one front for each.

    Raises
    ------
    InputError
        There is no such output, or the problem doesn't fit the model.

    References
    ----------
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), section 2.5.1, symbolification.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression, fit, symbolify
    >>> x = torch.linspace(-1, 1, 30, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, 3 * torch.sin(2 * x))
    >>> model = KAN([1, 1], seed=0, dtype=torch.float64)
    >>> _ = fit(model, problem, steps=20)
    >>> str(symbolify(model, problem, names=["x"]).best.formula)
    '3*sin(2*x)'
    """
    _check_arguments(model, problem, output, time_limit)
    for row in table.values():
        expression_of(row)  # raises before the search if a function cannot be written in formulas
    outputs = model.layers[-1].out_features
    if outputs == 1:
        return symbolified(model, problem, planned_budget(time_limit, USUAL_SECONDS), names, table)
    places = range(outputs) if output is None else [output]
    fronts = []
    for place in places:
        budget = planned_budget(time_limit, USUAL_SECONDS, len(places))
        fronts.append(symbolified(with_output(model, place), _with_target(problem, place), budget, names, table))
    if output is None:
        return tuple(fronts)
    return fronts[0]


def symbolified(
    model: KAN,
    problem: Regression,
    budget: Budget,
    names: Sequence[str] | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
) -> Front:
    """Formulas of a network of one output within a budget, as `symbolify` describes."""
    with budget.holds():
        return _front(model, problem, budget, names, table)


def _front(
    model: KAN,
    problem: Regression,
    budget: Budget,
    names: Sequence[str] | None,
    table: Mapping[str, Elementary],
) -> Front:
    """Formulas of a network of one output."""
    snapping = _Snapping(model, problem, table)
    messages: list[str] = []
    states = [snapping.state(snapping.start, {})]
    order = snapping.edges_by_strength()
    snapping_budget = budget.share(SETTINGS.snapping)
    freeing_budget = budget.share(SETTINGS.freeing)
    ended_early = False
    # Beam search: edges from the strongest on become functions, and the best networks stay.
    for place in order:
        ended_early = snapping_budget.is_over
        tried = 1 if ended_early else SETTINGS.tried
        grown = [new for state in states for new in snapping.with_snapped_edge(state, place, tried, snapping_budget)]
        states = sorted(grown, key=snapping.rank)[: 1 if ended_early else SETTINGS.beam]
        if ended_early and not messages:
            limit = "The planned work was done"
            if snapping_budget.is_late:
                limit = "The time limit was reached"
            messages.append(f"{limit}: the last edges were snapped by shape alone.")
    # Edges that were snapped early are tried once more; then constants are fitted.
    if not freeing_budget.is_over:
        states[0] = snapping.with_edges_freed(states[0], order, freeing_budget)
    ended_early = ended_early or freeing_budget.is_over
    networks = snapping.refitted([state.model for state in states], budget)
    # Formulas of the networks, decided by their errors and lengths.
    rows = _deciding_rows(problem, check_names(names, model.layers[0].in_features))
    found = [formula(network).expression for network in networks]
    leaking = sum(bool(domain_violations(node, rows.x)) for node in found)
    if leaking:
        messages.append(f"{leaking} of {len(found)} formulas leave a domain on the range of the data.")
    with np.errstate(all="ignore"):
        front = decided_front(found, rows, budget, messages)
    dtype = next(model.parameters()).dtype

    def network_values(rows: np.ndarray) -> np.ndarray:
        return predict_in_batches(model, torch.from_numpy(rows).to(dtype)).double().numpy()[:, 0]

    # The limit that ended it.
    stopped = StopReason.CONVERGED
    if ended_early or budget.is_over:
        stopped = StopReason.TIME_LIMIT if budget.is_late else StopReason.BUDGET
    entries = [_with_network(entry, networks, rows.x) for entry in front]
    return replace(front, entries=tuple(with_fidelity(entries, network_values, rows.x)), stopped=stopped)


def _deciding_rows(problem: Regression, names: tuple[str, ...]) -> LawProblem:
    """The rows that decide: the validation data are held out, or without any a share as in `find_formula`."""

    def arrays(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = data.x.double().numpy()
        weight = np.ones(len(x))
        if data.weight is not None:
            weight = data.weight.double().numpy()
        return x, data.y.double().numpy()[:, 0], weight

    x, y, weight = arrays(problem.train)
    if problem.validation is not None:
        held_x, held_y, held_weight = arrays(problem.validation)
        return LawProblem(x, y, held_x, held_y, names, weights=weight, held_weights=held_weight)
    return Search(x, y, names, FormulaOptions(weights=weight), Budget()).deciding_problem()


def _with_network(entry: FrontEntry, networks: Sequence[KAN], x: np.ndarray) -> FrontEntry:
    """The entry with the first network that computes the same, up to what chance changes its constants by."""
    # Both are fits of the same formula if they differ by no more than the 99 % quantile of chi-squared allows.
    constants = max(len(free_places(entry.formula.expression)), 1)
    values = entry.formula(x)
    allowed = CHI_SQUARE_99 * constants / len(x) * entry.loss + EXACT.fitted_loss(float(np.var(values)))
    for network in networks:
        own = predict_in_batches(network, torch.from_numpy(x)).numpy()[:, 0]
        if np.mean((own - values) ** 2) <= allowed:
            return replace(entry, model=network)
    return entry


def _check_arguments(model: KAN, problem: Regression, output: int | None, time_limit: float | None) -> None:
    """Raise an InputError for the first argument of `symbolify` that is not as its docstring requires."""
    check_kind(model, KAN, "model must be a KAN")
    outputs = model.layers[-1].out_features
    if output is not None and not (is_integer(output) and 0 <= output < outputs):
        raise InputError(f"output must be the number of one of the {outputs} outputs, from 0, got {output!r}")
    if not isinstance(problem, Regression) or problem.train_loader is not None:
        match problem:
            case Regression():
                got = "one with a DataLoader"
            case Classification():
                got = "Classification; KANClassifier.fit_equations finds formulas of classes"
            case _:
                got = type(problem).__name__
        raise InputError(f"problem must be a Regression with tensors, got {got}")
    if problem.train.x.shape[1] != model.layers[0].in_features:
        got = str(problem.train.x.shape[1])
        raise InputError(f"problem must have {model.layers[0].in_features} inputs as the model has, got {got}")
    if len(problem.train.x) < LEAST_ROWS:
        raise InputError(f"problem must have at least {LEAST_ROWS} rows of training data, got {len(problem.train.x)}")
    if time_limit is not None:
        check_number(time_limit, "time_limit", of=" of seconds")


def _with_target(problem: Regression, output: int) -> Regression:
    """Return the problem of one column of y."""
    train = problem.train
    held = problem.validation
    validation = None
    if held is not None:
        validation = (held.x, held.y[:, output], held.weight)
    return Regression(train.x, train.y[:, output], weight=train.weight, validation=validation)


@dataclass(frozen=True, eq=False)
class _State:
    """A network in which some edges are snapped."""

    model: KAN  # the network
    loss: float  # its weighted mean squared error, infinite where it is undefined
    symbols: Mapping[Place, int]  # complexity of each edge that is snapped


class _Snapping:
    """Data and steps of one symbolification; networks and data are float64. Shapes: x, y (N, inputs)."""

    def __init__(self, model: KAN, problem: Regression, table: Mapping[str, Elementary]):
        self.start = copy.deepcopy(model).double()
        self.table = table
        self.x = problem.train.x.double()
        self.y = problem.train.y.double()
        self.problem = Regression(self.x, self.y, weight=problem.train.weight)
        variance = float(self.y.var(correction=0))
        self.smallest_loss = SETTINGS.smallest_loss * variance + ABOVE_ZERO
        self.exact_loss = max(self.smallest_loss, EXACT.fitted_loss(variance))

    @torch.no_grad()
    def state(self, model: KAN, symbols: Mapping[Place, int]) -> _State:
        """Measure the loss of a network, with the weights of the rows."""
        squares = (model(self.x) - self.y).square()
        loss = float(self.problem.train.weighted(squares).mean())
        if math.isnan(loss):
            loss = math.inf
        return _State(model, loss, symbols)

    def rank(self, state: _State, floor: float = 0.0) -> float:
        """Criterion by which states are compared: log loss, with a price for each symbol."""
        return math.log(max(state.loss, self.smallest_loss, floor)) + SETTINGS.symbol_price * sum(
            state.symbols.values()
        )

    def edges_by_strength(self) -> list[Place]:
        """Every spline edge, the strongest first."""
        with torch.no_grad():
            scores = edge_scores(self.start.trace(self.x))
        ranked = []
        for number, layer in spline_layers(self.start).items():
            size = max(float(scores[number].max()), ABOVE_ZERO)
            edges = layer.spline_mask.nonzero().tolist()
            ranked += [(-float(scores[number][i, o]) / size, number, i, o) for i, o in edges]
        return [(number, i, o) for _, number, i, o in sorted(ranked)]

    def with_snapped_edge(self, state: _State, place: Place, tried: int, budget: Budget) -> Iterator[_State]:
        """Snap one more edge in the ways worth trying, each refitted as long as the budget lasts."""
        # The curve of the edge, and its share in the variation of its layer.
        number, i, o = place
        with torch.no_grad():
            trace = state.model.trace(self.x)
        u = trace.inputs[number][:, i].numpy()
        s = trace.edges[number][:, i, o].numpy()
        scores = edge_scores(trace)[number]
        score = float(scores[i, o]) / max(float(scores.max()), ABOVE_ZERO)
        # No function for a weak edge, then the functions that fit the curve best.
        fits = []
        if score < SETTINGS.weak:
            fits = [EdgeFit(NO_FUNCTION, 0.0, 0.0, 0.0, float(s.mean()), 1.0, 0)]
        if tried > 1:
            fits += edge_fits(u, s, table=self.table)[:tried]
        else:  # time has run out
            quick = {name: function for name, function in self.table.items() if name not in SETTINGS.slow}
            fits += edge_fits(u, s, table=quick, most=SETTINGS.few)[:tried]
        for fitted in fits[:tried]:
            grown = with_edge(state.model, place, fitted, self.table)
            if not budget.is_over:
                self.refit(grown, SETTINGS.refit_steps, budget)
            yield self.state(grown, {**state.symbols, place: fitted.complexity})

    def with_edges_freed(self, state: _State, places: Sequence[Place], budget: Budget) -> _State:
        """Make each edge a spline once more and snap it anew, if the network gets better by that.

        The first edges were snapped while the others could be anything; now the others hold the function.
        """
        for place in places:
            if state.loss <= self.exact_loss or budget.is_over:
                break
            if place not in state.symbols:
                continue
            # One step of coordinate descent over the edges: free, refit, snap in the best way.
            loose = with_spline(state.model, place, self.x, like=spline_layers(self.start).get(place[0]))
            self.refit(loose, SETTINGS.refit_steps, budget)
            free = self.state(loose, {other: size for other, size in state.symbols.items() if other != place})
            grown = self.with_snapped_edge(free, place, SETTINGS.tried, budget)
            state = min((state, *grown), key=lambda each: self.rank(each, self.exact_loss))
        return state

    def refit(self, model: KAN, steps: int, budget: Budget) -> None:
        """Make Levenberg-Marquardt steps until the budget is over."""
        parameters = sum(parameter.numel() for parameter in model.parameters())
        work = APPROXIMATION_COST.levenberg_marquardt(len(self.x), parameters, active_parameters(model) + parameters)

        def counted(event: Progress) -> bool:
            spend(work)
            return budget.is_over

        fit(model, self.problem, LevenbergMarquardt(), steps=steps, adapt_domain=False, callbacks=[counted])

    def refitted(self, models: Sequence[KAN], budget: Budget) -> list[KAN]:
        """The networks with parameters fitted to rounding, at least the first."""
        for place, model in enumerate(models):
            if place and budget.is_over:
                return list(models[:place])
            self.refit(model, SETTINGS.final_steps, budget)
        return list(models)


@torch.no_grad()
def with_edge(model: KAN, place: Place, fitted: EdgeFit, table: Mapping[str, Elementary] = ELEMENTARY) -> KAN:
    """Copy a network and replace the spline of one edge, at (layer, in, out), by an elementary function of a table.

    The function "0" removes the edge and adds its mean `fitted.d` to another edge.
    """
    number, i, o = place
    layer = model.layers[number]
    assert layer.groups is None, "a place is one of a layer of edges"
    return edges.with_layer(model, number, edges.with_function(layer, i, o, fitted, table))


@torch.no_grad()
def with_spline(model: KAN, place: Place, x: Tensor, *, like: KANLayer | None = None) -> KAN:
    """Copy a network and replace one elementary edge, at (layer, in, out), by the spline nearest to it at rows x.

    In a layer that has no splines it gets the grid size and the degree of `like`.
    """
    number, i, o = place
    layer = model.layers[number]
    assert layer.groups is None, "a place is one of a layer of edges"
    return edges.with_layer(model, number, edges.with_spline(layer, i, o, model.trace(x).inputs[number], like=like))
