"""Rows of the Jacobian of a block's residuals by the trainable parameters, layer by layer or by torch.func.

The chain is: a forward pass that keeps the input of every layer (`forward_by_layer`), the derivatives of the residuals
by the network's output (`ResidualBlock.local_model`), their way back to the output of every layer
(`backward_by_layer`), and the rows by the parameters of each layer (`Layer.jacobian_segments`). `NetworkRows` runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from edgewise.errors import InputError
from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.segments import dense_rows
from edgewise.ops.jet import seed_jet
from edgewise.ops.normal import Runs, dense
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.blocks import Block, Data, LocalModel, ResidualBlock, Unknowns, split_places
from edgewise.train.parameters import ParameterSlots


@dataclass(frozen=True)
class BlockRows:
    """Rows and first derivative of a block's loss on some samples, before the mean over the samples."""

    runs: list[Runs]  # the Jacobian J of the residuals, its rows residual by residual and within each sample by sample
    residuals: Tensor | None  # residuals r, (rows,), with which the first derivative is 2 J'r. None if `slope` gives it
    slope: list[Runs]  # rows, one per sample, whose sum is the first derivative; empty if `residuals` give it


@dataclass(frozen=True)
class LayerDerivatives:
    """Inputs of every layer of a chain at some samples, and the derivatives of a block by every layer's output."""

    order: int  # highest derivative order of the jets
    inputs: list[Tensor]  # jet of each layer's input, (C, b, in)
    # for each layer and each residual of a sample its derivative by the jet of the layer's output, (C, b, out); the
    # derivative of the loss (`slope` of `local`) comes last if there is one
    sensitivities: list[list[Tensor]]
    local: LocalModel  # block to second order in the network's output


