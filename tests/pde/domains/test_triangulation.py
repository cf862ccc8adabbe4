"""Domains given by triangles and tetrahedra, from arrays and from files."""

import itertools
import math

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.pde import PDE, Box, Dirichlet, LShape, Neumann, Triangulation, laplacian, solve

SIDES = ("left", "right", "front", "back", "bottom", "top")


def cube_of_tetrahedra(count, seed=0):
    """Points, Kuhn's six tetrahedra in each of count^3 cubes, and the faces of each side; inner points are moved."""
    lines = np.arange(count + 1)
    grid = np.stack(np.meshgrid(lines, lines, lines, indexing="ij"), -1).reshape(-1, 3)
    number = {tuple(place): k for k, place in enumerate(grid.tolist())}
    cells = []
    for low in itertools.product(range(count), repeat=3):
        for order in itertools.permutations(range(3)):
            corner, path = list(low), [number[low]]
            for axis in order:
                corner[axis] += 1
                path.append(number[tuple(corner)])
            cells.append(path)
    sides = {}
    faces = {tuple(sorted(face)) for cell in cells for face in itertools.combinations(cell, 3)}
    for name, (axis, at) in zip(SIDES, itertools.product(range(3), (0, count)), strict=True):
        sides[name] = [face for face in sorted(faces) if all(grid[k, axis] == at for k in face)]
    moved = np.random.default_rng(seed).uniform(-0.2, 0.2, grid.shape) * ((grid > 0) & (grid < count)).all(1)[:, None]
    return (grid + moved) / count, np.array(cells), sides


def l_shape_of_triangles(count):
    """Points and triangles of `LShape()`, and its edges at the reentrant corner by name."""
    lines = np.arange(2 * count + 1)
    grid = np.stack(np.meshgrid(lines, lines, indexing="ij"), -1).reshape(-1, 2)
    cells, inner = [], {"wall": [], "ceiling": []}
    for i, j in itertools.product(range(2 * count), repeat=2):
        if i < count or j >= count:
            a, b, c, d = (2 * count + 1) * i + j, (2 * count + 1) * (i + 1) + j, 0, 0
            c, d = b + 1, a + 1
            cells += [(a, b, c), (d, c, a)]
            if i + 1 == count and j < count:
                inner["wall"].append((c, b))
            if i >= count and j == count:
                inner["ceiling"].append((a, b))
    return grid / count - 1, np.array(cells), inner


CUBE = Triangulation(*cube_of_tetrahedra(3))
BENT = Triangulation(*l_shape_of_triangles(4))


def test_pieces_and_measures():
    assert pytest.approx(1, rel=1e-13) == CUBE.volume
    assert CUBE.boundary_names == SIDES
    assert [piece.measure for piece in CUBE.pieces] == pytest.approx([1.0] * 6)
    assert pytest.approx(3, rel=1e-13) == BENT.volume
    assert {piece.name: piece.measure for piece in BENT.pieces} == pytest.approx({"wall": 1, "ceiling": 1, "rest": 6})
    unnamed = Triangulation(*cube_of_tetrahedra(2)[:2])
    assert [(piece.name, piece.measure) for piece in unnamed.pieces] == [("boundary", pytest.approx(6))]


def test_inside_and_distance_are_those_of_the_same_shapes_without_a_mesh():
    generator = torch.Generator().manual_seed(0)
    for domain, same in [(CUBE, Box(x=(0, 1), y=(0, 1), z=(0, 1))), (BENT, LShape())]:
        x = domain.bounds.mean(1) + 1.3 * domain.size * (
            torch.rand(2000, domain.dimension, generator=generator, dtype=torch.float64) - 0.5
        )
        assert torch.equal(domain.contains(x), same.contains(x))
        inside = same.contains(x)
        assert torch.allclose(domain.level(x)[inside], same.level(x)[inside], atol=1e-12)
    away = torch.tensor([[2.0, 2.0, 2.0], [0.5, 0.5, -3.0]], dtype=torch.float64)
    assert CUBE.level(away).tolist() == pytest.approx([math.sqrt(3), 3])


@pytest.mark.nightly
def test_poisson_on_tetrahedra():
    def exact(x, y, z):
        return torch.exp(x) * torch.cos(y) + z**3

    conditions = [Dirichlet(exact, on=SIDES[:5]), Neumann(3.0, on="top")]
    problem = PDE(lambda u, x, y, z: laplacian(u) - 6 * z, CUBE, conditions, solution=exact)
    solution = solve(problem, tolerance=1e-6, budget=0.01)
    error = solution.errors().relative_l2
    assert error < 1e-6
    assert solution.error_estimate > error / 3


SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([(0, 0, 0, 0)], [(0, 1, 2)]), r"^points must have shape \(p, 2\) or \(p, 3\), got \(1, 4\)$"),
        (([(0, 0), (1, "a")], [(0, 1, 2)]), r"^points must be an array of numbers, \(p, 2\) or \(p, 3\); "),
        (([(0, 0), (1, math.nan)], [(0, 1, 2)]), "^points must be finite numbers, got one that is not$"),
        (([*SQUARE], [(0, 1, 2, 3)]), r"^cells must have shape \(m, 3\) for points of 2 coordinates, got \(1, 4\)$"),
        (([*SQUARE], [(0.0, 1.0, 2.0)]), "^cells must be rows of numbers of points, got float64 of shape"),
        (([*SQUARE], [(0, 1, 4)]), "^cells must be numbers of the 4 points, from 0 to 3, got 4$"),
        (([*SQUARE, (2, 0)], [(0, 1, 2), (0, 1, 4)]), "^cells must have a volume, got the degenerate cell 1$"),
        (([*SQUARE, (0.1, 2)], [(0, 1, 2), (0, 1, 3), (0, 1, 4)]), "^cells must share .* one other, got one of 3"),
        (([*SQUARE], [(0, 1, 2), (0, 1, 3)]), r"^cells must share whole edges or faces and not overlap, got others at"),
        # a corner of one cell in the middle of an edge of another
        (([*SQUARE, (0.5, 0.5)], [(0, 1, 2), (0, 4, 3), (4, 2, 3)]), "^cells must share whole edges or faces and not"),
        (([*SQUARE], [(0, 1, 2), (0, 2, 3)], {"cut": [(0, 2)]}), r"^boundary\['cut'\] must be faces of the boundary"),
        (
            ([*SQUARE], [(0, 1, 2), (0, 2, 3)], {"a": [(0, 1)], "b": [(1, 0)]}),
            r"^boundary\['b'\] must be faces of the boundary of no other piece, got \[",
        ),
        (([*SQUARE], [(0, 1, 2)], {"a": np.zeros((0, 2), int)}), r"^boundary\['a'\] must be .*, got none$"),
        (
            ([*SQUARE], [(0, 1, 2)], None, ("x",)),
            r"^coordinates must be 2 names, .* got \('x',\)$",
        ),
    ],
)
def test_wrong_meshes_get_one_sentence(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        Triangulation(*arguments)
    assert "\n" not in str(caught.value)


def test_arguments_are_untouched_and_points_at_one_place_are_one():
    points = np.array([*SQUARE, (0, 0), (1, 1)], dtype=np.float32)
    kept = points.copy()
    square = Triangulation(points, [(0, 1, 2), (4, 5, 3)])
    assert np.array_equal(points, kept)
    assert [(piece.name, piece.measure) for piece in square.pieces] == [("boundary", 4.0)]


GMSH = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
3
1 1 "floor"
1 2 "inside"
2 7 "plate"
$EndPhysicalNames
$Nodes
4
1 0 0 5
2 1 0 5
3 1 1 5
4 0 1 5
$EndNodes
$Elements
5
1 1 2 1 1 1 2
2 1 2 2 2 1 3
3 1 2 9 3 3 4
4 2 2 7 1 1 2 3
5 2 2 7 1 1 3 4
$EndElements
"""


def test_physical_groups_of_a_file_name_pieces(tmp_path):
    pytest.importorskip("meshio")
    path = tmp_path / "plate.msh"
    path.write_text(GMSH)
    plate = Triangulation.from_file(path)
    assert plate.coordinates == ("x", "y")
    assert [(piece.name, piece.measure) for piece in plate.pieces] == [("floor", 1), ("group 9", 1), ("rest", 2)]
    x, normal = plate.named(["floor"])[0].sample(5, "sobol", 0)
    assert x[:, 1].tolist() == [0] * 5
    assert normal.tolist() == [[0, -1]] * 5


@pytest.mark.parametrize("ending", ["vtk", "vtu", "msh", "mesh", "inp"])
def test_files_of_tetrahedra(ending, tmp_path):
    meshio = pytest.importorskip("meshio")
    points, cells, _ = cube_of_tetrahedra(2)
    path = tmp_path / f"cube.{ending}"
    meshio.write_points_cells(path, points, [("tetra", cells)])
    cube = Triangulation.from_file(str(path))
    assert cube.volume == pytest.approx(1)
    assert [(piece.name, piece.measure) for piece in cube.pieces] == [("boundary", pytest.approx(6))]
