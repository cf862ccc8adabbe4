"""Two layers or more: KANs [n, 2n+1, 1] against deeper KANs and MLPs of as many parameters, and four drawings.

The Kolmogorov-Arnold theorem writes every continuous f as sum_q Phi_q(sum_p phi_qp(x_p)), q = 0..2n, but its functions
may be rough; the KAN paper (arXiv 2404.19756) adds layers instead. Five functions, smooth and not; shapes with nearly
the same number of edges, so that the same grids give nearly the same number of parameters. MLPs of one and three
hidden layers, tanh and SiLU, by Levenberg-Marquardt; the better activation by held-out error is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.search import approximate
from edgewise.train import FitReport, LevenbergMarquardt
from edgewise_experiments.accuracy.known_functions import HELD_OUT_SEED, shape
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction, by_name, of_columns
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, require_complete, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median, scientific, times
from edgewise_experiments.runner.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEGREE = 3
HELD_OUT = 1000


def _function(name: str, formula: str, function: Callable[..., np.ndarray]) -> TargetFunction:
    return TargetFunction(name, formula, of_columns(function), ("x", "y"), (-1.0, -1.0), (1.0, 1.0))


FUNCTIONS = by_name(
    TOY_FUNCTIONS["toy 2"],
    TOY_FUNCTIONS["toy 5"],
    _function("kink", "abs(x - y)", lambda x, y: np.abs(x - y)),
    _function("cone", "sqrt(x**2 + y**2)", np.hypot),
    _function("jump", "1 if x**2 + y**2 < 1/2 else 0", lambda x, y: np.where(x**2 + y**2 < 0.5, 1.0, 0.0)),
)
KINDS = {
    "toy 2": "smooth",
    "toy 5": "smooth, n = 4",
    "kink": "a kink",
    "cone": "singular at a point",
    "jump": "discontinuous: outside the theorem",
}
# By inputs: two, three and four layers of nearly the same number of edges (15, 14, 14; 45, 44, 40).
SHAPES = {
    2: ((2, 5, 1), (2, 3, 2, 1), (2, 2, 2, 2, 1)),
    4: ((4, 9, 1), (4, 5, 4, 1), (4, 4, 3, 3, 1)),
}
# Hidden nodes of MLPs of one and of three hidden layers, of about 100, 300 and 600 parameters (n = 2), more for n = 4.
MLPS = {
    2: (((25,), (75,), (150,)), ((6, 6, 6), (11, 11, 11), (16, 16, 16))),
    4: (((40,), (80,), (150,)), ((8, 8, 8), (13, 13, 13), (19, 19, 19))),
}
# Number of parameters at which models are compared: a little more than [n, 2n+1, 1] has with 32 intervals, or with 16
# intervals for n = 4.
PARAMETERS = {2: 620, 4: 920}
LAYERS = {2: "two", 3: "three", 4: "four"}
NOTES = (
    "The lowest RMSE on held-out points with at most the given number of parameters; median of the seeds. Two layers "
    "of a KAN are the Kolmogorov-Arnold shape [n, 2n+1, 1]. The last column is the error of two layers over that of "
    "the better deeper KAN. Seconds of training add all sizes, activations and starts for one function; median of the "
    "functions and seeds.",
)


@dataclass(frozen=True)
class Plan:
    """Number of samples, budget and starts of `approximate`, steps of each MLP, and number of MLP sizes."""

    samples: int = 1500
    budget: float = 0.1
    starts: int | None = None
    steps: int = 100
    sizes: int = 3


FULL, QUICK = Plan(), Plan(samples=100, budget=0.0001, starts=1, steps=3, sizes=1)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Train with three seeds (of samples and starts) by default; a row takes seconds."""
    plan, names = (QUICK, ("kink",)) if quick else (FULL, tuple(FUNCTIONS))
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = []
    for kind, hidden in ((kind, hidden) for kind, networks in DRAWN.items() for hidden in networks):
        width = [2, *hidden, 1]
        key = {"drawn": kind, "width": width, "quick": quick}
        jobs.append(Job(f"drawing of {kind} {shape(width)}", key, partial(train_drawn, kind, width, quick)))
    for seed in seeds:
        for name in names:
            inputs = FUNCTIONS[name].inputs
            key = {"problem": name, "seed": seed, "samples": plan.samples, "quick": quick}
            for width in SHAPES[inputs]:
                work = partial(measure_kan, name, width, seed, plan)
                jobs.append(Job(f"{name}, {shape(width)}", {**key, "model": "KAN", "width": list(width)}, work))
            for hidden in (hidden for sizes in MLPS[inputs] for hidden in sizes[: plan.sizes]):
                for activation in ("tanh", "silu"):
                    width = [inputs, *hidden, 1]
                    work = partial(measure_mlp, name, width, activation, seed, plan)
                    settings = {"model": "MLP", "width": width, "activation": activation}
                    jobs.append(Job(f"{name}, MLP {shape(width)} {activation}", {**key, **settings}, work))
    return summary(run_jobs(jobs, store, progress, line))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of the lowest error of each depth, the seconds, the key figures, and the figures."""
    drawn = latest([row for row in rows if "drawn" in row], "drawn", "width")
    rows = latest([row for row in rows if "problem" in row], "problem", "seed", "model", "width", "activation")
    lines, gains = [], []
    for name in (name for name in FUNCTIONS if any(row["problem"] == name for row in rows)):
        most = PARAMETERS[FUNCTIONS[name].inputs]
        lowest = {series: _lowest(rows, name, series, most) for series in SERIES}
        two, deep = lowest["KAN", 2], [lowest["KAN", depth] for depth in (3, 4)]
        known = [error for error in deep if error is not None]
        gain = two / min(known) if two and known else None
        gains += [] if gain is None else [gain]
        cells = (scientific(lowest[series]) for series in SERIES)
        lines.append((FUNCTIONS[name].formula, KINDS[name], f"{most:,}", *cells, times(gain)))
    heads = ("KAN, two layers", "KAN, three", "KAN, four", "MLP, two layers", "MLP, four", "deeper KAN, times lower")
    values = {
        "functions for which a deeper KAN is more accurate": f"{sum(g > 1 for g in gains)} of {len(gains)}"
        if gains
        else "-",
        "seeds": str(len({row["seed"] for row in rows})),
    }
    figures = {"errors": partial(draw_errors, rows)} if rows else {}
    if len(drawn) == 4:
        figures["drawings"] = partial(draw_networks, drawn)
    table = ResultTable(("function", "kind", "parameters, at most", *heads), tuple(lines))
    return Outcome((table, _seconds_table(rows), key_figures(values)), NOTES, figures)


def _seconds_table(rows: Sequence[dict]) -> ResultTable:
    """Make the table of the seconds that training took for one function, by kind and depth."""
    lines = []
    for series in SERIES:
        spent: dict[tuple, float] = {}
        for row in rows:
            if (row["model"], len(row["width"]) - 1) == series:
                which = row["problem"], row["seed"]
                spent[which] = spent.get(which, 0.0) + working_seconds(row)
        if spent:
            lines.append((f"{series[0]} of {LAYERS[series[1]]} layers", f"{median(spent.values()):.1f}"))
    return ResultTable(("model", "seconds"), tuple(lines), "Seconds of training for a function")


SERIES = (("KAN", 2), ("KAN", 3), ("KAN", 4), ("MLP", 2), ("MLP", 4))


def _points(rows: Sequence[dict], name: str, series: tuple[str, int], seed: int) -> list[tuple[int, float]]:
    """Return (parameters, held-out error) by size, for the better of an MLP's activations."""
    points: dict[int, float] = {}
    for row in rows:
        if (row["problem"], row["model"], len(row["width"]) - 1, row["seed"]) == (name, *series, seed):
            for size, error in zip(row["sizes"], row["errors"], strict=True):
                if error is not None:
                    points[size] = min(error, points.get(size, math.inf))
    return sorted(points.items())


