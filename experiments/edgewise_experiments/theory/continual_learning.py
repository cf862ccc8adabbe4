"""Continual learning: KANs and tuned MLPs trained on peaks one after another, in one, two and five dimensions.

In one dimension as in the KAN paper (arXiv 2404.19756, section 3.4): five peaks, 100 samples each, KAN [1, 1] with 200
intervals, no base function, 100 steps of L-BFGS a peak. In two and five dimensions five bumps, each with the samples
that lie nearest to it; later work says that KANs forget there. Every model sees one group of samples at a time.

Several shapes and methods are tried. In two dimensions a KAN may be the products of the splines of both inputs, which
are local as the splines of one input are. Models may also remember: `edgewise.train.remembering` keeps the loss of
earlier groups as a quadratic function of the parameters. It is exact where only the last layer is learned, or where
there is only one. The table shows of each kind the model that ends with the lowest error on all groups, with and
without memory, and the one that learns each group best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.train import LBFGS, Adam, LevenbergMarquardt, Penalty, adapt_domain_
from edgewise.train.remembering import remember
from edgewise_experiments.runner import (
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    require_complete,
    run_jobs,
    scientific,
    times,
    worst,
)

PAPER_PHASE = 4.0e-6  # RMSE of each phase in the paper's section 3.4 (one dimension)
STEPS = 100  # of L-BFGS or Levenberg-Marquardt a group, the paper's
ADAM_STEPS = 300
METHODS = {
    "L-BFGS": lambda: (LBFGS(), STEPS),
    "LM": lambda: (LevenbergMarquardt(), STEPS),
    "Adam 1e-2": lambda: (Adam(lr=1e-2), ADAM_STEPS),
    "Adam 1e-3": lambda: (Adam(lr=1e-3), ADAM_STEPS),
}
POINTS = 201  # points of the curves that are stored, in one dimension
NOTES = (
    "RMSE against the bumps, whose height is 1; median of the seeds. Of the models that were tried the table shows "
    "the one that keeps most (lowest error on all groups at the end) and the one that learns best (lowest error on "
    "each group right after it). Group 1, learned: its error right after it was learned; at the end: its error after "
    "the last group. All groups: the error on all groups at the end; at once: the best of the kind trained on all "
    "groups together. Spread: the standard deviation of the target, which is the error of a constant. Times: all "
    "groups over at once.",
    "Remembered: the loss of earlier groups is kept as a quadratic function of the parameters, without their samples. "
    "Last layer: the other layers keep their initial, random weights.",
    "Overlap: how much the groups act on the same parameters, as the cosine between the Gauss-Newton matrices of two "
    "groups, tr(AB) / sqrt(tr(AA) tr(BB)), on average over all pairs at the end; 0 where they act on different ones.",
    "In one dimension a KAN without hidden nodes keeps what it learned because each spline coefficient acts on a "
    "small interval only, and in two dimensions products of splines act on small rectangles. Hidden nodes see all "
    "groups: such networks forget unless they remember, and a memory is only as good as its quadratic function, which "
    "is exact for models that are linear in their parameters.",
)


@dataclass(frozen=True)
class Case:
    """Sum of bumps exp(-sharpness |x - c|^2) with centres c (groups, inputs), and the number of samples of a group."""

    centres: tuple[tuple[float, ...], ...]
    sharpness: float
    samples: int

    @property
    def inputs(self) -> int:
        return len(self.centres[0])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the values (N,) at x (N, inputs)."""
        return np.exp(-self.sharpness * self._distances(x)).sum(1)

    def groups(self, seed: int) -> list[np.ndarray]:
        """Return the samples of each group: those nearest to its centre; in one dimension the paper's grid."""
        count = len(self.centres)
        if self.inputs == 1:
            x = np.linspace(-1, 1, count * self.samples)[:, None]
        else:
            x = np.random.default_rng(seed).uniform(-1, 1, (8 * count * self.samples, self.inputs))
        nearest = self._distances(x).argmin(1)
        return [x[nearest == group][: self.samples] for group in range(count)]

    def _distances(self, x: np.ndarray) -> np.ndarray:
        return ((x[:, None, :] - np.array(self.centres)) ** 2).sum(2)


