"""The 27 dimensionless Feynman equations of the KAN paper (Table 2), each on a box of our choice.

The paper prints the equations and not the ranges (but for one example, u and v in (-1, 1)), so errors on our boxes are
not comparable with its errors point by point. Ours were fixed once, before any result. They follow the ranges that
pykan (kan/feynman.py at 11984f4) uses for the same equations with units, ratios taken where the paper divides two
quantities, and keep away from poles and from the points where a root or arcsine isn't smooth:

- I.15.3x: |b| <= 0.8, pole at 1; I.26.2: n <= 0.9, arcsine at 1; I.29.16: a <= 0.8, a cone at a = 1, theta1 = theta2;
- I.30.5: n >= 1.25, arcsine at a/n = 1; II.6.15a: a and b >= 0.2, a cone at 0.

Two cells of the row I.26.2 are in doubt: 1.22e-1 or 1.22e-4 (human KAN), 1.24e-3 or 1.24e-4 (MLP). The lower
numbers, which are harder to beat, are used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise_experiments.data.target import TargetFunction, by_name, of_columns

_TURN = (0.0, 2 * np.pi)
_UNIT, _BOTH = (0.0, 1.0), (-1.0, 1.0)
_RATIO = (0.5, 2.0)
_COLUMNS = ("human", "pruned", "unpruned", "mlp")


def _equation(
    name: str,
    formula: str,
    function: Callable[..., np.ndarray],
    ranges: dict[str, tuple[float, float]],
    shape: tuple[int, ...],
    *paper: float,
) -> TargetFunction:
    """Make the target of an equation."""
    low, high = zip(*ranges.values(), strict=True)
    figures = dict(zip(_COLUMNS, paper, strict=True))
    return TargetFunction(name, formula, of_columns(function), tuple(ranges), low, high, shape, figures)


def gaussian(distance: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the normal density with standard deviation sigma."""
    return np.exp(-(distance**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)


FEYNMAN_EQUATIONS = by_name(
    _equation(
        "I.6.2",
        "exp(-theta**2/(2*sigma**2))/sqrt(2*pi*sigma**2)",
        gaussian,
        {"theta": _BOTH, "sigma": _RATIO},
        (2, 2, 1, 1),
        *(7.66e-5, 2.86e-5, 4.60e-5, 1.45e-4),
    ),
    _equation(
        "I.6.2b",
        "exp(-(theta - theta1)**2/(2*sigma**2))/sqrt(2*pi*sigma**2)",
        lambda theta, theta1, sigma: gaussian(theta - theta1, sigma),
        {"theta": (-1.5, 1.5), "theta1": (-1.5, 1.5), "sigma": _RATIO},
        (3, 2, 2, 1, 1),
        *(1.22e-3, 4.45e-4, 1.25e-3, 7.40e-4),
    ),
    _equation(
        "I.9.18",
        "a/((b - 1)**2 + (c - d)**2 + (e - f)**2)",
        lambda a, b, c, d, e, f: a / ((b - 1) ** 2 + (c - d) ** 2 + (e - f) ** 2),
        {"a": _BOTH, "b": (-1, -0.5), "c": (-1, -0.5), "d": (0.5, 1), "e": (-1, -0.5), "f": (0.5, 1)},
        (6, 4, 2, 1, 1),
        *(1.48e-3, 8.62e-3, 6.56e-3, 1.59e-3),
    ),
    _equation(
        "I.12.11",
        "1 + a*sin(theta)",
        lambda a, theta: 1 + a * np.sin(theta),
        {"a": _BOTH, "theta": _TURN},
        (2, 2, 2, 1),
        *(2.07e-3, 1.39e-3, 9.13e-4, 6.71e-4),
    ),
    _equation(
        "I.13.12",
        "a*(1/b - 1)",
        lambda a, b: a * (1 / b - 1),
        {"a": _UNIT, "b": _RATIO},
        (2, 2, 1),
        *(7.22e-3, 4.81e-3, 2.72e-3, 1.42e-3),
    ),
    _equation(
        "I.15.3x",
        "(1 - a)/sqrt(1 - b**2)",
        lambda a, b: (1 - a) / np.sqrt(1 - b**2),
        {"a": _BOTH, "b": (-0.8, 0.8)},
        (2, 2, 1, 1),
        *(7.35e-3, 1.58e-3, 1.14e-3, 8.54e-4),
    ),
    _equation(
        "I.16.6",
        "(a + b)/(1 + a*b)",
        lambda a, b: (a + b) / (1 + a * b),
        {"a": (-0.8, 0.8), "b": (-0.8, 0.8)},
        (2, 2, 2, 2, 2, 1),
        *(1.06e-3, 1.19e-3, 1.53e-3, 6.20e-4),
    ),
    _equation(
        "I.18.4",
        "(1 + a*b)/(1 + a)",
        lambda a, b: (1 + a * b) / (1 + a),
        {"a": _RATIO, "b": _BOTH},
        (2, 2, 2, 1, 1),
        *(3.92e-4, 1.50e-4, 1.32e-3, 3.68e-4),
    ),
    _equation(
        "I.26.2",
        "asin(n*sin(theta2))",
        lambda n, theta2: np.arcsin(n * np.sin(theta2)),
        {"n": (0, 0.9), "theta2": _TURN},
        (2, 2, 2, 1, 1),
        *(1.22e-4, 7.90e-4, 8.63e-4, 1.24e-4),
    ),
    _equation(
        "I.27.6",
        "1/(1 + a*b)",
        lambda a, b: 1 / (1 + a * b),
        {"a": _RATIO, "b": _RATIO},
        (2, 2, 1, 1),
        *(2.22e-4, 1.94e-4, 2.14e-4, 2.46e-4),
    ),
    _equation(
        "I.29.16",
        "sqrt(1 + a**2 - 2*a*cos(theta1 - theta2))",
        lambda a, theta1, theta2: np.sqrt(1 + a**2 - 2 * a * np.cos(theta1 - theta2)),
        {"a": (0, 0.8), "theta1": _TURN, "theta2": _TURN},
        (3, 2, 2, 3, 2, 1, 1),
        *(2.36e-1, 3.99e-3, 3.20e-3, 4.64e-3),
    ),
    _equation(
        "I.30.3",
        "sin(n*theta/2)**2/sin(theta/2)**2",
        lambda n, theta: np.sin(n * theta / 2) ** 2 / np.sin(theta / 2) ** 2,
        {"n": (0, 4), "theta": (0.4 * np.pi, 1.6 * np.pi)},
        (2, 3, 2, 2, 1, 1),
        *(3.85e-1, 1.03e-3, 1.11e-2, 1.50e-2),
    ),
    _equation(
        "I.30.5",
        "asin(a/n)",
        lambda a, n: np.arcsin(a / n),
        {"a": _BOTH, "n": (1.25, 2)},
        (2, 1, 1),
        *(2.23e-4, 3.49e-5, 6.92e-5, 9.45e-5),
    ),
    _equation(
        "I.37.4",
        "1 + a + 2*sqrt(a)*cos(delta)",
        lambda a, delta: 1 + a + 2 * np.sqrt(a) * np.cos(delta),
        {"a": (0.1, 1), "delta": _TURN},
        (2, 3, 2, 1),
        *(7.57e-5, 4.91e-6, 3.41e-4, 5.67e-4),
    ),
    _equation(
        "I.40.1",
        "n0*exp(-a)",
        lambda n0, a: n0 * np.exp(-a),
        {"n0": _UNIT, "a": _BOTH},
        (2, 1, 1),
        *(3.45e-3, 5.01e-4, 3.12e-4, 3.99e-4),
    ),
    _equation(
        "I.44.4",
        "n*log(a)",
        lambda n, a: n * np.log(a),
        {"n": _UNIT, "a": (0.25, 4)},
        (2, 2, 1),
        *(2.30e-5, 2.43e-5, 1.10e-4, 3.99e-4),
    ),
    _equation(
        "I.50.26",
        "cos(a) + alpha*cos(a)**2",
        lambda a, alpha: np.cos(a) + alpha * np.cos(a) ** 2,
        {"a": _TURN, "alpha": _UNIT},
        (2, 2, 3, 1),
        *(1.52e-4, 5.82e-4, 4.90e-4, 1.53e-3),
    ),
    _equation(
        "II.2.42",
        "(a - 1)*b",
        lambda a, b: (a - 1) * b,
        {"a": _RATIO, "b": _UNIT},
        (2, 2, 1),
        *(8.54e-4, 7.22e-4, 1.22e-3, 1.81e-4),
    ),
    _equation(
        "II.6.15a",
        "c*sqrt(a**2 + b**2)/(4*pi)",
        lambda a, b, c: c * np.sqrt(a**2 + b**2) / (4 * np.pi),
        {"a": (0.2, 1), "b": (0.2, 1), "c": _UNIT},
        (3, 2, 2, 2, 1),
        *(2.61e-3, 3.28e-3, 1.35e-3, 5.92e-4),
    ),
    _equation(
        "II.11.7",
        "n0*(1 + a*cos(theta))",
        lambda n0, a, theta: n0 * (1 + a * np.cos(theta)),
        {"n0": _UNIT, "a": _BOTH, "theta": _TURN},
        (3, 3, 3, 2, 2, 1),
        *(7.10e-3, 8.52e-3, 5.03e-3, 5.92e-4),
    ),
    _equation(
        "II.11.27",
        "n*alpha/(1 - n*alpha/3)",
        lambda n, alpha: n * alpha / (1 - n * alpha / 3),
        {"n": _UNIT, "alpha": (0, 2)},
        (2, 2, 1, 2, 1),
        *(2.67e-5, 4.40e-5, 1.43e-5, 7.18e-5),
    ),
    _equation(
        "II.35.18",
        "n0/(exp(a) + exp(-a))",
        lambda n0, a: n0 / (np.exp(a) + np.exp(-a)),
        {"n0": _UNIT, "a": _BOTH},
        (2, 1, 1),
        *(4.13e-4, 1.58e-4, 7.71e-5, 7.92e-5),
    ),
    _equation(
        "II.36.38",
        "a + alpha*b",
        lambda a, alpha, b: a + alpha * b,
        {"a": _BOTH, "alpha": _BOTH, "b": _BOTH},
        (3, 3, 1),
        *(2.85e-3, 1.15e-3, 3.03e-3, 2.15e-3),
    ),
    _equation(
        "II.38.3",
        "a/b",
        lambda a, b: a / b,
        {"a": _UNIT, "b": _RATIO},
        (2, 1, 1),
        *(1.47e-4, 8.78e-5, 6.43e-4, 5.26e-4),
    ),
    _equation(
        "III.9.52",
        "a*sin((b - c)/2)**2/((b - c)/2)**2",
        lambda a, b, c: a * np.sinc((b - c) / (2 * np.pi)) ** 2,
        {"a": _UNIT, "b": _TURN, "c": _TURN},
        (3, 2, 3, 1, 1),
        *(4.43e-2, 3.90e-3, 2.11e-2, 9.07e-4),
    ),
    _equation(
        "III.10.19",
        "sqrt(1 + a**2 + b**2)",
        lambda a, b: np.sqrt(1 + a**2 + b**2),
        {"a": _BOTH, "b": _BOTH},
        (2, 1, 1),
        *(2.54e-3, 1.18e-3, 8.16e-4, 1.67e-4),
    ),
    _equation(
        "III.17.37",
        "beta*(1 + alpha*cos(theta))",
        lambda alpha, beta, theta: beta * (1 + alpha * np.cos(theta)),
        {"alpha": _BOTH, "beta": _BOTH, "theta": _TURN},
        (3, 3, 3, 2, 2, 1),
        *(1.10e-3, 5.03e-4, 4.12e-4, 6.80e-4),
    ),
)
