"""Common part of the estimators: parameters, scaling, training, explanations and export."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch.utils.data import DataLoader

from edgewise.checks import KnownKeywords, is_integer, is_one_of, is_real, is_sequence, typed
from edgewise.errors import InputError
from edgewise.estimator.columns.constraints import Bounds, column_constraints, given_knowledge, knowledge_sentence
from edgewise.estimator.columns.reading import ArrayFunction, Rows
from edgewise.estimator.display import EstimatorDisplay
from edgewise.estimator.explaining import FARTHEST_INPUT
from edgewise.listeners import reported
from edgewise.outcomes import ProgressCallback
from edgewise.presentation import counted
from edgewise.scaling import AffineScaling
from edgewise.search.automatic import AutoResult, auto_fit
from edgewise.search.candidates import Samples
from edgewise.search.inference import term_tests
from edgewise.search.jobs import count_of_jobs
from edgewise.search.policy import EFFORTS, Effort, SearchSettings
from edgewise.search.records import SearchReport
from edgewise.tables.table import InBatches
from edgewise.train.loop.reports import FitReport
from edgewise.train.loop.threads import one_thread

if TYPE_CHECKING:
    from edgewise.formulas.front import Front
    from edgewise.gam.families.base import Family
    from edgewise.tables.batches import Batches

# Scaled inputs of networks whose shape is given, which lie in [-1, 1] for typical rows, are clipped here: a row a
# thousand widths away would outweigh all others, in training and in held-out losses. Nearer limits cut off real tails:
# with y linear in log-normal inputs, 2 gave R2 0.87 where 8 and a linear model give 0.98; with one input of 1e3 among
# 400 normal ones R2 was 0.9997 with 2 and 0.996 with 8.
CLIP = 8.0

Kind = TypeVar("Kind", bound=type)
# What the docstrings of the estimators share: parameters, by their names, and attributes.
PARAMETERS = {
    "hidden": """\
    hidden : "auto", int or tuple of int, default="auto"
        Nodes of the hidden layers of a network of that shape, as 5 or (5, 3); () for a sum of curves alone.""",
    "grid_size": """\
    grid_size : "auto" or int, default="auto"
        Knot intervals of every edge, for a network of a given shape.""",
    "regularization": """\
    regularization : "auto" or float, default="auto"
        Strength of smoothness and shrinkage, for inputs and targets of order 1.""",
    "effort": """\
    effort : {"low", "normal", "high"}, default="normal"
        "low" fits curves of the inputs alone; "normal" adds pairs of inputs, means of models and hidden nodes, each
        where held-out rows ask for it; "high" does so with more folds, nodes and starts.""",
    "loss": """\
    loss : str, default="squared"
        "squared" (with a logarithmic link for skewed positive targets, if held-out rows say so), "log", "absolute",
        "huber", "quantile:0.9", "poisson", "negative_binomial", "gamma" or "tweedie"; the latter four predict through
        an exponential. "auto" takes of those for counts or positive targets the one with the highest likelihood.""",
    "exposure": """\
    exposure : str or int, optional
        Column of X, by name or number, with the size of what each target counts: time, persons or area. The target is
        in proportion to it: the network is the logarithm of the rate per unit, explanations are about the rate, and
        predictions of a row are for its own exposure. The loss is one that predicts through an exponential.""",
    "time_limit": """\
    time_limit : float, optional
        Seconds. The search ends so early that the final fit ends about there, with the best model so far.""",
    "n_jobs": """\
    n_jobs : int, optional
        Threads for folds and models; -1 for all processors. The model does not depend on it.""",
    "random_state": """\
    random_state : int, Generator, RandomState or None, default=0
        Source of the seed of folds and initial weights; None draws a new one for each fit.""",
    "verbose": """\
    verbose : bool or int, default=False
        Whether to show a line with the stage and the time. Stages are also logged under the name "edgewise".""",
    "monotone": """\
    monotone : dict from column to 1 or -1, optional
        Columns, by name or number, with which the prediction never falls (1) or never rises (-1); of two classes, the
        probability of the second; of times, the risk. This and the following hold exactly, in every candidate and fold.
        Such columns, and those of `shape` and `linear`, take no part in pairs, and hidden nodes are not tried.""",
    "shape": """\
    shape : dict from column to "convex" or "concave", optional
        Columns in which the prediction is convex or concave, within `input_limits_`. Where it is no sum of curves
        itself, the sum is: the logarithm for losses that predict through an exponential, the log odds of the second of
        two classes, the log hazard of times.""",
    "linear": """\
    linear : sequence of columns, optional
        Columns along which the prediction, or that sum, is a straight line; of several classes, the logit of each.""",
    "interactions": """\
    interactions : sequence of pairs of columns, optional
        The only pairs that may act together, where held-out rows ask for it; () for none.""",
    "bounds": """\
    bounds : (low, high), optional
        Smallest and largest prediction, or probability of the second of two classes; None for an end that is free. They
        hold for all combinations of values, met or not, and for targets that change a lot this costs accuracy.""",
}
ATTRIBUTES = """\
    model_ : KAN
        Network in float64, from scaled inputs to scaled targets, to logits of classes, or to the risk score.
    input_scaling_ : AffineScaling
        Map from the units of X to those of the network.
    input_limits_ : ndarray of shape (d, 2)
        Interval to which each scaled input is clipped, so that predictions stay sane beyond the data.
    encoder_ : InputEncoder
        Rules from the columns of X to inputs of the network; `encoder_.notes` has a sentence on each decision.
    background_ : ndarray of shape (64, columns)
        Made-up rows, in the codes of `encoder_`, in which each column has its distribution in training; none is a
        training row. Predictions average over them where a value is unknown, and explanations compare with them.
    inference_ : AdditiveSummary or None
        Effective degrees of freedom and tests of the terms, as R's mgcv has them, of a model without hidden nodes and
        with a likelihood and one target.
    target_names_ : tuple of str
        Name of y if it is a Series or a frame.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Share of each column in what moves the predictions.
    parameter_count_ : int
        Numbers that the network stores. Far fewer are free: summaries state the coefficients that were estimated and
        are not zero, as `search_` does, and the effective degrees of freedom.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As in scikit-learn."""
SEARCH_ATTRIBUTES = """\
    search_ : SearchReport
        The candidates that were tried and the reasons for the choice.
    report_ : FitReport
        Report of the last fit of the network.
    n_iter_ : int
        Steps of that fit.
    equations_ : Front or dict
        Formulas, after `fit_equations`; of several targets by their place, of several classes by the class."""


def with_shared_text(estimator: Kind) -> Kind:
    """Write what the estimators share into the docstring of one: `<parameters>` stands for those of its `__init__`."""
    own = "\n".join(PARAMETERS[name] for name in signature(estimator).parameters if name in PARAMETERS)
    text = estimator.__doc__ or ""
    # Each mark of the docstring is replaced by the text it stands for.
    texts = {"parameters": own, "attributes": ATTRIBUTES, "attributes of a search": SEARCH_ATTRIBUTES}
    for name, shared in texts.items():
        text = text.replace(f"    <{name}>", shared)
    estimator.__doc__ = text
    return estimator


@contextmanager
def unchanged_on_failure(estimator: object) -> Iterator[None]:
    """Give an estimator its former attributes back if anything is raised inside, Ctrl-C included."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class KANEstimator(EstimatorDisplay, KnownKeywords):
    """Base class of `KANRegressor` and `KANClassifier`, where the parameters and attributes are described."""

    report_: FitReport
    search_: SearchReport
    input_scaling_: AffineScaling
    n_iter_: int

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
    ):
        self.hidden = hidden
        self.grid_size = grid_size
        self.regularization = regularization
        self.effort = effort
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.monotone = monotone
        self.shape = shape
        self.linear = linear
        self.interactions = interactions
        self.bounds = bounds

    @property
    def _record(self) -> tuple[SearchReport, FitReport] | None:
        """The records of the search and of the last training."""
        return self.search_, self.report_

    def _network_targets(self) -> ArrayFunction:
        """Return the function from targets to those of the network, for a table in batches."""
        raise NotImplementedError

    # Training

    def fit(
        self,
        X: Rows | Batches,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Choose and train a network.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            Numbers, text, categories, booleans and dates, with missing values; a frame of pandas, polars or pyarrow,
            or an array. A table larger than memory is given as `edgewise.tables.batches.Batches`, or a torch
            DataLoader, alone.
        y : array-like of shape (N,) or (N, out), or pair of array-likes
            Finite targets, or labels (N,) of at least two classes. For `KANSurvival` the pair (event, time), or a
            structured array with these fields; the event is False where the row was censored.
        sample_weight : array-like of shape (N,), optional
            Nonnegative weights. A whole number n is the same as n copies of the row; copies are further evidence on
            the noise only where rows of equal inputs have different targets. What is lost beside the largest weight in
            a sum of float64 counts as 0.
        groups : array-like of shape (N,), optional
            Labels of groups of rows that depend on each other, such as a person or a place: no group is divided where
            candidates are compared and intervals calibrated.

        Returns
        -------
        self

        Raises
        ------
        InputError, ValueError
            A parameter of the estimator, a weight, X or y is invalid.
        """
        return self._fit_with(X, y, sample_weight, groups)

    @torch.inference_mode(False)
    def _fit_with(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        progress: ProgressCallback | None = None,
        keep_interrupted: bool = False,
        hand_on: Callable[[Any], None] | None = None,
    ) -> Self:
        """Fit to a table in memory or in batches; a failure leaves the estimator as it was.

        The command line is given the progress, keeps the best model so far after Ctrl-C, and is handed what a later
        search for a law as a part of the network needs (`SearchSettings.hand_on`).
        """
        settings = replace(
            self._checked_settings(), progress=progress, keep_interrupted=keep_interrupted, hand_on=hand_on
        )
        with unchanged_on_failure(self):
            if isinstance(X, InBatches | DataLoader):
                # The door to tables in batches, their files and several processes, for a fit that has them.
                from edgewise.estimator.columns.batches import fit_in_batches

                fit_in_batches(self, X, settings, {"y": y, "sample_weight": sample_weight, "groups": groups})
            else:
                self._fit(settings, X, y, sample_weight, groups)
        return self

    def _fit(self, settings: SearchSettings, X: Any, y: Any, sample_weight: Any, groups: Any) -> None:
        """Fit to rows in memory; a failure may leave attributes of both fits."""
        raise NotImplementedError

    @property
    def _family(self) -> Family:
        """The family of the loss; of classes, that of two."""
        raise NotImplementedError

    def _checked_settings(self) -> SearchSettings:
        """Check the parameters; return them as settings of the search, whose outputs the caller fills in."""
        # What the user has fixed of the model.
        hidden: tuple[int, ...] | None = None
        if not _is_auto(self.hidden):
            if is_sequence(self.hidden):
                nodes = self.hidden
            else:
                nodes = (self.hidden,)
            if not all(is_integer(count) and count > 0 for count in nodes):
                raise InputError(f"hidden must be 'auto' or positive integers as 5 or (5, 3), got {self.hidden!r}")
            hidden = tuple(int(count) for count in nodes)
        if not (_is_auto(self.grid_size) or (is_integer(self.grid_size) and self.grid_size > 0)):
            raise InputError(f"grid_size must be 'auto' or a positive integer, got {self.grid_size!r}")
        strength = self.regularization
        if not (_is_auto(strength) or (is_real(strength) and 0 <= strength < np.inf)):
            raise InputError(f"regularization must be 'auto' or a number of at least 0, got {strength!r}")
        # Work, time and display.
        limit = self.time_limit
        if limit is not None and not (is_real(limit) and 0 < limit < np.inf):
            raise InputError(f"time_limit must be a positive number, got {limit!r}")
        if not is_one_of(self.effort, EFFORTS):
            raise InputError(f"effort must be one of {', '.join(EFFORTS)}, got {self.effort!r}")
        if not isinstance(self.verbose, bool | np.bool_ | int | np.integer):
            raise InputError(f"verbose must be True, False or an integer, got {self.verbose!r}")
        settings = SearchSettings(
            family=self._family,
            outputs=1,
            hidden=hidden,
            grid_size=None if _is_auto(self.grid_size) else int(self.grid_size),
            strength=None if _is_auto(strength) else float(strength),
            effort=self.effort,
            jobs=count_of_jobs(self.n_jobs),
            time_limit=None if limit is None else float(limit),
            began=time.monotonic(),
            seed=seed_of(self.random_state),
        )
        # Knowledge needs a model that is chosen.
        known = next(iter(given_knowledge(self)), None)
        if known is not None and settings.is_fixed:
            raise InputError(
                f"{known} needs a model that is chosen: hidden must be 'auto' or (), and grid_size and regularization "
                f"'auto', got hidden={self.hidden!r}, grid_size={self.grid_size!r} and "
                f"regularization={self.regularization!r}"
            )
        return settings

    def _with_knowledge(self, settings: SearchSettings, bounds: Bounds | None) -> SearchSettings:
        """Return the settings with the constraints that the parameters state, once `encoder_` is known.

        `bounds` are on the scale of the network's output.
        """
        return replace(settings, constraints=column_constraints(self.encoder_, given_knowledge(self), bounds))

    def _scale_inputs(self, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Fit the scaling of the inputs and apply it."""
        self.input_scaling_ = AffineScaling.fit(X, weight)
        with np.errstate(over="ignore"):  # values that overflow are clipped
            return np.clip(self.input_scaling_.transform(X), -FARTHEST_INPUT, FARTHEST_INPUT)

    def _train(self, samples: Samples, settings: SearchSettings) -> AutoResult:
        """Search and train; small tables take one thread of torch, see `edgewise.train.loop.threads`."""
        # Measured on two cores that other programs used too: at 442 rows of 10 columns two threads that wait actively
        # took six times the CPU seconds of one, at 450,000 rows of 9 columns 1.7 times the CPU seconds and 1.5 times
        # the wall time, since a search makes many short steps.
        is_small = samples.x.size <= 10**7
        with reported(settings.progress, type(self).__name__, verbose=self.verbose) as report, one_thread(is_small):
            return self._trained(samples, settings, report)

    def _trained(self, samples: Samples, settings: SearchSettings, report: ProgressCallback | None) -> AutoResult:
        samples = replace(samples, groups=self.encoder_.indicator_groups)
        if settings.is_fixed:
            samples = replace(samples, x=np.clip(samples.x, -CLIP, CLIP))
        # The search, on a sample where the table is in batches.
        everything = None
        if settings.survey is not None:
            everything = settings.survey.all_rows(self, settings, samples.total)
        result = auto_fit(samples, settings, report, everything)
        # Sentences on what the model has seen, and on what was known.
        sentences = list(result.search.sentences)
        if everything is not None and result.fitted is None and not settings.is_fixed:
            sentences.append(
                f"The model is that of a sample of {len(samples):,} of {counted(everything.count, 'row')}."
            )
        sentence = knowledge_sentence(self.encoder_, given_knowledge(self))
        if sentence:
            sentences.insert(0, sentence)
        result = replace(result, search=replace(result.search, sentences=tuple(sentences)))
        self._keep(result, samples, settings)
        return result

    def _keep(self, result: AutoResult, samples: Samples, settings: SearchSettings) -> None:
        """Set what a search has found as what the estimator has learned."""
        self.search_ = result.search
        self.__dict__.pop("equations_", None)  # they belong to an earlier fit
        self.model_ = result.model
        self.report_ = result.report
        if result.limits is None:
            self.input_limits_ = np.tile([-CLIP, CLIP], (samples.x.shape[1], 1))
        else:
            self.input_limits_ = result.limits
        self._output_limits = result.output_limits
        self.n_iter_ = max(result.report.steps, 1)
        self.inference_ = None
        if result.fitted is not None and result.fitted_rows is not None:
            names = self.encoder_.feature_names
            self.inference_ = term_tests(result.fitted, result.fitted_rows, names, self.input_scaling_.scale)

    # Export

    def _set_equations(self, fronts: Sequence[Front], keys: Iterable[Any]) -> None:
        """Keep one front, or those of several outputs by their keys; their formulas take what the fit took."""
        reading = []
        for front in fronts:
            # Formulas of a table read frames by the rules of the encoder.
            entries = [replace(entry, formula=replace(entry.formula, rows_of=self._inputs)) for entry in front.entries]
            reading.append(replace(front, entries=tuple(entries)))
        self.equations_ = reading[0] if len(reading) == 1 else dict(zip(keys, reading, strict=True))

    def _equation_values(self, fronts: Front | Mapping[Any, Front], X: Rows) -> np.ndarray:
        """Return the values (N,) of the best formula, or those of each front in columns, (N, fronts)."""
        rows = self._inputs(X)
        values = [front.best.formula(rows) for front in fronts_of(fronts)]
        if len(values) == 1:
            return values[0]
        return np.column_stack(values)

    @typed
    def export(
        self, path: str | os.PathLike[str], *, names: Sequence[str] | None = None, outputs: Sequence[str] | None = None
    ) -> None:
        """Write the model, scaling included, as a file that needs no Edgewise; see `edgewise.export`.

        Parameters
        ----------
        path : path-like
            Ends in .py (needs NumPy only), .c (C99), .onnx, or .pt2 (for `torch.export.load`).
        names, outputs : sequence of str, optional
            Names of inputs and outputs for a comment in .py and .c; if left out, those of the fit.

        Raises
        ------
        InputError, FileError, MissingExtraError
            The path has another ending, cannot be written, or a package for .onnx is not installed.
        """
        # The door to the formats, which a fit does not load.
        from edgewise.estimator.exporting import write_program

        check_is_fitted(self)
        write_program(self, path, names=names, outputs=outputs)


def fronts_of(found: Front | Mapping[Any, Front] | None) -> list[Front]:
    """The front of formulas of each output, from `equations_`; none where formulas were not asked for."""
    match found:
        case None:
            return []
        case Mapping():
            return list(found.values())
    return [found]


def _is_auto(value: object) -> bool:
    return isinstance(value, str) and value == "auto"


def seed_of(random_state: object) -> int:
    """Return a seed from a `random_state` of scikit-learn; None draws one without using numpy's global generator."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31 - 1))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if not (is_integer(random_state) and 0 <= random_state < 2**32):
        raise InputError(
            f"random_state must be None, an integer from 0 to 2**32 - 1 or a generator, got {random_state!r}"
        )
    return int(random_state)
