"""The 15 special functions of two variables of the KAN paper (Table 1), each on a smooth domain of our choice.

The paper names scipy functions and prints no domain, nor which component of `ellipj` or which part of `sph_harm` it
takes, so errors on our domains are not comparable with its errors point by point. Ours were fixed once, before any
result, by these rules: the natural arguments, a range over which the function bends and (where it does) oscillates,
and no singular corner inside or on the edge:

- elliptic functions: m in [0, 0.9] and phi in [0, 1.4] (singular at m sin^2 phi = 1); sn for `ellipj`, u in [0, 3];
- Bessel functions: orders 0 to 3 (0 to 2 for yv), real; arguments from 1 (x^order isn't smooth at 0, yv and kv have
  poles there) to 10 where the function oscillates and to 5 where it grows or decays exponentially;
- Legendre functions: degrees 0 to 4, real; x in [-0.8, 0.8] (logarithm or square root at -1 and 1);
- spherical harmonics: the whole sphere, real part, x the azimuth in [0, 2 pi], y the polar angle in [0, pi]:
  `sph_harm(m, n, x, y)` of the scipy of the paper is `sph_harm_y(n, m, y, x)` of today's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from edgewise_experiments.data.target import TargetFunction, by_name, of_columns

_ELLIPTIC = ((0.0, 0.0), (1.4, 0.9))
_LEGENDRE = ((0.0, -0.8), (4.0, 0.8))
_SPHERE = ((0.0, 0.0), (2 * np.pi, np.pi))


def _special(
    name: str,
    formula: str,
    function: Callable[..., np.ndarray],
    box: tuple[tuple[float, float], tuple[float, float]],
    shape: tuple[int, ...],
    kan: float,
    mlp: float,
) -> TargetFunction:
    """Make a target; shape and kan are the paper's best KAN and its RMSE, mlp the RMSE of its best MLP (Table 1)."""
    low, high = box
    paper: Mapping[str, float] = {"kan": kan, "mlp": mlp}
    return TargetFunction(name, formula, of_columns(function), ("x", "y"), low, high, shape, paper)


def _legendre(m: int, shape: tuple[int, ...], kan: float, mlp: float) -> TargetFunction:
    function = lambda x, y: special.lpmv(m, x, y)  # noqa: E731 - one line, and m is bound here
    return _special(f"lpmv {m}", f"lpmv({m}, x, y)", function, _LEGENDRE, shape, kan, mlp)


def _harmonic(m: int, n: int, shape: tuple[int, ...], kan: float, mlp: float) -> TargetFunction:
    function = lambda x, y: special.sph_harm_y(n, m, y, x).real  # noqa: E731
    return _special(f"sph_harm {m} {n}", f"re(sph_harm({m}, {n}, x, y))", function, _SPHERE, shape, kan, mlp)


SPECIAL_FUNCTIONS = by_name(
    _special(
        "ellipj",
        "sn(x, y)",
        lambda u, m: special.ellipj(u, m)[0],
        ((0.0, 0.0), (3.0, 0.9)),
        (2, 3, 2, 1, 1),
        1.33e-4,
        6.48e-4,
    ),
    _special("ellipkinc", "ellipkinc(x, y)", special.ellipkinc, _ELLIPTIC, (2, 2, 1, 1, 1), 1.24e-4, 5.52e-4),
    _special("ellipeinc", "ellipeinc(x, y)", special.ellipeinc, _ELLIPTIC, (2, 2, 1, 1), 8.26e-5, 3.04e-4),
    _special("jv", "jv(x, y)", special.jv, ((0.0, 1.0), (3.0, 10.0)), (2, 3, 1, 1, 1), 1.64e-3, 5.52e-3),
    _special("yv", "yv(x, y)", special.yv, ((0.0, 1.0), (2.0, 10.0)), (2, 2, 2, 1), 1.49e-5, 3.45e-4),
    _special("kv", "kv(x, y)", special.kv, ((0.0, 1.0), (3.0, 5.0)), (2, 2, 1), 2.52e-5, 1.67e-4),
    _special("iv", "iv(x, y)", special.iv, ((0.0, 1.0), (3.0, 5.0)), (2, 4, 3, 2, 1, 1), 9.28e-3, 1.07e-2),
    _legendre(0, (2, 2, 1), 5.25e-5, 1.74e-2),
    _legendre(1, (2, 4, 1), 6.90e-4, 1.50e-3),
    _legendre(2, (2, 3, 2, 1), 2.26e-4, 9.43e-4),
    _harmonic(0, 1, (2, 1, 1), 2.21e-7, 1.25e-6),
    _harmonic(1, 1, (2, 3, 2, 1), 1.22e-4, 6.70e-4),
    _harmonic(0, 2, (2, 1, 1), 1.95e-7, 2.85e-6),
    _harmonic(1, 2, (2, 2, 1, 1), 1.50e-5, 1.84e-3),
    _harmonic(2, 2, (2, 2, 3, 2, 1), 9.45e-5, 6.21e-4),
)
