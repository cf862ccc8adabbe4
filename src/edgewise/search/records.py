"""The record of a search: a table of candidates with their losses, and the reasons for the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgewise.outcomes import StopReason
from edgewise.presentation import html_table, number_text, r2_text, text_table

FOLDS_DIFFER = "a fold leaves out many rows, the lines above one row at a time: compare figures within a line"


@dataclass(frozen=True)
class Trial:
    """One row of the table of candidates.

    Parameters
    ----------
    name : str
        What the candidate is, in a few words.
    loss : float
        Mean held-out loss.
    error : float
        Standard error of that mean.
    parameters : int
        Number of free coefficients: those that were estimated, are not zero and do not follow from others, as one class
        does. Of the chosen model they are counted in the fit to all rows, of another candidate in the largest fit.
    folds : int
        Fits with held-out samples behind the loss.
    seconds : float
        Wall seconds of these fits.
    work : float
        Multiply-adds of these fits, about.
    taken : bool
        Whether the candidate replaced the one before.
    reason : str
        Why, in sentences.

    Examples
    --------
    >>> Trial("additive", loss=0.12, error=0.01, parameters=80, folds=5).loss
    0.12
    """

    name: str
    loss: float
    error: float
    parameters: int
    folds: int
    seconds: float = field(default=0.0, compare=False)
    work: float = 0.0
    taken: bool = False
    reason: str = ""

    @property
    def kind(self) -> str:
        """What the candidate is without its penalties, such as "additive with pairs"."""
        return self.name.partition(",")[0]


@dataclass(frozen=True)
class SearchReport:
    """Result of a search: the candidates in order of richness and the reasons for the choice.

    As text it is the table of candidates.

    Parameters
    ----------
    chosen : str
        What the chosen model is.
    trials : tuple of Trial
        All candidates, from the simplest on.
    sentences : tuple of str
        Reasons for the choice, one sentence each.
    folds : int
        Fits with held-out samples behind each loss; 1 for a single held-out part, 0 if nothing was held out.
    work : float
        Multiply-adds that were spent, about.
    stopped : StopReason
        CONVERGED, TIME_LIMIT or INTERRUPTED.
    seconds : float
        Wall seconds.
    linear_gain : (float, float), optional
        By how much the held-out loss of the chosen model is below that of a linear one, and the standard error of this;
        None where the two were not judged by the same rows, or no curve was chosen.

    Examples
    --------
    >>> rows = (Trial("constant", 1.0, 0.1, 1, 5), Trial("additive", 0.2, 0.02, 40, 5, taken=True))
    >>> report = SearchReport("additive", rows, ("Chosen of 2 candidates: additive.",), 5, 1e6, StopReason.CONVERGED)
    >>> print(report)  # doctest: +NORMALIZE_WHITESPACE
    candidate  held-out loss  standard error  coefficients  seconds  taken
    constant               1             0.1             1        0  no
    additive             0.2            0.02            40        0  yes
    >>> report.line
    'Explained on held-out rows, as a share of the loss of a constant: additive 0.800.'
    """

    chosen: str
    trials: tuple[Trial, ...]
    sentences: tuple[str, ...]
    folds: int
    work: float
    stopped: StopReason
    seconds: float = field(default=0.0, compare=False)
    linear_gain: tuple[float, float] | None = None

    @property
    def chosen_trial(self) -> Trial | None:
        """The row of the chosen model; None for the constant with which a search begins.

        It is not always the last row that was taken: a richer model may have been taken instead of a variant of itself
        and lost against the chosen one after that.
        """
        taken = [trial for trial in self.trials if trial.taken]
        own = [trial for trial in taken if trial.name == self.chosen] or taken
        return own[-1] if own else None

    def with_coefficients(self, count: int) -> SearchReport:
        """Return the record with the number of free coefficients of the model that was fitted in the end."""
        chosen = self.chosen_trial
        trials = tuple(replace(one, parameters=count) if one is chosen else one for one in self.trials)
        return replace(self, trials=trials)

    @property
    def line(self) -> str:
        """The search in one line: what the best model of each kind explains of held-out rows; "" without candidates.

        It is the share of the held-out loss of a constant, for squared errors R². A kind whose loss was measured on
        other folds than that of the chosen model is left out, for it cannot be compared.
        """
        chosen = self.chosen_trial
        if chosen is None:
            return ""
        comparable = [trial for trial in self.trials if trial.folds == chosen.folds and trial.name != "constant"]
        constants = [trial.loss for trial in self.trials if trial.name == "constant"]
        if not constants or not constants[0] > 0:
            return ""
        best: dict[str, float] = {}
        for trial in comparable:
            best[trial.kind] = min(trial.loss, best.get(trial.kind, trial.loss))
        shares = ", ".join(f"{kind} {r2_text(1 - loss / constants[0])}" for kind, loss in best.items())
        return f"Explained on held-out rows, as a share of the loss of a constant: {shares}."

    def __repr__(self) -> str:
        if len(self.trials) == 1:
            tried = "1 candidate"
        else:
            tried = f"{len(self.trials)} candidates"
        return f"<SearchReport: {self.chosen}, chosen of {tried}, {self.stopped}>"

    def __str__(self) -> str:
        # A line for each candidate that was tried.
        names = ("candidate", "held-out loss", "standard error", "coefficients", "seconds", "taken")
        rows = [
            (
                trial.name,
                number_text(trial.loss),
                number_text(trial.error, 2),
                f"{trial.parameters:,}",
                number_text(trial.seconds, 2),
                "yes" if trial.taken else "no",
            )
            for trial in self.trials
        ]
        if not rows:
            return " ".join(self.sentences)
        return text_table(names, rows, text_columns=(0, 5))

    def _repr_html_(self) -> str:
        rows = [
            (t.name, number_text(t.loss, 3), number_text(t.error, 2), f"{t.parameters:,}", "yes" if t.taken else "no")
            for t in self.trials
        ]
        head = ("candidate", "held-out loss", "standard error", "coefficients", "taken")
        chosen = self.chosen_trial
        if chosen is None:
            marked = None
        else:
            marked = self.trials.index(chosen)
        table = html_table(head, rows, caption=f"Search: {self.chosen}", marked=marked, notes=filter(None, [self.line]))
        reasons = html_table(head, (), notes=self.sentences)
        return f"{table}<details><summary>Why each was taken or not</summary>{reasons}</details>"


def comparison_sentence(
    what: str, losses: tuple[str, str], error: float, taken: bool, by_folds: bool, earlier: Sequence[str]
) -> str:
    """Return the sentence about a comparison of two candidates.

    `what` is what the richer candidate, which was taken or not, has beyond the other; `losses` are its held-out loss in
    words and that of the other, by models of folds or of all rows but one, and `error` is the standard error of the
    difference. The first sentence about folds after one about single rows explains why figures differ, hence the
    `earlier` sentences.
    """
    rows = "held-out rows"
    end = "taken" if taken else "not taken"
    if by_folds:
        rows = "held-out folds"
        text = " ".join(earlier)
        if "on held-out rows" in text and FOLDS_DIFFER not in text:
            end += f" ({FOLDS_DIFFER})"
    return (
        f"{what}: {losses[0]} on {rows}, {losses[1]} without (standard error of the difference "
        f"{number_text(error, 1)}): {end}."
    )
