"""Result tables and the figure of the knot experiment, from its stored rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, variance
from typing import TYPE_CHECKING

from edgewise_experiments.knots.networks import Plan, our_plans, stated_plans
from edgewise_experiments.knots.signature_rules import PAPER_FORMULAS
from edgewise_experiments.runner import Figure, ResultTable, repeats, working_seconds

if TYPE_CHECKING:
    from edgewise_experiments.plots.errors import Curve

SIZES = (60, 120, 200, 400, 800, 1600, 5000)  # limits of the number of parameters in the tables by size
CONFIDENCE = 1.96  # standard errors on either side: a 95 % interval of a normal distribution
SHOWN_INPUTS = 4  # of the attribution: the inputs with the largest shares
KINDS = ("KAN", "MLP")
CURVES = {  # label in the figure: kind and head of the networks
    "KAN, ordered": ("KAN", "ordinal"),
    "MLP, ordered": ("MLP", "ordinal"),
    "KAN of the paper": ("KAN", "softmax"),
    "MLPs of others": ("MLP", "softmax"),
}


@dataclass(frozen=True, eq=False)
class Model:
    """The rows of one network, baseline or rule, one for each seed."""

    rows: Sequence[dict]

    @property
    def first(self) -> dict:
        """The first seed's row."""
        return self.rows[0]

    @property
    def inputs(self) -> str:
        """The inputs, as a key of `INPUTS`; the rules take the three translations."""
        return self.first.get("inputs", "3")

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return self.first["parameters"]

    @cached_property
    def plan(self) -> Plan | None:
        """The plan of a network, None for other models."""
        if self.first["part"] != "network":
            return None
        names = ("kind", "head", "inputs", "recipe")
        hidden = tuple(tuple(nodes) if isinstance(nodes, list) else nodes for nodes in self.first["hidden"])
        sizes = {"hidden": hidden, "grid": tuple(self.first.get("grid", ()))}
        rest = {name: self.first[name] for name in ("degree", "activation") if name in self.first}
        return Plan(**{name: self.first[name] for name in names}, **sizes, **rest)

    @property
    def is_ordinal(self) -> bool:
        """Whether this is a network with one output and thresholds."""
        return self.plan is not None and self.plan.head == "ordinal"

    @property
    def label(self) -> str:
        """The name of a model, or a short description of a network."""
        return self.first["model"] if self.plan is None else str(self.plan)

    @property
    def accuracy(self) -> float:
        """The mean test accuracy of the seeds."""
        return fmean(row["accuracy"] for row in self.rows)

    @property
    def validation(self) -> float:
        """The mean validation accuracy of the seeds."""
        return fmean(row["validation"] for row in self.rows)

    @property
    def half_width(self) -> float:
        """Half the width of the accuracy's 95 % interval; test groups are shared by all seeds, seeds are
        independent."""
        accuracies = [row["accuracy"] for row in self.rows]
        seeds = variance(accuracies) / len(accuracies) if len(accuracies) > 1 else 0.0
        return CONFIDENCE * math.sqrt(fmean(row["error"] ** 2 for row in self.rows) + seeds)

    @property
    def accuracy_text(self) -> str:
        """The accuracy in per cent with half the width of its interval."""
        return f"{100 * self.accuracy:.1f} ± {100 * self.half_width:.1f}"

    @property
    def stated(self) -> float | None:
        """The accuracy in per cent that the source of the network states, None without one."""
        if self.plan is None:
            return None
        return next((plan.stated for plan in stated_plans() if plan.key() == self.plan.key()), None)


def models_of(rows: Sequence[dict]) -> list[Model]:
    """Group the rows of networks, baselines and rules by model."""
    names = ("part", "model", "kind", "head", "inputs", "hidden", "grid", "degree", "activation", "recipe")
    scored = [row for row in rows if row["part"] in ("network", "baseline", "rule")]
    return [Model(seeds) for seeds in repeats(scored, *names)]


def best_within(models: Sequence[Model], kind: str, most: int) -> Model | None:
    """Return the ordinal network of a kind, of at most `most` parameters, with the best validation accuracy."""
    candidates = [
        model
        for model in models
        if model.plan and model.is_ordinal and model.plan.kind == kind and model.parameters <= most
    ]
    return max(candidates, key=lambda model: model.validation, default=None)


def pairs_by_size(models: Sequence[Model]) -> list[tuple[int, Model, Model]]:
    """List (limit, KAN, MLP) for the limits between which and the limit below both kinds have a network."""
    pairs = []
    for below, limit in zip((0, *SIZES), SIZES, strict=False):
        between = [m.plan.kind for m in models if m.plan and m.is_ordinal and below < m.parameters <= limit]
        kan, mlp = (best_within(models, kind, limit) for kind in KINDS)
        if kan and mlp and set(KINDS) <= set(between):
            pairs.append((limit, kan, mlp))
    return pairs


def size_table(models: Sequence[Model], title: str) -> ResultTable:
    """Compare the best KAN and the best MLP of each size."""
    columns = (
        "parameters up to",
        *(f"{kind}{quantity}" for kind in KINDS for quantity in ("", " parameters", " accuracy")),
        "gap",
    )
    lines = []
    for limit, kan, mlp in pairs_by_size(models):
        cells = [cell for model in (kan, mlp) for cell in (model.label, f"{model.parameters:,}", model.accuracy_text)]
        lines.append((f"{limit:,}", *cells, f"{100 * (kan.accuracy - mlp.accuracy):+.1f}"))
    return ResultTable(columns, tuple(lines), title)


