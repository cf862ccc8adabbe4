"""Noisy samples of ten Feynman equations: the KAN with its defaults against boosting, an MLP and a smoothing spline.

500 samples, normal noise of 5 % of the target's standard deviation, the ten first equations of two or three variables;
the error is that against the equation itself, on 10,000 fresh points. All models get the same samples. The others are
tuned by three-fold cross-validation, the spline by generalised cross-validation; the KAN has its defaults. The coverage
of its prediction intervals and of its confidence bands is measured too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from edgewise.outcomes import Progress, ProgressCallback
from edgewise_experiments.accuracy.smoothing_spline import INTERVALS, SmoothingSpline
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Stopwatch,
    Store,
    count_range,
    key_figures,
    latest,
    median,
    require_complete,
    run_jobs,
    working_seconds,
)

SAMPLES, NOISE, TEST = 500, 0.05, 10_000
EQUATIONS = tuple(name for name, target in FEYNMAN_EQUATIONS.items() if target.inputs in (2, 3))[:10]
QUICK = EQUATIONS[:2]
FOLDS = 3
TREES, RATE = 600, 0.05
DEPTHS, SHARES = (2, 3, 4, 6), (0.5, 1.0)
ALPHAS, LAYERS, ITERATIONS = (1e-4, 1e-3, 1e-2, 1e-1), ((30,), (100,), (50, 50)), 1000
LEVEL = 0.9  # of intervals and bands
NOTES = (
    "RMSE against the equation itself, without noise, in per cent of its standard deviation; medians of the seeds. "
    "Parameters and seconds are those of the KAN, its search included: wall seconds, or CPU seconds where these are "
    "fewer because the machine was shared.",
    "Coverage of the intervals is the share of fresh samples with noise that lie in the KAN's prediction intervals, "
    "coverage of the bands the share of fresh points at which its confidence bands contain the equation. Both are "
    "means over all fits of the KAN, with the smallest and the largest in brackets.",
)
# Settings of each model, a part of the key of its rows: other settings are another result.
SETTINGS = {
    "KAN": {"level": LEVEL},
    "boosting": {"folds": FOLDS, "most_trees": TREES, "rate": RATE, "depths": DEPTHS, "shares": SHARES},
    "MLP": {"folds": FOLDS, "alphas": ALPHAS, "shapes": LAYERS, "iterations": ITERATIONS},
    "smoothing spline": {"intervals": {str(inputs): counts for inputs, counts in INTERVALS.items()}},
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Fit every model with three seeds (of samples, noise and training) by default."""
    seeds = seeds or ((0,) if quick else (0, 1, 2))
    jobs = []
    for name, seed, model in product(QUICK if quick else EQUATIONS, seeds, MODELS):
        key = {"problem": name, "seed": seed, "model": model, "samples": SAMPLES, "noise": NOISE, "quick": quick}
        key |= {"settings": SETTINGS[model]}
        jobs.append(Job(f"{name}, {model}", key, partial(measure, name, seed, model, quick)))
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Make the table of all models' errors in per cent of the target's standard deviation, medians of the seeds."""
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
    counts = [sum(row["problem"] == name and row["model"] == "KAN" for row in rows) for name in names]
    fits = [row for row in rows if row.get("interval_holds") is not None]
    figures = {
        "equations for which the KAN has the lowest error": f"{below} of {len(names)}",
        f"coverage of the {100 * LEVEL:g} % intervals": _mean_and_range([row["interval_holds"] for row in fits]),
        f"coverage of the {100 * LEVEL:g} % bands": _mean_and_range([row["band_holds"] for row in fits]),
        "fits with intervals": str(len(fits)),
        "samples": f"{rows[0]['samples']}",
        "noise": f"{100 * rows[0]['noise']:g} %",
        "seeds": count_range(counts),
    }
    columns = ("equation", *MODELS, "parameters", "seconds")
    tables = (ResultTable(columns, tuple(lines)), key_figures(figures))
    return Outcome(tables, NOTES, {"errors": partial(draw_errors, names, shown)})


def _mean_and_range(shares: Sequence[float]) -> str:
    return f"{sum(shares) / len(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})" if shares else "-"


def draw_errors(names: list[str], shown: Mapping[str, list[list[float]]]) -> Figure:
    """Draw the errors of all models with the range of the seeds."""
    from edgewise_experiments.plots.errors import Span, error_bar_chart

    series = {model: [Span.of(values) if values else None for values in each] for model, each in shown.items()}
    return error_bar_chart(names, series, ylabel="RMSE in % of the standard deviation")


def measure(name: str, seed: int, model: str, quick: bool, report_progress: ProgressCallback) -> dict:
    """Fit a model to noisy samples and measure its error and the coverage of its error bars."""
    target = FEYNMAN_EQUATIONS[name]
    X, y, spread = noisy_samples(target, seed)
    X_test, y_test = target.sample(TEST, seed=1_000_000 + seed)
    watch = Stopwatch()
    fitted, facts = MODELS[model](X, y, seed, quick, report_progress)
    spent = watch.seconds()
    error = float(np.sqrt(np.mean((fitted.predict(X_test) - y_test) ** 2)))
    if isinstance(fitted, KANRegressor) and fitted.error_bars_ is not None:
        noisy = y_test + NOISE * spread * np.random.default_rng([seed, 2]).normal(size=TEST)
        facts["interval_holds"] = _held(fitted.predict_interval(X_test, LEVEL), noisy)
        facts["band_holds"] = _held(fitted.predict_band(X_test, LEVEL), y_test)
    return {**spent, "rmse": error, "relative": error / spread, **facts}


def _held(ends: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> float:
    return float(np.mean((ends[0] <= y) & (y <= ends[1])))


def noisy_samples(target: TargetFunction, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return inputs (SAMPLES, d), values with noise, and the standard deviation of the target."""
    X, y = target.sample(SAMPLES, seed)
    spread = float(np.std(target.sample(TEST, seed=2_000_000)[1]))
    return X, y + NOISE * spread * np.random.default_rng([seed, 1]).normal(size=SAMPLES), spread


