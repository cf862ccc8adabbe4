"""Laws that linear least squares finds without a search: monomials, sparse sums and ratios, under links of y.

Five forms, the first four for every link y = h(u) that the target allows (`edgewise.discovery.least_squares.links`):

- products of powers, a line through log |u| and the logarithms of the inputs;
- sums of monomials, of low degree first;
- sums of monomials with negative and broken exponents, and of common functions of single inputs;
- ratios of two sums of monomials, whose coefficients are a null vector of the columns and -u times the columns;
- the same for data with noise, by an iteration.

Short laws are found without this stage too, long ones seldom: of eighteen sums and ratios of many terms 16 are exact
with it and 5 without it, see docs/formulas-found.md.

Of the columns those stay that the data require, see `sparse`.

References
----------
.. [1] C. Sanathanan, J. Koerner, "Transfer function synthesis as a ratio of two complex polynomials", IEEE Transactions
   on Automatic Control 8 (1963).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, combinations_with_replacement, product

import numpy as np

from edgewise.discovery.least_squares.links import Link, is_allowed, possible_links, rare_links
from edgewise.discovery.least_squares.sparse import (
    LinearFit,
    eliminated,
    linear,
    scaled,
    sparse_null_vector,
    triangular_factor,
)
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import STANDARD_ERRORS, convincing_forms
from edgewise.formulas.expression import (
    Call,
    Expression,
    Multiply,
    Power,
    Variable,
    evaluate,
    exact_number,
    monomial,
    product_of,
)
from edgewise.formulas.rewriting import LARGEST_ROOT, MINUS_ONE
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, PRODUCT_SPEED


@dataclass(frozen=True)
class LeastSquaresSettings:
    """Sizes of sums, ratios and products of powers."""

    most_columns: int = 60  # Columns of a sum, at most, and half of those of a ratio: 0.1 s for an elimination.
    least_rows_a_column: int = 4  # Rows for each column, at least, so that residuals are left.
    # Total degrees of sums: higher ones are rare and nearly dependent.
    degrees: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 10)
    ratio_degrees: tuple[int, ...] = (6, 6)  # Largest total degrees of a ratio's two parts.
    # Total degrees under noise, and steps of the iteration.
    noisy_ratio_degrees: tuple[int, ...] = (1, 2)
    ratio_steps: int = 3
    smallest_bottom: float = 1e-3  # Smallest denominator relative to the largest, so that no row has all the weight.
    most_ratio_columns: int = 30  # Columns of a ratio's numerator, at most, and of its denominator.
    paired_functions: int = 6  # Functions of each of two inputs whose products are columns: 36 products.
    short_sums: int = 6  # Terms, at most, of inexact sums that are yielded beside the best one: readable lengths.
    largest_usual_denominator: int = 3  # Of exponents of products of powers: textbooks print halves and thirds.
    exact_exponent: float = 1e-6  # Distance of an exponent from its fraction that is rounding.
    rounding: float = 1e-15  # Error of an exponent, at least.
    largest_fitted_power: float = 12.0  # Larger ones stand in no law that was ever printed.


SETTINGS = LeastSquaresSettings()


def least_squares_laws(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield the laws of all forms, see the module; a `Stage`."""
    inputs = problem.x.shape[1]
    rows = len(problem.y)
    if not inputs:  # the engine has the constant that such a problem is
        return
    # Links of the target, and dictionaries of terms with few enough columns for the rows.
    links = [
        link for link in chain(possible_links(problem.y), rare_links(problem.y)) if is_allowed(link, problem.options)
    ]
    most = min(SETTINGS.most_columns, rows // SETTINGS.least_rows_a_column)
    found: set[str] = set()  # links under which a sum is exact: longer ones add nothing
    degrees = [degree for degree in SETTINGS.degrees if math.comb(inputs + degree, degree) <= most]
    dictionaries = [polynomial_columns(inputs, degree) for degree in degrees]
    dictionaries += [columns for columns in _dictionaries(problem) if 1 < len(columns) <= most]
    # The forms from the cheapest to the dearest.
    steps = [products_of_powers(problem)]
    steps += [sums(problem, link, columns, found) for columns in dictionaries for link in links]
    steps += [ratios(problem, link, budget) for link in links]
    steps += [noisy_ratios(problem)]
    for step in steps:
        if budget.is_over:
            return
        yield from step


def products_of_powers(problem: LawProblem) -> Iterator[Expression]:
    """Yield c * x_1^a * x_2^b ... with exponents rounded to fractions that the data allow."""
    x = np.abs(problem.x)
    y = np.abs(problem.y)
    used = [k for k in range(x.shape[1]) if x[:, k].min() > 0 and np.ptp(x[:, k]) > 0]
    if not used or y.min() <= 0 or len(y) <= 2 * len(used):
        return
    # Weighted linear regression of log|y| on log|x|, with weights that make errors of the logarithm those of y.
    columns = np.column_stack([np.ones(len(y)), np.log(x[:, used])])
    weight = y**2 / np.mean(y**2) * problem.weights
    root = np.sqrt(weight)[:, None]
    coefficients, _, rank, _ = np.linalg.lstsq(columns * root, np.log(y) * root[:, 0], rcond=None)
    if rank < columns.shape[1]:
        return
    # Standard errors of the exponents.
    residual = root[:, 0] * (np.log(y) - columns @ coefficients)
    inverse = np.linalg.pinv((columns * root).T @ (columns * root), hermitian=True)
    errors = np.sqrt(np.diag(inverse) * np.sum(residual**2) / (len(y) - len(coefficients)))
    # Small denominators first: what textbooks print needs no evidence but that it is possible
    for largest in (1, 2, SETTINGS.largest_usual_denominator):
        powers = [_usual_fraction(p, e, largest) for p, e in zip(coefficients[1:], errors[1:], strict=True)]
        if None not in powers:
            break
    # Other fractions where the rows exclude their neighbours; else the digits that the error of the exponent allows
    for place, (fitted, error) in enumerate(zip(coefficients[1:], errors[1:], strict=True)):
        if powers[place] is None:
            forms = (form for form in convincing_forms(float(fitted), float(error)) if not form[2])
            digits = -math.floor(math.log10(max(float(error), SETTINGS.rounding)))
            powers[place] = next((p / q for p, q, _ in forms if q <= LARGEST_ROOT), round(float(fitted), digits))
    if any(abs(power or 0.0) > SETTINGS.largest_fitted_power for power in powers):
        return
    # The factor of the product by least squares in y itself.
    term = monomial((k, power or 0.0) for k, power in zip(used, powers, strict=True))
    values = evaluate(term, problem.x)
    size = float(np.sum(values * values))
    if np.isfinite(size) and size > 0:
        yield scaled(float(np.sum(values * problem.y)) / size, term)


def _usual_fraction(value: float, error: float, largest: int) -> float | None:
    """The fraction p/q nearest to an exponent within three errors with the smallest q up to the largest, or None."""
    reach = max(min(STANDARD_ERRORS * error, 0.2), SETTINGS.exact_exponent)
    for q in range(1, largest + 1):
        if abs(round(value * q) / q - value) <= reach:
            return round(value * q) / q
    return None


def polynomial_columns(inputs: int, degree: int) -> list[Expression]:
    """The monomials up to a total degree, the constant 1 first, low degrees first."""
    return [
        monomial((k, factors.count(k)) for k in sorted(set(factors)))
        for total in range(degree + 1)
        for factors in combinations_with_replacement(range(inputs), total)
    ]


def _dictionaries(problem: LawProblem) -> Iterator[list[Expression]]:
    """Columns of other sums than polynomials, for few inputs."""
    x = problem.x
    inputs = problem.x.shape[1]
    # Powers with negative and broken exponents, then common functions of single inputs, alone and in products of two.
    if inputs <= 3 and x.min() > 0:
        yield broken_powers(inputs)
    if inputs <= 4:
        curves = [common_functions(problem, k) for k in range(inputs)]
        yield [exact_number(1), *chain(*curves)]
        short = [each[: SETTINGS.paired_functions] for each in curves]
        pairs = [product_of([f, g]) for a, b in combinations(short, 2) for f, g in product(a, b)]
        yield [exact_number(1), *chain(*short), *pairs] if pairs else []
        if inputs == 1:
            yield [exact_number(1), *curves[0], *(product_of([Variable(0), f]) for f in curves[0][2:])]


def broken_powers(inputs: int) -> list[Expression]:
    """Products of powers with negative and broken exponents, for one to three inputs."""
    steps: tuple[float, ...] = {1: tuple(k / 2 for k in range(-6, 9)), 2: (-2, -1, -0.5, 0, 0.5, 1, 2)}.get(
        inputs, (-1, 0, 1, 2)
    )
    most = 4 if inputs == 1 else 3
    powers = [p for p in product(steps, repeat=inputs) if sum(map(abs, p)) <= most]
    powers.sort(key=lambda p: (sum(map(abs, p)), [-k for k in p]))
    return [monomial(enumerate(p)) for p in powers]


def common_functions(problem: LawProblem, column: int) -> list[Expression]:
    """Common functions of one input that are finite at the rows, the most common ones first."""
    v = Variable(column)
    operators = problem.options.operators
    low = float(problem.x[:, column].min())
    square = Power(v, 2.0)
    functions: list[Expression] = [v, square]
    functions += [Call(name, v) for name in ("sin", "cos", "exp") if name in operators]
    functions += [Power(v, -1.0), Power(v, 0.5)] if low > 0 else []
    functions += [Call(name, v) for name in ("log", "tanh") if name in operators]
    functions += [Power(v, 3.0), Power(v, 4.0)]
    functions += [Call(name, square) for name in ("sin", "cos") if name in operators]
    negative = [Multiply((MINUS_ONE, each)) for each in (v, square)]
    functions += [Call("exp", each) for each in negative] if "exp" in operators else []
    return [function for function in functions if np.isfinite(evaluate(function, problem.x)).all()]


def sums(problem: LawProblem, link: Link, columns: Sequence[Expression], found: set[str]) -> Iterator[Expression]:
    """Yield sparse sums of columns under a link; `found` has the links with exact sums and receives this one."""
    if link.name in found:
        return
    # Backward elimination from all columns under the link.
    u, weight = link.target(problem.y)
    matrix = np.column_stack([evaluate(column, problem.x) for column in columns])
    fits = eliminated(matrix, u, weight * problem.weights)
    if not fits:
        return
    # The shortest exact sum; with noise the best by Schwarz's criterion and all short ones.
    if fits[-1].is_exact:
        found.add(link.name)
        fits = fits[-1:]
    else:
        best = min(fits, key=lambda fit: fit.criterion)
        fits = [fit for fit in reversed(fits) if fit is best or len(fit.places) <= SETTINGS.short_sums]
    for fit in fits:
        yield link.build(linear(fit.coefficients, [columns[k] for k in fit.places]))


def ratios(problem: LawProblem, link: Link, budget: Budget) -> Iterator[Expression]:
    """Yield ratios of two sums of monomials that equal u exactly, with the smallest degrees that do."""
    # The coefficients p, q of P(x) - u Q(x) = 0 are a null vector of the columns: the last right singular vector.
    inputs = problem.x.shape[1]
    rows = len(problem.y)
    most = min(SETTINGS.most_ratio_columns, rows // (2 * SETTINGS.least_rows_a_column))
    tops = [d for d in range(SETTINGS.ratio_degrees[0] + 1) if math.comb(inputs + d, d) <= most]
    if not tops or inputs > 8:
        return
    u, weight = link.target(problem.y)
    # P(x) - u Q(x) at the rows, in the order of rising degree; QR reduces all rows to a small triangle with the same
    # null vectors.
    columns = polynomial_columns(inputs, tops[-1])
    degrees = np.repeat(tops, [math.comb(inputs + d - 1, d) for d in tops])  # of each column
    values = np.column_stack([evaluate(column, problem.x) for column in columns])
    matrix = np.column_stack([values, -u[:, None] * values]) * np.sqrt(weight)[:, None]
    if not np.isfinite(matrix).all():
        return
    lengths = np.maximum(np.linalg.norm(matrix, axis=0), ABOVE_ZERO)
    small = triangular_factor(matrix / lengths)
    spend(4 * matrix.size * (4 + matrix.shape[1] / PRODUCT_SPEED))
    count = len(columns)
    # Degrees of P and Q from the smallest total on.
    for above, below in sorted(
        product(tops, tops[1 : SETTINGS.ratio_degrees[1] + 1]), key=lambda pair: (sum(pair), pair)
    ):
        if budget.is_over:
            return
        chosen = np.concatenate([np.flatnonzero(degrees <= above), count + np.flatnonzero(degrees <= below)])
        places, vector = sparse_null_vector(small, chosen)
        if vector is None or not (places < count).any() or not (places >= count).any():
            continue
        # The common factor of P and Q is set by the first coefficient of Q.
        vector = vector / lengths[places]
        vector = vector / vector[places >= count][0]
        top = linear(vector[places < count], [columns[k] for k in places[places < count]])
        bottom = linear(vector[places >= count], [columns[k - count] for k in places[places >= count]])
        yield link.build(Multiply((top, Power(bottom, -1.0))))
        return


def noisy_ratios(problem: LawProblem) -> Iterator[Expression]:
    """Yield ratios P/Q of sums of few monomials for data with noise, where no null vector is exact."""
    # With the constant of Q set to 1, P - y (Q - 1) = y is linear; the equation of each row is divided by the Q of the
    # step before, so that errors count as those of y (the iteration of Sanathanan and Koerner [1]).
    inputs = problem.x.shape[1]
    y = problem.y
    for degree in SETTINGS.noisy_ratio_degrees:
        if 2 * math.comb(inputs + degree, degree) > min(
            SETTINGS.most_ratio_columns, len(y) // SETTINGS.least_rows_a_column
        ):
            return
        columns = polynomial_columns(inputs, degree)
        count = len(columns)
        values = np.column_stack([evaluate(column, problem.x) for column in columns])
        matrix = np.column_stack([values, -y[:, None] * values[:, 1:]])
        bottom = np.ones(len(y))
        fits: list[LinearFit] = []
        # Iteratively reweighted least squares, with backward elimination of terms in each step.
        for _ in range(SETTINGS.ratio_steps):
            size = np.maximum(np.abs(bottom), SETTINGS.smallest_bottom * np.abs(bottom).max())
            fits = eliminated(matrix, y, problem.weights / size**2)
            if not fits:
                return
            best = min(fits, key=lambda fit: fit.criterion)
            below = best.places >= count
            bottom = 1 + values[:, best.places[below] - count + 1] @ best.coefficients[below]
        short = [fit for fit in reversed(fits) if len(fit.places) <= SETTINGS.short_sums or fit is best]
        for fit in short:
            below = fit.places >= count
            if below.any() and not below.all():
                top = linear(fit.coefficients[~below], [columns[k] for k in fit.places[~below]])
                terms = [exact_number(1), *(columns[k - count + 1] for k in fit.places[below])]
                yield Multiply((top, Power(linear(np.r_[1.0, fit.coefficients[below]], terms), -1.0)))
