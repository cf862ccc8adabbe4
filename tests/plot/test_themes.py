"""Figures on light and dark pages, in print, and in notebooks."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from edgewise.errors import InputError
from edgewise.plot import parity, save
from edgewise.plot.style import GREY, INK, render
from edgewise.plot.themes import COLORS, PAGES, themed_color


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


def test_savefig_writes_the_theme_of_the_figure(tmp_path):
    figure = parity(np.arange(9.0), np.arange(9.0) + 0.1)
    figure.savefig(tmp_path / "light.svg")
    figure.theme = "dark"
    figure.savefig(tmp_path / "dark.svg")
    assert PAGES["dark"] in (tmp_path / "dark.svg").read_text()
    assert PAGES["dark"] not in (tmp_path / "light.svg").read_text()


def test_show_outside_a_notebook_says_how_to_save(figure):
    with pytest.raises(InputError, match=r"show\(\) needs a notebook.*edgewise\.plot\.save"):
        figure.show()
