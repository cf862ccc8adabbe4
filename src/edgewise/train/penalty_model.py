"""A penalty's gradient and curvature at a point, for second-order methods."""

import torch
from torch import Tensor

from edgewise.nn.segments import dense_rows
from edgewise.train.data import Data
from edgewise.train.methods import flattened
from edgewise.train.objective import Objective
from edgewise.train.parameter_slots import ParameterSlots
from edgewise.train.penalty import Curvature

CHUNK_NUMBERS = 2**22  # in the rows of one chunk (32 MiB)


def penalty_gradient(objective: Objective, data: Data) -> Tensor:
    """The gradient by all of `objective.parameters`, (P,)."""
    parameters = list(objective.parameters.values())
    for parameter in parameters:
        parameter.grad = None
    objective.penalty_backward(data)
    return flattened(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)


def penalty_curvature(objective: Objective, slots: ParameterSlots, data: Data) -> list[Curvature]:
    """Second derivatives by the trainable parameters, or what stands for them, see `Term.curvature`."""
    magnitudes = objective.magnitudes(data) if objective.needs_trace else ()
    with torch.no_grad():
        grams = _edge_grams(objective, slots, data) if objective.needs_trace else ()
        entries = objective.term.curvature(magnitudes, grams)
    return [entry for entry in entries if entry.name in slots.slots]


def add_curvature_(matrix: Tensor, slots: ParameterSlots, entry: Curvature) -> None:
    """Adds an entry to a matrix (P, P), both triangles."""
    index = torch.arange(slots.size, device=matrix.device)[slots.slots[entry.name]].view(slots.shapes[entry.name])
    if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
        index = index.transpose(1, 2)
        matrix[index[..., :, None], index[..., None, :]] += entry.values
    else:
        matrix[index, index] += entry.values


def _edge_grams(objective: Objective, slots: ParameterSlots, data: Data) -> list[dict[str, Tensor]]:
    """For every layer the mean over samples of (d phi / d parameter)(d phi / d parameter)' of each edge."""
    layers, total = list(objective.network.layers), []
    for part, share in data.chunks(max(1, CHUNK_NUMBERS // slots.size)):
        inputs = objective.network.trace(part.x).inputs
        weight = (part.x.new_ones(len(part)) if part.weight is None else part.weight) * (share / len(part))
        for number, (layer, x) in enumerate(zip(layers, inputs, strict=True)):
            if number == len(total):
                total.append({})
            for name, gram in _grams_of(layer, x, weight).items():
                total[number][name] = total[number].get(name, 0) + gram
    return total


def _grams_of(layer: torch.nn.Module, x: Tensor, weight: Tensor) -> dict[str, Tensor]:
    found = {}
    for part in layer.jacobian_segments(x[None], x.new_ones(1, len(x), layer.out_features)):
        shape = layer.get_parameter(part.parameter).shape
        kind = part.parameter.split(".")[-1]
        if kind == "coef":
            rows = dense_rows(part, shape.numel()).view(len(x), *shape)
            found[part.parameter] = torch.einsum("b,bigo,biho->iogh", weight, rows, rows)
        elif kind in ("base", "weight"):
            found[part.parameter] = torch.einsum("b,bio->io", weight, part.values.view(len(x), *shape).square())
    return found
