"""Figure of the course of `edgewise.pde.solve` (`solution_history`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.pde.solver.solution import Solution
from edgewise.plot.style import COLORS, MARKERS, SIZES, Figure, decade_ticks, fix_layout, styled


@typed
def solution_history(solution: Solution) -> Figure:
    """Draw the errors of each stage of `edgewise.pde.solve` against its parameters and against the seconds.

    Parameters
    ----------
    solution : edgewise.pde.Solution

    Returns
    -------
    matplotlib.figure.Figure
        On logarithmic axes the root of the loss, the residual at fresh points, both in units of the field (see `PDE`),
        and the change from the stage before, relative to the solution.

    Raises
    ------
    InputError
        If no stage has a positive finite number.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> solution = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-6)
    >>> [axes.get_xlabel() for axes in solution_history(solution).axes]
    ['parameters', 'seconds']
    """
    stages = solution.stages
    curves = {
        "root of the loss": np.array([stage.loss**0.5 for stage in stages], dtype=float),
        "residual on fresh points": np.array([stage.residual for stage in stages], dtype=float),
        "change from the stage before": np.array([stage.change for stage in stages], dtype=float),
    }
    shown = {label: np.where(np.isfinite(v) & (v > 0), v, np.nan) for label, v in curves.items()}
    if all(np.isnan(values).all() for values in shown.values()):
        raise InputError(f"solution must have a stage with a positive loss, got {len(solution.stages)} stages")
    with styled():
        figure = Figure(figsize=(SIZES.page, 2.5), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_stages(left, [stage.parameters for stage in solution.stages], shown, "parameters")
        _draw_stages(right, [stage.seconds for stage in solution.stages], shown, "seconds")
        left.set_xscale("log")
        left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.xaxis.set_minor_locator(NullLocator())
        left.xaxis.set_major_formatter("{x:,.0f}")
        right.set_xlim(left=0)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=len(shown))
        return fix_layout(figure)


def _draw_stages(panel: Axes, x: Sequence[float], shown: Mapping[str, np.ndarray], label: str) -> None:
    panel.set_yscale("log")
    for color, marker, (name, values) in zip(COLORS, MARKERS, shown.items(), strict=False):
        panel.plot(x, values, color=color, marker=marker, markersize=4, linewidth=1.1, label=name)
    panel.set_xlabel(label)
    decade_ticks(panel.yaxis)
    panel.grid(axis="y")
