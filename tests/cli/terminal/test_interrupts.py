"""Ctrl-C during imports and during compiled code, in processes of their own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from edgewise.cli.terminal.interrupts import finish

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

IMPORTING = """
from edgewise.cli.terminal.interrupts import importing
import time
with importing():
    print("ready", flush=True)
    try:
        time.sleep(30)
    except BaseException:  # as a module that is half imported might
        pass
"""


def interrupted(program, *, times=1, pause=0.3, settle=0.2, number=signal.SIGINT):
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(settle)
        start = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(pause)
        _, errors = process.communicate(timeout=20)
        return process.returncode, errors, time.monotonic() - start
    finally:
        process.kill()


@pytest.mark.slow
def test_during_imports_it_ends_the_process_at_once():
    code, errors, seconds = interrupted(IMPORTING)
    assert (code, errors) == (130, "edgewise: interrupted; nothing was kept\n") and seconds < 3


HELD = """
import threading
from edgewise.cli.terminal import interrupts
interrupts.TOLD_AFTER = 0.1
watch = interrupts.InterruptWatch()
watch.start()
import ctypes, signal
# Compiled code that no signal ends: the main thread waits in C, without Python's handler.
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
def hear():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Event().wait()
threading.Thread(target=hear, daemon=True).start()  # this thread receives the signals
print("ready", flush=True)
libc.sleep(15)
"""


@pytest.mark.slow
def test_compiled_code_is_waited_for_and_a_second_ctrl_c_stops_at_once():
    code, errors, seconds = interrupted(HELD, times=2, pause=0.5, settle=1.0)
    assert code == 130 and seconds < 5
    assert errors.startswith("edgewise: ends after the present computation; Ctrl-C again stops at once")


KEPT = """
import signal, sys, time
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the tests may run under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from edgewise.cli.terminal.interrupts import InterruptWatch
watch = InterruptWatch()
watch.start()
print("ready", flush=True)
try:
    time.sleep(30)
except KeyboardInterrupt:
    print("kept", file=sys.stderr)
sys.exit(watch.exit_code(0))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_end_of_a_job_keeps_the_result_as_ctrl_c_does(number, code):
    received, errors, seconds = interrupted(KEPT, number=number)
    assert received == code and seconds < 5
    assert "ending and keeping what there is" in errors and errors.endswith("kept\n")


@pytest.mark.slow
def test_nohup_is_respected():
    ignoring = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + KEPT.replace("30", "1")
    ignoring = ignoring.replace("signal.SIG_DFL", "signal.SIG_IGN")
    assert interrupted(ignoring, number=signal.SIGHUP)[:2] == (0, "")


def test_a_last_step_is_finished_in_spite_of_ctrl_c():
    tries = []

    def step():
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return "kept"

    assert finish(step) == ("kept", True)
    assert finish(step) == ("kept", False) and len(tries) == 3
