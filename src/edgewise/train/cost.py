"""Cost model of training: the work of one optimisation step in multiply-adds, counted and never timed.

Budgets are compared with counted work, so that the same data and budget lead to the same plan on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.nn.layers.base import Chain


@dataclass(frozen=True)
class StepCost:
    """Work of one optimisation step, in multiply-adds of elementwise code."""

    # The unit is a multiply-add outside of matrix products, of which one core does about 3e9 a second: ten steps of
    # Levenberg-Marquardt took 2.4e-10 to 4.2e-10 seconds for each, on five KANs with 69 to 810 parameters
    # (`benchmarks/step_cost.py`). What differs between the users of the model are its parameters.

    overhead: float = 0.0  # work that stands for the fixed time of a step, some hundred calls of torch
    product_speed: float = 8.0  # how many times faster a multiply-add is within a dense matrix product or factorisation
    # work per sample and active parameter for the values of basis functions and the rows of the Jacobian
    active_work: float = 40.0

    def levenberg_marquardt(self, rows: float, parameters: int, active: int | None = None) -> float:
        """Work of a step of Levenberg-Marquardt that factorises the normal equations."""
        # Forming the symmetric matrix J'J takes rows * n^2 / 2 multiply-adds, with n the number of parameters in a row,
        # either segment by segment with the `active` parameters of each sample or as a matrix product with all of them,
        # whichever is faster. The Cholesky factorisation takes parameters^3 / 3 (Golub and Van Loan, "Matrix
        # computations", 4th ed., section 4.2.5: half of the operations counted there are multiplications).
        squares = parameters**2 / self.product_speed
        basis = 0.0
        if active is not None:
            squares = min(active**2, squares)
            basis = self.active_work * rows * active
        return rows * squares / 2 + parameters**3 / 3 / self.product_speed + basis + self.overhead

    def gradient(self, rows: float, parameters: int, basis_evaluations: int) -> float:
        """Work of a step of L-BFGS, which evaluates the loss and its gradient about once."""
        # Work of evaluating the basis functions and their derivatives at one value: measured with L-BFGS on a table of
        # 500 columns, whose steps took ten times the work of their multiply-adds alone.
        basis_work = 300.0
        return 6 * rows * parameters + basis_work * rows * basis_evaluations + self.overhead


# Candidates of a model search. Its matrices are formed densely and are small, so that a matrix product is only four
# times faster; the overhead is that of the compiled kernels, which make fewer calls. Kept as measured when the budgets
# of tables were set: another count would change which candidates a search can afford.
TABLE_COST = StepCost(overhead=3e6, product_speed=4.0)
# Starts and grids of `approximate`.
APPROXIMATION_COST = StepCost(overhead=4e6)
# Networks of `pde.solve`: steps are so large that the overhead does not matter.
EQUATION_COST = StepCost()


def active_parameters(network: Chain) -> int:
    """Number of spline coefficients that the output of a network depends on at one point."""
    return sum(layer.active_coefficients for layer in network.layers)
