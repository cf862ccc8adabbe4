"""Stages of one input at a time: straight lines, curves, and a plain model after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage, with_best_factor

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class StraightLines(Stage):
    """A straight line of each input; the slopes share one ridge."""

    name = "linear"
    share = 0.1

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare lines with the constant."""
        return _with_own_penalty(search, best, Candidate(search.family, linear=True), "Linear model")


class Curves(Stage):
    """A curve of each input."""

    name = "additive"
    share = 0.1

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare curves with lines, or with the constant."""
        best = _with_own_penalty(search, best, Candidate(search.family), "Additive model")
        if not best.additive:
            search.sentences.append("No input predicts held-out rows.")
        return best


class PlainAgain(Stage):
    """A constant or linear model after all, where folds show the chosen one to be worse.

    No open table gains by it. It stays for tiny tables: without it the golden table of 21 rows goes from 0.10 to 0.15
    of the variance unexplained (standard error 0.03).
    """

    name = "plain"
    share = 0.9

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether folds judged the best model, and not the plain ones, which rows left out one by one did."""
        return best in search.table.by_folds and best.additive and not best.linear

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare the plain models with the best by folds."""
        table = search.table
        constant = Candidate(search.family, additive=False)
        search.cross_validate((constant, Candidate(search.family, linear=True)), self.share)
        for plain in [candidate for candidate in table.by_folds if not candidate.additive or candidate.linear]:
            gain, error = table.gain(best, plain)
            if gain > 0:
                sentence = table.sentence(f"The {plain.describe()} model", (best, plain), gain, error, True)
                table.dismiss(best)
                table.decide(plain, sentence, True)
                best = plain
        return best


def _with_own_penalty(search: Search, best: Candidate, candidate: Candidate, words: str) -> Candidate:
    """Return the better of the best model and a richer one, with the factor of its penalty that folds choose."""
    search.assess((candidate,), 0.1)
    search.fit_seconds[candidate] += search.design_seconds
    candidate = with_best_factor(search, candidate, 0.12)
    return search.better(best, candidate, words)
