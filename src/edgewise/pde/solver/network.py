"""New networks for equations, their hidden grids, and whether one fits as a start."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import Chain
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.spline import spline_layers
from edgewise.nn.model import KAN
from edgewise.pde.domains.mesh import even_lines
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.spaces.networks import PeriodicNetwork, SeparableNetwork, TensorNetwork, grid_sizes, kan_of
from edgewise.train.grids import adapt_domain_

# Least share of a hidden grid that activations should fill while grids still move: a grid that is moved is filled to 1
# / (1 + 2 MARGIN) = 0.62, and below 0.45 more than half of its intervals are of no use.
LEAST_SPAN = 0.45
# Margin of a hidden grid around the activations, relative to their range. Without it the straight continuation of
# splines spoils convergence: at 0.3 second derivatives converge, at 0 they stay wrong at every grid (measured on
# Poisson).
MARGIN = 0.3


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
    periods = {}
    for number, name in enumerate(problem.domain.coordinates):
        if name in problem.form.periodic:
            low, high = bounds[number].tolist()
            periods[number] = (low, high - low)
    if periods:
        others = [number for number in range(len(bounds)) if number not in periods]
        circle = torch.tensor([[-1.0, 1.0]], dtype=bounds.dtype)
        bounds = torch.cat([bounds[others], circle.expand(2 * len(periods), 2)])
    width = (len(bounds), *hidden, problem.form.outputs)
    kan = KAN(width, grid_size, degree, base="zero", domain=bounds, seed=seed, dtype=torch.float64)
    if periods:
        return PeriodicNetwork(PeriodicLayer(problem.domain.dimension, periods), kan)
    return kan


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def fit_hidden_grids_(network: Chain, x: Tensor) -> bool:
    """Move hidden grids, in place, to where the activations of points x (b, n) lie; return whether any was moved.

    They are moved if activations leave one of them or fill less than `LEAST_SPAN` of it. The function is kept as well
    as the new knots allow, so this is for coarse grids at the start.
    """
    if isinstance(network, SeparableNetwork | TensorNetwork):
        return False
    kan = kan_of(network)
    points = network.periodic(x) if isinstance(network, PeriodicNetwork) else x
    unset = not all(bool(layer.domain_is_set) for layer in spline_layers(kan).values())
    if not unset and _least_span(kan, points) >= LEAST_SPAN:
        return False
    adapt_domain_(kan, points, margin=MARGIN, unset_only=unset, hidden_only=True)
    return True


@torch.no_grad()
def _least_span(kan: KAN, x: Tensor) -> float:
    """Least share of a hidden grid that activations fill; 0 where they leave a grid."""
    least = 1.0
    splines = spline_layers(kan)
    for number, layer in enumerate(kan.layers):
        if number and number in splines:
            low, high = splines[number].domain.unbind(1)
            bottom = x.amin(0)
            top = x.amax(0)
            if bool((bottom < low).any() | (top > high).any()):
                return 0.0
            least = min(least, float(((top - bottom) / (high - low)).min()))
        x = layer(x)
    return least


def check_as_start(
    problem: Collocation, begin: Chain, hidden: Sequence | None, degree: int | None, grid_size: int | None
) -> None:
    """Refuse a network of another shape than the start, since the start is the network that is trained."""
    is_kan = not isinstance(begin, TensorNetwork | SeparableNetwork)
    layers = kan_of(begin).layers if is_kan else begin.layers
    degrees = {each for layer in layers for each in layer.spline_degrees}
    unlike = {"degree": degrees != {degree}, "grid_size": set(grid_sizes(begin)) != {grid_size}, "hidden": True}
    if hidden is not None and is_kan:
        wanted = kan_of(network_for(problem, hidden, 1, 1, 0)).config
        own = kan_of(begin).config
        unlike["hidden"] = (wanted.width, wanted.products) != (own.width, own.products)
    for name, value in (("hidden", hidden), ("degree", degree), ("grid_size", grid_size)):
        if value is not None and unlike[name]:
            raise InputError(f"{name} must be left out beside start, whose network is trained on, got {value!r:.60}")
