"""Rows of the residual Jacobian against torch.func."""

import pytest
import torch
from torch.func import functional_call, jacrev

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.jacobian import ParameterSlots, is_chain, residual_rows
from edgewise.train.problem import Regression


class Residual(KAN):
    """A KAN whose forward does more than its layers."""

    def forward(self, x):
        return super().forward(x) + x[:, :1]


MODELS = {
    "kan": lambda: KAN([2, 3, 2, 2], 4, dtype=torch.float64),
    "uneven": lambda: KAN([2, 2], (3,), 2, base="zero", dtype=torch.float64),
    "mlp": lambda: MLP([2, 4, 3, 2], activation="tanh", dtype=torch.float64),
    "subclass": lambda: Residual([2, 3, 2], dtype=torch.float64),
    "generic": lambda: torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double(),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_the_jacobian(kind, weighted):
    g = torch.Generator().manual_seed(0)
    x, y = (3 * torch.rand(2, 9, 2, generator=g, dtype=torch.float64) - 1.5).unbind()
    problem = Regression(x, y, weight=torch.rand(9, generator=g) if weighted else None)
    model = MODELS[kind]()
    if kind == "kan":
        model.layers[1].mask[0, 1] = 0
        model.layers[0].base.requires_grad_(False)
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    slots = ParameterSlots(trainable)

    def residuals(parameters):
        rest = {name: p for name, p in model.named_parameters() if name not in parameters}
        prediction = functional_call(model, {**rest, **parameters}, (problem.train.x,))
        return problem.residuals(prediction, problem.train)

    truth = jacrev(residuals)({name: p.detach() for name, p in trainable.items()})
    columns = list(residual_rows(model, slots, problem, problem.train))
    assert len(columns) == 2
    for column, (rows, values) in enumerate(columns):
        expected = torch.cat([truth[name][:, column].flatten(1) for name in slots.slots], 1)
        assert float((rows - expected).abs().max()) < 1e-10
        assert torch.allclose(values, residuals(trainable)[:, column].detach(), rtol=1e-12)
    assert all(p.requires_grad for p in trainable.values())


def test_only_true_chains_are_taken_layer_by_layer():
    x = torch.rand(2, 2, dtype=torch.float64)
    chains = {kind for kind, make in MODELS.items() if is_chain(m := make(), slots_of(m), x)}
    assert chains == {"kan", "uneven", "mlp"}


def test_a_parameter_outside_the_layers_is_not_overlooked():
    class Scaled(KAN):
        def __init__(self):
            super().__init__([2, 1], dtype=torch.float64)
            self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, x):
            return self.scale * super().forward(x)

    model = Scaled()
    assert not is_chain(model, slots_of(model), torch.rand(2, 2, dtype=torch.float64))


def slots_of(model):
    return ParameterSlots(dict(model.named_parameters()))