def fit_kan(
    X: np.ndarray, y: np.ndarray, seed: int, quick: bool, report_progress: ProgressCallback
) -> tuple[KANRegressor, dict]:
    """Fit a KAN with its defaults."""
    report_progress(Progress("KAN", 0.0))
    model = KANRegressor(effort="low" if quick else "normal", random_state=seed).fit(X, y)
    require_complete(model.report_, model.search_)
    return model, {"parameters": model.parameter_count_, "width": list(model.model_.config.width)}


def fit_boosting(
    X: np.ndarray, y: np.ndarray, seed: int, quick: bool, report_progress: ProgressCallback
) -> tuple[GradientBoostingRegressor, dict]:
    """Fit boosted trees; cross-validation chooses depth, share of the samples for each tree, and number of trees."""
    trees = 50 if quick else TREES
    grid = list(product(DEPTHS[:1] if quick else DEPTHS, SHARES))
    losses = {}
    for done, (depth, share) in enumerate(grid):
        report_progress(Progress(f"depth {depth}", done / len(grid)))
        folds = []
        for train, held_out in KFold(FOLDS, shuffle=True, random_state=seed).split(X):
            model = _booster(trees, depth, share, seed).fit(X[train], y[train])
            folds.append([float(np.mean((each - y[held_out]) ** 2)) for each in model.staged_predict(X[held_out])])
        losses[depth, share] = np.mean(folds, axis=0)
    depth, share = min(losses, key=lambda key: losses[key].min())
    count = int(losses[depth, share].argmin()) + 1
    model = _booster(count, depth, share, seed).fit(X, y)
    return model, {"parameters": None, "trees": count, "depth": depth, "share": share}


def _booster(trees: int, depth: int, share: float, seed: int) -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=trees, learning_rate=RATE, max_depth=depth, subsample=share, random_state=seed
    )


def fit_mlp(
    X: np.ndarray, y: np.ndarray, seed: int, quick: bool, report_progress: ProgressCallback
) -> tuple[GridSearchCV, dict]:
    """Fit an MLP by L-BFGS, the better optimiser for 500 samples; cross-validation chooses layers and weight decay."""
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
        search = GridSearchCV(whole, grid, cv=folds, scoring="neg_mean_squared_error").fit(X, y)
    best = search.best_estimator_.regressor_[-1]
    chosen = {"alpha": best.alpha, "layers": list(best.hidden_layer_sizes)}
    return search, {"parameters": sum(each.size for each in (*best.coefs_, *best.intercepts_)), **chosen}


def fit_spline(
    X: np.ndarray, y: np.ndarray, seed: int, quick: bool, report_progress: ProgressCallback
) -> tuple[SmoothingSpline, dict]:
    """Fit a smoothing spline."""
    spline = SmoothingSpline.fit(X, y)
    return spline, {"parameters": round(spline.parameters, 1)}


MODELS = {"KAN": fit_kan, "boosting": fit_boosting, "MLP": fit_mlp, "smoothing spline": fit_spline}
