"""Folds of cross-validation, and the loss of each held-out sample."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from edgewise.nn.model import KAN
from edgewise.train.problems.base import Problem
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression

# A held-out squared error beyond this, ten variances of the target, is a miss; how far it misses says nothing.
WORST = 10.0


def sample_losses(problem: Problem, model: KAN, data: Data) -> Tensor:
    """The loss of every sample, (N,), times its weight (mean 1 over the data).

    A squared error counts no more than WORST, or than that of predicting 0, the mean. So one sample far from all others
    can't decide which candidate is better.
    """
    with torch.no_grad():
        prediction = model(data.x)
        if isinstance(problem, Classification):
            each = cross_entropy(prediction, data.y, reduction="none")
        else:
            worst = data.y.square().clamp(min=WORST)
            each = torch.minimum((prediction - data.y).square(), worst).mean(1)
    return each if data.weight is None else each * data.weight


def part_of(problem: Problem, index: Tensor) -> Problem:
    """The problem with only the training samples at `index`."""
    data = problem.train.select(index)
    if isinstance(problem, Classification):
        return Classification(data.x, data.y, classes=problem.classes, weight=data.weight)
    return Regression(data.x, data.y, weight=data.weight)


def folds(problem: Problem, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Pairs of training and held-out indices; every class is spread over the folds. None for a single sample.

    Five folds for up to 500 samples (three below 60, where five would hold out a handful), three up to 3,000, one
    held-out fifth beyond.
    """
    data = problem.train
    rows = len(data)
    if rows < 2:
        return []
    parts = 3 if rows < 60 else 5 if rows <= 500 else 3 if rows <= 3000 else 5
    parts = min(parts, rows)
    rng = np.random.default_rng(seed)
    order = rng.permutation(rows)
    if isinstance(problem, Classification):  # stable: each class stays shuffled and is dealt out in turn
        order = order[np.argsort(data.y.numpy()[order], kind="stable")]
    fold = np.empty(rows, dtype=np.int64)
    fold[order] = np.arange(rows) % parts
    chosen = range(1 if rows > 3000 else parts)
    return [tuple(torch.from_numpy(np.flatnonzero(side)) for side in (fold != k, fold == k)) for k in chosen]
