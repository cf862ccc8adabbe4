"""Eigenvalues of a linear homogeneous problem, stated as a `PDE` whose unknown coefficient is the eigenvalue."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from edgewise.checks import check_count, check_kind, check_number
from edgewise.errors import InputError, SolutionWarning, warn_caller
from edgewise.nn.prediction import predict_in_batches
from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE
from edgewise.outcomes import StopReason, check_time, foreseen
from edgewise.pde.domains.domain import checked_points, is_space
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.features import look_at_functions
from edgewise.pde.problem.singular import CornerFunctions
from edgewise.pde.problem.strong_form import Feature, strong_form_of
from edgewise.pde.solver.driver import refine
from edgewise.pde.solver.judging.evidence import clause_of_left_out, sentences_of_features
from edgewise.pde.solver.judging.uniqueness import coefficient_jump, unsolved_by_zero
from edgewise.pde.solver.limits import Ending, Limits
from edgewise.pde.solver.solution import in_kind_of
from edgewise.pde.spectrum.grids import finer_grids, harmonic_corners
from edgewise.pde.spectrum.matrices import on_cut_cells, on_fitted_cells
from edgewise.presentation import typed_text
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SearchSettings:
    """Krylov's spaces for eigenvalues, and when grids agree."""

    rounding: float = 1e-14  # share of the largest that rounding alone may leave of vectors and of inverse eigenvalues
    # Vectors more than eigenvalues in a block of Krylov's space, and blocks.
    extra_vectors: int = 4
    krylov_blocks: int = 16
    # Where the start value is so near an eigenvalue, relative to the farthest one that is wanted, the matrix is
    # factorised beside it: by a share of the distance of the nearest other one, or where it is singular by a small
    # number at first; so often at most; half of the digits are lost beside an eigenvalue.
    too_near: float = 1e-4
    beside_nearest: float = 0.1
    small_shift: float = 1e-9
    most_shifts: int = 4
    # Asymmetry, relative to the largest entry, up to which a matrix is symmetric: far above rounding.
    symmetric: float = 1e-8
    # Distance of the values of the coefficient from whose matrices that of its factor is a difference: it is far larger
    # than what rounding of high derivatives leaves of it.
    far: float = 2.0**40
    tolerance: float = 1e-10  # relative difference of two grids at which the search ends
    # Relative difference of two grids below which a larger one than before may be rounding, and the length of a
    # row of them that is rounding: what coarse grids do not see, as narrow wells, makes larger ones.
    difference_of_rounding: float = 1e-6
    grids_of_rounding: int = 2


