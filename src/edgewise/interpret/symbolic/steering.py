"""Steering a network by hand: each edit of an edge or a node makes a new network, with the loss before and after.

An edge is named by (layer, input, output), a node by (layer, node); layers of edges are counted from 0 without the
products between them, and layer 0 of nodes holds the inputs. The cost is measured on the validation data of the
problem, or on its training data if it has none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from edgewise.checks import check_count, is_integer
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import EdgeFit, edge_fits
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.symbolic.extraction import edge_formula
from edgewise.interpret.transform import edges
from edgewise.interpret.transform.edges import edge_layers
from edgewise.interpret.transform.resize import widen
from edgewise.interpret.transform.subnetworks import without_edges
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.model import KAN
from edgewise.presentation import html_table, text_table
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.choice import method_for
from edgewise.train.problems.base import Problem

Edge = tuple[int, int, int]  # layer, in, out
Node = tuple[int, int]  # layer, node

REFIT = 20  # training steps after an edit (as after each removal of `prune`)


@dataclass(frozen=True, eq=False)
class Edit:
    """A network after one edit, with the cost of the edit.

    Attributes
    ----------
    model : KAN
        The new network.
    action : str
        What was changed, as a sentence.
    loss_before, loss : float
        Mean loss on the judging data before and after.
    standard_error : float
        Standard error of the difference of the two, over the rows.
    judged_on : str
        "validation" or "training", the data of the losses.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model, problem = KAN([1, 1], dtype=torch.float64), Regression(x, torch.sin(2 * x[:, 0]))
    >>> edit = fix_edge(model, (0, 0, 0), "sin", problem)
    >>> edit.loss < 1e-12
    True
    """

    model: KAN
    action: str
    loss_before: float
    loss: float
    standard_error: float
    judged_on: str

    def __str__(self) -> str:
        change = f"{self.loss - self.loss_before:+.3g} ± {self.standard_error:.2g}"
        return (
            f"{self.action} Loss on the {self.judged_on} data: {self.loss_before:.4g} -> {self.loss:.4g} ({change}, "
            "standard error over the rows)."
        )


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One elementary function in the place of an edge, from `suggest_functions`.

    Attributes
    ----------
    name : str
        Name of the function.
    formula : str
        The edge as a formula in its input u, after the refit.
    r2 : float
        Share of the variance of the edge's values that the function explains.
    edit : Edit
        The network with the function, refitted, and its loss.

    Examples
    --------
    >>> from edgewise import KAN, Regression
    >>> x = torch.linspace(0.5, 2, 60, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], 0, functions=[[["log"]]], dtype=torch.float64)
    >>> suggestion = suggest_functions(model, (0, 0, 0), Regression(x, torch.log(x[:, 0])), top=1)[0]
    >>> suggestion.name, round(suggestion.r2, 6)
    ('log', 1.0)
    """

    name: str
    formula: str
    r2: float
    edit: Edit


class Suggestions(tuple[Suggestion, ...]):
    """The suggestions for one edge, the smallest loss first; prints as a table.

    Examples
    --------
    >>> print(Suggestions())
    function  R2 of the edge  loss  formula of the edge
    """

    _COLUMNS = ("function", "R2 of the edge", "loss", "formula of the edge")

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(one.name, f"{one.r2:.6f}", f"{one.edit.loss:.4g}", one.formula) for one in self]

    def __str__(self) -> str:
        return text_table(self._COLUMNS, self._rows(), text_columns=range(4))

    def _repr_html_(self) -> str:
        return html_table(self._COLUMNS, self._rows(), text_columns=(0, 3))


