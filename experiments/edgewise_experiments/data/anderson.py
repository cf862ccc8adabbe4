"""One-dimensional chains with a mobility edge: Hamiltonians, states, and the fractal dimension of each state.

Three quasiperiodic models with hopping t = 1 and b the golden ratio, each with an edge that is known exactly: states on
one side are localised, those on the other extended. Energies and states come from exact diagonalisation of open chains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal

GOLDEN = (1 + 5**0.5) / 2  # the golden ratio, an irrational frequency of the potential
MOSAIC_PERIOD = 2  # only every second site has a potential


@dataclass(frozen=True)
class Chain:
    """A quasiperiodic chain."""

    columns: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    potential: Callable[..., np.ndarray]
    edge: Callable[..., np.ndarray]
    text: str
    source: str
    hopping: Callable[..., np.ndarray] | None = None

    def states(self, size: int, parameters: tuple[float, ...], phase: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the energies (size,) and the fractal dimension of each state, see `fractal_dimension`."""
        sites = np.arange(1, size + 1)
        diagonal = self.potential(sites, np.cos(2 * np.pi * GOLDEN * sites + phase), *parameters)
        if self.hopping is None:
            energies, vectors = eigh_tridiagonal(diagonal, np.ones(size - 1))
        else:
            distance = np.abs(sites[:, None] - sites[None, :])
            matrix = np.where(distance > 0, self.hopping(np.maximum(distance, 1), *parameters), 0.0)
            energies, vectors = eigh(matrix + np.diag(diagonal))
        return energies, fractal_dimension(vectors)

    def samples(self, size: int, draws: int, states: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw parameters and phases, and some random states of each chain."""
        generator = np.random.default_rng(seed)
        rows, dimensions = [], []
        for _ in range(draws):
            parameters = tuple(generator.uniform(low, high) for low, high in self.ranges)
            energies, spread = self.states(size, parameters, generator.uniform(0, 2 * np.pi))
            picked = np.sort(generator.choice(size, min(states, size), replace=False))
            rows.append(np.column_stack([energies[picked], np.tile(parameters, (len(picked), 1))]))
            dimensions.append(spread[picked])
        return np.concatenate(rows), np.concatenate(dimensions)


def fractal_dimension(vectors: np.ndarray) -> np.ndarray:
    """Return -log IPR / log N of every column, 0 for a localised state and 1 for one spread over all sites.

    The inverse participation ratio IPR is sum |psi|^4 / (sum |psi|^2)^2.
    """
    weights = vectors**2
    return -np.log((weights**2).sum(0) / weights.sum(0) ** 2) / np.log(len(vectors))


CHAINS: Mapping[str, Chain] = {
    "Mosaic": Chain(
        ("E", "lambda"),
        ((0.5, 4.0),),
        lambda sites, cosine, strength: np.where(sites % MOSAIC_PERIOD == 0, strength * cosine, 0.0),
        lambda energy, strength: np.abs(strength * energy) - 2,
        "lambda - 2/|E|",
        "Y. Wang et al., Phys. Rev. Lett. 125 (2020) 196604, period 2, with lambda for their 2 lambda",
    ),
    "GAAM": Chain(
        ("E", "lambda", "alpha"),
        ((0.3, 1.7), (-0.8, 0.8)),
        lambda sites, cosine, strength, alpha: 2 * strength * cosine / (1 - alpha * cosine),
        lambda energy, strength, alpha: alpha * energy + 2 * strength - 2,
        "alpha E + 2 lambda - 2",
        "S. Ganeshan, J. Pixley, S. Das Sarma, Phys. Rev. Lett. 114 (2015) 146601",
    ),
    "MAAM": Chain(
        ("E", "lambda", "p"),
        ((0.5, 3.5), (1.0, 3.0)),
        lambda sites, cosine, strength, decay: strength * cosine,
        lambda energy, strength, decay: strength * np.cosh(decay) - energy - np.exp(decay),
        "lambda cosh p - E - exp(p)",
        "J. Biddle, S. Das Sarma, Phys. Rev. Lett. 104 (2010) 070601, with t exp(-p) = 1",
        lambda distance, strength, decay: np.exp(-decay * (distance - 1.0)),
    ),
}
