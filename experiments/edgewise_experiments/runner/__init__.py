"""The machinery of the experiments: `run_jobs` measures missing rows, `Store` keeps them, `Outcome` shows them."""

from edgewise_experiments.runner.jobs import (
    Job,
    RowCallback,
    RowProgress,
    Stopwatch,
    latest,
    repeats,
    require_complete,
    run_jobs,
    working_seconds,
)
from edgewise_experiments.runner.outcome import (
    NO_ROWS,
    Figure,
    Outcome,
    ResultTable,
    count_range,
    key_figures,
    median,
    scientific,
    times,
    worst,
)
from edgewise_experiments.runner.store import RESULTS, Store

__all__ = [
    "NO_ROWS",
    "RESULTS",
    "Figure",
    "Job",
    "Outcome",
    "ResultTable",
    "RowCallback",
    "RowProgress",
    "Stopwatch",
    "Store",
    "count_range",
    "key_figures",
    "latest",
    "median",
    "repeats",
    "require_complete",
    "run_jobs",
    "scientific",
    "times",
    "working_seconds",
    "worst",
]
