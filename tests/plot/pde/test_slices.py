"""The drawn values are those of the solution, at points of the domain only."""

import numpy as np
import pytest
import torch
from tests.plot.solutions import PLANE, flow, heat, heat_solution, untrained

from edgewise.plot.pde.slices import residuals_at, slice_of


def test_values_and_errors_on_a_grid():
    solution = untrained(heat(heat_solution))
    shown = slice_of(solution, ["t", "x"], {}, [4, 5])
    assert [line.tolist() for line in shown.ticks] == [[0, 1, 2, 3], [0, 0.5, 1, 1.5, 2]]
    x = torch.tensor([[1.5, 2.0]], dtype=torch.float64)
    assert shown.values[0, 2, 3] == pytest.approx(float(solution(x)[0, 0]), rel=1e-12)
    assert shown.exact[0, 2, 3] == pytest.approx(float(heat_solution(x[:, 0], x[:, 1])), abs=1e-14)
    np.testing.assert_array_equal(shown.error, shown.values - shown.exact)


def test_outside_there_is_nothing():
    shown = slice_of(untrained(PLANE["annulus"]()), ["x", "y"], {}, [21, 21])
    radius = np.hypot(*np.meshgrid(*shown.ticks, indexing="ij"))
    np.testing.assert_array_equal(np.isfinite(shown.values[0]), (radius < 1 + 1e-9) & (radius > 0.5 - 1e-9))
    np.testing.assert_array_equal(np.isfinite(shown.residual), np.isfinite(shown.values))
    assert shown.error is None and shown.exact is None


@pytest.mark.slow
def test_the_residuals_are_those_of_the_equation_in_one_unit():
    solution = untrained(flow())
    x = solution.problem.domain.interior(300, seed=4)
    found = residuals_at(solution, x)
    u, v = solution.fields(x, "x", "y", "xx", "yy")
    for column, written in zip(found.T, (u.xx + v.y, v.yy - u.x, u.x + v.y), strict=True):
        unit = written / column
        torch.testing.assert_close(unit, unit.median().expand(300), rtol=1e-6, atol=0)
