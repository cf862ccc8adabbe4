"""`edgewise explain --out page.html`: the page about a model that was fitted earlier."""

import json

import pytest


@pytest.mark.slow
def test_the_score_is_that_of_the_test_rows(edgewise, models, tmp_path):
    page = tmp_path / "page.html"
    done = edgewise("explain", models / "kinds", "--data", models / "kinds.csv", "--out", page)
    assert done.code == 0 and "test rows of kinds.csv" in done.out
    score = json.loads((models / "kinds" / "metrics.json").read_text())["score"]
    assert f"{100 * score['value']:.1f} %" in page.read_text()


@pytest.mark.nightly
def test_other_rows_and_none(edgewise, refused, models, tmp_path):
    lines = (models / "numbers.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join(lines[:60]) + "\n")
    done = edgewise("explain", models / "numbers", "--data", tmp_path / "other.csv", "--out", tmp_path / "a.html")
    assert "score on 59 rows of other.csv" in done.out and "too good if the model was trained" in done.out
    (tmp_path / "mine.html").write_text("my own page")
    words = ("--data", tmp_path / "other.csv", "--out", tmp_path / "mine.html")
    assert "--force replaces it" in refused("explain", models / "numbers", *words)
    assert "--out must end in" in refused("explain", models / "numbers", *words, "--row", 1)
