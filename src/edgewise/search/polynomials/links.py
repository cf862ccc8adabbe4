"""The functions g that may stand outside a polynomial: powers, logarithm and exponential, sine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A link is left out if its arguments differ by less than this share: it is straight there.
STRAIGHT = 1e-3


@dataclass(frozen=True)
class Link:
    """A function g with its slope and its inverse."""

    name: str  # for sentences
    value: Callable[[np.ndarray], np.ndarray]  # g(u) and g'(u)
    slope: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]  # u(y) and du/dy, within `interval`
    inverse_slope: Callable[[np.ndarray], np.ndarray]
    interval: tuple[float, float] = (-math.inf, math.inf)  # open interval of the values y
    natural: bool = False  # whether y is the target in its own units; otherwise it is of order 1
    # the name of the inverse, as summaries state a link: the function of the mean that is a polynomial
    of_mean: str = "identity"

    def takes(self, low: float, high: float) -> bool:
        """Return whether values between these two lie in the interval."""
        return self.interval[0] < low <= high < self.interval[1]

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the interval of arguments u that the values between these two need, with some room."""
        if self.name == "identity":
            return -math.inf, math.inf
        reach = 0.1 * (high - low)  # polynomials overshoot the range of the targets by less
        ends = max(low - reach, (low + self.interval[0]) / 2), min(high + reach, (high + self.interval[1]) / 2)
        first, second = self.inverse(np.array(ends))
        return float(min(first, second)), float(max(first, second))


def _power(name: str, power: float, of_mean: str) -> Link:
    """The link y = u^(1 / power)."""
    return Link(
        name,
        lambda u: u ** (1 / power),
        lambda u: u ** (1 / power - 1) / power,
        lambda y: y**power,
        lambda y: power * y ** (power - 1),
        (0.0, math.inf),
        of_mean=of_mean,
    )


# Box and Cox, J. R. Statist. Soc. B 26 (1964) 211, with the powers that laws have; the logarithm and the arcsine for
# targets that are logarithms, up to e^300, and angles.
LINK_FUNCTIONS: dict[str, Link] = {
    link.name: link
    for link in (
        Link("identity", lambda u: u, np.ones_like, lambda y: y, np.ones_like),
        Link("exponential", np.exp, np.exp, np.log, lambda y: 1 / y, (0.0, math.inf), of_mean="log"),
        _power("reciprocal", -1.0, "reciprocal"),
        _power("square root", 2.0, "square"),
        _power("square", 0.5, "square root"),
        _power("reciprocal root", -2.0, "reciprocal square"),
        Link("logarithm", np.log, lambda u: 1 / u, np.exp, np.exp, (-300.0, 300.0), True, "exponential"),
        Link(
            "arcsine",
            np.arcsin,
            lambda u: 1 / np.sqrt(1 - u * u),
            np.sin,
            np.cos,
            (-math.pi / 2, math.pi / 2),
            natural=True,
            of_mean="sine",
        ),
    )
}


def scaling(link: Link, shift: float, unit: float) -> tuple[float, float]:
    """Return shift and unit of the values (y + shift) * unit that a link takes, for targets (y + shift) * unit."""
    if link.name == "identity":
        return 0.0, 1.0
    if link.natural:
        return shift, unit
    return shift, 1.0
