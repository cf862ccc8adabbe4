"""Formulas as text: for people, as LaTeX, and as source in Python and C."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING

from edgewise.errors import InputError
from edgewise.formulas.algebra import split_number
from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power, Variable, children

if TYPE_CHECKING:
    import sympy

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly the outermost sign of a text binds

_C_NAMES = {"abs": "fabs", "besselj0": "j0"}
_LATEX_NAMES = {
    **{name: rf"\{name}" for name in ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh")},
    **{name: rf"\{long}" for name, long in (("asin", "arcsin"), ("acos", "arccos"), ("atan", "arctan"))},
    **{"atanh": r"\operatorname{artanh}", "sign": r"\operatorname{sgn}", "besselj0": "J_0"},
}
_PYTHON_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atanh": "arctanh"}
_GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi"}
_GREEK |= {"pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"}


@dataclass(frozen=True)
class Style:
    """How to write: kind is text, latex, python or c; digits of numbers, None for all of them."""

    kind: str
    names: tuple[str, ...]
    digits: int | None


def as_text(node: Expression, names: Sequence[str], digits: int | None = 6) -> str:
    """In Python's notation with the names of the inputs; `expression.parse` reads it back.

    Names that Python would not take stand in backticks, as in a query of pandas: a column "a b" as `a b`, lambda too.
    """
    shown = tuple(name if name.isidentifier() and not iskeyword(name) else f"`{name}`" for name in names)
    return _write(node, Style("text", shown, digits))[0]


def as_latex(node: Expression, names: Sequence[str], digits: int | None = 4) -> str:
    """As LaTeX in math mode; numbers are rounded to so many significant digits."""
    return _write(node, Style("latex", tuple(latex_name(name) for name in names), digits))[0]


def as_python(node: Expression, names: Sequence[str], function: str = "f") -> str:
    """Source of a Python function of an array (N, inputs) that needs numpy only (and scipy.special for J0).

    Raises:
        InputError: function is no plain identifier.
    """
    _check_identifier(function)
    columns = tuple(f"x[:, {k}]" for k in range(len(names)))
    body = _write(node, Style("python", columns, None))[0]
    imports = "import numpy as np\n" + ("from scipy.special import j0\n" if "j0(" in body else "")
    listed = ", ".join(re.sub(r"[^ -~]", "?", name) for name in names)
    return f"{imports}\n\ndef {function}(x):\n    # the columns of x: {listed}\n    return {body} + np.zeros(len(x))\n"


def as_c(node: Expression, names: Sequence[str], function: str = "f") -> str:
    """Source of a C function of the inputs of one sample, for C99 and its mathematical library.

    Raises:
        InputError: function is no plain identifier.
    """
    _check_identifier(function)
    body = _write(node, Style("c", tuple(f"x[{k}]" for k in range(len(names))), None))[0]
    listed = ", ".join(re.sub(r"[^ -~]|[*/\\?]", "_", name) for name in names)
    head = "#define _XOPEN_SOURCE 700\n" if "j0(" in body else ""
    call = f"double {function}(const double *x)"
    return f"{head}#include <math.h>\n\n/* x: {listed} */\n{call}\n{{\n    return {body};\n}}\n"


def _check_identifier(name: str) -> None:
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(f"function must be a plain identifier, got {name!r}")


def latex_name(name: str) -> str:
    """An input's name in math mode: Greek letters by name, what follows the letters as an index."""
    found = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    if found and (len(found[1]) == 1 or found[1] in _GREEK):
        letter = rf"\{found[1]}" if found[1] in _GREEK else found[1]
        return f"{letter}_{{{found[2]}}}" if found[2] else letter
    return r"\mathrm{" + re.sub(r"([_#$%&{}])", r"\\\1", name.replace("\\", "")).replace(" ", r"\ ") + "}"


def _write(node: Expression, style: Style) -> tuple[str, int]:
    if isinstance(node, Variable):
        return style.names[node.index], ATOM
    if isinstance(node, Number):
        return _number(node, style)
    if isinstance(node, Add):
        return _sum(node, style), SUM
    if isinstance(node, Multiply):
        return _product(node, style)
    if isinstance(node, Power):
        return _power(node.base, node.exponent, style)
    return _function(node.name, _write(node.argument, style)[0], style), ATOM


