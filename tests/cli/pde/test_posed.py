"""Problems by name and from files; whatever is wrong with a user's file is said in a sentence with its line."""

import sys

import pytest
import torch

from edgewise.cli.pde.posed import blamed, open_problem
from edgewise.errors import FileError, InputError
from edgewise.pde import EQUATIONS

START = "import torch\nfrom edgewise.pde import PDE, Initial, Time\n"
DECAY = START + "problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], points=50)\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_names():
    posed = open_problem("heat")
    assert posed.statement == next(equation.statement for equation in EQUATIONS if equation.name == "heat")
    assert posed.problem.fields == ("u",) and posed.file is None
    with pytest.raises(
        InputError, match=r"^EQUATION must be a file that ends in .py or one of poisson.*, got 'chairs'$"
    ):
        open_problem("chairs")


def test_a_file_with_its_solution(written):
    posed = open_problem(written('"""Decay\nof u.\n\nMore."""\n' + DECAY + "exact = lambda t: torch.exp(-t)\n"))
    assert posed.statement == "Decay of u."
    t = torch.tensor([[0.5]], dtype=torch.float64)
    assert float(posed.problem.exact(t)) == pytest.approx(0.6065306597126334, rel=1e-15)
    plain = open_problem(written(DECAY))
    assert plain.problem.solution is None and plain.statement.startswith("the problem in ")


def test_a_file_may_import_its_neighbours(written, tmp_path):
    written("RATE = 2.0\n", "neighbour_of_mine.py")
    text = DECAY.replace("u.t + u", "u.t + RATE * u").replace("import torch", "from neighbour_of_mine import RATE")
    before = list(sys.path)
    try:
        open_problem(written(text))
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
        ("raise SystemExit(3)\n", r"^mine\.py must define `problem` and go on, it ended with exit code 3$"),
        (START + "problem = PDE(lambda u: u.t, Time(0, 1), [])\n", r"^mine\.py, line 3: conditions at the start must"),
        (DECAY + "exact = lambda t: t[:3]\n", r"^`exact` must fit the problem: solution must be a number"),
        (DECAY + "exact = {'v': 1.0}\n", r"^`exact` must fit the problem: value must be given for fields among u"),
        (DECAY + "exact = lambda t: exp(-t)\n", r"^mine\.py, line 4: NameError: name 'exp' is not defined$"),
    ],
)
def test_what_is_wrong_with_a_file(text, message, written):
    with pytest.raises(InputError, match=message):
        open_problem(written(text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        open_problem(str(tmp_path / "absent.py"))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(FileError, match="expected a file, got a folder"):
        open_problem(str(tmp_path / "folder.py"))


def test_an_error_of_ours_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(ZeroDivisionError), blamed(tmp_path / "mine.py"):
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), blamed(None):
        _ = 1 / 0
