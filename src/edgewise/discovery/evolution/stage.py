"""Fourth stage of the formula search: genetic programming from everything that the other stages found.

Several islands evolve programs by crossover and mutation. Constants are fitted by Levenberg-Marquardt, hundreds of
programs at once (`batches`), and sizes that are rare in a population are preferred, so that short and long formulas are
searched alike. After some generations the best of each size move to the next island.

Within ten CPU seconds no law needed this stage; within sixty three of a hundred random expressions are found by it
alone, and some laws that no stage finds come up to eight times nearer: docs/formulas-found.md, under "Measured".

References
----------
.. [1] M. Cranmer, "Interpretable machine learning for science with PySR and SymbolicRegression.jl", arXiv:2305.01582
   (2023): islands, tournaments that prefer rare sizes, the oldest are replaced.
.. [2] B. Burlacu, G. Kronberger, M. Kommenda, "Operon C++: an efficient genetic programming framework for symbolic
   regression", GECCO companion (2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

import numpy as np

from edgewise.discovery.evolution.islands import OFFSPRING, POPULATION, Breeder, Island
from edgewise.discovery.evolution.operations import OperationTable, Program, expression_of, program_of
from edgewise.discovery.evolution.operon import evolved_by_operon
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.algebra import simplify
from edgewise.formulas.expression import Add, Expression, Multiply, Number, complexity, evaluate
from edgewise.outcomes import Budget, spend

ISLANDS = 2  # their number does not depend on the processes, so that neither does the result.
GENERATIONS = 5  # Between two migrations.
# Rows at which programs are fitted, without and with noise: enough for a dozen constants, and quick.
SEARCH_ROWS = 100
NOISY_SEARCH_ROWS = 256
MOST_PROGRAM_NODES = 40  # Nodes of a program, at most: about as many as symbols.
SEEDS = 100  # Expressions to start from, at most: the shortest.
BETTER = 0.9  # An expression is yielded if its loss is below this times that of all yielded ones that are no longer.
DONE_LOSS = 1e-20  # Share of the variance at which nothing is left to search: errors of 1e-10.


def evolved(problem: LawProblem, budget: Budget, seeds: Sequence[Expression] = ()) -> Iterator[Expression]:
    """Search expressions by genetic programming until the budget is over.

    Parameters
    ----------
    problem : LawProblem
        The rows to fit, and what the law may be made of. With `options.n_jobs` above 1 islands run in so many processes
        of the package joblib. With `options.engine` "operon" that package searches, see `evolved_by_operon`.
    budget : Budget
        When to stop; without a limit the search goes on until the consumer stops asking.
    seeds : sequence of Expression
        Expressions to start from.

    Yields
    ------
    Expression
        Expressions that are better than all that were yielded before and are no longer, with fitted constants.

    Notes
    -----
    The islands see the same random numbers whatever the number of processes, and more work only makes the same search
    go on.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(0.5, 2.0, (60, 1))
    >>> y = 2 * x[:, 0] + 1
    >>> found = next(evolved(LawProblem(x, y, x, y, ("x",)), Budget()))
    >>> bool(np.abs(evaluate(found, x) - y).max() < 1e-9)
    True
    """
    if problem.options.engine == "operon":
        yield from evolved_by_operon(problem, budget)
        return
    x, y, weights = problem.random_rows(NOISY_SEARCH_ROWS if problem.noise > 0 else SEARCH_ROWS, stream=4)
    if len(y) < 3 or not x.shape[1] or np.ptp(y) == 0:
        return
    table = OperationTable(x.shape[1], problem.options)
    breeder = Breeder(table, min(problem.options.max_size, MOST_PROGRAM_NODES), np.ascontiguousarray(x.T), y, weights)
    made = [program_of(simplify(seed), table) for seed in sorted(seeds, key=complexity)]
    first = [program for program in dict.fromkeys(made) if program is not None][:SEEDS]  # the table may not express all
    best: dict[int, float] = {}
    for islands in _epochs(problem, breeder, first, budget):
        losses = {program: loss for island in islands for loss, program in island.front()}
        for program, loss in sorted(losses.items(), key=lambda pair: (len(pair[0]), pair[1])):
            if loss >= BETTER * min((best[n] for n in best if n <= len(program)), default=np.inf):
                continue
            expression = simplify(_with_factor(program, table, x, y, weights))
            if obeys(expression, problem.options, problem.names):
                # Not before: sqrt(u^2) is simplified to |u|, which the options may not permit.
                best[len(program)] = loss
                yield expression
        budget.announce(f"search: {min(best.values(), default=1.0) ** 0.5:.1e} relative error")
        if min(best.values(), default=1.0) < DONE_LOSS and problem.noise == 0:
            return


def _epochs(problem: LawProblem, breeder: Breeder, seeds: Sequence[Program], budget: Budget) -> Iterator[list[Island]]:
    """The islands after every few generations, with migrants from one to the next."""
    numbers = range(ISLANDS)
    if problem.options.n_jobs == 1:
        islands = []
        for number in numbers:
            islands.append(breeder.founded(problem.seed, number, seeds[number::ISLANDS] if number else seeds))
            if budget.seconds_left <= 0:
                break
        spend(breeder.work(POPULATION * ISLANDS))
        yield islands
        while not budget.is_over:
            for number, island in enumerate(islands):
                islands[number] = breeder.generations(island, GENERATIONS)
                if budget.seconds_left <= 0:
                    break
            spend(breeder.work(OFFSPRING * GENERATIONS * ISLANDS))
            yield islands
            _migrate(islands)
        return
    joblib = import_module("joblib")
    with joblib.Parallel(n_jobs=problem.options.n_jobs) as parallel:
        founded = joblib.delayed(breeder.founded)
        islands = parallel(founded(problem.seed, n, seeds[n::ISLANDS] if n else seeds) for n in numbers)
        spend(breeder.work(POPULATION * ISLANDS))
        yield islands
        while not budget.is_over:
            islands = parallel(joblib.delayed(breeder.generations)(island, GENERATIONS) for island in islands)
            spend(breeder.work(OFFSPRING * GENERATIONS * ISLANDS))
            yield islands
            _migrate(islands)


def _migrate(islands: list[Island]) -> None:
    """Copies of the best programs of each island join the next one."""
    fronts = [island.front() for island in islands]
    for number, island in enumerate(islands):
        for loss, program in fronts[number - 1]:
            island.programs.append(program)
            island.losses.append(loss)


def _with_factor(
    program: Program, table: OperationTable, x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> Expression:
    """The expression of a program with the factor and the constant that fit the target best."""
    expression = expression_of(program, table)
    root = np.sqrt(weights)
    columns = np.column_stack([evaluate(expression, x), np.ones(len(x))])
    factor, constant = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
    return Add((Multiply((Number(float(factor)), expression)), Number(float(constant))))
