"""The guide takes the right branches on tables whose nature is known."""

import math

import numpy as np
import pytest

from edgewise.compare import advice as module
from edgewise.compare.advice import NEEDS, Advice, advise
from edgewise.errors import InputError


def fitted(score, parameters=100, seconds=1.0, error=0.01):
    return module.ModelScore(score, error, parameters, seconds)


def evidence(**scores):
    """KAN 0.9 and whatever else is given; names with _ for spaces."""
    base = {"KAN": 0.9, "additive KAN": 0.5, "KAN on half the rows": 0.9, "small MLP": 0.8, "linear": 0.3, "MLP": 0.9}
    base |= {"boosting": 0.85}
    base |= {name.replace("_", " "): score for name, score in scores.items()}
    models = {name: fitted(score) for name, score in base.items()}
    models["MLP"] = fitted(base["MLP"], 5000, 0.5)
    return module.Evidence(models, np.array([0.5, 0.4, 0.1]), 0.3, 800, "R²")


def branches_of(e, needs=NEEDS):
    return {branch.question: branch for branch in e.branches(needs)}


def test_a_composition_speaks_for_the_kan():
    found = branches_of(evidence())
    assert found["Compositional structure?"].advice == "KAN"
    assert found["Complicated function?"].answer == "yes" and "KANbeFair" in found["Complicated function?"].later
    assert found["Dimension?"].answer == "low" and found["Small model wanted?"].advice == "KAN"
    assert found["Fast training wanted?"].advice == "MLP"  # by the seconds
    assert "CompactNet" in found["Small model wanted?"].later and "forget" in found["Continual learning?"].later
    recommendation, why = evidence().verdict(list(found.values()))
    assert recommendation == "KAN" and "favoured by: compositional structure" in why


def test_measured_accuracy_goes_before_the_guide():
    e = evidence(MLP=0.97)
    recommendation, why = e.verdict(list(branches_of(e).values()))
    assert recommendation == "MLP" and "although the guide favours a KAN" in why
    assert branches_of(e)["Small model wanted?"].advice == "either"


def test_an_mlp_of_the_size_of_the_kan_is_the_witness_of_small_models():
    equal = branches_of(evidence(small_MLP=0.895))["Small model wanted?"]
    assert equal.advice == "either" and equal.answer == "an MLP of the KAN’s size does as well"
    assert "CompactNet" in equal.later and "MLP of 100 0.895" in equal.measured
    better = branches_of(evidence(small_MLP=0.95))["Small model wanted?"]
    assert better.advice == "either" and better.answer == "then a small MLP"


def test_sums_lines_steps_and_few_rows():
    assert branches_of(evidence(additive_KAN=0.9))["Compositional structure?"].answer.startswith("yes, a sum")
    assert branches_of(evidence(linear=0.895))["Complicated function?"].answer == "no, nearly linear"
    rough = evidence(boosting=0.99)
    assert branches_of(rough)["Smooth?"].answer == "no"
    assert rough.verdict(list(branches_of(rough).values()))[0] == "neither"
    assert branches_of(evidence(KAN_on_half_the_rows=0.8))["Enough samples?"].answer == "more would help"
    unfitted = evidence(MLP=math.nan)
    assert unfitted.verdict(list(branches_of(unfitted).values()))[0] == "KAN"


@pytest.mark.slow
def test_a_real_table():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (160, 2))
    y = np.exp(np.sin(3 * X[:, 0])) + 0.1 * rng.normal(size=160)
    events = []
    found = advise(X, y, needs="interpretability", progress=events.append)
    assert isinstance(found, Advice)
    assert {b.need for b in found.branches} == {"data", "interpretability"}
    text = str(found)
    assert "1 of 2 inputs carry 95 % of the influence" in text and "Later" not in text.split("Interpretability")[1]
    assert text.splitlines()[-1].startswith("The guide: Liu et al.")
    assert found.scores["KAN"] > 0.8
    assert (events[0].stage, events[0].share) == ("KAN", 0.0) and 0.5 <= events[-1].share <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"needs": "beauty"}, "needs must be among"),
        ({"needs": ()}, "needs must be among"),
        ({"task": "x"}, "task must be"),
        ({"needs": 3}, "needs must be of type"),
        ({"task": np.zeros(2)}, "task must be of type"),
        ({"seed": "x"}, "seed must be an integer of at least 0"),
        ({"X": np.zeros((5, 2)), "y": np.zeros(5)}, "N at least 20"),
        ({"X": np.full((30, 2), np.nan)}, "^X must hold finite numbers, got nan in row 1 of column 1, counted from 1$"),
        ({"y": np.full(30, np.inf)}, "^y must hold finite numbers, got inf in row 1"),
        ({"X": [["a", "b"]] * 30}, "^X must be numbers of shape \\(N, d\\), got others \\(could not convert"),
    ],
)
def test_bad_arguments_are_refused(settings, message):
    arguments = {"X": np.zeros((30, 2)), "y": np.zeros(30)} | settings
    with pytest.raises(InputError, match=message):
        advise(arguments.pop("X"), arguments.pop("y"), **arguments)
