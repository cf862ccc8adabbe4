"""Result tables of the experiment on images: leads over SIREN at equal parameters and time, tasks, figures."""

import numpy as np
import pytest

from edgewise_experiments.images.reporting import best_row, line, summary
from edgewise_experiments.images.tasks import packed

PICTURE = packed(np.full((128, 128), 0.5))


def row_of(task, kind, psnr, field="camera", size=5000, given=10.0, held_out=None, **changes):
    setting = {} if kind == "none" else {"omega": 30, "rate": 3e-3} if kind == "SIREN" else {"grid": 64}
    return {
        **{"task": task, "field": field, "kind": kind, "setting": setting, "size": size, "given": given, "seed": 0},
        **{"psnr": psnr, "ssim": 0.9, "parameters": size - 7, "steps": 1234, "trained": 10.02, "seconds": 11.0},
        **{"looks": [[5.0, 20.0], [10.0, None]], "held_out": held_out, "picture": PICTURE},
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
        *(row_of("longer", "SIREN", 33.0, given=40.0), row_of("denoising", "none", 20.0, size=0, given=0.0)),
        *(row_of("denoising", "KAN", 25.0, held_out=19.0), row_of("denoising", "SIREN", 26.0, held_out=18.0)),
        row_of("denoising", "product KAN", 27.0, held_out=18.5, setting={}),
    ]
    outcome = summary(rows)
    numbers = outcome.key_figures
    assert numbers["fits with the product KAN above SIREN"] == "1 of 1"
    assert numbers["fits with the KAN above every other network"] == "1 of 2"
    assert numbers["denoising: pictures with the product KAN above every other network"] == "1 of 1"
    assert numbers["denoising: pictures with the KAN above every other network"] == "0 of 1"
    assert outcome.tables[2].columns == ("picture", "parameters up to", "seconds", "product KAN", "KAN")
    assert outcome.tables[2].rows == (("camera", "5,000", "10", "+6.0", "+0.0"), ("camera", "5,000", "40", "-", "-2.0"))
    assert outcome.tables[1].rows[0][2:6] == ("product KAN", "solved for", "1", "0.10")
    # What is solved for at once stays as good.
    assert list(outcome.figures["time"]().axes[0].lines[0].get_xdata()) == [0.1, 10.0]


def test_a_repeated_row_counts_once_and_the_last():
    rows = [row_of("fit", "KAN", 20.0), row_of("fit", "SIREN", 28.0), row_of("fit", "KAN", 30.0)]
    assert summary(rows).tables[2].rows == (("camera", "5,000", "10", "+2.0"),)


def test_held_out_pixels_choose_in_the_tasks():
    rows = [
        row_of("denoising", "none", 20.0, size=0, given=0.0),
        row_of("denoising", "KAN", 25.0, held_out=19.0),
        row_of("denoising", "KAN", 24.0, held_out=19.5, setting={"grid": 32}),
        row_of("denoising", "SIREN", 23.0, held_out=18.0),
        row_of("denoising", "SiLU MLP", 17.0, held_out=15.0, setting={}),
        row_of("denoising", "ReLU MLP", 20.0, held_out=16.0, setting={}),
    ]
    assert best_row(rows, "denoising", "camera", "KAN", 0)["setting"] == {"grid": 32}
    outcome = summary(rows)
    assert outcome.key_figures["denoising: pictures with the KAN above every other network"] == "1 of 1"
    assert outcome.key_figures["denoising: pictures with the KAN above the noisy picture as it is"] == "1 of 1"
    assert [row[3] for row in outcome.tables[1].rows[:3]] == ["noisy picture as it is", "KAN", "SIREN"]
    assert [row[-2] for row in outcome.tables[1].rows[:3]] == ["20.0", "24.0", "23.0"]
    assert outcome.tables[1].rows[0][:4] == ("denoising", "camera", "-", "noisy picture as it is")
    titles = [axes.get_title(loc="left") for axes in outcome.figures["denoising-camera"]().axes]
    assert titles[:6] == ["original", "noisy", "KAN", "SIREN", "ReLU MLP", ""]


def test_cubic_splines_may_be_ahead_of_all():
    kinds = (("none", 29.0), ("KAN", 26.0), ("SIREN", 26.5), ("ReLU MLP", None))
    rows = [row_of("super-resolution", kind, quality, "turbulence") for kind, quality in kinds]
    numbers = summary(rows).key_figures
    assert numbers["super-resolution: pictures with the KAN above every other network"] == "0 of 1"
    assert numbers["super-resolution: pictures with the KAN above the cubic splines"] == "0 of 1"
    assert list(summary(rows[:1]).key_figures) == ["seeds", "threads"]


def test_a_fit_that_ended_without_a_number_leads_nobody():
    rows = [row_of("fit", "KAN", None), row_of("fit", "SIREN", 28.0)]
    outcome = summary(rows)
    assert list(outcome.key_figures) == ["seeds", "threads"] and outcome.tables[1].rows[0][-2:] == ("-", "0.900")


def test_lines_and_nothing():
    assert line(row_of("fit", "SIREN", 28.04)) == "fit, camera, SIREN omega 30, Adam 0.003: 28.0 dB, 11.0 s"
    assert summary([row_of("tune", "KAN", 20.0)]).notes == ("There are no rows yet.",)


def test_seeds_are_taken_together():
    rows = [row_of("fit", "KAN", 30.0 + seed, seed=seed, steps=100 + seed) for seed in range(3)]
    rows += [row_of("fit", "SIREN", 30.5, seed=seed) for seed in range(3)]
    outcome = summary(rows)
    assert len(outcome.tables[1].rows) == 2
    assert outcome.tables[1].rows[0][4:] == ("101", "10", "31.0 ± 1.0", "0.900")
    assert outcome.key_figures["fits with the KAN above SIREN"] == "2 of 3"
    assert outcome.tables[2].rows == (("camera", "5,000", "10", "+0.5"),)
    rows = [row_of("denoising", "none", 20.0 + seed, size=0, given=0.0, seed=seed) for seed in (0, 1)]
    rows += [row_of("denoising", "KAN", 25.0 + seed, held_out=1.0, seed=seed) for seed in (0, 1)]
    rows += [row_of("denoising", "SIREN", 25.2, held_out=1.0, seed=seed) for seed in (0, 1)]
    outcome = summary(rows)
    assert [row[-2].split()[0] for row in outcome.tables[1].rows] == ["20.5", "25.5", "25.2"]
    assert outcome.key_figures["denoising: pictures with the KAN above every other network"] == "1 of 1"


def test_figures_show_the_first_seed_and_the_two_best_other_kinds():
    rows = []
    for seed in (0, 1):
        kinds = (("none", 20.0), ("KAN", 25.0), ("SIREN", 24.0), ("ReLU MLP", 21.0), ("SiLU MLP", 18.0))
        found = [row_of("denoising", kind, psnr + seed, held_out=1.0, seed=seed) for kind, psnr in kinds]
        rows += found if seed == 0 else [{k: v for k, v in row.items() if k != "picture"} for row in found]
    figure = summary(rows).figures["denoising-camera"]()
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["original", "noisy", "KAN", "SIREN", "ReLU MLP"]
    assert summary([row for row in rows if row["seed"] == 1]).figures == {}
