"""`edgewise.save` and `edgewise.load`: each kind of object comes back as what it was, told apart by its file."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import edgewise
from edgewise import KAN, KANClassifier, KANRegressor, checkpoint, load, save
from edgewise.errors import CheckpointError, InputError
from edgewise.nn import ELEMENTARY, MLP, Elementary
from edgewise.nn.elementary import FunctionTable
from edgewise.pde import Solution
from tests.plot.solutions import heat, untrained


@pytest.mark.parametrize("model", [KAN([2, 3, 1], seed=1), MLP([2, 3, 1], seed=1)], ids=["KAN", "MLP"])
def test_a_model_comes_back_as_a_model(model, tmp_path):
    save(model, tmp_path / "m", extra={"estimator": 1}, state={"t": torch.ones(2)})
    again = load(str(tmp_path / "m"))
    assert type(again) is type(model)
    x = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), model(x))
    everything = checkpoint.read(tmp_path / "m")
    assert everything.extra == {"estimator": 1} and torch.equal(everything.state["t"], torch.ones(2))


def test_a_model_with_functions_of_its_own(tmp_path):
    mine = {**ELEMENTARY, **FunctionTable([Elementary("softplus", torch.nn.functional.softplus, "log(1 + exp(x))")])}
    model = KAN([1, 1], functions=[[["softplus"]]], table=mine)
    save(model, tmp_path / "m")
    with pytest.raises(CheckpointError, match="softplus"):
        load(tmp_path / "m")
    assert load(tmp_path / "m", table=mine).config == model.config


def test_other_paths_are_refused():
    with pytest.raises(InputError, match=r"^path must be the name of a file, got 5$"):
        load(5)


@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_an_estimator_comes_back_as_an_estimator(kind, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = x[:, 0] > 0 if kind is KANClassifier else x[:, 0]
    estimator = kind(hidden=(), grid_size=3, regularization=1e-3, random_state=0).fit(x, y)
    save(estimator, tmp_path / "m", extra={"note": [1, 2]})
    again = load(tmp_path / "m")
    assert type(again) is kind
    np.testing.assert_array_equal(again.predict(x), estimator.predict(x))
    assert checkpoint.read(tmp_path / "m").extra["extra"] == {"note": [1, 2]}


def test_a_solution_comes_back_as_a_solution(tmp_path):
    solution = untrained(heat())
    save(solution, tmp_path / "s")
    again = load(tmp_path / "s", problem=heat())
    assert isinstance(again, Solution)
    x = heat().domain.interior(20, seed=0)
    assert torch.equal(again(x), solution(x))
    with pytest.raises(InputError, match=r"^problem must be the equation of the solution in .*s, got None$"):
        load(tmp_path / "s")


def test_facts_that_have_no_place_are_refused(tmp_path):
    solution = untrained(heat())
    with pytest.raises(InputError, match=r"^extra and state must be left out for a solution"):
        save(solution, tmp_path / "s", extra={"a": 1})
    with pytest.raises(InputError, match="a solution, got some"):
        save(solution, tmp_path / "s", state={"a": 1})
    estimator = KANRegressor()
    with pytest.raises(InputError, match=r"^state must be left out for an estimator"):
        save(estimator, tmp_path / "s", state={"a": 1})
    with pytest.raises(InputError, match=r"^estimator must be a fitted"):
        save(estimator, tmp_path / "s")
    for facts in ([1], 5, "x"):
        with pytest.raises(InputError, match=r"^extra must be a dictionary, got "):
            save(estimator, tmp_path / "s", extra=facts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("thing", [None, {}, torch.nn.Linear(1, 1), np.zeros(3), "KAN"])
def test_other_objects_are_refused(thing, tmp_path):
    with pytest.raises(InputError, match=r"^obj must be a KAN, an MLP, .*, or a Solution, got "):
        save(thing, tmp_path / "m")


def test_a_table_is_told_from_a_model(tmp_path):
    (tmp_path / "prices.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        CheckpointError, match=r"prices\.csv: a file that `edgewise.save` wrote was expected, got a table"
    ):
        load(tmp_path / "prices.csv")


def test_damaged_files_get_a_sentence_with_their_name(tmp_path):
    save(KAN([1, 1]), tmp_path / "m")
    data = bytearray((tmp_path / "m").read_bytes())
    data[-1] ^= 1
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"^model file .*m must match the checksum"):
        load(tmp_path / "m")
    save(replace(untrained(heat()), unknowns={"k": 1.0}), tmp_path / "s")
    with pytest.raises(InputError, match="must have the coefficients"):
        load(tmp_path / "s", problem=heat())


@pytest.mark.slow
def test_a_model_is_saved_and_loaded_without_scikit_learn(tmp_path):
    program = f"""
import sys
sys.modules["sklearn"] = None
import edgewise
edgewise.save(edgewise.KAN([1, 1]), {str(tmp_path / "m")!r})
print(edgewise.load({str(tmp_path / "m")!r}).config.width)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("(1, 1)\n", "")
    assert edgewise.save is save


@pytest.mark.parametrize("ending", ["txt", "py", "ONNX"])
def test_endings_of_other_formats_are_refused(tmp_path, ending):
    with pytest.raises(InputError, match=r"path must end in .safetensors.*export\(\) of an estimator writes"):
        edgewise.save(KAN([1, 1]), tmp_path / f"m.{ending}")
    assert not list(tmp_path.iterdir())