_FIVE = ((-0.5,) * 5, (0.5, 0.5, -0.5, 0.5, -0.5), (-0.5, 0.5, 0.5, -0.5, 0.5), (0.5, -0.5, 0.5, 0.5, 0.5), (0.0,) * 5)
CASES: Mapping[str, Case] = {
    "1-D": Case(((-0.8,), (-0.4,), (0.0,), (0.4,), (0.8,)), 300.0, 100),  # the paper's
    "2-D": Case(((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.0, 0.0)), 30.0, 200),
    "5-D": Case(_FIVE, 3.0, 200),
}


@dataclass(frozen=True)
class Plan:
    """A model and its method (a key of `METHODS`); `detail` is the KAN's grid size or the MLP's activation.

    `form` is "products" for products of the splines of all inputs, "last layer" where the other layers stay as they
    were drawn, "" otherwise.
    """

    kind: str
    hidden: tuple[int, ...]
    detail: int | str
    method: str
    form: str = ""
    remembers: bool = False

    def model(self, inputs: int, seed: int) -> nn.Module:
        width = [inputs, *self.hidden, 1]
        if self.kind == "MLP":
            return MLP(width, activation=self.detail, seed=seed, dtype=torch.float64)
        if self.form == "products":
            return nn.Sequential(TensorLayer([torch.linspace(-1, 1, self.detail + 1, dtype=torch.float64)] * inputs, 1))
        domain, settings = (-1.0, 1.0), {"base": "zero", "seed": seed, "dtype": torch.float64}
        model = KAN(width, self.detail, 3, domain=domain, **settings)
        if not self.hidden:  # as in the paper, the model is zero where it has not learned
            with torch.no_grad():
                model.layers[0].coef.zero_()
        return model

    def key(self) -> dict:
        """Return what identifies the plan in a stored row; rows from before there were forms lack them."""
        key = {"kind": self.kind, "hidden": list(self.hidden), "detail": self.detail, "method": self.method}
        return {**key, **({"form": self.form} if self.form else {}), **({"remembers": True} if self.remembers else {})}

    def __str__(self) -> str:
        nodes = "-".join(map(str, self.hidden)) or (
            "products of splines" if self.form == "products" else "no hidden nodes"
        )
        parts = [nodes, f"grid {self.detail}" if self.kind == "KAN" else str(self.detail)]
        parts += ["last layer"] if self.form == "last layer" else []
        return ", ".join([*parts, self.method, *(["remembered"] if self.remembers else [])])


