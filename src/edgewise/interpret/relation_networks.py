"""Many networks at once that tell rows of a table from rows whose columns were shuffled."""

import math
from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

RATE, MOMENTS = 0.02, (0.9, 0.99)  # of Adam; the rate falls to 0 along a cosine
START = 0.6  # standard deviation of the sum of all functions at the start, of a Gaussian of width 1
ACTIVE = 0.1  # share of the largest function's deviation from which on a column takes part
MOST_ACTIVE = 8  # columns of a network whose subsets are looked at
LOOSEST = 0.5  # variance of a sum, as a share of its parts' variances, up to which it is a relation at all
AS_TIGHT = 2.0  # a part that is so many times looser than the whole network's sum is still a relation of its own


def train_networks(
    values: Tensor, *, seeds: int, steps: int, sparsity: float, columns: float, generator: torch.Generator
) -> Tensor:
    """The coefficients (seeds, d, n) of networks [d, 1, 1] with a Gaussian at the end, trained side by side.

    Liu et al. (arXiv 2404.19756), section 3.3: g = exp(-z^2 / 2), z = sum_i phi_i(x_i), is to be 1 on rows of the data
    and 0 on rows whose columns were permuted each by itself (anew in every step), with the L1 and entropy penalty on
    the size of the functions. A permutation acts on the values of the functions, so all networks cost one product per
    column and step.

    Args:
        values: (N, d, n), functions of each column with mean 0 and orthonormal over the rows (0 for a missing one).
        sparsity: weight of the penalty. columns: probability with which a network sees a column, so that different
            seeds can find different relations.
    """
    rows, d, n = values.shape
    basis = values.float().permute(1, 0, 2).contiguous()
    seen = torch.rand(seeds, d, generator=generator) < columns
    seen |= torch.rand(seeds, d, generator=generator).argsort(1) < 2
    usable = values.square().sum(0).gt(0) & seen[:, :, None]
    coef = torch.randn(seeds, d, n, generator=generator) * usable
    coef *= START / coef.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-6)
    coef.requires_grad_()
    optimiser = torch.optim.Adam([coef], lr=RATE, betas=MOMENTS)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        parts = torch.bmm(basis, (coef * usable).permute(1, 2, 0))  # (d, N, seeds)
        shuffled = torch.stack([part[torch.randperm(rows, generator=generator)] for part in parts]).sum(0)
        loss = (1 - _gaussian(parts.sum(0))).square().mean(0) + _gaussian(shuffled).square().mean(0)
        optimiser.zero_grad()
        (loss + sparsity * _penalty(coef * usable)).sum().backward()
        optimiser.step()
    return (coef * usable).detach().to(values.dtype)


def _gaussian(z: Tensor) -> Tensor:
    return torch.exp(-z.square() / 2)


def _penalty(coef: Tensor) -> Tensor:
    """L1 + entropy of the deviations of the functions of each network, (seeds,)."""
    size = (coef.square().sum(2) + 1e-12).sqrt()
    share = size / size.sum(1, keepdim=True)
    return size.sum(1) - (share * (share + 1e-12).log()).sum(1)


def subsets_of(parts: Tensor) -> Iterator[tuple[int, ...]]:
    """The columns bound by a network whose functions have the values parts (N, d): one subset per relation.

    Two independent relations z_1 = 0 and z_2 = 0 pass a network as their sum. So of all subsets of the active columns
    those count that are about as tight as the whole (variance of the sum by the sum of variances) and have no part
    that is.
    """
    size = parts.square().mean(0)
    active = (size > ACTIVE**2 * size.max()).nonzero()[:, 0]
    active = active[size[active].argsort(descending=True)][:MOST_ACTIVE].tolist()
    if len(active) < 2 or not float(size.max()) > 0:
        return
    covariance = parts.T @ parts / len(parts)

    def looseness(subset: tuple[int, ...]) -> float:
        block = covariance[list(subset)][:, list(subset)]
        return float(block.sum() / block.diagonal().sum())

    limit = min(LOOSEST, AS_TIGHT * max(looseness(tuple(active)), 1e-4))
    found: list[set[int]] = []
    for count in range(2, len(active) + 1):
        for subset in combinations(sorted(active), count):
            if not any(part <= set(subset) for part in found) and looseness(subset) <= limit:
                found.append(set(subset))
                yield subset
