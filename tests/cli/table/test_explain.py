"""`edgewise explain`: sentences, a figure, all shares as CSV; the shares of a row add up to its prediction."""

import csv

import pytest


@pytest.mark.slow
def test_the_strongest_input_and_a_figure(edgewise, models, tmp_path):
    out = tmp_path / "shares.svg"
    done = edgewise("explain", models / "numbers", "--data", models / "numbers.csv", "--out", out)
    assert done.code == 0, done
    assert "to the prediction of y, over 60 rows" in done.out and "As a goes from" in done.out
    assert out.read_bytes().startswith(b"<?xml") and f"Wrote {out}." in done.out


def test_all_shares_as_csv(edgewise, models, tmp_path):
    out = tmp_path / "shares.csv"
    assert edgewise("explain", models / "numbers", "-d", models / "numbers.csv", "-o", out).code == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 and rows[4]["row"] == "5" and rows[0]["output"] == "y"
    for row in rows:
        total = float(row["base"]) + sum(
            float(v) for k, v in row.items() if k not in ("row", "output", "prediction", "base")
        )
        assert total == pytest.approx(float(row["prediction"]), abs=1e-6)


def test_bad_arguments(refused, edgewise, models, tmp_path):
    data = models / "numbers.csv"
    message = refused("explain", models / "numbers", "-d", data, "-o", tmp_path / "x.bmp")
    assert "--out must end in .svg, .pdf, .png, .csv or .html" in message
    assert "--row must be from 1 to 60, got 99" in refused("explain", models / "numbers", "-d", data, "--row", 99)
    assert edgewise("explain", models / "numbers").code == 2
