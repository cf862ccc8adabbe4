"""Rows of the Jacobian of a problem's residuals by the trainable parameters, sample by sample."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from edgewise.train.problem import Data, Problem

Rows = Iterator[tuple[Tensor, Tensor]]


class ParameterSlots:
    """Where each trainable parameter lies in the vector of all: `slots[name]` is a slice, `size` the length."""

    def __init__(self, parameters: dict[str, nn.Parameter]):
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.slots, self.size = {}, 0
        for name, parameter in parameters.items():
            self.slots[name] = slice(self.size, self.size + parameter.numel())
            self.size += parameter.numel()


def residual_rows(
    network: nn.Module, slots: ParameterSlots, problem: Problem, data: Data, *, chain: bool | None = None
) -> Rows:
    """For each residual column: the rows d residual / d parameters (b, size), and the residuals (b,).

    A chain of layers with `jacobian_rows` (KAN, MLP) is done layer by layer; any other module by torch.func, which
    needs a forward pass that torch.func can transform. `chain` is the answer of `is_chain` if that was asked before.
    """
    if is_chain(network, slots, data.x[:2]) if chain is None else chain:
        return _chain_rows(network, slots, problem, data)
    return _generic_rows(network, slots, problem, data)


def is_chain(network: nn.Module, slots: ParameterSlots, x: Tensor) -> bool:
    """Whether the network is its `layers`, one after the other, and no trainable parameter lies elsewhere."""
    layers = getattr(network, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not all(hasattr(layer, "jacobian_rows") for layer in layers):
        return False
    owned = {
        f"layers.{k}.{name}" for k, layer in enumerate(layers) for name, _ in layer.named_parameters(recurse=False)
    }
    if not set(slots.slots) <= owned:
        return False
    with torch.no_grad():  # a subclass may do more in its forward than run the layers
        y = x
        for layer in layers:
            y = layer(y)
        return torch.equal(y, network(x))


def _chain_rows(network: nn.Module, slots: ParameterSlots, problem: Problem, data: Data) -> Rows:
    """One backward pass per residual column gives its derivative by every layer's outputs, for all samples at once
    since samples don't meet; the layer turns that into rows."""
    layers = list(network.layers)
    frozen = [p for p in network.parameters() if p.requires_grad]
    for parameter in frozen:  # their gradients aren't wanted in the backward passes below
        parameter.requires_grad_(False)
    try:
        inputs, outputs = [], []
        y = data.x
        for number, layer in enumerate(layers):
            inputs.append(y.detach())
            y = layer(y)
            if number == 0:
                y = y.detach().requires_grad_()
            outputs.append(y)
        residuals = problem.residuals(y, data)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    for column in range(residuals.shape[1]):
        last = column == residuals.shape[1] - 1
        sensitivities = torch.autograd.grad(residuals[:, column].sum(), outputs, retain_graph=not last)
        rows = data.x.new_empty(len(data), slots.size)
        for number, layer in enumerate(layers):
            for name, values in layer.jacobian_rows(inputs[number], sensitivities[number]).items():
                slot = slots.slots.get(f"layers.{number}.{name}")
                if slot is not None:
                    rows[:, slot] = values.detach().flatten(1)
        yield rows, residuals[:, column].detach()


def _generic_rows(network: nn.Module, slots: ParameterSlots, problem: Problem, data: Data) -> Rows:
    everything = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    trainable = {name: everything.pop(name).detach() for name in slots.slots}

    def residual(parameters: dict, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        prediction = functional_call(network, {**everything, **parameters}, (x[None],))
        sample = Data(x[None], y[None], None if weight is None else weight[None])
        value = problem.residuals(prediction, sample)[0]
        return value, value

    axes = (None, 0, 0, None if data.weight is None else 0)
    jacobian, residuals = vmap(jacrev(residual, has_aux=True), in_dims=axes)(trainable, data.x, data.y, data.weight)
    scale = len(data) ** -0.5  # each sample was a problem of its own
    for column in range(residuals.shape[1]):
        rows = torch.cat([jacobian[name][:, column].detach().flatten(1) for name in slots.slots], 1)
        yield rows * scale, residuals[:, column].detach() * scale
