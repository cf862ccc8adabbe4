"""scikit-learn estimators made of KANs, and their files."""

from edgewise.errors import missing_extra

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise missing_extra("scikit-learn", "sklearn", "KANRegressor and KANClassifier") from error

from edgewise.estimator.kan import KANClassifier, KANRegressor
from edgewise.estimator.storage import load_estimator, save_estimator

__all__ = ["KANClassifier", "KANRegressor", "load_estimator", "save_estimator"]
