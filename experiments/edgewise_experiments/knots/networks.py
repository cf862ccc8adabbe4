"""KANs and MLPs that predict a knot's signature: the architectures that are compared, and their training and scoring.

Signatures are ordered, so a network needs one output and thresholds between the classes (`OrdinalClassification`), for
KANs and MLPs alike. Networks with one output for each class repeat those of the KAN paper and of other sources.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from edgewise import KAN, fit
from edgewise.datasets import KNOT_FEATURES
from edgewise.errors import EdgewiseWarning
from edgewise.interpret import input_scores
from edgewise.nn import MLP, ProductLayer
from edgewise.outcomes import ProgressCallback
from edgewise.train import Adam, Classification, FitReport, LevenbergMarquardt, OrdinalClassification
from edgewise_experiments.knots.slope_rule import SLOPE_COLUMNS
from edgewise_experiments.knots.table import KnotSplit
from edgewise_experiments.runner import Stopwatch

# Nine of the 17 inputs carry nearly all of the information: the injectivity radius is half the length of the short
# geodesic, one torsion degree is nearly 3 / 2 of the other, and six columns are zero except for knots with rare
# symmetries.
NINE = (
    "chern_simons",
    "cusp_volume",
    "hyperbolic_torsion_degree",
    *SLOPE_COLUMNS,
    "short_geodesic_imag_part",
    "short_geodesic_real_part",
    "volume",
)
INPUTS: Mapping[str, tuple[str, ...]] = {"17": KNOT_FEATURES, "9 of 17": NINE, "3": SLOPE_COLUMNS}
KnotProblem = OrdinalClassification | Classification
BATCH = 1024  # rows in a step of Adam
RATES = (1e-2, 3e-2, 6e-2)  # learning rates of Adam; every network is tried with all of them
Nodes = int | tuple[int, int]  # of a hidden layer of a KAN: sums, or (sums, products of two sums)
SCORED_ROWS = 5000  # validation rows on which the inputs are scored


@dataclass(frozen=True)
class Plan:
    """One network that is trained."""

    kind: str
    head: str
    inputs: str
    hidden: tuple[Nodes, ...]
    grid: tuple[int, ...] = ()
    degree: int = 3
    activation: str = "tanh"
    recipe: str = "ours"
    stated: float | None = None

    def model(self, classes: int, seed: int) -> nn.Module:
        """Build the network."""
        width = [len(INPUTS[self.inputs]), *self.hidden, classes if self.head == "softmax" else 1]
        if self.kind == "MLP":
            return MLP(width, activation=self.activation, seed=seed)
        # The paper's edges have a silu base; ours start with straight lines, which become part of the splines.
        base = "silu" if self.head == "softmax" else "identity"
        return KAN(width, self.grid, self.degree, base=base, seed=seed)

    def key(self) -> dict:
        """Return everything that determines the row, as plain JSON values."""
        hidden = [list(nodes) if isinstance(nodes, tuple) else nodes for nodes in self.hidden]
        shared = {"kind": self.kind, "head": self.head, "inputs": self.inputs, "hidden": hidden}
        own = {"grid": list(self.grid), "degree": self.degree}
        return {**shared, **(own if self.kind == "KAN" else {"activation": self.activation}), "recipe": self.recipe}

    def __str__(self) -> str:
        hidden = [f"{nodes[0]}+{nodes[1]}x" if isinstance(nodes, tuple) else nodes for nodes in self.hidden]
        nodes = ",".join(map(str, (len(INPUTS[self.inputs]), *hidden, "C" if self.head == "softmax" else 1)))
        detail = f" grid {'-'.join(map(str, self.grid))}, degree {self.degree}" if self.kind == "KAN" else ""
        return f"{self.kind} [{nodes}]{detail}"


@dataclass(frozen=True)
class Effort:
    """The amount of training."""

    rows: int = 1_000_000
    look: int = 2
    small: int = 500
    epochs: int = 8
    steps: int = 30
    second_rows: int = 20_000
    long: int = 25
    deepmind_steps: int = 10_000
    rounds: float = 1.0


QUICK = Effort(rows=3000, look=2, epochs=4, steps=5, second_rows=1500, long=4, deepmind_steps=100, rounds=0.02)


def our_plans() -> list[Plan]:
    """Return our networks with one output: as many KANs as MLPs, the smallest first."""
    kans = [
        ((1,), (1, 4)),
        ((2,), (1, 2)),
        ((3,), (1, 6)),
        (((2, 1),), (1, 5)),
        (((3, 2),), (1, 6)),
        (((4, 4),), (1, 6)),
        (((6, 5),), (1, 6)),
        (((10, 10),), (1, 6)),
        ((12, 6), (1, 5, 5)),
        ((17, 11), (1, 5, 5)),
        ((32, 20), (1, 5, 5)),
    ]
    mlps = [(4,), (5,), (9,), (16,), (10, 10), (14, 14), (16, 16), (22, 22), (24, 24), (34, 34), (64, 64)]
    plans = []
    for (hidden, grid), nodes in zip(kans, mlps, strict=True):
        plans.append(Plan("KAN", "ordinal", "9 of 17", hidden, grid, 2))
        plans.append(Plan("MLP", "ordinal", "9 of 17", nodes))
    plans += [Plan("KAN", "ordinal", "17", (5,), (1, 6), 2), Plan("MLP", "ordinal", "17", (10, 10))]
    for (hidden, grid), nodes in (
        (((1,), (2, 8)), (3,)),
        (((2,), (2, 5)), (9,)),
        (((4, 4), (2, 5, 5)), (10, 10)),
        (((3, 3, 2), (3, 5, 5, 5)), (7, 7, 7)),
        (((8, 8), (3, 6, 6)), (24, 24)),
        (((7, 6, 5), (3, 5, 5, 5)), (16, 16, 16)),
    ):
        plans += [Plan("KAN", "ordinal", "3", hidden, grid, 2), Plan("MLP", "ordinal", "3", nodes)]
    return plans


def stated_plans() -> list[Plan]:
    """Return the networks of other sources with the accuracies that they state.

    KANs and DeepMind's MLP are those of the KAN paper's tables 3 and 4, small MLPs those of the README of
    SHI-Labs/CompactNet.
    """
    plans = [
        Plan("KAN", "softmax", "17", (1,), (3, 3), stated=81.6),
        Plan("KAN", "softmax", "3", (1,), (3, 3), stated=78.2),
        Plan("MLP", "softmax", "17", (300, 300, 300), recipe="DeepMind", stated=78.0),
    ]
    for nodes, seventeen, three in (
        ((50, 50), 87.15, 82.65),
        ((10, 10), 83.02, 81.50),
        ((5, 5), 82.19, 81.33),
        ((3,), 82.42, 80.33),
        ((2,), 80.85, 80.23),
    ):
        plans.append(Plan("MLP", "softmax", "17", nodes, activation="relu", stated=seventeen))
        plans.append(Plan("MLP", "softmax", "3", nodes, activation="relu", stated=three))
    return plans


@torch.no_grad()
def without_base(model: KAN) -> KAN:
    """Return the same function as a KAN without base functions: each identity base becomes part of its spline.

    The coefficients of a straight line are the means of neighbouring knots (Greville abscissae, see `deepen`).
    """
    twin = KAN.from_config(replace(model.config, base="zero"), dtype=model.dtype)
    state = {name: value for name, value in model.state_dict().items() if not name.endswith(".base")}
    for number, layer in enumerate(model.layers):
        if isinstance(layer, ProductLayer):
            continue
        abscissae = layer.knots.unfold(1, layer.degree, 1)[:, 1 : layer.coef.shape[1] + 1].mean(2)
        state[f"layers.{number}.coef"] = layer.coef + abscissae[..., None] * layer.base[:, None, :]
    twin.load_state_dict(state)
    return twin


def count_parameters(model: nn.Module) -> int:
    """Count the parameters that a network needs.

    Usually all trainable numbers. Splines without base functions whose edges meet in one sum share one constant:
    B-splines sum to one, so n - 1 of n coefficients and that constant give the same functions.
    """
    if not isinstance(model, KAN) or model.config.base != "zero":
        return sum(p.numel() for p in model.parameters())
    layers = [layer for layer in model.layers if not isinstance(layer, ProductLayer)]
    return sum(layer.mask.numel() * (layer.coef.shape[1] - 1) + layer.out_features for layer in layers)


def train(plan: Plan, split: KnotSplit, seed: int, effort: Effort, report: ProgressCallback) -> dict:
    """Train one network and score it: all choices are made on validation rows, the accuracy is that on test rows."""
    watch = Stopwatch()
    training = Training(plan, split, seed, effort, report)
    model, problem = training.deepmind_recipe() if plan.recipe == "DeepMind" else training.our_recipe()
    spent = watch.seconds()
    names, dtype = INPUTS[plan.inputs], next(model.parameters()).dtype

    def predicted(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output = model(split.inputs(names, rows, dtype))
        is_ordinal = isinstance(problem, OrdinalClassification)
        return 2 * (problem.classify(output) if is_ordinal else output.argmax(1)).numpy() + split.lowest

    accuracy, error = split.accuracy(predicted(split.test))
    thresholds = split.classes - 1 if plan.head == "ordinal" else 0
    row: dict = {
        "accuracy": accuracy,
        "error": error,
        "validation": float((predicted(split.validation) == split.knots.y[split.validation]).mean()),
        "parameters": count_parameters(model) + thresholds,
        **spent,
    }
    if isinstance(model, KAN):
        scores = input_scores(model.trace(split.inputs(names, split.validation[:SCORED_ROWS], dtype)))
        row["scores"] = dict(zip(names, scores.tolist(), strict=True))
    return row


class Training:
    """The training of one network by one of the two recipes."""

    def __init__(self, plan: Plan, split: KnotSplit, seed: int, effort: Effort, report: ProgressCallback) -> None:
        self.plan, self.split, self.seed, self.effort = plan, split, seed, effort
        self.report = report
        order = np.random.default_rng(seed).permutation(len(split.train))
        self.rows = split.train[order[: effort.rows]]

    def our_recipe(self) -> tuple[nn.Module, KnotProblem]:
        """Train with Adam at the learning rate with the best first epochs, then small networks with second order."""
        effort = self.effort
        losses = [self._adam(rate, effort.look)[2] for rate in RATES]
        rate = RATES[losses.index(min(losses))]
        model = self.plan.model(self.split.classes, self.seed)
        is_small = sum(p.numel() for name, p in model.named_parameters() if not name.endswith(".base")) <= effort.small
        if self.plan.head == "softmax":
            return self._adam(rate, effort.long)[:2]
        model, problem, _ = self._adam(rate, effort.epochs if is_small else effort.long)
        model = without_base(model) if isinstance(model, KAN) else model
        if not is_small:
            return model, problem
        second = self._problem(self.rows[: effort.second_rows], torch.float64)
        with torch.no_grad():
            for name, value in second.unknowns.items():
                value.copy_(problem.unknowns[name])
        model = model.double()
        self._fit(model, second, LevenbergMarquardt(), steps=effort.steps)
        return model, second

    def deepmind_recipe(self) -> tuple[nn.Module, KnotProblem]:
        """Train as DeepMind's notebook does.

        Adam with batches of 64 and at most 10,000 steps; the validation loss is checked every 100 steps and training
        ends when it first rises. tanh replaces its sigmoid, which spans the same functions.
        """
        model, problem = self.plan.model(self.split.classes, self.seed), self._problem(self.rows, torch.float32)
        settings = {"batch_size": 64, "evaluate_every": 100, "patience": 1}
        self._fit(model, problem, Adam(lr=1e-3, schedule=None), steps=self.effort.deepmind_steps, **settings)
        return model, problem

    def _adam(self, rate: float, epochs: int) -> tuple[nn.Module, KnotProblem, float]:
        model, problem = self.plan.model(self.split.classes, self.seed), self._problem(self.rows, torch.float32)
        batches = max(1, len(self.rows) // BATCH)
        settings = {"batch_size": BATCH, "evaluate_every": batches}
        report = self._fit(model, problem, Adam(lr=rate), steps=epochs * batches, **settings)
        return model, problem, report.validation_loss

    def _fit(
        self, model: nn.Module, problem: KnotProblem, method: Adam | LevenbergMarquardt, **settings: Any
    ) -> FitReport:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # outliers are outside the grids on purpose
            return fit(model, problem, method, seed=self.seed, callbacks=[self.report], **settings)

    def _problem(self, rows: np.ndarray, dtype: torch.dtype) -> KnotProblem:
        kind = OrdinalClassification if self.plan.head == "ordinal" else Classification
        names = INPUTS[self.plan.inputs]
        train, validation = (
            (self.split.inputs(names, part, dtype), self.split.labels(part)) for part in (rows, self.split.validation)
        )
        return kind(*train, classes=self.split.classes, validation=validation)
