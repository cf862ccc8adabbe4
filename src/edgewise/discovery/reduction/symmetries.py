"""Symmetries of a law in the gradients of a smooth model: null spaces of linear equations, rounded to small fractions.

Two kinds of symmetry are linear algebra. A translation, f(x + t w) = f(x), is a vector w in the null space of the
gradients. A scaling, f(.., exp(t w_i) x_i, ..) = exp(t c) f(x), satisfies Euler's relation: the sum of
w_i x_i df/dx_i is c f. So (w, -c) is in the null space of the rows [x_i df/dx_i, f]; where f has one sign, w is in that
of the centred rows x_i dlog|f|/dx_i, and c follows from their mean. The scalings are Buckingham's theorem without
units: k of them leave inputs - k products of powers, and a monomial that divides y.

References
----------
E. Buckingham, On physically similar systems, Physical Review 4 (1914) 345. P. Constantine, Active subspaces (2015): the
null space of gradients. P. Olver, Applications of Lie groups to differential equations (1993), section 2.1: Euler's
relation as the condition of invariance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.reduction.smooth_models import SmoothModel
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SymmetrySettings:
    """Which directions are symmetries, and the fractions that their entries become."""

    # A singular value may belong to a null space if it is below this share of the largest one; every proposal is tested
    # on data later.
    largest_share: float = 0.3
    # Entries of a null space are rounded to multiples of 1, 1/2 or 1/3, the first that is as near as this: exponents of
    # physical laws, and half of half a unit.
    fractions: tuple[int, ...] = (1, 2, 3)
    close_rounding: float = 0.06
    loose_rounding: float = 0.22
    largest_entry: float = 6.0  # Stefan and Boltzmann's law has 4, Lennard-Jones' potential 12 by two squares.
    largest_translation: float = 4.0  # Sums of the absolute coefficients of a difference such as x1 - 2 x2.


SETTINGS = SymmetrySettings()


@dataclass(frozen=True)
class Symmetry:
    """Directions along which a law does not change, or changes by a known factor."""

    kind: str  # "translation" or "scaling"
    basis: np.ndarray  # (k, inputs), vectors w, one a row, with the unit matrix in the columns of the pivots
    pivots: tuple[int, ...]  # the inputs that the symmetry removes, one for each vector
    degrees: np.ndarray  # (k,), exponents c of the factor for each vector; zeros for a translation
    # how far the null space is from one: singular value over the next larger, plus the change by rounding
    doubt: float


def symmetries_of_gradients(gradient: np.ndarray, value: np.ndarray | None, x: np.ndarray) -> list[Symmetry]:
    """Proposals of translations and scalings, the most credible first."""
    # The gradient (N, inputs) has the derivatives of the law, whose value (N,) is given, at rows x (N, inputs); those
    # of log|y| where there is no value. Every rank of every null space that rounds to small fractions is a proposal,
    # ordered by the doubt that remains and the inputs removed.
    found = []
    # Translations: directions w with sum w_i f_i = 0, a null space of the gradients.
    for basis, pivots, doubt in _null_spaces(gradient * x.std(0), x.std(0)):
        if np.abs(basis).sum(1).max() <= SETTINGS.largest_translation:
            found.append(Symmetry("translation", basis, pivots, np.zeros(len(basis)), doubt))
    # Scalings: sum w_i x_i f_i = c f, a null space of logarithmic derivatives beside the value; for log|y| the right
    # side is the constant c, taken off with the mean.
    slopes = gradient * x
    if value is None:
        level = np.sqrt(np.mean(slopes**2))
        for basis, pivots, doubt in _null_spaces(slopes - slopes.mean(0), np.ones(x.shape[1]), level):
            degrees = np.round(2 * basis @ slopes.mean(0)) / 2
            found.append(Symmetry("scaling", basis, pivots, degrees, doubt))
    else:
        level = np.sqrt(np.mean(slopes**2) / np.mean(value**2))
        rows = np.column_stack([slopes, value * level])
        for basis, pivots, doubt in _null_spaces(rows, np.r_[np.ones(x.shape[1]), level], inputs=x.shape[1]):
            found.append(Symmetry("scaling", basis[:, :-1], pivots, -basis[:, -1], doubt))
    return sorted(found, key=lambda symmetry: symmetry.doubt - 0.02 * len(symmetry.pivots))


def simple_symmetries(model: SmoothModel, x: np.ndarray) -> Iterator[Symmetry]:
    """Symmetries of one or two inputs, for noisy gradients: factors, quotients, products and differences."""
    # Least squares gives the exponents, x_i df/dx_i = c f and x_i df/dx_i + w x_j df/dx_j = c f, at rows x (N, inputs),
    # rounded to whole and half numbers. The doubt of each is the share of these slopes that it leaves.
    gradient = model.gradient(x)
    inputs = x.shape[1]
    slopes = gradient * x
    value = np.ones(len(x))
    if not model.scales.log_target:
        value = model.predict(x)
    for i in range(inputs):
        others = [j for j in range(inputs) if j != i]
        # One input: y is its power times a function of the others.
        degree, doubt = _rounded_least_squares(slopes[:, i], value[:, None], slopes)
        yield Symmetry("scaling", np.eye(inputs)[[i]], (i,), degree, doubt)
        for j in others:
            # Two inputs: a product or a quotient of them with a factor, or their sum or difference.
            for kind, first, second in (("scaling", slopes, slopes), ("translation", gradient, gradient)):
                columns = [-second[:, j]]
                if kind == "scaling":
                    columns.append(value)
                rounded, doubt = _rounded_least_squares(first[:, i], np.column_stack(columns), first)
                if rounded[0] and (kind == "scaling" or abs(rounded[0]) == 1) and (i < j or abs(rounded[0]) != 1):
                    basis = np.eye(inputs)[[i]] + rounded[0] * np.eye(inputs)[[j]]
                    degree = np.append(rounded[1:], 0.0)[:1]  # 0 for a translation
                    yield Symmetry(kind, basis, (i,), degree, doubt)


def _rounded_least_squares(target: np.ndarray, columns: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients rounded to halves, and the root mean square of what they leave over that of all slopes."""
    solution = np.linalg.lstsq(columns, target, rcond=None)[0]
    rounded = np.clip(np.round(2 * solution) / 2, -SETTINGS.largest_entry, SETTINGS.largest_entry)
    left = np.sqrt(np.mean((target - columns @ rounded) ** 2))
    return rounded, float(left / max(np.sqrt(np.mean(slopes**2)), ABOVE_ZERO))


