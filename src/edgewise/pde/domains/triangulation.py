"""Domains given by a mesh of triangles or tetrahedra, from arrays or from a file (`Triangulation`)."""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import typed
from edgewise.errors import FileError, InputError, missing_extra
from edgewise.pde.domains.domain import Domain, Piece, check_coordinates
from edgewise.pde.domains.sampling import gauss_legendre, unit_points
from edgewise.pde.domains.shapes import distance_to_line
from edgewise.presentation import typed_text


@dataclass(frozen=True)
class CellSettings:
    """What counts as a cell, and points of quadratures."""

    # Cells count as degenerate below this volume relative to the cube (in the plane the square) of their longest edge,
    # and points as inside a cell down to minus this barycentric coordinate: far above rounding and far below
    # `OFF_BOUNDARY_STEP`.
    flat: float = 1e-10
    # Step off the middle of a face of the boundary, relative to its size, at which no other cell may lie.
    beyond_face: float = 1e-6
    pairs: int = 2**20  # of a point and a cell, or a face, that are compared at once: tensors of some 50 MB
    # Gauss-Legendre points along each edge of a cell, and the most points of a quadrature over all cells: rounding for
    # smooth functions on few large cells, and evaluated within seconds on many small ones.
    points: int = 8
    all_points: int = 2**17  # of all cells


CELL = CellSettings()


