"""The models a KAN is compared with, and advice on which kind of model suits a table.

`advise` is the door for a table: it trains small models of several kinds on it and answers the guide of the KAN paper.
`iterate_baselines` trains a linear model and gradient boosting on the same split as a KAN.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.compare.advice import Advice, advise
    from edgewise.compare.baselines import iterate_baselines

__all__ = ["Advice", "advise", "iterate_baselines"]

import_on_demand(__name__)
