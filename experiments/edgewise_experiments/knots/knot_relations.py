"""The knot table read: a formula for the signature, and without a target the relations among its columns.

The formula is searched in the training rows of each fold, from the three cusp translations or from all 17 columns. It
is scored in the same way as the slope rule lambda mu_re / (mu_re^2 + mu_im^2): a least-squares line through its values,
rounded to the nearest even number, on the test rows of the fold.

The relations are searched in all rows, over many seeds of the networks of the KAN paper (Liu et al., arXiv 2404.19756,
section 4.3). Its group (ii), log V = log mu_r + log lambda, names the real part of the meridian; the table has
V = lambda mu_im / 2, because the source of the paper's data had the labels of the two parts swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import fmean

import numpy as np

from edgewise import find_formula
from edgewise.datasets import load_knots
from edgewise.formulas.expression import used_variables
from edgewise.formulas.front import SIGNIFICANT_Z
from edgewise.interpret import relations
from edgewise.interpret.dependence.additive_relations import bound_together
from edgewise.outcomes import ProgressCallback
from edgewise_experiments.knots.signature_rules import fit_line, rounded_to_even
from edgewise_experiments.knots.slope_rule import SLOPE_COLUMNS, natural_slope
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    run_jobs,
    scientific,
    working_seconds,
)
from edgewise_experiments.tables.real_tables import Table

FOLDS, QUICK_ROWS = 5, 800
SECONDS, QUICK_SECONDS = 120.0, 3.0  # the time limit of each search for a formula
NETWORKS, STEPS = 30, 300  # networks for the relations, and steps of each
EXACT = 1e-12  # the position in the figure of relations that hold to the digits of the table
SHORT = {  # names of columns in tables and formulas
    "longitudinal_translation": "lambda",
    "meridinal_translation_real": "mu_re",
    "meridinal_translation_imag": "mu_im",
}
TOGETHER = (*SHORT, "signature")
KNOWN_RELATIONS = {
    "cusp volume = lambda mu_im / 2": ("cusp_volume", "longitudinal_translation", "meridinal_translation_imag"),
    "injectivity radius = half the short geodesic": ("injectivity_radius", "short_geodesic_real_part"),
    "adjoint and plain torsion degree": ("hyperbolic_adjoint_torsion_degree", "hyperbolic_torsion_degree"),
}
NOTES = (
    "The formula for the signature is searched in the training rows of a fold and scored like the slope rule, by a "
    "least-squares line through its values, rounded to the nearest even number, on the test rows. The formula from "
    "all columns is searched in the first fold alone.",
    "Looseness is 1 for unrelated columns and 0 for an exact relation; z and p compare it with that of shuffled "
    "columns. The column networks has the number of the KAN paper's networks that found the same relation, out of "
    "those that could have, and the last column the probability of so many by chance. The key figures list the three "
    "relations that are known to hold, the relations between the signature and the cusp translations, and the largest "
    "difference between two sides of a known relation in standard deviations. The KAN paper's group (ii) names mu_re "
    "instead of mu_im because the source of its data had the labels swapped; with mu_re the relation does not hold.",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Search formulas in five folds of the translations and one of all columns, then relations, with one seed."""
    seed = (seeds or (0,))[0]
    key = {"seed": seed, "quick": quick}
    jobs = []
    for columns, folds in (("translations", 1),) if quick else (("translations", FOLDS), ("all", 1)):
        for fold in range(folds):
            own = {**key, "part": "formula", "columns": columns, "fold": fold, "ahead": SIGNIFICANT_Z}
            work = partial(measure_formula, columns, fold, seed, quick)
            jobs.append(Job(f"formula, {columns}, fold {fold + 1}", own, work))
    own = {**key, "part": "relations", "asked": list(TOGETHER)}  # "asked" is the name in stored rows
    jobs.append(Job("relations", own, partial(measure_relations, seed, quick)))
    return summary(run_jobs(jobs, store, progress))


