"""Degrees of the hyperbolic torsion polynomials by numerical Fox calculus: with numpy and a SnapPy manifold.

T(t) = det(Fox matrix without generator j) / det(Phi(x_j) - 1), Phi = representation x t^h, sampled at N points of the
unit circle and Fourier-transformed. N exceeds the known bound of the span, so the coefficients appear cyclically
shifted and the degree is N - 1 less the longest run of zeros. N. Dunfield, S. Friedl, N. Jackson, Experimental Math. 21
(2012).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tools.knots.geometry import make_positive

Words = Sequence[Sequence[int]]
ZEROS = 6  # coefficients beyond the bound, which must vanish


def presentation(manifold: Any) -> tuple[list[np.ndarray], Words, np.ndarray]:
    """Return generators in SL(2, C), relators and abelianised generators. Raises ValueError if there are none."""
    group = manifold.fundamental_group(False, True, False, False)  # not simplified: short words, well conditioned
    generators, relators = group.generators(), group.relators(as_int_list=True)
    if len(relators) != len(generators) - 1:
        raise ValueError("the deficiency of the presentation is not one")
    matrices = [np.array([complex(z) for z in group.SL2C(g).list()]).reshape(2, 2) for g in generators]
    counts = np.zeros((len(relators), len(generators)))
    for row, relator in zip(counts, relators, strict=True):
        for letter in relator:
            row[abs(letter) - 1] += np.sign(letter)
    kernel = np.linalg.svd(counts)[2][-1]
    powers = kernel / sum(kernel[abs(x) - 1] * np.sign(x) for x in letters(group.meridian(0)))
    rounded = np.rint(powers).astype(int)
    if np.abs(powers - rounded).max() > 1e-6:
        raise ValueError("the abelianisation is not whole")
    return matrices, relators, rounded


def letters(word: str) -> list[int]:
    """Translate a word of SnapPy, as "aB" or "x1 X12", to signed numbers of generators."""
    if " " in word or any(c.isdigit() for c in word):
        return [int(part[1:]) * (1 if part[0].islower() else -1) for part in word.split()]
    return [ord(c) - 96 if c.islower() else 64 - ord(c) for c in word]


def lifted(matrices: Sequence[np.ndarray], relators: Words) -> list[np.ndarray]:
    """Choose signs that make every relator +1 in SL(2, C), over GF(2). Raises ValueError if none do."""
    rows = []
    for relator in relators:
        row = np.zeros(len(matrices) + 1, dtype=int)
        for x in relator:
            row[abs(x) - 1] ^= 1
        value = word_value(matrices, relator)
        one = np.eye(2)
        row[-1] = np.abs(value - one).max() >= np.abs(value + one).max()
        rows.append(row)
    system, rank, pivots = np.array(rows), 0, []
    for column in range(len(matrices)):
        pivot = next((i for i in range(rank, len(system)) if system[i, column]), None)
        if pivot is None:
            continue
        system[[rank, pivot]] = system[[pivot, rank]]
        for i in range(len(system)):
            if i != rank and system[i, column]:
                system[i] ^= system[rank]
        pivots.append(column)
        rank += 1
    if system[rank:, -1].any():
        raise ValueError("the representation has no lift")
    signs = np.ones(len(matrices))
    signs[pivots] = 1 - 2 * system[:rank, -1]
    return [sign * matrix for sign, matrix in zip(signs, matrices, strict=True)]


def word_value(matrices: Sequence[np.ndarray], word: Sequence[int]) -> np.ndarray:
    """Return the product of the generators of a word."""
    value = np.eye(len(matrices[0]), dtype=complex)
    for x in word:
        value = value @ (matrices[x - 1] if x > 0 else np.linalg.inv(matrices[-x - 1]))
    return value


def adjoint(matrix: np.ndarray) -> np.ndarray:
    """Return the action on the symmetric square, in the basis x^2, xy, y^2."""
    (p, q), (r, s) = matrix
    return np.array([[p * p, 2 * p * q, q * q], [p * r, p * s + q * r, q * s], [r * r, 2 * r * s, s * s]])


def coefficient_sizes(
    matrices: Sequence[np.ndarray], relators: Words, powers: np.ndarray, count: int
) -> tuple[np.ndarray, float]:
    """Return sizes of the torsion's coefficients (count,), cyclically shifted, and the largest error of a relator."""
    size, number = len(matrices[0]), len(matrices)
    blocks, worst = fox_matrix(matrices, relators, powers)
    left_out = min((j for j in range(number) if powers[j]), key=lambda j: (abs(powers[j]), -abs(np.trace(matrices[j]))))
    t = np.exp(2j * np.pi * (np.arange(count) + 0.37) / count)  # t^power is never 1
    columns = np.r_[0 : size * left_out, size * left_out + size : size * number]
    stacked = np.array(list(blocks.values()))[:, :, columns]
    width = stacked.shape[1]
    sampled = (t[:, None] ** np.array(list(blocks))[None, :]) @ stacked.reshape(len(blocks), -1)
    above = np.linalg.det(sampled.reshape(count, width, width))
    below = np.linalg.det(
        (t ** int(powers[left_out]))[:, None, None] * matrices[left_out] - np.eye(size, dtype=complex)
    )
    sizes = np.abs(np.fft.fft(above / below) / count)
    if not np.isfinite(sizes).all() or sizes.max() == 0:
        raise ValueError("the torsion is not finite")
    return sizes, worst


