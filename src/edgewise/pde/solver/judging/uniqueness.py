"""The problem linearised about a solution, and whether other solutions are near it.

`problem_around` states a problem for the difference from a given network. Its Jacobian on a coarse spline space shows
functions that may be added to the solution (`weakest_direction`) and coefficients that nothing determines
(`undetermined_coefficients`); `coefficient_jump` finds places at which derivatives of the solution jump.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.pde.domains.domain import Domain
from edgewise.pde.domains.jumps import jumps_on_line, points_of_line
from edgewise.pde.domains.mesh import Mesh, even_lines
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.features import narrow_features, with_features
from edgewise.pde.problem.interfaces import noted_diffusion
from edgewise.pde.problem.linearisation import linearise, smooth_jet
from edgewise.pde.problem.strong_form import StrongForm
from edgewise.pde.spaces.networks import TensorNetwork
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import Data, ResidualBlock, copied_unknowns
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import trainable_slots
from edgewise.train.problems import BlockProblem

BASE = "base_jet"  # auxiliary value: jets (N, C, fields) of the function about which a problem is linearised
# Intervals of each coordinate, by dimension, of the coarse spline space in which functions are sought that may be added
# to the solution: constants, linear functions and a few periods are in it to 1e-5 or better.
COARSE = {1: 32, 2: 8, 3: 3}


@dataclass(frozen=True)
class UniquenessSettings:
    """Coarse space of smooth functions, and what counts as zero or as a jump there."""

    coarse_degree: int = 5  # of its splines; an equation of high order gets a higher one
    # splines whose part apart from those before is below this share of them count as dependent: root of rounding
    dependent: float = 1e-8
    constant_rounding: float = 1e-12  # change of a residual by a constant that is rounding
    # Smallest singular value above which measured values determine every smooth function: far above rounding.
    unmeasured: float = 1e-12
    constant_share: float = 1e-3  # a function that varies by less than this share is a constant: far above rounding
    # Share of the sensitivity of a coefficient that must be left once all fields may follow it. Rounding leaves 1e-10.
    least_sensitivity: float = 1e-9
    jump: float = 0.01  # difference of a coefficient across a jump, at least, relative to its largest value
    # along each coordinate, on which jumps are sought: jumps on surfaces cross them
    lines: int = 4
    line_points: int = 513
    # Singular values below which small rows are made larger, the size of such rows relative to the largest one, and
    # their least share of this size: boundaries have fewer rows, ten or a hundred times as large; rounding stays small
    small_singular: float = 1e-4
    small_row: float = 1e-3
    smallest_row: float = 1e-9
    # of the largest value of a field: means below are zero, as far as points of a coarse mesh give them
    zero_mean: float = 1e-4
    rounded_mean: float = 1e-9  # of the largest value of all fields: so are those of a pressure that is rounding alone
    # Share of its largest value by which a field is moved to see whether the equation ends there.
    moved_share: float = 1e-6
    zero_points: int = 4000  # at which the residuals of u = 0 are looked at


UNIQUENESS = UniquenessSettings()


def squared_residuals(network: nn.Module, problem: Collocation, x: Tensor) -> Tensor:
    """Sum of the equation's squared residuals at points x (N, n), in units of the field: (N,)."""
    block = replace(problem.equation_block(points_with(x)), weight=1.0)
    return block_squares(block, network, problem)


def block_squares(block: ResidualBlock, network: nn.Module, problem: Collocation) -> Tensor:
    """Sum of a block's weighted squared residuals at each of its points, (N,)."""
    return block_residuals(block, network, problem).square().sum(1)


@torch.no_grad()
def block_residuals(block: ResidualBlock, network: nn.Module, problem: Collocation) -> Tensor:
    """A block's weighted residuals at each of its points, (N, residuals)."""
    parts = []
    for part, _ in block.data.chunks():
        copies = {name: value.detach().expand(len(part)) for name, value in problem.unknowns.items()}
        parts.append(block.weighted_residuals(block.jet(network, part.x), part, copies))
    return torch.cat(parts)


