"""The guide: verdicts from rows, what is not measured, the drawing."""

import json

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.runner.store import Store
from edgewise_experiments.theory import guide
from edgewise_experiments.theory.guide import FAILS, HOLDS, LEAVES, PARTLY, UNKNOWN, summary

JUDGES = {leaf.question: leaf.judge for leaf in LEAVES}


def scaled(problem, kan, mlp):
    pairs = (("KAN", [100, 5000], [kan, 1e-15]), ("tanh", [50, 200], [0.5, mlp]))
    return [{"problem": problem, "kind": k, "seed": 0, "sizes": n, "errors": e} for k, n, e in pairs]


def test_compositions_are_compared_at_equal_parameters():
    rows = [*scaled("toy 1", 1e-6, 1e-3), *scaled("toy 2", 1e-2, 1e-3)]
    finding = JUDGES["Compositional structure?"](rows)
    assert finding.verdict == PARTLY and "for 1 of 2 functions, median 1,000 times" in finding.measured
    assert JUDGES["Compositional structure?"](rows[:2]).verdict == HOLDS


def test_functions_that_are_not_smooth():
    rows = [
        {"problem": name, "model": model, "sizes": [100, 10_000], "errors": [error, 1e-9]}
        for name, kan, mlp in (("toy 2", 1.0, 1e-3), ("kink", 1e-3, 1e-2), ("jump", 0.2, 0.1))
        for model, error in (("KAN", kan), ("MLP", mlp))
    ]
    finding = JUDGES["Complicated function?"](rows)
    assert finding.verdict == PARTLY and finding.measured.endswith("KAN's kink 10, jump 0.5")


def learned(case, first, after):
    settings = {"kind": "KAN", "hidden": [5], "detail": 5, "method": "LM", "seed": 0}
    return {"case": case, "errors": [[first, 1.0], [after, first]], "final": after, "joint": None, **settings}


def test_forgetting():
    kept, lost = learned("1-D", 1e-5, 2e-5), learned("5-D", 1e-5, 0.3)
    judge = JUDGES["Continual learning?"]
    assert [judge(rows).verdict for rows in ([kept], [kept, lost], [lost])] == [HOLDS, PARTLY, FAILS]
    assert judge([kept, lost]).measured == "a KAN that learns each group well forgets in 5-D; it keeps all in 1-D"


def formula(problem, exact, **changes):
    return {"problem": problem, "seed": 0, "noise": 0.0, "useless": 0, "exact": exact, **changes}


def test_formulas():
    rows = [formula("toy 3", True), formula("toy 5", False), formula("toy 2", False, noise=0.01)]
    rows.append({"network": [2, 5, 1], "seed": 0})  # is no problem from samples
    assert JUDGES["Level?"](rows) == guide.Finding(PARTLY, "formulas found exactly: 1 of 2")
    found = JUDGES["Dimension?"](rows)
    assert found.verdict == HOLDS and "1 of 1 with at most 3 inputs, 0 of 1 with more" in found.measured
    assert JUDGES["Dimension?"](rows[:1]).verdict == UNKNOWN


def test_tables():
    rows = [
        {"table": "a", "fold": fold, "model": model, "score": score, "parameters": size, "seconds": seconds}
        for fold in (0, 1)
        for model, score, size, seconds in (("KAN", 0.79, 50, 3.0), ("MLP", 0.8, 500, 1.0))
    ]
    assert JUDGES["Want small models?"](rows).verdict == HOLDS
    assert JUDGES["Want small models?"]([{**row, "score": row["parameters"] / 500} for row in rows]).verdict == FAILS
    assert JUDGES["Want fast training?"](rows).measured == "the KAN takes longer on 1 of 1 tables, 3 times (median)"


def test_quick_reads_what_is_there_again_when_it_changes(tmp_path):
    assert experiments()["guide"].startswith('The KAN paper\'s guide "Should I use KANs or MLPs?"')
    store = Store.open(tmp_path, "guide-quick")
    outcome = guide.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert {row[3] for row in outcome.tables[0].rows} == {UNKNOWN}
    (tmp_path / "continual-learning-quick.json").write_text(json.dumps({"rows": [learned("1-D", 1e-5, 1e-5)]}))
    outcome = guide.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert [row[3] for row in outcome.tables[0].rows].count(UNKNOWN) == 6 and len(store.rows) == 8
    assert list(outcome.key_figures.values()) == ["1", "0", "0", "6"]
    assert summary(store.rows).tables == outcome.tables
    assert len(outcome.figures["tree"]().axes) == 1


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.question)
def test_leaves_name_experiments(leaf):
    assert leaf.source in experiments()
