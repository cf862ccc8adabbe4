"""CPU seconds, memory and R² of fits to noisy rows of Friedman's first function of ten inputs, and further fits.

The noise has variance 1, the function itself has R² .960 on noisy rows. The others, of the KAN alone: five-fold
cross-validation of 400 rows of six inputs, two of which act, Airy's function on [-6, 6] from 3,000 exact points, smooth
functions of two and of five inputs from as many, copies of 400 rows of Friedman's function, and tables of few discrete
columns with and without a column of noise.
"""

import warnings
from functools import partial

import numpy as np
import tables_models
from tables_process import cpu_seconds, import_like, isolated

from edgewise.metrics import measures
from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables.copies import COPIES, DISCRETE, copied, friedman

TEST_ROWS = 10_000
LIMIT = 600  # CPU seconds after which a fit is given up


def sample(rows: int, seed: int):
    """Inputs uniform on [0, 1]^10, y = 10 sin(pi x0 x1) + 20 (x2 - 1/2)² + 10 x3 + 5 x4 + a standard normal."""
    generator = np.random.default_rng(seed)
    x = generator.random((rows, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, y + generator.normal(size=rows)


def fitted(model: str, rows: int, seed: int) -> dict:
    warnings.simplefilter("ignore")
    x, y = sample(rows, seed)
    fresh_x, fresh_y = sample(TEST_ROWS, 1_000_000 + seed)
    before = cpu_seconds()
    predict = tables_models.MODELS[model]("regression", x, y, seed)
    seconds = cpu_seconds() - before
    return {"r2": measures("regression", fresh_y, predict(fresh_x)[0])["r2"], "seconds": round(seconds, 3)}


def cross_validated(seed: int) -> dict:
    """Cross-validate a KAN with its defaults in five folds of 400 noisy rows of six inputs."""
    from sklearn.model_selection import cross_val_score

    from edgewise import KANRegressor

    generator = np.random.default_rng(seed)
    x = generator.normal(size=(400, 6))
    y = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 + 0.3 * generator.normal(size=400)
    before = cpu_seconds()
    scores = cross_val_score(KANRegressor(random_state=seed), x, y, cv=5)
    return {"r2": float(scores.mean()), "seconds": round(cpu_seconds() - before, 3)}


def airy(seed: int) -> dict:
    """Fit Airy's function with the defaults of a KAN; the error is the largest at 2,000 fresh points."""
    from scipy.special import airy as exact

    from edgewise import KANRegressor

    generator = np.random.default_rng(seed)
    x, fresh = generator.uniform(-6, 6, (3000, 1)), generator.uniform(-6, 6, (2000, 1))
    y = exact(x[:, 0])[0]
    before = cpu_seconds()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = KANRegressor(random_state=seed).fit(x, y)
    seconds = cpu_seconds() - before
    inside = (fresh > x.min()) & (fresh < x.max())
    error = np.abs(model.predict(fresh[inside].reshape(-1, 1)) - exact(fresh[inside])[0]).max()
    return {"largest error": float(error), "warnings": len(caught), "seconds": round(seconds, 3)}


def kepler(anomaly, eccentricity):
    """The eccentric anomaly E with E - e sin E = M, by Newton's method."""
    e = anomaly + eccentricity * np.sin(anomaly)
    for _ in range(50):
        e = e - (e - eccentricity * np.sin(e) - anomaly) / (1 - eccentricity * np.cos(e))
    return e


def beta(a, b):
    """Gamma(a) Gamma(b) / Gamma(a + b)."""
    from scipy.special import gamma

    return gamma(a) / gamma(a + b) * gamma(b)


def struve(order, x):
    """Struve's function of real order."""
    from scipy.special import struve as exact

    return exact(order, x)


# Functions with their boxes; those of five inputs are sums, logarithms of sums, and products of functions of groups.
SMOOTH = {
    "gamma ratio": (beta, [(0.5, 3), (0.5, 3)]),
    "Struve": (struve, [(0, 3), (0.5, 8)]),
    "Kepler, e < 0.5": (kepler, [(0, np.pi), (0, 0.5)]),
    "Kepler, e < 0.8": (kepler, [(0, np.pi), (0, 0.8)]),
    "log of Rosenbrock's": (lambda a, b: np.log(1 + 100 * (b - a * a) ** 2 + (1 - a) ** 2), [(-2, 2), (-1, 3)]),
    "sin(a + bc) + log(2 + d) e": (lambda a, b, c, d, e: np.sin(a + b * c) + np.log(2 + d) * e, 5 * [(-1, 1)]),
    "exp(sin(ab) + c²/2) / (1 + d² + e)": (
        lambda a, b, c, d, e: np.exp(np.sin(a * b) + c**2 / 2) / (1 + d**2 + e),
        [*4 * [(-1, 1)], (0, 1)],
    ),
    "√(1 + a² + b²) sin(c + de)": (
        lambda a, b, c, d, e: np.sqrt(1 + a * a + b * b) * np.sin(c + d * e),
        5 * [(-1, 1)],
    ),
}


def smooth(name: str, seed: int) -> dict:
    """Fit 3,000 uniform points with the defaults of a KAN; the RMSE is that of 10,000 fresh ones, in deviations."""
    from edgewise import KANRegressor

    function, box = SMOOTH[name]
    generator, (low, high) = np.random.default_rng(seed), np.array(box, dtype=float).T
    x, fresh = (generator.uniform(low, high, (count, len(box))) for count in (3000, TEST_ROWS))
    y, exact = function(*x.T), function(*fresh.T)
    warnings.simplefilter("ignore")
    before = cpu_seconds()
    model = KANRegressor(random_state=seed).fit(x, y)
    seconds = cpu_seconds() - before
    error = float(np.sqrt(np.mean((model.predict(fresh) - exact) ** 2)) / exact.std())
    return {"relative rmse": error, "chosen": model.search_.chosen, "seconds": round(seconds, 3)}


def with_copies(kind: str, seed: int) -> dict:
    """Fit copies of 400 rows with the defaults of a KAN; R² of fresh rows, of the function there, and as reported."""
    from edgewise import KANRegressor

    x, _, y = friedman(400, seed)
    fresh, mean, fresh_y = friedman(TEST_ROWS, 1_000_000 + seed)
    rows, weight = copied(kind, 400, seed)
    warnings.simplefilter("ignore")
    before = cpu_seconds()
    model = KANRegressor(random_state=seed).fit(x[rows], y[rows], sample_weight=weight)
    seconds = cpu_seconds() - before
    prediction, held_out = model.predict(fresh), model.search_.chosen_trial.loss
    found = {"r2": measures("regression", fresh_y, prediction)["r2"]}
    found |= {"r2 of the function": measures("regression", mean, prediction)["r2"], "r2 held out": 1 - held_out}
    return found | {"chosen": model.search_.chosen, "seconds": round(seconds, 3)}


def with_noise(name: str, seed: int) -> dict:
    """Log loss of a KAN on two fifths of a table of discrete columns, and of one that has a column of noise too."""
    from edgewise import KANClassifier

    x, y = DISCRETE[name]()
    generator = np.random.default_rng(seed)
    noisy = np.column_stack([x, generator.random(len(y))])
    train, test = np.split(generator.permutation(len(y)), [len(y) * 3 // 5])
    warnings.simplefilter("ignore")
    before = cpu_seconds()
    model = KANClassifier(random_state=seed).fit(x[train], y[train])
    seconds = cpu_seconds() - before
    other = KANClassifier(random_state=seed).fit(noisy[train], y[train])
    losses, others = (
        -np.log(one.predict_proba(columns[test])[np.arange(len(test)), y[test]])
        for one, columns in ((model, x), (other, noisy))
    )
    found = {"log loss": float(losses.mean()), "log loss held out": model.search_.chosen_trial.loss}
    found |= {"gain of noise": float((losses - others).mean())}
    found |= {"error of the gain": float((losses - others).std() / len(test) ** 0.5)}
    return found | {"chosen": model.search_.chosen, "seconds": round(seconds, 3)}


def run_others(seed: int, store: Store) -> None:
    """Measure the fits of the KAN alone."""
    several = [(f"{name}, 3,000 points", partial(smooth, name)) for name in SMOOTH]
    several += [(f"400 rows, {kind}", partial(with_copies, kind)) for kind in ("plain", *COPIES)]
    several += [(f"{name}, a column of noise", partial(with_noise, name)) for name in DISCRETE]
    for name, function in (("five folds of 400 x 6", cross_validated), ("Airy, 3,000 points", airy), *several):
        import_like(partial(function, seed))
        row = measured(partial(function, seed), {"model": "KAN", "what": name, "seed": seed}, store)
        hidden = ("model", "what", "seed", "peak_mib", "versions", "machine", "commit", "date")
        found = ", ".join(f"{key} {value}" for key, value in row.items() if key not in hidden)
        print(f"{name}: {found}, {row['peak_mib']} MiB at most", flush=True)


def measured(function, key: dict, store: Store) -> dict:
    """Run a function in a process of its own; store what it returns, or its error, and return the row."""
    result, error, peak = isolated(function, LIMIT)
    row = {**key, **(result or {"error": error}), "peak_mib": peak, "versions": tables_models.versions(key["model"])}
    return store.add(row)


def run(models, sizes, seed: int, store: Store) -> None:
    """Measure each model at each size; a size after one that failed is left out."""
    for model in models:
        import_like(lambda model=model: tables_models.MODELS[model]("regression", *sample(60, 0), 0))
        for rows in sizes:
            key = {"model": model, "rows": rows, "seed": seed}
            row = measured(partial(fitted, model, rows, seed), key, store)
            found = row.get("error") or f"R² {row['r2']:.4f}, {row['seconds']:.2f} CPU s"
            print(f"{model}, {rows:,} rows: {found}, {row['peak_mib']} MiB at most", flush=True)
            if "error" in row:
                break
