"""The networks that solve equations: tensor products, separable ones, KANs, periodic ones; and finer ones."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.nn.layers.base import Chain, LayerList
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.periodic import PeriodicLayer
from edgewise.nn.layers.separable import SeparableLayer
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.nn.mlp import DenseLayer
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import spline_domain
from edgewise.ops.splines.knots import blossom_coef, subdivide
from edgewise.pde.problem.equation import PDE
from edgewise.train.grids import adapt_domain_, refine

# Share of a hidden grid that activations should fill at least while grids still move: what is empty is wasted.
LEAST_SPAN = 0.45
MARGIN = 0.3


class SeparableNetwork(Chain):
    """Every field is a sum of `rank` separable functions: products of one spline of each coordinate.

    Its layers are a `SeparableLayer` and a `DenseLayer` of fixed ones, so that it trains like any other network.
    """

    def __init__(self, separable: SeparableLayer, fields: int):
        super().__init__()
        total = DenseLayer(separable.out_features, fields, dtype=separable.coef.dtype)
        rank = separable.out_features // fields
        with torch.no_grad():
            total.weight.copy_(torch.eye(fields, dtype=total.weight.dtype).repeat_interleave(rank, 0))
        self.layers = LayerList([separable, total.requires_grad_(False)])

    rank = property(lambda self: self.layers[0].out_features // self.layers[1].out_features)

    def with_grid(self, factor: int) -> "SeparableNetwork":
        """A new network with every interval cut into `factor` parts, and the same function."""
        layer = copy.deepcopy(self.layers[0])
        knots = subdivide(layer.knots, layer.degree, factor)
        coef = blossom_coef(layer.coef.detach(), layer.knots, knots, layer.degree)
        layer.coef, layer.knots = nn.Parameter(coef), knots
        return SeparableNetwork(layer, self.layers[1].out_features)

    def with_rank(self, rank: int, seed: int) -> "SeparableNetwork":
        """A new network with more terms and the same function: in each new term the first factor is zero."""
        layer, fields = copy.deepcopy(self.layers[0]), self.layers[1].out_features
        new = _separable(layer, (rank - self.rank) * fields, seed)
        new.coef.data[0] = 0
        parts = [t.detach().unflatten(2, (fields, -1)) for t in (layer.coef, new.coef)]
        layer.coef = nn.Parameter(torch.cat(parts, 3).flatten(2))
        return SeparableNetwork(layer, fields)


def separable_network(
    problem: PDE, rank: int, grid_size: int, degree: int, seed: int, around: float = 0.0
) -> SeparableNetwork:
    """A fresh float64 network of this rank on a problem's domain; around: see `SeparableLayer`."""
    generator, fields = seeded_generator(seed), len(problem.fields)
    settings = {"grid_size": grid_size, "degree": degree, "domain": problem.domain.bounds, "dtype": torch.float64}
    layer = SeparableLayer(problem.domain.dimension, rank * fields, generator=generator, around=around, **settings)
    return SeparableNetwork(layer, fields)


def _separable(like: SeparableLayer, outputs: int, seed: int) -> SeparableLayer:
    """A fresh layer on the same grid."""
    ends = torch.stack(spline_domain(like.knots, like.degree), 1)
    settings = {"grid_size": like.grid_size, "degree": like.degree, "domain": ends, "dtype": like.coef.dtype}
    return SeparableLayer(like.in_features, outputs, generator=seeded_generator(seed), **settings)


class TensorNetwork(Chain):
    """One `TensorLayer`: every field is a sum of all products of B-splines of the coordinates."""

    def __init__(self, layer: TensorLayer):
        super().__init__()
        self.layers = LayerList([layer])


def tensor_network(problem: PDE, grid_size: int, degree: int) -> TensorNetwork:
    """A float64 network on even grids over a problem's domain, zero everywhere."""
    periodic = [name in problem.periodic for name in problem.domain.coordinates]
    sizes = [max(grid_size, degree + 1) if repeats else grid_size for repeats in periodic]
    ends = problem.domain.bounds.tolist()
    lines = [torch.linspace(*pair, size + 1, dtype=torch.float64) for pair, size in zip(ends, sizes, strict=True)]
    return TensorNetwork(TensorLayer(lines, len(problem.fields), degree=degree, periodic=periodic))


