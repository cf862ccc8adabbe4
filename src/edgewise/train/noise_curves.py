"""Noise whose standard deviation follows the rows: the logarithm of it is a sum of curves (`NoiseCurves`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from edgewise.ops import spline_sum

DEGREE = 3  # cubic, as the curves of the mean


@dataclass(frozen=True, eq=False)
class NoiseCurves:
    """Standard deviation of the noise of m outputs as a function of some inputs and of the prediction.

    Its logarithm is a sum of cubic splines, one of each of k inputs and one of the prediction itself, that is constant
    beyond the rows it was fitted to.
    """

    inputs: Tensor  # (k,), the inputs that matter
    knots: Tensor  # (m, k + 1, intervals + 7), knots of each input and, last, of the prediction
    coef: Tensor  # (m, k + 1, intervals + 3), coefficients of the B-splines
    limits: Tensor  # (m, k + 1, 2), interval to which each of them is clipped
    ends: Tensor  # (m, 2), interval to which the logarithm is clipped, that of the fitted rows

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

    def fields(self) -> dict[str, Tensor]:
        """Return the tensors, for a file."""
        return {one.name: getattr(self, one.name).contiguous() for one in fields(self)}

    @classmethod
    def from_fields(cls, stored: Mapping[str, Any], inputs: int, outputs: int) -> NoiseCurves:
        """Build the curves from what `fields` returned."""
        names = [one.name for one in fields(cls)]
        values = [stored[name] for name in names]
        if not all(isinstance(value, Tensor) for value in values):
            raise ValueError("curves of the noise must be tensors")
        chosen, knots, coef, limits, ends = values
        if chosen.dtype != torch.int64 or chosen.ndim != 1 or not bool(((chosen >= 0) & (chosen < inputs)).all()):
            raise ValueError(f"curves of the noise must be of inputs from 0 to {inputs - 1}")
        size = coef.shape[-1] if coef.ndim == 3 else 0
        shape = outputs, len(chosen) + 1
        shapes = (*shape, size + DEGREE + 1), (*shape, size), (*shape, 2), (outputs, 2)
        for name, value, expected in zip(names[1:], (knots, coef, limits, ends), shapes, strict=True):
            if value.dtype != torch.float64 or value.shape != expected or not bool(value.isfinite().all()):
                raise ValueError(f"{name} of the noise must be finite, float64, of shape {expected}")
        ascending = bool((knots.diff(dim=-1) > 0).all()) and size > DEGREE
        if not (ascending and bool((limits.diff(dim=-1) >= 0).all()) and bool((ends.diff(dim=-1) >= 0).all())):
            raise ValueError("knots and limits of the noise must ascend")
        return cls(chosen, knots, coef, limits, ends)
