"""Problems: an equation with its conditions (`PDE`), as residuals that `fit` trains on.

An equation is a function of fields (`fields`, `integrals`), evaluated at points (`evaluation`). With its conditions
(`conditions`) it is stated and checked once (`strong_form`); points make it a problem (`collocation`) of blocks of
residuals (`residuals`). Users make a `PDE`; a new condition is a class with `pieces`, `residuals` and `weight`, see
`BoundaryCondition`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
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
    from edgewise.pde.problem.strong_form import StrongForm, strong_form_of

__all__ = [
    "PDE",
    "Collocation",
    "Condition",
    "Dirichlet",
    "Field",
    "Initial",
    "Neumann",
    "Observations",
    "Periodic",
    "Robin",
    "SamplingOptions",
    "StrongForm",
    "UnknownField",
    "curl",
    "divergence",
    "gradient",
    "hessian",
    "integral",
    "laplacian",
    "strong_form_of",
]

import_on_demand(__name__)
