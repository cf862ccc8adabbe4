"""Edits of a network by name: one table of their fields and of pure functions, and what an edit costs.

An edit is a dictionary of plain values, so that it can be stored, sent and repeated: `{"kind": "fix", "edge": (0, 1,
0), "function": "sin"}`. `EDITS` lists the kinds with their fields; each function takes a network, the problem with its
data in tensors, and the fields by name, leaves the network unchanged, and returns a new one with a sentence.
`steering.edit` makes them from Python, the explorer by buttons.

An edge is named by (layer, input, output), a node by (layer, node), several nodes of one layer by (layer, node, node);
layers of edges are counted from 0 without the products between them, and layer 0 of nodes holds the inputs. Points,
ranges and values are those of the network: an edge of the first layer receives scaled inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_kind, is_integer, is_integers, is_list, is_number, is_sequence
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import EdgeFit, edge_fits
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.transform import edges, shapes
from edgewise.interpret.transform.resize import widen
from edgewise.interpret.transform.subnetworks import without_edges
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.model import KAN, edge_layers, edge_places
from edgewise.presentation import counted, typed_text
from edgewise.train.blocks import Data
from edgewise.train.problems import Problem

Edge = tuple[int, int, int]  # layer, in, out
Node = tuple[int, int]  # layer, node
Edited = tuple[KAN, str]  # the new network, and what was changed, as a sentence


class EditKind(NamedTuple):
    """The required and the optional fields of a kind of edit, and the function that makes it."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    make: Callable[..., Edited]


@dataclass(frozen=True)
class Cost:
    """Mean loss of some rows before and after an edit."""

    before: float  # mean losses
    after: float
    standard_error: float  # of their difference, over the rows
    rows: int  # number of rows

    @property
    def rise(self) -> float:
        """The difference; negative where the edit made the model better."""
        return self.after - self.before


def cost_of(before: KAN, after: KAN, problem: Problem, data: Data) -> Cost:
    """Compare the losses of two networks on some rows of a problem."""
    old, new = (problem.sample_losses(one, data).double() for one in (before, after))
    error = 0.0
    if len(new) > 1:
        error = float((new - old).std() / len(new) ** 0.5)
    return Cost(float(old.mean()), float(new.mean()), error, len(new))


def made(model: KAN, problem: Problem, edit: Mapping[str, Any]) -> Edited:
    """Make a checked edit, without the training after it."""
    needed, optional, make = EDITS[edit["kind"]]
    return make(model, problem, **{name: edit[name] for name in (*needed, *optional) if name in edit})


def fixed(
    model: KAN,
    problem: Problem,
    edge: Edge,
    function: str,
    constants: Sequence[float] | None = None,
) -> Edited:
    """Make an edge an elementary function, with given constants or a least-squares fit to the curve of the edge."""
    place = checked_edge(model, edge)
    if function != NO_FUNCTION and function not in tuple(ELEMENTARY):
        raise InputError(f"function must be one of {', '.join(ELEMENTARY)}, got {function!r:.80}")
    # No function, one with given constants, or the best fit of its kind.
    u, s = curve(model, place, problem)
    if function == NO_FUNCTION:
        fitted = EdgeFit(NO_FUNCTION, 0.0, 0.0, 0.0, float(s.mean()), 1.0, 0)
    elif constants is not None:
        try:
            a, b, c, d = (float(value) for value in constants)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"constants must be four numbers, got {constants!r:.80}") from error
        if not ELEMENTARY[function].allows(*sorted((a * float(u.min()) + b, a * float(u.max()) + b))):
            raise InputError(f"function {function!r} must be defined on the values of the edge's input, it isn't")
        fitted = EdgeFit(function, a, b, c, d, 0.0, 0)
    else:
        fits = edge_fits(u.numpy(), s.numpy(), table={function: ELEMENTARY[function]})
        if not fits:
            raise InputError(f"function {function!r} must be defined on the values of the edge's input, it isn't")
        fitted = fits[0]
    return replaced(model, place, fitted, ELEMENTARY)


