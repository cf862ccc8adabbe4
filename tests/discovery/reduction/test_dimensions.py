"""Units are read, reduce a law before any model, and are refused where they contradict each other."""

from fractions import Fraction

import pytest

from edgewise.discovery.reduction.dimensions import dimension, dimensional_symmetries
from edgewise.errors import InputError


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


def test_units_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="units must allow a formula for y in 'K', got m in kg, t in s"):
        next(dimensional_symmetries(("m", "t"), {"m": "kg", "t": "s", "y": "K"}))
    assert not list(dimensional_symmetries(("m",), {"m": "kg"}))
