"""The optional engine of genetic programming: how it is asked for, its notation, and a law that it finds."""

from importlib.util import find_spec

import numpy as np
import pytest

from edgewise.discovery.operon import evolved_by_operon, read_operon
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.errors import InputError
from edgewise.formulas import evaluate
from edgewise.outcomes import Budget


def test_an_engine_that_is_unknown_or_missing_is_refused():
    with pytest.raises(InputError, match='engine must be "own" or "operon", got \'pysr\''):
        FormulaOptions(engine="pysr")
    if find_spec("pyoperon") is None:
        with pytest.raises(InputError, match="unless the package pyoperon is installed"):
            FormulaOptions(engine="operon")


def test_formulas_of_operon_are_read():
    text = "(0.5 + (2.0 * ((sin((2.25 * X2)) + X1) ^ 2)))"
    x = np.random.default_rng(0).uniform(size=(9, 2))
    np.testing.assert_allclose(evaluate(read_operon(text, 2), x), 0.5 + 2 * (np.sin(2.25 * x[:, 1]) + x[:, 0]) ** 2)


@pytest.mark.slow
def test_operon_finds_a_law():
    pytest.importorskip("pyoperon")
    x = np.random.default_rng(5).uniform(0.5, 2.0, (100, 2))
    y = 2.3 * np.sin(1.7 * x[:, 0]) + x[:, 1]
    problem = LawProblem(x, y, x, y, ("x", "y"), FormulaOptions(engine="operon"))
    found = list(evolved_by_operon(problem, Budget(seconds=5)))
    assert min(np.std(evaluate(node, x) - y) / np.std(y) for node in found) < 1e-4
