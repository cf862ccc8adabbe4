"""Scaling exponents of KANs and MLPs, measured, beside those of four theories (Table 1 of the KAN paper).

Toy functions of the paper, and functions built so that the theories part: inputs on a surface of fewer dimensions, a
node of three inputs, sparse compositions of six (slow and fast waves), few derivatives. KANs of the function's own
shape, cubic, by `approximate`; MLPs of two hidden layers, tanh and ReLU, of growing width, by Levenberg-Marquardt from
several starts, the best by held-out error, which also stops them. The same samples for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from edgewise import MLP, LevenbergMarquardt, Regression, approximate, fit
from edgewise.theory import MICHAUD_POSTER, Traits, exponents, fitted_exponent
from edgewise_experiments.accuracy.known_functions import HELD_OUT_SEED, TEST, TEST_SEED, shape
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction, of_columns
from edgewise_experiments.runner.jobs import Job, RowCallback, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, median, scientific
from edgewise_experiments.runner.store import Store

DEGREE, RELU_DEGREE = 3, 1  # of the KANs' splines, and of the pieces of a ReLU network
# Relative errors: below, rounding and the optimiser count too; above, no rate is to be seen.
FLOOR, RESOLVED = 1e-10, 0.1
COARSE = 8  # intervals: coarser grids are left out of a KAN's exponent
HELD_OUT = 1000
LABELS = {"KAN": "KAN, cubic", "tanh": "MLP, tanh", "relu": "MLP, ReLU"}
KINDS = tuple(LABELS)


@dataclass(frozen=True)
class Subject:
    """A function on [-1, 1]^n and what the theories know of it. shape: of its KAN. lift: from its coordinates to the
    inputs of the models where these lie on a surface."""

    target: TargetFunction
    shape: tuple[int, ...]
    traits: Traits
    lift: Callable[[np.ndarray], np.ndarray] | None = None

    def sample(self, count: int, seed: int, edges: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (count, n) and values (count,)."""
        x, y = self.target.sample(count, seed, edges=edges)
        return torch.from_numpy(x if self.lift is None else self.lift(x)), torch.from_numpy(y)


def _built(name: str, formula: str, function: Callable[..., np.ndarray], inputs: int) -> TargetFunction:
    names = tuple(f"x{i}" for i in range(1, inputs + 1))
    return TargetFunction(name, formula, of_columns(function), names, (-1.0,) * inputs, (1.0,) * inputs)


def _toy(name: str, traits: Traits) -> Subject:
    return Subject(TOY_FUNCTIONS[name], TOY_FUNCTIONS[name].shape, traits)


def _surface(x: np.ndarray) -> np.ndarray:
    """Two coordinates as four inputs, each with a bent copy of itself."""
    return np.concatenate([x, np.sin(np.pi * x / 2)], 1)


def _waves(frequency: float) -> Callable[..., np.ndarray]:
    def six(a, b, c, d, e, f):
        return np.exp(sum(np.sin(frequency * (x**2 + y)) for x, y in ((a, b), (c, d), (e, f))) / 3)

    return six


SUBJECTS: Mapping[str, Subject] = {
    "toy 1": _toy("toy 1", Traits(1, arity=1)),
    "toy 2": _toy("toy 2", Traits(2)),
    "toy 5": _toy("toy 5", Traits(4)),
    "surface": Subject(
        _built(
            "surface",
            "cos(2*x1 + x4), x3 = sin(pi*x1/2), x4 = sin(pi*x2/2)",
            lambda a, b: np.cos(2 * a + np.sin(np.pi * b / 2)),
            2,
        ),
        (4, 1, 1),
        Traits(4, dimension=2),
        _surface,
    ),
    "arity 3": Subject(
        _built("arity 3", "sqrt(0.1 + x1**2 + x2**2 + x3**2)", lambda a, b, c: np.sqrt(0.1 + a**2 + b**2 + c**2), 3),
        (3, 1, 1),
        Traits(3, arity=3),
    ),
    "sparse slow": Subject(
        _built("sparse slow", "exp(sum(sin(pi/2*(x_2i-1**2 + x_2i)) for i in 1..3)/3)", _waves(np.pi / 2), 6),
        (6, 3, 1, 1),
        Traits(6),
    ),
    "sparse": Subject(
        _built("sparse", "exp(sum(sin(pi*(x_2i-1**2 + x_2i)) for i in 1..3)/3)", _waves(np.pi), 6),
        (6, 3, 1, 1),
        Traits(6),
    ),
    "rough": Subject(
        _built("rough", "abs(x1 + x2/2)**1.5", lambda a, b: np.abs(a + b / 2) ** 1.5, 2),
        (2, 1, 1),
        Traits(2, smoothness=1),
    ),
}
QUICK = ("toy 1",)


