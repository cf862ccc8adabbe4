"""`edgewise plot`: each kind of figure in each format."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "suffix", "start"),
    [
        ("numbers", "network", ".svg", b"<?xml"),
        ("kinds", "effects", ".png", b"\x89PNG"),
        ("numbers", "edges", ".svg", b"<?xml"),
    ],
)
def test_figures(edgewise, models, tmp_path, name, kind, suffix, start):
    out = tmp_path / f"figure{suffix}"
    done = edgewise("plot", models / name, "--data", models / f"{name}.csv", "--kind", kind, "--out", out)
    assert done.code == 0, done
    assert out.read_bytes().startswith(start)
    assert f"Wrote {out}" in done.out


@pytest.mark.slow
def test_without_data(edgewise, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = edgewise("plot", models / "numbers")
    assert done.code == 0 and "points with the distribution of each column in training" in done.out
    text = (tmp_path / "network.svg").read_text()
    assert "<!-- a -->" in text and "<!-- y -->" in text  # letters are outlines, named in comments
    again = edgewise("plot", models / "numbers")
    assert again.code == 1 and "network.svg, which exists" in again.err
    again = edgewise("plot", models / "numbers", "--force")
    assert "Wrote network.svg" in again.out
