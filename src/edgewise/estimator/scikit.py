"""Base classes of scikit-learn, which has no types: with them type checkers see the members of an estimator."""

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:

    class BaseEstimator:
        """What all estimators of scikit-learn have."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Return the parameters by their names."""

        def set_params(self, **parameters: Any) -> Self:
            """Change parameters."""

        def __sklearn_tags__(self) -> Any:
            """Return what the estimator can do."""

    class RegressorMixin:
        """Estimator of numbers."""

    class ClassifierMixin:
        """Estimator of classes."""

    class MultiOutputMixin:
        """Estimator of several targets."""

else:
    from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin

__all__ = ["BaseEstimator", "ClassifierMixin", "MultiOutputMixin", "RegressorMixin"]
