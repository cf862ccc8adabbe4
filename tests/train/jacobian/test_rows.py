"""Jacobian rows of networks against torch.func, for every kind of block."""

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call, jacrev

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops import normal
from edgewise.pde.solver.network import network_for
from edgewise.train.blocks import Data, ResidualBlock
from edgewise.train.jacobian.rows import JetModule, NetworkRows, is_chain
from edgewise.train.parameters import trainable_slots
from edgewise.train.problems import BlockProblem, Classification, Regression
from edgewise_experiments.problems.named_equations import EQUATIONS

G = torch.Generator().manual_seed(0)
X, Y = (3 * torch.rand(2, 9, 2, generator=G, dtype=torch.float64) - 1.5).unbind()
WEIGHT = torch.rand(9, generator=G, dtype=torch.float64)


class Residual(KAN):
    """A KAN whose forward does more than its layers."""

    def forward(self, x):
        return super().forward(x) + x[:, :1]


MODELS = {
    "kan": lambda: KAN([2, 3, 2, 2], 4, dtype=torch.float64),
    "quintic": lambda: KAN([2, 2, 2], (3, 6), 5, base="identity", dtype=torch.float64),
    "no base": lambda: KAN([2, 2], (3,), 2, base="zero", dtype=torch.float64),
    "products": lambda: KAN([2, (2, 1), (1, 1)], 3, dtype=torch.float64),
    "symbolic": lambda: KAN([2, 2, 2], 3, functions=((("sin", ""), ("0", "exp")), None), dtype=torch.float64),
    "mlp": lambda: MLP([2, 4, 3, 2], activation="tanh", dtype=torch.float64),
    "subclass": lambda: Residual([2, 3, 2], dtype=torch.float64),
    "generic": lambda: torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double(),
}


def wave(jet, part, unknowns):
    """Two residuals of value, first and second derivatives, along two directions, with two unknown numbers."""
    first = jet[2] * jet[0] - unknowns["k"][:, None] ** 2 * jet[4] + jet[1] - part.y
    return torch.cat([first, (jet[3] * unknowns["m"][:, None]).sin()[:, :1]], 1)


def equation():
    unknowns = {name: torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for name, v in (("k", 1.5), ("m", 0.7))}
    directions = torch.tensor([[1.0, 0.0], [0.6, -1.0]], dtype=torch.float64)
    block = ResidualBlock("wave", Data(X, Y, WEIGHT), wave, 2.5, directions, 2)
    return BlockProblem([block], unknowns)


PROBLEMS = {
    "regression": lambda: Regression(X, Y),
    "weighted": lambda: Regression(X, Y, weight=WEIGHT),
    "equation": equation,
}


def residuals_of(model, problem):
    """parameters -> residuals (b, r) by plain autograd."""
    (block,) = problem.blocks()
    return block_residuals(model, block)


def block_residuals(model, block):
    module = JetModule(model, block)

    def residuals(parameters):
        own = {f"network.{name}": value for name, value in parameters.items() if not name.startswith("unknowns.")}
        numbers = {name[9:]: value for name, value in parameters.items() if name.startswith("unknowns.")}
        unknowns = {name: value.expand(len(block.data)) for name, value in numbers.items()}
        return block.weighted_residuals(functional_call(module, own, (block.data.x,)), block.data, unknowns)

    return residuals


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("what", PROBLEMS)
def test_rows_are_the_jacobian(kind, what):
    problem, model = PROBLEMS[what](), MODELS[kind]()
    if what == "equation" and kind in ("generic", "subclass"):
        pytest.skip("has no jet of its own")
    if kind == "kan":
        model.layers[1].mask[0, 1] = 0
        model.layers[0].base.requires_grad_(False)
    slots = trainable_slots(model, problem)
    (block,) = problem.blocks()
    found = NetworkRows(model, slots, X).block_rows(block, block.data, problem.unknowns)
    rows = normal.dense(found.runs, slots.size)

    residuals = residuals_of(model, problem)
    named = {**dict(model.named_parameters()), **{f"unknowns.{n}": v for n, v in problem.unknowns.items()}}
    truth = jacrev(residuals)({name: named[name].detach() for name in slots.slots})
    expected = torch.cat([truth[name].transpose(0, 1).reshape(len(rows), -1) for name in slots.slots], 1)
    assert float((rows - expected).abs().max()) < 1e-10 * max(1, float(expected.abs().max()))
    values = residuals({name: named[name].detach() for name in slots.slots})
    assert torch.allclose(found.residuals, values.mT.reshape(-1), rtol=1e-10, atol=1e-12)
    assert not found.slope
    assert all(p.grad is None for p in model.parameters())


