"""Features of given functions that are narrower than the points of a solve: found, resolved or doubted."""

import math

import numpy as np
import pytest
import torch

from edgewise.outcomes import Budget
from edgewise.pde import PDE, Box, Dirichlet, Initial, Interface, Interval, Time, diffusion, laplacian, solve
from edgewise.pde.problem.features import (
    look_at_functions,
    missed_features,
    narrow_features,
    resolving,
    within_reach,
)
from edgewise.pde.solver.judging.evidence import Evidence, with_features
from edgewise.pde.solver.network import tensor_network

PLACE = 0.6123
LINE = Interval(0, 1)


def load(width):
    """A load of mass one that is spread over a width."""
    return PDE(lambda u, x: u.xx + torch.where((x - PLACE).abs() < width / 2, 1 / width, 0.0), LINE, [Dirichlet(0.0)])


def gap(width):
    def coefficient(x):
        return torch.where((x - PLACE).abs() < width / 2, width, 1.0)

    return PDE(lambda u: diffusion(u, coefficient), LINE, [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1")])


def pulse(width):
    start = Initial(lambda x: torch.exp(-(((x - PLACE) / width) ** 2)))
    return PDE(lambda u: u.t - u.xx, LINE * Time(0, 0.1), [Dirichlet(0.0), start])


@pytest.mark.parametrize(("problem", "width"), [(load, 1e-4), (load, 2e-5), (gap, 1e-4), (pulse, 2e-4)])
def test_a_narrow_feature_is_found_with_its_place_and_width(problem, width):
    (feature,) = narrow_features(problem(width).form)
    assert feature.axis == 0
    assert feature.place == pytest.approx(PLACE, abs=width / 4)
    assert width / 2 < feature.width < 6 * width


def test_the_time_of_a_call_is_not_that_of_its_points(monkeypatch):
    """On a busy machine a call on few points may take milliseconds, which do not grow with the points."""
    now = 0.0

    def spread(u, x):
        nonlocal now
        now += 0.004
        return u.xx + torch.where((x - PLACE).abs() < 1e-4, 1e4, 0.0)

    monkeypatch.setattr("edgewise.outcomes.time.monotonic", lambda: now)
    with Budget(10.0).holds():
        assert len(narrow_features(PDE(spread, LINE, [Dirichlet(0.0)]).form)) == 1


def test_a_look_for_which_there_was_no_time_is_made_when_there_is():
    form = load(1e-4).form
    with Budget(-1.0).holds():
        assert look_at_functions(form) == ((), ("equation",))
    assert len(look_at_functions(form).features) == 1 and not look_at_functions(form).left_out


def test_a_solution_says_which_functions_were_not_looked_at(monkeypatch):
    """A look at a function that takes long is left out where time is limited: nothing said so."""
    now = 0.0

    def load(u, x):
        nonlocal now
        now += 1e-6 * len(x)
        return u.xx + torch.sin(x)

    problem = PDE(load, LINE, [Dirichlet(0.0)])
    network = tensor_network(problem, 4, 5)
    monkeypatch.setattr("edgewise.outcomes.time.monotonic", lambda: now)
    before = Evidence(1e-3, 1e-9, ("residual",), ())
    with Budget(3.0).holds():
        after = with_features(before, network, problem, 2000)
    assert after.is_sound and after.estimate == 1e-3
    assert "no time to look for narrow features of the given functions (equation)" in after.trust
    assert "narrower than about 0.05 % of the domain" in after.trust
    assert with_features(before, network, problem, 2000) == before


@pytest.mark.parametrize(
    "problem",
    [
        PDE(lambda u, x: u.xx + torch.sin(30 * x) * torch.exp(u), LINE, [Dirichlet(0.0)]),
        PDE(lambda u, x: u.xx + (x - 0.3).abs() + torch.where(x > 0.7, 1.0, 0.0), LINE, [Dirichlet(0.0)]),
        PDE(lambda u, x: u.xx + 1 / (x + 1e-3).sqrt(), LINE, [Dirichlet(0.0)]),
        PDE(lambda u, x: 1e-6 * u.xx + u.x * x, Interval(-1, 1), [Dirichlet(lambda x: x)]),
        PDE(
            lambda u, x, y: laplacian(u) + torch.exp(-1000 * ((x - 0.3) ** 2 + (y - 0.4) ** 2)),
            Box(x=(0, 1), y=(0, 1)),
            [Dirichlet(lambda x, y: torch.sin(50 * x * y))],
        ),
        PDE(lambda u, t: u.t - torch.sin(u) ** 2 - torch.cos(u) ** 2 + 1, Time(0, 1), [Initial(0.0)]),
    ],
    ids=["wave", "kink and jump", "root", "layer", "plane", "rounding"],
)
def test_what_wider_points_see_is_no_narrow_feature(problem):
    assert not narrow_features(problem.form)


SQUARE = Box(x=(0, 1), y=(0, 1))
CENTER = (0.4321, 0.7654)


def disk(x, y):
    return torch.where((x - CENTER[0]) ** 2 + (y - CENTER[1]) ** 2 < 1e-6, 1e6, 0.0)


def box(x, y):
    return torch.where(((x - CENTER[0]).abs() < 1e-3) & ((y - CENTER[1]).abs() < 1e-3), 2.5e5, 0.0)


@pytest.mark.parametrize("spot", [disk, box])
def test_a_spot_of_a_plane_is_found_with_its_place_and_width(spot):
    features = narrow_features(PDE(lambda u, x, y: laplacian(u) + spot(x, y), SQUARE, [Dirichlet(0.0)]).form)
    assert [each.axis for each in features] == [0, 1]
    assert [each.place for each in features] == pytest.approx(CENTER, abs=1e-4)
    assert [each.width for each in features] == pytest.approx([2e-3, 2e-3], rel=0.1)


def test_a_short_thin_curve_of_a_plane_is_no_spot_and_never_resolved_by_few_intervals():
    def curve(x, y):
        inside = ((x - y - 0.1).abs() < 1e-3) & ((x + y - 0.5).abs() < 0.05)
        return torch.where(inside, 1e3, 0.0)

    form = PDE(lambda u, x, y: laplacian(u) + curve(x, y), SQUARE, [Dirichlet(0.0)]).form
    features = narrow_features(form)
    assert {each.axis for each in features} == {0, 1}
    assert all(each.extent > 0.03 and each.width < 5e-3 for each in features)
    points = np.linspace(0, 1, 21)
    assert np.array_equal(resolving(points, features, 0), points)
    assert missed_features(features, [points, points]) == list(features)
    assert not missed_features(features, [np.linspace(0, 1, 1001)] * 2)


def thin_layer(x):
    return torch.where((x > 0.5) & (x < 0.5002), 1e-3, 1.0)


def test_a_thin_layer_between_interfaces_is_no_feature_that_grids_miss():
    """The problem was divided there, and not to be trusted still."""
    ends = [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1")]
    divided = PDE(lambda u: diffusion(u, thin_layer), LINE, [*ends, Interface("x=0.5"), Interface("x=0.5002")])
    assert not narrow_features(divided.form)
    assert len(narrow_features(PDE(lambda u: diffusion(u, thin_layer), LINE, ends).form)) == 1


def test_functions_need_no_value_at_the_ends():
    def inside(u, x):
        if bool(((x <= 0) | (x >= 1)).any()):
            raise ValueError("outside")
        return u.xx + 1 / x.sqrt()

    assert solve(PDE(inside, LINE, [Dirichlet(0.0)])).error_estimate < 1e-8


@pytest.mark.nightly
def test_a_load_on_a_spot_of_a_plane_is_a_force_at_a_point():
    """It was u = 0, with an estimate at rounding. Sines of x and Green's function of y give the force."""
    solution = solve(PDE(lambda u, x, y: laplacian(u) + disk(x, y), SQUARE, [Dirichlet(0.0)]))
    x, y = 0.2, 0.3
    k = np.pi * np.arange(1, 60)
    high = 1 - CENTER[1]
    waves = np.sin(k * x) * np.sin(k * CENTER[0]) * np.sinh(k * y) * np.sinh(k * high)
    exact = math.pi * (2 * waves / (k * np.sinh(k))).sum()
    error = abs(float(solution([[x, y]])[0, 0]) / exact - 1)
    assert error < min(3 * solution.error_estimate, 1e-3)


def test_a_narrow_bump_is_solved_to_the_tolerance():
    width = 2e-5
    bump = PDE(lambda u, x: u.xx + torch.exp(-(((x - PLACE) / width) ** 2)) / width, LINE, [Dirichlet(0.0)])
    solution = solve(bump)
    x = np.array([[0.1], [0.4], [0.9]])
    exact = math.sqrt(math.pi) * np.where(x < PLACE, x * (1 - PLACE), PLACE * (1 - x))
    assert np.abs(solution(x) - exact).max() < 1e-9


@pytest.mark.slow
def test_a_narrow_gap_of_a_coefficient_is_doubted():
    """Its flux is continuous, and an equation in strong form does not say so: u was x, with an estimate of 4e-15."""
    solution = solve(gap(1e-4))
    assert solution.trust.startswith("Not to be trusted")
    assert "jumps near x = 0.612" in solution.trust


@pytest.mark.slow
def test_a_short_impulse_is_not_stepped_over():
    place = 6.123
    impulse = PDE(lambda u, t: u.t + u - torch.where((t - place).abs() < 1e-4, 5e3, 0.0), Time(0, 10), [Initial(0.0)])
    solution = solve(impulse)
    exact = 5e3 * (math.exp(1e-4) - math.exp(-1e-4)) * math.exp(-(10 - place))
    assert float(solution([[10.0]])[0, 0]) == pytest.approx(exact, rel=1e-8)


def test_a_grid_that_resolves_features_is_taken_within_reach_alone():
    lines = [np.linspace(0, 1, 5)] * 2
    finer = [np.linspace(0, 1, 9)] * 2
    assert [len(line) for line in within_reach(lines, finer, 3, 144)] == [9, 9]
    assert [len(line) for line in within_reach(lines, finer, 3, 143)] == [5, 5]
