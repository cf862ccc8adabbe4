"""Where each trainable parameter lies in the vector of all.

Rows of a block's Jacobian by the trainable parameters, in runs: layer by layer, or by torch.func for any module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from edgewise.errors import InputError
from edgewise.ops.jet import seed_jet
from edgewise.ops.normal import Runs, dense
from edgewise.train.problems.blocks import Block, LocalModel, ResidualBlock, Unknowns
from edgewise.train.problems.data import Data


class ParameterSlots:
    """Where each trainable parameter lies in the vector of all: `slots[name]` is a slice, `size` the length."""

    def __init__(self, parameters: dict[str, nn.Parameter]):
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.slots, self.size = {}, 0
        for name, parameter in parameters.items():
            self.slots[name] = slice(self.size, self.size + parameter.numel())
            self.size += parameter.numel()


@dataclass(frozen=True)
class BlockRows:
    """Rows and first derivative of a block's loss on some samples, before the mean.

    runs: J, its rows column by column of the residuals. residuals: (rows,), where the first derivative is 2 J'r;
    None where it is 2 J_s'(1/2, 1/2, ...) with J_s the `slope` rows.
    """

    runs: list[Runs]
    residuals: Tensor | None
    slope: list[Runs]


@dataclass(frozen=True)
class Spread:
    """What each layer of a chain does for a block's rows.

    order: of the jets. inputs: of each layer, (C, b, in). sets: for each layer, and each column of the residuals, its
    derivative by the layer's output, (C, b, out); the `slope` of `local` last, where it has one.
    """

    order: int
    inputs: list[Tensor]
    sets: list[list[Tensor]]
    local: LocalModel


class NetworkRows:
    """Jacobian rows of one network.

    A chain of layers with `jacobian_segments` (KAN, MLP) is done layer by layer; any other module by torch.func,
    which needs a forward pass that torch.func can transform.
    """

    def __init__(self, network: nn.Module, slots: ParameterSlots, x: Tensor):
        self._network, self._slots = network, slots
        self.is_chain = is_chain(network, slots, x[:2])

    def of(self, block: Block, part: Data, unknowns: Unknowns) -> BlockRows:
        """The rows of a block on a part of its samples."""
        if isinstance(block, ResidualBlock) and block.places is not None:
            return self._by_places(block, part, unknowns)
        return (self._by_layers if self.is_chain else self._by_transforms)(block, part, unknowns)

    def spread(self, block: Block, part: Data, unknowns: Unknowns) -> Spread:
        """One pass back from the residuals gives their derivative by every layer's output, for all samples at once
        since samples don't meet."""
        assert self.is_chain
        order = 0 if block.is_plain else block.order
        inputs, outputs = _forward(self._network, part.x, None if block.is_plain else block.directions, order)
        local = block.local_model(outputs[-1].detach(), part, unknowns)
        sets = list(local.rows.unbind(0)) + ([] if local.slope is None else [local.slope])
        return Spread(order, [x.detach() for x in inputs], _pulled(inputs, outputs, sets), local)

    def _by_layers(self, block: Block, part: Data, unknowns: Unknowns) -> BlockRows:
        """Each layer turns the derivatives by its output into rows."""
        spread = self.spread(block, part, unknowns)
        runs = self.unknown_runs(spread.local, len(spread.sets[0]))
        for number in range(len(spread.inputs)):
            runs += self.layer_runs(spread, number)
        return _split(sorted(runs, key=lambda run: run.offset), spread.local)

    def _by_places(self, block: ResidualBlock, part: Data, unknowns: Unknowns) -> BlockRows:
        """Rows in full: the sum of those at the samples and at the other places that their residuals need."""
        if not self.is_chain:
            kind = type(self._network).__name__
            raise InputError(f"model must be a chain of layers, as KAN and MLP, for block {block.name!r}, got {kind}")
        local = block.local_model(block.jet(self._network, part.x).detach(), part, unknowns)
        places = block.places(part.x)
        own, order = len(local.rows[0]) - places.shape[1], 0 if block.is_plain else block.order
        visits = [(part.x, block.directions, order, slice(0, own))]
        visits += [(at, None, 0, slice(own + j, own + j + 1)) for j, at in enumerate(places.unbind(1))]
        size, full = self._slots.size - sum(name.startswith("unknowns.") for name in self._slots.slots), 0
        for x, directions, order, components in visits:
            inputs, outputs = _forward(self._network, x, directions, order)
            sets = _pulled(inputs, outputs, list(local.rows[:, components].unbind(0)))
            spread = Spread(order, [one.detach() for one in inputs], sets, local)
            runs = [run for number in range(len(inputs)) for run in self.layer_runs(spread, number)]
            full = full + dense(runs, size)
        whole = Runs(0, full.new_zeros(len(full), 1, dtype=torch.int64), full[:, None])
        return _split([whole, *self.unknown_runs(local, len(local.rows))], local)

    def layer_runs(self, spread: Spread, number: int) -> list[Runs]:
        """The rows by the parameters of one layer, set by set."""
        if not any(name.startswith(f"layers.{number}.") for name in self._slots.slots):
            return []
        x, sets = spread.inputs[number], spread.sets[number]
        if len(sets) > 1:
            x = x.repeat(1, len(sets), 1)
        sensitivity = sets[0] if len(sets) == 1 else torch.cat(sets, 1)
        with torch.no_grad():
            parts = self._network.layers[number].jacobian_segments(x, sensitivity, spread.order)
        named = [(self._slots.slots.get(f"layers.{number}.{part.parameter}"), part) for part in parts]
        return [Runs(slot.start, part.starts, part.values) for slot, part in named if slot is not None]

    def _by_transforms(self, block: Block, part: Data, unknowns: Unknowns) -> BlockRows:
        module = _JetOf(self._network, block)
        everything = {**dict(self._network.named_parameters()), **dict(self._network.named_buffers())}
        trainable = {name: everything.pop(name).detach() for name in self._slots.slots if name in everything}

        def jet(parameters: dict, x: Tensor) -> tuple[Tensor, Tensor]:
            named = {f"network.{name}": value for name, value in {**everything, **parameters}.items()}
            value = functional_call(module, named, (x[None],))[:, 0]
            return value, value

        jacobian, values = vmap(jacrev(jet, has_aux=True), in_dims=(None, 0))(trainable, part.x)
        local = block.local_model(values.detach().transpose(0, 1), part, unknowns)
        full = torch.cat([jacobian[name].detach().flatten(3) for name in trainable], 3)  # (b, C, out, P)
        sets = local.rows if local.slope is None else torch.cat([local.rows, local.slope[None]])
        rows = torch.einsum("rcbo,bcop->rbp", sets, full).flatten(0, 1)
        runs = [Runs(0, rows.new_zeros(len(rows), 1, dtype=torch.int64), rows[:, None])]
        return _split([*runs, *self.unknown_runs(local, len(sets))], local)

    def unknown_runs(self, local: LocalModel, sets: int) -> list[Runs]:
        """The rows of the first `sets` by the problem's unknowns."""
        runs: list[Runs] = []
        for name, values in local.unknowns.items():
            slot = self._slots.slots.get(f"unknowns.{name}")
            if slot is not None:
                assert sets <= len(values)
                own = values[:sets].flatten(0, 1).reshape(sets * values.shape[1], 1, -1)
                runs.append(Runs(slot.start, own.new_zeros(len(own), 1, dtype=torch.int64), own))
        return runs


