"""Further cases of PINNacle in the plane: patches and heat around holes, with references."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay, cKDTree
from torch import Tensor

from edgewise.pde import PDE, Box, Disk, Domain, Initial, Robin, Time, laplacian
from edgewise_experiments.problems.cases import PI, Case
from edgewise_experiments.problems.reference_solutions import grid_points

if TYPE_CHECKING:
    from skfem import MeshTri

# Poisson2d-MS: conductivity, constant source and height of the source's bump of each of 5 x 5 patches, (x, y), from the
# files of PINNacle's repository (ref/poisson_a_coef.dat, ref/poisson_f_coef.dat), rounded to five digits.
CONDUCTIVITIES = np.array(
    [
        [46.117, 0.59733, 0.29227, 1.2628, 0.14456],
        [12.718, 1.4698, 82.58, 0.23612, 0.32126],
        [0.98707, 9.0569, 87.936, 0.13191, 66.248],
        [6.9401, 1.7144, 1.8829, 0.47775, 12.268],
        [65.953, 22.765, 5.1495, 10.517, 6.485],
    ]
)
SOURCES = np.array(
    [
        [-0.53915, -0.37768, 0.95939, 0.23958, 0.52985],
        [-0.87542, 0.92006, 0.23022, 0.12642, -0.80555],
        [0.31183, -0.12398, 0.75589, -0.056908, -0.9685],
        [-0.40548, 0.89286, 0.43946, -0.8038, 0.50878],
        [0.63565, -0.43482, -0.83234, -0.77884, 0.17858],
    ]
)
BUMPS = np.array(
    [
        [-0.82938, 0.11428, 0.58644, -0.9371, 0.42473],
        [0.47792, -0.36908, 0.33963, 0.32412, 0.26527],
        [0.66302, -0.07972, -0.76039, 0.10513, -0.058647],
        [0.076138, -0.18602, 0.049058, -0.41341, 0.22481],
        [-0.78251, -0.63585, 0.88461, 0.67747, -0.98483],
    ]
)

# Heat2d-CG: half the sides of the rectangle, radii and centers of holes.
SIDES = np.array([8.0, 12.0])
LARGE, SMALL = 1.0, 0.4
LARGE_CENTERS = [(0, 0), *((0, y) for y in (-6, 6)), *((x, y) for x in (-4, 4) for y in (-9, -3, 3, 9))]
SMALL_CENTERS = [(x, y) for x in (-3.2, 3.2) for y in (-6, 0, 6)]
DISKS = [*((*center, LARGE) for center in LARGE_CENTERS), *((*center, SMALL) for center in SMALL_CENTERS)]
LEVELS = {LARGE: 5.0, SMALL: 1.0, 0.0: 0.1}  # outside of a boundary, by the radius; 0 for the rectangle
MOMENTS = 0.3 * np.arange(10, 0, -1)


def patch_values(x: Tensor, y: Tensor) -> Tensor:
    """Source over conductivity of Poisson2d-MS."""
    place = [((each + 10) / 4).clamp(0, 4.999) for each in (x, y)]
    (i, a), (j, b) = ((each.long(), each - each.long()) for each in place)
    source, bump, conductivity = (torch.from_numpy(each)[i, j] for each in (SOURCES, BUMPS, CONDUCTIVITIES))
    return (source + bump * torch.sin(PI * a) * torch.sin(PI * b)) / conductivity


def patches() -> PDE:
    """PINNacle's Poisson equation on patches, as its code writes it (a laplacian u + f = 0), divided by a."""
    return PDE(
        lambda u, x, y: laplacian(u) + patch_values(x, y),
        Box(x=(-10, 10), y=(-10, 10)),
        [Robin(1.0, 1.0, 0.0)],
    )


