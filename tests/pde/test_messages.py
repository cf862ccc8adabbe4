"""Wrong arguments of the public constructors: a sentence that names the argument, the expected and the given value."""

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Annulus,
    Ball,
    Box,
    Collocation,
    Condition,
    Cylinder,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    LShape,
    Neumann,
    Observations,
    Parameter,
    Periodic,
    Polygon,
    Time,
    UnknownField,
    curl,
    divergence,
    gradient,
    hessian,
    integral,
    laplacian,
    other_solutions,
    solve,
)

LINE, ENDS = Interval(0, 1), [Dirichlet(0.0)]
STRIP, DISK, CUBE = LINE * Time(0, 1), Disk(0.5, (0.1, -0.2)), Box(x=(-1, 1), y=(-1, 1), z=(-1, 1))
SQUARE, UNIT, WALLS = Box(x=(-1, 1), y=(-1, 1)), Box(x=(0, 1), y=(0, 1)), Dirichlet(0.0, on=["x=0", "x=1"])


def pde(conditions=ENDS, **options):
    return PDE(lambda u: u.xx + 1, LINE, conditions, **{"points": 20, **options})


def inverse(value=1.0, **options):
    return PDE(lambda u, k: u.xx + k, LINE, ENDS, points=20, **{"coefficients": {"k": value}, **options})


DECAY = PDE(lambda u: u.t + u**2, Time(0, 1), [Initial(1.0)])


def equation(residual):
    return PDE(residual, LINE, ENDS)


def poisson(*conditions):
    return PDE(laplacian, SQUARE, [Dirichlet(0.0), *conditions])


def measured(*conditions):
    return pde([Observations([[0.5]], [1.0]), UnknownField("u"), *conditions])


def observed(x, **options):
    return pde([*ENDS, Observations(x, torch.zeros(len(x)), **options)])


