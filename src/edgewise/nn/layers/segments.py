"""Rows of a Jacobian in segments: a sample meets degree + 1 coefficients of an edge, so its row is a few short runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.ops.jet import compose
from edgewise.ops.splines.active import active_basis


@dataclass(frozen=True)
class Segments:
    """The derivatives by one parameter in the rows of a Jacobian, one row per sample; zero outside the runs.

    Parameters
    ----------
    parameter : str
        Name of the parameter within its layer.
    starts : Tensor
        (batch, s), int64: where each run starts in the flattened parameter.
    values : Tensor
        (batch, s, length), the numbers of each run. The runs of a row do not overlap.

    Examples
    --------
    >>> run = Segments("bias", torch.tensor([[1]]), torch.tensor([[[2.0, 3.0]]]))
    >>> dense_rows(run, 4).tolist()
    [[0.0, 2.0, 3.0, 0.0]]
    """

    parameter: str
    starts: Tensor
    values: Tensor


def dense_rows(segments: Segments, size: int) -> Tensor:
    """Return the full rows of one parameter of `size` numbers, (batch, size); the reference for uses of segments."""
    batch, _, length = segments.values.shape
    index = segments.starts[..., None] + torch.arange(length, device=segments.starts.device)
    rows = segments.values.new_zeros(batch, size)
    return rows.scatter(1, index.flatten(1), segments.values.flatten(1))


def one_run(parameter: str, values: Tensor) -> Segments:
    """Return full rows (batch, size) as one run each."""
    return Segments(parameter, torch.zeros(len(values), 1, dtype=torch.int64, device=values.device), values[:, None])


def active_spline_segments(x: Tensor, pulled: Tensor, knots: Tensor, degree: int, order: int) -> Segments:
    """Return the segments of spline coefficients `coef` (in, n, out) for the jet of the inputs, (C, batch, in).

    `pulled` has the derivatives by the jet of every spline, (C, batch, in, out); knots are (in, n + degree + 1).
    """
    _, batch, inputs, outputs = pulled.shape
    interval, derivatives = active_basis(x[0], knots, degree, order)
    jets = compose(x[..., None], list(derivatives), order)  # of the active functions, (C, batch, in, degree + 1)
    values = contracted(jets[..., None], pulled[..., None, :])
    starts = (interval + torch.arange(inputs, device=x.device) * (knots.shape[1] - degree - 1)) * outputs
    return Segments("coef", starts, values.reshape(batch, inputs, (degree + 1) * outputs))


def contracted(left: Tensor, right: Tensor) -> Tensor:
    """Return the sum of left * right over the components of a jet, the leading dimension."""
    if len(left) == 1:
        return left[0] * right[0]
    return (left * right).sum(0)
