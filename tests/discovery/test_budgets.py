"""A search rests on counted work: neither the pace of clocks nor other work changes its result, and limits are said."""

import threading
import time

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery import FormulaOptions, finder
from edgewise.outcomes import Budget, spend


def noisy_law(rows=200):
    random = np.random.default_rng(0)
    x = random.uniform(1, 2, (rows, 2))
    return x, np.exp(-x[:, 0]) * np.sin(3 * x[:, 1]) + 0.02 * random.normal(size=rows)


def shown(front):
    return [(str(entry.formula), entry.loss, entry.validation) for entry in front], front.best_place, front.stopped


def set_pace(monkeypatch, pace):
    """Let all clocks run so many times faster than they do."""
    for name in ("monotonic", "perf_counter", "process_time", "time"):
        true = getattr(time, name).__wrapped__ if hasattr(getattr(time, name), "__wrapped__") else getattr(time, name)
        monkeypatch.setattr(time, name, lambda true=true: pace * true())


@pytest.mark.nightly
def test_equal_calls_give_equal_fronts_whatever_the_clocks_and_the_load(monkeypatch):
    monkeypatch.setattr(finder, "USUAL_SECONDS", 0.3)
    x, y = noisy_law()
    fronts = [shown(find_formula(x, y))]
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        fronts.append(shown(find_formula(x, y)))
    finally:
        stop.set()
        busy.join()
    for pace in (10.0, 0.01):
        with monkeypatch.context() as changed:
            set_pace(changed, pace)
            fronts.append(shown(find_formula(x, y)))
    assert all(front == fronts[0] for front in fronts)
    assert fronts[0][2] == "budget"


def test_without_a_limit_in_seconds_the_end_of_the_planned_work_is_said(monkeypatch):
    monkeypatch.setattr(finder, "USUAL_SECONDS", 0.02)
    x, y = noisy_law()
    front = find_formula(x, y)
    sentence = "The planned work is done; a longer time limit plans more."
    assert front.stopped == "budget" and sentence in front.messages
    assert sentence in str(front)


def test_a_limit_in_seconds_that_ends_the_search_is_said(monkeypatch):
    """A clock that jumps: hardly any work is done within the limit."""
    reading = iter(range(10**9))
    monkeypatch.setattr(time, "monotonic", lambda: 0.1 * next(reading))
    x, y = noisy_law()
    front = find_formula(x, y, time_limit=2)
    assert front.stopped == "time_limit" and "The time limit ended the search." in str(front)


def test_a_search_without_a_limit_asks_no_clock_what_to_do(monkeypatch):
    x, y = noisy_law(60)
    monkeypatch.setattr(finder, "USUAL_SECONDS", 0.02)

    def readings(options):
        count = 0

        def counted():
            nonlocal count
            count += 1
            return float(count)

        monkeypatch.setattr(time, "monotonic", counted)
        find_formula(x, y, options=options)
        return count

    assert readings(FormulaOptions()) == readings(FormulaOptions(operators=("+", "*"))) <= 2


def test_parts_of_a_budget_count_into_one_account():
    budget = Budget(work=100.0)
    half = budget.share(0.5)
    few = budget.at_most(10.0)
    with budget.holds():
        spend(10.0)
        assert few.is_over and not half.is_over
        spend(40.0)
        assert half.is_over and budget.work_left == 50.0 and budget.share(1.0).work_left == 50.0
    spend(60.0)  # no budget counts here
    assert not budget.is_over and budget.work == 50.0


def test_a_deadline_that_ends_a_part_is_known_to_the_whole(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = Budget.planned(10.0, usual=60.0)
    part = budget.share(0.5)
    now[0] = 6.0
    assert not budget.is_late and part.is_over and not budget.is_over
    assert budget.is_late and budget.seconds_left == 4.0