def suggest_functions(
    model: KAN,
    edge: Edge,
    problem: Problem,
    *,
    top: int = 5,
    table: Mapping[str, Elementary] = ELEMENTARY,
    refit: int = REFIT,
) -> Suggestions:
    """Try elementary functions in the place of an edge and measure what each costs.

    The functions that fit the curve of the edge best are put in its place one after another, and the whole network is
    refitted: the loss shows what a function does to the predictions, which its fit to the curve alone does not.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    edge : (int, int, int)
        Layer, input and output of the edge.
    problem : Problem
        The data, in tensors.
    top : int
        Number of functions that are tried.
    table : mapping of str to Elementary
        The functions that are considered.
    refit : int
        Training steps after each edit; 0 trains nothing.

    Returns
    -------
    Suggestions
        The functions with their losses, the smallest loss first.

    Raises
    ------
    InputError
        There is no such edge, or an argument is not as above.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(0.5, 2, 60, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, torch.log(x[:, 0]))
    >>> model = KAN([1, 1], dtype=torch.float64)
    >>> _ = fit(model, problem, steps=10)
    >>> suggest_functions(model, (0, 0, 0), problem)[0].name
    'log'
    """
    number, i, o = checked_edge(model, edge)
    check_count(top, "top")
    u, s = _curve(model, (number, i, o), problem)
    variance = float(s.var())
    place = _places(model)[number]
    suggestions = []
    for fitted in edge_fits(u.numpy(), s.numpy(), table=table)[:top]:
        edit = _replaced(model, (number, i, o), fitted, problem, table, refit)
        if fitted.name == NO_FUNCTION:
            written = "0"
        else:
            written = str(edge_formula(edit.model, place, i, o, name="u"))
        # The error of a fit is a share of the curve's standard deviation.
        if variance > 0:
            r2 = 1 - fitted.error**2
        else:
            r2 = 1.0
        suggestions.append(Suggestion(fitted.name, written, r2, edit))
    return Suggestions(sorted(suggestions, key=lambda one: one.edit.loss))


def fix_edge(
    model: KAN,
    edge: Edge,
    function: str,
    problem: Problem,
    *,
    constants: Sequence[float] | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    refit: int = REFIT,
) -> Edit:
    """Make an edge an elementary function c f(a u + b) + d of its input u.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    edge : (int, int, int)
        Layer, input and output of the edge.
    function : str
        Name of the function in the table; "0" removes the edge.
    problem : Problem
        The data, in tensors.
    constants : sequence of four numbers, optional
        a, b, c, d; by default those that fit the curve of the edge best.
    table : mapping of str to Elementary
        The functions.
    refit : int
        Training steps of the whole network afterwards, in which the constants take part; 0 trains nothing. The step
        that is best on the validation data is kept, or on the training data if there are none.

    Returns
    -------
    Edit
        The new network and the cost.

    Raises
    ------
    InputError
        There is no such edge or function, or the function is undefined on the values of the edge's input.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, x[:, 0] ** 2)
    >>> fix_edge(KAN([1, 1], dtype=torch.float64), (0, 0, 0), "x^2", problem).model.config.functions
    ((('x^2',),),)
    """
    place = checked_edge(model, edge)
    if function != NO_FUNCTION and function not in tuple(table):
        raise InputError(f"function must be one of {', '.join(table)}, got {function!r:.80}")
    u, s = _curve(model, place, problem)
    if function == NO_FUNCTION:
        fitted = EdgeFit(NO_FUNCTION, 0.0, 0.0, 0.0, float(s.mean()), 1.0, 0)
    elif constants is not None:
        try:
            a, b, c, d = (float(value) for value in constants)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"constants must be four numbers, got {constants!r:.80}") from error
        if not table[function].allows(*sorted((a * float(u.min()) + b, a * float(u.max()) + b))):
            raise InputError(f"function {function!r} must be defined on the values of the edge's input, it isn't")
        fitted = EdgeFit(function, a, b, c, d, 0.0, 0)
    else:
        fits = edge_fits(u.numpy(), s.numpy(), table={function: table[function]})
        if not fits:
            raise InputError(f"function {function!r} must be defined on the values of the edge's input, it isn't")
        fitted = fits[0]
    return _replaced(model, place, fitted, problem, table, refit)


def free_edge(model: KAN, edge: Edge, problem: Problem, *, refit: int = REFIT) -> Edit:
    """Make an edge that is an elementary function the spline nearest to it, so that training can change its shape.

    Parameters
    ----------
    model, edge, problem, refit
        As in `fix_edge`.

    Returns
    -------
    Edit
        The new network and the cost.

    Raises
    ------
    InputError
        There is no such edge.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], 0, functions=[[["sin"]]], dtype=torch.float64)
    >>> free_edge(model, (0, 0, 0), Regression(x, x[:, 0] ** 2)).loss < 1e-6
    True
    """
    number, i, o = checked_edge(model, edge)
    inputs = layer_inputs(model, number, problem)
    layer = edges.with_spline(edge_layers(model)[number], i, o, inputs, like=_some_splines(model))
    return _edited(model, _with_layer(model, number, layer), f"Edge {edge} is a spline.", problem, refit)


