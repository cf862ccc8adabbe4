"""Steps of `edgewise fit` after the table is prepared: train the KAN, compare other models, search for a formula."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.formulas import FormulaList
from edgewise.cli.shared.model import interval_of_rows, predict_rows
from edgewise.cli.shared.preparation import FitJob, PreparedTable, collect_warnings
from edgewise.cli.shared.resume import each_once
from edgewise.cli.terminal.interrupts import finish
from edgewise.compare.baselines import LEARNERS, BaselineResult, iterate_baselines
from edgewise.discovery.finder import planned_budget
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.equations import FEWEST, table_front, table_search
from edgewise.estimator.law import SETTINGS
from edgewise.estimator.regressor import RegressionFit
from edgewise.estimator.storage import load_estimator
from edgewise.files.folders import MODEL_FILE
from edgewise.files.journal import Journal, Part
from edgewise.files.whole import read_bytes
from edgewise.formulas.front import Front
from edgewise.gam.families.named import Loss
from edgewise.metrics import MEASURED, measures, score
from edgewise.outcomes import ProgressCallback, StopReason
from edgewise.presentation import number_text, r2_text, seconds_text
from edgewise.report.wording import HEADLINE_SYMBOLS

COMPARED = {"quick": tuple(LEARNERS), "none": ()}  # the models of --compare

FORMULA_SECONDS = 20.0  # for which a core works where --formulas sets no limit


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """The KAN with its predictions of the test rows."""

    estimator: KANRegressor | KANClassifier  # the fitted estimator
    prediction: np.ndarray  # (N_test,), predicted numbers or labels
    probabilities: np.ndarray | None  # (N_test, C), probabilities in the order of the classes; None for regression
    metrics: dict[str, float]  # measures on the test rows, R² or the accuracy first
    error: float  # standard error of the first measure
    seconds: float  # wall time of the training
    notes: tuple[str, ...]  # warnings of the training
    # share of the test rows within their 90 % intervals; None for a model without intervals
    coverage: float | None
    interval: tuple[np.ndarray, np.ndarray] | None  # (N_test,), ends of these intervals
    ended: bool  # whether Ctrl-C met the scoring after the training, so that nothing else is begun
    # from which a search for a law goes on; None for classes, for a table in batches, and for a model from a file
    fit: RegressionFit | None = None

    @property
    def score(self) -> float:
        """R² or accuracy on the test rows."""
        return next(iter(self.metrics.values()))

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended the training early."""
        return StopReason.INTERRUPTED in (self.estimator.report_.stopped, self.estimator.search_.stopped)


def train_model(
    job: FitJob,
    prepared: PreparedTable,
    progress: ProgressCallback | None = None,
    journal: Journal | None = None,
) -> TrainedModel:
    """Fit the KAN to the training rows and score it on the test rows.

    Ctrl-C keeps the best model so far; before there is one, KeyboardInterrupt is raised. Passes over a table in batches
    whose results are in the journal are not made again.
    """
    # The estimator of the kind of target, with the options of the command line.
    options: dict[str, Any] = {"effort": job.effort, "time_limit": job.time_limit, "random_state": job.seed}
    estimator: KANRegressor | KANClassifier
    if prepared.labels:
        estimator = KANClassifier(**options)
    else:
        estimator = KANRegressor(**options, loss=cast(Loss, job.loss), exposure=job.exposure)
    fits: list[RegressionFit] = []
    start = time.perf_counter()
    with collect_warnings() as notes:
        # Rows of one group stay together where the search holds rows out; a single group would leave none to hold out.
        groups = None
        if prepared.groups is not None:
            groups = prepared.groups[prepared.train]
        if groups is not None and (groups == groups[0]).all():
            groups = None  # the other one is for the test
        # The fit: over batches of a table larger than memory, or over the training rows at once.
        if (batches := prepared.batches(journal)) is not None:
            estimator._fit_with(batches, progress=progress, keep_interrupted=True)
        else:
            X = prepared.frame[prepared.train]
            y = prepared.y[prepared.train]
            estimator._fit_with(X, y, groups=groups, progress=progress, keep_interrupted=True, hand_on=fits.append)
    estimator.target_names_ = (prepared.target,)
    # Notes about columns that the encoder repeats as warnings are said once.
    said = estimator.encoder_.notes
    others = [note for note in notes if not any(sentence in note for sentence in said)]
    trained = scored(prepared, estimator, time.perf_counter() - start, [*said, *others])
    if fits:  # classes and tables in batches hand on none
        trained = replace(trained, fit=fits[0])
    return trained


