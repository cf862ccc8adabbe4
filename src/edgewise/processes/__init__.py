"""Several processes that fit one model, on one machine or many, as `torchrun` starts them.

`joined_processes` joins them; a `Team` leads them through one fit: the first process decides, all of them sum. A
`DaskTeam` sums on the workers of Dask.
"""

from edgewise.processes.dask_team import DaskTeam
from edgewise.processes.team import Team, joined_processes, process_and_count

__all__ = ["DaskTeam", "Team", "joined_processes", "process_and_count"]
