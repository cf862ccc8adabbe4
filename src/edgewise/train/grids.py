"""Where the grids lie and how fine they are: domains from data, and finer knots for the same function.

The freedom a KAN has in its hidden nodes: where their grids lie, and the shift and scale that change nothing.

A hidden node may be shifted and scaled freely: the layer before brings the new values, the grid of the layer behind
moves along, the function stays. Least squares don't see this freedom but crawl along it, and activations that leave
their grid meet straight lines instead of splines. Moving the grids after a few steps took x*y in a [2, 2, 1] KAN from
8.5e-5 after 400 steps of Levenberg-Marquardt to 4e-12, and three more of eight starts of a [4, 2, 1, 1] KAN to the good
minimum.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN, spline_part
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.lstsq import project

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


FARTHEST = 6  # intervals that a polynomial is continued: its error grows with the power `degree` of the distance


@dataclass(frozen=True)
class MoveReport:
    """What a move of hidden grids did, on the samples that it was made for.

    outside: share of hidden activations that lay outside their grid before.
    change: root mean square of the change of the outputs.
    """

    outside: float
    change: float


def move_hidden_domains_(model: KAN, x: Tensor, *, margin: float) -> MoveReport:
    """Moves the grid of every hidden layer, in place, to the range of its activations on x (batch, in), widened by
    `margin` times that range on either side; the first layer stays. Same number of intervals, so the function is only
    kept as well as the new knots allow: for the early phases of a training.

    Raises:
        InputError: model is no KAN of spline layers, or x doesn't fit it.
    """
    _check(model, x)
    outside, before = _outside(model, x)
    adapt_domain_(model, x, margin=margin, hidden_only=True)
    with torch.no_grad():
        change = float((model(x) - before).square().mean().sqrt())
    return MoveReport(outside, change)


def enclose(model: KAN, x: Tensor, cover: Tensor | None = None) -> tuple[KAN, MoveReport]:
    """A new model whose hidden grids hold all activations on x (batch, in), and on the points of `cover` (any, in).

    x: the samples that the splines were fitted to. cover: further points where the model will be asked; a few of them
    excite hidden nodes more than any sample does.

    Whole intervals are added or dropped, and what lies beyond the last interval that samples fill is the polynomial of
    that interval: there the coefficients were left over from coarser grids. Elsewhere the function stays the same to
    rounding. Every input of a layer gets as many intervals as the one that needs most. An uneven grid stays.

    Raises:
        InputError: model is no KAN of spline layers, or x doesn't fit it.
    """
    _check(model, x)
    outside, before = _outside(model, x)
    enclosed = copy.deepcopy(model)
    with torch.no_grad():
        y = enclosed.layers[0](x)
        asked = y if cover is None else torch.cat([y, enclosed.layers[0](cover)])
        for layer in list(enclosed.layers)[1:]:
            _enclose_(layer, y, asked)
            y, asked = layer(y), layer(asked)
        change = float((y - before).square().mean().sqrt())
    return enclosed, MoveReport(outside, change)


def normal_form(model: KAN) -> KAN:
    """A new model with the same function, to rounding, whose hidden grids all lie on [-1, 1].

    Each hidden node h becomes (h - middle) / half of its grid: the splines before it are scaled, the shift goes into
    them (B-splines add up to one), the knots behind it move along.

    Raises:
        InputError: model is no KAN of spline layers, or the base function isn't "zero": silu(h) is not
            silu((h - middle) / half) times anything.
    """
    _check(model)
    if model.config.base != "zero":
        raise InputError(f'normal_form needs a KAN with base="zero", got base={model.config.base!r}')
    normal = copy.deepcopy(model)
    layers = list(normal.layers)
    with torch.no_grad():
        for before, behind in pairwise(layers):
            low, high = behind.domain.unbind(1)
            middle, half = (low + high) / 2, (high - low) / 2
            shift = torch.zeros_like(before.coef)
            live = before.mask != 0
            shift += torch.where(live, middle / live.sum(0).clamp(min=1), 0.0)[:, None, :]
            before.coef.sub_(shift).div_(half)
            # An unreached node is 0 whatever is taken off its edges: its grid keeps its place and is only scaled.
            centre = torch.where(live.any(0), middle, torch.zeros_like(middle))
            behind.knots.sub_(centre[:, None]).div_(half[:, None])
    return normal


def _check(model: KAN, x: Tensor | None = None) -> None:
    if not isinstance(model, KAN) or not all(isinstance(layer, KANLayer) for layer in model.layers):
        raise InputError(f"model must be a KAN of spline layers, got {type(model).__name__}")
    if x is not None:
        check_input(x, model.layers[0].in_features, model.dtype)


def _outside(model: KAN, x: Tensor) -> tuple[float, Tensor]:
    """Share of hidden activations outside their grids, and the outputs."""
    left = total = 0
    with torch.no_grad():
        y = model.layers[0](x)
        for layer in list(model.layers)[1:]:
            low, high = layer.domain.unbind(1)
            left += int(((y < low) | (y > high)).sum())
            total += y.numel()
            y = layer(y)
    return left / max(total, 1), y


def _enclose_(layer: KANLayer, filled: Tensor, asked: Tensor) -> None:
    """filled: (batch, in) activations of the samples; asked: of all points."""
    degree, knots = layer.degree, layer.knots.double()
    breakpoints = knot_vectors.breakpoints_of(knots, degree)
    low, size = breakpoints[:, 0], breakpoints.shape[1] - 1
    step = (breakpoints[:, -1] - low) / size
    if bool(((breakpoints.diff(dim=1) - step[:, None]).abs() > 1e-6 * step[:, None]).any()):
        return
    # In intervals of the old grid: the first and last that samples fill, and where the new grid must begin and end.
    first = torch.ceil((filled.double().amin(0) - low) / step).clamp(min=0)
    last = torch.floor((filled.double().amax(0) - low) / step).clamp(max=size)
    begin = torch.floor((asked.double().amin(0) - low) / step)
    end = torch.ceil((asked.double().amax(0) - low) / step)
    # Too few filled intervals, or too far to go: the old polynomials at the ends are kept.
    first = torch.where((last - first > degree) & (first - begin <= FARTHEST), first, torch.zeros_like(first))
    last = torch.where((last - first > degree) & (end - last <= FARTHEST), last, torch.full_like(last, size))
    begin, end = begin.clamp(min=-size), end.clamp(max=2 * size)
    count = int((end - begin).amax())
    spare = count - (end - begin)
    begin = begin - torch.floor(spare / 2)
    index = torch.arange(-degree, count + degree + 1, dtype=torch.float64, device=knots.device)
    wanted = (low + begin * step)[:, None] + step[:, None] * index
    within = low + first * step, low + last * step
    coef = knot_vectors.blossom_coef(layer.coef.detach().double(), knots, wanted, degree, within=within)
    layer.coef = nn.Parameter(coef.to(layer.coef.dtype), requires_grad=layer.coef.requires_grad)
    layer.knots = wanted.to(layer.knots.dtype)
