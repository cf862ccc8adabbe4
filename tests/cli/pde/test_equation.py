"""Problems from files; errors in a user's file are reported with their line."""

import sys

import pytest
import torch

from edgewise.cli.pde.equation import errors_with_line, open_equation
from edgewise.errors import InputError

START = "import torch\nfrom edgewise.pde import PDE, Initial, Time\n"
DECAY = START + "problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], points=50)\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_a_file_with_its_solution(written):
    opened = open_equation(written('"""Decay\nof u.\n\nMore."""\n' + DECAY + "exact = lambda t: torch.exp(-t)\n"))
    assert opened.statement == "Decay of u."
    t = torch.tensor([[0.5]], dtype=torch.float64)
    assert float(opened.problem.exact(t)) == pytest.approx(0.6065306597126334, rel=1e-15)
    plain = open_equation(written(DECAY))
    assert plain.problem.form.solution is None and plain.statement.startswith("the problem in ")


def test_a_file_may_import_its_neighbours(written, tmp_path):
    written("RATE = 2.0\n", "neighbour_of_mine.py")
    text = DECAY.replace("u.t + u", "u.t + RATE * u").replace("import torch", "from neighbour_of_mine import RATE")
    before = list(sys.path)
    try:
        open_equation(written(text))
    finally:
        sys.modules.pop("neighbour_of_mine", None)
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = (\n", r"^mine\.py, line 2: '\(' was never closed$"),
        ("x = 1\n\nz = y\n", r"^mine\.py, line 3: NameError: name 'y' is not defined$"),
        ("import nothing_of_the_kind\n", r"^mine\.py, line 1: ModuleNotFoundError: "),
        ("x = 1\n", r"mine\.py must define `problem`, as problem = PDE\(.*\), got no such name$"),
        ("problem = 3\n", r"mine\.py must define `problem`.*, got int$"),
        ("raise SystemExit(3)\n", r"must define `problem` without ending the process, it ended with exit code 3$"),
        (START + "problem = PDE(lambda u: u.t, Time(0, 1), [])\n", r"^mine\.py, line 3: conditions at the start must"),
        (DECAY + "exact = lambda t: t[:3]\n", r"^`exact` must fit the problem: solution must be a number"),
        (DECAY + "exact = {'v': 1.0}\n", r"^`exact` must fit the problem: solution must be given for fields among u"),
        (DECAY + "exact = lambda t: exp(-t)\n", r"^mine\.py, line 4: NameError: name 'exp' is not defined$"),
    ],
)
def test_what_is_wrong_with_a_file(text, message, written):
    with pytest.raises(InputError, match=message):
        open_equation(written(text))


def test_an_error_of_ours_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(ZeroDivisionError), errors_with_line(tmp_path / "mine.py"):
        _ = 1 / 0
