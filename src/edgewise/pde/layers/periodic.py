"""A layer without parameters that makes a network periodic in some of its inputs (`PeriodicLayer`)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.nn.config import check_input
from edgewise.nn.layers.base import Layer
from edgewise.nn.layers.segments import Segments
from edgewise.ops.jet import check_jet, compose


class PeriodicLayer(Layer):
    """Layer that replaces each periodic input x_i by the cosine and the sine of 2 pi (x_i - start) / period."""

    # The other inputs are passed on first.

    in_features: int  # number of inputs

    def __init__(self, in_features: int, periods: Mapping[int, tuple[float, float]]) -> None:
        super().__init__()
        for number, (start, period) in periods.items():
            if number not in range(in_features) or not (math.isfinite(start) and 0 < period < math.inf):
                raise InputError(f"periods must hold input: (start, period > 0), got {number!r}: {(start, period)!r}")
        if not periods:
            raise InputError("periods must hold at least one input, got none")
        self.in_features = in_features
        self.periods = {int(number): (float(start), float(period)) for number, (start, period) in periods.items()}

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.in_features + len(self.periods)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs (*batch, in + number of periodic inputs) from points (*batch, in)."""
        check_input(x, self.in_features, None)
        circles = [self._angle(x, number) for number in self.periods]
        return torch.cat([x[..., self._others], *(f(angle) for angle in circles for f in (torch.cos, torch.sin))], -1)

    def jet(self, x: Tensor, order: int) -> Tensor:
        """Carry a jet (C, batch, in) through the layer, see `Layer.jet`."""
        check_jet(x, self.in_features, None, order)
        parts = [x[..., self._others]]
        # Derivatives of cosine and sine are the same waves, a quarter of a period ahead for each order.
        for number, (_, period) in self.periods.items():
            speed = 2 * math.pi / period
            angle = self._angle(x[0], number)
            # cos, then sin, as sines
            for shift in (0.5, 0.0):
                waves = [speed**k * torch.sin(angle + (shift + 0.5 * k) * math.pi) for k in range(order + 1)]
                parts.append(compose(x[..., number : number + 1], waves, order))
        return torch.cat(parts, -1)

    def jacobian_segments(self, x: Tensor, sensitivity: Tensor, order: int = 0) -> tuple[Segments, ...]:
        """Return no segments: there are no parameters."""
        return ()

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, periods={self.periods}"

    @property
    def _others(self) -> list[int]:
        return [number for number in range(self.in_features) if number not in self.periods]

    def _angle(self, x: Tensor, number: int) -> Tensor:
        start, period = self.periods[number]
        return (x[..., number : number + 1] - start) * (2 * math.pi / period)
