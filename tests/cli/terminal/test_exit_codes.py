"""Errors become one sentence and an exit code."""

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer

from edgewise.cli.terminal.exit_codes import guard
from edgewise.errors import InputError


def run(error, debug=False):
    with guard(SimpleNamespace(obj={"debug": debug}, info_name="fit")):
        raise error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("x must be 1, got 2"), 1, "edgewise: x must be 1, got 2\n"),
        (InputError("a\x1b[2Jb\nc"), 1, "edgewise: a\\x1b[2Jb c\n"),
        (KeyboardInterrupt(), 130, "edgewise: interrupted; nothing was kept\n"),
    ],
)
def test_codes(capsys, error, code, message):
    with pytest.raises(typer.Exit) as caught:
        run(error)
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == message


def test_an_error_nobody_thought_of(capsys):
    with pytest.raises(typer.Exit) as caught:
        run(RuntimeError("two\nlines"))
    assert caught.value.exit_code == 70
    error = capsys.readouterr().err
    assert "bug in Edgewise (RuntimeError: two lines)" in error and error.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["sys.stdout.write('x')", "Screen(json=True).result({'a': 1})"])
@pytest.mark.parametrize(("output", "problem"), [(">/dev/full", "the disk is full"), (">&-", "it is closed")])
def test_an_output_that_takes_nothing(command, output, problem):
    if "sys.stdout" in command and output == ">&-":
        pytest.skip("nobody asks for the stream")
    program = f"""
import sys
from types import SimpleNamespace
import typer
from edgewise.cli.terminal.console import Screen
from edgewise.cli.terminal.exit_codes import guard
try:
    with guard(SimpleNamespace(obj=None, info_name="fit")):
        {command}
except typer.Exit as end:
    sys.exit(end.exit_code)
"""
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {output}', sys.executable, program], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, f"edgewise: cannot write to standard output: {problem}\n")


def test_other_errors_of_the_system_are_no_errors_of_the_output(capsys):
    with pytest.raises(typer.Exit) as caught:
        run(OSError(errno.ENOSPC, "full", "a file"))
    assert caught.value.exit_code == 70


@pytest.mark.parametrize("error", [InputError("x"), RuntimeError("y")])
def test_debug_raises_it(error):
    with pytest.raises(type(error)):
        run(error, debug=True)
