"""Where a formula is defined: on the range of data, and a little beyond it, in sentences."""

import numpy as np

from edgewise.formulas.expression import Expression, children, domain_row, evaluate, reaches_zero, used_variables, walk
from edgewise.formulas.formula import Formula
from edgewise.formulas.printing import as_text
from edgewise.nn.elementary import Elementary

EXTRAPOLATED_SHARE = 0.2  # of the range of each input, at both ends
POINTS = 2000
ROUNDS, NEAREST, SHRINKING = 60, 20, 0.75  # of the search for a zero: the last steps are 1e-9 of the box
REACHED = 1e-7  # of the typical size: such values are 0 for a function that is not defined there


def domain_report(formula: Formula, x: np.ndarray) -> tuple[str, ...]:
    """Sentences on every part of a formula that is not defined everywhere, and on what lies beyond the data.

    Args:
        x: (N, inputs), the data.
    """
    x = np.asarray(x, dtype=np.float64)
    said, leaves = [], bool(formula.domain_violations(x))
    for part in walk(formula.expression):
        row = domain_row(part)
        if row is None or row.domain == "every x":
            continue
        argument = children(part)[0]
        values = evaluate(argument, x)
        low, high = float(np.min(values)), float(np.max(values))
        fine = "and on these data it does" if row.allows(low, high) else "but on these data it does NOT"
        if reaches_zero(part, x):
            bounded = "and comes down to 0 on these data, where the whole formula stays bounded"
            fine = "but on these data it comes down to 0 between rows" if leaves else bounded
        elif row.allows(low, high) and not row.allows(0.0, 0.0):
            where = comes_to_zero(argument, x)
            fine = fine if where is None else _zero_at(where, argument, formula, x)
        if not row.allows(low, high) and not leaves:
            fine = "and goes through it on these data, where the whole formula stays bounded"
        text = as_text(argument, formula.names, 4)
        said.append(f"{as_text(part, formula.names, 4)} needs {_need(row, text)}, {fine}: {low:.4g} to {high:.4g}.")
    share = undefined_beyond(formula, x)
    if share > 0:
        said.append(
            f"Up to {EXTRAPOLATED_SHARE:.0%} beyond the range of each input it is undefined or infinite at {share:.1%} "
            "of points drawn there."
        )
    elif not said:
        said.append("It is defined everywhere.")
    return tuple(dict.fromkeys(said))


def comes_to_zero(node: Expression, x: np.ndarray) -> np.ndarray | None:
    """A point (inputs,) in the box of the rows x at which a part that has one sign at all of them is 0, or None.

    From the rows where it is nearest to 0 a random search whose steps shrink; what it misses is not reported.
    """
    low, high = x.min(0), x.max(0)
    random, step = np.random.default_rng(0), (high - low) / 10
    points, typical = x, float(np.median(np.abs(evaluate(node, x))))
    for _ in range(ROUNDS):
        size = np.abs(evaluate(node, points))
        points = points[np.argsort(np.where(np.isfinite(size), size, np.inf), kind="stable")[:NEAREST]]
        tries = points[:, None] + step * random.normal(size=(len(points), NEAREST, x.shape[1]))
        points = np.concatenate([points, np.clip(tries, low, high).reshape(-1, x.shape[1])])
        step = step * SHRINKING
    size = np.abs(evaluate(node, points[:1]))[0]
    return points[0] if size <= REACHED * typical else None


def _zero_at(where: np.ndarray, argument: Expression, formula: Formula, x: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        bounded = np.ptp(formula(near(where, x))) <= 3 * np.ptp(formula(x))
    shown = np.where(np.abs(where) < 1e-6 * np.ptp(x, axis=0), 0.0, where)
    place = ", ".join(f"{formula.names[k]} = {shown[k]:.3g}" for k in used_variables(argument))
    said = f"but between the rows it comes down to 0, near {place}"
    return f"{said}, where the whole formula stays bounded" if bounded else said


def near(point: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(POINTS, inputs), closer and closer to a point in the box of the rows x."""
    random = np.random.default_rng(1)
    distance = np.geomspace(1e-1, 1e-10, POINTS)[:, None] * np.ptp(x, axis=0)
    return np.clip(point + distance * random.normal(size=(POINTS, x.shape[1])), x.min(0), x.max(0))


def undefined_beyond(formula: Formula, x: np.ndarray, seed: int = 0) -> float:
    """The share of points in the box of the data, widened by `BEYOND`, at which a formula is not finite."""
    low, high = x.min(0), x.max(0)
    room = EXTRAPOLATED_SHARE * (high - low)
    points = np.random.default_rng(seed).uniform(low - room, high + room, (POINTS, x.shape[1]))
    return float(np.mean(~np.isfinite(formula(points))))


def _need(row: Elementary, text: str) -> str:
    """The domain as a condition on the argument's text."""
    return row.domain.replace("x", text, 1) if row.pole is None else f"{text} {row.domain.removeprefix('x ')}"
