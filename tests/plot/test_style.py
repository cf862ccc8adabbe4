"""Common parts of all figures: files, reproducible bytes, fonts; matplotlib's settings stay unchanged."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure as MatplotlibFigure

from edgewise.plot import parity, save
from edgewise.plot.style import display_text, draw_density, panels, render, styled


@pytest.fixture
def figure():
    return parity(np.arange(9.0), np.arange(9.0) + 0.1, unit="km")


@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<?xml"), pytest.param("pdf", b"%PDF", marks=pytest.mark.slow), ("png", b"\x89PNG")]
)
def test_save_writes_each_format_and_the_same_bytes_again(figure, tmp_path, suffix, start):
    for name in ("a", "b"):
        save(figure, tmp_path / f"{name}.{suffix}")
    first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first.startswith(start)
    assert first == second


def test_text_in_svg_is_text_and_there_is_no_date(figure):
    svg = render(figure, ".svg").decode()
    assert "observed (km)</text>" in svg
    assert "<dc:date>" not in svg
    assert "STIXGeneral, 'STIX Two Text', 'Times New Roman', Times, serif" in svg


def test_a_figure_whose_layout_is_known_is_drawn_once(figure, monkeypatch):
    drawings = []
    draw = MatplotlibFigure.draw
    monkeypatch.setattr(MatplotlibFigure, "draw", lambda one, renderer: drawings.append(draw(one, renderer)))
    render(figure, ".svg")
    assert len(drawings) == 1


def in_a_fresh_interpreter(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_pyplot_is_never_imported():
    code = "import sys, edgewise.plot; print('matplotlib.pyplot' in sys.modules)"
    assert in_a_fresh_interpreter(code).stdout.strip() == "False"


def test_plain_text_is_one_printable_line_without_formulas():
    assert display_text("a\nb\x00") == "a b\ufffd"
    assert display_text("price $5 or $6") == r"price \$5 or \$6"
    assert display_text("-12") == "−12"
    assert display_text("x" * 100, 20) == "x" * 13 + "…" + "x" * 6


def test_density_counts_the_data():
    with styled():
        _, (axes,) = panels(1, 1, 2.0)
        axes.set_xlim(0, 40)
        values = np.repeat(np.arange(20) + 0.5, np.arange(20))
        draw_density(axes, values)
    (patch,) = axes.patches
    np.testing.assert_allclose(patch.get_data().values[:20], 0.13 * np.arange(20) / 19)
