"""Noisy samples of ten Feynman equations: the KAN with its defaults beside boosting, an MLP and a smoothing spline.

500 samples, normal noise of 5 % of the target's standard deviation, the ten first equations of two or three variables;
the error is that against the equation itself, on 10,000 fresh points. All models get the same samples. The others are
tuned by three-fold cross-validation, the spline by generalised cross-validation; the KAN chooses for itself. How often
its intervals hold fresh samples, and its bands the equation, is measured too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgewise import KANRegressor
from edgewise_experiments.accuracy.smoothing_spline import INTERVALS, SmoothingSpline
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, median
from edgewise_experiments.runner.store import Store

SAMPLES, NOISE, TEST = 500, 0.05, 10_000
EQUATIONS = tuple(name for name, target in FEYNMAN_EQUATIONS.items() if target.inputs in (2, 3))[:10]
QUICK = EQUATIONS[:2]
FOLDS = 3
TREES, RATE = 600, 0.05
DEPTHS, SHARES = (2, 3, 4, 6), (0.5, 1.0)
ALPHAS, LAYERS, ITERATIONS = (1e-4, 1e-3, 1e-2, 1e-1), ((30,), (100,), (50, 50)), 1000
BUDGET = 1.0
LEVEL = 0.9  # of intervals and bands
# What a model is given, for the key of its rows: others are another result.
SETTINGS = {
    "KAN": {"budget": BUDGET, "level": LEVEL},
    "boosting": {"folds": FOLDS, "most_trees": TREES, "rate": RATE, "depths": DEPTHS, "shares": SHARES},
    "MLP": {"folds": FOLDS, "alphas": ALPHAS, "shapes": LAYERS, "iterations": ITERATIONS},
    "smoothing spline": {"intervals": {str(inputs): counts for inputs, counts in INTERVALS.items()}},
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds (of samples, noise and training) unless told otherwise."""
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = []
    for name, seed, model in product(QUICK if quick else EQUATIONS, seeds, MODELS):
        key = {"problem": name, "seed": seed, "model": model, "samples": SAMPLES, "noise": NOISE, "quick": quick}
        key |= {"settings": SETTINGS[model]}
        jobs.append(Job(f"{name}, {model}", key, partial(_measure, name, seed, model, quick)))
    return summary(run_jobs(jobs, store, progress, _line))


def summary(rows: list[dict]) -> Outcome:
    """For each equation the errors of all models in per cent of the target's standard deviation: medians of seeds."""
    rows = latest(rows, "problem", "seed", "model")
    if not rows:
        return NO_ROWS
    names = list(dict.fromkeys(row["problem"] for row in rows))
    lines, below, shown = [], 0, {model: [] for model in MODELS}
    for name in names:
        errors = {
            model: [r["relative"] for r in rows if (r["problem"], r["model"]) == (name, model)] for model in MODELS
        }
        for model in MODELS:
            shown[model].append([100 * error for error in errors[model] if error is not None])
        middle = {model: median(each) for model, each in errors.items()}
        others = min(value for model, value in middle.items() if model != "KAN" and value is not None)
        below += middle["KAN"] is not None and middle["KAN"] < others
        kan = [row for row in rows if (row["problem"], row["model"]) == (name, "KAN")]
        lines.append(
            (
                name,
                *("-" if value is None else f"{100 * value:.2f}" for value in middle.values()),
                f"{median(row['parameters'] for row in kan):,.0f}",
                f"{median(map(working_seconds, kan)):.1f}",
            )
        )
    first, counts = rows[0], [sum(row["problem"] == name and row["model"] == "KAN" for row in rows) for name in names]
    sentences = (
        f"RMSE against the equation itself in per cent of its standard deviation, {first['samples']} samples with "
        f"{100 * first['noise']:g} % noise, {_seeds_said(min(counts), max(counts))}; parameters and "
        "seconds: of the KAN, its search included (wall, or "
        "CPU where that is less: the machine was shared then).",
        f"The KAN has the lowest error for {below} of {len(names)} equations.",
        *_coverage_said(rows),
    )
    columns = ("equation", *MODELS, "parameters", "seconds")
    return Outcome((ResultTable(columns, tuple(lines)),), sentences, {"errors": partial(_draw, names, shown)})


def _seeds_said(low: int, high: int) -> str:
    if high == 1:
        return "one seed"
    return f"medians of {high} seeds" if low == high else f"medians of {low} to {high} seeds"


def _coverage_said(rows: list[dict]) -> list[str]:
    """Of the KANs that have error bars."""
    known = [row for row in rows if row.get("interval_holds") is not None]
    if not known:
        return []
    shares = []
    for key in ("interval_holds", "band_holds"):
        each = sorted(row[key] for row in known)
        shares.append(f"{sum(each) / len(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})")
    return [
        f"Its intervals of {100 * LEVEL:g} % hold a share {shares[0]} of fresh samples with noise, its bands of "
        f"{100 * LEVEL:g} % a share {shares[1]} of the equation: means (and range) of {len(known)} fits."
    ]


def _draw(names: list[str], shown: Mapping[str, list[list[float]]]):
    from edgewise.plot import Span, error_bars

    series = {model: [Span.of(values) if values else None for values in each] for model, each in shown.items()}
    return error_bars(names, series, ylabel="RMSE in % of the standard deviation")


