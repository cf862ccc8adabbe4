"""The experiment on hidden nodes: its rows, its count of good starts, its figure."""

import pytest
import torch
from tests.train.test_gauge import make_model, points

from edgewise_experiments.accuracy import hidden_nodes
from edgewise_experiments.accuracy.hidden_nodes import normal_form
from edgewise_experiments.runner.store import Store


def row(variant, seed, relative, problem="toy 3", met=None):
    facts = {"problem": problem, "variant": variant, "seed": seed}
    return {**facts, "relative": relative, "met": met, "seconds": 1.0}


def test_good_starts_are_counted_against_the_lowest_error_of_all_variants():
    rows = [row("a", 0, 1e-3), row("a", 1, 2e-3), row("a", 2, 0.5), row("b", 0, 4e-3), row("b", 1, 0.1)]
    table, _ = hidden_nodes.summary(rows).tables
    assert [line[1:5] for line in table.rows] == [
        ("a", "2 of 3", "1.0e-03", "2.0e-03"),
        ("b", "0 of 2", "4.0e-03", "1.0e-01"),
    ]


def test_the_basin_check_is_set_beside_where_starts_end():
    rows = [row("a", 0, 1e-3, met=True), row("a", 1, 0.5, met=True), row("a", 2, 2e-3, met=False)]
    figures = hidden_nodes.summary(rows).key_figures
    assert list(figures.values())[:3] == ["2 of 3", "1 of 2", "1 of 1"]
    assert list(hidden_nodes.summary([row("a", 0, 1e-3)]).key_figures.values())[:3] == ["-"] * 3


@pytest.mark.slow
def test_quick_runs_every_variant_and_draws():
    store = Store(None)
    outcome = hidden_nodes.run(quick=True, store=store, seeds=(0,), progress=lambda update: None)
    assert [stored["variant"] for stored in store.rows] == list(hidden_nodes.VARIANTS)
    assert all(0 <= stored["relative"] < 2 for stored in store.rows)
    assert [stored["met"] is None for stored in store.rows] == [True] * 5 + [False]
    assert len({stored["relative"] for stored in store.rows}) >= 4  # the remedies do something
    assert len(outcome.figures["starts"]().axes) == 1


def test_ctrl_c_stores_nothing(monkeypatch):
    def interrupt(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(hidden_nodes, "fit", interrupt)
    store = Store(None)
    with pytest.raises(KeyboardInterrupt):
        hidden_nodes.run(quick=True, store=store, seeds=(0,), progress=lambda update: None)
    assert store.rows == []


def test_without_rows_there_is_nothing_to_show():
    assert hidden_nodes.summary([]).tables == ()


@pytest.mark.parametrize("degree", [2, 3, 5])
@pytest.mark.parametrize("width", [(2, 3, 1), (2, 3, 2, 1), (2, 1, 1)])
def test_the_normal_form_is_the_same_function_on_hidden_grids_from_minus_one_to_one(width, degree):
    model, x = make_model(width, degree=degree, scale=0.7), 1.3 * points(seed=2)  # beyond the grids too
    normal = normal_form(model)
    assert torch.allclose(normal(x), model(x), rtol=0, atol=1e-12 * model(x).abs().max().item())
    for layer in list(normal.layers)[1:]:
        assert torch.allclose(layer.domain, torch.tensor([-1.0, 1.0], dtype=torch.float64), atol=1e-14)
    assert not torch.allclose(model.layers[1].domain, normal.layers[1].domain)


def test_the_normal_form_respects_masked_edges():
    model, x = make_model(), points(seed=2)
    model.layers[0].mask[:, 0] = 0  # an unreached node
    model.layers[0].mask[0, 1] = 0
    assert torch.allclose(normal_form(model)(x), model(x), rtol=0, atol=1e-13)
