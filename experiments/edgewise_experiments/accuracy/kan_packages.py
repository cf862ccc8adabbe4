"""KAN packages on the same tasks with the same seconds: functions of the paper, three tables and handwritten digits.

Peers are measured where they can be imported: pykan, efficient-kan, FastKAN, KANLib and torchkan. Their networks have
one shape for each task, cubic splines on five intervals (their default) and one of two trainings, whichever is better
on validation rows: AdamW in batches, as their examples do, or L-BFGS on all rows, as the paper does. Edgewise appears
twice: its layers in the same shape with the same trainings, and its estimators, which choose shape and grid.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from edgewise import KANClassifier, KANLayer, KANRegressor
from edgewise.datasets import load_knots
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.runner.jobs import Job, RowCallback, Stopwatch, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median
from edgewise_experiments.runner.store import Store

SECONDS = 10  # CPU seconds of one training
SAMPLES = 1000  # of a function, as in the paper
BATCH = 64  # rows, as in the examples of efficient-kan and FastKAN
RATE = 1e-2  # first learning rate of AdamW; it falls to zero as half a cosine
NOTES = (
    "Error: root mean square error on test rows in standard deviations of the target, or share of test rows that are "
    "classified wrongly; median of the seeds. Every training has ten CPU seconds on one thread and keeps the weights "
    "that are best on validation rows, a fifth of the training rows; of a peer's two trainings the better one on "
    "these rows counts, so a peer has twice the seconds. Inputs are scaled to [-1, 1] by the training rows. The "
    "estimators stop by themselves. torchkan ends every layer with a normalisation over its outputs, which makes a "
    "single output constant.",
)


@dataclass(frozen=True, eq=False)
class Task:
    """Rows of one problem; classes are whole numbers from 0 on, none where the target is a number.

    Parameters
    ----------
    X, y : ndarray
        Inputs in the units of the problem and targets.
    hidden : tuple of int
        Widths of the hidden layers of every network.
    classes : int
        Number of classes; 0 for a regression.
    """

    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...]
    classes: int = 0

    @property
    def outputs(self) -> int:
        """Width of the last layer."""
        return max(self.classes, 1)

    def error(self, truth: np.ndarray, found: np.ndarray) -> float:
        """Return the error that the table shows."""
        if self.classes:
            return float(np.mean(truth != found))
        return float(np.sqrt(np.mean((truth - found) ** 2)) / np.std(truth))


def _function(name: str, hidden: tuple[int, ...], seed: int) -> Task:
    """Draw samples of a function of the paper, of which a third is for the test."""
    target = TOY_FUNCTIONS[name]
    X = np.random.default_rng(seed).uniform(-1, 1, (3 * SAMPLES // 2, len(target.names)))
    return Task(X, target.function(X), hidden)


def _diabetes(_seed: int) -> Task:
    X, y = load_diabetes(return_X_y=True)
    return Task(X, y, (5,))


def _digits(_seed: int) -> Task:
    X, y = load_digits(return_X_y=True)
    return Task(X, y, (32,), classes=10)


def _knots(_seed: int) -> Task:
    knots = load_knots()
    names, classes = np.unique(knots.y, return_inverse=True)
    return Task(knots.X, classes, (10,), classes=len(names))


TASKS: Mapping[str, Callable[[int], Task]] = {
    TOY_FUNCTIONS["toy 2"].formula: partial(_function, "toy 2", (5,)),
    TOY_FUNCTIONS["toy 5"].formula: partial(_function, "toy 5", (8, 4)),
    "diabetes (442 x 10)": _diabetes,
    "digits (1,797 x 64, 10 classes)": _digits,
    "signature of knots (8,000 x 17, 11 classes)": _knots,
}


def _edgewise_layers(shape: tuple[int, ...]) -> nn.Module:
    pairs = pairwise(shape)
    return nn.Sequential(*(KANLayer(inputs, outputs, grid_size=5) for inputs, outputs in pairs))


def _pykan(shape: tuple[int, ...]) -> nn.Module:
    with contextlib.redirect_stdout(io.StringIO()):
        network = importlib.import_module("kan").KAN(width=list(shape), grid=5, k=3, auto_save=False)
    return network.speed()


def _efficient_kan(shape: tuple[int, ...]) -> nn.Module:
    return importlib.import_module("efficient_kan").KAN(list(shape))


def _fastkan(shape: tuple[int, ...]) -> nn.Module:
    return importlib.import_module("fastkan").FastKAN(list(shape))


def _kanlib(shape: tuple[int, ...]) -> nn.Module:
    linear = importlib.import_module("kanlib.nn.bspline").Linear
    pairs = pairwise(shape)
    return nn.Sequential(*(linear(inputs, outputs, grid_size=5, spline_order=3) for inputs, outputs in pairs))


def _torchkan(shape: tuple[int, ...]) -> nn.Module:
    return importlib.import_module("torchkan").KAN(list(shape))


ESTIMATORS = "Edgewise, estimators"
LAYERS = "Edgewise, layers"
NETWORKS: Mapping[str, tuple[str, Callable[[tuple[int, ...]], nn.Module]]] = {
    LAYERS: ("edgewise", _edgewise_layers),
    "pykan": ("kan", _pykan),
    "efficient-kan": ("efficient_kan", _efficient_kan),
    "FastKAN": ("fastkan", _fastkan),
    "KANLib": ("kanlib", _kanlib),
    "torchkan": ("torchkan", _torchkan),
}
"""Name of the module that each package is imported by, and the function that makes its network of a shape."""


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure every package on every task, with three seeds (of split and start) by default."""
    packages = [ESTIMATORS, *(name for name, (module, _) in NETWORKS.items() if find_spec(module))]
    tasks = list(TASKS)
    seconds = float(SECONDS)
    if quick:
        tasks = tasks[2:3]
        packages = packages[:2]
        seconds = 0.2
    jobs = []
    for seed in seeds or (0, 1, 2)[: 1 if quick else 3]:
        for task in tasks:
            for package in packages:
                key = {"task": task, "package": package, "seed": seed, "limit": seconds, "quick": quick}
                jobs.append(
                    Job(f"{package}, {task}, seed {seed}", key, partial(_measure, task, package, seed, seconds))
                )
    return summary(run_jobs(jobs, store, progress))


