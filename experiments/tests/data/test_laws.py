"""Laws to be found from samples: read, drawn, and consistent with their units."""

import numpy as np
import pytest

from edgewise.formulas import as_text
from edgewise.formulas.expression import Add, Call, Multiply, Number, Power, Variable
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.laws import ai_feynman, nguyen, random_law

BASE = ("kg", "m", "s", "K", "V")


def powers(unit):
    """The exponents of the base units in a unit."""
    found = np.zeros(len(BASE))
    for word in unit.split() if unit != "1" else []:
        symbol, _, exponent = word.partition("^")
        found[BASE.index(symbol)] += float(exponent or 1)
    return found


def unit_of(node, units):
    """The exponents of the base units in the value of a formula."""
    parts = [unit_of(part, units) for part in node.parts]
    if isinstance(node, Variable):
        return units[node.index]
    if isinstance(node, Number):
        return np.zeros(len(BASE))
    if isinstance(node, Add):
        assert all(np.allclose(part, parts[0]) for part in parts)
        return parts[0]
    if isinstance(node, Multiply):
        return sum(parts)
    if isinstance(node, Power):
        return parts[0] * node.exponent
    assert isinstance(node, Call) and np.allclose(parts[0], 0)
    return parts[0]


def test_lists_are_complete_and_defined():
    laws = ai_feynman()
    assert len(laws) == 120 and sum(name.startswith("B") for name in laws) == 20
    assert set(FEYNMAN_EQUATIONS) - {"II.11.7"} <= set(laws)  # their dimensional forms; II.11.7 is called II.11.17 here
    for law in (*laws.values(), *nguyen().values()):
        x, y = law.sample(20, 0)
        assert x.shape == (20, len(law.names)) and np.isfinite(y).all()
        assert (x >= law.low).all() and (x <= law.high).all()


@pytest.mark.parametrize("name", ai_feynman())
def test_units_agree_with_the_formula(name):
    law = ai_feynman()[name]
    units = [powers(law.units[symbol]) for symbol in law.names]
    assert np.allclose(unit_of(law.expression, units), powers(law.units["y"]))


def test_random_expressions_stay_what_they_are():
    """The grammar and the seeds are fixed: what is drawn today is drawn tomorrow. Open half only."""
    drawn = [as_text(random_law(s).expression, random_law(s).names) for s in (0, 2, 4, 6)]
    assert drawn == ["x1**2", "sin(0.105744*x2*x1)", "(x3 + x1 - 4)*x2", "sqrt(x4 - x3 + x2 + x1)"]