def measure_formula(columns: str, fold: int, seed: int, quick: bool, report: ProgressCallback) -> dict:
    """Search a formula for the signature in one fold; columns: "translations" or "all"."""
    knots = load_knots()
    names = [SHORT.get(name, name.replace("Z/2 + Z/2", "Z2")) for name in knots.feature_names]
    table = Table(knots.X, knots.y, "classification", knots.group)
    train, test = list(table.folds(FOLDS, seed))[fold]
    train = train[:QUICK_ROWS] if quick else train
    translations = [knots.feature_names.index(name) for name in SLOPE_COLUMNS]
    used = translations if columns == "translations" else list(range(knots.X.shape[1]))
    x, y = knots.X[:, used], knots.y.astype(float)
    limit = QUICK_SECONDS if quick else SECONDS
    front = find_formula(x[train], y[train], names=[names[i] for i in used], time_limit=limit, seed=seed)
    best = front.best.formula
    return {
        "formula": best.text(6),
        "symbols": best.complexity,
        "used": [names[used[i]] for i in used_variables(best.expression)],
        "accuracy": line_accuracy(best(x), y, train, test),
        "slope_rule": line_accuracy(natural_slope(knots.X[:, translations]), y, train, test),
        "said": list(front.messages),  # the name in stored rows
    }


