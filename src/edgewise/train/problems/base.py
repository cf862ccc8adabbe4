"""Base class of problems: training and validation samples, checked once, and the interface of their loss."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from edgewise.checks import KnownKeywords
from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.train.problems.blocks import Block, ResidualBlock, Unknowns, copied_unknowns
from edgewise.train.problems.data import Data

Validation = float | Sequence[Tensor | None] | DataLoader[Any] | None
"""Held-out samples: a share of the training samples, (x, y), (x, y, weight), a DataLoader, or None."""


class Problem(KnownKeywords):
    """Base of all problems: samples for training and validation, and a loss.

    A subclass gives the losses of the samples (`prediction_losses`), the form of y (`check_targets`), the form of the
    outputs (`check_prediction`) and a `metric`; and `blocks` if the loss is a sum of squares, or `second_order_blocks`
    if it has another second-order model, so that Gauss-Newton methods can train on it. `Regression` documents the
    parameters.

    Attributes
    ----------
    train_tensors, validation : Data or None
        Samples for training and held-out samples, where they are held as tensors.
    train_loader, validation_loader : DataLoader or None
        Source of the samples where they are not held as tensors.
    by_blocks : bool
        Whether the loss is that of the `blocks()` and no function of predictions on `train`.
    unknowns : mapping of str to Parameter
        Unknown numbers of the problem by name, trained together with the model's parameters.

    Examples
    --------
    A loss of your own, here for counts with a Poisson distribution, whose log mean is the model's output:

    >>> from edgewise import KAN, fit
    >>> class PoissonRegression(Problem):
    ...     def prediction_losses(self, prediction, data):
    ...         return (prediction.exp() - data.y * prediction)[:, 0]
    ...     def check_targets(self, y, x):
    ...         return y.to(x.dtype)
    ...     def check_prediction(self, prediction, data):
    ...         pass
    ...     def metric(self, prediction, data):
    ...         return "mean", float(prediction.exp().mean())
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> problem = PoissonRegression(x, torch.poisson(2 + x, generator=torch.Generator().manual_seed(0)))
    >>> report = fit(KAN([1, 1], 3, dtype=torch.float64), problem, steps=100)
    >>> round(report.metric[1], 3), float(problem.train.y.mean())
    (2.0, 2.0)
    """

    by_blocks = False
    metric_order: int | None = None  # `metric` is the root of this order of a mean over samples; None for neither
    unknowns: Unknowns = MappingProxyType({})
    validation: Data | None = None
    train_loader: DataLoader[Any] | None = None
    validation_loader: DataLoader[Any] | None = None
    train_tensors: Data | None = None

    def __init__(
        self,
        x: Tensor | DataLoader[Any],
        y: Tensor | None = None,
        *,
        weight: Tensor | None = None,
        validation: Validation = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(x, DataLoader):
            self.train_tensors = self._checked_data(x, y, weight)
        elif y is not None or weight is not None:
            raise InputError("y and weight must be left out where x is a DataLoader; its batches bring them")
        elif isinstance(validation, float | int):
            raise InputError("validation must be a DataLoader or tensors where x is a DataLoader, not a share")
        else:
            self.train_loader = x
        if isinstance(validation, DataLoader):
            self.validation_loader = validation
        elif isinstance(validation, float):
            self._split(validation, seed)
        elif isinstance(validation, list | tuple) and len(validation) in (2, 3):
            self.validation = self._checked_data(*validation, *[None] * (3 - len(validation)), name="validation ")
            if self.train_tensors is not None:
                _check_same_columns(self.train_tensors, self.validation)
        elif validation is not None:
            raise InputError(
                "validation must be a share in (0, 1), (x, y), (x, y, weight) or a DataLoader, "
                f"got {type(validation).__name__}"
            )

    @property
    def train(self) -> Data:
        """Training samples as tensors, as `train_tensors`, for code that needs them.

        Raises
        ------
        InputError
            A DataLoader brings the training samples; `train_loader` is then not None.
        """
        if self.train_tensors is None:
            raise InputError("problem must hold its training samples as tensors here, got a DataLoader")
        return self.train_tensors

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """Loss of a model's outputs at data.x: the weighted mean of `prediction_losses`, a differentiable scalar."""
        losses = self.prediction_losses(prediction, data)
        return (losses if data.weight is None else losses * data.weight).sum() / max(len(data), 1)

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """Loss of every sample without its weight, (N,), from a model's outputs at data.x; differentiable."""
        raise NotImplementedError

    def sample_losses(self, model: nn.Module, data: Data) -> Tensor:
        """Loss of every sample times its weight, (N,), without gradients; the mean over the samples is `loss`.

        Parameters
        ----------
        model : Module
            Model from x (N, in) to the outputs that the problem needs.
        data : Data
            Samples of this problem, for example `problem.train` or `problem.validation`.

        Raises
        ------
        InputError
            The loss of this kind of problem is not a mean over samples with targets.
        """
        with torch.no_grad():
            losses = self.prediction_losses(model(data.x), data)
            return losses if data.weight is None else losses * data.weight

    def blocks(self) -> tuple[ResidualBlock, ...]:
        """Training loss as sums of squares on samples held as tensors; () if it is no such sum."""
        return ()

    def second_order_blocks(self) -> tuple[Block, ...]:
        """Training loss as blocks with second-order models, for Gauss-Newton methods; () if it has none."""
        return self.blocks()

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """Headline metric of the problem as (name, value), or None if there is none."""
        raise NotImplementedError

    def check_model(self, network: nn.Module) -> None:
        """Raise InputError if a model can't solve the problem whatever its parameters are."""

    def check_targets(self, y: Tensor, x: Tensor) -> Tensor:
        """Targets in the form that the losses need; raise InputError if they don't fit the problem."""
        raise NotImplementedError

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise InputError if a model's output does not fit y."""
        raise NotImplementedError

    def batch(self, batch: object) -> Data:
        """Checked samples of one batch of a DataLoader, (x, y) or (x, y, weight); weights are not rescaled.

        Raises
        ------
        InputError
            The batch has another form, or its tensors don't fit the problem.
        """
        if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
            raise InputError(f"the DataLoader must yield (x, y) or (x, y, weight), got {type(batch).__name__}")
        return self._checked_data(*batch, *[None] * (3 - len(batch)), normalise=False)

    def to(self, dtype: torch.dtype) -> Self:
        """Copy with tensors in another floating-point dtype; its unknowns are parameters of their own."""
        twin = copy.copy(self)
        if self.train_tensors is None:
            twin.train_tensors = None
        else:
            twin.train_tensors = self.train_tensors.to(dtype)
        if self.validation is None:
            twin.validation = None
        else:
            twin.validation = self.validation.to(dtype)
        twin.unknowns = copied_unknowns(self.unknowns, dtype)
        return twin

    def with_copied_unknowns(self) -> Self:
        """Copy that shares the samples; its unknowns are parameters of their own with the present values."""
        twin = copy.copy(self)
        twin.unknowns = copied_unknowns(self.unknowns)
        return twin

    def subset(self, index: Tensor) -> Self:
        """Problem of the same kind with only the training samples at `index`, and without validation samples.

        Weights are scaled to the mean 1 again; unknowns start anew.

        Raises
        ------
        InputError
            The training samples are not held as tensors.
        """
        data = self.train.select(index)
        return type(self)(data.x, data.y, weight=data.weight, **self._settings())

    def with_inputs(self, columns: Tensor) -> Self:
        """Same problem with only some columns of x, for training and validation."""
        twin = copy.copy(self)
        twin.train_tensors = replace(self.train, x=self.train.x[:, columns])
        if self.validation is not None:
            twin.validation = replace(self.validation, x=self.validation.x[:, columns])
        return twin

    def _settings(self) -> Mapping[str, Any]:
        """Arguments of the constructor besides the samples."""
        return {}

    def _checked_data(self, x: object, y: object, weight: object, *, name: str = "", normalise: bool = True) -> Data:
        """Samples of checked tensors, with weights of mean 1 if `normalise`; `name` precedes x, y and weight."""
        if not isinstance(x, Tensor):
            raise InputError(f"{name}x must be a torch.Tensor, got {type(x).__name__}")
        if x.dtype not in (torch.float32, torch.float64):
            raise InputError(f"{name}x must be float32 or float64, got {x.dtype}")
        if x.ndim != 2 or 0 in x.shape:
            raise InputError(f"{name}x must have shape (N, in) with at least one row and column, got {tuple(x.shape)}")
        check_finite(x, f"{name}x")
        if not isinstance(y, Tensor):
            raise InputError(f"{name}y must be a torch.Tensor, got {type(y).__name__}")
        if y.ndim == 0 or len(y) != len(x):
            raise InputError(f"{name}y must have {len(x)} rows like x, got shape {tuple(y.shape)}")
        if y.device != x.device:
            raise InputError(f"{name}y must be on the device of x, {x.device}, got {y.device}")
        x = x.detach()
        y = self.check_targets(y.detach(), x)
        if weight is None:
            return Data(x, y)
        if not isinstance(weight, Tensor) or weight.shape != x.shape[:1]:
            came = tuple(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
            raise InputError(f"{name}weight must be a tensor of shape ({len(x)},), got {came}")
        if weight.device != x.device:
            raise InputError(f"{name}weight must be on the device of x, {x.device}, got {weight.device}")
        weight = weight.detach().to(x.dtype)
        check_finite(weight, f"{name}weight")
        if bool((weight < 0).any()):
            raise InputError(f"{name}weight must not be negative, got {float(weight.min())}")
        data = Data(x, y, weight)
        if normalise:
            return _with_mean_weight_one(data, name)
        return data

    def _split(self, share: float, seed: int) -> None:
        """Set a share of the training samples aside, at random."""
        if not 0 < share < 1:
            raise InputError(f"validation must be a share in (0, 1), got {share}")
        everything = self.train
        total = len(everything)
        if total < 2:
            raise InputError(f"x must have at least 2 rows for a validation share, got {total}")
        held = min(max(round(share * total), 1), total - 1)
        order = torch.randperm(total, generator=seeded_generator(seed)).to(everything.x.device)
        self.validation = _with_mean_weight_one(everything.select(order[:held].sort().values), "validation ")
        self.train_tensors = _with_mean_weight_one(everything.select(order[held:].sort().values), "")


def check_finite(value: Tensor, name: str) -> None:
    """Raise InputError if a tensor holds NaN or infinite values."""
    if not bool(value.isfinite().all()):
        raise InputError(f"{name} must be finite, got {int((~value.isfinite()).sum())} NaN or infinite values")


def _with_mean_weight_one(data: Data, name: str) -> Data:
    if data.weight is None:
        return data
    largest = data.weight.max()
    if not bool(largest > 0):
        raise InputError(f"{name}weight must have a positive entry, got only zeros")
    weight = data.weight / largest  # first, so that the mean can't overflow
    return replace(data, weight=weight / weight.mean())


def _check_same_columns(train: Data, validation: Data) -> None:
    if train.x.shape[1] != validation.x.shape[1] or train.x.dtype != validation.x.dtype:
        raise InputError(
            f"validation x must have shape (N, {train.x.shape[1]}) and dtype {train.x.dtype} like the training data, "
            f"got {tuple(validation.x.shape)} and {validation.x.dtype}"
        )
    if train.y.shape[1:] != validation.y.shape[1:]:
        expected = ", ".join(["N", *map(str, train.y.shape[1:])])
        raise InputError(f"validation y must have shape ({expected}), got {tuple(validation.y.shape)}")