def replaced(model: KAN, edge: Edge, fitted: EdgeFit, table: Mapping[str, Elementary]) -> Edited:
    """Make an edge a fitted function of a table."""
    number, i, o = edge
    layer = edges.with_function(edge_layers(model)[number], i, o, fitted, table)
    what = "removed" if fitted.name == NO_FUNCTION else fitted.name
    return with_layer(model, number, layer), f"Edge {edge} is {what}."


def freed(model: KAN, problem: Problem, edge: Edge) -> Edited:
    """Make an edge the spline nearest to its function."""
    place = checked_edge(model, edge)
    return _with_splines(model, problem, [place], keep_function=False), f"Edge {place} is a spline."


def with_splines_beside(model: KAN, problem: Problem, where: Sequence[Edge] | None = None) -> Edited:
    """Put splines that are zero beside the functions of edges, of all by default."""
    if where is None:
        places = [
            (number, i, o)
            for number, layer in enumerate(edge_layers(model))
            if layer.has_functions
            for i, o in layer.function_mask.nonzero().tolist()
        ]
    else:
        places = [checked_edge(model, edge) for edge in where]
    changed = _with_splines(model, problem, places, keep_function=True)
    return changed, f"Splines stand beside the functions of {counted(len(places), 'edge')}."


def _with_splines(model: KAN, problem: Problem, places: Sequence[Edge], *, keep_function: bool) -> KAN:
    """Give edges splines, of the degree and base function that the network has, if it has splines."""
    changed = model
    for number, i, o in places:
        inputs = layer_inputs(model, number, problem)
        like = next(iter(spline_layers(changed).values()), None)
        old = edge_layers(changed)[number]
        layer = edges.with_spline(old, i, o, inputs, keep_function=keep_function, like=like)
        changed = with_layer(changed, number, layer)
    return changed


def without_edge(model: KAN, problem: Problem, edge: Edge) -> Edited:
    """Remove an edge; its mean over the training data is added to another edge into the same sum."""
    number, i, o = checked_edge(model, edge)
    keep = [layer.mask != 0 for layer in edge_layers(model)]
    keep[number][i, o] = False
    return _reduced(model, keep, problem), f"Edge {(number, i, o)} is removed."


def without_node(model: KAN, problem: Problem, node: Sequence[int]) -> Edited:
    """Remove all edges into and out of hidden nodes, or out of inputs; their mean effect stays.

    Nodes are a layer and one or more of its numbers: the levels of a category are inputs that leave together.
    """
    layers = edge_layers(model)
    widths = [layer.in_features for layer in layers]
    if not is_integers(node, 2):
        raise InputError(f"node must be a layer and a number, as (1, 0), got {node!r}")
    number, *nodes = (int(value) for value in node)
    if number not in range(len(widths)) or not set(nodes) <= set(range(widths[number])):
        raise InputError(
            f"node must be an input or a hidden node of a network {list(model.config.width)}, got {node!r}"
        )
    keep = [layer.mask != 0 for layer in layers]
    keep[number][nodes] = False
    removed = f"Nodes {tuple(node)} are removed."
    if len(nodes) == 1:
        removed = f"Node {tuple(node)} is removed."
    return _reduced(model, keep, problem), removed


def _reduced(model: KAN, keep: list[Tensor], problem: Problem) -> KAN:
    layer_inputs(model, 0, problem)
    reduced = without_edges(model, keep, problem.train.x)
    if not all(bool(layer.mask.any()) for layer in edge_layers(reduced)):
        raise InputError("model must keep a path from an input to an output, without this part it has none")
    return reduced


def with_products(model: KAN, problem: Problem, arities: Sequence[int], layer: int = 1, seed: int = 0) -> Edited:
    """Add hidden nodes that multiply sums; their outgoing edges start at zero."""
    grown = widen(model, 0, layer=layer, x=judging_data(problem).x, seed=seed, products=arities)
    return grown, f"{counted(len(arities), 'product node')} added to layer {layer}."


