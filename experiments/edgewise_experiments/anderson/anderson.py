"""Anderson localisation: mobility edges of three quasiperiodic chains, learned from states and read as formulas.

The states come from exact diagonalisation of open chains (`data.anderson`); a state counts as extended if its fractal
dimension is above 0.5. Parameters and phases are drawn uniformly from the ranges of the chain, and the test set has
chains of its own. A KAN with one output and one threshold separates extended from localised states; the edge is where
the output equals the threshold. Penalties on sparsity and roughness keep the output simple, so that it can be read
without help (`read_edge`). The assisted variants fix functions of edges as the user of the KAN paper does, and
`symbolify` reads the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise import KAN, Regression, fit, symbolify
from edgewise.nn import MLP
from edgewise.outcomes import ProgressCallback
from edgewise.train import LevenbergMarquardt, OrdinalClassification, Roughness, Sparsity
from edgewise_experiments.anderson.mobility_edges import ReadEdge, read_edge
from edgewise_experiments.data.anderson import CHAINS
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    repeats,
    run_jobs,
    working_seconds,
)

THRESHOLD = 0.5  # of the fractal dimension: states above it count as extended
THRESHOLDS = (0.4, 0.5, 0.6)  # with which the exact edges are scored
SIZES, QUICK_SIZES = (144, 377, 987), (89, 144)  # sites of the chains of the exact edges: Fibonacci numbers
TEST_SEED = 1_000_000  # the first seed of test chains, far from those of training
STARTS, TRIAL_STEPS, STEPS = 3, 20, 60  # of a network: starts, steps of each, and further steps of the best
STRENGTHS = ((3e-3, 1e-2), (1e-3, 1e-6))  # of sparsity and roughness; the validation loss decides between the pairs
HIDDEN = ((1, 1),)  # a sum, and a product of two sums
NOTES = (
    "Accuracies in per cent are shares of states that are on the correct side of the edge: a state counts as extended "
    "if its fractal dimension is above 0.5. The exact edges are also scored with the thresholds 0.4, 0.5 and 0.6, "
    "from left to right. The KAN paper does not state its sizes, ranges and thresholds; ours are in the code. The "
    "accuracy of an exact edge rises with the size of the chains, as it should: it would be 100 % for chains of "
    "infinite size.",
    "Learned accuracies are means of the seeds with the standard deviation; the formula is that of the first seed.",
)


@dataclass(frozen=True)
class Reading:
    """A network for a chain whose formula is read."""

    chain: str
    name: str
    hidden: tuple
    functions: tuple = ()
    paper: float | None = None
    grid: int = 4

    def model(self, seed: int) -> KAN:
        """Build the network."""
        width = [len(CHAINS[self.chain].columns), *self.hidden, 1]
        return KAN(width, self.grid, 3, base="identity", functions=self.functions, seed=seed, dtype=torch.float64)


def _assisted(decay: Sequence[str], output: tuple | None) -> tuple:
    """Fix edges of [3, (1, 1), 1] for MAAM.

    E enters the sum alone, lambda one factor of the product, and p the sum and the other factor.
    """
    return (("x", "0", "0"), ("0", "x", "0"), tuple(decay)), output


_LINES = (("x",), ("x",))
READINGS = (
    Reading("Mosaic", "automatic", (), grid=20),
    Reading("GAAM", "automatic", HIDDEN, paper=99.0),
    Reading("MAAM", "automatic", HIDDEN, paper=97.1),
    Reading("MAAM", "E and lambda linear", HIDDEN, _assisted(("", "0", ""), None), 97.7),
    Reading("MAAM", "output linear too", HIDDEN, _assisted(("", "0", ""), _LINES), 97.7),
    Reading("MAAM", "p by cosh", HIDDEN, _assisted(("cosh", "0", "cosh"), _LINES), 96.6),
    Reading("MAAM", "p by a square", HIDDEN, _assisted(("x^2", "0", "x^2"), _LINES), 95.4),
)
THEORY = {"GAAM": 99.2, "MAAM": 98.6}  # accuracies in per cent that the paper states for the exact edges


@dataclass(frozen=True)
class Effort:
    """The amount of data and work."""

    size: int = 377
    draws: int = 300
    states: int = 20
    time_limit: float = 20.0


QUICK = Effort(89, 80, 10, 0.5)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Measure three seeds of samples by default."""
    effort, jobs = QUICK if quick else Effort(), []
    for seed in seeds or ((0,) if quick else (0, 1, 2)):
        key = {"seed": seed, "quick": quick}
        for chain in CHAINS:
            for size in QUICK_SIZES if quick else SIZES:
                own = {**key, "part": "theory", "chain": chain, "size": size}
                work = partial(measure_exact_edge, chain, size, seed, quick)
                jobs.append(Job(f"{chain}, theory, {size} sites", own, work))
            own = {**key, "part": "MLP", "chain": chain, "size": effort.size}
            jobs.append(Job(f"{chain}, MLP", own, partial(measure_mlp, chain, seed, effort)))
        for reading in READINGS[:1] if quick else READINGS:
            own = {**key, "part": "KAN", "chain": reading.chain, "name": reading.name, "size": effort.size}
            jobs.append(Job(f"{reading.chain}, {reading.name}", own, partial(measure_kan, reading, seed, effort)))
    return summary(run_jobs(jobs, store, progress))


