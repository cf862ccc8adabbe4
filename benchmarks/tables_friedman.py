"""CPU seconds, memory and R² of fits to noisy rows of Friedman's first function of ten inputs.

The noise has variance 1, the function itself has R² .960 on noisy rows.
"""

import json
import warnings
from functools import partial

import numpy as np
import tables_models
from tables_process import cpu_seconds, import_like, isolated

from edgewise.compare import measures
from edgewise_experiments.runner.store import commit, machine

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


def run(models, sizes, seed: int, path) -> None:
    """Measure each model at each size; a size after one that failed is left out."""
    here = machine()
    for model in models:
        import_like(lambda model=model: tables_models.MODELS[model]("regression", *sample(60, 0), 0))
        for rows in sizes:
            result, error, peak = isolated(partial(fitted, model, rows, seed), LIMIT)
            row = {"model": model, "rows": rows, "seed": seed, **(result or {"error": error}), "peak_mib": peak}
            row |= {"versions": tables_models.versions(model), "machine": here["processor"], "commit": commit()}
            with path.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            found = error or f"R² {result['r2']:.4f}, {result['seconds']:.2f} CPU s"
            print(f"{model}, {rows:,} rows: {found}, {peak} MiB at most", flush=True)
            if error:
                break
