"""Values, derivatives and constants of programs in batches, against the trees that they come from."""

import numpy as np
import pytest

from edgewise.discovery.evolution.batches import Batch, ScaledFits
from edgewise.discovery.evolution.operations import OperationTable, expression_of, program_of
from edgewise.discovery.evolution.variation import Variation
from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas import evaluate, parse_expression
from edgewise.formulas.constants import free_places
from edgewise.formulas.expression import values_and_derivatives

NAMES = ("x", "y")
TEXTS = (
    "2.5*sin(1.3*x + 0.2) + exp(0.3*y)/x",
    "x*y/(x + 3.3)",
    "sqrt(1.1*x + y**3)",
    "x + y",
    "sin(x)*tanh(0.7*y) - atan(x*y)",
    "x**5 - 1/x**2",
    "2.5*sin(1.3*x + 0.2) + exp(0.3*y)/x",
)
TABLE = OperationTable(2, FormulaOptions())
X = np.random.default_rng(0).uniform(0.5, 2.0, (50, 2))


def programs():
    return [program_of(parse_expression(text, NAMES), TABLE) for text in TEXTS]


def test_a_program_has_the_values_of_its_expression():
    for text, program in zip(TEXTS, programs(), strict=True):
        wanted = evaluate(parse_expression(text, NAMES), X)
        np.testing.assert_allclose(evaluate(expression_of(program, TABLE), X), wanted, rtol=1e-12)


def test_values_and_derivatives_of_a_batch_are_those_of_each_tree():
    batch = Batch(programs(), TABLE, X.T)
    values = batch.values(batch.numbers)
    rows = batch.jacobian(values)
    for k, program in enumerate(programs()):
        tree = expression_of(program, TABLE)
        wanted, derivatives = values_and_derivatives(tree, X)
        np.testing.assert_allclose(values[batch.roots[k]], wanted, rtol=1e-12)
        count = len(program.numbers)
        np.testing.assert_allclose(rows[k, :count], derivatives[:, free_places(tree)].T, rtol=1e-9, atol=1e-12)
        assert not rows[k, count:].any()


def test_every_operation_has_the_derivative_of_its_values():
    u, w, step = np.linspace(0.2, 0.8, 7), np.linspace(0.5, 0.9, 7), 1e-6
    for operation in TABLE.operations:
        arguments = (u, w)[: operation.arity]
        if not arguments:
            continue
        slopes = operation.slopes(*arguments, operation.value(*arguments))
        for place, slope in enumerate(slopes):
            ends = [[a + s * step * (k == place) for k, a in enumerate(arguments)] for s in (1, -1)]
            wanted = (operation.value(*ends[0]) - operation.value(*ends[1])) / (2 * step)
            np.testing.assert_allclose(np.broadcast_to(slope, u.shape), wanted, rtol=1e-6, err_msg=operation.name)


def test_equal_parts_without_constants_are_computed_once():
    same = program_of(parse_expression("sin(x*y) + sin(x*y)", NAMES), TABLE)
    assert Batch([same, same], TABLE, X.T).total == 2 + 3  # inputs, x*y, sin, +


def test_constants_are_fitted_with_factor_and_constant_in_front():
    y = evaluate(parse_expression("3*sin(2.1*x + 0.9) + 7", NAMES), X)
    start = program_of(parse_expression("sin(1.8*x + 0.5)", NAMES), TABLE)
    undefined = program_of(parse_expression("log(x - 9.5)", NAMES), TABLE)
    without = program_of(parse_expression("x", NAMES), TABLE)
    with np.errstate(all="ignore"):
        numbers, losses = ScaledFits(y, np.ones(50)).fitted(Batch([without, start, undefined], TABLE, X.T), 12)
    np.testing.assert_allclose(numbers[:2], [2.1, 0.9], rtol=1e-9)
    assert losses[1] < 1e-20 < losses[0] < 1 and losses[2] == np.inf
    slope = np.polyfit(X[:, 0], y, 1)
    assert losses[0] == pytest.approx(np.var(y - np.polyval(slope, X[:, 0])) / np.var(y))


def test_a_step_that_makes_a_program_worse_is_not_taken():
    y = evaluate(parse_expression("exp(-3.3*x)", NAMES), X)
    rng = np.random.default_rng(1)
    variation = Variation(TABLE, 20, rng)
    many = [variation.new_program() for _ in range(60)]
    fits = ScaledFits(y, np.ones(50))
    with np.errstate(all="ignore"):
        before, after = fits.fitted(Batch(many, TABLE, X.T), 0)[1], fits.fitted(Batch(many, TABLE, X.T), 4)[1]
        numbers = fits.fitted(Batch(many, TABLE, X.T), 4)[0]
        batch = Batch(many, TABLE, X.T)
        again = fits.projected(batch.values(numbers)[batch.roots])[2]
    assert (after <= before * (1 + 1e-12)).all()
    np.testing.assert_allclose(again, after, rtol=1e-9, atol=1e-25)


def test_weights_count_as_repeated_rows():
    y = np.sin(X[:, 0]) + X[:, 1]
    weights = np.where(np.arange(50) < 10, 3.0, 1.0)
    repeated = np.concatenate([np.arange(50), np.arange(10), np.arange(10)])
    program = program_of(parse_expression("exp(0.5*x)", NAMES), TABLE)
    one = ScaledFits(y, weights).fitted(Batch([program], TABLE, X.T), 6)
    two = ScaledFits(y[repeated], np.ones(70)).fitted(Batch([program], TABLE, X[repeated].T), 6)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-6)
    np.testing.assert_allclose(one[1], two[1], rtol=1e-9)
