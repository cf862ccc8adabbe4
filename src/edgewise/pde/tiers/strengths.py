"""Means and covariances of smoothed problems over all strengths of the smoothness that the data allow."""

from __future__ import annotations

import torch
from torch import Tensor

# Logarithms of the factor of all strengths over which fields are averaged, of which every fifth one has the number of
# parameters that the roughness would hold without data: the prior falls by three orders on the way, and between
# neighbours no solution changes by more than a part of its standard error.
LOG_FACTORS = torch.linspace(-15.0, 15.0, 31, dtype=torch.float64)
EVERY = 5


def averaged_over_strengths(parameters: Tensor, half: Tensor, smooth: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
    """Average the parameters of a linear problem over a common factor of all strengths.

    Shapes: parameters (P,), half (P, P), smooth (P, P), held (7,); returns (Tensor, Tensor).
    """
    # Share of the roughness in the whole matrix: what is below is rounding, as in directions that only the equation
    # holds, and would not count before the last of the factors.
    least_rough = 1e-9
    # The largest likelihood alone takes fields that few data decide to be straight again and again, with error bars
    # that know nothing of it. Here all factors count with their restricted likelihood, and all standard deviations of a
    # field's roughness have the same prior probability [1].
    # [1] A. Gelman, "Prior distributions for variance parameters in hierarchical models", Bayesian Analysis 1, 2006,
    # 515.
    scaled = torch.linalg.solve_triangular(half, smooth, upper=False)
    rough, turn = torch.linalg.eigh(torch.linalg.solve_triangular(half, scaled.mT, upper=False))
    basis = torch.linalg.solve_triangular(half.mT, turn, upper=True)  # in it both matrices are diagonal
    is_rough = rough > least_rough
    rough = torch.where(is_rough, rough.clamp(max=1.0), 0.0)
    solution = torch.where(is_rough, basis.mT @ (smooth @ parameters) / rough.clamp(min=least_rough), 0.0)
    growth = torch.expm1(LOG_FACTORS)[:, None] * rough
    shares = 1 / (1 + growth)  # (factors, P): of what solutions and covariance are without a factor
    places = torch.arange(len(LOG_FACTORS)) / EVERY
    before = places.long().clamp(max=len(held) - 2)
    held = held[before].lerp(held[before + 1], (places - before).to(held))
    size = torch.nn.functional.pad(torch.cumulative_trapezoid(held, LOG_FACTORS), (1, 0))  # logarithm of a determinant
    likelihood = (size - growth.log1p().sum(1) - (1 - shares) @ solution.square()) / 2
    weights = (likelihood - LOG_FACTORS / 2).softmax(0)
    mean = weights @ shares
    moves = weights.sqrt()[:, None] * (shares - mean) * solution
    return parameters + basis @ ((mean - 1) * solution), basis @ torch.cat([mean.sqrt().diag(), moves.mT], 1)
