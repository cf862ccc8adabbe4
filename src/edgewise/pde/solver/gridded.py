"""Values of a solution on a grid: arrays, data sets of xarray, files of VTK; places of a value and of extremes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_count, is_list
from edgewise.errors import InputError, missing_extra
from edgewise.files.whole import write_bytes
from edgewise.pde.domains.domain import Box, Domain, covers, finite_number
from edgewise.pde.domains.mesh import even_lines
from edgewise.pde.problem.interfaces import Parts
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.pde.solver.solution import Solution


@dataclass(frozen=True)
class GridSettings:
    """Grids of values, and places between which roots and extremes are sought."""

    # Values of each coordinate that a grid has, by the number of coordinates: a megabyte or so.
    grid_values: tuple[int, ...] = (1001, 201, 61)
    # Values of a grid in more dimensions, and of any grid: 2 MB, 1 GB.
    usual_values: int = 200_000
    most_values: int = 10**8
    # Places between which a change of sign is seen, by the number of coordinates: some thousand periods of one of
    # them, and a hundred of two; and halvings of their distances, to rounding.
    root_places: tuple[int, ...] = (20_000, 400, 60)
    root_halvings: int = 50
    # Points inside, and on the boundary, from which extremes are sought, and the last step of the search: the value
    # at an extreme changes by the square of the step.
    search_points: int = 2000
    searched: float = 1e-9
    # Newton steps from outside to the boundary, and the step of the differences, as a share of the sides.
    onto_steps: int = 6
    onto_difference: float = 1e-7
    root_jump: float = 1e-4  # of the largest value: a smaller jump at an interface is an error of the solution


SETTINGS = GridSettings()


def grid_of(
    solution: Solution, counts: int | Sequence[int] | None, at: Mapping[str, float] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Coordinates and fields on a grid, see `Solution.on_grid`."""
    domain = solution.problem.domain
    # Coordinates that are free, and how many values each has.
    fixed = dict(at or {})
    unknown = [name for name in fixed if name not in domain.coordinates]
    if unknown:
        raise InputError(f"at must name coordinates among {', '.join(domain.coordinates)}, got {unknown[0]!r}")
    free = [name for name in domain.coordinates if name not in fixed]
    if not free:
        raise InputError("at must leave a coordinate free, got a value for each")
    # Number of values of each coordinate.
    if counts is None:
        if len(free) <= len(SETTINGS.grid_values):
            counts = SETTINGS.grid_values[len(free) - 1]
        else:
            counts = max(2, math.floor(SETTINGS.usual_values ** (1 / len(free))))
    if is_list(counts):
        each = list(counts)
    else:
        each = [counts] * len(free)
    if len(each) != len(free):
        raise InputError(f"counts must be a number, or one for each of {', '.join(free)}, got {len(each)} of them")
    sizes = [check_count(size, "counts", 2) for size in each]
    if math.prod(sizes) > SETTINGS.most_values:
        middle = float(domain.bounds[domain.coordinates.index(free[-1])].mean())
        raise InputError(
            f"counts must make a grid of {SETTINGS.most_values:,} values at most, got {math.prod(sizes):,}: give "
            f"values of some coordinates, as at={{{free[-1]!r}: {typed_text(middle)}}}"
        )
    # Values at the points that lie in the domain, nan elsewhere.
    lines = {name: np.linspace(*domain.ends[name], size) for name, size in zip(free, sizes, strict=True)}
    for name, value in fixed.items():
        low, high = domain.ends[name]
        if not low <= finite_number(value, f"at {name}") <= high:
            raise InputError(
                f"at must lie inside the domain, {name} between {typed_text(low)} and {typed_text(high)}, got {value!r}"
            )
    points = grid_points(domain, lines, fixed)
    values = np.full((len(points), len(solution.problem.fields)), np.nan)
    inside = covers(domain, points)
    if bool(inside.any()):
        values[inside.numpy()] = solution(points[inside]).numpy()
    shape = tuple(len(line) for line in lines.values())
    fields = {name: column.reshape(shape) for name, column in zip(solution.problem.fields, values.T, strict=True)}
    return lines, fields


