"""The KAN paper's guide "Should I use KANs or MLPs?", each leaf judged by stored results of other experiments.

The leaves are those of the figure in Liu et al. (arXiv 2404.19756). Run the experiments that they name first, with the
same --out, because the guide reads their rows. A leaf whose experiment has no rows is marked as not measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edgewise.outcomes import ProgressCallback
from edgewise_experiments.formulas.formulas import PROBLEMS
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median, times
from edgewise_experiments.runner.store import Store
from edgewise_experiments.theory import representation
from edgewise_experiments.theory.continual_learning import CASES, CHOICES, best_rows, forgets, latest_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Should I use KANs or MLPs?"
HOLDS, PARTLY, FAILS, UNKNOWN = "holds", "partly", "contradicted", "not measured"
SAME_SCORE = 0.02  # a score that is lower by less counts as equal
FEW_INPUTS = 3  # largest number of variables of a formula of low dimension
NOTES = (
    "The question, the need and the advice are those of the paper's figure. Here: whether the rows of the named "
    "experiment support the advice, by the measured comparison in the last column. Advice holds if it is right in "
    "more than three quarters of the cases, and partly if it is right in more than a quarter.",
)


@dataclass(frozen=True)
class Finding:
    """Verdict on the advice of a leaf, and the measured comparison on which it rests."""

    verdict: str
    measured: str


@dataclass(frozen=True)
class Leaf:
    """A leaf of the paper's figure, the experiment that measures it, and the function that judges its rows."""

    need: str
    question: str
    advice: str
    source: str
    judge: Callable[[list[dict]], Finding]


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Judge the rows that the other experiments stored in the same folder; seeds have no effect."""
    jobs = []
    for leaf in LEAVES:
        rows = store.beside(f"{leaf.source}-quick" if quick else leaf.source)
        digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
        key = {"leaf": leaf.question, "source": leaf.source, "rows": len(rows), "digest": digest}
        jobs.append(Job(leaf.question, key, partial(verdict_of, leaf, rows)))
    return summary(run_jobs(jobs, store, progress, line))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of leaves with their verdicts, the key figures, and the drawing of the guide."""
    judged = {row["leaf"]: row for row in latest(rows, "leaf")}
    leaves = [(leaf, judged[leaf.question]) for leaf in LEAVES if leaf.question in judged]
    lines = tuple(
        (leaf.question, leaf.need, leaf.advice, row["verdict"], leaf.source, row["measured"]) for leaf, row in leaves
    )
    counts = {verdict: sum(row["verdict"] == verdict for _, row in leaves) for verdict in (HOLDS, PARTLY, FAILS)}
    figures = {f"leaves, advice {verdict}": str(count) for verdict, count in counts.items()}
    figures[f"leaves, {UNKNOWN}"] = str(len(leaves) - sum(counts.values()))
    columns = ("question", "need", "the paper's advice", "here", "experiment", "measured")
    tables = (ResultTable(columns, lines), key_figures(figures))
    return Outcome(tables, NOTES, {"tree": partial(draw_tree, leaves)} if leaves else {})


def verdict_of(leaf: Leaf, rows: list[dict], report_progress: ProgressCallback) -> dict:
    """Judge a leaf; without rows it is not measured."""
    finding = leaf.judge(rows) if rows else Finding(UNKNOWN, f"run python -m edgewise_experiments {leaf.source} first")
    return {"verdict": finding.verdict, "measured": finding.measured}


def _by_share(ahead: int, total: int, measured: str) -> Finding:
    """Judge that the advice holds for more than three quarters of the cases, partly for more than a quarter."""
    share = ahead / total if total else 0.0
    return Finding(HOLDS if share > 0.75 else PARTLY if share > 0.25 else FAILS, measured)


def judge_compositions(rows: list[dict]) -> Finding:
    """Compare KAN and tanh MLP with at most as many parameters as the largest MLP, function by function."""
    rows, ratios = latest(rows, "problem", "kind", "seed"), []
    for name in dict.fromkeys(row["problem"] for row in rows):
        mlps = [row for row in rows if (row["problem"], row["kind"]) == (name, "tanh")]
        most = max((size for row in mlps for size in row["sizes"]), default=0)
        kan, mlp = (
            median(_lowest(row, most) for row in rows if (row["problem"], row["kind"]) == (name, kind))
            for kind in ("KAN", "tanh")
        )
        ratios += [mlp / kan] if kan and mlp else []
    ahead = sum(ratio > 1 for ratio in ratios)
    text = f"at equal parameters the KAN is more accurate for {ahead} of {len(ratios)} functions"
    return _by_share(ahead, len(ratios), f"{text}, median {times(median(ratios))} times" if ratios else text)


def _lowest(row: dict, most: float) -> float | None:
    errors = [e for n, e in zip(row["sizes"], row["errors"], strict=True) if n <= most and e is not None]
    return min(errors, default=None)


def judge_complicated_functions(rows: list[dict]) -> Finding:
    """Compare the best depth of either kind at equal parameters, on functions that are not smooth."""
    rows = [row for row in rows if "problem" in row and not representation.KINDS[row["problem"]].startswith("smooth")]
    names, ratios = list(dict.fromkeys(row["problem"] for row in rows)), []
    for name in names:
        most = representation.PARAMETERS[representation.FUNCTIONS[name].inputs]
        kan, mlp = (
            min(e for row in rows if (row["problem"], row["model"]) == (name, kind) and (e := _lowest(row, most)))
            for kind in ("KAN", "MLP")
        )
        ratios.append(mlp / kan)
    ahead = sum(ratio > 1 for ratio in ratios)
    text = ", ".join(f"{name} {times(ratio)}" for name, ratio in zip(names, ratios, strict=True))
    measured = f"not smooth, at equal parameters: MLP's error over KAN's {text}"
    return _by_share(ahead, len(ratios), measured)


