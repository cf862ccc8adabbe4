"""What the rows of the knot experiment say: repeats taken together, tables, sentences and the figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgewise_experiments.knots.knot_formulas import PAPER_FORMULAS
from edgewise_experiments.knots.knot_models import Plan, stated_plans
from edgewise_experiments.runner.jobs import repeats
from edgewise_experiments.runner.outcome import ResultTable

BUDGETS = (60, 120, 200, 400, 800, 1600, 5000)  # parameters
CONFIDENT = 1.96  # deviations: 95 %
KINDS = ("KAN", "MLP")
CURVES = {  # label in the figure: what it shows
    "KAN, ordered": ("KAN", "ordinal"),
    "MLP, ordered": ("MLP", "ordinal"),
    "KAN of the paper": ("KAN", "softmax"),
    "MLPs of others": ("MLP", "softmax"),
}


@dataclass(frozen=True, eq=False)
class Model:
    """The rows of one network or rule over its seeds."""

    rows: Sequence[dict]

    @property
    def first(self) -> dict:
        return self.rows[0]

    @property
    def inputs(self) -> str:
        return self.first.get("inputs", "3")  # the rules take the three translations

    @property
    def parameters(self) -> int:
        return self.first["parameters"]

    @cached_property
    def plan(self) -> Plan | None:
        """Of a network."""
        if self.first["part"] != "network":
            return None
        names = ("kind", "head", "inputs", "recipe")
        hidden = tuple(tuple(nodes) if isinstance(nodes, list) else nodes for nodes in self.first["hidden"])
        sizes = {"hidden": hidden, "grid": tuple(self.first.get("grid", ()))}
        rest = {name: self.first[name] for name in ("degree", "activation") if name in self.first}
        return Plan(**{name: self.first[name] for name in names}, **sizes, **rest)

    @property
    def label(self) -> str:
        return self.first["model"] if self.plan is None else str(self.plan)

    @property
    def accuracy(self) -> float:
        return float(np.mean([row["accuracy"] for row in self.rows]))

    @property
    def validation(self) -> float:
        return float(np.mean([row["validation"] for row in self.rows]))

    @property
    def half_width(self) -> float:
        """Of the 95 % interval: test groups are drawn once for all seeds, seeds anew."""
        seeds = np.var([row["accuracy"] for row in self.rows], ddof=1) / len(self.rows) if len(self.rows) > 1 else 0.0
        return CONFIDENT * math.sqrt(np.mean([row["error"] ** 2 for row in self.rows]) + seeds)

    @property
    def said(self) -> str:
        return f"{100 * self.accuracy:.1f} ± {100 * self.half_width:.1f}"

    @property
    def stated(self) -> float | None:
        """What its source has."""
        known = [plan for plan in stated_plans() if self.plan is not None and plan.key() == self.plan.key()]
        return known[0].stated if known else None


def models(rows: Sequence[dict]) -> list[Model]:
    """Networks, baselines and rules, each with its seeds."""
    names = ("part", "model", "kind", "head", "inputs", "hidden", "grid", "degree", "activation", "recipe")
    judged = [row for row in rows if row["part"] in ("network", "baseline", "rule")]
    return [Model(each) for each in repeats(judged, *names)]


def best_within(found: Sequence[Model], kind: str, budget: int) -> Model | None:
    """The network with one output of a kind that is best on validation rows among those of at most that size."""
    fitting = [
        model
        for model in found
        if model.plan and (model.plan.kind, model.plan.head) == (kind, "ordinal") and model.parameters <= budget
    ]
    return max(fitting, key=lambda model: model.validation, default=None)


def pairs(found: Sequence[Model]) -> list[tuple[int, Model, Model]]:
    """(budget, KAN, MLP) for the sizes in which both kinds have a network too large for the size below."""
    made = []
    for least, budget in zip((0, *BUDGETS), BUDGETS, strict=False):
        pair = [best_within(found, kind, budget) for kind in KINDS]
        ordinal = [m for m in found if m.plan and m.plan.head == "ordinal" and least < m.parameters <= budget]
        own = [any(model.plan.kind == kind for model in ordinal) for kind in KINDS]
        if all(own):
            made.append((budget, *pair))
    return made


def sizes(found: Sequence[Model], title: str) -> ResultTable:
    """KAN and MLP beside each other, size by size."""
    columns = (
        "parameters up to",
        *(f"{kind}{head}" for kind in KINDS for head in ("", " parameters", " accuracy")),
        "gap",
    )
    lines = []
    for budget, *pair in pairs(found):
        cells = [cell for model in pair for cell in (model.label, f"{model.parameters:,}", model.said)]
        lines.append((f"{budget:,}", *cells, f"{100 * (pair[0].accuracy - pair[1].accuracy):+.1f}"))
    return ResultTable(columns, tuple(lines), title)


def everything(found: Sequence[Model], title: str) -> ResultTable:
    """All models, the best first."""
    lines = []
    for model in sorted(found, key=lambda model: -model.accuracy):
        stated = "-" if model.stated is None else f"{model.stated:.1f}"
        seconds = float(np.mean([min(row["seconds"], row["cpu_seconds"]) for row in model.rows]))
        head = "thresholds" if model.plan and model.plan.head == "ordinal" else "-"
        cells = (head, f"{model.parameters:,}", model.said, str(len(model.rows)), stated, f"{seconds:.0f}")
        lines.append((model.label, *cells))
    return ResultTable(
        ("model", "head", "parameters", "accuracy", "seeds", "its source", "seconds"), tuple(lines), title
    )


def formulas(rows: Sequence[dict], title: str) -> ResultTable:
    """The paper's formulas."""
    lines = []
    for row in rows:
        formula = PAPER_FORMULAS[row["model"]]
        value = "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f}"
        lines.append((f"{row['model']}: {formula.text}", f"{formula.paper:.1f}", value, row["reading"]))
    return ResultTable(("formula", "paper", "here", "its columns"), tuple(lines), title)


