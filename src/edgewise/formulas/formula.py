"""Formula of named inputs: an expression that can be evaluated, checked against its domain, printed and exported."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from edgewise.checks import check_names, typed
from edgewise.errors import CheckpointError, InputError, missing_extra
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import (
    UNITS,
    Exact,
    Expression,
    complexity,
    constant_values,
    depth,
    evaluate,
    numbers_of,
    parse_expression,
    value_of,
    walk,
    with_constants,
)
from edgewise.formulas.printing import as_c, as_latex, as_python, as_stored, as_sympy, as_text
from edgewise.formulas.rewriting import simplify

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class FormulaLimits:
    """The largest formulas that are kept and read."""

    # Levels of a formula: Python allows about 1,000 nested calls, and printing makes three a level.
    nested: int = 150
    # Characters of a formula in a file: more than a person can use, and few enough to read without delay.
    characters: int = 200_000
    # Terms of a sum or factors of a product in a file: Python's parser, which reads them back, ends at 3,000.
    terms: int = 2000
    names: int = 10_000  # inputs of a formula in a file, as many as a table has columns at most


LIMITS = FormulaLimits()


@dataclass(frozen=True)
class StoredFormula:
    """A formula in a file: its text, which the reader of users' formulas reads back to the same tree and numbers."""

    names: tuple[str, ...]  # of the inputs
    text: str  # of inputs x1, x2, ... or x alone, see `as_stored`
    closed_forms: tuple[Exact | None, ...]  # of the numbers in the order of `constant_values`


