"""The knot signature from geometry: accuracy against parameters for KANs, MLPs, formulas and rules, on 313,209 knots.

One split by `group` for all: mutants are never on both sides; accuracy is the share of test rows whose signature is
right. Shapes, rates and steps are chosen on validation rows, for KANs and MLPs in the same way. Three seeds of rows'
order and weights. The table of the repository is read where it lies, and DeepMind's CSV beside it where a user has it
(a random split, for it has no groups); without either the experiment says so. A quick run takes the packaged sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from edgewise_experiments.knots import knot_relations, knot_summary
from edgewise_experiments.knots.knot_baselines import ROUNDS, baseline
from edgewise_experiments.knots.knot_formulas import PAPER_FORMULAS, bound, half_slope, paper_formula, slope_line
from edgewise_experiments.knots.knot_models import QUICK, Effort, Plan, our_plans, stated_plans, train
from edgewise_experiments.knots.knot_table import DEEPMIND, SAMPLE, WHOLE, KnotSplit, find_table, read_knots
from edgewise_experiments.runner.jobs import Job, Progress, run_jobs
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome
from edgewise_experiments.runner.store import Store

ALSO = ("knot-relations",)
PARTS = ("rule", "formula", "bound", "baseline", "network")
OPENING = (
    "Accuracy on test rows in per cent, the mean of the seeds with half the width of its 95 % interval, for test "
    "groups and seeds drawn anew. Nodes n+mx: n sums and m products of two sums. Parameters: all trainable numbers, "
    "thresholds included; in KANs with thresholds, which have no base functions, a spline of n coefficients counts "
    "n - 1 and the sum that it enters 1, for the constants of edges into one sum are one number. Within a size: the "
    "network of either kind with the best validation accuracy among those with no more parameters."
)
RULES: dict[str, Callable[[KnotSplit], dict]] = {"slope / 2": half_slope, "line through the slope": slope_line}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds unless told otherwise, all models of the first before the second."""
    tables = (SAMPLE,) if quick else (WHOLE, *([DEEPMIND] if find_table(DEEPMIND) is not None else []))
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    rows = run_jobs([job for table in tables for job in jobs(table, seeds, quick=quick)], store, progress, line)
    return summary([*rows, *store.beside(*ALSO)])


def jobs(table: str, seeds: Sequence[int], *, quick: bool) -> list[Job]:
    """What is measured on one table."""
    effort = QUICK if quick else Effort()
    first = {"table": table, "quick": quick}
    split = cache(lambda: KnotSplit.of(read_knots(table)))
    made = []
    for name, rule in RULES.items():
        made.append(Job(name, {**first, "part": "rule", "model": name}, lambda tell, rule=rule: rule(split())))
    for name in PAPER_FORMULAS:
        key = {**first, "part": "formula", "model": name}
        made.append(Job(f"formula {name}", key, lambda tell, name=name: paper_formula(split(), name)))
    made.append(Job("bound", {**first, "part": "bound"}, lambda tell: bound(split())))

    def judged(name: str, inputs: str, seed: int) -> Job:
        key = {**first, "part": "baseline", "model": name, "inputs": inputs, "seed": seed}
        return Job(f"{name}, {inputs} inputs", key, lambda tell: baseline(name, inputs, split(), seed, effort, tell))

    def trained(plan: Plan, seed: int) -> Job:
        key = {**first, "part": "network", **plan.key(), "seed": seed}
        return Job(f"{plan}, seed {seed}", key, lambda tell: train(plan, split(), seed, effort, tell))

    ours, stated = our_plans(), stated_plans()
    if quick:
        ours, stated = ours[2:4], stated[:1]
    made += [judged("logistic", inputs, seeds[0]) for inputs in ("17", "3")]
    for number, seed in enumerate(seeds):
        made += [trained(plan, seed) for plan in ours]
        made += [trained(plan, seed) for plan in stated]
        if number == 0:
            made += [judged(name, inputs, seed) for inputs in ("17", "3") for name in ROUNDS]
    return made


def summary(rows: list[dict]) -> Outcome:
    """Tables by the number of inputs, formulas, and what to know of them; errors against parameters as a figure."""
    mine = [row for row in rows if "table" in row and row.get("part") in PARTS]
    if not mine:
        return NO_ROWS
    tables, sentences, figures = [], [], {}
    for name in dict.fromkeys(row["table"] for row in mine):
        part = [row for row in mine if row["table"] == name]
        found = knot_summary.models(part)
        title = "" if name == WHOLE else f", {name}"
        for inputs in ("17", "3"):
            own = [model for model in found if model.inputs in (inputs, f"9 of {inputs}")]
            tables.append(knot_summary.sizes(own, f"{inputs} inputs, by size{title}"))
            tables.append(knot_summary.everything(own, f"{inputs} inputs{title}"))
            sentences += knot_summary.who_is_ahead(own, inputs)
        tables.append(knot_summary.formulas([row for row in part if row["part"] == "formula"], f"Formulas{title}"))
        sentences += knot_summary.stated(found) + knot_summary.read(part, found)
        measured, planned = sum(model.plan is not None for model in found), len(our_plans() + stated_plans())
        if measured < planned:
            sentences.append(
                f"So far {measured} of {planned} networks are measured; the command goes on with the others."
            )
        figures["accuracy" if name == WHOLE else f"accuracy-{name.split('.')[0]}"] = partial(_draw, found)
    return Outcome(tuple(table for table in tables if table.rows), (OPENING, *sentences, *_relations(rows)), figures)


def _relations(rows: list[dict]) -> list[str]:
    """What was read from the packaged sample: the formula for the signature, and relations without a target."""
    read = [row for row in rows if row.get("part") == "relations" or row.get("columns") in ("translations", "all")]
    return list(knot_relations.summary(read).sentences) if read else []


def _draw(found: Sequence[knot_summary.Model]):
    from edgewise.plot import error_curves

    groups = {f"{inputs} inputs": knot_summary.curves(found, inputs) for inputs in ("17", "3")}
    shown = {title: curves for title, curves in groups.items() if curves}
    return error_curves(shown, xlabel="parameters", ylabel="wrong, %")


def line(row: dict) -> str:
    """A stored row for people."""
    if row["part"] == "bound":
        return f"bound: c = {row['constant']:.4f}"
    label = knot_summary.Model([row]).label
    accuracy = "no accuracy" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} %"
    inputs = row.get("inputs", "3")
    return f"{label}, {inputs} inputs: {accuracy}, {row['parameters']:,} parameters, {row['seconds']:.0f} s"
