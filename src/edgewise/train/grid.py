"""Where the grids lie and how fine they are: domains from data, and finer knots for the same function."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layer import KANLayer
from edgewise.nn.model import KAN, spline_part
from edgewise.nn.product import ProductLayer
from edgewise.ops import knots as knot_vectors
from edgewise.ops.lstsq import project

# Hidden activations move while a model is trained; outside the domain a spline is only a straight line. Without
# a margin second derivatives of a Poisson solution stayed wrong by 30 at every grid, with 0.3 they converged.
HIDDEN_MARGIN = 0.3
# Tukey's outer fences ("Exploratory Data Analysis", 1977, ch. 2): beyond them a value is "far out".
FENCE = 3.0


@dataclass(frozen=True)
class RefineReport:
    """How close a refined model is to the old one.

    exact: every layer's new knots contain the old ones, so the function is the same up to rounding.
    errors: largest absolute difference of any edge's spline, for each layer; 0 where exact.
    """

    exact: bool
    errors: tuple[float, ...]

    @property
    def max_error(self) -> float:
        return max(self.errors)


def data_domain(x: Tensor) -> Tensor:
    """Ends (in, 2) of where the bulk of x (batch, in) lies: its range, cut at Tukey's outer fences.

    A far-out value doesn't stretch the grid; there the splines are straight lines. A column without spread gets
    an interval around its value.
    """
    low, high = x.amin(0), x.amax(0)
    first, third = _quantile(x, 0.25), _quantile(x, 0.75)
    reach = FENCE * (third - first)
    spread = reach > 0
    low = torch.where(spread, torch.maximum(low, first - reach), low)
    high = torch.where(spread, torch.minimum(high, third + reach), high)
    return _with_width(low, high)


def adapt_domain_(
    model: KAN, x: Tensor, *, margin: float = HIDDEN_MARGIN, unset_only: bool = False, hidden_only: bool = False
) -> None:
    """Moves the grid of every layer, in place, to where x (batch, in) and its activations lie.

    The first layer's domain becomes `data_domain(x)`; a hidden layer's the range of its activations and `margin`
    times that range on either side. A layer whose domain was not set before takes the new knots and keeps its
    coefficients (its weights are random still); one whose domain was set keeps its function as well as the new
    knots allow: best L2 approximation on the new domain.

    Args:
        margin: share of the range of hidden activations added at both ends.
        unset_only: leave the layers alone whose domain is already set.
        hidden_only: leave the first layer alone.

    Raises:
        InputError: x is empty, not finite, or of the wrong shape or dtype.
    """
    check_input(x, model.layers[0].in_features, model.dtype)
    x = x.detach().reshape(-1, x.shape[-1])
    if len(x) == 0 or not bool(x.isfinite().all()):
        raise InputError("x must hold at least one sample and only finite values to set a domain from")
    with torch.no_grad():
        for number, part in enumerate(model.layers):
            layer = spline_part(part)
            is_set = layer is not None and bool(layer.domain_is_set)
            if layer is not None and not (is_set and unset_only) and not (number == 0 and hidden_only):
                domain = data_domain(x) if number == 0 else _widened(x, margin)
                new_knots = knot_vectors.uniform(domain.double(), layer.grid_size, layer.degree)
                if is_set:
                    coef, _ = project(layer.coef.double(), layer.knots.double(), new_knots, layer.degree)
                    layer.coef.copy_(coef)
                layer.knots.copy_(new_knots)
                layer.domain_is_set.fill_(True)
            x = part(x)


def refine(model: KAN, grid_size: int | Sequence[int], *, report: bool = False) -> KAN | tuple[KAN, RefineReport]:
    """A new model with more knots and the same function.

    Where the new grid size is a multiple of the old one, every interval is cut into equal parts: the old splines
    lie in the new space and the function stays the same to rounding (`ops.knots.blossom_coef`). Any other size
    gets the best L2 approximation, edge by edge; `report=True` tells how far off that is.

    Args:
        model: left unchanged.
        grid_size: knot intervals, one number or one per layer.
        report: also return a `RefineReport`.

    Raises:
        InputError: grid_size is not a positive integer or does not fit the number of layers.
    """
    old = model.config
    sizes = replace(old, grid_size=grid_size).grid_size
    refined = copy.deepcopy(model)
    edges = [spline_part(layer) for layer in refined.layers if not isinstance(layer, ProductLayer)]
    errors = [0.0 if layer is None else _regrid_(layer, size) for layer, size in zip(edges, sizes, strict=True)]
    if not report:
        return refined
    exact = all(new % max(old, 1) == 0 for new, old in zip(sizes, old.grid_size, strict=True))
    return refined, RefineReport(exact, tuple(errors))


def _regrid_(layer: KANLayer, size: int) -> float:
    """Gives a layer `size` intervals in place; returns the largest absolute error of any edge."""
    coef, knots, degree = layer.coef.detach().double(), layer.knots.double(), layer.degree
    if size == layer.grid_size:
        return 0.0
    if size % layer.grid_size == 0:
        finer = knot_vectors.subdivide(knots, degree, size // layer.grid_size)
        new_coef, error = knot_vectors.blossom_coef(coef, knots, finer, degree), 0.0
    else:
        finer = knot_vectors.extend(_resampled(knot_vectors.breakpoints_of(knots, degree), size), degree)
        new_coef, errors = project(coef, knots, finer, degree)
        error = float(errors.max())
    layer.coef = nn.Parameter(new_coef.to(layer.coef.dtype), requires_grad=layer.coef.requires_grad)
    layer.knots = finer.to(layer.knots.dtype)
    return error


def _resampled(breakpoints: Tensor, size: int) -> Tensor:
    """`size` intervals that follow the density of the old breakpoints (in, m + 1); both ends kept."""
    position = torch.linspace(0, breakpoints.shape[1] - 1, size + 1, dtype=breakpoints.dtype, device=breakpoints.device)
    index = position.floor().long().clamp(max=breakpoints.shape[1] - 2)
    share = position - index
    return breakpoints[:, index] * (1 - share) + breakpoints[:, index + 1] * share


def _quantile(x: Tensor, share: float) -> Tensor:
    """As torch.quantile over the batch, which refuses more than 2**24 rows."""
    ordered = x.sort(0).values
    position = share * (len(x) - 1)
    below = int(position)
    return ordered[below].lerp(ordered[min(below + 1, len(x) - 1)], position - below)


def _widened(x: Tensor, margin: float) -> Tensor:
    low, high = x.amin(0), x.amax(0)
    reach = margin * (high - low)
    return _with_width(low - reach, high + reach)


def _with_width(low: Tensor, high: Tensor) -> Tensor:
    """Ends (in, 2) with a width that the dtype can cut into intervals, also where all values are the same."""
    size = torch.maximum(low.abs(), high.abs())
    # 1024 numbers of the dtype between the ends: at 200 intervals some 5 for each, so that no two knots coincide.
    flat = high - low <= 1024 * torch.finfo(low.dtype).eps * size
    half = torch.where(size > 0, size, torch.ones_like(size))
    return torch.stack([torch.where(flat, low - half, low), torch.where(flat, high + half, high)], 1)
