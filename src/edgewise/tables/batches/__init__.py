"""Tables that are larger than memory: read batch by batch, as often as a fit needs (`Batches`).

`source` turns files, data sets and loaders into batches of one form and checks each; `survey` is the first pass, which
counts the rows and keeps a sample of them; `groups` draws random numbers of rows and of groups. What a fit sums over
all rows later is up to the estimators.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.tables.batches.source import Batch, Batches
    from edgewise.tables.batches.survey import Survey

__all__ = ["Batch", "Batches", "Survey"]

import_on_demand(__name__)
