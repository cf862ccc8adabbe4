"""Random statements of equations: a solution, with a doubt or without, or one sentence, within the limit of time.

Each statement is drawn by its number and written as Python, so that a failure shows what to paste. About half of them
are well-posed; others lack conditions, have too many or others, or have coefficients with jumps, poles and signs.
"""

import time
import warnings

import numpy as np
import pytest
import torch

from edgewise import pde
from edgewise.errors import EdgewiseError, EdgewiseWarning
from tests.night import at_night

RUNS = 3
QUICK = (0, 3, 5, 6, 9, 11)  # of the numbers of statements, those with an answer within two seconds
# Each domain: its coordinates, and a principal part of an equation for a field of it.
DOMAINS = {
    "Interval(0, 1)": ("x", ["u.xx", "u.x", "u.xxxx", "0.01*u.xx"]),
    "Interval(-1, 2)": ("x", ["u.xx", "u.x", "u.xxx"]),
    "Box(x=(0, 1), y=(0, 2))": ("xy", ["u.xx + u.yy", "u.xx + u.xy + u.yy", "u.x + u.y", "u.xx - u.yy"]),
    "Disk()": ("xy", ["u.xx + u.yy", "laplacian(u)", "u.xx + 4*u.yy"]),
    "Annulus(0.5, 1)": ("xy", ["u.xx + u.yy", "u.x - u.y"]),
    "LShape()": ("xy", ["u.xx + u.yy"]),
    "Time(0, 1)": ("t", ["u.t", "u.tt"]),
    "Interval(0, 1)*Time(0, 1)": ("xt", ["u.t - u.xx", "u.t + u.x", "u.tt - u.xx", "u.t - 1e-3*u.xx", "u.t + u.xx"]),
    "Box(x=(0, 1), y=(0, 1))*Time(0, 0.2)": ("xyt", ["u.t - u.xx - u.yy", "u.tt - u.xx - u.yy"]),
    "Disk()*Time(0, 0.2)": ("xyt", ["u.t - u.xx - u.yy"]),
    "Box(x=(0, 1), y=(0, 1), z=(0, 1))": ("xyz", ["u.xx + u.yy + u.zz", "laplacian(u)"]),
    "Interval(0, 1)*Parameter('a', 1, 2)": ("xa", ["u.xx", "u.x"]),
}
POLYNOMIALS = ["u", "u**2", "u**3", "u*u.X", "u.X", "u.X**2", "u.XX"]
FUNCTIONS = ["torch.exp(u)", "torch.sin(u)", "torch.abs(u)", "torch.log(u)", "1/u", "torch.sqrt(u)"]
INTEGRAL = "integral(u,0.1,0.2,along='Z')"
TERMS = [*POLYNOMIALS, *FUNCTIONS, "torch.where(u>0.5,u,0*u)", "torch.tanh(10*u)", "u.XY", INTEGRAL]
TERMS_OF_TWO = ["v", "u*v", "v.X", "v**2", "torch.sin(v)", "v.XX"]
NUMBERS = ["1", "-1", "0.1", "-0.1", "10", "1e6", "1e-6", "0", "X", "(1+X**2)"]
JUMPS_AND_POLES = ["torch.where(X>0.3,1.0,2.0)", "torch.abs(X-0.5)", "torch.log(X)", "1/X", "1/(X-0.3)"]
NARROW = ["1e3*torch.exp(-((X-0.3)/1e-3)**2)", "torch.where((X-0.6123).abs()<5e-5,1e4,0.0)"]
COEFFICIENTS = [
    *NUMBERS,
    *JUMPS_AND_POLES,
    *NARROW,
    "torch.exp(-50*X)",
    "torch.sqrt(X)",
    "torch.sin(9*X)",
    "torch.sign(X-0.4)",
]
SMOOTH = ["0.0", "1.0", "-2.0", "1e5", "X", "X**2", "torch.sin(3*X)", "torch.exp(X)"]
VALUES = [*SMOOTH, *NARROW, "torch.abs(X-0.5)", "torch.where(X>0.5,1.0,0.0)", "1/X"]


