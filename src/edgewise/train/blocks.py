"""Samples as tensors, and the blocks of a loss: residuals and likelihoods with their second-order models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, one_hot, sigmoid, softplus

from edgewise.errors import InputError
from edgewise.settings import FORWARD_CHUNK_NUMBERS, ROW_NUMBERS, chunks


@dataclass(frozen=True, eq=False)
class Data:
    """Samples as tensors.

    Parameters
    ----------
    x : Tensor
        Inputs, (N, in).
    y : Tensor
        Targets, (N, out), or integer labels, (N,).
    weight : Tensor, optional
        Relative weights, (N,). Without them every sample has the weight 1.
    auxiliary : mapping of str to Tensor, optional
        Further values of every sample by name, (N, ...) each, for example the outward normals of a boundary.

    Examples
    --------
    >>> data = Data(torch.zeros(5, 2), torch.arange(5.0)[:, None])
    >>> len(data.select(torch.tensor([3, 1])))
    2
    """

    is_batched: ClassVar[bool] = False  # whether x, y and weight are only the first of the samples, see `BatchedData`

    x: Tensor
    y: Tensor
    weight: Tensor | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def weights(self) -> Tensor:
        """Weights of all samples, (N,): ones where none are given."""
        if self.weight is None:
            return self.x.new_ones(len(self.x))
        return self.weight

    def weighted(self, values: Tensor) -> Tensor:
        """Numbers of the samples, (N,) or (N, out), times their weights."""
        if self.weight is None:
            return values
        return values * self.weight.reshape(-1, *[1] * (values.ndim - 1))

    def select(self, index: Tensor | slice) -> Data:
        """Samples at `index`, in that order."""
        weight = None if self.weight is None else self.weight[index]
        return Data(self.x[index], self.y[index], weight, {key: each[index] for key, each in self.auxiliary.items()})

    def chunks(self, numbers: int = ROW_NUMBERS, most: int = FORWARD_CHUNK_NUMBERS) -> Iterator[tuple[Data, float]]:
        """Samples in order, in chunks as those of `settings.chunks`, each with its share of all samples.

        A loss is a mean over samples, so the loss of all samples is the sum of share times loss over the chunks.
        """
        places = list(chunks(len(self), numbers, most))
        if len(places) <= 1:
            yield self, 1.0
            return
        for place in places:
            part = self.select(place)
            yield part, len(part) / len(self)

    def to(self, dtype: torch.dtype) -> Data:
        """Same samples with floating-point tensors in `dtype`; integer tensors keep theirs."""

        def converted(value: Tensor) -> Tensor:
            return value.to(dtype) if value.is_floating_point() else value

        weight = None if self.weight is None else self.weight.to(dtype)
        auxiliary = {key: converted(each) for key, each in self.auxiliary.items()}
        return Data(self.x.to(dtype), converted(self.y), weight, auxiliary)


@dataclass(frozen=True, eq=False)
class BatchedData(Data):
    """Samples of a loader, of which one batch is in memory at a time.

    `chunks` goes through all of them, so sums over samples are those over the whole table. The tensors `x`, `y` and
    `weight`, and `select`, are those of the first samples alone, for whoever needs to see some.
    """

    is_batched = True

    # returns an iterator over all batches; it gives the same samples each time
    epoch: Callable[[], Iterator[Data]] = field(default=lambda: iter(()), repr=False)
    count: int = 0  # number of samples in all
    dtype: torch.dtype | None = None  # floating-point dtype of the batches; as they come by default

    @classmethod
    def of(cls, first: Data, epoch: Callable[[], Iterator[Data]]) -> BatchedData:
        """Count the samples in a pass over all batches; `first` are some samples to see."""
        return cls(first.x, first.y, first.weight, epoch=epoch, count=sum(len(part) for part in epoch()))

    def __len__(self) -> int:
        return self.count

    def select(self, index: Tensor | slice) -> Data:
        """Some of the first samples."""
        return Data(self.x, self.y, self.weight).select(index)

    def chunks(self, numbers: int = ROW_NUMBERS, most: int = FORWARD_CHUNK_NUMBERS) -> Iterator[tuple[Data, float]]:
        """Samples in order, each chunk with its share of all samples."""
        seen = 0
        for batch in self.epoch():
            data = batch if self.dtype is None else batch.to(self.dtype)
            for part, share in data.chunks(numbers, most):
                seen += len(part)
                yield part, share * len(data) / self.count
        if seen != self.count:
            raise InputError(
                f"the DataLoader must give the same samples in every pass, got {seen} after {self.count} before"
            )

    def to(self, dtype: torch.dtype) -> BatchedData:
        """Same samples with floating-point tensors in `dtype`."""
        first = Data(self.x, self.y, self.weight).to(dtype)
        return replace(self, x=first.x, y=first.y, weight=first.weight, dtype=dtype)


Unknowns = Mapping[str, nn.Parameter]
"""Unknown numbers of a problem by name, trained with the model."""


def copied_unknowns(unknowns: Unknowns, dtype: torch.dtype | None = None) -> dict[str, nn.Parameter]:
    """Parameters of their own with the values of given unknowns, in another dtype if one is given."""
    return {
        name: nn.Parameter(value.detach().to(dtype or value.dtype, copy=True), requires_grad=value.requires_grad)
        for name, value in unknowns.items()
    }


class BlockRole(StrEnum):
    """Part that a residual block plays in its problem.

    `EQUATION`: an equation at points inside a domain. `CONDITION`: a boundary or initial condition. `OBSERVATION`:
    measured or given target values.
    """

    EQUATION = "equation"
    CONDITION = "condition"
    OBSERVATION = "observation"


class LocalModel(NamedTuple):
    """Loss of a block on some samples, to second order in the jet of the network's output and in the unknowns.

    The jet (C, b, out) holds value and derivatives of the network at b samples, see `ops.jet`. The matrix of second
    derivatives (of Gauss-Newton) is 2 sum_r row_r row_r'.
    """

    rows: Tensor  # rows by the jet, (R, C, b, out), sample by sample
    # rows by each unknown number, (R, b), or by n of them, (R, b, n). If `slope` is given, the first derivative by the
    # unknowns follows as row R + 1
    unknowns: dict[str, Tensor]
    # residuals, (R, b), with which the first derivative is 2 sum_r residual_r row_r. None if `slope` gives it
    residuals: Tensor | None
    slope: Tensor | None = None  # first derivative by the jet, (C, b, out)


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """Residuals on points of their own, as one part of a least-squares loss.

    The loss of a problem is the sum over its blocks of::

        weight * mean over samples of (data.weight *) sum over r of residual_r^2

    Parameters
    ----------
    name : str
        Unique name within the problem.
    data : Data
        The points x, (N, in), and what else the residuals need for each sample: y, (N, anything), `auxiliary` values
        by name, and weights.
    residuals : callable
        Differentiable function of (jet (C, b, out), Data of the b samples) that returns (b, R). The residuals of a
        sample depend on that sample alone. `jet` holds value and derivatives of the model, see `ops.jet`; jet[0] is the
        value. If the problem has unknowns, they are a third argument {name: (b,)}, one copy per sample.
    weight : float
        Factor of the block in the loss.
    directions : Tensor, optional
        Directions of the derivatives in the jet, (D, in).
    order : int
        The model is differentiated 1 .. order times along each direction. With 0, or without directions, the jet is
        the value alone, (1, b, out).
    places : callable, optional
        Function from points (b, in) to the other points (b, q, in) at which the residuals of the same samples need the
        model's value too, for example the nodes of an integral. These values follow in the jet, (C + q, b, out).
    role : BlockRole
        Part that the block plays in its problem; it has no influence on the loss.

    Examples
    --------
    Residuals of u' = u at two points, for a KAN of one input:

    >>> from edgewise import KAN
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> block = ResidualBlock("growth", Data(x, x), lambda jet, part: jet[1] - jet[0], 1.0, torch.ones(1, 1), 1)
    >>> block.jet(KAN([1, 1]), x).shape
    torch.Size([2, 2, 1])
    """

    name: str
    data: Data
    residuals: Callable[..., Tensor]
    weight: float = 1.0
    directions: Tensor | None = None
    order: int = 0
    places: Callable[[Tensor], Tensor] | None = None
    role: BlockRole = BlockRole.EQUATION

    @property
    def is_plain(self) -> bool:
        """True if the residuals need no derivatives of the model."""
        return self.order == 0 or self.directions is None

    def to(self, dtype: torch.dtype) -> ResidualBlock:
        """Same block with its tensors in another floating-point dtype."""
        if self.directions is None:
            return replace(self, data=self.data.to(dtype))
        return replace(self, data=self.data.to(dtype), directions=self.directions.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """Jet of the network at x (b, in) from which the residuals are computed, (C, b, out) or (C + q, b, out).

        Raises
        ------
        InputError
            The residuals need derivatives, and the network has no method `jet`.
        """
        if self.places is not None:
            # Values at the other places: of each sample alone, and of points that all samples share, computed once.
            others = self.places(x)
            shared, own = split_places(others)
            count = len(x) * len(own)
            found = network(torch.cat([others[:, own].flatten(0, 1), others[:1, shared].flatten(0, 1)]))
            of_own = found[:count].unflatten(0, (len(x), len(own)))
            of_shared = found[count:].unflatten(0, (min(len(x), 1), len(shared))).expand(len(x), -1, -1)
            values = torch.cat([of_own, of_shared], 1)[:, torch.cat([own, shared]).argsort()]
            return torch.cat([replace(self, places=None).jet(network, x), values.transpose(0, 1)])
        if self.is_plain:
            return network(x)[None]
        jet = getattr(network, "jet", None)
        if not callable(jet):
            raise InputError(
                f"model must have a jet, as KAN and MLP have, for derivatives in block {self.name!r}, "
                f"got {type(network).__name__}"
            )
        return jet(x, self.directions, self.order)

    def weighted_residuals(self, jet: Tensor, part: Data, unknowns: Mapping[str, Tensor]) -> Tensor:
        """Residuals of a part of the samples times the roots of all weights, (b, R).

        The sum of their squares divided by b is the block's loss on that part.

        Parameters
        ----------
        jet : Tensor
            Jet of the network at the part, (C, b, out).
        part : Data
            Some of the block's samples.
        unknowns : mapping of str to Tensor
            The unknowns by name, one copy per sample, (b,) each.
        """
        if unknowns:
            values = self.residuals(jet, part, unknowns)
        else:
            values = self.residuals(jet, part)
        if part.weight is not None:
            values = values * part.weight.sqrt()[:, None]
        if self.weight == 1.0:
            return values
        return values * self.weight**0.5

    def loss(self, network: nn.Module, part: Data, unknowns: Unknowns) -> Tensor:
        """Loss of the block on a part of its samples, a differentiable scalar."""
        copies = {name: value.expand(len(part)) for name, value in unknowns.items()}
        return self.weighted_residuals(self.jet(network, part.x), part, copies).square().sum() / max(len(part), 1)

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Sum of squares on a part of the samples to second order in the jet (C, b, out) and the unknowns."""
        with torch.enable_grad():
            leaf = jet.detach().requires_grad_()
            copies = {name: value.detach().repeat(len(part)).requires_grad_() for name, value in unknowns.items()}
            values = self.weighted_residuals(leaf, part, copies)
        # One backward pass for each residual of a sample.
        leaves = [leaf, *copies.values()]
        columns = values.unbind(1)
        rows: list[tuple[Tensor, ...]] = []
        for column in columns:
            if not column.requires_grad:
                rows.append(tuple(torch.zeros_like(each) for each in leaves))
                continue
            keep = column is not columns[-1]
            # A sample's residuals depend on that sample alone, so the derivative of their sum holds all of them.
            rows.append(torch.autograd.grad(column.sum(), leaves, retain_graph=keep, materialize_grads=True))
        by_jet, *by_unknowns = (torch.stack(derivatives) for derivatives in zip(*rows, strict=True))
        return LocalModel(by_jet, dict(zip(copies, by_unknowns, strict=True)), values.detach().mT)