def _measure(name: str, package: str, seed: int, limit: float, _report: object) -> dict:
    """Train on two thirds of the rows, and return the error on the others."""
    task = TASKS[name](seed)
    X, test_X, y, test_y = train_test_split(task.X, task.y, test_size=1 / 3, random_state=seed)
    if package == ESTIMATORS:
        estimator = (KANClassifier if task.classes else KANRegressor)(time_limit=limit, random_state=seed)
        watch = Stopwatch()
        estimator.fit(X, y)
        spent = watch.seconds()
        return {
            "error": task.error(test_y, estimator.predict(test_X)),
            "parameters": estimator.parameter_count_,
            **spent,
        }
    # Inputs in [-1, 1], targets in standard deviations, and rows that choose among the weights.
    low, high = X.min(0), X.max(0)
    wide = np.where(high > low, high - low, 1.0)
    fit_X, held_X, fit_y, held_y = train_test_split(X, y, test_size=0.2, random_state=seed)
    centre, scale = (0.0, 1.0) if task.classes else (fit_y.mean(), fit_y.std())
    rows = {
        part: (
            torch.as_tensor(np.clip(2 * (inputs - low) / wide - 1, -1, 1), dtype=torch.float32),
            torch.as_tensor(target if task.classes else (target - centre) / scale),
        )
        for part, inputs, target in (("fit", fit_X, fit_y), ("held", held_X, held_y), ("test", test_X, test_y))
    }
    shape = (X.shape[1], *task.hidden, task.outputs)
    make = NETWORKS[package][1]
    trained = []
    watch = Stopwatch()
    for passes in (_adam, _lbfgs):
        torch.manual_seed(seed)
        network = make(shape)
        trained.append((_train(network, passes, rows, task, limit), passes.__name__, network))
    _, training, network = min(trained, key=lambda entry: entry[0])
    found = _predicted(network, rows["test"][0], task) * scale + centre
    return {
        "error": task.error(test_y, found),
        "training": training.strip("_"),
        "parameters": sum(part.numel() for part in network.parameters() if part.requires_grad),
        **watch.seconds(),
    }


