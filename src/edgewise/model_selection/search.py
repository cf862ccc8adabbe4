"""Search for the shape, grid and regularisation of a KAN by held-out loss, within a budget of work."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import NoReturn

import torch
from torch import Tensor

from edgewise.model_selection.candidates import (
    Candidate,
    TrainedModel,
    can_smooth,
    reasonable_work,
    train_candidate,
    work_of,
)
from edgewise.model_selection.cross_validation import clipped_losses, folds
from edgewise.model_selection.settings import SearchSettings
from edgewise.nn.model import KAN
from edgewise.outcomes import Progress, ProgressCallback, StopReason
from edgewise.presentation import html_table, number_text
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression

INTERRUPTED_SEARCH = "Interrupted; the model is the best so far, trained on a part of the data."


@dataclass(frozen=True)
class Trial:
    """Result of one candidate of a search.

    Parameters
    ----------
    candidate : Candidate
    loss : float
        Mean held-out loss.
    error : float
        Standard error of that mean.
    parameters : int
        Number of trainable parameters.
    folds : int
        Folds that the candidate was trained on; not all, if it was clearly worse on the first ones.

    Examples
    --------
    >>> Trial(Candidate((), 4, 1e-3), loss=0.12, error=0.01, parameters=8, folds=5).loss
    0.12
    """

    candidate: Candidate
    loss: float
    error: float
    parameters: int
    folds: int


@dataclass(frozen=True)
class SearchReport:
    """Result of a search: the candidates that were tried and the reasons for the choice.

    Parameters
    ----------
    chosen : Candidate
    trials : tuple of Trial
        All trials, in the order of the search.
    sentences : tuple of str
        Reasons for the choice, one sentence each.
    folds : int
        Folds of the cross-validation; 1 for a single held-out part, 0 if nothing was searched.
    work : float
        Multiply-adds that were spent, about.
    stopped : StopReason
        CONVERGED, BUDGET, TIME_LIMIT or INTERRUPTED.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> noise = 0.1 * torch.randn(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> settings = SearchSettings(outputs=1, hidden=(), grid_size=4, budget=0.1)
    >>> report = Search(Regression(x, x**2 + noise), settings).run()
    >>> report.chosen.hidden, report.chosen.grid_size, report.folds
    ((), 4, 5)
    """

    chosen: Candidate
    trials: tuple[Trial, ...]
    sentences: tuple[str, ...]
    folds: int
    work: float
    stopped: StopReason

    def __repr__(self) -> str:
        tried = "1 candidate" if len(self.trials) == 1 else f"{len(self.trials)} candidates"
        return f"<SearchReport: {self.chosen.describe()}, chosen of {tried}, {self.stopped}>"

    def _repr_html_(self) -> str:
        rows = [
            [
                trial.candidate.describe(),
                number_text(trial.parameters),
                number_text(trial.loss, 3),
                number_text(trial.error, 2),
            ]
            for trial in self.trials
        ]
        marked = next((n for n, trial in enumerate(self.trials) if trial.candidate == self.chosen), None)
        head = ["candidate", "parameters", "held-out loss", "± standard error"]
        return html_table(head, rows, caption="Search", marked=marked, notes=self.sentences)


@dataclass
class _TrainedTrial:
    """A trial with its held-out losses (in a fixed order of the samples) and its models, one for each fold.

    `first` is the model of the first fold with its report and its problem.
    """

    trial: Trial
    losses: Tensor
    models: list[KAN]
    first: TrainedModel


class _SearchEnd(Exception):
    """Raised inside a search when it is complete, or when the work budget or the time limit is exhausted."""


class Search:
    """One search; `run` returns its report.

    After `run`, `fallback` is a model of the chosen candidate that was trained on a part of the data.

    Parameters
    ----------
    problem : Problem
        Regression or classification with training tensors.
    settings : SearchSettings
        Fixed settings, budget, seed and policy. Only what is None in them is searched.
    progress : callable, optional
        Receives a `Progress` after every step: latest training loss, and smallest held-out loss so far (NaN before
        the first trial is complete).

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> noise = 0.1 * torch.randn(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> search = Search(Regression(x, x**2 + noise), SearchSettings(outputs=1, hidden=(), grid_size=4, budget=0.1))
    >>> report = search.run()
    >>> len(report.trials) > 1, min(trial.loss for trial in report.trials) < 0.1
    (True, True)
    """

    def __init__(self, problem: Problem, settings: SearchSettings, progress: ProgressCallback | None = None):
        self.problem, self.settings, self.policy, self.progress = problem, settings, settings.policy, progress
        self.start = settings.start
        self.folds = folds(problem, settings.seed)
        self.limit = settings.budget * reasonable_work(problem.train, settings.outputs)
        # The first trial and the final fit are made in any case.
        least = len(self.folds) * self._work_of(self.start) + self._work_of(self.start, final=True)
        self.planned = max(self.limit, least)
        self.work, self.began, self.stage = 0.0, time.perf_counter(), "search"
        self.trials: dict[Candidate, _TrainedTrial] = {}
        self.sentences: list[str] = []
        self.stopped = StopReason.CONVERGED
        self._best: _TrainedTrial | None = None
        self._first: TrainedModel | None = None  # model of the first fold, until the first trial is complete

    def run(self) -> SearchReport:
        """Search: penalty strength, then smoothness by edge, then hidden layers, then finer grids."""
        settings = self.settings
        if not (settings.searches_hidden or settings.searches_grid or settings.searches_strength):
            return SearchReport(
                self.start, (), ("Shape, grid and regularisation were given.",), 0, 0.0, StopReason.CONVERGED
            )
        if not self.folds:
            only = "There is only one distinct sample, so nothing was held out and nothing searched."
            return SearchReport(self.start, (), (only,), 0, 0.0, StopReason.CONVERGED)
        try:
            self._best = self._try(self.start)
            self._search_strength(self._best)
            self._search_smoothness()
            if settings.searches_hidden:
                self._search_hidden()
            if settings.searches_grid:
                self._search_grid()
        except _SearchEnd:
            pass
        except KeyboardInterrupt:
            if self.fallback is None:
                raise
            self.stopped = StopReason.INTERRUPTED
            self.sentences.append(f"Interrupted at: {self.stage}.")
        chosen = self.start if self._best is None else self._best.trial.candidate
        trials = tuple(trained.trial for trained in self.trials.values())
        if len(trials) > 1:
            self.sentences.append(f"Chosen of {len(trials)} candidates: {chosen.describe()}.")
        return SearchReport(chosen, trials, tuple(self.sentences), len(self.folds), self.work, self.stopped)

    # State of the search

    @property
    def best(self) -> _TrainedTrial:
        """Best trial so far."""
        assert self._best is not None, "the first trial is not complete"
        return self._best

    @property
    def fallback(self) -> TrainedModel | None:
        """Best model so far, for a search that is interrupted; None before there is any."""
        best = self._first if self._best is None else self._best.first
        if best is None:
            return None
        return best._replace(report=replace(best.report, stopped=StopReason.INTERRUPTED, message=INTERRUPTED_SEARCH))

    @property
    def is_noise_free(self) -> bool:
        """True if the samples seem free of noise, and shape and grid are free to be chosen by `approximate`."""
        settings, policy = self.settings, self.policy
        free = settings.searches_hidden and settings.searches_grid and settings.searches_strength
        if not (free and isinstance(self.problem, Regression)) or self._best is None:
            return False
        trial = self._best.trial
        enough = len(self.problem.train) >= policy.noise_free_samples and trial.folds == len(self.folds)
        return enough and policy.rounding < trial.loss < policy.noise_free

    @property
    def remaining_work(self) -> float:
        """Work that the time limit still allows at the pace so far; infinite without a limit or before any work."""
        left = self.time_left
        if left is None or self.work == 0:
            return math.inf
        return left * self.work / (time.perf_counter() - self.began)

    @property
    def time_left(self) -> float | None:
        """Seconds to the time limit, at least a millisecond; None without a limit."""
        if self.settings.time_limit is None:
            return None
        return max(self.settings.time_limit - (time.perf_counter() - self.began), 1e-3)

    def held_out(self) -> Data | None:
        """Return the samples with the residuals (as y) of the best candidate's models that did not see them.

        None where nothing was held out, or the problem is no regression.
        """
        if self._best is None or not isinstance(self.problem, Regression):
            return None
        parts = []
        with torch.no_grad():
            for model, (_, held) in zip(self._best.models, self.folds, strict=False):
                part = self.problem.train.select(held)
                parts.append(Data(part.x, part.y - model(part.x), part.weight))
        weights = [part.weight for part in parts if part.weight is not None]
        x, y = torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])
        return Data(x, y, torch.cat(weights) if weights else None)

    def report_progress(self, loss: float | None, work: float, stage: str | None = None) -> None:
        """Report to the progress callback; `work` is that of the current piece of the search so far."""
        self.stage = stage or self.stage
        if self.progress is not None:
            best = math.nan if self._best is None else self._best.trial.loss
            share = min((self.work + work) / self.planned, 1.0)
            self.progress(Progress(self.stage, share, loss, best, time.perf_counter() - self.began))

    # The stages of the search, in order

    def _search_strength(self, start: _TrainedTrial) -> _TrainedTrial:
        """Lower the strength, or else raise it, by factors of ten while the held-out loss falls.

        Returns the strongest penalty among the trials that are no worse than the best by more than the margin.
        """
        if not self.settings.searches_strength or start.trial.candidate.smooth:
            return start
        walked = [start]
        for factor in (0.1, 10.0):
            while (
                self.policy.strongest
                >= walked[-1].trial.candidate.strength * factor
                >= self.policy.weakest * 0.99  # 0.99: the factors accumulate rounding
            ):
                candidate = walked[-1].trial.candidate
                strength = float(f"{candidate.strength * factor:.0e}")
                trained = self._try(replace(candidate, strength=strength), warm=walked[-1], rival=walked[-1])
                if trained.trial.loss >= walked[-1].trial.loss:
                    walked.insert(0, trained)
                    break
                if walked[-1] is self.best:  # the same shape and grid, so no margin is required
                    self._best = trained
                walked.append(trained)
        best = min(walked, key=lambda trained: trained.trial.loss)
        ties = [trained for trained in walked if trained is best or self._is_no_worse(trained, best)]
        strongest = max(ties, key=lambda trained: trained.trial.candidate.strength)
        if self.best is best:
            self._best = strongest
        return strongest

    def _search_smoothness(self) -> None:
        """Use smoothing strengths edge by edge instead of one for all, if the held-out loss is lower."""
        plain = self.best
        if self._can_smooth(plain.trial.candidate):
            smooth = self._try(replace(plain.trial.candidate, smooth=True), rival=plain)
            if smooth.trial.loss < plain.trial.loss:
                self._best = smooth

    def _search_hidden(self) -> None:
        """Try a product, then larger and larger hidden layers while they lower the held-out loss."""
        smooth = self._can_smooth(replace(self.start, hidden=(1,)))
        if smooth:
            self._try_product()
        sizes = self.policy.smooth_sizes if smooth else self.policy.hidden_sizes
        for size in sizes:
            if not self._try_hidden((size,), smooth):
                break
            if smooth and size == sizes[0]:
                self._try_hidden(self.policy.two_layers, smooth)
        rich = self.best
        smaller = dict(self.policy.smaller_sizes).get(sum(rich.trial.candidate.hidden))
        if rich.trial.candidate.smooth and len(rich.trial.candidate.hidden) == 1 and smaller is not None:
            simple = self._try(replace(rich.trial.candidate, hidden=(smaller,)), rival=rich)
            if len(simple.losses) == len(rich.losses) and self._is_no_worse(simple, rich):
                self._best = simple

    def _try_product(self) -> None:
        """Try a product of one function of each input, the multiplicative counterpart of the additive model.

        It needs fewer functions than the sums of squares by which hidden layers express products.
        """
        # A product has few functions, whose smoothness is fitted, so a finer grid has no disadvantage.
        size = (2 if self.settings.searches_grid else 1) * self.start.grid_size
        product = replace(self.start, hidden=(1,), smooth=True, product=True, grid_size=size)
        inputs = self.problem.train.x.shape[1]
        parameters = product.parameters(inputs, self.settings.outputs)
        if inputs == 1 or not can_smooth(self.problem, parameters, product.degree):
            return
        if self._fits_budget(product, sum(self._work_of(product, part) for part in self._training_parts())):
            current = self.best.trial.candidate
            self._try_richer(self.best, replace(product, strength=current.strength))
        else:  # of many inputs it costs much more than the shapes that come next
            self.sentences.append(f"The budget is too small for this candidate: {product.describe()}.")

    def _try_hidden(self, hidden: tuple[int, ...], smooth: bool) -> bool:
        """Try hidden layers; return whether larger ones are worth a trial."""
        current, loss_before = self.best.trial.candidate, self.best.trial.loss
        strength = current.strength
        if self.settings.searches_strength:
            strength = min(strength, self.policy.strongest_hidden)
        size = self._parameters(hidden)
        by_edge = smooth and can_smooth(self.problem, size, self.start.degree)
        candidate = replace(self.start, hidden=hidden, strength=strength, smooth=by_edge)
        if self._try_richer(self.best, candidate):
            return True
        # A gain below the margin is no reason to take the shape, but it is one to try twice the size.
        return by_edge and self.trials[candidate].trial.loss < loss_before

    def _search_grid(self) -> None:
        """Double the grid, an exact refinement of the best model, while the held-out loss falls."""
        most = len(self.problem.train) * self.settings.outputs
        while self.best.trial.parameters * 2 <= most:
            current = self.best.trial.candidate
            if not self._try_richer(self.best, replace(current, grid_size=2 * current.grid_size), continues=True):
                return

    # Trials

    def _try_richer(self, simple: _TrainedTrial, candidate: Candidate, *, continues: bool = False) -> bool:
        """Try a richer candidate at several strengths; return whether it was accepted and is now the best.

        A finer grid continues from the models of `simple`; another shape starts anew.
        """
        if simple.trial.loss < self.policy.rounding:
            self._end(f"The held-out loss is {simple.trial.loss:.1g}: there is nothing left to gain.")
        if self.is_noise_free:
            self._end(f"The held-out loss is {simple.trial.loss:.1g}: samples that seem free of noise.")
        first = self._try(candidate, warm=simple if continues else None, rival=simple)
        accepted = self._accept_if_better(simple, first)  # before the walk, which the budget may end
        if self._loses_race(simple, first.losses):
            return False
        walked = self._search_strength(first)
        return (walked is not first and self._accept_if_better(simple, walked)) or accepted

    def _accept_if_better(self, simple: _TrainedTrial, rich: _TrainedTrial) -> bool:
        """Accept the richer model if its held-out loss is lower by the margin; record the decision."""
        gain, error = paired_gain(simple.losses, rich.losses)
        accepted = gain > self.policy.margin * error
        if rich is not self.best:
            self.sentences.append(
                f"{rich.trial.candidate.describe()}: held-out loss {rich.trial.loss:.3g} with {rich.trial.parameters} "
                f"parameters against {simple.trial.loss:.3g} with {simple.trial.parameters} "
                f"(standard error of the difference {error:.2g}): {'taken' if accepted else 'not taken'}."
            )
        if accepted and rich.trial.loss <= self.best.trial.loss:
            self._best = rich
        return accepted

    def _try(
        self, candidate: Candidate, *, warm: _TrainedTrial | None = None, rival: _TrainedTrial | None = None
    ) -> _TrainedTrial:
        """Train a candidate on every fold and score it on the held-out part.

        A candidate that is clearly worse than `rival` on the first folds is not trained on the others.
        """
        if candidate in self.trials:
            return self.trials[candidate]
        problems = self._training_parts()
        expected = sum(self._work_of(candidate, problem) for problem in problems)
        if self._best is not None:  # the first trial always runs
            self._check_affordable(candidate, expected)
        self.stage = candidate.describe()
        share = expected / len(problems)
        losses, models = [], []
        for number, (problem, (_, held)) in enumerate(zip(problems, self.folds, strict=True)):
            model, report = train_candidate(
                problem,
                candidate,
                outputs=self.settings.outputs,
                seed=self.settings.seed,
                warm=warm.models[number] if warm is not None and number < len(warm.models) else None,
                progress=lambda step: self.report_progress(step.loss, share * step.share),
            )
            self.work += share
            self._first = self._first or TrainedModel(model, report, problem)
            if report.stopped == StopReason.INTERRUPTED:
                raise KeyboardInterrupt
            # by the fold's own problem, whose unknowns (thresholds of ordered classes) were trained with the model
            losses.append(clipped_losses(problem, model, self.problem.train.select(held)))
            models.append(model)
            if number == 0:
                first = TrainedModel(model, report, problem)
            if rival is not None and self._loses_race(rival, torch.cat(losses)):
                break
        every = torch.cat(losses)
        finite = bool(every.isfinite().all())
        mean = float(every.mean()) if finite else math.inf
        if finite and rival is not None and len(every) < len(rival.losses):
            # The rival was scored on more folds, so only the difference on common samples is a fair comparison.
            mean = rival.trial.loss - paired_gain(rival.losses, every)[0]
        error = float(every.std() / len(every) ** 0.5) if finite and len(every) > 1 else math.inf
        parameters = sum(p.numel() for p in models[0].parameters())
        trial = Trial(candidate, mean, error, parameters, len(models))
        self.trials[candidate] = _TrainedTrial(trial, every, models, first)
        return self.trials[candidate]

    def _training_parts(self) -> list[Problem]:
        return [self.problem.subset(train) for train, _ in self.folds]

    # Comparisons and limits

    def _work_of(self, candidate: Candidate, problem: Problem | None = None, *, final: bool = False) -> float:
        return work_of(self.problem if problem is None else problem, candidate, self.settings.outputs, final=final)

    def _is_no_worse(self, simple: _TrainedTrial, rich: _TrainedTrial) -> bool:
        gain, error = paired_gain(simple.losses, rich.losses)
        return gain <= self.policy.margin * error

    def _loses_race(self, rival: _TrainedTrial, losses: Tensor) -> bool:
        gain, error = paired_gain(rival.losses, losses)
        return gain < -self.policy.race_margin * error

    def _parameters(self, hidden: tuple[int, ...]) -> int:
        inputs = self.problem.train.x.shape[1]
        return replace(self.start, hidden=hidden).parameters(inputs, self.settings.outputs)

    def _can_smooth(self, candidate: Candidate) -> bool:
        """Return whether smoothness by edge is possible and affordable for a candidate."""
        size = self._parameters(candidate.hidden)
        if not (self.settings.searches_strength and can_smooth(self.problem, size, candidate.degree)):
            return False
        cost = len(self.folds) * self._work_of(replace(candidate, smooth=True))
        return not candidate.hidden or self.policy.affordable_trials * cost <= self.limit

    def _check_affordable(self, candidate: Candidate, expected: float) -> None:
        """End the search if the next trial and the final fit would exceed the budget or the time limit."""
        if not self._fits_budget(candidate, expected):
            next_one = f"the next candidate would have been: {candidate.describe()}."
            self._end(f"The search stopped because its budget was used up; {next_one}", StopReason.BUDGET)
        # The final fit sees more samples only where there is time for them, so its cost here is that of the search.
        if expected + self._work_of(candidate, final=True) > self.remaining_work:
            limit = f"the time limit of {self.settings.time_limit:g} s"
            next_one = f"the next candidate would have been: {candidate.describe()}."
            self._end(f"The search stopped because of {limit}; {next_one}", StopReason.TIME_LIMIT)

    def _fits_budget(self, candidate: Candidate, expected: float) -> bool:
        return self.work + expected + self._work_of(candidate, final=True) <= self.limit

    def _end(self, sentence: str, stopped: StopReason = StopReason.CONVERGED) -> NoReturn:
        self.stopped = stopped
        self.sentences.append(sentence)
        raise _SearchEnd


def paired_gain(simple: Tensor, rich: Tensor) -> tuple[float, float]:
    """Compare the losses of two models on the samples that both have.

    Parameters
    ----------
    simple, rich : Tensor
        Held-out losses of the samples, in the same order; one of them may have fewer.

    Returns
    -------
    gain : float
        How much lower the mean loss of `rich` is.
    error : float
        Standard error of that paired difference.

    Examples
    --------
    >>> paired_gain(torch.tensor([3.0, 3.0, 4.0]), torch.tensor([2.0, 2.0]))
    (1.0, 0.0)
    """
    count = min(len(simple), len(rich))
    change, rich = simple[:count] - rich[:count], rich[:count]
    if not bool(change.isfinite().all()):
        return (-math.inf if not bool(rich.isfinite().all()) else math.inf), 0.0
    return float(change.mean()), float(change.std() / len(change) ** 0.5) if len(change) > 1 else math.inf
