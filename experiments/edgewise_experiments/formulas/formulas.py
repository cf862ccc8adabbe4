"""Formulas from samples of 36 functions, without and with noise, ten among useless inputs: how many are exact.

1,000 samples, at most 120 s each. Without noise (three seeds) a formula is found exactly if it equals the truth within
1e-6 of its deviation on fresh points with at most 1.5 times its symbols. With normal noise of 1 % of the deviation (one
seed) its form must hold the truth: with constants fitted to noise-free values at the same points it equals the truth
in the same sense, and no constant moves by more than three of its standard errors. Complexity of the truth is that of
its shortest form known to the library's own simplification.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from edgewise import find_formula
from edgewise.formulas import Expression, complexity, fit_constants, parse_expression, simplify
from edgewise.formulas.constants import relative_error
from edgewise.formulas.expression import constant_values
from edgewise.formulas.front import SIGNIFICANT_Z
from edgewise.ops.bessel import bessel_j0
from edgewise.plot import Span, error_dots
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction, by_name, of_columns
from edgewise_experiments.formulas.symbolified import SECONDS as SYMBOLIFIED
from edgewise_experiments.formulas.symbolified import WIDTH, measured
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, median, scientific
from edgewise_experiments.runner.store import Store

SAMPLES, FRESH, SECONDS = 1000, 1000, 120.0
NOISE = 0.01
CLOSE, LONGER, DEVIATIONS = 1e-6, 1.5, 3.0
USELESS = 5
ALSO = ("formulas_peers",)  # written by benchmarks/formulas_peers.py


def _j0(u: np.ndarray) -> np.ndarray:
    import torch

    return bessel_j0(torch.as_tensor(u)).numpy()


def _on_box(name: str, formula: str, function, names: str, low: float, high: float) -> TargetFunction:
    inputs = tuple(names.split())
    return TargetFunction(name, formula, of_columns(function), inputs, (low,) * len(inputs), (high,) * len(inputs))


# The interpretability toys of the KAN paper (section 4.2 and appendix), boxes as in it or, for x/y, away from the pole.
INTERPRETABLE = by_name(
    _on_box("x/y", "x/y", lambda x, y: x / y, "x y", 0.5, 2.0),
    _on_box("exp J0", "exp(besselj0(20*x) + y**2)", lambda x, y: np.exp(_j0(20 * x) + y**2), "x y", -1.0, 1.0),
    _on_box(
        "tanh",
        "tanh(5*(x1**4 + x2**4 + x3**4 - 1))",
        lambda a, b, c: np.tanh(5 * (a**4 + b**4 + c**4 - 1)),
        "x1 x2 x3",
        -1.0,
        1.0,
    ),
    _on_box(
        "distance",
        "sqrt((x1 - x2)**2 + (x3 - x4)**2)",
        lambda a, b, c, d: np.sqrt((a - b) ** 2 + (c - d) ** 2),
        "x1 x2 x3 x4",
        -1.0,
        1.0,
    ),
)
PROBLEMS = {**TOY_FUNCTIONS, **INTERPRETABLE, **FEYNMAN_EQUATIONS}
TEN = ("toy 3", "x/y", "I.6.2", "I.12.11", "I.13.12", "I.26.2", "I.27.6", "I.40.1", "I.44.4", "III.10.19")
QUICK = ("toy 3", "I.40.1")
QUICK_SYMBOLIFIED = 1.0
_SINES = "exp((" + " + ".join(f"sin(pi*x{i}/2)**2" for i in range(1, 101)) + ")/100)"
_TEXTS = {"toy 1": "besselj0(20*x)", "toy 4": _SINES}  # those whose formula is not in the notation that is parsed


def truth(name: str) -> Expression:
    """The shortest form of a problem's formula: as written or simplified."""
    target = PROBLEMS[name]
    written = parse_expression(_TEXTS.get(name, target.formula), target.names)
    return min(written, simplify(written), key=complexity)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Without noise three seeds (of samples and search), one with noise and among useless inputs; a network besides."""
    names = QUICK if quick else tuple(PROBLEMS)
    kinds = [(name, seed, 0.0, 0) for seed in seeds or ((0,) if quick else (0, 1, 2)) for name in names]
    kinds += [(name, (seeds or (0,))[0], NOISE, 0) for name in names]
    kinds += [(name, (seeds or (0,))[0], 0.0, USELESS) for name in (QUICK if quick else TEN)]
    jobs = []
    for name, seed, noise, useless in kinds:
        key = {"problem": name, "seed": seed, "noise": noise, "useless": useless, "samples": SAMPLES, "quick": quick}
        key["ahead"] = SIGNIFICANT_Z
        label = f"{name}{', noise' if noise else ''}{', useless inputs' if useless else ''}, seed {seed}"
        jobs.append(Job(label, key, partial(_measure, name, seed, noise, useless)))
    limit = QUICK_SYMBOLIFIED if quick else SYMBOLIFIED
    key = {"network": list(WIDTH), "seed": (seeds or (0,))[0], "samples": SAMPLES, "limit": limit, "quick": quick}
    jobs.append(Job("symbolify an unpruned network", key, lambda tell: measured(key["seed"], limit)))
    return summary([*run_jobs(jobs, store, progress, _line), *store.beside(*ALSO)])


def _measure(name: str, seed: int, noise: float, useless: int, tell: Tell) -> dict:
    target = PROBLEMS[name]
    x, clean = target.sample(SAMPLES, seed)
    fresh_x, fresh_y = target.sample(FRESH, seed=1_000_000 + seed)
    names = (*target.names, *(f"useless{k + 1}" for k in range(useless)))
    random = np.random.default_rng([seed, 1])
    y = clean + noise * float(np.std(clean)) * random.normal(size=SAMPLES)
    if useless:
        x, fresh_x = (np.column_stack([part, random.uniform(-1, 1, (len(part), useless))]) for part in (x, fresh_x))
    front = find_formula(x, y, names=names, time_limit=SECONDS, seed=seed)
    best = front.best
    error = relative_error(best.formula.expression, fresh_x, fresh_y)
    symbols = complexity(truth(name))
    short = best.complexity <= LONGER * symbols
    close = error < CLOSE if not noise else _same_form(best.formula.expression, x, y, clean, fresh_x, fresh_y)
    return {
        "formula": best.formula.text(12),
        "complexity": best.complexity,
        "true_complexity": symbols,
        "relative": error,
        "exact": bool(short and close),
        "front": len(front),
    }


def _same_form(node: Expression, x, y, clean, fresh_x, fresh_y) -> bool:
    """Whether the formula becomes the truth when no constant moves beyond three standard errors."""
    noisy = fit_constants(node, x, y)
    if noisy is None:
        return False
    pure = fit_constants(noisy.expression, x, clean, steps=200)
    if pure is None or relative_error(pure.expression, fresh_x, fresh_y) >= CLOSE:
        return False
    moves = zip(constant_values(noisy.expression), constant_values(pure.expression), noisy.errors, strict=True)
    return all(abs(a - b) <= DEVIATIONS * error + 1e-12 for a, b, error in moves)


def _line(row: dict) -> str:
    if "network" in row:
        return f"{row['network']}: symbolify took {row['seconds']:.1f} s"
    found = "exact" if row["exact"] else f"not exact, error {scientific(row['relative'])}"
    return f"{row['problem']}, seed {row['seed']}, noise {row['noise']:g}: {found}, {row['seconds']:.1f} s"


def summary(rows: list[dict]) -> Outcome:
    """For each problem the seeds found exactly, the formula of the first, and seconds; the shares below."""
    networks = latest([row for row in rows if "network" in row], "network")
    peers = latest([row for row in rows if "peer" in row], "peer", "problem", "seed")
    rows = latest([row for row in rows if "noise" in row], "problem", "seed", "noise", "useless")
    names = list(dict.fromkeys(row["problem"] for row in rows))
    lines = []
    for name in names:
        own = [row for row in rows if row["problem"] == name]
        pure = [row for row in own if not row["noise"] and not row["useless"]]
        lines.append(
            (
                name,
                _share(pure),
                _share([row for row in own if row["noise"]]),
                _share([row for row in own if row["useless"]]),
                f"{median(row['complexity'] for row in pure):g}/{own[0]['true_complexity']}" if pure else "-",
                f"{median(map(working_seconds, pure or own)):.1f}",
                _short((pure or own)[0]["formula"]),
            )
        )
    columns = ("problem", "exact", "with 1 % noise", "useless inputs", "symbols", "seconds", "formula")
    pure = [row for row in rows if not row["noise"] and not row["useless"]]
    noisy = [row for row in rows if row["noise"]]
    sentences = [
        f"Found exactly: {_percent(pure)} without noise, {_percent(noisy)} with 1 % noise.",
        f"Among {USELESS} useless inputs: {_percent([row for row in rows if row['useless']])}.",
        f"{rows[0]['samples']} samples; seconds are medians: of the wall, or of the CPU where the machine was shared.",
    ]
    sentences += [*map(_symbolified, networks), *_beside(rows, peers)]
    return Outcome((ResultTable(columns, tuple(lines)),), tuple(sentences), {"seconds": partial(_draw, rows)})


def _symbolified(row: dict) -> str:
    shape = ",".join(map(str, row["network"]))
    return (
        f"An unpruned [{shape}] and {row['samples']:,} samples: `symbolify` takes {row['seconds']:.0f} s of the "
        f"{row['limit']:.0f} s it was given, the process {row['peak_bytes'] / 1e9:.2f} GB at most, training and torch "
        "included."
    )


def _beside(rows: list[dict], peers: list[dict]) -> list[str]:
    """The ten problems beside what the peers found in them, in the same samples."""
    names = list(dict.fromkeys(row["peer"] for row in peers))
    problems = list(dict.fromkeys(row["problem"] for row in peers))
    seeds = {row["seed"] for row in peers}
    ours = [r for r in rows if r["problem"] in problems and r["seed"] in seeds and not r["noise"] and not r["useless"]]
    if not names or not ours:
        return []
    counts = [f"Edgewise {_percent(ours)}"]
    counts += [f"{name} {_percent([row for row in peers if row['peer'] == name])}" for name in names]
    limit, slowest = (max(row[name] for row in peers) for name in ("limit", "seconds"))
    return [
        f"On ten problems, the same samples: {', '.join(counts)} exactly; the peers had {limit:.0f} s each "
        f"(the longest run took {slowest:.0f} s), Edgewise took {max(map(working_seconds, ours)):.1f} s at most."
    ]


def _draw(rows: list[dict]):
    """Seconds of each problem, with and without noise, found or not."""
    names = list(dict.fromkeys(row["problem"] for row in rows))
    kinds = {
        "no noise, exact": (False, True),
        "1 % noise, exact": (True, True),
        "1 % noise, not exact": (True, False),
        "no noise, not exact": (False, False),
    }
    series = {}
    for label, (noise, exact) in kinds.items():
        spans = []
        for name in names:
            own = [r for r in rows if r["problem"] == name and not r["useless"] and bool(r["noise"]) == noise]
            seconds = [max(working_seconds(row), 1e-3) for row in own if row["exact"] == exact]
            spans.append(Span.of(seconds) if seconds else None)
        if any(spans):
            series[label] = spans
    return error_dots(names, series, xlabel="seconds to the formula, 1,000 samples")


def _share(rows: list[dict]) -> str:
    return f"{sum(row['exact'] for row in rows)}/{len(rows)}" if rows else "-"


def _percent(rows: list[dict]) -> str:
    if not rows:
        return "not run"
    found = sum(row["exact"] for row in rows)
    return f"{found} of {len(rows)} ({100 * found / len(rows):.0f} %)"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
