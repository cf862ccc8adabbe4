"""The stage of a polynomial of all inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Polynomial(Stage):
    """A polynomial of all inputs inside a link in place of curves and pairs, where few inputs act together."""

    name = "polynomial"
    share = 0.65

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether pairs of few inputs were taken and something is left to explain."""
        rows, inputs = search.samples.x.shape
        if search.settings.hidden is not None or search.settings.constraints is not None:
            return False
        if not best.pairs or not best.family.is_least_squares or not search.policy.may_be_smooth(rows, inputs):
            return False
        return search.samples.y.shape[1] == 1 and search.table.loss(best) >= search.policy.noise_free

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare the polynomial with the best model by folds."""
        assert search.cache is not None
        base = best
        policy = search.policy
        search.budget.report("smooth function of all inputs", self.share)
        search.check_time(base, 20)
        smooth = search.cache.smooth
        if smooth is None or not smooth.dispersion < search.table.loss(base):
            return base
        rich = Candidate(search.family, pairs=True, smooth=True)
        search.cross_validate((base, rich), self.share + 0.02, policy.hidden_folds)
        # Of two inputs a pair is a surface as well; of more, a polynomial is harder to read.
        margin = policy.nested_margin
        if search.samples.x.shape[1] > 2:
            margin = policy.margin
        words = f"A polynomial of all inputs inside the {smooth.polynomial.link.name} function"
        return search.better(base, rich, words, margin)
