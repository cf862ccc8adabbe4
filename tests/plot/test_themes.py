"""Figures on light and dark pages, in print, and in notebooks."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from edgewise.errors import InputError
from edgewise.plot import confusion, parity, save
from edgewise.plot.pde.maps import colour_bar, draw_map
from edgewise.plot.style import GREY, INK, Figure, render
from edgewise.plot.themes import COLORS, PAGES, recoloured, themed_color


@pytest.fixture(scope="module")
def figure():
    return parity(np.arange(9.0), np.arange(9.0) + 0.1, unit="km")


def luminance(color):  # W3C, Web Content Accessibility Guidelines 2.2, relative luminance
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", PAGES)
def test_text_can_be_read_on_the_page_of_each_theme(theme):
    for color in (INK, GREY):
        assert contrast(to_hex(themed_color(color, theme)), PAGES[theme]) >= 4.5  # level AA
    for color in COLORS:
        assert contrast(to_hex(themed_color(color, theme)), PAGES[theme]) >= (6 if theme == "dark" else 2)


def test_files_have_a_page_and_the_figure_keeps_its_colours(figure, tmp_path):
    before = render(figure, ".svg")
    save(figure, tmp_path / "dark.svg", theme="dark")
    svg = (tmp_path / "dark.svg").read_text()
    assert f"fill: {PAGES['dark']}" in svg and INK not in svg
    assert "</text>" not in svg  # letters are outlines, which look the same for every reader
    save(figure, tmp_path / "text.svg", text_as_paths=False)
    assert "observed (km)</text>" in (tmp_path / "text.svg").read_text()
    assert render(figure, ".svg") == before


def test_an_svg_can_follow_the_reader(figure, tmp_path):
    save(figure, tmp_path / "auto.svg", theme="auto")
    svg = (tmp_path / "auto.svg").read_text()
    style = re.search(r"<style>@media \(prefers-color-scheme: dark\)\{(.*?)\}</style>", svg)[1]
    assert f'[style*="fill: {PAGES["light"]}"]{{fill:{PAGES["dark"]}!important}}' in style
    (of_black,) = re.findall(r"svg\{fill:(#[0-9a-f]{6})\}", style)  # matplotlib writes no fill where it is black
    assert contrast(of_black, PAGES["dark"]) >= 6


@pytest.mark.slow
def test_maps_of_colours_change_too(tmp_path):
    table = confusion(np.array(["a", "b", "b"]), np.array(["a", "a", "b"]))
    light, dark = render(table, ".svg"), render(table, ".svg", theme="dark")
    assert b"#003a5d" in light and b"#003a5d" not in dark
    assert render(table, ".svg") == light


@pytest.mark.slow
def test_the_numbers_of_a_colour_bar_and_the_lines_of_contours_on_dark_pages():
    figure = Figure()
    panel = figure.subplots()
    values = np.outer(np.linspace(-1, 1, 9), np.linspace(0, 1, 9))
    bar = colour_bar(
        figure,
        draw_map(panel, [np.arange(9), np.arange(9)], values * 1e-6, (-1e-6, 1e-6), signed=True),
        panel,
        "neither",
    )
    line = panel.contour(values, levels=[0.5], colors=[INK], linestyles="dashed")

    def shown():
        figure.draw_without_rendering()
        return [text.get_text() for text in bar.ax.get_yticklabels()], bar.ax.yaxis.get_offset_text().get_text()

    before, colors = shown(), line.get_edgecolor().tolist()
    with recoloured(figure, "dark"):
        assert shown() == before and "10^{" in before[1]
        assert to_hex(line.get_edgecolor()[0]) == to_hex(themed_color(INK, "dark"))
    assert shown() == before and line.get_edgecolor().tolist() == colors


def test_savefig_writes_the_theme_of_the_figure(tmp_path):
    figure = parity(np.arange(9.0), np.arange(9.0) + 0.1)
    figure.savefig(tmp_path / "light.svg")
    figure.theme = "dark"
    figure.savefig(tmp_path / "dark.svg")
    assert PAGES["dark"] in (tmp_path / "dark.svg").read_text()
    assert PAGES["dark"] not in (tmp_path / "light.svg").read_text()


def test_unknown_themes_are_refused(figure, tmp_path):
    with pytest.raises(InputError, match="theme must be 'light', 'dark' or 'print', got 'auto'; only SVG"):
        save(figure, tmp_path / "a.png", theme="auto")
    with pytest.raises(InputError, match="theme must be 'light', 'dark', 'print' or 'auto', got 'blue'"):
        save(figure, tmp_path / "a.svg", theme="blue")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_notebook_shows_the_figure_without_a_magic_line(figure):
    png, size = figure._repr_png_()
    assert png.startswith(b"\x89PNG") and size["width"] == round(80 * figure.get_figwidth())
    assert figure._repr_svg_().startswith("<?xml")
    assert "save" in repr(figure)


def test_show_outside_a_notebook_says_how_to_save(figure):
    with pytest.raises(InputError, match=r"show\(\) needs a notebook.*edgewise\.plot\.save"):
        figure.show()
