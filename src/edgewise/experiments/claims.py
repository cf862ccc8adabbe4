"""The claims of the KAN paper that experiments measure: what the paper has, and ours from stored rows.

Numbers of the paper are those of Liu et al., arXiv 2404.19756, with section or table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise.experiments import (
    approximation_theory,
    continual_learning,
    feynman,
    guide,
    pde_table,
    poisson,
    representation,
    scaling_exponents,
    special_functions,
)
from edgewise.experiments.jobs import latest
from edgewise.experiments.outcome import Outcome


@dataclass(frozen=True)
class Claim:
    """text: what is claimed; experiment: its name; paper: what the paper has, with its place; ours: from the rows."""

    text: str
    experiment: str
    paper: str
    ours: Callable[[list[dict]], str]


def seconds_said(rows: Sequence[dict]) -> str:
    """CPU seconds of all rows together, or wall seconds of rows that have no others."""
    if not rows:
        return "-"
    return f"{sum(row.get('cpu_seconds', row.get('seconds', 0.0)) for row in rows):,.0f}"


def _sentence(summary: Callable[[list[dict]], Outcome], number: int) -> Callable[[list[dict]], str]:
    """The sentence of that number of an experiment's own summary."""

    def ours(rows: list[dict]) -> str:
        sentences = summary(rows).sentences
        return sentences[number] if -len(sentences) <= number < len(sentences) else "too few rows"

    return ours


def _one_dimension(rows: list[dict]) -> str:
    found = continual_learning.best_rows(
        latest([row for row in rows if row["case"] == "1-D"], "seed", "kind", "hidden", "detail", "method"),
        *("1-D", "KAN", continual_learning.CHOICES["keeps most"]),
    )
    phases = [errors[phase] for row in found for phase, errors in enumerate(row["errors"])]
    return f"RMSE of each phase {max(phases):.1e} at most" if phases else "too few rows"


CLAIMS = (
    Claim(
        "Deeper KANs are more accurate than two layers",
        "representation",
        "[4,2,2,1] much better than [4,9,1] (section 3.1, in words)",
        _sentence(representation.summary, 1),
    ),
    Claim(
        "The error in C^m falls as G^-(k+1-m)",
        "approximation-theory",
        "theorem 2.1, not measured",
        _sentence(approximation_theory.summary, 1),
    ),
    Claim(
        "KANs scale with alpha = k + 1 whatever the dimension",
        "scaling-exponents",
        "4 with cubic splines (Table 1, Figure 3.1)",
        _sentence(scaling_exponents.summary, 1),
    ),
    Claim(
        "KANs fit special functions better than MLPs",
        "special-functions",
        "RMSE of the best KAN below the best MLP's in all 15 rows (Table 2)",
        _sentence(special_functions.summary, 1),
    ),
    Claim(
        "KANs and MLPs are comparable on Feynman equations",
        "feynman",
        "comparable on average (section 3.3)",
        _sentence(feynman.summary, 1),
    ),
    Claim(
        "KANs learn five peaks in a row without forgetting (1-D)",
        "continual-learning",
        f"RMSE of each phase {continual_learning.PAPER_PHASE:.1e} (section 3.4)",
        _one_dimension,
    ),
    Claim(
        "KANs solve Poisson's equation more accurately than MLPs",
        "poisson",
        "squared L2 error about 1e-7 with a KAN, 1e-5 with an MLP of 10^4 parameters (figure 3.3)",
        _sentence(poisson.summary, 1),
    ),
    Claim(
        "Differential equations to many digits with nothing chosen",
        "pde-table",
        "not in the paper; published figures of other networks stand in the table",
        _sentence(pde_table.summary, 0),
    ),
    Claim(
        "Should I use KANs or MLPs?",
        "guide",
        "seven leaves (figure 6.1)",
        _sentence(guide.summary, 0),
    ),
)
