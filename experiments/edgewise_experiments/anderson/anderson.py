"""Anderson localisation: mobility edges of three quasiperiodic chains, learned from states and read as formulas.

States by exact diagonalisation of open chains (`datasets.anderson`); one is called extended where its fractal dimension
is above 0.5. Parameters are drawn uniformly from the ranges there, phases too; tests have chains of their own. A KAN
with one output and one threshold tells extended from localised states; where its output meets the threshold lies the
edge. Sparsity and roughness keep the output simple, so that it can be read without help (`read_edge`). Assisted steps
fix functions of edges as the KAN paper's user does, and `symbolify` reads the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev

import numpy as np
import torch

from edgewise import (
    KAN,
    MLP,
    LevenbergMarquardt,
    OrdinalClassification,
    Regression,
    Roughness,
    Sparsity,
    fit,
    symbolify,
)
from edgewise_experiments.anderson.mobility_edges import ReadEdge, read_edge
from edgewise_experiments.data.anderson import CHAINS
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, repeats, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable
from edgewise_experiments.runner.store import Store

THRESHOLD = 0.5  # of the fractal dimension
THRESHOLDS = (0.4, 0.5, 0.6)
SIZES, QUICK_SIZES = (144, 377, 987), (89, 144)
TEST_SEED = 1_000_000
STARTS, LOOK, STEPS = 3, 20, 60
STRENGTHS = ((3e-3, 1e-2), (1e-3, 1e-6))  # of sparsity and roughness; those of the lower validation loss are kept
HIDDEN = ((1, 1),)  # a sum, and a product of two sums


@dataclass(frozen=True)
class Reading:
    """A network for a chain, and the accuracy in per cent that the paper has for its formula, None where it has none.

    hidden: as in a KAN's width. functions: of its edges, see `KANConfig`. grid: of its splines.
    """

    chain: str
    name: str
    hidden: tuple
    functions: tuple = ()
    paper: float | None = None
    grid: int = 4

    def model(self, seed: int) -> KAN:
        width = [len(CHAINS[self.chain].columns), *self.hidden, 1]
        return KAN(width, self.grid, 3, base="identity", functions=self.functions, seed=seed, dtype=torch.float64)


def _assisted(decay: Sequence[str], output: tuple | None) -> tuple:
    """Edges of [3, (1, 1), 1] for MAAM: E alone in the sum, lambda in one factor, p in the sum and the other factor."""
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
THEORY = {"GAAM": 99.2, "MAAM": 98.6}  # the paper's accuracy of the exact edge, in per cent


@dataclass(frozen=True)
class Effort:
    """size of the chains, draws of parameters for training and tests, states of each, seconds for a formula."""

    size: int = 377
    draws: int = 300
    states: int = 20
    time_limit: float = 20.0


QUICK = Effort(89, 80, 10, 0.5)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds of samples unless told otherwise; of several starts the best by validation loss."""
    effort, jobs = QUICK if quick else Effort(), []
    for seed in seeds or ((0,) if quick else (0, 1, 2)):
        key = {"seed": seed, "quick": quick}
        for chain in CHAINS:
            for size in QUICK_SIZES if quick else SIZES:
                own = {**key, "part": "theory", "chain": chain, "size": size}
                jobs.append(Job(f"{chain}, theory, {size} sites", own, partial(_theory, chain, size, seed, quick)))
            own = {**key, "part": "MLP", "chain": chain, "size": effort.size}
            jobs.append(Job(f"{chain}, MLP", own, partial(_mlp, chain, seed, effort)))
        for reading in READINGS[:1] if quick else READINGS:
            own = {**key, "part": "KAN", "chain": reading.chain, "name": reading.name, "size": effort.size}
            jobs.append(Job(f"{reading.chain}, {reading.name}", own, partial(_kan, reading, seed, effort)))
    return summary(run_jobs(jobs, store, progress, line))


def _theory(name: str, size: int, seed: int, quick: bool, tell: Tell) -> dict:
    """How many states lie on the side of the exact edge that their dimension says, for each threshold."""
    chain = CHAINS[name]
    x, dimension = chain.samples(size, 10 if quick else 100, size, TEST_SEED + seed)
    localised = chain.edge(*x.T) > 0
    shares = [float(((dimension < threshold) == localised).mean()) for threshold in THRESHOLDS]
    return {"accuracy": shares, "states": len(x), "localised": float(localised.mean())}


