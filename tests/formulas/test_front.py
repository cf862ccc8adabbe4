"""Fronts: scores, the choice where no search made one, what is printed, and fidelity to given data."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry, pareto, with_scores

NAMES = ("x",)


def formula(text):
    return Formula(parse_expression(text, NAMES), NAMES)


def compared(*entries, y):
    return Front(with_scores(entries, y), len(y), float(np.var(y)))


def test_the_rule():
    y = np.random.default_rng(0).normal(size=1000)
    exact = [
        FrontEntry(formula("x"), 0.5),
        FrontEntry(formula("sin(x)"), 1e-30),
        FrontEntry(formula("sin(x) + x"), 1e-33),
    ]
    assert str(compared(*exact, y=y).best.formula) == "sin(x)"
    noisy = [FrontEntry(formula("sin(x)"), 0.100), FrontEntry(formula("sin(x) + x"), 0.0995)]
    assert str(compared(*noisy, y=y).best.formula) == "sin(x)"
    better = [FrontEntry(formula("sin(x)"), 0.100), FrontEntry(formula("sin(x) + x"), 0.05)]
    assert str(compared(*better, y=y).best.formula) == "sin(x) + x"


def test_rows_and_fidelity():
    x = np.linspace(0.1, 1, 30)[:, None]
    entry = FrontEntry.from_data(formula("2*x"), x, 2 * x[:, 0])
    assert entry.loss < 1e-30
    far = entry.fidelity(train=(x, 2 * x[:, 0]), outside=(10 * x, 10 * x[:, 0]))
    assert far["train"] == 0.0
    assert far["outside"] > 1
    (row,) = compared(entry, y=2 * x[:, 0]).equations
    assert row["equation"] == "2*x"
    assert row["complexity"] == 3
    np.testing.assert_allclose(row["callable"](x), 2 * x[:, 0])
    assert str(row["sympy"]()) == "2*x"
    assert "2*x" in str(compared(entry, y=2 * x[:, 0]))


def test_held_out_rows_count_together_with_the_others_if_their_number_is_given():
    entries = (FrontEntry(formula("x"), 0.2, 0.10), FrontEntry(formula("sin(x) + x"), 0.1, 0.11))
    assert Front(entries, 200, 1.0).best is entries[0]
    assert Front(entries, 200, 1.0, held_out=20).best is entries[1]


def test_the_print_marks_the_choice_and_says_why():
    y = np.random.default_rng(0).normal(size=1000)
    entries = [
        FrontEntry(formula("x"), 0.5),
        FrontEntry(formula("sin(x)"), 0.25),
        FrontEntry(formula("sin(x) + x"), 0.249),
    ]
    front = Front(tuple(entries), 1000, 1.0)
    lines = str(front).splitlines()
    assert [line[0] for line in lines[1:4]] == [" ", ">", " "] and "75" not in lines[1]
    assert "0.75" in lines[2] and "50 %" in lines[2] and "best balance of length and error" in lines[4]
    assert "those of the 1,000 rows of the search" in lines[5]
    assert [row["chosen"] for row in front.equations] == [False, True, False]
    assert front.equations[1]["r2"] == 0.75 and front.equations[1]["relative_error"] == 0.5
    assert front.best_place == 1 and front[front.best_place] is front.best
    exact = compared(FrontEntry(formula("x"), 0.5), FrontEntry(formula("sin(x)"), 1e-30), y=y)
    assert exact.reason == "the shortest formula that is exact to rounding"
    held_out = Front((FrontEntry(formula("x"), 0.5, validation=0.6),), 200, 1.0, held_out=50)
    assert held_out.reason == "the only formula" and held_out.r_squared(0) == pytest.approx(0.4)
    assert "those of the 50 held-out rows" in str(held_out)
    assert replace(held_out, held_out_variance=2.0).r_squared(0) == pytest.approx(0.7)


def test_the_pareto_front_has_what_is_more_accurate_than_all_that_is_shorter():
    items = [(5, 0.2), (3, 1.0), (3, 0.5), (7, 0.1999), (9, 0.1), (1, 2.0), (8, 0.2)]
    front = pareto(items, size=lambda item: item[0], loss=lambda item: item[1])
    assert front == [(1, 2.0), (3, 0.5), (5, 0.2), (7, 0.1999), (9, 0.1)]
    coarse = pareto(items, size=lambda item: item[0], loss=lambda item: item[1], least_decrease=0.99)
    assert coarse == [(1, 2.0), (3, 0.5), (5, 0.2), (9, 0.1)]
    assert pareto([], size=len, loss=len) == []
