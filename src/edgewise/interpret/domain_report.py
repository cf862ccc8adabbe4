"""Where a formula is defined: on the range of data, and a little beyond it, in sentences."""

import numpy as np

from edgewise.interpret.expression import children, domain_row, evaluate, touches_zero, walk
from edgewise.interpret.formula import Formula
from edgewise.interpret.writing import as_text
from edgewise.nn.elementary import Elementary

BEYOND = 0.2  # of the range of each input, at both ends
POINTS = 2000


def domain_report(formula: Formula, x: np.ndarray) -> tuple[str, ...]:
    """Sentences on every part of a formula that is not defined everywhere, and on what lies beyond the data.

    Args:
        x: (N, inputs), the data.
    """
    x = np.asarray(x, dtype=np.float64)
    said, leaves = [], bool(formula.leaks(x))
    for part in walk(formula.expression):
        row = domain_row(part)
        if row is None or row.domain == "every x":
            continue
        argument = children(part)[0]
        values = evaluate(argument, x)
        low, high = float(np.min(values)), float(np.max(values))
        fine = "and on these data it does" if row.allows(low, high) else "but on these data it does NOT"
        if touches_zero(part, x):
            bounded = "and comes down to 0 on these data, where the whole formula stays bounded"
            fine = "but on these data it comes down to 0 between rows" if leaves else bounded
        if not row.allows(low, high) and not leaves:
            fine = "and goes through it on these data, where the whole formula stays bounded"
        text = as_text(argument, formula.names, 4)
        said.append(f"{as_text(part, formula.names, 4)} needs {_need(row, text)}, {fine}: {low:.4g} to {high:.4g}.")
    share = undefined_beyond(formula, x)
    if share > 0:
        said.append(
            f"Up to {BEYOND:.0%} beyond the range of each input it is undefined or infinite at {share:.1%} of points "
            "drawn there."
        )
    elif not said:
        said.append("It is defined everywhere.")
    return tuple(dict.fromkeys(said))


def undefined_beyond(formula: Formula, x: np.ndarray, seed: int = 0) -> float:
    """The share of points in the box of the data, widened by `BEYOND`, at which a formula is not finite."""
    low, high = x.min(0), x.max(0)
    room = BEYOND * (high - low)
    points = np.random.default_rng(seed).uniform(low - room, high + room, (POINTS, x.shape[1]))
    return float(np.mean(~np.isfinite(formula(points))))


def _need(row: Elementary, text: str) -> str:
    """The domain as a condition on the argument's text."""
    return row.domain.replace("x", text, 1) if row.pole is None else f"{text} {row.domain.removeprefix('x ')}"
