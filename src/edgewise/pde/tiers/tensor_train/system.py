"""A linearised problem on a box as a matrix and a right-hand side in tensor trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import torch

from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.linearisation import linearise, residuals_at, zero_jet
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis, dense
from edgewise.pde.spaces.blocks import normal_of
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.tensor_train.functions import Function
from edgewise.pde.tiers.tensor_train.lines import Line
from edgewise.pde.tiers.tensor_train.trains import Entries, Train, added, along, crossed, rounded, scaled


@dataclass(frozen=True)
class SystemSettings:
    """The equation and its conditions in separated form."""

    # Points at which a term is evaluated at once, and at which its structure is looked at.
    points_at_once: int = 2**16
    sample_points: int = 200
    point_work: float = 200.0  # multiply-adds for a coordinate of a point. Measured: 100 to 400, with the field there
    equal: float = 1e-13  # relative difference of coefficients that count as equal: rounding of a few operations
    summed: float = 10.0  # times as much for sums of functions of one coordinate each
    rhs_rounding: float = 1e-15  # tolerance of right-hand sides beside that of their source
    edge_gap: float = 0.05  # of data of conditions or of 1: gap that counts as one where faces meet
    largest_miss: float = 1e-3  # relative error of a coefficient, above which the problem would be another one
    # Of a coefficient that is no sum of functions of one coordinate each: the work of a step is proportional to it.
    most_coefficient_rank: int = 24


SETTINGS = SystemSettings()


Spend = Callable[[float], None]
"""Receives multiply-adds that are done; raises `OutOfTime` where the budget or the time is over."""


class Pointwise:
    """Residual of one term, the equation or a condition, and its Jacobian at any points."""

    def __init__(
        self,
        form: StrongForm,
        term: ResidualTerm,
        face: tuple[int, int] | None = None,
        spend: Spend = lambda work: None,
        number: int = 0,
    ):
        self.form = form
        self.term = term
        self.face = face
        self.spend = spend
        self.number = number
        self.indices: list[Index] = sorted(term.requirements.derivatives[form.fields[0]])

    def __call__(
        self, x: np.ndarray, jet: Mapping[Index, np.ndarray] | None = None, with_jacobian: bool = False
    ) -> tuple[np.ndarray, dict[Index, np.ndarray]]:
        """Residual (N,) at points x (N, d) for the derivatives of a jet, zero if left out, and its Jacobian."""
        parts = []
        all_slopes = []
        for start in range(0, len(x), SETTINGS.points_at_once):
            rows = slice(start, start + SETTINGS.points_at_once)
            points = torch.from_numpy(np.ascontiguousarray(x[rows]))
            self.spend(SETTINGS.point_work * points.numel())
            # The jet at these points.
            if jet is None:
                leaves = zero_jet(self.term, points)
            else:
                leaves = {
                    (0, index): torch.from_numpy(np.ascontiguousarray(jet[index][rows])) for index in self.indices
                }
            place = (self.form, self.term, points, normal_of(self.face, points), leaves, (self.number,))
            if with_jacobian:
                values, jacobian = linearise(*place)
            else:
                values, jacobian = residuals_at(*place), {}
            parts.append(values[0].numpy())
            all_slopes.append({index: slope.numpy() for (_, _, index), slope in jacobian.items()})
        # All points together: a derivative that is absent from the Jacobian of some points has slope zero there.
        found = {index for each in all_slopes for index in each}
        joined = {
            index: np.concatenate([s.get(index, np.zeros_like(p)) for s, p in zip(all_slopes, parts, strict=True)])
            for index in found
        }
        return np.concatenate(parts), joined


@dataclass(eq=False)
class Operator:
    """A matrix as a sum: of matrices of one coordinate each, and of products of matrices of all coordinates."""

    ones: list[np.ndarray]  # for each coordinate the matrix (k, n) where an equation does not differentiate or weigh
    # matrices (k, n) of which each takes the place of one of `ones`: their sum is a part of the whole
    single: list[np.ndarray]
    products: list[list[np.ndarray]] = field(default_factory=list)  # further parts as trains of matrices, (r, k, n, s)

    def restricted(self, bases: Sequence[np.ndarray]) -> Operator:
        """The matrix for unknowns that are combinations (n, m) of those of each coordinate."""
        products = [
            [np.tensordot(c, b, (2, 0)).transpose(0, 1, 3, 2) for c, b in zip(p, bases, strict=True)]
            for p in self.products
        ]
        ones, single = ([a @ b for a, b in zip(each, bases, strict=True)] for each in (self.ones, self.single))
        return Operator(ones, single, products)

    def cores(self) -> list[np.ndarray]:
        """Cores (R, k, n, S) of the whole; the first two numbers of a bond belong to the single matrices."""
        last = len(self.single) - 1
        cores = []
        for k, (one, matrix) in enumerate(zip(self.ones, self.single, strict=True)):
            core = np.array([[one, np.zeros_like(one)], [matrix, one]])  # (done, open) to (done, open)
            if k == 0:
                core = core[1:]
            elif k == last:
                core = core[:, :1]
            core = core.transpose(0, 2, 3, 1)
            # Direct sum with the cores of each product.
            for product in self.products:
                other = product[k]
                if k == 0:
                    r = 1
                else:
                    r = core.shape[0] + other.shape[0]
                if k == last:
                    s = 1
                else:
                    s = core.shape[3] + other.shape[3]
                both = np.zeros((r, *matrix.shape, s))
                both[: core.shape[0], :, :, : core.shape[3]] += core
                both[r - other.shape[0] :, :, :, s - other.shape[3] :] += other
                core = both
            cores.append(core)
        return cores

    def __call__(self, train: Train) -> Train:
        """The matrix times a train; ranks are multiplied."""
        return [
            np.einsum("RijS,rjs->RriSs", a, b, optimize=True).reshape(a.shape[0] * b.shape[0], a.shape[1], -1)
            for a, b in zip(self.cores(), train, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class System:
    """A linear system."""

    matrix: Operator  # square matrix, with identities for `ones`
    rhs: Train  # right-hand side, a train (r, k, s)
    missed: float  # relative error of the source and the coefficients at random points of the grid


def lines_of(
    grid_problem: GridProblem, axes: Sequence[SplineAxis], spend: Spend
) -> tuple[list[Line], list[list[Pointwise]]]:
    """Lines with the homogeneous parts of all conditions, and for each coordinate the conditions at its ends."""
    rows: list[list[np.ndarray]] = [[] for _ in axes]
    owners: list[list[Pointwise]] = [[] for _ in axes]
    form = grid_problem.form
    for number, axis, end in grid_problem.faces():
        condition = form.condition_terms[number]
        x = form.domain.interior(SETTINGS.sample_points, "sobol", seed=SETTINGS.sample_points).numpy()
        x[:, axis] = float(form.domain.bounds[axis, end])
        for residual in range(len(condition.requirements.sizes)):
            term = Pointwise(form, condition, (axis, end), spend, residual)
            row = np.zeros(axes[axis].count)
            # The Jacobian at two fields: the same constants for both, by derivatives along this coordinate alone.
            jets = [{index: np.full(len(x), value) for index in term.indices} for value in (0.0, 0.7)]
            jacobian = [term(x, jet, with_jacobian=True)[1] for jet in jets]
            for index in set(jacobian[0]) | set(jacobian[1]):
                both = np.concatenate([each.get(index, np.zeros(len(x))) for each in jacobian])
                if np.ptp(both) > SETTINGS.equal * np.abs(both).max() or sum(index) != index[axis]:
                    raise NotImplementedError(
                        "the coefficients of a condition vary, or it has derivatives along its face"
                    )
                table = axes[axis].table(axes[axis].breakpoints[[-end]], index[axis])
                row += both[0] * dense(table)[0]
            rows[axis].append(row)
            owners[axis].append(term)
    # Each coordinate with its conditions, which must be independent.
    lines = []
    for line, each in zip(axes, rows, strict=True):
        ends = np.array(each).reshape(-1, line.count)
        if len(ends) and np.linalg.matrix_rank(ends / np.abs(ends).max(1, keepdims=True)) < len(ends):
            raise NotImplementedError("the conditions of a coordinate are dependent")
        lines.append(Line(line, ends))
    return lines, owners


def lift_of(
    grid_problem: GridProblem,
    lines: Sequence[Line],
    owners: Sequence[Sequence[Pointwise]],
    tolerance: float,
    most: int,
    seed: int,
) -> tuple[Function, float]:
    """A function that fulfils all conditions, and the error of their data at random points of faces.

    One coordinate after the other, the last one in the order of priority first: what is missing on its faces is
    continued into the box, by polynomials where that leaves the conditions of the others as they are, else, where
    conditions contradict each other at edges, by functions that are zero but for the first intervals.
    """
    smooth = _lift(grid_problem, lines, owners, [line.lifts for line in lines], tolerance, most, seed)
    # The smooth lift must leave the conditions of all faces fulfilled; else they contradict each other at edges.
    generator = np.random.default_rng(seed)
    bounds = grid_problem.form.domain.bounds.numpy()
    for axis, terms in enumerate(owners):
        for term in terms:
            assert term.face is not None
            x = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * generator.random((SETTINGS.sample_points, len(lines)))
            x[:, axis] = bounds[term.face]
            numbers = np.repeat(np.arange(SETTINGS.sample_points)[:, None], len(lines), 1)
            left = term(x, smooth[0].jet(list(x.T), numbers, term.indices))[0]
            if np.abs(left).max() > SETTINGS.edge_gap * max(float(np.abs(term(x)[0]).max()), 1.0):
                return _lift(grid_problem, lines, owners, [line.sharp_lifts for line in lines], tolerance, most, seed)
    return smooth


def _lift(
    grid_problem: GridProblem,
    lines: Sequence[Line],
    owners: Sequence[Sequence[Pointwise]],
    lifts: Sequence[np.ndarray],
    tolerance: float,
    most: int,
    seed: int,
) -> tuple[Function, float]:
    """The lift of all conditions by given functions of each coordinate, see `lift_of`."""
    bounds = grid_problem.form.domain.bounds.numpy()
    total: Train | None = None
    missed = 0.0
    for axis in reversed(grid_problem.priority):
        # Conditions at the ends of this coordinate.
        others = [k for k in range(len(lines)) if k != axis]
        parts: list[Train] = []
        for row, term in enumerate(owners[axis]):

            def data(numbers: np.ndarray, term: Pointwise = term, others: list[int] = others) -> np.ndarray:
                assert term.face is not None
                x = np.full((len(numbers), len(lines)), bounds[term.face])
                x[:, others] = np.stack([lines[k].nodes[numbers[:, place]] for place, k in enumerate(others)], 1)
                return -term(x)[0]

            # The data of a condition as a train of the other coordinates, less what the lifts so far give there.
            shape = [len(lines[k].nodes) for k in others]
            given = crossed(data, shape, tolerance, most, seed)
            if given is None:
                raise NotImplementedError("the data of a condition are no numbers")
            missed = max(missed, given[1])
            gap = along(given[0], [lines[k].fitted for k in others])
            if total is not None:
                there = np.einsum("n,rns->rs", lines[axis].ends[row], total[axis])
                known = [core for k, core in enumerate(total) if k != axis]
                place = min(axis, len(known) - 1)
                if axis < len(lines) - 1:
                    known[place] = np.einsum("rs,snt->rnt", there, known[place])
                else:
                    known[place] = np.einsum("rns,st->rnt", known[place], there)
                gap = added(gap, scaled(known, -1.0))
            # The train with the function of this coordinate that lifts them.
            inserted = list(gap)
            if axis == 0:
                rank = 1
            else:
                rank = gap[axis - 1].shape[2]
            inserted.insert(axis, np.einsum("rs,n->rns", np.eye(rank), lifts[axis][:, row]))
            parts.append(inserted)
        # Sum of all lifts so far.
        if total is not None:
            parts.insert(0, total)
        if parts:
            total = Function(lines, reduce(added, parts)).rounded(tolerance).train
    if total is None:
        return Function.zero(lines), missed
    return Function(lines, total), missed


def system_of(
    grid_problem: GridProblem,
    lines: Sequence[Line],
    at: Function,
    lift: Function,
    tolerance: float,
    most: int,
    seed: int,
    spend: Spend,
) -> System:
    """The equation linearised about a function, for the difference of a solution from the lift of the conditions."""
    # The function is zero for linear problems, and the lift fulfils all conditions. The tolerance, the rank `most` and
    # the seed are those of cross approximations, see `crossed`; `spend` receives the work.
    grid, shape = [line.nodes for line in lines], [len(line.nodes) for line in lines]
    term = Pointwise(grid_problem.form, grid_problem.form.equation_term, None, spend)

    def evaluated(numbers: np.ndarray) -> tuple[np.ndarray, dict[Index, np.ndarray]]:
        """Residual of the linearised equation for zero, and its Jacobian."""
        x = np.stack([nodes[numbers[:, k]] for k, nodes in enumerate(grid)], 1)
        if at.is_zero:
            return term(x, None, with_jacobian=True)
        jet = at.jet(grid, numbers, term.indices)
        values, jacobian = term(x, jet, with_jacobian=True)
        with np.errstate(over="ignore", invalid="ignore"):  # far from a solution; `crossed` finds it
            return sum((-slope * jet[index] for index, slope in jacobian.items()), start=values), jacobian

    # The source, by cross approximation.
    found = crossed(lambda numbers: -evaluated(numbers)[0], shape, tolerance, most, seed)
    if found is None:
        raise NotImplementedError("the source is no number")
    source, missed = found
    operator = Operator(
        [line.tested @ line.splines(0) for line in lines], [line.tested @ line.splines(0) * 0 for line in lines]
    )
    # The matrix: each derivative times its coefficient.
    generator = np.random.default_rng(seed + 1)
    sample = np.stack([generator.integers(0, n, SETTINGS.sample_points) for n in shape], 1)
    jacobian = evaluated(sample)[1]
    if not jacobian:
        raise NotImplementedError("the equation does not depend on the field")
    for index, values in jacobian.items():

        def coefficient(numbers: np.ndarray, index: Index = index) -> np.ndarray:
            return evaluated(numbers)[1].get(index, np.zeros(len(numbers)))

        missed = max(missed, _add_term(operator, lines, index, coefficient, (sample, values), seed))
    # The right-hand side, less the matrix times the lift.
    rhs = along(source, [line.tested for line in lines])
    if not lift.is_zero:
        rhs = added(rhs, scaled(operator(lift.train), -1.0))
    return System(operator.restricted([line.basis for line in lines]), rounded(rhs, SETTINGS.rhs_rounding), missed)


def _add_term(
    operator: Operator,
    lines: Sequence[Line],
    index: Index,
    coefficient: Entries,
    sample: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> float:
    """Add a coefficient times a derivative to a matrix, and return its relative error; a sample of it is given."""
    # Profiles of the coefficient along each coordinate through the middle: is it their sum?
    shape, (numbers, values) = [len(line.nodes) for line in lines], sample
    middle = np.array([n // 2 for n in shape])
    size = float(np.abs(values).max())
    centre = float(coefficient(middle[None])[0])
    profiles = []
    for k, n in enumerate(shape):
        line = np.tile(middle, (n, 1))
        line[:, k] = np.arange(n)
        profile = coefficient(line) - centre
        if not np.abs(profile).max() > SETTINGS.equal * size:
            profile = np.zeros(n)
        profiles.append(profile)
    total = centre + sum(profile[numbers[:, k]] for k, profile in enumerate(profiles))
    # Derivatives and coefficients of one coordinate alone are part of the Kronecker sum.
    differentiated = [k for k, order in enumerate(index) if order]
    own = differentiated or list(range(len(shape)))
    is_single = len(differentiated) <= 1
    is_sum = bool(np.abs(total - values).max() <= SETTINGS.summed * SETTINGS.equal * size)
    if is_single and is_sum and not any(profiles[k].any() for k in range(len(shape)) if k not in own):
        for k in own:
            weights = profiles[k] + centre / len(own)
            operator.single[k] = operator.single[k] + (lines[k].tested * weights) @ lines[k].splines(index[k])
        return 0.0
    # The mean of a coefficient joins the Kronecker sum, which is solved at once by eigenvectors, the rest by iteration.
    mean = 0.0
    if is_single:
        mean = float(values.mean())
        for k in own:
            operator.single[k] = operator.single[k] + mean / len(own) * lines[k].tested @ lines[k].splines(index[k])
    # All others are products of matrices, by cross approximation of the coefficient.
    found = crossed(
        lambda each: coefficient(each) - mean,
        shape,
        SETTINGS.equal,
        SETTINGS.most_coefficient_rank,
        seed,
    )
    if found is None or found[1] > SETTINGS.largest_miss:
        raise NotImplementedError("a coefficient has a rank that is too large, or is no number")
    operator.products.append(
        [
            np.einsum("iq,rqs,qj->rijs", line.tested, core, line.splines(order), optimize=True)
            for line, core, order in zip(lines, found[0], index, strict=True)
        ]
    )
    return found[1]
