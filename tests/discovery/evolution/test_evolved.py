"""Genetic search: it finds laws, keeps to options, starts from seeds, and gives the same for the same seed."""

import itertools
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from edgewise.discovery.evolution import evolved
from edgewise.discovery.evolution.operations import OperationTable
from edgewise.discovery.evolution.operon import read_operon
from edgewise.discovery.evolution.variation import Variation
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.errors import InputError
from edgewise.formulas import complexity, evaluate, parse_expression
from edgewise.outcomes import Budget

NAMES = ("x", "y")
FEW = ("+", "-", "*", "/", "sin", "exp")


def law_problem(text, rows=100, weights=None, **options):
    x = np.random.default_rng(5).uniform(0.5, 2.0, (rows, 2))
    y = evaluate(parse_expression(text, NAMES), x)
    return LawProblem(x, y, x, y, NAMES, FormulaOptions(**{"operators": FEW, **options}), weights)


def error(problem, node):
    return np.std(evaluate(node, problem.x) - problem.y) / np.std(problem.y)


@pytest.mark.slow
def test_a_law_with_constants_is_found():
    problem = law_problem("2.3*sin(1.7*x)*y + 0.4")
    found = list(evolved(problem, Budget(deadline=time.monotonic() + 1)))
    assert error(problem, found[-1]) < 1e-8


@pytest.mark.slow
def test_the_search_starts_from_seeds():
    problem = law_problem("2.3*sin(1.7*x + 0.3*y)/(y + 0.9)")
    seed = parse_expression("sin(1.6*x + 0.4*y)/(y + 1.1)", NAMES)
    found = list(itertools.islice(evolved(problem, Budget(deadline=time.monotonic() + 5), [seed]), 40))
    assert min(error(problem, node) for node in found) < 1e-3


@pytest.mark.slow
def test_yields_improve_and_keep_to_the_options():
    problem = law_problem("exp(sin(x*y)) + tanh(x)", max_size=15, nested={"sin": ("sin", "exp")})
    budget = Budget(deadline=time.monotonic() + 0.01)  # it is looked at after some generations of an island
    found = list(evolved(problem, budget))
    assert found and all(obeys(node, problem.options, NAMES) for node in found)
    assert error(problem, found[-1]) < 0.5
    assert {complexity(node) for node in found} <= set(range(16))


@pytest.mark.slow
def test_same_seed_same_search_in_any_number_of_processes():
    runs = [
        list(itertools.islice(evolved(law_problem("exp(sin(x*y)) + x/y", n_jobs=jobs), Budget()), 12))
        for jobs in (1, 1, 2)
    ]
    assert runs[0] == runs[1] == runs[2]


def test_programs_keep_to_size_and_nesting():
    table = OperationTable(2, FormulaOptions(operators=FEW, nested={"sin": ("sin",), "exp": ("exp", "sin")}))
    variation = Variation(table, 12, np.random.default_rng(0))
    programs = [variation.new_program() for _ in range(100)]
    for k in range(400):
        programs.append(variation.child(programs[k], programs[(3 * k) % 100]))
    assert all(len(program) <= 12 and variation.keeps_rules(program) for program in programs)
    assert all(program.codes.count(0) == len(program.numbers) for program in programs)
    assert len({program.codes for program in programs}) > 200


@pytest.mark.parametrize("operators", [("+",), ("sin",), ("/",), ()])
def test_few_operators_raise_nothing(operators):
    problem = law_problem("x + y", operators=operators)
    list(evolved(problem, Budget(deadline=time.monotonic() + 0.003)))


def test_poor_data_raise_nothing():
    x = np.random.default_rng(0).normal(size=(50, 2))
    y = x[:, 0].copy()
    x[3, 0], y[7] = np.nan, np.inf
    for rows in (0, 2, 50):
        list(evolved(LawProblem(x[:rows], y[:rows], x, y, NAMES), Budget(deadline=time.monotonic() + 0.003)))
    assert list(evolved(LawProblem(x, np.ones(50), x, y, NAMES), Budget(deadline=time.monotonic() + 0.003))) == []


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
    problem = replace(law_problem("2.3*sin(1.7*x) + y"), options=FormulaOptions(engine="operon"))
    found = list(evolved(problem, Budget(deadline=time.monotonic() + 5)))
    assert min(error(problem, node) for node in found) < 1e-4
