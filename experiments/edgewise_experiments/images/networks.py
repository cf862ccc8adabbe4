"""Networks for pictures, each as large as a given number of parameters allows, and how all of them are trained.

KAN: a layer of splines in x and y, products of two of their sums, and a function of each product: a low-rank
approximation whose terms bend. SIREN: V. Sitzmann et al., arXiv 2006.09661, with its start. Fourier features: M. Tancik
et al., arXiv 2006.10739, an MLP on sines and cosines of random waves, which are not trained and not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from edgewise import KAN, LBFGS, MLP, Regression, Roughness, fit
from edgewise.train import adapt_domain_
from edgewise_experiments.runner.jobs import Tell

LAYERS = 3  # hidden ones of all networks but the KAN
INNER_OMEGA = 30.0  # of SIREN's layers after the first, the paper's
LOOKS = 8  # times that the error is looked at while a model is trained
CHOICES = 24  # the same, where the best of the looks is kept
Setting = Mapping[str, float]


class Sine(nn.Module):
    """sin(omega x)."""

    def __init__(self, omega: float):
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


class FourierFeatures(nn.Module):
    """x (N, 2) -> sines and cosines (N, 2 waves) of pi (b, x), the b normal with standard deviation `scale`."""

    def __init__(self, waves: int, scale: float, generator: torch.Generator):
        super().__init__()
        self.register_buffer("directions", math.pi * scale * torch.randn(2, waves, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        phases = x @ self.directions
        return torch.cat([phases.sin(), phases.cos()], -1)


def _kan(size: int, setting: Setting, seed: int) -> nn.Module:
    width = [2, (0, size), 1]
    grids = [int(setting["grid"]), int(setting["last_grid"])]
    return KAN(width, grids, 3, base="zero", domain=(-1, 1), seed=seed, dtype=torch.float32)


def _mlp(size: int, setting: Setting, seed: int, *, activation: str) -> nn.Module:
    return MLP([2, *[size] * LAYERS, 1], activation=activation, seed=seed, dtype=torch.float32)


def _fourier(size: int, setting: Setting, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    features = FourierFeatures(size, setting["scale"], generator)
    network = MLP([2 * size, *[size] * (LAYERS - 1), 1], activation="relu", seed=seed, dtype=torch.float32)
    return nn.Sequential(features, network)


def _siren(size: int, setting: Setting, seed: int) -> nn.Module:
    generator, layers, width = torch.Generator().manual_seed(seed), [], 2
    for number in range(LAYERS + 1):
        # nn.Linear alone would draw from the global generator.
        linear = nn.utils.skip_init(nn.Linear, width, size if number < LAYERS else 1)
        bound = 1 / width if number == 0 else math.sqrt(6 / width) / INNER_OMEGA
        with torch.no_grad():
            linear.weight.uniform_(-bound, bound, generator=generator)
            linear.bias.uniform_(-1 / math.sqrt(width), 1 / math.sqrt(width), generator=generator)
        layers += [linear, Sine(setting["omega"] if number == 0 else INNER_OMEGA)]
        width = size
    return nn.Sequential(*layers[:-1])


BUILDERS: Mapping[str, Callable[[int, Setting, int], nn.Module]] = {
    "KAN": _kan,
    "SIREN": _siren,
    "Fourier features": _fourier,
    "SiLU MLP": lambda *plan: _mlp(*plan, activation="silu"),
    "ReLU MLP": lambda *plan: _mlp(*plan, activation="relu"),
}


def parameters_of(model: nn.Module) -> int:
    """All trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def build(kind: str, setting: Setting, most: int, seed: int) -> nn.Module:
    """The widest network of a kind with at most `most` parameters; for the KAN width is the number of products."""
    size = 1
    while parameters_of(BUILDERS[kind](size + 1, setting, seed)) <= most:
        size += 1
    return BUILDERS[kind](size, setting, seed)


def warm_up() -> None:
    """The first step of torch's optimisers imports for a second, which is no training."""
    number = torch.zeros(1, requires_grad=True)
    number.sum().backward()
    torch.optim.AdamW([number]).step()


class _Watch:
    """Counts CPU seconds but for those of looks, and keeps what they saw.

    look: a loss of the model that is told as it falls, and that chooses the parameters to keep if `keep_best`.
    """

    def __init__(self, seconds: float, look: Callable[[nn.Module], float], keep_best: bool, tell: Tell):
        self.seconds, self.steps, self.looks = seconds, 0, []
        self._planned = CHOICES if keep_best else LOOKS
        self._look, self._keep_best, self._tell = look, keep_best, tell
        self._best: dict[str, Tensor] | None = None
        self._start = time.process_time()

    @property
    def spent(self) -> float:
        return time.process_time() - self._start

    def step(self, model: nn.Module) -> bool:
        """To be called after every step: whether the time is over."""
        self.steps += 1
        spent = self.spent
        if spent >= self.seconds * (len(self.looks) + 1) / self._planned:
            with torch.no_grad():
                loss = self._look(model)
            self.looks.append((round(spent, 3), loss))
            self._tell("training", spent / self.seconds, loss)
            if self._keep_best and loss == min(value for _, value in self.looks):
                self._best = {name: value.clone() for name, value in model.state_dict().items()}
            self._start += self.spent - spent
        return spent >= self.seconds

    def restore_(self, model: nn.Module) -> None:
        if self._best is not None:
            model.load_state_dict(self._best)


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    seconds: float,
    rate: float | None,
    penalty: Roughness | None = None,
    look: Callable[[nn.Module], float],
    keep_best: bool = False,
    tell: Tell = lambda stage, share, loss: None,
) -> dict:
    """All samples in every step, x (N, 2), y (N, 1), for so many CPU seconds.

    rate: of Adam, falling as a cosine of the time that is spent; None for L-BFGS, the only one that takes a penalty.
    look, keep_best: see `_Watch`.

    Returns:
        steps, seconds, and looks: (CPU seconds, look) along the way.
    """
    assert rate is None or penalty is None
    if isinstance(model, KAN):
        adapt_domain_(model, x, hidden_only=True)
    warm_up()
    watch = _Watch(seconds, look, keep_best, tell)
    if rate is None:
        over = [lambda event: watch.step(event.model)]
        settings = {"steps": 10**6, "tolerance": 0.0, "penalty": penalty, "adapt_domain": False, "callbacks": over}
        report = fit(model, Regression(x, y), LBFGS(), **settings)
        if report.stopped == "interrupted":
            raise KeyboardInterrupt
    else:
        optimiser, over = torch.optim.Adam(model.parameters(), lr=rate), False
        while not over:
            share = min(watch.spent / seconds, 1)
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * share)) / 2
            optimiser.zero_grad()
            (model(x) - y).square().mean().backward()
            optimiser.step()
            over = watch.step(model)
    spent = round(watch.spent, 3)
    watch.restore_(model)
    return {"steps": watch.steps, "seconds": spent, "looks": watch.looks}
