"""Choice of a solver: sparse factors, or a preconditioner inside a Krylov method."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewise.pde.algebra.diagonal import FieldByField
from edgewise.pde.algebra.flows import FlowElement
from edgewise.pde.algebra.krylov import solved_from_right
from edgewise.pde.algebra.system import LinearSystem, Preconditioner, Solver
from edgewise.pde.algebra.waves import WaveByWave
from edgewise.pde.spaces.grid_problem import GridProblem


@dataclass(frozen=True)
class SolverSettings:
    """Which systems are factorised, and when a Krylov method has done its work."""

    # Unknowns up to which a system of several coordinates is factorised without trying fast diagonalisation first: the
    # factors take less than a tenth of a second.
    always_factorised: int = 700
    # Multiply-adds up to which a system of several fields is: about a second of one core, after which steps of a Krylov
    # method that leaves out what couples the fields are worth a try; and up to which a system is factorised at all:
    # about a minute.
    cheap_factors: float = 1e9
    most_work: float = 1e11
    # The reduction of the residual at which GMRES has done its work, its steps between restarts, and restarts; rounds
    # of iterative refinement around it: a preconditioner that does not reach it in these steps is of no use.
    least_reduction: float = 1e-9
    restart: int = 40
    restarts: int = 2
    refinement_rounds: int = 6
    # Multiply-adds of one application of a system and its preconditioner: per unknown beside those with the
    # eigenvectors of each coordinate, for the sparse tables; and at least, for the time that some forty calls of numpy
    # take.
    tables_work: float = 200.0
    least_application_work: float = 3e6
    unsolved: float = 1e-8  # of the right-hand side: what may be left for Newton's method to take up in its next step
    # Where an error may be left, GMRES aims at this share of it, for residuals are not errors; share of the whole
    # solution that may be left in a step of Newton's method.
    well_below: float = 0.1
    left_in_step: float = 0.03
    # A right-hand side that is reduced by this factor is solved to rounding; largest factor of a useful round, and of
    # one of a preconditioner that needs no Krylov method.
    rounding: float = 1e-15
    useful: float = 0.1
    close: float = 1e-3


SETTINGS = SolverSettings()


def solver_for(
    grid_problem: GridProblem,
    system: LinearSystem,
    enough: np.ndarray | None = None,
    kept: Preconditioner | None = None,
) -> Solver | None:
    """A solver of a square system; None if there is none that is exact to rounding within the allowed work.

    `enough`, (fields,), are errors of coefficients that it may leave; without them it is exact to rounding. Of a
    preconditioner that is `kept`, the one for the last time element, factors are used again.
    """
    if not all(np.isfinite(slope).all() for slopes in system.jacobian for slope in slopes.values()):
        return None
    left = 0.0 if grid_problem.form.is_linear else SETTINGS.left_in_step
    # Flows have a solver of their own.
    if grid_problem.constraint_variables:
        flow = FlowElement.for_system(grid_problem, system, kept)
        if flow is not None:
            return Krylov(system, flow, enough, left)
    # Large systems are preconditioned by waves or by eigenvectors of each coordinate.
    long = sum(axis.intervals > 1 for axis in system.blocks[0].axes)  # a time element is short
    is_dear = system.unknowns > SETTINGS.always_factorised and (
        system.shape[-1] == 1 or system.factor_work() > SETTINGS.cheap_factors
    )
    if long > 1 and is_dear and system.rows == system.unknowns:
        preconditioner: Preconditioner | None = None
        if system.shape[-1] > 1:
            preconditioner = WaveByWave.for_system(system)
        if preconditioner is None:
            preconditioner = FieldByField.for_system(grid_problem, system)
        if preconditioner is not None:
            return Krylov(system, preconditioner, enough, left)
    # All others are factorised.
    return system.factorised() if system.factor_work() <= SETTINGS.most_work else None


class Krylov:
    """GMRES with a preconditioner, within iterative refinement [1]; sparse factors where it does not converge.

    [1] Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd edition, 2003, sections 6.5 and 9.3.
    """

    def __init__(
        self, system: LinearSystem, preconditioner: Preconditioner, enough: np.ndarray | None, left_in_step: float
    ):
        self.system = system
        self.preconditioner = preconditioner
        self.enough = enough
        self.left_in_step = left_in_step
        self._factors: Solver | None = None

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """The solution; of factors, where there are some from an earlier call that did not converge."""
        if self._factors is not None:
            return self._factors(rhs)
        # The solvable part of the right-hand side, and the work of a product.
        rhs = self.preconditioner.solvable(rhs)
        norm = float(np.linalg.norm(rhs))
        system = self.system
        balanced = self.preconditioner.balanced
        work = max(
            system.unknowns * (4.0 * sum(system.shape[:-1]) + SETTINGS.tables_work), SETTINGS.least_application_work
        )

        def product(v: np.ndarray) -> np.ndarray:
            return balanced(system.product(v))

        # A first solution by the preconditioner alone.
        solution = self.preconditioner(rhs)
        left = balanced(rhs - system.product(solution))
        size = float(np.linalg.norm(left))
        is_close = True  # the preconditioner alone may do
        # A shorter time element is cheaper than factors.
        is_short = any(axis.intervals == 1 for axis in system.blocks[0].axes)
        restarts = SETTINGS.restarts
        if is_short and self.enough is not None:
            restarts = 1
        # Iterative refinement by the preconditioner, and by restarted GMRES once that falls slowly.
        for _ in range(SETTINGS.refinement_rounds):
            if size <= SETTINGS.rounding * norm or not math.isfinite(size):
                break
            move = self.preconditioner(left)
            reduction = SETTINGS.least_reduction
            if self.enough is not None:
                sizes = [np.abs(each).reshape(-1, system.shape[-1]).max(0) for each in (move, solution)]
                share = float((sizes[0] / np.maximum(self.enough, self.left_in_step * sizes[1])).max())
                if share <= 1:
                    return solution + move
                reduction = max(SETTINGS.well_below / share, reduction)
            if not is_close:
                move, products, _ = solved_from_right(
                    product, self.preconditioner, left, reduction, SETTINGS.restart, restarts
                )
                system.work += products * work
            new = balanced(left - system.product(move))
            system.work += work
            reached = float(np.linalg.norm(new))
            if reached < size:
                solution = solution + move
                left = new
            if not reached < SETTINGS.useful * size and not is_close:
                break
            is_close = is_close and reached < SETTINGS.close * size
            size = min(reached, size)
        # Sparse factors where the iteration has not converged.
        if size <= SETTINGS.unsolved * norm:
            return solution
        if not is_short and system.factor_work() <= SETTINGS.most_work:
            self._factors = system.factorised()
        if self._factors is None:
            return np.full(system.unknowns, np.nan)
        return self._factors(rhs)