@torch.no_grad()
def dragged(
    model: KAN, problem: Problem, edge: Edge, points: Sequence[Sequence[float]], width: float | None = None
) -> Edited:
    """Move the curve of an edge through points (input, new value of the edge), with bumps of a width of the input."""
    number, i, o = place = checked_edge(model, edge)
    model = _with_spline_alone(model, problem, place, keep_base=True)
    pairs = [pair for pair in points if is_list(pair) and len(pair) == 2 and all(map(is_number, pair))]
    if not pairs or len(pairs) < len(points):
        raise InputError(f"points must be pairs (input, new value of the edge), got {points!r:.80}")
    targets = np.array(pairs, dtype=np.float64)
    if width is not None and (not is_number(width) or width <= 0):
        raise InputError(f"width must be a positive number, got {width!r:.80}")
    layer = edge_layers(model)[number]
    # Bumps of the missing heights are added to the coefficients.
    changes = targets[:, 1] - _edge_values(layer, i, o, targets[:, 0])
    coef = shapes.dragged(layer, i, o, changes, targets[:, 0], width)
    layer.coef[i, :, o] = torch.from_numpy(coef).to(layer.coef)
    return model, f"The curve of edge {place} was moved at {counted(len(targets), 'point')}."


@torch.no_grad()
def shaped(model: KAN, problem: Problem, edge: Edge, shape: str) -> Edited:
    """Give an edge the nearest curve that increases, decreases, or bends one way."""
    number, i, o = place = checked_edge(model, edge)
    rows = layer_inputs(model, number, problem)[:, i].double().numpy()
    model = _with_spline_alone(model, problem, place, keep_base=False)
    if shape not in shapes.CURVE_SHAPES:
        raise InputError(f"shape must be one of {', '.join(shapes.CURVE_SHAPES)}, got {shape!r}")
    layer = edge_layers(model)[number]
    layer.coef[i, :, o] = torch.from_numpy(shapes.shaped(layer, i, o, shape, rows)).to(layer.coef)
    return model, f"Edge {place} is {shape}."


def straightened(model: KAN, problem: Problem, edge: Edge, range: Sequence[float] | None = None) -> Edited:
    """Make the curve of an edge straight in a range, by default in its whole domain."""
    return _levelled(model, problem, edge, range, flat=False)


def flattened(model: KAN, problem: Problem, edge: Edge, range: Sequence[float] | None = None) -> Edited:
    """Make the curve of an edge constant in a range, by default in its whole domain."""
    return _levelled(model, problem, edge, range, flat=True)


@torch.no_grad()
def _levelled(model: KAN, problem: Problem, edge: Edge, limits: Sequence[float] | None, *, flat: bool) -> Edited:
    number, i, o = place = checked_edge(model, edge)
    rows = layer_inputs(model, number, problem)[:, i].double().numpy()
    model = _with_spline_alone(model, problem, place, keep_base=False)
    layer = edge_layers(model)[number]
    if limits is None:
        limits = shapes.domain_of(layer, i)
    if len(limits) != 2 or not all(map(is_number, limits)) or limits[0] >= limits[1]:
        raise InputError(f"range must be two numbers, the smaller first, got {limits!r}")
    coef = shapes.levelled(layer, i, o, limits, rows, flat=flat)
    layer.coef[i, :, o] = torch.from_numpy(coef).to(layer.coef)
    what = "constant" if flat else "straight"
    return model, f"Edge {place} is {what} from {typed_text(limits[0], 4)} to {typed_text(limits[1], 4)}."


def _with_spline_alone(model: KAN, problem: Problem, edge: Edge, *, keep_base: bool) -> KAN:
    """Copy a network in which an edge is a spline without function, and without base function unless it is kept."""
    number, i, o = edge
    layer = edge_layers(model)[number]
    if not bool(layer.mask[i, o]):
        raise InputError(f"edge must be one that is there, got {edge}, which was removed")
    if layer.elementary(i, o) is not None:
        model = _with_splines(model, problem, [edge], keep_function=False)
    else:
        model = copy.deepcopy(model)
    layer = edge_layers(model)[number]
    # The base function, projected by least squares onto the splines of the edge.
    if not keep_base and layer.base is not None and float(layer.base[i, o]):
        points = shapes.spread_points(layer, i)
        values = _edge_values(layer, i, o, points)
        coef = np.linalg.lstsq(shapes.columns_of(layer, i, points), values, rcond=None)[0]
        layer.coef[i, :, o] = torch.from_numpy(coef).to(layer.coef)
        layer.base[i, o] = 0
    return model


