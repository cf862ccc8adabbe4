"""Fast diagonalisation: sums of Kronecker products by eigenvectors of each coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import linalg

from edgewise.pde.algebra.system import LinearSystem, Preconditioner, Solver
from edgewise.pde.spaces.axis import along, dense
from edgewise.pde.spaces.grid_problem import GridProblem


@dataclass(frozen=True)
class DiagonalSettings:
    """What fast diagonalisation accepts and keeps."""

    # Largest condition number of eigenvectors: refinement wins back the digits that are lost, as long as some remain.
    worst_vectors: float = 1e9
    # Change of a field by reactions in a time element from which on they are a factor of their own: a step of a Krylov
    # method takes up smaller ones to a digit.
    least_reaction: float = 0.1
    # Coordinates whose eigenvectors are kept, the last ones used: those of two grids, which time elements share.
    kept_coordinates: int = 8


SETTINGS = DiagonalSettings()


class FieldByField(Preconditioner):
    """Preconditioner that solves for each field alone by `FastDiagonalisation` and leaves out what couples them."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, Solver]]):
        self.parts = parts

    @classmethod
    def for_system(cls, grid_problem: GridProblem, system: LinearSystem) -> Preconditioner | None:
        """The preconditioner; None where residuals and fields do not pair, or an operator cannot be diagonalised."""
        fields = system.shape[-1]
        if fields == 1:
            return FastDiagonalisation.for_system(grid_problem, system)
        if len(grid_problem.equation_blocks(system.blocks[0].axes)) > 1:
            return None  # residuals of different orders have different points
        # A residual belongs to the field whose derivatives of its own order it has, if there is only one such field.
        highest = int(grid_problem.orders[0].max())
        owners: dict[int, set[int]] = {}
        for number, slot, index in system.jacobian[0]:
            if max(index) == highest:
                owners.setdefault(number, set()).add(slot)
        pairs = {next(iter(slots)): number for number, slots in owners.items() if len(slots) == 1}
        if len(pairs) != fields:
            return None
        starts = np.cumsum([0, *(block.rows for block in system.blocks)])
        # Fast diagonalisation of each field with its equation and its conditions.
        parts = []
        for field in range(fields):
            blocks = []
            jacobian = []
            rows = []
            for block, its_slopes, start in zip(system.blocks, system.jacobian, starts, strict=False):
                # Rows of the field: its equation, and conditions on it alone.
                own = {number for number, slot, _ in its_slopes if slot == field}
                numbers = sorted(own)
                if block.face is None:
                    numbers = [pairs[field]]
                if block.face is not None and any(n in own and slot != field for n, slot, _ in its_slopes):
                    return None
                if not numbers:
                    continue
                place = {number: k for k, number in enumerate(numbers)}
                blocks.append(replace(block, numbers=tuple(block.numbers[number] for number in numbers)))
                jacobian.append(
                    {
                        (place[number], 0, index): slope
                        for (number, slot, index), slope in its_slopes.items()
                        if slot == field and number in place
                    }
                )
                # Rows of the system that belong to the field.
                whole = np.arange(block.rows).reshape(len(block.numbers), -1)
                rows.append(start + whole[numbers].ravel())
            solver = FastDiagonalisation.for_system(
                grid_problem, LinearSystem(blocks, jacobian, (*system.shape[:-1], 1))
            )
            if solver is None:
                return None
            parts.append((np.concatenate(rows), solver))
        return cls(parts)

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        return np.stack([solver(rhs[rows]) for rows, solver in self.parts], -1).ravel()