def plans(case: str, *, quick: bool) -> list[Plan]:
    """Return the models to try; in one dimension the paper's KAN is the only KAN."""
    mlps = [
        Plan("MLP", (50,), activation, method)
        for activation in ("tanh", "relu")
        for method in METHODS
        if (activation, method) != ("relu", "LM")
    ]
    if case == "1-D":
        kans = [Plan("KAN", (), 200, "L-BFGS")]
    else:
        hidden = (((5,), 5), ((5,), 20), ((10,), 5))
        kans = [Plan("KAN", *each, method) for each in hidden for method in ("L-BFGS", "Adam 1e-3")]
        kans.append(Plan("KAN", (), 20, "L-BFGS"))
        kans += [Plan("KAN", *each, "LM", remembers=True) for each in hidden]
        kans += [Plan("KAN", (nodes,), grid, "LM", "last layer", remembers=True) for nodes, grid in ((60, 5), (100, 2))]
        mlps.append(Plan("MLP", (50,), "tanh", "LM", remembers=True))
        mlps.append(Plan("MLP", (480,), "tanh", "LM", "last layer", remembers=True))
    if case == "2-D":
        kans += [Plan("KAN", (), 20, method, "products") for method in ("L-BFGS", "Adam 1e-2")]
        kans.append(Plan("KAN", (), 20, "LM", "products", remembers=True))
    return [kans[0], mlps[0]] if quick else [*kans, *mlps]


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Train with three seeds (of samples and weights) by default, group after group and on all groups at once."""
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = []
    for seed in seeds:
        for name in CASES:
            for plan in plans(name, quick=quick):
                key = {"case": name, "seed": seed, **plan.key(), "quick": quick}
                jobs.append(Job(f"{name}, {plan.kind} {plan}", key, partial(measure, name, plan, seed, quick)))
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of the models that keep most and learn best, the key figures, and the figures."""
    rows = latest_rows(rows)
    lines, chosen, kept = [], {}, {}
    for case, kind in product(dict.fromkeys(row["case"] for row in rows), ("KAN", "MLP")):
        at_once = median(row["joint"] for row in best_rows(rows, case, kind, lambda row: row["joint"]))
        for choice, error in CHOICES.items():
            best = best_rows(rows, case, kind, error)
            if not best or best[0] in chosen.values():
                continue
            chosen[case, f"{kind}, {choice}"] = best[0]
            final = median(row["final"] for row in best)
            kept[case, kind, choice] = final
            ends = (median(row["errors"][phase][0] for row in best) for phase in (0, -1))
            cells = (scientific(value) for value in (*ends, final, at_once))
            ratio = times(final / at_once) if final and at_once else "-"
            model = (f"{kind}, {choice}", _plan_of(best[0]), f"{best[0]['parameters']:,}")
            spread = CASES[case](np.concatenate(CASES[case].groups(0))).std()
            overlap = median(row.get("overlap") for row in best)
            lines.append((case, *model, *cells, f"{spread:.2f}", ratio, "-" if overlap is None else f"{overlap:.2f}"))
    columns = ("case", "chosen", "model", "parameters", "group 1, learned", "at the end", "all groups", "at once")
    keeps_most = best_rows(rows, "1-D", "KAN", CHOICES["keeps most"])
    learned = [errors[phase] for row in keeps_most for phase, errors in enumerate(row["errors"])]
    figures = {
        "1-D: largest RMSE of a phase, KAN that keeps most": scientific(worst(learned)),
        "1-D: RMSE of each phase in the paper": scientific(PAPER_PHASE),
    }
    for case, (choice, words) in product(CASES, (("keeps most", ""), ("remembers", ", both remembering"))):
        kan, mlp = kept.get((case, "KAN", choice)), kept.get((case, "MLP", choice))
        if kan and mlp:
            figures[f"{case}: error of the MLP over that of the KAN, all groups{words}"] = times(mlp / kan)
    figures["seeds"] = str(len({row["seed"] for row in rows}))
    table = ResultTable((*columns, "spread", "times", "overlap"), tuple(lines))
    return Outcome((table, key_figures(figures)), NOTES, {"forgetting": partial(draw_forgetting, chosen)})


def latest_rows(rows: Sequence[dict]) -> list[dict]:
    """Return the latest row of each case, seed and plan; old rows have neither form nor memory."""
    return latest([{"form": "", "remembers": False, **row} for row in rows], "case", "seed", *PLAN)


def learning_error(row: dict) -> float | None:
    """Return the mean error of each group right after it was learned, by a model without memory."""
    if row["remembers"]:
        return None
    errors = [errors[group] for group, errors in enumerate(row["errors"])]
    return None if None in errors else sum(errors) / len(errors)


PLAN = ("kind", "hidden", "detail", "method", "form", "remembers")
CHOICES: Mapping[str, Callable[[dict], float | None]] = {
    "keeps most": lambda row: None if row["remembers"] else row["final"],
    "learns best": learning_error,
    "remembers": lambda row: row["final"] if row["remembers"] else None,
}


