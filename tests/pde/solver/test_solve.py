"""`solve`: known solutions to many digits with default settings, error estimates, and reasons of the end."""

import math
from dataclasses import replace

import pytest
import torch

from edgewise.errors import InputError
from edgewise.files import journal as journal_module
from edgewise.files.journal import Journal
from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.solving import solve
from edgewise_experiments.problems.named_equations import named_equation

PI = math.pi


def heat(**settings):
    return PDE(
        lambda u: u.t - 0.1 * u.xx,
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-0.1 * PI**2 * t) * torch.sin(PI * x),
        **settings,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degree": 2}, r"^degree must be 3 to 5 for an equation of order 2, got 2$"),
        ({"budget": 0}, r"^budget must be a positive number, got 0$"),
        ({"tolerance": -1}, r"^tolerance must be a number of at least 0, got -1$"),
        ({"fineness": 3}, r"^solve has no option 'fineness'; the known ones are problem, .*, hidden, grid_size, "),
        ({"starts": 0}, r"^starts must be an integer of at least 1, got 0$"),
    ],
)
def test_wrong_settings_get_one_sentence(settings, message):
    with pytest.raises(InputError, match=message):
        solve(heat(points=50), **settings)


def test_only_problems_can_be_solved():
    with pytest.raises(InputError, match=r"^problem must be a PDE, got Equation$"):
        solve(named_equation("heat"))


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.slow
def test_a_resumed_solve_gives_the_bits_of_one_that_was_not_interrupted(tmp_path, monkeypatch):
    """Refinement with an unknown coefficient. The journal is written after every training here."""
    equation = "inverse-diffusion"
    monkeypatch.setattr(journal_module, "WRITE_AFTER", 0.0)
    make = named_equation(equation).make
    options = {"budget": 0.05, "tolerance": 1e-4, "degree": 5}  # structured grids, without it, train nothing
    whole, run = solve(make(), **options), {"equation": equation}
    journal, keep, trainings = Journal(tmp_path / "j", run), Journal.keep, []

    def keep_two(self, *part):
        keep(self, *part)
        trainings.append(part)
        if len(trainings) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", keep_two)
        with pytest.raises(Killed):
            solve(make(), journal=journal, **options)
    later = Journal(tmp_path / "j", run)
    assert later.resume() == 2
    again = solve(make(), journal=later, **options)
    assert (again.stopped, again.message, again.unknowns) == (whole.stopped, whole.message, whole.unknowns)
    assert [replace(s, seconds=0) for s in again.stages] == [replace(s, seconds=0) for s in whole.stages]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
