"""Advice for a table, KAN or MLP: the guide of the KAN paper, answered by small models of both kinds on that table."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class AdviceSettings:
    """Limits of the training and of the answers of `advise`."""

    most_rows: int = 2000  # of the table that are used; they take about a minute
    held_out: float = 0.25  # share of them
    # Shares of the time limit that have passed when each model ends at the latest: the KAN has the most, and the rest
    # is for reading it.
    kan_end: float = 0.35
    additive_end: float = 0.45
    half_end: float = 0.6
    small_end: float = 0.7
    large_end: float = 0.9
    least_seconds: float = 1e-3  # of a model whose time is over, since a limit is positive: one step, about
    large_nodes: tuple[int, ...] = (64, 64)  # of the MLP beside the one with as many parameters as the KAN
    starts: int = 3  # of an MLP
    steps: int = 400  # of L-BFGS
    patience: int = 20  # steps
    most_inputs: int = 10  # whose effects can be read one by one
    influence: float = 0.95  # share that these inputs must have
    notable: float = 0.02  # smallest difference of two scores that matters, whatever its standard error
    slower: float = 1.2  # smaller ratios of wall times are not reproducible


SETTINGS = AdviceSettings()


@dataclass(frozen=True)
class Branch:
    """One question of the guide, with its answer for the data."""

    need: str  # one of `NEEDS`, or "data" for the questions before them
    question: str
    answer: str  # in a few words
    advice: str  # "KAN", "MLP", "either" or "neither"
    measured: str  # the reason, in numbers
    later: str = ""  # later results that weaken this branch of the guide


@dataclass(frozen=True)
class Advice:
    """Result of `advise`; as text it is the guide as a tree.

    Parameters
    ----------
    recommendation : str
        "KAN", "MLP", "either" or "neither".
    why : str
        The reason.
    branches : tuple
        The path through the guide: objects with the attributes need, question, answer, advice, measured (the reason in
        numbers) and later (later results on this question).
    scores : dict
        R² or accuracy on the held-out rows, by model.
    error : float
        Standard error of the KAN's score.

    Examples
    --------
    >>> print(Advice("KAN", "it is ahead.", (), {"KAN": 0.9, "MLP": 0.8}, 0.01).lines()[0])
    KAN: it is ahead.
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
        # The branches of each need, the last with a corner.
        for need in ("data", *NEEDS):
            branches = [branch for branch in self.branches if branch.need == need]
            if branches:
                lines.append(need.capitalize())
            for number, branch in enumerate(branches, start=1):
                corner = "├─"
                bar = "│ "
                if number == len(branches):
                    corner = "└─"
                    bar = "  "
                lines.append(f"{corner} {branch.question} {branch.answer} -> {branch.advice}")
                lines.append(f"{bar}   {branch.measured}")
                if branch.later:
                    lines.append(f"{bar}   Later work: {branch.later}")
        source = "Liu et al., KAN: Kolmogorov-Arnold Networks (arXiv 2404.19756), figure 'Should I use KANs or MLPs?'"
        return [*lines, f"The guide: {source}."]


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
    # A random sample of the rows, divided into training and held-out rows; of classes each part has its share.
    some = sampled(len(inputs), SETTINGS.most_rows, seed)
    inputs = inputs[some]
    target = target[some]
    labels = target if task == "classification" else None
    train, test = split_rows(len(target), SETTINGS.held_out, seed, labels=labels)
    budget = Budget(seconds=time_limit, report=progress)
    measurement = Measurement(inputs[train], target[train], inputs[test], target[test], task, seed, budget)
    evidence = measurement.evidence()
    branches = evidence.branches(needs)
    recommendation, why = evidence.verdict(branches)
    scores = {name: model.score for name, model in evidence.models.items()}
    return Advice(recommendation, why, branches, scores, evidence.kan.error)


@dataclass(frozen=True)
class ModelScore:
    """Score of a model on the held-out rows with its standard error, its parameters and its training seconds."""

    score: float
    error: float
    parameters: int
    seconds: float


