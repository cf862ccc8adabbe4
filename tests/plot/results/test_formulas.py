"""The figure of a front: its dots are the entries, the chosen one is marked, formulas are written and fit."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry, with_scores
from edgewise.plot.results.formulas import formula_front
from edgewise.plot.style import ORANGE, render

NAMES = ("a", "mu", "odd $name_")


def front(*texts, held=False, names=NAMES):
    x = np.random.default_rng(0).uniform(0.5, 2, (100, 3))
    y = x[:, 0] * np.exp(-x[:, 1]) + 1
    entries = [FrontEntry.from_data(Formula(parse_expression(text, ["a", "b", "c"]), names), x, y) for text in texts]
    if held:
        entries = [replace(entry, validation=2 * entry.loss) for entry in entries]
    return Front(with_scores(entries, y), len(y), float(np.var(y)))


def listed(figure):
    return [text.get_text() for text in figure.axes[1].texts] + [patch.get_label() for patch in figure.axes[1].patches]


@pytest.mark.slow
def test_dots_are_the_entries_and_the_best_is_marked():
    found = front("1.2", "0.3*a + 1", "a*exp(-b) + 1.01", "a*exp(-b) + 1 + 0*c", held=True)
    figure = formula_front(found, target="yield")
    dots, rings, mark = figure.axes[0].collections
    np.testing.assert_array_equal(dots.get_offsets()[:, 0], [entry.complexity for entry in found])
    share = np.sqrt(found[0].loss / found.variance)
    assert dots.get_offsets()[0, 1] == pytest.approx(share)
    assert rings.get_offsets()[0, 1] == pytest.approx(share * np.sqrt(2))
    assert mark.get_offsets()[0, 0] == found.best.complexity
    shown = listed(figure)
    assert shown.count("exact") == 1 and r"$\mathrm{yield} = 1.2$" in shown
    marked = [text.get_text() for text in figure.axes[1].texts if text.get_color() == ORANGE]
    assert marked[1] == "exact" and len(marked) == 2
    assert render(formula_front(found), ".svg") == render(formula_front(found), ".svg")