class WindowNetwork(nn.Module):
    """Networks for windows of time, one after the other.

    ends: (windows + 1,), the first moment, those where a window ends and the next begins, and the last one.
    """

    def __init__(self, windows: list[TensorNetwork], ends: Tensor, axis: int):
        super().__init__()
        self.windows, self.axis = nn.ModuleList(windows), axis
        self.register_buffer("ends", ends)

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, fields)."""
        return self.jet(x.reshape(-1, x.shape[-1]))[0].reshape(*x.shape[:-1], -1)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """As `KAN.jet`."""
        number = torch.searchsorted(self.ends[1:-1].contiguous(), x[:, self.axis].contiguous(), right=True)
        present = number.unique().tolist()
        chosen = [(number == window).nonzero()[:, 0] for window in present]
        parts = [
            self.windows[window].jet(x[rows], directions, order) for window, rows in zip(present, chosen, strict=True)
        ]
        return torch.cat(parts, 1)[:, torch.cat(chosen).argsort()]


class PeriodicNetwork(Chain):
    """A periodic layer and then a network of layers in a chain, as KAN and MLP are."""

    def __init__(self, first: PeriodicLayer, inner: nn.Module):
        super().__init__()
        self.layers = LayerList([first, *inner.layers])
        self._inner = (inner,)  # in a tuple, or its parameters would be listed twice

    @property
    def inner(self) -> nn.Module:
        """The network behind the periodic layer."""
        return self._inner[0]


def network_for(problem: PDE, hidden: Sequence, grid_size: int, degree: int, seed: int) -> nn.Module:
    """A fresh float64 KAN for a problem: its inputs, these hidden layers, an output for each field.

    The first grid lies on the problem's domain; silu is left out, which does not follow the scale of hidden nodes.
    """
    bounds, periods = problem.domain.bounds, {}
    for number, name in enumerate(problem.domain.coordinates):
        if name in problem.periodic:
            low, high = bounds[number].tolist()
            periods[number] = (low, high - low)
    if periods:
        others = [number for number in range(len(bounds)) if number not in periods]
        circle = torch.tensor([[-1.0, 1.0]], dtype=bounds.dtype)
        bounds = torch.cat([bounds[others], circle.expand(2 * len(periods), 2)])
    width = (len(bounds), *hidden, len(problem.fields))
    kan = KAN(width, grid_size, degree, base="zero", domain=bounds, seed=seed, dtype=torch.float64)
    return PeriodicNetwork(PeriodicLayer(problem.domain.dimension, periods), kan) if periods else kan


def kan_of(network: nn.Module) -> nn.Module:
    """The KAN itself, without a periodic layer."""
    return network.inner if isinstance(network, PeriodicNetwork) else network


def described(network: nn.Module) -> str:
    """Its shape in a few words."""
    if isinstance(network, SeparableNetwork):
        return f"rank {network.rank}, grid {network.layers[0].grid_size}"
    if isinstance(network, WindowNetwork):
        return f"{len(network.windows)} windows"
    if isinstance(network, TensorNetwork):
        return f"grid {' x '.join(map(str, network.layers[0].grid_sizes))}"
    config = kan_of(network).config
    products = f", products {list(map(list, config.products))}" if any(config.products) else ""
    return f"{list(config.width)}{products}, grid {config.grid_size[0]}"


def grid_sizes(network: nn.Module) -> tuple[int, ...]:
    """Intervals of the grids, layer by layer; of a tensor network coordinate by coordinate, of windows the last."""
    if isinstance(network, WindowNetwork):
        return grid_sizes(network.windows[-1])
    if isinstance(network, TensorNetwork):
        return network.layers[0].grid_sizes
    return tuple(layer.grid_size for layer in network.layers if hasattr(layer, "grid_size"))


def refined(network: nn.Module, factor: int) -> nn.Module:
    """A new network with every interval of its grids cut into `factor` parts, and the same function."""
    if isinstance(network, SeparableNetwork):
        return network.with_grid(factor)
    kan = kan_of(network)
    finer = refine(kan, tuple(factor * size for size in kan.config.grid_size))
    return PeriodicNetwork(network.layers[0], finer) if isinstance(network, PeriodicNetwork) else finer


def fit_hidden_grids_(network: nn.Module, x: Tensor) -> bool:
    """Moves hidden grids, in place, to where the activations of x (b, n) lie, if one of them left or is mostly empty.

    Says whether any was moved. The function is kept as well as the new knots allow: for coarse grids at the start.
    """
    if isinstance(network, SeparableNetwork | TensorNetwork):
        return False
    kan = kan_of(network)
    points = x if kan is network else network.layers[0](x)
    unset = not all(bool(layer.domain_is_set) for layer in _splines(kan))
    if not unset and _least_span(kan, points) >= LEAST_SPAN:
        return False
    adapt_domain_(kan, points, margin=MARGIN, unset_only=unset, hidden_only=True)
    return True


@torch.no_grad()
def _least_span(kan: KAN, x: Tensor) -> float:
    """The least share of a hidden grid that activations fill, 0 where one leaves its grid."""
    least = 1.0
    for number, layer in enumerate(kan.layers):
        if number and hasattr(layer, "domain"):
            low, high = layer.domain.unbind(1)
            bottom, top = x.amin(0), x.amax(0)
            if bool((bottom < low).any() | (top > high).any()):
                return 0.0
            least = min(least, float(((top - bottom) / (high - low)).min()))
        x = layer(x)
    return least


def _splines(kan: KAN) -> list[nn.Module]:
    return [layer for layer in kan.layers if hasattr(layer, "domain_is_set")]
