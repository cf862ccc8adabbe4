"""The claims of the KAN paper that experiments measure: the paper's numbers, and ours from stored rows.

The paper is Liu et al., arXiv 2404.19756; its numbers are given with section or table. Experiments that go beyond the
paper have a line too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise_experiments.accuracy import feynman, mlp_comparison, noise, special_functions, toy_functions
from edgewise_experiments.anderson import anderson
from edgewise_experiments.dynamics import field_equations, motion
from edgewise_experiments.formulas import formula_stages, formulas, srbench
from edgewise_experiments.images import imaging
from edgewise_experiments.knots import knot_relations, knots
from edgewise_experiments.language import language
from edgewise_experiments.pde import equations, estimates, pde_table, poisson, reach, unknown_fields
from edgewise_experiments.runner.outcome import Outcome, median
from edgewise_experiments.tables import ablation, coverage, tables
from edgewise_experiments.theory import approximation_theory, continual_learning

FEW = "too few rows"
BEYOND = "not in the paper"


@dataclass(frozen=True)
class Claim:
    """A claim and the experiment that measures it."""

    text: str
    experiment: str
    paper: str
    ours: Callable[[list[dict]], str]


def total_seconds(rows: Sequence[dict]) -> str:
    """Return the CPU seconds of all rows together as text, with wall seconds for rows that have no others."""
    if not rows:
        return "-"
    return f"{sum(row.get('cpu_seconds', row.get('seconds', 0.0)) for row in rows):,.0f}"


def _quoted(summary: Callable[[list[dict]], Outcome], *quantities: str) -> Callable[[list[dict]], str]:
    """Return a function that quotes the known ones of these key figures of an experiment."""

    def ours(rows: list[dict]) -> str:
        figures = summary(rows).key_figures
        known = [f"{quantity}: {figures[quantity]}" for quantity in quantities if figures.get(quantity, "-") != "-"]
        return "; ".join(known) or FEW

    return ours


def _paper_edges() -> str:
    """Return the paper's accuracies of formulas without help, and of the exact edges."""
    accuracies = [
        f"{one.chain} {one.paper} % (exact edge {anderson.THEORY[one.chain]} %)"
        for one in anderson.READINGS
        if one.name == "automatic" and one.paper is not None
    ]
    return f"formulas found without help: {', '.join(accuracies)}"


def _edges(rows: list[dict]) -> str:
    """Return the accuracy of the formulas that were found without help, chain by chain."""
    automatic = [row for row in rows if row.get("name") == "automatic"]
    accuracies = [
        f"{chain} {100 * share:.1f} %"
        for chain in dict.fromkeys(row["chain"] for row in automatic)
        if (share := median(row["formula_accuracy"] for row in automatic if row["chain"] == chain)) is not None
    ]
    return f"formulas found without help: {', '.join(accuracies)}" if accuracies else FEW


