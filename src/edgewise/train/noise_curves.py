"""Noise whose standard deviation follows the rows: the logarithm of it is a sum of curves (`NoiseCurves`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from edgewise.checks import Shape, Within
from edgewise.ops import spline_sum

DEGREE = 3  # cubic, as the curves of the mean


@dataclass(frozen=True, eq=False)
class NoiseCurves:
    """Standard deviation of the noise of m outputs as a function of some inputs and of the prediction.

    Its logarithm is a sum of cubic splines, one of each of k inputs and one of the prediction itself, that is constant
    beyond the rows it was fitted to.
    """

    inputs: Annotated[Tensor, Shape("k", dtype="int64"), Within(0)]  # (k,), the inputs that matter
    # (m, k + 1, intervals + 7), knots of each input and, last, of the prediction
    knots: Annotated[Tensor, Shape("outputs", "curves", "knots"), Within()]
    # (m, k + 1, intervals + 3), coefficients of the B-splines
    coef: Annotated[Tensor, Shape("outputs", "curves", "coefficients"), Within()]
    # (m, k + 1, 2), interval to which each of them is clipped
    limits: Annotated[Tensor, Shape("outputs", "curves", 2), Within()]
    # (m, 2), interval to which the logarithm is clipped, that of the fitted rows
    ends: Annotated[Tensor, Shape("outputs", 2), Within()]

    def std(self, x: Tensor, prediction: Tensor) -> Tensor:
        """Return the standard deviation of the noise, (N, m), at inputs x (N, in) with predictions (N, m)."""
        columns = []
        for output, value in enumerate(prediction.unbind(1)):
            points = torch.cat([x[:, self.inputs], value[:, None]], 1)
            points = points.clamp(*self.limits[output].unbind(1)).contiguous()
            log = spline_sum(
                points, self.coef[output, :, :, None].contiguous(), self.knots[output].contiguous(), DEGREE
            )
            columns.append(log[:, 0].clamp(*self.ends[output]).exp())
        return torch.stack(columns, 1)

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with curves from a file."""
        known = len(self.inputs) == 0 or int(self.inputs.max()) < sizes["inputs"]
        fits = self.coef.shape[1] == len(self.inputs) + 1 and self.knots.shape[2] == self.coef.shape[2] + DEGREE + 1
        ascending = self.coef.shape[2] > DEGREE and bool((self.knots.diff(dim=-1) > 0).all())
        in_order = all(bool((limits.diff(dim=-1) >= 0).all()) for limits in (self.limits, self.ends))
        return "" if known and fits and ascending and in_order else "curves that do not fit"
