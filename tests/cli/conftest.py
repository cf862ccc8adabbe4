"""Small tables, the command run in this process, and two fitted models that the tests share."""

from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from edgewise.cli.app import app
from edgewise.cli.table import results

SMALL = ("--effort", "low", "--formulas", "2")


@pytest.fixture(autouse=True)
def no_journal_by_the_clock(monkeypatch):
    """On a slow machine interrupted runs are long enough to keep their parts; tests of that write them at once."""
    monkeypatch.setattr("edgewise.files.journal.WRITE_AFTER", 1e9)


@pytest.fixture
def edgewise():
    """Runs `edgewise ...` and gives code, out (stdout) and err (stderr)."""

    def run(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def refused(edgewise):
    """Runs a command that must fail with one sentence and exit code 1; gives the sentence."""

    def run(*words):
        done = edgewise(*words)
        assert done.code == 1, done
        assert done.err.startswith("edgewise: ") and done.err.count("\n") == 1 and done.err.endswith("\n"), done.err
        assert "Traceback" not in done.out + done.err
        return done.err.removeprefix("edgewise: ").strip()

    return run


def numbers_csv() -> str:
    """60 rows: y depends on a, not on b; colour is a category; group pairs the rows."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 60))
    lines = ["a,b,colour,group,y"]
    for i in range(60):
        lines.append(f"{a[i]:.4f},{b[i]:.4f},{'red' if i % 3 else 'blue'},{i // 2},{a[i] ** 2 + 0.01 * b[i]:.4f}")
    return "\n".join(lines) + "\n"


def kinds_csv() -> str:
    """61 rows: kind is low, middle, high, and once odd."""
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(2, 61))
    kinds = ["low" if v < -0.4 else "high" if v > 0.4 else "middle" for v in a]
    kinds[7] = "odd"
    return "a,b,kind\n" + "".join(f"{x:.4f},{z:.4f},{k}\n" for x, z, k in zip(a, b, kinds, strict=True))


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text(numbers_csv())
    return path


@pytest.fixture
def kinds(tmp_path):
    path = tmp_path / "kinds.csv"
    path.write_text(kinds_csv())
    return path


def fit_models(place, *options):
    """Folders of a regression and a classification, each with its table beside it."""
    for name, text, target in (("numbers", numbers_csv(), "y"), ("kinds", kinds_csv(), "kind")):
        (place / f"{name}.csv").write_text(text)
        words = ["fit", place / f"{name}.csv", "--target", target, "--out", place / name, "--compare", "none", *options]
        words += ["--drop", "group"] if name == "numbers" else []
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
    return place


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Two fitted models, not to be changed; their reports have no figures, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "report_figures", lambda *_: [])
        patch.setattr(results, "explain_rows", lambda *_: None)
        return fit_models(tmp_path_factory.mktemp("models"), *SMALL, "--formulas", "0.3")
