"""Fronts of RMSE against parameters: which models are on them, where they end and why."""

import pytest

from edgewise_experiments.accuracy import special_functions
from edgewise_experiments.formulas.special_fronts import (
    FUNCTIONS,
    SERIES,
    SHAPE,
    Point,
    draw_fronts,
    ending,
    front_jobs,
    front_table,
    pareto,
    points,
)

PAPER, OURS, CHOSEN, MLP = SERIES


def kan(errors, width, degree=3, seed=0, train=1.0):
    """Errors of 10, 20, 40, ... parameters; train: its share of the held-out error."""
    phases = [
        {"parameters": 10 * 2**k, "validation_rmse": error, "train_rmse": None if error is None else train * error}
        for k, error in enumerate(errors)
    ]
    return {"problem": "kv", "seed": seed, "degree": degree, "width": width, "phases": phases}


def mlp(parameters, error, train):
    return {
        "problem": "kv",
        "seed": 0,
        "model": "MLP",
        "parameters": parameters,
        "validation_rmse": error,
        "train_rmse": train,
    }


ROWS = [
    kan([1e-2, 1e-2 / 16, 1e-2 / 256], list(SHAPE)),
    kan([1e-1, None, 1e-3], list(SHAPE), seed=1),
    kan([1e-2, 1e-3, 1e-3, 9e-4], [2, 2, 1]),
    kan([1e-5, 1e-6], None, degree=None),
    mlp(100, 1e-4, 1e-4),
    mlp(100, 3e-3, 1e-3),
    mlp(200, None, 1e-9),
    mlp(400, 1e-5, 1e-5),
    mlp(900, 6e-5, 1e-6),
]


def test_the_front_is_what_no_smaller_model_beats():
    found = points("kv", OURS, ROWS)
    assert [(p.parameters, p.error) for p in found] == [
        *((10, 1e-2), (10, 1e-1)),
        (20, 1e-2 / 16),
        *((40, 1e-2 / 256), (40, 1e-3)),
    ]
    assert [(p.parameters, p.error) for p in pareto(found)] == [(10, 1e-2), (20, 1e-2 / 16), (40, 1e-2 / 256)]
    assert [(p.parameters, p.error) for p in points("kv", MLP, ROWS)] == [(100, 1e-4), (400, 1e-5), (900, 6e-5)]


def test_why_it_ends():
    first, limit, largest = ending(points("kv", OURS, ROWS))
    assert (first.parameters, limit, largest) == (40, "still falling at the largest model", None)
    first, limit, largest = ending(points("kv", PAPER, ROWS))
    assert first.parameters == 20  # 9e-4 is within twice 1e-3
    assert (limit, largest.parameters, largest.error) == ("training or shape", 80, 9e-4)
    first, limit, largest = ending(points("kv", MLP, ROWS))
    assert (first.parameters, limit, largest.parameters) == (400, "too few samples", 900)
    assert largest.error / largest.train == pytest.approx(60)
    assert ending([Point(90, 1e-9, 1e-9), Point(92, 3e-9, 1e-9)])[1] == "no larger model was trained"
    assert ending([Point(1, 1.0, None), Point(2, 1.0, None)])[1] == "larger models are no better"


def test_the_table_has_the_exponent_on_the_way_down():
    table = front_table(ROWS)
    assert [row[1] for row in table.rows] == list(SERIES) and {row[0] for row in table.rows} == {"kv(x, y)"}
    assert table.rows[1][2:5] == ("4.0", "40", "3.9e-05") and table.rows[0][2:4] == ("3.3", "20")
    assert front_table([row for row in ROWS if row.get("degree") != 3]) is None


def test_the_figure_has_theory_as_a_line():
    (panel,) = draw_fronts(ROWS).axes
    labels = panel.get_legend_handles_labels()[1]
    assert labels == [PAPER, OURS, "slope −4", CHOSEN, MLP]
    assert sum(len(line.get_xdata()) for line in panel.lines if line.get_markerfacecolor() == "none") == 1 + 2 + 1


@pytest.mark.parametrize(("name", "count"), [("kv", 2), ("iv", 0)])
def test_jobs(name, count):
    assert len(front_jobs(name, 0, quick=False)) == count and len(FUNCTIONS) == 4


def test_the_experiment_shows_them_and_keeps_them_out_of_its_own_table():
    finished = {"rmse": 1e-6, "seconds": 1.0, "cpu_seconds": 1.0, "parameters": 9, "shape": [2, 2, 1], "samples": 10}
    rows = [{**row, **finished} for row in ROWS if "phases" in row]
    outcome = special_functions.summary(rows)
    assert [row[:3] for row in outcome.tables[0].rows] == [("kv", "[2,2,1]", "9")]
    assert len(outcome.tables) == 3 and list(outcome.figures) == ["errors", "fronts"]
    assert special_functions.line(rows[0]).startswith("kv, cubic [2,3,2,1], seed 0: ")