def measure_exact_edge(name: str, size: int, seed: int, quick: bool, report: ProgressCallback) -> dict:
    """Measure the share of states on the correct side of a chain's exact edge, for each threshold."""
    chain = CHAINS[name]
    x, dimension = chain.samples(size, 10 if quick else 100, size, TEST_SEED + seed)
    localised = chain.edge(*x.T) > 0
    shares = [float(((dimension < threshold) == localised).mean()) for threshold in THRESHOLDS]
    return {"accuracy": shares, "states": len(x), "localised": float(localised.mean())}


def measure_mlp(name: str, seed: int, effort: Effort, report: ProgressCallback) -> dict:
    """Train an MLP on the states of a chain and score it."""
    inputs, samples = len(CHAINS[name].columns), StateSamples(name, seed, effort)

    def make(start: int) -> MLP:
        return MLP([inputs, 10, 10, 1], activation="tanh", seed=start, dtype=torch.float64)

    return samples.score(*train_best_start(make, samples, seed, report))


def measure_kan(reading: Reading, seed: int, effort: Effort, report: ProgressCallback) -> dict:
    """Train a KAN on the states of a chain, score it, and read the edge as a formula."""
    samples = StateSamples(reading.chain, seed, effort)
    model, threshold = train_best_start(reading.model, samples, seed, report)
    chain, limit = CHAINS[reading.chain], effort.time_limit
    if reading.functions:
        edge = assisted_edge(model, threshold, samples.train[0], chain.columns, limit)
    else:
        edge = read_edge(model, threshold, chain, samples.train, samples.validation, seed=seed, time_limit=limit)
    return {
        **samples.score(model, threshold),
        "extended": edge.text,
        "symbols": edge.symbols,
        "formula_accuracy": edge.accuracy(*samples.test),
    }


def assisted_edge(model: KAN, threshold: float, x: Tensor, columns: Sequence[str], limit: float) -> ReadEdge:
    """Return the network's own formula: `symbolify` chooses the functions of all edges that are not fixed."""
    with torch.no_grad():
        output = model(x)
    formula = symbolify(model, Regression(x, output), names=columns, time_limit=limit).best.formula
    return ReadEdge(f"{formula.text(3)} > {threshold:.3g}", formula.complexity, lambda x: formula(x) > threshold)


