"""Knot vectors: uniform, from breakpoints, subdivided; and coefficients of the same splines on finer knots."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.ops.splines.bspline import locate


def extend(breakpoints: Tensor, degree: int) -> Tensor:
    """Return knots (in, grid_size + 2 degree + 1) for increasing breakpoints (in, grid_size + 1).

    The `degree` knots beyond each end repeat the width of the outermost interval, so uniform breakpoints give
    uniform knots (the paper's choice); inside the domain they change the basis, not the space of functions.
    """
    steps = torch.arange(1, degree + 1, dtype=breakpoints.dtype, device=breakpoints.device)
    first = breakpoints[:, :1] - (breakpoints[:, 1:2] - breakpoints[:, :1]) * steps.flip(0)
    last = breakpoints[:, -1:] + (breakpoints[:, -1:] - breakpoints[:, -2:-1]) * steps
    return torch.cat([first, breakpoints, last], 1)


def repeated(breakpoints: Tensor, degree: int) -> Tensor:
    """Return knots (in, grid_size + 2 degree + 1) in which both ends are repeated, degree + 1 times each.

    The space of functions on the domain is that of `extend`; the basis is better conditioned, the more so the higher
    the degree, because no function has only the tail of its support in the domain.
    """
    first = breakpoints[:, :1]
    last = breakpoints[:, -1:]
    return torch.cat([first.expand(-1, degree), breakpoints, last.expand(-1, degree)], 1)


def periodic_knots(breakpoints: Tensor, degree: int) -> Tensor:
    """Return knots (in, grid_size + 2 degree + 1) in which those inside come again beyond each end."""
    length = breakpoints[:, -1:] - breakpoints[:, :1]
    before = breakpoints[:, -degree - 1 : -1] - length
    after = breakpoints[:, 1 : degree + 1] + length
    return torch.cat([before, breakpoints, after], 1)


def uniform(domain: Tensor, grid_size: int, degree: int) -> Tensor:
    """Return evenly spaced knots (in, grid_size + 2 degree + 1) over `domain` (in, 2)."""
    share = torch.arange(grid_size + 1, dtype=domain.dtype, device=domain.device) / grid_size
    low = domain[:, :1]
    high = domain[:, 1:]
    breakpoints = low * (1 - share) + high * share  # both ends exact
    return extend(breakpoints, degree)


def breakpoints_of(knots: Tensor, degree: int) -> Tensor:
    """Return the knots inside the domain, ends included, (in, grid_size + 1)."""
    return knots[:, degree : knots.shape[1] - degree]


def greville(knots: Tensor, degree: int) -> Tensor:
    """Return the coefficients of the identity, (..., n), on knots (..., n + degree + 1): means of neighbouring knots.

    T. Greville, in O. Shisha (ed.), "Inequalities" (1967); C. de Boor, "A practical guide to splines" (1978), IX.
    """
    return knots[..., 1:-1].unfold(-1, degree, 1).mean(-1)


def subdivide(knots: Tensor, degree: int, parts: int) -> Tensor:
    """Return knots with every interval cut into `parts` equal ones; the old breakpoints stay the same, bit for bit."""
    old = breakpoints_of(knots, degree)
    share = torch.arange(parts, dtype=old.dtype, device=old.device) / parts
    low = old[:, :-1, None]
    high = old[:, 1:, None]
    inner = (low * (1 - share) + high * share).flatten(1)
    return extend(torch.cat([inner, old[:, -1:]], 1), degree)


def blossom_coef(
    coef: Tensor, knots: Tensor, finer: Tensor, degree: int, within: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Return the coefficients of the same splines on `finer` knots, which must contain the old breakpoints.

    Shapes: coef (in, n, out), knots, finer (in, n + degree + 1), within (in,); returns (in, m, out).
    """
    # A B-spline coefficient is the polar form (blossom) of the local polynomial at the knots inside the function's
    # support: c_j = f(t_{j+1}, .., t_{j+degree}) (Ramshaw, "Blossoms are polar forms", 1989). The polar form is
    # evaluated by de Boor's scheme with a different argument at each level, on the old interval in which the middle of
    # the new function's support lies, so nothing is solved and nothing is fitted.
    count = finer.shape[1] - degree - 1
    # A middle beyond the domain belongs to the outermost interval, which is the part of the support inside.
    middle = (finer[:, :count] + finer[:, degree + 1 :]) / 2
    if within is not None:
        low, high = within
        # Half an interval inside, so that rounding can't move an end into the neighbour.
        inside = (high - low).minimum(knots.diff(dim=1).amin(1)) / 2
        middle = middle.clamp((low + inside)[:, None], (high - inside)[:, None])
    interval = locate(middle.mT, knots, degree).mT  # (in, m)
    inputs = torch.arange(coef.shape[0], device=coef.device)[:, None, None]
    offsets = torch.arange(degree + 1, device=coef.device)
    points = coef[inputs, interval[..., None] + offsets]  # (in, m, degree + 1, out)
    for level in range(1, degree + 1):
        argument = finer[:, level : level + count, None]
        first = interval[..., None] + torch.arange(level, degree + 1, device=coef.device)
        left = knots[inputs, first]
        right = knots[inputs, first + degree + 1 - level]
        share = ((argument - left) / (right - left))[..., None]
        points = points[..., :-1, :] * (1 - share) + points[..., 1:, :] * share
    return points[..., 0, :]
