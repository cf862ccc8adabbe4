"""From samples to a chosen and trained model, by held-out loss.

`auto_fit` is the door for tables: it runs a `Search` over nested additive models with pairs and hidden nodes, and fits
the chosen one to all samples. `approximate` is the door for noise-free samples of a smooth function, which can be
fitted to many digits. A reader follows a table from `automatic` to `nested`, which holds the search, its `stages` and
its `candidates`, and on to the statistical core in `edgewise.gam`, with hidden nodes in `hidden_nodes`, divisions of
rows in `validation`, the table of candidates in `records`, tests of terms in `inference` and every threshold in
`policy`. A network of a given shape is one candidate of the same search, trained in `fixed_shape`; samples without
noise go from `noise_free` to `polynomials`, or to `approximation` and `starts`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.search.approximation import ApproximateResult, Phase, approximate
    from edgewise.search.records import SearchReport, Trial

__all__ = ["ApproximateResult", "Phase", "SearchReport", "Trial", "approximate"]

import_on_demand(__name__)
