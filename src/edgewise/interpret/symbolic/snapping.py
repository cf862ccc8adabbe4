"""Symbolification: the splines of a trained network are replaced by elementary functions, one edge after another."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_count, is_integer, is_number
from edgewise.deprecations import renamed_argument
from edgewise.discovery.curves.assembly import pruned
from edgewise.errors import InputError
from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import fit_constants, recognise
from edgewise.formulas.curve_fits import EdgeFit, edge_fits, expression_of
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry, pareto_front, with_fidelity
from edgewise.interpret.attribution.scores import edge_scores
from edgewise.interpret.symbolic.extraction import formula
from edgewise.interpret.transform import edges
from edgewise.interpret.transform.subnetworks import with_output
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import NO_FUNCTION
from edgewise.nn.model import KAN, spline_part
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import StopReason
from edgewise.settings import ABOVE_ZERO
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.regression import Regression

Place = tuple[int, int, int]  # layer, in, out

TRIED = 3  # functions that are tried on each edge; a choice: the time of the search is proportional to it
FEW = 4  # functions that are fitted to an edge when time has run out; a choice: each fit takes about a millisecond
SLOW = {"J0"}  # functions left out then: Bessel's function takes as long as all others of the table together
REFIT_STEPS = 4  # Levenberg-Marquardt steps after each snap; a choice: enough to rank the functions of an edge
FINAL_STEPS = 60  # Levenberg-Marquardt steps, at most, of each final network; a choice that bounds the time of each
# Shares of the time limit after which edges are no longer snapped, and no longer freed. A choice: the rest is for the
# constants, without which a network is of no use.
SNAPPING, FREEING = 0.6, 0.75
WEAK = 1e-3  # edges whose score is below this share of the strongest one of their layer may be removed
EXACT_FIT_SHARE = 1e-16  # share of the variance of y below which a fit is exact to rounding
SMALLEST_LOSS = 1e-22  # share of the variance of y below which losses count as equal
# Rise of the logarithm of the loss that is accepted for one symbol less while edges are chosen.
SYMBOL_PRICE_PER_LOG_LOSS = 0.05


@renamed_argument("data", "problem")
def symbolify(
    model: KAN,
    problem: Regression,
    *,
    names: Sequence[str] | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    beam: int = 2,
    time_limit: float = 120.0,
    output: int | None = None,
) -> Front:
    """Turn an output of a network into formulas: each edge becomes c f(a x + b) + d with an elementary f, or zero.

    Edges are replaced ("snapped") one after another, the weakest last, when the others hold the function. For each
    edge the best three functions by the shape of its curve are put into the network in turn, all parameters are
    refitted for a few Levenberg-Marquardt steps, and the `beam` best networks by loss and length are kept. Then each
    edge of the best network is made a spline again, fitted with all the rest, and snapped anew if that lowers the loss
    of the whole. At the end the constants of each network are fitted to rounding, terms that the data do not need are
    removed, and constants are replaced by closed forms such as pi / 2 where they agree with them.

    Parameters
    ----------
    model : KAN
        Left unchanged. Prune it first: each edge costs time and symbols.
    problem : Regression
        With tensors; its validation data, if any, judge the entries of the front.
    names : sequence of str, optional
        Names of the inputs; x_1, x_2, ... if left out.
    table : mapping of str to Elementary
        The elementary functions.
    beam : int
        Number of networks that are kept side by side.
    time_limit : float
        Seconds. After 60 % of them the remaining edges get their best function by shape at once, and a message of the
        front states this.
    output : int, optional
        Number of the output of a network that has several.

    Returns
    -------
    Front
        Formulas by complexity and error. An entry holds the symbolic network as long as the formula is still that of
        one.

    Raises
    ------
    InputError
        The model has several outputs and none is named, or the problem doesn't fit it.

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
    _check_arguments(model, problem, output, beam, time_limit)
    if output is not None and model.layers[-1].out_features > 1:
        model, problem = with_output(model, output), _with_target(problem, output)
    for row in table.values():
        expression_of(row)  # raises before the search if a function cannot be written in formulas
    began = time.monotonic()
    snapping = _Snapping(model, problem, table)
    messages: list[str] = []
    states = [snapping.state(snapping.start, {})]
    order = snapping.edges_by_strength()
    deadline, past_deadline = began + SNAPPING * time_limit, False
    for place in order:
        past_deadline = time.monotonic() > deadline
        tried = 1 if past_deadline else TRIED
        grown = [new for state in states for new in snapping.with_snapped_edge(state, place, tried, deadline)]
        states = sorted(grown, key=snapping.rank)[: 1 if past_deadline else beam]
        if past_deadline and not messages:
            messages.append(
                f"The time limit of {time_limit:g} s was reached: the last edges were snapped by shape alone."
            )
    deadline = began + FREEING * time_limit
    if time.monotonic() <= deadline:
        states[0] = snapping.with_edges_freed(states[0], order, deadline)
    past_deadline = past_deadline or time.monotonic() > deadline
    entries = snapping.formulas([state.model for state in states], names, began + time_limit)
    x, y = snapping.x.numpy(), snapping.y.numpy()[:, 0]
    leaking = [entry for entry in entries if entry.formula.domain_violations(x)]
    if leaking:
        messages.append(f"{len(leaking)} of {len(entries)} formulas leave a domain on the range of the data.")
    entries = [entry for entry in entries if entry not in leaking] or entries
    if problem.validation is not None:
        vx, vy = problem.validation.x.double().numpy(), problem.validation.y.double().numpy()[:, 0]
        losses = [float(np.mean((entry.formula(vx) - vy) ** 2)) for entry in entries]
        losses = [loss if math.isfinite(loss) else math.inf for loss in losses]
        entries = [replace(entry, validation=loss) for entry, loss in zip(entries, losses, strict=True)]
    front = pareto_front(entries, y, messages)
    dtype = next(model.parameters()).dtype

    def network_values(rows: np.ndarray) -> np.ndarray:
        return predict_in_batches(model, torch.from_numpy(rows).to(dtype)).double().numpy()[:, 0]

    past_deadline = past_deadline or time.monotonic() > began + time_limit
    stopped = StopReason.TIME_LIMIT if past_deadline else StopReason.CONVERGED
    return replace(front, entries=tuple(with_fidelity(front, network_values, x)), stopped=stopped)