def scored(
    prepared: PreparedTable, estimator: KANRegressor | KANClassifier, seconds: float, notes: Sequence[str]
) -> TrainedModel:
    """Return a fitted KAN with its predictions of the test rows, whose warnings join the notes of the training."""
    X_test = prepared.frame[prepared.test]
    truth = prepared.y[prepared.test]

    def predicted() -> tuple[np.ndarray, np.ndarray | None, tuple[np.ndarray, np.ndarray] | None]:
        interval = interval_of_rows(estimator, X_test)
        return *predict_rows(estimator, X_test, prepared.labels), interval

    # Ctrl-C repeats this short step instead of ending it: the model is fitted already.
    with collect_warnings() as more:
        (prediction, probabilities, interval), ended = finish(predicted)
    far = estimator.encoder_.far_values(estimator._codes(X_test), X_test.rows)
    # The share of held-out targets inside their intervals, the measure of calibration.
    coverage = None
    if interval is not None:
        coverage = float(np.mean((interval[0] <= truth) & (truth <= interval[1])))
    return TrainedModel(
        estimator,
        prediction,
        probabilities,
        measures(prepared.task, truth, prediction, probabilities, np.array(prepared.labels)),
        score(MEASURED[prepared.task][0], truth, prediction).error,
        seconds,
        tuple(dict.fromkeys([*notes, *more, *far.values()])),
        coverage,
        interval,
        ended,
    )


def compare_models(
    job: FitJob,
    prepared: PreparedTable,
    trained: TrainedModel,
    progress: ProgressCallback | None,
    journal: Journal | None,
) -> Iterator[BaselineResult]:
    """Yield the results of the other models on the same split, from the inputs that the KAN has.

    Results that are in the journal are not computed again.
    """
    train = prepared.train
    test = prepared.test
    estimator = trained.estimator
    # All models see the encoded inputs of the network, so that the comparison is one of models and not of encodings.
    X = estimator._inputs(prepared.frame)
    if estimator.exposure is not None:  # one more input for models that know no exposure
        X = np.column_stack([X, estimator._exposures(prepared.frame)])
    y = prepared.y
    task = prepared.task
    for name in COMPARED[job.compare]:
        rows = X[train], y[train], X[test], y[test]
        found = iterate_baselines(*rows, task=task, seed=job.seed, learners={name: LEARNERS[name]}, progress=progress)
        yield from each_once(journal, name, found)


@dataclass(frozen=True, eq=False)
class FitFormulas:
    """Formulas that were found during a fit."""

    formulas: FormulaList  # the formulas, with the training rows
    score: float  # R² of the chosen one on the test rows; NaN where it is not finite
    seconds: float  # wall time of the search
    is_part: bool  # whether the network has the chosen formula as a part
    is_interrupted: bool  # whether Ctrl-C has ended the search

    @property
    def equation(self) -> str:
        """The chosen formula with four digits, after the target."""
        return f"{self.formulas.front.target} = {self.formulas.best.formula.text(4)}"

    @property
    def headline(self) -> str:
        """The chosen formula with its score, or a sentence if it is too long to be read at a glance."""
        symbols = self.formulas.best.complexity
        score = f"(R² {r2_text(self.score)} on the test rows)"
        if symbols > HEADLINE_SYMBOLS:
            return f"No short formula describes these data; the best has {symbols} symbols {score}, see the report."
        return f"{self.equation}   {score}"

    def sentences(self) -> tuple[str, ...]:
        """Return the chosen formula, then sentences about its accuracy and its domain."""
        formulas = self.formulas
        return (
            self.equation,
            f"On the test rows the R² of this formula is {number_text(self.score)}. {' '.join(formulas.accuracy)}",
            *formulas.domain,
            *formulas.notes,
            f"The search took {seconds_text(self.seconds)}; `edgewise formula` searches longer and "
            f"writes LaTeX or code.",
        )

    def facts(self) -> dict[str, object]:
        """Return the entry of metrics.json."""
        formulas = self.formulas
        return {
            "formula": formulas.best.formula.text(None),
            "rounded": formulas.best.formula.text(4),
            "test_r2": self.score,
            "seconds": round(self.seconds, 3),
            "domain": list(formulas.domain),
            "front": formulas.rows(),
        }