@dataclass(frozen=True)
class Plan:
    """samples: to train on; budget: of `approximate`; widths: of the MLPs; steps: of each; starts: of MLPs whose width
    is at most `repeated`."""

    samples: int = 2000
    budget: float = 0.3
    widths: tuple[int, ...] = (4, 8, 16, 24)
    steps: int = 200
    starts: int = 2
    repeated: int = 16


FULL, QUICK_PLAN = Plan(), Plan(samples=300, budget=0.001, widths=(3, 5), steps=5, starts=1)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Three seeds, of samples and starts, unless told otherwise; a row is half a minute."""
    names, plan = (QUICK, QUICK_PLAN) if quick else (tuple(SUBJECTS), FULL)
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = [
        Job(
            f"{name}, {kind}",
            {"problem": name, "kind": kind, "seed": seed, "samples": plan.samples, "budget": plan.budget},
            partial(_measure, name, kind, seed, plan),
        )
        for seed in seeds  # outermost: the table is complete, if with one seed, after a third of the time
        for name in names
        for kind in KINDS
    ]
    return summary(run_jobs(jobs, store, progress, line))


THEORIES = ("Sharma-Kaplan", "Michaud", "Poggio", "KAN")
THEORY_HEADS = ("Sharma-Kaplan", "Michaud, poster", "Michaud, paper", "Poggio", "KAN theory")


def summary(rows: list[dict]) -> Outcome:
    """Measured exponents beside the theories', for cubic pieces and for the linear ones of ReLU; errors by size."""
    rows = latest(rows, "problem", "kind", "seed")
    if not rows:
        return NO_ROWS
    names = [name for name in SUBJECTS if any(row["problem"] == name for row in rows)]
    cubic, linear, near = [], [], dict.fromkeys(THEORIES, 0)
    for name in names:
        subject = SUBJECTS[name]
        formula, traits = subject.target.formula, subject.traits
        found = {kind: _median(rows, name, kind) for kind in KINDS}
        by_grid = _median(rows, name, "KAN", "grids")
        known = tuple(map(str, (traits.inputs, traits.dimension, traits.arity)))
        measured = (_number(value) for value in (by_grid, found["KAN"], found["tanh"]))
        cubic.append((formula, shape(subject.shape), *known, *_theories(traits, DEGREE), *measured))
        linear.append((formula, *_theories(traits, RELU_DEGREE), _number(found["relu"])))
        for each, theory in exponents(traits, DEGREE).items():
            near[each] += by_grid is not None and abs(by_grid - theory) <= theory / 4
    heads = ("function", "KAN", "inputs", "dimension", "arity", *THEORY_HEADS)
    tables = (
        ResultTable((*heads, "KAN, in G", "KAN, in N", "MLP tanh, in N"), tuple(cubic), "Cubic splines, smooth MLPs"),
        ResultTable(("function", *THEORY_HEADS, "MLP ReLU, in N"), tuple(linear), "Piecewise linear: ReLU"),
    )
    sentences = [
        f"Exponents alpha of the RMSE on held-out points, relative errors from {FLOOR:g} to {RESOLVED:g}, medians of "
        f"{len({row['seed'] for row in rows})} seed(s); G is the grid size (from {COARSE} intervals on), N the number "
        "of parameters; N grows more slowly than G, so alpha in N is larger. any: of a function with all derivatives. "
        f"MLPs: widths {', '.join(map(str, FULL.widths))}, two hidden layers. {_work_said(rows)}",
        f"The KAN's exponent in G is within a quarter of the KAN theory's for {near['KAN']} of {len(names)} functions, "
        f"of Sharma and Kaplan's for {near['Sharma-Kaplan']}, of Michaud's for {near['Michaud']}, of Poggio's for "
        f"{near['Poggio']}. A theory that promises less than is measured is a bound, not wrong.",
    ]
    sentences += _unresolved(rows, names)
    return Outcome(tables, tuple(sentences), {"errors": partial(_draw, rows)})


def _theories(traits: Traits, degree: int) -> tuple[str, ...]:
    """For the columns `THEORY_HEADS`."""
    sharma, michaud, poggio, kan = (_number(exponents(traits, degree)[each]) for each in THEORIES)
    return sharma, _number(MICHAUD_POSTER), michaud, poggio, kan


def _work_said(rows: Sequence[dict]) -> str:
    """How much training each kind had."""
    spent = {kind: median(working_seconds(row) for row in rows if row["kind"] == kind) for kind in KINDS}
    told = ", ".join(f"{LABELS[kind]} {value:.1f}" for kind, value in spent.items() if value is not None)
    return f"Seconds of training for a function, all starts and sizes, median: {told}."


