"""The experiment on hidden nodes: its rows, its count of good starts, its figure."""

import pytest

from edgewise.experiments import hidden_nodes
from edgewise.experiments.store import Store


def row(variant, seed, relative, problem="toy 3"):
    return {"problem": problem, "variant": variant, "seed": seed, "relative": relative, "seconds": 1.0}


def test_good_starts_are_counted_against_the_lowest_error_of_all_variants():
    rows = [row("a", 0, 1e-3), row("a", 1, 2e-3), row("a", 2, 0.5), row("b", 0, 4e-3), row("b", 1, 0.1)]
    (table,) = hidden_nodes.summary(rows).tables
    assert [line[1:5] for line in table.rows] == [
        ("a", "2 of 3", "1.0e-03", "2.0e-03"),
        ("b", "0 of 2", "4.0e-03", "1.0e-01"),
    ]


def test_quick_runs_every_variant_and_draws():
    store = Store(None)
    outcome = hidden_nodes.run(quick=True, store=store, seeds=(0,), progress=lambda update: None)
    assert [stored["variant"] for stored in store.rows] == list(hidden_nodes.VARIANTS)
    assert all(0 <= stored["relative"] < 2 for stored in store.rows)
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
