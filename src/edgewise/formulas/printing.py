r"""Printed formulas: Python's notation, LaTeX, source code in Python and C, and sympy expressions.

LaTeX is printed here and not by `sympy.latex`, for three reasons. sympy is an optional dependency, but figures and
reports print formulas without it. sympy reorders the terms and expands the constants of an expression, and prints all
of their digits, whereas a reader compares these lines with the text of the same formula. And figures print hundreds of
edges: a formula of 44 symbols takes 0.06 ms here and 1.1 ms by sympy 1.14, whose import takes 0.7 s (one core, best of
five).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import IntEnum
from fractions import Fraction
from keyword import iskeyword
from typing import TYPE_CHECKING

from edgewise.checks import check_names, typed
from edgewise.errors import InputError
from edgewise.escaping import c_comment, latex_text, python_comment
from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Exact,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    constant_value,
    parse_expression,
    product_of,
    used_variables,
)
from edgewise.formulas.rewriting import MINUS_ONE, ONE, as_fraction

if TYPE_CHECKING:
    import sympy


GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi"}
GREEK |= {"pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"}


class Precedence(IntEnum):
    """Precedence of the outermost sign of a printed formula."""

    SUM = 0
    PRODUCT = 1
    POWER = 2
    ATOM = 3


@typed
def as_text(node: Expression, names: Sequence[str], digits: int | None = 6) -> str:
    """Print a formula in Python's notation, which `parse_expression` reads.

    Parameters
    ----------
    node : Expression
        The formula.
    names : sequence of str
        Names of the inputs. Those that are not Python identifiers are printed in backticks, as in a pandas query, but
        indicators of a category, as [city is Bonn], in their own brackets.
    digits : int or None
        Significant digits of numbers without a closed form; None prints every digit.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> as_text(parse_expression("x - y/3", ["x", "y"]), ["mass", "charge of ion"])
    'mass - `charge of ion`/3'
    """
    return node.read_by(_Text(tuple(map(shown_name, names)), digits))[0]


@typed
def as_written(node: Expression, names: Sequence[str], digits: int | None = 4) -> str:
    """The text as a person writes it, with spaces between factors and names as they are; nothing reads it back."""
    return node.read_by(_Written(tuple(names), digits))[0]


def shown_name(name: str) -> str:
    """The name of an input in a printed formula, which `parse_expression` reads."""
    bracketed = re.fullmatch(r"\[[^\[\]`]+\]", name) is not None
    # Python reads other forms of letters, such as wide ones, as the usual ones.
    is_usual = unicodedata.normalize("NFKC", name) == name
    if bracketed or (name.isidentifier() and not iskeyword(name) and is_usual):
        return name
    return f"`{name}`"


@typed
def as_latex(node: Expression, names: Sequence[str], digits: int | None = 4) -> str:
    r"""Print a formula as LaTeX for math mode.

    Parameters
    ----------
    node : Expression
        The formula.
    names : sequence of str
        Names of the inputs, printed by `latex_name`.
    digits : int or None
        Significant digits of numbers without a closed form; None prints every digit.

    Returns
    -------
    str
        The LaTeX source.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> print(as_latex(parse_expression("sqrt(a)/theta1", ["a", "theta1"]), ["a", "theta1"]))
    \frac{\sqrt{a}}{\theta_{1}}
    """
    return node.read_by(_Latex(tuple(latex_name(name) for name in names), digits))[0]


@typed
def as_python(node: Expression, names: Sequence[str], function: str = "f") -> str:
    """Source of a Python function of an array (N, inputs) with the same values as `evaluate`.

    Parameters
    ----------
    node : Expression
        The formula.
    names : sequence of str
        Names of the inputs, listed in a comment.
    function : str
        Name of the function.

    Returns
    -------
    str
        The source. It needs numpy, and scipy.special if the formula contains J0.

    Raises
    ------
    InputError
        `function` is not a plain identifier.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> print(as_python(parse_expression("sin(t)/2", ["t"]), ["t"], "wave"))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def wave(x):
        # the columns of x: t
        return np.sin(x[:, 0])*(1.0/2.0) + np.zeros(len(x))
    <BLANKLINE>
    """
    check_identifier(function)
    body = node.read_by(_Python(tuple(f"x[:, {k}]" for k in range(len(names))), None))[0]
    imports = "import numpy as np\n"
    if "j0(" in body:
        imports += "from scipy.special import j0\n"
    listed = python_comment(", ".join(names))
    return f"{imports}\n\ndef {function}(x):\n    # the columns of x: {listed}\n    return {body} + np.zeros(len(x))\n"


@typed
def as_c(node: Expression, names: Sequence[str], function: str = "f") -> str:
    """Source of a C99 function `double f(const double *x)` of the inputs of one sample.

    Parameters
    ----------
    node : Expression
        The formula.
    names : sequence of str
        Names of the inputs, listed in a comment.
    function : str
        Name of the function.

    Returns
    -------
    str
        The source. It needs math.h.

    Raises
    ------
    InputError
        `function` is not a plain identifier.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> print(as_c(parse_expression("a**2 + b", ["a", "b"]), ["a", "b"]))
    #include <math.h>
    <BLANKLINE>
    /* x: a, b */
    double f(const double *x)
    {
        return pow(x[0], 2.0) + x[1];
    }
    <BLANKLINE>
    """
    check_identifier(function)
    body = node.read_by(_C(tuple(f"x[{k}]" for k in range(len(names))), None))[0]
    listed = ", ".join(map(c_comment, names))
    head = ""
    if "j0(" in body:
        head = "#define _XOPEN_SOURCE 700\n"
    call = f"double {function}(const double *x)"
    return f"{head}#include <math.h>\n\n/* x: {listed} */\n{call}\n{{\n    return {body};\n}}\n"


def as_stored(node: Expression, inputs: int) -> str:
    """The text of a formula of inputs x1, x2, ..., or x alone, in a file, all numbers as decimals with every digit."""
    return node.read_by(_Stored(check_names(None, inputs), None))[0]


def check_identifier(name: str) -> None:
    """Raise InputError unless `name` can name a function in Python and in C."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(f"function must be a plain identifier, got {name!r}")


