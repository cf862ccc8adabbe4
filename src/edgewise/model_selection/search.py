"""What a search over candidates tells: while it runs, and at its end.

Chooses shape, grid and regularisation of a KAN for given data, by held-out loss, within a budget of work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from edgewise.model_selection.candidates import Candidate, can_smooth, reasonable_work, train_candidate, work_of
from edgewise.model_selection.cross_validation import clipped_losses, folds
from edgewise.nn.model import KAN
from edgewise.train.loop.reports import FitReport
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression


@dataclass(frozen=True)
class ProgressEvent:
    """Where a search stands: stage in words, share of the planned work that is done (0 .. 1), latest training loss,
    best held-out loss so far, seconds since the start."""

    stage: str
    done: float
    loss: float
    best: float
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Time to the end of the planned work at the pace so far; less if the search ends early."""
        return self.seconds * (1 - self.done) / max(self.done, 1e-9)


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried: its mean held-out loss, the standard error of that, its parameters, and the folds it
    was trained on (not all if it was clearly worse on the first)."""

    candidate: Candidate
    loss: float
    error: float
    parameters: int
    folds: int


@dataclass(frozen=True)
class SearchReport:
    """What a search tried and why it chose what it chose.

    chosen: the candidate. trials: all, in order. sentences: the reasons. folds: of the cross-validation, 1 for a
    single held-out part. work: multiply-adds, about. stopped: "finished", "budget", "time" or "interrupted".
    """

    chosen: Candidate
    trials: tuple[Trial, ...]
    sentences: tuple[str, ...]
    folds: int
    work: float
    stopped: str


HIDDEN_SIZES = (5, 10, 20)
# Where smoothness is found edge by edge, a shape costs one trial instead of a walk along the strengths, and fewer nodes
# are often enough: after these sizes the next smaller one than the best is tried.
SMOOTH_SIZES, SMALLER = (2, 5, 10, 20), {2: 1, 5: 3, 10: 7, 20: 14}
# Tried where two nodes in one layer pay. From samples with 5 % of noise five nodes in one layer learned
# exp(-(t - u)^2 / (2 s^2)) / s to 5 %, ten sqrt(1 + a^2 - 2 a cos(t - u)) to 5 %, these two layers both to 2 %.
DEEP = (3, 2)
ROOM = 4  # trials of the first such layer that the budget must hold
INTERRUPTED = "Interrupted; the model is the best so far, trained on a part of the data."
STRONGEST, WEAKEST = 1.0, 1e-10
# Hidden layers start no stronger: what suits an additive model that explains nothing would flatten them.
STRONGEST_HIDDEN = 1e-3
# A larger or less regularised model must lower the held-out loss by a standard error of the difference: ties go to the
# simpler one (the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984, 3.4.3).
MARGIN = 1.0
# One that is worse by so many standard errors on the first folds is not trained on the others, nor tried at other
# strengths (a race, as in Maron and Moore, "Hoeffding races", 1994).
HOPELESS = 2.0
# Held-out loss, relative to a target of order 1, that float64 can't improve on.
PERFECT = 1e-24
NOISE_FREE, ENOUGH = 1e-5, 100  # held-out loss of so many samples from where they seem to be without noise


@dataclass
class _Tried:
    trial: Trial
    losses: Tensor  # of every held-out sample, in a fixed order
    models: list[KAN] = field(default_factory=list)  # of the folds
    report: FitReport | None = None  # of the first model


class _Stop(Exception):
    """The search ends here: budget, time, or the user."""


class Search:
    """One search. `run()` gives the report; `fallback` then is a model of the chosen candidate, trained on a part of
    the data."""

    def __init__(
        self,
        problem: Problem,
        *,
        outputs: int,
        start: Candidate,
        search_hidden: bool = True,
        search_grid: bool = True,
        search_strength: bool = True,
        budget: float = 1.0,
        time_limit: float | None = None,
        seed: int = 0,
        progress: Callable[[ProgressEvent], None] | None = None,
    ):
        """Starts from `start` and changes only what is to be searched."""
        self.problem, self.outputs, self.seed, self.start = problem, outputs, seed, start
        self.search_hidden, self.search_grid = search_hidden, search_grid
        self.search_strength = search_strength
        self.folds = folds(problem, seed)
        self.limit = budget * reasonable_work(problem.train, outputs)
        # The first trial and the final fit are made in any case.
        least = len(self.folds) * work_of(problem, start) + work_of(problem, start, final=True)
        self.planned = max(self.limit, least)
        self.time_limit, self.progress = time_limit, progress
        self.work, self.began, self.stage = 0.0, time.perf_counter(), "search"
        self.tried: dict[Candidate, _Tried] = {}
        self.best: _Tried | None = None
        self.sentences: list[str] = []
        self.first: tuple[KAN, FitReport] | None = None  # of the first trial, until that is complete
        self.stopped = "finished"

    def run(self) -> SearchReport:
        if not (self.search_hidden or self.search_grid or self.search_strength):
            return SearchReport(self.start, (), ("Shape, grid and strength were given.",), 0, 0.0, "finished")
        if not self.folds:
            only = "There is only one distinct sample, so nothing was held out and nothing searched."
            return SearchReport(self.start, (), (only,), 0, 0.0, "finished")
        try:
            self._strengths(self._first())
            self._smooth()
            if self.search_hidden:
                self._shapes()
            if self.search_grid:
                self._grids()
        except _Stop:
            pass
        except KeyboardInterrupt:
            if self.fallback is None:
                raise
            self.stopped = "interrupted"
            self.sentences.append(f"Interrupted at: {self.stage}.")
        chosen = self.start if self.best is None else self.best.trial.candidate
        trials = tuple(tried.trial for tried in self.tried.values())
        if len(trials) > 1:
            self.sentences.append(f"Chosen of {len(trials)} candidates: {chosen.says()}.")
        return SearchReport(chosen, trials, tuple(self.sentences), len(self.folds), self.work, self.stopped)

    @property
    def fallback(self) -> tuple[KAN, FitReport] | None:
        """The best model so far, where there is no time for more; None before there is any."""
        found = self.first if self.best is None else (self.best.models[0], self.best.report)
        return found and (found[0], replace(found[1], stopped="interrupted", message=INTERRUPTED))

    def held_out(self) -> Data | None:
        """The samples that the best candidate's models did not see, with their residuals as y; None where nothing was
        held out, or the problem is no regression."""
        if self.best is None or not isinstance(self.problem, Regression):
            return None
        parts = []
        with torch.no_grad():
            for model, (_, held) in zip(self.best.models, self.folds, strict=False):
                seen = self.problem.train.select(held)
                parts.append((seen.x, seen.y - model(seen.x), seen.weight))
        x, y, weight = zip(*parts, strict=True)
        return Data(torch.cat(x), torch.cat(y), None if weight[0] is None else torch.cat(weight))

    @property
    def is_noise_free(self) -> bool:
        """Whether the samples seem to be, and shape and grid are free to be chosen by `approximate`."""
        free = self.search_hidden and self.search_grid and self.search_strength and isinstance(self.problem, Regression)
        known = self.best is not None and self.best.trial.folds == len(self.folds)
        return free and known and len(self.problem.train) >= ENOUGH and PERFECT < self.best.trial.loss < NOISE_FREE

    @property
    def room(self) -> float:
        """The work that the time limit still allows at the pace so far; infinite without a limit or before any work."""
        if self.time_limit is None or self.work == 0:
            return math.inf
        return self.time_left * self.work / (time.perf_counter() - self.began)

    @property
    def time_left(self) -> float | None:
        """Seconds, at least a little; None without a limit."""
        if self.time_limit is None:
            return None
        return max(self.time_limit - (time.perf_counter() - self.began), 1e-3)

    def tell(self, stage: str, loss: float, work: float) -> None:
        """Tells the progress callback of a stage."""
        self.stage = stage
        self.report(loss, work)

    def report(self, loss: float, work: float) -> None:
        """Tells the progress callback; work: of the current piece so far."""
        if self.progress is not None:
            best = math.nan if self.best is None else self.best.trial.loss
            done = min((self.work + work) / self.planned, 1.0)
            self.progress(ProgressEvent(self.stage, done, loss, best, time.perf_counter() - self.began))

    def _first(self) -> _Tried:
        self.best = self._try(self.start)
        return self.best

    def _smooth(self) -> None:
        """Strengths edge by edge instead of one for all, if the held-out loss is lower."""
        plain = self.best
        if self.search_strength and self._can_smooth(plain.trial.candidate):
            there = self._try(replace(plain.trial.candidate, smooth=True), rival=plain)
            if there.trial.loss < plain.trial.loss:
                self.best = there

    def _can_smooth(self, candidate: Candidate) -> bool:
        size = self._size(candidate.hidden)
        if not (self.search_strength and can_smooth(self.problem, size, candidate.degree)):
            return False
        # With less the plain candidates, a third of the work each, get further.
        cost = len(self.folds) * work_of(self.problem, replace(candidate, smooth=True))
        return not candidate.hidden or ROOM * cost <= self.limit

    def _size(self, hidden: tuple[int, ...]) -> int:
        return replace(self.start, hidden=hidden).parameters(self.problem.train.x.shape[1], self.outputs)

    def _strengths(self, at: _Tried) -> _Tried:
        """Walks the strength down, or else up, by tens while the held-out loss falls.

        Returns the strongest of those walked that is no worse than the best by more than the margin.
        """
        if not self.search_strength or at.trial.candidate.smooth:
            return at
        walked = [at]
        for factor in (0.1, 10.0):
            while STRONGEST >= walked[-1].trial.candidate.strength * factor >= WEAKEST * 0.99:
                candidate = walked[-1].trial.candidate
                strength = float(f"{candidate.strength * factor:.0e}")
                there = self._try(replace(candidate, strength=strength), warm=walked[-1], rival=walked[-1])
                if there.trial.loss >= walked[-1].trial.loss:
                    walked.insert(0, there)
                    break
                if walked[-1] is self.best:  # the same shape and grid, so no margin is asked for
                    self.best = there
                walked.append(there)
        best = min(walked, key=lambda tried: tried.trial.loss)
        strongest = max(
            (tried for tried in walked if _is_tie(tried, best)), key=lambda tried: tried.trial.candidate.strength
        )
        if self.best is best:
            self.best = strongest
        return strongest

    def _shapes(self) -> None:
        """Hidden layers, larger and larger, while they pay."""
        smooth = self._can_smooth(replace(self.start, hidden=(1,)))
        if smooth:
            self._products()
        for size in SMOOTH_SIZES if smooth else HIDDEN_SIZES:
            if not self._shape((size,), smooth):
                break
            if smooth and size == SMOOTH_SIZES[0]:
                self._shape(DEEP, smooth)
        best = self.best.trial.candidate
        if best.smooth and len(best.hidden) == 1 and best.hidden[0] in SMALLER:
            self._simpler(replace(best, hidden=(SMALLER[best.hidden[0]],)))

    def _shape(self, hidden: tuple[int, ...], smooth: bool) -> bool:
        """Tries hidden layers; whether larger ones are worth a trial."""
        strength, before = self.best.trial.candidate.strength, self.best.trial.loss
        if self.search_strength:
            strength = min(strength, STRONGEST_HIDDEN)
        by_edge = smooth and can_smooth(self.problem, self._size(hidden), self.start.degree)
        changes = {"hidden": hidden, "strength": strength, "smooth": by_edge}
        changes |= {"product": False, "grid_size": self.start.grid_size}
        if self._richer(self.best, **changes):
            return True
        # A little better is no reason to take it, but one to see whether twice the size is.
        there = self.tried[replace(self.best.trial.candidate, **changes)]
        return by_edge and there.trial.loss < before

    def _products(self) -> None:
        """A product of functions, the multiplicative sibling of the additive model: fewer functions than sums of
        squares, which products else are."""
        changes = {"hidden": (1,), "smooth": True, "product": True}
        if self.search_grid:  # few functions, whose smoothness is found: finer grids cost nothing
            changes["grid_size"] = 2 * self.start.grid_size
        candidate, inputs = replace(self.start, **changes), self.problem.train.x.shape[1]
        if inputs > 1 and can_smooth(self.problem, candidate.parameters(inputs, self.outputs), candidate.degree):
            problems = [self.problem.subset(train) for train, _ in self.folds]
            if self._fits(candidate, sum(work_of(problem, candidate) for problem in problems)):
                self._richer(self.best, **changes)
            else:  # of many inputs it costs much more than the shapes that come next
                self.sentences.append(f"The budget of work has no room for: {candidate.says()}.")

    def _simpler(self, candidate: Candidate) -> None:
        """Takes a simpler candidate than the best where it is no worse by more than the margin."""
        rich = self.best
        there = self._try(candidate, rival=rich)
        if (
            len(there.losses) == len(rich.losses)
            and _gain(there.losses, rich.losses)[0] <= MARGIN * _gain(there.losses, rich.losses)[1]
        ):
            self.best = there

    def _grids(self) -> None:
        """Grids of double size, exact refinements of the best, while the held-out loss falls."""
        while self.best.trial.parameters * 2 <= len(self.problem.train) * self.outputs:
            size = 2 * self.best.trial.candidate.grid_size
            if not self._richer(self.best, grid_size=size):
                return

    def _richer(self, simple: _Tried, **changes) -> bool:
        """Tries a richer candidate at several strengths; whether it pays and is now the best."""
        if simple.trial.loss < PERFECT:
            self._stop("finished", f"The held-out loss is {simple.trial.loss:.1g}: there is nothing left to gain.")
        if self.is_noise_free:
            self._stop("finished", f"The held-out loss is {simple.trial.loss:.1g}: samples that seem free of noise.")
        # A grid goes on from the coarser model; another shape starts anew.
        warm = None if "hidden" in changes else simple
        first = self._try(replace(simple.trial.candidate, **changes), warm=warm, rival=simple)
        taken = self._take(simple, first)  # at once if it pays already: the budget may end the walk
        if _is_hopeless(simple, first.losses):
            return False
        walked = self._strengths(first)
        return (walked is not first and self._take(simple, walked)) or taken

    def _take(self, simple: _Tried, rich: _Tried) -> bool:
        """Makes the richer model the best if it pays; says so either way."""
        gain, error = _gain(simple.losses, rich.losses)
        pays = gain > MARGIN * error
        if rich is not self.best:
            self.sentences.append(
                f"{rich.trial.candidate.says()}: held-out loss {rich.trial.loss:.3g} with {rich.trial.parameters} "
                f"parameters against {simple.trial.loss:.3g} with {simple.trial.parameters} "
                f"(standard error of the difference {error:.2g}): {'taken' if pays else 'not taken'}."
            )
        if pays and rich.trial.loss <= self.best.trial.loss:
            self.best = rich
        return pays

    def _try(self, candidate: Candidate, *, warm: _Tried | None = None, rival: _Tried | None = None) -> _Tried:
        """Trains a candidate on every fold and scores it on what was held out; where it is hopeless on the first
        folds, the others are left out."""
        if candidate in self.tried:
            return self.tried[candidate]
        problems = [self.problem.subset(train) for train, _ in self.folds]
        expected = sum(work_of(problem, candidate) for problem in problems)
        self._afford(candidate, expected)
        self.stage = candidate.says()
        losses, models, reports = [], [], []
        for number, (problem, (_, held)) in enumerate(zip(problems, self.folds, strict=True)):
            share = expected / len(problems)
            model, report = train_candidate(
                problem,
                candidate,
                outputs=self.outputs,
                seed=self.seed,
                warm=warm.models[number] if warm is not None and number < len(warm.models) else None,
                progress=lambda loss, done, work=share: self.report(loss, work * done),
            )
            self.work += share
            self.first = self.first or (model, report)
            if report.stopped == "interrupted":
                raise KeyboardInterrupt
            losses.append(clipped_losses(problem, model, self.problem.train.select(held)))
            models.append(model)
            reports.append(report)
            if rival is not None and _is_hopeless(rival, torch.cat(losses)):
                break
        return self._noted(candidate, torch.cat(losses), models, reports, rival)

    def _noted(self, candidate: Candidate, losses: Tensor, models: list, reports: list, rival: _Tried | None) -> _Tried:
        finite = bool(losses.isfinite().all())
        mean = float(losses.mean()) if finite else math.inf
        if finite and rival is not None and len(losses) < len(rival.losses):
            mean = rival.trial.loss - _gain(rival.losses, losses)[0]  # the folds differ; the difference is fair
        error = float(losses.std() / len(losses) ** 0.5) if finite and len(losses) > 1 else math.inf
        parameters = sum(p.numel() for p in models[0].parameters())
        tried = _Tried(Trial(candidate, mean, error, parameters, len(models)), losses, models, reports[0])
        self.tried[candidate] = tried
        return tried

    def _afford(self, candidate: Candidate, expected: float) -> None:
        """Ends the search where the next trial and the final fit would exceed what may be spent."""
        if self.best is None:
            return  # the first trial always runs
        final = work_of(self.problem, candidate, final=True)
        if not self._fits(candidate, expected):
            self._stop("budget", f"The budget of work ends the search before: {candidate.says()}.")
        if expected + final > self.room:  # the final fit sees more samples where there is time for them
            self._stop("time", f"The time limit of {self.time_limit:g} s ends the search before: {candidate.says()}.")

    def _fits(self, candidate: Candidate, expected: float) -> bool:
        """Whether the budget holds the work expected of its trial, and the final fit of it."""
        return self.work + expected + work_of(self.problem, candidate, final=True) <= self.limit

    def _stop(self, why: str, sentence: str) -> None:
        self.stopped = why
        self.sentences.append(sentence)
        raise _Stop


def _gain(simple: Tensor, rich: Tensor) -> tuple[float, float]:
    """How much lower the second model's held-out loss is, and the standard error of that paired difference, on the
    samples that both have."""
    count = min(len(simple), len(rich))
    change, rich = simple[:count] - rich[:count], rich[:count]
    if not bool(change.isfinite().all()):
        return (-math.inf if not bool(rich.isfinite().all()) else math.inf), 0.0
    return float(change.mean()), float(change.std() / len(change) ** 0.5) if len(change) > 1 else math.inf


def _is_hopeless(rival: _Tried, losses: Tensor) -> bool:
    gain, error = _gain(rival.losses, losses)
    return gain < -HOPELESS * error


def _is_tie(tried: _Tried, best: _Tried) -> bool:
    gain, error = _gain(tried.losses, best.losses)
    return tried is best or gain <= MARGIN * error
