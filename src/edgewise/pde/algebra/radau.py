"""Radau's method with its matrix diagonalised: a slab of time becomes one system of space for each eigenvalue [1].

[1] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section IV.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class DiagonalRadau:
    """Derivatives in time at the moments of a slab by the values there, diagonalised.

    Of each pair of conjugate eigenvalues one is left, and its eigenvector is doubled, so that for real right-hand sides
    the real part of a sum over modes is that over all eigenvalues.
    """

    values: np.ndarray  # eigenvalues, (modes,), complex
    vectors: np.ndarray  # eigenvectors, (q, modes)
    to_modes: np.ndarray  # what takes values at the moments to modes, (modes, q)
    middle: float  # geometric mean of the magnitudes of all eigenvalues

    @classmethod
    def of(cls, rates: np.ndarray) -> DiagonalRadau:
        """The modes of a matrix (q, q), see `TimeAxis.rates`."""
        values, vectors = np.linalg.eig(rates)
        modes = values.imag >= 0  # the others are conjugates of these
        weights = np.where(values.imag > 0, 2.0, 1.0)
        middle = float(np.exp(np.log(np.abs(values)).mean()))
        return cls(values[modes], (vectors * weights)[:, modes], np.linalg.inv(vectors)[modes], middle)

    def powers(self, orders: Sequence[int]) -> list[list[complex]]:
        """Powers of each eigenvalue, real ones of a real one: factors of the matrices of its shifted system."""
        return [[value**order if value.imag else value.real**order for order in orders] for value in self.values]

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
