"""A fitted model seen as linear in its parameters: how many of them the data decide, and what each sample leans on."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.segments import dense_rows
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.penalties import Penalty
from edgewise.train.problems.data import Data

# Multiply-adds that J'J may take, some seconds on one core: of taller tables evenly picked rows are looked at.
MOST_WORK = 1e11
# Share of the mean of the diagonal that is added to it: directions that neither data nor penalty decide (a hidden
# node's scale against the layer after it) would have no inverse. Nothing that the model says moves along them.
FLOOR = 1e-10


@torch.inference_mode(False)
@torch.enable_grad()
def output_rows(model: nn.Module, x: Tensor) -> Tensor:
    """d model(x) / d parameters, (out, N, P): the trainable ones in the network's order.

    model: layers in a chain, as KAN and MLP are, float64. x: (N, in).
    """
    inputs, outputs, y = [], [], x.clone() if x.is_inference() else x
    for number, layer in enumerate(model.layers):
        inputs.append(y.detach())
        y = layer(y) if number else layer(y).detach().requires_grad_()
        outputs.append(y)
    found = []
    for column in range(y.shape[1]):
        pulled = torch.autograd.grad(y[:, column].sum(), outputs, retain_graph=True)
        found.append(torch.cat([layer_rows(*each) for each in zip(model.layers, inputs, pulled, strict=True)], 1))
    return torch.stack(found)


def layer_rows(layer: nn.Module, x: Tensor, sensitivity: Tensor) -> Tensor:
    """d(sum_o sensitivity[b,o] y[b,o]) / d the layer's trainable parameters, (b, P), for its input x (b, in)."""
    with torch.no_grad():
        found = {part.parameter: part for part in layer.jacobian_segments(x[None], sensitivity[None])}
        rows = [dense_rows(found[name], p.numel()) for name, p in layer.named_parameters() if p.requires_grad]
        return torch.cat(rows, 1) if rows else x.new_zeros(len(x), 0)


@dataclass(frozen=True, eq=False)
class Linearised:
    """Gauss-Newton's model of the mean squared error at a fitted network of P trainable parameters and m outputs.

    gram: 2 J'J of the loss, (P, P), with J'J the mean over samples and outputs. curvature: second derivatives of the
    penalty, (P, P). losses: the mean squared error of each output, without penalty, (m,).
    samples: how many stand behind the means: the sum of weights as repeats.
    """

    gram: Tensor
    curvature: Tensor
    losses: Tensor
    samples: float

    @cached_property
    def factor(self) -> Tensor:
        """Upper triangular C with C C' = (gram + curvature)^-1, (P, P)."""
        matrix = self.gram + self.curvature
        floor = FLOOR * float(matrix.diagonal().mean()) or 1.0
        for _ in range(20):
            lifted = matrix.clone()
            lifted.diagonal().add_(floor)
            lower, info = torch.linalg.cholesky_ex(lifted)
            if int(info) == 0:
                eye = torch.eye(len(matrix), dtype=matrix.dtype)
                return torch.linalg.solve_triangular(lower, eye, upper=False).mT.contiguous()
            floor *= 10
        raise InputError("model must have finite derivatives at its data, its normal matrix has none")

    @cached_property
    def effective(self) -> float:
        """Effective degrees of freedom of all outputs, tr((G + S)^-1 G): T. Hastie and R. Tibshirani, "Generalized
        additive models", 1990, section 3.5; for networks J. Moody, NIPS 4 (1992) 847."""
        return float(((self.factor.mT @ self.gram) * self.factor.mT).sum())

    def gcv(self, inflation: float = 1.0) -> float:
        """Generalised cross-validation, loss / (1 - inflation * effective / numbers)^2; infinite from there on.

        G. Golub, M. Heath, G. Wahba, Technometrics 21 (1979) 215; P. Craven, G. Wahba, Numer. Math. 31 (1979) 377.
        inflation: 1 is theirs; 1.4 keeps it from following noise (Y.-J. Kim, C. Gu, J. R. Statist. Soc. B 66, 2004).
        """
        left = 1 - inflation * self.effective / (self.samples * len(self.losses))
        return float(self.losses.mean()) / left**2 if left > 0 else math.inf


def linearise(
    model: nn.Module, data: Data, penalty: Penalty | None = None, *, samples: float | None = None
) -> Linearised:
    """The `Linearised` of a network trained to least squares on `data`, y (N, out), with a quadratic penalty.

    Args:
        model: as for `output_rows`.
        penalty: as `Ridge` and `Roughness`; None for none.
        samples: the sum of the samples' weights as repeats; their number if left out.

    Raises:
        InputError: the penalty is none that is quadratic, or derivatives are not finite.
    """
    if penalty is not None and penalty.needs_trace:
        raise InputError(f"penalty must be quadratic, as Ridge and Roughness, got {penalty.settings()['name']}")
    size, outputs = sum(p.numel() for p in model.parameters() if p.requires_grad), data.y.shape[1]
    picked = evenly(data, max(int(MOST_WORK / size**2), 4 * size))
    gram, losses = data.x.new_zeros(size, size), data.x.new_zeros(outputs)
    for part, share in picked.chunks(max(1, ROW_CHUNK_NUMBERS // (size * outputs))):
        weight = part.x.new_ones(len(part)) if part.weight is None else part.weight
        weight = weight * (share / len(part))
        with torch.no_grad():
            losses += weight @ (model(part.x) - part.y).square()
        for rows in output_rows(model, part.x):
            gram.addmm_(rows.mT, weight[:, None] * rows, alpha=2 / outputs)
    return Linearised(gram, _curvature(model, penalty, gram), losses, samples or len(data))


def evenly(data: Data, most: int) -> Data:
    """All samples, or `most` of them that are evenly picked."""
    return data if len(data) <= most else data.select(torch.linspace(0, len(data) - 1, most).long())


@torch.no_grad()
def _curvature(model: nn.Module, penalty: Penalty | None, like: Tensor) -> Tensor:
    matrix = torch.zeros_like(like)
    start, places = 0, {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            places[name] = torch.arange(start, start + parameter.numel()).view(parameter.shape)
            start += parameter.numel()
    for entry in () if penalty is None else penalty.bind(model).curvature((), ()):
        index = places.get(entry.name)
        if index is None:
            continue
        if entry.values.ndim == 4:  # one block per edge, (in, out, n, n)
            index = index.transpose(1, 2)
            matrix[index[..., :, None], index[..., None, :]] += entry.values
        else:
            matrix[index, index] += entry.values
    return matrix
