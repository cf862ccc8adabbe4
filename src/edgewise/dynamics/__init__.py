"""Dynamics: the laws of motion behind measured trajectories.

Bring several trajectories from different starts: one run into a point of rest seldom decides. `find_dynamics` takes
them and returns a `Motion`: systems of equations from short to accurate, the choice among them, forecasts with a band
of the rivals that the data do not exclude, fixed points, conserved quantities, and the start from which the next
measurement would decide most.

The stages, each a module: `smoothing` takes the noise off, `terms` lists what a right-hand side may be made of,
`integral_form` finds sparse sums without derivatives, `shooting` fits all constants to whole trajectories, `choosing`
exchanges terms, and `judging` asks how the rivals differ. Fields on a grid, and partial differential equations, have
`fields`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.dynamics.finder import find_dynamics
    from edgewise.dynamics.result import Forecast, Motion, System
    from edgewise.dynamics.settings import DynamicsSettings

__all__ = ["DynamicsSettings", "Forecast", "Motion", "System", "find_dynamics"]

import_on_demand(__name__)