def _bound(node: Expression, style: Style, level: int) -> str:
    """The text of a node, in brackets where its sign binds less than `level`."""
    text, tightness = _write(node, style)
    if tightness >= level:
        return text
    return rf"\left({text}\right)" if style.kind == "latex" else f"({text})"


def _number(node: Number, style: Style) -> tuple[str, int]:
    if style.kind in ("python", "c"):
        text = repr(float(node.value))
        return text, ATOM if node.value >= 0 else SUM
    if node.exact is not None:
        return _exact(*node.exact, style)
    text = repr(node.value) if style.digits is None else f"{node.value:.{style.digits}g}"
    if style.kind == "latex" and "e" in text:
        digits, exponent = text.split("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}", PRODUCT if node.value > 0 else SUM
    return text, ATOM if node.value >= 0 else SUM


def _exact(p: int, q: int, unit: str, style: Style) -> tuple[str, int]:
    sign, p = ("-" if p < 0 else ""), abs(p)
    over = unit.startswith("1/")
    unit = unit.removeprefix("1/")
    if style.kind == "latex":
        unit = {"pi": r"\pi", "sqrt(pi)": r"\sqrt{\pi}", "sqrt(2*pi)": r"\sqrt{2 \pi}"}.get(
            unit, re.sub(r"sqrt\((\d)\)", r"\\sqrt{\1}", unit)
        )
    join = " " if style.kind == "latex" else "*"
    top = [str(p)] if p != 1 or not unit or over else []
    top = join.join([*top, *([unit] if unit and not over else [])])
    parts = [*([str(q)] if q != 1 else []), *([unit] if over else [])]
    below = join.join(parts)
    if not below:
        return sign + top, SUM if sign else (ATOM if join not in top else PRODUCT)
    if style.kind == "latex":
        return rf"{sign}\frac{{{top}}}{{{below}}}", SUM if sign else PRODUCT
    below = f"({below})" if len(parts) > 1 else below
    return f"{sign}{top}/{below}", SUM if sign else PRODUCT


def _sum(node: Add, style: Style) -> str:
    text = ""
    for term in node.terms:
        part = _bound(term, style, SUM)
        if isinstance(term, Add):
            part = f"({part})"
        text += part if not text else f" - {part[1:].lstrip()}" if part.startswith("-") else f" + {part}"
    return text


def _product(node: Multiply, style: Style) -> tuple[str, int]:
    if style.kind in ("python", "c"):  # the very operations of `evaluate`, in its order
        return "*".join(_bound(part, style, POWER) for part in node.factors), PRODUCT
    factor, rest = split_number(node)
    parts = () if rest is None else rest.factors if isinstance(rest, Multiply) else (rest,)
    above = [part for part in parts if not (isinstance(part, Power) and part.exponent < 0)]
    under = [Power(part.base, -part.exponent) for part in parts if isinstance(part, Power) and part.exponent < 0]
    under = [part.base if part.exponent == 1 else part for part in under]
    sign = "-" if factor.value < 0 else ""
    exact = (abs(factor.exact[0]), *factor.exact[1:]) if factor.exact else None
    size = Number(abs(factor.value), exact)
    join = " " if style.kind == "latex" else "*"
    top = [] if size.value == 1 and above else [_bound(size, style, PRODUCT)]
    alone = not top and len(above) == 1
    latex_over = style.kind == "latex" and under
    top += [_bound(part, style, SUM if latex_over and alone else PRODUCT + 1) for part in above]
    if style.kind == "latex" and any("mathrm" in part for part in top):
        join = r" \, "  # words would run together
    if not under:
        return sign + join.join(top), SUM if sign else PRODUCT
    if style.kind == "latex":
        below = join.join(_bound(part, style, SUM if len(under) == 1 else POWER) for part in under)
        return rf"{sign}\frac{{{join.join(top)}}}{{{below}}}", SUM if sign else PRODUCT
    below = join.join(_bound(part, style, POWER) for part in under)
    below = f"({below})" if len(under) > 1 else below
    return f"{sign}{join.join(top)}/{below}", SUM if sign else PRODUCT


def _power(base: Expression, exponent: float, style: Style) -> tuple[str, int]:
    if style.kind in ("text", "latex") and exponent == 0.5:
        inner = _write(base, style)[0]
        return (rf"\sqrt{{{inner}}}" if style.kind == "latex" else f"sqrt({inner})"), ATOM
    if style.kind == "latex" and exponent < 0:
        return (
            rf"\frac{{1}}{{{_power(base, -exponent, style)[0] if exponent != -1 else _write(base, style)[0]}}}",
            PRODUCT,
        )
    if style.kind == "latex":
        halves = 2 * exponent
        shown = f"{exponent:g}" if exponent % 1 == 0 or halves % 1 else rf"{round(halves)}/2"
        return f"{_bound(base, style, ATOM)}^{{{shown}}}", POWER
    if style.kind == "text":
        if exponent == -1:
            return f"1/{_bound(base, style, POWER)}", PRODUCT
        return f"{_bound(base, style, ATOM)}**{exponent:.15g}", POWER
    return _computed_power(base, exponent, style)


def _computed_power(base: Expression, exponent: float, style: Style) -> tuple[str, int]:
    """As `expression.power` computes it."""
    if exponent < 0:
        inner = _computed_power(base, -exponent, style)
        return f"1.0/{inner[0] if inner[1] >= POWER else f'({inner[0]})'}", PRODUCT
    if exponent == 1:
        return _write(base, style)
    if exponent == 0.5:
        return _function("sqrt", _write(base, style)[0], style), ATOM
    if style.kind == "c":
        return f"pow({_write(base, style)[0]}, {float(exponent)!r})", ATOM
    shown = repr(int(exponent)) if exponent % 1 == 0 else repr(exponent)
    return f"{_bound(base, style, ATOM)}**{shown}", POWER


def _function(name: str, inner: str, style: Style) -> str:
    if style.kind == "c":
        if name == "sign":
            return f"(double)((({inner}) > 0) - (({inner}) < 0))"
        return f"{_C_NAMES.get(name, name)}({inner})"
    if style.kind == "python":
        return f"j0({inner})" if name == "besselj0" else f"np.{_PYTHON_NAMES.get(name, name)}({inner})"
    if style.kind == "latex":
        if name == "abs":
            return rf"\left|{inner}\right|"
        return rf"{_LATEX_NAMES[name]}\left({inner}\right)"
    return f"{name}({inner})"


def _to_sympy(node: Expression, symbols: list[sympy.Symbol]) -> sympy.Expr:
    import sympy

    if isinstance(node, Variable):
        return symbols[node.index]
    if isinstance(node, Number):
        if node.exact is None:
            one = abs(node.value) == 1.0  # a fitted factor that is 1 to the last bit would only stand in the way
            return sympy.Integer(node.value) if one else sympy.Float(node.value, 17)
        p, q, unit = node.exact
        root, pi = sympy.sqrt, sympy.pi
        units = {"": 1, "pi": pi, "sqrt(2)": root(2), "sqrt(3)": root(3), "e": sympy.E, "1/pi": 1 / pi}
        units |= {"sqrt(pi)": root(pi), "1/sqrt(2*pi)": 1 / root(2 * pi)}
        return sympy.Rational(p, q) * units[unit]
    parts = [_to_sympy(part, symbols) for part in children(node)]
    if isinstance(node, Add):
        return sympy.Add(*parts)
    if isinstance(node, Multiply):
        return sympy.Mul(*parts)
    if isinstance(node, Power):
        halves = 2 * node.exponent
        return parts[0] ** (sympy.Rational(round(halves), 2) if halves % 1 == 0 else sympy.Float(node.exponent, 17))
    assert isinstance(node, Call)
    if node.name == "besselj0":
        return sympy.besselj(0, parts[0])
    return {"abs": sympy.Abs}.get(node.name, getattr(sympy, node.name, None))(parts[0])
