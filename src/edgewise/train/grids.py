"""Grids of a KAN: where they lie (domains from data), how fine they are, and changes that keep the function.

A hidden node may be shifted and scaled freely: the layer before produces the new values, the grid of the layer behind
moves along, and the function stays. Least squares do not see this freedom but crawl along it, and activations that
leave their grid meet straight lines instead of splines. Moving the grids after a few steps took x*y in a [2, 2, 1] KAN
from an error of 8.5e-5 after 400 steps of Levenberg-Marquardt to 4e-12, and three more of eight starts of a
[4, 2, 1, 1] KAN to the good minimum.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.checks import typed
from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.lstsq import project

# Share of the range of hidden activations that is added at both ends of their grids: they move while a model is
# trained, and outside the domain a spline is only a straight line. Without a margin second derivatives of a Poisson
# solution stayed wrong by 30 at every grid, with 0.3 they converged.
HIDDEN_MARGIN = 0.3


@dataclass(frozen=True)
class MoveReport:
    """Effect of a move of hidden grids, on the samples that it was made for."""

    outside: float  # share of hidden activations that lay outside their grid before
    change: float  # root mean square of the change of the outputs


@typed
def data_domain(x: Tensor) -> Tensor:
    """Interval of each input in which the bulk of the data lies: its range, cut at Tukey's outer fences.

    A far-out value does not stretch the grid; there the splines are straight lines. A column without spread gets an
    interval around its value.

    Parameters
    ----------
    x : Tensor, shape (batch, in)
        Samples.

    Returns
    -------
    Tensor, shape (in, 2)
        Lower and upper ends.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [99.0, 1.0]])
    >>> data_domain(x).tolist()
    [[0.0, 9.0], [0.0, 2.0]]
    """
    if x.ndim != 2 or not x.is_floating_point():
        raise InputError(f"x must be floats of shape (N, in), got {x.dtype} of shape {tuple(x.shape)}")
    low = x.amin(0)
    high = x.amax(0)
    first = _quantile_of_rows(x, 0.25)
    third = _quantile_of_rows(x, 0.75)
    reach = 3.0 * (third - first)  # Tukey's outer fences, "Exploratory Data Analysis" (1977), ch. 2
    spread = reach > 0
    low = torch.where(spread, torch.maximum(low, first - reach), low)
    high = torch.where(spread, torch.minimum(high, third + reach), high)
    return _with_width(low, high)


def adapt_domain_(
    model: KAN,
    x: Tensor,
    *,
    margin: float = HIDDEN_MARGIN,
    unset_only: bool = False,
    hidden_only: bool = False,
    knots: str = "even",
    cover: Tensor | None = None,
) -> None:
    """Move the grid of every layer, in place, to where the samples and their activations lie.

    The first layer's domain becomes `data_domain(x)`; a hidden layer's the range of its activations, widened by
    `margin` times that range on either side. A layer whose domain was not set before takes the new knots and keeps its
    coefficients, since its weights are still random; one whose domain was set keeps its function as well as the new
    knots allow, by the best L2 approximation on the new domain.

    Parameters
    ----------
    model : KAN
        The model.
    x : Tensor, shape (batch, in)
        Samples.
    margin : float
        Share of the range of hidden activations that is added at both ends.
    unset_only : bool
        Leave layers alone whose domain is already set.
    hidden_only : bool
        Leave the first layer alone.
    knots : {"even", "quantile", "error"}
        Knots at equal distances; or at the quantiles of the values, for inputs whose values crowd in some places: the
        first layer's then reach over the whole range, and a share of equal distances keeps knots of equal
        values apart; or where each interval has about the same error, for functions that are smooth in most places
        and steep or singular in some: a first layer whose domain was set keeps it.
    cover : Tensor, shape (any, in), optional
        Further points whose hidden activations the grids have to reach.

    Raises
    ------
    InputError
        x is empty, not finite, or of the wrong shape or dtype, or knots is unknown.

    References
    ----------
    Knots of equal error: C. de Boor, "Good approximation by splines with variable knots. II", Lecture Notes in
    Mathematics 363 (1974) 12. Their density is |f^(k + 1)|^(1 / (k + 3/2)), for the L2 norm and degree k.

    Examples
    --------
    >>> model = KAN([1, 1], dtype=torch.float64)
    >>> adapt_domain_(model, torch.linspace(2, 4, 50, dtype=torch.float64)[:, None])
    >>> model.layers[0].domain.tolist()
    [[2.0, 4.0]]
    """
    check_input(x, model.layers[0].in_features, model.dtype)
    if knots not in ("even", "quantile", "error"):
        raise InputError(f'knots must be "even", "quantile" or "error", got {knots!r}')
    x = x.detach().reshape(-1, x.shape[-1])
    if len(x) == 0 or not bool(x.isfinite().all()):
        raise InputError("x must hold at least one sample and only finite values to set a domain from")
    with torch.no_grad():
        splines = spline_layers(model)
        for number, part in enumerate(model.layers):
            layer = splines.get(number)
            if layer is not None and not (number == 0 and hidden_only):
                is_set = bool(layer.domain_is_set)
                if not (is_set and unset_only):
                    # The domain: the range of the values that enter, with a margin in hidden layers.
                    if cover is None:
                        every = x
                    else:
                        every = torch.cat([x, cover])
                    low = every.amin(0)
                    high = every.amax(0)
                    reach = margin * (high - low) * bool(number)
                    domain = _with_width(low - reach, high + reach)
                    if number == 0 and knots != "quantile":
                        domain = layer.domain if is_set and knots == "error" else data_domain(x)
                    # Knots: even, at quantiles, or of equal error.
                    new_knots = knot_vectors.uniform(domain.double(), layer.grid_size, layer.degree)
                    if knots == "quantile":
                        new_knots = _knots_at_quantiles(x.double(), new_knots, layer.degree)
                    elif knots == "error" and is_set:
                        new_knots = _knots_of_equal_error(layer, new_knots)
                    # The function stays: projection onto the new splines.
                    if is_set:
                        coef, _ = project(layer.coef.double(), layer.knots.double(), new_knots, layer.degree)
                        layer.coef.copy_(coef)
                    layer.knots.copy_(new_knots)
                    layer.domain_is_set.fill_(True)
            x = part(x)
            cover = None if cover is None else part(cover)


def _knots_at_quantiles(x: Tensor, even: Tensor, degree: int) -> Tensor:
    """Move the inner breakpoints of even knots to the quantiles of x (batch, in), but for a share of the even ones."""
    breakpoints = knot_vectors.breakpoints_of(even, degree)
    size = breakpoints.shape[1] - 1
    at = torch.stack([_quantile_of_rows(x, k / size) for k in range(size + 1)], 1)
    at[:, 0] = breakpoints[:, 0]
    at[:, -1] = breakpoints[:, -1]
    even_share = 0.02  # the default of `grid_eps` in pykan
    return knot_vectors.extend((1 - even_share) * at + even_share * breakpoints, degree)


def _knots_of_equal_error(layer: KANLayer, even: Tensor) -> Tensor:
    """Move the inner breakpoints of even knots to where each interval has the same share of the splines' error.

    The derivative of order degree + 1 follows from the jumps of the highest one; an input serves all of its edges.
    """
    degree = layer.degree
    knots = layer.knots.double()
    breakpoints, target = (knot_vectors.breakpoints_of(each, degree) for each in (knots, even))
    low = target[:, :1]
    high = target[:, -1:]
    size = breakpoints.shape[1] - 1
    if size < 2:
        return even
    middle = (breakpoints[:, 1:] + breakpoints[:, :-1]) / 2
    coef = layer.coef.detach().double() * layer.spline_mask[:, None, :]
    highest = basis(middle.mT, knots, degree, degree).transpose(0, 1) @ coef
    steps = (highest.diff(dim=1) / middle.diff(dim=1)[..., None]).square().sum(2)  # (in, size - 1)
    bend = torch.maximum(nn.functional.pad(steps, (1, 0)), nn.functional.pad(steps, (0, 1)))
    # The old intervals on the new domain, of which the outermost reach as far as it.
    ends = torch.cat([breakpoints[:, :1].minimum(low), breakpoints[:, 1:-1], breakpoints[:, -1:].maximum(high)], 1)
    ends = ends.clamp(low, high)
    width = ends.diff(dim=1) / (high - low)
    tiny = torch.finfo(width.dtype).tiny
    mass = bend.pow(1 / (2 * degree + 3)) * width
    mass = torch.where(bend.sum(1, keepdim=True) > 0, mass / mass.sum(1, keepdim=True).clamp(min=tiny), width)
    # A share of equal distances: without them intervals far from a singular place grow until they decide the error; of
    # 0.02, 0.05 and 0.1 the last had the lowest errors for sqrt(0.1 + r^2) and for a kink.
    mass = 0.9 * mass + 0.1 * width
    # Breakpoints at equal steps of the distribution function.
    share = nn.functional.pad(mass.cumsum(1), (1, 0))
    at = torch.linspace(0, 1, size + 1, dtype=share.dtype, device=share.device).repeat(len(share), 1)
    left = (torch.searchsorted(share, at, right=True) - 1).clamp(0, size - 1)
    part = (at - share.gather(1, left)) / mass.gather(1, left).clamp(min=tiny)
    moved = ends.gather(1, left) + ends.diff(dim=1).gather(1, left) * part.clamp(0, 1)
    moved[:, :1] = low
    moved[:, -1:] = high
    return knot_vectors.extend(moved, degree)


def _quantile_of_rows(x: Tensor, share: float) -> Tensor:
    """`torch.quantile` over the batch, without its limit of 2**24 rows."""
    ordered = x.sort(0).values
    position = share * (len(x) - 1)
    below = int(position)
    return ordered[below].lerp(ordered[min(below + 1, len(x) - 1)], position - below)


def _with_width(low: Tensor, high: Tensor) -> Tensor:
    """Ends (in, 2) with a width that the dtype can cut into intervals, also where all values are the same."""
    size = torch.maximum(low.abs(), high.abs())
    # 1024 numbers of the dtype between the ends: at 200 intervals some 5 for each, so that no two knots coincide.
    flat = high - low <= 1024 * torch.finfo(low.dtype).eps * size
    half = torch.where(size > 0, size, torch.ones_like(size))
    return torch.stack([torch.where(flat, low - half, low), torch.where(flat, high + half, high)], 1)


@typed
def refine(model: KAN, grid_size: int | Sequence[int]) -> KAN:
    """Make a model with more knots and the same function.

    Where the new grid size is a multiple of the old one, every interval is cut into equal parts: the old splines lie
    in the new space and the function stays the same to rounding (blossoming, see `ops.splines.knots.blossom_coef`).
    Any other size gets the best L2 approximation, edge by edge.

    Parameters
    ----------
    model : KAN
        The model, left unchanged.
    grid_size : int or sequence of int
        Knot intervals, one number or one per layer.

    Returns
    -------
    KAN
        The refined model.

    Raises
    ------
    InputError
        grid_size is not a positive integer or does not fit the number of layers.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.train import refine
    >>> model = KAN([2, 1], grid_size=4, dtype=torch.float64)
    >>> finer = refine(model, 8)
    >>> x = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> finer.config.grid_size, torch.allclose(model(x), finer(x))
    ((8,), True)
    """
    sizes = replace(model.config, grid_size=grid_size).grid_size  # type: ignore[arg-type]  # one number is fine
    refined = copy.deepcopy(model)
    for layer, size in zip(edge_layers(refined), sizes, strict=True):
        if layer.has_splines:
            _regrid_(layer, size)
    return refined


def _regrid_(layer: KANLayer, size: int) -> None:
    """Give a layer `size` intervals in place."""
    coef = layer.coef.detach().double()
    knots = layer.knots.double()
    degree = layer.degree
    if size == layer.grid_size:
        return
    if size % layer.grid_size == 0:
        finer = knot_vectors.subdivide(knots, degree, size // layer.grid_size)
        new_coef = knot_vectors.blossom_coef(coef, knots, finer, degree)
    else:
        # The new breakpoints follow the density of the old ones (in, m + 1); both ends are kept.
        breakpoints = knot_vectors.breakpoints_of(knots, degree)
        intervals = breakpoints.shape[1] - 1
        position = torch.linspace(0, intervals, size + 1, dtype=breakpoints.dtype, device=breakpoints.device)
        index = position.floor().long().clamp(max=intervals - 1)
        share = position - index
        resampled = breakpoints[:, index] * (1 - share) + breakpoints[:, index + 1] * share
        finer = knot_vectors.extend(resampled, degree)
        new_coef, _ = project(coef, knots, finer, degree)
    layer.coef = nn.Parameter(new_coef.to(layer.coef.dtype), requires_grad=layer.coef.requires_grad)
    layer.knots = finer.to(layer.knots.dtype)


def move_hidden_domains_(model: KAN, x: Tensor, *, margin: float) -> MoveReport:
    """Move the grid of every hidden layer, in place, to the range of its activations; the first layer stays.

    The number of intervals stays the same, so the function is only kept as well as the new knots allow: for the early
    phases of a training.

    Parameters
    ----------
    model : KAN
        A KAN of spline layers.
    x : Tensor, shape (batch, in)
        Samples.
    margin : float
        Share of the range that is added on either side.

    Returns
    -------
    MoveReport
        The share of activations outside before, and the change of the outputs.

    Raises
    ------
    InputError
        The model is no KAN of spline layers, or x does not fit it.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1, 1], domain=(-1, 1), dtype=torch.float64)
    >>> _ = move_hidden_domains_(model, x, margin=0.1)
    >>> move_hidden_domains_(model, x, margin=0.1).outside
    0.0
    """
    _spline_layers(model, x)
    outside, before = _outside(model, x)
    adapt_domain_(model, x, margin=margin, hidden_only=True)
    with torch.no_grad():
        change = float((model(x) - before).square().mean().sqrt())
    return MoveReport(outside, change)


def enclose(model: KAN, x: Tensor, cover: Tensor | None = None) -> tuple[KAN, MoveReport]:
    """Make a model whose hidden grids hold all activations on given points."""
    # Whole intervals are added or dropped, and beyond the last interval that samples fill the spline becomes the
    # polynomial of that interval: its coefficients there were left over from coarser grids. Elsewhere the function
    # stays the same to rounding. Every input of a layer gets as many intervals as the one that needs most. An uneven
    # grid stays. Unlike `refine`, which returns the model alone, this returns a pair of the model and a report.
    _spline_layers(model, x)
    outside, before = _outside(model, x)
    enclosed = copy.deepcopy(model)
    first, *others = _spline_layers(enclosed)
    with torch.no_grad():
        y = first(x)
        if cover is None:
            required = y
        else:
            required = torch.cat([y, first(cover)])
        for layer in others:
            _extend_grid_(layer, y, required)
            y = layer(y)
            required = layer(required)
        change = float((y - before).square().mean().sqrt())
    return enclosed, MoveReport(outside, change)


def _extend_grid_(layer: KANLayer, samples: Tensor, required: Tensor) -> None:
    """Give a layer with an even grid whole intervals until its grid holds the required activations, in place.

    samples: (batch, in) activations of the samples; required: (any, in) those of all points.
    """
    degree = layer.degree
    knots = layer.knots.double()
    breakpoints = knot_vectors.breakpoints_of(knots, degree)
    low = breakpoints[:, 0]
    size = breakpoints.shape[1] - 1
    step = (breakpoints[:, -1] - low) / size
    # An uneven grid, beyond rounding, stays.
    if bool(((breakpoints.diff(dim=1) - step[:, None]).abs() > 1e-6 * step[:, None]).any()):
        return
    # In intervals of the old grid: the first and last that samples fill, and where the new grid must begin and end.
    first = torch.ceil((samples.double().amin(0) - low) / step).clamp(min=0)
    last = torch.floor((samples.double().amax(0) - low) / step).clamp(max=size)
    begin = torch.floor((required.double().amin(0) - low) / step)
    end = torch.ceil((required.double().amax(0) - low) / step)
    # Too few filled intervals, or too far to go: the old polynomials at the ends are kept. The error of a polynomial
    # that is continued grows with the power `degree` of the distance: at most by six intervals.
    first = torch.where((last - first > degree) & (first - begin <= 6), first, torch.zeros_like(first))
    last = torch.where((last - first > degree) & (end - last <= 6), last, torch.full_like(last, size))
    begin = begin.clamp(min=-size)
    end = end.clamp(max=2 * size)
    count = int((end - begin).amax())
    spare = count - (end - begin)
    begin = begin - torch.floor(spare / 2)
    index = torch.arange(-degree, count + degree + 1, dtype=torch.float64, device=knots.device)
    extended = (low + begin * step)[:, None] + step[:, None] * index
    within = low + first * step, low + last * step
    coef = knot_vectors.blossom_coef(layer.coef.detach().double(), knots, extended, degree, within=within)
    layer.coef = nn.Parameter(coef.to(layer.coef.dtype), requires_grad=layer.coef.requires_grad)
    layer.knots = extended.to(layer.knots.dtype)


def _spline_layers(model: KAN, x: Tensor | None = None) -> list[KANLayer]:
    """The layers of a KAN of spline layers; InputError for other models, or where x (batch, in) does not fit."""
    if isinstance(model, KAN):
        layers = [layer for layer in spline_layers(model).values() if not layer.has_functions]
    else:
        layers = []
    if not layers or len(layers) < len(model.layers):
        raise InputError(f"model must be a KAN of spline layers, got {type(model).__name__}")
    if x is not None:
        check_input(x, layers[0].in_features, model.dtype)
    return layers


def _outside(model: KAN, x: Tensor) -> tuple[float, Tensor]:
    """Share of hidden activations outside their grids, and the outputs, for x (batch, in)."""
    first, *others = _spline_layers(model)
    left = total = 0
    with torch.no_grad():
        y = first(x)
        for layer in others:
            low, high = layer.domain.unbind(1)
            left += int(((y < low) | (y > high)).sum())
            total += y.numel()
            y = layer(y)
    return left / max(total, 1), y