@cache
def patches_reference(degree: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """The same by spectral elements, one a patch, and fast diagonalisation."""
    nodes, weights = lobatto(degree)
    differences = lagrange_derivatives(nodes)
    stiff, size = differences.T @ (weights[:, None] * differences), 5 * degree + 1
    line, mass, matrix = np.empty(size), np.zeros(size), np.zeros((size, size))
    for k in range(5):
        part = slice(k * degree, (k + 1) * degree + 1)
        line[part] = -10 + 4 * k + 2 * (nodes + 1)
        mass[part] += 2 * weights
        matrix[part, part] += stiff / 2
    matrix[0, 0] += 1
    matrix[-1, -1] += 1
    rhs = np.zeros((size, size))
    for i in range(5):
        for j in range(5):
            across, along = (slice(k * degree, (k + 1) * degree + 1) for k in (i, j))
            bump = np.outer(*[np.sin(PI * (nodes + 1) / 2)] * 2)
            source = (SOURCES[i, j] + BUMPS[i, j] * bump) / CONDUCTIVITIES[i, j]
            rhs[across, along] += 4 * np.outer(weights, weights) * source
    values, vectors = eigh(matrix, np.diag(mass))
    u = vectors @ ((vectors.T @ rhs @ vectors) / np.add.outer(values, values)) @ vectors.T
    points = grid_points(line, line)
    return points, u.reshape(-1, 1)


def lobatto(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Lobatto's quadrature on [-1, 1]."""
    legendre = np.polynomial.legendre.Legendre.basis(degree)
    nodes = np.concatenate([[-1.0], legendre.deriv().roots().real, [1.0]])
    return nodes, 2 / (degree * (degree + 1) * legendre(nodes) ** 2)


def lagrange_derivatives(nodes: np.ndarray) -> np.ndarray:
    """Derivatives of the Lagrange polynomials of some nodes at these nodes, (nodes, polynomials)."""
    gaps = nodes[:, None] - nodes + np.eye(len(nodes))
    scale = gaps.prod(1)
    matrix = scale[:, None] / scale / gaps
    np.fill_diagonal(matrix, 0.0)
    return matrix - np.diag(matrix.sum(1))


def heat_around_holes() -> PDE:
    """PINNacle's heat equation on a rectangle without seventeen disks, from 0; the start contradicts the conditions."""
    domain: Domain = Box(x=(-8, 8), y=(-12, 12))
    sides = domain.boundary_names
    for x, y, radius in DISKS:
        domain = domain - Disk(radius, center=(x, y))
    circles = [name for name in domain.boundary_names if name not in sides]
    count = len(LARGE_CENTERS)
    return PDE(
        lambda u: u.t - laplacian(u),
        domain * Time(0, 3),
        [
            Robin(1.0, 1.0, LEVELS[LARGE], on=circles[:count]),
            Robin(1.0, 1.0, LEVELS[SMALL], on=circles[count:]),
            Robin(1.0, 1.0, LEVELS[0.0], on=list(sides)),
            Initial(0.0),
        ],
    )


def is_outside(points: np.ndarray) -> np.ndarray:
    """Whether points (b, 2) lie in no disk; points of the circles do not."""
    return np.all([np.hypot(*(points - [x, y]).T) > (1 - 1e-9) * radius for x, y, radius in DISKS], 0)


def quarter_mesh(width: float, chords: int) -> MeshTri:
    """Triangles of the quarter with positive coordinates, with rings of points around each hole that grow apart."""
    from skfem import MeshTri

    angle = 2 * PI * np.arange(chords) / chords
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    groups = [(np.concatenate([np.array([x, y]) + radius * circle for x, y, radius in DISKS]), 0.0)]
    for x, y, radius in DISKS:
        ring = radius
        while (apart := 2 * PI * ring / chords) < width:
            groups.append((np.array([x, y]) + ring * circle, 0.6 * apart))
            ring += apart
    lines = [np.linspace(0, side, int(np.ceil(side / width)) + 1) for side in SIDES]
    groups.append((np.concatenate([grid_points(lines[0], [0, 12]), grid_points([0, 8], lines[1])]), 0.6 * width))
    rows = np.arange(0, SIDES[1], width * np.sqrt(3) / 2)
    places = np.arange(0, SIDES[0], width)
    inner = [grid_points(places + number % 2 * width / 2, [row]) for number, row in enumerate(rows)]
    groups.append((np.concatenate(inner), 0.6 * width))
    points = np.array([[8.0, 0.0], [0.0, 12.0], [8.0, 12.0]])  # the fourth corner lies in a hole
    for group, least in groups:
        new = np.unique(np.round(group, 12), axis=0)
        new = new[((new >= 0) & (new <= SIDES)).all(1)]
        edge = np.minimum(new, SIDES - new)
        is_clear = ((edge == 0) | (edge > least / 2)).all(1) & (cKDTree(points).query(new)[0] > least)
        points = np.concatenate([points, new[is_clear & is_outside(new)]])
    triangles = Delaunay(points).simplices
    triangles = triangles[is_outside(points[triangles].mean(1))]
    return MeshTri(points.T.copy(), triangles.T.copy())


@cache
def holes_reference(width: float = 0.4, chords: int = 64, nodes: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """The same by finite elements of degree 4 on triangles with curved sides, and Laplace's transform in time [1]_.

    A quarter is solved, for the rest is its mirror image. Two thirds of the chords change the result by 1e-6.

    References
    ----------
    .. [1] J. Weideman, L. Trefethen, "Parabolic and hyperbolic contours for computing the Bromwich integral",
       Mathematics of Computation 76, 2007, 1341.
    """
    from skfem import Basis, BilinearForm, ElementTriP4, FacetBasis, LinearForm, MeshTri2
    from skfem.helpers import dot, grad

    straight = quarter_mesh(width, chords)
    outside = straight.boundary_facets()
    ends = straight.p[:, straight.facets[:, outside]]
    nodes_of_mesh, middle = MeshTri2.from_mesh(straight).doflocs.copy(), ends.mean(1)
    pieces: dict[float, list[np.ndarray]] = {0.0: [outside[np.isclose(middle, SIDES[:, None]).any(0)]]}
    for x, y, radius in DISKS:
        center = np.array([[x], [y]])
        on = (np.abs(np.hypot(*(ends - center[:, None])) - radius) < 1e-9).all(0)
        away = middle[:, on] - center
        nodes_of_mesh[:, straight.nvertices + outside[on]] = center + radius * away / np.hypot(*away)
        pieces.setdefault(radius, []).append(outside[on])
    curved, element = MeshTri2(nodes_of_mesh, straight.t), ElementTriP4()
    basis = Basis(curved, element, intorder=10)
    stiff = BilinearForm(lambda u, v, _: dot(grad(u), grad(v))).assemble(basis)
    inner = BilinearForm(lambda u, v, _: u * v)
    mass, load = inner.assemble(basis), np.zeros(basis.N)
    for radius, facets in pieces.items():
        along = FacetBasis(curved, element, facets=np.concatenate(facets), intorder=10)
        stiff = stiff + inner.assemble(along)
        load += LEVELS[radius] * LinearForm(lambda v, _: 1.0 * v).assemble(along)

    spread = np.sqrt(8 * MOMENTS.max() / MOMENTS.min() + 1)  # of the contour, for all moments at once
    turned = 1 + 1j * (np.arange(nodes) + 0.5) * spread / nodes
    size, found = PI * nodes / (4 * spread * MOMENTS.max()), np.zeros((basis.N, len(MOMENTS)))
    for number, rate in zip(size * turned**2, 2j * size * turned, strict=True):
        matrix = sparse.csc_matrix(stiff + number * mass)  # symmetric: factors without pivots are stable enough
        factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        solved = factors.solve(load / number)
        found += spread / (PI * nodes) * np.outer(solved, rate * np.exp(number * MOMENTS)).imag

    lines = [side * ((np.arange(60) + 0.5) / 30 - 1) for side in SIDES]
    points = grid_points(*lines)
    points = points[is_outside(points)]
    place = np.abs(points).T
    cells = straight.element_finder()(*place)
    local = basis.mapping.invF(place[:, :, None], tind=cells)
    values = np.zeros((len(points), len(MOMENTS)))
    for number, dofs in enumerate(basis.element_dofs[:, cells]):
        shape = np.asarray(element.gbasis(basis.mapping, local, number, tind=cells)[0])
        values += shape * found[dofs]
    whole = np.column_stack([np.tile(points, (len(MOMENTS), 1)), np.repeat(MOMENTS, len(points))])
    return whole, values.T.reshape(-1, 1)


PLANE_CASES = (
    Case(
        "patches (Poisson2d-MS)",
        "a laplacian u + f = 0 on 5 x 5 patches, u_n + u = 0 at the boundary",
        patches,
        patches_reference,
    ),
    Case(
        "heat around holes (Heat2d-CG)",
        "`u_t = laplacian u` on a rectangle without 17 disks, `u_n = g - u`, t to 3",
        heat_around_holes,
        holes_reference,
    ),
)
