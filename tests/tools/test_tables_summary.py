"""What is said about the rows of the benchmark of tables: ranks, distances, fits that were given up."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "tables_summary.py"


@pytest.fixture(scope="module")
def summary():
    spec = importlib.util.spec_from_file_location("tables_summary", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(table, model, score, seconds=1.0, fold=0, **others):
    others |= {"seed": 0, "rows": [80, 40], "columns": 3}
    return {"table": table, "fold": fold, "model": model, "score": score, "seconds": seconds, **others}


ROWS = [
    row("a", "KAN", 0.90, 0.5),
    row("a", "linear", 0.90, 0.1),
    row("a", "EBM", 0.80, 30.0),
    row("b", "KAN", 0.50, 1.5),
    row("b", "linear", 0.44, 0.1),
    row("b", "EBM", None, None, error="more than 60 CPU seconds"),
    row("b", "small EBM", 0.515, 20.0),
]


def test_a_fit_that_was_given_up_has_the_score_of_the_smaller_model_and_its_own_seconds(summary):
    entries = {entry["model"]: entry for entry in summary.statistics_of(ROWS)}
    assert set(entries) == {"KAN", "linear", "EBM"}
    assert entries["KAN"]["rank"] == (1.5 + 2) / 2 and entries["EBM"]["rank"] == (3 + 1) / 2
    assert entries["KAN"]["best"] == 1 and entries["KAN"]["within"] == 1 and entries["KAN"]["near"] == 2
    assert entries["KAN"]["most"] == pytest.approx(1.5) and entries["linear"]["far"] == 1
    assert entries["EBM"]["most seconds"] == 60 and entries["EBM"]["median seconds"] == 45
    assert "**51.5***" in summary.text(ROWS) and "50 times" in summary.text(ROWS)


def test_only_folds_of_all_models_count(summary):
    rows = [*ROWS, row("a", "KAN", 0.1, fold=1), row("a", "linear", 0.2, fold=1)]
    assert summary.scores(summary.with_substitutes(rows))["a"]["KAN"] == pytest.approx(90)