def _edge_values(layer: KANLayer, i: int, o: int, points: np.ndarray) -> np.ndarray:
    inputs = torch.zeros(len(points), layer.in_features, dtype=layer.coef.dtype)
    inputs[:, i] = torch.from_numpy(points)
    return layer.edges(inputs)[:, i, o].double().numpy()


@torch.no_grad()
def snapped(model: KAN, problem: Problem, edge: Edge, constant: str, value: float) -> Edited:
    """Set a constant of an edge's function."""
    number, i, o = place = checked_edge(model, edge)
    model = copy.deepcopy(model)
    layer = edge_layers(model)[number]
    if layer.elementary(i, o) is None:
        raise InputError(f"edge must be an elementary function, whose constants can be set, got {place}, a spline")
    names = ("a", "b", "c", "d")  # of an edge c f(a u + b) + d
    if constant not in names or not is_number(value):
        raise InputError(f"constant must be one of {', '.join(names)} with a number, got {constant!r}: {value!r}")
    layer.affine[names.index(constant), i, o] = float(value)
    return model, f"Constant {constant} of edge {place} is {typed_text(value)}."


@torch.no_grad()
def merged(model: KAN, problem: Problem, inputs: Sequence[int]) -> Edited:
    """Give the inputs of several levels of a category one effect: the mean of theirs over the rows that have them."""
    text = f"The levels of inputs {inputs} have one effect."
    first = edge_layers(model)[0]
    chosen = sorted({i for i in inputs if is_integer(i)})
    if len(chosen) < 2 or not all(map(is_integer, inputs)) or not set(chosen) <= set(range(first.in_features)):
        raise InputError(f"inputs must be two or more numbers below {first.in_features}, got {inputs!r:.80}")
    # The two values of each input, and how many rows have the second.
    ends = []
    counts = []
    for i in chosen:
        values, count = np.unique(layer_inputs(model, 0, problem)[:, i].double().numpy(), return_counts=True)
        if len(values) != 2:
            raise InputError(f"inputs must have two values each, as levels of a category, got {len(values)} in {i}")
        ends.append(values)
        counts.append(count[1])
    # The mean effect, and the curves dragged to it.
    points = torch.zeros(2, first.in_features, dtype=next(first.parameters()).dtype)
    for i, pair in zip(chosen, ends, strict=True):
        points[:, i] = torch.from_numpy(pair)
    effects = first.edges(points)[:, chosen].double().numpy()  # (2, levels, out)
    means = np.average(effects[1] - effects[0], axis=0, weights=counts)
    for o in range(first.out_features):
        for place, i in enumerate(chosen):
            off = float(effects[0, place, o])
            wanted = [[float(ends[place][0]), off], [float(ends[place][1]), off + float(means[o])]]
            if bool(edge_layers(model)[0].mask[i, o]):
                model, _ = dragged(model, problem, (0, i, o), wanted)
            elif means[o]:
                raise InputError(f"inputs must have edges, got {i} without an edge to {o}")
    return model, text


def refitted(model: KAN, problem: Problem, refit: int, train: str = "functions") -> Edited:
    """Change nothing; the training steps follow, as after every edit."""
    trained = "The constants of the elementary functions are"
    if train == "all":
        trained = "All numbers are"
    return copy.deepcopy(model), f"{trained} trained for {refit} steps."


