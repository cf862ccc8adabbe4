"""A figure as SVG inside a page: unique ids, no style sheet that acts on the rest of the page, few bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from edgewise.escaping import html_text
from edgewise.plot.style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, prefix: str, alt: str) -> str:
    """Return the figure as an <svg> element for an HTML page, its ids starting with `prefix`, described by `alt`."""
    from matplotlib.collections import PathCollection  # after `edgewise.plot`, which names the extra that has it

    # A scatter of more than 2,000 points is drawn as pixels inside the vector figure.
    crowds = [one for one in figure.findobj(PathCollection) if np.size(one.get_offsets()) > 2 * 2000]
    before = [crowd.get_rasterized() for crowd in crowds]
    try:
        for crowd in crowds:
            crowd.set_rasterized(True)
        text = render(figure, ".svg").decode("utf-8")
    finally:  # the caller's figure stays as it was
        for crowd, rasterized in zip(crowds, before, strict=True):
            crowd.set_rasterized(rasterized)
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    # Ids and references to them start with the prefix, and coordinates of paths have two decimals.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", tag[0]), text)
    text = re.sub(r'(?<= d=")[^"]*', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    # The removed style sheet sets round joins; in a page it would act on everything.
    width, height = figure.get_size_inches() * 72
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{html_text(alt)}" viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" '
        f'style="stroke-linejoin:round;stroke-linecap:butt">'
    )
    return re.sub(r"\n\s*", "\n", re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)).strip()
