"""The experiment on two layers or more: shapes of equal size, quick run, summary, the drawings."""

from itertools import pairwise

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.accuracy.mlp_baseline import parameter_count
from edgewise_experiments.runner.store import Store
from edgewise_experiments.theory import representation
from edgewise_experiments.theory.representation import FUNCTIONS, KINDS, MLPS, PARAMETERS, SHAPES, summary


@pytest.mark.slow
def test_quick(monkeypatch):
    assert experiments()["representation"].startswith("Two layers or more: KANs [n, 2n+1, 1]")
    monkeypatch.setitem(SHAPES, 2, ((2, 5, 1),))
    store, lines = Store(None), []
    outcome = representation.run(quick=True, store=store, seeds=None, progress=lambda update: lines.append(update.line))
    assert [row["drawn"] for row in store.rows[:4]] == ["MLP", "MLP", "KAN", "KAN"]
    assert [row["model"] for row in store.rows[4:]] == ["KAN", "MLP", "MLP", "MLP", "MLP"]
    assert outcome.tables[0].rows[0][:3] == ("abs(x - y)", "a kink", "620")
    assert len(outcome.figures["drawings"]().axes) == 4 and len(outcome.figures["errors"]().axes) == 1
    assert sum(line is not None for line in lines) == 9


@pytest.mark.parametrize("inputs", SHAPES)
def test_shapes_have_nearly_as_many_edges_and_mlps_as_many_parameters(inputs):
    edges = [sum(a * b for a, b in pairwise(width)) for width in SHAPES[inputs]]
    assert SHAPES[inputs][0] == (inputs, 2 * inputs + 1, 1) and min(edges) > 0.85 * max(edges)
    for sizes in MLPS[inputs]:
        counts = [parameter_count(inputs, hidden) for hidden in sizes]
        assert 0.85 * PARAMETERS[inputs] < counts[-1] <= PARAMETERS[inputs] and counts == sorted(counts)


def test_five_functions_smooth_and_not():
    assert list(FUNCTIONS) == list(KINDS) and len(FUNCTIONS) == 5
    assert FUNCTIONS["jump"]([[0.5, 0.49], [0.5, 0.51]]).tolist() == [1, 0]


def row_of(model, width, errors, activation=None, seed=0):
    sizes = [100, 500, 1000][: len(errors)]
    row = {"problem": "cone", "seed": seed, "model": model, "width": width, "sizes": sizes, "errors": errors}
    row |= {"seconds": 9.0, "cpu_seconds": 2.0 * len(errors)}
    return row if activation is None else {**row, "activation": activation}


def test_summary_compares_at_equal_parameters():
    rows = [
        row_of("KAN", [2, 5, 1], [1e-1, 4e-2, 1e-9]),
        row_of("KAN", [2, 3, 2, 1], [1e-1, 2e-2]),
        row_of("KAN", [2, 2, 2, 2, 1], [1e-1, None]),
        row_of("MLP", [2, 25, 1], [3e-2], "tanh"),
        row_of("MLP", [2, 25, 1], [2e-2], "silu"),
        row_of("MLP", [2, 6, 6, 6, 1], [5e-3], "tanh"),
    ]
    outcome = summary(rows)
    assert outcome.tables[0].rows == (
        (
            *("sqrt(x**2 + y**2)", "singular at a point", "620"),
            *("4.0e-02", "2.0e-02", "1.0e-01", "2.0e-02", "5.0e-03"),
            "2",
        ),
    )
    assert outcome.key_figures["functions for which a deeper KAN is more accurate"] == "1 of 1"
    seconds = dict(outcome.tables[1].rows)
    assert (seconds["KAN of two layers"], seconds["KAN of three layers"]) == ("6.0", "4.0")
    assert (seconds["MLP of two layers"], seconds["MLP of four layers"]) == ("4.0", "2.0")
    assert list(outcome.figures) == ["errors"]
    labels = [line.get_label() for line in outcome.figures["errors"]().axes[0].lines]
    assert labels == ["KAN, 2 layers", "KAN, 3 layers", "KAN, 4 layers", "MLP, 2 layers", "MLP, 4 layers"]
