"""Networks trained by each method from the same start: the losses at the end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.train import LBFGS, Adam, Classification, LevenbergMarquardt, Roughness, SSBroyden, refine
from tests.golden.comparison import Row
from tests.golden.runner import bits

# Few steps, so that last bits of a processor don't grow to other losses.
METHODS = {"Adam": (Adam(), 60), "LBFGS": (LBFGS(), 15), "SSBroyden": (SSBroyden(), 20)}
METHODS["LevenbergMarquardt"] = (LevenbergMarquardt(), 6)


def trained(make: Callable[[], nn.Module], problem: Callable[[], object], **options: object) -> Row:
    """Train a network by each method."""
    losses, outputs = {}, []
    for name, (method, steps) in METHODS.items():
        model, data = make(), problem()
        losses[name] = float(fit(model, data, method, steps=steps, **options).loss)
        outputs.append(model(points(50, data.train.x.shape[1], 1).to(data.train.x.dtype)))
    return {**losses, "bits": bits(*losses.values(), *outputs)}


def points(rows: int, inputs: int, seed: int = 0) -> Tensor:
    """Uniform points of [-1, 1]^n in float64."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(rows, inputs, dtype=torch.float64, generator=generator) - 1


def surface(x: Tensor) -> Tensor:
    """exp(sin(pi x) + y^2), or what is left of it for other inputs."""
    return torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, -1] ** 2) / 3


def regression(rows: int, inputs: int, noise: float = 0.0, **options: object) -> Regression:
    """Samples of the surface, perhaps with noise."""
    x = points(rows, inputs)
    return Regression(x, surface(x) + noise * points(rows, 1, 2)[:, 0], **options)


def two_outputs() -> Regression:
    """The surface and a product."""
    x = points(200, 2)
    return Regression(x, torch.stack([surface(x), x[:, 0] * x[:, 1]], 1))


def weighted() -> Regression:
    """Rows that count differently."""
    return regression(200, 2, 0.1, weight=1 + points(200, 1, 3)[:, 0] ** 2)


def three_classes() -> Classification:
    """Classes by the size of the surface."""
    x = points(200, 2)
    return Classification(x, torch.bucketize(surface(x), torch.tensor([0.3, 0.7], dtype=torch.float64)))


def single() -> Regression:
    """Samples in float32."""
    x = points(200, 2)
    return Regression(x.float(), surface(x).float())


float64 = partial(KAN, dtype=torch.float64)
ROWS: dict[str, Callable[[], Row]] = {
    "curves": lambda: trained(lambda: float64([2, 1]), lambda: regression(200, 2)),
    "hidden": lambda: trained(lambda: float64([2, 4, 1]), lambda: regression(200, 2)),
    "deep": lambda: trained(lambda: float64([2, 3, 3, 1], 4), lambda: regression(200, 2)),
    "products": lambda: trained(lambda: float64([2, [2, 2], 1]), lambda: regression(200, 2)),
    "fine grid": lambda: trained(lambda: refine(float64([3, 3, 1], 3), 12), lambda: regression(300, 3)),
    "degree 5": lambda: trained(lambda: float64([2, 3, 1], degree=5, base="zero"), lambda: regression(200, 2)),
    "two outputs": lambda: trained(lambda: float64([2, 3, 2]), two_outputs),
    "weights and roughness": lambda: trained(lambda: float64([2, 3, 1], 10), weighted, penalty=Roughness(1e-4)),
    "classes": lambda: trained(lambda: float64([2, 3, 3]), three_classes),
    "perceptron": lambda: trained(lambda: MLP([2, 10, 1], dtype=torch.float64), lambda: regression(200, 2)),
    "float32": lambda: trained(lambda: KAN([2, 3, 1]), single),
}