def best_rows(rows: Sequence[dict], case: str, kind: str, error: Callable[[dict], float | None]) -> list[dict]:
    """Return the rows, one for each seed, of the plan with the lowest median of `error`."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        if (row["case"], row["kind"]) == (case, kind):
            groups.setdefault((tuple(row["hidden"]), *(row[name] for name in PLAN[2:])), []).append(row)

    def middle(group: list[dict]) -> float:
        value = median(map(error, group))
        return math.inf if value is None else value

    best = min(groups.values(), key=middle, default=[])
    return best if best and middle(best) < math.inf else []


def _plan_of(row: dict) -> str:
    form, remembers = row.get("form", ""), row.get("remembers", False)
    return str(Plan(row["kind"], tuple(row["hidden"]), row["detail"], row["method"], form, remembers))


def measure(name: str, plan: Plan, seed: int, quick: bool, report_progress: ProgressCallback) -> dict:
    """Train group after group, and on all groups at once."""
    case = CASES[name]
    groups = [torch.from_numpy(x) for x in case.groups(seed)]
    model, errors, curves = _prepared(plan, case, groups, seed), [], []
    points = torch.linspace(-1, 1, POINTS, dtype=torch.float64)[:, None]
    earlier = None
    for done, x in enumerate(groups):
        report_progress(Progress(f"group {done + 1}", done / (2 * len(groups))))
        problem = _problem(x, case)
        _learn(model, problem, plan.method, quick, None if earlier is None else earlier.beside(problem))
        earlier = remember(model, problem, earlier) if plan.remembers else None
        errors.append([_rmse(model, other, case) for other in groups])
        with torch.no_grad():
            curves += [[round(value, 4) for value in model(points)[:, 0].tolist()]] if case.inputs == 1 else []
    whole = torch.cat(groups)
    final = _rmse(model, whole, case)
    at_once = None
    if not plan.method.startswith("Adam"):  # never the best where all samples are there
        report_progress(Progress("all at once", 0.5))
        joint = _prepared(plan, case, groups, seed)
        for _ in groups:  # as many steps in all
            _learn(joint, _problem(whole, case), plan.method, quick)
        at_once = _rmse(joint, whole, case)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    overlap = _overlap(model, [_problem(x, case) for x in groups])
    result = {"errors": errors, "final": final, "joint": at_once, "parameters": parameters, "overlap": overlap}
    return {**result, "curves": curves} if curves else result


def _prepared(plan: Plan, case: Case, groups: Sequence[Tensor], seed: int) -> nn.Module:
    """Return the model of a plan with the parts that are not learned set.

    Hidden grids lie where the activations of all groups lie, so that the first group does not decide.
    """
    model = plan.model(case.inputs, seed)
    if isinstance(model, KAN):
        adapt_domain_(model, torch.cat(tuple(groups)), hidden_only=True)
    if plan.form == "last layer":
        for layer in list(model.layers)[:-1]:
            layer.requires_grad_(False)
    return model


def _problem(x: Tensor, case: Case) -> Regression:
    return Regression(x, torch.from_numpy(case(x.numpy())))


def _learn(model: nn.Module, problem: Regression, method: str, quick: bool, penalty: Penalty | None = None) -> None:
    optimiser, steps = METHODS[method]()
    steps = 5 if quick else steps
    require_complete(fit(model, problem, optimiser, steps=steps, tolerance=0.0, adapt_domain=False, penalty=penalty))


def _overlap(model: nn.Module, problems: Sequence[Regression]) -> float:
    """Return the mean cosine between the Gauss-Newton matrices of two groups."""
    factors = [remember(model, problem).factor for problem in problems]
    matrices = torch.stack([(factor.mT @ factor).flatten() for factor in factors])
    unit = matrices / matrices.norm(dim=1, keepdim=True)
    pairs = torch.triu(unit @ unit.mT, 1)
    return float(pairs.sum() / (len(problems) * (len(problems) - 1) / 2))


def _rmse(model: nn.Module, x: Tensor, case: Case) -> float:
    with torch.no_grad():
        return float(np.sqrt(np.mean((model(x)[:, 0].numpy() - case(x.numpy())) ** 2)))


def draw_forgetting(chosen: Mapping[tuple[str, str], dict]) -> Figure:
    """Draw the error on the first group after each group."""
    from edgewise_experiments.plots.phases import phase_errors

    panels: dict[str, dict[str, list[float]]] = {}
    for (case, name), row in chosen.items():
        panels.setdefault(case, {})[name] = [errors[0] for errors in row["errors"]]
    return phase_errors(panels, ylabel="RMSE on the first group")
