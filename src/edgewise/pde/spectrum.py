"""Eigenvalues of a linear homogeneous problem, stated as a `PDE` whose unknown coefficient is the eigenvalue."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.checks import check_count, check_number
from edgewise.errors import InputError
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import Deadline, OutOfTime, check_time, foreseen
from edgewise.pde.domains.domain import TIME, Box
from edgewise.pde.domains.mesh import Mesh, separated
from edgewise.pde.domains.shapes import Polygon
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.corners import CornerFunctions, corner_functions
from edgewise.pde.problem.strong_form import strong_form_of
from edgewise.pde.solver.judging.uniqueness import zero_solves
from edgewise.pde.structured.axis import SplineAxis
from edgewise.pde.structured.cut import CutGalerkin, CutGrid
from edgewise.pde.structured.networks import EnrichedNetwork, TensorNetwork
from edgewise.pde.structured.stationary import network_of
from edgewise.settings import ABOVE_ZERO
from edgewise.train.cost import WorkBudget
from edgewise.train.jacobian import RowSource, trainable_slots
from edgewise.train.problems.block_problem import BlockProblem
from edgewise.train.problems.blocks import BlockRole, ResidualBlock

# Intervals of each coordinate on the first grid, by dimension, and factor from grid to grid. A choice: the first takes
# milliseconds, and splines of degree 5 have eigenvalues that converge with the tenth power of the grid size.
COARSEST_GRID, FINER = {1: 16, 2: 7, 3: 3}, 1.5
MOST_SPLINES = 3600  # of all fields. A choice: their dense matrices are factorised within about ten seconds
SPLINE_DEGREE = 5  # of the splines. A choice: higher ones couple more splines and lose digits on graded grids
# The same where the boundary cuts cells, by dimension. Choices: splines of degree 8 have ten digits on a disk after
# three seconds, and in three dimensions products of higher ones are dear.
COARSEST_CUT_GRID, CUT_SPLINE_DEGREE, MOST_CUT_SPLINES = {1: 8, 2: 6, 3: 4}, {1: 8, 2: 8, 3: 5}, 1500
# Energy, relative to the largest, below which a sum of splines hardly reaches into the domain, so that rounding alone
# determines its eigenvalue. A choice: eigenvalues change by as much where it is left out.
LEAST_ENERGY = 1e-13
GAUSS_POINTS = SPLINE_DEGREE + 1  # in each interval: exact for products of two splines
# Octaves towards a reentrant corner on the first grid, and more of them from grid to grid. An eigenvalue's error there
# falls with the size of the smallest cell to the power of 4/3 for an angle of 270 degrees.
CORNER_OCTAVES, MORE_OCTAVES = 10, 6
# Where the singular functions of the corners are known: intervals of the first grid, octaves, and the most splines;
# octaves of the quadrature, whose integrands are bounded; and the residual of such a function, relative to its largest
# derivative, up to which the equation's leading part is the Laplacian. Choices: half a minute to nine digits.
COARSEST_WITH_CORNERS, OCTAVES_WITH_CORNERS, MORE_WITH_CORNERS, MOST_WITH_CORNERS = 17, 4, 1, 1800
INTEGRATED_OCTAVES, HARMONIC = 8, 1e-6
CORNER_CHUNK = 2**18  # numbers in the rows of one chunk, where there are also dense rows of these functions
# Share of the largest singular value below which a combination of splines fulfils the conditions: far above rounding
# and far below any combination that does not.
FULFILLED = 1e-10
ROUNDING = 1e-14  # share of the largest that rounding alone may leave of vectors and of inverse eigenvalues
EXTRA_VECTORS, KRYLOV_BLOCKS = 4, 16  # vectors more than eigenvalues in a block of Krylov's space, and blocks. A choice
# Where the start value is so near an eigenvalue, relative to the farthest one that is asked for, the matrix is
# factorised beside it: by a share of the distance of the nearest other one, or where it is singular by a small number
# at first; so often at most. Choices: half of the digits are lost beside an eigenvalue.
TOO_NEAR, BESIDE_NEAREST, SMALL_SHIFT, MOST_SHIFTS = 1e-4, 0.1, 1e-9, 4
SYMMETRIC = 1e-8  # asymmetry, relative to the largest entry, up to which a matrix is symmetric: far above rounding
WANTED = 1e-10  # relative difference of two grids at which the search ends


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """Eigenvalues of a problem and their functions. Made by `eigenvalues`.

    Parameters
    ----------
    values : ndarray
        Eigenvalues, (count,), complex if one of them is; in order of their real parts.
    errors : ndarray
        Differences from those of a coarser grid, (count,): estimates of the errors, on the safe side.
    problem : Collocation
        The problem.
    networks : tuple of Module
        Real eigenfunctions, of mean square 1; empty where eigenvalues are complex.
    trust : str
        What was checked, in words.

    Examples
    --------
    >>> import torch
    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> string = PDE(lambda u, lam: u.xx + lam * u, Interval(0, torch.pi), [Dirichlet(0.0)], coefficients={"lam": 1.0})
    >>> found = eigenvalues(string, count=3)
    >>> found.values.round(8).tolist()
    [1.0, 4.0, 9.0]
    >>> found.function(1)([[0.5]]).shape
    (1, 1)
    """

    values: np.ndarray
    errors: np.ndarray
    problem: Collocation
    networks: tuple[nn.Module, ...]
    trust: str

    def __repr__(self) -> str:
        shown = ", ".join(f"{value:.10g} ± {error:.1g}" for value, error in zip(self.values, self.errors, strict=True))
        return f"<Eigenvalues {shown}>"

    def function(self, number: int) -> Callable[..., np.ndarray]:
        """The eigenfunction of an eigenvalue, as a function of points (b, n) to (b, fields).

        Parameters
        ----------
        number : int
            Its place among `values`, from 0.

        Raises
        ------
        InputError
            There is no eigenvalue of this number, or eigenvalues are complex.
        """
        if not 0 <= number < len(self.networks):
            raise InputError(f"number must be that of a real eigenvalue, 0 to {len(self.networks) - 1}, got {number!r}")
        network = self.networks[number]
        return lambda x: predict_in_batches(network, torch.from_numpy(np.array(x, dtype=np.float64))).numpy()


def eigenvalues(
    problem: Collocation, count: int = 6, *, tolerance: float = WANTED, time_limit: float | None = None
) -> Eigenvalues:
    """Eigenvalues of a linear homogeneous problem with one unknown coefficient, those nearest to its start value.

    Parameters
    ----------
    problem : PDE
        Equation and conditions, linear and homogeneous in the fields; the unknown coefficient, which must enter
        linearly, is the eigenvalue; conditions may hold it too, as Steklov's. On a domain of up to three coordinates;
        systems, and equations of another order than two, on a box or a polygon whose edges follow the axes, and
        without the coefficient in conditions.
    count : int
        Number of eigenvalues.
    tolerance : float
        Relative difference of two grids at which the search ends; else it ends where a grid has more than 3,600
        splines.
    time_limit : float, optional
        Wall seconds allowed: no grid begins after them, nor one that is foreseen to end later.

    Returns
    -------
    Eigenvalues

    Raises
    ------
    InputError
        The problem is not as above, or the splines of the finest grid, or of the last one that the time allows, are
        fewer than `count`.

    Notes
    -----
    Fields are sums of products of B-splines of degree five that fulfil all conditions, and the residual is orthogonal
    to each of these sums (Galerkin [1]_); for self-adjoint problems the errors of eigenvalues are the squares of those
    of functions. The pairs nearest to the start value s come from a block Krylov space of (A + s B)^-1 B [2]_. Grids
    are graded towards reentrant corners; where the leading part of the equation is the Laplacian, functions that are
    singular there, r^a sin(a t) times polynomials of the radius, are added to the splines [3]_. On domains whose
    boundaries cut cells of the grid, and with the eigenvalue in a condition, splines have degree eight, five in three
    dimensions; values on the boundary are those of Nitsche's method [4]_, and eigenvalues on smooth domains converge as
    fast. Their corners have no functions
    of their own: eigenvalues of drums with reentrant ones converge slowly, and the errors say so.

    References
    ----------
    .. [1] G. Strang, G. Fix, "An Analysis of the Finite Element Method", 1973, ch. 6.
    .. [2] Y. Saad, "Numerical Methods for Large Eigenvalue Problems", 2nd ed., 2011, ch. 6 and 8.
    .. [3] G. Strang, G. Fix, "An Analysis of the Finite Element Method", 1973, ch. 8.
    .. [4] E. Burman, S. Claus, P. Hansbo, M. Larson, A. Massing, "CutFEM: Discretizing geometry and partial
       differential equations", Int. J. Numer. Meth. Engng 104, 2015, 472.

    Examples
    --------
    The harmonic oscillator, -u'' / 2 + x^2 u / 2 = E u, on a line that is long enough.

    >>> from edgewise.pde import PDE, Dirichlet, Interval
    >>> oscillator = PDE(
    ...     lambda u, x, E: u.xx / 2 + (E - x**2 / 2) * u, Interval(-9, 9), [Dirichlet(0.0)], coefficients={"E": 0.0}
    ... )
    >>> eigenvalues(oscillator, count=3).values.round(7).tolist()
    [0.5, 1.5, 2.5]
    """
    check_count(count, "count")
    check_number(tolerance, "tolerance")
    if time_limit is not None:
        check_number(time_limit, "time_limit", positive=True)
    clock = WorkBudget(math.inf, time_limit)
    deadline = Deadline(lambda: math.inf if time_limit is None else time_limit - clock.seconds)
    is_fitted = _check_problem(problem)
    before: np.ndarray | None = None
    values, errors = np.zeros(0), np.zeros(0)
    networks: tuple[nn.Module, ...] = ()
    size, grids = 0, 0
    corners = _harmonic_corners(problem) if is_fitted else []
    for lines in _grids(problem, is_fitted, bool(corners)):
        try:
            with deadline.holds(), foreseen("grid", math.prod(map(len, lines)) ** 2):
                new, functions, size = _on_grid(
                    problem, lines, count, corners if is_fitted else None, is_first=not size
                )
        except OutOfTime:
            break
        if len(new) < count:
            continue
        grids += 1
        values, networks = new, functions
        if before is not None:
            errors = np.abs(values - before)
            if float((errors / np.maximum(np.abs(values), 1.0)).max()) <= tolerance:
                break
        before = values
    if not len(values) and deadline.is_over:
        raise InputError(f"time_limit must be long enough for {count} eigenvalues, got {time_limit:g} s")
    if not len(values):
        raise InputError(f"count must be at most about {size}, as many as the finest grid has, got {count}")
    if not len(errors):
        errors = np.full(count, math.nan)
    trust = f"Checked: {grids} grids, of which the last two, up to {size:,} splines, agree to {errors.max():.1g}."
    if grids == 1:
        trust = f"Not checked: there is only one grid, of {size:,} splines."
    if deadline.is_over:
        trust = f"{trust[:-1]}; the time was over before the next one."
    return Eigenvalues(values, errors, problem, networks, trust)


def _check_problem(problem: Collocation) -> bool:
    """Raise an InputError unless there are eigenvalues; True if splines fit the domain and all conditions lack them."""
    if not isinstance(problem, Collocation):
        raise InputError(f"problem must be a PDE, got {type(problem).__name__}")
    domain = problem.domain
    if len(problem.coefficients) != 1:
        named = ", ".join(problem.coefficients) or "none"
        raise InputError(f"problem must have one unknown coefficient, the eigenvalue, got {named}")
    (name, start), *_ = problem.coefficients.items()
    form = problem.form
    beside = strong_form_of(form.equation, domain, form.conditions, coefficients={name: start + 1.0})
    if not (form.is_linear and beside.is_linear) or form.observations or not zero_solves(problem):
        raise InputError("problem must be linear and homogeneous in the fields, so that u = 0 solves it, without data")
    if problem.has_integrals or problem.form.hard.values:
        raise InputError("problem must have no integrals, no delays and no hard conditions for eigenvalues")
    if form.parts is not None:
        raise InputError("problem must have no Interface for eigenvalues, got one")
    if TIME in domain.coordinates:
        raise InputError("problem must not depend on time for eigenvalues")
    if domain.dimension not in COARSEST_GRID or (domain.dimension == 1 and not isinstance(domain, Box)):
        raise InputError(
            f"domain must be of up to three coordinates, and an interval where it has one, for eigenvalues, "
            f"got {type(domain).__name__} of {domain.dimension}"
        )
    if len(problem.form.equation_term.requirements.sizes) != len(problem.fields):
        raise InputError("equation must return as many residuals as there are fields for eigenvalues")
    pairs = zip(form.condition_terms, beside.condition_terms, strict=True)
    is_fixed = all(own.requirements.slopes == other.requirements.slopes for own, other in pairs)
    edges = domain.corners.roll(-1, 0) - domain.corners if isinstance(domain, Polygon) else None
    is_of_cells = isinstance(domain, Box) or (edges is not None and bool((edges == 0).any(1).all()))
    if not (is_fixed and is_of_cells) and (len(problem.fields) > 1 or problem.order != 2):
        where = f"on a {type(domain).__name__}" if is_fixed else f"with {name} in a condition"
        raise InputError(
            f"problem must be one equation of second order for eigenvalues {where}, got {len(problem.fields)} of order "
            f"{problem.order}: others need a box, or a polygon with edges along the axes, and conditions without {name}"
        )
    return is_fixed and is_of_cells


def _harmonic_corners(problem: Collocation) -> list[CornerFunctions]:
    """Singular functions of reentrant corners that fulfil all conditions, or none unless they are all harmonic there.

    They are so if the second derivatives of the equation are a number times the Laplacian at the corner.
    """
    if not isinstance(problem.domain, Polygon) or len(problem.fields) > 1 or problem.order != 2:
        return []
    conditions = problem.with_role(BlockRole.CONDITION)
    numbers = {name: value.detach() for name, value in problem.unknowns.items()}
    found = []
    for functions in corner_functions(problem.domain):
        around = functions.radius * torch.tensor([1e-5, 2e-5], dtype=torch.float64)
        inside = functions.start + functions.opening * torch.tensor([0.3, 0.7], dtype=torch.float64)
        x = functions.corner + around[:, None] * torch.stack([inside.cos(), inside.sin()], 1)
        data = points_with(x)
        block = problem.equation_block(data)
        first = functions.chosen(
            [n for n, (exponent, _, more) in enumerate(functions.terms) if exponent < 2 and not more]
        )
        jet = first.jet(x, block.directions, block.order)
        largest = jet.abs().amax((0, 1))
        copies = {name: value.expand(len(x)) for name, value in numbers.items()}
        for number, size in enumerate(largest.tolist()):
            residual = block.residuals(jet[..., number : number + 1], block.data, copies) * problem.sizes
            if float(residual.abs().max()) > HARMONIC * size:
                return []
        fulfilled = torch.ones(len(functions.terms), dtype=torch.bool)
        for condition in conditions:
            near = condition.data.select((condition.data.x - functions.corner).norm(dim=1) > 0)
            jet = functions.jet(near.x, condition.directions, condition.order)
            copies = {name: value.expand(len(near)) for name, value in numbers.items()}
            for number in range(len(functions.terms)):
                residual = condition.residuals(jet[..., number : number + 1], near, copies)
                fulfilled[number] &= float(residual.abs().max()) < FULFILLED
        if bool(fulfilled.any()):
            found.append(functions.chosen(fulfilled.nonzero()[:, 0].tolist()))
    return found


def _grids(problem: Collocation, is_fitted: bool, corners_are_known: bool) -> Iterator[list[Tensor]]:
    """Breakpoints of ever finer grids; those of polygons hold the corners and are graded towards reentrant ones."""
    domain, count = problem.domain, COARSEST_GRID[problem.domain.dimension]
    octaves, more, most, degree = CORNER_OCTAVES, MORE_OCTAVES, MOST_SPLINES, SPLINE_DEGREE
    if not is_fitted:
        count, most = COARSEST_CUT_GRID[domain.dimension], MOST_CUT_SPLINES
        degree = CUT_SPLINE_DEGREE[domain.dimension]
    if corners_are_known:
        count, octaves, more, most = COARSEST_WITH_CORNERS, OCTAVES_WITH_CORNERS, MORE_WITH_CORNERS, MOST_WITH_CORNERS
    periodic = [name in problem.periodic for name in domain.coordinates]
    while True:
        lines = []
        for axis, (low, high) in enumerate(domain.bounds.tolist()):
            line = torch.linspace(low, high, max(count, degree + 1 if periodic[axis] else 1) + 1, dtype=torch.float64)
            if isinstance(domain, Polygon) and is_fitted:
                coarse = torch.linspace(
                    low, high, count if corners_are_known else max(5, count // 2), dtype=torch.float64
                )
                line = _graded(domain, axis, torch.cat([coarse, domain.corners[:, axis], line[[0, -1]]]), octaves)
            lines.append(line)
        splines = math.prod(len(line) - 1 + (0 if p else degree) for line, p in zip(lines, periodic, strict=True))
        if splines * len(problem.fields) * (1.0 if is_fitted else domain.volume / float(domain.size.prod())) > most:
            return
        yield lines
        count, octaves = math.ceil(FINER * count), octaves + more


def _graded(domain: Polygon, axis: int, line: Tensor, octaves: int) -> Tensor:
    """Breakpoints with more of them towards the reentrant corners: the distance is halved so many times."""
    low, high = domain.bounds[axis].tolist()
    inner = [line]
    for corner in _reentrant_corners(domain):
        steps = (high - low) / 4 * 0.5 ** torch.arange(octaves, dtype=torch.float64)
        inner += [corner[axis] + steps, corner[axis] - steps]
    every = torch.cat(inner)
    return separated(every[(every >= low) & (every <= high)])


def _reentrant_corners(polygon: Polygon) -> Tensor:
    """Corners (m, 2) at which the angle inside is more than 180 degrees."""
    ahead, back = polygon.corners.roll(-1, 0) - polygon.corners, polygon.corners - polygon.corners.roll(1, 0)
    turn = back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0]
    return polygon.corners[turn < 0 if polygon.is_counterclockwise else turn > 0]


def _at_corners(corners: list[CornerFunctions], x: Tensor) -> Tensor:
    """Values (b, E) of all functions of all corners."""
    return torch.cat([x.new_zeros(len(x), 0), *(functions(x) for functions in corners)], 1)


def _on_grid(
    problem: Collocation,
    lines: list[Tensor],
    count: int,
    corners: list[CornerFunctions] | None,
    *,
    is_first: bool = False,
) -> tuple[np.ndarray, tuple[nn.Module, ...], int]:
    """Eigenvalues, eigenfunctions and the number of splines on one grid; none, and how many it has, if too few.

    Without a list of functions of corners splines cannot fulfil the conditions. On the first grid it is also checked
    that the coefficient enters linearly.
    """
    (start,) = problem.coefficients.values()
    moved = [start, start + 1.0, *([start + 2.0] if is_first else [])]
    if corners is None:
        (stiff, second, *beyond), function = _on_cut_cells(problem, lines, moved)
    else:
        (stiff, second, *beyond), function = _on_fitted_cells(problem, lines, corners, moved)
    mass = second - stiff
    for third in beyond:
        if float((third - second - mass).abs().max()) > SYMMETRIC * float(second.abs().max()):
            (name,) = problem.coefficients
            raise InputError(f"problem must depend linearly on the coefficient {name} for eigenvalues")
    width = EXTRA_VECTORS + count
    if len(stiff) < width:
        return np.zeros(0), (), len(stiff)
    for matrix in (stiff, mass):
        if float((matrix - matrix.mT).abs().max()) < SYMMETRIC * float(matrix.abs().max()):
            matrix.copy_((matrix + matrix.mT) / 2)
    shift = 0.0
    for _ in range(MOST_SHIFTS):
        ritz = _ritz_values(stiff + shift * mass, mass, width)
        if ritz is None or len(ritz[0]) < count:  # the start value may be an eigenvalue to the last digit
            shift += SMALL_SHIFT * (1 + abs(start))
            continue
        inverse, vectors, basis = ritz
        candidates = start + shift - 1 / inverse
        order = (candidates - start).abs().argsort()[:count]
        near = (candidates[order] - start).abs()
        if count == 1 or float(near[0]) >= TOO_NEAR * float(near[-1]):
            break
        # Beside an eigenvalue the others are lost in rounding: the factors are made a little beside it.
        shift = -BESIDE_NEAREST * float(near[near >= TOO_NEAR * near[-1]][0])
    if ritz is None:
        raise InputError(f"coefficients must start at a value that is no eigenvalue, got {start:g}")
    if len(ritz[0]) < count:
        return np.zeros(0), (), len(ritz[0])
    order = order[candidates[order].real.argsort(stable=True)]
    found = candidates[order].numpy()
    if float(np.abs(found.imag).max()) > SYMMETRIC * float(np.abs(found).max() + 1):
        return found, (), len(stiff)
    vectors = vectors[:, order]
    vectors = vectors / vectors.gather(0, vectors.abs().argmax(0, keepdim=True))  # real but for a common factor
    return found.real, tuple(function(basis @ vector.real) for vector in vectors.mT), len(stiff)


def _ritz_values(stiff: Tensor, mass: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Eigenvalues of stiff^-1 mass in a block Krylov space, their vectors, and its basis; None if stiff is singular."""
    factor = torch.linalg.lu_factor(stiff)

    def applied(vectors: Tensor) -> Tensor:
        return torch.linalg.lu_solve(*factor, mass @ vectors)

    block = torch.randn(len(stiff), width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    basis = block[:, :0]
    while block.shape[1] and basis.shape[1] + width <= min(len(stiff), KRYLOV_BLOCKS * width):
        check_time()
        block = applied(block)
        if not bool(block.isfinite().all()):
            return None
        left, sizes, _ = torch.linalg.svd(block - basis @ (basis.mT @ block), full_matrices=False)
        block = left[:, sizes > ROUNDING * block.norm()]  # of a mass of low rank nothing else is left
        # Twice is enough (W. Kahan, in B. Parlett, "The Symmetric Eigenvalue Problem", section 6.9).
        block = torch.linalg.qr(block - basis @ (basis.mT @ block))[0]
        basis = torch.cat([basis, block], 1)
    inverse, vectors = torch.linalg.eig(basis.mT @ applied(basis))
    is_finite = inverse.abs() > ROUNDING * inverse.abs().max()
    return inverse[is_finite], vectors[:, is_finite], basis


Matrices = tuple[list[Tensor], Callable[[Tensor], nn.Module]]
"""Matrices (P, P) at some values of the coefficient, and what makes a function of mean square 1 from a vector (P,)."""


def _on_fitted_cells(
    problem: Collocation, lines: list[Tensor], corners: list[CornerFunctions], values: list[float]
) -> Matrices:
    """Galerkin's method with splines, and functions of corners, that fulfil all conditions."""
    periodic = [name in problem.periodic for name in problem.domain.coordinates]
    layer = TensorLayer(lines, len(problem.fields), degree=SPLINE_DEGREE, periodic=periodic)
    network = TensorNetwork(layer)
    (name,) = problem.coefficients
    finer, domain = lines, problem.domain
    if corners and isinstance(domain, Polygon):
        halved = [torch.cat([line, (line[1:] + line[:-1]) / 2]) for line in lines]
        finer = [_graded(domain, axis, line, INTEGRATED_OCTAVES) for axis, line in enumerate(halved)]
    mesh = Mesh(domain, finer, GAUSS_POINTS)
    problems = [
        problem.with_unknowns(
            {name: nn.Parameter(torch.tensor(value, dtype=torch.float64), requires_grad=False)}
        ).resampled(1, mesh=mesh)
        for value in values
    ]
    projected = [_projected(network, each, corners) for each in problems]
    space = _fulfilling(network, problems[:2], projected[0][1])
    x, weights = mesh.interior()

    def function(vector: Tensor) -> nn.Module:
        coef = space @ vector
        coef, factors = coef[: layer.coef.numel()], coef[layer.coef.numel() :]
        one = TensorLayer(lines, len(problem.fields), degree=SPLINE_DEGREE, periodic=periodic)
        one.coef = nn.Parameter(coef.reshape(one.coef.shape))
        made = EnrichedNetwork(one, corners, factors) if corners else TensorNetwork(one)
        norm = (weights[:, None] * predict_in_batches(made, x).square()).sum(1).mean().sqrt()
        one.coef.data /= norm
        if isinstance(made, EnrichedNetwork):
            made.factors.data /= norm
        return made

    return [space.mT @ matrix @ space for matrix, _ in projected], function


def _on_cut_cells(problem: Collocation, lines: list[Tensor], values: list[float]) -> Matrices:
    """Galerkin's method with all splines that reach into the domain, whose boundary cuts cells."""
    domain, (name,) = problem.domain, problem.coefficients
    degree = CUT_SPLINE_DEGREE[domain.dimension]
    periodic = [each in problem.periodic for each in domain.coordinates]
    axes = [SplineAxis(line.numpy(), degree, repeats) for line, repeats in zip(lines, periodic, strict=True)]
    grid = CutGrid(problem.form, domain, axes, points_of_interval=degree + 1)
    matrices = [torch.from_numpy(CutGalerkin(problem.form, grid, {name: value}).matrix) for value in values]
    mass = matrices[1] - matrices[0]
    share = matrices[0].diagonal().abs().max() / mass.diagonal().abs().max().clamp(min=ABOVE_ZERO)
    energy = matrices[0] + share * mass * mass.diagonal().sum().sign()
    unit = energy.diagonal().abs().clamp(min=ABOVE_ZERO).rsqrt()
    sizes, directions = torch.linalg.eigh(unit[:, None] * (energy + energy.mT) / 2 * unit)
    space = unit[:, None] * directions[:, sizes > LEAST_ENERGY * sizes[-1]]

    def function(vector: Tensor) -> nn.Module:
        coef, inside = (space @ vector).numpy(), grid.parts[0]
        shares = inside.weights**2 / (inside.weights**2).sum()
        coef = coef / math.sqrt(shares @ (grid.inside @ coef) ** 2)
        return network_of(axes, grid.spread(coef[None, :, None])[0])

    return [space.mT @ matrix @ space for matrix in matrices], function


def _projected(network: TensorNetwork, problem: Collocation, corners: list[CornerFunctions]) -> tuple[Tensor, Tensor]:
    """Products (P, P) of functions with the equation's residuals of functions, and energy norms (P,) of the functions.

    The functions are the splines, and after them those of corners.

    Residual r is multiplied with the splines of field r. The energy norm is the root of the norm of the spline times
    that of its residual: with splines of energy norm 1, matrices of strongly graded grids lose few digits.
    """
    fields = len(problem.fields)
    splines = network.tensor_layer.coef.numel()
    size = splines + sum(len(functions.terms) for functions in corners)
    (block,) = problem.with_role(BlockRole.EQUATION)
    alone = BlockProblem([block], problem.unknowns)
    total, squares = torch.zeros(size * size, dtype=torch.float64), torch.zeros(2, size, dtype=torch.float64)
    offset = 0
    slots = trainable_slots(network, alone)
    source = RowSource(network, alone, slots, *([CORNER_CHUNK] if corners else []))
    for rows, _ in source.chunks():
        check_time()
        (run,) = rows.runs
        part = len(run.starts) // fields
        x, weight = block.data.x[offset : offset + part], block.data.weight
        roots = torch.ones(part, dtype=torch.float64) if weight is None else weight[offset : offset + part].sqrt()
        offset += part
        for field in range(fields):
            sensitivity = torch.zeros(1, part, fields, dtype=torch.float64)
            sensitivity[..., field] = roots
            (tested,) = network.tensor_layer.jacobian_segments(x[None], sensitivity)
            own = slice(field * part, (field + 1) * part)
            columns, values = _entries(run.starts[own], run.values[own])
            places, tests = _entries(tested.starts, tested.values)
            flat = places[:, :, None] * size + columns[:, None, :]
            total.index_add_(0, flat.flatten(), (tests[:, :, None] * values[:, None, :]).flatten())
            squares[0].index_add_(0, places.flatten(), tests.square().flatten())
            squares[1].index_add_(0, columns.flatten(), values.square().flatten())
            if corners:
                of_corners = _at_corners(corners, x) * roots[:, None]
                left = _residuals_at_corners(corners, block, slice(offset - part, offset), problem)
                row = torch.zeros(part, splines, dtype=torch.float64).scatter_(1, columns, values)
                test = torch.zeros(part, splines, dtype=torch.float64).scatter_(1, places, tests)
                matrix = total.view(size, size)
                matrix[:splines, splines:] += test.mT @ left
                matrix[splines:, :splines] += of_corners.mT @ row
                matrix[splines:, splines:] += of_corners.mT @ left
                squares[0, splines:] += of_corners.square().sum(0)
                squares[1, splines:] += left.square().sum(0)
    return total.reshape(size, size), squares.prod(0).sqrt().sqrt()


def _residuals_at_corners(
    corners: list[CornerFunctions], block: ResidualBlock, part: slice, problem: Collocation
) -> Tensor:
    """Weighted residuals (b, E) of all functions of all corners at a part of the points of a block."""
    data = block.data.select(part)
    jet = torch.cat([functions.jet(data.x, block.directions, block.order) for functions in corners], 2)
    copies = {name: value.detach().expand(len(data)) for name, value in problem.unknowns.items()}
    columns = [block.weighted_residuals(column[..., None], data, copies) for column in jet.unbind(2)]
    return torch.cat(columns, 1)


def _entries(starts: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and entries of each row, (b, s * length) both, from its runs."""
    columns = starts[..., None] + torch.arange(values.shape[2])
    return columns.flatten(1), values.flatten(1)


def _fulfilling(network: TensorNetwork, problems: list[Collocation], norms: Tensor) -> Tensor:
    """Combinations (P, m) of functions of energy norm 1 that fulfil the conditions of these problems.

    Functions after the splines fulfil them already.
    """
    rows = []
    for problem in problems:
        blocks = problem.with_role(BlockRole.CONDITION)
        if blocks:
            alone = BlockProblem(list(blocks), problem.unknowns)
            rows.append(RowSource(network, alone, trainable_slots(network, alone)).in_full()[0])
    seen = norms > FULFILLED * norms.max()  # other splines have no point inside the domain
    unit = torch.where(seen, 1 / norms, 0.0)
    free = seen.nonzero()[:, 0]
    identity = torch.zeros(len(norms), len(free), dtype=torch.float64)
    identity[free, torch.arange(len(free))] = unit[free]
    if not rows:
        return identity
    every = torch.cat(rows)
    every = torch.cat([every, every.new_zeros(len(every), len(norms) - every.shape[1])], 1)
    scaled = every[:, free] * unit[free]
    size = scaled.norm(dim=0)
    bound = size > FULFILLED * size.max()
    _, sizes, directions = torch.linalg.svd(scaled[:, bound] / size[bound], full_matrices=True)
    rank = int((sizes > FULFILLED * sizes[0]).sum())
    kept = directions[rank:].mT / size[bound][:, None]
    return torch.cat([identity[:, ~bound], identity[:, bound] @ torch.linalg.qr(kept)[0]], 1)
