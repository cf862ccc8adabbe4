"""Linear systems of a structured grid: sparse factors, and fast diagonalisation inside a Krylov method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, gmres, splu

from edgewise.pde.structured.axis import Table
from edgewise.pde.structured.statement import RowBlock, Slopes, Statement
from edgewise.train.cost import EQUATION_COST

# Projections: ridge of systems whose diagonal is one, steps of refinement that remove its influence, the least size of
# an unknown relative to the largest, and widths of its band that a matrix must exceed or is factorised densely.
PROJECTION_RIDGE, PROJECTION_ROUNDS, LEAST_UNKNOWN, BANDED_FROM = 1e-14, 2, 1e-6, 4
Solver = Callable[[np.ndarray], np.ndarray]
"""Maps a right-hand side (rows,) to a solution (unknowns,)."""

# Unknowns up to which a system of several coordinates is factorised without trying fast diagonalisation first. A
# choice: the factors take less than a tenth of a second.
ALWAYS_FACTORISED = 700
# Multiply-adds up to which a system of several fields is. A choice: about a second of one core, after which steps of a
# Krylov method that leaves out what couples the fields are worth a try.
CHEAP_FACTORS = 1e9
# Multiply-adds up to which a system is factorised at all. A choice: about a minute of one core.
MOST_WORK = 1e11
# Steps of GMRES between restarts, restarts, and the reduction of the residual at which it has done its work; rounds of
# iterative refinement around it. A choice: a preconditioner that does not reach it in these steps is of no use.
GMRES = {"rtol": 1e-9, "restart": 40, "maxiter": 2}
REFINEMENT_ROUNDS = 6  # at most; see above
# Multiply-adds of one application of a system and its preconditioner: per unknown beside those with the eigenvectors of
# each coordinate, for the sparse tables; and at least, for the time that some forty calls of numpy take. Choices.
TABLES_WORK, LEAST_APPLICATION_WORK = 200.0, 3e6
UNSOLVED = 1e-8  # of the right-hand side: what may be left for Newton's method to take up in its next step
# A right-hand side that is reduced by this factor is solved to rounding; largest factor of a useful round.
ROUNDING, USEFUL = 1e-15, 0.1
# Largest condition number of eigenvectors that fast diagonalisation accepts. A choice: refinement wins back the digits
# that are lost, as long as some remain.
WORST_VECTORS = 1e9


class LinearSystem:
    """The equations of all blocks, linearised: sum over derivatives of slope times derivative of the unknown fields.

    Parameters
    ----------
    blocks : list of RowBlock
        Rows of the system.
    slopes : list of dict
        Slopes of the residuals of each block.
    shape : tuple of int
        Shape of the coefficients, (n_1, ..., n_d, fields).
    """

    def __init__(self, blocks: Sequence[RowBlock], slopes: Sequence[Slopes], shape: tuple[int, ...]):
        self.blocks, self.slopes, self.shape, self.work = blocks, slopes, shape, 0.0

    @property
    def unknowns(self) -> int:
        """Number of unknown coefficients."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(block.rows for block in self.blocks)

    def product(self, unknown: np.ndarray) -> np.ndarray:
        """The matrix times a vector, without the matrix."""
        coef = unknown.reshape(self.shape)
        parts = []
        for block, slopes in zip(self.blocks, self.slopes, strict=True):
            derivatives = block.derivatives(coef, {index for _, _, index in slopes})
            values = np.zeros((len(block.numbers), *block.shape))
            for (number, slot, index), slope in slopes.items():
                values[number] += slope * derivatives[index][slot]
            parts.append(values.ravel())
        return np.concatenate(parts)

    def matrix(self) -> sparse.csc_array:
        """The sparse matrix, (rows, unknowns): diagonal matrices times Kronecker products of tables.

        Rows are written at once from the few splines that differ from zero at each point.
        """
        fields, values, columns, lengths = self.shape[-1], list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        for block, slopes in zip(self.blocks, self.slopes, strict=True):
            size = math.prod(block.shape)
            places, products = block.local_products({index for _, _, index in slopes})
            for number in range(len(block.numbers)):
                totals: dict[int, np.ndarray] = {}
                for (other, slot, index), slope in slopes.items():
                    if other == number:
                        part = slope.reshape(size, 1) * products[index]
                        totals[slot] = totals[slot] + part if slot in totals else part
                values += [np.stack(list(totals.values()), 1).ravel()] if totals else []
                columns += [np.stack([fields * places + slot for slot in totals], 1).ravel()] if totals else []
                lengths.append(np.full(size, len(totals) * places.shape[1]))
        starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        whole = sparse.csr_array(
            (np.concatenate(values), np.concatenate(columns), starts), shape=(self.rows, self.unknowns)
        )
        whole.sum_duplicates()  # splines of a short periodic coordinate overlap with themselves
        whole.eliminate_zeros()
        return whole.tocsc()

    def factorised(self) -> Solver | None:
        """Solver by sparse LU factors; None where the matrix is singular or its factors would take too long."""
        matrix = self.matrix()
        # Rows are scaled to size one, for pivots to be comparable.
        scale = 1 / np.maximum(abs(matrix).max(1).toarray().ravel(), np.finfo(float).tiny)
        scaled = (sparse.diags_array(scale) @ matrix).tocsc()
        try:
            factors = splu(scaled)
        except RuntimeError:  # "Factor is exactly singular"
            return None
        self.work += (factors.L.nnz + factors.U.nnz) ** 2 / max(self.unknowns, 1) / 2

        def solve(rhs: np.ndarray) -> np.ndarray:
            solution = factors.solve(scale * rhs)
            return solution + factors.solve(scale * (rhs - matrix @ solution))  # one step of iterative refinement

        return solve

    def factor_work(self) -> float:
        """Estimate of the multiply-adds of sparse factors: unknowns times the square of the half bandwidth.

        The bandwidth is that in which coordinate with the fewest splines runs fastest.
        """
        axes, fields = self.blocks[0].axes, self.shape[-1]
        longest = int(np.argmax([axis.count for axis in axes]))
        band = fields * (axes[longest].degree + 1) * math.prod(a.count for i, a in enumerate(axes) if i != longest)
        return self.unknowns * float(min(band, self.unknowns)) ** 2