def fox_matrix(
    matrices: Sequence[np.ndarray], relators: Words, powers: np.ndarray
) -> tuple[dict[int, np.ndarray], float]:
    """Return the Fox matrix by powers of t, and the largest difference of a relator from the identity."""
    size, number = len(matrices[0]), len(matrices)
    inverses = list(np.linalg.inv(np.array(matrices)))
    identity = np.eye(size, dtype=complex)
    found: dict[int, np.ndarray] = {}

    def add(power: int, i: int, j: int, value: np.ndarray) -> None:
        block = found.setdefault(power, np.zeros((size * (number - 1), size * number), dtype=complex))
        block[size * i : size * (i + 1), size * j : size * (j + 1)] += value

    worst = 0.0
    for i, relator in enumerate(relators):
        value, power = identity, 0
        for x in relator:
            j = abs(x) - 1
            if x > 0:
                add(power, i, j, value)
                value, power = value @ matrices[j], power + int(powers[j])
            else:
                value, power = value @ inverses[j], power - int(powers[j])
                add(power, i, j, -value)
        worst = max(worst, float(np.abs(value - identity).max()))
    return found, worst


def degree(sizes: np.ndarray, zeros: int = ZEROS) -> tuple[int, float, float, float]:
    """Return degree, smaller and larger end coefficient and noise, relative to the largest coefficient.

    sizes: cyclic, with at least `zeros` true zeros in a row: the quietest such window gives the noise. The polynomial
    is symmetric up to sign, so the two ends must agree in size. Raises ValueError if all coefficients are noise.
    """
    count, sizes = len(sizes), sizes / sizes.max()
    loudest = [max(sizes[(k + i) % count] for i in range(zeros)) for k in range(count)]
    quiet = int(np.argmin(loudest))
    noise = loudest[quiet]
    turned = np.roll(sizes, -(quiet + zeros))[:count]  # the window is now last
    places = np.flatnonzero(turned > 8 * noise)
    if not len(places):
        raise ValueError("all coefficients are noise")
    ends = sorted((turned[places[0]], turned[places[-1]]))
    return int(places[-1] - places[0]), float(ends[0]), float(ends[1]), float(noise)


def degrees(manifold: Any, genus: int, *, exact: bool, plain: bool, tries: int = 8) -> dict[str, int]:
    """Return {"plain": ..., "adjoint": ...}, the degrees of the SL(2) and the SL(3) torsion.

    A key is missing if no try has a clear result. Always plain <= 4 genus - 2 and adjoint <= 3 (2 genus - 1); for knots
    of at most 15 crossings the first is an equality and sharpens the bound for the second.

    Parameters
    ----------
    genus : int
        The genus of the knot if `exact`, else an upper bound.
    plain : bool
        Whether to compute the first degree.
    """
    results: dict[str, int] = {}
    for _ in range(tries):
        try:
            matrices, relators, powers = presentation(manifold)
            if plain and "plain" not in results:
                sizes, error = coefficient_sizes(lifted(matrices, relators), relators, powers, 4 * genus - 1 + ZEROS)
                value, low, high, noise = degree(sizes)
                if high < 1.5 * low and low > 1e4 * noise and error < 1e-3 and value % 4 == 2:
                    results["plain"], genus = value, (value + 2) // 4
            if exact or "plain" in results:
                top = 3 * (2 * genus - 1)
                sizes, error = coefficient_sizes([adjoint(m) for m in matrices], relators, powers, top + 1 + ZEROS)
                value, low, high, noise = degree(sizes)
                # Below the bound only with a wide margin: further coefficients must not hide in the noise.
                clear = (value == top and low > 8 * noise) or (value < top and noise < 1e-11 and low > 1e4 * noise)
                if high < 1.5 * low and error < 1e-3 and clear:
                    results["adjoint"] = value
        except (ValueError, np.linalg.LinAlgError):
            pass
        if "adjoint" in results and ("plain" in results or not plain):
            break
        manifold.randomize()
        make_positive(manifold)
    return results
