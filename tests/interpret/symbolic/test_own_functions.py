"""Functions of the user's own in a table: formulas take those that their text explains, and name the others."""

import pytest
import torch

from edgewise import KAN, Regression, formula, symbolify
from edgewise.errors import InputError
from edgewise.nn import ELEMENTARY, Elementary
from edgewise.nn.elementary import FunctionTable

SOFTPLUS = Elementary("softplus", torch.nn.functional.softplus, "log(1 + exp(x))", 2)
ERF = Elementary("erf", torch.erf, "erf(x)", 2)
MESSAGE = r"^elementary function 'erf' cannot be written in formulas: .* sqrt, exp, .*, got the function 'erf'$"


def table(row):
    return FunctionTable([*ELEMENTARY.values(), row])


def test_a_function_whose_text_is_known_becomes_a_formula():
    model = KAN([1, 1], 0, functions=[[["softplus"]]], table=table(SOFTPLUS))
    assert str(formula(model, names=["u"])) == "log(1 + exp(u))"


def test_a_function_that_formulas_do_not_know_is_named():
    with pytest.raises(InputError, match=MESSAGE):
        formula(KAN([1, 1], 0, functions=[[["erf"]]], table=table(ERF)))
    x = torch.linspace(-1, 1, 30, dtype=torch.float64)[:, None]
    with pytest.raises(InputError, match=MESSAGE):
        symbolify(KAN([1, 1], dtype=torch.float64), Regression(x, x), table=table(ERF))