@dataclass(frozen=True)
class Measurement:
    """Training of models of both kinds on one split: training rows X (N, d) and y (N,), and held-out rows."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    task: str
    seed: int
    budget: Budget

    def evidence(self) -> Evidence:
        """Train all models and collect their scores."""
        # KANs: the whole search, without hidden layers, and on half of the rows, which shows whether more would help.
        self.budget.report("KAN", 0.0)
        kan, model = self.kan(self.X, self.y, SETTINGS.kan_end)
        self.budget.report("additive KAN", 0.3)
        additive, _ = self.kan(self.X, self.y, SETTINGS.additive_end, hidden=())
        self.budget.report("KAN on half the rows", 0.4)
        labels = None
        outputs = 1
        if self.task == "classification":
            labels = self.y
            outputs = len(np.unique(self.y))
        half, _ = split_rows(len(self.y), 0.5, self.seed, labels=labels)
        few, _ = self.kan(self.X[half], self.y[half], SETTINGS.half_end)
        # MLPs: one with about as many parameters as the KAN in a hidden layer, and a larger one.
        self.budget.report("small MLP", 0.5)
        nodes = max(1, round((kan.parameters - outputs) / (self.X.shape[1] + 1 + outputs)))
        small = self.mlp((nodes,), outputs, SETTINGS.small_end)
        self.budget.report("MLP", 0.65)
        large = self.mlp(SETTINGS.large_nodes, outputs, SETTINGS.large_end)
        models = {"KAN": kan, "additive KAN": additive, "KAN on half the rows": few, "small MLP": small, "MLP": large}
        self.budget.report("linear and boosting", 0.95)
        for one in iterate_baselines(self.X, self.y, self.X_test, self.y_test, task=self.task, seed=self.seed):
            models[one.name] = ModelScore(one.score, one.error, one.parameters, one.seconds)
        explained = model.explain_global(self.X)
        strongest_pair = float(np.triu(explained.interactions, 1).max(initial=0.0))
        metric = METRICS[MEASURED[self.task][0]]
        return Evidence(models, explained.importance, strongest_pair, len(self.X), metric.name)

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
            prediction = np.asarray(model.predict(self.X_test))
        return self._scored(prediction, model.parameter_count_, seconds), model

    def mlp(self, hidden: tuple[int, ...], outputs: int, end: float) -> ModelScore:
        """Train an MLP, until this share of the time limit has passed: the start that is best on held-back rows."""
        start = time.perf_counter()
        # Inputs are scaled to [-1, 1], a numeric target to mean 0 and variance 1.
        scaling = AffineScaling.fit(self.X)
        x = torch.from_numpy(scaling.transform(self.X))
        classes, labels = np.unique(self.y, return_inverse=True)
        column = self.y[:, None]
        problem: Regression | Classification
        if self.task == "regression":
            target = AffineScaling.standard(column, np.ones(len(column)))
            problem = Regression(x, torch.from_numpy(target.transform(column)), validation=0.2, seed=self.seed)
        else:
            problem = Classification(x, torch.from_numpy(labels), classes=outputs, validation=0.2, seed=self.seed)
        # L-BFGS from several starts, each ended early by its loss on held-back rows.
        trained = []
        for seed in range(self.seed, self.seed + SETTINGS.starts):
            model = MLP([self.X.shape[1], *hidden, outputs], activation="tanh", seed=seed, dtype=torch.float64)
            report = fit(
                model,
                problem,
                LBFGS(),
                steps=SETTINGS.steps,
                patience=SETTINGS.patience,
                callbacks=[lambda _: self._left(end) == SETTINGS.least_seconds],
            )
            trained.append((report.validation_loss, seed, model))
        model = min(trained, key=lambda one: one[:2])[2]
        # Predictions of the held-out rows in the units or labels of the target.
        with torch.no_grad():
            output = model(torch.from_numpy(scaling.transform(self.X_test))).numpy()
        if self.task == "regression":
            prediction = target.inverse(output)[:, 0]
        else:
            prediction = classes[output.argmax(1)]
        count = sum(p.numel() for p in model.parameters())
        return self._scored(prediction, count, time.perf_counter() - start)

    def _scored(self, prediction: np.ndarray, parameters: int, seconds: float) -> ModelScore:
        reached = score(MEASURED[self.task][0], self.y_test, prediction)
        return ModelScore(reached.value, reached.error, parameters, seconds)

    def _left(self, end: float) -> float | None:
        """Seconds until this share of the time limit has passed, at least the fewest; None without a limit."""
        if self.budget.time_limit is None:
            return None
        return max(SETTINGS.least_seconds, end * self.budget.time_limit - self.budget.seconds)


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
        if math.isnan(b.score):
            return True
        notable = float(np.fmax(SETTINGS.notable, a.error))  # an unknown error, NaN, counts for nothing
        return a.score - b.score > notable

    def branches(self, needs: Sequence[str]) -> tuple[Branch, ...]:
        """Answer the questions on the data, then those on each of the needs."""
        about = {"accuracy": self._accuracy, "interpretability": self._interpretability, "efficiency": self._efficiency}
        return (*self._data(), *(branch for need in NEEDS if need in needs for branch in about[need]()))

    def verdict(self, branches: Sequence[Branch]) -> tuple[str, str]:
        """Return recommendation and reason; a measured difference in accuracy takes precedence over the guide."""
        scores = f"{self.metric} on held-out rows: {self._scores('KAN', 'MLP', 'linear', 'boosting')}"
        advice = [branch.advice for branch in branches]
        # Measured differences.
        if "neither" in [branch.advice for branch in branches if branch.question == "Smooth?"]:
            return "neither", f"boosted trees are ahead of both ({scores})."
        if self.is_ahead("MLP", "KAN"):
            although = ""
            if "KAN" in advice:
                although = ", although the guide favours a KAN"
            return "MLP", f"it is ahead on these data{although} ({scores})."
        if self.is_ahead("KAN", "MLP"):
            return "KAN", f"it is ahead on these data ({scores})."
        # Equal accuracy: the answers of the guide.
        if "KAN" in advice:
            reasons = ", ".join(b.question.rstrip("?").lower() for b in branches if b.advice == "KAN")
            if "MLP" in advice:
                reasons += "; it takes longer to train"
            return "KAN", f"both are equally accurate here, and it is favoured by: {reasons} ({scores})."
        if "MLP" in advice:
            return "MLP", f"both are equally accurate here, and it trains faster ({scores})."
        return "either", f"no measurement favours one of them ({scores})."

    def _scores(self, *names: str) -> str:
        return ", ".join(f"{name} {number_text(self.models[name].score, 3)}" for name in names)

    def _data(self) -> list[Branch]:
        """Answer the questions before the guide: whether there are enough rows, and whether the function is smooth."""
        # The learning curve between half of the rows and all.
        enough = "yes"
        if self.is_ahead("KAN", "KAN on half the rows"):
            enough = "more would help"
        curve = (
            f"{self.metric} on held-out rows with all {self.rows:,} training rows {number_text(self.kan.score, 3)}, "
            f"with half of them {number_text(self.models['KAN on half the rows'].score, 3)}; "
            f"{number_text(self.rows / self.kan.parameters, 2)} rows for each parameter."
        )
        samples = Branch("data", "Enough samples?", enough, "either", curve)
        # Trees have steps: where they are ahead of both networks, the function has them too.
        scores = f"{self.metric}: {self._scores('KAN', 'MLP', 'boosting')}"
        if self.is_ahead("boosting", "KAN") and self.is_ahead("boosting", "MLP"):
            later = "KANs need smoothness more than MLPs do (Hou et al., arXiv 2407.11075)."
            steps = f"{scores}; steps suit trees, not smooth networks."
            return [samples, Branch("data", "Smooth?", "no", "neither", steps, later)]
        return [samples, Branch("data", "Smooth?", "yes", "either", f"{scores}; steps are not needed.")]

    def _accuracy(self) -> list[Branch]:
        # Whether mixing inputs helps at all, and whether it helps a KAN.
        best = float(np.fmax(self.kan.score, self.mlp.score))
        advice = "KAN"
        if self.models["additive KAN"].score >= best - max(SETTINGS.notable, self.kan.error):
            answer = "yes, a sum of functions of one input each"
            reason = "nothing is gained by mixing inputs"
        elif not self.is_ahead("MLP", "KAN"):
            answer = "yes, functions of sums of functions"
            reason = "a small KAN with hidden nodes is enough"
        else:
            answer = "none that a small KAN could use"
            reason = "the MLP gains from mixing inputs, the KAN does not"
            advice = "either"
        measured = (
            f"{self.metric}: {self._scores('additive KAN', 'KAN', 'MLP')}: {reason}; strongest interaction of two "
            f"inputs {percent_text(self.strongest_pair)} of the variation."
        )
        compositional = Branch("accuracy", "Compositional structure?", answer, advice, measured)
        # Whether a straight function would do.
        scores = f"{self.metric}: {self._scores('linear', 'KAN', 'MLP')}."
        complicated = Branch("accuracy", "Complicated function?", "no, nearly linear", "either", scores)
        if self.is_ahead("KAN", "linear") or self.is_ahead("MLP", "linear"):
            equal = (
                "KANbeFair (arXiv 2407.16674): at equal parameters MLPs were ahead on all tasks but symbolic formulas."
            )
            complicated = replace(complicated, answer="yes", advice="KAN", later=equal)
        continual = Branch(
            "accuracy",
            "Continual learning?",
            "cannot be decided from a table",
            "either",
            "The guide recommends a KAN where data come piece by piece in one dimension.",
            "KANbeFair (arXiv 2407.16674) found that KANs forget more than MLPs when classes are learned one after "
            "another.",
        )
        return [compositional, complicated, continual]

    def _interpretability(self) -> list[Branch]:
        # The fewest inputs that carry nearly all of the influence on the output of the KAN.
        share = np.sort(self.importance)[::-1].cumsum() / max(float(self.importance.sum()), ABOVE_ZERO)
        needed = int(np.searchsorted(share, SETTINGS.influence) + 1)
        carried = (
            f"{min(needed, len(share))} of {len(share)} inputs carry {percent_text(SETTINGS.influence)} of the "
            "influence on the KAN’s output."
        )
        readable = (
            "Effects of single inputs can be read off either model; functions on edges and formulas only off a KAN "
            f"({counted(self.kan.parameters, 'parameter')} here)."
        )
        dimension = Branch("interpretability", "Dimension?", "high", "neither", carried)
        level = Branch("interpretability", "Qualitative or quantitative?", "qualitative at best", "either", readable)
        if needed <= SETTINGS.most_inputs:
            dimension = replace(dimension, answer="low", advice="KAN")
            level = replace(level, answer="a formula can be tried", advice="KAN")
        return [dimension, level]

    def _efficiency(self) -> list[Branch]:
        # A small KAN is worth it where only a larger MLP is as good.
        little = self.models["small MLP"]
        answer = "no gain from a KAN"
        advice = "either"
        if self.kan.parameters < self.mlp.parameters and not self.is_ahead("MLP", "KAN"):
            if self.is_ahead("KAN", "small MLP"):
                answer = "then the KAN"
                advice = "KAN"
            elif self.is_ahead("small MLP", "KAN"):
                answer = "then a small MLP"
            else:
                answer = "an MLP of the KAN’s size does as well"
        # The measured scores and parameters behind the answer.
        sizes = (
            f"{self.metric}: KAN of {counted(self.kan.parameters, 'parameter')} {number_text(self.kan.score, 3)}, "
            f"MLP of {little.parameters:,} {number_text(little.score, 3)}, "
            f"of {self.mlp.parameters:,} {number_text(self.mlp.score, 3)}."
        )
        compact = (
            "CompactNet (SHI-Labs) reached the paper's accuracy on the knot table with MLPs of 78 to 122 parameters."
        )
        small = Branch("efficiency", "Small model wanted?", answer, advice, sizes, compact)
        # The measured seconds, and the answer where they are alike.
        seconds = (
            f"KAN {seconds_text(self.kan.seconds)} with its search, MLP {number_text(self.mlp.seconds, 3)} with its "
            "starts."
        )
        fast = Branch("efficiency", "Fast training wanted?", "then the MLP", "MLP", seconds)
        if self.kan.seconds / max(self.mlp.seconds, 1e-9) <= SETTINGS.slower:
            later = "The guide recommends an MLP; with second-order methods a KAN need not be slower."
            fast = replace(fast, answer="either, by the measured seconds", advice="either", later=later)
        return [small, fast]
