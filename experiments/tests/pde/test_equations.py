"""The panel of equations: closed solutions solve them, references, the quick run and the summary."""

import math

import numpy as np
import pytest
import torch
from tests.pde.problem.test_collocation import Known

from edgewise_experiments.pde.equations import BY_NAME, summary
from edgewise_experiments.problems.cases import fourier
from edgewise_experiments.problems.new_cases import PUBLISHED, laurent_series


# The derivatives of scipy's Airy function are not those of torch.
@pytest.mark.parametrize("case", [case for case in BY_NAME.values() if case.name != "Airy"], ids=lambda case: case.name)
def test_closed_solutions_solve_their_equations(case):
    problem = case.make()
    if case.reference is not None:
        assert problem.form.solution is None
        return
    assert problem.form.solution is not None
    sampled = problem.resampled(30)
    with torch.no_grad():
        for block in sampled.blocks():
            assert math.sqrt(float(block.loss(Known(sampled), block.data, {}))) < 1e-12, block.name


def test_a_fourier_series_is_that_of_a_heat_equation():
    x, found = fourier(lambda u, wave: -np.fft.ifft(wave**2 * np.fft.fft(u)).real, np.sin, 0.0, 2 * np.pi, 0.5, 128)
    assert np.allclose(found[:, 0], math.exp(-0.5) * np.sin(x[:, 0]), atol=1e-9)
    assert x[-1].tolist() == [pytest.approx(2 * np.pi * 127 / 128), 0.5]


def row(problem, error, estimate, **more):
    numbers = {"parameters": 100, "seconds": 9.0, "cpu_seconds": 8.0, "stopped": "converged", "is_doubted": False}
    return {"problem": problem, "seed": 0, "error": error, "estimate": estimate, **numbers, **more}


def test_summary():
    assert summary([]).tables == ()
    rows = [row("Airy", 1e-9, 1e-9), row("beam", 1e-2, 1e-5), row("Fisher", 1e-4, 1e-8, is_doubted=True)]
    rows.append(row("Lorenz", math.inf, 1e-8))
    rows.append(row("orbit", 1e-7, 1e-7))
    rows.append(row("wave (Wave1d-C)", 1e-2, 1e-1))
    rows.append(row("heat around holes (Heat2d-CG)", 1e-1, 1.0))
    outcome = summary(rows)
    figures = outcome.key_figures
    assert figures["cases of PINNacle with an error below its best method's"] == "1 of 2"
    assert [row[8] for row in outcome.tables[1].rows[-2:]] == ["9.8e-02, NTK", "2.4e-02"]
    assert len(PUBLISHED) == 15 and set(PUBLISHED) <= set(BY_NAME)
    assert figures["with an error of at most 1e-6"] == "2" and figures["with an error of at most 1e-3"] == "3"
    assert figures["estimates that hold"] == "6 of 7" and figures["those that do not"] == "beam"
    assert figures["wrong without a word (error above 1e-3, estimate 100 times too small)"] == "1"
    assert figures["seconds of all"] == "56"


def test_a_laurent_series_fulfils_the_conditions_on_circles():
    points, coarse = laurent_series(16, 8)
    same, fine = laurent_series(24, 12)
    assert np.array_equal(points, same) and np.abs(coarse - fine).max() < 1e-4
    assert fine.min() > 0 and fine.max() < 1
