"""Rows of a Jacobian in segments: a sample meets degree + 1 coefficients of an edge, so its row is a few short runs."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.ops.activation import activation_derivatives
from edgewise.ops.jet import compose
from edgewise.ops.splines.active_basis import active_basis


@dataclass(frozen=True)
class Segments:
    """The entries by one parameter of a Jacobian's rows, one row per sample; zero outside of the runs.

    parameter: its name within the layer.
    starts: (batch, s) int64, where each run starts in the flattened parameter.
    values: (batch, s, length), the numbers of each run. No two runs of a row overlap.
    """

    parameter: str
    starts: Tensor
    values: Tensor


def dense_rows(segments: Segments, size: int) -> Tensor:
    """The rows of one parameter in full, (batch, size): the slow twin of everything that is done with segments."""
    batch, _, length = segments.values.shape
    index = segments.starts[..., None] + torch.arange(length, device=segments.starts.device)
    rows = segments.values.new_zeros(batch, size)
    return rows.scatter(1, index.flatten(1), segments.values.flatten(1))


def spline_segments(
    x: Tensor, sensitivity: Tensor, mask: Tensor, knots: Tensor, degree: int, base_function: str, order: int
) -> tuple[Segments, ...]:
    """Segments of a spline layer's coef and base; see `KANLayer.jacobian_segments`."""
    pulled = sensitivity[:, :, None, :] * mask  # (C, batch, in, out): a masked edge has rows of zeros
    found = [active_spline_segments(x, pulled, knots, degree, order)]
    if base_function != "zero":
        jet = compose(x, activation_derivatives(x[0], base_function, order), order)
        found.append(one_run("base", _contracted(jet[..., None], pulled).flatten(1)))
    return tuple(found)


def active_spline_segments(x: Tensor, pulled: Tensor, knots: Tensor, degree: int, order: int) -> Segments:
    """Segments of coef (in, n, out) from what is pulled back to the jet of every spline, (C, batch, in, out)."""
    _, batch, inputs, outputs = pulled.shape
    interval, derivatives = active_basis(x[0], knots, degree, order)
    jets = compose(x[..., None], derivatives, order)  # of the active functions, (C, batch, in, degree + 1)
    values = _contracted(jets[..., None], pulled[..., None, :])
    starts = (interval + torch.arange(inputs, device=x.device) * (knots.shape[1] - degree - 1)) * outputs
    return Segments("coef", starts, values.reshape(batch, inputs, (degree + 1) * outputs))


def dense_segments(x: Tensor, sensitivity: Tensor, activation: str, order: int) -> tuple[Segments, ...]:
    """Segments of a dense layer's weight and bias; see `KANLayer.jacobian_segments`."""
    jet = compose(x, activation_derivatives(x[0], activation, order), order)
    weight = _contracted(jet[..., None], sensitivity[:, :, None, :])
    return one_run("weight", weight.flatten(1)), one_run("bias", sensitivity[0])


def one_run(parameter: str, values: Tensor) -> Segments:
    """Rows (batch, size) that are full, as one run."""
    return Segments(parameter, torch.zeros(len(values), 1, dtype=torch.int64, device=values.device), values[:, None])


def _contracted(left: Tensor, right: Tensor) -> Tensor:
    """Sum over the components of a jet, the leading dimension."""
    return left[0] * right[0] if len(left) == 1 else (left * right).sum(0)


def total_length(segments: Iterable[Segments]) -> int:
    """Numbers per row that may differ from zero."""
    return sum(part.values.shape[1] * part.values.shape[2] for part in segments)