def latex_name(name: str) -> str:
    r"""The name of an input for math mode: Greek letters by name, digits after a letter as an index."""
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    if match and (len(match[1]) == 1 or match[1] in GREEK):
        letter = match[1]
        if letter in GREEK:
            letter = rf"\{letter}"
        if match[2]:
            return f"{letter}_{{{match[2]}}}"
        return letter
    if re.fullmatch(r"\[[^\[\]]+\]", name):  # an indicator, in Iverson's brackets
        return rf"\left[{latex_name(name[1:-1])}\right]"
    return rf"\mathrm{{{latex_text(name)}}}"


def exponent_fraction(exponent: float) -> Fraction | None:
    """The fraction p/q with q > 2 that an exponent is, see `as_fraction`; None for others and for short decimals."""
    fraction = as_fraction(exponent)
    if fraction is None or fraction.denominator <= 2 or float(f"{exponent:.4g}") == exponent:
        return None
    return fraction


def base_and_exponent(node: Call) -> tuple[Expression, Expression] | None:
    """The base u and the exponent v of exp(v log u), which is u**v; None for other functions."""
    # A number as exponent stays in the exponential: it is a constant to fit, and an exponent of a power is none.
    bases: list[Expression] = []
    others: list[Expression] = []
    for part in node.argument.multiplicands:
        match part:
            case Call("log", argument):
                bases.append(argument)
            case _:
                others.append(part)
    if node.name != "exp" or len(bases) != 1 or not any(map(used_variables, others)):
        return None
    return bases[0], product_of(others)


def signed(text: str, precedence: int = Precedence.ATOM) -> tuple[str, int]:
    """A text with its precedence, which is that of a sum where it begins with a minus."""
    if text.startswith("-"):
        precedence = Precedence.SUM
    return text, precedence


