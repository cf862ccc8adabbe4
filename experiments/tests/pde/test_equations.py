"""The panel of equations: the summary."""

import math

from edgewise_experiments.pde.equations import summary


def row(problem, error, estimate, **more):
    numbers = {"parameters": 100, "seconds": 9.0, "cpu_seconds": 8.0, "stopped": "converged", "is_doubted": False}
    return {"problem": problem, "seed": 0, "error": error, "estimate": estimate, **numbers, **more}


def test_summary():
    assert summary([]).tables == ()
    rows = [row("Airy", 1e-9, 1e-9), row("beam", 1e-2, 1e-5), row("Fisher", 1e-4, 1e-8, is_doubted=True)]
    rows.append(row("Lorenz", math.inf, 1e-8))
    rows.append(row("orbit", 1e-7, 1e-7))
    rows.append(row("wave (Wave1d-C)", 1e-2, 1e-1))
    rows.append(row("heat around holes (Heat2d-CG)", 1e-1, 1.0))
    outcome = summary(rows)
    figures = outcome.key_figures
    assert figures["cases of PINNacle with an error below its best method's"] == "1 of 2"
    assert [row[8] for row in outcome.tables[1].rows[-2:]] == ["9.8e-02, NTK", "2.4e-02"]
    assert figures["with an error of at most 1e-6"] == "2" and figures["with an error of at most 1e-3"] == "3"
    assert figures["estimates that hold"] == "6 of 7" and figures["those that do not"] == "beam"
    assert figures["wrong without a word (error above 1e-3, estimate 100 times too small)"] == "1"
    assert figures["seconds of all"] == "56"
