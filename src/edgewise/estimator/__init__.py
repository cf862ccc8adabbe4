"""scikit-learn estimators made of KANs: `KANRegressor`, `KANClassifier` and `KANSurvival`.

Each scales a table, lets the room `search` choose and train a network, and delegates everything else:
explanations, export, error bars, and formulas (`fit_equations`). `edgewise.save` and `edgewise.load` write and read
them; this room's `storage` has the fields of such files.
"""

from typing import TYPE_CHECKING

from edgewise.errors import missing_extra
from edgewise.lazy import import_on_demand

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise missing_extra("scikit-learn", "sklearn", "KANRegressor and KANClassifier") from error

if TYPE_CHECKING:
    from edgewise.estimator.classifier import KANClassifier
    from edgewise.estimator.regressor import KANRegressor
    from edgewise.estimator.survival import KANSurvival

__all__ = ["KANClassifier", "KANRegressor", "KANSurvival"]

import_on_demand(__name__)
