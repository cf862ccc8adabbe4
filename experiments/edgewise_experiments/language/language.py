"""Language: a small transformer that writes Paradise Lost by characters, with KAN or MLP feed-forward blocks.

Both kinds have as many parameters as their width allows below one limit; of each, some settings are tried for a short
time, and the one with the lowest held-out loss is trained for the same seconds, and for the same number of characters.
The text is Milton's, in the public domain (edgewise/datasets/data/PROVENANCE.md); its last tenth is held out. Where
torch has a GPU it is used, and seconds are wall seconds; else they are CPU seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from edgewise_experiments.data.texts import paradise_lost
from edgewise_experiments.images.networks import parameters_of
from edgewise_experiments.language.reporting import best_of, line, summary
from edgewise_experiments.language.transformer import Shape, build, speak, train
from edgewise_experiments.runner.jobs import Job, Progress, Tell, run_jobs
from edgewise_experiments.runner.outcome import Outcome
from edgewise_experiments.runner.store import Store

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
HELD_OUT = 0.1
OPENING = "\n"
TEMPERATURE = 0.8


@dataclass(frozen=True)
class Effort:
    """parameters: most; count: stretches a step; tune, seconds: of training, of each setting and of the best; steps: of
    the best again; watched: held-out stretches; said: characters that a model writes; settings: of each kind."""

    parameters: int
    count: int
    tune: float
    seconds: float
    steps: int
    watched: int
    said: int
    looks: int = 12
    settings: int | None = None
    shape: Shape = field(default_factory=Shape)


EFFORT = Effort(100_000, count=16, tune=15.0, seconds=90.0, steps=4000, watched=200, said=400)
QUICK = Effort(
    *(8_000, 4, 0.2, 0.2, 10, 8, 30), looks=2, settings=1, shape=Shape(width=16, layers=1, heads=2, context=16)
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of weights and batches, unless told otherwise: settings first, then what is best."""
    effort, seeds = (QUICK if quick else EFFORT), seeds or ((0,) if quick else (0, 1, 2))
    tried = run_jobs([job for seed in seeds for job in _tuning(effort, seed)], store, progress, line)
    final = [job for seed in seeds for job in _final(effort, seed, tried)]
    return summary([*tried, *run_jobs(final, store, progress, line)])


def _tuning(effort: Effort, seed: int) -> Iterator[Job]:
    for kind, settings in SETTINGS.items():
        for setting in settings[: effort.settings]:
            yield _job("tune", kind, setting, effort, seed, seconds=effort.tune)


def _final(effort: Effort, seed: int, tried: Sequence[dict]) -> Iterator[Job]:
    for task, given in (("equal time", {"seconds": effort.seconds}), ("equal text", {"steps": effort.steps})):
        for kind in SETTINGS:
            setting = best_of(tried, "tune", kind, seed)["setting"]
            yield _job(task, kind, setting, effort, seed, **given)


def _job(task: str, kind: str, setting: Mapping, effort: Effort, seed: int, **given: float) -> Job:
    told = ", ".join(f"{name} {value}" for name, value in setting.items())
    key = {"task": task, "kind": kind, "setting": dict(setting), "given": dict(given), "seed": seed}
    key |= {"most": effort.parameters, "device": device().type}
    return Job(f"{task}, {kind} {told}", key, partial(_measure, task, kind, setting, effort, seed, given))


def device() -> torch.device:
    """The GPU where torch has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Text:
    """symbols: all characters that occur; read: (N,) their numbers, what is trained on; held_out: (count, context + 1),
    stretches of the rest, evenly apart."""

    symbols: str
    read: Tensor
    held_out: Tensor


def text_of(whole: str, context: int, watched: int) -> Text:
    """The last tenth is held out."""
    symbols = "".join(sorted(set(whole)))
    place = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = torch.tensor([place[symbol] for symbol in whole])
    border = round(len(numbers) * (1 - HELD_OUT))
    starts = torch.linspace(border, len(numbers) - context - 1, watched).long()
    return Text(symbols, numbers[:border], numbers[starts[:, None] + torch.arange(context + 1)])


def single_characters(text: Text) -> float:
    """Loss on the held-out stretches of who knows how often each character comes, and nothing else; nats."""
    counts = torch.bincount(text.read, minlength=len(text.symbols)).double() + 1
    return -float((counts / counts.sum()).log()[text.held_out[:, 1:]].mean())


def _measure(
    task: str, kind: str, setting: Mapping, effort: Effort, seed: int, given: Mapping[str, float], tell: Tell
) -> dict:
    """loss: on the held-out stretches at the end; looks: see `train`; said: what the model writes, not where settings
    are tried."""
    where, text = device(), text_of(paradise_lost(), effort.shape.context, effort.watched)
    model = build(kind, setting, len(text.symbols), effort.shape, effort.parameters, seed).to(where)
    training = train(
        *(model, text.read.to(where), text.held_out.to(where)),
        **{"rate": setting["rate"], "count": effort.count, "seed": seed, "looks": effort.looks, "tell": tell, **given},
    )
    read = training["steps"] * effort.count * effort.shape.context
    found = {
        "loss": training["looks"][-1][2],
        "unigram": round(single_characters(text), 4),
        "parameters": parameters_of(model),
        "feed_forward": sum(parameters_of(block.feed_forward) for block in model.blocks),
        "read": read,
        "a_second": round(read / training["trained"]),
        **training,
    }
    if task == "tune":
        return found
    opening = torch.tensor([[text.symbols.index(symbol) for symbol in OPENING]], device=where)
    said = speak(model, opening, effort.said, TEMPERATURE, seed)
    return {**found, "said": "".join(text.symbols[number] for number in said.tolist())}
