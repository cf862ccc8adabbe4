"""Genetic programming by the package pyoperon, where it is installed: a last stage for searches that ask for it.

Operon is written in C++ and computes in single precision, so that it looks at many expressions in a second, to seven
digits. It starts from no seeds and knows no rules on nested functions; expressions that break a rule are left out.

References
----------
.. [1] B. Burlacu, G. Kronberger, M. Kommenda, "Operon C++: an efficient genetic programming framework for symbolic
   regression", GECCO companion (2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.errors import InputError
from edgewise.formulas.expression import Expression, parse_expression
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import Budget, spend


@dataclass(frozen=True)
class OperonSettings:
    """Sizes of programs and of runs."""

    steps: int = 3  # Levenberg-Marquardt steps of a program.
    nodes: int = 40  # Nodes of a program, at most: about as many as symbols.
    digits: int = 9  # Digits of constants: more than single precision has.
    evaluations: int = 300_000  # Programs of one run; then the best are yielded and a run with another seed follows.
    work: float = 10.0  # Work of a node of a program for each row, with its steps: C++ in single precision.


SETTINGS = OperonSettings()


def evolved_by_operon(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield the Pareto fronts of runs of pyoperon until the budget is over; a `Stage`."""
    regressor = import_module("pyoperon.sklearn").SymbolicRegressor
    # Names in Operon of the operators that it has.
    names = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "square"}
    names |= {name: name for name in ("sqrt", "abs", "exp", "log", "sin", "cos", "tan", "tanh", "asin", "acos", "atan")}
    symbols = [names[name] for name in problem.options.operators if name in names]
    seed = problem.seed
    while not budget.is_over:
        # One run of genetic programming with two objectives (NSGA-II): accuracy and length.
        run = regressor(
            allowed_symbols=",".join([*symbols, "constant", "variable"]),
            objectives=["r2", "length"],
            optimizer_iterations=SETTINGS.steps,
            max_length=min(problem.options.max_size, SETTINGS.nodes),
            max_evaluations=SETTINGS.evaluations,
            generations=10**6,
            n_threads=1,
            max_time=None if budget.time_limit is None else max(1, math.floor(budget.seconds_left)),
            random_state=seed,
        )
        run.fit(problem.x, problem.y)
        spend(SETTINGS.evaluations * SETTINGS.work * SETTINGS.nodes * len(problem.y))
        seed += 1
        # Its Pareto front, without formulas that break a rule of the options.
        for member in run.pareto_front_:
            text = run.get_model_string(member["tree"], SETTINGS.digits)
            try:
                expression = simplify(read_operon(text, problem.x.shape[1]))
            except InputError:  # A constant that is not finite.
                continue
            if obeys(expression, problem.options, problem.names):
                yield expression


def read_operon(text: str, inputs: int) -> Expression:
    """The expression of a formula that Operon wrote, with the inputs X1, X2, ...."""
    names = [f"X{k + 1}" for k in range(inputs)]
    return parse_expression(text.replace("^", "**"), names)
