"""Sparse regression: the terms that Schwarz's criterion chooses, by a beam over growing sets and exchanges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Choice:
    """A set of terms with their least-squares coefficients."""

    terms: tuple[int, ...]  # columns of the library, ascending
    coefficients: np.ndarray  # (k,)
    standard_errors: np.ndarray  # (k,)
    loss: float  # mean squared residual, in units of its expectation
    criterion: float  # Schwarz's, smaller is better


@dataclass(frozen=True)
class ChoosingSettings:
    """Numbers of the choice of terms."""

    beam: int = 12  # sets of one size that are kept
    most: int = 8  # terms of an equation, at most
    symbol: float = 2 * math.log(2)  # price of a symbol in the criterion: twice the logarithm of its alternatives


class Regression:
    """Least squares of a right-hand side on subsets of columns, from one triangular factor."""

    def __init__(self, features: np.ndarray, target: np.ndarray, symbols: Sequence[int], settings: ChoosingSettings):
        self.rows = len(target)
        self.size = np.maximum(np.linalg.norm(features, axis=0), np.finfo(float).tiny)
        joint = np.column_stack([features / self.size, target])
        triangle = np.asarray(np.linalg.qr(joint, mode="r"))
        self.columns = triangle[:, :-1]
        self.target = triangle[:, -1]
        self.symbols = np.asarray(symbols, dtype=float)
        self.settings = settings

    def price(self, chosen: Sequence[int]) -> float:
        """What the terms cost in the criterion."""
        return len(chosen) * math.log(self.rows) + self.settings.symbol * float(self.symbols[list(chosen)].sum())

    def criterion(self, chosen: Sequence[int], squares: float) -> float:
        """Schwarz's criterion; a loss below its expectation earns nothing more."""
        return self.rows * math.log1p(squares / self.rows) + self.price(chosen)

    def fitted(self, chosen: Sequence[int]) -> Choice:
        """The coefficients of a set of terms, with standard errors."""
        chosen = tuple(sorted(chosen))
        part = self.columns[:, list(chosen)]
        scaled, _, _, _ = np.linalg.lstsq(part, self.target, rcond=None)
        squares = float(np.sum((self.target - part @ scaled) ** 2))
        variance = squares / max(self.rows - len(chosen), 1)
        inverse = np.linalg.pinv(part)
        errors = np.sqrt(variance * np.sum(inverse**2, axis=1)) / self.size[list(chosen)]
        loss = squares / self.rows
        return Choice(chosen, scaled / self.size[list(chosen)], errors, loss, self.criterion(chosen, squares))

    def weighed(self, chosen: Sequence[int]) -> Choice:
        """The coefficients of a set of terms where the errors have the covariance of these very terms.

        The squares are then the profile likelihood of the fields without noise: they need no logarithm, up to the
        number of rows that they are expected to be; above it the terms do not explain the data, and their size counts.
        """
        choice = self.fitted(chosen)
        excess = self.rows * (choice.loss - 1)
        if choice.loss > 1:
            excess = self.rows * math.log(choice.loss)
        return replace(choice, criterion=excess + self.price(chosen))

    def front(self) -> list[Choice]:
        """The best sets that the search met, the best first."""
        met: dict[tuple[int, ...], float] = {(): self.criterion((), float(self.target @ self.target))}
        beam: list[tuple[int, ...]] = [()]
        for _ in range(min(self.settings.most, self.columns.shape[1])):
            grown: dict[tuple[int, ...], float] = {}
            for one in beam:
                grown |= self._with_one_more(one)
            beam = sorted(grown, key=grown.__getitem__)[: self.settings.beam]
            met |= {one: grown[one] for one in beam}
        # Terms are dropped and exchanged, one at a time, while that helps.
        best = min(met, key=met.__getitem__)
        while True:
            near: dict[tuple[int, ...], float] = {}
            for place in range(len(best)):
                smaller = (*best[:place], *best[place + 1 :])
                near[smaller] = self.fitted(smaller).criterion if smaller else met[()]
                near |= self._with_one_more(smaller)
            met |= near
            better = min(met, key=met.__getitem__)
            if better == best:
                break
            best = better
        first = sorted(met, key=met.__getitem__)[: 4 * self.settings.beam]
        return sorted((self.fitted(one) for one in first), key=lambda choice: choice.criterion)

    def _with_one_more(self, chosen: tuple[int, ...]) -> dict[tuple[int, ...], float]:
        """The criterion of the set with each other term."""
        basis, _ = np.linalg.qr(self.columns[:, list(chosen)])
        rest = self.columns - basis @ (basis.T @ self.columns)
        residual = self.target - basis @ (basis.T @ self.target)
        left = np.sum(rest**2, axis=0)
        independent = left > 1e-20  # of columns of norm one: the square of what rounding leaves
        gains = np.where(independent, (rest.T @ residual) ** 2 / np.where(independent, left, 1.0), 0.0)
        squares = float(residual @ residual)
        grown = {}
        for term in np.flatnonzero(independent):
            if term not in chosen:
                one = tuple(sorted((*chosen, int(term))))
                grown[one] = self.criterion(one, max(squares - gains[term], 0.0))
        return grown
