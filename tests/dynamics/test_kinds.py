"""Second order, maps, delays, inputs, frames, missing samples, irregular times and units."""

import numpy as np
import pandas
import pytest
from scipy.integrate import solve_ivp

from edgewise import find_dynamics
from edgewise.discovery.reduction.dimensions import Dimensions, dimension
from edgewise.dynamics.terms import library
from edgewise.formulas.expression import parse_expression, used_variables

T = np.linspace(0, 10, 120)


def solved(right_hand_side, start, t=T):
    return solve_ivp(right_hand_side, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-12, max_step=0.1).y.T


@pytest.mark.slow
def test_a_second_order_law_is_found_from_positions_alone():
    x = solved(lambda t, x: [x[1], -0.3 * x[1] - 2 * x[0]], [1, 0])[:, 0]
    motion = find_dynamics(T, x, order=2, names=["x"])
    assert motion.choice.lines(4) == ["x'' = -2 x - 0.3 x'"]
    assert motion.forecast([1.0], T).x[-1, 0] == pytest.approx(x[-1], abs=1e-4)


def test_a_chaotic_map_is_found_through_noise():
    x = [0.3]
    for _ in range(99):
        x.append(3.7 * x[-1] * (1 - x[-1]))
    noisy = np.array(x) + 0.005 * np.random.default_rng(0).standard_normal(100)
    motion = find_dynamics(np.arange(100.0), noisy, kind="map")
    assert motion.choice.left_sides == ("x(n + 1)",)
    constants = [constant.value for constant in motion.choice.constants]
    np.testing.assert_allclose(constants, [3.7, 3.7], rtol=0.01)


@pytest.mark.slow
def test_a_delay_of_known_length_is_found():
    # The method of steps of order two, with a history of 0.5
    step, lag, count = 0.005, 400, 5000
    x = np.full(lag + count, 0.5)
    for i in range(lag, lag + count - 1):
        before, after = x[i - lag], x[i + 1 - lag]
        slope = 1.2 * x[i] * (1 - before)
        x[i + 1] = x[i] + step / 2 * (slope + 1.2 * (x[i] + step * slope) * (1 - after))
    rows = np.arange(lag, lag + count, 25)
    motion = find_dynamics((rows - lag) * step, x[rows], delays=[2.0])
    assert motion.choice.lines(2) == ["x' = 1.2 x - 1.2 x x(t - 2)"]


def delayed(slope, lag, count, step=0.01, start=0.5):
    """Heun's method of steps with a constant history of `lag` steps, which comes first."""
    x = np.full(lag + count, start)
    for i in range(lag, lag + count - 1):
        first = slope(x[i], x[i - lag])
        x[i + 1] = x[i] + step / 2 * (first + slope(x[i] + step * first, x[i + 1 - lag]))
    return x


def test_productions_are_terms_of_delayed_coordinates_alone():
    columns = np.random.default_rng(0).uniform(0.5, 2, (50, 2))
    usual = {term.shape for term in library(columns, None)}
    productions = {term.shape for term in library(columns, None, 1)} - usual
    assert len(productions) == 2
    assert all(set(used_variables(form)) == {1} for form in productions)


@pytest.mark.slow
def test_a_delay_with_noise_has_no_term_too_many():
    """Errors of smoothed delayed samples add up along a trajectory: a small constant stood for them."""
    x = delayed(lambda x, past: -1.2 * past, 100, 1300)[::10]
    motion = find_dynamics(np.arange(140) * 0.1, x + 0.004 * np.random.default_rng(1).normal(size=140), delays=[1.0])
    assert len(motion.choice.law.theta) == 1
    assert motion.choice.law.theta[0] == pytest.approx(-1.2, abs=0.02)
    assert motion.decided


@pytest.mark.slow
def test_the_feedback_of_mackey_and_glass_is_found():
    x = delayed(lambda x, past: 2 * past / (1 + past**6) - x, 200, 2800)[::15]
    noisy = x + 0.01 * x.std() * np.random.default_rng(2).normal(size=200)
    motion = find_dynamics(np.arange(200) * 0.15, noisy, delays=[2.0])
    assert motion.choice.lines(1) == ["x' = -x + 2 x(t - 2)/(x(t - 2)^6 + 1)"]


def test_an_input_acts_on_the_motion():
    force = np.sin(1.3 * T)
    x = solved(lambda t, x: [-0.7 * x[0] + 2 * np.sin(1.3 * t)], [1.0])
    motion = find_dynamics(T, x, inputs={"F": force})
    assert motion.choice.lines(2) == ["x' = -0.7 x + 2 F"]
    np.testing.assert_allclose(motion.forecast([1.0], T, inputs={"F": force}).x, x, atol=1e-3)


@pytest.mark.slow
def test_a_frame_gives_the_same_as_arrays():
    irregular = np.sort(np.random.default_rng(0).uniform(0, 6, (2, 60)), axis=1)
    runs = [start / (start + (1 - start) * np.exp(-t)) for start, t in zip((0.1, 2.0), irregular, strict=True)]
    frame = pandas.DataFrame(
        {"time": irregular.ravel(), "id": ["a"] * 60 + ["b"] * 60, "height": np.concatenate(runs), "note": "fine"}
    )
    by_frame = find_dynamics("time", frame, run="id", names=["height"])
    by_arrays = find_dynamics(list(irregular), runs, names=["height"])
    assert by_frame.choice.lines(3) == by_arrays.choice.lines(3) == ["height' = height - height^2"]
    assert by_frame.choice.law.theta.tobytes() == by_arrays.choice.law.theta.tobytes()


@pytest.mark.slow
def test_missing_samples_count_nothing():
    x = solved(lambda t, x: [0.9 * x[0] * (1 - x[0] / 4)], [0.3])
    holes = x.copy()
    holes[::7] = np.nan
    motion = find_dynamics(T, holes)
    assert motion.choice.lines(3) == ["x' = 0.9 x - 0.225 x^2"]


def test_units_leave_out_functions_and_sums_that_have_none():
    allow = Dimensions([dimension("m"), dimension("m"), dimension("kg")]).allow
    names = ["x", "y", "m"]
    assert allow(parse_expression("x**2*m", names))
    assert allow(parse_expression("sin(x/y)", names))
    assert allow(parse_expression("exp(0.5*x)", names))
    assert not allow(parse_expression("sin(x)", names))
    assert not allow(parse_expression("sin(x - m)", names))
    assert not allow(parse_expression("m/(x + m)", names))


def test_units_leave_out_terms_of_a_law():
    motion = find_dynamics(T, np.exp(-T / 2), names=["x"], units={"x": "m", "t": "s"})
    texts = [line for system in motion.systems for line in system.lines(3)]
    assert motion.choice.lines(3) == ["x' = -0.5 x"]
    assert not any("sin(x)" in text or "exp(x)" in text for text in texts)
