"""`python -m edgewise_experiments`: names, seeds, resuming, Ctrl-C, tables and figures."""

import json
import re
from types import SimpleNamespace

import pytest
from experiments.tests.small import one_small_table
from matplotlib.figure import Figure

from edgewise_experiments.pages import command
from edgewise_experiments.runner.jobs import Job, run_jobs
from edgewise_experiments.runner.outcome import Outcome, ResultTable
from edgewise_experiments.tables import tables


@pytest.fixture(autouse=True)
def small(monkeypatch):
    one_small_table(monkeypatch)


def test_names(run, refused):
    listed = run("--list").out
    assert re.search("tables +Fifteen real tables", listed) and re.search("toy-functions +The toy functions", listed)
    assert "NAME must be an experiment, got 'chairs'; " in refused("chairs")
    assert refused("anderso").endswith("did you mean 'anderson'?")


def test_ctrl_c_keeps_the_finished_fits(run, tmp_path, monkeypatch):
    real = tables.iterate_baselines

    def interrupted(*words, **options):
        found = real(*words, **options)
        yield next(found)
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "iterate_baselines", interrupted)
    done = run("tables", "--quick", "--out", tmp_path)
    assert done.code == 130
    assert "edgewise_experiments: interrupted; 2 results are in" in done.err and "nothing was kept" not in done.err
    assert len(json.loads((tmp_path / "tables-quick.json").read_text())["rows"]) == 2


@pytest.fixture
def squares(monkeypatch):
    """An experiment of two tables and a figure, one row for each seed."""

    def run(*, quick, store, seeds, progress):
        jobs = [Job(f"seed {n}", {"seed": n}, lambda tell, n=n: {"square": n * n}) for n in seeds or (7, 8)]
        rows = run_jobs(jobs, store, progress, line=lambda row: f"{row['seed']} squared is {row['square']}")
        lines = tuple((str(row["seed"]), str(row["square"])) for row in rows)
        shown = (ResultTable(("n", "n2"), lines, "Squares"), ResultTable(("quick",), ((str(quick),),)))
        return Outcome(shown, ("A sentence.",), {"plot": Figure})

    monkeypatch.setattr(command, "load_experiment", lambda name: SimpleNamespace(run=run))


@pytest.mark.parametrize(
    ("words", "seeds"),
    [((), [7, 8]), (("--seeds", "3"), [0, 1, 2]), (("--seed", "4"), [4]), (("--seed", "4", "--seeds", "2"), [4, 5])],
)
def test_seeds(run, squares, words, seeds):
    said = run("squares", *words).out
    assert [int(n) for n in re.findall(r"(\d+) squared is", said)] == seeds


def test_tables_and_figures(run, squares, tmp_path, monkeypatch):
    said = run("squares", "--out", tmp_path).out
    assert re.search(r"Squares\nn +n2\n7 +49\n8 +64\n\nquick\nFalse\n\n  - A sentence.\n", said)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"squares{end}" for end in ("-plot.pdf", "-plot.svg", ".json")
    ]
    monkeypatch.chdir(tmp_path)
    run("squares", "--quick")
    assert len(list(tmp_path.iterdir())) == 3
