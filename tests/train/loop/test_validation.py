"""What is checked and set up before the first step: domains, shapes, dtypes."""

import warnings

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.grids import data_domain
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.problems import Classification, Regression

X = 100 + 5 * torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = X[:, :1].sin()


def kan(**settings):
    return KAN([2, 2, 1], 3, dtype=torch.float64, **settings)


def test_the_first_fit_sets_the_domains():
    model = kan()
    fit(model, Regression(X, Y), steps=0)
    assert torch.allclose(model.layers[0].domain, data_domain(X))
    hidden = model.layers[0](X)
    assert bool((hidden >= model.layers[1].domain[:, 0]).all() & (hidden <= model.layers[1].domain[:, 1]).all())
    assert all(bool(layer.domain_is_set) for layer in model.layers)
    knots = model.layers[1].knots.clone()
    fit(model, Regression(X, Y), steps=3)
    assert torch.equal(model.layers[1].knots, knots)  # and no later one moves them


def test_a_given_domain_stays_and_hidden_ones_are_set():
    model = kan(domain=(90, 110))
    fit(model, Regression(X, Y), steps=0)
    assert torch.allclose(model.layers[0].domain, torch.tensor([90.0, 110.0], dtype=torch.float64).expand(2, 2))
    assert bool(model.layers[1].domain_is_set)


def test_warns_where_data_lie_outside_a_given_domain():
    with pytest.warns(EdgewiseWarning, match=r"40 of 40 training samples .* in input 0, \[0, 1\]") as caught:
        fit(kan(domain=(0, 1)), Regression(X, Y), steps=0)
    assert caught[0].filename == __file__


def test_far_out_values_that_fit_left_out_itself_are_no_news():
    x = X.clone()
    x[0, 0] = 1e6
    model = kan()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, Regression(x, Y), steps=0)
        fit(model, Regression(x, Y), steps=0)
    assert float(model.layers[0].domain[0, 1]) < 1000


LOADER = DataLoader(TensorDataset(X, Y), batch_size=8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((kan(), Regression(X[:, :1], Y)), r"x must have shape \(N, 2\) to fit the model, got \(40, 1\)"),
        ((kan(), Regression(X.float(), Y.float())), "x must have the model's dtype torch.float64, got torch.float32"),
        ((kan(), Regression(X, X)), r"y must have shape \(N, 1\) to fit the model's output, got \(N, 2\)"),
        ((kan(), Classification(X, torch.arange(40) % 3)), "the model must have 3 outputs, one per class, got 1"),
        ((torch.nn.Flatten(0), Regression(X, Y)), "model must have a trainable parameter, got none"),
        ((MLP([2, 1]).double().requires_grad_(False), Regression(X, Y)), "model must have a trainable parameter"),
        (
            (torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0)).double(), Regression(X, Y)),
            r"model must map \(N, in\) to a tensor \(N, out\), got \(2,\)",
        ),
        ((kan(), Regression(X, Y, validation=LOADER), Adam()), None),
    ],
)
def test_what_does_not_go_together_gets_a_sentence(arguments, words):
    if words is None:
        fit(*arguments, steps=1)
        return
    with pytest.raises(InputError, match=words):
        fit(*arguments)


@torch.inference_mode()
def made_without_gradients():
    return kan(), Regression(X + 0, Y)


def test_models_and_samples_that_record_no_gradients_get_a_sentence():
    model, problem = made_without_gradients()
    with pytest.raises(InputError, match=r"model must be made outside of torch.inference_mode\(\)"):
        fit(model, Regression(X, Y))
    with pytest.raises(InputError, match=r"problem must be made outside of torch.inference_mode\(\)"):
        fit(kan(), problem)