def _lowest(rows: Sequence[dict], name: str, series: tuple[str, int], most: int) -> float | None:
    seeds = {row["seed"] for row in rows if row["problem"] == name}
    points = [[error for size, error in _points(rows, name, series, seed) if size <= most] for seed in seeds]
    return median(min(errors, default=None) for errors in points)


def _problem(name: str, seed: int, samples: int) -> tuple[Regression, float]:
    """Return the problem with a standardised target, and the standard deviation by which it was divided."""
    target = FUNCTIONS[name]
    x, y = target.sample(samples, seed, edges=0.5)
    held_x, held_y = target.sample(HELD_OUT, HELD_OUT_SEED + seed)
    mean, spread = y.mean(), y.std()
    held = torch.from_numpy(held_x), torch.from_numpy((held_y - mean) / spread)
    return Regression(torch.from_numpy(x), torch.from_numpy((y - mean) / spread), validation=held), float(spread)


def measure_kan(name: str, width: Sequence[int], seed: int, plan: Plan, report_progress: ProgressCallback) -> dict:
    """Train a KAN and return the number of parameters and the held-out error of each grid."""
    problem, spread = _problem(name, seed, plan.samples)
    settings = {"degree": DEGREE, "domain": (-1.0, 1.0), "budget": plan.budget, "starts": plan.starts, "seed": seed}
    settings["progress"] = lambda at: report_progress(replace(at, loss=math.sqrt(at.loss)))
    result = approximate(problem, width=width, **settings)
    require_complete(result)
    errors = [math.sqrt(phase.validation_loss) * spread for phase in result.phases]
    return {"sizes": [phase.parameters for phase in result.phases], "errors": errors}


