"""The choice of a network's shape, grid and regularisation from data.

Call `approximate` for a function without noise; `KANRegressor` and `KANClassifier` use the search of this room, which
compares candidates by cross-validation.
"""

from edgewise.model_selection.approximation import ApproximateResult, approximate

__all__ = ["ApproximateResult", "approximate"]
