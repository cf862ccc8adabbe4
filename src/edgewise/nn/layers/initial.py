"""Initial weights of a layer, with their seed and dtype: the power law of Rigas et al., or as in the KAN paper."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import is_integer
from edgewise.errors import InputError


def seeded_generator(seed: int) -> torch.Generator:
    """Return a random generator for the weights of one network."""
    if not is_integer(seed) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be an integer from 0 to 2**63 - 1, got {seed!r}")
    # torch's generator would drop all but the lowest 32 bits.
    if seed < 2**32:
        mixed = int(seed)
    else:
        mixed = int(np.random.SeedSequence(int(seed)).generate_state(1)[0])
    return torch.Generator().manual_seed(mixed)


def seed_of_start(seed: int, number: int) -> int:
    """Return the seed of one of several starts, far from those of other seeds, so that neighbours share no start."""
    return seed + (number << 32)


def float_dtype(dtype: torch.dtype | None) -> torch.dtype:
    """Return `dtype`, or torch's default dtype for None."""
    if dtype is None:
        dtype = torch.get_default_dtype()
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    return dtype


def checked_device(device: torch.device | str | None) -> torch.device | None:
    """Return `device` as torch's device; raise InputError if there is no such kind of device."""
    try:
        return None if device is None else torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"device must be a device of torch, as 'cpu' or 'cuda', got {device!r}") from error


def initial_weights(
    in_features: int, basis_count: int, out_features: int, *, init: str, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw `coef` (in, n, out) and `base` (in, out) in float64, so that a seed means the same in every dtype."""
    shapes = (in_features, basis_count, out_features), (in_features, out_features)
    coef, base = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    if init in ("power", "sparse"):
        # The power law of S. Rigas et al., "Initialization schemes for KANs" (arXiv 2509.03417, ICLR 2026), where the
        # exponents 1 for spline coefficients and 0.25 for base weights are best for function fitting.
        fan = in_features * (basis_count + 1)
        return coef * fan**-1.0, base * fan**-0.25
    if init == "paper":
        return coef * 0.1, base * math.sqrt(2 / (in_features + out_features))
    raise InputError(f"init must be one of power, paper, sparse, got {init!r}")


def sparse_mask(in_features: int, out_features: int) -> Tensor:
    """Edges of a sparse start, (in, out) of 0 and 1: each node is linked to the nearest one on the other side.

    Both rows of nodes are spread evenly over the same length, as in a drawing, so there are max(in, out) to
    in + out - 1 edges, and every node has one. pykan calls this `sparse_init`.
    """
    places = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in (in_features, out_features)]
    distance = (places[0][:, None] - places[1]).abs()
    mask = torch.zeros(in_features, out_features, dtype=torch.float64)
    mask[torch.arange(in_features), distance.argmin(1)] = 1
    mask[distance.argmin(0), torch.arange(out_features)] = 1
    return mask
