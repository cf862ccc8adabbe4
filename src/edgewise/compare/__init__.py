"""The models a KAN is compared with, and advice on which kind of model suits a table.

`advise` is the door for a table: it trains small models of several kinds on it and answers the guide of the KAN paper.
`iterate_baselines` trains a linear model and gradient boosting on the same split as a KAN; `measures`,
`standard_error` and `paired_error` score predictions.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.compare.advice import Advice, Branch, advise
    from edgewise.compare.baselines import BaselineResult, iterate_baselines, measures, paired_error, standard_error

__all__ = [
    "Advice",
    "BaselineResult",
    "Branch",
    "advise",
    "iterate_baselines",
    "measures",
    "paired_error",
    "standard_error",
]

import_on_demand(__name__)
