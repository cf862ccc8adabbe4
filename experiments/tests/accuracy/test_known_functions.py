"""A measured row has the right units and fresh points; the table beside the paper has the right ratios."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from experiments.tests.made_rows import accuracy_row

from edgewise_experiments.accuracy import known_functions
from edgewise_experiments.accuracy.known_functions import (
    Effort,
    accuracy_job,
    beside_the_paper,
    by_function,
    measure,
    shape,
)
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.target import TargetFunction, of_columns
from edgewise_experiments.runner.jobs import run_jobs
from edgewise_experiments.runner.store import Store

TARGET = TargetFunction(
    "hill",
    "100*a**2 + b",
    of_columns(lambda a, b: 100 * a**2 + b),
    ("a", "b"),
    (0, -3),
    (2, 3),
    None,
    {"kan": 1e-4, "mlp": 1},
)
SMALL = Effort(samples=200, held_out=50, width=(2, 1), budget=0.001)


def test_a_row_and_its_store():
    updates = []
    store = Store(None)
    jobs = [accuracy_job(TARGET, 5, SMALL)]
    (row,) = run_jobs(jobs, store, updates.append, lambda row: "")
    assert (row["problem"], row["seed"], row["samples"], row["width"], row["shape"]) == ("hill", 5, 200, [2, 1], [2, 1])
    assert row["rmse"] < 1e-9 and row["relative"] == pytest.approx(
        row["rmse"] / np.std(TARGET.sample(10**5, 0)[1]), rel=0.05
    )
    assert row["seconds"] > 0 and row["cpu_seconds"] > 0 and row["parameters"] > 10
    assert row["phases"][-1]["grid_size"] == row["grid_size"]
    assert any(update.loss is not None for update in updates)
    run_jobs(jobs, store, updates.append, lambda row: "")
    assert len(store.rows) == 1


def fake(monkeypatch, stopped="finished"):
    """A model that is wrong by 0.25 in the scale of the training."""

    def approximate(problem, **settings):
        seen.append((problem, settings))
        model = torch.nn.Linear(2, 1, dtype=torch.float64)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.constant_(model.bias, 0.25)
        model.config = SimpleNamespace(width=(2, 1), degree=5, grid_size=(4,))
        phase = SimpleNamespace(grid_size=(4,), parameters=3, loss=0.25, validation_loss=1.0, seconds=0.1)
        return SimpleNamespace(model=model, stopped=stopped, phases=(phase,), sentences=("so",))

    seen = []
    monkeypatch.setattr(known_functions, "approximate", approximate)
    return seen


def test_units_and_fresh_points(monkeypatch):
    seen = fake(monkeypatch)
    row = measure(TARGET, 3, SMALL, lambda at: None)
    ((problem, settings),) = seen
    assert (len(problem.train), len(problem.validation)) == (200, 50)
    x, y = TARGET.sample(200, 3, edges=0.5)
    assert problem.train.x.numpy() == pytest.approx((x - [1, 0]) / [1, 3])  # from [0, 2], [-3, 3] to [-1, 1]
    assert (float(problem.train.y.mean()), float(problem.train.y.std())) == (
        pytest.approx(0),
        pytest.approx(1, rel=0.01),
    )
    assert settings["width"] == (2, 1) and settings["seed"] == 3
    fresh, values = TARGET.sample(10_000, 1_000_003)
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((values - (y.mean() + 0.25 * y.std())) ** 2)))
    assert row["phases"][0]["train_rmse"] == pytest.approx(0.5 * y.std())
    used = np.concatenate([problem.train.x, problem.validation.x]) * [1, 3] + [1, 0]
    assert not set(map(tuple, fresh.round(9))) & set(map(tuple, used.round(9)))


def test_an_interrupted_row_is_none(monkeypatch):
    fake(monkeypatch, stopped="interrupted")
    with pytest.raises(KeyboardInterrupt):
        measure(TARGET, 0, SMALL, lambda at: None)


def test_the_row_with_the_median_error_stands_for_all():
    rows = [accuracy_row("f", seed, error) for seed, error in enumerate((3e-6, 1e-6, 2e-6))]
    (each,) = by_function(rows)
    assert each.cells() == ("[2,5,1]", "102", "2.0e-06", "3.0e-06", "11.0")
    (each,) = by_function([{**row, "cpu_seconds": 2.0 + row["seed"]} for row in rows])
    assert each.cells()[-1] == "3.0"  # of a machine that did other work too
    (each,) = by_function([accuracy_row("f", 0, None), accuracy_row("f", 1, None)])
    assert each.cells()[2:4] == ("-", "-")
    assert shape([4, 2, 1]) == "[4,2,1]"


def test_beside_the_paper():
    names = ("I.6.2", "I.6.2b", "I.9.18")
    rows = [accuracy_row(name, rmse=error) for name, error in zip(names, (2.86e-6, 4.45e-3, 1.48e-5), strict=True)]
    to_beat = {name: FEYNMAN_EQUATIONS[name].paper_best() for name in names}
    outcome = beside_the_paper(rows, FEYNMAN_EQUATIONS, to_beat=to_beat, reference="their best")
    table, _ = outcome.tables
    assert [row[-3:] for row in table.rows] == [
        ("2.86e-05", "1.45e-04", "10"),
        ("4.45e-04", "7.40e-04", "0.1"),
        ("1.48e-03", "1.59e-03", "100"),
    ]
    figures = outcome.key_figures
    assert figures["functions whose median is below their best"] == "2 of 3" and figures["not below"] == "I.6.2b"
    assert (figures["median of times lower"], figures["smallest of times lower"]) == ("10", "0.1")
    (axes,) = outcome.figures["errors"]().axes
    assert list(axes.lines[0].get_xdata()) == [2.86e-6, 4.45e-3, 1.48e-5]


def test_how_many_samples():
    rows = [accuracy_row("I.6.2", samples=3000), accuracy_row("I.9.18", samples=7000)]
    outcome = beside_the_paper(rows, FEYNMAN_EQUATIONS, to_beat={"I.6.2": 1, "I.9.18": 1}, reference="x")
    assert outcome.key_figures["training samples"] == "3,000 to 7,000"


def test_a_row_without_result_is_not_below():
    rows = [accuracy_row("I.6.2", rmse=None)]
    outcome = beside_the_paper(rows, FEYNMAN_EQUATIONS, to_beat={"I.6.2": 1e-5}, reference="their best")
    assert outcome.key_figures["not below"] == "I.6.2"
