"""Result tables of the experiment on images: leads over SIREN at equal parameters and time, figures."""

import numpy as np
import pytest

from edgewise_experiments.images.quality import packed
from edgewise_experiments.images.reporting import summary

PICTURE = packed(np.full((128, 128), 0.5))


def row_of(task, kind, psnr, field="camera", size=5000, given=10.0, **changes):
    setting = {"omega": 30, "rate": 3e-3} if kind == "SIREN" else {"grid": 64}
    return {
        **{"task": task, "field": field, "kind": kind, "setting": setting, "size": size, "given": given, "seed": 0},
        **{"psnr": psnr, "ssim": 0.9, "parameters": size - 7, "steps": 1234, "trained": 10.02, "seconds": 11.0},
        **{"looks": [[5.0, 20.0], [10.0, None]], "picture": PICTURE},
        **changes,
    }


@pytest.mark.slow
def test_leads_at_equal_parameters_and_time():
    rows = [
        *(row_of("fit", "KAN", 30.0), row_of("fit", "SIREN", 28.0), row_of("fit", "ReLU MLP", 31.0)),
        *(row_of("fit", "KAN", 30.0, "turbulence"), row_of("fit", "SIREN", 30.5, "turbulence")),
        *(row_of("longer", "KAN", 33.0, given=40.0), row_of("longer", "SIREN", 33.5, given=40.0)),
    ]
    outcome = summary(rows)
    assert outcome.key_figures["fits with the KAN above SIREN"] == "1 of 2"
    assert outcome.key_figures["fits with the KAN above every other network"] == "0 of 2"
    assert outcome.key_figures["longer fits with the KAN above SIREN"] == "0 of 1"
    assert outcome.tables[2].rows == (
        ("camera", "5,000", "10", "+2.0"),
        ("turbulence", "5,000", "10", "-0.5"),
        ("camera", "5,000", "40", "-0.5"),
    )
    assert outcome.tables[1].rows[0] == ("camera", "4,993", "KAN", "grid 64, L-BFGS", "1,234", "10", "30.0", "0.900")
    assert outcome.tables[1].rows[1][3] == "omega 30, Adam 0.003"
    assert list(outcome.figures) == ["camera", "turbulence", "time"]
    camera = outcome.figures["camera"]()
    assert [axes.get_title(loc="left") for axes in camera.axes[:4]] == ["original", "KAN", "SIREN", "ReLU MLP"]
    assert [list(axes.lines[0].get_xdata()) for axes in outcome.figures["time"]().axes] == [[5.0], [5.0]]


@pytest.mark.slow
def test_both_kinds_of_kans_are_compared_with_the_others_and_not_with_each_other():
    rows = [
        *(row_of("fit", "product KAN", 35.0, looks=[[0.1, 35.0]], trained=0.1, setting={}, steps=1),),
        *(row_of("fit", "KAN", 30.0), row_of("fit", "SIREN", 29.0), row_of("fit", "KAN", 28.0, seed=1)),
        *(row_of("fit", "SIREN", 29.0, seed=1), row_of("longer", "KAN", 31.0, given=40.0)),
        row_of("longer", "SIREN", 33.0, given=40.0),
    ]
    outcome = summary(rows)
    numbers = outcome.key_figures
    assert numbers["fits with the product KAN above SIREN"] == "1 of 1"
    assert numbers["fits with the KAN above every other network"] == "1 of 2"
    assert outcome.tables[2].columns == ("picture", "parameters up to", "seconds", "product KAN", "KAN")
    assert outcome.tables[2].rows == (("camera", "5,000", "10", "+6.0", "+0.0"), ("camera", "5,000", "40", "-", "-2.0"))
    assert outcome.tables[1].rows[0][2:6] == ("product KAN", "solved for", "1", "0.10")
    # What is solved for at once stays as good.
    assert list(outcome.figures["time"]().axes[0].lines[0].get_xdata()) == [0.1, 10.0]


def test_a_repeated_row_counts_once_and_the_last():
    rows = [row_of("fit", "KAN", 20.0), row_of("fit", "SIREN", 28.0), row_of("fit", "KAN", 30.0)]
    assert summary(rows).tables[2].rows == (("camera", "5,000", "10", "+2.0"),)


def test_a_fit_that_ended_without_a_number_leads_nobody():
    rows = [row_of("fit", "KAN", None), row_of("fit", "SIREN", 28.0)]
    outcome = summary(rows)
    assert list(outcome.key_figures) == ["seeds", "threads"] and outcome.tables[1].rows[0][-2:] == ("-", "0.900")


def test_lines_and_nothing():
    assert summary([row_of("tune", "KAN", 20.0)]).notes == ("There are no rows yet.",)


def test_seeds_are_taken_together():
    rows = [row_of("fit", "KAN", 30.0 + seed, seed=seed, steps=100 + seed) for seed in range(3)]
    rows += [row_of("fit", "SIREN", 30.5, seed=seed) for seed in range(3)]
    outcome = summary(rows)
    assert len(outcome.tables[1].rows) == 2
    assert outcome.tables[1].rows[0][4:] == ("101", "10", "31.0 ± 1.0", "0.900")
    assert outcome.key_figures["fits with the KAN above SIREN"] == "2 of 3"
    assert outcome.tables[2].rows == (("camera", "5,000", "10", "+0.5"),)
