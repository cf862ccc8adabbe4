"""Samples that seem to have no noise: an approximation to many digits instead of what a search came to."""

import math
from dataclasses import dataclass, replace

import torch

from edgewise.nn.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.train.approximate import HELD_OUT, WORK, approximate
from edgewise.train.candidate import Candidate
from edgewise.train.fit_report import FitReport
from edgewise.train.folds import sample_losses
from edgewise.train.problem import Data, Regression
from edgewise.train.search import Search
from edgewise.train.search_report import SearchReport

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
    left_over = float(sample_losses(problem, result.model, unseen).mean())
    end = f"Chosen without noise: {chosen.says()}, loss {left_over:.1g} on {len(unseen):,} samples that made no choice."
    found = replace(found, chosen=chosen, sentences=(*found.sentences, *result.sentences, end), work=search.work)
    search.report(loss, math.inf)
    return Approximation(result.model, result.report, apart), found


def _split(data: Data, seed: int) -> tuple[Data, Data]:
    order = torch.randperm(len(data), generator=seeded_generator(seed))
    count = max(1, round(UNSEEN * len(data)))
    return data.select(order[:count].sort().values), data.select(order[count:].sort().values)
