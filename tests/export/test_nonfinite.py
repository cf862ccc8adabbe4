"""Programs are written only for finite numbers: NaN and infinity have no spelling in Python or C."""

import math

import pytest
import torch

from edgewise import KAN
from edgewise.errors import InputError
from edgewise.export import to_c, to_python
from edgewise.formulas.expression import Add, Number, Power, Variable
from edgewise.formulas.formula import Formula


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("write", [Formula.python, Formula.c])
def test_a_formula_with_other_numbers_is_refused(write, value):
    with pytest.raises(InputError, match="a formula must hold finite numbers to be written as a program"):
        write(Formula(Add((Variable(0), Number(value))), ("x",)))


@pytest.mark.parametrize("write", [to_python, to_c])
def test_a_network_with_other_numbers_is_refused(write, tmp_path):
    model = KAN([1, 1], dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].coef[0, 0, 0] = math.nan
    with pytest.raises(InputError, match="model must hold finite numbers to be written as a program"):
        write(model, tmp_path / "program")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", [Power(Number(0.0), -2.0), Power(Number(-2.0), 0.5), Power(Number(1e200), 2.0)])
@pytest.mark.parametrize("write", [Formula.python, Formula.c])
def test_constants_that_are_not_finite_once_they_are_computed(node, write):
    with pytest.raises(InputError, match="must hold finite constants to be written as a program"):
        write(Formula(Add((Variable(0), node)), ("x",)))


@pytest.mark.parametrize("exponent", [math.nan, math.inf, -math.inf])
def test_exponents_are_finite(exponent):
    with pytest.raises(InputError, match="expression must have finite exponents"):
        Power(Variable(0), exponent)
