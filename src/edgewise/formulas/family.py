"""A family of laws: one formula for all groups of rows, with constants that differ by group."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas.expression import Expression, Number, Variable, exchanged
from edgewise.formulas.formula import Formula
from edgewise.formulas.rewriting import simplify
from edgewise.presentation import html_table, number_text, text_table, text_with_error

MOST_SHOWN = 20  # Groups in a printed table, at most: a screen.


@dataclass(frozen=True, eq=False)
class Family:
    """The constants of a law by group.

    Parameters
    ----------
    law : Formula
        Of the inputs and of the constants, whose names come last.
    parameters : tuple of str
        Names of the constants.
    groups : tuple
        Labels of the groups.
    values, errors : ndarray of shape (groups, constants)
        The constants and their standard errors.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> law = Formula(parse_expression("c_1*x", ("x", "c_1")), ("x", "c_1"))
    >>> family = Family(law, ("c_1",), ("a", "b"), np.array([[2.0], [3.0]]), np.array([[0.1], [0.2]]))
    >>> str(family.formula("b")), family(np.array([[1.0], [1.0]]), ["a", "b"])
    ('3*x', array([2., 3.]))
    >>> print(family)
    group             c_1
    a             2 ± 0.1
    b             3 ± 0.2
    """

    law: Formula
    parameters: tuple[str, ...]
    groups: tuple[Hashable, ...]
    values: np.ndarray
    errors: np.ndarray

    def place(self, group: Hashable) -> int:
        """The row of a group in `values`.

        Raises
        ------
        InputError
            There is no such group.
        """
        if group not in self.groups:
            known = ", ".join(map(repr, self.groups[:5]))
            raise InputError(f"group must be one of the {len(self.groups)} groups ({known}), got {group!r}")
        return self.groups.index(group)

    def formula(self, group: Hashable) -> Formula:
        """The law of one group, of the inputs alone."""
        inputs = len(self.law.names) - len(self.parameters)
        values = self.values[self.place(group)]
        constants: dict[Expression, Expression] = {
            Variable(inputs + k): Number(float(value)) for k, value in enumerate(values)
        }
        return Formula(simplify(exchanged(self.law.expression, constants.get)), self.law.names[:inputs])

    def __call__(self, x: np.ndarray, groups: Sequence[Hashable]) -> np.ndarray:
        """Predict. Shapes: x (N, inputs); returns (N,)."""
        x = np.asarray(x, dtype=np.float64)
        if len(groups) != len(x):
            raise InputError(f"groups must have a label for each of the {len(x)} rows, got {len(groups)}")
        places = [self.place(group) for group in (groups.tolist() if isinstance(groups, np.ndarray) else groups)]
        return self.law(np.column_stack([x, self.values[places]]))

    def rows(self) -> Iterator[list[str]]:
        """The label of each group and its constants with their standard errors, as texts."""
        for group, values, errors in zip(self.groups, self.values, self.errors, strict=True):
            row = [str(group)]
            for value, error in zip(values, errors, strict=True):
                if error <= 1e-12 * abs(value):  # exact to rounding
                    row.append(number_text(value, 6))
                else:
                    row.append(text_with_error(value, error))
            yield row

    def __str__(self) -> str:
        rows = list(self.rows())
        table = text_table(["group", *(name.rjust(14) for name in self.parameters)], rows[:MOST_SHOWN])
        left = len(rows) - MOST_SHOWN
        if left > 0:
            table += f"\nand {left} groups more: `family.values`"
        return table

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [list(row) for row in self.rows()]
        notes = []
        if len(rows) > MOST_SHOWN:
            notes.append(f"{len(rows) - MOST_SHOWN} groups more are in `family.values`.")
        return html_table(["group", *self.parameters], rows[:MOST_SHOWN], notes=notes)
