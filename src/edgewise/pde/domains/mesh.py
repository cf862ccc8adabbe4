"""Uneven grids: error of each interval, intervals to halve or to join, and quadrature points in their cells."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise.pde.domains.cut_cells import CUT, CutRule, Inside, OnPlane, gradients, mixed
from edgewise.pde.domains.domain import Curve, Domain, Piece
from edgewise.pde.domains.sampling import bisected, gauss_legendre
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class MeshSettings:
    """Points on boundaries, and which intervals are refined."""

    # a field that is smaller than the largest one by this factor is not resolved for its own sake
    small_field: float = 1e-6
    favard: float = 4 / math.pi  # the largest of Favard's constants, see `left_out`
    candidates: int = 16  # points drawn on a boundary for each one that is kept, where it is known by samples only
    face_points: int = 4  # Gauss-Legendre points of an interval on the boundary: one more than inside
    # Along a curve, between which it counts as straight when its crossings with lines are sought.
    load_places: int = 2048
    steep: float = 0.4  # least part of a normal along lines that see all of the boundary in a cell
    singular: float = 30.0  # times the median error of its coordinate: such an interval has a singular place in it
    # Least share of new intervals that an interval gets, relative to the mean: estimates of small errors are not
    # reliable.
    least_load: float = 0.1
    # Largest factor by which halving is expected to lower the error of an interval with a singular place: with factors
    # nearer to 1 the refinement would spend all intervals on one place.
    least_singular_gain: float = 0.75


MESH = MeshSettings()


class CutQuadrature(NamedTuple):
    """Points inside (N, n), weights (N,) whose sum is the volume, and numbers of the cells that the boundary cuts.

    `boundary` has points, outward normals and weights, whose sum is the measure, of each piece by name.
    """

    x: Tensor
    weights: Tensor
    cells: Tensor
    boundary: dict[str, tuple[Tensor, Tensor, Tensor]]


def even_lines(domain: Domain, counts: Sequence[int]) -> list[Tensor]:
    """Breakpoints of equal intervals of each coordinate."""
    ends = zip(domain.bounds.tolist(), counts, strict=True)
    return [torch.linspace(low, high, count + 1, dtype=torch.float64) for (low, high), count in ends]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Gauss-Legendre points in each cell of a grid, with weights of mean 1."""

    domain: Domain  # in which the points must lie
    breakpoints: Sequence[Tensor]  # of each coordinate, (grid_size + 1,) each
    per_interval: int = 3  # points in every interval of every coordinate
    of_each: Sequence[int] = ()  # the same for each coordinate, for points inside, where coordinates differ
    in_cut: int | None = None  # points on each part of a line in cells that the boundary of a solid cuts

    def interior(self) -> tuple[Tensor, Tensor]:
        """Points inside (N, n), and weights (N,)."""
        dimension = self.domain.dimension
        x, weights = self._product(range(dimension), self.of_each or [self.per_interval] * dimension)
        if not self.domain.is_box:
            inside = self.domain.contains(x)
            x = x[inside]
            weights = weights[inside]
        return x, weights / weights.mean()

    def cut(self) -> CutQuadrature:
        """Quadrature of the domain and its boundary where the boundary cuts cells.

        Whole cells have Gauss-Legendre points. In cut ones they stand on lines across the boundary, between its
        crossings, see `CutRule`. Cells are numbered with the last coordinate running fastest.
        """
        domain = self.domain
        dimension = self.domain.dimension
        has_formulas = dimension == 1 or all(piece.path is not None for piece in domain.pieces)
        boxes = self._boxes(range(dimension))
        places, normals, pieces, parted = self._crossed_places()
        # Cells that the boundary cuts.
        counts = [len(points) - 1 for points in self.breakpoints]
        x, weights = self._product(range(dimension), [self.per_interval] * dimension)
        inside = domain.contains(x)
        cell = self.cells(x)
        share = torch.zeros(math.prod(counts), dtype=torch.float64).index_add_(0, cell, inside.double())
        share = share / self.per_interval**dimension
        steep = torch.zeros(len(share), dimension, dtype=torch.float64)
        at_cells = self.cells(places)
        steep.index_add_(0, at_cells, normals.abs())
        least = torch.ones_like(steep).scatter_reduce(0, at_cells[:, None].expand_as(normals), normals.abs(), "amin")
        is_cut = (steep > 0).any(1) | ((share > 0) & (share < 1))
        if not has_formulas:
            is_cut |= mixed(domain.contains, boxes)
        whole = inside & ~is_cut[cell]
        numbers = is_cut.nonzero()[:, 0]
        # Height directions of cut cells: coordinates by the steepness of the boundary along them.
        boxes = boxes[numbers]
        flat = (steep[numbers] == 0).all(1)  # cells that no sample of the boundary has met
        steep[numbers[flat]] = gradients(domain, boxes[flat].mean(2)).abs()
        orders = steep[numbers].argsort(1)
        if dimension < 3:
            nodes = 2 * self.per_interval
        else:
            nodes = self.in_cut or self.per_interval + 2
        # Cells in which pieces of the boundary meet, and those of corners.
        several = torch.zeros(len(share), len(domain.pieces), dtype=torch.bool)
        several[at_cells, pieces] = True
        is_creased = (several.sum(1) > 1)[numbers] & (not has_formulas)
        owner = torch.full((len(share),), -1).index_put_((numbers,), torch.arange(len(numbers)))
        of_parted = owner[self.cells(parted)]
        # Gauss-Legendre points of whole cells, and height-function rules of cut ones.
        parts = [(x[whole], weights[whole])]
        rules = []
        kinds = torch.cat([orders, is_creased[:, None]], 1)
        for kind in kinds.unique(dim=0):
            chosen = (kinds == kind).all(1).nonzero()[:, 0]
            order = kind[:-1]
            place = torch.full((len(numbers),), -1).index_put_((chosen,), torch.arange(len(chosen)))[of_parted]
            place[of_parted < 0] = -1
            own = boxes[chosen]
            # In the plane lines are parted where the boundary turns or enters a cell.
            corners = None
            if dimension == 2:
                axis = int(order[0])
                low, high = own[place, axis].unbind(-1)
                shares = ((parted[:, axis] - low) / (high - low)).clamp(0, 1)
                corners = place[place >= 0], shares[place >= 0]
            nearest = self._nearest if kind[-1] else None
            rule = CutRule(domain.level, own, order.tolist(), nodes, corners, nearest)
            parts.append((rule.x, rule.weights))
            rules.append((rule, own, least[numbers[chosen], order[-1]], nearest, int(order[-1])))
        x, weights = (torch.cat(each) for each in zip(*parts, strict=True))
        # Rules on the boundary.
        if has_formulas:
            boundary = {}
        else:
            boundary = self._crossed_boundary(rules, nodes)
        for number, piece in enumerate(domain.pieces):
            if piece.path is not None or dimension == 1:
                boundary[piece.name] = self._on_piece(piece, number)
        return CutQuadrature(x, weights, numbers, boundary)

    def _crossed_boundary(
        self, rules: Sequence[tuple[CutRule, Tensor, Tensor, Inside | None, int]], nodes: int
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Points, normals and weights on pieces without a formula: where lines through cells cross the boundary.

        Where the boundary turns within a cell, its lines along all coordinates share it by the squares of the normal.
        """
        domain = self.domain
        dimension = self.domain.dimension
        x = []
        normals = []
        weights = []
        turning: dict[Inside | None, list[Tensor]] = {}
        # Points where lines along the height cross the boundary, if it is steep there.
        for rule, boxes, least, pieces, axis in rules:
            normal = gradients(domain, rule.ends)
            across = normal[:, axis].abs()
            least = least.scatter_reduce(0, rule.end_cell, across, "amin")
            has_any = torch.zeros(len(boxes), dtype=torch.bool).index_fill_(0, rule.end_cell, True)
            is_steep = (least > MESH.steep) & has_any
            kept = is_steep[rule.end_cell]
            x.append(rule.ends[kept])
            normals.append(normal[kept])
            weights.append(rule.end_weights[kept] / across[kept])
            turning.setdefault(pieces, []).append(boxes[~is_steep])
        # Cells in which it turns: lines along all coordinates.
        for pieces, parts in turning.items():  # of all rules at once: many small ones take longer
            for last in range(dimension):
                order = [*(other for other in range(dimension) if other != last), last]
                each = CutRule(domain.level, torch.cat(parts), order, nodes, pieces=pieces)
                x.append(each.ends)
                normals.append(gradients(domain, each.ends))
                weights.append(each.end_weights * normals[-1][:, last].abs())
        # Parts of the boundary within planes of the grid.
        for axis in range(dimension):
            others = [other for other in range(dimension) if other != axis]
            for value in self.breakpoints[axis].tolist():
                for side in (1.0, -1.0):
                    on_plane = OnPlane(domain, axis, value, side)
                    boxes = self._boxes(others)
                    are_cut = mixed(on_plane, boxes)
                    flat, shares = self._product(others, [max(MESH.face_points, self.per_interval)] * dimension)
                    of_box = Mesh(domain, [self.breakpoints[other] for other in others]).cells(flat)
                    full = on_plane(flat) & ~are_cut[of_box]
                    rule = CutRule(on_plane.level, boxes[are_cut], range(dimension - 1), nodes)
                    x.append(on_plane.placed(torch.cat([flat[full], rule.x])))
                    normals.append(torch.zeros_like(x[-1]).index_fill_(1, torch.tensor([axis]), side))
                    weights.append(torch.cat([shares[full], rule.weights]))
        # Pieces of the boundary by the nearest one.
        every = torch.cat(x)
        normal = torch.cat(normals)
        weight = torch.cat(weights)
        nearest = self._nearest(every)
        chosen = [nearest == number for number in range(len(domain.pieces))]
        return {
            piece.name: (every[own], normal[own], weight[own])
            for piece, own in zip(domain.pieces, chosen, strict=True)
            if piece.path is None and bool(own.any())
        }

    def _nearest(self, x: Tensor) -> Tensor:
        """Numbers (b,) of the pieces of the boundary that are nearest to points (b, n)."""
        far = torch.full_like(x[:, 0], math.inf)
        distances = [piece.distance or (lambda _: far) for piece in self.domain.pieces]
        return torch.stack([distance(x) for distance in distances]).argmin(0)

    def _boxes(self, axes: Sequence[int]) -> Tensor:
        """Ends (c, n, 2) of all cells, of some coordinates."""
        lines = [torch.stack([self.breakpoints[axis][:-1], self.breakpoints[axis][1:]], 1) for axis in axes]
        numbers = torch.cartesian_prod(*[torch.arange(len(line)) for line in lines]).reshape(-1, len(lines))
        return torch.stack([line[number] for line, number in zip(lines, numbers.T, strict=True)], 1)

    def cells(self, x: Tensor) -> Tensor:
        """Numbers of the cells in which points (N, n) lie, (N,)."""
        number = torch.zeros(len(x), dtype=torch.int64)
        for points, line in zip(self.breakpoints, x.T, strict=True):
            number = number * (len(points) - 1) + torch.searchsorted(
                points[1:-1].contiguous(), line.contiguous(), right=True
            )
        return number

    def _crossed_places(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Points on the boundary within the box, normals there, and points where it enters cells or turns in them.

        The third are the numbers of the pieces on which the first lie.
        """
        places = []
        normals = []
        numbers = []
        parted = [torch.zeros(0, self.domain.dimension, dtype=torch.float64)]
        for number, piece in enumerate(self.domain.pieces):
            # Pieces without a formula are sampled, curves have Gauss-Legendre points in each stretch between grid
            # lines.
            if piece.path is None and self.domain.dimension > 1:
                x, normal = piece.sample(MESH.candidates * self._sampled_count, "sobol", number)
            else:
                x, normal, _ = self._on_piece(piece, number)
            places.append(x)
            normals.append(normal)
            numbers.append(torch.full((len(x),), number))
            if piece.path is not None:
                # Places where a curve enters a cell, or where its normal turns by an axis, by bisection.
                ends = _stretches_of(piece, self.breakpoints)
                low = ends[:, 0] + CUT.apart
                high = ends[:, 1] - CUT.apart
                for axis in range(2):  # a place where the boundary runs along an axis
                    signs = [piece.path(each)[1][:, axis] > 0 for each in (low, high)]
                    start, end, before = (each[signs[0] != signs[1]] for each in (low, high, signs[0]))

                    def is_before(
                        share: Tensor, path: Curve = piece.path, axis: int = axis, before: Tensor = before
                    ) -> Tensor:
                        return (path(share)[1][:, axis] > 0) == before

                    parted.append(piece.path(bisected(start, end, is_before, CUT.bisections)[0])[0])
                parted += [piece.path(low)[0], piece.path(high)[0]]  # within the cells on both sides
        x = torch.cat(places)
        normal = torch.cat(normals)
        # Parts of the boundary along the box cut no cell.
        far = CUT.apart * self.domain.size
        on_box = ((x - self.domain.bounds[:, 0]).abs() < far) | ((self.domain.bounds[:, 1] - x).abs() < far)
        kept = ~(on_box & (normal.abs() > 1 - CUT.apart)).any(1)
        return x[kept], normal[kept], torch.cat(numbers)[kept], torch.cat(parted)

    @property
    def _sampled_count(self) -> int:
        """Points on a piece that is known by samples only."""
        return 2 * MESH.face_points * sum(len(points) - 1 for points in self.breakpoints)

    def boundary(self, names: Sequence[str], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Points on these pieces of the boundary (N, n), outward normals (N, n), and weights (N,)."""
        pieces = self.domain.named(names)
        of_piece = self._on_piece
        if self.domain.is_box:
            of_piece = self._on_face
        parts = [of_piece(piece, seed + number) for number, piece in enumerate(pieces)]
        x, normal, weights = (torch.cat(each) for each in zip(*parts, strict=True))
        return x, normal, weights / weights.mean()

    def _on_face(self, piece: Piece, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Gauss-Legendre points in every cell of a face of a box, with normals and weights."""
        axis, side = divmod(self.domain.pieces.index(piece), 2)
        others = [other for other in range(self.domain.dimension) if other != axis]
        inner, weights = self._product(others, [MESH.face_points] * self.domain.dimension)
        x = inner.new_empty(len(inner), self.domain.dimension)
        x[:, others] = inner
        x[:, axis] = self.domain.bounds[axis, side]
        normal = torch.zeros_like(x)
        normal[:, axis] = 2 * side - 1
        return x, normal, weights

    def _product(self, axes: Sequence[int], counts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Gauss-Legendre points in the cells of some axes, `counts` in an interval of each axis, and weights."""
        x = torch.zeros(1, 0, dtype=torch.float64)
        weights = torch.ones(1, dtype=torch.float64)
        for axis in axes:
            nodes, shares = gauss_legendre(counts[axis], 0.0, 1.0)
            points = self.breakpoints[axis]
            widths = points.diff()
            line = (points[:-1, None] + widths[:, None] * nodes).flatten()
            x = torch.cat([x.repeat_interleave(len(line), 0), line.repeat(len(x))[:, None]], 1)
            weights = (weights[:, None] * (widths[:, None] * shares).flatten()).flatten()
        return x, weights

    def _on_piece(self, piece: Piece, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Points, normals and weights, which sum to the measure of the piece.

        On curves they are Gauss-Legendre points in every stretch between lines of the grid, however short. Where a
        piece is known by samples only, they are a random part of many, denser where intervals are short.
        """
        if piece.path is not None:
            nodes, shares = gauss_legendre(max(MESH.face_points, self.per_interval), 0.0, 1.0)
            ends = _stretches_of(piece, self.breakpoints)
            lengths = ends[:, 1] - ends[:, 0]
            x, normal = piece.path((ends[:, :1] + lengths[:, None] * nodes).flatten())
            return x, normal, piece.measure / lengths.sum() * (lengths[:, None] * shares).flatten()
        count = self._sampled_count
        x, normal = piece.sample(MESH.candidates * count, "sobol", seed)
        if len(x) > count:  # a piece that is a point gives one
            # A random part, with the density of the shortest intervals around each point.
            widths = []
            for axis, points in enumerate(self.breakpoints):
                interval = torch.searchsorted(points[1:-1].contiguous(), x[:, axis].contiguous(), right=True)
                widths.append(points.diff()[interval])
            width = torch.stack(widths).amin(0)
            kept = torch.multinomial(1 / width, count, generator=torch.Generator().manual_seed(seed))
            return x[kept], normal[kept], piece.measure * width[kept] / width[kept].sum()
        return x, normal, torch.full_like(x[:, 0], piece.measure / len(x))


def left_out(layer: TensorLayer, domains: Sequence[Domain]) -> list[Tensor]:
    """Estimate the error of a spline in each interval of each coordinate, relative to its field."""
    # Errors (grid_size,) are the largest over the other coordinates; outside of the only domain, or of that of each
    # output, nothing counts.
    # The jump of the last derivative at the interval's ends is its width h times the derivative after that, f. Splines
    # of degree d come as close as K (h / pi)^(d + 1) f to any function, with Favard's constants K, 4 / pi at most [1];
    # to a smooth one, once its grid is fine enough, about 2^d times closer.
    # [1] N. Korneichuk, "Exact Constants in Approximation Theory", 1991, ch. 4.
    coef = layer.coef.detach()
    sizes = coef.abs().flatten(0, -2).amax(0)
    coef = coef / sizes.clamp(min=max(MESH.small_field * float(sizes.max()), ABOVE_ZERO))
    estimates = []
    is_filled = len(domains) == 1 and domains[0].is_box
    for axis, points in enumerate(layer.breakpoints):
        # Jumps of the last derivative at inner breakpoints, where they are inside.
        jump = _last_derivative(layer, coef, axis).diff(dim=0).abs()
        if not is_filled and jump.numel():
            inside = [_is_inside(layer, each, axis).reshape(jump.shape[:-1]) for each in domains]
            jump = jump * torch.stack(inside, -1)
        jump = jump.reshape(len(jump), -1).amax(1) if jump.numel() else jump.new_zeros(0)
        if len(jump) > 2:  # the outermost jumps are overestimates: their polynomials are determined from one side only
            jump[0] = jump[:2].amin()
            jump[-1] = jump[-2:].amin()
        # An interval has the larger of the jumps at its ends.
        zero = jump.new_zeros(1)
        each = torch.maximum(torch.cat([jump, zero]), torch.cat([zero, jump]))
        degree = layer.degrees[axis]
        estimates.append(MESH.favard * each * points.diff() ** degree / math.pi ** (degree + 1))
    return estimates


def grown(
    layer: TensorLayer,
    domains: Sequence[Domain],
    factor: float,
    coarser: TensorLayer | None = None,
    *,
    most: float = math.inf,
) -> list[Tensor]:
    """Breakpoints of a grid with more coefficients, in which the intervals of largest error are halved in turn."""
    # Intervals of all coordinates in a heap, by their errors.
    lists = [points.tolist() for points in layer.breakpoints]
    errors = left_out(layer, domains)
    gains = _gains(layer, errors, coarser, domains)
    heap = [
        (-error, axis, low, high, gain)
        for axis, points in enumerate(lists)
        for low, high, error, gain in zip(
            points[:-1], points[1:], errors[axis].tolist(), gains[axis].tolist(), strict=True
        )
    ]
    heapq.heapify(heap)
    # The interval of the largest error is halved, until there are as many coefficients as are wanted.
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
    return [torch.tensor(sorted(points), dtype=torch.float64) for points in lists]


def respaced(layer: TensorLayer, domains: Sequence[Domain], factor: float, *, most: float = math.inf) -> list[Tensor]:
    """Breakpoints of a grid with about `factor` times as many coefficients and equal errors of all intervals."""
    # An interval of error e gets a share e^(1 / (degree + 1)) of the new ones [1]. The coordinates share the
    # coefficients so that the intervals of all of them have the same error. Arguments are those of `grown`.
    # [1] C. de Boor, "A Practical Guide to Splines", ch. XII, program NEWNOT.
    loads = [e ** (1 / (degree + 1)) for e, degree in zip(left_out(layer, domains), layer.degrees, strict=True)]
    loads = [load.clamp(min=MESH.least_load * float(load.mean())) for load in loads]
    # Without any error, as of u = 0, all intervals are alike.
    loads = [torch.where(load.any(), load, 1.0) for load in loads]
    wanted = min(factor * math.prod(layer.coef.shape[:-1]), most / layer.out_features)
    extra = [degree * (not repeats) for repeats, degree in zip(layer.periodic, layer.degrees, strict=True)]

    def counts(level: float) -> list[int]:
        return [max(len(load), int(float(load.sum()) / level)) for load in loads]

    # The error of all intervals with which the coefficients are as many as are wanted, by bisection.
    low, high = (math.log(bound) for bound in (1e-12, max(float(load.sum()) for load in loads)))
    for _ in range(CUT.bisections):
        middle = (low + high) / 2
        fits = math.prod(n + more for n, more in zip(counts(math.exp(middle)), extra, strict=True)) <= wanted
        if fits:
            high = middle
        else:
            low = middle
    # Breakpoints at equal shares of the load of each coordinate.
    new = []
    for points, load, count in zip(layer.breakpoints, loads, counts(math.exp(high)), strict=True):
        reached = torch.cat([load.new_zeros(1), load.cumsum(0)])
        levels = torch.linspace(0, 1, count + 1, dtype=load.dtype)[1:-1] * reached[-1]
        interval = torch.searchsorted(reached[1:-1].contiguous(), levels, right=True)
        inner = points[interval] + points.diff()[interval] * (levels - reached[interval]) / load[interval]
        new.append(torch.cat([points[:1], inner, points[-1:]]))
    return new


def _gains(
    layer: TensorLayer, errors: Sequence[Tensor], coarser: TensorLayer | None, domains: Sequence[Domain]
) -> list[Tensor]:
    """Factors by which halving is expected to lower the error of each interval.

    The factor is 2^-(degree + 1), but at corners and other singular places, where the error is far above the rest, that
    of the last halving.
    """
    smooth = [2.0 ** -(degree + 1) for degree in layer.degrees]
    gains = [torch.full_like(each, least) for each, least in zip(errors, smooth, strict=True)]
    if coarser is None:
        return gains
    # What the last halving has gained, where it was at a singular place.
    for axis, before in enumerate(left_out(coarser, domains)):
        old = coarser.breakpoints[axis]
        new = layer.breakpoints[axis]
        parent = torch.searchsorted(old[1:-1].contiguous(), new[:-1].contiguous(), right=True)
        halvings = (old.diff()[parent] / new.diff()).log2()
        gain = (errors[axis] / before[parent].clamp(min=ABOVE_ZERO)) ** (1 / halvings.clamp(min=1))
        is_sharp = (halvings > 0.5) & (errors[axis] > MESH.singular * errors[axis].median())
        gains[axis] = torch.where(is_sharp, gain.clamp(smooth[axis], MESH.least_singular_gain), gains[axis])
    return gains


def equal_shares(x: Tensor, weights: Tensor, residuals: Tensor, bounds: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """Breakpoints of a grid whose intervals have equal shares of a residual and of the length of each coordinate.

    One half of the load is the residual, (N,), not negative, at points x (N, n) that stand for parts of the domain
    (N,); the other half is the length. `bounds` (n, 2) are the ends of each coordinate, `counts` the numbers of
    intervals.
    """
    lines = []
    mass = residuals * weights
    for (low, high), places, count in zip(bounds, x.unbind(1), counts, strict=True):
        order = places.argsort()
        share = mass[order].cumsum(0) / mass.sum().clamp(min=ABOVE_ZERO)
        load = (share + (places[order] - low) / (high - low)) / 2
        levels = torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:-1]
        inner = places[order][torch.searchsorted(load.contiguous(), levels).clamp(max=len(places) - 1)]
        lines.append(separated(torch.cat([low[None], inner, high[None]])))
    return lines


def graded_to_ends(points: Tensor, octaves: int, each: int) -> Tensor:
    """Breakpoints with more of them in the first and the last interval, denser towards the ends.

    The distance from the end is halved `octaves` times, with `each` intervals from one half to the next.
    """
    shares = 0.5 ** (torch.arange(1, octaves * each + 1, dtype=torch.float64) / each)
    first = points[0] + shares * (points[1] - points[0])
    last = points[-1] - shares * (points[-1] - points[-2])
    return torch.cat([points, first, last]).sort().values


def separated(points: Tensor) -> Tensor:
    """Breakpoints in order, without points closer to the one before than rounding allows, except the ends."""
    points = points.sort().values
    least = CUT.apart * (points[-1] - points[0])
    inner = points[1:-1][(points[1:-1].diff(prepend=points[:1]) > least) & (points[-1] - points[1:-1] > least)]
    return torch.cat([points[:1], inner, points[-1:]])


def _last_derivative(layer: TensorLayer, coef: Tensor, axis: int) -> Tensor:
    """Derivative of order `degree` along an axis, constant in each interval: (grid_size, others .., out).

    By differences of coefficients over knots (C. de Boor, "A Practical Guide to Splines", ch. X, eq. (12)).
    """
    knots = layer.knots[axis][0]
    moved = coef.movedim(axis, 0)
    degree = layer.degrees[axis]
    if layer.periodic[axis]:
        values = torch.cat([moved, moved[:degree]])
    else:
        values = moved
    # Each derivative: differences of neighbouring coefficients over the width of their knots.
    for taken in range(degree):
        level = degree - taken
        number = torch.arange(1, len(values)) + taken
        width = (knots[number + level] - knots[number]) / level
        values = values.diff(dim=0) / width.reshape(-1, *[1] * (values.ndim - 1))
    return values


def _is_inside(layer: TensorLayer, domain: Domain, axis: int) -> Tensor:
    """True for inner breakpoints of an axis, with middles of the B-splines of the other axes, inside the domain."""
    # Middles of the supports of the B-splines.
    lines = []
    for other, (knots, points) in enumerate(zip(layer.knots, layer.breakpoints, strict=True)):
        count = layer.coef.shape[other]
        degree = layer.degrees[other]
        middles = (knots[0, :count] + knots[0, degree + 1 : degree + 1 + count]) / 2
        lines.append(middles.clamp(points[0], points[-1]))
    lines[axis] = layer.breakpoints[axis][1:-1]
    # Products with the axis first, and back in the order of the coordinates.
    lines.insert(0, lines.pop(axis))
    x = torch.cartesian_prod(*lines).reshape(-1, layer.in_features)
    order = [other for other in range(layer.in_features) if other != axis]
    order.insert(0, axis)
    restored = torch.empty_like(x)
    restored[:, order] = x
    return domain.contains(restored)


def _stretches_of(piece: Piece, breakpoints: Sequence[Tensor]) -> Tensor:
    """Shares of the length of a curve (see `Piece.path`) between which it crosses no line of the grid, (m, 2)."""
    # Crossings of the curve with lines of the grid, by bisection between samples.
    path = piece.path
    assert path is not None
    spans = torch.tensor(piece.spans, dtype=torch.float64)
    crossings = [spans.flatten()]
    for low_end, high_end in spans.tolist():
        count = max(2, math.ceil(MESH.load_places * (high_end - low_end)))
        share = torch.linspace(low_end, high_end, count + 1, dtype=torch.float64)
        x = path(share)[0]
        for axis, points in enumerate(breakpoints):
            above = x[:, axis, None] > points
            number, line = (above[1:] != above[:-1]).nonzero(as_tuple=True)

            def is_before(
                place: Tensor,
                axis: int = axis,
                crossed: Tensor = points[line],
                rises: Tensor = above[number + 1, line],
            ) -> Tensor:
                return (path(place)[0][:, axis] > crossed) != rises

            crossings.append(bisected(share[number], share[number + 1], is_before, CUT.bisections)[1])
    # Stretches between neighbouring crossings, within the spans.
    ends = torch.cat(crossings).sort().values
    pairs = torch.stack([ends[:-1], ends[1:]], 1)
    middle = pairs.mean(1)
    within = ((middle[:, None] > spans[:, 0]) & (middle[:, None] < spans[:, 1])).any(1)
    return pairs[within & (pairs[:, 1] - pairs[:, 0] > CUT.apart)]
