"""`import edgewise` is light, quiet and complete."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

import edgewise

HEAVY = (
    "matplotlib",
    "onnx",
    "onnxscript",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "sympy",
    "typer",
)

# What the import loads beyond what torch itself loads: torch brings sympy where it is installed, for instance.
PROGRAM = """
import json, random, sys
import numpy, torch
before = set(sys.modules)
states = [str(torch.random.get_rng_state().tolist()), str(numpy.random.get_state()), str(random.getstate())]
settings = torch.get_default_dtype(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
import edgewise
assert settings == (torch.get_default_dtype(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
assert states == [str(torch.random.get_rng_state().tolist()), str(numpy.random.get_state()), str(random.getstate())]
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_import_loads_nothing_heavy_and_changes_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:edgewise", "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert (run.returncode, run.stderr) == (0, "")
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert "edgewise" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", edgewise.__all__)
def test_every_public_name_resolves_and_has_a_docstring(name):
    thing = getattr(edgewise, name)
    assert thing.__doc__
    assert name in dir(edgewise)


def test_public_names_are_listed_once():
    names = list(edgewise.__all__)
    assert len(set(names)) == len(names)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        edgewise.no_such_name  # noqa: B018


def test_version_is_that_of_the_distribution():
    assert importlib.metadata.version("edgewise") == edgewise.__version__
