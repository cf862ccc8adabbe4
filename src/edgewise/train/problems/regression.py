"""TODO docstring of edgewise.train.problems.regression."""

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.train.problems.base import Problem, _check_finite
from edgewise.train.problems.blocks import ResidualBlock
from edgewise.train.problems.data import Data


class Regression(Problem):
    """Least squares: the loss is the weighted mean of (f(x) - y)^2 over samples and outputs.

    A weight of 2 counts like the same row twice; weights are scaled to mean 1.

    Args:
        x: (N, in), float32 or float64, or a DataLoader of (x, y) or (x, y, weight). A loader's weights are taken
            as they are and should have mean 1.
        y: (N, out) or (N,), in the dtype of x.
        weight: (N,), not negative.
        validation: a share of the rows to set aside, as 0.2; or (x, y), (x, y, weight), or a DataLoader.
        seed: of that random split.

    Raises:
        InputError: a shape, dtype or value is not as above, or there is no row.
    """

    def __init__(self, x, y=None, *, weight=None, validation=None, seed: int = 0):
        super().__init__(x, y, weight, validation, seed)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        # Scaled first: squares of large numbers overflow long before their mean would.
        scaled = (prediction - data.y) / (max(data.y.numel(), 1) ** 0.5)
        squares = scaled.square()
        return (squares if data.weight is None else squares * data.weight[:, None]).sum()

    def _prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        return (prediction - data.y).square().mean(1)

    def blocks(self) -> tuple[ResidualBlock, ...]:
        if self.train is None:
            return ()
        root = self.train.y.shape[1] ** 0.5  # the loss is a mean over outputs too
        return (ResidualBlock("data", self.train, lambda jet, part: (jet[0] - part.y) / root),)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("rmse", square root of the loss), in the units of y."""
        return "rmse", float(self.loss(prediction.double(), data.to(torch.float64)).sqrt())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        if prediction.shape != data.y.shape:
            raise InputError(
                f"y must have shape (N, {prediction.shape[-1]}) to fit the model's output, got (N, {data.y.shape[1]})"
            )

    def _check_y(self, y: Tensor, x: Tensor) -> Tensor:
        if y.dtype != x.dtype:
            raise InputError(f"y must have the dtype of x, {x.dtype}, got {y.dtype}")
        if y.ndim > 2 or y[0].numel() == 0:
            raise InputError(f"y must have shape (N, out) or (N,), got {tuple(y.shape)}")
        _check_finite(y, "y")
        return y if y.ndim == 2 else y[:, None]