def _check_arguments(model: KAN, problem: Regression, output: int | None, beam: int, time_limit: float) -> None:
    """Raise an InputError for the first argument of `symbolify` that is not as its docstring says."""
    if not isinstance(model, KAN):
        raise InputError(f"model must be a KAN, got {type(model).__name__}")
    outputs = model.layers[-1].out_features
    if not (is_integer(output) and 0 <= output < outputs) and (output is not None or outputs > 1):
        raise InputError(f"output must be the number of one of the {outputs} outputs, from 0, got {output!r}")
    if not isinstance(problem, Regression) or problem.train_loader is not None:
        got = "one with a DataLoader" if isinstance(problem, Regression) else type(problem).__name__
        more = "; KANClassifier.fit_equations finds formulas of classes" if isinstance(problem, Classification) else ""
        raise InputError(f"problem must be a Regression with tensors, got {got}{more}")
    if problem.train.x.shape[1] != model.layers[0].in_features:
        got = str(problem.train.x.shape[1])
        raise InputError(f"problem must have {model.layers[0].in_features} inputs as the model has, got {got}")
    check_count(beam, "beam")
    if not (is_number(time_limit) and time_limit >= 0):
        raise InputError(f"time_limit must be a number of seconds of at least 0, got {time_limit!r}")


def _with_target(problem: Regression, output: int) -> Regression:
    """Return the problem of one column of y."""
    train, held = problem.train, problem.validation
    validation = None if held is None else (held.x, held.y[:, output], held.weight)
    return Regression(train.x, train.y[:, output], weight=train.weight, validation=validation)


@dataclass(frozen=True, eq=False)
class _State:
    """A network in which some edges are snapped.

    Attributes
    ----------
    model : KAN
        The network.
    loss : float
        Its mean squared error, infinite where it is undefined.
    symbols : mapping of Place to int
        Complexity of each edge that is snapped.
    """

    model: KAN
    loss: float
    symbols: Mapping[Place, int]


