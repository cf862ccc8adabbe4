"""Features of given functions that are narrower than the points at which a solution is sought and checked.

Sources, coefficients, initial and boundary data are functions of few coordinates that cost nothing to look at: each is
sampled alone, on lines of many thousand points and at a million points of a plane or a space, before any grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import OutOfTime, foreseen, is_affordable
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.jumps import jumps_on_line, points_of_line
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.evaluation import NORMAL, POINTS
from edgewise.pde.problem.linearisation import arguments_of, residuals_at, smooth_jet, zero_jet
from edgewise.pde.problem.strong_form import Feature, ResidualTerm, StrongForm
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class FeatureSettings:
    """Lines through a domain, and what on them counts as a feature that wider points do not see."""

    # Cells of a line, whose ends are the points that may miss a feature, and points of a cell where functions depend on
    # one coordinate alone, the only one of the domain or of a face, or on several: features of three of these distances
    # are seen, parts of 3e-6, 1e-4 and 2e-4 of the domain.
    cells: int = 1024
    points_alone: int = 1024
    points_on_face: int = 32
    points_of_cell: int = 16
    lines: int = 2  # along each of several coordinates
    # The same for even points of a plane and of a space, a million of them, and how many of a chunk are in the cache;
    # cells are no simple fraction of a domain, as half waves are.
    cells_of_grid: tuple[int, ...] = (0, 0, 47, 17)
    points_of_grid: tuple[int, ...] = (0, 0, 16, 6)
    chunk: int = 1 << 16
    # Cells that a spot may span along a coordinate, points of each coordinate and rounds in which its place is found,
    # as long as its box shrinks by such a share, and spots at most.
    spot_cells: int = 2
    zoom_points: tuple[int, ...] = (0, 65, 33, 13)
    zooms: int = 8
    shrinks: float = 0.9
    most_spots: int = 16
    # Least deviation from the line between the ends of a cell: relative to the largest value, and in units of what a
    # wave of amplitude 1 leaves.
    least: float = 1e-3
    least_of_wave: float = 1e-9
    # By how much it exceeds the differences of ends around it. A parabola deviates by an eighth of them, a kink by a
    # quarter, and a jump by them at most.
    beyond_ends: float = 4.0
    in_feature: float = 1e-2  # of the largest deviation of a cell: points of it belong to the feature
    intervals: int = 4  # into which a first grid cuts a feature
    # Share of the time that is left, where it is limited, that the look at one function may take.
    share_of_time: float = 0.05
    same_place: float = 1e-9  # of an axis, within which jumps on several lines are one
    kept_terms: int = 64


FEATURES = FeatureSettings()

Line = TypeVar("Line", np.ndarray, Tensor)


@dataclass(frozen=True)
class NarrowFeature:
    """A feature of a given function."""

    label: str  # of the equation or the condition
    axis: int
    place: float  # its middle along the axis
    width: float
    # along the axis, where it is a curve so wide that no product of axes has short intervals along it; else 0
    extent: float = 0.0


class Look(NamedTuple):
    """Result of a look at given functions."""

    features: tuple[NarrowFeature, ...]
    left_out: tuple[str, ...] = ()  # labels of those for which there was no time, at all points or at some


def narrow_features(form: StrongForm, cells: int = FEATURES.cells) -> tuple[NarrowFeature, ...]:
    """Features of the equation and of the conditions on a box that the ends of even `cells` of a line may all miss."""
    return look_at_functions(form, cells).features


def look_at_functions(form: StrongForm, cells: int = FEATURES.cells) -> Look:
    """Narrow features, as far as there is time: first of all those on lines; and what was left out."""
    if not form.domain.is_box or form.domain.dimension > 3 or Feature.INTEGRALS in form.features:
        return Look(())
    coefficients = tuple(form.coefficients.items())
    all_given = [_Given(form.equation_term, None, form.domain, coefficients, cells, form)]
    names = [piece.name for piece in form.domain.pieces]
    for term in form.condition_terms:
        for name in term.pieces:
            if name in names and not term.requirements.integrals:
                face = divmod(names.index(name), 2)
                all_given.append(_Given(term, face, form.domain, coefficients, cells, form))
    # A feature may be in both kinds of cells, and on several lines.
    found: dict[tuple[int, int], NarrowFeature] = {}
    left_out: dict[str, None] = {}
    for given in all_given:
        try:
            for look in (_on_lines, _in_cells):
                for each in look(given):
                    found.setdefault((each.axis, round(each.place / (2 * each.width))), each)
        except OutOfTime:
            left_out[given.term.label] = None
    return Look(tuple(found.values()), tuple(left_out))


def jumps_along(form: StrongForm, axis: int) -> list[float]:
    """Places of an axis of a box at which the equation jumps on each line that is looked at, to rounding."""
    low, high = form.domain.bounds[axis].tolist()
    points = with_features(points_of_line(low, high, FEATURES.cells), narrow_features(form), axis)
    on_lines: list[list[float]] = []
    for start in _starts(form.domain, 1 if form.domain.dimension == 1 else FEATURES.lines):

        def on_line(places: np.ndarray, start: Tensor = start) -> np.ndarray:
            x = start.repeat(len(places), 1)
            x[:, axis] = torch.from_numpy(places)
            return _values(form, form.equation_term, None, x)[..., None]

        on_lines.append(jumps_on_line(on_line, points, FEATURES.least))
    apart = FEATURES.same_place * (high - low)
    first, *others = on_lines
    return [place for place in first if all(any(abs(place - one) < apart for one in other) for other in others)]


def resolving(points: np.ndarray, features: Sequence[NarrowFeature], axis: int) -> np.ndarray:
    """Breakpoints of an axis with short intervals in its features, and twice as long ones from one to the next away."""
    for feature in features:
        if feature.axis != axis or feature.extent:
            continue
        # Intervals of a fraction of the width inside, and a geometric progression of them away from it.
        shortest = feature.width / FEATURES.intervals
        steps = shortest * 2.0 ** np.arange(64)
        steps = steps[steps < np.diff(points).max()]
        away = feature.width / 2 + np.cumsum(steps)
        inner = np.linspace(-0.5, 0.5, FEATURES.intervals + 1) * feature.width
        around = feature.place + np.concatenate([-away[::-1], inner, away])
        around = around[(around > points[0]) & (around < points[-1])]
        # They replace the breakpoints that lie within their reach.
        beyond = np.abs(points - feature.place) > away[-1] + steps[-1] / 2
        beyond[[0, -1]] = True
        points = np.unique(np.concatenate([points[beyond], around]))
    return points


def within_reach(lines: Sequence[Line], finer: Sequence[Line], degree: int, most: float) -> list[Line]:
    """Finer breakpoints where they have at most `most` splines, else the others, whose gaps doubts name."""
    splines = math.prod(len(line) + degree for line in finer)
    return list(finer if splines <= most else lines)


def with_features(points: np.ndarray, features: Sequence[NarrowFeature], axis: int) -> np.ndarray:
    """Points along an axis and more of them in and beside its features."""
    around = FEATURES.intervals * 2
    more = [each.place + each.width * np.linspace(-1.1, 1.1, around) for each in features if each.axis == axis]
    inside = [each[(each > points[0]) & (each < points[-1])] for each in more]
    return np.unique(np.concatenate([points, *inside]))


def missed_features(
    features: Sequence[NarrowFeature], breakpoints: Sequence[Tensor | np.ndarray] | None
) -> list[NarrowFeature]:
    """Features that no short interval of a grid holds; all of them without a grid."""
    missed = []
    for feature in features:
        if breakpoints is not None:
            points = np.asarray(breakpoints[feature.axis])
            ends = feature.place + 0.5 * feature.extent * np.array([-1, 1])
            first, last = np.clip(np.searchsorted(points, ends), 1, len(points) - 1)
            if np.diff(points[first - 1 : last + 1]).max() <= feature.width:
                continue
        missed.append(feature)
    return missed


@dataclass(frozen=True)
class _Given:
    """Functions of a residual; forms of a problem that differ in other terms share them."""

    term: ResidualTerm
    face: tuple[int, int] | None
    domain: Domain
    coefficients: tuple[tuple[str, float], ...]
    cells: int
    form: StrongForm = field(compare=False)


class _NoTime(OutOfTime):
    """There is no time for a look at a function. No cache keeps it: a later solve may have the time."""


@lru_cache(maxsize=FEATURES.kept_terms)
def _on_lines(given: _Given) -> tuple[NarrowFeature, ...]:
    """Features of a residual, for fields that are zero and for smooth ones, along each coordinate."""
    form = given.form
    term = given.term
    face = given.face
    domain = form.domain
    axes = _axes_of(form, term, face)
    points_of_cell = FEATURES.points_of_cell
    if len(axes) == 1:
        points_of_cell = FEATURES.points_alone if domain.dimension == 1 else FEATURES.points_on_face
    on_lines = list[NarrowFeature]()
    for axis in axes:
        for start in _starts(domain, 1 if len(axes) == 1 else FEATURES.lines):
            # Cells of one half of the length of a cell apart: a narrow feature lies inside of one of either.
            low, high = domain.bounds[axis].tolist()
            # All points are inside, for functions need no value at an end.
            count = given.cells * points_of_cell + 1
            places = low + (high - low) * (np.arange(count) + 0.5) / count
            values = _values_on_grid(form, term, face, start, [axis], [places], points_of_cell)
            if values is None:
                continue
            scale = np.maximum(np.abs(values).max(0), ABOVE_ZERO)
            for first in (0, points_of_cell // 2):
                for place, width in _hidden(places[first:], values[first:], points_of_cell, scale):
                    feature = NarrowFeature(term.label, axis, place, width)
                    if not _divided(form, start, feature):
                        on_lines.append(feature)
    return tuple(on_lines)


@lru_cache(maxsize=FEATURES.kept_terms)
def _in_cells(given: _Given) -> tuple[NarrowFeature, ...]:
    """Features of a residual that depends on several coordinates, in cells of a plane or a space."""
    axes = _axes_of(given.form, given.term, given.face)
    if len(axes) < 2:
        return ()
    (start,) = _starts(given.domain, 1)
    return tuple(_spots(given.form, given.term, given.face, start, axes, _on_lines(given)))


def _axes_of(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None) -> list[int]:
    """Coordinates on which the given functions of a residual depend, by the names of their arguments."""
    names = form.domain.coordinates
    x, normal = _points(form.domain, face, form.domain.interior(1, "sobol"))
    asked = arguments_of(form, term, x, normal, smooth_jet(form, term, x))
    is_any = not asked.isdisjoint((POINTS, NORMAL)) or Feature.DELAYS in form.features
    free = [axis for axis in range(len(names)) if face is None or axis != face[0]]
    return [axis for axis in free if is_any or names[axis] in asked]


def _spots(
    form: StrongForm,
    term: ResidualTerm,
    face: tuple[int, int] | None,
    start: Tensor,
    axes: Sequence[int],
    on_lines: Sequence[NarrowFeature],
) -> Iterator[NarrowFeature]:
    """Features inside of cells of a plane or a space of which the corners of cells around show nothing."""
    # Residuals on an even grid, of all coordinates on which they depend.
    per = FEATURES.points_of_grid[len(axes)]
    count = FEATURES.cells_of_grid[len(axes)] * per + 1
    bounds = form.domain.bounds[list(axes)].numpy()
    lines = [low + (high - low) * (np.arange(count) + 0.5) / count for low, high in bounds]
    values = _values_on_grid(form, term, face, start, axes, lines, per)
    if values is None:
        return
    scale = np.maximum(np.abs(values).max(tuple(range(len(axes)))), ABOVE_ZERO)
    # Points that belong to a feature, in cells that begin at the first point or half of a cell later.
    dimension = len(axes)
    belongs = np.zeros(values.shape[:-1], dtype=bool)
    for first in (0, per // 2):
        part = (slice(first, None),) * dimension
        for corner, inside in _hidden_in_cells(values[part], per, scale):
            belongs[tuple(slice(first + k * per, first + (k + 1) * per) for k in corner)] |= inside
    points = np.argwhere(belongs)
    # Connected halves of cells that have such points: the largest number spreads over each component.
    halves = points // (per // 2)
    occupied = np.zeros((2 * count // per + 1,) * dimension, dtype=bool)
    occupied[tuple(halves.T)] = True
    numbers = np.where(occupied, np.arange(1, occupied.size + 1).reshape(occupied.shape), 0)
    before = np.zeros_like(numbers)
    while (numbers != before).any():
        before = numbers
        numbers = np.where(occupied, _largest_around(numbers, dimension, 1), 0)
    of_points = numbers[tuple(halves.T)]
    components, sizes = np.unique(of_points, return_counts=True)
    for number in components[np.argsort(-sizes, kind="stable")[: FEATURES.most_spots]]:
        # A spot is narrow along some coordinates, along which boxes around it shrink.
        inside = points[of_points == number]
        spans = np.ptp(inside, axis=0)
        middle = start.clone()
        center = inside[len(inside) // 2]
        middle[0, list(axes)] = torch.tensor([line[at] for line, at in zip(lines, center, strict=True)])
        narrow = [k for k in range(len(axes)) if spans[k] <= FEATURES.spot_cells * per]
        ends = [(line[at.min()], line[at.max()]) for line, at in zip(lines, inside.T, strict=True)]
        steps = [line[1] - line[0] for line in lines]
        if narrow:
            box = [(ends[k][0] - steps[k], ends[k][1] + steps[k]) for k in narrow]
            found = _zoomed(form, term, face, middle, [axes[k] for k in narrow], box)
            spot = [NarrowFeature(term.label, *each) for each in found]
            if not any(_divided(form, middle, each) for each in spot):
                yield from spot
            continue
        # A thin curve, unless a line has met it.
        if not any(
            low <= each.place <= high for each in on_lines for k, (low, high) in enumerate(ends) if axes[k] == each.axis
        ):
            for k, (low, high) in enumerate(ends):
                thickness = steps[k] * len(inside) / max(spans) ** (len(axes) - 1)
                yield NarrowFeature(term.label, axes[k], (low + high) / 2, float(thickness), float(high - low))


def _zoomed(
    form: StrongForm,
    term: ResidualTerm,
    face: tuple[int, int] | None,
    middle: Tensor,
    axes: Sequence[int],
    box: Sequence[tuple[float, float]],
) -> list[tuple[int, float, float]]:
    """Axes, middles and widths of a spot in a box (low, high) of each axis: smaller and smaller boxes around it."""
    bounds = form.domain.bounds[list(axes)].numpy()
    for _ in range(FEATURES.zooms):
        # Values on a finer grid of the box.
        lines = [
            np.linspace(max(low, first), min(high, last), FEATURES.zoom_points[len(axes)])
            for (low, high), (first, last) in zip(box, bounds, strict=True)
        ]
        grid = [torch.from_numpy(each) for each in lines]
        x = middle.repeat(len(lines[0]) ** len(axes), 1)
        x[:, list(axes)] = torch.cartesian_prod(*grid).reshape(len(x), -1)
        values = _values(form, term, face, x).reshape(*(len(each) for each in lines), -1)
        # Deviation from the interpolation between the corners: the feature is where it is large.
        deviations = np.abs(values - _between_corners(values))
        relative = deviations / np.maximum(np.abs(values).max(tuple(range(len(axes)))), ABOVE_ZERO)
        of_largest = deviations[..., np.unravel_index(relative.argmax(), relative.shape)[-1]]
        inside = np.argwhere(of_largest > FEATURES.in_feature * max(float(of_largest.max()), ABOVE_ZERO))
        if not len(inside):
            break
        # The box shrinks to these points, until it shrinks no more.
        ends = [(line[at.min()], line[at.max()]) for line, at in zip(lines, inside.T, strict=True)]
        steps = [line[1] - line[0] for line in lines]
        before = [high - low for low, high in box]
        box = [(low - step, high + step) for (low, high), step in zip(ends, steps, strict=True)]
        if all(high - low > FEATURES.shrinks * size for (low, high), size in zip(box, before, strict=True)):
            break
    return [(axis, float(low + high) / 2, float(high - low)) for axis, (low, high) in zip(axes, box, strict=True)]


def _between_corners(values: np.ndarray) -> np.ndarray:
    """Products of straight lines between the corners of an array, whose last axis counts functions."""
    for axis in range(values.ndim - 1):
        shares = np.linspace(0, 1, values.shape[axis]).reshape(-1, *(1,) * (values.ndim - 1 - axis))
        first, last = (values.take([at], axis) for at in (0, -1))
        values = first * (1 - shares) + last * shares
    return values


def _largest_around(values: np.ndarray, dimension: int, reach: int) -> np.ndarray:
    """The largest value in a cube around each entry: of the first axes, with `reach` entries to each side."""
    for axis in range(dimension):
        padded = np.pad(values, [(reach * (each == axis),) * 2 for each in range(values.ndim)], "edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis).max(-1)
    return values


def _hidden_in_cells(values: np.ndarray, per: int, scale: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Each cell with a deviation of which corners around show nothing, by its number, and which points belong to it."""
    dimension = values.ndim - 1
    cells = tuple((size - 1) // per for size in values.shape[:-1])
    values = values[tuple(slice(0, count * per + 1) for count in cells)]
    corners = values[(slice(None, None, per),) * dimension]
    # Ranges of values in cells, and the largest differences of corners around.
    parts = [values[(slice(0, -1),) * dimension]] * 2
    around = np.zeros((*cells, values.shape[-1]))
    for axis, count in enumerate(cells):
        shape = (*parts[0].shape[:axis], count, per, *parts[0].shape[axis + 1 :])
        parts = [parts[0].reshape(shape).max(axis + 1), parts[1].reshape(shape).min(axis + 1)]
        steps = np.abs(np.diff(corners, axis=axis))
        for other in range(dimension):
            if other != axis:
                lower, upper = (steps[(slice(None),) * other + (each,)] for each in (slice(0, -1), slice(1, None)))
                steps = np.maximum(lower, upper)
        around = np.maximum(around, steps)
    around = _largest_around(around, dimension, 2)
    least = np.maximum(np.maximum(FEATURES.least * scale, FEATURES.least_of_wave), FEATURES.beyond_ends * around)
    # Deviations from what the corners say, in cells whose range allows them.
    hidden: dict[tuple[int, ...], np.ndarray] = {}
    for *corner, number in np.argwhere(parts[0] - parts[1] > least):
        part = tuple(slice(k * per, (k + 1) * per + 1) for k in corner)
        cell = values[(*part, slice(number, number + 1))]
        deviations = np.abs(cell - _between_corners(cell))[(slice(0, per),) * dimension][..., 0]
        largest = deviations.max()
        if largest > least[(*corner, number)]:
            inside = deviations > FEATURES.in_feature * largest
            at = tuple(int(k) for k in corner)
            hidden[at] = hidden.get(at, False) | inside
    yield from hidden.items()


def _divided(form: StrongForm, start: Tensor, feature: NarrowFeature) -> bool:
    """Whether an interface lies in a feature of a line, as beside a thin layer: grids have breakpoints there."""
    if form.parts is None:
        return False
    x = start.repeat(3, 1)
    x[:, feature.axis] = feature.place + feature.width * torch.tensor([-1.0, 0.0, 1.0])
    inside = torch.stack([domain.level(x) < 0 for domain in form.parts.inner])
    return bool((inside != inside[:, 1:2]).any())


def _starts(domain: Domain, count: int) -> tuple[Tensor, ...]:
    """Points (1, n) through which lines go, for functions of one coordinate or of several."""
    return (domain.bounds[:, 0] + domain.size * unit_points(count, domain.dimension, "sobol", 3)).split(1)


def _values_on_grid(
    form: StrongForm,
    term: ResidualTerm,
    face: tuple[int, int] | None,
    start: Tensor,
    axes: Sequence[int],
    lines: Sequence[np.ndarray],
    coarser: int,
) -> np.ndarray | None:
    """Values, see `_values`, at products of places along axes through a point (1, n); None where one is no number."""
    shape = tuple(len(line) for line in lines)
    count = math.prod(shape)

    def at(lines: Sequence[np.ndarray]) -> np.ndarray:
        grid = torch.meshgrid(*(torch.from_numpy(line) for line in lines), indexing="ij")
        x = start.repeat(grid[0].numel(), 1)
        for axis, each in zip(axes, grid, strict=True):
            x[:, axis] = each.reshape(-1)
        return _values(form, term, face, x)

    # A few points, then more, show whether there is time for all: few take the time of their calls alone, which would
    # count as often as there are points.
    for step in (coarser, math.isqrt(coarser)):
        some = [line[::step] for line in lines]
        number = math.prod(len(line) for line in some)
        if not is_affordable("given functions", number, FEATURES.share_of_time):
            raise _NoTime
        with foreseen("given functions", number):
            at(some)
    if not is_affordable("given functions", count, FEATURES.share_of_time):
        raise _NoTime
    with foreseen("given functions", count):
        chunks = np.array_split(lines[0], math.ceil(count / FEATURES.chunk))
        values = np.concatenate([at([each, *lines[1:]]) for each in chunks]).reshape(*shape, -1)
    return values if np.isfinite(values).all() else None


def _points(domain: Domain, face: tuple[int, int] | None, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Points x (N, n), moved to a face, and normals there."""
    if face is None:
        return x, None
    x = x.clone()
    x[:, face[0]] = domain.bounds[face]
    normal = torch.zeros_like(x)
    normal[:, face[0]] = 2.0 * face[1] - 1.0
    return x, normal


def _values(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None, x: Tensor) -> np.ndarray:
    """Residuals for zero fields and for smooth ones at points, (N, residuals)."""
    x, normal = _points(form.domain, face, x)
    jets = (zero_jet(term, x), smooth_jet(form, term, x))
    return torch.cat([residuals_at(form, term, x, normal, jet) for jet in jets]).T.numpy()


def _hidden(
    places: np.ndarray, values: np.ndarray, points_of_cell: int, scale: np.ndarray
) -> Iterator[tuple[float, float]]:
    """Middle and width of each deviation inside of a cell of which the ends of cells around it show nothing."""
    cells = (len(places) - 1) // points_of_cell
    inner = values[: cells * points_of_cell].reshape(cells, points_of_cell, -1)
    ends = values[: cells * points_of_cell + 1 : points_of_cell]
    # Differences of the ends of this cell and its neighbours.
    steps = np.pad(np.abs(np.diff(ends, axis=0)), [(2, 2), (0, 0)], "edge")
    around = np.max([steps[k : k + cells] for k in range(5)], axis=0)
    least = np.maximum(np.maximum(FEATURES.least * scale, FEATURES.least_of_wave), FEATURES.beyond_ends * around)
    # Deviations from the lines between the ends, in cells whose range allows them.
    spans = np.maximum(inner.max(1), ends[1:]) - np.minimum(inner.min(1), ends[1:])
    shares = np.arange(points_of_cell) / points_of_cell
    for cell, number in np.argwhere(spans > least):
        line = ends[cell, number] * (1 - shares) + ends[cell + 1, number] * shares
        deviations = np.abs(inner[cell, :, number] - line)
        largest = deviations.max()
        if largest <= least[cell, number]:
            continue
        belongs = np.flatnonzero(deviations > FEATURES.in_feature * largest)
        first, last = places[cell * points_of_cell + belongs[[0, -1]]]
        width = max(last - first, places[1] - places[0])
        yield float(first + last) / 2, float(width)
