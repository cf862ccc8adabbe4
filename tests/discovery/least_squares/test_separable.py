"""Laws of one input with constants inside functions: found in any unit."""

import numpy as np
import pytest

from edgewise.discovery.least_squares.separable import separable_laws
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.formulas.constants import relative_error
from edgewise.formulas.expression import Call, Power, Variable, evaluate, walk
from edgewise.outcomes import Budget

X = Variable(0)
LAWS = {
    "Hill": (lambda x: 12.5 * x**2.7 / (4.3**2.7 + x**2.7), 0.2, 20),
    "Gompertz": (lambda x: 15.2 * np.exp(-6.1 * np.exp(-0.27 * x)), 0, 30),
    "logistic": (lambda x: 870 / (1 + 31.5 * np.exp(-0.43 * x)), 0, 25),
    "Antoine": (lambda x: np.exp(18.5849 - 3984.92 / (x + 233.426)), 10, 100),
    "Planck": (lambda x: 4.2 / x**5 / (np.exp(14387.77 / x) - 1), 1500, 30000),
    "two decays": (lambda x: 22.4 * np.exp(-1.35 * x) + 6.8 * np.exp(-0.12 * x), 0, 24),
    "damped wave": (lambda x: 3.4 * np.exp(-0.085 * x) * np.cos(2.37 * x + 0.4), 0, 20),
    "diode": (lambda x: 2.5 * (np.exp(x / 0.0388) - 1), -0.1, 0.25),
}


def problem_of(name, unit=1.0, **options):
    law, low, high = LAWS[name]
    x = np.random.default_rng(0).uniform(low, high, (400, 1))
    y = law(x[:, 0])
    x = x * unit
    return LawProblem(x[:300], y[:300], x[300:], y[300:], ("x",), FormulaOptions(**options))


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e4])
@pytest.mark.parametrize("name", LAWS)
def test_constants_inside_functions_are_found_in_any_unit(name, unit):
    problem = problem_of(name, unit)
    law = next(separable_laws(problem, Budget()))
    assert relative_error(law, problem.held_x, problem.held_y) < 1e-9


IN_FRONT = {
    "Saha": (lambda x: 2.4e15 * x**1.5 * np.exp(-157821 / x), 4000, 12000),
    "Planck": (lambda x: 4.2 / x**5 / (np.exp(14387.77 / x) - 1), 1500, 30000),
    "Planck by frequency": (lambda x: 1.5 * x**3 / (np.exp(0.8 * x) - 1), 0.1, 20),
}


@pytest.mark.parametrize("name", IN_FRONT)
def test_powers_in_front_of_exponentials_are_found_under_noise_that_makes_targets_negative(name):
    law, low, high = IN_FRONT[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(low, high, (400, 1))
    clean = law(x[:, 0])
    y = clean + 0.02 * clean.std() * rng.standard_normal(400)
    assert y.min() < 0
    laws = list(separable_laws(LawProblem(x[:300], y[:300], x[300:], y[300:], ("x",)), Budget()))
    with_power = [law for law in laws if any(isinstance(part, Power) and part.base == X for part in walk(law))]
    assert min(relative_error(law, x, clean) for law in with_power) < 0.005


def test_functions_that_are_not_permitted_do_not_occur():
    problem = problem_of("Hill", operators=("+", "*", "/", "exp"))
    for law in separable_laws(problem, Budget()):
        assert {part.name for part in walk(law) if isinstance(part, Call)} <= {"exp"}


BADLY_SCALED = {
    "curves that overflow": 1e15 + np.arange(100.0),
    "inputs over many orders": np.logspace(-60, 0, 100),
    "an input of rounding beside others": np.r_[2.7e-17, np.arange(1, 100) / 10],
    "two inputs": np.repeat([1.0, 2.0], 50),
}


@pytest.mark.parametrize("name", BADLY_SCALED)
def test_curves_without_finite_values_are_left_out(name, capfd):
    x = BADLY_SCALED[name][:, None]
    y = np.random.default_rng(0).normal(size=100)
    y[0] = 50.0
    with np.errstate(all="ignore"):
        laws = list(separable_laws(LawProblem(x, y, x, y, ("x",)), Budget()))
        assert all(np.isfinite(evaluate(law, x)).all() for law in laws)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [0.05, -0.3])
def test_growth_and_decay_are_found_in_years(rate):
    x = np.random.default_rng(0).uniform(1900, 2000, (200, 1))
    y = 3 + 2 * np.exp(rate * (x[:, 0] - 1950))
    law = next(separable_laws(LawProblem(x, y, x, y, ("x",)), Budget()))
    assert relative_error(law, x, y) < 1e-9


@pytest.mark.parametrize("rate", [0.437, 1.0])
def test_one_decay_is_not_written_as_two(rate):
    x = np.random.default_rng(0).uniform(0, 5, (200, 1))
    y = 3 + 2 * np.exp(-rate * x[:, 0])
    laws = list(separable_laws(LawProblem(x, y, x, y, ("x",)), Budget()))
    exact = [law for law in laws if relative_error(law, x, y) < 1e-12]
    assert sum(isinstance(part, Call) for part in walk(exact[0])) == 1
