"""Imaging: a photograph and a turbulence-like field as functions of x and y, by KANs, MLPs, random waves and SIREN.

The photograph is scikit-image's `camera` (of version 0.18 and later, CC0), reduced to 128 x 128 by means of blocks; the
field has the energy spectrum k^-5/3 between 2 and 48 waves a side. All models have the same limit of parameters and the
same CPU seconds, with Adam or L-BFGS; a "product KAN" is solved for instead, in a fraction of these. Each kind has
several settings, which are tried for a short time on the picture at hand; the setting with the lowest error is trained.
For super-resolution every second pixel of rows and columns is visible and the others are scored; for denoising all
pixels are visible with Gaussian noise and are scored against the clean picture. In these two tasks a tenth of the
visible pixels is held out, and chooses the settings and when to stop; a product KAN needs no such pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import nn

from edgewise.outcomes import ProgressCallback
from edgewise.train import Roughness
from edgewise_experiments.images.networks import Schedule, build, parameters_of, train
from edgewise_experiments.images.products import PRODUCT_KAN, fit_products
from edgewise_experiments.images.reporting import best_row, line, summary
from edgewise_experiments.images.tasks import FIELDS, TASKS, decibels, packed, psnr, reference, samples_of, ssim
from edgewise_experiments.runner.jobs import Job, RowCallback, run_jobs
from edgewise_experiments.runner.outcome import Outcome
from edgewise_experiments.runner.store import Store

# Settings that are tried. rate: learning rate of Adam; without it the method is L-BFGS.
SETTINGS: Mapping[str, tuple[dict, ...]] = {
    PRODUCT_KAN: ({},),
    "KAN": tuple({"grid": grid, "last_grid": 1} for grid in (32, 64, 96)),
    "SIREN": ({"omega": 30, "rate": 3e-3}, {"omega": 30}, {"omega": 15}, {"omega": 60}),
    "Fourier features": ({"scale": 8, "rate": 5e-3}, {"scale": 8}, {"scale": 16}, {"scale": 4}),
    "SiLU MLP": ({"rate": 1e-2}, {}),
    "ReLU MLP": ({"rate": 1e-2}, {}),
}
# The same for super-resolution and denoising, where smooth models do better. roughness: weight of that penalty.
TASK_SETTINGS: Mapping[str, tuple[dict, ...]] = {
    PRODUCT_KAN: ({},),
    "KAN": tuple(
        {"grid": grid, "last_grid": 1, "roughness": rough} for grid, rough in ((40, 1e-8), (64, 1e-8), (64, 1e-7))
    ),
    "SIREN": ({"omega": 10}, {"omega": 15}, {"omega": 30, "rate": 3e-3}),
    "Fourier features": ({"scale": 4}, {"scale": 4, "rate": 5e-3}, {"scale": 8, "rate": 5e-3}),
    "SiLU MLP": SETTINGS["SiLU MLP"],
    "ReLU MLP": SETTINGS["ReLU MLP"],
}


@dataclass(frozen=True)
class Effort:
    """The sizes of the networks and the CPU seconds of their training."""

    sizes: Mapping[int, float]
    tune: float
    task: float
    long: float
    settings: int | None = None
    compared: tuple[str, ...] = (PRODUCT_KAN, "KAN", "SIREN")


# Both sizes are smaller than the number of pixels.
EFFORT = Effort({5_000: 10.0, 12_000: 20.0}, tune=4.0, task=4.0, long=40.0)
QUICK = Effort({1_500: 0.05}, tune=0.05, task=0.05, long=0.0, settings=1)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Try the settings and train the best, with three seeds of weights, noise and held-out pixels by default."""
    effort, seeds = (QUICK if quick else EFFORT), seeds or ((0,) if quick else (0, 1, 2))
    first_size = next(iter(effort.sizes))

    def best_setting(field: str, kind: str, seed: int) -> dict:
        return best_row(tried, "tune", field, kind, seed)["setting"]

    trials = [
        _job("tune", field, kind, setting, first_size, effort.tune, seed)
        for seed, field, (kind, settings) in product(seeds, FIELDS, SETTINGS.items())
        for setting in settings[: effort.settings]
    ]
    tried = run_jobs(trials, store, progress, line)
    fits = [
        _job("fit", field, kind, best_setting(field, kind, seed), size, seconds, seed)
        for seed, (size, seconds), field, kind in product(seeds, effort.sizes.items(), FIELDS, SETTINGS)
    ]
    tasks = [
        job for seed, task, field in product(seeds, TASKS, FIELDS) for job in _task_jobs(effort, task, field, seed)
    ]
    longer = [
        _job("longer", field, kind, best_setting(field, kind, seed), first_size, effort.long, seed)
        for seed, field, kind in product(seeds, FIELDS, effort.compared if effort.long else ())
    ]
    jobs = [job if job.key["seed"] == seeds[0] else _without_picture(job) for job in (*fits, *tasks, *longer)]
    return summary([*tried, *run_jobs(jobs, store, progress, line)])


