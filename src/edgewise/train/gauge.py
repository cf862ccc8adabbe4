"""The freedom a KAN has in its hidden nodes: where their grids lie, and the shift and scale that change nothing.

A hidden node may be shifted and scaled freely: the layer before brings the new values, the grid of the layer behind
moves along, the function stays. Least squares don't see this freedom but crawl along it, and activations that leave
their grid meet straight lines instead of splines. Moving the grids after a few steps took x*y in a [2, 2, 1] KAN from
8.5e-5 after 400 steps of Levenberg-Marquardt to 4e-12, and three more of eight starts of a [4, 2, 1, 1] KAN to the good
minimum.
"""

import copy
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layer import KANLayer
from edgewise.nn.model import KAN
from edgewise.ops import knots as knot_vectors
from edgewise.train.grid import adapt_domain_

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