LINE = "Interval(0, 1)*Time(0, 1)"
EARLIER = [  # statements that raised another error, or a warning of numpy
    f"solve(PDE(lambda u, x: u.t - 1e-3*u.xx, {LINE}, [Neumann(0.0), Initial(lambda x: 1/x)]), time_limit=3)",
    f"solve(PDE(lambda u, t: u.t + u.x + 1/t, {LINE}, [Periodic('x'), Initial(lambda x: x**2)]), time_limit=3)",
    f"solve(PDE(lambda u, t: u.t + u.x + u/(t - 0.3), {LINE}, [Dirichlet(1.0, on='x=0'), Initial(1.0)]), time_limit=3)",
    "solve(PDE(lambda u: u.x - u.y + torch.log(u), Annulus(0.5, 1), []), time_limit=3)",
    "solve(PDE(lambda u: u.t - u.xx - u.yy + torch.sqrt(u), Box(x=(0, 1), y=(0, 1))*Time(0, 0.2), "
    "[Dirichlet(0.0), Initial(lambda t: 0*t), Periodic('x')]), time_limit=3)",
    "solve(PDE(lambda u, y: u.x - u.y + torch.exp(u - 50*y), Annulus(0.5, 1), [Dirichlet(on='inner')]), time_limit=3)",
    "solve(PDE(lambda u, v, x, y: (u.xx + u.yy + torch.sin(9*y), v.xx + v.yy + torch.sign(x - 0.4)*v.xx "
    "+ torch.sin(9*x)*torch.sin(u) + torch.exp(-50*x)*torch.where(v > 0.5, v, 0*v) + 1e-6), LShape(), "
    "[Dirichlet({'u': 1.0, 'v': lambda x, y: torch.exp(y)})]), time_limit=2, budget=0.01)",
    "solve(PDE(lambda u, x, y, t: ((u.t - u.xx - u.yy) + (1/(x-0.3)*torch.sin(u)) + (t*torch.exp(u)) + "
    "(1*u.yt) + (-0.1)), Disk()*Time(0, 0.2), [Neumann(lambda x, y, t: (1/t)), Initial(lambda x, y, t: "
    "(torch.where(x>0.5,1.0,0.0)))]), time_limit=2.0, budget=0.01)",
]


