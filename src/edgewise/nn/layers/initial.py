"""What a network starts from: seed, dtype, and the weights by the power law of Rigas et al. or as in the KAN paper."""

import math
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError

# Exponents of the power law, S. Rigas et al., "Initialization schemes for KANs" (arXiv 2509.03417, ICLR 2026):
# best for function fitting at (0.25, 1.0); bases first, splines second.
POWER_BASE, POWER_SPLINE = 0.25, 1.0
INITS = ("power", "paper")


def seeded_generator(seed: int) -> torch.Generator:
    """A generator of its own for the weights of one network.

    Raises:
        InputError: seed is no integer from 0 to 2**63 - 1.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be an integer from 0 to 2**63 - 1, got {seed!r}")
    # torch's generator would drop all but the lowest 32 bits.
    mixed = int(seed) if seed < 2**32 else int(np.random.SeedSequence(int(seed)).generate_state(1)[0])
    return torch.Generator().manual_seed(mixed)


def float_dtype(dtype: torch.dtype | None) -> torch.dtype:
    """`dtype`, or torch's default one for None.

    Raises:
        InputError: it is neither float32 nor float64; less precision than that loses points among knots.
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    return dtype


def initial_weights(
    in_features: int, basis_count: int, out_features: int, *, init: str, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draws `coef` (in, n, out) and `base` (in, out) in float64, so that a seed means the same in every dtype.

    "power": both normal with standard deviation (in * (n + 1))^-exponent, where n = grid_size + degree.
    "paper": coef ~ N(0, 0.1^2), base by Xavier (normal, variance 2 / (in + out)); Liu et al., section 2.2.
    """
    shapes = (in_features, basis_count, out_features), (in_features, out_features)
    coef, base = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    if init == "power":
        fan = in_features * (basis_count + 1)
        return coef * fan**-POWER_SPLINE, base * fan**-POWER_BASE
    if init == "paper":
        return coef * 0.1, base * math.sqrt(2 / (in_features + out_features))
    raise InputError(f"init must be one of {', '.join(INITS)}, got {init!r}")
