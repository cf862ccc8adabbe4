"""`fit`: how it ends, what it keeps, what it leaves alone, and how it goes on after a break."""

import copy
import math

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems import Regression

METHODS = {"adam": Adam(), "lbfgs": LBFGS(), "lm": LevenbergMarquardt()}


def samples(n=60, dtype=torch.float64, seed=0):
    x = 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 1
    return x, torch.exp(torch.sin(math.pi * x[:, :1]) + x[:, 1:] ** 2)


def kan(seed=0, dtype=torch.float64, width=(2, 3, 1)):
    return KAN(width, 4, seed=seed, dtype=dtype)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_learns_and_reports(name, dtype):
    model, problem = kan(dtype=dtype), Regression(*samples(dtype=dtype), validation=0.2)
    report = fit(model, problem, METHODS[name], steps=30)
    assert report.loss < 0.9 * report.history[0].loss
    data = problem.validation
    assert report.validation_loss == pytest.approx(float(problem.loss(model(data.x), data).detach()), rel=1e-5)
    assert report.metric == ("rmse", pytest.approx(report.validation_loss**0.5, rel=1e-5))
    assert report.validation_loss == min(record.validation_loss for record in report.history)
    assert [record.step for record in report.history] == list(range(report.steps + 1))
    assert report.plan["method"]["name"] == type(METHODS[name]).__name__
    assert report.plan["samples"] == 48
    assert all(p.grad is None and p.dtype == dtype for p in model.parameters())


@pytest.mark.parametrize("settings", [{}, {"batch_size": 16, "evaluate_every": 1}])
def test_the_best_model_is_kept_not_the_last(settings):
    x, y = samples(30)
    noisy = y + torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    problem = Regression(x, noisy, validation=0.3)
    snapshots = {}
    report = fit(
        model := kan(),
        problem,
        Adam(lr=0.2, schedule=None),
        steps=60,
        callbacks=[lambda e: snapshots.update({e.step: copy.deepcopy(e.model)})],
        **settings,
    )
    assert 0 < report.best_step < 60
    assert same(model, snapshots[report.best_step])
    best = min(report.history, key=lambda record: record.validation_loss)
    assert best.step == report.best_step


def test_patience():
    x, y = samples(30)
    noisy = y + torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    report = fit(kan(), Regression(x, noisy, validation=0.3), steps=1000, patience=7)
    assert report.stopped == "no_progress"
    assert report.steps == report.best_step + 7
    assert f"that of step {report.best_step}." in report.message


@pytest.mark.parametrize("method", [LevenbergMarquardt(), LBFGS()])
def test_the_interpolation_threshold_is_told(method):
    """72 parameters: as soon as there are no more samples than that, and nothing else holds the model."""
    told = "It has 72 parameters for 72 numbers in the samples and no penalty"
    assert told in fit(kan(), Regression(*samples(72)), method, steps=3).message
    assert "parameters" not in fit(kan(), Regression(*samples(73)), method, steps=3).message
    assert "parameters" not in fit(kan(), Regression(*samples(72)), method, steps=3, penalty=Ridge(1e-3)).message


def test_a_loss_of_zero_has_converged():
    x, _ = samples()
    model = kan()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    report = fit(model, Regression(x, torch.zeros(60, 1, dtype=x.dtype)), steps=10)
    assert (report.stopped, report.loss) == ("converged", 0.0)


class InterruptedForward(KAN):
    """Ctrl-C in the middle of a step: the n-th forward pass raises."""

    left = 10**9

    def forward(self, x):
        InterruptedForward.left -= 1
        if InterruptedForward.left == 0:
            raise KeyboardInterrupt
        return super().forward(x)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("when", [3, 4, 5, 8, 13])
def test_ctrl_c_within_a_step_leaves_a_model_that_was_evaluated(name, when):
    InterruptedForward.left = 10**9
    model, problem = InterruptedForward((2, 2, 1), 4, dtype=torch.float64), Regression(*samples())
    InterruptedForward.left = when
    report = fit(model, problem, METHODS[name], steps=50, on_interrupt="keep")
    InterruptedForward.left = 10**9
    assert report.stopped == "interrupted"
    assert report.loss == pytest.approx(float(problem.loss(model(problem.train.x), problem.train).detach()), rel=1e-12)


def test_a_callback_can_end_the_fit():
    report = fit(kan(), Regression(*samples()), steps=50, callbacks=[lambda e: e.step == 4, lambda e: None])
    assert (report.stopped, report.steps) == ("callback", 4)
    assert report.message == "A callback asked to stop after step 4; the model is the best so far."


@pytest.mark.parametrize("batch_size", [None, 16])
def test_a_loss_that_explodes_leaves_the_last_good_model(batch_size):
    model = MLP([2, 8, 1], activation="relu", dtype=torch.float32)
    report = fit(
        model, Regression(*samples(dtype=torch.float32)), Adam(lr=1e18, schedule=None), steps=50, batch_size=batch_size
    )
    assert report.stopped == "nonfinite"
    assert report.message.startswith("The loss or its gradient became ")
    assert math.isfinite(report.loss)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_that_is_not_a_number_at_the_start(name):
    x, y = samples(dtype=torch.float32)
    model = kan(dtype=torch.float32)
    with torch.no_grad():
        model.layers[1].coef.fill_(math.nan)
    report = fit(model, Regression(x, y), METHODS[name], steps=5)
    assert (report.stopped, report.steps) == ("nonfinite", 0)
    assert report.message == "The loss is nan at the start; the model is unchanged."


