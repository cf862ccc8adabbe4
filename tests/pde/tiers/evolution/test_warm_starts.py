"""Integrations in time whose solution of a like problem is given: they need none, and refuse what is not like."""

import numpy as np
import pytest
import torch
from tests.night import at_night

from edgewise.pde import PDE, Initial, Interval, Periodic, Time, solve


def growth(k):
    return PDE(lambda u: u.t - k * u, Time(0, 1), [Initial(1.0)])


def ring(k):
    conditions = [Periodic("x"), Initial(lambda x: torch.sin(x))]
    return PDE(lambda u: u.t + k * u * u.x - 0.1 * u.xx, Interval(0, 2 * np.pi) * Time(0, 0.5), conditions)


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "parameters"), [(growth, (1.0, 2.0)), *at_night((ring, (1.0, 1.02)))])
def test_a_like_solution_changes_nothing(problem, parameters):
    start, wanted = map(problem, parameters)
    warm = solve(wanted, tolerance=1e-4, start=solve(start, tolerance=1e-4))
    cold = solve(wanted, tolerance=1e-4)
    x = wanted.domain.interior(200)
    assert warm.stopped == cold.stopped == "converged"
    assert torch.equal(warm(x), cold(x))
