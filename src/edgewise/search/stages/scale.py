"""The stages of another scale of the target: the logarithm of a number, and the order of classes that are numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgewise.gam.families.categorical import Ordered
from edgewise.gam.families.exponential import LogNormal
from edgewise.search.candidates import Candidate
from edgewise.search.stages.base import Stage, best_of_pairs

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Logarithm(Stage):
    """The logarithm of y, with curves and with pairs.

    None of the 25 open tables takes it. It stays for targets of multiplicative noise: without it the golden table of
    such a target goes from 0.20 to 0.44 of the variance unexplained (standard error 0.07).
    """

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
        # A race of the curves of both scales: pairs of the logarithm are fitted where its curves are not far behind.
        log = Candidate(LogNormal())
        search.assess((log,), self.share)
        curves = replace(best.base, pairs=False)
        if not search.table.have_common_evidence(curves, log):  # curves were judged by folds
            search.cross_validate((curves, log), self.share)
        gain, error = search.table.gain(curves, log)
        has_pairs = gain > -search.policy.race_margin * error and search.settings.hidden is None
        return better_scale(search, best, log, "The logarithm of y", self.share, has_pairs)


class Order(Stage):
    """One predictor for classes that are numbers, where those that are easily confused are neighbours."""

    name = "order"
    share = 0.4

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether held-out probabilities are nearer to the classes in this order than in most others."""
        levels = np.asarray(search.family.levels)
        if not len(levels) or not best.additive or best not in search.table.by_folds:
            return False
        # A permutation test (Fisher, "The Design of Experiments", 1935, section 21): the mean squared distance between
        # the class of a row and one that is drawn with its probabilities, beside that under permuted classes.
        links = search.table.evidence(best).links
        seen = np.isfinite(links).all(1)
        confusion = np.zeros((len(levels), len(levels)))
        np.add.at(
            confusion, search.samples.y[seen], search.samples.weight[seen, None] * search.family.mean(links[seen])
        )
        distance = (levels[:, None] - levels) ** 2
        rng = np.random.default_rng(search.settings.seed)
        orders = [rng.permutation(len(levels)) for _ in range(search.policy.orders)]
        permuted = [float((confusion * distance[np.ix_(order, order)]).sum()) for order in orders]
        own = float((confusion * distance).sum())
        return own <= float(np.quantile(permuted, search.policy.order_level, method="lower"))

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare the probabilities of the classes."""
        # Curves alone say nothing about pairs of one predictor: those of all classes together hold pairs as well.
        curves = Candidate(Ordered(len(search.family.levels), search.family.levels))
        has_pairs = search.settings.hidden is None
        return better_scale(search, best, curves, "One predictor for classes in their order", self.share, has_pairs)


def better_scale(
    search: Search, best: Candidate, curves: Candidate, words: str, share: float, has_pairs: bool
) -> Candidate:
    """Return the better of the best candidate and one of another scale, with curves alone or with pairs."""
    rich = curves
    if has_pairs:
        rich = best_of_pairs(search, best, curves.family, share + 0.05)
    if not search.table.have_common_evidence(best, rich):
        search.cross_validate((best, rich), share + 0.1)
    least = search.policy.least_gain * search.table.loss(best)
    better = search.better(best, rich, words, search.policy.nested_margin, least)
    if rich != curves:  # the sentence stands for both candidates
        search.table.decide(curves, search.table.trial(rich).reason, False, quiet=True)
    # Hidden nodes may be what the other scale lacks, where it is not far behind.
    (rival,) = {best, rich} - {better}
    gain, error = search.table.gain(rival, better)
    if gain < search.policy.race_margin * error:
        search.rivals.append(rival)
    return better
