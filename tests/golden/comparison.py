"""What differs between two rows, or two files of rows."""

from __future__ import annotations

from collections.abc import Iterator

Row = dict[str, object]

FACTOR = 2.0  # within which errors, losses and work agree
FACTOR_OF_ESTIMATES = 4.0  # an estimate is the largest of several
ROUNDING = 1e-12  # errors below it are equal, unless a row names its own floor
NEVER_COMPARED = {"seconds", "bits", "floor", "standard_error"}


def file_differences(stored: dict[str, Row], made: dict[str, Row], *, by_bits: bool = False) -> Iterator[str]:
    """One line for each row that is missing, new or different; `by_bits` where both come from one machine."""
    for name in [*stored, *(name for name in made if name not in stored)]:
        if name not in made:
            yield f"{name}: the row is missing"
        elif name not in stored:
            yield f"{name}: the row is not stored"
        else:
            differences = list(row_differences(stored[name], made[name]))
            if by_bits and stored[name].get("bits") != made[name].get("bits"):
                differences.append("the bits differ")
            if differences:
                yield f"{name}: {', '.join(differences)}"


def row_differences(stored: Row, made: Row) -> Iterator[str]:
    """Clauses on the fields that differ.

    A score may differ by its standard error; other numbers by a factor of two, estimates by four, or be below the floor
    of the row; words and truth values must be the same.
    """
    for field in {**stored, **made}:
        if field in NEVER_COMPARED:
            continue
        before, after = stored.get(field), made.get(field)
        if not (is_number(before) and is_number(after)):
            agree = before == after
        elif field == "score":
            agree = abs(after - before) <= stored["standard_error"]
        else:
            floor = stored.get("floor", ROUNDING)
            low, high = sorted(max(abs(value), floor) for value in (before, after))
            agree = high <= (FACTOR_OF_ESTIMATES if field == "estimate" else FACTOR) * low
        if not agree:
            yield f"{field} was {shown(before)} and is {shown(after)}"


def is_number(value: object) -> bool:
    """True for numbers, which truth values are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: object) -> str:
    """A value with three digits if it is a number."""
    return f"{value:.3g}" if is_number(value) else str(value)