class StateSamples:
    """States of a chain, extended (1) or localised (0): training, validation and test sets with chains of their own."""

    def __init__(self, name: str, seed: int, effort: Effort) -> None:
        def drawn(draws: int, first_seed: int) -> tuple[Tensor, Tensor]:
            x, dimension = CHAINS[name].samples(effort.size, draws, effort.states, first_seed)
            return torch.from_numpy(x), torch.from_numpy((dimension > THRESHOLD).astype(np.int64))

        self.train = drawn(effort.draws, seed)
        self.validation = drawn(effort.draws // 3, 1000 + seed)
        self.test = drawn(effort.draws, TEST_SEED + seed)

    def problem(self) -> OrdinalClassification:
        """Return the classification into two ordered classes."""
        return OrdinalClassification(*self.train, classes=2, validation=self.validation)

    def score(self, model: KAN | MLP, threshold: float) -> dict:
        """Return the accuracy on the test states and the number of parameters, the threshold included."""
        x, extended = self.test
        with torch.no_grad():
            output = model(x)[:, 0].numpy()
        return {
            "accuracy": float(((output > threshold) == extended.numpy().astype(bool)).mean()),
            "parameters": sum(p.numel() for p in model.parameters()) + 1,
        }


def train_best_start(
    make: Callable[[int], Any], samples: StateSamples, seed: int, report: ProgressCallback
) -> tuple[Any, float]:
    """Train several starts for a few steps and the one with the lowest validation loss to the end."""

    def trained(model: KAN | MLP, problem: OrdinalClassification, penalty: Any, steps: int) -> float:
        found = fit(model, problem, LevenbergMarquardt(), steps=steps, penalty=penalty, callbacks=[report])
        return found.validation_loss

    penalties: list = [None]
    example = make(seed)
    if isinstance(example, KAN) and any(example.config.grid_size):
        # Roughness is defined for layers of splines alone.
        pairs = [(Sparsity(sparse), Roughness(rough)) for sparse, rough in STRENGTHS]
        penalties = [sparse if example.config.functions else sparse + rough for sparse, rough in pairs]
    starts = [(make(seed + number), samples.problem(), penalty) for penalty in penalties for number in range(STARTS)]
    losses = [trained(*start, TRIAL_STEPS) for start in starts]
    best = starts[losses.index(min(losses))]
    trained(*best, STEPS)
    return best[0], float(best[1].thresholds)


def summary(rows: list[dict]) -> Outcome:
    """Show the accuracies of the exact edges by size, and those of networks and formulas with the paper's."""
    rows = latest(rows, "part", "chain", "name", "size", "seed")
    if not rows:
        return NO_ROWS
    exact = [row for row in rows if row["part"] == "theory"]
    learned = [row for row in rows if row["part"] != "theory"]
    sizes = tuple(dict.fromkeys(row["size"] for row in exact))
    exact_lines = []
    for chain in dict.fromkeys(row["chain"] for row in exact):
        shares = _shares_by_size(exact, chain)
        cells = [" · ".join(map(_percent, shares[size])) if size in shares else "-" for size in sizes]
        exact_lines.append((f"{chain}: {CHAINS[chain].text} > 0", *cells, _stated(THEORY.get(chain))))
    learned_lines = []
    for seeds in repeats(learned, "part", "chain", "name"):
        row = seeds[0]
        readings = [one for one in READINGS if (one.chain, one.name) == (row["chain"], row.get("name"))]
        read = (_spread(seeds, "formula_accuracy"), _stated(readings[0].paper)) if readings else ("-", "-")
        seconds = fmean(working_seconds(each) for each in seeds)
        learned_lines.append(
            (
                f"{row['chain']}, {row.get('name', row['part'])}",
                f"{row['parameters']:,}",
                _spread(seeds, "accuracy"),
                *read,
                f"{seconds:.0f}",
                row["extended"] if readings else "-",
            )
        )
    columns = ("chain", "numbers", "accuracy", "formula's", "paper", "seconds", "extended where")
    automatic = [row for row in learned if row.get("name") == "automatic"]
    found = [
        f"{own[0]['chain']} {100 * share:.1f} %"
        for own in repeats(automatic, "chain")
        if (share := median(row["formula_accuracy"] for row in own)) is not None
    ]
    extent = {
        "formulas found without help": ", ".join(found) or "-",
        "sites of the learned chains": " or ".join(map(str, sorted({row["size"] for row in learned}))) or "-",
        "seeds": str(len({row["seed"] for row in rows})),
    }
    tables = (
        ResultTable(
            ("localised where", *(f"{size} sites" for size in sizes), "paper"), tuple(exact_lines), "Exact edges"
        ),
        ResultTable(columns, tuple(learned_lines), "Learned"),
        key_figures(extent),
    )
    return Outcome(tables, NOTES, {"sizes": partial(draw_sizes, exact)})


def _shares_by_size(rows: Sequence[dict], chain: str) -> dict[int, np.ndarray]:
    """Return the exact edge's accuracy for each threshold, (3,), the mean of the seeds, by the size of the chain."""
    own = [row for row in rows if row["chain"] == chain]
    sizes = sorted({row["size"] for row in own})
    return {size: np.mean([row["accuracy"] for row in own if row["size"] == size], 0) for size in sizes}


def draw_sizes(rows: Sequence[dict]) -> Figure:
    """Draw the share of states on the wrong side of the exact edge against the size, a panel for each chain."""
    from edgewise_experiments.plots.errors import Curve, error_curves

    panels = {}
    for chain in dict.fromkeys(row["chain"] for row in rows):
        shares = _shares_by_size(rows, chain)
        panels[chain] = [
            Curve(f"extended: D > {threshold}", list(shares), [100 * (1 - share[number]) for share in shares.values()])
            for number, threshold in enumerate(THRESHOLDS)
        ]
    return error_curves(panels, xlabel="sites", ylabel="on the wrong side, %")


def _spread(seeds: Sequence[dict], name: str) -> str:
    """Return the mean of the seeds in per cent, with the standard deviation if there are several."""
    shares = [row[name] for row in seeds]
    spread = f" ± {100 * stdev(shares):.1f}" if len(shares) > 1 else ""
    return _percent(fmean(shares)) + spread


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _stated(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