@typed
class Triangulation(Domain):
    """Domain covered by triangles in the plane, or by tetrahedra in space.

    Pieces of its boundary are the groups of edges (faces of tetrahedra) that have a name; those without one are the
    piece "rest", or "boundary" where none has a name.

    Parameters
    ----------
    points : array of float
        Corners of the cells, (p, 2) or (p, 3). Points at the same place are one.
    cells : array of int
        Numbers of the corners of each triangle (m, 3), or tetrahedron (m, 4), in any sense. Neighbours share whole
        edges or faces.
    boundary : mapping, optional
        Numbers of the corners of edges (k, 2), or of faces (k, 3), of each piece of the boundary by name.
    coordinates : sequence of str, optional
        Two or three names; x, y and z if left out.

    Raises
    ------
    InputError
        An argument is not as above, a cell is degenerate, cells overlap, or a named edge or face does not lie on the
        boundary.

    Examples
    --------
    A square of two triangles whose lower edge has a name.

    >>> corners, triangles = [(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 1, 2), (0, 2, 3)]
    >>> square = Triangulation(corners, triangles, boundary={"floor": [(0, 1)]})
    >>> square.volume, [(piece.name, piece.measure) for piece in square.pieces]
    (1.0, [('floor', 1.0), ('rest', 3.0)])
    """

    def __init__(
        self,
        points: Any,
        cells: Any,
        boundary: Mapping[str, Any] | None = None,
        coordinates: Sequence[str] | None = None,
    ):
        # Points and cells, without points that occur twice.
        places = _points(points)
        corners = _numbers(cells, "cells")
        dimension = places.shape[1]
        if corners.shape[1] != dimension + 1 or not len(corners):
            raise InputError(
                f"cells must have shape (m, {dimension + 1}) for points of {dimension} coordinates, got "
                f"{tuple(corners.shape)}"
            )
        if coordinates is None:
            coordinates = ("x", "y", "z")[:dimension]
        self.coordinates = check_coordinates(coordinates)
        if len(self.coordinates) != dimension:
            raise InputError(f"coordinates must be {dimension} names, one for each of points, got {self.coordinates!r}")
        _check_range(corners, len(places), "cells")
        places, number = places.unique(dim=0, return_inverse=True)
        corners = number[corners]
        self.cell_corners = places[corners]  # of each cell, (m, n + 1, n)
        # Volumes of the cells.
        edges = self.cell_corners[:, 1:] - self.cell_corners[:, :1]
        longest = (self.cell_corners[:, :, None] - self.cell_corners[:, None]).norm(dim=-1).flatten(1).amax(1)
        sizes = torch.linalg.det(edges).abs()
        flat = (sizes <= CELL.flat * longest**dimension).nonzero()
        if len(flat):
            raise InputError(f"cells must have a volume, got the degenerate cell {int(flat[0])}")
        self.volumes = sizes / math.factorial(dimension)
        self.volume = float(self.volumes.sum())
        self.bounds = torch.stack([self.cell_corners.amin((0, 1)), self.cell_corners.amax((0, 1))], 1)
        self._cells = _Cells(self.cell_corners, self.bounds)
        # Faces of the boundary, with normals that point outside.
        faces, opposite = _outer_faces(corners)
        self.faces = places[faces]  # of the boundary, (f, n, n)
        normal, self._measures = _normals(self.faces, places[opposite])
        beyond = self.faces.mean(1) + CELL.beyond_face * self._measures[:, None] ** (1 / (dimension - 1)) * normal
        crossed = self.contains(beyond).nonzero()
        if len(crossed):
            at = ", ".join(typed_text(each) for each in self.faces[int(crossed[0])].mean(0).tolist())
            raise InputError(f"cells must share whole edges or faces and not overlap, got others at ({at})")
        groups = _grouped(faces, {name: _named_faces(part, name, number) for name, part in (boundary or {}).items()})
        self.pieces = tuple(self._piece(name, part, normal, faces) for name, part in groups.items())

    @classmethod
    def from_file(cls, path: str | Path, coordinates: Sequence[str] | None = None) -> Triangulation:
        """Domain of a mesh in a file, of any format that the package meshio reads (.msh, .vtk, .vtu, .xdmf, ...).

        Tetrahedra make a domain in space; without any, triangles make one in the plane, if the points lie in one plane
        of constant third coordinate. Physical groups and sets of edges or faces name pieces of the boundary, "group 3"
        where a group has a number only; those inside the domain are left out.

        Parameters
        ----------
        path : str or Path
            Name of the file.
        coordinates : sequence of str, optional
            As for the class.

        Returns
        -------
        Triangulation

        Raises
        ------
        MissingExtraError
            The package meshio is not installed.
        FileError
            There is no such file, or it holds no mesh.
        InputError
            The mesh has no triangles or tetrahedra, or cells of other shapes.

        Examples
        --------
        >>> Triangulation.from_file("part.msh").boundary_names  # doctest: +SKIP
        ('inlet', 'outlet', 'rest')
        """
        if find_spec("meshio") is None:
            raise missing_extra("meshio", "meshio", "Triangulation.from_file")
        mesh = _read(Path(path))
        # Cells of one shape, with straight edges.
        shapes = {block.type for block in mesh.cells if len(block.data)}
        dimension = 2
        kind = "triangle"
        if "tetra" in shapes:
            dimension = 3
            kind = "tetra"
        others = sorted(shapes - {kind, "triangle", "line", "vertex"})
        if kind not in shapes or others:
            came = ", ".join(others or sorted(shapes)) or "no cells"
            raise InputError(f"{path} must hold triangles or tetrahedra with straight edges alone, got {came}")
        # Points, in the plane where all cells are triangles.
        points = np.asarray(mesh.points, dtype=np.float64)
        cells = np.concatenate([block.data for block in mesh.cells if block.type == kind])
        if dimension == 2 and points.shape[1] == 3:
            if np.ptp(points[cells, 2]) > CELL.flat * np.ptp(points[cells], axis=(0, 1)).max():
                raise InputError(f"{path} must hold tetrahedra, or triangles in the plane, got a surface in space")
            points = points[:, :2]
        if not np.isfinite(points).all():
            raise InputError(f"{path} must hold points of finite numbers, got one that is not")
        # Groups of outer faces.
        number = torch.from_numpy(points).unique(dim=0, return_inverse=True)[1]
        outer = set(map(tuple, _outer_faces(number[_numbers(cells, "cells")])[0].tolist()))
        boundary = {}
        for name, part in _groups_of(mesh, dimension).items():
            ends = number[_numbers(part, "boundary")].sort(1).values.tolist()
            kept = [face for face, each in zip(part, ends, strict=True) if tuple(each) in outer]
            outer -= set(map(tuple, ends))  # a face of two groups belongs to the first
            if kept:
                boundary[name] = kept
        return cls(points, cells, boundary, coordinates)

    def contains(self, x: Tensor) -> Tensor:
        return self._cells.contain(x)

    def level(self, x: Tensor) -> Tensor:
        # Only faces are compared whose ball may hold the nearest point.
        middles = self.faces.mean(1)
        radii = (self.faces - middles[:, None]).norm(dim=2).amax(1)
        distance = torch.full_like(x[:, 0], math.inf)
        for place in torch.arange(len(x)).split(max(1, CELL.pairs // len(middles))):
            apart = torch.cdist(x[place], middles, compute_mode="donot_use_mm_for_euclid_dist")
            point, face = (apart - radii <= apart.amin(1, keepdim=True)).nonzero(as_tuple=True)
            near = _distance(x[place][point], self.faces[face])
            distance[place] = distance[place].scatter_reduce(0, point, near, "amin")
        return torch.where(self.contains(x), -distance, distance)

    def interior(self, count: int, how: str = "sobol", seed: int = 0) -> Tensor:
        if how == "grid":
            return super().interior(count, how, seed)
        return _spread(self.cell_corners, self.volumes, unit_points(count, self.dimension, how, seed))[0]

    def quadrature(self, points: int | None = None) -> tuple[Tensor, Tensor]:
        n = self.dimension
        count = min(CELL.points, int((CELL.all_points / len(self.cell_corners)) ** (1 / n)))
        if points is not None:  # of all cells together, but two of each at least
            count = max(2, math.ceil(points * len(self.cell_corners) ** (-1 / n)))
        if count < 2:
            return super().quadrature()
        # Gauss-Legendre points of a cube, collapsed onto a simplex (A. Stroud, "Approximate calculation of multiple
        # integrals", 1971, ch. 2).
        nodes, weights = gauss_legendre(count, 0.0, 1.0)
        cube = torch.cartesian_prod(*[nodes] * n)
        share = torch.cartesian_prod(*[weights] * n).prod(1) * math.factorial(n)
        left = torch.ones_like(share)
        parts = []
        for axis in range(n):
            parts.append(left * cube[:, axis])
            left = left * (1 - cube[:, axis])
            share = share * (1 - cube[:, axis]) ** (n - 1 - axis)
        barycentric = torch.stack([left, *parts], 1)
        x = (barycentric @ self.cell_corners).flatten(0, 1)
        return x, (self.volumes[:, None] * share).flatten()

    def _piece(self, name: str, part: Tensor, normals: Tensor, faces: Tensor) -> Piece:
        """The piece of the boundary of these numbers of faces."""
        corners = self.faces[part]
        if self.dimension == 2:
            order, corners = _in_a_row(faces[part], corners, normals[part])
            part = part[order]
        normal = normals[part]
        measures = self._measures[part]

        # Even points by measure, and distances from the nearest face.
        def sample(count: int, how: str, seed: int) -> tuple[Tensor, Tensor]:
            how = how.replace("grid", "sobol")
            x, number = _spread(corners, measures, unit_points(count, self.dimension - 1, how, seed))
            return x, normal[number]

        def at(share: Tensor) -> tuple[Tensor, Tensor]:
            x, number = _spread(corners, measures, share[:, None])
            return x, normal[number]

        def distance(x: Tensor) -> Tensor:
            point, face = torch.cartesian_prod(torch.arange(len(x)), torch.arange(len(corners))).unbind(1)
            return _distance(x[point], corners[face]).reshape(len(x), -1).amin(1)

        # In the plane it is a curve by arc length, smooth within each edge.
        if self.dimension == 2:
            ends = torch.cat([measures.new_zeros(1), measures.cumsum(0) / measures.sum()]).clamp(max=1.0)
            return replace(Piece.curve(name, float(measures.sum()), at, distance), spans=tuple(pairwise(ends.tolist())))
        return Piece(name, float(measures.sum()), sample, distance=distance)


class _Cells:
    """Cells of a mesh in the boxes of an even grid, by which the cell of a point is found."""

    def __init__(self, corners: Tensor, bounds: Tensor):
        count, _, dimension = corners.shape
        self.first = corners[:, 0]
        self.inverse = torch.linalg.inv(corners[:, 1:] - corners[:, :1])
        self.side = math.ceil(count ** (1 / dimension))
        self.low = bounds[:, 0]
        self.width = (bounds[:, 1] - bounds[:, 0]) / self.side
        # Boxes that each cell meets, from the lowest to the highest along each coordinate.
        margin = CELL.flat * self.width
        lowest = self._box(corners.amin(1) - margin)
        highest = self._box(corners.amax(1) + margin)
        span = highest - lowest + 1
        boxes = span.prod(1)
        # Pairs of a cell and one of its boxes.
        cell = torch.arange(count).repeat_interleave(boxes)
        left = torch.arange(len(cell)) - (boxes.cumsum(0) - boxes)[cell]
        box = torch.zeros_like(cell)
        for axis in range(dimension):
            box = box * self.side + lowest[cell, axis] + left % span[cell, axis]
            left = left // span[cell, axis]
        # Cells of each box, one box after the other.
        self.members = cell[box.argsort()]
        self.counts = box.bincount(minlength=self.side**dimension)
        self.starts = self.counts.cumsum(0) - self.counts

    def _box(self, x: Tensor) -> Tensor:
        return ((x - self.low) / self.width).floor().long().clamp(0, self.side - 1)

    def contain(self, x: Tensor) -> Tensor:
        """True for points x (b, n) in one of the cells, (b,)."""
        step = max(1, CELL.pairs // int(self.counts.max()))
        return torch.cat([self._contain(part.double()) for part in x.split(step)])

    def _contain(self, x: Tensor) -> Tensor:
        box = torch.zeros(len(x), dtype=torch.int64)
        for place in self._box(x).unbind(1):
            box = box * self.side + place
        # Barycentric coordinates in all cells of the box.
        counts = self.counts[box]
        point = torch.arange(len(x)).repeat_interleave(counts)
        inner = torch.arange(len(point)) - (counts.cumsum(0) - counts)[point]
        cell = self.members[self.starts[box][point] + inner]
        share = torch.einsum("pi,pij->pj", x[point] - self.first[cell], self.inverse[cell])
        inside = (share.amin(1) >= -CELL.flat) & (share.sum(1) <= 1 + CELL.flat)
        return torch.zeros(len(x), dtype=torch.bool).index_fill_(0, point[inside], True)


def _points(points: Any) -> Tensor:
    try:
        places = torch.as_tensor(np.asarray(points, dtype=np.float64)).clone()
    except (TypeError, ValueError) as error:
        raise InputError(f"points must be an array of numbers, (p, 2) or (p, 3); {error}") from error
    if places.ndim != 2 or places.shape[1] not in (2, 3):
        raise InputError(f"points must have shape (p, 2) or (p, 3), got {tuple(places.shape)}")
    if not bool(places.isfinite().all()):
        raise InputError("points must be finite numbers, got one that is not")
    return places


def _numbers(values: Any, name: str) -> Tensor:
    try:
        numbers = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be rows of numbers of points; {error}") from error
    if numbers.ndim != 2 or not np.issubdtype(numbers.dtype, np.integer):
        raise InputError(f"{name} must be rows of numbers of points, got {numbers.dtype} of shape {numbers.shape}")
    return torch.from_numpy(numbers.astype(np.int64))


def _check_range(numbers: Tensor, count: int, name: str) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if len(wrong):
        raise InputError(f"{name} must be numbers of the {count} points, from 0 to {count - 1}, got {int(wrong[0])}")


def _named_faces(part: Any, name: str, number: Tensor) -> Tensor:
    """Numbers of the corners of a piece of the boundary, each row in order, (k, n)."""
    faces = _numbers(part, f"boundary[{name!r}]")
    _check_range(faces, len(number), f"boundary[{name!r}]")
    return number[faces].sort(1).values


def _outer_faces(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Faces (f, n) that one cell alone has, in order of their corners, and the corners opposite to them (f,)."""
    n = cells.shape[1] - 1
    faces = torch.cat([cells[:, [other for other in range(n + 1) if other != corner]] for corner in range(n + 1)])
    # A face that occurs once, whatever the order of its corners, is on the boundary.
    each, owner, counts = faces.sort(1).values.unique(dim=0, return_inverse=True, return_counts=True)
    if int(counts.max()) > 2:
        raise InputError(f"cells must share an edge or a face with one other, got one of {int(counts.max())} cells")
    is_outer = counts[owner] == 1
    return each[owner[is_outer]], cells.mT.flatten()[is_outer]


def _normals(faces: Tensor, opposite: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals (f, n) of faces (f, n, n), away from the opposite corners (f, n), and measures (f,)."""
    along = faces[:, 1:] - faces[:, :1]
    if faces.shape[2] == 2:
        normal = torch.stack([along[:, 0, 1], -along[:, 0, 0]], 1)
    else:
        normal = torch.linalg.cross(along[:, 0], along[:, 1]) / 2
    measure = normal.norm(dim=1)
    # Away from the opposite corner of the cell.
    side = ((faces[:, 0] - opposite) * normal).sum(1).sign()
    return normal * (side / measure)[:, None], measure


def _grouped(faces: Tensor, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Numbers of the faces of each piece, those without a name at the end."""
    number = {tuple(face): place for place, face in enumerate(faces.tolist())}
    groups = {}
    for name, part in named.items():
        if not isinstance(name, str) or not name:
            raise InputError(f"boundary must map names to edges or faces, got the name {name!r}")
        # Each face belongs to one piece; a second piece with it is an error.
        places = [number.pop(tuple(face), None) for face in part.tolist()]
        if None in places or not places:
            came = part[places.index(None)].tolist() if places else "none"
            raise InputError(f"boundary[{name!r}] must be faces of the boundary of no other piece, got {came}")
        groups[name] = torch.tensor(places)
    # What is left of the boundary.
    if number:
        name = "rest" if groups else "boundary"
        rest = torch.tensor(list(number.values()))
        groups[name] = torch.cat([groups.get(name, rest[:0]), rest])
    return groups


def _in_a_row(faces: Tensor, corners: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    """Order of edges (k, 2) in which each begins where the one before ends, and their corners in this order."""
    along = corners[:, 1] - corners[:, 0]
    is_turned = normals[:, 0] * along[:, 1] - normals[:, 1] * along[:, 0] < 0
    ends = torch.where(is_turned[:, None], faces.flip(1), faces).tolist()
    corners = torch.where(is_turned[:, None, None], corners.flip(1), corners)
    # Edges by their start; chains begin at edges that no other one leads to.
    leaving = defaultdict(list)
    for number, (start, _) in enumerate(ends):
        leaving[start].append(number)
    entered = {end for _, end in ends}
    first = sorted(range(len(ends)), key=lambda number: ends[number][0] in entered)
    order: list[int] = []
    for number in first:
        here: int | None = number
        while here is not None and here in leaving[ends[here][0]]:
            leaving[ends[here][0]].remove(here)
            order.append(here)
            here = next(iter(leaving[ends[here][1]]), None)
    return torch.tensor(order), corners[order]


def _spread(corners: Tensor, measures: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Points (b, n) of simplices (m, k + 1, n) at points of the unit cube (b, k), evenly by measure, and numbers (b,).

    The first coordinate chooses the simplex; gaps between sorted coordinates are evenly distributed barycentric ones.
    """
    # The simplex, and what of the first coordinate is left within it.
    reached = measures.cumsum(0) / measures.sum()
    number = torch.searchsorted(reached, share[:, 0].contiguous(), right=True).clamp(max=len(measures) - 1)
    before = torch.cat([reached.new_zeros(1), reached])[number]
    inner = ((share[:, 0] - before) / (reached[number] - before)).clamp(0, 1)
    gaps = torch.cat([inner[:, None], share[:, 1:]], 1).sort(1).values
    zero = torch.zeros_like(inner)[:, None]
    barycentric = torch.cat([zero, gaps, zero + 1], 1).diff(dim=1).flip(1)
    return torch.einsum("bk,bkn->bn", barycentric, corners[number]), number


def _distance(x: Tensor, faces: Tensor) -> Tensor:
    """Distances of points (b, n) from edges or triangles (b, n, n), (b,)."""
    offset = x - faces[:, 0]
    along = faces[:, 1:] - faces[:, :1]
    if faces.shape[1] == 2:
        return distance_to_line(offset, along[:, 0])
    # Barycentric coordinates of the foot of the perpendicular, or the nearest side where it lies outside.
    normal = torch.linalg.cross(along[:, 0], along[:, 1])
    square = normal.square().sum(1)
    first = (torch.linalg.cross(offset, along[:, 1]) * normal).sum(1) / square
    second = (torch.linalg.cross(along[:, 0], offset) * normal).sum(1) / square
    above = (first >= 0) & (second >= 0) & (first + second <= 1)
    sides = [_distance(x, faces[:, pair]) for pair in ([0, 1], [1, 2], [2, 0])]
    return torch.where(above, (offset * normal).sum(1).abs() / square.sqrt(), torch.stack(sides).amin(0))


def _read(path: Path) -> Any:
    """Mesh of the package meshio, which prints and ends the process where it cannot read a file."""
    import meshio

    if not path.is_file():
        raise FileError(f"{path}: a file with a mesh was expected, got no such file")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return meshio.read(path)
    except (Exception, SystemExit) as error:
        raise FileError(f"{path}: a file with a mesh that meshio reads was expected, got another one") from error


def _groups_of(mesh: Any, dimension: int) -> dict[str, list]:
    """Edges or faces of each named or numbered group of a mesh of the package meshio."""
    names = {int(tag): name for name, (tag, size) in mesh.field_data.items() if size == dimension - 1}
    groups: dict[str, list] = defaultdict(list)
    for place, block in enumerate(mesh.cells):
        if block.type != {2: "line", 3: "triangle"}[dimension]:
            continue
        faces = np.asarray(block.data).tolist()
        for name, chosen in mesh.cell_sets.items():
            if not name.startswith("gmsh:") and chosen[place] is not None:
                groups[name] += [faces[int(number)] for number in chosen[place]]
        # Cell data by which files number groups.
        for kind in ("gmsh:physical", "medit:ref"):
            if kind not in mesh.cell_data:
                continue
            tags = mesh.cell_data[kind][place]
            for face, tag in zip(faces, np.asarray(tags).ravel().tolist(), strict=True):
                if tag:
                    groups[names.get(int(tag), f"group {int(tag)}")].append(face)
    return groups
