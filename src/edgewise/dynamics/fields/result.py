"""What `find_field_equations` returns: equations that are printed as people write them, and their solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewise.dynamics.fields.choosing import Choice
from edgewise.dynamics.fields.terms import Term
from edgewise.presentation import MINUS, enumeration, number_text, text_with_error

if TYPE_CHECKING:
    from edgewise.pde import PDE, Solution


@dataclass(frozen=True, eq=False)
class FieldData:
    """Fields on a grid: moments (nt,), axes of space by name, and values (nt, nx) or (nt, nx, ny) by name."""

    t: np.ndarray
    axes: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class FieldEquation:
    """The equation of one field."""

    field: str  # that evolves
    order: int  # of its derivative in time
    terms: tuple[str, ...]  # of the right-hand side as people write them, as "u u_x"
    # Their factors, (k,), in units of the data.
    coefficients: np.ndarray
    standard_errors: np.ndarray
    # Mean squared residual in units of what the noise and the grid leave; near 1, or below, where terms explain them.
    loss: float
    criterion: float  # Schwarz's, with a price for symbols; smaller is better
    rivals: tuple[FieldEquation, ...]  # that the data do not exclude
    front: tuple[FieldEquation, ...]  # the best of each number of terms, the shortest first
    library: tuple[Term, ...]  # the terms in the form that integrates by parts, whose factors may differ

    @classmethod
    def of(
        cls, name: str, order: int, terms: Sequence[Term], choices: Sequence[Choice], gap: float, data: FieldData
    ) -> FieldEquation:
        """The equation of the first choice; the others within the gap are rivals."""

        def stated(choice: Choice, rivals: tuple = (), front: tuple = ()) -> FieldEquation:
            parts = [terms[j] for j in choice.terms]
            factors = np.array([part.factor for part in parts])
            texts = tuple(part.text(list(data.fields), list(data.axes)) for part in parts)
            errors = choice.standard_errors * factors
            numbers = (choice.coefficients * factors, errors, choice.loss, choice.criterion)
            return cls(name, order, texts, *numbers, rivals, front, tuple(parts))

        chosen = choices[0]
        # An equation that only adds terms to the chosen one is none of its rivals.
        near = [each for each in choices[1:] if each.criterion - chosen.criterion < gap]
        rivals = tuple(stated(each) for each in near if not set(each.terms) > set(chosen.terms))
        best: dict[int, Choice] = {}
        for each in choices:
            best.setdefault(len(each.terms), each)
        front = tuple(stated(best[count]) for count in sorted(best))
        return stated(chosen, rivals, front)

    @property
    def is_adequate(self) -> bool:
        """Whether the terms explain the data up to the noise and the grid, by a factor of two of the squares."""
        return self.loss < 2

    def __str__(self) -> str:
        left = f"{self.field}_{'t' * self.order}"
        text = ""
        for coefficient, name in zip(self.coefficients, self.terms, strict=True):
            size = number_text(abs(coefficient), 4)
            if name == "1":
                part = size
            elif size == "1":
                part = name
            else:
                part = f"{size} {name}"
            if text:
                text += f" {MINUS if coefficient < 0 else '+'} {part}"
            else:
                text = f"{MINUS if coefficient < 0 else ''}{part}"
        return f"{left} = {text or '0'}"


@dataclass(frozen=True, eq=False)
class FieldComparison:
    """A solution of the found equations beside the data."""

    solution: Solution
    values: Mapping[str, np.ndarray]  # its fields at the points of the data, (nt, nx) or (nt, nx, ny)
    # Root of the mean squared difference from the data over that of the data from their mean, for each field.
    relative_errors: Mapping[str, float]
    until: float  # the last moment that the solution has reached, to which all this refers


@dataclass(frozen=True, eq=False)
class FieldEquations:
    """The equations of fields on a grid; see `find_field_equations`."""

    equations: Mapping[str, FieldEquation]
    data: FieldData
    order: int  # of the derivatives in time
    noise: Mapping[str, float]  # standard deviation for each field, from differences of neighbouring points

    @property
    def decided(self) -> bool:
        """Whether the data exclude all other equations that were met, and the chosen ones explain the data."""
        return all(each.is_adequate and not each.rivals for each in self.equations.values())

    @property
    def says(self) -> str:
        """The constants with standard errors, and what the data leave open, in sentences."""
        lines = []
        for each in self.equations.values():
            constants = [
                f"{text_with_error(value, error)} for {name}"
                for value, error, name in zip(each.coefficients, each.standard_errors, each.terms, strict=True)
            ]
            lines.append(f"{each}; the factors are {enumeration(constants) or 'none'}.")
            if each.rivals:
                others = enumeration([str(rival) for rival in each.rivals[:3]], "or")
                lines.append(f"These data do not decide between it and {others}: measure other initial values.")
            if not each.is_adequate:
                lines.append(
                    f"The residual of {each.field}_{'t' * each.order} is {number_text(each.loss, 2)} times what the "
                    "noise and the grid leave: a term is missing, or the grid is too coarse."
                )
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(str(each) for each in self.equations.values())

    def problem(self, *, periodic: Sequence[str] | None = None) -> PDE:
        """State the equations as a problem for `edgewise.pde.solve`, with the initial and boundary values of the data.

        Fields repeat themselves along the axes that `periodic` names; if left out, along those where the data go on
        smoothly from the last point to the first. Raises InputError where a field has no equation.
        """
        from edgewise.dynamics.fields.restatement import restated

        return restated(self, periodic)

    def solve(self, *, periodic: Sequence[str] | None = None, **options: Any) -> FieldComparison:
        """Solve the equations from the initial and boundary values of the data, and compare.

        Options are those of `edgewise.pde.solve`; its tolerance is 1e-4 if left out.
        """
        from edgewise.dynamics.fields.restatement import compared
        from edgewise.pde import solve

        return compared(self, solve(self.problem(periodic=periodic), **{"tolerance": 1e-4, **options}))
