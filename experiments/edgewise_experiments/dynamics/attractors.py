"""Laws of motion of forty chaotic attractors of the package dysts, beside pysindy.

The forty are drawn at random, before the first run, from the systems of at most four coordinates without delay or
forcing. Five periods are seen, in 100 samples each, with and without noise of 1 % of each coordinate's standard
deviation. Since neighbouring paths of chaos part, a law is judged by its rates at states of the attractor that it has
not seen, and by how long its forecast from there keeps to the truth.
"""

from __future__ import annotations

import time
import warnings
from functools import cache, partial
from importlib.util import find_spec

import numpy as np
from scipy.integrate import solve_ivp

from edgewise import find_dynamics
from edgewise_experiments.dynamics.peer_pysindy import Sindy
from edgewise_experiments.dynamics.systems import r2
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median
from edgewise_experiments.runner.store import Store

COUNT = 40
PERIODS = 5  # that are seen; as many further ones lie between these and the states of the judgement
PERIOD_SAMPLES = 100
GOOD = 0.999  # R² of the rates that counts
PARTED = 0.4  # root mean square error of a forecast, in standard deviations, at which it has left the truth
NOTES = (
    "A law counts as found if the R² of its rates at unseen states of the attractor is above 0.999. The forecast time "
    "is that until its error is 0.4 standard deviations, in Lyapunov times, at most five periods. pysindy has the same "
    "samples and the best of twelve settings by its simulation of them. Seconds are CPU seconds of one process.",
)


@cache
def attractors() -> dict:
    """The systems that are drawn, by name; none where dysts is not installed."""
    if find_spec("dysts") is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, which is not needed
        from dysts import flows
    chosen = {}
    for name in np.random.default_rng(0).permutation(sorted(vars(flows))):
        kind = getattr(flows, name)
        if not isinstance(kind, type) or kind.__module__ != flows.__name__:
            continue
        system = kind()
        is_plain = system.dimension <= 4 and not (system.delay or system.nonautonomous or system.unbounded_indices)
        if is_plain and system.period and system.maximum_lyapunov_estimated and len(chosen) < COUNT:
            chosen[str(name)] = system
    return dict(sorted(chosen.items()))


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Search for the law of every attractor, without noise and with it."""
    methods = ["edgewise"]
    if find_spec("pysindy") and not quick:
        methods.append("pysindy")
    names = list(attractors())
    if quick:
        names = names[:1]
    jobs = []
    for seed in seeds or (0,):
        for noise in (0.0, 0.01):
            for name in names:
                for method in methods:
                    key = {"attractor": name, "noise": noise, "seed": seed, "method": method, "quick": quick}
                    measure = partial(_measure, name, noise, seed, method)
                    jobs.append(Job(f"{method}, {name}, noise {noise:g}", key, measure))
    return summary(run_jobs(jobs, store, progress, line))


def _measure(name: str, noise: float, seed: int, method: str, _report) -> dict:
    system = attractors()[name]

    def rates(t: float, x: np.ndarray) -> np.ndarray:
        return np.asarray(system.rhs(x, t), dtype=float)

    # The seen periods, then a pause, then the periods of the judgement.
    t = np.linspace(0, PERIODS * system.period, PERIODS * PERIOD_SAMPLES)
    times = np.concatenate([t, 2 * t[-1] + t])
    start = np.asarray(system.ic, dtype=float)
    path = solve_ivp(rates, (0, times[-1]), start, "LSODA", t_eval=times, rtol=1e-10, atol=1e-12).y.T
    seen = path[: len(t)]
    unseen = path[len(t) :]
    spread = np.std(path, axis=0)
    samples = seen + noise * spread * np.random.default_rng(seed).standard_normal(seen.shape)
    truth = np.array([rates(0.0, x) for x in unseen])
    # The law, its rates at the unseen states, and its forecast from the first of them.
    begun = time.perf_counter()
    begun_cpu = time.process_time()
    if method == "pysindy":
        law = Sindy(t, [samples])
        found = law.rates(unseen)
        forecast = law.forecast(unseen[0], t)
        texts = law.texts()
    else:
        motion = find_dynamics(t, samples, names=[f"x{k}" for k in range(samples.shape[1])])
        found = motion.choice.rhs(unseen)
        forecast = motion.forecast(unseen[0], t).x
        texts = motion.choice.lines(4)
    errors = np.sqrt(np.mean(((forecast - unseen) / spread) ** 2, axis=1))
    parted = np.flatnonzero(~(errors < PARTED))
    kept = t[parted[0]] if len(parted) else t[-1]
    return {
        "rates_r2": r2(truth, found),
        "lyapunov_times": float(kept * system.maximum_lyapunov_estimated),
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - begun_cpu,
        "texts": texts,
    }


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    equations = "; ".join(row["texts"])
    scores = f"R2 of rates {row['rates_r2']:.5f}, {row['lyapunov_times']:.1f} Lyapunov times"
    return f"{row['attractor']} {row['method']} noise {row['noise']:g}: {scores}: {equations}"[:200]


def summary(rows: list[dict]) -> Outcome:
    """The table of noises and methods, and the attractors whose law is not found."""
    groups: dict[tuple, list[dict]] = {}
    for row in latest(rows, "attractor", "noise", "seed", "method", "quick"):
        groups.setdefault((row["noise"], row["method"]), []).append(row)
    figures = {}
    missed = []
    for (noise, method), group in groups.items():
        title = f"{100 * noise:.0f} % noise, {method}"
        good = sum(row["rates_r2"] > GOOD for row in group)
        kept = median(row["lyapunov_times"] for row in group) or 0.0
        seconds = median(working_seconds(row) for row in group) or 0.0
        figures[title] = f"{good} of {len(group)} laws, forecast for {kept:.1f} Lyapunov times, {seconds:.1f} s"
        names = [row["attractor"] for row in group if row["rates_r2"] <= GOOD]
        missed.append((title, ", ".join(names) or "none"))
    if not groups:
        return Outcome((), NOTES)
    tables = (ResultTable(("condition", "attractors"), tuple(missed), "Attractors whose law is not found"),)
    return Outcome((*tables, key_figures(figures)), NOTES)
