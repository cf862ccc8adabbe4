"""One vocabulary of stop reasons and one progress object."""

import io
import json
import logging
import math
import subprocess
import sys
import textwrap
import threading
import time
from threading import Event

import pytest

from edgewise.errors import InputError
from edgewise.listeners import check_progress, reported
from edgewise.native import NativeThread, interruptible, native_call_goes_on
from edgewise.outcomes import (
    Budget,
    OutOfTime,
    OutOfWork,
    Progress,
    StopReason,
    check_on_interrupt,
    check_time,
    foreseen,
)
from edgewise.presentation import clock_text, duration_text


@pytest.mark.parametrize("reason", StopReason)
def test_each_reason_is_a_plain_word_with_a_sentence(reason):
    assert json.loads(json.dumps({"stopped": reason})) == {"stopped": reason.value}
    assert reason.sentence[0].isupper() and reason.sentence.endswith(".")


def test_a_callback_must_be_callable():
    check_progress(None)
    check_progress(print)
    with pytest.raises(InputError, match=r"^progress must be a function of one Progress or None, got 3$"):
        check_progress(3)


def test_time_left_is_proportional_to_the_rest():
    assert Progress("x", share=0.5, seconds=10.0).seconds_left == 10.0
    assert Progress("x", share=1.0, seconds=10.0).seconds_left == 0.0
    assert math.isfinite(Progress("x", share=0.0, seconds=1.0).seconds_left)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (90, "90 s"), (91, "2 min"), (3600, "60 min"), (3700, "1 h 10 min"), (1e4, "2 h 50 min")],
)
def test_durations_are_rounded_up(seconds, text):
    assert duration_text(seconds) == text


def test_the_upper_bound_is_named_so_and_comes_when_the_pace_is_known():
    assert clock_text(Progress("a", 0.5, seconds=1.0)) == "0:01"
    assert clock_text(Progress("a", 0.5, seconds=65.0)) == "1:05, at most 65 s more"


def test_what_ctrl_c_does_is_one_of_two_words():
    with pytest.raises(InputError, match="on_interrupt must be 'raise' or 'keep', got 'stop'"):
        check_on_interrupt("stop")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_on_terminals_and_nothing_in_a_pipe(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, logger="edgewise")  # other packages may have turned the log on
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # another test may have run a notebook
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with reported(True, "solve") as report:
            assert (report is not None) is shown
            if report is not None:
                report(Progress("grid 10", 0.25))
        assert ("solve [#####...............] 0:00  grid 10" in stream.getvalue()) is shown
    assert stream.getvalue() == ""


def test_stages_are_logged_once_under_the_name_of_the_package(caplog):
    seen = []
    with caplog.at_level(logging.INFO, logger="edgewise"), reported(seen.append, "fit") as report:
        for share in (0.1, 0.2):
            report(Progress("grid 3", share))
    assert [record.name for record in caplog.records] == ["edgewise", "edgewise"] and len(seen) == 2
    assert caplog.messages[0] == "fit: grid 3 (10 %, 0:00)" and "ended after" in caplog.messages[1]


def test_a_deadline_holds_for_all_that_is_called_and_ends_with_its_block():
    budget = Budget(seconds=100.0)
    with budget.holds():
        check_time()
        budget.time_limit = -1.0
        with pytest.raises(OutOfTime):
            check_time()
    assert budget.is_late
    check_time()


def test_work_that_would_end_late_does_not_begin(monkeypatch):
    now, begun = [5.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Budget(seconds=100.0).holds():
        for work in (1.0, 10.0, 80.0, 20.0):
            try:
                with foreseen("factors", work):
                    begun.append(work)
                    now[0] += work
            except OutOfTime:
                break
        with foreseen("others", 80.0):  # whose pace is not known
            begun.append("others")
    assert begun == [1.0, 10.0, 80.0, "others"]
    assert now[0] == pytest.approx(96.0)


def test_native_code_is_left_when_the_time_is_over():
    budget, ended = Budget(seconds=100.0), Event()

    def long():
        budget.time_limit = -1.0
        ended.wait(10)
        return 1

    with budget.holds(), pytest.raises(OutOfTime):
        interruptible(long)
    ended.set()
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 / 0)


def test_a_warning_that_is_an_error_reaches_the_caller_and_the_thread_goes_on():
    def warn(kept):
        raise RuntimeWarning("singular")  # as warnings.warn does with the filter "error"

    thread = NativeThread()
    with pytest.raises(RuntimeWarning, match="singular"):
        thread(warn)
    assert thread(lambda kept: 42) == 42


def test_what_a_thread_keeps_is_made_used_and_freed_there():
    class Factors:
        def __init__(self):
            places.append(threading.get_ident())

        def solve(self):
            places.append(threading.get_ident())

        def __del__(self):
            places.append(threading.get_ident())
            freed.set()

    places, freed = [], Event()
    thread = NativeThread()
    thread(lambda kept: kept.append(Factors()))
    thread(lambda kept: kept[0].solve())
    assert not native_call_goes_on()
    del thread
    assert freed.wait(10)
    assert len(places) == 3 and len(set(places)) == 1 and places[0] != threading.get_ident()


def test_what_ends_after_the_deadline_is_freed_in_its_thread_too():
    budget, ended, freed = Budget(seconds=100.0), Event(), Event()

    def long(kept):
        kept.append(Kept())
        budget.time_limit = -1.0
        ended.wait(10)

    class Kept:
        def __del__(self):
            freed.set()

    thread = NativeThread()
    with budget.holds(), pytest.raises(OutOfTime):
        thread(long)
    assert native_call_goes_on()
    del thread
    ended.set()
    assert freed.wait(10)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_a_process_ends_beside_a_thread_without_work_and_its_fork_does_too():
    script = """
        import os
        from edgewise.native import NativeThread

        thread = NativeThread()
        thread(lambda kept: kept.append(1))
        child = os.fork()
        if child:
            print(os.waitpid(child, 0)[1], thread(lambda kept: kept[0]))
    """
    run = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "0 1\n"), ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_a_process_ends_well_while_native_code_goes_on():
    script = """
        import numpy as np
        from edgewise.outcomes import Budget, OutOfTime
        from edgewise.native import interruptible, native_call_goes_on

        matrix = np.random.default_rng(0).random((2000, 2000))
        try:
            with Budget(seconds=-1.0).holds():
                interruptible(lambda: np.linalg.inv(matrix))
        except OutOfTime:
            print(native_call_goes_on())
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutOfTime, "time_limit"),
        (OutOfWork, "budget"),
        (MemoryError, "memory_limit"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory_limit"),  # as torch says it
        (KeyboardInterrupt, "interrupted"),
    ],
)
def test_what_ends_a_block_of_a_budget(error, reason):
    budget = Budget(report=lambda progress: None)
    with budget.ends(keep_interrupted=True):
        raise error
    assert budget.ended_by == reason and budget.is_interrupted is (error is KeyboardInterrupt)
    for other in (ZeroDivisionError, RuntimeError):
        with pytest.raises(other), budget.ends(keep_interrupted=True):
            raise other
    with pytest.raises(KeyboardInterrupt), budget.ends(keep_interrupted=False):
        raise KeyboardInterrupt
