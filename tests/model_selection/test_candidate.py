"""Tests of edgewise.model_selection.candidates: what a candidate is, what it costs, how it is trained."""

import itertools
from dataclasses import replace

import pytest
import torch

from edgewise.model_selection.candidates import Candidate, Schedule, schedule_for, train_candidate, work_of
from edgewise.model_selection.search import Search
from edgewise.model_selection.settings import SearchSettings
from edgewise.outcomes import StopReason
from edgewise.train.grids import refine
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import short_fit


def regression(rows=60, inputs=2, outputs=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(rows, inputs, generator=generator, dtype=torch.float64) - 1
    return Regression(x, torch.sin(3 * x[:, :1] + x[:, -1:]).expand(-1, outputs))


def classification(rows=60, inputs=2, classes=2):
    problem = regression(rows, inputs)
    return Classification(problem.train.x, torch.arange(rows) % classes, classes=classes)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (Candidate(), "additive, grid 4, regularisation 1e-04"),
        (Candidate((5,), 8, 0.01), "1 hidden layer of 5 nodes, grid 8, regularisation 1e-02"),
        (Candidate((1,)), "1 hidden layer of 1 node, grid 4, regularisation 1e-04"),
        (Candidate((2,), smooth=True), "1 hidden layer of 2 nodes, grid 4, smoothness by edge"),
        (
            Candidate((1,), smooth=True, product=True),
            "a product of one function of each input, grid 4, smoothness by edge",
        ),
        (Candidate((5, 3), strength=0.0), "2 hidden layers of 5, 3 nodes, grid 4, no penalty"),
    ],
)
def test_it_describes_itself(candidate, words):
    assert candidate.describe() == words


@pytest.mark.slow
@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(),
        Candidate((3,), 6, degree=2),
        Candidate((2, 4), 5),
        Candidate((1,), smooth=True, product=True),
        Candidate((1,), 6, product=True),
    ],
)
def test_its_parameters_are_those_of_its_model(candidate):
    model, _ = train_candidate(regression(20), candidate, outputs=1, seed=0)
    assert candidate.parameters(2, 1) == sum(p.numel() for p in model.parameters())
    assert model.config.width == candidate.width(2, 1)
    assert set(model.config.grid_size) == {candidate.grid_size} and model.config.degree == candidate.degree


@pytest.mark.parametrize(
    ("size", "grids"), [(1, (1,)), (4, (4,)), (5, (5,)), (7, (7,)), (8, (4, 8)), (12, (3, 6, 12)), (32, (4, 8, 16, 32))]
)
def test_fine_grids_are_reached_by_halving_intervals(size, grids):
    assert Candidate(grid_size=size).grids() == grids


def test_the_penalty_weighs_a_function_alike_on_every_grid():
    coarse, _ = train_candidate(regression(), Candidate((3,), strength=1e-2), outputs=1, seed=0)
    values = [float(Candidate((3,), size, 1e-2).penalty().value(refine(coarse, size)).detach()) for size in (4, 8, 16)]
    assert max(values) < 1.3 * min(values)


class TestWork:
    def test_it_grows_with_everything(self):
        base = {"rows": 200, "inputs": 4, "outputs": 1}
        for hidden in ((), (5,)):
            cost = work_of(regression(**base), Candidate(hidden), 1)
            for name in base:
                larger = {**base, name: 2 * base[name]}
                assert work_of(regression(**larger), Candidate(hidden), larger["outputs"]) > cost, name
            assert work_of(regression(**base), Candidate(hidden), 1, final=True) >= cost
            assert work_of(regression(**base), Candidate(hidden, 8), 1) > cost
        shapes = [(), (5,), (10,), (10, 10)]
        costs = [work_of(regression(**base), Candidate(hidden), 1) for hidden in shapes]
        assert costs == sorted(costs)

    def test_it_is_counted_not_timed(self):
        assert len({work_of(classification(), Candidate((5,)), 2) for _ in range(3)}) == 1

    def test_classes_count_as_outputs(self):
        few, many = (work_of(classification(classes=classes), Candidate(), classes) for classes in (2, 20))
        assert many > few

    def test_ordered_classes_count_as_one_output(self):
        """The budget and the work of a search do not depend on the number of ordered classes."""
        settings, planned = SearchSettings(1, hidden=(3,), grid_size=4, strength=1e-3), set()
        for classes in (3, 20):
            labels = classification(classes=classes)
            problem = OrdinalClassification(labels.train.x, labels.train.y, classes=classes)
            planned.add((Search(problem, settings).planned, Search(problem, settings)._work_of(settings.start)))
        assert len(planned) == 1

    def test_many_columns_cost_their_basis_functions(self):
        """Per step of L-BFGS a table of 500 columns took ten times its multiply-adds."""
        narrow, wide = (work_of(classification(60, inputs), Candidate(), 2) for inputs in (2, 500))
        assert wide > 3 * narrow


