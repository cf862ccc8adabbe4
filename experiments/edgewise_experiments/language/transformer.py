"""A small transformer of characters with MLPs or KANs as feed-forward blocks, its training, and the sampling of text.

Layer norms are at the start of each block (Xiong et al., arXiv 2002.04745); only the feed-forward part differs between
the kinds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgewise import KAN
from edgewise.nn import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import adapt_domain_
from edgewise_experiments.images.networks import parameters_of, warm_up

Setting = Mapping[str, float | str]
WARM_UP_STEPS = 20  # over which the learning rate rises to its highest value
REACH = 3.0  # half the width of the KAN's first grid: its inputs are normalised, and splines are straight lines beyond


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    context: int = 64


class Attention(nn.Module):
    """Causal self-attention, from (batch, time, width) to the same shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.inward = _linear(shape.width, 3 * shape.width)
        self.outward = _linear(shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        split = self.inward(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(2, 3)
        mixed = F.scaled_dot_product_attention(*split, is_causal=True)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and then the feed-forward part, each with a residual connection."""

    def __init__(self, shape: Shape, feed_forward: nn.Module) -> None:
        super().__init__()
        self.attention, self.feed_forward = Attention(shape), feed_forward
        self.before_attention, self.before_feed_forward = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before_attention(x))
        return x + self.feed_forward(self.before_feed_forward(x))


class Transformer(nn.Module):
    """Maps characters (batch, time) int64 to logits of the next character at every position, (batch, time, symbols).

    Initial weights are normal with standard deviation 0.02, from `seed`; the feed-forward parts have their own.
    """

    def __init__(self, symbols: int, shape: Shape, feed_forwards: list[nn.Module], seed: int) -> None:
        super().__init__()
        self.shape = shape
        self.symbol = nn.Parameter(torch.empty(symbols, shape.width))
        self.position = nn.Parameter(torch.empty(shape.context, shape.width))
        self.blocks = nn.Sequential(*(Block(shape, each) for each in feed_forwards))
        self.norm = nn.LayerNorm(shape.width)
        self.head = _linear(shape.width, symbols)
        generator = torch.Generator().manual_seed(seed)
        linear = [module for module in self.modules() if isinstance(module, nn.Linear)]
        for weight in (self.symbol, self.position, *(each.weight for each in linear)):
            nn.init.normal_(weight, std=0.02, generator=generator)
        for each in linear:
            nn.init.zeros_(each.bias)

    def forward(self, characters: Tensor) -> Tensor:
        x = self.symbol[characters] + self.position[: characters.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Make a linear layer without initial weights, which would come from the global generator."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs)


def feed_forward(kind: str, hidden: int, setting: Setting, width: int, seed: int) -> nn.Module:
    """Build [width, hidden, width]: an MLP with the setting's activation, or a KAN with its grid and degree."""
    nodes = [width, hidden, width]
    if kind == "MLP":
        return MLP(nodes, activation=str(setting["activation"]), seed=seed, dtype=torch.float32)
    grid, degree = int(setting["grid"]), int(setting["degree"])
    kan = KAN(nodes, grid, degree, domain=(-REACH, REACH), seed=seed, dtype=torch.float32)
    sample = torch.randn(1000, width, generator=torch.Generator().manual_seed(seed))
    adapt_domain_(kan, sample, hidden_only=True)  # to inputs as a layer norm gives them
    return kan


def build(kind: str, setting: Setting, symbols: int, shape: Shape, most: int, seed: int) -> Transformer:
    """Build the transformer with the widest feed-forward blocks that has at most `most` parameters."""

    def sized(hidden: int) -> Transformer:
        parts = [feed_forward(kind, hidden, setting, shape.width, seed + layer) for layer in range(shape.layers)]
        return Transformer(symbols, shape, parts, seed)

    least, one = (parameters_of(sized(hidden)) for hidden in (1, 2))
    return sized(max(1, 1 + (most - least) // (one - least)))


def batch_of(text: Tensor, count: int, context: int, generator: torch.Generator) -> Tensor:
    """Return random excerpts of the text, (count, context + 1)."""
    starts = torch.randint(len(text) - context, (count,), generator=generator)
    return text[starts[:, None] + torch.arange(context + 1)]


def loss_on(model: Transformer, excerpts: Tensor) -> Tensor:
    """Return the mean cross-entropy of excerpts (count, context + 1), in nats a character."""
    return F.cross_entropy(model(excerpts[:, :-1]).flatten(0, 1), excerpts[:, 1:].flatten())


def training_clock(device: torch.device) -> float:
    """Return the CPU seconds of this process, or on a GPU the wall seconds after its pending work is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Schedule:
    """The training of a transformer: either a number of steps or a time."""

    rate: float
    count: int
    evaluations: int
    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        assert (self.steps is None) != (self.seconds is None)

    def share(self, steps: int, spent: float) -> float:
        """Return the share of the training that is done after some steps and seconds."""
        if self.steps is not None:
            return steps / self.steps
        assert self.seconds is not None
        return spent / self.seconds


def train(
    model: Transformer, text: Tensor, held_out: Tensor, schedule: Schedule, seed: int, report: ProgressCallback
) -> dict:
    """Train with AdamW on random excerpts of a text."""
    device, generator = text.device, torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=schedule.rate, betas=(0.9, 0.99), weight_decay=0.01)
    warm_up()
    steps, spent, share = 0, 0.0, 0.0
    looks: list[tuple[int, float, float]] = []
    while share < 1:
        start = training_clock(device)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate * min((steps + 1) / WARM_UP_STEPS, 1) * (1 + math.cos(math.pi * share)) / 2
        optimiser.zero_grad()
        loss_on(model, batch_of(text, schedule.count, model.shape.context, generator)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        steps, spent = steps + 1, spent + training_clock(device) - start
        share = schedule.share(steps, spent)
        if share >= (len(looks) + 1) / schedule.evaluations:
            with torch.no_grad():
                loss = float(loss_on(model, held_out))
            looks.append((steps * schedule.count * model.shape.context, round(spent, 3), round(loss, 4)))
            report(Progress("training", share, loss))
    return {"steps": steps, "trained": round(spent, 3), "looks": looks}


@torch.no_grad()
def continue_text(model: Transformer, opening: Tensor, length: int, temperature: float, seed: int) -> Tensor:
    """Draw `length` characters after an opening (1, time), one by one."""
    generator = torch.Generator().manual_seed(seed)
    text = opening
    for _ in range(length):
        logits = model(text[:, -model.shape.context :])[0, -1].double().cpu()
        drawn = torch.multinomial((logits / temperature).softmax(0), 1, generator=generator)
        text = torch.cat([text, drawn[None].to(text.device)], 1)
    return text[0, opening.shape[1] :]
