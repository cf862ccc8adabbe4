"""Choice of the family of a target by the likelihood of additive models with pairs (`likeliest`).

Wood, Generalized Additive Models (2nd ed.), section 6.11: Akaike's criterion with effective degrees of freedom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.families.base import Family
from edgewise.gam.families.exponential import Exposed, Gamma, Gaussian, LogNormal, NegativeBinomial, Poisson, Tweedie
from edgewise.gam.fitting import fit_additive
from edgewise.gam.policy import AdditivePolicy

Array = NDArray[np.float64]


def likeliest(
    x: Array, y: Array, weight: Array, policy: AdditivePolicy, exposure: Array | None = None
) -> tuple[Family, dict[str, float]]:
    """Return the family with the least AIC for targets y (N,), and the AIC of each family that has such targets.

    Counts are normal, Poisson or negative binomial; positive numbers normal, log-normal or gamma; those with zeros
    normal or Tweedie; all others normal. With an exposure (N,) none is normal or log-normal. Of many rows evenly picked
    ones decide. Each family chooses its own pairs of inputs: a product of curves is a sum on the logarithmic scale, and
    rates that lack a pair look overdispersed.
    """
    whole = bool((y == np.round(y)).all()) and len(np.unique(y)) > 2
    families: list[Family] = [Gaussian()]
    if y.min() >= 0 and whole:
        families += [Poisson(), NegativeBinomial()]
    elif y.min() > 0:
        families += [LogNormal(), Gamma()]
    elif y.min() == 0 and len(np.unique(y)) > 2:
        families += [Tweedie()]
    if exposure is not None:
        families = [family for family in families if not family.is_normal] or [Poisson()]
    if len(families) == 1:
        return families[0], {}
    most = policy.inference.most_residuals
    rows = np.unique(np.linspace(0, len(y) - 1, min(len(y), most)).astype(int))
    y = y[rows]
    weight = weight[rows]
    scores = {}
    response = y
    if exposure is not None:
        response = np.column_stack([y, np.log(exposure[rows])])
    for family in families:
        loss = family
        if exposure is not None:
            loss = Exposed(family)
        model = fit_additive(x[rows], response, weight, family=loss, policy=policy)
        eta = model.predict_link(x[rows])[:, 0]
        likelihood = float(weight @ model.family.log_likelihood(response, eta, float(model.dispersion[0])))
        # The dispersion, and a power or a shape that the family has estimated, are parameters too.
        extra = (family.scale is None) + (model.family != loss)
        scores[family.name] = 2 * (model.fits[0].total_edf + extra - likelihood)
    return min(families, key=lambda family: scores[family.name]), scores