def by_autograd(function):
    """As jacrev, one number at a time."""

    def jacobian(parameters):
        own = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        values = function(own)
        rows = [torch.autograd.grad(v, list(own.values()), retain_graph=True) for v in values.flatten()]
        parts = zip(own, zip(*rows, strict=True), strict=True)
        return {name: torch.stack(part).reshape(*values.shape, *own[name].shape) for name, part in parts}

    return jacobian


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda equation: equation.name)
def test_rows_of_equations_are_the_jacobian(equation):
    """Every block of every equation of the library: conditions by construction, systems, unknowns, fourth order."""
    problem = equation.make()
    model = network_for(problem, (2,), 3, 5, 0)
    slots = trainable_slots(model, problem)
    named = {**dict(model.named_parameters()), **{f"unknowns.{n}": v for n, v in problem.unknowns.items()}}
    for whole in problem.blocks():
        block = replace(whole, data=whole.data.select(slice(0, 5)))
        rows = NetworkRows(model, slots, block.data.x).block_rows(block, block.data, problem.unknowns)
        assert len(rows.runs) and is_chain(model, slots, block.data.x)
        found = normal.dense(rows.runs, slots.size)
        residuals = block_residuals(model, block)
        # A condition that differentiates by itself can't be seen through by jacrev.
        derivative = by_autograd if equation.name == "kdv" else jacrev
        truth = derivative(residuals)({name: named[name].detach() for name in slots.slots})
        expected = torch.cat([truth[name].transpose(0, 1).reshape(len(found), -1) for name in slots.slots], 1)
        assert float((found - expected).abs().max()) < 1e-10 * max(1, float(expected.abs().max())), block.name


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("kind", ["kan", "mlp", "generic"])
def test_cross_entropy_to_second_order(kind, weight):
    """2 J'J is J_z' (diag(p) - p p') J_z summed over samples, and the slope rows sum to the gradient."""
    model = {
        "kan": lambda: KAN([2, 3, 4], 3, dtype=torch.float64),
        "mlp": lambda: MLP([2, 3, 4], dtype=torch.float64),
        "generic": lambda: torch.nn.Sequential(torch.nn.Linear(2, 4)).double(),
    }[kind]()
    problem = Classification(X, torch.tensor([0, 3, 2, 1, 0, 3, 3, 2, 1]), weight=weight)
    slots = trainable_slots(model, problem)
    (block,) = problem.second_order_blocks()
    found = NetworkRows(model, slots, X).block_rows(block, block.data, {})
    rows = normal.dense(found.runs, slots.size)
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    logits = jacrev(lambda p: functional_call(model, p, (X,)))(parameters)
    full = torch.cat([logits[name].flatten(2) for name in slots.slots], 2)  # (b, classes, P)
    p = model(X).softmax(1).detach()
    share = torch.ones(9, dtype=torch.float64) if weight is None else problem.train.weight
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    expected = torch.einsum("b,bcp,bcd,bdq->pq", share, full, inner, full)
    assert torch.allclose(2 * rows.mT @ rows, expected, rtol=1e-10, atol=1e-11)
    gradient = torch.autograd.grad(9 * problem.loss(model(X), problem.train), list(model.parameters()))
    slope = normal.dense(found.slope, slots.size).sum(0)
    assert torch.allclose(slope, torch.cat([g.reshape(-1) for g in gradient]), rtol=1e-10, atol=1e-11)


def test_only_true_chains_are_taken_layer_by_layer():
    problem = Regression(X, Y)
    chains = {kind for kind, make in MODELS.items() if is_chain(m := make(), trainable_slots(m, problem), X[:2])}
    assert chains == {"kan", "quintic", "no base", "products", "symbolic", "mlp"}


def test_a_parameter_outside_the_layers_is_not_overlooked():
    class Scaled(KAN):
        def __init__(self):
            super().__init__([2, 1], dtype=torch.float64)
            self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, x):
            return self.scale * super().forward(x)

    model = Scaled()
    assert not is_chain(model, trainable_slots(model, Regression(X, Y)), X[:2])
