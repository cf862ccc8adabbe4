"""New networks for equations, and whether one fits as a start."""

from collections.abc import Sequence

import torch
from torch import nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import Chain
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.pde.domains.mesh import even_lines
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.spaces.networks import (
    PeriodicNetwork,
    SeparableNetwork,
    TensorNetwork,
    fields_of,
)


def separable_network(
    problem: Collocation, rank: int, grid_size: int, degree: int, seed: int, around: float = 0.0
) -> SeparableNetwork:
    """A new float64 network of this rank on the domain of a problem; for `around` see `SeparableLayer`."""
    layer = SeparableLayer(
        problem.domain.dimension,
        rank * problem.form.outputs,
        grid_size=grid_size,
        degree=degree,
        domain=problem.domain.bounds,
        generator=seeded_generator(seed),
        around=around,
        dtype=torch.float64,
    )
    return SeparableNetwork(layer, problem.form.outputs)


def tensor_network(problem: Collocation, grid_size: int, degree: int) -> TensorNetwork:
    """A float64 network on even grids over the domain of a problem, constant: zero, or where the problem is defined."""
    periodic = [name in problem.form.periodic for name in problem.domain.coordinates]
    sizes = [max(grid_size, degree + 1) if repeats else grid_size for repeats in periodic]
    lines = even_lines(problem.domain, sizes)
    layer = TensorLayer(lines, problem.form.outputs, degree=degree, periodic=periodic)
    nn.init.constant_(layer.coef, problem.form.level)
    return TensorNetwork(layer)


def network_for(problem: Collocation, hidden: Sequence, grid_size: int, degree: int, seed: int) -> Chain:
    """A new float64 KAN for a problem: an input for each coordinate, these hidden layers, and its outputs.

    The first grid lies on the domain of the problem. The base function silu is left out, for it does not follow the
    scale of hidden nodes. Where the problem is periodic, a periodic layer comes first.
    """
    bounds = problem.domain.bounds
    # Periodic inputs enter as sine and cosine, each on the interval from -1 to 1.
    periods = {}
    for number, name in enumerate(problem.domain.coordinates):
        if name in problem.form.periodic:
            low, high = bounds[number].tolist()
            periods[number] = (low, high - low)
    if periods:
        others = [number for number in range(len(bounds)) if number not in periods]
        circle = torch.tensor([[-1.0, 1.0]], dtype=bounds.dtype)
        bounds = torch.cat([bounds[others], circle.expand(2 * len(periods), 2)])
    # A KAN that is zero, so that its splines alone make the fields.
    width = (len(bounds), *hidden, problem.form.outputs)
    kan = KAN(width, grid_size, degree, base="zero", domain=bounds, seed=seed, dtype=torch.float64)
    if periods:
        return PeriodicNetwork(PeriodicLayer(problem.domain.dimension, periods), kan)
    return kan


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def check_as_start(
    problem: Collocation, begin: Chain, hidden: Sequence | None, degree: int | None, grid_size: int | None
) -> None:
    """Refuse a network of another shape than the start, since the start is the network that is trained."""
    fields = fields_of(begin)
    degrees = {each for layer in begin.layers for each in layer.spline_degrees}
    unlike = {"degree": degrees != {degree}, "grid_size": set(fields.grid_sizes) != {grid_size}, "hidden": True}
    own = fields.kan
    if hidden is not None and own is not None:
        wanted = fields_of(network_for(problem, hidden, 1, 1, 0)).kan
        assert wanted is not None
        unlike["hidden"] = (wanted.config.width, wanted.config.products) != (own.config.width, own.config.products)
    for name, value in (("hidden", hidden), ("degree", degree), ("grid_size", grid_size)):
        if value is not None and unlike[name]:
            raise InputError(f"{name} must be left out beside start, whose network is trained on, got {value!r:.60}")