class _Text:
    """Printer of Python's notation, and base of the other printers: (text, precedence of its outermost sign)."""

    times = "*"
    power_sign = "**"
    constants: Mapping[str, str] = {"pi": "pi", "e": "e"}
    has_bar = False  # whether a fraction bar acts as brackets
    has_powers = True  # whether exp(v log u) is written as a power

    def __init__(self, names: tuple[str, ...], digits: int | None):
        self.names = names
        self.digits = digits

    def variable(self, node: Variable) -> tuple[str, int]:
        if node.index >= len(self.names):
            raise InputError(f"names must have one for each input of the formula, got {len(self.names)}")
        return self.names[node.index], Precedence.ATOM

    def sum(self, node: Add) -> tuple[str, int]:
        """Terms with the signs between them; a sum within a sum stands in brackets."""
        text = ""
        for term in node.terms:
            part = term.read_by(self)[0]
            match term:
                case Add():
                    part = f"({part})"
            if not text:
                text = part
            elif part.startswith("-"):
                text += f" - {part[1:].lstrip()}"
            else:
                text += f" + {part}"
        return text, Precedence.SUM

    def bracketed(self, node: Expression, level: int) -> str:
        """The text of a node, in brackets if its outermost sign has a lower precedence than `level`."""
        text, precedence = node.read_by(self)
        if precedence >= level:
            return text
        return self.in_brackets(text)

    def in_brackets(self, text: str) -> str:
        return f"({text})"

    def number(self, node: Number) -> tuple[str, int]:
        if node.exact is not None:
            return self.closed_form(node.exact)
        if self.digits is None:
            return signed(repr(node.value))
        text = f"{node.value:.{self.digits}g}"
        if "e+" in text and abs(node.value) < 1e7:  # with their zeros, 46000 and not 4.6e+04
            text = f"{float(text):.0f}"
        return signed(text)

    def closed_form(self, exact: Exact) -> tuple[str, int]:
        decimal = _short_decimal(exact)
        if decimal is not None:
            return signed(decimal)
        sign, *parts = _fraction_parts(exact)
        above, below = ([self.unit(part) for part in side] for side in parts)
        top = self.times.join(above)
        precedence = Precedence.ATOM
        if below:
            top = self.fraction(top, below)
        if below or len(above) > 1:
            precedence = Precedence.PRODUCT
        elif self.power_sign in top:
            precedence = Precedence.POWER
        return signed(sign + top, precedence)

    def unit(self, name: str) -> str:
        """A whole number, a constant with a name, or another unit of closed forms, which is a formula of these."""
        if name.isdigit():
            return name
        return self.constants.get(name) or parse_expression(name).read_by(self)[0]

    def product(self, node: Multiply) -> tuple[str, int]:
        # The number, unless it is 1
        sign, size, above, below = _numerator_and_denominator(node)
        parts: list[str] = []
        divisors: list[str] = []
        if size.value != 1 or not above:
            parts.append(self.bracketed(size, Precedence.PRODUCT))
        if parts and below and size.exact is not None and _short_decimal(size.exact) is None:
            # The number's denominator joins that of the product: q/(4*pi*r) instead of 1/(4*pi)*q/r.
            _, top, bottom = _fraction_parts(size.exact)
            parts = [self.unit(part) for part in top if part != "1" or not above]
            divisors = [self.unit(part) for part in bottom]
        # The factors above and below the bar; a sum that stands alone needs no brackets there
        is_alone = bool(below) and not parts and len(above) == 1
        parts += [self.bracketed(part, self.level(is_alone)) for part in above]
        text = self.between(parts).join(parts)
        if below:
            level = self.level(len(below) + len(divisors) == 1)
            text = self.fraction(text, [*divisors, *(self.bracketed(part, level) for part in below)])
        return signed(sign + text, Precedence.PRODUCT)

    def level(self, is_alone: bool) -> int:
        """The least precedence of a factor that needs no brackets, on its side of the fraction bar."""
        if self.has_bar and is_alone:
            return Precedence.SUM
        return Precedence.POWER

    def between(self, factors: Sequence[str]) -> str:
        """The sign of a product of some factors."""
        return self.times

    def fraction(self, top: str, below: Sequence[str]) -> str:
        """A fraction with some factors below its bar."""
        bottom = self.between(below).join(below)
        if len(below) > 1:
            bottom = self.in_brackets(bottom)
        return f"{top}/{bottom}"

    def power(self, node: Power) -> tuple[str, int]:
        exponent = node.exponent
        if exponent == 0.5:
            return f"sqrt({node.base.read_by(self)[0]})", Precedence.ATOM
        if exponent == -1:
            return f"1/{self.bracketed(node.base, Precedence.POWER)}", Precedence.PRODUCT
        fraction = exponent_fraction(exponent)
        if fraction is not None:
            shown = f"({fraction})"
        elif self.digits is None:
            shown = f"{exponent:.15g}"
        else:  # for people six digits, as in LaTeX: a fitted exponent is not known better
            shown = f"{exponent:.6g}"
        return f"{self.bracketed(node.base, Precedence.ATOM)}{self.power_sign}{shown}", Precedence.POWER

    def general_power(self, base: Expression, exponent: Expression) -> str:
        return f"{self.bracketed(base, Precedence.ATOM)}{self.power_sign}{self.bracketed(exponent, Precedence.ATOM)}"

    def call(self, node: Call) -> tuple[str, int]:
        parts = base_and_exponent(node)
        if parts is not None and self.has_powers:
            return self.general_power(*parts), Precedence.POWER
        return self.function(node.name).replace("%s", node.argument.read_by(self)[0]), Precedence.ATOM

    def function(self, name: str) -> str:
        """A call of a function, with %s for the argument."""
        return f"{name}(%s)"


