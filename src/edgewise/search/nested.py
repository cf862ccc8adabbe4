"""The search for the model of a table: nested candidates from the simplest on, judged on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING

import numpy as np

from edgewise.gam.families.base import Family
from edgewise.outcomes import Budget, OutOfTime, Progress, StopReason
from edgewise.presentation import counted
from edgewise.search.candidates import (
    Candidate,
    FitCache,
    Fitted,
    Samples,
    promising_inputs,
    structure_residual,
    with_own_covariances,
)
from edgewise.search.comparisons import Comparisons, left_out, sample_losses
from edgewise.search.hidden_nodes import smooth_residual
from edgewise.search.jobs import run_jobs
from edgewise.search.policy import SearchSettings
from edgewise.search.records import SearchReport
from edgewise.search.stages import GIVEN, STAGES
from edgewise.search.validation import Evidence, Fold, sampled

if TYPE_CHECKING:
    from edgewise.search.all_rows import AllRows


class Search:
    """A search over nested candidates, which the stages of its effort propose one after another."""

    # Candidates are fitted to all rows of the search. Where restricted likelihood has settled a question about squared
    # errors of independent rows, each row's loss is that of the model without the row, which costs no further fit
    # (`left_out`). Where it has not (pairs that do not halve the noise, means, hidden nodes), and for all other losses,
    # candidates are fitted to folds, which share knots and columns and find their own strengths: leaving a row out to
    # first order is far too hopeful where classes are nearly separated. Strengths for classes are changed by a common
    # factor, which the folds choose, since restricted likelihood of the quadratic approximation is biased for binary
    # data [1]_; so are those of rows in groups and of rows with unequal weights, which it takes for precisions. Each
    # takes the place of the one before only if its held-out loss is lower; polynomials and hidden nodes must lower it
    # by a standard error, and hidden nodes are tried only where two ridge functions explain residuals.

    def __init__(
        self, samples: Samples, family: Family, settings: SearchSettings, budget: Budget | None = None
    ) -> None:
        self.settings = settings
        self.policy = settings.policy.for_effort(settings.effort)
        if settings.is_fixed:
            self.policy = self.policy.for_networks()
        self.family = family
        if budget is None:
            self.budget = Budget(seconds=settings.time_limit)
        else:
            self.budget = budget
        # The time of the present stage, without a limit at first; the account of the search is that of its trials.
        self.stage = Budget(began=self.budget.began)
        self.all_rows = samples
        self.samples = samples
        most = self.policy.search_rows
        if settings.time_limit is not None:
            affordable = max(self.budget.seconds_left, 0.0) * self.policy.rows_per_second / samples.x.shape[1]
            most = min(most, max(int(affordable), self.policy.first_rows))
        self.rows = np.arange(len(samples))  # positions of the rows of the search among all
        if len(samples) > most:
            self.rows = sampled(len(samples), most, settings.seed)
            self.samples = samples.select(self.rows)
        self.table = Comparisons(family, self.samples.weight, self.budget, self.samples.blocks)
        self.sentences = self.table.sentences
        self.inputs: list[int] | None = None  # those with a curve, in a wide table
        self.best: Candidate | None = None
        self.rivals: list[Candidate] = []  # on other scales of the target, hardly worse than the best
        self.fit_seconds: dict[Candidate, float] = {}
        self.design_seconds = 0.0  # of knots and columns, which every fit needs
        self.fold_fits = 0
        self._fold_caches: list[tuple[Fold, FitCache]] = []
        self.cache: FitCache | None = None
        self._final_cache: FitCache | None = None
        self.fitted_rows = self.samples  # those of the last fit
        self._first: Fitted | None = None

    def run(self) -> SearchReport:
        """Try the candidates in order of richness; `best` is then the chosen one, after Ctrl-C that of a first look."""
        # The search, unless there is nothing to divide; Ctrl-C and limits end it with the best so far.
        with self._ends(), self.stage.holds():
            if len(self.samples) < 2 and not self.settings.is_fixed:
                self.best = Candidate(self.family, additive=False)
                self.sentences.append(
                    "There is only one distinct sample, so nothing was held out and nothing searched."
                )
            else:
                self._fit_first()
                if not self.budget.is_interrupted:
                    self._begin_stage(self.policy.search_share)
                    self._run()
        # Why it ended, in words where a limit did.
        stopped = self.budget.ended_by or StopReason.CONVERGED
        limits = {
            StopReason.TIME_LIMIT: Budget(self.settings.time_limit or self.budget.time_limit).limit_words,
            StopReason.MEMORY_LIMIT: "memory limit",
        }
        if stopped in limits:
            self.sentences.append(f"The search stopped because of the {limits[stopped]}, before: {self.budget.stage}.")
        return self.report(stopped)

    def _ends(self) -> AbstractContextManager[None]:
        """What ends a block of the search: a limit, or Ctrl-C where the best model is to be kept."""
        return self.budget.ends(keep_interrupted=self.settings.keep_interrupted)

    def _begin_stage(self, share: float) -> None:
        """Let the next stage take a share of the time that is left."""
        self.stage.time_limit = self.budget.share(share).time_limit

    def _fit_first(self) -> None:
        """Fit a constant and an additive model to few rows, for a search that is ended before it has a model."""
        if self.settings.time_limit is None and not self.settings.keep_interrupted:
            return
        # A few rows, evenly through the table.
        count = len(self.samples)
        most = self.policy.first_rows
        rows = self.samples
        if count > most:
            rows = rows.select(np.linspace(0, count - 1, most).astype(int))
        # A constant, and an additive model where it is quick.
        rules = self.settings.constraints
        seed = self.settings.seed
        cache = FitCache(rows, policy=self.policy, seed=seed, inputs=[], constraints=rules)
        self._first = cache.fit(Candidate(self.family, additive=False))
        few_inputs = rows.x.shape[1] <= self.policy.few_inputs
        if few_inputs and len(rows) >= self.policy.fewest_for_means and not self.settings.is_fixed:
            self._begin_stage(self.policy.first_share)
            try:
                cache = FitCache(rows, policy=self.policy, seed=seed, constraints=rules)
                self._first = cache.fit(Candidate(self.family))
            except OutOfTime:
                pass  # the constant stays for that case

    def report(self, stopped: StopReason) -> SearchReport:
        """Return the record of the search so far."""
        words = (self.best or Candidate(self.family)).describe()
        sentences = list(self.sentences)
        if len(self.table.trials) > 1:
            sentences.append(f"Chosen of {len(self.table.trials)} candidates: {words}.")
        trials = tuple(self.table.trials)
        budget = self.budget
        gain = None
        if self.best is not None:
            gain = self.table.linear_gain(self.best)
        return SearchReport(words, trials, tuple(sentences), self.fold_fits, budget.work, stopped, budget.seconds, gain)

    def _run(self) -> None:
        # Knots and columns, of the inputs that promise most where there are many; a network of a given shape has none.
        self.budget.report("knots and columns", 0.02)
        stages = STAGES[self.settings.effort]
        if self.settings.is_fixed:
            stages = GIVEN
            self.inputs = []
        else:
            self.inputs = promising_inputs(self.samples, self.family, self.policy.additive)
        if self.inputs:
            self.sentences.append(
                f"Of {counted(self.samples.x.shape[1], 'input')} the {len(self.inputs)} that promise most get a curve."
            )
        self.stage.check()
        began = self.budget.seconds
        self.cache = self._cache_of(self.samples)
        self.design_seconds = self.budget.seconds - began
        # The stages, from a constant on.
        self.best = Candidate(self.family, additive=False)
        if len(self.samples) > 1:
            self.assess((self.best,), 0.05)
        for stage in stages:
            if stage.name not in self.policy.left_out and stage.applies(self, self.best):
                self.best = stage.propose(self, self.best)

    def validate(
        self,
        simple: Candidate,
        rich: Candidate,
        words: str,
        margin: float = 0.0,
        least: float = 0.0,
        *,
        is_quiet: bool = False,
    ) -> bool:
        """Compare two candidates on held-out rows and write it down; return whether the richer one is accepted.

        It is where it lowers the loss by more than `margin` standard errors of the difference and by more than `least`.
        `words` say what it has beyond the other. A refusal is no sentence of the record where `is_quiet`.
        """
        gain, error = self.table.gain(simple, rich)
        needed = least
        if margin > 0:
            needed = max(margin * error, least)
        is_better = gain > needed
        sentence = self.table.sentence(words, (simple, rich), gain, error, is_better)
        self.table.decide(rich, sentence, is_better, quiet=is_quiet and not is_better)
        return is_better

    def better(
        self, simple: Candidate, rich: Candidate, words: str, margin: float = 0.0, least: float = 0.0
    ) -> Candidate:
        """Return the better of two candidates, see `validate`."""
        if self.validate(simple, rich, words, margin, least):
            return rich
        return simple

    def _cache_of(self, samples: Samples) -> FitCache:
        settings = self.settings
        # Knots reach from the smallest to the largest value among all rows, whatever a sample holds.
        spanning = None
        if len(samples) < len(self.all_rows):
            x = self.all_rows.x
            spanning = self.all_rows.select(np.unique(np.concatenate([self.rows, x.argmin(0), x.argmax(0)])))
        cache = FitCache(
            samples,
            spanning=spanning,
            policy=self.policy,
            seed=settings.seed,
            inputs=self.inputs,
            constraints=settings.constraints,
        )
        cache.listener = partial(_listen, self.budget, self.stage)
        return cache

    @property
    def sums(self) -> AllRows | None:
        """Sums over all rows where an additive model was chosen on some of them; None where a final fit sees them."""
        from edgewise.search.all_rows import AllRows  # imported late: small tables do not need it

        if self.samples is self.all_rows or self.best is None or not self.best.has_sums:
            return None
        if not self.family.is_sum_of_rows:
            return None
        return AllRows.of(self.all_rows, self.settings.seed)

    @property
    def is_noise_known(self) -> bool:
        """Whether the noise of the rows is independent and of one size: no blocks, and weights that hardly differ."""
        weight = self.samples.weight
        worth = weight.sum() ** 2 / (weight @ weight)  # in rows of equal weight
        return self.samples.blocks is None and worth > self.policy.even_weights * len(weight)

    # Fits and evidence

    def assess(self, candidates: Sequence[Candidate], share: float) -> None:
        """Get held-out evidence: without each row for squared errors, by folds for all other losses."""
        if (self.family.quadratic and self.is_noise_known) or not self.divided():
            for candidate in candidates:
                self.stage.check()
                self.leave_one_out(candidate, share)
        else:
            self.cross_validate(candidates, share)

    def leave_one_out(self, candidate: Candidate, share: float) -> None:
        """Fit a candidate to the rows of the search, with the loss of every row by the model without it."""
        assert self.cache is not None
        self.budget.report(candidate.describe(), share)
        began = self.budget.seconds
        fitted = self.cache.fit(candidate)
        seconds = self.budget.seconds - began
        self.fit_seconds[candidate] = max(self.fit_seconds.get(candidate, 0.0), seconds)
        if candidate.additive:
            links = left_out(self.cache.estimate(candidate), self.samples.x)
        else:
            links = fitted.link(self.samples.x)
        losses = sample_losses(fitted, links, self.samples)
        self.table.without_row[candidate] = Evidence(losses, links, losses, 0)
        self.table.record(candidate, losses, fitted.coefficients, 0, self.budget.seconds - began)

    def cross_validate(self, candidates: Sequence[Candidate], share: float, most: int | None = None) -> None:
        """Fit candidates to folds and score them on the held-out rows; a candidate that has been scored is left out.

        `most` is the largest number of folds; all by default.
        """
        candidates = [candidate for candidate in candidates if candidate not in self.table.by_folds]
        assert self.cache is not None
        fold_caches = self.divided()[:most]
        count = len(self.samples)
        # The fit to all rows gives the folds knots, columns and first strengths.
        for candidate in candidates:
            self.budget.report(candidate.describe(), share)
            began = self.budget.seconds
            coefficients = 0

            whole = self.cache.fit(replace(candidate, nodes=0, smooth=False, shape=None, factor=1.0))
            self.fit_seconds.setdefault(candidate, self.budget.seconds - began)
            self.check_time(candidate, 1)
            losses = np.zeros(count)
            times = np.zeros(count)
            links = np.zeros((count, len(whole.model.fits)))
            # Fits to the folds, each scored on the rows that it left out.
            work = methodcaller("fit", candidate)
            fits = run_jobs(work, [cache for _, cache in fold_caches], self.settings.jobs)
            for (fold, _), fitted in zip(fold_caches, fits, strict=True):
                held = self.samples.select(fold.held)
                eta = fitted.link(held.x)
                losses[fold.held] += sample_losses(fitted, eta, held)
                links[fold.held] += eta
                times[fold.held] += 1
                coefficients = max(coefficients, fitted.coefficients)
                self.budget.report()
                self.check_time(candidate, 1, fitted=self.budget.seconds - began)
            # Means over the repeated divisions.
            seen = times > 0
            with np.errstate(invalid="ignore"):
                losses = losses / times
                links = links / times[:, None]
            together = np.full(count, np.nan)
            together[seen] = sample_losses(fitted, links[seen], self.samples.select(np.flatnonzero(seen)))
            self.fold_fits = max(self.fold_fits, len(fold_caches))
            self.table.by_folds[candidate] = Evidence(together, links, losses, len(fold_caches))
            self.table.record(candidate, losses, coefficients, len(fold_caches), self.budget.seconds - began)

    def divided(self) -> list[tuple[Fold, FitCache]]:
        """Return the folds of the search with what has been fitted to them; empty where no row can be held out."""
        assert self.cache is not None
        if not self._fold_caches:
            count = len(self.samples)
            parts, repeats = self.policy.division(count * self.family.predictors)
            divided = self.samples.folds(self.family, self.settings.seed, parts, repeats)
            if count >= self.policy.single_rows:
                divided = divided[:1]
            self._fold_caches = [(fold, self.cache.part(fold.train)) for fold in divided]
        return self._fold_caches

    def working_residual(self, candidate: Candidate) -> tuple[np.ndarray, np.ndarray]:
        """Residuals and weights of the rows, see `structure_residual`."""
        assert self.cache is not None
        return structure_residual(self.cache.estimate(candidate), self.samples)

    def has_smooth_residual(self) -> bool:
        """Return whether the residuals of the chosen model are structure and no noise, see `smooth_residual`."""
        assert self.best is not None
        if self.best.smooth and (known := self.held_out()) is not None:
            seen = self.all_rows.select(known[0])
            return smooth_residual(seen.x, seen.y - known[1], seen.weight, self.policy.smooth_errors, seen.blocks)
        residual, weight = self.working_residual(replace(self.best.base, additive=True))
        return smooth_residual(self.samples.x, residual, weight, self.policy.smooth_errors, self.samples.blocks)

    def check_time(self, candidate: Candidate, times: float, fitted: float | None = None) -> None:
        """End the search if this number of further fits of a candidate does not fit into the time that it may take."""
        if self.budget.time_limit is None:
            return
        seconds = self.fit_seconds.get(candidate, self.fit_seconds.get(candidate.base, 0.0))
        if self.stage.seconds_left <= times * seconds * (fitted is None):
            raise OutOfTime

    # The end

    @property
    def fallback(self) -> Fitted | None:
        """The best model so far that needs no further fit, for an interrupted search; None before there is any."""
        # Of networks the one that was trained last, as far as its training came: of all rows, or of a fold.
        for cache in (self._final_cache, self.cache, *(cache for _, cache in self._fold_caches)):
            if cache is not None and (network := cache.latest_network()) is not None:
                return network
        known = [*self.table.without_row, *self.table.by_folds]
        if self.cache is None or not known:
            return self._first
        best = known[0]
        if self.best is not None:
            best = self.best.base
        return self.cache.fit(best)

    def held_out(self) -> tuple[np.ndarray, np.ndarray, bool] | None:
        """Return linear predictors of the rows of the search by models that did not see them."""
        table = self.table
        if self.best is None or not (self.best in table.by_folds or self.best in table.without_row):
            return None
        links = table.evidence(self.best).links
        seen = np.isfinite(links).all(1)
        return self.rows[seen], links[seen], self.best in table.by_folds

    def held_out_losses(self, count: int) -> np.ndarray:
        """Return the losses of the chosen model on rows that it did not see, (count,) for all rows; NaN where none."""
        losses = np.full(count, np.nan)
        if self.best is not None and (known := self.held_out()) is not None:
            evidence = self.table.evidence(self.best)
            losses[known[0]] = evidence.losses[np.isfinite(evidence.links).all(1)]
        return losses

    def final(self) -> Fitted:
        """Fit the chosen candidate to all rows, or to as many as the time limit allows.

        If time or memory are over before its end, or Ctrl-C came, the best model of the search is returned.
        """
        # The best candidate on all rows.
        self._begin_stage(self.policy.final_share)
        if self.best is not None and not self.budget.is_interrupted:
            with self._ends():
                return self._fit_best()
            self.stage.time_limit = None  # strengths that the folds changed may need one short fit more
        # Time or memory was over: the best model that there is.
        if (best := self.fallback) is None:  # the budget is not checked before there is a model, memory may be over
            if self.budget.is_interrupted:
                raise KeyboardInterrupt
            raise MemoryError
        self.best = best.candidate
        if not self.budget.is_interrupted:
            rows = best.model.residual.shape[0]
            words = str(self.budget.ended_by).replace("_", " ")
            self.sentences.append(f"The {words} left no room for a final fit; the model saw {counted(rows, 'row')}.")
        return best

    def _fit_best(self) -> Fitted:
        """Fit the chosen candidate to as many rows as the time limit allows."""
        assert self.best is not None
        # The models of the search, where it saw all rows, or where sums over all rows follow.
        self.budget.report(f"final fit: {self.best.describe()}", 0.95)
        same_rows = self.samples is self.all_rows
        if self.cache is not None and (same_rows or self.sums is not None):
            cache = self.cache
        else:
            # Else as many rows as the time allows, by the seconds of the search's own fit.
            samples = self.all_rows
            seconds = self.fit_seconds.get(self.best.base, 0.0)
            affordable = len(samples)
            if self.budget.time_limit is not None and seconds > 0:
                affordable = int(len(self.samples) * max(self.stage.seconds_left / seconds / self.policy.busy, 1))
            if affordable < len(samples):
                self.sentences.append(
                    f"The time limit left room for {affordable:,} of {counted(len(samples), 'row')} in the final fit."
                )
                samples = samples.select(sampled(len(samples), affordable, self.settings.seed))
            cache = self._cache_of(samples)
            cache.sample = self.cache
        self._final_cache = cache
        self.fitted_rows = cache.samples
        # The mean of a division's models is there already; any other candidate is fitted.
        with self.stage.holds():
            if self.best.models == self.policy.bags and len(self._fold_caches) == self.policy.bags:
                fitted = cache.mean(self.best, [part for _, part in self._fold_caches])
            else:
                fitted = cache.fit(self.best)
        return with_own_covariances(fitted, cache.samples)


def _listen(budget: Budget, stage: Budget, event: Progress) -> bool:
    """Report the loss of the training of a network; return whether the time of its stage is over."""
    budget.report(loss=event.loss)
    return stage.is_over
