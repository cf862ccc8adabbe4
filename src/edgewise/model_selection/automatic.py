"""From data to a trained KAN with nothing to choose: search, then the final fit on all samples.

Samples that seem to have no noise: an approximation to many digits instead of what a search came to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from edgewise.model_selection.approximation import HELD_OUT, WORK, approximate
from edgewise.model_selection.candidates import Candidate, score_of, train_candidate, work_of
from edgewise.model_selection.cross_validation import clipped_losses
from edgewise.model_selection.search import ProgressEvent, Search, SearchReport
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.train.loop.reports import FitReport
from edgewise.train.penalties import Penalty
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import penalty_of

# A search on more samples costs more and chooses the same; the final fit sees all of them.
SEARCH_SAMPLES = 20_000
STARTS = 5  # of a model with hidden layers, as far as budget and time go; the best objective is kept


@dataclass(frozen=True)
class AutoResult:
    """model: trained on all samples (on a part of them if interrupted before). report: of its last fit.
    search: what was tried and why this was chosen. penalty: of that fit. held_out: samples with the residuals (as y)
    of models that did not see them, None where there are none."""

    model: KAN
    report: FitReport
    search: SearchReport
    penalty: Penalty | None = None
    held_out: Data | None = None


def auto_fit(
    problem: Problem,
    *,
    outputs: int,
    hidden: tuple[int, ...] | None = None,
    grid_size: int | None = None,
    strength: float | None = None,
    degree: int = 3,
    budget: float = 1.0,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Callable[[ProgressEvent], None] | None = None,
) -> AutoResult:
    """Chooses what is None by held-out loss, then trains on all samples of problem.train.

    Inputs and regression targets should be of order 1. Ctrl-C keeps the best model so far.

    Args:
        outputs: of the model: classes, or columns of y.
        hidden, grid_size, strength, degree: see `Candidate`; hidden () is an additive model.
        budget: work allowed; 1 is up to about a minute on two cores, less for small tables.
        time_limit: seconds; decides between stages only, so a limit that is not hit changes nothing.
        seed: of folds and initial weights.
        progress: told of every step.
    """
    plan = Candidate(degree=degree)
    plan = replace(
        plan,
        hidden=plan.hidden if hidden is None else hidden,
        grid_size=plan.grid_size if grid_size is None else grid_size,
        strength=plan.strength if strength is None else strength,
    )
    search = Search(
        _sampled(problem, seed, SEARCH_SAMPLES),
        outputs=outputs,
        start=plan,
        search_hidden=hidden is None,
        search_grid=grid_size is None,
        search_strength=strength is None,
        budget=budget,
        time_limit=time_limit,
        seed=seed,
        progress=progress,
    )
    found, exact = search.run(), None
    try:
        if search.is_noise_free and found.stopped != "interrupted":
            exact, found = approximated(problem, found, search)
    except KeyboardInterrupt:
        found = replace(found, stopped="interrupted")
    if exact is not None:
        return AutoResult(exact.model, exact.report, found, None, exact.held_out)
    if found.stopped == "interrupted":
        model, report = search.fallback
        return AutoResult(model, report, found, penalty_of(report) or found.chosen.penalty())
    search.stage = f"final fit: {found.chosen.says()}"
    model, report, found = _final(problem, found, outputs, seed, search)
    penalty = penalty_of(report) or found.chosen.penalty()
    return AutoResult(model, report, found, penalty, search.held_out())


def _final(problem: Problem, found: SearchReport, outputs: int, seed: int, search: Search):
    """The chosen candidate on all samples, from several starts if it has hidden layers and budget and time allow; on
    fewer samples where the time limit asks for it."""
    cost, said = work_of(problem, found.chosen, final=True), []
    if cost > search.room and len(problem.train) > len(search.problem.train):
        rows = max(len(search.problem.train), int(len(problem.train) * search.room / cost))
        said = [f"The time limit left room for {rows:,} of {len(problem.train):,} samples in the final fit."]
        problem = _sampled(problem, seed, rows)
        cost = work_of(problem, found.chosen, final=True)
    starts = 1
    if found.chosen.hidden:
        starts = max(1, min(STARTS, int(min(search.limit - found.work, search.room, STARTS * cost) / cost)))
    if starts > 1:
        said.append(f"The final fit is the best of {starts} starts.")
    found = replace(found, sentences=(*found.sentences, *said))
    best, best_score, spent = None, math.inf, 0.0
    try:
        for start in range(starts):
            model, report = train_candidate(
                problem,
                found.chosen,
                outputs=outputs,
                seed=seed + (start << 32),  # so that neighbouring seeds share no start
                final=True,
                progress=lambda loss, share, before=spent: search.report(loss, before + cost * share),
            )
            spent += cost
            score = score_of(model, problem, report)
            if best is None or score < best_score:
                best, best_score = (model, report), score
            if report.stopped == "interrupted":
                raise KeyboardInterrupt
        search.report(best[1].loss, math.inf)
    except KeyboardInterrupt:
        best = _kept(problem, best, search)
    return *best, replace(found, work=found.work + spent)


def _kept(problem: Problem, final: tuple[KAN, FitReport] | None, search: Search) -> tuple[KAN, FitReport]:
    """After Ctrl-C: the better of what the final fit has reached, on all samples, and the search had found."""
    found = search.fallback
    if final is None:
        if found is None:
            raise KeyboardInterrupt
        return found
    model, report = final
    if report.stopped != "interrupted":  # an earlier start that was completed
        told = "Interrupted; the model is the best of the starts that were completed."
        return model, replace(report, stopped="interrupted", message=told)
    return final if found is None or _loss(problem, model) <= _loss(problem, found[0]) else found


def _loss(problem: Problem, model: KAN) -> float:
    return float(clipped_losses(problem, model, problem.train).mean())


def _sampled(problem: Problem, seed: int, most: int) -> Problem:
    rows = len(problem.train)
    if rows <= most:
        return problem
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:most]
    return problem.subset(order.sort().values)


UNSEEN = 0.1  # of the samples make no choice at all: error bars are calibrated on them
CLOSER = 0.25  # times the held-out loss of the search: what an approximation must reach to be taken


@dataclass(frozen=True)
class Approximation:
    """model, the report of its last fit, and the samples that it was neither trained nor chosen by, with its residuals
    as y."""

    model: KAN
    report: FitReport
    held_out: Data


def approximated(problem: Regression, found: SearchReport, search: Search) -> tuple[Approximation | None, SearchReport]:
    """What `approximate` makes of all samples with the work and time that the search has left, if it is much closer to
    held-out ones than the search came; and the report, with what that cost and says."""
    data, left = problem.train, min(search.limit - found.work, search.room)
    if left <= 0:
        return None, found
    unseen, seen = _split(data, search.seed)
    split = Regression(seen.x, seen.y, weight=seen.weight, validation=HELD_OUT, seed=search.seed)
    result = approximate(
        split,
        degree=found.chosen.degree,
        budget=left / WORK,
        time_limit=search.time_left,
        seed=search.seed,
        progress=lambda stage, share, error: search.tell(f"without noise: {stage}", error**2, share * left),
    )
    search.work += result.work
    loss = min(phase.validation_loss for phase in result.phases)
    if not loss < CLOSER * search.best.trial.loss:
        return None, replace(found, work=search.work)
    config = result.model.config
    chosen = Candidate(config.width[1:-1], config.grid_size[0], 0.0, config.degree)
    with torch.no_grad():
        apart = Data(unseen.x, unseen.y - result.model(unseen.x), unseen.weight)
    left_over = float(clipped_losses(problem, result.model, unseen).mean())
    end = f"Chosen without noise: {chosen.says()}, loss {left_over:.1g} on {len(unseen):,} samples that made no choice."
    found = replace(found, chosen=chosen, sentences=(*found.sentences, *result.sentences, end), work=search.work)
    search.report(loss, math.inf)
    return Approximation(result.model, result.report, apart), found


def _split(data: Data, seed: int) -> tuple[Data, Data]:
    order = torch.randperm(len(data), generator=seeded_generator(seed))
    count = max(1, round(UNSEEN * len(data)))
    return data.select(order[:count].sort().values), data.select(order[count:].sort().values)
