"""The experiment on images: quick run, settings chosen before fits, stored rows are not measured again."""

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.images import imaging, tasks
from edgewise_experiments.images.products import PRODUCT_KAN
from edgewise_experiments.images.reporting import summary
from edgewise_experiments.runner.store import Store

pytest.importorskip("skimage")

KINDS = (PRODUCT_KAN, "KAN", "SIREN")


@pytest.fixture
def small(monkeypatch):
    """One picture and three kinds."""
    fields = {"turbulence": tasks.FIELDS["turbulence"]}
    monkeypatch.setattr(imaging, "FIELDS", fields)
    for name in ("SETTINGS", "TASK_SETTINGS"):
        monkeypatch.setattr(imaging, name, {kind: getattr(imaging, name)[kind] for kind in KINDS})


@pytest.mark.slow
def test_quick(small):
    assert experiments()["imaging"].startswith("Imaging: a photograph and a turbulence-like field")
    store, lines = Store(None), []
    outcome = imaging.run(quick=True, store=store, seeds=None, progress=lambda update: lines.append(update.line))
    assert [(row["task"], row["kind"]) for row in store.rows] == [
        *(("tune", kind) for kind in KINDS),
        *(("fit", kind) for kind in KINDS),
        *((task, kind) for task in tasks.TASKS for kind in ("none", *KINDS)),
    ]
    products, kan = store.rows[3:5]
    assert products["parameters"] == 1500 and products["products"] == 1500 - 128**2 // 32 and products["psnr"] > 20
    assert 1125 < kan["parameters"] <= 1500 and kan["psnr"] > 5 and 0 <= kan["ssim"] < 1 and kan["steps"] >= 1
    assert "picture" not in store.rows[0] and store.rows[0]["held_out"] is None
    # The cubic splines and the product KAN have learned from pixels that are not scored.
    assert [store.rows[place].get("held_out") is None for place in (6, 7, 8)] == [True, False, False]
    assert store.rows[7]["psnr"] > 20 and store.rows[11]["psnr"] > 20 and store.rows[8]["held_out"] > 5
    assert [len(table.rows) for table in outcome.tables[1:]] == [3, 1, 8]
    assert len([line for line in lines if line]) == 14
    assert lines.count(None) >= 14
    # The same command goes on where rows are missing.
    del store.rows[3:]
    store.rows[0]["psnr"], made = 99.0, len(store.rows)
    imaging.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert store.rows[0]["psnr"] == 99.0 and len(store.rows) == 14 and made == 3


def test_what_was_best_when_tried_is_fitted(monkeypatch, small):
    tried = []

    def measured(plan, report):
        tried.append(plan)
        good = plan["kind"] == "none" or plan["setting"] == imaging.SETTINGS[plan["kind"]][-1]
        return {"psnr": 30.0 if good else 20.0, "ssim": 0.5, "held_out": None, "looks": [(1.0, 20.0)], "steps": 3} | {
            "parameters": 100,
            "trained": 1.0,
            "picture": tasks.packed(tasks.FIELDS["turbulence"]()),
        }

    monkeypatch.setattr(imaging, "measure", measured)
    store = Store(None)
    outcome = imaging.run(quick=False, store=store, seeds=(4,), progress=lambda update: None)
    fits = [plan for plan in tried if plan["task"] in ("fit", "longer")]
    assert len(fits) == 3 * len(imaging.EFFORT.sizes) + 3
    assert all(plan["setting"] == imaging.SETTINGS[plan["kind"]][-1] and plan["seed"] == 4 for plan in fits)
    # Equal time and a common limit of parameters for all kinds.
    assert {(plan["size"], plan["given"]) for plan in fits if plan["task"] == "fit"} == set(
        imaging.EFFORT.sizes.items()
    )
    assert len(tried) == len(store.rows) and outcome.tables == summary(store.rows).tables
