"""Errors become one sentence and an exit code."""

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
        (InputError("a\x1b[2Jb\nc"), 1, "edgewise: a\\x1b[2Jb\\nc\n"),
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


@pytest.mark.parametrize("error", [InputError("x"), RuntimeError("y")])
def test_debug_raises_it(error):
    with pytest.raises(type(error)):
        run(error, debug=True)