def solver_for(statement: Statement, system: LinearSystem) -> Solver | None:
    """A solver of a square system; None if there is none that is exact to rounding within the allowed work."""
    long = sum(axis.intervals > 1 for axis in system.blocks[0].axes)  # a slab of time is short
    is_dear = system.unknowns > ALWAYS_FACTORISED and (system.shape[-1] == 1 or system.factor_work() > CHEAP_FACTORS)
    if long > 1 and is_dear:
        preconditioner = FieldByField.of(statement, system)
        if preconditioner is not None:
            return Krylov(system, preconditioner)
    return system.factorised() if system.factor_work() <= MOST_WORK else None


class Krylov:
    """GMRES with a preconditioner, within iterative refinement [1]_; sparse factors where it does not converge.

    References
    ----------
    .. [1] Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd edition, 2003, sections 6.5 and 9.3.
    """

    def __init__(self, system: LinearSystem, preconditioner: Solver):
        self.system, self.preconditioner = system, preconditioner
        self._factors: Solver | None = None

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """The solution; of factors, where there are some from an earlier call that did not converge."""
        if self._factors is not None:
            return self._factors(rhs)
        system, norm = self.system, float(np.linalg.norm(rhs))
        work = max(system.unknowns * (4.0 * sum(system.shape[:-1]) + TABLES_WORK), LEAST_APPLICATION_WORK)

        def applied(v: np.ndarray) -> np.ndarray:
            system.work += work
            return system.product(self.preconditioner(v))

        solution = self.preconditioner(rhs)
        left = rhs - system.product(solution)
        size = float(np.linalg.norm(left))
        operator = LinearOperator((len(rhs), len(rhs)), applied, dtype=float)
        is_close = True  # the preconditioner alone may do
        for _ in range(REFINEMENT_ROUNDS):
            if size <= ROUNDING * norm or not math.isfinite(size):
                break
            move = self.preconditioner(left if is_close else gmres(operator, left, **GMRES)[0])
            new = left - system.product(move)
            system.work += work
            reached = float(np.linalg.norm(new))
            if reached < size:
                solution, left = solution + move, new
            if not reached < USEFUL * size and not is_close:
                break
            is_close, size = is_close and reached < USEFUL * size, min(reached, size)
        if size <= UNSOLVED * norm:
            return solution
        is_short = any(axis.intervals == 1 for axis in system.blocks[0].axes)  # a shorter slab is cheaper than factors
        if not is_short and system.factor_work() <= MOST_WORK:
            self._factors = system.factorised()
        return np.full_like(rhs, np.nan) if self._factors is None else self._factors(rhs)


