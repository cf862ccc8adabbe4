"""What a stage of a search is (`Stage`), and the steps that several stages share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgewise.gam.families.base import Family
from edgewise.presentation import number_text
from edgewise.search.candidates import Candidate

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Stage:
    """One step of a search, which proposes richer candidates than the best so far."""

    name: ClassVar[str]  # by which an ablation leaves it out
    share: ClassVar[float]  # of the planned work that is done where the stage begins

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether the settings and the rows of a search allow the stage."""
        return True

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Return the best candidate after the stage: a richer one, or the one before."""
        raise NotImplementedError


def with_best_factor(search: Search, candidate: Candidate, share: float) -> Candidate:
    """Change all strengths by a common factor while that lowers the held-out loss, where REML may be wrong.

    It is for classes, and where the likelihood does not know the noise of the rows.
    """
    is_single = search.samples.y.ndim == 1 or search.samples.y.shape[1] == 1
    is_doubtful = search.family.is_classes or (not search.is_noise_known and is_single)
    if not is_doubtful or not search.divided():
        return candidate
    plain = replace(candidate, factor=1.0).describe()

    def is_better(factor: float, other_factor: float) -> bool:
        one = replace(candidate, factor=factor)
        other = replace(candidate, factor=other_factor)
        search.assess((other,), share)
        words = f"{number_text(other_factor)} times the penalty of the {plain} model"
        return search.validate(one, other, words, is_quiet=True)

    return replace(candidate, factor=search.policy.best_factor(is_better, candidate.factor))


def best_of_pairs(search: Search, best: Candidate, family: Family, share: float) -> Candidate:
    """Let pairs of inputs act together; return the better of the two candidates of the family."""
    assert search.cache is not None
    is_own = family is search.family
    simple = Candidate(family)
    rich = Candidate(family, pairs=True)
    if is_own and not best.linear and best.additive:
        simple = best
    constraints = search.settings.constraints
    if search.samples.x.shape[1] < 2 or (constraints is not None and not constraints.allows_pairs):
        return simple
    search.budget.report(rich.describe(), share)
    search.check_time(simple, 2)
    began = search.budget.seconds
    fitted = search.cache.fit(rich)
    search.fit_seconds[rich] = search.budget.seconds - began
    if not fitted.model.pairs:
        search.sentences.append(
            f"No pair of inputs explains more of the residuals than the best of all pairs would by chance"
            f"{family.scale_words}."
        )
        return simple
    # A fall of the noise to less than a share of it is no chance; smaller ones are judged by folds.
    noise = [float(np.mean(search.cache.estimate(c).fits[0].dispersion)) for c in (simple, rich)]
    is_settled = noise[1] < search.policy.settled_noise * noise[0]
    if search.is_noise_known and family.is_least_squares and is_settled:
        search.leave_one_out(rich, share)
    else:
        search.cross_validate((simple, rich), share)
        if is_own or family.is_classes:
            rich = with_best_factor(search, rich, share)
    return search.better(simple, rich, f"Pairs of inputs{family.scale_words}", search.policy.nested_margin)
