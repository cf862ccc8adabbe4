"""The search for the model of a table: nested candidates from the simplest on, judged on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import methodcaller

import numpy as np

from edgewise.gam.families import Family, LogNormal
from edgewise.model_selection.search.candidates import (
    Candidate,
    FitCache,
    Fitted,
    Samples,
    promising_inputs,
    structure_residual,
    with_own_covariances,
)
from edgewise.model_selection.search.clock import Clock, limit_of
from edgewise.model_selection.search.comparisons import Comparisons, left_out, loss_text, sample_losses
from edgewise.model_selection.search.hidden_nodes import residual_gain, smooth_residual, too_large
from edgewise.model_selection.search.jobs import run_jobs
from edgewise.model_selection.search.policy import SearchSettings
from edgewise.model_selection.search.records import SearchReport
from edgewise.model_selection.search.validation import Evidence, Fold, folds
from edgewise.outcomes import OutOfTime, StopReason

FEWEST_SEARCHED = 500  # rows of a search, however short the time
FIRST_INPUTS = 30  # of a first additive model: with more, a constant must do until the search has a model
FEWEST_FOR_MEANS = 10  # rows: with fewer, parts of the rows determine nothing


class Search:
    """A search over nested candidates: constant, linear, additive, pairs, mean, smooth function or hidden nodes."""

    # Candidates are fitted to all rows of the search. Where restricted likelihood has settled a question about squared
    # errors of independent rows, each row's loss is that of the model without the row, which costs no further fit
    # (`left_out`). Where it has not (pairs that do not halve the noise, means, hidden nodes), and for all other losses,
    # candidates are fitted to folds, which share knots and columns and find their own strengths: leaving a row out to
    # first order is far too hopeful where classes are nearly separated. Strengths for classes are changed by a common
    # factor, which the folds choose, since restricted likelihood of the quadratic approximation is biased for binary
    # data [1]_; so are those of rows in groups and of rows with unequal weights, which it takes for precisions. Each
    # takes the place of the one before only if its held-out loss is lower; polynomials and hidden nodes must lower it
    # by a standard error, and hidden nodes are tried only where two ridge functions explain residuals.

    def __init__(self, samples: Samples, family: Family, settings: SearchSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.policy = settings.policy.for_effort(settings.effort)
        self.family = family
        if clock is None:
            self.clock = Clock(settings.time_limit)
        else:
            self.clock = clock
        self.all_rows = samples
        self.samples = samples
        most = self.policy.search_rows
        if settings.time_limit is not None:
            affordable = self.clock.left * self.policy.rows_per_second / samples.x.shape[1]
            most = min(most, max(int(affordable), FEWEST_SEARCHED))
        self.rows = np.arange(len(samples))  # positions of the rows of the search among all
        if len(samples) > most:
            self.rows = np.sort(np.random.default_rng(settings.seed).permutation(len(samples))[:most])
            self.samples = samples.select(self.rows)
        self.table = Comparisons(family, self.samples.weight, self.clock, self.samples.blocks)
        self.sentences = self.table.sentences
        self.inputs: list[int] | None = None  # those with a curve, in a wide table
        self.best: Candidate | None = None
        self.fit_seconds: dict[Candidate, float] = {}
        self.fold_fits = 0
        self._fold_caches: list[tuple[Fold, FitCache]] = []
        self.cache: FitCache | None = None
        self.ended_by: StopReason | None = None  # the limit that left no room for a final fit
        self._first: Fitted | None = None

    def run(self) -> SearchReport:
        """Try the candidates in order of richness; `best` is then the chosen one."""
        stopped = StopReason.CONVERGED
        try:
            if len(self.samples) < 2:
                self.best = Candidate(self.family, additive=False)
                self.sentences.append(
                    "There is only one distinct sample, so nothing was held out and nothing searched."
                )
            else:
                self._fit_first()
                self.clock.allow(self.policy.search_share)
                self._run()
        except (OutOfTime, MemoryError) as error:
            stopped = self.ended_by = limit_of(error)
            is_late = stopped is StopReason.TIME_LIMIT
            if is_late:
                words = f"time limit of {self.settings.time_limit or self.clock.limit:g} s"
            else:
                words = "memory limit"
            self.sentences.append(f"The search stopped because of the {words}, before: {self.clock.stage}.")
        return self.report(stopped)

    def _fit_first(self) -> None:
        """Fit a constant and an additive model to few rows, for a search that is ended before it has a model."""
        if self.settings.time_limit is None and not self.settings.keep_interrupted:
            return
        count = len(self.samples)
        most = self.policy.first_rows
        rows = self.samples
        if count > most:
            rows = rows.select(np.linspace(0, count - 1, most).astype(int))
        rules = self.settings.constraints
        seed = self.settings.seed
        cache = FitCache(rows, policy=self.policy, seed=seed, inputs=[], constraints=rules)
        self._first = cache.fit(Candidate(self.family, additive=False))
        if rows.x.shape[1] <= FIRST_INPUTS and len(rows) >= FEWEST_FOR_MEANS:
            self.clock.allow(self.policy.first_share)
            try:
                cache = FitCache(rows, policy=self.policy, seed=seed, constraints=rules, watch=self._watch)
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
        clock = self.clock
        return SearchReport(words, trials, tuple(sentences), self.fold_fits, clock.work, stopped, clock.seconds)

    # The candidates in order

    def _run(self) -> None:
        self.clock.report("knots and columns", 0.02)
        self.inputs = promising_inputs(self.samples, self.family, self.policy.additive, self._watch)
        if self.inputs is not None:
            self.sentences.append(
                f"Of {self.samples.x.shape[1]:,} inputs the {len(self.inputs)} that promise most get a curve."
            )
        self.clock.check()
        began = self.clock.seconds
        self.cache = self._cache_of(self.samples)
        knots = self.clock.seconds - began
        additive = Candidate(self.family)
        constant = replace(additive, additive=False)
        linear = replace(additive, linear=True)
        self.best = constant
        self._assess((constant,), 0.05)
        for words, candidate in (("Linear model", linear), ("Additive model", additive)):
            self._assess((candidate,), 0.1)
            self.fit_seconds[candidate] += knots
            candidate = self._shrunk(candidate, 0.12)
            gain, error = self.table.gain(self.best, candidate)
            self.table.decide(
                candidate, self.table.sentence(words, (self.best, candidate), gain, error, gain > 0), gain > 0
            )
            self.best = candidate if gain > 0 else self.best
        if not self.best.additive:
            self.sentences.append("No input predicts held-out rows.")
        hidden_free = self.settings.hidden is None and self.settings.effort != "low"
        if hidden_free:
            self._try_pairs(self.family, 0.2)
        if self.settings.effort != "low" and self.family.is_least_squares and self._may_take_logarithms():
            self._try_logarithm(0.4)
        self._try_mean(0.6)
        if hidden_free and self.settings.constraints is None:  # a hidden node is a function of all inputs
            self._try_smooth(0.65)
            if not self.best.smooth or self.has_smooth_residual():
                self._try_hidden(0.7)
        self._fall_back_if_worse(0.9)

    def _fall_back_if_worse(self, share: float) -> None:
        """Take a constant or linear model after all where folds show the chosen one to be worse.

        The first candidates are compared by models without each row, later ones by folds, which may know better.
        """
        assert self.best is not None
        if self.best not in self.table.by_folds or not (self.best.additive and not self.best.linear):
            return
        plain = Candidate(self.family)
        self._cross_validate((replace(plain, additive=False), replace(plain, linear=True)), share)
        for simple in [known for known in self.table.by_folds if not known.additive or known.linear]:
            gain, error = self.table.gain(self.best, simple)
            if gain > 0:
                sentence = self.table.sentence(f"The {simple.describe()} model", (self.best, simple), gain, error, True)
                self.table.dismiss(self.best)
                self.table.decide(simple, sentence, True)
                self.best = simple

    def _cache_of(self, samples: Samples) -> FitCache:
        settings = self.settings
        return FitCache(
            samples,
            policy=self.policy,
            seed=settings.seed,
            inputs=self.inputs,
            constraints=settings.constraints,
            watch=self._watch,
        )

    @property
    def _watch(self) -> Callable[[], None] | None:
        return None if self.clock.limit is None else self.clock.check

    @property
    def _is_noise_known(self) -> bool:
        """Whether the noise of the rows is independent and of one size: no blocks, and weights that hardly differ."""
        weight = self.samples.weight
        worth = weight.sum() ** 2 / (weight @ weight)  # in rows of equal weight
        return self.samples.blocks is None and worth > self.policy.even_weights * len(weight)

    def _shrunk(self, candidate: Candidate, share: float) -> Candidate:
        """Change all strengths by a common factor while that lowers the held-out loss, where REML may be wrong.

        It is for classes, and where the likelihood does not know the noise of the rows.
        """
        single = self.samples.y.ndim == 1 or self.samples.y.shape[1] == 1
        is_doubtful = self.family.is_classes or (not self._is_noise_known and single)
        if not is_doubtful or not self._divided():
            return candidate
        plain = replace(candidate, factor=1.0).describe()

        def is_better(factor: float, other_factor: float) -> bool:
            one = replace(candidate, factor=factor)
            other = replace(candidate, factor=other_factor)
            self._assess((other,), share)
            gain, error = self.table.gain(one, other)
            words = f"{other_factor:g} times the penalty of the {plain} model"
            sentence = self.table.sentence(words, (one, other), gain, error, gain > 0)
            self.table.decide(other, sentence, gain > 0, quiet=gain <= 0)
            return gain > 0

        return replace(candidate, factor=self.policy.best_factor(is_better, candidate.factor))

    def _try_pairs(self, family: Family, share: float) -> Candidate:
        """Let pairs of inputs act together; return the better of the two candidates of the family."""
        assert self.cache is not None and self.best is not None
        simple = Candidate(family)
        rich = Candidate(family, pairs=True)
        if family is self.family and not self.best.linear and self.best.additive:
            simple = self.best
        constraints = self.settings.constraints
        if self.samples.x.shape[1] < 2 or (constraints is not None and not constraints.allows_pairs):
            return simple
        self.clock.report(rich.describe(), share)
        self._check_time(simple, 2)
        began = self.clock.seconds
        fitted = self.cache.fit(rich)
        self.fit_seconds[rich] = self.clock.seconds - began
        if not fitted.model.pairs:
            if family is self.family:
                words = "No pair of inputs"
            else:
                words = "For the logarithm of y no pair of inputs"
            self.sentences.append(f"{words} explains more of the residuals than the best of all pairs would by chance.")
            return simple
        noise = [float(np.mean(self.cache.estimate(c).fits[0].dispersion)) for c in (simple, rich)]
        settled = self._is_noise_known and family.is_least_squares and noise[1] < self.policy.settled_noise * noise[0]
        if settled:
            self._leave_one_out(rich, share)
        else:
            self._cross_validate((simple, rich), share)
            if family is self.family:
                rich = self._shrunk(rich, share)
        gain, error = self.table.gain(simple, rich)
        better = gain > max(self.policy.nested_margin * error, 0.0)
        if family is self.family:
            words = "Pairs of inputs"
        else:
            words = "Pairs of inputs for the logarithm of y"
        self.table.decide(rich, self.table.sentence(words, (simple, rich), gain, error, better), better)
        if better and family is self.family:
            if not self.table.have_common_evidence(self.best, rich):
                self._cross_validate((self.best, rich), share)
            if self.table.gain(self.best, rich)[0] > 0:
                self.best = rich
        return rich if better else simple

    def _try_logarithm(self, share: float) -> None:
        """Fit the logarithm of y, with and without pairs; compare on the scale of y."""
        assert self.best is not None and self.settings is not None
        log = Candidate(LogNormal())
        self._assess((log,), share)
        if not self.table.have_common_evidence(self.best, log):  # pairs were chosen by folds
            self._cross_validate((self.best, log), share)
        gain, error = self.table.gain(self.best, log)
        best_log = log
        if gain > -self.policy.race_margin * error and self.settings.hidden is None:
            best_log = self._try_pairs(LogNormal(), share + 0.05)
        if not self.table.have_common_evidence(self.best, best_log):
            self._cross_validate((self.best, best_log), share + 0.1)
        gain, error = self.table.gain(self.best, best_log)
        better = gain > max(self.policy.link_gain * self.table.loss(self.best), self.policy.nested_margin * error)
        sentence = self.table.sentence("The logarithm of y", (self.best, best_log), gain, error, better)
        for candidate in {log, best_log}:
            self.table.decide(candidate, sentence, better and candidate == best_log, quiet=candidate != best_log)
        if better:
            self.best = best_log

    def _try_mean(self, share: float) -> None:
        """Take the mean of models that are fitted to parts of the rows, where such models differ enough.

        The parts of two divisions give every row two predictions by models that did not see it. The mean of the two
        has a loss that is lower by half of what resampling adds to the loss of one, so the loss of a mean of many
        follows without fitting means in folds.
        """
        assert self.best is not None and self.cache is not None
        models = self.settings.models
        if not self.best.additive or models == 1 or len(self.samples) < FEWEST_FOR_MEANS:
            return
        if models is not None:
            self.best = replace(self.best, models=models)
            self.sentences.append(f"The mean of {models} models was asked for.")
            return
        if len(self.samples) > self.policy.bag_rows or self.settings.effort == "low":
            return
        little = self.policy.bag_loss * self.table.loss(Candidate(self.family, additive=False))
        if self.table.loss(self.best) < little and not self.family.is_classes:  # classes differ near a border
            return
        single = self.best
        if single not in self.table.by_folds:
            self._cross_validate((single,), share)
        rich = replace(single, models=self.policy.bags)
        losses, mean, gain, error = self.table.record_mean(rich, single)
        loss = mean + gain
        better = gain > max(self.policy.bag_gain * loss, self.policy.nested_margin * error)
        words = f"The mean of {rich.models} models, each fitted to {self.policy.bag_share:.0%} of the rows"
        if better:
            end = "taken"
        else:
            end = "not taken, since they hardly differ"
        texts = loss_text(mean, self.family), loss_text(loss, self.family)
        self.table.decide(rich, f"{words}: {texts[0]} on held-out folds, {texts[1]} of one of them: {end}.", better)
        if better:
            self.table.by_folds[rich] = replace(self.table.by_folds[single], losses=losses)
            self.best = rich

    def _try_smooth(self, share: float) -> None:
        """Try a smooth function of all inputs in place of the best model, where few inputs act together."""
        assert self.best is not None and self.cache is not None
        base, (rows, inputs) = self.best, self.samples.x.shape
        fits = base.pairs and base.family.is_least_squares and self.policy.may_be_smooth(rows, inputs)
        if not fits or self.samples.y.shape[1] != 1 or self.table.loss(base) < self.policy.noise_free:
            return
        self.clock.report("smooth function of all inputs", share)
        self._check_time(base, 20)
        found = self.cache.smooth
        if found is None or not found.dispersion < self.table.loss(base):
            return
        rich = Candidate(self.family, pairs=True, smooth=True)
        self._cross_validate((base, rich), share + 0.02, self.policy.hidden_folds)
        gain, error = self.table.gain(base, rich)
        # Of two inputs a pair is a surface as well; of more, a polynomial is harder to read.
        better = gain > max((self.policy.margin if inputs > 2 else self.policy.nested_margin) * error, 0.0)
        words = f"A polynomial of all inputs inside the {found.polynomial.link.name} function"
        self.table.decide(rich, self.table.sentence(words, (base, rich), gain, error, better), better)
        if better:
            self.best = rich

    def _try_hidden(self, share: float) -> None:
        """Grow hidden nodes where the residual of the best model shows structure."""
        assert self.best is not None and self.cache is not None
        base = self.best
        single = Candidate(self.best.family, pairs=self.best.pairs)
        inputs = self.samples.x.shape[1]
        if not 2 <= inputs <= self.policy.hidden_inputs or len(self.samples) < self.policy.hidden_rows:
            return
        if self.family.has_kink or self.table.loss(base) < self.policy.noise_free:
            return
        self.clock.report("test of the residual", share)
        self._check_time(base, 1)
        x = np.clip(self.samples.x, *self.cache.design.limits.T)
        residual, weight = self._working_residual(single)
        if reason := too_large(inputs, residual.shape[1], self.policy.hidden_sizes[0], self.policy):
            self.sentences.append(reason)
            return
        policy = self.policy
        blocks = self.samples.blocks
        gain, error = residual_gain(x, residual, weight, policy=policy, seed=self.settings.seed, blocks=blocks)
        if not gain > self.policy.margin * error:
            self.sentences.append(
                "Hidden nodes were not tried: no function of a weighted sum of the inputs predicts the residuals."
            )
            return
        self.sentences.append(
            f"Functions of weighted sums of the inputs explain {gain:.0%} of the residuals (standard error "
            f"{error:.0%}), so hidden nodes were tried."
        )
        for number, size in enumerate(self.policy.hidden_sizes):
            if reason := too_large(inputs, residual.shape[1], size, self.policy):
                self.sentences.append(reason)
                break
            rich = replace(single, nodes=size)
            self._check_time(base, 20)
            most = self.policy.hidden_folds
            self._cross_validate((replace(base, models=1), rich), share + 0.08 * number, most)
            if self.best in self.table.by_folds:
                rival = self.best
            else:
                rival = replace(base, models=1)
            gain, error = self.table.gain(rival, rich)
            better = gain > max(self.policy.margin * error, 0.0)
            self.table.decide(
                rich, self.table.sentence(f"{size} hidden nodes", (rival, rich), gain, error, better), better
            )
            if not better:
                break
            self.best = rich

    # Fits and evidence

    def _assess(self, candidates: Sequence[Candidate], share: float) -> None:
        """Get held-out evidence: without each row for squared errors, by folds for all other losses."""
        if (self.family.quadratic and self._is_noise_known) or not self._divided():
            for candidate in candidates:
                self.clock.check()
                self._leave_one_out(candidate, share)
        else:
            self._cross_validate(candidates, share)

    def _leave_one_out(self, candidate: Candidate, share: float) -> None:
        """Fit a candidate to the rows of the search, with the loss of every row by the model without it."""
        assert self.cache is not None
        self.clock.report(candidate.describe(), share)
        began = self.clock.seconds
        fitted = self.cache.fit(candidate)
        seconds = self.clock.seconds - began
        self.fit_seconds[candidate] = max(self.fit_seconds.get(candidate, 0.0), seconds)
        if candidate.additive:
            links = left_out(fitted.estimate, self.samples.x)
        else:
            links = fitted.link(self.samples.x)
        losses = sample_losses(fitted, links, self.samples)
        self.table.without_row[candidate] = Evidence(losses, links, losses, 0)
        self.table.record(candidate, losses, fitted.parameters, 0, self.clock.seconds - began)

    def _cross_validate(self, candidates: Sequence[Candidate], share: float, most: int | None = None) -> None:
        """Fit candidates to folds and score them on the held-out rows; a candidate that has been scored is left out.

        `most` is the largest number of folds; all by default.
        """
        candidates = [candidate for candidate in candidates if candidate not in self.table.by_folds]
        assert self.cache is not None
        fold_caches = self._divided()[:most]
        count = len(self.samples)
        for candidate in candidates:
            self.clock.report(candidate.describe(), share)
            began = self.clock.seconds
            parameters = 0

            whole = self.cache.fit(replace(candidate, nodes=0, smooth=False, factor=1.0))
            self.fit_seconds.setdefault(candidate, self.clock.seconds - began)
            self._check_time(candidate, 1)
            losses = np.zeros(count)
            times = np.zeros(count)
            links = np.zeros((count, len(whole.estimate.fits)))
            work = methodcaller("fit", candidate)
            fits = run_jobs(work, [cache for _, cache in fold_caches], self.settings.jobs)
            for (fold, _), fitted in zip(fold_caches, fits, strict=True):
                held = self.samples.select(fold.held)
                eta = fitted.link(held.x)
                losses[fold.held] += sample_losses(fitted, eta, held)
                links[fold.held] += eta
                times[fold.held] += 1
                parameters = max(parameters, fitted.parameters)
                self.clock.report()
                self._check_time(candidate, 1, fitted=self.clock.seconds - began)
            seen = times > 0
            with np.errstate(invalid="ignore"):
                losses = losses / times
                links = links / times[:, None]
            together = np.full(count, np.nan)
            together[seen] = sample_losses(fitted, links[seen], self.samples.select(np.flatnonzero(seen)))
            self.fold_fits = max(self.fold_fits, len(fold_caches))
            self.table.by_folds[candidate] = Evidence(together, links, losses, len(fold_caches))
            self.table.record(candidate, losses, parameters, len(fold_caches), self.clock.seconds - began)

    def _divided(self) -> list[tuple[Fold, FitCache]]:
        """Return the folds of the search with what has been fitted to them; empty where no row can be held out."""
        assert self.cache is not None
        if not self._fold_caches:
            labels = self.samples.y if self.family.is_classes else None
            count = len(self.samples)
            policy = self.policy
            parts, repeats = policy.division(count * self.family.predictors)
            blocks = self.samples.blocks
            seed = self.settings.seed
            divided = folds(count, seed, labels=labels, blocks=blocks, parts=parts, repeats=repeats)
            kept = divided[:1] if count >= policy.single_rows else divided
            self._fold_caches = [(fold, self.cache.part(fold.train)) for fold in kept]
        return self._fold_caches

    def _may_take_logarithms(self) -> bool:
        """Return whether the target is positive and so skewed that its logarithm may be the better scale."""
        if self.samples.y.ndim != 2 or self.samples.y.shape[1] != 1:
            return False
        if self.settings.constraints is not None and not self.settings.constraints.survive_transformations:
            return False
        y = self.all_rows.y[:, 0] + self.all_rows.offset
        return float(y.min()) > 0 and float(y.max()) > self.policy.link_skew * float(y.mean()) and len(np.unique(y)) > 3

    def _working_residual(self, candidate: Candidate) -> tuple[np.ndarray, np.ndarray]:
        """Residuals and weights of the rows, see `structure_residual`."""
        assert self.cache is not None
        return structure_residual(self.cache.estimate(candidate), self.samples)

    def has_smooth_residual(self) -> bool:
        """Return whether the residuals of the chosen model are structure and no noise, see `smooth_residual`."""
        assert self.best is not None
        if self.best.smooth and (known := self.held_out()) is not None:
            seen = self.all_rows.select(known[0])
            return smooth_residual(seen.x, seen.y - known[1], seen.weight, self.policy.smooth_errors)
        residual, weight = self._working_residual(replace(self.best.base, additive=True))
        return smooth_residual(self.samples.x, residual, weight, self.policy.smooth_errors)

    def _check_time(self, candidate: Candidate, times: float, fitted: float | None = None) -> None:
        """End the search if so many further fits of a candidate do not fit into the time that it may take."""
        if self.clock.limit is None:
            return
        seconds = self.fit_seconds.get(candidate, self.fit_seconds.get(candidate.base, 0.0))
        if self.clock.seconds + times * seconds * (fitted is None) >= self.clock.end:
            raise OutOfTime

    # The end

    @property
    def fallback(self) -> Fitted | None:
        """The best model so far that needs no further fit, for an interrupted search; None before there is any."""
        known = [*self.table.without_row, *self.table.by_folds]
        if self.cache is None or not known:
            return self._first
        best = known[0] if self.best is None else self.best.base
        return self.cache.fit(best)

    def held_out(self) -> tuple[np.ndarray, np.ndarray, bool] | None:
        """Return linear predictors of the rows of the search by models that did not see them."""
        if self.best is None or len(self.samples) < 2:
            return None
        known = self.table.judged(self.best)
        if known is None:
            return None
        links = self.table.evidence(known).links
        seen = np.isfinite(links).all(1)
        return self.rows[seen], links[seen], known in self.table.by_folds

    def held_out_losses(self, count: int) -> np.ndarray:
        """Return the losses of the chosen model on rows that it did not see, (count,) for all rows; NaN where none."""
        losses = np.full(count, np.nan)
        if self.best is not None and (known := self.held_out()) is not None:
            evidence = self.table.evidence(self.best)
            losses[known[0]] = evidence.losses[np.isfinite(evidence.links).all(1)]
        return losses

    def final(self) -> Fitted:
        """Fit the chosen candidate to all rows, or to as many as the time limit allows.

        If time or memory are over before its end, the best model of the search is returned, and `ended_by` is set.
        """
        self.clock.allow(self.policy.final_share)
        try:
            if self.best is not None:
                return self._fit_best()
        except (OutOfTime, MemoryError) as error:
            self.ended_by = limit_of(error)
            self.clock.allow(None)  # strengths that the folds changed may need one short fit more
        if (best := self.fallback) is None:  # the clock is not checked before there is a model, memory may be over
            raise MemoryError
        self.best, rows = best.candidate, best.estimate.residual.shape[0]
        words = str(self.ended_by).replace("_", " ")
        self.sentences.append(f"The {words} left no room for a final fit; the model saw {rows:,} rows.")
        return best

    def _fit_best(self) -> Fitted:
        """Fit the chosen candidate to as many rows as the time limit allows."""
        assert self.best is not None
        self.clock.report(f"final fit: {self.best.describe()}", 0.95)
        same_rows = self.samples is self.all_rows
        if self.cache is not None and same_rows:
            cache = self.cache
        else:
            samples = self.all_rows
            seconds = self.fit_seconds.get(self.best.base, 0.0)
            affordable = len(samples)
            if self.clock.limit is not None and seconds > 0:
                left = self.clock.end - self.clock.seconds
                affordable = int(len(self.samples) * max(left / seconds / self.policy.busy, 1))
            if affordable < len(samples):
                self.sentences.append(
                    f"The time limit left room for {affordable:,} of {len(samples):,} rows in the final fit."
                )
                order = np.random.default_rng(self.settings.seed).permutation(len(samples))[:affordable]
                samples = samples.select(np.sort(order))
            cache = self._cache_of(samples)
        if self.best.models == self.policy.bags and len(self._fold_caches) == self.policy.bags:
            return with_own_covariances(cache.mean(self.best, [part for _, part in self._fold_caches]), cache.samples)
        return with_own_covariances(cache.fit(self.best), cache.samples)
