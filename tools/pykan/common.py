"""What the tutorials share: the rows of the table, data, and the functions that several of them learn."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise import KAN


class Tutorial(NamedTuple):
    """A tutorial: its name, the task, what pykan's notebook shows, the functions used here, and the work."""

    name: str
    task: str
    pykan: str
    by: str
    work: Callable[[], str]


def uniform(columns: int, *, rows: int = 1000, low: float = -1.0, high: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(rows, columns, generator=generator, dtype=torch.float64)


def fresh(model: KAN, function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Root mean square error at x."""
    with torch.no_grad():
        return float((model(x)[:, 0] - function(x)).square().mean().sqrt())


def peak(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2)
