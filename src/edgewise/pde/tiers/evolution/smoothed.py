"""Evolution with fronts that no grid resolves, smoothed over the length of an interval by a hyperviscosity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from edgewise.pde.domains.domain import Box
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import EquationBlock, Key, RowBlock, Slopes
from edgewise.pde.spaces.statement import Statement
from edgewise.pde.tiers.evolution.slabs import SPACE_DEGREE, Known, SlabMarch, Watch
from edgewise.pde.tiers.galerkin.rough import even_axes

# Hyperviscosity in units of the speed times the third power of the length of an interval: the shortest wave then decays
# three times as fast as it turns; from a third of it down, shocks in the plane blow up.
HYPERVISCOSITY = 0.1
# Intervals from a wall, below which the hyperviscosity fades with the fourth power, so that it needs no conditions
# there.
FADED = 2.0
# Even intervals of the first and of the largest grid, by the number of coordinates of space: some seconds, and some
# minutes.
FIRST_SMOOTHED_INTERVALS = {1: 48, 2: 24}
MOST_SMOOTHED_INTERVALS = {1: 3000, 2: 128}


@dataclass(eq=False)
class SmoothedBlock(EquationBlock):
    """Residuals of the equation with a hyperviscosity: fourth derivatives of fields times the factors `smoothing`."""

    smoothing: Mapping[Key, float] = field(default_factory=dict)

    def evaluate(self, coef: np.ndarray, with_slopes: bool = True) -> tuple[np.ndarray, Slopes]:
        """Residuals and their slopes, as of `RowBlock`."""
        values, slopes = super().evaluate(coef, with_slopes)
        derivatives = self.derivatives(coef, {index for _, _, index in self.smoothing})
        for key, factor in self.smoothing.items():
            number, slot, index = key
            factors = np.full(self.shape, factor)
            for axis in np.flatnonzero(index):
                faded = self._faded(int(axis))
                factors *= faded.reshape([-1 if k == axis else 1 for k in range(len(self.axes))])
            values[number] += factors * derivatives[index][slot]
            if with_slopes:
                slopes[key] = slopes.get(key, 0.0) + factors
        return values, slopes

    def _faded(self, axis: int) -> np.ndarray:
        """Shares of the hyperviscosity at the points of a coordinate, which vanish at walls, see `FADED`."""
        line = self.axes[axis]
        points = self.points[axis]
        if line.periodic:
            return np.ones(len(points))
        low, high = line.breakpoints[[0, -1]]
        distances = np.minimum(points - low, high - points) * line.intervals / (high - low)
        return np.minimum(distances / FADED, 1.0) ** 4


@dataclass(frozen=True, eq=False)
class SmoothedStatement(Statement):
    """A statement with a hyperviscosity in its equation, see `SmoothedBlock`."""

    smoothing: Mapping[Key, float] = field(default_factory=dict)

    def equation_blocks(self, axes: Sequence[SplineAxis]) -> list[RowBlock]:
        """Blocks of the equation, as of `Statement`."""
        return [
            SmoothedBlock(each.form, each.term, each.numbers, axes, each.points, smoothing=self.smoothing)
            for each in super().equation_blocks(axes)
        ]


class SmoothedMarch(SlabMarch):
    """A pass through time on one even grid of space, with a hyperviscosity that is as small as the grid allows [1].

    Where fronts are thinner than intervals, splines oscillate beside them, and what the nonlinear terms make of the
    oscillations grows until there is no solution. A fourth derivative times speed times the third power of the length
    of an interval damps the shortest waves alone: fronts are as wide as a few intervals, and elsewhere the error falls
    with the third power. At the edge of a diffusion that degenerates, as in porous media, it is stronger than diffusion
    of the wrong sign where splines oscillate below zero.

    [1] E. Tadmor, "Convergence of spectral methods for nonlinear conservation laws", SIAM J. Numer. Anal. 26, 1989, 30;
    with higher derivatives: "Super viscosity and spectral approximations of nonlinear conservation laws", Numerical
    Methods for Fluid Dynamics IV, 1993, 69.
    """

    tier = "hyperviscosity"
    first_intervals = FIRST_SMOOTHED_INTERVALS
    most_intervals = MOST_SMOOTHED_INTERVALS
    keeps_grid = True

    def __init__(self, statement: Statement, tolerance: float, watch: Watch, finer: float = 1.0, known: Known = None):
        own = {each.name: getattr(statement, each.name) for each in fields(Statement)}
        super().__init__(SmoothedStatement(**own), tolerance, watch, finer, known)

    def smoothing(self, axes: Sequence[SplineAxis], state: np.ndarray) -> dict[Key, float]:
        """Factors of fourth derivatives for a state at the beginning of a slab; none without any speed.

        There are none either where an equation holds rates of change of several fields, or one whose factor changes its
        sign.
        """
        (block,) = self.statement.equation_blocks(axes)
        points = [axes[k].breakpoints[:1] if k == self.time else each for k, each in enumerate(block.points)]
        at_first = RowBlock(block.form, block.term, block.numbers, axes, points)
        slopes = at_first.evaluate(self._ahead(list(axes), state, 1.0, None))[1]
        rates = [(number, slot, rate) for (number, slot, index), rate in slopes.items() if index[self.time]]
        has_one = sorted(number for number, _, _ in rates) == list(range(len(block.numbers)))
        if not has_one or any(float(rate.min() * rate.max()) <= 0 for _, _, rate in rates):
            return {}
        smoothing: dict[Key, float] = {}
        for number, slot, rate in rates:
            for axis in self.space:
                index = np.eye(len(axes), dtype=int)[axis]
                along = [np.abs(each).max() for key, each in slopes.items() if key[::2] == (number, tuple(index))]
                length = np.ptp(axes[axis].breakpoints) / axes[axis].intervals
                if along:
                    factor = HYPERVISCOSITY * float(np.sign(rate.flat[0]) * max(along) * length**3)
                    smoothing[number, slot, tuple((4 * index).tolist())] = factor
        return smoothing

    def smooths_start(self) -> bool:
        """True if there is a hyperviscosity for the initial state."""
        axes, state = self._initial()
        return bool(self.smoothing(self._with_time(axes, *self.domain.bounds[self.time].tolist()), state))

    def _initial(self) -> tuple[list[SplineAxis], np.ndarray]:
        dimension = len(self.space)
        axes = even_axes(self.statement, round(self.finer * self.first_intervals[dimension]), SPACE_DEGREE[dimension])
        return axes, self._interpolated(axes)

    def _slab(
        self, space: list[SplineAxis], state: np.ndarray, begin: float, end: float
    ) -> tuple[list[SplineAxis], np.ndarray, np.ndarray, float] | None:
        axes = self._with_time(space, begin, end)
        assert isinstance(self.statement, SmoothedStatement)
        self.statement = replace(self.statement, smoothing=self.smoothing(axes, state))
        coef = self._solved(axes, state, end - begin, None)
        if coef is None:
            return None
        return (space, state, coef, self._time_error(space, coef))


def smooths(statement: Statement) -> bool:
    """True if a `SmoothedMarch` can solve a problem."""
    # It is of first order in time, and has first derivatives in space, by which something moves. Several fields have
    # diffusion: without it jumps of a system that is not written as conservation laws depend on what smooths them [1],
    # and a hyperviscosity need not be what is meant.
    # [1] G. Dal Maso, P. LeFloch, F. Murat, "Definition and weak stability of nonconservative products", J. Math. Pures
    # Appl. 74, 1995, 483.
    form = statement.form
    if (
        not isinstance(form.domain, Box)
        or form.has_integrals
        or statement.multipliers
        or statement.constant is not None
    ):
        return False
    space = [axis for axis in range(form.domain.dimension) if axis != form.time]
    if len(space) not in FIRST_SMOOTHED_INTERVALS:
        return False
    if not (statement.field_orders[:, form.time] == 1).all() or (form.order == 1 and len(form.fields) > 1):
        return False
    return SmoothedMarch(statement, 1.0, lambda *_: True).smooths_start()
