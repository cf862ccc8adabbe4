"""`import edgewise` is light, quiet and complete."""

import json
import os
import subprocess
import sys

import pytest

import edgewise

ROOMS = [name for name in dir(edgewise) if not name.startswith("__") and name not in edgewise.__all__]

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


@pytest.mark.slow
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


def in_a_new_process(program, *, cwd):
    """Standard output of a program that runs with every deprecation of Edgewise's own names as an error."""
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_rooms_are_loaded_when_they_are_first_used(tmp_path):
    rooms = "plot pde datasets tables report estimator export train nn interpret compare checkpoint errors"
    program = f"""
import sys, edgewise
assert not {{"edgewise.plot", "edgewise.pde", "edgewise.estimator", "edgewise.nn", "torch"}} & set(sys.modules)
print(*[getattr(edgewise, room).__name__ for room in {rooms!r}.split()])
"""
    assert in_a_new_process(program, cwd=tmp_path).split() == [f"edgewise.{room}" for room in rooms.split()]


# Rooms that neither the import of the estimators nor a plain fit loads.
WALLED = {"cli", "discovery", "explore", "export", "pde", "plot", "processes", "report"}
LOADED = """
def loaded():
    return [name.split(".")[1] for name in sys.modules if name.startswith("edgewise.")]
"""


@pytest.mark.slow
def test_the_estimators_load_few_modules_and_a_fit_or_a_report_no_other_room(tmp_path):
    program = f"""
import sys
{LOADED}
from edgewise import KANRegressor
print(len(loaded()), *{WALLED} & set(loaded()))
x = [[number / 20] for number in range(40)]
model = KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(x, [row[0] ** 2 for row in x])
model.predict(x)
print("fit", *{WALLED} & set(loaded()))
model.report().html
print("report", *({WALLED} | {{"formulas"}}) & set(loaded()))
"""
    imported, fitted, reported = in_a_new_process(program, cwd=tmp_path).splitlines()
    count, *walled = imported.split()
    assert int(count) <= 150 and not walled
    assert fitted.split() == ["fit"]
    assert sorted(reported.split()) == ["plot", "report", "report"]  # of no formulas and no equations


@pytest.mark.slow
def test_a_file_loads_the_rooms_of_what_it_holds(tmp_path):
    program = f"""
import sys, edgewise
{LOADED}
edgewise.save(edgewise.KAN([2, 1]), "network")
edgewise.load("network")
print(*{{"estimator", "search", "pde"}} & set(loaded()))
x = [[number / 20] for number in range(40)]
model = edgewise.KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(x, [row[0] ** 2 for row in x])
edgewise.save(model, "estimator")
edgewise.load("estimator")
print(*{WALLED} & set(loaded()))
"""
    assert in_a_new_process(program, cwd=tmp_path) == "\n\n"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_exists(room):
    module = getattr(edgewise, room)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


def test_dir_shows_the_public_names_and_the_rooms():
    assert {*edgewise.__all__, "__version__"} <= set(dir(edgewise))
    assert all(getattr(edgewise, room).__name__ == f"edgewise.{room}" for room in ROOMS)
    assert len(edgewise.__all__) <= 50


@pytest.mark.slow
def test_python_m_edgewise_is_the_command_line(tmp_path):
    program = "import runpy, sys; sys.argv[1:] = ['--version']; runpy.run_module('edgewise', run_name='__main__')"
    assert edgewise.__version__ in in_a_new_process(program, cwd=tmp_path)


@pytest.mark.parametrize("name", edgewise.__all__)
def test_every_public_name_resolves_and_has_a_docstring(name):
    thing = getattr(edgewise, name)
    assert thing.__doc__
    assert name in dir(edgewise)
