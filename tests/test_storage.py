"""`edgewise.save` and `edgewise.load`: each kind of object comes back as what it was, told apart by its file."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import edgewise
from edgewise import KAN, KANRegressor, load, save
from edgewise.errors import CheckpointError, InputError
from edgewise.nn import ELEMENTARY, Elementary
from edgewise.nn.elementary import FunctionTable
from edgewise.pde import Solution
from tests.plot.solutions import heat, untrained


def test_a_model_with_functions_of_its_own(tmp_path):
    mine = {**ELEMENTARY, **FunctionTable([Elementary("softplus", torch.nn.functional.softplus, "log(1 + exp(x))")])}
    model = KAN([1, 1], functions=[[["softplus"]]], table=mine)
    save(model, tmp_path / "m")
    with pytest.raises(CheckpointError, match="softplus"):
        load(tmp_path / "m")
    assert load(tmp_path / "m", table=mine).config == model.config


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
