"""Solutions of differential equations on a page (`solution_figure`): solution, error and residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.pde.domains.domain import is_space
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.solution import Solution
from edgewise.plot.pde.maps import (
    Units,
    color_range,
    colour_bar,
    cut_out,
    draw_interfaces,
    draw_map,
    moment_text,
    name_middle,
    number_axis,
    outline_of,
    page_ratio,
    with_breaks,
    with_unit,
)
from edgewise.plot.pde.slices import Slice, chosen_fields, chosen_times, middle, slice_of, time_of
from edgewise.plot.style import BLUE, COLORS, FAINT, INK, ORANGE, SIZES, Figure, fix_layout, styled

# points along a side of a map, and along a curve
_MAP = 201
_LINE = 601
_DASHES = (0, (3.5, 2.5))  # of exact solutions


@dataclass(frozen=True, eq=False)
class _Quantity:
    """A quantity to show: its label with the unit, its values on a slice, and whether it is a difference from zero."""

    label: str
    values: np.ndarray
    signed: bool


@typed
def solution_figure(
    solution: Solution,
    *,
    fields: Sequence[str] | None = None,
    times: Sequence[float] | None = None,
    units: Units | None = None,
) -> Figure:
    """Draw a solution, its error if an exact solution is known, and the residual of the equation.

    Parameters
    ----------
    solution : edgewise.pde.Solution
    fields : sequence of str, optional
        Names of the fields to show; all by default.
    times : sequence of float, optional
        Moments to show, in the unit of time, for problems over space and time.
    units : mapping of str to str, optional
        Units of fields and coordinates by name, such as {"x": "m", "u": "K"}.

    Returns
    -------
    matplotlib.figure.Figure
        For one coordinate curves; for two coordinates maps, over space and time with curves at some moments below them;
        for two coordinates of space and time maps at some moments; in more dimensions maps of the plane of the first
        two coordinates through the middle of the domain. Interfaces are dashed lines, or gaps of curves. Residuals are
        in units of the field (see `PDE`).

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> import torch
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> decay = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], solution=lambda t: torch.exp(-t))
    >>> figure = solution_figure(solve(decay, tolerance=1e-6), units={"t": "s"})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['solution', 'error', 'residual']
    """
    problem = solution.problem
    units = units or {}
    slots = chosen_fields(problem, fields)
    time = time_of(problem)
    if times is not None and not (time is not None and problem.domain.dimension > 1):
        raise InputError("times must be left out for a problem without coordinates of space and time, as t")
    with styled():
        if problem.domain.dimension == 1:
            figure = _curves(solution, slots, units)
        elif time is None:
            figure = _maps(solution, slots, units)
        elif problem.domain.dimension == 2:
            # Three moments of a solution over one coordinate of space are shown as curves.
            figure = _over_time(solution, time, slots, units, chosen_times(problem, times, (0.25, 0.5, 0.75)))
        else:
            # One over two coordinates of space is shown at four moments, as maps.
            figure = _moments(solution, time, slots, units, chosen_times(problem, times, (0.0, 1 / 3, 2 / 3, 1.0)))
        return fix_layout(figure)


def _rows(shown: Slice, slots: Sequence[int], problem: Collocation, units: Units) -> list[list[_Quantity]]:
    """Return a row for each field with the field and its error; each row ends with the residual of one equation."""
    rows = []
    for slot in slots:
        name = with_unit(problem.fields[slot], units)
        row = [_Quantity(name, shown.values[slot], signed=False)]
        if shown.error is not None:
            row.append(_Quantity(f"error of {name}", shown.error[slot], signed=True))
        rows.append(row)
    for number, values in enumerate(shown.residual):
        if number == len(rows):
            rows.append([])
        if len(shown.residual) == 1:
            label = "residual"
        else:
            label = f"residual of equation {number + 1}"
        rows[number].append(_Quantity(label, values, signed=True))
    return rows


def _curves(solution: Solution, slots: Sequence[int], units: Units) -> Figure:
    """Draw all fields over the only coordinate, then their errors, then the residuals."""
    problem = solution.problem
    (name,) = problem.domain.coordinates
    shown = slice_of(solution, [name], {}, [_LINE])
    # A panel more, and a wider figure, where the error is known.
    count = 2
    width = 0.7 * SIZES.page
    if shown.error is not None:
        count = 3
        width = SIZES.page
    figure = Figure(figsize=(width, 2.3), layout="constrained")
    panels = figure.subplots(1, count)
    names = [with_unit(problem.fields[slot], units) for slot in slots]
    # Fields, exact solutions and errors.
    for place, (slot, label) in enumerate(zip(slots, names, strict=True)):
        color = COLORS[place % len(COLORS)]
        panels[0].plot(*with_breaks(problem, shown, shown.values[slot]), color=color, label=label)
        if shown.exact is not None and shown.error is not None:
            exactly = with_breaks(problem, shown, shown.exact[slot])
            panels[0].plot(*exactly, color=INK, linewidth=0.9, linestyle=_DASHES)
            panels[1].plot(*with_breaks(problem, shown, shown.error[slot]), color=color, linewidth=0.9)
    for number, values in enumerate(shown.residual):
        if len(shown.residual) == len(slots):
            color = COLORS[number % len(COLORS)]
        else:
            color = INK
        panels[-1].plot(*with_breaks(problem, shown, values), color=color, linewidth=0.9)
    # Titles, legend and axes.
    if shown.error is not None:
        panels[0].plot([], [], color=INK, linewidth=0.9, linestyle=_DASHES, label="exact")
        panels[1].set_title("error")
    panels[0].set_title("solution")
    panels[-1].set_title("residual")
    if len(slots) > 1 or shown.error is not None:
        panels[0].legend(loc="best", handlelength=1.6)
    else:
        panels[0].set_ylabel(names[0])
    for panel in panels:
        panel.set_xlabel(with_unit(name, units))
        panel.set_xlim(shown.ticks[0][0], shown.ticks[0][-1])
        number_axis(panel)
    for panel in panels[1:]:
        panel.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    return figure


def _maps(solution: Solution, slots: Sequence[int], units: Units) -> Figure:
    """Draw maps over the first two coordinates, with all others in the middle of the domain."""
    problem = solution.problem
    names = problem.domain.coordinates[:2]
    fixed = middle(problem)
    shown = slice_of(solution, names, fixed, [_MAP, _MAP])
    rows = _rows(shown, slots, problem, units)
    # The size of the figure: three maps fill a page.
    outline = outline_of(problem, names, fixed)
    columns = max(map(len, rows))
    width = SIZES.page * min(columns / 3, 1)
    ratio = page_ratio(problem, names)
    figure = Figure(figsize=(width, len(rows) * (0.74 * width / columns * ratio + 0.5)), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for row, line in zip(rows, panels, strict=True):
        for panel in line[len(row) :]:
            panel.remove()
        for quantity, panel in zip(row, line, strict=False):
            ends, extend = color_range(quantity.values, signed=quantity.signed)
            image = draw_map(panel, shown.ticks, quantity.values, ends, signed=quantity.signed)
            panel.set_aspect("equal" if all(map(is_space, names)) else "auto")
            draw_interfaces(panel, problem, names, fixed)
            cut_out(panel, image, outline)
            panel.set_title(quantity.label)
            colour_bar(figure, image, panel, extend)
    # Names of the coordinates at the edges of the table of maps.
    for column in range(columns):  # below the lowest panel of each column
        lowest = max(number for number, row in enumerate(rows) if len(row) > column)
        panels[lowest, column].set_xlabel(with_unit(names[0], units))
    for line in panels:
        line[0].set_ylabel(with_unit(names[1], units))
    if problem.domain.dimension > 2:
        name_middle(figure, problem.domain.coordinates[2:], fixed)
    return figure


def _over_time(
    solution: Solution,
    time: str,
    slots: Sequence[int],
    units: Units,
    times: Sequence[float],
) -> Figure:
    """Draw maps with time to the right, and below them curves at some moments, which lines in the map mark."""
    problem = solution.problem
    (name,) = (name for name in problem.domain.coordinates if name != time)
    shown = slice_of(solution, [time, name], {}, [_MAP, _MAP])
    rows = _rows(shown, slots, problem, units)
    heights = [height for _ in rows for height in (SIZES.field, SIZES.panel)][: len(rows) + len(slots)]
    figure = Figure(figsize=(SIZES.page, sum(heights)), layout="constrained")
    parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    for row, slot in zip_longest(rows, slots):  # there may be more equations than fields
        # A row of maps: the field, its error and its residual over time.
        panels = next(parts).subplots(1, len(row), squeeze=False)[0]
        for quantity, panel in zip(row, panels, strict=True):
            ends, extend = color_range(quantity.values, signed=quantity.signed)
            image = draw_map(panel, shown.ticks, quantity.values, ends, signed=quantity.signed)
            draw_interfaces(panel, problem, [time, name], {})
            panel.set_title(quantity.label)
            panel.set_xlabel(with_unit(time, units))
            colour_bar(figure, image, panel, extend)
        panels[0].set_ylabel(with_unit(name, units))
        # Below it the curves of the field at some moments, which white lines in its map mark.
        if slot is not None:
            for moment in times:
                panels[0].axvline(moment, color="white", linewidth=0.9, linestyle=(0, (2, 2)))
            curves = next(parts).subplots(1, len(times), sharey=True, squeeze=False)[0]
            for panel, moment in zip(curves, times, strict=True):
                instant = slice_of(solution, [name], {time: moment}, [_LINE], residual=False)
                panel.plot(*with_breaks(problem, instant, instant.values[slot]), color=BLUE, label="solution")
                if instant.exact is not None:
                    panel.plot(
                        *with_breaks(problem, instant, instant.exact[slot]),
                        color=ORANGE,
                        linewidth=1.2,
                        linestyle=_DASHES,
                        label="exact",
                    )
                panel.set_title(moment_text(moment, time, units))
                panel.set_xlabel(with_unit(name, units))
                panel.set_xlim(instant.ticks[0][0], instant.ticks[0][-1])
                number_axis(panel)
            curves[0].set_ylabel(with_unit(problem.fields[slot], units))
            if len(curves[0].lines) > 1:
                curves[-1].legend(loc="best", handlelength=1.8)
    return figure


def _moments(
    solution: Solution,
    time: str,
    slots: Sequence[int],
    units: Units,
    times: Sequence[float],
) -> Figure:
    """Draw a row of maps at some moments for each field, error and residual; a row shares its colours."""
    problem = solution.problem
    shown = [name for name in problem.domain.coordinates if name != time]
    names = shown[:2]
    others = shown[2:]
    fixed = middle(problem)
    outline = outline_of(problem, names, middle(problem))
    points = [121, 121]  # along the sides of a map among many
    # All quantities at all moments.
    slices = [slice_of(solution, names, {**fixed, time: t}, points) for t in times]
    rows = [
        [one for row in _rows(shown, slots, problem, units) for one in sorted(row, key=lambda q: q.signed)]
        for shown in slices
    ]
    # A row of panels for each quantity, whose colours have one range.
    side = 0.82 * SIZES.page / len(times)
    figure = Figure(
        figsize=(SIZES.page, len(rows[0]) * (side * page_ratio(problem, names) + 0.15) + 0.6), layout="constrained"
    )
    panels = figure.subplots(len(rows[0]), len(times), squeeze=False, sharex=True, sharey=True)
    for line, quantities in zip(panels, zip(*rows, strict=True), strict=True):
        signed = quantities[0].signed
        ends, extend = color_range(np.stack([quantity.values for quantity in quantities]), signed=signed)
        for panel, quantity, moment in zip(line, quantities, times, strict=True):
            image = draw_map(panel, slices[0].ticks, quantity.values, ends, signed=signed)
            panel.set_aspect("equal" if all(map(is_space, names)) else "auto")
            draw_interfaces(panel, problem, names, {**fixed, time: moment})
            cut_out(panel, image, outline)
        colour_bar(figure, image, line[-1], extend, quantities[0].label)
        line[0].set_ylabel(with_unit(names[1], units))
    # Moments above the first row, names of the coordinates below the last.
    for panel, moment in zip(panels[0], times, strict=True):
        panel.set_title(moment_text(moment, time, units))
    for panel in panels[-1]:
        panel.set_xlabel(with_unit(names[0], units))
    if others:
        name_middle(figure, others, fixed)
    return figure