def _residuals_around(
    residuals: Callable[..., Tensor], jet: Tensor, part: Data, unknowns: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Residuals of a block for the sum of a fixed function, whose jet is among the auxiliary values, and a network."""
    return residuals(jet + part.auxiliary[BASE].transpose(0, 1), part, unknowns)


def problem_around(network: nn.Module, problem: Collocation) -> BlockProblem:
    """The problem at its own points for the difference from a network, with unknown coefficients of its own."""
    blocks = []
    for block in problem.blocks():
        parts = [block.jet(network, part.x).detach() for part, _ in block.data.chunks()]
        auxiliary = {**block.data.auxiliary, BASE: torch.cat(parts, 1).transpose(0, 1).contiguous()}
        data = replace(block.data, auxiliary=auxiliary)
        blocks.append(replace(block, data=data, residuals=partial(_residuals_around, block.residuals)))
    return BlockProblem(blocks, copied_unknowns(problem.unknowns))


class SumNetwork(nn.Module):
    """Sum of two networks, for the residual of a corrected solution."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        """Values (b, fields) at points x (b, n)."""
        return self.first(x) + self.second(x)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Jet (C, b, fields) at points x (b, n)."""
        return self.first.jet(x, directions, order) + self.second.jet(x, directions, order)  # type: ignore[operator]


class ZeroNetwork(nn.Module):
    """Zero everywhere, for the residuals of u = 0."""

    def __init__(self, fields: int):
        super().__init__()
        self.fields = fields

    def forward(self, x: Tensor) -> Tensor:
        """Zeros (b, fields) at points x (b, n)."""
        return x.new_zeros(len(x), self.fields)

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Zeros (C, b, fields) at points x (b, n)."""
        if directions is None:
            components = 1
        else:
            components = 1 + len(directions) * order
        return x.new_zeros(components, len(x), self.fields)


def unsolved_by_zero(problem: Collocation) -> str:
    """Words for the part of the problem that u = 0 does not fulfil, as "the equation"; "" where it fulfils all."""
    zero = ZeroNetwork(problem.form.outputs)
    for block in problem.resampled(UNIQUENESS.zero_points, how="sobol", seed=3).blocks():
        if bool(block_squares(block, zero, problem).any()):
            return f"{block.name}, which u = 0 does not fulfil"
    return ""


def undetermined_coefficients(network: nn.Module, problem: Collocation) -> list[str]:
    """Names of unknown coefficients whose effect on the residuals the fields can undo."""
    # In the normal matrix of fields and coefficients, the Schur complement of a coefficient relative to its own entry
    # is the share of its effect that no change of the fields and the other coefficients undoes.
    if not problem.unknowns or problem.domain.dimension not in COARSE:
        return []
    rows, slots = _coarse_rows(_coarse_space(problem), network, problem)
    if not bool(rows.isfinite().all()):
        return []
    # Schur complement of each coefficient by least squares of its column, with scaled columns.
    names = []
    for name in problem.unknowns:
        slot = slots[f"unknowns.{name}"]
        column = rows[:, slot.start].clone()
        others = rows.clone()
        others[:, slot.start] = 0
        scale = others.norm(dim=0).clamp(min=ABOVE_ZERO)
        solved = torch.linalg.lstsq(others / scale, column[:, None], driver="gelsd").solution
        left = float((column - (others / scale @ solved)[:, 0]).square().sum())
        if left <= UNIQUENESS.least_sensitivity * float(column.square().sum()):
            names.append(name)
    return names


def _coarse_space(problem: Collocation) -> TensorNetwork:
    """Splines on a coarse even grid over the domain, zero everywhere; polynomials where some would have no points."""
    count = COARSE[problem.domain.dimension]
    is_box = problem.domain.is_box
    periodic = [name in problem.form.periodic for name in problem.domain.coordinates]
    lines = even_lines(problem.domain, [count if is_box or repeats else 1 for repeats in periodic])
    if any(periodic):
        degree = min(max(UNIQUENESS.coarse_degree, problem.form.order + 1), count - 1)
    else:
        degree = UNIQUENESS.coarse_degree
    return TensorNetwork(TensorLayer(lines, problem.form.outputs, degree=degree, periodic=periodic))


def _coarse_mesh(domain: Domain) -> Mesh:
    """Points in the cells of a coarse even grid over the domain."""
    return Mesh(domain, even_lines(domain, [COARSE[domain.dimension]] * domain.dimension))


def _coarse_rows(space: TensorNetwork, network: nn.Module, problem: Collocation) -> tuple[Tensor, dict[str, slice]]:
    """Rows of the Jacobian about a network by the coefficients of a spline space, and by the unknowns."""
    mesh = _coarse_mesh(problem.domain)
    around = problem_around(network, problem.resampled(1, seed=1, mesh=mesh, own_unknowns=True))
    slots = trainable_slots(space, around)
    return RowSource(space, around, slots).in_full()[0].detach(), slots.slots


class Weakest(NamedTuple):
    """Result of `weakest_direction`."""

    size: float  # smallest residual of a smooth function of mean square 1 in the linearised problem
    words: str  # what that function is: "a constant", "a function of time" or "another function"
    fields: tuple[str, ...]  # fields that this function changes
    # fields that are determined up to a function of time, and have mean 0 over space at each moment
    zero_means: tuple[str, ...] = ()


def weakest_direction(network: nn.Module, problem: Collocation) -> Weakest | None:
    """Smallest residual of a smooth function of mean square 1 in the linearised problem.

    Fields that are determined up to a function of time have mean 0, as the pressure of a flow without open boundary:
    functions that change this mean do not count. In more than three dimensions, and where points of the domain do not
    tell the functions of the coarse space apart, only constants are tried, and the result is None if none may be
    added; None for problems with unknown coefficients, with observations that leave no function free, and with
    integrals in more than one dimension.

    Where it is small, rows that are small for all smooth functions count by their relative size: a coefficient that is
    tiny in a part of the domain, as beside a steep layer, makes the residuals there small, but leaves nothing free.
    """
    dimension = problem.domain.dimension
    if problem.unknowns or (problem.form.has_integrals and dimension > 1):
        return None
    if dimension not in COARSE:
        return _free_constant(network, problem)
    # Jacobian on a coarse spline space.
    space = _coarse_space(problem)
    rows, _ = _coarse_rows(space, network, problem)
    if not bool(rows.isfinite().all()):  # as those of the root of a field that touches zero
        return None
    x, weights = _coarse_mesh(problem.domain).interior()
    roots = (weights / weights.sum()).sqrt()[:, None, None]
    values = _values_by_coefficients(space, x)
    parts = problem.form.parts
    # Fields that are determined up to a function of time: their means over space are zero, unless values are measured.
    zero_means = []
    free_in_time = _up_to_functions_of_time(problem.form)
    if problem.form.observations:
        free_in_time = []
    for number in free_in_time:
        _, moments = x[:, problem.form.time].unique(return_inverse=True)
        shares = nn.functional.one_hot(moments).mT * weights
        shares = shares / shares.sum(1, keepdim=True)
        found = network(x).detach()
        most = max(
            UNIQUENESS.zero_mean * float(found[:, number].abs().max()),
            UNIQUENESS.rounded_mean * float(found.abs().max()),
        )
        if float((shares @ found[:, number]).abs().max()) <= most:
            zero_means.append(problem.fields[number])
            rows = torch.cat([rows, shares @ values[:, number]])
    # Mass matrix, by whose Cholesky factor functions have mean square 1, if no spline depends on those before it.
    if parts is not None:  # an output is nothing outside of its part
        own = torch.arange(parts.count).repeat_interleave(len(problem.fields))
        values = values * (parts.number(x)[:, None] == own)[..., None]
    mass = (values * roots).flatten(0, 1)
    if mass.shape[0] < mass.shape[1]:  # a thin domain with few points
        return _free_constant(network, problem)
    basis, upper = torch.linalg.qr(mass)
    apart = upper.diagonal().abs() / upper.norm(dim=0).clamp(min=ABOVE_ZERO)
    if float(apart.min()) < UNIQUENESS.dependent:
        return _free_constant(network, problem)
    # Smallest singular value, perhaps with small rows made larger. Those of R are those of the rows, at half the work.
    scaled = torch.linalg.solve_triangular(upper, rows, upper=True, left=False)
    _, sizes, directions = torch.linalg.svd(torch.linalg.qr(scaled, mode="r").R, full_matrices=False)
    if float(sizes[-1]) < UNIQUENESS.small_singular:
        of_each = torch.eye(problem.form.outputs, dtype=x.dtype)
        smooth = torch.einsum("nk,fg->nfgk", _smooth_values(x, problem), of_each).flatten(2)
        local = (scaled @ (basis.mT @ (smooth * roots).flatten(0, 1))).norm(dim=1)
        largest = local.max().clamp(min=ABOVE_ZERO)
        evened = scaled / (local / (UNIQUENESS.small_row * largest)).clamp(UNIQUENESS.smallest_row, 1)[:, None]
        _, sizes, directions = torch.linalg.svd(torch.linalg.qr(evened, mode="r").R, full_matrices=False)
    # Rows are those of the loss's second derivative, 2 J'J. Measured values determine smooth functions more or less
    # well, which their noise shows; here they count where they leave one free.
    size = float(sizes[-1]) / math.sqrt(2)
    if problem.form.observations and size > UNIQUENESS.unmeasured:
        return None
    # The function that belongs to it.
    function = (mass @ torch.linalg.solve_triangular(upper, directions[-1][:, None], upper=True)).reshape(len(x), -1)
    function = function / roots[:, 0]
    shares = function.reshape(len(x), -1, len(problem.fields)).norm(dim=(0, 1)) / function.norm()
    moved = tuple(name for name, share in zip(problem.fields, shares, strict=True) if share > UNIQUENESS.constant_share)
    # Whether it varies at all, and at one moment.
    least = UNIQUENESS.constant_share * function.norm()
    words = "another function"
    if problem.form.time is not None and dimension > 1:
        _, numbers, counts = x[:, problem.form.time].unique(return_inverse=True, return_counts=True)
        means = function.new_zeros(len(counts), function.shape[1]).index_add(0, numbers, function) / counts[:, None]
        if bool((function - means[numbers]).norm() < least):
            words = "a function of time"
    if bool((function - function.mean(0)).norm() < least):
        words = "a constant"
    return Weakest(size, words, moved, tuple(zero_means))


def _free_constant(network: nn.Module, problem: Collocation) -> Weakest | None:
    """A constant that may be added to a field, where no coarse space shows other functions; None if there is none."""
    free = fields_with_free_constant(network, problem)
    if free:
        return Weakest(0.0, "a constant", free)
    return None


def _smooth_values(x: Tensor, problem: Collocation) -> Tensor:
    """Values at x (N, n) of products of waves of up to a period, whose phases spare no boundary: (N, 3^n)."""
    places = torch.pi * (x - problem.domain.bounds[:, 0]) / problem.domain.size
    waves = [[torch.cos(order * (place + 0.7)) for order in range(3)] for place in places.unbind(1)]
    return torch.stack([torch.stack(each).prod(0) for each in itertools.product(*waves)], 1)


def _up_to_functions_of_time(form: StrongForm) -> list[int]:
    """Numbers of the fields of which the equation and the conditions have derivatives by space alone."""
    time = form.time
    terms = (form.equation_term, *form.condition_terms)
    if time is None:
        return []
    indices = [
        {index for term in terms for index in term.requirements.derivatives.get(name, ())} for name in form.fields
    ]
    return [
        number
        for number, each in enumerate(indices)
        if each and all(sum(index) > 0 and not index[time] for index in each)
    ]


@torch.no_grad()
def fields_with_free_constant(network: nn.Module, problem: Collocation) -> tuple[str, ...]:
    """Names of the fields to which a constant may be added without a change of any residual."""
    blocks = problem.resampled(UNIQUENESS.zero_points, how="sobol", seed=3).blocks()
    free = dict[str, None]()
    for number in range(problem.form.outputs):
        for block in blocks:
            jet = block.jet(network, block.data.x)
            moved = jet.clone()
            moved[0, ..., number] += 1.0
            before, after = (block.weighted_residuals(each, block.data, {}) for each in (jet, moved))
            if not bool(((after - before).abs() <= UNIQUENESS.constant_rounding * (1 + before.abs())).all()):
                break
        else:
            free[problem.fields[number % len(problem.fields)]] = None
    return tuple(free)


@torch.no_grad()
def undefined_beyond(network: nn.Module, problem: Collocation, x: Tensor) -> str:
    """Words for a value at points x (N, n) beyond which the equation is no finite number, as of a root; "" if none.

    Each field is moved up and down by a small share of its largest value in the domain.
    """
    block = problem.equation_block(points_with(x))
    jet = block.jet(network, x)
    unknowns = {name: each.expand(len(x)) for name, each in problem.unknowns.items()}
    sizes = network(problem.domain.interior(UNIQUENESS.zero_points, "sobol")).abs().amax(0)
    # Each field is moved by a small share of its size to either side, and the residual evaluated there.
    for number, name in enumerate(problem.fields):
        for side, sign in (("below", -1), ("above", 1)):
            moved = jet.clone()
            step = UNIQUENESS.moved_share * float(sizes[number])
            moved[0, ..., number] += sign * step
            wrong = ~block.weighted_residuals(moved, block.data, unknowns).isfinite().all(1)
            if step > 0 and bool(wrong.any()):
                value = round(float(jet[0, ..., number].reshape(-1)[wrong][0]) / step) * step
                value *= problem.form.units.get(name, 1.0)
                return f"{name} reaches {typed_text(value, 4)}, {side} which the equation is no finite number"
    return ""


def _values_by_coefficients(space: TensorNetwork, x: Tensor) -> Tensor:
    """Values of every spline of every field at x (N, n): (N, fields, P)."""
    splines = space.splines(x)
    fields = space.tensor_layer.out_features
    values = splines.new_zeros(len(x), fields, fields * splines.shape[1])
    for field in range(fields):
        values[:, field, field::fields] = splines
    return values


def coefficient_jump(form: StrongForm) -> tuple[int, float] | None:
    """Axis and place at which a leading coefficient of the equation jumps, or None.

    The coefficients, derivatives of the residuals by the highest derivatives of the fields, are evaluated on smooth
    fields along lines through the domain. Along a line only those of derivatives by its own coordinate count: others,
    as k(t) in u_t = k u_xx, are in no flux through the surface on which they jump.
    """
    for axis in range(form.domain.dimension):
        for start in form.domain.interior(UNIQUENESS.lines, "sobol", 5):
            place = _jump_along(form, axis, start)
            if place is not None:
                return axis, place
    return None


def _jump_along(form: StrongForm, axis: int, start: Tensor) -> float | None:
    """Place at which a leading coefficient jumps on the line through a point along a coordinate, or None."""

    def on_line(places: np.ndarray) -> Tensor:
        """Points (m, n) at places of the coordinate."""
        points = start.repeat(len(places), 1)
        points[:, axis] = torch.from_numpy(places)
        return points

    low, high = form.domain.bounds[axis].tolist()
    # Points of the line within the domain, dense at features of the equation.
    places = with_features(points_of_line(low, high, UNIQUENESS.line_points), narrow_features(form), axis)
    places = places[form.domain.contains(on_line(places)).numpy()]
    if len(places) < 2:
        return None
    step = (high - low) / UNIQUENESS.line_points
    # The first jump of a leading coefficient that no interface has.
    for place in jumps_on_line(
        lambda at: leading_coefficients(form, on_line(at), axis).numpy()[..., None], places, UNIQUENESS.jump
    ):
        # Those between two parts of the domain have conditions of their own.
        beside = on_line(np.array([place - step, place + step]))
        if form.parts is None or not form.parts.number(beside).diff().any():
            return place
    return None


def has_diffusion(form: StrongForm) -> bool:
    """Whether the equation has a coefficient within `diffusion`, of which fluxes are continuous where it jumps."""
    term = form.equation_term
    x = form.domain.interior(1, "sobol", 0)
    with noted_diffusion() as noted:
        linearise(form, term, x, None, smooth_jet(form, term, x))
    return bool(noted)


def leading_coefficients(form: StrongForm, x: Tensor, axis: int) -> Tensor:
    """Jacobian of the residuals by each field's highest derivatives by an axis, from the second order on: (N, k)."""
    term = form.equation_term
    axes = range(form.domain.dimension)
    orders = [term.requirements.order(name, axes) for name in form.fields]
    jacobian = linearise(form, term, x, None, smooth_jet(form, term, x))[1]
    # A column for each of them, also where it is zero at all of these points, which no linearisation lists.
    zero = x.new_zeros(len(x))
    leading = [
        size * jacobian.get((number, field, index), zero)
        for number, size in enumerate(term.requirements.sizes)
        for field, order in enumerate(orders)
        for index in itertools.product(range(order + 1), repeat=len(axes))
        if sum(index) == order >= 2 and index[axis]
    ]
    return torch.stack([zero, *leading], 1)
