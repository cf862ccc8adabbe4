"""Held-out evidence on candidates, their comparison, and the table of a search (`Comparisons`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.model import AdditiveModel
from edgewise.outcomes import Budget
from edgewise.presentation import number_text, r2_text
from edgewise.search.candidates import Candidate, Fitted, Samples
from edgewise.search.records import Trial, comparison_sentence
from edgewise.search.validation import Evidence, clipped_squares, mean_and_error, paired_gain


class Comparisons:
    """Held-out evidence on the candidates of a search, and what was decided by it. Shapes: weight (N,), blocks (N,)."""

    def __init__(self, family: Family, weight: np.ndarray, budget: Budget, blocks: np.ndarray | None = None) -> None:
        self.family = family
        self.weight = weight
        self.budget = budget
        self.blocks = blocks
        self.without_row: dict[Candidate, Evidence] = {}
        self.by_folds: dict[Candidate, Evidence] = {}
        self.trials: list[Trial] = []
        self.sentences: list[str] = []

    def record(self, candidate: Candidate, losses: np.ndarray, coefficients: int, fits: int, seconds: float) -> None:
        """Add a row to the table, or replace the candidate's row by one with stronger evidence."""
        mean, error = mean_and_error(losses, self.weight, self.blocks)
        work = max(fits, 1) * len(self.weight) * float(coefficients) ** 2
        self.budget.work += work
        trial = Trial(candidate.describe(), mean, error, coefficients, fits, seconds, work)
        old = [number for number, one in enumerate(self.trials) if one.name == trial.name]
        if old:
            before = self.trials[old[0]]
            self.trials[old[0]] = replace(trial, taken=before.taken, reason=before.reason)
        else:
            self.trials.append(trial)
        self.budget.keep_best(mean)

    def record_mean(self, rich: Candidate, single: Candidate) -> tuple[np.ndarray, float, float, float]:
        """Add a row for the mean of several models that see parts of the rows, from the folds of one such model.

        Return the losses of the mean (N,), their mean, how much lower that is than that of one model, and the standard
        error of this.
        """
        evidence = self.by_folds[single]
        spread = 2 * (evidence.single_losses - evidence.losses)  # what resampling adds to the loss of one model
        losses = evidence.single_losses - spread * (1 - 1 / rich.models)
        loss, error = mean_and_error(losses, self.weight, self.blocks)
        self.trials.append(Trial(rich.describe(), loss, error, self.trial(single).parameters, evidence.fits))
        return losses, loss, *paired_gain(evidence.single_losses, losses, self.weight, self.blocks)

    def have_common_evidence(self, one: Candidate, other: Candidate) -> bool:
        """Return whether two candidates have been judged by evidence of the same kind."""
        return any({one, other} <= evidence.keys() for evidence in (self.by_folds, self.without_row))

    def gain(self, simple: Candidate, rich: Candidate) -> tuple[float, float]:
        """Compare two candidates by the strongest evidence that both have."""
        return paired_gain(*self.compared(simple, rich)[:2], self.weight, self.blocks)

    def compared(self, simple: Candidate, rich: Candidate) -> tuple[np.ndarray, np.ndarray, bool]:
        """Return the losses by which two candidates are compared, and whether they are those of folds."""
        for evidence in (self.by_folds, self.without_row):
            if {simple, rich} <= evidence.keys():
                first = evidence[simple]
                second = evidence[rich]
                if simple.models == rich.models:
                    return first.single_losses, second.single_losses, evidence is self.by_folds
                return first.losses, second.losses, evidence is self.by_folds
        raise AssertionError("the candidates have no common evidence")

    def evidence(self, candidate: Candidate) -> Evidence:
        """Return the strongest evidence on a candidate."""
        return self.by_folds.get(candidate) or self.without_row[candidate]

    def loss(self, candidate: Candidate) -> float:
        """Return the mean held-out loss of a candidate."""
        return mean_and_error(self.evidence(candidate).losses, self.weight)[0]

    def linear_gain(self, best: Candidate) -> tuple[float, float] | None:
        """Return by how much the loss of a candidate is below that of the best linear one, and its standard error.

        None without evidence of one kind on both.
        """
        known = [*self.by_folds, *self.without_row]
        lines = [one for one in known if one.linear and self.have_common_evidence(one, best)]
        if not best.additive or not lines:
            return None
        return self.gain(min(lines, key=self.loss), best)

    def trial(self, candidate: Candidate) -> Trial:
        """Return the row of a candidate in the table."""
        return next(trial for trial in self.trials if trial.name == candidate.describe())

    def decide(self, candidate: Candidate, sentence: str, taken: bool, *, quiet: bool = False) -> None:
        """Write a decision into the table and, unless `quiet`, among the sentences."""
        before = self.trial(candidate)
        reasons = " ".join(filter(None, [before.reason, sentence]))
        self.trials[self.trials.index(before)] = replace(before, taken=taken, reason=reasons)
        if not quiet:
            self.sentences.append(sentence)

    def dismiss(self, candidate: Candidate) -> None:
        """Mark a candidate as not taken that had been taken before."""
        place = self.trials.index(self.trial(candidate))
        self.trials[place] = replace(self.trials[place], taken=False)

    def sentence(
        self, what: str, compared: tuple[Candidate, Candidate], gain: float, error: float, better: bool
    ) -> str:
        """Write down a comparison of two candidates, with the figures by which it was decided."""
        losses, others, by_folds = self.compared(*compared)
        loss = mean_and_error(np.where(np.isfinite(others), losses, np.nan), self.weight)[0]
        texts = loss_text(loss - gain, self.family), loss_text(loss, self.family)
        return comparison_sentence(what, texts, error, better, by_folds, self.sentences)