def grid_points(domain: Domain, lines: Mapping[str, np.ndarray], fixed: Mapping[str, float]) -> Tensor:
    """Points (m, n) of the grid of these coordinates, the last one running fastest, at values of the others or 0."""
    mesh = np.meshgrid(*lines.values(), indexing="ij")
    x = torch.empty(mesh[0].size, domain.dimension, dtype=torch.float64)
    for axis, name in enumerate(domain.coordinates):
        x[:, axis] = fixed.get(name, 0.0)
    for name, values in zip(lines, mesh, strict=True):
        x[:, domain.coordinates.index(name)] = torch.from_numpy(values.ravel())
    return x


def dataset_of(solution: Solution, counts: int | Sequence[int] | None, at: Mapping[str, float] | None) -> Any:
    """Data set of xarray, see `Solution.to_xarray`."""
    if find_spec("xarray") is None:
        raise missing_extra("xarray", "xarray", "to_xarray")
    import xarray

    lines, fields = grid_of(solution, counts, at)
    facts = {
        "message": solution.message,
        "error_estimate": solution.error_estimate,
        **{f"coefficient {name}": value for name, value in solution.unknowns.items()},
        **{f"at {name}": float(value) for name, value in (at or {}).items()},
    }
    return xarray.Dataset({name: (tuple(lines), each) for name, each in fields.items()}, lines, facts)


def write_vtk(
    solution: Solution, path: str | os.PathLike[str], counts: int | Sequence[int] | None, at: Mapping[str, float] | None
) -> None:
    """Write a file of VTK, see `Solution.save_vtk`."""
    free = [name for name in solution.problem.domain.coordinates if name not in (at or {})]
    if len(free) > 3:
        raise InputError(
            f"a file of VTK has at most three axes: give values of others, as at={{{free[-1]!r}: 0.0}}, "
            f"got {', '.join(free)}"
        )
    lines, fields = grid_of(solution, counts, at)
    axes = [*lines.values(), *[np.zeros(1)] * (3 - len(lines))]
    where = "".join(f", {name} = {typed_text(value)}" for name, value in (at or {}).items())
    title = f"fields {', '.join(fields)} over {', '.join(lines)}{where}"[:200]
    # Header, coordinates and fields of the legacy format, in big-endian doubles.
    parts = [f"# vtk DataFile Version 3.0\n{title}\nBINARY\nDATASET RECTILINEAR_GRID\n".encode()]
    parts.append(f"DIMENSIONS {' '.join(str(len(line)) for line in axes)}\n".encode())
    for letter, line in zip("XYZ", axes, strict=True):
        parts += [f"{letter}_COORDINATES {len(line)} double\n".encode(), line.astype(">f8").tobytes(), b"\n"]
    parts.append(f"POINT_DATA {math.prod(map(len, axes))}\n".encode())
    for name, values in fields.items():
        # The first axis runs fastest.
        parts += [f"SCALARS {name} double 1\nLOOKUP_TABLE default\n".encode()]
        parts += [values.astype(">f8").ravel(order="F").tobytes(), b"\n"]
    write_bytes(path, b"".join(parts))


def quadrature_of(domain: Domain, parts: Parts | None) -> tuple[Tensor, Tensor]:
    """Quadrature over a domain, see `Domain.quadrature`, for functions that jump between parts.

    Boxes are cut along straight interfaces, and intervals at every one; elsewhere points are quasi-random.
    """
    whole = domain.quadrature()
    if parts is None or len(parts.number(whole[0]).unique()) == 1:
        return whole
    if not domain.is_box or domain.dimension > 3:
        return domain.sampled_quadrature()
    # Product Gauss rules on the boxes into which interfaces along coordinates cut the domain.
    ends = domain.bounds.tolist()
    cuts = [{low, high} for low, high in ends]
    for inner in parts.inner:
        if domain.dimension == 1:
            cuts[0] |= set(crossings(inner.level, domain)[:, 0].tolist())
        elif inner.is_box:
            for (low, high), places, own in zip(ends, cuts, inner.bounds.tolist(), strict=True):
                places |= {place for place in own if low < place < high}
        else:
            return domain.sampled_quadrature()
    lines = [pairwise(sorted(places)) for places in cuts]
    rules = [Box(**dict(zip(domain.coordinates, box, strict=True))).quadrature() for box in product(*lines)]
    return torch.cat([x for x, _ in rules]), torch.cat([weights for _, weights in rules])


