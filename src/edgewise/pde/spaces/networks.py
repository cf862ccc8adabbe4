"""Networks of tensor-product splines: one grid for all, or one for each window of time."""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.ops.jet import seed_jet
from edgewise.pde.problem.singular import CornerFunctions, SingularFunctions

OUTSIDE = 1e-9  # of the time: a moment that is later by rounding is the last one
# points that are evaluated at once, and coefficients that they meet: 0.1 GB
ROWS = 4096
MOST_MET = 2**22


class TensorNetwork(Chain):
    """Network of one `TensorLayer`: every field is a sum of all products of B-splines of the coordinates."""

    def __init__(self, layer: TensorLayer):
        super().__init__()
        self.layers: LayerList[Layer] = LayerList([layer])

    @property
    def tensor_layer(self) -> TensorLayer:
        """The only layer."""
        layer = self.layers[0]
        assert isinstance(layer, TensorLayer)
        return layer

    @torch.no_grad()
    def splines(self, x: Tensor) -> Tensor:
        """Values of all products of B-splines, which all fields have in common, at points x (N, n): (N, products)."""
        layer = self.tensor_layer
        sensitivity = x.new_zeros(1, len(x), layer.out_features)
        sensitivity[..., 0] = 1
        rows = dense_rows(layer.jacobian_segments(x[None], sensitivity)[0], layer.coef.numel())
        return rows[:, :: layer.out_features]


class WindowNetwork(nn.Module):
    """A network for each of several windows of time that follow one another."""

    ends: Tensor  # first moment, moments at which a window ends and the next begins, and last moment, (windows + 1,)

    def __init__(self, windows: list[TensorNetwork], ends: Tensor, axis: int):
        super().__init__()
        self.windows = nn.ModuleList(windows)
        self.axis = axis
        self.register_buffer("ends", ends)

    def window(self, number: int) -> TensorNetwork:
        """The network of one window, by its number in the order of time."""
        network = self.windows[number]
        assert isinstance(network, TensorNetwork)
        return network

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (*batch, fields) at points (*batch, in)."""
        values = self.jet(x.reshape(-1, x.shape[-1]))[0]
        return values.reshape(*x.shape[:-1], values.shape[-1])

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, fields) at points (b, in), see `Chain.jet`."""
        if bool((x[:, self.axis] > self.ends[-1]).any()):
            beyond = x[:, self.axis] > self.ends[-1] + OUTSIDE * (self.ends[-1] - self.ends[0])
            x = torch.where(beyond[:, None], torch.nan, x)  # nothing is known after the last moment
        number = torch.searchsorted(self.ends[1:-1].contiguous(), x[:, self.axis].contiguous(), right=True)
        jet = seed_jet(x, directions, order)
        place = self._alike.to(number.device)[number]
        groups = [(place == first).nonzero()[:, 0] for first in place.unique().tolist()]
        met = math.prod(degree + 1 for degree in self.window(0).tensor_layer.degrees)
        most = max(1, min(ROWS, MOST_MET // met))
        chosen = [rows for group in groups for rows in group.split(most)] or [number]  # also of no points
        parts = [self._jet_of_alike(number[rows], jet[:, rows], order) for rows in chosen]
        return torch.cat(parts, 1)[:, torch.cat(chosen).argsort()]

    @cached_property
    def _alike(self) -> Tensor:
        """For each window the number of the first one with the same grid but for the moments, (windows,)."""
        firsts = list[int]()
        known = dict[tuple, int]()
        for number in range(len(self.windows)):
            layer = self.window(number).tensor_layer
            space = [each.cpu().numpy().tobytes() for axis, each in enumerate(layer.knots) if axis != self.axis]
            firsts.append(known.setdefault((*layer.coef.shape, *layer.degrees, *space), number))
        return torch.tensor(firsts)

    def _jet_of_alike(self, number: Tensor, jet: Tensor, order: int) -> Tensor:
        """Carry a jet (C, b, in) through windows that are `_alike`, by their numbers (b,), at once.

        Moments are those of the first of them that lie at the same share of the window.
        """
        present, place = number.unique(return_inverse=True)
        layer = self.window(int(present[0]) if len(present) else 0).tensor_layer
        if len(present) < 2:
            return layer.jet(jet, order)
        begin = self.ends[:-1]
        end = self.ends[1:]
        length = self.ends.diff()
        ratio = length[present[0]] / length[number]
        moments = jet[..., self.axis] * ratio
        moment = jet[0, :, self.axis]
        moved = begin[present[0]] + (moment - begin[number]) * ratio
        # Rounding must not move the last moment of a window beyond the first one's, where splines go on as lines.
        moments[0] = torch.where(moment <= end[number], moved.minimum(end[present[0]]), moved)
        jet = torch.cat([jet[..., : self.axis], moments[..., None], jet[..., self.axis + 1 :]], -1)
        coefs = [self.window(window).tensor_layer.coef for window in present.tolist()]
        return layer.jet_of(coefs, place, jet, order)


class EnrichedNetwork(TensorNetwork):
    """A `TensorNetwork` of one field plus singular functions, each with a factor. Shapes: factors (functions,)."""

    def __init__(
        self, layer: TensorLayer, functions: Sequence[SingularFunctions | CornerFunctions], factors: Tensor
    ) -> None:
        super().__init__(layer)
        self.functions = tuple(functions)
        self.factors = nn.Parameter(factors)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (*batch, 1) at points (*batch, 2)."""
        flat = x.reshape(-1, x.shape[-1])
        return self.jet(flat)[0].reshape(*x.shape[:-1], 1)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, 1) at points (b, 2), see `Chain.jet`."""
        return super().jet(x, directions, order) + (self.singular_jet(x, directions, order) @ self.factors)[..., None]

    def singular_jet(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """Jet (C, b, functions) of the singular functions at points (b, 2)."""
        return torch.cat([functions.jet(x, directions, order) for functions in self.functions], 2)
