"""Uneven grids: how much each interval leaves out, which to cut, which to join, and where residuals are taken."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.pde.domains.domain import Box, Domain, Piece
from edgewise.pde.domains.sampling import gauss_legendre

SMALL_FIELD = 1e-6  # a field so much smaller than the largest one is not resolved for its own sake
FAVARD = 4 / math.pi
CANDIDATES = 16  # on a curved boundary, for each point that is kept
FACE_POINTS = 4  # of an interval, on the boundary
LOOKS, BISECTIONS = 2048, 50  # along a curve for lines that it crosses: it counts as straight in between
APART = 1e-9  # of a curve's length: crossings closer than this are one
SINGULAR = 30.0  # times the median of its coordinate: an interval where so much is missing has something sharp in it
LEAST_LOAD = 0.1  # of the mean: intervals in which nothing seems to be missing
LEAST_GAIN = 0.75  # errors of such an interval fall by at least this factor when it is halved


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points for the cells of a grid: Gauss-Legendre's in each, with weights of mean 1.

    breakpoints: of each coordinate, (grid_size + 1,) each. per_interval: points in every interval.
    """

    domain: Domain
    breakpoints: Sequence[Tensor]
    per_interval: int = 3

    def interior(self) -> tuple[Tensor, Tensor]:
        """Points inside (N, n), weights (N,)."""
        x, weights = self._product(range(self.domain.dimension), self.per_interval)
        if not isinstance(self.domain, Box):
            inside = self.domain.contains(x)
            x, weights = x[inside], weights[inside]
        return x, weights / weights.mean()

    def boundary(self, names: Sequence[str], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Points on these pieces of the boundary (N, n), outward normals (N, n), weights (N,)."""
        pieces = self.domain.named(names)
        if all(piece.at is not None for piece in pieces):
            return self._along(pieces)
        if not isinstance(self.domain, Box):
            return self._thinned(names, seed)
        parts = []
        for piece in pieces:
            axis, side = divmod(self.domain.pieces.index(piece), 2)
            others = [other for other in range(self.domain.dimension) if other != axis]
            inner, weights = self._product(others, FACE_POINTS)
            x = inner.new_empty(len(inner), self.domain.dimension)
            x[:, others], x[:, axis] = inner, self.domain.bounds[axis, side]
            normal = torch.zeros_like(x)
            normal[:, axis] = 2 * side - 1
            parts.append((x, normal, weights))
        x, normal, weights = (torch.cat(each) for each in zip(*parts, strict=True))
        return x, normal, weights / weights.mean()

    def _product(self, axes: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
        nodes, shares = gauss_legendre(count, 0.0, 1.0)
        x, weights = torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        for axis in axes:
            points = self.breakpoints[axis]
            widths = points.diff()
            line = (points[:-1, None] + widths[:, None] * nodes).flatten()
            x = torch.cat([x.repeat_interleave(len(line), 0), line.repeat(len(x))[:, None]], 1)
            weights = (weights[:, None] * (widths[:, None] * shares).flatten()).flatten()
        return x, weights

    def _along(self, curves: Sequence[Piece]) -> tuple[Tensor, Tensor, Tensor]:
        """Gauss-Legendre points of every stretch of a curve between lines of the grid, however short."""
        nodes, shares = gauss_legendre(FACE_POINTS, 0.0, 1.0)
        parts = []
        for piece in curves:
            ends = _crossings(piece.at, self.breakpoints)
            widths = ends.diff()
            x, normal = piece.at((ends[:-1, None] + widths[:, None] * nodes).flatten())
            parts.append((x, normal, piece.measure * (widths[:, None] * shares).flatten()))
        x, normal, weights = (torch.cat(each) for each in zip(*parts, strict=True))
        return x, normal, weights / weights.mean()

    def _thinned(self, names: Sequence[str], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of many points along the boundary as many as intervals ask for, denser where those are short."""
        if self.domain.dimension == 1:  # its pieces are points
            x, normal = self.domain.boundary(len(names), names=names)
            return x, normal, x.new_ones(len(x))
        count = 2 * FACE_POINTS * sum(len(points) - 1 for points in self.breakpoints)
        x, normal = self.domain.boundary(CANDIDATES * count, "sobol", seed, names)
        width = torch.stack([_width_at(x[:, axis], points) for axis, points in enumerate(self.breakpoints)]).amin(0)
        kept = torch.multinomial(1 / width, count, generator=torch.Generator().manual_seed(seed))
        return x[kept], normal[kept], width[kept] / width[kept].mean()


def left_out(layer: TensorLayer, domain: Domain) -> list[Tensor]:
    """For each coordinate and each of its intervals about the error of the spline there, relative to its field.

    The jump of the last derivative at the interval's ends is its width h times the derivative after that, f. Splines of
    degree d come as close as K (h / pi)^(d + 1) f to any function, with Favard's constants K, 4 / pi at most (N.
    Korneichuk, "Exact Constants in Approximation Theory", 1991, ch. 4); to a smooth one, once its grid is fine enough,
    about 2^d times closer. Taken is the largest over the other coordinates.
    """
    coef = layer.coef.detach()
    sizes = coef.abs().flatten(0, -2).amax(0)
    coef = coef / sizes.clamp(min=max(SMALL_FIELD * float(sizes.max()), 1e-300))
    found = []
    for axis, points in enumerate(layer.breakpoints):
        jump = _last_derivative(layer, coef, axis).diff(dim=0).abs()
        if not isinstance(domain, Box) and jump.numel():
            jump = jump * _is_inside(layer, domain, axis).reshape(*jump.shape[:-1], 1)
        jump = jump.flatten(1).amax(1) if jump.numel() else jump.new_zeros(0)
        if len(jump) > 2:  # the outermost polynomials are held from one side only: theirs says too much
            jump[0], jump[-1] = jump[:2].amin(), jump[-2:].amin()
        zero = jump.new_zeros(1)
        each = torch.maximum(torch.cat([jump, zero]), torch.cat([zero, jump]))
        found.append(FAVARD * each * points.diff() ** layer.degree / math.pi ** (layer.degree + 1))
    return found


def grown(
    layer: TensorLayer, domain: Domain, factor: float, coarser: TensorLayer | None = None, *, most: float = math.inf
) -> list[Tensor]:
    """Breakpoints with which the layer has `factor` times its coefficients: the worst intervals are halved in turn.

    coarser: the layer of the stage before: where halving gained less than for smooth functions is seen from it.
    most: coefficients.
    """
    lists = [points.tolist() for points in layer.breakpoints]
    errors = left_out(layer, domain)
    gains = _gains(layer, errors, coarser, domain)
    heap = [
        (-error, axis, low, high, gain)
        for axis, points in enumerate(lists)
        for low, high, error, gain in zip(
            points[:-1], points[1:], errors[axis].tolist(), gains[axis].tolist(), strict=True
        )
    ]
    heapq.heapify(heap)
    sizes = list(layer.coef.shape[:-1])
    wanted = factor * math.prod(sizes)
    while math.prod(sizes) < wanted:
        error, axis, low, high, gain = heapq.heappop(heap)
        if math.prod(sizes) // sizes[axis] * (sizes[axis] + 1) * layer.out_features > most:
            break
        middle = (low + high) / 2
        lists[axis].append(middle)
        sizes[axis] += 1
        for ends in ((low, middle), (middle, high)):
            heapq.heappush(heap, (error * gain, axis, *ends, gain))
    return [_tensor(points) for points in lists]


def respaced(layer: TensorLayer, domain: Domain, factor: float, *, most: float = math.inf) -> list[Tensor]:
    """Breakpoints with about `factor` times the layer's coefficients of which each interval misses as much.

    An interval that misses e is worth e^(1 / (degree + 1)) of the new ones (C. de Boor, "A Practical Guide to Splines",
    ch. XII, NEWNOT); coordinates share so that all intervals of all of them miss the same. most: coefficients.
    """
    power = 1 / (layer.degree + 1)
    loads = [errors**power for errors in left_out(layer, domain)]
    loads = [load.clamp(min=LEAST_LOAD * float(load.mean())) for load in loads]
    wanted = min(factor * math.prod(layer.coef.shape[:-1]), most / layer.out_features)
    extra = [0 if repeats else layer.degree for repeats in layer.periodic]

    def counts(level: float) -> list[int]:
        return [max(len(load), int(float(load.sum()) / level)) for load in loads]

    low, high = (math.log(bound) for bound in (1e-12, max(float(load.sum()) for load in loads)))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        fits = math.prod(n + more for n, more in zip(counts(math.exp(middle)), extra, strict=True)) <= wanted
        low, high = (low, middle) if fits else (middle, high)
    return [
        _quantiles(points, load, count)
        for points, load, count in zip(layer.breakpoints, loads, counts(math.exp(high)), strict=True)
    ]


def _quantiles(points: Tensor, load: Tensor, count: int) -> Tensor:
    """Breakpoints of `count` intervals that carry the same share of a load that is given by intervals."""
    reached = torch.cat([load.new_zeros(1), load.cumsum(0)])
    levels = torch.linspace(0, 1, count + 1, dtype=load.dtype)[1:-1] * reached[-1]
    interval = torch.searchsorted(reached[1:-1].contiguous(), levels, right=True)
    inner = points[interval] + points.diff()[interval] * (levels - reached[interval]) / load[interval]
    return torch.cat([points[:1], inner, points[-1:]])


def _gains(layer: TensorLayer, errors: Sequence[Tensor], coarser: TensorLayer | None, domain: Domain) -> list[Tensor]:
    """The factor by which halving is thought to lower the error of each interval: 2^-(degree + 1), but at corners and
    other singular places, far above the rest, as much as it did last time."""
    smooth = 2.0 ** -(layer.degree + 1)
    gains = [torch.full_like(each, smooth) for each in errors]
    if coarser is None:
        return gains
    for axis, before in enumerate(left_out(coarser, domain)):
        old, new = coarser.breakpoints[axis], layer.breakpoints[axis]
        parent = torch.searchsorted(old[1:-1].contiguous(), new[:-1].contiguous(), right=True)
        halvings = (old.diff()[parent] / new.diff()).log2()
        gain = (errors[axis] / before[parent].clamp(min=1e-300)) ** (1 / halvings.clamp(min=1))
        is_sharp = (halvings > 0.5) & (errors[axis] > SINGULAR * errors[axis].median())
        gains[axis] = torch.where(is_sharp, gain.clamp(smooth, LEAST_GAIN), gains[axis])
    return gains


def with_halved_intervals(points: Tensor, errors: Tensor, tolerance: float) -> Tensor:
    """Breakpoints with every interval halved whose error (see `left_out`) is above the tolerance."""
    middles = (points[:-1] + points[1:])[errors > tolerance] / 2
    return torch.cat([points, middles]).sort().values


def with_joined_intervals(points: Tensor, errors: Tensor, degree: int, tolerance: float, fewest: int) -> Tensor:
    """Breakpoints without those between two equal intervals whose common error would be far below the tolerance."""
    kept, error = points.tolist(), errors.tolist()
    number = 1
    while number < len(kept) - 1 and len(kept) - 1 > fewest:
        left, right = kept[number] - kept[number - 1], kept[number + 1] - kept[number]
        together = max(error[number - 1], error[number]) * 2 ** (degree + 1)
        if math.isclose(left, right, rel_tol=1e-6) and together < tolerance:
            del kept[number]
            error[number - 1 : number + 1] = [together]
        number += 1
    return _tensor(kept)


def _last_derivative(layer: TensorLayer, coef: Tensor, axis: int) -> Tensor:
    """The derivative of order `degree` along an axis, a number for each interval: (grid_size, others .., out).

    de Boor, "A Practical Guide to Splines", ch. X, eq. (12): differences of coefficients over knots.
    """
    knots, moved = layer.knots[axis][0], coef.movedim(axis, 0)
    values = torch.cat([moved, moved[: layer.degree]]) if layer.periodic[axis] else moved
    for taken in range(layer.degree):
        level = layer.degree - taken
        number = torch.arange(1, len(values)) + taken
        width = (knots[number + level] - knots[number]) / level
        values = values.diff(dim=0) / width.reshape(-1, *[1] * (values.ndim - 1))
    return values


def _is_inside(layer: TensorLayer, domain: Domain, axis: int) -> Tensor:
    """Whether inner breakpoints of an axis, with the middles of B-splines of the others, lie in the domain."""
    lines = []
    for other, (knots, points) in enumerate(zip(layer.knots, layer.breakpoints, strict=True)):
        count = layer.coef.shape[other]
        middles = (knots[0, :count] + knots[0, layer.degree + 1 : layer.degree + 1 + count]) / 2
        lines.append(points[1:-1] if other == axis else middles.clamp(points[0], points[-1]))
    lines.insert(0, lines.pop(axis))
    x = torch.cartesian_prod(*lines)
    order = [other for other in range(layer.in_features) if other != axis]
    order.insert(0, axis)
    restored = torch.empty_like(x)
    restored[:, order] = x
    return domain.contains(restored)


def _crossings(at: Callable[[Tensor], tuple[Tensor, Tensor]], breakpoints: Sequence[Tensor]) -> Tensor:
    """Where along a curve, see `Piece.at`, it crosses lines of the grid, between 0 and 1; by bisection."""
    share = torch.linspace(0, 1, LOOKS + 1, dtype=torch.float64)
    x, found = at(share)[0], [share[[0, -1]]]
    for axis, points in enumerate(breakpoints):
        above = x[:, axis, None] > points
        number, line = (above[1:] != above[:-1]).nonzero(as_tuple=True)
        low, high, rises = share[number], share[number + 1], above[number + 1, line]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            is_over = (at(middle)[0][:, axis] > points[line]) == rises
            low, high = torch.where(is_over, low, middle), torch.where(is_over, middle, high)
        found.append(high)
    ends = torch.cat(found).sort().values
    return torch.cat([ends[:1], ends[1:][ends.diff() > APART]])


def _width_at(x: Tensor, points: Tensor) -> Tensor:
    """Of the interval in which each x (b,) lies, (b,)."""
    return points.diff()[torch.searchsorted(points[1:-1].contiguous(), x.contiguous(), right=True)]


def _tensor(points: list[float]) -> Tensor:
    return torch.tensor(sorted(points), dtype=torch.float64)
