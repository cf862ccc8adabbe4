"""The scikit-learn classifier: a KAN for a table, without settings that have to be chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from edgewise.checks import check_number, is_number
from edgewise.errors import InputError
from edgewise.estimator.base import KANEstimator, with_shared_text
from edgewise.estimator.columns.constraints import INEQUALITIES, Bounds, checked_bounds, given_knowledge
from edgewise.estimator.columns.reading import ArrayFunction, Rows, row_weights
from edgewise.estimator.scikit import ClassifierMixin
from edgewise.estimator.task import Classes
from edgewise.gam.families.named import family_of_classes
from edgewise.presentation import counted
from edgewise.search.candidates import Samples
from edgewise.search.policy import Effort, SearchSettings
from edgewise.search.validation import block_codes, canonical_rows
from edgewise.tables.target import RULES as TARGETS

if TYPE_CHECKING:
    from edgewise.discovery.finder import Search
    from edgewise.discovery.problem import FormulaOptions
    from edgewise.formulas.front import Front
    from edgewise.gam.families.base import Family


@with_shared_text
class KANClassifier(ClassifierMixin, KANEstimator):
    """Kolmogorov-Arnold network that predicts the probabilities of classes.

    The logit of each class is a sum of one curve of each input, and of surfaces of pairs of inputs and hidden nodes
    where held-out rows show that they help; restricted maximum likelihood decides how smooth each is. Duplicates and
    the order of rows make no difference, and a weight of 2 is the same as the row twice.

    Parameters
    ----------
    <parameters>
    class_weight : None, "balanced" or dict, default=None
        Factor of the weights of the rows of each class; "balanced" gives each class the same total. With weights the
        probabilities are those of a population in which the classes have these shares.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The classes in ascending order, numbers or strings.
    <attributes>
    <attributes of a search>

    See Also
    --------
    KANRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import KANClassifier
    >>> X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = KANClassifier(hidden=(), grid_size=4, regularization=1e-3).fit(X, y)
    >>> model.predict([[-0.9, 0.0], [0.9, 0.0]]).tolist()
    ['left', 'right']
    """

    classes_: np.ndarray
    equations_: Front | dict[Any, Front]
    # What a classifier lacks beside `KANRegressor`, with what to use instead.
    _absent = dict.fromkeys(("predict_interval", "predict_band"), "predict_proba says how certain a class is")

    def __init__(
        self,
        hidden: Literal["auto"] | int | Sequence[int] = "auto",
        grid_size: Literal["auto"] | int = "auto",
        regularization: Literal["auto"] | float = "auto",
        effort: Effort = "normal",
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
        verbose: bool | int = False,
        monotone: Mapping[str | int, Literal[1, -1]] | None = None,
        shape: Mapping[str | int, Literal["convex", "concave"]] | None = None,
        linear: Sequence[str | int] | None = None,
        interactions: Sequence[tuple[str | int, str | int]] | None = None,
        bounds: tuple[float | None, float | None] | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
    ):
        super().__init__(
            hidden,
            grid_size,
            regularization,
            effort,
            time_limit,
            n_jobs,
            random_state,
            verbose,
            monotone,
            shape,
            linear,
            interactions,
            bounds,
        )
        self.class_weight = class_weight

    @property
    def _family(self) -> Family:
        return family_of_classes((0, 1))

    def _fit(self, settings: SearchSettings, X: Rows, y: ArrayLike, sample_weight: Any, groups: Any) -> None:
        rows, labels, given_weight = self._read_training(X, y, sample_weight, ensure_min_samples=2)
        labels = column_or_1d(labels, warn=True)
        # Labels that cannot be sorted, such as None among strings, would otherwise fail deep inside numpy.
        if labels.dtype == object and not all(isinstance(label, Number) for label in labels):
            kinds = sorted({type(label).__name__ for label in labels})
            if len(kinds) > 1:
                raise InputError(f"y must hold labels of one kind, got {' and '.join(kinds)}")
        # Classes in ascending order, those without weight left out; equal rows are merged into one with their sum of
        # weights.
        classes, codes = np.unique(labels, return_inverse=True)
        _check_classes(labels, len(classes))
        importance = self._class_importance(classes, codes, given_weight)
        weight = np.ones(len(rows)) if given_weight is None else given_weight
        weight = np.where(importance[codes] > 0, weight, 0.0)
        kept = np.unique(codes[weight > 0])  # a class may have no weight
        if len(kept) < 2:
            raise InputError("y must hold at least two classes with positive weight, got one class")
        codes = np.searchsorted(kept, codes)[:, None]
        rows, codes, weight, blocks = canonical_rows(rows, codes, weight, block_codes(groups, len(rows)))
        codes = codes[:, 0].astype(np.int64)
        # Classes that count more are seen no more often.
        weighted = weight * importance[kept][codes]
        weight = weighted * (weight.sum() / weighted.sum())
        # The search with the multinomial likelihood of the classes that are left.
        self.classes_ = classes[kept]
        samples = Samples(self._scale_inputs(rows, weight), codes, weight, blocks=blocks)
        settings = replace(settings, outputs=len(kept), family=family_of_classes(self.classes_))
        self._train(samples, self._with_knowledge(settings, self._network_bounds()))
        if self.inference_ is not None and settings.family.predictors > 1:
            self.inference_ = replace(self.inference_, predictors=tuple(self._task.outputs))

    @property
    def _task(self) -> Classes:
        """What is predicted: classes with probabilities."""
        return Classes(self.target_names_, self.classes_)

    def _network_targets(self) -> ArrayFunction:
        return partial(class_places, self.classes_)

    def _network_bounds(self) -> Bounds | None:
        """Return the bounds as log odds of the second class. Raises InputError."""
        # An inequality speaks of one log odds, which more than two classes do not have.
        given = [name for name in given_knowledge(self) if name in INEQUALITIES]
        if given and len(self.classes_) > 2:
            raise InputError(f"{given[0]} needs two classes, got {len(self.classes_)}")
        if self.bounds is None:
            return None
        # The logit of each bound; 0 and 1 bound nothing.
        low, high = checked_bounds(self.bounds)
        if (low is not None and low >= 1) or (high is not None and high <= 0):
            raise InputError(f"bounds must be probabilities (low, high), got {self.bounds!r}")
        return (
            None if low is None or low <= 0 else math.log(low / (1 - low)),
            None if high is None or high >= 1 else math.log(high / (1 - high)),
        )

    def decision_function(self, X: Rows) -> np.ndarray:
        """Return the logits.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)

        Returns
        -------
        ndarray of shape (N, C), or (N,) for two classes
            For two classes the log-odds of the second one.
        """
        logits = self._logits(self._warned_codes(X))
        if logits.shape[1] == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def fit_equations(
        self,
        X: Rows,
        y: ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        time_limit: float | None = None,
        options: FormulaOptions | None = None,
    ) -> Self:
        """Search for formulas of the log-odds and keep them as `equations_`; a boundary is where its formula is 0.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            At least 20 rows.
        y : array-like of shape (N,), optional
            Their classes. With them the constants come from the likelihood of the classes, with standard errors, and
            formulas are judged by the classes of held-out rows; the model is where the search starts. Without them the
            formulas imitate the model.
        names : sequence of str, optional
            Names of the inputs; if left out, those the estimator was fitted with, else x1, x2, ...
        time_limit : float, optional
            Seconds, about, shared by all classes; without a limit, work of about a minute is planned.
        options : FormulaOptions, optional
            What the law may be made of, and weights of the rows, as in `find_formula`.

        Returns
        -------
        self : KANClassifier
            For two classes `equations_` is the `Front` of the log-odds of the second class, else a mapping of each
            class to the `Front` of its log-odds against all others or, without y, of its logit less the mean logit of
            the row.

        Raises
        ------
        InputError
            If an argument is invalid.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import KANClassifier
        >>> X = np.random.default_rng(0).uniform(-1, 1, (200, 1))
        >>> model = KANClassifier(effort="low").fit(X, X[:, 0] > np.sin(40 * X[:, 0]))
        >>> len(model.fit_equations(X, names=["a"], time_limit=1).equations_) > 0
        True
        """
        # The door to the search for formulas, which a fit does not load.
        from edgewise.estimator.equations import class_front_of_table, table_budget, table_front, table_search

        check_is_fitted(self)
        if time_limit is not None:
            check_number(time_limit, "time_limit", positive=True, of=" of seconds")
        # What a formula is to give: the log odds of two classes, or the centred logits of several.
        logits = np.asarray(self.decision_function(X))
        if logits.ndim == 1:
            columns = logits[:, None]
        else:
            columns = logits - logits.mean(1, keepdims=True)
        rows = self._inputs(X)
        names = self._network_names(names)
        classes = self.classes_[1:].tolist() if logits.ndim == 1 else self.classes_.tolist()

        def search_of(target: np.ndarray, name: str) -> Search:
            budget = table_budget(time_limit, len(classes))
            return table_search(rows, target.astype(np.float64), names, options, budget, target=name)

        if y is None:  # the predictions of the model are log-odds themselves
            fronts = [
                table_front(search_of(column, f"log-odds of {label}"))
                for label, column in zip(classes, columns.T, strict=True)
            ]
        else:
            labels = column_or_1d(y)
            check_consistent_length(rows, labels)
            unknown = [label for label in np.unique(labels).tolist() if label not in self.classes_.tolist()]
            if unknown:
                raise InputError(f"y must hold classes of the model, got {unknown[0]!r}")
            odds = [logits]  # of each class against all others together
            if logits.ndim > 1:
                odds = [logits[:, k] - np.logaddexp.reduce(np.delete(logits, k, 1), 1) for k in range(len(classes))]
            fronts = [
                class_front_of_table(search_of(labels == label, str(label)), column)
                for label, column in zip(classes, odds, strict=True)
            ]
        self._set_equations(fronts, classes)
        return self

    def predict_proba(self, X: Rows) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)

        Returns
        -------
        ndarray of shape (N, C)
            Columns in the order of `classes_`.
        """
        return self._predicted(self._warned_codes(X))

    def predict(self, X: Rows) -> np.ndarray:
        """Predict the most probable class of each row.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)

        Returns
        -------
        ndarray of shape (N,)
        """
        best = self._logits(self._warned_codes(X)).argmax(1)
        return self.classes_[best]

    def predict_equation(self, X: Rows) -> np.ndarray:
        """Predict by the best formulas instead of the network.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            Rows as `fit` took them.

        Returns
        -------
        ndarray of shape (N,) or (N, C)
            Log-odds as `decision_function` gives those of the network: of the second of two classes, else of each
            class. NaN or infinite where a formula is undefined.

        Raises
        ------
        NotFittedError
            There are no formulas yet: `fit_equations` finds them.
        """
        check_is_fitted(self)
        return self._equation_values(self.equations_, X)

    def score(self, X: Rows, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy: the share of rows whose most probable class is theirs.

        Unlike `predict` it does not warn of rows outside the training range, but of numbers a million times as far off:
        a score is no use of their predictions.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        y : array-like of shape (N,)
        sample_weight : array-like of shape (N,), optional
            Weights of the rows.

        Returns
        -------
        float
        """
        best = self._logits(self._judged_codes(X)).argmax(1)
        labels = column_or_1d(y)
        check_consistent_length(best, labels)
        return self._task.score(labels, self.classes_[best], row_weights(sample_weight, len(best))).value

    def _class_importance(self, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Return the weight of each class that `class_weight` states, (classes,), ones by default."""
        chosen = self.class_weight
        if chosen is None:
            return np.ones(len(classes))
        if isinstance(chosen, str) and chosen == "balanced":
            # The same total weight for each class that occurs: n / (number of classes * n of the class).
            total = np.bincount(codes, weights=weight, minlength=len(classes))
            present = total > 0
            return np.divide(total.sum(), present.sum() * total, out=np.zeros(len(classes)), where=present)
        if isinstance(chosen, Mapping):
            # Given weights, with 1 for the classes that are not named.
            values = dict(zip(classes.tolist(), [1.0] * len(classes), strict=True))
            for label, value in chosen.items():
                if label not in values:
                    shown = ", ".join(repr(one) for one in classes.tolist()[:5])
                    raise InputError(f"class_weight must name classes of y ({shown}), got {label!r}")
                if not is_number(value) or not 0 <= value < np.inf:
                    raise InputError(
                        f"class_weight must hold finite numbers of at least 0, got {value!r} for {label!r}"
                    )
                values[label] = float(value)
            return np.array(list(values.values()))
        raise InputError(f"class_weight must be None, 'balanced' or a dict from class to weight, got {chosen!r}")

    def _logits(self, codes: np.ndarray) -> np.ndarray:
        """Return the logits; where cells are unknown, the logarithms of the mean probabilities."""
        logits = self._network_output(self.encoder_.inputs_of(codes))
        rows = self.encoder_.unknown(codes).any(axis=1)
        if rows.any():
            logits[rows] = np.log(self._predicted(codes[rows]))
        return logits

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        return torch.softmax(torch.from_numpy(self._network_output(X)), 1).numpy()


def class_places(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the place of each label among the classes in ascending order."""
    return np.searchsorted(classes, labels)


def _check_classes(labels: np.ndarray, count: int) -> None:
    """Raise InputError for a target that is a quantity, or a name of each row."""
    rows = len(labels)
    numeric = labels.dtype.kind in "iuf"
    kind = "numbers" if numeric else "labels"
    # Numbers with decimals are classes, such as doses of 0.5 and 1.5, if they repeat; scikit-learn refuses them all.
    fraction = labels.dtype.kind == "f" and bool((labels != np.floor(labels)).any())
    least = TARGETS.rows_per_numeric_class if fraction else 2
    if rows < least * count and (fraction or count > TARGETS.most_numeric_classes):
        raise InputError(
            f"y must hold classes that repeat in {least} rows on average, "
            f"got {count:,} different {kind} in {counted(rows, 'row')} "
            f"(Unknown label type: "
            f"continuous){'; KANRegressor predicts numbers' if numeric else ''}"
        )
    first = labels[0]
    if labels.dtype == object and isinstance(first, Number) and not isinstance(first, int | float | np.number):
        raise InputError(f"y must hold labels that are texts, integers or floats, got {type(first).__name__}")
    if fraction:
        return
    with np.errstate(invalid="ignore"):  # scikit-learn casts labels such as 1e300 to integers to look at them
        check_classification_targets(labels)
