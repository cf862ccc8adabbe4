"""Laws of motion from trajectories: ODEBench's 63 systems, and 30 that were written before their first run.

150 samples on [0, 10], each times 1 + noise N(0, 1), from one start or from two; the second start, or the middle of
both, is for generalisation: R² of all coordinates together above 0.9 against the trajectory without noise. The
structure is right if every found equation, its constants refitted, equals the true one in a box around the states, with
no more constants than it. pysindy, where it is installed, gets the same samples.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.util import find_spec

import numpy as np

from edgewise import find_dynamics
from edgewise.dynamics import Motion
from edgewise.presentation import counted
from edgewise_experiments.dynamics.peer_pysindy import Sindy
from edgewise_experiments.dynamics.systems import SAMPLES, UNTIL, noisy, panel, r2, same_structure, trajectory
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median
from edgewise_experiments.runner.store import Store

GOOD = 0.9  # R² that counts
LATER = 40  # times at which the band of a forecast is compared with the truth
CONDITIONS = ((0.0, 1), (0.05, 1), (0.01, 1), (0.05, 2))  # noise, and trajectories that are seen
QUICK = (2, 3, 24, 28)
TITLES = {
    "odebench": "ODEBench",
    "own_motions": "20 systems of our own",
    "fresh_motions": "10 further ones",
}
NOTES = (
    "Each system counts once for each draw of the noise; in brackets, the draws that fail where they are several. "
    "Reconstructed: the forecast from the first state follows the "
    "seen trajectory. Decided: the search says that the data decide and that its choice follows them; of these, and of "
    "the others, as many generalise. pysindy is the best of twelve settings by its simulation of the training data. "
    "Seconds are CPU seconds of one process. Bands go on for half of the measured time; an exact start is the first "
    "state of the seen trajectory, a noisy one a sample of it that the search has not seen.",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Search for every system under every condition; the systems of our own come last."""
    methods = ["edgewise", *(["pysindy"] if find_spec("pysindy") and not quick else [])]
    jobs = []
    for name in ["odebench"] if quick else list(TITLES):
        for seed in seeds or (0,):
            for noise, runs in CONDITIONS[:1] if quick else CONDITIONS[: None if name == "odebench" else 2]:
                for entry in panel(name):
                    if not quick or entry["id"] in QUICK:
                        jobs += [_job(name, entry, noise, runs, seed, method) for method in methods]
    return summary(run_jobs(jobs, store, progress, line))


def _job(name: str, entry: dict, noise: float, runs: int, seed: int, method: str) -> Job:
    key = {"panel": name, "system": entry["id"], "noise": noise, "runs": runs, "seed": seed, "method": method}
    return Job(f"{method}, {entry['name']}, noise {noise:g}", key, partial(_measure, entry, noise, runs, seed, method))


def _measure(entry: dict, noise: float, runs: int, seed: int, method: str, _report) -> dict:
    t = np.linspace(0, UNTIL, SAMPLES)
    starts = [np.array(start, dtype=float) for start in entry["starts"]]
    clean = [trajectory(entry, start, t) for start in starts]
    other = clean[1] if runs == 1 else trajectory(entry, np.mean(starts, axis=0), t)
    samples = [noisy(each, noise, 1000 * seed + 10 * entry["id"] + k) for k, each in enumerate(clean[:runs])]
    if method == "pysindy":
        sindy = Sindy(t, samples)
        return _scores(sindy.forecast, clean[:runs], other, t) | {"texts": sindy.texts()}
    begun = time.perf_counter(), time.process_time()
    motion = find_dynamics([t] * runs, samples, names=[f"x{k}" for k in range(samples[0].shape[1])])
    row = {"seconds": time.perf_counter() - begun[0], "cpu_seconds": time.process_time() - begun[1]}
    row |= _scores(lambda start, times: motion.forecast(start, times).x, clean[:runs], other, t)
    return row | {
        "structure": bool(same_structure(motion, entry, np.concatenate([*clean, other]))),
        "decided": bool(motion.decided),
        "adequate": bool(motion.adequate),
        "rivals": len(motion.rivals),
        "coverage": _coverage(motion, entry, starts[0], noise, 7000 + 1000 * seed + entry["id"]),
        "texts": motion.choice.lines(4),
    }


