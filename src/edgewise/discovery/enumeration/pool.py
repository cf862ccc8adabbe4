"""All short expressions of some inputs with their values at a few rows; expressions of equal values stand once.

The pool grows by size: an expression of size s is a function of one of size s - 1, or joins two whose sizes sum to
s - 1. Two expressions that are equal as functions, such as x + x and 2 x, have equal values, so the pool compares
values and not forms: two random projections of the values at a few rows, rounded to nine digits, are the key of an
expression. Expressions that differ by their sign have the same key, and one of them is kept, since every use of the
pool fits a factor in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    exact_number,
)
from edgewise.formulas.rewriting import MINUS_ONE
from edgewise.outcomes import Budget, spend
from edgewise.settings import CALL_WORK


@dataclass(frozen=True)
class PoolSettings:
    """Rows and digits by which expressions are compared, and the work of it."""

    # Rows that decide whether two expressions are equal: six rows that lie apart separate |x| from x, and random
    # projections of six values still separate millions of expressions.
    probe_rows: int = 6
    # Candidates whose keys are computed at once: 6 rows of 100,000 numbers stay in the cache of a processor.
    block: int = 100_000
    candidate_work: float = 1200.0  # Work of making the key of a candidate and looking for it among the others.
    # Values beyond this, and values that vary by less than this share of their size, lose too many digits in the
    # matches.
    largest_value: float = 1e9
    least_variation: float = 1e-6  # Of the sixteen digits of float64 ten are left.
    most_functions: int = 62  # Bits of the mask of the functions of an expression: an int64 has a sign as well.


SETTINGS = PoolSettings()


class Shape(NamedTuple):
    """An operation by which larger expressions are made from smaller ones."""

    function: Callable[..., np.ndarray]  # the operation on arrays of one or two arguments
    build: Callable[..., Expression]  # the expression of the operation from the expressions of its arguments
    # symbols that it adds: rarely used functions count 2, so that the pool reaches further with the others
    size: int
    needs: tuple[str, ...]  # operators of the options that must be permitted: any of those in a name such as "*|^"
    name: str = ""  # name of the function in `FormulaOptions.nested`; empty for operators


def _call(name: str, size: int) -> Shape:
    return Shape(FUNCTIONS[name].value, lambda f: Call(name, f), size, (name,), name)


UNARY = (
    Shape(np.square, lambda f: Power(f, 2.0), 1, ("*|^",)),
    Shape(np.sqrt, lambda f: Power(f, 0.5), 1, ("sqrt|^",), "sqrt"),
    Shape(np.reciprocal, lambda f: Power(f, -1.0), 1, ("/",)),
    *(_call(name, 1) for name in ("sin", "cos", "exp", "log")),
    Shape(lambda u: np.exp(-u), lambda f: Call("exp", Multiply((MINUS_ONE, f))), 2, ("exp", "-"), "exp"),
    Shape(lambda u: u**3, lambda f: Power(f, 3.0), 2, ("*|^",)),
    *(_call(name, 2) for name in ("tanh", "tan", "atan", "abs", "asin", "acos", "sinh", "cosh")),
    # Functions that are only used where the options name them.
    *(_call(name, 1) for name in ("atanh", "sign", "besselj0")),
)

BINARY = (
    Shape(np.add, lambda f, g: Add((f, g)), 1, ("+",)),
    Shape(np.multiply, lambda f, g: Multiply((f, g)), 1, ("*",)),
    Shape(np.subtract, lambda f, g: Add((f, Multiply((MINUS_ONE, g)))), 1, ("-",)),
    Shape(np.divide, lambda f, g: Multiply((f, Power(g, -1.0))), 1, ("/",)),
    Shape(
        lambda u, v: np.where(u > 0, u, np.nan) ** v,
        lambda f, g: Call("exp", Multiply((g, Call("log", f)))),
        1,
        ("^", "exp", "log"),
    ),
)
# Codes of leaves and of shapes of two arguments in the recipes.
LEAF = -1
FIRST_BINARY = 1000


def permitted_shapes(shapes: Sequence[Shape], options: FormulaOptions) -> list[Shape]:
    """The shapes all of whose operators the options permit."""
    return [s for s in shapes if all(any(n in options.operators for n in need.split("|")) for need in s.needs)]


class Pool:
    """Expressions by size, each function once. Shapes: x (P, inputs)."""

    def __init__(self, x: np.ndarray, options: FormulaOptions, most: int, seed: int = 0):
        order = spread_rows(x, SETTINGS.probe_rows)
        self.x = x[order]
        self.rows = order
        self.most = most
        self.unary = permitted_shapes(UNARY, options)
        self.binary = permitted_shapes(BINARY, options)
        # Sums, products and differences need each pair once; differences because signs are left out.
        self.is_commutative = [shape in BINARY[:3] for shape in self.binary]
        # For each shape the bit of its function, and the bits of the functions that its argument must not contain.
        names = list(dict.fromkeys(shape.name for shape in self.unary if shape.name))[: SETTINGS.most_functions]
        bit = {name: np.int64(1) << np.int64(k) for k, name in enumerate(names)}
        self.bits = np.array([bit.get(shape.name, 0) for shape in self.unary], dtype=np.int64)
        barred = [sum(int(bit.get(n, 0)) for n in set(options.nested.get(shape.name, ()))) for shape in self.unary]
        self.forbidden = np.array(barred, dtype=np.int64)
        # Two random projections of the values at the probe rows are the keys by which expressions are compared.
        points = len(x)
        rng = np.random.default_rng([1, seed])
        self._weights = rng.normal(size=(2, min(SETTINGS.probe_rows, points)))
        self.count = 0
        self.constants = 4
        self.inputs = x.shape[1]
        # Arrays that double when they are full: values and keys, and for each expression its size, how it was made, and
        # the functions that it contains.
        capacity = min(most, 4096)
        self._values = np.empty((capacity, points))
        self._probes = np.empty((min(SETTINGS.probe_rows, points), capacity))
        self._sizes = np.empty(capacity, dtype=np.int32)
        self._recipes = np.empty((capacity, 4), dtype=np.int32)  # shape, two places, sign
        self._masks = np.empty(capacity, dtype=np.int64)
        self._keys = np.empty(0, dtype=np.int64)
        # The expressions of size 1: the constants 1, 2, 3 and pi, then the inputs.
        self.is_complete = False  # Whether nothing larger can be made.
        self.leaves: list[Expression] = [exact_number(c) for c in (1, 2, 3)]
        self.leaves += [Number(math.pi, (1, 1, "pi")), *(Variable(k) for k in range(x.shape[1]))]
        self._keep_leaves()
        self._work = self._batches()

    @property
    def values(self) -> np.ndarray:
        """Values of the expressions, shape (count, P); the first rows are constants."""
        return self._values[: self.count]

    @property
    def sizes(self) -> np.ndarray:
        """Sizes of the expressions, shape (count,), ascending."""
        return self._sizes[: self.count]

    def grow(self, most: int, budget: Budget) -> None:
        """Add expressions until there are `most`, no larger one can be made, or the budget is over."""
        most = min(most, self.most)
        with np.errstate(all="ignore"):
            while self.count < most and not budget.is_over:
                if next(self._work, None) is None:
                    self.is_complete = True
                    return

    def expression(self, place: int) -> Expression:
        """The expression at a place, with its sign such that its values are those of the pool."""
        shape, first, second, sign = self._recipes[place]
        if shape == LEAF:
            made = self.leaves[first]
        elif shape >= FIRST_BINARY:
            made = self.binary[shape - FIRST_BINARY].build(self.expression(first), self.expression(second))
        else:
            made = self.unary[shape].build(self.expression(first))
        if sign > 0:
            return made
        return Multiply((MINUS_ONE, made))

    def monomials(self, most: int) -> np.ndarray:
        """Places of products and quotients of two or more inputs, the shortest first, at most `most` of them."""
        joins = {FIRST_BINARY + k for k, shape in enumerate(self.binary) if shape.function in (np.multiply, np.divide)}
        known = set(range(self.constants, self.constants + self.inputs))
        found = []
        for place, (shape, first, second, _) in enumerate(self._recipes[: self.count].tolist()):
            if shape in joins and first in known and second in known:
                known.add(place)
                found.append(place)
                if len(found) == most:
                    break
        return np.array(found, dtype=np.int64)

    def _keep_leaves(self) -> None:
        points = len(self.x)
        made = np.array([np.full(points, leaf.evaluated(self.x, ())) for leaf in self.leaves[: self.constants]])
        made = np.concatenate([made, self.x.T])
        keys = self._keys_of(made[:, : len(self._probes)].T)
        _, first = np.unique(keys, return_index=True)
        kept = np.sort(first)  # Equal columns, and columns that equal a constant, stand once.
        # An input that does not vary is no leaf.
        keep = np.isfinite(made[kept]).all(axis=1)
        keep[self.constants :] &= np.ptp(made[kept[self.constants :]], axis=1) > 0
        kept = kept[keep]
        self._append(made[kept], 1, (LEAF, kept, kept), np.zeros(len(kept), dtype=np.int64), keys[kept])

    def _batches(self) -> Iterator[bool]:
        """Make all expressions of one size after the other; yields after every block."""
        size = 1
        while True:
            size += 1
            if size > 2 * int(self.sizes.max(initial=1)) + 3:
                return
            # Functions of one argument, without constants and without nestings that the options bar.
            count = self.count
            sizes = self.sizes.copy()
            for code, shape in enumerate(self.unary):
                places = np.flatnonzero(sizes == size - shape.size)
                places = places[places >= self.constants]
                places = places[(self._masks[places] & self.forbidden[code]) == 0]
                for few in np.array_split(places, max(1, math.ceil(len(places) / SETTINGS.block))):
                    self._consider(shape, code, self.bits[code], size, few)
                    yield True
            # Operations on two arguments whose sizes sum to size - 1; commutative ones once for each pair.
            for left in range(1, size - 1):
                a, b = (np.flatnonzero(sizes[:count] == n) for n in (left, size - 1 - left))
                for code, shape in enumerate(self.binary):
                    if not len(a) or not len(b) or (self.is_commutative[code] and left > size - 1 - left):
                        continue
                    for few in np.array_split(a, max(1, math.ceil(len(a) * len(b) / SETTINGS.block))):
                        self._consider(shape, FIRST_BINARY + code, np.int64(0), size, few, b)
                        yield True

    def _consider(
        self, shape: Shape, code: int, bit: np.int64, size: int, a: np.ndarray, b: np.ndarray | None = None
    ) -> None:
        """Keep those of the expressions shape(a) or shape(a, b) whose values are new."""
        if not len(a) or self.count >= self.most:
            return
        # Values of all candidates at the probe rows, (probes, candidates).
        if b is None:
            made = shape.function(self._probes[:, a])
        else:
            made = shape.function(self._probes[:, a][:, :, None], self._probes[:, b][:, None, :])
            made = made.reshape(len(made), -1)
        spend(20 * CALL_WORK + made.shape[1] * SETTINGS.candidate_work)
        # Candidates that are finite and no constants; of candidates with one key the first stays, unless the pool has
        # its key. The keys of the pool are sorted, so that they are found by bisection.
        largest = made.max(axis=0)
        least = made.min(axis=0)
        fine = np.flatnonzero(
            (largest < SETTINGS.largest_value) & (least > -SETTINGS.largest_value) & (largest > least)
        )
        keys, first = np.unique(self._keys_of(made[:, fine]), return_index=True)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        is_new = self._keys[place] != keys
        keys = keys[is_new]
        new = fine[first[is_new]]
        # In the order of their making, which does not depend on the random projections.
        order = np.argsort(new)
        keys = keys[order][: self.most - self.count]
        new = new[order][: self.most - self.count]
        # Values of the new expressions at all rows, in blocks; what overflows or hardly varies is dropped.
        for part in np.array_split(np.arange(len(new)), max(1, math.ceil(len(new) / (SETTINGS.block // 5)))):
            if b is None:
                i = j = a[new[part]]
                values = shape.function(self._values[i])
            else:
                i = a[new[part] // len(b)]
                j = b[new[part] % len(b)]
                values = shape.function(self._values[i], self._values[j])
            spend(20 * CALL_WORK + 30 * values.size)
            largest = values.max(axis=1)
            least = values.min(axis=1)
            size_of = np.maximum(largest, -least)
            good = np.flatnonzero(
                (size_of < SETTINGS.largest_value) & (largest - least > SETTINGS.least_variation * size_of)
            )
            mask = self._masks[i] | self._masks[j] | bit
            self._append(values[good], size, (code, i[good], j[good]), mask[good], keys[part][good])

    def _append(
        self,
        values: np.ndarray,
        size: int,
        recipe: tuple[int, np.ndarray, np.ndarray],
        masks: np.ndarray,
        keys: np.ndarray,
    ) -> None:
        start = self.count
        stop = self.count + len(values)
        if stop > len(self._sizes):
            self._enlarge(max(stop, min(self.most, 2 * len(self._sizes))))
        # Expressions without a positive value are stored with the opposite sign.
        sign = np.where(values.max(axis=1, initial=-np.inf) <= 0, -1, 1)
        self._values[start:stop] = values * sign[:, None]
        self._probes[:, start:stop] = self._values[start:stop, : len(self._probes)].T
        self._sizes[start:stop] = size
        self._recipes[start:stop, 0] = recipe[0]
        self._recipes[start:stop, 1:] = np.column_stack([*recipe[1:], sign])
        self._masks[start:stop] = masks
        # A stable sort merges two sorted runs in linear time.
        self._keys = np.sort(np.concatenate([self._keys, np.sort(keys)]), kind="stable")
        self.count = stop

    def _enlarge(self, capacity: int) -> None:
        for name in ("_values", "_sizes", "_recipes", "_masks"):
            old = getattr(self, name)
            new = np.empty((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: self.count] = old[: self.count]
            setattr(self, name, new)
        probes = np.empty((len(self._probes), capacity))
        probes[:, : self.count] = self._probes[:, : self.count]
        self._probes = probes

    def _keys_of(self, probes: np.ndarray) -> np.ndarray:
        """Keys of values at the probe rows, shape (probes, n): equal for values equal up to sign and nine digits."""
        first, second = self._weights @ probes
        return rounded(np.abs(first)) ^ (rounded(np.where(first < 0, -second, second)) * np.int64(0x9E3779B97F4A7C1))


def rounded(numbers: np.ndarray) -> np.ndarray:
    """Integers that are the same for numbers equal to nine digits, except next to a boundary of rounding."""
    mantissa, exponent = np.frexp(numbers)
    return np.rint(mantissa * 2.0**31).astype(np.int64) * 4096 + exponent


def spread_rows(x: np.ndarray, count: int) -> np.ndarray:
    """All rows in an order that starts with `count` rows far from each other, each the farthest from those before."""
    scale = np.ptp(x, axis=0)
    points = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    # Farthest-point sampling (Gonzalez), in coordinates scaled to their range, from the row farthest from the mean.
    chosen = [int(np.argmax((points**2).sum(axis=1)))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(x)):
        distance[chosen[-1]] = -1.0
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    rest = np.setdiff1d(np.arange(len(x)), chosen)
    return np.concatenate([np.array(chosen), rest])
