"""The experiment on continual learning: groups of samples, the paper's KAN, the choice of models, summary."""

import numpy as np
import pytest

from edgewise_experiments.theory import continual_learning
from edgewise_experiments.theory.continual_learning import CASES, Plan, plans, summary


def test_the_papers_five_peaks():
    groups = CASES["1-D"].groups(0)
    assert [len(x) for x in groups] == [100] * 5
    assert np.array_equal(np.concatenate(groups)[:, 0], np.linspace(-1, 1, 500))
    assert CASES["1-D"](np.array([[0.4], [0.2]])) == pytest.approx([1, 2 * np.exp(-12)], rel=1e-6)


@pytest.mark.parametrize("name", ["2-D", "5-D"])
def test_groups_are_disjoint_and_nearest_to_their_centres(name):
    case = CASES[name]
    groups = case.groups(3)
    assert [x.shape for x in groups] == [(case.samples, case.inputs)] * 5
    for number, x in enumerate(groups):
        distances = [np.square(x - np.array(centre)).sum(1) for centre in case.centres]
        assert (np.argmin(distances, 0) == number).all()
    assert not np.array_equal(groups[0], case.groups(4)[0])


def test_a_kan_in_one_dimension_keeps_what_it_learned():
    row = continual_learning.measure("1-D", Plan("KAN", (), 200, "L-BFGS"), 0, True, lambda at: None)
    first = row["errors"][0]
    assert first[0] < 1e-3 and first[3] > 0.1  # what it has not seen is still zero
    assert row["final"] < 1e-3


def test_plans():
    assert [str(plan) for plan in plans("1-D", quick=False) if plan.kind == "KAN"] == [
        "no hidden nodes, grid 200, L-BFGS"
    ]
    tried = plans("5-D", quick=False)
    for remembers, kans, mlps in ((False, 7, 7), (True, 5, 2)):
        kinds = [plan.kind for plan in tried if plan.remembers is remembers]
        assert (kinds.count("KAN"), kinds.count("MLP")) == (kans, mlps)
    assert sum(plan.form == "products" for plan in plans("2-D", quick=False)) == 3
    assert str(tried[11]) == "100, grid 2, last layer, LM, remembered"


def test_products_of_splines_that_remember_are_as_good_as_all_groups_at_once():
    plan = Plan("KAN", (), 8, "LM", "products", remembers=True)
    row = continual_learning.measure("2-D", plan, 0, True, lambda at: None)
    assert row["final"] == pytest.approx(row["joint"], rel=1e-3) and row["overlap"] < 0.05


def row_of(kind, method, final, first, after, seed=0, joint=1e-3):
    errors = [[first, 1.0], [after, first]]
    settings = {"hidden": [5], "detail": 5 if kind == "KAN" else "tanh", "method": method, "parameters": 50}
    return {"case": "2-D", "seed": seed, "kind": kind, "errors": errors, "final": final, "joint": joint, **settings}


def test_summary_shows_what_keeps_most_and_what_learns_best():
    rows = [
        row_of("KAN", "LM", 0.5, 1e-3, 0.6),
        row_of("KAN", "L-BFGS", 0.2, 2e-3, 0.3, joint=None),
        row_of("MLP", "LM", 0.1, 1e-2, 0.2, joint=0.01),
        {**row_of("MLP", "L-BFGS", None, 2e-2, 0.3), "joint": 0.005},
        {**row_of("MLP", "LM", 0.05, 1e-2, 0.05, joint=0.1), "remembers": True, "overlap": 0.25},
    ]
    outcome = summary(rows)
    assert outcome.tables[0].rows == (
        (
            *("2-D", "KAN, keeps most", "5, grid 5, L-BFGS", "50"),
            *("2.0e-03", "3.0e-01", "2.0e-01", "1.0e-03", "0.22", "200", "-"),
        ),
        (
            *("2-D", "KAN, learns best", "5, grid 5, LM", "50"),
            *("1.0e-03", "6.0e-01", "5.0e-01", "1.0e-03", "0.22", "500", "-"),
        ),
        (
            *("2-D", "MLP, keeps most", "5, tanh, LM", "50"),
            *("1.0e-02", "2.0e-01", "1.0e-01", "5.0e-03", "0.22", "20", "-"),
        ),
        (
            *("2-D", "MLP, remembers", "5, tanh, LM, remembered", "50"),
            *("1.0e-02", "5.0e-02", "5.0e-02", "5.0e-03", "0.22", "10", "0.25"),
        ),
    )
    assert outcome.key_figures["2-D: error of the MLP over that of the KAN, all groups"] == "0.5"
    assert list(outcome.figures) == ["forgetting"]
