"""New shapes for the curve of one edge: drawn by hand, straight or flat in a range, monotone, convex.

All functions take the splines of a layer and one of its edges and return the edge's new coefficients, (n,), in
float64. Each is the solution of a least-squares problem, so that the same edit always gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import lsq_linear

from edgewise.errors import InputError
from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import greville
from edgewise.presentation import number_text

CURVE_SHAPES = ("increasing", "decreasing", "convex", "concave")


def columns_of(spline: KANLayer, i: int, points: np.ndarray) -> np.ndarray:
    """Return the B-splines of input i at some points, (points, n)."""
    knots = spline.knots[i : i + 1].double()
    return basis(torch.from_numpy(points)[:, None], knots, spline.degree)[:, 0].numpy()


def domain_of(spline: KANLayer, i: int) -> tuple[float, float]:
    """Return the ends of the domain of input i."""
    knots = spline.knots[i]
    return float(knots[spline.degree]), float(knots[-spline.degree - 1])


def spread_points(spline: KANLayer, i: int) -> np.ndarray:
    """Return points spread evenly over the domain of input i."""
    return np.linspace(*domain_of(spline, i), 10 * spline.grid_size + 1)  # ten an interval: twice the degree at most


def coefficients(spline: KANLayer, i: int, o: int) -> np.ndarray:
    """Return the present coefficients of an edge, (n,)."""
    return spline.coef[i, :, o].detach().double().numpy().copy()


def _places(knots: np.ndarray, degree: int) -> np.ndarray:
    """Return Greville's abscissae, (n,): means of neighbouring knots, the middle of the interval of a step."""
    if degree == 0:
        return (knots[1:] + knots[:-1]) / 2
    return greville(torch.from_numpy(knots), degree).numpy()


def dragged(
    spline: KANLayer, i: int, o: int, changes: np.ndarray, points: np.ndarray, width: float | None = None
) -> np.ndarray:
    """Move edge (i, o) by changes (m,) at points (m,), each with a bump of a width in units of the input.

    Returns the coefficients (n,). The change is a sum of bumps cos^2(pi d / width) of the distance d from each point,
    at the mean of each B-spline's knots, so that it reaches half a width to both sides; no bump is narrower than two
    gaps between these means. Without a width it is the smallest change of the coefficients that has these values, with
    more points than coefficients in the sense of least squares.
    """
    columns = columns_of(spline, i, points)
    if width is None:
        step = np.linalg.lstsq(columns, changes, rcond=None)[0]
        return coefficients(spline, i, o) + step
    knots = spline.knots[i].double().numpy()
    p = spline.degree
    places = _places(knots, p)
    half = max(width / 2, float(np.diff(places).max(initial=0.0)))
    distance = np.abs(places[:, None] - np.clip(points, places[0], places[-1])) / half
    bumps = np.where(distance < 1, np.cos(np.pi / 2 * distance) ** 2, 0.0)  # (n, m)
    return coefficients(spline, i, o) + bumps @ np.linalg.lstsq(columns @ bumps, changes, rcond=None)[0]


def levelled(spline: KANLayer, i: int, o: int, limits: Sequence[float], rows: np.ndarray, *, flat: bool) -> np.ndarray:
    """Make a curve straight or constant in the knot intervals whose middle lies in a range; it meets the rest smoothly.

    Returns the coefficients (n,) of edge (i, o). A flat curve is its mean over the training rows, values (N,) of the
    input, in the range. Otherwise it is the straight line that joins its ends there; in the whole domain, the
    regression line over the rows. InputError where the middle of no knot interval lies in the range.
    """
    old = coefficients(spline, i, o)
    p = spline.degree
    knots = spline.knots[i].double().numpy()
    edges = knots[p : len(knots) - p]
    middles = (edges[1:] + edges[:-1]) / 2
    chosen = np.flatnonzero((middles >= limits[0]) & (middles <= limits[1]))
    if not len(chosen):
        raise InputError(
            f"range must have the middle of a knot interval in it, got {number_text(limits[0])} to "
            f"{number_text(limits[1])}"
        )
    first = chosen[0]
    last = chosen[-1]
    ends = edges[[first, last + 1]]
    # The line: flat, between the ends of the old curve, or of regression.
    own = rows[(rows >= ends[0]) & (rows <= ends[1])]
    if len(np.unique(own)) < 2:
        own = ends
    values = columns_of(spline, i, own) @ old
    if flat:
        line = np.array([0.0, values.mean()])
    else:
        if len(chosen) < len(middles):
            own = ends
            values = columns_of(spline, i, ends) @ old
        line = np.polyfit(own, values, 1)
    # A spline whose coefficients are on a line at these places is that line (Marsden's identity).
    places = _places(knots, p)
    inner = (np.arange(len(old)) >= first) & (np.arange(len(old)) <= last + p)
    # Coefficients beside the range stay: refitted to the old curve, they would make it swing.
    return np.where(inner, np.polyval(line, places), old)


def shaped(spline: KANLayer, i: int, o: int, shape: str, rows: np.ndarray) -> np.ndarray:
    """Return the nearest coefficients (n,), over rows (N,), of an increasing, decreasing, convex or concave curve.

    A spline whose coefficients increase is increasing, and one whose slopes between the coefficients increase is convex
    (C. de Boor, A Practical Guide to Splines, 2001, chapters X and XI). Both are linear in positive increments, so this
    is a least-squares problem with bounds.
    """
    old = coefficients(spline, i, o)
    p = spline.degree
    count = len(old)
    sign = 1.0 if shape in ("increasing", "convex") else -1.0
    increments = np.tril(np.ones((count, count - 1)), -1)  # column j adds to all coefficients after j
    is_curved = shape in ("convex", "concave")
    if is_curved:
        if p < 1:
            raise InputError(f"shape {shape!r} needs splines of degree 1 or more, got degree {p}")
        knots = spline.knots[i].double().numpy()
        gaps = (knots[p + 1 : p + count] - knots[1:count]) / p  # between the Greville abscissae
        slopes = np.tril(np.ones((count - 1, count - 1)))  # column j adds to all slopes from j on
        increments = increments * gaps @ slopes
    free = 2 if is_curved else 1  # the level, and the first slope
    basis_of_shape = np.column_stack([np.ones(count), sign * increments])
    # Least squares over the rows, which have the weight 1, and over points spread evenly over the domain, with a weight
    # that is small, and yet enough that coefficients between the rows stay determined.
    spread = spread_points(spline, i)
    design = np.vstack(
        [
            columns_of(spline, i, rows) / len(rows) ** 0.5,
            columns_of(spline, i, spread) * (1e-3 / len(spread)) ** 0.5,
        ]
    )
    triangle = np.linalg.qr(design, mode="r")
    lower = np.r_[np.full(free, -np.inf), np.zeros(count - free)]
    found = lsq_linear(triangle @ basis_of_shape, triangle @ old, (lower, np.inf), method="bvls")
    return basis_of_shape @ found.x
