"""The experiment on continual learning: groups of samples, the paper's KAN, the choice of models, summary."""

import numpy as np
import pytest

from edgewise_experiments.theory import continual_learning
from edgewise_experiments.theory.continual_learning import CASES, Plan


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


def test_products_of_splines_that_remember_are_as_good_as_all_groups_at_once():
    plan = Plan("KAN", (), 8, "LM", "products", remembers=True)
    row = continual_learning.measure("2-D", plan, 0, True, lambda at: None)
    assert row["final"] == pytest.approx(row["joint"], rel=1e-3) and row["overlap"] < 0.05
