"""A loss given as a function of predictions and targets (`CustomLoss`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from edgewise.errors import InputError
from edgewise.train.problems.base import Problem, Validation, check_finite
from edgewise.train.problems.data import Data

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Function of predictions (N, out) and targets, giving one number for each row, (N,), or for each output, (N, out)."""


class CustomLoss(Problem):
    """A problem whose loss is any function of the predictions and the targets: the weighted mean over the rows.

    Parameters
    ----------
    x : Tensor or DataLoader
        Inputs, (N, in), as in `Regression`.
    y : Tensor
        Targets with N rows, of any shape that `loss` takes; real numbers (N,) become (N, 1), as predictions are.
        Left out if x is a DataLoader.
    loss : callable
        Differentiable function of (predictions, targets) that gives one number for each row, (N,), or for each number
        of the predictions, (N, out): a loss of torch with reduction="none", for example.
    weight, validation, seed
        As in `Regression`.

    Raises
    ------
    InputError
        A tensor is not as above, or `loss` is no function; in `fit`, if it gives numbers of another shape.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, fit
    >>> from edgewise.train import CustomLoss
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> problem = CustomLoss(x, x[:, 0] ** 2, loss=torch.nn.HuberLoss(reduction="none", delta=0.1))
    >>> fit(KAN([1, 1], dtype=torch.float64), problem, steps=100).loss < 1e-6
    True
    """

    def __init__(
        self,
        x: Tensor | DataLoader[Any],
        y: Tensor | None = None,
        *,
        loss: LossFunction,
        weight: Tensor | None = None,
        validation: Validation = None,
        seed: int = 0,
    ) -> None:
        if not callable(loss):
            raise InputError(f"loss must be a function of predictions and targets, got {type(loss).__name__}")
        self._function = loss
        super().__init__(x, y, weight=weight, validation=validation, seed=seed)

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """Loss of every sample, (N,): the mean over what the function gives for its outputs."""
        losses = self._function(prediction, data.y)
        if isinstance(losses, Tensor):
            shape = tuple(losses.shape)
        else:
            shape = type(losses).__name__
        if not isinstance(losses, Tensor) or losses.ndim == 0 or len(losses) != len(prediction):
            raise InputError(
                f"loss must give one number for each of {len(prediction)} rows, as with reduction='none', got {shape}"
            )
        return losses.reshape(len(losses), -1).mean(1)

    metric_order = 1

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("loss", the loss itself)."""
        return "loss", float(self.loss(prediction, data))

    def check_targets(self, y: Tensor, x: Tensor) -> Tensor:
        """Targets as given; real numbers (N,) as (N, 1) and in the dtype of x."""
        if not y.is_floating_point():
            return y
        check_finite(y, "y")
        if y.ndim == 1:
            return y.to(x.dtype)[:, None]
        return y.to(x.dtype)

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise InputError if the function does not give one number for each row."""
        self.prediction_losses(prediction, data)

    def _settings(self) -> Mapping[str, Any]:
        return {"loss": self._function}