def drop_edge(model: KAN, edge: Edge, problem: Problem, *, refit: int = REFIT) -> Edit:
    """Remove an edge; its mean over the training data is added to another edge into the same sum.

    Parameters
    ----------
    model, edge, problem, refit
        As in `fix_edge`.

    Returns
    -------
    Edit
        The new network, of the same shape, and the cost.

    Raises
    ------
    InputError
        There is no such edge, or it is the last path from the inputs to the outputs.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> problem = Regression(x, x[:, 0])
    >>> drop_edge(KAN([2, 1], dtype=torch.float64), (0, 1, 0), problem).model.layers[0].mask.tolist()
    [[1.0], [0.0]]
    """
    number, i, o = checked_edge(model, edge)
    keep = [layer.mask != 0 for layer in edge_layers(model)]
    keep[number][i, o] = False
    return _edited(model, _reduced(model, keep, problem), f"Edge {edge} is removed.", problem, refit)


def drop_node(model: KAN, node: Node, problem: Problem, *, refit: int = REFIT) -> Edit:
    """Remove all edges into and out of a hidden node, or out of an input; its mean effect stays.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    node : (int, int)
        Layer and number of the node; layer 0 holds the inputs.
    problem, refit
        As in `fix_edge`.

    Returns
    -------
    Edit
        The new network, of the same shape, and the cost.

    Raises
    ------
    InputError
        There is no such input or hidden node, or without it no path from the inputs to the outputs is left.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> edit = drop_node(KAN([2, 3, 1], dtype=torch.float64), (1, 2), Regression(x, x[:, 0]))
    >>> edit.model.layers[1].mask[:, 0].tolist()
    [1.0, 1.0, 0.0]
    """
    layers = edge_layers(model)
    widths = [layer.in_features for layer in layers]
    if not isinstance(node, Sequence) or len(node) != 2 or not all(is_integer(value) for value in node):
        raise InputError(f"node must be a layer and a number, as (1, 0), got {node!r}")
    number, n = node
    if number not in range(len(widths)) or n not in range(widths[number]):
        raise InputError(
            f"node must be an input or a hidden node of a network {list(model.config.width)}, got {node!r}"
        )
    keep = [layer.mask != 0 for layer in layers]
    keep[number][n] = False
    return _edited(model, _reduced(model, keep, problem), f"Node {tuple(node)} is removed.", problem, refit)


def add_splines(model: KAN, problem: Problem, *, where: Sequence[Edge] | None = None, refit: int = REFIT) -> Edit:
    """Put splines that are zero beside elementary functions, so that training shows where a formula is wrong.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    problem : Problem
        The data, in tensors.
    where : sequence of (int, int, int), optional
        The edges; all elementary functions by default.
    refit : int
        Training steps afterwards; 0 leaves the function as it was.

    Returns
    -------
    Edit
        The new network and its loss; `formula` refuses it until the splines are dropped or fixed again.

    Raises
    ------
    InputError
        There is no such edge.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], 0, functions=[[["sin"]]], dtype=torch.float64)
    >>> edit = add_splines(model, Regression(x, x[:, 0].sin() + 0.1 * x[:, 0] ** 2))
    >>> edit.model.config.functions, edit.loss < 1e-8
    (((('+sin',),),), True)
    """
    layers = edge_layers(model)
    if where is None:
        places = [
            (number, i, o)
            for number, layer in enumerate(layers)
            if layer.has_functions
            for i, o in layer.function_mask.nonzero().tolist()
        ]
    else:
        places = [checked_edge(model, edge) for edge in where]
    changed = model
    for number, i, o in places:
        inputs = layer_inputs(model, number, problem)
        like = _some_splines(changed)
        layer = edges.with_spline(edge_layers(changed)[number], i, o, inputs, keep_function=True, like=like)
        changed = _with_layer(changed, number, layer)
    counted = f"{len(places)} edge{'s' if len(places) != 1 else ''}"
    return _edited(model, changed, f"Splines stand beside the functions of {counted}.", problem, refit)


def add_product_nodes(
    model: KAN, arities: Sequence[int], problem: Problem, *, layer: int = 1, seed: int = 0, refit: int = REFIT
) -> Edit:
    """Add hidden nodes that multiply sums; their outgoing edges start at zero, so the function is the same at first.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    arities : sequence of int
        Number of factors of each new node, 2 or more.
    problem : Problem
        The data, in tensors.
    layer : int
        Number of the layer of hidden nodes, 1 for the first.
    seed : int
        Seed of the new weights.
    refit : int
        Training steps afterwards.

    Returns
    -------
    Edit
        The new network and the cost.

    Raises
    ------
    InputError
        There is no such layer of hidden nodes, or an arity is below 2.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> edit = add_product_nodes(KAN([2, 1, 1], dtype=torch.float64), [2], Regression(x, x.prod(1)), refit=60)
    >>> edit.model.config.products, edit.loss < 1e-6
    (((2,), ()), True)
    """
    grown = widen(model, 0, layer=layer, x=judging_data(problem).x, seed=seed, products=arities)
    counted = f"{len(arities)} product node{'s' if len(arities) != 1 else ''}"
    return _edited(model, grown, f"{counted} added to layer {layer}.", problem, refit)


