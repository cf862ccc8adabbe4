"""Tests of edgewise.model_selection.search: the course of a search and its sentences."""

import itertools
import math

import pytest
import torch

from edgewise.model_selection import search as module
from edgewise.model_selection.candidates import Candidate, reasonable_work
from edgewise.model_selection.cross_validation import clipped_losses
from edgewise.model_selection.search import Search
from edgewise.model_selection.settings import SearchPolicy, SearchSettings
from edgewise.settings import TABLE_BUDGET_WORK
from edgewise.train.problems.data import Data
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression


def problem_of(function, rows=80, inputs=2, noise=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(rows, inputs, generator=generator, dtype=torch.float64) - 1
    y = function(x) + noise * torch.randn(rows, generator=generator, dtype=torch.float64)
    return Regression(x, ((y - y.mean()) / y.std())[:, None])


ADDITIVE = problem_of(lambda x: torch.sin(2 * x[:, 0]) + x[:, 1], noise=0.1)
PRODUCT = problem_of(lambda x: x[:, 0] * x[:, 1], noise=0.05)
NOISE = problem_of(lambda x: 0 * x[:, 0], noise=1.0)


def searched(problem, *, progress=None, **settings):
    search = Search(problem, SearchSettings(1, **settings), progress)
    return search, search.run()


class TestChoice:
    @pytest.mark.slow
    def test_additive_data_get_an_additive_model(self):
        assert searched(ADDITIVE)[1].chosen.hidden == ()

    @pytest.mark.slow
    def test_a_product_gets_a_hidden_layer(self):
        _, report = searched(PRODUCT)
        assert report.chosen.hidden and min(trial.loss for trial in report.trials) < 0.1

    @pytest.mark.slow
    def test_a_product_is_found_though_the_best_additive_model_is_the_flattest(self):
        """The walk over strengths ends at the strongest there; hidden layers don't start from that."""
        report = searched(problem_of(lambda x: torch.sin(3 * x[:, 0] * x[:, 1]), rows=150))[1]
        additive = [trial.candidate.strength for trial in report.trials if not trial.candidate.hidden]
        assert max(additive) > SearchPolicy().strongest_hidden
        assert report.chosen.hidden

    @pytest.mark.slow
    def test_products_and_two_hidden_layers_are_tried_where_they_may_pay(self):
        report = searched(problem_of(lambda x: torch.exp(-4 * (x[:, 0] - x[:, 1]) ** 2), rows=300, noise=0.02))[1]
        tried = [(trial.candidate.hidden, trial.candidate.product) for trial in report.trials]
        assert tried.index(((1,), True)) < tried.index(((2,), False))
        told = any("1 hidden layer of 2 nodes" in said and said.endswith(": taken.") for said in report.sentences)
        assert told and (SearchPolicy().two_layers, False) in tried
        assert report.chosen.hidden and not report.chosen.product

    @pytest.mark.slow
    def test_noise_gets_the_simplest_and_strongest(self):
        _, report = searched(NOISE)
        assert report.chosen.hidden == () and report.chosen.grid_size == 4 and report.chosen.strength >= 0.1

    @pytest.mark.slow
    def test_only_what_is_asked_for_is_searched(self):
        for name in ("hidden", "grid", "strength"):
            fixed = {"hidden": (2,), "grid_size": 3, "strength": 1e-3}
            del fixed[{"grid": "grid_size"}.get(name, name)]
            report = searched(ADDITIVE, budget=0.3, **fixed)[1]
            for trial in report.trials:
                assert name == "hidden" or trial.candidate.hidden == (2,)
                assert name == "grid" or trial.candidate.grid_size == 3
                assert name == "strength" or trial.candidate.strength == 1e-3

    def test_nothing_to_search(self):
        report = searched(ADDITIVE, hidden=(), grid_size=4, strength=1e-4)[1]
        assert (report.chosen, report.trials, report.work, report.stopped) == (Candidate(), (), 0.0, "converged")
        assert report.sentences == ("Shape, grid and regularisation were given.",)
        assert repr(report) == f"<SearchReport: {report.chosen.describe()}, chosen of 0 candidates, converged>"

    @pytest.mark.slow
    def test_the_hopeless_are_not_trained_on_every_fold(self):
        report = searched(NOISE)[1]
        assert {trial.folds for trial in report.trials} != {report.folds}
        assert all(1 <= trial.folds <= report.folds for trial in report.trials)

    @pytest.mark.slow
    def test_an_exact_fit_ends_the_search(self):
        x = ADDITIVE.train.x
        report = searched(Regression(x, torch.zeros(len(x), 1, dtype=torch.float64)))[1]
        assert report.stopped == "converged" and report.chosen.hidden == ()
        assert any(sentence.endswith("there is nothing left to gain.") for sentence in report.sentences)


class TestSentences:
    @pytest.mark.slow
    @pytest.mark.parametrize("problem", [ADDITIVE, PRODUCT, NOISE])
    def test_they_are_distinct_sentences_that_agree_with_the_choice(self, problem):
        report = searched(problem)[1]
        assert len(set(report.sentences)) == len(report.sentences)
        for sentence in report.sentences:
            assert sentence.endswith(".") and "\n" not in sentence and "  " not in sentence
            assert " 1 candidates" not in sentence and "nan" not in sentence
        assert f"Chosen of {len(report.trials)} candidates: {report.chosen.describe()}." in report.sentences
        candidates = [trial.candidate for trial in report.trials]
        assert len(set(candidates)) == len(candidates) and report.chosen in candidates


class TestBudget:
    @pytest.mark.slow
    def test_a_larger_one_never_tries_less(self):
        reports = [searched(PRODUCT, budget=budget)[1] for budget in (1e-9, 0.3, 1.0)]
        trials = [[trial.candidate for trial in report.trials] for report in reports]
        assert len(trials[0]) == 1
        assert trials[0] == trials[1][:1] and trials[1] == trials[2][: len(trials[1])]
        assert reports[0].stopped == "budget"
        assert reports[0].sentences == (
            "The search stopped because its budget was used up; "
            "the next candidate would have been: additive, grid 4, regularisation 1e-05.",
        )

    @pytest.mark.slow
    def test_a_product_that_costs_too_much_is_no_end(self):
        """Of many inputs it costs more than hidden layers do."""
        x = 2 * torch.rand(600, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
        noise = torch.randn(600, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        report = searched(Regression(x, (x[:, :1] + x[:, 1:2]) ** 2 + 0.1 * noise), budget=0.5)[1]
        assert any(each.startswith("The budget is too small for this candidate: ") for each in report.sentences)
        assert report.chosen.hidden and not report.chosen.product

    @pytest.mark.slow
    def test_the_work_stays_within_it(self):
        for budget in (0.2, 1.0):
            search, report = searched(PRODUCT, budget=budget)
            assert report.work <= search.limit

    @pytest.mark.parametrize(("rows", "inputs"), [(20, 2), (200, 2), (200, 50), (2000, 50), (100_000, 50)])
    def test_larger_tables_get_more_up_to_a_limit(self, rows, inputs):
        def work(rows, inputs):
            data = Data(torch.zeros(1, 1).expand(rows, inputs), torch.zeros(1, 1).expand(rows, 1), None)
            return reasonable_work(data, 1)

        assert 0 < work(rows, inputs) <= work(2 * rows, inputs) <= TABLE_BUDGET_WORK
        assert work(rows, inputs) <= work(rows, 2 * inputs)

    def test_a_time_limit_ends_it_between_trials(self):
        report = searched(PRODUCT, time_limit=1e-9)[1]
        assert report.stopped == "time_limit" and len(report.trials) == 1
        assert report.sentences[0].startswith("The search stopped because of the time limit of 1e-09 s; the next ")

    @pytest.mark.slow
    def test_a_time_limit_that_is_not_hit_changes_nothing(self):
        assert searched(ADDITIVE, time_limit=1e6)[1] == searched(ADDITIVE)[1]


class TestProgress:
    @pytest.mark.slow
    def test_it_rises_from_zero_to_one_and_the_time_left_is_finite(self):
        events = []
        searched(PRODUCT, progress=events.append)
        done = [event.share for event in events]
        assert all(a <= b for a, b in itertools.pairwise(done)) and 0 < done[0] < 0.1 and done[-1] <= 1
        assert all(math.isfinite(event.seconds_left) and event.seconds_left >= 0 for event in events)
        assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(events))
        assert math.isnan(events[0].best_loss) and not math.isnan(events[-1].best_loss)

    def test_a_tiny_budget_has_its_progress_too(self):
        events = []
        searched(PRODUCT, budget=1e-9, progress=events.append)
        assert max(event.share for event in events) < 1  # the final fit is still to come


class TestInterrupt:
    def stopped_at(self, at, problem=PRODUCT):
        calls = itertools.count(1)

        def stop(event):
            if next(calls) == at:
                raise KeyboardInterrupt

        return searched(problem, progress=stop)

    def test_at_the_first_step(self):
        search, report = self.stopped_at(1)
        model, fit, _ = search.fallback
        assert report.stopped == fit.stopped == "interrupted" and report.chosen == Candidate()
        assert model(PRODUCT.train.x).isfinite().all()
        assert report.sentences == ("Interrupted at: additive, grid 4, regularisation 1e-04.",)

    @pytest.mark.slow
    def test_in_a_later_trial_model_and_choice_agree(self):
        stages = []
        searched(PRODUCT, progress=lambda event: stages.append(event.stage))
        hidden = next(number for number, stage in enumerate(stages) if "hidden" in stage)
        search, report = self.stopped_at(hidden + 3)
        assert report.stopped == "interrupted" and f"Interrupted at: {stages[hidden + 2]}." in report.sentences
        model, fit, _ = search.fallback
        assert fit.stopped == "interrupted" and "trained on a part of the data" in fit.message
        assert model.config.width[1:-1] == report.chosen.hidden
        assert report.chosen in [trial.candidate for trial in report.trials]

    def test_between_two_steps(self, monkeypatch):
        calls = itertools.count()

        def losses(*arguments):
            if next(calls) == 3:
                raise KeyboardInterrupt
            return clipped_losses(*arguments)

        monkeypatch.setattr(module, "clipped_losses", losses)
        search, report = searched(ADDITIVE)
        assert report.stopped == "interrupted" and search.fallback is not None

    def test_before_there_is_a_model_it_goes_through(self, monkeypatch):
        def train(*arguments, **settings):
            raise KeyboardInterrupt

        monkeypatch.setattr(module, "train_candidate", train)
        with pytest.raises(KeyboardInterrupt):
            searched(ADDITIVE)


def test_a_single_sample_is_not_searched():
    one = Regression(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    report = searched(one)[1]
    assert report.stopped == "converged" and report.trials == () and "one distinct sample" in report.sentences[0]


def test_losses_that_are_not_finite_lose():
    broken = torch.tensor([1.0, math.nan])
    good = torch.tensor([1.0, 2.0])
    assert module.paired_gain(good, broken)[0] == -math.inf
    assert module.paired_gain(broken, good)[0] == math.inf


@pytest.mark.slow
def test_ordered_classes_are_judged_with_the_thresholds_of_their_fold():
    """With the thresholds that the whole problem started from the held-out loss would be 1.3."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(200, 1, generator=generator, dtype=torch.float64) - 1
    noisy = x[:, 0] + 0.2 * torch.randn(200, generator=generator, dtype=torch.float64)
    labels = torch.bucketize(noisy, torch.tensor([-0.9, 0.6], dtype=torch.float64))
    report = searched(OrdinalClassification(x, labels), hidden=(), grid_size=4)[1]
    assert report.trials[0].loss < 0.4
