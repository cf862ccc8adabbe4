"""The stages of hidden nodes beside curves, and of hidden layers in their place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgewise.presentation import percent_text
from edgewise.search.candidates import Candidate
from edgewise.search.fixed_shape import FixedShape
from edgewise.search.hidden_nodes import residual_gain, too_large
from edgewise.search.stages.base import Stage
from edgewise.search.stages.given import with_best_strength

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class HiddenNodes(Stage):
    """Functions of weighted sums of the inputs, where the residual of the best model shows such structure."""

    name = "hidden nodes"
    share = 0.7

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether rows and inputs are enough, and the loss tells of curvature and is not small."""
        rows, inputs = search.samples.x.shape
        if search.settings.hidden is not None or search.settings.constraints is not None:
            return False  # a hidden node is a function of all inputs
        if best.smooth and not search.has_smooth_residual():
            return False
        if inputs < 2 or rows < search.policy.fewest_rows:
            return False
        return not search.family.has_kink and search.table.loss(best) >= search.policy.noise_free

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Add nodes while they lower the held-out loss, after a test of the residual; beside rivals of the best too."""
        for base in (best, *search.rivals):
            best = self._grown(search, best, base)
        return best

    def _grown(self, search: Search, best: Candidate, base: Candidate) -> Candidate:
        """Return the best candidate after nodes beside a model, the best one or its rival on another scale."""
        # Hidden nodes are tried beside the single model, not beside a mean of models, and only if residuals have
        # structure.
        policy = search.policy
        single = Candidate(base.family, pairs=base.pairs, steps=base.steps)
        if not self._has_structure(search, base, single):
            return best
        plain = replace(base, models=1)
        if base is not best:
            plain = best
        inputs = search.samples.x.shape[1]
        predictors = search.working_residual(single)[0].shape[1]
        # Sizes from small to large, each on held-out folds, as long as the larger one wins.
        for number, size in enumerate(policy.hidden_sizes):
            if reason := too_large(inputs, predictors, size, policy.growth(len(search.samples))):
                search.sentences.append(reason)
                break
            rich = replace(single, nodes=size)
            search.check_time(base, 20)
            search.cross_validate((plain, rich), self.share + 0.08 * number, policy.hidden_folds)
            simple = plain
            if best in search.table.by_folds:
                simple = best
            if not search.validate(simple, rich, f"{size} hidden nodes{base.family.scale_words}", policy.margin):
                break
            best = rich
            search.best = rich  # it stays if the time ends before more nodes
        return best

    def _has_structure(self, search: Search, base: Candidate, single: Candidate) -> bool:
        """Return whether two ridge functions predict residuals of rows that they did not see."""
        # Residuals of the single model, at inputs within their training range.
        policy = search.policy
        search.budget.report("test of the residual", self.share)
        search.check_time(base, 1)
        assert search.cache is not None
        x = np.clip(search.samples.x, *search.cache.design.limits.T)
        residual, weight = search.working_residual(single)
        most = policy.growth(len(x))
        if reason := too_large(x.shape[1], residual.shape[1], policy.hidden_sizes[0], most):
            search.sentences.append(reason)
            return False
        blocks = search.samples.blocks
        # What two ridge functions explain on rows that they did not see, with its standard error.
        gain, error = residual_gain(x, residual, weight, policy=policy, seed=search.settings.seed, blocks=blocks)
        if not gain > policy.margin * error:
            search.sentences.append(
                f"Hidden nodes{base.family.scale_words} were not tried: no function of a weighted sum of the inputs "
                "predicts the residuals."
            )
            return False
        search.sentences.append(
            f"Functions of weighted sums of the inputs explain {percent_text(gain)} of the residuals (standard error "
            f"{percent_text(error)}), so hidden nodes{base.family.scale_words} were tried."
        )
        return True


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