@typed
@dataclass(frozen=True)
class Formula:
    """A formula of named inputs.

    `str(formula)` is Python's notation with six digits; `formula(x)` evaluates it, at an array or at a frame that
    has its inputs among its columns.

    Parameters
    ----------
    expression : Expression
        The expression tree, see `parse_expression`.
    names : tuple of str
        The names of the inputs in the order of the columns.
    rows_of : callable, optional
        What makes rows (N, inputs) of a frame with other columns, such as the one that an estimator was fitted to.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise.formulas import Formula, parse_expression
    >>> formula = Formula(parse_expression("m*v**2/2", ["m", "v"]), ("m", "v"))
    >>> formula(np.array([[2.0, 3.0]]))
    array([9.])
    >>> str(formula.simplified()), formula.complexity
    ('1/2*m*v**2', 7)
    """

    expression: Expression
    names: tuple[str, ...]
    rows_of: Callable[[Any], np.ndarray] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        levels = depth(self.expression)
        if levels > LIMITS.nested:
            raise InputError(f"expression must have at most {LIMITS.nested} nested levels, got {levels}")

    stored_form: ClassVar[type] = StoredFormula

    def to_stored(self) -> StoredFormula:
        """Return the form in a file; InputError where that could not be read back."""
        terms = max(len(part.parts) for part in walk(self.expression))
        if terms > LIMITS.terms:
            raise InputError(f"formulas must have at most {LIMITS.terms:,} terms in a sum to be stored, got {terms:,}")
        text = as_stored(self.expression, len(self.names))
        if len(text) > LIMITS.characters:
            raise InputError(
                f"formulas must have at most {LIMITS.characters:,} characters to be stored, got {len(text):,}"
            )
        forms = tuple(number.exact for number in numbers_of(self.expression))
        return StoredFormula(self.names, text, forms)

    @classmethod
    def from_stored(cls, stored: StoredFormula) -> Formula:
        """Return the formula of the form in a file."""
        names = check_names(stored.names, len(stored.names))
        forms = stored.closed_forms
        if len(names) > LIMITS.names:
            raise CheckpointError(f"must have formulas of at most {LIMITS.names:,} inputs, got {len(names):,}")
        if len(stored.text) > LIMITS.characters:
            raise CheckpointError(f"must have formulas of at most {LIMITS.characters:,} characters")
        node = parse_expression(stored.text, check_names(None, len(names)))
        values = constant_values(node)
        # A closed form is that of its number, and the text is what would be written: nothing shows 3 that is 2.
        are_exact = len(forms) == len(values) and all(map(_is_closed_form, forms, values))
        if not are_exact or as_stored(node, len(names)) != stored.text:
            raise CheckpointError("must have formulas as they were written, got another text or other closed forms")
        return cls(with_constants(node, values, forms), names)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Evaluate the formula. Shapes: x (N, inputs), or a frame with columns of the names; returns (N,)."""
        rows = np.asarray(self._rows(x), dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InputError(f"x must have shape (batch, {len(self.names)}), got {rows.shape}")
        return evaluate(self.expression, rows)

    def _rows(self, x: Any) -> Any:
        """The inputs of a frame, in their order; anything else as it is."""
        columns = getattr(x, "column_names", getattr(x, "columns", ()))
        keys = {str(column): column for column in columns}
        if not keys:
            return x
        if self.rows_of is not None:
            return self.rows_of(x)
        missing = [name for name in self.names if name not in keys]
        if missing:
            raise InputError(f"x must have a column for each input of the formula, got none named {missing[0]!r}")
        return np.column_stack([np.asarray(x[keys[name]], dtype=np.float64) for name in self.names])

    def __str__(self) -> str:
        return as_text(self.expression, self.names)

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    @property
    def complexity(self) -> int:
        """Number of symbols, see `edgewise.formulas.complexity`."""
        return complexity(self.expression)

    def simplified(self) -> Formula:
        """A shorter formula with the same values up to rounding, see `edgewise.formulas.simplify`."""
        return replace(self, expression=simplify(self.expression))

    def domain_violations(self, x: np.ndarray) -> list[str]:
        """Describe each function that leaves its domain, or has a pole, on the range of the rows.

        Parameters
        ----------
        x : array_like, shape (N, inputs)
            The rows, at least one.

        Returns
        -------
        list of str
            One sentence for each violation; empty if the formula is defined on the range of the rows.

        Raises
        ------
        InputError
            The shape of x is different or x has no rows.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names) or not len(x):
            raise InputError(f"x must have shape (N, {len(self.names)}) and at least one row, got {x.shape}")
        return domain_violations(self.expression, x)

    def text(self, digits: int | None = 6) -> str:
        """Python's notation with this number of significant digits; None prints every digit."""
        _check_digits(digits)
        return as_text(self.expression, self.names, digits)

    def latex(self, digits: int | None = 4) -> str:
        """LaTeX for math mode with this number of significant digits; None prints every digit."""
        _check_digits(digits)
        return as_latex(self.expression, self.names, digits)

    def python(self, function: str = "f") -> str:
        """Source of a Python function of x (N, inputs) with the same values, see `edgewise.formulas.as_python`."""
        return as_python(self.expression, self.names, function)

    def c(self, function: str = "f") -> str:
        """Source of a C99 function `double f(const double *x)` of one sample, see `edgewise.formulas.as_c`."""
        return as_c(self.expression, self.names, function)

    def sympy(self) -> sympy.Expr:
        """Convert to a sympy expression of real symbols with the names of the inputs.

        Returns
        -------
        sympy.Expr
            The expression; constants with a closed form are exact.

        Raises
        ------
        MissingExtraError
            sympy is not installed.
        """
        try:
            return as_sympy(self.expression, self.names)
        except ImportError as error:
            raise missing_extra("sympy", "symbolic", "A formula in sympy") from error


def _is_closed_form(form: Exact | None, value: float) -> bool:
    """Whether a closed form of a number in a file is that of its value."""
    if form is None:
        return True
    _, q, unit = form
    return q > 0 and unit in UNITS and math.isclose(value, value_of(form), rel_tol=1e-9, abs_tol=1e-300)


def _check_digits(digits: int | None) -> None:
    if digits is not None and not (type(digits) is int and 1 <= digits <= 17):
        raise InputError(f"digits must be a number from 1 to 17 or None for all, got {digits!r}")
