"""Values, derivatives and constants of many programs at once.

All nodes of a batch that have the same operation and the same height above the leaves are computed by one numpy call,
so the cost of Python is that of a hundred calls for hundreds of programs. Parts without constants that occur several
times, within a program or in several, are computed once. Derivatives by the constants come from one pass back through
the nodes above constants, and the constants of all programs are fitted together by Levenberg-Marquardt, with the factor
and the constant in front eliminated (variable projection).

References
----------
.. [1] M. Kommenda et al., "Parameter identification for symbolic regression using nonlinear least squares", Genetic
   Programming and Evolvable Machines 21 (2020): constants by Levenberg-Marquardt inside genetic programming.
.. [2] L. Kaufman, "A variable projection method for solving separable nonlinear least squares problems", BIT 15 (1975):
   the approximate Jacobian of the projected residual.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.discovery.evolution.operations import CONSTANT_CODE, OperationTable, Program
from edgewise.settings import ABOVE_ZERO

# Of Marquardt's rule.
FIRST_DAMPING = 1e-2
LOWER_DAMPING = 0.2
RAISE_DAMPING = 5.0
DIAGONAL_FLOOR = 1e-12  # Share of the largest diagonal entry that each gets, for constants that nothing depends on.
# Squared share of its length that a program must keep without its mean, below which it counts as constant.
LEAST_VARIANCE = 1e-20


class Batch:
    """Programs whose nodes are computed together.

    Parameters
    ----------
    programs : sequence of Program
        The programs.
    table : OperationTable
        Their operations.
    x : ndarray of shape (inputs, R)
        The rows, one input after the other.
    """

    def __init__(self, programs: Sequence[Program], table: OperationTable, x: np.ndarray):
        self.table = table
        self.x = x
        self.count = len(programs)
        self.constants = sum(len(program.numbers) for program in programs)
        owner = []
        roots = []
        # Nodes: the constants, the inputs, and then the others; (code, left, right) with the places of the arguments.
        first = self.constants + table.inputs
        nodes: list[tuple[int, int, int]] = []
        heights: list[int] = [0] * first
        known: dict[tuple[int, int, int], int] = {}
        arity = table.arity
        constant = 0
        node_owners: list[int] = []  # Meaningful for nodes above constants: only those belong to one program.
        for number, program in enumerate(programs):
            stack: list[int] = []
            for code in program.codes:
                if code == CONSTANT_CODE:
                    stack.append(constant)
                    owner.append(number)
                    constant += 1
                elif arity[code] == 0:
                    stack.append(self.constants + code - 1)
                else:
                    right = stack.pop() if arity[code] == 2 else -1
                    left = stack.pop()
                    key = (code, left, right)
                    place = known.get(key)
                    if place is None:
                        place = known[key] = first + len(nodes)
                        nodes.append(key)
                        node_owners.append(number)
                        heights.append(1 + max(heights[left], heights[right] if right >= 0 else 0))
                    stack.append(place)
            roots.append(stack[0])
        self.owner = np.array(owner, dtype=np.int64)
        self.numbers = np.array([value for program in programs for value in program.numbers])
        self._arrange(nodes, np.array(heights, dtype=np.int64), first)
        self.node_owner = np.zeros(self.total, dtype=np.int64)
        self.node_owner[: self.constants] = self.owner
        self.node_owner[self._moved[first:]] = node_owners
        self.roots = self._moved[np.array(roots, dtype=np.int64)]
        if len(owner):
            widest = np.bincount(self.owner, minlength=self.count)
        else:
            widest = np.zeros(self.count, dtype=np.int64)
        self.widths = widest
        if owner:
            self.slots = np.arange(len(owner)) - np.concatenate([[0], np.cumsum(widest)])[self.owner]
        else:
            self.slots = self.owner

    def _arrange(self, nodes: list[tuple[int, int, int]], heights: np.ndarray, first: int) -> None:
        """Sort the nodes by height and operation, so that each group is one slice."""
        table = np.array(nodes, dtype=np.int64).reshape(-1, 3)
        order = np.lexsort((table[:, 0], heights[first:]))
        self._moved = np.concatenate([np.arange(first), np.empty(len(nodes), dtype=np.int64)])
        self._moved[first + order] = first + np.arange(len(nodes))
        table = table[order]
        heights = heights[first:][order]
        left = self._moved[table[:, 1]]
        right = np.where(table[:, 2] >= 0, self._moved[table[:, 2]], -1)
        self.total = first + len(nodes)
        varies = np.zeros(self.total, dtype=bool)  # Whether a constant is below a node.
        varies[: self.constants] = True
        edges = np.flatnonzero(np.diff(heights * 1000 + table[:, 0])) + 1
        self.groups = []
        for part in np.split(np.arange(len(nodes)), edges):
            if not len(part):
                continue
            where = slice(first + part[0], first + part[-1] + 1)
            second = right[part]
            varies[where] = varies[left[part]] | np.where(second >= 0, varies[second], False)
            self.groups.append((self.table.operations[table[part[0], 0]], where, left[part], second))
        self.varies = varies

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Values of all nodes, shape (nodes, R), for these constants."""
        values = np.empty((self.total, self.x.shape[1]))
        values[: self.constants] = numbers[:, None]
        values[self.constants : self.constants + self.table.inputs] = self.x
        for operation, where, left, right in self.groups:
            if operation.arity == 1:
                values[where] = operation.value(values[left])
            else:
                operation.value(values[left], values[right], out=values[where])
        return values

    def jacobian(self, values: np.ndarray) -> np.ndarray:
        """Derivatives of each program's values by its constants, shape (programs, largest number of constants, R)."""
        back = np.zeros((self.total, values.shape[1]))
        back[self.roots[self.varies[self.roots]]] = 1.0
        for operation, where, left, right in reversed(self.groups):
            chosen = np.flatnonzero(self.varies[where])
            if not len(chosen):
                continue
            above = back[where][chosen]
            arguments = (left[chosen],) if operation.arity == 1 else (left[chosen], right[chosen])
            slopes = operation.slopes(*(values[places] for places in arguments), values[where][chosen])
            for places, slope in zip(arguments, slopes, strict=True):
                moving = np.flatnonzero(self.varies[places])
                part = slope[moving] if isinstance(slope, np.ndarray) else slope
                back[places[moving]] = above[moving] * part
        rows = np.zeros((self.count, int(self.widths.max(initial=0)), values.shape[1]))
        rows[self.owner, self.slots] = back[: self.constants]
        return rows