class _JetOf(nn.Module):
    """A block's jet of a network as a forward, which is all that functional_call calls."""

    def __init__(self, network: nn.Module, block: Block):
        super().__init__()
        self.network = network
        self._block = block

    def forward(self, x: Tensor) -> Tensor:
        return self._block.jet(self.network, x)


def has_segments(network: nn.Module) -> bool:
    """Whether it has layers that give their rows in segments; not yet whether it does nothing else."""
    layers = getattr(network, "layers", None)
    return isinstance(layers, nn.ModuleList) and all(hasattr(layer, "jacobian_segments") for layer in layers)


def is_chain(network: nn.Module, slots: ParameterSlots, x: Tensor) -> bool:
    """Whether the network is its `layers`, one after the other, and no trainable parameter lies elsewhere."""
    if not has_segments(network):
        return False
    if not all(name.startswith(("layers.", "unknowns.")) for name in slots.slots):
        return False
    with torch.no_grad():  # a subclass may do more in its forward than run the layers
        y = x
        for layer in network.layers:
            y = layer(y)
        return torch.equal(y, network(x))


def _pulled(inputs: list[Tensor], outputs: list[Tensor], sets: list[Tensor]) -> list[list[Tensor]]:
    """Derivatives by the last output, (C, b, out) each, back to those by the output of every layer."""
    layers = [sets]
    for number in range(len(inputs) - 1, 0, -1):
        sets = [
            torch.autograd.grad(outputs[number], inputs[number], one, retain_graph=one is not sets[-1])[0]
            for one in sets
        ]
        layers.append(sets)
    return layers[::-1]


def _forward(network: nn.Module, x: Tensor, directions: Tensor | None, order: int) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs (C, b, n) of each layer, each differentiable by the layer's own input alone."""
    inputs, outputs = [], []
    jet = x[None] if order == 0 else seed_jet(x, directions, order)
    for number, layer in enumerate(network.layers):
        with torch.set_grad_enabled(number > 0):  # nothing is asked about the points themselves
            jet = jet.detach().requires_grad_(number > 0)
            inputs.append(jet)
            jet = layer(jet[0])[None] if order == 0 else layer.jet(jet, order)
        outputs.append(jet)
    return inputs, outputs


def _split(runs: Sequence[Runs], local: LocalModel) -> BlockRows:
    """Rows of the matrix apart from those of the slope, which come last."""
    if local.slope is None:
        return BlockRows(list(runs), local.residuals.reshape(-1), [])
    count = len(runs[0].values) - local.slope.shape[1]
    rows = [Runs(run.offset, run.starts[:count], run.values[:count]) for run in runs]
    slope = [Runs(run.offset, run.starts[count:], run.values[count:]) for run in runs]
    return BlockRows(rows, None, slope)