SETTINGS = SearchSettings()


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
        shown = ", ".join(
            f"{typed_text(value, 10)} ± {typed_text(error, 1)}"
            for value, error in zip(self.values, self.errors, strict=True)
        )
        return f"<Eigenvalues {shown}>"

    def function(self, number: int) -> Callable[[Tensor | ArrayLike], Tensor | np.ndarray]:
        """The eigenfunction of an eigenvalue, as a function of points (b, n) to (b, fields), as a `Solution` is one.

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

        def eigenfunction(x: Tensor | ArrayLike) -> Tensor | np.ndarray:
            values = predict_in_batches(network, checked_points(self.problem.domain, x))
            return in_kind_of(x, values)

        return eigenfunction


def eigenvalues(
    problem: Collocation, count: int = 6, *, tolerance: float = SETTINGS.tolerance, time_limit: float | None = None
) -> Eigenvalues:
    """Eigenvalues of a linear homogeneous problem with one unknown coefficient, those nearest to its start value.

    Parameters
    ----------
    problem : PDE
        Equation and conditions, linear and homogeneous in the fields; the unknown coefficient, which must enter
        linearly, is the eigenvalue; conditions may hold it too, as Steklov's. Leading coefficients must not jump. On a
        domain of up to three coordinates of space;
        systems, and equations of another order than two, on a box or a polygon whose edges follow the axes, and
        without the coefficient in conditions.
    count : int
        Number of eigenvalues.
    tolerance : float
        Relative difference of two grids at which the search ends; else it ends where a grid has more than 3,600
        splines, or where finer grids differ more, by rounding. The two grids that differ least give the eigenvalues.
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
    Fields are sums of products of B-splines of degree five, higher for orders above four, that fulfil all
    conditions, and the residual is orthogonal to each of these sums (Galerkin [1]_); for self-adjoint problems the
    errors of eigenvalues are the squares of those of functions. The pairs nearest to the start value s come from a
    block Krylov space of (A + s B)^-1 B [2]_. Grids are graded towards reentrant corners; where the leading part of
    the equation is the Laplacian, functions that are singular there, r^a sin(a t) times polynomials of the radius,
    are added to the splines [3]_. On domains whose boundaries cut cells of the grid, and with the eigenvalue in a
    condition, splines have degree eight, five in three dimensions; values on the boundary are those of Nitsche's
    method [4]_, and eigenvalues on smooth domains converge as fast. Their corners have no functions of their own:
    eigenvalues of drums with reentrant ones converge slowly, and the errors say so.

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
    # Finer and finer grids, until two agree.
    limits = Limits(math.inf, time_limit, is_judged=False)
    grids = _Grids(limits)
    with limits.holds():
        is_fitted = _check_problem(problem)
        ending = refine(_levels(problem, count, is_fitted, grids), grids, tolerance)
        look = look_at_functions(problem.form)
    if ending.reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    is_over = ending.reason is StopReason.TIME_LIMIT
    # Errors where no grid has as many eigenvalues as are wanted.
    best = grids.best
    if best is None and is_over:
        assert time_limit is not None, "a limit has ended the work"
        raise InputError(f"time_limit must be long enough for {count} eigenvalues, got {typed_text(time_limit)} s")
    if best is None:
        raise InputError(f"count must be at most about {grids.size}, as many as the finest grid has, got {count}")
    # What their differences say.
    errors = grids.errors
    if grids.count == 1:
        errors = np.full(count, math.nan)
        trust = f"Not checked: there is only one grid, of {grids.size:,} splines."
    else:
        trust = (
            f"Checked: two of {grids.count} grids, up to {best.size:,} splines, agree to {typed_text(errors.max(), 1)}."
        )
    if is_over:
        trust = f"{trust[:-1]}; the time was over before the next one."
    # Given functions that no grid has seen, or at which nobody has looked.
    unseen = clause_of_left_out(problem, look, best.size, "the distance of splines")
    if unseen:
        trust = f"{trust[:-1]}; {unseen}."
    doubts = " ".join(sentences_of_features(problem, look.features, best.lines))
    if doubts:
        trust = f"Not to be trusted: {doubts} {trust}"
        errors = np.maximum(errors, np.abs(best.values))
        warn_caller(doubts, SolutionWarning)
    return Eigenvalues(best.values, errors, problem, best.networks, trust)


@dataclass(frozen=True, eq=False)
class _Level:
    """Eigenvalues on one grid, their functions, and the number of splines."""

    values: np.ndarray
    networks: tuple[nn.Module, ...]
    size: int
    lines: list[Tensor]  # breakpoints of each axis