class FieldByField:
    """Preconditioner that solves for each field alone by `FastDiagonalisation` and leaves out what couples them.

    Parameters
    ----------
    parts : list of tuple
        For each field the numbers of its rows in the whole system, and its solver.
    """

    def __init__(self, parts: Sequence[tuple[np.ndarray, Solver]]):
        self.parts = parts

    @classmethod
    def of(cls, statement: Statement, system: LinearSystem) -> Solver | None:
        """The preconditioner; None where residuals and fields do not pair, or an operator cannot be diagonalised."""
        fields = system.shape[-1]
        if fields == 1:
            return FastDiagonalisation.of(statement, system)
        if len(statement.equation_blocks(system.blocks[0].axes)) > 1:
            return None  # residuals of different orders have different points
        # A residual belongs to the field whose derivatives of its own order it has, if there is only one such field.
        highest = int(statement.orders[0].max())
        owners: dict[int, set[int]] = {}
        for number, slot, index in system.slopes[0]:
            if max(index) == highest:
                owners.setdefault(number, set()).add(slot)
        pairs = {next(iter(slots)): number for number, slots in owners.items() if len(slots) == 1}
        if len(pairs) != fields:
            return None
        starts = np.cumsum([0, *(block.rows for block in system.blocks)])
        parts = []
        for field in range(fields):
            blocks, slopes, rows = [], [], []
            for block, its_slopes, start in zip(system.blocks, system.slopes, starts, strict=False):
                own = {number for number, slot, _ in its_slopes if slot == field}
                numbers = [pairs[field]] if block.face is None else sorted(own)
                if block.face is not None and any(n in own and slot != field for n, slot, _ in its_slopes):
                    return None
                if not numbers:
                    continue
                place = {number: k for k, number in enumerate(numbers)}
                blocks.append(replace(block, numbers=tuple(block.numbers[number] for number in numbers)))
                slopes.append(
                    {
                        (place[number], 0, index): slope
                        for (number, slot, index), slope in its_slopes.items()
                        if slot == field and number in place
                    }
                )
                whole = np.arange(block.rows).reshape(len(block.numbers), -1)
                rows.append(start + whole[numbers].ravel())
            solver = FastDiagonalisation.of(statement, LinearSystem(blocks, slopes, (*system.shape[:-1], 1)))
            if solver is None:
                return None
            parts.append((np.concatenate(rows), solver))
        return cls(parts)

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        return np.stack([solver(rhs[rows]) for rows, solver in self.parts], -1).ravel()


