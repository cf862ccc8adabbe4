"""Colour maps of functions of two coordinates, cut out along a curved boundary, each with a colour bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from edgewise.pde.domains.domain import covers, is_space
from edgewise.pde.problem.collocation import Collocation
from edgewise.plot.pde.slices import Slice, grid, middle, time_of
from edgewise.plot.style import GREY, INK, SEQUENTIAL, SIGNED, SIZES, Figure, display_text
from edgewise.presentation import number_text

_FINE = 401  # points along a side on which a boundary is looked for (finer than a printed line)
_MARGIN = 0.03  # share of each side that is free around domains with a curved boundary

Extend = Literal["neither", "both"]
Range = tuple[float, float]
Units = Mapping[str, str]


def draw_map(
    panel: Axes, ticks: Sequence[np.ndarray], values: np.ndarray, ends: Range, *, signed: bool, contours: bool = True
) -> AxesImage:
    """Draw values (n, m), nan where there are none, as colours over coordinates to the right (n,) and upwards (m,).

    The colours begin and end at the values `ends`, and diverge from zero for signed ones, whose maps have no contours
    of equal value.
    """
    (left, right), (bottom, top) = ((line[0], line[-1]) for line in ticks)
    wide, high = ((line[1] - line[0]) / 2 for line in ticks)
    image = panel.imshow(
        filled(values).T,
        origin="lower",
        extent=(left - wide, right + wide, bottom - high, top + high),
        cmap=SIGNED if signed else SEQUENTIAL,
        vmin=ends[0],
        vmax=ends[1],
        aspect="auto",
    )
    known = values[np.isfinite(values)]
    # Contours at even values between the ends of the colours.
    levels = [level for level in np.linspace(*ends, 10)[1:-1] if len(known) and known.min() < level < known.max()]
    if contours and levels and not signed:
        x, y = ticks
        panel.contour(x, y, values.T, levels=levels, colors="white", alpha=0.4, linewidths=0.4, linestyles="solid")
    panel.set_xlim(left, right)
    panel.set_ylim(bottom, top)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter("{x:g}")
    panel.spines[:].set_visible(True)
    return image


def cut_out(panel: Axes, image: AxesImage, outline: Path | None) -> None:
    """Remove the part of a map outside the outline, which is drawn; without an outline leave the map unchanged."""
    if outline is None:
        return
    image.set_clip_path(outline, panel.transData)
    panel.add_patch(PathPatch(outline, facecolor="none", edgecolor=GREY, linewidth=0.8))
    for (low, high), setter in ((panel.get_xlim(), panel.set_xlim), (panel.get_ylim(), panel.set_ylim)):
        setter(low - _MARGIN * (high - low), high + _MARGIN * (high - low))
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)


def outline_of(problem: Collocation, names: Sequence[str], fixed: Mapping[str, float]) -> Path | None:
    """Return the boundary of a domain in the plane of two coordinates of space with its holes; None for a rectangle."""
    domain = problem.domain
    time = time_of(problem)
    if time is not None:
        fixed = {**fixed, time: middle(problem)[time]}  # every point of the first and last moment is on a boundary
    if bool(covers(domain, grid(problem, names, fixed, (_FINE, _FINE))[1]).all()):
        return None
    ticks, x = grid(problem, names, fixed, (_FINE, _FINE), margin=_MARGIN)
    level = domain.level(x).reshape(_FINE, _FINE).numpy()
    inside = Figure().subplots().contourf(*ticks, level.T, levels=[level.min() - 1, 0.0])
    return inside.get_paths()[0]


def draw_interfaces(
    panel: Axes, problem: Collocation, names: Sequence[str], fixed: Mapping[str, float]
) -> list[Artist]:
    """Draw the interfaces of a problem as dashed lines into a map of the plane of two coordinates; return these."""
    parts = problem.form.parts
    drawn = list[Artist]()
    if parts is None:
        return drawn
    ticks, x = grid(problem, names, fixed, (_FINE, _FINE))
    for axis, name in enumerate(problem.domain.coordinates):
        if name not in names:  # the first and the last moment are on the boundary, on no side of an interface
            # First and last moments are moved inwards by a share of the side far above rounding.
            margin = 1e-6 * problem.domain.size[axis]
            low, high = problem.domain.bounds[axis]
            x[:, axis] = x[:, axis].clamp(low + margin, high - margin)
    inside = problem.domain.contains(x)
    for domain in parts.inner:
        level = np.where(inside, domain.level(x), np.nan).reshape(_FINE, _FINE)
        if np.nanmin(level) < 0 < np.nanmax(level):
            lines = panel.contour(*ticks, level.T, levels=[0.0], colors=[INK], linewidths=0.8, linestyles="dashed")
            drawn.append(lines)
    return drawn


def with_breaks(problem: Collocation, line: Slice, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n,) and values (n,) along the coordinate of a line, with a gap at each interface between two places."""
    parts = problem.form.parts
    places = line.ticks[0]
    if parts is None:
        return places, values
    _, x = grid(problem, line.names, line.fixed, [len(places)])
    after = np.nonzero(np.diff(parts.number(x).numpy()))[0] + 1
    return np.insert(places, after, np.nan), np.insert(values, after, np.nan)


