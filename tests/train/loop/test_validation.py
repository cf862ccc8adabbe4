"""What is checked and set up before the first step: domains, shapes, dtypes."""

import warnings

import pytest
import torch

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.nn.model import KAN
from edgewise.train.grids import data_domain
from edgewise.train.loop.fitting import fit
from edgewise.train.problems import Regression

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


@torch.inference_mode()
def made_without_gradients():
    return kan(), Regression(X + 0, Y)


def test_models_and_samples_that_record_no_gradients_get_a_sentence():
    model, problem = made_without_gradients()
    with pytest.raises(InputError, match=r"model must be made outside of torch.inference_mode\(\)"):
        fit(model, Regression(X, Y))
    with pytest.raises(InputError, match=r"problem must be made outside of torch.inference_mode\(\)"):
        fit(kan(), problem)
