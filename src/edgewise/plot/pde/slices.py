"""Solution, error and residual on a grid of points, nan outside the domain: the values behind the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import covers
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.solver.gridded import grid_points
from edgewise.pde.solver.solution import Solution
from edgewise.presentation import number_text
from edgewise.settings import chunks


@dataclass(frozen=True)
class Slice:
    """A solution on a grid over one or two of its coordinates."""

    names: tuple[str, ...]  # the coordinates of the grid
    fixed: Mapping[str, float]  # values of the others
    ticks: tuple[np.ndarray, ...]  # their values, (n,) each
    values: np.ndarray  # (fields, *shape), nan outside the domain
    exact: np.ndarray | None  # the same of the exact solution, or None if that is unknown
    residual: np.ndarray  # (equations, *shape), in units of the field (see `PDE`)

    @property
    def error(self) -> np.ndarray | None:
        """Solution minus exact solution, (fields, *shape)."""
        if self.exact is None:
            return None
        return self.values - self.exact


def slice_of(
    solution: Solution,
    names: Sequence[str],
    fixed: Mapping[str, float],
    counts: Sequence[int],
    *,
    residual: bool = True,
) -> Slice:
    """Evaluate a solution on a grid along the coordinates `names`."""
    problem = solution.problem
    ticks, x = grid(problem, names, fixed, counts)
    inside = covers(problem.domain, x)
    points = x[inside]

    def on_grid(columns: Tensor) -> np.ndarray:
        """Return (b, k) at the points inside as (k, *shape)."""
        whole = np.full((columns.shape[1], len(x)), np.nan)
        whole[:, inside.numpy()] = columns.T.numpy()
        return whole.reshape(-1, *counts)

    values = solution(points)
    exact = None
    if problem.form.has_exact_solution:
        exact = on_grid(torch.cat([problem.exact(points[part]) for part in chunks(len(points))]))
    return Slice(
        names=tuple(names),
        fixed=fixed,
        ticks=ticks,
        values=on_grid(values),
        exact=exact,
        residual=on_grid(residuals_at(solution, points) if residual else values[:, :0]),
    )


def grid(
    problem: Collocation, names: Sequence[str], fixed: Mapping[str, float], counts: Sequence[int], margin: float = 0.0
) -> tuple[tuple[np.ndarray, ...], Tensor]:
    """Return the values along each of the named coordinates, (n,) each, and all points, (prod(counts), n).

    The grid covers the bounding box of the domain and extends beyond it by the share `margin` of each side.
    """
    domain = problem.domain
    lines = {}
    for name, count in zip(names, counts, strict=True):
        low, high = domain.ends[name]
        more = margin * (high - low)
        lines[name] = torch.linspace(low - more, high + more, count, dtype=torch.float64).numpy()
    return tuple(lines.values()), grid_points(domain, lines, fixed)


def middle(problem: Collocation) -> dict[str, float]:
    """Return the middle of the domain's bounding box by the names of the coordinates."""
    return dict(zip(problem.domain.coordinates, problem.domain.bounds.mean(1).tolist(), strict=True))


@torch.no_grad()
def residuals_at(solution: Solution, x: Tensor) -> Tensor:
    """Return the residual of every equation at points x (b, n) of the domain, (b, equations), in units of the field."""
    problem = solution.problem
    parts = []
    for part in chunks(len(x)):
        points = x[part]
        block = problem.equation_block(points_with(points))
        unknowns = {name: value.detach().expand(len(points)) for name, value in problem.unknowns.items()}
        jet = block.jet(solution.model, block.data.x)
        if unknowns:
            parts.append(block.residuals(jet, block.data, unknowns))
        else:
            parts.append(block.residuals(jet, block.data))
    return torch.cat(parts)


def chosen_fields(problem: Collocation, fields: Sequence[str] | None) -> list[int]:
    """Return the numbers of the named fields, of all by default, or raise InputError for an unknown name."""
    names = problem.fields if fields is None else fields
    if isinstance(names, str) or not names or not set(names) <= set(problem.fields):
        raise InputError(f"fields must be names among {', '.join(problem.fields)}, got {fields!r}")
    return [problem.fields.index(name) for name in names]


def time_of(problem: Collocation) -> str | None:
    """Return the name of the coordinate that acts as time, or None."""
    time = problem.form.time
    if time is None:
        return None
    return problem.domain.coordinates[time]


def chosen_times(problem: Collocation, times: Sequence[float] | None, shares: Sequence[float]) -> list[float]:
    """Return these moments, or those at shares of the problem's time; raise InputError for one outside of it."""
    low, high = problem.domain.bounds[problem.form.time].tolist()
    if times is None:
        return [low + share * (high - low) for share in shares]
    if not times or not all(low <= moment <= high for moment in times):
        raise InputError(f"times must lie between {number_text(low, 6)} and {number_text(high, 6)}, got {times!r}")
    return [float(moment) for moment in times]
