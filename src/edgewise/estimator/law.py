"""A short law as a part of a network: found on some rows, judged on others, and taken where it is better there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.estimator.equations import table_budget, table_front, table_search
from edgewise.formulas.expression import (
    Add,
    Expression,
    Multiply,
    Number,
    Variable,
    constant_values,
    evaluate,
    substituted,
)
from edgewise.formulas.front import Front
from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.transform.edges import inputs_of, with_layer, with_spline
from edgewise.interpret.transform.subnetworks import product_groups, with_layers
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, edge_layers, edge_places
from edgewise.outcomes import Budget, StopReason
from edgewise.presentation import counted, number_text
from edgewise.scaling import AffineScaling
from edgewise.search.automatic import auto_fit
from edgewise.search.calibration import HeldOutRows
from edgewise.search.candidates import Samples
from edgewise.search.comparisons import loss_text
from edgewise.search.records import SearchReport, Trial
from edgewise.search.results import AutoResult
from edgewise.search.validation import folds, mean_and_error, paired_gain
from edgewise.train.uncertainty import ErrorBars, additive_error_bars

if TYPE_CHECKING:
    from edgewise.estimator.regressor import KANRegressor, RegressionFit

LawSearch = Callable[[np.ndarray, np.ndarray], Front | None]
"""A search for short laws of rows (n, d) and targets (n,), which returns its front; None if it can't look."""


@dataclass(frozen=True)
class LawSettings:
    """When a law is looked for as a part of a network, and how it is judged."""

    fewest_rows: int = 400  # a quarter of fewer rows tells no small gain from chance
    parts: int = 4  # one of so many parts of the rows is not seen by the search for the law, and judges it
    intervals: int = 32  # of the splines that start as the functions of the law
    box_points: int = 4096  # of the box of the rows, where functions of the law must be defined
    widest: float = 1e6  # most interquartile ranges between values of a law: beyond, a pole is among the rows


SETTINGS = LawSettings()


@dataclass(frozen=True, eq=False)
class LawFit:
    """The result of a search for a law, and of the network that has it as a part."""

    front: Front
    result: AutoResult  # of the network with the law where that is better, else of the one before


def fit_with_law(fit: RegressionFit, search_law: LawSearch) -> LawFit | None:
    """Look for a law on three quarters of the rows, and let the last quarter say whether the network needs it.

    None where the search for a law can't look.
    """
    before = fit.result
    samples = fit.samples
    settings = replace(fit.settings, hand_on=None)
    # The search for the law sees some rows, whole blocks of them, and none of the others.
    division = folds(len(fit.rows), settings.seed, blocks=samples.blocks, parts=SETTINGS.parts)[0]
    front = search_law(fit.rows[division.train], fit.targets[division.train])
    if front is None:
        return None
    unchanged = LawFit(front, before)
    if front.stopped == StopReason.INTERRUPTED:
        return LawFit(front, _interrupted(before))
    if before.held_out_losses is None or settings.is_restricted:
        return unchanged
    # The law as a network of the scaled inputs, which hands the inputs on beside its value.
    law = law_network(front.best.formula.expression, samples.x, fit.input_scaling)
    if law is None:
        return unchanged
    with torch.no_grad():
        wider = law(torch.from_numpy(np.ascontiguousarray(samples.x))).numpy()
    # The search once more, with the value of the law as one more input.
    rich = auto_fit(replace(samples, x=wider), settings, settings.progress)
    if rich.search.stopped == StopReason.INTERRUPTED:
        return LawFit(front, _interrupted(before))
    if rich.held_out_losses is None or rich.held_out is None or rich.fitted is None:
        return unchanged
    # The paired difference on rows that the law has not seen, of models that did not see them either.
    both = np.isfinite(before.held_out_losses) & np.isfinite(rich.held_out_losses)
    judging = division.held[both[division.held]]
    if not len(judging):
        return unchanged
    # The one-standard-error rule on the paired gain.
    weight = samples.weight[judging]
    blocks = None if samples.blocks is None else samples.blocks[judging]
    gain, error = paired_gain(before.held_out_losses[judging], rich.held_out_losses[judging], weight, blocks)
    taken = gain > settings.policy.margin * error
    loss, loss_error = mean_and_error(rich.held_out_losses[judging], weight, blocks)
    sentence = (
        f"A short law as a part of the network: {loss_text(loss, settings.family)} instead of "
        f"{loss_text(loss + gain, settings.family)} on {counted(len(judging), 'row')} that its search had not seen "
        f"(standard error of the difference {number_text(error, 1)}): {'taken' if taken else 'not taken'}."
    )
    # The candidate joins the record of the search, taken or not.
    chosen = rich.search.chosen_trial
    kind = rich.search.chosen if chosen is None else chosen.kind
    name = f"{kind} with a short law"
    folds_made = 0 if chosen is None else chosen.folds
    coefficients = rich.fitted.coefficients + len(constant_values(front.best.formula.expression))
    trial = Trial(name, loss, loss_error, coefficients, folds_made, taken=taken, reason=sentence)
    report = replace(
        before.search,
        trials=(*before.search.trials, trial),
        sentences=(*before.search.sentences, sentence),
        work=before.search.work + rich.search.work,
    )
    if not taken:
        return LawFit(front, replace(before, search=report))
    # The gain on a linear model is that of the model before and that of the law.
    linear_gain = before.search.linear_gain
    if linear_gain is not None:
        linear_gain = (linear_gain[0] + gain, math.hypot(linear_gain[1], error))
    report = replace(report, chosen=name, linear_gain=linear_gain)
    return LawFit(front, _joined(law, rich, samples, report))


def _interrupted(result: AutoResult) -> AutoResult:
    return replace(result, search=replace(result.search, stopped=StopReason.INTERRUPTED))


