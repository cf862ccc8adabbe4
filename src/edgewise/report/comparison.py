"""Models compared on the same held-out rows (`Comparison`), with one sentence about which of them to use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.metrics import METRICS, standard_error, wilson_interval
from edgewise.presentation import enumeration, html_table, number_text, percent_text, text_table

BEYOND_CHANCE = 2.0  # standard errors of a difference (about 95 % for normal errors)


@dataclass(frozen=True)
class ModelResult:
    """One model of a comparison."""

    name: str  # the model
    score: float | None  # score on the held-out rows; None if there is none, and `remark` gives the reason
    parameters: int | None = None  # coefficients that are free; None for models without a meaningful count
    seconds: float | None = None  # wall time of the fit
    error: float | None = None  # standard error of the score
    remark: str = ""  # a note below the name
    gap_error: float | None = None  # standard error of the difference between this score and the first model's

    @property
    def known(self) -> float | None:
        """The score; None where it is missing or not finite."""
        return self.score if self.score is not None and math.isfinite(self.score) else None


@dataclass(frozen=True)
class Comparison:
    """Models with their scores on the same held-out rows, the KAN first.

    As text and in a notebook it is a table with the verdict below it.

    Parameters
    ----------
    models : sequence of ModelResult
        The models.
    score_name : str
        What the score is, such as "accuracy" or "R²".
    is_share : bool
        Whether the score is shown in per cent.
    higher_is_better : bool
        False for an error.
    rows : str
        The held-out rows in words, such as "the 1,600 test rows".
    decided_by : Comparison, optional
        The same models by another score, which gives the verdict, see `by_losses`.

    Examples
    --------
    >>> linear = ModelResult("linear regression", 0.907, 9, gap_error=0.004)
    >>> Comparison([ModelResult("KAN", 0.921, 80), linear], "R²").verdict
    'Verdict: use the KAN, whose R² of 0.921 is 0.014 ahead of linear regression, beyond chance.'
    """

    models: Sequence[ModelResult] = ()
    score_name: str = "score"
    is_share: bool = False
    higher_is_better: bool = True
    rows: str = "the test rows"
    decided_by: "Comparison | None" = None

    @property
    def own(self) -> ModelResult | None:
        """The KAN, if it has a score."""
        for model in self.models[:1]:
            if model.known is not None:
                return model
        return None

    @property
    def sentences(self) -> list[str]:
        """The score of the KAN in a sentence, and the verdict; none where the KAN has no finite score."""
        own = self.own
        if own is None or own.score is None:
            return []
        spread = self.in_parentheses(own)
        score = f"On {self.rows} the {self.score_name} of the {own.name} is {self.score_text(own.score)}{spread}."
        if self.score_name == METRICS["r2"].name and own.score < 0:
            score += " Below 0 is worse than predicting the mean; a target with a long tail may need its logarithm."
        return [score, *filter(None, [self.verdict])]

    @property
    def verdict(self) -> str:
        """One sentence on which model to use and by how much; "" where differences have no standard errors."""
        if self.decided_by is not None:
            return self.decided_by.verdict
        own = self.own
        ahead, level, behind = self._places()
        if own is None or not ahead + level + behind:
            return ""
        # A better model, the simplest one that is as good, or the KAN.
        if behind:
            best = max(behind, key=lambda one: -self._gain(one))
            return f"Verdict: use {self._with_score(best)} is {self._gap(best)} ahead of the {own.name}, beyond chance."
        simpler = [one for one in level if (one.parameters or math.inf) <= (own.parameters or 0)]
        if simpler:
            simplest = min(simpler, key=lambda one: one.parameters or math.inf)
            if not simplest.gap_error and not self._gain(simplest):
                return f"Verdict: use {simplest.name}, which is simpler and as good on each row."
            chance = self._difference(BEYOND_CHANCE * (simplest.gap_error or 0.0))
            if self.score_text(simplest.score) == self.score_text(own.score):
                reached = f"the {self.score_name} of both is {self.score_text(own.score)}"
            else:
                place = "behind" if self._gain(simplest) > 0 else "ahead of"
                reached = f"its {self.score_name} is {self._gap(simplest)} {place} that of the {own.name}"
            difference = f"{reached}, and up to {chance} may be chance"
            return f"Verdict: use {simplest.name}, which is simpler and as good within chance: {difference}."
        # The KAN, ahead of the others or level with them.
        parts = []
        if ahead:
            gaps = enumeration([f"{self._gap(one)} ahead of {one.name}" for one in ahead])
            parts.append(f"is {gaps}, beyond chance")
        if level:
            parts.append(f"is as good as that of {enumeration([one.name for one in level])} within chance")
        return f"Verdict: use the {self._with_score(own)} {', and '.join(parts)}."

    @property
    def better(self) -> str:
        """Name of the best model that is ahead of the KAN beyond chance, "" if no model is."""
        if self.decided_by is not None:
            return self.decided_by.better
        behind = self._places()[2]
        if not behind:
            return ""
        return max(behind, key=lambda one: -self._gain(one)).name

    def _places(self) -> tuple[list[ModelResult], list[ModelResult], list[ModelResult]]:
        """Return the models that the KAN is ahead of beyond chance, level with, and behind; others have no error."""
        ahead: list[ModelResult] = []
        level: list[ModelResult] = []
        behind: list[ModelResult] = []
        for model in self.models[1:]:
            if None in (self.own, model.known) or model.gap_error is None or not math.isfinite(model.gap_error):
                continue
            gain = self._gain(model)
            if abs(gain) <= BEYOND_CHANCE * model.gap_error:
                level.append(model)
            elif gain > 0:
                ahead.append(model)
            else:
                behind.append(model)
        return ahead, level, behind

    def _gain(self, model: ModelResult) -> float:
        """Return by how much the KAN is better than another model."""
        assert self.own is not None and self.own.score is not None and model.score is not None
        if self.higher_is_better:
            return self.own.score - model.score
        return model.score - self.own.score

    def _gap(self, model: ModelResult) -> str:
        return self._difference(abs(self._gain(model)))

    def _with_score(self, model: ModelResult) -> str:
        return f"{model.name}, whose {self.score_name} of {self.score_text(model.score)}"

    # The table

    @property
    def head(self) -> tuple[str, ...]:
        """Titles of the columns of `table`."""
        if self.decided_by is None:
            return ("model", self.score_name, "coefficients", "seconds to fit")
        return ("model", self.score_name, self.decided_by.score_name, "coefficients", "seconds to fit")

    @property
    def order(self) -> list[ModelResult]:
        """The models, the best first, and those without a score last."""
        sign = -1 if self.higher_is_better else 1
        return sorted(self.models, key=lambda one: (one.known is None, sign * (one.known or 0.0)))

    def table(self) -> list[tuple[str, ...]]:
        """Return the cells of the models in `order` as texts."""
        rows: list[tuple[str, ...]] = []
        for model in self.order:
            cells = [model.name, self.score_with_error(model)]
            if self.decided_by is not None:
                deciding = self.decided_by.models[self.models.index(model)]
                cells.append(self.decided_by.score_text(deciding.score))
            parameters = "–" if model.parameters is None else f"{model.parameters:,}"
            rows.append((*cells, parameters, _seconds_text(model.seconds)))
        return rows

    def __str__(self) -> str:
        return "\n".join([text_table(self.head, self.table()), *self._remarks(), *filter(None, [self.verdict])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        marked = self.order.index(self.models[0]) if self.models else None
        notes = [*filter(None, [self.verdict]), *self._remarks(), f"Scores are those of {self.rows}; ± one error."]
        return html_table(self.head, self.table(), marked=marked, notes=notes)

    def _remarks(self) -> list[str]:
        return [f"{model.name}: {model.remark}." for model in self.models if model.remark]

    # Texts

    def score_text(self, score: float | None) -> str:
        """Return a score as text, in per cent or with four significant digits."""
        if score is None or not math.isfinite(score):
            return "–"
        if self.is_share:
            return percent_text(score, 3)
        return number_text(score)

    def score_with_error(self, model: ModelResult) -> str:
        """Return the score of a model with its standard error, or Wilson's interval of a share near 0 or 1."""
        text = self.score_text(model.score)
        if model.known is None or model.error is None or not math.isfinite(model.error):
            return text
        if not self.is_share:
            return f"{text} ± {number_text(model.error, 2)}"
        ends = self._ends_text(model)
        if ends:
            return f"{text} ({ends})"
        return f"{text} ± {100 * model.error:.1f}"

    def error_text(self, model: ModelResult) -> str:
        """Return the standard error of the score of a model, or its interval, in words; "" where it is not known."""
        if model.error is None or not math.isfinite(model.error):
            return ""
        if not self.is_share:
            return f"standard error {number_text(model.error, 2)}"
        return self._ends_text(model) or f"standard error {100 * model.error:.1f} percentage points"

    def in_parentheses(self, model: ModelResult) -> str:
        """Return what `error_text` does, in parentheses after a score."""
        error = self.error_text(model)
        if error:
            return f" ({error})"
        return ""

    def _ends_text(self, model: ModelResult) -> str:
        """Return Wilson's interval of a share that is no two standard errors away from 0 and 1, "" for others."""
        if model.known is None or not model.error or 2 * model.error <= model.known <= 1 - 2 * model.error:
            return ""
        low, high = wilson_interval(model.known, model.error)
        return f"95 % interval: {percent_text(low, 3)} to {percent_text(high, 3)}"

    def _difference(self, gap: float) -> str:
        """Return a difference of scores as text."""
        if not self.is_share:
            return number_text(gap, 2)
        points = f"{100 * gap:.1f}"
        if points == "1.0":
            return "1.0 percentage point"
        return f"{points} percentage points"


def by_losses(comparison: Comparison, losses: Sequence[np.ndarray | None]) -> Comparison:
    """Return a comparison of classifiers whose verdict is that of their log losses, as in the choice of a model.

    Shapes: losses (N,) of the rows for each model; None where they are not known. Shares of right rows differ beyond
    chance on many rows only.
    """
    # Mean losses with the standard errors of them and of their differences from the first model, row by row.
    own = losses[0]
    models = []
    for model, rows in zip(comparison.models, losses, strict=True):
        if own is None or rows is None:
            models.append(replace(model, score=None, error=None, gap_error=None))
            continue
        error, gap = (standard_error(one) for one in (rows, rows - own))
        models.append(replace(model, score=float(rows.mean()), error=error, gap_error=gap))
    kind = METRICS["log_loss"]
    decided = Comparison(models, kind.name, kind.is_share, kind.higher_is_better, comparison.rows)
    return replace(comparison, decided_by=decided)


def _seconds_text(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds:.2f}"
    if seconds < 100:
        return f"{seconds:.1f}"
    return f"{seconds:,.0f}"
