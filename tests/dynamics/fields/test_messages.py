"""Wrong arguments get one sentence that names the argument, what was expected and what came."""

import numpy as np
import pytest

from edgewise.dynamics.fields import find_field_equations
from edgewise.errors import InputError

T, X = np.linspace(0, 1, 20), np.linspace(0, 2, 30)
U = np.sin(X - T[:, None])
UNEVEN = np.concatenate([X[:-1], [2.5]])


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((T[:5], X, U[:5]), {}, r"t must be an axis of at least 16 points, got shape \(5,\)"),
        ((T, UNEVEN, U), {}, "x must rise by even steps, got steps from .*: interpolate the data to an even grid"),
        ((T, X[::-1], U), {}, "x must rise by even steps"),
        ((T, X, U.T), {}, r"u must have the shape \(20, 30\) of the grid \(t, x\), got \(30, 20\)"),
        ((T, X, np.ones_like(U)), {}, "u must vary, got the same number 1 everywhere"),
        ((T, X, np.where(U > 0.9, np.nan, U)), {}, "u must hold finite numbers, got nan"),
        ((T, X, {"x": U}), {}, "u must hold fields with other names than the axes t, x"),
        ((T, {"x": X, "y": X, "z": X}, U), {}, "x must be one axis of space or two by other names than t, got 3"),
        ((T, X, U), {"order": 3}, "order must be 1 or 2, got 3"),
        ((T, X, U), {"evolving": ["w"]}, r"evolving must name fields among u, got \['w'\]"),
        ((T, X, U), {"progress": 3}, "progress must be True, False or a function"),
    ],
)
def test_a_wrong_argument(arguments, options, sentence):
    with pytest.raises(InputError, match=sentence):
        find_field_equations(*arguments, **options)


def test_a_problem_needs_an_equation_for_each_field():
    found = find_field_equations(T, X, {"u": U, "v": np.cos(X - T[:, None])}, evolving=["u"])
    with pytest.raises(InputError, match="a problem must have an equation for each field, got none for v"):
        found.problem()
    with pytest.raises(InputError, match="periodic must name axes among x, got 'y'"):
        find_field_equations(T, X, U).problem(periodic=["y"])
