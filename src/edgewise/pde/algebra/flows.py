"""Time elements of an incompressible flow: eigenvectors in time, and for each a flow with separable velocities.

Without it, four flows in time between walls (`tests/pde/tiers/evolution/test_flows.py`, and a lid that starts gently)
are not solved within 40 seconds; with it three take 6 to 13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import linalg

from edgewise.native import interruptible
from edgewise.outcomes import foreseen
from edgewise.pde.algebra.diagonal import FastDiagonalisation
from edgewise.pde.algebra.radau import DiagonalRadau
from edgewise.pde.algebra.system import LinearSystem, Preconditioner, Solver
from edgewise.pde.spaces.axis import TimeAxis, along, dense
from edgewise.pde.spaces.blocks import Jacobian, RowBlock
from edgewise.pde.spaces.grid_problem import GridProblem


@dataclass(frozen=True)
class FlowSettings:
    """Which time elements of flows have factors, and which share them."""

    most_pressures: int = 4000  # values of a pressure at one moment: factors of an eighth of a gigabyte
    other_lengths: float = 4.0  # factor by which lengths of time elements differ at most that have the same factors
    same_along: float = 1e-9  # relative gap of entries of the Jacobian that are the same; far above rounding
    # of the largest row: smaller rows of conditions are rounding, as Krylov vectors have them
    rounded_rows: float = 1e-15


SETTINGS = FlowSettings()


@dataclass(eq=False)
class Level:
    """A block of the system of a time element at one moment."""

    number: int  # number of the block in the system
    block: RowBlock  # the block on the coordinates of space alone
    jacobian: Jacobian  # by derivatives in space of what has no derivative in time, in the mean over time
    rates: Jacobian  # the same of what has one
    # takes rows at the moments of the block to rows at the first moment and at those of the equation
    to_levels: np.ndarray
    has_begin: bool  # whether the first of these is at the first moment

    @property
    def is_first(self) -> bool:
        """True if nothing of the block holds after the first moment."""
        return len(self.to_levels) == 1

    def applied(self, row: int, slot: int, coef: np.ndarray, of_rates: bool = False) -> np.ndarray:
        """A residual by a field, (*points, ...), from coefficients of the field, (*counts, ...)."""
        total = np.zeros((*self.block.shape, *coef.shape[len(self.block.axes) :]), dtype=coef.dtype)
        jacobian = self.rates if of_rates else self.jacobian
        for (number, other, index), slope in jacobian.items():
            if (number, other) == (row, slot):
                values = coef
                for axis, order in enumerate(index):
                    values = along(dense(self.block.table(axis, order)), values, axis)
                total += slope.reshape(*slope.shape, *[1] * (values.ndim - slope.ndim)) * values
        return total


class FlowElement(Preconditioner):
    """Solver of a time element of an incompressible flow whose Jacobian is replaced by its mean over time.

    Eigenvectors in time of the method of Radau turn a time element into a flow for each eigenvalue, as in [1]. In
    these, velocities are eliminated by `FastDiagonalisation`, so that an equation for the values of the pressure at the
    points of the constraint is left [2]. It has dense factors for one real eigenvalue, and the others differ from it by
    a pressure without viscosity. Convection is left to a Krylov method.

    [1] Y. Maday, E. Ronquist, "Parallelization in time through tensor-product space-time solvers", Comptes Rendus
    Mathematique 346, 2008, 113.

    [2] C. Canuto, M. Hussaini, A. Quarteroni, T. Zang, "Spectral Methods: Evolution to Complex Geometries and
    Applications to Fluid Dynamics", 2007, section 3.4, the method of Uzawa.
    """

    @classmethod
    def for_system(
        cls, grid_problem: GridProblem, system: LinearSystem, kept: Preconditioner | None
    ) -> FlowElement | None:
        """The solver; None where there is no single pressure, or conditions join it with velocities.

        It has the factors of one that is `kept`, if space is the same and the length of the time element is not far
        off.
        """
        # Flows in time with one pressure, on boxes with walls.
        form = grid_problem.form
        axes = system.blocks[0].axes
        if (
            form.time is None
            or len(grid_problem.constraint_variables) != 1
            or not isinstance(axes[form.time], TimeAxis)
        ):
            return None
        has_walls = any(count for axis, count in enumerate(grid_problem.reductions) if axis != form.time)
        if not has_walls or len(grid_problem.equation_blocks(axes)) > 1 or not grid_problem.reductions[form.time]:
            return None
        # Dense factors of the pressure limit its number of values.
        if np.prod([len(p) for k, p in enumerate(system.blocks[0].points) if k != form.time]) > SETTINGS.most_pressures:
            return None
        try:
            return cls(grid_problem, system, kept if isinstance(kept, cls) else None)
        except (np.linalg.LinAlgError, linalg.LinAlgError):
            return None

    def __init__(self, grid_problem: GridProblem, system: LinearSystem, kept: FlowElement | None = None):
        assert grid_problem.form.time is not None
        self.grid_problem = grid_problem
        self.shape = system.shape
        self.blocks = system.blocks
        # Coordinates, and fields.
        self.time = grid_problem.form.time
        axes = system.blocks[0].axes
        self.space = [axis for axis in range(len(axes)) if axis != self.time]
        line = axes[self.time]
        assert isinstance(line, TimeAxis)
        self.axes = [axes[axis] for axis in self.space]
        self.line = line
        (self.pressure,) = grid_problem.constraint_variables
        self.velocities = [slot for slot in range(self.shape[-1]) if slot != self.pressure]
        # Coefficients in time by values at the moments.
        moments = line.collocation_points(1)
        values = dense(line.table(moments))
        reduction = next(block for block in self.blocks if block.reduced_axis == self.time)
        self.begins = {
            False: np.concatenate([dense(line.table(line.breakpoints[:1])), values]),
            True: np.concatenate([reduction.table(self.time, 0), values]),
        }  # of velocities, and of the pressure: values at the first moment or the reduction, and at all others
        self.inverses = {key: np.linalg.inv(each) for key, each in self.begins.items()}
        # Radau's method in its modes.
        rates = dense(line.table(moments, 1)) @ self.inverses[False]
        self.from_begin = rates[:, 0]
        self.radau = DiagonalRadau.of_rates(rates[:, 1:])
        self.levels = [self._level(*each) for each in enumerate(zip(system.blocks, system.jacobian, strict=True))]
        self.equation = self.levels[0]
        self._split()
        # Factors, or those of another time element.
        shift = self.radau.middle
        if kept is not None and kept.is_like(self, shift):
            for name in ("shift", "fast", "mass", "bases", "factors", "eigenvectors", "inviscid"):
                setattr(self, name, getattr(kept, name))
        else:
            self.shift = shift
            system.work += self._factorise()
            self._inviscid()

    def is_like(self, other: FlowElement, shift: float) -> bool:
        """True if the factors serve another time element, too."""
        lines = zip(self.axes, other.axes, strict=True)
        is_same = self.grid_problem is other.grid_problem and all(
            np.array_equal(a.breakpoints, b.breakpoints) for a, b in lines
        )
        return is_same and 1 / SETTINGS.other_lengths < shift / self.shift < SETTINGS.other_lengths

    def _level(self, number: int, of_block: tuple[RowBlock, Jacobian]) -> Level:
        """A block without time; see `Level`."""
        block, jacobian = of_block
        moved = block.without(self.time)
        # Means over time of entries by values, and of those by rates.
        parts: tuple[Jacobian, Jacobian] = {}, {}
        for (row, slot, index), slope in jacobian.items():
            key = row, slot, tuple(index[axis] for axis in self.space)
            mean = slope.mean(self.time)
            part = parts[index[self.time]]
            part[key] = part.get(key, 0.0) + mean
        # What takes its rows to the moments.
        count = block.shape[self.time]
        is_about = block.reduced_axis is not None
        if (block.face and block.face[0] == self.time) or block.reduced_axis == self.time:
            return Level(number, moved, *parts, np.ones((1, 1)), True)
        if count == self.line.count:
            to_levels = self.begins[is_about] @ np.linalg.inv(dense(self.line.table(block.points[self.time])))
            return Level(number, moved, *parts, to_levels, True)
        return Level(number, moved, *parts, np.eye(count), False)

    def _split(self) -> None:
        """Find the residual of the equation and the rows of conditions that belong to each velocity."""
        # The viscous term pairs a velocity with the momentum equation in which it has the highest derivatives.
        highest = int(self.grid_problem.orders[0][self.space].max())
        owners: dict[int, set[int]] = {}
        for row, slot, index in self.equation.jacobian:
            if max(index) == highest:
                owners.setdefault(row, set()).add(slot)
        pairs = {next(iter(slots)): row for row, slots in owners.items() if len(slots) == 1}
        rows = len(self.equation.block.numbers)
        if sorted(pairs) != self.velocities or len(set(pairs.values())) != rows - 1:
            raise np.linalg.LinAlgError("residuals and velocities do not pair")
        # The row that is left is the divergence.
        (self.constraint,) = set(range(rows)) - set(pairs.values())
        self.rows = pairs
        self.walls: dict[int, list[tuple[Level, int]]] = {slot: [] for slot in range(self.shape[-1])}
        # A condition belongs to the velocity, or else the pressure, of the highest derivative across the face.
        for level in self.levels[1:]:
            if level.block.face is None:
                continue
            for row in range(len(level.block.numbers)):
                orders: dict[int, int] = {}  # by the coordinate that is constant, of each field
                for number, slot, index in level.jacobian:
                    if number == row:
                        orders[slot] = max(orders.get(slot, 0), index[level.block.face[0]])
                own = [slot for slot in orders if slot != self.pressure] or list(orders)
                if not own:
                    raise np.linalg.LinAlgError("a condition is about nothing")
                if len(own) < len(orders):
                    raise np.linalg.LinAlgError("a condition joins a velocity and the pressure")
                self.walls[max(own, key=orders.__getitem__)].append((level, row))
        # Rows of the pressure beside its values: the reduction of its space and its conditions, and the row of its
        # constant.
        reductions = [k for k in self.levels if self.blocks[k.number].reduced_axis is not None and not k.is_first]
        self.reductions = [*((level, 0) for level in reductions), *self.walls[self.pressure]]
        self.constant = next((level for level in self.levels if level.block.fixes_constant), None)

    def _factorise(self) -> float:
        """Velocities by eigenvectors in space, and dense factors of the pressure for each eigenvalue in time."""
        priority = tuple(self.space.index(axis) for axis in self.grid_problem.priority if axis != self.time)
        of_space = replace(self.grid_problem, priority=priority)
        count = [axis.count for axis in self.axes]
        self.fast: dict[int, FastDiagonalisation] = {}
        self.mass: dict[int, float] = {}
        # Fast diagonalisation of each velocity in space.
        for slot, row in self.rows.items():
            blocks = list[RowBlock]()
            jacobian = list[Jacobian]()
            for level, number in [(self.equation, row), *self.walls[slot]]:
                blocks.append(replace(level.block, numbers=(level.block.numbers[number],)))
                own = {(0, 0, i): s for (n, o, i), s in level.jacobian.items() if (n, o) == (number, slot)}
                if level is self.equation:  # eigenvectors of convection are close to each other, and soon out of date
                    own = {key: slope for key, slope in own.items() if sum(key[2]) != 1}
                jacobian.append(own)
            system = LinearSystem(blocks, jacobian, (*count, 1))
            self.fast[slot] = FastDiagonalisation.shifted(of_space, system)
            self.mass[slot] = float(self.equation.rates[row, slot, (0,) * len(count)].mean())
        # Conditions and reductions of the pressure along each coordinate.
        ends = [np.zeros((0, axis.count)) for axis in self.axes]
        for level, number in self.reductions:
            axis = level.block.reduced_axis
            if axis is None:
                axis, _ = level.block.face or (0, 0)
            for (row, _, index), slope in level.jacobian.items():
                if row == number and (
                    sum(index) > index[axis] or np.ptp(slope) > SETTINGS.same_along * np.abs(slope).max()
                ):
                    raise np.linalg.LinAlgError("a condition for the pressure varies along its face")
            rows = sum(
                slope.flat[0] * dense(level.block.table(axis, index[axis]))
                for (row, _, index), slope in level.jacobian.items()
                if row == number
            )
            ends[axis] = np.concatenate([ends[axis], rows])
        # Coefficients of the pressure with reductions and conditions of zero, by its values at points of the equation.
        self.bases = []
        for axis, rows in enumerate(ends):
            whole = np.concatenate([rows, dense(self.equation.block.table(axis, 0))])
            if whole.shape[0] != whole.shape[1]:
                raise np.linalg.LinAlgError("the pressure has another number of conditions")
            self.bases.append(np.linalg.inv(whole)[:, len(rows) :])
        # The Schur complement for the pressure, dense, by its values at the points of the equation.
        inner = int(np.prod(self.equation.block.shape))
        points = self.equation.block.shape
        bordered = inner + (self.constant is not None)
        basis = self._with_values(np.eye(inner).reshape(*points, inner))
        work = 2 / 3 * bordered**3 / 8
        with foreseen("dense factors", work):
            matrix = np.zeros((bordered, bordered), dtype=complex)
            for slot, fast in self.fast.items():
                moved = self.equation.applied(self.rows[slot], self.pressure, basis)
                for axis, each in enumerate(fast.lines):
                    moved = along(each.back, moved, axis)
                moved = moved / (fast.total + self.mass[slot] * self.shift)[..., None]
                for axis, each in enumerate(fast.lines):
                    moved = along(each.vectors, moved, axis)
                matrix[:inner, :inner] += self.equation.applied(self.constraint, slot, moved).reshape(inner, inner)
            # A border for the constant of the pressure.
            if self.constant is not None:
                matrix[:inner, inner] = -1.0
                matrix[inner, :inner] = self.constant.applied(0, self.pressure, basis).ravel()
            self.factors = interruptible(lambda: linalg.lu_factor(matrix.real, overwrite_a=True, check_finite=False))
        return work

    def _inviscid(self) -> None:
        """Eigenvectors of what the divergence of the gradient of a pressure is where walls keep their speed."""
        self.eigenvectors = list[tuple[np.ndarray, np.ndarray]]()
        total = np.zeros(())
        for axis, basis in enumerate(self.bases):
            # Slopes of the constraint by a velocity, and of that velocity's equation by the pressure.
            unit = tuple(int(k == axis) for k in range(len(self.axes)))
            size = 0.0
            table = dense(self.equation.block.table(axis, 1))
            found = None
            for slot, row in self.rows.items():
                pair = (self.constraint, slot, unit), (row, self.pressure, unit)
                if all(key in self.equation.jacobian for key in pair):
                    size += math.prod(float(self.equation.jacobian[key].mean()) for key in pair) / self.mass[slot]
                    found = self.fast[slot].lines[axis]
            if found is None:
                raise np.linalg.LinAlgError("the constraint has no divergence")
            # Eigenvectors along the coordinate of the divergence of a pressure's gradient.
            matrix = size * (table @ (found.vectors @ found.back).real @ table @ basis)
            values, vectors = np.linalg.eig(matrix)
            self.eigenvectors.append((vectors, np.linalg.inv(vectors)))
            total = np.add.outer(total, values)
        # The inverse of the sum, without the constant.
        is_constant = np.abs(total) < SETTINGS.same_along * np.abs(total).max()
        self.inviscid = np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, total))

    def _pressures(self, missing: np.ndarray) -> np.ndarray:
        """Values of the pressure, complex, for rows of the constraint, (eigenvalues, rows)."""
        # Between its values for two eigenvalues there is the pressure without viscosity, up to layers at walls [1].
        # [1] J. Cahouet, J.-P. Chabard, "Some fast 3D finite element solvers for the generalized Stokes problem",
        # International Journal for Numerical Methods in Fluids 8, 1988, 869.
        points = self.equation.block.shape
        inner = int(np.prod(points))
        # Uzawa's equation by the dense factors for one shift.
        both = linalg.lu_solve(self.factors, np.concatenate([missing.real, missing.imag]).T, check_finite=False).T
        values = both[: len(missing), :inner] + 1j * both[len(missing) :, :inner]
        # The inviscid pressure for the difference of the shifts, by eigenvectors of the Laplacian along each
        # coordinate.
        moved = missing[:, :inner].reshape(-1, *points)
        for axis, (_, back) in enumerate(self.eigenvectors):
            moved = along(back, moved, axis + 1)
        moved = moved * self.inviscid
        for axis, (vectors, _) in enumerate(self.eigenvectors):
            moved = along(vectors, moved, axis + 1)
        values = values.reshape(moved.shape) + (self.radau.values - self.shift).reshape(-1, *[1] * len(points)) * moved
        return values

    def _with_values(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of the pressure, (*counts, ...), with conditions of zero and values at the points, (*n, ...)."""
        for axis, basis in enumerate(self.bases):
            values = along(basis, values, axis)
        return values

    @cached_property
    def _with_conditions(self) -> Solver:
        """Solver of reductions and conditions of the pressure, with values of zero at the points of the equation."""
        blocks = list[RowBlock]()
        jacobian = list[Jacobian]()
        for level, number in self.reductions:
            blocks.append(replace(level.block, numbers=(level.block.numbers[number],)))
            jacobian.append({(0, 0, index): s for (row, _, index), s in level.jacobian.items() if row == number})
        blocks.append(replace(self.equation.block, numbers=(0,)))
        jacobian.append({(0, 0, (0,) * len(self.axes)): np.ones(self.equation.block.shape)})
        solver = LinearSystem(blocks, jacobian, (*(axis.count for axis in self.axes), 1)).factorised()
        if solver is None:
            raise np.linalg.LinAlgError("the pressure is not determined")
        return solver

    @cached_property
    def _first(self) -> Solver:
        """Solver of what holds at the first moment alone: the state, conditions there, and the reduction in time."""
        levels = [level for level in self.levels if level.has_begin]
        blocks = [level.block for level in levels]
        jacobian = []
        for level in levels:
            is_about = self.blocks[level.number].reduced_axis is not None
            jacobian.append({k: s for k, s in level.jacobian.items() if is_about or k[1] != self.pressure})
        solver = LinearSystem(blocks, jacobian, (*(axis.count for axis in self.axes), self.shape[-1])).factorised()
        if solver is None:
            raise np.linalg.LinAlgError("the first moment is not determined")
        return solver

    def balanced(self, rows: np.ndarray) -> np.ndarray:
        """Rows without the constant up to which the constraint holds at each moment."""
        constants = self.blocks[0].constants()
        if not len(constants):
            return rows
        rows = rows.copy()
        rows[constants] -= rows[constants].mean(1, keepdims=True)
        return rows

    def solvable(self, rhs: np.ndarray) -> np.ndarray:
        """See `balanced`."""
        return self.balanced(rhs)

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        # Rows of each block, with the moments first, without what is rounding of conditions.
        parts = list[np.ndarray]()
        start = 0
        noise = SETTINGS.rounded_rows * float(np.abs(rhs).max(initial=0.0))
        for block in self.blocks:
            values = rhs[start : start + block.rows]
            if block is not self.blocks[0] and np.abs(values).max(initial=0.0) <= noise:
                values = np.zeros_like(values)
            values = values.reshape(len(block.numbers), *block.shape)
            parts.append(np.moveaxis(values, self.time + 1, 0))  # (moments, numbers, *space)
            start += block.rows
        parts = [np.tensordot(level.to_levels, part, 1) for level, part in zip(self.levels, parts, strict=True)]
        # What holds at the first moment alone.
        counts = [axis.count for axis in self.axes]
        first = np.zeros((*counts, self.shape[-1]))
        begins = [part[0].ravel() for level, part in zip(self.levels, parts, strict=True) if level.has_begin]
        parts = [part[int(level.has_begin) :] for level, part in zip(self.levels, parts, strict=True)]
        if any(each.any() for each in begins):
            first = self._first(np.concatenate(begins)).reshape(first.shape)
            parts[0] = parts[0].copy()
            for slot, row in self.rows.items():
                known = self.equation.applied(row, slot, first[..., slot], of_rates=True)
                parts[0][:, row] -= np.multiply.outer(self.from_begin, known)
        # Modes in time, of blocks with rows after the first moment.
        modes = range(len(self.radau.values))
        spectra = [np.tensordot(self.radau.to_modes, part, 1) if len(part) else [part for _ in modes] for part in parts]
        each = [[spectrum[k] for spectrum in spectra] for k in modes]
        # Back to the moments, and to coefficients.
        found = np.stack(self._of_modes(each))
        nodal = np.tensordot(self.radau.vectors, found, 1).real  # (moments, *counts, fields)
        coef = np.empty((self.line.count, *counts, self.shape[-1]))
        for slot in range(self.shape[-1]):
            both = np.concatenate([first[None, ..., slot], nodal[..., slot]])
            coef[..., slot] = np.tensordot(self.inverses[slot == self.pressure], both, 1)
        return np.moveaxis(coef, 0, self.time).ravel()

    def _of_modes(self, each: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
        """The flow of each eigenvalue in time, (*counts, fields), complex, for the rows of all blocks."""
        counts = [axis.count for axis in self.axes]
        inner = math.prod(self.equation.block.shape)
        # Velocities without a pressure but for its conditions, and the divergence that they leave.
        pressures = list[np.ndarray]()
        missing = list[np.ndarray]()
        for number, parts in enumerate(each):
            pressure = np.zeros(counts, dtype=complex)
            closed = [parts[level.number][row].ravel() for level, row in self.reductions]
            if any(each.any() for each in closed):
                rows = np.concatenate([*closed, np.zeros(inner)])
                solver = self._with_conditions
                pressure = (solver(rows.real) + 1j * solver(rows.imag)).reshape(counts)
            left = -parts[0][self.constraint]
            for slot in self.rows:
                velocity = self._velocity(slot, number, parts, pressure)
                left = left + self.equation.applied(self.constraint, slot, velocity)
            left = left.ravel()
            if self.constant is not None:
                mean = self.constant.applied(0, self.pressure, pressure)
                left = np.append(left, (parts[self.constant.number] - mean).ravel())
            pressures.append(pressure)
            missing.append(left)
        # The pressure that removes it, and velocities with this one.
        flows = []
        for number, values in enumerate(self._pressures(np.stack(missing))):
            pressure = pressures[number] + self._with_values(values)
            if self.constant is not None:  # its mean is that of the row, and not changed by the part without viscosity
                gap = each[number][self.constant.number] - self.constant.applied(0, self.pressure, pressure)
                pressure = pressure + gap.item()
            flow = np.zeros((*counts, self.shape[-1]), dtype=complex)
            flow[..., self.pressure] = pressure
            for slot in self.rows:
                flow[..., slot] = self._velocity(slot, number, each[number], pressure)
            flows.append(flow)
        return flows

    def _velocity(self, slot: int, number: int, parts: Sequence[np.ndarray], pressure: np.ndarray) -> np.ndarray:
        """Coefficients of a velocity, (*counts), where those of the pressure are known."""
        fast = self.fast[slot]
        shift = self.mass[slot] * self.radau.values[number]
        row = self.rows[slot]
        inside = parts[0][row] - self.equation.applied(row, self.pressure, pressure)
        walls = [parts[level.number][own].ravel() for level, own in self.walls[slot]]
        return fast.solved(inside, walls, shift)
