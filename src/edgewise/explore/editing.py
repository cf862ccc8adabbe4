"""Edits of a model under exploration: an edit, the training after it, and its cost on training and held-out rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from edgewise.checks import check_count
from edgewise.errors import CancelledError, InputError
from edgewise.interpret.edits import Cost, checked_edit, cost_of, made
from edgewise.interpret.symbolic.steering import REFIT
from edgewise.nn.model import KAN, edge_layers
from edgewise.search.validation import split_rows
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import StepEvent
from edgewise.train.loop.threads import one_thread
from edgewise.train.methods.choice import method_for
from edgewise.train.problems import Problem


@dataclass(frozen=True, eq=False)
class Applied:
    """A network after an edit."""

    model: KAN  # the new network
    edit: dict[str, Any]  # the edit with all of its fields
    text: str  # what was changed, as a sentence
    costs: dict[str, Cost]  # of "training", and of "held-out" if the problem has validation data


def apply_edit(
    model: KAN, problem: Problem, edit: Mapping[str, Any], *, progress: Callable[[float], bool] | None = None
) -> Applied:
    """Make an edit of a copy of a network and measure its cost; CancelledError where `progress` returns True."""
    # `refit` is the number of training steps afterwards: 20 by default after "fix", none after the others. `train` is
    # what they train: "functions" for the constants of the elementary functions alone, so that splines which a penalty
    # made smooth stay so; or "all". `progress` receives the share of these steps that are made.
    edit = checked_edit(edit)
    with one_thread():
        changed, text = made(model, problem, edit)
        steps = edit.get("refit", REFIT if edit["kind"] == "fix" else 0)
        check_count(steps, "refit", 0)
        kinds = ("functions", "all")  # what a refit trains: the constants of the elementary functions, or everything
        trained = edit.get("train", kinds[0])
        if trained not in kinds:
            raise InputError(f"train must be one of {', '.join(kinds)}, got {trained!r}")
        changed = _refitted(changed, problem, steps, trained, progress)
        return Applied(changed, edit, text, costs_of(model, changed, problem))


def costs_of(before: KAN, after: KAN, problem: Problem) -> dict[str, Cost]:
    """Compare the losses of two networks on the training and the held-out rows of a problem."""
    parts = {"training": problem.train, "held-out": problem.validation}
    return {name: cost_of(before, after, problem, data) for name, data in parts.items() if data is not None}


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
    if trained == "all" and rows >= 20:
        # A fifth of the training rows, as in cross-validation, chooses the step at which the training ends;
        # fewer rows than 20 would choose by chance.
        kept, chosen = (torch.from_numpy(part) for part in split_rows(rows, 0.2, 0))
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
