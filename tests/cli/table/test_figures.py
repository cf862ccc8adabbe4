"""The figures of a report, by kind."""

from edgewise.cli.shared.job import FitJob, prepare, train
from edgewise.cli.table.plot import SEEN, draw, explanation, seen_rows

SETTINGS = {"budget": 0.001, "hidden": (), "grid_size": 2, "formulas": 0}


def test_kinds_of_figures(numbers, kinds):
    ready = prepare(FitJob(str(numbers), "y", drop=("group",), **SETTINGS))
    trained = train(ready)
    explained = explanation(ready, trained)
    figures = [one.kind for one in draw(ready, trained, explained, None)]
    assert figures == ["parity", "effects", "shares", "network", "edges", "history"]
    assert explained.outputs == ("y",) and len(seen_rows(ready)) == min(SEEN, len(ready.train))
    ready = prepare(FitJob(str(kinds), "kind", **SETTINGS))
    trained = train(ready)
    assert [one.kind for one in draw(ready, trained, None, None)][:2] == ["confusion", "effects"]
