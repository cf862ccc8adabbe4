"""The comparison of KANs with MLPs: what is run, what the table says, and the figure."""

import pytest

from edgewise_experiments import load_experiment
from edgewise_experiments.accuracy import mlp_comparison as module
from edgewise_experiments.accuracy.mlp_comparison import PROBLEMS, run, summary
from edgewise_experiments.runner.jobs import Job
from edgewise_experiments.runner.store import Store


def mlp(problem, hidden, activation, method, held_out, rmse, stage="first", seed=0):
    return {
        "problem": problem,
        "seed": seed,
        "model": "MLP",
        "hidden": hidden,
        "activation": activation,
        "method": method,
        "stage": stage,
        "validation_rmse": held_out,
        "rmse": rmse,
        "parameters": 10 * sum(hidden),
        "seconds": 2.0,
        "cpu_seconds": 4.0,
    }


def kan(problem, rmse, degree=None):
    phases = [{"parameters": 9 * size, "validation_rmse": rmse * 100 / size} for size in (10, 100)]
    row = {
        "problem": problem,
        "seed": 0,
        "degree": degree,
        "rmse": rmse,
        "parameters": 900,
        "seconds": 3.0,
        "cpu_seconds": 5.0,
    }
    return {**row, "cpu_seconds": 3.0, "shape": [2, 1, 1], "phases": phases}


ROWS = [
    mlp("toy 2", [10, 10], "tanh", "L-BFGS", 2e-3, 2.2e-3),
    mlp("toy 2", [10, 10], "silu", "SSBroyden", 1e-4, 1.1e-4),
    mlp("toy 2", [10, 10], "silu", "SSBroyden", 1e-6, 2e-6, "final"),
    mlp("toy 2", [256, 256], "tanh", "L-BFGS", 2e-6, 1e-6),  # lower on fresh points, which nobody may know
    mlp("kv", [20, 20], "tanh", "LM", 1e-5, 1e-5),
    kan("toy 2", 1e-8),
    kan("toy 2", 1e-3, degree=3),  # of the slopes, not the comparison
    kan("kv", 1e-4),
    {"problem": "iv", **{k: v for k, v in kan("iv", 1.0).items() if k != "problem"}},
]


def test_the_table_has_the_best_by_held_out_error():
    outcome = summary(ROWS)
    first, second = outcome.tables[0].rows
    assert first == (
        "exp(sin(pi*x) + y**2)",
        *("[2,1,1]", "900", "3", "1.0e-08"),
        *("10-10 silu, SSBroyden", "200", "2 (8)", "2.0e-06"),
        "200",
    )
    assert second[0] == "kv(x, y)"
    assert second[-1] == "0.1"
    assert outcome.key_figures["functions for which the KAN's error is lower"] == "1 of 2"


def test_a_function_without_kan_or_finite_mlp_has_dashes():
    outcome = summary([mlp("jv", [10, 10], "tanh", "LM", None, None)])
    assert outcome.tables[0].rows[0] == ("jv(x, y)", *("-",) * 9)


def test_the_figure_has_a_panel_for_each_function_and_a_curve_for_each_kind():
    figure = summary(ROWS).figures["errors"]()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["exp(sin(pi*x) + y**2)", "kv(x, y)"]
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["KAN, its grids", "MLP, tanh", "MLP, silu"]
    curve = next(line for line in figure.axes[0].lines if line.get_label() == "MLP, silu")
    assert list(curve.get_ydata()) == [2e-6]  # of both stages the better


def test_it_is_an_experiment():
    assert load_experiment("mlp-comparison") is module
    assert len(PROBLEMS) == 10


@pytest.mark.slow
def test_a_quick_run_goes_on_where_it_was(tmp_path, monkeypatch):
    def job(target, seed, effort):  # as accuracy_job, in no time
        key = {"problem": target.name, "seed": seed, "degree": effort.degree, "budget": effort.budget}
        return Job(
            "a KAN", key, lambda report_progress: {k: v for k, v in kan(target.name, 1e-3).items() if k not in key}
        )

    monkeypatch.setattr(module, "QUICK", ("kv",))
    monkeypatch.setattr(module, "accuracy_job", job)
    updates = []
    outcome = run(quick=True, store=Store.open(tmp_path, "mlp"), seeds=None, progress=updates.append)
    rows = Store.open(tmp_path, "mlp").rows
    assert {row.get("stage") for row in rows} == {"first", "final", None}
    assert len([update for update in updates if update.line]) == len(rows)
    done = [update.share for update in updates]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
    updates.clear()
    again = run(quick=True, store=Store.open(tmp_path, "mlp"), seeds=None, progress=updates.append)
    assert again.tables == outcome.tables
    assert not updates


@pytest.mark.slow
def test_kans_of_the_other_experiments_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROBLEMS", ("kv",))
    monkeypatch.setattr(module, "FIRST", 1e8)
    monkeypatch.setattr(module, "FINAL", 1e8)
    Store.open(tmp_path, "special-functions").add(kan("kv", 1e-9))
    store = Store.open(tmp_path, "mlp-comparison")
    outcome = run(quick=False, store=store, seeds=(3,), progress=lambda update: None)
    assert all(row["model"] == "MLP" for row in store.rows)
    assert outcome.tables[0].rows[0][4] == "1.0e-09"
