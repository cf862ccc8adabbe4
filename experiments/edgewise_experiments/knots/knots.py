"""The knot signature from geometry: accuracy against parameters for KANs, MLPs, formulas and rules, on 313,209 knots.

One split by `group` serves all models, so that mutants are never in two parts; accuracy is the share of test rows whose
signature is predicted correctly. Shapes, learning rates and steps are chosen on validation rows, for KANs and MLPs in
the same way. Three seeds determine the order of the rows and the weights. A full run reads the complete table of a
clone and, where a user has put it beside that, DeepMind's CSV (with a random split, as it has no groups). A quick run
uses the packaged sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from edgewise.outcomes import ProgressCallback
from edgewise_experiments.knots import reporting
from edgewise_experiments.knots.baselines import ROUNDS, baseline
from edgewise_experiments.knots.networks import QUICK, Effort, Plan, our_plans, stated_plans, train
from edgewise_experiments.knots.signature_rules import PAPER_FORMULAS, bound, half_slope, paper_formula, slope_line
from edgewise_experiments.knots.table import DEEPMIND, SAMPLE, WHOLE, KnotSplit, find_table, read_knots
from edgewise_experiments.runner import NO_ROWS, Job, Outcome, ResultTable, RowCallback, Store, key_figures, run_jobs

PARTS = ("rule", "formula", "bound", "baseline", "network")
NOTES = (
    "Accuracy is the share of test rows whose signature is predicted correctly, in per cent: the mean of the seeds "
    "with half the width of its 95 % confidence interval, for test groups and seeds drawn anew. Nodes n+mx stand for "
    "n sums and m products of two sums. Parameters are all trainable numbers, thresholds included; KANs with "
    "thresholds have no base functions, and there a spline of n coefficients counts n - 1 and the sum that it enters "
    "counts 1, because the constants of edges into one sum are one number. The tables by size show, for both kinds, "
    "the network with the best validation accuracy among those with at most that many parameters.",
    "Attribution is the share of an input in the scores of all inputs of the KAN that sees all 17. The bound is the "
    "smallest c with `|2 signature - slope| <= c volume / injectivity_radius^3` for every knot of the table; it is "
    "proven that such a constant exists. Logistic regression on the same inputs and a straight line through the slope "
    "show how much of the accuracy does not need a network.",
)
RULES: dict[str, Callable[[KnotSplit], dict]] = {"slope / 2": half_slope, "line through the slope": slope_line}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure all models with three seeds by default, all models of one seed before those of the next."""
    tables = (SAMPLE,) if quick else (WHOLE, *([DEEPMIND] if find_table(DEEPMIND) is not None else []))
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    return summary(run_jobs([job for table in tables for job in jobs(table, seeds, quick=quick)], store, progress))


def jobs(table: str, seeds: Sequence[int], *, quick: bool) -> list[Job]:
    """List the measurements on one table."""
    effort = QUICK if quick else Effort()
    shared = {"table": table, "quick": quick}
    split = cache(lambda: KnotSplit.of(read_knots(table)))

    def scored(label: str, part: str, model: dict, score: Callable[[KnotSplit], dict]) -> Job:
        return Job(label, {**shared, "part": part, **model}, lambda report: score(split()))

    def compared(name: str, inputs: str, seed: int) -> Job:
        key = {**shared, "part": "baseline", "model": name, "inputs": inputs, "seed": seed}

        def work(report: ProgressCallback) -> dict:
            return dict(baseline(name, inputs, split(), seed, effort, report))

        return Job(f"{name}, {inputs} inputs", key, work)

    def trained(plan: Plan, seed: int) -> Job:
        key = {**shared, "part": "network", **plan.key(), "seed": seed}
        return Job(f"{plan}, seed {seed}", key, lambda report: train(plan, split(), seed, effort, report))

    ours, stated = our_plans(), stated_plans()
    if quick:
        ours, stated = ours[2:4], stated[:1]
    listed = [scored(name, "rule", {"model": name}, rule) for name, rule in RULES.items()]
    listed += [
        scored(f"formula {name}", "formula", {"model": name}, partial(paper_formula, name=name))
        for name in PAPER_FORMULAS
    ]
    listed += [scored("bound", "bound", {}, bound)]
    listed += [compared("logistic", inputs, seeds[0]) for inputs in ("17", "3")]
    for number, seed in enumerate(seeds):
        listed += [trained(plan, seed) for plan in (*ours, *stated)]
        if number == 0:
            listed += [compared(name, inputs, seed) for inputs in ("17", "3") for name in ROUNDS]
    return listed


def summary(rows: list[dict]) -> Outcome:
    """Show key figures, models by size and by accuracy, formulas and attribution; errors by parameters as a figure."""
    own_rows = [row for row in rows if "table" in row and row.get("part") in PARTS]
    if not own_rows:
        return NO_ROWS
    tables: list[ResultTable] = []
    figures = {}
    for name in dict.fromkeys(row["table"] for row in own_rows):
        table_rows = [row for row in own_rows if row["table"] == name]
        models = reporting.models_of(table_rows)
        suffix = "" if name == WHOLE else f", {name}"
        if not tables:
            tables.append(key_figures(reporting.main_numbers(models, table_rows)))
        for inputs in ("17", "3"):
            models_here = [model for model in models if model.inputs in (inputs, f"9 of {inputs}")]
            tables.append(reporting.size_table(models_here, f"{inputs} inputs, by size{suffix}"))
            tables.append(reporting.model_table(models_here, f"{inputs} inputs{suffix}"))
        formulas = [row for row in table_rows if row["part"] == "formula"]
        tables.append(reporting.formula_table(formulas, f"Formulas{suffix}"))
        tables.append(reporting.attribution_table(models, f"Attribution{suffix}"))
        figure = "accuracy" if name == WHOLE else f"accuracy-{name.split('.')[0]}"
        figures[figure] = partial(reporting.draw_accuracy, models)
    return Outcome(tuple(table for table in tables if table.rows), NOTES, figures)
