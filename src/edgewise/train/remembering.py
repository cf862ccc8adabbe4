"""Learning from one group of samples after another: a penalty that holds what a model learned from earlier ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.presentation import counted
from edgewise.settings import MOST_FACTORISED
from edgewise.train.jacobian.normal_equations import RowSource
from edgewise.train.parameters import ParameterSlots
from edgewise.train.penalties import ALL_PARAMETERS, Curvature, Grams, Magnitudes, Penalty, Term
from edgewise.train.problems import Problem


class Remembered(Penalty):
    """Loss of earlier samples as a quadratic function of the parameters, from `remember`."""

    # The sum of the losses of all earlier samples is |C (p - p0) + r|^2 / 2, up to a constant, near the parameters p0
    # at which they were learned. Divided by the number of the new samples it is added to their mean loss, so that all
    # samples count alike.

    def __init__(
        self, factor: Tensor, residuals: Tensor, centre: Mapping[str, Tensor], samples: int, new_samples: int = 1
    ) -> None:
        self.factor = factor
        self.residuals = residuals
        self.centre = dict(centre)
        self.samples = samples
        self.new_samples = new_samples

    def __repr__(self) -> str:
        return f"<Remembered: {counted(self.samples, 'sample')}, {counted(len(self.factor), 'parameter')}>"

    def settings(self) -> dict[str, Any]:
        """Name and numbers of samples; the factor is too large for the settings of a fit."""
        return {"name": "Remembered", "samples": self.samples, "new_samples": self.new_samples}

    def beside(self, problem: Problem) -> Remembered:
        """Return the penalty for learning a problem: earlier samples and those of the problem count alike."""
        return Remembered(self.factor, self.residuals, self.centre, self.samples, len(problem.train))

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty for a model with the same trainable parameters."""
        # The parameters must be the remembered ones.
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if {name: p.shape for name, p in parameters.items()} != {name: p.shape for name, p in self.centre.items()}:
            raise InputError(
                "model must have the trainable parameters that are remembered, "
                f"{', '.join(self.centre)} of {len(self.factor):,} numbers, got {', '.join(parameters)} of "
                f"{sum(p.numel() for p in parameters.values()):,}"
            )
        # Distance from the remembered parameters in the metric of the earlier loss.
        present = list(parameters.values())
        like = present[0]
        factor = self.factor.to(like)
        residuals = self.residuals.to(like)
        centre = torch.cat([p.reshape(-1) for p in self.centre.values()]).to(like)
        weight = (1.0 / self.new_samples) ** 0.5

        def value(magnitudes: Magnitudes) -> Tensor:
            moved = factor @ (torch.cat([p.reshape(-1) for p in present]) - centre) + residuals
            return (weight * moved).square().sum() / 2

        # Its Gauss-Newton matrix is constant.
        def curvature(magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
            rows = weight * factor
            return [Curvature(ALL_PARAMETERS, rows.mT @ rows)]

        return Term(value, curvature)

    def moved(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return C (p - p0) + r at the parameters p of a model in double precision."""
        steps = [(p.detach() - self.centre[name]).reshape(-1) for name, p in parameters.items()]
        return self.factor @ torch.cat(steps) + self.residuals


def remember(model: nn.Module, problem: Problem, earlier: Remembered | None = None) -> Remembered:
    """Summarise what a model learned from a problem, so that it can learn the next without the samples."""
    # The loss is linearised at the present parameters, as Gauss-Newton's method does, and added to that of earlier
    # problems. For a model that is linear in its parameters this is exact: learning groups of samples one by one gives
    # the model of all samples together (recursive least squares). For others it is Laplace's approximation of the
    # posterior after each group [1]_, which elastic weight consolidation [2]_ simplifies to its diagonal.
    if not problem.second_order_blocks():
        raise InputError(f"problem must be a sum of squares or a likelihood on tensors, got {type(problem).__name__}")
    if problem.unknowns:
        raise InputError(f"problem must have no unknown numbers, got {', '.join(problem.unknowns)}")
    # Jacobian and residuals in float64, or the root of the normal matrix where there are no residuals.
    twin = copy.deepcopy(model).double()
    parameters = {name: p for name, p in twin.named_parameters() if p.requires_grad}
    size = sum(p.numel() for p in parameters.values())
    if size > MOST_FACTORISED:
        raise InputError(f"model must have at most {MOST_FACTORISED:,} trainable parameters, got {size:,}")
    doubled = problem.to(torch.float64)
    source = RowSource(twin, doubled, ParameterSlots(parameters))
    count = len(doubled.train)
    if source.count() is None:
        normal = source.normal_equations()
        rows, residuals = _root(torch.triu(normal.matrix), normal.gradient)
    else:
        rows, residuals = source.in_full()
    stacked = torch.cat([rows, residuals[:, None]], 1) * count**0.5  # from the mean over the samples to their sum
    if earlier is not None:
        earlier.bind(twin)  # refuses a model with other parameters
        before = torch.cat([earlier.factor, earlier.moved(parameters)[:, None]], 1)
        stacked = torch.cat([before.double(), stacked])
    # The rows of the earlier problems stand above; QR keeps the triangle of all of them.
    if len(stacked) < size + 1:
        stacked = torch.cat([stacked, stacked.new_zeros(size + 1 - len(stacked), size + 1)])
    triangle = torch.linalg.qr(stacked, mode="r").R
    centre = {name: p.detach().clone() for name, p in parameters.items()}
    samples = count + (0 if earlier is None else earlier.samples)
    return Remembered(triangle[:size, :size], triangle[:size, size], centre, samples)


def _root(upper: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return C and r with C'C the symmetric matrix of an upper triangle, and C'r the gradient."""
    values, vectors = torch.linalg.eigh(upper, UPLO="U")
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    root = values[kept].sqrt()
    return root[:, None] * vectors[:, kept].mT, (vectors[:, kept].mT @ gradient) / root