def freeze(model: KAN, layers: Sequence[int]) -> KAN:
    """Copy a network whose given layers of edges are not trained any more; `fit` then changes the others only.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    layers : sequence of int
        Numbers of the layers of edges that are frozen; the others are trained.

    Returns
    -------
    KAN
        The copy.

    Raises
    ------
    InputError
        There is no such layer.

    Examples
    --------
    >>> frozen = freeze(KAN([2, 3, 1]), [0])
    >>> [name for name, weight in frozen.named_parameters() if weight.requires_grad]
    ['layers.1.coef', 'layers.1.base']
    """
    copied = copy.deepcopy(model)
    chosen = edge_layers(copied)
    unknown = [number for number in layers if not is_integer(number) or number not in range(len(chosen))]
    if unknown:
        raise InputError(f"layers must be numbers from 0 to {len(chosen) - 1}, got {unknown[0]!r}")
    for number, layer in enumerate(chosen):
        layer.requires_grad_(number not in layers)
    return copied


def checked_edge(model: KAN, edge: Edge) -> Edge:
    """Return the place of an edge as three integers; raise InputError if the network has no such edge."""
    layers = edge_layers(model)
    if not isinstance(edge, Sequence) or len(edge) != 3 or not all(is_integer(value) for value in edge):
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
def layer_inputs(model: KAN, number: int, problem: Problem) -> torch.Tensor:
    """Values that enter a layer of edges for the training data, (batch, in)."""
    if not isinstance(problem, Problem) or problem.train_loader is not None:
        raise InputError(f"problem must hold its data in tensors, as Regression(x, y), got {type(problem).__name__}")
    return edges.inputs_of(edge_layers(model)[number], model, problem.train.x)


@torch.no_grad()
def _curve(model: KAN, edge: Edge, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and values of an edge over the training data, in float64."""
    number, i, o = edge
    inputs = layer_inputs(model, number, problem)
    values = edge_layers(model)[number].edges(inputs)[:, i, o]
    return inputs[:, i].double(), values.double()


def _some_splines(model: KAN) -> KANLayer | None:
    """Splines of the network, whose degree and base function new ones must share; None if it has none."""
    return next(iter(spline_layers(model).values()), None)


def _with_layer(model: KAN, number: int, layer: KANLayer) -> KAN:
    """Copy a network with another layer of edges."""
    changed = copy.deepcopy(model)
    changed.layers[_places(model)[number]] = layer
    return changed


def _places(model: KAN) -> list[int]:
    """Places of the layers of edges in the chain of layers."""
    return [place for place, layer in enumerate(model.layers) if not isinstance(layer, ProductLayer)]


def _reduced(model: KAN, keep: list[torch.Tensor], problem: Problem) -> KAN:
    layer_inputs(model, 0, problem)
    reduced = without_edges(model, keep, problem.train.x)
    if not all(bool(layer.mask.any()) for layer in edge_layers(reduced)):
        raise InputError("model must keep a path from an input to an output, without this part it has none")
    return reduced


def _replaced(
    model: KAN, edge: Edge, fitted: EdgeFit, problem: Problem, table: Mapping[str, Elementary], refit: int
) -> Edit:
    number, i, o = edge
    layer = edges.with_function(edge_layers(model)[number], i, o, fitted, table)
    action = f"Edge {edge} is {'removed' if fitted.name == NO_FUNCTION else fitted.name}."
    return _edited(model, _with_layer(model, number, layer), action, problem, refit)


def _edited(model: KAN, changed: KAN, action: str, problem: Problem, refit: int) -> Edit:
    """Refit the changed network and compare the losses of both."""
    check_count(refit, "refit", 0)
    if refit:
        parameters = sum(p.numel() for p in changed.parameters())
        is_linear = len(changed.layers) == 1 and not edge_layers(changed)[0].has_functions
        method, _ = method_for(problem, parameters, is_linear=is_linear)
        fit(changed, problem, method, steps=refit, adapt_domain=False)
    before, after = (problem.sample_losses(one, judging_data(problem)).double() for one in (model, changed))
    return Edit(
        model=changed,
        action=action,
        loss_before=float(before.mean()),
        loss=float(after.mean()),
        standard_error=float((after - before).std() / len(after) ** 0.5) if len(after) > 1 else 0.0,
        judged_on="training" if problem.validation is None else "validation",
    )
