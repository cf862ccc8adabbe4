"""What is to be learned: data with a loss, and blocks of residuals where the loss is a sum of squares.

A problem that is given by its residual blocks alone, as a differential equation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.train.problems.blocks import ResidualBlock, Unknowns
from edgewise.train.problems.data import Data

if TYPE_CHECKING:
    from edgewise.train.problems.classification import CrossEntropyBlock


class Problem:
    """What every problem has in common: training and validation data, checked once.

    Subclasses say what y looks like (`_check_y`), the `loss`, the `metric`, and `blocks` if it is a sum of squares.

    Attributes:
        train: `Data`, or None where a DataLoader brings the samples.
        validation: `Data` or None.
        train_loader, validation_loader: DataLoader or None.
        by_blocks: whether the loss is that of the `blocks()` and no function of predictions on `train`.
        unknowns: numbers to be found besides the model's parameters, by name.
    """

    by_blocks = False
    unknowns: Mapping[str, nn.Parameter] = MappingProxyType({})

    def __init__(self, x, y, weight, validation, seed: int):
        self.train = self.validation = self.train_loader = self.validation_loader = None
        if isinstance(x, DataLoader):
            if y is not None or weight is not None:
                raise InputError("y and weight must be left out where x is a DataLoader; its batches bring them")
            if isinstance(validation, float | int):
                raise InputError("validation must be a DataLoader or tensors where x is a DataLoader, not a share")
            self.train_loader = x
        else:
            self.train = self._checked(x, y, weight)
        self._set_validation(validation, seed)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """The scalar to be made small; a mean over samples."""
        raise NotImplementedError

    def sample_losses(self, model: nn.Module, data: Data) -> Tensor:
        """Loss of every sample times its weight, (N,), without gradients. The mean over the samples is `loss`.

        Raises
        ------
        InputError
            The loss of this kind of problem is not a mean over samples with targets.
        """
        with torch.no_grad():
            losses = self._prediction_losses(model(data.x), data)
            return losses if data.weight is None else losses * data.weight

    def _prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """Loss of every sample without its weight, (N,), differentiable."""
        raise NotImplementedError

    def subset(self, index: Tensor) -> Self:
        """The same kind of problem with only the training samples at `index`, and without validation data.

        Raises
        ------
        InputError
            The training samples are not held as tensors.
        """
        if self.train is None:
            raise InputError("the problem must hold its data as tensors for a subset, got a DataLoader")
        data = self.train.select(index)
        return type(self)(data.x, data.y, weight=data.weight, **self._settings())

    def _settings(self) -> dict[str, int]:
        """Arguments of the constructor besides the data."""
        return {}

    def blocks(self) -> tuple[ResidualBlock, ...]:
        """The training loss as sums of squares, on samples held as tensors; () where it is no such sum."""
        return ()

    def second_order_blocks(self) -> tuple[ResidualBlock | CrossEntropyBlock, ...]:
        """What Gauss-Newton methods work on: the blocks, or what stands for them where the loss has none."""
        return self.blocks()

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """Name and value of the measure a person would ask for."""
        raise NotImplementedError

    def check_model(self, network) -> None:
        """Raises InputError where a model can't solve the problem whatever its parameters."""

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raises InputError where a model's output does not fit y."""
        raise NotImplementedError

    def batch(self, batch) -> Data:
        """What a DataLoader yielded, (x, y) or (x, y, weight), checked. Weights are taken as they are."""
        if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
            raise InputError(f"the DataLoader must yield (x, y) or (x, y, weight), got {type(batch).__name__}")
        return self._checked(*batch, *[None] * (3 - len(batch)), normalise=False)

    def to(self, dtype: torch.dtype) -> Problem:
        """The same problem with its tensors in another floating-point dtype."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.train = None if self.train is None else self.train.to(dtype)
        twin.validation = None if self.validation is None else self.validation.to(dtype)
        return twin

    def _check_y(self, y: Tensor, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _checked(self, x, y, weight, name: str = "", normalise: bool = True) -> Data:
        x = _matrix(x, f"{name}x")
        if not isinstance(y, Tensor):
            raise InputError(f"{name}y must be a torch.Tensor, got {type(y).__name__}")
        if y.ndim == 0 or len(y) != len(x):
            raise InputError(f"{name}y must have {len(x)} rows like x, got shape {tuple(y.shape)}")
        if y.device != x.device:
            raise InputError(f"{name}y must be on the device of x, {x.device}, got {y.device}")
        return Data(x, self._check_y(y.detach(), x), _weights(weight, x, f"{name}weight", normalise))

    def _set_validation(self, validation, seed: int) -> None:
        if validation is None:
            return
        if isinstance(validation, DataLoader):
            self.validation_loader = validation
        elif isinstance(validation, float):
            self._split(validation, seed)
        elif isinstance(validation, list | tuple) and len(validation) in (2, 3):
            x, y, weight = (*validation, None)[:3]
            self.validation = self._checked(x, y, weight, "validation ")
            if self.train is not None:
                _same_columns(self.train, self.validation)
        else:
            raise InputError(
                "validation must be a share in (0, 1), (x, y), (x, y, weight) or a DataLoader, "
                f"got {type(validation).__name__}"
            )

    def _split(self, share: float, seed: int) -> None:
        if not 0 < share < 1:
            raise InputError(f"validation must be a share in (0, 1), got {share}")
        total = len(self.train)
        if total < 2:
            raise InputError(f"x must have at least 2 rows for a validation share, got {total}")
        held = min(max(round(share * total), 1), total - 1)
        order = torch.randperm(total, generator=seeded_generator(seed)).to(self.train.x.device)
        everything = self.train
        self.validation = _normalised(everything.select(order[:held].sort().values), "validation ")
        self.train = _normalised(everything.select(order[held:].sort().values), "")


def _matrix(x, name: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise InputError(f"{name} must be a torch.Tensor, got {type(x).__name__}")
    if x.dtype not in (torch.float32, torch.float64):
        raise InputError(f"{name} must be float32 or float64, got {x.dtype}")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"{name} must have shape (N, in) with at least one row and column, got {tuple(x.shape)}")
    _check_finite(x, name)
    return x.detach()


def _weights(weight, x: Tensor, name: str, normalise: bool) -> Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, Tensor) or weight.shape != x.shape[:1]:
        came = tuple(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
        raise InputError(f"{name} must be a tensor of shape ({len(x)},), got {came}")
    if weight.device != x.device:
        raise InputError(f"{name} must be on the device of x, {x.device}, got {weight.device}")
    weight = weight.detach().to(x.dtype)
    _check_finite(weight, name)
    if bool((weight < 0).any()):
        raise InputError(f"{name} must not be negative, got {float(weight.min())}")
    return _mean_one(weight, name) if normalise else weight


def _mean_one(weight: Tensor, name: str) -> Tensor:
    top = weight.max()
    if not bool(top > 0):
        raise InputError(f"{name} must have a positive entry, got only zeros")
    weight = weight / top  # first, so that the mean can't overflow
    return weight / weight.mean()


def _normalised(data: Data, name: str) -> Data:
    return data if data.weight is None else replace(data, weight=_mean_one(data.weight, f"{name}weight"))


def _check_finite(value: Tensor, name: str) -> None:
    if not bool(value.isfinite().all()):
        raise InputError(f"{name} must be finite, got {int((~value.isfinite()).sum())} NaN or infinite values")


def _same_columns(train: Data, validation: Data) -> None:
    if train.x.shape[1] != validation.x.shape[1] or train.x.dtype != validation.x.dtype:
        raise InputError(
            f"validation x must have shape (N, {train.x.shape[1]}) and dtype {train.x.dtype} like the training data, "
            f"got {tuple(validation.x.shape)} and {validation.x.dtype}"
        )
    if train.y.shape[1:] != validation.y.shape[1:]:
        expected = ", ".join(["N", *map(str, train.y.shape[1:])])
        raise InputError(f"validation y must have shape ({expected}), got {tuple(validation.y.shape)}")


class BlockProblem(Problem):
    """Least squares over several blocks of residuals, see `ResidualBlock`, and perhaps unknown numbers in them.

    Every method minimises all blocks at once; minibatches are not for it.

    Args:
        blocks: one or more, with names of their own, of one dtype and one number of inputs.
        unknowns: parameters of no dimension, trained with the model and handed to the residuals by name.

    Attributes:
        train: the points of all blocks (y is empty): where grids are laid, and edges are measured.

    Raises:
        InputError: there is no block, or blocks don't go together.
    """

    by_blocks = True

    def __init__(self, blocks: Sequence[ResidualBlock], unknowns: Unknowns | None = None):
        self.train = self.validation = self.train_loader = self.validation_loader = None
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
        self.unknowns = dict(unknowns or {})
        for name, value in self.unknowns.items():
            if not isinstance(value, nn.Parameter) or value.ndim != 0:
                raise InputError(f"unknowns must be parameters of shape (), got {name!r}: {type(value).__name__}")
        self.train = self._all_points()

    def blocks(self) -> tuple[ResidualBlock, ...]:
        return self._blocks

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        raise InputError("the loss of a problem of blocks is that of its blocks, not of a prediction")

    def sample_losses(self, model: nn.Module, data: Data) -> Tensor:
        raise InputError("a problem of residual blocks has no loss of single samples")

    def subset(self, index: Tensor) -> Self:
        raise InputError("a problem of residual blocks has no subset of samples; build it from subsets of its blocks")

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """None: residuals say nothing a person would ask for; a subclass that knows the solution does better."""
        return None

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Whether a model's output fits is seen when residuals are computed from it."""

    def to(self, dtype: torch.dtype) -> BlockProblem:
        """A copy in another dtype, unknowns included: those of the copy are parameters of their own."""
        twin = super().to(dtype)
        twin._blocks = tuple(block.to(dtype) for block in self._blocks)
        twin.unknowns = {
            name: nn.Parameter(value.detach().to(dtype, copy=True), requires_grad=value.requires_grad)
            for name, value in self.unknowns.items()
        }
        return twin

    def _all_points(self) -> Data:
        x = torch.cat([block.data.x for block in self._blocks])
        return Data(x, x.new_zeros(len(x), 0))