def crossings(gap: Callable[[Tensor], Tensor], domain: Domain, parts: Parts | None = None) -> Tensor:
    """Points (m, n) at which a function vanishes along the lines of a grid in the domain, by bisection.

    Changes of sign where the function jumps between two of the parts are left out.
    """
    if domain.dimension > len(SETTINGS.root_places):
        raise InputError(f"roots need a domain of at most three coordinates, got {', '.join(domain.coordinates)}")
    # Sign changes between neighbours on an even grid, and roots at its points.
    lines = even_lines(domain, [SETTINGS.root_places[domain.dimension - 1] - 1] * domain.dimension)
    points = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
    values = gap(points.flatten(0, -2)).reshape(points.shape[:-1])
    inside = covers(domain, points.flatten(0, -2)).reshape(values.shape)
    found = [points[(values == 0) & inside]]
    for axis in range(domain.dimension):
        count = values.shape[axis] - 1
        before, after = (values.narrow(axis, start, count) for start in (0, 1))
        both = inside.narrow(axis, 0, count) & inside.narrow(axis, 1, count) & (before * after < 0)
        left, right = (points.narrow(axis, start, count)[both] for start in (0, 1))
        if not len(left):
            continue
        # Bisection between two places of different sign.
        rises = after[both] > 0
        for _ in range(SETTINGS.root_halvings):
            middle = (left + right) / 2
            is_beyond = ((gap(middle) > 0) == rises)[:, None]
            left = torch.where(is_beyond, left, middle)
            right = torch.where(is_beyond, middle, right)
        # A jump across an interface is no root.
        if parts is not None:
            is_jump = (gap(right) - gap(left)).abs() > SETTINGS.root_jump * values[inside].abs().amax()
            stays = ~(is_jump & (parts.number(left) != parts.number(right)))
            left = left[stays]
            right = right[stays]
        found.append((left + right) / 2)
    return torch.cat(found)


def lowest(function: Callable[[Tensor], Tensor], domain: Domain, sign: int = 1) -> tuple[Tensor, float]:
    """Place (n,) and value where sign times a function, (b, n) to (b,), is smallest, see `Solution.extremes`.

    Points of the pattern that lie outside are moved onto the boundary, so that the search follows curved ones.
    """
    # The best of quasi-random points inside and on the boundary.
    walls, _ = domain.boundary(SETTINGS.search_points, names=[piece.name for piece in domain.pieces])
    points = torch.cat([domain.interior(SETTINGS.search_points, "sobol", 1), walls])
    best = points[(sign * function(points)).argmin()][None]
    step = domain.size / SETTINGS.search_points ** (1 / domain.dimension)
    axes = torch.cat([torch.eye(domain.dimension), -torch.eye(domain.dimension)]).double()
    # Pattern search along the coordinates, with half the step once the best place stays.
    while float((step / domain.size).max()) > SETTINGS.searched:
        around = (best + axes * step).clamp(domain.bounds[:, 0], domain.bounds[:, 1])
        around = _onto_boundary(domain, around)
        around = torch.cat([best, around[covers(domain, around)]])
        number = int((sign * function(around)).argmin())
        best = around[number][None]
        if number == 0:  # the best place stays
            step = step / 2
    return best[0], float(function(best))


def _onto_boundary(domain: Domain, x: Tensor) -> Tensor:
    """Points (b, n), those outside moved to the boundary by Newton's method along the gradient of the level."""
    shifts = SETTINGS.onto_difference * torch.diag(domain.size)
    for _ in range(SETTINGS.onto_steps):
        level = domain.level(x).clamp(min=0)
        if not bool(level.any()):
            break
        slopes = [(domain.level(x + shift) - domain.level(x - shift)) / (2 * shift.sum()) for shift in shifts]
        slope = torch.stack(slopes, 1)
        x = x - slope * (level / slope.square().sum(1).clamp(min=ABOVE_ZERO))[:, None]
    return x
