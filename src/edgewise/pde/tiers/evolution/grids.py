"""Grids of space that follow the error: shorter intervals where it is large, longer ones where it is small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.tiers.collocation.stationary import graded
from edgewise.pde.tiers.evolution.problem import Evolution
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class GridSettings:
    """Control of the length of intervals."""

    # largest factors by which intervals are refined and coarsened at once
    refine: float = 2.0
    coarsen: float = 1.5
    spared: float = 0.3  # share of the intervals that a coarser grid must spare to be worth the interpolation
    # Intervals beyond what the error asks for: of a time element, so that a grid lasts for several, and of the initial
    # state.
    margin: float = 1.25
    initial_margin: float = 1.1
    # of what an error allows, for the length of coarser intervals, and their least factor
    safety: float = 0.8
    shorten: float = 0.9


SETTINGS = GridSettings()


def refined(
    evolution: Evolution,
    space: Sequence[SplineAxis],
    errors: Sequence[np.ndarray],
    most_intervals: Sequence[int],
    margin: float = SETTINGS.margin,
) -> list[SplineAxis] | None:
    """Coordinates of space with shorter intervals where errors are above the allowed one; None where none are."""
    most = most_intervals[len(space)]
    finer = []
    for line, each in zip(space, errors, strict=True):
        # Near the largest grid intervals are cut by less, so that it is reached.
        most_cut = np.clip(most / len(line.breakpoints), 1.0, SETTINGS.refine)
        cut = np.clip(margin * (each / evolution.allowed) ** (1 / (line.degree + 1)), 1.0, most_cut)
        points = graded(line.breakpoints, np.diff(line.breakpoints) / cut, line.periodic)
        if float(each.max()) > evolution.allowed and len(line.breakpoints) < len(points) <= most:
            finer.append(evolution.grid_problem.axis(points, line.degree, line.periodic))
        else:
            finer.append(line)
    if all(new is old for new, old in zip(finer, space, strict=True)):
        return None
    return finer


def coarsened(evolution: Evolution, space: Sequence[SplineAxis], errors: Sequence[np.ndarray]) -> list[SplineAxis]:
    """Coordinates of space with longer intervals where errors are below the allowed one."""
    coarser = []
    for line, each in zip(space, errors, strict=True):
        allowed = SETTINGS.safety * (evolution.allowed / np.maximum(each, ABOVE_ZERO)) ** (1 / (line.degree + 1))
        factor = np.clip(allowed, SETTINGS.shorten, SETTINGS.coarsen)
        points = graded(line.breakpoints, np.diff(line.breakpoints) * factor, line.periodic)
        coarser.append(evolution.grid_problem.axis(points, line.degree, line.periodic))
    return coarser
