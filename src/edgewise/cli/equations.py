"""The formulas that `edgewise fit` finds for a numeric target: within its time, judged on the test rows too."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from edgewise.baselines import measures
from edgewise.cli.formula import Found, fidelity, found_of, rows
from edgewise.cli.job import Prepared, Trained, noted
from edgewise.estimator.equations import FEWEST, table_front


@dataclass(frozen=True, eq=False)
class Equations:
    """found: the formulas. score: R² of the chosen one on the test rows. seconds: of the search."""

    found: Found
    score: float
    seconds: float

    def sentences(self) -> tuple[str, ...]:
        """The chosen formula, how good it is on which rows, and where it is defined."""
        found = self.found
        share = "–" if not math.isfinite(self.score) else f"{self.score:.4g}".replace("-", "\N{MINUS SIGN}")
        return (
            f"{found.target} = {found.best.formula.text(4)}",
            f"On the test rows the R² of this formula is {share}. {' '.join(fidelity(found))}",
            *found.domain,
            *found.notes,
            f"The search took {self.seconds:.1f} seconds; `edgewise formula` searches longer and writes LaTeX or code.",
        )


def find_equations(ready: Prepared, trained: Trained) -> Equations | None:
    """Formulas for a numeric target from the training rows; None for classes, few rows, or where none are wanted."""
    if ready.labels or not ready.job.formulas > 0 or len(ready.train) < FEWEST:
        return None
    start = time.perf_counter()
    X, y, names = ready.X[ready.train], ready.y[ready.train], ready.encoder.feature_names
    with noted():
        front = table_front(X, y, names, ready.job.formulas, trained.estimator)
    trained.estimator.equations_ = front  # goes into its file
    seconds = time.perf_counter() - start
    found = found_of(front, ready.encoder.target.name, X, y)
    prediction = found.best.formula(ready.X[ready.test])
    truth = ready.y[ready.test]
    score = (
        next(iter(measures(ready.task, truth, prediction).values())) if math.isfinite(prediction.sum()) else math.nan
    )
    return Equations(found, score, seconds)


def equation_facts(equations: Equations | None) -> dict | None:
    """For metrics.json."""
    if equations is None:
        return None
    found = equations.found
    return {
        "formula": found.best.formula.text(None),
        "rounded": found.best.formula.text(4),
        "test_r2": equations.score if math.isfinite(equations.score) else None,
        "seconds": round(equations.seconds, 3),
        "domain": list(found.domain),
        "front": rows(found),
    }
