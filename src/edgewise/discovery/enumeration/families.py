"""Curves with inner constants, f(a h + b), on grids of the constants: starting points that a fit makes exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power
from edgewise.formulas.rewriting import MINUS_ONE


@dataclass(frozen=True)
class CurveFamilySettings:
    """Grids of the constants of f(a h + b)."""

    # Of a times the standard deviation of h: two frequencies less than half an oscillation apart over a range of four
    # deviations lead a fit to the same one; other curves are wide, and a fit comes from factors of two away.
    frequencies: tuple[float, ...] = tuple(np.arange(1, 31) * 0.4)
    phases: tuple[float, ...] = tuple(np.arange(4) * np.pi / 4)
    rates: tuple[float, ...] = (-4.0, -2.0, -1.0, -0.5, -0.2, 0.2, 0.5, 1.0, 2.0, 4.0)
    slopes: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    centres: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)  # Shares of the sorted values of h.
    margins: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)  # Distances of a pole to h, in deviations.


SETTINGS = CurveFamilySettings()
POWERS_OF_LINES = {"sqrt": 0.5, "/": -1.0, "/sqrt": -0.5}


class Member(NamedTuple):
    """A curve of h with constants from a grid."""

    place: int  # which h
    name: str  # the function: a name of `FUNCTIONS`, "sqrt", "/" for the reciprocal or "/sqrt" for that of the root
    slope: float  # a and b of f(a h + b)
    shift: float

    def expression(self, h: Expression) -> Expression:
        """The curve with free constants; exponentials need no shift, and roots no slope, beside a fitted factor."""
        inner = h
        if self.slope == -1:
            inner = Multiply((MINUS_ONE, h))
        elif self.slope != 1:
            inner = Multiply((Number(self.slope), h))
        if self.name != "exp":
            inner = Add((inner, Number(self.shift)))
        if self.name in POWERS_OF_LINES:
            return Power(inner, POWERS_OF_LINES[self.name])
        return Call(self.name, inner)


def family_members(values: np.ndarray, operators: Sequence[str]) -> tuple[list[Member], np.ndarray]:
    """All curves f(a h + b) of permitted functions f for arguments h (H, P), and their values (members, P)."""
    members = []
    rows = []
    with np.errstate(all="ignore"):
        for place, h in enumerate(values):
            for name, slope, shift in _constants(h, set(operators)):
                inner = slope * h + shift
                if name in POWERS_OF_LINES:
                    row = np.power(inner, POWERS_OF_LINES[name])
                else:
                    row = getattr(np, {"atan": "arctan"}.get(name, name))(inner)
                # Curves outside their domain at some row, and ones that overflow, are left out.
                if np.isfinite(row).all() and np.abs(row).max() < 1e9:
                    members.append(Member(place, name, float(slope), float(shift)))
                    rows.append(row)
    return members, np.array(rows).reshape(len(rows), values.shape[1])


def _constants(h: np.ndarray, operators: set[str]) -> Iterator[tuple[str, float, float]]:
    """Names, slopes and shifts of the curves of one h."""
    deviation = float(np.std(h))
    middle = float(np.median(h))
    if not deviation > 0:
        return
    # Waves about the median of h; a sine and a cosine differ by a phase, so one of them suffices.
    if operators & {"sin", "cos"}:
        name = max(operators & {"sin", "cos"})
        yield from (
            (name, t / deviation, phase - t / deviation * middle)
            for t in SETTINGS.frequencies
            for phase in SETTINGS.phases
        )
    # Exponentials have no shift, since it is a factor.
    if "exp" in operators:
        yield from (("exp", t / deviation, 0.0) for t in SETTINGS.rates)
    # Sigmoids with centres at quantiles of h.
    for name in ("tanh", "atan"):
        if name in operators:
            centres = np.quantile(h, SETTINGS.centres)
            yield from ((name, t / deviation, -t / deviation * centre) for t in SETTINGS.slopes for centre in centres)
    # Functions with a singularity, which lies outside the range of h, on either side.
    for name in ("log", "sqrt", "/", "/sqrt"):
        if set(name.replace("/", "/ ").split()) <= operators:
            yield from ((name, 1.0, margin * deviation - float(h.min())) for margin in SETTINGS.margins)
            yield from ((name, -1.0, margin * deviation + float(h.max())) for margin in SETTINGS.margins)
