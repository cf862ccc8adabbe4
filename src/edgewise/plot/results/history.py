"""The course of a training run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from edgewise.errors import InputError
from edgewise.plot.style import BLUE, GREY, INK, ORANGE, WIDTH, plain, settled, styled

_STEPS = 2000


def training_history(report: Any, *, best_step: int | None = None, loss_name: str = "loss") -> Figure:
    """Training and validation loss by step, on a logarithmic axis (if all are positive), the kept step marked.

    Args:
        report: a `FitReport`, or its `history`: a sequence of records with `step`, `loss` and `validation_loss`
            (None or NaN where not measured), as attributes or keys.
        best_step: the step whose model was kept; read off a `FitReport`.
        loss_name: what the loss is, for the vertical axis.

    Raises:
        InputError: there is no record with a finite loss.
    """
    records: Sequence[Any] = getattr(report, "history", report)
    if len(records) > _STEPS:  # more than a line can show, and megabytes of vector drawing
        records = [records[k] for k in np.linspace(0, len(records) - 1, _STEPS).astype(int)]
    best_step = getattr(report, "best_step", None) if best_step is None else best_step
    steps, loss, validation = (
        np.array([_number(r, key) for r in records]) for key in ("step", "loss", "validation_loss")
    )
    if not np.isfinite(loss).any():
        raise InputError(f"report must hold at least one step with a finite loss, got {len(steps)} steps")
    shown = np.concatenate([loss, validation])
    with styled():
        figure = Figure(figsize=(WIDTH * 0.75, 2.7), layout="constrained")
        axes = figure.subplots()
        if (shown[np.isfinite(shown)] > 0).all():
            axes.set_yscale("log")
        dot = "." if len(steps) < 30 else None
        axes.plot(steps, loss, color=BLUE, marker=dot, linewidth=1.1, label="training")
        if np.isfinite(validation).any():
            seen = np.isfinite(validation)
            axes.plot(steps[seen], validation[seen], color=ORANGE, marker=dot, linewidth=1.1, label="validation")
        if best_step is not None:
            _mark(axes, steps, validation if np.isfinite(validation).any() else loss, best_step)
        if axes.get_yscale() == "log":
            _plain_ticks(axes)
        axes.set_xlabel("step")
        axes.set_ylabel(plain(loss_name))
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)
        return settled(figure)


def _plain_ticks(axes: Axes) -> None:
    """1, 2, 5 instead of powers of ten where the axis spans few of them."""
    low, high = axes.get_ylim()
    if high / low < 500:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 5 else range(1, 10)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _mark(axes: Axes, steps: np.ndarray, curve: np.ndarray, best_step: int) -> None:
    seen = np.isfinite(curve)
    value = np.interp(best_step, steps[seen], curve[seen])
    axes.axvline(best_step, color=GREY, linewidth=0.6, linestyle=(0, (3, 3)), zorder=0)
    axes.plot([best_step], [value], "o", color=INK, markersize=4.5, zorder=5, label=f"kept: step {best_step:,}")


def _number(record: Any, key: str) -> float:
    value = record.get(key) if isinstance(record, Mapping) else getattr(record, key, None)
    return np.nan if value is None else float(value)
