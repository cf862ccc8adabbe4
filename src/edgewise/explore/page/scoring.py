"""Quality of a model: its scores on both parts of the rows, the worst rows, and the width of its intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from edgewise.explore.subject import Subject
from edgewise.metrics import score
from edgewise.nn.model import KAN

LEVEL = 0.9  # share of new rows within an interval, the default of `KANRegressor.predict_interval`


@torch.no_grad()
def scores(subject: Subject, network: KAN) -> dict[str, dict[str, float | None]]:
    """Return R² and the root mean square error in the target's unit, or accuracy and cross-entropy, on both parts."""
    results: dict[str, dict[str, float | None]] = {}
    problem = subject.problem
    for name, data in (("training", problem.train), ("held-out", problem.validation)):
        if data is None:
            continue
        output = network(data.x).double()
        loss = float(problem.sample_losses(network, data).mean())
        if problem.classes:
            accuracy = score("accuracy", data.y.numpy(), output.argmax(1).numpy())
            values = {accuracy.name: accuracy.value, "cross-entropy": loss}
        else:
            unit = 1.0
            if subject.estimator is not None and len(subject.outputs) == 1:
                unit = subject.estimator._task.unit[1]
            explained = score("r2", data.y.numpy(), output.numpy())
            values = {explained.name: explained.value, "RMSE": math.sqrt(loss) * unit}
        results[name] = {key: value if math.isfinite(value) else None for key, value in values.items()}
    return results


@torch.no_grad()
def worst_rows(subject: Subject, network: KAN) -> list[dict[str, Any]]:
    """List the rows with the largest losses, by their numbers from 1."""
    problem = subject.problem
    assert problem.validation is not None, "a subject holds rows out"
    parts = (problem.train, problem.validation)
    losses = subject.in_order(*(problem.sample_losses(network, data).double() for data in parts)).numpy()
    x = subject.in_order(*(data.x.double() for data in parts))
    # The rows with the largest losses.
    order = np.argsort(-losses, kind="stable")[:12].tolist()
    held = set(subject.held_out)
    return [{"row": n + 1, "loss": float(losses[n]), "held": n in held, "x": x[n].tolist()} for n in order]


@torch.no_grad()
def interval(subject: Subject, network: KAN) -> dict[str, Any] | None:
    """Return half the widths of intervals for new rows, one for each output, in the units of the network.

    They are the quantile of the sizes of the held-out residuals that holds a share `LEVEL` of new rows like them, on
    average (split conformal prediction; J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094). None for classes, for rows
    without a target and for too few held-out rows.
    """
    held = subject.problem.validation
    if held is None or subject.note or subject.problem.classes:
        return None
    place = math.ceil((len(held) + 1) * LEVEL)
    if place > len(held):
        return None
    sizes = (held.y - network(held.x)).abs().double().sort(0).values
    return {"half": sizes[place - 1].tolist(), "level": LEVEL, "rows": len(held), "own": False}


@torch.no_grad()
def own_interval(subject: Subject, x: torch.Tensor) -> dict[str, Any] | None:
    """Return the same at one point x (1, inputs) from the error bars of the unedited estimator, if it has any."""
    estimator = subject.estimator
    if estimator is None:
        return None
    bars = estimator._task.bars
    if bars is None or bars.sizes.most < LEVEL:
        return None
    limits = torch.from_numpy(np.asarray(estimator.input_limits_).T)
    inside = torch.minimum(torch.maximum(x, limits[0]), limits[1])
    half = bars.half_width(estimator.model_, inside, LEVEL, unclipped=x)[0]
    return {"half": half.tolist(), "level": LEVEL, "rows": bars.rows, "own": True}