class TestMethod:
    def test_the_final_model_gets_more_steps(self):
        for method in (LBFGS(), LevenbergMarquardt()):
            trial, final = (schedule_for(method, final=final) for final in (False, True))
            assert isinstance(trial, Schedule) and final.first >= trial.first and final.then > trial.then


class TestTraining:
    def test_an_additive_model_of_least_squares_needs_a_step_or_two(self):
        report = train_candidate(regression(), Candidate(), outputs=1, seed=0)[1]
        assert report.history[1].loss + report.history[1].penalty <= 1.0001 * (report.loss + report.history[-1].penalty)

    @pytest.mark.slow
    def test_the_seed_gives_the_bits(self):
        states = [
            train_candidate(regression(), Candidate((2,)), outputs=1, seed=seed)[0].state_dict() for seed in (0, 0, 1)
        ]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert not torch.equal(states[0]["layers.0.coef"], states[2]["layers.0.coef"])

    @pytest.mark.slow
    @pytest.mark.parametrize("candidate", [Candidate(), Candidate((2,), 8), Candidate((2,))])
    @pytest.mark.parametrize("problem", [regression(), classification()])
    def test_progress_rises_to_at_most_one(self, candidate, problem):
        events = []
        outputs = getattr(problem, "classes", 1)
        train_candidate(problem, candidate, outputs=outputs, seed=0, progress=events.append)
        shares = [event.share for event in events]
        assert all(a <= b for a, b in itertools.pairwise(shares))
        assert 0 < shares[0] < 0.5 and shares[-1] <= 1 and all(event.loss >= 0 for event in events)

    def test_a_warm_start_keeps_the_given_model(self):
        model, _ = train_candidate(regression(), Candidate((2,)), outputs=1, seed=0)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        finer, report = train_candidate(regression(), Candidate((2,), 8), outputs=1, seed=0, warm=model)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert finer.config.grid_size == (8, 8) and report.history[0].loss < 0.1

    @pytest.mark.slow
    def test_going_on_with_a_final_model_never_makes_it_worse(self):
        problem, candidate = regression(), Candidate((3,), strength=1e-3)
        model, first = train_candidate(problem, candidate, outputs=1, seed=0, final=True)
        _, second = train_candidate(problem, candidate, outputs=1, seed=0, final=True, warm=model)
        totals = [record.loss + record.penalty for record in (first.history[first.best_step], *second.history)]
        assert totals[1] == pytest.approx(totals[0], rel=1e-9) and min(totals[1:]) <= totals[1]

    @pytest.mark.parametrize("at", [1, 15])
    def test_ctrl_c_leaves_the_best_model_so_far(self, at):
        calls = itertools.count(1)

        def stop(progress):
            if next(calls) == at:
                raise KeyboardInterrupt

        model, report = train_candidate(regression(), Candidate((2,), 8), outputs=1, seed=0, progress=stop)
        assert report.stopped == "interrupted"
        assert model(regression().train.x).isfinite().all()

    def test_ctrl_c_in_a_short_start_ends_the_training(self, monkeypatch):
        calls = itertools.count(1)

        def interrupted(*arguments, **options):
            report = short_fit(*arguments, **options)
            return replace(report, stopped=StopReason.INTERRUPTED) if next(calls) == 2 else report

        monkeypatch.setattr("edgewise.model_selection.candidates.short_fit", interrupted)
        candidate = Candidate((2,), smooth=True)
        model, report = train_candidate(regression(), candidate, outputs=1, seed=0)
        assert report.stopped == "interrupted" and next(calls) == 3
        assert model(regression().train.x).isfinite().all()


@pytest.mark.slow
def test_a_product_multiplies_a_function_of_each_input():
    """A product takes few numbers from noisy samples, fewer than sums of squares."""
    x = 2 * torch.rand(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    exact = torch.exp(x[:, :1]) * torch.sin(3 * x[:, 1:2]) * (1 - x[:, 2:] / 2)
    noise = 0.05 * exact.std() * torch.randn(300, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = Regression(x, exact + noise)
    errors = []
    for candidate in (Candidate((1,), smooth=True, product=True), Candidate((5,), smooth=True)):
        model, _ = train_candidate(problem, candidate, outputs=1, seed=0, final=True)
        errors.append(float((model(x) - exact).detach().square().mean().sqrt() / exact.std()))
    assert errors[0] < 0.02 and errors[0] < 0.8 * errors[1]
    model, _ = train_candidate(problem, Candidate((1,), product=True), outputs=1, seed=0)
    assert torch.equal(model.layers[0].mask, torch.eye(3, dtype=torch.float64))
    assert model.layers[1].groups == ((0, 1, 2),)
