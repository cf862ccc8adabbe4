"""Networks of tensor-product splines: one grid for all, or one for each window of time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.nn.layers.base import Chain, Layer, LayerList
from edgewise.nn.layers.segments import dense_rows
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.ops.jet import compose, seed_jet
from edgewise.ops.splines.active import active_basis
from edgewise.ops.splines.knots import repeated
from edgewise.pde.problem.corners import CornerFunctions
from edgewise.pde.problem.singular import SingularFunctions

OUTSIDE = 1e-9  # of the time: a moment that is later by rounding is the last one


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
    """A network for each of several windows of time that follow one another.

    Parameters
    ----------
    windows : list of TensorNetwork
        One network for each window.
    ends : Tensor
        First moment, moments at which a window ends and the next begins, and last moment, (windows + 1,).
    axis : int
        Number of the coordinate that is time.
    """

    ends: Tensor

    def __init__(self, windows: list[TensorNetwork], ends: Tensor, axis: int):
        super().__init__()
        self.windows, self.axis = nn.ModuleList(windows), axis
        self.register_buffer("ends", ends)
        layers = [window.tensor_layer for window in windows]
        self._are_polynomials = len({layer.degrees for layer in layers}) == 1 and all(
            layer.in_features == 1
            and len(layer.coef) == layer.degrees[0] + 1
            and torch.equal(layer.knots[0], repeated(layer.knots[0][:, [0, -1]], layer.degrees[0]))
            for layer in layers
        )

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
        if self._are_polynomials:
            return self._polynomials(number, seed_jet(x, directions, order), order)
        present = number.unique().tolist() or [0]  # also of no points
        chosen = [(number == window).nonzero()[:, 0] for window in present]
        parts = [
            self.window(window).jet(x[rows], directions, order) for window, rows in zip(present, chosen, strict=True)
        ]
        return torch.cat(parts, 1)[:, torch.cat(chosen).argsort()]

    def _polynomials(self, number: Tensor, line: Tensor, order: int) -> Tensor:
        """Jet (C, b, fields) where each window is one polynomial of time: all windows at once.

        `number` (b,) are those of the windows, `line` (C, b, 1) is the jet of the points.
        """
        layers = [self.window(each).tensor_layer for each in range(len(self.windows))]
        (degree,), begin, lengths = layers[0].degrees, self.ends[number, None], self.ends.diff()[number, None]
        place = torch.cat([line[:1] - begin, line[1:]]) / lengths
        unit = repeated(line.new_tensor([[0.0, 1.0]]), degree)
        _, derivatives = active_basis(place[0], unit, degree, order)
        factor = compose(place, list(derivatives[:, :, 0]), order)  # (C, b, degree + 1)
        coef = torch.stack([layer.coef for layer in layers])[number]
        return torch.einsum("cbk,bkf->cbf", factor, coef)


class EnrichedNetwork(TensorNetwork):
    """A `TensorNetwork` of one field plus singular functions, each with a factor.

    Parameters
    ----------
    layer : TensorLayer
        Splines of the smooth part, with one output.
    functions : list of SingularFunctions or CornerFunctions
        Functions at corners or around holes.
    factors : Tensor
        Their factors, (functions,).
    """

    def __init__(
        self, layer: TensorLayer, functions: Sequence[SingularFunctions | CornerFunctions], factors: Tensor
    ) -> None:
        super().__init__(layer)
        self.functions, self.factors = tuple(functions), nn.Parameter(factors)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (*batch, 1) at points (*batch, 2)."""
        flat = x.reshape(-1, x.shape[-1])
        return self.jet(flat)[0].reshape(*x.shape[:-1], 1)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, 1) at points (b, 2), see `Chain.jet`."""
        return super().jet(x, directions, order) + (self.singular_jet(x, directions, order) @ self.factors)[..., None]

    def singular_jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, functions) of the singular functions at points (b, 2)."""
        return torch.cat([functions.jet(x, directions, order) for functions in self.functions], 2)
