"""Networks of fields on grids: tensor products, one for each time element, separable ones, KANs, periodic ones.

Each knows its grid sizes, describes its shape, scales its outputs and grows; see `fields_of` for any network.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, cast

import torch
from torch import Tensor, nn

from edgewise.interpret.transform.edges import with_scaled_output
from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.mlp import DenseLayer
from edgewise.nn.model import KAN
from edgewise.ops.jet import seed_jet
from edgewise.ops.splines.bspline import spline_domain
from edgewise.ops.splines.knots import blossom_coef, subdivide
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.folding import Folding
from edgewise.pde.problem.singular import CornerFunctions, SingularFunctions
from edgewise.settings import chunks
from edgewise.train.grids import adapt_domain_, refine

TENSOR = "tensor"
SEPARABLE = "separable"


@dataclass(frozen=True)
class NetworkSettings:
    """Grids of networks, and how much of them is evaluated at once."""

    # Of the largest entry, where splines come close to fields with which Newton's method begins: rounding.
    approach_ridge: float = 1e-12
    rank_growth: int = 2  # part of the rank by which that of a separable network grows: a half
    # Least share of a hidden grid that activations should fill while grids still move: a grid that is moved is filled
    # to 1 / (1 + 2 margin) = 0.62, and below 0.45 more than half of its intervals are of no use.
    least_span: float = 0.45
    # Margin of a hidden grid around the activations, relative to their range. Without it the straight continuation of
    # splines spoils convergence: at 0.3 second derivatives converge, at 0 they stay wrong at every grid (measured on
    # Poisson).
    margin: float = 0.3
    outside: float = 1e-9  # of the time: a moment that is later by rounding is the last one
    # Of the box: a point that is so far beyond an interface still belongs to the part before it, as checks of fluxes
    # step off it.
    beyond_part: float = 1e-8
    # points that are evaluated at once, and coefficients that they meet: 0.1 GB
    rows: int = 4096
    most_met: int = 2**22


NETWORKS = NetworkSettings()


class FieldNetwork(ABC):
    """A network of fields that knows its grid."""

    @property
    @abstractmethod
    def grid_sizes(self) -> tuple[int, ...]:
        """Numbers of intervals: of each coordinate, or of each layer; those of the last time element."""

    @abstractmethod
    def describe(self) -> str:
        """Shape of the network in a few words, for progress reports."""

    @abstractmethod
    def scaled(self, units: Tensor) -> nn.Module:
        """A copy whose outputs are multiplied by units, (outputs,)."""

    @property
    def kan(self) -> KAN | None:
        """The KAN itself, without a periodic layer; None for all other networks."""
        return None

    @property
    def grid(self) -> TensorLayer | None:
        """Its finest products of splines; None where there are none."""
        return None

    @property
    def moments(self) -> tuple[int, Tensor] | None:
        """Number of the coordinate that is time, and the moments between elements; None where all of time is one."""
        return None

    def standard_errors(self, x: Tensor) -> Tensor | None:
        """Standard errors of all fields at points x (b, n): (b, fields); None where coefficients have no covariance."""
        return None

    def fit_hidden_grids_(self, x: Tensor) -> bool:
        """Move hidden grids to where the activations of points x (b, n) lie; return whether any was moved.

        The function is kept as well as the new knots allow, so this is for coarse grids at the start.
        """
        return False

    def larger(self, seed: int) -> list[Chain]:
        """Networks with the same function and more coefficients; none where grids follow the residual instead."""
        return []


class JetNetwork(FieldNetwork, nn.Module):
    """A network that is no chain of layers, but gives its jet."""

    @abstractmethod
    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, fields) at points (b, in), see `Chain.jet`."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (*batch, fields) at points (*batch, in)."""
        values = self.jet(x.reshape(-1, x.shape[-1]))[0]
        return values.reshape(*x.shape[:-1], values.shape[-1])


