"""Times until an event, some of them censored: a KAN as the log hazard of Cox's model (`KANSurvival`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import is_one_of, is_sequence
from edgewise.errors import InputError
from edgewise.estimator.base import KANEstimator, seed_of, with_shared_text
from edgewise.estimator.columns.constraints import column_constraints, given_knowledge
from edgewise.estimator.columns.reading import NO_Y, Rows
from edgewise.estimator.task import Risks
from edgewise.gam import AdditiveModel, fit_additive, summarise
from edgewise.gam.families.cox import Cox
from edgewise.metrics import Score
from edgewise.scaling import AffineScaling
from edgewise.search.policy import SearchSettings
from edgewise.search.validation import block_codes, canonical_rows, folds, mean_and_error

Column = str | int


@dataclass(frozen=True, eq=False)
class StepFunction:
    """Function of time that is constant between steps, from the right continuous, as scikit-survival has it."""

    x: np.ndarray  # (T,), times of the steps, ascending
    y: np.ndarray  # (T,), values from each step on
    before: float  # value before the first step

    def __call__(self, time: ArrayLike) -> np.ndarray:
        """Return the values at some times, in their shape."""
        place = np.searchsorted(self.x, np.asarray(time, dtype=np.float64), "right")
        return np.r_[self.before, self.y][place]

    @property
    def domain(self) -> tuple[float, float]:
        """Times that the data speak about: from 0 to the last event."""
        return 0.0, float(self.x[-1])


@with_shared_text
class KANSurvival(KANEstimator):
    """Kolmogorov-Arnold network as the log hazard of Cox's proportional hazards model, for censored times.

    The hazard of a row is baseline(t) * exp(f(x)). f is a sum of one curve of each input, and of surfaces of pairs of
    inputs where held-out rows show that they help; restricted maximum likelihood decides how smooth each is. The
    partial likelihood needs no baseline; Breslow's estimate of it follows, and with it the survival function of each
    row. Names and conventions are those of scikit-survival. Duplicates and the order of rows make no difference, and
    with Breslow's ties a weight of 2 is the same as the row twice.

    Parameters
    ----------
    pairs : "auto" or "none", default="auto"
        Whether surfaces of pairs of inputs may join the curves.
    ties : {"breslow", "efron"}, default="breslow"
        How events at equal times share a risk set.
    <parameters>

    Attributes
    ----------
    <attributes>
    pairs_ : tuple of (int, int)
        The pairs of inputs that act together.
    unique_times_ : ndarray of shape (T,)
        Times of events in the training data, ascending.
    baseline_hazard_ : ndarray of shape (T,)
        Cumulative hazard of a row of risk score 0 from each of these times on.

    References
    ----------
    .. [1] D. R. Cox, "Regression models and life-tables", JRSS B 34 (1972), 187-220.
    .. [2] S. N. Wood, N. Pya and B. Saefken, "Smoothing parameter and model selection for general smooth models", JASA
       111 (2016), 1548-1563: additive Cox models.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import KANSurvival
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, (200, 2))
    >>> time, censored = rng.exponential(np.exp(-3 * X[:, 0] ** 2)), rng.exponential(2, 200)
    >>> model = KANSurvival(pairs="none").fit(X, (time <= censored, np.minimum(time, censored)))
    >>> low, high = model.predict([[0.0, 0.0], [0.9, 0.0]])
    >>> bool(low < high)
    True
    >>> survival = model.predict_survival_function([[0.0, 0.0]])[0]
    >>> bool(survival(0.0) == 1.0 and survival(0.1) > survival(1.0))
    True
    """

    pairs_: tuple[tuple[int, int], ...]
    unique_times_: np.ndarray
    baseline_hazard_: np.ndarray

    def __init__(
        self,
        pairs: Literal["auto", "none"] = "auto",
        ties: Literal["breslow", "efron"] = "breslow",
        random_state: int | None = 0,
        monotone: Mapping[Column, Literal[1, -1]] | None = None,
        shape: Mapping[Column, Literal["convex", "concave"]] | None = None,
        linear: Sequence[Column] | None = None,
        interactions: Sequence[tuple[Column, Column]] | None = None,
    ):
        self.pairs = pairs
        self.ties = ties
        self.random_state = random_state
        self.monotone = monotone
        self.shape = shape
        self.linear = linear
        self.interactions = interactions

    def _checked_settings(self) -> SearchSettings:
        if not is_one_of(self.pairs, ("auto", "none")):
            raise InputError(f"pairs must be 'auto' or 'none', got {self.pairs!r}")
        return SearchSettings(Cox(self.ties), seed=seed_of(self.random_state))

    def _fit(self, settings: SearchSettings, X: Rows, y: Any, sample_weight: Any, groups: Any) -> None:
        # Times and events of the rows; equal rows are merged into one with their sum of weights.
        family = Cox(self.ties)
        rows, _, given_weight = self._read_training(X, NO_Y, sample_weight, ensure_min_samples=2)
        times = family.checked(_time_and_event(y, len(rows)))
        rows, times, weight, blocks = canonical_rows(rows, times, given_weight, block_codes(groups, len(rows)))
        family.checked(times)  # rows of weight zero are gone
        scaling = AffineScaling.fit(rows, weight)
        scaled = scaling.transform(rows)
        # The additive model of the log hazard, then Breslow's estimate of the cumulative baseline hazard.
        additive = self._chosen(scaled, times, weight, blocks, settings)
        model = additive.to_kan()
        limits = additive.limits
        risk = additive.predict_link(scaled)[:, 0]
        self.model_ = model
        self.input_scaling_ = scaling
        self.input_limits_ = limits
        self.pairs_ = additive.pairs
        self.unique_times_, self.baseline_hazard_ = family.prepared(times, weight).baseline(times, risk)
        names = self.encoder_.feature_names
        self.inference_ = summarise(additive, scaled, times, weight, names, scaling.scale)

    def _chosen(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, blocks: np.ndarray | None, settings: SearchSettings
    ) -> AdditiveModel:
        """Return the additive model, with pairs if they lower the held-out loss by more than its standard error."""
        family = settings.family
        kinds: dict[str, Any] = {
            "family": family,
            "groups": self.encoder_.indicator_groups,
            "constraints": column_constraints(self.encoder_, given_knowledge(self)),
        }
        plain = fit_additive(x, y, weight, pairs=(), **kinds)
        if self.pairs == "none" or x.shape[1] < 2:
            return plain
        rich = fit_additive(x, y, weight, **kinds)
        if not rich.pairs:
            return plain
        # Cross-validation in five folds, the customary number (Hastie et al., 2nd ed., section 7.10): the partial log
        # likelihood of held-out rows, with and without pairs.
        gain = np.zeros(len(y))
        for fold in folds(len(y), settings.seed, labels=y[:, 1], blocks=blocks, parts=5):  # events are spread
            out = fold.train
            held = fold.held
            if not (y[out, 1].any() and y[held, 1].any()):
                continue
            fitted = [fit_additive(x[out], y[out], weight[out], pairs=pairs, **kinds) for pairs in ((), rich.pairs)]
            losses = [
                family.prepared(y[held], weight[held]).loss(y[held], model.predict_link(x[held])[:, 0])
                for model in fitted
            ]
            gain[held] = weight[held] * (losses[0] - losses[1])
        # The one-standard-error rule.
        mean, error = mean_and_error(gain, np.ones(len(y)), blocks)
        return rich if mean > error else plain

    @property
    def _task(self) -> Risks:
        """What is predicted: risk scores."""
        return Risks(self.target_names_)

    @property
    def _record(self) -> None:
        """None: a single comparison decides, of which no record is kept."""
        return None

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        return self._network_output(X)

    def predict(self, X: Rows) -> np.ndarray:
        """Predict risk scores: the log hazard relative to that of a row of score 0.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)

        Returns
        -------
        ndarray of shape (N,)
            Higher for earlier events; the mean over the training rows is about zero.
        """
        return self._predicted(self._warned_codes(X))[:, 0]

    def predict_cumulative_hazard_function(self, X: Rows, return_array: bool = False) -> np.ndarray:
        """Predict the cumulative hazard of each row as a function of time.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        return_array : bool, default=False
            Whether to return the values at `unique_times_` instead of functions.

        Returns
        -------
        ndarray of shape (N,) of `StepFunction`, or ndarray of shape (N, T)
        """
        return self._steps(np.exp(self.predict(X))[:, None] * self.baseline_hazard_, 0.0, return_array)

    def predict_survival_function(self, X: Rows, return_array: bool = False) -> np.ndarray:
        """Predict the probability of no event until each time, for each row.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        return_array : bool, default=False
            Whether to return the values at `unique_times_` instead of functions.

        Returns
        -------
        ndarray of shape (N,) of `StepFunction`, or ndarray of shape (N, T)
        """
        hazard = np.exp(self.predict(X))[:, None] * self.baseline_hazard_
        return self._steps(np.exp(-hazard), 1.0, return_array)

    def _steps(self, values: np.ndarray, before: float, return_array: bool) -> np.ndarray:
        if return_array:
            return values
        functions = np.empty(len(values), dtype=object)
        functions[:] = [StepFunction(self.unique_times_, row, before) for row in values]
        return functions

    def score(self, X: Rows, y: Any) -> float:
        """Return Harrell's concordance index of the risk scores.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        y : structured array of shape (N,), or pair of array-likes
            Event and time, as for `fit`.

        Returns
        -------
        float

        Raises
        ------
        InputError
            If y is invalid or no two rows are comparable.
        """
        return self._scored(y, self.predict(X)).value

    def _scored(self, y: Any, predicted: np.ndarray) -> Score:
        """Return the concordance, with censored times as they are given."""
        return self._task.score(_time_and_event(y, len(predicted)), predicted)


def _time_and_event(y: Any, rows: int) -> np.ndarray:
    """Return y as an array (N, 2), time and event; raise InputError unless it is one of the two forms."""
    # A structured array of scikit-survival, or a pair.
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is not None:
        events = [name for name in names if y.dtype[name].kind == "b"]
        if len(names) != 2 or len(events) != 1:
            kinds = ", ".join(f"{name}: {y.dtype[name]}" for name in names)
            raise InputError(f"y must have one field of bool (event) and one of numbers (time), got {kinds}")
        time_name = next(name for name in names if name != events[0])
        event = y[events[0]]
        time = y[time_name]
    elif is_sequence(y) and len(y) == 2:
        event, time = y
    else:
        raise InputError(
            "y must be a structured array with the fields event and time, or the pair (event, time), "
            f"got {type(y).__name__}"
        )
    try:
        both = [np.asarray(part, dtype=np.float64) for part in (time, event)]
    except (TypeError, ValueError) as error:
        raise InputError("the events and times in y must be numbers, got others") from error
    if any(part.shape != (rows,) for part in both):
        shapes = " and ".join(str(part.shape) for part in reversed(both))
        raise InputError(f"y must hold {rows} events and times, one for each row of X, got shapes {shapes}")
    return np.column_stack(both)
