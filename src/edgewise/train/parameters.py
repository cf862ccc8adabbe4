"""The trainable numbers of a network and a problem as one vector: positions, values, gradients, second derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from edgewise.train.penalties import ALL_PARAMETERS, Curvature
from edgewise.train.problems import Problem


def named_unknowns(problem: Problem) -> dict[str, nn.Parameter]:
    """Unknowns of a problem by the names they have among all parameters, "unknowns.name"."""
    return {f"unknowns.{name}": value for name, value in problem.unknowns.items()}


def state_tensors(network: nn.Module, problem: Problem) -> dict[str, Tensor]:
    """Tensors that training may change, by name: those of the network and the problem's unknowns; no copies."""
    return {**network.state_dict(), **{name: value.detach() for name, value in named_unknowns(problem).items()}}


def trainable_parameters(network: nn.Module, problem: Problem) -> dict[str, nn.Parameter]:
    """Trainable parameters by name, those of the network in its order, then the problem's unknowns."""
    everything = {**dict(network.named_parameters()), **named_unknowns(problem)}
    return {name: parameter for name, parameter in everything.items() if parameter.requires_grad}


def flattened(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers of some tensors as one vector (P,), a copy."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def gradient_of(parameters: Iterable[Tensor]) -> Tensor:
    """The `.grad` of some parameters as one vector (P,), zero where there is none."""
    return flattened(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)


def write_(parameters: Iterable[Tensor], vector: Tensor) -> None:
    """Write the numbers of a vector (P,) into parameters, in order."""
    parameters = list(parameters)
    with torch.no_grad():
        for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
            parameter.copy_(part.view_as(parameter))


class ParameterSlots:
    """Positions of parameters by name in the vector of all of them, which are one after another."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.slots: dict[str, slice] = {}  # the position of each parameter
        self.size = 0  # the length P of the vector
        for name, parameter in parameters.items():
            self.slots[name] = slice(self.size, self.size + parameter.numel())
            self.size += parameter.numel()


def add_curvature_(matrix: Tensor, slots: ParameterSlots, entry: Curvature) -> None:
    """Add second derivatives by one parameter, or by all of the network, to a matrix (P, P), both triangles."""
    if entry.name == ALL_PARAMETERS:
        matrix[: len(entry.values), : len(entry.values)] += entry.values  # unknowns of the problem come after
        return
    index = torch.arange(slots.size, device=matrix.device)[slots.slots[entry.name]].view(slots.shapes[entry.name])
    if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
        index = index.transpose(1, 2)
        matrix[index[..., :, None], index[..., None, :]] += entry.values
    else:
        matrix[index, index] += entry.values


def trainable_slots(network: nn.Module, problem: Problem) -> ParameterSlots:
    """Positions of the trainable parameters of a network, then of the problem's unknowns ("unknowns.name")."""
    return ParameterSlots(trainable_parameters(network, problem))
