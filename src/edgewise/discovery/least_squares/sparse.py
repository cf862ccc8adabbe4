"""Sparse linear regression: backward elimination, forward selection, and null vectors of few entries.

Backward elimination removes the least significant column as long as the fit stays exact or, where the data hold noise,
for as long as Schwarz's criterion falls [1]_. Forward selection adds the column that lowers the squared error most; a
column is orthogonalised against the chosen ones (orthogonal least squares [2]_).

References
----------
.. [1] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6 (1978).
.. [2] S. Chen, S. Billings, W. Luo, "Orthogonal least squares methods and their application to non-linear system
   identification", International Journal of Control 50 (1989).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.formulas.constants import EXACT, root_weights
from edgewise.formulas.expression import Expression, Multiply, Number, evaluate, exact_number, sum_of
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class SparseSettings:
    """What counts as rounding, and the most columns."""

    # Share of a column's square outside the chosen ones, below which it is linearly dependent.
    dependent_share: float = 1e-10
    # Singular values of columns of size one over the largest, below which they are rounding.
    smallest_share: float = 1e-14
    largest_column: float = 1e12  # Values of a column that is selected, at most.
    rows_a_term: int = 5  # Rows for each selected column, at least.


SETTINGS = SparseSettings()


@dataclass(frozen=True)
class LinearFit:
    """A sum of some columns fitted to a target."""

    places: np.ndarray  # the columns
    coefficients: np.ndarray  # their coefficients
    error: float  # root mean square residual over the standard deviation of the target
    criterion: float  # Schwarz's criterion N log(error^2) + log(N) * columns

    @property
    def is_exact(self) -> bool:
        """True if the residuals are rounding."""
        return self.error < EXACT.linear_error


def eliminated(matrix: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> list[LinearFit]:
    """Fits without the least significant column, which is removed again and again, from all columns to one."""
    # Where the fit with all columns is exact, only the exact ones are returned. The matrix is (N, columns), target and
    # weights of squared errors are (N,).
    if not (np.isfinite(matrix).all() and np.isfinite(target).all()) or len(matrix) <= matrix.shape[1]:
        return []
    # Columns and target with the weights, columns of length 1.
    root = root_weights(weight, len(target))
    lengths = np.maximum(np.linalg.norm(matrix * root[:, None], axis=0), ABOVE_ZERO)
    rows = matrix * root[:, None] / lengths
    goal = target * root
    mean = np.sum(root * goal) / np.sum(root * root)
    spread = float(np.linalg.norm(goal - mean * root))
    if spread == 0:
        return []
    # All fits are made in the small triangular factor of [rows, goal], which has the same least-squares solutions.
    small = triangular_factor(np.column_stack([rows, goal]))
    spend(8 * rows.size * (4 + rows.shape[1] / PRODUCT_SPEED))
    places = np.arange(matrix.shape[1])
    count = len(target)
    fits: list[LinearFit] = []
    while len(places):
        triangle = triangular_factor(np.column_stack([small[:, places], small[:, -1]]))
        k = len(places)
        spend(60 * CALL_WORK + 6 * k**3 / PRODUCT_SPEED)
        # QR again for the columns that are left; the last of them is the target, whose diagonal entry is the residual
        # norm.
        diagonal = np.abs(np.diag(triangle)[:k])
        if diagonal.min() < 1e-14 * diagonal.max():  # dependent columns: the last of them goes
            places = np.delete(places, int(np.argmin(diagonal)))
            continue
        try:
            inverse = np.linalg.inv(triangle[:k, :k])
        except np.linalg.LinAlgError:  # a column of zeros
            return fits
        # Back substitution, residual norm, Schwarz's criterion.
        coefficients = inverse @ triangle[:k, k]
        if len(triangle) > k:
            error = float(abs(triangle[k, k])) / spread
        else:
            error = 0.0
        if fits and fits[-1].is_exact and error >= EXACT.linear_error:
            break
        criterion = count * math.log(max(error, EXACT.linear_error) ** 2) + math.log(count) * k
        fits.append(LinearFit(places, coefficients / lengths[places], error, criterion))
        # The t statistic of each coefficient up to a common factor: the column of the smallest one goes.
        significance = np.abs(coefficients) / np.linalg.norm(inverse, axis=1)
        places = np.delete(places, int(np.argmin(significance)))
    return fits


def selected(columns: np.ndarray, target: np.ndarray, most: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Choose 1, 2, ... columns by forward selection: their places, and their coefficients with a constant's behind."""
    # The columns are (N, columns), the target is (N,).
    usable = np.isfinite(columns).all(0) & (np.abs(columns).max(0) < SETTINGS.largest_column)
    size = np.where(usable, np.abs(columns).max(0), 1.0)
    columns = np.where(usable, columns, 0.0)
    orthogonal = columns / np.where(size > 0, size, 1.0)
    orthogonal = orthogonal - orthogonal.mean(0)
    full = np.square(orthogonal).sum(0)
    residuals = target - target.mean()
    chosen: list[int] = []
    for _ in range(min(most, columns.shape[1], max(len(target) // SETTINGS.rows_a_term, 1))):
        spend(40 * CALL_WORK + 10 * orthogonal.size)
        # the column that explains most of the residuals
        squares = np.square(orthogonal).sum(0)
        independent = squares > SETTINGS.dependent_share * full
        gain = np.where(independent, (orthogonal.T @ residuals) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)
        place = int(gain.argmax())
        if not gain[place] > 0:
            return
        chosen.append(place)
        # Gram-Schmidt: residuals and candidates without their parts along it
        direction = orthogonal[:, place] / np.sqrt(squares[place])
        residuals = residuals - direction * (direction @ residuals)
        orthogonal = orthogonal - np.outer(direction, direction @ orthogonal)
        # the least-squares fit of the chosen columns and a constant
        numbers = factors_of(np.column_stack([columns[:, chosen], np.ones(len(target))]), target)
        assert numbers is not None, "columns that are chosen are finite and not zero"
        yield list(chosen), numbers


def sparse_null_vector(small: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The null vector of some columns with as few entries as backward elimination reaches, or None."""
    kept = places
    vector = None
    while len(places) > 1:
        # The right singular vector of a singular value of rounding size; its smallest entry goes next.
        _, singular, right = np.linalg.svd(small[:, places], full_matrices=False)
        spend(20 * CALL_WORK + 20 * len(small) * len(places) ** 2 / PRODUCT_SPEED)
        if singular[-1] > EXACT.linear_error * singular[0]:
            break
        kept = places
        vector = right[-1]
        places = np.delete(places, int(np.argmin(np.abs(right[-1]))))
    return kept, vector


def factors_of(columns: np.ndarray, goal: np.ndarray) -> np.ndarray | None:
    """Factors of columns (N, columns) by least squares; None where one vanishes or a value is not finite."""
    spend(40 * CALL_WORK + 20 * columns.size)
    sizes = np.abs(columns).max(axis=0)
    if not (np.isfinite(sizes).all() and np.isfinite(goal).all() and sizes.all()):
        return None
    return np.asarray(np.linalg.lstsq(columns / sizes, goal, rcond=SETTINGS.smallest_share)[0] / sizes)


def fitted_sum(
    terms: Sequence[Expression], goal: np.ndarray, importance: np.ndarray, x: np.ndarray
) -> Expression | None:
    """The sum of terms and a constant that is nearest to a goal (N,) with weights (N,); None where it is undefined."""
    root = np.sqrt(importance)
    columns = np.column_stack([*(evaluate(term, x) for term in terms), np.ones(len(x))]) * root[:, None]
    numbers = factors_of(columns, goal * root)
    if numbers is None:
        return None
    parts = [Multiply((Number(float(number)), term)) for number, term in zip(numbers, terms, strict=False)]
    return sum_of([*parts, Number(float(numbers[-1]))])


def triangular_factor(matrix: np.ndarray) -> np.ndarray:
    """The triangular factor R of matrix = QR: it has the same singular values and least-squares solutions."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def linear(coefficients: np.ndarray, terms: Sequence[Expression]) -> Expression:
    """The sum of coefficients times terms."""
    return sum_of([scaled(float(c), term) for c, term in zip(coefficients, terms, strict=True)])


def scaled(factor: float, term: Expression) -> Expression:
    """A number times a term; a number that is whole to rounding is exact."""
    whole = round(factor) if math.isfinite(factor) else 0  # what is not finite is not kept by the engine
    if whole and abs(factor - whole) <= 1e-9 * abs(whole):
        number = exact_number(whole)
    else:
        number = Number(factor)
    if isinstance(term, Number):
        return number if term.value == 1 else number.times(term)
    if number.exact == (1, 1, ""):
        return term
    return Multiply((number, term))
