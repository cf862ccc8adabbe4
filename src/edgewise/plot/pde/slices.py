"""What a picture of a solution shows: solution, error and residual on a grid of points, nan outside the domain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import TIME
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.solver.solution import CHUNK, Solution

Exact = Callable[[Tensor], Tensor]
EDGE = 1e-9  # of the domain's size: points this far outside are on the boundary but for rounding


@dataclass(frozen=True)
class Slice:
    """A solution on a grid over one or two of its coordinates.

    names, ticks: of these coordinates, and their values, (n,) each.
    values: (fields, *shape), nan outside the domain; exact: the same of the exact solution, None where that is not
    known; residual: (equations, *shape), in units of an error.
    """

    names: tuple[str, ...]
    ticks: tuple[np.ndarray, ...]
    values: np.ndarray
    exact: np.ndarray | None
    residual: np.ndarray

    @property
    def error(self) -> np.ndarray | None:
        """The solution less the exact one, (fields, *shape)."""
        return None if self.exact is None else self.values - self.exact


def slice_of(
    solution: Solution,
    names: Sequence[str],
    fixed: Mapping[str, float],
    counts: Sequence[int],
    exact: Exact | None = None,
    *,
    residual: bool = True,
) -> Slice:
    """The slice along coordinates of these names with so many points each; `fixed` says where all others are.

    exact: (b, n) to (b, fields); left out, the problem's own solution, if it has one for every field.
    """
    problem = solution.problem
    ticks, x = grid(problem, names, fixed, counts)
    inside = problem.domain.level(x) <= EDGE * float(problem.domain.size.max())
    points, shape = x[inside], tuple(counts)

    def spread(columns: Tensor) -> np.ndarray:
        """(b, k) at the points inside to (k, *shape)."""
        whole = np.full((columns.shape[1], len(x)), np.nan)
        whole[:, inside.numpy()] = columns.T.numpy()
        return whole.reshape(-1, *shape)

    values = solution(points)
    known = exact_values(problem, points, exact)
    return Slice(
        names=tuple(names),
        ticks=ticks,
        values=spread(values),
        exact=None if known is None else spread(known),
        residual=spread(residuals_at(solution, points) if residual else values[:, :0]),
    )


def grid(
    problem: Collocation, names: Sequence[str], fixed: Mapping[str, float], counts: Sequence[int], margin: float = 0.0
) -> tuple[tuple[np.ndarray, ...], Tensor]:
    """Values along each of the named coordinates, and all points (prod(counts), n).

    margin: share of each side by which the grid goes beyond the domain's box.
    """
    domain = problem.domain
    ends = dict(zip(domain.coordinates, domain.bounds.tolist(), strict=True))
    lines = []
    for name, count in zip(names, counts, strict=True):
        low, high = ends[name]
        more = margin * (high - low)
        lines.append(torch.linspace(low - more, high + more, count, dtype=torch.float64))
    x = torch.empty(prod(counts), domain.dimension, dtype=torch.float64)
    for axis, name in enumerate(domain.coordinates):
        x[:, axis] = fixed.get(name, 0.0)
    for name, values in zip(names, torch.meshgrid(*lines, indexing="ij"), strict=True):
        x[:, domain.coordinates.index(name)] = values.flatten()
    return tuple(line.numpy() for line in lines), x


def middle(problem: Collocation) -> dict[str, float]:
    """The middle of the domain's box, by the coordinates' names."""
    return dict(zip(problem.domain.coordinates, problem.domain.bounds.mean(1).tolist(), strict=True))


def exact_values(problem: Collocation, x: Tensor, exact: Exact | None) -> Tensor | None:
    """The exact solution at x (b, n), (b, fields); None where it isn't known."""
    if exact is None:
        if not problem.has_exact_solution:
            return None
        return torch.cat([problem.exact(part) for part in x.split(CHUNK)])
    found = torch.as_tensor(exact(x)).detach().double()
    if found.shape != (len(x), len(problem.fields)):
        raise InputError(
            f"exact must give shape (b, {len(problem.fields)}) = ({len(x)}, {len(problem.fields)}), "
            f"got {tuple(found.shape)}"
        )
    return found


@torch.no_grad()
def residuals_at(solution: Solution, x: Tensor) -> Tensor:
    """The residual of every equation at points x (b, n) of the domain, (b, equations), in units of an error."""
    problem = solution.problem
    parts = []
    for part in x.split(CHUNK):
        block = problem.equation_block(points_with(part))
        unknowns = {name: value.detach().expand(len(part)) for name, value in problem.unknowns.items()}
        jet = block.jet(solution.model, block.data.x)
        parts.append(block.residuals(jet, block.data, unknowns) if unknowns else block.residuals(jet, block.data))
    return torch.cat(parts)


def chosen_slots(problem: Collocation, fields: Sequence[str] | None) -> list[int]:
    """The places of these fields, of all if left out. Raises InputError."""
    names = problem.fields if fields is None else fields
    if isinstance(names, str) or not names or not set(names) <= set(problem.fields):
        raise InputError(f"fields must be names among {', '.join(problem.fields)}, got {fields!r}")
    return [problem.fields.index(name) for name in names]


def chosen_times(problem: Collocation, times: Sequence[float] | None, shares: Sequence[float]) -> list[float]:
    """These moments, or those at the given shares of the problem's time. Raises InputError."""
    low, high = problem.domain.bounds[problem.domain.coordinates.index(TIME)].tolist()
    if times is None:
        return [low + share * (high - low) for share in shares]
    if not times or not all(low <= moment <= high for moment in times):
        raise InputError(f"times must lie between {low:g} and {high:g}, got {times!r}")
    return [float(moment) for moment in times]
