"""The search for the model of a table: nested candidates from a constant to hidden nodes, judged on held-out rows.

`nested` holds the search, `stages` the list of its steps, `candidates` what it chooses among, `hidden_nodes` the growth
of nodes on what additive models leave over, `validation` all divisions of rows and the comparison of losses, `records`
the table of candidates, `inference` the tests of its terms. `jobs` are threads, and
every threshold stands in `policy`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.model_selection.search.records import SearchReport, Trial

__all__ = ["SearchReport", "Trial"]

import_on_demand(__name__)