EDITS: dict[str, EditKind] = {
    "fix": EditKind(("edge", "function"), ("constants",), fixed),
    "free": EditKind(("edge",), (), freed),
    "remove_edge": EditKind(("edge",), (), without_edge),
    "remove_node": EditKind(("node",), (), without_node),
    "drag": EditKind(("edge", "points"), ("width",), dragged),
    "straighten": EditKind(("edge",), ("range",), straightened),
    "flatten": EditKind(("edge",), ("range",), flattened),
    "shape": EditKind(("edge", "shape"), (), shaped),
    "snap": EditKind(("edge", "constant", "value"), (), snapped),
    "merge": EditKind(("inputs",), (), merged),
    "add_splines": EditKind((), ("where",), with_splines_beside),
    "add_products": EditKind(("arities",), ("layer", "seed"), with_products),
    "refit": EditKind(("refit",), ("train",), refitted),
}


def checked_edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    """Return an edit as a dictionary of plain values, with tuples as lists; InputError for what is no edit."""
    demand = f"edit must be a dictionary whose kind is one of {', '.join(EDITS)}"
    check_kind(edit, Mapping, demand)
    if edit.get("kind") not in tuple(EDITS):
        raise InputError(f"{demand}, got {edit.get('kind')!r:.80}")
    # The fields of its kind, and those of the training afterwards.
    needed, optional, _ = EDITS[edit["kind"]]
    fields = tuple(dict.fromkeys((*needed, *optional, "refit", "train")))
    missing = [name for name in needed if edit.get(name) is None]
    unknown = [name for name in edit if name not in ("kind", *fields)]
    if missing or unknown:
        which = f"without {missing[0]}" if missing else f"with {unknown[0]!r:.40}"
        raise InputError(f"edit {edit['kind']!r} must have {', '.join(fields)}, got one {which}")
    for name in ("edge", "where", "node", "points", "range", "inputs", "constants", "arities"):
        if edit.get(name) is not None and not is_sequence(edit[name]):
            raise InputError(f"{name} must be a list, got {edit[name]!r:.80}")
    return {name: _plain(value, name) for name, value in edit.items() if value is not None}


def _plain(value: Any, name: str) -> Any:
    if is_sequence(value):
        return [_plain(item, name) for item in value]
    if is_integer(value) and is_number(int(value)):
        return int(value)
    if is_number(value):
        return float(value)
    if isinstance(value, float | np.floating) or is_integer(value):
        raise InputError(f"{name} must be finite, got {value!r:.80}")
    if isinstance(value, str):
        return value
    raise InputError(f"{name} must be numbers and text, got {type(value).__name__}")


def checked_edge(model: KAN, edge: Sequence[int]) -> Edge:
    """Return the place of an edge as three integers; raise InputError if the network has no such edge."""
    layers = edge_layers(model)
    if not is_integers(edge) or len(edge) != 3:
        raise InputError(f"edge must be (layer, input, output), as (0, 1, 0), got {edge!r}")
    number, i, o = (int(value) for value in edge)
    if number not in range(len(layers)):
        raise InputError(f"edge must be in a layer from 0 to {len(layers) - 1}, got {edge!r}")
    layer = layers[number]
    if i not in range(layer.in_features) or o not in range(layer.out_features):
        shape = f"{layer.in_features} inputs and {layer.out_features} outputs"
        raise InputError(f"edge must be one of layer {number}, which has {shape}, got {edge!r}")
    return number, i, o


@torch.no_grad()
def layer_inputs(model: KAN, number: int, problem: Problem) -> Tensor:
    """Values that enter a layer of edges for the training data, (batch, in)."""
    if not isinstance(problem, Problem) or problem.train_loader is not None:
        raise InputError(f"problem must hold its data in tensors, as Regression(x, y), got {type(problem).__name__}")
    return edges.inputs_of(edge_layers(model)[number], model, problem.train.x)


@torch.no_grad()
def curve(model: KAN, edge: Edge, problem: Problem) -> tuple[Tensor, Tensor]:
    """Inputs and values of an edge over the training data, in float64."""
    number, i, o = edge
    inputs = layer_inputs(model, number, problem)
    values = edge_layers(model)[number].edges(inputs)[:, i, o]
    return inputs[:, i].double(), values.double()


def with_layer(model: KAN, number: int, layer: KANLayer) -> KAN:
    """Copy a network with another layer of edges."""
    return edges.with_layer(model, edge_places(model)[number], layer)
