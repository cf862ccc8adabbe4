"""Known functions: in place of networks, and what equations make of them."""

import torch
from torch import nn

from edgewise.pde.problem.fields import Field, function_jet
from edgewise.pde.problem.integrals import at_places


class Known(nn.Module):
    """The network of a function of points, with jets by nested autograd."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)

    def jet(self, x, directions=None, order=0):
        return function_jet(self, x, directions, order)


def derivative_of(known, points, index):
    """A derivative of a function of the coordinates at points (N, n), by nested autograd."""
    with torch.enable_grad():
        leaves = [each.clone().requires_grad_() for each in points.detach().unbind(1)]
        value = known(*leaves)
        for leaf, times in zip(leaves, index, strict=True):
            for _ in range(times):
                # what no longer depends on the coordinates has no graph
                value = value + 0 * leaf
                (value,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
    return value.detach()


def made(operator, known, *coordinates, names="xyzw"):
    """What an operator makes of known functions, one for each of its fields, at coordinates (N,) each."""
    points = torch.stack(coordinates, 1).detach()

    def field(function):
        return Field(
            lambda index: derivative_of(function, points, index),
            tuple(names[: len(coordinates)]),
            lambda axis, places: function(*at_places(points, axis, places).unbind(2)),
        )

    return operator(*map(field, known), *coordinates)
