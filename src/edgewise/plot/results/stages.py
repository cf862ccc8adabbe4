"""The course of `solve`: what each grid reached, against parameters and seconds."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from edgewise.errors import InputError
from edgewise.pde.solver.solution import Solution, Stage
from edgewise.plot.style import COLORS, FAINT, WIDTH, settled, styled

_CURVES: dict[str, tuple[str, Callable[[Stage], float]]] = {
    "loss, root": ("o", lambda stage: stage.loss**0.5),
    "residual on fresh points": ("D", lambda stage: stage.residual),
    "change from the stage before": ("s", lambda stage: stage.change),
}


def solution_history(solution: Solution) -> Figure:
    """Root of the loss, residual on fresh points and relative change of each stage, on logarithmic axes.

    Raises:
        InputError: no stage has a positive finite number.
    """
    drawn = {
        label: np.array([value(stage) for stage in solution.stages], dtype=float)
        for label, (_, value) in _CURVES.items()
    }
    if not any((np.isfinite(values) & (values > 0)).any() for values in drawn.values()):
        raise InputError(f"solution must have a stage with a positive loss, got {len(solution.stages)} stages")
    with styled():
        figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, [stage.parameters for stage in solution.stages], drawn, "parameters")
        _panel(right, [stage.seconds for stage in solution.stages], drawn, "seconds")
        left.set_xscale("log")
        left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.xaxis.set_minor_locator(NullLocator())
        left.xaxis.set_major_formatter("{x:,.0f}")
        right.set_xlim(left=0)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=len(drawn))
        return settled(figure)


def _panel(panel: Axes, x: list[float], drawn: dict[str, np.ndarray], label: str) -> None:
    panel.set_yscale("log")
    for color, (name, values) in zip(COLORS, drawn.items(), strict=False):
        shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        panel.plot(x, shown, color=color, marker=_CURVES[name][0], markersize=4, linewidth=1.1, label=name)
    panel.set_xlabel(label)
    panel.yaxis.set_major_locator(LogLocator(numticks=8))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(axis="y", color=FAINT, linewidth=0.4)
