"""Numerical limits that several rooms share, each with its source.

The two limits of memory also fix into how many parts a sum over samples is split, so changing one changes results by
rounding.
"""

from collections.abc import Iterator

# Smallest divisor, and smallest argument of a logarithm, where a number may be zero: far below every number that is
# computed from data, and far enough above the smallest float64 (2e-308) that its inverse is finite.
ABOVE_ZERO = 1e-300

# Numbers in the Jacobian rows of one chunk of samples: 32 MiB in float64; the rows and a few tensors of their size fit
# into memory on any machine, and chunks stay long enough for full speed of the matrix products.
ROW_CHUNK_NUMBERS = 2**22

# Numbers that the widest layer may hold for one chunk of samples in a forward and backward pass: 64 MiB in float64; a
# pass keeps one such tensor per layer, while rows are larger per sample and several of them live at once.
FORWARD_CHUNK_NUMBERS = 2**23

# Numbers that a row takes where they are not known: 8,192 rows are then a chunk. A call of torch on a chunk takes far
# longer than its overhead, and the B-splines of some inputs at a chunk stay in the cache.
ROW_NUMBERS = 2**10


def rows_at_once(numbers: int, most: int = FORWARD_CHUNK_NUMBERS) -> int:
    """How many rows, of `numbers` each, hold at most `most` numbers; at least one."""
    return max(1, most // max(1, numbers))


def chunks(rows: int, numbers: int = ROW_NUMBERS, most: int = FORWARD_CHUNK_NUMBERS) -> Iterator[slice]:
    """Runs of rows, of `numbers` each, that hold at most `most` numbers; a row with more is a run of its own."""
    length = rows_at_once(numbers, most)
    return (slice(first, min(first + length, rows)) for first in range(0, rows, length))


# Parameters up to which a square matrix of them is formed and factorised: the normal equations of Levenberg-Marquardt
# and the inverse Hessian of self-scaled Broyden; at 5,000 such a matrix takes 200 MB, and its Cholesky factorisation
# 0.8 s of one core (torch.linalg.cholesky_ex, float64).
MOST_FACTORISED = 5000

# Work that `budget=1` allows, in multiply-adds as `edgewise.train.cost` counts them, of which one core does about 3e9 a
# second. A budget counts work and not seconds so that the same data and budget give the same model on every machine.
# Each kind of task has a unit of its own: the times below are what a user waits for a task of usual size.
#
# Choosing and training a model of a table (`KANRegressor`, `KANClassifier`, `select_model`): up to about a minute on
# two cores. Small tables get less, see `search`.
TABLE_BUDGET_WORK = 2.5e11
# Approximating a function from samples without noise (`approximate`): up to about 35 seconds of one core.
APPROXIMATION_BUDGET_WORK = 1e11
# Solving a differential equation (`pde.solve`): up to about two minutes of one core.
EQUATION_BUDGET_WORK = 4e11

# Work in multiply-adds of elementwise code that a core does in about a second, work that stands for the fixed time of a
# call of numpy, and how many times faster a multiply-add is within a product of matrices.
WORK_A_SECOND = 3e9
CALL_WORK = 5e3
PRODUCT_SPEED = 4.0
