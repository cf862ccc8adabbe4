"""Ctrl-C during imports and during compiled code, in processes of their own."""

import os
import signal
import subprocess
import sys

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


def interrupted(program, *, times=1, number=signal.SIGINT):
    """Send a signal to a program that is ready, and once more after each sentence that it answers with."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        first = ""
        for _ in range(times - 1):
            first += process.stderr.readline()
            process.send_signal(number)
        if times > 1:  # the pipe stays full, so that the compiled code goes on until the process has ended
            process.wait(timeout=120)
        _, errors = process.communicate(timeout=120)
        return process.returncode, first + errors
    finally:
        process.kill()


@pytest.mark.slow
def test_during_imports_it_ends_the_process_at_once():
    # A process that waits for the end of its imports ends with 0.
    assert interrupted(IMPORTING) == (130, "edgewise: interrupted; nothing was kept\n")


HELD = """
import threading
from edgewise.cli.terminal import interrupts
interrupts.TOLD_AFTER = 0.1
watch = interrupts.InterruptWatch()
watch.start()
import ctypes, signal
# Compiled code that no signal ends: the main thread writes in C, without Python's handler, more than a pipe holds.
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
def hear():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Event().wait()
threading.Thread(target=hear, daemon=True).start()  # this thread receives the signals
libc.write(1, b"ready\\n" + b"." * 2**22, 2**22)
"""


@pytest.mark.slow
def test_compiled_code_is_waited_for_and_a_second_ctrl_c_stops_at_once():
    code, errors = interrupted(HELD, times=2)
    assert code == 130
    assert errors.startswith("edgewise: ends after the present computation; Ctrl-C again stops at once")


KEPT = """
import signal, sys, time
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the tests may run under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from edgewise.cli.terminal.interrupts import InterruptWatch
watch = InterruptWatch()
watch.start()
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print("kept", file=sys.stderr)
sys.exit(watch.end(0))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_end_of_a_job_keeps_the_result_as_ctrl_c_does(number, code):
    received, errors = interrupted(KEPT, number=number)
    assert received == code
    assert "ending and keeping what there is" in errors and errors.endswith("kept\n")


DROPPED = KEPT.replace(
    "    time.sleep(30)",
    """\
    class Cyclic:
        def __del__(self):  # Python drops an exception of a destructor
            print("ready", flush=True)
            time.sleep(30)
    Cyclic()
    time.sleep(30)""",
).replace('    print("ready", flush=True)\n    class', "    class")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_an_interrupt_that_a_destructor_drops_is_sent_again(number, code):
    received, errors = interrupted(DROPPED, number=number)
    assert received == code
    assert errors.count("\n") == 2 and "ending and keeping what there is" in errors and errors.endswith("kept\n")


ENDED = """
import sys, time
from edgewise.cli.terminal.interrupts import InterruptWatch
watch = InterruptWatch()
watch.start()
code = watch.end(3)
print("written")  # which is flushed later
print("ready", file=sys.stderr)
time.sleep(30)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_after_the_end_of_the_work_end_the_process_with_its_exit_code(number):
    process = subprocess.Popen([sys.executable, "-c", ENDED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    assert (*process.communicate(timeout=120), process.returncode) == ("written\n", "", 3)


def test_a_last_step_is_finished_in_spite_of_ctrl_c():
    tries = []

    def step():
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return "kept"

    assert finish(step) == ("kept", True)
    assert finish(step) == ("kept", False) and len(tries) == 3
