"""Formula of named inputs: an expression that can be evaluated, printed and exported."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewise.errors import InputError, missing_extra
from edgewise.formulas.algebra import simplify
from edgewise.formulas.expression import Expression, complexity, domain_violations, evaluate
from edgewise.formulas.printing import _to_sympy, as_c, as_latex, as_python, as_text

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Formula:
    """A formula of named inputs; `str` of it is Python's notation, a call with x (N, inputs) gives the values (N,)."""

    expression: Expression
    names: tuple[str, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise InputError(f"x must have shape (batch, {len(self.names)}), got {x.shape}")
        return evaluate(self.expression, x)

    def __str__(self) -> str:
        return as_text(self.expression, self.names)

    @property
    def complexity(self) -> int:
        """Number of symbols, see `expression.complexity`."""
        return complexity(self.expression)

    def simplified(self) -> "Formula":
        """A shorter equal formula, the same to rounding; see `simplify`."""
        return Formula(simplify(self.expression), self.names)

    def domain_violations(self, x: np.ndarray) -> list[str]:
        """A sentence for each function that leaves its domain, or has a pole, on the range of rows x (N, inputs).

        Raises:
            InputError: x has another shape or no rows.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names) or not len(x):
            raise InputError(f"x must have shape (N, {len(self.names)}) and at least one row, got {x.shape}")
        return domain_violations(self.expression, x)

    def leaks(self, x: np.ndarray) -> list[str]:
        """Former name of `domain_violations`, kept for one release."""
        warnings.warn("Formula.leaks is now called Formula.domain_violations", DeprecationWarning, stacklevel=2)
        return self.domain_violations(x)

    def text(self, digits: int | None = 6) -> str:
        """Python's notation; None writes every digit."""
        _check_digits(digits)
        return as_text(self.expression, self.names, digits)

    def latex(self, digits: int | None = 4) -> str:
        """LaTeX in math mode, numbers with so many significant digits."""
        _check_digits(digits)
        return as_latex(self.expression, self.names, digits)

    def python(self, function: str = "f") -> str:
        """Source of a Python function of x (N, inputs) with the same values; needs numpy only, scipy for J0."""
        return as_python(self.expression, self.names, function)

    def c(self, function: str = "f") -> str:
        """Source of a C99 function `double f(const double *x)` of one sample."""
        return as_c(self.expression, self.names, function)

    def sympy(self) -> "sympy.Expr":
        """As a sympy expression of real symbols with these names; recognised numbers are exact.

        Raises:
            MissingExtraError: sympy is not installed.
        """
        try:
            import sympy
        except ImportError as error:
            raise missing_extra("sympy", "symbolic", "A formula in sympy") from error
        return _to_sympy(self.expression, [sympy.Symbol(name, real=True) for name in self.names])


def _check_digits(digits: int | None) -> None:
    if digits is not None and (isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 17):
        raise InputError(f"digits must be a number from 1 to 17 or None for all, got {digits!r}")
