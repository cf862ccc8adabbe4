"""Random programs, and the ways in which new programs come from old ones: crossover and mutations."""

from __future__ import annotations

import numpy as np

from edgewise.discovery.evolution.operations import CONSTANT_CODE, OperationTable, Program

# Shares of the ways in which a program is changed. Near those of PySR (Cranmer 2023, table 1), with more crossover, as
# in Operon.
WAYS = {
    "crossover": 0.4,
    "operation": 0.12,
    "numbers": 0.08,
    "insert": 0.15,
    "remove": 0.1,
    "subtree": 0.1,
    "new": 0.05,
}
LEAF_IS_INPUT = 0.7  # Probability that a random leaf is an input and not a constant.
NEW_SIZES = (3, 12)  # Nodes of a random program, between these: small programs combine later.
SUBTREE_SIZES = (1, 6)  # Nodes of a random part that replaces another, between these.
# Relative deviations by which numbers are changed.
SHORT_CHANGE = 0.1
LONG_CHANGE = 1.0
TRIALS = 10  # Attempts at a program that keeps to the limits.


class Variation:
    """Makes programs of a table of operations."""

    def __init__(self, table: OperationTable, most: int, rng: np.random.Generator):
        self.table = table
        self.most = most
        self.rng = rng
        self.ways, self.shares = list(WAYS), np.cumsum(list(WAYS.values()))

    def random_program(self, size: int) -> Program:
        """A random program of about so many nodes."""
        codes: list[int] = []
        numbers: list[float] = []
        self._write_random(size, codes, numbers)
        return Program(tuple(codes), tuple(numbers))

    def new_program(self) -> Program:
        """A random program of a random small size that keeps to the rules."""
        for _ in range(TRIALS):
            made = self.random_program(int(self.rng.integers(*NEW_SIZES)))
            if self.keeps_rules(made):
                return made
        return Program((1 + int(self.rng.integers(self.table.inputs)),), ())

    def child(self, first: Program, second: Program) -> Program:
        """A program from one or two parents that keeps to the rules; the first parent where none was made."""
        for _ in range(TRIALS):
            way = self.ways[int(np.searchsorted(self.shares, self.rng.random() * self.shares[-1], side="right"))]
            made = self._made(way, first, second)
            if made is not None and made != first and self.keeps_rules(made):
                return made
        return first

    def keeps_rules(self, program: Program) -> bool:
        """True if a program is short enough, has an input, and nests functions as the options permit."""
        if len(program) > self.most or not any(1 <= code <= self.table.inputs for code in program.codes):
            return False
        if not self.table.barred:
            return True
        stack: list[frozenset[int]] = []
        for code in program.codes:
            arity = self.table.arity[code]
            if arity:
                inside = frozenset().union(*stack[len(stack) - arity :])
            else:
                inside = frozenset()
            if inside & self.table.barred.get(code, set()):
                return False
            del stack[len(stack) - arity :]
            stack.append(inside | {code} if arity else inside)
        return True

    def _made(self, way: str, first: Program, second: Program) -> Program | None:
        end = int(self.rng.integers(len(first)))
        start = self._start(first.codes, end)
        if way == "crossover":
            other = int(self.rng.integers(len(second)))
            return _spliced(first, start, end, _part(second, self._start(second.codes, other), other))
        if way == "subtree":
            return _spliced(first, start, end, self.random_program(int(self.rng.integers(*SUBTREE_SIZES))))
        if way == "operation":
            return self._with_other_operation(first, end)
        if way == "numbers":
            return self._with_other_numbers(first)
        if way == "insert":
            part = _part(first, start, end)
            return _spliced(first, start, end, self._wrapped(part))
        if way == "remove":
            if self.table.arity[first.codes[end]] == 0:
                return None
            inner = end - 1
            if self.table.arity[first.codes[end]] == 2 and self.rng.random() < 0.5:
                inner = self._start(first.codes, inner) - 1
            return _spliced(first, start, end, _part(first, self._start(first.codes, inner), inner))
        return self.new_program()

    def _start(self, codes: tuple[int, ...], end: int) -> int:
        """First place of the part whose last node is at `end`."""
        needed = 1
        place = end
        while True:
            needed += self.table.arity[codes[place]] - 1
            if not needed:
                return place
            place -= 1

    def _write_random(self, size: int, codes: list[int], numbers: list[float]) -> None:
        rng = self.rng
        table = self.table
        can_join = size >= 3 and table.binary
        if size <= 1 or not (can_join or table.unary):
            if rng.random() < LEAF_IS_INPUT:
                codes.append(1 + int(rng.integers(table.inputs)))
            else:
                codes.append(CONSTANT_CODE)
                numbers.append(float(rng.normal()))
        elif can_join and (not table.unary or rng.random() < 0.7):
            left = int(rng.integers(1, size - 1))
            self._write_random(left, codes, numbers)
            self._write_random(size - 1 - left, codes, numbers)
            codes.append(int(rng.choice(table.binary)))
        else:
            self._write_random(size - 1, codes, numbers)
            codes.append(int(rng.choice(table.unary)))

    def _with_other_operation(self, program: Program, place: int) -> Program | None:
        code = program.codes[place]
        arity = self.table.arity[code]
        if arity == 0:
            leaf = self.random_program(1)
            return _spliced(program, place, place, leaf)
        others = [k for k in (self.table.unary if arity == 1 else self.table.binary) if k != code]
        if not others:
            return None
        codes = (*program.codes[:place], int(self.rng.choice(others)), *program.codes[place + 1 :])
        return Program(codes, program.numbers)

    def _with_other_numbers(self, program: Program) -> Program | None:
        if not program.numbers:
            return None
        change = LONG_CHANGE if self.rng.random() < 0.5 else SHORT_CHANGE
        old = np.array(program.numbers)
        new = old * (1 + change * self.rng.normal(size=len(old))) + 0.1 * change * self.rng.normal(size=len(old))
        if self.rng.random() < 0.1:
            new[int(self.rng.integers(len(new)))] *= -1
        return Program(program.codes, tuple(new.tolist()))

    def _wrapped(self, part: Program) -> Program:
        """A part inside a function, or joined with a random leaf, or scaled by a constant."""
        rng = self.rng
        table = self.table
        if table.unary and (not table.binary or rng.random() < 0.4):
            return Program((*part.codes, int(rng.choice(table.unary))), part.numbers)
        if not table.binary:
            return part
        leaf = self.random_program(1)
        code = int(rng.choice(table.binary))
        one, two = (part, leaf) if rng.random() < 0.5 else (leaf, part)
        return Program((*one.codes, *two.codes, code), one.numbers + two.numbers)


def _part(program: Program, start: int, end: int) -> Program:
    """The part of a program from one place to another, inclusive."""
    before = program.codes[:start].count(CONSTANT_CODE)
    codes = program.codes[start : end + 1]
    return Program(codes, program.numbers[before : before + codes.count(CONSTANT_CODE)])


def _spliced(program: Program, start: int, end: int, part: Program) -> Program:
    """A program with another part between two places, inclusive."""
    before = program.codes[:start].count(CONSTANT_CODE)
    after = before + program.codes[start : end + 1].count(CONSTANT_CODE)
    return Program(
        program.codes[:start] + part.codes + program.codes[end + 1 :],
        program.numbers[:before] + part.numbers + program.numbers[after:],
    )
