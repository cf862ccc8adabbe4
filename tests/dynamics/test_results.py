"""What follows from a choice: forecasts, points of rest, conserved quantities, the decision, budgets and errors."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from edgewise import find_dynamics
from edgewise.dynamics import DynamicsSettings, finder
from edgewise.dynamics.choosing import Choice
from edgewise.dynamics.judging import agreement, decision
from edgewise.dynamics.shooting import Course
from edgewise.dynamics.simulation import together
from edgewise.dynamics.smoothing import smooth
from edgewise.errors import InputError
from edgewise.outcomes import Budget, OutOfTime

T = np.linspace(0, 10, 120)


def prey_and_predator(t, x):
    return [1.1 * x[0] - 0.4 * x[0] * x[1], -0.4 * x[1] + 0.1 * x[0] * x[1]]


@pytest.fixture(scope="module")
def lotka_volterra():
    random = np.random.default_rng(1)
    runs = [solve_ivp(prey_and_predator, (0, 10), s, t_eval=T, rtol=1e-9).y.T for s in ([10, 5], [3, 1])]
    noisy = [x * (1 + 0.02 * random.standard_normal(x.shape)) for x in runs]
    return find_dynamics([T, T], noisy, names=["x", "y"])


@pytest.fixture(scope="module")
def logistic():
    x = 4 / (1 + 12 * np.exp(-0.9 * T))
    return find_dynamics(T, x * (1 + 0.03 * np.random.default_rng(0).standard_normal(120)))


@pytest.mark.slow
def test_prey_and_predator(lotka_volterra):
    motion = lotka_volterra
    assert motion.decided and motion.adequate
    # Two points of rest: a saddle and a centre
    points = motion.fixed_points()
    np.testing.assert_allclose([point.state for point in points], [[0, 0], [4, 2.75]], atol=0.1)
    assert [point.stability for point in points] == ["saddle", "centre"]
    # d log x + ... is conserved, with which the samples agree
    conserved = motion.conserved()
    assert "log(x)" in str(conserved) and "log(y)" in str(conserved)
    assert conserved.agrees
    # The forecast from another start is the truth up to the band, which is narrow
    truth = solve_ivp(prey_and_predator, (0, 10), [6, 2], t_eval=T, rtol=1e-9).y.T
    forecast = motion.forecast([6, 2], T)
    np.testing.assert_allclose(forecast.x, truth, atol=0.5)
    assert 0.01 < np.max(forecast.upper - forecast.lower) < 2


def test_a_system_is_printed_with_errors_and_read_as_expressions(logistic):
    assert str(logistic.choice).splitlines()[0] == "x' = a x - b x^2"
    assert "±" in str(logistic.choice)
    assert logistic.systems[0].complexity <= logistic.choice.complexity
    assert any(system is logistic.choice for system in logistic.systems)
    x = np.array([[0.5], [1.0]])
    np.testing.assert_allclose(logistic.choice.rhs(x)[:, 0], 0.9 * x[:, 0] * (1 - x[:, 0] / 4), rtol=0.1)
    assert logistic.choice.rhs(x[0]).shape == (1,)
    assert "x' =" in str(logistic) and logistic.says in str(logistic)


def test_rivals_have_a_start_that_would_decide(logistic):
    assert logistic.rivals
    assert logistic.next_start.shape == (1,)
    assert np.isfinite(logistic.next_start).all()


def test_constants_that_the_data_leave_open_are_not_decided():
    motion = find_dynamics(T, np.exp(-T / 4))
    system = motion.choice
    decided, _ = decision([system], motion.evidence)
    assert decided
    # A rate with a standard error of its own size moves otherwise, without a rival
    decided, start = decision([replace(system, covariance=np.array([[0.06]]))], motion.evidence)
    assert not decided
    assert start.shape == (1,)


@pytest.mark.slow
def test_a_short_run_says_what_would_decide():
    t = np.linspace(0, 4, 60)
    growth = 0.3 * np.exp(0.5 * t) * (1 + 0.05 * np.random.default_rng(0).standard_normal(60))
    motion = find_dynamics(t, growth)
    assert not motion.decided and motion.adequate
    assert motion.says.startswith("These trajectories do not decide between: x' = ")
    assert "measure from a start such as x = " in motion.says


def test_wrong_arguments_of_a_forecast(logistic):
    for arguments, sentence in [
        (([1, 2], T), "x0 must hold 1 finite numbers"),
        (([1], [0.0]), "t must hold two or more increasing times"),
        (([1], T, 1.5), "level must be a probability below 1, got 1.5"),
        ((None, T), "t must begin at the last sample, 10, or later where x0 is None"),
    ]:
        with pytest.raises(InputError, match=sentence):
            logistic.forecast(*arguments)
    for options, sentence in [
        ({"x0": [1.0], "error": -1.0}, "error must be a standard error, or one for each number of x0, got -1.0"),
        ({"x0": [1.0], "error": [0.1, 0.1]}, "error must be a standard error"),
        ({"x0": None, "run": 1}, "run must be the number of a trajectory, 0 to 0, got 1"),
    ]:
        with pytest.raises(InputError, match=sentence):
            logistic.forecast(t=T, **options)


def test_the_error_of_a_start_widens_the_band(logistic):
    exact, sample = (logistic.forecast([1.0], T, error=error) for error in (0.0, 0.1))
    assert exact.lower[0] == exact.upper[0] == 1.0
    assert sample.upper[0, 0] - sample.lower[0, 0] == pytest.approx(2 * 1.645 * 0.1, rel=0.2)
    np.testing.assert_array_equal(exact.x, sample.x)


def test_a_trajectory_goes_on_from_its_last_fitted_state(logistic):
    ahead = logistic.forecast(None, [12.0, 20.0])
    assert ahead.x[1, 0] == pytest.approx(4, abs=0.1)
    at_the_end = logistic.forecast(None, [10.0, 12.0])
    assert at_the_end.x[0, 0] == logistic.evidence.runs[0].states[-1, 0]
    assert 0 < at_the_end.upper[0, 0] - at_the_end.lower[0, 0] < 0.2
    np.testing.assert_allclose(at_the_end.x[1], ahead.x[0], rtol=1e-6)


def test_a_report_holds_equations_constants_and_forecast(logistic):
    html = logistic.report().html
    for text in ("Laws of motion of x", "The constants", "The forecast", "Points of rest", "<svg", "standard error"):
        assert text in html, text


@pytest.mark.slow
def test_states_on_a_line_do_not_decide():
    """Where x is a multiple of y at all samples, x^2 y and x y^2 are the same: only another start tells them apart."""

    def replication(t, x):
        return [x[0] * x[1] - 1.61 * x[0] ** 2 * x[1], x[0] * x[1] - 1.61 * x[0] * x[1] ** 2]

    motion = find_dynamics(T, solve_ivp(replication, (0, 10), [0.3, 0.2], t_eval=T, rtol=1e-10, atol=1e-12).y.T)
    assert not motion.decided and motion.rivals


def test_progress_never_falls_and_a_spent_budget_keeps_the_best():
    shares = []
    x = 4 / (1 + 12 * np.exp(-0.9 * T))
    settings = DynamicsSettings(usual_seconds=0.2)
    motion = find_dynamics(T, x, progress=lambda at: shares.append(at.share), settings=settings)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert motion.stopped == "budget"
    assert motion.messages[-1] == motion.stopped.sentence


def test_coordinates_after_the_time_is_over_are_not_smoothed(monkeypatch):
    smoothed = []

    def slow(*arguments):
        smoothed.append(arguments)
        time.sleep(0.05)
        return smooth(*arguments)

    monkeypatch.setattr(finder, "smooth", slow)
    x = np.column_stack([np.sin(k * T) for k in range(1, 9)])
    with pytest.raises(InputError, match="time_limit must allow a first system"):
        find_dynamics(T, x, time_limit=0.01)
    assert len(smoothed) <= 1


def test_a_search_that_ctrl_c_ends_asks_for_no_decision(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    def simulated(*_, **__):
        raise AssertionError("no trajectory is simulated after Ctrl-C")

    monkeypatch.setattr(Choice, "neighbours", interrupted)
    monkeypatch.setattr(finder, "blows_up", simulated)
    monkeypatch.setattr(finder, "decision", simulated)
    motion = find_dynamics(T, 4 / (1 + 12 * np.exp(-0.9 * T)))
    assert motion.stopped == "interrupted" and not motion.decided and motion.next_start is None
    assert motion.says == "Whether these trajectories decide was not asked, since the search was ended."


@pytest.mark.parametrize("stage", ["blows_up", "decision"])
@pytest.mark.parametrize(("error", "reason"), [(OutOfTime, "time_limit"), (KeyboardInterrupt, "interrupted")])
def test_a_judgement_that_is_ended_keeps_the_choice(monkeypatch, stage, error, reason):
    def ended(*_):
        raise error

    monkeypatch.setattr(finder, stage, ended)
    monkeypatch.setattr(Choice, "moved", lambda self, current: current)
    monkeypatch.setattr(Choice, "neighbours", lambda *_: [])
    motion = find_dynamics(T, np.exp(-T / 4))
    assert motion.choice.lines(3) == ["x' = -0.25 x"]
    assert motion.stopped == reason and motion.messages[-1] == motion.stopped.sentence
    assert not motion.decided and motion.next_start is None


def test_integrations_ask_for_time():
    motion = find_dynamics(T, np.exp(-T / 4), settings=DynamicsSettings(usual_seconds=1e-3))
    kind, law, run = motion.choice.kind, motion.choice.law, motion.evidence.runs[0]
    course = Course.of(run, kind, 2)
    with Budget(0.0).holds():
        with pytest.raises(OutOfTime):
            together(law, kind, run.states[:1], T)
        with pytest.raises(OutOfTime):
            course.linearised(law, run.states, law.theta)


def test_a_search_that_ends_early_has_linear_sums():
    x = 3 * np.exp(-0.4 * T) + 2
    motion = find_dynamics(T, x, settings=DynamicsSettings(usual_seconds=1e-3))
    assert motion.choice.lines(2) == ["x' = -0.4 x + 0.8"]
    assert "No system was fitted to the trajectories yet" in motion.messages[0]
    assert str(motion.choice.constants[0]).startswith("a = ") and "±" not in str(motion.choice)


def test_paths_that_both_leave_all_measure_agree():
    kept = np.arange(3.0)[:, None, None]
    lost = np.where(kept > 1, np.inf, kept)
    with np.errstate(invalid="ignore"):
        assert agreement(kept, kept) == agreement(lost, lost) == [1.0]
        assert agreement(kept, lost) == agreement(lost, kept) == [-np.inf]


def test_one_law_with_open_constants_is_named(logistic):
    motion = replace(logistic, rivals=(), decided=False, adequate=True)
    law = "; ".join(motion.choice.lines(3))
    assert motion.says.startswith(f"Only {law} follows these trajectories, but its constants are too uncertain")


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far():
    def stop(at):
        if at.stage == "terms exchanged":
            raise KeyboardInterrupt

    x = 4 / (1 + 12 * np.exp(-0.9 * T))
    assert find_dynamics(T, x, progress=stop).stopped == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        find_dynamics(T, x, progress=stop, on_interrupt="raise")


def test_ctrl_c_before_the_first_system_says_so():
    def stop(at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="interrupted during smoothing, before there was a first system"):
        find_dynamics(T, 4 / (1 + 12 * np.exp(-0.9 * T)), progress=stop)


@pytest.mark.nightly
def test_standard_errors_are_the_spread_over_draws_of_the_noise():
    truth = 4 / (1 + 12 * np.exp(-0.9 * T))
    deviations = []
    for seed in range(16):
        noisy = truth + 0.05 * np.random.default_rng(seed).standard_normal(120)
        motion = find_dynamics(T, noisy)
        if motion.choice.lines()[0] == "x' = a x - b x^2":
            values = [(c.value - true) / c.error for c, true in zip(motion.choice.constants, (0.9, 0.225), strict=True)]
            deviations.append(values)
    spread = np.std(deviations, axis=0)
    assert len(deviations) > 10
    assert ((spread > 0.7) & (spread < 1.4)).all(), spread


@pytest.mark.slow
def test_a_line_of_points_of_rest_gives_none():
    """Without infected nobody falls ill: every state with I = 0 is at rest, and none of them is isolated."""

    def epidemic(t, x):
        return [-0.9 * x[0] * x[1], 0.9 * x[0] * x[1] - 0.3 * x[1]]

    starts = ([0.99, 0.01], [0.7, 0.3])
    runs = [solve_ivp(epidemic, (0, 10), start, t_eval=T, rtol=1e-10, atol=1e-12).y.T for start in starts]
    motion = find_dynamics([T, T], runs, names=["S", "I"])
    assert len(motion.choice.lines()) == 2
    assert motion.fixed_points() == []
    assert repr(motion).startswith("<Motion of ") and len(repr(motion)) < 300


def test_a_band_is_without_bound_where_its_draws_are_lost():
    """x' = x^2 from 1 is lost at t = 1, at which no number is above it or below."""
    t = np.linspace(0, 0.8, 60)
    motion = find_dynamics(t, 1 / (1 - t))
    assert motion.choice.lines(3) == ["x' = x^2"]
    forecast = motion.forecast([1.0], [0.0, 0.5, 2.0])
    np.testing.assert_array_equal(np.isfinite(forecast.upper - forecast.lower).ravel(), [True, True, False])
    assert forecast.lower[2, 0] == -np.inf and forecast.upper[2, 0] == np.inf