def line_accuracy(values: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float | None:
    """Return the share of test rows where the training rows' line through the values, rounded to even, is correct."""
    if not np.isfinite(values).all():
        return None
    fitted, _ = fit_line(values, y, train)
    return float(np.mean(rounded_to_even(fitted[test]) == y[test]))


def measure_relations(seed: int, quick: bool, report: ProgressCallback) -> dict:
    """Search relations among all columns and the signature, and measure those that are known."""
    knots = load_knots()
    names = [*knots.feature_names, "signature"]
    x = np.column_stack([knots.X, knots.y])[: QUICK_ROWS if quick else None]
    networks, steps = (2, 20) if quick else (NETWORKS, STEPS)
    result = relations(x, names=names, seeds=networks, steps=steps, seed=seed)
    listed = [
        {
            "columns": [names[i] for i in relation.inputs],
            "looseness": relation.looseness,
            "z": relation.z,
            "p": relation.p_value,
            "networks": relation.networks,
            "found_by": relation.seeds,
            "p_networks": relation.p_seeds,
        }
        for relation in result.relations
    ]
    together = bound_together(x, [names.index(name) for name in TOGETHER], seed=seed)
    column = dict(zip(names, x.T, strict=True))
    volume, longitude = column["cusp_volume"], column["longitudinal_translation"]
    sides = {
        "volume_imag": (volume, longitude * column["meridinal_translation_imag"] / 2),
        "volume_real": (volume, longitude * column["meridinal_translation_real"] / 2),
        "geodesic": (column["injectivity_radius"], column["short_geodesic_real_part"] / 2),
    }
    return {
        "relations": listed,
        "tests": result.tests,
        "together": None if together is None else {"looseness": together.looseness, "z": together.z},
        # The largest difference of the two sides, in standard deviations of the first.
        **{name: float(np.abs(left - right).max() / left.std()) for name, (left, right) in sides.items()},
    }


def summary(rows: list[dict]) -> Outcome:
    """Compare the formulas with the slope rule, and list the relations; their looseness as a figure."""
    rows = latest(rows, "part", "columns", "fold", "seed", "quick")
    formulas = [row for row in rows if row["part"] == "formula"]
    lines = tuple(
        (
            row["columns"],
            str(row["fold"] + 1),
            _percent(row["accuracy"]),
            _percent(row["slope_rule"]),
            str(row["symbols"]),
            f"{working_seconds(row):.1f}",
            row["formula"],
        )
        for row in formulas
    )
    columns = ("columns", "fold", "formula's accuracy", "slope rule", "symbols", "seconds", "formula")
    tables = [ResultTable(columns, lines, "Signature, by a line and rounding to even")]
    numbers = {}
    folds = [row for row in formulas if row["columns"] == "translations"]
    if folds:
        numbers["formula from the translations, mean accuracy of the folds"] = _percent(_mean(folds, "accuracy"))
        numbers["slope rule, mean accuracy of the folds"] = _percent(_mean(folds, "slope_rule"))
        numbers["folds"] = str(len(folds))
    for row in rows:
        if row["part"] == "relations":
            tables.append(relation_table(row))
            numbers |= relation_numbers(row)
    tables.insert(0, key_figures(numbers))
    with_relations = [row for row in rows if row["part"] == "relations" and row["relations"]]
    figures = {"looseness": partial(draw_looseness, with_relations[-1])} if with_relations else {}
    return Outcome(tuple(table for table in tables if table.rows), NOTES if rows else NO_ROWS.notes, figures)


def relation_table(row: dict) -> ResultTable:
    """List the relations of a row."""
    lines = tuple(
        (
            _names(relation["columns"]),
            scientific(relation["looseness"]),
            f"{relation['z']:.0f}",
            _probability(relation["p"]),
            f"{relation['found_by']}/{relation['networks']}",
            _probability(relation["p_networks"]),
        )
        for relation in row["relations"]
    )
    return ResultTable(("columns", "looseness", "z", "p", "networks", "p of these"), lines, "Relations, unsupervised")


def relation_numbers(row: dict) -> dict[str, str]:
    """Return the key figures of the relations: the known ones, and those of the signature."""
    by_columns = {frozenset(relation["columns"]): relation for relation in row["relations"]}
    numbers = {}
    for name, columns in KNOWN_RELATIONS.items():
        relation = by_columns.get(frozenset(columns))
        numbers[name] = "not found" if relation is None else f"found, p {_probability(relation['p'], '= ')}"
    signature = [
        relation
        for relation in row["relations"]
        if "signature" in relation["columns"] and set(relation["columns"]) <= set(TOGETHER)
    ]
    numbers["signature with the cusp translations"] = (
        f"found as {'; '.join(_names(relation['columns']) for relation in signature)}" if signature else "not found"
    )
    if row.get("together"):
        looseness, z = row["together"]["looseness"], row["together"]["z"]
        numbers["a sum of functions of the signature and all translations"] = f"looseness {looseness:.2g}, z {z:.0f}"
    differences = {
        "difference of cusp volume and lambda mu_im / 2": "volume_imag",
        "difference of cusp volume and lambda mu_re / 2": "volume_real",
        "difference of injectivity radius and half the short geodesic": "geodesic",
    }
    return numbers | {quantity: scientific(row[name]) for quantity, name in differences.items()}


def draw_looseness(row: dict) -> Figure:
    """Draw the looseness of every relation, with the relations that networks found marked."""
    from edgewise_experiments.plots.errors import Span, error_dots

    listed = row["relations"]
    names = [_names(relation["columns"]) for relation in listed]
    spans = [Span.of([max(relation["looseness"], EXACT)]) for relation in listed]
    pairs = list(zip(listed, spans, strict=True))
    kinds = {
        "found by networks too": [span if relation["found_by"] else None for relation, span in pairs],
        "by subsets alone": [None if relation["found_by"] else span for relation, span in pairs],
    }
    kinds = {label: marks for label, marks in kinds.items() if any(marks)}
    return error_dots(names, kinds, xlabel="looseness: 1 for unrelated columns, 0 for an exact relation")


def _names(columns: Sequence[str]) -> str:
    return ", ".join(SHORT.get(name, name) for name in columns)


def _mean(rows: Sequence[dict], name: str) -> float:
    """Return the mean share of the folds; a fold without a number counts as 0."""
    return fmean(row[name] or 0.0 for row in rows)


def _probability(p: float, equal: str = "") -> str:
    """Return a probability as text; the smallest are below the range of a float."""
    return f"{equal}{p:.1e}" if p > 0 else "< 1e-300"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
