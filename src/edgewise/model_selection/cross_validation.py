"""Folds of cross-validation, and the loss of each held-out sample."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgewise.nn.model import KAN
from edgewise.train.problems.base import Problem
from edgewise.train.problems.classification import LabelledProblem
from edgewise.train.problems.data import Data
from edgewise.train.problems.regression import Regression

# Largest squared error that counts in a comparison of candidates, in variances of the target (the targets are
# standardised). A choice: so large an error is a miss, and the size of a miss must not decide the comparison.
LARGEST_ERROR = 10.0


def clipped_losses(problem: Problem, model: KAN, data: Data) -> Tensor:
    """Losses of the samples times their weights, (N,), with squared errors clipped for the comparison of candidates.

    They are those of `problem.sample_losses`, but the squared error of each output of a `Regression` counts no more
    than `LARGEST_ERROR` and no more than the error of predicting 0, the mean of the targets, whichever is larger. A
    single sample far from all others therefore cannot decide which candidate is better.
    """
    if not isinstance(problem, Regression):
        return problem.sample_losses(model, data)
    with torch.no_grad():
        largest = data.y.square().clamp(min=LARGEST_ERROR)
        losses = torch.minimum((model(data.x) - data.y).square(), largest).mean(1)
        return losses if data.weight is None else losses * data.weight


def folds(problem: Problem, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Divide the training samples into folds of cross-validation; every class is spread over the folds.

    There are five folds for up to 500 samples (three below 60, where five would hold out only a handful), three for up
    to 3,000, and a single held-out fifth beyond. The numbers are a choice: with more samples fewer folds are needed
    for the same standard error.

    Parameters
    ----------
    problem : Problem
        Problem with N training samples.
    seed : int
        Seed of the random order of the samples.

    Returns
    -------
    list of (Tensor, Tensor)
        Ascending indices of the training and of the held-out samples of each fold; empty for a single sample.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(0, 1, 100)[:, None]
    >>> [(len(train), len(held)) for train, held in folds(Regression(x, x), seed=0)]
    [(80, 20), (80, 20), (80, 20), (80, 20), (80, 20)]
    """
    data = problem.train
    rows = len(data)
    if rows < 2:
        return []
    parts = 3 if rows < 60 else 5 if rows <= 500 else 3 if rows <= 3000 else 5
    parts = min(parts, rows)
    order = np.random.default_rng(seed).permutation(rows)
    if isinstance(problem, LabelledProblem):  # a stable sort: each class stays shuffled and is dealt out in turn
        order = order[np.argsort(data.y.numpy()[order], kind="stable")]
    fold = np.empty(rows, dtype=np.int64)
    fold[order] = np.arange(rows) % parts
    return [
        (torch.from_numpy(np.flatnonzero(fold != k)), torch.from_numpy(np.flatnonzero(fold == k)))
        for k in range(1 if rows > 3000 else parts)
    ]