def _task_jobs(effort: Effort, task: str, field: str, seed: int) -> Iterator[Job]:
    """Yield the jobs of a task on a picture: the result without training, and every setting of every kind."""
    yield _job(task, field, "none", {}, 0, 0.0, seed)
    for kind, settings in TASK_SETTINGS.items():
        for setting in settings[: effort.settings]:
            yield _job(task, field, kind, setting, next(iter(effort.sizes)), effort.task, seed)


def _without_picture(job: Job) -> Job:
    """Return the job without the picture in its row, which is larger than the rest; figures show the first seed."""

    def work(report: ProgressCallback) -> dict:
        return {name: value for name, value in job.work(report).items() if name != "picture"}

    return replace(job, work=work)


def _job(task: str, field: str, kind: str, setting: Mapping, size: int, seconds: float, seed: int) -> Job:
    key = {"task": task, "field": field, "kind": kind, "setting": dict(setting), "size": size, "given": seconds}
    key["seed"] = seed
    text = ", ".join(f"{name} {value:g}" for name, value in setting.items())
    return Job(f"{task}, {field}, {kind} {text}", key, partial(measure, key))


def measure(key: Mapping, report: ProgressCallback) -> dict:
    """Train one network on one task and score it."""
    task, kind, setting, seed = key["task"], key["kind"], key["setting"], key["seed"]
    samples = samples_of(FIELDS[key["field"]](), task if task in TASKS else "fit", seed)
    if kind == "none":
        picture = reference(samples, task)
        return {"psnr": psnr(picture, samples), "ssim": ssim(picture, samples), "picture": packed(picture)}
    if kind == PRODUCT_KAN:
        row, picture = fit_products(samples, task, key["size"])
        return row if task == "tune" else {**row, "picture": packed(picture)}
    x = torch.from_numpy(samples.x).float()
    y = torch.from_numpy(samples.values).float()[:, None]
    trained, held_out = (torch.from_numpy(pixels) for pixels in (samples.trained, samples.held_out))
    has_held_out = bool(held_out.any())
    evaluated = held_out if has_held_out else trained
    x_evaluated, y_evaluated = x[evaluated], y[evaluated]

    def error(model: nn.Module) -> float:
        return float((model(x_evaluated) - y_evaluated).square().mean())

    model = build(kind, setting, key["size"], seed)
    penalty = Roughness(setting["roughness"]) if "roughness" in setting else None
    schedule = Schedule(key["given"], setting.get("rate"), penalty, keep_best=has_held_out)
    training = train(model, x[trained], y[trained], schedule, error, report)
    with torch.no_grad():
        picture = model(x).double().numpy().reshape(samples.clean.shape)
    looks = [
        (seconds, round(decibels(loss), 3) if math.isfinite(loss) else None)
        for seconds, loss in training["evaluations"]
    ]
    known = [quality for _, quality in looks if quality is not None]
    row = {
        "psnr": psnr(picture, samples),
        "ssim": ssim(picture, samples),
        "parameters": parameters_of(model),
        "steps": training["steps"],
        "trained": training["seconds"],
        "looks": looks,
        "held_out": max(known, default=None) if has_held_out else None,
    }
    return row if task == "tune" else {**row, "picture": packed(picture)}
