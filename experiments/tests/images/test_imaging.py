"""The experiment on images: settings are chosen before fits."""

import pytest

from edgewise_experiments.images import imaging, quality
from edgewise_experiments.images.products import PRODUCT_KAN
from edgewise_experiments.images.reporting import summary
from edgewise_experiments.runner.store import Store

pytest.importorskip("skimage")

KINDS = (PRODUCT_KAN, "KAN", "SIREN")


@pytest.fixture
def small(monkeypatch):
    """One picture and three kinds."""
    monkeypatch.setattr(imaging, "FIELDS", {"turbulence": quality.FIELDS["turbulence"]})
    monkeypatch.setattr(imaging, "SETTINGS", {kind: imaging.SETTINGS[kind] for kind in KINDS})


def test_what_was_best_when_tried_is_fitted(monkeypatch, small):
    tried = []

    def measured(plan, report):
        tried.append(plan)
        good = plan["setting"] == imaging.SETTINGS[plan["kind"]][-1]
        return {"psnr": 30.0 if good else 20.0, "ssim": 0.5, "looks": [(1.0, 20.0)], "steps": 3} | {
            "parameters": 100,
            "trained": 1.0,
            "picture": quality.packed(quality.FIELDS["turbulence"]()),
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
