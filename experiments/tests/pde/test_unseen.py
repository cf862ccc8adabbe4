"""The panel of unseen equations: truths agree with classical programs, halves, verdicts and the summary."""

import pytest

from edgewise_experiments.pde.unseen import CLOSED, OPEN, verdict
from edgewise_experiments.problems.unseen_cases import UNSEEN
from edgewise_experiments.problems.unseen_classical import CLASSICAL

BY_NAME = {case.name: case for case in UNSEEN}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kick", "turning point", "saddle tower", "hinged plate"])
def test_a_classical_program_comes_to_the_truth(name):
    method, work = CLASSICAL[name]
    coarse, fine = (work(level)() for level in (1, 4))
    assert fine < 1e-2 * coarse or fine < 1e-8, method


def test_halves_are_a_split():
    assert len(OPEN) == len(CLOSED) == 20 and {*OPEN, *CLOSED} == set(BY_NAME)


def row(problem, error, estimate, **more):
    made = {"problem": problem, "seed": 0, "error": error, "estimate": estimate, "is_doubted": False, "message": ""}
    made = {**made, "stopped": "converged", "seconds_of_solve": 2.0, **more}
    return {**made, "verdict": verdict(BY_NAME[problem], made)}


@pytest.mark.parametrize(
    ("error", "estimate", "is_doubted", "wanted"),
    [
        (1e-8, 1e-12, False, "solved"),
        (1e-4, 4e-5, False, "honest"),
        (0.5, 0.8, False, "far, but honest"),
        (1e-4, 2e-5, False, "estimate too small"),
        (1e-4, 9e-6, False, "wrong silently"),
        (None, 1e-6, False, "wrong silently"),
        (1e-5, 1e-5, True, "false alarm"),
        (1e-5, 1e-6, True, "right doubt"),
        (1e-2, 1.0, True, "right doubt"),
    ],
)
def test_a_verdict_compares_error_estimate_and_doubt(error, estimate, is_doubted, wanted):
    assert row("flame", error, estimate, is_doubted=is_doubted)["verdict"] == wanted


def test_a_statement_without_a_solution_must_be_named():
    doubt = {"is_doubted": True, "message": "The solution is not unique"}
    assert row("free beam", None, 1.0, **doubt)["verdict"] == "named"
    assert row("inflow without outlet", None, 1.0, **doubt)["verdict"] == "doubted"
    assert row("free beam", None, 1e-9)["verdict"] == "accepted"
    assert row("free beam", None, None, stopped="refused", is_doubted=True)["verdict"] == "named"
    assert row("flame", None, None, stopped="refused", is_doubted=True)["verdict"] == "refused"
    assert row("flame", None, None, stopped="crash")["verdict"] == "crash"
