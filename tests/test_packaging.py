"""The core needs torch, numpy, scipy and safetensors; without an optional package the error shows how to install it."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import edgewise

ROOT = Path(__file__).parents[1]
OPTIONAL = (
    *("sklearn", "pandas", "polars", "pyarrow", "matplotlib", "typer", "rich"),
    *("onnx", "onnxscript", "onnxruntime", "hypothesis", "pytest"),
)


def run(program, *, without=()):
    """Standard output of a program in a fresh interpreter in which some packages cannot be imported."""
    blocker = f"import sys\nfor name in {sorted(without)!r}:\n    sys.modules[name] = None\n"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocker + program], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_core_works_without_any_optional_package(tmp_path):
    program = f"""
import torch, edgewise
from edgewise.train.loop.fitting import fit
from edgewise.train.problems import Regression
x = torch.linspace(-1, 1, 20)[:, None]
model = edgewise.KAN([1, 2, 1])
report = fit(model, Regression(x, x**2), steps=3)
edgewise.save(model, {str(tmp_path / "m")!r})
assert torch.equal(edgewise.load({str(tmp_path / "m")!r})(x), model(x))
print(report.steps)
"""
    assert run(program, without=OPTIONAL) == "3\n"


NEEDING_EXTRAS = {
    "edgewise.KANRegressor()": "sklearn",
    "edgewise.KANClassifier()": "sklearn",
    "edgewise.compare.iterate_baselines": "sklearn",
    "from edgewise.plot import network_diagram": "plot",
    "from edgewise.tables import read_table; read_table('t.parquet')": "tables",
    "from edgewise.export import to_onnx; to_onnx(edgewise.KAN([1, 1]), 'm.onnx')": "onnx",
}


@pytest.mark.slow
def test_the_message_about_a_missing_extra_ends_with_the_pip_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and so on PAR1")
    program = f"""
import edgewise
for program in {list(NEEDING_EXTRAS)}:
    try:
        exec(program)
    except edgewise.errors.MissingExtraError as error:
        print(error)
"""
    messages = run(program, without=["sklearn", "matplotlib", "pyarrow", "onnx"]).splitlines()
    for message, extra in zip(messages, NEEDING_EXTRAS.values(), strict=True):
        assert message.endswith(f"which is not installed: pip install 'edgewise[{extra}]'"), message


def test_the_metadata_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert edgewise.__version__ == project["version"] == metadata.version("edgewise")
    core = {re.match("[a-z]+", requirement)[0] for requirement in project["dependencies"]}
    assert core == {"torch", "numpy", "scipy", "safetensors"}


def test_every_extra_that_an_error_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    called = []
    for path in (ROOT / "src").rglob("*.py"):
        called += re.findall(r'missing_extra\(\s*"?[\w-]+"?,\s*"(\w+)"', path.read_text(encoding="utf-8"))
    assert "onnx" in called
    assert set(called) <= set(extras)


def test_the_recipe_of_conda_has_the_version_and_the_requirements_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    assert f'version: "{project["version"]}"' in recipe and f"python {project['requires-python']}" in recipe
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["sklearn"], *extras["plot"], *extras["tables"], *extras["cli"][1:]]
    other_names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    needed = recipe.partition("  run:\n")[2].partition("\ntests:")[0]
    for requirement in wanted:
        name, least = requirement.split(">=")
        assert f"- {other_names.get(name, name)} >={least}\n" in needed, requirement


def test_the_citation_has_the_version_of_the_project():
    assert f"\nversion: {edgewise.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
