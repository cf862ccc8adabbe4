"""Known solutions come back: every operator, every condition on every domain, soft and hard, in space and in time.

The solutions are polynomials that splines of degree five hold exactly, so what is left is rounding and the solver.
"""

import math
from functools import partial

import pytest
import torch
from tests.night import at_night
from tests.pde.known import Known, made

from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Annulus, Disk, Polygon
from edgewise.pde.domains.solids import Ball, Cylinder
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial, Neumann, Robin
from edgewise.pde.problem.fields import curl, divergence, gradient, laplacian
from edgewise.pde.problem.integrals import integral
from edgewise.pde.solver.solving import solve

PI = math.pi
SQUARE, ROUND, CENTER = (
    Box(x=(-1, 1), y=(-1, 1)),
    Disk(0.5, (0.1, -0.2)),
    torch.tensor([0.1, -0.2], dtype=torch.float64),
)
PLANE = {
    "square": SQUARE,
    "disk": ROUND,
    "annulus": Annulus(0.3, 1, CENTER.tolist()),
    "polygon": Polygon([(0, 0), (1, 0.2), (0.8, 1), (-0.3, 0.7)]),
    "union": Box(x=(-1, 0.2), y=(-1, 1)) | ROUND,
}


def known(x, y):
    return x**3 * y - 2 * x * y**2 + y


def slope(x, y, normal):
    return normal[..., 0] * (3 * x**2 * y - 2 * y**2) + normal[..., 1] * (x**3 - 4 * x * y + 1)


def normal_of(piece):
    """The outward normal at points of a piece, a straight line or a circle around CENTER."""
    points, normal = piece.sample(50, "grid", 0)
    if float((normal - normal[0]).abs().max()) < 1e-9:
        return lambda x, y: normal[0].expand(len(x), 2)
    sense = math.copysign(1.0, float(((points[0] - CENTER) * normal[0]).sum()))

    def outward(x, y):
        away = torch.stack([x, y], 1) - CENTER
        return sense * away / away.norm(dim=1, keepdim=True)

    return outward


def neumann(domain):
    def there(piece):
        outward = normal_of(piece)
        return Neumann(lambda x, y: slope(x, y, outward(x, y)), on=piece.name)

    return [there(piece) for piece in domain.named(domain.boundary_names)]


def robin(domain):
    def there(piece):
        outward = normal_of(piece)

        def value(x, y):
            return (2 + x) * known(x, y) + 0.5 * slope(x, y, outward(x, y))

        return Robin(lambda x: 2 + x, 0.5, value, on=piece.name)

    return [there(piece) for piece in domain.named(domain.boundary_names)]


CONDITIONS = {
    "Dirichlet": lambda domain: [Dirichlet(known)],
    "hard Dirichlet": lambda domain: [Dirichlet(lambda x, y: known(x, y), hard=True)],
    "Neumann": neumann,
    "Robin": robin,
    "custom": lambda domain: [Condition(lambda u, x, y, normal: gradient(u) - _both(x, y) + 0 * normal)],
}
# Every domain and every kind of condition, with both normals of the round ones; hard conditions where there is a factor
# that vanishes on the boundary.
PAIRS = [
    ("square", "hard Dirichlet"),
    ("disk", "Neumann"),
    ("annulus", "hard Dirichlet"),
    ("annulus", "Robin"),
    ("polygon", "custom"),
    ("union", "custom"),
]


def _both(x, y):
    return torch.stack([3 * x**2 * y - 2 * y**2, x**3 - 4 * x * y + 1], 1)


def on_domain(domain, condition):
    return PDE(
        lambda u, x, y: laplacian(u) - u - (6 * x * y - 4 * x - known(x, y)),
        PLANE[domain],
        CONDITIONS[condition](PLANE[domain]),
        solution=known,
    )


OPERATORS = {
    "mixed": lambda u, x, y: u.xy + u.xx + 2 * u.yy,
    "order 3": lambda u, x, y: u + u.xxy + u.x,
    "order 4": lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - u,
    "nonlinear": lambda u, x, y: laplacian(u) - u**3 - torch.exp(u.x),
    "integral": lambda u, x, y: laplacian(u) - u - integral(u, -1.0, x, along="x"),
}


def of_operator(name):
    """The right side is what the operator makes of the known solution, by nested autograd."""
    operator = OPERATORS[name]
    problem = PDE(
        lambda u, x, y: operator(u, x, y) - made(operator, [known], x, y),
        SQUARE,
        [Dirichlet(known), *([Condition(lambda u, x, y: laplacian(u) - (6 * x * y - 4 * x))] if "4" in name else [])],
        solution=known,
    )
    return problem


def stream():
    return PDE(
        lambda u, v, x, y: (divergence(u, v) - 2 * x * y - x**2, curl(u, v) - 2 * x * y + x**2),
        ROUND,
        [Dirichlet({"u": lambda x, y: x**2 * y, "v": lambda x, y: x**2 * y})],
        solution={"u": lambda x, y: x**2 * y, "v": lambda x, y: x**2 * y},
    )


