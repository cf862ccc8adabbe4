"""A candidate that was chosen on a sample is fitted to all rows, with finer margins of pairs and with hidden nodes."""

import re
import time

import numpy as np
import pytest
import torch

from edgewise.gam.families import Bernoulli, Gaussian, LogNormal, Multinomial, Poisson
from edgewise.gam.normal import normal_matrix
from edgewise.gam.solving import estimate
from edgewise.outcomes import Budget, OutOfTime, StopReason
from edgewise.search.all_rows import AllRows
from edgewise.search.automatic import _fit_report, auto_fit
from edgewise.search.candidates import Candidate, FitCache, Samples, with_own_covariances
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "candidate", [Candidate(Gaussian(), pairs=True), Candidate(Gaussian(), nodes=2), Candidate(Poisson(), pairs=True)]
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
        assert few.model.design.size <= many.model.design.size == 9
    kan = many.to_kan()
    inside = np.clip(fresh, *many.limits.T)
    assert np.allclose(kan(torch.from_numpy(inside)).detach().numpy(), many.link(fresh), atol=1e-9)


@pytest.mark.slow
def test_predictions_through_a_logarithm_keep_the_mean_of_the_sample_beside_pairs():
    x, f, rng = rows(0, N)
    y = np.exp(0.4 * f + 0.5 * rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(LogNormal(), pairs=True))
    many, _, _ = everything(x, y).fitted(few, sample, Budget(), SearchPolicy())
    assert many.model.pairs
    assert many.predict(sample.x).mean() == pytest.approx(sample.y.mean(), rel=1e-3)


def test_what_is_not_summed_over_all_rows_stays_and_says_so():
    x, f, _ = rows(0, 300)
    samples = Samples(x, f[:, None], np.ones(300))
    few = FitCache(samples, policy=SearchPolicy()).fit(Candidate(Gaussian(), additive=False))
    same, sentence, is_ended = AllRows(None, 1e6, 1_000_000).fitted(few, samples, Budget(), SearchPolicy())
    assert same is few and not is_ended
    assert sentence.startswith("Sums over all rows are for additive models and not for a constant; the model is")


@pytest.mark.slow
def test_several_classes_see_all_rows():
    x, f, rng = rows(0, N)
    eta = np.stack([f, -f, np.zeros(N)], 1)
    y = (eta + rng.gumbel(size=(N, 3))).argmax(1)
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(Multinomial(3), pairs=True, factor=2.0))
    many, sentence, _ = everything(x, y).fitted(few, sample, Budget(), SearchPolicy())
    assert "are those of all 12,000 rows, in " in sentence and many.model.converged
    fresh, truth, _ = rows(1, 2000)
    links = np.stack([truth, -truth, 0 * truth], 1)
    errors = [
        np.sqrt(np.mean((Multinomial(3).mean(fitted.link(fresh)) - Multinomial(3).mean(links)) ** 2))
        for fitted in (few, many)
    ]
    assert errors[1] < 0.75 * errors[0]
    budget = Budget(seconds=60.0, began=time.monotonic() - 61)
    early, sentence, is_ended = everything(x, y, passes=4).fitted(few, sample, budget, SearchPolicy())
    assert is_ended and sentence.endswith("in 4 passes, which the time limit ended.")
    far, near = (np.abs(fitted.link(fresh) - many.link(fresh)).max() for fitted in (few, early))
    assert near < 0.3 * far
    same, sentence, is_ended = everything(x, y, passes=1).fitted(few, sample, budget, SearchPolicy())
    assert same is few and is_ended  # one pass gives strengths, but no point that is known to be better
    own = with_own_covariances(few, sample)
    for fit, before in zip(many.model.fits, own.model.fits, strict=True):  # of its own information, for tests and bands
        assert not fit.is_shared and fit.covariance[0, 0] < before.covariance[0, 0] / 5


@pytest.mark.slow
def test_a_mean_of_models_is_that_of_models_of_parts_of_all_rows():
    x, f, rng = rows(0, N)
    y = (f + rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(Gaussian(), models=3))
    many, sentence, _ = everything(x, y).fitted(few, sample, Budget(), SearchPolicy())
    assert sentence.endswith("of all 12,000 rows, in 4 passes.")
    design, coefs = many.model.design, []
    for number in range(3):
        part = np.arange(N) % 5 != number
        normal = normal_matrix(design, x[part], np.ones(part.sum()), y[part])
        coefs.append(estimate(normal.output(0), design, many.model.fits[0].strength).coef)
    assert np.allclose(many.model.coef[:, 0], np.mean(coefs, 0), rtol=1e-8, atol=1e-8)
    assert abs(coefs[0] - coefs[1]).max() > 1e-3


@pytest.mark.slow
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


def test_a_pass_that_is_complete_was_not_ended_by_the_time():
    x, f, rng = rows(0, N)
    y = (f + rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(Gaussian()))
    budget = Budget(seconds=60.0, began=time.monotonic() - 61)
    _, sentence, is_ended = everything(x, y).fitted(few, sample, budget, SearchPolicy())
    assert sentence.endswith("of all 12,000 rows, in one pass.") and not is_ended and budget.is_over


@pytest.mark.parametrize("family", [Bernoulli(), pytest.param(Multinomial(3), marks=pytest.mark.slow)])
def test_passes_that_end_before_the_optimum_are_in_a_sentence(family):
    x, *_ = rows(0, N)
    most = max(family.predictors, 2) - 1
    y = np.floor((most + 1) * x[:, 0]).astype(int)
    y[SAMPLE : SAMPLE + 5] = most - y[SAMPLE : SAMPLE + 5]  # all other rows are separated
    y = y if family.predictors > 1 else y[:, None].astype(float)
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    few = FitCache(sample, policy=SearchPolicy()).fit(Candidate(family))
    many, sentence, is_ended = everything(x, y).fitted(few, sample, Budget(), SearchPolicy())
    assert not many.model.converged and not is_ended
    assert sentence.endswith(" passes. The penalised likelihood still rose in the last pass; no more are made.")


def test_the_search_has_half_of_the_time_that_is_left():
    x, f, rng = rows(0, N)
    y = (f + rng.normal(size=N))[:, None]
    sample = Samples(x[:SAMPLE], y[:SAMPLE], np.ones(SAMPLE))
    settings = SearchSettings(effort="low", time_limit=300.0, began=time.perf_counter() - 200.0)  # 100 s are left
    result = auto_fit(sample, settings, everything=everything(x, y))
    assert result.search.stopped == "converged" and "all 12,000 rows" in result.search.sentences[-2]
