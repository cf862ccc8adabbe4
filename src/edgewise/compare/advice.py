"""The poster's guide "KAN or MLP?" answered for a table: by what small models of both kinds reach on it."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.compare.baselines import iterate_baselines, measures, standard_error
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.nn.mlp import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.tables.scaling import AffineScaling
from edgewise.train.loop.fitting import fit
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.regression import Regression

NEEDS = ("accuracy", "interpretability", "efficiency")
ROWS = 2000  # of the table that are looked at
TEST = 0.25
BUDGET = 0.15  # of the KANs, see `KANRegressor`
STARTS, STEPS, PATIENCE = 3, 200, 20  # of the MLP of the KAN's size
MOST_INPUTS = 10  # that a person can look at one by one
CARRY = 0.95  # of the influence that has to come from these
NOTABLE = 0.02  # difference of two scores that is worth anything, whatever its standard error
SOURCE = "Liu et al., KAN: Kolmogorov-Arnold Networks (arXiv 2404.19756), figure 'Should I use KANs or MLPs?'"

# What later work found, beside the branches that it weakens.
FORGETS = (
    "KANbeFair (arXiv 2407.16674) found that KANs forget more than MLPs when classes are learned one after another."
)
SMALL_MLP = "CompactNet (SHI-Labs) reached the paper's accuracy on the knot table with MLPs of 78 to 122 parameters."
EQUAL = "KANbeFair (arXiv 2407.16674): at equal parameters MLPs were ahead on all tasks but symbolic formulas."


@dataclass(frozen=True)
class Branch:
    """One question of the guide, as answered for the data.

    need: which of `NEEDS`, or "data" for what comes before. question. answer: in a few words. advice: "KAN", "MLP",
    "either" or "neither". measured: the reason, in numbers. later: what later work says about this branch, "" if none.
    """

    need: str
    question: str
    answer: str
    advice: str
    measured: str
    later: str = ""


@dataclass(frozen=True)
class Advice:
    """recommendation: "KAN", "MLP", "either" or "neither", the reason in `why`. branches: the path through the guide.
    scores: (R^2 or accuracy) on held-out rows by model. error: standard error of the KAN's."""

    recommendation: str
    why: str
    branches: tuple[Branch, ...]
    scores: dict[str, float]
    error: float

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The guide as a tree, the branch taken with its reason."""
        lines = [f"{self.recommendation}: {self.why}"]
        for need in ("data", *NEEDS):
            mine = [branch for branch in self.branches if branch.need == need]
            lines += [need.capitalize()] if mine else []
            for number, branch in enumerate(mine):
                bend, bar = ("└─", "  ") if number == len(mine) - 1 else ("├─", "│ ")
                lines.append(f"{bend} {branch.question} {branch.answer} -> {branch.advice}")
                lines.append(f"{bar}   {branch.measured}")
                lines += [f"{bar}   Later work: {branch.later}"] if branch.later else []
        return [*lines, f"The guide: {SOURCE}."]


@dataclass(frozen=True)
class _Fitted:
    score: float
    error: float
    parameters: int
    seconds: float


def advise(
    X,
    y,
    *,
    needs: Sequence[str] = NEEDS,
    task: str | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Advice:
    """Should this table be learned with a KAN or an MLP? The guide of the KAN paper, with measured answers.

    At most 2,000 rows, evenly drawn, are used; a quarter of them are held out. On the others a KAN, a KAN without
    hidden layer, a KAN on half of the rows, an MLP of as many parameters as the KAN, a linear model, a larger MLP and
    boosted trees are trained.

    Args:
        X: (N, d) numbers. y: (N,) numbers or labels.
        needs: which of "accuracy", "interpretability" and "efficiency" count.
        task: "regression" or "classification"; by the type of y if left out.
        seed: of split and training.
        progress: receives a `Progress` whose stage is the name of the model in training.

    Raises:
        InputError: an argument is not as above, or there are fewer than 20 rows.
    """
    try:
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    except (TypeError, ValueError) as error:
        raise InputError("X must be numbers of shape (N, d), it is not") from error
    task = task or ("regression" if y.dtype.kind == "f" else "classification")
    needs = (needs,) if isinstance(needs, str) else tuple(needs)
    if not needs or not set(needs) <= set(NEEDS):
        raise InputError(f"needs must be among {', '.join(NEEDS)}, got {needs!r}")
    if X.ndim != 2 or y.shape != X.shape[:1] or len(X) < 20:
        raise InputError(f"X and y must have shapes (N, d) and (N,) with N at least 20, got {X.shape} and {y.shape}")
    if not np.isfinite(X).all() or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        raise InputError(
            "X and y must be finite, they hold NaN or infinite values: fill them in or leave such rows out"
        )
    if task not in ("regression", "classification"):
        raise InputError(f"task must be 'regression' or 'classification', got {task!r}")
    order = np.random.default_rng(seed).permutation(len(X))[:ROWS]
    held = max(5, round(TEST * len(order)))
    trial = _Trial(X[order[held:]], y[order[held:]], X[order[:held]], y[order[:held]], task, seed, progress)
    evidence = trial.evidence()
    branches = [*_data(evidence), *(branch for need in NEEDS if need in needs for branch in _BRANCHES[need](evidence))]
    scores = {name: fitted.score for name, fitted in evidence.fitted.items()}
    recommendation, why = _verdict(branches, evidence)
    return Advice(recommendation, why, tuple(branches), scores, evidence.kan.error)


@dataclass(frozen=True)
class _Evidence:
    """fitted: by name: KAN, additive KAN, KAN on half the rows, small MLP, linear, MLP, boosting.
    importance: (d,) shares of the inputs in the KAN's predictions. pair: strongest interaction as a share of the
    variation."""

    fitted: dict[str, _Fitted]
    importance: np.ndarray
    pair: float
    rows: int
    name: str

    kan = property(lambda self: self.fitted["KAN"])
    mlp = property(lambda self: self.fitted["MLP"])

    def ahead(self, first: str, second: str) -> bool:
        """Whether the first model's score is higher by more than its standard error and by something notable."""
        a, b = self.fitted[first], self.fitted[second]
        return math.isnan(b.score) or a.score - b.score > max(NOTABLE, a.error if a.error == a.error else 0.0)

    def told(self, *names: str) -> str:
        return ", ".join(f"{name} {self.fitted[name].score:.3f}" for name in names)


