"""The table of equations: a quick run and its continuation, errors against references, the summary."""

import pytest

from edgewise.pde import solve
from edgewise_experiments.pde.pde_table import TARGETS, coefficient_error, summary
from edgewise_experiments.problems.named_equations import EQUATIONS, named_equation


def test_every_equation_has_a_row():
    assert {target.name for target in TARGETS} == {equation.name for equation in EQUATIONS}


@pytest.mark.slow
def test_the_coefficient_is_judged_by_its_standard_error():
    problem = named_equation("inverse-diffusion").make()
    found = coefficient_error(problem, solve(problem, budget=0.005))
    assert found["error"] < 3
    assert found["error"] == pytest.approx(abs(found["coefficient"] - 0.3) / found["standard_error"])
    assert 0.7 < found["efficiency"] < 1.2


def row(problem, error, seed=0, model="solve", **more):
    numbers = {"parameters": 100, "seconds": 9.0, "cpu_seconds": 8.0, "shape": [], **more}
    return {"problem": problem, "model": model, "seed": seed, "error": error, **numbers}


def test_summary():
    rows = [row("heat", 1e-9), row("heat", 3e-8, 1), row("heat", 2e-9, 2), row("burgers", 1e-4), row("wave", None)]
    rows += [row("heat", 1e-5, model="MLP", shape=[10]), row("heat", 1e-6, model="MLP", shape=[20, 20])]
    outcome = summary(rows)
    numbers = outcome.key_figures
    assert numbers["problems that reach the requested error"] == "1 of 3"
    assert numbers["problems that miss it"] == "wave, burgers"
    assert numbers["problems not run"].startswith("poisson, poisson-disk, ")
    assert numbers["seconds of the slowest run"] == "8"
    assert summary([]).tables == ()
    heat, wave, burgers = outcome.tables[1].rows
    assert heat[1:5] == ("2.0e-09", "3.0e-08", "3", "1.0e-07")
    assert wave[1] == "-" and burgers[5].startswith("1e-8")
    assert outcome.tables[2].rows[0] == ("heat", "1.0e-09", *["-"] * 4, "[20,20]", "1.0e-06", "100", "8")
