"""The stages of a search, from straight lines to hidden nodes; `STAGES` lists them for each effort.

A stage says whether it applies, fits richer candidates, lets `Search.validate` compare them with the best so far on
held-out rows, and returns the better one. The constant, with which a search begins, is no stage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgewise.gam.families import Family, LogNormal
from edgewise.presentation import number_text, percent_text
from edgewise.search.candidates import Candidate
from edgewise.search.comparisons import loss_text
from edgewise.search.hidden_nodes import residual_gain, too_large

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


class Pairs(Stage):
    """Surfaces of pairs of inputs beside the curves."""

    name = "pairs"
    share = 0.2

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether nothing was said of hidden nodes, without which a model is a sum of curves."""
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
        if not search.table.have_common_evidence(best, log):  # pairs were chosen by folds
            search.cross_validate((best, log), self.share)
        # A race: pairs of the logarithm are fitted only where its curves are not far behind.
        gain, error = search.table.gain(best, log)
        rich = log
        if gain > -policy.race_margin * error and search.settings.hidden is None:
            rich = best_of_pairs(search, best, LogNormal(), self.share + 0.05)
        if not search.table.have_common_evidence(best, rich):
            search.cross_validate((best, rich), self.share + 0.1)
        least = policy.least_gain * search.table.loss(best)
        is_better = search.validate(best, rich, "The logarithm of y", policy.nested_margin, least)
        if rich != log:  # the sentence stands for both candidates
            search.table.decide(log, search.table.trial(rich).reason, False, quiet=True)
        return rich if is_better else best


class Mean(Stage):
    """The mean of models that are fitted to parts of the rows, where such models differ enough."""

    name = "mean"
    share = 0.6

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether inputs are used, and the table is small and not easily predicted."""
        policy = search.policy
        if not best.additive or not policy.fewest_for_means <= len(search.samples) <= policy.bag_rows:
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
        single = best
        policy = search.policy
        table = search.table
        if single not in table.by_folds:
            search.cross_validate((single,), self.share)
        rich = replace(single, models=policy.bags)
        losses, mean, gain, error = table.record_mean(rich, single)
        loss = mean + gain
        is_better = gain > max(policy.least_gain * loss, policy.nested_margin * error)
        words = f"The mean of {rich.models} models, each fitted to {percent_text(policy.bag_share)} of the rows"
        end = "taken" if is_better else "not taken, since they hardly differ"
        texts = loss_text(mean, search.family), loss_text(loss, search.family)
        table.decide(rich, f"{words}: {texts[0]} on held-out folds, {texts[1]} of one of them: {end}.", is_better)
        if not is_better:
            return single
        table.by_folds[rich] = replace(table.by_folds[single], losses=losses)
        return rich


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
        margin = policy.margin if search.samples.x.shape[1] > 2 else policy.nested_margin
        words = f"A polynomial of all inputs inside the {smooth.polynomial.link.name} function"
        return rich if search.validate(base, rich, words, margin) else base


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
        if not 2 <= inputs <= search.policy.few_inputs or rows < search.policy.fewest_rows:
            return False
        return not search.family.has_kink and search.table.loss(best) >= search.policy.noise_free

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Add nodes while they lower the held-out loss, after a test of the residual."""
        base = best
        policy = search.policy
        single = Candidate(base.family, pairs=base.pairs)
        if not self._has_structure(search, base, single):
            return base
        plain = replace(base, models=1)
        inputs = search.samples.x.shape[1]
        predictors = search.family.predictors if search.samples.y.ndim == 1 else search.samples.y.shape[1]
        for number, size in enumerate(policy.hidden_sizes):
            if reason := too_large(inputs, predictors, size, policy):
                search.sentences.append(reason)
                break
            rich = replace(single, nodes=size)
            search.check_time(base, 20)
            search.cross_validate((plain, rich), self.share + 0.08 * number, policy.hidden_folds)
            simple = best if best in search.table.by_folds else plain
            if not search.validate(simple, rich, f"{size} hidden nodes", policy.margin):
                break
            best = rich
            search.best = rich  # it stays if the time ends before more nodes
        return best

    def _has_structure(self, search: Search, base: Candidate, single: Candidate) -> bool:
        """Return whether two ridge functions predict residuals of rows that they did not see."""
        policy = search.policy
        search.budget.report("test of the residual", self.share)
        search.check_time(base, 1)
        assert search.cache is not None
        x = np.clip(search.samples.x, *search.cache.design.limits.T)
        residual, weight = search.working_residual(single)
        if reason := too_large(x.shape[1], residual.shape[1], policy.hidden_sizes[0], policy):
            search.sentences.append(reason)
            return False
        blocks = search.samples.blocks
        gain, error = residual_gain(x, residual, weight, policy=policy, seed=search.settings.seed, blocks=blocks)
        if not gain > policy.margin * error:
            search.sentences.append(
                "Hidden nodes were not tried: no function of a weighted sum of the inputs predicts the residuals."
            )
            return False
        search.sentences.append(
            f"Functions of weighted sums of the inputs explain {percent_text(gain)} of the residuals (standard error "
            f"{percent_text(error)}), so hidden nodes were tried."
        )
        return True


class PlainAgain(Stage):
    """A constant or linear model after all, where folds show the chosen one to be worse."""

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


PLAIN: tuple[Stage, ...] = (StraightLines(), Curves(), PlainAgain())
FULL: tuple[Stage, ...] = (
    StraightLines(),
    Curves(),
    Pairs(),
    Logarithm(),
    Mean(),
    Polynomial(),
    HiddenNodes(),
    PlainAgain(),
)
STAGES: dict[str, tuple[Stage, ...]] = {"low": PLAIN, "normal": FULL, "high": FULL}
"""The stages of each effort, in their order."""


def _with_own_penalty(search: Search, best: Candidate, candidate: Candidate, words: str) -> Candidate:
    """Return the better of the best model and a richer one, with the factor of its penalty that folds choose."""
    search.assess((candidate,), 0.1)
    search.fit_seconds[candidate] += search.design_seconds
    candidate = with_best_factor(search, candidate, 0.12)
    return candidate if search.validate(best, candidate, words) else best


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
        words = "No pair of inputs" if is_own else "For the logarithm of y no pair of inputs"
        search.sentences.append(f"{words} explains more of the residuals than the best of all pairs would by chance.")
        return simple
    # A fall of the noise to less than a share of it is no chance; smaller ones are judged by folds.
    noise = [float(np.mean(search.cache.estimate(c).fits[0].dispersion)) for c in (simple, rich)]
    is_settled = noise[1] < search.policy.settled_noise * noise[0]
    if search.is_noise_known and family.is_least_squares and is_settled:
        search.leave_one_out(rich, share)
    else:
        search.cross_validate((simple, rich), share)
        if is_own:
            rich = with_best_factor(search, rich, share)
    words = "Pairs of inputs" if is_own else "Pairs of inputs for the logarithm of y"
    return rich if search.validate(simple, rich, words, search.policy.nested_margin) else simple