class _Snapping:
    """Data and steps of one symbolification; networks and data are float64.

    Attributes
    ----------
    start : KAN
        The given network.
    x, y : Tensor
        Training data, (N, inputs) and (N, 1).
    problem : Regression
        The training data with their weights.
    """

    def __init__(self, model: KAN, problem: Regression, table: Mapping[str, Elementary]):
        self.start = copy.deepcopy(model).double()
        self.table = table
        self.x, self.y = problem.train.x.double(), problem.train.y.double()
        self.problem = Regression(self.x, self.y, weight=problem.train.weight)
        variance = float(self.y.var(correction=0))
        self.smallest_loss = SMALLEST_LOSS * variance + ABOVE_ZERO
        self.exact_loss = max(self.smallest_loss, EXACT_FIT_SHARE * variance)

    @torch.no_grad()
    def state(self, model: KAN, symbols: Mapping[Place, int]) -> _State:
        """Measure the loss of a network."""
        loss = float((model(self.x) - self.y).square().mean())
        return _State(model, loss if math.isfinite(loss) else math.inf, symbols)

    def rank(self, state: _State, floor: float | None = None) -> float:
        """Criterion by which states are compared: log loss, with a price for each symbol."""
        floor = self.smallest_loss if floor is None else floor
        return math.log(max(state.loss, floor)) + SYMBOL_PRICE_PER_LOG_LOSS * sum(state.symbols.values())

    def edges_by_strength(self) -> list[Place]:
        """Every spline edge, the strongest first."""
        with torch.no_grad():
            scores = edge_scores(self.start.trace(self.x))
        ranked = []
        for number, layer in enumerate(self.start.layers):
            spline = spline_part(layer)
            if spline is not None:
                size = max(float(scores[number].max()), ABOVE_ZERO)
                edges = spline.mask.nonzero().tolist()
                ranked += [(-float(scores[number][i, o]) / size, number, i, o) for i, o in edges]
        return [(number, i, o) for _, number, i, o in sorted(ranked)]

    def with_snapped_edge(self, state: _State, place: Place, tried: int, deadline: float) -> Iterator[_State]:
        """Snap one more edge in the ways worth trying, each refitted as long as there is time."""
        number, i, o = place
        with torch.no_grad():
            trace = state.model.trace(self.x)
        u, s = trace.inputs[number][:, i].numpy(), trace.edges[number][:, i, o].numpy()
        scores = edge_scores(trace)[number]
        score = float(scores[i, o]) / max(float(scores.max()), ABOVE_ZERO)
        fits = [EdgeFit(NO_FUNCTION, 0.0, 0.0, 0.0, float(s.mean()), 1.0, 0)] if score < WEAK else []
        if tried > 1:
            fits += edge_fits(u, s, table=self.table)[:tried]
        else:  # time has run out
            quick = {name: function for name, function in self.table.items() if name not in SLOW}
            fits += edge_fits(u, s, table=quick, most=FEW)[:tried]
        for fitted in fits[:tried]:
            grown = with_edge(state.model, place, fitted, self.table)
            if time.monotonic() <= deadline:
                self.refit(grown, REFIT_STEPS, deadline)
            yield self.state(grown, {**state.symbols, place: fitted.complexity})

    def with_edges_freed(self, state: _State, places: Sequence[Place], deadline: float) -> _State:
        """Make each edge a spline once more and snap it anew, if the network gets better by that.

        The first edges were snapped while the others could be anything; now the others hold the function.
        """
        for place in places:
            if state.loss <= self.exact_loss or time.monotonic() > deadline:
                break
            if place not in state.symbols:
                continue
            loose = with_spline(state.model, place, self.x, like=spline_part(self.start.layers[place[0]]))
            self.refit(loose, REFIT_STEPS, deadline)
            free = self.state(loose, {other: size for other, size in state.symbols.items() if other != place})
            grown = self.with_snapped_edge(free, place, TRIED, deadline)
            state = min((state, *grown), key=lambda each: self.rank(each, self.exact_loss))
        return state

    def refit(self, model: KAN, steps: int, deadline: float) -> None:
        """Make Levenberg-Marquardt steps until the deadline."""
        past_deadline = [lambda event: time.monotonic() > deadline]
        fit(model, self.problem, LevenbergMarquardt(), steps=steps, adapt_domain=False, callbacks=past_deadline)

    def formulas(self, models: Sequence[KAN], names: Sequence[str] | None, deadline: float) -> list[FrontEntry]:
        """The formula of each network, and the same with fitted constants, fewer terms and closed forms."""
        x, y = self.x.numpy(), self.y.numpy()[:, 0]
        entries: list[FrontEntry] = []
        for model in models:
            if entries and time.monotonic() > deadline:
                break
            self.refit(model, FINAL_STEPS, deadline)
            whole = formula(model, names=names)
            entries.append(FrontEntry.from_data(whole, x, y, model))
            fitted = fit_constants(simplify(whole.expression), x, y, steps=40, deadline=deadline)
            if fitted is None:
                continue
            shorter = pruned(fitted, x, y, floor=EXACT_FIT_SHARE, deadline=deadline)
            known = recognise(shorter, x, y, floor=EXACT_FIT_SHARE, deadline=deadline)
            known = fit_constants(simplify(known.expression), x, y, steps=30, deadline=deadline) or known
            for one in (fitted, shorter, known):
                entries.append(FrontEntry.from_data(Formula(one.expression, whole.names), x, y))
        return entries


@torch.no_grad()
def with_edge(model: KAN, place: Place, fitted: EdgeFit, table: Mapping[str, Elementary] = ELEMENTARY) -> KAN:
    """Copy a network and replace the spline of one edge by an elementary function.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    place : tuple of int
        (layer, in, out) of a spline edge.
    fitted : EdgeFit
        The function with its constants; "0" removes the edge and adds its mean `fitted.d` to another edge.
    table : mapping of str to Elementary
        The elementary functions.

    Returns
    -------
    KAN
        The network with the function.
    """
    number, i, o = place
    changed = copy.deepcopy(model)
    layer = changed.layers[number]
    assert not isinstance(layer, ProductLayer), "a place is one of a layer of edges"
    changed.layers[number] = edges.with_function(layer, i, o, fitted, table)
    return changed


@torch.no_grad()
def with_spline(model: KAN, place: Place, x: Tensor, *, like: KANLayer | None = None) -> KAN:
    """Copy a network and replace one elementary edge by the spline nearest to it.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    place : tuple of int
        (layer, in, out) of an elementary edge.
    x : Tensor
        Rows (N, inputs) at which the spline is fitted.
    like : KANLayer, optional
        Splines whose grid size and degree are taken in a layer that has none.

    Returns
    -------
    KAN
        The network with the spline.
    """
    number, i, o = place
    changed = copy.deepcopy(model)
    layer = changed.layers[number]
    assert not isinstance(layer, ProductLayer), "a place is one of a layer of edges"
    changed.layers[number] = edges.with_spline(layer, i, o, model.trace(x).inputs[number], like=like)
    return changed