class _Grids:
    """Record of the grids, of which the two that differ least give the eigenvalues."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.best: _Level | None = None
        self.errors = np.zeros(0)
        self.size = 0  # number of splines of the last grid, also where it has too few
        self.count = 0
        self._last: _Level | None = None
        self._change = math.inf
        self._least = math.inf
        self._worse = 0

    def add(self, level: _Level) -> None:
        """Compare a grid with the one before."""
        last = self._last
        self._last = level
        self.count += 1
        if last is None:
            self.best = level
            return
        # Largest relative change of an eigenvalue since the grid before.
        size = np.abs(level.values)
        unit = min(1.0, float(size.max()))  # for eigenvalues near zero; in SI units all may be small
        gaps = np.abs(level.values - last.values)
        self._change = float((gaps / np.maximum(size, max(unit, ABOVE_ZERO))).max())
        # Small changes that grow again are rounding, and the best grid stays; else this one is the best so far.
        if self._least < self._change < SETTINGS.difference_of_rounding:
            self._worse += 1
        else:
            self._worse = 0
            self.best = level
            self.errors = gaps
            self._least = self._change

    def verdict(self, tolerance: float) -> Ending | None:
        """Converged where two grids agree; no progress where they differ by rounding."""
        if self._change <= tolerance:
            return Ending(StopReason.CONVERGED)
        return Ending(StopReason.NO_PROGRESS) if self._worse == SETTINGS.grids_of_rounding else None

    def cut(self, reason: StopReason) -> Ending:
        """Nothing is kept of a grid that is cut."""
        return Ending(reason)

    def settle(self, ending: Ending) -> None:
        """The best grid is known."""


def _levels(problem: Collocation, count: int, is_fitted: bool, grids: _Grids) -> Generator[_Level, None, Ending]:
    """Grids with enough splines, from coarse to fine."""
    corners = harmonic_corners(problem) if is_fitted else []
    for lines in finer_grids(problem, is_fitted, bool(corners)):
        with foreseen("grid", math.prod(map(len, lines)) ** 2):
            values, networks, grids.size = _on_grid(
                problem, lines, count, corners if is_fitted else None, is_first=not grids.size
            )
        if len(values) >= count:
            yield _Level(values, networks, grids.size, lines)
    return Ending(StopReason.NO_PROGRESS)


def _check_problem(problem: Collocation) -> bool:
    """Raise an InputError unless there are eigenvalues; True if splines fit the domain and all conditions lack them."""
    check_kind(problem, Collocation, "problem must be a PDE")
    # Linear and homogeneous in the fields, with one coefficient.
    domain = problem.domain
    if len(problem.form.coefficients) != 1:
        named = ", ".join(problem.form.coefficients) or "none"
        raise InputError(f"problem must have one unknown coefficient, the eigenvalue, got {named}")
    (name, start), *_ = problem.form.coefficients.items()
    form = problem.form
    beside = strong_form_of(form.equation, domain, form.conditions, coefficients={name: start + 1.0})
    came = "measured values"
    if Feature.OBSERVATIONS not in form.features:
        came = unsolved_by_zero(problem)
    if came or not (form.is_linear and beside.is_linear):
        fields = ", ".join(problem.fields)
        came = came or f"an equation or a condition that is not linear in {fields}"
        raise InputError(f"problem must be linear and homogeneous in {fields} for eigenvalues, got {came}")
    # Nothing that Galerkin's method of splines does not hold.
    without = {
        Feature.HARD_CONDITIONS: "a hard condition",
        Feature.DELAYS: "a delay",
        Feature.INTEGRALS: "an integral",
    }
    unfit = [words for feature, words in without.items() if feature in form.features]
    if unfit:
        raise InputError(
            f"problem must have no integrals, no delays and no hard conditions for eigenvalues, got {unfit[0]}"
        )
    # Orders that splines have, on space alone, with leading coefficients that do not jump.
    if problem.form.order > MAX_PRODUCT_DEGREE - 2:
        raise InputError(
            f"problem must be of order {MAX_PRODUCT_DEGREE - 2} at most for eigenvalues, got {problem.form.order}"
        )
    if Feature.INTERFACES in form.features:
        raise InputError("problem must have no Interface for eigenvalues, got one")
    if not all(map(is_space, domain.coordinates)):
        raise InputError(
            "problem must not depend on time or a Parameter for eigenvalues, got the coordinates "
            f"{', '.join(domain.coordinates)}: ask for them at one value after another"
        )
    jump = coefficient_jump(form)
    if jump is not None:
        raise InputError(
            "problem must have leading coefficients without jumps for eigenvalues, got a jump near "
            f"{domain.coordinates[jump[0]]} = {typed_text(jump[1], 4)}: where slopes are continuous, divide the "
            "equation by the coefficient; where fluxes are, smooth the jump over a short distance"
        )
    # Domains, and as many residuals as fields.
    if domain.dimension > 3 or (domain.dimension == 1 and not domain.is_box):
        raise InputError(
            f"domain must be of up to three coordinates, and an interval where it has one, for eigenvalues, "
            f"got {type(domain).__name__} of {domain.dimension}"
        )
    if (residuals := len(form.equation_term.requirements.sizes)) != len(problem.fields):
        raise InputError(
            f"equation must return as many residuals as there are fields for eigenvalues, got {residuals} for "
            f"{len(problem.fields)}"
        )
    # Splines fulfil conditions without the coefficient on boxes and their like; cut cells hold one equation of order 2.
    pairs = zip(form.condition_terms, beside.condition_terms, strict=True)
    is_fixed = all(own.requirements.jacobian == other.requirements.jacobian for own, other in pairs)
    is_fitted = is_fixed and domain.is_of_cells
    if not is_fitted and (len(problem.fields) > 1 or problem.form.order != 2):
        where = f"on a {type(domain).__name__}" if is_fixed else f"with {name} in a condition"
        raise InputError(
            f"problem must be one equation of second order for eigenvalues {where}, got {len(problem.fields)} of order "
            f"{problem.form.order}: others need a box, or a polygon with edges along the axes, and conditions without "
            f"{name}"
        )
    return is_fitted


def _on_grid(
    problem: Collocation, lines: list[Tensor], count: int, corners: list[CornerFunctions] | None, *, is_first: bool
) -> tuple[np.ndarray, tuple[nn.Module, ...], int]:
    """Eigenvalues, eigenfunctions and the number of splines on one grid; none, and how many it has, if too few.

    Without a list of functions of corners splines cannot fulfil the conditions. On the first grid it is also checked
    that the coefficient enters linearly.
    """
    # Matrices A and B of A u = (s - c) B u, as differences at values of the coefficient; symmetric but for rounding.
    (start,) = problem.form.coefficients.values()
    moved = [start, start + SETTINGS.far]
    if is_first:
        moved.append(start + 2 * SETTINGS.far)
    if corners is None:
        (stiff, second, *beyond), function = on_cut_cells(problem, lines, moved)
    else:
        (stiff, second, *beyond), function = on_fitted_cells(problem, lines, corners, moved)
    mass = (second - stiff) / SETTINGS.far
    (name,) = problem.form.coefficients
    for third in beyond:
        bent = float(((third - second) / SETTINGS.far - mass).abs().max())
        if not bent <= SETTINGS.symmetric * float(second.abs().max()) / SETTINGS.far:
            raise InputError(f"problem must depend linearly on the coefficient {name} for eigenvalues")
    if not bool(mass.any()):
        raise InputError(f"problem must depend on the coefficient {name} for eigenvalues, got an equation without it")
    width = SETTINGS.extra_vectors + count
    if len(stiff) < width:
        return np.zeros(0), (), len(stiff)
    for matrix in (stiff, mass):
        if float((matrix - matrix.mT).abs().max()) < SETTINGS.symmetric * float(matrix.abs().max()):
            matrix.copy_((matrix + matrix.mT) / 2)
    # Ritz values nearest to the start, with the factors beside it where it is an eigenvalue itself.
    shift = 0.0
    for _ in range(SETTINGS.most_shifts):
        ritz = _ritz_values(stiff + shift * mass, mass, width)
        if ritz is None or len(ritz[0]) < count:  # the start value may be an eigenvalue to the last digit
            shift += SETTINGS.small_shift * (1 + abs(start))
            continue
        inverse, vectors, basis = ritz
        candidates = start + shift - 1 / inverse
        order = (candidates - start).abs().argsort()[:count]
        near = (candidates[order] - start).abs()
        if count == 1 or float(near[0]) >= SETTINGS.too_near * float(near[-1]):
            break
        # Beside an eigenvalue the others are lost in rounding: the factors are made a little beside it.
        shift = -SETTINGS.beside_nearest * float(near[near >= SETTINGS.too_near * near[-1]][0])
    if ritz is None:
        raise InputError(f"coefficients must start at a value that is no eigenvalue, got {typed_text(start)}")
    if len(ritz[0]) < count:
        return np.zeros(0), (), len(ritz[0])
    # Real eigenvalues in order, and their functions.
    order = order[candidates[order].real.argsort(stable=True)]
    found = candidates[order].numpy()
    if float(np.abs(found.imag).max()) > SETTINGS.symmetric * float(np.abs(found).max() + 1):
        return found, (), len(stiff)
    vectors = vectors[:, order]
    vectors = vectors / vectors.gather(0, vectors.abs().argmax(0, keepdim=True))  # real but for a common factor
    return found.real, tuple(function(basis @ vector.real) for vector in vectors.mT), len(stiff)


def _ritz_values(stiff: Tensor, mass: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Eigenvalues of stiff^-1 mass in a block Krylov space, their vectors, and its basis; None if stiff is singular."""
    # Krylov's space of random vectors, with factors of the matrix.
    factor = torch.linalg.lu_factor(stiff)

    def applied(vectors: Tensor) -> Tensor:
        return torch.linalg.lu_solve(*factor, mass @ vectors)

    block = torch.randn(len(stiff), width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    basis = block[:, :0]
    while block.shape[1] and basis.shape[1] + width <= min(len(stiff), SETTINGS.krylov_blocks * width):
        check_time()
        block = applied(block)
        if not bool(block.isfinite().all()):
            return None
        left, sizes, _ = torch.linalg.svd(block - basis @ (basis.mT @ block), full_matrices=False)
        block = left[:, sizes > SETTINGS.rounding * block.norm()]  # of a mass of low rank nothing else is left
        # Twice is enough (W. Kahan, in B. Parlett, "The Symmetric Eigenvalue Problem", section 6.9).
        block = torch.linalg.qr(block - basis @ (basis.mT @ block))[0]
        basis = torch.cat([basis, block], 1)
    # Ritz values in it.
    inverse, vectors = torch.linalg.eig(basis.mT @ applied(basis))
    is_finite = inverse.abs() > SETTINGS.rounding * inverse.abs().max()
    return inverse[is_finite], vectors[:, is_finite], basis
