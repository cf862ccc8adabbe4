"""From data to a trained KAN without a setting to choose: the search, then the final fit on all samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from edgewise.model_selection.approximation import APPROXIMATION_HELD_OUT, ApproximateResult, approximate
from edgewise.model_selection.candidates import Candidate, TrainedModel, score_of, train_candidate, work_of
from edgewise.model_selection.cross_validation import clipped_losses
from edgewise.model_selection.search import Search, SearchReport
from edgewise.model_selection.settings import SearchSettings
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.outcomes import Progress, ProgressCallback, StopReason
from edgewise.settings import APPROXIMATION_BUDGET_WORK
from edgewise.train.loop.reports import FitReport
from edgewise.train.penalties import Penalty
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import penalty_of


@dataclass(frozen=True)
class AutoResult:
    """Result of `auto_fit`.

    Parameters
    ----------
    model : KAN
        Trained on all samples, or on a part of them if the work was interrupted before the final fit.
    report : FitReport
        Report of the last fit of the model.
    search : SearchReport
        The candidates that were tried and the reasons for the choice.
    penalty : Penalty, optional
        Penalty of the last fit.
    held_out : Data, optional
        Samples with the residuals (as y) of models that did not see them; None where there are none.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> noise = 0.1 * torch.randn(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> settings = SearchSettings(outputs=1, hidden=(), grid_size=4, budget=0.1)
    >>> result = auto_fit(Regression(x, x**2 + noise), settings)
    >>> len(result.search.sentences) > 0, len(result.held_out)
    (True, 60)
    """

    model: KAN
    report: FitReport
    search: SearchReport
    penalty: Penalty | None = None
    held_out: Data | None = None


def auto_fit(problem: Problem, settings: SearchSettings, progress: ProgressCallback | None = None) -> AutoResult:
    """Choose what `settings` leaves open by held-out loss, then train on all samples of `problem.train`.

    Samples of a regression that seem free of noise are approximated to many digits instead (`approximate`). Ctrl-C
    keeps the best model so far.

    Parameters
    ----------
    problem : Problem
        Regression or classification with tensors; inputs and regression targets should be of order 1.
    settings : SearchSettings
        Fixed settings, budget, time limit and seed.
    progress : callable, optional
        Receives a `Progress` after every step.

    Returns
    -------
    AutoResult
        The unknowns of `problem`, for example the thresholds of ordered classes, get the values that belong to its
        model.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C comes before there is any model.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> noise = 0.1 * torch.randn(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> settings = SearchSettings(outputs=1, hidden=(), grid_size=4, budget=0.1)
    >>> result = auto_fit(Regression(x, x**2 + noise), settings)
    >>> result.model.config.width, result.search.folds, len(result.search.trials) > 1
    ((1, 1), 5, True)
    """
    search = Search(_subsample(problem, settings.seed, settings.policy.search_samples), settings, progress)
    report = search.run()
    if search.is_noise_free and report.stopped != StopReason.INTERRUPTED:
        assert isinstance(problem, Regression)
        try:
            exact, report = _approximation(problem, report, search)
        except KeyboardInterrupt:
            exact, report = None, replace(report, stopped=StopReason.INTERRUPTED)
        if exact is not None:
            return exact
    if report.stopped == StopReason.INTERRUPTED:
        assert search.fallback is not None
        model, last, trained = search.fallback
        problem.copy_unknowns_(trained)
        return AutoResult(model, last, report, penalty_of(last) or report.chosen.penalty())
    (model, last, trained), report = _final_fit(problem, report, search)
    problem.copy_unknowns_(trained)
    return AutoResult(model, last, report, penalty_of(last) or report.chosen.penalty(), search.held_out())


def _approximation(problem: Regression, report: SearchReport, search: Search) -> tuple[AutoResult | None, SearchReport]:
    """Approximate all samples with the work and time that the search has left.

    Returns the result if its held-out error is much smaller than that of the search, else None, and the search report
    with the work that was spent.
    """
    policy, seed = search.policy, search.settings.seed
    remaining = min(search.limit - report.work, search.remaining_work)
    if remaining <= 0:
        return None, report
    data = problem.train
    order = torch.randperm(len(data), generator=seeded_generator(seed))
    count = max(1, round(policy.unseen * len(data)))
    unseen, seen = data.select(order[:count].sort().values), data.select(order[count:].sort().values)
    result: ApproximateResult = approximate(
        Regression(seen.x, seen.y, weight=seen.weight, validation=APPROXIMATION_HELD_OUT, seed=seed),
        degree=report.chosen.degree,
        budget=remaining / APPROXIMATION_BUDGET_WORK,
        time_limit=search.time_left,
        seed=seed,
        progress=lambda at: search.report_progress(at.loss, at.share * remaining, f"without noise: {at.stage}"),
    )
    search.work += result.work
    report = replace(report, work=search.work)
    loss = min(phase.validation_loss for phase in result.phases)
    if not loss < policy.approximation_gain * search.best.trial.loss:
        return None, report
    config = result.model.config
    chosen = Candidate(config.width[1:-1], config.grid_size[0], 0.0, config.degree)
    with torch.no_grad():
        residuals = Data(unseen.x, unseen.y - result.model(unseen.x), unseen.weight)
    unseen_loss = float(clipped_losses(problem, result.model, unseen).mean())
    end = (
        f"Chosen without noise: {chosen.describe()}, loss {unseen_loss:.1g} on {len(unseen):,} samples that made no "
        "choice."
    )
    report = replace(report, chosen=chosen, sentences=(*report.sentences, *result.sentences, end))
    search.report_progress(loss, math.inf)
    return AutoResult(result.model, result.report, report, None, residuals), report


def _final_fit(problem: Problem, report: SearchReport, search: Search) -> tuple[TrainedModel, SearchReport]:
    """Train the chosen candidate on all samples, from several starts if it has hidden layers and the budget allows.

    Where the time limit does not allow all samples, as many as it allows are drawn. Each start trains unknowns of its
    own, because only those of the best start belong to the model that is kept.
    """
    chosen, settings = report.chosen, search.settings
    search.stage = f"final fit: {chosen.describe()}"
    rows, searched = len(problem.train), len(search.problem.train)
    cost, sentences = work_of(problem, chosen, settings.outputs, final=True), []
    if cost > search.remaining_work and rows > searched:
        affordable = max(searched, int(rows * search.remaining_work / cost))
        sentences.append(f"The time limit left room for {affordable:,} of {rows:,} samples in the final fit.")
        problem = _subsample(problem, settings.seed, affordable)
        cost = work_of(problem, chosen, settings.outputs, final=True)
    starts = 1
    if chosen.hidden:
        most = settings.policy.final_starts
        starts = max(1, min(most, int(min(search.limit - report.work, search.remaining_work, most * cost) / cost)))
    if starts > 1:
        sentences.append(f"The final fit is the best of {starts} starts.")
    best: TrainedModel | None = None
    best_score, spent = math.inf, 0.0

    def report_progress(at: Progress) -> None:
        search.report_progress(at.loss, spent + cost * at.share)

    try:
        for start in range(starts):
            own = problem.with_copied_unknowns()
            model, fit_report = train_candidate(
                own,
                chosen,
                outputs=settings.outputs,
                seed=settings.seed + (start << 32),  # so that neighbouring seeds share no start
                final=True,
                progress=report_progress,
            )
            spent += cost
            score = score_of(model, own, fit_report)
            if best is None or score < best_score:
                best, best_score = TrainedModel(model, fit_report, own), score
            if fit_report.stopped == StopReason.INTERRUPTED:
                raise KeyboardInterrupt
        assert best is not None
        search.report_progress(best.report.loss, math.inf)
    except KeyboardInterrupt:
        best = _best_of_interrupted(problem, best, search)
    return best, replace(report, sentences=(*report.sentences, *sentences), work=report.work + spent)


def _best_of_interrupted(problem: Problem, final: TrainedModel | None, search: Search) -> TrainedModel:
    """Return the better of the model that the final fit has reached by Ctrl-C and that of the search."""
    searched = search.fallback
    if final is None:
        if searched is None:
            raise KeyboardInterrupt
        return searched
    if final.report.stopped != StopReason.INTERRUPTED:  # an earlier start that was completed
        message = "Interrupted; the model is the best of the starts that were completed."
        return final._replace(report=replace(final.report, stopped=StopReason.INTERRUPTED, message=message))
    if searched is None:
        return final
    data = problem.train
    losses = [float(clipped_losses(one.problem, one.model, data).mean()) for one in (final, searched)]
    return final if losses[0] <= losses[1] else searched


def _subsample(problem: Problem, seed: int, most: int) -> Problem:
    """Draw at most `most` of the training samples."""
    rows = len(problem.train)
    if rows <= most:
        return problem
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:most]
    return problem.subset(order.sort().values)