class ScaledFits:
    """Fits of factor * program + constant to a target, for all programs of a batch.

    Shapes: y, weights (R,), root, basis, goal (R,).
    """

    def __init__(self, y: np.ndarray, weights: np.ndarray):
        self.root = np.sqrt(weights / weights.sum())
        self.basis = self.root
        self.goal = y * self.root - self.basis * float((y * self.root) @ self.basis)
        self.variance = max(float(self.goal @ self.goal), ABOVE_ZERO)

    def projected(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values without their means, factors, and losses as shares of the variance; infinite where undefined."""
        scaled = values * self.root
        rest = scaled - (scaled @ self.basis)[:, None] * self.basis
        square = np.einsum("ij,ij->i", rest, rest)
        enough = square > LEAST_VARIANCE * np.einsum("ij,ij->i", scaled, scaled)
        factor = np.where(enough & np.isfinite(square), (rest @ self.goal) / np.where(square > 0, square, 1.0), np.nan)
        errors = self.goal - factor[:, None] * rest
        loss = np.einsum("ij,ij->i", errors, errors) / self.variance
        return rest, factor, np.where(np.isfinite(loss), loss, np.inf)

    def fitted(self, batch: Batch, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Constants of the programs after some steps of Levenberg-Marquardt, and the losses that they have then."""
        numbers = batch.numbers.copy()
        values = batch.values(numbers)
        rest, factor, loss = self.projected(values[batch.roots])
        width = int(batch.widths.max(initial=0))
        if not width:
            return numbers, loss
        damping = np.full(batch.count, FIRST_DAMPING)
        for _ in range(steps):
            normal, gradient = self._normal_equations(batch, values, rest, factor)
            scale = np.diagonal(normal, axis1=1, axis2=2)
            scale = scale + DIAGONAL_FLOOR * scale.max(axis=1, keepdims=True) + ABOVE_ZERO
            system = normal.copy()
            system[:, np.arange(width), np.arange(width)] += damping[:, None] * scale
            move = _solved(system, gradient)
            trial = numbers + move[batch.owner, batch.slots]
            new_values = batch.values(trial)
            new_rest, new_factor, new_loss = self.projected(new_values[batch.roots])
            better = new_loss < loss
            if not better.any() and (damping > 1e6).all():
                break
            taken = better[batch.owner]
            numbers[taken] = trial[taken]
            rest[better], factor[better], loss[better] = new_rest[better], new_factor[better], new_loss[better]
            damping = np.where(better, damping * LOWER_DAMPING, damping * RAISE_DAMPING)
            moved = batch.varies & better[batch.node_owner]
            values[moved] = new_values[moved]
        return numbers, loss

    def _normal_equations(
        self, batch: Batch, values: np.ndarray, rest: np.ndarray, factor: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """J'J and -J'r of the projected residual, for each program; zero where a derivative is not finite."""
        rows = batch.jacobian(values) * (self.root * factor[:, None])[:, None, :]
        square = np.einsum("ij,ij->i", rest, rest)
        along = np.einsum("ikj,ij->ik", rows, rest) / np.where(square > 0, square, 1.0)[:, None]
        rows = rows - (rows @ self.basis)[..., None] * self.basis - along[..., None] * rest[:, None, :]
        normal = rows @ rows.transpose(0, 2, 1)
        gradient = rows @ self.goal
        broken = ~(np.isfinite(normal).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1))
        normal[broken], gradient[broken] = 0.0, 0.0
        return normal, gradient


def _solved(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions of many small symmetric systems; 0 for those that are singular."""
    try:
        return np.asarray(np.linalg.solve(systems, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        return np.einsum("ijk,ik->ij", np.linalg.pinv(systems, hermitian=True), right)
