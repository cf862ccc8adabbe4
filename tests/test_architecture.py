"""The house rules hold: ranks, heavy imports, sizes, habits; tests mirror the source. And each rule can fail."""

import ast
from pathlib import Path

import pytest

import edgewise
from tests.architecture import CATCHES_PROGRAMMING_ERRORS, FILE_LINES, RANKS, caught_programming_errors, problems
from tests.ratchet import modules_of_the_regressor

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TESTS = ROOT / "src" / "edgewise", ROOT / "tests"
EXPERIMENTS = ROOT / "experiments" / "edgewise_experiments"
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


@pytest.mark.slow
def test_house_rules():
    faults = []
    for module in MODULES:
        faults += problems(module, (SOURCE / module).read_text(encoding="utf-8"))
    assert not faults, "\n".join(faults)


def test_every_file_and_folder_has_a_rank():
    parts = {Path(module).parts[0].removesuffix(".py") for module in MODULES} - {"__init__"}
    assert parts <= set().union(*RANKS)


# Rooms that a fit of a table needs only when it is asked for what they do, and those that it still loads at once; the
# second list only ever gets shorter.
BEHIND_WALLS = {"pde", "explore", "plot", "report", "processes", "cli"}
STILL_LOADED = {"pde", "processes"}


@pytest.mark.slow
def test_the_regressor_loads_no_room_behind_a_wall():
    rooms = {name.split(".")[1] for name in modules_of_the_regressor() if "." in name}
    assert rooms & BEHIND_WALLS <= STILL_LOADED


def test_every_room_has_tests():
    """Tests mirror rooms: each folder with modules has a folder of the same name, with tests, under tests/."""
    rooms = {Path(module).parent for module in MODULES if Path(module).name != "__init__.py"}
    without = [room.as_posix() for room in rooms if not any((TESTS / room).rglob("test_*.py"))]
    assert without == []


def test_every_room_opens_with_a_paragraph():
    without = []
    for folder in sorted({(SOURCE / module).parent for module in MODULES}):
        opening = folder / "__init__.py"
        if not opening.exists() or not ast.get_docstring(ast.parse(opening.read_text(encoding="utf-8"))):
            without.append(folder.relative_to(SOURCE).as_posix())
    assert without == []


def test_the_list_of_caught_programming_errors_only_gets_shorter():
    for module in CATCHES_PROGRAMMING_ERRORS & set(MODULES):
        tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
        assert caught_programming_errors(tree), f"take {module} off CATCHES_PROGRAMMING_ERRORS"