CLAIMS = (
    Claim(
        "The error in C^m falls as G^-(k+1-m)",
        "approximation-theory",
        "theorem 2.1, not measured",
        _quoted(
            approximation_theory.summary,
            "exponents of the best spline within 0.2 of the theory",
            "training on values and derivatives: exponents at least the theory's less 0.2",
        ),
    ),
    Claim(
        "KANs of the right shape follow the theory on five toy functions",
        "toy-functions",
        "plotted, no numbers (Figure 3.1); [2,1,1] about G^-3 in RMSE (section 2.3)",
        _quoted(
            toy_functions.summary,
            "slopes of cubic splines in the grid size",
            "lowest RMSE, degree and grids chosen",
            "largest RMSE, degree and grids chosen",
        ),
    ),
    Claim(
        "KANs are more accurate than MLPs",
        "mlp-comparison",
        "plotted, no numbers (Figures 3.1 and 3.2)",
        _quoted(mlp_comparison.summary, "functions for which the KAN's error is lower", "median of times lower"),
    ),
    Claim(
        "KANs fit special functions better than MLPs",
        "special-functions",
        "RMSE of the best KAN below the best MLP's in all 15 rows (Table 2)",
        _quoted(
            special_functions.summary,
            "functions whose median is below the paper's best KAN",
            "median of times lower",
        ),
    ),
    Claim(
        "KANs and MLPs are comparable on Feynman equations",
        "feynman",
        "comparable on average (section 3.3)",
        _quoted(
            feynman.summary,
            "functions whose median is below the best of the paper's four columns",
            "median of times lower",
            "smallest of times lower",
        ),
    ),
    Claim(
        "KANs learn five peaks in a row without forgetting (1-D)",
        "continual-learning",
        f"RMSE of each phase {continual_learning.PAPER_PHASE:.1e} (section 3.4)",
        _quoted(continual_learning.summary, "1-D: largest RMSE of a phase, KAN that keeps most"),
    ),
    Claim(
        "KANs learn peaks in a row without forgetting in more dimensions",
        "continual-learning",
        "unclear (section 3.4)",
        _quoted(
            continual_learning.summary,
            "2-D: error of the MLP over that of the KAN, all groups",
            "5-D: error of the MLP over that of the KAN, all groups",
        ),
    ),
    Claim(
        "KANs solve Poisson's equation more accurately than MLPs",
        "poisson",
        "squared L2 error about 1e-7 with a KAN, 1e-5 with an MLP of 10^4 parameters (figure 3.3)",
        _quoted(poisson.summary, "lowest errors, KAN", "lowest errors, MLP"),
    ),
    Claim(
        "Differential equations to many digits with nothing chosen",
        "pde-table",
        f"{BEYOND}; published figures of other networks stand in the table",
        _quoted(pde_table.summary, "problems that reach the requested error", "seconds of the slowest run"),
    ),
    Claim(
        "KANs become formulas",
        "formulas",
        "by hand, function by function (sections 4.1 and 4.2)",
        _quoted(formulas.summary, "exact without noise", "exact with 1 % noise", "exact among 5 useless inputs"),
    ),
    Claim(
        "Laws are found from samples",
        "srbench",
        BEYOND,
        _quoted(srbench.summary, "AI Feynman", "AI Feynman, 1 % noise", "Nguyen", "Random, open half"),
    ),
    Claim(
        "Formulas: what each stage of the search contributes",
        "formula-stages",
        BEYOND,
        _quoted(formula_stages.summary, *(f"exact, {name}" for name in formula_stages.VARIANTS)),
    ),
    Claim(
        "Knots: a KAN predicts the signature better than an MLP",
        "knots",
        "[17,1,14] 81.6 %, DeepMind's MLP 78.0 % (Table 3)",
        _quoted(
            knots.summary,
            "17 inputs: sizes with the KAN at or above the MLP",
            "17 inputs: best KAN",
            "KAN [17,1,14] of the paper",
            "DeepMind's MLP by its recipe",
        ),
    ),
    Claim(
        "Knots: relations without a target",
        "knot-relations",
        "three groups of columns (section 4.3)",
        _quoted(knot_relations.summary, *knot_relations.KNOWN_RELATIONS, "signature with the cusp translations"),
    ),
    Claim(
        "Anderson localisation: mobility edges as formulas",
        "anderson",
        f"{_paper_edges()} (section 4.4)",
        _edges,
    ),
    Claim(
        "Tables: a KAN with its defaults beside other models",
        "tables",
        BEYOND,
        _quoted(
            tables.summary,
            "tables on which the KAN is within a point of the best",
            "average rank of the KAN among all models",
            "best average rank of another model",
        ),
    ),
    Claim(
        "Tables: 90 % intervals hold what they state in every quarter of the prediction",
        "coverage",
        BEYOND,
        _quoted(
            coverage.summary,
            "quarters within two points of 90 %",
            "mean coverage of 90 % intervals in the quarters of the prediction",
        ),
    ),
    Claim(
        "Tables: what each stage of the search is worth, on 25 open tables",
        "ablation",
        BEYOND,
        _quoted(ablation.summary, "largest mean gain of a stage"),
    ),
    Claim(
        "Equations of PINNacle and textbooks that nobody tuned to",
        "equations",
        BEYOND,
        _quoted(
            equations.summary,
            "equations",
            "with an error of at most 1e-6",
            "estimates that hold",
            "cases of PINNacle with an error below its best method's",
        ),
    ),
    Claim(
        "Estimated errors of solutions that are held against true ones",
        "estimates",
        BEYOND,
        _quoted(
            estimates.summary,
            "estimates of at least a third of the error",
            "estimates 100 times too small, without a doubt",
        ),
    ),
    Claim(
        "Unknown fields of equations from noisy values",
        "unknown-fields",
        BEYOND,
        _quoted(
            unknown_fields.summary,
            "coverage of 95 % error bars, over problems and fields",
            "fields whose coverage is within 3 points of 95 %",
        ),
    ),
    Claim(
        "Laws of motion from trajectories",
        "motion",
        BEYOND,
        _quoted(motion.summary, "ODEBench, 0 % noise, 1 seen, edgewise", "ODEBench, 5 % noise, 1 seen, edgewise"),
    ),
    Claim(
        "Differential equations of fields",
        "field-equations",
        BEYOND,
        _quoted(field_equations.summary, "0 % noise", "5 % noise"),
    ),
    Claim(
        "Smooth equations to the last digits in seconds",
        "reach",
        BEYOND,
        _quoted(reach.summary, "reached in the seconds allowed", "not reached"),
    ),
    Claim(
        "Noise: errors and error bars",
        "noise",
        BEYOND,
        _quoted(
            noise.summary,
            "equations for which the KAN has the lowest error",
            "coverage of the 90 % intervals",
            "coverage of the 90 % bands",
        ),
    ),
    Claim(
        "Pictures: a KAN beside SIREN at equal size and time",
        "imaging",
        BEYOND,
        _quoted(
            imaging.summary,
            "fits with the product KAN above every other network",
            "longer fits with the product KAN above SIREN",
            "fits with the KAN above SIREN",
            "longer fits with the KAN above SIREN",
        ),
    ),
    Claim(
        "Language: feed-forward blocks of a transformer",
        "language",
        BEYOND,
        _quoted(
            language.summary,
            "equal time, cpu: loss of the KAN",
            "equal time, cpu: loss of the MLP",
        ),
    ),
)