def color_range(values: np.ndarray, *, signed: bool) -> tuple[Range, Extend]:
    """Return where the colours begin and end, and at which ends the colour bar gets arrows."""
    known = values[np.isfinite(values)]
    if not len(known):
        return (-1.0, 1.0), "neither"
    if not signed:
        low = float(known.min())
        high = float(known.max())
        if high <= low:
            return (low - 0.5, low + 0.5), "neither"
        return (low, high), "neither"
    largest = float(np.abs(known).max())
    # Colours end at the 99th percentile if the largest value is four times larger.
    bulk = float(np.percentile(np.abs(known), 99))
    spiky = bulk > 0 and largest > 4.0 * bulk
    if spiky:
        return (-bulk, bulk), "both"
    end = largest or 1.0
    return (-end, end), "neither"


def colour_bar(figure: Figure, image: AxesImage, panel: Axes, extend: Extend, label: str = "") -> Colorbar:
    """Draw the colour bar of an image at the right of its panel, as high as that."""
    # Left, bottom, width and height in shares of the panel.
    place = panel.inset_axes((1.04, 0.0, 0.055, 1.0))
    bar = figure.colorbar(image, cax=place, extend=extend, extendfrac=0.04)
    number_axis(place)
    place.tick_params(labelsize=SIZES.tiny)
    bar.outline.set_linewidth(0.6)
    if label:
        bar.set_label(label)
    return bar


def number_axis(panel: Axes) -> None:
    """Label a vertical axis with few numbers, and with a common power of ten if they are small or large."""
    number = ScalarFormatter(useMathText=True)
    # Outside these powers of ten the axis gets a common factor.
    number.set_powerlimits((-2, 3))
    panel.yaxis.set_major_formatter(number)
    panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    panel.yaxis.get_offset_text().set_fontsize(SIZES.tiny)


def with_unit(name: str, units: Units) -> str:
    """Return a name in italics, with its digits as an index, and with its unit in parentheses if it has one."""
    letter = name[:1]
    digits = name[1:]
    if digits.isdigit():
        text = f"${letter}_{{{digits}}}$"
    elif not digits:
        text = f"${letter}$"
    else:
        text = display_text(name)
    if units.get(name):
        return f"{text} ({display_text(units[name])})"
    return text


def moment_text(time: float, name: str, units: Units, digits: str = ".3g") -> str:
    """Return a moment as "t = 0.5 s"."""
    unit = f" {units[name]}" if units.get(name) else ""
    return f"{with_unit(name, {})} = {time:{digits}}{unit}"


def filled(values: np.ndarray) -> np.ndarray:
    """Fill gaps (nan) beside known values with means of their neighbours, so that a clipped edge has no holes."""
    values = values.copy()
    # Two rings of pixels are more than interpolation reaches.
    for _ in range(2):
        padded = np.pad(values, 1, constant_values=np.nan)
        around = np.stack(
            [np.roll(padded, (i, j), (0, 1))[1:-1, 1:-1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        )
        known = np.isfinite(around)
        gaps = ~np.isfinite(values) & known.any(0)
        values[gaps] = (np.where(known, around, 0.0).sum(0)[gaps]) / known.sum(0)[gaps]
    return values


def name_middle(figure: Figure, others: Sequence[str], fixed: Mapping[str, float]) -> None:
    """Write the values of coordinates that a figure does not show, the first and the last of them, above it."""
    parts = [f"{with_unit(others[0], {})} = {number_text(fixed[others[0]], 6)}"]
    if len(others) > 1:
        parts.append(f"… {with_unit(others[-1], {})} = {number_text(fixed[others[-1]], 6)}")
    figure.suptitle(f"at {', '.join(parts)}", x=0.01, ha="left", fontsize=SIZES.small, color=GREY)


def page_ratio(problem: Collocation, names: Sequence[str]) -> float:
    """Return height over width of the domain, within what a page can show."""
    if not all(map(is_space, names)):
        # A coordinate and a parameter have no common unit.
        return 0.75
    sides = dict(zip(problem.domain.coordinates, problem.domain.size.tolist(), strict=True))
    return min(max(sides[names[1]] / sides[names[0]], 0.3), 2.0)
