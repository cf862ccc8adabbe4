"""Points in the unit cube, and Gauss-Legendre quadrature."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError

HOW = ("sobol", "uniform", "grid")


def unit_points(count: int, dimension: int, how: str = "sobol", seed: int = 0) -> Tensor:
    """Points of the unit cube, (count, dimension), float64; one point where the dimension is 0."""
    # `how` is "sobol" for a scrambled Sobol sequence (Owen's scrambling, as in `torch.quasirandom`), "uniform" for
    # independent uniform points, or "grid" for the midpoints of equal cells, at least `count` of them. The seed is that
    # of the scrambling or the draws.
    if how not in HOW:
        raise InputError(f"how must be one of {', '.join(HOW)}, got {how!r}")
    if dimension == 0:
        return torch.zeros(1, 0, dtype=torch.float64)
    if how == "sobol":
        engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)
        return engine.draw(count, dtype=torch.float64)
    if how == "uniform":
        return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    side = math.ceil(round(count ** (1 / dimension), 9))
    axis = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    return torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension)


def accepted_points(
    draw: Callable[[int], tuple[Tensor, Tensor]], count: int, how: str, least_share: float
) -> Tensor | None:
    """Rejection sampling: the first `count` rows that are kept, all of them on a grid; None below a share of the drawn.

    `draw` maps a number to as many rows, or fewer where there are no more, and whether each is kept.
    """
    number = count
    # The next number is that with which the share that is kept so far would suffice.
    while number * least_share <= count + 100:
        rows, keep = draw(number)
        kept = rows[keep]
        if len(kept) >= min(count, len(rows)):
            if how == "grid":
                return kept
            return kept[:count]
        number = math.ceil(1.05 * number * count / max(len(kept), count / 10)) + 1
    return None


def bisected(start: Tensor, end: Tensor, is_before: Callable[[Tensor], Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """Brackets (m,) of changes by bisection; the function decides which of the places (m,) lie before the change."""
    for _ in range(steps):
        middle = (start + end) / 2
        before = is_before(middle)
        start = torch.where(before, middle, start)
        end = torch.where(before, end, middle)
    return start, end


@lru_cache(maxsize=64)  # quadrature asks for the same ones again and again
def legendre_rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on (-1, 1) of the rule of Gauss and Legendre, which are not to be changed."""
    return np.polynomial.legendre.leggauss(count)


def gauss_legendre(count: int, low: float, high: float, panels: int = 1) -> tuple[Tensor, Tensor]:
    """Composite Gauss-Legendre rule from `low` to `high`: nodes and weights, (count * panels,) each, float64."""
    # Each panel has `count` nodes: polynomials up to degree 2 count - 1 are integrated exactly.
    nodes, weights = (torch.from_numpy(each) for each in legendre_rule(count))
    width = (high - low) / panels
    starts = low + width * torch.arange(panels, dtype=torch.float64)
    points = starts[:, None] + width * (nodes + 1) / 2
    return points.flatten(), (width * weights / 2).repeat(panels)


def product_rule(base: tuple[Tensor, Tensor], line: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Product of a quadrature, points (q, n) and weights (q,), with one on a line, (p,) both: (q p, n + 1), (q p,)."""
    (x, a), (t, b) = base, line
    return torch.cat([x.repeat_interleave(len(t), 0), t.repeat(len(x))[:, None]], 1), (a[:, None] * b).flatten()
