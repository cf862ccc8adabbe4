"""A candidate that was chosen on a sample is fitted to all rows, with finer margins of pairs and with hidden nodes."""

import re
import time

import numpy as np
import pytest
import torch

from edgewise.gam.families.exponential import Gaussian, Poisson
from edgewise.outcomes import Budget, OutOfTime, StopReason
from edgewise.search.all_rows import AllRows
from edgewise.search.automatic import _fit_report, auto_fit
from edgewise.search.candidates import Candidate, FitCache, Samples
from edgewise.search.policy import SearchPolicy, SearchSettings

N, SAMPLE = 12_000, 600


def rows(seed, count):
    rng = np.random.default_rng(seed)
    x = rng.random((count, 3))
    return x, 2 * np.sin(4 * x[:, 0] * x[:, 1]) + x[:, 2], rng


def everything(x, y, passes=99):
    """All rows; the time is over after so many passes."""
    begun = []

    def total(function, seconds, part):
        begun.append(seconds)
        if len(begun) > passes:
            raise OutOfTime
        rows = np.arange(N) if part is None else np.flatnonzero(np.arange(N) % part.parts != part.number)
        found = [function(x[few], y[few], np.ones(len(few))) for few in np.array_split(rows, 5)]
        return tuple(sum(arrays) for arrays in zip(*found, strict=True))

    return AllRows(total, float(N), N)


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(Gaussian(), pairs=True),
        pytest.param(Candidate(Gaussian(), nodes=2), marks=pytest.mark.slow),
        Candidate(Poisson(), pairs=True),
    ],
)
def test_the_chosen_candidate_sees_all_rows(candidate):
    x, f, rng = rows(0, N)
    counts = isinstance(candidate.family, Poisson)
    y = rng.poisson(np.exp(f))[:, None].astype(float) if counts else (f + rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(candidate)
    said = []
    many, sentence, _ = everything(x, y).fitted(
        few, sample, Budget(report=lambda at: said.append(at.stage)), SearchPolicy()
    )
    assert f"are those of all 12,000 rows, in {'one pass' if len(said) == 1 else f'{len(said)} passes'}." in sentence
    assert said[0] == "pass 1 over all 12,000 rows"
    fresh, truth, _ = rows(1, 2000)
    errors = [np.sqrt(np.mean((fitted.link(fresh)[:, 0] - truth) ** 2)) for fitted in (few, many)]
    assert errors[1] < 0.75 * errors[0]
    assert many.model.design.rows == N and many.model.converged
    if candidate.pairs:
        sizes = few.model.design.sizes
        assert many.model.design.sizes == {pair: (2 * size[0], 2 * size[1]) for pair, size in sizes.items()}
    kan = many.to_kan()
    inside = np.clip(fresh, *many.limits.T)
    assert np.allclose(kan(torch.from_numpy(inside)).detach().numpy(), many.link(fresh), atol=1e-9)


def test_what_is_not_summed_over_all_rows_stays_and_says_so():
    x, f, _ = rows(0, 300)
    samples = Samples(x, f[:, None], np.ones(300))
    few = FitCache(samples, policy=SearchPolicy()).fit(Candidate(Gaussian(), additive=False))
    same, sentence, is_ended = AllRows(None, 1e6, 1_000_000).fitted(few, samples, Budget(), SearchPolicy())
    assert same is few and not is_ended
    assert sentence.startswith("Sums over all rows are for additive models and not for a constant; the model is")


def test_passes_end_with_the_time():
    x, f, rng = rows(0, N)
    y = rng.poisson(np.exp(f))[:, None].astype(float)
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(Poisson(), pairs=True))
    budget = Budget(seconds=60.0)
    same, sentence, is_ended = everything(x, y, passes=0).fitted(few, sample, budget, SearchPolicy())
    assert (
        same is few
        and is_ended
        and sentence.startswith("The time limit of 60 s ended the first pass over all rows; the model is")
    )
    budget = Budget(seconds=60.0, began=time.monotonic() - 61)
    whole, *_ = everything(x, y).fitted(few, sample, Budget(), SearchPolicy())
    many, sentence, is_ended = everything(x, y, passes=2).fitted(few, sample, budget, SearchPolicy())
    assert is_ended and sentence.endswith("of all 12,000 rows, in 2 passes, which the time limit ended.")
    assert not many.model.converged
    report = _fit_report(many, sample, StopReason.TIME_LIMIT, budget)
    assert re.fullmatch(r"Penalised .* still rose after 2 steps of .*, when the time was over\.", report.message)
    fresh = rows(1, 500)[0]
    far, near = (np.abs(fitted.link(fresh) - whole.link(fresh)).max() for fitted in (few, many))
    assert near < 0.2 * far


def test_the_search_has_half_of_the_time_that_is_left():
    x, f, rng = rows(0, N)
    y = (f + rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    settings = SearchSettings(effort="low", time_limit=300.0, began=time.perf_counter() - 200.0)  # 100 s are left
    result = auto_fit(sample, settings, everything=everything(x, y))
    assert result.search.stopped == "converged" and "all 12,000 rows" in result.search.sentences[-2]
