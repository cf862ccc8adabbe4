"""The command of the experiments, run in this process."""

from types import SimpleNamespace

import pytest

from edgewise_experiments.pages.command import main


@pytest.fixture
def run(capsys):
    """Runs `python -m edgewise_experiments ...` and gives code, out (stdout) and err (stderr)."""

    def called(*words):
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return called


@pytest.fixture
def refused(run):
    """Runs a command that must fail with one sentence and exit code 1; gives the sentence."""

    def called(*words):
        done = run(*words)
        assert done.code == 1 and done.err.count("\n") == 1, done
        return done.err.removeprefix("edgewise_experiments: ").strip()

    return called