def find_formulas(
    job: FitJob,
    prepared: PreparedTable,
    trained: TrainedModel,
    progress: ProgressCallback | None,
    journal: Journal | None,
) -> tuple[FitFormulas | None, TrainedModel]:
    """Search for formulas of a numeric target on the training rows; return them with the model.

    They are None for classes, for few rows, and if the job allows no time for it. Of many rows in memory the search
    sees a part; the others say whether a network that has the formula as a part takes the place of the model.
    """
    estimator = trained.estimator
    if not isinstance(estimator, KANRegressor) or job.formulas == 0 or len(prepared.train) < FEWEST:
        return None, trained
    if job.exposure is not None:
        raise InputError("a formula must be of the target alone, got one with --exposure; `fit_equations` finds rates")
    start = time.perf_counter()
    X = estimator._inputs(prepared.frame[prepared.train])
    # The search on the training rows, after which the network may have the law as a part.
    if "equations_" not in vars(estimator):  # a fit of high effort has looked for them
        with collect_warnings():
            trained = _with_formulas(job, prepared, trained, X, progress, journal)
    assert isinstance(trained.estimator, KANRegressor)
    is_part = trained.estimator.search_.chosen != estimator.search_.chosen
    [front] = trained.estimator._fronts().values()
    is_interrupted = StopReason.INTERRUPTED in (front.stopped, trained.estimator.search_.stopped)
    seconds = time.perf_counter() - start
    # R² of the chosen formula on the test rows, which the search did not see.
    formulas = FormulaList.from_front(front, X, ())
    prediction = formulas.best.formula(estimator._inputs(prepared.frame[prepared.test]))
    reached = math.nan
    if math.isfinite(prediction.sum()):
        reached = score("r2", prepared.y[prepared.test], prediction).value
    return FitFormulas(formulas, reached, seconds, is_part, is_interrupted), trained


def _with_formulas(
    job: FitJob,
    prepared: PreparedTable,
    trained: TrainedModel,
    X: np.ndarray,
    progress: ProgressCallback | None,
    journal: Journal | None,
) -> TrainedModel:
    """Search for formulas of the training rows, X (n, d); return the model that knows them."""
    estimator = trained.estimator
    assert isinstance(estimator, KANRegressor)
    start = time.perf_counter()
    # The fit from which a search for a law goes on; a model from an earlier run is fitted again.
    fit = trained.fit
    if fit is None and prepared.large is None:
        fit = train_model(job, prepared).fit
    budget = planned_budget(job.formulas, FORMULA_SECONDS)
    names = estimator.encoder_.formula_names

    def search_law(rows: np.ndarray, targets: np.ndarray, model: KANRegressor | None = None) -> Front:
        target = prepared.target
        search = table_search(rows, targets, names, None, budget, target=target, report=progress, journal=journal)
        return table_front(search, model)

    # Without noise, and of few rows, the formula stands beside the model, in its file.
    if fit is None or not fit.result.has_noise or len(X) < SETTINGS.fewest_rows:
        estimator._set_equations([search_law(X, prepared.y[prepared.train], estimator)], ())
        return trained
    # Else a network that has the law as a part may take the place of the model; its time begins now.
    richer = copy.copy(estimator)
    settings = replace(fit.settings, progress=None, began=time.monotonic())
    richer._look_for_law(replace(fit, settings=settings), search_law)
    if richer.search_.chosen == estimator.search_.chosen:
        return replace(trained, estimator=richer)
    return scored(prepared, richer, trained.seconds + time.perf_counter() - start, trained.notes)


# The training in the journal of an unfinished run.


def keep_training(journal: Journal, trained: TrainedModel, folder: ResultFolder) -> None:
    """Keep a training whose model has been written into the folder."""
    facts = {"seconds": trained.seconds, "notes": trained.notes, "model": _digest(folder)}
    journal.keep("training", Part(facts))


def recalled_training(journal: Journal, prepared: PreparedTable, folder: ResultFolder) -> TrainedModel | None:
    """Return the model in the folder, with its predictions; None if the earlier run had not written it."""
    part = journal.recall("training")
    if part is None or not (folder.path / MODEL_FILE).is_file() or _digest(folder) != part.facts["model"]:
        return None
    estimator = load_estimator(folder.path / MODEL_FILE)[0]
    if not isinstance(estimator, KANRegressor | KANClassifier):
        return None
    return scored(prepared, estimator, part.facts["seconds"], tuple(part.facts["notes"]))


def _digest(folder: ResultFolder) -> str:
    return hashlib.sha256(read_bytes(folder.path / MODEL_FILE)).hexdigest()
