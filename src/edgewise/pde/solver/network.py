"""Networks that solve equations: tensor products, separable ones, KANs, periodic ones; and their refinement."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import Chain, LayerList
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.periodic import PeriodicLayer
from edgewise.nn.layers.separable import SeparableLayer
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.nn.mlp import DenseLayer
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import spline_domain
from edgewise.ops.splines.knots import blossom_coef, subdivide
from edgewise.pde.domains.mesh import even_lines
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.spaces.networks import TensorNetwork, WindowNetwork
from edgewise.pde.tiers.tensor_train.network import LowRankNetwork
from edgewise.train.grids import adapt_domain_, refine

# Least share of a hidden grid that activations should fill while grids still move: a grid that is moved is filled to 1
# / (1 + 2 MARGIN) = 0.62, and below 0.45 more than half of its intervals are of no use.
LEAST_SPAN = 0.45
# Margin of a hidden grid around the activations, relative to their range. Without it the straight continuation of
# splines spoils convergence: at 0.3 second derivatives converge, at 0 they stay wrong at every grid (measured on
# Poisson).
MARGIN = 0.3


class SeparableNetwork(Chain):
    """Network in which every field is a sum of separable functions, products of one spline of each coordinate.

    Its layers are a `SeparableLayer` and a `DenseLayer` with fixed weights of one, so that it trains like any network.
    """

    def __init__(self, separable: SeparableLayer, fields: int):
        super().__init__()
        own = torch.Generator()  # the weights are replaced: torch's global generator stays as it is
        total = DenseLayer(separable.out_features, fields, generator=own, dtype=separable.coef.dtype)
        rank = separable.out_features // fields
        with torch.no_grad():
            total.weight.copy_(torch.eye(fields, dtype=total.weight.dtype).repeat_interleave(rank, 0))
        self.layers = LayerList([separable, total.requires_grad_(False)])

    @property
    def separable(self) -> SeparableLayer:
        """The layer of all terms."""
        layer = self.layers[0]
        assert isinstance(layer, SeparableLayer)
        return layer

    @property
    def fields(self) -> int:
        """Number of fields."""
        return self.layers[1].out_features

    @property
    def rank(self) -> int:
        """Number of terms of each field."""
        return self.separable.out_features // self.fields

    def with_grid(self, factor: int) -> "SeparableNetwork":
        """A new network with every interval cut into `factor` parts, and the same function."""
        layer = copy.deepcopy(self.separable)
        knots = subdivide(layer.knots, layer.degree, factor)
        coef = blossom_coef(layer.coef.detach(), layer.knots, knots, layer.degree)
        layer.coef = nn.Parameter(coef)
        layer.knots = knots
        return SeparableNetwork(layer, self.fields)

    def with_rank(self, rank: int, seed: int) -> "SeparableNetwork":
        """A new network with more terms and the same function: in each new term the first factor is zero."""
        layer = copy.deepcopy(self.separable)
        fields = self.fields
        new = SeparableLayer(
            layer.in_features,
            (rank - self.rank) * fields,
            grid_size=layer.grid_size,
            degree=layer.degree,
            domain=torch.stack(spline_domain(layer.knots, layer.degree), 1),
            generator=seeded_generator(seed),
            dtype=layer.coef.dtype,
        )
        new.coef.data[0] = 0
        parts = [t.detach().unflatten(2, (fields, -1)) for t in (layer.coef, new.coef)]
        layer.coef = nn.Parameter(torch.cat(parts, 3).flatten(2))
        return SeparableNetwork(layer, fields)


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


class PeriodicNetwork(Chain):
    """A periodic layer followed by the layers of a KAN or an MLP."""

    def __init__(self, first: PeriodicLayer, inner: Chain):
        super().__init__()
        self.layers = LayerList([first, *inner.layers])
        self._inner = (inner,)  # in a tuple, or its parameters would be listed twice

    @property
    def periodic(self) -> PeriodicLayer:
        """The periodic layer."""
        layer = self.layers[0]
        assert isinstance(layer, PeriodicLayer)
        return layer

    @property
    def inner(self) -> Chain:
        """The network behind the periodic layer."""
        return self._inner[0]


SolverNetwork = Chain | WindowNetwork | LowRankNetwork
"""Networks that `solve` returns."""


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


def kan_of(network: nn.Module) -> KAN:
    """The KAN itself, without a periodic layer."""
    kan = network.inner if isinstance(network, PeriodicNetwork) else network
    assert isinstance(kan, KAN)
    return kan


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def described(network: nn.Module) -> str:
    """Shape of a network in a few words, for progress reports."""
    if isinstance(network, SeparableNetwork):
        return f"rank {network.rank}, grid {network.separable.grid_size}"
    if isinstance(network, WindowNetwork):
        return f"{len(network.windows)} windows"
    if isinstance(network, LowRankNetwork):
        return f"ranks {', '.join(map(str, network.ranks[1:-1]))}, grid {' x '.join(map(str, network.grid_sizes))}"
    if isinstance(network, TensorNetwork):
        return f"grid {' x '.join(map(str, network.tensor_layer.grid_sizes))}"
    config = kan_of(network).config
    sizes = grid_sizes(network)
    if any(config.products):
        products = f", products {list(map(list, config.products))}"
    else:
        products = ""
    return f"{list(config.width)}{products}, grid {sizes[0]}"


def grid_sizes(network: nn.Module) -> tuple[int, ...]:
    """Numbers of intervals: of each layer, of each coordinate of a tensor network, or of the last window in time."""
    if isinstance(network, WindowNetwork):
        return grid_sizes(network.window(-1))
    if isinstance(network, TensorNetwork):
        return network.tensor_layer.grid_sizes
    if isinstance(network, LowRankNetwork):
        return network.grid_sizes
    assert isinstance(network, Chain)
    sizes = (getattr(layer, "grid_size", None) for layer in network.layers)
    return tuple(size for size in sizes if isinstance(size, int))


def refined(network: Chain, factor: int) -> Chain:
    """A new network with every interval of its grids cut into `factor` parts, and the same function."""
    if isinstance(network, SeparableNetwork):
        return network.with_grid(factor)
    kan = kan_of(network)
    sizes = kan.config.grid_size
    assert isinstance(sizes, tuple)
    finer = refine(kan, tuple(factor * size for size in sizes))
    assert isinstance(finer, KAN)
    if isinstance(network, PeriodicNetwork):
        return PeriodicNetwork(network.periodic, finer)
    return finer


def fit_hidden_grids_(network: Chain, x: Tensor) -> bool:
    """Move hidden grids, in place, to where the activations of points x (b, n) lie; return whether any was moved.

    They are moved if activations leave one of them or fill less than `LEAST_SPAN` of it. The function is kept as well
    as the new knots allow, so this is for coarse grids at the start.
    """
    if isinstance(network, SeparableNetwork | TensorNetwork):
        return False
    kan = kan_of(network)
    points = network.periodic(x) if isinstance(network, PeriodicNetwork) else x
    unset = not all(bool(layer.domain_is_set) for layer in kan.layers if hasattr(layer, "domain_is_set"))
    if not unset and _least_span(kan, points) >= LEAST_SPAN:
        return False
    adapt_domain_(kan, points, margin=MARGIN, unset_only=unset, hidden_only=True)
    return True


@torch.no_grad()
def _least_span(kan: KAN, x: Tensor) -> float:
    """Least share of a hidden grid that activations fill; 0 where they leave a grid."""
    least = 1.0
    for number, layer in enumerate(kan.layers):
        domain = getattr(layer, "domain", None)
        if number and isinstance(domain, Tensor):
            low, high = domain.unbind(1)
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
    degrees = {each for layer in layers for each in getattr(layer, "degrees", (getattr(layer, "degree", degree),))}
    unlike = {"degree": degrees != {degree}, "grid_size": set(grid_sizes(begin)) != {grid_size}, "hidden": True}
    if hidden is not None and is_kan:
        wanted = kan_of(network_for(problem, hidden, 1, 1, 0)).config
        own = kan_of(begin).config
        unlike["hidden"] = (wanted.width, wanted.products) != (own.width, own.products)
    for name, value in (("hidden", hidden), ("degree", degree), ("grid_size", grid_size)):
        if value is not None and unlike[name]:
            raise InputError(f"{name} must be left out beside start, whose network is trained on, got {value!r:.60}")