def _coverage(motion: Motion, entry: dict, start: np.ndarray, noise: float, seed: int) -> dict[str, float]:
    """Shares of the states that the 90 % band holds: from the exact start, a sample of it, and after the last one."""
    t = np.linspace(0, UNTIL / 2, LATER)
    whole = trajectory(entry, start, np.concatenate([t, UNTIL + t]))
    sample = noisy(start, noise, seed)
    forecasts = {
        "exact": (motion.forecast(start, t), whole[:LATER]),
        "sample": (motion.forecast(sample, t, error=noise * np.abs(sample)), whole[:LATER]),
        "last": (motion.forecast(None, UNTIL + t), whole[LATER:]),
    }
    held = {}
    for name, (forecast, true) in forecasts.items():
        margin = 1e-9 * np.ptp(whole, axis=0)
        inside = (true >= forecast.lower - margin) & (true <= forecast.upper + margin)
        held[name] = float(np.mean(inside[1:]))
    return held


def _scores(forecast, seen: Sequence[np.ndarray], other: np.ndarray, t: np.ndarray) -> dict:
    reconstruction = min(r2(each, forecast(each[0], t)) for each in seen)
    return {"reconstruction": reconstruction, "generalisation": r2(other, forecast(other[0], t))}


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    equations = "; ".join(row["texts"])
    structure = {True: ", structure", False: ""}[row.get("structure") is True]
    scores = f"R2 {row['reconstruction']:.3f} and {row['generalisation']:.3f}{structure}, {row['cpu_seconds']:.1f} s"
    return f"{row['system']} {row['method']} noise {row['noise']:g}: {scores}: {equations}"[:200]


def summary(rows: list[dict]) -> Outcome:
    """The table of panels and methods, and the systems that fail."""
    rows = latest(rows, "panel", "system", "noise", "runs", "seed", "method")
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["panel"], row["noise"], row["runs"], row["method"]), []).append(row)
    lines = []
    failures = []
    bands = []
    figures = {}
    for (name, noise, runs, method), group in groups.items():
        title = f"{TITLES[name]}, {noise:.0%} noise, {runs} seen".replace("%", " %")
        good = [row["generalisation"] > GOOD for row in group]
        sure = [row for row, is_good in zip(group, good, strict=True) if row.get("decided") and is_good]
        decided = sum(bool(row.get("decided")) for row in group)
        right = sum(bool(row.get("structure")) for row in group)
        is_own = method == "edgewise"
        cells = (
            _share(sum(row["reconstruction"] > GOOD for row in group), len(group)),
            _share(sum(good), len(group)),
            _share(right, len(group)) if is_own else "-",
            f"{len(sure)} of {decided}" if is_own else "-",
            f"{median(working_seconds(row) for row in group) or 0:.1f}",
            ", ".join(sorted({str(row["commit"])[:8] for row in group})),
        )
        lines.append((title, method, str(len(group)), *cells))
        structure = f", right structure {cells[2]}, decided {cells[3]} right" if is_own else ""
        draws = counted(len({row["seed"] for row in group}), "draw")
        systems = f"{len({row['system'] for row in group})} systems, {draws}"
        figures[f"{title}, {method}"] = f"{systems}, generalises {cells[1]}{structure}, {cells[4]} s"
        held = [row["coverage"] for row in group if row.get("coverage") and noise]
        if held:
            shares = [f"{100 * np.mean([one[start] for one in held]):.0f} %" for start in ("exact", "sample", "last")]
            bands.append((title, str(len(held)), *shares))
        if is_own and name == "odebench":
            others = _with_draws(row["system"] for row, is_good in zip(group, good, strict=True) if not is_good)
            wrong = _with_draws(row["system"] for row in group if not row["structure"])
            failures.append((title, others, wrong))
    columns = (
        "systems",
        "method",
        "number",
        "reconstructed",
        "generalises",
        "right structure",
        "decided, of which right",
        "seconds",
        "commit",
    )
    tables = [ResultTable(columns, tuple(lines))]
    heads = ("systems", "do not generalise", "other structure")
    tables.append(ResultTable(heads, tuple(failures), "Systems of ODEBench, by their numbers, that fail"))
    heads = ("systems", "number", "exact start", "noisy start", "after the last sample")
    tables.append(ResultTable(heads, tuple(bands), "Shares of states that the 90 % band of a forecast holds"))
    return Outcome((*tables, key_figures(figures)), NOTES)


def _with_draws(systems: Iterable[int]) -> str:
    """The systems, each with the number of its draws where there are several."""
    draws = Counter(systems)
    return ", ".join(f"{each} ({count})" if count > 1 else str(each) for each, count in draws.items()) or "none"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %"
