"""Tests of edgewise.model_selection.automatic: from data to a model with nothing chosen."""

import itertools

import pytest
import torch

from edgewise.model_selection import automatic as auto
from edgewise.model_selection.automatic import auto_fit
from edgewise.model_selection.candidates import Candidate
from edgewise.model_selection.search import Search
from edgewise.model_selection.settings import SearchPolicy, SearchSettings
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression

FIXED = {"hidden": (2,), "grid_size": 4, "strength": 1e-3}


def regression(rows=300, seed=0, noise=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2) - 1.5
    return Regression(x, y + noise * torch.randn(rows, 1, generator=generator, dtype=torch.float64))


def r2(model, problem):
    with torch.no_grad():
        rest = (model(problem.train.x) - problem.train.y).square().mean()
    return 1 - float(rest / problem.train.y.var(correction=0))


def same(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.slow
def test_a_smooth_function_is_found_to_four_digits():
    assert r2(auto_fit(regression(300), SearchSettings(1)).model, regression(2000, seed=1)) > 0.9999


@pytest.mark.slow
def test_noise_is_predicted_by_its_mean():
    generator = torch.Generator().manual_seed(0)
    x, fresh = (torch.randn(200, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    y = torch.randn(200, 1, generator=generator, dtype=torch.float64)
    model = auto_fit(Regression(x, y - y.mean()), SearchSettings(1)).model
    with torch.no_grad():
        assert float(model(fresh).square().mean()) < 0.05


@pytest.mark.slow
def test_the_same_seed_and_budget_give_the_same_bits():
    problem = regression(60, noise=0.1)
    runs = [(0, None), (0, 1e6), (1, None)]
    results = [auto_fit(problem, SearchSettings(1, budget=0.3, seed=seed, time_limit=limit)) for seed, limit in runs]
    assert same(results[0].model, results[1].model) and results[0].search == results[1].search
    assert not same(results[0].model, results[2].model)


def test_a_tiny_budget_still_fits():
    result = auto_fit(regression(60), SearchSettings(1, budget=1e-9))
    assert r2(result.model, regression(60)) > 0.5
    assert result.search.stopped == "budget" and result.report.stopped in ("converged", "max_steps", "no_progress")


@pytest.mark.slow
def test_the_best_of_several_starts_is_kept_as_far_as_the_budget_goes():
    problem = regression(60, noise=0.1)
    one, all_of_them = (auto_fit(problem, SearchSettings(1, budget=budget, **FIXED)) for budget in (1e-9, 1.0))
    assert all_of_them.search.work == pytest.approx(SearchPolicy().final_starts * one.search.work)
    assert all_of_them.report.loss <= one.report.loss * 1.01


def test_neighbouring_seeds_share_no_start(monkeypatch):
    seeds = []

    made = auto.train_candidate(regression(30), Candidate(), outputs=1, seed=0)

    def noted(*arguments, seed, **settings):
        seeds.append(seed)
        return made

    monkeypatch.setattr(auto, "train_candidate", noted)
    for seed in (0, 1, 2):
        auto_fit(regression(30), SearchSettings(1, seed=seed, **FIXED))
    assert len(set(seeds)) == len(seeds) == 3 * SearchPolicy().final_starts


def test_only_so_many_samples_are_searched_and_all_are_fitted():
    policy = SearchPolicy(search_samples=40)
    assert SearchPolicy().search_samples > 40
    result = auto_fit(regression(60), SearchSettings(1, budget=0.1, policy=policy))
    assert result.report.plan["samples"] == 60
    search = Search(auto._subsample(regression(60), 0, 40), SearchSettings(1))
    assert sum(len(held) for _, held in search.folds) == 40


@pytest.mark.slow
def test_a_time_limit_bounds_the_final_fit():
    """With no time left it sees no more samples than the search did, and says so; without a limit all of them."""
    policy = SearchPolicy(search_samples=50)
    problem = regression(200, noise=0.1)
    for limit, rows in ((1e-9, 50), (None, 200), (1e6, 200)):
        result = auto_fit(problem, SearchSettings(1, budget=0.1, time_limit=limit, policy=policy))
        assert result.report.plan["samples"] == rows
        said = "The time limit left room for 50 of 200 samples in the final fit." in result.search.sentences
        assert said == (rows == 50)


def test_progress_ends_at_one():
    events = []
    auto_fit(regression(60, noise=0.1), SearchSettings(1, budget=0.3), events.append)
    done = [event.share for event in events]
    assert all(a <= b for a, b in itertools.pairwise(done)) and done[0] < 0.5 and done[-1] == 1
    assert events[-1].stage.startswith("final fit: ") and events[-1].seconds_left == 0


def stages_of(problem, **settings):
    stages = []
    auto_fit(problem, SearchSettings(1, **settings), lambda event: stages.append(event.stage))
    return stages


def stopped_at(at, problem, **settings):
    calls = itertools.count()

    def stop(event):
        if next(calls) == at:
            raise KeyboardInterrupt

    return auto_fit(problem, SearchSettings(1, **settings), stop)


SEARCHED = {"grid_size": 4, "strength": 1e-4, "budget": 0.5}


@pytest.fixture(scope="module")
def stages():
    return stages_of(regression(60), **SEARCHED)


class TestInterrupt:
    @pytest.mark.slow
    @pytest.mark.parametrize("when", ["first", "first of final", "later in final", "last"])
    def test_a_usable_model_whenever_it_comes(self, when, stages):
        problem = regression(60)
        final = next(number for number, stage in enumerate(stages) if stage.startswith("final"))
        at = {"first": 0, "first of final": final, "later in final": (final + len(stages)) // 2}.get(
            when, len(stages) - 1
        )
        result = stopped_at(at, problem, **SEARCHED)
        assert result.report.stopped == "interrupted"
        assert (result.search.stopped == "interrupted") == (when == "first")
        assert result.model.config.width[1:-1] == result.search.chosen.hidden
        # What the search had found already is not lost to a final fit that had hardly begun.
        assert r2(result.model, problem) > (0.5 if when == "first" else 0.9)

    def test_in_a_first_fit_with_nothing_to_search(self):
        result = stopped_at(5, regression(60), **FIXED)
        assert result.report.stopped == "interrupted" and result.search.stopped == "converged"
        assert "Interrupted after step" in result.report.message

    @pytest.mark.slow
    def test_in_a_second_start_the_first_is_kept(self):
        problem = regression(60)
        count = len(stages_of(problem, **FIXED, budget=1e-9))
        whole = auto_fit(problem, SearchSettings(1, **FIXED, budget=1e-9))
        result = stopped_at(count, problem, **FIXED)  # the last event of a run is no step
        assert result.report.stopped == "interrupted"
        assert result.report.loss <= whole.report.loss * 1.001

    def test_before_there_is_a_model_it_goes_through(self, monkeypatch):
        def train(*arguments, **settings):
            raise KeyboardInterrupt

        monkeypatch.setattr(auto, "train_candidate", train)
        with pytest.raises(KeyboardInterrupt):
            auto_fit(regression(20), SearchSettings(1, **FIXED))


@pytest.mark.slow
def test_classes():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(90, 2, generator=generator, dtype=torch.float64)
    y = (x[:, 0] > 0.5).long() + (x[:, 0] > -0.5).long()
    result = auto_fit(Classification(x, y, classes=3), SearchSettings(3, budget=0.1))
    assert float((result.model(x).argmax(1) == y).double().mean()) > 0.95


def ordered_classes(rows=120, noise=0.3):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    score = torch.sin(3 * x[:, 0]) + x[:, 1] + noise * torch.randn(rows, generator=generator, dtype=torch.float64)
    return OrdinalClassification(x, (score > -0.4).long() + (score > 0.5).long(), classes=3)


class TestThresholds:
    """After the work the thresholds of ordered classes are those that were trained with the returned model."""

    @pytest.mark.slow
    def test_those_of_the_best_start(self):
        problem = ordered_classes()
        result = auto_fit(problem, SearchSettings(1, hidden=(3,), grid_size=4, strength=1e-3))
        assert "The final fit is the best of 3 starts." in result.search.sentences
        loss = float(problem.sample_losses(result.model, problem.train).mean())
        assert loss == pytest.approx(result.report.loss, rel=1e-9)

    def test_those_of_a_part_of_the_samples_under_a_time_limit(self):
        problem, fresh = ordered_classes(200), ordered_classes(200)
        policy = SearchPolicy(search_samples=50)
        settings = SearchSettings(1, grid_size=4, strength=1e-3, budget=0.1, time_limit=1e-9, policy=policy)
        result = auto_fit(problem, settings)
        assert result.report.plan["samples"] == 50
        assert not torch.equal(problem.thresholds, fresh.thresholds)
        part = auto._subsample(problem, 0, 50)
        part.copy_unknowns_(problem)
        assert float(part.sample_losses(result.model, part.train).mean()) == pytest.approx(result.report.loss, rel=1e-9)

    def test_those_of_the_first_fold_after_an_interrupt_of_the_search(self):
        problem, fresh = ordered_classes(), ordered_classes()
        result = stopped_at(10, problem, hidden=None, grid_size=4)
        assert result.search.stopped == "interrupted"
        assert not torch.equal(problem.thresholds, fresh.thresholds)


@pytest.mark.slow
def test_a_product_with_noise_is_taken_for_one():
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(300, 3, generator=generator, dtype=torch.float64) - 1
    exact = torch.exp(x[:, :1]) * torch.sin(3 * x[:, 1:2]) * (1 - x[:, 2:] / 2)
    y = exact + 0.05 * exact.std() * torch.randn(300, 1, generator=generator, dtype=torch.float64)
    result = auto_fit(Regression(x, (y - y.mean()) / y.std()), SearchSettings(1))
    assert result.search.chosen.product
    assert any(said.startswith("a product of one function of each input") for said in result.search.sentences)
    away = result.model(x).detach() * y.std() + y.mean() - exact
    assert float(away.square().mean().sqrt() / exact.std()) < 0.02
