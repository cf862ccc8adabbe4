"""Colour maps of functions of two coordinates: cut out along a curved boundary, with a bar that says the values."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from edgewise.pde.domains.domain import TIME
from edgewise.pde.problem.collocation import Collocation
from edgewise.plot.pde.slices import EDGE, grid, middle
from edgewise.plot.style import BLUE, GREY, plain

# J. R. Nunez, C. R. Anderton, R. S. Renslow, "Optimizing colormaps with consideration for color vision deficiency",
# PLOS ONE 13 (2018) e0199239: even steps of lightness, the same for all readers.
SEQUENTIAL = "cividis"
# About zero: blue below, orange above, white between; told apart with every common colour blindness.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#00304f", BLUE, "#ffffff", "#E69F00", "#7a3200"])
_SPIKE = 4.0  # colours end at the 99th percentile where single points are so many times larger
_LEVELS = 10  # lines of equal value in a map, the two ends of its colours included
_CONTOUR = {"linewidths": 0.4, "alpha": 0.4, "linestyles": "solid"}
_FINE = 401  # points along a side on which a boundary is looked for
_MARGIN = 0.03  # of each side, around domains that are no boxes

Range = tuple[float, float]
Units = Mapping[str, str]


def draw_map(
    panel: Axes,
    ticks: Sequence[np.ndarray],
    values: np.ndarray,
    ends: Range,
    *,
    signed: bool,
    contours: bool = True,
) -> AxesImage:
    """The values (n, m), nan where there are none, over ticks (n,) to the right and (m,) upwards.

    ends: where colours begin and end. signed: colours about zero, and no contours.
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
    seen = values[np.isfinite(values)]
    levels = [level for level in np.linspace(*ends, _LEVELS)[1:-1] if len(seen) and seen.min() < level < seen.max()]
    if contours and levels and not signed:
        panel.contour(*ticks, values.T, levels=levels, colors="white", **_CONTOUR)
    panel.set_xlim(left, right)
    panel.set_ylim(bottom, top)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter("{x:g}")
    panel.spines[:].set_visible(True)
    return image


def cut_out(panel: Axes, image: AxesImage, outline: Path | None) -> None:
    """Leaves of a map what lies within the outline, and draws that; without one the map is left as it is."""
    if outline is None:
        return
    image.set_clip_path(outline, panel.transData)
    panel.add_patch(PathPatch(outline, facecolor="none", edgecolor=GREY, linewidth=0.8))
    for low, high, setter in ((*panel.get_xlim(), panel.set_xlim), (*panel.get_ylim(), panel.set_ylim)):
        setter(low - _MARGIN * (high - low), high + _MARGIN * (high - low))
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)


def outline_of(problem: Collocation, names: Sequence[str], fixed: Mapping[str, float]) -> Path | None:
    """The boundary of a domain in the plane of two coordinates of space, holes included; None for a rectangle."""
    domain = problem.domain
    fixed = {**fixed, TIME: middle(problem).get(TIME, 0.0)}  # at the first and last moment all is boundary
    limit = EDGE * float(domain.size.max())
    if bool((domain.level(grid(problem, names, fixed, (_FINE, _FINE))[1]) <= limit).all()):
        return None
    ticks, x = grid(problem, names, fixed, (_FINE, _FINE), margin=_MARGIN)
    level = domain.level(x).reshape(_FINE, _FINE).numpy()
    inside = Figure().subplots().contourf(*ticks, level.T, levels=[level.min() - 1, 0.0])
    return inside.get_paths()[0]


def range_of(values: np.ndarray, *, signed: bool) -> tuple[Range, str]:
    """Where colours begin and end, equally far from zero if signed; and where the bar gets arrows: see `Colorbar`."""
    seen = values[np.isfinite(values)]
    if not len(seen):
        return (-1.0, 1.0), "neither"
    if not signed:
        low, high = float(seen.min()), float(seen.max())
        return ((low, high) if high > low else (low - 0.5, low + 0.5)), "neither"
    largest, most = float(np.abs(seen).max()), float(np.percentile(np.abs(seen), 99))
    spiky = most > 0 and largest > _SPIKE * most
    end = (most if spiky else largest) or 1.0
    return (-end, end), "both" if spiky else "neither"


def colour_bar(image: AxesImage, panel: Axes, extend: str, label: str = "") -> Colorbar:
    """The bar at the right of a panel, as high as that."""
    place = panel.inset_axes((1.04, 0.0, 0.055, 1.0))
    bar = panel.figure.colorbar(image, cax=place, extend=extend, extendfrac=0.04)
    number_axis(place)
    place.tick_params(labelsize=7.5)
    bar.outline.set_linewidth(0.6)
    if label:
        bar.set_label(label)
    return bar


def number_axis(panel: Axes) -> None:
    """Few numbers upwards, with a common power of ten where they are small or large."""
    number = ScalarFormatter(useMathText=True)
    number.set_powerlimits((-2, 3))
    panel.yaxis.set_major_formatter(number)
    panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    panel.yaxis.get_offset_text().set_fontsize(7.5)


def with_unit(name: str, units: Units) -> str:
    """A name in italics, x10 as x with a small 10, and its unit if it has one."""
    letter, digits = name[:1], name[1:]
    text = f"${letter}_{{{digits}}}$" if digits.isdigit() else f"${letter}$" if not digits else plain(name)
    return f"{text} ({plain(units[name])})" if units.get(name) else text


def filled(values: np.ndarray, rings: int = 2) -> np.ndarray:
    """The same with means of neighbours in the gaps beside known values, so that a clipped edge has no holes."""
    values = values.copy()
    for _ in range(rings):
        padded = np.pad(values, 1, constant_values=np.nan)
        around = np.stack(
            [np.roll(padded, (i, j), (0, 1))[1:-1, 1:-1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        )
        known = np.isfinite(around)
        gaps = ~np.isfinite(values) & known.any(0)
        values[gaps] = (np.where(known, around, 0.0).sum(0)[gaps]) / known.sum(0)[gaps]
    return values
