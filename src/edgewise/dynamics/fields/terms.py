"""Terms of field equations: derivatives of monomials of the fields, in the form that integrates by parts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from edgewise.pde import Field

Factors = tuple[tuple[int, tuple[int, ...]], ...]
"""A product of derivatives: for each factor the number of its field, and its order of differentiation by each axis."""


@dataclass(frozen=True)
class Term:
    """A derivative in space of a monomial of the fields, as (u^2)_x."""

    powers: tuple[int, ...]  # exponent of each field
    order: tuple[int, ...]  # order of differentiation by each axis of space

    @property
    def symbols(self) -> int:
        """Symbols that a reader sees: factors and differentiations."""
        return sum(self.powers) + sum(self.order)

    @property
    def factor(self) -> int:
        """What a reader's form is to be multiplied by: (u^3)_x is 3 times u^2 u_x."""
        fields = sum(power > 0 for power in self.powers)
        if sum(self.order) == 1 and fields == 1:
            return sum(self.powers)
        return 1

    def text(self, fields: Sequence[str], axes: Sequence[str]) -> str:
        """The term as people write it, without its factor."""
        parts = [(name, power) for name, power in zip(fields, self.powers, strict=True) if power]
        below = "".join(axis * order for axis, order in zip(axes, self.order, strict=True))
        if not below:
            return _monomial(parts)
        if sum(self.powers) == 1:
            return f"{parts[0][0]}_{below}"
        if len(below) == 1 and len(parts) == 1:
            name, power = parts[0]
            return f"{_monomial([(name, power - 1)])} {name}_{below}"
        return f"({_monomial(parts)})_{below}"

    def values(self, fields: Sequence[np.ndarray], noises: Sequence[float]) -> np.ndarray:
        """The monomial on the grid, without the bias that normal noise of the data gives it.

        Hermite polynomials of the data have the powers of the field without noise as their mean: u^2 - s^2 for u^2.
        """
        values = np.ones_like(fields[0])
        for field, noise, power in zip(fields, noises, self.powers, strict=True):
            values = values * _unbiased_power(field, noise, power)
        return values

    def slope(self, fields: Sequence[np.ndarray], of: int) -> np.ndarray:
        """Derivative of the monomial by one of the fields, on the grid."""
        slope = np.full_like(fields[0], self.powers[of])
        if not self.powers[of]:
            return slope
        for number, (field, power) in enumerate(zip(fields, self.powers, strict=True)):
            slope = slope * field ** (power - (number == of))
        return slope

    def expanded(self) -> dict[Factors, int]:
        """The derivative by the product rule: products of derivatives of the fields, with their factors."""
        zero = (0,) * len(self.order)
        factors = tuple((number, zero) for number, power in enumerate(self.powers) for _ in range(power))
        products: Counter[Factors] = Counter({factors: 1})
        for axis, times in enumerate(self.order):
            for _ in range(times):
                risen: Counter[Factors] = Counter()
                for one, count in products.items():
                    for place, (field, order) in enumerate(one):
                        more = tuple(n + (k == axis) for k, n in enumerate(order))
                        risen[tuple(sorted((*one[:place], (field, more), *one[place + 1 :])))] += count
                products = risen
        return dict(products)

    def at(self, fields: Mapping[str, Field], axes: Sequence[str], like: Tensor) -> Tensor:
        """The term for the fields of a differential equation, (b,)."""
        names = list(fields)
        total = like.new_zeros(like.shape)
        for factors, count in self.expanded().items():
            value = like.new_full(like.shape, float(count))
            for number, order in factors:
                by = [axis for axis, times in zip(axes, order, strict=True) for _ in range(times)]
                value = value * fields[names[number]].derivative(*by)
            total = total + value
        return total


def library(fields: int, axes: int, degree: int, order: int) -> list[Term]:
    """All terms up to a degree of the monomial and an order of the derivative, the shortest first."""
    orders = [each for each in product(range(order + 1), repeat=axes) if sum(each) <= order]
    terms = [Term((0,) * fields, (0,) * axes)]
    for power in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(fields), power):
            powers = tuple(chosen.count(field) for field in range(fields))
            terms += [Term(powers, each) for each in orders]
    return sorted(terms, key=lambda term: (term.symbols, [-each for each in term.order], term.powers))


def _monomial(parts: Sequence[tuple[str, int]]) -> str:
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in parts if power) or "1"


def _unbiased_power(field: np.ndarray, noise: float, power: int) -> np.ndarray:
    """The Hermite polynomial sum_k (-1)^k n! / (k! (n - 2k)! 2^k) s^2k u^(n - 2k)."""
    total = np.zeros_like(field)
    for k in range(power // 2 + 1):
        count = math.factorial(power) // (math.factorial(k) * math.factorial(power - 2 * k) * 2**k)
        total = total + (-1) ** k * count * noise ** (2 * k) * field ** (power - 2 * k)
    return total