class FastDiagonalisation:
    """Solver of a sum of Kronecker products with one derivative each, by eigenvectors of each coordinate [1]_.

    The slopes of the equation are replaced by means: a derivative by a coordinate has a slope that depends on this
    coordinate alone. Where that is so for the equation itself, and slopes of conditions are constant along faces, the
    solver is exact to the rounding of its eigenvectors.

    Parameters
    ----------
    statement : Statement
        The problem; it must have one field.
    system : LinearSystem
        The system, with the block of the equation first.
    operators, ends : list of ndarray
        For each coordinate the operator at collocation points, (points, count), and the conditions at its ends,
        (conditions, count).

    References
    ----------
    .. [1] R. Lynch, J. Rice, D. Thomas, "Direct solution of partial difference equations by tensor product methods",
       Numerische Mathematik 6, 1964, 185.
    """

    @classmethod
    def of(cls, statement: Statement, system: LinearSystem) -> FastDiagonalisation | None:
        """The solver, or None where the operator of a coordinate cannot be diagonalised well."""
        block, slopes = system.blocks[0], system.slopes[0]
        dimension = len(block.axes)
        operators = [np.zeros((len(p), a.count)) for p, a in zip(block.points, block.axes, strict=True)]
        for (_, _, index), slope in slopes.items():
            along = [axis for axis, order in enumerate(index) if order]
            if len(along) > 1:
                continue  # mixed derivatives are left to the Krylov method
            axis = along[0] if along else 0
            others = tuple(other for other in range(dimension) if other != axis)
            profile = slope.mean(others) if along else np.full(block.shape[axis], slope.mean())
            operators[axis] += profile[:, None] * _dense(block.table(axis, index[axis]))
        ends = [np.zeros((0, axis.count)) for axis in block.axes]
        for other, its_slopes in zip(system.blocks[1:], system.slopes[1:], strict=True):
            assert other.face is not None
            axis = other.face[0]
            rows = np.zeros((len(other.numbers), block.axes[axis].count))
            for (number, _, index), slope in its_slopes.items():
                if sum(index) == index[axis]:
                    rows[number] += slope.mean() * _dense(other.table(axis, index[axis]))[0]
            ends[axis] = np.concatenate([ends[axis], rows])
        try:
            return cls(statement, system, operators, ends)
        except (np.linalg.LinAlgError, linalg.LinAlgError):
            return None

    def __init__(
        self, statement: Statement, system: LinearSystem, operators: Sequence[np.ndarray], ends: Sequence[np.ndarray]
    ):
        self.statement, self.system, self.blocks, self.ends = statement, system, system.blocks, ends
        equation = system.blocks[0]
        self.shape = tuple(axis.count for axis in equation.axes)
        known: dict[bytes, tuple] = {}  # coordinates that are alike share their eigenvectors
        self.kernels, self.vectors, self.back, values = [], [], [], []
        self.pivots, self.pivot_inverses = [], []
        for axis, (operator, rows) in enumerate(zip(operators, ends, strict=True)):
            level = _dense(equation.table(axis, 0))
            key = level.tobytes() + operator.tobytes() + rows.tobytes()
            if key not in known:
                known[key] = _diagonalised(level, operator, rows)
            pivots, inverse, kernel, eigenvalues, vectors, back = known[key]
            self.pivots.append(pivots)
            self.pivot_inverses.append(inverse)
            self.kernels.append(kernel)
            self.vectors.append(kernel @ vectors)
            self.back.append(back)
            values.append(eigenvalues)
        self.total = values[0]
        for each in values[1:]:
            self.total = np.add.outer(self.total, each)
        if not float(np.abs(self.total).min()) > 0:
            raise np.linalg.LinAlgError("an eigenvalue is zero")
        # Along a coordinate of higher priority a face has points of the equation, and its ends are known from the
        # faces of that coordinate; along others it has all points.
        self.with_ends = [
            linalg.lu_factor(np.concatenate([rows, _dense(equation.table(axis, 0))])) for axis, rows in enumerate(ends)
        ]
        self.everywhere = [linalg.lu_factor(_dense(line.table(line.all_points()))) for line in equation.axes]

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        sizes = [block.rows for block in self.blocks]
        parts = np.split(rhs, np.cumsum(sizes)[:-1])
        inside = parts[0].reshape(self.blocks[0].shape)
        coef = self._continued(parts[1:])
        if coef.any():
            inside = inside - self.system.product(coef.ravel())[: sizes[0]].reshape(inside.shape)
        for axis, back in enumerate(self.back):
            inside = _along(back, inside, axis)
        inside = inside / self.total
        for axis, vectors in enumerate(self.vectors):
            inside = _along(vectors, inside, axis)
        return (coef + inside.real).ravel()

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
        traces: dict[int, np.ndarray] = {}
        priority = self.statement.priority
        for place, axis in enumerate(priority):
            if not data[axis]:
                continue
            trace = np.concatenate(data[axis], axis)
            for other in priority[place + 1 :]:
                trace = _solved(self.everywhere[other], trace, other)
            # Values at the points of the equation along coordinates of higher priority, completed by the ends.
            for number, other in enumerate(priority[:place]):
                ends = self.ends[other]
                if len(ends):
                    top = _along(self.ends[axis], traces[other], axis)
                    for further in priority[number + 1 : place]:
                        top = _along(_dense(self.blocks[0].table(further, 0)), top, further)
                    trace = np.concatenate([top, trace], other)
                trace = _solved(self.with_ends[other], trace, other)
            traces[axis] = trace
        coef = np.zeros(self.shape)
        for axis in reversed(priority):
            if axis in traces:
                known = (slice(None),) * axis + (self.pivots[axis],)
                coef[known] = 0.0
                rest = traces[axis] - _along(self.ends[axis], coef, axis)
                coef[known] = _along(self.pivot_inverses[axis], rest, axis)
        return coef