class _Written(_Text):
    """Printer of what a person writes: a b instead of a*b, and x^2."""

    times = " "
    power_sign = "^"


class _Latex(_Text):
    times = " "
    power_sign = "^"
    constants: Mapping[str, str] = {"pi": r"\pi", "e": "e"}
    has_bar = True

    def in_brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def between(self, factors: Sequence[str]) -> str:
        if any("mathrm" in part for part in factors):  # names of several letters need a space
            return r" \, "
        return " "

    def fraction(self, top: str, below: Sequence[str]) -> str:
        return rf"\frac{{{top}}}{{{self.between([top, *below]).join(below)}}}"

    def number(self, node: Number) -> tuple[str, int]:
        text, precedence = super().number(node)
        if node.exact is None and "e" in text:
            digits, exponent = text.split("e")
            return signed(rf"{digits} \cdot 10^{{{int(exponent)}}}", Precedence.PRODUCT)
        return text, precedence

    def power(self, node: Power) -> tuple[str, int]:
        base = node.base
        exponent = node.exponent
        if exponent == 0.5:
            return rf"\sqrt{{{base.read_by(self)[0]}}}", Precedence.ATOM
        if exponent == -1:
            return rf"\frac{{1}}{{{base.read_by(self)[0]}}}", Precedence.PRODUCT
        if exponent < 0:
            return rf"\frac{{1}}{{{self.power(Power(base, -exponent))[0]}}}", Precedence.PRODUCT
        fraction = exponent_fraction(exponent)
        if fraction is None and exponent % 1 == 0.5:
            fraction = Fraction(exponent)
        shown = str(fraction or f"{exponent:g}")
        return f"{self.bracketed(base, Precedence.ATOM)}^{{{shown}}}", Precedence.POWER

    def general_power(self, base: Expression, exponent: Expression) -> str:
        return f"{self.bracketed(base, Precedence.ATOM)}^{{{exponent.read_by(self)[0]}}}"

    def function(self, name: str) -> str:
        return FUNCTIONS[name].latex


class _Python(_Text):
    """Printer of Python source that performs the operations of `evaluate` in the same order."""

    has_powers = False
    root = "np.sqrt(%s)"

    def number(self, node: Number) -> tuple[str, int]:
        if not math.isfinite(node.value):
            raise InputError(f"a formula must hold finite numbers to be written as a program, got {node.value}")
        return signed(repr(float(node.value)))

    def product(self, node: Multiply) -> tuple[str, int]:
        return "*".join(self.bracketed(part, Precedence.POWER) for part in node.factors), Precedence.PRODUCT

    def power(self, node: Power) -> tuple[str, int]:
        # Python raises at powers of floats where numpy, and so `evaluate`, gives infinity, or it gives complex numbers.
        if not used_variables(node) and not math.isfinite(value := constant_value(node)):
            raise InputError(f"a formula must hold finite constants to be written as a program, got {value}")
        exponent = node.exponent
        if exponent < 0:
            text, precedence = self.power(Power(node.base, -exponent))
            if precedence < Precedence.POWER:
                text = self.in_brackets(text)
            return f"1.0/{text}", Precedence.PRODUCT
        if exponent == 1:
            return node.base.read_by(self)
        if exponent == 0.5:
            return self.root.replace("%s", node.base.read_by(self)[0]), Precedence.ATOM
        return self.other_power(node)

    def other_power(self, node: Power) -> tuple[str, int]:
        shown = repr(node.exponent).removesuffix(".0")
        return f"{self.bracketed(node.base, Precedence.ATOM)}**{shown}", Precedence.POWER

    def function(self, name: str) -> str:
        return FUNCTIONS[name].python


class _C(_Python):
    """Printer of C that performs the operations of `evaluate` in the same order."""

    root = "sqrt(%s)"

    def other_power(self, node: Power) -> tuple[str, int]:
        return f"pow({node.base.read_by(self)[0]}, {float(node.exponent)!r})", Precedence.ATOM

    def function(self, name: str) -> str:
        return FUNCTIONS[name].c


