"""Differential equations: state a problem with `PDE`, solve it with `solve`.

A `PDE` is an equation on a domain (`Box`, `Interval`, `Time`, `Parameter`, `Disk`, `Annulus`, `Polygon`, `LShape`,
`Ball`, `Cylinder`, `LevelSet`, `Triangulation`, and their combinations) with conditions (`Dirichlet`, `Neumann`,
`Robin`, `Initial`, `Periodic`, `Interface`, `Condition`, `Observations`, `UnknownField`). `solve` chooses grid
and method and returns a `Solution` with an estimate of its error; `edgewise.fit` trains a network of one's own on a
`PDE` as on any other problem. `eigenvalues` gives those of a linear homogeneous problem, `other_solutions` further
solutions of a nonlinear one.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.domains.domain import Box, Domain, Interval, Parameter, Time
    from edgewise.pde.domains.implicit import LevelSet
    from edgewise.pde.domains.shapes import Annulus, Disk, LShape, Polygon
    from edgewise.pde.domains.solids import Ball, Cylinder
    from edgewise.pde.domains.triangulation import Triangulation
    from edgewise.pde.problem.collocation import PDE, Collocation, SamplingOptions
    from edgewise.pde.problem.conditions import (
        Condition,
        Dirichlet,
        Initial,
        Neumann,
        Observations,
        Periodic,
        Robin,
        UnknownField,
    )
    from edgewise.pde.problem.fields import Field, curl, divergence, gradient, hessian, laplacian
    from edgewise.pde.problem.integrals import integral
    from edgewise.pde.problem.interfaces import Interface, diffusion
    from edgewise.pde.solver.others import other_solutions
    from edgewise.pde.solver.solution import Errors, Extreme, Solution
    from edgewise.pde.solver.solving import SolveOptions, solve
    from edgewise.pde.spectrum import Eigenvalues, eigenvalues

__all__ = [
    "PDE",
    "Annulus",
    "Ball",
    "Box",
    "Collocation",
    "Condition",
    "Cylinder",
    "Dirichlet",
    "Disk",
    "Domain",
    "Eigenvalues",
    "Errors",
    "Extreme",
    "Field",
    "Initial",
    "Interface",
    "Interval",
    "LShape",
    "LevelSet",
    "Neumann",
    "Observations",
    "Parameter",
    "Periodic",
    "Polygon",
    "Robin",
    "SamplingOptions",
    "Solution",
    "SolveOptions",
    "Time",
    "Triangulation",
    "UnknownField",
    "curl",
    "diffusion",
    "divergence",
    "eigenvalues",
    "gradient",
    "hessian",
    "integral",
    "laplacian",
    "other_solutions",
    "solve",
]

import_on_demand(__name__)
