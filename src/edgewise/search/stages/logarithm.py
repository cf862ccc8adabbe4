"""The stage of the logarithm of the target.

None of the 25 open tables takes it. It stays for targets of multiplicative noise: without it the golden table of such a
target goes from 0.20 to 0.44 of the variance unexplained (standard error 0.07).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgewise.gam.families.exponential import LogNormal
from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage, best_of_pairs

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Logarithm(Stage):
    """The logarithm of y, with curves and with pairs."""

    name = "logarithm"
    share = 0.4

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether the target is positive and so skewed that its logarithm may be the better scale."""
        samples = search.samples
        if not search.family.is_least_squares or samples.y.ndim != 2 or samples.y.shape[1] != 1:
            return False
        constraints = search.settings.constraints
        if constraints is not None and not constraints.survive_transformations:
            return False
        y = search.all_rows.y[:, 0] + search.all_rows.offset
        skewed = float(y.max()) > search.policy.link_skew * float(y.mean())
        return float(y.min()) > 0 and skewed and len(np.unique(y)) > 3

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare on the scale of y."""
        policy = search.policy
        log = Candidate(LogNormal())
        search.assess((log,), self.share)
        # A race of the curves of both scales: pairs of the logarithm are fitted where its curves are not far behind.
        curves = replace(best.base, pairs=False)
        if not search.table.have_common_evidence(curves, log):  # curves were judged by folds
            search.cross_validate((curves, log), self.share)
        gain, error = search.table.gain(curves, log)
        rich = log
        if gain > -policy.race_margin * error and search.settings.hidden is None:
            rich = best_of_pairs(search, best, LogNormal(), self.share + 0.05)
        if not search.table.have_common_evidence(best, rich):
            search.cross_validate((best, rich), self.share + 0.1)
        least = policy.least_gain * search.table.loss(best)
        better = search.better(best, rich, "The logarithm of y", policy.nested_margin, least)
        if rich != log:  # the sentence stands for both candidates
            search.table.decide(log, search.table.trial(rich).reason, False, quiet=True)
        return better
