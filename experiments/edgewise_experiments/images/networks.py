"""Networks for pictures, each as large as a given number of parameters allows, and the training of all of them.

KAN: a layer of splines in x and y, products of two of their sums, and a function of each product: a low-rank
approximation with curved terms. SIREN: V. Sitzmann et al., arXiv 2006.09661, with its initial weights. Fourier
features: M. Tancik et al., arXiv 2006.10739, an MLP on sines and cosines of random waves, which are not trained and not
counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.train import LBFGS, adapt_domain_

LAYERS = 3  # hidden layers of all networks except the KAN
INNER_OMEGA = 30.0  # of SIREN's layers after the first: the value of its paper
EVALUATIONS = 8  # of the error during training
Setting = Mapping[str, float]


class Sine(nn.Module):
    """The activation sin(omega x)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


class FourierFeatures(nn.Module):
    """Sines and cosines (N, 2 waves) of pi (b, x) for x (N, 2), with normal b of standard deviation `scale`."""

    def __init__(self, waves: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("directions", math.pi * scale * torch.randn(2, waves, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        phases = x @ self.directions
        return torch.cat([phases.sin(), phases.cos()], -1)


def build_kan(size: int, setting: Setting, seed: int) -> nn.Module:
    """Build a KAN with `size` products."""
    grids = [int(setting["grid"]), int(setting["last_grid"])]
    return KAN([2, (0, size), 1], grids, 3, base="zero", domain=(-1, 1), seed=seed, dtype=torch.float32)


def build_mlp(size: int, setting: Setting, seed: int, *, activation: str) -> nn.Module:
    """Build an MLP with `size` nodes in each hidden layer."""
    return MLP([2, *[size] * LAYERS, 1], activation=activation, seed=seed, dtype=torch.float32)


def build_fourier(size: int, setting: Setting, seed: int) -> nn.Module:
    """Build Fourier features of `size` waves and an MLP on them."""
    features = FourierFeatures(size, setting["scale"], torch.Generator().manual_seed(seed))
    network = MLP([2 * size, *[size] * (LAYERS - 1), 1], activation="relu", seed=seed, dtype=torch.float32)
    return nn.Sequential(features, network)


def build_siren(size: int, setting: Setting, seed: int) -> nn.Module:
    """Build a SIREN with `size` nodes in each hidden layer."""
    generator, width = torch.Generator().manual_seed(seed), 2
    layers: list[nn.Module] = []
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
    "KAN": build_kan,
    "SIREN": build_siren,
    "Fourier features": build_fourier,
    "SiLU MLP": partial(build_mlp, activation="silu"),
    "ReLU MLP": partial(build_mlp, activation="relu"),
}


def parameters_of(model: nn.Module) -> int:
    """Count the trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def build(kind: str, setting: Setting, most: int, seed: int) -> nn.Module:
    """Build the widest network of a kind with at most `most` parameters.

    The width of a KAN is its number of products.
    """
    size = 1
    while parameters_of(BUILDERS[kind](size + 1, setting, seed)) <= most:
        size += 1
    return BUILDERS[kind](size, setting, seed)


def warm_up() -> None:
    """Make a step of an optimiser of torch: the first one spends a second on imports, which is no training."""
    number = torch.zeros(1, requires_grad=True)
    number.sum().backward()
    torch.optim.AdamW([number]).step()


class TimedTraining:
    """Measures CPU seconds without those of evaluations, and evaluates the error at even times."""

    def __init__(self, seconds: float, evaluate: Callable[[nn.Module], float], report: ProgressCallback) -> None:
        self.seconds, self.steps = seconds, 0
        self.evaluations: list[tuple[float, float]] = []  # CPU seconds, error
        self._evaluate, self._report = evaluate, report
        self._start = time.process_time()

    @property
    def spent(self) -> float:
        """CPU seconds of training so far."""
        return time.process_time() - self._start

    def after_step(self, model: nn.Module) -> bool:
        """Count a step, evaluate the error if it is time to, and return whether the training is over."""
        self.steps += 1
        spent = self.spent
        if spent >= self.seconds * (len(self.evaluations) + 1) / EVALUATIONS:
            with torch.no_grad():
                error = self._evaluate(model)
            self.evaluations.append((round(spent, 3), error))
            self._report(Progress("training", spent / self.seconds, error))
            self._start += self.spent - spent
        return spent >= self.seconds


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    seconds: float,
    rate: float | None,
    evaluate: Callable[[nn.Module], float],
    report: ProgressCallback = lambda progress: None,
) -> dict:
    """Train on all samples in every step, x (N, 2) and y (N, 1), for a number of CPU seconds.

    With a learning rate the method is Adam, without one L-BFGS.
    """
    if isinstance(model, KAN):
        adapt_domain_(model, x, hidden_only=True)
    warm_up()
    training = TimedTraining(seconds, evaluate, report)
    if rate is None:
        fit(
            model,
            Regression(x, y),
            LBFGS(),
            steps=10**6,
            tolerance=0.0,
            adapt_domain=False,
            callbacks=[lambda event: training.after_step(event.model)],
        )
    else:
        optimiser, is_over = torch.optim.Adam(model.parameters(), lr=rate), False
        while not is_over:
            share = min(training.spent / seconds, 1)
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * share)) / 2
            optimiser.zero_grad()
            (model(x) - y).square().mean().backward()
            optimiser.step()
            is_over = training.after_step(model)
    spent = round(training.spent, 3)
    return {"steps": training.steps, "seconds": spent, "evaluations": training.evaluations}
