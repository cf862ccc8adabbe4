"""Every example runs as it stands, in its short form, and prints what its docstring promises."""

import os
import re
import runpy
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples"


def run(name, *words, cwd):
    """What an example prints, run in an empty folder with warnings as errors."""
    program = FOLDER / f"{name}.py"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed, warnings.catch_warnings():
        patch.setattr("sys.argv", [str(program), *words])
        patch.chdir(cwd)
        warnings.simplefilter("error")
        runpy.run_path(str(program), run_name="__main__")
    return printed.getvalue()


def number(pattern, text):
    return float(re.search(pattern, text)[1])


def test_each_has_its_test():
    assert {path.stem for path in FOLDER.glob("*.py")} == {
        *("table_to_formula", "poisson", "burgers", "inverse_diffusion", "torch_loop", "deepxde_net", "convolution")
    }
    for path in FOLDER.glob("*.py"):
        assert f"python examples/{path.name} --quick" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_table_becomes_its_formula(tmp_path):
    printed = run("table_to_formula", "--quick", cwd=tmp_path)
    assert "period = 2*pi*sqrt(length/gravity)" in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_convolutions(tmp_path):
    pytest.importorskip("sklearn")
    printed = run("convolution", "--quick", cwd=tmp_path)
    assert number(r"KANConv2d +8 +\S+ +(\S+)", printed) > 0.8


@pytest.mark.slow
def test_poisson(tmp_path):
    printed = run("poisson", "--quick", "--out", "figures", cwd=tmp_path)
    assert number(r"relative L2 error (\S+),", printed) < 1e-3
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["history.png", "solution.png"]


@pytest.mark.nightly
def test_burgers(tmp_path):
    printed = run("burgers", "--quick", "--out", "film", cwd=tmp_path)
    assert number(r"relative L2 error (\S+),", printed) < 0.1
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["burgers.gif", "solution.png"]


@pytest.mark.slow
def test_the_coefficient_is_found(tmp_path):
    printed = run("inverse_diffusion", "--quick", cwd=tmp_path)
    assert number(r"k = (\S+),", printed) == pytest.approx(0.3, abs=0.01)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_finer_grids_go_on_from_coarser_ones(tmp_path):
    printed = run("torch_loop", "--quick", cwd=tmp_path)
    errors = [float(value) for value in re.findall(r"error (\S+) on fresh", printed)]
    assert len(errors) == 3 and errors[0] > errors[1] > errors[2]
    assert not list(tmp_path.iterdir())


IN_DEEPXDE = f"""
import runpy, sys
sys.argv = ["deepxde_net.py", "--quick"]
runpy.run_path({str(FOLDER / "deepxde_net.py")!r}, run_name="__main__")
import deepxde as dde, torch
from edgewise import KAN
dde.config.set_default_float("float64")
net = KAN([2, 4, 1], grid_size=4, degree=5, domain=(0, 1), seed=1, dtype=torch.float64)
x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
u = net(x)
taken = torch.cat([dde.grad.jacobian(u, x, i=0), dde.grad.hessian(u, x, i=0, j=0), dde.grad.hessian(u, x, i=1, j=1)], 1)
jet = net.jet(x, torch.eye(2, dtype=torch.float64), 2)[..., 0]
print(float((taken - jet[[1, 3, 2, 4]].T).abs().max() / jet.abs().max()))
"""


@pytest.mark.nightly
@pytest.mark.skipif(find_spec("deepxde") is None, reason="deepxde is not installed")
def test_a_kan_is_a_net_of_deepxde_which_takes_the_derivatives_that_it_gives(tmp_path):
    """In a process of its own: deepxde sets the type of numbers for all of torch."""
    done = subprocess.run(
        [sys.executable, "-c", IN_DEEPXDE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "DDE_BACKEND": "pytorch"},
    )
    assert done.returncode == 0, done.stderr
    assert number(r"relative L2 error (\S+)\n", done.stdout) < 0.3
    assert float(done.stdout.split()[-1]) < 1e-12
