"""What a tensor grid takes from a statement: the mean of a field that a condition gives."""

import pytest

from edgewise.pde import PDE, Box, Condition, Interval, Neumann, integral
from edgewise.pde.spaces.grid_problem import NoGrid, recognised

PLATE = Box(x=(-1, 2), y=(0, 0.5))  # of area 1.5


def with_condition(condition):
    """Poisson's equation between walls, of which a condition is given beside them."""
    walls = [Neumann(0.0), Condition(condition, on="x=-1")]
    return recognised(PDE(lambda u, x: u.xx + u.yy + x - 0.5, PLATE, walls).form)


@pytest.mark.parametrize(("weight", "level"), [(1.0, 3.0), (-0.25, 3.0), (40.0, -7.0), (2.0, 0.0)])
def test_a_mean_that_a_condition_gives_fixes_the_constant(weight, level):
    constant = with_condition(lambda u: weight * integral(u, over=PLATE) - level).constant
    assert constant.value == pytest.approx(level / weight / 1.5, rel=1e-13, abs=1e-15)


@pytest.mark.filterwarnings("ignore:.* there are . conditions")
@pytest.mark.parametrize(
    "condition",
    [
        lambda u: integral(u, over=PLATE, integrand=lambda u, x, y: u * (1 + 1e-6 * x)),
        lambda u: integral(u, over=PLATE, integrand=lambda u, x, y: u * (x - 0.5)),
        lambda u: integral(u, over=PLATE, integrand=lambda u, x, y: u + 1e-3 * u**2),
        lambda u: integral(u, over=Box(x=(-1, 1), y=(0, 0.5))),
        lambda u: integral(u, over=Interval(-1, 2)),
        lambda u: integral(u, over=PLATE) + integral(u, over=Interval(-1, 2)),
        lambda u: integral(u, over=PLATE) + u.x,
        lambda u: (integral(u, over=PLATE), 2 * integral(u, over=PLATE)),
        lambda u, y: integral(u, over=PLATE) - y,
    ],
    ids=[
        "a kernel",
        "a kernel of mean zero",
        "a square",
        "a part",
        "a line",
        "two integrals",
        "a slope beside it",
        "two residuals",
        "a level that varies",
    ],
)
def test_other_integrals_are_no_mean(condition):
    with pytest.raises(NoGrid):
        with_condition(condition)
