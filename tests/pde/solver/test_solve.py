"""`solve` with a journal: what goes on after an end gives the bits of one that was not interrupted."""

from dataclasses import replace

import pytest
import torch

from edgewise.files import journal as journal_module
from edgewise.files.journal import Journal
from edgewise.pde.solver.solving import solve
from edgewise_experiments.problems.named_equations import named_equation


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
