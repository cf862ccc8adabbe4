"""`edgewise solve`: equations from files, output and files, Ctrl-C."""

import json
import re
from contextlib import contextmanager
from functools import partial

import pytest

from edgewise.cli.pde import results
from edgewise.cli.pde import solve as command
from edgewise.cli.pde.equation import open_equation
from edgewise.cli.pde.results import SolveJob
from edgewise.cli.shared.folder import SOLUTION_NAMES
from edgewise.cli.terminal.console import Screen
from edgewise.pde import solve as real
from edgewise.pde.storage import load_solution

DECAY = '''"""Decay."""
import torch
from edgewise.pde import PDE, Initial, Time

problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], points=50)
exact = lambda t: torch.exp(-t)
'''
HEAT = '''"""u_t = 0.1 u_xx on [0, 1], t to 1, sin(pi x) at the start"""
import torch
from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time

start = Initial(lambda x: torch.sin(torch.pi * x))
problem = PDE(lambda u: u.t - 0.1 * u.xx, Interval(0, 1) * Time(0, 1), [Dirichlet(0.0), start])
exact = lambda x, t: torch.exp(-0.1 * torch.pi**2 * t) * torch.sin(torch.pi * x)
'''


@pytest.fixture
def decay(tmp_path):
    path = tmp_path / "decay.py"
    path.write_text(DECAY)
    return path


@pytest.fixture
def heat(tmp_path):
    path = tmp_path / "heat.py"
    path.write_text(HEAT)
    return path


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Animations of two frames."""
    monkeypatch.setattr(results, "animate", partial(results.animate, frames=2))


def number(label, text):
    return float(re.search(rf"^{label} +(\S+)", text, re.MULTILINE)[1])


def test_a_file(edgewise, decay, tmp_path):
    done = edgewise("solve", decay)
    assert done.code == 0 and done.err == ""
    assert done.out.startswith(f"{decay}: Decay.\n")
    assert "parameters" in done.out and "Two integrations in time agree" in done.out
    assert number("relative L2 error", done.out) < 1e-9
    for label in ("relative H1 error", "largest error", "residual", "estimated relative error"):
        assert number(label, done.out) < 1e-8
    assert "No files were written; --out FOLDER" in done.out
    assert list(tmp_path.iterdir()) == [decay]


@pytest.mark.slow
def test_the_command_solves_as_the_function_does(edgewise, heat):
    """Options that nobody gives choose nothing: networks were trained where grids solve."""
    message = real(open_equation(str(heat)).problem).message
    assert message.startswith("Two integrations in time agree to ")
    assert message in " ".join(edgewise("solve", heat).out.split())


@pytest.mark.nightly
def test_an_equation_with_its_files(edgewise, heat, tmp_path):
    out = tmp_path / "out"
    done = edgewise("solve", heat, "--tolerance", "0.5", "--vtk", "--out", out)
    assert done.code == 0 and sorted(path.name for path in out.iterdir()) == sorted(SOLUTION_NAMES)
    facts = json.loads((out / "solution.json").read_text())
    assert facts["command"].endswith("heat.py --tolerance 0.5 --vtk") and facts["domain"]["box"]["x"] == [0.0, 1.0]
    assert facts["options"] | {"equation": str(heat), "tolerance": 0.5} == facts["options"]
    assert number("relative L2 error", done.out) == pytest.approx(facts["errors"]["all"]["relative_l2"], rel=0.1)
    assert f"Wrote {out}: solution.safetensors, solution.png" in done.out
    again = load_solution(out / "solution.safetensors", open_equation(str(heat)).problem)
    assert again.errors().relative_l2 == facts["errors"]["all"]["relative_l2"]


@pytest.mark.slow
def test_several_fields_and_coefficients(edgewise, tmp_path):
    path = tmp_path / "pair.py"
    path.write_text(
        "import torch\nfrom edgewise.pde import *\nt = torch.linspace(0, 2, 30, dtype=torch.float64)[:, None]\n"
        "problem = PDE(lambda u, v, k: (u.t - v, v.t + k * u), Time(0, 2), "
        "[Initial({'u': 0.0, 'v': 1.0}), Observations(t, torch.sin(t[:, 0]), 'u')], "
        "coefficients={'k': 2.0}, points=50)\n"
        "exact = {'u': lambda t: torch.sin(t), 'v': lambda t: torch.cos(t)}\n"
    )
    printed = edgewise("solve", path, "--tolerance", "1e-4").out
    assert re.search(r"^ +u +v +all", printed, re.MULTILINE)
    assert number("k", printed) == pytest.approx(1.0, abs=1e-3)


def test_the_file_is_to_blame_while_solving_too(refused, tmp_path):
    path = tmp_path / "hot.py"
    path.write_text(
        DECAY.replace("lambda u: u.t + u", "hot").replace(
            "problem",
            "calls = []\n\ndef hot(u):\n    calls.append(1)\n"
            "    assert len(calls) < 4, 'too hot'\n    return u.t + u\n\nproblem",
            1,
        )
    )
    assert re.search(r"^hot\.py, line \d+: AssertionError: too hot$", refused("solve", path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--time-limit", "-1"], "time_limit must be a positive number"),
        (["--tolerance", "-1"], "tolerance must be a number of at least 0"),
        (["--out", "{file}"], "--out must be a folder, got the file"),
    ],
)
def test_wrong_options(refused, decay, words, message):
    assert message in refused("solve", decay, *(word.format(file=decay) for word in words))


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far(edgewise, decay, tmp_path, monkeypatch):
    def interrupted(problem, *, progress, **settings):
        stages = []

        def stop(event):
            stages.append(event)
            if len(stages) == 2:
                raise KeyboardInterrupt

        return real(problem, progress=stop, **settings)

    monkeypatch.setattr(command, "solve_problem", interrupted)
    done = edgewise("solve", decay, "--tolerance", "0", "--out", tmp_path / "out")
    assert done.code == 0
    assert "Interrupted before the last moment: the solution ends at t = " in " ".join(done.out.split())
    assert json.loads((tmp_path / "out" / "solution.json").read_text())["stopped"] == "interrupted"


def test_a_bar_shows_stage_loss_and_share_of_the_time(decay, monkeypatch):
    shown = []

    class Recorder(Screen):
        @contextmanager
        def progress(self, what):
            yield shown.append

    command.run_solve(SolveJob(str(decay), time_limit=1e-6, tolerance=1e-3), None, Recorder(quiet=True))
    assert shown and all(isinstance(each.stage, str) and each.share >= 1 and each.loss >= 0 for each in shown)
