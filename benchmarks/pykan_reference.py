"""Trains pykan on Edgewise's tasks and keeps its curves of seconds and accuracy in results/pykan-reference.json.

python benchmarks/pykan_reference.py [--quick] [--only NAME ...] [--out results]

`make bench` makes the environment: pykan, torch and this Edgewise. The schedule is that of the KAN paper (grids 3, 5,
10, 20, 50, 100, L-BFGS on all samples, 200 steps a grid; with --quick 20) in float64, without the symbolic branch and
without files after each fit. A run goes on from the rows that are in the file, and ends a row early when a grid makes
the loss NaN. Written for pykan 0.2.8.

The file: {"machine": {...}, "rows": [...]}, and each row is

    function            a name in edgewise_experiments.data.functions: "toy 2" is exp(sin(pi x) + y^2)
    width               nodes per layer, pykan's `width`
    steps_per_grid      pykan's `steps`; each is up to 20 iterations of its L-BFGS
    seed                of the weights; samples are those of `samples` below, the same for every seed
    train_samples, test_samples
    std                 standard deviation of the target on the test points
    curve               a list, one entry after each grid, in order:
        grid, steps (all so far), train_rmse, test_rmse, parameters (pykan's trainable numbers)
        seconds (wall) and cpu_seconds, all so far, without measuring the error. With one thread, CPU seconds are the
        wall seconds of a quiet machine; compare with the smaller of the two.
    best_test_rmse, seconds_to_best, cpu_seconds_to_best      smallest test error of the curve, and when it was reached
    load_average        of the machine at the end of the row; far above 1, the machine was shared
"""

import argparse
import contextlib
import io
import math
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from kan import KAN

from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS
from edgewise_experiments.data.target import TargetFunction
from edgewise_experiments.runner.store import RESULTS, Store

GRIDS = (3, 5, 10, 20, 50, 100)
TRAIN, TEST = 1000, 10_000  # pykan's default, and enough points for two digits of an RMSE
QUICK_STEPS, STEPS = 20, 200


# Shapes besides the paper's own. pykan's seeds matter: where a row takes seconds, three are tried.
MORE_WIDTHS = {"toy 2": (2, 5, 1), **dict.fromkeys(("jv", "ellipkinc", "ellipeinc", "yv", "kv"), (2, 5, 1))}
TOYS = ("toy 2", "toy 1", "toy 3", "toy 5")
SPECIALS = ("jv", "ellipkinc", "ellipeinc", "yv", "kv")
SEEDS = {"toy 2": (0, 1, 2)}


def samples(target: TargetFunction, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Uniform points of the target's box, (count, inputs), and values, (count, 1)."""
    x, y = target.sample(count, seed)
    return torch.from_numpy(x), torch.from_numpy(y)[:, None]


def train(target: TargetFunction, width: tuple[int, ...], steps: int, seed: int, say: Callable[[str], None]) -> dict:
    """One row: pykan on this function, from the coarsest grid to the finest."""
    (x, y), (test_x, test_y) = samples(target, TRAIN, 1), samples(target, TEST, 2)
    # pykan measures a test loss after every step; a few points keep that out of its time.
    data = {"train_input": x, "train_label": y, "test_input": test_x[:10], "test_label": test_y[:10]}
    options = {"k": 3, "symbolic_enabled": False, "auto_save": False}
    curve, seconds, cpu, model = [], 0.0, 0.0, None
    for number, grid in enumerate(GRIDS):
        start, start_cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if model is None:
                model = KAN(width=list(width), grid=grid, seed=seed, **options)
            else:
                model = model.refine(grid)
                model.auto_save = False
            model.fit(data, opt="LBFGS", steps=steps)
        seconds, cpu = seconds + time.perf_counter() - start, cpu + time.process_time() - start_cpu
        with torch.no_grad():
            errors = [float((model(a) - b).square().mean().sqrt()) for a, b in ((x, y), (test_x, test_y))]
        if not all(math.isfinite(error) for error in errors):
            break
        curve.append(
            {
                "grid": grid,
                "steps": steps * (number + 1),
                "seconds": round(seconds, 3),
                "cpu_seconds": round(cpu, 3),
                "train_rmse": errors[0],
                "test_rmse": errors[1],
                "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            }
        )
        say(f"{list(width)} grid {grid}: test RMSE {errors[1]:.2e} after {cpu:.1f} s")
    best = min(curve, key=lambda point: point["test_rmse"])
    return {
        "train_samples": TRAIN,
        "test_samples": TEST,
        "std": float(test_y.std()),
        "curve": curve,
        "best_test_rmse": best["test_rmse"],
        "seconds_to_best": best["seconds"],
        "cpu_seconds_to_best": best["cpu_seconds"],
        "load_average": round(os.getloadavg()[0], 2),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps a grid instead of {STEPS}")
    parser.add_argument("--only", nargs="*", help="names of functions")
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args(arguments)
    torch.set_default_dtype(torch.float64)  # as in pykan's own Example 1
    steps = QUICK_STEPS if settings.quick else STEPS
    store = Store.open(settings.out, "pykan-reference")
    for name in settings.only or TOYS + SPECIALS:
        target = (TOY_FUNCTIONS if name in TOY_FUNCTIONS else SPECIAL_FUNCTIONS)[name]
        seeds = SEEDS.get(name, (0,)) if settings.quick else (1,)
        for width in (target.shape, *([MORE_WIDTHS[name]] if name in MORE_WIDTHS else [])):
            for seed in seeds:
                key = {"function": name, "width": list(width), "steps_per_grid": steps, "seed": seed}
                if store.find(**key) is None:
                    row = train(target, width, steps, seed, lambda text, name=name: print(f"{name} {text}", flush=True))
                    store.add({**key, **row, "version": version("pykan")})


if __name__ == "__main__":
    main()
