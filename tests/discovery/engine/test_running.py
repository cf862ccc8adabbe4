"""The engine: reductions are rebuilt and judged on the whole problem, failing stages lose their own results alone."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise.discovery.engine.archive import Archive
from edgewise.discovery.engine.running import Engine, Stages
from edgewise.discovery.problem import FormulaOptions, LawProblem, Reduction
from edgewise.formulas.expression import Call, Multiply, Variable, parse_expression
from edgewise.outcomes import Budget


def problem_of(function, inputs=2, **options):
    x = np.random.default_rng(1).uniform(1, 2, (150, inputs))
    y = function(*x.T)
    return LawProblem(x[:100], y[:100], x[100:], y[100:], tuple("abc"[:inputs]), FormulaOptions(**options))


def reduced_by_a(problem, budget):
    """y/a depends on b alone; true or not."""
    if problem.x.shape[1] == 2:
        smaller = replace(
            problem,
            x=problem.x[:, 1:],
            y=problem.y / problem.x[:, 0],
            held_x=problem.held_x[:, 1:],
            held_y=problem.held_y / problem.held_x[:, 0],
            names=problem.names[1:],
        )

        def rebuild(expression):
            return Multiply((Variable(0), _moved(expression)))

        yield Reduction(smaller, rebuild, "y/a depends on b", 1e-9)


def _moved(expression):
    if isinstance(expression, Variable):
        return Variable(expression.index + 1)
    return expression.with_parts([_moved(part) for part in expression.parts])


def of_sine(problem, budget):
    yield Call("sin", Variable(problem.x.shape[1] - 1))


def test_a_law_of_a_smaller_problem_is_rebuilt():
    archive = Archive(problem_of(lambda a, b: a * np.sin(b)))
    Engine(archive, Budget(), Stages(quick=(of_sine,), reduce=reduced_by_a)).run()
    assert archive.solved.expression == parse_expression("a*sin(b)", "ab")


def test_a_false_reduction_does_no_harm():
    archive = Archive(problem_of(lambda a, b: np.sin(b) + a))
    engine = Engine(archive, Budget(), Stages(quick=(of_sine,), reduce=reduced_by_a))
    engine.run()
    assert archive.solved is None and len(engine.branches) == 2


def test_a_more_accurate_formula_that_is_too_long_is_named():
    problem = problem_of(lambda a, b: a * np.sin(b))
    archive = Archive(replace(problem, options=replace(problem.options, max_size=3)))
    assert archive.judge(parse_expression("2*a", "ab"), "test") is not None
    # A longer one that is worse leaves no sentence.
    archive.judge(parse_expression("exp(3*a + 5)", "ab"), "test")
    assert archive.messages == []
    assert archive.judge(parse_expression("a*sin(b)", "ab"), "test") is None
    (sentence,) = archive.messages
    assert sentence.startswith("A formula of 4 symbols is more accurate") and "max_size=3 left it out" in sentence


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (OverflowError("too large"), "OverflowError"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "MemoryError"),  # as torch words it
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "MemoryError"),
    ],
)
def test_a_failing_stage_is_skipped(error, name):
    def failing(problem, budget):
        yield Variable(0)
        raise error

    archive = Archive(problem_of(lambda a, b: np.sin(b)))
    engine = Engine(archive, Budget(), Stages(quick=(failing,), enumerate=of_sine))
    engine.run()
    assert archive.solved is not None and name in engine.failures[0]


@pytest.mark.parametrize("error", [AttributeError, TypeError, AssertionError, KeyError, RuntimeError])
def test_a_programming_error_inside_a_stage_or_a_rebuilding_is_raised(error):
    def broken(*arguments):
        raise error("a mistake")

    def with_broken_rebuilding(problem, budget):
        yield Reduction(replace(problem, names=("c", "d"), y=problem.y + 1), broken, "y + 1", 0.0)

    problem = problem_of(lambda a, b: np.sin(b) + a)
    for stages in (Stages(quick=(broken,)), Stages(quick=(of_sine,), reduce=with_broken_rebuilding)):
        with pytest.raises(error):
            Engine(Archive(problem), Budget(), stages).run()


def test_an_endless_stage_ends_with_the_clock():
    def endless(problem, budget):
        clocks.append(budget)
        while not budget.is_over:
            yield Variable(0)

    clocks = []
    archive = Archive(problem_of(lambda a, b: np.sin(b) + b**b))
    engine = Engine(archive, Budget(seconds=0.2), Stages(quick=(of_sine,), search=endless))
    engine.run()
    assert clocks and clocks[0].is_over


def test_a_problem_without_inputs_is_a_constant():
    """All inputs went into one monomial: no stage sees a table without columns, which some of them cannot read."""

    def reduced_to_nothing(problem, budget):
        monomial = problem.x[:, 0] / problem.x[:, 1]
        held = problem.held_x[:, 0] / problem.held_x[:, 1]
        smaller = replace(
            problem,
            x=problem.x[:, :0],
            y=problem.y / monomial,
            held_x=problem.held_x[:, :0],
            held_y=problem.held_y / held,
            names=(),
        )
        yield Reduction(smaller, _times_ratio, "y*b/a is constant", 0.0)

    def needs_columns(problem, budget):
        assert problem.x.min() > 0
        yield from ()

    stages = Stages(
        quick=(needs_columns,), reduce=reduced_to_nothing, enumerate=needs_columns, smooth=None, search=None
    )
    engine = Engine(Archive(problem_of(lambda a, b: 3 * a / b)), Budget(), replace(stages, first=()))
    engine.run()
    assert engine.failures == [] and not engine.branches[1].inputs
    assert engine.archive.solved.is_exact and engine.archive.solved.symbols == 5


def _times_ratio(node):
    return Multiply((node, parse_expression("a/b", "ab")))


def test_a_stage_after_a_law_has_no_more_work_than_the_patience():
    problem = problem_of(lambda a, b: 2.5 * a)
    given = []

    def first(problem, budget):
        yield parse_expression("2.4*a", problem.names)

    def long(problem, budget):
        given.append(budget.work_left)
        yield from ()

    whole = Budget.planned(None, 60)
    engine = Engine(Archive(problem), whole, Stages(quick=(first,), enumerate=long))
    engine.run()
    assert engine.archive.solved is not None
    assert given and max(given) < 0.1 * whole.work_left