class _Stored(_Python):
    """Printer of the text that files keep: `parse_expression` reads the same tree from it, with the same numbers."""

    def number(self, node: Number) -> tuple[str, int]:
        return signed(repr(float(node.value)).replace("inf", "1e999"))  # which Python reads as infinite

    def power(self, node: Power) -> tuple[str, int]:
        return f"{self.bracketed(node.base, Precedence.ATOM)}**{float(node.exponent)!r}", Precedence.POWER

    def function(self, name: str) -> str:
        return f"{name}(%s)"


class _Sympy:
    """Maker of sympy expressions of real symbols; constants with a closed form are exact."""

    def __init__(self, names: Sequence[str]):
        import sympy

        self.names = names
        self.sympy = sympy

    def variable(self, node: Variable) -> sympy.Expr:
        return self.sympy.Symbol(self.names[node.index], real=True)

    def number(self, node: Number) -> sympy.Expr:
        if node.exact is not None:
            p, q, unit = node.exact
            return self.sympy.Rational(p, q) * self.sympy.sympify(unit or "1", locals={"e": self.sympy.E})
        # A fitted factor that is exactly 1 or -1 is better left out than printed as 1.0.
        if node.is_sign:
            return self.sympy.Integer(node.value)
        return self.sympy.Float(node.value, 17)

    def sum(self, node: Add) -> sympy.Expr:
        return self.sympy.Add(*[term.read_by(self) for term in node.terms])

    def product(self, node: Multiply) -> sympy.Expr:
        return self.sympy.Mul(*[factor.read_by(self) for factor in node.factors])

    def power(self, node: Power) -> sympy.Expr:
        exponent = node.exponent
        base = node.base.read_by(self)
        fraction = exponent_fraction(exponent)
        if (2 * exponent) % 1 == 0:
            fraction = Fraction(exponent)
        if fraction is not None:
            return base ** self.sympy.Rational(fraction.numerator, fraction.denominator)
        return base ** self.sympy.Float(exponent, 17)

    def call(self, node: Call) -> sympy.Expr:
        function = getattr(self.sympy, FUNCTIONS[node.name].sympy)
        argument = node.argument.read_by(self)
        if node.name == "besselj0":
            return function(0, argument)
        return function(argument)


def _short_decimal(exact: Exact) -> str | None:
    """The decimal that people write for tenths or hundredths such as 51/10; None for 1/2, 3/4 and others."""
    p, q, unit = exact
    if unit or q not in (10, 20, 25, 50, 100):  # 51/10 is printed 5.1, but 1/2, 3/4 and 8/5 as they are
        return None
    return f"{p / q:.15g}"


def _fraction_parts(exact: Exact) -> tuple[str, list[str], list[str]]:
    """Sign, factors above and factors below the fraction bar of a closed form."""
    p, q, unit = exact
    sign = "-" * (p < 0)
    above = [str(abs(p))] * (abs(p) != 1)
    below = [str(q)] * (q != 1)
    if unit.startswith("1/"):
        below.append(unit.removeprefix("1/"))
    elif unit:
        above.append(unit)
    return sign, above or ["1"], below


def _numerator_and_denominator(node: Multiply) -> tuple[str, Number, list[Expression], list[Expression]]:
    """Sign, size of the number, other factors above and factors below the fraction bar of a product."""
    number = ONE
    above: list[Expression] = []
    below: list[Expression] = []
    for part in node.factors:
        match part, part.below_bar:
            case Number(), _:
                number = number.times(part)
            case _, None:
                above.append(part)
            case _, bottom:
                below.append(bottom)
    if number.value < 0:
        return "-", number.times(MINUS_ONE), above, below
    return "", number, above, below


@typed
def as_sympy(node: Expression, names: Sequence[str]) -> sympy.Expr:
    """Convert a formula to a sympy expression of real symbols; constants with a closed form are exact.

    Parameters
    ----------
    node : Expression
        The formula.
    names : sequence of str
        Names of its variables.

    Returns
    -------
    sympy.Expr
        The same function of symbols that are declared real.

    Raises
    ------
    ImportError
        sympy is not installed.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> as_sympy(parse_expression("cos(pi/3)*x + 1"), ["x"])  # doctest: +SKIP
    x/2 + 1
    """
    return node.read_by(_Sympy(names))
