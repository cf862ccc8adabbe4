"""Exact integrals of products of splines, and best approximation by them in the L2 norm."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgewise.ops.splines.bspline import basis
from edgewise.ops.splines.knots import breakpoints_of


def quadrature(breakpoints: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Return Gauss-Legendre nodes and weights, (in, m * points) each, on every interval of breakpoints (in, m + 1).

    Exact for polynomials of degree 2 points - 1 on each interval; intervals of width 0 have weight 0.
    """
    rule = np.polynomial.legendre.leggauss(points)
    node, weight = (torch.as_tensor(part, dtype=breakpoints.dtype, device=breakpoints.device) for part in rule)
    low = breakpoints[:, :-1, None]
    high = breakpoints[:, 1:, None]
    x = (low + high) / 2 + (high - low) / 2 * node
    return x.flatten(1), ((high - low) / 2 * weight).flatten(1)


def gram(knots: Tensor, degree: int, order: int) -> Tensor:
    """Return the integral over the domain of B_g^(order)(x) B_h^(order)(x) dx for each input, (in, n, n); exact."""
    x, weight = quadrature(breakpoints_of(knots, degree), degree + 1)
    values = basis(x.mT, knots, degree, order).transpose(0, 1)  # (in, points, n)
    return values.mT @ (weight[..., None] * values)


def project(coef: Tensor, knots: Tensor, new_knots: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Return the best approximation of given splines on `new_knots`, in the L2 norm over the new domain.

    Shapes: coef (in, n, out), knots, new_knots (in, n + degree + 1); returns coef (in, m, out), error (in, out).
    """
    # Where the new domain reaches beyond the old one, the old splines continue as straight lines. The integrals are
    # exact: Gauss-Legendre on the union of both sets of breakpoints.
    new_breaks = breakpoints_of(new_knots, degree)
    low = new_breaks[:, :1]
    high = new_breaks[:, -1:]
    old_breaks = torch.minimum(torch.maximum(breakpoints_of(knots, degree), low), high)
    union = torch.cat([new_breaks, old_breaks], 1).sort(1).values
    x, weight = quadrature(union, degree + 1)
    old = basis(x.mT, knots, degree).transpose(0, 1) @ coef
    new_basis = basis(x.mT, new_knots, degree).transpose(0, 1)
    root = weight.sqrt()[..., None]
    # Householder least squares on the weighted rows; normal equations would square the condition number.
    q, r = torch.linalg.qr(root * new_basis)
    new_coef = torch.linalg.solve_triangular(r, q.mT @ (root * old), upper=True)
    return new_coef, (new_basis @ new_coef - old).abs().amax(1)


def roughness(knots: Tensor, degree: int) -> Tensor:
    """Return the Gram matrix (in, n, n) of the second derivatives, with the domain rescaled to length 1.

    c' R c = integral_0^1 (d^2 s / dt^2)^2 dt, t the position in the domain: O'Sullivan's penalty (1986), as
    in P. Eilers and B. Marx, Statistical Science 11 (1996). Degree 0 and 1 have no second derivative: zeros.
    """
    breaks = breakpoints_of(knots, degree)
    length = (breaks[:, -1] - breaks[:, 0])[:, None, None]
    if degree >= 2:
        return gram(knots, degree, 2) * length**3
    return torch.zeros_like(gram(knots, degree, 0))
