"""The stage of surfaces of pairs of inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage, best_of_pairs

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Pairs(Stage):
    """Surfaces of pairs of inputs beside the curves."""

    name = "pairs"
    share = 0.2

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether hidden nodes were left open, without which a model is a sum of curves."""
        return search.settings.hidden is None

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare pairs with curves, and with the best model if that is a simpler one."""
        rich = best_of_pairs(search, best, search.family, self.share)
        if not rich.pairs:
            return best
        if not search.table.have_common_evidence(best, rich):
            search.cross_validate((best, rich), self.share)
        if search.table.gain(best, rich)[0] > 0:
            return rich
        return best
