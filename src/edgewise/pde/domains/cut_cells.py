"""Quadrature in cells that a boundary cuts: points inside, and points on the boundary where it has no formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.outcomes import check_time
from edgewise.pde.domains.domain import DOMAINS, Domain
from edgewise.pde.domains.sampling import bisected, gauss_legendre
from edgewise.settings import ABOVE_ZERO

Inside = Callable[[Tensor], Tensor]
"""Maps points (b, n) to whether they lie inside, or on which piece, (b,)."""
Level = Callable[[Tensor], Tensor]
"""Maps points (b, n) to numbers (b,), not above 0 inside, whose size is at most about the distance to the boundary."""


@dataclass(frozen=True)
class CutSettings:
    """Places along lines at which the boundary is looked for, and how exactly its crossings are found."""

    apart: float = 1e-13  # places closer than this share of a length are one: far above rounding
    bisections: int = 50  # by which a crossing is found: 2^-50 of the distance of two places is rounding
    # Parts of a line through a cell in each of which the boundary is crossed once at most, and parts of a cell in each
    # of which lines cross it in one way: what is missed is a sliver of a hundred-thousandth of a cell.
    cell_steps: int = 16
    slice_steps: int = 8  # the same of a solid
    slice_bisections: int = 32  # by which the place is found where lines begin to cross the boundary in another way
    piece_bisections: int = 12  # after which the nearest piece is the one that a line crosses, but for 1e-5 of a cell
    closest: int = 32  # steps of golden sections by which it is found where a line comes closest to the boundary
    most_probes: int = 2**19  # points that are looked at at once: some 50 MB
    # parts of each coordinate of a cell: the signs of the level set at their ends show whether the cell is cut
    lattice: int = 4
    on_plane: float = 1e-12  # of the size: a boundary so close to a plane of the grid lies in it; far above rounding
    level_step: float = 1e-5  # of differences of levels, as a share of the size: they have ten digits
    state_base: int = 1_000_003  # a prime, whose powers distinguish the states that follow one another along a line


CUT = CutSettings()


class CutRule:
    """Points inside of cells that a boundary cuts, on lines across it [1], and the places at which lines cross it.

    Shapes: cells (c, n, 2), parted (k,), pieces (b, n), x, weights (N, n), ends, end_weights (m, n), cell, end_cell
    (N,).

    All but the last coordinate are parted where lines along the rest begin to cross the boundary in another way, so
    that the ends of what is inside are smooth functions in each part. Nodes are denser towards its ends, where lengths
    may start as roots: x = (1 - cos a) / 2, with a Gauss-Legendre rule for a.

    [1] R. Saye, "High-order quadrature methods for implicitly defined surfaces and volumes in hyperrectangles", SIAM J.
    Sci. Comput. 37, 2015, A993.
    """

    def __init__(
        self,
        level: Level,
        cells: Tensor,
        order: Sequence[int],
        nodes: int,
        parted: tuple[Tensor, Tensor] | None = None,
        pieces: Inside | None = None,
    ):
        self._pieces = pieces
        self._level = level
        if cells.shape[1] < 3:
            self._probes = _places(CUT.cell_steps)
            self._bisections = CUT.bisections
            self._golden_steps = CUT.closest
        else:
            self._probes = _places(CUT.slice_steps)
            self._bisections = CUT.slice_bisections
            self._golden_steps = CUT.closest // 2
        # Cells, and Gauss-Legendre's rule in the angle a.
        self._low = cells[..., 0]
        self._width = cells[..., 1] - cells[..., 0]
        x = self._low.clone()
        cell = torch.arange(len(cells))
        weights = torch.ones(len(cells), dtype=torch.float64)
        angles, shares = gauss_legendre(nodes, 0.0, math.pi)
        dense = (1 - angles.cos()) / 2
        own = shares * angles.sin() / 2
        # One coordinate after the other: stretches of lines inside the domain, each with the rule.
        for number, axis in enumerate(order[:-1]):
            if not len(x):
                break
            line, place = self._changes(x, cell, order[number:])
            if parted is not None and not number:
                line = torch.cat([line, parted[0]])
                place = torch.cat([place, parted[1]])
            # The rule on each stretch, with its weights.
            line, begin, end = _stretches(len(x), line, place)
            share = (begin[:, None] + (end - begin)[:, None] * dense).flatten()
            weight = (self._width[cell[line], axis] * (end - begin))[:, None] * own
            weights = (weights[line][:, None] * weight).flatten()
            x = x[line].repeat_interleave(nodes, 0)
            cell = cell[line].repeat_interleave(nodes, 0)
            self._move_(x, cell, axis, share)
        # No line meets the domain, or the rule along the last coordinate.
        if not len(x):
            self.x = x
            self.weights = weights
            self.cell = cell
            self.ends = x
            self.end_weights = weights
            self.end_cell = cell
            return
        self._along(x, cell, weights, order[-1], nodes)

    def _move_(self, x: Tensor, cell: Tensor, axis: int, share: Tensor) -> None:
        """Move points (m, n) in cells along an axis to shares (m,) of their cells."""
        x[:, axis] = self._low[cell, axis] + self._width[cell, axis] * share

    def _levels(self, x: Tensor) -> Tensor:
        if len(x):
            return torch.cat([self._level(part) for part in x.split(CUT.most_probes)])
        return x[:, 0]

    def _states(self, x: Tensor, cell: Tensor, axes: Sequence[int]) -> Tensor:
        """Numbers (m,) that are the same where lines along the last coordinate cross the boundary in the same way."""
        if len(axes) == 1:
            places, states = (torch.cat(each) for each in zip(*self._probed(x, cell, axes[0]), strict=True))
        else:
            states = self._at_places(x, cell, axes)
        # States that follow one another, as a number in a system whose base is a prime.
        changed = states[:, 1:] != states[:, :-1]
        later = states[:, 1:].long() + 1
        if self._pieces is not None and len(axes) == 1:
            # The piece of the boundary that is crossed counts, too.
            line, place = changed.nonzero(as_tuple=True)
            moved = x[line]
            before = states[line, place]

            def is_before(share: Tensor) -> Tensor:
                self._move_(moved, cell[line], axes[0], share)
                return (self._levels(moved) <= 0) == before

            bisected(places[line, place], places[line, place + 1], is_before, CUT.piece_bisections)
            later[line, place] += 2 * self._pieces(moved)
        powers = torch.tensor([CUT.state_base**k % (2**61 - 1) for k in range(len(self._probes) + 1)])
        return states[:, 0] + (changed * later * powers[changed.cumsum(1)]).sum(1)

    def _probed(self, x: Tensor, cell: Tensor, axis: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shares (m, k) of places along lines through x, and whether they lie inside, for some lines after others.

        The last places are those where a line comes closest to the boundary between two others on one side: it may
        cross it twice there.
        """
        probes = self._probes
        golden = (math.sqrt(5) - 1) / 2
        for rows in torch.arange(len(x)).split(max(1, CUT.most_probes // len(probes))):
            check_time()
            # Level set at even places of each line.
            low = self._low[cell[rows], axis]
            width = self._width[cell[rows], axis]
            moved = x[rows][:, None].repeat(1, len(probes), 1)
            moved[..., axis] = low[:, None] + width[:, None] * probes
            levels = self._levels(moved.flatten(0, 1)).reshape(len(rows), len(probes))
            states = levels <= 0
            size = levels.abs()
            # Intervals without a change of sign that come near the boundary.
            left = torch.where(states[:, 1:] == states[:, :-1], size[:, 1:] + size[:, :-1], math.inf)
            least, number = left.min(1)
            near = (least <= width / (len(probes) - 1)).nonzero()[:, 0]
            own = x[rows[near]]
            sign = torch.where(states[near, number[near]], -1.0, 1.0)
            start = probes[number[near]]
            end = probes[number[near] + 1]

            def height(
                place: Tensor,
                own: Tensor = own,
                sign: Tensor = sign,
                low: Tensor = low[near],
                width: Tensor = width[near],
            ) -> Tensor:
                own[:, axis] = low + width * place
                return sign * self._levels(own)

            # Golden section search for the least distance there.
            inner = end - golden * (end - start)
            outer = start + golden * (end - start)
            below = height(inner)
            above = height(outer)
            for _ in range(self._golden_steps * bool(len(near))):
                is_first = below < above
                start = torch.where(is_first, start, inner)
                end = torch.where(is_first, outer, end)
                new = torch.where(is_first, end - golden * (end - start), start + golden * (end - start))
                value = height(new)
                closer = torch.where(is_first, inner, outer)
                level = torch.where(is_first, below, above)
                inner = torch.where(is_first, new, closer)
                outer = torch.where(is_first, closer, new)
                below = torch.where(is_first, value, level)
                above = torch.where(is_first, level, value)
            # The place of the least distance as a further probe, which may lie on the other side.
            extra = probes[-1].repeat(len(rows))
            extra[near] = torch.where(below < above, inner, outer)
            found = states[:, -1].clone()
            found[near] = torch.minimum(below, above) * sign <= 0
            # All places in their order along each line.
            places, order = torch.cat([probes.repeat(len(rows), 1), extra[:, None]], 1).sort(1)
            yield places, torch.cat([states, found[:, None]], 1).gather(1, order)

    def _at_places(self, x: Tensor, cell: Tensor, axes: Sequence[int]) -> Tensor:
        """States (m, places) of the rest of the coordinates at places along the first one."""
        count = len(self._probes)
        parts = [torch.zeros(0, count, dtype=torch.int64)]
        for rows in torch.arange(len(x)).split(max(1, CUT.most_probes // count ** len(axes))):
            moved = x[rows].repeat_interleave(count, 0)
            own = cell[rows].repeat_interleave(count, 0)
            self._move_(moved, own, axes[0], self._probes.repeat(len(rows)))
            parts.append(self._states(moved, own, axes[1:]).reshape(-1, count))
        return torch.cat(parts)

    def _changes(self, x: Tensor, cell: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Numbers of rows, and shares of the first coordinate at which the state of the others changes."""
        states = self._at_places(x, cell, axes)
        line, place = (states[:, 1:] != states[:, :-1]).nonzero(as_tuple=True)
        before = states[line, place]
        moved = x[line]

        def is_before(share: Tensor) -> Tensor:
            self._move_(moved, cell[line], axes[0], share)
            return self._states(moved, cell[line], axes[1:]) == before

        start, end = bisected(self._probes[place], self._probes[place + 1], is_before, self._bisections)
        return line, (start + end) / 2

    def _along(self, x: Tensor, cell: Tensor, weights: Tensor, axis: int, nodes: int) -> None:
        """Gauss-Legendre points on the parts inside of lines along an axis."""
        # Places along the lines, with both ends of the cell, outside of which nothing counts.
        probed, states = (torch.cat(each) for each in zip(*self._probed(x, cell, axis), strict=True))
        outside = torch.zeros(len(x), 1, dtype=torch.bool)
        zero = x.new_zeros(len(x), 1)
        last_place = probed.shape[1]
        padded = torch.cat([outside, states, outside], 1)
        places = torch.cat([zero, probed, zero + 1], 1)
        # Crossings where lines come in and go out, by bisection.
        ends = []
        for rises in (True, False):
            line, place = ((padded[:, 1:] != padded[:, :-1]) & (padded[:, 1:] == rises)).nonzero(as_tuple=True)
            share = places[line, place]
            is_inner = (place > 0) & (place < last_place)
            share[place == 0] = 0.0
            share[place == last_place] = 1.0
            own = line[is_inner]
            moved = x[own]

            def is_before(place: Tensor, moved: Tensor = moved, own: Tensor = own, rises: bool = rises) -> Tensor:
                self._move_(moved, cell[own], axis, place)
                return (self._levels(moved) <= 0) != rises

            start, end = bisected(share[is_inner], places[line, place + 1][is_inner], is_before, CUT.bisections)
            share[is_inner] = (start + end) / 2
            ends.append((line, share, is_inner))
        # Gauss and Legendre's rule on the parts between them.
        (line, first, _), (_, last, _) = ends
        at, shares = gauss_legendre(nodes, 0.0, 1.0)
        self.x = x[line].repeat_interleave(nodes, 0)
        self.cell = cell[line].repeat_interleave(nodes)
        self._move_(self.x, self.cell, axis, (first[:, None] + (last - first)[:, None] * at).flatten())
        self.weights = ((weights[line] * self._width[cell[line], axis] * (last - first))[:, None] * shares).flatten()
        # The crossings themselves, on the boundary.
        crossing, share = (torch.cat([each[k][each[2]] for each in ends]) for k in (0, 1))
        self.ends = x[crossing]
        self._move_(self.ends, cell[crossing], axis, share)
        self.end_weights = weights[crossing]
        self.end_cell = cell[crossing]


def _places(steps: int) -> Tensor:
    """Ends of equal parts of a line, a little inside at its own ends, which may lie on the boundary."""
    return torch.linspace(0, 1, steps + 1, dtype=torch.float64).clamp(CUT.apart, 1 - CUT.apart)


def _stretches(count: int, line: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of lines, and shares at which the parts begin and end, of lines that are parted at some places."""
    # Places in their order along each line, which begins at zero.
    line = torch.cat([torch.arange(count), line])
    place = torch.cat([torch.zeros(count, dtype=torch.float64), place])
    order = torch.argsort(place, stable=True)
    order = order[torch.argsort(line[order], stable=True)]
    line = line[order]
    begin = place[order]
    # Each part ends where the next begins, the last one at the end of the line.
    is_last = torch.ones(len(line), dtype=torch.bool)
    is_last[:-1] = line[1:] != line[:-1]
    end = torch.where(is_last, 1.0, begin.roll(-1))
    kept = end - begin > CUT.apart
    return line[kept], begin[kept], end[kept]


def mixed(inside: Inside, boxes: Tensor) -> Tensor:
    """Cells (c, n, 2) of which a part lies inside, by a lattice of points, (c,)."""
    lattice = torch.cartesian_prod(*[_places(CUT.lattice)] * boxes.shape[1]).reshape(-1, boxes.shape[1])
    parts = []
    for own in boxes.split(max(1, CUT.most_probes // len(lattice))):
        x = own[:, None, :, 0] + (own[..., 1] - own[..., 0])[:, None] * lattice
        parts.append(inside(x.flatten(0, 1)).reshape(len(own), -1))
    states = torch.cat(parts)
    return states.any(1) & ~states.all(1)


def gradients(domain: Domain, x: Tensor) -> Tensor:
    """Directions (b, n) in which the level of a domain rises at points, by central differences."""
    step = CUT.level_step * float(domain.size.max())
    shifts = step * torch.eye(domain.dimension, dtype=torch.float64)
    slopes = torch.stack([domain.level(x + shift) - domain.level(x - shift) for shift in shifts], 1)
    return slopes / slopes.norm(dim=1, keepdim=True).clamp(min=ABOVE_ZERO)


class OnPlane:
    """The part of a domain's boundary that lies in a plane of one coordinate, with the domain on one side."""

    def __init__(self, domain: Domain, axis: int, value: float, side: float):
        self.domain = domain
        self.axis = axis
        self.value = value
        self.side = side

    def placed(self, x: Tensor, off: float = 0.0) -> Tensor:
        """Points (b, n) of the plane, or beside it, by their other coordinates (b, n - 1)."""
        value = torch.full((len(x), 1), self.value + off, dtype=torch.float64)
        return torch.cat([x[:, : self.axis], value, x[:, self.axis :]], 1)

    def level(self, x: Tensor) -> Tensor:
        """A number of which only the sign is known: the distance in the plane is not known, see `Level`."""
        return torch.where(self(x), -math.inf, math.inf).double()

    def __call__(self, x: Tensor) -> Tensor:
        size = float(self.domain.size.max())
        off = self.side * DOMAINS.off_boundary_step * size
        on = self.domain.level(self.placed(x)).abs() <= CUT.on_plane * size
        return on & (self.domain.level(self.placed(x, -off)) < 0) & (self.domain.level(self.placed(x, off)) > 0)
