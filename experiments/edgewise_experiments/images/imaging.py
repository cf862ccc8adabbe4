"""Imaging: a photograph and a turbulence-like field as functions of x and y, by KANs, MLPs, random waves and SIREN.

The photograph is scikit-image's `camera` (that of version 0.18 and later, CC0), 128 x 128 by means of blocks; the field
has the energy spectrum k^-5/3 between 2 and 48 waves a side. Every model is as large as the same number of parameters
allows and trains for the same CPU seconds, with Adam or L-BFGS. Each kind has some settings, tried for a short time on
the picture at hand; that with the lowest error goes on. Super-resolution sees every second pixel of each row and column
and is scored on the others; denoising sees Gaussian noise and is scored against the clean picture; there a tenth of the
pixels is held out and chooses settings and when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import nn

from edgewise import Roughness
from edgewise_experiments.images.networks import build, parameters_of, train
from edgewise_experiments.images.reporting import chosen, line, summary
from edgewise_experiments.images.tasks import FIELDS, TASKS, decibels, packed, psnr, reference, samples_of, ssim
from edgewise_experiments.runner.jobs import Job, Progress, Tell, run_jobs
from edgewise_experiments.runner.outcome import Outcome
from edgewise_experiments.runner.store import Store

# rate: of Adam; without one L-BFGS.
SETTINGS: Mapping[str, tuple[dict, ...]] = {
    "KAN": tuple({"grid": grid, "last_grid": 1} for grid in (32, 64, 96)),
    "SIREN": ({"omega": 30, "rate": 3e-3}, {"omega": 30}, {"omega": 15}, {"omega": 60}),
    "Fourier features": ({"scale": 8, "rate": 5e-3}, {"scale": 8}, {"scale": 16}, {"scale": 4}),
    "SiLU MLP": ({"rate": 1e-2}, {}),
    "ReLU MLP": ({"rate": 1e-2}, {}),
}
# Of super-resolution and denoising, where smooth models do better. roughness: weight of the penalty of that name.
TASK_SETTINGS: Mapping[str, tuple[dict, ...]] = {
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
    """sizes: parameters, and the CPU seconds of a fit; tune, task: CPU seconds of each setting, at the first size;
    long: CPU seconds of a longer fit of `compared`, at the first size, 0 for none; settings: of each kind."""

    sizes: Mapping[int, float]
    tune: float
    task: float
    long: float
    settings: int | None = None
    compared: tuple[str, ...] = ("KAN", "SIREN")


EFFORT = Effort({5_000: 10.0, 12_000: 20.0}, tune=4.0, task=4.0, long=40.0)  # both sizes below the number of pixels
QUICK = Effort({500: 0.05}, tune=0.05, task=0.05, long=0.0, settings=1)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of weights, noise and held-out pixels, unless told otherwise: first settings, then what is best."""
    effort, seeds = (QUICK if quick else EFFORT), seeds or ((0,) if quick else (0, 1, 2))
    tried = run_jobs([job for seed in seeds for job in _tuning(effort, seed)], store, progress, line)
    fits = [job for seed in seeds for job in _fits(effort, seed, tried)]
    tasks = [job for seed in seeds for job in _tasks(effort, seed)]
    longer = [job for seed in seeds for job in _longer(effort, seed, tried)]
    jobs = [job if job.key["seed"] == seeds[0] else _without_picture(job) for job in (*fits, *tasks, *longer)]
    return summary([*tried, *run_jobs(jobs, store, progress, line)])


def _without_picture(job: Job) -> Job:
    """Its row has no picture, which takes more room than all else; figures show the first seed's."""

    def work(tell: Tell) -> dict:
        return {name: value for name, value in job.work(tell).items() if name != "picture"}

    return replace(job, work=work)


def _tuning(effort: Effort, seed: int) -> Iterator[Job]:
    for field, (kind, settings) in product(FIELDS, SETTINGS.items()):
        for setting in settings[: effort.settings]:
            yield _job("tune", field, kind, setting, next(iter(effort.sizes)), effort.tune, seed)


def _fits(effort: Effort, seed: int, tried: Sequence[dict]) -> Iterator[Job]:
    for (size, seconds), field, kind in product(effort.sizes.items(), FIELDS, SETTINGS):
        setting = chosen(tried, "tune", field, kind, seed)["setting"]
        yield _job("fit", field, kind, setting, size, seconds, seed)


def _tasks(effort: Effort, seed: int) -> Iterator[Job]:
    for task, field in product(TASKS, FIELDS):
        yield _job(task, field, "none", {}, 0, 0.0, seed)
        for kind, settings in TASK_SETTINGS.items():
            for setting in settings[: effort.settings]:
                yield _job(task, field, kind, setting, next(iter(effort.sizes)), effort.task, seed)


def _longer(effort: Effort, seed: int, tried: Sequence[dict]) -> Iterator[Job]:
    for field, kind in product(FIELDS, effort.compared if effort.long else ()):
        setting = chosen(tried, "tune", field, kind, seed)["setting"]
        yield _job("longer", field, kind, setting, next(iter(effort.sizes)), effort.long, seed)


def _job(task: str, field: str, kind: str, setting: Mapping, size: int, seconds: float, seed: int) -> Job:
    key = {"task": task, "field": field, "kind": kind, "setting": dict(setting), "size": size, "given": seconds}
    told = ", ".join(f"{name} {value:g}" for name, value in setting.items())
    return Job(f"{task}, {field}, {kind} {told}", {**key, "seed": seed}, partial(_measure, **key, seed=seed))


def _measure(
    tell: Tell, *, task: str, field: str, kind: str, setting: Mapping, size: int, given: float, seed: int
) -> dict:
    """psnr, ssim; held_out: PSNR on the held-out pixels at the best look, None where there are none; looks: (CPU
    seconds, PSNR) on those, or on all pixels where the task is to fit; picture: packed, but not of tried settings, nor
    of seeds after the first."""
    samples = samples_of(FIELDS[field](), task if task in TASKS else "fit", seed)
    if kind == "none":
        picture = reference(samples, task)
        return {"psnr": psnr(picture, samples), "ssim": ssim(picture, samples), "picture": packed(picture)}
    x = torch.from_numpy(samples.x).float()
    y = torch.from_numpy(samples.values).float()[:, None]
    trained, held_out = (torch.from_numpy(part) for part in (samples.trained, samples.held_out))
    watched = held_out if bool(held_out.any()) else trained
    x_watched, y_watched = x[watched], y[watched]

    def look(model: nn.Module) -> float:
        return float((model(x_watched) - y_watched).square().mean())

    model = build(kind, setting, size, seed)
    penalty = Roughness(setting["roughness"]) if "roughness" in setting else None
    training = train(
        *(model, x[trained], y[trained]),
        **{
            "seconds": given,
            "rate": setting.get("rate"),
            "penalty": penalty,
            "look": look,
            "keep_best": bool(held_out.any()),
        },
        tell=tell,
    )
    with torch.no_grad():
        picture = model(x).double().numpy().reshape(samples.clean.shape)
    looks = [
        (seconds, round(decibels(loss), 3) if math.isfinite(loss) else None) for seconds, loss in training["looks"]
    ]
    best = max((quality for _, quality in looks if quality is not None), default=None) if held_out.any() else None
    found = {"psnr": psnr(picture, samples), "ssim": ssim(picture, samples), "parameters": parameters_of(model)}
    found |= {"steps": training["steps"], "trained": training["seconds"], "looks": looks, "held_out": best}
    return found if task == "tune" else {**found, "picture": packed(picture)}
