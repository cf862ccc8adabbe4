"""Advice for a table, KAN or MLP: the guide of the KAN paper, answered by small models of both kinds on that table."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from edgewise.checks import check_count, check_finite, check_number, is_one_of, typed
from edgewise.compare.baselines import iterate_baselines
from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.listeners import check_progress
from edgewise.metrics import MEASURED, METRICS, score
from edgewise.nn.mlp import MLP
from edgewise.outcomes import Budget, ProgressCallback
from edgewise.presentation import counted, number_text, percent_text, seconds_text
from edgewise.scaling import AffineScaling
from edgewise.search.validation import sampled, split_rows
from edgewise.settings import ABOVE_ZERO
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.problems import Classification, Regression

NEEDS = ("accuracy", "interpretability", "efficiency")
MOST_ADVICE_ROWS = 2000  # most rows of the table that are used; they take about a minute
# Share of the time limit that has passed when each model ends, at the latest: the KAN itself has the most, and the rest
# is for reading it.
KAN_END = 0.35
ADDITIVE_END = 0.45
HALF_END = 0.6
SMALL_END = 0.7
LARGE_END = 0.9
LEAST = 1e-3  # seconds that a model has when its time is over, since a limit is positive: one step, about
TEST = 0.25  # share of them that is held out
LARGE_MLP = (64, 64)  # nodes of the MLP beside the one with as many parameters as the KAN
MLP_STARTS = 3
MLP_STEPS = 400  # of L-BFGS
MLP_PATIENCE = 20
MOST_INPUTS = 10  # inputs whose effects can be read one by one
INFLUENCE_SHARE = 0.95  # share of the influence that these inputs must have
NOTABLE_DIFFERENCE = 0.02  # smallest difference of two scores that matters, whatever its standard error
SOURCE = "Liu et al., KAN: Kolmogorov-Arnold Networks (arXiv 2404.19756), figure 'Should I use KANs or MLPs?'"

# Later results that weaken single branches of the guide.
FORGETS = (
    "KANbeFair (arXiv 2407.16674) found that KANs forget more than MLPs when classes are learned one after another."
)
SMALL_MLP = "CompactNet (SHI-Labs) reached the paper's accuracy on the knot table with MLPs of 78 to 122 parameters."
EQUAL_PARAMETERS = (
    "KANbeFair (arXiv 2407.16674): at equal parameters MLPs were ahead on all tasks but symbolic formulas."
)


@dataclass(frozen=True)
class Branch:
    """One question of the guide, with its answer for the data.

    Parameters
    ----------
    need : str
        One of `NEEDS`, or "data" for the questions before them.
    question, answer : str
        The question, and the answer in a few words.
    advice : str
        "KAN", "MLP", "either" or "neither".
    measured : str
        The reason, in numbers.
    later : str
        Later results on this branch; empty if there are none.

    Examples
    --------
    >>> branch = Branch("data", "Are there many samples?", "few", "KAN", "50 rows")
    >>> branch.advice, branch.later
    ('KAN', '')
    """

    need: str
    question: str
    answer: str
    advice: str
    measured: str
    later: str = ""


@dataclass(frozen=True)
class Advice:
    r"""Result of `advise`; as text it is the guide as a tree.

    Parameters
    ----------
    recommendation : str
        "KAN", "MLP", "either" or "neither".
    why : str
        The reason.
    branches : tuple of Branch
        The path through the guide.
    scores : dict
        R² or accuracy on the held-out rows, by model.
    error : float
        Standard error of the KAN's score.

    Examples
    --------
    >>> smooth = Branch("data", "Smooth?", "yes", "either", "Steps are not needed.")
    >>> print(*Advice("KAN", "it is ahead.", (smooth,), {"KAN": 0.9, "MLP": 0.8}, 0.01).lines()[:3], sep="\n")
    KAN: it is ahead.
    Data
    └─ Smooth? yes -> either
    """

    recommendation: str
    why: str
    branches: tuple[Branch, ...]
    scores: dict[str, float]
    error: float

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the guide as a tree, one line each: every branch with its answer and its reason."""
        lines = [f"{self.recommendation}: {self.why}"]
        for need in ("data", *NEEDS):
            branches = [branch for branch in self.branches if branch.need == need]
            lines += [need.capitalize()] if branches else []
            for number, branch in enumerate(branches):
                corner, bar = ("└─", "  ") if number == len(branches) - 1 else ("├─", "│ ")
                lines.append(f"{corner} {branch.question} {branch.answer} -> {branch.advice}")
                lines.append(f"{bar}   {branch.measured}")
                lines += [f"{bar}   Later work: {branch.later}"] if branch.later else []
        return [*lines, f"The guide: {SOURCE}."]


