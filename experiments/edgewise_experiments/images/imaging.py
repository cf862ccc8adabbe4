"""Imaging: a photograph and a turbulence-like field as functions of x and y, by KANs, MLPs, random waves and SIREN.

The photograph is scikit-image's `camera` (of version 0.18 and later, CC0), reduced to 128 x 128 by means of blocks; the
field has the energy spectrum k^-5/3 between 2 and 48 waves a side. All models have the same limit of parameters and the
same CPU seconds, with Adam or L-BFGS; a "product KAN" is solved for instead, in a fraction of these. Each kind has
several settings, which are tried for a short time on the picture at hand; the setting with the lowest error is trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import nn

from edgewise.outcomes import ProgressCallback
from edgewise_experiments.data.images import pixel_centres
from edgewise_experiments.images.networks import build, parameters_of, train
from edgewise_experiments.images.products import PRODUCT_KAN, fit_products
from edgewise_experiments.images.quality import FIELDS, decibels, packed, psnr, ssim
from edgewise_experiments.images.reporting import best_row, summary
from edgewise_experiments.runner import Job, Outcome, RowCallback, Store, run_jobs

# Settings that are tried. rate: learning rate of Adam; without it the method is L-BFGS.
SETTINGS: Mapping[str, tuple[dict, ...]] = {
    PRODUCT_KAN: ({},),
    "KAN": tuple({"grid": grid, "last_grid": 1} for grid in (32, 64, 96)),
    "SIREN": ({"omega": 30, "rate": 3e-3}, {"omega": 30}, {"omega": 15}, {"omega": 60}),
    "Fourier features": ({"scale": 8, "rate": 5e-3}, {"scale": 8}, {"scale": 16}, {"scale": 4}),
    "SiLU MLP": ({"rate": 1e-2}, {}),
    "ReLU MLP": ({"rate": 1e-2}, {}),
}


@dataclass(frozen=True)
class Effort:
    """The sizes of the networks and the CPU seconds of their training."""

    sizes: Mapping[int, float]
    tune: float
    long: float
    settings: int | None = None
    compared: tuple[str, ...] = (PRODUCT_KAN, "KAN", "SIREN")


# Both sizes are smaller than the number of pixels.
EFFORT = Effort({5_000: 10.0, 12_000: 20.0}, tune=4.0, long=40.0)
QUICK = Effort({1_500: 0.05}, tune=0.05, long=0.0, settings=1)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Try the settings and train the best, with three seeds of weights by default."""
    effort, seeds = (QUICK if quick else EFFORT), seeds or ((0,) if quick else (0, 1, 2))
    first_size = next(iter(effort.sizes))

    def best_setting(field: str, kind: str, seed: int) -> dict:
        return best_row(tried, "tune", field, kind, seed)["setting"]

    trials = [
        _job("tune", field, kind, setting, first_size, effort.tune, seed)
        for seed, field, (kind, settings) in product(seeds, FIELDS, SETTINGS.items())
        for setting in settings[: effort.settings]
    ]
    tried = run_jobs(trials, store, progress)
    fits = [
        _job("fit", field, kind, best_setting(field, kind, seed), size, seconds, seed)
        for seed, (size, seconds), field, kind in product(seeds, effort.sizes.items(), FIELDS, SETTINGS)
    ]
    longer = [
        _job("longer", field, kind, best_setting(field, kind, seed), first_size, effort.long, seed)
        for seed, field, kind in product(seeds, FIELDS, effort.compared if effort.long else ())
    ]
    jobs = [job if job.key["seed"] == seeds[0] else _without_picture(job) for job in (*fits, *longer)]
    return summary([*tried, *run_jobs(jobs, store, progress)])


def _without_picture(job: Job) -> Job:
    """Return the job without the picture in its row, which is larger than the rest; the figure shows the first seed."""

    def work(report: ProgressCallback) -> dict:
        return {name: value for name, value in job.work(report).items() if name != "picture"}

    return replace(job, work=work)


def _job(task: str, field: str, kind: str, setting: Mapping, size: int, seconds: float, seed: int) -> Job:
    key = {"task": task, "field": field, "kind": kind, "setting": dict(setting), "size": size, "given": seconds}
    key["seed"] = seed
    text = ", ".join(f"{name} {value:g}" for name, value in setting.items())
    return Job(f"{task}, {field}, {kind} {text}", key, partial(measure, key))


def measure(key: Mapping, report: ProgressCallback) -> dict:
    """Train one network on one picture and score it."""
    kind, clean = key["kind"], FIELDS[key["field"]]()
    if kind == PRODUCT_KAN:
        row, picture = fit_products(clean, key["size"])
    else:
        row, picture = _trained(key, clean, report)
    return row if key["task"] == "tune" else {**row, "picture": packed(picture)}


def _trained(key: Mapping, clean, report: ProgressCallback):  # type: ignore[no-untyped-def]
    """Train a network by steps on all pixels of a picture (side, side); return its row and its picture."""
    x = torch.from_numpy(pixel_centres(len(clean))).float()
    y = torch.from_numpy(clean.ravel()).float()[:, None]

    def error(model: nn.Module) -> float:
        return float((model(x) - y).square().mean())

    model = build(key["kind"], key["setting"], key["size"], key["seed"])
    training = train(model, x, y, key["given"], key["setting"].get("rate"), error, report)
    with torch.no_grad():
        picture = model(x).double().numpy().reshape(clean.shape)
    looks = [
        (seconds, round(decibels(loss), 3) if math.isfinite(loss) else None)
        for seconds, loss in training["evaluations"]
    ]
    row = {
        "psnr": psnr(picture, clean),
        "ssim": ssim(picture, clean),
        "parameters": parameters_of(model),
        "steps": training["steps"],
        "trained": training["seconds"],
        "looks": looks,
    }
    return row, picture