@dataclass(frozen=True)
class _Trial:
    """Models of both kinds on one split."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    task: str
    seed: int
    progress: ProgressCallback | None

    def evidence(self) -> _Evidence:
        half = max(10, len(self.X) // 2)
        kan, model = self._kan("KAN", self.X, self.y, "auto", 0.0)
        additive, _ = self._kan("additive KAN", self.X, self.y, (), 0.3)
        few, _ = self._kan("KAN on half the rows", self.X[:half], self.y[:half], "auto", 0.4)
        small = self._small_mlp(kan.parameters, 0.48)
        fitted = {"KAN": kan, "additive KAN": additive, "KAN on half the rows": few, "small MLP": small}
        report = lambda at: self._report(at.stage, 0.5 + 0.5 * at.share)  # noqa: E731
        data = (self.X, self.y, self.X_test, self.y_test)
        for one in iterate_baselines(*data, task=self.task, seed=self.seed, progress=report):
            fitted[one.name] = _Fitted(one.score, one.error, one.parameters, one.seconds)
        explained = model.explain_global(self.X)
        pair = float(np.triu(explained.interactions, 1).max(initial=0.0))
        name = "R²" if self.task == "regression" else "accuracy"
        return _Evidence(fitted, explained.importance, pair, len(self.X), name)

    def _report(self, name: str, share: float) -> None:
        if self.progress is not None:
            self.progress(Progress(name, share))

    def _kan(self, name: str, X: np.ndarray, y: np.ndarray, hidden, done: float) -> tuple[_Fitted, object]:
        self._report(name, done)
        kind = KANRegressor if self.task == "regression" else KANClassifier
        start = time.perf_counter()
        model = kind(hidden=hidden, budget=BUDGET, random_state=self.seed).fit(X, y)
        seconds = time.perf_counter() - start
        return self._scored(model.predict(self.X_test), model.parameter_count_, seconds), model

    def _scored(self, prediction: np.ndarray, parameters: int, seconds: float) -> _Fitted:
        score = next(iter(measures(self.task, self.y_test, prediction).values()))
        return _Fitted(score, standard_error(self.task, self.y_test, prediction), parameters, seconds)

    def _small_mlp(self, parameters: int, done: float) -> _Fitted:
        """An MLP with one hidden layer and about so many parameters: the start that is best on rows held back."""
        self._report("small MLP", done)
        start = time.perf_counter()
        classes, labels = np.unique(self.y, return_inverse=True)
        outputs = 1 if self.task == "regression" else len(classes)
        inputs = self.X.shape[1]
        nodes = max(1, round((parameters - outputs) / (inputs + 1 + outputs)))
        scaling = AffineScaling.fit(self.X)
        x = torch.from_numpy(scaling.transform(self.X))
        mean, deviation = (0.0, 1.0) if outputs > 1 else (self.y.mean(), self.y.std() or 1.0)
        if self.task == "regression":
            problem = Regression(x, torch.from_numpy((self.y - mean) / deviation), validation=0.2, seed=self.seed)
        else:
            problem = Classification(x, torch.from_numpy(labels), classes=outputs, validation=0.2, seed=self.seed)
        trained = []
        for seed in range(self.seed, self.seed + STARTS):
            model = MLP([inputs, nodes, outputs], activation="tanh", seed=seed, dtype=torch.float64)
            report = fit(model, problem, steps=STEPS, patience=PATIENCE)
            trained.append((report.validation_loss, seed, model))
        model = min(trained, key=lambda one: one[:2])[2]
        with torch.no_grad():
            output = model(torch.from_numpy(scaling.transform(self.X_test))).numpy()
        prediction = mean + deviation * output[:, 0] if self.task == "regression" else classes[output.argmax(1)]
        count = sum(p.numel() for p in model.parameters())
        return self._scored(prediction, count, time.perf_counter() - start)


def _data(e: _Evidence) -> list[Branch]:
    """What comes before the guide: are there enough rows, and is the function smooth?"""
    grows = e.ahead("KAN", "KAN on half the rows")
    enough = Branch(
        "data",
        "Enough samples?",
        "more would help" if grows else "yes",
        "either",
        f"{e.name} on held-out rows with all {e.rows:,} training rows {e.kan.score:.3f}, with half of them "
        f"{e.fitted['KAN on half the rows'].score:.3f}; {e.rows / e.kan.parameters:.1f} rows for each parameter.",
    )
    rough = e.ahead("boosting", "KAN") and e.ahead("boosting", "MLP")
    smooth = Branch(
        "data",
        "Smooth?",
        "no" if rough else "yes",
        "neither" if rough else "either",
        f"{e.name}: {e.told('KAN', 'MLP', 'boosting')}; "
        + ("steps suit trees, not smooth networks." if rough else "steps are not needed."),
        "KANs need smoothness more than MLPs do (Hou et al., arXiv 2407.11075)." if rough else "",
    )
    return [enough, smooth]


def _accuracy(e: _Evidence) -> list[Branch]:
    best = max(score for score in (e.kan.score, e.mlp.score) if score == score)
    sums = e.fitted["additive KAN"].score >= best - max(NOTABLE, e.kan.error)
    network = not sums and not e.ahead("MLP", "KAN")
    if sums:
        answer, reason = "yes, a sum of functions of one input each", "nothing is gained by mixing inputs"
    elif network:
        answer, reason = "yes, functions of sums of functions", "a small KAN with hidden nodes is enough"
    else:
        answer, reason = "none that a small KAN could use", "the MLP gains from mixing inputs, the KAN does not"
    compositional = Branch(
        "accuracy",
        "Compositional structure?",
        answer,
        "KAN" if sums or network else "either",
        f"{e.name}: {e.told('additive KAN', 'KAN', 'MLP')}: {reason}; strongest interaction of two inputs "
        f"{e.pair:.0%} of the variation.",
    )
    curved = e.ahead("KAN", "linear") or e.ahead("MLP", "linear")
    complicated = Branch(
        "accuracy",
        "Complicated function?",
        "yes" if curved else "no, nearly linear",
        "KAN" if curved else "either",
        f"{e.name}: {e.told('linear', 'KAN', 'MLP')}.",
        EQUAL if curved else "",
    )
    continual = Branch(
        "accuracy",
        "Continual learning?",
        "a table does not tell",
        "either",
        "The guide says KAN where data come piece by piece in one dimension.",
        FORGETS,
    )
    return [compositional, complicated, continual]


def _interpretability(e: _Evidence) -> list[Branch]:
    share = np.sort(e.importance)[::-1].cumsum() / max(float(e.importance.sum()), 1e-300)
    needed = int(np.searchsorted(share, CARRY) + 1)
    low = needed <= MOST_INPUTS
    dimension = Branch(
        "interpretability",
        "Dimension?",
        "low" if low else "high",
        "KAN" if low else "neither",
        f"{min(needed, len(share))} of {len(share)} inputs carry {CARRY:.0%} of the influence on the KAN’s output.",
    )
    level = Branch(
        "interpretability",
        "Qualitative or quantitative?",
        "a formula can be tried" if low else "qualitative at best",
        "KAN" if low else "either",
        "Effects of single inputs can be read off either model; functions on edges and formulas only off a KAN "
        f"({e.kan.parameters:,} parameters here).",
    )
    return [dimension, level]


def _efficiency(e: _Evidence) -> list[Branch]:
    little = e.fitted["small MLP"]
    smaller = e.kan.parameters < e.mlp.parameters and not e.ahead("MLP", "KAN")
    needed = smaller and e.ahead("KAN", "small MLP")
    answer = "then the KAN" if needed else "no gain from a KAN"
    if smaller and not needed:
        answer = "an MLP of the KAN’s size does as well" if not e.ahead("small MLP", "KAN") else "then a small MLP"
    small = Branch(
        "efficiency",
        "Small model wanted?",
        answer,
        "KAN" if needed else "either",
        f"{e.name}: KAN of {e.kan.parameters:,} parameters {e.kan.score:.3f}, MLP of {little.parameters:,} "
        f"{little.score:.3f}, of {e.mlp.parameters:,} {e.mlp.score:.3f}.",
        SMALL_MLP,
    )
    ratio = e.kan.seconds / max(e.mlp.seconds, 1e-9)
    fast = Branch(
        "efficiency",
        "Fast training wanted?",
        "then the MLP" if ratio > 1.2 else "either, by the clock",
        "MLP" if ratio > 1.2 else "either",
        f"KAN {e.kan.seconds:.1f} seconds with its search, MLP {e.mlp.seconds:.1f} with its tuning.",
        "" if ratio > 1.2 else "The guide says MLP; trained by second-order steps a KAN need not be slower.",
    )
    return [small, fast]


_BRANCHES = {"accuracy": _accuracy, "interpretability": _interpretability, "efficiency": _efficiency}


def _verdict(branches: list[Branch], e: _Evidence) -> tuple[str, str]:
    """What the answers come to; a measured difference in accuracy goes before the guide."""
    scores = f"{e.name} on held-out rows: {e.told('KAN', 'MLP', 'linear', 'boosting')}"
    advice = [branch.advice for branch in branches]
    if next(branch for branch in branches if branch.question == "Smooth?").advice == "neither":
        return "neither", f"boosted trees are ahead of both ({scores})."
    if e.ahead("MLP", "KAN"):
        said = ", whatever the guide says" if "KAN" in advice else ""
        return "MLP", f"it is ahead on these data{said} ({scores})."
    if e.ahead("KAN", "MLP"):
        return "KAN", f"it is ahead on these data ({scores})."
    if "KAN" in advice:
        reasons = [branch.question.rstrip("?").lower() for branch in branches if branch.advice == "KAN"]
        slow = "; it takes longer to train" if "MLP" in advice else ""
        return "KAN", f"both are equally accurate here, and it is favoured by: {', '.join(reasons)}{slow} ({scores})."
    if "MLP" in advice:
        return "MLP", f"both are equally accurate here, and it trains faster ({scores})."
    return "either", f"nothing speaks for one of them ({scores})."
