"""Problems: what a model is trained for, as data with a loss or as blocks of residuals.

Build a `Regression`, a `Classification` or an `OrdinalClassification` from tensors or a DataLoader and hand it to
`edgewise.fit`; `CustomLoss` takes any function of predictions and targets as its loss. A `BlockProblem` is a
least-squares problem over several `ResidualBlock`s, each with its own points, as a differential equation has.
A problem holds its samples as `Data` and computes its loss; a second-order method gets the loss as
`second_order_blocks()`, parts with their derivatives to second order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from edgewise.checks import KnownKeywords, check_count, check_kind, is_sequence
from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.ops.jet import shape_or_type
from edgewise.train.blocks import (
    THRESHOLD_STEPS,
    Block,
    BlockRole,
    CrossEntropyBlock,
    Data,
    OrdinalBlock,
    ResidualBlock,
    Unknowns,
    copied_unknowns,
    limits_of,
    log_probability,
    thresholds_of,
)

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
    classes = 0  # number of classes; 0 where targets are numbers
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
        # The training samples: tensors, or a DataLoader that brings them.
        if not isinstance(x, DataLoader):
            self.train_tensors = self._checked_data(x, y, weight)
        elif y is not None or weight is not None:
            raise InputError("y and weight must be left out where x is a DataLoader; its batches bring them")
        elif isinstance(validation, float | int):
            raise InputError("validation must be a DataLoader or tensors where x is a DataLoader, not a share")
        else:
            self.train_loader = x
        # Held-out samples: a DataLoader, a share of the training samples, or tensors.
        if isinstance(validation, DataLoader):
            self.validation_loader = validation
        elif isinstance(validation, float):
            self._split(validation, seed)
        elif is_sequence(validation) and len(validation) in (2, 3):
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
        return data.weighted(self.prediction_losses(prediction, data)).sum() / max(len(data), 1)

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
            return data.weighted(self.prediction_losses(model(data.x), data))

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
        if not is_sequence(batch) or len(batch) not in (2, 3):
            raise InputError(f"the DataLoader must yield (x, y) or (x, y, weight), got {type(batch).__name__}")
        return self._checked_data(*batch, *[None] * (3 - len(batch)), normalise=False)

    def to(self, dtype: torch.dtype) -> Self:
        """Copy with tensors in another floating-point dtype; its unknowns are parameters of their own."""
        twin = copy.copy(self)
        if self.train_tensors is not None:
            twin.train_tensors = self.train_tensors.to(dtype)
        if self.validation is not None:
            twin.validation = self.validation.to(dtype)
        twin.unknowns = copied_unknowns(self.unknowns, dtype)
        return twin

    def with_copied_unknowns(self) -> Self:
        """Copy that shares the samples; its unknowns are parameters of their own with the present values."""
        twin = copy.copy(self)
        twin.unknowns = copied_unknowns(self.unknowns)
        return twin

    def with_fixed_unknowns(self) -> Self:
        """Copy that shares the samples, with unknowns of its own that training does not change."""
        twin = self.with_copied_unknowns()
        for value in twin.unknowns.values():
            value.requires_grad_(False)
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

    def _checked_data(self, x: Any, y: Any, weight: Any, *, name: str = "", normalise: bool = True) -> Data:
        """Samples of checked tensors, with weights of mean 1 if `normalise`; `name` precedes x, y and weight."""
        # The inputs.
        check_kind(x, Tensor, f"{name}x must be a torch.Tensor")
        if x.dtype not in (torch.float32, torch.float64):
            raise InputError(f"{name}x must be float32 or float64, got {x.dtype}")
        if x.ndim != 2 or 0 in x.shape:
            raise InputError(f"{name}x must have shape (N, in) with at least one row and column, got {tuple(x.shape)}")
        check_finite(x, f"{name}x")
        # The targets, in the form that the problem needs.
        check_kind(y, Tensor, f"{name}y must be a torch.Tensor")
        if y.ndim == 0 or len(y) != len(x):
            raise InputError(f"{name}y must have {len(x)} rows like x, got shape {tuple(y.shape)}")
        if y.device != x.device:
            raise InputError(f"{name}y must be on the device of x, {x.device}, got {y.device}")
        x = x.detach()
        y = self.check_targets(y.detach(), x)
        # The weights.
        if weight is None:
            return Data(x, y)
        if not isinstance(weight, Tensor) or weight.shape != x.shape[:1]:
            came = shape_or_type(weight)
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
        # The errors are scaled first: squares of large numbers overflow long before their mean would.
        scaled = (prediction - data.y) / (max(data.y.numel(), 1) ** 0.5)
        squares = scaled.square()
        return data.weighted(squares).sum()

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


class LabelledProblem(Problem):
    """Base of problems with integer labels 0 .. classes - 1, whose loss is the weighted mean of -log p(label)."""

    def __init__(
        self,
        x: Tensor | DataLoader[Any],
        y: Tensor | None = None,
        *,
        classes: int | None = None,
        weight: Tensor | None = None,
        validation: Validation = None,
        seed: int = 0,
    ) -> None:
        if classes is None:
            if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.numel() == 0:
                raise InputError("classes must be given where y is not a tensor of integer labels")
            classes = max(int(y.max()) + 1, 2)
        self.classes = check_count(classes, "classes", 2)
        super().__init__(x, y, weight=weight, validation=validation, seed=seed)

    def classify(self, prediction: Tensor) -> Tensor:
        """Most probable class of every sample, (N,), from the model's output."""
        raise NotImplementedError

    metric_order = 1

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("accuracy", weighted share of samples whose most probable class is the label)."""
        right = (self.classify(prediction) == data.y).double()
        return "accuracy", float(data.weighted(right).mean())

    def _settings(self) -> dict[str, int]:
        return {"classes": self.classes}

    def check_targets(self, y: Tensor, x: Tensor) -> Tensor:
        """Labels as int64; raise InputError if they are no integers of shape (N,) or out of range."""
        if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool or y.ndim != 1:
            raise InputError(f"y must hold integer labels, shape (N,), got {y.dtype} of shape {tuple(y.shape)}")
        y = y.long()
        low = int(y.min())
        high = int(y.max())
        if low < 0 or high >= self.classes:
            raise InputError(f"y must hold labels 0 .. {self.classes - 1}, got {low} .. {high}")
        return y


class Classification(LabelledProblem):
    """Classification by cross-entropy: the outputs are logits, the loss is the weighted mean of -log p(label).

    For classes that have an order see `OrdinalClassification`.

    Parameters
    ----------
    x : Tensor or DataLoader
        Inputs, (N, in), as in `Regression`.
    y : Tensor
        Integer labels 0 .. classes - 1, (N,).
    classes : int, optional
        Number of classes; the largest label in y plus one if left out.
    weight, validation, seed
        As in `Regression`.

    Raises
    ------
    InputError
        As in `Regression`, or a label is out of range.

    Examples
    --------
    >>> import torch
    >>> from edgewise.train import Classification
    >>> x = torch.tensor([[-1.0], [0.5], [2.0]])
    >>> problem = Classification(x, torch.tensor([0, 1, 1]))
    >>> logits = torch.zeros(3, 2)
    >>> round(float(problem.loss(logits, problem.train)), 4)
    0.6931
    """

    def second_order_blocks(self) -> tuple[CrossEntropyBlock, ...]:
        """One `CrossEntropyBlock` on the training samples; none if a DataLoader brings them."""
        if self.train_loader is not None:
            return ()
        return (CrossEntropyBlock("data", self.train),)

    def classify(self, prediction: Tensor) -> Tensor:
        """Class of the largest logit, (N,), from the model's output (N, classes)."""
        return prediction.argmax(1)

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise InputError if the model does not have one output per class."""
        if prediction.shape != (len(data), self.classes):
            raise InputError(f"the model must have {self.classes} outputs, one per class, got {prediction.shape[-1]}")

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """-log p(label) of every sample, (N,), from its logits (N, classes)."""
        return cross_entropy(prediction, data.y, reduction="none")


class OrdinalClassification(LabelledProblem):
    """Ordered classes by cumulative links: one output z, and P(label <= k) = sigmoid(threshold_k - z).

    The proportional odds model [1]_ with a network in place of its linear predictor. The classes - 1 thresholds are
    unknowns of the problem: every method trains them with the model, and they stay in order. The loss is the weighted
    mean of -log p(label).

    Parameters
    ----------
    x, y, classes, weight, validation, seed
        As in `Classification`; the labels are in the order of the classes.

    Raises
    ------
    InputError
        As in `Classification`.

    References
    ----------
    .. [1] P. McCullagh, "Regression models for ordinal data", J. R. Statist. Soc. B 42 (1980) 109.

    Examples
    --------
    >>> import torch
    >>> from edgewise.train import OrdinalClassification
    >>> x = torch.arange(4.0)[:, None]
    >>> problem = OrdinalClassification(x, torch.tensor([0, 1, 1, 2]))
    >>> problem.classify(torch.tensor([[-3.0], [0.0], [3.0]]))
    tensor([0, 1, 2])
    """

    def __init__(
        self,
        x: Tensor | DataLoader[Any],
        y: Tensor | None = None,
        *,
        classes: int | None = None,
        weight: Tensor | None = None,
        validation: Validation = None,
        seed: int = 0,
    ) -> None:
        super().__init__(x, y, classes=classes, weight=weight, validation=validation, seed=seed)
        # The steps with which an output of zero gives each class its share of the training samples. The shares are
        # equal if a DataLoader brings the samples.
        if self.train_loader is not None:
            shares = torch.full((self.classes,), 1 / self.classes)
        else:
            data = self.train
            weights = data.weights()
            counts = weights.new_zeros(self.classes).index_add_(0, data.y, weights) + 0.5  # so that no share is zero
            shares = counts / counts.sum()
        thresholds = torch.logit(shares.cumsum(0)[:-1])
        gaps = thresholds.diff().clamp(min=1e-3)
        steps = nn.Parameter(torch.cat([thresholds[:1], gaps + torch.log(-torch.expm1(-gaps))]))
        self.unknowns = {THRESHOLD_STEPS: steps}

    @property
    def thresholds(self) -> Tensor:
        """Thresholds between the classes, ascending, (classes - 1,)."""
        return thresholds_of(self.unknowns[THRESHOLD_STEPS].detach())

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Probabilities of the classes, (N, classes), from the model's output (N, 1)."""
        return self._log_probabilities(prediction.detach()).exp()

    def classify(self, prediction: Tensor) -> Tensor:
        """Most probable class of every sample, (N,), from the model's output (N, 1)."""
        return self._log_probabilities(prediction.detach()).argmax(1)

    def second_order_blocks(self) -> tuple[OrdinalBlock, ...]:
        """One `OrdinalBlock` on the training samples; none if a DataLoader brings them."""
        if self.train_loader is not None:
            return ()
        return (OrdinalBlock("data", self.train),)

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise InputError if the model does not have one output."""
        if prediction.shape != (len(data), 1):
            raise InputError(f"the model must have 1 output for ordered classes, got {prediction.shape[-1]}")

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """-log p(label) of every sample, (N,), from the model's output (N, 1)."""
        limits = limits_of(thresholds_of(self.unknowns[THRESHOLD_STEPS]))
        return -log_probability(prediction[:, 0], limits[data.y], limits[data.y + 1])

    def _log_probabilities(self, prediction: Tensor) -> Tensor:
        limits = limits_of(self.thresholds.to(prediction.dtype))
        return log_probability(prediction, limits[:-1], limits[1:])


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
        if not isinstance(losses, Tensor) or losses.ndim == 0 or len(losses) != len(prediction):
            came = shape_or_type(losses)
            raise InputError(
                f"loss must give one number for each of {len(prediction)} rows, as with reduction='none', got {came}"
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


class BlockProblem(Problem):
    """Least squares over several blocks of residuals, with unknown numbers in them if there are any.

    The loss is the sum of the losses of the blocks, see `ResidualBlock`. Every method minimises all blocks at once;
    there are no minibatches. The points of all blocks together are the training samples `train` (its y is empty): grids
    are laid and edges are measured on them.

    A subclass, for example the collocation problem of a differential equation, passes its blocks to this constructor.
    It may override `metric` (if it knows a solution), `check_model` (if a model must fulfil more than the blocks
    need), and `to` (if it holds further tensors). It finds blocks by their role with `with_role`, never by their name.

    Parameters
    ----------
    blocks : sequence of ResidualBlock
        One or more blocks with different names, of one dtype and one number of inputs.
    unknowns : mapping of str to Parameter, optional
        Parameters of shape (), trained with the model and passed to the residuals by name.

    Raises
    ------
    InputError
        There is no block, or the blocks don't go together.

    Examples
    --------
    u' = u on [0, 1] with u(0) = 1:

    >>> import torch
    >>> from edgewise.train import BlockProblem
    >>> from edgewise.train import Data, ResidualBlock
    >>> from edgewise.train.blocks import BlockRole
    >>> x, start = torch.linspace(0, 1, 20)[:, None], torch.zeros(1, 1)
    >>> equation = ResidualBlock("equation", Data(x, x), lambda jet, part: jet[1] - jet[0], 1.0, torch.ones(1, 1), 1)
    >>> initial = ResidualBlock("start", Data(start, start), lambda jet, part: jet[0] - 1, role=BlockRole.CONDITION)
    >>> problem = BlockProblem([equation, initial])
    >>> len(problem.train), [block.name for block in problem.with_role(BlockRole.CONDITION)]
    (21, ['start'])
    """

    by_blocks = True

    def __init__(self, blocks: Sequence[ResidualBlock], unknowns: Unknowns | None = None) -> None:
        # Blocks with different names and points of one kind.
        self._blocks = tuple(blocks)
        if not self._blocks:
            raise InputError("blocks must hold at least one ResidualBlock, got none")
        names = [block.name for block in self._blocks]
        if len(set(names)) < len(names):
            raise InputError(f"blocks must have different names, got {names}")
        kinds = {(block.data.x.dtype, block.data.x.shape[1:]) for block in self._blocks}
        if len(kinds) > 1 or self._blocks[0].data.x.ndim != 2:
            came = [f"{tuple(block.data.x.shape)} {block.data.x.dtype}" for block in self._blocks]
            raise InputError(f"blocks must have x of shape (N, in) with one `in` and one dtype, got {came}")
        # Unknown coefficients are scalars that are trained beside the network.
        self.unknowns = dict(unknowns or {})
        for name, value in self.unknowns.items():
            if not isinstance(value, nn.Parameter) or value.ndim != 0:
                raise InputError(f"unknowns must be parameters of shape (), got {name!r}: {type(value).__name__}")
        # The points of all blocks are what the network's domain must hold.
        points = torch.cat([block.data.x for block in self._blocks])
        self.train_tensors = Data(points, points.new_zeros(len(points), 0))

    def blocks(self) -> tuple[ResidualBlock, ...]:
        """All blocks, in the order given."""
        return self._blocks

    def with_role(self, role: BlockRole) -> tuple[ResidualBlock, ...]:
        """Blocks that play one role, in the order given."""
        return tuple(block for block in self._blocks if block.role == role)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """Raise InputError: the loss is that of the blocks and no function of a prediction."""
        raise InputError("the loss of a problem of blocks is that of its blocks, not of a prediction")

    def sample_losses(self, model: nn.Module, data: Data) -> Tensor:
        """Raise InputError: residuals on different points are no losses of samples."""
        raise InputError("a problem of residual blocks has no loss of single samples")

    def subset(self, index: Tensor) -> Self:
        """Raise InputError: build another problem from subsets of the blocks instead."""
        raise InputError("a problem of residual blocks has no subset of samples; build it from subsets of its blocks")

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """None: residuals alone give no headline metric."""
        return None

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Accept any output: the residuals find out whether they can be computed from it."""

    def to(self, dtype: torch.dtype) -> Self:
        """Copy in another floating-point dtype; its unknowns are parameters of their own."""
        twin = super().to(dtype)
        twin._blocks = tuple(block.to(dtype) for block in self._blocks)
        return twin