def rising(x, t):
    return (1 + t) ** 2 * (x**2 + 1)


def risen(x, t):
    """The first time derivative minus the second in x."""
    return 2 * (1 + t) * (x**2 + 1) - 2 * (1 + t) ** 2


LINE, START = Interval(0, 2) * Time(0, 1), Initial(lambda x: x**2 + 1)
IN_TIME = {
    "Neumann and Robin": [Neumann(0.0, on="x=0"), Robin(3.0, 1.0, lambda t: 19 * (1 + t) ** 2, on="x=2"), START],
    "hard": [Dirichlet(rising, on=["x=0", "x=2", "t=0"], hard=True)],
}


def in_time(name):
    return PDE(lambda u, x, t: u.t - u.xx - risen(x, t), LINE, IN_TIME[name], solution=rising)


MANUFACTURED = {
    **{f"{condition} on {domain}": partial(on_domain, domain, condition) for domain, condition in PAIRS},
    **{name: partial(of_operator, name) for name in OPERATORS},
    "divergence and curl": stream,
    **{f"{name} in time": partial(in_time, name) for name in IN_TIME},
}
# Conditions of all kinds in time, systems, and many coordinates.
OTHERS = {
    "wave": lambda: PDE(
        lambda u: u.tt - 4 * u.xx,
        LINE,
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x), rate=lambda x: 2 * PI * torch.sin(PI * x))],
        solution=lambda x, t: torch.sin(PI * x) * (torch.cos(2 * PI * t) + torch.sin(2 * PI * t)),
    ),
    "pendulum": lambda: PDE(
        lambda u, t: u.tt + u + u**3 - (torch.sin(t) ** 3),
        Time(0, 3),
        [Initial(0.0, rate=1.0)],
        solution=lambda t: torch.sin(t),
    ),
    "system": lambda: PDE(
        lambda u, v, t: (u.t - v, v.t + u),
        Time(0, 3),
        [Initial({"u": 0.0, "v": 1.0})],
        solution={"u": lambda t: torch.sin(t), "v": lambda t: torch.cos(t)},
    ),
    "ten dimensions": lambda: PDE(
        lambda u, points: laplacian(u) - 20 * torch.ones(len(points)),
        Box.cube(10),
        [Dirichlet(lambda points: points.square().sum(1))],
        points=100,
        solution=lambda points: points.square().sum(1),
    ),
    "disk over time": lambda: PDE(
        lambda u, x, y, t: u.t - laplacian(u) - (x**2 + y**2 - 4 * t),
        Disk() * Time(0, 1),
        [Dirichlet(lambda t: t, on="circle"), Initial(0.0)],
        solution=lambda x, y, t: t * (x**2 + y**2),
    ),
}


@pytest.mark.filterwarnings("ignore:.* there are . conditions")  # the whole gradient, which has one solution here
@pytest.mark.slow
@pytest.mark.parametrize("name", MANUFACTURED)
def test_known_solutions_come_back(name):
    assert solve(MANUFACTURED[name](), tolerance=1e-7, budget=0.01).errors().relative_l2 < 1e-7


def losses(problem):
    with torch.no_grad():
        network = Known(problem.exact)
        return {block.name: float(block.loss(network, block.data, problem.unknowns)) for block in problem.blocks()}


@pytest.mark.filterwarnings("ignore:.* there are . conditions")
@pytest.mark.parametrize("name", [name for name in [*MANUFACTURED, *OTHERS] if "hard" not in name])
def test_residuals_vanish_on_the_solution_and_on_no_other(name):
    problem = {**MANUFACTURED, **OTHERS}[name]()
    known = losses(problem)
    assert len(known) == 1 + len(problem.form.conditions)
    assert max(known.values()) < 1e-20, known
    others = losses(problem.with_solution(dict.fromkeys(problem.fields, lambda points: (0.3 + points[:, 0]).exp())))
    assert min(others.values()) > 1e-6, others


@pytest.mark.parametrize("domain", [Interval(0, 2), Interval(0, 3) - Interval(1, 2), Interval(0, 1) | Interval(2, 3)])
def test_on_lines(domain):
    problem = PDE(lambda u, x: u.xx - u - (6 * x - x**3), domain, [Dirichlet(lambda x: x**3)], solution=lambda x: x**3)
    assert solve(problem, tolerance=1e-7, budget=0.01).errors().relative_l2 < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("domain", [Ball(), *at_night(Cylinder(0.7, -1, 1))], ids=["ball", "cylinder"])
def test_harmonic_functions_on_solids(domain):
    def harmonic(x, y, z):
        return torch.exp(x) * torch.cos(y) + z * x

    solution = solve(PDE(laplacian, domain, [Dirichlet(harmonic)], solution=harmonic), tolerance=1e-4)
    error = solution.errors().relative_l2
    assert error < 1e-4
    assert solution.error_estimate > error / 3
