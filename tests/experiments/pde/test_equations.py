"""The panel of equations: closed solutions solve them, references, the quick run and the summary."""

import math

import numpy as np
import pytest
import torch
from tests.pde.problem.test_collocation import Known

from edgewise_experiments.pde import equations
from edgewise_experiments.pde.equations import CASES, QUICK, fourier, holds, summary
from edgewise_experiments.runner.store import Store


# The derivatives of scipy's Airy function are not those of torch.
@pytest.mark.parametrize("case", [case for case in CASES if case.name != "Airy"], ids=lambda case: case.name)
def test_closed_solutions_solve_their_equations(case):
    problem = case.make()
    if case.reference is not None:
        assert problem.solution is None
        return
    sampled = problem.resampled(30)
    with torch.no_grad():
        for block in sampled.blocks():
            assert math.sqrt(float(block.loss(Known(sampled), block.data, {}))) < 1e-12, block.name


def test_a_fourier_series_is_that_of_a_heat_equation():
    x, found = fourier(lambda u, wave: -np.fft.ifft(wave**2 * np.fft.fft(u)).real, np.sin, 0.0, 2 * np.pi, 0.5, 128)
    assert np.allclose(found[:, 0], math.exp(-0.5) * np.sin(x[:, 0]), atol=1e-9)
    assert x[-1].tolist() == [pytest.approx(2 * np.pi * 127 / 128), 0.5]


@pytest.mark.slow
def test_quick():
    store = Store(None)
    outcome = equations.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert tuple(row["problem"] for row in store.rows) == QUICK
    assert all(row["error"] < 1e-6 and holds(row) for row in store.rows)
    assert len(outcome.figures["errors"]().axes) == 1


def row(problem, error, estimate, **more):
    numbers = {"parameters": 100, "seconds": 9.0, "cpu_seconds": 8.0, "stopped": "converged", "is_doubted": False}
    return {"problem": problem, "seed": 0, "error": error, "estimate": estimate, **numbers, **more}


def test_summary():
    assert summary([]).tables == ()
    rows = [row("Airy", 1e-9, 1e-9), row("beam", 1e-2, 1e-5), row("Fisher", 1e-4, 1e-8, is_doubted=True)]
    rows.append(row("Lorenz", math.inf, 1e-8))
    figures = summary(rows).key_figures
    assert figures["with an error of at most 1e-6"] == "1" and figures["with an error of at most 1e-3"] == "2"
    assert figures["estimates that hold"] == "3 of 4" and figures["those that do not"] == "beam"
    assert figures["wrong without a word (error above 1e-3, estimate 100 times too small)"] == "1"
    assert figures["seconds of all"] == "32"
