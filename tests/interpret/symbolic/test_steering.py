"""Edits by hand: each makes a new network, leaves the given one alone, and tells its cost on the held-out rows."""

import copy

import pytest
import torch

import edgewise
from edgewise.interpret import edit, formula, suggest_functions
from edgewise.nn.model import KAN
from edgewise.train import Regression, fit

X = torch.rand(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
Y = torch.exp(torch.sin(torch.pi * X[:, 0]) + X[:, 1] ** 2)


@pytest.fixture(scope="module")
def problem():
    return Regression(X, Y, validation=0.3)


@pytest.fixture(scope="module")
def trained(problem):
    model = KAN([2, 1, 1], 6, seed=0, dtype=torch.float64)
    fit(model, problem, steps=60)
    return model


@pytest.mark.slow
def test_steering_to_the_exact_formula(trained, problem, tmp_path):
    given = copy.deepcopy(trained.state_dict())
    suggestions = suggest_functions(trained, (0, 0, 0), problem, top=3)
    assert suggestions[0].name == "sin" and suggestions[0].edit.loss == min(one.edit.loss for one in suggestions)
    assert str(suggestions).splitlines()[1].startswith("sin")
    model = suggestions[0].edit.model
    model = edit(model, problem, "fix", edge=(0, 1, 0), function="x^2").model
    done = edit(model, problem, "fix", edge=(1, 0, 0), function="exp", refit=60)
    assert done.loss < 1e-20 and done.judged_on == "validation"
    assert (done.model(X)[:, 0] - Y).abs().max() < 1e-8
    assert str(formula(done.model)) != ""
    assert all(torch.equal(value, given[name]) for name, value in trained.state_dict().items())
    edgewise.save(done.model, tmp_path / "exact.safetensors")
    assert torch.equal(edgewise.load(tmp_path / "exact.safetensors")(X), done.model(X))


def test_refits_keep_the_step_that_is_best_on_held_out_rows():
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(60, 2, generator=generator, dtype=torch.float64) * 2 - 1
    noisy = x[:, 0] + torch.randn(60, generator=generator, dtype=torch.float64)
    problem = Regression(x, noisy, validation=0.5)
    model = KAN([2, 2, 1], 8, seed=0, dtype=torch.float64)
    fit(model, Regression(x, noisy), steps=1)
    losses, last = [], []
    for steps in range(7):
        losses.append(edit(model, problem, "remove_edge", edge=(0, 1, 0), refit=steps).loss)
        trained = edit(model, problem, "remove_edge", edge=(0, 1, 0), refit=0).model
        fit(trained, Regression(problem.train.x, problem.train.y), steps=steps, adapt_domain=False)
        last.append(float(problem.sample_losses(trained, problem.validation).mean()))
    assert last[-1] > 1.5 * min(last)  # more steps fit the noise
    assert losses == [min(last[: steps + 1]) for steps in range(7)]


@pytest.mark.slow
def test_free_and_splines_beside(problem):
    wrong = KAN([2, 1, 1], 0, functions=[[["sin"], ["x^2"]], [["x"]]], dtype=torch.float64)
    fitted = edit(wrong, problem, "fix", edge=(0, 0, 0), function="sin", constants=(3.0, 0.0, 1.0, 0.0), refit=40)
    freed = edit(fitted.model, problem, "free", edge=(1, 0, 0), refit=60)
    assert freed.loss < 0.05 * fitted.loss
    assert freed.model.config.functions[1] is None
    beside = edit(fitted.model, problem, "add_splines", where=[(1, 0, 0)], refit=0)
    with torch.no_grad():
        assert torch.allclose(beside.model(X), fitted.model(X), rtol=0, atol=1e-14)
    assert beside.model.config.functions[1] == (("+x",),)
    assert edit(fitted.model, problem, "add_splines", refit=60).loss < 0.05 * fitted.loss
