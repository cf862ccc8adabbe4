"""Units are read, reduce a law before any model, and are refused where they contradict each other."""

from fractions import Fraction

import numpy as np
import pytest

from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.discovery.reduction import reductions
from edgewise.discovery.reduction.dimensions import dimension, dimensional_symmetries
from edgewise.errors import InputError
from edgewise.outcomes import Budget


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("kg m/s^2", {"kg": 1, "m": 1, "s": -2}),
        ("N", {"kg": 1, "m": 1, "s": -2}),
        ("m**2 s**-1", {"m": 2, "s": -1}),
        ("km/h", {"m": 1, "s": -1}),
        ("V/m^(1/2)", {"kg": 1, "m": Fraction(3, 2), "s": -3, "A": -1}),
        ("1/s", {"s": -1}),
        ("rad", {}),
        ("person/m2", {"person": 1, "m": -2}),
    ],
)
def test_units_are_powers_of_base_units(unit, expected):
    assert dimension(unit) == expected


@pytest.mark.parametrize("unit", ["kg^", "m//s", "3 m", 5])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(InputError, match="units must be texts"):
        dimension(unit, "m")


def test_units_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="units must allow a formula for y in 'K', got m in kg, t in s"):
        next(dimensional_symmetries(("m", "t"), {"m": "kg", "t": "s", "y": "K"}))
    assert not list(dimensional_symmetries(("m",), {"m": "kg"}))


@pytest.mark.slow
def test_a_law_with_units_has_no_input_with_a_unit_left():
    x = np.random.default_rng(0).uniform(1, 2, (200, 4))
    m, v, c, angle = x.T
    y = m * c**2 * np.sin(angle * v / c)
    units = {"m": "kg", "v": "m/s", "c": "m/s", "angle": "rad", "y": "J"}
    problem = LawProblem(x[:150], y[:150], x[150:], y[150:], ("m", "v", "c", "angle"), FormulaOptions(units=units))
    found = list(reductions(problem, Budget()))
    assert found[-1].sentence in ("y/(m*v**2) depends on c/v and angle", "y/(m*c**2) depends on v/c and angle")
    assert len(found[0].problem.names) == 1
