"""The stage of means of models that see parts of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgewise.presentation import percent_text
from edgewise.search.candidates import Candidate
from edgewise.search.comparisons import loss_text
from edgewise.search.stages.base import Stage

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class Mean(Stage):
    """The mean of models that are fitted to parts of the rows, where such models differ enough."""

    name = "mean"
    share = 0.6

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether inputs are used, and the table is small and not easily predicted."""
        policy = search.policy
        if not best.additive or not policy.fewest_for_means <= len(search.samples) <= policy.bag_rows:
            return False
        if best.family.logit_lines is not None:  # each part has constants of its own
            return False
        # Where little is left, models of parts of the rows hardly differ; classes differ near a border.
        little = policy.bag_loss * search.table.loss(Candidate(search.family, additive=False))
        return search.family.is_classes or search.table.loss(best) >= little

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare the mean with one model of a part of the rows.

        The parts of two divisions give every row two predictions by models that did not see it. The mean of the two
        has a loss that is lower by half of what resampling adds to the loss of one, so the loss of a mean of many
        follows without fitting means in folds.
        """
        # The losses of one model of a part of the rows, and by two divisions that of a mean.
        single = best
        policy = search.policy
        table = search.table
        if single not in table.by_folds:
            search.cross_validate((single,), self.share)
        rich = replace(single, models=policy.bags)
        losses, mean, gain, error = table.record_mean(rich, single)
        # The mean is taken where its gain is clear, and not only by chance.
        loss = mean + gain
        is_better = gain > max(policy.least_gain * loss, policy.nested_margin * error)
        words = f"The mean of {rich.models} models, each fitted to {percent_text(policy.bag_share)} of the rows"
        end = "taken"
        if not is_better:
            end = "not taken, since they hardly differ"
        texts = loss_text(mean, search.family), loss_text(loss, search.family)
        table.decide(rich, f"{words}: {texts[0]} on held-out folds, {texts[1]} of one of them: {end}.", is_better)
        if not is_better:
            return single
        table.by_folds[rich] = replace(table.by_folds[single], losses=losses)
        return rich