def public_names(package):
    """`__all__` of a package of src/edgewise, given by its folder."""
    for node in ast.parse((SOURCE / package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


# Modules and packages that still share their name with a function; the list only ever gets shorter.
SHARED_NAMES = {"pde/algebra/newton.py", "report/page.py"}


@pytest.mark.slow
def test_no_module_shares_its_name_with_a_function():
    """`from edgewise.train import fit` gives the function, because nothing else in the room is called `fit`."""
    found = set()
    for module in MODULES:
        path = Path(module)
        package = path.parent.parent if path.name == "__init__.py" else path.parent
        name = path.parent.name if path.name == "__init__.py" else path.stem
        defined = ast.parse((SOURCE / module).read_text(encoding="utf-8")).body
        functions = {node.name for node in defined if isinstance(node, ast.FunctionDef)}
        if path.as_posix() != "__init__.py" and (name in functions or name in public_names(package)):
            found.add((package / name).as_posix() if path.name == "__init__.py" else module)
    assert found <= SHARED_NAMES


# Names of nn/ and train/ that no user needs and experiments about the insides do; the list only ever gets shorter.
USED_BY_EXPERIMENTS = {"StepCost", "TensorLayer", "enclose", "remember"}


@pytest.mark.slow
def test_experiments_build_and_train_with_public_names():
    """A reader can build whatever an experiment builds: of nn/ and train/ it uses only public names."""
    public = USED_BY_EXPERIMENTS | set(edgewise.__all__) | set(public_names("nn")) | set(public_names("train"))
    found = []
    for path in sorted(EXPERIMENTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            if (module or "").startswith(("edgewise.nn", "edgewise.train")):
                found += [f"{path.name}: {alias.name}" for alias in node.names if alias.name not in public]
    assert found == []


def test_examples_use_public_names():
    """Examples import from `edgewise` and its rooms only, and only names that are listed as public."""
    found = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "edgewise":
                room = node.module.partition(".")[2].replace(".", "/")
                public = public_names(room) if (SOURCE / room / "__init__.py").exists() else []
                found += [f"{path.name}: {alias.name}" for alias in node.names if alias.name not in public]
    assert found == []


GOOD = '"""A file."""\n'


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("nn/layer.py", "import torch\nfrom edgewise.ops import knots\nfrom edgewise.nn.config import KANConfig"),
        ("nn/layer.py", "import math, json\nimport numpy as np\nfrom edgewise.errors import InputError"),
        ("__init__.py", "from edgewise.nn.model import KAN\nfrom edgewise.cli import main"),
        ("cli/main.py", "import typer\nfrom edgewise import KAN\nimport edgewise"),
        ("formulas/printing.py", "import sympy"),
        ("tables/read.py", "def f():\n    import pandas.api.types"),
        ("nn/layer.py", "import torch\ng = torch.Generator().manual_seed(0)"),
        ("nn/layer.py", "try:\n    f()\nexcept Exception as error:\n    raise ValueError from error"),
        ("nn/layer.py", "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
        ("nn/layer.py", "try:\n    f()\nexcept (TypeError, ValueError) as error:\n    raise InputError from error"),
        ("nn/layer.py", "x = 1\n" * (FILE_LINES - 1)),
        ("nn/layer.py", "def f():\n" + "    f()\n" * 500),
        ("train/loop/fitting.py", "from edgewise.train.methods.base import Method"),
        ("cli/app.py", "def f(a, b, c, d, e, f, g, h, i): ..."),
        ("nn/layer.py", "class A:\n    def f(self, a, b, c, d, e, f, g, h): ..."),
    ],
)
def test_good_files_pass(path, source):
    assert problems(path, GOOD + source) == []


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("ops/knots.py", "from edgewise.nn.layer import KANLayer", "line 2 imports nn, which does not rank below ops"),
        ("ops/knots.py", "from edgewise import nn", "line 2 imports nn, which does not rank below ops"),
        (
            "ops/knots.py",
            "def f():\n    import edgewise.train.grids",
            "line 3 imports train, which does not rank below ops",
        ),
        ("plot/curves.py", "from edgewise.tables import x", "line 2 imports tables, which does not rank below plot"),
        ("errors.py", "import edgewise.files", "line 2 imports files, which does not rank below errors"),
        ("nn/layer.py", "from edgewise import KAN", "line 2 imports from edgewise itself: KAN"),
        ("nn/layer.py", "import edgewise", "line 2 imports from edgewise itself: the package"),
        ("odd.py", "import edgewise.errors", "odd has no rank"),
        ("nn/layer.py", "from . import config", "line 2 imports relatively (..config)"),
        ("nn/layer.py", "from .config import KANConfig", "line 2 imports relatively (.config.KANConfig)"),
        ("train/grids.py", "import sklearn", "line 2 imports sklearn, allowed in estimator, compare"),
        ("nn/layer.py", "import rich.progress", "line 2 imports rich, allowed in cli"),
        ("nn/layer.py", "import requests", "line 2 imports requests, which no rule allows"),
        (
            "nn/layer.py",
            "import importlib\nimportlib.import_module('edgewise.train')",
            "line 3 imports train, which does not rank below nn",
        ),
        (
            "nn/layer.py",
            "from importlib import import_module\nimport_module(f'edgewise.train.{x}')",
            "line 3 imports train, which does not rank below nn",
        ),
        ("nn/layer.py", "import pickle", "line 2 imports pickle: pickle runs code from files"),
        (
            "plot/curves.py",
            "import matplotlib.pyplot as plt",
            "line 2 imports matplotlib.pyplot: pyplot is global state",
        ),
        ("plot/curves.py", "from matplotlib import pyplot", "line 2 imports matplotlib.pyplot: pyplot is global state"),
        ("nn/layer.py", "print('x')", "line 2 calls print: a library does not print"),
        ("nn/layer.py", "torch.manual_seed(0)", "line 2 calls torch.manual_seed: moves the global generator"),
        ("nn/layer.py", "try:\n    f()\nexcept:\n    raise", "line 4 catches every error and raises none"),
        ("nn/layer.py", "try:\n    f()\nexcept Exception:\n    pass", "line 4 catches every error and raises none"),
        (
            "nn/layer.py",
            "try:\n    f()\nexcept AttributeError:\n    pass",
            "line 4 catches AttributeError and goes on: a mistake of ours stays hidden",
        ),
        (
            "nn/layer.py",
            "FAILURES = (OSError, AssertionError)\ntry:\n    f()\nexcept FAILURES:\n    pass",
            "line 5 catches AssertionError and goes on: a mistake of ours stays hidden",
        ),
        (
            "nn/layer.py",
            "with contextlib.suppress(KeyError, TypeError):\n    f()",
            "line 2 catches TypeError and goes on: a mistake of ours stays hidden",
        ),
        ("nn/layer.py", "x.nan_to_num()", "line 2 hides numbers that are none (nan_to_num)"),
        ("nn/layer.py", "y = f'{x:.3g}'", "line 2 writes a number by '.3g', which `presentation` does"),
        ("nn/utils.py", "", "is called utils, which says nothing"),
        ("nn/_helpers/x.py", "", "is called _helpers, which says nothing"),
        ("nn/layer.py", "x = 1\n" * FILE_LINES, f"{FILE_LINES + 1} lines, at most {FILE_LINES}"),
        ("nn/layer.py", "def f(a, b, c, d, e, f, g, h, i): ...", "f has 9 arguments, at most 8"),
        (
            "train/methods/base.py",
            "from edgewise.train.loop.fitting import fit",
            "line 2 imports train.loop, which does not rank below train.methods",
        ),
        ("train/odd.py", "from edgewise.train.grids import refine", "train.odd has no rank within train"),
    ],
)
def test_each_rule_can_fail(path, source, problem):
    assert problems(path, GOOD + source) == [f"{path}: {problem}"]


@pytest.mark.parametrize("source", ["x = 1\n", '""" """\nx = 1\n', ""])
def test_a_file_without_docstring_fails(source):
    assert problems("nn/layer.py", source) == ["nn/layer.py: opens without a docstring"]