def split_places(places: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of those of the places (b, q, in) that all samples share, and of the others.

    The nodes of an integral over a fixed domain are shared: the model's values there need be computed only once.
    """
    if places.stride(0) == 0:  # one row stands for all samples
        places = places[:1]
    is_shared = (places == places[:1]).all(2).all(0)
    return is_shared.nonzero()[:, 0], (~is_shared).nonzero()[:, 0]


@dataclass(frozen=True, eq=False)
class LikelihoodBlock:
    """Weighted mean over samples of a negative log likelihood of labels, with its second-order model.

    It is for -log p(label) what `ResidualBlock` is for a sum of squares. Subclasses give the `local_model`.
    """

    name: str  # unique name within the problem
    data: Data  # inputs, labels (N,) and weights
    is_plain = True
    directions = None
    order = 0
    places = None

    def to(self, dtype: torch.dtype) -> Self:
        """Same block with its tensors in another floating-point dtype."""
        return replace(self, data=self.data.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        """Outputs of the network, (1, b, out)."""
        return network(x)[None]

    def local_model(self, jet: Tensor, part: Data, unknowns: Unknowns) -> LocalModel:
        """Loss on a part, summed over its samples, to second order in the jet (1, b, out) and the unknowns."""
        raise NotImplementedError


Block = ResidualBlock | LikelihoodBlock
"""Part of a loss that second-order methods can work on."""


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


# Name of the unknown from which the thresholds follow: the first one, then numbers whose softplus are the gaps.
THRESHOLD_STEPS = "steps"


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
        limits = limits_of(thresholds_of(steps))
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


def log_probability(z: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """log(sigmoid(above - z) - sigmoid(below - z)) without cancellation; the limits may be infinite."""
    return logsigmoid(above - z) + logsigmoid(z - below) + torch.log(-torch.expm1(below - above))


def thresholds_of(steps: Tensor) -> Tensor:
    return torch.cat([steps[:1], softplus(steps[1:])]).cumsum(0)


def limits_of(thresholds: Tensor) -> Tensor:
    """Thresholds between minus and plus infinity: class k lies between entries k and k + 1."""
    end = thresholds.new_full((1,), torch.inf)
    return torch.cat([-end, thresholds, end])
