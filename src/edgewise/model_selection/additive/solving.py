"""Estimation of a given design: the interface of solvers, and the one for squared errors (`solve_gaussian`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise.model_selection.additive.design import Design
from edgewise.model_selection.additive.likelihood import RemlFit, reml
from edgewise.model_selection.additive.normal import NormalMatrix, normal_matrix

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """What a solver returns.

    Parameters
    ----------
    design : Design
        The design that was estimated.
    fits : tuple of RemlFit
        Coefficients of each output, on the scale of the link.
    weights : ndarray
        Working weights of the last step, (N, m), or (N, 1) where all outputs share them.
    residual : ndarray
        Working residuals, (N, m): working responses less the predictions.
    normal : NormalMatrix
        Normal matrix of the last step (of the first output, where outputs have their own weights).
    """

    design: Design
    fits: tuple[RemlFit, ...]
    weights: Array
    residual: Array
    normal: NormalMatrix

    @property
    def coef(self) -> Array:
        """Coefficients, (p, m)."""
        return np.stack([fit.coef for fit in self.fits], 1)

    def starts(self, design: Design) -> tuple[Array, ...]:
        """Return first strengths of each output for another design: those of groups of the same label, else NaN."""
        place = {label: number for number, label in enumerate(self.design.labels)}
        found = np.array([place.get(label, -1) for label in design.labels], int)
        return tuple(np.append(fit.strength, np.nan)[found] for fit in self.fits)


class Solver(Protocol):
    """Estimates coefficients and strengths of a design; the seam for losses other than squared errors."""

    def __call__(self, design: Design, x: Array, y: Array, weight: Array, before: Solution | None) -> Solution:
        """Estimate a design.

        Parameters
        ----------
        design : Design
            The columns.
        x, y, weight : ndarray
            Rows (N, inputs), responses (N, m) and weights (N,).
        before : Solution, optional
            Estimate of another design of the same rows, to start from.
        """
        ...


def solve_gaussian(design: Design, x: Array, y: Array, weight: Array, before: Solution | None) -> Solution:
    """Minimise squared errors: one normal matrix, and REML for each output. See `Solver`."""
    shift = (weight @ y) / weight.sum()  # squares of centred numbers keep their digits
    centred = y - shift
    normal = normal_matrix(design, x, weight, centred, design.rows)
    starts = before.starts(design) if before is not None else (None,) * y.shape[1]
    policy = design.policy
    fits = []
    for output, start in enumerate(starts):
        fit = reml(normal.output(output), design.groups, start, tolerance=policy.tolerance, steps=policy.steps)
        coef = fit.coef.copy()
        coef[0] += shift[output]
        fits.append(replace(fit, coef=coef))
    residual = y - design.link(np.stack([fit.coef for fit in fits], 1), x)
    return Solution(design, tuple(fits), weight[:, None], residual, normal)
