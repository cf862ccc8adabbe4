"""The knot table read: a formula for the signature, and without a target the relations among its columns.

The formula is searched in the training rows of each fold, from the three cusp translations or from all 17 columns as
they are, and judged like the slope rule lambda mu_re / (mu_re^2 + mu_im^2) beside it: a least-squares line through it,
rounded to the nearest even number, on the rows of the fold.

The relations are searched in all rows, over many seeds of the networks of the KAN paper (Liu et al., arXiv 2404.19756,
section 4.3). Its group (ii), log V = log mu_r + log lambda, names the real part of the meridian; the table has
V = lambda mu_im / 2: the source of the paper's data had the labels of the two parts swapped.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from edgewise import find_formula, relations
from edgewise.datasets import SLOPE_COLUMNS, load_knots, natural_slope
from edgewise.formulas.expression import used_variables
from edgewise.formulas.front import SIGNIFICANT_Z
from edgewise.interpret import bound_together
from edgewise.plot import Span, error_dots
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, scientific
from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables.real_tables import Table

FOLDS, QUICK_ROWS = 5, 800
SECONDS, QUICK_SECONDS = 120.0, 3.0
NETWORKS, STEPS = 30, 300
EXACT = 1e-12  # where the figure has relations that hold to the digits of the table
SHORT = {
    "longitudinal_translation": "lambda",
    "meridinal_translation_real": "mu_re",
    "meridinal_translation_imag": "mu_im",
}
TOGETHER = (*SHORT, "signature")
ASKED = {
    "cusp volume = lambda mu_im / 2": (("cusp_volume", "longitudinal_translation", "meridinal_translation_imag"),),
    "injectivity radius = half the short geodesic": (("injectivity_radius", "short_geodesic_real_part"),),
    "adjoint and plain torsion degree": (("hyperbolic_adjoint_torsion_degree", "hyperbolic_torsion_degree"),),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Five folds from the three translations, the first from all columns; relations with one seed."""
    seed = (seeds or (0,))[0]
    key = {"seed": seed, "quick": quick}
    jobs = []
    for columns, folds in (("translations", 1),) if quick else (("translations", FOLDS), ("all", 1)):
        for fold in range(folds):
            own = {**key, "part": "formula", "columns": columns, "fold": fold, "ahead": SIGNIFICANT_Z}
            jobs.append(Job(f"formula, {columns}, fold {fold + 1}", own, partial(_formula, columns, fold, seed, quick)))
    own = {**key, "part": "relations", "asked": list(TOGETHER)}
    jobs.append(Job("relations", own, partial(_relations, seed, quick)))
    return summary(run_jobs(jobs, store, progress, _line))


def _formula(columns: str, fold: int, seed: int, quick: bool, tell: Tell) -> dict:
    knots = load_knots()
    names = [SHORT.get(name, name.replace("Z/2 + Z/2", "Z2")) for name in knots.feature_names]
    table = Table(knots.X, knots.y, "classification", knots.group)
    train, test = list(table.folds(FOLDS, seed))[fold]
    train = train[:QUICK_ROWS] if quick else train
    places = [knots.feature_names.index(name) for name in SLOPE_COLUMNS]
    used = places if columns == "translations" else list(range(knots.X.shape[1]))
    x, y = knots.X[:, used], knots.y.astype(float)
    limit = QUICK_SECONDS if quick else SECONDS
    front = find_formula(x[train], y[train], names=[names[i] for i in used], time_limit=limit, seed=seed)
    best = front.best.formula
    slope = natural_slope(knots.X[:, places])
    return {
        "formula": best.text(6),
        "symbols": best.complexity,
        "used": [names[used[i]] for i in used_variables(best.expression)],
        "accuracy": _accuracy(best(x), y, train, test),
        "slope_rule": _accuracy(slope, y, train, test),
        "said": list(front.messages),
    }


