"""The files of `edgewise solve`: the solution, its figures, and all numbers as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import edgewise
from edgewise.cli.pde.equation import Equation
from edgewise.cli.shared.folder import SOLUTION_MARK, ResultFolder
from edgewise.cli.shared.opening import SOLUTION_FILE
from edgewise.cli.terminal.options import command_line
from edgewise.cli.terminal.plain_values import plain
from edgewise.files.whole import write_bytes
from edgewise.pde import Errors, Solution
from edgewise.pde.storage import save_solution
from edgewise.plot import animate, save, solution_figure, solution_history

ALL = "all"  # key of the errors of all fields together


@dataclass(frozen=True)
class SolveJob:
    """All options of `edgewise solve`, which its --help describes."""

    equation: str
    time_limit: float | None = None
    tolerance: float = 1e-10
    vtk: bool = False

    @property
    def command(self) -> str:
        """The command line that repeats this job."""
        return command_line("solve", self)


@dataclass(frozen=True, eq=False)
class SolveResults:
    """A solution with its errors."""

    job: SolveJob  # the options
    equation: Equation  # the problem
    solution: Solution
    errors: dict[str, Errors]  # errors by field and of all fields together; empty without an exact solution
    seconds: float  # wall time of the solve

    @classmethod
    def from_solution(cls, job: SolveJob, equation: Equation, solution: Solution, seconds: float) -> SolveResults:
        """Measure the errors, where the exact solution is known."""
        problem = solution.problem
        errors = {}
        if problem.form.has_exact_solution:
            several = problem.fields if len(problem.fields) > 1 else ()
            errors = {name: solution.errors([name]) for name in several} | {ALL: solution.errors()}
        return cls(job, equation, solution, errors, seconds)

    def write(self, folder: ResultFolder, report_progress: Callable[[str], None]) -> list[str]:
        """Write all of the files or none, and return their names; `report_progress` receives the current activity."""
        domain = self.solution.problem.domain
        figure = solution_figure(self.solution)

        def write_animation(path: Path) -> None:
            report_progress("Drawing the animation")
            animate(self.solution, path)

        files: dict[str, Callable[[Path], object]] = {
            SOLUTION_FILE: lambda path: save_solution(self.solution, path),
            "solution.png": lambda path: save(figure, path),
            "solution.pdf": lambda path: save(figure, path),
        }
        # An equation that the first network solves exactly has no history that a logarithmic axis could show.
        if any(stage.loss > 0 for stage in self.solution.stages):
            files["history.pdf"] = lambda path: save(solution_history(self.solution), path)
        # An animation needs time and a coordinate of space; VTK has three axes, so further coordinates stay in their
        # middle.
        if "t" in domain.coordinates and domain.dimension > 1:
            files["animation.gif"] = write_animation
        if self.job.vtk:
            ends = dict(zip(domain.coordinates[3:], domain.bounds[3:].mean(1).tolist(), strict=True))
            files["solution.vtk"] = lambda path: self.solution.save_vtk(path, at=ends)
        # Last, since this file marks a folder with complete results.
        text = json.dumps(self.facts(), indent=2, allow_nan=False) + "\n"
        files[SOLUTION_MARK] = lambda path: write_bytes(path, text.encode())
        folder.write(files)
        return list(files)

    def facts(self) -> dict[str, object]:
        """Return everything about the solve as plain JSON, with null for a number that is not finite."""
        solution = self.solution
        problem = self.solution.problem
        domain = problem.domain
        facts = {
            "edgewise": edgewise.__version__,
            "command": self.job.command,
            "statement": self.equation.statement,
            "equation": self.job.equation,
            "fields": list(problem.fields),
            "order": problem.form.order,
            "domain": {"kind": type(domain).__name__, "box": domain.ends, "volume": domain.volume},
            "hard_conditions": bool(problem.form.hard.values),
            "network": type(solution.model).__name__,
            "parameters": solution.parameters,
            "seconds": round(self.seconds, 3),
            "stopped": solution.stopped,
            "message": solution.message,
            "residual": solution.residual,
            "error_estimate": solution.error_estimate,
            "errors": {name: asdict(errors) for name, errors in self.errors.items()},
            "unknowns": solution.unknowns,
            "standard_errors": dict(solution.standard_errors),
            "stages": [asdict(stage) for stage in solution.stages],
            "options": asdict(self.job),
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "machine": {"system": platform.platform(), "threads": torch.get_num_threads()},
        }
        return {name: plain(value) for name, value in facts.items()}
