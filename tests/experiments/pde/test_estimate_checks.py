"""The ablation of the checks: one that is left out gives nothing, and the summary compares verdicts."""

import pytest

from edgewise.pde import solve
from edgewise.pde.solver.judging import evidence
from edgewise_experiments.pde import estimate_checks
from edgewise_experiments.pde.estimate_checks import ALL, CHECKS, ILL_POSED, KNOWN


@pytest.mark.filterwarnings("ignore::edgewise.errors.SolutionWarning")
def test_a_check_is_watched_and_left_out():
    problem = estimate_checks.ill_posed()["contradicting data"]
    gave = []
    check = CHECKS["the smallest singular value"]
    with check.watched(lambda: gave.append(1)):
        assert "not unique" in solve(problem, budget=1e-3).trust
    assert gave
    with check.left_out():
        assert "not unique" not in solve(problem, budget=1e-3).trust
    assert evidence.weakest_direction.__name__ == "weakest_direction"


def test_every_check_is_a_function_of_the_library():
    assert all(callable(getattr(check.owner, check.name)) for check in CHECKS.values())
    assert {case.suite for case in estimate_checks.cases().values()} == {KNOWN, ILL_POSED}


def row(problem, variant, suite=KNOWN, **more):
    numbers = {"error": 1e-9, "estimate": 1e-8, "stopped": "converged", "is_doubted": False, "gave": []}
    return {"problem": problem, "suite": suite, "variant": variant, "seed": 0, "cpu_seconds": 1.0, **numbers, **more}


def test_the_summary_shows_what_changes():
    check, other = list(CHECKS)[:2]
    rows = [row("a", ALL, gave=[check]), row("b", ALL, ILL_POSED, is_doubted=True, gave=[other])]
    rows += [row("a", check, estimate=1e-12), row("b", other, ILL_POSED, is_doubted=True)]
    figures, table, differences = estimate_checks.summary(rows).tables
    assert figures.rows[0] == ("equations", "2") and figures.rows[1][1] == other  # the others were not measured
    assert [line[0] for line in table.rows] == [ALL, *CHECKS]
    assert differences.rows[0][:2] == (check, "a") and "silent" in differences.rows[0][3]
