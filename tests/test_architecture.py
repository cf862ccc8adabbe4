"""The house rules hold: ranks, heavy imports, sizes, habits; tests mirror the source. And each rule can fail."""

import ast
from pathlib import Path

import pytest

import edgewise
from tests.architecture import FILE_LINES, FUNCTION_LINES, RANK, problems

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TESTS = ROOT / "src" / "edgewise", ROOT / "tests"
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))

# Parts of a folder that are tested through its door: the module, and the file that tests it.
TESTED_BY = {
    "cli/options.py": "cli/test_app.py",
    "ops/kernels/reference.py": "ops/test_kernels.py",  # one contract for all kernels
    "ops/kernels/cpu.py": "ops/test_kernels.py",
    "checkpoint/container.py": "checkpoint/test_hostile.py",
    "checkpoint/network.py": "checkpoint/test_checkpoint.py",
    "nn/chain.py": "nn/test_jet.py",
    "pde/conditions.py": "pde/test_equation.py",
    "pde/scene.py": "pde/test_equation.py",
    "pde/shapes.py": "pde/test_domain.py",  # one set of properties for all domains
    "plot/layout.py": "plot/test_diagram.py",
    "report/content.py": "report/test_page.py",
    "report/vector.py": "report/test_page.py",
    "train/edge_blocks.py": "train/test_matrix_free.py",
    "tables/delimited.py": "tables/test_read.py",
    "tables/header.py": "tables/test_read.py",
    "tables/inputs.py": "tables/test_encode.py",
    "tables/parquet.py": "tables/test_read.py",
    "tables/table.py": "tables/test_read.py",
    "tables/target.py": "tables/test_encode.py",
    "tables/values.py": "tables/test_read.py",
}


@pytest.mark.parametrize("module", MODULES)
def test_house_rules(module):
    assert problems(module, (SOURCE / module).read_text(encoding="utf-8")) == []


def test_modules_were_found():
    assert "ops/contract.py" in MODULES


def test_every_file_and_folder_has_a_rank():
    parts = {Path(module).parts[0].removesuffix(".py") for module in MODULES} - {"__init__"}
    assert parts <= set(RANK)


@pytest.mark.parametrize("module", [module for module in MODULES if not module.endswith("__init__.py")])
def test_tests_mirror_the_source(module):
    path = Path(module)
    mirror = TESTS / path.parent / f"test_{path.name}"
    if module in TESTED_BY:
        assert not mirror.exists(), "no longer an exception"
        mirror = TESTS / TESTED_BY[module]
    assert mirror.is_file(), f"{module} has no {mirror.relative_to(ROOT)}"


def test_exceptions_are_about_modules_that_exist():
    assert set(TESTED_BY) <= set(MODULES)


def test_experiments_build_and_train_with_public_names():
    """What a table says of a model, a reader can do: nothing of nn/ and train/ that `edgewise` doesn't offer."""
    public, found = set(edgewise.__all__), []
    for path in sorted((SOURCE / "experiments").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            if (module or "").startswith(("edgewise.nn", "edgewise.train")):
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
        ("interpret/formula.py", "import sympy"),
        ("tables/read.py", "def f():\n    import pandas.api.types"),
        ("nn/layer.py", "import torch\ng = torch.Generator().manual_seed(0)"),
        ("nn/layer.py", "try:\n    f()\nexcept Exception as error:\n    raise ValueError from error"),
        ("nn/layer.py", "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
        ("nn/layer.py", "def f():\n    '''" + "x\n" * 100 + "'''\n" + "    f()\n" * (FUNCTION_LINES - 1)),
        ("nn/model.py", "class KAN:\n" + "    x = 1\n" * 149),
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
            "def f():\n    import edgewise.train.fit",
            "line 3 imports train, which does not rank below ops",
        ),
        ("plot/curves.py", "from edgewise.tables import x", "line 2 imports tables, which does not rank below plot"),
        ("errors.py", "import edgewise.files", "line 2 imports files, which does not rank below errors"),
        ("nn/layer.py", "from edgewise import KAN", "line 2 imports from edgewise itself: KAN"),
        ("nn/layer.py", "import edgewise", "line 2 imports from edgewise itself: the package"),
        ("odd.py", "import edgewise.errors", "odd has no rank"),
        ("nn/layer.py", "from . import config", "line 2 imports relatively (..config)"),
        ("nn/layer.py", "from .config import KANConfig", "line 2 imports relatively (.config.KANConfig)"),
        (
            "nn/layer.py",
            "def f():\n    from scipy import linalg",
            "line 3 imports scipy, allowed in datasets, experiments, export",
        ),
        ("train/fit.py", "import sklearn", "line 2 imports sklearn, allowed in estimator, baselines, experiments"),
        ("estimator/base.py", "import pandas", "line 2 imports pandas, allowed in tables"),
        ("interpret/prune.py", "import sympy", "line 2 imports sympy, allowed in interpret.formula, export"),
        ("interpret/formulary.py", "import sympy", "line 2 imports sympy, allowed in interpret.formula, export"),
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
        ("nn/layer.py", "np.random.seed(0)", "line 2 calls np.random.seed: moves the global generator"),
        ("nn/layer.py", "torch.set_default_dtype(x)", "line 2 calls torch.set_default_dtype: changes a global setting"),
        ("nn/layer.py", "try:\n    f()\nexcept:\n    raise", "line 4 catches every error and raises none"),
        ("nn/layer.py", "try:\n    f()\nexcept Exception:\n    pass", "line 4 catches every error and raises none"),
        (
            "nn/layer.py",
            "try:\n    f()\nexcept (ValueError, BaseException):\n    pass",
            "line 4 catches every error and raises none",
        ),
        ("nn/layer.py", "x.nan_to_num()", "line 2 hides numbers that are none (nan_to_num)"),
        ("nn/layer.py", "f(x).nan_to_num_()", "line 2 hides numbers that are none (nan_to_num)"),
        ("nn/utils.py", "", "is called utils, which says nothing"),
        ("nn/_helpers/x.py", "", "is called _helpers, which says nothing"),
        ("nn/layer.py", "x = 1\n" * FILE_LINES, f"{FILE_LINES + 1} lines, at most {FILE_LINES}"),
        ("nn/layer.py", "def f():\n" + "    f()\n" * FUNCTION_LINES, f"f has {FUNCTION_LINES + 1} lines, at most 60"),
        ("nn/layer.py", "class A:\n    def f(x):\n" + "        f()\n" * 60, "f has 61 lines, at most 60"),
        ("nn/model.py", "class KAN:\n" + "    x = 1\n" * 150, "KAN has 151 lines, at most 150"),
    ],
)
def test_each_rule_can_fail(path, source, problem):
    assert problems(path, GOOD + source) == [f"{path}: {problem}"]


@pytest.mark.parametrize("source", ["x = 1\n", '""" """\nx = 1\n', ""])
def test_a_file_without_docstring_fails(source):
    assert problems("nn/layer.py", source) == ["nn/layer.py: opens without a docstring"]