class Projection:
    """Solver of W'A x = W'b with sparse matrices: least squares where W = A.

    Parameters
    ----------
    matrix : csr_array
        A, real or complex, (rows, columns).
    test : csr_array
        W, real, of the same shape.
    product : csr_array
        W'A.
    scale : ndarray
        Sizes of the unknowns' rows and columns, (columns,), by which they are divided.
    """

    def __init__(self, matrix: sparse.csr_array, test: sparse.csr_array, product: sparse.csr_array, scale: np.ndarray):
        self.matrix, self.test = matrix, sparse.csr_array(test.T)
        self.scale = np.maximum(scale, LEAST_UNKNOWN * scale.max())
        entries = sparse.coo_array(product)
        row, column = entries.coords
        values = entries.data / self.scale[row] / self.scale[column]
        count, width = len(scale), int(np.abs(column - row).max())
        self.is_banded = BANDED_FROM * width < count
        if self.is_banded:
            band = np.zeros((3 * width + 1, count), dtype=values.dtype, order="F")
            band[2 * width + row - column, column] = values
            band[2 * width] += PROJECTION_RIDGE
            factorise, self._back = linalg.get_lapack_funcs(("gbtrf", "gbtrs"), (band,))
            self._factors = (*factorise(band, width, width, overwrite_ab=True)[:2], width)
            self.work = 2.0 * count * width**2
        else:
            dense = np.zeros((count, count), dtype=values.dtype, order="F")
            dense[row, column] = values
            dense[np.arange(count), np.arange(count)] += PROJECTION_RIDGE
            self._factors = linalg.lu_factor(dense, overwrite_a=True, check_finite=False)
            self.work = count**3 / 3
        self.work *= (4 if np.iscomplexobj(values) else 1) / EQUATION_COST.product_speed
        self.solve_work = (1 + PROJECTION_ROUNDS) * 8 * (matrix.nnz + count * min(2 * width, count))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Solution (columns, k) for right-hand sides (rows, k)."""
        solution = self._once(values)
        for _ in range(PROJECTION_ROUNDS):
            solution = solution + self._once(values - self.matrix @ solution)
        return solution

    def _once(self, values: np.ndarray) -> np.ndarray:
        rhs = np.asfortranarray((self.test @ values) / self.scale[:, None])
        if self.is_banded:
            band, pivots, width = self._factors
            solved = self._back(band, width, width, rhs, pivots, overwrite_b=True)[0]
        else:
            solved = linalg.lu_solve(self._factors, rhs, overwrite_b=True, check_finite=False)
        return solved / self.scale[:, None]


def _diagonalised(level: np.ndarray, operator: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Eigenvectors of an operator of one coordinate on the splines that fulfil homogeneous conditions.

    Returns
    -------
    tuple
        Coefficients that the conditions determine (conditions,), the inverse of the conditions' columns for these, the
        splines of the space (count, points), eigenvalues (points,), eigenvectors and their inverse, which takes values
        at points.
    """
    count, conditions = level.shape[1], len(rows)
    pivots = linalg.qr(rows, mode="r", pivoting=True)[1][:conditions] if conditions else np.zeros(0, dtype=int)
    others = np.setdiff1d(np.arange(count), pivots)
    inverse = np.linalg.inv(rows[:, pivots])
    kernel = np.zeros((count, len(others)))
    kernel[others, np.arange(len(others))] = 1.0
    kernel[pivots] = -inverse @ rows[:, others]
    to_splines = np.linalg.inv(level @ kernel)
    eigenvalues, vectors = np.linalg.eig(to_splines @ (operator @ kernel))
    if not np.linalg.cond(vectors) < WORST_VECTORS:
        raise np.linalg.LinAlgError("the eigenvectors are too close to each other")
    return pivots, inverse, kernel, eigenvalues, vectors, np.linalg.inv(vectors) @ to_splines


def _dense(table: Table) -> np.ndarray:
    return table if isinstance(table, np.ndarray) else table.toarray()


def _along(matrix: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    """The matrix times every line of the values along an axis."""
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)


def _solved(factors: tuple[np.ndarray, np.ndarray], values: np.ndarray, axis: int) -> np.ndarray:
    """The solution for every line of the values along an axis, by LU factors."""
    lines = np.moveaxis(values, axis, 0)
    solved = linalg.lu_solve(factors, lines.reshape(len(lines), -1), check_finite=False)
    return np.moveaxis(solved.reshape(-1, *lines.shape[1:]), 0, axis)