def _line(row: dict) -> str:
    error = "no result" if row["relative"] is None else f"{100 * row['relative']:.2f} %"
    return f"{row['problem']}, seed {row['seed']}: {row['model']} {error}, {row['seconds']:.1f} s"


def _measure(name: str, seed: int, model: str, quick: bool, tell: Tell) -> dict:
    target = FEYNMAN_EQUATIONS[name]
    X, y, spread = noisy_samples(target, seed)
    X_test, y_test = target.sample(TEST, seed=1_000_000 + seed)
    start, start_cpu = time.perf_counter(), time.process_time()
    fitted, facts = MODELS[model](X, y, seed, quick, tell)
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}
    error = float(np.sqrt(np.mean((fitted.predict(X_test) - y_test) ** 2)))
    if isinstance(fitted, KANRegressor) and fitted.error_bars_ is not None:
        noisy = y_test + NOISE * spread * np.random.default_rng([seed, 2]).normal(size=TEST)
        facts["interval_holds"] = _held(fitted.predict_interval(X_test, LEVEL), noisy)
        facts["band_holds"] = _held(fitted.predict_band(X_test, LEVEL), y_test)
    return {**spent, "rmse": error, "relative": error / spread, **facts}


def _held(ends: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> float:
    return float(np.mean((ends[0] <= y) & (y <= ends[1])))


def noisy_samples(target: TargetFunction, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """X (SAMPLES, d), y with noise, and the standard deviation of the target."""
    X, y = target.sample(SAMPLES, seed)
    spread = float(np.std(target.sample(TEST, seed=2_000_000)[1]))
    return X, y + NOISE * spread * np.random.default_rng([seed, 1]).normal(size=SAMPLES), spread


def _kan(X, y, seed: int, quick: bool, tell: Tell) -> tuple[KANRegressor, dict]:
    model = KANRegressor(
        budget=0.02 if quick else BUDGET,
        random_state=seed,
        progress=lambda at: tell(at.stage, at.share, at.loss),
    ).fit(X, y)
    if "interrupted" in (model.report_.stopped, model.search_.stopped):
        raise KeyboardInterrupt  # a fit that was cut short is no result
    return model, {"parameters": model.parameter_count_, "width": list(model.model_.config.width)}


def _boosting(X, y, seed: int, quick: bool, tell: Tell) -> tuple[GradientBoostingRegressor, dict]:
    """Depth, share of the samples for each tree, and number of trees by cross-validation."""
    trees = 50 if quick else TREES
    grid = list(product(DEPTHS[:1] if quick else DEPTHS, SHARES))
    losses = {}
    for done, (depth, share) in enumerate(grid):
        tell(f"depth {depth}", done / len(grid), None)
        losses[depth, share] = np.mean(list(_staged_losses(X, y, seed, trees, depth, share)), axis=0)
    depth, share = min(losses, key=lambda key: losses[key].min())
    count = int(losses[depth, share].argmin()) + 1
    model = _booster(count, depth, share, seed).fit(X, y)
    return model, {"parameters": None, "trees": count, "depth": depth, "share": share}


def _staged_losses(X, y, seed: int, trees: int, depth: int, share: float) -> Iterator[list[float]]:
    for fit, judge in KFold(FOLDS, shuffle=True, random_state=seed).split(X):
        model = _booster(trees, depth, share, seed).fit(X[fit], y[fit])
        yield [float(np.mean((each - y[judge]) ** 2)) for each in model.staged_predict(X[judge])]


def _booster(trees: int, depth: int, share: float, seed: int) -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=trees, learning_rate=RATE, max_depth=depth, subsample=share, random_state=seed
    )


def _mlp(X, y, seed: int, quick: bool, tell: Tell) -> tuple[GridSearchCV, dict]:
    """Layers and weight decay by cross-validation; L-BFGS, the better optimiser for 500 samples."""
    network = MLPRegressor(
        activation="tanh", solver="lbfgs", max_iter=50 if quick else ITERATIONS, max_fun=10**6, random_state=seed
    )
    whole = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
    name = "regressor__mlpregressor__"
    grid = {
        f"{name}alpha": ALPHAS[:2] if quick else ALPHAS,
        f"{name}hidden_layer_sizes": LAYERS[:1] if quick else LAYERS,
    }
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # stopped by max_iter: judged by its error like the others
        found = GridSearchCV(whole, grid, cv=folds, scoring="neg_mean_squared_error").fit(X, y)
    best = found.best_estimator_.regressor_[-1]
    chosen = {"alpha": best.alpha, "layers": list(best.hidden_layer_sizes)}
    return found, {"parameters": sum(each.size for each in (*best.coefs_, *best.intercepts_)), **chosen}


def _spline(X, y, seed: int, quick: bool, tell: Tell) -> tuple[SmoothingSpline, dict]:
    spline = SmoothingSpline.fit(X, y)
    return spline, {"parameters": round(spline.parameters, 1)}


MODELS = {"KAN": _kan, "boosting": _boosting, "MLP": _mlp, "smoothing spline": _spline}