class _Samples:
    """Extended (1) or localised (0) states for training, validation and tests, each with chains of their own."""

    def __init__(self, name: str, seed: int, effort: Effort):
        chain = CHAINS[name]
        self.parts = []
        for draws, start in ((effort.draws, seed), (effort.draws // 3, 1000 + seed), (effort.draws, TEST_SEED + seed)):
            x, dimension = chain.samples(effort.size, draws, effort.states, start)
            self.parts.append((torch.from_numpy(x), torch.from_numpy((dimension > THRESHOLD).astype(np.int64))))

    def problem(self) -> OrdinalClassification:
        train, validation, _ = self.parts
        return OrdinalClassification(*train, classes=2, validation=validation)

    def accuracy(self, output: np.ndarray, threshold: float) -> float:
        """Of the test states."""
        return float(((output > threshold) == self.parts[2][1].numpy().astype(bool)).mean())


def _trained(make: Callable[[int], KAN | MLP], samples: _Samples, seed: int, tell: Tell) -> tuple:
    """The start with the lowest validation loss after a few steps, trained on; with its threshold."""
    penalties = [None]
    if isinstance(example := make(seed), KAN) and any(example.config.grid_size):
        # Roughness is for layers of splines alone.
        both = [(Sparsity(sparse), Roughness(rough)) for sparse, rough in STRENGTHS]
        penalties = [sparse if example.config.functions else sparse + rough for sparse, rough in both]
    started = [(make(seed + n), samples.problem(), penalty) for penalty in penalties for n in range(STARTS)]
    losses = [_fit(*each, LOOK, tell) for each in started]
    best = started[losses.index(min(losses))]
    _fit(*best, STEPS, tell)
    return best[0], float(best[1].thresholds)


def _fit(model, problem: OrdinalClassification, penalty, steps: int, tell: Tell) -> float:
    """The validation loss after some steps."""

    def watch(event) -> None:
        tell("", event.step / event.steps, event.loss)

    report = fit(model, problem, LevenbergMarquardt(), steps=steps, penalty=penalty, callbacks=[watch])
    if report.stopped == "interrupted":
        raise KeyboardInterrupt  # a fit that was cut short is no result
    return report.validation_loss


def _mlp(name: str, seed: int, effort: Effort, tell: Tell) -> dict:
    inputs, samples = len(CHAINS[name].columns), _Samples(name, seed, effort)

    def make(start: int) -> MLP:
        return MLP([inputs, 10, 10, 1], activation="tanh", seed=start, dtype=torch.float64)

    model, threshold = _trained(make, samples, seed, tell)
    return _measured(model, samples, threshold)


def _kan(reading: Reading, seed: int, effort: Effort, tell: Tell) -> dict:
    samples = _Samples(reading.chain, seed, effort)
    model, threshold = _trained(reading.model, samples, seed, tell)
    train, validation, test = samples.parts
    chain, limit = CHAINS[reading.chain], effort.time_limit
    if reading.functions:
        edge = _assisted_edge(model, threshold, train[0], chain.columns, limit)
    else:
        edge = read_edge(model, threshold, chain, train, validation, seed=seed, time_limit=limit)
    return {
        **_measured(model, samples, threshold),
        "extended": edge.text,
        "symbols": edge.symbols,
        "formula_accuracy": edge.share_right(*test),
    }


def _assisted_edge(model: KAN, threshold: float, x: torch.Tensor, columns: Sequence[str], limit: float) -> ReadEdge:
    """The network's own formula, its edges' functions but those that are given found by `symbolify`."""
    with torch.no_grad():
        output = model(x)
    formula = symbolify(model, Regression(x, output), names=columns, time_limit=limit).best.formula
    return ReadEdge(f"{formula.text(3)} > {threshold:.3g}", formula.complexity, lambda x: formula(x) > threshold)


def _measured(model, samples: _Samples, threshold: float) -> dict:
    with torch.no_grad():
        output = model(samples.parts[2][0])[:, 0].numpy()
    return {
        "accuracy": samples.accuracy(output, threshold),
        "parameters": sum(p.numel() for p in model.parameters()) + 1,
    }


def summary(rows: list[dict]) -> Outcome:
    """Accuracies of the exact edge by size, and of networks and formulas beside the paper's."""
    rows = latest(rows, "part", "chain", "name", "size", "seed")
    if not rows:
        return NO_ROWS
    theory = [row for row in rows if row["part"] == "theory"]
    sizes = tuple(dict.fromkeys(row["size"] for row in theory))
    lines = []
    for chain in dict.fromkeys(row["chain"] for row in theory):
        cells = [
            " · ".join(map(_percent, _mean_shares(theory, chain, size))) if size in _sizes(theory, chain) else "-"
            for size in sizes
        ]
        lines.append((f"{chain}: {CHAINS[chain].text} > 0", *cells, _stated(THEORY.get(chain))))
    exact = ResultTable(("localised where", *(f"{size} sites" for size in sizes), "paper"), tuple(lines), "Exact edges")
    networks = [row for row in rows if row["part"] != "theory"]
    found = [_learned(seeds) for seeds in repeats(networks, "part", "chain", "name")]
    columns = ("chain", "numbers", "accuracy", "formula's", "paper", "seconds", "extended where")
    thresholds = " · ".join(map(str, THRESHOLDS))
    sentences = (
        "Accuracy in per cent: the share of states on the side that their fractal dimension says, extended above "
        f"{THRESHOLD}; exact edges also for other thresholds, {thresholds} from left to right.",
        "The paper does not say its sizes, ranges and thresholds; ours are in the code. The exact edges get better "
        "with the size of the chains, as they should: what is missing to 100 % is their finite size.",
        *_about(rows),
    )
    return Outcome((exact, ResultTable(columns, tuple(found), "Learned")), sentences, {"sizes": partial(_draw, theory)})


def _about(rows: Sequence[dict]) -> list[str]:
    sizes = sorted({row["size"] for row in rows if row["part"] != "theory"})
    seeds = len({row["seed"] for row in rows})
    said = f"Learned at {' or '.join(map(str, sizes))} sites, {seeds} seed(s); of a formula the first seed's is shown."
    return [said] if sizes else []


def _sizes(theory: Sequence[dict], chain: str) -> list[int]:
    """Those in which a chain's exact edge was checked."""
    return sorted({row["size"] for row in theory if row["chain"] == chain})


def _mean_shares(theory: Sequence[dict], chain: str, size: int) -> np.ndarray:
    """Accuracies of the exact edge for each threshold, (3,), means of the seeds."""
    return np.mean([row["accuracy"] for row in theory if (row["chain"], row["size"]) == (chain, size)], 0)


def _learned(seeds: Sequence[dict]) -> tuple[str, ...]:
    """A line of the table of networks: means of the seeds, and the first seed's formula."""
    row = seeds[0]
    paper = [one.paper for one in READINGS if (one.chain, one.name) == (row["chain"], row.get("name"))]
    seconds = fmean(working_seconds(each) for each in seeds)
    read = (_spread([each["formula_accuracy"] for each in seeds]), _stated(paper[0])) if paper else ("-", "-")
    numbers = f"{row['parameters']:,}", _spread([each["accuracy"] for each in seeds])
    label = f"{row['chain']}, {row.get('name', row['part'])}"
    return (label, *numbers, *read, f"{seconds:.0f}", row["extended"] if paper else "-")


def _spread(shares: Sequence[float]) -> str:
    """The mean in per cent, with the standard deviation where there are several."""
    spread = f" ± {100 * stdev(shares):.1f}" if len(shares) > 1 else ""
    return _percent(fmean(shares)) + spread


def _draw(theory: Sequence[dict]):
    from edgewise.plot import Curve, error_curves

    groups = {}
    for chain in dict.fromkeys(row["chain"] for row in theory):
        sizes = _sizes(theory, chain)
        wrong = [100 * (1 - _mean_shares(theory, chain, size)) for size in sizes]
        groups[chain] = [
            Curve(f"extended: D > {t}", sizes, [shares[i] for shares in wrong]) for i, t in enumerate(THRESHOLDS)
        ]
    return error_curves(groups, xlabel="sites", ylabel="on the wrong side, %")


def line(row: dict) -> str:
    """A stored row for people."""
    if row["part"] == "theory":
        return f"{row['chain']}, {row['size']} sites: the exact edge {_percent(row['accuracy'][1])} %"
    read = f", formula {_percent(row['formula_accuracy'])} %" if "formula_accuracy" in row else ""
    return (
        f"{row['chain']}, {row.get('name', row['part'])}: {_percent(row['accuracy'])} %{read}, {row['seconds']:.0f} s"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _stated(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
