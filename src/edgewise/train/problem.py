"""What is to be learned: data with a loss, and blocks of residuals where the loss is a sum of squares."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from edgewise.errors import InputError
from edgewise.nn.initial import seeded_generator
from edgewise.train.blocks import ResidualBlock
from edgewise.train.cross_entropy import CrossEntropyBlock
from edgewise.train.data import Data


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

    def to(self, dtype: torch.dtype) -> "Problem":
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


class Labelled(Problem):
    """What problems with integer labels 0 .. classes - 1 have in common."""

    def __init__(self, x, y, classes: int | None, weight, validation, seed: int):
        if classes is None:
            classes = _count_classes(y)
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise InputError(f"classes must be an integer of at least 2, got {classes!r}")
        self.classes = classes
        super().__init__(x, y, weight, validation, seed)

    def _check_y(self, y: Tensor, x: Tensor) -> Tensor:
        if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool or y.ndim != 1:
            raise InputError(f"y must hold integer labels, shape (N,), got {y.dtype} of shape {tuple(y.shape)}")
        y = y.long()
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= self.classes:
            raise InputError(f"y must hold labels 0 .. {self.classes - 1}, got {low} .. {high}")
        return y


class Classification(Labelled):
    """Cross-entropy: the model's outputs are logits, the loss is the weighted mean of -log p(label).

    For classes that have an order see `OrdinalClassification`.

    Args:
        x: as in `Regression`.
        y: (N,) integer labels 0 .. classes - 1.
        classes: their number; left out, the largest label in y plus one.
        weight, validation, seed: as in `Regression`.

    Raises:
        InputError: as in `Regression`, or a label is out of range.
    """

    def __init__(self, x, y=None, *, classes: int | None = None, weight=None, validation=None, seed: int = 0):
        super().__init__(x, y, classes, weight, validation, seed)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        each = cross_entropy(prediction, data.y, reduction="none")
        return (each if data.weight is None else each * data.weight).sum() / max(len(data), 1)

    def second_order_blocks(self) -> tuple[CrossEntropyBlock, ...]:
        return () if self.train is None else (CrossEntropyBlock("data", self.train),)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("accuracy", weighted share of samples whose largest logit is the label's)."""
        right = (prediction.argmax(1) == data.y).double()
        return "accuracy", float((right if data.weight is None else right * data.weight).mean())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        if prediction.shape != (len(data), self.classes):
            raise InputError(f"the model must have {self.classes} outputs, one per class, got {prediction.shape[-1]}")


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


def _count_classes(y) -> int:
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.numel() == 0:
        raise InputError("classes must be given where y is not a tensor of integer labels")
    return max(int(y.max()) + 1, 2)


def _same_columns(train: Data, validation: Data) -> None:
    if train.x.shape[1] != validation.x.shape[1] or train.x.dtype != validation.x.dtype:
        raise InputError(
            f"validation x must have shape (N, {train.x.shape[1]}) and dtype {train.x.dtype} like the training data, "
            f"got {tuple(validation.x.shape)} and {validation.x.dtype}"
        )
    if train.y.shape[1:] != validation.y.shape[1:]:
        expected = ", ".join(["N", *map(str, train.y.shape[1:])])
        raise InputError(f"validation y must have shape ({expected}), got {tuple(validation.y.shape)}")