class FastDiagonalisation(Preconditioner):
    """Solver of a sum of Kronecker products with one derivative each, by eigenvectors of each coordinate [1].

    The entries of the Jacobian of the equation are replaced by means: a derivative by a coordinate has a slope that
    depends on this coordinate alone. Where that is so for the equation itself, and entries of the Jacobian of
    conditions are constant along faces, the solver is exact to the rounding of its eigenvectors.

    The problem has one field, and the equation is the first block of the system. For each coordinate there are the
    operator at collocation points, (points, count), and the conditions at its ends, (conditions, count).

    [1] R. Lynch, J. Rice, D. Thomas, "Direct solution of partial difference equations by tensor product methods",
    Numerische Mathematik 6, 1964, 185.
    """

    @classmethod
    def for_system(cls, grid_problem: GridProblem, system: LinearSystem) -> FastDiagonalisation | None:
        """The solver, or None where the operator of a coordinate cannot be diagonalised well."""
        try:
            solver = cls.shifted(grid_problem, system)
        except (np.linalg.LinAlgError, linalg.LinAlgError):
            return None
        if not float(np.abs(solver.total).min()) > 0:
            return None
        solver.reactions = solver._reactions()
        return solver

    @classmethod
    def shifted(cls, grid_problem: GridProblem, system: LinearSystem) -> FastDiagonalisation:
        """The solver, which may have an eigenvalue of zero and so need a shift, see `solved`."""
        block = system.blocks[0]
        jacobian = system.jacobian[0]
        dimension = len(block.axes)
        operators = [np.zeros((len(p), a.count)) for p, a in zip(block.points, block.axes, strict=True)]
        for (_, _, index), slope in jacobian.items():
            by = [axis for axis, order in enumerate(index) if order]
            if len(by) > 1:
                continue  # mixed derivatives are left to the Krylov method
            # Values are those of the first coordinate.
            axis, *_ = by or [0]
            if by:
                profile = slope.mean(tuple(other for other in range(dimension) if other != axis))
            else:
                profile = np.full(block.shape[axis], slope.mean())
            operators[axis] += profile[:, None] * dense(block.table(axis, index[axis]))
        # Conditions at the ends of each coordinate, with means over the faces.
        ends = [np.zeros((0, axis.count)) for axis in block.axes]
        for other, its_slopes in zip(system.blocks[1:], system.jacobian[1:], strict=True):
            assert other.face is not None
            axis = other.face[0]
            rows = np.zeros((len(other.numbers), block.axes[axis].count))
            for (number, _, index), slope in its_slopes.items():
                if sum(index) == index[axis]:
                    rows[number] += slope.mean() * dense(other.table(axis, index[axis]))[0]
            ends[axis] = np.concatenate([ends[axis], rows])
        return cls(grid_problem, system, operators, ends)

    def __init__(
        self,
        grid_problem: GridProblem,
        system: LinearSystem,
        operators: Sequence[np.ndarray],
        ends: Sequence[np.ndarray],
    ):
        self.grid_problem = grid_problem
        self.system = system
        self.blocks = system.blocks
        self.ends = ends
        equation = system.blocks[0]
        self.shape = tuple(axis.count for axis in equation.axes)
        self.lines = [
            _diagonalised(
                _Bytes.of_array(dense(equation.table(axis, 0))), _Bytes.of_array(operator), _Bytes.of_array(rows)
            )
            for axis, (operator, rows) in enumerate(zip(operators, ends, strict=True))
        ]
        self.total = self.lines[0].values
        for line in self.lines[1:]:
            self.total = np.add.outer(self.total, line.values)
        # Products with real matrices come first, and after the division last: they take half the time of others.
        self.order = sorted(range(len(self.lines)), key=lambda axis: np.iscomplexobj(self.lines[axis].vectors))
        self.reactions: np.ndarray | None = None

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        sizes = [block.rows for block in self.blocks]
        first, *walls = np.split(rhs, np.cumsum(sizes)[:-1])
        if self.reactions is None:
            return self.solved(first, walls).real.ravel()
        # With reactions: the solution without them, then the inverse factor of each point of space, which couples its
        # moments.
        coef, inside = self._eigenvectors_of(first, walls, 0.0)
        for axis in reversed(self.order):
            inside = along(self.lines[axis].values_of, inside, axis)
        time = self.blocks[0].form.time
        assert time is not None
        inside = np.moveaxis((self.reactions @ np.moveaxis(inside.real, time, -1)[..., None])[..., 0], -1, time)
        for axis, line in enumerate(self.lines):
            inside = along(line.splines, inside, axis)
        return (coef + inside).ravel()

    def solved(self, inside: np.ndarray, walls: Sequence[np.ndarray], shift: complex = 0.0) -> np.ndarray:
        """Coefficients for the rows of the equation and of each condition, complex, with a shift times the values."""
        coef, values = self._eigenvectors_of(inside, walls, shift)
        for axis in reversed(self.order):
            values = along(self.lines[axis].vectors, values, axis)
        return coef + values

    def _eigenvectors_of(
        self, inside: np.ndarray, walls: Sequence[np.ndarray], shift: complex
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients that fulfil the conditions, and those of the eigenvectors for the remaining rows."""
        values = inside.reshape(self.blocks[0].shape)
        fulfilling: np.ndarray = np.zeros(self.shape)
        # Real and imaginary part of what conditions ask for.
        for unit, given in ((1, [wall.real for wall in walls]), (1j, [wall.imag for wall in walls])):
            if any(each.any() for each in given):
                coef = self._continued(given)
                fulfilling = fulfilling + unit * coef
                rows = self.system.product(coef.ravel())[: self.blocks[0].rows].reshape(values.shape)
                if shift:
                    at_points = coef
                    for axis in range(len(self.shape)):
                        at_points = along(dense(self.blocks[0].table(axis, 0)), at_points, axis)
                    rows = rows + shift * at_points
                values = values - unit * rows
        # What is left for the equation, by eigenvectors.
        for axis in self.order:
            values = along(self.lines[axis].back, values, axis)
        return fulfilling, values / (self.total + shift)

    def _reactions(self) -> np.ndarray | None:
        """Inverses of what reactions do at each point of space, (*space, moments, moments); None where it is little.

        Reactions are entries of the Jacobian by the field itself that vary over space and time. With T for the
        derivative in time, L for the others and r for what reactions differ from their mean, T + L + r is replaced by
        (T + L) T^-1 (T + r), which is that but for L T^-1 r. The last factor couples the moments of a point alone.
        """
        time = self.blocks[0].form.time
        index = tuple([0] * len(self.lines))
        slope = self.system.jacobian[0].get((0, 0, index))
        if time is None or slope is None or not slope.ndim:
            return None
        line = self.lines[time]
        # The mean is a part of the operator of the first coordinate.
        mean = float(slope.mean()) * (time != 0)
        rates = (line.values_of @ ((line.values + mean)[:, None] * line.back)).real
        part = np.linalg.inv(rates) * np.moveaxis(slope - slope.mean(), time, -1)[..., None, :]
        if not float(np.abs(part).sum(-1).max()) > SETTINGS.least_reaction:
            return None
        return np.linalg.inv(np.eye(len(rates)) + part)

    def _continued(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Coefficients that fulfil the conditions and are zero inside."""
        dimension = len(self.shape)
        data: list[list[np.ndarray]] = [[] for _ in range(dimension)]
        for block, part in zip(self.blocks[1:], parts, strict=True):
            assert block.face is not None
            axis = block.face[0]
            # The only point of the coordinate gives its place to the residuals of the face.
            values = np.moveaxis(part.reshape(len(block.numbers), *block.shape), axis + 1, 1)[:, 0]
            data[axis].append(np.moveaxis(values, 0, axis))
        # Traces on the faces of each coordinate, by the priority of conditions where faces meet.
        traces: dict[int, np.ndarray] = {}
        priority = self.grid_problem.priority
        for place, axis in enumerate(priority):
            if not data[axis]:
                continue
            trace = np.concatenate(data[axis], axis)
            for other in priority[place + 1 :]:
                trace = self.blocks[0].axes[other].interpolated(trace, other)
            # Along a coordinate of higher priority a face has points of the equation, and its ends are known from the
            # faces of that coordinate; along others it has all points.
            # Values at the points of the equation along coordinates of higher priority, completed by the ends.
            for number, other in enumerate(priority[:place]):
                ends = self.ends[other]
                if len(ends):
                    top = along(self.ends[axis], traces[other], axis)
                    for further in priority[number + 1 : place]:
                        top = along(dense(self.blocks[0].table(further, 0)), top, further)
                    trace = np.concatenate([top, trace], other)
                trace = along(self.lines[other].with_ends, trace, other)
            traces[axis] = trace
        # Coefficients that take the traces, coordinate after coordinate.
        coef = np.zeros(self.shape)
        for axis in reversed(priority):
            if axis in traces:
                known = (slice(None),) * axis + (self.lines[axis].pivots,)
                coef[known] = 0.0
                rest = traces[axis] - along(self.ends[axis], coef, axis)
                coef[known] = along(self.lines[axis].pivot_inverse, rest, axis)
        return coef


@dataclass(frozen=True)
class _Bytes:
    """An array that can be the key of a cache."""

    content: bytes
    shape: tuple[int, ...]

    @classmethod
    def of_array(cls, array: np.ndarray) -> _Bytes:
        return cls(array.tobytes(), array.shape)

    @property
    def array(self) -> np.ndarray:
        return np.frombuffer(self.content).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Diagonal:
    """An operator of one coordinate on the splines that fulfil homogeneous conditions, diagonalised."""

    pivots: np.ndarray  # coefficients that the conditions determine, (conditions,)
    pivot_inverse: np.ndarray  # inverse of the conditions' columns for these
    values: np.ndarray  # eigenvalues, (points,)
    # coefficients of the eigenvectors, (count, points), and their inverse, which takes values at points
    vectors: np.ndarray
    back: np.ndarray
    # values of the eigenvectors at points, (points, points), and coefficients of the splines with values there, (count,
    # points)
    values_of: np.ndarray
    splines: np.ndarray
    # coefficients of the splines with given conditions at the ends and values at points, (count, count)
    with_ends: np.ndarray


@lru_cache(maxsize=SETTINGS.kept_coordinates)
def _diagonalised(of_level: _Bytes, of_operator: _Bytes, of_rows: _Bytes) -> Diagonal:
    """Diagonalise an operator, (points, count), with values at points, (points, count), and conditions."""
    level = of_level.array
    operator = of_operator.array
    rows = of_rows.array
    count = level.shape[1]
    conditions = len(rows)
    # Coefficients that the conditions determine best, by those of the others.
    pivots = np.zeros(0, dtype=int)
    if conditions:
        pivots = linalg.qr(rows, mode="r", pivoting=True)[1][:conditions]
    others = np.setdiff1d(np.arange(count), pivots)
    inverse = np.linalg.inv(rows[:, pivots])
    kernel = np.zeros((count, len(others)))
    kernel[others, np.arange(len(others))] = 1.0
    kernel[pivots] = -inverse @ rows[:, others]
    # Eigenvectors of the operator on splines with homogeneous conditions.
    to_splines = np.linalg.inv(level @ kernel)
    eigenvalues, vectors = np.linalg.eig(to_splines @ (operator @ kernel))
    if not np.linalg.cond(vectors) < SETTINGS.worst_vectors:
        raise np.linalg.LinAlgError("the eigenvectors are too close to each other")
    with_ends = np.linalg.inv(np.concatenate([rows, level]))
    back = np.linalg.inv(vectors) @ to_splines
    values_of = level @ kernel @ vectors
    return Diagonal(pivots, inverse, eigenvalues, kernel @ vectors, back, values_of, kernel @ to_splines, with_ends)
