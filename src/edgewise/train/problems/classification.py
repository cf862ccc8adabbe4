"""Cross-entropy to second order: the generalised Gauss-Newton matrix of a softmax, factorised into rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from edgewise.errors import InputError
from edgewise.train.problems.base import Problem
from edgewise.train.problems.blocks import LocalModel
from edgewise.train.problems.data import Data


class Labelled(Problem):
    """What problems with integer labels 0 .. classes - 1 have in common."""

    def __init__(self, x, y, classes: int | None, weight, validation, seed: int):
        if classes is None:
            classes = _count_classes(y)
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise InputError(f"classes must be an integer of at least 2, got {classes!r}")
        self.classes = classes
        super().__init__(x, y, weight, validation, seed)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """Weighted mean of -log p(label)."""
        losses = self._prediction_losses(prediction, data)
        return (losses if data.weight is None else losses * data.weight).sum() / max(len(data), 1)

    def _settings(self) -> dict[str, int]:
        return {"classes": self.classes}

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

    def _prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        return cross_entropy(prediction, data.y, reduction="none")

    def second_order_blocks(self) -> tuple[CrossEntropyBlock, ...]:
        return () if self.train is None else (CrossEntropyBlock("data", self.train),)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("accuracy", weighted share of samples whose largest logit is the label's)."""
        right = (prediction.argmax(1) == data.y).double()
        return "accuracy", float((right if data.weight is None else right * data.weight).mean())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        if prediction.shape != (len(data), self.classes):
            raise InputError(f"the model must have {self.classes} outputs, one per class, got {prediction.shape[-1]}")


def _count_classes(y) -> int:
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.numel() == 0:
        raise InputError("classes must be given where y is not a tensor of integer labels")
    return max(int(y.max()) + 1, 2)


@dataclass(frozen=True, eq=False)
class CrossEntropyBlock:
    """What `ResidualBlock` is to a sum of squares, for mean over samples of (data.weight *) -log p(label).

    Its second derivative by the logits is diag(p) - p p', whatever the label: N. Schraudolph, "Fast curvature
    matrix-vector products for second-order gradient descent", Neural Computation 14 (2002).
    """

    name: str
    data: Data
    is_plain = True

    def to(self, dtype: torch.dtype) -> CrossEntropyBlock:
        return replace(self, data=self.data.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        return network(x)[None]

    def local(self, jet: Tensor, part: Data, unknowns: dict) -> LocalModel:
        """The loss on a part, summed over samples, to second order in the logits."""
        share = jet[0].softmax(1)
        slope = share - one_hot(part.y, share.shape[1])
        rows = softmax_factor(share) * 0.5**0.5  # 2 row row' is meant
        if part.weight is not None:
            slope = slope * part.weight[:, None]
            rows = rows * part.weight.sqrt()[:, None]
        return LocalModel(rows[:, None], {}, None, slope[None])


def softmax_factor(share: Tensor) -> Tensor:
    """Rows (classes - 1, b, classes) with sum_r row_r row_r' = diag(p) - p p' for each p of `share` (b, classes).

    The Cholesky factor of a multinomial's covariance in closed form: K. Tanabe, M. Sagae, J. R. Statist. Soc. B 54
    (1992) 211. With q_r = sum of p_k over k > r, row r is sqrt(p_r q_r / q_(r-1)) (e_r - sum_(k > r) p_k / q_r e_k).
    """
    tails = share.flip(1).cumsum(1).flip(1)  # q_(r-1), by sums of positive numbers: nothing cancels
    after, before = tails[:, 1:], tails[:, :-1]
    tiny = torch.finfo(share.dtype).tiny
    size = (share[:, :-1] * after / before.clamp(min=tiny)).sqrt()
    others = -(share[:, None, :] / after.clamp(min=tiny)[..., None]).triu(1)
    others[:, torch.arange(after.shape[1]), torch.arange(after.shape[1])] = 1.0
    return (size[..., None] * others).transpose(0, 1)
