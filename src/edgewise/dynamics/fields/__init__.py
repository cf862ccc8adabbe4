"""Differential equations of fields: the law behind u(t, x) on a grid, in one or two dimensions of space.

`find_field_equations` takes the grid and the fields and returns for each field a front of equations
and the choice among them, which `solve` hands to `edgewise.pde.solve` and compares with the data. The stages, each a
module: `terms` lists derivatives of monomials, `weak_form` integrates them against test functions, so that the data are
never differentiated, `choosing` takes a few of them by Schwarz's criterion, and `restatement` states the problem again.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.dynamics.fields.finder import find_field_equations

__all__ = ["find_field_equations"]

import_on_demand(__name__)
