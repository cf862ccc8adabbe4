"""Points in the unit cube, and which of many points to keep where a residual is large."""

import math

import torch
from torch import Tensor

from edgewise.errors import InputError

HOW = ("sobol", "uniform", "grid")


def unit_points(count: int, dimension: int, how: str = "sobol", seed: int = 0) -> Tensor:
    """Points (count, dimension) of the unit cube, float64; one point where dimension is 0.

    Args:
        how: "sobol", a scrambled Sobol sequence (Owen's scrambling, as in torch.quasirandom); "uniform", independent;
            "grid", the midpoints of equal cells, at least count of them.
        seed: of the scrambling or of the draws.
    """
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


def adaptive_choice(residual: Tensor, count: int, *, power: float = 1.0, even: float = 1.0, seed: int = 0) -> Tensor:
    """Indices (count,) of candidates drawn without replacement with probability ~ |residual|^power / mean + even.

    "Residual-based adaptive distribution", Wu et al., CMAME 403:115671 (2023), eq. (2), k = c = 1 by default.

    Args:
        residual: of each candidate, (N,), N at least count.
    """
    size = residual.detach().abs().double() ** power
    if not bool(size.isfinite().all()):
        raise InputError("residual must be finite at every candidate")
    mean = float(size.mean())
    chance = size / mean + even if mean > 0 else torch.ones_like(size)
    return torch.multinomial(chance, count, generator=torch.Generator().manual_seed(seed))


def gauss_legendre(count: int, low: float, high: float, panels: int = 1) -> tuple[Tensor, Tensor]:
    """Nodes and weights (count * panels,) of the composite Gauss-Legendre rule on [low, high], float64.

    Golub and Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 23 (1969): the nodes are the eigenvalues of
    the Jacobi matrix.
    """
    number = torch.arange(1, count, dtype=torch.float64)
    beside = number / (4 * number**2 - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    weights = vectors[0] ** 2  # they sum to 1
    width = (high - low) / panels
    starts = low + width * torch.arange(panels, dtype=torch.float64)
    points = starts[:, None] + width * (nodes + 1) / 2
    return points.flatten(), (width * weights).repeat(panels)
