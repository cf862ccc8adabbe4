"""Steering a network by hand: calls of `interpret.edits` with the training afterwards, the loss before and after.

The cost is measured on the validation data of the
problem, or on its training data if it has none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.checks import check_count, is_integer
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import edge_fits
from edgewise.interpret import edits
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.edits import Edge, Node, checked_edge
from edgewise.interpret.symbolic.extraction import edge_formula
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.model import KAN, edge_layers, edge_places
from edgewise.presentation import html_table, text_table
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.choice import method_for
from edgewise.train.problems import Problem

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
    >>> import torch
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
    >>> import torch
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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(0.5, 2, 60, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, torch.log(x[:, 0]))
    >>> model = KAN([1, 1], dtype=torch.float64)
    >>> _ = fit(model, problem, steps=10)
    >>> suggest_functions(model, (0, 0, 0), problem)[0].name
    'log'
    """
    place = checked_edge(model, edge)
    number, i, o = place
    check_count(top, "top")
    u, s = edits.curve(model, place, problem)
    variance = float(s.var())
    suggestions = []
    for fitted in edge_fits(u.numpy(), s.numpy(), table=table)[:top]:
        edit = _measured(model, edits.replaced(model, place, fitted, table), problem, refit)
        if fitted.name == NO_FUNCTION:
            written = "0"
        else:
            written = str(edge_formula(edit.model, edge_places(model)[number], i, o, name="u"))
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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, x[:, 0] ** 2)
    >>> fix_edge(KAN([1, 1], dtype=torch.float64), (0, 0, 0), "x^2", problem).model.config.functions
    ((('x^2',),),)
    """
    return _measured(model, edits.fixed(model, problem, edge, function, constants, table), problem, refit)


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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], 0, functions=[[["sin"]]], dtype=torch.float64)
    >>> free_edge(model, (0, 0, 0), Regression(x, x[:, 0] ** 2)).loss < 1e-6
    True
    """
    return _measured(model, edits.freed(model, problem, edge), problem, refit)


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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> problem = Regression(x, x[:, 0])
    >>> drop_edge(KAN([2, 1], dtype=torch.float64), (0, 1, 0), problem).model.layers[0].mask.tolist()
    [[1.0], [0.0]]
    """
    return _measured(model, edits.without_edge(model, problem, edge), problem, refit)


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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> edit = drop_node(KAN([2, 3, 1], dtype=torch.float64), (1, 2), Regression(x, x[:, 0]))
    >>> edit.model.layers[1].mask[:, 0].tolist()
    [1.0, 1.0, 0.0]
    """
    return _measured(model, edits.without_node(model, problem, node), problem, refit)


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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], 0, functions=[[["sin"]]], dtype=torch.float64)
    >>> edit = add_splines(model, Regression(x, x[:, 0].sin() + 0.1 * x[:, 0] ** 2))
    >>> edit.model.config.functions, edit.loss < 1e-8
    (((('+sin',),),), True)
    """
    return _measured(model, edits.with_splines_beside(model, problem, where), problem, refit)


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
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> edit = add_product_nodes(KAN([2, 1, 1], dtype=torch.float64), [2], Regression(x, x.prod(1)), refit=60)
    >>> edit.model.config.products, edit.loss < 1e-6
    (((2,), ()), True)
    """
    return _measured(model, edits.with_products(model, problem, arities, layer, seed), problem, refit)


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


def _measured(model: KAN, edited: edits.Edited, problem: Problem, refit: int) -> Edit:
    """Refit an edited network and compare the losses of both."""
    changed, action = edited
    check_count(refit, "refit", 0)
    if refit:
        parameters = sum(p.numel() for p in changed.parameters())
        is_linear = len(changed.layers) == 1 and not edge_layers(changed)[0].has_functions
        method, _ = method_for(problem, parameters, is_linear=is_linear)
        fit(changed, problem, method, steps=refit, adapt_domain=False)
    cost = edits.cost_of(model, changed, problem, judging_data(problem))
    return Edit(
        model=changed,
        action=action,
        loss_before=cost.before,
        loss=cost.after,
        standard_error=cost.standard_error,
        judged_on="training" if problem.validation is None else "validation",
    )
