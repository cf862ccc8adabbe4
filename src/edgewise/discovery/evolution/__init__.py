"""Fourth stage of the formula search: genetic programming from everything that the other stages found.

`stage` has the door, `evolved`, and the islands' migrations; `islands` one generation after another; `variation` the
random programs, crossover and mutations; `batches` fits the constants of hundreds of programs at once; `operations`
has what a program is made of.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.evolution.stage import evolved

__all__ = ["evolved"]

import_on_demand(__name__)
