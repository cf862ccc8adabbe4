"""Fitted networks as linear in their parameters: effective degrees of freedom, generalised cross-validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.segments import dense_rows
from edgewise.settings import ROW_CHUNK_NUMBERS
from edgewise.train.blocks import Data
from edgewise.train.jacobian.rows import backward_by_layer, forward_by_layer, layers_of
from edgewise.train.parameters import ParameterSlots, add_curvature_
from edgewise.train.penalties import ALL_PARAMETERS, Penalty

# Most multiply-adds for J'J, some seconds on one core. Of taller tables evenly spaced rows are used.
MOST_PRODUCT_WORK = 1e11


@torch.inference_mode(False)
@torch.enable_grad()
def output_rows(model: nn.Module, x: Tensor) -> Tensor:
    """Derivatives of every output at points x (N, in) by the trainable parameters in the network's order, (out, N, P).

    The model is a float64 chain of layers, as KAN and MLP are.
    """
    # Forward through the layers, then back from one unit vector for each output.
    inputs, outputs = forward_by_layer(model, x.clone() if x.is_inference() else x, None, 0)
    last = outputs[-1]
    columns = [torch.zeros_like(last) for _ in range(last.shape[2])]
    for o, column in enumerate(columns):
        column[..., o] = 1.0
    sensitivities = zip(*backward_by_layer(inputs, outputs, columns), strict=True)
    # The derivatives of all layers' parameters side by side.
    return torch.stack(
        [
            torch.cat(
                [layer_rows(layer, x[0], s[0]) for layer, x, s in zip(layers_of(model), inputs, each, strict=True)], 1
            )
            for each in sensitivities
        ]
    )


def layer_rows(layer: Layer, x: Tensor, sensitivity: Tensor) -> Tensor:
    """Derivatives of sum_o sensitivity[b, o] y[b, o] by a layer's trainable parameters, for its input x: (b, P)."""
    with torch.no_grad():
        segments = {part.parameter: part for part in layer.jacobian_segments(x[None], sensitivity[None])}
        rows = [dense_rows(segments[name], p.numel()) for name, p in layer.named_parameters() if p.requires_grad]
        return torch.cat([x.new_zeros(len(x), 0), *rows], 1)


@dataclass(frozen=True, eq=False)
class Linearised:
    """Gauss-Newton's model of the mean squared error at a fitted network of P trainable parameters and m outputs."""

    gram: Tensor  # 2 J'J, (P, P), with J'J the mean over samples and outputs
    curvature: Tensor  # second derivatives of the penalty, (P, P)
    losses: Tensor  # mean squared error of each output, without penalty, (m,)
    samples: float  # number of samples behind the means: the sum of weights where they stand for repeats

    @cached_property
    def factor(self) -> Tensor:
        """Upper triangular C with C C' = (gram + curvature)^-1, (P, P)."""
        matrix = self.gram + self.curvature
        # A share of the mean of the diagonal is added. Directions that neither data nor penalty decide (a hidden node's
        # scale against the layer after it) would have no inverse; no prediction changes along them: small against
        # every direction that the data decide.
        floor = 1e-10 * float(matrix.diagonal().mean()) or 1.0
        for _ in range(20):
            lifted = matrix.clone()
            lifted.diagonal().add_(floor)
            lower, info = torch.linalg.cholesky_ex(lifted)
            if int(info) == 0:
                return inverse_triangular(lower, upper=False).mT.contiguous()
            floor *= 10
        raise InputError("model must have finite derivatives at its data, its normal matrix has none")

    @cached_property
    def effective(self) -> float:
        """Effective degrees of freedom of all outputs, tr((G + S)^-1 G), with G the gram and S the curvature.

        See T. Hastie and R. Tibshirani, "Generalized additive models" (1990), section 3.5; for networks J. Moody, NIPS
        4 (1992) 847.
        """
        return float(((self.factor.mT @ self.gram) * self.factor.mT).sum())

    def gcv(self, inflation: float = 1.0) -> float:
        """Generalised cross-validation, loss / (1 - inflation * effective / numbers)^2, of errors on new samples."""
        # It is infinite if there are no degrees of freedom left. Each of these counts `inflation` times: the original
        # [1] has 1; with 1.4 the criterion follows noise less [2].
        # [1] P. Craven and G. Wahba, Numer. Math. 31 (1979) 377; G. Golub, M. Heath and G. Wahba, Technometrics 21
        # (1979) 215.
        # [2] Y.-J. Kim and C. Gu, J. R. Statist. Soc. B 66 (2004) 337.
        left = 1 - inflation * self.effective / (self.samples * len(self.losses))
        if left > 0:
            return float(self.losses.mean()) / left**2
        return math.inf


def linearise(
    model: nn.Module, data: Data, penalty: Penalty | None = None, *, samples: float | None = None
) -> Linearised:
    """Linearise a network that was trained by least squares, at its present parameters."""
    # The model is a float64 chain of layers, as KAN and MLP are; the data are the samples that it was trained on, with
    # y (N, out), and the penalty is a quadratic one, as `Ridge` and `Roughness` are. `samples` is the sum of weights
    # where these stand for repeats.
    if penalty is not None and penalty.needs_trace:
        raise InputError(f"penalty must be quadratic, as Ridge and Roughness, got {penalty.settings()['name']}")
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    outputs = data.y.shape[1]
    picked = evenly_spaced(data, max(int(MOST_PRODUCT_WORK / size**2), 4 * size))
    gram = data.x.new_zeros(size, size)
    losses = data.x.new_zeros(outputs)
    for part, share in picked.chunks(size * outputs, ROW_CHUNK_NUMBERS):
        weight = part.weights() * (share / len(part))
        with torch.no_grad():
            losses += weight @ (model(part.x) - part.y).square()
        for rows in output_rows(model, part.x):
            gram.addmm_(rows.mT, weight[:, None] * rows, alpha=2 / outputs)
    return Linearised(gram, _curvature_matrix(model, penalty, gram), losses, samples or len(data))


def inverse_triangular(matrix: Tensor, *, upper: bool) -> Tensor:
    """Inverse of a triangular matrix (P, P)."""
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    return torch.linalg.solve_triangular(matrix, eye, upper=upper)


def evenly_spaced(data: Data, most: int) -> Data:
    """All samples, or `most` of them at evenly spaced places."""
    if len(data) <= most:
        return data
    return data.select(torch.linspace(0, len(data) - 1, most).long().to(data.x.device))


@torch.no_grad()
def _curvature_matrix(model: nn.Module, penalty: Penalty | None, like: Tensor) -> Tensor:
    """Second derivatives of a quadratic penalty by the trainable parameters, in the shape (P, P) of `like`."""
    matrix = torch.zeros_like(like)
    slots = ParameterSlots({name: each for name, each in model.named_parameters() if each.requires_grad})
    for entry in () if penalty is None else penalty.bind(model).curvature((), ()):
        if entry.name in slots.slots or entry.name == ALL_PARAMETERS:
            add_curvature_(matrix, slots, entry)
    return matrix