class NetworkRows:
    """Jacobian rows of one network.

    Shapes: x (b, in).

    The rows of a chain of layers (KAN, MLP) are computed layer by layer; those of any other module by torch.func, which
    needs a forward pass that torch.func can transform.
    """

    def __init__(self, network: nn.Module, slots: ParameterSlots, x: Tensor) -> None:
        self._network = network
        self._slots = slots
        self.is_chain = is_chain(network, slots, x[:2])

    def block_rows(self, block: Block, part: Data, unknowns: Unknowns) -> BlockRows:
        """Rows of a block on a part of its samples."""
        if block.places is not None:
            return self._rows_with_places(block, part, unknowns)
        if not self.is_chain:
            return self._rows_by_transforms(block, part, unknowns)
        derivatives = self.layer_derivatives(block, part, unknowns)
        runs = self.unknown_runs(derivatives.local, len(derivatives.sensitivities[0]))
        for number in range(len(derivatives.inputs)):
            runs += self.layer_runs(derivatives, number)
        return _without_slope(sorted(runs, key=lambda run: run.offset), derivatives.local)

    def layer_derivatives(self, block: Block, part: Data, unknowns: Unknowns) -> LayerDerivatives:
        """Derivatives of a block by the output of every layer of a chain.

        One backward pass per residual serves all samples at once, since samples don't interact.
        """
        assert self.is_chain
        order, directions = (0, None) if block.is_plain else (block.order, block.directions)
        inputs, outputs = forward_by_layer(self._network, part.x, directions, order)
        local = block.local_model(outputs[-1].detach(), part, unknowns)
        sensitivities = [*local.rows.unbind(0), *([] if local.slope is None else [local.slope])]
        by_layer = backward_by_layer(inputs, outputs, sensitivities)
        return LayerDerivatives(order, [x.detach() for x in inputs], by_layer, local)

    def layer_runs(self, derivatives: LayerDerivatives, number: int) -> list[Runs]:
        """Rows by the parameters of one layer, residual by residual."""
        if not any(name.startswith(f"layers.{number}.") for name in self._slots.slots):
            return []
        x = derivatives.inputs[number]
        sensitivities = derivatives.sensitivities[number]
        # All residuals at once, each with a copy of the inputs.
        sensitivity = sensitivities[0]
        if len(sensitivities) > 1:
            x = x.repeat(1, len(sensitivities), 1)
            sensitivity = torch.cat(sensitivities, 1)
        with torch.no_grad():
            parts = layers_of(self._network)[number].jacobian_segments(x, sensitivity, derivatives.order)
        named = [(self._slots.slots.get(f"layers.{number}.{part.parameter}"), part) for part in parts]
        return [Runs(slot.start, part.starts, part.values) for slot, part in named if slot is not None]

    def unknown_runs(self, local: LocalModel, count: int) -> list[Runs]:
        """Rows by the problem's unknowns, of the first `count` residuals of each sample."""
        runs: list[Runs] = []
        for name, values in local.unknowns.items():
            slot = self._slots.slots.get(f"unknowns.{name}")
            if slot is not None:
                assert count <= len(values)
                rows = values[:count].flatten(0, 1).reshape(count * values.shape[1], 1, -1)
                runs.append(Runs(slot.start, rows.new_zeros(len(rows), 1, dtype=torch.int64), rows))
        return runs

    def _rows_with_places(self, block: ResidualBlock, part: Data, unknowns: Unknowns) -> BlockRows:
        """Dense rows: the sum of those at the samples and those at the other places that the residuals need."""
        if not self.is_chain:
            kind = type(self._network).__name__
            raise InputError(f"model must be a chain of layers, as KAN and MLP, for block {block.name!r}, got {kind}")
        assert block.places is not None
        local = block.local_model(block.jet(self._network, part.x).detach(), part, unknowns)
        places = block.places(part.x)
        components = len(local.rows[0]) - places.shape[1]
        order = 0 if block.is_plain else block.order
        shared, own = split_places(places)
        visits = [(part.x, block.directions, order, slice(0, components))]
        for number in own.tolist():
            visits.append((places[:, number], None, 0, slice(components + number, components + number + 1)))
        rows = [
            self._dense_rows(x, directions, order, list(local.rows[:, component].unbind(0)), local)
            for x, directions, order, component in visits
        ]
        if len(shared):
            # Outputs at shared places are differentiated once, for all samples.
            sensitivity = local.rows[:, components + shared]  # (R, s, b, out)
            unit = torch.eye(sensitivity.shape[3], dtype=places.dtype, device=places.device)
            units = [each.expand(1, len(shared), -1) for each in unit]
            by_parameters = self._dense_rows(places[0, shared], None, 0, units, local)  # (out s, P)
            rows.append(sensitivity.permute(0, 2, 3, 1).flatten(0, 1).flatten(1) @ by_parameters)
        total = reduce(torch.add, rows)
        whole = Runs(0, total.new_zeros(len(total), 1, dtype=torch.int64), total[:, None])
        return _without_slope([whole, *self.unknown_runs(local, len(local.rows))], local)

    def _dense_rows(
        self, x: Tensor, directions: Tensor | None, order: int, sensitivities: list[Tensor], local: LocalModel
    ) -> Tensor:
        """Dense rows, by each sensitivity in turn, for derivatives by the jet of a chain's output at x (b, in)."""
        inputs, outputs = forward_by_layer(self._network, x, directions, order)
        by_layer = backward_by_layer(inputs, outputs, sensitivities)
        derivatives = LayerDerivatives(order, [one.detach() for one in inputs], by_layer, local)
        size = self._slots.size - sum(name.startswith("unknowns.") for name in self._slots.slots)
        return dense([run for number in range(len(inputs)) for run in self.layer_runs(derivatives, number)], size)

    def _rows_by_transforms(self, block: Block, part: Data, unknowns: Unknowns) -> BlockRows:
        """Dense rows by torch.func, for networks that are no chain of layers."""
        # The network as a function of its trainable parameters, with everything else held.
        module = JetModule(self._network, block)
        everything = {**dict(self._network.named_parameters()), **dict(self._network.named_buffers())}
        trainable = {name: everything.pop(name).detach() for name in self._slots.slots if name in everything}

        def jet(parameters: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
            named = {f"network.{name}": value for name, value in {**everything, **parameters}.items()}
            value = functional_call(module, named, (x[None],))[:, 0]
            return value, value

        # Reverse mode by the parameters, one sample at a time.
        jacobian, values = vmap(jacrev(jet, has_aux=True), in_dims=(None, 0))(trainable, part.x)
        # The chain rule: derivatives of the residuals by the jets, times those of the jets by the parameters.
        local = block.local_model(values.detach().transpose(0, 1), part, unknowns)
        full = torch.cat([jacobian[name].detach().flatten(3) for name in trainable], 3)  # (b, C, out, P)
        sensitivities = local.rows
        if local.slope is not None:
            sensitivities = torch.cat([local.rows, local.slope[None]])
        rows = torch.einsum("rcbo,bcop->rbp", sensitivities, full).flatten(0, 1)
        runs = [Runs(0, rows.new_zeros(len(rows), 1, dtype=torch.int64), rows[:, None])]
        return _without_slope([*runs, *self.unknown_runs(local, len(sensitivities))], local)


class JetModule(nn.Module):
    """Module whose forward is a block's jet of a network, since functional_call calls nothing else."""

    def __init__(self, network: nn.Module, block: Block) -> None:
        super().__init__()
        self.network = network
        self._block = block

    def forward(self, x: Tensor) -> Tensor:
        """Jet at x (b, in), (C, b, out)."""
        return self._block.jet(self.network, x)


def has_segments(network: nn.Module) -> bool:
    """True if a network has layers that give their Jacobian rows; it may do more than run them, see `is_chain`."""
    layers = getattr(network, "layers", None)
    return isinstance(layers, nn.ModuleList) and all(hasattr(layer, "jacobian_segments") for layer in layers)


def is_chain(network: nn.Module, slots: ParameterSlots, x: Tensor) -> bool:
    """True if a network is its `layers`, one after the other, and no trainable parameter lies elsewhere."""
    if not has_segments(network):
        return False
    if not all(name.startswith(("layers.", "unknowns.")) for name in slots.slots):
        return False
    with torch.no_grad():  # a subclass may do more in its forward than run the layers
        y = x
        for layer in layers_of(network):
            y = layer(y)
        return torch.equal(y, network(x))


def layers_of(network: nn.Module) -> LayerList[Layer]:
    """Layers of a network that is a chain of them."""
    return cast("Chain", network).layers


def forward_by_layer(
    network: nn.Module, x: Tensor, directions: Tensor | None, order: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Jets of the inputs (C, b, in) and outputs (C, b, out) of all layers, each output differentiable by its input.

    The network is a chain of layers, x are points (b, in), and the jets are those of `edgewise.ops.jet`, or values (1,
    b, n) for order 0. The input of the first layer needs no gradient.
    """
    inputs = []
    outputs = []
    if order == 0:
        jet = x[None]
    else:
        jet = seed_jet(x, directions, order)
    # Each layer is a graph of its own, so that no derivative runs through several layers.
    for number, layer in enumerate(layers_of(network)):
        with torch.set_grad_enabled(number > 0):  # no derivatives by the points are needed
            jet = jet.detach().requires_grad_(number > 0)
            inputs.append(jet)
            if order == 0:
                jet = layer(jet[0])[None]
            else:
                jet = layer.jet(jet, order)
        outputs.append(jet)
    return inputs, outputs


def backward_by_layer(inputs: list[Tensor], outputs: list[Tensor], sensitivities: list[Tensor]) -> list[list[Tensor]]:
    """Derivatives of quantities by the last output, (C, b, out) each, carried back to the output of every layer.

    Inputs and outputs are those of `forward_by_layer`; there is a list of the same quantities for each layer.
    """
    layers = [sensitivities]
    for number in range(len(inputs) - 1, 0, -1):
        last = sensitivities[-1]
        # Derivatives of a sum: with the sensitivities as `grad_outputs` torch imports sympy, a second of its own.
        sensitivities = [
            torch.autograd.grad((outputs[number] * one).sum(), inputs[number], retain_graph=one is not last)[0]
            for one in sensitivities
        ]
        layers.append(sensitivities)
    return layers[::-1]


def _without_slope(runs: Sequence[Runs], local: LocalModel) -> BlockRows:
    """Rows of the residuals apart from those of the slope, which come last."""
    if local.slope is None:
        assert local.residuals is not None
        return BlockRows(list(runs), local.residuals.reshape(-1), [])
    count = len(runs[0].values) - local.slope.shape[1]
    rows = [Runs(run.offset, run.starts[:count], run.values[:count]) for run in runs]
    slope = [Runs(run.offset, run.starts[count:], run.values[count:]) for run in runs]
    return BlockRows(rows, None, slope)


def edge_grams(network: nn.Module, data: Data, numbers: int) -> list[dict[str, Tensor]]:
    """Mean over samples of the squared derivatives of every edge by its own parameters, layer by layer.

    For each parameter that belongs to edges: blocks (in, out, n, n) for spline coefficients, (in, out) for weights. The
    network is a chain of layers with a `trace`; the derivatives of a sample are `numbers` numbers.
    """
    grams: list[dict[str, Tensor]] = [{} for _ in layers_of(network)]
    # The Jacobian of a layer's outputs by its parameters, in parts of the samples.
    for part, share in data.chunks(numbers, ROW_CHUNK_NUMBERS):
        trace = network.trace(part.x)  # type: ignore[operator]  # the penalty has checked the model
        weight = part.weights() * (share / len(part))
        for total, layer, x in zip(grams, layers_of(network), trace.inputs, strict=True):
            # Squares of each edge's derivatives: full blocks for coefficients of splines, which overlap, and numbers
            # for weights.
            for segment in layer.jacobian_segments(x[None], x.new_ones(1, len(x), layer.out_features)):
                name = segment.parameter
                shape = layer.get_parameter(segment.parameter).shape
                kind = name.split(".")[-1]
                if kind == "coef":
                    values = dense_rows(segment, shape.numel()).view(len(x), *shape)
                    gram = torch.einsum("b,bigo,biho->iogh", weight, values, values)
                elif kind in ("base", "weight"):
                    gram = torch.einsum("b,bio->io", weight, segment.values.view(len(x), *shape).square())
                else:
                    continue
                total[name] = total[name] + gram if name in total else gram
    return grams
