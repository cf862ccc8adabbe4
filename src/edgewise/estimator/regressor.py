"""The scikit-learn regressor: a KAN for a table, without settings that have to be chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from edgewise.checks import check_number, is_number, numbered, typed
from edgewise.errors import InputError
from edgewise.estimator.base import KANEstimator, with_shared_text
from edgewise.estimator.columns.constraints import Bounds, checked_bounds
from edgewise.estimator.columns.reading import ArrayFunction, Rows, row_weights
from edgewise.estimator.scikit import MultiOutputMixin, RegressorMixin
from edgewise.estimator.task import Numbers
from edgewise.gam.families.exponential import Exposed
from edgewise.gam.families.named import Loss, family_of
from edgewise.metrics import explained
from edgewise.nn.prediction import predict_in_batches
from edgewise.presentation import number_text
from edgewise.scaling import AffineScaling
from edgewise.search.candidates import Samples
from edgewise.search.policy import Effort, SearchSettings
from edgewise.search.results import AutoResult
from edgewise.search.validation import block_codes, canonical_rows
from edgewise.train.conformal import ResidualIntervals
from edgewise.train.uncertainty import ErrorBars

if TYPE_CHECKING:
    from edgewise.discovery.problem import FormulaOptions
    from edgewise.estimator.law import LawSearch
    from edgewise.formulas.front import Front
    from edgewise.gam.families.base import Family

PlacedFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From inputs of the network (n, p), with the number of the row of each (n,), to values (n, out)."""


@dataclass(frozen=True, eq=False)
class RegressionFit:
    """A fit of one target, from which a search for a law goes on."""

    result: AutoResult
    samples: Samples  # inputs and targets as the network has them
    rows: np.ndarray  # (n, d), inputs in their units
    targets: np.ndarray  # (n,), in their unit
    input_scaling: AffineScaling
    target_scaling: AffineScaling
    settings: SearchSettings


