"""Steering a network by hand: the edits of `interpret.edits` with the training afterwards, the loss before and after.

The cost is measured on the validation data of the problem, or on its training data if it has none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewise.checks import check_count, is_integer, is_one_of, typed
from edgewise.errors import InputError
from edgewise.formulas.curve_fits import edge_fits
from edgewise.interpret import edits
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.edits import Edge, checked_edge
from edgewise.interpret.symbolic.extraction import edge_formula
from edgewise.nn.config import NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.model import KAN, edge_layers, edge_places
from edgewise.presentation import html_table, number_text, signed_text, text_table
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.choice import method_for
from edgewise.train.problems import Problem

REFIT = 20  # training steps after an edit (as after each removal of `prune`)


@dataclass(frozen=True, eq=False)
class Edit:
    """A network after one edit, with the cost of the edit."""

    model: KAN  # the new network
    action: str  # what was changed, as a sentence
    loss_before: float  # mean loss on the judging data
    loss: float  # the same after the edit
    standard_error: float  # of the difference of the two, over the rows
    judged_on: str  # "validation" or "training"

    def __str__(self) -> str:
        change = f"{signed_text(self.loss - self.loss_before)} ± {number_text(self.standard_error, 2)}"
        return (
            f"{self.action} Loss on the {self.judged_on} data: {number_text(self.loss_before)} -> "
            f"{number_text(self.loss)} ({change}, "
            "standard error over the rows)."
        )


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One elementary function in the place of an edge, from `suggest_functions`."""

    name: str  # of the function
    formula: str  # the edge as a formula in its input u, after the refit
    r2: float  # share of the variance of the edge's values that the function explains
    edit: Edit  # the network with the function, refitted, and its loss


class Suggestions(tuple[Suggestion, ...]):
    """The suggestions for one edge, the smallest loss first; prints as a table."""

    _COLUMNS = ("function", "R2 of the edge", "loss", "formula of the edge")

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(one.name, f"{one.r2:.6f}", number_text(one.edit.loss), one.formula) for one in self]

    def __str__(self) -> str:
        return text_table(self._COLUMNS, self._rows(), text_columns=range(4))

    def _repr_html_(self) -> str:
        return html_table(self._COLUMNS, self._rows(), text_columns=(0, 3))


@typed
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
        A tuple, the smallest loss first, each with `name`, `formula`, `r2` and `edit`; prints as a table.

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
    check_count(refit, "refit", 0)
    u, s = edits.curve(model, place, problem)
    variance = float(s.var())
    suggestions = []
    for fitted in edge_fits(u.numpy(), s.numpy(), table=table)[:top]:
        change = _measured(model, edits.replaced(model, place, fitted, table), problem, refit)
        written = "0"
        if fitted.name != NO_FUNCTION:
            written = str(edge_formula(change.model, edge_places(model)[number], i, o, name="u"))
        # The error of a fit is a share of the curve's standard deviation.
        r2 = 1 - fitted.error**2 if variance > 0 else 1.0
        suggestions.append(Suggestion(fitted.name, written, r2, change))
    return Suggestions(sorted(suggestions, key=lambda one: one.edit.loss))


def edit(model: KAN, problem: Problem, kind: str, *, refit: int = REFIT, **fields: Any) -> Edit:
    """Change a network by hand, train it afterwards, and measure what the change costs.

    An edge is named by (layer, input, output), a node by (layer, node); layers of edges are counted from 0 without the
    products between them, and layer 0 of nodes holds the inputs. The kinds of edits with their fields:

    - "fix": `edge` becomes the elementary `function` c f(a u + b) + d of its input u, or "0"; `constants` are a,
      b, c and d, by default a least-squares fit to the curve of the edge.
    - "free": `edge`, an elementary function, becomes the spline nearest to it.
    - "remove_edge", "remove_node": an `edge` goes, or all edges of a `node`; their mean effect stays.
    - "drag": the curve of `edge` moves through `points` (input, new value).
    - "straighten", "flatten": the curve of `edge` becomes straight or constant in a `range`, by default everywhere.
    - "shape": `edge` becomes the nearest curve of a `shape`, as "increasing" or "convex".
    - "snap": `constant` "a", "b", "c" or "d" of the function of `edge` becomes a `value`.
    - "merge": several `inputs`, levels of a category, have one effect.
    - "add_splines": splines that are zero stand beside the functions of the edges `where`, by default of all, so that
      training shows where a formula is wrong.
    - "add_products": new nodes multiply as many sums as `arities` gives, in a hidden `layer`, 1 by default, with a
      `seed` for their weights. Their outgoing edges start at zero, so the function is the same at first.
    - "refit": nothing but the training.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    problem : Problem
        The data, in tensors.
    kind : str
        What is changed.
    refit : int
        Training steps of the whole network afterwards; 0 trains nothing. The step that is best on the validation data
        is kept, or on the training data without validation data.
    **fields
        The fields of the kind.

    Returns
    -------
    Edit
        The new network `model`, the sentence `action`, `loss_before` and `loss` on the data `judged_on`, and the
        `standard_error` of their difference.

    Raises
    ------
    InputError
        There is no such kind, edge, node or function, a field is missing or unknown, a function is undefined on the
        values of the edge's input, or no path from an input to an output is left.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> problem = Regression(x, x[:, 0] ** 2)
    >>> fixed = edit(KAN([1, 1], dtype=torch.float64), problem, "fix", edge=(0, 0, 0), function="x^2")
    >>> fixed.model.config.functions, fixed.loss < 1e-12
    (((('x^2',),),), True)
    """
    edge_layers(model)  # raises for what is no KAN
    judging_data(problem)
    if not is_one_of(kind, edits.EDITS):
        raise InputError(f"kind must be one of {', '.join(edits.EDITS)}, got {kind!r:.80}")
    check_count(refit, "refit", 0)
    if "train" in fields:
        raise InputError(f"train must be left out: all numbers are trained after an edit, got {fields['train']!r:.80}")
    checked = edits.checked_edit({"kind": kind, "refit": refit, "train": "all", **fields})
    return _measured(model, edits.made(model, problem, checked), problem, refit)


@typed
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
    if refit:
        parameters = sum(p.numel() for p in changed.parameters())
        is_linear = len(changed.layers) == 1 and not edge_layers(changed)[0].has_functions
        method, _ = method_for(problem, parameters, is_linear=is_linear)
        fit(changed, problem, method, steps=refit, adapt_domain=False)
    # The paired difference of the losses on the judging rows.
    cost = edits.cost_of(model, changed, problem, judging_data(problem))
    return Edit(
        model=changed,
        action=action,
        loss_before=cost.before,
        loss=cost.after,
        standard_error=cost.standard_error,
        judged_on="training" if problem.validation is None else "validation",
    )
