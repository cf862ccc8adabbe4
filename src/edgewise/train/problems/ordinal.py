"""Classification of ordered classes by cumulative links, and its second-order model."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, sigmoid, softplus
from torch.utils.data import DataLoader

from edgewise.errors import InputError
from edgewise.train.problems.base import Validation
from edgewise.train.problems.blocks import LikelihoodBlock, LocalModel, Unknowns
from edgewise.train.problems.classification import LabelledProblem
from edgewise.train.problems.data import Data

# Name of the unknown from which the thresholds follow: the first one, then numbers whose softplus are the gaps.
THRESHOLD_STEPS = "steps"


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
            if data.weight is None:
                weights = torch.ones_like(data.x[:, 0])
            else:
                weights = data.weight
            counts = weights.new_zeros(self.classes).index_add_(0, data.y, weights) + 0.5  # so that no share is zero
            shares = counts / counts.sum()
        thresholds = torch.logit(shares.cumsum(0)[:-1])
        gaps = thresholds.diff().clamp(min=1e-3)
        steps = nn.Parameter(torch.cat([thresholds[:1], gaps + torch.log(-torch.expm1(-gaps))]))
        self.unknowns = {THRESHOLD_STEPS: steps}

    @property
    def thresholds(self) -> Tensor:
        """Thresholds between the classes, ascending, (classes - 1,)."""
        return _thresholds(self.unknowns[THRESHOLD_STEPS].detach())

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

    def with_fixed_thresholds(self) -> Self:
        """Copy that shares the samples, with thresholds of its own that training does not change."""
        twin = self.with_copied_unknowns()
        twin.unknowns[THRESHOLD_STEPS].requires_grad_(False)
        return twin

    def prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        """-log p(label) of every sample, (N,), from the model's output (N, 1)."""
        limits = _limits(_thresholds(self.unknowns[THRESHOLD_STEPS]))
        return -_log_probability(prediction[:, 0], limits[data.y], limits[data.y + 1])

    def _log_probabilities(self, prediction: Tensor) -> Tensor:
        limits = _limits(self.thresholds.to(prediction.dtype))
        return _log_probability(prediction, limits[:-1], limits[1:])


class OrdinalBlock(LikelihoodBlock):
    """Cumulative-link likelihood of ordered classes, to second order in the output and in the thresholds.

    With a and b the thresholds above and below the label, p = sigmoid(a - z) sigmoid(z - b) (1 - exp(b - a)), so::

    -log p = softplus(z - a) + softplus(b - z) + h(a - b),   h(d) = -log(1 - exp(-d)),

    which is convex in (z, a, b). With s and t the second derivatives of the two softplus terms, the second derivative
    of the sum is::

    (s + t) v v' + (s t / (s + t) + h'') w w',   v = (1, -s / (s + t), -t / (s + t)),   w = (0, 1, -1),

    two rows for a sample, whatever the number of classes.
    """

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Loss on a part, summed over its samples, to second order in the output (1, b, 1) and the threshold steps."""
        steps = unknowns[THRESHOLD_STEPS].detach()
        # Derivatives of the limits by the steps, (classes + 1, classes - 1); those of the infinite limits are zero.
        each = torch.cat([torch.ones_like(steps[:1]), sigmoid(steps[1:])])
        end = steps.new_zeros(1, len(steps))
        limits = _limits(_thresholds(steps))
        by_steps = torch.cat([end, each.expand(len(steps), -1).tril(), end])
        z = jet[0, :, 0]
        below = limits[part.y]
        above = limits[part.y + 1]
        by_below = by_steps[part.y]
        by_above = by_steps[part.y + 1]
        over = sigmoid(z - above)
        under = sigmoid(below - z)
        gap = above - below
        s = over * sigmoid(above - z)
        t = under * sigmoid(z - below)
        tiny = torch.finfo(z.dtype).tiny
        both = (s + t).clamp(min=tiny)
        # h' = -1 / (e^d - 1) and h'' = e^d / (e^d - 1)^2, both zero for the first and the last class.
        slope_h = -torch.exp(-gap) / -torch.expm1(-gap)
        curvature_h = torch.exp(-gap) / torch.expm1(-gap).square()
        first = (both / 2).sqrt()  # the matrix is 2 row row'
        second = ((s * t / both + curvature_h) / 2).sqrt()
        slope = (over - under)[:, None]
        rows = torch.stack([first, torch.zeros_like(first)])
        by_unknowns = torch.stack(
            [
                -(first / both)[:, None] * (s[:, None] * by_above + t[:, None] * by_below),
                second[:, None] * (by_above - by_below),
                (slope_h - over)[:, None] * by_above + (under - slope_h)[:, None] * by_below,
            ]
        )
        if part.weight is not None:
            root = part.weight.sqrt()
            rows = rows * root
            slope = slope * part.weight[:, None]
            by_unknowns = by_unknowns * torch.stack([root, root, part.weight])[..., None]
        return LocalModel(rows[:, None, :, None], {THRESHOLD_STEPS: by_unknowns}, None, slope[None])


def _log_probability(z: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """log(sigmoid(above - z) - sigmoid(below - z)) without cancellation; the limits may be infinite."""
    return logsigmoid(above - z) + logsigmoid(z - below) + torch.log(-torch.expm1(below - above))


def _thresholds(steps: Tensor) -> Tensor:
    return torch.cat([steps[:1], softplus(steps[1:])]).cumsum(0)


def _limits(thresholds: Tensor) -> Tensor:
    """Thresholds between minus and plus infinity: class k lies between entries k and k + 1."""
    end = thresholds.new_full((1,), torch.inf)
    return torch.cat([-end, thresholds, end])
