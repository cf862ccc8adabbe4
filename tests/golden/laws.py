"""The laws of the experiment `formula-stages`: which formula was found, and whether it is the law."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np

from edgewise import find_formula
from edgewise.discovery import FormulaOptions
from edgewise_experiments.data.laws import Law
from edgewise_experiments.formulas.formula_stages import laws
from edgewise_experiments.formulas.srbench_runs import is_exact
from tests.golden.comparison import Row
from tests.golden.runner import bits, ordered

SAMPLES, FRESH = 1000, 1000
SECONDS = 20.0  # of a core, in which the work on a law is counted
EXACT = 1e-9  # smaller relative errors are rounding
NOISY = 5  # laws that are searched in samples with noise
DIGITS = 4  # of the constants of a law whose text is compared
USUAL = FormulaOptions().operators
WITH_BESSEL = ("toy 1", "exp J0")  # laws that ask for a special function


def searched(law: Law, noise: float) -> Row:
    """Search for a law in samples, perhaps with noise."""
    clean, fresh = law.sample(SAMPLES, 0), law.sample(FRESH, 1)
    x, y = clean
    y = y + noise * float(np.std(y)) * np.random.default_rng([0, 7]).normal(size=SAMPLES)
    options = FormulaOptions(operators=(*USUAL, "besselj0") if law.name in WITH_BESSEL else USUAL)
    # A limit in seconds plans so much work. By a slow clock it is this work that ends the search, on any machine.
    with patch("time.monotonic", lambda: time.process_time() / 10):
        front = find_formula(x, y, names=law.names, time_limit=SECONDS, options=options)
    best = front.best.formula
    found, wanted = best(fresh[0]), fresh[1]
    exact = is_exact(best.expression, law, noise, clean, fresh)
    return {
        "exact": exact,
        "law": ordered(best.text(DIGITS), law.names) if exact else "another",
        "error": float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted - wanted.mean())),
        "floor": EXACT,
        "bits": bits(found),
    }


ROWS: dict[str, Callable[[], Row]] = {
    f"{suite}, {law.name}": partial(searched, law, noise)
    for suite, listed in laws().items()
    for number, (law, noise) in enumerate(listed)
    if not noise or number < NOISY
}
