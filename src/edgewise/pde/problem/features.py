"""Features of given functions that are narrower than the points at which a solution is sought and checked.

Sources, coefficients, initial and boundary data are functions of few coordinates that cost nothing to look at: each is
sampled alone, on lines of many thousand points, before any grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import foreseen, is_affordable
from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.linearisation import residuals_at, smooth_jet, zero_jet
from edgewise.pde.problem.strong_form import Feature, ResidualTerm, StrongForm
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class FeatureSettings:
    """Lines through a domain, and what on them counts as a feature that wider points do not see."""

    # Cells of a line, whose ends are the points that may miss a feature, and points of a cell where functions depend on
    # one coordinate alone, the only one of the domain or of a face, or on several: features of three of these distances
    # are seen, parts of 1e-5, 1e-4 and 2e-4 of the domain.
    cells: int = 1024
    points_alone: int = 256
    points_on_face: int = 32
    points_of_cell: int = 16
    lines: int = 2  # along each of several coordinates
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
    kept_terms: int = 64


FEATURES = FeatureSettings()


@dataclass(frozen=True)
class NarrowFeature:
    """A feature of a given function."""

    label: str  # of the equation or the condition
    axis: int
    place: float  # its middle along the axis
    width: float


def narrow_features(form: StrongForm) -> tuple[NarrowFeature, ...]:
    """Features of the equation and of the conditions on a box that no point of an even grid of a line may see."""
    if not form.domain.is_box or form.domain.dimension > 3 or Feature.INTEGRALS in form.features:
        return ()
    coefficients = tuple(form.coefficients.items())
    features = list(_of_given(_Given(form.equation_term, None, form.domain, coefficients, form)))
    names = [piece.name for piece in form.domain.pieces]
    for term in form.condition_terms:
        for name in term.pieces:
            if name in names and not term.requirements.integrals:
                face = divmod(names.index(name), 2)
                features += _of_given(_Given(term, face, form.domain, coefficients, form))
    # A feature may be in both kinds of cells, and on several lines.
    found: dict[tuple[int, int], NarrowFeature] = {}
    for each in features:
        found.setdefault((each.axis, round(each.place / (2 * each.width))), each)
    return tuple(found.values())


def resolving(points: np.ndarray, features: Sequence[NarrowFeature], axis: int) -> np.ndarray:
    """Breakpoints of an axis with short intervals in its features, and twice as long ones from one to the next away."""
    for feature in features:
        if feature.axis != axis:
            continue
        shortest = feature.width / FEATURES.intervals
        steps = shortest * 2.0 ** np.arange(64)
        steps = steps[steps < np.diff(points).max()]
        away = feature.width / 2 + np.cumsum(steps)
        inner = np.linspace(-0.5, 0.5, FEATURES.intervals + 1) * feature.width
        around = feature.place + np.concatenate([-away[::-1], inner, away])
        around = around[(around > points[0]) & (around < points[-1])]
        beyond = np.abs(points - feature.place) > away[-1] + steps[-1] / 2
        beyond[[0, -1]] = True
        points = np.unique(np.concatenate([points[beyond], around]))
    return points


def with_features(points: np.ndarray, features: Sequence[NarrowFeature], axis: int) -> np.ndarray:
    """Points along an axis and more of them in and beside its features."""
    around = FEATURES.intervals * 2
    more = [each.place + each.width * np.linspace(-1.1, 1.1, around) for each in features if each.axis == axis]
    inside = [each[(each > points[0]) & (each < points[-1])] for each in more]
    return np.unique(np.concatenate([points, *inside]))


def missed_features(form: StrongForm, breakpoints: Sequence[Tensor | np.ndarray] | None) -> list[NarrowFeature]:
    """Features that no short interval of a grid holds; all of them without a grid."""
    missed = []
    for feature in narrow_features(form):
        if breakpoints is not None:
            points = np.asarray(breakpoints[feature.axis])
            number = int(np.clip(np.searchsorted(points, feature.place), 1, len(points) - 1))
            if points[number] - points[number - 1] <= feature.width:
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
    form: StrongForm = field(compare=False)


@lru_cache(maxsize=FEATURES.kept_terms)
def _of_given(given: _Given) -> tuple[NarrowFeature, ...]:
    """Features of a residual, for fields that are zero and for smooth ones, along each coordinate."""
    return tuple(_of_term(given.form, given.term, given.face))


def _of_term(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None) -> Iterator[NarrowFeature]:
    """See `_of_given`."""
    domain = form.domain
    free = [axis for axis in range(domain.dimension) if face is None or axis != face[0]]
    points_of_cell = FEATURES.points_of_cell
    if len(free) == 1:
        points_of_cell = FEATURES.points_alone if domain.dimension == 1 else FEATURES.points_on_face
    for axis in free:
        for start in _starts(domain, free, axis):
            # Cells of one half of the length of a cell apart: a narrow feature lies inside of one of either.
            low, high = domain.bounds[axis].tolist()
            # All points are inside, for functions need no value at an end.
            count = FEATURES.cells * points_of_cell + 1
            places = low + (high - low) * (np.arange(count) + 0.5) / count
            # A few points show whether there is time for all of them.
            with foreseen("given functions", FEATURES.cells):
                _values(form, term, face, start, axis, places[::points_of_cell])
            if not is_affordable("given functions", count, FEATURES.share_of_time):
                return
            with foreseen("given functions", count):
                values = _values(form, term, face, start, axis, places)
            scale = np.maximum(np.abs(values).max(0), ABOVE_ZERO)
            if not np.isfinite(scale).all():
                continue
            for first in (0, points_of_cell // 2):
                for place, width in _hidden(places[first:], values[first:], points_of_cell, scale):
                    feature = NarrowFeature(term.label, axis, place, width)
                    if not _divided(form, start, feature):
                        yield feature


def _divided(form: StrongForm, start: Tensor, feature: NarrowFeature) -> bool:
    """Whether an interface lies in a feature of a line, as beside a thin layer: grids have breakpoints there."""
    if form.parts is None:
        return False
    x = start.repeat(3, 1)
    x[:, feature.axis] = feature.place + feature.width * torch.tensor([-1.0, 0.0, 1.0])
    inside = torch.stack([domain.level(x) < 0 for domain in form.parts.inner])
    return bool((inside != inside[:, 1:2]).any())


def _starts(domain: Domain, free: Sequence[int], axis: int) -> Tensor:
    """Points (m, n) through which lines go along a coordinate: one where no other one is free."""
    count = 1 if list(free) == [axis] else FEATURES.lines
    return domain.bounds[:, 0] + domain.size * unit_points(count, domain.dimension, "sobol", 3)


def _values(
    form: StrongForm,
    term: ResidualTerm,
    face: tuple[int, int] | None,
    start: Tensor,
    axis: int,
    places: np.ndarray,
) -> np.ndarray:
    """Residuals for zero fields and for smooth ones at places of a line, (m, residuals)."""
    x = start.repeat(len(places), 1)
    x[:, axis] = torch.from_numpy(places)
    normal = None
    if face is not None:
        x[:, face[0]] = form.domain.bounds[face]
        normal = torch.zeros_like(x)
        normal[:, face[0]] = 2.0 * face[1] - 1.0
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
