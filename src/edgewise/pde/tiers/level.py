"""What every tier yields: a `Level`, the solution on one grid or of one integration in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from edgewise.pde.problem.collocation import Collocation


@dataclass(frozen=True)
class Doubt:
    """A sentence on what speaks against a solution, and whether it takes the place of all other doubts."""

    sentence: str
    is_alone: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """A solution on one grid, or of one integration in time."""

    network: nn.Module  # the fields
    loss: float  # square of the relative error that the tier itself implies; a tolerance in time; a training loss
    points: int  # number of collocation points
    work: float = 0.0  # multiply-adds that nobody has counted yet
    # the problem with unknown coefficients of its own, or up to an earlier moment; None for that of the solve
    problem: Collocation | None = None
    tolerance: float | None = None  # of an integration in time whose time elements are collocated; None for all others
    is_enriched: bool = False  # whether singular functions stand beside the splines
    is_graded: bool = False  # whether it follows the residual of the one before, and so was compared with it
    no_residuals: str = ""  # why residuals at points are no evidence, as a clause; "" where they are
    data_error: float = 0.0  # relative error with which sources and conditions are represented
    doubt: Doubt | None = None


@dataclass(frozen=True, eq=False)
class Begun:
    """The level that a tier works at, which is kept as far as it came where a limit or Ctrl-C cuts it."""

    level: Callable[[], Level | None]  # None where there is nothing yet
    sentence: str = ""  # about it, after Ctrl-C
