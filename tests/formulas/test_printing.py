"""Printed formulas: text is read back, Python runs, C compiles, and LaTeX has the usual form."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from edgewise.formulas.expression import evaluate, parse_expression
from edgewise.formulas.printing import as_c, as_latex, as_python, as_text
from edgewise.formulas.rewriting import simplify

NAMES = ("x", "y", "theta2")
TEXTS = [
    "exp(-x**2/2)/sqrt(2*pi*y**2)",
    "-2.5*x + 3*x*-y - y*y*x/(x*y)",
    "(x + y)**-2 - (x - (y - 3))*(x + 1)",
    "x**1.5/(x*(y + 1)) + 1/sqrt(y)",
    "asin(x) + acos(y) - atan(theta2) + atanh(x/2)",
    "tanh(x) + sinh(y)*cosh(x) - tan(theta2)",
    "besselj0(20*x) + abs(x - y) + sign(x - 0.5) + log(y)",
    "pi/3*theta2 - 1e-9 + 123456789.123*x",
    "sin(x)**2 + cos(y)**3 - 1/(x**2*y)",
]


def points():
    return np.random.default_rng(0).uniform(0.2, 0.9, (20, 3))


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_back_as_the_same_function(text):
    node = parse_expression(text, NAMES)
    again = parse_expression(as_text(node, NAMES, None), NAMES)
    np.testing.assert_allclose(evaluate(again, points()), evaluate(node, points()), rtol=1e-13)


@pytest.mark.parametrize("text", TEXTS)
def test_python_source_gives_the_same_bits_of_value(text):
    node = parse_expression(text, NAMES)
    scope = {}
    exec(as_python(node, NAMES, "g"), scope)
    np.testing.assert_allclose(scope["g"](points()), evaluate(node, points()), rtol=1e-13, atol=1e-15)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_source_compiles_and_runs(tmp_path):
    nodes = [parse_expression(text, NAMES) for text in TEXTS]
    for k, node in enumerate(nodes):
        (tmp_path / f"f{k}.c").write_text(as_c(node, ["x*/ int y;", "y", "th"], f"f{k}"))
    sources = [str(path) for path in sorted(tmp_path.glob("*.c"))]
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(
        ["cc", *warnings, "-O1", "-shared", "-fPIC", "-o", str(tmp_path / "f.so"), *sources, "-lm"], check=True
    )
    library = ctypes.CDLL(str(tmp_path / "f.so"))
    for k, node in enumerate(nodes):
        function = getattr(library, f"f{k}")
        function.restype = ctypes.c_double
        found = [function((ctypes.c_double * 3)(*row)) for row in points()]
        np.testing.assert_allclose(found, evaluate(node, points()), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x/y", r"\frac{x}{y}"),
        ("1/(x + y)**2", r"\frac{1}{\left(x + y\right)^{2}}"),
        ("sqrt(x)*theta2", r"\sqrt{x} \theta_{2}"),
        ("-0.123456*x", r"-0.1235 x"),
        ("1.5e-7*abs(x)", r"1.5 \cdot 10^{-7} \left|x\right|"),
        ("asin(x) - y", r"\arcsin\left(x\right) - y"),
        ("pi*x", r"\pi x"),
    ],
)
def test_latex(text, latex):
    assert as_latex(parse_expression(text, NAMES), NAMES) == latex


def test_a_text_is_read_back_whatever_the_names():
    wide = "\uff41"  # which Python reads as "a"
    assert parse_expression(as_text(parse_expression("2*x", ["x"]), [wide]), [wide]) == parse_expression("2*x", ["x"])
    names = ["lambda", "mass of car", "x"]
    node = parse_expression("`lambda`*sin(`mass of car`)/x", names)
    text = as_text(node, names, None)
    assert text == "`lambda`*sin(`mass of car`)/x" and parse_expression(text, names) == node


def test_indicators_of_categories_stand_in_their_brackets():
    names = ["area", "[city is Köln]", "[city is Bad Ems]", "[x]y]"]
    node = parse_expression("2*area*[city is Köln] - [city is Bad Ems] + `[x]y]`", names)
    text = as_text(node, names)
    assert text == "2*area*[city is Köln] - [city is Bad Ems] + `[x]y]`"
    assert parse_expression(text, names) == node
    assert r"\left[\mathrm{city\ is\ Köln}\right]" in as_latex(node, names)


def test_rounded_numbers_are_written_with_their_zeros():
    text = "46000.3*a + 12550.1*b"
    assert as_text(parse_expression(text, ["a", "b"]), ["a", "b"], 4) == "46000*a + 12550*b"
    assert as_text(parse_expression("1.5e8*b", ["b"]), ["b"], 4) == "1.5e+08*b"


def test_exponents_are_printed_as_fractions_and_read_again():
    node = parse_expression("x**(1/3) + (x + 1)**(-5/3)", ["x"])
    assert as_text(node, ["x"]) == "x**(1/3) + (x + 1)**(-5/3)"
    assert parse_expression(as_text(node, ["x"]), ["x"]) == node
    assert as_latex(node, ["x"]) == r"x^{1/3} + \frac{1}{\left(x + 1\right)^{5/3}}"


@pytest.mark.parametrize(
    ("text", "shown", "latex"),
    [
        ("exp(y*log(x))", "x**y", "x^{y}"),
        ("3*(x + 1)**(2*y)", "3*(x + 1)**(2*y)", r"3 \left(x + 1\right)^{2 y}"),
        ("exp(-(y + 1)*log(x))", "x**(-(y + 1))", r"x^{-\left(y + 1\right)}"),
        ("exp(-(-x + y))", "exp(x - y)", r"\exp\left(x - y\right)"),
        ("x**(1/3)*x**(2/3)", "x", "x"),
    ],
)
def test_powers_and_signs_are_written_as_people_write_them(text, shown, latex):
    names = ("x", "y")
    node = simplify(parse_expression(text, names))
    assert as_text(node, names) == shown and as_latex(node, names) == latex
    assert simplify(parse_expression(shown, names)) == node
    x = np.random.default_rng(0).uniform(0.5, 2.0, (20, 2))
    np.testing.assert_allclose(evaluate(parse_expression(text, names), x), evaluate(node, x), rtol=1e-14)
