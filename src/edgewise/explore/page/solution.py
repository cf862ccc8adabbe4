"""Requests of the page about the solution of a differential equation: its fields along one or two coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from edgewise.checks import is_number, is_one_of, is_sequence
from edgewise.errors import InputError
from edgewise.explore.page.evidence import short_numbers
from edgewise.explore.page.server import Answers
from edgewise.pde.domains.domain import TIME, covers
from edgewise.pde.solver.solution import Solution

MOST_STORED = 200_000  # numbers of a page in one file: about two megabytes


class SolutionRequests(Answers):
    """Answers about a solution."""

    curve_points = 241  # along a coordinate of a curve: a pixel or two apart

    def __init__(self, solution: Solution, facts: Mapping[str, Any]) -> None:
        self.solution = solution
        self.facts = facts

    def state(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Describe the solution: fields, coordinates with their ends, unknown coefficients, and whether to trust it."""
        solution = self.solution
        domain = self.solution.problem.domain
        statement = self.facts.get("statement")
        fields = {
            "fields": list(solution.problem.fields),
            "coordinates": [
                {"name": name, "low": low, "high": high, "time": name == TIME}
                for name, (low, high) in domain.ends.items()
            ],
            "statement": statement if isinstance(statement, str) else "",
            "message": solution.message,
            "trust": solution.trust,
            "error": solution.error_estimate if math.isfinite(solution.error_estimate) else None,
            "unknowns": [
                {"name": name, "value": value, "error": solution.standard_errors.get(name)}
                for name, value in solution.unknowns.items()
            ],
        }
        return {"solution": fields}

    def slice(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return all fields on a grid along one or two coordinates; null outside the domain."""
        names = self.solution.problem.domain.coordinates
        axes = body.get("axes")
        at = body.get("at")
        if not is_sequence(axes) or not all(is_one_of(one, names) for one in axes):
            raise InputError(f"axes must list one or two of {', '.join(names)}, got {axes!r:.80}")
        if len(axes) not in (1, 2) or len(set(axes)) < len(axes):
            raise InputError(f"axes must be one or two of {', '.join(names)}, got {axes!r:.80}")
        if not isinstance(at, Mapping) or not all(is_number(at.get(name)) for name in names if name not in axes):
            raise InputError(f"at must give a number for each other coordinate, got {at!r:.80}")
        # Curves have points a pixel or two apart, maps ten.
        counts = (self.curve_points,) if len(axes) == 1 else (61, 61)
        lines = {name: [float(at[name])] for name in names if name not in axes}
        lines |= {name: self._line(name, count) for name, count in zip(axes, counts, strict=True)}
        values = self._values([lines[name] for name in names])
        order = [names.index(name) for name in axes]
        if order != sorted(order):
            values = values.reshape(-1, *counts).transpose(0, 2, 1)
        flat = values.reshape(len(values), -1)
        return {"slice": {"axes": axes, "counts": list(counts), "values": [short_numbers(one) for one in flat]}}

    def stored(self) -> dict[str, Any]:
        """Return all fields on a grid over the whole domain, for a page without a server."""
        names = self.solution.problem.domain.coordinates
        fewest = 9  # points along each coordinate: fewer show no shape
        most = MOST_STORED / len(self.solution.problem.fields)
        count = min(self.curve_points, int(most ** (1 / len(names)) + 1e-9))
        # Twelve divides the intervals, so that maps show each second, third, fourth or sixth point.
        if count > 12:
            count = (count - 1) // 12 * 12 + 1
        if count < fewest:
            raise InputError(
                f"a page in one file shows solutions of at most {int(math.log(most, fewest))} coordinates, "
                f"got {len(names)}: leave out --static"
            )
        values = self._values([self._line(name, count) for name in names])
        return {"count": count, "values": [short_numbers(one) for one in values]}

    def _line(self, name: str, count: int) -> list[float]:
        domain = self.solution.problem.domain
        low, high = domain.bounds[domain.coordinates.index(name)].tolist()
        points: list[float] = np.linspace(low, high, count).tolist()
        return points

    def _values(self, lines: Sequence[Sequence[float]]) -> np.ndarray:
        """Evaluate the fields on the grid of these lines, (fields, points), nan outside the domain."""
        parts = torch.meshgrid(*(torch.tensor(line, dtype=torch.float64) for line in lines), indexing="ij")
        x = torch.stack([part.flatten() for part in parts], 1)
        inside = covers(self.solution.problem.domain, x)
        values = np.full((len(self.solution.problem.fields), len(x)), np.nan)
        values[:, inside.numpy()] = self.solution(x[inside]).numpy().T
        return values

    methods: ClassVar = {"state": state, "slice": slice}
