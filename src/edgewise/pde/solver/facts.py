"""What a problem is, found once for each solve: by these facts tiers are chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from edgewise.pde.domains.domain import TIME, is_space
from edgewise.pde.problem.conditions import of_kind
from edgewise.pde.problem.interfaces import Interface
from edgewise.pde.problem.strong_form import Feature, StrongForm
from edgewise.pde.spaces.grid_problem import GridProblem

# The tiers are imported late: `import edgewise` stays light.


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts about a problem. Those that take time are found when a tier asks for them, and kept."""

    form: StrongForm

    @property
    def dimension(self) -> int:
        """Number of coordinates, time among them."""
        return self.form.domain.dimension

    @property
    def has_time(self) -> bool:
        """Whether t is a coordinate."""
        return TIME in self.form.domain.coordinates

    @cached_property
    def is_in_time(self) -> bool:
        """Whether the problem evolves along the coordinate t."""
        return self.has_time and self.form.time is not None

    @property
    def is_differential(self) -> bool:
        """Whether it is an equation with given coefficients and conditions on boundaries and interfaces alone."""
        return self.form.features <= {Feature.INTERFACES}

    @property
    def is_off_grid(self) -> bool:
        """Whether it is such an equation on a domain that no tensor grid holds."""
        return self.grid_problem is None and not self.rough and self.is_differential

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """Interfaces among the conditions."""
        return of_kind(self.form.conditions, Interface)

    @cached_property
    def is_cut_solid(self) -> bool:
        """Whether the domain is a solid that others or interfaces cut: a whole one has its digits by networks."""
        domain = self.form.domain
        is_solid = domain.dimension == 3 and all(map(is_space, domain.coordinates))
        return is_solid and (Feature.INTERFACES in self.form.features or domain.is_combined)

    @cached_property
    def _recognised(self) -> tuple[GridProblem | None, str]:
        from edgewise.pde.spaces.grid_problem import NoGrid, recognised

        try:
            return recognised(self.form), ""
        except NoGrid as reason:
            return None, str(reason)

    @property
    def grid_problem(self) -> GridProblem | None:
        """The problem on a tensor grid that has a coefficient for each row; None where `no_grid` has a reason."""
        return self._recognised[0]

    @property
    def no_grid(self) -> str:
        """Why products of splines of the coordinates do not hold the problem, as a clause; "" where they do."""
        return self._recognised[1]

    @cached_property
    def many_coordinates(self) -> GridProblem | None:
        """The problem on a tensor grid of any number of coordinates; None without one."""
        from edgewise.pde.spaces.grid_problem import NoGrid, recognised

        try:
            return recognised(self.form, math.inf)
        except NoGrid:
            return None

    @cached_property
    def is_initial_value_problem(self) -> bool:
        """Whether time elements on a tensor grid can solve the problem."""
        from edgewise.pde.tiers.evolution.collocation import is_initial_value_problem

        return self.grid_problem is not None and is_initial_value_problem(self.grid_problem)

    @cached_property
    def weak(self) -> GridProblem | None:
        """The problem as one that a weak form in time may hold: of first order it may have surplus conditions."""
        from edgewise.pde.tiers.galerkin.rough import first_order_problem

        if self.grid_problem is None:
            return first_order_problem(self.form)
        if self.is_initial_value_problem:
            return self.grid_problem
        return None

    @cached_property
    def rough(self) -> str | None:
        """What no grid of splines resolves: "coefficients are", "start or boundary values are" or "".

        None where there is no weak form.
        """
        from edgewise.pde.tiers.galerkin.rough import rough_part

        if self.weak is None:
            return None
        return rough_part(self.weak)

    @cached_property
    def evolving(self) -> GridProblem | None:
        """The problem as an evolution on a domain that is no box; None where it is none."""
        from edgewise.pde.tiers.galerkin.cut_evolution import cut_cell_problem

        if self.grid_problem is not None:
            return None
        return cut_cell_problem(self.form)

    @cached_property
    def has_fronts(self) -> bool:
        """Whether a hyperviscosity would smooth fronts of the problem."""
        from edgewise.pde.tiers.evolution.hyperviscosity import smooths

        return self.grid_problem is not None and self.is_initial_value_problem and smooths(self.grid_problem)
