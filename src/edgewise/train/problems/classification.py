"""Classification by cross-entropy, and the second-order model of the softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader

from edgewise.checks import check_count
from edgewise.errors import InputError
from edgewise.train.problems.base import Problem, Validation
from edgewise.train.problems.blocks import LikelihoodBlock, LocalModel, Unknowns
from edgewise.train.problems.data import Data


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
        return "accuracy", float((right if data.weight is None else right * data.weight).mean())

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


class CrossEntropyBlock(LikelihoodBlock):
    """Cross-entropy of a softmax with its generalised Gauss-Newton matrix.

    With p = softmax(logits), the second derivative of -log p(label) by the logits is diag(p) - p p', whatever the label
    [1].

    [1] N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", Neural Computation 14
    (2002) 1723.
    """

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Loss on a part, summed over its samples, to second order in the logits (1, b, classes)."""
        probabilities = jet[0].softmax(1)
        slope = probabilities - one_hot(part.y, probabilities.shape[1])
        rows = softmax_factor(probabilities) * 0.5**0.5  # the matrix is 2 row row'
        if part.weight is not None:
            slope = slope * part.weight[:, None]
            rows = rows * part.weight.sqrt()[:, None]
        return LocalModel(rows[:, None], {}, None, slope[None])


def softmax_factor(probabilities: Tensor) -> Tensor:
    """Rows (classes - 1, b, classes) with sum_r row_r row_r' = diag(p) - p p' for probabilities p (b, classes).

    The Cholesky factor of a multinomial's covariance in closed form: with q_r the sum of p_k over k > r, row r is
    sqrt(p_r q_r / q_(r-1)) (e_r - sum_(k > r) p_k / q_r e_k). See K. Tanabe and M. Sagae, J. R. Statist. Soc. B 54
    (1992) 211.
    """
    tails = probabilities.flip(1).cumsum(1).flip(1)  # q_(r-1), by sums of positive numbers: nothing cancels
    after = tails[:, 1:]
    before = tails[:, :-1]
    tiny = torch.finfo(probabilities.dtype).tiny
    size = (probabilities[:, :-1] * after / before.clamp(min=tiny)).sqrt()
    others = -(probabilities[:, None, :] / after.clamp(min=tiny)[..., None]).triu(1)
    others.diagonal(dim1=1, dim2=2).fill_(1.0)
    return (size[..., None] * others).transpose(0, 1)