def _null_spaces(
    rows: np.ndarray, scale: np.ndarray, level: float = 0.0, inputs: int | None = None
) -> Iterator[tuple[np.ndarray, tuple[int, ...], float]]:
    """Rounded bases of likely null spaces with their pivots and doubts, one for each rank."""
    # The rows are those of scaled columns, and `level` is the root mean square of the entries before a mean was taken
    # off, so that rows without variation have rank zero.
    inputs = inputs or rows.shape[1]
    # Singular value decomposition; the null space of each rank whose next singular value is small.
    _, singular, right = np.linalg.svd(rows, full_matrices=True)
    singular = np.r_[max(level * np.sqrt(rows.size), singular[0], ABOVE_ZERO), singular]
    singular = np.r_[singular, np.zeros(len(right) + 1 - len(singular))]
    for rank in range(0 if level else 1, len(right)):
        before = singular[rank] if rank or level else singular[1]
        if singular[rank + 1] < SETTINGS.largest_share * singular[0 if not rank else 1]:
            rounded = _echelon(right[rank:] * scale, inputs)
            if rounded is not None:
                basis, pivots, change = rounded
                yield basis, pivots, float(singular[rank + 1] / before + change)


def _echelon(basis: np.ndarray, inputs: int) -> tuple[np.ndarray, tuple[int, ...], float] | None:
    """The basis with a unit matrix in the pivots' columns, rounded, and how much that changed it."""
    reduced = basis / np.abs(basis).max(1, keepdims=True)
    pivots = []
    for r in range(len(reduced)):
        free = [c for c in range(inputs) if c not in pivots]
        if not free:
            return None
        # Among equal entries the first input is the pivot.
        column = max(free, key=lambda c: np.abs(reduced[r:, c]).max() - 1e-3 * c)
        k = r + int(np.argmax(np.abs(reduced[r:, column])))
        if abs(reduced[k, column]) < 1e-9:
            return None
        # Gauss-Jordan elimination.
        reduced[[r, k]] = reduced[[k, r]]
        reduced[r] /= reduced[r, column]
        others = np.arange(len(reduced)) != r
        reduced[others] -= np.outer(reduced[others, column], reduced[r])
        pivots.append(column)
    # Whole numbers and small fractions near the entries, first the near ones, then a looser rounding.
    for limit in (SETTINGS.close_rounding, SETTINGS.loose_rounding):
        for parts in SETTINGS.fractions if limit == SETTINGS.close_rounding else SETTINGS.fractions[:2]:
            rounded = np.round(reduced * parts) / parts
            change = float(np.abs(reduced - rounded).max())
            if (
                change < limit / (parts if limit > SETTINGS.close_rounding else 1)
                and np.abs(rounded).max() <= SETTINGS.largest_entry
            ):
                return rounded + 0.0, tuple(pivots), change
    return None
