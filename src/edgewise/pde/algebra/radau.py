"""Radau's method with its matrix diagonalised: a time element becomes one system of space for each eigenvalue [1].

[1] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section IV.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from edgewise.pde.algebra.factors import SETTINGS as FACTORS
from edgewise.pde.algebra.factors import Factors, cell_factors, solved_nearby


@dataclass(frozen=True)
class ShiftSettings:
    """Which shifted systems share factors."""

    same_rates: float = 1e-9  # relative: time elements whose lengths are closer share factors; far above rounding
    # Unknowns up to which each eigenvalue of a dense system has its own factors; beyond, GMRES serves an
    # eigenvalue within this factor of one with factors of its own: these take a second or two with 2,000 unknowns.
    most_direct: int = 800
    near_eigenvalues: float = 4.0


SETTINGS = ShiftSettings()
Spend = Callable[[float], None]
"""Counts multiply-adds, and raises OutOfTime where no more may be spent."""


@dataclass(frozen=True, eq=False)
class DiagonalRadau:
    """Derivatives in time at the moments of a time element by the values there, diagonalised.

    Of each pair of conjugate eigenvalues one is left, and its eigenvector is doubled, so that for real right-hand sides
    the real part of a sum over modes is that over all eigenvalues.
    """

    values: np.ndarray  # eigenvalues, (modes,), complex
    vectors: np.ndarray  # eigenvectors, (q, modes)
    to_modes: np.ndarray  # what takes values at the moments to modes, (modes, q)
    middle: float  # geometric mean of the magnitudes of all eigenvalues

    @classmethod
    def of_rates(cls, rates: np.ndarray) -> DiagonalRadau:
        """The modes of a matrix (q, q), see `TimeAxis.rates`."""
        values, vectors = np.linalg.eig(rates)
        modes = values.imag >= 0  # the others are conjugates of these
        weights = np.where(values.imag > 0, 2.0, 1.0)
        middle = float(np.exp(np.log(np.abs(values)).mean()))
        return cls(values[modes], (vectors * weights)[:, modes], np.linalg.inv(vectors)[modes], middle)

    def powers(self, orders: Sequence[int]) -> list[list[complex]]:
        """Powers of each eigenvalue, real ones of a real one: factors of the matrices of its shifted system."""
        values = [value if value.imag else value.real for value in self.values]
        return [[value**order for order in orders] for value in values]

    def in_modes(self, rows: np.ndarray) -> list[np.ndarray]:
        """Right-hand sides of the modes, (...), from those at the moments, (q, ...): real ones for real eigenvalues."""
        modes = np.tensordot(self.to_modes, rows, 1)
        return [mode if value.imag else mode.real for value, mode in zip(self.values, modes, strict=True)]

    def at_moments(self, solutions: Sequence[np.ndarray]) -> np.ndarray:
        """Values at the moments, (q, size), from those of the modes, (size,)."""
        total = np.zeros((len(self.vectors), len(solutions[0])))
        for vector, solution in zip(self.vectors.T, solutions, strict=True):
            total += np.outer(vector, solution).real
        return total


class ShiftedSystems:
    """A linear system in a time element: matrices times the derivatives in time, of order 0, 1, ..., of the unknowns.

    Each eigenvalue has a system of the size of space, the sum of its powers times the matrices, (size, size) each.
    Multiply-adds that are done are spent, and `is_cut` tells whether a boundary cuts cells, see `cell_factors`.
    """

    def __init__(self, matrices: Sequence[sparse.csr_array], spend: Spend, *, is_cut: bool):
        self.matrices = matrices
        self._spend = spend
        self._is_cut = is_cut
        size = matrices[0].shape[0]
        entries = max(matrix.nnz for matrix in matrices)
        self._is_dear = size > SETTINGS.most_direct and entries > FACTORS.dense_share * size**2
        self._radau: DiagonalRadau | None = None
        self._direct: list[Factors | None] = []  # of each eigenvalue; None where GMRES serves it
        self._near: tuple[float, Factors] | None = None  # an eigenvalue, real, and the factors for it

    def serves(self, rates: np.ndarray) -> bool:
        """True if the systems are prepared for derivatives in time by the values at the moments, (q, q)."""
        if self._radau is None:
            return False
        return abs(self._radau.middle / DiagonalRadau.of_rates(rates).middle - 1) < SETTINGS.same_rates

    def factorise(self, rates: np.ndarray) -> None:
        """Prepare the systems for derivatives in time by the values at the moments, (q, q)."""
        radau = DiagonalRadau.of_rates(rates)
        self._radau = radau
        if not self._is_dear:
            self._direct = [self._factors(powers) for powers in radau.powers(range(len(self.matrices)))]
            return
        # Factors of a real eigenvalue in the middle of the others, for GMRES.
        self._direct = [None] * len(radau.values)
        ratio = math.inf
        if self._near is not None:
            ratio = radau.middle / self._near[0]
        if max(ratio, 1 / ratio) > SETTINGS.near_eigenvalues:
            powers = [radau.middle**order for order in range(len(self.matrices))]
            self._near = radau.middle, self._factors(powers)

    def solved(self, rows: np.ndarray) -> np.ndarray:
        """Unknowns at the moments, (q, size), for right-hand sides there, (q, size)."""
        assert self._radau is not None
        solutions = []
        every = self._radau.powers(range(len(self.matrices)))
        for number, (rhs, powers) in enumerate(zip(self._radau.in_modes(rows), every, strict=True)):
            direct = self._direct[number]
            # GMRES with the factors of an eigenvalue nearby.
            if direct is None:
                assert self._near is not None
                solution, work = solved_nearby(self._near[1], partial(self._product, powers), rhs + 0j)
                self._spend(work)
                if solution is not None:
                    solutions.append(solution)
                    continue
                direct = self._direct[number] = self._factors(powers)
            solutions.append(direct(rhs[:, None])[:, 0])
            self._spend(direct.solve_work)
        return self._radau.at_moments(solutions)

    def _factors(self, powers: Sequence[complex]) -> Factors:
        """Factors for the powers of an eigenvalue, whose unknowns are scaled by the mean one."""
        assert self._radau is not None
        matrix = powers[0] * self.matrices[0]
        sizes = np.abs(self.matrices[0].diagonal())
        for order in range(1, len(powers)):
            matrix = matrix + powers[order] * self.matrices[order]
            sizes = sizes + self._radau.middle**order * np.abs(self.matrices[order].diagonal())
        factors = cell_factors(matrix, np.sqrt(sizes), partial(self._product, powers), is_cut=self._is_cut)
        self._spend(factors.work)
        return factors

    def _product(self, powers: Sequence[complex], x: np.ndarray) -> np.ndarray:
        """The matrix for powers of an eigenvalue times vectors (size, k)."""
        if not np.iscomplexobj(x):
            return np.add.reduce([power * (each @ x) for power, each in zip(powers, self.matrices, strict=True)])
        parts = np.concatenate([x.real, x.imag], 1)
        both = (np.split(each @ parts, 2, 1) for each in self.matrices)
        return np.add.reduce([power * (re + 1j * im) for power, (re, im) in zip(powers, both, strict=True)])
