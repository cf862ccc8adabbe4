"""Eigenfunctions of a differential equation on a page (`modes_figure`): a panel for each, with its eigenvalue."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.checks import check_kind, is_integer
from edgewise.errors import InputError
from edgewise.pde.domains.domain import covers, is_space
from edgewise.pde.spectrum import Eigenvalues
from edgewise.plot.pde.maps import (
    Units,
    color_range,
    colour_bar,
    cut_out,
    draw_map,
    name_middle,
    number_axis,
    outline_of,
    page_ratio,
    with_unit,
)
from edgewise.plot.pde.slices import chosen_fields, grid, middle
from edgewise.plot.style import COLORS, FAINT, SIZES, Figure, display_text, fix_layout, panels, styled
from edgewise.presentation import typed_text


def modes_figure(
    found: Eigenvalues, *, fields: Sequence[str] | None = None, count: int | None = None, units: Units | None = None
) -> Figure:
    """Draw eigenfunctions, each under its eigenvalue with the digits that its error leaves.

    Parameters
    ----------
    found : edgewise.pde.Eigenvalues
    fields : sequence of str, optional
        Names of the fields to show, all by default; of maps, which show one field each, the first by default.
    count : int, optional
        Number of eigenfunctions, from the first one; all by default.
    units : mapping of str to str, optional
        Units of coordinates and of the eigenvalue by name, such as {"x": "m", "k": "1/m"}.

    Returns
    -------
    matplotlib.figure.Figure
        For one coordinate curves; for two maps that share their colours; for three maps of the plane of the first two
        through the middle of the domain. Eigenfunctions have a mean square of 1; their signs, which are arbitrary, make
        the first large value positive.

    Raises
    ------
    InputError
        If an argument is not as above, or eigenvalues are complex.

    Examples
    --------
    >>> import torch
    >>> from edgewise.pde import PDE, Dirichlet, Interval, eigenvalues
    >>> string = PDE(lambda u, k: u.xx + k * u, Interval(0, torch.pi), [Dirichlet(0.0)], coefficients={"k": 1.0})
    >>> figure = modes_figure(eigenvalues(string, count=3))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['$k_{1}$ = 1', '$k_{2}$ = 4', '$k_{3}$ = 9']
    """
    check_kind(found, Eigenvalues, "found must be the result of eigenvalues")
    if not found.networks:
        raise InputError("found must have real eigenvalues for a figure of its functions, got complex ones")
    problem = found.problem
    units = units or {}
    if count is None:
        count = len(found.values)
    if not is_integer(count) or not 0 < count <= len(found.values):
        raise InputError(f"count must be an integer from 1 to {len(found.values)}, got {count!r}")
    # Values of the eigenfunctions at points of a line or a plane, with signs that make a first large value positive.
    names = problem.domain.coordinates[:2]
    fixed = middle(problem)
    slots = chosen_fields(problem, fields)
    if len(names) > 1:
        slots = slots[:1]
    # Points along a curve, or along each side of a map.
    points = [601] if len(names) == 1 else [121, 121]
    ticks, x = grid(problem, names, fixed, points)
    inside = covers(problem.domain, x).numpy()
    values = np.full((count, len(problem.fields), len(x)), np.nan)
    for number in range(count):
        mode = np.asarray(found.function(number)(x[inside].numpy())).T
        shown = mode[slots].ravel()
        large = np.abs(shown) > np.abs(shown).max() / 2
        values[number][:, inside] = mode * np.sign(shown[large][0])
    # Titles: each eigenvalue with the digits that its error leaves.
    (coefficient,) = problem.unknowns
    symbol = f"{display_text(coefficient)}$"
    if len(coefficient) == 1:
        symbol = f"${coefficient}"
    unit = f" {display_text(units.get(coefficient, ''))}".rstrip()
    titles = [
        f"{symbol}_{{{number + 1}}}$ = {_with_digits(value, error)}{unit}"
        for number, (value, error) in enumerate(zip(found.values[:count], found.errors[:count], strict=True))
    ]
    with styled():
        if len(names) == 1:
            figure = _curves(found, ticks[0], values, slots, titles, units)
        else:
            figure = _maps(found, ticks, values[:, slots[0]].reshape(count, *points), titles, units)
        return fix_layout(figure)


def _with_digits(value: float, error: float) -> str:
    """Return a value with the digits that its error leaves, at most ten of them."""
    if not value or not error < abs(value):
        return typed_text(value, 2)
    # At most ten digits (more are in `Eigenvalues.values`).
    digits = min(math.floor(math.log10(abs(value) / max(error, math.ulp(value)))), 10)
    return f"{value:.{max(digits, 1)}g}"


def _curves(
    found: Eigenvalues,
    places: np.ndarray,
    values: np.ndarray,
    slots: Sequence[int],
    titles: Sequence[str],
    units: Units,
) -> Figure:
    """Draw a panel of curves for each eigenfunction of one coordinate, values (count, fields, n)."""
    problem = found.problem
    (name,) = problem.domain.coordinates
    figure, axes = panels(len(values), SIZES.columns, SIZES.panel, sharey=True)
    for number, (panel, mode, title) in enumerate(zip(axes, values, titles, strict=True)):
        for number_of_curve, slot in enumerate(slots):
            color = COLORS[number_of_curve % len(COLORS)]
            panel.plot(places, mode[slot], color=color, label=with_unit(problem.fields[slot], units))
        panel.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
        panel.set_title(title)
        panel.set_xlim(places[0], places[-1])
        if number >= len(values) - SIZES.columns:
            panel.set_xlabel(with_unit(name, units))
        if not number % SIZES.columns and len(slots) == 1:
            panel.set_ylabel(with_unit(problem.fields[slots[0]], units))
        number_axis(panel)
    if len(slots) > 1:
        axes[0].legend(loc="best", handlelength=1.6)
    return figure


def _maps(
    found: Eigenvalues, ticks: Sequence[np.ndarray], values: np.ndarray, titles: Sequence[str], units: Units
) -> Figure:
    """Draw a map for each eigenfunction of two or three coordinates, values (count, n, m), all in the same colours."""
    problem = found.problem
    names = problem.domain.coordinates[:2]
    fixed = middle(problem)
    outline = outline_of(problem, names, fixed)
    ends, extend = color_range(values, signed=True)
    height = 0.8 * SIZES.page / min(SIZES.columns, len(values)) * page_ratio(problem, names) + 0.35
    figure, axes = panels(len(values), SIZES.columns, height)
    for number, (panel, mode, title) in enumerate(zip(axes, values, titles, strict=True)):
        image = draw_map(panel, ticks, mode, ends, signed=True)
        panel.set_aspect("equal" if all(map(is_space, names)) else "auto")
        cut_out(panel, image, outline)
        panel.set_title(title)
        if number >= len(values) - SIZES.columns:
            panel.set_xlabel(with_unit(names[0], units))
        if not number % SIZES.columns:
            panel.set_ylabel(with_unit(names[1], units))
        if number % SIZES.columns == SIZES.columns - 1 or number == len(values) - 1:
            colour_bar(figure, image, panel, extend)
    if problem.domain.dimension > len(names):
        name_middle(figure, problem.domain.coordinates[2:], fixed)
    return figure
