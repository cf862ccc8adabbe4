"""The stage of steps of curves and pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgewise.presentation import counted
from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Steps(Stage):
    """Steps of curves and pairs, where score tests find them: cubic splines alone go up over some intervals."""

    name = "steps"
    share = 0.55

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether curves were taken, of one linear predictor, and nothing is known of their shape."""
        if not best.additive or best.linear or search.settings.constraints is not None or search.family.has_kink:
            return False
        has_one_output = search.samples.y.size == len(search.samples)
        return best.family.predictors == 1 and has_one_output and len(search.samples) >= search.policy.fewest_rows

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare a model with steps with one without by folds: places of steps are chosen by the rows themselves."""
        assert search.cache is not None
        search.budget.report("steps", self.share)
        search.check_time(best, 6)
        cuts = search.cache.find_cuts(best)
        if not cuts:
            return best
        rich = replace(best, steps=True)
        search.cross_validate((best, rich), self.share)
        count = sum(len(places) for places in cuts.values())
        words = f"{counted(count, 'step')} of {counted(len(cuts), 'input')}"
        return search.better(best, rich, words, search.policy.margin)
