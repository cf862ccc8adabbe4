"""Evidence about a solution that does not come from the points and the grid on which it was made.

`judge` takes a network that solves a problem, however it was made, and measures

- the residual at fresh points that are sought where it is large (`sought_points`),
- a correction: the equation of the error, solved on another grid (`correction_of`),
- the smallest singular value of the linearised problem among smooth functions, which is zero where a function may be
  added to the solution (`weakest_direction`),
- integrals by a rule of twice as many points, jumps of the equation's leading coefficients, and whether u = 0 solves
  the problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.outcomes import OutOfTime, check_time
from edgewise.pde.domains.domain import Box
from edgewise.pde.domains.mesh import Mesh, equal_shares
from edgewise.pde.domains.sampling import unit_points
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.evaluation import place_words
from edgewise.pde.problem.integrals import Rule
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver.judging.scatter import scatter_of
from edgewise.pde.solver.judging.uniqueness import (
    COARSE,
    COARSE_DEGREE,
    SumNetwork,
    Weakest,
    block_residuals,
    block_squares,
    coefficient_jump,
    problem_around,
    squared_residuals,
    undetermined_coefficients,
    unsolved_by_zero,
    weakest_direction,
)
from edgewise.pde.solver.solution import Stage, field_values
from edgewise.pde.solver.training import linear_method, train_network
from edgewise.pde.structured.networks import TensorNetwork, WindowNetwork
from edgewise.settings import ABOVE_ZERO
from edgewise.train.cost import EQUATION_COST
from edgewise.train.problems.blocks import BlockRole

if TYPE_CHECKING:
    from edgewise.pde.structured.inverse import InverseFit

# Cells of each coordinate with one point each from which the search for large residuals starts, by dimension, and
# points of a Sobol sequence in more dimensions. A choice: about 4,000 to 8,000 points, a fraction of a second.
FIRST_CELLS = {1: 8192, 2: 72, 3: 18}
MANY_DIMENSIONS = 4096  # a power of 2, for which a Sobol sequence is balanced
# Rounds of the search, and cells that are split in each, those of the largest share of the mean square. A choice: five
# rounds find places 32 times narrower than a cell.
SEARCH_ROUNDS, SPLIT = 5, 128
SCATTER_POINTS = 500  # at which the scatter of the fields is measured. A choice: two digits of a mean
CONDITION_POINTS = 400  # on the boundary, for the residuals of conditions. A choice: two digits of a mean
# A residual, in units of the field, above which a solution does not count as one: at one per cent of the solution's
# own size it could not be distinguished from another problem's. A choice.
LARGEST_RESIDUAL = 1e-2
# Smallest ratio of residual to function, both in units of the field, that counts as determined, by dimension. A choice:
# above what splines of the coarse space leave of functions of a period or two that have no residual, and in time
# below what a growth of errors by a factor of a million leaves.
UNDETERMINED = {1: 1e-7, 2: 1e-5, 3: 1e-4}
# A correction that leaves a share of the residual leaves about that share of the error; above this share the rest of
# the residual is rounding or finer than the grid, and does not count.
EXPLAINED = 0.9
SMALL_SOLUTION = 1e-9  # fields below this size are zero, for coordinates and data of size 1. A choice
# Two rules of integration must agree to this size, in units of the field.
INTEGRALS_AGREE = 1e-8
LARGEST_GAP = 1e-4  # the same, above which they are doubted; a smaller one is part of the estimate. A choice
# A residual up to this size, in units of the field of a solution of size 1, is rounding: ten times that of float64. The
# error that it leaves is as many times larger as the smallest singular value is below one.
ROUNDED = 1e-15
# Standard errors as far as which the likelihood must fall at two of them, or a linear problem says nothing about it. A
# choice: bars are then half as wide as they ought to be.
FALLEN_LEAST = 1.0
# Share of the residual's root mean square that must be left after averages over cells for it to count as one of one
# sign. A choice: 0.6 behind a step, 0.1 to 0.2 for smooth solutions on coarse grids.
ONE_SIDED = 0.5
# Points of the equation of the error between breakpoints; in a slab of time there are as many as its polynomial has
# coefficients, for its residual is orthogonal to polynomials of all lower degrees, and fewer points do not see that.
CORRECTION_POINTS = 3
UNCHECKED = 10.0  # estimate where the residual alone is known, relative to it: errors of 0.1 to 4 times were measured
LATE_SHARE = 0.1  # of the time: the last part, whose error counts where it is larger. A choice
# Multiply-adds that a correction may take at least, some 0.05 seconds, and where a solution consists of slabs of time,
# whose growth of errors nothing else knows, a second. Choices.
CORRECTION_WORK, CORRECTION_OF_SLABS = 1e8, 1e9


@dataclass(frozen=True)
class Evidence:
    """Results of the checks of a solution.

    Parameters
    ----------
    estimate : float
        Estimated relative L2 error; nan where no check gave one.
    residual : float
        Mean residual, in magnitude, of the equation at sought points and of the conditions, in units of the field (see
        `PDE`).
    checks : tuple of str
        What was checked, with numbers: parts of a sentence.
    doubts : tuple of str
        Sentences on what speaks against the solution; empty where nothing does.
    is_final : bool
        Whether a finer network could not help, for the fault is in the problem.
    noise : float
        Relative error of the fields that noise in measured values leaves, one standard error; 0 without them.
    standard_errors : mapping
        Standard errors of unknown coefficients, from the same noise.
    bound : float
        Residual over the smallest singular value of a linear problem, relative to the fields, which smooth errors do
        not exceed; infinity where it is not known.

    Examples
    --------
    >>> Evidence(1e-9, 1e-7, ("two stages agree to 1e-09",), ()).trust
    'Checked: two stages agree to 1e-09.'
    """

    estimate: float
    residual: float
    checks: tuple[str, ...]
    doubts: tuple[str, ...]
    is_final: bool = False
    noise: float = 0.0
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    bound: float = math.inf

    @property
    def whole_estimate(self) -> float:
        """Estimated relative error with the part that noise in measured values leaves, which no finer grid lowers."""
        return math.hypot(self.estimate, self.noise) if math.isfinite(self.noise) else math.nan

    @property
    def is_sound(self) -> bool:
        """True if nothing speaks against the solution."""
        return not self.doubts

    @property
    def trust(self) -> str:
        """All of it in words: doubts first, then what was checked."""
        checked = f"Checked: {'; '.join(self.checks)}."
        return f"Not to be trusted: {' '.join(self.doubts)} {checked}" if self.doubts else checked


class Sought(NamedTuple):
    """Fresh points and what the equation leaves there.

    Parameters
    ----------
    x : Tensor
        Points, (N, n).
    weights : Tensor
        The parts of the domain that they stand for, (N,); their sum is 1.
    squares : Tensor
        Sums of the squared residuals of the equation, in units of the field, (N,).
    """

    x: Tensor
    weights: Tensor
    squares: Tensor


def judge(
    network: nn.Module,
    problem: Collocation,
    *,
    change: float = math.nan,
    estimate: float = math.nan,
    work: float = CORRECTION_WORK,
    points: Sought | None = None,
) -> Evidence:
    """Judge a solution by evidence that is independent of how it was made.

    Parameters
    ----------
    network : Module
        A network with one output for each field and a `jet`.
    problem : Collocation
        Its problem, with the values of unknown coefficients; the points are not used.
    change : float
        Relative difference from an independent solution: another grid, degree or tolerance; nan without one.
    estimate : float
        Estimate of the relative error that follows from `change`, the change itself if left out. The estimate of the
        evidence is never below it.
    work : float
        Multiply-adds that the correction may take; about 0.05 seconds if left out.
    points : Sought, optional
        Points as of `sought_points`, which finds them if they are left out.

    Returns
    -------
    Evidence

    Notes
    -----
    The correction e solves the equation linearised about u, R(u) + R'(u) e = 0, by least squares on another grid, so
    that ||e|| is the error but for the error of e itself, which the residual of u + e shows. A residual that is
    rounding alone bounds the error only by the residual over the smallest singular value. Where the time of a solve is
    over, the checks end, and the evidence says so.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)])
    >>> evidence = judge(solve(problem).model, problem)
    >>> evidence.is_sound, evidence.estimate < 1e-9
    (True, True)
    """
    points = sought_points(network, problem) if points is None else points
    residual = residual_size(network, problem, points)
    x, weights = points.x, points.weights
    values = field_values(network, problem, x)
    size = float((weights[:, None] * values.square()).sum().sqrt() / weights.sum().sqrt())
    estimates = [each for each in (change if math.isnan(estimate) else estimate,) if not math.isnan(each)]
    checks, doubts = [], []
    if not math.isnan(change):
        checks.append(f"two solutions on different grids agree to {change:.1g}")
    checks.append(
        f"the mean residual at {len(x):,} fresh points, more where it is large, is {residual:.1g} in units of the field"
    )
    if not math.isfinite(residual):
        doubts.append(f"The residual is not a number: {_place_of_nan(network, problem, x)}.")
        return Evidence(math.nan, residual, tuple(checks), tuple(doubts))
    if residual > LARGEST_RESIDUAL:
        doubts.append(
            f"The equation does not hold: its mean residual is {residual:.1g} in units of the field. It may be out "
            "of reach of the budget, or the problem may have no solution."
        )
        estimates.append(residual / max(size, residual))
    noise, of_problem, errors, most = 0.0, list[str](), dict[str, float](), math.inf
    try:
        if problem.form.has_quadratures:
            gap = integrals_gap(network, problem, x)
            checks.append(f"integrals by two rules agree to {gap:.1g}")
            estimates.append(gap / max(size, ABOVE_ZERO))
            if gap > LARGEST_GAP:
                doubts.append(
                    f"Integrals by two rules differ by {gap:.1g}: give `integral` more points, or divide it where its "
                    "integrand has a peak or no bound."
                )
        corrected = correction_of(network, problem, points, residual, work, is_only=math.isnan(change))
        if corrected is not None:
            checks.append(f"the equation of the error, solved on another grid, gives {corrected:.1g}")
            estimates.append(corrected)
        check_time()
        scatter = scatter_of(network, problem, x[:: max(1, len(x) // SCATTER_POINTS)])
        noise, errors = scatter.fields / max(size, ABOVE_ZERO), dict(scatter.standard_errors)
        if noise > ROUNDED:
            checks.append(f"noise of the measured values leaves a relative standard error of {noise:.1g}")
        check_time()
        weakest = weakest_direction(network, problem)
        if weakest is not None and weakest.size > 0:
            relative = residual / max(size, ABOVE_ZERO)
            most = relative / weakest.size if problem.is_linear else math.inf
            estimates.append(min(relative, ROUNDED) / weakest.size)
            bound = one_sided_residual(network, problem) / max(size, ABOVE_ZERO) / weakest.size
            if bound > ROUNDED:
                checks.append(
                    f"residuals do not cancel out between neighbouring points, and bound the error by {bound:.1g}"
                )
                estimates.append(bound)
        of_problem = _doubts_of_uniqueness(network, problem, residual, size, weakest, checks)
        if of_problem:
            estimates.append(1.0)  # another solution may differ by as much as the solution is large
    except OutOfTime:
        checks.append("there was no time for further checks")
        if not any(estimates):
            checks.append(f"the estimate is {UNCHECKED:.0f} times the residual at least")
            estimates.append(UNCHECKED * residual / max(size, ABOVE_ZERO))
    if not any(estimates):  # a residual in units of the field exceeds the error of a smooth solution, but it is known
        estimates.append(residual / max(size, ABOVE_ZERO))
    estimate = max(estimates)
    return Evidence(estimate, residual, tuple(checks), (*doubts, *of_problem), bool(of_problem), noise, errors, most)


def _doubts_of_uniqueness(
    network: nn.Module,
    problem: Collocation,
    residual: float,
    size: float,
    weakest: Weakest | None,
    checks: list[str],
) -> list[str]:
    """Sentences on solutions that are trivial, not unique, or of another problem than the one that was meant."""
    doubts = [
        f"Nothing determines the coefficient {name}: its value is the one at which it started."
        for name in undetermined_coefficients(network, problem)
    ]
    least = UNDETERMINED[min(problem.domain.dimension, 3)]
    is_unique = weakest is not None and weakest.size >= least
    if size < SMALL_SOLUTION and not (is_unique and problem.is_linear) and not unsolved_by_zero(problem):
        can_search = not problem.is_linear and problem.form.time is None and isinstance(problem.domain, Box)
        more = "; other_solutions looks for more" if can_search else ""
        doubts.append(
            f"The solution is u = 0, which solves every homogeneous problem; another one was not found{more}."
        )
    if weakest is not None and not is_unique:
        what = "a constant" if weakest.is_constant else "another function"
        to = " and ".join(weakest.fields) if len(problem.fields) > 1 else "it"
        doubts.append(f"The solution is not unique: {what} may be added to {to}, and the residual stays the same.")
        if residual > math.sqrt(least):
            doubts.append("The residual does not vanish either, so that the data contradict each other.")
    elif weakest is not None:
        for name in weakest.zero_means:
            checks.append(f"{name} is determined up to a function of time, and its mean over space is zero")
        checks.append(f"no smooth function may be added to it (smallest singular value {weakest.size:.1g})")
    jump = coefficient_jump(problem.form)
    if jump is not None:
        where = f"{problem.domain.coordinates[jump[0]]} = {jump[1]:.4g}"
        doubts.append(
            f"A leading coefficient of the equation jumps near {where}, where derivatives of the solution jump too: "
            "give Interface(on=...) there, or write the equation as a system of first order, with the flux as a field."
        )
    return doubts


def sought_points(network: nn.Module, problem: Collocation, seed: int = 0) -> Sought:
    """Points that are denser where residuals are large; as many as there is time for.

    Notes
    -----
    Stratified sampling that splits those cells that have the largest shares of the mean square, as in recursive
    stratified sampling [1]_; weighted means at the points are means over the domain.

    References
    ----------
    .. [1] W. Press, G. Farrar, "Recursive stratified sampling for multidimensional Monte Carlo integration", Computers
       in Physics 4, 1990, 190.
    """
    domain, dimension = problem.domain, problem.domain.dimension
    if dimension not in FIRST_CELLS:
        x = domain.interior(MANY_DIMENSIONS, "sobol", seed)
        return Sought(x, torch.full((len(x),), 1 / len(x), dtype=torch.float64), squared_residuals(network, problem, x))
    # An integral needs the field at all its places for every point.
    fewer = 8 if problem.has_integrals else 1
    first, most = FIRST_CELLS[dimension] // fewer, SPLIT // fewer
    generator = torch.Generator().manual_seed(seed)
    centers = domain.bounds[:, 0] + domain.size * unit_points(first**dimension, dimension, "grid")
    sides = (domain.size / first).expand_as(centers)
    corners = torch.cartesian_prod(*[torch.tensor([-0.25, 0.25], dtype=torch.float64)] * dimension).reshape(
        -1, dimension
    )

    def drawn(centers: Tensor, sides: Tensor) -> tuple[Tensor, ...]:
        x = centers + sides * (torch.rand(centers.shape, generator=generator, dtype=torch.float64) - 0.5)
        inside = domain.contains(x)
        x, centers, sides = x[inside], centers[inside], sides[inside]
        return x, centers, sides, squared_residuals(network, problem, x) if len(x) else x[:, 0]

    cells = drawn(centers, sides)
    for _ in range(SEARCH_ROUNDS):
        try:
            check_time()
        except OutOfTime:
            break
        x, centers, sides, squares = cells
        order = torch.where(squares.isfinite(), squares * sides.prod(1), math.inf).argsort(descending=True)
        split, kept = order[:most], order[most:]
        finer = (centers[split, None] + sides[split, None] * corners).flatten(0, 1)
        new = drawn(finer, (sides[split] / 2).repeat_interleave(2**dimension, 0))
        cells = tuple(torch.cat([old[kept], more]) for old, more in zip(cells, new, strict=True))
    x, _, sides, squares = cells
    return Sought(x, sides.prod(1) / sides.prod(1).sum(), squares)


def residual_size(network: nn.Module, problem: Collocation, points: Sought) -> float:
    """Weighted mean of the equation's residuals at points, in magnitude, plus those of all conditions.

    The mean of magnitudes, not of squares: beside a corner of the domain the square of the residual of a good solution
    has no finite mean, and the solution depends continuously on the mean.
    """
    total = float((points.weights * points.squares.sqrt()).sum())
    fresh = problem.resampled(1, CONDITION_POINTS, how="sobol", seed=problem.sampling.seed + 1)
    for block in fresh.with_role(BlockRole.CONDITION):
        total += float(block_squares(replace(block, weight=1.0), network, problem).sqrt().mean())
    return total


def _place_of_nan(network: nn.Module, problem: Collocation, x: Tensor) -> str:
    """Words for the first point at which the equation or a condition is not a number."""
    names = problem.domain.coordinates
    fresh = problem.resampled(1, CONDITION_POINTS, how="sobol", interior=x)
    for block in fresh.blocks():
        wrong = ~block_squares(block, network, problem).isfinite()
        if bool(wrong.any()):
            return f"{block.name} gives none at {place_words(names, block.data.x, wrong)}"
    return "the network has values that are none"


def correction_of(
    network: nn.Module, problem: Collocation, points: Sought, residual: float, work: float, is_only: bool = True
) -> float | None:
    """Size of the solution of the error's equation on another grid, relative to the fields; None without such a grid.

    Parameters
    ----------
    network, problem
        The solution.
    points : Sought
        Points at which sizes and residuals are measured.
    residual : float
        Residual of the solution there.
    work : float
        Multiply-adds allowed.
    is_only : bool
        Whether there is no other solution to compare with. Then the correction of slabs of time may also have too few
        points, which take the oscillations of the residual for a smooth source, so that it is far too large.
    """
    check_time()
    degree, (x, weights, _) = max(COARSE_DEGREE, problem.order + 1), points
    for own, per_interval in _grids_of(network, problem, is_only):
        lines = _other_grid(own, per_interval, problem, points, degree, work)
        if lines is not None:
            break
    else:
        return None
    periodic = [name in problem.periodic for name in problem.domain.coordinates]
    error = TensorNetwork(TensorLayer(lines, problem.outputs, degree=degree, periodic=periodic))
    # The residual oscillates on the grid of the network: fewer points would take it for a smooth one.
    are_windows = max(per_interval) > CORRECTION_POINTS
    both = [
        b if are_windows and len(b) >= len(a) else torch.cat([a, b]).unique() for a, b in zip(lines, own, strict=True)
    ]
    sampled = problem.resampled(1, seed=1, mesh=Mesh(problem.domain, both, of_each=per_interval), own_unknowns=True)
    around = problem_around(network, sampled)
    check_time()
    method = linear_method(error.tensor_layer.coef.numel() + len(problem.unknowns) + 1, is_cut=problem.is_cut)
    train_network(error, around, method, 2 if problem.is_linear else 4)
    check_time()
    total = SumNetwork(network, error)
    corrected = problem.with_unknowns({name: value.detach() for name, value in around.unknowns.items()})
    before, after = field_values(network, problem, x), field_values(total, corrected, x)
    shares = [weights[:, None]]
    if isinstance(network, WindowNetwork):  # errors grow in time, and users ask for the last moment
        begin, end = float(network.ends[0]), float(network.ends[-1])
        shares.append(shares[0] * (x[:, network.axis, None] > end - LATE_SHARE * (end - begin)))
    gaps = [float((each * (after - before).square()).sum().sqrt()) for each in shares]
    sizes = [max(float((each * after.square()).sum().sqrt()), ABOVE_ZERO) for each in shares]
    gap = max(gap / size for gap, size in zip(gaps, sizes, strict=True))
    check_time()
    fresh = points._replace(squares=squared_residuals(total, corrected, x))
    left = residual_size(total, corrected, fresh) / max(residual, ABOVE_ZERO)
    if not (math.isfinite(gap) and math.isfinite(left)):
        return None
    if left > 1 and not is_only:  # it is longer than the multiple of it that leaves the least
        return gap / left
    return gap / (1 - left if left < EXPLAINED else 1)


def _grids_of(
    network: nn.Module, problem: Collocation, is_only: bool
) -> Iterator[tuple[Sequence[Tensor], Sequence[int]]]:
    """Breakpoints between which the residual of a network oscillates, and points for each interval; then fewer."""
    ends = [torch.stack([low, high]) for low, high in problem.domain.bounds]
    few = [CORRECTION_POINTS] * len(ends)
    if isinstance(network, WindowNetwork):
        layers, axis = [network.window(number).tensor_layer for number in range(len(network.windows))], network.axis
        finest = max(layers, key=lambda layer: math.prod(layer.coef.shape))
        lines, counts = list(finest.breakpoints), few.copy()
        lines[axis], counts[axis] = network.ends, finest.degrees[axis] + 1
        yield lines, counts
        if not is_only:
            return
    layer = getattr(network, "tensor_layer", None)
    yield layer.breakpoints if isinstance(layer, TensorLayer) else ends, few


def _other_grid(
    own: Sequence[Tensor],
    per_interval: Sequence[int],
    problem: Collocation,
    points: Sought,
    degree: int,
    work: float,
) -> list[Tensor] | None:
    """Breakpoints of a grid unlike that of the network, for the error: in one to three dimensions, or None.

    Each coordinate has intervals of equal shares of the residual and of the length; their number is what the work
    allows, and at most about three times that of the network.
    """
    dimension, fields = problem.domain.dimension, problem.outputs
    if dimension not in COARSE:
        return None
    sizes, are_windows = [len(line) - 1 for line in own], max(per_interval) > CORRECTION_POINTS
    counts = [3 * n // 2 + 1 if n > 1 and not are_windows else round(300 ** (1 / dimension)) for n in sizes]
    rows = 1 + 2 * problem.order
    while True:
        size = math.prod(n + degree for n in counts) * fields
        each = zip(counts, sizes, per_interval, strict=True)
        joined = (per * (m if are_windows and m >= n else n + m) for n, m, per in each)
        residuals = math.prod(joined) * fields * rows
        active = size if problem.has_integrals else (degree + 1) ** dimension * fields
        if 2 * EQUATION_COST.levenberg_marquardt(residuals, size, active) <= work:
            break
        if min(counts) <= degree + 1:
            return None
        counts = [max(degree + 1, round(0.85 * n)) for n in counts]
    lines = equal_shares(points.x, points.weights, points.squares.sqrt(), problem.domain.bounds, counts)
    return [
        line if len(line) > degree + 1 else torch.linspace(low, high, count + 1, dtype=torch.float64)
        for line, count, (low, high) in zip(lines, counts, problem.domain.bounds.tolist(), strict=True)
    ]


def one_sided_residual(network: nn.Module, problem: Collocation) -> float:
    """Root mean square of the equation's residual after it is averaged over cells; 0 where averages are mostly zero.

    Beside a reentrant corner the residual of the solution itself has no mean square, so that the least squares rest at
    other fields, as at a flow that loses mass, on every grid and also in the equation of the error [1]_. Such fields
    leave a residual of one sign over wide parts of the domain, where that of a grid that is too coarse oscillates.
    Splines on domains other than boxes are looked at.

    References
    ----------
    .. [1] E. Lee, T. Manteuffel, C. Westphal, "Weighted-norm first-order system least squares (FOSLS) for problems with
       corner singularities", SIAM J. Numer. Anal. 44, 2006, 1974.
    """
    domain, layer = problem.domain, getattr(network, "tensor_layer", None)
    if isinstance(domain, Box) or problem.form.parts is not None or not isinstance(layer, TensorLayer):
        return 0.0
    x, weights = Mesh(domain, layer.breakpoints).interior()
    block, count = replace(problem.equation_block(points_with(x)), weight=1.0), COARSE[domain.dimension]
    residuals = block_residuals(block, network, problem)
    places = ((x - domain.bounds[:, 0]) / domain.size * count).long().clamp(0, count - 1)
    _, cell = places.unique(dim=0, return_inverse=True)
    sizes = weights.new_zeros(int(cell.max()) + 1).index_add(0, cell, weights)
    totals = residuals.new_zeros(len(sizes), residuals.shape[1]).index_add(0, cell, weights[:, None] * residuals)
    averaged = float((totals.square().sum(1) / sizes.clamp(min=ABOVE_ZERO)).sum())
    whole = float((weights[:, None] * residuals.square()).sum())
    return math.sqrt(averaged / len(x)) if averaged > ONE_SIDED**2 * whole else 0.0


def integrals_gap(network: nn.Module, problem: Collocation, x: Tensor, rule: Rule | None = None) -> float:
    """Largest change of the equation's residuals when integrals have twice as many points, in units of the field.

    They are computed by the rule of the problem, or by another one.
    """
    x = x[:: max(1, len(x) // 500)]
    rule = problem.form.integral_rule if rule is None else rule
    values = []
    with torch.no_grad():
        for factor in (rule.factor, 2 * rule.factor):
            form = with_integrals_by(problem.form, rule._replace(factor=factor))
            each = Collocation(form, problem.sampling, problem.unknowns)
            block = replace(each.equation_block(points_with(x)), weight=1.0)
            copies = {name: value.detach().expand(len(x)) for name, value in problem.unknowns.items()}
            values.append(block.weighted_residuals(block.jet(network, x), block.data, copies))
    return float((values[0] - values[1]).abs().max())


def evidence_of_fields(
    fit: InverseFit, names: Sequence[str], stage: Stage, gap: float, errors: Tensor, values: Tensor
) -> Evidence:
    """Judgement of fields from measured values: their gap to a coarser grid, standard errors and values (N, fields)."""
    checks = [] if math.isnan(gap) else [f"two grids agree to {gap:.1g} of a standard error"]
    checks.append(f"the residual at fresh points is {stage.residual:.1g} in units of the field")
    checks.append(
        f"the measured values have a noise of {fit.noise:.3g} and determine {fit.freedom:.3g} parameters, with "
        f"{', '.join(names)} smoothed by restricted likelihood of derivatives of order {fit.order}"
    )
    if fit.has_noise and fit.is_settled and not fit.rises:
        checks.append("there was no time for further checks")
    doubts = []
    for name, ends in fit.rises.items():
        fallen = (
            f"two standard errors off along the least known direction of {name}, the likelihood falls as at "
            f"{ends[0]:.2g} and {ends[1]:.2g} of them"
        )
        if min(ends) < FALLEN_LEAST:
            doubts.append(f"Error bars are those of a linear problem, which this is not: {fallen}.")
        else:
            checks.append(fallen)
    if not stage.residual <= LARGEST_RESIDUAL:
        doubts.append("The equation does not hold.")
    if not fit.has_noise:
        doubts.append(
            f"The number of measured values, {fit.values}, is too small to know their noise, so that there are no "
            "standard errors."
        )
    if not fit.is_settled:
        doubts.append("The search for the fields ended before fields, smoothing and noise had settled.")
    return Evidence(
        stage.change,
        stage.residual,
        tuple(checks),
        tuple(doubts),
        noise=float(errors.norm()) / max(float(values.norm()), ABOVE_ZERO),
        standard_errors=fit.standard_errors,
    )
