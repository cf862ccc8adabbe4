"""The families by the names of losses: the registry that estimators and searches read.

Wood, Generalized Additive Models (2nd ed.), section 3.1.1, on the distributions; `robust` on losses without one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from edgewise.errors import InputError
from edgewise.gam.families.base import Family
from edgewise.gam.families.categorical import Multinomial
from edgewise.gam.families.exponential import Bernoulli, Gamma, Gaussian, LogNormal, NegativeBinomial, Poisson, Tweedie
from edgewise.gam.families.robust import Huber, Quantile

FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Gaussian, LogNormal, Huber, Poisson, NegativeBinomial, Gamma, Tweedie)
}
"""Losses of a numeric target by name; "quantile:0.9" is that of a quantile, "absolute" that of the median."""

Loss = Literal[
    "auto",
    "squared",
    "log",
    "absolute",
    "huber",
    "poisson",
    "negative_binomial",
    "gamma",
    "tweedie",
    "quantile:0.05",
    "quantile:0.1",
    "quantile:0.25",
    "quantile:0.5",
    "quantile:0.75",
    "quantile:0.9",
    "quantile:0.95",
]
"""These losses for type checkers, which read no registry, with the customary quantiles; a test compares the two."""


def family_of(loss: str) -> Family:
    """Return the family of a numeric target that a loss names; InputError if there is none.

    A loss is a key of `FAMILIES`, "absolute" or "quantile:SHARE"; "auto" has that of squared errors until a fit has
    seen the targets.
    """
    if not isinstance(loss, str):
        raise InputError(f"loss must be text, the name of a loss or 'quantile:SHARE', got {loss!r}")
    if loss == "auto":
        return FAMILIES["squared"]()
    if loss == "absolute":
        return Quantile(0.5)
    # A share after a colon.
    name, _, share = loss.partition(":")
    if name == "quantile":
        try:
            return Quantile(float(share or "0.5"))
        except ValueError:
            pass
    if loss not in FAMILIES:
        names = ", ".join(sorted({*FAMILIES, "absolute", "auto"}))
        raise InputError(f"loss must be one of {names} or 'quantile:SHARE' with a share in (0, 1), got {loss!r}")
    return FAMILIES[loss]()


def family_of_classes(classes: ArrayLike) -> Family:
    """Return the family of these classes, in ascending order; those that are numbers may have a meaning as such."""
    numbers = np.asarray(classes)
    if len(numbers) == 2:
        return Bernoulli()
    if numbers.dtype.kind not in "iuf":
        return Multinomial(len(numbers))
    numbers = numbers - numbers.mean()
    return Multinomial(len(numbers), tuple((numbers / numbers.std()).tolist()))
