"""The memory of a process, and several that fit one model, on one machine or many, as `torchrun` starts them.

`memory_limit` bounds the memory of a block of code. `joined_processes` joins processes; a `Team` leads them through one
fit: the first process decides, all of them sum. A `DaskTeam` sums on the workers of Dask.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.processes.memory import memory_limit
    from edgewise.processes.team import joined_processes

__all__ = ["joined_processes", "memory_limit"]

import_on_demand(__name__)
