"""Ordered classes: one output and thresholds between classes, to second order too."""

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, sigmoid, softplus

from edgewise.errors import InputError
from edgewise.train.problems.blocks import LocalModel, Unknowns
from edgewise.train.problems.classification import Labelled
from edgewise.train.problems.data import Data

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "steps"  # of the unknown: the first threshold, then what softplus makes the gaps of


class OrdinalClassification(Labelled):
    """Ordered classes by cumulative links: one output z, and P(label <= k) = sigmoid(threshold_k - z).

    The proportional odds model (P. McCullagh, "Regression models for ordinal data", J. R. Statist. Soc. B 42, 1980)
    with a network in place of the line. The classes - 1 thresholds are unknowns of the problem, trained with the model
    by every method, and always in order; the loss is the weighted mean of -log p(label). `probabilities` turns a
    model's output into those of the classes.

    Args:
        x, y, classes, weight, validation, seed: as in `Classification`; labels are in the order of the classes.

    Attributes:
        thresholds: (classes - 1,), ascending. They start where the shares of the classes have them.

    Raises:
        InputError: as in `Classification`.
    """

    def __init__(self, x, y=None, *, classes: int | None = None, weight=None, validation=None, seed: int = 0):
        super().__init__(x, y, classes, weight, validation, seed)
        steps = nn.Parameter(_first_steps(self.train, self.classes))
        self.unknowns: Mapping[str, nn.Parameter] = {NAME: steps}

    @property
    def thresholds(self) -> Tensor:
        return _thresholds(self.unknowns[NAME].detach())

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Of each class, (N, classes), from the model's output (N, 1)."""
        return self._log_probabilities(prediction.detach()).exp()

    def classify(self, prediction: Tensor) -> Tensor:
        """The most probable class, (N,), from the model's output (N, 1)."""
        return self._log_probabilities(prediction.detach()).argmax(1)

    def _prediction_losses(self, prediction: Tensor, data: Data) -> Tensor:
        limits = _limits(_thresholds(self.unknowns[NAME]))
        return -_log_share(prediction[:, 0], limits[data.y], limits[data.y + 1])

    def second_order_blocks(self) -> tuple["OrdinalBlock", ...]:
        return () if self.train is None else (OrdinalBlock("data", self.train),)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float]:
        """("accuracy", weighted share of samples whose most probable class is the label)."""
        right = (self.classify(prediction) == data.y).double()
        return "accuracy", float((right if data.weight is None else right * data.weight).mean())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        if prediction.shape != (len(data), 1):
            raise InputError(f"the model must have 1 output for ordered classes, got {prediction.shape[-1]}")

    def to(self, dtype: torch.dtype) -> "OrdinalClassification":
        """A copy in another dtype; its thresholds are parameters of their own."""
        twin = super().to(dtype)
        steps = self.unknowns[NAME]
        twin.unknowns = {NAME: nn.Parameter(steps.detach().to(dtype, copy=True), requires_grad=steps.requires_grad)}
        return twin

    def with_fixed_thresholds(self) -> "OrdinalClassification":
        """A copy that shares the data; its thresholds, a copy too, stay where they are in training."""
        twin = copy(self)
        twin.unknowns = {NAME: nn.Parameter(self.unknowns[NAME].detach().clone(), requires_grad=False)}
        return twin

    def _log_probabilities(self, prediction: Tensor) -> Tensor:
        limits = _limits(self.thresholds.to(prediction.dtype))
        return _log_share(prediction, limits[:-1], limits[1:])


@dataclass(frozen=True, eq=False)
class OrdinalBlock:
    """What `ResidualBlock` is to a sum of squares, for mean over samples of (data.weight *) -log p(label).

    With a and b the thresholds above and below the label, p = sigmoid(a - z) sigmoid(z - b) (1 - exp(b - a)), so

        -log p = softplus(z - a) + softplus(b - z) + h(a - b),   h(d) = -log(1 - exp(-d)),

    convex in (z, a, b). With s and t the second derivatives of the two softplus, the second derivative of all is

        (s + t) v v' + (s t / (s + t) + h'') w w',   v = (1, -s / (s + t), -t / (s + t)),   w = (0, 1, -1),

    two rows for a sample, whatever the number of classes.
    """

    name: str
    data: Data
    is_plain = True

    def to(self, dtype: torch.dtype) -> "OrdinalBlock":
        return replace(self, data=self.data.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        return network(x)[None]

    def local(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """The loss on a part, summed over samples, to second order in the output and the steps of the thresholds."""
        steps = unknowns[NAME].detach()
        limits, by_steps = _limits(_thresholds(steps)), _limit_slopes(steps)
        z, below, above = jet[0, :, 0], limits[part.y], limits[part.y + 1]
        by_below, by_above = by_steps[part.y], by_steps[part.y + 1]
        over, under, gap = sigmoid(z - above), sigmoid(below - z), above - below
        s, t = over * sigmoid(above - z), under * sigmoid(z - below)
        tiny = torch.finfo(z.dtype).tiny
        both = (s + t).clamp(min=tiny)
        # h' = -1 / (e^d - 1) and h'' = e^d / (e^d - 1)^2, both zero for the first and the last class.
        slope_h = -torch.exp(-gap) / -torch.expm1(-gap)
        bend_h = torch.exp(-gap) / torch.expm1(-gap).square()
        first = (both / 2).sqrt()  # 2 row row' is meant
        second = ((s * t / both + bend_h) / 2).sqrt()
        ends = (over - under)[:, None]
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
            rows, ends = rows * root, ends * part.weight[:, None]
            by_unknowns = by_unknowns * torch.stack([root, root, part.weight])[..., None]
        return LocalModel(rows[:, None, :, None], {NAME: by_unknowns}, None, ends[None])


def _log_share(z: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """log(sigmoid(above - z) - sigmoid(below - z)), without cancellation; limits may be infinite."""
    return logsigmoid(above - z) + logsigmoid(z - below) + torch.log(-torch.expm1(below - above))


def _thresholds(steps: Tensor) -> Tensor:
    return torch.cat([steps[:1], softplus(steps[1:])]).cumsum(0)


def _limits(thresholds: Tensor) -> Tensor:
    """The thresholds between minus and plus infinity: class k lies between entries k and k + 1."""
    end = thresholds.new_full((1,), torch.inf)
    return torch.cat([-end, thresholds, end])


def _limit_slopes(steps: Tensor) -> Tensor:
    """Derivatives of the limits by the steps, (classes + 1, classes - 1); those of the infinite ones are zero."""
    each = torch.cat([torch.ones_like(steps[:1]), sigmoid(steps[1:])])
    end = steps.new_zeros(1, len(steps))
    return torch.cat([end, each.expand(len(steps), -1).tril(), end])


def _first_steps(data: Data | None, classes: int) -> Tensor:
    """Steps with which an output of zero gives each class its share; all alike where a loader brings the samples."""
    if data is None:
        shares = torch.full((classes,), 1 / classes)
    else:
        weight = torch.ones_like(data.x[:, 0]) if data.weight is None else data.weight
        counts = weight.new_zeros(classes).index_add_(0, data.y, weight) + 0.5  # so that no class has none
        shares = counts / counts.sum()
    thresholds = torch.logit(shares.cumsum(0)[:-1])
    gaps = thresholds.diff().clamp(min=1e-3)
    return torch.cat([thresholds[:1], gaps + torch.log(-torch.expm1(-gaps))])
