"""Language: a small transformer that writes Paradise Lost by characters, with KAN or MLP feed-forward blocks.

Both kinds are as wide as one limit of parameters allows. Some settings of each are tried for a short time, and the one
with the lowest held-out loss is trained for the same seconds, and again for the same number of characters. The text is
Milton's, in the public domain (data/PROVENANCE.md); its last tenth is held out. A GPU is used if torch has one, and
seconds are then wall seconds; otherwise they are CPU seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import torch
from torch import Tensor

from edgewise.outcomes import ProgressCallback
from edgewise_experiments.data.texts import paradise_lost
from edgewise_experiments.images.networks import parameters_of
from edgewise_experiments.language.reporting import best_row, summary
from edgewise_experiments.language.transformer import Schedule, Shape, build, continue_text, train
from edgewise_experiments.runner import Job, Outcome, RowCallback, Store, run_jobs

# Settings that are tried.
SETTINGS: Mapping[str, tuple[dict, ...]] = {
    "KAN": (
        {"grid": 4, "degree": 3, "rate": 6e-3},
        {"grid": 4, "degree": 3, "rate": 1.2e-2},
        {"grid": 8, "degree": 2, "rate": 1.2e-2},
    ),
    "MLP": (
        {"activation": "silu", "rate": 6e-3},
        {"activation": "silu", "rate": 1.2e-2},
        {"activation": "relu", "rate": 6e-3},
    ),
}
HELD_OUT = 0.1  # share of the text, at its end
OPENING = "\n"  # with which sampled text starts
TEMPERATURE = 0.8  # of sampled text


@dataclass(frozen=True)
class Effort:
    """Sizes and times."""

    parameters: int
    count: int
    tune: float
    seconds: float
    steps: int
    held_out: int
    sample: int
    evaluations: int = 12
    settings: int | None = None
    shape: Shape = field(default_factory=Shape)


EFFORT = Effort(100_000, count=16, tune=15.0, seconds=90.0, steps=4000, held_out=200, sample=400)
QUICK = Effort(
    parameters=8_000,
    count=4,
    tune=0.2,
    seconds=0.2,
    steps=10,
    held_out=8,
    sample=30,
    evaluations=2,
    settings=1,
    shape=Shape(width=16, layers=1, heads=2, context=16),
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Try the settings and train the best, with three seeds of weights and batches by default."""
    effort, seeds = (QUICK if quick else EFFORT), seeds or ((0,) if quick else (0, 1, 2))
    trials = [
        _job("tune", kind, setting, effort, seed, {"seconds": effort.tune})
        for seed, (kind, settings) in product(seeds, SETTINGS.items())
        for setting in settings[: effort.settings]
    ]
    tried = run_jobs(trials, store, progress)
    limits = {"equal time": {"seconds": effort.seconds}, "equal text": {"steps": effort.steps}}
    final = [
        _job(task, kind, best_row(tried, "tune", kind, seed)["setting"], effort, seed, limit)
        for seed, (task, limit), kind in product(seeds, limits.items(), SETTINGS)
    ]
    return summary([*tried, *run_jobs(final, store, progress)])


def _job(task: str, kind: str, setting: Mapping, effort: Effort, seed: int, limit: Mapping[str, float]) -> Job:
    text = ", ".join(f"{name} {value}" for name, value in setting.items())
    key = {"task": task, "kind": kind, "setting": dict(setting), "given": dict(limit), "seed": seed}
    key |= {"most": effort.parameters, "device": device().type}
    return Job(f"{task}, {kind} {text}", key, partial(measure, key, effort))


def device() -> torch.device:
    """Return the GPU if torch has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Text:
    """A text as numbers of characters, with its held-out part."""

    symbols: str
    train: Tensor
    held_out: Tensor


def text_of(whole: str, context: int, count: int) -> Text:
    """Split a text: the last tenth is held out, `count` excerpts of it are used."""
    symbols = "".join(sorted(set(whole)))
    number_of = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = torch.tensor([number_of[symbol] for symbol in whole])
    border = round(len(numbers) * (1 - HELD_OUT))
    starts = torch.linspace(border, len(numbers) - context - 1, count).long()
    return Text(symbols, numbers[:border], numbers[starts[:, None] + torch.arange(context + 1)])


def unigram_loss(text: Text) -> float:
    """Return the held-out loss in nats of the model that knows the frequency of each character and nothing else."""
    counts = torch.bincount(text.train, minlength=len(text.symbols)).double() + 1
    return -float((counts / counts.sum()).log()[text.held_out[:, 1:]].mean())


def measure(key: Mapping, effort: Effort, report: ProgressCallback) -> dict:
    """Train one transformer and measure its held-out loss."""
    kind, setting, seed = key["kind"], key["setting"], key["seed"]
    where, text = device(), text_of(paradise_lost(), effort.shape.context, effort.held_out)
    model = build(kind, setting, len(text.symbols), effort.shape, effort.parameters, seed).to(where)
    schedule = Schedule(setting["rate"], effort.count, effort.evaluations, **key["given"])
    training = train(model, text.train.to(where), text.held_out.to(where), schedule, seed, report)
    read = training["steps"] * effort.count * effort.shape.context
    row = {
        "loss": training["looks"][-1][2],
        "unigram": round(unigram_loss(text), 4),
        "parameters": parameters_of(model),
        "feed_forward": sum(parameters_of(block.feed_forward) for block in model.blocks),
        "read": read,
        "a_second": round(read / training["trained"]),
        **training,
    }
    if key["task"] == "tune":
        return row
    opening = torch.tensor([[text.symbols.index(symbol) for symbol in OPENING]], device=where)
    sample = continue_text(model, opening, effort.sample, TEMPERATURE, seed)
    return {**row, "said": "".join(text.symbols[number] for number in sample.tolist())}