def usual_search(estimator: KANRegressor, fit: RegressionFit) -> LawSearch | None:
    """The search for a law of a regression of high effort; None where no law could take the place of the model.

    Of a limited time it takes half of the rest.
    """
    before = fit.result
    settings = fit.settings
    may_win = before.has_noise and before.held_out_losses is not None and not settings.is_restricted
    may_win = may_win and "law" not in settings.policy.left_out
    if not may_win or fit.samples.exposure is not None or len(fit.rows) < SETTINGS.fewest_rows:
        return None
    # Half of the time that is left, for the search; the rest is for the network with the law.
    whole = Budget(settings.time_limit, began=settings.began)
    if whole.past_deadline:
        return None
    seconds = None if whole.time_limit is None else whole.seconds_left / 2
    names = estimator.encoder_.formula_names
    target = estimator.target_names_[0] if estimator.target_names_ else "y"
    budget = table_budget(seconds)
    report = settings.progress

    def search(x: np.ndarray, y: np.ndarray) -> Front | None:
        try:
            return table_front(table_search(x, y, names, None, budget, target=target, report=report))
        except InputError:
            return None  # a column in too extreme a unit

    return search


@torch.no_grad()
def law_network(law: Expression, x: np.ndarray, scaling: AffineScaling) -> KAN | None:
    """A network from scaled inputs (n, d) to these and the scaled value of a law; None for a law without value.

    Its functions are those of the law, and splines that start as they are where the law may have a pole.
    """
    inputs = [Variable(j) for j in range(x.shape[1])]
    units = [
        Add((Number(float(scaling.shift[j])), Multiply((Number(float(scaling.scale[j])), column))))
        for j, column in enumerate(inputs)
    ]
    # Its values at the rows must be finite and of one scale: beyond some interquartile ranges a pole is among the rows.
    inside = substituted(law, units)
    with np.errstate(all="ignore"):
        values = evaluate(inside, x)
    if not np.isfinite(values).all():
        return None
    spread = float(np.quantile(values, 0.75) - np.quantile(values, 0.25))
    if not spread > 0 or np.ptp(values) > SETTINGS.widest * spread:
        return None
    # The value, scaled to [-1, 1] as an input of a network is, beside the inputs themselves.
    low = float(values.min())
    high = float(values.max())
    half = (high - low) / 2
    column = Add((Number(-(low + half) / half), Multiply((Number(1 / half), inside))))
    model = from_formula([*inputs, column], [f"x{j + 1}" for j in range(x.shape[1])])
    # Splines in place of functions that are not defined, or have a pole, somewhere in the box of the rows: on the
    # values that enter the layer at the rows. They go on as straight lines.
    points = torch.from_numpy(np.ascontiguousarray(x))
    box = torch.from_numpy(_points_in_box(x))
    like = KANLayer(1, 1, grid_size=SETTINGS.intervals, base="zero", dtype=points.dtype)
    for number, layer in enumerate(edge_layers(model)):
        reached = inputs_of(edge_layers(model)[number], model, box)  # of the network as it is by now
        for i, o in layer.function_mask.nonzero().tolist():
            function = layer.elementary(i, o)
            a, b = layer.affine[:2, i, o].tolist()
            ends = sorted((a * float(reached[:, i].min()) + b, a * float(reached[:, i].max()) + b))
            if function is not None and not function.allows(*ends):
                own = edge_layers(model)[number]
                own = with_spline(own, i, o, inputs_of(own, model, points), like=like)
                model = with_layer(model, edge_places(model)[number], own)
    return model


def _points_in_box(x: np.ndarray) -> np.ndarray:
    """Points (m, d) of the box of rows (n, d), its ends among them, as those of a Sobol sequence."""
    low = x.min(0)
    high = x.max(0)
    points = torch.quasirandom.SobolEngine(x.shape[1]).draw(SETTINGS.box_points, dtype=torch.float64).numpy()
    # Corners come from the rows of the sequence, rounded to the ends.
    return np.concatenate([x, low + (high - low) * points, low + (high - low) * points.round()])


def _joined(law: KAN, rich: AutoResult, samples: Samples, report: SearchReport) -> AutoResult:
    """The result of the network that first computes the law and then what was fitted to it and the inputs."""
    layers = [*edge_layers(law), *edge_layers(rich.model)]
    model = with_layers(rich.model, layers, [*product_groups(law), *product_groups(rich.model)])
    # Error bars: the functions within the law are taken as known.
    assert rich.limits is not None and rich.held_out is not None
    held_out = rich.held_out.of_inputs(samples.x.shape[1])
    bars = None
    intervals = None
    if rich.error_bars is None:
        intervals = held_out.intervals()
    else:
        first = sum(parameter.numel() for parameter in law.parameters() if parameter.requires_grad)
        bars = _of_longer_network(rich.error_bars, first, model, held_out)
    message = f"{rich.message} The constants of the law are taken as known."
    return replace(
        rich,
        model=model,
        search=report,
        limits=rich.limits[: samples.x.shape[1]],
        error_bars=bars,
        intervals=intervals,
        message=message,
        fitted=None,
    )


def _of_longer_network(bars: ErrorBars, first: int, model: KAN, held_out: HeldOutRows) -> ErrorBars:
    """Error bars of a network behind new layers whose `first` parameters have no uncertainty."""
    factor = torch.cat([bars.factor.new_zeros(first, bars.factor.shape[1]), bars.factor])
    return additive_error_bars(
        model,
        factor,
        bars.noise,
        held_out.data,
        folds=bars.folds,
        curves=held_out.curves,
        held_out_noise=held_out.cross_fitted_deviation,
    )