def who_is_ahead(found: Sequence[Model], inputs: str) -> list[str]:
    """In how many sizes the KAN is ahead, and what is best of all."""
    compared = pairs(found)
    if not compared:
        return []
    gaps = [100 * (kan.accuracy - mlp.accuracy) for _, kan, mlp in compared]
    behind = [f"{budget:,}" for (budget, _, _), gap in zip(compared, gaps, strict=True) if gap < 0]
    top = max(found, key=lambda model: model.accuracy)
    kan = max((kan for _, kan, _ in compared), key=lambda model: model.validation)
    said = f"the MLP is ahead up to {', '.join(behind)} parameters" if behind else "the MLP is ahead nowhere"
    return [
        f"{inputs} inputs: the KAN is at or above the MLP in {len(compared) - len(behind)} of {len(compared)} sizes, "
        f"{said} (gap from {min(gaps):+.1f} to {max(gaps):+.1f} points); the best KAN has {kan.said} %, "
        f"the best of all, {top.label}, {top.said} %."
    ]


def stated(found: Sequence[Model]) -> list[str]:
    """The paper's comparison as stated, and what stands beside it."""
    by_label = {(model.label, model.inputs): model for model in found}
    kan = next((m for m in found if m.plan and (m.plan.kind, m.plan.head, m.inputs) == ("KAN", "softmax", "17")), None)
    deepmind = next((m for m in found if m.plan and m.plan.recipe == "DeepMind"), None)
    linear, line = by_label.get(("logistic", "17")), by_label.get(("line through the slope", "3"))
    if kan is None:
        return []
    said = f"The paper: KAN [17,1,14] with 81.6 % against 78.0 % of DeepMind's MLP. Here: KAN {kan.said} %"
    said += f", DeepMind's MLP by its recipe {deepmind.said} %" if deepmind else ""
    beside = [f"{model.label} {model.said} %" for model in (linear, line) if model is not None]
    return [said + (f"; but {' and '.join(beside)}, so neither says much for a network." if beside else ".")]


def read(rows: Sequence[dict], found: Sequence[Model]) -> list[str]:
    """What the networks and the bound tell about knots."""
    said = []
    for model in found:
        if model.plan and model.plan.kind == "KAN" and model.inputs == "17":
            scores = {name: np.mean([row["scores"][name] for row in model.rows]) for name in model.first["scores"]}
            total = sum(scores.values())
            top = sorted(scores, key=scores.get, reverse=True)[:4]
            shares = ", ".join(f"{name} {100 * scores[name] / total:.0f} %" for name in top)
            said.append(f"Attribution in {model.label}, shares of all inputs: {shares}.")
    for row in rows:
        if row["part"] == "bound":
            said.append(
                f"|2 signature - slope| <= c volume / injectivity_radius^3 holds for all {row['knots']:,} knots with "
                f"c = {row['constant']:.3f}; correlation of slope and signature {row['correlation']:.4f}."
            )
    return said


def curves(found: Sequence[Model], inputs: str):
    """Of the figure: share of wrong answers in per cent against parameters."""
    from edgewise.plot import Curve

    mine = [model for model in found if model.inputs in (inputs, f"9 of {inputs}")]
    drawn = []
    for label, (kind, head) in CURVES.items():
        points = sorted(
            (model.parameters, 100 * (1 - model.accuracy))
            for model in mine
            if model.plan and (model.plan.kind, model.plan.head) == (kind, head)
        )
        drawn += [Curve(label, *zip(*points, strict=True))] if points else []
    for name in ("logistic", "boosting"):
        points = [(m.parameters, 100 * (1 - m.accuracy)) for m in mine if m.label == name]
        drawn += [Curve(name, *zip(*points, strict=True))] if points else []
    return drawn
