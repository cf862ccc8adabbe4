"""The stage of a network with two hidden layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewise.search.candidates import Candidate
from edgewise.search.fixed_shape import FixedShape
from edgewise.search.stages.base import Stage
from edgewise.search.stages.given import with_best_strength

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class DeepNetwork(Stage):
    """A network with two hidden layers in place of curves, where neighbouring rows have alike residuals."""

    name = "deep network"
    share = 0.85

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether the loss can train a network, trials are affordable, and the residuals are no noise."""
        settings = search.settings
        policy = search.policy
        rows, inputs = search.samples.x.shape
        is_open = settings.hidden is None and settings.constraints is None and search.samples is search.all_rows
        if not is_open or not best.additive or inputs < 2 or rows < policy.fewest_rows:
            return False
        # Squared errors on the scale of the target: other losses have no quick trials.
        if not best.family.is_least_squares or best.family.log_link or search.table.loss(best) < policy.noise_free:
            return False
        # The work of a step of Levenberg-Marquardt: its normal equations.
        parameters = FixedShape(policy.deep_shape).parameters(inputs, settings.outputs)
        if rows * parameters**2 > policy.deep_work:
            return False
        # A polynomial was taken for the same reason; its own residuals may be too rough for their neighbours to tell.
        return best.smooth or search.has_smooth_residual()

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Compare the network with the best model on folds, then try other strengths of its regularisation."""
        policy = search.policy
        rich = Candidate(search.family, shape=FixedShape(policy.deep_shape))
        search.check_time(best, 20)
        search.cross_validate((best, rich), self.share, policy.hidden_folds)
        if not search.validate(best, rich, "A network of two hidden layers", policy.margin):
            return best
        search.best = rich  # it stays if the time ends before other strengths
        return with_best_strength(search, rich, self.share, policy.hidden_folds)