def _unresolved(rows: Sequence[dict], names: Sequence[str]) -> list[str]:
    """A sentence on what was never trained to an error at which a rate is to be seen."""
    missed = []
    for name in names:
        for kind in KINDS:
            own = [row for row in rows if (row["problem"], row["kind"]) == (name, kind)]
            lowest = median(min((e for e in row["errors"] if e is not None), default=None) for row in own)
            if own and (lowest is None or lowest > RESOLVED):
                missed.append(f"{LABELS[kind]} on {SUBJECTS[name].target.formula} ({scientific(lowest)})")
    return [f"Never below a relative error of {RESOLVED:g}, so without a rate: {', '.join(missed)}."] if missed else []


def alpha(row: dict, against: str = "sizes") -> float | None:
    """The exponent of a row's errors against "sizes" (parameters) or "grids"."""
    points = [
        (size, error)
        for size, error, grid in zip(row[against], row["errors"], row["grids"] or row["sizes"], strict=True)
        if error is not None and error <= RESOLVED and (row["kind"] != "KAN" or grid >= COARSE)
    ]
    fitted = fitted_exponent(*zip(*points, strict=True), floor=FLOOR) if points else None
    return None if fitted is None else fitted.alpha


def _median(rows: Sequence[dict], name: str, kind: str, against: str = "sizes") -> float | None:
    return median(alpha(row, against) for row in rows if (row["problem"], row["kind"]) == (name, kind))


def _number(value: float | None) -> str:
    return "-" if value is None else "any" if math.isinf(value) else f"{value:.2f}"


def _measure(name: str, kind: str, seed: int, plan: Plan, tell: Tell) -> dict:
    """sizes: parameters; grids: of the KAN, else none; errors: relative RMSE of each."""
    subject = SUBJECTS[name]
    x, y = subject.sample(plan.samples, seed, edges=0.5)
    held_x, held_y = subject.sample(HELD_OUT, HELD_OUT_SEED + seed)
    mean, spread = y.mean(), y.std()
    problem = Regression(x, (y - mean) / spread, validation=(held_x, (held_y - mean) / spread))
    if kind == "KAN":
        return _kan(subject, problem, seed, plan, tell)
    test_x, test_y = subject.sample(TEST, TEST_SEED + seed)
    sizes, errors = [], []
    for done, width in enumerate(plan.widths):
        tell(f"width {width}", done / len(plan.widths), None)
        model = _mlp(problem, (x.shape[1], width, width, 1), kind, seed, plan)
        with torch.no_grad():
            errors.append(float(((model(test_x)[:, 0] * spread + mean - test_y) / spread).square().mean().sqrt()))
        sizes.append(sum(p.numel() for p in model.parameters()))
    return {"shape": None, "sizes": sizes, "grids": None, "errors": errors}


def _kan(subject: Subject, problem: Regression, seed: int, plan: Plan, tell: Tell) -> dict:
    result = approximate(
        problem,
        width=subject.shape,
        degree=DEGREE,
        domain=(-1.0, 1.0),
        budget=plan.budget,
        seed=seed,
        progress=lambda at: tell(at.stage, at.share, math.sqrt(at.loss)),
    )
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    phases = result.phases
    return {
        "shape": list(subject.shape),
        "sizes": [phase.parameters for phase in phases],
        "grids": [max(phase.grid_size) for phase in phases],
        "errors": [math.sqrt(phase.validation_loss) for phase in phases],
    }


def _mlp(problem: Regression, width: Sequence[int], activation: str, seed: int, plan: Plan) -> MLP:
    """The start with the lowest held-out error."""
    found = []
    for start in range(plan.starts if width[1] <= plan.repeated else 1):
        model = MLP(width, activation=activation, seed=1000 * seed + start, dtype=torch.float64)
        report = fit(model, problem, LevenbergMarquardt(), steps=plan.steps, evaluate_every=5, patience=20)
        if report.stopped == "interrupted":
            raise KeyboardInterrupt
        loss = report.validation_loss
        found.append((math.inf if loss is None or math.isnan(loss) else loss, start, model))
    return min(found)[2]


def _draw(rows: Sequence[dict]):
    from edgewise.plot import Curve, error_curves

    groups: dict[str, list[Curve]] = {}
    first = min(row["seed"] for row in rows)
    for row in (row for row in rows if row["seed"] == first):
        points = [(n, e) for n, e in zip(row["sizes"], row["errors"], strict=True) if e]
        slope = -(DEGREE + 1.0) if row["kind"] == "KAN" else None
        if points:
            curve = Curve(LABELS[row["kind"]], *zip(*points, strict=True), slope=slope)
            groups.setdefault(SUBJECTS[row["problem"]].target.formula, []).append(curve)
    return error_curves(groups, xlabel="parameters $N$", ylabel="relative RMSE")


def line(row: dict) -> str:
    """A stored row for people."""
    errors = [error for error in row["errors"] if error is not None]
    reached = f"{errors[0]:.1e} to {min(errors):.1e}" if errors else "no number"
    return f"{row['problem']}, seed {row['seed']}, {row['kind']}: alpha {_number(alpha(row))}, errors {reached}"
