"""Edits of a network as pure functions: a network and an edit give a new network and what the edit costs.

An edit is a dictionary of plain values, so that it can be stored, sent and repeated: `{"kind": "fix", "edge": (0, 1,
0), "function": "sin"}`. `EDITS` lists the kinds with their fields. Points, ranges and values are those of the network:
an edge of the first layer receives scaled inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch

from edgewise.checks import check_count, is_number
from edgewise.errors import CancelledError, InputError
from edgewise.explore.editing.edits import Applied, Cost, checked_edit
from edgewise.explore.editing.reshaping import merged, reshaped
from edgewise.interpret.symbolic import steering
from edgewise.interpret.transform.edges import edge_layers
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import StepEvent
from edgewise.train.loop.threads import one_thread
from edgewise.train.methods.choice import method_for
from edgewise.train.problems.base import Problem

CONSTANTS = ("a", "b", "c", "d")  # of an edge c f(a u + b) + d
TRAINED = ("functions", "all")  # what a refit trains: the constants of the elementary functions, or everything
# Share of the training rows that chooses the step at which the training of everything ends, and the fewest rows of
# which a part is taken: a fifth as in cross-validation, and fewer rows than 20 choose by chance.
STOPPING_SHARE = 0.2
FEWEST_TO_STOP = 20


def apply_edit(
    model: KAN, problem: Problem, edit: Mapping[str, Any], *, progress: Callable[[float], bool] | None = None
) -> Applied:
    """Make an edit and measure its cost.

    Parameters
    ----------
    model : KAN
        Left unchanged.
    problem : Problem
        The data, in tensors; its validation data are the held-out rows.
    edit : mapping
        Its kind and fields, see `EDITS`. `refit` is the number of training steps afterwards: 20 by default after
        "fix", none after the others. `train` is what they train: "functions" for the constants of the elementary
        functions alone, so that splines which a penalty made smooth stay so; or "all".
    progress : callable, optional
        Receives the share of the training steps that are made; what it returns is whether to cancel.

    Returns
    -------
    Applied
        The new network and the costs.

    Raises
    ------
    InputError
        The edit is not as above, or the network has no such part.
    CancelledError
        `progress` returned True.

    Examples
    --------
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> edit = {"kind": "fix", "edge": [0, 0, 0], "function": "sin"}
    >>> done = apply_edit(KAN([1, 1], dtype=torch.float64), Regression(x, torch.sin(2 * x[:, 0])), edit)
    >>> done.costs["training"].after < 1e-12
    True
    """
    edit = checked_edit(edit)
    with one_thread():
        changed, text = _changed(model, problem, edit)
        steps = edit.get("refit", steering.REFIT if edit["kind"] == "fix" else 0)
        check_count(steps, "refit", 0)
        trained = edit.get("train", TRAINED[0])
        if trained not in TRAINED:
            raise InputError(f"train must be one of {', '.join(TRAINED)}, got {trained!r}")
        changed = _refitted(changed, problem, steps, trained, progress)
        return Applied(changed, edit, text, costs_of(model, changed, problem))


def costs_of(before: KAN, after: KAN, problem: Problem) -> dict[str, Cost]:
    """Compare the losses of two networks on the training and the held-out rows of a problem."""
    costs = {}
    for name, data in (("training", problem.train), ("held-out", problem.validation)):
        if data is None:
            continue
        old, new = (problem.sample_losses(one, data).double() for one in (before, after))
        if len(new) > 1:
            error = float((new - old).std() / len(new) ** 0.5)
        else:
            error = 0.0
        costs[name] = Cost(float(old.mean()), float(new.mean()), error, len(new))
    return costs


def _changed(model: KAN, problem: Problem, edit: dict[str, Any]) -> tuple[KAN, str]:
    kind = edit["kind"]
    if kind == "refit":
        if edit.get("train") == "all":
            what = "All numbers are"
        else:
            what = "The constants of the elementary functions are"
        return copy.deepcopy(model), f"{what} trained for {edit['refit']} steps."
    if kind == "remove_node":
        done = steering.drop_node(model, tuple(edit["node"]), problem, refit=0)
        return done.model, done.action
    if kind == "merge":
        return merged(model, problem, edit["inputs"]), f"The levels of inputs {edit['inputs']} have one effect."
    edge = steering.checked_edge(model, tuple(edit["edge"]))
    if kind == "fix":
        done = steering.fix_edge(model, edge, edit["function"], problem, constants=edit.get("constants"), refit=0)
        return done.model, done.action
    if kind in ("free", "remove_edge"):
        done = (steering.free_edge if kind == "free" else steering.drop_edge)(model, edge, problem, refit=0)
        return done.model, done.action
    if kind == "snap":
        return _snapped(model, edge, edit["constant"], edit["value"]), (
            f"Constant {edit['constant']} of edge {edge} is {edit['value']:g}."
        )
    return reshaped(model, problem, edge, edit)


@torch.no_grad()
def _snapped(model: KAN, edge: steering.Edge, constant: str, value: Any) -> KAN:
    number, i, o = edge
    model = copy.deepcopy(model)
    layer = edge_layers(model)[number]
    if layer.elementary(i, o) is None:
        raise InputError(f"edge must be an elementary function, whose constants can be set, got {edge}, a spline")
    if constant not in CONSTANTS or not is_number(value):
        raise InputError(f"constant must be one of {', '.join(CONSTANTS)} with a number, got {constant!r}: {value!r}")
    layer.affine[CONSTANTS.index(constant), i, o] = float(value)
    return model


def _refitted(model: KAN, problem: Problem, steps: int, trained: str, progress: Callable[[float], bool] | None) -> KAN:
    """Train the constants of the elementary functions, or everything, in place; nothing where there are none.

    Where everything is trained, a part of the training rows chooses the step at which it ends (early stopping), since
    the penalties of the fit are not known any more and without them splines follow the noise.
    """
    frozen = []
    if trained == "functions":
        for layer in edge_layers(model):
            splines = [layer.coef, layer.base] if layer.has_splines else []
            frozen += [p for p in splines if p is not None and p.requires_grad]
    own = copy.copy(problem)  # the held-out rows judge, so they must not choose the best step
    own.validation = None
    rows = len(problem.train)
    if trained == "all" and rows >= FEWEST_TO_STOP:
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
        chosen, kept = order.tensor_split([int(STOPPING_SHARE * rows)])
        own = problem.subset(kept)
        own.validation = problem.train.select(chosen)
    for parameter in frozen:
        parameter.requires_grad_(False)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if steps and count:

        def watch(event: StepEvent) -> None:
            if progress is not None and progress(event.step / event.steps):
                raise CancelledError

        is_linear = trained == "all" and len(model.layers) == 1 and not edge_layers(model)[0].has_functions
        method, _ = method_for(own, count, is_linear=is_linear)
        fit(model, own, method, steps=steps, adapt_domain=False, callbacks=[watch])
    for parameter in frozen:
        parameter.requires_grad_(True)
    return model
