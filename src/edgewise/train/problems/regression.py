"""Least-squares regression."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.problems.base import Problem, check_finite
from edgewise.train.problems.blocks import BlockRole, ResidualBlock
from edgewise.train.problems.data import Data


class Regression(Problem):
    """Least squares: the loss is the weighted mean of (f(x) - y)^2 over samples and outputs.

    Parameters
    ----------
    x : Tensor or DataLoader
        Inputs, (N, in), float32 or float64; or a DataLoader of (x, y) or (x, y, weight). The weights of a DataLoader
        are used as they are and should have the mean 1.
    y : Tensor
        Targets, (N, out) or (N,), in the dtype of x. Left out if x is a DataLoader.
    weight : Tensor, optional
        Weights, (N,), not negative; they are scaled to the mean 1. A weight of 2 counts like the same row twice.
    validation : float, sequence of Tensor or DataLoader, optional
        Held-out samples: a share of the rows that is set aside at random, as 0.2; or (x, y), (x, y, weight), or a
        DataLoader.
    seed : int
        Seed of that random split.

    Raises
    ------
    InputError
        A shape, dtype or value is not as above, or there is no row.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression
    >>> x = torch.linspace(-1, 1, 50)[:, None]
    >>> problem = Regression(x, x**2, validation=0.2)
    >>> len(problem.train), len(problem.validation)
    (40, 10)
    """

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """Weighted mean of the squared errors, a differentiable scalar."""
        # Scaled first: squares of large numbers overflow long before their mean would.
        scaled = (prediction - data.y) / (max(data.y.numel(), 1) ** 0.5)
        squares = scaled.square()
        return (squares if data.weight is None else squares * data.weight[:, None]).sum()

    def blocks(self) -> tuple[ResidualBlock, ...]:
        """One block of residuals on the training samples; none if a DataLoader brings them."""
        if self.train_loader is not None:
            return ()
        root = self.train.y.shape[1] ** 0.5  # the loss is a mean over outputs too

        def residuals(jet: Tensor, part: Data) -> Tensor:
            return (jet[0] - part.y) / root

        return (ResidualBlock("data", self.train, residuals, role=BlockRole.OBSERVATION),)

    metric_order = 2

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("rmse", square root of the loss), in the units of y."""
        return "rmse", float(self.loss(prediction.double(), data.to(torch.float64)).sqrt())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise InputError if a model's output does not have the shape of y."""
        if prediction.shape != data.y.shape:
            raise InputError(
                f"y must have shape (N, {prediction.shape[-1]}) to fit the model's output, got (N, {data.y.shape[1]})"
            )

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """Mean over the outputs of the squared errors of every sample, (N,)."""
        return (prediction - data.y).square().mean(1)

    def check_targets(self, y: Tensor, x: Tensor) -> Tensor:
        """Targets (N, out); raise InputError if they don't have the dtype of x or another number of dimensions."""
        if y.dtype != x.dtype:
            raise InputError(f"y must have the dtype of x, {x.dtype}, got {y.dtype}")
        if y.ndim > 2 or y[0].numel() == 0:
            raise InputError(f"y must have shape (N, out) or (N,), got {tuple(y.shape)}")
        check_finite(y, "y")
        return y if y.ndim == 2 else y[:, None]