@with_shared_text
class KANRegressor(MultiOutputMixin, RegressorMixin, KANEstimator):
    """Kolmogorov-Arnold network that fits one or several targets, by least squares or another loss.

    The model is a sum of one curve of each input, and of surfaces of pairs of inputs and hidden nodes where held-out
    rows show that they help; restricted maximum likelihood decides how smooth each is. Samples without noise are
    approximated to many digits. Duplicates and the order of rows make no difference, and a weight of 2 is the same as
    the row twice.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>
    <attributes of a search>
    target_scaling_ : AffineScaling
        Scaling of the targets: the output of the network is (y - shift) / scale, or that of log y.
    loss_ : str
        The loss of the fit: the parameter, or for "auto" the one with the highest likelihood.
    link_ : str
        "identity", or "log" if predictions are exponentials.
    error_bars_ : ErrorBars or None
        Uncertainty of the predictions in the units of the network; None where it is not available.
    residual_intervals_ : ResidualIntervals or None
        Quantiles of the residuals of held-out rows, where there are no error bars.
    error_bars_message_ : str
        Sentences on the calibration of the error bars or intervals, with the reason where there are none.

    See Also
    --------
    KANClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import KANRegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> model = KANRegressor(hidden=(), grid_size=4, regularization=1e-6).fit(X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2)
    >>> model.predict([[0.5, 0.5]]).round(2)
    array([1.09])
    >>> [(name, effect) for name, _, _, effect in model.summary().terms]
    [('x1', 'rises'), ('x2', 'falls, then rises')]
    >>> model.explain_local([[0.5, 0.5]]).names
    ('x1', 'x2')

    A frame goes in as it is, with text, categories, dates and missing values:

    >>> import pandas
    >>> flats = pandas.DataFrame({"area": [30, 50, None, 90] * 10, "city": ["Bonn", "Ulm"] * 20})
    >>> price = 2 * flats["area"].fillna(60) + 25.0 * (flats["city"] == "Ulm")
    >>> model = KANRegressor(hidden=(), grid_size=3, regularization=1e-6).fit(flats, price.rename("price"))
    >>> model.encoder_.feature_names
    ('area', 'area is missing', 'city is Ulm')
    >>> model.report()
    <Report "KANRegressor of price from 2 inputs"; report.save("report.html") writes it to a file>
    """

    target_scaling_: AffineScaling
    loss_: str
    link_: str
    error_bars_: ErrorBars | None
    residual_intervals_: ResidualIntervals | None
    error_bars_message_: str
    equations_: Front | dict[int, Front]
    _exponent: tuple[float, float] | None

    def __init__(
        self,
        hidden: Literal["auto"] | int | Sequence[int] = "auto",
        grid_size: Literal["auto"] | int = "auto",
        regularization: Literal["auto"] | float = "auto",
        effort: Effort = "normal",
        loss: Loss = "squared",
        exposure: str | int | None = None,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
        verbose: bool | int = False,
        monotone: Mapping[str | int, Literal[1, -1]] | None = None,
        shape: Mapping[str | int, Literal["convex", "concave"]] | None = None,
        linear: Sequence[str | int] | None = None,
        interactions: Sequence[tuple[str | int, str | int]] | None = None,
        bounds: tuple[float | None, float | None] | None = None,
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
        self.loss = loss
        self.exposure = exposure

    @property
    def _family(self) -> Family:
        return family_of(self.loss)

    def _fit(self, settings: SearchSettings, X: Rows, y: ArrayLike, sample_weight: Any, groups: Any) -> None:
        if self.exposure is not None:
            self._check_exposure(settings)
        # Rows and targets as arrays; equal rows are merged into one with their sum of weights.
        checks = {"multi_output": True, "y_numeric": True, "ensure_min_samples": 2}
        rows, targets, given_weight = self._read_training(X, y, sample_weight, family=settings.family, **checks)
        self._single = targets.ndim == 1
        targets = targets.astype(np.float64).reshape(len(rows), -1)
        outputs = targets.shape[1]
        if self.exposure is not None:
            targets = np.column_stack([targets, self._exposures(X)])
        rows, targets, weight, block = canonical_rows(rows, targets, given_weight, block_codes(groups, len(rows)))
        exposure = targets[:, -1] if self.exposure is not None else None
        targets = targets[:, :outputs]
        if outputs > 1 and self.loss != "squared":
            raise InputError(f"y must have one column for the loss {self.loss!r}, got {outputs}")
        # The family of the loss: given, or the one of the least AIC.
        x = self._scale_inputs(rows, weight)
        self.loss_ = self.loss
        chosen = ""
        if self.loss == "auto":
            settings, chosen = self._with_likeliest(settings, x, targets[:, 0], weight, exposure)
        if exposure is not None:
            settings = replace(settings, family=Exposed(settings.family))
        # Targets of mean 0 and variance 1, but for those of a logarithmic link.
        self.target_scaling_ = AffineScaling.standard(targets, weight)
        if settings.family.log_link:  # an exponential has the unit of the target
            self.target_scaling_ = AffineScaling(np.zeros(1), np.ones(1))
        shift = self.target_scaling_.shift
        scale = self.target_scaling_.scale
        y = self.target_scaling_.transform(targets)
        samples = Samples(x, y, weight, float(shift[0] / scale[0]), float(scale[0]), blocks=block, exposure=exposure)
        # The search, and how its network gives predictions.
        settings = self._with_knowledge(replace(settings, outputs=outputs), self._network_bounds(settings.family))
        result = self._train(samples, settings)
        if chosen:
            result = replace(result, search=replace(result.search, sentences=(chosen, *result.search.sentences)))
            self.search_ = result.search
        self._set_output(result, self.target_scaling_)
        if outputs > 1 or settings.survey is not None:
            return
        # A short law as a part of the network: looked for at once, or by the caller.
        samples = replace(samples, groups=self.encoder_.indicator_groups)
        scalings = (self.input_scaling_, AffineScaling(shift, scale))
        fit = RegressionFit(result, samples, rows, targets[:, 0], *scalings, settings)
        if settings.hand_on is not None:
            settings.hand_on(fit)
        if settings.effort == "high":
            # The door to searches for formulas, which other fits do not load.
            from edgewise.estimator.law import usual_search

            search_law = usual_search(self, fit)
            if search_law is not None:
                self._look_for_law(fit, search_law)

    def _check_exposure(self, settings: SearchSettings) -> None:
        """Raise InputError unless the loss, which an exposure needs, has an exponential and the rows are in memory."""
        if settings.survey is not None:
            raise InputError("exposure must be left out for a table in batches, got one")
        if self.loss != "auto" and (not settings.family.log_link or settings.family.is_normal):
            raise InputError(
                "exposure needs a loss for counts or positive targets that predicts through an exponential, such as "
                f"'poisson', got {self.loss!r}"
            )

    def _with_likeliest(
        self,
        settings: SearchSettings,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        exposure: np.ndarray | None,
    ) -> tuple[SearchSettings, str]:
        """Return the settings with the family of the highest likelihood, and a sentence; set `loss_`."""
        from edgewise.gam.family_choice import likeliest  # imported late: few fits ask for it

        if settings.survey is not None:
            raise InputError("loss must be named for a table in batches, got 'auto'")
        self.loss_ = settings.family.name
        if settings.is_fixed:
            return settings, "The loss is 'squared', which a network of a given shape has."
        # Additive models with pairs, of each family that the targets allow, compared by AIC.
        family, scores = likeliest(x, y, weight, settings.policy.additive, exposure)
        self.loss_ = family.name
        chosen = f"The loss is '{family.name}' ({family.distribution} distribution, {family.link_name} link)"
        if not scores and exposure is not None:
            return replace(settings, family=family), f"{chosen}, as the targets have an exposure."
        if not scores:
            return settings, "The loss is 'squared': the targets are neither counts nor all of one sign."
        ranked = sorted(scores, key=scores.__getitem__)
        excess = [f"{number_text(scores[name] - scores[ranked[0]], 3)} more for '{name}'" for name in ranked[1:]]
        sentence = f"{chosen}, which has the least AIC of additive models with pairs: {', '.join(excess)}."
        return replace(settings, family=family), sentence

    def _look_for_law(self, fit: RegressionFit, search_law: LawSearch) -> None:
        """Look for a short law, and make it a part of the network where rows that its search has not seen ask for it.

        `fit` is the fit of this estimator.
        """
        from edgewise.estimator.law import fit_with_law  # the door to formulas, as in `_fit`

        found = fit_with_law(fit, search_law)
        if found is not None:
            self._keep(found.result, fit.samples, fit.settings)
            self._set_output(found.result, fit.target_scaling)
            self._set_equations([found.front], ())

    def _set_output(self, result: AutoResult, scaling: AffineScaling) -> None:
        """Set how the output of the network becomes a prediction, and its uncertainty; `scaling` is the targets'."""
        self.error_bars_ = result.error_bars
        self.residual_intervals_ = result.intervals
        self.error_bars_message_ = result.message
        self.link_ = "identity"
        self.target_scaling_ = scaling
        self._exponent = None
        if result.exponent is not None:
            # A logarithmic link: the unit of the target becomes a shift of the logarithm.
            unit = np.log(scaling.scale)
            low, high = result.exponent
            self.link_ = "log"
            self.target_scaling_ = AffineScaling(unit, np.ones(1))
            self._exponent = (low + float(unit[0]), high + float(unit[0]))

    @property
    def _task(self) -> Numbers:
        """What is predicted: numbers in their units."""
        return Numbers(
            self.target_names_,
            scaling=self.target_scaling_,
            exponent=self._exponent,
            bars=self.error_bars_,
            intervals=self.residual_intervals_,
            bars_message=self.error_bars_message_,
            family=family_of(self.loss_),
            exposure=self._exposure_name,
        )

    def _network_bounds(self, family: Family) -> Bounds | None:
        """Return the bounds on the scale of the network's output. Raises InputError."""
        if self.bounds is None:
            return None
        # The bounds through the link and the scaling of the targets.
        low, high = checked_bounds(self.bounds)
        if not family.holds_bounds or len(self.target_scaling_.shift) > 1:
            raise InputError(
                "bounds need one target and a loss other than 'log', 'absolute' and 'quantile', "
                f"got {len(self.target_scaling_.shift)} targets and {self.loss!r}"
            )
        if family.log_link:  # the prediction is an exponential
            if high is not None and high <= 0:
                raise InputError(f"bounds must have a positive end for the loss {self.loss!r}, got {self.bounds!r}")
            return (math.log(low) if low is not None and low > 0 else None), (None if high is None else math.log(high))
        shift = float(self.target_scaling_.shift[0])
        scale = float(self.target_scaling_.scale[0])
        return None if low is None else (low - shift) / scale, None if high is None else (high - shift) / scale

    @overload
    def predict(self, X: Rows, return_std: Literal[False] = False) -> np.ndarray: ...
    @overload
    def predict(self, X: Rows, return_std: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...
    @typed
    def predict(self, X: Rows, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict the targets.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        return_std : bool, default=False
            Also return the standard deviation of a new y around each prediction, noise included; see `ErrorBars`.

        Returns
        -------
        y : ndarray of shape (N,), or (N, out) if y had two dimensions
        std : ndarray of the same shape
            Only with `return_std`, in the unit of y like it.

        Raises
        ------
        InputError
            X lacks a column of the fit or holds what is no number; or a std is asked of a model without error bars, for
            the reason in `error_bars_message_`.
        """
        codes = self._warned_codes(X)
        y = self._exposures(X) * self._predicted(codes)
        if not return_std:
            return self._like_y(y)
        with np.errstate(over="ignore"):
            std = self._deviation(codes) * (self.target_scaling_.scale if self._exponent is None else y)
        return self._like_y(y), self._like_y(std)

    def score(self, X: Rows, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of explained variation R², the mean over several targets.

        It warns of no rows outside the training range but those with a number a million times as far off.

        Parameters
        ----------
        X, y, sample_weight : array-like of shape (N, d), (N,) or (N, out), and (N,)

        Returns
        -------
        float
        """
        predicted = self._like_y(self._exposures(X) * self._predicted(self._judged_codes(X)))
        observed = self._task.targets(y)
        if not observed.ndim:
            raise InputError(f"y must hold a target of each row, got {y!r:.60}")
        return explained(observed, predicted, row_weights(sample_weight, len(predicted)))

    def predict_interval(self, X: Rows, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Predict intervals that contain a share `level` of new targets, calibrated on held-out rows.

        Their width is that of `ErrorBars` for squared errors; for other losses, constants and networks of very many
        parameters the ends are quantiles of the residuals of held-out rows, see `ResidualIntervals`.

        Beyond the training range they widen; no data show whether that is enough. `predict_band` is for the mean.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        level : float, default=0.9
            Share in (0, 1).

        Returns
        -------
        low, high : ndarray
            Each in the shape and the unit of `predict`.

        Raises
        ------
        InputError
            X is not as for `predict`, the level is no number in (0, 1), or too few rows were held out.
        """
        codes = self._warned_codes(X)
        if self.error_bars_ is None and self.residual_intervals_ is not None:
            return self._interval_of_residuals(codes, self._exposures(X), self.residual_intervals_, level)
        bars = self._error_bars()

        def width(rows: np.ndarray) -> np.ndarray:
            x = self._to_network(rows)
            unclipped = self._to_network(rows, clipped=False)
            return bars.half_width(self.model_, x, level, unclipped=unclipped).numpy()

        width(self.encoder_.inputs_of(codes[:1]))  # checks the level
        # In standard deviations, so that the spread over unknown cells can be added.
        normal = NormalDist().inv_cdf((1 + level) / 2)
        deviation = self._with_spread(
            codes, lambda rows, _: width(rows) / normal, lambda rows, _: self._network_output(rows)
        )
        return self._interval(codes, normal * deviation)

    def predict_band(self, X: Rows, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Predict a pointwise confidence band for the mean of y, without noise.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
        level : float, default=0.9
            Share of X, on average over fits, for which the function lies within the band.

        Returns
        -------
        low, high : ndarray
            Each in the shape and the unit of `predict`.

        Raises
        ------
        InputError
            As of `predict_interval`.
        """
        if not is_number(level) or not 0 < level < 1:
            raise InputError(f"level must be a number in (0, 1), got {level!r}")
        codes = self._warned_codes(X)
        return self._interval(codes, NormalDist().inv_cdf((1 + level) / 2) * self._deviation(codes, noise=False))

    def fit_equations(
        self,
        X: Rows,
        y: ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        time_limit: float | None = None,
        options: FormulaOptions | None = None,
    ) -> Self:
        """Search for formulas and keep them as `equations_`; the network and its predictions do not change.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            At least 20 rows, three tenths of which judge the formulas.
        y : array-like of shape (N,) or (N, outputs), optional
            Targets of the formulas; if left out, the predictions of this model.
        names : sequence of str, optional
            Names of the inputs; if left out, those the estimator was fitted with, else x1, x2, ...
        time_limit : float, optional
            Seconds, about; without a limit, work of about a minute is planned.
        options : FormulaOptions, optional
            What the law may be made of, its known structure, and weights of the rows, as in `find_formula`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            There are fewer than 20 rows, a target is no finite number, or an argument is invalid.
        """
        # The door to the search for formulas, which a fit does not load.
        from edgewise.estimator.equations import fronts_of_outputs

        check_is_fitted(self)
        if time_limit is not None:
            check_number(time_limit, "time_limit", positive=True, of=" of seconds")
        rows = self._inputs(X)
        target = self._predicted(self._codes(X)) if y is None else y
        if y is not None and self.exposure is not None:
            target = self._task.targets(y) / self._exposures(X)[:, 0]  # formulas are those of the rate
        fronts = fronts_of_outputs(self, rows, target, self._network_names(names), time_limit, options)
        self._set_equations(fronts, range(len(fronts)))
        return self

    def predict_equation(self, X: Rows) -> np.ndarray:
        """Predict by the best formulas, which `fit_equations` finds, instead of the network.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            Rows as `fit` took them.

        Returns
        -------
        y : ndarray of shape (N,), or (N, outputs) for a model of several numbers
            NaN or infinite where a formula is undefined.
        """
        check_is_fitted(self)
        return self._equation_values(self.equations_, X) * self._exposures(X)[:, 0]

    def _covered(self, X: Rows, y: np.ndarray, level: float) -> float | None:
        if y.ndim > 1 or level > self._highest_level:
            return None
        low, high = self.predict_interval(X, level)
        return float(((low <= y) & (y <= high)).mean())

    @property
    def _highest_level(self) -> float:
        """The highest level of intervals for which the held-out rows are enough; 0 where there are no intervals."""
        if self.error_bars_ is not None:
            return self.error_bars_.sizes.most
        if self.residual_intervals_ is not None:
            return self.residual_intervals_.most
        return 0.0

    def _network_targets(self) -> ArrayFunction:
        return self.target_scaling_.transform

    def _fronts(self) -> dict[str, Front]:
        fronts = vars(self).get("equations_", {})
        if isinstance(fronts, dict):
            names = self._names_of_outputs(len(fronts))
            return {names[k]: front for k, front in fronts.items()}
        return {self._task.target: fronts}

    def _names_of_outputs(self, count: int) -> list[str]:
        """Names of several numbers, y1, y2, ... where they have none."""
        return [str(name) for name in self._task.outputs or numbered("y", count)]

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        return self._in_units(self._network_output(X))

    def _in_units(self, output: np.ndarray) -> np.ndarray:
        """Outputs of the network (N, out) in the units of y; an exponential stays within the range of the fit."""
        with np.errstate(over="ignore"):  # targets near the largest float64 become infinite
            y = self.target_scaling_.inverse(output)
            if self._exponent is None:
                return y
            return np.exp(np.clip(y, *self._exponent))

    def _interval(self, codes: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = self._averaged(codes, self._network_output)
        if self._exponent is not None:
            output = np.clip(output, *((end - self.target_scaling_.shift[0]) for end in self._exponent))
        with np.errstate(over="ignore"):
            low, high = (self.target_scaling_.inverse(end) for end in (output - half, output + half))
            if self._exponent is not None:
                low = np.exp(low)
                high = np.exp(high)
        return self._like_y(low), self._like_y(high)

    def _interval_of_residuals(
        self, codes: np.ndarray, exposure: np.ndarray, intervals: ResidualIntervals, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends of intervals from the residuals of held-out rows with exposures (N, 1), in the units of y."""
        # Residuals are those of the target itself where it has a logarithmic link and no normal logarithm.
        family = self._task.family
        of_target = self._exponent is not None and not family.is_normal
        of_unit = self._outputs if of_target else self._network_output
        exposure = np.broadcast_to(exposure, (len(codes), 1))
        below, above = (end.numpy() for end in intervals.quantiles(level))

        def values(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
            return exposure[places] * of_unit(rows)

        def deviation(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
            x = self._to_network(rows)
            inside = values(rows, places)
            size = intervals.deviation(x, torch.from_numpy(inside)).numpy()
            # Beyond the limits the prediction is constant and the splines go on: their distance is not known better.
            unclipped = self._to_network(rows, clipped=False)
            beyond = (unclipped != x).any(1).numpy()
            if beyond.any():
                with np.errstate(over="ignore"):
                    far = predict_in_batches(self.model_, unclipped[beyond]).numpy()
                    far = exposure[places[beyond]] * self._in_units(far) if of_target else far
                size = size.copy()
                size[beyond] = np.hypot(size[beyond], far - inside[beyond])
            return size

        # Quantiles of the scaled residuals on both sides of the prediction, back in the units of y.
        size = self._with_spread(codes, deviation, values)
        middle = exposure * self._averaged(codes, of_unit)
        with np.errstate(over="ignore"):
            low = middle - below * size
            high = middle + above * size
            if of_target:
                low = np.maximum(low, 0.0)
            else:
                low = self.target_scaling_.inverse(low)
                high = self.target_scaling_.inverse(high)
                if self._exponent is not None:
                    low = np.exp(low)
                    high = np.exp(high)
        return self._like_y(low), self._like_y(high)

    def _error_bars(self) -> ErrorBars:
        check_is_fitted(self)
        if self.error_bars_ is None:
            raise InputError(self.error_bars_message_)
        return self.error_bars_

    def _deviation(self, codes: np.ndarray, noise: bool = True) -> np.ndarray:
        bars = self._error_bars()

        def deviation(rows: np.ndarray, _: np.ndarray) -> np.ndarray:
            x = self._to_network(rows)
            unclipped = self._to_network(rows, clipped=False)
            return bars.std(self.model_, x, noise=noise, unclipped=unclipped).numpy()

        return self._with_spread(codes, deviation, lambda rows, _: self._network_output(rows))

    def _with_spread(self, codes: np.ndarray, deviation: PlacedFunction, values: PlacedFunction) -> np.ndarray:
        """Return deviations of values (N, out); where cells are unknown, with the spread over their possible values.

        The variance is the mean of the variances plus the variance of the means, over the background.
        """
        # The law of total variance over the rows of the background, where cells are unknown.
        result = deviation(self.encoder_.inputs_of(codes), np.arange(len(codes)))
        for rows, several in self._completions(codes):
            inputs = self.encoder_.inputs_of(several)
            shape = (len(rows), len(self.background_), -1)
            places = np.repeat(rows, len(self.background_))
            means = values(inputs, places).reshape(shape)
            own = deviation(inputs, places).reshape(shape)
            result[rows] = np.sqrt((own**2).mean(axis=1) + means.var(axis=1))
        return result

    def _like_y(self, y: np.ndarray) -> np.ndarray:
        return y[:, 0] if self._single else y