def judge_continual_learning(rows: list[dict]) -> Finding:
    """Count the cases in which a KAN that learns each group well keeps it."""
    rows = latest_rows(rows)
    cases = [case for case in CASES if any(row["case"] == case for row in rows)]
    lost = [case for case in cases if any(map(forgets, best_rows(rows, case, "KAN", CHOICES["learns best"])))]
    if not lost:
        return Finding(HOLDS, f"a KAN keeps what it learned in {', '.join(cases)}")
    kept = [case for case in cases if case not in lost]
    text = f"a KAN that learns each group well forgets in {', '.join(lost)}"
    return Finding(PARTLY if kept else FAILS, f"{text}; it keeps all in {', '.join(kept)}" if kept else text)


def _exact(rows: list[dict]) -> Callable[[Callable[[int], bool]], tuple[int, int]]:
    """Return a function that counts exact formulas and all formulas whose number of inputs meets a condition."""
    rows = latest([row for row in rows if "noise" in row], "problem", "seed", "noise", "useless")
    pure = [row for row in rows if not (row["noise"] or row["useless"])]

    def count(condition: Callable[[int], bool]) -> tuple[int, int]:
        chosen = [row for row in pure if condition(PROBLEMS[row["problem"]].inputs)]
        return sum(row["exact"] for row in chosen), len(chosen)

    return count


def judge_dimension(rows: list[dict]) -> Finding:
    """Compare the exact formulas of few and of many inputs."""
    low, high = (_exact(rows)(test) for test in (lambda n: n <= FEW_INPUTS, lambda n: n > FEW_INPUTS))
    text = f"formulas found exactly: {low[0]} of {low[1]} with at most {FEW_INPUTS} inputs"
    measured = f"{text}, {high[0]} of {high[1]} with more"
    if not low[1] or not high[1]:
        return Finding(UNKNOWN, measured)
    return Finding(HOLDS if low[0] / low[1] > high[0] / high[1] else FAILS, measured)


def judge_level(rows: list[dict]) -> Finding:
    """Count the exact formulas."""
    exact, total = _exact(rows)(lambda n: True)
    return _by_share(exact, total, f"formulas found exactly: {exact} of {total}")


def _tables(rows: list[dict]) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Return for each table the mean score, parameters and seconds of the KAN and of the MLP."""
    rows, pairs = latest(rows, "table", "fold", "folds", "seed", "budget", "model"), []
    for table in dict.fromkeys(row["table"] for row in rows):
        pair = []
        for model in ("KAN", "MLP"):
            own = [row for row in rows if (row["table"], row["model"]) == (table, model)]
            seconds = [working_seconds(row) if "cpu_seconds" in row else row["seconds"] for row in own]
            means = {name: sum(row[name] for row in own) / len(own) for name in ("score", "parameters")}
            pair.append({**means, "seconds": sum(seconds) / len(own)})
        pairs.append(tuple(pair))
    return pairs


def judge_small_models(rows: list[dict]) -> Finding:
    """Count the tables on which a KAN is as accurate as an MLP with fewer parameters."""
    pairs = _tables(rows)
    ahead = sum(k["parameters"] < m["parameters"] and k["score"] > m["score"] - SAME_SCORE for k, m in pairs)
    ratio = times(median(m["parameters"] / k["parameters"] for k, m in pairs))
    measured = f"as accurate with fewer parameters on {ahead} of {len(pairs)} tables; MLPs have {ratio} times as many"
    return _by_share(ahead, len(pairs), measured)


def judge_fast_training(rows: list[dict]) -> Finding:
    """Count the tables on which a KAN trains longer than an MLP."""
    pairs = _tables(rows)
    slower = sum(k["seconds"] > m["seconds"] for k, m in pairs)
    ratio = times(median(k["seconds"] / m["seconds"] for k, m in pairs))
    return _by_share(
        slower, len(pairs), f"the KAN takes longer on {slower} of {len(pairs)} tables, {ratio} times (median)"
    )


LEAVES = (
    Leaf("Accuracy", "Compositional structure?", "KANs", "scaling-exponents", judge_compositions),
    Leaf("Accuracy", "Complicated function?", "KANs", "representation", judge_complicated_functions),
    Leaf("Accuracy", "Continual learning?", "KANs", "continual-learning", judge_continual_learning),
    Leaf("Interpretability", "Dimension?", "low: KANs; high: hard for both", "formulas", judge_dimension),
    Leaf("Interpretability", "Level?", "quantitative: KANs; qualitative: either", "formulas", judge_level),
    Leaf("Efficiency", "Want small models?", "KANs", "tables", judge_small_models),
    Leaf("Efficiency", "Want fast training?", "MLPs", "tables", judge_fast_training),
)


def draw_tree(leaves: Sequence[tuple[Leaf, dict]]) -> Figure:
    """Draw the guide as a tree with the verdicts."""
    from edgewise_experiments.plots.guide import GuideLeaf, guide_tree

    shown = [
        GuideLeaf(leaf.need, leaf.question, leaf.advice, row["verdict"], f"{row['measured']} ({leaf.source})")
        for leaf, row in leaves
    ]
    return guide_tree(TITLE, shown, {HOLDS: "+", PARTLY: "~", FAILS: "x", UNKNOWN: "?"})


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    return f"{row['leaf']} {row['verdict']}: {row['measured']}"
