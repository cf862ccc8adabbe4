"""Evolution with fronts that no grid resolves, smoothed over the length of an interval by a hyperviscosity.

One measured row needs it: shocks in the plane (Burgers2d-C), which ends at t = 0.067 of 1 without it. `solve` promises
it also for diffusion that degenerates, as in porous media.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import EquationBlock, Jacobian, Key, RowBlock
from edgewise.pde.spaces.grid_problem import GridProblem
from edgewise.pde.tiers.evolution.problem import Evolution, even_axes


@dataclass(frozen=True)
class HyperviscositySettings:
    """Strength of a hyperviscosity, and the degree of its splines."""

    # In units of the speed times the third power of the length of an interval: the shortest wave then decays three
    # times as fast as it turns; from a third of it down, shocks in the plane blow up.
    strength: float = 0.1
    # intervals from a wall, below which it fades with the fourth power: it needs no conditions there
    faded: float = 2.0
    degree: int = 10
    # Even intervals of the first and of the largest grid, by the number of coordinates of space: some seconds, and some
    # minutes.
    first_intervals: tuple[int, ...] = (0, 48, 24)
    most_intervals: tuple[int, ...] = (0, 3000, 128)


@dataclass(eq=False)
class SmoothedBlock(EquationBlock):
    """Residuals of the equation with a hyperviscosity: fourth derivatives of fields times the factors `smoothing`."""

    smoothing: Mapping[Key, float] = field(default_factory=dict)
    faded: float = HyperviscositySettings.faded

    def evaluate(self, coef: np.ndarray, with_jacobian: bool = True) -> tuple[np.ndarray, Jacobian]:
        """Residuals and their slopes, as of `RowBlock`."""
        values, jacobian = super().evaluate(coef, with_jacobian)
        derivatives = self.derivatives(coef, {index for _, _, index in self.smoothing})
        for key, factor in self.smoothing.items():
            number, slot, index = key
            # The factor of each fourth derivative, less beside walls.
            factors = np.full(self.shape, factor)
            for axis in np.flatnonzero(index):
                shares = self._shares(int(axis))
                shape = [1] * len(self.axes)
                shape[axis] = -1
                factors *= shares.reshape(shape)
            values[number] += factors * derivatives[index][slot]
            if with_jacobian:
                jacobian[key] = jacobian.get(key, 0.0) + factors
        return values, jacobian

    def _shares(self, axis: int) -> np.ndarray:
        """Shares of the hyperviscosity at the points of a coordinate, which vanish at walls."""
        line = self.axes[axis]
        points = self.points[axis]
        if line.periodic:
            return np.ones(len(points))
        low, high = line.breakpoints[[0, -1]]
        distances = np.minimum(points - low, high - points) * line.intervals / (high - low)
        return np.minimum(distances / self.faded, 1.0) ** 4


class Hyperviscosity:
    """A hyperviscosity on one even grid of space, as small as the grid allows [1].

    Where fronts are thinner than intervals, splines oscillate beside them, and what the nonlinear terms make of the
    oscillations grows until there is no solution. A fourth derivative times speed times the third power of the length
    of an interval damps the shortest waves alone: fronts are as wide as a few intervals, and elsewhere the error falls
    with the third power. At the edge of a diffusion that degenerates, as in porous media, it is stronger than diffusion
    of the wrong sign where splines oscillate below zero.

    [1] E. Tadmor, "Convergence of spectral methods for nonlinear conservation laws", SIAM J. Numer. Anal. 26, 1989, 30;
    with higher derivatives: "Super viscosity and spectral approximations of nonlinear conservation laws", Numerical
    Methods for Fluid Dynamics IV, 1993, 69.
    """

    settings = HyperviscositySettings()

    def __init__(self, evolution: Evolution):
        self.evolution = evolution
        self.factors: dict[Key, float] = {}  # of fourth derivatives in the equation of this time element

    def axes(self) -> list[SplineAxis]:
        """The even grid."""
        intervals = round(self.evolution.finer * self.settings.first_intervals[len(self.evolution.space)])
        return even_axes(self.evolution.grid_problem, intervals, self.settings.degree)

    def measure(self, axes: list[SplineAxis], coef: np.ndarray) -> None:
        """Set the factors for a time element that begins with a state, constant in time; none without any speed.

        There are none either where an equation holds rates of change of several fields, or one whose factor changes its
        sign, nor where the equations of a system have blocks of their own, for orders in space that differ.
        """
        self.factors = {}
        # The symbol of the equation at the first moment.
        time = self.evolution.time
        block, *others = self.evolution.grid_problem.equation_blocks(axes)
        if others:
            return
        points = list(block.points)
        points[time] = axes[time].breakpoints[:1]
        at_first = RowBlock(block.form, block.term, block.numbers, axes, points)
        jacobian = at_first.evaluate(coef)[1]
        rates = [(number, slot, rate) for (number, slot, index), rate in jacobian.items() if index[time]]
        has_one = sorted(number for number, _, _ in rates) == list(range(len(block.numbers)))
        if not has_one or any(float(rate.min() * rate.max()) <= 0 for _, _, rate in rates):
            return
        # Its largest speed along each coordinate gives the factor.
        for number, slot, rate in rates:
            for axis in self.evolution.space:
                index = np.eye(len(axes), dtype=int)[axis]
                along = [np.abs(each).max() for key, each in jacobian.items() if key[::2] == (number, tuple(index))]
                length = np.ptp(axes[axis].breakpoints) / axes[axis].intervals
                if along:
                    factor = self.settings.strength * float(np.sign(rate.flat[0]) * max(along) * length**3)
                    self.factors[number, slot, tuple((4 * index).tolist())] = factor

    def damped(self, blocks: Sequence[RowBlock]) -> list[RowBlock]:
        """Rows of a time element with the hyperviscosity in those of the equation."""
        damped = list(blocks)
        for number, each in enumerate(blocks):
            if each.face is None:
                damped[number] = SmoothedBlock(
                    each.form, each.term, each.numbers, each.axes, each.points, smoothing=self.factors
                )
        return damped


def smooths(grid_problem: GridProblem) -> bool:
    """True if a hyperviscosity can smooth the fronts of a problem."""
    # It is of first order in time, and has first derivatives in space, by which something moves. Several fields have
    # diffusion: without it jumps of a system that is not written as conservation laws depend on what smooths them [1],
    # and a hyperviscosity need not be what is meant.
    # [1] G. Dal Maso, P. LeFloch, F. Murat, "Definition and weak stability of nonconservative products", J. Math. Pures
    # Appl. 74, 1995, 483.
    form = grid_problem.form
    if (
        not form.domain.is_box
        or form.has_integrals
        or grid_problem.constraint_variables
        or grid_problem.constant is not None
    ):
        return False
    space = [axis for axis in range(form.domain.dimension) if axis != form.time]
    if not 1 <= len(space) < len(Hyperviscosity.settings.first_intervals):
        return False
    if not (grid_problem.field_orders[:, form.time] == 1).all() or (form.order == 1 and len(form.fields) > 1):
        return False
    # It has a hyperviscosity for the initial state.
    evolution = Evolution(grid_problem, 1.0)
    damping = Hyperviscosity(evolution)
    axes = damping.axes()
    (state,) = evolution.interpolated_initial(axes)
    lines = np.stack([state] * (evolution.degree + 1), evolution.time)
    damping.measure(evolution.with_time(axes, evolution.begin, evolution.end), lines)
    return bool(damping.factors)