MISTAKES = [
    (lambda: pde(Dirichlet(0.0)), "conditions must be a sequence of Dirichlet, .* got Dirichlet"),
    (lambda: pde([Dirichlet]), "conditions must be Dirichlet, Neumann ..., got the class Dirichlet"),
    (lambda: inverse(coefficients=["k"]), "coefficients must be numbers by name, .* got list"),
    (lambda: inverse("a"), "coefficient k must be a finite number, got 'a'"),
    (lambda: pde(coefficients={3: 1.0}), "coefficients must be named like arguments of a function, got 3"),
    (lambda: pde(weight=-1), "weight must be a number of at least 0, got -1"),
    (lambda: pde(solution="a"), r"solution must be a number or a function that returns shape \(b,\), got str"),
    (lambda: pde(solution=lambda z: z), "solution may take x, points, got an argument named 'z'"),
    (lambda: pde(solution={"v": 1.0}), r"solution must be given for fields among u, got \['v'\]"),
    (lambda: pde(points=None), "points must be an integer of at least 1, got None"),
    (lambda: pde(boundary_points=0), "boundary_points must be an integer of at least 1, got 0"),
    (lambda: pde(seed="x"), "seed must be an integer of at least 0, got 'x'"),
    (lambda: pde(how=None), "how must be one of sobol, uniform, grid, got None"),
    (lambda: pde().resampled(10, interior=[1]), r"interior must be a tensor of shape \(N, n\), got list"),
    (lambda: pde().resampled(10, interior=torch.zeros(3, 2)), r"interior must have shape \(N, 1\), got \(3, 2\)"),
    (lambda: pde().resampled(10, mesh=3), "mesh must be a Mesh, got int"),
    (lambda: inverse().with_unknowns({"z": 1.0}), "unknowns must have a value for each of k, got z"),
    (lambda: inverse().with_unknowns(3), "unknowns must be numbers by name, .* got int"),
    (lambda: pde().with_solution("a"), "solution must be a number or a function .* got str"),
    (lambda: Collocation(3), "form must be a StrongForm, .* got int"),
    (lambda: Collocation(pde().form, 3), "sampling must be a Sampling, got int"),
    (lambda: Dirichlet(0.0, hard="yes"), "hard must be True or False, got 'yes'"),
    (lambda: pde([Dirichlet(0.0, on=3)]), 'on must name pieces of the boundary, "x=0", "x=1", as on="x=1", got 3'),
    (lambda: Periodic(), "Periodic must name a coordinate, as .* got none"),
    (lambda: observed(torch.full((2, 1), 7.0)), "observations must have x in the domain of the equation"),
    (lambda: observed(torch.zeros(2, 1, dtype=torch.complex64)), "observations must be real numbers"),
    (lambda: observed(torch.zeros(2, 2)), r"observations must have x of shape \(N, 1\), got \(2, 2\)"),
    (lambda: observed(torch.zeros(2, 1), field="v"), "observations must name a field of u, got 'v'"),
    (lambda: Observations([0.0], [1.0]), r"x of observations must have shape \(N, n\), got \(1,\)"),
    (lambda: Observations([["a"]], [1.0]), r"x of observations must be numbers, got \[\['a'\]\]"),
    (lambda: PDE(lambda u: u.xx - np.sin(u), LINE, ENDS), "an equation must use functions of torch, .* got one of"),
    (lambda: pde([Dirichlet(0.0, hard=True), Dirichlet(1.0, hard=True)]), "hard conditions must be one for each field"),
    (lambda: pde([Dirichlet(0.0), Dirichlet(1.0, on="x=1")]), "conditions must give u one value on 'x=1', got two"),
    (lambda: Interval("a", 1), "low end of x must be a finite number, got 'a'"),
    (lambda: Interval(0, 1, 3), "a coordinate must be a letter, perhaps with a number, as x or x10, got 3"),
    (lambda: Box.cube("a"), "dimension must be an integer of at least 1, got 'a'"),
    (lambda: Disk(1, 3), r"center must be two numbers, as \(0, 0\), got 3"),
    (lambda: Disk(1, (0, 0), ("x", "x")), r"coordinates must be 2 different names, got \('x', 'x'\)"),
    (lambda: Annulus(None, 1), "inner must be a finite number, got None"),
    (lambda: Polygon(3), "corners must be pairs of numbers"),
    (lambda: Polygon([(0, 0), (0, 0), (1, 1)]), r"corners must differ from their neighbours, got \(0.0, 0.0\) twice"),
    (lambda: Polygon([(0, 0), (1, 0), (2, 0)]), r"corner 2, \(1.0, 0.0\), lies on edge 3"),
    (lambda: Polygon([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)]), r"corner 4, \(1.0, 0.0\), lies on edge 1"),
    (lambda: Polygon([(0, 0), (3, 0), (3, 3), (1, -1), (0, 3)]), "must .* not touch or cross itself, .* edge 1"),
    (
        lambda: PDE(
            lambda u: u.tt - u.xx,
            Interval(0, 1) * Time(0, 1),
            [Dirichlet(0.0), Initial(0.0), Neumann(1.0, on="t=0")],
        ),
        r"on of Neumann must .* got 't=0': a rate of change .* Initial\(value, rate=",
    ),
    (lambda: Box(x=3), r"x must be \(low, high\) with low < high, got 3"),
    (lambda: LShape(1, 0), "low must be less than high, got 1 and 0"),
    (lambda: solve(pde(), hidden=3), r"hidden must be the nodes of the hidden layers, as \(5,\), got 3"),
    (lambda: Box(), r"a box must have a coordinate, as Box\(x=\(0, 1\)\), got none"),
    (lambda: Disk(-1), "radius must be a positive number, got -1"),
    (lambda: Annulus(2, 1), "an annulus must have radii 0 < inner < outer, got 2 and 1"),
    (lambda: Polygon([(0, 0), (1, 1)]), r"corners must have shape \(m, 2\) with m of at least 3, got \(2, 2\)"),
    (lambda: SQUARE - Interval(0, 1), r"both domains must have the coordinates \('x', 'y'\), got \('x',\)"),
    (lambda: DISK * DISK, "a domain must be multiplied by a Time or a Parameter, got Disk"),
    (lambda: Interval(0, 1) * Interval(0, 1), r"got Box; a box of several axes is Box\(x=\(0, 1\), y=\(0, 1\)\)"),
    (lambda: SQUARE.boundary(9, names=["left"]), "on must name pieces of the boundary, \"x=-1\", .* got 'left'"),
    (lambda: LShape().factor(torch.zeros(1, 2), ["edge 1"]), "hard conditions need a box, .* got Polygon"),
    (lambda: DISK - SQUARE, "the domain must have a volume and a boundary, got an empty one"),
    (lambda: DISK & Disk(0.5, (3, 0)), "got an empty one, of domains that lie apart"),
    (lambda: Ball(1, (0, 0)), r"center must be 3 numbers, as \(0, 0, 0\), got \(0, 0\)"),
    (lambda: Ball(coordinates=("x",)), r"coordinates must be two or more names, got \('x',\)"),
    (lambda: Cylinder(1, 2, 1), "low must be less than high, got 2 and 1"),
    (lambda: PDE(lambda x, y: x, SQUARE, []), r"equation must take a field besides x, y, as lambda u, x: ..."),
    (lambda: PDE(lambda u: u.xx, "square", []), r"domain must be a domain, as Box\(x=\(0, 1\)\), got str"),
    (lambda: PDE(lambda u: u.zz, SQUARE, []), r"a field has derivatives by x, y, as u.x; got .zz"),
    (lambda: PDE(lambda u: 3.0, SQUARE, []), r"equation must return residuals of shape .* got float"),
    (lambda: PDE(lambda u: u.x[:5], SQUARE, []), r"equation must return residuals of shape .* got \(5,\)"),
    (lambda: PDE(lambda u, v: u.xx, SQUARE, []), r"equation must use every field that it takes, got v unused"),
    (lambda: PDE(lambda u: torch.log(u - 9), SQUARE, []), r"equation must be finite for a smooth solution"),
    (lambda: PDE(laplacian, SQUARE, []), r"conditions on 'x=-1' must be 1 for u, .* got 0: add Dirichlet\(0.0, on"),
    (
        lambda: PDE(lambda u, v: (u.xx - v, v.xx + u), Interval(0, 1), [Dirichlet({"u": 0.0})]),
        r".*: add Dirichlet\(\{'v': 0.0\}, on='x=0'\)$",
    ),
    (lambda: PDE(lambda u: u.xxxx + u.yyyy, SQUARE, [Dirichlet(0.0)]), r"conditions on 'x=-1' must be 2 for u, for"),
    (lambda: PDE(lambda u: u.t - u.xx, STRIP, [Dirichlet(0.0)]), r"conditions at the start must give u and its"),
    (
        lambda: PDE(lambda u: u.tt - u.xx, STRIP, [Dirichlet(0.0), Initial(0.0)]),
        r"conditions at the start must give u .* got 1 of 2: add Initial\(value, rate\)",
    ),
    (lambda: PDE(laplacian, SQUARE, [Dirichlet(lambda z: z)]), r"value may take x, y, points, got an .* 'z'"),
    (lambda: PDE(laplacian, SQUARE, [Dirichlet("0")]), r"value must be a number or a function that returns"),
    (lambda: PDE(laplacian, SQUARE, [Initial(0.0)]), r"Initial needs a domain with the coordinate t"),
    (lambda: PDE(laplacian, SQUARE, [Periodic("z")]), r"Periodic must name coordinates among x, y, got 'z'"),
    (
        lambda: PDE(lambda u, v: (u.xx, v.yy), SQUARE, [Dirichlet(0.0)]),
        r"value must say for which of the fields u, v, as \{'u': 0.0, 'v': 0.0\}, got 0.0",
    ),
    (
        lambda: PDE(laplacian, SQUARE, [Dirichlet(0.0), Condition(lambda u, x: x)]),
        r"a condition on .* must depend on the solution",
    ),
    (lambda: PDE(lambda u, x: u.xx - x, SQUARE, [], coefficients={"x": 1.0}), r"coefficients must not be named like"),
    (
        lambda: Observations(torch.zeros(3, 1), torch.zeros(4)),
        r"values must have shape \(3,\) like x, got \(4,\)",
    ),
    (lambda: Observations(torch.zeros(1, 1), torch.tensor([torch.nan])), r"observations must be finite, got a value"),
    (lambda: Parameter("t", 0, 1), "name of a parameter must not be t, which is time"),
    (lambda: Disk() * Parameter("x", 0, 1), "space must have no coordinate x, got x, y"),
    (lambda: PDE(lambda u: u.y - u.xx, UNIT, [WALLS]), "conditions on 'y=0' must be 1 for u, for an equation of"),
    (
        lambda: PDE(lambda u, t: u.derivative(t, 0.5), Time(0, 1), [Initial(1.0)]),
        "a derivative must be by names among t, each once per order, .* fractional derivatives are not possible",
    ),
    (lambda: PDE(lambda u: u.derivative("x", "z"), LINE, []), "a derivative must be by names among x, .* got 'z':"),
    (
        lambda: PDE(lambda u, x: u.xx - torch.where(x > 0.998, torch.nan, 1.0), LINE, [Dirichlet(0.0)]),
        r"equation must be finite for a smooth solution, got nan at x = 0\.99",
    ),
    (
        lambda: PDE(laplacian, UNIT, [Dirichlet(lambda x, y: torch.log(x - 0.3))]),
        r"a condition on x=0, x=1, y=0, y=1 must be finite .* got nan at x = 0, y = 0\.\d+",
    ),
    (
        lambda: PDE(lambda u, x, y: u.xx + integral(u, 0, 1), Box(x=(0, 1), y=(0, 1)), [Dirichlet(0.0)]),
        "along must be one of x, y, got None",
    ),
    (
        lambda: PDE(lambda u: u.x + integral(u, 0, 1, lambda u, s: u.sum(1)), LINE, []),
        r"integrand must return shape \(b, points\) = \(64, 24\), got \(64,\)",
    ),
    (lambda: PDE(lambda u, x: u.x + integral(u, over=1), LINE, []), r"over must be a domain, as Box\(x=\(0, 1\),"),
    (
        lambda: PDE(lambda u: laplacian(u) + integral(u, over=CUBE - Ball(0.5)), CUBE, []),
        "integrals over an area in an equation must be over domains of the plane, .* got Difference of x, y, z",
    ),
    (lambda: PDE(lambda u, x: u.x + integral(u, over=UNIT), LINE, []), "over must have coordinates of the domain, x,"),
    (
        lambda: PDE(lambda u, x: u.x + integral(u, 0, 1, over=Interval(0, 1)), LINE, []),
        "integral must have either limits low and high or a domain `over`, got both",
    ),
    (
        lambda: PDE(lambda u, x: u.x + integral(u, over=Interval(0, 4)), LINE, []),
        "the limits of an integral of u must lie in the domain, got points outside it along x",
    ),
    (lambda: integral(torch.ones(3), 0, 1), "integral must be of a field of an equation or a condition"),
    (
        lambda: PDE(lambda u, x: u.x + integral(u, 0, x), LINE, [Dirichlet(0.0, on="x=0", hard=True)]),
        "conditions must not be hard where there are integrals, got u",
    ),
    (lambda: PDE(lambda u, t: u.t + u(t + 1), Time(0, 2), [Initial(1.0)]), "a delay must look back in time, as u\\(t"),
    (
        lambda: PDE(lambda u, x: u.x + u(x - 1), Interval(0, 2), [Dirichlet(1.0, on="x=0")]),
        "a field has values at the point and at earlier moments alone, as u\\(t - 1\\) .* got u\\(Tensor\\)",
    ),
    (
        lambda: PDE(lambda u, t, s: u.t + u(t - s), Time(0, 2), [Initial(1.0)], coefficients={"s": 1.0}),
        "a delay must not depend on fields or unknown coefficients",
    ),
    (lambda: pde([*ENDS, UnknownField("u")]), "UnknownField needs Observations"),
    (lambda: pde([*ENDS, Observations([[0.5]], [1.0]), UnknownField("b")]), "UnknownField must name a field of u, got"),
    (lambda: measured(Dirichlet(0.0, hard=True)), "UnknownField needs conditions that are not hard"),
    (lambda: measured(*ENDS, Interface("x=0.5")), "conditions must not have both UnknownField and Interface"),
    (lambda: solve(pde()).standard_error([[0.5]]), "standard errors of"),
    (lambda: poisson(Interface("x=1")), "on must lie inside the domain, x between -1 and 1, got 'x=1'"),
    (lambda: poisson(Interface("z=0")), "on of an Interface must be like"),
    (lambda: poisson(Interface("x=left")), "on of an Interface must be like"),
    (lambda: poisson(Interface(0.5)), 'on .*must be "x=0.5", a domain or a function, got 0.5'),
    (lambda: poisson(Interface(Interval(0, 1))), "on must have the coordinates x, y, got x"),
    (lambda: poisson(Interface(Disk(5.0))), "with all or nothing of it inside"),
    (lambda: poisson(Interface(Disk(0.5, (3.0, 0.0)))), "with all or nothing of it inside"),
    (lambda: poisson(Interface(lambda x, y: x**2 + y**2 + 1)), "function must change its sign"),
    (lambda: poisson(Interface(lambda x, w: x + w)), "function may take x, y, points, got .*'w'"),
    (lambda: poisson(Interface("x=0", value={"v": 1.0})), "fields among u, got"),
    (lambda: poisson(Interface("x=0", flux=[0.0, 1.0])), "one for each of 1 equations, got 2"),
    (lambda: pde([Dirichlet(0.0, hard=True), Interface("x=0.5")]), "must not be hard where there are interfaces"),
    (
        lambda: PDE(lambda u: u.xxxx, LINE, [*ENDS, Neumann(0.0), Interface("x=0.5")]),
        "order at most 2 in space, got 4: write it as a system",
    ),
    (
        lambda: PDE(lambda u: u.xx + integral(u, 0.0, 1.0), LINE, [*ENDS, Interface("x=0.5")]),
        "neither integrals nor delays where there are interfaces",
    ),
    (lambda: Interface("x=0", weight=-1), "weight must be a number"),
    (lambda: equation(lambda u: u.xx if u else u.x), "a field has no truth value"),
    (lambda: equation(lambda u: u.xx * 1j), "equation must return real residuals, got torch.complex128"),
    (lambda: equation(lambda u: divergence()), "divergence takes one field per coordinate of space, got none"),
    (lambda: equation(lambda u: divergence(u.value)), "divergence must be of fields of an equation .* got Tensor"),
    (lambda: equation(lambda u: curl(u, 3)), "curl must be of fields of an equation or a condition, got int"),
    (lambda: equation(lambda u: gradient(3)), "gradient must be of fields of an equation or a condition, got int"),
    (lambda: equation(lambda u: laplacian(laplacian(u))), r"laplacian must .* are written out, as u.xxxx \+ 2"),
    (lambda: equation(lambda u: hessian(None)), "hessian must be of fields of an equation .* got NoneType"),
    (lambda: equation(lambda u: u.x + integral(u, "a", 1)), r"low must be a number or a tensor .* got str"),
    (lambda: equation(lambda u: u.x + integral(u, 0, None)), r"high must be a number or a tensor .* got NoneType"),
    (lambda: equation(lambda u: u.x + integral(u, u, 1)), "limits of an integral must not depend on fields"),
    (
        lambda: equation(lambda u: u.x + integral(u, 0, torch.ones(5))),
        r"low and high must be numbers or of shape \(b,\) = \(64,\)",
    ),
    (lambda: equation(lambda u: u.x + integral(u, 0, float("nan"))), "equation must be finite"),
    (lambda: equation(lambda u: u.x + integral(u, 0, 1, 3)), "integrand must be a function of u and s, .* got int"),
    (lambda: equation(lambda u: u.x + integral(u, 0, 1, points=0)), "points must be an integer of at least 1, got 0"),
    (lambda: solve(3), "problem must be a PDE, got int"),
    (lambda: solve(pde(), degree=2), "degree must be 3 to 5 for an equation of order 2, got 2"),
    (lambda: solve(pde(), budget=0), "budget must be a positive number, got 0"),
    (lambda: solve(pde(), tolerance=-1), "tolerance must be a number of at least 0, got -1"),
    (
        lambda: solve(pde(), fineness=3),
        "solve has no option 'fineness'; the known ones are problem, .*, hidden, grid_s",
    ),
    (lambda: solve(pde(), starts=0), "starts must be an integer of at least 1, got 0"),
    (lambda: solve(pde(), start=3), "start must be a solution, from solve, got int"),
    (lambda: solve(pde(), start=solve(DECAY)), "start must have the coordinates, ends and fields of the problem, "),
    (lambda: other_solutions(solve(pde())), "known must solve a nonlinear problem .* without time, but it is linear"),
    (lambda: other_solutions(solve(DECAY)), "known must solve a nonlinear problem .* time, but it evolves in time"),
    (
        lambda: PDE(lambda u, t: u.t(t - 1) + u, Time(0, 3), [Initial(1.0)]),
        r"the equation may call fields only, as u\(",
    ),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES)
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises((InputError, AttributeError), match=message):
        make()


def test_numbers_of_other_libraries_and_generators_are_accepted():
    domain = Interval(np.float32(0), torch.tensor(1.0))
    assert domain.bounds.tolist() == [[0.0, 1.0]]
    assert float(Disk(np.float32(2.0), torch.zeros(2)).outer) == 2.0
    problem = PDE(lambda u, k: u.xx + k, domain, (c for c in ENDS), coefficients={"k": torch.tensor(2.0)}, points=20)
    assert problem.form.coefficients == {"k": 2.0} and len(problem.blocks()) == 2
    PDE(lambda u: u.xx + 1, LINE, [Dirichlet(np.float32(0), on="x=0"), Dirichlet(lambda x: x.numpy() * 0, on="x=1")])
    assert Observations([[0.5]], np.ones(1, np.float32)).values.dtype == torch.float64
    points = torch.full((3, 1), 0.5)
    assert problem.resampled(5, interior=points).blocks()[0].data.x.dtype == torch.float64