class Statement:
    """A problem as the texts of its equation, domain and conditions, drawn by its number."""

    def __init__(self, number):
        self.draw = np.random.default_rng(number)
        self.domain = self.one(DOMAINS)
        self.names, principal = DOMAINS[self.domain]
        self.pieces = evaluated(self.domain).boundary_names
        self.fields = ("u", "v") if self.chance(0.25) else ("u",)
        residuals = [self.residual(principal, *pair) for pair in (("u", "v"), ("v", "u"))[: len(self.fields)]]
        self.equation = self.function(residuals, self.fields)
        self.conditions = self.drawn_conditions()
        self.seconds = self.one((2.0, 3.0, 5.0))
        self.budget = self.one((0.01, 1.0))

    def __str__(self):
        problem = f"PDE({self.equation}, {self.domain}, [{', '.join(self.conditions)}])"
        return f"solve({problem}, time_limit={self.seconds}, budget={self.budget})"

    def one(self, options):
        return list(options)[self.draw.integers(len(options))]

    def chance(self, share):
        return self.draw.random() < share

    def placed(self, text):
        """A text with coordinates in the place of X and Y."""
        for letter in "XYZ":
            text = text.replace(letter, self.one(self.names))
        return text

    def function(self, results, fields=()):
        """A function of fields and all coordinates."""
        return f"lambda {', '.join((*fields, *self.names))}: ({', '.join(results)})"

    def residual(self, principal, field, other):
        """A principal part, mostly, up to three other terms, and a source."""
        terms = [self.one(principal)] if self.chance(0.9) else []
        table = TERMS + TERMS_OF_TWO if len(self.fields) > 1 else TERMS
        for _ in range(self.draw.integers(0 if terms else 1, 4)):
            terms.append(f"{self.placed(self.one(COEFFICIENTS))}*{self.placed(self.one(table))}")
        terms.append(self.placed(self.one(COEFFICIENTS)))
        swapped = {"u": field, "v": other}
        return " + ".join(
            "".join(swapped.get(c, c) if is_name(term, i) else c for i, c in enumerate(term))
            for term in (f"({term})" for term in terms)
        )

    def value(self):
        value = self.placed(self.one(VALUES))
        return value if is_float(value) else self.function([value])

    def values(self):
        """A value of each field."""
        if len(self.fields) == 1:
            return self.value()
        return f"{{'u': {self.value()}, 'v': {self.value()}}}"

    def on_pieces(self, kind, share=0.4):
        """A condition on the whole boundary, or on some of it."""
        on = ""
        if self.chance(share):
            count = self.draw.integers(1, len(self.pieces) + 1)
            on = f", on={sorted(map(str, self.draw.choice(self.pieces, count, replace=False)))}"
        first = {"Robin": "1.0, 0.5, "}.get(kind, "")
        return f"{kind}({first}{self.values()}{on})"

    def drawn_conditions(self):
        """Values on the boundary and at the first moment; in half of the statements one is missing, odd or too many."""
        conditions = []
        if self.pieces and ("xx" in self.equation or "laplacian" in self.equation):
            conditions.append(self.on_pieces(self.one(["Dirichlet", "Dirichlet", "Neumann", "Robin"]), 0.1))
        elif self.pieces:  # of first order: it comes in at one end
            conditions.append(f"Dirichlet({self.values()}, on='{self.one(self.pieces)}')")
        if "u.xxxx" in self.equation:
            conditions.append(self.on_pieces("Neumann", 0))
        if "t" in self.names:
            rate = f", rate={self.values()}" if ".tt" in self.equation and self.chance(0.9) else ""
            conditions.append(f"Initial({self.values()}{rate})")
        if self.chance(0.15) and conditions:
            conditions.pop(self.draw.integers(len(conditions)))
        if self.chance(0.2) and self.pieces:
            conditions.append(self.on_pieces(self.one(["Dirichlet", "Neumann", "Robin"])))
        if self.chance(0.1):
            conditions.append(f"Periodic('{self.one(self.names)}')")
        if self.chance(0.1) and "x" in self.names:
            conditions.append("Interface('x=0.5')")
        if self.chance(0.1):
            conditions.append(f"Condition({self.function(['u**2 - 1'], self.fields)})")
        return conditions


def is_name(text, place):
    """Whether a letter of a text is a name and no part of one."""
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return not any(c.isalpha() or c == "_" for c in around) and text[place - 1 : place] != "."


def is_float(text):
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def evaluated(text):
    """What a text in Python stands for."""
    return eval(text, {"torch": torch} | {name: getattr(pde, name) for name in pde.__all__})


def fault_of(statement, seconds):
    """What is wrong with the answer to a statement; "" if nothing is. It is late if it is so in each of three runs."""
    for _ in range(RUNS):
        fault, spent = answer_to(statement)
        if fault or spent <= 1.1 * seconds + 2:
            return fault
    return f"{statement}: {spent:.1f} s"


def answer_to(statement):
    """What is wrong with the answer to a statement but its seconds, and these, of the processor."""
    began = time.process_time()
    fault = ""
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            str(evaluated(statement))
    except EdgewiseError as error:
        if "\n" in str(error):
            fault = f"{statement}: {error}"
    except Exception as error:
        fault = f"{statement}: {type(error).__name__}: {error}"
    spent = time.process_time() - began
    raw = [str(one.message) for one in raised if not issubclass(one.category, EdgewiseWarning)]
    return fault or (f"{statement}: {raw[0]}" if raw else ""), spent


@pytest.mark.slow
@pytest.mark.parametrize("number", at_night(*range(200), but=QUICK))
def test_a_random_statement_has_an_answer(number):
    statement = Statement(number)
    assert fault_of(str(statement), statement.seconds) == ""


@pytest.mark.slow
@pytest.mark.parametrize("statement", at_night(*EARLIER, but=EARLIER[:1] + EARLIER[3:5]))
def test_what_had_none_has_one(statement):
    assert fault_of(statement, 3) == ""