def _accuracy(values: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float | None:
    """Share of test rows where the line through the values, rounded to even, is right."""
    if not np.isfinite(values).all():
        return None
    line = np.stack([values, np.ones_like(values)], 1)
    found = np.linalg.lstsq(line[train], y[train], rcond=None)[0]
    return float(np.mean(2 * np.round(line[test] @ found / 2) == y[test]))


def _relations(seed: int, quick: bool, tell: Tell) -> dict:
    knots = load_knots()
    names = [*knots.feature_names, "signature"]
    x = np.column_stack([knots.X, knots.y])[: QUICK_ROWS if quick else None]
    networks, steps = (2, 20) if quick else (NETWORKS, STEPS)
    result = relations(x, names=names, seeds=networks, steps=steps, seed=seed)
    found = [
        {
            "columns": [names[i] for i in one.inputs],
            "looseness": one.looseness,
            "z": one.z,
            "p": one.p_value,
            "networks": one.networks,
            "found_by": one.seeds,
            "p_networks": one.p_seeds,
        }
        for one in result.relations
    ]
    together = bound_together(x, [names.index(name) for name in TOGETHER], seed=seed)
    column = dict(zip(names, x.T, strict=True))
    volume, longitude = column["cusp_volume"], column["longitudinal_translation"]
    return {
        "relations": found,
        "tests": result.tests,
        "together": None if together is None else {"looseness": together.looseness, "z": together.z},
        "volume_imag": _farthest(volume, longitude * column["meridinal_translation_imag"] / 2),
        "volume_real": _farthest(volume, longitude * column["meridinal_translation_real"] / 2),
        "geodesic": _farthest(column["injectivity_radius"], column["short_geodesic_real_part"] / 2),
    }


def _farthest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the larger deviation."""
    return float(np.abs(a - b).max() / a.std())


def _line(row: dict) -> str:
    if row["part"] == "relations":
        return f"relations: {len(row['relations'])} found in {row['tests']:,} tests, {row['seconds']:.1f} s"
    return (
        f"{row['columns']}, fold {row['fold'] + 1}: {_percent(row['accuracy'])} with {row['formula']} "
        f"(slope rule {_percent(row['slope_rule'])}), {row['seconds']:.1f} s"
    )


def summary(rows: list[dict]) -> Outcome:
    """The formulas beside the slope rule; the relations, and those that were asked for."""
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
    sentences = [_compared([row for row in formulas if row["columns"] == "translations"])]
    for row in rows:
        if row["part"] == "relations":
            tables.append(_table(row))
            sentences += _facts(row)
    listed = [row for row in rows if row["part"] == "relations" and row["relations"]]
    figures = {"looseness": partial(_draw, listed[-1])} if listed else {}
    return Outcome(tuple(tables), tuple(sentences), figures)


def _draw(row: dict):
    found = row["relations"]
    names = [_names(one["columns"]) for one in found]
    spans = [Span.of([max(one["looseness"], EXACT)]) for one in found]
    kinds = {
        "found by networks too": [span if one["found_by"] else None for one, span in zip(found, spans, strict=True)],
        "by subsets alone": [None if one["found_by"] else span for one, span in zip(found, spans, strict=True)],
    }
    kinds = {label: marks for label, marks in kinds.items() if any(marks)}
    return error_dots(names, kinds, xlabel="looseness: 1 for unrelated columns, 0 for an exact relation")


def _names(columns: list[str]) -> str:
    return ", ".join(SHORT.get(name, name) for name in columns)


def _compared(rows: list[dict]) -> str:
    ours, rule = ([row[name] or 0.0 for row in rows] for name in ("accuracy", "slope_rule"))
    return (
        f"From the three translations: {_percent(np.mean(ours))} in the mean of {len(rows)} folds, "
        f"the slope rule {_percent(np.mean(rule))}."
    )


def _table(row: dict) -> ResultTable:
    lines = tuple(
        (
            _names(one["columns"]),
            scientific(one["looseness"]),
            f"{one['z']:.0f}",
            _chance(one["p"]),
            f"{one['found_by']}/{one['networks']}",
            _chance(one["p_networks"]),
        )
        for one in row["relations"]
    )
    return ResultTable(("columns", "looseness", "z", "p", "networks", "p of these"), lines, "Relations, unsupervised")


def _facts(row: dict) -> list[str]:
    found = {frozenset(one["columns"]): one for one in row["relations"]}
    said = [_signature(row)]
    for what, subsets in ASKED.items():
        own = [found[frozenset(subset)] for subset in subsets if frozenset(subset) in found]
        said.append(f"{what}: " + (f"found, p {_chance(own[0]['p'], '= ')}." if own else "not found."))
    imag, real, geodesic = (scientific(row[name]) for name in ("volume_imag", "volume_real", "geodesic"))
    said.append(
        f"Largest difference, in deviations: cusp volume and lambda mu_im / 2 {imag}, with mu_re in the place of mu_im "
        f"{real} (the KAN paper's group (ii) names mu_re: its source had the labels swapped); injectivity radius and "
        f"half the short geodesic {geodesic}."
    )
    return said


def _signature(row: dict) -> str:
    """Which found relations bind the signature to the cusp translations, and how tight a sum of all four is."""
    own = [one for one in row["relations"] if "signature" in one["columns"] and set(one["columns"]) <= set(TOGETHER)]
    if not own:
        return "signature with the cusp translations: not found."
    listed = "; ".join(f"{_names(one['columns'])} (looseness {one['looseness']:.2g}, z {one['z']:.0f})" for one in own)
    said = f"signature with the cusp translations: found as {listed}."
    if row.get("together"):
        whole = row["together"]
        part = "a part" if whole["looseness"] > own[0]["looseness"] else "no part"
        said += (
            f" A sum of functions of all four has looseness {whole['looseness']:.2g}, z {whole['z']:.0f}, "
            f"asked for by itself; {part} of it is tighter."
        )
    return said


def _chance(p: float, equal: str = "") -> str:
    """A probability; the smallest are below what a float holds."""
    return f"{equal}{p:.1e}" if p > 0 else "< 1e-300"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
