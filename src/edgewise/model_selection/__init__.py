"""From samples to a chosen and trained model, by held-out loss within a budget of work.

`auto_fit` is the door for tables: it runs a `Search` over candidates (shape, grid, regularisation) and trains the
chosen one on all samples. `approximate` is the door for noise-free samples of a smooth function, which can be fitted
to many digits. A reader follows a table from `automatic` to `search` to `candidates`, with the folds in
`cross_validation`, and an approximation from `approximation` to `starts`.
"""

from edgewise.model_selection.approximation import ApproximateResult, Phase, approximate
from edgewise.model_selection.automatic import AutoResult, auto_fit
from edgewise.model_selection.candidates import Candidate
from edgewise.model_selection.search import Search, SearchReport, Trial
from edgewise.model_selection.settings import SearchPolicy, SearchSettings

__all__ = [
    "ApproximateResult",
    "AutoResult",
    "Candidate",
    "Phase",
    "Search",
    "SearchPolicy",
    "SearchReport",
    "SearchSettings",
    "Trial",
    "approximate",
    "auto_fit",
]
