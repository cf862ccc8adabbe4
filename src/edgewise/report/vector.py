"""A figure as a piece of SVG inside a page: unique ids, no style that leaks, no more bytes than it needs."""

import re
from html import escape

from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from edgewise.plot.style import render

_POINTS = 2000  # a scatter of more is drawn as pixels inside the vector figure

_HEAD = re.compile(r"<svg[^>]*>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>", re.DOTALL)
_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(r"(\.\d\d)\d+")


def inline_svg(figure: Figure, prefix: str, alt: str) -> str:
    """The figure as an <svg> element for an HTML page, its ids starting with `prefix`, described by `alt`."""
    with _pixels_for_crowds(figure):
        text = render(figure, ".svg").decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _REFERENCE.sub(rf"\g<1>{prefix}-", tag[0]), text)
    text = _PATH.sub(lambda path: _LONG.sub(r"\1", path[0]), text)
    # Round joins are what the removed style sheet asked for, which in a page would hold for everything.
    width, height = figure.get_size_inches() * 72
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" '
        f'style="stroke-linejoin:round;stroke-linecap:butt">'
    )
    return re.sub(r"\n\s*", "\n", _HEAD.sub(lambda _: head, text, count=1)).strip()


class _pixels_for_crowds:
    """Within it, scatters of too many points are rasterised; afterwards the figure is as it was."""

    def __init__(self, figure: Figure):
        found = figure.findobj(PathCollection)
        self.crowds = [(one, one.get_rasterized()) for one in found if len(one.get_offsets()) > _POINTS]

    def __enter__(self) -> None:
        for crowd, _ in self.crowds:
            crowd.set_rasterized(True)

    def __exit__(self, *_) -> None:
        for crowd, before in self.crowds:
            crowd.set_rasterized(before)