def measure_mlp(
    name: str, width: Sequence[int], activation: str, seed: int, plan: Plan, report_progress: ProgressCallback
) -> dict:
    """Train an MLP and return its number of parameters and its held-out error."""
    problem, spread = _problem(name, seed, plan.samples)
    model = MLP(width, activation=activation, seed=seed, dtype=torch.float64)
    loss = _trained(model, problem, plan.steps, report_progress).validation_loss
    errors = [math.nan if loss is None else math.sqrt(loss) * spread]
    return {"sizes": [sum(p.numel() for p in model.parameters())], "errors": errors}


def _trained(model: nn.Module, problem: Regression, steps: int, report_progress: ProgressCallback) -> FitReport:
    callbacks = [lambda event: report_progress(Progress("", event.share, event.loss))]
    settings = {"steps": steps, "evaluate_every": min(5, steps), "patience": 20, "callbacks": callbacks}
    report = fit(model, problem, LevenbergMarquardt(), **settings)
    require_complete(report)
    return report


# The four drawings (a) to (d) of the paper's poster: MLP and KAN, shallow and deep.
DRAWN = {"MLP": ((5,), (4, 4)), "KAN": ((5,), (2, 1))}
DRAWN_STEPS, DRAWN_SAMPLES = 200, 500


def train_drawn(kind: str, width: Sequence[int], quick: bool, report_progress: ProgressCallback) -> dict:
    """Train a model on the first function and return all its parameters, from which it is drawn."""
    problem, _ = _problem("toy 2", 0, DRAWN_SAMPLES)
    model = _fresh(kind, width)
    report = _trained(model, problem, 3 if quick else DRAWN_STEPS, report_progress)
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    return {"state": state, "relative": math.sqrt(report.validation_loss)}


def _fresh(kind: str, width: Sequence[int]) -> nn.Module:
    if kind == "MLP":
        return MLP(width, activation="silu", dtype=torch.float64)
    return KAN(width, 5, DEGREE, base="zero", domain=(-1.0, 1.0), dtype=torch.float64)


def draw_networks(drawn: Sequence[dict]) -> Figure:
    """Draw the four networks with their trained functions or weights."""
    from edgewise_experiments.plots.four import Network, four_networks

    x = torch.from_numpy(FUNCTIONS["toy 2"].sample(DRAWN_SAMPLES, 0)[0])
    networks = []
    for row in drawn:
        model = _fresh(row["drawn"], row["width"])
        own = model.state_dict()
        model.load_state_dict(
            {name: torch.tensor(value, dtype=own[name].dtype) for name, value in row["state"].items()}
        )
        depth = "shallow" if len(row["width"]) == 3 else "deep"
        networks.append(Network(f"{row['drawn']}, {depth}", model, model.trace(x), row["relative"]))
    return four_networks(networks, names=("x", "y"))


def draw_errors(rows: Sequence[dict]) -> Figure:
    """Draw the error against the number of parameters, function by function."""
    from edgewise_experiments.plots.errors import Curve, error_curves

    seed, groups = min(row["seed"] for row in rows), {}
    names: Mapping[tuple[str, int], str] = {series: f"{series[0]}, {series[1]} layers" for series in SERIES}
    for name in (name for name in FUNCTIONS if any(row["problem"] == name for row in rows)):
        curves = [(names[series], _points(rows, name, series, seed)) for series in SERIES]
        shown = [Curve(label, *zip(*points, strict=True)) for label, points in curves if points]
        groups[f"{FUNCTIONS[name].formula}"] = shown
    return error_curves(groups, xlabel="parameters", ylabel="RMSE on held-out points")


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    if "drawn" in row:
        return f"drawing of {row['drawn']} {shape(row['width'])}: relative error {scientific(row['relative'])}"
    errors = [error for error in row["errors"] if error is not None]
    text = f"{row['problem']}, seed {row['seed']}, {row['model']} {shape(row['width'])} {row.get('activation', '')}"
    return f"{text.strip()}: {scientific(min(errors, default=None))}, {row['seconds']:.1f} s"
