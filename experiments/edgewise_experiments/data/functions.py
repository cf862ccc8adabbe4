"""The toy functions of the KAN paper, together with its special functions and Feynman equations.

`TOY_FUNCTIONS`, `SPECIAL_FUNCTIONS`, `FEYNMAN_EQUATIONS`: mappings from name to `TargetFunction`, in the order of the
tables of Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.errors import missing_extra

try:
    from scipy import special
except ImportError as error:
    raise missing_extra("scipy", "experiments", "A special function") from error

from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction, by_name, of_columns

__all__ = ["FEYNMAN_EQUATIONS", "SPECIAL_FUNCTIONS", "TOY_FUNCTIONS", "TargetFunction"]


def _toy(
    name: str,
    formula: str,
    function: Callable[[np.ndarray], np.ndarray],
    names: tuple[str, ...],
    shape: tuple[int, ...],
) -> TargetFunction:
    """Make a toy function on [-1, 1]^n, as in the paper, which plots its errors without printing numbers."""
    return TargetFunction(name, formula, function, names, (-1.0,) * len(names), (1.0,) * len(names), shape)


# Section 3.1. The list there gives [4, 4, 2, 1] for number 5, section 2.3 [4, 2, 1, 1]; the smaller is exact too.
TOY_FUNCTIONS = by_name(
    _toy("toy 1", "J0(20*x)", lambda x: special.j0(20 * x[:, 0]), ("x",), (1, 1)),
    _toy(
        "toy 2",
        "exp(sin(pi*x) + y**2)",
        of_columns(lambda x, y: np.exp(np.sin(np.pi * x) + y**2)),
        ("x", "y"),
        (2, 1, 1),
    ),
    _toy("toy 3", "x*y", of_columns(lambda x, y: x * y), ("x", "y"), (2, 2, 1)),
    _toy(
        "toy 4",
        "exp(sum(sin(pi*x_i/2)**2 for i in 1..100)/100)",
        lambda x: np.exp((np.sin(np.pi * x / 2) ** 2).mean(1)),
        tuple(f"x{i}" for i in range(1, 101)),
        (100, 1, 1),
    ),
    _toy(
        "toy 5",
        "exp((sin(pi*(x1**2 + x2**2)) + sin(pi*(x3**2 + x4**2)))/2)",
        of_columns(
            lambda x1, x2, x3, x4: np.exp((np.sin(np.pi * (x1**2 + x2**2)) + np.sin(np.pi * (x3**2 + x4**2))) / 2)
        ),
        ("x1", "x2", "x3", "x4"),
        (4, 2, 1, 1),
    ),
)