Rows = tuple[torch.Tensor, torch.Tensor]
Loss = Callable[[Rows], torch.Tensor]


def _train(network: nn.Module, passes: Callable, rows: Mapping[str, Rows], task: Task, limit: float) -> float:
    """Train until the limit, and leave the weights that are best on the held-out rows; return their loss."""

    def loss(part: Rows) -> torch.Tensor:
        output = network(part[0])
        if task.classes:
            return nn.functional.cross_entropy(output, part[1])
        return nn.functional.mse_loss(output[:, 0], part[1].to(output.dtype))

    best, weights = math.inf, copy.deepcopy(network.state_dict())
    begun = time.process_time()
    for _ in passes(network, loss, rows["fit"], lambda: (time.process_time() - begun) / limit):
        network.eval()
        with torch.no_grad():
            held = float(loss(rows["held"]))
        network.train()
        if held < best:
            best, weights = held, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    network.eval()
    return best


def _adam(network: nn.Module, loss: Loss, rows: Rows, share: Callable[[], float]) -> Iterator[None]:
    """Pass over the rows in batches by AdamW; the rate falls with the share of the time that is spent."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)
    while share() < 1:
        for batch in torch.randperm(len(rows[1])).split(BATCH):
            optimizer.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * min(share(), 1.0))) / 2
            optimizer.zero_grad()
            loss((rows[0][batch], rows[1][batch])).backward()
            optimizer.step()
        yield


def _lbfgs(network: nn.Module, loss: Loss, rows: Rows, share: Callable[[], float]) -> Iterator[None]:
    """Ten steps of L-BFGS on all rows at a time, until the time is spent or the loss stays."""
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(rows)
        value.backward()
        return value.detach()

    last = math.inf
    while share() < 1:
        value = float(optimizer.step(closure))
        yield
        if not value < last:
            return
        last = value


def _predicted(network: nn.Module, X: torch.Tensor, task: Task) -> np.ndarray:
    with torch.no_grad():
        output = network(X)
    if task.classes:
        return output.argmax(1).numpy()
    return output[:, 0].double().numpy()


def summary(rows: list[dict]) -> Outcome:
    """Errors of every package on every task, with parameters and seconds."""
    groups: dict[str, dict[str, list[dict]]] = {}
    for row in latest(rows, "task", "package", "seed", "quick"):
        groups.setdefault(row["task"], {}).setdefault(row["package"], []).append(row)
    lines = []
    leaders = []
    for task, packages in groups.items():
        ranked = sorted(packages, key=lambda name: median(row["error"] for row in packages[name]))
        leaders.append(ranked[0])
        for name in ranked:
            runs = packages[name]
            error = median(row["error"] for row in runs)
            parameters = median(row["parameters"] for row in runs)
            seconds = median(working_seconds(row) for row in runs)
            lines.append((task, name, f"{error:.2g}", f"{parameters:,.0f}", f"{seconds:.1f}", f"{len(runs)}"))
    if not lines:
        return Outcome((), NOTES)
    own = sum(name == ESTIMATORS for name in leaders)
    columns = ("task", "package", "error", "parameters", "CPU s", "seeds")
    figures = key_figures({"tasks on which the estimators have the smallest error": f"{own} of {len(leaders)}"})
    return Outcome((ResultTable(columns, tuple(lines), "Packages by their error"), figures), NOTES)
