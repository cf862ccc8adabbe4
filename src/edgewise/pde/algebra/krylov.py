"""GMRES with a preconditioner from the right, so that residuals are those of the system itself [1].

[1] Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd edition, 2003, section 9.3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from edgewise.outcomes import check_time

Apply = Callable[[np.ndarray], np.ndarray]
"""A linear map of vectors (size,)."""


def solved_from_right(
    product: Apply, preconditioner: Apply, rhs: np.ndarray, reduction: float, restart: int, restarts: int
) -> tuple[np.ndarray, int, bool]:
    """The solution (size,), the number of products, and whether the residual has fallen by the reduction."""
    products = 0

    def applied(vector: np.ndarray) -> np.ndarray:
        nonlocal products
        check_time()
        products += 1
        return product(preconditioner(vector))

    operator = LinearOperator((len(rhs), len(rhs)), applied, dtype=rhs.dtype)
    solution, missed = gmres(operator, rhs, rtol=reduction, restart=restart, maxiter=restarts)
    return preconditioner(solution), products, not missed
