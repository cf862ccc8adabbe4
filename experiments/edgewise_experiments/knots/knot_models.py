"""KANs and MLPs that learn a knot's signature: which are tried, and how one is trained and judged.

A signature is ordered, so one output and thresholds between the classes are enough (`OrdinalClassification`), for KANs
and MLPs alike. With as many outputs as classes the networks of the KAN paper and of others are repeated as stated.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from edgewise import KAN, MLP, Adam, Classification, LevenbergMarquardt, OrdinalClassification, ProductLayer, fit
from edgewise.datasets import KNOT_FEATURES, SLOPE_COLUMNS
from edgewise.errors import EdgewiseWarning
from edgewise.interpret import input_scores
from edgewise_experiments.knots.knot_table import KnotSplit
from edgewise_experiments.runner.jobs import Tell

# Nine of the 17 inputs say nearly all: an injectivity radius is half a geodesic's length, one torsion degree is nearly
# 3 / 2 of the other, and six columns are zero but for knots with rare symmetries.
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
Posed = OrdinalClassification | Classification
BATCH = 1024
RATES = (1e-2, 3e-2, 6e-2)  # of Adam, all looked at
Nodes = int | tuple[int, int]  # of a hidden layer of a KAN: sums, or sums and products of two sums
SCORED = 5000  # validation rows on which inputs are scored


@dataclass(frozen=True)
class Plan:
    """kind: "KAN" or "MLP". head: "ordinal" (one output) or "softmax" (one for each class). inputs: a key of `INPUTS`.
    grid, degree: of a KAN. activation: of an MLP. recipe: "ours", or "DeepMind" for that of its notebook. stated: the
    accuracy in per cent that its source has for the network, None for our own."""

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
        width = [len(INPUTS[self.inputs]), *self.hidden, classes if self.head == "softmax" else 1]
        if self.kind == "MLP":
            return MLP(width, activation=self.activation, seed=seed)
        # The paper's edges have silu; ours begin with straight lines, which become part of the splines.
        base = "silu" if self.head == "softmax" else "identity"
        return KAN(width, self.grid, self.degree, base=base, seed=seed)

    def key(self) -> dict:
        """What decides the row, as plain JSON values."""
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
    """rows: most training rows. look: epochs of Adam for each learning rate. small: models of at most so many
    parameters get `epochs` more at the better rate, and `steps` of Levenberg-Marquardt on `second_rows` rows; larger
    ones, and those with an output for each class, get `long` epochs. deepmind_steps: of its recipe. rounds: of
    boosting, as a share of the usual number."""

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
    """One output and thresholds: as many sizes of either kind, the smallest first."""
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
    """Networks of the sources, with the accuracy that they state: KANs and DeepMind's MLP in the KAN paper's tables 3
    and 4, small MLPs in the README of SHI-Labs/CompactNet."""
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
    """The same function without an identity beside each spline, which holds the straight line itself: the means of
    neighbouring knots are its coefficients (Greville's abscissae, see `deepen`)."""
    twin = KAN.from_config(replace(model.config, base="zero"), dtype=model.dtype)
    state = {name: value for name, value in model.state_dict().items() if not name.endswith(".base")}
    for number, layer in enumerate(model.layers):
        if isinstance(layer, ProductLayer):
            continue
        places = layer.knots.unfold(1, layer.degree, 1)[:, 1 : layer.coef.shape[1] + 1].mean(2)
        state[f"layers.{number}.coef"] = layer.coef + places[..., None] * layer.base[:, None, :]
    twin.load_state_dict(state)
    return twin


def numbers_of(model: nn.Module) -> int:
    """Numbers that a network needs: all that are trained, but splines without base whose edges meet in one sum share
    one constant. B-splines sum to one, so of n coefficients n - 1 and that constant give the same functions."""
    layers = [layer for layer in model.layers if not isinstance(layer, ProductLayer)]
    if not isinstance(model, KAN) or model.config.base != "zero":
        return sum(p.numel() for p in model.parameters())
    return sum(layer.mask.numel() * (layer.coef.shape[1] - 1) + layer.out_features for layer in layers)


def train(plan: Plan, split: KnotSplit, seed: int, effort: Effort, tell: Tell) -> dict:
    """Trains one network; every choice is made on validation rows, the accuracy is that on test rows."""
    start, start_cpu = time.perf_counter(), time.process_time()
    training = _Training(plan, split, seed, effort, tell)
    model, problem = training.as_deepmind() if plan.recipe == "DeepMind" else training.looked_at_and_continued()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    names, dtype = INPUTS[plan.inputs], next(model.parameters()).dtype
    judged = problem.train_loader is None and isinstance(problem, OrdinalClassification)

    def signature(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output = model(split.inputs(names, rows, dtype))
        return 2 * (problem.classify(output) if judged else output.argmax(1)).numpy() + split.lowest

    accuracy, error = split.share_right(signature(split.test))
    thresholds = split.classes - 1 if plan.head == "ordinal" else 0
    row = {
        "accuracy": accuracy,
        "error": error,
        "validation": float((signature(split.validation) == split.knots.y[split.validation]).mean()),
        "parameters": numbers_of(model) + thresholds,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
    }
    if plan.kind == "KAN":
        scores = input_scores(model.trace(split.inputs(names, split.validation[:SCORED], dtype)))
        row["scores"] = dict(zip(names, scores.tolist(), strict=True))
    return row


class _Training:
    """One network at work."""

    def __init__(self, plan: Plan, split: KnotSplit, seed: int, effort: Effort, tell: Tell):
        self.plan, self.split, self.seed, self.effort, self.tell = plan, split, seed, effort, tell
        order = np.random.default_rng(seed).permutation(len(split.train))
        self.rows = split.train[order[: effort.rows]]

    def looked_at_and_continued(self) -> tuple[nn.Module, Posed]:
        """Adam with the learning rate whose first epochs are best, then Levenberg-Marquardt where it pays."""
        effort = self.effort
        looks = [self._adam(rate, effort.look)[2] for rate in RATES]
        rate = RATES[looks.index(min(looks))]
        model = self.plan.model(self.split.classes, self.seed)
        is_small = sum(p.numel() for name, p in model.named_parameters() if not name.endswith(".base")) <= effort.small
        if self.plan.head == "softmax":
            return self._adam(rate, effort.long)[:2]
        model, problem, _ = self._adam(rate, effort.epochs if is_small else effort.long)
        model = without_base(model) if self.plan.kind == "KAN" else model
        if not is_small:
            return model, problem
        second = self._problem(self.rows[: effort.second_rows], torch.float64)
        with torch.no_grad():
            for name, value in second.unknowns.items():
                value.copy_(problem.unknowns[name])
        model = model.double()
        self._fit(model, second, LevenbergMarquardt(), steps=effort.steps)
        return model, second

    def as_deepmind(self) -> tuple[nn.Module, Posed]:
        """As its notebook: Adam, batches of 64, 10,000 steps at most, looking every 100 and stopping at the first rise;
        tanh for its sigmoid, the same functions."""
        model, problem = self.plan.model(self.split.classes, self.seed), self._problem(self.rows, torch.float32)
        self._fit(
            model,
            problem,
            Adam(lr=1e-3, schedule=None),
            steps=self.effort.deepmind_steps,
            batch_size=64,
            evaluate_every=100,
            patience=1,
        )
        return model, problem

    def _adam(self, rate: float, epochs: int) -> tuple[nn.Module, Posed, float]:
        model, problem = self.plan.model(self.split.classes, self.seed), self._problem(self.rows, torch.float32)
        batches = max(1, len(self.rows) // BATCH)
        report = self._fit(
            model, problem, Adam(lr=rate), steps=epochs * batches, batch_size=BATCH, evaluate_every=batches
        )
        return model, problem, report.validation_loss

    def _fit(self, model: nn.Module, problem: Posed, method, **settings):
        def watch(event) -> None:
            self.tell(type(method).__name__, event.step / event.steps, event.loss)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # far-out values lie outside the grids on purpose
            report = fit(model, problem, method, seed=self.seed, callbacks=[watch], **settings)
        if report.stopped == "interrupted":
            raise KeyboardInterrupt  # a fit that was cut short is no result
        return report

    def _problem(self, rows: np.ndarray, dtype: torch.dtype) -> Posed:
        kind = OrdinalClassification if self.plan.head == "ordinal" else Classification
        data = [self._tensors(part, dtype) for part in (rows, self.split.validation)]
        return kind(*data[0], classes=self.split.classes, validation=data[1])

    def _tensors(self, rows: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return self.split.inputs(INPUTS[self.plan.inputs], rows, dtype), self.split.labels(rows)