def test_frozen_parameters_stay():
    model = kan()
    model.layers[0].coef.requires_grad_(False)
    before = model.layers[0].coef.clone()
    for method in METHODS.values():
        fit(model, Regression(*samples()), method, steps=3)
        assert torch.equal(model.layers[0].coef, before)


def test_a_dataloader_trains_like_tensors():
    x, y = samples(40)
    loader = DataLoader(TensorDataset(x, y), batch_size=40)
    first, second = kan(), kan()
    fit(first, Regression(x, y, validation=(x, y)), Adam(), steps=12)
    report = fit(second, Regression(loader, validation=loader), Adam(), steps=12)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    assert report.metric[0] == "rmse"
    assert report.validation_loss == pytest.approx(report.metric[1] ** 2, rel=1e-9)
    assert report.best_step == 12


def test_a_dataloader_alone_and_minibatches():
    x, y = samples(50)
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    report = fit(network := kan(), Regression(loader), Adam(lr=0.05), steps=40)
    assert [record.step for record in report.history] == list(range(0, 41, 4))
    assert report.loss < 0.5 * report.history[0].loss
    whole = Regression(x, y)
    with torch.no_grad():
        assert report.metric == ("rmse", pytest.approx(whole.metric(network(x), whole.train)[1], rel=1e-6))
    exact = fit(model := kan(), problem := Regression(x, y), Adam(lr=0.05), steps=40, batch_size=16)
    assert exact.loss == pytest.approx(float(problem.loss(model(x), problem.train).detach()), rel=1e-12)


RESUMABLE = {
    "adam": (Adam(), {}, None),
    "minibatches": (Adam(lr=0.05), {"batch_size": 16}, None),
    "loader": (Adam(lr=0.05), {}, 16),
    "lbfgs": (LBFGS(history=5), {"penalty": Sparsity(1e-3)}, None),
    "lm": (LevenbergMarquardt(), {"penalty": Sparsity(1e-3) + Roughness(1e-6)}, None),
    "lm without a matrix": (LevenbergMarquardt(factorised=10), {}, None),
    "lm float32": (LevenbergMarquardt(), {"dtype": torch.float32}, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMABLE)
@pytest.mark.parametrize("at", [2, 7])
def test_resumed_equals_uninterrupted(name, at):
    method, settings, batch = RESUMABLE[name]
    dtype = settings.get("dtype", torch.float64)
    settings = {key: value for key, value in settings.items() if key != "dtype"} | {"steps": 14, "tolerance": 0.0}
    x, y = samples(50, dtype)

    def problem():
        if batch is None:
            return Regression(x, y, validation=0.2)
        loader = DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True)
        return Regression(loader, validation=(x, y))

    states = {}
    whole = fit(
        model := kan(dtype=dtype),
        problem(),
        method,
        callbacks=[lambda e: states.update({e.step: e.state()})],
        **settings,
    )
    assert whole.steps == 14
    other = kan(seed=5, dtype=dtype)  # the state alone is enough
    resumed = fit(other, problem(), method, resume=states[at], **settings)
    assert same(model, other)
    assert (resumed.best_step, resumed.loss, resumed.validation_loss) == (
        whole.best_step,
        whole.loss,
        whole.validation_loss,
    )
    plain = [(record.step, record.loss, record.validation_loss) for record in whole.history]
    assert [(record.step, record.loss, record.validation_loss) for record in resumed.history] == plain


@pytest.mark.parametrize(("name", "settings"), [("adam", {}), ("adam", {"batch_size": 16}), ("lbfgs", {}), ("lm", {})])
def test_nothing_outside_the_model_is_touched(name, settings):
    x, y = samples(50)
    weight = torch.rand(50, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    copies = x.clone(), y.clone(), weight.clone()
    random, default = torch.get_rng_state(), torch.get_default_dtype()
    fit(kan(), Regression(x, y, weight=weight, validation=0.2), METHODS[name], steps=5, **settings)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_default_dtype() == default
    assert all(torch.equal(a, b) for a, b in zip(copies, (x, y, weight), strict=True))


def test_train_and_eval_mode_are_left_as_they_were():
    class Watch(MLP):
        def forward(self, x):
            modes.append((len(x), self.training))
            return super().forward(x)

    for mode in (True, False):
        modes = []
        model = Watch([2, 1], dtype=torch.float64).train(mode)
        fit(model, Regression(*samples(), validation=0.2), Adam(), steps=2)
        assert model.training is mode
        assert (12, False) in modes  # validation
        assert (48, mode) in modes  # training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_enabled_inside_whatever_holds_around(name, mode):
    expected, model = kan(), kan()
    problem = Regression(*samples())
    fit(expected, problem, METHODS[name], steps=3)
    with mode():
        fit(model, problem, METHODS[name], steps=3)
    assert same(model, expected)
