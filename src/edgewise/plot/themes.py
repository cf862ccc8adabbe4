"""Colours of figures on light pages, on dark pages and in print, and the change of a figure from one to another.

Figures are drawn in the colours of a light page. `recoloured` exchanges the colours of everything in a figure while it
is written to a file, so that no drawing function has to know about themes.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.collections import Collection
from matplotlib.colors import Colormap, ListedColormap, to_hex, to_rgba
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from edgewise.errors import InputError

Theme = Literal["light", "dark", "print"]
FileTheme = Literal["light", "dark", "print", "auto"]

# Colours. Okabe and Ito, "Color Universal Design", 2002: a palette whose colours differ for readers with each common
# colour vision deficiency; its black is replaced by INK, its yellow is left out as too light for lines on white.
INK = "#1d1d1f"
GREY = "#6e6e73"
FAINT = "#d2d2d7"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

PAGES: dict[str, str] = {"light": "#ffffff", "dark": "#121212", "print": "#ffffff"}
# On a dark page the palette is lighter, in the same order of hues (contrasts with the page above 6 to 1).
# In print text is black, and lines are dark enough for one ink.
_PALETTES = {
    "dark": dict(
        zip(
            (INK, GREY, FAINT, *(color.lower() for color in COLORS)),
            ("#ececee", "#a5a5ac", "#46464b", "#4aa8e8", "#ff8a3d", "#2fc79a", "#e79cc6", "#a5dafa", "#ffc24d"),
            strict=True,
        )
    ),
    "print": {INK: "#000000", GREY: "#3c3c40", FAINT: "#bdbdc2"},
}

Color = tuple[float, float, float, float]


def check_theme(theme: str, *, auto: bool = False) -> None:
    """Raise InputError unless `theme` is known; "auto" is one of them for SVG files."""
    known = get_args(FileTheme) if auto else get_args(Theme)
    if theme not in known:
        names = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        if theme == "auto":
            remark = "; only SVG files can follow the reader's setting"
        else:
            remark = ""
        raise InputError(f"theme must be {names}, got {theme!r}{remark}")


def themed_color(color: Any, theme: str) -> Color:
    """Return a colour of a light page as it is in another theme, with the same opacity."""
    red, green, blue, opacity = to_rgba(color)
    known = _PALETTES.get(theme, {}).get(to_hex((red, green, blue)))
    if known is not None:
        red, green, blue, _ = to_rgba(known)
    elif theme == "dark":
        hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
        # The ends of the lightness on a dark page are those of its ink, 0.93, and of the page itself, 0.07.
        inverted = 0.93 - (0.93 - 0.07) * lightness
        red, green, blue = colorsys.hls_to_rgb(hue, inverted, saturation)
    return red, green, blue, opacity


@contextmanager
def recoloured(figure: Figure, theme: str) -> Iterator[None]:
    """Give everything in a figure the colours of a theme within a `with` block; the old colours return afterwards."""
    with ExitStack() as undo:
        if theme != "light":
            for artist in figure.findobj():
                _recolour(artist, theme, undo)
        yield


def _recolour(artist: Artist | None, theme: str, undo: ExitStack) -> None:
    """Change the colours of one artist and note in `undo` how to set them back."""
    match artist:
        case Text():
            _exchange(artist.get_color, artist.set_color, theme, undo)
            _recolour(artist.get_bbox_patch(), theme, undo)
        case Line2D():
            # Read all three before any is changed: markers may follow the colour of the line.
            line = artist.get_color()
            face = artist.get_markerfacecolor()
            edge = artist.get_markeredgecolor()
            _exchange(lambda: line, artist.set_color, theme, undo)
            _exchange(lambda: face, artist.set_markerfacecolor, theme, undo)
            _exchange(lambda: edge, artist.set_markeredgecolor, theme, undo)
        case Patch():
            _exchange(artist.get_facecolor, artist.set_facecolor, theme, undo)
            _exchange(artist.get_edgecolor, artist.set_edgecolor, theme, undo)
        case ScalarMappable() if _has_map(artist):
            before = artist.get_cmap()
            undo.callback(_set_colors, artist, before)
            # All colours of the map.
            colors = before(np.linspace(0, 1, 256))
            _set_colors(artist, ListedColormap([themed_color(color, theme) for color in colors]))
            # The edges of contours have the colours of their map.
            if isinstance(artist, Collection) and not isinstance(artist, ContourSet):
                _exchange_edges(artist, theme, undo)
        case Collection():
            _exchange(artist.get_facecolor, artist.set_facecolor, theme, undo)
            _exchange_edges(artist, theme, undo)


def _has_map(artist: Any) -> bool:
    """Return whether an artist shows numbers by a map of colours; images of colours do not."""
    return artist.get_array() is not None and np.ndim(artist.get_array()) < 3


def _set_colors(artist: ScalarMappable, colors: Colormap) -> None:
    """Change the colours of a map and of its colour bar, which keeps its numbers."""
    bar = artist.colorbar
    numbers = bar and (bar.long_axis.get_major_locator(), bar.long_axis.get_major_formatter())
    artist.set_cmap(colors)
    if bar and numbers:
        bar.locator, bar.formatter = numbers
        bar.update_ticks()


def _exchange_edges(artist: Collection, theme: str, undo: ExitStack) -> None:
    """Exchange the colours of the edges, unless they follow the faces."""
    match getattr(artist, "_original_edgecolor", None):
        case str("face"):
            return
    _exchange(artist.get_edgecolor, artist.set_edgecolor, theme, undo)


def _exchange(get: Callable[[], Any], put: Callable[[Any], None], theme: str, undo: ExitStack) -> None:
    before = get()
    match before:
        case str() if before.lower() in ("none", "auto", "face"):
            return
        case np.ndarray(ndim=2):
            after: Any = [themed_color(color, theme) for color in before]
        case _:
            after = themed_color(before, theme)
    undo.callback(put, before)
    put(after)


def following_the_reader(svg: str) -> str:
    """Add the colours of a dark page to an SVG file, for readers whose system or browser prefers dark pages."""
    # Media Queries Level 5, W3C, section 12.5 (`prefers-color-scheme`).
    rules = [f"svg{{fill:{to_hex(themed_color('#000000', 'dark'))}}}"]  # matplotlib leaves out the fill of black text
    for kind in ("fill", "stroke"):
        for color in sorted(set(re.findall(rf"{kind}: (#[0-9a-f]{{6}})", svg))):
            dark = to_hex(themed_color(color, "dark"))
            rules.append(f'[style*="{kind}: {color}"]{{{kind}:{dark}!important}}')
    style = f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
    end = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:end]}\n{style}{svg[end:]}"
