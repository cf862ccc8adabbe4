"""Figure of the course of a training run (`training_history`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from edgewise.errors import InputError
from edgewise.plot.style import BLUE, GREY, INK, ORANGE, SIZES, Figure, display_text, fix_layout, styled
from edgewise.presentation import number_text


def training_history(report: Any, *, best_step: int | None = None, loss_name: str = "loss") -> Figure:
    """Draw the training and the validation loss against the step, and mark the step whose model was kept.

    Parameters
    ----------
    report : FitReport or sequence
        A `FitReport`, or its `history`: records with `step`, `loss` and `validation_loss` (None or NaN where it was
        not measured).
    best_step : int, optional
        Step whose model was kept; that of the report by default.
    loss_name : str
        Label of the vertical axis, with the unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        The vertical axis is logarithmic if all losses are positive. At most 2,000 steps are drawn, evenly picked.

    Raises
    ------
    InputError
        If there is no record with a finite loss.

    Examples
    --------
    >>> from edgewise.train import StepRecord
    >>> history = [StepRecord(step, 0.5**step, 0.6**step, penalty=0.0, seconds=0.0) for step in range(10)]
    >>> figure = training_history(history, best_step=9, loss_name="mean squared error")
    >>> [line.get_label() for line in figure.axes[0].lines if line.get_label()[0] != "_"]
    ['training', 'validation', 'kept: step 9']
    """
    # At most 2,000 steps, as arrays: more than a line shows, and megabytes of vector graphics.
    records: Sequence[Any] = getattr(report, "history", report)
    if len(records) > 2000:
        records = [records[k] for k in np.linspace(0, len(records) - 1, 2000).astype(int)]
    if best_step is None:
        best_step = getattr(report, "best_step", None)
    steps = np.array([record.step for record in records], dtype=float)
    loss = np.array([record.loss for record in records], dtype=float)
    validation = np.array([record.validation_loss for record in records], dtype=float)  # NaN for None
    if not np.isfinite(loss).any():
        raise InputError(f"report must hold at least one step with a finite loss, got {len(steps)} steps")
    measured = np.isfinite(validation)
    losses = np.concatenate([loss, validation])
    # The two losses, and the step whose model was kept.
    with styled():
        figure = Figure(figsize=(SIZES.page * 0.75, 2.7), layout="constrained")
        axes = figure.subplots()
        if (losses[np.isfinite(losses)] > 0).all():
            axes.set_yscale("log")
        # Of few steps each has a marker.
        marker = "." if len(steps) < 30 else None
        axes.plot(steps, loss, color=BLUE, marker=marker, linewidth=1.1, label="training")
        if measured.any():
            axes.plot(
                steps[measured], validation[measured], color=ORANGE, marker=marker, linewidth=1.1, label="validation"
            )
        if best_step is not None:
            curve = loss
            if measured.any():
                curve = validation
            known = np.isfinite(curve)
            value = np.interp(best_step, steps[known], curve[known])
            axes.axvline(best_step, color=GREY, linewidth=0.6, linestyle=(0, (3, 3)), zorder=0)
            axes.plot([best_step], [value], "o", color=INK, markersize=4.5, zorder=5, label=f"kept: step {best_step:,}")
        # Ticks of a logarithmic axis that spans few decades.
        low, high = axes.get_ylim()
        # Between few powers of ten ticks stand at 1, 2, 5, or at all multiples (at least two
        # labels on any axis, and no more than ten).
        if axes.get_yscale() == "log" and high / low < 500:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 5 else range(1, 10)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(lambda value, _: number_text(value, 6))
        axes.set_xlabel("step")
        axes.set_ylabel(display_text(loss_name))
        axes.locator_params(axis="x", integer=True)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)
        return fix_layout(figure)
