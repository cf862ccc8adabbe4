"""Units of inputs and target: a law does not change with the units it is measured in, so it has fewer inputs.

Multiplying a base unit by a factor multiplies every quantity by a power of it, which is a scaling of the law; the
independent scalings are removed at once (Buckingham, On physically similar systems, Physical Review 4, 1914).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

from edgewise.discovery.reduction.symmetries import Symmetry
from edgewise.errors import InputError
from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power, Variable

# Units of the International System by its base units (Bureau International des Poids et Mesures, The International
# System of Units, 9th edition, 2019, tables 4 and 8). Other names count as base units of their own.
DERIVED_UNITS = {
    "N": "kg m s^-2",
    "J": "kg m^2 s^-2",
    "W": "kg m^2 s^-3",
    "Pa": "kg m^-1 s^-2",
    "Hz": "s^-1",
    "C": "A s",
    "V": "kg m^2 s^-3 A^-1",
    "F": "kg^-1 m^-2 s^4 A^2",
    "ohm": "kg m^2 s^-3 A^-2",
    "S": "kg^-1 m^-2 s^3 A^2",
    "Wb": "kg m^2 s^-2 A^-1",
    "T": "kg s^-2 A^-1",
    "H": "kg m^2 s^-2 A^-2",
    "eV": "kg m^2 s^-2",
    "g": "kg",
    "min": "s",
    "h": "s",
    "L": "m^3",
}
NO_UNIT = {"", "1", "rad", "sr", "deg", "%"}

Dimension = dict[str, Fraction]


def dimension(unit: str, name: str = "unit") -> Dimension:
    """Exponents of the base units of a unit, without zeros; empty for a number without a unit."""
    factor = re.compile(r"([*/· ]*)\s*(1|%|[A-Za-zΩ_]+)(?:(?:\^|\*\*)?\(?([-+]?\d+(?:/\d+|\.\d+)?)\)?)?\s*")
    # A unit has products and quotients with exponents, as "kg m/s^2"; only the factor after a slash divides. Errors
    # name the unit by `name`.
    if not isinstance(unit, str):
        raise InputError(f"units must be texts such as 'kg m/s^2', got {unit!r} for {name}")
    text = unit.strip()
    place = 0
    result: Dimension = {}
    while text not in NO_UNIT and place < len(text):
        # One factor after the other: its base units to its power, negative after a slash.
        found = factor.match(text, place)
        if found is None or found[1].count("/") > 1:
            raise InputError(f"units must be texts such as 'kg m/s^2', got {unit!r} for {name}")
        power = Fraction(found[3] or 1) * (-1 if "/" in found[1] else 1)
        for base, exponent in _base_units(found[2]).items():
            result[base] = result.get(base, Fraction(0)) + exponent * power
        place = found.end()
    return {base: power for base, power in result.items() if power}


def _base_units(symbol: str) -> Dimension:
    if symbol in NO_UNIT:
        return {}
    # A prefix before a unit is dropped, since multiples have the same dimension; unknown names are units of their own.
    symbol = {"Ω": "ohm", "l": "L"}.get(symbol, symbol)
    known = {"kg", "m", "s", "A", "K", "mol", "cd", *DERIVED_UNITS}
    if symbol not in known:
        with_prefix = {"m", "g", "s", "A", "K", "mol", "cd", "N", "J", "W", "Pa", "Hz", "C", "V", "F", "T", "eV", "L"}
        for prefix in ("da", *"YZEPTGMkhdcmunpfazy"):
            rest = symbol.removeprefix(prefix)
            if rest != symbol and rest in with_prefix:
                symbol = rest
                break
    if symbol not in DERIVED_UNITS:
        return {symbol: Fraction(1)}
    pairs = (part.partition("^") for part in DERIVED_UNITS[symbol].split())
    return {base: Fraction(power or 1) for base, _, power in pairs}


def times(one: Dimension, other: Dimension, exponent: Fraction = Fraction(1)) -> Dimension:
    """The dimension of a product of one quantity with a power of another."""
    bases = dict.fromkeys((*one, *other))
    powers = {base: one.get(base, Fraction(0)) + exponent * other.get(base, Fraction(0)) for base in bases}
    return {base: power for base, power in powers.items() if power}


class Dimensions:
    """Reader of the dimension of a term; None where a free constant leaves it open, ValueError where it has none."""

    def __init__(self, variables: Sequence[Dimension]) -> None:
        self.variables = variables

    def allow(self, node: Expression) -> bool:
        """Whether units allow a term, whose coefficient may have any unit."""
        try:
            node.read_by(self)
        except ValueError:
            return False
        return True

    def number(self, node: Number) -> Dimension | None:
        return {} if node.exact is not None else None

    def variable(self, node: Variable) -> Dimension | None:
        return self.variables[node.index]

    def sum(self, node: Add) -> Dimension | None:
        known = [one for one in (term.read_by(self) for term in node.terms) if one is not None]
        if any(one != known[0] for one in known):
            raise ValueError("a sum of different dimensions")
        return known[0] if known else None

    def product(self, node: Multiply) -> Dimension | None:
        total: Dimension = {}
        is_open = False
        for factor in node.factors:
            one = factor.read_by(self)
            is_open = is_open or one is None
            total = times(total, one or {})
        return None if is_open else total

    def power(self, node: Power) -> Dimension | None:
        one = node.base.read_by(self)
        exponent = Fraction(node.exponent).limit_denominator(100)
        return one and {base: power * exponent for base, power in one.items()}

    def call(self, node: Call) -> Dimension | None:
        one = node.argument.read_by(self)
        if one and node.name not in ("abs", "sign"):
            raise ValueError("a function of a quantity with a dimension")
        return one


def dimensional_symmetries(names: Sequence[str], units: Mapping[str, str]) -> Iterator[Symmetry]:
    """Yield the scalings of a law that follow from units, for each choice of the inputs that they remove."""
    # Inputs without an entry among the units have no unit; that of the target has the name "y", and nothing is yielded
    # without it. The same symmetries have different pivots, those of small whole exponents first.
    if "y" not in units:
        return
    inputs = [dimension(units.get(name, ""), name) for name in names]
    target = dimension(units["y"], "y")
    bases = sorted({base for each in (*inputs, target) for base in each})
    if not bases:
        return
    # The dimensional matrix: exponents of base units (rows) by inputs (columns), beside those of the target.
    exponents = np.array([[float(each.get(base, 0)) for each in inputs] for base in bases])
    wanted = np.array([float(target.get(base, 0)) for base in bases])
    if len(names):
        rank = int(np.linalg.matrix_rank(exponents))
    else:
        rank = 0
    if np.linalg.matrix_rank(np.column_stack([exponents, wanted])) > rank:
        listed = ", ".join(f"{name} in {units.get(name) or '1'}" for name in names)
        raise InputError(f"units must allow a formula for y in {units['y']!r}, got {listed}")
    # Buckingham's theorem: inputs with independent dimensions, as many as the rank, take up the units of all others.
    found = []
    for pivots in combinations(range(len(names)), rank):
        columns = exponents[:, list(pivots)]
        if np.linalg.matrix_rank(columns) < rank:
            continue
        solved = np.linalg.lstsq(columns, np.column_stack([exponents, wanted]), rcond=None)[0]
        # Exponents are fractions of small denominators.
        solved = np.round(solved * 12) / 12 + 0.0
        broken = np.sum(solved % 1 != 0)
        found.append((10 * broken + np.abs(solved).sum(), pivots, solved))
    for _, pivots, solved in sorted(found, key=lambda row: row[:2]):
        yield Symmetry("scaling", solved[:, :-1], pivots, solved[:, -1], 0.0)
