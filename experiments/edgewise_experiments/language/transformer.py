"""A small transformer on characters whose feed-forward blocks are MLPs or KANs, and how it is trained and speaks.

Blocks with the norm in front (Xiong et al., arXiv 2002.04745); only the feed-forward part differs between the kinds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgewise import KAN, MLP
from edgewise.train import adapt_domain_
from edgewise_experiments.images.networks import parameters_of, warm_up
from edgewise_experiments.runner.jobs import Tell

Setting = Mapping[str, float | str]
REACH = 3.0  # of the KAN's first grid: what it sees is normalised, and a spline goes on as a straight line beyond


@dataclass(frozen=True)
class Shape:
    """Of the transformer. width: numbers a character; context: characters that are seen at once."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    context: int = 64


class Attention(nn.Module):
    """Causal self-attention, (batch, time, width) -> the same."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.inward = _linear(shape.width, 3 * shape.width)
        self.outward = _linear(shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        split = self.inward(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(2, 3)
        mixed = F.scaled_dot_product_attention(*split, is_causal=True)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then the feed-forward part, each added to what comes in."""

    def __init__(self, shape: Shape, feed_forward: nn.Module):
        super().__init__()
        self.attention, self.feed_forward = Attention(shape), feed_forward
        self.before_attention, self.before_feed_forward = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before_attention(x))
        return x + self.feed_forward(self.before_feed_forward(x))


class Transformer(nn.Module):
    """Characters (batch, time) int64 -> logits of the next one at every place, (batch, time, symbols).

    Weights come from `seed`: normal with standard deviation 0.02 outside the feed-forward parts, which have their own.
    """

    def __init__(self, symbols: int, shape: Shape, feed_forwards: list[nn.Module], seed: int):
        super().__init__()
        self.shape = shape
        self.symbol = nn.Parameter(torch.empty(symbols, shape.width))
        self.place = nn.Parameter(torch.empty(shape.context, shape.width))
        self.blocks = nn.Sequential(*(Block(shape, each) for each in feed_forwards))
        self.norm = nn.LayerNorm(shape.width)
        self.head = _linear(shape.width, symbols)
        generator = torch.Generator().manual_seed(seed)
        linear = [module for module in self.modules() if isinstance(module, nn.Linear)]
        for weight in (self.symbol, self.place, *(each.weight for each in linear)):
            nn.init.normal_(weight, std=0.02, generator=generator)
        for each in linear:
            nn.init.zeros_(each.bias)

    def forward(self, characters: Tensor) -> Tensor:
        x = self.symbol[characters] + self.place[: characters.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Without the start that would draw from the global generator."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs)


def feed_forward(kind: str, hidden: int, setting: Setting, width: int, seed: int) -> nn.Module:
    """[width, hidden, width]: an MLP with the setting's activation, or a KAN with its grid and degree."""
    nodes = [width, hidden, width]
    if kind == "MLP":
        return MLP(nodes, activation=setting["activation"], seed=seed, dtype=torch.float32)
    grid, degree = int(setting["grid"]), int(setting["degree"])
    kan = KAN(nodes, grid, degree, domain=(-REACH, REACH), seed=seed, dtype=torch.float32)
    sample = torch.randn(1000, width, generator=torch.Generator().manual_seed(seed))
    adapt_domain_(kan, sample, hidden_only=True)  # as if by a norm
    return kan


def build(kind: str, setting: Setting, symbols: int, shape: Shape, most: int, seed: int) -> Transformer:
    """The transformer with the widest feed-forward blocks that has at most `most` parameters."""

    def sized(hidden: int) -> Transformer:
        parts = [feed_forward(kind, hidden, setting, shape.width, seed + layer) for layer in range(shape.layers)]
        return Transformer(symbols, shape, parts, seed)

    least, one = (parameters_of(sized(hidden)) for hidden in (1, 2))
    return sized(max(1, 1 + (most - least) // (one - least)))


def batch_of(text: Tensor, count: int, context: int, generator: torch.Generator) -> Tensor:
    """Random stretches of the text, (count, context + 1)."""
    starts = torch.randint(len(text) - context, (count,), generator=generator)
    return text[starts[:, None] + torch.arange(context + 1)]


def loss_on(model: Transformer, stretches: Tensor) -> Tensor:
    """Mean cross-entropy in nats a character, of stretches (count, context + 1)."""
    return F.cross_entropy(model(stretches[:, :-1]).flatten(0, 1), stretches[:, 1:].flatten())


def clock(device: torch.device) -> float:
    """CPU seconds of this process; on a GPU wall seconds, after what was asked of it is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def train(
    model: Transformer,
    text: Tensor,
    held_out: Tensor,
    *,
    rate: float,
    count: int,
    seed: int,
    looks: int,
    tell: Tell,
    steps: int | None = None,
    seconds: float | None = None,
) -> dict:
    """AdamW on `count` stretches a step, for so many steps or seconds; the rate falls as a cosine of their share.

    text: (N,) int64. held_out: stretches (count, context + 1), on which the loss is looked at; that time isn't counted.

    Returns:
        steps, seconds, looks: (characters seen, seconds, held-out loss) along the way.
    """
    assert (steps is None) != (seconds is None)
    device, generator = text.device, torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    warm_up()
    done, spent, share, found = 0, 0.0, 0.0, []
    while share < 1:
        start = clock(device)
        for group in optimiser.param_groups:
            group["lr"] = rate * min((done + 1) / 20, 1) * (1 + math.cos(math.pi * share)) / 2
        optimiser.zero_grad()
        loss_on(model, batch_of(text, count, model.shape.context, generator)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        done, spent = done + 1, spent + clock(device) - start
        share = done / steps if seconds is None else spent / seconds
        if share >= (len(found) + 1) / looks:
            with torch.no_grad():
                loss = float(loss_on(model, held_out))
            found.append((done * count * model.shape.context, round(spent, 3), round(loss, 4)))
            tell("training", share, loss)
    return {"steps": done, "trained": round(spent, 3), "looks": found}


@torch.no_grad()
def speak(model: Transformer, opening: Tensor, length: int, temperature: float, seed: int) -> Tensor:
    """`length` characters after an opening (1, time), drawn one by one."""
    generator = torch.Generator().manual_seed(seed)
    said = opening
    for _ in range(length):
        logits = model(said[:, -model.shape.context :])[0, -1].double().cpu()
        drawn = torch.multinomial((logits / temperature).softmax(0), 1, generator=generator)
        said = torch.cat([said, drawn[None].to(said.device)], 1)
    return said[0, opening.shape[1] :]
