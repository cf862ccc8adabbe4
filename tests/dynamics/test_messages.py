"""Bad input has one sentence, which names the argument, what was expected and what came."""

import warnings

import numpy as np
import pandas
import pytest

from edgewise import find_dynamics
from edgewise.dynamics.arguments import read_samples
from edgewise.errors import EdgewiseWarning, InputError

T = np.linspace(0, 5, 40)
X = np.exp(-T)
FRAME = pandas.DataFrame({"time": np.tile(T, 2), "run": ["a"] * 40 + ["b"] * 40, "x": np.tile(X, 2), "place": "Bonn"})


def with_nan(count):
    x = X.copy()
    x[:count] = np.nan
    return x


CASES = [
    ((T, X[:-1]), {}, "x must have shape (n,) or (n, d) with a row for each of the 40 times, got (39, 1)"),
    (([T, T], [X]), {}, "x must hold as many trajectories as t, 2, got 1"),
    (([T, T], [X, np.column_stack([X, X])]), {}, "x must have the same 1 column in all trajectories"),
    (([0.0], [1.0]), {}, "x must hold at least 10 samples of each coordinate along a trajectory, got 1 sample of 'x'"),
    (
        ([T, T], [X, with_nan(35)]),
        {},
        "x must hold at least 10 samples of each coordinate along a trajectory, got 5 samples of 'x' of trajectory 2",
    ),
    ((T, np.ones(40)), {}, "x must move: the coordinate 'x' is 1 at all times"),
    ((np.append(T[:-1], T[-2]), X), {}, "t must have each time once in a trajectory, got 4.87179 twice"),
    ((T[::-1], X), {}, "t must increase along a trajectory, got 4.87179 after 5"),
    ((np.append(T[:-1], np.nan), X), {}, "t must hold finite times, got nan"),
    ((T, np.append(X[:-1], np.inf)), {}, "x must hold numbers, or NaN where a sample is missing, got an infinite one"),
    ((T, ["a"] * 40), {}, "x must hold numbers"),
    ((T, X * (1 + 1j)), {}, "x must hold numbers, got array([1."),
    ((None, X), {}, "t must hold numbers, got None"),
    ((T, 1e12 * X), {}, "x must span at most 1,000,000,000 of its unit, got 993,000,000,000 of 'x'; choose a larger"),
    ((T * 1e12, X), {}, "t must span at most 1,000,000,000 of its unit, got 5,000,000,000,000; choose a larger unit"),
    ((T, X), {"names": ["a", "b"]}, "names must hold 1 names"),
    ((T, X), {"run": "id"}, "run must be None where x is no frame"),
    ((T, X), {"order": 3}, "order must be 1 or 2, got 3"),
    ((T, X), {"kind": "stream"}, "kind must be 'flow' or 'map', got 'stream'"),
    ((T, X), {"kind": "map", "order": 2}, "order must be 1 and delays must be empty where kind is 'map'"),
    ((T, X), {"delays": [4]}, "delays must be at most 2.5, half of a trajectory, got 4"),
    (
        (np.append(np.linspace(0, 1, 12), 4), np.arange(13.0)),
        {"delays": [2]},
        "delays must leave at least 10 samples of a trajectory after the longest of them, got 1",
    ),
    ((T, X), {"delays": [-1]}, "delays must be a positive number of the unit of t, got -1"),
    ((T, X), {"units": {"z": "m"}}, "units must name coordinates, inputs or t, got 'z'"),
    ((T, X), {"units": {"x": "m//s"}}, "units must be texts such as 'kg m/s^2', got 'm//s' for x"),
    ((T, X), {"inputs": X}, "inputs must map names to arrays of one number for each time"),
    ((T, X), {"inputs": {"F": X[:-1]}}, "inputs['F'] must hold 40 finite numbers, got shape (39,)"),
    ((T, X), {"inputs": {"F": with_nan(3)}}, "inputs must hold finite numbers, got nan of 'F'"),
    (
        ("time", FRAME.assign(F=np.tile(with_nan(3), 2))),
        {"run": "run", "names": ["x"], "inputs": ["F"]},
        "inputs must hold finite numbers, got nan of 'F' of trajectory 1",
    ),
    ((T, X), {"inputs": {"x": X}}, "names must be different texts for coordinates and inputs"),
    ((T, X), {"time_limit": 0}, "time_limit must be a positive number of seconds, got 0"),
    ((T, X), {"seed": -1}, "seed must be"),
    ((T, X), {"progress": 3}, "progress must be"),
    ((T, X), {"on_interrupt": "stop"}, "on_interrupt must be 'raise' or 'keep', got 'stop'"),
    (("hour", FRAME), {}, "t must be a column of x, got 'hour'"),
    (("time", FRAME), {"run": "runs"}, "run must be a column of x, got 'runs'; did you mean 'run'?"),
    (("time", FRAME), {"run": "run"}, "column 'place' of x must hold numbers; choose the coordinates by names="),
    (("time", FRAME), {"names": ["x"]}, "t must increase along a trajectory, got 0 after 5"),
]


@pytest.mark.parametrize(("data", "options", "sentence"), CASES)
def test_each_mistake_has_a_sentence(data, options, sentence):
    with pytest.raises(InputError) as caught:
        find_dynamics(*data, **options)
    assert str(caught.value).startswith(sentence)


def test_a_trajectory_that_jumps_is_named():
    x = np.where(T > 2.5, X + 3, X)
    with pytest.warns(EdgewiseWarning, match=r"jumps between t = 2.4359 and t = 2.5641; if it was set anew there"):
        samples = read_samples(T, x, None, None, None)
    assert "jumps" in samples.messages[0]


def test_dates_are_days_after_the_first_of_all_trajectories():
    dates = np.datetime64("2026-03-01") + np.arange(40)
    samples = read_samples([dates, dates + 20], [X, X], None, None, None)
    np.testing.assert_array_equal(samples.t, [np.arange(40.0), np.arange(20.0, 60.0)])


def test_frames_in_a_list_are_a_trajectory_each():
    parts = [part.drop(columns="run") for _, part in FRAME.groupby("run")]
    listed = read_samples("time", parts, None, ["x"], None)
    joined = read_samples("time", FRAME, None, ["x"], "run")
    np.testing.assert_array_equal(listed.x, joined.x)
    np.testing.assert_array_equal(listed.t, [T, T])


def test_dates_of_frames_are_days_after_the_first_of_all():
    dates = np.datetime64("2026-03-01") + np.arange(40)
    parts = [pandas.DataFrame({"day": dates + shift, "x": X}) for shift in (0, 20)]
    samples = read_samples("day", parts, None, None, None)
    np.testing.assert_array_equal(samples.t, [np.arange(40.0), np.arange(20.0, 60.0)])


def test_a_fast_start_is_no_jump():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_samples(T, np.exp(-8 * T) + 0.2 * np.exp(-T), None, None, None).messages == []