def loss_text(loss: float, family: Family) -> str:
    """Write a loss as readers know it: R² of standardised targets, for other families the loss with its name."""
    if family.is_least_squares:
        text = f"R² {r2_text(1 - loss)}"
    else:
        text = f"{family.loss_name} {number_text(loss, 3)}"
    return text.replace("-", "\N{MINUS SIGN}")


def left_out(estimate: AdditiveModel, x: np.ndarray) -> np.ndarray:
    """Return the linear predictor of every row by the model without that row, (N, K)."""
    # With the strengths held, leaving a row of leverage h out moves its prediction by -h / (1 - h) times its working
    # residual: exactly for squared errors [1], and to first order for other losses [2].
    # [1] D. Allen, Technometrics 16 (1974) 125.
    # [2] K. Rahnama Rad and A. Maleki, J. R. Statist. Soc. B 82 (2020) 965.
    design = estimate.design
    eta = np.empty(estimate.residual.shape)
    for part in design.chunks(len(x)):
        columns = design.columns(x[part])
        for k, fit in enumerate(estimate.fits):
            weights = estimate.weights[part, min(k, estimate.weights.shape[1] - 1)]
            leverage = weights * ((columns @ fit.covariance) * columns).sum(1) / fit.dispersion
            # A row that decides its own prediction is left out with a hundredfold residual.
            leverage = np.clip(leverage, 0, 0.99)
            eta[part, k] = columns @ fit.coef - leverage / (1 - leverage) * estimate.residual[part, k]
    return eta


def sample_losses(fitted: Fitted, eta: np.ndarray, held: Samples) -> np.ndarray:
    """Return the loss of every held-out row, (N,).

    Squared errors are those of standardised targets, clipped, whatever the link; other families have their own loss.
    """
    family = fitted.family
    if family.is_normal:
        mean = eta
        if family.log_link:
            mean = family.predicted(eta[:, 0], fitted.range)[:, None] - held.offset
        return clipped_squares(mean, held.y)
    losses = family.loss(held.response(family), squeezed(eta))
    return np.minimum(losses, 1e6)  # larger than any loss of a sane prediction, and finite