def model_table(models: Sequence[Model], title: str) -> ResultTable:
    """List all models, the most accurate first."""
    lines = []
    for model in sorted(models, key=lambda model: -model.accuracy):
        stated = "-" if model.stated is None else f"{model.stated:.1f}"
        seconds = fmean(map(working_seconds, model.rows))
        head = "thresholds" if model.is_ordinal else "-"
        cells = (head, f"{model.parameters:,}", model.accuracy_text, str(len(model.rows)), stated, f"{seconds:.0f}")
        lines.append((model.label, *cells))
    columns = ("model", "head", "parameters", "accuracy", "seeds", "its source", "seconds")
    return ResultTable(columns, tuple(lines), title)


def formula_table(rows: Sequence[dict], title: str) -> ResultTable:
    """List the paper's formulas with the accuracy that the paper states and the one measured here."""
    lines = []
    for row in rows:
        formula = PAPER_FORMULAS[row["model"]]
        measured = "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f}"
        lines.append((f"{row['model']}: {formula.text}", f"{formula.paper:.1f}", measured, row["reading"]))
    return ResultTable(("formula", "paper", "here", "its columns"), tuple(lines), title)


def attribution_table(models: Sequence[Model], title: str) -> ResultTable:
    """List the inputs with the largest shares of the scores, for the KANs that see all 17 inputs."""
    lines = []
    for model in models:
        if model.plan and model.plan.kind == "KAN" and model.inputs == "17":
            scores = {name: fmean(row["scores"][name] for row in model.rows) for name in model.first["scores"]}
            largest = sorted(scores, key=lambda name: scores[name], reverse=True)[:SHOWN_INPUTS]
            lines += [(model.label, name, f"{100 * scores[name] / sum(scores.values()):.0f} %") for name in largest]
    return ResultTable(("model", "input", "share of all inputs"), tuple(lines), title)


def main_numbers(models: Sequence[Model], rows: Sequence[dict]) -> dict[str, str]:
    """Collect the key figures: KANs against MLPs by size, the paper's comparison, and the bound."""
    numbers = {}
    for inputs in ("17", "3"):
        here = [model for model in models if model.inputs in (inputs, f"9 of {inputs}")]
        pairs = pairs_by_size(here)
        if not pairs:
            continue
        gaps = [100 * (kan.accuracy - mlp.accuracy) for _, kan, mlp in pairs]
        behind = [f"{limit:,}" for (limit, _, _), gap in zip(pairs, gaps, strict=True) if gap < 0]
        best = max(here, key=lambda model: model.accuracy)
        best_kan = max((kan for _, kan, _ in pairs), key=lambda model: model.validation)
        numbers[f"{inputs} inputs: sizes with the KAN at or above the MLP"] = (
            f"{len(pairs) - len(behind)} of {len(pairs)}"
        )
        numbers[f"{inputs} inputs: sizes with the MLP ahead, parameters up to"] = ", ".join(behind) or "none"
        numbers[f"{inputs} inputs: gap of KAN to MLP in points"] = f"{min(gaps):+.1f} to {max(gaps):+.1f}"
        numbers[f"{inputs} inputs: best KAN"] = f"{best_kan.accuracy_text} %"
        numbers[f"{inputs} inputs: best of all models"] = f"{best.label}, {best.accuracy_text} %"
    networks = [model for model in models if model.plan]
    compared = {
        "KAN [17,1,14] of the paper": [
            m for m in networks if m.plan and (m.plan.kind, m.plan.head, m.inputs) == ("KAN", "softmax", "17")
        ],
        "DeepMind's MLP by its recipe": [m for m in networks if m.plan and m.plan.recipe == "DeepMind"],
        "logistic regression, 17 inputs": [m for m in models if (m.label, m.inputs) == ("logistic", "17")],
        "line through the slope": [m for m in models if (m.label, m.inputs) == ("line through the slope", "3")],
    }
    for quantity, candidates in compared.items():
        for model in candidates[:1]:
            stated = "" if model.stated is None else f" (the source: {model.stated:.1f} %)"
            numbers[quantity] = f"{model.accuracy_text} %{stated}"
    for row in rows:
        if row["part"] == "bound":
            numbers["c of the bound"] = f"{row['constant']:.3f}"
            numbers["knots that satisfy the bound"] = f"{row['knots']:,}"
            numbers["correlation of slope and signature"] = f"{row['correlation']:.4f}"
    numbers["networks measured"] = f"{len(networks)} of {len(our_plans() + stated_plans())}"
    return numbers


def accuracy_curves(models: Sequence[Model], inputs: str) -> list[Curve]:
    """Return the figure's curves: the share of wrong predictions in per cent against the number of parameters."""
    from edgewise_experiments.plots.errors import Curve

    here = [model for model in models if model.inputs in (inputs, f"9 of {inputs}")]
    groups = {
        label: sorted(
            (model.parameters, 100 * (1 - model.accuracy))
            for model in here
            if model.plan and (model.plan.kind, model.plan.head) == network
        )
        for label, network in CURVES.items()
    }
    for name in ("logistic", "boosting"):
        groups[name] = [(model.parameters, 100 * (1 - model.accuracy)) for model in here if model.label == name]
    return [Curve(label, *zip(*points, strict=True)) for label, points in groups.items() if points]


def draw_accuracy(models: Sequence[Model]) -> Figure:
    """Draw wrong predictions against the number of parameters, a panel for each number of inputs."""
    from edgewise_experiments.plots.errors import error_curves

    panels = {f"{inputs} inputs": accuracy_curves(models, inputs) for inputs in ("17", "3")}
    shown = {title: curves for title, curves in panels.items() if curves}
    return error_curves(shown, xlabel="parameters", ylabel="wrong, %")