class TensorNetwork(Chain, FieldNetwork):
    """Network of one `TensorLayer`: every field is a sum of all products of B-splines of the coordinates."""

    def __init__(self, layer: TensorLayer):
        super().__init__()
        self.layers: LayerList[Layer] = LayerList([layer])

    @property
    def tensor_layer(self) -> TensorLayer:
        """The only layer."""
        return cast(TensorLayer, self.layers[0])

    @property
    def grid(self) -> TensorLayer:
        """The only layer."""
        return self.tensor_layer

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Numbers of intervals of each coordinate."""
        return self.tensor_layer.grid_sizes

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return f"grid {' x '.join(map(str, self.grid_sizes))}"

    @torch.no_grad()
    def scaled(self, units: Tensor) -> Self:
        """A copy whose outputs are multiplied by units, (outputs,)."""
        network = copy.deepcopy(self)
        network.tensor_layer.coef.mul_(units)
        return network

    def unknowns(self) -> list[nn.Parameter]:
        """Parameters, of which the fields are linear functions."""
        return [self.tensor_layer.coef]

    def jacobian(
        self, x: Tensor, directions: Tensor | None, order: int, sensitivities: Sequence[Tensor]
    ) -> Iterator[Tensor]:
        """Rows (b, P) by all unknowns of residuals at points x (b, n), from sensitivities (C, b, fields) to the jet."""
        layer = self.tensor_layer
        seed = seed_jet(x, directions, order)
        for sensitivity in sensitivities:
            (segments,) = layer.jacobian_segments(seed, sensitivity, order)
            yield dense_rows(segments, layer.coef.numel()).detach()

    @torch.no_grad()
    def splines(self, x: Tensor) -> Tensor:
        """Values of all products of B-splines, which all fields have in common, at points x (N, n): (N, products)."""
        # Rows of the Jacobian of one field alone.
        fields = self.tensor_layer.out_features
        sensitivity = x.new_zeros(1, len(x), fields)
        sensitivity[..., 0] = 1
        (rows,) = TensorNetwork.jacobian(self, x, None, 0, [sensitivity])
        return rows[:, ::fields]

    @torch.no_grad()
    def approach_(self, x: Tensor, fields: Tensor) -> None:
        """Take coefficients that come close to fields (N, fields) at points x (N, n), by least squares with a ridge."""
        table = self.splines(x)
        coef = self.tensor_layer.coef
        # Normal equations with a ridge, for splines that no point determines.
        matrix = table.T @ table
        matrix.diagonal().add_(NETWORKS.approach_ridge * matrix.diagonal().amax())
        coef.copy_(torch.linalg.solve(matrix, table.T @ fields).reshape(coef.shape))


class UncertainNetwork(TensorNetwork):
    """Network of one `TensorLayer` whose coefficients have a covariance."""

    root: Tensor  # R, (coefficients, r): the covariance of the coefficients is R R'

    def __init__(self, layer: TensorLayer, root: Tensor):
        super().__init__(layer)
        self.register_buffer("root", root)

    @torch.no_grad()
    def scaled(self, units: Tensor) -> Self:
        """A copy whose outputs and their standard errors are multiplied by units, (outputs,)."""
        network = super().scaled(units)
        network.root.mul_(units.repeat(len(self.root) // len(units))[:, None])
        return network

    @torch.no_grad()
    def standard_errors(self, x: Tensor) -> Tensor:
        """Standard errors of all fields at points x (b, n): (b, fields)."""
        fields = self.tensor_layer.out_features
        parts = []
        for part in chunks(len(x)):
            splines = self.splines(x[part])
            parts.append(torch.stack([(splines @ self.root[k::fields]).norm(dim=1) for k in range(fields)], 1))
        return torch.cat(parts)


class TimeElementNetwork(JetNetwork):
    """A network for each of several time elements that follow one another."""

    ends: Tensor  # first moment, moments at which an element ends and the next begins, and last moment, (elements + 1,)

    def __init__(self, elements: list[TensorNetwork], ends: Tensor, axis: int):
        super().__init__()
        self.elements = nn.ModuleList(elements)
        self.axis = axis
        self.register_buffer("ends", ends)

    def element(self, number: int) -> TensorNetwork:
        """The network of one time element, by its number in the order of time."""
        return cast(TensorNetwork, self.elements[number])

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Numbers of intervals of each coordinate in the last time element."""
        return self.element(-1).grid_sizes

    @property
    def grid(self) -> TensorLayer:
        """The layer of the time element with the most coefficients."""
        layers = [self.element(number).tensor_layer for number in range(len(self.elements))]
        return max(layers, key=lambda layer: math.prod(layer.coef.shape))

    @property
    def moments(self) -> tuple[int, Tensor]:
        """Number of the coordinate that is time, and the moments between time elements, (time elements + 1,)."""
        return self.axis, self.ends

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return f"{len(self.elements)} time elements"

    def scaled(self, units: Tensor) -> "TimeElementNetwork":
        """A copy whose outputs are multiplied by units, (outputs,)."""
        elements = [self.element(number).scaled(units) for number in range(len(self.elements))]
        return TimeElementNetwork(elements, self.ends, self.axis)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, fields) at points (b, in), see `Chain.jet`."""
        if bool((x[:, self.axis] > self.ends[-1]).any()):
            beyond = x[:, self.axis] > self.ends[-1] + NETWORKS.outside * (self.ends[-1] - self.ends[0])
            x = torch.where(beyond[:, None], torch.nan, x)  # nothing is known after the last moment
        # The time element of each point; those on the same grid are evaluated at once.
        number = torch.searchsorted(self.ends[1:-1].contiguous(), x[:, self.axis].contiguous(), right=True)
        jet = seed_jet(x, directions, order)
        place = self._alike.to(number.device)[number]
        groups = [(place == first).nonzero()[:, 0] for first in place.unique().tolist()]
        met = math.prod(degree + 1 for degree in self.element(0).tensor_layer.degrees)
        most = max(1, min(NETWORKS.rows, NETWORKS.most_met // met))
        chosen = [rows for group in groups for rows in group.split(most)] or [number]  # also of no points
        parts = [self._jet_of_alike(number[rows], jet[:, rows], order) for rows in chosen]
        return torch.cat(parts, 1)[:, torch.cat(chosen).argsort()]

    @cached_property
    def _alike(self) -> Tensor:
        """For each time element the number of the first one with the same grid but for the moments, (elements,)."""
        firsts = list[int]()
        known = dict[tuple, int]()
        for number in range(len(self.elements)):
            layer = self.element(number).tensor_layer
            space = [each.cpu().numpy().tobytes() for axis, each in enumerate(layer.knots) if axis != self.axis]
            firsts.append(known.setdefault((*layer.coef.shape, *layer.degrees, *space), number))
        return torch.tensor(firsts)

    def _jet_of_alike(self, number: Tensor, jet: Tensor, order: int) -> Tensor:
        """Carry a jet (C, b, in) through time elements that are `_alike`, by their numbers (b,), at once.

        Moments are those of the first of them that lie at the same share of the time element.
        """
        present, place = number.unique(return_inverse=True)
        layer = self.element(int(present[0]) if len(present) else 0).tensor_layer
        if len(present) < 2:
            return layer.jet(jet, order)
        # Moments of the first element at the same share, whose derivatives are longer or shorter.
        begin = self.ends[:-1]
        end = self.ends[1:]
        length = self.ends.diff()
        ratio = length[present[0]] / length[number]
        moments = jet[..., self.axis] * ratio
        moment = jet[0, :, self.axis]
        moved = begin[present[0]] + (moment - begin[number]) * ratio
        # Rounding must not move the last moment of a time element beyond the first one's, where splines go on as lines.
        moments[0] = torch.where(moment <= end[number], moved.minimum(end[present[0]]), moved)
        jet = torch.cat([jet[..., : self.axis], moments[..., None], jet[..., self.axis + 1 :]], -1)
        # One evaluation for all time elements, each point with the coefficients of its own.
        coefs = [self.element(element).tensor_layer.coef for element in present.tolist()]
        return layer.jet_of(coefs, place, jet, order)


class FoldedNetwork(JetNetwork):
    """Fields on the parts of a box that planes cut, from a network on the box of all parts folded together."""

    def __init__(self, inner: nn.Module, folding: Folding):
        super().__init__()
        self.inner = inner
        self.folding = folding

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Numbers of intervals of each coordinate on every part."""
        return fields_of(self.inner).grid_sizes

    @property
    def moments(self) -> tuple[int, Tensor] | None:
        """Those of the network on the folded box."""
        return fields_of(self.inner).moments

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return f"{fields_of(self.inner).describe()} on each of {len(self.folding.places)} parts"

    def scaled(self, units: Tensor) -> "FoldedNetwork":
        """A copy whose outputs are multiplied by units, (outputs,)."""
        return FoldedNetwork(fields_of(self.inner).scaled(units), self.folding)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, fields on all parts) at points (b, in), see `Chain.jet`; zeros outside of the part of a field."""
        jet: Tensor | None = None
        folding = self.folding
        along = x[:, folding.axis]
        for number, place in enumerate(folding.places):
            # Points of the part, with those on its interfaces and a little beyond.
            low, high = folding.cuts[place : place + 2]
            margin = NETWORKS.beyond_part * (folding.cuts[-1] - folding.cuts[0])
            rows = ((along > low - margin) & (along < high + margin)).nonzero()[:, 0]
            # Derivatives along a direction are those along its image.
            images = directions
            if images is not None:
                images = images.clone()
                images[:, folding.axis] *= folding.rate(place)
            on_part = self.inner.jet(folding.folded(x[rows], place), images, order)  # type: ignore[operator]
            count = on_part.shape[2] // len(folding.places)
            if jet is None:
                jet = on_part.new_zeros(len(on_part), len(x), on_part.shape[2])
            fields = slice(number * count, (number + 1) * count)
            jet = jet.index_put(
                (
                    torch.arange(len(jet), device=x.device)[:, None, None],
                    rows[:, None],
                    torch.arange(jet.shape[2], device=x.device)[fields],
                ),
                on_part[..., fields],
            )
        assert jet is not None
        return jet


class EnrichedNetwork(TensorNetwork):
    """A `TensorNetwork` of one field plus singular functions, each with a factor. Shapes: factors (functions,)."""

    def __init__(
        self, layer: TensorLayer, functions: Sequence[SingularFunctions | CornerFunctions], factors: Tensor
    ) -> None:
        super().__init__(layer)
        self.functions = tuple(functions)
        self.factors = nn.Parameter(factors)

    @torch.no_grad()
    def scaled(self, units: Tensor) -> Self:
        """A copy whose output is multiplied by a unit, (1,)."""
        network = super().scaled(units)
        network.factors.mul_(units)
        return network

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (*batch, 1) at points (*batch, 2)."""
        flat = x.reshape(-1, x.shape[-1])
        return self.jet(flat)[0].reshape(*x.shape[:-1], 1)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, 1) at points (b, 2), see `Chain.jet`."""
        return super().jet(x, directions, order) + (self.singular_jet(x, directions, order) @ self.factors)[..., None]

    def unknowns(self) -> list[nn.Parameter]:
        """Coefficients of splines, and the factors."""
        return [*super().unknowns(), self.factors]

    def jacobian(
        self, x: Tensor, directions: Tensor | None, order: int, sensitivities: Sequence[Tensor]
    ) -> Iterator[Tensor]:
        """Rows (b, P) by splines and factors, see `TensorNetwork.jacobian`."""
        with torch.no_grad():
            singular = self.singular_jet(x, directions, order)
        of_splines = super().jacobian(x, directions, order, sensitivities)
        for sensitivity, rows in zip(sensitivities, of_splines, strict=True):
            yield torch.cat([rows, torch.einsum("cb,cbe->be", sensitivity[..., 0], singular)], 1)

    def singular_jet(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """Jet (C, b, functions) of the singular functions at points (b, 2)."""
        return torch.cat([functions.jet(x, directions, order) for functions in self.functions], 2)


class SeparableNetwork(Chain, FieldNetwork):
    """Network in which every field is a sum of separable functions, products of one spline of each coordinate.

    Its layers are a `SeparableLayer` and a `DenseLayer` with fixed weights of one, so that it trains like any network.
    """

    def __init__(self, separable: SeparableLayer, fields: int):
        super().__init__()
        generator = torch.Generator()  # the weights are replaced: torch's global generator stays as it is
        total = DenseLayer(separable.out_features, fields, generator=generator, dtype=separable.coef.dtype)
        # Each field is the sum of its own terms, side by side: weights of one in blocks.
        rank = separable.out_features // fields
        with torch.no_grad():
            total.weight.copy_(torch.eye(fields, dtype=total.weight.dtype).repeat_interleave(rank, 0))
        self.layers = LayerList([separable, total.requires_grad_(False)])

    @property
    def separable(self) -> SeparableLayer:
        """The layer of all terms."""
        return cast(SeparableLayer, self.layers[0])

    @property
    def fields(self) -> int:
        """Number of fields."""
        return self.layers[1].out_features

    @property
    def rank(self) -> int:
        """Number of terms of each field."""
        return self.separable.out_features // self.fields

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Number of intervals, the same for all coordinates."""
        return (self.separable.grid_size,)

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return f"rank {self.rank}, grid {self.separable.grid_size}"

    @torch.no_grad()
    def scaled(self, units: Tensor) -> Self:
        """A copy whose outputs are multiplied by units, (outputs,)."""
        network = copy.deepcopy(self)
        network.separable.coef[0].mul_(units.repeat_interleave(self.rank))
        return network

    def halved(self) -> "SeparableNetwork":
        """A new network with every interval halved, and the same function."""
        # Knot insertion by blossoming keeps the function.
        layer = copy.deepcopy(self.separable)
        knots = subdivide(layer.knots, layer.degree, 2)
        coef = blossom_coef(layer.coef.detach(), layer.knots, knots, layer.degree)
        layer.coef = nn.Parameter(coef)
        layer.knots = knots
        return SeparableNetwork(layer, self.fields)

    def with_rank(self, rank: int, seed: int) -> "SeparableNetwork":
        """A new network with more terms and the same function: in each new term the first factor is zero."""
        # New terms of each field, beside the old ones.
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

    def larger(self, seed: int) -> list[Chain]:
        """A new network with every interval halved, and one with more terms."""
        rank = self.rank + max(1, self.rank // NETWORKS.rank_growth)
        return [self.halved(), self.with_rank(rank, seed)]


class PeriodicNetwork(Chain, FieldNetwork):
    """A periodic layer followed by the layers of a KAN."""

    def __init__(self, first: PeriodicLayer, inner: KAN):
        super().__init__()
        self.layers = LayerList([first, *inner.layers])
        self._inner = KANFields(inner)  # no module, or its parameters would be listed twice

    @property
    def periodic(self) -> PeriodicLayer:
        """The periodic layer."""
        return cast(PeriodicLayer, self.layers[0])

    @property
    def kan(self) -> KAN:
        """The KAN behind the periodic layer."""
        return self._inner.kan

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Number of intervals of each layer."""
        return self._inner.grid_sizes

    def describe(self) -> str:
        """Shape of the network in a few words."""
        return self._inner.describe()

    def scaled(self, units: Tensor) -> "PeriodicNetwork":
        """A copy whose outputs are multiplied by units, (outputs,)."""
        return PeriodicNetwork(copy.deepcopy(self.periodic), self._inner.scaled(units))

    def fit_hidden_grids_(self, x: Tensor) -> bool:
        """Move those of the network behind the periodic layer."""
        return self._inner.fit_hidden_grids_(self.periodic(x))

    def larger(self, seed: int) -> list[Chain]:
        """A new network with every interval halved."""
        return [PeriodicNetwork(self.periodic, self._inner.halved())]


class KANFields(FieldNetwork):
    """What a network of fields is asked, for a KAN, which is a network of its own room."""

    def __init__(self, kan: KAN):
        self._kan = kan

    @property
    def kan(self) -> KAN:
        """The KAN itself."""
        return self._kan

    @property
    def grid_sizes(self) -> tuple[int, ...]:
        """Number of intervals of each layer."""
        return tuple(layer.grid_size for layer in spline_layers(self.kan).values())

    def describe(self) -> str:
        """Shape of the network in a few words."""
        config = self.kan.config
        products = ""
        if any(config.products):
            products = f", products {list(map(list, config.products))}"
        return f"{list(config.width)}{products}, grid {self.grid_sizes[0]}"

    @torch.no_grad()
    def scaled(self, units: Tensor) -> KAN:
        """A copy whose outputs are multiplied by units, (outputs,)."""
        network = copy.deepcopy(self.kan)
        last = cast(KANLayer, network.layers[-1])
        for output, unit in enumerate(units.tolist()):
            last = with_scaled_output(last, output, unit)
        network.layers[-1] = last
        return network

    def fit_hidden_grids_(self, x: Tensor) -> bool:
        """Move hidden grids where activations leave one of them or fill less than the least span of it."""
        unset = not all(bool(layer.domain_is_set) for layer in spline_layers(self.kan).values())
        if not unset and self._least_span(x) >= NETWORKS.least_span:
            return False
        adapt_domain_(self.kan, x, margin=NETWORKS.margin, unset_only=unset, hidden_only=True)
        return True

    @torch.no_grad()
    def _least_span(self, x: Tensor) -> float:
        """Least share of a hidden grid that activations fill; 0 where they leave a grid."""
        # Activations layer by layer.
        least = 1.0
        splines = spline_layers(self.kan)
        for number, layer in enumerate(self.kan.layers):
            if number and number in splines:
                low, high = splines[number].domain.unbind(1)
                bottom = x.amin(0)
                top = x.amax(0)
                if bool((bottom < low).any() | (top > high).any()):
                    return 0.0
                least = min(least, float(((top - bottom) / (high - low)).min()))
            x = layer(x)
        return least

    def halved(self) -> KAN:
        """A new KAN with every interval halved, and the same function."""
        sizes = cast(tuple, self.kan.config.grid_size)
        return refine(self.kan, tuple(2 * size for size in sizes))

    def larger(self, seed: int) -> list[Chain]:
        """A new KAN with every interval halved."""
        return [self.halved()]


def fields_of(network: nn.Module) -> FieldNetwork:
    """A network as one of fields: those of this room are it themselves, and a KAN is seen as one."""
    return network if isinstance(network, FieldNetwork) else KANFields(cast(KAN, network))


def as_chain(network: nn.Module) -> Chain | None:
    """A network as the chain of layers that is trained; None for one that a grid has solved."""
    return network if isinstance(network, Chain) else None


def chain_of(network: nn.Module) -> Chain:
    """A network that is trained, as a chain of layers."""
    chain = as_chain(network)
    assert chain is not None
    return chain
