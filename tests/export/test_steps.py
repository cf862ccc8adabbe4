"""A network as steps, and in the user's units."""

import numpy as np
import pytest
import torch
from tests.export.networks import case, mixed, units

from edgewise.errors import InputError
from edgewise.export.steps import (
    Dense,
    Formulas,
    InUnits,
    Products,
    Splines,
    Units,
    check_model,
    check_units,
    labels_of,
    steps_of,
)
from edgewise.formulas.expression import evaluate


def test_each_layer_is_a_sum_of_steps():
    kinds = [[type(step) for step in steps] for steps in steps_of(mixed())]
    assert kinds == [[Splines, Formulas], [Products], [Splines]]
    assert [type(step) for (step,) in steps_of(case("tanh")[0])] == [Dense, Dense]


def test_formulas_of_a_layer_are_its_outputs():
    model, x, _ = case("formula")
    (step,) = steps_of(model)[0]
    values = np.stack([evaluate(node, x.numpy()) for node in step.nodes], 1)
    np.testing.assert_allclose(values, model.layers[0](x).detach().numpy(), rtol=1e-13, atol=1e-13)


def test_units_scale_cut_and_scale_back():
    model, x, _ = case("masked")
    own = units(2, 1)
    z = ((x.numpy() - own.shift) / own.scale).clip(-8, 8)
    expected = own.out_shift + own.out_scale * model(torch.from_numpy(z)).detach().numpy()
    np.testing.assert_allclose(InUnits(model, own)(x).detach(), expected, rtol=1e-13)
    classes = InUnits(case("degree 5")[0], units(2, 2, probabilities=True))(x)
    torch.testing.assert_close(classes.sum(1), torch.ones(len(x), dtype=torch.float64))


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="model must be a KAN or MLP, got torch"):
        check_model(torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match="units must have shift and scale of 2 numbers"):
        check_units(Units(np.zeros(3), np.ones(3)), 2, 1)
    with pytest.raises(InputError, match="units must have out_shift and out_scale of 1 numbers"):
        check_units(Units(np.zeros(2), np.ones(2), out_shift=np.zeros(1)), 2, 1)
    with pytest.raises(InputError, match="names must hold 2 names"):
        labels_of("ab", 2, "x", "names")
    assert labels_of(None, 2, "x", "names") == ("x1", "x2")


def test_an_exponent_is_clipped_and_exponentiated():
    model, x, _ = case("degree 5")
    plain = InUnits(model, units(2, 2))(x).detach()
    low, high = plain.quantile(0.25).item(), plain.quantile(0.75).item()
    own = InUnits(model, units(2, 2, exponent=(low, high)))(x).detach()
    assert torch.equal(own, plain.clamp(low, high).exp())
    assert own.min().item() == pytest.approx(np.exp(low)) and own.max().item() == pytest.approx(np.exp(high))
