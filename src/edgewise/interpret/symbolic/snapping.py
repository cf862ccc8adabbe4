"""One edge of a network made an elementary function, or a spline again; the rest of the network stays as it is.

A trained network turned into a formula: edges snapped one after another, judged by the loss of the whole network."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.discovery.assembly import pruned
from edgewise.errors import InputError
from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import fit_constants, recognise
from edgewise.formulas.curve_fits import EdgeFit, edge_fits
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry, pareto_front, with_fidelity
from edgewise.interpret.attribution.scores import edge_scores
from edgewise.interpret.symbolic.extraction import formula
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import ZERO, MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN
from edgewise.nn.prediction import predict_in_batches
from edgewise.ops.splines.bspline import basis
from edgewise.train.grids import data_domain
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems.regression import Regression

Place = tuple[int, int, int]  # layer, in, out


@torch.no_grad()
def with_edge(model: KAN, place: Place, found: EdgeFit, table: Mapping[str, Elementary] = ELEMENTARY) -> KAN:
    """A copy of the network in which one edge is this function and no spline; "0" leaves its mean to another edge."""
    model = copy.deepcopy(model)
    number, i, o = place
    layer = model.layers[number]
    spline = layer.spline if isinstance(layer, MixedLayer) else layer
    old = layer.symbolic if isinstance(layer, MixedLayer) else None
    rows = [list(row) for row in (old.functions if old else [[ZERO] * spline.out_features] * spline.in_features)]
    affine = old.affine.detach().clone() if old else spline.coef.new_zeros(4, spline.in_features, spline.out_features)
    spline.mask[i, o] = 0
    rows[i][o] = found.name
    affine[:, i, o] = affine.new_tensor([found.a, found.b, found.c, found.d])
    if found.name == ZERO:
        _leave_constant_(spline, rows, affine, o, found.d)
    symbolic = SymbolicLayer(rows, affine, table=table, dtype=affine.dtype)
    model.layers[number] = MixedLayer(spline, symbolic) if bool(spline.mask.any()) else symbolic
    return model


def _leave_constant_(spline: KANLayer, rows: list[list[str]], affine: Tensor, o: int, value: float) -> None:
    for i, row in enumerate(rows):
        if row[o] != ZERO:
            affine[3, i, o] += value
            return
    kept = spline.mask[:, o].nonzero()
    if len(kept):
        spline.coef[int(kept[0]), :, o] += value


@torch.no_grad()
def with_spline(
    model: KAN, place: Place, x: Tensor, *, grid_size: int, degree: int, table: Mapping[str, Elementary] = ELEMENTARY
) -> KAN:
    """A copy of a symbolic network in which one edge is a spline again: the nearest one at rows x (N, inputs)."""
    number, i, o = place
    trace = model.trace(x)
    inputs, values = trace.inputs[number], trace.edges[number][:, i, o]
    model = copy.deepcopy(model)
    layer = model.layers[number]
    spline = KANLayer(
        layer.in_features,
        layer.out_features,
        grid_size=grid_size,
        degree=degree,
        domain=data_domain(inputs),
        base="zero",
        dtype=x.dtype,
    )
    spline.mask.zero_()
    spline.mask[i, o] = 1
    spline.coef.zero_()
    columns = basis(inputs, spline.knots, degree)[:, i]
    spline.coef[i, :, o] = torch.linalg.lstsq(columns, values[:, None], driver="gelsd").solution[:, 0]
    rows = [list(row) for row in layer.functions]
    rows[i][o] = ZERO
    symbolic = SymbolicLayer(rows, layer.affine.detach().clone(), table=table, dtype=x.dtype)
    model.layers[number] = MixedLayer(spline, symbolic)
    return model


TRIED = 3  # functions for each edge
FEW = 4  # functions that are fitted to an edge when time has run out
REFIT = 4  # Levenberg-Marquardt steps after each snap
FINAL = 60  # and at the end
SNAPPING, FREEING = 0.6, 0.75  # of the time limit: when edges are snapped, and snapped anew; the rest is for constants
WEAK = 1e-3  # score of an edge, relative to the strongest of its layer, below which no edge is tried first
FLOOR = 1e-16  # share of the variance of y below which a fit is exact to rounding
PRICE = 0.05  # rise of the logarithm of the loss that a symbol less is worth while edges are chosen


@dataclass(frozen=True, eq=False)
class _State:
    """A network on its way: loss is its mean squared error, symbols the complexity of each edge snapped so far."""

    model: KAN
    loss: float
    symbols: Mapping[Place, int]

    def rank(self, floor: float) -> float:
        return math.log(max(self.loss, floor)) + PRICE * sum(self.symbols.values())


def symbolify(
    model: KAN,
    data: Regression,
    *,
    names: Sequence[str] | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    beam: int = 2,
    time_limit: float = 120.0,
) -> Front:
    """Formulas for a network with one output: every edge becomes c f(a x + b) + d with an elementary f, or goes.

    The weakest edges are snapped last, when the others hold the function. For each the `TRIED` best functions by shape
    are put in turn into the network, all parameters are fitted again for a few Levenberg-Marquardt steps, and the
    `beam` best networks by loss and length go on. Then each edge of the best one is freed, as a spline that is fitted
    with all else, and snapped anew if that lowers the loss of the whole. At the end the constants of each network are
    fitted to rounding, terms that the data don't ask for go, and constants that are numbers people write become these.

    Args:
        model: left unchanged. Prune it first: each edge costs time and symbols.
        data: a `Regression` with tensors; its validation data, if any, judge the entries.
        names: of the inputs.
        table: the elementary functions.
        beam: networks that go on side by side.
        time_limit: seconds; after 60 % of them the edges left get their best function by shape at once, and the front
            says so.

    Returns:
        A `Front`; its entries hold the symbolic network where the formula is still that of one.

    Raises:
        InputError: the model has several outputs, or data doesn't fit it.
    """
    _check(model, data)
    check_count(beam, "beam")
    if not (is_number(time_limit) and time_limit >= 0):
        raise InputError(f"time_limit must be a number of seconds of at least 0, got {time_limit!r}")
    start = copy.deepcopy(model).double()
    x, y = data.train.x.double(), data.train.y.double()
    problem = Regression(x, y, weight=data.train.weight)
    floor = 1e-22 * float(y.var(correction=0)) + 1e-300
    clock, said = time.monotonic(), []
    deadline = clock + SNAPPING * time_limit
    states, order = [_State(start, _loss(start, x, y), {})], _order(start, x)
    for place in order:
        late = time.monotonic() > deadline
        grown = [
            state
            for each in states
            for state in _snapped(each, place, x, y, problem, table, 1 if late else TRIED, deadline)
        ]
        states = sorted(grown, key=lambda state: state.rank(floor))[: 1 if late else beam]
        if late and not said:
            said.append(f"The time limit of {time_limit:g} s was reached: the last edges were snapped by shape alone.")
    freeing = clock + FREEING * time_limit
    if time.monotonic() <= freeing:
        exact = FLOOR * float(y.var(correction=0))
        states[0] = _freed(states[0], order, start, x, y, problem, table, max(floor, exact), freeing)
    # What is left is for the constants: a network without them is no use.
    front = _front(states, data, problem, names, table, said, clock + time_limit)
    entries = with_fidelity(front, lambda rows: _values(model, rows), x.numpy())
    return replace(front, entries=tuple(entries))


def _values(model: KAN, rows: np.ndarray) -> np.ndarray:
    """(N,) of the network at rows (N, inputs)."""
    kind = next(model.parameters()).dtype
    return predict_in_batches(model, torch.from_numpy(rows).to(kind)).double().numpy()[:, 0]


def _check(model: KAN, data: Regression) -> None:
    if not isinstance(model, KAN) or model.layers[-1].out_features != 1:
        raise InputError("model must be a KAN with one output")
    if not isinstance(data, Regression) or data.train_loader is not None:
        raise InputError(f"data must be a Regression with tensors, got {_kind(data)}")
    if data.train.x.shape[1] != model.layers[0].in_features:
        came = data.train.x.shape[1]
        raise InputError(f"data must have {model.layers[0].in_features} inputs as the model has, got {came}")


def _kind(data) -> str:
    return "one with a DataLoader" if isinstance(data, Regression) else type(data).__name__


@torch.no_grad()
def _loss(model: KAN, x: torch.Tensor, y: torch.Tensor) -> float:
    loss = float((model(x) - y).square().mean())
    return loss if math.isfinite(loss) else math.inf


def _order(model: KAN, x: torch.Tensor) -> list[Place]:
    """Every spline edge as (layer, in, out), the strongest first."""
    with torch.no_grad():
        scores = edge_scores(model.trace(x))
    found = []
    for number, layer in enumerate(model.layers):
        spline = _spline_of(layer)
        if spline is not None:
            size = max(float(scores[number].max()), 1e-300)
            edges = spline.mask.nonzero().tolist()
            found += [(-float(scores[number][i, o]) / size, number, i, o) for i, o in edges]
    return [(number, i, o) for _, number, i, o in sorted(found)]


def _spline_of(layer) -> KANLayer | None:
    return layer.spline if isinstance(layer, MixedLayer) else layer if isinstance(layer, KANLayer) else None


def _snapped(state: _State, place: Place, x, y, problem, table, tried: int, deadline: float) -> Iterator[_State]:
    """The network with one more edge snapped, in the ways worth trying, each fitted again while there is time."""
    number, i, o = place
    with torch.no_grad():
        trace = state.model.trace(x)
    u, s = trace.inputs[number][:, i].numpy(), trace.edges[number][:, i, o].numpy()
    score = float(edge_scores(trace)[number][i, o]) / max(float(edge_scores(trace)[number].max()), 1e-300)
    fits = [EdgeFit(ZERO, 0.0, 0.0, 0.0, float(s.mean()), 1.0, 0)] if score < WEAK else []
    fits += edge_fits(u, s, table=table, most=None if tried > 1 else FEW)[:tried]
    for found in fits[:tried]:
        grown = with_edge(state.model, place, found, table)
        if time.monotonic() <= deadline:
            _fit(grown, problem, REFIT, deadline)
        yield _State(grown, _loss(grown, x, y), {**state.symbols, place: found.complexity})


def _freed(
    state: _State, places: list[Place], start: KAN, x, y, problem, table, floor: float, deadline: float
) -> _State:
    """The network after each edge has been a spline once more: it is snapped anew, and stays so if that is better.

    The first edges were snapped while the others could be anything; now the others hold the function.
    """
    for place in places:
        if state.loss <= floor or time.monotonic() > deadline:
            break
        if place not in state.symbols:
            continue
        layer = _spline_of(start.layers[place[0]])
        loose = with_spline(state.model, place, x, grid_size=layer.grid_size, degree=layer.degree, table=table)
        _fit(loose, problem, REFIT, deadline)
        others = {other: symbols for other, symbols in state.symbols.items() if other != place}
        free = _State(loose, _loss(loose, x, y), others)
        grown = _snapped(free, place, x, y, problem, table, TRIED, deadline)
        state = min((state, *grown), key=lambda each: each.rank(floor))
    return state


def _fit(model: KAN, problem: Regression, steps: int, deadline: float) -> None:
    """Levenberg-Marquardt steps until the deadline."""
    late = [lambda event: time.monotonic() > deadline]
    fit(model, problem, LevenbergMarquardt(), steps=steps, adapt_domain=False, callbacks=late)


def _front(
    states: list[_State], data: Regression, problem: Regression, names, table, said: list[str], deadline: float
) -> Front:
    x, y = data.train.x.double().numpy(), data.train.y.double().numpy()[:, 0]
    entries: list[FrontEntry] = []
    for state in states:
        if entries and time.monotonic() > deadline:
            break
        model = state.model
        _fit(model, problem, FINAL, deadline)
        whole = formula(model, names=names, table=table)
        entries.append(FrontEntry.from_data(whole, x, y, model))
        fitted = fit_constants(simplify(whole.expression), x, y, steps=40, deadline=deadline)
        if fitted is None:
            continue
        entries.append(FrontEntry.from_data(Formula(fitted.expression, whole.names), x, y))
        fitted = pruned(fitted, x, y, floor=FLOOR, deadline=deadline)
        entries.append(FrontEntry.from_data(Formula(fitted.expression, whole.names), x, y))
        fitted = recognise(fitted, x, y, floor=FLOOR, deadline=deadline)
        last = fit_constants(simplify(fitted.expression), x, y, steps=30, deadline=deadline) or fitted
        entries.append(FrontEntry.from_data(Formula(last.expression, whole.names), x, y))
    leaking = [entry for entry in entries if entry.formula.domain_violations(x)]
    if leaking:
        said.append(f"{len(leaking)} of {len(entries)} formulas leave a domain on the range of the data.")
    kept = [entry for entry in entries if entry not in leaking] or entries
    if data.validation is not None:
        vx, vy = data.validation.x.double().numpy(), data.validation.y.double().numpy()[:, 0]
        kept = [replace(e, validation=_held_out(e, vx, vy)) for e in kept]
    return pareto_front(kept, y, said)


def _held_out(entry: FrontEntry, x: np.ndarray, y: np.ndarray) -> float:
    loss = float(np.mean((entry.formula(x) - y) ** 2))
    return loss if math.isfinite(loss) else math.inf


def is_symbolic(model: KAN) -> bool:
    """Whether every edge is an elementary function, so that `formula` applies."""
    return all(isinstance(layer, SymbolicLayer | ProductLayer) for layer in model.layers)