@typed
def advise(
    X: ArrayLike,
    y: ArrayLike,
    *,
    needs: str | Sequence[str] = NEEDS,
    task: str | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> Advice:
    """Advise whether a table should be learned with a KAN or an MLP: the guide of the KAN paper, with measurements.

    At most 2,000 rows, drawn at random, are used; a quarter of them are held out. On the others a KAN, a KAN without
    hidden layers, a KAN on half of the rows, an MLP with as many parameters as the KAN, a linear model, a larger MLP
    and boosted trees are trained.

    Parameters
    ----------
    X : array-like of shape (N, d)
        Finite numbers, at least 20 rows.
    y : array-like of shape (N,)
        Numbers or labels.
    needs : str or sequence of str
        Which of "accuracy", "interpretability" and "efficiency" matter.
    task : str, optional
        "regression" or "classification"; if left out, decided by the type of y.
    seed : int
        Seed of the split and of the training.
    time_limit : float, optional
        Wall seconds for everything, of which each model has a share; a third is for the KAN itself. By default about a
        minute is needed.
    progress : callable, optional
        Receives a `Progress` whose stage is the name of the model in training.

    Returns
    -------
    Advice

    Raises
    ------
    InputError
        If an argument is invalid, or there are fewer than 20 rows.

    Notes
    -----
    The guide is the figure "Should I use KANs or MLPs?" of Liu et al., arXiv 2404.19756.

    Examples
    --------
    Small models of both kinds are trained on a table, which takes some seconds:

    >>> advice = advise(X, y, needs="interpretability")  # doctest: +SKIP
    >>> advice.recommendation  # doctest: +SKIP
    'KAN'

    A table that is too small is refused:

    >>> from edgewise.errors import InputError
    >>> try:
    ...     advise(np.ones((3, 2)), np.ones(3))
    ... except InputError as error:
    ...     print(error)
    X and y must have shapes (N, d) and (N,) with N at least 20, got (3, 2) and (3,)
    """
    try:
        inputs = np.asarray(X, dtype=np.float64)
        target = np.asarray(y)
    except (TypeError, ValueError) as error:
        raise InputError(f"X must be numbers of shape (N, d), got others ({error})") from error
    task = task or ("regression" if target.dtype.kind == "f" else "classification")
    needs = (needs,) if isinstance(needs, str) else tuple(needs)
    if not needs or not set(needs) <= set(NEEDS):
        raise InputError(f"needs must be among {', '.join(NEEDS)}, got {needs!r}")
    if inputs.ndim != 2 or target.shape != inputs.shape[:1] or len(inputs) < 20:
        shapes = f"{inputs.shape} and {target.shape}"
        raise InputError(f"X and y must have shapes (N, d) and (N,) with N at least 20, got {shapes}")
    check_finite(inputs, "X")
    check_finite(target, "y")
    if not is_one_of(task, ("regression", "classification")):
        raise InputError(f"task must be 'regression' or 'classification', got {task!r}")
    if time_limit is not None:
        check_number(time_limit, "time_limit", positive=True, of=" of seconds")
    check_count(seed, "seed", 0)
    check_progress(progress)
    some = sampled(len(inputs), MOST_ADVICE_ROWS, seed)
    inputs, target = inputs[some], target[some]
    train, test = split_rows(len(target), TEST, seed, labels=target if task == "classification" else None)
    rows = Rows(inputs[train], target[train], inputs[test], target[test])
    evidence = Measurement(rows, task, seed, Budget(seconds=time_limit, report=progress)).evidence()
    branches = evidence.branches(needs)
    recommendation, why = evidence.verdict(branches)
    scores = {name: model.score for name, model in evidence.models.items()}
    return Advice(recommendation, why, branches, scores, evidence.kan.error)


@dataclass(frozen=True)
class Rows:
    """Training and held-out rows: X (N, d) and y (N,) of both."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class ModelScore:
    """Score of a model on the held-out rows with its standard error, its parameters and its training seconds."""

    score: float
    error: float
    parameters: int
    seconds: float


@dataclass(frozen=True)
class Measurement:
    """Training of models of both kinds on one split."""

    rows: Rows
    task: str
    seed: int = 0
    budget: Budget = field(default_factory=Budget)

    def evidence(self) -> Evidence:
        """Train all models and collect their scores."""
        X = self.rows.X
        y = self.rows.y
        X_test = self.rows.X_test
        y_test = self.rows.y_test
        half, _ = split_rows(len(y), 0.5, self.seed, labels=y if self.task == "classification" else None)
        self.budget.report("KAN", 0.0)
        kan, model = self.kan(X, y, KAN_END)
        self.budget.report("additive KAN", 0.3)
        additive, _ = self.kan(X, y, ADDITIVE_END, hidden=())
        self.budget.report("KAN on half the rows", 0.4)
        few, _ = self.kan(X[half], y[half], HALF_END)
        self.budget.report("small MLP", 0.5)
        outputs = 1 if self.task == "regression" else len(np.unique(y))
        nodes = max(1, round((kan.parameters - outputs) / (X.shape[1] + 1 + outputs)))
        small = self.mlp((nodes,), SMALL_END)
        self.budget.report("MLP", 0.65)
        large = self.mlp(LARGE_MLP, LARGE_END)
        models = {"KAN": kan, "additive KAN": additive, "KAN on half the rows": few, "small MLP": small, "MLP": large}
        self.budget.report("linear and boosting", 0.95)
        for one in iterate_baselines(X, y, X_test, y_test, task=self.task, seed=self.seed):
            models[one.name] = ModelScore(one.score, one.error, one.parameters, one.seconds)
        explained = model.explain_global(X)
        strongest_pair = float(np.triu(explained.interactions, 1).max(initial=0.0))
        metric = METRICS[MEASURED[self.task][0]]
        return Evidence(models, explained.importance, strongest_pair, len(X), metric.name)

    def kan(
        self, X: np.ndarray, y: np.ndarray, end: float, hidden: Literal["auto"] | tuple[int, ...] = "auto"
    ) -> tuple[ModelScore, KANRegressor | KANClassifier]:
        """Train and score a KAN, until this share of the time limit has passed."""
        kind = KANRegressor if self.task == "regression" else KANClassifier
        start = time.perf_counter()
        model = kind(hidden=hidden, random_state=self.seed, time_limit=self._left(end)).fit(X, y)
        seconds = time.perf_counter() - start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # some test rows lie outside the training range
            prediction = np.asarray(model.predict(self.rows.X_test))
        return self._scored(prediction, model.parameter_count_, seconds), model

    def mlp(self, hidden: tuple[int, ...], end: float) -> ModelScore:
        """Train an MLP, until this share of the time limit has passed: the start that is best on held-back rows."""
        X = self.rows.X
        y = self.rows.y
        start = time.perf_counter()
        classes, labels = np.unique(y, return_inverse=True)
        outputs = 1 if self.task == "regression" else len(classes)
        scaling = AffineScaling.fit(X)
        x = torch.from_numpy(scaling.transform(X))
        problem: Regression | Classification
        if self.task == "regression":
            target = AffineScaling.standard(y[:, None], np.ones(len(y)))
            problem = Regression(x, torch.from_numpy(target.transform(y[:, None])), validation=0.2, seed=self.seed)
        else:
            problem = Classification(x, torch.from_numpy(labels), classes=outputs, validation=0.2, seed=self.seed)
        trained = []
        for seed in range(self.seed, self.seed + MLP_STARTS):
            model = MLP([X.shape[1], *hidden, outputs], activation="tanh", seed=seed, dtype=torch.float64)
            report = fit(
                model,
                problem,
                LBFGS(),
                steps=MLP_STEPS,
                patience=MLP_PATIENCE,
                callbacks=[lambda _: self._left(end) == LEAST],
            )
            trained.append((report.validation_loss, seed, model))
        model = min(trained, key=lambda one: one[:2])[2]
        with torch.no_grad():
            output = model(torch.from_numpy(scaling.transform(self.rows.X_test))).numpy()
        if self.task == "regression":
            prediction = target.inverse(output)[:, 0]
        else:
            prediction = classes[output.argmax(1)]
        count = sum(p.numel() for p in model.parameters())
        return self._scored(prediction, count, time.perf_counter() - start)

    def _scored(self, prediction: np.ndarray, parameters: int, seconds: float) -> ModelScore:
        reached = score(MEASURED[self.task][0], self.rows.y_test, prediction)
        return ModelScore(reached.value, reached.error, parameters, seconds)

    def _left(self, end: float) -> float | None:
        """Seconds until this share of the time limit has passed, at least `LEAST`; None without a limit."""
        if self.budget.time_limit is None:
            return None
        return max(LEAST, end * self.budget.time_limit - self.budget.seconds)


@dataclass(frozen=True)
class Evidence:
    """Scores of all models, and the answers of the guide that follow from them."""

    models: dict[str, ModelScore]  # KAN, additive KAN, KAN on half the rows, small MLP, linear, MLP, boosting
    importance: np.ndarray  # (d,), shares of the inputs in the predictions of the KAN
    strongest_pair: float  # strongest interaction of two inputs as a share of the variation
    rows: int  # training rows
    metric: str  # "R²" or "accuracy"

    @property
    def kan(self) -> ModelScore:
        """Score of the KAN."""
        return self.models["KAN"]

    @property
    def mlp(self) -> ModelScore:
        """Score of the larger MLP."""
        return self.models["MLP"]

    def is_ahead(self, first: str, second: str) -> bool:
        """Return whether the first score is higher by more than its standard error and by a notable amount."""
        a = self.models[first]
        b = self.models[second]
        return math.isnan(b.score) or a.score - b.score > max(
            NOTABLE_DIFFERENCE, 0.0 if math.isnan(a.error) else a.error
        )

    def branches(self, needs: Sequence[str]) -> tuple[Branch, ...]:
        """Answer the questions on the data, then those on each of the needs."""
        about = {"accuracy": self._accuracy, "interpretability": self._interpretability, "efficiency": self._efficiency}
        return (*self._data(), *(branch for need in NEEDS if need in needs for branch in about[need]()))

    def verdict(self, branches: Sequence[Branch]) -> tuple[str, str]:
        """Return recommendation and reason; a measured difference in accuracy takes precedence over the guide."""
        scores = f"{self.metric} on held-out rows: {self._scores('KAN', 'MLP', 'linear', 'boosting')}"
        advice = [branch.advice for branch in branches]
        if next(branch for branch in branches if branch.question == "Smooth?").advice == "neither":
            return "neither", f"boosted trees are ahead of both ({scores})."
        if self.is_ahead("MLP", "KAN"):
            if "KAN" in advice:
                although = ", although the guide favours a KAN"
            else:
                although = ""
            return "MLP", f"it is ahead on these data{although} ({scores})."
        if self.is_ahead("KAN", "MLP"):
            return "KAN", f"it is ahead on these data ({scores})."
        if "KAN" in advice:
            reasons = ", ".join(b.question.rstrip("?").lower() for b in branches if b.advice == "KAN")
            if "MLP" in advice:
                slow = "; it takes longer to train"
            else:
                slow = ""
            return "KAN", f"both are equally accurate here, and it is favoured by: {reasons}{slow} ({scores})."
        if "MLP" in advice:
            return "MLP", f"both are equally accurate here, and it trains faster ({scores})."
        return "either", f"no measurement favours one of them ({scores})."

    def _scores(self, *names: str) -> str:
        return ", ".join(f"{name} {number_text(self.models[name].score, 3)}" for name in names)

    def _data(self) -> list[Branch]:
        """Answer the questions before the guide: whether there are enough rows, and whether the function is smooth."""
        grows = self.is_ahead("KAN", "KAN on half the rows")
        half = self.models["KAN on half the rows"].score
        enough = Branch(
            "data",
            "Enough samples?",
            "more would help" if grows else "yes",
            "either",
            f"{self.metric} on held-out rows with all {self.rows:,} training rows {number_text(self.kan.score, 3)}, "
            f"with half of them {number_text(half, 3)}; "
            f"{number_text(self.rows / self.kan.parameters, 2)} rows for each parameter.",
        )
        rough = self.is_ahead("boosting", "KAN") and self.is_ahead("boosting", "MLP")
        smooth = Branch(
            "data",
            "Smooth?",
            "no" if rough else "yes",
            "neither" if rough else "either",
            f"{self.metric}: {self._scores('KAN', 'MLP', 'boosting')}; "
            + ("steps suit trees, not smooth networks." if rough else "steps are not needed."),
            "KANs need smoothness more than MLPs do (Hou et al., arXiv 2407.11075)." if rough else "",
        )
        return [enough, smooth]

    def _accuracy(self) -> list[Branch]:
        best = max(score for score in (self.kan.score, self.mlp.score) if not math.isnan(score))
        sums = self.models["additive KAN"].score >= best - max(NOTABLE_DIFFERENCE, self.kan.error)
        network = not sums and not self.is_ahead("MLP", "KAN")
        if sums:
            answer = "yes, a sum of functions of one input each"
            reason = "nothing is gained by mixing inputs"
        elif network:
            answer = "yes, functions of sums of functions"
            reason = "a small KAN with hidden nodes is enough"
        else:
            answer = "none that a small KAN could use"
            reason = "the MLP gains from mixing inputs, the KAN does not"
        compositional = Branch(
            "accuracy",
            "Compositional structure?",
            answer,
            "KAN" if sums or network else "either",
            f"{self.metric}: {self._scores('additive KAN', 'KAN', 'MLP')}: {reason}; strongest interaction of two "
            f"inputs {percent_text(self.strongest_pair)} of the variation.",
        )
        curved = self.is_ahead("KAN", "linear") or self.is_ahead("MLP", "linear")
        complicated = Branch(
            "accuracy",
            "Complicated function?",
            "yes" if curved else "no, nearly linear",
            "KAN" if curved else "either",
            f"{self.metric}: {self._scores('linear', 'KAN', 'MLP')}.",
            EQUAL_PARAMETERS if curved else "",
        )
        continual = Branch(
            "accuracy",
            "Continual learning?",
            "cannot be decided from a table",
            "either",
            "The guide recommends a KAN where data come piece by piece in one dimension.",
            FORGETS,
        )
        return [compositional, complicated, continual]

    def _interpretability(self) -> list[Branch]:
        share = np.sort(self.importance)[::-1].cumsum() / max(float(self.importance.sum()), ABOVE_ZERO)
        needed = int(np.searchsorted(share, INFLUENCE_SHARE) + 1)
        low = needed <= MOST_INPUTS
        dimension = Branch(
            "interpretability",
            "Dimension?",
            "low" if low else "high",
            "KAN" if low else "neither",
            f"{min(needed, len(share))} of {len(share)} inputs carry {percent_text(INFLUENCE_SHARE)} of "
            f"the influence on the "
            "KAN’s output.",
        )
        level = Branch(
            "interpretability",
            "Qualitative or quantitative?",
            "a formula can be tried" if low else "qualitative at best",
            "KAN" if low else "either",
            "Effects of single inputs can be read off either model; functions on edges and formulas only off a KAN "
            f"({counted(self.kan.parameters, 'parameter')} here).",
        )
        return [dimension, level]

    def _efficiency(self) -> list[Branch]:
        little = self.models["small MLP"]
        smaller = self.kan.parameters < self.mlp.parameters and not self.is_ahead("MLP", "KAN")
        needed = smaller and self.is_ahead("KAN", "small MLP")
        answer = "then the KAN" if needed else "no gain from a KAN"
        if smaller and not needed:
            better = self.is_ahead("small MLP", "KAN")
            if better:
                answer = "then a small MLP"
            else:
                answer = "an MLP of the KAN’s size does as well"
        small = Branch(
            "efficiency",
            "Small model wanted?",
            answer,
            "KAN" if needed else "either",
            f"{self.metric}: KAN of {counted(self.kan.parameters, 'parameter')} {number_text(self.kan.score, 3)}, "
            f"MLP of {little.parameters:,} {number_text(little.score, 3)}, "
            f"of {self.mlp.parameters:,} {number_text(self.mlp.score, 3)}.",
            SMALL_MLP,
        )
        ratio = self.kan.seconds / max(self.mlp.seconds, 1e-9)
        slower = ratio > 1.2  # smaller differences of wall time are not reproducible
        fast = Branch(
            "efficiency",
            "Fast training wanted?",
            "then the MLP" if slower else "either, by the measured seconds",
            "MLP" if slower else "either",
            f"KAN {seconds_text(self.kan.seconds)} with its search, MLP {number_text(self.mlp.seconds, 3)} with its "
            "starts.",
            "" if slower else "The guide recommends an MLP; with second-order methods a KAN need not be slower.",
        )
        return [small, fast]
