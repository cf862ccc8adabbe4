"""The commands as a user meets them: help, version, usage errors, what is missing."""

import os
import subprocess
import sys

import pytest
import typer

import edgewise as package
from edgewise.cli import main
from edgewise.cli.app import app
from edgewise.cli.terminal.options import parse_names


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_help_has_examples(edgewise, command):
    done = edgewise(command, "--help")
    assert done.code == 0
    assert "Examples:" in done.out
    assert f"edgewise {command}" in done.out.partition("Examples:")[2]


def test_help_and_version(edgewise):
    done = edgewise("--help")
    assert done.code == 0
    assert "Exit codes: 0 success; 1" in done.out
    assert edgewise("--version").out == f"edgewise {package.__version__}\n"


def test_the_page_of_all_commands_is_that_of_the_commands(edgewise, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["edgewise", "--help"])
    main()
    stored = capsys.readouterr().out
    page = edgewise("--help").out
    assert [line.rstrip() for line in stored.splitlines()] == [line.rstrip() for line in page.splitlines()]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--help >/dev/full", 1, "edgewise: cannot write to standard output: the disk is full\n"),
        ("fit --help >/dev/full", 1, "edgewise: cannot write to standard output: the disk is full\n"),
        ("--help >&-", 0, ""),
        ("--help >/dev/null", 0, ""),
    ],
)
def test_pages_of_help_for_any_stream(words, code, message):
    command = f"set -o pipefail; {sys.executable} -m edgewise {words}"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (code, message)


PROGRAM = """
import sys
from edgewise.cli import main
from edgewise.cli.app import app
try:
    main()
finally:
    assert not {"torch", "sklearn", "matplotlib", "scipy"} & set(sys.modules)
"""


@pytest.mark.slow
def test_help_version_and_errors_about_files_do_not_load_torch(tmp_path):
    (tmp_path / "t.csv").write_text("width,y\n1,2\n2,3\n3,5\n")
    for words, message in (
        (["--version"], ""),
        (["fit", "--help"], ""),
        (["--show-completion", "bash"], ""),
        (["fit", "t.csv", "--target", "widht"], "the nearest name is 'width'"),
        (["predict", "missing", "t.csv"], "edgewise: cannot read missing: no such file"),
    ):
        named_shell = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # any shell may run this
        command = [sys.executable, "-c", PROGRAM, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=named_shell)
        assert done.returncode == bool(message) and message in done.stderr and done.stderr.count("\n") == bool(message)
        assert bool(done.stdout) != bool(message)


@pytest.mark.parametrize(
    "words",
    [
        ["bake"],
        ["fit"],
        ["fit", "a.csv", "--test", "x"],
        ["fit", "a.csv", "--task", "cooking"],
        ["fit", "a.csv", "--seed", "-1"],
        ["fit", "a.csv", "--drop", "a,,b"],
        ["solve", "heat", "--tolerance", "x"],
        ["predict", "m"],
    ],
)
def test_wrong_usage(edgewise, words):
    done = edgewise(*words)
    assert done.code == 2
    assert "Usage: edgewise" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "names"),
    [("a", ("a",)), ("a, b,c d", ("a", "b", "c d")), ('"a, b",c', ("a, b", "c")), ('a, "b,c"', ("a", "b,c"))],
)
def test_lists_of_names(text, names):
    assert parse_names(text) == names


@pytest.mark.parametrize("text", ["", "a,", ",a", '"a', "a,,b"])
def test_bad_lists_of_names(text):
    with pytest.raises(typer.BadParameter, match="expected names separated by commas, got"):
        parse_names(text)


def test_an_empty_name_and_an_unknown_command_get_a_sentence(edgewise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = edgewise("fit", "knots", "--out", "")
    assert done.code == 2 and "Invalid value for '--out'" in done.err and "expected some text, got ''" in done.err
    assert list(tmp_path.iterdir()) == []
    done = edgewise("convert")
    assert "edgewise.from_pykan" in done.err
    assert done.code == 2 and "the commands are fit, predict, info" in " ".join(done.err.split())


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra(monkeypatch, missing):
    monkeypatch.setattr("edgewise.cli.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(SystemExit) as caught:
        main()
    expected = f"edgewise: The command line needs {missing}, which is not installed: pip install 'edgewise[cli]'"
    assert caught.value.code == expected
