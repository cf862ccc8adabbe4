"""What `edgewise solve` leaves behind: the solution itself, its figures, and all that is known about it, as JSON."""

from __future__ import annotations

import json
import math
import platform
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import edgewise
from edgewise.checkpoint.solution import save_solution
from edgewise.cli.pde.posed import Posed
from edgewise.cli.shared.folder import ResultFolder
from edgewise.files import write_bytes
from edgewise.pde import Errors, Solution
from edgewise.plot import animate, save, solution_figure, solution_history

ALL = "all"  # the errors of all fields together
MARK = "solution.json"
FIGURES = ("solution.png", "solution.pdf", "history.pdf", "animation.gif")
MODEL = "solution.safetensors"
NAMES = (MODEL, *FIGURES, MARK)


@dataclass(frozen=True)
class SolveJob:
    """What `edgewise solve` was asked for; see its --help for the meaning of each option."""

    equation: str
    hidden: tuple[int, ...] | None = None
    budget: float = 1.0
    time_limit: float | None = None
    tolerance: float = 1e-10
    seed: int = 0

    @property
    def command(self) -> str:
        """The command that does the same, as it would be typed."""
        words = ["edgewise", "solve", self.equation]
        if self.hidden is not None:
            words += ["--hidden", ",".join(map(str, self.hidden)) or "none"]
        words += ["--budget", f"{self.budget:g}"] if self.budget != SolveJob.budget else []
        words += ["--time-limit", f"{self.time_limit:g}"] if self.time_limit is not None else []
        words += ["--tolerance", f"{self.tolerance:g}"] if self.tolerance != SolveJob.tolerance else []
        words += ["--seed", str(self.seed)] if self.seed != SolveJob.seed else []
        return shlex.join(words)


@dataclass(frozen=True, eq=False)
class Solved:
    """A solution with how it came about. errors: by field, and of all together; empty without an exact solution."""

    job: SolveJob
    posed: Posed
    solution: Solution
    errors: dict[str, Errors]
    seconds: float

    @classmethod
    def of(cls, job: SolveJob, posed: Posed, solution: Solution, seconds: float) -> Solved:
        """Measures the errors, where the exact solution is known."""
        problem = solution.problem
        errors = {}
        if problem.has_exact_solution:
            several = problem.fields if len(problem.fields) > 1 else ()
            errors = {name: solution.errors([name]) for name in several} | {ALL: solution.errors()}
        return cls(job, posed, solution, errors, seconds)

    def write(self, folder: ResultFolder, tell: Callable[[str], None]) -> list[str]:
        """The files, all or none, and their names. tell: what is being made."""
        domain = self.solution.problem.domain
        moves = "t" in domain.coordinates and domain.dimension > 1
        drawn = solution_figure(self.solution)

        def movie(path: Path) -> None:
            tell("Drawing the animation")
            animate(self.solution, path)

        files: dict[str, Callable[[Path], None]] = {
            MODEL: lambda path: save_solution(self.solution, path),
            "solution.png": lambda path: save(drawn, path),
            "solution.pdf": lambda path: save(drawn, path),
            "history.pdf": lambda path: save(solution_history(self.solution), path),
            **({"animation.gif": movie} if moves else {}),
            # Last: it marks the folder as one of ours, so it must not be there without the others.
            MARK: lambda path: write_bytes(path, (json.dumps(self.facts(), indent=2, allow_nan=False) + "\n").encode()),
        }
        folder.write(files)
        return list(files)

    def facts(self) -> dict:
        """All that is known, as JSON has it; what is no number is None."""
        solution, problem = self.solution, self.solution.problem
        domain = problem.domain
        ends = dict(zip(domain.coordinates, domain.bounds.tolist(), strict=True))
        return _plain(
            {
                "edgewise": edgewise.__version__,
                "command": self.job.command,
                "statement": self.posed.statement,
                "fields": list(problem.fields),
                "order": problem.order,
                "domain": {"kind": type(domain).__name__, "box": ends, "volume": domain.volume},
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
        )


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
